"""ReLU: what happens at zero, and whose sign decides."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def truth_relu(x):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        if x[place] > 0:
            y[place] = x[place]
    return y


def truth_relu_backward(dy, x):
    dx = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        if x[place] > 0:
            dx[place] = dy[place]
    return dx


def wrong(m):
    def relu(x):
        y = np.maximum(x, 0)
        if "leaky" in m:
            y = np.where(x > 0, x, 0.01 * x)
        if "absolute" in m:
            y = np.abs(x)
        if "minimum" in m:
            y = np.minimum(x, 0)
        if "step" in m:
            y = (x > 0) * 1.0
        if "capped" in m:
            y = np.minimum(y, 1)
        if "floor-at-one" in m:
            y = np.maximum(x, 1)
        return y

    def relu_backward(dy, x):
        mask = (x >= 0 if "passes-at-zero" in m else x > 0) * 1.0
        if "mask-of-dy" in m:
            mask = (dy > 0) * 1.0
        if "mask-inverted" in m:
            mask = 1 - mask
        if "backward-identity" in m:
            mask = np.ones(x.shape)
        if "sign-of-x" in m:
            mask = np.sign(x)
        if "leaky" in m:
            mask = np.where(mask > 0, 1, 0.01)
        if "value-for-slope" in m:
            mask = np.maximum(x, 0)
        if "both-positive" in m:
            mask = mask * (dy > 0)
        return mask if "dy-forgotten" in m else dy * mask

    return {"relu": relu, "relu_backward": relu_backward}


def shapes(rng):
    return [(2, 3), (size(rng, 3, 5), size(rng, 2, 4)), (2, 2, 3, 2), (5,)]


EXERCISE = Exercise(
    "e05_relu",
    "ReLU",
    10,
    "easy",
    ["relu", "relu_backward"],
    {"relu": truth_relu, "relu_backward": truth_relu_backward},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [call("relu", array([-1, 0, 2])), call("relu_backward", array([5, 6, -7]), array([-1, 0, 2]))],
        ),
        Check(
            "forward",
            "negative numbers become 0, the others stay, whatever the shape",
            3,
            lambda rng: [call("relu", normal(rng, *s, scale=2)) for s in shapes(rng)],
        ),
        Check(
            "backward",
            "dy passes where x is positive, and only there",
            3,
            lambda rng: [call("relu_backward", normal(rng, *s), normal(rng, *s)) for s in shapes(rng)],
        ),
        Check(
            "zero",
            "dx is right where x = 0 too: nothing passes",
            1,
            lambda rng: [call("relu_backward", normal(rng, 2, 4), rng.integers(-1, 2, (2, 4)) * 1.0)],
        ),
        Check(
            "untouched",
            "x and dy stay as they were",
            2,
            lambda rng: [call("relu", normal(rng, 3, 4)), call("relu_backward", normal(rng, 3, 4), normal(rng, 3, 4))],
        ),
    ],
    mistakes=[
        Mistake(
            "leaky",
            "Negative numbers leak through, times 0.01: that is leaky ReLU.",
            "the variant in many scripts",
            "forward",
        ),
        Mistake("absolute", "Negative numbers are turned positive: they become 0.", "abs for max", "forward"),
        Mistake(
            "minimum",
            "The negative numbers are kept and the positive ones dropped.",
            "np.minimum for np.maximum",
            "forward",
        ),
        Mistake("step", "The result is 0 or 1: that is ReLU's slope, not its value.", "derivative returned", "forward"),
        Mistake("capped", "Numbers above 1 are cut to 1.", "np.clip(x, 0, 1)", "forward"),
        Mistake("floor-at-one", "The numbers are raised to 1 at least: the floor is 0.", "np.maximum(1, x)", "forward"),
        Mistake("passes-at-zero", "At x = 0 the gradient passes: use x > 0, not x >= 0.", ">= for >", "zero"),
        Mistake(
            "mask-of-dy",
            "The sign of dy decides what passes: it must be the sign of x.",
            "relu applied to the gradient",
            "backward",
        ),
        Mistake(
            "both-positive",
            "Negative gradients are dropped as well: only the sign of x decides.",
            "guided backpropagation, or relu applied twice",
            "backward",
        ),
        Mistake(
            "mask-inverted",
            "The gradient passes where x is negative: it passes where x > 0.",
            "dx[x > 0] = 0",
            "backward",
        ),
        Mistake("backward-identity", "The gradient passes everywhere.", "backward forgotten", "backward"),
        Mistake(
            "sign-of-x",
            "The gradient is reversed where x is negative: there it is 0.",
            "the derivative of |x|",
            "backward",
        ),
        Mistake(
            "value-for-slope",
            "dy is multiplied by the output instead of by the slope, which is 0 or 1.",
            "y for dy/dx",
            "backward",
        ),
        Mistake(
            "dy-forgotten",
            "This is the slope alone: multiply it by dy.",
            "tests with an upstream gradient of 1",
            "backward",
        ),
    ],
)
