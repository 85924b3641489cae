"""Pooling summarises neighbourhoods: fewer places, each with the largest or the average of what was there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minnet import kernels
from minnet.layers.arguments import pair
from minnet.layers.base import Layer
from minnet.memory import Geometry, Workspace


class _Pool2d(Layer):
    """What both poolings share: the window's geometry, with PyTorch's names, defaults and rounding."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        kernel = pair("kernel_size", kernel_size)
        step = kernel if stride is None else pair("stride", stride)
        self.geometry = Geometry(kernel, step, pair("padding", padding, 0))
        if any(2 * p > k for p, k in zip(self.geometry.padding, kernel, strict=True)):
            raise ValueError(f"{self!r}: padding may be at most half of kernel_size, as in PyTorch")
        self.workspace = Workspace()

    def replica(self) -> Any:
        twin = super().replica()
        twin.workspace = Workspace()
        return twin

    def _out(self, x: np.ndarray) -> tuple[int, int]:
        """The output's height and width: windows that fit, and with ceil_mode one that starts inside but juts out."""
        if x.ndim != 4:
            raise ValueError(f"{self!r} expects images (N, H, W, C), got {x.shape}")
        if not self.ceil_mode:
            return self.geometry.output(*x.shape[1:3])
        sizes = []
        for length, k, s, p in zip(x.shape[1:3], *self.geometry[:3], strict=True):
            count = -(-(length + 2 * p - k) // s) + 1
            sizes.append(count - 1 if (count - 1) * s >= length + p else count)
        return (sizes[0], sizes[1]) if min(sizes) > 0 else self.geometry.output(*x.shape[1:3])  # which raises


class MaxPool2d(_Pool2d):
    """The largest number of each window, channel by channel. Shapes: x (N, H, W, C), y (N, H', W', C).

    stride defaults to kernel_size; padding never wins.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        out = self._out(x)
        y = kernels.max_pool(x, self.geometry, out, self.workspace)
        self._cache = x, y
        return y

    # y is the largest x of its window, so its slope is 1 in that x and 0 in the others: dy goes to the largest (of
    # several equal ones to the first in reading order). An x that is the largest of several windows gets their sum.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, y = self._recall()
        self._expect_dy(dy, y.shape)
        return kernels.max_pool_backward(dy, x, y, self.geometry, self.workspace)


class AvgPool2d(_Pool2d):
    """The average of each window, channel by channel. Shapes: x (N, H, W, C), y (N, H', W', C).

    Padding counts as zeros in the average (PyTorch's default); what juts out with ceil_mode does not count.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        out = self._out(x)
        y = kernels.sum_pool(x, self.geometry, out, self.workspace)
        y /= self._counts(x, out)
        self._cache = x, out
        return y

    # y = (1 / m) sum of the window's m numbers: each gets dy / m.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, out = self._recall()
        self._expect_dy(dy, (len(x), *out, x.shape[3]))
        return kernels.sum_pool_backward(dy / self._counts(x, out), x, self.geometry)

    def _counts(self, x: np.ndarray, out: tuple[int, int]) -> np.ndarray:
        """How many places each window averages over, (H', W', 1)."""
        sides = []
        for length, k, s, p, n in zip(x.shape[1:3], *self.geometry[:3], out, strict=True):
            start = np.arange(n) * s - p
            sides.append(np.minimum(start + k, length + p) - start)
        return np.multiply.outer(*sides)[..., None].astype(x.dtype)


def expect_places(layer: Any, x: np.ndarray) -> None:
    """Raises ValueError unless x has places to pool over, and one for each token that the layer's mask speaks of."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{layer!r} expects (N, H, W, C) or (N, L, C), got {x.shape}: was it flattened before?")
    if 0 in x.shape[1:-1]:
        raise ValueError(f"{layer!r} expects at least one place, got {x.shape}")
    if layer.mask is not None and layer.mask.shape != x.shape[:2]:
        raise ValueError(
            f"{layer!r}: {layer.mask.shape[1]} tokens became {x.shape[1]} places, and which are padding is not known: "
            "convolve with an odd kernel and padding k // 2, and pool nothing before"
        )


class GlobalAvgPool(Layer):
    """The average over all places. Shapes: x (N, H, W, C) or (N, L, C), y (N, C).

    Inside a MaskedSequential, padding does not count.
    """

    mask: np.ndarray | None = None  # (N, L), True where there is a token; set by MaskedSequential

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        expect_places(self, x)
        if self.mask is None:
            weights = np.full((1,) * x.ndim, 1 / np.prod(x.shape[1:-1]), x.dtype)
        else:
            mask = self.mask.reshape(*self.mask.shape, *(1,) * (x.ndim - 2))  # (N, L, 1) or (N, L, 1, 1)
            counted = mask.sum(axis=1, keepdims=True) * np.prod(x.shape[2:-1], dtype=int)
            weights = (mask / np.maximum(counted, 1)).astype(x.dtype)
        self._cache = x.shape, weights
        y = np.einsum("nl...c,nl...c->n...c", x, weights)
        return y if y.ndim == 2 else y.sum(axis=1)  # one axis, then the other: float32 loses digits in very long sums

    # y_c = sum over places of w x_c, with weights w that do not depend on x (1 / m, or 0 at padding): dx_c = w dy_c.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape, weights = self._recall()
        self._expect_dy(dy, (shape[0], shape[-1]))
        dy = dy.reshape(shape[0], *(1,) * (len(shape) - 2), shape[-1])
        return np.broadcast_to(dy * weights, shape).copy()


class GlobalMaxPool(Layer):
    """The largest number over all places. Shapes: x (N, H, W, C) or (N, L, C), y (N, C).

    Inside a MaskedSequential, padding never wins; a text of padding only gives zeros.
    """

    mask: np.ndarray | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        expect_places(self, x)
        flat = x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])  # (N, L, C)
        if self.mask is not None:
            there = np.repeat(self.mask, flat.shape[1] // self.mask.shape[1], axis=1)  # a token may have several places
            flat = np.where(there[..., None], flat, flat.dtype.type(-np.inf))
        winner = flat.argmax(axis=1)[:, None]  # (N, 1, C), the first of several
        y = np.take_along_axis(flat, winner, axis=1)[:, 0]
        alive = np.ones((len(x), 1), bool) if self.mask is None else self.mask.any(axis=1, keepdims=True)
        self._cache = x.shape, winner, alive
        return np.where(alive, y, y.dtype.type(0))

    # As in MaxPool2d: dy goes to the largest.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        shape, winner, alive = self._recall()
        self._expect_dy(dy, (shape[0], shape[-1]))
        dx = np.zeros((shape[0], int(np.prod(shape[1:-1])), shape[-1]), dy.dtype)
        np.put_along_axis(dx, winner, (dy * alive)[:, None], axis=1)
        return dx.reshape(shape)
