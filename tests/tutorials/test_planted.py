"""Each claim of a lesson turns red when one thing is changed in its code, so none of them is true of anything.

By default the first change of each lesson is tried; MINNET_PLANTED=all tries all of them.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from tutorials.cells import FOLDER, claims, lessons, read

LESSONS = lessons()


def planted(lesson):
    name = lesson.stem[:2] if lesson.stem[0].isdigit() else lesson.stem
    try:
        return importlib.import_module(f"tests.tutorials.planted.lesson_{name}").PLANTED
    except ModuleNotFoundError:
        return []  # reported below as claims without a change


def sample():
    most = None if os.environ.get("MINNET_PLANTED") == "all" else 1
    return [
        pytest.param(lesson, *row, id=f"{lesson.stem}: {row[0][:50]}")
        for lesson in LESSONS
        for row in planted(lesson)[:most]
    ]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_every_claim_has_a_planted_change(lesson):
    rows = planted(lesson)
    assert sorted(claim for claim, _, _ in rows) == sorted(claims(read(lesson)))
    text = lesson.read_text(encoding="utf-8")
    for claim, old, new in rows:
        assert text.count(old) == 1 and old != new, f"{claim}: {old!r} stands {text.count(old)} times in the lesson"


@pytest.mark.parametrize(("lesson", "claim", "old", "new"), sample())
def test_a_planted_change_turns_the_claim_red(lesson, claim, old, new, tmp_path):
    result = run(lesson, old, new, tmp_path)
    assert result.returncode != 0, "the change went unnoticed"
    assert f"ClaimError: {claim}: this claim of the text does not hold" in result.stderr, result.stderr[-2000:]
    assert "Traceback" not in result.stderr


def run(lesson, old, new, folder):
    """The lesson with a change, run as a script."""
    changed = folder / lesson.name
    changed.write_text(lesson.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER.parent)])}
    return subprocess.run([sys.executable, str(changed)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    ("number", "old", "new", "said"),
    [
        (0, "step = 0.01", "step = 0.02", "checked: one small step against the gradient"),
        (4, "= 0.5, 20, 32", "= 0.5, 40, 16", "79 steps of 16 pictures"),
        (5, "default_rng(1), 16", "default_rng(1), 12", "right, 12 units"),
        (5, "standard_normal((12, 5)), rng.integers(4, size=12)", "standard_normal((10, 5)), rng.integers(4, size=10)",
         "checked: gradcheck says that there is one division by the batch size too many"),
    ],
)  # fmt: skip
def test_a_number_that_a_reader_changes_is_changed_everywhere(number, old, new, said, tmp_path):
    result = run(LESSONS[number], old, new, tmp_path)
    assert result.returncode == 0 and said in result.stdout, result.stderr[-2000:]
