"""The training loop: batches in, updates out, with a memory of how it went."""

from __future__ import annotations

import csv
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minnet import checkpoint
from minnet.layers.base import Layer
from minnet.losses import Loss, SoftmaxCrossEntropy
from minnet.nonfinite import NonFiniteError, find_nonfinite
from minnet.optimizers import Lookahead, Optimizer, clip_factor, gradient_norm
from minnet.workers import SHUFFLE, Batch, Crew, Plan, plan

HISTORY = (
    "epoch", "step", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    "seconds", "examples_per_second",
)  # fmt: skip


class Trainer:
    """Fits a model: `Trainer(model, loss, optimizer).fit((x, y), validation=(x, y), epochs=10)`.

    `schedule` maps progress in [0, 1] to a factor on the optimizer's learning rate. `workers` threads share each
    batch, in pieces of at most `piece` examples (None: chosen by a fixed rule on sizes, see workers.plan).
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
        prediction needs. Ctrl-C ends the run between two updates and sets `interrupted`.
        """
        x, y = train[0], np.asarray(train[1])
        weights = np.asarray(train[2], dtype=np.float64) if len(train) > 2 else None
        self._check(x, y, weights, validation, epochs, batch_size)
        examples = len(y)
        steps = examples // batch_size + (examples % batch_size > 1 or examples < batch_size)
        chosen = plan(self.model, x[:1], min(batch_size, examples), self.workers, self.piece)
        self.run = {
            "examples": examples, "epochs": epochs, "batch_size": batch_size, "seed": self.seed,
            "workers": chosen.workers, "piece": chosen.piece, "exact_batch_norm": self.exact_batch_norm,
        }  # fmt: skip
        self.folder, self.about = None if folder is None else Path(folder), about
        state = self._restore() if resume else _fresh_state()
        self.model.need_dx(False)  # nobody reads the first layer's dx
        self.interrupted, started, saved = False, time.perf_counter() - state["seconds"], time.perf_counter()
        with Crew(self.model.train(), self.loss, chosen, self.exact_batch_norm) as crew, _Interrupt() as interrupt:
            self.optimizer.pool = crew.pool
            for epoch in range(state["epoch"], epochs):
                if patience is not None and state["waited"] >= patience:
                    break
                crew.freeze([place for place, part in self.freeze_at.items() if epoch / epochs >= part])
                order = np.random.default_rng((self.seed, SHUFFLE, epoch)).permutation(examples)
                clock, first = time.perf_counter(), state["step"]
                bar = tqdm(total=examples, initial=first * batch_size, unit="ex", desc=f"epoch {epoch + 1}/{epochs}",
                           disable=None if progress else True, leave=False)  # fmt: skip
                for step in range(first, steps):
                    rows = order[step * batch_size : examples if step == steps - 1 else (step + 1) * batch_size]
                    batch = Batch(x, rows, y[rows], None if weights is None else weights[rows], self.augment)
                    done = (epoch * steps + step) / (epochs * steps)
                    outcome = crew.step(batch, (self.seed, epoch, step))
                    rate = self._update(outcome.loss, done, batch, (self.seed, epoch, step))
                    state["loss"] += outcome.loss * len(rows)
                    state["correct"] += outcome.correct
                    state["step"] = step + 1
                    seen = min(examples, (step + 1) * batch_size)
                    bar.set_postfix(loss=f"{state['loss'] / seen:.3f}", accuracy=f"{state['correct'] / seen:.3f}")
                    bar.update(len(rows))
                    state["seconds"] = time.perf_counter() - started
                    if interrupt.asked or time.perf_counter() - saved > save_every:
                        self._save("last.ckpt", state)
                        saved = time.perf_counter()
                        if interrupt.asked:
                            break
                bar.close()
                if interrupt.asked and state["step"] < steps:
                    break
                if epoch == epochs - 1 and isinstance(self.optimizer, Lookahead):
                    self.optimizer.pull(0.0)  # the run ends on the slow weights
                spent = time.perf_counter() - clock
                row = {"epoch": epoch + 1, "step": (epoch + 1) * steps, "learning_rate": rate,
                       "train_loss": state["loss"] / examples, "train_accuracy": state["correct"] / examples,
                       "validation_loss": None, "validation_accuracy": None, "seconds": state["seconds"],
                       "examples_per_second": (steps - first) / steps * examples / spent}  # fmt: skip
                if validation is not None:
                    scores = self.predict(validation[0], crew)
                    row["validation_loss"], row["validation_accuracy"] = self._score(scores, validation[1])
                state.update(epoch=epoch + 1, step=0, loss=0.0, correct=0, seconds=time.perf_counter() - started)
                row["seconds"] = state["seconds"]
                self.history.append(row)
                self._remember(state, row)
                self._save("last.ckpt", state)
                saved = time.perf_counter()
                self._log(row, epochs, progress)
                if interrupt.asked:
                    break
            self.interrupted = interrupt.asked and state["epoch"] < epochs
        self.optimizer.pool = None
        self.model.need_dx(True)
        if not self.interrupted and state["best"] is not None:
            self._set_weights(state["best"])
        return self.history

    # -- one update ----------------------------------------------------------------------------------------

    def _update(self, loss: float, progress: float, batch: Batch, key: tuple[int, int, int]) -> float:
        """The optimizer's step, after making sure that loss and gradient are finite; returns the learning rate."""
        rate = self.optimizer.learning_rate * (1.0 if self.schedule is None else self.schedule(progress))
        norm = gradient_norm(self.model, self.loss)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            where = find_nonfinite(self.model, self.loss, batch, key)
            raise NonFiniteError(
                f"epoch {key[1] + 1}, step {key[2] + 1}: loss {loss:g}, gradient norm {norm:g}. {where} "
                f"(learning rate {rate:g}; no update was made)"
            )
        if isinstance(self.optimizer, Lookahead):
            self.optimizer.progress = progress
        self.optimizer.step(rate, 1.0 if self.clip_norm is None else clip_factor(norm, self.clip_norm))
        return rate

    # -- evaluation ----------------------------------------------------------------------------------------

    def predict(self, x: Any, crew: Crew | None = None) -> np.ndarray:
        """The scores (N, K) for all of `x`, in evaluation mode, by all workers; the mode found is restored."""
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
        return self.loss.replica().forward(scores, y), float((scores.argmax(axis=1) == labels).mean())

    # -- memory --------------------------------------------------------------------------------------------

    def _remember(self, state: dict[str, Any], row: dict[str, Any]) -> None:
        """Keeps the weights of the epoch with the lowest validation loss."""
        if row["validation_loss"] is None:
            return
        if row["validation_loss"] < state["best_loss"]:
            best = {key: array.copy() for key, array in self._weights().items()}
            state.update(best_loss=row["validation_loss"], best_epoch=row["epoch"], waited=0, best=best)
            self._save("best.ckpt", state)
        else:
            state["waited"] += 1

    def _save(self, name: str, state: dict[str, Any]) -> None:
        """Model, optimizer, progress and all that a prediction needs, in one file, atomically."""
        if self.folder is None:
            return
        arrays, header = self.about
        progress = {key: value for key, value in state.items() if key != "best"}
        progress["best_loss"] = None if math.isinf(state["best_loss"]) else state["best_loss"]
        header = {
            **checkpoint.model_to(self.model)[1], "loss": self.loss.config(), "about": header, "run": self.run,
            "progress": progress, "history": self.history,
            "optimizer": self.optimizer.config(), "steps": self.optimizer.steps,
        }  # fmt: skip
        arrays = _prefixed("about/", arrays) | _prefixed("optimizer/", self.optimizer.state_arrays()) | self._weights()
        checkpoint.save(self.folder / name, arrays, header)

    def _weights(self) -> dict[str, np.ndarray]:
        """Every parameter and buffer of the model and of the loss, under the names that checkpoints use."""
        return checkpoint.model_to(self.model)[0] | _prefixed("loss/", self.loss.named_parameters())

    def _set_weights(self, arrays: dict[str, np.ndarray]) -> None:
        checkpoint.load_model(self.model, arrays)
        for key, array in _prefixed("loss/", self.loss.named_parameters()).items():
            array[...] = arrays[key]

    def _restore(self) -> dict[str, Any]:
        """The state of the interrupted run in the folder; the model and the optimizer get their arrays back."""
        if self.folder is None or not (self.folder / "last.ckpt").exists():
            raise FileNotFoundError(f"nothing to resume: {self.folder} has no last.ckpt. Start without resume.")
        arrays, header = checkpoint.load(self.folder / "last.ckpt")
        then, now = (
            header["run"] | {"optimizer": header["optimizer"]},
            self.run | {"optimizer": self.optimizer.config()},
        )
        changed = [f"{key} was {then.get(key)}, now {now[key]}" for key in now if then.get(key) != now[key]]
        if changed:
            raise ValueError(f"cannot resume {self.folder}: {'; '.join(changed)}. Use the settings of that run.")
        self._set_weights(arrays)
        prefix = "optimizer/"
        flat = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
        self.optimizer.load_state_arrays(flat)
        self.optimizer.steps = header["steps"]
        self.history = header["history"]
        state = _fresh_state() | header["progress"]
        state["best_loss"] = math.inf if state["best_loss"] is None else state["best_loss"]
        if state["best_epoch"]:
            best, _ = checkpoint.load(self.folder / "best.ckpt")
            state["best"] = {key: best[key] for key in self._weights()}
        return state

    def _log(self, row: dict[str, Any], epochs: int, progress: bool) -> None:
        if self.folder is not None:
            with open(self.folder / "history.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, HISTORY)
                writer.writeheader()
                writer.writerows(self.history)
        if progress:
            line = (
                f"epoch {row['epoch']:>2}/{epochs}  loss {row['train_loss']:.4f}  accuracy {row['train_accuracy']:.4f}"
            )
            if row["validation_loss"] is not None:
                line += f"   validation: loss {row['validation_loss']:.4f}  accuracy {row['validation_accuracy']:.4f}"
            tqdm.write(f"{line}   {row['examples_per_second']:,.0f} examples/s  {row['seconds']:.0f} s")

    def _check(self, x: Any, y: np.ndarray, weights: Any, validation: Any, epochs: int, batch_size: int) -> None:
        """Raises before any work is done."""
        for name, value in (("epochs", epochs), ("batch_size", batch_size)):
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        for name, inputs, targets in (("training", x, y), ("validation", *(validation or ([0], [0])))):
            count = inputs.shape[0] if hasattr(inputs, "shape") else len(inputs)
            if count != len(targets):
                raise ValueError(f"the {name} data has {count} inputs but {len(targets)} targets")
            if count == 0:
                raise ValueError(f"the {name} data is empty")
        if weights is not None and weights.shape != (len(y),):
            raise ValueError(f"example weights must be {len(y)} numbers, one an example, got shape {weights.shape}")
        scores = self.model.eval().forward(x[:1])
        for name, targets in (("training", y), ("validation", None if validation is None else validation[1])):
            if targets is not None and np.asarray(targets).ndim == 1 and np.asarray(targets).dtype.kind in "iu":
                counted = np.asarray(targets)
                counted = counted[counted != getattr(self.loss, "ignore_index", None)]
                if counted.size and not (counted.min() >= 0 and counted.max() < scores.shape[1]):
                    raise ValueError(
                        f"the {name} labels run from {counted.min()} to {counted.max()}, but the model gives "
                        f"{scores.shape[1]} scores: labels must be 0..{scores.shape[1] - 1}"
                    )


def predict(model: Layer, x: Any, workers: int | None = None, batch_size: int = 512) -> np.ndarray:
    """The model's outputs (N, K) for all of `x` in evaluation mode, by all workers; its mode is restored."""
    if x.shape[0] == 0:
        raise ValueError("nothing to predict: the input is empty")
    modes = [layer.training for _, layer in model.walk()]
    try:
        model.eval()
        alone = x.shape[0] == 1  # then there is nothing to plan, and planning costs as much as predicting
        chosen = Plan(1, 1) if alone else plan(model, x[:1], min(batch_size, x.shape[0]), workers)
        with Crew(model, None, chosen) as crew:
            return crew.predict(x)
    finally:
        for mode, (_, layer) in zip(modes, model.walk(), strict=True):
            layer.training = mode


def _fresh_state() -> dict[str, Any]:
    return {"epoch": 0, "step": 0, "loss": 0.0, "correct": 0, "seconds": 0.0,
            "best": None, "best_loss": math.inf, "best_epoch": 0, "waited": 0}  # fmt: skip


def _prefixed(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {prefix + key: array for key, array in arrays.items()}


class _Interrupt:
    """While it is open, the first Ctrl-C only sets `asked`; the second one interrupts at once, as usual."""

    def __enter__(self) -> _Interrupt:
        self.asked = False
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)
        tqdm.write("Ctrl-C: finishing this step and saving (again to stop at once) ...")

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
