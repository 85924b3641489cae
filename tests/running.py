"""Calling the commands in this process, as their users do in a terminal, and reading what they say."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple


class Said(NamedTuple):
    status: int
    out: str
    err: str


def call(main, *arguments, encoding="utf-8"):
    """`main` with these arguments, on streams of `encoding`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="\n", write_through=True) for _ in range(2))
    before, sys.argv = sys.argv, ["train.py", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = before
    return Said(status, *(stream.buffer.getvalue().decode(encoding) for stream in (out, err)))


def refused(said, *words):
    """The one line on standard error with which a command refused, after making sure that it is one."""
    assert said.status not in (0, None), said
    lines = said.err.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("error: ") and "Traceback" not in said.err, said.err
    assert len(lines[0]) < 700, lines[0]
    for word in words:
        assert str(word) in lines[0], (word, lines[0])
    return lines[0]
