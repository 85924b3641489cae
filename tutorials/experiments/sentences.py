"""Six popular sentences about softmax, each tested on real data: true, false, or it depends?

python -m tutorials.experiments.sentences          all six: a minute
python -m tutorials.experiments.sentences 4        the fourth

1 softmax raises accuracy          2 it improves separability       3 it fits multi-label tasks
4 near 1 means probably right      5 it controls entropy            6 with many classes prefer sigmoid
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minnet.commands import one_line_errors
from minnet.data import load
from minnet.functional import entropy, softmax
from minnet.layers import Sequential
from minnet.losses import Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.schedules import OneCycle
from minnet.training import Trainer, predict
from tutorials.experiments.record import Record, parsed, parser, rounded, say, show, spread
from tutorials.experiments.softmax_or_sigmoid import network, several

Found = tuple[str, str, dict[str, Any]]  # sentence, verdict, what was measured


def verdict_if(shown: bool, verdict: str) -> str:
    """The verdict, where the measured figures bear it out."""
    return verdict if shown else "not settled: the figures of this run do not show it"


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def trained(x: np.ndarray, y: np.ndarray, loss: Loss, outputs: int, seed: int, epochs: int) -> Sequential:
    model = network(int(np.prod(x.shape[1:])), outputs, seed, hidden=64)
    trainer = Trainer(model, loss, Adam(model, 3e-3), schedule=OneCycle(), seed=seed)
    trainer.fit((x, y), epochs=epochs, batch_size=32, progress=False)
    return model


def digits(seed: int, loss: Loss, epochs: int) -> tuple[Sequential, Any]:
    dataset = load("digits", seed=seed)
    y = dataset.train.y
    targets = np.eye(10, dtype=np.float32)[y] if isinstance(loss, MeanSquaredError) else y
    return trained(dataset.train.x, targets, loss, 10, seed, epochs), dataset


def accuracy_same(args: Any, epochs: int) -> Found:
    """Softmax at the end changes no decision; as a loss it is compared with two others on the same network."""
    rows: dict[str, list[float]] = {}
    changed = 0
    for seed in range(args.seeds):
        losses = (SoftmaxCrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError())
        for name, loss in zip(("softmax + cross-entropy", "sigmoid + cross-entropy", "squares"), losses, strict=True):
            model, data = digits(seed, loss, epochs)
            z = predict(model, data.test.x)
            rows.setdefault(name, []).append(float((z.argmax(axis=1) == data.test.y).mean()))
            changed += int((softmax(z).argmax(axis=1) != z.argmax(axis=1)).sum())
    show([("trained with", "accuracy"), *((name, spread(values)) for name, values in rows.items())])
    say(f"decisions that applying softmax to the scores changed: {changed}")
    verdict = verdict_if(
        changed == 0,
        "false: it keeps the order of the scores, so it changes no decision; as part of the loss it may help",
    )
    return "Softmax raises accuracy", verdict, {"accuracy": rows, "decisions_changed": changed}


def separability(args: Any, epochs: int) -> Found:
    """Fisher's ratio (spread between classes over spread within), the accuracy of a linear probe that is fitted on the
    validation examples, and that of just taking the largest value: before and after softmax."""
    from sklearn.linear_model import LogisticRegression

    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(args.seeds):
        model, data = digits(seed, SoftmaxCrossEntropy(), epochs)
        z, z_test = predict(model, data.validation.x), predict(model, data.test.x)
        for name, make in (("scores", lambda z: z), ("probabilities", softmax)):
            inside, outside = make(z.astype(np.float64)), make(z_test.astype(np.float64))
            probe = LogisticRegression(max_iter=2000).fit(inside, data.validation.y)
            means = np.array([outside[data.test.y == k].mean(axis=0) for k in range(10)])
            within = np.square(outside - means[data.test.y]).sum(axis=1).mean()
            row = rows.setdefault(name, {"Fisher's ratio": [], "linear probe": [], "largest value": []})
            row["Fisher's ratio"].append(float(np.square(means - means.mean(axis=0)).sum(axis=1).mean() / within))
            row["linear probe"].append(float(probe.score(outside, data.test.y)))
            row["largest value"].append(float((outside.argmax(axis=1) == data.test.y).mean()))
    keys = ("Fisher's ratio", "linear probe", "largest value")
    show([("", *keys), *((name, *(spread(row[key]) for key in keys)) for name, row in rows.items())])
    before, after = rows["scores"], rows["probabilities"]
    tighter = mean(after["Fisher's ratio"]) > mean(before["Fisher's ratio"])
    no_better = max(mean(after["linear probe"]), mean(after["largest value"])) <= mean(before["largest value"])
    verdict = verdict_if(
        tighter and no_better,
        "depends: clusters are tighter once squashed into corners, but no decision gets better than the scores' own",
    )
    return "It improves separability", verdict, rows


def multi_label(args: Any, epochs: int) -> Found:
    """Pictures with one to four digits: which are there?"""
    found = several(args)
    keys = list(found["softmax"])
    show([("", *keys), *((kind, *(spread(rows[key]) for key in keys)) for kind, rows in found.items())])
    verdict = verdict_if(
        mean(found["sigmoid"]["exact"]) > mean(found["softmax"]["exact"]),
        "false: its probabilities share one whole, so two labels that are both there take it from each other",
    )
    return "It fits multi-label tasks", verdict, found


def near_one(args: Any, epochs: int) -> Found:
    """Top probability above 0.95: on test digits, on those turned upside down (not 6 and 9: each turns into the other),
    and on noise, where nothing is right."""
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(args.seeds):
        model, data = digits(seed, SoftmaxCrossEntropy(), epochs)
        x, y = data.test.x, data.test.y
        noise, same = np.random.default_rng(seed).integers(0, 256, x.shape, dtype=np.uint8), (y != 6) & (y != 9)
        for name, inputs, known in (("test digits", x, y), ("turned by 180 degrees", x[same, ::-1, ::-1], y[same]),
                                    ("noise, no digit at all", noise, None)):  # fmt: skip
            p = softmax(predict(model, np.ascontiguousarray(inputs)))
            sure = p.max(axis=1) > 0.95
            right = np.zeros(len(p), bool) if known is None else p.argmax(axis=1) == known
            row = rows.setdefault(name, {"share above 0.95": [], "right among them": []})
            row["share above 0.95"].append(float(sure.mean()))
            row["right among them"].append(float(right[sure].mean()) if sure.any() else np.nan)
    keys = ("share above 0.95", "right among them")
    show([("", *keys), *((name, *(spread(row[key]) for key in keys)) for name, row in rows.items())])
    known, turned = (mean(rows[name]["right among them"]) for name in ("test digits", "turned by 180 degrees"))
    verdict = verdict_if(
        known > 0.95 > turned + 0.1,
        "depends: on data like training's, yes; on other pictures a large probability means much less",
    )
    return "Near 1 means probably right", verdict, rows


def controls_entropy(args: Any, epochs: int) -> Found:
    """From uniform to argmax by temperature; and no distribution with the same expected score has more entropy. One
    network, of seed 0, whatever --seeds says."""
    model, data = digits(0, SoftmaxCrossEntropy(), epochs)
    z = predict(model, data.test.x).astype(np.float64)
    temperatures = (100.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.01)
    path = {t: float(entropy(softmax(z, temperature=t)).mean()) for t in temperatures}
    show([("temperature", "mean entropy (uniform: 2.303)"), *((t, f"{h:.4f}") for t, h in path.items())])
    # move p along directions that keep sum p = 1 and the expected score: the entropy can only fall
    rng, highest = np.random.default_rng(0), -np.inf
    for row in z[:50]:
        p = softmax(row, temperature=3.0)
        basis = np.linalg.qr(np.stack([np.ones(10), row], axis=1))[0]
        for _ in range(100):
            step = rng.standard_normal(10) * p
            step -= basis @ (basis.T @ step)
            step *= 0.5 * (p / np.maximum(-step, 1e-300))[step < 0].min()
            highest = max(highest, float(entropy(p + step) - entropy(p)))
    say(f"largest change of entropy in 5,000 other distributions with the same expected score: {highest:+.2e}")
    falls = all(a >= b for a, b in zip(list(path.values()), list(path.values())[1:], strict=False))
    verdict = verdict_if(
        falls and highest < 0,
        "depends: temperature controls it, from uniform to argmax; at T = 1 the scores' size decides",
    )
    return "It controls entropy", verdict, {"seed": 0, "path": path, "highest": highest, "falls": falls}


def many_classes(args: Any, epochs: int) -> Found:
    """Two digits side by side as one number: 100 classes; softmax against one-versus-rest sigmoids."""
    rows: dict[str, list[float]] = {}
    for seed in range(args.seeds):
        data, rng = load("digits", seed=seed), np.random.default_rng((seed, 7))
        parts = {}
        for part, n in (("train", 1000 if args.quick else 10_000), ("test", 2000)):
            split = getattr(data, part)
            left, right = rng.integers(len(split), size=(2, n))
            parts[part] = np.concatenate([split.x[left], split.x[right]], axis=2), 10 * split.y[left] + split.y[right]
        for name, loss in (("softmax", SoftmaxCrossEntropy()), ("sigmoid", SigmoidCrossEntropy())):
            model = trained(*parts["train"], loss, 100, seed, max(2, epochs // 2))
            z = predict(model, parts["test"][0])
            rows.setdefault(name, []).append(float((z.argmax(axis=1) == parts["test"][1]).mean()))
    show([("100 classes", "accuracy"), *((name, spread(values)) for name, values in rows.items())])
    verdict = verdict_if(
        mean(rows["softmax"]) > mean(rows["sigmoid"]),
        "false for one label an example: softmax learned better; cost is mended by sampling or a tree",
    )
    return "With many classes prefer sigmoid", verdict, rows


TESTS: tuple[Callable[[Any, int], Found], ...] = (
    accuracy_same, separability, multi_label, near_one, controls_entropy, many_classes
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=3, data=False)
    options.add_argument("numbers", nargs="*", type=int, help="which of the six (default: all)")
    args = parsed(options, argv)
    numbers = args.numbers or range(1, len(TESTS) + 1)
    record, result = Record("sentences", args, argv), []
    if not set(numbers) <= set(range(1, len(TESTS) + 1)):
        raise SystemExit(f"error: the sentences are numbered 1 to {len(TESTS)}")
    for number in numbers:
        say(f"\n{number}. {' '.join((TESTS[number - 1].__doc__ or '').split())}")
        sentence, verdict, measured = TESTS[number - 1](args, 2 if args.quick else 20)
        say(f'"{sentence}": {verdict}')
        result.append({"number": number, "sentence": sentence, "verdict": verdict, "measured": measured})
    return record.save({"sentences": rounded(result, 6)})


if __name__ == "__main__":
    one_line_errors(main)()
