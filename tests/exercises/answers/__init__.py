"""Answers that measure the grader, written from the stubs alone by people who had not seen how mistakes are recognised.

first.py and second.py hold RIGHT: {exercise: {title: source}} and WRONG: {exercise: {title: (what is wrong, source)}},
as their two writers left them; names.py says which known mistakes the wrong ones have. Right ones must not lose a
point; wrong ones should be called by their name, or by none.

What `python -m tests.exercises.measure` prints today is no longer blind. When names.py had been set down, the first run
(with --seed 21) named 36 of the 64 wrong answers, 36 of the 50 that have a known mistake; 5 wrongly; 4 of the 44 right
ones lost a point for loops that their stubs did not forbid. What failed was then mended in general: ways to write one
mistake, what speaks against one, and where loops may cost points. Exercises 20 to 30 have no such answers.
"""

from __future__ import annotations

from tests.exercises.answers import first, second
from tests.exercises.answers.names import NAMES

HEAD = "import numpy as np\n"


def right() -> list[tuple[str, str, str]]:
    """(exercise, title, source) of every right answer."""
    return [
        (id, title, HEAD + text)
        for writer in (first, second)
        for id, answers in writer.RIGHT.items()
        for title, text in answers.items()
    ]


def wrong() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(exercise, title, what is wrong, source) of every wrong answer."""
    return [
        (id, title, tuple(NAMES[id][title].split()), HEAD + text)
        for writer in (first, second)
        for id, answers in writer.WRONG.items()
        for title, (_, text) in answers.items()
    ]
