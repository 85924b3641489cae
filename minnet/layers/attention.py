"""Attention pooling: the network decides by a softmax which positions to look at."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.functional import softmax
from minnet.initializers import uniform_fan_in
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.pooling import expect_places


class AttentionPool(Layer):
    """A weighted mean over positions: scores e_nl = x_nl . W, weights a_n = softmax of e_n, y_n = sum_l a_nl x_nl.

    Shapes: x (N, L, D), W (D,), y (N, D). Inside a MaskedSequential, padding has weight 0; a text of padding only
    gives zeros. `weights` (N, L), for heat maps, are those of the layer's last forward pass: call
    `model.eval().forward(ids)` first, since `fit` and `predict` run replicas and do not change them here.
    """

    parameters = ("W",)
    mask: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __init__(self, features: int, rng: Any = None) -> None:
        self.features = whole("features", features)
        self.W = uniform_fan_in((self.features, 1), np.random.default_rng(rng))[:, 0].copy()

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        if x.ndim != 3 or x.shape[2] != self.features:
            raise ValueError(f"{self!r} expects (N, L, {self.features}), got {x.shape}")
        expect_places(self, x)
        scores = x @ self.W  # (N, L)
        if self.mask is not None:
            empty = ~self.mask.any(axis=1, keepdims=True)
            scores = np.where(self.mask | empty, scores, scores.dtype.type(-np.inf))
            a = softmax(scores) * ~empty
        else:
            a = softmax(scores)
        self.weights = a
        self._cache = x, a
        return np.einsum("nl,nld->nd", a, x)

    # For each example y_d = sum_l a_l x_ld, which depends on x directly and through the weights a.
    #   the weights:  r_l = dL/da_l = sum_d dy_d x_ld
    #   the scores:   de_l = a_l (r_l - sum_m a_m r_m)      (the backward pass of softmax, see layers/softmax.py)
    #   e_l = sum_d x_ld W_d, so   dW_d = sum over n, l of de_nl x_nld   and   dx_ld = a_l dy_d + de_l W_d
    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, a = self._recall()
        self._expect_dy(dy, (len(x), self.features))
        r = np.einsum("nd,nld->nl", dy, x)
        de = a * (r - (a * r).sum(axis=1, keepdims=True))
        if self._learns("W"):
            self.dW = np.einsum("nl,nld->d", de, x)
        return a[..., None] * dy[:, None, :] + de[..., None] * self.W
