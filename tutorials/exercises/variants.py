"""Which variant of an exercise a student has, where it differs from student to student."""

from __future__ import annotations

import re
import unicodedata
import zlib

VARIANTS = 12


def variant_of(name: str) -> int:
    """From 1 to VARIANTS, by the letters of a student's name: "Jane Doe" and "Doe, Jane" have the same."""
    return zlib.crc32(letters(name).encode()) % VARIANTS + 1


def letters(name: str) -> str:
    """The letters and digits of a name, whatever the order of its parts."""
    name = unicodedata.normalize("NFC", name)  # macOS writes é as two characters, the second of which is no letter
    return "".join(
        sorted("".join(c for c in part.lower() if c.isalnum()) for part in re.split(r"[\s,_-]+", name) if part)
    )


def variant_in(text: str | None) -> int:
    """Which variant a file says that it is; 0, which nobody on a roster has, where it says nothing."""
    found = re.search(r"^VARIANT\s*=\s*(\d{1,3})\b", text or "", re.MULTILINE)
    return int(found[1]) % (VARIANTS + 1) if found else 0
