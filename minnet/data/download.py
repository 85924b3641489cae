"""Bytes over a bad line: resumed where it broke, from the next mirror when one fails, checked before they count."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from minnet import locks

BLOCK = 1 << 16
TIMEOUT = 15.0  # seconds without a byte, or without an answer
PATIENCE = 20.0  # seconds after which a line is judged slow, once, while there are others to try
SLOW = 300_000  # bytes a second


class WrongBytes(ValueError):
    """What arrived is complete, but not what was asked for."""


def digest(path: Path, kind: str) -> str:
    """The checksum of a file as "kind:hexadecimal"; kind "blob" is git's, otherwise a name that hashlib knows."""
    blob = partial(hashlib.sha1, f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        state = hashlib.file_digest(stream, blob if kind == "blob" else kind)
    return f"{kind}:{state.hexdigest()}"


def check(path: Path, checksum: str, name: str) -> None:
    """Raises WrongBytes unless the file has this checksum; an empty checksum is not looked at."""
    found = digest(path, checksum.partition(":")[0]) if checksum else checksum
    if found != checksum:
        raise WrongBytes(f"{name} is not the official file: it has {found}, expected {checksum}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that other processes respect and that ends with this process, however it ends."""
    with path.open("a") as stream:
        waiting = False
        while True:
            try:
                locks.take(stream.fileno())
                break
            except BlockingIOError:
                if not waiting:
                    print(f"another process is fetching into {path.parent.parent}; waiting for it", file=sys.stderr)
                waiting = True
                time.sleep(0.2)
        yield


def fetch_bytes(addresses: Sequence[str], part: Path, accept: Callable[[Iterator[bytes]], None], title: str) -> None:
    """Gives `accept` the bytes that lie at one of `addresses`, block by block, while they are kept in `part`.

    All addresses promise the same bytes, so what arrived from one is continued from the next, also in a later run.
    When `accept` raises WrongBytes, `part` is dropped and the address that was asked last is not asked again, unless
    the fault may lie with the part that an earlier run left.
    `part` is gone when this returns. Raises OSError that names every address and what was wrong with it.
    """
    mirrors = Mirrors(addresses)
    while mirrors.left:
        resumed = part.exists()
        try:
            with closing(mirrors.arriving(part, title)) as blocks:
                accept(blocks)
            part.unlink(missing_ok=True)
            return
        except WrongBytes as error:
            part.unlink(missing_ok=True)
            if not resumed:
                mirrors.left.remove(mirrors.asked)
                mirrors.failures[mirrors.asked] = str(error)
        except ConnectionError:
            break
    if part.exists() and not part.stat().st_size:
        part.unlink()
    raise OSError(f"{title} could not be fetched ({mirrors.reasons() or 'no address is known'})")


def fetch_file(addresses: Sequence[str], target: Path, checksum: str, part: Path, title: str) -> None:
    """Puts one file at `target`, whole and checked or not at all."""

    def accept(blocks: Iterator[bytes]) -> None:
        for _ in blocks:
            pass
        check(part, checksum, target.name)
        os.replace(part, target)

    fetch_bytes(addresses, part, accept, title)


class Mirrors:
    """Addresses at which the same bytes should lie."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.left = list(addresses)  # those that may still be asked
        self.asked = ""  # the last one that was
        self.failures: dict[str, str] = {}  # what was wrong with those that failed

    def arriving(self, part: Path, title: str) -> Generator[bytes, None, None]:
        """A file's bytes in order: first those in `part`, then those from the line, which are added to `part`.

        A line that breaks is taken up again at the same address as long as it brings anything. A slow one is left for
        an untried one, and taken again if it was the fastest. Raises ConnectionError when all addresses failed.
        """
        from tqdm import tqdm

        size = 0
        if part.exists():
            with part.open("rb") as kept:
                while block := kept.read(BLOCK):
                    size += len(block)
                    yield block
        queue = list(self.left)
        speeds: dict[str, float] = {}
        with part.open("ab") as kept, tqdm(desc=title, initial=size, unit="B", unit_scale=True, delay=1) as bar:
            while queue:
                address = self.asked = queue.pop(0)
                start, began = size, time.monotonic()
                try:
                    with closing(line(address, size)) as blocks:
                        for block, total in blocks:
                            kept.write(block)
                            size += len(block)
                            bar.total = total
                            bar.update(len(block))
                            yield block
                            seconds = time.monotonic() - began
                            if seconds > PATIENCE and address not in speeds:
                                speed = speeds[address] = (size - start) / seconds
                                if speed < SLOW and any(speeds.get(other, SLOW) > speed for other in queue):
                                    queue.append(address)
                                    queue.sort(key=lambda other: -speeds.get(other, float("inf")))
                                    break
                        else:
                            return
                except (OSError, http.client.HTTPException) as error:
                    if getattr(error, "errno", None) == errno.ENOSPC:
                        raise
                    self.failures[address] = reason(error)
                    if size > start:
                        queue.insert(0, address)
        raise ConnectionError("no address is left")

    def reasons(self) -> str:
        """Each host that failed, those together that failed for the same cause."""
        hosts: dict[str, list[str]] = {}
        for address, cause in self.failures.items():
            host = urllib.parse.urlsplit(address).netloc.rpartition("@")[2]
            hosts.setdefault(cause, []).append(host or address)  # of a local one, the path
        return "; ".join(f"{', '.join(dict.fromkeys(names))}: {cause}" for cause, names in hosts.items())


def reason(error: Exception) -> str:
    """Why a line failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer in {TIMEOUT:.0f} s"
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    told = " ".join(str(words).split())[:120]
    if isinstance(cause, ssl.SSLCertVerificationError) and sys.platform == "darwin":
        place = f"/Applications/Python {sys.version_info.major}.{sys.version_info.minor}"
        told += f" (Python from python.org has no certificates until you open {place}/Install Certificates.command)"
    return told


def line(address: str, offset: int) -> Generator[tuple[bytes, int | None], None, None]:
    """Blocks of the file at an http(s) address or a local path, from byte `offset` on, each with the file's size.

    Raises OSError or HTTPException for every way in which a line can fail, a premature end included.
    """
    if "://" not in address:
        with open(address, "rb") as stream:
            stream.seek(offset)
            while block := stream.read(BLOCK):
                yield block, os.path.getsize(address)
        return
    headers = {"User-Agent": "minnet", **({"Range": f"bytes={offset}-"} if offset else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416:
                raise
            if not error.headers.get("Content-Range", "").endswith(f"/{offset}"):
                raise WrongBytes("more bytes have arrived than the file there has") from None
            return  # nothing is missing
    with response:
        length = response.headers.get("Content-Length")
        begin = offset if response.status == 206 else 0  # 200: the server sends all of it
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            raise OSError("the server answered with another part of the file than asked for")
        total = begin + int(length) if length is not None and length.isdigit() else None
        position = begin
        while block := response.read1(BLOCK):
            position += len(block)
            fresh = block[max(0, len(block) - (position - offset)) :] if position > offset else b""
            if fresh:
                yield fresh, total
        if position < (offset if total is None else total):
            raise OSError(f"broke off after {position:,} of {max(total or 0, offset):,} bytes")
