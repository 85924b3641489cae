"""What workers are worth: one worker, or one a core, with the BLAS on one thread or on all, for each kind of network.

Also the test of minnet's rule (sharing.plan): the way that it chooses is marked with a star.

    python -m tests.benchmarks.workers cnn6 mlp text-cnn --out workers.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from minnet import models
from minnet.blas import blas_controller
from minnet.commands import one_line_errors
from minnet.optimizers import Adam
from tests.benchmarks import common
from tests.benchmarks.cases import BUCKETS, CLASSES, MEAN, STD, Case, all_cases, trained_by_minnet, training_flops


def more_cases() -> dict[str, Case]:
    """Those of the training benchmark whose pieces are free, and smaller networks on which the rule could go wrong."""
    adam = partial(Adam, learning_rate=1e-3)
    softmax = partial(models.softmax_regression, (32, 32, 3), CLASSES, MEAN, STD)
    found = {"softmax": Case("softmax", "", softmax, adam, 1e-3, batch_size=256)}
    for name, build in (("text-cnn", models.text_cnn), ("attention", models.attention)):
        found[name] = Case(name, "", partial(build, BUCKETS + 1, 3), adam, 1e-3, batch_size=64, text=True)
    return {name: case for name, case in all_cases().items() if not case.exact} | found


def limited(opened: common.Opened, threads: int) -> common.Opened:
    """The same turn with so many BLAS threads."""

    @contextmanager
    def limiting() -> Iterator[Callable[[], None]]:
        with blas_controller().limit(limits=threads, user_api="blas"), opened() as step:
            yield step

    return limiting


def measure(case: Case, args: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """Every way to spread one network's batch."""
    model, (x, _) = case.model(), case.data(1)
    cores = args.threads
    chosen = case.plan(model, x, cores)
    # where the rule takes the batch whole, workers get equal shares
    piece = min(chosen.piece, max(1, case.batch_size // cores))
    pieces, whole = replace(case, workers=1, piece=piece), replace(case, workers=1, piece=case.batch_size)
    ways = {
        f"{cores} workers": (replace(case, workers=cores, piece=piece), 1),
        "1 worker, BLAS on 1": (pieces, 1),
        f"1 worker, BLAS on {cores}": (pieces, cores),
        "whole batch, BLAS on 1": (whole, 1),
        f"whole batch, BLAS on {cores}": (whole, cores),
    }
    sides = {name: limited(trained_by_minnet(way, cores), threads) for name, (way, threads) in ways.items()}
    first, last = next(iter(ways)), list(ways)[-1]
    star = last if chosen.workers == 1 and chosen.piece == case.batch_size else first
    seconds = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    rows = common.summary(seconds, case.batch_size, training_flops(model, x), about, ours=first)
    print(f"{case.name}: batch {case.batch_size}; the rule takes {chosen.workers} workers, pieces of {chosen.piece}")
    common.table(
        ("way", "examples/s", f"{first} over it"),
        [(row["side"] + " *" * (row["side"] == star), row["examples_per_second"],
          common.spread(row["ratio"]) if "ratio" in row else "") for row in rows],
    )  # fmt: skip
    return {"case": case.name, "workers": chosen.workers, "piece": chosen.piece, "chosen": star, "ways": rows}


@one_line_errors
def main() -> None:
    cases = more_cases()
    parser = common.arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which (default all): {', '.join(cases)}")
    args = common.parse(parser)
    if wrong := [name for name in args.cases if name not in cases]:
        parser.error(f"no case {wrong[0]!r}: choose from {', '.join(cases)}")
    about = common.machine(args.threads)
    common.print_machine(about)
    results = [measure(cases[name], args, about) for name in args.cases or cases]
    common.write(args.out, about, results)


if __name__ == "__main__":
    main()
