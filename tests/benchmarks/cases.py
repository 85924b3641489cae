"""The networks that the benchmarks train, as minnet runs them; twins.py holds the same networks in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from minnet import models
from minnet.gradients import gradient_norm
from minnet.layers import Layer
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD, Adam, Optimizer
from minnet.sharing import Plan, plan
from minnet.summary import multiply_adds
from minnet.workers import Batch, Crew
from tests.benchmarks.common import Opened

CLASSES = 10
BUCKETS = 2**17
BATCHES = 8  # as many different batches take turns
MEAN, STD = (125.0, 123.0, 114.0), (63.0, 62.0, 67.0)


def images(count: int, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Random uint8 images (count, side, side, 3) and labels: speed does not depend on what they show."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3), np.uint8), rng.integers(0, CLASSES, count)


@cache
def tweets(count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Token ids (count, 128) of words and word pairs in 2^17 buckets, labels, and where they come from.

    Real tweets where TweetEval lies in $MINNET_DATA or datasets/; else ids drawn by Zipf's law.
    """
    from minnet.data import TokenIds, load

    try:
        train = load("tweeteval").train
        ids = TokenIds(max_length=128, buckets=BUCKETS, words=(1, 2)).transform(train.x[:count])
        return ids, train.y[:count], "TweetEval"
    except (OSError, ValueError):
        rng = np.random.default_rng(0)
        ids = (rng.zipf(1.1, (count, 128)) % BUCKETS + 1).astype(np.int32)
        ids[np.arange(128) >= rng.integers(20, 70, (count, 1))] = 0
        return ids, rng.integers(0, 3, count), "synthetic ids (no TweetEval in $MINNET_DATA)"


@dataclass(frozen=True)
class Case:
    """One network with its optimizer and batch size. `twin` is its name in twins.py."""

    name: str
    twin: str
    model: Callable[[], Any]
    optimizer: Callable[[Any], Optimizer]
    rate: float
    rule: str = "sgd"  # "sgd" (momentum 0.9, Nesterov) or "adam", for the twin
    batch_size: int = 128
    piece: int | None = None  # None: minnet's own rule
    workers: int | None = None
    label_smoothing: float = 0.0
    exact: bool = False  # batch norm over the whole batch, for which workers wait for each other; else per piece
    text: bool = False
    side: int = 32
    widths: tuple[int, ...] = ()  # an MLP's hidden layers

    def data(self, batches: int = BATCHES) -> tuple[np.ndarray, np.ndarray]:
        """Inputs as minnet takes them, and labels."""
        count = batches * self.batch_size
        return tweets(8192)[:2] if self.text else images(count, self.side)

    def plan(self, model: Layer, x: np.ndarray, threads: int) -> Plan:
        """minnet's rule, but for what the case fixes; no more workers than `threads`, to which the BLAS is held."""
        chosen = plan(model, x[:1], self.batch_size, self.workers, self.piece)
        workers = min(chosen.workers, threads)
        piece = -(-self.batch_size // workers) if self.exact else chosen.piece
        return Plan(workers, piece, threaded_blas=workers == 1)


def _sgd(model: Layer, rate: float) -> Optimizer:
    return SGD(model, rate, momentum=0.9, nesterov=True, weight_decay=5e-4)


def _images(build: Callable[..., Any], side: int = 32, **settings: Any) -> Callable[[], Any]:
    return partial(build, (side, side, 3), CLASSES, MEAN, STD, **settings)


def _mlp(name: str, widths: tuple[int, ...], side: int = 32, batch_size: int = 128) -> Case:
    model = _images(models.mlp, side, widths=widths)
    return Case(
        name, "mlp", model, partial(_sgd, rate=0.05), 0.05, batch_size=batch_size, side=side, widths=widths
    )  # fmt: skip


def speedrun() -> Any:
    """The speedrun's network; its first layer is frozen at filters that whiten the random images."""
    model = models.speedrun((32, 32, 3), CLASSES, MEAN, STD)
    models.whiten(model, images(256)[0])
    return model


def all_cases() -> dict[str, Case]:
    """By name. "exact" is batch norm over the whole batch, the others' is per piece (ghost batch norm)."""
    cnn6 = Case("cnn6", "cnn6", _images(models.cnn6), partial(_sgd, rate=0.1), 0.1)
    mlp = _mlp("mlp", (512, 256))
    adam: dict[str, Any] = {"optimizer": partial(Adam, learning_rate=1e-3), "rate": 1e-3, "rule": "adam"}
    bag = partial(models.embedding_bag, BUCKETS + 1, 3)
    found = [
        cnn6,
        replace(cnn6, name="cnn6-exact", exact=True),
        Case("speedrun", "speedrun", speedrun, partial(_sgd, rate=0.01), 0.01, batch_size=1024, label_smoothing=0.2),
        Case("resnet", "resnet", _images(models.resnet), partial(_sgd, rate=0.1), 0.1),
        mlp,
        replace(mlp, name="mlp-adam", **adam),
        replace(_mlp("small", (64, 32), side=8, batch_size=32), **adam),
        Case("bag", "bag", bag, partial(Adam, learning_rate=3e-3), 3e-3, "adam", batch_size=64, text=True),
    ]
    return {case.name: case for case in found}


def trained_by_minnet(case: Case, threads: int) -> Opened:
    """minnet's turn: the Trainer's step but for its schedule and progress bar; images are gathered and normalised."""
    model = case.model().train()
    model.need_dx(False)
    loss, optimizer = SoftmaxCrossEntropy(case.label_smoothing), case.optimizer(model)
    x, y = case.data()
    chosen = case.plan(model, x, threads)

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        order = np.random.default_rng(1).permutation(len(y))
        starts = range(0, len(y) - case.batch_size + 1, case.batch_size)
        count = 0
        with Crew(model, loss, chosen, case.exact) as crew:
            optimizer.pool = crew.pool if threads > 1 else None

            def step() -> None:
                nonlocal count
                start = starts[count % len(starts)]
                count += 1
                rows = order[start : start + case.batch_size]
                outcome = crew.step(Batch(x, rows, y[rows]), (0, 0, count))
                if not (math.isfinite(outcome.loss) and math.isfinite(gradient_norm(model, loss))):
                    raise FloatingPointError(f"{case.name}: the loss or the gradient is not finite")
                optimizer.step()

            yield step
        optimizer.pool = None

    return opened


def products(model: Layer, x: np.ndarray) -> Iterator[tuple[Any, int]]:
    """Each step of one example's pass with its multiply-adds in training: those of the forward pass, as many for dW
    where it learns, and as many for dx behind the first layer that does."""
    first = True
    for step in model.replica().eval().trace(x[:1])[1]:
        learns = step.layer.learns()
        yield step, step.layer.multiply_adds(step.x_shape, step.y.shape) * (1 + learns + (not first))
        first = first and not learns


def training_flops(model: Layer, x: np.ndarray) -> float:
    """Floating-point operations of one example's forward and backward pass, counted plainly (no Winograd)."""
    return 2.0 * sum(count for _, count in products(model, x))


def inference_flops(model: Layer, x: np.ndarray) -> float:
    """Those of the forward pass alone."""
    return 2.0 * multiply_adds(model, x[:1])
