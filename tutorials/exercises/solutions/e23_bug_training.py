import numpy as np


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
        # Examples and their targets are taken in the same order.
        xs = x[order]
        ys = y[order]
        squares = 0.0
        # The range reaches to len(x): a rest that is smaller than a batch counts too.
        for start in range(0, len(x), batch_size):
            xb, yb = xs[start : start + batch_size], ys[start : start + batch_size]
            e = xb @ w - yb
            squares += (e**2).sum()
            # Divided by what is really in this batch.
            g = 2 * xb.T @ e / len(e)
            v = momentum * v + g
            w -= learning_rate * v
        losses.append(squares / len(x))
    return w, np.array(losses)
