"""Exercise 3. Softmax and cross-entropy as one loss (30 minutes, medium).

`from given import softmax, log_softmax, softmax_backward` works here.
Check with: python -m tutorials.exercises check 3
"""

import numpy as np


def cross_entropy(z, labels):
    """How surprised the network is by the truth: the mean over the batch of -log softmax(z)[label].

    Shapes: z (N, K) scores, labels (N,) integers from 0 to K - 1; the result is one number.
    Formula: L = -(1/N) sum_n log softmax(z_n)[labels_n]
    Example: z = [[0, ln 3], [0, 0]], labels = [1, 0]: probabilities 0.75 and 0.5, L = (0.2877 + 0.6931) / 2 = 0.4904.

    A score of 10,000 for the wrong class costs 10,000, not infinity.
    """
    raise NotImplementedError("exercise 3: cross_entropy")


def cross_entropy_backward(z, labels):
    """The gradient of that mean with respect to the scores.

    Shapes: z (N, K), labels (N,); the result dL/dz (N, K).
    Formula: dL/dz_nk = (softmax(z_n)_k - [k = labels_n]) / N, where [...] is 1 if it is true, else 0.
    Example: with z and labels as above, [[0.125, -0.125], [-0.25, 0.25]].
    """
    raise NotImplementedError("exercise 3: cross_entropy_backward")
