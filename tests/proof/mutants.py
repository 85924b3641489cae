"""Where mistakes can be planted in the library's files, and what each looks like.

Cosmic Ray (the extra [proof]) finds the places and writes the mistakes: another operator, another number, a condition
turned around. At each place one of its variants is drawn.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")


@dataclass(frozen=True)
class Mutant:
    target: str
    operator: str
    occurrence: int
    line: int

    @property
    def path(self) -> Path:
        return ROOT / "minnet" / f"{self.target}.py"

    def code(self) -> str:
        """The whole file with the mistake in it."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        code = mutate_code(self.path.read_text(), get_operator(self.operator)(), self.occurrence)
        if code is None:
            raise ValueError(f"Cosmic Ray finds no place for {self}")
        return code

    def __str__(self) -> str:
        """Where it stands and what it changes: 'functional.softmax: `s /= total` → `s *= total`'."""
        source, changed = self.path.read_text(), self.code()
        old, new = source.splitlines(), changed.splitlines()
        place = self.target.replace("/", ".") + _inside(source, self.line)
        if len(old) != len(new):  # a decorator less: the line below it says whose
            return f"{place}: `{old[self.line - 1].strip()}` over `{old[self.line].strip()}` → nothing"
        first = next(i for i, (before, after) in enumerate(zip(old, new, strict=True)) if before != after)
        return f"{place}: `{old[first].strip()}` → `{new[first].strip()}`"


def mutants(target: str, seed: int) -> list[Mutant]:
    """One mutant for each place in the file where Cosmic Ray sees one, annotations left out, in random order."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    rng = random.Random(f"{seed} {target}")
    source = (ROOT / "minnet" / f"{target}.py").read_text()
    tree, skipped = get_ast(source), list(_annotations(source))
    variants: dict[tuple[object, ...], list[Mutant]] = {}
    for name in sorted(operator_names()):
        operator_class = get_operator(name)
        if operator_class.arguments() or name.endswith(("_Is", "_IsNot")):  # `is` for `==` finds nothing but small ints
            continue
        operator = operator_class()
        places = ((start, end) for node in ast_nodes(tree) for start, end in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in skipped):
                family = name.split("_")[0]
                variants.setdefault((family, start, end), []).append(Mutant(target, name, occurrence, start[0]))
    drawn = [rng.choice(variants[place]) for place in sorted(variants, key=str)]
    rng.shuffle(drawn)
    return drawn


def equivalents() -> dict[str, str]:
    """Mutants that change nothing that anyone could see, and why: `str(mutant)` → the reason."""
    reasons: dict[str, str] = {}
    waiting: list[str] = []
    for line in EQUIVALENT.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):  # several mutants may share the reason that follows them
            waiting = [key for key in waiting if key not in reasons]
            waiting.append(line.strip())
        else:
            reasons.update({key: f"{reasons.get(key, '')} {line.strip()}".strip() for key in waiting})
    return reasons


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types stand: they are never evaluated."""
    for node in ast.walk(ast.parse(source)):
        for field in ("annotation", "returns"):
            found = getattr(node, field, None)
            if found is not None:
                yield (found.lineno, found.col_offset), (found.end_lineno, found.end_col_offset)


def _inside(source: str, line: int) -> str:
    """'.Class.function' around a line."""
    name = ""
    nodes: list[ast.stmt] = ast.parse(source).body
    while nodes:
        node = next((n for n in nodes if n.lineno <= line <= (n.end_lineno or n.lineno)), None)
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            break
        name += f".{node.name}"
        nodes = node.body
    return name
