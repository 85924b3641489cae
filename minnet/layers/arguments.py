"""What a constructor was given, checked at once and by name."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np


def whole(name: str, value: Any) -> int:
    """`value` as an int. Raises ValueError unless it is a whole number of at least 1."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def pair(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """One number for both axes, or (height, width)."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or any(not isinstance(n, (int, np.integer)) or n < least for n in both):
        raise ValueError(f"{name} must be a whole number of at least {least}, or two of them; got {value!r}")
    return int(both[0]), int(both[1])


def in_range(name: str, value: float, below: float = inf, most: float = inf) -> float:
    """`value` as a float; raises ValueError unless it is a finite number from 0, under `below` and up to `most`."""
    if isinstance(value, (int, float, np.number)) and isfinite(value) and 0 <= value < below and value <= most:
        return float(value)
    limit = f", below {below:g}" if below < inf else f", at most {most:g}" if most < inf else ""
    raise ValueError(f"{name} must be a number, at least 0{limit}; got {value!r}")
