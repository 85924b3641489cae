"""The tables that grading writes, for spreadsheets and for the systems' imports, and the teacher's comments."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minnet.run_folder import save
from tutorials.exercises.pages import stopped
from tutorials.exercises.roster import read_table
from tutorials.exercises.sheet import Sheet

TABLES = ("grades.csv", "canvas.csv", "moodle.csv", "class.html")


def check_writable(out: Path) -> None:
    """OSError names a table of an earlier run that cannot be written."""
    for path in (out / name for name in TABLES):
        try:
            if path.exists():
                open(path, "ab").close()
        except OSError:
            raise OSError(f"{path} cannot be written: close it where it is open, in a spreadsheet say") from None


def read_comments(path: Path, keys: Iterable[str]) -> dict[str, str]:
    """The teacher's comments by key: the file is theirs, and only gains lines for students who are new."""
    if not path.exists():
        _write(path, ["key", "comment"], [])
    text, delimiter, header, rows = read_table(path)
    if "key" not in header:
        raise ValueError(f"{path} has no column key: its first line is {text.partition(chr(10))[0][:80]!r}")
    lines = [dict(zip(header, row, strict=False)) for row in rows]
    comments = {line["key"]: line.get("comment", "") for line in lines if line.get("key")}
    new = [key for key in keys if key not in comments]
    if new:
        added = io.StringIO()
        writer = csv.writer(added, delimiter=delimiter, lineterminator="\n")
        writer.writerows([key if name == "key" else "" for name in header] for key in new)
        kept = text if text.endswith("\n") else text + "\n"
        save(path, (kept + added.getvalue()).encode("utf-8-sig"))
    return comments


def write_tables(
    out: Path,
    records: dict[str, Any],
    matched: dict[str, dict[str, str]],
    missing: list[str],
    comments: dict[str, str],
    sheets: tuple[Sheet, ...],
    assignment: str,
) -> None:
    """grades.csv for any spreadsheet, canvas.csv and moodle.csv for those systems' imports."""
    total = sum(sheet.points for sheet in sheets)
    rows = [
        [
            *(k, r["name"], r["id"], r["earned"], r["points"], *(e["earned"] for e in r["exercises"])),
            *(comments.get(k, ""), "; ".join([*r["notes"], *stopped(r)])),
        ]
        for k, r in records.items()
    ]
    rows += [["", name, "", 0, total, *([""] * len(sheets)), "", "nothing handed in"] for name in missing]
    head = ["key", "name", "id", "points", "of", *(f"{s.number} {s.title}" for s in sheets), "comment", "notes"]
    _write(out / "grades.csv", head, rows)

    def of(key: str, what: str) -> str:
        return matched.get(key, {}).get(what, "")

    canvas = [
        [r["name"], r["id"], of(key, "sis"), of(key, "login"), of(key, "section"), r["earned"]]
        for key, r in records.items()
        if r["system"] == "canvas"
    ]
    if canvas:
        columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment]
        _write(out / "canvas.csv", columns, [["    Points Possible", "", "", "", "", total], *canvas])
    moodle = [
        [f"Participant {r['id']}", r["name"], of(key, "email"), r["earned"], total, comments.get(key, "")]
        for key, r in records.items()
        if r["system"] == "moodle"
    ]
    if moodle:
        columns = ["Identifier", "Full name", "Email address", "Grade", "Maximum Grade", "Feedback comments"]
        _write(out / "moodle.csv", columns, moodle)


def _write(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([[_harmless(value) for value in row] for row in rows])
    save(path, text.getvalue().encode("utf-8-sig"))


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
