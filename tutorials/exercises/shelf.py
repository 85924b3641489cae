"""Finds the exercises: from their descriptions in a checkout, from the file of public cases in a student's archive."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from tutorials.exercises.runner import HERE
from tutorials.exercises.sheet import Sheet, from_bytes
from tutorials.exercises.variants import variant_in

PUBLIC_FILE = "public.sheets"


def has_descriptions() -> bool:
    """Whether the teacher's side is here."""
    return find_spec("tutorials.exercises.specs") is not None


@cache
def public_sheets() -> tuple[Sheet, ...]:
    """Every exercise with its public numbers; FileNotFoundError where neither source is here."""
    if has_descriptions():
        from tutorials.exercises.specs import exercises

        return tuple(exercise.sheet() for exercise in exercises())
    path = HERE / PUBLIC_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: unpack the archive of exercises again")
    return tuple(from_bytes(path.read_bytes()))


def find(number: int, sheets: tuple[Sheet, ...]) -> Sheet:
    """The exercise with this number; ValueError names those there are."""
    for sheet in sheets:
        if sheet.number == number:
            return sheet
    raise ValueError(f"there is no exercise {number}: they are {', '.join(str(s.number) for s in sheets)}")


def of_variant(sheet: Sheet, source: str | None) -> Sheet:
    """The sheet for the variant that an answer's file says it is; ValueError where that is another student's."""
    variant = variant_in(source) if sheet.personal else sheet.variant
    if variant == sheet.variant:
        return sheet
    if not has_descriptions():
        raise ValueError(
            f"this file of exercise {sheet.number} is variant {variant}, this archive is variant {sheet.variant}: "
            "work in the archive that you were given"
        )
    from tutorials.exercises.specs import sheet_of

    return sheet_of(sheet.number, "public", variant)
