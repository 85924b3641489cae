"""Reads the class list, and finds whose each submission is."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tutorials.exercises.source import read_source
from tutorials.exercises.submissions import Submission
from tutorials.exercises.variants import letters


def read_roster(path: Path) -> list[dict[str, str]]:
    """Rows of a roster with name, id, login: from a CSV with any of the columns that the systems use."""
    text, problem = read_source(path.read_bytes())
    if text is None:
        raise ValueError(f"{path}: {problem}")
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        lower = {(k or "").strip().lower(): (v or "").strip() for k, v in row.items() if isinstance(v, str)}
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
    for row in sorted(roster, key=lambda row: -len(row["login"])):  # hw1-max-roe is max-roe's, not roe's
        for key, submission in found.items():
            if key not in matched and _belongs(row, submission):
                matched[key] = row
                submission.name = row["name"]
                break
    taken = {id(row) for row in matched.values()}
    return matched, [row["name"] for row in roster if id(row) not in taken]


def _belongs(row: dict[str, str], submission: Submission) -> bool:
    if submission.id:
        return row["id"] == submission.id
    folder = submission.name.lower()
    login = row["login"].lower()
    if login and (folder == login or folder.endswith(f"-{login}")):
        return True
    return letters(row["name"]) == letters(submission.name)
