"""From the bytes of a table to its text: the encoding is found out, and what cannot be right is refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CONTROL = re.compile("[\0-\x08\x0e-\x1f]")  # characters that a guess at the encoding should not bring out
NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")  # what .xlsx, .xls, .pdf and .gz begin with
GUESSES = ("gb18030", "cp1252", "latin-1")  # encodings that nothing in a file proves


def decoded(path: Path, encoding: str | None) -> tuple[str, str]:
    """A file's text, and the encoding that it was read in.

    Warns with a line of the text when that was a guess: any bytes are some text in an encoding of one byte a letter.
    """
    content = _bytes_of_text(path)
    _no_stray_zeros(path, content)
    blamed = ""
    for candidate in [encoding] if encoding else candidates(content):
        try:
            text = content.decode(candidate)
        except UnicodeDecodeError as error:
            if candidate == "utf-8" and encoding is None:
                _not_nearly_utf8(path, content, error.start)
            continue
        except LookupError:
            raise ValueError(f"unknown encoding {encoding!r}: try utf-8, utf-16, cp1252 or gb18030") from None
        text = text.removeprefix("\ufeff").removesuffix("\x1a")  # the end of a file, in the days of DOS
        trusted = encoding is not None or candidate == "utf-8"  # no guess
        control = CONTROL.search(text)
        if control is None or (trusted and "\0" not in text):
            if candidate in GUESSES and encoding is None:
                line = next(line.strip() for line in text.split("\n") if not line.isascii())
                warnings.warn(
                    f"{path} is not UTF-8 and is read as {candidate}, which gives {line[:60]!r}: if that is gibberish, "
                    "name the encoding (--encoding cp1251, shift-jis, cp949, ...), or save the table as UTF-8",
                    stacklevel=4,
                )
            return text, candidate
        number = text.count("\n", 0, control.start()) + 1
        blamed = blamed or f" for the control character {control[0]!r} in line {number}: take that out,"
    raise ValueError(
        f"{path} cannot be read as {encoding or 'text'}{blamed or ':'} save it as CSV (UTF-8), or name its encoding "
        "(--encoding)"
    )


def _bytes_of_text(path: Path) -> bytes:
    """What is in a file. Raises FileNotFoundError or ValueError where that is no text in any encoding."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: a table is one file, pictures by class are read with `images`")
    content = path.read_bytes()
    if not content or content.isspace():
        raise ValueError(f"{path} is empty")
    if content.startswith(NO_TEXT):
        raise ValueError(f"{path} is no text file but a spreadsheet or archive: save the table as CSV (UTF-8) first")
    return content


def _not_nearly_utf8(path: Path, content: bytes, start: int) -> None:
    """Raises ValueError for UTF-8 with a few wrong bytes, the first at `start`, which any other encoding would read as
    gibberish."""
    found = content.decode("utf-8", "replace")
    wrong, sound = found.count("\ufffd"), sum(character > "\x7f" for character in found)
    if sound > 20 * wrong:
        line = content.count(b"\n", 0, start) + 1
        raise ValueError(f"{path}, line {line}: byte {start:,} is not UTF-8, as the rest of the file is: mend it")


def _no_stray_zeros(path: Path, content: bytes) -> None:
    """Raises ValueError for zero bytes in UTF-8. UTF-16 passes, which can be valid UTF-8 as well: the upper byte of
    Latin, Greek, Cyrillic, Hebrew or Arabic letters is a control character, so that half of all bytes are."""
    if b"\0" not in content:
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    if len(CONTROL.findall(text)) < len(text) / 4:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{path}, line {line}: a zero byte stands in the text, as in a damaged file: take it out")


def candidates(content: bytes) -> Iterator[str]:
    """Encodings to try, best first.

    Without a mark, UTF-16 shows in the zero bytes of its western letters and spaces. Chinese in GB 18030 comes in
    pairs of high bytes; in Windows' western encoding a high byte mostly stands alone between letters.
    """
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        yield "utf-32"
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield "utf-16"
    elif b"\0" in content:
        yield "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be"
    else:
        yield "utf-8"
        high = np.frombuffer(content, np.uint8) >= 0x80
        beside = np.append(high[1:], False) | np.append(False, high[:-1])
        paired = np.count_nonzero(high & beside) > np.count_nonzero(high) / 2
        yield from GUESSES if paired else ("cp1252", "gb18030", "latin-1")
