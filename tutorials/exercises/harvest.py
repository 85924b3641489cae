"""Frequent wrong answers that no known mistake explains: candidates for new ones, without names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import Process
from tutorials.exercises.specs import chosen, sheet_of
from tutorials.exercises.submissions import as_handed_out, read_submissions


def harvest(place: Path, seed: int, numbers: list[int] | None = None, seconds: float = 5.0, at_least: int = 2) -> str:
    """Groups of at least so many answers with the same wrong numbers and no diagnosis, the largest first, as lines."""
    sheets = tuple(sheet_of(e.number, seed) for e in chosen(numbers))
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for submission in read_submissions(place, sheets).values():
        with Process(seconds) as process:
            for sheet in as_handed_out(submission, sheets, lambda number, variant: sheet_of(number, seed, variant)):
                text = submission.files.get(sheet.id, (None, ""))[0]
                if text is None:
                    continue
                result = grade_source(sheet, text, process)
                came = any(outcome["results"] for outcome in result.outcomes)
                if result.broken and came and not result.mistakes and not result.ended:
                    groups[sheet.id, _mark(result.outcomes)].append(
                        f"{result.broken.state}: {result.broken.property.sentence}: {result.broken.problem}"
                    )
    common = sorted(((len(v), k[0], v[0]) for k, v in groups.items() if len(v) >= at_least), reverse=True)
    if not common:
        return "no wrong answer without a diagnosis was handed in twice"
    return "\n".join(f"{times} answers to {id} give the same wrong numbers; {first}" for times, id, first in common)


def _mark(outcomes: list[dict[str, Any]]) -> str:
    """Equal for answers that agree to three digits."""

    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            return [list(value.shape), [f"{v:.3g}" for v in value.ravel().astype(float)]]
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    text = repr([[plain(o["results"]), (o["error"] or "").partition(":")[0].partition(" (line")[0]] for o in outcomes])
    return hashlib.sha256(text.encode()).hexdigest()
