"""What a student's process may not do, and how much it may use: imports, files, network, memory, time, printing.

These refusals keep accidents and idle cleverness in check; they are no security boundary (see the container recipe in
README.md).
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

FLOOD = 100_000  # printed characters that one exercise may need
ALLOWED = ("numpy", "given")


class Flood(BaseException):
    """More printed than any answer needs."""


class Printed:
    """Takes the place of sys.stdout and sys.stderr: keeps the beginning, counts the rest, and stops a flood."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.count, self.start = 0, ""

    def write(self, text: str) -> int:
        self.count += len(text)
        self.start = (self.start + text)[:2000] if len(self.start) < 2000 else self.start
        if self.count > FLOOD:
            raise Flood(f"more than {FLOOD:,} characters were printed")
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return False


def refuse(scratch: str) -> None:
    """From here on: no network, no subprocess, no file but those of Python and numpy (to read) and SCRATCH."""
    separator = os.sep
    readable = tuple(
        os.path.realpath(p) + separator for p in (os.path.dirname(os.__file__), os.path.dirname(np.__file__))
    )
    own = os.path.realpath(scratch) + separator
    site = os.path.realpath(os.path.dirname(np.__path__[0])) + separator  # lies inside Python's own folder
    realpath, fsdecode = os.path.realpath, os.fsdecode
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    starts = (
        "socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.kill", "ctypes.",
        "os.startfile", "winreg.", "shutil.", "pty.", "ftplib", "urllib", "smtplib", "sqlite3", "mmap.",
    )  # fmt: skip
    changes = {  # how many paths come first among the arguments, and how many dir_fd last
        "os.remove": (1, 1), "os.rename": (2, 2), "os.rmdir": (1, 1), "os.mkdir": (1, 1), "os.link": (2, 2),
        "os.symlink": (2, 1), "os.truncate": (1, 0), "os.chmod": (1, 1), "os.chown": (1, 1), "os.chdir": (1, 0),
        "os.utime": (1, 1),
    }  # fmt: skip

    def inside(path: Any, folders: tuple[str, ...]) -> bool:
        return (realpath(fsdecode(path)) + separator).startswith(folders)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(starts):
            raise PermissionError(f"refused here: {event}")
        if event in changes:
            paths, numbers = changes[event]
            own_paths = all(isinstance(path, (str, bytes)) and inside(path, (own,)) for path in args[:paths])
            if not own_paths or any(number != -1 for number in args[len(args) - numbers :]):
                raise PermissionError(f"refused here: {event}")
        if event == "open":
            path, _, flags = args
            if isinstance(path, int):
                raise PermissionError("refused here: opening a file by number")
            if inside(path, (own,)):
                return
            if (flags or 0) & writes:
                raise PermissionError(f"refused here: writing {fsdecode(path)[:80]}")
            if not inside(path, readable) or (inside(path, (site,)) and not inside(path, readable[1:])):
                raise PermissionError(f"refused here: reading {fsdecode(path)[:80]}")
        if event in ("os.listdir", "os.scandir") and not (args[0] is not None and inside(args[0], (own, *readable))):
            raise PermissionError(f"refused here: {event}")

    sys.addaudithook(hook)


class Gate:
    """The first finder of imports: the standard library, numpy and given, and nothing else."""

    standard = frozenset(sys.stdlib_module_names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        top = name.partition(".")[0]
        # What sysconfig imports, and with it numpy.testing, is the standard library's too; its list leaves that out.
        if top in self.standard or top in ALLOWED or top.startswith("_sysconfigdata"):
            return None
        raise ImportError(f"an answer may import numpy, given and the standard library, not {top}")


def limit(bytes_of_memory: int = 4 << 30) -> None:
    """Caps memory and file size, where the system can."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in (
        (resource.RLIMIT_AS, bytes_of_memory),
        (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            continue


def allow(seconds: float) -> None:
    """Lets this process compute for so many seconds more; then the system ends it. Waiting does not count."""
    try:
        import resource
    except ImportError:
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    soft, (_, hard) = int(used + seconds) + 1, resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
