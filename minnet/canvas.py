"""What all figures share: sizes in inches, colours that differ in lightness, and text that the font can show.

Figures are plain matplotlib Figure objects: no pyplot, no window, no global state left behind; a notebook shows one
that is the last line of a cell. A figure's label is its caption: one or two sentences with the numbers that the figure
shows, and its text alternative in a page.
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec

from minnet.formatting import apart, cut, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1a1a1a"  # text and what matters
QUIET = "#595959"  # axis labels and remarks: contrast 7:1 on white
RULE = "#8c8c8c"  # axes and frames
GRID = "#e4e4e4"
BLUE = "#1b4f8a"  # dark: the first of two series
ORANGE = "#e08a1e"  # light: the second; told from blue by its lightness in grey print, and by its dashes
PALE = "#c4d3e4"
SOLID: dict[str, Any] = {"color": BLUE, "linestyle": "-"}
DASHED: dict[str, Any] = {"color": ORANGE, "linestyle": (0, (4, 1.5))}
WIDTH = 7.6  # inches of a full-width figure
DPI = 160

STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.6,
    "savefig.dpi": DPI,
    "savefig.facecolor": "white",
}

# Where the system has one of these, what DejaVu Sans lacks is drawn with it.
FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB",
    "WenQuanYi Micro Hei", "SimHei", "Noto Sans CJK JP", "Yu Gothic", "Malgun Gothic",
)  # fmt: skip

P = ParamSpec("P")


def calm(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorates a drawing function: it draws in our style, whatever the user's matplotlib settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return drawn


def new(width: float, height: float, title: str = "") -> Figure:
    """An empty figure of so many inches; the title says its message, at the top left."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    # Jupyter asks an object for this name. No subclass: one would have to import matplotlib with this module, or could
    # not be pickled.
    vars(figure)["_repr_mimebundle_"] = functools.partial(shown_in_notebook, figure)
    # as it stands, here and wherever names and texts are drawn: a dollar sign is a dollar sign
    figure.text(0.08 / width, 1 - 0.24 / height, title, size=10.5, weight="bold", parse_math=False)
    return figure


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the figure's lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def framed(x: float, top: float, side: float, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """The extent (left, right, bottom, top) of a picture (H, W, ...) in the middle of a square, in its proportions."""
    height, width = (side * length / max(shape[:2]) for length in shape[:2])
    left, upper = x + (side - width) / 2, top - (side - height) / 2
    return left, left + width, upper - height, upper


def sheet(figure: Figure) -> Axes:
    """Axes without frame over the whole figure, whose units are inches from the lower left corner."""
    w, h = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, w), ylim=(0, h))
    axes.axis("off")
    return axes


def shown(text: str, width: int | None = None) -> str:
    """`text` on one line; of characters that the fonts lack an emoji by its name, any other (often Chinese) as "□".

    Of letters (what can be mended) one warning is given, and none by matplotlib.
    """
    known = _characters()
    kept: list[str] = []
    for character in one_line(text):
        kind = unicodedata.category(character)
        if ord(character) in known:
            kept.append(character)
        elif kind == "So":
            kept.append(f":{unicodedata.name(character, '□').lower().removesuffix(' sign')}:")
        elif kind not in ("Mn", "Me", "Cf", "Sk"):  # marks on the character before
            kept.append("□")
            if kind.startswith("L"):
                _warn_of_boxes()
    return one_line("".join(kept), width)


def names(classes: Sequence[str], room: float, size: float, weight: str = "normal") -> list[str]:
    """Class names as a figure shows them, at most `room` inches wide at `size` points.

    They are shortened so that they stay different, see `formatting.apart`.
    """
    measured = functools.partial(inches, size=size, weight=weight)
    return apart([shown(name) or "(empty)" for name in classes], room, measured)


def wrapped(text: str, room: float, size: float) -> list[str]:
    """`text` in lines of at most `room` inches, broken between words, or inside a word that is too long for a line."""
    measured = functools.partial(inches, size=size)
    lines, line = [], ""
    for word in (shown(text) or "(empty)").split(" "):
        longer = f"{line} {word}" if line else word
        if measured(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        while measured(word) > room:
            part = cut(word, room, measured).removesuffix("…")
            lines.append(part)
            word = word[len(part) :]
        line = word
    return [*lines, line]


def inches(text: str, size: float, weight: str = "normal") -> float:
    """How wide `text` is at `size` points, measured in the font."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(
        text.replace("$", "S"), FontProperties(family=list(_families()), size=size, weight=weight), False
    )
    return width / 72


def spread(values: Sequence[float], gap: float) -> list[float]:
    """The values moved apart, so that labels placed at them are at least `gap` from each other."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    placed = list(values)
    for _ in range(20):
        for below, above in itertools.pairwise(order):
            lack = gap - (placed[above] - placed[below])
            if lack > 1e-12:
                placed[below] -= lack / 2
                placed[above] += lack / 2
    return placed


def luminance(color: Sequence[float]) -> float:
    """The relative luminance of (red, green, blue, ...) in 0..1, as WCAG 2 defines it for contrast."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def legible(background: Sequence[float]) -> str:
    """White as long as its contrast on this background, 1.05 / (luminance + 0.05), is at least 4.5; else black."""
    return "white" if luminance(background) <= 1.05 / 4.5 - 0.05 else "black"


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, with its caption inside as the description."""
    out = io.BytesIO()
    with _style():
        figure.savefig(
            out, format="png", dpi=DPI, metadata={"Description": figure.get_label()}, pil_kwargs={"compress_level": 4}
        )
    return out.getvalue()


def shown_in_notebook(figure: Figure, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """What a notebook shows: the PNG in base64, its width on the page, and the caption as its text alternative."""
    width = round(96 * figure.get_size_inches()[0])  # the file has more pixels than the page needs
    picture = base64.b64encode(png(figure)).decode()
    return {"image/png": picture}, {"image/png": {"width": width, "alt": figure.get_label()}}


def _style() -> AbstractContextManager[None]:
    from matplotlib import style

    settings: Any = ["default", {**STYLE, "font.family": list(_families())}]  # not the user's matplotlibrc below ours
    return style.context(settings)


@functools.cache
def _families() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    present = set(fontManager.get_font_names())
    return ("DejaVu Sans", *[name for name in FALLBACKS if name in present][:1])


@functools.cache
def _characters() -> frozenset[int]:
    """The code points that the fonts have."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(
        point for family in _families() for point in get_font(findfont(FontProperties(family=[family]))).get_charmap()
    )


@functools.cache
def _warn_of_boxes() -> None:
    """Once: a report has many figures."""
    from matplotlib import get_cachedir

    warnings.warn(
        "the fonts here lack letters of these texts, and figures show boxes: for Chinese, Japanese or Korean install "
        f"e.g. Noto Sans CJK, then delete matplotlib's list of fonts, fontlist-*.json in {get_cachedir()}",
        stacklevel=3,
    )
