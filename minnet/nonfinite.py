"""Where a number first stopped being finite: a failed step, replayed layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.functional import NoDistribution
from minnet.layers.base import Layer, RowGradient
from minnet.losses import Loss
from minnet.updates import learners, parameters
from minnet.workers import Batch, seed_layers


class NonFiniteError(ArithmeticError):
    """A loss or gradient became infinite or NaN. The weights are those before the step, or of the epoch validated."""


def find_nonfinite(model: Layer, loss: Loss, batch: Batch, key: tuple[int, int, int]) -> str:
    """One sentence on the first thing in this step that was not finite.

    The step is replayed on a replica, so that weights are untouched, and as one piece: dropout, augmentation and the
    statistics of batch norm are then those of another division into pieces.
    """
    for place, array in parameters(model, loss).items():
        if not np.isfinite(array).all():
            return f"The parameter {place} is not finite: an earlier step broke it."
    rows = slice(0, len(batch.y))
    x, y, weights = batch.piece(rows, key, 0)
    values = x.data if hasattr(x, "tocsr") else x
    if not np.isfinite(values).all():
        return "The input itself holds NaN or infinity: clean the data."
    twin, criterion = model.replica(), loss.replica()
    parts = [*twin.walk(), *criterion.walk()]
    seed_layers([layer for _, layer in parts if hasattr(layer, "rng")], key, 0)
    with np.errstate(all="ignore"):
        try:
            scores, steps = twin.trace(x)
        except NoDistribution as error:
            return f"In the forward pass: {error}. Lower the learning rate, or normalise the input."
        for step in steps:
            if not np.isfinite(step.y).all():
                return (
                    f"First not finite: the output of layer {step.place or '0'}, {step.layer!r}, in the forward pass. "
                    "Lower the learning rate, normalise the input, or clip the gradient."
                )
        try:
            value = criterion.forward(scores, y, weights)
        except NoDistribution as error:
            return f"In {loss!r}: {error}."
        if not np.isfinite(value):
            return f"First not finite: {loss!r}, from scores up to {np.abs(scores).max():.3g}: is a label impossible?"
        twin.backward(criterion.backward())
        broken: list[tuple[str, Any]] = [
            (place, layer)
            for place, layer, name in learners(twin, criterion)
            if not _finite(getattr(layer, "d" + name))
        ]
    if broken:  # the walk back ends at the first layer, so the last one in order broke first
        place, layer = broken[-1]
        return f"First not finite: the gradient of {place}, {layer!r}, in the backward pass. Lower the learning rate."
    return (
        "Replayed as one piece, the step is finite: it broke in a piece, or where the pieces were summed. Lower the "
        "learning rate."
    )


def _finite(gradient: Any) -> bool:
    return bool(np.isfinite(gradient.values if isinstance(gradient, RowGradient) else gradient).all())
