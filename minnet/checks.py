"""What a training run is refused for, before any work is done."""

from __future__ import annotations

import gc
import inspect
from math import inf
from numbers import Real
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.containers import Sequential, expect_layers
from minnet.layers.description import is_own, named
from minnet.layers.dropout import Dropout
from minnet.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.optimizers import Lookahead, Optimizer
from minnet.schedules import factor_at
from minnet.trials import check_data, check_sizes


def check_parts(model: Layer, loss: Loss, optimizer: Optimizer | Lookahead) -> None:
    """Raises ValueError when model, loss and optimizer are not such, or do not belong together."""
    parts: Any = (
        ("model", model, Layer, "a layer such as Sequential(...)"),
        ("loss", loss, Loss, "a Loss such as SoftmaxCrossEntropy()"),
        ("optimizer", optimizer, (Optimizer, Lookahead), "an Optimizer such as Adam(model, learning_rate=1e-3)"),
    )
    for name, part, kind, such in parts:
        if not isinstance(part, kind):
            raise ValueError(f"the {name} must be {such}, got {part!r}: the order is Trainer(model, loss, optimizer)")
    expect_layers([layer for _, layer in model.walk()], "")
    _check_end(model, loss)
    updates = optimizer.optimizer if isinstance(optimizer, Lookahead) else optimizer
    if all(updates.model is not layer for _, layer in model.walk()):
        raise ValueError("the optimizer was made for another model, which it would go on updating: make it anew")
    if loss.learns() and updates.loss is not loss:
        raise ValueError(f"{loss!r} has parameters that nobody would update: pass loss=... to the optimizer")


def _check_end(model: Layer, loss: Loss) -> None:
    """Raises ValueError where both the model's last layer and the loss make probabilities of scores."""
    last: Any = model
    while isinstance(last, Sequential) and (inner := [each for each in last.layers if not isinstance(each, Dropout)]):
        last = inner[-1]
    names = {kind.__name__ for kind in type(last).__mro__}  # the library's layer, or one that a learner wrote
    twice = [name for name in ("Softmax", "Sigmoid") if name in names]
    if twice and isinstance(loss, (SoftmaxCrossEntropy, SigmoidCrossEntropy)):
        instead = ", or use CrossEntropy" * (twice == ["Softmax"])
        raise ValueError(
            f"the model ends in {twice[0]} and the loss is {type(loss).__name__}, which makes probabilities of scores "
            f"itself: twice would flatten every probability. Leave the {twice[0]} layer out{instead}."
        )


def check_settings(schedule: Any, seed: Any, clip_norm: Any, augment: Any) -> None:
    """Raises ValueError when a setting of the Trainer is of the wrong kind."""
    if schedule is not None and (isinstance(schedule, type) or not callable(schedule)):
        raise ValueError(f"schedule is a function of progress in [0, 1], such as OneCycle(); got {schedule!r}")
    if not (isinstance(seed, (int, np.integer)) and seed >= 0):
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if clip_norm is not None and not (isinstance(clip_norm, Real) and 0 < float(clip_norm) < inf):
        raise ValueError(f"clip_norm is the longest gradient, a finite number above 0; got {clip_norm!r}")
    if augment is not None:
        _check_augment(augment)


def check_schedule(schedule: Any, epochs: int, steps: int) -> None:
    """Raises ValueError for a schedule that gives no factor at some step of the run; of many steps 100 are tried."""
    for step in np.linspace(0, epochs * steps - 1, min(epochs * steps, 100), dtype=np.int64).tolist():
        factor_at(schedule, (step // steps + step % steps / steps) / epochs)


def _check_augment(augment: Any) -> None:
    if isinstance(augment, type) or not callable(augment):
        raise ValueError(f"augment is a function of (x, rng, epoch, indices), got {augment!r}")
    try:
        inspect.signature(augment).bind("x", "rng", "epoch", "indices")
    except TypeError as error:
        raise ValueError(f"augment is called as augment(x, rng, epoch, indices): {error}") from None
    except ValueError:  # of some functions written in C no signature is known
        return


def unpacked(train: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """(x, y, example weights or None) of training data; raises ValueError for anything but such a pair or triple."""
    if _parts(train) not in (2, 3):
        raise ValueError(f"training data is one argument, (x, y) or (x, y, example weights); got {_said(train)}")
    x, y, *weights = train
    if hasattr(x, "tocsr") and x.format != "csr":
        raise ValueError(f"sparse inputs must be a CSR matrix, of which rows can be taken: {type(x).__name__}.tocsr()")
    if not weights or weights[0] is None:
        return x, np.asarray(y), None
    try:
        return x, np.asarray(y), np.asarray(weights[0], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"example weights are numbers, one an example: {error}") from None


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
    save_every: float = 60.0,
) -> None:
    """Raises ValueError for settings, data or labels that do not fit each other, the model or the loss."""
    x, y, weights = train
    if validation is not None and _parts(validation) != 2:
        raise ValueError(f"validation is (x, y), without example weights; got {_said(validation)}")
    if validation is not None and not getattr(validation[0], "shape", ()):
        raise ValueError(f"the validation inputs are an array or a CSR matrix, got {type(validation[0]).__name__}")
    whole("epochs", epochs)
    whole("batch_size", batch_size)
    if not (isinstance(save_every, Real) and save_every >= 0):
        raise ValueError(f'save_every is in seconds, from 0 to float("inf"), never within an epoch; got {save_every!r}')
    if patience is not None and whole("patience", patience) and validation is None:
        raise ValueError("patience waits for a lower validation loss: give validation data, or leave patience out")
    _check_held(model)
    _check_learning(model, loss, freeze_at)
    parts = [("training", x, y, weights), *([] if validation is None else [("validation", *validation, None)])]
    for name, inputs, targets, _ in parts:
        check_sizes(name, inputs, targets)
    for name, inputs, targets, example_weights in parts:
        check_data(model, loss, name, inputs, np.asarray(targets), example_weights)


def _check_learning(model: Layer, loss: Loss, freeze_at: dict[str, float]) -> None:
    """Raises ValueError where nothing would learn, or `freeze_at` names what does not learn or no part of a run."""
    if not isinstance(freeze_at, dict):
        raise ValueError(f'freeze_at is a dictionary such as {{"1.b": 0.3}}, got {freeze_at!r}')
    learning = [place for place, _, _ in model.trainable()]
    if not learning and not loss.learns():
        frozen = any(layer.frozen for _, layer in model.walk())
        why = "every parameter is frozen, see model.unfreeze()" if frozen else "the model has no parameters"
        raise ValueError(f"nothing would learn: {why}")
    if unknown := [place for place in freeze_at if place not in learning]:
        raise ValueError(f"freeze_at names {unknown[0]!r}; what learns is {', '.join(learning)}")
    if wrong := [part for part in freeze_at.values() if not (isinstance(part, Real) and 0 <= part <= 1)]:
        raise ValueError(f"freeze_at takes parts of the run, from 0 to 1, got {wrong[0]!r}")


def _check_held(model: Layer) -> None:
    """Raises ValueError for a layer that the model holds where it is not looked for: nobody would train or save it.

    The garbage collector knows what every object refers to, whether by an attribute, a slot, a set or a dataclass.
    """
    layers = list(model.walk())
    seen = {id(layer) for _, layer in layers}
    for _, layer in layers:
        seen |= {id(layer._cache), *map(id, Layer.children(layer).values())}  # children() may leave some out on purpose
    for _, layer in layers:
        inside: list[Any] = [layer]
        for _ in range(8):  # deep enough for a list in an object in a list; beyond lies what is other people's
            inside = [
                each
                for each in gc.get_referents(*inside)
                if gc.is_tracked(each) and id(each) not in seen
                and (isinstance(each, Layer) or is_own(type(each)))  # ours hold layers that answer for themselves
                and not isinstance(each, (type, ModuleType, FunctionType))
            ]  # fmt: skip
            seen.update(map(id, inside))
            if hidden := [each for each in inside if isinstance(each, Layer)]:
                raise ValueError(
                    f"{named(layer)} holds {named(hidden[0])} where nobody would train or save it: keep layers as "
                    "attributes, or in lists, tuples and dictionaries at most three deep"
                )
