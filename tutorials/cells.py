"""Reads a lesson in the percent format: `# %% [markdown]` starts a cell of prose, `# %%` one of code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
MARKER = re.compile(r"^# %%( \[markdown\])?$")


class Cell(NamedTuple):
    kind: str  # "markdown" or "code"
    source: str  # without the marker and, in prose, without the leading "# "
    line: int  # where the source starts in the file, counted from 1


def lessons(wanted: list[str] | None = None) -> list[Path]:
    """The lessons in order; only those whose names start with one of `wanted`, if given."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.py")) + sorted(FOLDER.glob("appendix_*.py"))
    if not wanted:
        return found
    for start in wanted:
        if not any(path.stem.startswith(start) for path in found):
            raise ValueError(f"no lesson starts with {start}: there are {', '.join(path.stem for path in found)}")
    return [path for path in found if path.stem.startswith(tuple(wanted))]


def read(path: Path) -> list[Cell]:
    """The cells of a lesson. Raises ValueError, with the line, for what is not percent format."""
    cells: list[Cell] = []
    kind, start, lines = None, 0, list[str]()

    def close() -> None:
        if kind is not None:
            cells.append(Cell(kind, "\n".join(lines).strip("\n"), start))

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        marker = MARKER.match(line)
        if marker:
            close()
            kind, start, lines = ("markdown" if marker[1] else "code"), number + 1, []
        elif kind is None:
            raise ValueError(f"{path.name}:{number}: a lesson starts with a cell, '# %% [markdown]'")
        elif kind == "markdown":
            if line and line != "#" and not line.startswith("# "):
                raise ValueError(f"{path.name}:{number}: prose lines start with '# '; code needs its own '# %%' cell")
            lines.append(line[2:])
        else:
            lines.append(line)
    close()
    return cells


def code(cells: list[Cell]) -> str:
    """All code of a lesson."""
    return "\n".join(cell.source for cell in cells if cell.kind == "code")


def prose(cells: list[Cell]) -> str:
    """All prose of a lesson."""
    return "\n\n".join(cell.source for cell in cells if cell.kind == "markdown")


def calls(cells: list[Cell], name: str) -> list[ast.Call]:
    """Every call of the function `name` in a lesson's code."""
    tree = ast.walk(ast.parse(code(cells)))
    return [node for node in tree if isinstance(node, ast.Call) and getattr(node.func, "id", None) == name]


def claims(cells: list[Cell]) -> list[str]:
    """What a lesson asserts, in order: the first arguments of its `check` calls, which are plain strings."""
    found = []
    for call in calls(cells, "check"):
        claim = call.args[0]
        if not (isinstance(claim, ast.Constant) and isinstance(claim.value, str)):
            raise ValueError(f"a claim is a plain string, so that a reader sees it whole: {ast.unparse(call)[:80]}")
        found.append(claim.value)
    return found
