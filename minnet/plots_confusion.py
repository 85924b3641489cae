"""The figure of what is taken for what: counts of examples by true and predicted class, and the mistakes made most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.canvas import BLUE, INK, PALE, WIDTH, calm, inches, legible, names, new, panel
from minnet.formatting import extremes, isolated, percent, some, together

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIGITS = 24  # classes: the cells of more are too small for digits
NAMED = 40  # classes: of more, some are named


@calm
def confusion_matrix(matrix: Any, classes: Sequence[str]) -> Figure:
    """Counts of examples (K, K): a row for each true class, a column for each predicted one.

    Shaded by the square root of the share of the row: mistakes are the message, and would be too pale otherwise.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    counts = np.asarray(matrix, dtype=np.int64)
    k = len(classes)
    if counts.shape != (k, k):
        raise ValueError(f"confusion_matrix expects counts ({k}, {k}) for {k} classes, got {counts.shape}")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    mistakes = counts - np.diag(counts.diagonal())
    commonest = np.argwhere((mistakes == mistakes.max()) & (mistakes > 0))  # rows (truth, prediction)
    title, caption = _words(counts, shares, classes, commonest)
    labels = names(classes, 1.4, 8.5)
    longest = max(inches(name, 8.5) for name in labels)
    left = longest + 0.45
    cell = min((WIDTH - left - 0.4) / k, 0.9 if k < 5 else 0.52)
    slanted = longest > cell - 0.06
    below = (longest * 0.71 + 0.12 if slanted else 0.2) + 0.32
    width = max(left + cell * k + 0.4, inches(title, 10.5, "bold") + 0.2)
    figure = new(width, below + cell * k + 0.5, title)
    axes = panel(figure, left, below, cell * k, cell * k)
    shades = LinearSegmentedColormap.from_list("blue", ["white", PALE, BLUE])(np.sqrt(shares))  # (K, K, 4)
    axes.imshow(shades)
    if k <= DIGITS:
        size = min(8.5, max(5.0, 8.5 * (cell - 0.03) / inches(f"{counts.max():,}", 8.5)))
        for i, j in zip(*np.nonzero(counts), strict=True):
            ink = legible(tuple(shades[i, j]))
            axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", color=ink, fontsize=size)
    for i in range(k if k <= NAMED else 0):
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.0))
    down, across = (_labelled(k, named) for named in commonest[:3].T.tolist())
    slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(across, labels=[labels[i] for i in across], parse_math=False, **slant)
    axes.set_yticks(down, labels=[labels[i] for i in down], parse_math=False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_ylabel("the truth")
    axes.set_xlabel("the prediction")
    axes.spines[:].set_visible(True)
    figure.set_label(caption)
    return figure


def _labelled(k: int, named: list[int]) -> list[int]:
    """Which of k rows have a label: first those that the caption names, then others, each as there is room for it."""
    step = math.ceil(k / NAMED)
    kept: list[int] = []
    for i in [*named, *range(0, k, step)]:
        if all(abs(i - j) >= step for j in kept):
            kept.append(i)
    return sorted(kept)


def _words(counts: np.ndarray, shares: np.ndarray, classes: Sequence[str], commonest: np.ndarray) -> tuple[str, str]:
    """The title and the caption; `commonest` are the mistakes (truth, prediction) made most often."""
    k, totals = len(classes), counts.sum(axis=1)
    framed = "framed " if k <= NAMED else ""
    head = f"Each row is a true class, each column a prediction; the {framed}diagonal is right."
    if k > DIGITS:
        head += " The darker a cell, the larger its share of its row: half as dark is a quarter of it."
    if k > NAMED:
        head += f" One class in {math.ceil(k / NAMED)} is named."
    n = int(totals.sum())
    if n == 0:
        return "No example", f"{head} There is no example."
    if len(commonest) == 0:
        said = "The one example is right." if n == 1 else f"Every one of {n:,} examples is right."
        return "No confusion at all", f"{head} {said}"
    present = np.flatnonzero(totals)
    known = _recognised(shares.diagonal()[present], totals[present], [classes[c] for c in present.tolist()])
    made = [f"{isolated(classes[i])} taken for {isolated(classes[j])}" for i, j in commonest]
    i, j = commonest[0]
    if len(commonest) > 1:
        often = {1: "once", 2: "twice"}.get(counts[i, j], f"{counts[i, j]:,} times")
        rest = "no two of them alike" if counts[i, j] == 1 else f"none more often than {often}"
        title = f"{n - counts.trace():,} mistakes, {rest}"
        return title, f"{head} The commonest mistakes, {often} each: {some(made)}.{known}"
    true, called = (names(classes, 1.8, 10.5, "bold")[c] for c in (i, j))
    said = f"{counts[i, j]:,} of {totals[i]:,} ({percent(shares[i, j])})"
    return f"Most often, {true} is taken for {called}", f"{head} The commonest mistake: {made[0]}, {said}.{known}"


def _recognised(recalls: np.ndarray, totals: np.ndarray, classes: Sequence[str]) -> str:
    """A sentence on the classes that are recognised best and worst, if they are more than one."""
    (best, most), (worst, least) = extremes(recalls.tolist(), percent)
    if best == worst:
        return f" All classes are recognised alike ({best})." if len(classes) > 1 else ""

    def those(share: str, places: list[int]) -> str:
        of = f" of {totals[places[0]]:,}" if len(places) == 1 else ""
        return f"{together([classes[i] for i in places])} ({share}{of})"

    return f" Best recognised {'is' if len(most) == 1 else 'are'} {those(best, most)}, worst {those(worst, least)}."
