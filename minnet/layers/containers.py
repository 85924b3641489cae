"""Containers: a chain of layers, a detour that is added, branches side by side, and texts with padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minnet.layers.base import Layer, Step
from minnet.layers.description import expect_output, named

# what no attribute of a layer may be called
_OURS = {"frozen", *(name for name, value in vars(Layer).items() if callable(value))}
_USUAL = {"layers", "training", "frozen", "needs_dx", "_cache"}  # what a chain has and nothing else: a shortcut


class Sequential(Layer):
    """Layers one after another: the output of each is the input of the next.

    L(f3(f2(f1(x)))): by the chain rule the error passes the same layers in reverse order.
    """

    def __init__(self, *layers: Layer) -> None:
        expect_layers(layers, "Sequential(a, b), not Sequential([a, b])")
        self.layers = layers
        list(self.walk())  # raises when a layer stands here twice

    def children(self) -> dict[str, Layer]:
        if vars(self).keys() - _USUAL:
            chain = set(map(id, self.layers))
            beside = [name for name, layer in super().children().items() if id(layer) not in chain]
            if beside:
                raise ValueError(f"{type(self).__name__} holds {beside[0]} beside its chain: derive from Layer instead")
        return {str(index): layer for index, layer in enumerate(self.layers)}

    def __getitem__(self, index: int | slice) -> Any:
        """A layer, or of a slice a Sequential of the same layers."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __setitem__(self, index: int | slice, layer: Any) -> None:
        kind = type(self).__name__
        raise TypeError(f"a {kind} keeps the layers that it was made of: make another, {kind}(*model[:-1].layers, ...)")

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x: Any) -> np.ndarray:
        for layer in self.layers:
            x = layer.forward(x)
            if x is None:
                expect_output(layer, x)
        return x

    def trace(self, x: Any, place: str = "") -> tuple[np.ndarray, list[Step]]:
        steps = []
        for name, layer in self.children().items():
            x, inner = layer.trace(x, f"{place}{name}.")
            steps += inner
        return x, steps

    def backward(self, dy: np.ndarray) -> Any:
        learner = self._first_learner()  # what learns may have changed since need_dx
        for index in reversed(range(0 if self.needs_dx else learner, len(self.layers))):
            layer, needed = self.layers[index], self.needs_dx or index > learner
            if layer.needs_dx != needed:  # else it was told before, and whoever is inside
                layer.need_dx(needed)
            dy = layer.backward(dy)
            if dy is None and index > learner:
                raise ValueError(f"{named(layer)}: backward returned None, but layers before it learn: return dx")
            if missing := [name for name in layer.parameters if layer._learns(name) and not hasattr(layer, "d" + name)]:
                raise ValueError(f"{named(layer)}: backward set no gradient of {missing[0]}: set self.d{missing[0]}")
        return dy if self.needs_dx else None

    def need_dx(self, needed: bool) -> None:
        self.needs_dx = needed
        learner = self._first_learner()
        for index, layer in enumerate(self.layers):
            layer.need_dx(needed or index > learner)

    def _first_learner(self) -> int:
        """Where the walk back may end: no gradient before this layer is read by anybody."""
        return next((index for index, layer in enumerate(self.layers) if layer.learns()), len(self.layers))

    def __repr__(self) -> str:
        inner = "\n".join(f"  ({index}) {layer!r}".replace("\n", "\n  ") for index, layer in enumerate(self.layers))
        return f"{type(self).__name__}(\n{inner}\n)"


class _Fork(Layer):
    """Layers that all see the same x. Its dx is the sum of theirs, so theirs are needed exactly where it is."""

    def need_dx(self, needed: bool) -> None:
        self.needs_dx = needed
        for layer in self.children().values():
            layer.need_dx(needed)


class Residual(_Fork):
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

    # y = shortcut(x) + body(x): each term gets dy unchanged, and x, which went into both, gets the sum of their dx.
    def backward(self, dy: np.ndarray) -> Any:
        straight = dy if self.shortcut is None else self.shortcut.backward(dy)
        change = self.body.backward(dy)
        return None if straight is None or change is None else straight + change


class Parallel(_Fork):
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
        y = np.concatenate(parts, axis=-1)
        self._cache = y.shape, np.cumsum([part.shape[-1] for part in parts])
        return y

    # Each branch gets its own slice of dy; x went into all of them, so their dx add up.
    def backward(self, dy: np.ndarray) -> Any:
        shape, ends = self._recall()
        self._expect_dy(dy, shape)
        parts = np.split(dy, ends[:-1], axis=-1)
        gradients = [branch.backward(part) for branch, part in zip(self.branches, parts, strict=True)]
        if any(gradient is None for gradient in gradients):
            return None
        return sum(gradients[1:], start=gradients[0])


class MaskedSequential(Sequential):
    """A Sequential on token ids (N, L) padded with 0, which tells every pooling layer inside which places are tokens.

    Layers that pool over places (those with a `mask`) get (N, L), True where there is a token, for the pass.
    """

    def __getitem__(self, index: int | slice) -> Any:
        """A layer, or of a slice from the start on a MaskedSequential; what comes later never sees the tokens."""
        if not isinstance(index, slice):
            return self.layers[index]
        if self.layers[index][:1] != self.layers[:1]:
            raise ValueError("a part of a MaskedSequential begins at its start, where the tokens come in: model[:-1]")
        return MaskedSequential(*self.layers[index])

    def forward(self, x: Any) -> np.ndarray:
        with self._mask(x != 0):
            return super().forward(x)

    def trace(self, x: Any, place: str = "") -> tuple[np.ndarray, list[Step]]:
        with self._mask(x != 0):
            return super().trace(x, place)

    @contextmanager
    def _mask(self, tokens: np.ndarray) -> Iterator[None]:
        pooling: list[Any] = [layer for _, layer in self.walk() if hasattr(type(layer), "mask")]
        for layer in pooling:
            layer.mask = tokens
        try:
            yield
        finally:
            for layer in pooling:
                layer.mask = None


def chains(model: Layer) -> Iterator[Sequential]:
    """Every Sequential in `model` whose layers surely run one after another, with nothing else looking in between, so
    that a layer may take over the work of the next: those that stand in this library's containers only."""
    if type(model) in (Sequential, MaskedSequential):
        yield model  # type: ignore[misc]
    if type(model) in (Sequential, MaskedSequential, Residual, Parallel):  # a subclass may look between the layers
        for child in model.children().values():
            yield from chains(child)


def expect_layers(given: Iterable[Any], usage: str) -> None:
    """Raises ValueError for what is no layer, such as a list of them or a class without brackets."""
    for layer in given:
        if isinstance(layer, type):
            raise ValueError(f"expected layers, got the class {layer.__name__}: write {layer.__name__}()")
        if not isinstance(layer, Layer):
            raise ValueError(f"expected layers, got {layer!r}: {usage}")
        for name, value in vars(layer).items():
            if name in _OURS and not callable(value) and not (name == "frozen" and isinstance(value, tuple)):
                raise ValueError(
                    f"{type(layer).__name__}: self.{name} hides what every layer has of that name: rename it"
                )
