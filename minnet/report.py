"""A run's folder: configuration, measures, history, predictions, figures, and one page that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet import canvas, page, plots
from minnet.formatting import count, extremes, interval, isolated, listing, number, one_line, percent, some, together
from minnet.metrics import RATES, without_examples
from minnet.plots_examples import choose, mistakes
from minnet.run_folder import predictions_csv, save, to_csv, to_json, to_npz, versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 500  # characters of a text that are shown


def write(
    folder: str | Path,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    images: np.ndarray | None = None,
    texts: Sequence[str] | None = None,
    calibrated: Mapping[str, np.ndarray] | None = None,
    filters: np.ndarray | None = None,
    filter_shape: tuple[int, int, int] | None = None,
    words: Sequence[str] | None = None,
    weights: np.ndarray | None = None,
    rates: np.ndarray | None = None,
    names: Any = None,
    hide_text: bool = False,
) -> Path:
    """Writes what a finished run measured into `folder`, with figures and a page, and returns the path of that page.

    `metrics` is the result of `metrics.evaluate(probabilities, labels, classes)` on the test examples, which are
    given as `images` (N, H, W, C) uint8 or as `texts`, in the order of the test split. All of `config` is shown; the
    page also speaks of its model, dataset, command, epochs, epochs_trained, best_epoch, class_weights, no_temperature,
    trained_on, copies and warning. `history` holds the Trainer's rows. Optional: `calibrated`, {"temperature 1.30":
    probabilities} after scaling; `filters`, the first layer's W (with `filter_shape` for a Linear); `words` and their
    `weights` (V, K), shown only where they lead to the classes; `rates`, the learning rate of every step; `names`, of
    images. `hide_text` shows lengths and labels of texts that are too coarse to show.
    """
    folder = Path(folder)
    _check(metrics, probabilities, labels, images, texts)
    config = {**config, "versions": {**versions(), **config.get("versions", {})}}
    classes = metrics["classes"]
    # what cannot be made again comes first
    save(folder / "metrics.json", to_json(metrics))
    save(folder / "config.json", to_json(config))
    if history:
        with suppress(PermissionError):  # open in another program: the Trainer, whose file it mostly is, has said so
            save(folder / "history.csv", to_csv(history))
    save(folder / "predictions.npz", to_npz(probabilities=probabilities, labels=labels, indices=np.arange(len(labels))))
    called = None if hide_text else names if texts is None else texts
    save(folder / "predictions.csv", _for_reading(probabilities, labels, classes, called))
    if hide_text:
        texts, words = None if texts is None else _hidden(texts, labels, classes), None
    believed = probabilities if calibrated is None else {"as trained": probabilities, **calibrated}
    figures = {
        **({"curves": plots.curves(history)} if history else {}),
        **({"schedule": plots.schedule(rates)} if rates is not None else {}),
        "confusion_matrix": plots.confusion_matrix(metrics["confusion"], classes),
        **_examples(images, texts, labels, probabilities, classes),
        "reliability": plots.reliability(believed, labels),
        "coverage": plots.coverage(probabilities, labels),
        "entropy": plots.entropy_histogram(probabilities, labels),
        **_first_layer(filters, filter_shape, words, weights, classes),
    }
    drawn = {}
    for name, figure in figures.items():
        png = canvas.png(figure)
        save(folder / "figures" / f"{name}.png", png)
        drawn[name] = page.figure(png, str(figure.get_label()), figure.get_size_inches()[0])
    sections = {
        "Results": _results(metrics) + _per_class(metrics),
        "Training": _training_notes(config, history) + drawn.get("curves", "") + drawn.get("schedule", ""),
        "What is taken for what": drawn["confusion_matrix"],
        **_example_sections(texts, labels, probabilities, classes, drawn, hide_text),
        "Can the probabilities be believed?": (
            _temperature_note(config) + drawn["reliability"] + drawn["coverage"] + drawn["entropy"]
        ),
        "What the first layer learned": drawn.get("filters", "") + drawn.get("telling_words", ""),
        "How this run was made": _making(config),
    }
    path = folder / "report.html"
    there = {heading: html for heading, html in sections.items() if html}
    save(path, page.page(_title(config), _lead(metrics, config), there))
    return path


def _for_reading(p: np.ndarray, labels: np.ndarray, classes: Sequence[str], names: Sequence[str] | None) -> bytes:
    """predictions.npz for people: each example's number, name if it has one, class, and what was said of it."""
    columns = {"number": range(len(labels)), "example": names, "label": [classes[label] for label in labels]}
    there = {name: values for name, values in columns.items() if values is not None}
    return predictions_csv(list(there), list(zip(*there.values(), strict=True)), p, classes)


def ending(config: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> str:
    """Where training ended and whose weights are measured, unless that is the last epoch asked for (see Trainer.run);
    and, with the rows of its history, whether the validation loss still fell then, by 2 % or more."""
    trained, asked, best = (config.get(name) for name in ("epochs_trained", "epochs", "best_epoch"))
    early = f"Training ended after epoch {trained} of {asked}: the validation loss fell no more."
    kept = f"Measured are the weights of epoch {best}, after which the validation loss was lowest."
    if best is not None and best == trained and len(history) > 1:
        before, last = (row["validation_loss"] for row in history[-2:])
        if last < 0.98 * before:
            return "The validation loss still fell in the last epoch: more --epochs may help."
    return " ".join((early if trained != asked else "", kept if best not in (None, trained) else "")).strip()


def _examples(
    images: np.ndarray | None, texts: Sequence[str] | None, labels: np.ndarray, p: np.ndarray, classes: Sequence[str]
) -> dict[str, Figure]:
    """Pictures stand in the page as figures; texts stand there as text, and their figure is for use elsewhere."""
    if images is None:
        return {} if texts is None else {"examples": plots.text_examples(texts, labels, p, classes)}
    found = {"examples": plots.examples(images, labels, p, classes)}
    surest = mistakes(p, labels)
    if len(surest):
        title = "The mistakes it is surest of"
        found["mistakes"] = plots.examples(images, labels, p, classes, {"": surest}, title)
    return found


def _first_layer(
    filters: np.ndarray | None,
    shape: tuple[int, int, int] | None,
    words: Sequence[str] | None,
    weights: np.ndarray | None,
    classes: Sequence[str],
) -> dict[str, Figure]:
    found = {}
    if filters is not None:
        named = classes if shape is not None and filters.shape[-1] == len(classes) else ()
        found["filters"] = plots.filters(filters, shape, named)
    if words is not None and weights is not None and weights.shape == (len(words), len(classes)):
        found["telling_words"] = plots.telling_words(words, weights, classes)
    return found


def _training_notes(config: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """How training ended, and how its losses are to be read."""
    weighed = len(set(config.get("class_weights") or ())) > 1
    rare = "In training's losses rare classes weigh more, in the log loss above all examples weigh alike."
    return "".join(page.note(said) for said in (ending(config, history), rare if weighed else "") if said)


def _example_sections(
    texts: Sequence[str] | None,
    labels: np.ndarray,
    p: np.ndarray,
    classes: Sequence[str],
    drawn: Mapping[str, str],
    hide_text: bool,
) -> dict[str, str]:
    """The sections of single examples: texts as cards, pictures as figures."""
    if texts is None:
        return {"Examples": drawn.get("examples", ""), "Most confident mistakes": drawn.get("mistakes", "")}

    def cards(heading: str, indices: np.ndarray) -> str:
        return page.cards(heading, [_card(texts, labels, p, classes, i) for i in indices])

    hidden = "The texts are hidden (--hide-text): lengths and labels stand for them. "
    hidden = page.note(f"{hidden}A run's checkpoints hold the words that it was trained on.") if hide_text else ""
    explained = page.note(
        "Drawn at random from the surest and the least sure tenth, or from more where they are few. "
        "Dark bar: the true class."
    )
    typical = "".join(cards(group, indices) for group, indices in choose(p, labels).items())
    surest, worst = mistakes(p, labels), ""
    if len(surest):
        ends = dict.fromkeys(percent(float(p[i].max())) for i in (surest[0], surest[-1]))  # one, if they are alike
        heading = f"The {count(len(surest), 'mistake')} with the highest probability, {' to '.join(ends)}"
        worst = hidden + cards(heading, surest)
    return {"Examples": hidden + explained + typical, "Most confident mistakes": worst}


def _temperature_note(config: Mapping[str, Any]) -> str:
    """Why no temperature was fitted, where none was."""
    temperature = "No temperature (one number to divide all scores by, so that percentages come true) is fitted"
    return page.note(f"{temperature}: {why}.") if (why := config.get("no_temperature")) else ""


def _results(metrics: Mapping[str, Any]) -> str:
    bounds, calibration, n = metrics["intervals"], metrics["calibration"], metrics["examples"]
    rows = [("Accuracy", percent(metrics["accuracy"], 1), interval(bounds["accuracy"], 1, True), "share that is right")]
    meanings = {
        "precision": "of what is called a class, the share that is; mean over classes",
        "recall": "of what is a class, the share that is found; mean over classes",
        "f1": "the harmonic mean of both; mean over classes",
    }
    for name, meaning in meanings.items():
        title = "Macro F1" if name == "f1" else f"Macro {name}"
        rows.append((title, number(metrics["macro"][name]), interval(bounds[f"macro_{name}"]), meaning))
    rows.append(("Weighted F1", number(metrics["weighted"]["f1"]), "", "the same, classes weighted by their examples"))
    rows += [
        ("Log loss", number(metrics["log_loss"]), interval(bounds["log_loss"]),
         f"nats; a uniform guess has {metrics['entropy']['uniform']:.3f}, 0 is perfect"),
        ("Brier score", number(metrics["brier"]), interval(bounds["brier"]),
         f"squared distance to the truth; a uniform guess has {1 - 1 / len(metrics['classes']):.3f}, 0 is perfect"),
        ("Calibration error", percent(calibration["ece"], 1), "",
         f"the mean gap between how sure it is and how often it is right; by chance alone "
         f"{percent(calibration['ece_if_calibrated'], 1)} "
         f"({interval(calibration['ece_if_calibrated_interval'], 1, True)})"),
    ]  # fmt: skip
    drawn = metrics["bootstrap"]
    caption = (
        f"On {count(n, 'test example')}; intervals: 95 %, of accuracy Wilson's, of all others from "
        f"{drawn['resamples']:,} bootstrap resamples."
    )
    return page.table(caption, ("Measure", "Value", "95 % interval", "Meaning"), rows, numeric=(1, 2))


def _per_class(metrics: Mapping[str, Any]) -> str:
    def row(title: str, rated: Mapping[str, Any], support: int, predicted: int) -> tuple[str, ...]:
        return (title, *(number(rated[name]) for name in RATES), f"{support:,}", f"{predicted:,}")

    n = metrics["examples"]
    rows = [row(r["class"], r, r["support"], r["predicted"]) for r in metrics["per_class"]]
    rows += [row("macro mean", metrics["macro"], n, n), row("weighted mean", metrics["weighted"], n, n)]
    header = ("Class", "Precision", "Recall", "F1", "Examples", "Predicted")
    html = page.table("Each class, and the means over the classes.", header, rows, numeric=(1, 2, 3, 4, 5), sums=2)
    undefined: dict[tuple[str, str], list[str]] = {}  # {(measure, why): classes}
    for found in metrics["undefined"]:
        of = undefined.setdefault((found["measure"], found["why"]), [])
        of += [isolated(found["class"])] if found["class"] else []
    said = [f"{measure}{' of ' if of else ''}{some(of)}: {why}" for (measure, why), of in undefined.items()]
    return html + (page.note(f"Undefined here: {'; '.join(said)}.") if said else "")


def _making(config: Mapping[str, Any]) -> str:
    typed = page.code(str(config["command"])) if config.get("command") else ""
    rows = [(name, value) for name, value in _flat(config) if name != "command"]
    beside = (
        "Beside this page: config.json, metrics.json, predictions.npz (probabilities, labels, indices), the same as "
        "predictions.csv, figures/; of a training history.csv, last.ckpt and, chosen on validation, best.ckpt."
    )
    return typed + page.table("As in config.json.", ("Setting", "Value"), rows) + page.note(beside)


def _title(config: Mapping[str, Any]) -> str:
    named = [str(config[key]) for key in ("model", "dataset") if isinstance(config.get(key), str)]
    return " on ".join(named) or "A run of minnet"


def _lead(metrics: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """The result in one sentence, and what stands beside it in a second."""
    n, macro = metrics["examples"], metrics["macro"]
    elsewhere, copies = config.get("trained_on"), config.get("copies")  # an evaluation, perhaps of what it learned from
    who, seen = (f"Trained on {elsewhere}, it", "") if elsewhere else ("It", " it had never seen")
    if copies:
        seen = f", of which {copies:,} {'stands' if copies == 1 else 'stand'} in its training data as well"
    first = (
        f"{who} is right on {percent(metrics['accuracy'], 1)} of {count(n, 'test example')}{seen} "
        f"(95 % interval {interval(metrics['intervals']['accuracy'], 1, True)}); always naming the commonest class "
        f"would be right on {percent(metrics['majority'], 1)}."
    )
    rated = [row for row in metrics["per_class"] if row["support"]]
    ends = [
        f"{together([rated[i]['class'] for i in places])} ({f1})"
        for f1, places in extremes([row["f1"] for row in rated], number)
    ]
    apart = f"; by F1 it does best on {ends[0]} and worst on {ends[1]}" if ends[0] != ends[1] else ""
    second = (
        f"Macro precision is {number(macro['precision'])}, recall {number(macro['recall'])} and F1 "
        f"{number(macro['f1'])}{apart}."
    )
    third = without_examples(metrics)
    more = [f"{third[0].upper()}{third[1:]}."] if third else []
    return [first, second, *more, *([f"{config['warning']}."] if "warning" in config else [])]


def _card(texts: Sequence[str], labels: np.ndarray, p: np.ndarray, classes: Sequence[str], i: int) -> str:
    text = str(texts[i]).strip() or "(empty)"
    return page.card(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…", int(labels[i]), p[i], classes)


def _hidden(texts: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    lengths = [count(len(text), "character") for text in texts]
    return [f"[hidden: {length}, {classes[label]}]" for length, label in zip(lengths, labels, strict=True)]


def _flat(config: Mapping[str, Any], place: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{place}{key}.")
        elif isinstance(value, (list, tuple)) and not any(isinstance(item, (Mapping, list, tuple)) for item in value):
            rows.append((place + str(key), ", ".join(map(str, value))))
        else:
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            if isinstance(value, (list, tuple)) and len(shown) > 500:
                shown = f"{len(value)} x {len(value[0])} numbers, see config.json"
            rows.append((place + str(key), one_line(shown, 1000)))
    return rows


def _check(metrics: Mapping[str, Any], p: np.ndarray, labels: np.ndarray, images: Any, texts: Any) -> None:
    n, k = metrics["examples"], len(metrics["classes"])
    if p.shape != (n, k) or labels.shape != (n,):
        raise ValueError(
            f"these metrics are of {n} examples and {k} classes, but the probabilities are {p.shape} and the labels "
            f"{labels.shape}: give those that were evaluated"
        )
    given = [name for name, data in (("images", images), ("texts", texts)) if data is not None]
    if len(given) == 2:
        raise ValueError("give images or texts, not both")
    for data in (images, texts):
        if data is not None and len(data) != n:
            raise ValueError(f"{listing(given)}: {len(data)} of them for {n} examples; give those that were evaluated")
