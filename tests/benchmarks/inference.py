"""Predictions a second: minnet's `Predictor` against PyTorch under inference_mode, by batch size.

minnet starts from uint8 images; PyTorch gets ready float tensors, in both layouts, and the better one counts. A
Predictor folds batch norms into convolutions: PyTorch is asked as it comes, and folded likewise.

    python -m tests.benchmarks.inference cnn6 --batches 1 32 128 512 --out inference.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from minnet.commands import one_line_errors
from minnet.predictor import Predictor
from tests.benchmarks import common
from tests.benchmarks.cases import Case, all_cases, inference_flops

SCRIPT = "tests.benchmarks.inference"
NAMES = ("cnn6", "resnet", "mlp", "speedrun", "bag")


def asked_of_minnet(case: Case, threads: int) -> common.Opened:
    ask = Predictor(case.model(), threads)
    x = case.data(1)[0][: case.batch_size]
    return common.always(lambda: ask(x))


def asked_of_torch(case: Case, channels_last: bool = False, folded: bool = False) -> common.Opened:
    import torch

    from tests.benchmarks import twins

    network = twins.make(case, channels_last=channels_last).eval()
    ready = twins.inputs(case, case.data(1)[0][: case.batch_size], channels_last)
    if folded:
        network = twins.fold(network)

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        with torch.inference_mode():
            yield lambda: network(ready)

    return opened


def sides_of(case: Case, threads: int, torch: bool = True) -> dict[str, Callable[[], common.Opened]]:
    """Everyone who can answer, by name; each is built when called."""
    sides: dict[str, Callable[[], common.Opened]] = {"minnet": partial(asked_of_minnet, case, threads)}
    if torch and common.torch_if_there(threads):
        sides["torch"] = partial(asked_of_torch, case)
        if not case.text and not case.widths:
            sides["torch channels-last"] = partial(asked_of_torch, case, channels_last=True)
            sides["torch, folded"] = partial(asked_of_torch, case, folded=True)
            sides["torch channels-last, folded"] = partial(asked_of_torch, case, channels_last=True, folded=True)
    return sides


def measure(case: Case, args: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """One network at one batch size."""
    if "torch" in about:
        from tests.benchmarks import twins

        twins.check(case)
    sides = {name: build() for name, build in sides_of(case, args.threads).items()}
    seconds = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    flops = inference_flops(case.model(), case.data(1)[0])
    rows = common.summary(seconds, case.batch_size, flops, about)
    batch = ("--batches", str(case.batch_size), "--threads", str(args.threads))
    common.apart(rows, args.alone_rounds, SCRIPT, case.name, *batch)
    return {
        "case": case.name, "batch": case.batch_size, "sides": rows,
        "over_torch": common.worst(rows, "torch", extras=False),
        "over_folded": common.worst(rows, "torch"),
        "alone_over_torch": common.worst(rows, "torch", "ratio_alone", extras=False),
        "alone_over_folded": common.worst(rows, "torch", "ratio_alone"),
    }  # fmt: skip


@one_line_errors
def main() -> None:
    cases = {name: case for name, case in all_cases().items() if name in NAMES}
    parser = common.arguments(__doc__, seconds=0.5)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which (default all): {', '.join(cases)}")
    parser.add_argument("--batches", nargs="+", type=common.at_least(1), default=[1, 32, 128, 512], help="batch sizes")
    common.add_alone(parser, rounds=1)
    args = common.parse(parser)
    if wrong := [name for name in args.cases if name not in cases]:
        parser.error(f"no case {wrong[0]!r}: choose from {', '.join(cases)}")
    if args.alone:
        case = replace(cases[(args.cases or list(cases))[0]], batch_size=args.batches[0])
        sides = sides_of(case, args.threads, torch=args.alone != "minnet")  # imported for its own side only
        common.print_alone(common.chosen(parser, sides, args.alone)(), case.batch_size)
        return
    about = common.machine(args.threads)
    common.print_machine(about)
    results = []
    for name in args.cases or cases:
        for batch in args.batches:
            results.append(measure(replace(cases[name], batch_size=batch), args, about))
    common.table(
        ("network", "batch", "examples/s", "ms a call", "of the ceiling", "over PyTorch", "folded", "alone", "folded"),
        [(r["case"], r["batch"], r["sides"][0]["examples_per_second"],
          1e3 * r["batch"] / r["sides"][0]["examples_per_second"], f"{r['sides'][0]['share_of_ceiling']:.0%}",
          *(common.spread(r[key]) for key in r if "over" in key)) for r in results],
    )  # fmt: skip
    common.write(args.out, about, results)


if __name__ == "__main__":
    main()
