"""Predict, then measure: what a student states about numbers of their own, and a function that measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.messages import Call

HEAD = '''"""Exercise {number}. Predict, then measure: {title} ({minutes} minutes, {difficulty}).

First work out every prediction on paper, from the numbers in its docstring, and write it in: four decimals are enough.
Then write the functions that measure, and run the check: where the two differ, find out why. Students have different
numbers.
{given}Check with: python -m tutorials.exercises check {number}
"""

VARIANT = {variant}  # whose numbers these are: leave it as it is


'''
GIVEN = "`from given import {names}` works here. "


@dataclass
class Question:
    """One thing to predict. `measured` is the truth, by the same arguments; `own(numbers)` are the student's."""

    name: str
    sentence: str
    measured: Callable[..., Any]
    own: Callable[[dict[str, Any]], tuple[Any, ...]]
    cases: Callable[[np.random.Generator], list[list[Call]]]


def _said(value: Any) -> Any:
    """A list as a sentence has it: "7, 2 and 10"."""
    if not isinstance(value, list):
        return value
    *first, last = map(str, value)
    return f"{', '.join(first)} and {last}"


def predict(
    id: str,
    title: str,
    minutes: int,
    difficulty: str,
    numbers: Callable[[np.random.Generator], dict[str, Any]],
    questions: Sequence[Question],
    text: str,
    mistakes: Sequence[Mistake],
    wrong: Callable[[frozenset[str]], dict[str, Any]],
    given: Sequence[str] = (),
    variant: int = 0,
) -> Exercise:
    """The exercise of one variant.

    `text` is the stub's body, with the numbers in {braces}; `wrong(mistakes)` holds the measuring functions with those
    mistakes, and a wrong prediction is one that such a function would give.
    """
    number = int(id[1:3])
    mine = numbers(np.random.default_rng([number, variant]))

    def with_predictions(measuring: dict[str, Any]) -> dict[str, Any]:
        names = dict(measuring)
        for q in questions:
            names[f"predicted_{q.name}"] = lambda q=q: measuring[f"measured_{q.name}"](*q.own(mine))
        return names

    def pair(q: Question) -> Callable[[np.random.Generator], list[list[Call]]]:
        return lambda rng: [[*call(f"predicted_{q.name}"), *call(f"measured_{q.name}", *q.own(mine))]]

    checks = []
    for q in questions:
        checks.append(Check(f"measured {q.name}", f"measured: {q.sentence}", 2, q.cases))
        checks.append(Check(f"predicted {q.name}", f"predicted: {q.sentence}", 1, pair(q), "prediction"))
    head = HEAD.format(
        number=number,
        title=title[0].lower() + title[1:],
        minutes=minutes,
        difficulty=difficulty,
        variant=variant,
        given=GIVEN.format(names=", ".join(given)) if given else "",
    )
    return Exercise(
        id,
        f"Predict, then measure: {title[0].lower() + title[1:]}",
        minutes,
        difficulty,
        [name for q in questions for name in (f"predicted_{q.name}", f"measured_{q.name}")],
        with_predictions({f"measured_{q.name}": q.measured for q in questions}),
        checks,
        mistakes,
        lambda m: with_predictions(wrong(m)),
        given,
        variant=variant,
        variants=lambda v: predict(id, title, minutes, difficulty, numbers, questions, text, mistakes, wrong, given, v),
        numbers=mine,
        stub=head + text.strip("\n").format(number=number, **{k: _said(v) for k, v in mine.items()}) + "\n",
    )
