"""Figures that ask what a probability is worth: calibration, accuracy when abstaining, entropy of right and wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet import calibration, functional, intervals
from minnet.canvas import BLUE, DASHED, GRID, ORANGE, PALE, QUIET, RULE, SOLID, calm, new, panel, shown, spread, wrapped
from minnet.formatting import count, interval, listing, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JOINED = 10  # examples: a line through bins of fewer leads up and down where nothing is known
TELLING = 0.1  # a larger calibration error by chance alone hides any fault that one would look for
NO_FAULT, TOO_FEW = "no fault is seen", "too few examples to tell"
SERIES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (  # sign, points and line, bars: before, and after
    ("□", {**DASHED, "marker": "s", "markerfacecolor": "white"}, {"fill": False, "edgecolor": ORANGE}),
    ("●", {**SOLID, "marker": "o"}, {"color": PALE, "edgecolor": BLUE}),
)
GROUPS: dict[str, dict[str, Any]] = {
    "right": {"facecolor": PALE, "edgecolor": BLUE, "linewidth": 0.8},
    "wrong": {"facecolor": "none", "edgecolor": "#a85f00", "linewidth": 1.2, "hatch": "////"},
}


@calm
def reliability(
    probabilities: np.ndarray | Mapping[str, np.ndarray], labels: np.ndarray, bins: int = calibration.BINS
) -> Figure:
    """Accuracy against confidence, in bins of the top probability; below, how many examples each bin holds.

    A mapping {name: probabilities} draws up to two of them together, as before and after temperature scaling.
    """
    given = probabilities if isinstance(probabilities, Mapping) else {"": probabilities}
    if not 1 <= len(given) <= 2:
        raise ValueError(f"reliability draws one or two sets of probabilities, got {len(given)}")
    found = {name: calibration.reliability(p, labels, bins) for name, p in given.items()}
    title, caption = _reliability_words(given, found, labels, bins)
    figure = new(5.6, 5.2, title)
    axes, below = panel(figure, 0.75, 1.5, 3.1, 3.1), panel(figure, 0.75, 0.5, 3.1, 0.72)
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1, linestyle=(0, (1, 1.5)))
    # outside, where no error bar crosses them
    axes.text(0.0, 1.03, "above the diagonal: less sure than right", color=QUIET, fontsize=8.5)
    axes.text(1.0, -0.03, "below the diagonal: surer than right", ha="right", va="top", color=QUIET, fontsize=8.5)
    beside = [wrapped(shown(name, 40), 1.3, 9) if name else [] for name in found]
    at = spread([data["accuracy"][-1] for data in found.values()], 0.02 + 0.025 * sum(map(len, beside)))
    drawn = zip(found.values(), SERIES[-len(found) :], beside, at, strict=True)
    for data, (sign, style, bars), lines, y in drawn:
        confidence, accuracy, n = (np.array(data[key]) for key in ("confidence", "accuracy", "count"))
        error = np.abs(np.array(data["interval"]).T - accuracy)  # (2, bins)
        points = {**style, "linestyle": "none"}
        axes.errorbar(confidence, accuracy, error, elinewidth=0.8, markersize=5, clip_on=False, **points)
        joined = n >= JOINED
        axes.plot(confidence[joined], accuracy[joined], clip_on=False, **{**style, "marker": ""})
        below.bar(data["low"], n, 1 / bins, align="edge", linewidth=0.8, **bars)
        if lines:
            axes.text(1.05, y, sign, va="center")
            axes.text(1.1, y, "\n".join(lines), va="center", parse_math=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    below.set(xlim=(0, 1), xlabel="top probability (confidence)", ylabel="examples")
    below.locator_params("y", nbins=3, integer=True)
    ticks = np.linspace(0, 1, 6)
    axes.set_xticks(ticks, labels=[""] * 6)
    axes.set_yticks(ticks, labels=[percent(t) for t in ticks])
    below.set_xticks(ticks, labels=[percent(t) for t in ticks])
    axes.grid(color=GRID)
    figure.set_label(caption)
    return figure


def _reliability_words(
    given: Mapping[str, np.ndarray], found: Mapping[str, Any], labels: np.ndarray, bins: int
) -> tuple[str, str]:
    """The title and the caption of `reliability`."""
    parts, errors = [], []
    for name, p in given.items():
        error = found[name]["ece"]
        confidence = float(p.max(axis=1).astype(np.float64).mean())
        right = float((p.argmax(axis=1) == labels).mean())
        by_chance, (low, high) = calibration.calibrated_ece(p, bins)
        verdict = _verdict(p, confidence - right, error, high)
        parts.append(
            f"{name}{': ' if name else ''}mean confidence {percent(confidence, 1)}, accuracy {percent(right, 1)}, "
            f"expected calibration error {percent(error, 1)} (by chance alone {interval((low, high), 1, True)}): "
            + verdict
        )
        errors.append(percent(error, 1))
    examples = count(len(labels), "example")
    title = f"Calibration error {errors[0]}, by chance alone {percent(by_chance, 1)}"
    if len(errors) == 2:
        title = f"Calibration error: {errors[0]}, then {errors[1]}"
    elif verdict == TOO_FEW:
        title = f"{examples} {'is' if len(labels) == 1 else 'are'} too few to tell how far the percentages hold"
    elif verdict == NO_FAULT:
        title = f"Well calibrated, as far as {examples} can tell"
    message, k = "; ".join(parts), next(iter(given.values())).shape[1]
    return title, (
        f"{message[0].upper()}{message[1:]}. On the dotted diagonal, probabilities mean what they say. {bins} bins of "
        f"equal width of the top probability, which is at least 1/{k}; vertical lines are 95 % intervals, and bins of "
        f"{JOINED} examples or more are joined."
    )


def _verdict(p: np.ndarray, surplus: float, error: float, high: float) -> str:
    """What these probabilities suffer from, if it is more than chance: their calibration error above what chance does
    (`high`), or the `surplus` of their mean confidence over the accuracy: many bins hide a fault that all show."""
    _, (_, farthest) = calibration.calibrated_ece(p, bins=1)  # in one bin the error is that of the mean confidence
    # of one answer many times over error and bound are one number, summed in another order
    if abs(surplus) > farthest + 1e-9:
        return "surer than right" if surplus > 0 else "less sure than right"
    if error > high + 1e-9:
        return "surer than right here, less sure there"
    return TOO_FEW if high > TELLING else NO_FAULT


@calm
def coverage(probabilities: np.ndarray, labels: np.ndarray) -> Figure:
    """Accuracy against the share of examples answered, when the model answers only where it is sure enough."""
    points = calibration.coverage(probabilities, labels, points=min(100, len(labels)))
    x, y = (np.array([point[key] for point in points]) for key in ("coverage", "accuracy"))
    whole = y[-1]
    reached = np.flatnonzero(y >= 1 - (1 - whole) / 2 - 1e-9)  # what reaches it exactly may be rounded to less
    surer = _lower(-probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    half = int(reached[-1]) if surer and len(reached) else None  # the last point with half the error
    title, message = "Accuracy when it may abstain", f"Answering all examples it is right in {percent(whole, 1)}"
    if half is not None:
        title = f"Of these examples, the surest {percent(x[half])} have half the error"
        answered = np.array([points[half]["answered"]])
        bounds = [float(bound) for (bound,) in intervals.wilson(y[half] * answered, answered)]
        message += (
            f"; answering only the surest {percent(x[half])} of these examples (top probability at least "
            f"{percent(points[half]['threshold'])}), in {percent(y[half], 1)} (95 % interval "
            f"{interval(bounds, 1, True)})"
        )
    elif len(points) == 1 < len(labels):
        title, message = "It is equally sure of all its answers", f"{message}; it is equally sure of each"
    elif surer or whole == 0:
        message += "; abstaining does not halve its errors"
    elif whole < 1:
        message += "; these examples do not show that it is surer of its right answers than of its mistakes"
    figure = new(5.2, 3.2, title)
    axes = panel(figure, 0.75, 0.52, 3.45, 2.2)
    kept = [len(x) - 1] if half is None else [half, len(x) - 1]
    axes.plot(100 * x, 100 * y, color=BLUE, marker="o", markevery=kept, markersize=5, clip_on=False)
    outside: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    axes.annotate(f"all: {percent(whole, 1)}", (100, 100 * whole), xytext=(8, -3), **outside)
    if half is not None:
        name = f"surest {percent(x[half])}: {percent(y[half], 1)}"
        if x[half] < 0.5:  # to the right the curve lies lower: this is the last point that reaches the goal
            axes.annotate(name, (100 * x[half], 100 * y[half]), xytext=(7, 3), **outside)
        else:  # to the left, below all that the curve does there
            under = y[(x > x[half] - 0.45) & (x <= x[half])].min()
            axes.annotate(name, (100 * x[half], 100 * under), xytext=(-4, -5), ha="right", va="top", **outside)
    axes.set(xlim=(0, 100), ylim=(max(0.0, 100 * y.min() - 6), 100.5))
    axes.set(xlabel="examples answered, the surest first (%)", ylabel="accuracy (%)")
    axes.grid(color=GRID)
    figure.set_label(f"{message}. {count(len(labels), 'example')}.")
    return figure


def _lower(values: np.ndarray, right: np.ndarray) -> bool:
    """Whether `values` are lower where the model is right, beyond what chance does in one of forty (rank-sum test)."""
    if right.all() or not right.any():
        return False
    from scipy.stats import mannwhitneyu

    return bool(mannwhitneyu(values[right], values[~right], alternative="less").pvalue < 0.025)


@calm
def entropy_histogram(probabilities: np.ndarray, labels: np.ndarray) -> Figure:
    """How undecided the model is where it is right and where it is wrong: the entropy of its probabilities in nats."""
    entropy = functional.entropy(probabilities.astype(np.float64))
    right = probabilities.argmax(axis=1) == labels
    uniform = math.log(probabilities.shape[1])
    low, high = float(entropy.min()), float(entropy.max())
    if high - low > 0.1 * uniform:
        low, high = 0.0, uniform  # else the bars of what occurs would be three at the most
    elif high - low < 5e-4 * uniform:  # or the axis would need all the digits of a rounding error
        low, high = max(0.0, low - 0.05 * uniform), min(uniform, high + 0.05 * uniform)
    groups = {name: entropy[which] for name, which in (("right", right), ("wrong", ~right)) if which.any()}
    means = {name: float(values.mean()) for name, values in groups.items()}
    title = "Entropy of its predictions"
    if len(means) == 2:
        seen = "less decided" if _lower(entropy, right) else "not clearly less decided"
        if seen == "less decided" and means["wrong"] - means["right"] < 0.01 * uniform:
            seen = "hardly less decided"
        title = f"It is {seen} where it is wrong"
    # as many as tell the means from each other, and from a uniform guess
    told = [*means.values(), uniform]
    digits = next((d for d in range(2, 7) if len({f"{value:.{d}f}" for value in told}) == len(told)), 2)
    figure = new(5.2, 3.15, title)
    axes = panel(figure, 0.75, 0.52, 4.1, 1.95)
    parts = []
    for name, values in groups.items():
        mean, style = f"{means[name]:.{digits}f}", GROUPS[name]
        counts, edges = np.histogram(values.clip(low, high), 30, (low, high))
        label = f"{name}: {len(values):,}, mean {mean}"
        axes.stairs(100 * counts / len(values), edges, fill=True, label=label, **style)
        line = "-" if name == "right" else "--"
        axes.axvline(means[name], color=style["edgecolor"], linewidth=1.2, linestyle=line)
        parts.append(f"{mean} nats where it is {name} ({len(values):,})")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set(xlabel=f"entropy (nats): 0 is certain, {uniform:.{digits}f} undecided", ylabel="% of its group")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=9, borderpad=0.2)
    figure.set_label(
        f"The mean entropy is {listing(parts)}; a uniform guess would have {uniform:.{digits}f}. "
        "Filled: right predictions; hatched: wrong ones; each adds up to 100 %, vertical lines are the means."
    )
    return figure
