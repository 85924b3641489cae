"""Find the bug in a network's backward pass: which array met which weights, and where ReLU let pass."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Check, call
from tutorials.exercises.specs.numbers import array, normal, size
from tutorials.exercises.specs.planting import Planted, find_the_bug


def truth(x, labels, W1, b1, W2, b2):
    """Example by example, number by number."""
    (D, H), K, N = W1.shape, len(b2), len(x)
    dW1, db1, dW2, db2 = np.zeros(W1.shape), np.zeros(H), np.zeros(W2.shape), np.zeros(K)
    for n in range(N):
        a = [sum(x[n, i] * W1[i, j] for i in range(D)) + b1[j] for j in range(H)]
        z = [sum(max(a[j], 0) * W2[j, k] for j in range(H)) + b2[k] for k in range(K)]
        e = [math.exp(v - max(z)) for v in z]
        dz = [(e[k] / sum(e) - (k == labels[n])) / N for k in range(K)]
        for k in range(K):
            db2[k] += dz[k]
            for j in range(H):
                dW2[j, k] += max(a[j], 0) * dz[k]
        for j in range(H):
            da = sum(dz[k] * W2[j, k] for k in range(K)) if a[j] > 0 else 0.0
            db1[j] += da
            for i in range(D):
                dW1[i, j] += x[n, i] * da
    return dW1, db1, dW2, db2


def drawn(rng, n, active):
    """Hidden units are all active, or about half of them are."""
    d, h, k = size(rng, 2, 3), size(rng, 3, 4), 3
    x = np.abs(normal(rng, n, d)) + 0.1 if active else normal(rng, n, d)
    W1 = np.abs(normal(rng, d, h)) + 0.1 if active else normal(rng, d, h, scale=2)
    labels = rng.integers(0, k, n)
    return call("network_gradients", x, labels, W1, np.abs(normal(rng, h)) * active, normal(rng, h, k), normal(rng, k))


def at_zero(rng):
    """The last hidden unit stands at exactly 0 in every example."""
    (active,) = drawn(rng, 3, True)
    x, labels, W1, b1, *rest = active.args
    W1[:, -1], b1[-1] = 0, 0
    return [call(active.name, x, labels, W1, b1, *rest)]


def example(rng):
    zero = np.zeros
    return [call("network_gradients", array([1]), np.array([0]), array([2]), zero(1), zero((1, 2)), zero(2))]


EXERCISE = find_the_bug(
    "e22_bug_network",
    "A network's gradients",
    25,
    "medium",
    ["network_gradients"],
    {"network_gradients": truth},
    [
        Check("example", "the worked example comes out", 1, example),
        Check(
            "alone",
            "one example with active units has the right gradients",
            2,
            lambda rng: [drawn(rng, 1, True) for _ in range(2)],
        ),
        Check("batch", "so has a batch", 3, lambda rng: [drawn(rng, n, True) for n in (2, size(rng, 3, 5))]),
        Check(
            "inactive",
            "gradients are right where units are below zero too: nothing passes",
            3,
            lambda rng: [drawn(rng, n, False) for n in (4, 6, 7)],
        ),
        Check("zero", "nothing passes a unit at exactly 0 either", 1, at_zero),
    ],
    [
        Planted(
            "before-relu",
            "dW2 is made with a, the values before ReLU: W2 met h.",
            "two names that differ by one letter",
            "inactive",
            "dW2 = h.T @ dz",
            "dW2 = a.T @ dz",
        ),
        Planted(
            "mask-of-gradient",
            "ReLU's mask is taken from the gradient: it is where a was positive.",
            "the mask taken of what is at hand",
            "alone",
            "(a > 0)",
            "(dh > 0)",
        ),
        Planted(
            "mask-missing",
            "The gradient passes ReLU as if all units were active.",
            "a layer left out of the backward pass",
            "inactive",
            "da = dh * (a > 0)",
            "da = dh",
        ),
        Planted(
            "not-divided",
            "The division by N is missing: the loss is a mean over the batch.",
            "1/N lost",
            "batch",
            "[labels]) / len(x)",
            "[labels])",
        ),
        Planted(
            "bias-before-mask",
            "db1 sums what reaches h, not what reaches a: inactive units take part.",
            "two names that differ by one letter",
            "inactive",
            "db1 = da.sum(axis=0)",
            "db1 = dh.sum(axis=0)",
        ),
        Planted(
            "weights-negated",
            "What goes back to the hidden layer has the wrong sign.",
            "a sign slip that the output layer does not show",
            "alone",
            "dh = dz @ W2.T",
            "dh = -dz @ W2.T",
        ),
    ],
    others=[
        Planted(
            "passes-at-zero",
            "ReLU lets the gradient pass where a is exactly 0: it is 1 only where a > 0.",
            ">= for >",
            "zero",
            "(a > 0)",
            "(a >= 0)",
        )
    ],
)
