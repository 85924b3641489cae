"""Numbers and names as a reader sees them: percentages, intervals, and bars in a terminal of any encoding."""

from __future__ import annotations

import math
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np


def percent(share: float, digits: int = 0) -> str:
    """0.704 -> "70 %". What is neither 0 nor 1 is never shown as "0 %" or "100 %": it is "<1 %" or ">99 %"."""
    step = 10.0**-digits
    shown = f"{100 * share:.{digits}f}"
    if share > 0 and float(shown) == 0:
        return f"<{step:.{digits}f} %"
    if share < 1 and float(shown) == 100:
        return f">{100 - step:.{digits}f} %"
    return f"{shown} %"


def number(value: float | None) -> str:
    """A plain number; None, which stands for a value that is not finite in our JSON, is shown as a dash."""
    return "–" if value is None else f"{value:.3f}"


def interval(bounds: Sequence[float] | None, digits: int = 3, as_percent: bool = False) -> str:
    """(0.839, 0.853) -> "83.9 to 85.3 %" with as_percent and digits=1."""
    if bounds is None:
        return "–"
    low, high = (100 * bound for bound in bounds) if as_percent else bounds
    return f"{low:.{digits}f} to {high:.{digits}f}" + (" %" if as_percent else "")


def p_value(p: float) -> str:
    """A p-value with no more digits than it deserves: "p = 0.032", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """count(1, "example") -> "1 example"; count(12000, "example") -> "12,000 examples"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def some(items: Sequence[str], separator: str = ", ") -> str:
    """The first three of many, and how many there are beside them: "a, b, c, and 4 more"."""
    rest = [f"and {len(items) - 3:,} more"] if len(items) > 3 else []
    return separator.join([*items[:3], *rest])


def one_line(text: str, width: int | None = None) -> str:
    """`text` on one line and without control characters, cut at `width` characters with an ellipsis."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in str(text))
    line = " ".join(visible.split())
    return line if width is None or len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def width_of(text: str) -> int:
    """The columns that `text` takes in a terminal: Chinese, Japanese and Korean characters take two each."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def encodable(text: str, stream: Any = None) -> str:
    """`text` as `stream` (standard output by default) can print it: what it lacks becomes "?" or a likeness."""
    encoding = _encoding(stream)
    for character, likeness in (("…", "..."), ("–", "-"), ("█", "#")):
        if not _carries(character, stream):
            text = text.replace(character, likeness)
    return text.encode(encoding, "replace").decode(encoding)


def bars(
    probabilities: np.ndarray, classes: Sequence[str], width: int = 24, top: int | None = None, stream: Any = None
) -> str:
    """One example's probabilities (K,) as lines "automobile  ████████  70 %", the most probable class first.

    The bar is `width` characters long at probability 1. Blocks become "#" where the encoding of `stream`
    (standard output by default) has none. `top` keeps only that many lines.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != (len(classes),):
        raise ValueError(f"bars expects {len(classes)} probabilities, one a class, got shape {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise ValueError("bars expects finite probabilities, got NaN or infinity")
    order = np.argsort(-probabilities, kind="stable")[:top]
    names = {k: encodable(one_line(classes[k], 40), stream) for k in order}
    longest = max(width_of(name) for name in names.values())
    lines = []
    for k in order:
        length = math.floor(width * min(max(probabilities[k], 0.0), 1.0) + 0.5)
        padding = " " * (longest - width_of(names[k]))
        lines.append(f"{names[k]}{padding}  {'█' * length:<{width}}  {percent(probabilities[k]):>5}")
    return encodable("\n".join(lines), stream)


def _encoding(stream: Any) -> str:
    return getattr(stream or sys.stdout, "encoding", None) or "utf-8"


def _carries(character: str, stream: Any) -> bool:
    try:
        character.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def aligned(rows: Sequence[Sequence[str]], left: int | None = None) -> list[str]:
    """Lines in which the cells of each column stand below each other, however wide their characters are: those of the
    first `left` columns (by default all) to the left, the others, such as numbers, to the right."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]

    def padded(i: int, cell: str) -> str:
        room = " " * (widths[i] - width_of(cell))
        return cell + room if left is None or i < left else room + cell

    return ["  ".join(padded(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]
