"""Every exercise proves itself: solutions full marks, stubs zero, known mistakes lose what they should and differ."""

from __future__ import annotations

import ast
from functools import cache

import numpy as np
import pytest

from tutorials.exercises.comparison import same
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.sheet import judge, problem_of
from tutorials.exercises.specs import exercises
from tutorials.exercises.worker import play

ALL = exercises()
IDS = [e.id for e in ALL]


@cache
def sheet(number, seed):
    return next(e for e in ALL if e.number == number).sheet(seed)


@pytest.fixture(scope="module")
def process():
    with Process(60) as process:
        yield process


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
@pytest.mark.parametrize("seed", ["public", 1])
def test_solution_has_full_marks(exercise, seed, process):
    source = (HERE / "solutions" / f"{exercise.id}.py").read_text(encoding="utf-8")
    result = grade_source(sheet(exercise.number, seed), source, process)
    assert result.earned == result.points, [v.problem for v in result.verdicts]
    assert not result.mistakes


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_stub_has_no_marks_and_says_so(exercise, process):
    source = (HERE / f"{exercise.id}.py").read_text(encoding="utf-8")
    result = grade_source(sheet(exercise.number, 1), source, process)
    assert result.earned == 0
    assert all(
        f"exercise {exercise.number}" in v.problem or "NotImplementedError" in v.problem for v in result.verdicts
    )
    stated = f"({exercise.minutes} minutes, {exercise.difficulty})"
    assert ast.get_docstring(ast.parse(source)).startswith(f"Exercise {exercise.number}.") and stated in source
    assert "Example" in source or not exercise.core


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_every_known_mistake_loses_the_points_that_it_should(exercise):
    for seed in ("public", 1):
        found = sheet(exercise.number, seed)
        for mistake, record in zip(exercise.mistakes, found.records, strict=True):
            result = judge(found, record.outcomes)
            broken = {v.property.name for v in result.verdicts if v.earned < v.property.points}
            assert mistake.breaks in broken, (mistake.id, broken, seed)


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_without_a_mistake_the_mistaken_implementation_is_right(exercise):
    found = sheet(exercise.number, 1)
    with np.errstate(all="ignore"):
        outcomes = [play(case.calls, exercise.wrong(frozenset())) for case in found.cases]
    assert [p for p in map(problem_of, found.cases, outcomes) if p] == []


def test_known_mistakes_differ_pairwise(capsys):
    """The pairs that the inputs cannot tell apart are printed; there are none."""
    pairs = []
    for exercise in ALL:
        records = sheet(exercise.number, 1).records
        for i, a in enumerate(records):
            pairs += [(exercise.id, a.ids[0], b.ids[0]) for b in records[:i] if _alike(a.outcomes, b.outcomes)]
    with capsys.disabled():
        for pair in pairs:
            print("cannot be told apart:", *pair)
    assert pairs == []


def _alike(one, other):
    return all(
        bool(a["error"]) == bool(b["error"])
        and len(a["results"]) == len(b["results"])
        and all(map(same, a["results"], b["results"]))
        for a, b in zip(one, other, strict=True)
    )


def test_counts_that_the_course_promises():
    core = [e for e in ALL if e.core]
    assert len(core) == 12 and sum(e.minutes for e in core) <= 300
    assert all(len(e.mistakes) >= 4 for e in core) and sum(len(e.mistakes) for e in ALL) >= 80
    for exercise in ALL:
        ids = [m.id for m in exercise.mistakes]
        assert len(set(ids)) == len(ids) and all(m.sentence and m.seen for m in exercise.mistakes)


def test_hidden_cases_have_other_numbers_and_shapes():
    different = 0
    for exercise in ALL:
        shapes = [
            [np.shape(a) for case in sheet(exercise.number, seed).cases for call in case.calls for a in call.args]
            for seed in ("public", 1)
        ]
        different += len({tuple(map(str, s)) for s in shapes}) > 1
    assert different >= 10


def test_same_seed_same_sheet():
    from tutorials.exercises.sheet import to_bytes

    assert all(to_bytes([e.sheet(4)]) == to_bytes([e.sheet(4)]) for e in ALL[:3])
