"""Files that are written whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, of which `path` gets all or nothing: what it held before stays until the block ends well.

    The content goes to a second file in the same folder, down to the disk, and takes the name in one step. Of a link,
    the file that it leads to is written. Raises OSError in one line where it cannot be, or where a pipe or another
    thing stands that is no file.
    """
    target = Path(os.path.realpath(path))
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
    try:
        if target.exists() and not target.is_file():
            raise IsADirectoryError("a folder has that name") if target.is_dir() else OSError("it is no ordinary file")
        _remove_leftovers(target)
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(partial, target)
        _sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            kept = "; what it held before is untouched" if target.is_file() else ""
            raise os_error(error, f"cannot write {path}: {error.strerror or error}{kept}") from None
        raise


def os_error(error: OSError, message: str) -> OSError:
    """An error of the same kind whose text is `message` alone, without "[Errno 28]"."""
    told = type(error)(message)
    told.errno = error.errno
    return told


def remove_partial(folder: Path) -> None:
    """Removes all partial files of a folder, which nobody else may be writing into."""
    for leftover in folder.glob(".*.????????.partial"):
        with suppress(OSError):
            leftover.unlink()


def _take_name(partial: Path, path: Path) -> None:
    """os.replace, tried again for three seconds on Windows: there a virus scanner or a reader may hold the file."""
    for pause in (0.1, 0.2, 0.4, 0.8, 1.5) if os.name == "nt" else ():
        try:
            os.replace(partial, path)
            return
        except PermissionError:
            time.sleep(pause)
    os.replace(partial, path)


def _remove_leftovers(path: Path) -> None:
    """Removes what killed runs left behind: a partial file that nobody has written to for an hour."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError):  # gone meanwhile, or held open: no reason not to write
            if time.time() - leftover.stat().st_mtime > 3600:
                leftover.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself outlast a power cut, where the system can (Windows cannot)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
