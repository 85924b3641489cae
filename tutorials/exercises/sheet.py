"""A sheet is one exercise with its numbers fixed: what is asked, what is expected, and what known mistakes would give.

The grader works on sheets alone. A sheet can be written to a file, so that the students' archive and the Gradescope
archive carry numbers and no solution.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tutorials.exercises.comparison import difference, number_in
from tutorials.exercises.messages import Call, pack, unpack

VERSION = "9"  # of the sheets' format and content: archives of another version are refused
SLACK = 8  # executed lines by which a large batch may exceed a small one
HOLDS, NOT_YET, NO_RESULT, NOT_JUDGED = "holds", "not yet", "no result", "not judged"


@dataclass
class Property:
    """What is checked at one place of the list, and what it is worth.

    kind: "values" (each case has its share of the points), "untouched" (the same, and the arguments stay as they
    were), "lines" (the values are right and the executed lines do not grow from the first case to the last),
    "prediction" (values that a student states about numbers of their own).
    gate: without all its points no other property has any; so what was handed out is worth nothing as it is.
    """

    name: str
    sentence: str  # what is true of a right answer
    points: float
    kind: str = "values"
    gate: bool = False


@dataclass
class Case:
    """One list of calls and the results that are expected; None where they are not given away.

    Then the calls are a prediction and the student's own measurement of the same, which must agree.
    """

    property: int
    calls: list[Call]
    expected: list[Any] | None
    slack: float = 0.0  # by which a number may be off: predictions are made on paper


@dataclass
class Record:
    """What an answer with these known mistakes, written in these ways, gives for every case."""

    ids: list[str]
    words: list[str]
    outcomes: list[dict[str, Any]]


@dataclass
class Sheet:
    """One exercise, ready to be graded."""

    id: str
    number: int
    title: str
    minutes: int
    difficulty: str
    core: bool
    names: list[str]
    given: list[str]
    properties: list[Property]
    cases: list[Case]
    records: list[Record]
    sentences: dict[str, str]  # diagnosis by the id of a mistake
    variant: int = 0  # of those that differ from student to student
    personal: bool = False  # there are such variants
    budget: dict[str, Any] | None = None  # of an exercise that hands in a trained network, see improve.py
    version: str = VERSION
    wrong: Callable[[frozenset[str]], dict[str, Any]] | None = None  # answers with several mistakes; not written

    @property
    def points(self) -> float:
        return sum(p.points for p in self.properties)

    def plays(self) -> list[tuple[list[Call], bool]]:
        """What the student's process is asked to do."""
        return [(case.calls, self.properties[case.property].kind == "lines") for case in self.cases]


def to_bytes(sheets: list[Sheet]) -> bytes:
    """Sheets as bytes, without pickle."""
    return zlib.compress(pack([_plain(s) for s in sheets]))


def _plain(sheet: Sheet) -> dict[str, Any]:
    lists = {name: [vars(item) for item in getattr(sheet, name)] for name in ("properties", "cases", "records")}
    return {name: value for name, value in vars(sheet).items() if name != "wrong"} | lists


def from_bytes(data: bytes) -> list[Sheet]:
    """The sheets that `to_bytes` wrote; ValueError for those of another version."""
    try:
        found = unpack(zlib.decompress(data))
    except (zlib.error, ValueError, KeyError) as problem:
        raise ValueError(f"the file of exercises is damaged ({problem}): unpack the archive again") from None
    sheets = []
    for item in found:
        if item["version"] != VERSION:
            raise ValueError(
                f"exercises are of version {item['version']}, this grader of {VERSION}: take both from one archive"
            )
        item["properties"] = [Property(**p) for p in item["properties"]]
        item["cases"] = [Case(**c) for c in item["cases"]]
        item["records"] = [Record(**r) for r in item["records"]]
        sheets.append(Sheet(**item))
    return sheets


@dataclass
class Verdict:
    """One property of one answer: points, and for one that does not hold a problem and the smallest case that shows it.

    state: HOLDS; NOT_YET; NO_RESULT where the case ended in an error; NOT_JUDGED where only right values would show it.
    """

    property: Property
    earned: float
    problem: str = ""
    case: int | None = None
    state: str = HOLDS


@dataclass
class Result:
    """One answer to one exercise."""

    id: str
    number: int
    title: str
    points: float
    verdicts: list[Verdict]
    outcomes: list[dict[str, Any]]  # of the sheet's plays
    ended: str = ""  # why the process is gone, or why there is nothing to run
    mistakes: list[str] = field(default_factory=list)  # ids
    diagnosis: str = ""

    @property
    def earned(self) -> float:
        return round(sum(v.earned for v in self.verdicts), 2)

    @property
    def broken(self) -> Verdict | None:
        """The first property that does not hold; one that is not judged only where there is no other."""
        return min((v for v in self.verdicts if v.problem), key=lambda v: v.state == NOT_JUDGED, default=None)


def is_stub(problems: Iterable[str]) -> bool:
    """Whether all that came of an answer's properties is that nothing is written yet."""
    return all(problem.startswith("NotImplementedError") for problem in problems)


def in_short(state: str, sentence: str, problem: str) -> str:
    """What is said first of a broken property: where there is no result, the error is all that counts."""
    return problem if state == NO_RESULT else f"{state}: {sentence}"


def problem_of(case: Case, outcome: dict[str, Any], named: bool = False) -> str:
    """What is wrong with the results of one case; "" when nothing is.

    It begins with the name of what gave the result where the case has several results, or if it is to be `named`.
    """
    if outcome["error"]:
        return str(outcome["error"])
    if case.expected is not None and len(outcome["results"]) != len(case.expected):
        return "a result is missing"
    if case.expected is None:
        predicted, measured = (*outcome["results"], None, None)[:2]
        found = difference(predicted, number_in(measured), case.slack)
        found = found.replace(" instead of ", " against ")  # either may be wrong
        return f"the prediction and your own measurement differ: {found}" if found else ""
    named = named or len(case.expected) > 1
    for name, got, expected in zip(_called(case), outcome["results"], case.expected, strict=True):
        if found := difference(got, expected, case.slack):
            return f"{name}: {found}" if named else found
    return ""


def _called(case: Case) -> list[str]:
    """The names of the calls that give the case's results, in order."""
    return [call.name for call in case.calls if call.how in ("call", "method", "get")]


def judge(sheet: Sheet, outcomes: list[dict[str, Any]]) -> Result:
    """Points and problems of an answer, from the outcome of every play of the sheet."""
    several = len({name for case in sheet.cases for name in _called(case)}) > 1
    problems = [problem_of(case, outcome, several) for case, outcome in zip(sheet.cases, outcomes, strict=True)]
    verdicts = []
    for index, wanted in enumerate(sheet.properties):
        mine = [i for i, case in enumerate(sheet.cases) if case.property == index]
        found = {i: (_state(sheet, wanted, outcomes[i]), problems[i]) for i in mine if problems[i]}
        if wanted.kind == "untouched":
            for i in mine:
                if outcomes[i]["changed"] and not outcomes[i]["error"]:
                    found[i] = (NOT_YET, f"{outcomes[i]['changed'][0]} writes into its arguments")
        if wanted.kind == "lines" and not any(outcomes[i]["error"] for i in mine):
            first, last = outcomes[mine[0]]["lines"], outcomes[mine[-1]]["lines"]
            if last > first + SLACK:
                text = f"{first} lines are executed for the small batch, {last} for the large one"
                found[mine[-1]] = (NOT_YET, text)
        share = 1 - len(found) / len(mine) if wanted.kind != "lines" else float(not found)
        verdict = Verdict(wanted, round(wanted.points * share, 2))
        if found:
            order = [NOT_YET, NO_RESULT, NOT_JUDGED]
            verdict.case = min(found, key=lambda i: (order.index(found[i][0]), size_of(sheet.cases[i].calls)))
            verdict.state, problem = found[verdict.case]
            verdict.problem = f"judged when the values are right: {problem}" if verdict.state == NOT_JUDGED else problem
        verdicts.append(verdict)
    if not any(p == "" for p in problems) or any(v.problem for v in verdicts if v.property.gate):
        for verdict in verdicts:
            verdict.earned = 0.0
    ended = next((o["error"] for o in outcomes if o.get("ended")), "")
    return Result(sheet.id, sheet.number, sheet.title, sheet.points, verdicts, outcomes, ended)


def _state(sheet: Sheet, wanted: Property, outcome: dict[str, Any]) -> str:
    """What a wrong outcome of one case says of a property."""
    if outcome["error"] and sheet.budget is None:  # what is measured of a network comes as an error, see improve.py
        return NO_RESULT
    return NOT_JUDGED if wanted.kind in ("untouched", "lines") else NOT_YET


def size_of(calls: list[Call]) -> int:
    """How many numbers the calls' arguments hold."""

    def size(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(size, value.values()))
        if isinstance(value, (list, tuple)):
            return sum(map(size, value))
        return np.size(value)

    return sum(size(call.args) for call in calls)
