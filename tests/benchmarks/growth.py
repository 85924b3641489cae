"""How cost grows: seconds a step or an epoch against one size at a time, with the fitted line and its residual.

A line `seconds = fixed + slope * size` is fitted by least squares; the residual is the largest distance from it, as a
share of the measured time. `power` is the slope on logarithmic axes: 1 is proportional, 2 quadratic. Of `examples` a
turn is one whole epoch, whatever --seconds says, and there are three rounds at most.

    python -m tests.benchmarks.growth batch image channels workers examples --out growth.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from minnet import models
from minnet.commands import one_line_errors
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer
from tests.benchmarks import common
from tests.benchmarks.cases import CLASSES, MEAN, STD, all_cases, images, trained_by_minnet
from tests.benchmarks.workers import limited

SHARED = 512  # the batch that the workers share
WHAT = {
    "batch": "seconds a cnn6 step against batch size",
    "image": "seconds a cnn6 step against pixels of a batch of 64",
    "channels": "seconds a cnn6 step of 64 images against the products of widths that its convolutions take",
    "workers": "cnn6 images a second against workers",
    "examples": "seconds a cnn6 epoch against the number of examples",
}


def fit(sizes: list[float], seconds: list[float]) -> dict[str, float]:
    """The line through the points, its worst relative residual, and the power law's exponent."""
    x, t = np.array(sizes, float), np.array(seconds)
    design = np.stack([np.ones_like(x), x], axis=1) / t[:, None]  # relative errors count alike
    fixed, slope = np.linalg.lstsq(design, np.ones_like(t), rcond=None)[0]
    residual = np.abs(fixed + slope * x - t) / t
    power = np.polyfit(np.log(x), np.log(t), 1)[0]
    return {"fixed": float(fixed), "slope": float(slope), "residual": float(residual.max()), "power": float(power)}


def stepped(points: dict[float, Any], args: argparse.Namespace) -> tuple[dict[float, list[float]], list[float]]:
    """Seconds a step at each size, in alternating turns, and the medians."""
    sides = {str(size): trained_by_minnet(case, args.threads) for size, case in points.items()}
    found = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    return {float(size): times for size, times in found.items()}, [statistics.median(times) for times in found.values()]


def points_of(name: str) -> dict[float, Any]:
    """The cases to run, by size."""
    cnn6 = all_cases()["cnn6"]
    if name == "batch":
        return {size: replace(cnn6, batch_size=size) for size in (8, 16, 32, 64, 128, 256, 512)}
    if name == "image":
        model = {side: partial(models.cnn6, (side, side, 3), CLASSES, MEAN, STD) for side in (16, 24, 32, 48, 64)}
        return {64 * side**2: replace(cnn6, batch_size=64, side=side, model=model[side]) for side in model}
    widths = {width: (width, 2 * width, 4 * width) for width in (16, 24, 32, 48, 64)}
    wide = {w: partial(models.cnn6, (32, 32, 3), CLASSES, MEAN, STD, widths=three) for w, three in widths.items()}
    return {_products(widths[w]): replace(cnn6, batch_size=64, model=build) for w, build in wide.items()}


def _products(widths: tuple[int, ...]) -> float:
    """Sum over the convolutions of pixels * channels in * channels out: the arithmetic but for a constant."""
    total, inner = 0, 3
    for stage, width in enumerate(widths):
        total += (32 >> stage) ** 2 * (inner * width + width * width)
        inner = width
    return float(total)


def by_workers(args: argparse.Namespace) -> tuple[dict[float, list[float]], list[float]]:
    """As `stepped`, one side for each number of workers up to the threads allowed."""
    counts = [n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if n <= args.threads]
    case = all_cases()["cnn6"]
    cases = {str(n): replace(case, workers=n, piece=32, batch_size=SHARED) for n in counts}
    sides = {n: limited(trained_by_minnet(way, int(n)), threads=1) for n, way in cases.items()}
    found = common.alternate(sides, args.rounds, args.seconds, args.cpu_time)
    return {float(n): times for n, times in found.items()}, [statistics.median(times) for times in found.values()]


def by_examples(args: argparse.Namespace) -> tuple[dict[float, list[float]], list[float]]:
    """Seconds that Trainer.fit takes for one epoch, everything included, against the number of examples."""
    found: dict[float, list[float]] = {float(n): [] for n in (256, 512, 1024, 2048, 4096)}
    for number in range(-1, min(args.rounds, 3)):  # the first turn, when everything is cold, does not count
        for count in list(found)[:: -1 if number % 2 else 1]:
            x, y = images(int(count))
            model = models.cnn6((32, 32, 3), CLASSES, MEAN, STD)
            trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.05, momentum=0.9), workers=args.threads)
            clock = time.process_time if args.cpu_time else time.perf_counter
            start = clock()
            trainer.fit((x, y), epochs=1, progress=False)
            if number >= 0:
                found[count].append(clock() - start)
    return found, [statistics.median(times) for times in found.values()]


@one_line_errors
def main() -> None:
    listed = "\n".join(f"  {name:<10}{what}" for name, what in WHAT.items())
    parser = common.arguments(f"{__doc__}\n{listed}", rounds=5, seconds=0.5)
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"which (default all): {', '.join(WHAT)}")
    args = common.parse(parser)
    if wrong := [name for name in args.sizes if name not in WHAT]:
        parser.error(f"no size {wrong[0]!r}: choose from {', '.join(WHAT)}")
    about = common.machine(args.threads)
    common.print_machine(about)
    results = {}
    for name in args.sizes or WHAT:
        if name == "workers":
            times, medians = by_workers(args)
            work = [float(SHARED)] * len(times)
        elif name == "examples":
            times, medians = by_examples(args)
            work = list(times)
        else:
            times, medians = stepped(points_of(name), args)
            work = list(times) if name == "batch" else [64.0] * len(times)
        rates = [w / t for w, t in zip(work, medians, strict=True)]
        line = fit(list(times), medians) if len(times) > 2 and name != "workers" else None
        print(WHAT[name])
        rows = [(f"{size:,.0f}", t, rate) for size, t, rate in zip(times, medians, rates, strict=True)]
        common.table((name, "seconds", "images/s"), rows)
        if line:
            print(f"seconds = {line['fixed']:.3g} + {line['slope']:.3g} * {name}; within {line['residual']:.0%} of the "
                  f"line; power {line['power']:.2f}\n")  # fmt: skip
        results[name] = {"what": WHAT[name], "seconds": {str(size): t for size, t in times.items()},
                         "images_per_second": rates, "line": line}  # fmt: skip
    common.write(args.out, about, results)


if __name__ == "__main__":
    main()
