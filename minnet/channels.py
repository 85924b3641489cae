"""Passes over images (..., C) with one number a channel, for normalisation and biases: few, and over little memory.

NumPy's loop over rows of C = 32 numbers is slow, so such an array is seen as fewer, longer rows, and a vector over the
channels (C,) is repeated to match them. The rows are walked in blocks that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

_WIDTH = 8192
_BLOCK = 1 << 17  # numbers a block: passes so short that two threads meet at the interpreter's lock gain nothing
_SMALL = 1 << 15  # numbers below which arranging longer rows takes longer than it saves


def fresh(x: np.ndarray, dtype: Any = None) -> np.ndarray:
    """An uninitialised array of the shape of x (..., C): channels last in memory, positions in the order of `x`."""
    if x.flags.c_contiguous:
        return np.empty(x.shape, dtype or x.dtype)
    order = sorted(range(x.ndim - 1), key=lambda axis: -abs(x.strides[axis]))
    y = np.empty([x.shape[axis] for axis in order] + [x.shape[-1]], dtype or x.dtype)
    return y.transpose(*np.argsort(order), -1)


def wide(x: np.ndarray, like: np.ndarray) -> tuple[np.ndarray, int]:
    """x (..., C) seen as (rows, repeats * C), and `repeats`, its positions in the memory order of `like`.

    A view whenever `x` came from `fresh(like)`; else perhaps a copy, to read from.
    """
    order = sorted(range(like.ndim - 1), key=lambda axis: -abs(like.strides[axis]))
    flat = x.transpose(*order, -1).reshape(-1, x.shape[-1])
    repeats = _divisor(flat.shape[0], _WIDTH // max(1, x.shape[-1]))
    return flat.reshape(-1, repeats * x.shape[-1]), repeats


@cache
def _divisor(count: int, most: int) -> int:
    """The largest divisor of `count` up to `most`, at least 1."""
    return next((number for number in range(min(count, most), 1, -1) if count % number == 0), 1)


def repeated(v: np.ndarray, repeats: int) -> np.ndarray:
    """`v` (C,) as often as `wide` says, (repeats * C,). np.tile costs more than a small image's whole pass."""
    return v[None].repeat(repeats, axis=0).reshape(-1)


def _blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    rows = max(1, _BLOCK // max(1, arrays[0].shape[1]))
    for start in range(0, len(arrays[0]), rows):
        yield tuple(array[start : start + rows] for array in arrays)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (biased) variance of each channel of x (..., C), in two passes: (C,), (C,)."""
    X, repeats = wide(x, x)
    count = X.shape[0] * repeats
    mean = total(x) / count
    shift, squares = repeated(mean, repeats), np.zeros(X.shape[1], x.dtype)
    for (block,) in _blocks(X):
        centred = block - shift
        squares += np.einsum("ij,ij->j", centred, centred)
    return mean.astype(x.dtype), (squares.reshape(repeats, -1).sum(axis=0) / count).astype(x.dtype)


def total(x: np.ndarray) -> np.ndarray:
    """The sum over all but the channels of x (..., C): (C,). A product with ones is one pass at the speed of memory."""
    X, repeats = wide(x, x)
    return (np.ones(len(X), x.dtype) @ X).reshape(repeats, -1).sum(axis=0)


def affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """x * scale + shift with one scale and shift a channel, in one pass over memory, laid out like `x`.

    Written into `y`, which may be `x` itself if that came from `fresh`; else into a new array.
    """
    y = fresh(x) if y is None else y
    if x.size <= _SMALL:
        np.multiply(x, scale, out=y)
        y += shift
        return y
    X, repeats = wide(x, x)
    Y, _ = wide(y, x)
    scale, shift = repeated(scale, repeats), repeated(shift, repeats)
    for source, target in _blocks(X, Y):
        np.multiply(source, scale, out=target)
        target += shift
    return y


def add(y: np.ndarray, b: np.ndarray) -> None:
    """y += b with one number a channel, in place, for a y (..., C) without gaps in memory."""
    if y.size <= _SMALL:
        y += b
        return
    Y, repeats = wide(y, y)
    Y += repeated(b, repeats)


def sums(dy: np.ndarray, x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sum of dy, and of dy (x - mean), over all but the channels: (C,), (C,)."""
    dY, repeats = wide(dy, x)
    X, _ = wide(x, x)
    shift, products = repeated(mean, repeats), np.zeros(X.shape[1], x.dtype)
    for gradient, block in _blocks(dY, X):
        products += np.einsum("ij,ij->j", gradient, block - shift)
    return total(dy), products.reshape(repeats, -1).sum(axis=0)


def combine(dy: np.ndarray, a: np.ndarray, x: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a (dy + b x + c) with a, b, c one number a channel, in one pass over memory; fresh."""
    dx = fresh(x)
    dY, repeats = wide(dy, x)
    X, _ = wide(x, x)
    dX, _ = wide(dx, x)
    a, b, c = (repeated(v, repeats) for v in (a, b, c))
    for gradient, block, target in _blocks(dY, X, dX):
        np.multiply(block, b, out=target)
        target += c
        target += gradient
        target *= a
    return dx
