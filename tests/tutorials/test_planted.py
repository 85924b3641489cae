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
    changed = tmp_path / lesson.name
    changed.write_text(lesson.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER.parent)])}
    result = subprocess.run([sys.executable, str(changed)], capture_output=True, text=True, env=environment)
    assert result.returncode != 0, "the change went unnoticed"
    assert f"ClaimError: {claim}" in result.stderr, result.stderr[-2000:]
