"""The grader measured on answers: right ones in many styles keep every point, wrong ones are named rightly or not.

`python -m tests.exercises.measure` prints the table.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.exercises import measure
from tests.exercises.answers import WRITERS, right, wrong
from tutorials.exercises import diagnosis
from tutorials.exercises.comparison import difference, same
from tutorials.exercises.diagnosis import FACTS
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import Process, failed
from tutorials.exercises.specs import exercises, sheet_of


def test_there_are_enough_answers():
    known = {e.id: {*FACTS, *(m.id for m in e.mistakes)} for e in exercises()}
    for id, title, slugs, _ in wrong():
        assert {s for slug in slugs if slug != "?" for s in slug.split("|")} <= known[id], title
    assert len(right()) >= 80 and len(wrong()) >= 120
    assert sum(len(slugs) == 2 for _, _, slugs, _ in wrong()) >= 30
    assert right() == [answer for writer in WRITERS for answer in right(writer)]


@pytest.fixture(scope="module")
def found():
    return measure.measure(21)


def test_no_right_answer_is_marked_down(found):
    assert [(r[0], r[1], r[3].earned) for r in found["rows"] if r[4] == "marked down"] == []


def test_every_wrong_answer_is_noticed(found):
    """But one: what float32 loses, a right answer in float32 loses too, and that has full marks."""
    assert {r[1] for r in found["rows"] if r[4] == "not noticed"} <= {"float32 before the shift"}


def test_most_are_named_and_hardly_any_wrongly(found):
    counts, n = found["counts"], found["wrong"]
    assert 0.7 * n <= counts.get("named", 0) <= found["have a name"] < n
    assert counts.get("named wrongly", 0) <= 0.05 * n


def test_what_is_right_speaks_against_a_mistake():
    """Padding on one side would spoil the forward pass too: where that is right, dx alone does not prove it."""
    title = "dx cut at the wrong corner, dW averaged"
    source = next(text for _, name, _, text in wrong() if name == title)
    with Process(60) as process:
        assert grade_source(sheet_of(6, 21), source, process).mistakes == ["dW-mean"]


def test_numbers_that_never_came_are_no_evidence():
    sheet = sheet_of(3, 1)
    record = next(r for r in sheet.records if r.ids == ["softmax-twice"])  # wrong in every case
    assert diagnosis._explains(sheet, record, record.outcomes)
    assert not diagnosis._explains(sheet, record, [failed("ValueError")] * len(sheet.cases))


def test_what_rounding_leaves_of_zero_is_zero():
    for compare in (lambda a, b: not difference(a, b), same):
        assert compare(np.array([1e-16, 0.0]), np.zeros(2)) and not compare(np.array([1e-6, 0.0]), np.zeros(2))
