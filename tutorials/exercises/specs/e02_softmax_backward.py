"""Softmax's Jacobian times a vector: diagonal, off-diagonal, and along which axis."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, distributions, normal, size


def wrong(m):
    def softmax_backward(dy, s):
        if "softmax-twice" in m:
            s = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        if "dy-ignored" in m:
            dy = np.ones_like(dy)
        weighted = dy if "sum-without-s" in m else dy * s
        axis = 0 if "wrong-axis" in m else 1
        keep = "no-keepdims" not in m
        dot = weighted.mean(axis=axis, keepdims=keep) if "mean-for-sum" in m else weighted.sum(axis=axis, keepdims=keep)
        if "summed-over-all" in m:
            dot = weighted.sum()
        if "diagonal-only" in m:
            dot = dy * s
        if "off-diagonal-only" in m:
            dz = -s * (dot - dy * s)
        elif "sign" in m:
            dz = s * (dot - dy)
        else:
            dz = (1 if "missing-s" in m else s) * (dy + dot if "plus-sign" in m else dy - dot)
        return dz / len(s) if "divided-by-n" in m else dz

    return {"softmax_backward": softmax_backward}


def batches(rng):
    n = size(rng, 3, 4)
    shapes = [(2, 3), (n, n), (n, n + size(rng, 1, 3)), (1, size(rng, 3, 5))]
    return [call("softmax_backward", normal(rng, *shape), distributions(rng, *shape)) for shape in shapes]


def sure(rng):
    s = array([1, 0, 0], [0.5, 0.5, 0])
    return [call("softmax_backward", normal(rng, 2, 3, scale=3), s)]


EXERCISE = Exercise(
    "e02_softmax_backward",
    "The way back through softmax",
    20,
    "medium",
    ["softmax_backward"],
    {"softmax_backward": reference.softmax_backward},
    core=True,
    wrong=wrong,
    given=["softmax"],
    checks=[
        Check(
            "example",
            "the worked example comes out",
            2,
            lambda rng: [call("softmax_backward", array([1, 0]), array([0.25, 0.75]))],
        ),
        Check("rows", "dz is dy times the whole Jacobian, row by row", 4, batches),
        Check("sure", "dz is right for probabilities of 0 and 1 too", 1, sure),
        Check(
            "untouched",
            "dy and s stay as they were",
            1,
            lambda rng: [call("softmax_backward", normal(rng, 2, 3), distributions(rng, 2, 3))],
        ),
        Check(
            "lines",
            "no Python loop over the rows",
            2,
            lambda rng: [call("softmax_backward", normal(rng, n, 3), distributions(rng, n, 3)) for n in (3, 40)],
        ),
    ],
    mistakes=[
        Mistake(
            "diagonal-only",
            "Only ds_i/dz_i is counted: each probability also falls when another score rises "
            "(the entries -s_i s_j off the diagonal).",
            "s * (1 - s), the sigmoid's derivative",
            "rows",
        ),
        Mistake(
            "off-diagonal-only",
            "Only the entries off the diagonal are counted: s_i (1 - s_i) on it is missing.",
            "one branch of the formula",
            "rows",
        ),
        Mistake(
            "sum-without-s",
            "The sum that is subtracted lacks the factor s: it is the sum of dy times s.",
            "a slip when the sum is factored out",
            "rows",
        ),
        Mistake(
            "wrong-axis",
            "The sum runs over the batch (axis 0): it belongs to one row (axis 1).",
            "axis=0 from code for column vectors",
            "rows",
        ),
        Mistake(
            "no-keepdims",
            "keepdims=True is missing: a square batch gets the sums of other rows, other batches raise an error.",
            "lesson 0: x / x.sum(axis=1)",
            "rows",
        ),
        Mistake(
            "summed-over-all",
            "The sum runs over the whole batch at once: each row has its own.",
            "np.sum without axis; right for a batch of one",
            "rows",
        ),
        Mistake("plus-sign", "The sum is added; it is to be subtracted: s (dy - sum).", "sign slip", "rows"),
        Mistake("sign", "Every sign is the other way round: s (dy - sum), not s (sum - dy).", "sign slip", "rows"),
        Mistake("missing-s", "The factor s in front is missing: s (dy - sum).", "half of the formula", "rows"),
        Mistake(
            "mean-for-sum",
            "A mean is subtracted where the sum of dy times s belongs: it is K times too small.",
            "mean written for sum",
            "rows",
        ),
        Mistake(
            "dy-ignored",
            "The result is 0 everywhere, as with dy all ones: dy must weigh each entry of the Jacobian before the sum.",
            "tests that use an upstream gradient of 1 let this pass",
            "rows",
        ),
        Mistake(
            "softmax-twice", "softmax is applied to s, which is a softmax already.", "s taken for the scores", "rows"
        ),
        Mistake(
            "divided-by-n",
            "The result is divided by the batch size: the loss has done that already.",
            "threads that ask 'why divide by N?'",
            "rows",
        ),
    ],
)
