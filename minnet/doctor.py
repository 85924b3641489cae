"""What holds this machine back, and what speed to expect from it."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from minnet.blas import blas_controller
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
        print(f"{'BLAS':<14}{library['internal_api']} {library['version']}, {kind}, {library['num_threads']} threads")
    print(f"{'processor':<14}{processor()}, {cores} cores for this process")
    one, all_cores = measure_matmul(1), measure_matmul(cores)
    print(
        f"{'matmul':<14}{one / 1e9:.0f} GFLOP/s on one thread, {all_cores / 1e9:.0f} on {cores} (float32, 1024 x 1024)"
    )
    print(
        f"{'training':<14}expect about {measure_training():,.0f} cnn6 images/s on CIFAR-10, measured on random images"
    )
    found = warnings(libraries, cores, one, all_cores)
    print("\n" + "\n".join(f"warning: {line}" for line in found) if found else "\nnothing holds this machine back")
    return 0


def versions() -> dict[str, str]:
    """The software that a run stands on."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for name in ("minnet", "numpy", "scipy", "scikit-learn", "matplotlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


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


def warnings(libraries: list[dict[str, Any]], cores: int, one: float, all_cores: float) -> list[str]:
    """What holds the machine back, each with its remedy."""
    found = []
    pinned = os.environ.get("OPENBLAS_CORETYPE")
    if pinned:
        found.append(
            f"OPENBLAS_CORETYPE={pinned} pins the BLAS to one kind of processor: unset it (env -u OPENBLAS_CORETYPE)"
        )
    if not libraries:
        found.append("no optimised BLAS was found, so matrix products are slow: install NumPy from its wheels (pip)")
    kinds = {library["internal_api"] for library in libraries}
    read = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS"}  # and all read OMP_NUM_THREADS
    for name in (*(read[kind] for kind in sorted(kinds & read.keys())), "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit() and int(os.environ[name]) < cores:
            found.append(f"{name}={os.environ[name]} limits the BLAS, and {cores} cores are there: unset it")
    if libraries and max(library["num_threads"] for library in libraries) == 1 < cores:
        found.append(f"the BLAS uses one thread of {cores} cores: look for a *_NUM_THREADS variable and unset it")
    quota = container_quota()
    if quota is not None and quota < cores - 0.01:
        found.append(
            f"the container may use {quota:.1f} of {cores} cores: raise its limit, or use --workers {int(quota) or 1}"
        )
    if cores > 1 and all_cores < 1.3 * one:
        found.append(
            f"{cores} threads multiply matrices only {all_cores / one:.1f} times as fast as one: "
            "something else is running, or the cores are shared"
        )
    return found


def container_quota() -> float | None:
    """How many cores' worth of time the control group grants, None when there is no limit."""
    root = Path("/sys/fs/cgroup")
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:  # the first version of control groups
            quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None
