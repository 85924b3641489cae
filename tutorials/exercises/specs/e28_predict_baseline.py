"""Predict what classifiers that look at nothing reach: what a score is worth is seen against them."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Mistake, call
from tutorials.exercises.specs.numbers import size
from tutorials.exercises.specs.predicting import Question, predict

TEXT = '''
def predicted_accuracy():
    """Of {total} examples, {counts} are of class 0, 1 and 2. A classifier always answers with the commonest class. What
    share of them does it get right?
    """
    raise NotImplementedError("exercise {number}: predicted_accuracy")


def measured_accuracy(labels):
    """The accuracy of always answering with the commonest of labels (N,). Example: labels [0, 1, 1, 2]: 0.5."""
    raise NotImplementedError("exercise {number}: measured_accuracy")


def predicted_macro_f1():
    """Its macro F1 over the three classes. (F1 of a class is 2 TP / (2 TP + FP + FN), 0 without a true positive.)"""
    raise NotImplementedError("exercise {number}: predicted_macro_f1")


def measured_macro_f1(labels, classes):
    """The macro F1 over all classes of always answering with the commonest of labels (N,).
    Example: labels [0, 1, 1, 2], 3 classes: 0.2222, a third of class 1's 2 * 2 / (2 * 2 + 2 + 0).
    """
    raise NotImplementedError("exercise {number}: measured_macro_f1")


def predicted_log_loss():
    """Another one answers every time with the three shares as its probabilities. What is its mean cross-entropy on
    these examples?
    """
    raise NotImplementedError("exercise {number}: predicted_log_loss")


def measured_log_loss(labels, classes):
    """The mean of -log p at the label, over labels (N,), where p (classes,) is always the share of each class in
    labels; every class occurs. Example: labels [0, 1, 1, 2], 3 classes: p = [0.25, 0.5, 0.25], 1.0397.
    """
    raise NotImplementedError("exercise {number}: measured_log_loss")
'''


def numbers(rng):
    counts = [size(rng, 4, 15), size(rng, 16, 30), size(rng, 31, 60)]
    counts = [int(v) for v in rng.permutation(counts)]
    return {"counts": counts, "total": sum(counts)}


def accuracy(labels):
    return max(np.bincount(labels)) / len(labels)


def macro_f1(labels, classes):
    n = max(np.bincount(labels))
    return 2 * n / (n + len(labels)) / classes


def log_loss(labels, classes):
    shares = [sum(1 for y in labels if y == k) / len(labels) for k in range(classes)]
    return -sum(s * math.log(s) for s in shares)


def wrong(m):
    def common(labels):
        counts = np.bincount(labels)
        return int(np.argmin(counts) if "rarest" in m else labels[0] if "first-label" in m else np.argmax(counts))

    def measured_accuracy(labels):
        if "guessing" in m:
            return 1 / len(np.unique(labels))
        if "chosen-by-share" in m:
            return float(((np.bincount(labels) / len(labels)) ** 2).sum())
        hits = (labels == common(labels)).sum()
        return hits if "not-divided" in m else 1 - hits / len(labels) if "error-rate" in m else hits / len(labels)

    def measured_macro_f1(labels, classes):
        n, total = (labels == common(labels)).sum(), len(labels)
        f1 = 2 * n / (n + total)
        if "two-missing" in m:
            f1 = n / (n + total)
        if "precision-for-f1" in m:
            f1 = n / total
        if "arithmetic-mean" in m:
            f1 = (n / total + 1) / 2
        if "micro" in m:
            return n / total
        if "weighted-mean" in m:
            return f1 * n / total
        return f1 if "over-predicted" in m else f1 / classes

    def measured_log_loss(labels, classes):
        p = np.bincount(labels, minlength=classes) / len(labels)
        if "commonest-only" in m:
            return -math.log(p.max())
        if "uniform" in m:
            return math.log(classes)
        if "plain-mean" in m:
            return float(-np.log(p).mean())
        if "sum-of-logs" in m:
            return float(-np.log(p).sum())
        value = float(-(p * (np.log2(p) if "base-two" in m else np.log(p))).sum())
        return -value if "sign" in m else value * len(labels) if "loss-not-divided" in m else value

    return {
        "measured_accuracy": measured_accuracy,
        "measured_macro_f1": measured_macro_f1,
        "measured_log_loss": measured_log_loss,
    }


def labelled(name, with_classes=True):
    def cases(rng):
        found = []
        for k in (3, 4):
            counts = rng.permutation(np.arange(1, k + 1) * size(rng, 2, 3) + 1)
            labels = rng.permutation(np.repeat(np.arange(k), counts))
            while labels[0] in (np.argmin(counts), np.argmax(counts)):
                labels = rng.permutation(labels)
            found.append(call(name, labels, k) if with_classes else call(name, labels))
        return found

    return cases


def own(v):
    return np.repeat(np.arange(3), v["counts"])


EXERCISE = predict(
    "e28_predict_baseline",
    "Classifiers that look at nothing",
    20,
    "easy",
    numbers,
    [
        Question(
            "accuracy",
            "the accuracy of the commonest class",
            accuracy,
            lambda v: (own(v),),
            labelled("measured_accuracy", False),
        ),
        Question("macro_f1", "its macro F1", macro_f1, lambda v: (own(v), 3), labelled("measured_macro_f1")),
        Question(
            "log_loss",
            "the loss of answering with the shares",
            log_loss,
            lambda v: (own(v), 3),
            labelled("measured_log_loss"),
        ),
    ],
    TEXT,
    [
        Mistake("rarest", "The rarest class is taken, not the commonest.", "argmin for argmax", "measured accuracy"),
        Mistake(
            "first-label", "The first label's class is taken, not the commonest.", "labels[0]", "measured accuracy"
        ),
        Mistake(
            "guessing",
            "This is what guessing each class alike reaches: one class is always named.",
            "1/K",
            "measured accuracy",
        ),
        Mistake(
            "chosen-by-share",
            "This is what guessing by the shares reaches: one class is always named.",
            "sum of squared shares",
            "measured accuracy",
        ),
        Mistake("error-rate", "This is the share of errors.", "1 - accuracy", "measured accuracy"),
        Mistake("not-divided", "The hits are counted: divide by N.", "1/N lost", "measured accuracy"),
        Mistake(
            "over-predicted",
            "The mean is over the classes that are predicted: it is over all, and the others have 0.",
            "classes from np.unique of the predictions",
            "measured macro_f1",
        ),
        Mistake("micro", "This is the micro mean, which is accuracy.", "average='micro'", "measured macro_f1"),
        Mistake(
            "weighted-mean",
            "The mean is weighted by the classes' sizes: macro counts each alike.",
            "average='weighted'",
            "measured macro_f1",
        ),
        Mistake(
            "two-missing",
            "F1 is 2 TP / (2 TP + FP + FN): the 2 above is missing.",
            "a factor lost",
            "measured macro_f1",
        ),
        Mistake(
            "precision-for-f1",
            "The class's precision is taken for its F1; its recall is 1.",
            "one half of the formula",
            "measured macro_f1",
        ),
        Mistake(
            "arithmetic-mean",
            "F1 is the harmonic mean of precision and recall, not the plain one.",
            "(p + r) / 2",
            "measured macro_f1",
        ),
        Mistake(
            "commonest-only",
            "This is the loss of the commonest class's examples alone.",
            "-log of the largest share",
            "measured log_loss",
        ),
        Mistake(
            "uniform",
            "This is ln K, the loss of equal probabilities: these are the shares.",
            "the loss before learning",
            "measured log_loss",
        ),
        Mistake(
            "plain-mean",
            "The logarithms are averaged over classes: each counts with its share of the examples.",
            "mean over the wrong thing",
            "measured log_loss",
        ),
        Mistake(
            "sum-of-logs",
            "The logarithms are summed: each counts with its share of the examples.",
            "a factor lost",
            "measured log_loss",
        ),
        Mistake(
            "base-two", "The logarithm is of base 2: the natural one is meant.", "entropy in bits", "measured log_loss"
        ),
        Mistake("sign", "The loss is negative.", "sign slip", "measured log_loss"),
        Mistake("loss-not-divided", "The loss is a sum: divide by N.", "1/N lost", "measured log_loss"),
    ],
    wrong,
)
