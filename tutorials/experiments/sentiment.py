"""Which text model reads sentiment best? Chosen on validation, tested once.

python -m tutorials.experiments.sentiment tweeteval --jobs 2  macro-averaged recall, official splits, 3 seeds: 6 minutes
python -m tutorials.experiments.sentiment vader --jobs 2      macro F1, a new 80/20 split of each of 5 seeds: 13 minutes

Candidates are the recipes of train.py, the n-grams (alone and with the lexicon) without weighing the classes, n-grams
over longer spans, the same with a hidden layer, and the mean probabilities of every group of them. Models that weigh
the classes are first brought to the mix of classes in training. Then each score is moved by tau times the logarithm of
its class's share in training ("logit adjustment", Menon et al., arXiv 2007.07314): tau = 0 expects the mix of training,
tau = 1 all classes alike.

tweeteval: the test tweets are of November and December 2016, those of training and of TweetEval's validation split of
2012 to 2015, so that split rewards what a model knows by heart about people and events that the test split does not
speak of. The training file is in the order of the SemEval tasks, and its last part is the test set of SemEval-2016,
from July to December 2015. It is what the choice is made on: as the test split, it speaks of other things than what
trains, two thirds of which come from the tasks of 2013 to 2015 (the rest is SemEval-2016's own training part, of August
and September 2015). What was chosen is then trained again, on all tweets that are not test. (TweetEval's own
training file is shuffled: from it the choice is made on held-out tweets of all years.) tau stays at 1: macro recall
counts all classes alike, and its best rule does so too, whatever the mix of the test split may be (with recall_k =
P(decide k | k), the mean over K classes is largest where each text gets the class of the largest p(text | k), which is
proportional to p(k | text) / p(k)). Of what validation cannot tell apart the smallest is taken: the group with the
fewest members among those within one standard error of the best (Breiman et al., Classification and Regression Trees,
1984, section 3.4.3).

vader: for each seed, model and tau are decided on its own validation split, drawn like training; macro F1 has no such
rule.

The test split is seen at the end, by what was chosen and by scikit-learn's LinearSVC on n-grams, without the lexicon.
--more vader lets all sentences of vader train as well, --more vader/tweets its tweets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minnet.commands import one_line_errors, seed
from minnet.data import Dataset, Ngrams, load, load_lexicon
from minnet.data.dataset import joined
from minnet.functional import softmax
from minnet.intervals import rates
from minnet.models import ngram_mlp
from minnet.recipes import TEXT, Recipe, choose
from minnet.training import Trainer
from tutorials.experiments.apart import apart, with_texts_of
from tutorials.experiments.record import Record, parsed, parser, rounded, say, show, side_by_side, spread

MEASURE = {"tweeteval": "macro recall", "vader": "macro F1"}
SEEDS = {"tweeteval": 3, "vader": 5}
TAUS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
ALLOWED = {"macro recall": (1.0,), "macro F1": TAUS}  # see above
SMALLEST = ("macro recall",)  # among candidates that validation cannot tell apart
LATER = 19_857 / 48_214  # of the lines of tweeteval's training file, those of SemEval-2016's test set
COSTS = (0.1, 0.3, 1.0)  # LinearSVC's C
KEYS = ("accuracy", "macro recall", "macro F1")
# TweetEval's leaderboard and SemEval-2017's, macro-averaged recall on the same 12,284 test tweets
OTHERS = {
    "one class for all": 0.333, "BLSTM (TweetEval)": 0.583, "SVM (TweetEval)": 0.629, "FastText (TweetEval)": 0.629,
    "SiTAKA, 8th of SemEval-2017": 0.645, "BB_twtr, one of two 1st of SemEval-2017": 0.681, "RoBERTa-base": 0.713,
    "BERTweet": 0.734,
}  # fmt: skip
# the models that share a vectorizer train one after the other, and one family beside the other with --jobs
FAMILIES = (
    ("cnn", "attention"), ("long n-grams", "with a hidden layer"), ("ngrams", "unweighted"),
    ("lexicon", "unweighted with lexicon"), ("bag",), ("svm",),
)  # fmt: skip
CANDIDATES = tuple(name for names in FAMILIES for name in names if name != "svm")


def recipe_of(name: str, dataset: Dataset) -> Recipe:
    """The recipe of a single model for this data set."""
    if name in TEXT:
        return choose(dataset, name)[1]
    if name in ("unweighted", "unweighted with lexicon"):
        return replace(choose(dataset, "ngrams" if name == "unweighted" else "lexicon")[1], balanced=False)
    wide = replace(TEXT["ngrams"], epochs=2, encoder=lambda: Ngrams((1, 3), (2, 6), min_count=3, negation=True))
    return wide if name == "long n-grams" else replace(wide, model=ngram_mlp, learning_rate=3e-3)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro recall and macro F1; and the standard error of macro recall, to which the n_k texts of class k
    give the variance recall_k (1 - recall_k) / n_k."""
    k = probabilities.shape[1]
    confusion = np.bincount(labels * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)
    _, recall, f1 = rates(confusion)
    variances = recall * (1 - recall) / np.maximum(confusion.sum(axis=1), 1)
    return {
        "accuracy": np.trace(confusion) / len(labels), "macro recall": recall.mean(), "macro F1": f1.mean(),
        "standard error": np.sqrt(variances.sum()) / k,
    }  # fmt: skip


def adjusted(probabilities: np.ndarray, prior: np.ndarray, tau: float) -> np.ndarray:
    """softmax(log p - tau log prior)."""
    return softmax(np.log(np.maximum(probabilities, 1e-30)) - tau * np.log(prior))


def fitted(recipe: Recipe, dataset: Dataset, encoded: Any, seed: int) -> dict[str, np.ndarray]:
    """The probabilities of the examples that it was not trained on, by split, after training with this seed."""
    vectorizer, inputs = encoded
    model = recipe.build(dataset, vectorizer, seed)
    trainer = Trainer(model, recipe.loss(dataset), recipe.make_optimizer(model), schedule=recipe.schedule, seed=seed)
    # no validation here: it would choose the epoch, which a fit on all texts could not do again
    train = (inputs["train"], dataset.train.y)
    trainer.fit(train, epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
    return {part: softmax(trainer.predict(x)) for part, x in inputs.items() if part != "train"}


def family(
    names: Sequence[str], dataset: Dataset, seeds: Sequence[int], measured: str, costs: Sequence[float], folder: Any
) -> dict[str, list[Any]]:
    """The probabilities of validation and test examples by model, a list over the seeds; data lies in `folder`."""
    if tuple(names) == ("svm",):
        return {"svm": [linear_svc(dataset, measured, costs)] * len(seeds)}
    encoded, found = recipe_of(names[0], dataset).encode(dataset, folder), {}
    for name in names:
        found[name] = [fitted(recipe_of(name, dataset), dataset, encoded, seed) for seed in seeds]
        if dataset.validation is None:
            continue
        values = [measure(run["validation"], dataset.validation.y)[measured] for run in found[name]]
        say(f"{name}, seeds {', '.join(map(str, seeds))}: validation {measured} {spread(values)}")
    return found


def linear_svc(dataset: Dataset, measured: str, costs: Sequence[float] = COSTS) -> dict[str, Any]:
    """What LinearSVC with class weights says, one-hot, and its C: the best of `costs` on validation, or the only one.

    Word 1-2-grams, character 2-5-grams.
    """
    from sklearn.svm import LinearSVC

    vectorizer, splits = Ngrams(), dataset.splits()
    train = vectorizer.fit_transform(dataset.train.x)
    inputs = {part: vectorizer.transform(split.x) for part, split in splits.items() if part != "train"}
    found = []
    for c in costs:
        machine = LinearSVC(C=c, class_weight="balanced", random_state=0).fit(train, dataset.train.y)
        said = {part: np.eye(len(dataset.classes))[machine.predict(x)] for part, x in inputs.items()}
        found.append({**said, "C": c})
    if dataset.validation is None:
        return found[0]
    y = dataset.validation.y
    return max(found, key=lambda one: measure(one["validation"], y)[measured])


def by_time(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """(the choice: earlier texts train, the last ones validate; the final fit: all train that are not test)."""
    train, validation, _ = dataset.splits().values()
    earlier, later = np.split(np.arange(len(train)), [len(train) - round(LATER * len(train))])
    choice = replace(dataset, train=train.take(earlier), validation=train.take(later))
    return choice, replace(dataset, train=joined(train, validation), validation=None)


def trained(
    jobs: int,
    datasets: Sequence[Dataset],
    together: Sequence[Sequence[int]],
    families: Sequence[tuple[str, ...]],
    measured: str,
    costs: Sequence[float],
    folder: Any,
) -> list[dict[str, Any]]:
    """For each seed its data set, the mix of classes in training, and the probabilities by model, all for that mix."""
    tasks = [
        (names, dataset, seeds, measured, costs, folder)
        for dataset, seeds in zip(datasets, together, strict=True)
        for names in families
    ]
    results = side_by_side(jobs, family, tasks)
    runs = []
    for dataset, seeds in zip(datasets, together, strict=True):
        prior = np.bincount(dataset.train.y, minlength=len(dataset.classes)) / len(dataset.train)
        mine = [found for task, found in zip(tasks, results, strict=True) if task[1] is dataset]
        for place in range(len(seeds)):
            probabilities = {
                model: as_in_training(model, by_seed[place], dataset, prior)
                for found in mine for model, by_seed in found.items()
            }  # fmt: skip
            runs.append({"probabilities": probabilities, "dataset": dataset, "prior": prior})
    return runs


def groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every group of the candidates."""
    return [group for size in range(1, len(names) + 1) for group in itertools.combinations(names, size)]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=None, usual="3, of vader 5", jobs=True)
    options.add_argument("dataset", nargs="?", choices=sorted(MEASURE), default="tweeteval")
    options.add_argument("--models", nargs="*", choices=CANDIDATES, help="only these candidates")
    options.add_argument("--more", help="a data set whose texts train as well, such as vader")
    options.add_argument("--first", type=seed, default=0, help="the first seed (default: %(default)s)")
    args = parsed(options, argv, lambda given: {"seeds": 1 if given.quick else SEEDS[given.dataset]})
    named = "-".join(["sentiment", args.dataset, *([f"with-{args.more.replace('/', '-')}"] if args.more else [])])
    record, measured = Record(named, args, argv), MEASURE[args.dataset]
    models = args.models or (["ngrams", "attention"] if args.quick else list(CANDIDATES))
    seeds = range(args.first, args.first + args.seeds)
    together = [[seed] for seed in seeds] if args.dataset == "vader" else [list(seeds)]  # its seed decides the split
    name = "comments" if args.quick else args.dataset
    if {"lexicon", "unweighted with lexicon"}.intersection(models):
        load_lexicon(args.data)  # before the first training, where it is missing
    datasets = [load(name, folder=args.data, seed=some[0]) for some in together]
    earlier, wholes = zip(*map(by_time, datasets), strict=True) if args.dataset == "tweeteval" else (datasets, [])

    def run(which: Sequence[Dataset], wanted: Sequence[str], costs: Sequence[float] = COSTS) -> list[dict[str, Any]]:
        prepared = [apart(with_texts_of(one, args.more, args.data) if args.more else one) for one in which]
        families = [tuple(n for n in names if n in (*wanted, "svm")) for names in FAMILIES]
        return trained(
            args.jobs, prepared, together, [names for names in families if names], measured, costs, args.data
        )

    runs = run(earlier, models)
    choices, result = chosen(runs, models, measured)
    if wholes:
        say("\nTrained again, on all that is not test:")
        runs = run(wholes, choices[0][0], [runs[0]["probabilities"]["svm"]["C"]])
    result |= tested(runs, choices)
    dataset = runs[0]["dataset"]
    result["dataset"] = {
        "name": dataset.name, "seed": args.first, "fingerprint": dataset.fingerprint,
        "train": len(dataset.train), "test": len(dataset.test),
    }  # fmt: skip
    if dataset.name == "tweeteval":
        say("\nBeside others on the same test tweets (macro recall):")
        show([(name, f"{value:.3f}") for name, value in OTHERS.items()])
        what = f"texts, {args.more} among them" if args.more else "tweets"
        say(f"Ours was trained on {len(dataset.train):,} {what}; TweetEval's own train file has 45,615 tweets.")
    return record.save(result)


def score(run: dict[str, Any], part: str, group: Sequence[str], tau: float) -> dict[str, float]:
    """The measures of the group's mean probabilities on one split."""
    p = np.mean([run["probabilities"][name][part] for name in group], axis=0)
    return measure(adjusted(p, run["prior"], tau), getattr(run["dataset"], part).y)


def chosen(
    runs: list[dict[str, Any]], names: Sequence[str], measured: str
) -> tuple[list[tuple[tuple[str, ...], float]], dict[str, Any]]:
    """([(group, tau) of each run], result): what validation prefers; its table is printed.

    Where the runs share one validation split, the smallest group that it cannot tell from the best; where each has a
    split of its own, the best there.
    """
    allowed = ALLOWED[measured]
    validation = {(group, tau): [score(run, "validation", group, tau)[measured] for run in runs]
                  for group in groups(names) for tau in TAUS}  # fmt: skip
    ranked = sorted((choice for choice in validation if choice[1] in allowed), key=lambda c: -np.mean(validation[c]))
    if shared := measured in SMALLEST:
        slack = np.mean([score(run, "validation", *ranked[0])["standard error"] for run in runs])
        near = [choice for choice in ranked if np.mean(validation[choice]) >= np.mean(validation[ranked[0]]) - slack]
        choices = [min(near, key=lambda choice: len(choice[0]))] * len(runs)
    else:
        choices = [max(ranked, key=lambda choice: validation[choice][place]) for place in range(len(runs))]
    tops = {group: [choice for choice in ranked if choice[0] == group] for group, _ in ranked}  # best tau first
    kept = {group for group, _ in choices}
    shown = [group for rank, group in enumerate(tops) if rank < 8 or len(group) in (1, len(names)) or group in kept]
    say(f"\nValidation, {measured}, mean and standard deviation of {len(runs)} seeds:")
    show([("candidate", "tau", measured, *(f"at {tau}" for tau in TAUS)),
          *((" + ".join(group), f"{tops[group][0][1]:.2f}", spread(validation[tops[group][0]]),
             *(f"{np.mean(validation[group, tau]):.3f}" for tau in TAUS)) for group in shown)])  # fmt: skip
    svm = [measure(run["probabilities"]["svm"]["validation"], run["dataset"].validation.y)[measured] for run in runs]
    say(f"LinearSVC there: {spread(svm)}")
    if shared:
        say(f"The smallest within a standard error ({slack:.4f}) of the best: {' + '.join(choices[0][0])}")
    return choices, rounded({
        "measure": measured,
        "validation": {" + ".join(group): {tau: validation[group, tau] for tau in TAUS} for group in shown},
        "validation_linear_svc": svm,
        "chosen": [{"candidate": " + ".join(group), "tau": tau} for group, tau in choices],
    })  # fmt: skip


def tested(runs: list[dict[str, Any]], choices: Sequence[tuple[Sequence[str], float]]) -> dict[str, Any]:
    """The look at the test split."""
    pairs = list(zip(runs, choices, strict=True))
    test = [score(run, "test", *choice) for run, choice in pairs]
    svm = [measure(run["probabilities"]["svm"]["test"], run["dataset"].test.y) for run in runs]
    say("\nTest, by " + "; ".join(dict.fromkeys(f"{' + '.join(group)} with tau {tau:.2f}" for group, tau in choices)))
    show([("", *KEYS), row_of("chosen", test), row_of("LinearSVC, same texts, no lexicon", svm)])
    error = np.mean([row["standard error"] for row in test])
    say(f"± is the spread of the seeds; another test set of this size would move macro recall by about {error:.4f}.")
    moved = {t: [score(run, "test", group, t) for run, (group, _) in pairs] for t in TAUS}
    labels = [[getattr(run["dataset"], part).y for run in runs] for part in ("train", "test")]
    priors = [np.mean([np.bincount(y) / len(y) for y in by_run], axis=0) for by_run in labels]
    shares = (" / ".join(f"{100 * share:.1f}" for share in prior) + " %" for prior in priors)
    say(f"\nShares of {'/'.join(runs[0]['dataset'].classes)}: {' in train, '.join(shares)} in test.")
    say("What the adjustment does on test (shown after the choice, not used for it):")
    show([("tau", *KEYS), *(row_of(f"{t:.2f}", moved[t]) for t in TAUS)])
    return rounded({
        "test": {key: [row[key] for row in test] for key in (*KEYS, "standard error")},
        "test_mean": {key: np.mean([row[key] for row in test]) for key in KEYS},
        "linear_svc": {key: [row[key] for row in svm] for key in KEYS},
        "shares": {"train": priors[0], "test": priors[1]},
        "test_by_tau": {t: {key: np.mean([row[key] for row in rows]) for key in KEYS} for t, rows in moved.items()},
    })  # fmt: skip


def as_in_training(name: str, found: dict[str, Any], dataset: Dataset, prior: np.ndarray) -> dict[str, Any]:
    """What a model would say if all classes had counted as often as they came: a loss that weighs them alike has
    learned p(class | text) / prior, up to a factor for each text."""
    if name == "svm" or not recipe_of(name, dataset).balanced:
        return found
    return {part: adjusted(probabilities, prior, -1.0) for part, probabilities in found.items()}


def row_of(name: str, found: list[dict[str, float]]) -> tuple[str, ...]:
    """A line of a table: the measures of several seeds."""
    return name, *(spread([row[key] for row in found]) for key in KEYS)


if __name__ == "__main__":
    one_line_errors(main)()
