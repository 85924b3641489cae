"""How far a run has come, as its checkpoints tell it, and whether a run of these settings may go on from there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np


@dataclass
class Progress:
    """Where a run stands between two updates. The whole of it goes into every checkpoint."""

    epoch: int = 0  # epochs that are complete
    step: int = 0  # updates in the epoch that is under way
    loss: float = 0.0  # the weighted sum over its examples so far
    weight: float = 0.0  # the sum of their weights
    correct: int = 0  # how many of them were right, see Loss.hits
    counted: int = 0  # of how many that can be asked
    rate: float = 0.0  # the last learning rate
    seconds: float = 0.0  # of training and validation, all parts of the run together; writing files is neither
    best_loss: float | None = None  # the lowest validation loss
    best_epoch: int = 0  # the epoch it belongs to, from 1; 0: none yet
    waited: int = 0  # epochs since

    def count_update(self, loss: float, weight: float, correct: int, counted: int, rate: float) -> None:
        """One more update: the mean loss of a batch whose weights sum to `weight`, its right answers, the rate.

        A loss of one's own may count in NumPy's numbers, which JSON, and so a checkpoint, does not hold.
        """
        self.loss += float(loss) * float(weight)
        self.weight += float(weight)
        self.correct += int(correct)
        self.counted += int(counted)
        self.rate = rate

    def end_epoch(self) -> None:
        """One more epoch is complete: the sums begin again at 0."""
        self.epoch += 1
        self.step, self.loss, self.weight, self.correct, self.counted = 0, 0.0, 0.0, 0, 0

    @property
    def train_loss(self) -> float:
        """The mean loss of the epoch's examples so far."""
        return self.loss / self.weight

    @property
    def train_accuracy(self) -> float | None:
        """The share of them that was right, None where that cannot be asked."""
        return self.correct / self.counted if self.counted else None


def progress_from(found: Any) -> Progress:
    """The Progress of a checkpoint's header, of which nothing is taken on trust. Raises ValueError."""
    expected = {field.name: type(field.default) for field in fields(Progress)}
    if not isinstance(found, dict) or found.keys() != expected.keys():
        raise ValueError("it does not say how far its run had come")
    for name, kind in expected.items():
        value = found[name]
        fits = isinstance(value, (int, float)) if kind is float else type(value) is int
        if name == "best_loss":
            fits = value is None or isinstance(value, float)
        if not fits or (name != "best_loss" and name != "loss" and not value >= 0):
            raise ValueError(f"its progress has {name} {str(value)[:40]!r}")
    return Progress(**found)


def runs_on(epoch: int, waited: int, epochs: int, patience: int | None) -> bool:
    """Whether there is more to do for a run of so many epochs."""
    return epoch < epochs and (patience is None or waited < patience)


def data_digests(train: tuple[Any, ...], validation: tuple[Any, Any] | None) -> dict[str, str | None]:
    """What tells these data from others: of targets and weights all, of inputs the shape, the dtype and 16 rows."""
    (x, y, weights), (held_x, held_y) = train, (None, None) if validation is None else validation
    return {
        "training_inputs": _digest(x, some=True), "training_targets": _digest(y), "example_weights": _digest(weights),
        "validation_inputs": _digest(held_x, some=True), "validation_targets": _digest(held_y),
    }  # fmt: skip


def _digest(data: Any, some: bool = False) -> str | None:
    """Twelve hexadecimal digits of the SHA-256 of an array, a list or a CSR matrix."""
    if data is None:
        return None
    data = data if hasattr(data, "shape") else np.asarray(data)
    rows = data[np.linspace(0, data.shape[0] - 1, 16).astype(np.int64)] if some else data
    rows = np.asarray(rows.toarray() if hasattr(rows, "tocsr") else rows)
    rows = rows.astype(str) if rows.dtype.hasobject else rows  # not where the objects lie, but what they are
    digest = hashlib.sha256(f"{data.shape} {getattr(data, 'dtype', rows.dtype)}".encode())
    digest.update(rows.tobytes())
    return digest.hexdigest()[:12]


def described(setting: Any) -> Any:
    """A setting as JSON holds it: a schedule or optimizer by its config(), a function by its name."""
    if hasattr(setting, "config"):
        return setting.config()
    if is_dataclass(setting):
        return repr(setting)
    if isinstance(setting, partial):
        return f"{described(setting.func)} with {setting.args} {setting.keywords}"
    if callable(setting):
        return getattr(setting, "__qualname__", type(setting).__qualname__)
    return setting


def as_json(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as they come back from a checkpoint's header (tuples as lists, keys as text).

    Raises ValueError naming what is neither text nor a number, such as "model.layers.0.activation".
    """
    plain = {name: described(setting) for name, setting in settings.items()}
    for place, leaf in _leaves(plain).items():
        try:
            json.dumps(leaf, default=_plain)
        except TypeError:
            cure = "keep layers, text, numbers, or lists of them (array.tolist())"
            raise ValueError(f"no checkpoint can hold {place}, which is {repr(leaf)[:80]}: {cure}") from None
    return json.loads(json.dumps(plain, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError


def differences(then: Any, now: dict[str, Any]) -> list[str]:
    """One line for each setting that is not what it was: "seed was 0, now 1"."""
    before, after = _leaves(then), _leaves(now)
    places = [place for place in dict.fromkeys((*after, *before)) if before.get(place) != after.get(place)]
    return [f"{place} was {str(before.get(place))[:60]}, now {str(after.get(place))[:60]}" for place in places]


def _leaves(value: Any, place: str = "") -> dict[str, Any]:
    """{"a": {"b": [1, 2]}} as {"a.b.0": 1, "a.b.1": 2}."""
    if not isinstance(value, (dict, list)) or not value:
        return {place: value} if place else {}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        deep: leaf
        for key, inner in pairs
        for deep, leaf in _leaves(inner, f"{place}.{key}" if place else str(key)).items()
    }
