"""Layers that only rearrange: the numbers stay, their shape changes."""

from __future__ import annotations

import numpy as np

from minnet.layers.base import Layer


class Flatten(Layer):
    """All features of an example in one row: (N, ...) -> (N, D), in the order H, W, C for images."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not isinstance(x, np.ndarray):
            raise ValueError(f"Flatten expects a NumPy array, got {type(x).__name__}: CSR rows are flat, leave it out")
        self._cache = x.shape
        return x.reshape(len(x), int(np.prod(x.shape[1:])))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape = self._recall()
        self._expect_dy(dy, (shape[0], int(np.prod(shape[1:]))))
        return dy.reshape(shape)


class Reshape(Layer):
    """Each example takes a new shape: (N, ...) -> (N, *shape), where one entry may be -1."""

    def __init__(self, *shape: int) -> None:
        if not all(isinstance(n, (int, np.integer)) for n in shape):
            raise ValueError(
                f"Reshape takes whole numbers one by one, as in Reshape(2, 2); got {', '.join(map(repr, shape))}"
            )
        self.shape = shape

    def forward(self, x: np.ndarray) -> np.ndarray:
        try:
            shape = np.empty(x.shape[1:], bool).reshape(self.shape).shape  # says what -1 is, for N = 0 as well
        except ValueError:
            raise ValueError(f"{self!r} cannot give {x.shape[1:]} another shape of as many numbers") from None
        y = x.reshape(len(x), *shape)
        self._cache = x.shape, y.shape
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        before, after = self._recall()
        self._expect_dy(dy, after)
        return dy.reshape(before)
