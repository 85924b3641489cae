"""Softmax: shift, axis, and what happens to large scores."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def wrong(m):
    def softmax(z):
        kind = z.dtype
        if "float16" in m:
            z = z.astype(np.float16)
        axis = 0 if "wrong-axis" in m else 1
        keep = "no-keepdims" not in m
        top = z.max(axis=axis, keepdims=keep)
        if "no-shift" in m:
            top = 0
        elif "batch-maximum" in m:
            top = z.max()
        elif "mean-shift" in m:
            top = z.mean(axis=axis, keepdims=True)
        elif "minimum-shift" in m:
            top = z.min(axis=axis, keepdims=True)
        e = 2.0 ** (z - top) if "base-two" in m else np.exp(z - top)
        axis = 0 if "wrong-axis-of-the-sum" in m else axis
        keep = keep and "no-keepdims-in-the-sum" not in m
        total = e.sum() if "sum-over-batch" in m else e.sum(axis=axis, keepdims=keep)
        s = e if "not-normalised" in m else e / total
        if "log-returned" in m:
            s = np.log(s)
        if "sigmoid" in m:
            s = 1 / (1 + np.exp(-z))
        return s.astype(kind) if "integer-result" in m and kind.kind == "i" else s

    return {"softmax": softmax}


def batches(rng):
    n = size(rng, 3, 5)
    shapes = [(n, n + size(rng, 1, 3)), (n, n), (1, size(rng, 3, 6))]
    return [call("softmax", normal(rng, *shape, scale=2)) for shape in shapes]


def large(rng):
    k = size(rng, 3, 5)
    rows = rng.integers(-8, 9, (3, k)) / 4 + array([10_000.0], [-10_000.0], [0.0]).reshape(3, 1)
    spread = np.zeros((3, k))
    spread[0, 0], spread[1, 1], spread[2, 2] = 10_000, -10_000, 800
    return [call("softmax", rows), call("softmax", spread)]


EXERCISE = Exercise(
    "e01_softmax",
    "Softmax",
    15,
    "easy",
    ["softmax"],
    {"softmax": reference.softmax},
    core=True,
    wrong=wrong,
    checks=[
        Check("example", "the worked example comes out", 2, lambda rng: [call("softmax", np.log(array([1, 2, 5])))]),
        Check("rows", "every row becomes its own softmax, whatever the shape", 3, batches),
        Check("large", "scores of 10,000 and -10,000 have the right softmax too", 2, large),
        Check(
            "whole",
            "whole-number scores have the right softmax too",
            1,
            lambda rng: [call("softmax", rng.integers(-3, 4, (2, 4)))],
        ),
        Check("untouched", "z stays as it was", 1, lambda rng: [call("softmax", normal(rng, 3, 4))]),
        Check(
            "lines",
            "no Python loop over the rows",
            1,
            lambda rng: [call("softmax", normal(rng, n, 4)) for n in (3, 40)],
        ),
    ],
    mistakes=[
        Mistake(
            "no-shift",
            "The exponentials overflow: subtract each row's maximum first, which changes no result.",
            "cs231n.github.io#277: NaN although all unit tests passed",
            "large",
        ),
        Mistake(
            "batch-maximum",
            "The maximum is taken over the whole batch: a row far below it underflows to 0/0. Take "
            "each row's own maximum (axis=1, keepdims=True).",
            "crysx_nn#7: NaN at some batch sizes only",
            "large",
        ),
        Mistake(
            "mean-shift",
            "The mean is subtracted instead of the maximum: scores far above the mean still overflow.",
            "any shift is harmless on paper, so the choice looks free",
            "large",
        ),
        Mistake(
            "minimum-shift",
            "The minimum is subtracted instead of the maximum: that makes the exponents larger.",
            "a sign slip in z - max",
            "large",
        ),
        Mistake(
            "sum-over-batch",
            "The sum runs over the whole batch: all entries together sum to 1, not each row. "
            "Sum with axis=1, keepdims=True.",
            "np.sum without axis",
            "rows",
        ),
        Mistake(
            "wrong-axis",
            "The columns sum to 1 instead of the rows: the classes lie along axis 1.",
            "axis=0 in code written for column vectors",
            "rows",
            also=["wrong-axis-of-the-sum"],
        ),
        Mistake(
            "no-keepdims",
            "keepdims=True is missing: a square batch is divided by other rows' sums, other batches raise an error.",
            "lesson 0: x / x.sum(axis=1)",
            "rows",
            also=["no-keepdims-in-the-sum"],
        ),
        Mistake(
            "not-normalised",
            "These are the exponentials: the division by each row's sum is missing.",
            "an unfinished answer",
            "rows",
        ),
        Mistake(
            "log-returned",
            "These are the logarithms of the probabilities: log_softmax, not softmax.",
            "copied from a loss that works in log space",
            "rows",
        ),
        Mistake(
            "sigmoid",
            "Each score goes through a sigmoid by itself: the entries of a row do not sum to 1.",
            "two classes and many classes mixed up",
            "rows",
        ),
        Mistake("base-two", "The powers are of 2, not of e.", "2 ** z written for exp(z)", "rows"),
        Mistake(
            "integer-result",
            "The result is stored in an array of z's type: whole-number scores give 0 and 1 only. "
            "Make a floating-point array.",
            "np.zeros_like(z) with whole numbers",
            "whole",
        ),
        Mistake(
            "float16",
            "The numbers have about three correct digits: something computes in float16.",
            "half precision copied from GPU code",
            "rows",
        ),
    ],
)
