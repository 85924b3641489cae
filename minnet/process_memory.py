"""The memory of the whole process: keeping what is freed for the next step, giving it back, and the peak."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # the names of settings in malloc.h


@functools.cache
def keep_freed_memory() -> None:
    """Tells glibc's malloc to keep what is freed for the next step, once for the process.

    By default it hands large arrays back to the system, which then gives them out again page by page, zeroed:
    half of a convolutional network's step was spent on that. Where the C library is another one, nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_ARENA_MAX, 1)  # one heap for all threads: the others are cut at 64 MiB
    mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest that it allows: smaller arrays live on the heap
    mallopt(_TRIM_THRESHOLD, 1 << 30)  # up to this much stays on the heap when it is free


def release_freed_memory() -> None:
    """Gives memory that is free back to the system."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB; 0 where the system does not tell (Windows)."""
    try:  # Linux: the program's own peak; what getrusage tells starts from the process that launched it
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
