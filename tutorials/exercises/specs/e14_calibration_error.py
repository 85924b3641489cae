"""Calibration error: weights of bins, their edges, and what confidence is."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, distributions, size


def truth(p, labels, bins):
    total = 0.0
    for b in range(bins):
        members = [n for n in range(len(p)) if min(max(math.ceil(max(p[n]) * bins), 1), bins) == b + 1]
        if members:
            accuracy = sum(list(p[n]).index(max(p[n])) == labels[n] for n in members) / len(members)
            total += len(members) / len(p) * abs(accuracy - sum(max(p[n]) for n in members) / len(members))
    return total


def wrong(m):
    def calibration_error(p, labels, bins):
        confidence, right = p.max(axis=1), (p.argmax(axis=1) == labels) * 1.0
        if "confidence-of-label" in m:
            confidence = p[np.arange(len(p)), labels]
        if "confidence-of-first" in m:
            confidence = p[:, -1]
        place = np.floor(confidence * bins) if "left-closed" in m else np.ceil(confidence * bins) - 1
        place = np.clip(place, 0, bins - 1)
        gaps, sizes = [], []
        for b in range(bins):
            here = place == b
            if here.any():
                conf = (b + 0.5) / bins if "middle-of-bin" in m else confidence[here].mean()
                gaps.append(right[here].mean() - conf)
                sizes.append(here.sum())
            elif "empty-bins-nan" in m:
                gaps.append(np.nan)
                sizes.append(0)
        gaps, sizes = np.array(gaps), np.array(sizes)
        if "signed" not in m:
            gaps = gaps**2 if "squared" in m else np.abs(gaps)
        if "maximum" in m:
            return gaps.max()
        if "unweighted" in m:
            return gaps.mean()
        if "unweighted-all-bins" in m:
            return gaps.sum() / bins
        if "not-divided" in m:
            return (gaps * sizes).sum()
        return (gaps * sizes).sum() / len(p)

    return {"calibration_error": calibration_error}


def draws(rng):
    cases = []
    for n, k, bins in [(6, 2, 2), (size(rng, 20, 40), 3, 5), (30, 4, size(rng, 7, 10))]:
        p = distributions(rng, n, k)
        labels = np.where(rng.random(n) < 0.5, p.argmax(axis=1), rng.integers(0, k, n))
        if k == 4:  # sure ones wrong, unsure ones right: gaps of both signs
            sure = p.max(axis=1) > np.median(p.max(axis=1))
            labels = np.where(sure, p.argmin(axis=1), p.argmax(axis=1))
        cases.append(call("calibration_error", p, labels, bins))
    return cases


def edges(rng):
    """Each row a few times, in any order, the gaps below and above 0.5 of opposite sign."""
    p = array([0.5, 0.5], [0.75, 0.25], [1, 0], [0.25, 0.75], [0, 1], [0.5, 0.5], [0.625, 0.375])
    order = rng.permutation(np.repeat(np.arange(len(p)), rng.integers([1, 1, 1, 3, 1, 2, 1], [2, 2, 4, 6, 4, 4, 4])))
    return [call("calibration_error", p[order], np.array([0, 1, 0, 1, 1, 1, 0])[order], 4)]


EXERCISE = Exercise(
    "e14_calibration_error",
    "Calibration error",
    25,
    "medium",
    ["calibration_error"],
    {"calibration_error": truth},
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked example comes out",
            2,
            lambda rng: [call("calibration_error", array([0.9, 0.1], [0.2, 0.8], [0.6, 0.4]), np.array([0, 0, 0]), 2)],
        ),
        Check("draws", "the error is the mean of the bins' gaps, weighted by how many examples are in them", 5, draws),
        Check("edges", "the error is right on the edges of bins too: they belong to the bin below", 2, edges),
        Check("untouched", "p and labels stay as they were", 1, draws),
    ],
    mistakes=[
        Mistake(
            "unweighted",
            "All filled bins weigh the same: weigh each by its share of the examples.",
            "np.mean of the gaps",
            "draws",
        ),
        Mistake(
            "unweighted-all-bins",
            "The gaps are divided by the number of bins: weigh each by its share of the examples.",
            "1/B for n_b/N",
            "draws",
        ),
        Mistake("not-divided", "The weighted gaps are not divided by N.", "1/N lost", "draws"),
        Mistake("signed", "Gaps of opposite sign cancel: take absolute values, bin by bin.", "abs forgotten", "draws"),
        Mistake("squared", "The gaps are squared: take absolute values.", "the Brier score's habit", "draws"),
        Mistake(
            "maximum",
            "This is the largest gap (maximum calibration error): take the weighted mean.",
            "MCE for ECE",
            "draws",
        ),
        Mistake(
            "confidence-of-label",
            "The label's probability is taken for the confidence: it is the largest one.",
            "p[n, label]",
            "draws",
        ),
        Mistake(
            "confidence-of-first",
            "One fixed class's probability is taken for the confidence.",
            "two-class code",
            "draws",
        ),
        Mistake("middle-of-bin", "The middle of a bin stands for its mean confidence.", "histogram habits", "draws"),
        Mistake(
            "empty-bins-nan",
            "A bin without examples gives NaN (the mean of nothing): it counts nothing, so leave it out.",
            "0/0 left alone",
            "draws",
        ),
        Mistake(
            "left-closed",
            "A confidence on an edge is put into the bin above: bins are (b/B, (b+1)/B].",
            "floor for ceil",
            "edges",
        ),
    ],
)
