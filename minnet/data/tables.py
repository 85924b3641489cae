"""Reading a table that somebody saved as CSV: delimiter, quotes, columns."""

from __future__ import annotations

import csv
import io
import re
import string
import unicodedata
import warnings
from collections import Counter
from collections.abc import Container
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from minnet.data.encodings import decoded
from minnet.formatting import one_line, some

# Marks that nothing shows (a joiner can change what is seen, as in an emoji of several), with which labels look alike.
INVISIBLE = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
JOINERS = "\u200c\u200d"
DELIMITERS = (",", ";", "\t", "|")
NO_LABEL = frozenset(["", "nan", "na", "n/a", "#n/a", "null"])


def table_of(
    path: Path, content: str, wanted: tuple[str, str], delimiter: str | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows. Raises ValueError with the line that does not fit."""
    if hint := re.match(r"\s*sep=(.)[ ]*(\r\n?|\n)", content, re.IGNORECASE):  # which spreadsheets write
        delimiter, content = delimiter or hint[1], "\n" * hint[0].count(hint[2]) + content[hint.end() :]  # lines count
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"a delimiter is one character, as in ',' or ';', got {delimiter!r}")
    longest = csv.field_size_limit(max(csv.field_size_limit(), len(content) + 1))
    delimiter = delimiter or likely_delimiter(content, wanted)
    try:
        lines = records(content, delimiter)
    except csv.Error as error:
        cure = "a quote inside a quoted text must be doubled, and no space stands behind a closing one"
        if "unexpected end" in str(error):
            cure = "the quote opened there is never closed"
        raise ValueError(f"{path}, {error}: {cure}") from None
    finally:
        csv.field_size_limit(longest)
    if not lines:
        raise ValueError(f"{path} is empty")
    header = cleaned(lines[0][1])
    for number, row in lines[1:]:
        for field in row:
            inner = field.splitlines()[1:-1]
            alike = sum(line.count(delimiter) == len(header) - 1 > 0 for line in inner)
            if alike > 2 and alike > 0.8 * len(inner):
                warnings.warn(
                    f"{path}, line {number}: one text runs over {len(inner) + 2:,} lines that look like rows "
                    f"({one_line(field, 60)!r}): is a quote there by accident?",
                    stacklevel=4,
                )
        if len(row) > len(header) and any(field.strip() for field in row[len(header) :]):
            raise ValueError(
                f"{path}, line {number}: {len(row)} fields, but the header has {len(header)}: a text that holds the "
                "delimiter needs quotes around it"
            )
    return header, [row for _, row in lines[1:]]


def labelled_texts(
    path: Path, text_column: str | None, label_column: str | None, encoding: str | None, delimiter: str | None = None
) -> tuple[list[str], list[str], list[str], str]:
    """(texts, labels, header, source) of a table, as `load_csv` takes them; `source` says in words what was read."""
    if not (text_column and label_column):
        there = listed(header_of(path, encoding))
        raise ValueError(f"which columns of {path}? Add --text and --label, each with one of: {there}"[:500])
    content, encoding = decoded(path, encoding)
    header, rows = table_of(path, content, (text_column, label_column), delimiter)
    text_at, label_at = (column_of(path, header, name) for name in (text_column, label_column))
    if text_at == label_at:
        raise ValueError(f"{header[text_at]!r} cannot be both the text and its label: name two columns of {path}")
    texts, labels, skipped, unnamed = [], [], 0, Counter[str]()
    for row in rows:
        text, label = (row[at].strip() if at < len(row) else "" for at in (text_at, label_at))
        label = INVISIBLE.sub("", label).strip(JOINERS).strip()
        if text and label.lower() not in NO_LABEL:
            texts.append(text)
            labels.append(label)
        else:
            skipped += 1
            unnamed[label] += bool(text and label)
    if dropped := [f"{label!r} ({rows:,})" for label, rows in unnamed.items() if rows]:
        warnings.warn(
            f"{path}: rows with the label {some(dropped)} are left out, for that mostly says that there is none: where "
            "it is a class, call it something else",
            stacklevel=3,
        )
    names = Counter(labels)
    marks = [name for name in names if not name.strip(string.punctuation + "–—…")]
    if 0 < 2 * len(marks) < len(names):  # not so + and - beside 0
        shown = some([f"{mark!r} ({names[mark]:,})" for mark in marks])
        warnings.warn(
            f"{path}: rows with the label {shown} are taken for a class: where that says that there is none, leave it "
            "empty",
            stacklevel=3,
        )
    mark, before = delimiter or likely_delimiter(content, (text_column, label_column)), label_at < text_at
    place = label_at if before else label_at - len(header)
    if merged := [text for text in texts if _holds_a_row(text, mark, place, names)]:
        holds = f"{len(merged):,} texts hold" if len(merged) > 1 else "1 text holds"
        warnings.warn(
            f"{path}: {holds} what looks like another row, label and all, such as {one_line(merged[0], 60)!r}: is a "
            "quote there by accident?",
            stacklevel=3,
        )
    if not texts:
        raise ValueError(f"{path} has no row with both a {text_column!r} and a {label_column!r}")
    left_out = f", {skipped:,} of {len(rows):,} rows left out for want of text or label" if skipped else ""
    return texts, labels, header, f"{path} ({encoding}{left_out})"


def _holds_a_row(text: str, mark: str, place: int, labels: Container[str]) -> bool:
    """Whether a line of a text ends or begins as rows do, with a label at its `place` among the columns (counted from
    the end where it stands behind the text). Of long texts `table_of` has told."""
    lines = text.splitlines()
    ends = [line.split(mark) for line in (lines[1:] if place >= 0 else lines[:-1])] if len(lines) < 5 else []
    return any(len(row) > 1 and -len(row) <= place < len(row) and row[place].strip('"') in labels for row in ends)


def texts_of(path: Path, column: str | None, encoding: str | None) -> tuple[list[str], list[list[str]], int]:
    """(header, rows, which column holds the texts) of a table; without `column` its only one, or the lines of a .txt.

    Warns where the name of the only column looks like a text itself.
    """
    content, _ = decoded(path, encoding)
    if path.suffix.lower() == ".txt" and column is None:
        return ["text"], [[line.strip()] for line in re.split(r"\r\n?|\n", content) if line.strip()], 0
    header, rows = table_of(path, content, (column or "", column or ""))
    if column is None and len(header) > 1:
        raise ValueError(f"which column of {path} holds the texts? Add --text with one of: {listed(header)}")
    long = len(header[0].split()) > 3 or len(header[0]) > 30
    if column is None and ((long and header[0][-1] not in "?:") or header[0].endswith(tuple(".!…。！"))):
        warnings.warn(
            f"{path}: its first line, {one_line(header[0], 40)!r}, is taken for the column's name: a list of texts "
            "without one is a .txt",
            stacklevel=3,
        )
    at = column_of(path, header, column or header[0])
    return header, [(row + [""] * len(header))[: len(header)] for row in rows], at


def likely_delimiter(content: str, wanted: tuple[str, str]) -> str:
    """The delimiter that finds the wanted columns in the header, else the one that finds most columns."""

    def columns(mark: str) -> tuple[int, int]:
        header = cleaned(next(reader_of(content.lstrip("\r\n"), mark), []))
        return len(set(map(plain, wanted)) & set(map(plain, header))), len(header)

    return max(DELIMITERS, key=columns)


def reader_of(content: str, delimiter: str, strict: bool = False) -> Any:
    """csv.reader of a table; spaces behind a delimiter belong to no field, so that `1, "good, fine"` is two."""
    lines = io.StringIO(content, newline="")
    return csv.reader(lines, delimiter=delimiter, strict=strict, skipinitialspace=delimiter != " ")


def records(content: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Every record that is not blank, with the number of its first line. Raises csv.Error that names the line."""
    reader = reader_of(content, delimiter, strict=True)
    found, begins = [], 1
    try:
        for row in reader:
            found.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        if delimiter != "\t":
            raise csv.Error(f"line {begins}: {error}") from None
        lines = re.split(r"\r\n?|\n", content)  # tables with tabs often know no quotes, and may hold U+2028
        found = [(number, line.split("\t")) for number, line in enumerate(lines, 1)]
    return [(number, row) for number, row in found if any(field.strip() for field in row)]


def header_of(path: Path, encoding: str | None) -> list[str]:
    """The names of a table's columns."""
    content, _ = decoded(path, encoding)
    return table_of(path, content, ("", ""))[0]


def cleaned(header: list[str]) -> list[str]:
    """Names of columns without the space around them."""
    return [name.strip().lstrip("\ufeff") for name in header]


def listed(header: list[str]) -> str:
    """The names of columns in one line, with quotes for one that has none."""
    return ", ".join(name or "''" for name in header)


def column_of(path: Path, header: list[str], name: str) -> int:
    """The position of a column; how it is spelled matters only where two columns differ in nothing else."""
    exact = [position for position, other in enumerate(header) if other == name]
    alike = exact or [position for position, other in enumerate(header) if plain(other) == plain(name)]
    if not alike:
        names = ", ".join(map(repr, header))
        raise ValueError(f"{path} has no column {name!r}: its first line, which names the columns, is {names}"[:500])
    if len(alike) > 1:
        raise ValueError(f"{path} has {len(alike)} columns {name!r}, so which one is meant? Rename the others")
    return alike[0]


def in_order(names: set[str]) -> tuple[str, ...]:
    """Labels in the order of their numbers if all are numbers, also such as 2,5; else of the alphabet."""
    for point in (".", ","):
        with suppress(ValueError):
            return tuple(name for _, name in sorted((float(name.replace(point, ".")), name) for name in names))
    return tuple(sorted(names, key=lambda name: (name.casefold(), name)))


def plain(name: str) -> str:
    """A name without letter case, alike for both Unicode forms of an é and for any space."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def meant(name: str) -> str | Decimal:
    """What a label says however it is spelled: alike for Yes and yes, 1 and 1.0, and both Unicode forms of an é."""
    text = plain(name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() and "_" not in text else text


def spelled_alike(names: tuple[str, ...]) -> list[str]:
    """The names that differ from another one only in how they are spelled."""
    kinds: dict[str | Decimal, list[str]] = {}
    for name in names:
        kinds.setdefault(meant(name), []).append(name)
    return [name for alike in kinds.values() if len(alike) > 1 for name in alike]
