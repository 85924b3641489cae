"""Containers beside Sequential: a detour that is added, branches side by side, and texts with padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.layers.base import Layer, Sequential


class Residual(Layer):
    """y = shortcut(x) + body(x): the body learns what to change (arXiv 1512.03385). Without shortcut, x itself.

    Shapes: body and shortcut must give the same shape.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        self.body, self.shortcut = body, shortcut
        list(self.walk())

    def children(self) -> dict[str, Layer]:
        return {"body": self.body} if self.shortcut is None else {"body": self.body, "shortcut": self.shortcut}

    def forward(self, x: np.ndarray) -> np.ndarray:
        straight = x if self.shortcut is None else self.shortcut.forward(x)
        change = self.body.forward(x)
        if straight.shape != change.shape:
            raise ValueError(
                f"Residual: the body gives {change.shape}, the shortcut {straight.shape}: make the body keep the shape, "
                "or give a shortcut (such as a 1x1 convolution) that changes it alike"
            )
        return straight + change

    # y is a sum, so dy goes into both ways unchanged, and their dx add up.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        straight = dy if self.shortcut is None else self.shortcut.backward(dy)
        return straight + self.body.backward(dy)

    def replica(self) -> Residual:
        twin = super().replica()
        twin.body = self.body.replica()
        twin.shortcut = None if self.shortcut is None else self.shortcut.replica()
        return twin


class Parallel(Layer):
    """Every branch sees the same x; their outputs stand side by side along the last axis."""

    def __init__(self, *branches: Layer) -> None:
        if not branches:
            raise ValueError("Parallel needs at least one branch")
        self.branches = branches
        list(self.walk())

    def children(self) -> dict[str, Layer]:
        return {str(index): branch for index, branch in enumerate(self.branches)}

    def forward(self, x: Any) -> np.ndarray:
        parts = [branch.forward(x) for branch in self.branches]
        self._cache = [part.shape[-1] for part in parts]
        return np.concatenate(parts, axis=-1)

    # Each branch gets its own slice of dy; x went into all of them, so their dx add up.
    def backward(self, dy: np.ndarray) -> Any:
        ends = np.cumsum(self._recall(dy))
        parts = np.split(dy, ends[:-1], axis=-1)
        gradients = [branch.backward(part) for branch, part in zip(self.branches, parts, strict=True)]
        if any(gradient is None for gradient in gradients):
            return None
        return sum(gradients[1:], start=gradients[0])

    def replica(self) -> Parallel:
        twin = super().replica()
        twin.branches = tuple(branch.replica() for branch in self.branches)
        return twin


class MaskedSequential(Sequential):
    """A Sequential on token ids (N, L) padded with 0, which tells every pooling layer inside which places are tokens.

    Layers that pool over places (those with a `mask`) get (N, L), True where there is a token, before the pass.
    """

    def forward(self, x: Any) -> np.ndarray:
        for _, layer in self.walk():
            if hasattr(type(layer), "mask"):
                layer.mask = x != 0
        return super().forward(x)
