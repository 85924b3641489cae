"""Unpacking an archive that nobody vouches for: wanted files only, into one folder, each one checked."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from minnet.data.download import WrongBytes, check

MEMBERS = 1000  # no archive of ours holds more


class Blocks:
    """Blocks of bytes as a stream that `gzip` and `tarfile` can read from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes: at most `size`, at least one unless the stream has ended."""
        if not self.rest:
            self.rest = next(self.blocks, b"")
        size = len(self.rest) if size < 0 else size
        block, self.rest = self.rest[:size], self.rest[size:]
        return block


class Bounded:
    """A stream that refuses to give more than `limit` bytes: what unpacks to more is a bomb."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream = stream
        self.left = limit

    def read(self, size: int) -> bytes:
        block = self.stream.read(min(size, self.left + 1))
        self.left -= len(block)
        if self.left < 0:
            raise WrongBytes("the archive unpacks to far more than the dataset's size: it is refused")
        return block


def unpack(stream: Any, folder: Path, wanted: dict[str, str], limit: int, inner: str = "") -> None:
    """Puts the files `wanted` (name -> checksum) of a gzipped tar archive into `folder`, as they arrive.

    Each is written under a name of ours and checked before it gets its own; those that are there already are left
    alone. Reading ends with the last of them. An archive of the name `inner` inside this one is unpacked the same
    way. Raises WrongBytes for what is no such archive, for members that point outside it or are links, for more
    than `limit` bytes, for a file with another checksum, and when a wanted file is not in it.
    """
    missing = {name for name in wanted if not (folder / name).exists()}
    try:
        bounded = Bounded(gzip.GzipFile(fileobj=stream), limit)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
            for count, member in enumerate(archive):
                if not missing:
                    return
                name = PurePosixPath(member.name.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.name:
                    raise WrongBytes(f"the archive holds {member.name[:80]!r}, which points outside it: it is refused")
                if not (member.isfile() or member.isdir()):
                    raise WrongBytes(f"the archive holds {member.name[:80]!r}, a link or device: it is refused")
                if count >= MEMBERS:
                    raise WrongBytes(f"the archive holds more than {MEMBERS} files: it is refused")
                if not member.isfile():
                    continue
                content = archive.extractfile(member)
                if content is not None and name.name in missing:
                    keep(content, folder / name.name, wanted[name.name])
                    missing.discard(name.name)
                elif content is not None and inner and name.name == inner:
                    unpack(content, folder, wanted, limit)
                    return
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise WrongBytes(f"this is no whole .tar.gz archive ({' '.join(str(error).split())[:80]})") from None
    if missing:
        raise WrongBytes(f"the archive holds no {sorted(missing)[0]}")


def keep(content: IO[bytes], target: Path, checksum: str) -> None:
    """Writes one member, checks it, and only then gives it its name."""
    arriving = target.with_name(target.name + ".unverified")
    try:
        with arriving.open("wb") as stream:
            while block := content.read(1 << 20):
                stream.write(block)
        check(arriving, checksum, target.name)
        os.replace(arriving, target)
    finally:
        arriving.unlink(missing_ok=True)
