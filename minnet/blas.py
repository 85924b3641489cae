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
_limits: list[Any] = []  # what lifts the limit, once for each block that holds it


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds the BLAS to one thread. Blocks of several threads may overlap: the last to end gives back what was."""
    with _limiting:
        _limits.append(_limits[0] if _limits else blas_controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _limiting:
            limit = _limits.pop()
            if not _limits:
                limit.restore_original_limits()
