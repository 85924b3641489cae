"""Numbers and names as a reader sees them: percentages, intervals, and bars in a terminal of any encoding."""

from __future__ import annotations

import bisect
import itertools
import math
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

OVERRIDES = "\u202a-\u202e\u2066\u2067"  # for a regular expression: characters that impose a direction on what follows
ISOLATES = "\u2068\u2069"  # those around a part that finds its own direction, see `isolated`


def percent(share: float, digits: int = 0) -> str:
    """0.704 -> "70 %". What is neither 0 nor 1 is never shown as "0 %" or "100 %": it is "<1 %" or ">99 %"."""
    step = 10.0**-digits
    shown = f"{100 * share:.{digits}f}"
    if share > 0 and float(shown) == 0:
        return f"<{step:.{digits}f} %"
    if share < 1 and float(shown) == 100:
        return f">{100 - step:.{digits}f} %"
    return f"{shown} %"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number, from 10,000 up and below 0.001 by its first digits: 0.704, 0.00042, 3.03e+34. What is below 1 is
    not rounded to 1: 0.9997. None, which stands for a value that is not finite in our JSON, is shown as a dash."""
    if value is None:
        return "–"
    if 0.5 * 10**-digits > 1 - value > 1e-12:  # 1 less a rounding error is 1
        digits = math.ceil(-math.log10(1 - value))
        return f"{value:.{digits}g}"
    plain = value == 0 or not (abs(value) < 0.001 or abs(value) >= 1e4)
    return f"{value:.{digits}f}" if plain else f"{value:.3g}"


def interval(bounds: Sequence[float] | None, digits: int = 3, as_percent: bool = False) -> str:
    """(0.839, 0.853) -> "83.9 to 85.3 %" with as_percent and digits=1; no end is rounded to 0 or 100, see `percent`."""
    if bounds is None:
        return "–"
    if as_percent:
        low, high = (percent(round(bound, 12) + 0.0, digits) for bound in bounds)  # 1 less a rounding error is 1; no -0
        return f"{low.removesuffix(' %')} to {high}"
    low, high = (plain(bound, digits) for bound in bounds)
    return f"{low} to {high}"


def plain(value: float, digits: int) -> str:
    """`number`, with another number of digits than 3 just rounded; what is rounded to 0, or but a rounding error away
    from it, has no sign."""
    return number(round(value, 12) + 0.0) if digits == 3 else f"{round(value, digits) + 0.0:.{digits}f}"


def p_value(p: float) -> str:
    """A p-value with no more digits than it deserves: "p = 0.032", "p < 0.001", "p > 0.999"; one more where only that
    tells on which side of 0.05 it lies: "p = 0.0498"."""
    if p < 0.001 or 0.9995 <= p < 1:
        return "p < 0.001" if p < 0.001 else "p > 0.999"
    return f"p = {p:.4f}" if f"{p:.3f}" == "0.050" else f"p = {p:.3f}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """count(1, "example") -> "1 example"; count(12000, "example") -> "12,000 examples"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def command_line(words: Sequence[str]) -> str:
    """A command's words as they are typed into this system's terminal, those with spaces in quotes."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def listing(items: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def some(items: Sequence[str], separator: str = ", ") -> str:
    """The first three of many, and how many there are beside them: "a, b, c, and 4 more"."""
    rest = [f"and {len(items) - 3:,} more"] if len(items) > 3 else []
    return separator.join([*items[:3], *rest])


def one_line(text: str, width: int | None = None) -> str:
    """`text` on one line, cut at `width` characters with an ellipsis; without control characters, and without those
    that turn the direction of what stands beside them."""
    steady = re.sub(f"[{OVERRIDES}{ISOLATES}]", "", str(text))
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in steady)
    line = " ".join(visible.split())
    return line if width is None or len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def width_of(text: str) -> int:
    """The columns that `text` takes in a terminal: Chinese, Japanese and Korean characters take two each."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def isolated(name: str) -> str:
    """A name on one line as it goes into a sentence: one with Hebrew or Arabic letters is set apart, so that a browser
    writes it from right to left, and the sentence around it from left to right all the same."""
    plain = one_line(name)
    turned = any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in plain)
    return f"{ISOLATES[0]}{plain}{ISOLATES[1]}" if turned else plain


def together(names: Sequence[str]) -> str:
    """Classes of which one thing is said: "a", "a and b", or "12 classes" where they are many."""
    return listing([isolated(name) for name in names]) if len(names) < 4 else count(len(names), "class", "classes")


def extremes(values: Sequence[float], shown: Callable[[float], str]) -> list[tuple[str, list[int]]]:
    """The highest of the values and the lowest, as they are shown, each with the places of all that look like it."""
    looks = [shown(value) for value in values]
    ends = [shown(end(values)) for end in (max, min)]
    return [(end, [i for i, look in enumerate(looks) if look == end]) for end in ends]


def shortened(names: Sequence[str], width: int) -> list[str]:
    """Names on one line each, at most `width` columns wide, shortened where it is needed and kept apart."""
    return apart([one_line(name) for name in names], width)


def apart(texts: Sequence[str], room: float, measured: Callable[[str], float] = width_of) -> list[str]:
    """The texts, none longer than `room` as `measured` by columns or inches, shortened so that they stay different.

    They are cut at the end; where that makes some of them alike, at their common beginning, or in the middle, or both.
    """
    ways = [[cut(text, room, measured) for text in texts]]
    if len(set(ways[0])) < len(set(texts)):
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(min(texts), max(texts), strict=False))
        common = "".join(first for first, _ in pairs)
        starts = [found.end() for found in re.finditer(r"[\W_]+", common)]  # of words: the first from which all fits
        fitting = (n for n in starts if all(measured("…" + text[n:]) <= room for text in texts))
        start = next(fitting, starts[-1] if starts else 0)
        rests = [("…" if start else "") + text[start:] for text in texts]
        ways.append([cut(rest, room, measured) for rest in rests])
        ways += [[_without_middle(text, room, measured) for text in whole] for whole in (texts, rests)]
    return max(ways, key=lambda way: len(set(way)))


def cut(text: str, room: float, measured: Callable[[str], float] = width_of) -> str:
    """The start of `text` that fits into `room`, with an ellipsis where something is missing."""
    if measured(text) <= room:
        return text
    kept = bisect.bisect_right(range(1, len(text)), room, key=lambda n: measured(text[:n] + "…"))
    return text[: max(kept, 1)].rstrip() + "…"


def _without_middle(text: str, room: float, measured: Callable[[str], float]) -> str:
    if measured(text) <= room:
        return text
    start, end = (cut(side, room / 2, measured) for side in (text, text[::-1]))
    return start + end.removesuffix("…")[::-1]


def encodable(text: str) -> str:
    """`text` as standard output can print it: what its encoding lacks becomes "?" or a likeness."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for character, likeness in (("…", "..."), ("–", "-"), ("█", "#")):
        if not character.encode(encoding, "ignore"):
            text = text.replace(character, likeness)
    return text.encode(encoding, "replace").decode(encoding)


def bars(probabilities: np.ndarray, classes: Sequence[str], width: int = 24, top: int | None = None) -> str:
    """One example's probabilities (K,) as lines "automobile  ████████  70 %", the most probable class first.

    The bar is `width` characters long at probability 1, of "#" where standard output has no blocks. `top` keeps only
    that many lines.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != (len(classes),):
        raise ValueError(f"bars expects {len(classes)} probabilities, one a class, got shape {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise ValueError("bars expects finite probabilities, got NaN or infinity")
    order = np.argsort(-probabilities, kind="stable")[:top]
    whole = shortened(classes, 40)
    shown = {k: encodable(whole[k]) for k in order}
    longest = max(width_of(name) for name in shown.values())
    lines = []
    for k in order:
        length = math.floor(width * min(max(probabilities[k], 0.0), 1.0) + 0.5)
        padding = " " * (longest - width_of(shown[k]))
        lines.append(f"{shown[k]}{padding}  {'█' * length:<{width}}  {percent(probabilities[k]):>5}")
    return encodable("\n".join(lines))


def aligned(rows: Sequence[Sequence[str]], left: int | None = None) -> list[str]:
    """Lines in which the cells of each column stand below each other, however wide their characters are: those of the
    first `left` columns (by default all) to the left, the others, such as numbers, to the right."""
    rows = [[encodable(cell) for cell in row] for row in rows]  # first, as it changes their widths
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]

    def padded(i: int, cell: str) -> str:
        room = " " * (widths[i] - width_of(cell))
        return cell + room if left is None or i < left else room + cell

    return ["  ".join(padded(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]
