"""Tables that somebody saved as CSV: their delimiter, quotes and columns, and the labelled texts in them."""

from __future__ import annotations

import csv
import re
import string
import warnings
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minnet.data.encodings import decoded
from minnet.data.spelling import plain, unmarked
from minnet.formatting import one_line, some

DELIMITERS = (",", ";", "\t", "|")
HINT = re.compile(r"\s*sep=(.) *(\r\n?|\n)", re.IGNORECASE)  # which spreadsheets write above the header
LINE = re.compile(r"[^\r\n]+(?:\r\n?|\n)?|\r\n?|\n")  # with its end, as csv wants it; U+2028 ends none
NO_LABEL = frozenset(["", "nan", "na", "n/a", "#n/a", "null"])


class Table(NamedTuple):
    """What a CSV holds: the names of its columns, and rows that have a field for each."""

    path: Path
    encoding: str
    delimiter: str
    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> int:
        """The position of a column; how it is spelled matters only where two columns differ in nothing else."""
        exact = [position for position, other in enumerate(self.header) if other == name]
        alike = exact or [position for position, other in enumerate(self.header) if plain(other) == plain(name)]
        if not alike:
            there = ", ".join(map(repr, self.header))
            raise ValueError(
                f"{self.path} has no column {name!r}: its first line, which names the columns, is {there}"[:500]
            )
        if len(alike) > 1:
            raise ValueError(f"{self.path} has {len(alike)} columns {name!r}, so which one is meant? Rename the others")
        return alike[0]


def read_table(
    path: Path, encoding: str | None = None, wanted: Sequence[str] = (), delimiter: str | None = None
) -> Table:
    """The table in a file, whose encoding and delimiter are found out unless they are given: the delimiter is one that
    finds the `wanted` columns. Raises ValueError with the line that does not fit."""
    content, encoding = decoded(path, encoding)
    if hint := HINT.match(content):
        delimiter, content = delimiter or hint[1], "\n" * hint[0].count(hint[2]) + content[hint.end() :]  # lines count
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"a delimiter is one character, as in ',' or ';', got {delimiter!r}")
    longest = csv.field_size_limit(max(csv.field_size_limit(), len(content) + 1))
    try:
        delimiter = delimiter or likely_delimiter(content, wanted)
        numbered = records(content, delimiter)
    except csv.Error as error:
        cure = "a quote inside a quoted text must be doubled, and no space stands behind a closing one"
        if "unexpected end" in str(error):
            cure = "the quote opened there is never closed"
        raise ValueError(f"{path}, {error}: {cure}") from None
    finally:
        csv.field_size_limit(longest)
    if not numbered:
        raise ValueError(f"{path} is empty")
    header = [name.strip() for name in numbered.pop(0)[1]]
    for number, row in numbered:
        if swallowing := next((field for field in row if _looks_like_rows(field, delimiter, len(header))), None):
            warnings.warn(
                f"{path}, line {number}: one text runs over {len(swallowing.splitlines()):,} lines that look like rows "
                f"({one_line(swallowing, 60)!r}): is a quote there by accident?",
                stacklevel=4,
            )
        if _says_anything(row[len(header) :]):
            raise ValueError(
                f"{path}, line {number}: {len(row)} fields, but the header has {len(header)}: a text that holds the "
                "delimiter needs quotes around it"
            )
        row[len(header) :] = []
        row += [""] * (len(header) - len(row))
    return Table(path, encoding, delimiter, header, [row for _, row in numbered])


def likely_delimiter(content: str, wanted: Sequence[str]) -> str:
    """The delimiter that finds the wanted columns in the header, else the one that finds most columns."""
    names = set(map(plain, wanted))

    def columns(mark: str) -> tuple[int, int]:
        header: list[str] = next(filter(_says_anything, reader_of(content, mark)), [])
        return len(names & set(map(plain, header))), len(header)

    return max(DELIMITERS, key=columns)


def reader_of(content: str, delimiter: str, strict: bool = False) -> Any:
    """csv.reader of a table; spaces behind a delimiter belong to no field, so that `1, "good, fine"` is two."""
    lines = (line[0] for line in LINE.finditer(content))
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
        lines = enumerate(LINE.findall(content), 1)  # tables with tabs often know no quotes
        found = [(number, line.rstrip("\r\n").split("\t")) for number, line in lines]
    return [(number, row) for number, row in found if _says_anything(row)]


def _says_anything(fields: Sequence[str]) -> bool:
    return any(map(str.strip, fields))


def _looks_like_rows(field: str, delimiter: str, columns: int) -> bool:
    """Whether most of the inner lines of a field, more than two, have as many delimiters as a row."""
    if "\n" not in field and "\r" not in field:
        return False
    inner = field.splitlines()[1:-1]
    alike = sum(line.count(delimiter) == columns - 1 > 0 for line in inner)
    return alike > 2 and alike > 0.8 * len(inner)


def labelled_texts(
    path: Path, text_column: str | None, label_column: str | None, encoding: str | None, delimiter: str | None = None
) -> tuple[list[str], list[str], list[str], str]:
    """(texts, labels, header, source) of a table, as `load_csv` takes them; `source` says in words what was read."""
    if not (text_column and label_column):
        there = listed(read_table(path, encoding).header)
        raise ValueError(f"which columns of {path}? Add --text and --label, each with one of: {there}"[:500])
    table = read_table(path, encoding, (text_column, label_column), delimiter)
    text_at, label_at = table.column(text_column), table.column(label_column)
    if text_at == label_at:
        raise ValueError(f"{table.header[text_at]!r} cannot be both the text and its label: name two columns of {path}")
    found = [(row[text_at].strip(), unmarked(row[label_at])) for row in table.rows]
    kept = [(text, label) for text, label in found if text and label.lower() not in NO_LABEL]
    unnamed = Counter(label for text, label in found if text and label and label.lower() in NO_LABEL)
    if not kept:
        raise ValueError(f"{path} has no row with both a {text_column!r} and a {label_column!r}")
    texts, labels = [text for text, _ in kept], [label for _, label in kept]
    _warn_of_labels(path, Counter(labels), unnamed)
    _warn_of_swallowed_rows(table, texts, frozenset(labels), label_at - len(table.header) * (label_at > text_at))
    skipped = len(table.rows) - len(kept)
    left_out = f", {skipped:,} of {len(table.rows):,} rows left out for want of text or label" if skipped else ""
    return texts, labels, table.header, f"{path} ({table.encoding}{left_out})"


def _warn_of_labels(path: Path, labels: Counter[str], unnamed: Counter[str]) -> None:
    """Warns of rows whose label was taken for none, and of classes whose name is perhaps none."""
    if unnamed:
        warnings.warn(
            f"{path}: rows with the label {_counted(unnamed)} are left out, for that mostly says that there is none: "
            "where it is a class, call it something else",
            stacklevel=4,
        )
    marks = Counter({name: rows for name, rows in labels.items() if not name.strip(string.punctuation + "–—…")})
    if 0 < 2 * len(marks) < len(labels):  # not so + and - beside 0
        warnings.warn(
            f"{path}: rows with the label {_counted(marks)} are taken for a class: where that says that there is none, "
            "leave it empty",
            stacklevel=4,
        )


def _counted(labels: Counter[str]) -> str:
    return some([f"{label!r} ({rows:,})" for label, rows in labels.items()])


def _warn_of_swallowed_rows(table: Table, texts: Sequence[str], labels: Container[str], place: int) -> None:
    """Warns of texts with a line that ends or begins as rows do, with a label at its `place` among the columns (counted
    from the end where it stands behind the text). Of long texts `read_table` has told."""

    def holds_a_row(text: str) -> bool:
        lines = text.splitlines()
        rows = [line.split(table.delimiter) for line in (lines[1:] if place >= 0 else lines[:-1])]
        fits = (row for row in rows if len(row) > 1 and -len(row) <= place < len(row))
        return len(lines) < 5 and any(row[place].strip('"') in labels for row in fits)

    if merged := list(filter(holds_a_row, texts)):
        holds = f"{len(merged):,} texts hold" if len(merged) > 1 else "1 text holds"
        warnings.warn(
            f"{table.path}: {holds} what looks like another row, label and all, such as {one_line(merged[0], 60)!r}: "
            "is a quote there by accident?",
            stacklevel=4,
        )


def texts_of(path: Path, column: str | None, encoding: str | None) -> tuple[list[str], list[list[str]], int]:
    """(header, rows, which column holds the texts) of a table; without `column` its only one, or the lines of a .txt.

    Warns where the name of the only column looks like a text itself.
    """
    if path.suffix.lower() == ".txt" and column is None:
        content, _ = decoded(path, encoding)
        return ["text"], [[line.strip()] for line in LINE.findall(content) if line.strip()], 0
    table = read_table(path, encoding, [column] if column else [])
    if column is not None:
        return table.header, table.rows, table.column(column)
    if len(table.header) > 1:
        raise ValueError(f"which column of {path} holds the texts? Add --text with one of: {listed(table.header)}")
    (name,) = table.header
    long = len(name.split()) > 3 or len(name) > 30
    if (long and name[-1] not in "?:") or name.endswith(tuple(".!…。！")):
        warnings.warn(
            f"{path}: its first line, {one_line(name, 40)!r}, is taken for the column's name: a list of texts "
            "without one is a .txt",
            stacklevel=3,
        )
    return table.header, table.rows, 0


def listed(header: Sequence[str]) -> str:
    """The names of columns in one line, with quotes for one that has none."""
    return ", ".join(name or "''" for name in header)
