"""Find the bug in a weighted loss: denominators, rows and columns, scores that are large."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Check, call
from tutorials.exercises.specs.numbers import array, normal, size
from tutorials.exercises.specs.planting import Planted, find_the_bug


def truth(x, W, b, labels, weights):
    """Example by example."""
    loss, dW, db, total = 0.0, np.zeros(W.shape), np.zeros(len(b)), sum(weights)
    for row, label, weight in zip(x, labels, weights, strict=True):
        z = [sum(v * w for v, w in zip(row, W[:, k], strict=True)) + b[k] for k in range(len(b))]
        top = max(z)
        log_sum = top + math.log(sum(math.exp(v - top) for v in z))
        loss += weight * (log_sum - z[label]) / total
        for k in range(len(b)):
            d = weight * (math.exp(z[k] - log_sum) - (k == label)) / total
            db[k] += d
            dW[:, k] += d * row
    return loss, dW, db


def drawn(rng, n, d, k, weights, scale=1.0):
    return call(
        "weighted_loss", scale * normal(rng, n, d), normal(rng, d, k), normal(rng, k), rng.integers(0, k, n), weights
    )


def alone(rng):
    return [drawn(rng, 1, 2, 3, array(2)[0:1] * 1.0), drawn(rng, 1, size(rng, 2, 4), 4, np.array([0.5]))]


def even(rng):
    n = size(rng, 3, 5)
    return [drawn(rng, n, 2, 3, np.ones(n)), drawn(rng, 4, 3, 2, np.ones(4))]


def weighted(rng):
    return [drawn(rng, n, 3, 3, rng.integers(1, 9, n) / 2) for n in (2, size(rng, 4, 6))]


def large(rng):
    x = array([10_000, 1], [-10_000, 2], [0.5, 1])
    W = array([1, 1, 1], [0.5, -1, 0.25]) * size(rng, 1, 3)
    return [call("weighted_loss", x, W, np.zeros(3), np.array([0, 1, 2]), np.ones(3))]


def unlikely(rng):
    """The label's probability is too small for a float64, its logarithm is not."""
    top = 10_000 * size(rng, 1, 3)
    return [call("weighted_loss", array([1]), array([0, top]), np.zeros(2), np.array([0]), np.ones(1))]


def example(rng):
    ln3 = math.log(3)
    return [
        call(
            "weighted_loss", array([0], [0]), array([0, 0]), np.array([ln3, 0]), np.array([0, 1]), np.array([1.0, 3.0])
        )
    ]


EXERCISE = find_the_bug(
    "e21_bug_loss",
    "A weighted loss",
    20,
    "medium",
    ["weighted_loss"],
    {"weighted_loss": truth},
    [
        Check("example", "the worked example comes out", 1, example),
        Check("alone", "one example alone has the right loss and gradients", 2, alone),
        Check("even", "a batch with equal weights has the right loss and gradients", 2, even),
        Check("weighted", "a batch with unequal weights has the right loss and gradients", 2, weighted),
        Check("large", "loss and gradients are right for scores of 10,000 and -10,000 in one batch too", 1, large),
        Check(
            "unlikely",
            "the loss is finite where the label's probability is below all floating-point numbers",
            1,
            unlikely,
        ),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: weighted(rng)[1:]),
    ],
    [
        Planted(
            "batch-maximum",
            "One maximum is taken for the whole batch: a row far below it has a sum of 0 and a logarithm of -infinity.",
            "crysx_nn#7: NaN at some batch sizes only",
            "large",
            "z.max(axis=1, keepdims=True)",
            "z.max()",
        ),
        Planted(
            "divided-by-n",
            "The sum is divided by N: the denominator is the sum of the weights.",
            "a weighted mean with the denominator of a plain one",
            "weighted",
            "total = weights.sum()",
            "total = len(x)",
        ),
        Planted(
            "gradient-unweighted",
            "The weights count in the loss, but not in its gradient.",
            "weights added to the loss later",
            "weighted",
            "dz = dz * weights[:, None] / total",
            "dz = dz / total",
        ),
        Planted(
            "columns-lowered",
            "dz[:, labels] -= 1 lowers the labels' columns in every row: each row has one label.",
            "a colon where row numbers belong",
            "even",
            "dz[rows, labels] -= 1",
            "dz[:, labels] -= 1",
        ),
        Planted(
            "bias-mean",
            "db is a mean over the batch: dz holds the division already, so db is the sum.",
            "the division by N done twice",
            "even",
            "dz.sum(axis=0)",
            "dz.mean(axis=0)",
        ),
        Planted(
            "loss-of-all-labels",
            "log_p[:, labels] takes every label's column in every row: each row has one label.",
            "a colon where row numbers belong",
            "even",
            "log_p[rows, labels]",
            "log_p[:, labels]",
        ),
    ],
    others=[
        Planted(
            "log-of-zero",
            "The logarithm is taken of a probability that has underflowed to 0: use z - log(sum(exp(z))).",
            "the literal formula",
            "unlikely",
            "z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))",
        ),
        Planted(
            "no-shift",
            "The exponentials overflow: subtract each row's maximum first.",
            "the line with the maximum deleted",
            "large",
            "    z = z - z.max(axis=1, keepdims=True)\n",
            "",
        ),
    ],
)
