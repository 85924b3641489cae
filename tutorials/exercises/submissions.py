"""Reads what students handed in, as Canvas, Moodle and GitHub Classroom give it to the teacher."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tutorials.exercises.messages import writable
from tutorials.exercises.naming import exercise_of, is_ours, split_name
from tutorials.exercises.runner import HERE
from tutorials.exercises.sheet import Sheet
from tutorials.exercises.source import LARGEST, chinese, read_source
from tutorials.exercises.variants import variant_in

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
WORK = (".ipynb", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")  # not read, but there may be answers in them
ALONE = "files here are named as in a class's export: if this is one, grade it alone"


@dataclass
class Submission:
    """What one student handed in: `files` by exercise, the text or None with the reason; `notes` for the teacher."""

    key: str
    name: str
    id: str = ""
    system: str = "folder"
    files: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    networks: dict[str, bytes] = field(default_factory=dict)  # checkpoints, by exercise
    notes: list[str] = field(default_factory=list)
    _spare: list[str] = field(default_factory=list)  # notes for the case that there is nothing else to say
    # by what files are for: the best rank, the file that has it, and whether there are several
    _best: dict[str, tuple[tuple[Any, ...], str, bool]] = field(default_factory=dict)
    _loose: dict[str, bytes] = field(default_factory=dict)  # checkpoints that are named like no exercise


def read_submissions(
    place: Path, sheets: tuple[Sheet, ...], others: tuple[Sheet, ...] = (), unread: list[str] | None = None
) -> dict[str, Submission]:
    """Every student's submission by key; from a folder, from a zip, or from a folder of zips.

    A folder or a zip with exercises side by side, or with a student's whole archive, is one student's. A file that
    answers none of the `sheets` gets a note, unless it answers one of the `others`, not asked for today. What may be
    anybody's, a loose file of another kind or an empty folder, is added to `unread` by its name.
    """
    unread = [] if unread is None else unread
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist: name the folder or the zip that the students' work is in")
    found: dict[str, Submission] = {}
    if place.is_file():
        data = place.read_bytes()
        names, files = [name for name, _ in _entries(data, place.name)[1]], _in_zip(data, place.name, True)
    else:
        names, files = [name for name, _ in _paths(place)], _in_folder(place)
    if _of_one(names, (*sheets, *others)):
        owner = _plain(place.stem if place.is_file() else place.resolve().name)
        files = ((f"{owner}/{name}", content) for name, content in files)
    elif place.is_dir():
        unread += _empty(place)
    _add_all(found, files, sheets, others, unread)
    if not found:
        raise ValueError(
            f"no submission was found in {place}: Canvas' or Moodle's zip, or a folder a student, with .py files"
        )
    for submission in found.values():
        settle(submission, sheets)
    return dict(sorted(found.items()))


def _of_one(names: list[str], sheets: tuple[Sheet, ...]) -> bool:
    """Whether all these files are one student's; ValueError where some are, and others lie in folders beside them."""
    answers = [
        name
        for name in names
        if name.lower().endswith(".py")
        and not is_ours(name)
        and exercise_of(name.rpartition("/")[2], None, sheets)[1] == 2
    ]
    mine = [name for name in answers if "/" not in name or name.startswith("tutorials/exercises/")]
    if mine and len(mine) < len(answers):
        raise ValueError(f"whose is {mine[0]}? It lies beside folders with answers: put it into its student's folder")
    return bool(mine)


def settle(submission: Submission, sheets: tuple[Sheet, ...]) -> None:
    """What can be said once all files were seen: which count, whose a checkpoint is, why there is nothing to grade.

    A checkpoint of any name is that of the exercise that has none, if there is one of each.
    """
    submission.notes += [
        f"several files for {what}: {path} counts" for what, (_, path, several) in submission._best.items() if several
    ]
    asking = [sheet.id for sheet in sheets if sheet.budget is not None]
    waiting = [id for id in asking if id in submission.files and id not in submission.networks]
    if len(waiting) == len(submission._loose) == 1:
        submission.networks[waiting[0]] = next(iter(submission._loose.values()))
    elif asking:
        submission.notes += [f"{name} belongs to no exercise" for name in [*submission._loose][:3]]
    if not (submission.files or submission.networks or submission.notes):
        submission.notes += submission._spare[:3] or ["no file answers an exercise that is graded here"]


def _paths(place: Path) -> list[tuple[str, Path]]:
    """The files of a folder with their names, as `_unwrapped` gives them."""
    paths = [(_plain(path.relative_to(place).as_posix()), path) for path in sorted(place.rglob("*"))]
    return _unwrapped([(n, p) for n, p in paths if _wanted(n) and p.is_file() and not p.is_symlink()])


def _empty(place: Path) -> list[str]:
    """The folders in which nothing was handed in."""

    def holds(folder: Path) -> bool:
        return any(p.is_file() and _wanted(_plain(p.relative_to(place).as_posix())) for p in folder.rglob("*"))

    folders = [path for path in sorted(place.iterdir()) if path.is_dir() and _wanted(_plain(path.name))]
    return [f"{_plain(folder.name)}/" for folder in folders if not holds(folder)]


def _in_folder(place: Path) -> Iterator[tuple[str, bytes]]:
    for name, path in _paths(place):
        if not _is_read(name):
            yield name, b""
        elif path.stat().st_size > TOTAL:
            yield name, b"\0"
        else:
            yield name, path.read_bytes()


def _in_zip(data: bytes, title: str, of_class: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files in an archive; in one of a whole class the students' archives may be large."""
    archive, entries = _entries(data, title)
    left: dict[Any, int] = {}  # bytes by student
    for name, entry in _unwrapped(entries) if of_class else entries:
        if not _is_read(name):
            yield name, b""
            continue
        student = _student(name)[0] if of_class else None
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


def _entries(data: bytes, title: str) -> tuple[zipfile.ZipFile, list[tuple[str, zipfile.ZipInfo]]]:
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
        name = _plain(name)
        if not entry.is_dir() and _wanted(name):
            entries.append((name, entry))
    return archive, entries


def _unwrapped(files: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The files with their names, without the one folder that an export of several students was unpacked into.

    Beside other folders a student could have made it: it stays, and `_add_all` notes it.
    """
    inner = [(name.partition("/")[2], file) for name, file in files]
    folders = {name.partition("/")[0] for name, _ in files if _is_read(name) or _exported([name.partition("/")[2]])}
    exported = _exported(name for name, _ in files), _exported(name for name, _ in inner)
    return inner if len(folders) == 1 and not exported[0] and len(exported[1]) > 1 else files


def _exported(names: Iterable[str]) -> set[tuple[str, str, str]]:
    """The students of Canvas' or Moodle's export; nobody where a file that is read has another name than those give."""
    found = [(_student(name)[0], _is_read(name)) for name in names]
    students = {student for student, is_read in found if is_read or student[2] != "folder"}
    return students if all(system != "folder" for _, _, system in students) else set()


def _plain(name: str) -> str:
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
    return not ignored and (_is_read(name) or not parts[-1].startswith("."))


def _is_read(name: str) -> bool:
    return name.lower().endswith(READ)


def _add_all(
    found: dict[str, Submission],
    files: Iterator[tuple[str, bytes]],
    sheets: tuple[Sheet, ...],
    others: tuple[Sheet, ...],
    unread: list[str],
) -> None:
    for name, content in files:
        student, inner = _student(name)
        if inner == name and not _is_read(name):
            unread.append(name)  # the class list, say
            continue
        archived = inner.lower().endswith(".zip")
        try:
            inside = [n for n, _ in _entries(content, name)[1]] if archived else [inner]
            if inner == name and archived and _exported(inside):
                # a whole class's export lies in the folder
                _add_all(found, _in_zip(content, name, True), sheets, others, unread)
                continue
            mine = _kept(found, student)
            named = sum(bool(_exported([n])) for n in inside)
            if student[2] == "folder" and 2 * named > len(inside):
                _note(mine.notes, ALONE)
            if archived:
                for path, data in _in_zip(content, name):
                    _add(mine, path, data, sheets, others)
            else:
                _add(mine, inner, content, sheets, others)
        except ValueError as problem:
            _kept(found, student).notes.append(str(problem))


def _student(name: str) -> tuple[tuple[str, str, str], str]:
    """((name, id, system) of the student, the file's own name) from a path in an export."""
    if match := MOODLE.match(name):  # only in front: a repository may hold any folders
        return (match["name"], match["id"], "moodle"), match["file"]
    if match := CANVAS.fullmatch(name):  # Canvas makes no folders
        return (match["name"], match["id"], "canvas"), match["file"]
    if "/" in name:
        return (name.partition("/")[0], "", "folder"), name.partition("/")[2]
    return (Path(name).stem, "", "folder"), name


def _kept(found: dict[str, Submission], student: tuple[str, str, str]) -> Submission:
    name, id, system = student
    key = re.sub(r"[^\w.-]+", "-", f"{name}-{id}" if id else name).strip("-.") or "student"
    keys = (key if number == 1 else f"{key}-{number}" for number in count(1))  # "Jane Doe" and "Jane-Doe" are two
    mine = (found.setdefault(key, Submission(key, name, id, system)) for key in keys)
    return next(submission for submission in mine if (submission.name, submission.id, submission.system) == student)


def _add(
    submission: Submission, path: str, data: bytes, sheets: tuple[Sheet, ...], others: tuple[Sheet, ...] = ()
) -> None:
    """Finds the exercise that a file belongs to; `_counts` says which of several."""
    name = path.rpartition("/")[2]
    text, problem = read_source(data) if name.lower().endswith(".py") else (None, "")
    if is_ours(path, text, sheets):
        return
    if not _is_read(name) or name.lower().endswith(".zip"):
        expected = "unpack an archive in an archive" if _is_read(name) else ".py, .zip or .ckpt is expected"
        telling = name.lower().endswith((*WORK, ".zip")) or exercise_of(name, None, sheets)[0] is not None
        _note(submission.notes if telling else submission._spare, f"{name} is not read: {expected}")
        return
    if name.lower().endswith(CHECKPOINT):
        id, likeness = exercise_of(name, None, sheets)
        if id is None and exercise_of(name, None, others)[0] is None:
            submission._loose[path] = b"" if submission._loose else data  # of several none counts
        if id is not None and _counts(submission, id + CHECKPOINT, path, (likeness,)):
            submission.networks[id] = data
        return
    id, likeness = exercise_of(name, text, sheets)
    if id is None:
        stranger = exercise_of(name, text, others)[0] is None
        if stranger and (re.match(r"(?i)e\d\d", name) or not submission.notes):
            _note(submission.notes, f"{name} belongs to no exercise")
        return
    # a file that only what it defines tells apart may answer several: a notebook saved as a script, say
    answered = [id] if likeness else [s.id for s in sheets if exercise_of(name, text, (s,))[0]]
    for id in answered:
        if _counts(submission, id, path, (text is not None, *_written(id, text or ""), likeness)):
            submission.files[id] = (text, problem)


def _written(id: str, text: str) -> tuple[int, int]:
    """The higher the more was done since the file was handed out: whether anything, how few functions are left."""
    left = re.findall(rf'"""\s+raise NotImplementedError\("exercise {int(id[1:3])}:', text)
    return text.split() != _handed_out(id, variant_in(text)).split(), -len(left)


@cache
def _handed_out(id: str, variant: int) -> str:
    """The file of an exercise as students get it; "" on Gradescope, where it is not."""
    try:
        from tutorials.exercises.specs import exercises
    except ImportError:
        return ""
    exercise = next(exercise for exercise in exercises() if exercise.id == id).of(variant)
    return exercise.stub or (HERE / f"{id}.py").read_text(encoding="utf-8")


def _note(notes: list[str], text: str) -> None:
    """Says nothing twice."""
    if text not in notes:
        notes.append(text)


def _counts(submission: Submission, what: str, path: str, rank: tuple[int, ...]) -> bool:
    """Whether a file counts: of several for the same the one with the highest rank does, and of equals the first.

    Of equal rank are: no copy, the highest number that was added to the name, nothing added, the fewest folders
    (`tutorials/exercises/`, where students find the files, is none).
    """
    added = split_name(path.rpartition("/")[2])[1]
    copied = re.search("copy|kopie", added, re.IGNORECASE)
    numbers = [int(number[:18]) for number in re.findall(r"\d+", added)]  # int refuses thousands of digits
    folders = re.sub(r"(^|/)tutorials/exercises/", r"\1", path).count("/")
    rank = (*rank, not copied, numbers, not added, -folders)
    best, chosen, _ = submission._best.get(what, ((), "", False))
    if better := rank > best:
        best, chosen = rank, path
    submission._best[what] = best, chosen, what in submission._best
    return better


def as_handed_out(
    submission: Submission, sheets: tuple[Sheet, ...], find: Callable[[int, int], Sheet | None]
) -> tuple[Sheet, ...]:
    """`sheets`, each in the variant that the student's file says it is; `find(number, variant)` gives it."""
    found = []
    for sheet in sheets:
        variant = variant_in(submission.files.get(sheet.id, (None, ""))[0]) if sheet.personal else 0
        found.append((find(sheet.number, variant) or sheet) if variant else sheet)
    return tuple(found)
