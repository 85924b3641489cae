"""The CIFAR-10 ladder: train.py's image models from softmax regression to speedrun, each with several seeds.

Every rung is `python train.py cifar10 --model MODEL --validation 0 --seed SEED`; its log and its page lie in
FOLDER/MODEL-SEED. Runs that are finished are read, interrupted ones resumed, the others started. The table has
accuracy on the test split (in brackets from one view of each image, where the recipe averages over six), images a
second and seconds of training, and the process's peak memory, each as the mean over the seeds.

    python -m tests.benchmarks.ladder softmax mlp cnn6 resnet speedrun --folder runs/ladder --out ladder.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from minnet.commands import one_line_errors
from minnet.data import load
from minnet.recipes import IMAGES
from minnet.sharing import available_cores
from minnet.trained_run import load_run
from minnet.training import predict
from tests.benchmarks import common

TRAIN = Path(__file__).parents[2] / "train.py"


def run(folder: Path, model: str, seed: int) -> dict[str, Any]:
    """What one finished run has measured; it is trained first if there is none."""
    if not (folder / "metrics.json").exists():
        command = [sys.executable, str(TRAIN), "cifar10", "--model", model, "--validation", "0", "--seed", str(seed)]
        resumed = ["--resume"] if (folder / "last.ckpt").exists() else []
        with subprocess.Popen([*command, "--out", str(folder), *resumed]) as training:
            try:
                status = training.wait()
            except KeyboardInterrupt:  # it has heard that, too: it ends its step and saves
                status = training.wait()
        if status:
            print(f"{model} with seed {seed} is not finished: the same ladder command goes on", file=sys.stderr)
            raise SystemExit(status if status > 0 else 128 - status)  # as a shell tells of signals
    config = json.loads((folder / "config.json").read_text())
    found = {
        "model": model, "seed": seed, "accuracy": json.loads((folder / "metrics.json").read_text())["accuracy"],
        "seconds": config["training_seconds"], "workers": config["workers"], "peak_mib": config.get("peak_mib"),
        "images_per_second": config["examples"] * config["epochs"] / config["training_seconds"],
        "fingerprint": config["fingerprint"], "versions": config["versions"],
    }  # fmt: skip
    if config["views"]:
        test = load("cifar10", validation=0).test
        found["one_view"] = float((predict(load_run(folder).model, test.x).argmax(axis=1) == test.y).mean())
    return found


def percent(values: list[float]) -> str:
    """The mean, and every value where there are several."""
    mean = f"{100 * statistics.mean(values):.2f} %"
    return mean if len(values) == 1 else f"{mean} ({', '.join(f'{100 * v:.1f}' for v in values)})"


def row(runs: list[dict[str, Any]]) -> tuple[Any, ...]:
    """One line of the table."""
    accuracy = percent([r["accuracy"] for r in runs])
    if "one_view" in runs[0]:
        accuracy += f" [{percent([r['one_view'] for r in runs])}]"
    peaks = [r["peak_mib"] for r in runs if r["peak_mib"]]
    means = (statistics.mean(r[key] for r in runs) for key in ("images_per_second", "seconds"))
    workers = ", ".join(sorted({str(r["workers"]) for r in runs}))
    return (runs[0]["model"], len(runs), accuracy, *means, workers, statistics.mean(peaks) if peaks else "")


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"which (default all): {', '.join(IMAGES)}")
    parser.add_argument("--seeds", type=common.at_least(0), nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--folder", type=Path, default=Path("runs/ladder"), help="where the runs lie (%(default)s)")
    parser.add_argument("--out", type=common.writable, help="write everything measured here, as JSON")
    args = parser.parse_args()
    common.unbound()
    if wrong := [name for name in args.models if name not in IMAGES]:
        parser.error(f"no model {wrong[0]!r}: choose from {', '.join(IMAGES)}")
    rungs = {name: [run(args.folder / f"{name}-{s}", name, s) for s in args.seeds] for name in args.models or IMAGES}
    common.table(
        ("model", "seeds", "test accuracy", "images/s", "seconds", "workers", "peak MiB"),
        [row(runs) for runs in rungs.values()],
    )
    common.write(args.out, common.machine(available_cores()), rungs)


if __name__ == "__main__":
    main()
