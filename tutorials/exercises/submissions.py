"""What each student handed in, of the files that Canvas, Moodle or GitHub Classroom give: for what, and which count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tutorials.exercises.files import (
    CHECKPOINT,
    empty_in,
    entries_in,
    exported,
    in_folder,
    in_zip,
    is_read,
    paths_in,
    plain,
    student_of,
)
from tutorials.exercises.naming import exercise_of, is_ours, split_name
from tutorials.exercises.runner import HERE
from tutorials.exercises.sheet import Sheet
from tutorials.exercises.source import read_source
from tutorials.exercises.variants import variant_in

WORK = (".ipynb", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")  # not read, but there may be answers in them
UNTOUCHED = "still as it was handed out"  # said of code with a bug in it
HANDED_OUT = "handed_out"  # the folder of Gradescope's archive with the files as they were, by variant
EMPTY = "the file is empty: was it saved?"
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
    variant: int = 0  # that was handed out to the student: of files that do not say theirs
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
    for sheet in sheets:
        handed_out_file(sheet.id, sheet.variant)  # what is wrong with ours is no student's problem: it is told first
    unread = [] if unread is None else unread
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist: name the folder or the zip that the students' work is in")
    found: dict[str, Submission] = {}
    if place.is_file():
        data = place.read_bytes()
        names, files = [name for name, _ in entries_in(data, place.name)[1]], in_zip(data, place.name, True)
    else:
        names, files = [name for name, _ in paths_in(place)], in_folder(place)
    if _of_one(names, (*sheets, *others)):
        owner = plain(place.stem if place.is_file() else place.resolve().name)
        files = ((f"{owner}/{name}", content) for name, content in files)
    elif place.is_dir():
        unread += empty_in(place)
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

    A file that is named as one exercise answers others, too, that have no file and that it defines completely. A
    checkpoint of any name is that of the exercise that has none, if there is one of each.
    """
    submission.notes += [
        f"several files for {what}: {path} counts" for what, (_, path, several) in submission._best.items() if several
    ]
    for id, (text, _) in sorted(submission.files.items()):
        left = [sheet for sheet in sheets if sheet.id not in submission.files and sheet.budget is None]
        if more := [sheet.id for sheet in left if exercise_of("", text, (sheet,))[0]]:
            submission.files |= dict.fromkeys(more, (text, ""))
            submission.notes.append(f"{submission._best[id][1]} answers {', '.join(more)} too: no other file does")
    asking = [sheet.id for sheet in sheets if sheet.budget is not None]
    waiting = [id for id in asking if id in submission.files and id not in submission.networks]
    if len(waiting) == len(submission._loose) == 1:
        submission.networks[waiting[0]] = next(iter(submission._loose.values()))
    elif asking:
        submission.notes += [f"{name} belongs to no exercise" for name in [*submission._loose][:3]]
    if not (submission.files or submission.networks or submission.notes):
        submission.notes += submission._spare[:3] or ["no file answers an exercise that is graded here"]


def _add_all(
    found: dict[str, Submission],
    files: Iterator[tuple[str, bytes]],
    sheets: tuple[Sheet, ...],
    others: tuple[Sheet, ...],
    unread: list[str],
) -> None:
    for name, content in files:
        student, inner = student_of(name)
        if inner == name and not is_read(name):
            unread.append(name)  # the class list, say
            continue
        archived = inner.lower().endswith(".zip")
        try:
            inside = [n for n, _ in entries_in(content, name)[1]] if archived else [inner]
            if inner == name and archived and exported(inside):
                # a whole class's export lies in the folder
                _add_all(found, in_zip(content, name, True), sheets, others, unread)
                continue
            mine = _kept(found, student)
            named = sum(bool(exported([n])) for n in inside)
            if student[2] == "folder" and 2 * named > len(inside):
                _note(mine.notes, ALONE)
            if archived:
                for path, data in in_zip(content, name):
                    add(mine, path, data, sheets, others)
            else:
                add(mine, inner, content, sheets, others)
        except ValueError as problem:
            _kept(found, student).notes.append(str(problem))


def _kept(found: dict[str, Submission], student: tuple[str, str, str]) -> Submission:
    name, id, system = student
    key = re.sub(r"[^\w.-]+", "-", f"{name}-{id}" if id else name).strip("-.") or "student"
    keys = (key if number == 1 else f"{key}-{number}" for number in count(1))  # "Jane Doe" and "Jane-Doe" are two
    mine = (found.setdefault(key, Submission(key, name, id, system)) for key in keys)
    return next(submission for submission in mine if (submission.name, submission.id, submission.system) == student)


def add(
    submission: Submission, path: str, data: bytes, sheets: tuple[Sheet, ...], others: tuple[Sheet, ...] = ()
) -> None:
    """Finds the exercise that a file belongs to; `_counts` says which of several."""
    name = path.rpartition("/")[2]
    text, problem = read_source(data) if name.lower().endswith(".py") else (None, "")
    if is_ours(path, text, sheets):
        return
    if not is_read(name) or name.lower().endswith(".zip"):
        expected = "unpack an archive in an archive" if is_read(name) else ".py, .zip or .ckpt is expected"
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
    return not _is_untouched(id, text), -_left(id, text)


def _left(id: str, text: str) -> int:
    """How many functions have nothing between their docstring and the line that says so."""
    return len(re.findall(rf'"""\s+raise NotImplementedError\("exercise {int(id[1:3])}:', text))


def _is_untouched(id: str, text: str) -> bool:
    """Whether a file's code is as it was handed out: comments and spaces change nothing."""
    mine, handed_out = (re.sub("#.*", "", t).split() for t in (text, handed_out_file(id, variant_in(text))))
    return mine == handed_out


def answer_of(submission: Submission, id: str) -> tuple[str | None, str]:
    """(text, "") of what answers an exercise, or (None, why there is nothing to grade).

    Code that was handed out with a bug in it is no answer as it was; what is to be written says so itself.
    """
    text, problem = submission.files.get(id, (None, ""))
    if text is None:
        return None, problem
    if not text.strip():
        return None, EMPTY
    if "NotImplementedError" not in handed_out_file(id, variant_in(text)) and _is_untouched(id, text):
        return None, UNTOUCHED
    return text, ""


@cache
def handed_out_file(id: str, variant: int) -> str:
    """The file of an exercise as students get it; ValueError where a teacher's own answer stands in its place."""
    try:
        from tutorials.exercises.specs import exercises
    except ImportError:  # on Gradescope
        path = HERE / HANDED_OUT / str(variant) / f"{id}.py"
        return path.read_text(encoding="utf-8") if path.exists() else ""
    exercise = next(exercise for exercise in exercises() if exercise.id == id).of(variant)
    if exercise.stub:
        return exercise.stub
    path = HERE / f"{id}.py"
    text = path.read_text(encoding="utf-8")
    if _left(id, text) != len(re.findall(r"(?m)^ *def (?!__init__)", text)):
        where = path.relative_to(HERE.parents[1]).as_posix()
        raise ValueError(
            f"{where} holds an answer, not the stub that students get: move it to a folder of your own "
            f"(check --folder FOLDER), then git checkout {where}"
        )
    return text


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
    """`sheets`, each in the variant that the student's file says it is, else in the student's own.

    `find(number, variant)` gives a sheet.
    """
    found = []
    for sheet in sheets:
        text = submission.files.get(sheet.id, (None, ""))[0] if sheet.personal else None
        variant = (variant_in(text) or submission.variant) if text else 0
        found.append((find(sheet.number, variant) or sheet) if variant else sheet)
    return tuple(found)
