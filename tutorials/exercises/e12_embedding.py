"""Exercise 12. Embedding: a row for every token (10 minutes, medium).

Check with: python -m tutorials.exercises check 12
"""

import numpy as np


def embedding(ids, W):
    """The row of W that belongs to each token.

    Shapes: ids (N, L) integers from 0 to V - 1, W (V, D); the result y (N, L, D), y[n, l] = W[ids[n, l]].
    Example: W = [[0, 0], [1, 2], [3, 4]] and ids = [[2, 1, 2]] give [[[3, 4], [1, 2], [3, 4]]].
    """
    raise NotImplementedError("exercise 12: embedding")


def embedding_backward(dy, ids, W):
    """The gradient of the table: row v gathers dy from every place where token v stands.

    Shapes: dy (N, L, D), ids (N, L), W (V, D); the result dW (V, D).
    Formula: dW[v] = sum of dy[n, l] over all n, l with ids[n, l] = v. Token 0 is padding: dW[0] = 0.
    Example: ids = [[2, 1, 2, 0]] and dy = [[[1, 1], [2, 2], [5, 5], [9, 9]]] give [[0, 0], [2, 2], [6, 6]].
    """
    raise NotImplementedError("exercise 12: embedding_backward")
