"""Makes a class of thirty submissions (right, wrong, hostile; Canvas' format), grades it, and says how long it took.

python -m tests.exercises.thirty --out FOLDER [--jobs 2]
"""

from __future__ import annotations

import argparse
import random
import time
import zipfile
from pathlib import Path

from tests.exercises.answers import right, wrong
from tests.exercises.hostile import HOSTILE
from tutorials.exercises.classroom import grade_class
from tutorials.exercises.runner import HERE

HOSTILE_ONES = [title for title in HOSTILE if title not in ("memory", "huge answer")]


def make(path: Path, students: int = 30, seed: int = 0) -> None:
    """A Canvas export: a third of the students have right answers, a third some wrong ones, a third one hostile one."""
    rng = random.Random(seed)
    solutions = {p.stem: p.read_text(encoding="utf-8") for p in sorted((HERE / "solutions").glob("e*.py"))}
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(students):
            files = dict(solutions)
            files.update({id: source for id, _, source in right() if i % 3 == 0 and rng.random() < 0.3})
            files.update({id: source for id, _, _, source in wrong() if i % 3 == 1 and rng.random() < 0.15})
            if i % 3 == 2:
                files["e01_softmax"] = HOSTILE[HOSTILE_ONES[i // 3 * 3 % len(HOSTILE_ONES)]][0]
            for j, (id, source) in enumerate(files.items()):
                name = f"{id}.py" if i % 2 else f"{id[4:]} ({rng.randint(1, 3)}).py"
                data = source.replace("\n", "\r\n").encode("utf-8-sig") if i % 5 == 0 else source.encode()
                archive.writestr(f"student{i:02}_{1000 + i}_{9000 + 50 * i + j}_{name}", data)
                archive.writestr(f"__MACOSX/._student{i:02}_{1000 + i}_{9000 + 50 * i + j}_{name}", b"\0\1\2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    make(args.out / "submissions.zip")
    start = time.perf_counter()
    found = grade_class(args.out / "submissions.zip", args.out / "graded", seed=7, jobs=args.jobs, seconds=2)
    seconds = time.perf_counter() - start
    results = [e for record in found["records"].values() for e in record["exercises"]]
    print(
        f"{len(found['records'])} submissions, {len(results)} answers graded in {seconds:.0f} s with {args.jobs} jobs"
    )
    print(
        f"{sum(e['earned'] == e['points'] for e in results)} right, {sum(bool(e['mistakes']) for e in results)} with "
        f"a diagnosis, {sum(bool(e['ended']) for e in results)} ended early"
    )


if __name__ == "__main__":
    main()
