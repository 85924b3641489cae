"""Ctrl-C as a wish, not an accident: the run ends between two updates."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import Any

from tqdm import tqdm


class Interrupt:
    """While it is open, the first Ctrl-C only sets `asked`; the second one interrupts at once, as usual."""

    def __init__(self, then: str) -> None:
        self.then = then  # what is done before the run ends, for the message

    def __enter__(self) -> Interrupt:
        self.asked = False
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():  # no other thread may, nor is told of Ctrl-C
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)
        with suppress(RuntimeError):  # the print that the signal came in the midst of may hold the stream
            tqdm.write(f"Ctrl-C: {self.then} (again to stop at once) ...")

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
