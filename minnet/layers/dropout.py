"""Dropout switches units off at random while training, so that none can be relied on alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.layers.base import Layer


class Dropout(Layer):
    """In training, each number becomes 0 with probability p, else x / (1 - p): its expectation stays x.

    Since p 0 + (1 - p) x / (1 - p) = x, it can be the identity in evaluation (Srivastava et al., JMLR 15, 2014, leave
    what is kept as it is, and multiply by 1 - p in evaluation). Shapes: x any, y the same. The Trainer sets `rng` to a
    fresh generator for every piece of every step, so that a step can be replayed.
    """

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        if not isinstance(p, (int, float, np.number)) or not 0 <= p < 1:
            raise ValueError(f"Dropout's p is the probability of switching off, in [0, 1), got {p!r}")
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        if self.training and self.p > 0:
            kept = self.rng.random(x.shape, np.float32) >= self.p
            mask = kept.astype(x.dtype) / x.dtype.type(1 - self.p)
        else:
            mask = np.ones((1,) * x.ndim, x.dtype)
        self._cache = mask, x.shape
        return x * mask

    # y = mask x, with a mask that does not depend on x: dx = mask dy.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        mask, shape = self._recall()
        self._expect_dy(dy, shape)
        return mask * dy
