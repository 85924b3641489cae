"""Predictions a second: minnet's `predict` against PyTorch under inference_mode, by batch size.

minnet starts from uint8 images; PyTorch gets ready float tensors, in both layouts, and the better one counts.

    python -m tests.benchmarks.inference cnn6 --batches 1 32 128 512 --out inference.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from minnet.training import predict
from tests.benchmarks import common
from tests.benchmarks.cases import Case, all_cases, inference_flops

NAMES = ("cnn6", "resnet", "mlp", "speedrun", "bag")


def asked_of_minnet(case: Case, threads: int) -> common.Opened:
    model = case.model().eval()
    x = case.data(1)[0][: case.batch_size]
    return common.always(lambda: predict(model, x, threads))


def asked_of_torch(case: Case, **settings: bool) -> common.Opened:
    import torch

    from tests.benchmarks import twins

    network = twins.make(case, **settings).eval()
    ready = twins.inputs(case, case.data(1)[0][: case.batch_size], settings.get("channels_last", False))

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        with torch.inference_mode():
            yield lambda: network(ready)

    return opened


def measure(case: Case, args: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """One network at one batch size."""
    sides = {"minnet": asked_of_minnet(case, args.threads)}
    if "torch" in about:
        sides["torch"] = asked_of_torch(case)
        if not case.text and case.twin != "mlp":
            sides["torch channels-last"] = asked_of_torch(case, channels_last=True)
    seconds = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    flops = inference_flops(case.model(), case.data(1)[0])
    rows = common.summary(seconds, case.batch_size, flops, about)
    best = common.best_rival(rows, "torch")
    return {"case": case.name, "batch": case.batch_size, "sides": rows, "over_torch": best and best["ratio"]}


def main() -> None:
    cases = {name: case for name, case in all_cases().items() if name in NAMES}
    parser = common.arguments(__doc__, seconds=0.5)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which (default all): {', '.join(cases)}")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32, 128, 512], help="batch sizes")
    args = common.parse(parser)
    if wrong := [name for name in args.cases if name not in cases]:
        parser.error(f"no case {wrong[0]!r}: choose from {', '.join(cases)}")
    about = common.machine(args.threads)
    common.print_machine(about)
    results = []
    for name in args.cases or cases:
        for batch in args.batches:
            results.append(measure(replace(cases[name], batch_size=batch), args, about))
    common.table(
        ("network", "batch", "minnet, examples/s", "ms a call", "of the ceiling", "PyTorch's best", "ratio"),
        [(r["case"], r["batch"], r["sides"][0]["examples_per_second"],
          1e3 * r["batch"] / r["sides"][0]["examples_per_second"], f"{r['sides'][0]['share_of_ceiling']:.0%}",
          max((s["examples_per_second"] for s in r["sides"][1:]), default=""),
          common.spread(r["over_torch"]) if r["over_torch"] else "") for r in results],
    )  # fmt: skip
    common.write(args.out, about, results)


if __name__ == "__main__":
    main()
