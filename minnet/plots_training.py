"""Figures of a training: loss and accuracy after every epoch, the learning rate of every step, the search for one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.canvas import BLUE, DASHED, GRID, QUIET, SOLID, WIDTH, calm, new, panel, spread
from minnet.formatting import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = (("train", "training", DASHED), ("validation", "validation", SOLID))  # in the history, in the figure, style


@calm
def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss and accuracy after every epoch, training and validation. Rows as the Trainer keeps them; without any
    accuracy (a regression, say), the loss alone.

    The Trainer gives the model back the weights of the epoch with the lowest validation loss: where that is not the
    last epoch, a vertical line stands there, with the values.
    """
    if len(history) == 0:
        raise ValueError("curves expects at least one row of history, got none: train for one epoch first")
    epochs = np.array([row.get("epoch", i) for i, row in enumerate(history, 1)], dtype=np.float64)
    loss, accuracy = ({who: _column(history, f"{who}_{kind}") for who, *_ in LINES} for kind in ("loss", "accuracy"))
    has_accuracy = np.isfinite([*accuracy.values()]).any()
    spiked = _spiked(np.concatenate([*loss.values()]))
    best = _lowest(loss["validation"])
    measured = None if best == len(epochs) - 1 else best
    title = f"Training over {count(int(epochs[-1]), 'epoch')}"
    if best is not None:
        title = f"Validation loss is lowest in epoch {epochs[best]:,.0f} of {epochs[-1]:,.0f}"
    figure = new(WIDTH if has_accuracy else 4.1, 3.1, title)
    # where nothing can be right or wrong the loss is no cross-entropy over classes, and nobody knows its unit
    unit = ("loss (nats)" if has_accuracy else "loss") + (", log scale" if spiked else "")
    panels: list[Any] = [(unit, loss, number, _log_scale if spiked else _linear_scale)]
    if has_accuracy:
        percentages = {who: 100 * shares for who, shares in accuracy.items()}
        panels.append(("accuracy (%)", percentages, lambda value: percent(value / 100, 1), _percent_scale))
    for left, (unit, lines, said, scale) in zip((0.8, 4.5), panels, strict=False):
        axes = panel(figure, left, 0.52, 2.15, 1.95)
        axes.set_title(unit, fontsize=9, color=QUIET, loc="left")
        ends = _draw(axes, epochs, lines)
        if ends:
            scale(axes)
            _name_at_the_ends(axes, [(f"{name}\n{said(y)}" if measured is None else name, x, y) for name, x, y in ends])
        if measured is not None:
            _mark(axes, epochs, lines, measured, said)
    figure.set_label(_curves_caption(epochs, loss, accuracy, best, spiked))
    return figure


def _column(history: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """A measure after every epoch (epochs,), NaN where it is not known."""
    return np.array([math.nan if row.get(name) is None else row[name] for row in history], dtype=np.float64)


def _lowest(losses: np.ndarray) -> int | None:
    """The place of the lowest loss; None where none is finite."""
    finite = np.flatnonzero(np.isfinite(losses))
    return int(finite[losses[finite].argmin()]) if len(finite) else None


def _spiked(losses: np.ndarray) -> bool:
    """Whether the highest loss lies so far above that a linear axis would have half of all losses on its floor."""
    losses = losses[np.isfinite(losses)]
    return len(losses) > 0 and bool(losses.min() > 0 and losses.max() > 50 * np.median(losses))


def _draw(axes: Axes, epochs: np.ndarray, lines: Mapping[str, np.ndarray]) -> list[tuple[str, float, float]]:
    """Draws what is finite of each line (epochs,); returns the lines' names, each with the point where it ends."""
    ends = []
    for who, name, style in LINES:
        known = np.isfinite(lines[who])
        if known.any():
            x, y = epochs[known], lines[who][known]
            axes.plot(x, y, marker="o" if len(x) == 1 else "", markersize=4, **style)
            ends.append((name, float(x[-1]), float(y[-1])))
    axes.set_xlabel("epoch")
    _whole_numbers(axes, epochs)
    axes.grid(axis="y", color=GRID)
    axes.margins(y=0.12)  # room for a value above or below its point
    return ends


def _whole_numbers(axes: Axes, steps: np.ndarray) -> None:
    """Whole epochs or steps at the x axis, even if there is but one."""
    axes.locator_params("x", integer=True)
    if len(steps) == 1:
        axes.set_xlim(steps[0] - 1, steps[0] + 1)


def _log_scale(axes: Axes) -> None:
    axes.set_yscale("log")


def _linear_scale(axes: Axes) -> None:
    _make_flat(axes, size=abs(sum(axes.dataLim.intervaly)) / 2 or 1.0)
    _plain_ticks(axes)


def _percent_scale(axes: Axes) -> None:
    """Not below 0 and not above 100, but for half the width of a line."""
    _make_flat(axes, size=100.0)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.5), min(high, 100.5))
    _plain_ticks(axes)


def _make_flat(axes: Axes, size: float) -> None:
    """What moved by less than a thousandth of its `size` is a flat line: to tell its ends apart, the numbers at the
    ticks would need all their digits."""
    low, high = axes.dataLim.intervaly
    if high - low <= 1e-3 * size:
        axes.set_ylim((low + high) / 2 - 0.05 * size, (low + high) / 2 + 0.05 * size)


def _plain_ticks(axes: Axes) -> None:
    """Numbers that stand for themselves at the y axis: no power of ten above it, where the title is."""
    if 1e-4 <= max(map(abs, axes.get_ylim())) < 1e5:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    else:
        axes.yaxis.set_major_formatter("{x:g}")


def _name_at_the_ends(axes: Axes, ends: Sequence[tuple[str, float, float]]) -> None:
    """Names the lines at their right ends, instead of a legend."""
    axes.autoscale_view()  # else matplotlib sets the limits when it draws
    heights = (axes.transData - axes.transAxes).transform([(x, y) for _, x, y in ends])[:, 1].tolist()
    for (name, _, _), height in zip(ends, spread(heights, 0.2), strict=True):
        axes.text(1.04, height, name, transform=axes.transAxes, va="center", fontsize=8.5, linespacing=1.1)


def _mark(
    axes: Axes, epochs: np.ndarray, lines: Mapping[str, np.ndarray], place: int, said: Callable[[float], str]
) -> None:
    """A vertical line at one epoch, and each line's value there: the higher one above its point, the lower below."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]  # the words stay readable where a curve crosses them
    x = float(epochs[place])
    axes.axvline(x, color=QUIET, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xlabel(f"epoch (┆ measured: epoch {x:,.0f})")
    side, ha = (-4, "right") if place > 0.6 * len(epochs) else (4, "left")
    points = [(lines[who][place], style["color"]) for who, _, style in LINES if np.isfinite(lines[who][place])]
    for y, color in points:
        above, va = (-4, "top") if len(points) > 1 and y == min(points)[0] else (4, "bottom")
        axes.plot(x, y, "o", color=color, markersize=4)
        axes.annotate(
            said(y), (x, y), xytext=(side, above), textcoords="offset points", ha=ha, va=va, fontsize=8.5,
            path_effects=halo,
        )  # fmt: skip


def _curves_caption(
    epochs: np.ndarray,
    loss: Mapping[str, np.ndarray],
    accuracy: Mapping[str, np.ndarray],
    best: int | None,
    spiked: bool,
) -> str:
    train, validation = accuracy["train"], accuracy["validation"]
    parts = []
    if best is not None:
        parts.append(f"validation loss is lowest in epoch {epochs[best]:,.0f} ({number(loss['validation'][best])})")
    if np.isfinite(validation).any():
        highest = np.nanargmax(validation)
        parts.append(
            f"validation accuracy is highest in epoch {epochs[highest]:,.0f} ({percent(validation[highest], 1)})"
        )
    if np.isfinite(gap := 100 * (train[-1] - validation[-1])):
        points = "<0.1" if abs(gap) < 0.05 else f"{abs(gap):.1f}"
        stands = f"is {points} points {'above' if gap > 0 else 'below'}" if gap else "equals"
        parts.append(f"after the last epoch, training accuracy ({percent(train[-1], 1)}) {stands} that on validation")
    losses = loss["train"][np.isfinite(loss["train"])]
    if not parts and len(losses):
        parts.append(f"training loss went from {number(losses[0])} to {number(losses[-1])}")
    shown = "Loss (on a log scale)" if spiked else "Loss"
    if np.isfinite([train, validation]).any():
        shown += " and accuracy"
    lines = "Dashed: training."
    if np.isfinite([loss["validation"], validation]).any():
        lines = "Solid: validation; dashed: training."
    if best is not None and best < len(epochs) - 1:
        lines += f" Vertical: epoch {epochs[best]:,.0f}, whose weights are measured."
    return f"{shown} over {count(len(epochs), 'epoch')}: {'; '.join(parts) or 'no finite value was recorded'}. {lines}"


@calm
def schedule(rates: Any) -> Figure:
    """The learning rate (steps,) at every step."""
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim != 1 or len(rates) == 0:
        raise ValueError(f"schedule expects the learning rate of each step, (steps,), got shape {rates.shape}")
    first, peak, last = rates[0], int(rates.argmax()), rates[-1]
    moves = rates.max() > rates.min()
    if moves:
        title = f"Learning rate peaks at {rates[peak]:.3g}"
        caption = (
            f"The learning rate starts at {first:.3g}, is highest at step {peak + 1:,} of {len(rates):,} "
            f"({rates[peak]:.3g}), and ends at {last:.3g}."
        )
    else:
        title = f"Constant learning rate {first:.3g}"
        caption = f"The learning rate stays at {first:.3g} for {count(len(rates), 'step')}."
    figure = new(5.2, 2.6, title)
    axes = panel(figure, 0.85, 0.52, 3.9, 1.6)
    steps = np.arange(1, len(rates) + 1)
    axes.plot(steps, rates, color=BLUE, marker="o" if moves or len(rates) == 1 else "", markevery=[peak], markersize=5)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, 1.1 * rates.max() or 1))
    axes.grid(axis="y", color=GRID)
    _whole_numbers(axes, steps)
    _plain_ticks(axes)
    figure.set_label(caption)
    return figure


@calm
def learning_rate_finder(rates: Any, losses: Any, suggestion: float) -> Figure:
    """The smoothed loss (steps,) at each rate (steps,) that was tried, as `find_learning_rate` returns them."""
    rates, losses = np.asarray(rates, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != losses.shape or len(rates) == 0 or not (rates > 0).all():
        raise ValueError(
            f"learning_rate_finder expects rates above 0 and as many losses, got {rates.shape}, {losses.shape}"
        )
    # the lowest that counts, of which the suggestion is a tenth: later than the luck of the first few batches
    lowest = int(np.abs(np.log(rates / (10 * suggestion))).argmin())
    figure = new(5.2, 2.8, f"A learning rate near {suggestion:.2g}")
    axes = panel(figure, 0.75, 0.52, 4.1, 1.7)
    axes.plot(rates, losses, color=BLUE, marker="o", markevery=[lowest], markersize=5)
    axes.axvline(suggestion, color=QUIET, linestyle="--", linewidth=1)
    # what lies far above all before the lowest has diverged: only that it does is of interest
    before = losses[: lowest + 1]
    if before.max() > losses[lowest]:
        top = before.max() + 0.5 * (before.max() - losses[lowest])
        low = np.nanmin(losses)
        axes.set_ylim(low - 0.08 * (top - low), top)
    axes.set(xscale="log", xlabel="learning rate")
    axes.set_title("loss", fontsize=9, color=QUIET, loc="left")
    axes.grid(axis="y", color=GRID)
    _plain_ticks(axes)
    aside = ", the first steps aside, whose average is over few batches" if losses.min() < losses[lowest] else ""
    figure.set_label(
        f"The loss while the learning rate rises from {rates[0]:.2g} to {rates[-1]:.2g}: it is lowest at "
        f"{rates[lowest]:.2g} ({number(losses[lowest])}){aside}. "
        f"A tenth of that, {suggestion:.2g} (dashed), is a rate to begin with."
    )
    return figure
