"""The pages that grading writes: one a student, and one for the class, without names."""

from __future__ import annotations

from collections import Counter
from typing import Any

from minnet.formatting import count, percent
from minnet.page import code, note, page, paragraph, table
from tutorials.exercises.diagnosis import FACTS
from tutorials.exercises.sheet import HOLDS, NO_RESULT, NOT_JUDGED, NOT_YET, Sheet, in_short, is_stub
from tutorials.exercises.submissions import EMPTY, UNTOUCHED

MARKS = {HOLDS: "✓", NOT_YET: "✗", NO_RESULT: "✗", NOT_JUDGED: "?"}


def student_page(record: dict[str, Any], comment: str, seed: int) -> str:
    """What one student reads: points, what is broken in which exercise, and what probably went wrong."""
    exercises = record["exercises"]
    overview = table(
        "Points, exercise by exercise",
        ["Exercise", "Points", "Of", "First thing to look at"],
        [[f"{e['number']} {e['title']}", f"{e['earned']:g}", f"{e['points']:g}", _first(e)] for e in exercises]
        + [["All", f"{record['earned']:g}", f"{record['points']:g}", ""]],
        numeric=(1, 2),
        sums=1,
    )
    sections = {"Overview": overview}
    if comment:
        sections["Your teacher's comment"] = paragraph(comment)
    for e in exercises:
        if e["earned"] == e["points"] or is_unwritten(e):
            continue
        rows = [
            [
                f"{MARKS[p['state']]} {p['state']}",
                p["sentence"],
                f"{p['earned']:g} of {p['points']:g}",
                p["problem"],
            ]
            for p in e["properties"]
        ]
        body = paragraph(f"What probably went wrong: {e['diagnosis']}") if e["diagnosis"] else ""
        body += table(
            f"What exercise {e['number']} checks", ["", "Property", "Points", "What came"], rows, numeric=(2,)
        )
        body += code(f"python -m tutorials.exercises check {e['number']} --example")
        sections[f"{e['number']} {e['title']}"] = body
    done = sum(e["earned"] == e["points"] for e in exercises)
    lead = [
        f"{record['earned']:g} of {record['points']:g} points; {done} of {count(len(exercises), 'exercise')} complete.",
        f"Graded on hidden cases of seed {seed}, the same for the whole class. The answers ran in a process "
        "of their own, with numpy alone.",
    ]
    if record["notes"]:
        lead.append("Note: " + "; ".join(record["notes"]) + ".")
    return page(record["name"], lead, sections)


def is_unwritten(e: dict[str, Any]) -> bool:
    """Whether no file was handed in, or one in which nothing was written or, where a bug is to be found, changed.

    A whole archive has one for each exercise.
    """
    nothing = "handed in" in e["ended"] or e["ended"] in (UNTOUCHED, EMPTY)
    return nothing or is_stub(p["problem"] for p in e["properties"])


def stopped(record: dict[str, Any]) -> list[str]:
    """Of which exercises nothing came, or not all, and why: "e01_softmax: SyntaxError (line 4): expected ':'"."""
    return [f"{e['id']}: {_stopped(e)}" for e in record["exercises"] if _stopped(e) and not is_unwritten(e)]


def _stopped(e: dict[str, Any]) -> str:
    """Why an answer did not run to the end: its process ended, or every case did in an error; "" if it ran."""
    ran = any(p["state"] != NO_RESULT for p in e["properties"])
    return e["ended"] or ("" if ran else e["properties"][0]["problem"])


def _first(e: dict[str, Any]) -> str:
    if e["ended"]:
        return e["ended"]
    if is_unwritten(e):
        return "nothing is written yet"
    broken = sorted((p for p in e["properties"] if p["problem"]), key=lambda p: p["state"] == NOT_JUDGED)
    if e["diagnosis"] or not broken:
        return e["diagnosis"]
    return in_short(*(broken[0][part] for part in ("state", "sentence", "problem")))


def class_page(records: list[dict[str, Any]], sheets: tuple[Sheet, ...], seed: int, missing: int | None) -> str:
    """What the teacher shows the class: how the exercises went and which mistakes are common; nobody is named."""
    n = len(records)
    rows, common = [], []
    for index, sheet in enumerate(sheets):
        column = [record["exercises"][index] for record in records]
        full = sum(e["earned"] == e["points"] for e in column)
        unwritten = sum(map(is_unwritten, column))
        mean = sum(e["earned"] for e in column) / max(n, 1) / sheet.points
        rows.append([f"{sheet.number} {sheet.title}", percent(mean), percent(full / max(n, 1)), unwritten])
        seen = Counter(id for e in column for id in e["mistakes"])
        sentences = {**FACTS, **sheet.sentences}
        common += [
            (times, f"{sheet.number} {sheet.title}", sentences[id]) for id, times in seen.items() if id in sentences
        ]
    common.sort(key=lambda item: -item[0])
    sections = {
        "Exercises": table(
            "How each exercise went",
            ["Exercise", "Mean of the points", "Complete", "Nothing written"],
            rows,
            numeric=(1, 2, 3),
        ),
        "Common mistakes": table(
            "Mistakes that the numbers show, the most frequent first",
            ["Exercise", "Students", "Mistake"],
            [[title, times, sentence] for times, title, sentence in common[:25]],
            numeric=(1,),
        )
        if common
        else note("No known mistake was recognised."),
    }
    unknown = [
        e
        for r in records
        for e in r["exercises"]
        if e["earned"] < e["points"] and not e["mistakes"] and not is_unwritten(e)
    ]
    halted = sum(bool(_stopped(e)) for e in unknown)
    lead = [
        f"{count(n, 'submission')}, {count(len(sheets), 'exercise')}; mean "
        f"{percent(sum(r['earned'] for r in records) / max(sum(r['points'] for r in records), 1))} of the points.",
        f"{count(len(unknown) - halted, 'wrong answer')} could not be explained by a known mistake, and "
        f"{count(halted, 'answer')} did not run to the end (an error, a forbidden import, the time limit). "
        f"{'' if missing is None else f'{missing} on the roster handed nothing in. '}Seed {seed}.",
    ]
    return page("How the class did", lead, sections)
