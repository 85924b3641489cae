"""The fast array routines under convolution and pooling: pure functions on blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minnet import winograd
from minnet.memory import BLOCK_BYTES, Geometry, Workspace, images, pad, positions


def convolve(
    x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace, kept: Workspace | None, exact: bool = False
) -> np.ndarray:
    """y_nhwk = sum over i, j, c of x_n,h+i,w+j,c W_ijck; with stride, padding and dilation as layers/conv.py has it.

    x (N, H, W, C), W (kh, kw, C, K) -> y (N, H', W', K). `workspace` is scratch; `kept` holds what
    `convolve_backward` needs again (None: it will not be called). With `exact`, Winograd's scheme is not used.
    """
    if not exact and winograd.suits(x.shape, W.shape, geometry):
        return winograd.forward(x, W, geometry, workspace, kept)
    return _by_columns(x, W, geometry, workspace)


def convolve_backward(
    dy: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    geometry: Geometry,
    workspace: Workspace,
    kept: Workspace,
    exact: bool = False,
    needs_dx: bool = True,
    needs_dW: bool = True,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(dx, dW) from dy (N, H', W', K), each None where it is not needed."""
    if not exact and winograd.suits(x.shape, W.shape, geometry):
        return winograd.backward(dy, x, W, geometry, workspace, kept, needs_dx, needs_dW)
    return _by_columns_backward(dy, x, W, geometry, workspace, needs_dx, needs_dW)


def _window_blocks(x: np.ndarray, geometry: Geometry, workspace: Workspace) -> Iterator[tuple[slice, np.ndarray]]:
    """For each block of output rows: (rows, its columns as a matrix (kh*kw*C, positions)).

    Column p holds all numbers that output position p looks at ("im2col"). Copying them out (9 times the input for a
    3x3 kernel) turns a convolution into one matrix product; a block at a time, the copy stays in cache.
    """
    n, height, width, channels = x.shape
    kh, kw = geometry.kernel
    out_h, out_w = geometry.output(height, width)
    span = geometry.extent(out_h, out_w)
    xp = pad(x, span, geometry.padding, workspace)  # (H, W, N, C)
    few = channels < 8  # runs of 3 numbers are slow to copy: put the channels first and copy runs of W*N
    if few:
        planes = workspace.array("planes", (channels, *span, n), x.dtype)
        planes[...] = xp.transpose(3, 0, 1, 2)
        xp = planes.transpose(1, 2, 3, 0)
    rows = max(1, BLOCK_BYTES // max(1, kh * kw * channels * out_w * n * x.itemsize))
    everything = windows(xp, geometry, out_h, out_w)
    for start in range(0, out_h, rows):
        stop = min(out_h, start + rows)
        seen = everything[start:stop]
        if few:
            seen = seen.transpose(3, 4, 5, 0, 1, 2)
        columns = workspace.array("columns", seen.shape, x.dtype)
        columns[...] = seen
        size = kh * kw * channels
        yield slice(start, stop), columns.reshape(size, -1) if few else columns.reshape(-1, size).T


def windows(xp: np.ndarray, geometry: Geometry, out_h: int, out_w: int) -> np.ndarray:
    """What each output position of xp (H, W, N, C) looks at: a view (out_h, out_w, N, kh, kw, C)."""
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    h, w, b, c = xp.strides
    shape = (out_h, out_w, xp.shape[2], *geometry.kernel, xp.shape[3])
    return as_strided(xp, shape, (h * sh, w * sw, b, h * dh, w * dw, c), writeable=False)


def _by_columns(x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace) -> np.ndarray:
    n, height, width, _ = x.shape
    out_h, out_w = geometry.output(height, width)
    y = np.empty((out_h, out_w, n, W.shape[3]), x.dtype)
    matrix = W.reshape(-1, W.shape[3])  # (kh*kw*C, K)
    for rows, columns in _window_blocks(x, geometry, workspace):
        np.matmul(columns.T, matrix, out=y[rows].reshape(-1, W.shape[3]))
    return images(y)


# y = columns^T matrix, so as in Linear:  dmatrix = columns dy  and  dcolumns = matrix dy^T.
# Each column is a copy of its window's numbers, so the gradients of the copies are added where the numbers came from:
# here one place of the window at a time, for all windows at once.
def _by_columns_backward(
    dy: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    geometry: Geometry,
    workspace: Workspace,
    needs_dx: bool,
    needs_dW: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    n, height, width, channels = x.shape
    ph, pw = geometry.padding
    out_h, out_w = geometry.output(height, width)
    matrix = W.reshape(-1, W.shape[3])
    dy = np.ascontiguousarray(positions(dy))  # (H', W', N, K)
    dx = dW = None
    if needs_dW:
        dW = np.zeros_like(matrix)
        for rows, columns in _window_blocks(x, geometry, workspace):
            dW += columns @ dy[rows].reshape(-1, W.shape[3])
        dW = dW.reshape(W.shape)
    if needs_dx:
        dxp = np.zeros((height + 2 * ph, width + 2 * pw, n, channels), x.dtype)
        for dtap, w in zip(_taps(dxp, geometry, out_h, out_w), W.reshape(-1, *W.shape[2:]), strict=True):
            dtap += (dy.reshape(-1, W.shape[3]) @ w.T).reshape(dtap.shape)
        dx = images(dxp[ph : ph + height, pw : pw + width])
    return dx, dW


# Pooling slides a window over each channel. Instead of gathering windows, it goes through the few places ("taps") of
# the window. What all windows see at one of these is a strided view of the whole input: nothing is copied.


def _taps(xp: np.ndarray, geometry: Geometry, out_h: int, out_w: int) -> Iterator[np.ndarray]:
    """For each place in the window, what all windows see there: views (out_h, out_w, N, C) of xp (H, W, N, C)."""
    (kh, kw), (sh, sw), _, (dh, dw) = geometry
    for i in range(kh):
        for j in range(kw):
            yield xp[i * dh :: sh, j * dw :: sw][:out_h, :out_w]


def _pool_input(
    x: np.ndarray, geometry: Geometry, out: tuple[int, int], fill: float, workspace: Workspace
) -> np.ndarray:
    """`x` as (H, W, N, C); only where windows reach over the border, a copy with `fill` around it."""
    reach = geometry.extent(*out)
    if geometry.padding == (0, 0) and reach[0] <= x.shape[1] and reach[1] <= x.shape[2]:
        return positions(x)
    return pad(x, reach, geometry.padding, workspace, fill)


def max_pool(x: np.ndarray, geometry: Geometry, out: tuple[int, int], workspace: Workspace) -> np.ndarray:
    """The largest number in each window: x (N, H, W, C) -> (N, *out, C). Padding never wins.

    First the largest along the height, where runs are long, then the largest of these along the width.
    """
    xp = _pool_input(x, geometry, out, -np.inf, workspace)
    (kh, kw), (sh, sw), _, (dh, dw) = geometry
    rows = _largest([xp[i * dh :: sh][: out[0]] for i in range(kh)])
    y = _largest([rows[:, j * dw :: sw][:, : out[1]] for j in range(kw)])
    return images(y.copy() if kh == kw == 1 else y)


def _largest(taps: list[np.ndarray]) -> np.ndarray:
    """The elementwise maximum; of one array, itself."""
    y = taps[0]
    if len(taps) > 1:
        y = np.maximum(taps[0], taps[1], out=np.empty(y.shape, y.dtype))
    for tap in taps[2:]:
        np.maximum(y, tap, out=y)
    return y


def max_pool_backward(
    dy: np.ndarray, x: np.ndarray, y: np.ndarray, geometry: Geometry, workspace: Workspace
) -> np.ndarray:
    """dx: dy at the place in each window where its maximum stands, the first in reading order if there are several."""
    out = y.shape[1:3]
    xp = _pool_input(x, geometry, out, np.nan, workspace)  # equal to nothing, an image's own -inf included
    dy, y = positions(dy), positions(y)
    dxp = np.zeros(xp.shape, dy.dtype)
    missing = np.ones(y.shape, bool)  # windows whose maximum has not been met yet
    apart = geometry.stride[0] >= geometry.kernel[0] and geometry.stride[1] >= geometry.kernel[1]
    for tap, dtap in zip(_taps(xp, geometry, *out), _taps(dxp, geometry, *out), strict=True):
        hit = tap == y
        hit &= missing
        missing ^= hit
        if apart:  # no two windows share a place: write instead of adding
            np.multiply(dy, hit.astype(dy.dtype), out=dtap)
        else:
            dtap += dy * hit
    return _unpad(dxp, x, geometry)


def sum_pool(x: np.ndarray, geometry: Geometry, out: tuple[int, int], workspace: Workspace) -> np.ndarray:
    """The sum of each window's numbers (padding counts as 0): x (N, H, W, C) -> (N, *out, C)."""
    taps = _taps(_pool_input(x, geometry, out, 0, workspace), geometry, *out)
    y = next(taps).copy()
    for tap in taps:
        y += tap
    return images(y)


def sum_pool_backward(dy: np.ndarray, x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Every number of a window gets the window's dy; where windows overlap, these add up."""
    out = dy.shape[1:3]
    dxp = np.zeros((*geometry.extent(*out), len(x), x.shape[3]), dy.dtype)
    for dtap in _taps(dxp, geometry, *out):
        dtap += positions(dy)
    return _unpad(dxp, x, geometry)


def _unpad(dxp: np.ndarray, x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The part of a padded gradient that belongs to `x`; zero where no window reached."""
    top, left = geometry.padding
    dx = dxp[top : top + x.shape[1], left : left + x.shape[2]]
    if dx.shape[:2] == x.shape[1:3]:
        return images(dx)
    whole = np.zeros(positions(x).shape, dxp.dtype)
    whole[: dx.shape[0], : dx.shape[1]] = dx
    return images(whole)
