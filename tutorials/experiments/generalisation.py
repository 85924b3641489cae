"""Lesson 10: each thing that should help a network on new examples, switched on alone and measured.

python -m tutorials.experiments.generalisation          a minute or two

A small convolutional network learns digits from 100 images and is tested on 1,597 others. A seed chooses the
100 images, the initial weights and the order; with the same seed, all variants get the same 100 images, so that
differences to "plain" are taken seed by seed. The error bars are 95 % Student intervals over the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minnet import data
from minnet.commands import one_line_errors
from minnet.data import Augment
from minnet.initializers import he
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
    Residual,
    Sequential,
)
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.schedules import OneCycle
from minnet.training import Trainer, predict
from tutorials.experiments.record import Record, parsed, parser, say

TRAINING, EPOCHS, BATCH, WIDTH = 100, 60, 20, 16


def network(seed: int, norm: bool = False, dropout: float = 0.0, residual: bool = False) -> Sequential:
    """Three convolutions on images (8, 8, 1), the last two around a pooling or, `residual`, as a detour."""
    rng = np.random.default_rng(seed)

    def conv(inner: int) -> list[Layer]:
        layer = Conv2d(inner, WIDTH, 3, padding=1, rng=rng)
        layer.W[...] = he(layer.W.shape, rng)
        return [layer, *([BatchNorm(WIDTH)] if norm else [])]

    layers: list[Layer] = [Normalize([77.0], [96.0]), *conv(1), ReLU(), MaxPool2d(2)]
    body = [*conv(WIDTH), ReLU(), *conv(WIDTH)]
    layers += [Residual(Sequential(*body)), ReLU()] if residual else [*body, ReLU()]
    layers += [Flatten(), *([Dropout(dropout)] if dropout else []), Linear(16 * WIDTH, 10, rng=rng)]
    return Sequential(*layers)


# name -> what differs from "plain"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch norm": {"network": {"norm": True}},
    "dropout 0.5": {"network": {"dropout": 0.5}},
    "residual connection": {"network": {"residual": True}},
    "weight decay 0.01": {"decay": 0.01},
    "label smoothing 0.1": {"smoothing": 0.1},
    "one-cycle schedule": {"schedule": OneCycle()},
    "shifts by a pixel": {"augment": Augment(flip=False, shift=1, padding="zeros")},
    "mirror images": {"augment": Augment(flip=True, shift=0)},
    "all but mirror images": {
        "network": {"norm": True, "dropout": 0.5, "residual": True}, "decay": 0.01, "smoothing": 0.1,
        "schedule": OneCycle(), "augment": Augment(flip=False, shift=1, padding="zeros"),
    },
    "twice the images": {"images": 2 * TRAINING},
}  # fmt: skip


def split(seed: int, images: int = TRAINING) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x, y) of `images` digits, balanced, and (x, y) of 1,597 others; 200 images hold the 100 of the same seed."""
    everything = data.load("digits", validation=0)
    x = np.concatenate([everything.train.x, everything.test.x])
    y = np.concatenate([everything.train.y, everything.test.y])
    order = np.random.default_rng((seed, 10)).permutation(len(y))
    each = images // 10
    chosen = np.concatenate([order[y[order] == k][:each] for k in range(10)])
    rest = np.concatenate([order[y[order] == k][2 * TRAINING // 10 :] for k in range(10)])
    return x[chosen], y[chosen], x[rest], y[rest]


def run(name: str, seed: int, epochs: int = EPOCHS) -> dict[str, float]:
    """Trains one variant; its accuracy and loss on the training images and on the others."""
    settings = VARIANTS[name]
    images = settings.get("images", TRAINING)
    x, y, others, truth = split(seed, images)
    model = network(seed, **settings.get("network", {}))
    optimizer = SGD(model, 0.02, momentum=0.9, weight_decay=settings.get("decay", 0.0))
    schedule: Callable[[float], float] | None = settings.get("schedule")
    trainer = Trainer(
        model, SoftmaxCrossEntropy(settings.get("smoothing", 0.0)), optimizer, schedule=schedule, seed=seed,
        workers=1, augment=settings.get("augment"),
    )  # fmt: skip
    trainer.fit((x, y), epochs=epochs * TRAINING // images, batch_size=BATCH, progress=False)  # equally many steps
    found = {}
    for part, images_of, labels in (("train", x, y), ("test", others, truth)):
        scores = predict(model, images_of)
        found[f"{part}_accuracy"] = float((scores.argmax(axis=1) == labels).mean())
        found[f"{part}_loss"] = SoftmaxCrossEntropy().forward(scores, labels)
    return found


def interval(values: np.ndarray) -> tuple[float, float]:
    """The mean of a few numbers and half the width of its 95 % Student interval."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=5, data=False)
    args = parsed(options, argv)
    if args.seeds < 2:
        options.error("a spread needs two seeds or more")
    record = Record("generalisation", args, argv)
    runs = {}
    for name in VARIANTS:
        runs[name] = [run(name, seed, epochs=2 if args.quick else EPOCHS) for seed in range(args.seeds)]
        say(f"{name:<24}{[round(100 * r['test_accuracy'], 1) for r in runs[name]]}")
    rows = {}
    plain = np.array([r["test_accuracy"] for r in runs["plain"]])
    for name, found in runs.items():
        accuracy = np.array([r["test_accuracy"] for r in found])
        mean, half = interval(accuracy)
        difference, around = interval(accuracy - plain)
        rows[name] = {
            "test_accuracy": mean, "interval": half, "difference": difference, "difference_interval": around,
            "test_loss": float(np.mean([r["test_loss"] for r in found])), "runs": found,
        }  # fmt: skip
    return record.save({"training_images": TRAINING, "test_images": 1797 - 2 * TRAINING, "variants": rows})


if __name__ == "__main__":
    one_line_errors(main)()
