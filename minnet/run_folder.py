"""A run's folder: claimed for one process before training starts, and every file in it written whole or not at all."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import math
import os
import platform
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minnet import locks
from minnet.files import remove_partial, written_whole

LOCK = ".lock"
_held: dict[str, Lock] = {}


class Lock:
    """The claim of this process on a folder, until `release`, the end of the `with` blocks, or the process's end.

    The claim is a lock of the operating system on the file `.lock`, which holds the process's number for the reader.
    The system drops it however the process ends, so a killed run never blocks its folder. `note` says when the file
    of such a run was found and taken over.
    """

    def __init__(self, folder: Path, handle: int, note: str = "") -> None:
        self.folder, self.note = folder, note
        self._handle: int | None = handle
        self._blocks = 0  # `with` blocks that hold it: the last to end releases the folder

    def release(self) -> None:
        """Lets go of the folder; doing so twice does no harm."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        _held.pop(str(self.folder), None)
        if os.name == "nt":  # an open file cannot be removed there
            os.close(handle)
            handle = -1
        try:
            (self.folder / LOCK).unlink()
        except OSError:
            pass
        finally:
            if handle >= 0:
                os.close(handle)

    def __enter__(self) -> Lock:
        self._blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks:
            self.release()

    def __repr__(self) -> str:
        return f"Lock({str(self.folder)!r}, {'held' if self._handle is not None else 'released'})"


def prepare(folder: str | Path, new: bool = False) -> Lock:
    """Creates the folder, makes sure that files can be written there, and claims it. Call it before training.

    Raises OSError in one line when the folder cannot be created or written, or when another running process holds
    it, and with `new` when it is there already. A folder that this process holds already is returned as it is.
    """
    folder = Path(folder).resolve()
    if str(folder) in _held:
        return _held[str(folder)]
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=not new)
        try:
            probe.write_bytes(b"0" * 4096)
        finally:
            probe.unlink(missing_ok=True)
        lock = _claim(folder)
    except BlockingIOError:
        raise OSError(
            f"{folder} is in use by another running process{_owner(folder)}: "
            "wait until it ends, or choose another folder"
        ) from None
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise FileExistsError(f"{folder} is there already and is not overwritten: choose another folder") from None
        if new:  # it is ours, and what was to come is not there
            with suppress(OSError):
                folder.rmdir()
        raise OSError(
            f"cannot write into {folder} ({error.strerror or error}): choose another folder, or make this one writable"
        ) from None
    if lock.note:  # what a killed run had half written
        remove_partial(folder)
        remove_partial(folder / "figures")
    _held[str(folder)] = lock
    return lock


def save(path: Path, data: bytes | str) -> None:
    """Writes the file whole or not at all, making its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def read_json(folder: str | os.PathLike[str], name: str) -> dict[str, Any]:
    """What config.json or metrics.json says beside a checkpoint or in a run's folder; nothing if it cannot be read."""
    path = Path(folder)
    try:
        found = json.loads(((path if path.is_dir() else path.parent) / name).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def to_json(value: Any) -> str:
    """Strictly valid JSON: what is not finite becomes null, NumPy's numbers and arrays become plain ones."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """History rows as CSV: a column for every key in the order of first appearance; None and NaN are empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [_plain(row.get(column)) for column in columns]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()


def predictions_csv(
    header: Sequence[str], rows: Sequence[Sequence[Any]], probabilities: np.ndarray, classes: Sequence[str]
) -> bytes:
    """The rows as they came, each with its class and probabilities behind; nothing there where these are NaN."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180; then a lone \r in a text gets quotes as well
    names = new = ["predicted", *(f"p_{name}" for name in classes)]
    number = 1
    while set(new) & set(header):  # the rows hold another run's answers already
        number += 1
        new = [f"{name}-{number}" for name in names]
    writer.writerow([*header, *new])
    for row, p in zip(rows, probabilities, strict=True):
        asked = not np.isnan(p).any()
        said = [classes[int(p.argmax())], *(f"{value:.6f}" for value in p)] if asked else [""] * (1 + len(p))
        writer.writerow([*row, *said])
    return out.getvalue().encode("utf-8", "replace")


def to_npz(**arrays: np.ndarray) -> bytes:
    """The bytes of an .npz file of these arrays; object arrays, which would need pickle, are refused."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, which are not saved: give it a number type")
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def versions() -> dict[str, str]:
    """The software that a run stands on."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for name in ("minnet", "numpy", "scipy", "scikit-learn", "matplotlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value).encode("utf-8", "replace").decode()


def _claim(folder: Path) -> Lock:
    """Locks the folder's lock file; raises BlockingIOError when another process has it."""
    path = folder / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            locks.take(handle)
            # Whoever held it may have removed the file between our opening and our locking: then ours is a ghost.
            if os.name == "nt" or os.stat(path).st_ino == os.fstat(handle).st_ino:
                break
            os.close(handle)
        except FileNotFoundError:
            os.close(handle)
        except BaseException:
            os.close(handle)
            raise
    before = os.read(handle, 200).decode("utf-8", "replace").split("\n")[0]
    note = f"{before} ended without releasing {folder}: it is taken over" if before else ""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%H:%M:%S')}\n".encode())
    return Lock(folder, handle, note)


def _owner(folder: Path) -> str:
    try:
        said = (folder / LOCK).read_text("utf-8", "replace").split("\n")[0][:200].strip()
    except OSError:
        return ""
    return f" ({said})" if said else ""


def _holds_run(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in ("last.ckpt", "best.ckpt", "config.json"))


def new_folder(wanted: str | None, name: str, resume: bool) -> Path:
    """Where a run goes: `wanted`, or runs/NAME, runs/NAME-2, ... , the first that holds no run yet.

    With `resume`, the one among them that was trained last. Raises ValueError when `wanted` holds a run already, or
    FileNotFoundError none to resume.
    """
    if wanted is not None:
        folder = Path(wanted)
        begun, taken = os.path.exists(folder / "last.ckpt"), _holds_run(folder)  # not, too, where nobody may look
        cure = "choose another --out"
        if begun:
            cure += ", or go on with it by --resume"
        elif not os.path.exists(folder / "config.json"):  # it stopped before it could be resumed
            cure += f", or remove {folder / 'best.ckpt'}"
        if resume and not begun:
            cure = f", and {cure}" if taken else ""
            raise FileNotFoundError(f"nothing to resume: {wanted} has no last.ckpt. Start without --resume{cure}.")
        if taken and not resume:
            raise ValueError(f"{wanted} already holds a run: {cure}")
        return folder
    numbered = [Path("runs") / (name if number == 1 else f"{name}-{number}") for number in range(1, 10_000)]
    if not resume:
        return next(path for path in numbered if not os.path.exists(path / LOCK) and not _holds_run(path))
    newest = max(reversed(numbered), key=_last_sign)
    if not _last_sign(newest):
        raise FileNotFoundError(f"nothing to resume: there is no run {numbered[0]}. Give the run's folder by --out.")
    if not os.path.exists(newest / "last.ckpt"):
        raise FileNotFoundError(
            f"nothing to resume: {newest}, the newest run, has saved nothing to go on from. Start without --resume, or "
            "name another run by --out."
        )
    return newest


def _last_sign(folder: Path) -> float:
    """When the run in this folder was saved, or else was begun; 0 where there is none."""
    for name in ("last.ckpt", LOCK):  # a killed run leaves its lock file behind
        with suppress(OSError):
            return os.stat(folder / name).st_mtime
    return 0.0
