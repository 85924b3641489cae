"""How long it takes to begin: importing, and from the start of the process to the end of the first update.

Every figure is a fresh Python process, in alternating turns; a bare Python's start is shown beside them.

    python -m tests.benchmarks.startup --out startup.json
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import time

from minnet.commands import one_line_errors
from tests.benchmarks import common

MINNET = """
import numpy as np
from minnet.layers import Flatten, Linear, ReLU, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer
model = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=0))
x, y = np.ones((32, 64), np.float32), np.zeros(32, int)
Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((x, y), epochs=1, progress=False)
"""
TORCH = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
rule = torch.optim.SGD(model.parameters(), 0.1)
loss = nn.functional.cross_entropy(model(torch.ones(32, 64)), torch.zeros(32, dtype=torch.int64))
loss.backward()
rule.step()
"""
SKLEARN = """
import numpy as np
from sklearn.neural_network import MLPClassifier
MLPClassifier((32,), solver="sgd").partial_fit(np.ones((32, 64), np.float32), np.zeros(32, int), classes=range(10))
"""
PROGRAMS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import minnet": "import minnet",
    "import all that training needs": "import minnet.layers, minnet.losses, minnet.optimizers, minnet.training",
    "import minnet.data": "import minnet.data",
    "minnet's first update": MINNET,
    "import torch": "import torch",
    "PyTorch's first update": TORCH,
    "import MLPClassifier": "from sklearn.neural_network import MLPClassifier",
    "MLPClassifier's first update": SKLEARN,
}
# Modules that take long to load, and which importing minnet must leave alone.
HEAVY = ("scipy", "sklearn", "matplotlib", "PIL", "pandas")


def took(program: str, cpu_time: bool) -> float:
    clock = processor_time_of_children if cpu_time else time.perf_counter
    start = clock()
    subprocess.run([sys.executable, "-c", program], check=True)
    return clock() - start


def processor_time_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def loaded(program: str) -> list[str]:
    """Which of the heavy modules a program loads."""
    listing = f"{program}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    return result.stdout.split()


@one_line_errors
def main() -> None:
    args = common.parse(common.arguments(__doc__, rounds=9, seconds=None))
    about = common.machine(args.threads)
    common.print_machine(about)
    there = {name: program for name, program in PROGRAMS.items()
             if ("torch" not in program or importlib.util.find_spec("torch"))}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in there}
    for number in range(args.rounds + 1):  # in an order that turns around
        for name, program in list(there.items())[:: -1 if number % 2 else 1]:
            spent = took(program, args.cpu_time)
            if number:  # the first round fills the disk cache
                seconds[name].append(spent)
    bare = min(seconds["python"])
    common.table(
        ("program", "seconds, median", "least", "less a bare Python's"),
        [(name, statistics.median(s), min(s), min(s) - bare) for name, s in seconds.items()],
    )
    heavy = loaded(there["import all that training needs"])
    print(f"heavy modules that training loads: {', '.join(heavy) or 'none'}")
    common.write(args.out, about, {"seconds": seconds, "heavy": heavy})


if __name__ == "__main__":
    main()
