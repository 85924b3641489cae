"""One exercise as its author describes it: the truth, the cases, what is checked, and the known mistakes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tutorials.exercises import sheet as sheets
from tutorials.exercises.comparison import ON_PAPER
from tutorials.exercises.messages import Call
from tutorials.exercises.sheet import Case, Record, Sheet
from tutorials.exercises.worker import play

PUBLIC = "public"
SOLUTIONS = Path(__file__).parent / "solutions"


def call(name: str, *args: Any) -> list[Call]:
    """The calls of a case that is one function call."""
    return [Call("call", name, args)]


@dataclass
class Check:
    """A property of right answers and the cases that show it: `cases(rng)` gives a list of lists of calls.

    The calls of a "prediction" are two: the prediction, and the measurement of the same.
    """

    name: str
    sentence: str
    points: float
    cases: Callable[[np.random.Generator], list[list[Call]]]
    kind: str = ""  # that of a sheet's Property; by default its name, where that is one
    gate: bool = False

    def __post_init__(self) -> None:
        self.kind = self.kind or (self.name if self.name in ("untouched", "lines") else "values")


@dataclass
class Mistake:
    """A way to be wrong: its diagnosis, where it was seen or why it is plausible, and a check that it must fail.

    also: words for other ways to write the same mistake, which give other numbers (another small number, say).
    """

    id: str
    sentence: str
    seen: str
    breaks: str
    also: Sequence[str] = field(default=(), kw_only=True)


@dataclass
class Exercise:
    """truth: independent implementations by name. wrong(mistakes): the namespace of an answer with those mistakes.

    An exercise that differs from student to student is one of its `variants`; its `stub` is written out for each.
    In code that is handed out with a bug in it, `planted` is that mistake, and what it breaks is worth all points.
    """

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
    variant: int = 0
    variants: Callable[[int], Exercise] | None = None
    stub: str = ""
    planted: str = ""
    numbers: dict[str, Any] | None = None  # this variant's, where a solution has a line NUMBERS = ...
    budget: dict[str, Any] | None = None

    @property
    def number(self) -> int:
        return int(self.id[1:3])

    def of(self, variant: int) -> Exercise:
        """The exercise as the students of this variant have it."""
        return self.variants(variant) if self.variants is not None else self

    def solution(self) -> str:
        """The text of the reference solution, with the numbers of this variant."""
        text = (SOLUTIONS / f"{self.id}.py").read_text(encoding="utf-8")
        return text if self.numbers is None else re.sub(r"(?m)^NUMBERS: dict = .*$", f"NUMBERS = {self.numbers}", text)

    def sheet(self, seed: int | str = PUBLIC, alone: bool = False) -> Sheet:
        """The exercise with the numbers of this seed.

        With `alone`, for a file that is graded away from here, answers with two mistakes at once are recorded too
        (otherwise they are worked out where they are needed), and a planted bug stays as secret as in public: whoever
        hands in there may do so again.
        """
        public = isinstance(seed, str)
        cases = self._cases(seed)
        gate = next((m.breaks for m in self.mistakes if m.id == self.planted), "")
        checks = [sheets.Property(c.name, c.sentence, c.points, c.kind, c.gate or c.name == gate) for c in self.checks]
        sentences = {mistake.id: mistake.sentence for mistake in self.mistakes}
        if self.planted and (public or alone):  # the learner is to find it
            sentences[self.planted] = "The bug is still there: this gives what the code gave when it was handed out."
        budget = None if self.budget is None else self.budget | {"split": "validation" if public else "test"}
        return Sheet(
            self.id, self.number, self.title, self.minutes, self.difficulty, self.core, list(self.names),
            list(self.given), checks, cases, self._records(cases, alone), sentences, self.variant,
            self.variants is not None, budget, wrong=self.wrong,
        )  # fmt: skip

    def _cases(self, seed: int | str) -> list[Case]:
        """What is asked and what is right: of a prediction what we measured, or in public what the student measures."""
        cases: list[Case] = []
        hidden, number = (0, 7) if isinstance(seed, str) else (1, seed)
        for index, check in enumerate(self.checks):
            rng = np.random.default_rng([self.number, index, hidden, number])
            for calls in check.cases(rng):
                outcome = play(calls, self.truth)
                if outcome["error"]:
                    raise RuntimeError(f"{self.id}, {check.name}: the truth itself fails: {outcome['error']}")
                if check.kind != "prediction":
                    cases.append(Case(index, calls, outcome["results"]))
                elif hidden:
                    cases.append(Case(index, calls[:1], outcome["results"][:1], ON_PAPER))
                else:
                    cases.append(Case(index, calls, None, ON_PAPER))
        return cases

    def _records(self, cases: list[Case], pairs: bool) -> list[Record]:
        """What the known mistakes give in these cases, alone and, if asked for, two at a time."""
        ways = [(word, mistake.id) for mistake in self.mistakes for word in (mistake.id, *mistake.also)]
        groups: list[tuple[tuple[str, str], ...]] = [(way,) for way in ways]
        if pairs:
            groups += [pair for pair in combinations(ways, 2) if pair[0][1] != pair[1][1]]
        records = []
        for group in groups:
            words = [word for word, _ in group]
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names = self.wrong(frozenset(words))
                outcomes = [play(case.calls if case.expected is not None else [], names) for case in cases]
            records.append(Record([id for _, id in group], words, outcomes))
        return records
