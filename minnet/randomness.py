"""Each use of randomness has a generator of its own, made from (seed, purpose, epoch, step, piece): none is saved."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np

from minnet.layers.base import Layer
from minnet.layers.description import named

SHUFFLE, AUGMENT, DROPOUT = 1, 2, 3  # purposes
Key = tuple[int, int, int]  # (seed, epoch, step)


def drawing(layers: Iterable[Layer]) -> list[Any]:
    """The layers that have a generator `rng`, or None as a place for one.

    Raises ValueError where rng is a seed, with which every pass would draw the same, or a generator of an older kind.
    """
    found = [(layer, vars(layer)["rng"]) for layer in layers if "rng" in vars(layer)]
    for layer, rng in found:
        if isinstance(rng, (np.random.RandomState, random.Random, int, np.integer)):
            raise ValueError(f"{named(layer)}: rng is of type {type(rng).__name__}: use np.random.default_rng(seed)")
    return [layer for layer, rng in found if rng is None or isinstance(rng, np.random.Generator)]


def seed_layers(drawing: list[Any], key: Key, number: int) -> None:
    """Gives every layer that draws a generator of its own for this piece of this step."""
    seed, epoch, step = key
    for index, layer in enumerate(drawing):
        layer.rng = np.random.default_rng((seed, DROPOUT, epoch, step, number, index))
