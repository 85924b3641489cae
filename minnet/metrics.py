"""What a classifier is worth on examples it has not seen: its rates, its losses, and how sure these figures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minnet.calibration import calibrated_ece, checked, coverage, reliability
from minnet.formatting import aligned, count, encodable, interval, number, percent, shortened, some, width_of
from minnet.functional import entropy
from minnet.intervals import losses, percentile_interval, rates, resample, wilson

RATES = ("precision", "recall", "f1")
# where one of these has no value in `table`, or a doubtful one, the reason stands below
DASHES = ("log_loss", "intervals of all but accuracy", "intervals of macro averages")
FEW = 30  # examples of a class, or predictions of it: if fewer are all right, one that is not may still come
VERY_FEW = 10  # of which some are right: resamples of four say more than four examples can
FEW_MISTAKES = 10  # with fewer, the interval of a sure network's log loss holds the truth 80 to 87 times in 100


def evaluate(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], bootstrap: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """All measures of `probabilities` (N, K) against `labels` (N,), as JSON can hold them.

    examples, classes; accuracy, and majority (the accuracy of always naming the commonest class of these examples);
    per_class: [{class, precision, recall, f1, support, predicted}]; macro (plain mean over the classes) and weighted
    (mean weighted by support) precision, recall, f1; confusion: rows are the truth, columns the predictions;
    log_loss (mean, nats) and brier (mean over examples of the sum over classes of (p - y)^2, 0 to 2);
    entropy: mean of right and of wrong predictions, in nats; calibration: ece, its value expected under perfect
    calibration, and the bins (see `reliability`); coverage (see there); intervals: 95 % [low, high] of accuracy
    (Wilson's) and of macro_precision, macro_recall, macro_f1, log_loss, brier (bootstrap); undefined: [{measure,
    class, why}].

    A precision or F1 that is undefined counts as 0 and is listed; a value that is infinite or has no examples is
    None and is listed. Raises ValueError for anything that is not probabilities and labels of these classes.
    """
    from sklearn.metrics import confusion_matrix

    p, y = checked("evaluate", probabilities, labels, len(classes))
    n, k = p.shape
    predicted = p.argmax(axis=1)
    correct = predicted == y
    confusion = confusion_matrix(y, predicted, labels=np.arange(k))
    measured = dict(zip(RATES, rates(confusion), strict=True))  # each (K,)
    measured |= {"support": confusion.sum(axis=1), "predicted": confusion.sum(axis=0)}
    rows = [{"class": str(classes[i]), **{name: measured[name][i].item() for name in measured}} for i in range(k)]
    log_loss, brier = (float(values.mean()) for values in losses(p, y))
    uncertainty = entropy(p.astype(np.float64))
    expected, expected_interval = calibrated_ece(p, seed=seed)
    bins = reliability(p, y)
    return {
        "examples": n,
        "classes": [str(name) for name in classes],
        "accuracy": float(correct.mean()),
        "majority": float(confusion.sum(axis=1).max() / n),
        "macro": {name: float(measured[name].mean()) for name in RATES},
        "weighted": {name: float(np.average(measured[name], weights=measured["support"])) for name in RATES},
        "per_class": rows,
        "confusion": confusion.tolist(),
        "log_loss": log_loss if np.isfinite(log_loss) else None,
        "brier": brier,
        "entropy": {
            "right": float(uncertainty[correct].mean()) if correct.any() else None,
            "wrong": float(uncertainty[~correct].mean()) if not correct.all() else None,
            "uniform": float(np.log(k)),
        },
        "calibration": {
            "ece": bins.pop("ece"),
            "ece_if_calibrated": expected,
            "ece_if_calibrated_interval": expected_interval,
            "confidence": float(p.max(axis=1).mean()),
            "reliability": bins,
        },
        "coverage": coverage(p, y),
        "intervals": _intervals(p, y, correct, bootstrap, seed),
        "bootstrap": {"resamples": bootstrap, "seed": seed, "level": 0.95},
        "undefined": _undefined(rows, correct, int((p[np.arange(n), y] == 0).sum())),
    }


def value_of(metrics: Mapping[str, Any], name: str) -> Any:
    """A measure by the name that its interval has: "accuracy", "log_loss", "macro_f1", ..."""
    return metrics["macro"][name.removeprefix("macro_")] if name.startswith("macro_") else metrics[name]


def table(metrics: dict[str, Any]) -> str:
    """The result of `evaluate` as a table for the terminal: one line a class, the means, the intervals."""
    n = metrics["examples"]
    called = shortened(metrics["classes"], 24)
    rated = [(name, row, row["support"]) for name, row in zip(called, metrics["per_class"], strict=True)]
    rated += [("macro mean", metrics["macro"], n), ("weighted mean", metrics["weighted"], n)]
    lines = [["class", "precision", "recall", "F1", "examples"]]
    lines += [[title, *(number(row[name]) for name in RATES), f"{support:,}"] for title, row, support in rated]
    printed = aligned(lines, left=1)
    rule = "-" * width_of(printed[0])
    bounds = metrics["intervals"]
    lines_of_text = [
        printed[0], rule, *printed[1:-2], rule, *printed[-2:], "",
        f"accuracy {percent(metrics['accuracy'], 1)} (95 % interval {interval(bounds['accuracy'], 1, True)}), "
        f"macro F1 {number(metrics['macro']['f1'])} ({interval(bounds['macro_f1'])}), "
        f"log loss {number(metrics['log_loss'])}",
        *(f"({said})" for said in doubts(metrics)),
    ]  # fmt: skip
    return encodable("\n".join(lines_of_text))


def doubts(metrics: Mapping[str, Any], *more: str) -> list[str]:
    """Why figures of DASHES, or of these `more`, have no value or a doubtful one: a sentence each."""
    doubtful = [u for u in metrics["undefined"] if u["measure"] in (*DASHES, *more)]
    told = [f"{u['measure'].replace('_', ' ')}: {u['why']}" for u in doubtful]
    return [*told, *filter(None, [without_examples(metrics)])]


def without_examples(metrics: Mapping[str, Any]) -> str:
    """Of which classes there are no examples, and the macro means over the others; nothing if there are of all."""
    called = shortened([row["class"] for row in metrics["per_class"]], 24)
    absent = [name for name, row in zip(called, metrics["per_class"], strict=True) if row["support"] == 0]
    there = [row for row in metrics["per_class"] if row["support"]]
    if not absent:
        return ""
    recall, f1 = (sum(row[name] for row in there) / len(there) for name in ("recall", "f1"))
    return (
        f"there are no examples of {some(absent)}, which count as 0 in the macro means; over the other "
        f"{count(len(there), 'class', 'classes')}: recall {number(recall)}, F1 {number(f1)}"
    )


def _intervals(p: np.ndarray, y: np.ndarray, right: np.ndarray, bootstrap: int, seed: int) -> dict[str, Any]:
    found = {name: percentile_interval(values) for name, values in resample(p, y, bootstrap, seed).items()}
    # Resamples of 60 right answers of 60 are all the same, and many of 59 are as good: certainty that nobody has.
    # Accuracy is a proportion, whose interval is known; the others have none where all answers are right, or none is.
    found["accuracy"] = [float(bound) for (bound,) in wilson(right.sum(), np.array([len(y)]))]
    return found if len(set(right)) == 2 else {**dict.fromkeys(found), "accuracy": found["accuracy"]}


def _undefined(rows: list[dict[str, Any]], right: np.ndarray, impossible: int) -> list[dict[str, Any]]:
    """What had to be set to 0 or to None, and why."""
    found: list[dict[str, Any]] = []
    for row in rows:
        reasons = {
            "precision": "never predicted" if row["predicted"] == 0 else "",
            "recall": "no example has this class" if row["support"] == 0 else "",
            "f1": "neither predicted nor present" if row["predicted"] + row["support"] == 0 else "",
        }
        for measure, why in reasons.items():
            if why:
                found.append({"measure": measure, "class": row["class"], "why": f"{why}, so it counts as 0"})
    if impossible:
        why = f"infinite: the probability of the true class is 0 in {impossible:,} of the examples"
        found.append({"measure": "log_loss", "class": None, "why": why})
    if right.all() or not right.any():
        kind = "wrong" if right.all() else "right"
        found.append({"measure": f"entropy of {kind} predictions", "class": None, "why": f"no prediction is {kind}"})
        why = f"no prediction is {kind}, so resampling cannot show how uncertain they are"
        found.append({"measure": "intervals of all but accuracy", "class": None, "why": why})
        return found
    rests_on = (("support", "recall"), ("predicted", "precision"))
    counted = [(row["class"], row[number], row[rate] in (0, 1)) for row in rows for number, rate in rests_on]
    few = [name for name, number, alike in counted if 0 < number < (FEW if alike else VERY_FEW)]
    if few := list(dict.fromkeys(few)):
        why = f"too narrow: few examples are, or are called, {some(few)}"
        found.append({"measure": "intervals of macro averages", "class": None, "why": why})
    if (wrong := int((~right).sum())) < FEW_MISTAKES:
        why = f"too narrow: most of it rests on {count(wrong, 'mistake')}"
        found.append({"measure": "interval of log loss", "class": None, "why": why})
    return found
