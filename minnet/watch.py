"""Looks after the workers' replicas: what a pass did in one of them that the model would never see."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np

from minnet.layers.base import Layer
from minnet.losses import Loss
from minnet.places import arrays, numbers, unnamed, walked


class Watch:
    """Of one crew: `before()` a step, and `after(size)` a step on so many examples, which raises or warns.

    Replicas share every parameter and buffer with the model, and nothing else.
    """

    def __init__(self, model: Layer, loss: Loss, replicas: list[tuple[Layer, Loss]]) -> None:
        self._model, self._loss, self._replicas = model, loss, replicas
        kinds = ("parameters", "buffers")
        self._shared = [array for pair in replicas for kind in kinds for array in arrays(kind, *pair)]
        # BatchNorm's buffers are moved by the master alone, with what the replicas noted
        self._raced = [
            (place, array) for place, layer, _, array in arrays("buffers", model, loss)
            if len(replicas) > 1 and array is not None and not hasattr(type(layer), "update_running")
        ]  # fmt: skip
        self._before: list[np.ndarray] = []
        self._first: tuple[int, list[dict[str, Any]]] | None = None  # size and `numbers` of the first batch
        self._compared = False  # with those of the next batch of its size

    def before(self) -> None:
        """Remembers the buffers that workers might race for."""
        self._before = [array.copy() for _, array in self._raced]

    def after(self, size: int) -> None:
        """Raises ValueError for a buffer that workers raced for, an array that a replica alone holds now, a layer that
        its first pass made, and an array with a gradient that is not named to learn; warns of lost numbers."""
        self._check_buffers()
        self._check_shared()
        if self._first is None:
            self._check_made()
            self._first = size, self._numbers()
        elif not self._compared and self._first[0] == size:  # what backward reads may depend on the batch's size
            self._warn_of_lost(self._first[1], self._numbers())
            self._compared = True

    def _check_buffers(self) -> None:
        for (place, array), old in zip(self._raced, self._before, strict=True):
            if not np.array_equal(array, old, equal_nan=array.dtype.kind == "f"):
                array[...] = old
                raise ValueError(
                    f"several workers write into the buffer '{place}', in an order that chance decides: train with "
                    "workers=1, or let the layer note what each piece shows it, as BatchNorm does"
                )

    def _check_shared(self) -> None:
        for place, layer, name, array in self._shared:
            if getattr(layer, name) is not array:
                kind = "parameter" if name in layer.parameters else "buffer"
                cure = "make it in __init__" if array is None else f"write into it, self.{name}[...] = ..."
                raise ValueError(f"forward assigns the {kind} '{place}' anew, and the model never sees it: {cure}")

    def _check_made(self) -> None:
        known = dict(walked(self._model, self._loss))
        for place, layer in itertools.chain(*(walked(*pair) for pair in self._replicas)):
            if place not in known and (layer.parameters or layer.buffers):
                raise ValueError(f"forward makes '{place[:-1]}', a layer the model never sees: make it in __init__")
            if place in known and (name := unnamed(layer, vars(known[place]))):
                raise ValueError(f"'{place}{name}' has a gradient and is not named in `parameters`: nobody trains it")

    def _numbers(self) -> list[dict[str, Any]]:
        return [numbers(*pair) for pair in self._replicas]

    def _warn_of_lost(self, first: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
        """Warns of numbers that changed once more: those of a single batch may be what backward reads."""
        changed: dict[str, Any] = {}
        for before, after in zip(first, now, strict=True):
            changed |= {at: (value, after[at]) for at, value in before.items() - after.items() if at in after}
        for at, (value, then) in sorted(changed.items()):
            lost = f"'{at}' goes from {value!r} to {then!r} in a replica only, and is lost with it"
            cure = "keep what has to last in an array of `buffers`, what only backward reads in self._cache"
            warnings.warn(f"{lost}: {cure}", stacklevel=2)
