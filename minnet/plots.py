"""Every figure, each a function of arrays that returns a matplotlib Figure; `figure.get_label()` is its caption.

A notebook shows the figure where the call is the last line of a cell, and with `display(figure)` anywhere else.
`figure.savefig("curves.png")` writes a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.canvas import BLUE, DASHED, GRID, INK, QUIET, SOLID, WIDTH, calm, inches, names, new, panel, spread
from minnet.formatting import count, extremes, listing, number, percent
from minnet.metrics import value_of
from minnet.plots_confusion import confusion_matrix
from minnet.plots_examples import examples, text_examples
from minnet.plots_probabilities import coverage, entropy_histogram, reliability
from minnet.plots_weights import filters, telling_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compare", "confusion_matrix", "coverage", "curves", "entropy_histogram", "examples", "filters",
    "learning_rate_finder", "reliability", "schedule", "telling_words", "text_examples",
]  # fmt: skip


@calm
def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss and accuracy after every epoch, training and validation. Rows as the Trainer keeps them; without any
    accuracy (a regression, say), the loss alone.

    The Trainer gives the model back the weights of the epoch with the lowest validation loss: where that is not the
    last epoch, a vertical line stands there, with the values.
    """
    epochs = np.array([row.get("epoch", i + 1) for i, row in enumerate(history)], dtype=np.float64)
    if len(epochs) == 0:
        raise ValueError("curves expects at least one row of history, got none: train for one epoch first")
    series = {
        name: np.array([math.nan if row.get(name) is None else row[name] for row in history], dtype=np.float64)
        for name in ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    }
    # where nothing can be right or wrong the loss is no cross-entropy over classes, and nobody knows its unit
    rated = _rated(series)
    best = _best(series["validation_loss"])
    early = None if best == len(epochs) - 1 else best
    far = _far(series)
    unit = "loss (nats)" if rated else "loss"
    panels = [("loss", 0.62, f"{unit}, log scale" if far else unit), ("accuracy", 4.5, "accuracy (%)")]
    figure = new(WIDTH if rated else 3.9, 3.1, _curves_title(epochs, series))
    for kind, left, title in panels if rated else panels[:1]:
        axes = panel(figure, left, 0.52, 2.15, 1.95)
        factor, said = (100, lambda v: f"{v:.1f} %") if kind == "accuracy" else (1, number)
        ends: list[tuple[str, float, float]] = []
        kept: list[float] = []
        for who, label, style in (
            ("train", "training", DASHED),
            ("validation", "validation", SOLID),
        ):
            values = factor * series[f"{who}_{kind}"]
            known = np.isfinite(values)
            if known.any():
                marker = "o" if known.sum() == 1 else None
                axes.plot(epochs[known], values[known], marker=marker, markersize=4, **style)
                end = values[known][-1]
                ends.append((f"{label}\n{said(end)}" if early is None else label, epochs[known][-1], end))
            if early is not None and known[early]:
                axes.plot(epochs[early], values[early], "o", color=style["color"], markersize=4)
                kept.append(float(values[early]))
        if kind == "loss" and far:
            axes.set_yscale("log")
        elif ends:
            _steady(axes, kind == "accuracy")
        _end_labels(axes, ends)
        axes.set_xlabel("epoch")
        if early is not None:
            axes.axvline(float(epochs[early]), color=QUIET, linewidth=0.8, linestyle=":", zorder=0)
            axes.set_xlabel(f"epoch (┆ measured: epoch {epochs[early]:,.0f})")
            _values_at(axes, float(epochs[early]), kept, said, left=early > 0.6 * len(epochs))
        axes.set_title(title, fontsize=9, color=QUIET, loc="left")
        axes.locator_params("x", integer=True)
        if len(epochs) == 1:
            axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
        axes.grid(axis="y", color=GRID)
        axes.margins(y=0.08)
        if axes.get_yscale() == "linear":
            _whole_ticks(axes)
            _room_for_ticks(figure, axes)
    figure.set_label(_curves_caption(epochs, series))
    return figure


def _best(losses: np.ndarray) -> int | None:
    """The place of the lowest validation loss, whose weights the Trainer keeps; None where there is no finite one."""
    finite = np.where(np.isfinite(losses), losses, math.inf)
    return int(finite.argmin()) if np.isfinite(finite).any() else None


def _rated(series: Mapping[str, np.ndarray]) -> bool:
    """Whether any accuracy is known."""
    return any(np.isfinite(series[f"{who}_accuracy"]).any() for who in ("train", "validation"))


def _far(series: Mapping[str, np.ndarray]) -> bool:
    """Whether the highest loss lies so far above that a linear axis would have half of all losses on its floor."""
    losses = np.concatenate([series["train_loss"], series["validation_loss"]])
    losses = losses[np.isfinite(losses)]
    return len(losses) > 0 and bool(losses.min() > 0 and losses.max() > 50 * np.median(losses))


def _curves_title(epochs: np.ndarray, series: Mapping[str, np.ndarray]) -> str:
    best = _best(series["validation_loss"])
    if best is not None:
        return f"Validation loss is lowest in epoch {epochs[best]:,.0f} of {epochs[-1]:,.0f}"
    return f"Training over {count(int(epochs[-1]), 'epoch')}"


def _curves_caption(epochs: np.ndarray, series: Mapping[str, np.ndarray]) -> str:
    parts = []
    loss, accuracy, train = (series[n] for n in ("validation_loss", "validation_accuracy", "train_accuracy"))
    best = _best(loss)
    if best is not None:
        parts.append(f"validation loss is lowest in epoch {epochs[best]:,.0f} ({number(loss[best])})")
    if np.isfinite(accuracy).any():
        at = epochs[np.nanargmax(accuracy)]
        parts.append(f"validation accuracy is highest in epoch {at:,.0f} ({percent(np.nanmax(accuracy), 1)})")
    if np.isfinite(train[-1]) and np.isfinite(accuracy[-1]):
        gap = 100 * (train[-1] - accuracy[-1])
        points = "<0.1" if abs(gap) < 0.05 else f"{abs(gap):.1f}"
        stands = f"is {points} points {'above' if gap > 0 else 'below'}" if gap else "equals"
        parts.append(f"after the last epoch, training accuracy ({percent(train[-1], 1)}) {stands} that on validation")
    if not parts and np.isfinite(series["train_loss"]).any():
        known = series["train_loss"][np.isfinite(series["train_loss"])]
        parts.append(f"training loss went from {number(known[0])} to {number(known[-1])}")
    message = "; ".join(parts) or "no finite value was recorded"
    known = best is not None or np.isfinite(accuracy).any()
    lines = "Solid: validation; dashed: training." if known else "Dashed: training."
    if best is not None and best < len(epochs) - 1:
        lines += f" Vertical: epoch {epochs[best]:,.0f}, whose weights are measured."
    shown = "Loss (on a log scale)" if _far(series) else "Loss"
    if _rated(series):
        shown += " and accuracy"
    return f"{shown} over {count(len(epochs), 'epoch')}: {message}. {lines}"


@calm
def schedule(rates: Any) -> Figure:
    """The learning rate (steps,) at every step."""
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim != 1 or len(rates) == 0:
        raise ValueError(f"schedule expects the learning rate of each step, (steps,), got shape {rates.shape}")
    peak = int(rates.argmax())
    constant = rates.max() == rates.min()
    title = f"Constant learning rate {rates[0]:.3g}" if constant else f"Learning rate peaks at {rates[peak]:.3g}"
    figure = new(5.2, 2.6, title)
    axes = panel(figure, 0.85, 0.52, 3.9, 1.6)
    axes.plot(np.arange(1, len(rates) + 1), rates, color=BLUE, marker="o" if len(rates) == 1 else None)
    if not constant:
        axes.plot(peak + 1, rates[peak], "o", color=BLUE, markersize=5)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, 1.1 * rates.max() or 1))
    axes.locator_params("x", integer=True)
    if len(rates) == 1:
        axes.set_xlim(0, 2)
    axes.grid(axis="y", color=GRID)
    if not 1e-4 <= rates.max() < 1e5:  # else matplotlib writes no power of ten itself
        _whole_ticks(axes)
    figure.set_label(
        f"The learning rate stays at {rates[0]:.3g} for {count(len(rates), 'step')}."
        if constant
        else f"The learning rate starts at {rates[0]:.3g}, is highest at step {peak + 1:,} of {len(rates):,} "
        f"({rates[peak]:.3g}), and ends at {rates[-1]:.3g}."
    )
    return figure


@calm
def learning_rate_finder(rates: Any, losses: Any, suggestion: float) -> Figure:
    """The smoothed loss (steps,) at each rate (steps,) that was tried, as `find_learning_rate` returns them."""
    rates, losses = np.asarray(rates, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != losses.shape or len(rates) == 0 or not (rates > 0).all():
        raise ValueError(
            f"learning_rate_finder expects rates above 0 and as many losses, got {rates.shape}, {losses.shape}"
        )
    lowest = int(np.abs(np.log(rates / (10 * suggestion))).argmin())  # later than the luck of the first few batches
    figure = new(5.2, 2.8, f"A learning rate near {suggestion:.2g}")
    axes = panel(figure, 0.75, 0.52, 4.1, 1.8)
    axes.plot(rates, losses, color=BLUE)
    axes.plot(rates[lowest], losses[lowest], "o", color=BLUE, markersize=5)
    axes.axvline(suggestion, color=QUIET, linestyle="--", linewidth=1)
    # what lies far above all before the lowest has diverged: only that it does is of interest
    before = losses[: lowest + 1]
    bottom = top = None
    if before.max() > losses[lowest]:
        top = before.max() + 0.5 * (before.max() - losses[lowest])
        if not (losses <= top).all():  # else matplotlib's margin below would be a share of what is cut off
            bottom = before.min() - 0.08 * (top - before.min())
    axes.set(xscale="log", xlabel="learning rate", ylim=(bottom, top))
    axes.set_title("loss", fontsize=9, color=QUIET, loc="left")
    axes.grid(axis="y", color=GRID)
    _whole_ticks(axes)
    aside = ", the first steps aside, whose average is over few batches" if losses.min() < losses[lowest] else ""
    figure.set_label(
        f"The loss while the learning rate rises from {rates[0]:.2g} to {rates[-1]:.2g}: it is lowest at "
        f"{rates[lowest]:.2g} ({number(losses[lowest])}){aside}. "
        f"A tenth of that, {suggestion:.2g} (dashed), is a rate to begin with."
    )
    return figure


@calm
def compare(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Runs {name: result of metrics.evaluate} side by side: accuracy, macro F1 and log loss with 95 % intervals."""
    labels = names(list(runs), 2.0, 9)
    left = max(inches(label, 9) for label in labels) + 0.25
    height = 0.65 + 0.36 * len(runs)
    scores = [metrics["accuracy"] for metrics in runs.values()]
    (highest, best), (lowest, _) = extremes(scores, lambda score: percent(score, 1))
    title = f"Highest accuracy: {labels[best[0]]}, {highest}"
    if len(best) > 1:
        title = f"{'All' if highest == lowest else len(best)} runs share the highest accuracy, {highest}"
    figure = new(WIDTH, height + 0.5, title)
    each = (WIDTH - left - 0.15) / 3
    rows = np.arange(len(runs))[::-1]
    measures = (
        ("accuracy (%)", "accuracy", 1, 100),
        ("macro F1", "macro_f1", 3, 1),
        ("log loss (nats)", "log_loss", 3, 1),
    )
    for i, (title, name, digits, factor) in enumerate(measures):
        axes = panel(figure, left + i * each + 0.1, 0.5, each - 0.25, height - 0.5)
        for row, metrics in zip(rows, runs.values(), strict=True):
            value, bounds = value_of(metrics, name), metrics["intervals"][name]
            if value is None:
                axes.text(0.5, row, "infinite", transform=axes.get_yaxis_transform(), ha="center", va="center")
                continue
            if bounds is not None:
                axes.plot(np.array(bounds) * factor, [row, row], color=BLUE, linewidth=1.2)
            axes.plot(value * factor, row, "o", color=BLUE, markersize=5)
            said = f"{value * factor:.{digits}f}"
            axes.text(value * factor, row + 0.17, said, ha="center", va="bottom", fontsize=8.5)
        axes.set_ylim(-0.5, len(runs) - 0.25)
        axes.set_yticks(rows, labels=labels if i == 0 else [""] * len(runs), parse_math=False)
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.18)
        axes.set_xlabel(title)
        axes.locator_params("x", nbins=4)
        axes.grid(axis="x", color=GRID)
    parts = [f"{name} {percent(score, 1)}" for name, score in zip(runs, scores, strict=True)]
    n = next(iter(runs.values()))["examples"]
    figure.set_label(
        f"Accuracy on the same {count(n, 'example')}: {listing(parts)}. Points are the measured values, lines their "
        "95 % intervals; further right is better for accuracy and F1, further left for log loss."
    )
    return figure


def _whole_ticks(axes: Axes) -> None:
    """Numbers that stand for themselves at the ticks: no power of ten above the axis, where the title is."""
    axes.ticklabel_format(axis="y", useOffset=False)
    if number(highest := max(map(abs, axes.get_ylim()))) == f"{highest:.3g}":
        axes.yaxis.set_major_formatter("{x:g}")


def _steady(axes: Axes, percentages: bool) -> None:
    """A flat line where hardly anything moved: to tell its ends apart, the numbers at the ticks would need all digits.
    Percentages do not go below 0 or above 100."""
    low, high = axes.dataLim.intervaly
    middle = (low + high) / 2
    room = 5.0 if percentages else 0.05 * abs(middle)
    if high - low <= 0.02 * room and room > 0:
        bottom, top = middle - room, middle + room
        axes.set_ylim((max(bottom, -0.5), min(top, 100.5)) if percentages else (bottom, top))


def _room_for_ticks(figure: Figure, axes: Axes) -> None:
    """Moves the axis to the right where the numbers at its ticks would reach beyond the figure's edge."""
    box, labels = axes.get_position(), axes.yaxis.get_major_formatter().format_ticks(axes.get_yticks().tolist())
    lack = (max(inches(label, 8.5) for label in labels) + 0.13) / figure.get_figwidth() - box.x0
    if lack > 0:
        axes.set_position((box.x0 + lack, box.y0, box.width - lack, box.height))


def _values_at(axes: Axes, x: float, values: Sequence[float], said: Any, left: bool) -> None:
    """The values of one epoch beside its vertical line: the higher one above its point, the lower one below."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]  # the words stay readable where a curve crosses them
    for value in values:
        below = len(values) > 1 and value == min(values)
        axes.annotate(
            said(value), (x, value), xytext=(-4 if left else 4, -4 if below else 4), textcoords="offset points",
            ha="right" if left else "left", va="top" if below else "bottom", fontsize=8.5, path_effects=halo,
        )  # fmt: skip


def _end_labels(axes: Axes, ends: Sequence[tuple[str, float, float]]) -> None:
    """Names the lines at their right ends, instead of a legend."""
    if not ends:
        return
    measured = axes.yaxis.get_transform().transform  # linear or logarithmic
    low, high = measured(np.array(axes.get_ylim()))
    room = (high - low) or 1.0
    heights = measured(np.array([y for _, _, y in ends])).tolist()
    for (label, x, y), at in zip(ends, spread(heights, 0.2 * room), strict=True):
        axes.annotate(
            label, (x, y), xytext=(1.04, (at - low) / room), textcoords=axes.transAxes,
            va="center", fontsize=8.5, linespacing=1.1, annotation_clip=False,
        )  # fmt: skip
