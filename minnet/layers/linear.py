"""The linear layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.initializers import uniform_fan_in
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.row_gradient import row_gradient


class Linear(Layer):
    """Every output is a weighted sum of all inputs: y = x W + b.

    Shapes: x (N, in_features), an array or a SciPy CSR matrix; y (N, out_features), W (in_features, out_features),
    b (out_features,) or None. Of a CSR matrix dW is a RowGradient, and there is no dx.
    """

    parameters = ("W", "b")

    def __init__(self, in_features: int, out_features: int, bias: bool = True, rng: Any = None) -> None:
        rng = np.random.default_rng(rng)
        self.in_features, self.out_features = whole("in_features", in_features), whole("out_features", out_features)
        self.bias = bias
        self.W = uniform_fan_in((self.in_features, self.out_features), rng)
        self.b = np.zeros(self.out_features, np.float32) if bias else None

    def forward(self, x: Any) -> np.ndarray:
        if hasattr(x, "tocsr"):
            x = self._expect_sparse(x)
        else:
            self._expect(x, features=self.in_features)
        self._cache = x
        y = x @ self.W
        if self.b is not None:
            y += self.b
        return y

    # y_nk = sum_i x_ni W_ik + b_k, and dy_nk = dL/dy_nk is given. By the chain rule the gradient of a number is the sum
    # over every y_nk that it went into of dy_nk times the slope of y_nk in it: x_ni in W_ik, 1 in b_k, W_ik in x_ni. So
    #   dL/dW_ik = sum_n x_ni dy_nk     dW = x^T dy
    #   dL/db_k  = sum_n dy_nk          db = sum over the batch of dy
    #   dL/dx_ni = sum_k dy_nk W_ik     dx = dy W^T
    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        x = self._recall()
        self._expect_dy(dy, (x.shape[0], self.out_features))
        sparse = hasattr(x, "tocsr")
        if self._learns("W"):
            self.dW = row_gradient(x, dy) if sparse else x.T @ dy
        if self._learns("b"):
            self.db = dy.sum(axis=0)
        return dy @ self.W.T if self.needs_dx and not sparse else None

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return int(np.prod(y_shape) * self.in_features)

    def _expect_sparse(self, x: Any) -> Any:
        if x.format != "csr":
            raise ValueError(f"{self!r} takes sparse rows as CSR, got {x.format.upper()}: use x.tocsr()")
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(f"{self!r} expects (N, {self.in_features}), got {x.shape}: was another vectorizer used?")
        self._expect_dtype(x)
        return x
