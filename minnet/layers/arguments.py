"""What a constructor was given, checked at once and by name."""

from __future__ import annotations

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
