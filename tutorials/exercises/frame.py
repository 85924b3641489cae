"""One exercise as its author describes it: the truth, the cases, what is checked, and the known mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from tutorials.exercises import sheet as sheets
from tutorials.exercises.sheet import Case, Record, Sheet
from tutorials.exercises.worker import Call, play

PUBLIC = "public"


def call(name: str, *args: Any) -> list[Call]:
    """The calls of a case that is one function call."""
    return [Call("call", name, args)]


@dataclass
class Check:
    """A property of right answers and the cases that show it: `cases(rng)` gives a list of lists of calls."""

    name: str
    sentence: str
    points: float
    cases: Callable[[np.random.Generator], list[list[Call]]]
    kind: str = "values"


@dataclass
class Mistake:
    """A way to be wrong: its diagnosis, where it was seen or why it is plausible, and a check that it must fail."""

    id: str
    sentence: str
    seen: str
    breaks: str


@dataclass
class Exercise:
    """truth: independent implementations by name. wrong(mistakes): the namespace of an answer with those mistakes."""

    id: str
    title: str
    minutes: int
    difficulty: str
    names: Sequence[str]
    truth: dict[str, Any]
    checks: Sequence[Check]
    mistakes: Sequence[Mistake]
    wrong: Callable[[frozenset[str]], dict[str, Any]]
    given: Sequence[str] = ()
    core: bool = False
    facts: Sequence[str] = field(default=("in-place", "loop"))

    @property
    def number(self) -> int:
        return int(self.id[1:3])

    def sheet(self, seed: int | str = PUBLIC, pairs: bool = False) -> Sheet:
        """The exercise with the numbers of this seed.

        With `pairs`, answers with two mistakes at once are recorded too, for sheets that are written to a file;
        otherwise they are worked out where they are needed.
        """
        cases: list[Case] = []
        for index, check in enumerate(self.checks):
            hidden, number = (0, 7) if isinstance(seed, str) else (1, seed)
            rng = np.random.default_rng([self.number, index, hidden, number])
            for calls in check.cases(rng):
                outcome = play(calls, self.truth)
                if outcome["error"]:
                    raise RuntimeError(f"{self.id}, {check.name}: the truth itself fails: {outcome['error']}")
                cases.append(Case(index, calls, outcome["results"]))
        ids = [mistake.id for mistake in self.mistakes]
        groups: list[tuple[str, ...]] = [(id,) for id in ids]
        if pairs:
            groups += combinations(ids, 2)
        records = []
        for group in groups:
            with np.errstate(all="ignore"):
                outcomes = [play(case.calls, self.wrong(frozenset(group))) for case in cases]
            records.append(Record(list(group), outcomes))
        checks = [sheets.Property(c.name, c.sentence, c.points, c.kind) for c in self.checks]
        sentences = {mistake.id: mistake.sentence for mistake in self.mistakes}
        return Sheet(
            self.id,
            self.number,
            self.title,
            self.minutes,
            self.difficulty,
            self.core,
            list(self.names),
            list(self.given),
            checks,
            cases,
            records,
            sentences,
            wrong=self.wrong,
        )
