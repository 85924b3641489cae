"""Training steps: minnet against PyTorch in eager mode and scikit-learn's MLPClassifier, in alternating turns.

One step is forward, backward and update. minnet starts from uint8 images, which it gathers and normalises, checks
that loss and gradient are finite, and counts right answers; PyTorch gets ready float tensors and does neither: the
comparison leans to its side. Each case first makes sure that both networks give the same scores from the same weights.

    python -m tests.benchmarks.training cnn6 mlp bag --rounds 9 --out training.json
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from minnet.commands import one_line_errors
from tests.benchmarks import common
from tests.benchmarks.cases import CLASSES, Case, all_cases, trained_by_minnet, training_flops, tweets

SCRIPT = "tests.benchmarks.training"


def batches_of_sklearn(case: Case) -> int:
    """So many batches in one call of MLPClassifier, whose checks of its arguments cost as much as a small step: 64, as
    in a pass over a data set, or what fits 16 MB, so that its rows stay in cache as our images do."""
    batch_bytes = 4 * 3 * case.side**2 * case.batch_size
    return min(64, max(8, (16 << 20) // batch_bytes))


def trained_by_sklearn(case: Case) -> common.Opened:
    """scikit-learn's MLPClassifier on ready float rows: one partial_fit is one pass over them in our batches."""
    from sklearn.neural_network import MLPClassifier

    count = batches_of_sklearn(case) * case.batch_size
    x, y = (np.resize(array, (count, *array.shape[1:])) for array in case.data())
    rows = (x.reshape(count, -1) / np.float32(127.5) - 1).astype(np.float32)
    settings: dict[str, Any] = {"solver": case.rule, "learning_rate_init": case.rate, "batch_size": case.batch_size}
    network = MLPClassifier(case.widths, alpha=5e-4, momentum=0.9, shuffle=False, **settings)
    if case.rule == "sgd":
        network.set_params(nesterovs_momentum=True, learning_rate_init=0.01)

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield lambda: network.partial_fit(rows, y, classes=np.arange(CLASSES))

    return opened


def sides_of(case: Case, threads: int, torch: bool = True) -> dict[str, Callable[[], common.Opened]]:
    """Everyone who can run the case, by name; each is built when called."""
    sides: dict[str, Callable[[], common.Opened]] = {"minnet": partial(trained_by_minnet, case, threads)}
    if torch and common.torch_if_there(threads):
        from tests.benchmarks import twins

        for name, settings in twins.variants(case).items():
            sides[name] = partial(twins.trained_by_torch, case, **settings)
    if case.widths:
        sides["MLPClassifier"] = partial(trained_by_sklearn, case)
    return sides


def measure(case: Case, args: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """One case: speed, ratios, shares of the ceiling and peak memory."""
    model = case.model()
    x, _ = case.data(1)
    chosen, flops = case.plan(model, x, args.threads), training_flops(model, x)
    print(f"{case.name}: batch {case.batch_size}, {chosen.workers} workers, pieces of {chosen.piece}; "
          f"{flops / 1e6:,.1f} MFLOP an example" + (f"; {tweets(8192)[2]}" if case.text else ""))  # fmt: skip
    if "torch" in about:
        from tests.benchmarks import twins

        twins.check(case)
    sides = {name: build() for name, build in sides_of(case, args.threads).items()}
    seconds = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    if "MLPClassifier" in seconds:  # its step is a whole pass: bring it to one batch
        seconds["MLPClassifier"] = [took / batches_of_sklearn(case) for took in seconds["MLPClassifier"]]
    rows = common.summary(seconds, case.batch_size, flops, about)
    common.apart(rows, args.alone_rounds, SCRIPT, case.name, "--threads", str(args.threads))
    common.table(
        ("side", "examples/s", "minnet's ratio", "of the ceiling", "peak MiB", "alone, examples/s", "ratio alone"),
        [(row["side"], row["examples_per_second"], common.spread(row.get("ratio")), f"{row['share_of_ceiling']:.0%}",
          row.get("peak_mib", ""), row.get("alone", ""), common.spread(row.get("ratio_alone"))) for row in rows],
    )  # fmt: skip
    return {"case": case.name, "batch_size": case.batch_size, "workers": chosen.workers, "piece": chosen.piece,
            "flops": flops, "sides": rows, **verdict(rows)}  # fmt: skip


def verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """minnet over each rival's best way, and over PyTorch's without its fused optimizers; in speed and in memory."""
    found = {
        "over_torch": common.worst(rows, "torch", extras=False),
        "alone_over_torch": common.worst(rows, "torch", "ratio_alone", extras=False),
        "over_fused": common.worst(rows, "torch"),
        "alone_over_fused": common.worst(rows, "torch", "ratio_alone"),
        "over_MLPClassifier": common.worst(rows, "MLPClassifier"),
        "alone_over_MLPClassifier": common.worst(rows, "MLPClassifier", "ratio_alone"),
    }
    memory = [row["peak_mib"] for row in rows if row["side"].startswith("torch") and "peak_mib" in row]
    return found | {"memory_over_torch": rows[0]["peak_mib"] / min(memory) if memory else None}


def run_alone(parser: argparse.ArgumentParser, case: Case, side: str, threads: int) -> None:
    """One side in this process, and nothing of the others: PyTorch is imported for its own only."""
    build = common.chosen(parser, sides_of(case, threads, torch=side not in ("minnet", "MLPClassifier")), side)
    batches = batches_of_sklearn(case) if side == "MLPClassifier" else 1
    common.print_alone(build(), batches * case.batch_size)


@one_line_errors
def main() -> None:
    cases = all_cases()
    parser = common.arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which (default all): {', '.join(cases)}")
    common.add_alone(parser, rounds=1)
    args = common.parse(parser)
    if wrong := [name for name in args.cases if name not in cases]:
        parser.error(f"no case {wrong[0]!r}: choose from {', '.join(cases)}")
    chosen = [cases[name] for name in args.cases or cases]
    if args.alone:
        run_alone(parser, chosen[0], args.alone, args.threads)
        return
    about = common.machine(args.threads)
    common.print_machine(about)
    results = [measure(case, args, about) for case in chosen]
    shown = ("over_torch", "over_fused", "over_MLPClassifier")
    for title, prefix in (("in one process", ""), ("a process for each side", "alone_")):
        if any(r[prefix + "over_torch"] for r in results):
            common.table(
                (title, "over PyTorch", "fused optimizers, too", "over MLPClassifier"),
                [(r["case"], *(common.spread(r[prefix + key]) for key in shown)) for r in results],
            )
    common.table(
        ("case", "examples/s", "peak memory over PyTorch's least"),
        [(r["case"], r["sides"][0]["examples_per_second"], r["memory_over_torch"] or "") for r in results],
    )
    common.write(args.out, about, results)


if __name__ == "__main__":
    main()
