"""Locks on Windows, whose module `msvcrt` is played here: what counts as another process, and what as no locks."""

import errno
import os
import sys
import types

import pytest

from minnet import locks


@pytest.fixture
def windows(monkeypatch):
    """A function that says which error locking a file gives there."""

    def answers(error):
        def locking(handle, mode, size):
            raise error

        monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking))
        monkeypatch.setattr(locks, "os", types.SimpleNamespace(name="nt", lseek=os.lseek, SEEK_SET=os.SEEK_SET))

    return answers


def test_a_file_system_without_locks_is_no_other_process(windows, tmp_path):
    with open(tmp_path / "lock", "a") as file:
        windows(PermissionError(errno.EACCES, "Permission denied"))
        with pytest.raises(BlockingIOError):
            locks.take(file.fileno())
        windows(OSError(errno.EINVAL, "Invalid argument"))
        locks.take(file.fileno())
