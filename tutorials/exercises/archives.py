"""Builds the students' archive and Gradescope's autograder: numbers and the grader, and no solution."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from tutorials.exercises.runner import HERE
from tutorials.exercises.sheet import VERSION, Sheet, to_bytes
from tutorials.exercises.shelf import PUBLIC_FILE
from tutorials.exercises.specs import exercises

COMMON = ("diagnosis.py", "given.py", "grading.py", "runner.py", "sheet.py", "source.py", "worker.py")
LEARNER = ("__init__.py", "__main__.py", "learner.py", "shelf.py")
STUDENT = """# Exercises {version}

{count} exercises in `tutorials/exercises/`, one file each. Write into the files; then

    python -m tutorials.exercises check          every exercise, one line each
    python -m tutorials.exercises check 1        one exercise, property by property
    python -m tutorials.exercises check 1 --example     the smallest failing case with its numbers
    python -m tutorials.exercises check 1 --why         what probably went wrong, after one more attempt

Python 3.10 or later and numpy are all that is needed. Hand in the files as they are, under any name.
"""
SETUP = """#!/usr/bin/env bash
apt-get update && apt-get install -y python3 python3-pip
python3 -m pip install --break-system-packages numpy || python3 -m pip install numpy
"""
RUN = """#!/usr/bin/env bash
cd /autograder/source && python3 -m tutorials.exercises.gradescope
"""


def bundle(out: Path) -> Path:
    """The students' archive: stubs, public cases with what is expected of them, and the checker."""
    described = exercises()
    sheets = [exercise.sheet() for exercise in described]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "README.md", STUDENT.format(version=VERSION, count=len(sheets)))
        _put(archive, "VERSION", VERSION + "\n")
        _put(archive, "tutorials/__init__.py", "")
        for name in (*COMMON, *LEARNER, *(f"{exercise.id}.py" for exercise in described)):
            _put(archive, f"tutorials/exercises/{name}", (HERE / name).read_bytes())
        _put(archive, f"tutorials/exercises/{PUBLIC_FILE}", to_bytes(sheets))
    return out


def gradescope(out: Path, seed: int, numbers: Sequence[int] | None = None) -> Path:
    """autograder.zip with the hidden cases of this seed; nothing but Python and numpy is needed there."""
    chosen = [e for e in exercises() if not numbers or e.number in numbers]
    if not chosen:
        raise ValueError(f"there are no exercises {numbers}")
    sheets: list[Sheet] = [exercise.sheet(seed, pairs=True) for exercise in chosen]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "setup.sh", SETUP, executable=True)
        _put(archive, "run_autograder", RUN, executable=True)
        _put(archive, "tutorials/__init__.py", "")
        _put(archive, "tutorials/exercises/__init__.py", "")
        for name in (*COMMON, "submissions.py", "gradescope.py"):
            _put(archive, f"tutorials/exercises/{name}", (HERE / name).read_bytes())
        _put(archive, "tutorials/exercises/hidden.sheets", to_bytes(sheets))
    return out


def _put(archive: zipfile.ZipFile, name: str, content: str | bytes, executable: bool = False) -> None:
    entry = zipfile.ZipInfo(name)  # a fixed date: the same sources and seed give the same bytes
    entry.external_attr = (0o755 if executable else 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
