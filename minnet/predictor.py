"""A network that is asked again and again: what does not depend on the question is done once."""

from __future__ import annotations

import copy
import math
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from minnet import winograd
from minnet.blas import at_most_blas_threads
from minnet.kernels import windows
from minnet.layers.activations import ReLU
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.containers import chains
from minnet.layers.conv import Conv2d
from minnet.layers.normalization import folded
from minnet.memory import BLOCK_BYTES, Geometry, images, spared
from minnet.process_memory import keep_freed_memory
from minnet.sharing import Plan, prediction_plan
from minnet.trials import check_question
from minnet.workers import Crew, Replica

FEW = 7  # examples that are answered by the prepared network; more are worth a piece a worker


class Predictor:
    """`training.predict` for whoever asks again and again.

        ask = Predictor(model)
        scores = ask(x)  # (N, K) for x (N, ...)

    It answers as the model would that it was made from, up to rounding: it keeps a copy in evaluation mode, batch
    norms folded into the layers before them and, where an image fits into one block, filters transformed and memory
    laid out for the next call. What the model learns afterwards it does not know: make a new one. Up to FEW examples
    are answered by one worker, whose matrix products may take `workers` threads, more of them by `workers` threads as
    in `predict`, which wait for the next question with their memory at hand. Several threads may ask; they take turns.
    So may a forked process, or one that is sent the Predictor: it lays out memory of its own.
    """

    def __init__(self, model: Layer, workers: int | None = None) -> None:
        if workers is not None:
            whole("workers", workers)
        keep_freed_memory()
        self._model = copy.deepcopy(folded(model))
        self._workers = workers
        self._for_few = Replica(self._model, None)
        self._turns: dict[int, threading.Lock] = {}  # one a process: a fork copies a lock as it is, perhaps held
        self._crew: Crew | None = None  # made with the first question that asks for more than FEW
        self._process = os.getpid()
        self._kind: Any = None  # type, shape and dtype of what the last question asked about
        self._plans: dict[int, Plan] = {}  # for so many of that kind
        for layer in self._for_few.layers:
            if type(layer) is Conv2d and "forward" not in vars(layer):  # else it may compute something else
                vars(layer)["forward"] = _Forward(layer)
        for chain in chains(self._for_few.model):
            chain.layers = _with_relus_inside(chain.layers)

    def __call__(self, x: Any) -> np.ndarray:
        with self._turns.setdefault(os.getpid(), threading.Lock()):
            count = x.shape[0] if getattr(x, "shape", ()) else 0
            kind = (type(x), getattr(x, "shape", ())[1:], getattr(x, "dtype", None))  # a data frame has no dtype
            if kind != self._kind or count == 0:  # once: looking for other units takes as long as a layer
                check_question(self._model, x)
                self._kind, self._plans = kind, {}
            return self._answer_many(x, count) if count > FEW else self._answer_few(x)

    def __reduce__(self) -> Any:
        return Predictor, (self._model, self._workers)

    def _answer_few(self, x: Any) -> np.ndarray:
        with at_most_blas_threads(self._workers) if self._workers else nullcontext():
            y = spared(self._for_few.model.forward, x[:])  # a slice, as `predict` takes
        _forget(self._for_few)
        return y.copy() if isinstance(x, np.ndarray) and np.may_share_memory(x, y) else y

    def _answer_many(self, x: Any, count: int) -> np.ndarray:
        if count not in self._plans:
            self._plans[count] = prediction_plan(self._model, x, self._workers)
        chosen = self._plans[count]
        crew, self._crew = self._crew, None  # gone, if the answer fails or is interrupted
        if crew is None or len(crew.replicas) < chosen.workers or self._process != os.getpid():
            crew, self._process = Crew(self._model, None, chosen), os.getpid()  # threads do not follow into a fork
        crew.plan = chosen
        try:
            y = crew.predict(x)
        except BaseException:
            crew.close()
            raise
        for replica in crew.replicas:
            _forget(replica)
        self._crew = crew
        return y


def _forget(replica: Replica) -> None:
    """Nobody goes back: what was kept for that is let go."""
    for layer in replica.layers:
        layer._cache = None


def _with_relus_inside(layers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without the ReLUs that stand right behind a prepared convolution: it takes their step on its own output."""
    left: list[Any] = []
    for layer in layers:
        before = left[-1].forward if left else None
        if type(layer) is ReLU and isinstance(before, _Forward) and not before.relu:
            before.relu = True
        else:
            left.append(layer)
    return tuple(left)


class _Forward:
    """The forward pass of a convolution that learns no more, prepared for the shape that it met last."""

    def __init__(self, layer: Conv2d) -> None:
        self._layer, self._usual = layer, layer.forward
        self._run: Callable[[np.ndarray], np.ndarray] = self._usual
        self.relu = False
        self._met: Any = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self._met != (x.shape, x.dtype):
            self._layer._expect(x, channels=self._layer.in_channels)
            self._met = None  # until all is ready, whatever interrupts
            self._run = self._prepared(x)
            self._met = (x.shape, x.dtype)
        y = self._run(x)
        return np.maximum(y, 0, out=y) if self.relu else y

    def _prepared(self, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        layer = self._layer
        W, b, geometry = layer.W, layer.b, layer.geometry
        if layer.groups > 1 or layer.exact:
            return self._usual
        if winograd.suits(x.shape, W.shape, geometry):
            fits = winograd.in_one_block(x, W.shape[3], geometry)
            return winograd.Prepared(x.shape, W, b, geometry, layer.workspace) if fits else self._usual
        places = len(x) * math.prod(geometry.output(*x.shape[1:3]))
        fits = places * math.prod(W.shape[:3]) * x.itemsize <= BLOCK_BYTES
        return _Columns(x.shape, W, b, geometry) if fits else self._usual


class _Columns:
    """Convolution by columns, see kernels.py, for images that fit into one block; b weighs one more column, of ones."""

    def __init__(self, x_shape: tuple[int, ...], W: np.ndarray, b: np.ndarray | None, geometry: Geometry) -> None:
        n, height, width, C = x_shape
        out = geometry.output(height, width)
        rows, columns = geometry.extent(*out)
        top, left = geometry.padding
        padded = np.zeros((rows, columns, n, C), W.dtype)  # what lies around the image stays zero
        self._seen = (slice(None), slice(max(0, rows - top)), slice(max(0, columns - left)))  # a rest may stay unseen
        self._image = images(padded[top : top + height, left : left + width])
        self._windows = windows(padded, geometry, *out)
        matrix = W.reshape(-1, W.shape[3])
        self._matrix = np.vstack([matrix, np.zeros_like(matrix[:1]) if b is None else b])
        self._shape = (*self._windows.shape[:3], -1)
        places = np.ones((*self._windows.shape[:3], len(self._matrix)), W.dtype)
        self._numbers = places[..., :-1].reshape(self._windows.shape)
        self._columns = places.reshape(-1, len(self._matrix))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self._image[...] = x[self._seen]
        self._numbers[...] = self._windows
        return images((self._columns @ self._matrix).reshape(self._shape))
