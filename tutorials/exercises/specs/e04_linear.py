"""The linear layer: transposes, sums over the batch, and the bias."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def wrong(m):
    def linear(x, W, b):
        y = x @ (W.T if "W-transposed" in m else W)
        if "no-bias" in m:
            return y
        if "bias-by-row" in m:
            return y + b[:, None]
        if "bias-subtracted" in m:
            return y - b
        if "bias-summed" in m:
            return y + b.sum()
        return y + b

    def linear_backward(dy, x, W):
        dx = dy @ (W if "dx-without-transpose" in m else W.T)
        dW, db = x.T @ dy, dy.sum(axis=0)
        if "dW-not-transposed" in m:
            dW = x @ dy
        if "divided-by-n" in m:
            dW, db = dW / len(x), db / len(x)
        if "dW-mean" in m:
            dW = dW / len(x)
        if "db-mean" in m:
            db = db / len(x)
        if "dx-divided" in m:
            dx = dx / len(x)
        if "dW-transposed" in m:
            dW = dW.T
        if "db-not-summed" in m:
            db = dy
        if "db-wrong-axis" in m:
            db = dy.sum(axis=1)
        if "db-one-number" in m:
            db = dy.sum()
        if "db-keepdims" in m:
            db = np.reshape(db, (1, -1))
        return (dW, dx, db) if "order-swapped" in m else (dx, dW, db)

    return {"linear": linear, "linear_backward": linear_backward}


def shapes(rng):
    a = size(rng, 2, 3)
    return [(2, 2, 3), (a, a, a), (a + 1, a + size(rng, 2, 3), a), (1, 3, 2)]


def forward(rng):
    return [call("linear", normal(rng, n, i), normal(rng, i, k), normal(rng, k)) for n, i, k in shapes(rng)]


def backward(rng):
    return [call("linear_backward", normal(rng, n, k), normal(rng, n, i), normal(rng, i, k)) for n, i, k in shapes(rng)]


X, W = array([1, 2]), array([1, 0, 2], [3, 1, 0])

EXERCISE = Exercise(
    "e04_linear",
    "The linear layer, there and back",
    25,
    "easy",
    ["linear", "linear_backward"],
    {"linear": reference.linear, "linear_backward": reference.linear_backward},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [
                call("linear", X, W, np.array([10.0, 20, 30])),
                call("linear_backward", array([1, 0, -1]), X, W),
            ],
        ),
        Check("forward", "y = x W + b for every shape", 4, forward),
        Check("backward", "dx, dW and db follow from the formulas for every shape", 5, backward),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: [forward(rng)[0], backward(rng)[0]]),
    ],
    mistakes=[
        Mistake("no-bias", "The bias is not added.", "an unfinished answer", "forward"),
        Mistake(
            "bias-by-row",
            "The bias is added down the rows: b[:, None] gives one number an example, b one an output.",
            "code for column vectors",
            "forward",
        ),
        Mistake("bias-subtracted", "The bias is subtracted.", "a threshold is subtracted in older texts", "forward"),
        Mistake("bias-summed", "The sum of all biases is added to every output.", "a stray .sum()", "forward"),
        Mistake(
            "W-transposed", "W is transposed: it is (inputs, outputs), so x @ W.", "PyTorch keeps (out, in)", "forward"
        ),
        Mistake(
            "dx-without-transpose",
            "dx needs W transposed: dy @ W.T. Only a square W hides the difference.",
            "square layers in tests",
            "backward",
        ),
        Mistake(
            "dW-not-transposed",
            "dW needs x transposed: x.T @ dy. Only equal sizes hide the difference.",
            "square layers in tests",
            "backward",
        ),
        Mistake(
            "dW-transposed",
            "dW is transposed: it has the shape of W, (inputs, outputs).",
            "dy.T @ x as in PyTorch",
            "backward",
        ),
        Mistake(
            "divided-by-n",
            "dW and db are divided by the batch size: the loss has divided already.",
            "threads that ask 'why divide by N?'",
            "backward",
        ),
        Mistake(
            "dW-mean", "dW is divided by the batch size: the loss has divided already.", "1/N in two places", "backward"
        ),
        Mistake("db-mean", "db is a mean over the batch: it is the sum.", "mean(axis=0) for sum(axis=0)", "backward"),
        Mistake(
            "dx-divided",
            "dx is divided by the batch size: the loss has divided already.",
            "1/N in every layer",
            "backward",
        ),
        Mistake(
            "db-not-summed",
            "db is not summed over the batch: every example used the same b, so its gradients add up.",
            "b + broadcasting hides the sum",
            "backward",
        ),
        Mistake(
            "db-wrong-axis",
            "db is summed over the outputs: sum over the batch, axis 0.",
            "axis=1 for axis=0",
            "backward",
        ),
        Mistake(
            "db-one-number",
            "db is summed over everything: each output has its own bias.",
            "np.sum without axis",
            "backward",
        ),
        Mistake(
            "db-keepdims",
            "db has the shape (1, K): b is (K,), so sum without keepdims.",
            "keepdims=True from habit",
            "backward",
        ),
        Mistake(
            "order-swapped",
            "The results are in another order: dx, then dW, then db.",
            "the docstring half read",
            "backward",
        ),
    ],
)
