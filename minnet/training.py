"""The training loop: batches in, updates out, with a memory of how it went."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minnet import checkpoint, run_folder
from minnet.functional import NoDistribution
from minnet.interrupt import Interrupt
from minnet.layers.base import Layer
from minnet.losses import Loss, SoftmaxCrossEntropy
from minnet.nonfinite import NonFiniteError, find_nonfinite
from minnet.optimizers import Lookahead, Optimizer, clip_factor, gradient_norm
from minnet.progress import Progress, as_json, differences, progress_from
from minnet.sharing import Plan, plan
from minnet.workers import SHUFFLE, Batch, Crew, Outcome


class Updated(NamedTuple):
    """What one step found, and the learning rate of its update."""

    loss: float
    correct: int
    rate: float


class Trainer:
    """Fits a model: `Trainer(model, loss, optimizer).fit((x, y), validation=(x, y), epochs=10)`.

    `schedule` maps progress in [0, 1] to a factor on the optimizer's learning rate. `workers` threads share each
    batch, in pieces of at most `piece` examples (None: chosen by a fixed rule on sizes, see sharing.plan).
    `augment(x, rng, epoch, indices)` changes training inputs. `freeze_at` {"1.b": 0.3} stops a parameter's learning
    at the first epoch that begins after that part of the run. Batch norm uses the statistics of each piece, or with
    `exact_batch_norm` those of the whole batch, for which the workers wait for each other.
    Same seed, workers and piece: same bits.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        optimizer: Optimizer | Lookahead,
        *,
        schedule: Callable[[float], float] | None = None,
        seed: int = 0,
        workers: int | None = None,
        piece: int | None = None,
        clip_norm: float | None = None,
        augment: Callable[..., np.ndarray] | None = None,
        freeze_at: dict[str, float] | None = None,
        exact_batch_norm: bool = False,
    ) -> None:
        last = getattr(model, "layers", [None])[-1]
        if isinstance(loss, SoftmaxCrossEntropy) and type(last).__name__ == "Softmax":
            raise ValueError(
                "the model ends in Softmax and the loss is SoftmaxCrossEntropy, which applies softmax itself: twice "
                "would flatten every probability. Leave the Softmax layer out, or use CrossEntropy."
            )
        updates = optimizer.optimizer if isinstance(optimizer, Lookahead) else optimizer
        if all(updates.model is not layer for _, layer in model.walk()):
            raise ValueError("the optimizer was made for another model, which it would go on updating: make it anew")
        if next(loss.trainable(), None) is not None and updates.loss is not loss:
            raise ValueError(f"{loss!r} has parameters that nobody would update: pass loss=... to the optimizer")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.schedule, self.seed, self.workers, self.piece = schedule, seed, workers, piece
        self.clip_norm, self.augment, self.freeze_at = clip_norm, augment, freeze_at or {}
        self.exact_batch_norm = exact_batch_norm
        self.history: list[dict[str, Any]] = []
        self.interrupted = False

    def fit(
        self,
        train: tuple[Any, ...],
        validation: tuple[Any, Any] | None = None,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        patience: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        about: tuple[dict[str, np.ndarray], dict[str, Any]] = ({}, {}),
        save_every: float = 60.0,
        progress: bool = True,
    ) -> list[dict[str, Any]]:
        """Trains on `train` = (x, y) or (x, y, example weights); returns the history, one dictionary an epoch.

        With `validation`, the weights of the epoch with the lowest validation loss are restored at the end, and
        training stops after `patience` epochs without a new lowest. With `folder`, it keeps there history.csv,
        best.ckpt and last.ckpt (after every epoch, on Ctrl-C, and every `save_every` seconds); `resume` goes on
        from last.ckpt as if never stopped. `about` (arrays, header) goes into the checkpoints: what else a
        prediction needs. Ctrl-C ends the run between two updates and sets `interrupted`; without a folder, to which it
        could be saved, it raises KeyboardInterrupt then, so that nobody takes the model for trained.
        """
        x, y = train[0], np.asarray(train[1])
        weights = np.asarray(train[2], dtype=np.float64) if len(train) > 2 else None
        self._check(x, y, weights, validation, epochs, batch_size, patience)
        epochs, batch_size, examples = int(epochs), int(batch_size), len(y)
        # a rest of one example joins the last batch: batch statistics need two
        self.steps = examples // batch_size + (examples % batch_size > 1 or examples < batch_size)
        chosen = plan(self.model, x[:1], min(batch_size, examples), self.workers, self.piece)
        self.run = {
            "examples": examples, "epochs": epochs, "batch_size": batch_size, "steps": self.steps, "seed": self.seed,
            "workers": chosen.workers, "piece": chosen.piece, "exact_batch_norm": self.exact_batch_norm,
        }  # fmt: skip
        self.settings = as_json(
            self.run | {
                "model": self.model, "loss": self.loss, "optimizer": self.optimizer, "schedule": self.schedule,
                "augment": self.augment, "clip_norm": self.clip_norm, "freeze_at": self.freeze_at, "patience": patience,
                "data": about[1].get("fingerprint"),
            }
        )  # fmt: skip
        self.folder, self.about, self.save_every = None if folder is None else _writable(folder), about, save_every
        self.history = []
        self.best: dict[str, np.ndarray] | None = None
        self.interrupted = False
        state = self._restore() if resume else Progress()
        self._started = time.perf_counter() - state.seconds

        def more() -> bool:
            return state.epoch < epochs and (patience is None or state.waited < patience)

        then = "finishing this step" + (" and saving" if self.folder is not None else "")
        with self._crew(chosen) as crew, Interrupt(then) as interrupt:
            while more() and not self.interrupted:
                if self._epoch(crew, (x, y, weights), state, interrupt, progress):
                    self._close_epoch(crew, validation, state, progress)
                self.interrupted = interrupt.asked and more()
        if self.interrupted and self.folder is None:
            raise KeyboardInterrupt
        if not self.interrupted and self.best is not None:
            self._set_weights(self.best)
        return self.history

    def _epoch(self, crew: Crew, data: tuple[Any, ...], state: Progress, interrupt: Interrupt, progress: bool) -> bool:
        """The updates of one epoch, from where `state` stands; False when Ctrl-C ended it before the last."""
        x, y, weights = data
        size, saved = self.run["batch_size"], time.perf_counter()
        crew.freeze([place for place, part in self.freeze_at.items() if state.epoch / self.run["epochs"] >= part])
        order = np.random.default_rng((self.seed, SHUFFLE, state.epoch)).permutation(len(y))
        with tqdm(total=len(y), initial=state.step * size, unit="ex", desc=f"epoch {state.epoch + 1}",
                  disable=None if progress else True, leave=False) as bar:  # fmt: skip
            for step in range(state.step, self.steps):
                end = len(y) if step == self.steps - 1 else (step + 1) * size
                rows = order[step * size : end]
                batch = Batch(x, rows, y[rows], None if weights is None else weights[rows], self.augment)
                done = (state.epoch + step / self.steps) / self.run["epochs"]
                updated = self._step(crew, batch, done, (self.seed, state.epoch, step))
                state.step = step + 1
                if updated is not None:
                    state.loss += updated.loss * len(rows)
                    state.correct += updated.correct
                    state.seen += len(rows)
                    state.rate = updated.rate
                    bar.set_postfix(loss=f"{state.loss / state.seen:.3f}", accuracy=f"{state.correct / state.seen:.3f}")
                bar.update(len(rows))
                due = interrupt.asked or time.perf_counter() - saved > self.save_every
                if due and state.step < self.steps:
                    saved = time.perf_counter()
                    state.seconds = saved - self._started
                    self._save("last.ckpt", state)
                    if interrupt.asked:
                        return False
        return True

    def _close_epoch(self, crew: Crew, validation: Any, state: Progress, progress: bool) -> None:
        """What follows an epoch's last update: validation, a row of history, the best weights, a checkpoint."""
        examples = self.run["examples"]
        spent = time.perf_counter() - self._started - (self.history[-1]["seconds"] if self.history else 0.0)
        state.epoch += 1
        if state.epoch == self.run["epochs"] and isinstance(self.optimizer, Lookahead):
            self.optimizer.pull(0.0)  # the run ends on the slow weights
        row: dict[str, Any] = {
            "epoch": state.epoch, "step": state.epoch * self.steps, "learning_rate": state.rate,
            "train_loss": state.loss / max(1, state.seen), "train_accuracy": state.correct / max(1, state.seen),
            "validation_loss": None, "validation_accuracy": None,
        }  # fmt: skip
        if validation is not None:
            scores = self.predict(validation[0], crew)
            row["validation_loss"], row["validation_accuracy"] = self._score(scores, validation[1])
        state.step, state.loss, state.correct, state.seen = 0, 0.0, 0, 0
        state.seconds = time.perf_counter() - self._started
        row |= {"seconds": state.seconds, "examples_per_second": examples / spent}
        self.history.append(row)
        self._remember(state, row)
        self._save("last.ckpt", state)
        self._log(row, progress)

    @contextmanager
    def _crew(self, chosen: Plan) -> Iterator[Crew]:
        """The workers; the optimizer may use their threads as long as they are there."""
        with _mode(self.model, training=True), Crew(self.model, self.loss, chosen, self.exact_batch_norm) as crew:
            self.optimizer.pool = crew.pool
            try:
                yield crew
            finally:
                self.optimizer.pool = None

    def rates(self) -> np.ndarray:
        """The learning rate of every step of the run that `fit` was asked for, (epochs * steps,)."""
        done = (np.arange(self.run["epochs"])[:, None] + np.arange(self.steps) / self.steps) / self.run["epochs"]
        return np.array([self._rate(progress) for progress in done.ravel().tolist()])

    # -- one update ----------------------------------------------------------------------------------------

    def _step(self, crew: Crew, batch: Batch, progress: float, key: tuple[int, int, int]) -> Updated | None:
        """Forward, backward, update. Raises NonFiniteError, with the model as it was, if loss or gradient are not.

        A batch in which no example counts (weights of zero, labels to ignore) changes nothing, and gives None.
        """
        if self.loss.denominator(batch.y, batch.weights) == 0:
            return None
        buffers = list(self.model.named_buffers().values())
        before = [array.copy() for array in buffers]  # batch norm's statistics; weights only change in the update
        rate = self._rate(progress)
        try:
            outcome = crew.step(batch, key)
            norm = gradient_norm(self.model, self.loss, self.optimizer.pool)
        except NoDistribution:  # every score is -inf
            outcome, norm = Outcome(math.nan, 0), math.nan
        if not (math.isfinite(outcome.loss) and math.isfinite(norm)):
            for array, old in zip(buffers, before, strict=True):
                array[...] = old
            where = find_nonfinite(self.model, self.loss, batch, key)
            raise NonFiniteError(
                f"epoch {key[1] + 1}, step {key[2] + 1}: loss {outcome.loss:g}, gradient norm {norm:g}. {where} "
                f"(learning rate {rate:g}; no update was made)"
            )
        if isinstance(self.optimizer, Lookahead):
            self.optimizer.progress = progress
        self.optimizer.step(rate, 1.0 if self.clip_norm is None else clip_factor(norm, self.clip_norm))
        return Updated(outcome.loss, outcome.correct, rate)

    def _rate(self, progress: float) -> float:
        return self.optimizer.learning_rate * (1.0 if self.schedule is None else self.schedule(progress))

    # -- evaluation ----------------------------------------------------------------------------------------

    def predict(self, x: Any, crew: Crew | None = None) -> np.ndarray:
        """The scores (N, K) for all of `x`, in evaluation mode, by all workers."""
        if crew is None:
            return predict(self.model, x, self.workers)
        for replica in crew.replicas:
            replica.model.eval()
        scores = crew.predict(x)
        for replica in crew.replicas:
            replica.model.train()
        return scores

    def evaluate(self, x: Any, y: Any) -> tuple[float, float]:
        """(loss, accuracy) on the examples given."""
        return self._score(self.predict(x), y)

    def _score(self, scores: np.ndarray, y: Any) -> tuple[float, float]:
        y = np.asarray(y)
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        return self.loss.replica().eval().forward(scores, y), float((scores.argmax(axis=1) == labels).mean())

    # -- memory --------------------------------------------------------------------------------------------

    def _remember(self, state: Progress, row: dict[str, Any]) -> None:
        """Keeps the weights of the epoch with the lowest validation loss."""
        loss = row["validation_loss"]
        if loss is None:
            return
        if loss < (math.inf if state.best_loss is None else state.best_loss):  # a NaN never is the best
            state.best_loss, state.best_epoch, state.waited = loss, row["epoch"], 0
            self.best = {key: array.copy() for key, array in self._weights().items()}
            self._save("best.ckpt", state)
        else:
            state.waited += 1

    def _save(self, name: str, state: Progress) -> None:
        """Model, optimizer, progress and all that a prediction needs, in one file, atomically."""
        if self.folder is None:
            return
        arrays, header = self.about
        header = {
            **checkpoint.model_to(self.model)[1], "about": header, "settings": self.settings,
            "progress": state.to_json(), "history": self.history, "steps": self.optimizer.steps,
        }  # fmt: skip
        arrays = _prefixed("about/", arrays) | _prefixed("optimizer/", self.optimizer.state_arrays()) | self._weights()
        checkpoint.save(self.folder / name, arrays, header)
        if self.best is None:  # then a best.ckpt is that of an earlier run here
            (self.folder / "best.ckpt").unlink(missing_ok=True)

    def _weights(self) -> dict[str, np.ndarray]:
        """Every parameter and buffer of the model and of the loss, under the names that checkpoints use."""
        return checkpoint.model_to(self.model)[0] | _prefixed("loss/", self.loss.named_parameters())

    def _set_weights(self, arrays: dict[str, np.ndarray]) -> None:
        checkpoint.load_model(self.model, arrays)
        for key, array in _prefixed("loss/", self.loss.named_parameters()).items():
            if key not in arrays or arrays[key].shape != array.shape:
                raise ValueError(f"the weights do not fit the loss: '{key}' is missing or of another shape")
            array[...] = arrays[key]

    def _restore(self) -> Progress:
        """How far the interrupted run in the folder had come; model, optimizer and history are as they were then."""
        path = Path() if self.folder is None else self.folder / "last.ckpt"
        if self.folder is None or not path.exists():
            raise FileNotFoundError(f"nothing to resume: {self.folder} has no last.ckpt. Start without resume.")
        arrays, header = checkpoint.load(path)
        try:
            state, steps = progress_from(header.get("progress")), header.get("steps")
            history = header.get("history")
            if not isinstance(history, list) or len(history) != state.epoch or type(steps) is not int:
                raise ValueError("its history is not that of its progress")
        except ValueError as error:
            raise ValueError(f"cannot resume {path}: {error}. Was it saved by a run of training?") from None
        changed = differences(header.get("settings"), self.settings)
        if changed:
            more = f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise ValueError(
                f"cannot resume {self.folder}: {'; '.join(changed[:3])}{more}. Use the settings of that run."
            )
        prefix = "optimizer/"
        flat = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
        best = checkpoint.load(self.folder / "best.ckpt")[0] if state.best_epoch else None
        self.optimizer.load_state_arrays(flat)
        if best is not None:
            self._set_weights(best)  # makes sure that they fit
            self.best = {key: best[key] for key in self._weights()}
        self._set_weights(arrays)
        self.optimizer.steps, self.history = steps, history
        return state

    def _log(self, row: dict[str, Any], progress: bool) -> None:
        if self.folder is not None:
            run_folder.save(self.folder / "history.csv", run_folder.to_csv(self.history))
        if progress:
            line = (
                f"epoch {row['epoch']:>2}/{self.run['epochs']}  loss {row['train_loss']:.4f}  "
                f"accuracy {row['train_accuracy']:.4f}"
            )
            if row["validation_loss"] is not None:
                line += f"   validation: loss {row['validation_loss']:.4f}  accuracy {row['validation_accuracy']:.4f}"
            tqdm.write(f"{line}   {row['examples_per_second']:,.0f} examples/s  {row['seconds']:.0f} s")

    def _check(
        self, x: Any, y: np.ndarray, weights: Any, validation: Any, epochs: int, batch_size: int, patience: int | None
    ) -> None:
        """Raises before any work is done."""
        waits = () if patience is None else (("patience", patience),)
        for name, value in (("epochs", epochs), ("batch_size", batch_size), *waits):
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        learning = [place for place, _, _ in self.model.trainable()]
        if unknown := [place for place in self.freeze_at if place not in learning]:
            raise ValueError(f"freeze_at names {unknown[0]!r}; what learns is {', '.join(learning)}")
        for name, inputs, targets in (("training", x, y), ("validation", *(validation or ([0], [0])))):
            count = inputs.shape[0] if hasattr(inputs, "shape") else len(inputs)
            if count != len(targets):
                raise ValueError(f"the {name} data has {count} inputs but {len(targets)} targets")
            if count == 0:
                raise ValueError(f"the {name} data is empty")
        if weights is not None and weights.shape != (len(y),):
            raise ValueError(f"example weights must be {len(y)} numbers, one an example, got shape {weights.shape}")
        if weights is not None and not ((weights >= 0) & (weights < math.inf)).all():
            wrong = weights[~((weights >= 0) & (weights < math.inf))][0]
            raise ValueError(f"example weights must be finite and at least 0, got {wrong:g}")
        for name, inputs, targets in (("training", x, y), *([("validation", *validation)] if validation else [])):
            with _mode(self.model, training=False):
                scores = self.model.forward(inputs[:1])  # raises for a wrong shape or dtype
            targets = np.asarray(targets)
            if targets.ndim == 1 and targets.dtype.kind in "iu":
                counted = targets[targets != getattr(self.loss, "ignore_index", None)]
                classes: Any = getattr(self.loss, "classes", scores.shape[1])  # a loss may own the last layer
                if counted.size and not (counted.min() >= 0 and counted.max() < classes):
                    raise ValueError(
                        f"the {name} labels run from {counted.min()} to {counted.max()}, but the model gives "
                        f"{classes} scores: labels must be 0..{classes - 1}"
                    )
            self.loss.replica().forward(scores, targets[:1], None, 1.0)  # raises for targets of another kind
            if self.loss.denominator(targets, weights if name == "training" else None) == 0:
                raise ValueError(f"no example of the {name} data counts: all have the weight 0, or labels to ignore")


def predict(model: Layer, x: Any, workers: int | None = None, batch_size: int = 512) -> np.ndarray:
    """The model's outputs (N, K) for all of `x` in evaluation mode, by all workers.

    Nothing is written into the model: several threads may ask it at once.
    """
    if x.shape[0] == 0:
        raise ValueError("nothing to predict: the input is empty")
    alone = x.shape[0] == 1  # then there is nothing to plan, and planning costs as much as predicting
    chosen = Plan(1, 1) if alone else plan(model, x[:1], min(batch_size, x.shape[0]), workers)
    with Crew(model, None, chosen) as crew:
        return crew.predict(x)


@contextmanager
def _mode(model: Layer, training: bool) -> Iterator[None]:
    """Training (where nobody reads the first layer's dx) or evaluation; afterwards all is as it was found."""
    found = [(layer, layer.training, layer.frozen, layer.needs_dx) for _, layer in model.walk()]
    try:
        model.train(training)
        model.need_dx(not training)
        yield
    finally:
        for layer, was_training, frozen, needs_dx in found:
            layer.training, layer.frozen, layer.needs_dx = was_training, frozen, needs_dx


def _writable(folder: str | os.PathLike[str]) -> Path:
    """The folder, made if it is not there. Raises OSError before an hour of training, not after it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise checkpoint.os_error(error, f"cannot write into {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write into {folder}: choose another folder, or make this one writable")
    return folder


def _prefixed(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {prefix + key: array for key, array in arrays.items()}
