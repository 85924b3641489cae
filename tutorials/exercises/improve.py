"""Exercises that hand in a trained network: a budget, what a network costs and reaches, and training it again.

A student's config() says how the network is built and trained, in words and numbers; none of the student's code runs
here. The checkpoint is evaluated, and for a sample of the class the training is done again.
"""

from __future__ import annotations

import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minnet import checkpoint
from minnet.data import Augment, Dataset, channel_statistics, load
from minnet.layers import (
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    MaxPool2d,
    Normalize,
    ReLU,
    Sequential,
)
from minnet.losses import SoftmaxCrossEntropy
from minnet.nonfinite import NonFiniteError
from minnet.optimizers import SGD, AdamW
from minnet.schedules import Constant, OneCycle
from minnet.summary import multiply_adds
from minnet.training import Trainer, predict

SAMPLE = 5  # one in so many is trained again
WITHIN = 0.02  # of the accuracy that the checkpoint has
WIDEST, DEEPEST = 512, 16  # what a config may ask for: building it comes before counting what it costs
SETTINGS: dict[str, tuple[Any, ...]] = {  # kinds and range of the numbers in a config
    "epochs": (int, 1, 1000),
    "batch_size": (int, 8, 1437),
    "learning_rate": ((int, float), 1e-6, 10),
    "momentum": ((int, float), 0, 0.999),
    "weight_decay": ((int, float), 0, 1),
    "label_smoothing": ((int, float), 0, 0.9),
    "shift": (int, 0, 3),
    "seed": (int, 0, 2**31),
}


@cache
def data(name: str, examples: int | None) -> Dataset:
    """The data set of an exercise, with so many training examples (None: all)."""
    return load(name, limit=examples)


def checked(config: Any) -> dict[str, Any]:
    """`config` if it says all that training needs; ValueError says what is wrong with it."""
    if not isinstance(config, dict) or set(config) != {*SETTINGS, "layers", "optimizer", "schedule"}:
        raise ValueError(f"config() must give a dictionary with layers, optimizer, schedule, {', '.join(SETTINGS)}")
    for name, (kinds, low, high) in SETTINGS.items():
        value = config[name]
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{name} is {str(value)[:20]}: a number from {low:g} to {high:g} is expected")
    if config["optimizer"] not in ("sgd", "adamw") or config["schedule"] not in ("constant", "onecycle"):
        raise ValueError("optimizer is 'sgd' or 'adamw', schedule is 'constant' or 'onecycle'")
    if not isinstance(config["layers"], list) or len(config["layers"]) > DEEPEST:
        raise ValueError(f"layers is a list of at most {DEEPEST} layers")
    return config


def build(config: dict[str, Any], dataset: Dataset) -> Sequential:
    """The untrained network of a checked config; ValueError names a layer that does not fit."""
    height, width, channels = dataset.train.x.shape[1:]
    layers: list[Layer] = [Normalize(*channel_statistics(dataset.train.x))]
    features, seed = 0, config["seed"]  # features: 0 as long as there are images
    for place, (kind, value) in enumerate(map(_words, config["layers"])):
        if kind in ("conv", "linear") and not (isinstance(value, int) and 1 <= value <= WIDEST):
            raise ValueError(f"layer {place}: {kind} needs a width from 1 to {WIDEST}, got {value}")
        if kind in ("conv", "max_pool") and features:
            raise ValueError(f"layer {place}: {kind} needs images, and comes after a linear layer")
        if kind == "conv":
            layers.append(Conv2d(channels, value, 3, padding=1, rng=seed + place))
            channels = value
        elif kind == "max_pool" and min(height, width) > 1:
            layers.append(MaxPool2d(2))
            height, width = height // 2, width // 2
        elif kind == "linear":
            layers += [] if features else [Flatten()]
            layers.append(Linear(features or height * width * channels, value, rng=seed + place))
            features = value
        elif kind == "batch_norm":
            layers.append(BatchNorm(features or channels))
        elif kind == "relu":
            layers.append(ReLU())
        elif kind == "dropout" and isinstance(value, float) and 0 <= value < 1:
            layers.append(Dropout(value))
        else:
            raise ValueError(f"layer {place}: there is no {kind} {'' if value is None else value} here")
    layers += [] if features else [Flatten()]
    last = Linear(features or height * width * channels, len(dataset.classes), rng=seed + DEEPEST)
    return Sequential(*layers, last)


def _words(layer: Any) -> tuple[str, Any]:
    parts = layer if isinstance(layer, (list, tuple)) else [layer]
    if not parts or len(parts) > 2 or not isinstance(parts[0], str):
        raise ValueError(f'a layer is written as "relu" or ["linear", 32], not {str(layer)[:40]}')
    return parts[0], parts[1] if len(parts) == 2 else None


def train(config: dict[str, Any], dataset: Dataset) -> Sequential:
    """The network of a checked config, trained on the training split: the same config gives the same bits."""
    model = build(config, dataset)
    settings = {"weight_decay": config["weight_decay"]}
    if config["optimizer"] == "sgd":
        optimizer: Any = SGD(model, config["learning_rate"], momentum=config["momentum"], **settings)
    else:
        optimizer = AdamW(model, config["learning_rate"], **settings)
    trainer = Trainer(
        model,
        SoftmaxCrossEntropy(config["label_smoothing"]),
        optimizer,
        schedule=OneCycle() if config["schedule"] == "onecycle" else Constant(),
        seed=config["seed"],
        workers=1,
        augment=Augment(flip=False, shift=config["shift"], padding="zeros") if config["shift"] else None,
    )
    sizes = {"epochs": config["epochs"], "batch_size": min(config["batch_size"], len(dataset.train))}
    trainer.fit((dataset.train.x, dataset.train.y), **sizes, progress=False)
    return model


def save(model: Sequential, path: Path) -> None:
    """Writes the weights, as the student hands them in."""
    arrays, header = checkpoint.model_to(model)
    checkpoint.save(path, arrays, header)


def accuracy(model: Sequential, dataset: Dataset, split: str) -> float:
    """The share of a split's examples that the network names rightly."""
    part = dataset.splits()[split]
    return float((predict(model, part.x, workers=1).argmax(axis=1) == part.y).mean())


def in_sample(key: str, seed: int) -> bool:
    """Whether this student's training is done again: drawn from the seed for each alone, so others change nothing."""
    return zlib.crc32(f"{seed} {key}".encode()) % SAMPLE == 0


def judge_network(
    budget: dict[str, Any], outcomes: list[dict[str, Any]], network: bytes | None, again: bool
) -> list[dict[str, Any]]:
    """What is to be judged, from what config() gave: the budget, the levels of accuracy in turn, training again."""
    if outcomes[0]["error"]:
        return outcomes
    dataset = data(budget["data"], budget["examples"])

    def all_wrong(problem: str, fact: str = "") -> list[dict[str, Any]]:
        return [_outcome(problem, fact)] * len(outcomes)

    try:
        config = checked(outcomes[0]["results"][0])
        model = build(config, dataset)
    except ValueError as problem:
        return all_wrong(str(problem))
    cost = multiply_adds(model, dataset.train.x.shape[1:])
    if config["epochs"] > budget["epochs"]:
        return all_wrong(f"{config['epochs']} epochs are asked for, {budget['epochs']} are allowed", "over-epochs")
    if cost > budget["multiply_adds"]:
        return all_wrong(
            f"an image costs {cost:,} multiply-adds, {budget['multiply_adds']:,} are allowed", "over-multiply-adds"
        )
    if network is None:
        return all_wrong("no checkpoint was handed in beside the file", "no-checkpoint")
    try:
        _load(model, network)
    except (ValueError, OSError) as problem:
        return all_wrong(f"the checkpoint is not that of config(): {problem}", "another-network")
    reached = accuracy(model, dataset, budget["split"])
    levels = [
        _outcome("" if reached >= level else f"{reached:.1%} of the {budget['split']} images, {level:.1%} is wanted")
        for level in budget["levels"]
    ]
    repeated = _outcome("")
    if again:
        try:
            with np.errstate(all="ignore"):
                twin = accuracy(train(config, dataset), dataset, budget["split"])
        except NonFiniteError:
            repeated = _outcome("trained again, its loss is infinite", "not-reproduced")
        else:
            repeated = _compared(twin, reached)
    return [_outcome(""), *levels, repeated]


def _compared(twin: float, reached: float) -> dict[str, Any]:
    if abs(twin - reached) <= WITHIN:
        return _outcome("")
    return _outcome(f"trained again it reaches {twin:.1%}, the checkpoint {reached:.1%}", "not-reproduced")


def _load(model: Sequential, network: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.ckpt"
        path.write_bytes(network)
        try:
            arrays, _ = checkpoint.load(path)
        except ValueError as problem:
            raise ValueError(str(problem).replace(str(path), "the file")) from None
    checkpoint.load_model(model, arrays)


def _outcome(problem: str, fact: str = "") -> dict[str, Any]:
    return {
        "results": [] if problem else [True],
        "error": problem or None,
        "changed": [],
        "lines": 0,
        "printed": "",
        "facts": [fact] if fact else [],
    }
