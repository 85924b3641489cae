"""Containers beside Sequential: a detour that is added, branches side by side, and texts with padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.layers.base import Layer, Sequential, Step, expect_layers


class Residual(Layer):
    """y = shortcut(x) + body(x): the body learns what to change (arXiv 1512.03385). Without shortcut, x itself.

    Shapes: body and shortcut must give the same shape.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        expect_layers([body] if shortcut is None else [body, shortcut], "Residual(Sequential(a, b)) for several")
        self.body, self.shortcut = body, shortcut
        list(self.walk())

    def forward(self, x: np.ndarray) -> np.ndarray:
        straight = x if self.shortcut is None else self.shortcut.forward(x)
        return self._add(straight, self.body.forward(x))

    def trace(self, x: np.ndarray, place: str = "") -> tuple[np.ndarray, list[Step]]:
        change, steps = self.body.trace(x, f"{place}body.")
        straight, more = (x, []) if self.shortcut is None else self.shortcut.trace(x, f"{place}shortcut.")
        return self._add(straight, change), steps + more

    def _add(self, straight: np.ndarray, change: np.ndarray) -> np.ndarray:
        if straight.shape != change.shape:
            raise ValueError(
                f"Residual: the body gives {change.shape}, the shortcut {straight.shape}: make the body keep the "
                "shape, or give a shortcut (such as a 1x1 convolution) that changes it alike"
            )
        return straight + change

    # y is a sum, so dy goes into both ways unchanged, and their dx add up.
    def backward(self, dy: np.ndarray) -> np.ndarray:
        straight = dy if self.shortcut is None else self.shortcut.backward(dy)
        return straight + self.body.backward(dy)


class Parallel(Layer):
    """Every branch sees the same x; their outputs stand side by side along the last axis."""

    def __init__(self, *branches: Layer) -> None:
        if not branches:
            raise ValueError("Parallel needs at least one branch")
        expect_layers(branches, "Parallel(a, b), not Parallel([a, b])")
        self.branches = branches
        list(self.walk())

    def children(self) -> dict[str, Layer]:
        return {str(index): branch for index, branch in enumerate(self.branches)}

    def forward(self, x: Any) -> np.ndarray:
        return self._join([branch.forward(x) for branch in self.branches])

    def trace(self, x: Any, place: str = "") -> tuple[np.ndarray, list[Step]]:
        traced = [branch.trace(x, f"{place}{name}.") for name, branch in self.children().items()]
        return self._join([y for y, _ in traced]), [step for _, steps in traced for step in steps]

    def _join(self, parts: list[np.ndarray]) -> np.ndarray:
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


class MaskedSequential(Sequential):
    """A Sequential on token ids (N, L) padded with 0, which tells every pooling layer inside which places are tokens.

    Layers that pool over places (those with a `mask`) get (N, L), True where there is a token, before the pass.
    """

    def forward(self, x: Any) -> np.ndarray:
        self._hand_out_mask(x)
        return super().forward(x)

    def trace(self, x: Any, place: str = "") -> tuple[np.ndarray, list[Step]]:
        self._hand_out_mask(x)
        return super().trace(x, place)

    def _hand_out_mask(self, ids: np.ndarray) -> None:
        for _, layer in self.walk():
            if hasattr(type(layer), "mask"):
                layer.mask = ids != 0  # type: ignore[attr-defined]


def chains(model: Layer) -> Iterator[Sequential]:
    """Every Sequential in `model` of which it is known that its layers only ever run one after another, so that one
    of them may do the work of the next: those that stand in nothing but this library's containers."""
    if type(model) in (Sequential, MaskedSequential):
        yield model  # type: ignore[misc]
    if type(model) in (Sequential, MaskedSequential, Residual, Parallel):  # a subclass may look between the layers
        for child in model.children().values():
            yield from chains(child)
