"""Makes the notebooks from the lessons: runs the cells in one namespace and keeps what they print and show.

python -m tutorials.notebook            all of them
python -m tutorials.notebook 03         one
python -m tutorials.notebook 03 --prose only its prose has changed: keep the outputs, run nothing

Run it after every change of a lesson; a test holds the cells of both together.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from minnet.commands import one_line_errors
from tutorials.cells import FOLDER, lessons, read

# The one cell that a notebook has beside the lesson's own: it finds lesson.py, from where the notebook lies, from the
# repository's folder, and from tutorials.
SETUP = """\
import sys
from pathlib import Path

places = [place for place in ("..", "tutorials", ".") if Path(place, "lesson.py").exists()]
if not places:
    raise FileNotFoundError("lesson.py is not here: clone minnet's repository and open its tutorials/notebooks")
sys.path.append(str(Path(places[0]).resolve()))"""


def path_of(lesson: Path) -> Path:
    """Where a lesson's notebook lies."""
    return FOLDER / "notebooks" / f"{lesson.stem}.ipynb"


def skeleton(lesson: Path) -> dict[str, Any]:
    """The notebook without outputs, in the format of nbformat 4.5."""
    cells: list[dict[str, Any]] = [_cell("setup", "code", SETUP)]
    cells += [_cell(f"cell-{i:02}", cell.kind, cell.source) for i, cell in enumerate(read(lesson), start=1)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(name: str, kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell


def executed(lesson: Path) -> dict[str, Any]:
    """The notebook with the outputs of a run in this process. A warning is an error."""
    sys.path.insert(0, str(FOLDER))
    helper: Any = importlib.import_module("lesson")
    from minnet import canvas

    notebook, namespace = skeleton(lesson), {"__name__": "__main__", "__file__": str(lesson)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count, cell in enumerate((cell for cell in notebook["cells"] if cell["cell_type"] == "code"), start=1):
            cell["execution_count"] = count
            if cell["id"] == "setup":
                continue
            printed, outputs = io.StringIO(), cell["outputs"]

            def flush(printed: io.StringIO = printed, outputs: list[Any] = outputs) -> None:
                if printed.getvalue():
                    text = printed.getvalue().splitlines(keepends=True)
                    outputs.append({"output_type": "stream", "name": "stdout", "text": text})
                    printed.seek(0)
                    printed.truncate()

            def keep(figure: Any, flush: Any = flush, outputs: list[Any] = outputs) -> None:
                flush()
                picture, about = canvas.shown_in_notebook(figure)
                data = picture | {"text/plain": [figure.get_label()]}
                outputs.append({"output_type": "display_data", "data": data, "metadata": about})

            helper._display = keep
            with contextlib.redirect_stdout(printed):
                exec(compile("".join(cell["source"]), f"{lesson.name}, {cell['id']}", "exec"), namespace)
            flush()
    return notebook


def refreshed(lesson: Path) -> dict[str, Any]:
    """The notebook with the prose of now and the outputs that it has. Raises ValueError if the code has changed."""
    before = json.loads(path_of(lesson).read_text(encoding="utf-8"))
    notebook = skeleton(lesson)
    old, new = ([c for c in cells["cells"] if c["cell_type"] == "code"] for cells in (before, notebook))
    if [cell["source"] for cell in old] != [cell["source"] for cell in new]:
        raise ValueError(f"the code of {lesson.stem} has changed: make its notebook without --prose")
    for there, here in zip(old, new, strict=True):
        here.update(execution_count=there["execution_count"], outputs=there["outputs"])
    return notebook


def write(lesson: Path, notebook: dict[str, Any]) -> Path:
    path = path_of(lesson)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tutorials.notebook",
        description="Makes the notebooks from the lessons, with outputs.",
    )
    parser.add_argument("lessons", nargs="*", help="beginnings of names, such as 03; nothing for all")
    parser.add_argument("--prose", action="store_true", help="keep the outputs: only prose has changed")
    args = parser.parse_args()
    chosen = lessons(args.lessons)
    if args.prose:
        for lesson in chosen:
            print(write(lesson, refreshed(lesson)))
        return
    if len(chosen) == 1:
        print(write(chosen[0], executed(chosen[0])))
        return
    for lesson in chosen:  # each in a process of its own, as if it were the only one
        command = [sys.executable, "-m", "tutorials.notebook", lesson.stem]
        if subprocess.run(command, cwd=FOLDER.parent).returncode:
            raise ValueError(f"{lesson.stem} failed: see above")


if __name__ == "__main__":
    main()
