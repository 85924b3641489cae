"""Plants mistakes in the library one at a time and runs its tests on each: a mistake that no test notices survives.

    python -m tests.proof.mutation --sample 1500

Cosmic Ray (the extra [proof]) finds the places and writes the mistakes: another operator, another number, a condition
turned around. At each place one of its variants is drawn, and of all places a sample, both from a fixed seed. Cosmic
Ray's own runner edits the files on the disk and starts a Python for every mistake; here a process that has imported
NumPy and pytest is forked instead, and the mistake lives in the child's memory only: nothing on the disk ever changes.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CPU_SECONDS, WALL_SECONDS = 40, 600  # after this, a mistake counts as noticed: an endless loop


def contract(*names: str) -> list[str]:
    return [f"tests/test_layers_contract.py::test_contract[{name}]" for name in names]


# The files to change, and the tests that answer for each, the most direct first.
TARGETS = {
    "functional": ["tests/test_functional.py", "tests/test_losses.py"],
    "kernels": ["tests/test_kernels.py"],
    "winograd": ["tests/test_kernels.py"],
    "losses": ["tests/test_losses.py"],
    "layers/activations": ["tests/test_layers.py", *contract("ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "Scale")],
    "layers/attention": ["tests/test_layers.py", *contract("AttentionPool", "MaskedSequential")],
    "layers/base": ["tests/test_layers.py", *contract("Sequential", "Linear", "Linear on CSR")],
    "layers/containers": ["tests/test_layers.py", *contract("Residual", "Parallel", "MaskedSequential")],
    "layers/conv": ["tests/test_layers.py", "tests/test_kernels.py", *contract("Conv2d", "Conv2d by Winograd")],
    "layers/dropout": ["tests/test_layers.py", *contract("Dropout")],
    "layers/embedding": ["tests/test_layers.py", *contract("Embedding", "EmbeddingBag")],
    "layers/linear": ["tests/test_layers.py", *contract("Linear", "Linear on CSR")],
    "layers/normalization": [
        "tests/test_layers.py",
        *contract("BatchNorm", "LayerNorm", "Normalize"),
        "tests/test_kernels.py",
        "tests/test_workers.py",
    ],
    "layers/pooling": [
        "tests/test_layers.py",
        "tests/test_kernels.py",
        *contract("MaxPool2d", "AvgPool2d", "GlobalMaxPool", "GlobalAvgPool"),
    ],
    "layers/reshape": ["tests/test_layers.py", *contract("Flatten", "Reshape")],
    "layers/softmax": ["tests/test_layers.py", *contract("Softmax")],
    "optimizers": ["tests/test_optimizers.py"],
    "updates": ["tests/test_optimizers.py"],
    "schedules": ["tests/test_schedules.py"],
    "initializers": [
        "tests/test_initializers.py",
        "tests/test_models.py::test_whitening_makes_patches_uncorrelated",
    ],
    "metrics": ["tests/test_metrics.py"],
    "intervals": ["tests/test_metrics.py"],
    "calibration": ["tests/test_metrics.py"],
    "gradcheck": ["tests/test_gradcheck.py", "tests/test_layercheck.py"],
    "differences": ["tests/test_gradcheck.py"],
    "diagnosis": ["tests/test_gradcheck.py"],
    "layercheck": ["tests/test_layercheck.py"],
}


class Mistake(NamedTuple):
    target: str
    operator: str
    occurrence: int
    line: int

    @property
    def path(self) -> Path:
        return ROOT / "minnet" / f"{self.target}.py"


def mistakes(target: str, rng: random.Random) -> list[Mistake]:
    """One mistake for each place in the file where Cosmic Ray sees one, annotations left out."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / "minnet" / f"{target}.py").read_text()
    tree, skipped = get_ast(source), list(_annotations(source))
    variants: dict[tuple[object, ...], list[Mistake]] = {}
    for name in sorted(operator_names()):
        operator_class = get_operator(name)
        if operator_class.arguments() or name.endswith(("_Is", "_IsNot")):  # `is` for `==` finds nothing but small ints
            continue
        operator = operator_class()
        places = ((start, end) for node in ast_nodes(tree) for start, end in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in skipped):
                family = name.split("_")[0]
                variants.setdefault((family, start, end), []).append(Mistake(target, name, occurrence, start[0]))
    return [rng.choice(variants[place]) for place in sorted(variants, key=str)]


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types stand: they are never evaluated."""
    for node in ast.walk(ast.parse(source)):
        for field in ("annotation", "returns"):
            found = getattr(node, field, None)
            if found is not None:
                yield (found.lineno, found.col_offset), (found.end_lineno, found.end_col_offset)


def mutated(mistake: Mistake) -> str:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    code = mutate_code(mistake.path.read_text(), get_operator(mistake.operator)(), mistake.occurrence)
    assert code is not None, mistake
    return code


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a changed source."""

    def __init__(self, name: str, path: Path, code: str) -> None:
        self.name, self.path, self.code = name, path, code

    def find_spec(self, fullname, path=None, target=None):
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def get_filename(self, fullname):
        return str(self.path)

    def get_data(self, path):
        return self.code.encode()


def run(target: str, code: str | None) -> tuple[str, float]:
    """("noticed", "endless" or "survived"; CPU seconds) of the target's tests with its source replaced by `code`."""
    import pytest

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        if code is not None:
            name = "minnet." + target.replace("/", ".")
            sys.meta_path.insert(0, _Planted(name, ROOT / "minnet" / f"{target}.py", code))
        status = 1
        try:
            warned = "ignore::pytest.PytestAssertRewriteWarning"  # of Hypothesis, which is there already
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-W", warned, *TARGETS[target]])
        finally:
            os._exit(int(status))
    deadline = time.monotonic() + WALL_SECONDS
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if os.WIFSIGNALED(status):
        return "endless", spent
    return ("survived" if os.WEXITSTATUS(status) == 0 else "noticed"), spent


def difference(mistake: Mistake, code: str) -> str:
    old, new = mistake.path.read_text().splitlines(), code.splitlines()
    for before, after in zip(old, new, strict=False):
        if before != after:
            return f"`{before.strip()}` → `{after.strip()}`"
    return "(a line less)"


def main() -> int:
    parser = argparse.ArgumentParser(description="Plant mistakes in minnet and see whether the tests notice.")
    parser.add_argument("--sample", type=int, default=1500, help="how many mistakes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, metavar="FILE", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, help="stop after this much CPU time")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    for name in ("numpy", "scipy.sparse", "scipy.special", "sklearn.metrics", "hypothesis", "pytest"):
        importlib.import_module(name)  # here, once, for all children

    os.chdir(ROOT)
    rng = random.Random(options.seed)
    everything = [mistake for target in options.only or TARGETS for mistake in mistakes(target, rng)]
    rng.shuffle(everything)
    chosen = everything[: options.sample]
    print(f"{len(everything)} places, {len(chosen)} tried")
    spent = 0.0
    for target in {tuple(TARGETS[mistake.target]): mistake.target for mistake in chosen}.values():
        outcome, seconds = run(target, None)
        spent += seconds
        if outcome != "survived":
            print(f"the tests of {target} fail as it stands: {' '.join(TARGETS[target])}")
            return 1
    tried, noticed, survivors = Counter[str](), Counter[str](), []
    for mistake in chosen:
        if options.minutes is not None and spent > 60 * options.minutes:
            print(f"stopped after {spent:.0f} s of CPU time")
            break
        code = mutated(mistake)
        outcome, seconds = run(mistake.target, code)
        spent += seconds
        tried[mistake.target] += 1
        if sum(tried.values()) % 50 == 0:
            print(f"({sum(tried.values())} tried, {len(survivors)} survived, {spent:.0f} s of CPU time)", flush=True)
        noticed[mistake.target] += outcome != "survived"
        if outcome == "survived":
            survivors.append((mistake, difference(mistake, code)))
            print(f"- {mistake.target}.py:{mistake.line}: {survivors[-1][1]}", flush=True)
    for target in TARGETS:
        if tried[target]:
            print(f"{target:24}{noticed[target]:>5} of {tried[target]:>5}")
    total = sum(tried.values())
    print(f"{'noticed':24}{sum(noticed.values()):>5} of {total:>5}  {sum(noticed.values()) / max(1, total):.1%}")
    print(f"CPU time: {spent:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
