"""A printable sheet for every student with numbers of their own, and the keys on a page apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minnet import reference
from minnet.page import page, paragraph, table
from tutorials.exercises.roster import read_roster


def write_papers(roster: Path, out: Path, seed: int) -> str:
    """OUT/NUMBER.html for everybody on the roster and OUT/key.html; returns what was written."""
    rows = read_roster(roster)
    out.mkdir(parents=True, exist_ok=True)
    keys = []
    for number, row in enumerate(rows, 1):
        sections, answers = tasks(np.random.default_rng([seed, number]))
        lead = [f"Sheet {number}. With pencil and a pocket calculator; three decimals are enough.", "Date:"]
        sections = {title: task + paragraph("Answer: " + "_" * 40) for title, task in sections.items()}
        (out / f"{number:03}.html").write_text(page(row["name"], lead, sections), encoding="utf-8")
        keys.append([row["name"], number, *answers])
    columns = ["Name", "Sheet", "1 softmax", "2 p - t", "3 shape", "4 multiply-adds", "5 F1 of class 1"]
    key = page("Key", [f"For the teacher. Seed {seed}."], {"Answers": table("One line a student", columns, keys)})
    (out / "key.html").write_text(key, encoding="utf-8")
    return f"{len(rows)} sheets and key.html in {out}"


def tasks(rng: np.random.Generator) -> tuple[dict[str, str], list[str]]:
    """(the sheet's sections, the answers): the numbers come from `rng`."""
    z = rng.permutation([rng.integers(-2, 1), rng.integers(1, 3), rng.integers(3, 5)]).astype(float)
    label = int(rng.integers(0, 3))
    p = reference.softmax(z[None])[0]
    d = reference.cross_entropy_backward(z[None], [label])[0]
    side, kernel, stride, padding = (
        int(rng.integers(20, 65)),
        int(rng.choice([3, 5, 7])),
        int(rng.integers(1, 4)),
        int(rng.integers(0, 3)),
    )
    c, k = int(rng.integers(1, 5)), int(rng.integers(4, 17))
    out = (side + 2 * padding - kernel) // stride + 1
    tp, fp, fn, tn = (int(v) for v in rng.integers(2, 40, 4))
    sections = {
        "1 Softmax": paragraph(f"The scores of one example are {_row(z, 0)}. What are the probabilities?"),
        "2 The error": paragraph(
            f"The truth is class {label} (counted from 0). With L = -log p of that class, what is dL/dz?"
        ),
        "3 A shape": paragraph(
            f"A convolution with {k} filters of {kernel}x{kernel}, stride {stride} and padding {padding} looks at an "
            f"image (1, {side}, {side}, {c}). Which shape comes out?"
        ),
        "4 Its cost": paragraph("How many multiplications does it take, counting those with the padding?"),
        "5 F1": table(
            "Predictions against the truth",
            ["Truth", "predicted 1", "predicted 0"],
            [["1", tp, fn], ["0", fp, tn]],
            (1, 2),
        )
        + paragraph("What is F1 of class 1?"),
    }
    answers: list[Any] = [
        _row(p),
        _row(d),
        f"(1, {out}, {out}, {k})",
        f"{out * out * k * kernel * kernel * c:,}",
        f"{2 * tp / (2 * tp + fp + fn):.3f}",
    ]
    return sections, answers


def _row(values: Any, digits: int = 3) -> str:
    return ", ".join(f"{v:.{digits}f}" for v in values)
