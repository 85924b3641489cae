"""Reads a Python file as students hand it in: with a byte-order mark, in Windows' or Chinese encodings."""

from __future__ import annotations

import ast
import re

LARGEST = 1 << 20
# A cell that begins with %%time, exported as a script: its text is the last argument. (%%timeit defines nothing.)
MAGIC = re.compile(r"^get_ipython\(\)\.run_cell_magic\('(?:time|capture|prun)', .*?, ((['\"]).*\2)\)$", re.MULTILINE)


def read_source(data: bytes) -> tuple[str | None, str]:
    """(text, "") of the file, or (None, why it cannot be read)."""
    if len(data) > LARGEST:
        return None, f"the file has more than {LARGEST >> 20} MB: an answer has a few thousand bytes"
    text, told = decoded(data)
    if text is not None and re.match(r'\s*\{\s*"(cells|metadata|nbformat\w*)":', text):
        return None, "this is a notebook with another ending: export it as a script (.py)"
    return (None, told) if text is None else (MAGIC.sub(_cell, text), "")


def _cell(magic: re.Match[str]) -> str:
    try:
        return str(ast.literal_eval(magic[1]))
    except (SyntaxError, ValueError):  # not what an export writes
        return magic[0]


def decoded(data: bytes) -> tuple[str | None, str]:
    """(text, the encoding it was read in) of any text file, or (None, why it cannot be read)."""
    utf_16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    guesses = ["gb18030", "cp1252"] if chinese(data) else ["cp1252", "gb18030"]
    encodings = ["utf-16"] if utf_16 else ["utf-8-sig", *guesses]
    if b"\0" in data and not utf_16:
        return None, "the file is no text: is it the .py file that was written?"
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n"), encoding
    return None, "the file's encoding is unknown: save it as UTF-8"


def chinese(data: bytes) -> bool:
    """Whether high bytes come in the pairs of Chinese characters; in western encodings most stand alone."""
    paired = sum(map(len, re.findall(rb"(?:[\xa1-\xf7][\xa1-\xfe])+", data)))
    return 2 * paired > len(re.findall(rb"[\x80-\xff]", data))
