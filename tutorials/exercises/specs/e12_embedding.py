"""Embedding: a row for a token, and its gradient where tokens repeat."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def truth_backward(dy, ids, W):
    dW = reference.embedding_backward(dy, ids, W)
    dW[0] = 0
    return dW


def wrong(m):
    def embedding(ids, W):
        if "padding-zeroed" in m:
            return W[ids] * (ids != 0)[..., None]
        if "ids-shifted" in m:
            return W[ids - 1]
        if "summed-over-tokens" in m:
            return W[ids].sum(axis=1)
        if "flattened" in m:
            return W[ids].reshape(-1, W.shape[1])
        if "axes-swapped" in m:
            return W[ids].transpose(0, 2, 1)
        if "columns" in m:
            return W.T[ids]
        return W[ids]

    def embedding_backward(dy, ids, W):
        dW = np.zeros(W.shape)
        if "first-text-only" in m:
            ids, dy = ids[:1], dy[:1]
        if "dy-forgotten" in m:
            dy = np.ones(dy.shape)
        if "repeats-lost" in m:
            dW[ids] += dy
        else:
            np.add.at(dW, ids, dy)
        if "divided-by-count" in m:
            dW /= np.maximum(np.bincount(ids.ravel(), minlength=len(W)), 1)[:, None]
        if "divided-by-n" in m:
            dW /= len(ids)
        if "divided-by-tokens" in m:
            dW /= ids.size
        if "last-row-zeroed" in m:
            dW[-1] = 0
        elif "padding-learns" not in m:
            dW[0] = 0
        if "only-touched-rows" in m:
            dW = dW[np.unique(ids)]
        if "times-W" in m:
            dW = dW * W
        return dW

    return {"embedding": embedding, "embedding_backward": embedding_backward}


def shapes(rng):
    """N, L, V, D."""
    return [(1, 4, 3, 2), (size(rng, 2, 3), 4, size(rng, 5, 7), size(rng, 2, 3)), (3, 5, 8, 3)]


def tokens(rng, n, length, v):
    ids = rng.integers(0, v, (n, length))
    ids[:, 0] = v - 1  # the last token repeats
    ids[-1, 1] = ids[-1, -1] = v - 2
    ids[0, -1] = 0
    return ids


def forward(rng):
    return [call("embedding", tokens(rng, n, length, v), normal(rng, v, d)) for n, length, v, d in shapes(rng)]


def backward(rng):
    return [
        call("embedding_backward", normal(rng, n, length, d), tokens(rng, n, length, v), normal(rng, v, d))
        for n, length, v, d in shapes(rng)
    ]


def distinct(rng):
    ids = np.array([[3, 1], [2, 4]])
    return [call("embedding_backward", normal(rng, 2, 2, 3), ids, normal(rng, 6, 3))]


DY = array([1, 1], [2, 2], [5, 5], [9, 9]).reshape(1, 4, 2)

EXERCISE = Exercise(
    "e12_embedding",
    "Embedding",
    10,
    "medium",
    ["embedding", "embedding_backward"],
    {"embedding": reference.embedding, "embedding_backward": truth_backward},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [
                call("embedding", np.array([[2, 1, 2]]), array([0, 0], [1, 2], [3, 4])),
                call("embedding_backward", DY, np.array([[2, 1, 2, 0]]), np.zeros((3, 2))),
            ],
        ),
        Check("forward", "every token gets its row", 2, forward),
        Check("distinct", "the gradient is right where every row is used once", 1, distinct),
        Check(
            "backward",
            "the gradient is right everywhere: a row gathers from all its places, and padding does not learn",
            4,
            backward,
        ),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: [forward(rng)[0], backward(rng)[0]]),
    ],
    mistakes=[
        Mistake(
            "repeats-lost",
            "A token that stands at several places keeps only one of its gradients: dW[ids] += dy "
            "writes once a row. Use np.add.at.",
            "NumPy's documented behaviour, met by everybody once",
            "backward",
        ),
        Mistake(
            "padding-learns",
            "Row 0 has a gradient: token 0 is padding and does not learn.",
            "padding forgotten",
            "backward",
        ),
        Mistake(
            "padding-zeroed",
            "Padding gives zeros in forward: it gives row 0, whatever stands there.",
            "the mask in the wrong place",
            "forward",
        ),
        Mistake(
            "last-row-zeroed", "The last row is kept from learning: padding is token 0.", "padding_idx=-1", "backward"
        ),
        Mistake(
            "ids-shifted",
            "Every token gets the row before its own: W[ids], not W[ids - 1].",
            "counting from 1",
            "forward",
        ),
        Mistake("columns", "Columns are looked up instead of rows.", "a table stored transposed", "forward"),
        Mistake("axes-swapped", "The last two axes are exchanged: (N, L, D).", "channels-first habits", "forward"),
        Mistake(
            "flattened", "The texts are run together: keep the shape (N, L, D).", "ravel before the look-up", "forward"
        ),
        Mistake(
            "summed-over-tokens",
            "The rows of a text are added up: that is an embedding bag.",
            "the bag of words",
            "forward",
        ),
        Mistake(
            "divided-by-count",
            "A row's gradient is the mean over its places: it is the sum.",
            "scale_grad_by_freq",
            "backward",
        ),
        Mistake(
            "divided-by-n",
            "The gradient is divided by the batch size: the loss has divided already.",
            "threads that ask 'why divide by N?'",
            "backward",
        ),
        Mistake(
            "divided-by-tokens",
            "The gradient is divided by the number of tokens: the loss has divided already.",
            "mean for sum",
            "backward",
        ),
        Mistake(
            "first-text-only", "Only the first text counts: sum over the batch.", "batches of one in tests", "backward"
        ),
        Mistake(
            "dy-forgotten",
            "The rows count their places: they gather dy.",
            "tests with an upstream gradient of 1",
            "backward",
        ),
        Mistake(
            "only-touched-rows",
            "Only the rows that occur come back: dW has the shape of W.",
            "a sparse gradient",
            "backward",
        ),
        Mistake(
            "times-W", "The gradient is multiplied by W: y is a row itself, so its slope is 1.", "W * dy", "backward"
        ),
    ],
)
