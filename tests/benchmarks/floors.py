"""The two floors of each case: what the arithmetic takes at the machine's peak, and what moving the bytes takes.

The arithmetic is counted plainly (2 operations a multiply-add; forward, dW, and dx behind the first layer that learns)
and, beside it, with Winograd's F(4x4, 3x3) where minnet uses it: 36 products instead of 144 for 16 outputs. The peak is
the best rate measured on a 1024 x 1024 product. The bytes are those of every activation written once and read once in
each direction, and of the optimizer's passes; bandwidth is measured on arrays larger than the caches. Activations that
stay in cache cost less than that, so the second floor binds only what is larger than the cache.

    python -m tests.benchmarks.floors
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minnet import winograd
from minnet.commands import one_line_errors
from minnet.layers import Conv2d, Embedding, Layer
from tests.benchmarks import common
from tests.benchmarks.cases import Case, all_cases, products, training_flops

PASSES = {"sgd": 5, "adam": 7}  # reads of w, g and the state, writes of w and the state


def bandwidth(threads: int, seconds: float = 0.5) -> float:
    """Bytes a second, read and written together, of a sum over arrays of 64 MiB, one a thread; the best of several."""
    arrays = [(np.ones(1 << 24, np.float32), np.ones(1 << 24, np.float32)) for _ in range(threads)]
    moved, best = sum(3 * a.nbytes for a, _ in arrays), 0.0
    with ThreadPoolExecutor(threads) as pool:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            list(pool.map(lambda pair: np.add(pair[0], pair[1], out=pair[0]), arrays))
            best = max(best, moved / (time.perf_counter() - start))
    return best


def winograd_flops(model: Layer, x: np.ndarray) -> float:
    """As `training_flops`, with a quarter of the products where Winograd's scheme runs; the transforms left out."""
    saved = 0.0
    for step, count in products(model, x):
        layer = step.layer
        # a piece holds many images: for a single one the rule asks for more tiles
        if isinstance(layer, Conv2d) and winograd.suits((64, *step.x_shape[1:]), layer.W.shape, layer.geometry):
            height, width = step.y.shape[1:3]
            tiles = -(-height // 4) * -(-width // 4)
            share = 36 * tiles / (9 * height * width)
            saved += 2 * count * (1 - share)
    return training_flops(model, x) - saved


def moved(case: Case, model: Layer, x: np.ndarray) -> float:
    """Bytes a step: every activation written and read forward, its gradient written and read back, and the update. Of a
    table the rows that occur are updated, and gathered as often as they occur."""
    activations = sum(step.y.nbytes for step in model.eval().trace(x[:1])[1]) * case.batch_size
    learned = sum(
        getattr(layer, name).nbytes for _, layer, name in model.trainable() if not isinstance(layer, Embedding)
    )
    touched = gathered = 0
    for _, layer in model.walk():
        if isinstance(layer, Embedding):
            ids = case.data(1)[0][: case.batch_size]
            touched += len(np.unique(ids)) * layer.embedding_dim * 4
            gathered += int((ids != 0).sum()) * layer.embedding_dim * 4
    return 4.0 * activations + PASSES[case.rule] * (learned + touched) + gathered


def floors(case: Case, peak: float, rate: float) -> dict[str, Any]:
    """Milliseconds a step by either floor, and the examples a second that the higher one allows."""
    model = case.model().train()
    x, _ = case.data(1)
    plain, fast = training_flops(model, x) * case.batch_size, winograd_flops(model, x) * case.batch_size
    size = moved(case, model, x)
    highest = max(fast / peak, size / rate)
    return {"case": case.name, "batch": case.batch_size, "gflop": plain / 1e9, "gflop_winograd": fast / 1e9,
            "mb": size / 1e6, "arithmetic_ms": plain / peak * 1e3, "arithmetic_winograd_ms": fast / peak * 1e3,
            "bytes_ms": size / rate * 1e3, "most_examples_per_second": case.batch_size / highest}  # fmt: skip


@one_line_errors
def main() -> None:
    args = common.parse(common.arguments(__doc__, rounds=None, seconds=None))
    about = common.machine(args.threads)
    common.print_machine(about)
    rate = bandwidth(args.threads)
    print(f"bandwidth: {rate / 1e9:.1f} GB/s on {args.threads} threads\n")
    found = [floors(case, about["numpy_gflops"] * 1e9, rate) for case in all_cases().values()]
    common.table(
        ("case", "batch", "GFLOP", "with Winograd", "MB", "arithmetic, ms", "with Winograd, ms", "bytes, ms",
         "examples/s at most"),
        [tuple(row.values()) for row in found],
    )  # fmt: skip
    common.write(args.out, about | {"bytes_per_second": rate}, found)


if __name__ == "__main__":
    main()
