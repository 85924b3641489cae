"""The same network with softmax + cross-entropy and with sigmoid + binary cross-entropy (one versus the rest).

python -m tutorials.experiments.softmax_or_sigmoid --jobs 3           digits cifar10 vader tweeteval pictures: 3 minutes
python -m tutorials.experiments.softmax_or_sigmoid digits pictures    what needs no download

One label an example: accuracy, macro recall and macro F1 of the largest score, and the standard error of macro recall
that the test split's size gives; log loss and calibration error (ece) of the probabilities, where sigmoids are divided
by their sum; `sum` is what a row of sigmoids sums to before that, mean over the test examples. Of CIFAR-10, 10,000
images train; no network trains for more than 10 epochs. "pictures" are 16 x 16 with one to four of scikit-learn's
digits in a grid: several labels. Here an output says yes above a threshold, one for all classes, chosen on validation;
`exact` is the share of pictures with all ten answers right, `recall` the share of the digits that are found, `ece` the
calibration error of the outputs read as probabilities that a digit is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minnet.calibration import reliability
from minnet.commands import one_line_errors
from minnet.data import Dataset, load
from minnet.functional import sigmoid, softmax
from minnet.intervals import losses
from minnet.layers import Flatten, Linear, Normalize, ReLU, Sequential
from minnet.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.recipes import Recipe, choose
from minnet.schedules import OneCycle
from minnet.training import Trainer
from tutorials.experiments.apart import fetched, load_apart
from tutorials.experiments.calibration import MODELS
from tutorials.experiments.record import Record, one_of, parsed, parser, rounded, say, show, side_by_side, spread
from tutorials.experiments.sentiment import measure

LOSSES = {"softmax": SoftmaxCrossEntropy, "sigmoid": SigmoidCrossEntropy}


def scores_of(dataset: Dataset, recipe: Recipe, encoded: Any, kind: str, seed: int) -> np.ndarray:
    """The test scores (N, K) of the data set's own recipe, trained with one of the two losses."""
    vectorizer, inputs = encoded
    if kind == "sigmoid" and recipe.optimizer == "sgd":
        # its mean over K outputs makes gradients K times smaller, to which Adam is blind and SGD is not: with K times
        # the rate and 1/K of the decay, SGD takes the steps that the sum over the outputs would give
        k = len(dataset.classes)
        settings = recipe.settings | {"weight_decay": recipe.settings.get("weight_decay", 0.0) / k}
        recipe = replace(recipe, learning_rate=recipe.learning_rate * k, settings=settings)
    model = recipe.build(dataset, vectorizer, seed)
    trainer = Trainer(model, LOSSES[kind](), recipe.make_optimizer(model), schedule=recipe.schedule, seed=seed)
    train, validation = (inputs["train"], dataset.train.y), (inputs["validation"], dataset.validation.y)
    trainer.fit(train, validation, epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
    return trainer.predict(inputs["test"]).astype(np.float64)


def single(name: str, args: Any) -> dict[str, dict[str, list[float]]]:
    """The measures of both, by seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(args.seeds):
        dataset = load_apart(name, args.data, seed)
        _, recipe = choose(dataset, MODELS[name])
        recipe = replace(recipe, epochs=2 if args.quick else min(recipe.epochs, 10))
        encoded, y = recipe.encode(dataset), dataset.test.y
        for kind in LOSSES:
            z = scores_of(dataset, recipe, encoded, kind, seed)
            raw = softmax(z) if kind == "softmax" else sigmoid(z)
            p = raw / raw.sum(axis=1, keepdims=True)
            row = measure(p, y)
            row["log loss"] = losses(p, y)[0].mean()
            row["ece"], row["sum"] = reliability(p, y)["ece"], raw.sum(axis=1).mean()
            for key, value in row.items():
                found.setdefault(kind, {}).setdefault(key, []).append(float(value))
    return found


def network(inputs: int, outputs: int, seed: int, hidden: int) -> Sequential:
    """A small fully connected network on pictures."""
    rng = np.random.default_rng(seed)
    return Sequential(Normalize([127.0], [100.0]), Flatten(), Linear(inputs, hidden, rng=rng), ReLU(),
                      Linear(hidden, outputs, rng=rng))  # fmt: skip


def pictures(count: int, images: np.ndarray, labels: np.ndarray, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures (N, 16, 16, 1) of one to four digits, and which digits are there, (N, 10)."""
    x, t = np.zeros((count, 16, 16, 1), np.uint8), np.zeros((count, 10), np.float32)
    for n in range(count):
        for cell in rng.permutation(4)[: rng.integers(1, 5)]:
            pick = rng.integers(len(images))
            row, column = 8 * (cell // 2), 8 * (cell % 2)
            x[n, row : row + 8, column : column + 8] = images[pick]
            t[n, labels[pick]] = 1
    return x, t


def several(args: Any) -> dict[str, dict[str, list[float]]]:
    """Composed digits: exact match, recall, micro and macro F1, calibration error and threshold of both, by seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(args.seeds):
        digits, rng = load("digits", seed=seed), np.random.default_rng((seed, 5))
        sizes = {"train": 500 if args.quick else 20_000, "validation": 500, "test": 2000}
        parts = {part: pictures(n, getattr(digits, part).x, getattr(digits, part).y, rng) for part, n in sizes.items()}
        for kind in LOSSES:
            model = network(256, 10, seed, hidden=128)
            x, t = parts["train"]
            # softmax needs one distribution a picture: the labels that are there share it equally
            targets = t if kind == "sigmoid" else t / t.sum(axis=1, keepdims=True)
            trainer = Trainer(model, LOSSES[kind](), Adam(model, 3e-3), schedule=OneCycle(), seed=seed)
            trainer.fit((x, targets), epochs=2 if args.quick else 10, batch_size=128, progress=False)
            p = {part: (softmax if kind == "softmax" else sigmoid)(trainer.predict(parts[part][0])) for part in parts}
            cuts = np.linspace(0.02, 0.9, 45)
            cut = cuts[np.argmax([exactly(p["validation"] > c, parts["validation"][1]) for c in cuts])]
            said, true = p["test"] > cut, parts["test"][1] > 0
            both, each = (said & true).sum(axis=0), said.sum(axis=0) + true.sum(axis=0)
            present = p["test"].ravel()
            answers = np.stack([1 - present, present], axis=1)  # (10 N, 2): is this digit there, no or yes
            row = {"exact": exactly(said, true), "recall": both.sum() / true.sum(),
                   "micro F1": 2 * both.sum() / each.sum(), "macro F1": (2 * both / np.maximum(each, 1)).mean(),
                   "ece": reliability(answers, true.ravel().astype(int))["ece"], "threshold": cut}  # fmt: skip
            for key, value in row.items():
                found.setdefault(kind, {}).setdefault(key, []).append(float(value))
    return found


def measured(task: str, args: Any) -> dict[str, dict[str, list[float]]]:
    """The measures of one task."""
    return several(args) if task == "pictures" else single(task, args)


def exactly(said: np.ndarray, true: np.ndarray) -> float:
    """The share of rows that agree in every class."""
    return float((said == (true > 0)).all(axis=1).mean())


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=2, jobs=True)
    known = [*MODELS, "pictures"]
    options.add_argument("tasks", nargs="*", type=one_of(known), metavar="TASK", help=f"of {', '.join(known)}")
    args = parsed(options, argv)
    usual = ["digits", "pictures"] if args.quick else ["digits", "cifar10", "vader", "tweeteval", "pictures"]
    tasks = args.tasks or usual
    record, result = Record("softmax_or_sigmoid", args, argv), {}
    fetched([task for task in tasks if task != "pictures"], args.data)
    for task, found in zip(tasks, side_by_side(args.jobs, measured, [(task, args) for task in tasks]), strict=True):
        result[task], keys = found, list(found["softmax"])
        say(f"\n{task}, {args.seeds} seeds:")
        show([("", *keys), *((kind, *(spread(rows[key]) for key in keys)) for kind, rows in found.items())])
    say("\n" + "\n".join(conclusions(result)))
    return record.save(rounded(result))


def conclusions(result: dict[str, Any]) -> list[str]:
    """When which is right, in the figures of the tables."""

    def mean(task: str, kind: str, key: str) -> float:
        return float(np.mean(result[task][kind][key]))

    said, one = [], [task for task in result if task != "pictures"]
    if one:
        better = [task for task in one if mean(task, "softmax", "log loss") < mean(task, "sigmoid", "log loss")]
        sums = [mean(task, "sigmoid", "sum") for task in one]
        said.append(
            f"One label an example: softmax has the lower log loss on {len(better)} of {len(one)} data sets"
            f"{' (' + ', '.join(better) + ')' if better else ''}; its probabilities sum to 1 by themselves, the "
            f"sigmoids' to {min(sums):.3f} to {max(sums):.3f}."
        )
    if "pictures" in result:
        keys = ("exact", "ece", "threshold")
        exact, ece, cut = ([100 * mean("pictures", kind, key) for kind in LOSSES] for key in keys)
        said.append(
            f"Several labels: all ten answers are right on {exact[1]:.1f} % of the pictures with sigmoids, on "
            f"{exact[0]:.1f} % with softmax, whose best threshold is {cut[0] / 100:.2f} since labels share one "
            f"whole; read as probabilities its outputs are off by {ece[0]:.1f} points, the sigmoids' by {ece[1]:.1f}."
        )
    return said


if __name__ == "__main__":
    one_line_errors(main)()
