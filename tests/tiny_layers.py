"""Small correct layers for the tests of the checkers, so that these stand on no layer of the library."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.layers.base import Layer, RowGradient


class Plain(Layer):
    """a layer without arguments"""

    def __init__(self) -> None:
        pass


class Dense(Layer):
    parameters = ("W", "b")

    def __init__(self, inputs: int, outputs: int, bias: bool = True, rng: Any = None) -> None:
        self.inputs, self.outputs, self.bias = inputs, outputs, bias
        rng = np.random.default_rng(rng)
        self.W = rng.standard_normal((inputs, outputs)).astype(np.float32)
        self.b = rng.standard_normal(outputs).astype(np.float32) if bias else None

    def forward(self, x):
        self._expect(x, features=self.inputs) if isinstance(x, np.ndarray) else self._expect_dtype(x)
        y = x @ self.W
        if self.b is not None:
            y = y + self.b
        self._cache = x
        return y

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, (x.shape[0], self.outputs))
        if self._learns("W"):
            self.dW = np.asarray(x.T @ dy)
        if self._learns("b"):
            self.db = dy.sum(axis=0)
        return dy @ self.W.T


class Rectifier(Plain):
    def forward(self, x):
        self._cache = x
        return np.maximum(x, 0)

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, x.shape)
        return dy * (x > 0)


class Squash(Plain):
    """tanh"""

    def forward(self, x):
        self._cache = np.tanh(x)
        return self._cache.copy()

    def backward(self, dy):
        y = self._recall()
        self._expect_dy(dy, y.shape)
        return dy * (1 - y * y)


class Shares(Plain):
    """softmax over the last axis"""

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self._cache = e / e.sum(axis=-1, keepdims=True)
        return self._cache.copy()

    def backward(self, dy):
        s = self._recall()
        self._expect_dy(dy, s.shape)
        return s * (dy - (dy * s).sum(axis=-1, keepdims=True))


class Standardize(Layer):
    """batch norm with a scale, over all axes but the last; running statistics in evaluation"""

    parameters = ("gamma", "beta")
    buffers = ("mean", "variance")

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.gamma = np.linspace(0.5, 2, channels).astype(np.float32)
        self.beta = np.linspace(-1, 1, channels).astype(np.float32)
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)

    def forward(self, x):
        self._expect_dtype(x)
        axes = tuple(range(x.ndim - 1))
        if self.training:
            if x.size // max(x.shape[-1], 1) < 2:
                raise ValueError("Standardize needs at least two numbers a channel in training")
            mean, variance = x.mean(axis=axes), x.var(axis=axes)
            self.mean[...] = 0.9 * self.mean + 0.1 * mean
            self.variance[...] = 0.9 * self.variance + 0.1 * variance
        else:
            mean, variance = self.mean, self.variance
        scale = 1 / np.sqrt(variance + x.dtype.type(1e-5))
        normal = (x - mean) * scale
        self._cache = normal, scale, self.training
        return normal * self.gamma + self.beta

    def backward(self, dy):
        normal, scale, training = self._recall()
        self._expect_dy(dy, normal.shape)
        axes = tuple(range(dy.ndim - 1))
        dgamma, dbeta = (dy * normal).sum(axis=axes), dy.sum(axis=axes)
        if self._learns("gamma"):
            self.dgamma = dgamma
        if self._learns("beta"):
            self.dbeta = dbeta
        if not training:
            return dy * self.gamma * scale
        count = dy.size // dy.shape[-1]
        return self.gamma * scale * (dy - dbeta / count - normal * dgamma / count)


class Lookup(Layer):
    """a row of a table for each token; the gradient of the table is row-sparse"""

    parameters = ("W",)

    def __init__(self, rows: int, width: int) -> None:
        self.rows, self.width = rows, width
        self.W = np.random.default_rng(3).standard_normal((rows, width)).astype(np.float32)

    def forward(self, x):
        if x.dtype.kind not in "iu":
            raise ValueError(f"Lookup expects integer tokens, got {x.dtype}: use x.astype(np.int64)")
        self._cache = x
        return self.W[x]

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, (*x.shape, self.width))
        if self._learns("W"):
            rows, inverse = np.unique(x, return_inverse=True)
            values = np.zeros((len(rows), self.width), dy.dtype)
            np.add.at(values, inverse.ravel(), dy.reshape(-1, self.width))
            self.dW = RowGradient(rows, values)
        return None


class Drop(Layer):
    """dropout"""

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x):
        keep = np.ones(x.shape, x.dtype)
        if self.training:
            keep = (self.rng.random(x.shape) >= self.p).astype(x.dtype) / x.dtype.type(1 - self.p)
        self._cache = keep
        return x * keep

    def backward(self, dy):
        keep = self._recall()
        self._expect_dy(dy, keep.shape)
        return dy * keep


class Peaks(Plain):
    """2x2 max pooling"""

    def forward(self, x):
        _, h, w, _ = x.shape
        quarters = np.stack([x[:, i : h - h % 2 : 2, j : w - w % 2 : 2] for i in (0, 1) for j in (0, 1)])
        self._cache = quarters.argmax(axis=0), x.shape
        return quarters.max(axis=0)

    def backward(self, dy):
        which, shape = self._recall()
        self._expect_dy(dy, which.shape)
        dx = np.zeros(shape, dy.dtype)
        _, h, w, _ = shape
        for index, (i, j) in enumerate([(i, j) for i in (0, 1) for j in (0, 1)]):
            dx[:, i : h - h % 2 : 2, j : w - w % 2 : 2] = dy * (which == index)
        return dx


class Sliding(Layer):
    """3x3 convolution without padding: a sum of nine shifted products"""

    parameters = ("W",)

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.W = np.random.default_rng(5).standard_normal((3, 3, inputs, outputs)).astype(np.float32)

    def forward(self, x):
        self._expect(x, channels=self.inputs)
        _, h, w, _ = x.shape
        self._cache = x
        return sum(x[:, i : h - 2 + i, j : w - 2 + j] @ self.W[i, j] for i in range(3) for j in range(3))

    def backward(self, dy):
        x = self._recall()
        n, h, w, _ = x.shape
        if dy.shape != (n, h - 2, w - 2, self.outputs):
            raise ValueError(f"dy of shape {dy.shape}")
        dW, dx = np.zeros_like(self.W), np.zeros(x.shape, dy.dtype)
        for i in range(3):
            for j in range(3):
                dW[i, j] = np.einsum("nhwc,nhwo->co", x[:, i : h - 2 + i, j : w - 2 + j], dy)
                dx[:, i : h - 2 + i, j : w - 2 + j] += dy @ self.W[i, j].T
        if self._learns("W"):
            self.dW = dW
        return dx
