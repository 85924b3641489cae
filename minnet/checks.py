"""What a training run or a question is refused for, before any work is done."""

from __future__ import annotations

import gc
import inspect
import warnings
from math import inf
from numbers import Real
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minnet.checkpoint import model_dtype
from minnet.formatting import count
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.containers import MaskedSequential, Sequential, expect_layers
from minnet.layers.description import expect_output, is_own, named
from minnet.layers.dropout import Dropout
from minnet.layers.normalization import Normalize
from minnet.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.memory import spared
from minnet.optimizers import Lookahead, Optimizer
from minnet.randomness import drawing
from minnet.schedules import factor_at
from minnet.sharing import Plan


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
    updates = optimizer.optimizer if isinstance(optimizer, Lookahead) else optimizer
    if all(updates.model is not layer for _, layer in model.walk()):
        raise ValueError("the optimizer was made for another model, which it would go on updating: make it anew")
    if loss.learns() and updates.loss is not loss:
        raise ValueError(f"{loss!r} has parameters that nobody would update: pass loss=... to the optimizer")


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
    if not isinstance(freeze_at, dict):
        raise ValueError(f'freeze_at is a dictionary such as {{"1.b": 0.3}}, got {freeze_at!r}')
    _check_held(model)
    learning = [place for place, _, _ in model.trainable()]
    if not learning and not loss.learns():
        frozen = any(layer.frozen for _, layer in model.walk())
        why = "every parameter is frozen, see model.unfreeze()" if frozen else "the model has no parameters"
        raise ValueError(f"nothing would learn: {why}")
    if unknown := [place for place in freeze_at if place not in learning]:
        raise ValueError(f"freeze_at names {unknown[0]!r}; what learns is {', '.join(learning)}")
    if wrong := [part for part in freeze_at.values() if not (isinstance(part, Real) and 0 <= part <= 1)]:
        raise ValueError(f"freeze_at takes parts of the run, from 0 to 1, got {wrong[0]!r}")
    parts = [("training", x, y, weights), *([] if validation is None else [("validation", *validation, None)])]
    for name, inputs, targets, _ in parts:
        _check_sizes(name, inputs, targets)
    few = 2 if is_own(type(loss)) else 1  # one's own may compare examples
    for name, inputs, targets, w in parts:
        if reason := _unsuited(model, inputs[:128]):
            raise ValueError(f"the {name} {reason}")
        given = getattr(inputs, "shape", None)
        scores = spared(model.replica().eval().forward, inputs[:few], given)  # raises for a wrong shape or dtype
        expect_output(model, scores)
        if learning and scores.dtype != model_dtype(model):
            raise ValueError(
                f"the model computes in {model_dtype(model)} and gives scores of {scores.dtype}: a layer of your own "
                "changes the type, as a factor np.sqrt(2) does; math.sqrt(2) leaves it"
            )
        _check_labels(name, scores, np.asarray(targets), loss)
        _check_loss(loss, scores, np.asarray(targets)[:few], weights is not None)
        try:
            loss.check_targets(np.asarray(targets))
        except ValueError as error:
            raise ValueError(f"the {name} data: {error}") from None
        if loss.denominator(np.asarray(targets), w) == 0:
            raise ValueError(f"no example of the {name} data counts: all have the weight 0, or labels to ignore")


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


def check_cut(model: Layer, loss: Loss, x: Any, y: np.ndarray, batch_size: int, chosen: Plan) -> None:
    """Raises ValueError where batches of so many run in pieces, and the loss sees one example beside another."""
    whole = chosen.workers == 1 and chosen.piece >= batch_size
    if whole or not is_own(type(loss)) or drawing(part for _, part in loss.walk()):
        return
    scores, probe = spared(model.replica().eval().forward, x[:2]), loss.replica().eval()
    together = _tried(probe, scores, y[:2])
    alone = [_tried(probe, scores[n : n + 1], y[n : n + 1]) for n in range(len(scores))]
    if not np.isclose(together, sum(alone), rtol=1e-3, atol=1e-3 * sum(map(abs, alone)), equal_nan=True):
        raise ValueError(
            f"{loss!r} adds up to {sum(alone):.4g} over two examples alone, and is {together:.4g} for both together: "
            f"with batches cut into pieces it would train something else. Give Trainer workers=1, piece={batch_size}"
        )


def _tried(loss: Loss, scores: np.ndarray, targets: np.ndarray) -> Any:
    try:
        return loss.forward(scores, targets, None, 1.0)
    except Exception as error:
        if not is_own(type(loss)):
            raise
        cure = ". If it needs more at a time, give Trainer workers=1 and as piece the batch size" * (len(scores) == 1)
        raise ValueError(
            f"{loss!r} fails on a batch of {len(scores)}, with which it is tried: {error}{cure}"
        ) from error


def _check_sizes(name: str, inputs: Any, targets: Any) -> None:
    if isinstance(inputs, (tuple, list, dict)):
        raise ValueError(
            f"the {name} inputs must be a NumPy array, got {type(inputs).__name__}: np.asarray makes one. "
            "Several inputs go side by side into one array, which a layer of your own cuts apart"
        )
    if np.asarray(targets).ndim == 0:  # None, or a sparse matrix
        kind = type(np.asarray(targets).item()).__name__
        raise ValueError(f"the {name} targets must be an array or a list, one an example, got {kind}")
    examples = inputs.shape[0] if hasattr(inputs, "shape") else len(inputs)
    if examples != len(targets):
        raise ValueError(f"the {name} data has {examples} inputs but {len(targets)} targets")
    if examples == 0:
        raise ValueError(f"the {name} data is empty")


def check_question(model: Layer, x: Any) -> None:
    """Raises ValueError where `x` is nothing to predict from, and warns of images in other units."""
    gives_rows = bool(getattr(x, "shape", ())) and (hasattr(x, "tocsr") or isinstance(x[:1], np.ndarray))
    if not gives_rows:  # a file's data set may; a data frame gives frames
        raise ValueError(f"predict expects an array or a CSR matrix, got {type(x).__name__}: use np.asarray")
    if x.shape[0] == 0:
        raise ValueError("nothing to predict: the input is empty")
    if reason := _unsuited(model, x[:8]):  # one who asks may show any picture: hence no error
        warnings.warn(f"the {reason}", stacklevel=3)


def _unsuited(model: Layer, images: Any) -> str:
    """What is wrong with images in 0..1 where the network's statistics are of 0..255, or the other way round; else "".

    They would train, or be answered, badly, and nobody would know why.
    """
    first: Any = model
    while type(first) in (Sequential, MaskedSequential) and first.layers:  # another layer may change what comes in
        first = first.layers[0]
    if isinstance(first, Normalize):
        spread = first.replica().forward(images).std(axis=(0, 1, 2))  # 1s where the statistics are these images' own
        small = images.dtype.kind == "f" and images.min() < images.max() <= 1 < max(first.std)
        if (small and spread.max() < 0.02) or np.median(spread) > 50:  # one channel may be constant
            return (
                f"images run from {images.min():.4g} to {images.max():.4g}, which {first!r} does not suit: "
                "images and statistics must both be of 0..255, or both of 0..1"
            )
    return ""


def _check_labels(name: str, scores: np.ndarray, targets: np.ndarray, loss: Loss) -> None:
    """Of labels, whether the model has a score for each; targets of another meaning are the loss's affair."""
    owned: Any = getattr(loss, "classes", None)  # a loss may own the last layer
    over_classes = isinstance(owned, int) or type(loss).hits is not Loss.hits
    if targets.ndim != 1 or targets.dtype.kind not in "iu" or not over_classes:
        return
    if scores.ndim != 2:
        raise ValueError(
            f"the model gives {scores.shape[1:]} for each example, where the loss expects one row of scores: "
            "is a Flatten or a GlobalAvgPool missing, with a Linear behind it?"
        )
    counted = targets[targets != getattr(loss, "ignore_index", None)]
    classes = owned if isinstance(owned, int) else scores.shape[1]
    if counted.size and not (counted.min() >= 0 and counted.max() < classes):
        single = "; for one yes or no SigmoidCrossEntropy takes y[:, None].astype(np.float32)" * (classes == 1)
        raise ValueError(
            f"the {name} labels run from {counted.min()} to {counted.max()}, but the model gives "
            f"{count(classes, 'score')}: labels must be 0..{classes - 1}{single}"
        )
    if classes == 1 and isinstance(loss, SigmoidCrossEntropy):
        raise ValueError(
            f"the {name} labels are all {counted[0]}, the number of the only score, which means yes: for yes or no "
            "give SigmoidCrossEntropy y[:, None].astype(np.float32)"
        )


def _check_loss(loss: Loss, scores: np.ndarray, target: np.ndarray, weighted: bool) -> None:
    """On an example, or on two: whether the loss takes such targets, and heeds what the Trainer tells it."""
    probe = loss.replica().eval()
    whole = _tried(probe, scores, target)  # raises for targets of another kind
    if whole is None or np.ndim(whole):
        got = "None: is its return missing?" if whole is None else f"numbers {np.shape(whole)}: a loss is one number"
        raise ValueError(f"{loss!r}: forward returned {got}")
    trials = ("denominator", None, 2.0), ("weights", np.full(len(scores), 0.5), 1.0)
    for argument, weights, denominator in trials if weighted else trials[:1]:
        half = probe.forward(scores, target, weights, denominator)
        if not np.isclose(2 * half, whole, rtol=1e-3, equal_nan=True):
            raise ValueError(f"{loss!r} ignores its argument {argument}: it is sum(weights * losses) / denominator")
    try:
        gradient = probe.backward()
    except RuntimeError:  # in evaluation some have none
        return
    if gradient is None:
        raise ValueError(f"{loss!r}: backward returned None: is its return missing?")
    if gradient.shape != scores.shape or gradient.dtype != scores.dtype:
        raise ValueError(
            f"{loss!r}: backward gives {gradient.dtype} {gradient.shape} for scores of {scores.dtype} {scores.shape}: "
            "return dlogits.astype(scores.dtype), one for each score"
        )
