"""What Gradescope runs: grades the one submission in ROOT/submission and writes ROOT/results/results.json."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from tutorials.exercises.files import in_folder, in_zip
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.sheet import Result, from_bytes
from tutorials.exercises.submissions import Submission, add, answer_of, as_handed_out, settle


def run(root: Path, sheets_file: Path = HERE / "hidden.sheets") -> dict[str, Any]:
    """The results of the submission under `root`, as written to results/results.json."""
    start = time.perf_counter()
    every = from_bytes(sheets_file.read_bytes())
    others = tuple(sheet for sheet in every if not sheet.cases)  # not graded here, and no strangers
    variants = {(sheet.number, sheet.variant): sheet for sheet in every if sheet.cases}
    sheets = tuple(sheet for (_, variant), sheet in variants.items() if variant == 0)
    submission = Submission("submission", "submission")
    for name, content in in_folder(root / "submission"):
        if name.lower().endswith(".zip"):
            try:
                for inner, data in in_zip(content, name):
                    add(submission, inner, data, sheets, others)
            except ValueError as problem:
                submission.notes.append(str(problem))
        else:
            add(submission, name, content, sheets, others)
    settle(submission, sheets)
    with Process() as process:
        graded = []
        for sheet in as_handed_out(submission, sheets, lambda number, variant: variants.get((number, variant))):
            text, reason = answer_of(submission, sheet.id)
            graded.append(grade_source(sheet, text, process, reason))
    results = {
        "score": round(sum(result.earned for result in graded), 2),
        "execution_time": round(time.perf_counter() - start, 2),
        "output": "\n".join(submission.notes),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [test for result in graded for test in _tests(result)],
    }
    place = root / "results"
    place.mkdir(parents=True, exist_ok=True)
    (place / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def _tests(result: Result) -> list[dict[str, Any]]:
    tests = []
    for index, verdict in enumerate(result.verdicts, 1):
        first = verdict is result.broken
        said = [verdict.problem] if verdict.problem else []
        said += [result.diagnosis] if first and result.diagnosis else []
        tests.append(
            {
                "score": verdict.earned,
                "max_score": verdict.property.points,
                "status": "failed" if verdict.problem else "passed",
                "name": f"{result.title}: {verdict.property.sentence}",
                "number": f"{result.number}.{index}",
                "output": "\n".join(said),
                "tags": [result.id],
                "visibility": "visible",
            }
        )
    return tests


if __name__ == "__main__":
    run(Path(sys.argv[1] if len(sys.argv) > 1 else "/autograder"))
