"""What the benchmarks share: alternating runs, medians and ratios, the machine's name and ceiling, tables and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minnet import doctor
from minnet.blas import blas_controller
from minnet.formatting import aligned
from minnet.process_memory import peak_memory
from minnet.sharing import available_cores

Opened = Callable[[], AbstractContextManager[Callable[[], None]]]  # opens a side: `with` it, get one step


def arguments(doc: str | None, *, rounds: int | None = 7, seconds: float | None = 1.0) -> argparse.ArgumentParser:
    """The options of a benchmark, without `rounds` none of those for turns. Call `parse` on the result."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    if rounds is not None:
        add("--rounds", type=at_least(1), default=rounds, help=f"how often each side's turn comes ({rounds})")
        about = "count processor time in the turns of one process: for --threads 1 on a machine that others use too"
        add("--cpu-time", action="store_true", help=about)
    if seconds is not None:
        add("--seconds", type=at_least(0, float), default=seconds, help=f"how long a turn lasts, about ({seconds})")
    add("--threads", type=at_least(1), default=available_cores(), help="workers, and the others' threads (all)")
    add("--out", type=writable, help="write the results here, as JSON")
    return parser


def at_least(least: int, kind: Callable[[str], Any] = int) -> Callable[[str], Any]:
    """What an option takes: a number that is not below `least`."""

    def number(text: str) -> Any:
        if not kind(text) >= least:
            raise argparse.ArgumentTypeError(f"at least {least} is expected, got {text}")
        return kind(text)

    return number


def writable(text: str) -> Path:
    """What --out takes: a file that can be written. It is found out before hours are spent, and its folder is made."""
    path = Path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.exists()
        path.open("a").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
    return path


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; the BLAS of this process is held to --threads for good."""
    args = parser.parse_args()
    unbound()
    blas_controller().limit(limits=args.threads, user_api="blas")
    return args


def unbound() -> None:
    """Starts the script again without the variables that would hold one side's BLAS back, if there are any."""
    held = [name for name in ("OPENBLAS_CORETYPE", *_THREAD_VARIABLES) if name in os.environ]
    if held:
        print(f"started again without {', '.join(held)}: it would bind the BLAS", file=sys.stderr)
        environment = {name: value for name, value in os.environ.items() if name not in held}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


# -- the machine -----------------------------------------------------------------------------------------------


def machine(threads: int) -> dict[str, Any]:
    """Processor, versions, and the matrix-multiply rate (GFLOP/s) that NumPy and PyTorch reach with `threads`."""
    blas = [info for info in blas_controller().info() if info["user_api"] == "blas"]
    found: dict[str, Any] = {
        "processor": doctor.processor(), "cores": available_cores(), "threads": threads,
        "python": platform.python_version(), "numpy": np.__version__,
        "blas": ", ".join(f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in blas),
        "numpy_gflops": doctor.measure_matmul(threads, seconds=1.0) / 1e9,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }  # fmt: skip
    if torch := torch_if_there(threads):
        a, best = torch.ones(1024, 1024), float("inf")
        end = time.perf_counter() + 1.0
        while time.perf_counter() < end:
            start = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - start)
        found |= {"torch": torch.__version__, "torch_gflops": 2 * 1024**3 / best / 1e9}
    return found


def torch_if_there(threads: int) -> Any:
    """PyTorch on so many threads; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    return torch


def print_machine(about: dict[str, Any]) -> None:
    print(f"{about['processor']}, {about['threads']} of {about['cores']} cores; {about['blas']}")
    line = f"matrix multiply: NumPy {about['numpy_gflops']:.0f} GFLOP/s"
    if "torch" in about:
        line += f", PyTorch {about['torch']} {about['torch_gflops']:.0f}"
    else:
        line += "; PyTorch is not installed: minnet runs alone"
    print(line)
    if about["load"] is not None and about["load"] > about["cores"] * 0.3:
        print(f"warning: the machine is busy (load {about['load']:.1f}): trust ratios, not rates")
    print()


# -- alternating runs ------------------------------------------------------------------------------------------


def alternate(sides: dict[str, Opened], rounds: int, seconds: float, cpu_time: bool = False) -> dict[str, list[float]]:
    """Seconds a step, one figure a round, of every side in turn, so that what slows the machine slows all alike.

    A turn opens its side, takes one step that is not counted (memory, caches, threads wake up), and then as many
    as fill `seconds`; the figure is their mean. The order turns around from round to round.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in sides}
    steps: dict[str, int] = {}
    for number in range(rounds):
        for name in list(sides) if number % 2 == 0 else reversed(list(sides)):
            with sides[name]() as step:
                step()
                if name not in steps:
                    took = min(_timed(step, 1, clock) for _ in range(2))
                    steps[name] = max(1, min(10_000, round(seconds / max(took, 1e-9))))
                found[name].append(_timed(step, steps[name], clock))
    return found


def _timed(step: Callable[[], None], steps: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(steps):
        step()
    return (clock() - start) / steps


def always(step: Callable[[], None]) -> Opened:
    """A side that needs no opening."""

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        yield step

    return opened


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """How many times as fast `ours` is, round by round: (median, lowest, highest)."""
    ratios = [t / o for o, t in zip(ours, theirs, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def summary(
    seconds: dict[str, list[float]], per_step: int, flops: float, about: dict[str, Any], ours: str = "minnet"
) -> list[dict[str, Any]]:
    """One row a side: examples a second, share of the machine's matrix-multiply ceiling, `ours` over it.

    `flops` are those of one example, counted plainly; the ceiling is the better library's rate.
    """
    ceiling = max(about["numpy_gflops"], about.get("torch_gflops", 0)) * 1e9
    rows = []
    for name, times in seconds.items():
        rate = per_step / statistics.median(times)
        row: dict[str, Any] = {"side": name, "examples_per_second": rate, "share_of_ceiling": rate * flops / ceiling}
        row["seconds_per_step"] = {"median": statistics.median(times), "min": min(times), "max": max(times)}
        if name != ours:
            row["ratio"] = dict(zip(("median", "min", "max"), ratio(seconds[ours], times), strict=True))
        rows.append(row)
    return rows


def worst(rows: list[dict[str, Any]], kind: str, key: str = "ratio", extras: bool = True) -> dict[str, float] | None:
    """minnet's lowest median ratio over the sides whose name starts with `kind`: their best way is the one that counts.

    Without `extras`, only over those whose name has no ", ..." behind it: what the side does unless asked for more.
    """
    counted = [row for row in rows if row["side"].startswith(kind) and (extras or ", " not in row["side"])]
    return min((row[key] for row in counted if key in row), key=lambda spread: spread["median"], default=None)


# -- one side alone, in a process of its own: its speed and its peak memory -------------------------------------


def add_alone(parser: argparse.ArgumentParser, rounds: int) -> None:
    """The options for `apart` and `print_alone`."""
    parser.add_argument(
        "--alone-rounds",
        type=at_least(0),
        default=rounds,
        help=f"turns in which every side has a process to itself (default {rounds}; 0: none, and no memory)",
    )
    parser.add_argument("--alone", metavar="SIDE", help="run one side only, in this process, and print JSON")


def chosen(parser: argparse.ArgumentParser, sides: dict[str, Any], side: str) -> Any:
    """The side that --alone names; ends the program where there is none of that name."""
    if side not in sides:
        parser.error(f"no side {side!r}: choose from {', '.join(sides)}")
    return sides[side]


def apart(rows: list[dict[str, Any]], rounds: int, script: str, *arguments: str) -> None:
    """Adds to each row its rate and peak memory when it has a process to itself, by turns: what a user would see.

    Such a process is `python -m script *arguments --alone SIDE`, which ends with `print_alone`.
    """
    found: dict[str, list[dict[str, float]]] = {row["side"]: [] for row in rows}
    for turn in range(rounds):
        for side in list(found)[:: -1 if turn % 2 else 1]:
            found[side].append(_alone("-m", script, *arguments, "--alone", side))
    for row in rows if rounds else []:
        mine, theirs = ([1 / run["examples_per_second"] for run in found[side]] for side in ("minnet", row["side"]))
        row |= {"peak_mib": max(run["peak_mib"] for run in found[row["side"]]), "alone": 1 / statistics.median(theirs)}
        if row["side"] != "minnet":
            row["ratio_alone"] = dict(zip(("median", "min", "max"), ratio(mine, theirs), strict=True))


def _alone(*command: str) -> dict[str, Any]:
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def print_alone(opened: Opened, examples: int) -> None:
    """One side in this process, and nothing of the others: prints its rate, `examples` a step, and peak memory."""
    with opened() as step:
        step()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < 1.5 or steps < 5:
            step()
            steps += 1
        spent = time.perf_counter() - start
    print(json.dumps({"peak_mib": peak_memory(), "examples_per_second": steps * examples / spent}))


# -- results ---------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints columns that line up: text to the left, the rest to the right."""
    shown = [[cell if isinstance(cell, str) else format(cell, ",.3g") for cell in row] for row in rows]
    print("\n".join(aligned([head, *shown], left=1)) + "\n")


def spread(values: dict[str, float] | None) -> str:
    """1.23 (1.10-1.31), or nothing."""
    return "" if values is None else f"{values['median']:.2f} ({values['min']:.2f}-{values['max']:.2f})"


def write(path: Path | None, about: dict[str, Any], results: Any) -> None:
    """The results with the command and the machine that gave them."""
    if path is None:
        return
    command = shlex.join(["python", *sys.orig_argv[1:]])
    text = json.dumps({"command": command, "machine": about, "results": results}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"written: {path}")
