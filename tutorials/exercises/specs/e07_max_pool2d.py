"""Max pooling: ties, overlapping windows, and negative images."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def wrong(m):
    def max_pool2d(x, size, stride):
        if "stride-ignored" in m:
            stride = size
        n, height, width, c = x.shape
        if "ceil" in m:
            h, w = -(-(height - size) // stride) + 1, -(-(width - size) // stride) + 1
        else:
            h, w = (height - size) // stride + 1, (width - size) // stride + 1
        if "output-one-short" in m:
            h, w = h - 1, w - 1
        y = np.zeros((n, h, w, c))
        for a in range(h):
            for b in range(w):
                window = x[:, a * stride : a * stride + size, b * stride : b * stride + size]
                if "average" in m:
                    y[:, a, b] = window.mean(axis=(1, 2))
                elif "minimum" in m:
                    y[:, a, b] = window.min(axis=(1, 2))
                elif "over-channels" in m:
                    y[:, a, b] = window.max(axis=(1, 2, 3))[:, None]
                elif "over-batch" in m:
                    y[:, a, b] = window.max(axis=(0, 1, 2))
                elif "absolute" in m:
                    y[:, a, b] = np.abs(window).max(axis=(1, 2))
                else:
                    y[:, a, b] = window.max(axis=(1, 2))
        return np.maximum(y, 0) if "zero-wins" in m else y

    def max_pool2d_backward(dy, x, size, stride):
        dx = np.zeros(x.shape)
        for a in range(dy.shape[1]):
            for b in range(dy.shape[2]):
                here = np.s_[:, a * stride : a * stride + size, b * stride : b * stride + size]
                window = x[here]
                n, i, j, c = window.shape
                flat = window.reshape(n, i * j, c)
                won = np.zeros_like(flat)
                if "ties-last" in m:
                    np.put_along_axis(won, i * j - 1 - flat[:, ::-1].argmax(axis=1)[:, None], 1, axis=1)
                elif "ties-all" in m or "ties-shared" in m:
                    won = (flat == flat.max(axis=1, keepdims=True)) * 1.0
                    if "ties-shared" in m:
                        won /= won.sum(axis=1, keepdims=True)
                elif "winner-over-channels" in m:
                    everything = window.reshape(n, -1)
                    won = np.zeros_like(everything)
                    np.put_along_axis(won, everything.argmax(axis=1)[:, None], 1, axis=1)
                elif "spread-evenly" in m:
                    won = np.full(flat.shape, 1 / (i * j))
                else:
                    np.put_along_axis(won, flat.argmax(axis=1)[:, None], 1, axis=1)
                part = won.reshape(window.shape)
                if "dy-forgotten" not in m:
                    part = part * dy[:, a : a + 1, b : b + 1]
                if "value-for-slope" in m:
                    part = part * window
                if "overlap-overwritten" in m:
                    dx[here] = part
                elif "winner-overwritten" in m:
                    dx[here] = np.where(part != 0, part, dx[here])
                else:
                    dx[here] += part
        return dx

    return {"max_pool2d": max_pool2d, "max_pool2d_backward": max_pool2d_backward}


def settings(rng):
    c = size(rng, 2, 3)
    return [
        ((1, 4, 4, 1), 2, 2),
        ((2, 5, 6, c), 2, 2),
        ((2, 5, 4, c), 3, 1),
        ((2, 6, 5, c), 2, 1),
        ((2, 7, 6, 1), 3, 2),
    ]


def forward(rng):
    return [call("max_pool2d", normal(rng, *x), k, s) for x, k, s in settings(rng)]


def backward(rng, whole=False):
    cases = []
    for xs, k, s in settings(rng):
        x = rng.integers(0, 3, xs) * 1.0 if whole else rng.permutation(int(np.prod(xs))).reshape(xs) / 10 - 5
        dy = normal(rng, xs[0], (xs[1] - k) // s + 1, (xs[2] - k) // s + 1, xs[3])
        cases.append(call("max_pool2d_backward", dy, x, k, s))
    return cases


X = array([1, 2, 5], [3, 4, 0], [9, 8, 7]).reshape(1, 3, 3, 1)

EXERCISE = Exercise(
    "e07_max_pool2d",
    "Max pooling",
    30,
    "medium",
    ["max_pool2d", "max_pool2d_backward"],
    {"max_pool2d": reference.max_pool2d, "max_pool2d_backward": reference.max_pool2d_backward},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [
                call("max_pool2d", X, 2, 1),
                call("max_pool2d_backward", array([1, 2], [3, 4]).reshape(1, 2, 2, 1), X, 2, 1),
            ],
        ),
        Check("forward", "each window gives its largest number, for every size and stride", 3, forward),
        Check(
            "negative",
            "the maxima of negative numbers are right too",
            1,
            lambda rng: [call("max_pool2d", -np.abs(normal(rng, 2, 4, 4, 2)) - 1, 2, 2)],
        ),
        Check("backward", "dy goes to the winner, and adds up where windows overlap", 4, backward),
        Check(
            "ties",
            "dx is right where numbers are equal too: the first in reading order wins",
            1,
            lambda rng: backward(rng, True),
        ),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: [forward(rng)[1], backward(rng)[1]]),
    ],
    mistakes=[
        Mistake("average", "These are averages of the windows, not maxima.", "the other pooling", "forward"),
        Mistake("minimum", "These are minima of the windows.", "min for max", "forward"),
        Mistake("absolute", "The largest absolute value is taken: -5 would beat 3.", "abs for edges", "forward"),
        Mistake(
            "zero-wins",
            "No maximum is below 0: a 0 (padding, or the start of a running maximum) wins over negative numbers.",
            "np.zeros as the start of a running maximum",
            "negative",
        ),
        Mistake(
            "over-channels",
            "The maximum runs over the channels too: each channel has its own.",
            "grey images in tests",
            "forward",
            also=["winner-over-channels"],
        ),
        Mistake(
            "over-batch",
            "The maximum runs over the batch too: each example has its own.",
            "batches of one in tests",
            "forward",
        ),
        Mistake(
            "stride-ignored", "stride has no effect: the windows lie side by side.", "stride = size in tests", "forward"
        ),
        Mistake(
            "ceil",
            "There is a window that juts out over the edge: what is left over is not looked at.",
            "ceil for floor",
            "forward",
        ),
        Mistake(
            "output-one-short",
            "The last row and column of windows are missing: (H - size) // stride + 1.",
            "the + 1 forgotten",
            "forward",
        ),
        Mistake(
            "ties-all",
            "Of several equal numbers in a window all get the whole dy: only the first one does.",
            "the mask x == max in many scripts",
            "ties",
        ),
        Mistake(
            "ties-shared",
            "Equal numbers in a window share dy: only the first one gets it.",
            "autograd's amax does so",
            "ties",
        ),
        Mistake(
            "ties-last",
            "Of several equal numbers the last gets dy: the first one does.",
            ">= in a running maximum",
            "ties",
        ),
        Mistake(
            "overlap-overwritten",
            "Where windows overlap, the later one erases the earlier: add up with +=.",
            "= for +=",
            "backward",
        ),
        Mistake(
            "winner-overwritten",
            "A place that wins twice keeps only the last dy: add up with +=.",
            "dx[winner] = dy",
            "backward",
        ),
        Mistake(
            "spread-evenly",
            "dy is spread over the whole window: that is average pooling's gradient.",
            "the other pooling",
            "backward",
        ),
        Mistake("dy-forgotten", "The winners get 1: they get dy.", "tests with an upstream gradient of 1", "backward"),
        Mistake(
            "value-for-slope",
            "dy is multiplied by the winning number: the slope of a maximum is 1.",
            "y for dy/dx",
            "backward",
        ),
    ],
)
