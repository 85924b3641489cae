"""How many threads the BLAS, which multiplies matrices under NumPy, may take."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@functools.cache
def blas_controller() -> Any:
    """The process's one handle on how many threads the BLAS takes (looking the libraries up costs milliseconds)."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blas_threads() -> int:
    """How many threads a large product takes: the last bits of its sums depend on it."""
    return max((library["num_threads"] for library in blas_controller().select(user_api="blas").info()), default=1)


_limiting = threading.Lock()
_limits: dict[object, int] = {}  # those that hold now, each under a key of its own
_found: list[tuple[Any, int]] = []  # each library, with the threads that it took before the first of them


@contextmanager
def at_most_blas_threads(count: int) -> Iterator[None]:
    """Holds the BLAS to `count` threads, or to fewer where it took fewer. Of blocks that overlap, on several threads
    too, the lowest limit counts; the last to end gives back what was."""
    mine = object()
    try:  # from here on: a Ctrl-C while the limit is set must not leave it
        with _limiting:
            if not _limits:
                libraries = blas_controller().select(user_api="blas").lib_controllers
                _found[:] = [(library, library.num_threads) for library in libraries]
            _limits[mine] = count
            _apply()
        yield
    finally:
        with _limiting:
            _limits.pop(mine, None)
            _apply()


def _apply() -> None:
    for library, before in _found:
        library.set_num_threads(min([before, *_limits.values()]))
