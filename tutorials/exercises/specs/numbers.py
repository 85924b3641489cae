"""Inputs that are easy to read: few digits, drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers with two decimals."""
    return np.round(scale * rng.standard_normal(shape), 2)


def size(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from low to high."""
    return int(rng.integers(low, high + 1))


def distributions(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    """Rows of probabilities, (n, k)."""
    weights = rng.integers(1, 20, (n, k)).astype(float)
    return weights / weights.sum(axis=1, keepdims=True)


def array(*rows: Any) -> np.ndarray:
    """Floating-point numbers, one row an argument."""
    return np.array(rows, dtype=float)
