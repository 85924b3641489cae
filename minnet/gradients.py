"""All gradients of a network as one vector: how long it is, and how it is cut short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isfinite, sqrt

import numpy as np

from minnet.layers.base import Layer, RowGradient
from minnet.layers.description import named

RUN = 8192  # numbers a BLAS sums by itself: of longer vectors it gives each of its threads a part, which moves the bits


@contextmanager
def overwriting(kind: type[Exception] = ValueError) -> Iterator[None]:
    """Around a backward pass: raises `kind` where it reads a gradient, as += does, that it should set."""
    try:
        yield
    except AttributeError as error:
        layer, name = error.obj, error.name or ""
        if not (isinstance(layer, Layer) and name in ["d" + parameter for parameter in layer.parameters]):
            raise
        cure = f"it has to overwrite (self.{name} = ..., not +=)"
        raise kind(f"{named(layer)}: backward reads {name} before it sets it: {cure}") from error


def gradient_norm(model: Layer, loss: Layer | None = None) -> float:
    """The length of all gradients together as one vector: sqrt of the sum of all squares. NaN or inf if one is."""
    gradients = [*model.named_gradients().values(), *(loss.named_gradients().values() if loss is not None else ())]
    with np.errstate(over="ignore", invalid="ignore"):
        return sqrt(sum(_squares((g.values if isinstance(g, RowGradient) else g).reshape(-1)) for g in gradients))


def clip_factor(norm: float, limit: float) -> float:
    """What gradients are to be multiplied by so that their norm is at most `limit` (Pascanu et al., arXiv 1211.5063).

    All by the same factor: the step gets shorter and keeps its direction.
    """
    if not 0 < limit < inf:
        raise ValueError(f"limit is the longest gradient, a finite number above 0; got {limit}")
    if not isfinite(norm):
        raise ValueError(f"the gradient's norm is {norm}: there is no direction to keep")
    return limit / norm if norm > limit else 1.0


# In float32 squares overflow above 1.8e19, lose digits below 1.1e-19 and are 0 below 2.6e-23. A run whose sum lies well
# inside is right to about 1e-6; any other is summed again in float64, which also finds out whether it holds inf or NaN.
def _squares(values: np.ndarray) -> float:
    whole = values.size // RUN * RUN
    runs, rest = values[:whole].reshape(-1, 1, RUN), values[whole:]
    sums = [float(rest @ rest)]
    if whole:
        sums = (runs @ runs.transpose(0, 2, 1)).ravel().tolist() + sums
    for run, found in enumerate(sums):
        if not 1e-20 < found < 1e30:
            sums[run] = float(np.square(values[run * RUN : (run + 1) * RUN], dtype=np.float64).sum())
    return sum(sums)
