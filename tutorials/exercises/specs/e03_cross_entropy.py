"""The fused loss: where 1/N stands, what the logarithm sees, and the sign of p - t."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


EPSILONS = {"epsilon-in-log": 1e-7} | {f"epsilon-{digits}": 10.0**-digits for digits in (8, 9, 10, 12, 15)}


def wrong(m):
    def cross_entropy(z, labels):
        n, k = z.shape
        rows = np.arange(n)
        labels = labels - 1 if "labels-from-one" in m else labels
        epsilon = [small for word, small in EPSILONS.items() if word in m]
        if "softmax-twice" in m:
            z = softmax(z)
        if {"no-shift", "no-shift-in-loss"} & m:
            log_p = np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
        elif {"log-sum-unshifted", "log-sum-unshifted-in-loss"} & m:
            log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        elif "log-of-zero" in m:
            log_p = np.log(softmax(z))
        elif epsilon:
            log_p = np.log(softmax(z) + epsilon[0])
        else:
            shifted = z - z.max(axis=1, keepdims=True)
            log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        if "base-two" in m:
            log_p = log_p / np.log(2)
        picked = log_p[rows, labels]
        if "probability-not-log" in m:
            picked = np.exp(picked) - 1
        if "all-classes" in m:
            picked = log_p.sum(axis=1)
        if {"columns", "columns-in-loss"} & m:
            picked = log_p[:, labels].mean(axis=1)
        total = -picked.sum()
        if "loss-sign" in m:
            total = -total
        if "loss-not-divided" in m:
            return total
        return total / (n * k if "loss-over-entries" in m else n)

    def cross_entropy_backward(z, labels):
        n, k = z.shape
        p = softmax(softmax(z)) if "softmax-twice" in m else softmax(z)
        if {"no-shift", "no-shift-in-gradient", "log-sum-unshifted"} & m:
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        t = np.eye(k)[labels - 1 if "labels-from-one" in m else labels]
        d = p - t
        if {"columns", "columns-in-gradient"} & m:
            d = p - t.any(axis=0)
        if "only-the-label" in m:
            d = d * t
        if "one-not-subtracted" in m:
            d = p
        if "gradient-sign" in m:
            d = -d
        if {"gradient-at-the-probabilities", "gradient-at-the-probabilities-summed"} & m:
            d = -t / p
        elif "gradient-through-jacobian-again" in m:
            d = p * (d - (d * p).sum(axis=1, keepdims=True))
        if {"gradient-not-divided", "gradient-at-the-probabilities-summed"} & m:
            return d
        if "gradient-divided-twice" in m:
            return d / n**2
        return d / (k if "gradient-over-classes" in m else n * k if "gradient-over-entries" in m else n)

    return {"cross_entropy": cross_entropy, "cross_entropy_backward": cross_entropy_backward}


Z, LABELS = array([0, np.log(3)], [0, 0]), np.array([1, 0])


def batches(name):
    def cases(rng):
        shapes = [(2, 3), (size(rng, 3, 5), size(rng, 6, 7)), (4, 4), (1, 3)]
        return [call(name, normal(rng, n, k, scale=2), rng.integers(0, k, n)) for n, k in shapes]

    return cases


def large(name):
    def cases(rng):
        z = normal(rng, 3, 3)
        z[0, 0], z[1, 2], z[2, 1] = 10_000, -10_000, 40
        found = [call(name, z[:1], np.array([1])), call(name, z, np.array([1, 2, 0]))]
        # Exponentials that overflow spoil the last loss too, the logarithm of a probability of 0 does not.
        return [*found, call(name, z, np.array([0, 1, 1]))] if name == "cross_entropy" else found

    return cases


EXERCISE = Exercise(
    "e03_cross_entropy",
    "Softmax and cross-entropy as one loss",
    30,
    "medium",
    ["cross_entropy", "cross_entropy_backward"],
    {"cross_entropy": reference.cross_entropy, "cross_entropy_backward": reference.cross_entropy_backward},
    core=True,
    wrong=wrong,
    given=["softmax", "log_softmax", "softmax_backward"],
    checks=[
        Check(
            "example",
            "the worked examples come out",
            1,
            lambda rng: [call("cross_entropy", Z, LABELS), call("cross_entropy_backward", Z, LABELS)],
        ),
        Check("loss", "the loss is the mean surprise at the labels", 3, batches("cross_entropy")),
        Check("loss-large", "the loss is right at scores of 10,000 too, and finite", 2, large("cross_entropy")),
        Check("gradient", "the gradient is (probability minus truth) / N", 3, batches("cross_entropy_backward")),
        Check(
            "gradient-large",
            "the gradient is right at scores of 10,000 too, and finite",
            1,
            large("cross_entropy_backward"),
        ),
        Check(
            "untouched",
            "z and labels stay as they were",
            1,
            lambda rng: [
                call(name, normal(rng, 2, 3), np.array([2, 0])) for name in ("cross_entropy", "cross_entropy_backward")
            ],
        ),
    ],
    mistakes=[
        Mistake(
            "loss-not-divided",
            "The loss is a sum over the batch: divide by N, so that it does not grow with it.",
            "threads that ask 'why divide by N?'",
            "loss",
        ),
        Mistake(
            "loss-over-entries",
            "The loss is divided by N times K: the mean is over examples, not over entries.",
            "np.mean over the one-hot product",
            "loss",
        ),
        Mistake(
            "loss-sign", "The loss is negative: the minus in front of the logarithm is missing.", "sign slip", "loss"
        ),
        Mistake(
            "all-classes",
            "The logarithms of all classes are added up: only the label's counts.",
            "the one-hot factor forgotten",
            "loss",
        ),
        Mistake(
            "probability-not-log",
            "This is the mean of 1 - p: the logarithm of p is missing.",
            "error rate and surprise mixed up",
            "loss",
        ),
        Mistake(
            "base-two",
            "The logarithm has base 2: nats are asked for, so np.log.",
            "log2 from information theory",
            "loss",
        ),
        Mistake(
            "log-of-zero",
            "The logarithm is taken of a probability that has underflowed to 0: compute log softmax "
            "directly as z - max - log(sum(exp(z - max))).",
            "the literal formula; NaN and inf threads",
            "loss-large",
        ),
        Mistake(
            "epsilon-in-log",
            "A small number inside the logarithm caps the loss: compute log softmax directly instead.",
            "log(p + 1e-7) in many published scripts",
            "loss-large",
            also=[*EPSILONS][1:],
        ),
        Mistake(
            "no-shift",
            "The exponentials overflow: subtract each row's maximum first.",
            "cs231n.github.io#277",
            "loss-large",
            also=["no-shift-in-loss", "no-shift-in-gradient", "log-sum-unshifted", "log-sum-unshifted-in-loss"],
        ),
        Mistake(
            "softmax-twice",
            "softmax is applied twice: z are the scores, and one softmax makes them probabilities.",
            "a softmax layer in front of a loss that has its own",
            "loss",
        ),
        Mistake(
            "columns",
            "[:, labels] takes the columns of all labels in every row: one entry a row is [np.arange(N), labels].",
            "a colon for 'every n'",
            "loss",
            also=["columns-in-loss", "columns-in-gradient"],
        ),
        Mistake("labels-from-one", "The labels are taken to count from 1: they count from 0.", "off by one", "loss"),
        Mistake(
            "gradient-not-divided",
            "The gradient is N times too large: the mean's 1/N is missing.",
            "threads that ask 'why divide by N?'",
            "gradient",
        ),
        Mistake("gradient-divided-twice", "The gradient is divided by N twice.", "1/N in two places", "gradient"),
        Mistake(
            "gradient-over-classes",
            "The gradient is divided by the number of classes instead of examples.",
            "shape[1] for shape[0]",
            "gradient",
        ),
        Mistake(
            "gradient-over-entries",
            "The gradient is divided by N times K instead of N.",
            "z.size for len(z)",
            "gradient",
        ),
        Mistake(
            "gradient-sign",
            "The sign is reversed: probability minus truth, not truth minus probability.",
            "sign slip; training then climbs",
            "gradient",
        ),
        Mistake(
            "one-not-subtracted",
            "These are the probabilities over N: the 1 at each label is not subtracted.",
            "the line that subtracts forgotten",
            "gradient",
        ),
        Mistake(
            "gradient-at-the-probabilities",
            "-t/p is the gradient at the probabilities: at the scores, through softmax, it is p - t.",
            "the loss derived without softmax",
            "gradient",
            also=["gradient-at-the-probabilities-summed"],
        ),
        Mistake(
            "only-the-label",
            "Only the label's entry has a gradient: the other scores push the loss as well.",
            "the chain stopped at the picked entry",
            "gradient",
        ),
        Mistake(
            "gradient-through-jacobian-again",
            "p - t is the gradient at the scores already; it went through softmax's Jacobian a second time.",
            "the fused loss followed by softmax's backward",
            "gradient",
        ),
    ],
)
