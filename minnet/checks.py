"""What a training run is refused for, before any work is done."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from minnet.formatting import count
from minnet.layers.base import Layer
from minnet.layers.softmax import Softmax
from minnet.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from minnet.optimizers import Lookahead, Optimizer


def check_parts(model: Layer, loss: Loss, optimizer: Optimizer | Lookahead) -> None:
    """Raises ValueError when model, loss and optimizer do not belong together."""
    last: Any = model
    while getattr(last, "layers", ()):
        last = last.layers[-1]
    twice = isinstance(last, Softmax) or type(last).__name__ == "Softmax"  # the library's, or one that a learner wrote
    if isinstance(loss, SoftmaxCrossEntropy) and twice:
        raise ValueError(
            "the model ends in Softmax and the loss is SoftmaxCrossEntropy, which applies softmax itself: twice "
            "would flatten every probability. Leave the Softmax layer out, or use CrossEntropy."
        )
    updates = optimizer.optimizer if isinstance(optimizer, Lookahead) else optimizer
    if all(updates.model is not layer for _, layer in model.walk()):
        raise ValueError("the optimizer was made for another model, which it would go on updating: make it anew")
    if next(loss.trainable(), None) is not None and updates.loss is not loss:
        raise ValueError(f"{loss!r} has parameters that nobody would update: pass loss=... to the optimizer")


def unpacked(train: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """(x, y, example weights or None) of training data; raises ValueError for anything but such a pair or triple."""
    if _parts(train) not in (2, 3):
        raise ValueError(f"training data is one argument, (x, y) or (x, y, example weights); got {_said(train)}")
    x, y, *weights = train
    return x, np.asarray(y), np.asarray(weights[0], np.float64) if weights else None


def _parts(data: Any) -> int:
    return len(data) if isinstance(data, (tuple, list)) else 0


def _said(data: Any) -> str:
    return f"{_parts(data)} parts" if _parts(data) else type(data).__name__


def check_run(
    model: Layer,
    loss: Loss,
    freeze_at: dict[str, float],
    train: tuple[Any, np.ndarray, np.ndarray | None],
    validation: tuple[Any, Any] | None,
    epochs: int,
    batch_size: int,
    patience: int | None,
) -> None:
    """Raises ValueError for settings, data or labels that do not fit each other, the model or the loss."""
    x, y, weights = train
    waits = () if patience is None else (("patience", patience),)
    if validation is not None and _parts(validation) != 2:
        raise ValueError(f"validation is (x, y), without example weights; got {_said(validation)}")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), *waits):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    if patience is not None and validation is None:
        raise ValueError("patience waits for a lower validation loss: give validation data, or leave patience out")
    if not isinstance(freeze_at, dict):
        raise ValueError(f'freeze_at is a dictionary such as {{"1.b": 0.3}}, got {freeze_at!r}')
    learning = [place for place, _, _ in model.trainable()]
    if unknown := [place for place in freeze_at if place not in learning]:
        raise ValueError(f"freeze_at names {unknown[0]!r}; what learns is {', '.join(learning)}")
    if wrong := [part for part in freeze_at.values() if not (isinstance(part, Real) and 0 <= part <= 1)]:
        raise ValueError(f"freeze_at takes parts of the run, from 0 to 1, got {wrong[0]!r}")
    for name, inputs, targets in (("training", x, y), ("validation", *(validation or ([0], [0])))):
        examples = inputs.shape[0] if hasattr(inputs, "shape") else len(inputs)
        if examples != len(targets):
            raise ValueError(f"the {name} data has {examples} inputs but {len(targets)} targets")
        if examples == 0:
            raise ValueError(f"the {name} data is empty")
    for name, inputs, targets in (("training", x, y), *([("validation", *validation)] if validation else [])):
        scores = model.replica().eval().forward(inputs[:1])  # raises for a wrong shape or dtype
        targets = np.asarray(targets)
        if targets.ndim == 1 and targets.dtype.kind in "iu" and not isinstance(loss, MeanSquaredError):
            if scores.ndim != 2:
                raise ValueError(
                    f"the model gives {scores.shape[1:]} for each example, where the loss expects one row of scores: "
                    "is a Flatten or a GlobalAvgPool missing, with a Linear behind it?"
                )
            counted = targets[targets != getattr(loss, "ignore_index", None)]
            classes: Any = getattr(loss, "classes", scores.shape[1])  # a loss may own the last layer
            if counted.size and not (counted.min() >= 0 and counted.max() < classes):
                single = "; for one yes or no pass rows of floats, y[:, None].astype(np.float32)" * (classes == 1)
                raise ValueError(
                    f"the {name} labels run from {counted.min()} to {counted.max()}, but the model gives "
                    f"{count(classes, 'score')}: labels must be 0..{classes - 1}{single}"
                )
        loss.replica().forward(scores, targets[:1], None, 1.0)  # raises for targets of another kind
        if loss.denominator(targets, weights if name == "training" else None) == 0:
            raise ValueError(f"no example of the {name} data counts: all have the weight 0, or labels to ignore")
