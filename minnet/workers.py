"""Data-parallel training: replicas of one network, each on a thread, each with its share of the batch.

The gradient of a batch is a sum over its examples, dL/dW = sum_n (w_n / D) dl_n/dW, so it can be summed in any
grouping. A worker takes its share in pieces small enough that activations stay in the processor's cache. The loss
divides each piece by the D of the whole batch, so that the pieces' gradients simply add up; they are added in a fixed
order, and one update follows. Each use of randomness gets a generator made from (seed, purpose, epoch, step, piece):
nothing depends on which thread was faster.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from minnet.blas import at_most_blas_threads
from minnet.functional import NoDistribution
from minnet.layers.base import Layer, RowGradient
from minnet.layers.conv import Conv2d
from minnet.layers.normalization import folded
from minnet.losses import Loss
from minnet.memory import Workspace, spared
from minnet.places import arrays, learners
from minnet.process_memory import keep_freed_memory, release_freed_memory
from minnet.randomness import AUGMENT, Key, drawing, seed_layers
from minnet.sharing import Plan, available_cores, shares
from minnet.watch import Watch


class Outcome(NamedTuple):
    """What one step's forward and backward passes found."""

    loss: float
    correct: int  # see Loss.hits
    counted: int


class Replica:
    """One thread's view of the network: it shares the parameters and has gradients, caches and workspace of its own.

    Without a loss it is there to predict: in evaluation mode, and keeping nothing for a backward pass.
    """

    def __init__(self, model: Layer, loss: Loss | None) -> None:
        self.model: Layer = model.replica()
        self.loss: Any = None if loss is None else loss.replica().train()
        self.workspace = Workspace()
        self.layers: list[Any] = [layer for _, layer in self.model.walk()]
        for layer in self.layers:
            if isinstance(vars(layer).get("workspace"), Workspace):
                layer.workspace = self.workspace  # scratch is shared by all layers of a thread
            if loss is None and isinstance(layer, Conv2d):
                layer.kept = [None] * layer.groups
        if self.loss is None:
            self.model.eval()
        else:
            self.drawing: list[Any] = drawing([*self.layers, *(layer for _, layer in self.loss.walk())])
            self.noting: list[Any] = [layer for layer in self.layers if hasattr(type(layer), "update_running")]
            self.learners = learners(self.model, self.loss)


class _Meeting:
    """Where the workers of one step exchange numbers: each brings its own and gets those of all, in worker order."""

    def __init__(self) -> None:
        self.open(1)

    def open(self, seats: int) -> None:
        self._barrier, self._brought = threading.Barrier(seats), [("", None)] * seats

    def share(self, seat: int, where: str, value: Any) -> list[Any]:
        self._brought[seat] = where, value
        self._barrier.wait()
        everything = list(self._brought)
        self._barrier.wait()  # nobody brings the next number before all have read this one
        if len(places := {place for place, _ in everything}) > 1:
            raise ValueError(
                f"exact_batch_norm: workers stand at {' and '.join(sorted(places))}, and would wait for each other for "
                "ever: every piece has to pass the same batch norms"
            )
        return [value for _, value in everything]

    def abandon(self) -> None:
        """Wakes those who wait for a worker that failed."""
        self._barrier.abort()


class Crew:
    """The replicas and their threads. Use it in a `with` block: leaving it ends the threads and frees the workspace.

    A crew that only predicts (`loss` None) may also live on without the block: its threads wait for the next question,
    and end when it is let go.
    """

    def __init__(self, model: Layer, loss: Loss | None, plan: Plan, exact_batch_norm: bool = False) -> None:
        self.model, self.plan = model, plan
        self.loss: Any = loss  # None: it is there to predict
        source = folded(model) if loss is None and plan.piece > 1 else model  # folding costs one image's worth
        self.replicas = [Replica(source, loss) for _ in range(plan.workers)]
        self._failed = False
        if loss is not None:  # found once: walking a small network takes as long as a pass through it
            self._learners = learners(model, loss)
            self._noting: list[Any] = [layer for _, layer in model.walk() if hasattr(type(layer), "update_running")]
            self.buffers = [array for *_, array in arrays("buffers", model, loss) if array is not None]
            self._watch: Any = Watch(model, loss, [(replica.model, replica.loss) for replica in self.replicas])
        self.meeting = _Meeting() if exact_batch_norm else None
        if self.meeting is not None:
            for seat, replica in enumerate(self.replicas):
                for number, layer in enumerate(replica.noting):
                    layer.exchange = functools.partial(self.meeting.share, seat, f"batch norm {number}")
        keep_freed_memory()
        threads = available_cores() if plan.threaded_blas and loss is not None else plan.workers  # the optimizer's, too
        self.pool = ThreadPoolExecutor(threads, "minnet") if threads > 1 else None  # each begins with its first task

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads, after the pieces that they are at, and lets the replicas go."""
        self._failed = True  # a worker that is still at it stops at its next piece
        if self.meeting is not None:
            self.meeting.abandon()
        if self.pool is not None:
            self.pool.shutdown()
        self.replicas, self._watch = [], None
        if self.loss is not None:  # a prediction holds little, and the next one is spared asking the system for it
            release_freed_memory()

    def _each(self, task: Callable[[Replica, list[slice], int], Any], size: int, piece: int) -> list[Any]:
        """task(replica, its pieces, number of its first piece) of every worker, in worker order."""
        work, first = [], 0
        for replica, pieces in zip(self.replicas, shares(size, self.plan._replace(piece=piece)), strict=False):
            work.append((replica, pieces, first))
            first += len(pieces)
        if self.meeting is not None:
            self.meeting.open(len(work))
        if self.plan.threaded_blas:
            return [task(*item) for item in work]
        with at_most_blas_threads(1):
            return self._together(task, work)

    def _together(self, task: Callable[[Replica, list[slice], int], Any], work: list[Any]) -> list[Any]:
        if self.pool is None or len(work) == 1:
            return [task(*item) for item in work]

        def guarded(*item: Any) -> Any:
            try:
                return task(*item)
            except BaseException:
                self._failed = True  # the others stop at their next piece
                if self.meeting is not None:
                    self.meeting.abandon()
                raise

        # each in the caller's context: what its np.errstate says holds for all workers
        futures = [self.pool.submit(contextvars.copy_context().run, functools.partial(guarded, *item)) for item in work]
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error  # a worker's error with its own traceback, rather than that of one who waited for it
        return [future.result() for future in futures]

    def step(self, batch: Batch, key: Key) -> Outcome:
        """One forward and backward pass over `batch`, leaving the whole batch's gradients in the model and the loss."""
        denominator = self.loss.denominator(batch.y, batch.weights)
        # workers that meet take one piece each, so that all stand at the same layer at the same time
        piece = self.plan.piece if self.meeting is None else len(batch.y)
        for _, layer, name in self._learners:  # the new gradient gets the old one's memory, which is still in cache
            vars(layer).pop("d" + name, None)
        self._watch.before()
        results = self._each(functools.partial(self._work, batch, key, denominator), len(batch.y), piece)
        self._watch.after(len(batch.y))
        total = results[0][1]  # the others are added in worker order: the same bits, whoever was faster
        for _, gradients in results[1:]:
            total = {place: total[place] + gradients[place] for place in total}
        for place, layer, name in self._learners:
            setattr(layer, "d" + name, total[place])
        for index, master in enumerate(self._noting):
            notes = [note for replica in self.replicas for note in replica.noting[index].notes]
            for replica in self.replicas:
                replica.noting[index].notes = []
            if notes:
                master.update_running(notes)
        return Outcome(*(sum(numbers) for numbers in zip(*(found for found, _ in results), strict=True)))

    def _work(
        self, batch: Batch, key: Key, denominator: float, replica: Replica, pieces: list[slice], first: int
    ) -> tuple[Outcome, dict[str, Any]]:
        """One worker's part of a step: the loss and the gradients of its pieces, added up."""
        value, correct, counted = 0.0, 0, 0
        total: dict[str, Any] = {}
        for number, piece in enumerate(pieces, start=first):
            if self._failed:
                break
            x, y, weights = batch.piece(piece, key, number)
            seed_layers(replica.drawing, key, number)
            scores = _forward(replica.model, batch, x)
            value += float(replica.loss.forward(scores, y, weights, denominator))
            replica.model.backward(replica.loss.backward())
            taught = slice(None) if weights is None else weights > 0
            hits = replica.loss.hits(scores[taught], y[taught])
            correct, counted = correct + hits[0], counted + hits[1]
            for place, layer, name in replica.learners:
                gradient = vars(layer).pop("d" + name, None)  # that of the piece before is no gradient of this one
                if not isinstance(gradient, (np.ndarray, np.generic, RowGradient)):
                    raise ValueError(
                        f"'{place}': backward left {type(gradient).__name__} as d{name}, where an array is expected: "
                        "zeros where a layer took no part"
                    )
                total[place] = total[place] + gradient if place in total else gradient
        if self.meeting is not None:
            self.meeting.share(self.replicas.index(replica), "the end", None)
        return Outcome(value, correct, counted), total

    def freeze(self, places: list[str]) -> None:
        """Stops the learning of the parameters at these places, in the model and in every replica."""
        for model in (self.model, *(replica.model for replica in self.replicas)):
            for place, layer, name in list(model.trainable()):
                if place in places:
                    layer.frozen = (*layer.frozen, name)
            model.need_dx(model.needs_dx)  # a frozen front need not be walked back to
        self._learners = learners(self.model, self.loss)
        for replica in self.replicas:
            replica.learners = learners(replica.model, replica.loss)

    def predict(self, x: Any) -> np.ndarray:
        """The network's outputs for all of `x`, (N, K), in evaluation mode; replicas that train go on training."""
        learning = self.replicas if self.loss is not None else []
        for replica in learning:
            replica.model.eval()

        def forward(replica: Replica, pieces: list[slice], first: int) -> list[np.ndarray]:
            return [spared(replica.model.forward, x[piece]) for piece in pieces if not self._failed]

        each = self._each(forward, x.shape[0], self.plan.piece)
        for replica in learning:
            replica.model.train()
        return np.concatenate([y for results in each for y in results])


def _forward(model: Layer, batch: Batch, x: Any) -> np.ndarray:
    """The scores of a piece. What the model does not take of an `x` that augment made otherwise is augment's affair."""
    try:
        return model.forward(x)
    except ValueError as error:
        given, made = ((array.dtype, array.shape[1:]) for array in (batch.x[:1], x))
        if given == made or isinstance(error, NoDistribution):
            raise
        raise ValueError("augment turned {} {} into {} {}: ".format(*given, *made) + str(error)) from error


class Batch(NamedTuple):
    """Some rows of a data set; pieces are gathered and augmented by the worker that needs them."""

    x: Any  # the whole data set's inputs: an array or a CSR matrix
    indices: np.ndarray  # which rows
    y: np.ndarray  # their targets
    weights: np.ndarray | None = None  # their weights
    augment: Callable[..., np.ndarray] | None = None  # augment(x, rng, epoch, indices)

    def piece(self, rows: slice, key: Key, number: int) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """(x, y, weights) of one piece."""
        x = given = self.x[self.indices[rows]]
        if self.augment is not None:
            seed, epoch, step = key
            rng = np.random.default_rng((seed, AUGMENT, epoch, step, number))
            x = self.augment(given, rng, epoch, self.indices[rows])
            if getattr(x, "shape", ())[:1] != given.shape[:1]:
                got = getattr(x, "shape", type(x).__name__)
                raise ValueError(
                    f"augment returned {got} for x of {given.shape}: an array of as many examples is needed"
                )
        return x, self.y[rows], None if self.weights is None else self.weights[rows]
