"""What a model, a loss and data are tried on before a run or a question: an example or two tell whether they fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minnet.checkpoint import model_dtype
from minnet.formatting import count
from minnet.layers.base import Layer
from minnet.layers.containers import MaskedSequential, Sequential
from minnet.layers.description import expect_output, is_own
from minnet.layers.normalization import Normalize
from minnet.losses import Loss, SigmoidCrossEntropy
from minnet.memory import spared
from minnet.randomness import drawing
from minnet.sharing import Plan


def check_sizes(name: str, inputs: Any, targets: Any) -> None:
    """Raises ValueError unless the "training" or "validation" data are as many inputs as targets, and not empty."""
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


def check_data(
    model: Layer, loss: Loss, name: str, inputs: Any, targets: np.ndarray, weights: np.ndarray | None
) -> None:
    """Raises ValueError where the "training" or "validation" data do not fit the model or the loss."""
    if reason := _unsuited(model, inputs[:128]):
        raise ValueError(f"the {name} {reason}")
    few = 2 if is_own(type(loss)) else 1  # one's own may compare examples
    given = getattr(inputs, "shape", None)
    scores = spared(model.replica().eval().forward, inputs[:few], given)  # raises for a wrong shape or dtype
    expect_output(model, scores)
    if model.learns() and scores.dtype != model_dtype(model):
        raise ValueError(
            f"the model computes in {model_dtype(model)} and gives scores of {scores.dtype}: a layer of your own "
            "changes the type, as a factor np.sqrt(2) does; math.sqrt(2) leaves it"
        )
    _check_labels(name, scores, targets, loss)
    _check_loss(loss, scores, targets[:few], weights is not None)
    try:
        loss.check_targets(targets)
    except ValueError as error:
        raise ValueError(f"the {name} data: {error}") from None
    if loss.denominator(targets, weights) == 0:
        raise ValueError(f"no example of the {name} data counts: all have the weight 0, or labels to ignore")


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
