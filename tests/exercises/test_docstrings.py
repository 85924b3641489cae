"""Answers that a stub's docstring forbids in one place: each loses points there, and its mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.exercises.answers import HEAD
from tutorials.exercises.comparison import difference, same
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import Process
from tutorials.exercises.specs import exercises, sheet_of


def solution(number: int, *changes: tuple[str, str]) -> str:
    """The reference solution of an exercise with these changes of its text."""
    text = exercises()[number - 1].of(0).solution()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return HEAD + text


TEMPERATURE = (
    HEAD + "from given import softmax, log_softmax\n"
    "def temperature_loss(z, labels, temperature):\n    return {}\n"
    "def best_temperature(z, labels, candidates):\n"
    "    losses = [temperature_loss(z, labels, {}) for t in candidates]\n    return candidates[{}]\n"
)
LOSS = "-log_softmax(z / temperature)[np.arange(len(z)), labels].mean()"
DROPOUT = (
    HEAD + "class Dropout:\n"
    "    def __init__(self, p, rng):\n"
    "        self.p, self.rng, self.training = p, rng, True\n"
    "    def forward(self, x):\n"
    "        if not self.training:\n"
    "            {}\n"
    "            return x\n"
    "        self.mask = (self.rng.random(x.shape) {} self.p) / (1 - self.p)\n"
    "        return x * self.mask\n"
    "    def backward(self, dy):\n"
    "        return {}\n"
)
RESET, BY_MODE = "self.mask = np.ones_like(x)", "dy * self.mask if self.training else dy"
CROSS = (
    HEAD + "from given import softmax, log_softmax\n"
    "def cross_entropy(z, labels):\n    rows = np.arange(len(z))\n    return ({}).mean()\n"
    "def cross_entropy_backward(z, labels):\n    return (softmax(z) - np.eye(z.shape[1])[labels]) / len(z)\n"
)
SHIFT_IN_21 = ("    z = z - z.max(axis=1, keepdims=True)\n", "")
LOG_P = ("z - np.log(np.exp(z).sum(axis=1, keepdims=True))", "np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))")
ENTROPY = "-np.log(softmax(z))[rows, labels]"
CASES = {
    "the last class is missing": (
        27,
        "last-class-missing",
        solution(
            27,
            ("(p - np.eye(classes)[labels]).mean(axis=0)", "1 / classes - np.bincount(labels) / len(labels)"),
        ),
    ),
    "the last of equal candidates": (
        15,
        "last-of-equals",
        TEMPERATURE.format(LOSS, "t", "len(losses) - 1 - int(np.argmin(losses[::-1]))"),
    ),
    "the bug is mended and the weights are scaled in place": (
        21,
        "in-place",
        solution(21, ("    z = x @ W + b\n", "    z = x @ W + b\n    weights /= weights.sum()\n")),
    ),
    "the logarithm of a probability in 21": (21, "log-of-zero", solution(21, LOG_P)),
    "a start left of c": (26, "no-abs", solution(26, ("while abs(w - c) >", "while w - c >"))),
    "a start left of c, and no abs at all": (
        26,
        "no-abs",
        solution(26, ("while abs(w - c) >", "while w - c >"), ("start, steps = abs(w - c)", "start, steps = (w - c)")),
    ),
    "a curly apostrophe joins": (13, "curly-joins", solution(13, ("['-]", "['’-]"))),
    "backward by the mode of now": (9, "backward-by-mode", DROPOUT.format(RESET, ">=", BY_MODE)),
    "backward by the mode of now, mask kept": (9, "backward-by-mode", DROPOUT.format("pass", ">=", BY_MODE)),
    "u = p is dropped": (9, "drops-at-p", DROPOUT.format(RESET, ">", "dy * self.mask")),
    "ReLU passes at zero in 22": (22, "passes-at-zero", solution(22, ("(a > 0)", "(a >= 0)"))),
    # infinite and NaN: an exponential that overflows, or the logarithm of 0
    "the logarithm of a probability in 15": (
        15,
        "log-of-zero",
        TEMPERATURE.format(
            "-np.log(softmax(z / temperature))[np.arange(len(z)), labels].mean()", "t", "np.argmin(losses)"
        ),
    ),
    "log of a sum in 15": (
        15,
        "no-shift",
        TEMPERATURE.format(
            "(np.log(np.exp(z / temperature).sum(axis=1)) - z[np.arange(len(z)), labels] / temperature).mean()",
            "t",
            "np.argmin(losses)",
        ),
    ),
    "no shift in 15": (
        15,
        "no-shift",
        TEMPERATURE.format(
            "-np.log((e := np.exp(z / temperature)) / e.sum(axis=1, keepdims=True))[np.arange(len(z)), labels].mean()",
            "t",
            "np.argmin(losses)",
        ),
    ),
    "no shift in 21": (21, "no-shift", solution(21, SHIFT_IN_21)),
    "one maximum in 21": (21, "batch-maximum", solution(21, ("z.max(axis=1, keepdims=True)", "z.max()"))),
    "log of a sum in 3": (3, "no-shift", CROSS.format("np.log(np.exp(z).sum(axis=1)) - z[rows, labels]")),
    "no shift in the loss of 3": (
        3,
        "no-shift",
        CROSS.format("-np.log((e := np.exp(z)) / e.sum(axis=1, keepdims=True))[rows, labels]"),
    ),
    "the logarithm of a probability in 3": (3, "log-of-zero", CROSS.format(ENTROPY)),
    "the temperature is not passed on": (15, "first-chosen", TEMPERATURE.format(LOSS, "1", "np.argmin(losses)")),
    "the first candidate": (15, "first-chosen", TEMPERATURE.format(LOSS, "t", "0")),
}


@pytest.fixture(scope="module")
def process():
    with Process(60) as process:
        yield process


@pytest.mark.parametrize("title", CASES)
def test_what_a_docstring_forbids_loses_points_and_is_named(title, process):
    number, id, source = CASES[title]
    for seed in ("public", 1, 2):
        result = grade_source(sheet_of(number, seed), source, process)
        assert result.earned < result.points
        assert result.mistakes == [id] and result.diagnosis


def test_what_the_docstrings_allow_keeps_its_points(process):
    for number, source in [
        (9, DROPOUT.format(RESET, ">=", "dy * self.mask")),
        (15, TEMPERATURE.format(LOSS, "t", "np.argmin(losses)")),
        (3, CROSS.format("-log_softmax(z)[rows, labels]")),
    ]:
        for seed in ("public", 1, 2):
            result = grade_source(sheet_of(number, seed), source, process)
            assert result.earned == result.points, [v.problem for v in result.verdicts]


def test_what_nobody_planted_is_not_handed_out():
    """Another slip in mended code costs its own points only: it is no gate, and no variant has it as its bug."""
    for number, id in ((21, "log-of-zero"), (21, "no-shift"), (22, "passes-at-zero")):
        exercise = exercises()[number - 1]
        for variant in range(13):
            of = exercise.of(variant)
            (mistake,) = (m for m in of.mistakes if m.id == id)
            gates = [p.name for p in sheet_of(number, 1, variant).properties if p.gate]
            assert of.planted != id and len(gates) == 1
            assert id == "no-shift" or mistake.breaks not in gates


def test_a_measurement_in_brackets_is_the_number_in_check_as_in_grade(process):
    text = exercises()[24].of(0).solution()
    for how in ("({},)", "[{}]", "np.array([{}])"):
        source = HEAD + text + "\nown = measured_parameters\ndef measured_parameters(W, b):\n"
        source += f"    return {how.format('own(W, b)')}\n"
        for seed in ("public", 1):
            result = grade_source(sheet_of(25, seed), source, process)
            assert result.earned == result.points, (how, seed, [v.problem for v in result.verdicts])


@pytest.mark.parametrize("name", ["measured_shape", "predicted_shape"])
def test_a_shape_may_be_a_tuple_a_list_or_an_array(name, process):
    text = exercises()[24].of(0).solution()
    for how in ("np.array", "list", "tuple"):
        source = HEAD + text + f"\nown = {name}\ndef {name}(*given):\n    return {how}(own(*given))\n"
        for seed in ("public", 1):
            result = grade_source(sheet_of(25, seed), source, process)
            assert result.earned == result.points, (how, seed, [v.problem for v in result.verdicts])
    short = HEAD + text + f"\nown = {name}\ndef {name}(*given):\n    return np.array(own(*given)[:3])\n"
    assert grade_source(sheet_of(25, 1), short, process).earned < 9


def test_arrays_that_are_results_of_their_own_are_no_stack():
    pair = (np.zeros(2), np.ones(2))
    assert difference(np.stack(pair), pair) and not same(np.stack(pair), pair)
    assert not difference(np.array([2, 3]), (2, 3)) and same(np.array([2, 3]), (2, 3))
    assert difference(np.array([2, 4]), (2, 3)) and not same((2, 3), np.array([2, 4]))
