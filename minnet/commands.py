"""What every command shares: arguments and errors, each mistake told in one line."""

from __future__ import annotations

import argparse
import functools
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Arguments whose mistakes are told in one line, like all others, instead of below the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {' '.join(message.split())} (--help lists what there is)\n")


def whole(least: int) -> Callable[[str], int]:
    """What flags take that count: a whole number, `least` or more."""

    def read(text: str) -> int:
        with suppress(ValueError):
            if int(text) >= least:
                return int(text)
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text}")

    return read


positive, seed = whole(1), whole(0)


def rate(text: str) -> float:
    """What --learning-rate takes."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number, at least 0; got {text}")
    return number


def held_out(text: str) -> int | float:
    """What --validation takes: a count of examples, 0 for none, or a share of them below 1."""
    number = _number(text)
    if not 0 <= number < math.inf or (number > 1 and not number.is_integer()):
        raise argparse.ArgumentTypeError(f"must be a count, or a fraction below 1; got {text}")
    return int(number) if number.is_integer() else number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which no bound lets pass


def place(text: str) -> str:
    """What --out takes: any name but none, which would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty: give one, or leave --out away")
    return text


def check_new(out: str | None, otherwise: str = "") -> None:
    """Raises ValueError where something stands at the place that --out names; `otherwise` adds to the cure."""
    if out is not None and os.path.lexists(out):
        raise ValueError(f"{out} is there already and is not overwritten: choose another --out{otherwise}")


def check_figures() -> None:
    """Raises ValueError where no figure could be drawn: before what takes long, not behind it."""
    try:
        import matplotlib.figure
        import matplotlib.style  # noqa: F401
    except Exception as error:  # a broken setting or installation can raise anything
        raise ValueError(f"matplotlib, which draws the figures, cannot be used: {error}") from None


def one_line_errors(command: Callable[[], Any]) -> Callable[[], None]:
    """Runs a command so that what its user did wrong is said in one line on standard error, with exit status 1.

    Warnings are one line each as well. MINNET_DEBUG=1 shows the whole traceback instead. Output never fails for a
    character that the terminal lacks, nor where a stream is closed.
    """

    @functools.wraps(command)
    def run() -> None:
        _mend_streams()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _one_line_warning
                # of numbers that overflow: the Trainer checks every step itself, and names the layer
                warnings.filterwarnings("ignore", category=RuntimeWarning, module="minnet")
                try:
                    command()
                finally:
                    sys.stdout.flush()  # here, where a reader that left is no error
        except KeyboardInterrupt:
            with _undisturbed():
                print("\nstopped", file=sys.stderr)
            raise SystemExit(130) from None
        except BrokenPipeError as error:  # the reader left: nothing to tell
            _give_up_output()
            ended = error.__context__  # how the command ended, where the flush was what failed
            status = 130 if isinstance(ended, KeyboardInterrupt) else getattr(ended, "code", None)
            raise SystemExit(status or 1) from None
        except (ValueError, OSError, ArithmeticError, MemoryError, RuntimeError) as error:
            said = _said_of(error)
            if said is None or os.environ.get("MINNET_DEBUG"):
                raise
            print("error: " + " ".join(said.split()), file=sys.stderr)
            raise SystemExit(1) from None

    return run


def _mend_streams() -> None:
    """Gives every character a likeness in the streams' encodings, and what was closed when we were started a sink."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _said_of(error: Exception) -> str | None:
    """What an error tells its user, None for a mistake of ours."""
    if isinstance(error, RuntimeError):
        cure = "this process may start no more threads: raise the limit (ulimit -u), or use --workers 1"
        return cure if "start new thread" in str(error) else None
    if isinstance(error, MemoryError):
        return f"out of memory: {error}; take less data at a time (train.py: --limit)"
    if isinstance(error, OSError) and not _works(sys.stdout.flush):
        _give_up_output()
        return f"standard output cannot be written: {error.strerror or error}"
    if isinstance(error, FileNotFoundError) and not _works(os.getcwd):
        return "the current folder is gone: go to one that exists (cd)"
    return str(error)


def _give_up_output() -> None:
    """Sends to nowhere what is left for standard output, which Python writes once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Deaf to Ctrl-C: a second one would interrupt the farewell. Only the main thread is told of it, and may say so."""
    before: Any = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _works(call: Callable[[], Any]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


def _one_line_warning(
    message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None
) -> None:
    print("warning: " + " ".join(str(message).split()), file=sys.stderr)
