"""Figures of single examples, pictures or comments, each beside the bars of its three highest probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minnet.canvas import BLUE, PALE, QUIET, RULE, WIDTH, calm, framed, names, new, sheet, wrapped
from minnet.formatting import isolated, one_line, percent, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = {  # heading: (right, sure). Ranks, for the surest of a network that doubts everything may be at 40 %
    "Right, among the surest": (True, True),
    "Right, among the least sure": (True, False),
    "Wrong, among the least sure": (False, False),
    "Wrong, among the surest": (False, True),
}
TITLE = "Typical examples, right and wrong, more and less sure"


def choose(probabilities: np.ndarray, labels: np.ndarray, each: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Indices of examples to look at: for each of GROUPS up to `each`, drawn at random so that they are typical.

    Sure are the tenth of the right (or wrong) predictions with the highest top probability, unsure the tenth with
    the lowest, and more than a tenth where they are few. A model may be sure of nearly everything: of the unsure only
    those below 90 % are drawn from, or where there are none, the least sure shown. Groups without examples are left
    out. Raises ValueError where there is no example at all.
    """
    if len(labels) == 0:
        raise ValueError("there is no example to show")
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    chosen = {}
    for group, (is_right, sure) in GROUPS.items():
        pool = np.flatnonzero(right == is_right)
        pool = pool[np.argsort(-confidence[pool], kind="stable")]
        half = (len(pool) + sure) // 2  # of very few, the surer half; the one in the middle of an odd number is sure
        size = max(len(pool) // 10, min(3 * each, half))
        if sure:
            pool = pool[:size]
        else:
            doubted = int((confidence[pool] < 0.9).sum())
            pool = pool[len(pool) - min(size, doubted or each) :]
        if len(pool):
            chosen[group] = np.sort(rng.choice(pool, min(each, len(pool)), replace=False))
    return chosen


def mistakes(probabilities: np.ndarray, labels: np.ndarray, most: int = 9) -> np.ndarray:
    """Indices of the wrong predictions with the highest probability, the surest first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:most]


@calm
def examples(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    which: Mapping[str, np.ndarray] | None = None,
    title: str = TITLE,
) -> Figure:
    """Pictures (N, H, W, C) uint8 beside the bars of their three highest probabilities.

    `which` maps the heading of a row of pictures to the indices shown there; by default `choose` picks them.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype != np.uint8:
        raise ValueError(f"examples expects images (N, H, W, 1 or 3) uint8, got {images.shape} {images.dtype}")
    which = choose(probabilities, labels) if which is None else which
    lines = {group: [indices[i : i + 3] for i in range(0, len(indices), 3)] for group, indices in which.items()}
    card, heading, top, foot = 1.28, 0.3, 0.45, 0.3
    height = top + sum(heading * bool(group) + card * len(rows) for group, rows in lines.items()) + foot
    figure = new(WIDTH, height, title)
    axes = sheet(figure)
    short = names(classes, 1.32, 7.5)
    if_wrong, if_right = names(classes, 1.12, 8.5, "bold"), names(classes, 1.65, 8.5)
    y = height - top
    for group, rows in lines.items():
        if group:
            y -= heading
            _heading(axes, group, y)
        for row in rows:
            for column, i in enumerate(row):
                x = 0.08 + column * 2.55
                named = if_right if probabilities[i].argmax() == labels[i] else if_wrong
                _verdict(axes, x, y - 0.13, probabilities[i], labels[i], named)
                _picture(axes, x, y - 0.26, 0.92, images[i])
                _bars(axes, x + 1.02, y - 0.26, 0.92, probabilities[i], labels[i], short)
            y -= card
    _foot(axes)
    figure.set_label(_caption("Pictures", which, labels, probabilities, classes))
    return figure


@calm
def text_examples(
    texts: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Texts beside the bars of their three highest probabilities; otherwise as `examples`."""
    which = choose(probabilities, labels, each=2)
    short, named = names(classes, 0.76, 7.5), names(classes, 1.55, 8.5, "bold")
    lines = {i: wrapped(one_line(texts[i], 290), 5.0, 8.5) for part in which.values() for i in part}
    tall = {i: max(0.3 + 0.155 * len(text), 0.7) for i, text in lines.items()}
    height = 0.45 + 0.3 + sum(0.3 + sum(tall[i] + 0.08 for i in part) for part in which.values())
    figure = new(WIDTH, height, TITLE)
    axes = sheet(figure)
    y = height - 0.45
    for group, part in which.items():
        y -= 0.3
        _heading(axes, group, y)
        for i in part:
            _verdict(axes, 0.08, y - 0.13, probabilities[i], labels[i], named, both=True)
            axes.text(0.08, y - 0.27, "\n".join(lines[i]), va="top", fontsize=8.5, parse_math=False, linespacing=1.25)
            _bars(axes, 5.3, y - 0.08, 0.57, probabilities[i], labels[i], short, beside=0.8)
            y -= tall[i] + 0.08
    _foot(axes)
    figure.set_label(_caption("Texts", which, labels, probabilities, classes))
    return figure


def _verdict(
    axes: Axes, x: float, y: float, p: np.ndarray, label: int, named: Sequence[str], both: bool = False
) -> None:
    """Right or wrong, and the truth; `both`: what was said as well (beside a picture only its first bar has room)."""
    said = int(p.argmax())
    right = said == label
    says = f"says {named[said]}, " if both else ""
    text = f"✓ right: {named[label]}" if right else f"✗ wrong: {says}truth is {named[label]}"
    axes.text(x, y, text, va="center", fontsize=8.5, parse_math=False, weight="normal" if right else "bold")


def _picture(axes: Axes, x: float, top: float, side: float, image: np.ndarray) -> None:
    axes.imshow(
        image, extent=framed(x, top, side, image.shape), cmap="gray", vmin=0, vmax=255, aspect="auto", zorder=2,
        interpolation="nearest" if max(image.shape) <= 16 else "bicubic",
    )  # fmt: skip


def _heading(axes: Axes, group: str, y: float) -> None:
    axes.text(0.08, y + 0.1, group, color=QUIET, va="center", fontsize=9, weight="bold")
    axes.plot([0.08, WIDTH - 0.08], [y + 0.22, y + 0.22], color=RULE, linewidth=0.6)


def _bars(
    axes: Axes,
    x: float,
    top: float,
    height: float,
    p: np.ndarray,
    label: int,
    short: Sequence[str],
    beside: float = 0.0,
) -> None:
    """Three rows from `top` down: a name, its bar, its digits; the true class's bar is dark.

    The bar stands under the name, or `beside` it, so many inches to the right.
    """
    longest, low = 0.9, 0.0 if beside else 0.065
    left = x + beside
    for row, k in enumerate(np.argsort(-p, kind="stable")[:3]):
        y = top - (row + 0.5) * height / 3
        length = max(longest * float(p[k]), 0.01)
        axes.text(x, y + low, short[k], va="center", fontsize=7.5, parse_math=False)
        axes.barh(
            y - low, length, left=left, height=0.085, color=BLUE if k == label else PALE, edgecolor=BLUE, linewidth=0.6
        )
        axes.text(left + length + 0.04, y - low, percent(float(p[k])), va="center", fontsize=7.5)


def _foot(axes: Axes) -> None:
    told = "Dark bar: the true class. Each list holds the most probable classes, at most three."
    axes.text(0.08, 0.13, told, color=QUIET, va="center", fontsize=8)


def _caption(
    kind: str, which: Mapping[str, np.ndarray], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> str:
    parts = []
    for group, indices in which.items():
        said = []
        for i in indices:
            k = int(probabilities[i].argmax())
            truth = "" if k == labels[i] else f" instead of {isolated(classes[labels[i]])}"
            said.append(f"{isolated(classes[k])}{truth} ({percent(float(probabilities[i, k]))})")
        parts.append(f" {group or 'Shown'}: {some(said)}.")
    return f"{kind}, each with its most probable classes, at most three.{''.join(parts)}"
