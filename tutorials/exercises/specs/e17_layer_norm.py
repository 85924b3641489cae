"""Layer norm: along which axis, and under which root."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def wrong(m):
    def layer_norm(x, gamma, beta, eps):
        axis = 0 if "batch-axis" in m else None if "over-everything" in m else 1
        keep = {"axis": axis, "keepdims": "no-keepdims" not in m}
        mean, var = x.mean(**keep), x.var(**keep, ddof=1 if "unbiased" in m else 0)
        if "mean-not-subtracted" in m:
            mean = 0
        s = np.sqrt(var + eps)
        if "eps-outside" in m:
            s = np.sqrt(var) + eps
        if "eps-missing" in m:
            s = np.sqrt(var)
        if "variance-for-deviation" in m:
            s = var + eps
        u = (x - mean) / s
        y = u if "gamma-missing" in m else gamma * u
        if "beta-scaled" in m:
            return gamma * (u + beta)
        return y if "beta-missing" in m else y + beta

    return {"layer_norm": layer_norm}


def draws(rng):
    n = size(rng, 3, 4)
    return [
        call("layer_norm", normal(rng, a, c, scale=2) + 1, normal(rng, c) + 2, normal(rng, c) + 1, 0.3)
        for a, c in [(2, 3), (n, n), (n, n + 2), (1, 4)]
    ]


def lines(rng):
    return [call("layer_norm", normal(rng, n, 3), normal(rng, 3), normal(rng, 3), 0.1) for n in (3, 40)]


EXERCISE = Exercise(
    "e17_layer_norm",
    "Layer normalisation",
    15,
    "medium",
    ["layer_norm"],
    {"layer_norm": reference.layer_norm},
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked example comes out",
            2,
            lambda rng: [call("layer_norm", array([1, 3]), array([2, 2])[0], array([0, 1])[0], 0.0)],
        ),
        Check("draws", "the output is right: each example is normalised by its own mean and variance", 4, draws),
        Check("untouched", "the arguments stay as they were", 1, draws),
        Check("lines", "no Python loop over the examples", 1, lines),
    ],
    mistakes=[
        Mistake("batch-axis", "The statistics run over the batch: that is batch norm. Use axis 1.", "axis=0", "draws"),
        Mistake("over-everything", "One mean and variance serve the whole batch.", "x.mean() without axis", "draws"),
        Mistake(
            "no-keepdims",
            "keepdims=True is missing: a square batch gets the statistics of other rows, other batches raise an error.",
            "lesson 0: x / x.sum(axis=1)",
            "draws",
        ),
        Mistake("unbiased", "The variance is divided by C - 1: divide by C.", "ddof=1, torch.var's default", "draws"),
        Mistake("mean-not-subtracted", "The mean is not subtracted: that is near RMS norm.", "a term lost", "draws"),
        Mistake("eps-outside", "eps is added to the deviation: it belongs under the root.", "as in Adam", "draws"),
        Mistake("eps-missing", "eps is not used.", "tests with a tiny eps", "draws"),
        Mistake("variance-for-deviation", "It is divided by the variance: take its root.", "sqrt forgotten", "draws"),
        Mistake("gamma-missing", "gamma is not used.", "tests with gamma = 1", "draws"),
        Mistake("beta-missing", "beta is not added.", "tests with beta = 0", "draws"),
        Mistake("beta-scaled", "beta is scaled by gamma too: add it last.", "a bracket too far", "draws"),
    ],
)
