"""Exercise 21. Find the bug: a weighted loss (20 minutes, medium).

One thing in the code below is not as its docstring says (mostly one line, at most two that belong together). Find it
with small inputs of your own, by printing shapes and numbers, and mend it; there are no points before the bug is gone.
Students have different bugs.
Check with: python -m tutorials.exercises check 21
"""

import numpy as np

VARIANT = 0  # which bug is planted: leave it as it is


def weighted_loss(x, W, b, labels, weights):
    """The cross-entropy of a linear classifier, each example with its own weight, and its gradients.

    Shapes: x (N, D), W (D, K), b (K,), labels (N,) integers, weights (N,) not negative, with a positive sum;
    the result is the tuple loss (one number), dW (like W), db (like b).
    Formula: p_n = softmax of the scores x_n W + b; loss = sum_n weights_n (-log p_n,label_n) / sum_n weights_n.
    Example: x = [[0], [0]], W = [[0, 0]], b = [ln 3, 0], labels [0, 1], weights [1, 3]: p = [0.75, 0.25] twice,
    loss = (0.2877 + 3 * 1.3863) / 4 = 1.1116, dW = [[0, 0]], db = [0.5, -0.5].

    Scores of 10,000 are ordinary input. The arguments stay as they were.
    """
    z = x @ W + b
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    total = len(x)
    loss = -(weights * log_p[rows, labels]).sum() / total
    dz = np.exp(log_p)
    dz[rows, labels] -= 1
    dz = dz * weights[:, None] / total
    return loss, x.T @ dz, dz.sum(axis=0)
