"""A sheet is one exercise with its numbers fixed: what is asked, what is expected, and what known mistakes would give.

The grader works on sheets alone. A sheet can be written to a file, so that the students' archive and the Gradescope
archive carry numbers and no solution.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tutorials.exercises.worker import Call, pack, unpack

VERSION = "1"  # of the sheets' format and content: archives of another version are refused
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # of an entry, and of the largest entry: float32 passes, float16 does not
SLACK = 8  # executed lines by which a large batch may exceed a small one


@dataclass
class Property:
    """What is checked at one place of the list, and what it is worth.

    kind: "values" (each case has its share of the points), "untouched" (the same, and the arguments stay as they
    were), "lines" (the values are right and the executed lines do not grow from the first case to the last).
    """

    name: str
    sentence: str  # what is true of a right answer
    points: float
    kind: str = "values"


@dataclass
class Case:
    """One list of calls and the results that are expected."""

    property: int
    calls: list[Call]
    expected: list[Any]


@dataclass
class Record:
    """What an answer with these known mistakes gives for every case."""

    ids: list[str]
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


# -- comparing -----------------------------------------------------------------------------------------------------


def difference(got: Any, expected: Any) -> str:
    """Why `got` is not `expected`, in a few words; "" when it is, up to rounding in float32."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return f"a dictionary with {', '.join(map(str, expected))} is expected"
        return next((f"{key}: {d}" for key in expected if (d := difference(got[key], expected[key]))), "")
    if isinstance(expected, tuple) or (isinstance(expected, list) and _uneven(expected)):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            count = f"{len(got)} results" if isinstance(got, (list, tuple)) else "one"
            return f"{len(expected)} results are expected, got {count}"
        parts = (difference(g, e) for g, e in zip(got, expected, strict=True))
        return next((f"result {i}: {d}" for i, d in enumerate(parts, 1) if d), "")
    if expected is None or isinstance(expected, str):
        return (
            ""
            if (got is None and expected is None) or (isinstance(got, str) and got == expected)
            else (f"{_short(got)} instead of {_short(expected)}")
        )
    wanted = np.asarray(expected)
    try:
        array = np.asarray(got)
    except (ValueError, TypeError):
        return "rows of different lengths"
    if array.dtype.kind not in "biuf" or got is None:
        return f"{'None' if got is None else array.dtype} instead of numbers"
    if array.shape != wanted.shape and not (array.size == wanted.size == 1 and wanted.ndim == 0):
        return f"the shape is {array.shape}, expected {wanted.shape}"
    if wanted.size == 0:
        return ""
    array, wanted = array.astype(np.float64).reshape(wanted.shape), wanted.astype(np.float64)
    if not np.isfinite(array).all():
        return f"{int((~np.isfinite(array)).sum())} of {array.size} entries are NaN or infinite"
    wrong = np.abs(array - wanted) > RELATIVE * np.abs(wanted) + ABSOLUTE * np.abs(wanted).max()
    if not wrong.any():
        return ""
    place = np.unravel_index(int(np.argmax(np.where(wrong, np.abs(array - wanted), -1))), wanted.shape)
    where = f"at [{', '.join(map(str, place))}] " if wanted.ndim else ""
    return f"{where}{array[place]:.5g} instead of {wanted[place]:.5g}"


def same(a: Any, b: Any) -> bool:
    """Whether two results agree in shape and in every number, NaN and infinity included."""
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if any(isinstance(v, tuple) or (isinstance(v, list) and _uneven(v)) for v in (a, b)):
        listed = isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b)
        return listed and all(same(x, y) for x, y in zip(a, b, strict=True))
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    try:
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape or x.dtype.kind not in "biuf" or y.dtype.kind not in "biuf":
            return False
        x, y = x.astype(np.float64), y.astype(np.float64)
    except (ValueError, TypeError):
        return False
    finite = np.isfinite(y)
    if not (np.isfinite(x) == finite).all() or not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    x, y = x[finite], y[finite]
    return y.size == 0 or bool((np.abs(x - y) <= RELATIVE * np.abs(y) + ABSOLUTE * np.abs(y).max()).all())


def _uneven(value: list[Any]) -> bool:
    """Whether a list holds more than numbers and lists of numbers of one shape."""
    if any(isinstance(v, (str, dict, tuple)) or v is None for v in value):
        return True
    try:
        return np.asarray(value).dtype.kind not in "biuf"
    except ValueError:
        return True


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# -- judging -------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """One property of one answer: points, and for a broken one a problem and the smallest case that shows it."""

    property: Property
    earned: float
    problem: str = ""
    case: int | None = None


@dataclass
class Result:
    """One answer to one exercise."""

    id: str
    number: int
    title: str
    points: float
    verdicts: list[Verdict]
    ended: str = ""  # why the process is gone, or why there is nothing to run
    mistakes: list[str] = field(default_factory=list)  # ids
    diagnosis: str = ""

    @property
    def earned(self) -> float:
        return round(sum(v.earned for v in self.verdicts), 2)

    @property
    def broken(self) -> Verdict | None:
        return next((v for v in self.verdicts if v.problem), None)


def problem_of(case: Case, outcome: dict[str, Any]) -> str:
    """What is wrong with the results of one case; "" when nothing is."""
    if outcome["error"]:
        return str(outcome["error"])
    if len(outcome["results"]) != len(case.expected):
        return "a result is missing"
    several = len(case.expected) > 1
    for number, (got, expected) in enumerate(zip(outcome["results"], case.expected, strict=True)):
        if found := difference(got, expected):
            return f"{_called(case.calls, number)}: {found}" if several else found
    return ""


def _called(calls: list[Call], number: int) -> str:
    """The name of the call that gave result `number`."""
    giving = [call for call in calls if call.how in ("call", "method", "get")]
    return giving[number].name


def judge(sheet: Sheet, outcomes: list[dict[str, Any]]) -> Result:
    """Points and problems of an answer, from the outcome of every play of the sheet."""
    problems = [problem_of(case, outcome) for case, outcome in zip(sheet.cases, outcomes, strict=True)]
    verdicts = []
    for index, wanted in enumerate(sheet.properties):
        mine = [i for i, case in enumerate(sheet.cases) if case.property == index]
        found = {i: problems[i] for i in mine}
        if wanted.kind == "untouched":
            for i in mine:
                if not found[i] and outcomes[i]["changed"]:
                    found[i] = f"{outcomes[i]['changed'][0]} writes into its arguments"
        if wanted.kind == "lines" and not any(found.values()):
            first, last = outcomes[mine[0]]["lines"], outcomes[mine[-1]]["lines"]
            if last > first + SLACK:
                found[mine[-1]] = f"{first} lines are executed for the small batch, {last} for the large one"
        bad = [i for i in mine if found[i]]
        share = 1 - len(bad) / len(mine) if wanted.kind != "lines" else float(not bad)
        smallest = min(bad, key=lambda i: _size(sheet.cases[i].calls), default=None)
        problem = found[smallest] if smallest is not None else ""
        verdicts.append(Verdict(wanted, round(wanted.points * share, 2), problem, smallest))
    if not any(p == "" for p in problems):
        for verdict in verdicts:
            verdict.earned = 0.0
    ended = next((o["error"] for o in outcomes if o.get("ended")), "")
    return Result(sheet.id, sheet.number, sheet.title, sheet.points, verdicts, ended)


def _size(calls: list[Call]) -> int:
    def size(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(size, value.values()))
        if isinstance(value, (list, tuple)):
            return sum(map(size, value))
        return np.size(value)

    return sum(size(call.args) for call in calls)
