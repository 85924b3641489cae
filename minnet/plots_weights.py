"""Figures of what a first layer has learned: convolution filters as pictures, the words that speak for each class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minnet.canvas import BLUE, INK, PALE, WIDTH, calm, framed, inches, names, new, panel, sheet
from minnet.data.tokens import THEIR_SIGNS, UNSPACED
from minnet.formatting import count, isolated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALONE = re.compile(rf"[{UNSPACED}][{THEIR_SIGNS}]*")  # one token of a script without spaces


@calm
def filters(W: np.ndarray, shape: tuple[int, int, int] | None = None, classes: Sequence[str] = ()) -> Figure:
    """A first layer's weights as pictures: Conv2d's W (kh, kw, 1 or 3, out), or Linear's W (in, out) with `shape`.

    Each picture is scaled on its own: grey in the middle is 0, the largest weight is black or white (or full colour).
    """
    if W.ndim == 2 and shape is not None and np.prod(shape) == len(W):
        W = W.reshape(*shape, W.shape[1])
    if W.ndim != 4 or W.shape[2] not in (1, 3):
        raise ValueError(f"filters expects W (kh, kw, 1 or 3, out), or (in, out) and the image's shape, got {W.shape}")
    kh, kw, channels, out = W.shape
    drawn = min(out, 64)
    columns, side = (8, 0.62) if drawn > 10 else (min(drawn, 5), 1.1)
    named = names(classes, side, 8.5) if len(classes) == out else []
    title = "What each class looks for" if named else "First-layer filters"
    across, down = side + 0.1, side + (0.3 if named else 0.1)
    width = max(columns * across + 0.06, inches(title, 10.5, "bold") + 0.2)
    height = -(-drawn // columns) * down + 0.5
    figure = new(width, height, title)
    axes = sheet(figure)
    for i in range(drawn):
        x, y = 0.08 + (i % columns) * across, height - 0.45 - (i // columns) * down
        axes.imshow(
            0.5 + 0.5 * W[..., i] / (np.abs(W[..., i]).max() or 1.0), extent=framed(x, y, side, (kh, kw)),
            cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto",
        )  # fmt: skip
        if named:
            axes.text(x + side / 2, y - side - 0.1, named[i], ha="center", va="center", fontsize=8.5, parse_math=False)
    norms = np.sqrt((W.astype(np.float64) ** 2).sum(axis=(0, 1, 2)))
    weak = int((norms <= 0.1 * np.median(norms)).sum())
    more = f" (the first {drawn} are shown)" if drawn < out else ""
    figure.set_label(
        f"{count(out, 'filter')} of {kh} x {kw} x {channels} weights{more}, each scaled on its own; mid-grey is zero. "
        f"Their norms go from {norms.min():.2g} to {norms.max():.2g}; "
        + (f"{weak} learned next to nothing (a tenth of the median or less)." if weak else "none is close to zero.")
    )
    return figure


@calm
def telling_words(words: Sequence[str], weights: np.ndarray, classes: Sequence[str], top: int = 10) -> Figure:
    """The words that speak most for each class: `weights` (V, K) less their mean over the classes.

    Pieces of words, and single letters of scripts without spaces, are drawn only where there is nothing else: few of
    them say anything to a reader.

    Softmax sees differences only: adding the same number to a word's weights for all classes changes nothing.
    """
    if weights.shape != (len(words), len(classes)):
        raise ValueError(f"telling_words expects weights ({len(words)}, {len(classes)}), got {weights.shape}")
    evidence = weights - weights.mean(axis=1, keepdims=True)
    drawn = range(min(len(classes), 9))
    top = min(top, len(words))
    pieces = np.array([_is_piece(word) or ALONE.fullmatch(word) is not None for word in words], bool)
    asked = np.flatnonzero(~pieces | pieces.all())
    best = [_strongest(words, evidence[:, k], asked, top) for k in drawn]
    told = [words[i] for places in best for i in places]
    furthest = max((float(evidence[places[0], k]) for k, places in enumerate(best) if len(places)), default=1.0)
    shown = ("{:+.2f}" if 0.1 <= furthest < 1000 else "{:+.2g}").format
    columns = min(len(drawn), 3)
    lines = -(-len(drawn) // columns)
    width, height = (WIDTH - 0.1) / columns, 0.52 + 0.2 * top
    aside = 0.42 * width  # for the words
    kinds = "The pieces of words" if any(map(_is_piece, told)) else "The words"
    figure = new(WIDTH, 0.55 + lines * height, f"{kinds} that speak most for each class")
    headings = names([classes[k] for k in drawn], width - aside - 0.1, 9, "bold")
    for k, places in enumerate(best):
        left, bottom = 0.05 + (k % columns) * width + aside, 0.25 + (lines - 1 - k // columns) * height
        axes = panel(figure, left, bottom, width - aside - 0.55, height - 0.4)
        rows = top - 1 - np.arange(len(places))
        bars = axes.barh(rows, evidence[places, k], height=0.68, color=PALE, edgecolor=BLUE, linewidth=0.8)
        axes.bar_label(bars, fmt=shown, padding=2, fontsize=8, annotation_clip=False)
        axes.set(xlim=(0, furthest), ylim=(-0.5, top - 0.5), xticks=[])
        axes.set_yticks(rows, labels=names([_seen(words[i]) for i in places], aside - 0.1, 8.5), parse_math=False)
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8.5)
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_bounds(top - 0.5 - len(places), top - 0.5)
        axes.set_title(headings[k], fontsize=9, weight="bold", loc="left", parse_math=False)
    said = [
        f"{isolated(classes[k])}: "
        + (", ".join(f"“{isolated(_seen(words[i]))}” ({shown(evidence[i, k])})" for i in places[:3]) or "nothing")
        for k, places in enumerate(best)
    ]
    more = f" The first {len(drawn)} of {len(classes)} classes." if len(drawn) < len(classes) else ""
    figure.set_label(
        f"Most telling for {'; for '.join(said)}.{more} Numbers are weights less their mean over the classes: "
        "times the word's value in a text, what it adds to the class's score. Where one of them holds another, the "
        "stronger stands for both."
        + _notation(told)
        + " Pieces of words count, too, but are not drawn." * (len(asked) < len(words))
    )
    return figure


def _notation(words: Sequence[str]) -> str:
    """The signs that these features are shown with, in words."""
    negated = [token for word in words for token in word.split(" ") if token.startswith("not_")][:1]
    return (
        " With … or ␣ at its ends: a piece of a word, which goes on there or has a space." * any(map(_is_piece, words))
        + "".join(f" {token}: “{token[4:]}” after a not or the like." for token in negated)
        + " In angles: a lexicon's ratings of the words." * any(map(_is_sum, words))
    )


def _is_piece(word: str) -> bool:
    """Whether this is a piece of a word, which Ngrams writes as |awf|."""
    return len(word) > 2 and word.startswith("|") and word.endswith("|")


def _is_sum(word: str) -> bool:
    """Whether this is a sum of a lexicon's ratings, which Ngrams writes as <positive>."""
    return len(word) > 2 and word.startswith("<") and word.endswith(">")


def _seen(word: str) -> str:
    """A word as it is shown: a piece “| awf|” as “␣awf…”, whose ends look like no letters; a pair of letters of a
    script without spaces without one."""
    if not _is_piece(word):
        return re.sub(rf"(?<=[{UNSPACED}{THEIR_SIGNS}]) (?=[{UNSPACED}])", "", word)
    piece = word[1:-1]
    return "…" * (piece[0] != " ") + piece.replace(" ", "␣") + "…" * (piece[-1] != " ")


def _strongest(words: Sequence[str], evidence: np.ndarray, asked: np.ndarray, top: int) -> np.ndarray:
    """Of the places `asked` the `top` with the largest evidence above 0; of "not" and "not bad" only one, and of the
    pieces "awf" and "awfu"."""
    found: dict[int, str] = {}
    for i in asked[np.argsort(-evidence[asked], kind="stable")].tolist():
        if evidence[i] <= 0 or len(found) == top:
            break
        bare = words[i][1:-1].strip() if _is_piece(words[i]) else f" {words[i]} "
        if not any(bare in other or other in bare for other in found.values()):
            found[i] = bare
    return np.array(list(found), int)
