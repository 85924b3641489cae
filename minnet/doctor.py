"""What holds this machine back, and what speed to expect from it."""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from minnet.blas import blas_controller
from minnet.formatting import count
from minnet.run_folder import versions
from minnet.sharing import available_cores


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet doctor`."""
    parser = subparsers.add_parser("doctor", help="versions, BLAS, threads, measured speed, and what holds them back")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the findings; the exit status is 0 whatever they are."""
    # before anything loads SciPy, which brings a BLAS of its own
    libraries = [info for info in blas_controller().info() if info["user_api"] == "blas"]
    for name, value in versions().items():
        print(f"{name:<14}{value}")
    cores = available_cores()
    for library in libraries:
        kind = library.get("architecture", "unknown kernels")
        threads = count(library["num_threads"], "thread")
        print(f"{'BLAS':<14}{library['internal_api']} {library['version']}, {kind}, {threads}")
    print(f"{'processor':<14}{processor()}, {count(cores, 'core')} for this process")
    one, all_cores = measure_matmul(1), measure_matmul(cores)
    print(
        f"{'matmul':<14}{one / 1e9:.0f} GFLOP/s on one thread, {all_cores / 1e9:.0f} on {cores} (float32, 1024 x 1024)"
    )
    print(
        f"{'training':<14}expect about {measure_training():,.0f} cnn6 images/s on CIFAR-10, measured on random images"
    )
    found = warnings(libraries, cores, os.cpu_count() or cores, one, all_cores)
    print("\n" + "\n".join(f"warning: {line}" for line in found) if found else "\nnothing holds this machine back")
    return 0


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def measure_matmul(threads: int, size: int = 1024, seconds: float = 0.3) -> float:
    """Floating-point operations a second of a float32 matrix product, the best of several."""
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    out, best = np.empty_like(a), np.inf
    with blas_controller().limit(limits=threads, user_api="blas"):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or best == np.inf:
            start = time.perf_counter()
            np.matmul(a, a, out=out)
            best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def measure_training(images: int = 512, epochs: int = 4) -> float:
    """cnn6 training images a second: the best of a few short epochs on random images of CIFAR-10's size."""
    from minnet.losses import SoftmaxCrossEntropy
    from minnet.models import cnn6
    from minnet.optimizers import SGD
    from minnet.training import Trainer

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (images, 32, 32, 3), np.uint8), rng.integers(0, 10, images)
    model = cnn6((32, 32, 3), 10, (125, 123, 114), (63, 62, 67))
    optimizer = SGD(model, 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    history = Trainer(model, SoftmaxCrossEntropy(), optimizer).fit((x, y), epochs=epochs, progress=False)
    return max(epoch["examples_per_second"] for epoch in history)


def warnings(libraries: list[dict[str, Any]], cores: int, installed: int, one: float, all_cores: float) -> list[str]:
    """What holds the machine back, each with its remedy; this process may use `cores` of the `installed` ones."""
    found = []
    pinned = os.environ.get("OPENBLAS_CORETYPE")
    if pinned:
        found.append(
            f"OPENBLAS_CORETYPE={pinned} pins the BLAS to one kind of processor: unset it (env -u OPENBLAS_CORETYPE)"
        )
    if cores < installed:
        found.append(f"this process may use {cores} of {installed} cores: start it without taskset or the like")
    if not libraries and "accelerate" not in built_with().lower():  # which the list of libraries leaves out
        found.append("no optimised BLAS was found, so matrix products are slow: install NumPy from its wheels (pip)")
    threads = max((library["num_threads"] for library in libraries), default=cores)
    if threads < cores:
        kinds = {library["internal_api"] for library in libraries}
        read = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS"}  # and all read OMP_NUM_THREADS
        names = *(read[kind] for kind in sorted(kinds & read.keys())), "OMP_NUM_THREADS"
        held = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name) == str(threads)]
        why = f"unset {' and '.join(held)}" if held else "look for a *_NUM_THREADS variable and unset it"
        found.append(f"the BLAS uses {count(threads, 'thread')} of {cores} cores: {why}")
    quota = container_quota()
    if quota is not None and quota < cores - 0.01:
        found.append(
            f"the container may use {quota:.1f} of {cores} cores: raise its limit, or use --workers {int(quota) or 1}"
        )
    if libraries and cores > 1 and all_cores < 1.3 * one:  # of another library the number of threads cannot be set
        found.append(
            f"{cores} threads multiply matrices only {all_cores / one:.1f} times as fast as one: "
            "something else is running, or the cores are shared"
        )
    return found


def built_with() -> str:
    """The name of the BLAS that NumPy was built with."""
    return str(np.show_config(mode="dicts")["Build Dependencies"]["blas"].get("name", ""))


def container_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """How many cores' worth of time the process's control group grants, or one around it; None without a limit."""
    limits = []
    try:
        at = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::/")]  # the group's place
        group = root / at[0].lstrip("/") if at else root
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (folder / "cpu.max").exists():
                limits.append((folder / "cpu.max").read_text().split())
        if not limits:  # the first version of control groups
            limits.append([(root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")])
        return min((int(q) / int(p) for q, p in limits if q != "max" and int(q) >= 0), default=None)
    except (OSError, ValueError):
        return None
