"""Grades a class: every submission in a process of its own, results kept by student, tables and pages written."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import Any

from minnet.run_folder import save
from tutorials.exercises.grading import grade_source
from tutorials.exercises.improve import in_sample
from tutorials.exercises.pages import class_page, is_unwritten, student_page
from tutorials.exercises.roster import match_roster, read_roster
from tutorials.exercises.runner import SECONDS, Process, Unable
from tutorials.exercises.sheet import VERSION, Result, Sheet
from tutorials.exercises.specs import chosen, sheet_of
from tutorials.exercises.submissions import Submission, answer_of, as_handed_out, read_submissions
from tutorials.exercises.tables import check_writable, read_comments, write_tables
from tutorials.exercises.variants import variant_in, variant_of

SETTINGS = "grading.json"


def grade_class(
    place: Path,
    out: Path,
    roster: Path | None = None,
    seed: int | None = None,
    only: str | None = None,
    exercises: list[int] | None = None,
    jobs: int | None = None,
    seconds: float = SECONDS,
    assignment: str | None = None,
) -> dict[str, Any]:
    """Grades all submissions in `place` (or `only` one) and writes `out`; returns a summary.

    Seed, exercises ([]: all), roster and assignment (its name in Canvas) are by default those of an earlier run into
    `out`. With `only`, everybody graded before stays, whether `place` holds their work or not.
    """
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{seconds:g} seconds for an exercise: a number above 0 is expected")
    if jobs is not None and jobs < 1:
        raise ValueError(f"{jobs} students at a time (--jobs): 1 or more is expected")
    kept_roster = str(roster.resolve()) if roster else None
    settings = _settings(out, only, seed=seed, exercises=exercises, roster=kept_roster, assignment=assignment)
    every = tuple(sheet_of(exercise.number, settings["seed"]) for exercise in chosen(None))
    numbers = {exercise.number for exercise in chosen(settings["exercises"])}
    sheets = tuple(sheet for sheet in every if sheet.number in numbers)
    unread: list[str] = []
    found = read_submissions(place, sheets, every, unread)
    students = out / "students"
    graded: dict[str, Any] = {}
    if only is not None:
        graded = _graded(students, settings, sheets)
        found = _beside(only, found, graded, settings["students"], place, out)
    rows = read_roster(Path(settings["roster"])) if settings["roster"] else []
    unread = [name for name in unread if str((place / name).resolve()) != settings["roster"]]
    matched, missing = match_roster(rows, found)
    if rows:
        for key in found.keys() - matched.keys():
            found[key].notes.append("nobody on the roster has this name, login or number")
    _note_variants(found, matched, sheets)
    students.mkdir(parents=True, exist_ok=True)
    comments = read_comments(out / "comments.csv", found)
    check_writable(out)  # now, not when everybody has been graded
    left_out = sorted({*settings["students"]} - {*found})
    settings["students"] = sorted(found)
    _write(out / SETTINGS, settings)
    todo = [submission for key, submission in found.items() if key == only or key not in graded]
    _grade(todo, sheets, students, settings["seed"], seconds, jobs)
    records = {key: _read(students / f"{key}.json") for key in settings["students"]}
    for key, record in records.items():
        page = student_page(record, comments.get(key, ""), settings["seed"])
        save(students / f"{key}.html", page)
    absent = len(missing) if rows else None
    page = class_page(list(records.values()), sheets, settings["seed"], absent)
    save(out / "class.html", page)
    write_tables(out, records, matched, missing, comments, sheets, settings["assignment"])
    return {
        "seed": settings["seed"],
        "exercises": settings["exercises"],
        "roster": settings["roster"],
        "left out": left_out,
        "students": len(records),
        "graded": len(todo),
        "missing": missing,
        "unread": unread,
        "records": records,
    }


def _beside(
    only: str, found: dict[str, Submission], graded: dict[str, Any], everybody: list[str], place: Path, out: Path
) -> dict[str, Submission]:
    """All of the class, when `only` one is graded anew: the others as they were, whether their work is found or not."""
    if only not in found:
        raise ValueError(f"nobody is called {only!r}: the keys are {', '.join(found)}")
    found = {k: Submission(k, r["name"], r["id"], r["system"]) for k, r in graded.items()} | found
    if lost := [key for key in everybody if key not in found]:
        raise ValueError(f"{out} has no whole grading of {', '.join(lost)}: grade everybody once more")
    before = graded[only]["exercises"] if only in graded else []
    if gone := [e["id"] for e in before if not is_unwritten(e) and e["id"] not in found[only].files]:
        found[only].notes.append(f"handed in before, and not in {place.name}: {', '.join(gone)}")
    return found


def _grade(
    todo: list[Submission], sheets: tuple[Sheet, ...], students: Path, seed: int, seconds: float, jobs: int | None
) -> None:
    """Grades these, several at a time, and writes a record of each into `students` as it is done."""
    stopped = threading.Event()

    def grade(submission: Submission) -> list[Result]:
        mine = as_handed_out(submission, sheets, lambda number, variant: sheet_of(number, seed, variant))
        return grade_one(submission, takewhile(lambda _: not stopped.is_set(), mine), seconds, seed)

    with ThreadPoolExecutor(jobs or min(os.cpu_count() or 1, 4)) as pool:
        try:
            for submission, results in zip(todo, pool.map(grade, todo), strict=True):
                _write(students / f"{submission.key}.json", as_record(submission, results, seed))
        finally:
            stopped.set()  # Ctrl-C waits for the exercises in progress, not for the rest of their students


def _note_variants(found: dict[str, Submission], matched: dict[str, dict[str, str]], sheets: tuple[Sheet, ...]) -> None:
    """Notes whose file of an exercise that differs from student to student was handed out to somebody else.

    A file that does not say it, in a class where others do, is graded as its student's.
    """
    stated = {
        key: {
            s.number: variant_in(text)
            for s in sheets
            if s.personal and (text := submission.files.get(s.id, (None,))[0])
        }
        for key, submission in found.items()
    }
    if not any(variant for files in stated.values() for variant in files.values()):
        return  # one archive for all
    for key, row in matched.items():
        mine = variant_of(row["name"])
        found[key].variant = mine
        for number, variant in stated[key].items():
            if not variant:  # lost on the way into a notebook, say
                had = f"which was handed out to {row['name']}: graded as that"
                found[key].notes.append(f"exercise {number} has no line VARIANT = {mine}, {had}")
            elif variant != mine:
                found[key].notes.append(
                    f"exercise {number} is variant {variant}, and variant {mine} was handed out to {row['name']}"
                )


def grade_one(submission: Submission, sheets: Iterable[Sheet], seconds: float, seed: int) -> list[Result]:
    """One submission's results, in one process that is restarted when it ends."""
    with Process(seconds) as process:
        results = []
        for sheet in sheets:
            text, problem = answer_of(submission, sheet.id)
            network = submission.networks.get(sheet.id)
            again = sheet.budget is not None and in_sample(f"{submission.key} {sheet.id}", seed)
            try:
                result = grade_source(sheet, text, process, problem, network, again)
            except Exception as failure:  # one answer must not end the grading of a class
                if isinstance(failure, Unable) or (isinstance(failure, RuntimeError) and "new thread" in str(failure)):
                    raise  # of the machine, where the others would have no points either
                process.stop()
                result = grade_source(sheet, None, process, f"it could not be graded: {failure!r}")
            results.append(result)
        return results


def as_record(submission: Submission, results: list[Result], seed: int) -> dict[str, Any]:
    """A student's results as JSON can hold them."""
    return {
        "key": submission.key,
        "name": submission.name,
        "id": submission.id,
        "system": submission.system,
        "seed": seed,
        "version": VERSION,
        "earned": round(sum(r.earned for r in results), 2),
        "points": sum(r.points for r in results),
        "notes": submission.notes,
        "exercises": [
            {
                "id": r.id,
                "number": r.number,
                "title": r.title,
                "earned": r.earned,
                "points": r.points,
                "ended": r.ended,
                "mistakes": r.mistakes,
                "diagnosis": r.diagnosis,
                "properties": [
                    {
                        "name": v.property.name,
                        "sentence": v.property.sentence,
                        "points": v.property.points,
                        "earned": v.earned,
                        "problem": v.problem,
                        "state": v.state,
                    }
                    for v in r.verdicts
                ],
            }
            for r in results
        ],
    }


def _read(path: Path, again: str = "grade everybody once more") -> Any:
    """What a run has written; ValueError says what to do when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is damaged: {again}") from None


def _write(path: Path, value: Any) -> None:
    save(path, json.dumps(value, indent=1, ensure_ascii=False))


def _settings(out: Path, only: str | None, **asked: Any) -> dict[str, Any]:
    """What is asked for, else what an earlier run into the same folder had, else the default; the seed is drawn.

    ValueError when `only` one is to be graded with others than the rest of the folder.
    """
    path = out / SETTINGS
    again = "delete it, and name --seed (it stands on every student's page), --exercises and --roster again"
    kept = _read(path, again) if path.exists() else {}
    default = {"exercises": [], "roster": None, "assignment": "Exercises", "students": []}
    asked = {name: value for name, value in asked.items() if value is not None}
    found = {"seed": secrets.randbelow(10**6)} | default | kept | asked | {"version": VERSION}
    same = kept and (found["seed"], {*found["exercises"]}) == (kept["seed"], {*kept["exercises"]})
    if only is not None and kept and not same:
        flags = ["--seed", kept["seed"], *(["--exercises", *kept["exercises"]] if kept["exercises"] else [])]
        raise ValueError(f"{out} was graded with {' '.join(map(str, flags))}: one student is graded with the same")
    return found


def _graded(students: Path, settings: dict[str, Any], sheets: tuple[Sheet, ...]) -> dict[str, Any]:
    """The records of the earlier run by key; those that another run left, with another seed or so, do not count."""
    ids = [sheet.id for sheet in sheets]
    found = {}
    for key in settings["students"]:
        path = students / f"{key}.json"
        record = _read(path) if path.exists() else {"exercises": []}
        same = [e["id"] for e in record["exercises"]] == ids
        if same and (record["seed"], record["version"]) == (settings["seed"], settings["version"]):
            found[key] = record
    return found
