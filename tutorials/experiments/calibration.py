"""Can the probabilities be believed? Before and after temperature scaling, with and without label smoothing.

python -m tutorials.experiments.calibration                 digits and vader: less than a minute
python -m tutorials.experiments.calibration tweeteval

The temperature is fitted on validation examples. ece: expected calibration error in percent, beside the value that
chance alone would give perfectly calibrated probabilities. The figure is drawn from seed 0, for data with
1,000 test examples and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minnet.calibration import calibrated_ece, fit_temperature, reliability
from minnet.commands import one_line_errors
from minnet.functional import softmax
from minnet.intervals import losses
from minnet.losses import SoftmaxCrossEntropy
from minnet.recipes import choose
from minnet.training import Trainer
from tutorials.experiments.apart import fetched, load_apart
from tutorials.experiments.record import RESULTS, Record, one_of, parsed, parser, rounded, say, show, spread

MODELS = {"digits": "mlp", "cifar10": "mlp", "vader": "ngrams", "tweeteval": "ngrams", "comments": "ngrams"}


def measured(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """ece and its value by chance in percent, log loss, accuracy."""
    log_loss = losses(p, y)[0].mean()
    expected, _ = calibrated_ece(p, simulations=100)
    return {"ece": 100 * reliability(p, y)["ece"], "ece by chance": 100 * expected, "log loss": float(log_loss),
            "accuracy": float((p.argmax(axis=1) == y).mean())}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=2)
    options.add_argument("datasets", nargs="*", type=one_of(MODELS), metavar="DATASET", help=f"of {', '.join(MODELS)}")
    args = parsed(options, argv)
    usual = ["digits"] if args.quick else ["digits", "vader"]
    wanted = args.datasets or usual
    record, result, figures = Record("calibration", args, argv), {}, {}
    fetched(wanted, args.data)
    for name in wanted:
        rows: dict[str, dict[str, list[float]]] = {}
        drawn = {}
        for seed in range(args.seeds):
            dataset = load_apart(name, args.data, seed)
            _, recipe = choose(dataset, MODELS[name])
            recipe = replace(recipe, epochs=2) if args.quick else recipe
            vectorizer, inputs = recipe.encode(dataset)
            for smoothing in (0.0, 0.1):
                model = recipe.build(dataset, vectorizer, seed)
                # without class weights: these would shift the probabilities on purpose
                loss, optimizer = SoftmaxCrossEntropy(smoothing), recipe.make_optimizer(model)
                trainer = Trainer(model, loss, optimizer, schedule=recipe.schedule, seed=seed)
                train = (inputs["train"], dataset.train.y)
                trainer.fit(train, epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
                temperature = fit_temperature(trainer.predict(inputs["validation"]), dataset.validation.y)
                z = trainer.predict(inputs["test"]).astype(np.float64)
                title = "label smoothing 0.1" if smoothing else "plain"
                for t in (1.0, temperature):
                    p = softmax(z, temperature=t)
                    label = title if t == 1.0 else f"{title}, scaled"
                    if seed == 0:
                        drawn[label] = p, dataset.test.y
                    for key, value in {**measured(p, dataset.test.y), "temperature": t}.items():
                        rows.setdefault(label, {}).setdefault(key, []).append(value)
        result[name] = rows
        keys = (("ece", 2), ("ece by chance", 2), ("log loss", 4), ("accuracy", 4), ("temperature", 3))
        say(f"\n{name}, {args.seeds} seeds:")
        cells = [(label, *(spread(row[key], digits) for key, digits in keys)) for label, row in rows.items()]
        show([("", *(key for key, _ in keys)), *cells])
        if record.published and len(dataset.test) >= 1000:  # a bin of few examples shows nothing
            figures[name] = _figure(drawn)
    saved = record.save(rounded(result))
    for name, figure in figures.items():
        figure.savefig(RESULTS / f"calibration-{name}.png", dpi=120)
    return saved


def _figure(drawn: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Accuracy against confidence, as trained and scaled: without label smoothing to the left, with it to the right."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    for axes, title in zip(figure.subplots(1, 2, sharey=True), ("plain", "label smoothing 0.1"), strict=True):
        axes.plot([0, 1], [0, 1], color="0.6", linestyle=":")
        for label, words, style in ((title, "as trained", "s--"), (f"{title}, scaled", "by temperature", "o-")):
            found = reliability(*drawn[label])
            accuracy, (low, high) = np.array(found["accuracy"]), np.array(found["interval"]).T
            bars, named = np.maximum([accuracy - low, high - accuracy], 0), f"{words}: error {100 * found['ece']:.1f} %"
            axes.errorbar(found["confidence"], accuracy, bars, fmt=style, markersize=4, elinewidth=0.8, label=named)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="top probability", title=f"{title} (seed 0)")
        axes.legend(loc="lower right")
    figure.axes[0].set_ylabel("share that is right, 95 % intervals")
    return figure


if __name__ == "__main__":
    one_line_errors(main)()
