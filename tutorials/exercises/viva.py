"""Questions about a student's own code: one thing is changed that alters its output; what comes out, and why?"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minnet.page import code, page, paragraph
from tutorials.exercises.comparison import same
from tutorials.exercises.frame import PUBLIC
from tutorials.exercises.grading import grade_source
from tutorials.exercises.learner import shown
from tutorials.exercises.runner import Process
from tutorials.exercises.sheet import Case, Sheet, size_of
from tutorials.exercises.specs import exercises, sheet_of
from tutorials.exercises.submissions import Submission, as_handed_out, read_submissions

QUESTIONS = 3
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
}


def write_viva(place: Path, out: Path, seed: int) -> str:
    """A page of questions a student in OUT, and OUT/key.html with the answers; returns what was written."""
    sheets = tuple(sheet_of(exercise.number, PUBLIC) for exercise in exercises())
    found = read_submissions(place, sheets)
    out.mkdir(parents=True, exist_ok=True)
    key: dict[str, str] = {}
    for number, (name, submission) in enumerate(found.items()):
        asked = questions(submission, sheets, np.random.default_rng([seed, number]))
        sections = {f"Question {i}": question for i, (question, _) in enumerate(asked, 1)}
        lead = ["Each question changes one place of your own code. Say what comes out, and why."]
        if not asked:
            lead = ["No file that runs was handed in: there is nothing to ask about."]
        (out / f"{name}.html").write_text(page(submission.name, lead, sections), encoding="utf-8")
        title = f"{submission.name}, {name}.html"  # two students may have one name
        key[title] = "".join(answer for _, answer in asked) or paragraph("Nothing to ask about.")
    (out / "key.html").write_text(page("Key", [f"For the teacher. Seed {seed}."], key), encoding="utf-8")
    return f"{len(found)} pages and key.html in {out}"


def questions(submission: Submission, sheets: tuple[Sheet, ...], rng: np.random.Generator) -> list[tuple[str, str]]:
    """(question, answer) as HTML, at most three, from different exercises where there are so many."""
    asked: list[tuple[str, str]] = []
    handed_out = as_handed_out(submission, sheets, lambda number, variant: sheet_of(number, PUBLIC, variant))
    mine = [sheet for sheet in handed_out if submission.files.get(sheet.id, (None, ""))[0]]
    with Process() as process:
        for index in rng.permutation(len(mine)):
            if len(asked) == QUESTIONS:
                break
            sheet = mine[index]
            text = submission.files[sheet.id][0]
            assert text is not None
            result = grade_source(sheet, text, process)
            if result.ended or not result.earned:
                continue
            for changed, was, becomes, line in _shuffled(list(mutants(text)), rng):
                after = process.run(sheet.id, changed, sheet.names, sheet.given, sheet.plays())
                case = _altered(sheet, result.outcomes, after)
                if case is None:
                    continue
                asked.append(_written(sheet, case, result.outcomes[case], after[case], was, becomes, line))
                break
    return asked


def _shuffled(items: list[Any], rng: np.random.Generator) -> list[Any]:
    return [items[i] for i in rng.permutation(len(items))][:12]


def mutants(text: str) -> Iterator[tuple[str, str, str, int]]:
    """(changed source, statement before, statement after, line): an operator, an axis or a keepdims is changed."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    spots = [
        (s, n)
        for s in ast.walk(tree)
        if isinstance(s, (ast.Assign, ast.AugAssign, ast.Return, ast.AnnAssign))
        for n in ast.walk(s)
    ]
    for statement, node in spots:
        kept = copy.copy(vars(node))
        before = ast.unparse(statement)
        if (isinstance(node, ast.BinOp) and type(node.op) in SWAPS) or (
            isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub))
        ):
            node.op = SWAPS[type(node.op)]()
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            node.ops = [SWAPS[type(node.ops[0])]()]
        elif isinstance(node, ast.Call) and any(k.arg == "keepdims" for k in node.keywords):
            node.keywords = [k for k in node.keywords if k.arg != "keepdims"]
        elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(0 if node.value.value else 1)
        else:
            continue
        yield ast.unparse(tree), before, ast.unparse(statement), statement.lineno
        vars(node).update(kept)


def _altered(sheet: Sheet, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> int | None:
    """The smallest case whose outcome the change alters, without an endless loop or the like."""
    if any(outcome.get("ended") for outcome in after):
        return None
    changed = [
        i
        for i, (a, b) in enumerate(zip(before, after, strict=True))
        if a["results"] and not a["error"] and (b["error"] or not all(map(same, a["results"], b["results"])))
    ]
    return min(changed, key=lambda i: size_of(sheet.cases[i].calls), default=None)


def _written(
    sheet: Sheet, case: int, before: dict[str, Any], after: dict[str, Any], was: str, becomes: str, line: int
) -> tuple[str, str]:
    error = re.sub(r" \(line \d+\)", "", after["error"] or "")  # a line of what was unparsed, not of the file
    after = after | {"printed": "", "error": error}
    asked = copy.copy(sheet)
    asked.cases = [Case(c.property, c.calls, before["results"]) if i == case else c for i, c in enumerate(sheet.cases)]
    numbers = shown(asked, case, after).replace("expected ", "as it is ").replace("got      ", "changed  ")
    only_before = shown(asked, case, before | {"printed": ""}).replace("expected ", "gives    ")
    kept, skip = [], False
    for text in only_before.splitlines():
        skip = text.startswith("      got") or (skip and text.startswith(" " * 15))
        if not skip:
            kept.append(text)
    question = paragraph(f"Exercise {sheet.number}, {sheet.title}. Line {line} of your file reads") + code(was)
    question += (
        paragraph("and your code gives") + code("\n".join(kept)) + paragraph("What comes out when that line reads")
    )
    question += code(becomes) + paragraph("and why?")
    answer = paragraph(f"Exercise {sheet.number}, line {line}") + code(f"{was}\nbecomes\n{becomes}") + code(numbers)
    return question, answer
