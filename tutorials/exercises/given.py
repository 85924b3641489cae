"""What the earlier exercises built, for the later ones to stand on: plain loops, right and slow.

`from given import softmax` works in every exercise after the one that asks for softmax.
"""

from __future__ import annotations

import math

import numpy as np


def softmax(z):
    """Probabilities of each row. Shapes: z and the result (N, K)."""
    s = np.zeros(np.shape(z))
    for n, row in enumerate(z):
        m = max(row)
        exponentials = [math.exp(score - m) for score in row]
        for k, e in enumerate(exponentials):
            s[n, k] = e / sum(exponentials)
    return s


def log_softmax(z):
    """Logarithms of the probabilities of each row. Shapes: z and the result (N, K)."""
    log_s = np.zeros(np.shape(z))
    for n, row in enumerate(z):
        m = max(row)
        log_sum = math.log(sum(math.exp(score - m) for score in row))
        for k, score in enumerate(row):
            log_s[n, k] = score - m - log_sum
    return log_s


def softmax_backward(dy, s):
    """dL/dz from dL/ds. Shapes: dy, s = softmax(z) and the result (N, K)."""
    dz = np.zeros(np.shape(s))
    for n in range(len(s)):
        for i in range(len(s[n])):
            for j in range(len(s[n])):
                dz[n, j] += dy[n, i] * s[n, i] * ((i == j) - s[n, j])
    return dz


def sigmoid(z):
    """1 / (1 + e^-z), entry by entry, for any shape."""
    flat = [1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)) for v in np.ravel(z)]
    return np.reshape(flat, np.shape(z))
