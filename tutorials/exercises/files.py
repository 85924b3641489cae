"""Reads the files that were handed in, out of folders and zips: within limits, by readable names, and whose each is."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tutorials.exercises.messages import writable
from tutorials.exercises.source import LARGEST, chinese

TOTAL = 256 << 20  # bytes that are read from one archive
IGNORED = ("__MACOSX", ".git", ".ipynb_checkpoints", "__pycache__", ".vscode", ".idea", ".venv", "node_modules")
IGNORED += ("Thumbs.db", "desktop.ini")
# doejane_LATE_123_4567_softmax-1.py: Canvas puts name, id of the student and id of the file before the file's name.
CANVAS = re.compile(r"(?P<name>[^_/]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>[^/]+)$", re.IGNORECASE)
# Jane Doe_123_assignsubmission_file_/softmax.py: Moodle makes a folder of name and participant's number; told to
# download without folders, it leaves out the slash.
MOODLE = re.compile(r"(?P<name>[^/]+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_?/|_)(?P<file>.+)$")
CHECKPOINT = ".ckpt"
READ = (".py", ".zip", CHECKPOINT)


def paths_in(place: Path) -> list[tuple[str, Path]]:
    """The files of a folder that may be a student's work, with their names."""
    return _unwrapped(_files_in(place))


def _files_in(place: Path) -> list[tuple[str, Path]]:
    """As `paths_in`, with all folders in the names. No link is followed: it may lead to the teacher's own files."""
    paths = [(plain(path.relative_to(place).as_posix()), path) for path in sorted(place.rglob("*"))]
    return [(n, p) for n, p in paths if _wanted(n) and p.is_file() and not p.is_symlink()]


def empty_in(place: Path) -> list[str]:
    """The folders in which nothing was handed in."""
    full = {name.partition("/")[0] for name, _ in _files_in(place)}
    folders = [plain(path.name) for path in sorted(place.iterdir()) if path.is_dir()]
    return [f"{name}/" for name in folders if _wanted(name) and name not in full]


def in_folder(place: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files in a folder; without the content where the kind of file is not read."""
    for name, path in paths_in(place):
        if not is_read(name):
            yield name, b""
        elif path.stat().st_size > TOTAL:
            yield name, b"\0"  # read_source will say that it is no text
        else:
            yield name, path.read_bytes()


def in_zip(data: bytes, title: str, of_class: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files in an archive; in one of a whole class the students' archives may be large."""
    archive, entries = entries_in(data, title)
    left: dict[Any, int] = {}  # bytes by student
    for name, entry in _unwrapped(entries) if of_class else entries:
        if not is_read(name):
            yield name, b""
            continue
        student = student_of(name)[0] if of_class else None
        archived = of_class and name.lower().endswith(".zip")  # what it unpacks to is counted by itself
        room = left.setdefault(student, TOTAL)
        try:
            with archive.open(entry) as file:
                content = file.read((TOTAL if archived else min(room, LARGEST * 8)) + 1)
        except Exception:  # zlib's and lzma's own kinds too
            content = b"\0"  # encrypted or damaged: read_source will say that it is no text
        left[student] = max(room - (0 if archived else len(content)), 0)
        if not left[student] and not of_class:
            raise ValueError(f"{title} unpacks to more than {TOTAL >> 20} MiB: that is no homework")
        yield name, content if left[student] else b"\0"


def entries_in(data: bytes, title: str) -> tuple[zipfile.ZipFile, list[tuple[str, zipfile.ZipInfo]]]:
    """An archive, and its entries that may be a student's work with their names."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception:  # of many kinds: what is damaged decides
        raise ValueError(f"{title} is no zip archive, or a damaged one: download it again") from None
    entries = []
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        if not entry.flag_bits & 0x800:  # the archive does not say that the name is UTF-8
            name = _readable(name)
        name = plain(name)
        if not entry.is_dir() and _wanted(name):
            entries.append((name, entry))
    return archive, entries


def _unwrapped(files: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The files with their names, without the one folder that an export of several students was unpacked into.

    Beside other folders a student could have made it: it stays, and submissions.py notes it.
    """
    inner = [(name.partition("/")[2], file) for name, file in files]
    folders = {name.partition("/")[0] for name, _ in files if is_read(name) or exported([name.partition("/")[2]])}
    outside, inside = exported(name for name, _ in files), exported(name for name, _ in inner)
    return inner if len(folders) == 1 and not outside and len(inside) > 1 else files


def exported(names: Iterable[str]) -> set[tuple[str, str, str]]:
    """The students of Canvas' or Moodle's export; nobody where a file that is read has another name than those give."""
    found = [(student_of(name)[0], is_read(name)) for name in names]
    students = {student for student, read in found if read or student[2] != "folder"}
    return students if all(system != "folder" for _, _, system in students) else set()


def plain(name: str) -> str:
    """A name as rosters have it: macOS writes é as two characters."""
    return unicodedata.normalize("NFC", writable(name))


def _readable(name: str) -> str:
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "gb18030") if chinese(raw) else ("utf-8",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _wanted(name: str) -> bool:
    parts = name.split("/")
    ignored = any(part in IGNORED or part.startswith("._") for part in parts)
    return not ignored and (is_read(name) or not parts[-1].startswith("."))


def is_read(name: str) -> bool:
    """Whether a file of this kind is opened."""
    return name.lower().endswith(READ)


def student_of(name: str) -> tuple[tuple[str, str, str], str]:
    """((name, id, system) of the student, the file's own name) from a path in an export."""
    if match := MOODLE.match(name):  # only in front: a repository may hold any folders
        return (match["name"], match["id"], "moodle"), match["file"]
    if match := CANVAS.fullmatch(name):  # Canvas makes no folders
        return (match["name"], match["id"], "canvas"), match["file"]
    if "/" in name:
        return (name.partition("/")[0], "", "folder"), name.partition("/")[2]
    return (Path(name).stem, "", "folder"), name
