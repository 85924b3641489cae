"""How the fast routines see memory: buffers that are reused, and images laid out so that shifting them is cheap.

Images have the shape (N, H, W, C) everywhere, but these routines lay them out in memory as (H, W, N, C): one
position of all images of a piece is one contiguous run of N*C numbers. Shifting images by a row or a column,
which is all that convolution and pooling do, then moves long runs. `positions` and `images` convert between the
two views without copying; any other memory order is accepted too, at the price of one copy.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

BLOCK_BYTES = 1 << 20  # a core's level-2 cache: what one block of columns may occupy (Winograd has its own)


class Workspace:
    """Buffers that are reused from step to step, so that no step asks the system for memory.

    Each belongs to one thread. `array` returns the same memory for the same name, uninitialised, grown when needed.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, np.dtype], np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        size, key = math.prod(shape), (name, np.dtype(dtype))
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


def spared(forward: Callable[[Any], Any], x: Any, given: tuple[int, ...] | None = None) -> Any:
    """forward(x) with `x` read-only, so that a layer that works in place does not change its caller's data.

    Raises ValueError naming such a layer. A CSR matrix, of which rows are copies anyway, goes in as it is. Where x is
    the first rows of something larger, `given` is its shape, which errors then name: it is what the caller knows.
    """
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    try:
        return forward(x)
    except ValueError as error:
        if given is not None and f"got {x.shape}" in str(error):
            raise ValueError(str(error).replace(f"got {x.shape}", f"got {given}")) from error
        if not str(error).endswith("is read-only"):  # NumPy's words
            raise
        passed = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
        layers = [type(each).__name__ for each in passed if each is not None] or ["the model"]  # or a bare function
        raise ValueError(f"{layers[-1]}: forward changes its input: write x = x - ... instead of x -= ...") from error


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

    def extent(self, out_h: int, out_w: int) -> tuple[int, int]:
        """The padded height and width that the windows of this many outputs reach over."""
        return tuple(  # type: ignore[return-value]
            d * (k - 1) + s * (n - 1) + 1
            for k, s, d, n in zip(self.kernel, self.stride, self.dilation, (out_h, out_w), strict=True)
        )


def pad(
    x: np.ndarray, size: tuple[int, int], padding: tuple[int, int], workspace: Workspace, fill: float = 0
) -> np.ndarray:
    """A copy of `x` in memory order (H, W, N, C), padded with `fill` to `size`, (height, width).

    `padding` goes above and to the left, the rest below and to the right, where x may also be cut off.
    """
    n, height, width, channels = x.shape
    top, left = padding
    xp = workspace.array("padded", (*size, n, channels), x.dtype)
    height, width = max(0, min(height, size[0] - top)), max(0, min(width, size[1] - left))  # a rest may stay unseen
    xp[:top] = fill
    xp[top + height :] = fill
    xp[top : top + height, :left] = fill
    xp[top : top + height, left + width :] = fill
    xp[top : top + height, left : left + width] = positions(x)[:height, :width]
    return xp
