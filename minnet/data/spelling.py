"""Names as people type them, of classes and of columns: which of them mean the same, and the order they stand in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from contextlib import suppress
from decimal import Decimal, InvalidOperation

# Marks that nothing shows (a joiner can change what is seen, as in an emoji of several), with which labels look alike.
INVISIBLE = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
JOINERS = "\u200c\u200d"


def unmarked(name: str) -> str:
    """A name without the space around it and without marks that nothing shows."""
    return INVISIBLE.sub("", name).strip().strip(JOINERS).strip()


def plain(text: str) -> str:
    """A text without letter case, alike for both Unicode forms of an é and for any space."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def meant(name: str) -> str | Decimal:
    """What a label says however it is spelled: alike for Yes and yes, 1 and 1.0, and both Unicode forms of an é."""
    text = plain(name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() and "_" not in text else text


def spelled_alike(names: Iterable[str]) -> list[str]:
    """The names that differ from another one only in how they are spelled."""
    kinds: dict[str | Decimal, list[str]] = {}
    for name in names:
        kinds.setdefault(meant(name), []).append(name)
    return [name for alike in kinds.values() if len(alike) > 1 for name in alike]


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Labels in the order of their numbers if all are numbers, also such as 2,5; else of the alphabet."""
    for point in (".", ","):
        with suppress(ValueError):
            return tuple(name for _, name in sorted((float(name.replace(point, ".")), name) for name in names))
    return tuple(sorted(names, key=lambda name: (name.casefold(), name)))
