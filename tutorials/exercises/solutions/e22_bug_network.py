import numpy as np


def network_gradients(x, labels, W1, b1, W2, b2):
    """Forward and backward through two linear layers with ReLU between them.

    Shapes: x (N, D), labels (N,) integers, W1 (D, H), b1 (H,), W2 (H, K), b2 (K,);
    the result is the tuple dW1, db1, dW2, db2, each like its parameter.
    Formula: a = x W1 + b1; h = max(a, 0); z = h W2 + b2; the loss is the mean over the N examples of -log softmax(z)
    at the label. The gradient of ReLU is 1 where a > 0, else 0.
    Example: x = [[1]], labels [0], W1 = [[2]], b1 = [0], W2 = [[0, 0]], b2 = [0, 0]: a = 2, p = [0.5, 0.5],
    dW2 = [[-1, 1]], db2 = [-0.5, 0.5], dW1 = [[0]], db1 = [0].
    """
    a = x @ W1 + b1
    h = np.maximum(a, 0)
    z = h @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    # The mean over the batch: the division by N stands here, once.
    dz = (p - np.eye(W2.shape[1])[labels]) / len(x)
    # W2 met h, not a; W1 met x.
    dW2 = h.T @ dz
    db2 = dz.sum(axis=0)
    # What goes back to h passes the same weights the other way; ReLU lets it through where a was positive.
    dh = dz @ W2.T
    da = dh * (a > 0)
    dW1 = x.T @ da
    db1 = da.sum(axis=0)
    return dW1, db1, dW2, db2
