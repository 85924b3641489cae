"""Convolution and pooling as plain loops: what a filter and a window do, number by number.

Images are channels-last (N, H, W, C), filters (kh, kw, C / groups, K). Where a size, stride, padding or dilation is
asked for, one number serves both axes, and a pair (height, width) tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np


# y_nhwk = sum over i, j, c of x[n, h s + i d - p, w s + j d - p, c] W_ijck with stride s, dilation d and padding p.
# Outside the image x is 0: nothing to add. With groups, output channel k sees only the input channels of its group.
def conv2d(
    x: np.ndarray, W: np.ndarray, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> np.ndarray:
    """A filter slid over the image. Shapes: x (N, H, W, C), W (kh, kw, C / groups, K), the result (N, H', W', K)."""
    y = np.zeros(_conv2d_shape(x, W, stride, padding, dilation))
    for out, source, weight in _products(y, x, W, stride, padding, dilation, groups):
        y[out] += x[source] * W[weight]
    return y


# Each product x W of a y passes dy on: to x times W, to W times x.
def conv2d_backward(
    dy: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """dx (N, H, W, C), dW (kh, kw, C / groups, K)."""
    dx, dW = np.zeros(x.shape), np.zeros(W.shape)
    for out, source, weight in _products(dy, x, W, stride, padding, dilation, groups):
        dx[source] += dy[out] * W[weight]
        dW[weight] += dy[out] * x[source]
    return dx, dW


def _products(
    y: np.ndarray, x: np.ndarray, W: np.ndarray, stride: Any, padding: Any, dilation: Any, groups: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """The places in y, x and W of every product that a convolution adds up."""
    (sh, sw), (ph, pw), (dh, dw) = _pair(stride), _pair(padding), _pair(dilation)
    _, height, width, _ = x.shape
    kh, kw, channels, filters = W.shape
    for n, h, w, k in np.ndindex(y.shape):
        group = k // (filters // groups)
        for i, j, c in np.ndindex(kh, kw, channels):
            row, column = h * sh + i * dh - ph, w * sw + j * dw - pw
            if 0 <= row < height and 0 <= column < width:
                yield (n, h, w, k), (n, row, column, group * channels + c), (i, j, c, k)


def _conv2d_shape(x: np.ndarray, W: np.ndarray, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    sides = []
    for length, k, s, p, d in zip(x.shape[1:3], W.shape[:2], *map(_pair, (stride, padding, dilation)), strict=True):
        reach = d * (k - 1) + 1  # how many places one filter spans
        sides.append((length + 2 * p - reach) // s + 1)
    return (len(x), *sides, W.shape[3])


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


# -- pooling -------------------------------------------------------------------------------------------------------


# y = max over the window
def max_pool2d(
    x: np.ndarray, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False
) -> np.ndarray:
    """The largest number of each window. Shapes: x (N, H, W, C), the result (N, H', W', C). Padding never wins."""
    y = np.zeros(_pool2d_shape(x, kernel_size, stride, padding, ceil_mode))
    for out, window, _ in _windows(y, x, kernel_size, stride, padding):
        y[out] = max(x[place] for place in window)
    return y


# dy goes to the number that won; of several equal ones, to the first in reading order.
def max_pool2d_backward(
    dy: np.ndarray, x: np.ndarray, kernel_size: Any, stride: Any = None, padding: Any = 0
) -> np.ndarray:
    """dx (N, H, W, C)."""
    dx = np.zeros(x.shape)
    for out, window, _ in _windows(dy, x, kernel_size, stride, padding):
        winner = max(window, key=lambda place: x[place])  # max keeps the first of equal ones
        dx[winner] += dy[out]
    return dx


# y = (1 / m) sum over the window, where the m places include those on the padding, which hold zeros
def average_pool2d(
    x: np.ndarray, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False
) -> np.ndarray:
    """The average of each window. Shapes: x (N, H, W, C), the result (N, H', W', C)."""
    y = np.zeros(_pool2d_shape(x, kernel_size, stride, padding, ceil_mode))
    for out, window, m in _windows(y, x, kernel_size, stride, padding):
        y[out] = sum(x[place] for place in window) / m
    return y


# Each of the m numbers has a share of 1 / m in y.
def average_pool2d_backward(
    dy: np.ndarray, x: np.ndarray, kernel_size: Any, stride: Any = None, padding: Any = 0
) -> np.ndarray:
    """dx (N, H, W, C)."""
    dx = np.zeros(x.shape)
    for out, window, m in _windows(dy, x, kernel_size, stride, padding):
        for place in window:
            dx[place] += dy[out] / m
    return dx


def _windows(
    y: np.ndarray, x: np.ndarray, kernel_size: Any, stride: Any, padding: Any
) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]], int]]:
    """For each place of y: the places of x in its window, in reading order, and their number m with the padding's."""
    (kh, kw), (ph, pw) = _pair(kernel_size), _pair(padding)
    sh, sw = _pair(kernel_size if stride is None else stride)
    _, height, width, _ = x.shape
    for n, h, w, c in np.ndindex(y.shape):
        window: list[tuple[int, ...]] = []
        m = 0
        for i, j in np.ndindex(kh, kw):
            row, column = h * sh + i - ph, w * sw + j - pw
            if row < height + ph and column < width + pw:  # what juts out even of the padding does not count
                m += 1
                if 0 <= row < height and 0 <= column < width:
                    window.append((n, row, column, c))
        yield (n, h, w, c), window, m


def _pool2d_shape(x: np.ndarray, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool) -> tuple[int, ...]:
    sides = []
    strides = _pair(kernel_size if stride is None else stride)
    for length, k, s, p in zip(x.shape[1:3], _pair(kernel_size), strides, _pair(padding), strict=True):
        steps = (length + 2 * p - k) / s
        count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
        while (count - 1) * s >= length + p:  # a window must start on the image or on the padding before it
            count -= 1
        sides.append(count)
    return (len(x), *sides, x.shape[3])
