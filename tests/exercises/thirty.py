"""Makes a class of thirty (right, wrong, hostile; in the formats of three systems), grades it, and times it.

python -m tests.exercises.thirty --out FOLDER [--jobs 2]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import zipfile
from pathlib import Path

from minnet.commands import one_line_errors, positive
from tests.exercises.answers import right, wrong
from tests.exercises.hostile import HOSTILE
from tutorials.exercises import learner
from tutorials.exercises.classroom import grade_class
from tutorials.exercises.specs import exercises
from tutorials.exercises.variants import variant_of

HOSTILE_ONES = [title for title in HOSTILE if title not in ("memory", "huge answer")]


def make(place: Path, students: int = 30, seed: int = 0) -> None:
    """A third comes as Canvas' zip, a third as Moodle's, a third as GitHub Classroom's folders, side by side.

    In each a third of the students have right answers in many styles, a third some wrong ones and bugs that were not
    found, a third one hostile answer.
    """
    rng = random.Random(seed)
    checkpoints = networks()
    place.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place / "canvas.zip", "w") as canvas, zipfile.ZipFile(place / "moodle.zip", "w") as moodle:
        for i in range(students):
            name = f"Student {i:02}"
            files = answers(name, i // 3 % 3, i // 9, rng)
            for j, (id, source) in enumerate(files.items()):
                mine = {f"{id}.py" if i % 2 else f"{id[4:]} ({rng.randint(1, 3)}).py": encoded(source, i)}
                if id in checkpoints:
                    mine[f"{id}.ckpt"] = checkpoints[id]
                for title, data in mine.items():
                    if i % 3 == 0:
                        path = f"student{i:02}_{1000 + i}_{9000 + 50 * i + j}_{title}"
                        canvas.writestr(path, data)
                        canvas.writestr(f"__MACOSX/._{path}", b"\0\1\2")
                    elif i % 3 == 1:
                        moodle.writestr(f"{name}_{5000 + i}_assignsubmission_file_/{title}", data)
                    else:
                        file = place / f"exercises-student{i:02}" / "tutorials" / "exercises" / title
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.write_bytes(data)


def answers(name: str, kind: int, place: int, rng: random.Random) -> dict[str, str]:
    """One student's files by exercise, in the variant that belongs to the name; kind 0 right, 1 wrong, 2 hostile."""
    mine = [exercise.of(variant_of(name)) for exercise in exercises()]
    files = {e.id: (f"VARIANT = {e.variant}\n" if e.variants else "") + e.solution() for e in mine}
    if kind == 0:
        files.update({id: source for id, _, source in right() if rng.random() < 0.3})
    if kind == 1:
        files.update({id: source for id, _, _, source in wrong() if rng.random() < 0.15})
        files.update({e.id: e.stub for e in mine if e.planted and rng.random() < 0.3})
    if kind == 2:
        files["e01_softmax"] = HOSTILE[HOSTILE_ONES[(place * 7 + rng.randint(0, 6)) % len(HOSTILE_ONES)]][0]
    return files


def encoded(source: str, i: int) -> bytes:
    """As editors on several systems write a file."""
    if i % 5 == 0:
        return source.replace("\n", "\r\n").encode("utf-8-sig")
    return ("# 指数\n" + source).encode("gbk") if i % 5 == 1 and source.isascii() else source.encode()


def networks() -> dict[str, bytes]:
    """The checkpoints of the exercises that ask for one."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for exercise in exercises():
            if exercise.budget is not None:
                path = Path(folder) / f"{exercise.id}.py"
                path.write_text(exercise.solution(), encoding="utf-8")
                learner.train(Path(folder), exercise.number)
                found[exercise.id] = path.with_suffix(learner.CHECKPOINT).read_bytes()
    return found


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=positive, default=2)
    args = parser.parse_args()
    make(args.out / "exports")
    start = time.perf_counter()
    found = grade_class(args.out / "exports", args.out / "graded", seed=7, jobs=args.jobs, seconds=2)
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
