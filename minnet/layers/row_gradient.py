"""The gradient of a table of which a batch uses a few rows, and the sparse matrices that such batches are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class RowGradient:
    """The gradient of a table of which one batch touches only a few rows; every other row's gradient is zero.

    Two of the same table can be added, and one multiplied by a number, as arrays can.
    """

    rows: np.ndarray  # (R,) unique and sorted
    values: np.ndarray  # (R, ...) one gradient for each of these rows

    __array_ufunc__ = None  # a NumPy number on the left then leaves the product to __rmul__

    def broken(self, shape: tuple[int, ...]) -> str:
        """What is wrong with it as the gradient of a table of this shape; nothing where it keeps its promise."""
        rows, values = self.rows, self.values
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or values.shape != (rows.size, *shape[1:]):
            return f"a table {shape} expects rows (R,) and values (R, ...), got {rows.shape} and {values.shape}"
        if rows.size and (rows[0] < 0 or rows[-1] >= shape[0] or (rows[1:] <= rows[:-1]).any()):
            return f"the rows of a gradient are unique, sorted and from 0 to {shape[0] - 1}"
        return ""

    def dense(self, shape: tuple[int, ...]) -> np.ndarray:
        """The same gradient as an array of the table's whole shape."""
        full = np.zeros(shape, self.values.dtype)
        full[self.rows] = self.values
        return full

    def __add__(self, other: RowGradient) -> RowGradient:
        if not isinstance(other, RowGradient):
            return NotImplemented
        rows = np.union1d(self.rows, other.rows)
        values = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        values[np.searchsorted(rows, self.rows)] = self.values
        values[np.searchsorted(rows, other.rows)] += other.values
        return RowGradient(rows, values)

    def __mul__(self, factor: float) -> RowGradient:
        return RowGradient(self.rows, self.values * factor)

    def __rmul__(self, factor: float) -> RowGradient:
        return self * factor


def row_gradient(x: Any, dy: np.ndarray) -> RowGradient:
    """x^T dy for a sparse x (CSR, (N, V)) and dy (N, K): row v is zero unless column v of x holds anything.

    The R columns in use are renumbered 0..R-1, so that the product costs what the batch holds, however large V is.
    """
    used = np.zeros(x.shape[1], bool)
    used[x.indices] = True
    rows = np.flatnonzero(used)
    number = np.empty(x.shape[1], x.indices.dtype)
    number[rows] = np.arange(len(rows))
    compact = type(x)((x.data, number[x.indices], x.indptr), shape=(x.shape[0], len(rows)))
    return RowGradient(rows, compact.T @ dy)


def csr(values: np.ndarray, columns: np.ndarray, starts: np.ndarray, width: int) -> Any:
    """The sparse matrix (len(starts) - 1, width) whose row n holds values[starts[n]:starts[n + 1]] at their columns."""
    from scipy.sparse import csr_array

    return csr_array((values, columns, starts), shape=(len(starts) - 1, width))
