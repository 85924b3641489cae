"""Plants mistakes in the library one at a time and runs its tests on each: a mistake that no test notices survives.

    python -m tests.proof.mutation                      # every mistake of every file: about an hour on one core
    python -m tests.proof.mutation --only losses        # of one file
    python -m tests.proof.mutation --survivors          # those again that survived when last tried
    python -m tests.proof.mutation --summary            # what the kept record says

Cosmic Ray's own runner edits the files on the disk and starts a Python for every mistake; here a process that has
imported NumPy and pytest is forked instead, and the mistake lives in the child's memory only. The outcome of each file
is kept in mutation.json; equivalent_mutants.txt says of mistakes that change nothing anyone could see why they do not.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import gc
import hashlib
import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import io
import json
import math
import os
import platform
import resource
import signal
import sys
import time
import tokenize
from pathlib import Path
from typing import Any

from minnet.commands import one_line_errors
from tests.proof.mutants import ROOT, Mutant, equivalents, mutants

RECORD = Path(__file__).with_name("mutation.json")
MEMORY = 8 << 30  # bytes of addresses: a mistake in a shape must not take the machine down


def contract(*names: str) -> list[str]:
    return [f"tests/test_layers_contract.py::test_contract[{name}]" for name in names]


GRADCHECK = ["tests/test_gradcheck.py", "tests/test_gradcheck_inputs.py", "tests/test_differences.py"]
KINDS = ("on_a_steep_softmax", "on_sure_scores", "beside_many_kinks")
ALARMS = [*(f"tests/test_properties.py::test_no_false_alarm_{kind}" for kind in KINDS), "tests/test_losses_contract.py"]
# The files to change, and the tests that answer for each, the most direct first.
TARGETS = {
    "functional": ["tests/test_functional.py", "tests/test_losses.py"],
    "channels": ["tests/test_channels.py", "tests/test_layers.py"],
    "kernels": [
        "tests/test_kernels_memory.py",
        "tests/test_kernels.py",
        "tests/test_reference.py",
        "tests/test_layers.py",
    ],
    "winograd": ["tests/test_kernels_memory.py", "tests/test_kernels.py", "tests/test_predictor.py"],
    "predictor": ["tests/test_predictor.py"],
    "memory": ["tests/test_kernels_memory.py", "tests/test_kernels.py", "tests/test_workers.py"],
    "process_memory": ["tests/test_kernels_memory.py", "tests/test_workers.py"],
    "places": ["tests/test_optimizers.py", "tests/test_workers.py", "tests/test_layercheck_details.py"],
    "losses": ["tests/test_losses.py", "tests/test_losses_contract.py"],
    "layers/activations": ["tests/test_layers.py", *contract("ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "Scale")],
    "layers/arguments": ["tests/test_layers.py", "tests/test_optimizers.py"],
    "layers/attention": ["tests/test_layers.py", *contract("AttentionPool", "MaskedSequential")],
    "layers/base": ["tests/test_layers.py", *contract("Sequential", "Linear", "Linear on CSR")],
    "layers/hints": ["tests/test_layers.py"],
    "layers/description": [
        "tests/test_layers.py",
        *contract("Sequential", "Linear", "Linear on CSR"),
        "tests/test_checkpoint.py::test_ones_own_layer_is_not_taken_for_the_librarys_of_that_name",
    ],
    "layers/containers": ["tests/test_layers.py", *contract("Sequential", "Residual", "Parallel", "MaskedSequential")],
    "layers/conv": ["tests/test_layers.py", "tests/test_kernels.py", *contract("Conv2d", "Conv2d by Winograd")],
    "layers/dropout": ["tests/test_layers.py", *contract("Dropout")],
    "layers/embedding": ["tests/test_layers.py", *contract("Embedding", "EmbeddingBag"), "tests/test_summary.py"],
    "layers/linear": ["tests/test_layers.py", *contract("Linear", "Linear on CSR")],
    "layers/normalization": [
        "tests/test_layers.py",
        *contract("BatchNorm", "LayerNorm", "Normalize"),
        "tests/test_channels.py",
        "tests/test_reference.py",
        "tests/test_workers.py",
    ],
    "layers/pooling": [
        "tests/test_layers.py",
        "tests/test_kernels.py",
        *contract("MaxPool2d", "AvgPool2d", "GlobalMaxPool", "GlobalAvgPool"),
    ],
    "layers/reshape": ["tests/test_layers.py", *contract("Flatten", "Reshape")],
    "layers/row_gradient": [
        "tests/test_gradients.py",
        "tests/test_layers.py",
        "tests/test_optimizers.py",
    ],
    "layers/softmax": ["tests/test_layers.py", *contract("Softmax")],
    "optimizers": ["tests/test_optimizers.py"],
    "updates": ["tests/test_optimizers.py"],
    "gradients": ["tests/test_gradients.py"],
    "schedules": ["tests/test_schedules.py"],
    "initializers": [
        "tests/test_initializers.py",
        "tests/test_models.py::test_whitening_makes_patches_uncorrelated",
    ],
    "metrics": ["tests/test_metrics.py"],
    "intervals": ["tests/test_metrics.py"],
    "quantification": ["tests/test_quantification.py"],
    "calibration": ["tests/test_metrics.py", "tests/test_validation_memory.py"],
    "gradcheck": [*GRADCHECK, "tests/test_layercheck.py", *ALARMS],
    "differences": [*GRADCHECK, *ALARMS],
    "claims": [*GRADCHECK, *ALARMS],
    "diagnosis": ["tests/test_diagnosis.py", *GRADCHECK],
    "contract": ["tests/test_layercheck.py", "tests/test_layercheck_details.py"],
    "layercheck": ["tests/test_layercheck.py", "tests/test_layercheck_details.py"],
}


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


def prepare() -> None:
    """Imports here, once, what all children need, except the tests and what they test."""
    os.chdir(ROOT)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        os.environ[name] = "1"
    sys.dont_write_bytecode = False  # tests are compiled once
    for name in (
        "scipy.sparse",
        "scipy.special",
        "sklearn.metrics",
        "numpy.testing",
        "hypothesis.extra.numpy",
        "pytest",
    ):
        importlib.import_module(name)
    from hypothesis import Phase, settings

    # No shrinking: any example will do. And none from chance or from earlier runs.
    settings.register_profile(
        "mutation", phases=(Phase.explicit, Phase.generate), derandomize=True, database=None, deadline=None
    )
    settings.load_profile("mutation")
    gc.freeze()


def run(target: str, code: str | None, cpu_seconds: int) -> tuple[str, float]:
    """("killed", "endless" or "survived"; CPU seconds) of the target's tests with its source replaced by `code`."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        if code is not None:
            name = "minnet." + target.replace("/", ".")
            sys.meta_path.insert(0, _Planted(name, ROOT / "minnet" / f"{target}.py", code))
        status = 1
        try:
            import pytest

            quick = [f"no:{name}" for name in ("cacheprovider", "faulthandler", "unraisableexception", "junitxml")]
            plugins = [word for name in quick for word in ("-p", name)]
            status = pytest.main(["-x", "-q", "--assert=plain", "--tb=no", *plugins, *TARGETS[target]])
        finally:
            os._exit(int(status))
    deadline = time.monotonic() + 20 * cpu_seconds  # for a child that sleeps
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)
    spent = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status):
        return "endless", spent
    return ("survived" if os.WEXITSTATUS(status) == 0 else "killed"), spent


def fingerprint(target: str) -> str:
    """Of a file's code: what its comments and docstrings say may change."""
    source = (ROOT / "minnet" / f"{target}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str()), lineno=first, end_lineno=last):
                lines[first - 1 : last] = [""] * (last - first + 1)
    code = "\n".join(line.rstrip() for line in lines if line.strip())
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def attempt(target: str, chosen: list[Mutant]) -> tuple[dict[str, Any], float]:
    """How many of these mutants the tests kill, the survivors by name, and the CPU seconds it took."""
    outcome, unchanged = run(target, None, 600)
    if outcome != "survived":
        raise SystemExit(f"the tests of {target} fail as it stands: {' '.join(TARGETS[target])}")
    limit, spent, survivors, endless = math.ceil(3 * unchanged) + 3, unchanged, [], 0
    for mutant in chosen:
        outcome, seconds = run(target, mutant.code(), limit)
        spent += seconds
        endless += outcome == "endless"
        if outcome == "survived":
            survivors.append(str(mutant))
            print(f"  {survivors[-1]}", flush=True)
    return {
        "tried": len(chosen),
        "killed": len(chosen) - len(survivors),
        "endless": endless,
        "survivors": survivors,
    }, spent


def read_record() -> dict[str, Any]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def keep(target: str, outcome: dict[str, Any]) -> None:
    record = read_record()
    record[target] = outcome
    RECORD.write_text(json.dumps({name: record[name] for name in TARGETS if name in record}, indent=1) + "\n")


def summary() -> None:
    """Of the kept record: mutants, killed, equivalent with a reason, surviving; stale where the file has changed."""
    record, reasons = read_record(), equivalents()
    print(f"{'file':22}{'places':>8}{'mutants':>9}{'killed':>8}{'equivalent':>12}{'surviving':>11}  tried on")
    total = [0, 0, 0, 0, 0]
    for target, kept in record.items():
        explained = sum(name in reasons for name in kept["survivors"])
        row = [kept["places"], kept["tried"], kept["killed"], explained, len(kept["survivors"]) - explained]
        total = [a + b for a, b in zip(total, row, strict=True)]
        stale = "" if kept["source"] == fingerprint(target) else ", another version of the file"
        print(f"{target:22}{row[0]:>8}{row[1]:>9}{row[2]:>8}{row[3]:>12}{row[4]:>11}  {kept['date']}{stale}")
    print(f"{'together':22}{total[0]:>8}{total[1]:>9}{total[2]:>8}{total[3]:>12}{total[4]:>11}")
    print(
        f"killed: {total[2] / max(1, total[1]):.1%} of all, {total[2] / max(1, total[1] - total[3]):.1%} of the others"
    )
    for kept in record.values():
        for name in kept["survivors"]:
            if name not in reasons:
                print(f"  surviving: {name}")


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description="Plant mistakes in minnet and see whether the tests notice.")
    parser.add_argument("--share", type=float, default=1.0, help="of each file's places (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which mistake where (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, metavar="FILE", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--survivors", action="store_true", help="only those that survived when last tried")
    parser.add_argument("--summary", action="store_true", help="print the kept record and stop")
    options = parser.parse_args()
    if options.summary:
        summary()
        return
    prepare()
    versions = {name: importlib.metadata.version(name) for name in ("cosmic-ray", "numpy")}
    for target in options.only or TARGETS:
        before = read_record().get(target, {"survivors": [], "source": ""})
        if options.survivors and not before["survivors"]:
            continue
        again = options.survivors and before["source"] == fingerprint(target)  # else its places are others
        share, seed = (before["share"], before["seed"]) if options.survivors else (options.share, options.seed)
        every = mutants(target, seed)
        chosen = every[: math.ceil(share * len(every))]
        tried = [mutant for mutant in chosen if not again or str(mutant) in before["survivors"]]
        print(f"{target}: {len(tried)} mistakes", flush=True)
        outcome, seconds = attempt(target, tried)
        print(f"{target}: {len(outcome['survivors'])} survive ({seconds:.0f} s of CPU time)", flush=True)
        if again:
            outcome["endless"] += before["endless"]
            outcome["tried"] = len(chosen)
            outcome["killed"] = len(chosen) - len(outcome["survivors"])
        about = {"date": f"{datetime.date.today()}", "source": fingerprint(target), "python": platform.python_version()}
        keep(target, {**about, **versions, "seed": seed, "share": share, "places": len(every), **outcome})
    summary()


if __name__ == "__main__":
    main()
