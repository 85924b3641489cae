"""Answers that measure the grader, by writers who knew the stubs alone, not how mistakes are recognised.

Each writer's file holds RIGHT: {exercise: {title: source}} and WRONG: {exercise: {title: (what is wrong, source)}};
names.py says which known mistakes the wrong ones have. Right ones must not lose a point; wrong ones should be called by
their name, or by none. Exercises 21 to 30 have no such answers.

third and fourth are blind: nothing was changed because of them. When names.py had been set down, `python -m
tests.exercises.measure --writers third fourth --seed 21` said, and so it did with the public cases: of 60 wrong answers
51 have a known mistake; 45 of these were named correctly, 2 by one of two, and 4 not; of the other 9 one was named
wrongly, and the grader was rightly silent on 8. All 60 were noticed. None of the 40 right ones was marked down.
Known mistakes that others made have been added since. Of these 60 answers two turned out to have one of the new ones
(names.py says which): of 52 with a known mistake 45 are named correctly, 2 by one of two, 5 not; the rest stayed.

first and second are blind no longer: their first run named 36 of 50, 5 of 64 wrongly, and marked 4 of 44 right ones
down for loops that their stubs did not forbid. What failed was then mended in general.
"""

from __future__ import annotations

from tests.exercises.answers import first, fourth, second, third
from tests.exercises.answers.names import NAMES

HEAD = "import numpy as np\n"
WRITERS = {"first": first, "second": second, "third": third, "fourth": fourth}


def right(*writers: str) -> list[tuple[str, str, str]]:
    """(exercise, title, source) of every right answer, or of those of the writers that are named."""
    return [
        (id, title, HEAD + text)
        for writer in writers or WRITERS
        for id, answers in WRITERS[writer].RIGHT.items()
        for title, text in answers.items()
    ]


def wrong(*writers: str) -> list[tuple[str, str, tuple[str, ...], str]]:
    """(exercise, title, what is wrong, source) of every wrong answer, or of those of the writers that are named."""
    return [
        (id, title, tuple(NAMES[id][title].split()), HEAD + text)
        for writer in writers or WRITERS
        for id, answers in WRITERS[writer].WRONG.items()
        for title, (_, text) in answers.items()
    ]
