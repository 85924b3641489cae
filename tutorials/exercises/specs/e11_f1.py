"""F1: means of two rates, undefined cases, and which classes a macro mean is over."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import size


def truth_f1(labels, predictions, classes):
    """By counting, pair by pair."""
    scores = []
    for k in range(classes):
        both = sum(1 for y, p in zip(labels, predictions, strict=True) if y == k and p == k)
        said = sum(1 for p in predictions if p == k)
        there = sum(1 for y in labels if y == k)
        scores.append(2 * both / (said + there) if said + there else 0.0)
    return np.array(scores)


def truth_macro(labels, predictions, classes):
    return float(sum(truth_f1(labels, predictions, classes)) / classes)


def wrong(m):
    def counts(labels, predictions, ks):
        tp = np.array([((labels == k) & (predictions == k)).sum() for k in ks]) * 1.0
        said = np.array([(predictions == k).sum() for k in ks]) * 1.0
        there = np.array([(labels == k).sum() for k in ks]) * 1.0
        p = np.divide(tp, said, out=np.zeros(len(ks)), where=said > 0)
        r = np.divide(tp, there, out=np.zeros(len(ks)), where=there > 0)
        return tp, said, there, p, r

    def f1_scores(labels, predictions, classes):
        ks = np.unique(labels) if "classes-from-labels" in m else np.arange(classes)
        ks = np.union1d(labels, predictions) if "classes-from-both" in m else ks
        tp, said, there, p, r = counts(labels, predictions, ks)
        if "precision-only" in m:
            f = p
        elif "recall-only" in m:
            f = r
        elif "arithmetic-mean" in m:
            f = (p + r) / 2
        elif "geometric-mean" in m:
            f = np.sqrt(p * r)
        elif "smaller-of-both" in m:
            f = np.minimum(p, r)
        elif "accuracy-per-class" in m:
            f = np.array([((labels == k) == (predictions == k)).mean() for k in ks])
        elif "jaccard" in m:
            f = np.divide(tp, said + there - tp, out=np.zeros(len(ks)), where=said + there > 0)
        else:
            f = np.divide(2 * tp, said + there, out=np.zeros(len(ks)), where=said + there > 0)
        if "factor-two-missing" in m:
            f = f / 2
        if "undefined-nan" in m:
            f = np.where(said + there > 0, f, np.nan)
        if "undefined-one" in m:
            f = np.where(said + there > 0, f, 1.0)
        if "nan-without-true-positives" in m:
            f = np.where(tp > 0, f, np.nan)
        return f

    def macro_f1(labels, predictions, classes):
        f = f1_scores(labels, predictions, classes)
        if "macro-weighted" in m and len(f) == classes:
            return np.average(f, weights=np.bincount(labels, minlength=classes))
        if "macro-of-means" in m:
            *_, p, r = counts(labels, predictions, range(classes))
            return 2 * p.mean() * r.mean() / (p.mean() + r.mean()) if p.any() else 0.0
        if "macro-is-accuracy" in m:
            return (labels == predictions).mean()
        if "macro-skips-zeros" in m:
            return f[f > 0].mean() if (f > 0).any() else 0.0
        if "macro-sum" in m:
            return f.sum()
        if "macro-over-present" in m and len(f) == classes:
            return f[np.unique(labels)].mean()
        return f.mean()

    return {"f1_scores": f1_scores, "macro_f1": macro_f1}


def draws(name):
    def cases(rng):
        found = []
        for n, k in [(8, 3), (size(rng, 12, 20), size(rng, 3, 5)), (15, 2)]:
            labels = np.concatenate([np.arange(k), rng.integers(0, k, n)])
            predictions = np.where(rng.random(len(labels)) < 0.6, labels, rng.integers(0, k, len(labels)))
            predictions[:k] = np.arange(k)  # every class has a true positive
            found.append(call(name, labels, predictions, k))
        return found

    return cases


def undefined(name):
    def cases(rng):
        """Classes that are never predicted, never present, or neither."""
        labels = np.array([0, 0, 0, 1, 1, 3, 0])
        predictions = np.array([0, 0, 1, 1, 0, 1, 2])
        extra = size(rng, 5, 7)
        return [call(name, labels, predictions, extra), call(name, rng.permutation(labels), predictions, 4)]

    return cases


LABELS, PREDICTIONS = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 2])

EXERCISE = Exercise(
    "e11_f1",
    "F1, class by class",
    15,
    "medium",
    ["f1_scores", "macro_f1"],
    {"f1_scores": truth_f1, "macro_f1": truth_macro},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [call("f1_scores", LABELS, PREDICTIONS, 4), call("macro_f1", LABELS, PREDICTIONS, 4)],
        ),
        Check("scores", "F1 is the harmonic mean of precision and recall, class by class", 3, draws("f1_scores")),
        Check(
            "undefined",
            "F1 is right where a class has no predictions, examples or true positives: 0",
            2,
            undefined("f1_scores"),
        ),
        Check("macro", "macro F1 is the plain mean over the classes", 1, draws("macro_f1")),
        Check(
            "macro-undefined",
            "macro F1 is right where classes have F1 = 0 too: they count in the mean",
            2,
            undefined("macro_f1"),
        ),
        Check("untouched", "labels and predictions stay as they were", 1, draws("f1_scores")),
    ],
    mistakes=[
        Mistake("precision-only", "This is precision: recall is missing.", "half of the formula", "scores"),
        Mistake("recall-only", "This is recall: precision is missing.", "half of the formula", "scores"),
        Mistake(
            "arithmetic-mean",
            "This is the plain mean of precision and recall: F1 is the harmonic one.",
            "'mean' taken literally",
            "scores",
        ),
        Mistake(
            "geometric-mean",
            "This is the geometric mean of precision and recall (Fowlkes-Mallows): F1 is the harmonic one.",
            "means mixed up",
            "scores",
        ),
        Mistake(
            "smaller-of-both",
            "This is the smaller of precision and recall.",
            "F1 lies between, near the smaller",
            "scores",
        ),
        Mistake(
            "accuracy-per-class",
            "This counts true negatives too (accuracy of one class against the rest): F1 does not.",
            "accuracy and F1 mixed up",
            "scores",
        ),
        Mistake(
            "jaccard",
            "This is TP / (TP + FP + FN), the Jaccard index: F1 counts TP twice above and below.",
            "the 2 lost in both places",
            "scores",
        ),
        Mistake("factor-two-missing", "The factor 2 is missing: 2 P R / (P + R).", "a constant lost", "scores"),
        Mistake(
            "classes-from-labels",
            "There is one score for each class that occurs in labels: `classes` says how many there are.",
            "np.unique(labels)",
            "undefined",
            also=["classes-from-both"],
        ),
        Mistake(
            "undefined-nan",
            "A class that is neither predicted nor present gives NaN (0/0): its F1 is 0.",
            "0/0 left alone; 'undefined F1' threads",
            "undefined",
        ),
        Mistake(
            "undefined-one",
            "A class that is neither predicted nor present counts as 1: here it is 0.",
            "zero_division=1",
            "undefined",
        ),
        Mistake(
            "nan-without-true-positives",
            "A class without a true positive gives NaN (0/0 in 2 P R / (P + R)): its F1 is 0.",
            "0/0 left alone",
            "undefined",
        ),
        Mistake(
            "macro-weighted",
            "The mean is weighted by how often a class occurs: macro weighs all classes alike.",
            "average='weighted'",
            "macro",
        ),
        Mistake(
            "macro-of-means",
            "This is the F1 of the mean precision and the mean recall: macro F1 is the mean of the F1s.",
            "the order of mean and formula",
            "macro",
        ),
        Mistake("macro-is-accuracy", "This is accuracy (micro F1).", "average='micro'", "macro"),
        Mistake(
            "macro-skips-zeros",
            "Classes with F1 = 0 are left out of the mean: they count.",
            "nan-mean habits",
            "macro-undefined",
        ),
        Mistake(
            "macro-over-present",
            "Only classes that occur in labels are averaged: all `classes` count.",
            "classes from np.unique(labels)",
            "macro-undefined",
        ),
        Mistake("macro-sum", "The scores are added up: divide by the number of classes.", "sum for mean", "macro"),
    ],
)
