"""The fast array routines under convolution: matrix products over blocks that stay in the processor's cache.

Memory order. Images have the shape (N, H, W, C) everywhere, but these routines lay them out in memory as
(H, W, N, C): one position of all images of a piece is one contiguous run of N*C numbers. Shifting an image by
a row or a column, which is all that convolution and pooling do, then moves long runs, and one image more
makes them longer. `positions` and `images` convert between the two views without copying; any other memory
order is accepted too, at the price of one copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

BLOCK_BYTES = 1 << 20  # a core's level-2 cache: what one block of any routine here may occupy


class Workspace:
    """Buffers that are reused from step to step, so that no step asks the system for memory.

    One thread's property. `array` returns the same memory for the same name, uninitialised, grown when needed.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, np.dtype], np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        size, key = int(np.prod(shape)), (name, np.dtype(dtype))
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)

    @property
    def nbytes(self) -> int:
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def release(self) -> None:
        """Gives the memory back."""
        self._buffers.clear()


def positions(x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) seen as (H, W, N, C)."""
    return x.transpose(1, 2, 0, 3)


def images(p: np.ndarray) -> np.ndarray:
    """(H, W, N, C) seen as (N, H, W, C)."""
    return p.transpose(2, 0, 1, 3)


class Geometry(NamedTuple):
    """How a window moves over an image; each pair is (along the height, along the width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    def output(self, height: int, width: int) -> tuple[int, int]:
        """How many windows fit along each axis; raises ValueError where there is none."""
        size = tuple(
            (length + 2 * p - d * (k - 1) - 1) // s + 1
            for length, k, s, p, d in zip((height, width), *self, strict=True)
        )
        if min(size) < 1:
            raise ValueError(
                f"an image of {height}x{width} is too small for kernel {self.kernel}, stride {self.stride}, "
                f"padding {self.padding}, dilation {self.dilation}: pad more, or leave out a pooling"
            )
        return size  # type: ignore[return-value]


def convolve(
    x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace, kept: Workspace, exact: bool = False
) -> np.ndarray:
    """y_nhwk = sum over i, j, c of x_n,h+i,w+j,c W_ijck: what deep learning calls a convolution.

    x (N, H, W, C), W (kh, kw, C, K) -> y (N, H', W', K). `workspace` is scratch; `kept` holds what
    `convolve_backward` wants to see again. `exact` takes the products as they stand, without Winograd's.
    """
    if not exact and suits_winograd(W.shape, geometry):
        return _winograd(x, W, geometry, workspace, kept)
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
    if not exact and suits_winograd(W.shape, geometry):
        return _winograd_backward(dy, x, W, geometry, workspace, kept, needs_dx, needs_dW)
    return _by_columns_backward(dy, x, W, geometry, workspace, needs_dx, needs_dW)


# ---------------------------------------------------------------------------------------------------------
# Any convolution: columns and one matrix product
# ---------------------------------------------------------------------------------------------------------


def pad(x: np.ndarray, bottom: int, right: int, padding: tuple[int, int], workspace: Workspace) -> np.ndarray:
    """A copy of `x` in memory order (H, W, N, C), inside zeros: `padding` above and left, up to (bottom, right)."""
    n, height, width, channels = x.shape
    top, left = padding
    xp = workspace.array("padded", (bottom, right, n, channels), x.dtype)
    height, width = min(height, bottom - top), min(width, right - left)  # windows may leave a rest unseen
    xp[:top] = 0
    xp[top + height :] = 0
    xp[top : top + height, :left] = 0
    xp[top : top + height, left + width :] = 0
    xp[top : top + height, left : left + width] = positions(x)[:height, :width]
    return xp


def _window_blocks(
    x: np.ndarray, geometry: Geometry, workspace: Workspace
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """For each block of output rows: (rows, its columns as a matrix (kh*kw*C, positions), the windows' view).

    Column p holds all numbers that output position p looks at. Copying them out (9 times the input for a 3x3
    kernel) is what turns a convolution into one matrix product; a block at a time keeps the copy in cache.
    """
    n, height, width, channels = x.shape
    (kh, kw), (sh, sw), _, (dh, dw) = geometry
    out_h, out_w = geometry.output(height, width)
    span = (dh * (kh - 1) + sh * (out_h - 1) + 1, dw * (kw - 1) + sw * (out_w - 1) + 1)
    xp = pad(x, *span, geometry.padding, workspace)  # (H, W, N, C)
    few = channels < 8  # runs of 3 numbers are slow to copy: put the channels first and copy runs of W*N
    if few:
        planes = workspace.array("planes", (channels, *span, n), x.dtype)
        planes[...] = xp.transpose(3, 0, 1, 2)
        xp = planes.transpose(1, 2, 3, 0)
    h, w, b, c = xp.strides
    rows = max(1, BLOCK_BYTES // (kh * kw * channels * out_w * n * x.itemsize))
    for start in range(0, out_h, rows):
        stop = min(out_h, start + rows)
        shape = (stop - start, out_w, n, kh, kw, channels)
        windows = as_strided(xp[start * sh :], shape, (h * sh, w * sw, b, h * dh, w * dw, c), writeable=False)
        if few:
            windows = windows.transpose(3, 4, 5, 0, 1, 2)
            columns = workspace.array("columns", windows.shape, x.dtype)
            columns[...] = windows
            yield slice(start, stop), columns.reshape(kh * kw * channels, -1), windows
        else:
            columns = workspace.array("columns", shape, x.dtype)
            columns[...] = windows
            yield slice(start, stop), columns.reshape(-1, kh * kw * channels).T, windows


def _by_columns(x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace) -> np.ndarray:
    n, height, width, _ = x.shape
    out_h, out_w = geometry.output(height, width)
    y = np.empty((out_h, out_w, n, W.shape[3]), x.dtype)
    matrix = W.reshape(-1, W.shape[3])  # (kh*kw*C, K)
    for rows, columns, _ in _window_blocks(x, geometry, workspace):
        np.matmul(columns.T, matrix, out=y[rows].reshape(-1, W.shape[3]))
    return images(y)


# y = columns' matrix, so as in Linear:  dmatrix = columns dy  and  dcolumns = matrix dy'.
# Each column was a copy of the window's numbers; going back, the copies' gradients are added where they came from.
def _by_columns_backward(
    dy: np.ndarray, x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace, needs_dx: bool, needs_dW: bool
) -> tuple[np.ndarray | None, np.ndarray | None]:
    n, height, width, channels = x.shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = geometry
    out_h, out_w = geometry.output(height, width)
    matrix = W.reshape(-1, W.shape[3])
    dy = np.ascontiguousarray(positions(dy))  # (H', W', N, K)
    dx = dW = None
    if needs_dW:
        dW = np.zeros_like(matrix)
        for rows, columns, _ in _window_blocks(x, geometry, workspace):
            dW += columns @ dy[rows].reshape(-1, W.shape[3])
        dW = dW.reshape(W.shape)
    if needs_dx:
        dxp = np.zeros((height + 2 * ph, width + 2 * pw, n, channels), x.dtype)
        for i in range(kh):
            for j in range(kw):
                tap = (dy.reshape(-1, W.shape[3]) @ W[i, j].T).reshape(out_h, out_w, n, channels)
                dxp[i * dh :: sh, j * dw :: sw][:out_h, :out_w] += tap
        dx = images(dxp[ph : ph + height, pw : pw + width])
    return dx, dW


# ---------------------------------------------------------------------------------------------------------
# 3x3 at stride 1: a quarter of the multiplications
# ---------------------------------------------------------------------------------------------------------
# Polynomial multiplication by values instead of coefficients (Toom and Cook): the product of a polynomial of 3
# coefficients and one of 4 has 6, so 6 points fix it. Evaluate both at 6 points, multiply the 6 pairs of values,
# interpolate: 6 products instead of 12. Transposing this scheme gives four neighbouring outputs of a 3-tap
# filter g from six inputs d (Winograd 1980; for networks: Lavin and Gray, arXiv 1509.09308):
#     y = A' [(G g) * (B' d)]
# With points a_0 .. a_4 and infinity, N_i = prod over j != i of (a_i - a_j):
#     G  (6, 3): row i is (1, a_i, a_i^2) / N_i             last row (0, 0, 1)
#     A' (4, 6): column i is (1, a_i, a_i^2, a_i^3)         last column (0, 0, 0, 1)
#     B' (6, 6): row i holds the coefficients of prod over j != i of (x - a_j), the last row of prod over all j
# Along both axes: Y = A' [(G g G') * (B' D B)] A for a 4x4 tile of outputs from a 6x6 tile of inputs, 36
# products instead of 144. Summed over input channels, each of the 36 is a matrix product, and so are the
# transforms. Any distinct points are right; with 0, ±3/4, ±3/2 every constant is a short binary fraction and the
# rounding error is half of that with the customary 0, ±1, ±2: about 6e-7 of the output's size in float32
# (tests/test_kernels.py measures it), against 2e-7 of the plain sum.
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
_TILE = 4


def _transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (6, 4), B (6, 6) and G (6, 3) for the points above."""
    A, B, G = np.zeros((6, 4)), np.zeros((6, 6)), np.zeros((6, 3))
    for i, a in enumerate(_POINTS):
        others = [b for b in _POINTS if b != a]
        A[i] = [a**k for k in range(4)]
        B[:5, i] = np.poly(others)[::-1]
        G[i] = np.array([a**k for k in range(3)]) / np.prod([a - b for b in others])
    A[5, 3] = G[5, 2] = 1
    B[:, 5] = np.poly(_POINTS)[::-1]
    return A, B, G


_A, _B, _G = ({dtype: m.astype(dtype) for dtype in (np.dtype("f4"), np.dtype("f8"))} for m in _transforms())


def suits_winograd(shape: tuple[int, ...], geometry: Geometry) -> bool:
    """The fixed rule: 3x3 kernels at stride 1 with enough channels that the products outweigh the transforms."""
    return geometry[0] == (3, 3) and geometry[1] == geometry[3] == (1, 1) and min(shape[2:]) >= 16


class _Tiles(NamedTuple):
    """The tiling of one convolution: th x tw tiles, `rows` rows of tiles a block."""

    out: tuple[int, int]
    th: int
    tw: int
    rows: int

    def blocks(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self.th, self.rows):
            yield start, min(self.rows, self.th - start)


def _tiles(x: np.ndarray, K: int, geometry: Geometry) -> _Tiles:
    n, height, width, channels = x.shape
    out = geometry.output(height, width)
    th, tw = (-(-size // _TILE) for size in out)
    row = 36 * tw * n * max(channels, K) * x.itemsize
    return _Tiles(out, th, tw, max(1, min(th, BLOCK_BYTES // row)))


def _windows(x: np.ndarray, axis: int, count: int, size: int) -> np.ndarray:
    """`count` windows of `size` along `axis`, one every 4 entries: a view with a new axis behind that one."""
    shape = (*x.shape[:axis], count, size, *x.shape[axis + 1 :])
    step = x.strides[axis]
    return as_strided(x, shape, (*x.strides[:axis], step * _TILE, step, *x.strides[axis + 1 :]))


def _filters(W: np.ndarray) -> np.ndarray:
    """G g G' for every pair of channels: (3, 3, C, K) -> (36, C, K)."""
    G = _G[W.dtype]
    C, K = W.shape[2:]
    half = G @ W.reshape(3, -1)  # (6, 3*C*K)
    return np.matmul(G, half.reshape(6, 3, C * K)).reshape(36, C, K)


def _winograd(x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace, kept: Workspace) -> np.ndarray:
    n, _, _, C = x.shape
    K = W.shape[3]
    t = _tiles(x, K, geometry)
    A, B, U = _A[x.dtype], _B[x.dtype], _filters(W)
    width = _TILE * t.tw + 2
    xp = pad(x, _TILE * t.th + 2, width, geometry.padding, workspace).reshape(-1, width * n * C)
    V_all = kept.array("V", (t.th, 36 * t.tw * n * C), x.dtype)
    whole = t.out == (_TILE * t.th, _TILE * t.tw)
    y = np.empty((_TILE * t.th, _TILE * t.tw, n, K), x.dtype) if whole else (
        workspace.array("y", (_TILE * t.th, _TILE * t.tw, n, K), x.dtype)
    )
    for start, rows in t.blocks():
        band = xp[_TILE * start : _TILE * (start + rows) + 2]
        half = workspace.array("half", (rows, 6, width, n * C), x.dtype)
        V = V_all[start : start + rows].reshape(6, 6, rows, t.tw, n * C)
        M = workspace.array("M", (36, rows * t.tw * n, K), x.dtype)
        # V = B' D B: the rows of each tile, then its columns
        np.matmul(B.T, _windows(band, 0, rows, 6), out=half.reshape(rows, 6, -1))
        np.matmul(B.T, _windows(half, 2, t.tw, 6), out=V.transpose(2, 0, 3, 1, 4))
        # 36 products over the channels
        np.matmul(V.reshape(36, -1, C), U, out=M)
        # Y = A' M A
        half = workspace.array("half", (rows, 4, 6, t.tw, n * K), x.dtype)
        np.matmul(A.T, M.reshape(6, 6, rows, t.tw, n * K).transpose(1, 2, 3, 0, 4), out=half.transpose(2, 0, 3, 1, 4))
        tile = y[_TILE * start : _TILE * (start + rows)].reshape(rows, 4, t.tw, 4, n * K)
        np.matmul(A.T, half.transpose(0, 1, 3, 2, 4), out=tile)
    return images(y if whole else y[: t.out[0], : t.out[1]].copy())


# Each step of the forward pass is linear in what the step before gave, so going back is the same steps
# transposed, in reverse order:
#     Y = A' M A     ->  dM = A dY A'
#     M = V U        ->  dV = dM U',  dU = V' dM     (36 times)
#     V = B' D B     ->  dD = B dV B', added up where the 6x6 tiles overlap
#     U = G g G'     ->  dg = G' dU G
def _winograd_backward(
    dy: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    geometry: Geometry,
    workspace: Workspace,
    kept: Workspace,
    needs_dx: bool,
    needs_dW: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    n, in_h, in_w, C = x.shape
    K = W.shape[3]
    t = _tiles(x, K, geometry)
    A, B, G = _A[x.dtype], _B[x.dtype], _G[x.dtype]
    dyp = positions(dy)
    if t.out != (_TILE * t.th, _TILE * t.tw) or not dyp.flags.c_contiguous:
        dyp = pad(dy, _TILE * t.th, _TILE * t.tw, (0, 0), workspace)
    V_all = kept.array("V", (t.th, 36 * t.tw * n * C), x.dtype)
    dU = np.zeros((36, C, K), x.dtype) if needs_dW else None
    width = _TILE * t.tw + 2
    if needs_dx:
        U_transposed = _filters(W).transpose(0, 2, 1)
        dxp = np.empty((_TILE * t.th + 2, width * n * C), x.dtype)
        dxp[-2:] = 0
    for start, rows in t.blocks():
        half = workspace.array("half", (rows, 6, t.tw, 4, n * K), x.dtype)
        dM = workspace.array("M", (6, 6, rows, t.tw, n * K), x.dtype)
        band = dyp[_TILE * start : _TILE * (start + rows)].reshape(rows, 4, -1)
        np.matmul(A, band, out=half.reshape(rows, 6, -1))
        np.matmul(A, half, out=dM.transpose(2, 0, 3, 1, 4))
        dM = dM.reshape(36, -1, K)
        if dU is not None:
            V = V_all[start : start + rows].reshape(36, -1, C)
            dU += np.matmul(V.transpose(0, 2, 1), dM)
        if needs_dx:
            dV = workspace.array("dV", (6, 6, rows, t.tw, n * C), x.dtype)
            np.matmul(dM, U_transposed, out=dV.reshape(36, -1, C))
            half = workspace.array("half", (rows, 6, width, n * C), x.dtype)
            _overlap_add(B, dV.transpose(2, 0, 3, 1, 4), half, 2, workspace)
            band = dxp[_TILE * start : _TILE * (start + rows) + 2]
            _overlap_add(B, half.reshape(rows, 6, -1), band, 0, workspace, carry=start > 0)
    dx = None
    if needs_dx:
        ph, pw = geometry.padding
        dx = images(dxp.reshape(-1, width, n, C)[ph : ph + in_h, pw : pw + in_w])
    dW = None if dU is None else np.matmul(G.T, (G.T @ dU.reshape(6, -1)).reshape(3, 6, C * K)).reshape(W.shape)
    return dx, dW


def _overlap_add(
    B: np.ndarray, d: np.ndarray, out: np.ndarray, axis: int, workspace: Workspace, carry: bool = False
) -> None:
    """B d for every window (d: ..., tiles, 6, L), added into `out` along `axis`, where windows start 4 apart.

    The first 4 of each window's 6 entries are written, the last 2 fall on the next window's first and are added.
    `carry`: the 2 entries at the start already hold what an earlier call added there.
    """
    tiles, length = d.shape[axis], out.shape[-1]
    before = (slice(None),) * axis
    first = out[(*before, slice(0, 2))].copy() if carry else None
    head = out[(*before, slice(0, _TILE * tiles))].reshape(*out.shape[:axis], tiles, _TILE, length)
    tail = workspace.array("tail", (*out.shape[:axis], tiles, 2, length), d.dtype)
    np.matmul(B[:4], d, out=head)
    np.matmul(B[4:], d, out=tail)
    if first is not None:
        out[(*before, slice(0, 2))] += first
    head[(*before, slice(1, None), slice(0, 2))] += tail[(*before, slice(0, -1))]
    out[(*before, slice(_TILE * tiles, None))] = tail[(*before, -1)]
