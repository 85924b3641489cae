"""Every array of a network and of its loss by place: "0.W" stands in the network, "loss.W" in the loss."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from minnet.layers.base import Layer, RowGradient


def parameters(model: Layer, loss: Layer | None = None) -> dict[str, np.ndarray]:
    """Every parameter of the model by place, frozen ones included, and a loss's own as "loss.…"."""
    owned = {} if loss is None else loss.named_parameters()
    return model.named_parameters() | {"loss." + place: w for place, w in owned.items()}


def learners(model: Layer, loss: Layer | None = None) -> list[tuple[str, Layer, str]]:
    """(place, layer, name) of each parameter that learns, named as in `parameters`."""
    owned = [] if loss is None else loss.trainable()
    return [*model.trainable(), *(("loss." + place, layer, name) for place, layer, name in owned)]


def arrays(kind: str, model: Layer, loss: Layer) -> list[tuple[str, Layer, str, Any]]:
    """(place, layer, name, array) of all parameters or buffers, those of the loss as "loss.…"."""
    found = walked(model, loss)
    return [(at + name, layer, name, getattr(layer, name)) for at, layer in found for name in getattr(layer, kind)]


def walked(model: Layer, loss: Layer) -> list[tuple[str, Layer]]:
    """(prefix of its places, layer) of all layers, those of the loss as "loss.…"."""
    return [*model.walk(), *loss.walk("loss.")]


def numbers(model: Layer, loss: Layer) -> dict[str, Any]:
    """The numbers, truth values and words that layers keep beside their arrays; but not which mode they are in."""
    found = [(at + name, name, value) for at, layer in walked(model, loss) for name, value in vars(layer).items()]
    plain = [(place, name, value) for place, name, value in found if type(value) in (bool, int, float, str)]
    return {place: value for place, name, value in plain if name not in ("training", "needs_dx")}


def unnamed(layer: Layer, before: dict[str, Any]) -> str | None:
    """The name of an array that has a gradient and is not among the layer's `parameters`: nobody trains or saves it.

    `before` is vars(layer) before its passes: a layer may keep its dx beside its x, but then the pass itself set x.
    """
    for name, gradient in vars(layer).items():
        array = before.get(name[1:]) if name[0] == "d" and isinstance(gradient, (np.ndarray, RowGradient)) else None
        if isinstance(array, np.ndarray) and array is vars(layer).get(name[1:]) and name[1:] not in layer.parameters:
            return name[1:]
    return None


def overlapping(named: dict[str, np.ndarray]) -> tuple[str, str] | None:
    """The places of two arrays that have a number in common; None if no two have."""
    pairs = itertools.combinations(named.items(), 2)
    # columns of one array side by side have none in common: their rows take turns in memory
    return next(((one, other) for (one, v), (other, w) in pairs if np.shares_memory(v, w)), None)
