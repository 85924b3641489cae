"""Dropout: the scale, the mask, and the two modes."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake
from tutorials.exercises.messages import Call, Seed
from tutorials.exercises.specs.numbers import normal, size


class Truth:
    def __init__(self, p, rng):
        self.p, self.rng, self.training = p, rng, True

    def forward(self, x):
        self.factors = np.ones(x.shape)
        if self.training:
            u = self.rng.random(x.shape)
            for place in np.ndindex(x.shape):
                self.factors[place] = 1 / (1 - self.p) if u[place] >= self.p else 0
        return self._times(x)

    def backward(self, dy):
        return self._times(dy)

    def _times(self, x):
        y = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            y[place] = self.factors[place] * x[place]
        return y


def wrong(m):
    class Dropout:
        __init__ = Truth.__init__

        def _draw(self, x):
            if "mask-shared" in m:
                return np.broadcast_to(self.rng.random(x.shape[-1]), x.shape)
            if "mask-shared-by-rows" in m:
                return np.broadcast_to(self.rng.random(x.shape[1:]), x.shape)
            if "normal-draw" in m:
                return self.rng.standard_normal(x.shape)
            return self.rng.random(x.shape)

        def forward(self, x):
            self.was = self.training
            on = self.training or "drops-in-evaluation" in m
            if not on:
                if "draws-in-evaluation" in m:
                    self._draw(x)
                self.scaled = (1 - self.p) if "scaled-in-evaluation" in m else 1.0
                if not {"backward-old-mask", "backward-by-mode-mask-kept"} & m:
                    self.mask = np.ones(x.shape)
                return x * self.scaled
            if not ("same-mask" in m and hasattr(self, "first") and self.first.shape == x.shape):
                self.first = self._draw(x)
            u = self.first
            kept = u < self.p if "p-swapped" in m or "kept-inverted" in m else u >= self.p
            scale = 1 / np.float64(self.p) if "p-swapped" in m or "divided-by-p" in m else 1 / (1 - self.p)
            kept = u > self.p if "drops-at-p" in m else kept
            if "not-scaled" in m or "scaled-in-evaluation" in m:
                scale = 1.0
            if "multiplied" in m:
                scale = 1 - self.p
            self.mask = kept * scale
            self.y = x * self.mask
            if "backward-not-scaled" in m:
                self.mask = kept * 1.0
            return self.y

        def backward(self, dy):
            by_mode = {"backward-by-mode", "backward-by-mode-mask-kept"} & m
            if "backward-identity" in m or (by_mode and not self.training):
                return dy
            by_forward = "second-draw-by-forward" in m and self.was
            if ("second-draw" in m and self.training) or by_forward or "second-draw-always" in m:
                self.mask = (self.rng.random(dy.shape) >= self.p) / (1 - self.p)
            if "backward-from-output" in m and self.training:
                return dy * (self.y != 0) / (1 - self.p)
            return dy * self.mask

    return {"Dropout": Dropout}


def made(rng, p):
    return Call("make", "Dropout", (p, Seed(size(rng, 0, 10**6))))


PS = (0.25, 0.5, 0.8)


def forward(rng):
    shapes = [(2, 4), (size(rng, 3, 5), size(rng, 3, 5)), (2, 3, 3, 2)]
    cases = [[made(rng, p), Call("method", "forward", (normal(rng, *s) + 3,))] for s, p in zip(shapes, PS, strict=True)]
    seed = size(rng, 0, 10**6)  # of draws one of which is p itself
    p = float(np.sort(np.random.default_rng(seed).random((2, 3)), axis=None)[3])
    return [*cases, [Call("make", "Dropout", (p, Seed(seed))), Call("method", "forward", (normal(rng, 2, 3) + 3,))]]


def twice(rng):
    x = normal(rng, 3, 4) + 3
    forward, off, on = Call("method", "forward", (x,)), *(Call("set", "training", (v,)) for v in (False, True))
    return [[made(rng, 0.4), forward, forward], [made(rng, 0.4), off, forward, on, forward]]


def evaluation(rng):
    x, dy = normal(rng, 3, 4) + 3, normal(rng, 3, 4) + 2
    off = Call("set", "training", (False,))
    return [
        [made(rng, 0.4), off, Call("method", "forward", (x,))],
        [
            made(rng, 0.4),
            Call("do", "forward", (x,)),
            off,
            Call("method", "forward", (x,)),
            Call("method", "backward", (dy,)),
        ],
    ]


def backward(rng):
    cases = []
    for p in PS:
        x = normal(rng, 3, size(rng, 4, 6))
        x[:, 0] = 0  # a zero that is kept must pass its gradient
        cases.append(
            [made(rng, p), Call("do", "forward", (x,)), Call("method", "backward", (normal(rng, *x.shape) + 2,))]
        )
    # The mode changes after the forward pass: that pass counts.
    x, off, on = normal(rng, 3, 4) + 3, *(Call("set", "training", (v,)) for v in (False, True))
    forward, backward = Call("do", "forward", (x,)), Call("method", "backward", (normal(rng, *x.shape) + 2,))
    cases.append([made(rng, 0.4), forward, off, backward])
    cases.append([made(rng, 0.4), forward, off, forward, on, backward])
    return cases


def nothing(rng):
    x = normal(rng, 2, 3) + 3
    return [[made(rng, 0.0), Call("method", "forward", (x,)), Call("method", "backward", (x,))]]


EXERCISE = Exercise(
    "e09_dropout",
    "Dropout",
    15,
    "medium",
    ["Dropout"],
    {"Dropout": Truth},
    core=True,
    wrong=wrong,
    checks=[
        Check("forward", "in training, x / (1 - p) where u >= p, else 0", 3, forward),
        Check("fresh", "a second call is right too: it draws afresh, and only training draws", 1, twice),
        Check("evaluation", "in evaluation nothing is dropped and nothing scaled", 2, evaluation),
        Check("backward", "dx is right: dy goes the way that x went", 3, backward),
        Check("nothing", "p = 0 is right too: nothing happens", 1, nothing),
        Check(
            "untouched", "x and dy stay as they were", 1, lambda rng: [forward(rng)[0], backward(rng)[0]], "untouched"
        ),
    ],
    mistakes=[
        Mistake(
            "not-scaled",
            "What is kept is not scaled: divide by 1 - p, so that the mean stays.",
            "the scale forgotten",
            "forward",
        ),
        Mistake(
            "scaled-in-evaluation",
            "The scale stands in evaluation, times 1 - p: here training divides by 1 - p and "
            "evaluation leaves x alone.",
            "the original paper's form (Srivastava et al. 2014)",
            "evaluation",
        ),
        Mistake(
            "divided-by-p", "What is kept is divided by p: the chance to be kept is 1 - p.", "p for 1 - p", "forward"
        ),
        Mistake(
            "multiplied", "What is kept is multiplied by 1 - p: divide by it.", "the direction of the scale", "forward"
        ),
        Mistake(
            "p-swapped",
            "p is used as the chance to be kept: it is the chance to be dropped.",
            "TensorFlow 1 called it keep_prob",
            "forward",
        ),
        Mistake("drops-at-p", "What is drawn exactly at p is dropped: kept is where u >= p.", "> for >=", "forward"),
        Mistake("kept-inverted", "The wrong ones are dropped: kept is where u >= p.", "< for >=", "forward"),
        Mistake(
            "mask-shared",
            "One mask serves the whole batch: draw one number for each number of x.",
            "rng.random(features)",
            "forward",
            also=["mask-shared-by-rows"],
        ),
        Mistake(
            "normal-draw",
            "The draw is from a normal distribution: rng.random is uniform in [0, 1).",
            "randn for rand",
            "forward",
        ),
        Mistake(
            "same-mask",
            "The second call uses the mask of the first: draw in every call.",
            "drawn once and kept",
            "fresh",
        ),
        Mistake(
            "draws-in-evaluation",
            "Evaluation draws numbers too: then what training draws depends on how often it was evaluated.",
            "rng.random before the if",
            "fresh",
        ),
        Mistake("drops-in-evaluation", "It drops in evaluation too.", "self.training not looked at", "evaluation"),
        Mistake(
            "backward-old-mask",
            "After a forward pass in evaluation, backward still uses the mask of training.",
            "the mask is not reset",
            "evaluation",
        ),
        Mistake(
            "backward-by-mode",
            "backward goes by what self.training is now: it must go by what the last forward pass did.",
            "if self.training in backward",
            "backward",
            also=["backward-by-mode-mask-kept"],
        ),
        Mistake(
            "backward-identity",
            "backward passes everything: what was dropped has no gradient.",
            "backward forgotten",
            "backward",
        ),
        Mistake(
            "backward-not-scaled",
            "backward lacks the factor 1 / (1 - p) of the forward pass.",
            "a mask of 0 and 1 kept",
            "backward",
        ),
        Mistake(
            "second-draw",
            "backward draws a mask of its own: it must use the one of the forward pass.",
            "drawn where it is used",
            "backward",
            also=["second-draw-by-forward", "second-draw-always"],
        ),
        Mistake(
            "backward-from-output",
            "backward looks where y is not 0: a kept 0 passes its gradient too.",
            "the mask rebuilt from y",
            "backward",
        ),
    ],
)
