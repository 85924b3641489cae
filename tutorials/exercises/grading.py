"""Grades one answer to one exercise: runs it apart, judges what came back, and says what went wrong."""

from __future__ import annotations

from tutorials.exercises.diagnosis import explain
from tutorials.exercises.runner import Process, failed
from tutorials.exercises.sheet import Result, Sheet, judge


def grade_source(
    sheet: Sheet,
    source: str | None,
    process: Process,
    problem: str = "",
    network: bytes | None = None,
    again: bool = False,
) -> Result:
    """The result of one exercise's source text; None when there is none, for the reason `problem`.

    network: the checkpoint handed in beside it, where one is asked for; again: whether its training is repeated.
    """
    if source is None:
        outcomes = [failed(problem or "no .py file for it was handed in") | {"ended": True}] * len(sheet.cases)
    else:
        outcomes = process.run(sheet.id, source, sheet.names, sheet.given, sheet.plays())
    if sheet.budget is not None and source is not None:
        try:
            from tutorials.exercises.improve import judge_network
        except ImportError:
            outcomes = [failed("minnet is needed to run the network: check it in a checkout")] * len(sheet.cases)
        else:
            outcomes = judge_network(sheet.budget, outcomes, network, again)
    return explain(sheet, judge(sheet, outcomes))
