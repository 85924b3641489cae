"""How a batch is shared out: among how many workers, in pieces of how many examples."""

from __future__ import annotations

import itertools
import os
import weakref
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.memory import spared

PIECE_BYTES = 1 << 23  # what the largest activation of a piece may occupy
MOST_WORKERS = 8  # unless asked for: with more, the interpreter's lock takes what they add


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Plan(NamedTuple):
    """How a batch is spread: `workers` threads, about `piece` examples at a time each (two at least, see `shares`).

    Each worker's BLAS takes one thread; that of a single worker may take all cores instead (`threaded_blas`).
    """

    workers: int
    piece: int
    threaded_blas: bool = False


def plan(model: Layer, x: Any, batch_size: int, workers: int | None = None, piece: int | None = None) -> Plan:
    """How a batch is spread, by a fixed rule on sizes, those of the first example in `x`.

    Two sizes in bytes decide: that of the batch's activations behind the first layer that learns, and that of the
    parameters, without tables of which a batch touches only a few rows.

    - Fewer activations than parameters (an MLP): each piece would write and add gradients of the parameters' size,
      which costs more than its own share of the work. The batch stays whole, and the BLAS takes all cores.
    - Activations below a quarter of PIECE_BYTES (a bag of words): too little work to hand out, so the same.
    - Otherwise: one worker a core, up to MOST_WORKERS, and pieces whose largest activation is near PIECE_BYTES, so that
      it stays in cache. Pieces are larger where there are many parameters: each piece transforms the filters and adds
      the gradients once, and its activations should be sixteen times as much.

    A number of workers that is asked for is the number of threads in all: the BLAS then takes one for each worker.
    """
    for name, value in (("batch_size", batch_size), ("workers", workers), ("piece", piece)):
        if value is not None:
            whole(name, value)
    by_rule = workers is None
    if batch_size == 1:
        return Plan(1, 1, by_rule)  # nothing to share, and measuring would take as long as a prediction
    activations, largest, parameters = _sizes(model, x)
    uncut = activations * batch_size < max(parameters, PIECE_BYTES // 4)
    if workers is None:
        workers = 1 if uncut else min(available_cores(), MOST_WORKERS)
    if piece is None and uncut:
        piece = batch_size
    elif piece is None:
        in_cache, worth_it = PIECE_BYTES // largest, 16 * parameters // max(1, activations)  # examples
        power = max(in_cache, worth_it, 1).bit_length() - 1  # rounded down to a power of two
        piece = max(16, 1 << power)
    return Plan(min(workers, batch_size), min(piece, batch_size), by_rule and uncut)


def prediction_plan(model: Layer, x: Any, workers: int | None = None, batch_size: int = 512) -> Plan:
    """How all of `x` is shared out to be predicted: as in batches of up to `batch_size`."""
    return plan(model, x, min(batch_size, x.shape[0]), workers)


_measured: dict[int, dict[Any, tuple[int, int, int]]] = {}  # by id, as one's own layers may compare or not hash at all


def _sizes(model: Layer, x: Any) -> tuple[int, int, int]:
    """Bytes of one example's activations behind the first layer that learns, of the largest of all its activations, and
    of the parameters but for tables.

    They are measured by a forward pass, which costs as much as a small batch, and remembered as long as the example's
    shape, the parameters and which of them learn stay the same.
    """
    example = x[:1]
    stored = sum(array.nbytes for array in model.named_parameters().values())
    if id(model) not in _measured:
        weakref.finalize(model, _measured.pop, id(model), None)  # its id may be another's then
    known = _measured.setdefault(id(model), {})
    key = (example.shape, example.dtype, stored, tuple(place for place, _, _ in model.trainable()))
    if key in known:
        return known[key]
    _, steps = spared(model.replica().eval().trace, example, getattr(x, "shape", None))
    learning = [step.layer.learns() for step in steps]
    activations = sum(step.y.nbytes for step in steps[learning.index(True) if True in learning else 0 :])
    tables = [step.layer.named_parameters() for step in steps if step.layer.in_rows]
    stored -= sum(array.nbytes for table in tables for array in table.values())
    known[key] = activations, max([1, *(step.y.nbytes for step in steps)]), stored
    return known[key]


@lru_cache(maxsize=16)  # an epoch asks for two sizes, thousands of times
def shares(size: int, plan: Plan) -> list[list[slice]]:
    """For each worker the slices of the batch that are its pieces: equal to within one example, in order.

    No piece has fewer than two examples (as long as the batch has), so that batch statistics exist.
    """
    workers = max(1, min(plan.workers, size // 2))
    each = max(1, min(-(-size // (workers * plan.piece)), size // (2 * workers)))
    edges = np.linspace(0, size, workers * each + 1).round().astype(int)
    pieces = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    return [pieces[w * each : (w + 1) * each] for w in range(workers)]
