"""Find the bug in a training loop: order, the last batch, what is remembered and what is counted."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, call
from tutorials.exercises.specs.numbers import array, normal, size
from tutorials.exercises.specs.planting import Planted, find_the_bug


def truth(x, y, w, orders, batch_size, learning_rate, momentum):
    """Number by number."""
    w, v, losses = [float(p) for p in w], [0.0] * len(w), []
    for order in orders:
        squares, waiting = 0.0, list(order)
        while waiting:
            batch, waiting = waiting[:batch_size], waiting[batch_size:]
            errors = [sum(a * b for a, b in zip(x[n], w, strict=True)) - y[n] for n in batch]
            squares += sum(e * e for e in errors)
            for i in range(len(w)):
                g = 2 * sum(x[n, i] * e for n, e in zip(batch, errors, strict=True)) / len(batch)
                v[i] = momentum * v[i] + g
            w = [p - learning_rate * q for p, q in zip(w, v, strict=True)]
        losses.append(squares / len(x))
    return np.array(w), np.array(losses)


def drawn(rng, n, batch_size, epochs, momentum, shuffled=True):
    x, w = normal(rng, n, 2), normal(rng, 2)
    orders = np.stack([rng.permutation(n) if shuffled else np.arange(n) for _ in range(epochs)])
    return call("train", x, normal(rng, n, scale=2), w, orders, batch_size, 0.05, momentum)


def one(rng):
    return [drawn(rng, n, n, 1, 0.0, shuffled=False) for n in (2, size(rng, 3, 5))]


def batches(rng):
    return [drawn(rng, 2 * b, b, 1, 0.5, shuffled=False) for b in (2, 3)]


def shuffled(rng):
    return [drawn(rng, 2 * b, b, 1, 0.5) for b in (4, 3)]


def rest(rng):
    return [drawn(rng, 2 * b + 1, b, 1, 0.5, shuffled=False) for b in (3, size(rng, 4, 5))]


def epochs(rng):
    return [drawn(rng, 4, 2, size(rng, 2, 4), 0.8, shuffled=False) for _ in range(2)]


EXERCISE = find_the_bug(
    "e23_bug_training",
    "A training loop",
    25,
    "medium",
    ["train"],
    {"train": truth},
    [
        Check(
            "example",
            "the worked example comes out",
            1,
            lambda rng: [
                call(
                    "train", array([1], [2]), np.array([1.0, 2.0]), np.zeros(1), array([0, 1]).astype(int), 1, 0.1, 0.5
                )
            ],
        ),
        Check("one", "one step on the whole batch is right", 1, one),
        Check("batches", "so are several batches in the order given", 2, batches),
        Check("shuffled", "any order of the examples is right: they keep their targets", 1, shuffled),
        Check("rest", "a smaller last batch is right: it counts as what it is", 2, rest),
        Check("epochs", "several epochs are right: they follow on each other", 2, epochs),
        Check("untouched", "the arguments stay as they were", 1, one),
    ],
    [
        Planted(
            "targets-in-order",
            "Examples are shuffled, their targets are not: each example gets another's target.",
            "one of two arrays shuffled",
            "shuffled",
            "ys = y[order]",
            "ys = y",
        ),
        Planted(
            "rest-dropped",
            "The examples that do not fill a batch are left out, in every epoch.",
            "a range that ends one batch early",
            "rest",
            "range(0, len(x), batch_size)",
            "range(0, len(x) - batch_size + 1, batch_size)",
        ),
        Planted(
            "divided-by-batch-size",
            "The last batch's gradient is divided by batch_size, not by the number of examples in it.",
            "batch_size taken for len(batch)",
            "rest",
            "/ len(e)",
            "/ batch_size",
        ),
        Planted(
            "velocity-forgotten",
            "The velocity starts at zero in every epoch.",
            "a line inside the loop that belongs before it",
            "epochs",
            "        squares = 0.0\n",
            "        squares, v = 0.0, np.zeros_like(w)\n",
        ),
        Planted(
            "mean-of-sums",
            "The losses of the epochs before are carried along: each epoch starts counting at zero.",
            "a running total that is never reset",
            "epochs",
            "        squares = 0.0\n",
            "        squares = losses[-1] * len(x) if losses else 0.0\n",
        ),
        Planted(
            "start-changed",
            "w is updated in place: whoever called finds the start changed.",
            "-= on an argument",
            "untouched",
            "w = w.copy()",
            "w = np.asarray(w)",
        ),
        Planted(
            "gradient-averaged",
            "The gradient enters the velocity with weight 1 - momentum: its weight is 1.",
            "as in Adam",
            "batches",
            "v = momentum * v + g",
            "v = momentum * v + (1 - momentum) * g",
        ),
    ],
)
