"""Exercise 23. Find the bug: a training loop (25 minutes, medium).

One thing in the code below is not as its docstring says (mostly one line, at most two that belong together). Find it
with small inputs of your own, by printing shapes and numbers, and mend it; there are no points before the bug is gone.
Students have different bugs.
Check with: python -m tutorials.exercises check 23
"""

import numpy as np

VARIANT = 0  # which bug is planted: leave it as it is


def train(x, y, w, orders, batch_size, learning_rate, momentum):
    """Gradient descent in small batches, with momentum, for a linear model and the squared error.

    Shapes: x (N, D), y (N,), w (D,) the start, orders (epochs, N): in which order an epoch takes the examples;
    the result is the tuple w (D,) after the last epoch, losses (epochs,).
    Each batch is the next batch_size examples of the epoch's order; the last batch of an epoch may be smaller.
    For a batch of n examples with errors e = x w - y: its gradient is g = 2/n x^T e; then v <- momentum v + g and
    w <- w - learning_rate v, where v starts at zero before the first epoch. The loss of an epoch is the mean over
    its N examples of the squared errors, each taken before its batch's update.
    Example: x = [[1], [2]], y = [1, 2], w = [0], orders [[0, 1]], batch_size 1, learning_rate 0.1, momentum 0.5:
    the errors are -1, then -1.6, w = [0.94], losses [1.78].

    The arguments stay as they were.
    """
    w = w.copy()
    v = np.zeros_like(w)
    losses = []
    for order in orders:
        xs = x[order]
        ys = y[order]
        squares, v = 0.0, np.zeros_like(w)
        for start in range(0, len(x), batch_size):
            xb, yb = xs[start : start + batch_size], ys[start : start + batch_size]
            e = xb @ w - yb
            squares += (e**2).sum()
            g = 2 * xb.T @ e / len(e)
            v = momentum * v + g
            w -= learning_rate * v
        losses.append(squares / len(x))
    return w, np.array(losses)
