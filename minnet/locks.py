"""A lock on an open file: other processes respect it, and it ends with this one, however it ends."""

from __future__ import annotations

import errno
import os


def take(handle: int) -> None:
    """Takes the lock of the open file `handle`; closing the file gives it back.

    Raises BlockingIOError when another process has it. On a file system without locks it does nothing: the work is
    worth more than the claim.
    """
    if os.name == "nt":
        import msvcrt

        os.lseek(handle, 1 << 20, os.SEEK_SET)  # a byte beyond the text, which others may then still read
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except PermissionError:
            raise BlockingIOError from None
        except OSError:  # a network's file system, or one of another system, may have no locks
            pass
        os.lseek(handle, 0, os.SEEK_SET)
        return
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise
