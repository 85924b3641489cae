"""Every array of a network and of its loss by place: "0.W" stands in the network, "loss.W" in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.layers.base import Layer


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
    layers = [*model.walk(), *loss.walk("loss.")]
    return [(at + name, layer, name, getattr(layer, name)) for at, layer in layers for name in getattr(layer, kind)]
