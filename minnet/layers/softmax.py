"""Softmax as a layer: scores become probabilities."""

from __future__ import annotations

import numpy as np

from minnet.functional import softmax
from minnet.layers.base import Layer


class Softmax(Layer):
    """s_i = e^(x_i) / sum_j e^(x_j) along the last axis. Shapes: x, y and dx (..., K).

    For a lesson, or inside a network (attention). To classify, leave it out and use SoftmaxCrossEntropy on the
    scores: fused, the pair is exact where a probability underflows.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        self._cache = softmax(x)
        return self._cache

    # ds_i/dx_j = s_i (delta_ij - s_j), so
    #   dL/dx_j = sum_i dy_i s_i (delta_ij - s_j) = s_j (dy_j - sum_i dy_i s_i)
    # The K x K Jacobian is never built: one scalar product a row, O(K).
    def backward(self, dy: np.ndarray) -> np.ndarray:
        s = self._recall()
        self._expect_dy(dy, s.shape)
        return s * (dy - (dy * s).sum(axis=-1, keepdims=True))
