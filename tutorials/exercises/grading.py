"""Grades one answer to one exercise: runs it apart, judges what came back, and says what went wrong."""

from __future__ import annotations

from tutorials.exercises.diagnosis import explain
from tutorials.exercises.runner import Process, failed
from tutorials.exercises.sheet import Result, Sheet, judge


def grade_source(sheet: Sheet, source: str | None, process: Process, problem: str = "") -> Result:
    """The result of one exercise's source text; None when there is none, for the reason `problem`."""
    return grade_with_outcomes(sheet, source, process, problem)[0]


def grade_with_outcomes(sheet: Sheet, source: str | None, process: Process, problem: str = ""):
    """(result, outcomes) of one exercise's source text."""
    if source is None:
        outcomes = [failed(problem or "no file was handed in") | {"ended": True}] * len(sheet.cases)
    else:
        outcomes = process.run(sheet.id, source, sheet.names, sheet.given, sheet.plays())
    return explain(sheet, outcomes, judge(sheet, outcomes)), outcomes
