"""What share of the comments is negative? Counting predictions, averaging probabilities, or correcting the count.

python -m tutorials.experiments.shares vader             a minute

A model errs more on some classes than on others, so the shares of its predictions are off wherever the mix of classes
differs from training's. Here test examples are drawn anew to known mixes, and each estimate's error is the mean over
the classes of |estimated - true share|. Probabilities are averaged as `python -m minnet predict` does it: at the
temperature that fits the validation examples, with the class weights undone. The correction knows the validation
examples' confusion matrix and nothing of the mixes. It also prints how often the 95 % intervals hold the truth. Each
seed has its own splits and its own model: the validation matrix is a large part of what the interval must cover.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.calibration import calibrated, seen_on_validation
from minnet.commands import one_line_errors, positive
from minnet.quantification import class_shares
from minnet.recipes import choose
from tutorials.experiments.apart import load_apart
from tutorials.experiments.record import Record, parsed, parser, rounded, say, show
from tutorials.experiments.sentiment import fitted

MIXES = ((0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (1 / 3, 1 / 3, 1 / 3))


def usual(args: argparse.Namespace) -> dict[str, int]:
    """The defaults that depend on the other arguments."""
    few = args.quick or args.dataset == "comments"
    return {"size": 30 if few else 1000, **({"seeds": 1, "repeats": 2} if args.quick else {})}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=10)
    options.add_argument("dataset", nargs="?", choices=("vader", "tweeteval", "comments"), default="vader")
    options.add_argument("--size", type=positive, help="examples of a drawn test set (default: 1000, of comments 30)")
    options.add_argument(
        "--repeats", type=positive, default=3, help="test sets of each mix for a seed (default: %(default)s)"
    )
    args = parsed(options, argv, usual)
    if args.quick:
        args.dataset = "comments"
    record = Record(f"shares-{args.dataset}", args, argv)
    errors: dict[str, dict[tuple[float, ...], list[float]]] = {}
    held: dict[str, list[bool]] = {}
    for seed in range(args.seeds):
        dataset = load_apart(args.dataset, args.data, seed)
        shares = np.array(MIXES)
        most = args.size * shares + 5 * np.sqrt(args.size * shares * (1 - shares))  # hardly ever more of a class
        if (most > np.bincount(dataset.test.y)).any():
            raise ValueError(f"{dataset.name} has too few test examples for --size {args.size}: take less")
        _, recipe = choose(dataset, "ngrams")
        p = fitted(recipe, dataset, recipe.encode(dataset), seed)
        weights = recipe.class_weights(dataset)
        seen = seen_on_validation(np.log(p["validation"]), dataset.validation.y, weights)
        better = calibrated(np.log(p["test"]), {**seen, "class_weights": weights})
        (believed,) = better.values() if better else (p["test"],)
        rng = np.random.default_rng(seed)
        for mix in MIXES:
            for _ in range(args.repeats):
                counts = rng.multinomial(args.size, mix)
                # no example twice: a sample of a sample is a sample, while drawing with replacement would let the
                # chance of the test split itself count again
                drawn = np.concatenate(
                    [
                        rng.choice(np.flatnonzero(dataset.test.y == label), n, replace=False)
                        for label, n in enumerate(counts)
                    ]
                )
                true = counts / args.size
                estimated = class_shares(p["test"][drawn], seen["validation_confusion"], 200, seed, believed[drawn])
                for name, found in estimated.items():
                    errors.setdefault(name, {}).setdefault(mix, []).append(np.abs(found["shares"] - true).mean())
                    low, high = np.array(found["intervals"]).T
                    held.setdefault(name, []).extend((low <= mix) & (mix <= high))
    say(f"\n{dataset.name}, {args.size} examples drawn to each mix, {args.repeats * args.seeds} times.")
    say("Mean error of a class's share, in percentage points:")
    rows = [(" / ".join(f"{100 * share:.0f}" for share in mix) + " %",
             *(f"{100 * np.mean(by_mix[mix]):.1f}" for by_mix in errors.values())) for mix in MIXES]  # fmt: skip
    means = {name: float(np.mean([np.mean(by_mix[mix]) for mix in MIXES])) for name, by_mix in errors.items()}
    rows.append(("all", *(f"{100 * mean:.1f}" for mean in means.values())))
    coverage = {name: float(np.mean(values)) for name, values in held.items()}
    rows.append(("truth inside the 95 % interval", *(f"{100 * share:.0f} %" for share in coverage.values())))
    show([("/".join(dataset.classes), *errors), *rows])
    factor = means["counted"] / means["corrected"]
    say(f"\nThe correction divides the error of counting by {factor:.1f}.")
    by_mix = {name: {str(mix): np.mean(found[mix]) for mix in MIXES} for name, found in errors.items()}
    return record.save(rounded({"errors": by_mix, "means": means, "coverage": coverage, "factor": factor}))


if __name__ == "__main__":
    one_line_errors(main)()
