"""Where a number first stopped being finite: a failed step, replayed layer by layer."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np

from minnet.formatting import count
from minnet.functional import NoDistribution
from minnet.layers.base import Layer, RowGradient
from minnet.losses import Loss
from minnet.places import learners, parameters
from minnet.randomness import drawing, seed_layers
from minnet.workers import Batch


class NonFiniteError(ArithmeticError):
    """A loss or gradient became infinite or NaN. The weights are as before the step, or as they were validated."""


def find_nonfinite(model: Layer, loss: Loss, batch: Batch, key: tuple[int, int, int]) -> str:
    """One sentence on the first thing in this step that was not finite.

    The step is replayed on copies, so that nothing is touched, and as one piece, so that dropout, augmentation and the
    statistics of batch norm are not those of the pieces that failed.
    """
    for place, array in parameters(model, loss).items():
        if not np.isfinite(array).all():
            return f"The parameter {place} is not finite: an earlier step broke it."
    rows = slice(0, len(batch.y))
    x, y, weights = batch.piece(rows, key, 0)
    if not _clean(x):
        return "The input itself holds NaN or infinity: clean the data."
    counted = y if weights is None else y[weights > 0]
    if counted.dtype.kind == "f" and not np.isfinite(counted).all():
        return "The targets hold NaN or infinity: clean the data."
    twin, criterion = copy.deepcopy((model, loss))  # a replica would write into their buffers
    criterion.train()  # as the workers' were, in whatever mode its owner left it
    seed_layers(drawing(layer for _, layer in [*twin.walk(), *criterion.walk()]), key, 0)
    with np.errstate(all="ignore"):
        return _replayed(twin, criterion, x, y, weights)


def _replayed(model: Layer, loss: Loss, x: Any, y: np.ndarray, weights: np.ndarray | None) -> str:
    """Where these copies first break: forward, in the loss, or backward."""
    try:
        scores, steps = model.trace(x)
    except NoDistribution as error:
        return f"In the forward pass: {error}. Lower the learning rate, or normalise the input."
    for step in steps:
        if not np.isfinite(step.y).all():
            return (
                f"First not finite: the output of layer {step.place or '0'}, {step.layer!r}, in the forward pass. "
                "Lower the learning rate, normalise the input, or clip the gradient."
            )
    try:
        value = loss.forward(scores, y, weights)
    except NoDistribution as error:
        return f"In {loss!r}: {error}."
    if not np.isfinite(value):
        cure = "lower the learning rate, scale the targets, or clip the gradient"
        if np.isinf(scores).any():
            cure = "is a label impossible?"
        return f"First not finite: {loss!r}, from scores up to {np.abs(scores).max():.3g}: {cure}"
    model.backward(loss.backward())
    for place, layer, name in reversed(learners(model, loss)):  # the walk back comes by the last one in order first
        if not _finite(getattr(layer, "d" + name)):
            return (
                f"First not finite: the gradient of {place}, {layer!r}, in the backward pass. Lower the learning rate."
            )
    return (
        "Replayed as one piece, the step is finite: it broke in a piece, or where the pieces were summed. Lower the "
        "learning rate."
    )


def check_validation(
    epoch: int, value: float, told: bool, loss: Loss, scores: np.ndarray, validation: tuple[Any, Any]
) -> None:
    """Raises NonFiniteError for a validation loss that is NaN, by which no epoch could be told from another.

    Warns of one that is infinite, unless that was `told` of an earlier epoch.
    """
    x, y = validation
    if math.isnan(value):
        raise NonFiniteError(f"epoch {epoch}: the validation loss is NaN{broken_scores(scores, x)}")
    if value == math.inf and not told:
        warnings.warn(
            f"epoch {epoch}: the validation loss is infinite{first_infinite(loss, scores, y)}: such an epoch is never "
            "the best, and patience counts it. Clean the validation data, or lower the learning rate.",
            stacklevel=4,
        )


def broken_scores(scores: np.ndarray, x: Any) -> str:
    """Which examples (of x) have scores that are not finite, and what to do, as the end of a sentence."""
    rows = np.flatnonzero(~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1))
    if len(rows) and _clean(x[rows]):  # it is the weights that are too large
        whose = "every example" if len(rows) == len(scores) else f"{len(rows):,} of {len(scores):,} examples"
        return f" for {whose}, whose inputs are finite: training has diverged. Lower the learning rate."
    where = f" from the scores of {count(len(rows), 'example')}, first example {rows[0]}" if len(rows) else ""
    return f"{where}. Clean the validation data of NaN and infinity, or lower the learning rate."


def first_infinite(loss: Loss, scores: np.ndarray, targets: Any) -> str:
    """The first example whose own loss is infinite, as " (first example 7: ...)"; nothing where only their sum is."""
    criterion, targets = loss.replica().eval(), np.asarray(targets)
    with np.errstate(all="ignore"):
        for n in range(len(scores)):
            if criterion.forward(scores[n : n + 1], targets[n : n + 1], None, 1.0) == np.inf:
                return f" (first example {n}: scores {_span(scores[n])}, target {_span(targets[n])})"
    return ""


def _clean(x: Any) -> bool:
    """Whether inputs, an array or a CSR matrix, hold neither NaN nor infinity."""
    return bool(np.isfinite(x.data if hasattr(x, "tocsr") else x).all())


def _span(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _finite(gradient: Any) -> bool:
    return bool(np.isfinite(gradient.values if isinstance(gradient, RowGradient) else gradient).all())
