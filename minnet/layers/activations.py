"""Activations bend the line: without them, any stack of linear layers is one linear layer."""

from __future__ import annotations

import numpy as np

from minnet.functional import gelu_and_slope, sigmoid
from minnet.layers.base import Layer


class _Elementwise(Layer):
    """Applies one function to every number: y and dx have the shape of x, which may be any.

    A subclass gives the function's value and what its derivative needs; backward is dx = dy f'(x).
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        y, self._cache = self._value(x)
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        kept = self._recall()
        self._expect_dy(dy, kept.shape)
        slope = self._slope(kept)
        return np.multiply(slope, dy, out=None if slope is kept else slope)

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(x), and the array that `_slope` will see."""
        raise NotImplementedError

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class ReLU(_Elementwise):
    """max(x, 0): the derivative is 1 where x > 0, else 0 (at 0 itself we choose 0)."""

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = x.clip(0, np.inf)  # np.maximum(x, 0) is no faster, and on some processors three times slower
        return y, y

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        return (kept > 0).astype(kept.dtype)


class LeakyReLU(_Elementwise):
    """x where x > 0, else negative_slope * x: a unit that is off still learns."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x * self._slope(x), x

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        slopes = np.array([self.negative_slope, 1], kept.dtype)
        return slopes.take((kept > 0).view(np.int8))  # np.where guesses, and wrong signs in random order cost six times


class Sigmoid(_Elementwise):
    """s = 1 / (1 + e^-x), between 0 and 1. ds/dx = e^-x / (1 + e^-x)^2 = s (1 - s)."""

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s = sigmoid(x)
        return s, s

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        return kept * (1 - kept)


class Tanh(_Elementwise):
    """tanh x, between -1 and 1. Its derivative is 1 - tanh^2 x."""

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = np.tanh(x)
        return y, y

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        return 1 - kept * kept


class GELU(_Elementwise):
    """x Phi(x), where Phi(x) = P(z <= x) = (1 + erf(x / sqrt 2)) / 2 for a standard normal z (arXiv 1606.08415).

    d/dx x Phi(x) = Phi(x) + x phi(x) with the density phi(x) = e^(-x^2/2) / sqrt(2 pi), the derivative of Phi. Value
    and slope share most of their work, so the forward pass computes both.
    """

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return gelu_and_slope(x)

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        return kept


class Scale(_Elementwise):
    """factor * x with a fixed factor: scores made smaller start the softmax nearer to uniform."""

    def __init__(self, factor: float) -> None:
        self.factor = float(factor)

    def _value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x * x.dtype.type(self.factor), x

    def _slope(self, kept: np.ndarray) -> np.ndarray:
        return np.full_like(kept, self.factor)
