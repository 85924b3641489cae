"""Which text model reads sentiment best? Chosen on validation, tested once.

python -m tutorials.experiments.sentiment tweeteval     macro-averaged recall, official splits, 3 seeds
python -m tutorials.experiments.sentiment vader         macro F1, a new 80/20 split for each of 5 seeds

Candidates are the recipes of train.py, n-grams over longer spans, the same with a hidden layer, and the mean
probabilities of every group of them.
Then each score is moved by tau times the logarithm of its class's share in training ("logit adjustment", Menon et al.,
arXiv 2007.07314): tau > 0 names rare classes more often. Model and tau are decided on validation, by the mean over the
seeds. The test split is seen once, by what was chosen, by scikit-learn's LinearSVC on n-grams, and, to show what a
changed mix of classes does, by an n-gram softmax whose loss does not weigh the classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minnet.data import Dataset, Ngrams
from minnet.functional import softmax
from minnet.intervals import rates
from minnet.models import ngram_mlp
from minnet.recipes import TEXT, Recipe
from minnet.training import Trainer
from tutorials.experiments.apart import load_apart
from tutorials.experiments.record import Record, parser, rounded, show, spread

MEASURE = {"tweeteval": "macro recall", "vader": "macro F1"}
TAUS = (-0.5, -0.25, 0.0, 0.25, 0.5)
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # of a model whose loss does not weigh the classes: 1 is the uniform prior
KEYS = ("accuracy", "macro recall", "macro F1")
# TweetEval's leaderboard and SemEval-2017's, macro-averaged recall on the same 12,284 test tweets
OTHERS = {
    "one class for all": 0.333, "BLSTM (TweetEval)": 0.583, "SVM (TweetEval)": 0.629, "FastText (TweetEval)": 0.629,
    "SiTAKA, 8th of SemEval-2017": 0.645, "BB_twtr, 1st of SemEval-2017": 0.681, "RoBERTa-base": 0.713,
    "BERTweet": 0.734,
}  # fmt: skip


UNWEIGHTED = replace(TEXT["ngrams"], balanced=False)


def candidates() -> dict[str, Recipe]:
    """The single models."""
    wide = replace(TEXT["ngrams"], epochs=2, encoder=lambda: Ngrams((1, 3), (2, 6), min_count=3, negation=True))
    hidden = replace(wide, model=ngram_mlp, learning_rate=3e-3)
    return {"ngrams": TEXT["ngrams"], "long n-grams": wide, "with a hidden layer": hidden,
            **{key: TEXT[key] for key in ("bag", "cnn", "attention")}}  # fmt: skip


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro recall and macro F1."""
    k = probabilities.shape[1]
    confusion = np.bincount(labels * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)
    _, recall, f1 = rates(confusion)
    return {"accuracy": np.trace(confusion) / len(labels), "macro recall": recall.mean(), "macro F1": f1.mean()}


def adjusted(probabilities: np.ndarray, prior: np.ndarray, tau: float) -> np.ndarray:
    """softmax(log p - tau log prior)."""
    return softmax(np.log(np.maximum(probabilities, 1e-30)) - tau * np.log(prior))


class Inputs:
    """What each recipe's vectorizer makes of a dataset, made once."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.made: dict[str, Any] = {}

    def of(self, name: str, recipe: Recipe) -> Any:
        shared = {"attention": "cnn", "with a hidden layer": "long n-grams"}.get(name, name)
        if shared not in self.made:
            self.made[shared] = recipe.encode(self.dataset)
        return self.made[shared]


def fitted(recipe: Recipe, dataset: Dataset, encoded: Any, seed: int) -> dict[str, np.ndarray]:
    """The probabilities of the examples that it was not trained on, by split, after training with this seed."""
    vectorizer, inputs = encoded
    model = recipe.build(dataset, vectorizer, seed)
    trainer = Trainer(model, recipe.loss(dataset), recipe.make_optimizer(model), schedule=recipe.schedule, seed=seed)
    validation = (inputs["validation"], dataset.validation.y) if dataset.validation else None
    train = (inputs["train"], dataset.train.y)
    trainer.fit(train, validation, epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
    return {part: softmax(trainer.predict(x)) for part, x in inputs.items() if part != "train"}


def baseline(dataset: Dataset, measured: str) -> dict[str, float]:
    """LinearSVC with class weights on word 1-2-grams and character 2-5-grams, C chosen on validation, then tested."""
    from sklearn.svm import LinearSVC

    vectorizer = Ngrams()
    inputs = {"train": vectorizer.fit_transform(dataset.train.x)}
    inputs |= {part: vectorizer.transform(getattr(dataset, part).x) for part in ("validation", "test")}

    def says(machine: Any, part: str) -> np.ndarray:
        return np.eye(len(dataset.classes))[machine.predict(inputs[part])]

    best, found = -1.0, None
    for c in (0.1, 0.3, 1.0):
        machine = LinearSVC(C=c, class_weight="balanced", random_state=0).fit(inputs["train"], dataset.train.y)
        value = measure(says(machine, "validation"), dataset.validation.y)[measured]
        if value > best:
            best, found = value, machine
    return measure(says(found, "test"), dataset.test.y)


def groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every group of the candidates."""
    return [group for size in range(1, len(names) + 1) for group in itertools.combinations(names, size)]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=0)
    options.add_argument("dataset", nargs="?", choices=sorted(MEASURE), default="tweeteval")
    options.add_argument("--models", nargs="*", choices=sorted(candidates()), help="only these candidates")
    args = options.parse_args(argv)
    args.seeds = args.seeds or (1 if args.quick else {"tweeteval": 3, "vader": 5}[args.dataset])
    record, measured = Record(f"sentiment-{args.dataset}", args, argv), MEASURE[args.dataset]
    recipes = candidates()
    if args.quick:
        args.models = ["ngrams", "attention"]
    recipes = {name: recipe for name, recipe in recipes.items() if not args.models or name in args.models}
    runs, inputs = [], None
    for seed in range(args.seeds):
        if inputs is None or args.dataset == "vader":  # its seed decides the split
            name = "comments" if args.quick else args.dataset
            dataset = load_apart(name, folder=args.data, seed=seed)
            inputs = Inputs(dataset)
            svm = baseline(dataset, measured)
        found = {}
        for name, recipe in recipes.items():
            found[name] = fitted(recipe, dataset, inputs.of(name, recipe), seed)
            value = measure(found[name]["validation"], dataset.validation.y)[measured]
            print(f"seed {seed}, {name}: validation {measured} {value:.3f}", flush=True)
        prior = np.bincount(dataset.train.y, minlength=len(dataset.classes)) / len(dataset.train)
        plain = fitted(UNWEIGHTED, dataset, inputs.of("ngrams", UNWEIGHTED), seed)
        runs.append({"probabilities": {**found, "unweighted": plain}, "dataset": dataset, "prior": prior, "svm": svm})
    result = chosen_and_tested(runs, list(recipes), measured)
    result["dataset"] = {
        "name": dataset.name, "fingerprint": dataset.fingerprint, "train": len(dataset.train), "test": len(dataset.test)
    }  # fmt: skip
    if dataset.name == "tweeteval":
        print("\nBeside others on the same test tweets (macro recall):")
        show([(name, f"{value:.3f}") for name, value in OTHERS.items()])
        print(f"Ours was trained on {len(dataset.train):,} tweets; TweetEval's own train file has 45,615.")
    return record.save(result)


def chosen_and_tested(runs: list[dict[str, Any]], names: list[str], measured: str) -> dict[str, Any]:
    """The validation table, the choice, and its single look at the test split."""

    def score(part: str, group: tuple[str, ...], tau: float) -> list[dict[str, float]]:
        found = []
        for run in runs:
            p = np.mean([run["probabilities"][name][part] for name in group], axis=0)
            found.append(measure(adjusted(p, run["prior"], tau), getattr(run["dataset"], part).y))
        return found

    validation = {group: [row[measured] for row in score("validation", group, 0.0)] for group in groups(names)}
    best = max(validation, key=lambda group: np.mean(validation[group]))
    by_tau = {tau: [row[measured] for row in score("validation", best, tau)] for tau in TAUS}
    tau = max(by_tau, key=lambda t: (round(float(np.mean(by_tau[t])), 4), -abs(t)))
    ranked = sorted(validation, key=lambda group: -np.mean(validation[group]))
    shown = [group for group in ranked if len(group) == 1 or group in ranked[:8] or len(group) == len(names)]
    print(f"\nValidation, {measured}, mean and standard deviation of {len(runs)} seeds:")
    show([("candidate", measured), *((" + ".join(group), spread(validation[group])) for group in shown)])
    print("\nLogit adjustment of the best:")
    show([("tau", measured), *((f"{t:+.2f}", spread(by_tau[t])) for t in TAUS)])
    test = score("test", best, tau)
    svm = [run["svm"] for run in runs]
    print(f"\nTest, {' + '.join(best)} with tau {tau:+.2f}:")
    show([("", *KEYS), row_of("chosen", test), row_of("LinearSVC, same split", svm)])
    moved = {t: score("test", ("unweighted",), t) for t in SHIFTS}
    both = {t: score("test", best, t) for t in TAUS}
    priors = [np.bincount(getattr(runs[0]["dataset"], part).y) / len(getattr(runs[0]["dataset"], part))
              for part in ("train", "test")]  # fmt: skip
    shares = (" / ".join(f"{100 * share:.1f}" for share in prior) + " %" for prior in priors)
    print(f"\nShares of {'/'.join(runs[0]['dataset'].classes)}: {' in train, '.join(shares)} in test.")
    print("What the adjustment does on test (shown after the choice, not used for it):")
    show([("n-gram softmax, loss not weighted", *KEYS), *(row_of(f"tau {t:+.2f}", moved[t]) for t in SHIFTS),
          ("chosen, its loss already weighted", *KEYS), *(row_of(f"tau {t:+.2f}", both[t]) for t in TAUS)])  # fmt: skip

    def means(by_tau: dict[float, list[dict[str, float]]]) -> dict[float, dict[str, float]]:
        return {t: {key: np.mean([row[key] for row in rows]) for key in KEYS} for t, rows in by_tau.items()}

    return rounded({
        "measure": measured,
        "validation": {" + ".join(group): validation[group] for group in ranked},
        "validation_by_tau": by_tau,
        "chosen": {"candidate": " + ".join(best), "tau": tau},
        "test": {key: [row[key] for row in test] for key in KEYS},
        "test_mean": {key: np.mean([row[key] for row in test]) for key in KEYS},
        "linear_svc": {key: [row[key] for row in svm] for key in KEYS},
        "shares": {"train": priors[0], "test": priors[1]},
        "test_by_tau": {"unweighted n-grams": means(moved), "chosen": means(both)},
    })  # fmt: skip


def row_of(name: str, found: list[dict[str, float]]) -> tuple[str, ...]:
    """A line of a table: the measures of several seeds."""
    return name, *(spread([row[key] for row in found]) for key in KEYS)


if __name__ == "__main__":
    main()
