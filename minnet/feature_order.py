"""Where PyTorch, whose images are channels-first, has the features that a flattened image has here."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from minnet.layers import (
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    LayerNorm,
    Linear,
    Reshape,
    Sequential,
)
from minnet.layers.description import is_own
from minnet.summary import traced

_ROWS = (Conv2d, Linear, Flatten, Reshape, GlobalAvgPool, GlobalMaxPool)  # what decides how images become rows


# A feature of a flattened image stands at h W C + w C + c here and at c H W + h W + w in PyTorch. Layers that work
# on each feature alone keep the order, the next Linear sums it away.
def feature_orders(model: Layer, input_shape: Any) -> dict[str, dict[int, np.ndarray]]:
    """For every layer whose features come from a flattened image (axis 0 of its arrays) or become an image (axis -1),
    by place: where PyTorch has each of them."""
    orders: dict[str, dict[int, np.ndarray]] = {}
    shapes: dict[str, tuple[int, ...]] | None = None
    for number, chain in enumerate(_chains("", model)):
        order = None
        _check_own_rows(chain, model, input_shape, first=number == 0)
        for place, layer in chain:
            if isinstance(layer, Flatten) or (isinstance(layer, Reshape) and len(layer.shape) == 1):
                shapes = _flattened_shapes(model, input_shape) if shapes is None else shapes
                if place not in shapes:
                    raise ValueError(
                        f"{layer!r} at '{place}' lies in a layer of your own: its input's shape is not known here"
                    )
                if len(shapes[place]) == 3:
                    order = _order(*shapes[place])
            elif order is not None and isinstance(layer, (Linear, BatchNorm, LayerNorm)):
                orders[place] = {0: order}
                order = None if isinstance(layer, Linear) else order
            elif order is not None and (
                layer.children() or layer.parameters or layer.buffers or isinstance(layer, Reshape)
            ):
                raise ValueError(
                    f"{layer!r} at '{place}' follows a Flatten: the order of its features is not known here"
                )
        if order is not None and number > 0:
            raise ValueError(
                f"the Flatten before '{chain[-1][0]}' has no Linear in its branch: put one behind it there"
            )
        for place, images in _becoming_images(chain, None if number == 0 else model):
            orders.setdefault(place, {})[-1] = images
    return orders


def _check_own_rows(chain: list[tuple[str, Layer]], model: Layer, input_shape: Any, first: bool) -> None:
    """Raises ValueError where one's own layer flattens images, or may do so: the Linear behind it, or the first in it,
    gets more features than there are channels. With `input_shape` it is known how many a flattened image has."""
    images = isinstance(input_shape, (tuple, list)) and len(input_shape) == 3
    own: tuple[str, Layer] | None = None
    channels = input_shape[2] if images and first else None
    for place, layer in chain:
        reader: Any = layer
        if is_own(type(layer)) and layer.children():
            own = own or (place, layer)
            reader = next((part for _, part in layer.walk() if isinstance(part, _ROWS)), None)
        if isinstance(reader, Linear) and own is not None and channels not in (None, reader.in_features):
            shape = _flattened_shapes(model, input_shape).get(own[0], ()) if images else ()
            known = len(shape) == 3
            if not known or (prod(shape) == reader.in_features and shape[:2] != (1, 1)):
                where = "at" if own[1] is layer else "before"
                said = "flattens" if known else "may flatten"
                cure = "use Flatten()" if images else "use Flatten(), or give input_shape"
                raise ValueError(f"{own[1]!r} {where} '{place}' {said} in an order that is not known here: {cure}")
        if isinstance(layer, Conv2d):
            own, channels = None, layer.out_channels
        elif isinstance(layer, _ROWS) or layer.children():
            channels = None
        elif is_own(type(layer)):
            own = place, layer


def _order(h: int, w: int, c: int) -> np.ndarray:
    return np.arange(h * w * c).reshape(c, h, w).transpose(1, 2, 0).reshape(-1)


def _becoming_images(chain: list[tuple[str, Layer]], source: Layer | None) -> Iterator[tuple[str, np.ndarray]]:
    """(place, order) of each Linear, and of the norms behind it, whose row of outputs a Reshape makes an image of.

    `source` is what the chain's input comes from, None for the user's own.
    """
    row: list[str] = []
    for place, layer in chain:
        if isinstance(layer, Reshape) and len(layer.shape) == 3:
            if row and isinstance(source, Linear):
                order = _order(*np.empty(source.out_features).reshape(layer.shape).shape)
                yield from ((name, order) for name in row)
            # images and sequences stay in order as long as they keep their channels, which W has along its last axis
            elif source is not None and layer.shape[2] not in (1, *getattr(source, "W", np.empty(())).shape[-1:]):
                raise ValueError(
                    f"{layer!r} at '{place}' makes images of features whose order is not known here: "
                    "put a Linear before it"
                )
            row = []
        elif isinstance(layer, Linear):
            row, source = [place], layer
        elif isinstance(layer, (BatchNorm, LayerNorm)):
            row += [place] if row else []
        elif layer.parameters or layer.children():
            row, source = [], layer


def _chains(place: str, layer: Layer) -> list[list[tuple[str, Layer]]]:
    """The sequences in which layers follow one another: nested Sequentials joined, other containers start anew."""
    if not isinstance(layer, Sequential):
        inner = [chain for name, child in layer.children().items() for chain in _chains(f"{place}{name}.", child)]
        return [[(place, layer)], *inner]
    line: list[tuple[str, Layer]] = []
    others: list[list[tuple[str, Layer]]] = []
    for name, child in layer.children().items():
        first, *rest = _chains(f"{place}{name}.", child)
        line += first
        others += rest
    return [line, *others]


def _flattened_shapes(model: Layer, input_shape: Any) -> dict[str, tuple[int, ...]]:
    """What every layer gets, without the batch axis: found by sending an example through a copy."""
    if input_shape is None:
        raise ValueError("the model flattens: give input_shape, that of one example, such as (H, W, C)")
    _, (_, steps) = traced(model.replica().eval(), input_shape)
    return {f"{step.place}." if step.place else "": step.x_shape[1:] for step in steps}
