"""Temperature: before the softmax, dividing, chosen by the loss."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def truth_loss(z, labels, temperature):
    return reference.cross_entropy(np.array([[v / temperature for v in row] for row in z]), labels)


def truth_best(z, labels, candidates):
    best = candidates[0]
    for t in candidates:
        if truth_loss(z, labels, t) < truth_loss(z, labels, best):
            best = t
    return best


def wrong(m):
    def temperature_loss(z, labels, temperature):
        t = temperature
        scaled = z * t if "multiplied" in m else z / t**2 if "squared" in m else z if "ignored" in m else z / t
        if "shift-unscaled" in m:
            scaled = z / t - z.max(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            top = 0 if {"shift-unscaled", "no-shift", "log-sum-unshifted"} & m else scaled.max(axis=1, keepdims=True)
            e = np.exp(scaled - top)
            log_p = scaled - top - np.log(e.sum(axis=1, keepdims=True))
            if "shift-unscaled" in m:
                log_p = np.log(e / e.sum(axis=1, keepdims=True))
            if "no-shift" in m:
                log_p = np.log(np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True))
            if "log-of-zero" in m:
                log_p = np.log(e / e.sum(axis=1, keepdims=True))
            if "after-softmax" in m:
                p = np.exp(z - z.max(axis=1, keepdims=True))
                log_p = np.log(p / p.sum(axis=1, keepdims=True) / t)
        total = log_p[np.arange(len(z)), labels].sum()
        return -total if "not-divided" in m else total / len(z) if "sign" in m else -total / len(z)

    def best_temperature(z, labels, candidates):
        losses = [temperature_loss(z, labels, t) for t in candidates]
        if "index-returned" in m:
            return int(np.argmin(losses))
        if "largest-loss" in m:
            return candidates[int(np.argmax(losses))]
        if "loss-returned" in m:
            return min(losses)
        if "first-chosen" in m:
            return candidates[0]
        if "last-of-equals" in m:
            return candidates[len(losses) - 1 - int(np.argmin(losses[::-1]))]
        return candidates[int(np.argmin(losses))]

    return {"temperature_loss": temperature_loss, "best_temperature": best_temperature}


def losses(rng):
    return [
        call("temperature_loss", normal(rng, n, k, scale=3), rng.integers(0, k, n), t)
        for n, k, t in [(2, 3, 2.0), (size(rng, 3, 5), 4, 0.5), (4, 4, size(rng, 3, 6) / 1.0)]
    ]


def large(rng):
    z = normal(rng, 3, 3)
    z[0, 0], z[1, 2] = 10_000, -10_000
    # Exponentials that overflow spoil both, the logarithm of a probability of 0 only the first.
    return [call("temperature_loss", z, labels, 2.0) for labels in (np.array([1, 2, 0]), np.array([0, 1, 0]))]


def best(rng):
    cases = []
    for n, factor in [(12, 6.0), (20, 1.0), (16, 3.0), (12, 0.2)]:
        labels = rng.integers(0, 3, n)
        z = normal(rng, n, 3) + 1.5 * np.eye(3)[labels]
        cases.append(call("best_temperature", z * factor, labels, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]))
    # All are equal: neither the least nor the largest of them is the first.
    return [*cases, call("best_temperature", np.zeros((3, 2)), np.array([0, 1, 0]), [4.0, 2.0, 8.0, 6.0])]


EXERCISE = Exercise(
    "e15_temperature",
    "Temperature",
    20,
    "medium",
    ["temperature_loss", "best_temperature"],
    {"temperature_loss": truth_loss, "best_temperature": truth_best},
    wrong=wrong,
    given=["softmax", "log_softmax"],
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [
                call("temperature_loss", array([0, np.log(9)]), np.array([1]), 2.0),
                call("best_temperature", array([0, 4], [0, 4], [4, 0]), np.array([1, 0, 0]), [1.0, 4.0, 16.0]),
            ],
        ),
        Check("losses", "the loss is that of the scores divided by T", 3, losses),
        Check("large", "the loss is right at scores of 10,000 too, and finite", 1, large),
        Check("best", "the candidate with the least loss is chosen", 3, best),
        Check("untouched", "z and labels stay as they were", 1, losses),
    ],
    mistakes=[
        Mistake("multiplied", "The scores are multiplied by T: divide them.", "inverse temperature", "losses"),
        Mistake("squared", "The scores are divided by T twice.", "scaled in two places", "losses"),
        Mistake("ignored", "T has no effect on the loss.", "a parameter forgotten", "losses"),
        Mistake(
            "after-softmax",
            "The probabilities are divided by T: divide the scores, before softmax.",
            "the order of two steps",
            "losses",
        ),
        Mistake(
            "shift-unscaled",
            "The maximum of the undivided scores is subtracted after dividing: large scores vanish.",
            "shift and scale in the wrong order",
            "large",
        ),
        Mistake(
            "no-shift",
            "The exponentials overflow: subtract each row's maximum.",
            "cs231n.github.io#277",
            "large",
            also=["log-sum-unshifted"],
        ),
        Mistake(
            "log-of-zero",
            "The logarithm is taken of a probability that has underflowed to 0: use log_softmax.",
            "np.log(softmax(z / T))",
            "large",
        ),
        Mistake("not-divided", "The loss is a sum: divide by N.", "1/N lost", "losses"),
        Mistake("sign", "The loss is negative.", "sign slip", "losses"),
        Mistake("index-returned", "The place of the best candidate is returned, not the candidate.", "argmin", "best"),
        Mistake("largest-loss", "The candidate with the largest loss is chosen.", "max for min", "best"),
        Mistake("loss-returned", "The least loss is returned, not its temperature.", "min(losses)", "best"),
        Mistake(
            "first-chosen",
            "The first candidate is always chosen: is every candidate's own loss computed, and the choice made by it?",
            "T not passed on; the choice made by accuracy, which no temperature changes",
            "best",
        ),
        Mistake(
            "last-of-equals",
            "Of candidates with equal losses the last is chosen: the first is asked for.",
            "<= for <",
            "best",
        ),
    ],
)
