"""What very many classes cost: the full softmax against a sampled one and a Huffman tree.

python -m tutorials.experiments.large_vocabulary            step against K, bias, next word: two minutes
python -m tutorials.experiments.large_vocabulary --part cost
python -m tutorials.experiments.large_vocabulary --part figure    large_vocabulary.png anew, from large_vocabulary.json

cost: forward, backward and Adam's update at N = D = 128; medians, the three kinds taking turns. bias: how far the
sampled loss lies below the exact one, against the number of samples. words: the next word of a tweet from the two
before it, vocabulary of the training tweets; perplexity and accuracy on validation tweets, computed over all classes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet import canvas
from minnet.commands import one_line_errors, positive
from minnet.data import TokenIds, load
from minnet.large_vocabulary import HierarchicalSoftmax, SampledSoftmaxCrossEntropy
from minnet.layers import Embedding, Flatten, Linear, ReLU, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.schedules import OneCycle
from minnet.training import Trainer
from tutorials.experiments.apart import fetched
from tutorials.experiments.record import RESULTS, Record, parsed, parser, rounded, say, show, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 128  # N and D


def zipf(classes: int) -> np.ndarray:
    """Counts that fall like those of words."""
    return 1e6 / np.arange(1.0, classes + 1)


def steps_of(classes: int, samples: int) -> dict[str, Any]:
    """For each kind a function that makes one step: forward, backward, update."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
    p = zipf(classes) / zipf(classes).sum()
    y = rng.choice(classes, size=SIZE, p=p)
    full, criterion = Linear(SIZE, classes, rng=0), SoftmaxCrossEntropy()
    full_adam = Adam(full, 1e-3)

    def full_step() -> None:
        criterion.forward(full.forward(x), y)
        full.backward(criterion.backward())
        full_adam.step()

    def owned(loss: Any) -> Any:
        body = Sequential(ReLU())
        adam = Adam(body, 1e-3, loss=loss)

        def step() -> None:
            loss.forward(x, y)
            loss.backward()
            adam.step()

        return step

    return {
        "full": full_step,
        "sampled": owned(SampledSoftmaxCrossEntropy(SIZE, classes, samples, rng=0)),
        "tree": owned(HierarchicalSoftmax(SIZE, zipf(classes), rng=0)),
    }


def cost(sizes: Sequence[int], samples: int, repeats: int) -> list[dict[str, Any]]:
    """Milliseconds of a step of each kind for each K, medians of runs that take turns."""
    rows = []
    for classes in sizes:
        steps = steps_of(classes, samples)
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for step in steps.values():
            step()
        for _ in range(repeats):
            for name, step in steps.items():
                started = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - started)
        ms = {name: 1000 * float(np.median(values)) for name, values in seconds.items()}
        rows.append(
            {"K": classes, **ms, "full/sampled": ms["full"] / ms["sampled"], "full/tree": ms["full"] / ms["tree"]}
        )
    say(f"\nMilliseconds a step, N = D = {SIZE}, {samples} samples:")
    head = ("K", "full", "sampled", "tree", "full/sampled", "full/tree")
    show([head, *([f"{row['K']:,}", *(f"{row[key]:.2f}" for key in head[1:])] for row in rows)])
    return rows


def bias(draws: int) -> list[dict[str, float]]:
    """The sampled loss less the exact one at K = 1000, as a mean over draws with its standard error."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 16)).astype(np.float32), rng.integers(1000, size=8)
    rows = []
    for samples in (4, 16, 64, 256):
        loss = SampledSoftmaxCrossEntropy(16, 1000, samples, rng=0)
        loss.W *= np.float32(2)
        exact = loss.eval().forward(x, y)
        loss.train()
        found = np.array([loss.forward(x, y) for _ in range(draws)]) - exact
        rows.append({"samples": samples, "bias": found.mean(), "standard error": found.std() / np.sqrt(draws)})
    say("\nThe sampled loss less the exact one (K = 1000): falls towards a quarter for four times the samples")
    show(
        [("samples", "bias"), *((row["samples"], f"{row['bias']:+.4f} ± {row['standard error']:.4f}") for row in rows)]
    )
    return rows


def contexts(texts: list[str], vectorizer: TokenIds) -> tuple[np.ndarray, np.ndarray]:
    """(the two words before, the next word) for every known next word."""
    ids = vectorizer.transform(texts)
    padded = np.pad(ids, ((0, 0), (2, 0)))
    before = np.stack([padded[:, :-2], padded[:, 1:-1]], axis=-1)[ids > 1]
    return before.astype(np.int64), ids[ids > 1].astype(np.int64)


def words(name: str, tweets: int, seeds: int, epochs: int, data: str | None, samples: int) -> dict[str, Any]:
    """Perplexity and accuracy of the next word, and the seconds of training, for each kind and seed."""
    dataset = load(name, folder=data)
    texts = dataset.train.x[:tweets]
    vectorizer = TokenIds(max_length=40, size=10**6, min_count=2).fit(texts)
    x, y = contexts(texts, vectorizer)
    x_val, y_val = (part[:4000] for part in contexts(dataset.validation.x, vectorizer))
    classes, dim = vectorizer.rows, 64
    counts = np.bincount(y, minlength=classes) + 1
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        for kind in ("full", "sampled", "tree"):
            rng = np.random.default_rng(seed)
            body = [Embedding(classes, dim, padding_idx=0, rng=rng), Flatten(), Linear(2 * dim, dim, rng=rng), ReLU()]
            body[0].W *= np.float32(0.3)
            loss: Any = SoftmaxCrossEntropy()
            if kind == "full":
                body.append(Linear(dim, classes, rng=rng))
            elif kind == "sampled":
                loss = SampledSoftmaxCrossEntropy(dim, classes, samples, rng=rng)
            else:
                loss = HierarchicalSoftmax(dim, counts, rng=rng)
            model = Sequential(*body)
            optimizer = Adam(model, 2e-3, loss=None if kind == "full" else loss)
            trainer = Trainer(model, loss, optimizer, schedule=OneCycle(), seed=seed, workers=1, piece=256)
            history = trainer.fit((x, y), epochs=epochs, batch_size=256, progress=False)
            losses, hits = [], 0
            for start in range(0, len(y_val), 500):
                part = slice(start, start + 500)
                scores = model.eval().forward(x_val[part])
                if kind != "full":
                    scores = loss.log_probabilities(scores)
                losses.append(SoftmaxCrossEntropy().forward(scores, y_val[part]) * len(scores))
                hits += (scores.argmax(axis=1) == y_val[part]).sum()
            row = {"perplexity": float(np.exp(sum(losses) / len(y_val))), "accuracy": hits / len(y_val),
                   "seconds": history[-1]["seconds"]}  # fmt: skip
            found.setdefault(kind, []).append(row)
    guess = float(np.exp(-np.log((counts / counts.sum())[y_val]).mean()))
    say(f"\nNext word, {classes:,} classes, {len(y):,} training words, {epochs} epochs, {len(y_val):,} tested:")
    keys = (("perplexity", 1), ("accuracy", 4), ("seconds", 1))
    show([("", *(key for key, _ in keys)), ("word frequencies", f"{guess:.1f}", "", ""),
          *((name, *(spread([row[key] for row in rows], digits) for key, digits in keys))
            for name, rows in found.items())])  # fmt: skip
    return {"classes": classes, "training_words": len(y), "epochs": epochs, "frequencies_perplexity": guess, **found}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, seeds=1)
    options.add_argument("--part", choices=("cost", "bias", "words", "figure"), help="only this one")
    options.add_argument("--samples", type=positive, default=256, help="classes drawn a step (default: %(default)s)")
    options.add_argument("--tweets", type=positive, default=8000, help="of the training split (default: %(default)s)")
    args = parsed(options, argv)
    if args.part == "figure":
        if args.out:
            options.error("--part figure draws the published result beside it: leave --out away")
        return draw()
    record, result = Record("large_vocabulary", args, argv), {}
    wanted = ("cost", "bias", "words") if args.part is None else (args.part,)
    name, tweets = ("comments", 100) if args.quick else ("tweeteval", args.tweets)
    if "words" in wanted:
        fetched([name], args.data)
    if "cost" in wanted:
        sizes = (10, 1000) if args.quick else (10, 100, 1000, 10_000, 30_000, 100_000, 200_000)
        result["cost"] = cost(sizes, args.samples, 3 if args.quick else 7)
    if "bias" in wanted:
        result["bias"] = bias(50 if args.quick else 2000)
    if "words" in wanted:
        result["words"] = words(name, tweets, args.seeds, 1 if args.quick else 2, args.data, args.samples)
    saved = record.save(rounded(result))
    if record.published:
        draw()
    return saved


def draw() -> dict[str, Any]:
    """Draws the picture of the published result beside it, and returns the result."""
    published = json.loads((RESULTS / "large_vocabulary.json").read_text("utf-8"))
    (RESULTS / "large_vocabulary.png").write_bytes(canvas.png(figure(published["cost"])))
    return published


@canvas.calm
def figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """The milliseconds of a step against K, on logarithmic axes; rows as `cost` returns them."""
    classes, last = [row["K"] for row in rows], rows[-1]
    title = f"At {last['K']:,} classes a full step costs as much as {last['full/sampled']:.0f} sampled ones"
    made = canvas.new(5.6, 3.5, title)
    axes = canvas.panel(made, 0.75, 0.55, 3.5, 2.4)
    kinds = (
        ("full", "full softmax", {**canvas.SOLID, "marker": "o"}),
        ("sampled", "sampled softmax", {**canvas.DASHED, "marker": "s"}),
        ("tree", "Huffman tree", {"color": canvas.QUIET, "linestyle": (0, (1, 1.5)), "marker": "^"}),
    )
    at = canvas.spread([np.log10(last[kind]) for kind, _, _ in kinds], 0.55)  # in powers of ten
    for (kind, name, style), height in zip(kinds, at, strict=True):
        axes.loglog(classes, [row[kind] for row in rows], markersize=5, **style)
        axes.annotate(
            f"{name}\n{last[kind]:,.1f} ms", (last["K"], 10**height), xytext=(10, 0), textcoords="offset points",
            va="center", fontsize=8.5, linespacing=1.1, annotation_clip=False,
        )  # fmt: skip
    axes.set(xlabel="classes K")
    axes.set_title("milliseconds a step", fontsize=9, color=canvas.QUIET, loc="left")
    axes.grid(color=canvas.GRID)
    told = "; ".join(f"{name} " + ", ".join(f"{row[kind]:.4g}" for row in rows) for kind, name, _ in kinds)
    sizes = ", ".join(f"{k:,}" for k in classes)
    made.set_label(
        f"Milliseconds of forward, backward and Adam's update at N = D = {SIZE} for {sizes} classes: {told}."
    )
    return made


if __name__ == "__main__":
    one_line_errors(main)()
