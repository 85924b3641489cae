"""The teacher's side of every exercise: truth, cases, what is checked, known mistakes. None of it goes to students."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tutorials.exercises.frame import Exercise
from tutorials.exercises.sheet import Sheet


@cache
def exercises() -> tuple[Exercise, ...]:
    """Every exercise, by number."""
    names = sorted(module.name for module in iter_modules(__path__) if module.name.startswith("e"))
    return tuple(import_module(f"{__name__}.{name}").EXERCISE for name in names)


def chosen(numbers: Collection[int] | None) -> tuple[Exercise, ...]:
    """The exercises with these numbers, without any all of them; ValueError when there is no such exercise."""
    known = [exercise.number for exercise in exercises()]
    if unknown := sorted({*(numbers or ())} - {*known}):
        raise ValueError(f"there is no exercise {unknown[0]}: they are {', '.join(map(str, known))}")
    return tuple(exercise for exercise in exercises() if not numbers or exercise.number in numbers)


@cache
def sheet_of(number: int, seed: int | str, variant: int = 0) -> Sheet:
    """The sheet of an exercise with the numbers of a seed, as the students of this variant have it."""
    return next(e for e in exercises() if e.number == number).of(variant).sheet(seed)
