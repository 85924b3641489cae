"""What every command shares: arguments and errors, each mistake told in one line."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Arguments whose mistakes are told in one line, like all others, instead of below the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {' '.join(message.split())} (--help lists what there is)\n")


def seed(text: str) -> int:
    """What --seed takes: a number that NumPy's generators can be seeded with."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"a seed is 0 or more, got {text}")
    return int(text)


def place(text: str) -> str:
    """What --out takes: any name but none, which would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty: give one, or leave --out away")
    return text


def one_line_errors(command: Callable[[], Any]) -> Callable[[], None]:
    """Runs a command so that what its user did wrong is said in one line on standard error, with exit status 1.

    Warnings are one line each as well. MINNET_DEBUG=1 shows the whole traceback instead. Output never fails for a
    character that the terminal lacks.
    """

    @functools.wraps(command)
    def run() -> None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _one_line_warning
                # of numbers that overflow: the Trainer checks every step itself, and names the layer
                warnings.filterwarnings("ignore", category=RuntimeWarning, module="minnet")
                try:
                    command()
                finally:
                    if sys.stdout is not None:
                        sys.stdout.flush()  # here, where a reader that left is no error
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            raise SystemExit(130) from None
        except (ValueError, OSError, ArithmeticError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to tell
                raise SystemExit(1) from None
            if os.environ.get("MINNET_DEBUG"):
                raise
            said = str(error)
            if isinstance(error, MemoryError):
                said = f"out of memory: {said}; take less data at a time (train.py: --limit)"
            print("error: " + " ".join(said.split()), file=sys.stderr)
            raise SystemExit(1) from None

    return run


def _one_line_warning(
    message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None
) -> None:
    print("warning: " + " ".join(str(message).split()), file=sys.stderr)
