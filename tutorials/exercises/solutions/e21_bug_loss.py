import numpy as np


def weighted_loss(x, W, b, labels, weights):
    """The cross-entropy of a linear classifier, each example with its own weight, and its gradients.

    Shapes: x (N, D), W (D, K), b (K,), labels (N,) integers, weights (N,) not negative, with a positive sum;
    the result is the tuple loss (one number), dW (like W), db (like b).
    Formula: p_n = softmax of the scores x_n W + b; loss = sum_n weights_n (-log p_n,label_n) / sum_n weights_n.
    Example: x = [[0], [0]], W = [[0, 0]], b = [ln 3, 0], labels [0, 1], weights [1, 3]: p = [0.75, 0.25] twice,
    loss = (0.2877 + 3 * 1.3863) / 4 = 1.1116, dW = [[0, 0]], db = [0.5, -0.5].

    Scores of 10,000 are ordinary input. The arguments stay as they were.
    """
    # The row's own maximum: with one for the whole batch, a row far below it would have a sum of 0.
    z = x @ W + b
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    # The denominator is the sum of the weights, for the loss and for its gradient alike.
    total = weights.sum()
    loss = -(weights * log_p[rows, labels]).sum() / total
    # dL/dz_nk = weight_n (p_nk - [k is the label of n]) / total: one entry in each row is lowered.
    dz = np.exp(log_p)
    dz[rows, labels] -= 1
    dz = dz * weights[:, None] / total
    return loss, x.T @ dz, dz.sum(axis=0)
