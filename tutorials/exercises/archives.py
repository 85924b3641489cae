"""Builds the students' archive and Gradescope's autograder: numbers and the grader, and no solution."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tutorials.exercises.frame import PUBLIC
from tutorials.exercises.naming import LEARNER
from tutorials.exercises.roster import read_roster
from tutorials.exercises.runner import HERE
from tutorials.exercises.sheet import VERSION, to_bytes
from tutorials.exercises.shelf import PUBLIC_FILE
from tutorials.exercises.specs import chosen, exercises, sheet_of
from tutorials.exercises.submissions import HANDED_OUT, handed_out_file
from tutorials.exercises.variants import VARIANTS, variant_of

COMMON = (
    "comparison.py",
    "confinement.py",
    "diagnosis.py",
    "given.py",
    "grading.py",
    "messages.py",
    "runner.py",
    "sheet.py",
    "source.py",
    "variants.py",
    "worker.py",
)
STUDENT = """# Exercises {version}

{count} exercises in `tutorials/exercises/`, one file each. Write into the files; then

    python -m tutorials.exercises check          every exercise, one line each
    python -m tutorials.exercises check 1        one exercise, property by property
    python -m tutorials.exercises check 1 --example     the smallest failing case with its numbers
    python -m tutorials.exercises check 1 --why         what probably went wrong, after one more attempt

Python 3.11 or later and numpy are all that is needed for exercises 1 to 28. Exercises 29 and 30 need a checkout of
minnet: `python -m tutorials.exercises train 29` there writes a .ckpt file; hand it in beside the .py file.

Hand in the files as they are, under any name (of several .ckpt files, each under its exercise's), or all of them in one
.zip. Notebooks (.ipynb) are not read; exported as scripts (.py) they are. In a notebook that is opened in this folder,
`from tutorials.exercises import check` and `from tutorials.exercises.given import softmax` work.
"""
SETUP = """#!/usr/bin/env bash
apt-get update && apt-get install -y python3 python3-pip
python3 -m pip install --break-system-packages numpy || python3 -m pip install numpy
"""
RUN = """#!/usr/bin/env bash
cd /autograder/source && python3 -m tutorials.exercises.gradescope
"""


def bundles(roster: Path, out: Path) -> int:
    """An archive for everybody on the roster, in the folder `out`; returns how many there are.

    Which bug is planted, and of which numbers a prediction is asked, follows from the student's name.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = read_roster(roster)
    names = [re.sub(r"[^\w.-]+", "-", row["name"]).strip("-.") or "student" for row in rows]
    lower = [name.lower() for name in names]  # many file systems do not tell Anna.zip from anna.zip
    for number, (row, name) in enumerate(zip(rows, names, strict=True), 1):
        label = name if lower.count(name.lower()) == 1 else f"{name}-{number}"
        bundle(out / f"{label}.zip", variant_of(row["name"]))
    return len(rows)


def bundle(out: Path, variant: int = 0) -> Path:
    """A students' archive: stubs, public cases with what is expected of them, and the checker."""
    described = [exercise.of(variant) for exercise in exercises()]
    sheets = [sheet_of(exercise.number, PUBLIC, variant if exercise.variants else 0) for exercise in described]
    stubs = {exercise.id: handed_out_file(exercise.id, variant) for exercise in described}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "README.md", STUDENT.format(version=VERSION, count=len(sheets)))
        _put(archive, "VERSION", VERSION + "\n")
        _put(archive, "tutorials/__init__.py", "")
        for name in (*COMMON, *LEARNER):
            _put(archive, f"tutorials/exercises/{name}", (HERE / name).read_bytes())
        for id, stub in stubs.items():
            _put(archive, f"tutorials/exercises/{id}.py", stub)
        _put(archive, f"tutorials/exercises/{PUBLIC_FILE}", to_bytes(sheets))
    return out


def gradescope(out: Path, seed: int, numbers: Sequence[int] | None = None) -> Path:
    """autograder.zip with the hidden cases of this seed; nothing but Python and numpy is needed there.

    Exercises that hand in a trained network are left out: they are graded where minnet is.
    """
    graded = [exercise for exercise in chosen(numbers) if exercise.budget is None]
    if not graded:
        raise ValueError("these exercises hand in a trained network: they are graded where minnet is")
    # of the exercises that are not graded there, what tells that a file is theirs
    sheets = [replace(e.sheet(), properties=[], cases=[], records=[]) for e in chosen(None) if e not in graded]
    files: dict[str, str] = {}
    for exercise in graded:
        for variant in range(VARIANTS + 1) if exercise.variants else range(1):
            sheets.append(exercise.of(variant).sheet(seed, alone=True))
            files[f"{HANDED_OUT}/{variant}/{exercise.id}.py"] = handed_out_file(exercise.id, variant)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "setup.sh", SETUP, executable=True)
        _put(archive, "run_autograder", RUN, executable=True)
        _put(archive, "tutorials/__init__.py", "")
        _put(archive, "tutorials/exercises/__init__.py", "")
        for name in (*COMMON, "files.py", "naming.py", "submissions.py", "gradescope.py"):
            _put(archive, f"tutorials/exercises/{name}", (HERE / name).read_bytes())
        _put(archive, "tutorials/exercises/hidden.sheets", to_bytes(sheets))
        for name, text in files.items():
            _put(archive, f"tutorials/exercises/{name}", text)
    return out


def _put(archive: zipfile.ZipFile, name: str, content: str | bytes, executable: bool = False) -> None:
    entry = zipfile.ZipInfo(name)  # a fixed date: the same sources and seed give the same bytes
    entry.external_attr = (0o755 if executable else 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
