"""Reads the class list, and finds whose each submission is."""

from __future__ import annotations

import csv
import io
import unicodedata
import warnings
from pathlib import Path

from tutorials.exercises.source import decoded
from tutorials.exercises.submissions import Submission
from tutorials.exercises.variants import letters


def read_table(path: Path) -> tuple[str, str, list[str], list[list[str]]]:
    """(text, delimiter, header in small letters, rows) of a CSV as a spreadsheet saved it, whatever its language.

    Warns with a line of the text when the encoding was a guess: any bytes are some text in Windows' western one.
    """
    text, encoding = decoded(path.read_bytes())
    if text is None:
        raise ValueError(f"{path}: {encoding}")
    if encoding in ("cp1252", "gb18030"):
        line = next(line.strip() for line in text.split("\n") if not line.isascii())
        warnings.warn(
            f"{path} is not UTF-8 and is read as {encoding}, which gives {line[:60]!r}: if that is gibberish, save the "
            "table as CSV UTF-8",
            stacklevel=2,
        )
    text = unicodedata.normalize("NFC", text)  # macOS writes é as two characters
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    header, *rows = [*csv.reader(io.StringIO(text), delimiter=delimiter)] or [[]]
    return text, delimiter, [name.strip().lower() for name in header], rows


def read_roster(path: Path) -> list[dict[str, str]]:
    """Rows of a roster with name, id, login: from a CSV with any of the columns that the systems use."""
    if not path.exists():  # perhaps that of an earlier run, which nobody typed
        raise FileNotFoundError(f"there is no roster {path}: name another with --roster")
    _, _, header, lines = read_table(path)
    rows = []
    for line in lines:
        lower = {name: value.strip() for name, value in zip(header, line, strict=False)}
        name = lower.get("full name") or lower.get("student") or lower.get("name") or ""
        name = name or " ".join(filter(None, [lower.get("first name"), lower.get("surname") or lower.get("last name")]))
        id = lower.get("identifier") or lower.get("id") or lower.get("id number") or ""
        login = (
            lower.get("github_username")
            or lower.get("sis login id")
            or lower.get("login")
            or lower.get("username")
            or ""
        )
        if name == "Points Possible" and not id:  # the second line of Canvas' gradebook
            continue
        if name or id or login:
            rows.append(
                {
                    "name": name or login or id,
                    "id": id.removeprefix("Participant "),
                    "login": login,
                    "sis": lower.get("sis user id", ""),
                    "section": lower.get("section", ""),
                    "email": lower.get("email address", ""),
                }
            )
    if not rows:
        raise ValueError(f"{path} lists nobody: a first line with name, id or github_username is expected")
    return rows


def match_roster(
    roster: list[dict[str, str]], found: dict[str, Submission]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """({key of a submission: its row}, names of those who handed nothing in)."""
    matched: dict[str, dict[str, str]] = {}
    known = ({row["id"] for row in roster} & {submission.id for submission in found.values()}) - {""}
    for row in sorted(roster, key=lambda row: -len(row["login"])):  # hw1-max-roe is max-roe's, not roe's
        for key, submission in found.items():
            if key not in matched and _belongs(row, submission, known):
                matched[key] = row
                submission.name = row["name"]
                break
    taken = {id(row) for row in matched.values()}
    return matched, [row["name"] for row in roster if id(row) not in taken]


def _belongs(row: dict[str, str], submission: Submission, known: set[str]) -> bool:
    """Whether a row is that of a submission: by the ids that both sides know, else by login or name."""
    if row["id"] in known or submission.id in known:
        return row["id"] == submission.id
    folder = submission.name.lower()
    login = row["login"].lower()
    if login and (folder == login or folder.endswith(f"-{login}")):
        return True
    parts = [letters(part) for part in row["name"].split()]
    joined = ["".join(parts[i:] + parts[:i]) for i in range(len(parts))]  # Canvas writes "Roe, Max" as roemax
    return folder in joined or letters(row["name"]) == letters(submission.name)
