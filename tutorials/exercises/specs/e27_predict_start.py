"""Predict what a classifier shows before it has learned, and the least that its loss can become."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Mistake, call
from tutorials.exercises.specs.numbers import normal, size
from tutorials.exercises.specs.predicting import Question, predict

TEXT = '''
def predicted_loss():
    """A linear classifier of {classes} classes whose weights and biases are all 0: what is its softmax cross-entropy,
    the mean over any batch?
    """
    raise NotImplementedError("exercise {number}: predicted_loss")


def measured_loss(x, labels, classes):
    """The mean cross-entropy of softmax(x W + b) over the batch x (N, D), labels (N,), with W and b of zeros.
    Example: any x, labels [0, 1], 2 classes: 0.6931.
    """
    raise NotImplementedError("exercise {number}: measured_loss")


def predicted_bias_gradient():
    """The gradient of that mean loss with respect to the biases, an array of {classes} numbers, for a batch of
    {total} examples of which {counts} are of class {order}.
    """
    raise NotImplementedError("exercise {number}: predicted_bias_gradient")


def measured_bias_gradient(labels, classes):
    """db (classes,) of the mean cross-entropy of softmax(0) over labels (N,): the sum of p - t, divided by N,
    where t (N, classes) are the labels as one-hot rows.
    Example: labels [0, 0, 1, 1, 1, 1], 3 classes: [0, -0.3333, 0.3333].
    """
    raise NotImplementedError("exercise {number}: measured_bias_gradient")


def predicted_floor():
    """With label smoothing {smoothing}, the target gives each of the {classes} classes {smoothing} / {classes}, and
    the true class 1 - {smoothing} on top. What is the least cross-entropy that any prediction can reach?
    """
    raise NotImplementedError("exercise {number}: predicted_floor")


def measured_floor(classes, smoothing):
    """The cross-entropy -sum_k t_k log p_k of that target t with the best prediction, p = t.
    Example: 2 classes, smoothing 0.5: t = [0.75, 0.25], 0.5623.
    """
    raise NotImplementedError("exercise {number}: measured_floor")
'''


def numbers(rng):
    classes = size(rng, 3, 6)
    counts = [size(rng, 1, 9) for _ in range(classes)]
    counts[size(rng, 0, classes - 1)] += 7  # so the classes are not alike
    found = {"classes": classes, "counts": counts, "order": list(range(classes)), "total": sum(counts)}
    return found | {"smoothing": size(rng, 1, 4) / 10}


def loss(x, labels, classes):
    return math.log(classes)


def bias_gradient(labels, classes):
    return np.array([1 / classes - sum(1 for y in labels if y == k) / len(labels) for k in range(classes)])


def floor(classes, smoothing):
    rest = smoothing / classes
    top = 1 - smoothing + rest
    return -top * math.log(top) - (classes - 1) * rest * math.log(rest)


def wrong(m):
    def measured_loss(x, labels, classes):
        if "zero-loss" in m:
            return 0.0
        value = math.log2(classes) if "base-two" in m else 1 - 1 / classes if "error-rate" in m else math.log(classes)
        value = 1 / classes if "probability" in m else -value if "sign" in m else value
        return value * len(labels) if "not-divided" in m else value

    def measured_bias_gradient(labels, classes):
        n = np.bincount(labels, minlength=0 if "last-class-missing" in m else classes) / len(labels)
        p = 0.0 if "labels-only" in m else 1 / classes
        g = n - p if "gradient-sign" in m else p - n
        if "true-classes-only" in m:
            g = (p - 1) * n
        return g * len(labels) if "gradient-not-divided" in m else g / classes if "divided-by-classes" in m else g

    def measured_floor(classes, smoothing):
        k = classes - 1 if "spread-over-others" in m else classes
        t = np.full(classes, smoothing / k)
        t[0] = 1 - smoothing + (0 if {"spread-over-others", "top-too-small"} & m else smoothing / k)
        if "floor-of-zero" in m:
            return 0.0
        if "true-class-only" in m:
            return -math.log(t[0])
        return -float((t * (np.log2(t) if "floor-base-two" in m else np.log(t))).sum())

    return {
        "measured_loss": measured_loss,
        "measured_bias_gradient": measured_bias_gradient,
        "measured_floor": measured_floor,
    }


def batches(rng):
    found = []
    for n, k in ((3, 2), (size(rng, 4, 6), size(rng, 3, 7))):
        found.append(call("measured_loss", normal(rng, n, 2), rng.integers(0, k, n), k))
    return found


def labelled(rng):
    """The last are those of the docstring's example, in which the last class does not occur."""
    found = [np.append(rng.integers(0, k, n), [0, 0]) for n, k in ((5, 3), (size(rng, 6, 9), 4))]
    found.append(np.array([0, 0, 1, 1, 1, 1]))
    return [call("measured_bias_gradient", labels, k) for labels, k in zip(found, (3, 4, 3), strict=True)]


def floors(rng):
    return [call("measured_floor", size(rng, 3, 8), s) for s in (0.05, size(rng, 2, 5) / 10)]


def own_labels(v):
    return np.repeat(np.arange(v["classes"]), v["counts"])


EXERCISE = predict(
    "e27_predict_start",
    "Loss and gradient before learning",
    20,
    "easy",
    numbers,
    [
        Question(
            "loss",
            "the loss of a classifier of zeros",
            loss,
            lambda v: (np.zeros((2, 2)), np.array([0, 1]), v["classes"]),
            batches,
        ),
        Question(
            "bias_gradient",
            "its gradient with respect to the biases",
            bias_gradient,
            lambda v: (own_labels(v), v["classes"]),
            labelled,
        ),
        Question(
            "floor", "the least loss with smoothed labels", floor, lambda v: (v["classes"], v["smoothing"]), floors
        ),
    ],
    TEXT,
    [
        Mistake(
            "zero-loss",
            "Scores of 0 give a loss of ln K, not 0: the probabilities are 1/K.",
            "zero weights taken for zero loss",
            "measured loss",
        ),
        Mistake("base-two", "The logarithm is of base 2: the natural one is meant.", "bits and nats", "measured loss"),
        Mistake("error-rate", "This is the share of errors, not the loss.", "loss and error mixed up", "measured loss"),
        Mistake(
            "probability",
            "This is the probability of the true class: the loss is minus its logarithm.",
            "an unfinished answer",
            "measured loss",
        ),
        Mistake("sign", "The loss is negative.", "sign slip", "measured loss"),
        Mistake("not-divided", "The loss is a sum over the batch: divide by N.", "1/N lost", "measured loss"),
        Mistake("gradient-sign", "This is t - p: the gradient is p - t.", "sign slip", "measured bias_gradient"),
        Mistake(
            "labels-only",
            "The probabilities 1/K are left out: only the labels count here.",
            "p - t with p forgotten",
            "measured bias_gradient",
        ),
        Mistake(
            "true-classes-only",
            "Only the true class of an example counts: the others have p - 0 = 1/K each.",
            "the derivative of -log p_y alone",
            "measured bias_gradient",
        ),
        Mistake(
            "gradient-not-divided",
            "The gradient is a sum over the batch: divide by N.",
            "1/N lost",
            "measured bias_gradient",
        ),
        Mistake(
            "divided-by-classes",
            "The gradient is divided by the number of classes as well.",
            "mean() without axis",
            "measured bias_gradient",
        ),
        Mistake(
            "last-class-missing",
            "A class that no label names is left out: it has a gradient too, 1/K.",
            "np.bincount without minlength",
            "measured bias_gradient",
        ),
        Mistake(
            "spread-over-others",
            "The smoothing is spread over the other classes: here the true one has its share too.",
            "two definitions in the literature",
            "measured floor",
        ),
        Mistake(
            "top-too-small",
            "The true class has 1 - smoothing and its share of the smoothing on top.",
            "the share forgotten",
            "measured floor",
        ),
        Mistake(
            "floor-of-zero",
            "With smoothed labels even the best prediction has a loss: the entropy of the target.",
            "as without smoothing",
            "measured floor",
        ),
        Mistake(
            "true-class-only",
            "Only the true class counts: the others have a target above 0.",
            "-log p_y",
            "measured floor",
        ),
        Mistake(
            "floor-base-two",
            "The logarithm of the entropy is of base 2: the natural one is meant.",
            "entropy in bits",
            "measured floor",
        ),
    ],
    wrong,
    ["softmax"],
)
