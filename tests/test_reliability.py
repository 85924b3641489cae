"""What a disk, a kill or a second run may do to a run: one line, nothing lost, and the same bits in the end.

MINNET_KILLS=50 python -m pytest tests/test_reliability.py    kills a run at that many random moments (default: 10)
"""

import csv
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

import train
from minnet import checkpoint, run_folder
from tests.running import call, refused
from tests.test_training import bits, fit, saved_bits, trainer

KILLS = int(os.environ.get("MINNET_KILLS", "10"))
REPOSITORY = Path(__file__).resolve().parent.parent
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, which these tests kill")


def long_run(folder, resume):
    """Everything that a run may remember, saved after every step."""
    it = trainer("lookahead", workers=1, freeze_at={"1.b": 0.3})
    fit(it, folder, epochs=6, patience=5, save_every=0.0, resume=resume)
    return it


def fork():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: there are none left
        return os.fork()


def child(folder):
    """A process that begins or resumes the run in `folder`; its status says how that ended."""
    number = fork()
    if number:
        return number
    status = 1
    tqdm.set_lock(threading.RLock())  # its own is shared with all that were forked: a killed one may hold it for ever
    try:
        long_run(folder, resume=(folder / "last.ckpt").exists())
        status = 0
    finally:
        os._exit(status)


def ended(number):
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


@forking
def test_killed_at_random_moments_and_resumed_it_ends_on_the_same_bits(tmp_path):
    began = time.perf_counter()
    assert ended(child(tmp_path / "whole")) == 0
    length = time.perf_counter() - began
    rng, folder, kills = np.random.default_rng(0), tmp_path / "killed", 0

    def same_bits():
        for name in ("last.ckpt", "best.ckpt"):
            assert saved_bits(folder / name)[0] == saved_bits(tmp_path / "whole" / name)[0]

    while kills < KILLS:
        number = child(folder)
        time.sleep(rng.uniform(0, length / 2))
        os.kill(number, signal.SIGKILL)
        kills += ended(number) == -signal.SIGKILL
        for name in ("last.ckpt", "best.ckpt"):  # whole, at any moment
            if (folder / name).exists():
                checkpoint.load(folder / name)
        if (folder / "history.csv").exists():
            with open(folder / "history.csv", newline="") as file:
                assert all(len(row) == 9 for row in csv.reader(file))
        if (folder / "last.ckpt").exists() and checkpoint.load(folder / "last.ckpt")[1]["progress"]["epoch"] == 6:
            same_bits()  # it got to its end: the next kills are another run's
            folder = tmp_path / f"killed{kills}"
    assert ended(child(folder)) == 0
    same_bits()


@pytest.mark.parametrize("failing", [1, 2, 5, 9])
def test_a_disk_that_fills_up_loses_nothing(tmp_path, monkeypatch, failing):
    """The disk is full at the n-th file that is written: what lies there is whole, and the run can be resumed."""
    written, sync = [], os.fsync

    def full(handle):
        if stat.S_ISREG(os.fstat(handle).st_mode):  # not a folder
            written.append(handle)
        if len(written) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    whole = trainer("adam", workers=1)
    fit(whole)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"cannot write .*No space left on device") as caught:
            fit(trainer("adam", workers=1), tmp_path, save_every=0.0)
    assert "\n" not in str(caught.value) and "Errno" not in str(caught.value)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"last.ckpt", "best.ckpt", "history.csv"}, "no partial file stays"
    it = trainer("adam", workers=1)
    fit(it, tmp_path, resume="last.ckpt" in left)
    assert bits(it.model) == bits(whole.model)


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no limit on the size of a process's files")
def test_the_command_says_it_in_one_line(tmp_path):
    """Files of this process may have 20 kB: the checkpoint of this network has more."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); import train; train.main()"
    )
    arguments = ["digits", "--model", "mlp", "--limit", "50", "--epochs", "1", "--out", str(tmp_path / "run")]
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith("error: cannot write ") and ".ckpt" in ran.stderr
    assert not list((tmp_path / "run").glob("*.ckpt")) and not list((tmp_path / "run").glob(".*.partial"))


@forking
def test_two_runs_into_one_folder(tmp_path):
    """The second is refused by name, before it reads or writes anything there; the first goes on."""
    ready, told = os.pipe()
    number = fork()
    if number == 0:
        run_folder._held.clear()
        run_folder.prepare(tmp_path / "run")
        os.write(told, b"x")
        time.sleep(120)
        os._exit(0)
    try:
        os.read(ready, 1)
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        said = call(train.main, "digits", "--model", "softmax", "--limit", 30, "--out", tmp_path / "run")
        refused(said, "in use by another running process", f"process {number}")
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
    finally:
        os.kill(number, signal.SIGKILL)
        ended(number)
    with run_folder.prepare(tmp_path / "run") as lock:
        assert f"process {number}" in lock.note, "a killed run's folder is taken over, and that is said"
