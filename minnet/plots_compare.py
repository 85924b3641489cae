"""The figure of several runs side by side, measured on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.canvas import BLUE, GRID, INK, WIDTH, calm, inches, names, new, panel
from minnet.formatting import count, extremes, listing, number, percent
from minnet.metrics import value_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES: tuple[tuple[str, str, int, Callable[[float], str]], ...] = (
    ("accuracy", "accuracy (%)", 100, lambda share: percent(share, 1)),
    ("macro_f1", "macro F1", 1, number),
    ("log_loss", "log loss (nats)", 1, number),
)


@calm
def compare(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Runs {name: result of metrics.evaluate} side by side: accuracy, macro F1 and log loss with 95 % intervals."""
    labels = names(list(runs), 2.0, 9)
    scores = [metrics["accuracy"] for metrics in runs.values()]
    (highest, best), (lowest, _) = extremes(scores, lambda score: percent(score, 1))
    title = f"Highest accuracy: {labels[best[0]]}, {highest}"
    if len(best) > 1:
        title = f"{'All' if highest == lowest else len(best)} runs share the highest accuracy, {highest}"
    left = max(inches(label, 9) for label in labels) + 0.25
    width, height = (WIDTH - left - 0.15) / len(MEASURES), 0.15 + 0.36 * len(runs)
    figure = new(WIDTH, height + 1.0, title)
    rows = np.arange(len(runs))[::-1]
    for i, (name, unit, factor, said) in enumerate(MEASURES):
        axes = panel(figure, left + i * width + 0.1, 0.5, width - 0.25, height)
        for row, metrics in zip(rows, runs.values(), strict=True):
            value, bounds = value_of(metrics, name), metrics["intervals"][name]
            if value is None:
                axes.text(0.5, row, "infinite", transform=axes.get_yaxis_transform(), ha="center", va="center")
                continue
            if bounds is not None:
                axes.plot(factor * np.array(bounds), [row, row], color=BLUE, linewidth=1.2)
            axes.plot(factor * value, row, "o", color=BLUE, markersize=5)
            axes.text(factor * value, row + 0.17, said(value), ha="center", va="bottom", fontsize=8.5)
        axes.set_ylim(-0.5, len(runs) - 0.25)
        axes.set_yticks(rows, labels=labels if i == 0 else [""] * len(runs), parse_math=False)
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.18)
        axes.set_xlabel(unit)
        axes.locator_params("x", nbins=4)
        axes.grid(axis="x", color=GRID)
    parts = [f"{name} {percent(score, 1)}" for name, score in zip(runs, scores, strict=True)]
    n = next(iter(runs.values()))["examples"]
    figure.set_label(
        f"Accuracy on the same {count(n, 'example')}: {listing(parts)}. Points are the measured values, lines their "
        "95 % intervals; further right is better for accuracy and F1, further left for log loss."
    )
    return figure
