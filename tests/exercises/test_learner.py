"""What a learner reads of an answer that is wrong: nothing that is beside the point, and numbers that can be read."""

from __future__ import annotations

import numpy as np
import pytest

from tests.exercises.answers import HEAD
from tutorials.exercises import learner
from tutorials.exercises.grading import grade_source
from tutorials.exercises.learner import text
from tutorials.exercises.messages import Call
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.sheet import Case, problem_of
from tutorials.exercises.specs import exercises, sheet_of

UNKNOWN = "None of the known mistakes gives these numbers"


def solution(number, *changes):
    """The reference solution of an exercise with these changes of its text."""
    source = exercises()[number - 1].of(0).solution()
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return HEAD + source


@pytest.fixture(scope="module")
def told():
    """The result of an answer, and what --example --why says of it."""
    with Process(60) as process:

        def told(number, source):
            sheet = sheet_of(number, "public")
            result = grade_source(sheet, source, process)
            return result, learner.details(sheet, result, True, True, attempts=2)

        yield told


def test_the_numbers_of_one_mistake_are_no_evidence_for_another(told):
    """Forward raises at every stride but 1, as it might without any stride; it is the ends of the slices."""
    ends = ("z[here] @ W[i, j]  #", "z[:, i : i + h : stride, j : j + w : stride] @ W[i, j]  #")
    cut = ("padding : padding + x.shape[1], padding : padding + x.shape[2]", "padding:-padding, padding:-padding")
    result, said = told(6, solution(6, ends, cut))
    assert result.mistakes == ["dx-cut-from-behind"]
    assert "   conv2d_backward: Without padding nothing of dx is left" in said and "no effect" not in said


def test_a_mistake_of_one_function_says_whose_it_is(told):
    source = (
        "from given import softmax\n"
        "def cross_entropy(z, labels):\n    return -np.log(softmax(z)[:, labels]).mean()\n"
        "def cross_entropy_backward(z, labels):\n    return softmax(z) - np.eye(z.shape[1])[labels]\n"
    )
    result, said = told(3, HEAD + source)
    assert result.mistakes == ["gradient-not-divided"]
    assert "   cross_entropy: 0.76507 instead" in said and "   cross_entropy_backward: The gradient is N times" in said


def test_what_was_measured_is_no_reason_for_wrong_numbers(told):
    relu = "def relu(x):\n    x[x < 0] = 0\n    return x{}\ndef relu_backward(dy, x):\n    return dy * (x > 0)\n"
    _, said = told(5, HEAD + relu.format(" * 7"))
    assert said.index(UNKNOWN) < said.index("   It writes into its arguments")
    _, said = told(5, HEAD + relu.format(""))
    assert UNKNOWN not in said and "   It writes into its arguments" in said


def test_a_network_has_no_example_with_numbers(told):
    source = (HERE / "e29_improve_digits.py").read_text(encoding="utf-8").partition("def config")[0]
    _, said = told(29, source + 'def config():\n    return {"optimizer": "adam"}\n')
    assert "expected" not in said and UNKNOWN not in said and "example" not in said


def test_a_prediction_that_differs_is_not_called_wrong():
    case = Case(0, [Call("call", "predicted_limit"), Call("call", "measured_limit", (4.0,))], None)
    said = problem_of(case, {"error": None, "results": [0.5, 0.505]})
    assert said == "the prediction and your own measurement differ: 0.5 against 0.505"


def test_a_step_that_ends_as_far_away_does_not_end_nearer(told):
    result, _ = told(26, solution(26, (">= 0.999999 * abs(w - c)", "> abs(w - c)")))
    assert "measured_limit: 0.6 instead of 0.5" in [v.problem for v in result.verdicts]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.arange(1.0, 5).reshape(1, 2, 2, 1), "[[1., 2.],\n [3., 4.]] of shape (1, 2, 2, 1)"),
        (np.zeros((1, 0, 0, 1)), "[] of shape (1, 0, 0, 1)"),
        ((np.ones((2, 1)), np.zeros(1)), "([[1.],\n  [1.]],\n [0.])"),
        ({"W": np.ones((2, 1)), "b": np.zeros(1)}, "{'W': [[1.],\n       [1.]],\n 'b': [0.]}"),
        ([np.array(0.66666667), np.float64("nan")], "[0.6667, nan]"),
        ([["good", 2], []], "[['good', 2], []]"),
        ([i / 100 for i in range(1, 101)], "[0.01, 0.02, 0.03, ..., 1]"),
    ],
)
def test_numbers_are_shown_as_a_person_reads_them(value, said):
    assert text(value) == said
