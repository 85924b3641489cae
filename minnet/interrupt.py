"""Ctrl-C as a wish, not an accident: the run ends between two updates."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import Any

from tqdm import tqdm


class Interrupt:
    """While it is open, the first Ctrl-C only sets `asked`; the second one interrupts at once, as usual.

    Where Ctrl-C is none of Python's business it stays so: in other threads than the main one, which are not told of it;
    in a shell's background job, which ignores it; in a program that Python is a part of, and that handles it itself.
    """

    def __init__(self, then: str) -> None:
        self.then = then  # what is done before the run ends, for the message

    def __enter__(self) -> Interrupt:
        self.asked = False
        before: Any = signal.getsignal(signal.SIGINT)  # None: set by another program than Python
        main = threading.current_thread() is threading.main_thread()  # no other may set a handler
        self._before = before if main and before is not signal.SIG_IGN else None
        if self._before is not None:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)
        # the print that the signal came in the midst of may hold the stream; and who reads it may have ended of Ctrl-C
        with suppress(RuntimeError, OSError, ValueError):
            tqdm.write(f"Ctrl-C: {self.then} (again to stop at once) ...")

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
