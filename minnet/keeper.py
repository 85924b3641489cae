"""What a run remembers: the best weights in memory; history.csv, best.ckpt and last.ckpt in its folder."""

from __future__ import annotations

import math
import os
import warnings
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minnet import checkpoint, run_folder
from minnet.formatting import number, some
from minnet.layers.base import Layer
from minnet.losses import Loss
from minnet.optimizers import Lookahead, Optimizer
from minnet.progress import Progress, as_json, differences, progress_from, runs_on

_at_work: set[Path] = set()  # the folders of this process's runs


class Keeper:
    """The memory of one call of `Trainer.fit`; in its `with` block it claims the folder. Without one it writes no file.

    `about` (arrays, header) goes into the checkpoints: what a prediction needs beside the model. `settings` are those
    of the run, as JSON can hold them; a run of other settings may not go on from its checkpoints.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        optimizer: Optimizer | Lookahead,
        folder: str | os.PathLike[str] | None,
        about: tuple[dict[str, np.ndarray], dict[str, Any]],
        settings: dict[str, Any],
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.folder = None if folder is None else Path(folder)
        self.about, self.settings = about, settings
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, np.ndarray] | None = None
        self._claim = ExitStack()
        self._told = False  # that history.csv cannot be written

    def __enter__(self) -> Keeper:
        """Before an hour of training and not after it, raises OSError where nobody may write or another run does, and
        ValueError for a model that no checkpoint holds."""
        if self.folder is not None:
            checkpoint.check_model(self.model)
            checkpoint.check_names(self._of_loss())
            lock = run_folder.prepare(self.folder)
            if lock.folder in _at_work:
                raise OSError(f"{self.folder} is in use by another run of this process: choose another folder")
            self._claim.enter_context(lock)
            _at_work.add(lock.folder)
            self._claim.callback(_at_work.remove, lock.folder)
        return self

    def __exit__(self, *error: object) -> None:
        self._claim.close()

    def remember(self, state: Progress, row: dict[str, Any]) -> None:
        """Keeps the weights of the epoch with the lowest validation loss."""
        loss = row["validation_loss"]
        if loss is None:
            return
        if loss < (math.inf if state.best_loss is None else state.best_loss):
            state.best_loss, state.best_epoch, state.waited = loss, row["epoch"], 0
            self.best = {key: array.copy() for key, array in self._weights().items()}
            self.save("best.ckpt", state)
        else:
            state.waited += 1

    def put_back_best(self) -> None:
        """Gives the model the weights of its best epoch, if there was validation to tell."""
        if self.best is None:
            return
        self._set_weights(self.best)
        if isinstance(self.optimizer, Lookahead):
            self.optimizer.slow = {}  # those of the last epoch would pull the model back to it

    def save(self, name: str, state: Progress) -> None:
        """Model, optimizer, progress and all that a prediction needs, in one file, atomically."""
        if self.folder is None:
            return
        if name == "last.ckpt":
            self._write_history(self.folder)  # first: a run killed between the two goes on, and writes the row again
        arrays, header = self.about
        header = {
            **checkpoint.model_to(self.model)[1],
            "model": self.settings["model"],  # as it was before freeze_at froze parts of it
            "about": header, "settings": self.settings,
            "progress": asdict(state), "history": self.history, "steps": self.optimizer.steps,
        }  # fmt: skip
        arrays = _prefixed("about/", arrays) | _prefixed("optimizer/", self.optimizer.state_arrays()) | self._weights()
        checkpoint.save(self.folder / name, arrays, header)
        if self.best is None:  # then a best.ckpt is that of an earlier run here
            (self.folder / "best.ckpt").unlink(missing_ok=True)

    def _write_history(self, folder: Path) -> None:
        """history.csv is for the reader, who on Windows may have it open: nothing is lost by going on, for last.ckpt
        holds the history as well, and the next epoch writes all of it. What a full disk says still ends the run."""
        try:
            if self.history:
                run_folder.save(folder / "history.csv", run_folder.to_csv(self.history))
            else:  # then it is that of an earlier run here
                (folder / "history.csv").unlink(missing_ok=True)
        except PermissionError as error:
            if not self._told:
                warnings.warn(f"{error}. Is it open in another program? The run goes on.", stacklevel=5)
            self._told = True

    def begin(self) -> Progress:
        """The start of a new run. Raises ValueError where it would replace one that could, or might, still go on."""
        if self.folder is None or not (self.folder / "last.ckpt").exists():
            return Progress()
        try:
            header = checkpoint.load(self.folder / "last.ckpt")[1]
        except ValueError as error:  # perhaps a later minnet could go on from it
            raise ValueError(f"{error}. Choose another folder, or remove that file.") from None
        try:
            state, settings = progress_from(header.get("progress")), header["settings"]
            unfinished = runs_on(state.epoch, state.waited, settings["epochs"], settings["patience"])
        except (ValueError, KeyError, TypeError):  # nothing could go on from this
            return Progress()
        if unfinished:
            raise ValueError(
                f"{self.folder} holds a run that stopped after {state.epoch} of {settings['epochs']} epochs: go on "
                "with resume=True, choose another folder, or remove its last.ckpt"
            )
        return Progress()

    def restore(self) -> Progress:
        """How far the interrupted run in the folder had come; model, optimizer and history are as they were then."""
        if self.folder is None:
            raise ValueError("nothing to resume: name the folder of the interrupted run")
        arrays, header, state = self._read_last(self.folder)
        self._check_settings(header)
        best = self._read_best(self.folder, header, state) if state.best_epoch else None
        self.optimizer.load_state_arrays(checkpoint.below("optimizer/", arrays))
        if best is not None:
            self._set_weights(best)  # makes sure that they fit
            self.best = {key: best[key] for key in self._weights()}
        self._set_weights(arrays)
        self.optimizer.steps, self.history[:] = header["steps"], header["history"]
        return state

    def _read_last(self, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], Progress]:
        """(arrays, header, progress) of last.ckpt."""
        path = folder / "last.ckpt"
        if not path.exists():
            raise FileNotFoundError(f"nothing to resume: {folder} has no last.ckpt. Start without resume.")
        arrays, header = checkpoint.load(path)
        try:
            state, history = progress_from(header.get("progress")), header.get("history")
            if not isinstance(history, list) or len(history) != state.epoch or type(header.get("steps")) is not int:
                raise ValueError("its history is not that of its progress")
        except ValueError as error:
            raise ValueError(f"cannot resume {path}: {error}. Was it saved by a run of this version?") from None
        return arrays, header, state

    def _check_settings(self, header: dict[str, Any]) -> None:
        """Raises ValueError where a checkpoint's run had other settings, naming those that the others follow from."""
        changed = differences(header.get("settings"), self.settings)
        if not changed:
            return
        # Where the model's name, the shape or the classes changed, most settings follow: name those. No setting
        # follows from the data's name or fingerprint.
        about = differences(header.get("about"), as_json(self.about[1]))
        causes = [line for line in about if not line.startswith(("fingerprint ", "dataset "))]
        raise ValueError(
            f"cannot resume {self.folder}: {some(causes or changed, '; ')}. Use the data and settings of that run"
            f"{_flag_for(changed, header.get('settings'))}."
        )

    def _read_best(self, folder: Path, header: dict[str, Any], state: Progress) -> dict[str, np.ndarray]:
        """The arrays of best.ckpt, which has to be of the run of last.ckpt, whose header and progress these are."""
        if not (folder / "best.ckpt").exists():
            raise FileNotFoundError(f"cannot resume {folder}: its best.ckpt is gone. Start anew elsewhere.")
        try:
            best, of = checkpoint.load(folder / "best.ckpt")
            best_epoch = progress_from(of.get("progress")).best_epoch
        except ValueError as error:
            raise ValueError(f"cannot resume {folder}: {error}. Train in a new folder.") from None
        # A run killed between its two files has a best epoch that last.ckpt knows nothing of, and goes through it
        # again. Where no epoch is left to go through, it is that of a new run here with the same settings, killed
        # before its first last.ckpt.
        ended = not runs_on(state.epoch, state.waited, self.settings["epochs"], self.settings["patience"])
        if of.get("settings") != header["settings"] or (ended and best_epoch != state.best_epoch):
            raise ValueError(f"cannot resume {folder}: its best.ckpt is that of another run. Train in a new folder.")
        return best

    def log(self, row: dict[str, Any], epochs: int, progress: bool) -> None:
        """A row of history, onto the screen."""
        if progress:
            line = f"epoch {row['epoch']:>2}/{epochs}  {_measured(row, 'train')}"
            if row["validation_loss"] is not None:
                line += f"   validation: {_measured(row, 'validation')}"
            tqdm.write(f"{line}   {row['examples_per_second']:,.0f} examples/s  {row['seconds']:.0f} s")

    def _weights(self) -> dict[str, np.ndarray]:
        """Every parameter and buffer of the model and of the loss, under the names that checkpoints use."""
        return _prefixed("model/", self.model.named_parameters() | self.model.named_buffers()) | self._of_loss()

    def _of_loss(self) -> dict[str, np.ndarray]:
        return _prefixed("loss/", self.loss.named_parameters() | self.loss.named_buffers())

    def _set_weights(self, arrays: dict[str, np.ndarray]) -> None:
        checkpoint.load_model(self.model, arrays)
        for key, array in self._of_loss().items():
            if key not in arrays or arrays[key].shape != array.shape:
                raise ValueError(f"the weights do not fit the loss: '{key}' is missing or of another shape")
            array[...] = arrays[key]


def _flag_for(changed: list[str], then: Any) -> str:
    """The flag of train.py that brings back the workers or the threads of before, where nothing else has changed."""
    name = changed[0].split()[0]
    if len(changed) > 1 or name not in ("workers", "blas_threads") or not then.get(name):
        return ""
    if name == "blas_threads" and then[name] > 1:
        return f" (train.py: no --workers, {then[name]} cores)"
    return f" (train.py: --workers {then['workers']})"


def _measured(row: dict[str, Any], part: str) -> str:
    accuracy = row[f"{part}_accuracy"]
    return f"loss {number(row[f'{part}_loss'], 4)}" + ("" if accuracy is None else f"  accuracy {number(accuracy, 4)}")


def _prefixed(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {prefix + key: array for key, array in arrays.items()}
