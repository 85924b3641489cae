"""What to do about an input of the wrong shape, in a few words: the likely cure."""

from __future__ import annotations

import math
from typing import Any


def array(x: Any) -> str:
    """How what came becomes an array."""
    if hasattr(x, "filled"):
        return "x.filled(value) fills the masked places"
    return "x.toarray() makes one" if hasattr(x, "toarray") else "wrap it in np.asarray(...)"


def features(shape: tuple[int, ...], wanted: int) -> str:
    """For a layer that expects (N, wanted)."""
    hint, flat = f"{wanted} features a row are needed", math.prod(shape[1:])
    if len(shape) == 1 and wanted in (1, shape[0]):
        hint = "one feature a row is x[:, None]" if wanted == 1 else "one example is a batch of one: x[None]"
    elif len(shape) == 1:
        hint += "; one example is a batch of one, x[None]"
    elif len(shape) > 2 and flat == wanted:
        hint = "put Flatten() in front"
    elif len(shape) > 2:
        hint += f", Flatten() would give {flat}"
        if shape[-1] == wanted:
            hint = "pool over the places first, as GlobalAvgPool() does"
    return hint


def channels(shape: tuple[int, ...], wanted: int) -> str:
    """For a layer that expects images (N, H, W, wanted)."""
    if len(shape) == 4 and shape[1] == wanted:
        return "images are channels-last: x.transpose(0, 2, 3, 1)"
    if len(shape) == 3 and shape[2] == wanted:
        return "one image is a batch of one: x[None]"
    if len(shape) == 3 and wanted == 1:
        return "grey images have one channel: x[..., None]"
    return f"images are channels-last, (N, H, W, {wanted})"
