"""Soft targets: sizes, and where the smoothed mass goes."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import size


def truth_one_hot(labels, classes):
    return truth_smoothed(labels, classes, 0.0)


def truth_smoothed(labels, classes, smoothing):
    t = np.zeros((len(labels), classes))
    for n, k in np.ndindex(t.shape):
        t[n, k] = (1 - smoothing) * (labels[n] == k) + smoothing / classes
    return t


def wrong(m):
    def one_hot(labels, classes):
        width = int(labels.max()) + 1 if "width-from-labels" in m else classes
        labels = np.maximum(labels - 1, 0) if "labels-from-one" in m else labels
        labels = labels - 1 if "labels-from-one-wrapped" in m else labels  # -1 is the last class
        t = np.eye(width)[np.minimum(labels, width - 1)]
        return t.T if "transposed" in m else 1 - t if "inverted" in m else t

    def smoothed(labels, classes, smoothing):
        t = one_hot(labels, classes)
        if "others-only" in m:
            return (1 - smoothing) * t + smoothing / (classes - 1) * (1 - t)
        if "not-shrunk" in m:
            return t + smoothing / classes
        if "not-divided" in m:
            return (1 - smoothing) * t + smoothing
        if "label-only" in m:
            return (1 - smoothing) * t
        if "roles-swapped" in m:
            return smoothing * t + (1 - smoothing) / classes
        if "divided-by-n" in m:
            return (1 - smoothing) * t + smoothing / len(labels)
        return (1 - smoothing) * t + smoothing / classes

    return {"one_hot": one_hot, "smoothed": smoothed}


def labels_of(rng):
    odd = 2 * size(rng, 1, 3) + 1  # then no turn of the classes is its own inverse
    return [
        (rng.permutation([2, 0, 1, 1]), 3),
        (rng.integers(0, 3, size(rng, 4, 6)), size(rng, 7, 9)),
        (np.roll(np.arange(odd), size(rng, 1, odd - 1)), odd),
    ]


EXERCISE = Exercise(
    "e19_soft_targets",
    "Soft targets",
    15,
    "easy",
    ["one_hot", "smoothed"],
    {"one_hot": truth_one_hot, "smoothed": truth_smoothed},
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [call("one_hot", np.array([2, 0]), 3), call("smoothed", np.array([1]), 4, 0.2)],
        ),
        Check(
            "one-hot",
            "each row has a 1 at the label, and 0 elsewhere",
            2,
            lambda rng: [call("one_hot", y, k) for y, k in labels_of(rng)],
        ),
        Check(
            "smoothed",
            "the smoothed targets are right: the rest is spread over all classes",
            3,
            lambda rng: [call("smoothed", y, k, size(rng, 2, 8) / 20) for y, k in labels_of(rng)],
        ),
        Check("lines", "no Python loop", 1, lambda rng: [call("one_hot", rng.integers(0, 3, n), 3) for n in (3, 40)]),
    ],
    mistakes=[
        Mistake(
            "width-from-labels", "The number of columns comes from the labels: `classes` says it.", "max + 1", "one-hot"
        ),
        Mistake(
            "labels-from-one",
            "The labels are taken to count from 1: they count from 0.",
            "off by one",
            "one-hot",
            also=["labels-from-one-wrapped"],
        ),
        Mistake("transposed", "Rows and columns are exchanged: one row an example.", "column vectors", "one-hot"),
        Mistake("inverted", "The labels are 0 and the others 1.", "!= for ==", "one-hot"),
        Mistake(
            "others-only", "The label has no share of the smoothed mass: all classes have.", "K - 1 for K", "smoothed"
        ),
        Mistake("not-shrunk", "The 1 is not made smaller: rows sum to more than 1.", "a factor lost", "smoothed"),
        Mistake("not-divided", "The mass is not divided by the number of classes.", "1/K lost", "smoothed"),
        Mistake("label-only", "The uniform part is missing: rows sum to less than 1.", "a term lost", "smoothed"),
        Mistake(
            "roles-swapped",
            "smoothing is the weight of the truth: it is that of the uniform part.",
            "e for 1 - e",
            "smoothed",
        ),
        Mistake(
            "divided-by-n", "The mass is divided by the batch size: divide by classes.", "shape[0] for K", "smoothed"
        ),
    ],
)
