"""Which text model reads sentiment best? Chosen on validation, tested once.

python -m tutorials.experiments.sentiment tweeteval     macro-averaged recall, official splits, 3 seeds
python -m tutorials.experiments.sentiment vader         macro F1, a new 80/20 split for each of 5 seeds

Candidates are the recipes of train.py, the n-grams without weighing the classes, n-grams over longer spans, the same
with a hidden layer, and the mean probabilities of every group of them. Models that weigh the classes are first brought
to the mix of classes in training. Then each score is moved by tau times the logarithm of its class's share in training
("logit adjustment", Menon et al., arXiv 2007.07314): tau = 0 expects the mix of training, tau = 1 all classes alike.
Model and tau are decided on validation, by the mean over the seeds. The test split is seen once, by what was chosen and
by scikit-learn's LinearSVC on n-grams. --more vader lets all sentences of vader train as well.
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
from tutorials.experiments.record import Record, parser, rounded, show, side_by_side, spread

MEASURE = {"tweeteval": "macro recall", "vader": "macro F1"}
TAUS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
KEYS = ("accuracy", "macro recall", "macro F1")
# TweetEval's leaderboard and SemEval-2017's, macro-averaged recall on the same 12,284 test tweets
OTHERS = {
    "one class for all": 0.333, "BLSTM (TweetEval)": 0.583, "SVM (TweetEval)": 0.629, "FastText (TweetEval)": 0.629,
    "SiTAKA, 8th of SemEval-2017": 0.645, "BB_twtr, 1st of SemEval-2017": 0.681, "RoBERTa-base": 0.713,
    "BERTweet": 0.734,
}  # fmt: skip
# the models that share a vectorizer train one after the other, and one family beside the other with --jobs
FAMILIES = (("cnn", "attention"), ("long n-grams", "with a hidden layer"), ("ngrams", "unweighted"), ("bag",), ("svm",))
CANDIDATES = ("ngrams", "unweighted", "long n-grams", "with a hidden layer", "bag", "cnn", "attention")


def recipe_of(name: str) -> Recipe:
    """The recipe of a single model."""
    if name in TEXT:
        return TEXT[name]
    if name == "unweighted":
        return replace(TEXT["ngrams"], balanced=False)
    wide = replace(TEXT["ngrams"], epochs=2, encoder=lambda: Ngrams((1, 3), (2, 6), min_count=3, negation=True))
    return wide if name == "long n-grams" else replace(wide, model=ngram_mlp, learning_rate=3e-3)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro recall and macro F1."""
    k = probabilities.shape[1]
    confusion = np.bincount(labels * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)
    _, recall, f1 = rates(confusion)
    return {"accuracy": np.trace(confusion) / len(labels), "macro recall": recall.mean(), "macro F1": f1.mean()}


def adjusted(probabilities: np.ndarray, prior: np.ndarray, tau: float) -> np.ndarray:
    """softmax(log p - tau log prior)."""
    return softmax(np.log(np.maximum(probabilities, 1e-30)) - tau * np.log(prior))


def fitted(recipe: Recipe, dataset: Dataset, encoded: Any, seed: int) -> dict[str, np.ndarray]:
    """The probabilities of the examples that it was not trained on, by split, after training with this seed."""
    vectorizer, inputs = encoded
    model = recipe.build(dataset, vectorizer, seed)
    trainer = Trainer(model, recipe.loss(dataset), recipe.make_optimizer(model), schedule=recipe.schedule, seed=seed)
    validation = (inputs["validation"], dataset.validation.y) if dataset.validation else None
    train = (inputs["train"], dataset.train.y)
    trainer.fit(train, validation, epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
    return {part: softmax(trainer.predict(x)) for part, x in inputs.items() if part != "train"}


def family(names: Sequence[str], dataset: Dataset, seeds: Sequence[int], measured: str) -> dict[str, list[Any]]:
    """The probabilities of validation and test examples by model, a list over the seeds."""
    if names == ("svm",):
        return {"svm": [linear_svc(dataset, measured)] * len(seeds)}
    encoded, found = recipe_of(names[0]).encode(dataset), {}
    for name in names:
        found[name] = [fitted(recipe_of(name), dataset, encoded, seed) for seed in seeds]
        values = [measure(run["validation"], dataset.validation.y)[measured] for run in found[name]]
        print(f"{name}, seeds {', '.join(map(str, seeds))}: validation {measured} {spread(values)}", flush=True)
    return found


def linear_svc(dataset: Dataset, measured: str) -> dict[str, np.ndarray]:
    """What LinearSVC with class weights says, one-hot: word 1-2-grams, character 2-5-grams, C chosen on validation."""
    from sklearn.svm import LinearSVC

    vectorizer = Ngrams()
    inputs = {"train": vectorizer.fit_transform(dataset.train.x)}
    inputs |= {part: vectorizer.transform(getattr(dataset, part).x) for part in ("validation", "test")}
    best: tuple[float, Any] = (-1.0, None)
    for c in (0.1, 0.3, 1.0):
        machine = LinearSVC(C=c, class_weight="balanced", random_state=0).fit(inputs["train"], dataset.train.y)
        said = np.eye(len(dataset.classes))[machine.predict(inputs["validation"])]
        best = max(best, (measure(said, dataset.validation.y)[measured], machine), key=lambda found: found[0])
    return {part: np.eye(len(dataset.classes))[best[1].predict(inputs[part])] for part in ("validation", "test")}


def groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every group of the candidates."""
    return [group for size in range(1, len(names) + 1) for group in itertools.combinations(names, size)]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=0, jobs=True)
    options.add_argument("dataset", nargs="?", choices=sorted(MEASURE), default="tweeteval")
    options.add_argument("--models", nargs="*", choices=CANDIDATES, help="only these candidates")
    options.add_argument("--more", help="a data set whose texts train as well, such as vader")
    options.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    args = options.parse_args(argv)
    args.seeds = args.seeds or (1 if args.quick else {"tweeteval": 3, "vader": 5}[args.dataset])
    named = "-".join(["sentiment", args.dataset, *([f"with-{args.more}"] if args.more else [])])
    record, measured = Record(named, args, argv), MEASURE[args.dataset]
    models = args.models or (["ngrams", "attention"] if args.quick else list(CANDIDATES))
    wanted = [tuple(n for n in names if n in (*models, "svm")) for names in FAMILIES]
    seeds = range(args.first, args.first + args.seeds)
    together = [[seed] for seed in seeds] if args.dataset == "vader" else [list(seeds)]  # its seed decides the split
    name = "comments" if args.quick else args.dataset
    datasets = [load_apart(name, args.data, some[0], more=args.more) for some in together]
    tasks = [
        (names, dataset, some) for dataset, some in zip(datasets, together, strict=True) for names in wanted if names
    ]
    results = side_by_side(args.jobs, family, [(*task, measured) for task in tasks])
    runs = []
    for dataset, some in zip(datasets, together, strict=True):
        prior = np.bincount(dataset.train.y, minlength=len(dataset.classes)) / len(dataset.train)
        for place in range(len(some)):
            mine = [found for task, found in zip(tasks, results, strict=True) if task[1] is dataset]
            probabilities = {model: by_seed[place] for found in mine for model, by_seed in found.items()}
            runs.append({"probabilities": probabilities, "dataset": dataset, "prior": prior})
    result = chosen_and_tested(runs, models, measured)
    result["dataset"] = {
        "name": dataset.name, "fingerprint": dataset.fingerprint, "train": len(dataset.train), "test": len(dataset.test)
    }  # fmt: skip
    if dataset.name == "tweeteval":
        print("\nBeside others on the same test tweets (macro recall):")
        show([(name, f"{value:.3f}") for name, value in OTHERS.items()])
        what = f"texts, {args.more} among them" if args.more else "tweets"
        print(f"Ours was trained on {len(dataset.train):,} {what}; TweetEval's own train file has 45,615 tweets.")
    return record.save(result)


def chosen_and_tested(runs: list[dict[str, Any]], names: list[str], measured: str) -> dict[str, Any]:
    """The validation table, the choice, and its single look at the test split."""

    def score(part: str, group: tuple[str, ...], tau: float) -> list[dict[str, float]]:
        found = []
        for run in runs:
            p = np.mean(
                [as_in_training(name, run["probabilities"][name][part], run["prior"]) for name in group], axis=0
            )
            found.append(measure(adjusted(p, run["prior"], tau), getattr(run["dataset"], part).y))
        return found

    validation = {(group, tau): [row[measured] for row in score("validation", group, tau)]
                  for group in groups(names) for tau in TAUS}  # fmt: skip
    ranked = sorted(validation, key=lambda choice: -np.mean(validation[choice]))
    best, tau = ranked[0]
    tops = {group: [choice for choice in ranked if choice[0] == group] for group, _ in ranked}  # best tau first
    shown = [group for rank, group in enumerate(tops) if rank < 8 or len(group) in (1, len(names))]
    print(f"\nValidation, {measured}, mean and standard deviation of {len(runs)} seeds:")
    show([("candidate", "best tau", measured, "at tau 0", "at tau 1"),
          *((" + ".join(group), f"{tops[group][0][1]:.2f}",
             *(spread(validation[choice]) for choice in (tops[group][0], (group, 0.0), (group, 1.0))))
            for group in shown)])  # fmt: skip
    test, svm = score("test", best, tau), [measure(run["probabilities"]["svm"]["test"], run["dataset"].test.y)
                                           for run in runs]  # fmt: skip
    print(f"\nTest, {' + '.join(best)} with tau {tau:.2f}:")
    show([("", *KEYS), row_of("chosen", test), row_of("LinearSVC, same split", svm)])
    moved = {t: score("test", best, t) for t in TAUS}
    priors = [np.bincount(getattr(runs[0]["dataset"], part).y) / len(getattr(runs[0]["dataset"], part))
              for part in ("train", "test")]  # fmt: skip
    shares = (" / ".join(f"{100 * share:.1f}" for share in prior) + " %" for prior in priors)
    print(f"\nShares of {'/'.join(runs[0]['dataset'].classes)}: {' in train, '.join(shares)} in test.")
    print("What the adjustment does on test (shown after the choice, not used for it):")
    show([("tau", *KEYS), *(row_of(f"{t:.2f}", moved[t]) for t in TAUS)])
    return rounded({
        "measure": measured,
        "validation": {" + ".join(group): {tau: validation[group, tau] for tau in TAUS} for group in shown},
        "chosen": {"candidate": " + ".join(best), "tau": tau},
        "test": {key: [row[key] for row in test] for key in KEYS},
        "test_mean": {key: np.mean([row[key] for row in test]) for key in KEYS},
        "linear_svc": {key: [row[key] for row in svm] for key in KEYS},
        "shares": {"train": priors[0], "test": priors[1]},
        "test_by_tau": {t: {key: np.mean([row[key] for row in rows]) for key in KEYS} for t, rows in moved.items()},
    })  # fmt: skip


def as_in_training(name: str, probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """What a model would say if all classes had counted as often as they came: a loss that weighs them alike has
    learned p(class | text) / prior, up to a factor for each text."""
    return probabilities if name == "unweighted" else adjusted(probabilities, prior, -1.0)


def row_of(name: str, found: list[dict[str, float]]) -> tuple[str, ...]:
    """A line of a table: the measures of several seeds."""
    return name, *(spread([row[key] for row in found]) for key in KEYS)


if __name__ == "__main__":
    main()
