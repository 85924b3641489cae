"""Attention pooling: masks, axes, and empty texts."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def truth(x, w, mask):
    y = np.zeros((x.shape[0], x.shape[2]))
    for n in range(len(x)):
        open_ = [position for position in range(x.shape[1]) if mask[n, position]]
        if open_:
            scores = np.array([[sum(x[n, p, d] * w[d] for d in range(len(w))) for p in open_]])
            for weight, p in zip(reference.softmax(scores)[0], open_, strict=True):
                y[n] += weight * x[n, p]
    return y


def wrong(m):
    def attention_pool(x, w, mask):
        e = x @ w
        if "scaled" in m:
            e = e / np.sqrt(len(w))
        if "mask-ignored" in m:
            mask = np.ones(mask.shape, bool)
        if "mask-inverted" in m:
            mask = ~mask
        if "mask-multiplies-scores" in m:
            e, mask = e * mask, np.ones(mask.shape, bool)
        if "empty-mean" in m:
            e, mask = np.where(mask, e, -1e9), np.ones(mask.shape, bool)
        everywhere = e
        if "mask-multiplies-both" not in m:
            e = np.where(mask, e, -np.inf)
        axis = 0 if "wrong-axis" in m else 1
        seen = everywhere if "closed-maximum" in m else e
        top = e.max() if "batch-maximum" in m else 0 if "no-shift" in m else seen.max(axis=axis, keepdims=True)
        if "batch-maximum" not in m and "no-shift" not in m and "empty-nan" not in m:
            top = np.where(np.isfinite(top), top, 0)
        a = np.exp(e - top)
        total = a.sum(axis=axis, keepdims=True)
        if "empty-nan" not in m:
            total = np.where(total == 0, np.nan if "batch-maximum" in m else 1, total)
        if "masked-after-softmax" in m:
            raw = np.exp((x @ w) - (x @ w).max(axis=1, keepdims=True))
            a, total = raw * mask, raw.sum(axis=1, keepdims=True)
        if "mask-multiplies-both" in m:
            raw = np.exp(e * mask - (e * mask).max(axis=1, keepdims=True))
            a, total = raw * mask, raw.sum(axis=1, keepdims=True)
        a = a / total
        if "batch-maximum" in m:
            a = np.where(mask.any(axis=1, keepdims=True), a, 0)
        if "uniform" in m:
            a = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        if "hard" in m:
            a = (np.arange(x.shape[1]) == np.where(mask, x @ w, -np.inf).argmax(axis=1)[:, None]) * mask
        y = np.einsum("nl,nld->nd", a, x)
        return y / x.shape[1] if "divided-by-length" in m else y

    return {"attention_pool": attention_pool}


def masks(rng, n, length):
    mask = rng.random((n, length)) < 0.6
    mask[:, 0], mask[-1, -1] = True, False
    return mask


def draws(rng):
    shapes = [(2, 3, 2), (size(rng, 3, 4), 5, 3), (3, 3, 3)]
    return [
        call("attention_pool", normal(rng, n, length, d), normal(rng, d), masks(rng, n, length))
        for n, length, d in shapes
    ]


def empty(rng):
    mask = np.array([[True, False, True], [False, False, False]])
    return [call("attention_pool", normal(rng, 2, 3, 2), normal(rng, 2), mask)]


def large(rng):
    x, closed, w = normal(rng, 2, 3, 2), normal(rng, 1, 3, 2), array([1, 0.5])[0]
    x[0, :, 0] = [1000, 1001, 999]
    x[1, :, 0] = [-1000, -1001, -999]
    closed[0, :, 0] = [0, 1, 1000]
    return [
        call("attention_pool", x, w, np.ones((2, 3), bool)),
        call("attention_pool", closed, w, np.array([[True, True, False]])),
    ]


EXERCISE = Exercise(
    "e16_attention_pool",
    "Attention pooling",
    25,
    "hard",
    ["attention_pool"],
    {"attention_pool": truth},
    wrong=wrong,
    given=["softmax"],
    checks=[
        Check(
            "example",
            "the worked example comes out",
            2,
            lambda rng: [
                call(
                    "attention_pool",
                    array([0, 1], [np.log(3), 5], [9, 9])[None],
                    np.array([1.0, 0]),
                    np.array([[True, True, False]]),
                )
            ],
        ),
        Check("draws", "the result is right: the weights are a softmax over the open positions", 5, draws),
        Check("empty", "the result is right for a text without open positions too: zeros", 1, empty),
        Check("large", "the result is right at scores of 1,000 too", 1, large),
        Check("untouched", "the arguments stay as they were", 1, draws),
    ],
    mistakes=[
        Mistake("mask-ignored", "Closed positions have weight too: they must have 0.", "the mask forgotten", "draws"),
        Mistake(
            "mask-inverted",
            "The open positions are closed and the closed ones open.",
            "True taken for padding",
            "draws",
        ),
        Mistake(
            "mask-multiplies-scores",
            "Closed positions get the score 0, which is an ordinary score: they need -inf.",
            "scores * mask",
            "draws",
            also=["mask-multiplies-both"],
        ),
        Mistake(
            "masked-after-softmax",
            "The weights are closed after softmax, so the open ones no longer sum to 1.",
            "softmax(e) * mask",
            "draws",
        ),
        Mistake("wrong-axis", "softmax runs over the batch: it runs over the positions, axis 1.", "axis=0", "draws"),
        Mistake("no-shift", "The exponentials overflow: subtract each row's maximum.", "cs231n.github.io#277", "large"),
        Mistake(
            "batch-maximum", "The maximum is that of the whole batch: take each text's own.", "crysx_nn#7", "large"
        ),
        Mistake(
            "closed-maximum",
            "The maximum is taken over closed positions too: far below a closed one, the open ones all become 0.",
            "softmax(e) * mask, divided by its sum",
            "large",
        ),
        Mistake(
            "empty-nan", "A text without open positions gives NaN (0/0): it gives zeros.", "0/0 left alone", "empty"
        ),
        Mistake(
            "empty-mean",
            "A text without open positions gives the mean of the closed ones, as all their scores are equal: zeros are "
            "asked for.",
            "-1e9 for -inf",
            "empty",
        ),
        Mistake(
            "scaled", "The scores are divided by the root of D: here they are not.", "dot-product attention", "draws"
        ),
        Mistake("uniform", "All open positions weigh the same: that is mean pooling.", "the scores forgotten", "draws"),
        Mistake(
            "hard",
            "Only the position with the largest score counts: softmax weighs all.",
            "argmax for softmax",
            "draws",
        ),
        Mistake(
            "divided-by-length",
            "The weighted sum is divided by L: the weights sum to 1 already.",
            "mean for sum",
            "draws",
        ),
    ],
)
