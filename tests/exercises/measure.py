"""Grades the answers in tests/exercises/answers/ and prints how often the diagnosis was right, wrong, or withheld.

python -m tests.exercises.measure [--seed N] [--writers third fourth] [--list]
"""

from __future__ import annotations

import argparse
from typing import Any

from minnet.commands import one_line_errors, seed
from tests.exercises.answers import WRITERS, right, wrong
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import Process
from tutorials.exercises.sheet import Result
from tutorials.exercises.specs import exercises


def measure(seed: int | str, *writers: str) -> dict[str, Any]:
    """Every answer's result; how many right ones are marked down, and wrong ones named, half, wrongly, not at all."""
    sheets = {e.id: e.sheet(seed) for e in exercises()}
    rows: list[tuple[str, str, tuple[str, ...], Result, str]] = []
    with Process(60) as process:
        for id, title, source in right(*writers):
            result = grade_source(sheets[id], source, process)
            rows.append((id, title, (), result, "full marks" if result.earned == result.points else "marked down"))
        for id, title, slugs, source in wrong(*writers):
            result = grade_source(sheets[id], source, process)
            rows.append((id, title, slugs, result, _kind(slugs, result)))
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[4]] = counts.get(row[4], 0) + 1
    wrongs = [row[2] for row in rows if row[2]]
    have_a_name = sum(set(slugs) != {"?"} for slugs in wrongs)
    sizes = {"right": len(rows) - len(wrongs), "wrong": len(wrongs), "have a name": have_a_name}
    return {"rows": rows, "counts": counts, **sizes}


def _kind(slugs: tuple[str, ...], result: Result) -> str:
    """slugs: as in answers/names.py, "a|b" for either and "?" for what no known mistake describes."""
    if result.earned == result.points:
        return "not noticed"
    known = [set(slug.split("|")) for slug in slugs if slug != "?"]
    named = set(result.mistakes)
    if not named:
        return "abstained" if known else "rightly silent"
    if named - set().union(*known):
        return "named wrongly"
    return "named" if all(named & either for either in known) else "named one of two"


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=seed, default=None, help="of hidden cases; the public ones without it")
    parser.add_argument("--writers", nargs="+", choices=WRITERS, default=[], help="whose answers; all without it")
    parser.add_argument("--list", action="store_true", help="each answer on a line")
    args = parser.parse_args()
    found = measure("public" if args.seed is None else args.seed, *args.writers)
    for id, title, slugs, result, kind in found["rows"]:
        if args.list or kind in ("marked down", "not noticed", "named wrongly"):
            said = ", ".join(result.mistakes) or "-"
            print(f"{kind:16} {id:22} {title}: {' '.join(slugs) or '-'} | {said} | {result.earned}/{result.points}")
            if kind in ("marked down", "abstained"):
                print(*(f"      {v.property.name}: {v.problem}" for v in result.verdicts if v.problem), sep="\n")
    core = [e for e in exercises() if e.core]
    known = sum(len(e.mistakes) for e in exercises())
    minutes = sum(e.minutes for e in core)
    print(f"{len(exercises())} exercises, {len(core)} core ({minutes} minutes), {known} known mistakes")
    doubles = sum(len(row[2]) == 2 for row in found["rows"])
    print(f"{found['right']} right answers, {found['wrong']} wrong ones ({doubles} with two mistakes)")
    print(f"{found['have a name']} wrong ones have a known mistake, {found['counts'].get('named', 0)} are named")
    for kind, count in sorted(found["counts"].items()):
        of = found["right"] if kind in ("full marks", "marked down") else found["wrong"]
        print(f"{kind:18}{count:4}  {100 * count / of:5.1f} %")


if __name__ == "__main__":
    main()
