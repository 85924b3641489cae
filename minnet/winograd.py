"""Winograd's fast convolution: for 3x3 kernels at stride 1, a quarter of the multiplications.

Called by kernels.convolve where `suits` says so; shapes are explained there, the memory order in memory.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minnet.memory import Geometry, Workspace, images, pad, positions

# Below, * multiplies entry by entry and . is the scalar product.
# 1. Polynomials can be multiplied by values instead of coefficients (Toom and Cook). A polynomial of 3 coefficients, g,
# times one of 4, h, has 6, so its values at 6 points fix it: evaluate both there, multiply the 6 pairs of values,
# interpolate. That takes 6 products instead of 12. If E3 and E4 are the matrices that evaluate, and C the one that
# interpolates, the product's coefficients c_n = sum of h_k g_i over k + i = n are
#     c = C [(E4 h) * (E3 g)]
# 2. A convolution asks for y_k = sum_i g_i d_(k+i) instead, four outputs of a filter g of 3 taps from six inputs d. It
# is the transpose of that multiplication: for every h,
#     h . y = sum over k, i of h_k g_i d_(k+i) = d . c = (C^T d) . [(E4 h) * (E3 g)] = h . E4^T [(E3 g) * (C^T d)]
# and two vectors with the same scalar product with every h are equal (Winograd 1980; in networks: Lavin and Gray, arXiv
# 1509.09308):
#     y = A^T [(G g) * (B^T d)]      A = E4; G = E3 and B = C, but for factors 1 / N_i, which move from C into G
# With points a_0 .. a_4 and infinity, N_i = prod over j != i of (a_i - a_j):
#     G   (6, 3): row i is (1, a_i, a_i^2) / N_i             last row (0, 0, 1)
#     A^T (4, 6): column i is (1, a_i, a_i^2, a_i^3)         last column (0, 0, 0, 1)
#     B^T (6, 6): row i holds the coefficients of prod over j != i of (x - a_j), the last row of prod over all j
# (The value at infinity is the leading coefficient: h_3 and g_2, whose product is c_5. c(x) less c_5 prod over all j of
# (x - a_j) has degree 4 and the values c(a_i) at the five points: by Lagrange's formula it is the sum over i of c(a_i)
# prod over j != i of (x - a_j) / N_i.)
# 3. The same along both axes gives a 4x4 tile of outputs from a 6x6 tile of inputs D with 36 products instead of 144:
#     Y = A^T [(G g G^T) * (B^T D B)] A
# Summed over input channels each of the 36 is a matrix product; so are the transforms. Any distinct points are right.
# With 0, ±3/4, ±3/2 every constant of A and B is a short binary fraction (G's, such as 64/81, are rounded), and the
# rounding error is half of that with the customary 0, ±1, ±2: in float32 about 6e-7 of the output's size with 32
# channels and 1.5e-6 with 256 (tests/test_kernels.py holds them below 9e-7 and 2e-6), against 2e-7 to 4e-7 of the
# plain sum.
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
_TILE = 4
FEW_TILES = 16  # a filter's transform costs as much as that many tiles save
_UNPACKED = 10**6  # multiplications up to which OpenBLAS (with AVX-512) takes matrices as they lie: a fifth faster
_READ_ANEW = 1 << 15  # numbers: reading more than that anew takes as long as the copies
_BLOCK_BYTES = 5 << 18  # one block's 36 products: less stays in cache no better, and means more sums of dU


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


def suits(x_shape: tuple[int, ...], W_shape: tuple[int, ...], geometry: Geometry) -> bool:
    """The fixed rule: 3x3 kernels at stride 1, enough channels that the products outweigh the transforms, images
    that fill at least two fifths of their tiles, and enough tiles that transforming (or reading) the filters pays."""
    if geometry.kernel != (3, 3) or geometry.stride != (1, 1) or geometry.dilation != (1, 1) or min(W_shape[2:]) < 16:
        return False
    height, width = geometry.output(*x_shape[1:3])
    tiles = -(-height // _TILE) * -(-width // _TILE)
    return x_shape[0] * tiles >= FEW_TILES and 5 * height * width >= 2 * tiles * _TILE**2


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
    most = max(1, _BLOCK_BYTES // max(1, row))
    blocks = -(-th // most)  # all of about one size: seven rows and then one take a tenth longer than four and four
    return _Tiles(out, th, tw, -(-th // blocks))


def in_one_block(x: np.ndarray, K: int, geometry: Geometry) -> bool:
    """Whether all tiles of x (N, H, W, C) fit into one block, as `Prepared` wants it."""
    t = _tiles(x, K, geometry)
    return t.rows == t.th


def _windows(x: np.ndarray, axis: int, count: int, size: int) -> np.ndarray:
    """`count` windows of `size` along `axis`, one every 4 entries: a view with a new axis behind that one."""
    shape = (*x.shape[:axis], count, size, *x.shape[axis + 1 :])
    step = x.strides[axis]
    return as_strided(x, shape, (*x.strides[:axis], step * _TILE, step, *x.strides[axis + 1 :]))


def _filters(W: np.ndarray, workspace: Workspace, U: np.ndarray) -> None:
    """U = G g G^T for every pair of channels: (3, 3, C, K) -> (36, C, K)."""
    G = _G[W.dtype]
    C, K = W.shape[2:]
    half = np.matmul(G, W.reshape(3, -1), out=workspace.array("half", (6, 3 * C * K), W.dtype))
    np.matmul(G, half.reshape(6, 3, C * K), out=U.reshape(6, 6, C * K))


def _products(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """36 products, (36, M, S) by (36, S, N): the rows of `a` in runs so short that the BLAS takes them as they lie.

    Longer ones it copies first. Each run reads `b` anew; where that would cost more than it saves, there is one run.
    """
    rows, size = a.shape[1], b[0].size
    counts = range(1, _READ_ANEW // size + 1)
    runs = next((count for count in counts if rows % count == 0 and rows // count * size <= _UNPACKED), 1)
    if runs > 1:
        each, (one, row, number) = rows // runs, a.strides
        a = as_strided(a, (36, runs, each, a.shape[2]), (one, each * row, row, number))
        b, out = b[:, None], out.reshape(36, runs, each, -1)
    np.matmul(a, b, out=out)


def forward(
    x: np.ndarray, W: np.ndarray, geometry: Geometry, workspace: Workspace, kept: Workspace | None
) -> np.ndarray:
    """y (N, H', W', K) as kernels.convolve promises it, some rows of tiles at a time; `kept` gets all of U and V."""
    n, in_h, in_w, C = x.shape
    K = W.shape[3]
    t = _tiles(x, K, geometry)
    A, B = _A[x.dtype], _B[x.dtype]
    U = (kept or workspace).array("U", (36, C, K), x.dtype)
    _filters(W, workspace, U)
    top, left = geometry.padding
    width = _TILE * t.tw + 2
    image = positions(x)
    if not image.flags.c_contiguous:
        image = pad(x, (in_h, in_w), (0, 0), workspace)
    image = image.reshape(in_h, in_w, n * C)
    row = 36 * t.tw * n * C
    V_all = kept.array("V", (t.th, row), x.dtype) if kept else workspace.array("V", (t.rows, row), x.dtype)
    whole = t.out == (_TILE * t.th, _TILE * t.tw)
    shape = (_TILE * t.th, _TILE * t.tw, n, K)
    y = np.empty(shape, x.dtype) if whole else workspace.array("y", shape, x.dtype)
    for start, rows in t.blocks():
        half = workspace.array("half", (rows, 6, width, n * C), x.dtype)
        V = (V_all[start : start + rows] if kept else V_all[:rows]).reshape(6, 6, rows, t.tw, n * C)
        M = workspace.array("M", (36, rows * t.tw * n, K), x.dtype)
        # V = B^T D B: of each tile the rows that lie inside the image (around it are zeros), then the columns
        half[:, :, :left] = 0
        half[:, :, left + in_w :] = 0
        for number, inside in enumerate(half[:, :, left : left + in_w].swapaxes(1, 2), start):
            above = _TILE * number - top  # the image's row that is the tile's first
            first = max(0, above)
            last = max(first, min(in_h, above + 6))
            np.matmul(B[first - above : last - above].T, image[first:last].swapaxes(0, 1), out=inside)
        np.matmul(B.T, _windows(half, 2, t.tw, 6), out=V.transpose(2, 0, 3, 1, 4))
        # 36 products over the channels
        _products(V.reshape(36, -1, C), U, M)
        # Y = A^T M A
        half = workspace.array("half", (rows, 4, 6, t.tw, n * K), x.dtype)
        np.matmul(A.T, M.reshape(6, 6, rows, t.tw, n * K).transpose(1, 2, 3, 0, 4), out=half.transpose(2, 0, 3, 1, 4))
        tile = y[_TILE * start : _TILE * (start + rows)].reshape(rows, 4, t.tw, 4, n * K)
        np.matmul(A.T, half.transpose(0, 1, 3, 2, 4), out=tile)
    return images(y if whole else y[: t.out[0], : t.out[1]].copy())


# Each step of the forward pass is linear in what the step before gave. As in Linear, y = x W and dx = dy W^T, each is
# walked back by its transposes, the last one first:
#     Y = A^T M A     ->  dM = A dY A^T
#     M = V U         ->  dV = dM U^T,  dU = V^T dM     (36 times)
#     V = B^T D B     ->  dD = B dV B^T, added up where the 6x6 tiles overlap
#     U = G g G^T     ->  dg = G^T dU G
def backward(
    dy: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    geometry: Geometry,
    workspace: Workspace,
    kept: Workspace,
    needs_dx: bool,
    needs_dW: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(dx, dW), each None where it is not needed, from dy (N, H', W', K) and what `forward` kept."""
    n, in_h, in_w, C = x.shape
    K = W.shape[3]
    t = _tiles(x, K, geometry)
    A, B, G = _A[x.dtype], _B[x.dtype], _G[x.dtype]
    dyp = positions(dy)
    if t.out != (_TILE * t.th, _TILE * t.tw) or not dyp.flags.c_contiguous:
        dyp = pad(dy, (_TILE * t.th, _TILE * t.tw), (0, 0), workspace)
    V_all = kept.array("V", (t.th, 36 * t.tw * n * C), x.dtype)
    U, dU = kept.array("U", (36, C, K), x.dtype), workspace.array("dU", (36, C, K), x.dtype)
    width = _TILE * t.tw + 2
    if needs_dx:
        ph, pw = geometry.padding
        dxp = np.empty((_TILE * t.th + 2, in_w, n * C), x.dtype)
        U_T = workspace.array("U'", (36, K, C), x.dtype)
        U_T[...] = U.transpose(0, 2, 1)  # the BLAS is slower on a transposed view of small matrices
    for start, rows in t.blocks():
        half = workspace.array("half", (rows, 6, t.tw, 4, n * K), x.dtype)
        dM = workspace.array("M", (6, 6, rows, t.tw, n * K), x.dtype)
        band = dyp[_TILE * start : _TILE * (start + rows)].reshape(rows, 4, _TILE * t.tw, n * K)
        np.matmul(A, band.swapaxes(1, 2), out=half.reshape(rows, 6, _TILE * t.tw, n * K).swapaxes(1, 2))
        np.matmul(A, half, out=dM.transpose(2, 0, 3, 1, 4))
        dM = dM.reshape(36, -1, K)
        if needs_dW:
            V = V_all[start : start + rows].reshape(36, -1, C)
            part = dU if start == 0 else workspace.array("dU part", (36, C, K), x.dtype)
            _products(V.swapaxes(1, 2), dM, part)
            if start > 0:
                dU += part
        if needs_dx:
            dV = workspace.array("dV", (6, 6, rows, t.tw, n * C), x.dtype)
            _products(dM, U_T, dV.reshape(36, -1, C))
            half = workspace.array("half", (rows, 6, width, n * C), x.dtype)
            _overlap_add(B, dV.transpose(2, 0, 3, 1, 4), half, 2, workspace)
            band = dxp[_TILE * start : _TILE * (start + rows) + 2]
            _overlap_add(B, half[:, :, pw : pw + in_w], band, 0, workspace, carry=start > 0)
    dx = None
    if needs_dx:
        dx = images(dxp.reshape(-1, in_w, n, C)[ph : ph + in_h])
    dW = None
    if needs_dW:
        half = np.matmul(G.T, dU.reshape(6, -1), out=workspace.array("half", (3, 6 * C * K), x.dtype))
        dW = np.matmul(G.T, half.reshape(3, 6, C * K)).reshape(W.shape)
    return dx, dW


class Prepared:
    """The forward pass for few images at a time, with all that does not depend on them done once: filters
    transformed (four times as many numbers as W), memory laid out. W and b must stay as they are.

    With few images the runs of N*C numbers are too short for one small product a tile, as `forward` makes it. Here the
    windows along the width are copied side by side first, and each transform along an axis is then one product. The 36
    numbers of a tile stand in the order (column, row).
    """

    def __init__(
        self, x_shape: tuple[int, ...], W: np.ndarray, b: np.ndarray | None, geometry: Geometry, workspace: Workspace
    ) -> None:
        n, height, width, C = x_shape
        K, dtype = W.shape[3], W.dtype
        self._out = geometry.output(height, width)
        th, tw = (-(-size // _TILE) for size in self._out)
        self._AT, self._BT = (np.ascontiguousarray(m[dtype].T) for m in (_A, _B))
        U = np.empty((6, 6, C, K), dtype)
        _filters(W, workspace, U)
        self._U = np.ascontiguousarray(U.swapaxes(0, 1)).reshape(36, C, K)
        self._b = np.zeros(K, dtype) if b is None else b
        top, left = geometry.padding
        rows, columns = _TILE * th + 2, _TILE * tw + 2
        padded = np.zeros((rows, columns, n, C), dtype)  # what lies around the image stays zero
        self._image = images(padded[top : top + height, left : left + width])
        self._windows = _windows(padded.reshape(rows, columns, n * C), 1, tw, 6).transpose(2, 0, 1, 3)
        before, behind = rows * tw * n * C, th * tw * n * K  # numbers of a half-transformed row or column of a tile
        aside = workspace.array("aside", (max(6 * before, 6 * _TILE * behind),), dtype)
        half = workspace.array("half", (max(6 * before, _TILE * _TILE * behind),), dtype)
        in_rows = (6, rows, tw * n * C)  # a product a row of the image: so few numbers that the BLAS copies none first
        self._aside = aside[: 6 * before].reshape(self._windows.shape)
        self._aside_rows, self._half = (a[: 6 * before].reshape(in_rows).swapaxes(0, 1) for a in (aside, half))
        self._bands = _windows(half[: 6 * before].reshape(in_rows), 1, th, 6)
        V = workspace.array("V", (6, 6, th, tw * n * C), dtype)
        self._V_bands, self._V = V.swapaxes(1, 2), V.reshape(36, -1, C)
        self._M = workspace.array("M", (36, th * tw * n, K), dtype)
        self._M_rows = self._M.reshape(6, 6, -1)
        self._back = aside[: 6 * _TILE * behind].reshape(6, _TILE, behind)
        self._back_rows = self._back.reshape(6, _TILE * th, tw * n * K).swapaxes(0, 1)
        tiles = half[: _TILE * _TILE * behind].reshape(_TILE, _TILE * th, tw * n * K)
        self._tiles = tiles.swapaxes(0, 1)
        self._tiles_in_place = tiles.reshape(_TILE, _TILE, th, tw, n, K).transpose(2, 1, 3, 0, 4, 5)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self._image[...] = x
        # V = B^T D B: the columns of each tile, side by side for all rows and tiles, then its rows
        np.copyto(self._aside, self._windows)
        np.matmul(self._BT, self._aside_rows, out=self._half)
        np.matmul(self._BT, self._bands, out=self._V_bands)
        # 36 products over the channels
        np.matmul(self._V, self._U, out=self._M)
        # Y = A^T M A: the rows, then the columns; what is side by side goes to its place, and b is added
        np.matmul(self._AT, self._M_rows, out=self._back)
        np.matmul(self._AT, self._back_rows, out=self._tiles)
        th, _, tw, _, n, K = self._tiles_in_place.shape
        y = np.empty((_TILE * th, _TILE * tw, n, K), x.dtype)
        np.add(self._tiles_in_place, self._b, out=y.reshape(self._tiles_in_place.shape))
        return images(y if y.shape[:2] == self._out else y[: self._out[0], : self._out[1]].copy())


def _overlap_add(
    B: np.ndarray, d: np.ndarray, out: np.ndarray, axis: int, workspace: Workspace, carry: bool = False
) -> None:
    """B d for every window (d: tiles along `axis`, 6 along the next), added into `out` along `axis`, 4 apart.

    The first 4 of each window's 6 entries are written, the last 2 fall on the next window's first and are added.
    `carry`: the 2 entries at the start already hold what an earlier call added there.
    """
    tiles, rest = d.shape[axis], out.shape[axis + 1 :]
    before: tuple[Any, ...] = (slice(None),) * axis
    first = out[(*before, slice(0, 2))].copy() if carry else None
    head = out[(*before, slice(0, _TILE * tiles))].reshape(*out.shape[:axis], tiles, _TILE, *rest)
    tail = workspace.array("tail", (*out.shape[:axis], tiles, 2, *rest), d.dtype)
    d = d.swapaxes(axis + 1, -2)
    np.matmul(B[:4], d, out=head.swapaxes(axis + 1, -2))
    np.matmul(B[4:], d, out=tail.swapaxes(axis + 1, -2))
    if first is not None:
        out[(*before, slice(0, 2))] += first
    head[(*before, slice(1, None), slice(0, 2))] += tail[(*before, slice(0, -1))]
    out[(*before, slice(_TILE * tiles, None))] = tail[(*before, -1)]
