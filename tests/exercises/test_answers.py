"""The grader measured on answers: right ones in many styles keep every point, wrong ones are named rightly or not.

`python -m tests.exercises.measure` prints the table.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tests.exercises import measure
from tests.exercises.answers import HEAD, WRITERS, right, wrong
from tutorials.exercises import diagnosis
from tutorials.exercises.comparison import difference, same
from tutorials.exercises.diagnosis import FACTS
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import HERE, Process, failed
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


SOFTMAX = "def softmax(z):\n    e = np.exp(z - z.max(axis=1{}))\n    return e / e.sum({})\n"
CROSS_ENTROPY = (
    "from given import log_softmax, softmax\n"
    "def cross_entropy(z, labels):\n"
    "    return -log_softmax(z)[{}].mean()\n"
    "def cross_entropy_backward(z, labels):\n"
    "    g, n = softmax(z), len(z)\n"
    "    g[{}] -= 1\n"
    "    return {}\n"
)
ROWS = "np.arange(len(z)), labels"
DROPOUT = (
    "class Dropout:\n"
    "    def __init__(self, p, rng):\n"
    "        self.p, self.rng, self.training = p, rng, True\n"
    "    def forward(self, x):\n"
    "        self.was = self.training\n"
    "        return self.drop(x) if self.was else x\n"
    "    def drop(self, x):\n"
    "        return np.where(self.rng.random(x.shape) >= self.p, x / (1 - self.p), 0)\n"
    "    def backward(self, dy):\n"
    "        return {}\n"
)


def changed(id, old, new):
    """A solution in which one thing is another."""
    source = (HERE / "solutions" / f"{id}.py").read_text(encoding="utf-8")
    assert source.count(old) == 1
    return source.replace(old, new)


NAMED = {
    "a local variable for the parameter": (10, "not-updated", changed("e10_adam", "w -= self", "w = w - self")),
    "a local variable for the weights": (18, "not-updated", changed("e18_momentum", "w -= self", "w = w - self")),
    "the velocity turned round": (
        18,
        "momentum-sign",
        changed("e18_momentum", "self.momentum * self.v", "-self.momentum * self.v"),
    ),
    "from p to -p where p is 0": (
        6,
        "dx-cut-from-behind",
        changed(
            "e06_conv2d",
            "dz[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]",
            "dz[:, padding:-padding, padding:-padding]",
        ),
    ),
    "a mask for backward alone": (9, "second-draw", DROPOUT.format("self.drop(dy) if self.was else dy")),
    "a mask for backward, whatever forward did": (9, "second-draw", DROPOUT.format("self.drop(dy)")),
    "the vocabulary in the order of the alphabet": (
        13,
        "ids-sorted",
        changed("e13_tokenizer", "enumerate(vocabulary", "enumerate(sorted(vocabulary)"),
    ),
    "one F1 of two means": (
        11,
        "macro-of-means",
        changed(
            "e11_f1",
            "    return f1_scores(labels, predictions, classes).mean()\n",
            "    m = np.zeros((classes, classes))  # predicted by there\n"
            "    np.add.at(m, (predictions, labels), 1)\n"
            "    p, r = (np.mean(np.diag(m) / np.maximum(m.sum(axis=axis), 1)) for axis in (1, 0))\n"
            "    return 2 * p * r / (p + r)\n",
        ),
    ),
    "the columns of the labels": (3, "columns", CROSS_ENTROPY.format(":, labels", ":, labels", "g / n")),
    "the columns in the gradient": (3, "columns", CROSS_ENTROPY.format(ROWS, ":, labels", "g / n")),
    "labels from one": (3, "labels-from-one", CROSS_ENTROPY.format(f"{ROWS} - 1", f"{ROWS} - 1", "g / n")),
    "the gradient at the probabilities": (
        3,
        "gradient-at-the-probabilities",
        CROSS_ENTROPY.format(ROWS, ROWS, "-np.eye(z.shape[1])[labels] / softmax(z) / n"),
    ),
    "no shift in the gradient": (
        3,
        "no-shift",
        CROSS_ENTROPY.format(ROWS, ROWS, "(np.exp(z) / np.exp(z).sum(1)[:, None] - np.eye(z.shape[1])[labels]) / n"),
    ),
    "bins without examples": (
        14,
        "empty-bins-nan",
        "def calibration_error(p, labels, bins):\n"
        "    c, right, e = p.max(axis=1), p.argmax(axis=1) == labels, 0\n"
        "    for b in range(bins):\n"
        "        m = (c > b / bins) & (c <= (b + 1) / bins)\n"
        "        e += m.mean() * abs(right[m].mean() - c[m].mean())\n"
        "    return e\n",
    ),
    "a large number for infinity": (
        16,
        "empty-mean",
        "from given import softmax\n"
        "def attention_pool(x, w, mask):\n"
        "    return np.einsum('nl,nld->nd', softmax(np.where(mask, x @ w, -1e9)), x)\n",
    ),
    "soft targets of labels from one": (
        19,
        "labels-from-one",
        "def one_hot(labels, classes):\n"
        "    return np.eye(classes)[labels - 1]\n"
        "def smoothed(labels, classes, smoothing):\n"
        "    return (1 - smoothing) * one_hot(labels, classes) + smoothing / classes\n",
    ),
    "no keepdims at all": (1, "no-keepdims", SOFTMAX.format("", "axis=1")),
    "no keepdims in the sum": (1, "no-keepdims", SOFTMAX.format(", keepdims=True", "axis=1")),
    "the sum alone along axis 0": (1, "wrong-axis", SOFTMAX.format(", keepdims=True", "axis=0")),
    "no keepdims on the way back": (
        2,
        "no-keepdims",
        "def softmax_backward(dy, s):\n    return s * (dy - (dy * s).sum(axis=1))\n",
    ),
    "no keepdims in layer norm": (
        17,
        "no-keepdims",
        "def layer_norm(x, gamma, beta, eps):\n"
        "    return gamma * (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + eps) + beta\n",
    ),
    "a number drawn in evaluation": (
        9,
        "draws-in-evaluation",
        "class Dropout:\n"
        "    def __init__(self, p, rng):\n"
        "        self.p, self.rng, self.training = p, rng, True\n"
        "    def forward(self, x):\n"
        "        u = self.rng.random(x.shape)\n"
        "        self.mask = (u >= self.p) / (1 - self.p) if self.training else 1.0\n"
        "        return x * self.mask\n"
        "    def backward(self, dy):\n"
        "        return dy * self.mask\n",
    ),
    "joined over a double hyphen": (
        13,
        "several-in-a-row",
        (HERE / "solutions" / "e13_tokenizer.py").read_text(encoding="utf-8").replace("['-]", "['-]+"),
    ),
    "masked after softmax and divided again": (
        16,
        "closed-maximum",
        "from given import softmax\n"
        "def attention_pool(x, w, mask):\n"
        "    a = softmax(x @ w) * mask\n"
        "    total = a.sum(axis=1, keepdims=True)\n"
        "    return np.einsum('nl,nld->nd', a / np.where(total > 0, total, 1), x)\n",
    ),
}


@pytest.mark.parametrize("title", NAMED)
def test_mistakes_that_readers_of_the_lessons_make_are_named(title):
    number, id, source = NAMED[title]
    with Process(60) as process:
        for seed in ("public", 1, 2):
            result = grade_source(sheet_of(number, seed), HEAD + source, process)
            assert result.earned < result.points and result.mistakes == [id]


def test_a_mistake_without_a_name_is_looked_for_in_silence():
    source = "def layer_norm(x, gamma, beta, eps):\n    return gamma * x + beta + 1\n"
    with Process(60) as process, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert grade_source(sheet_of(17, 3), HEAD + source, process).mistakes == []
    assert seen == []


def test_numbers_that_never_came_are_no_evidence():
    sheet = sheet_of(3, 1)
    record = next(r for r in sheet.records if r.ids == ["softmax-twice"])  # wrong in every case
    assert diagnosis._agrees(sheet, record.outcomes, record.outcomes)
    assert not diagnosis._agrees(sheet, record.outcomes, [failed("ValueError")] * len(sheet.cases))


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        ((np.ones((2, 3)), np.ones(3), np.ones(3)), np.ones((2, 3)), "a tuple of 3 results, one array is expected"),
        ((np.ones((1, 2)),), np.ones((1, 2)), "a tuple of 1 result, one array is expected"),
        ([[1.0, 1.0], [1.0]], np.ones((2, 2)), "rows of different lengths"),
        (np.ones((1, 2)), np.ones((2, 1)), "the shape is (1, 2), expected (2, 1)"),
        ({"dx": np.ones(2)}, np.ones(2), "a dictionary instead of numbers"),
        ("softmax", np.ones(2), "a text instead of numbers"),
        (None, 1.0, "None (is a return missing?) instead of numbers"),
        (np.ones(2), 1.0, "an array of shape (2,), one number is expected"),
        ([1.0, 1.0], 1.0, "a list, one number is expected"),
        ({"dx": 1.0}, (1.0, 2.0), "2 results are expected, got a dictionary"),
        (np.ones((2, 3)), (np.ones(2), np.ones((2, 2))), "2 results are expected, got an array of shape (2, 3)"),
        (1.0, (1.0, np.ones(2)), "2 results are expected, got one number"),
        (np.array(["a", "b"]), ["a", "b"], "a list of 2 texts is expected, got an array of shape (2,)"),
        ("a b", ["a", "b"], "a list of 2 texts is expected, got a text"),
        (["a b"], ["a", "b"], "2 texts are expected, got 1"),
        ((1.0, 2.0, 3.0), (1.0, np.ones(2)), "2 results are expected, got 3"),
        (np.array([-0.0, 1.0]), np.array([-0.33, 1.0]), "at [0] 0 instead of -0.33"),
    ],
)
def test_a_result_of_another_kind_is_told_as_what_it_is(got, expected, said):
    assert difference(got, expected) == said


def test_what_rounding_leaves_of_zero_is_zero():
    for compare in (lambda a, b: not difference(a, b), same):
        assert compare(np.array([1e-16, 0.0]), np.zeros(2)) and not compare(np.array([1e-6, 0.0]), np.zeros(2))
