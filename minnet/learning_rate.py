"""The learning-rate finder: a short run on a rising rate shows where the loss falls and where it explodes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minnet.checks import check_run, unpacked
from minnet.functional import NoDistribution
from minnet.gradients import clip_factor, gradient_norm
from minnet.randomness import SHUFFLE
from minnet.sharing import plan
from minnet.training import Trainer
from minnet.workers import Batch, Crew


class RateTest(NamedTuple):
    """What `find_learning_rate` saw. `plots.learning_rate_finder(*found)` draws it."""

    rates: np.ndarray  # (steps,) rising by a constant factor
    losses: np.ndarray  # (steps,) smoothed
    suggestion: float


# Smith, arXiv 1506.01186, section 3.3, with a rate that grows by a factor instead of a sum: what a rate does depends
# on its order of magnitude. The loss of a batch is noisy, so it is averaged with weights that fade by `smoothing` a
# step. From m_0 = 0, m_t = s m_(t-1) + (1 - s) l_t, the weights add up to 1 - s^t, which it is divided by. At first
# that is an average of one to three batches, and their luck may make it the lowest of all: the lowest is looked for
# once the average is over 1 / (1 - s) batches, about as far back as the weights reach.
#
# The rate at which the smoothed loss is lowest is already too high: there, the steps have just begun to undo each
# other's work, and the average lags behind. A tenth of it stands on the slope.
def find_learning_rate(
    trainer: Trainer,
    train: tuple[Any, ...],
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 128,
    smoothing: float = 0.9,
) -> RateTest:
    """Tries rates from `lowest` to `highest` on `train` = (x, y) or (x, y, weights), one update each.

    It ends early when the loss is no longer finite, or has risen above its lowest by three times the lowest or the
    first, whichever is larger (in size, as losses may be negative). It works on copies: the trainer's model, loss and
    optimizer stay as they are.
    """
    x, y, weights = data = unpacked(train)
    check_run(trainer.model, trainer.loss, {}, data, None, 1, batch_size, None)
    if not (0 < lowest < highest < math.inf) or steps < 2:
        raise ValueError(f"rates rise from lowest to highest in 2 or more steps, got {lowest}, {highest}, {steps}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is the share of the past, from 0 to below 1, got {smoothing}")
    model, loss, optimizer = copy.deepcopy((trainer.model, trainer.loss, trainer.optimizer))  # they know each other
    model.train().need_dx(False)
    size = min(batch_size, len(y))
    chosen = plan(model, x, size, trainer.workers, trainer.piece)
    rates, mean = np.geomspace(lowest, highest, steps), 0.0
    losses: list[float] = []
    early = round(smoothing / (1 - smoothing))  # steps before the average is over 1 / (1 - smoothing) batches
    with Crew(model, loss, chosen, trainer.exact_batch_norm) as crew, np.errstate(all="ignore"):
        batches = (
            rows for rows in _batches(len(y), size, trainer.seed)
            if loss.denominator(y[rows], None if weights is None else weights[rows]) > 0
        )  # fmt: skip
        for step, (rate, rows) in enumerate(zip(rates, batches, strict=False)):
            batch = Batch(x, rows, y[rows], None if weights is None else weights[rows], trainer.augment)
            try:
                found = crew.step(batch, (trainer.seed, 0, step)).loss
                norm = gradient_norm(model, loss)
            except NoDistribution:  # every score is -inf
                break
            if not (math.isfinite(found) and math.isfinite(norm)):
                break
            optimizer.step(float(rate), 1.0 if trainer.clip_norm is None else clip_factor(norm, trainer.clip_norm))
            mean = smoothing * mean + (1 - smoothing) * found
            losses.append(mean / (1 - smoothing ** (len(losses) + 1)))
            settled = losses[early:]
            if settled and losses[-1] - min(settled) > 3 * max(abs(min(settled)), abs(settled[0])):
                break
    if len(losses) < 2:
        raise ValueError(f"the loss is not finite from the start on: lower lowest={lowest:g}, or mend the data")
    early = early if len(losses) >= 2 * early else 0  # of so few steps, all are looked at
    return RateTest(rates[: len(losses)], np.array(losses), float(rates[early + int(np.argmin(losses[early:]))]) / 10)


def _batches(examples: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of full batches, epoch after epoch, in the Trainer's order."""
    epoch = 0
    while True:
        order = np.random.default_rng((seed, SHUFFLE, epoch)).permutation(examples)
        yield from (order[start : start + size] for start in range(0, examples - size + 1, size))
        epoch += 1
