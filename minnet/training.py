"""The training loop: batches in, updates out, with a memory of how it went."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tqdm import tqdm

from minnet.blas import blas_threads
from minnet.checks import check_parts, check_run, check_schedule, check_settings, unpacked
from minnet.formatting import number
from minnet.functional import NoDistribution
from minnet.gradients import clip_factor, gradient_norm, overwriting
from minnet.interrupt import Interrupt
from minnet.keeper import Keeper
from minnet.layers.base import Layer
from minnet.losses import Loss
from minnet.nonfinite import NonFiniteError, check_validation, find_nonfinite
from minnet.optimizers import Lookahead, Optimizer
from minnet.progress import Progress, as_json, data_digests, runs_on
from minnet.randomness import SHUFFLE
from minnet.schedules import factor_at
from minnet.sharing import Plan, plan, prediction_plan
from minnet.trials import check_cut, check_question
from minnet.workers import Batch, Crew, Outcome


class Trainer:
    """Fits a model: `Trainer(model, loss, optimizer).fit((x, y), validation=(x, y), epochs=10)`.

    `schedule` maps progress in [0, 1] to a factor on the optimizer's learning rate. `seed` decides the order of the
    examples and all that is random in training.
    `workers` threads share each batch, in pieces of about `piece` examples; None leaves the numbers to a fixed rule on
    sizes, see sharing.plan. A number of workers is that of all threads, so that several runs can divide a machine.
    `clip_norm` is the largest norm that all gradients together may have: longer ones are shortened to it.
    `augment(x, rng, epoch, indices)` returns training inputs changed, such as mirrored images.
    `freeze_at`, such as {"1.b": 0.3}: that parameter stops learning with the first epoch that begins after that part of
    the run (Lookahead's next pull still moves it).
    `exact_batch_norm`: batch norm uses the statistics of the whole batch instead of each piece's. The workers then wait
    for each other in every batch norm, each takes its share in one piece, and `piece` is for validation alone.

    A loss that compares the examples of a batch needs it in one piece: `workers=1` and a `piece` of its size.
    The same seed, workers and piece give the same bits, if the model begins with the same weights (layers made without
    `rng` draw anew); where workers are left to the rule, on as many cores, and with no other network of the process at
    work at the same time.
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
        check_parts(model, loss, optimizer)
        check_settings(schedule, seed, clip_norm, augment)
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
        about: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None,
        save_every: float = 60.0,
        progress: bool = True,
    ) -> list[dict[str, Any]]:
        """Trains on `train` = (x, y) or (x, y, example weights); returns the history, one dictionary an epoch.

        With `validation`, the weights of the epoch with the lowest validation loss are restored at the end, and
        training stops after `patience` epochs without a new lowest. The loss's class weights count in it, too; example
        weights are for training alone.
        With `folder`, history.csv, best.ckpt and last.ckpt are kept there: after every epoch, on Ctrl-C, and every
        `save_every` seconds. `resume` goes on from last.ckpt, with the same data and settings, as if the run had never
        stopped. A folder whose run could still go on, or is at work, is refused to a new run. `about` (arrays, header)
        goes into the checkpoints: what else a prediction needs.

        Each call is a run of its own, with order, augmentation, schedule and history from the start. So ask for all
        epochs in one call, and look in between by `validation`, or by Ctrl-C and `resume`. Afterwards `run` says how
        many epochs there were, and which one the restored weights are of.
        Ctrl-C ends the run between two updates and sets `interrupted`; the model then has the latest weights, not the
        best. Without a folder nothing could be resumed, so it raises KeyboardInterrupt then, lest the model be taken
        for trained. In the run's very last step nothing is left to interrupt; without a folder it raises all the same.
        """
        x, y, _ = data = unpacked(train)
        check_run(self.model, self.loss, self.freeze_at, data, validation, epochs, batch_size, patience, save_every)
        epochs, batch_size, examples = int(epochs), int(batch_size), len(y)
        # a rest of one example joins the last batch: batch statistics need two
        steps = examples // batch_size + (examples % batch_size > 1 or examples < batch_size)
        usual, last = min(batch_size, examples), examples - (steps - 1) * batch_size
        chosen = plan(self.model, x, usual, self.workers, self.piece)
        check_cut(self.model, self.loss, x, y, usual, chosen)
        check_schedule(self.schedule, epochs, steps)
        run: dict[str, Any] = {
            "examples": examples, "epochs": epochs, "batch_size": batch_size, "steps": steps, "seed": self.seed,
            "workers": chosen.workers, "piece": chosen.piece, "exact_batch_norm": self.exact_batch_norm,
            "blas_threads": blas_threads() if chosen.threaded_blas else 1,
        }  # fmt: skip
        about = about or ({}, {})
        settings = {} if folder is None else self._settings(run, patience, about[1], data, validation)
        with Keeper(self.model, self.loss, self.optimizer, folder, about, settings) as keeper:
            state = keeper.restore() if resume else keeper.begin()
            self.run, self.steps, self.keeper, self.history = run, steps, keeper, keeper.history
            self.save_every, self.interrupted = save_every, False
            self._started = time.perf_counter() - state.seconds

            def more() -> bool:
                return runs_on(state.epoch, state.waited, epochs, patience)

            then = "finishing this step" + (" and saving" if folder is not None else "")
            # the last batch may hold one example more: where a batch is one piece, that batch is one piece, too
            uncut = chosen._replace(piece=last) if chosen.piece == usual < last else chosen
            with self._crew(uncut) as crew, Interrupt(then) as interrupt:
                while more() and not self.interrupted:
                    if self._epoch(crew, data, state, interrupt, progress):
                        self._close_epoch(crew, validation, state, progress)
                    self.interrupted = interrupt.asked and more()
        if not self.interrupted:
            self.keeper.put_back_best()
        self.run |= {"epochs_trained": state.epoch, "best_epoch": state.best_epoch or None}
        if interrupt.asked and folder is None:  # in the last step, too: it was to stop the program
            raise KeyboardInterrupt
        return self.history

    def _settings(
        self, run: dict[str, Any], patience: int | None, about: dict[str, Any], data: tuple[Any, ...], validation: Any
    ) -> dict[str, Any]:
        """All that a run depends on, as JSON can hold it: one of other settings may not go on from its checkpoints."""
        # In this order a refusal to resume names causes first: most later differences follow from earlier ones.
        return as_json(
            run | {
                "patience": patience, "clip_norm": self.clip_norm, "freeze_at": self.freeze_at,
                "data": about.get("fingerprint"), "validation": None if validation is None else len(validation[1]),
            } | data_digests(data, validation) | {
                "model": self.model, "loss": self.loss, "optimizer": self.optimizer, "schedule": self.schedule,
                "augment": self.augment,
            }
        )  # fmt: skip

    def _epoch(self, crew: Crew, data: tuple[Any, ...], state: Progress, interrupt: Interrupt, progress: bool) -> bool:
        """The updates of one epoch, from where `state` stands; False when Ctrl-C ended it before the last."""
        x, y, weights = data
        size, saved = self.run["batch_size"], time.perf_counter()
        crew.freeze([place for place, part in self.freeze_at.items() if state.epoch / self.run["epochs"] >= part])
        order = np.random.default_rng((self.seed, SHUFFLE, state.epoch)).permutation(len(y))
        with _bar(progress, total=len(y), initial=state.step * size, desc=f"epoch {state.epoch + 1}") as bar:
            for step in range(state.step, self.steps):
                end = len(y) if step == self.steps - 1 else (step + 1) * size
                rows = order[step * size : end]
                batch = Batch(x, rows, y[rows], None if weights is None else weights[rows], self.augment)
                self._step(crew, batch, state)
                state.step += 1
                if state.weight:
                    shown = {"loss": state.train_loss, "accuracy": state.train_accuracy}
                    bar.set_postfix({k: number(v) for k, v in shown.items() if v is not None}, refresh=False)
                bar.update(len(rows))
                due = interrupt.asked or time.perf_counter() - saved > self.save_every
                if due and state.step < self.steps:
                    state.seconds = time.perf_counter() - self._started
                    self.keeper.save("last.ckpt", state)
                    saved = time.perf_counter()
                    self._started = saved - state.seconds  # what is written takes no time from training
                    if interrupt.asked:
                        return False
        return True

    def _close_epoch(self, crew: Crew, validation: Any, state: Progress, progress: bool) -> None:
        """What follows an epoch's last update: validation, a row of history, the best weights, a checkpoint."""
        examples = self.run["examples"]
        spent = time.perf_counter() - self._started - (self.history[-1]["seconds"] if self.history else 0.0)
        measured = {"train_loss": state.train_loss, "train_accuracy": state.train_accuracy}
        state.end_epoch()
        if state.epoch == self.run["epochs"] and isinstance(self.optimizer, Lookahead):
            # The run ends on the slow weights, which the last pull moved; if its updates were so few that none of them
            # pulled, on the fast ones, for the slow weights are then those that it began with.
            updates = min(self.optimizer.steps, state.epoch * self.steps)
            pulled = self.optimizer.steps % self.optimizer.every < updates
            self.optimizer.pull(0.0 if pulled else 1.0)
        row: dict[str, Any] = {
            "epoch": state.epoch, "step": state.epoch * self.steps, "learning_rate": state.rate, **measured,
            "validation_loss": None, "validation_accuracy": None,
        }  # fmt: skip
        if validation is not None:
            scores = crew.predict(validation[0])
            value, row["validation_accuracy"] = self._score(scores, validation[1])
            told = any(past["validation_loss"] == math.inf for past in self.history)
            check_validation(state.epoch, value, told, self.loss, scores, validation)
            row["validation_loss"] = value
        state.seconds = time.perf_counter() - self._started
        row |= {"seconds": state.seconds, "examples_per_second": examples / spent}
        self.history.append(row)
        self.keeper.remember(state, row)
        self.keeper.save("last.ckpt", state)
        self.keeper.log(row, self.run["epochs"], progress)
        self._started = time.perf_counter() - state.seconds

    @contextmanager
    def _crew(self, chosen: Plan) -> Iterator[Crew]:
        """The workers; the optimizer may use their threads as long as they are there."""
        with _in_training(self.model), Crew(self.model, self.loss, chosen, self.exact_batch_norm) as crew:
            try:
                self.optimizer.pool = crew.pool
                yield crew
            finally:
                self.optimizer.pool = None

    def rates(self) -> np.ndarray:
        """The learning rate of every step of the run that `fit` was asked for, (epochs * steps,)."""
        if not hasattr(self, "run"):
            raise RuntimeError("the rates are those of a run: call fit first")
        done = (np.arange(self.run["epochs"])[:, None] + np.arange(self.steps) / self.steps) / self.run["epochs"]
        return np.array([self._rate(progress) for progress in done.ravel().tolist()])

    # -- one update ----------------------------------------------------------------------------------------

    def _step(self, crew: Crew, batch: Batch, state: Progress) -> None:
        """Forward, backward, update. Raises NonFiniteError, with the model as it was, if loss or gradient are not.

        A batch in which no example counts (weights of zero, labels to ignore) changes nothing.
        """
        weight = self.loss.denominator(batch.y, batch.weights)
        if weight == 0:
            return
        key = (self.seed, state.epoch, state.step)
        progress = (state.epoch + state.step / self.steps) / self.run["epochs"]
        before = [array.copy() for array in crew.buffers]  # batch norm's statistics; weights only change in the update
        rate = self._rate(progress)
        try:
            with overwriting():
                outcome = crew.step(batch, key)
            norm = gradient_norm(self.model, self.loss)
        except NoDistribution:  # every score is -inf
            outcome, norm = Outcome(math.nan, 0, 0), math.nan
        if not (math.isfinite(outcome.loss) and math.isfinite(norm)):
            for array, old in zip(crew.buffers, before, strict=True):
                array[...] = old
            where = find_nonfinite(self.model, self.loss, batch, key)
            raise NonFiniteError(
                f"epoch {state.epoch + 1}, step {state.step + 1}: loss {outcome.loss:g}, gradient norm {norm:g}. "
                f"{where} (learning rate {rate:g}; no update was made)"
            )
        if isinstance(self.optimizer, Lookahead):
            self.optimizer.progress = progress
        self.optimizer.step(rate, 1.0 if self.clip_norm is None else clip_factor(norm, self.clip_norm))
        state.count_update(outcome.loss, weight, outcome.correct, outcome.counted, rate)

    def _rate(self, progress: float) -> float:
        return float(self.optimizer.learning_rate * factor_at(self.schedule, progress))

    # -- evaluation ----------------------------------------------------------------------------------------

    def predict(self, x: Any) -> np.ndarray:
        """The scores (N, K) for all of `x`, in evaluation mode, by all workers."""
        return predict(self.model, x, self.workers)

    def evaluate(self, x: Any, y: Any) -> tuple[float, float | None]:
        """(loss, accuracy) on the examples given; no accuracy (None) where the loss knows none, see Loss.hits."""
        return self._score(self.predict(x), y)

    def _score(self, scores: np.ndarray, y: Any) -> tuple[float, float | None]:
        y = np.asarray(y)  # a list is as good, but a loss of one's own may ask for its shape
        value = float(self.loss.replica().eval().forward(scores, y))
        right, counted = self.loss.hits(scores, y)
        return value, right / counted if counted else None


def predict(model: Layer, x: Any, workers: int | None = None, batch_size: int = 512) -> np.ndarray:
    """The model's outputs (N, K) for all of `x` in evaluation mode, by all workers.

    Nothing is written into the model: several threads may ask it at once. Whoever asks again and again is answered
    faster by a `predictor.Predictor`.
    """
    check_question(model, x)
    with Crew(model, None, prediction_plan(model, x, workers, batch_size)) as crew:
        return crew.predict(x)


def _bar(progress: bool, **about: Any) -> tqdm[Any]:
    """The bar of an epoch, on a screen only: a terminal, or a notebook, whose streams deny that they are one."""
    if progress and "ipykernel" in sys.modules:
        return tqdm(**about, unit="ex", leave=False, file=sys.stdout, mininterval=0.5)  # it shows stderr on red
    return tqdm(**about, unit="ex", leave=False, disable=None if progress and sys.stderr else True)


@contextmanager
def _in_training(model: Layer) -> Iterator[None]:
    """Training mode, where nobody reads the first layer's dx; afterwards all is as it was found."""
    found = [(layer, layer.training, layer.frozen, layer.needs_dx) for _, layer in model.walk()]
    try:
        model.train()
        model.need_dx(False)
        yield
    finally:
        for layer, was_training, frozen, needs_dx in found:
            layer.training, layer.frozen, layer.needs_dx = was_training, frozen, needs_dx
