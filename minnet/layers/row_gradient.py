"""The gradient of a table of which a batch uses a few rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class RowGradient(NamedTuple):
    """The gradient of a table of which one batch touches only a few rows; every other row's gradient is zero.

    Two of the same table can be added, and one multiplied by a number, as arrays can.
    """

    rows: np.ndarray  # (R,) unique and sorted
    values: np.ndarray  # (R, ...) one gradient for each of these rows

    def dense(self, shape: tuple[int, ...]) -> np.ndarray:
        """The same gradient as an array of the table's whole shape."""
        full = np.zeros(shape, self.values.dtype)
        full[self.rows] = self.values
        return full

    def __add__(self, other: RowGradient) -> RowGradient:  # type: ignore[override]
        if not isinstance(other, RowGradient):
            return NotImplemented
        rows = np.union1d(self.rows, other.rows)
        values = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        values[np.searchsorted(rows, self.rows)] = self.values
        values[np.searchsorted(rows, other.rows)] += other.values
        return RowGradient(rows, values)

    def __mul__(self, factor: float) -> RowGradient:  # type: ignore[override]
        return RowGradient(self.rows, self.values * factor)

    def __rmul__(self, factor: float) -> RowGradient:  # type: ignore[override]
        return self * factor
