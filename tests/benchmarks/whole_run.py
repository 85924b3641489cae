"""The whole speedrun, twice: `train.py cifar10 --model speedrun` beside the same recipe written in PyTorch.

Both start from the data set's files and end with the accuracy on the test split, from one view and from six. They run
in processes of their own, on the same cores, and take turns: while one computes the other stands still (SIGSTOP, so not
on Windows). The seconds of a side are those of its turns. PyTorch's side has minnet's first weights, learning rates,
decay, Lookahead and augmentation, in eager mode, channels-last.

    python -m tests.benchmarks.whole_run --folder runs/whole --out whole_run.json
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minnet.commands import one_line_errors
from minnet.data import load, test_views
from minnet.recipes import choose
from minnet.trained_run import load_run
from minnet.training import predict
from tests.benchmarks import common

TRAIN = Path(__file__).parents[2] / "train.py"


def augmented(images: Any, mirrored: Any, shift: int) -> Any:
    """Float images (N, C, H, W): those that a mask says mirrored, each moved by up to `shift` pixels."""
    import torch
    from torch.nn import functional as F

    count, _, height, width = images.shape
    framed = F.pad(images, (shift,) * 4, mode="reflect")
    windows = framed.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 shift + 1, 2 shift + 1, H, W), a view
    down, right = torch.randint(0, 2 * shift + 1, (2, count))
    moved = windows[torch.arange(count), :, down, right]
    return torch.where(mirrored[:, None, None, None], moved.flip(-1), moved).contiguous(
        memory_format=torch.channels_last
    )


def trained_by_torch(seed: int, threads: int, limit: int | None) -> dict[str, Any]:
    """The recipe in PyTorch, from reading the data to the accuracy on the test split."""
    import torch
    from torch.nn import functional as F

    from tests.benchmarks import twins
    from tests.benchmarks.cases import all_cases

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    dataset = load("cifar10", validation=0, limit=limit, seed=seed)
    _, recipe = choose(dataset, "speedrun")
    model = recipe.build(dataset, None, seed)
    case = all_cases()["speedrun"]
    network = twins.make(case, channels_last=True)
    twins.copy_weights(case, model, network)

    def prepared(x: np.ndarray) -> Any:
        normal = model[0].forward(np.ascontiguousarray(x)).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(normal)).contiguous(memory_format=torch.channels_last)

    images, labels = prepared(dataset.train.x), torch.from_numpy(dataset.train.y)
    shifts = [module.bias for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    others = [p for p in network.parameters() if p.requires_grad and all(p is not shift for shift in shifts)]
    factors = recipe.settings["groups"]  # batch norm's shifts, then everything else
    groups = [{"params": shifts, "weight_decay": factors[0]["weight_decay"]},
              {"params": others, "weight_decay": factors[1]["weight_decay"]}]  # fmt: skip
    optimizer = torch.optim.SGD(groups, recipe.learning_rate, momentum=recipe.settings["momentum"], nesterov=True)
    assert recipe.lookahead is not None and recipe.augment is not None and recipe.freeze_at is not None
    every, slowing = recipe.lookahead["every"], recipe.lookahead["slowing"]
    fast = [t for t in network.state_dict().values() if t.is_floating_point()]
    slow = [t.clone() for t in fast]
    epochs, steps = recipe.epochs, -(-len(labels) // recipe.batch_size)

    def pull(alpha: float) -> None:
        with torch.no_grad():
            for ours, theirs in zip(slow, fast, strict=True):
                ours.lerp_(theirs, alpha)
                theirs.copy_(ours)

    network.train()
    for epoch in range(epochs):
        if epoch / epochs >= recipe.freeze_at["1.b"]:
            network[0].bias.requires_grad, network[0].bias.grad = False, None  # type: ignore[index]
        order, correct = torch.randperm(len(labels)), 0
        for step in range(steps):
            rows = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            x, y = augmented(images[rows], (rows + epoch) % 2 == 1, recipe.augment.shift), labels[rows]
            progress = (epoch + step / steps) / epochs
            rate = recipe.learning_rate * recipe.schedule(progress)
            optimizer.param_groups[0]["lr"] = rate * factors[0]["learning_rate"]
            optimizer.param_groups[1]["lr"] = rate
            optimizer.zero_grad()
            scores = network(x)
            loss = F.cross_entropy(scores, y, label_smoothing=recipe.label_smoothing)
            loss.backward()
            optimizer.step()
            if not np.isfinite(loss.item()):
                raise FloatingPointError(f"epoch {epoch + 1}, step {step + 1}: the loss is not finite")
            correct += int((scores.argmax(1) == y).sum())
            if (epoch * steps + step + 1) % every == 0:
                pull(1 - slowing**every * progress**3)
        print(f"epoch {epoch + 1}/{epochs}  accuracy {correct / len(labels):.4f}", file=sys.stderr)
    pull(0.0)
    network.eval()
    views = []
    with torch.inference_mode():
        for weight, view in test_views(dataset.test.x):
            views.append(
                (weight, torch.cat([network(prepared(view[i : i + 1000])) for i in range(0, len(view), 1000)]))
            )
    truth = torch.from_numpy(dataset.test.y)
    six: Any = sum(weight * scores for weight, scores in views)
    return {"one_view": float((views[0][1].argmax(1) == truth).float().mean()),
            "six_views": float((six.argmax(1) == truth).float().mean())}  # fmt: skip


def in_turns(commands: dict[str, list[str]], seconds: float, logs: Path) -> Iterator[tuple[str, float, float]]:
    """Runs the commands, of which one at a time computes; yields (name, seconds of its turns, processor seconds)."""
    running, spent = {}, dict.fromkeys(commands, 0.0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # who stands still would stay for ever
    try:
        for name, command in commands.items():
            with open(logs / f"{name}.out", "w") as out, open(logs / f"{name}.log", "w") as log:
                running[name] = subprocess.Popen(command, stdout=out, stderr=log)
            running[name].send_signal(signal.SIGSTOP)
        while running:
            for name, process in list(running.items()):
                process.send_signal(signal.SIGCONT)
                start = time.perf_counter()
                _, status, usage = _wait(process, seconds)
                spent[name] += time.perf_counter() - start
                if status is None:
                    process.send_signal(signal.SIGSTOP)
                    continue
                del running[name]
                if status:
                    raise ChildProcessError(f"{name} failed: see {logs / name}.log")
                yield name, spent[name], usage.ru_utime + usage.ru_stime
    finally:
        for process in running.values():
            process.kill()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, int | None, Any]:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return pid, status, usage
        time.sleep(0.05)
    return 0, None, None


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/whole"), help="for run and logs: a new one (%(default)s)"
    )
    parser.add_argument("--seconds", type=common.at_least(1, float), default=20.0, help="of a turn (%(default)s)")
    parser.add_argument("--seed", type=common.at_least(0), default=0, help="(%(default)s)")
    parser.add_argument("--limit", type=common.at_least(1), help="so many training images, to try this out")
    parser.add_argument("--torch-alone", action="store_true", help=argparse.SUPPRESS)  # the other process
    parser.add_argument("--out", type=common.writable, help="write the results here, as JSON")
    args = parser.parse_args()
    common.unbound()
    threads = common.available_cores()
    if args.torch_alone:
        print(json.dumps(trained_by_torch(args.seed, threads, args.limit)))
        return
    if (args.folder / "run").exists():
        parser.error(f"{args.folder} holds a run already: choose another --folder")
    if common.torch_if_there(threads) is None:
        parser.error("PyTorch is not installed, and half of this is its: pip install -e '.[proof]'")
    about = common.machine(threads)
    common.print_machine(about)
    args.folder.mkdir(parents=True, exist_ok=True)
    shared = ["--seed", str(args.seed), *(["--limit", str(args.limit)] if args.limit else [])]
    ours = [sys.executable, str(TRAIN), "cifar10", "--model", "speedrun", "--validation", "0"]
    commands = {
        "minnet": [*ours, "--out", str(args.folder / "run"), *shared],
        "torch": [sys.executable, "-m", "tests.benchmarks.whole_run", "--torch-alone", *shared],
    }
    found = {name: {"seconds": wall, "processor_seconds": busy}
             for name, wall, busy in in_turns(commands, args.seconds, args.folder)}  # fmt: skip
    found["torch"] |= json.loads((args.folder / "torch.out").read_text().splitlines()[-1])
    run = load_run(args.folder / "run")
    test = load("cifar10", validation=0, limit=args.limit, seed=args.seed).test
    found["minnet"] |= {
        "one_view": float((predict(run.model, test.x).argmax(axis=1) == test.y).mean()),
        "six_views": json.loads((args.folder / "run" / "metrics.json").read_text())["accuracy"],
    }
    common.table(
        ("side", "seconds", "processor seconds", "accuracy, one view", "six views"),
        [(name, f"{side['seconds']:.0f}", f"{side['processor_seconds']:.0f}", f"{side['one_view']:.2%}",
          f"{side['six_views']:.2%}") for name, side in found.items()],
    )  # fmt: skip
    print(f"minnet's time over PyTorch's: {found['minnet']['seconds'] / found['torch']['seconds']:.2f}")
    common.write(args.out, about, found)


if __name__ == "__main__":
    main()
