"""Models that a network must beat, as runs that `python -m minnet compare` can read beside ours.

python -m tutorials.experiments.baselines tweeteval
python -m minnet compare runs/baseline-tweeteval-logistic runs/tweeteval-ngrams

majority: always the commonest class of training. logistic: scikit-learn's LogisticRegression, class-weighted. mlp: its
MLPClassifier. rules: the VADER rules, where vaderSentiment is installed. Texts become the n-grams of train.py's recipe,
images their pixels.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minnet import metrics, report
from minnet.commands import one_line_errors, place, positive, seed
from minnet.data import Dataset, load
from minnet.recipes import choose
from minnet.run_folder import new_folder, prepare
from tutorials.experiments.record import say, show


def inputs_of(dataset: Dataset) -> dict[str, Any]:
    """The splits as rows of numbers."""
    if dataset.kind == "text":
        return choose(dataset, "ngrams")[1].encode(dataset)[1]
    splits = dataset.splits().items()
    return {name: np.ascontiguousarray(split.x).reshape(len(split), -1) / np.float32(255) for name, split in splits}


def probabilities_of(name: str, dataset: Dataset, inputs: Any, seed: int) -> np.ndarray:
    """A baseline's probabilities (N, K) on the test split."""
    n, k, y = len(dataset.test), len(dataset.classes), dataset.train.y
    if name == "majority":  # the training shares: the commonest class, and honest about how sure it is
        return np.tile(np.bincount(y, minlength=k) / len(y), (n, 1))
    if name == "rules":
        return rules(dataset)
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    enough = np.bincount(y, minlength=k).min() >= 20  # of a class: a tenth of them is held out to stop early
    made = {
        "logistic": LogisticRegression(class_weight="balanced", max_iter=200),
        "mlp": MLPClassifier((64,), early_stopping=enough, max_iter=20, random_state=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations that ran out
        model = made[name].fit(inputs["train"], y)
    found = np.zeros((n, k))
    found[:, model.classes_] = model.predict_proba(inputs["test"])
    return found


def rules(dataset: Dataset) -> np.ndarray:
    """VADER's compound score c as probabilities whose largest follows its rule: negative at c <= -0.05, positive at
    c >= 0.05. They are no measured probabilities, so log loss and calibration say nothing here."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    scores = np.array([analyser.polarity_scores(text)["compound"] for text in dataset.test.x])
    said = np.where(scores <= -0.05, 0, np.where(scores >= 0.05, 2, 1))
    return 0.1 + 0.7 * np.eye(3)[said]


def names_for(dataset: Dataset) -> list[str]:
    """The baselines that fit this dataset, here."""
    ruled = dataset.classes == ("negative", "neutral", "positive") and importlib.util.find_spec("vaderSentiment")
    return ["majority", "logistic", "mlp", *(["rules"] if ruled else [])]


def folder_for(name: str, out: str | None) -> Path:
    """A baseline's folder, as train.py chooses one: no earlier run is replaced."""
    return new_folder(None if out is None else str(Path(out) / name), name, resume=False)


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    run(argv)


def run(argv: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Fits and tests the baselines; returns each one's measures. Raises ValueError where --out holds one already."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a few seconds on little data, to see that it runs")
    options.add_argument("--data", help="the folder where data sets lie and are put")
    options.add_argument("--out", type=place, help="the folder for the runs (default: runs/)")
    options.add_argument("dataset", nargs="?", default="comments", help="a data set's name (default: %(default)s)")
    options.add_argument("--models", nargs="*", help="only these: majority, logistic, mlp, rules")
    options.add_argument("--limit", type=positive, help="use only so many training examples (with --quick: 1000)")
    options.add_argument("--seed", type=seed, default=0, help="of the splits and the MLP (default 0)")
    args = options.parse_args(argv)
    limit = args.limit or (1000 if args.quick else None)
    dataset = load(args.dataset, folder=args.data, limit=limit, seed=args.seed)
    known = names_for(dataset)
    wanted = args.models or (known[:2] if args.quick else known)
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"no baseline {unknown[0]!r} here: choose from {', '.join(known)}")
    folders = {name: folder_for(f"baseline-{dataset.name.replace('/', '-')}-{name}", args.out) for name in wanted}
    inputs, found = inputs_of(dataset), {}
    for name, folder in folders.items():
        with prepare(folder):
            started = time.perf_counter()
            probabilities = probabilities_of(name, dataset, inputs, args.seed)
            found[name] = metrics.evaluate(probabilities, dataset.test.y, dataset.classes)
            command = shlex.join(["python", "-m", "tutorials.experiments.baselines", *(argv or sys.argv[1:])])
            config = {
                "command": command, "dataset": dataset.name, "fingerprint": dataset.fingerprint,
                "test_fingerprint": dataset.test_fingerprint, "model": name,
                "seconds": round(time.perf_counter() - started, 1),
            }  # fmt: skip
            shown = {"texts" if dataset.kind == "text" else "images": dataset.test.x}
            report.write(folder, config, [], found[name], probabilities, dataset.test.y, **shown)
        say(f"{name}: {config['seconds']} s -> {folder}")
    rows = [(name, *(f"{m:.3f}" for m in (found[name]["accuracy"], found[name]["macro"]["recall"],
             found[name]["macro"]["f1"], found[name]["log_loss"]))) for name in found]  # fmt: skip
    say(f"\n{dataset.name}, {len(dataset.test):,} test examples:")
    show([("", "accuracy", "macro recall", "macro F1", "log loss"), *rows])
    return found


if __name__ == "__main__":
    main()
