"""Which exercise a file answers: by its name, as students rename it, or by what it defines."""

from __future__ import annotations

import re
from pathlib import Path

from tutorials.exercises.sheet import Sheet

# " (1)", "-2", " - Copy 3", "_final", "_v2", one or several: written backwards, as they stand at the end.
COPY = re.compile(r"(?:(?:\)\d+\(|(?:\d+[\s_-]*)?ypoc|eipok|\d*lanif|\d+v)[\s_-]*|\d+-)+", re.IGNORECASE)
# Students hand in whole repositories: what is ours in them answers nothing.
LEARNER = ("__init__.py", "__main__.py", "cell.py", "improve.py", "learner.py", "shelf.py")
OURS = {*LEARNER, "setup.py", "conftest.py", *(path.name for path in Path(__file__).parent.glob("[!e]*.py"))}
ASKED = {"given.py", "improve.py", "learner.py"}  # those that define what an exercise asks for


def split_name(name: str) -> tuple[str, str]:
    """A file's name without its ending, and what was added when it was copied: ("softmax", " (1)")."""
    stem = Path(name).stem
    match = COPY.match(stem[::-1])
    end = len(stem) - (match.end() if match else 0)
    return stem[:end], stem[end:]


def exercise_of(name: str, text: str | None, sheets: tuple[Sheet, ...]) -> tuple[str | None, int]:
    """(the exercise that a file answers, how much its name says so).

    2: it has the exercise's name ("softmax (1).py", "E01_softmax.py"); 1: the name is part of it; 0: only what the
    file defines says so, and that counts for no file that has another exercise's number ("e02.py").
    """
    stem = re.sub(r"[\s-]+", "_", split_name(name)[0]).lower()
    for sheet in sheets:
        if stem in (sheet.id, sheet.id[4:], sheet.id[:3]):
            return sheet.id, 2
    for sheet in sheets:
        if sheet.id in stem:
            return sheet.id, 1
    numbered = re.match(r"e\d\d(?!\d)", stem)
    for sheet in sheets:
        mine = numbered is None or numbered[0] == sheet.id[:3]
        if mine and text and all(re.search(rf"^(?:def|class)\s+{n}\b", text, re.MULTILINE) for n in sheet.names):
            return sheet.id, 0
    return None, 0


def is_ours(path: str, text: str | None = None, sheets: tuple[Sheet, ...] = ()) -> bool:
    """Whether a file stood in a student's archive or repository from the start, and is no exercise.

    A student's own may have one of our names ("paper.py"): outside our folders it is theirs if its text says so.
    """
    *folders, name = path.split("/")
    plain = (split_name(name)[0] + Path(name).suffix).lower()
    if plain in OURS:
        apart = plain not in ASKED and not {"minnet", "tutorials", "tests"} & {*folders}
        return not (apart and exercise_of(name, text, sheets)[0])
    if folders[-2:] == ["tutorials", "exercises"]:
        return False
    numbered = re.match(r"(?i)e\d\d", name) and not {"specs", "solutions"} & {*folders}
    return not numbered and bool({"minnet", "tutorials", "tests"} & {*folders})
