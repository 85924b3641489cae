"""Find the bug: the solution with one planted mistake is what a student gets; which one follows from the variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tutorials.exercises.frame import SOLUTIONS, Check, Exercise, Mistake
from tutorials.exercises.variants import VARIANTS

HEAD = '''"""Exercise {number}. Find the bug: {title} ({minutes} minutes, {difficulty}).

One thing in the code below is not as its docstring says (mostly one line, at most two that belong together). Find it
with small inputs of your own, by printing shapes and numbers, and mend it; there are no points before the bug is gone.
Students have different bugs.
Check with: python -m tutorials.exercises check {number}
"""

import numpy as np

VARIANT = {variant}  # which bug is planted: leave it as it is
'''


@dataclass
class Planted(Mistake):
    """A mistake as a change of the solution's text: `old` becomes `new`."""

    old: str = ""
    new: str = ""


def find_the_bug(
    id: str,
    title: str,
    minutes: int,
    difficulty: str,
    names: Sequence[str],
    truth: dict[str, Any],
    checks: Sequence[Check],
    planted: Sequence[Planted],
    variant: int = 0,
    others: Sequence[Planted] = (),
) -> Exercise:
    """The exercise of one variant. Mistakes are planted in turn, from a different one on in every exercise.

    others: mistakes that are recognised, but planted nowhere.
    """
    solution = (SOLUTIONS / f"{id}.py").read_text(encoding="utf-8")

    def wrong(mistakes: frozenset[str]) -> dict[str, Any]:
        text = solution
        for mistake in (*planted, *others):
            if mistake.id in mistakes:
                text = text.replace(mistake.old, mistake.new)
        names: dict[str, Any] = {"np": np}
        exec(compile(text, id, "exec"), names)
        return names

    number = int(id[1:3])
    bug = planted[int(np.random.default_rng([number, variant]).permutation(VARIANTS)[0]) % len(planted)]
    shown = "".join(line + "\n" for line in solution.splitlines() if not line.lstrip().startswith("# "))
    head = HEAD.format(
        number=number, title=title[0].lower() + title[1:], minutes=minutes, difficulty=difficulty, variant=variant
    )
    return Exercise(
        id,
        f"Find the bug: {title[0].lower() + title[1:]}",
        minutes,
        difficulty,
        names,
        truth,
        checks,
        [*planted, *others],
        wrong,
        variant=variant,
        variants=lambda v: find_the_bug(id, title, minutes, difficulty, names, truth, checks, planted, v, others),
        stub=head + shown.removeprefix("import numpy as np\n").replace(bug.old, bug.new),
        planted=bug.id,
    )
