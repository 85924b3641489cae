"""How good is the n-gram softmax on `comments`, beyond the luck of one split of 600 examples?

python -m tutorials.experiments.crossvalidation          half a minute

Five folds: each fifth is predicted once, by a network trained on the other four with the recipe of train.py. The five
predictions together cover all 600 comments; the interval is a bootstrap over them. Repeated with another partition for
every seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minnet import metrics
from minnet.commands import one_line_errors
from minnet.data import Dataset, Split, load
from minnet.recipes import choose
from tutorials.experiments.record import Record, parsed, parser, rounded, say, show
from tutorials.experiments.sentiment import fitted


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    from sklearn.model_selection import StratifiedKFold

    args = parsed(parser(__doc__, seeds=3, data=False), argv)
    record = Record("crossvalidation", args, argv)
    dataset = load("comments")
    parts = list(dataset.splits().values())
    texts, y = [text for part in parts for text in part.x], np.concatenate([part.y for part in parts])
    name, recipe = choose(dataset, "ngrams")
    if args.quick:
        recipe = replace(recipe, epochs=3)
    measured = []
    for seed in range(args.seeds):
        probabilities = np.zeros((len(y), len(dataset.classes)), np.float32)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(texts, y):
            everything = Split(texts, y)
            fold = Dataset("comments", "text", dataset.classes, everything.take(train), None, everything.take(test), "")
            probabilities[test] = fitted(recipe, fold, recipe.encode(fold), seed)["test"]
        measured.append(metrics.evaluate(probabilities, y, dataset.classes, seed=seed))
    say(f"{name} on all {len(y)} comments, five folds:\n")
    rows = [
        [
            seed,
            f"{m['macro']['f1']:.3f}",
            "{:.3f} to {:.3f}".format(*m["intervals"]["macro_f1"]),
            f"{m['accuracy']:.3f}",
        ]
        for seed, m in enumerate(measured)
    ]
    show([["seed", "macro F1", "95 % interval", "accuracy"], *rows])
    return record.save(
        rounded(
            {
                "macro F1": [m["macro"]["f1"] for m in measured],
                "intervals": [list(m["intervals"]["macro_f1"]) for m in measured],
                "accuracy": [m["accuracy"] for m in measured],
            }
        ),
    )


if __name__ == "__main__":
    one_line_errors(main)()
