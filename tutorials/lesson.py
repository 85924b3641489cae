"""What the lessons share: claims that are checked, figures in one style, and where they are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # a lesson runs from a fresh clone, from any folder, before minnet is installed

import matplotlib

from minnet import canvas


class ClaimError(AssertionError):
    """A claim of the text that the numbers do not bear out; shown in one line, without the calls that led to it."""

    def __init__(self, claim: str) -> None:
        super().__init__(
            f"{claim}: this claim of the text does not hold with these numbers. If you changed one, that is your "
            "result; if you ran a cell twice, run the notebook from the top"
        )

    def _render_traceback_(self) -> list[str]:  # what Jupyter shows
        return [f"{type(self).__name__}: {self}"]


def _shown_at_the_end(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    if isinstance(problem, ClaimError):
        print(*problem._render_traceback_(), file=sys.stderr)
    else:
        sys.__excepthook__(kind, problem, trace)


sys.excepthook = _shown_at_the_end  # in a script


def check(claim: str, condition: Any) -> None:
    """Prints the claim when it holds, and raises ClaimError when it does not. `condition` is one true or false."""
    if getattr(condition, "shape", ()) != ():
        raise ValueError(f"a claim is one true or false, got an array of shape {condition.shape}: use .all()")
    if not condition:
        raise ClaimError(claim)
    print(f"checked: {claim}")


def panels(count: int = 1, height: float = 2.6, width: float = canvas.WIDTH, title: str = "") -> tuple[Any, list[Any]]:
    """A figure in the course's style and its axes, side by side; sizes in inches. The title says the message."""
    settings: Any = canvas.STYLE
    matplotlib.rcParams.update(settings)
    figure = canvas.new(width, height, title)
    room, gap, left, bottom = width - 0.2, 0.75, 0.7, 0.55
    each = (room - left - gap * (count - 1)) / count
    top = height - (0.5 if title else 0.15)
    axes = [canvas.panel(figure, left + i * (each + gap), bottom, each, top - bottom) for i in range(count)]
    return figure, axes


def tiles(count: int, columns: int, label: float = 0.0, title: str = "") -> tuple[Any, list[Any]]:
    """A figure with square places for pictures, `columns` in a row, and `label` inches under each for its x label."""
    settings: Any = canvas.STYLE
    matplotlib.rcParams.update(settings)
    gap, top, rows = 0.2, 0.5 if title else 0.1, -(-count // columns)
    side = (canvas.WIDTH - 0.2 - gap * (columns - 1)) / columns
    height = top + rows * (side + gap + label)
    figure = canvas.new(canvas.WIDTH, height, title)
    axes = []
    for i in range(count):
        bottom = height - top - side - (i // columns) * (side + gap + label)
        axes.append(canvas.panel(figure, 0.1 + (i % columns) * (side + gap), bottom, side, side))
        axes[-1].set(xticks=[], yticks=[])
    return figure, axes


def show(figure: Any, caption: str) -> None:
    """Shows the figure in a notebook; a script says once where that is. Prints the caption in both."""
    figure.set_label(caption)
    _display(figure)
    print(f"Figure: {caption}")


def _in_notebook(figure: Any) -> None:
    from IPython.display import display

    picture, about = canvas.shown_in_notebook(figure)
    display(picture, metadata=about, raw=True)


def _nowhere(figure: Any) -> None:
    """A script has no place for pictures."""
    _say_where()


@cache  # once is enough
def _say_where() -> None:
    notebook = Path("tutorials", "notebooks", Path(sys.argv[0]).stem + ".ipynb")
    if (ROOT / notebook).exists():
        print(f"The figures are in {notebook.as_posix()}; here are their captions.")


_display: Callable[[Any], None] = _in_notebook if "ipykernel" in sys.modules else _nowhere
