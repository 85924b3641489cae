"""Find the bug in a classification report: counting, rows and columns, means."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, call
from tutorials.exercises.specs.numbers import size
from tutorials.exercises.specs.planting import Planted, find_the_bug


def truth(labels, predictions, classes):
    """By counting, pair by pair."""
    pairs = list(zip(labels.tolist(), predictions.tolist(), strict=True))
    confusion = np.array([[pairs.count((t, p)) for p in range(classes)] for t in range(classes)])
    precision, recall, f1 = [], [], []
    for k in range(classes):
        said, there, both = sum(p == k for _, p in pairs), sum(t == k for t, _ in pairs), pairs.count((k, k))
        precision.append(both / said if said else 0.0)
        recall.append(both / there if there else 0.0)
        f1.append(2 * both / (said + there) if said + there else 0.0)
    return confusion, np.array(precision), np.array(recall), sum(f1) / classes


def drawn(rng, n, k, named=None):
    """Every class is present and has a hit; `named`: only so many classes are ever predicted or present."""
    labels = np.concatenate([np.arange(named or k), rng.integers(0, named or k, n)])
    said = np.where(rng.random(len(labels)) < 0.5, labels, rng.integers(0, named or k, len(labels)))
    said[: named or k] = np.arange(named or k)
    return call("report", labels, said, k)


def distinct(rng):
    """Rows and columns of the confusion matrix have other sums; the classes' names are drawn."""
    cases = []
    for k, more in ((3, []), (4, [(3, 3), (3, 0)])):
        pairs = rng.permutation([(0, 0), (0, 1), (0, 2), (1, 1), (2, 1), (2, 2), *more])
        labels, predictions = rng.permutation(k)[pairs].T
        cases.append(call("report", labels, predictions, k))
    return cases


EXERCISE = find_the_bug(
    "e24_bug_report",
    "A classification report",
    15,
    "easy",
    ["report"],
    {"report": truth},
    [
        Check(
            "example",
            "the worked example comes out",
            1,
            lambda rng: [call("report", np.array([0, 0, 1]), np.array([0, 1, 1]), 2)],
        ),
        Check("distinct", "counts and shares are right where pairs occur once", 2, distinct),
        Check(
            "repeated",
            "they are right where pairs occur often",
            3,
            lambda rng: [drawn(rng, n, 3) for n in (9, size(rng, 12, 20))],
        ),
        Check(
            "absent",
            "they are right where classes never occur: these have 0 and count in the mean",
            3,
            lambda rng: [drawn(rng, 8, 4, 3), drawn(rng, 10, 3, 2)],
        ),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: [drawn(rng, 6, 3)]),
    ],
    [
        Planted(
            "counted-once",
            "confusion[labels, predictions] += 1 counts a pair once, however often it occurs: np.add.at counts all.",
            "numpy's fancy += with repeated places",
            "repeated",
            "np.add.at(confusion, (labels, predictions), 1)",
            "confusion[labels, predictions] += 1",
        ),
        Planted(
            "transposed",
            "The confusion matrix has the predictions in its rows.",
            "scikit-learn's order of arguments turned round",
            "distinct",
            "(labels, predictions), 1)",
            "(predictions, labels), 1)",
        ),
        Planted(
            "shares-swapped",
            "Rows and columns are summed the wrong way round: precision and recall are swapped.",
            "axis 0 and axis 1 mixed up",
            "distinct",
            "predicted = confusion.sum(axis=0)\n    present = confusion.sum(axis=1)",
            "predicted = confusion.sum(axis=1)\n    present = confusion.sum(axis=0)",
        ),
        Planted(
            "f1-of-means",
            "Macro F1 is made from the means of precision and recall: it is the mean of the classes' F1.",
            "two definitions in the literature",
            "distinct",
            "macro = f1.mean()",
            "macro = 2 * precision.mean() * recall.mean() / max(precision.mean() + recall.mean(), 1e-12)",
        ),
        Planted(
            "mean-over-present",
            "The mean is over the classes that occur: it is over all of them.",
            "classes from np.unique(labels)",
            "absent",
            "macro = f1.mean()",
            "macro = f1[present > 0].mean()",
        ),
        Planted(
            "arithmetic-mean",
            "F1 is the plain mean of precision and recall: it is their harmonic mean.",
            "(p + r) / 2",
            "distinct",
            "f1 = 2 * precision * recall / np.where(both > 0, both, 1)",
            "f1 = both / 2",
        ),
    ],
)
