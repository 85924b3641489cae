"""A trained run, loaded again from its checkpoint: the network, its classes, and how inputs become numbers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minnet import checkpoint
from minnet.data import Ngrams, TokenIds, over_views, read_image, tokenize, vectorizer_from
from minnet.data.dataset import text_keys
from minnet.data.tokens import watched
from minnet.functional import softmax
from minnet.layers import Layer
from minnet.progress import runs_on
from minnet.training import predict

CHECKPOINTS = ("best.ckpt", "last.ckpt")
BLOCK = 10_240  # inputs that are numbers at once, in whole batches of `training.predict`


class TrainedRun(NamedTuple):
    """What a checkpoint holds that a prediction needs."""

    model: Layer
    kind: str  # "images" or "text"
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of an image; of a text ()
    vectorizer: Any  # of texts
    about: dict[str, Any]
    seed: int | None = None  # which divided its data; None where the checkpoint does not say
    training_texts: np.ndarray | None = None  # their `text_keys`; None of pictures, and where the checkpoint has none

    def encode(self, inputs: Sequence[Any]) -> Any:
        """Pictures (paths, or what `read` gave) as uint8 images, or sentences as the numbers that the model knows."""
        if self.kind == "text":
            return self.vectorizer.transform(list(inputs))
        return np.stack([item if isinstance(item, np.ndarray) else self.read(item) for item in inputs])

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """A picture file as uint8 (H, W, C) of the model's shape. Raises as `read_image` does."""
        height, width, channels = self.shape
        return read_image(path, (height, width), channels)

    def unmet(self, texts: Sequence[str]) -> np.ndarray:
        """The share of each text's words that training did not meet, (N,); 1 where there are none.

        Marks such as !! are no words: nearly any text has known ones, as it has known letters. Where ids are hashes,
        nothing tells, and all words count as met.
        """
        vectorizer, known = self.vectorizer, None
        if isinstance(vectorizer, Ngrams):
            known = set(vectorizer.features)  # those of characters stand between bars, as no word does
        elif vectorizer.buckets is None:
            known = set(vectorizer.vocabulary)
        rated = getattr(vectorizer, "lexicon", None) or {}
        shares = np.ones(len(texts))
        for row, text in enumerate(watched(texts, "words met in training")):
            if words := [token for token in tokenize(text, vectorizer.negation) if token.strip("!?.")]:
                met = [known is None or w in known or w.removeprefix("not_").lstrip("#") in rated for w in words]
                shares[row] = 1 - sum(met) / len(words)
        return shares

    def learned(self, texts: Sequence[str]) -> np.ndarray | None:
        """Which of the texts it was trained on, bool (N,); None where nothing tells."""
        return None if self.training_texts is None else np.isin(text_keys(texts), self.training_texts)

    def probabilities(self, inputs: Sequence[Any]) -> np.ndarray:
        """One row of probabilities an input, (N, classes); over six views of a picture where the run was tested so."""
        return self.answers(inputs)[0]

    def answers(self, inputs: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """The inputs' `probabilities`, and which of them have more words than the network reads, bool (N,): block by
        block, as the numbers of texts take far more memory than the texts."""
        probabilities, cuts = [], []
        for start in tqdm(range(0, len(inputs), BLOCK), f"blocks of {BLOCK:,}", delay=1, leave=False):
            block = inputs[start : start + BLOCK]
            numbers = self.encode(block)
            probabilities.append(self._probabilities(numbers))
            reads_all = not isinstance(self.vectorizer, TokenIds)
            cuts.append(np.zeros(len(block), bool) if reads_all else self.vectorizer.cut(block, numbers))
        return np.concatenate(probabilities), np.concatenate(cuts)

    def _probabilities(self, numbers: Any) -> np.ndarray:
        scores = over_views(partial(predict, self.model), numbers, self.about.get("views") is True)
        if scores.shape != (numbers.shape[0], len(self.classes)):
            raise ValueError(
                f"the network gives scores {scores.shape} for {numbers.shape[0]} inputs, {len(self.classes)} classes"
            )
        if np.isnan(scores).any():
            raise ValueError("the network's scores are not numbers (NaN): its weights are broken, train it again")
        return softmax(scores)


def load_run(folder: str | os.PathLike[str]) -> TrainedRun:
    """The trained network in a run's folder, or in a checkpoint file itself.

    Warns of a run that did not come to its end. Raises ValueError or OSError, in one line, when there is none or it
    does not hold what a prediction needs.
    """
    path = Path(folder)
    if path.is_dir():
        found = [path / name for name in CHECKPOINTS if (path / name).exists()]
        if not found:
            raise FileNotFoundError(f"{path} holds no best.ckpt or last.ckpt: is it the folder of a run?")
        path = found[0]
    elif not path.exists():
        raise FileNotFoundError(
            f"there is no run {path}: give the folder that train.py named, such as runs/digits-cnn6"
        )
    arrays, header = checkpoint.load(path)
    model = checkpoint.model_from(arrays, header)
    about = header.get("about")
    if not isinstance(about, dict) or not about:
        raise ValueError(f"{path} holds weights but not what they are for: it was not saved by train.py")
    try:
        run = _run_of(model, about, checkpoint.below("about/", arrays), _seed(header.get("settings")))
    except (KeyError, TypeError, ValueError) as error:  # the header is data: nothing in it is taken on trust
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} does not say what its network is for: {reason}") from None
    if path.name in CHECKPOINTS and (said := _unfinished(path, header)):
        warnings.warn(said, stacklevel=2)
    return run


def _unfinished(path: Path, header: dict[str, Any]) -> str:
    """What is to be said where the run of this checkpoint did not come to its end; nothing where nothing tells."""
    try:
        epochs, patience = (header["settings"][name] for name in ("epochs", "patience"))
        best, done = header["progress"]["best_epoch"], header["progress"]["epoch"]
        if path.name == "best.ckpt":  # the run went on
            if not (path.parent / "history.csv").exists():  # copied, or all that found room on a full disk
                told = f"{path} is of epoch {done} of {epochs}, and no history.csv beside it tells if more came"
                return told if runs_on(done, 0, epochs, patience) else ""
            done = len((path.parent / "history.csv").read_text("utf-8").splitlines()) - 1
        ended = not runs_on(done, done - best, epochs, patience)
    except (OSError, KeyError, TypeError, ValueError):
        return ""
    told = f"{path.parent} has done {done} of {epochs} epochs"
    if (path.parent / "last.ckpt").exists():  # unless a full disk had no room for it
        told += ": unless it still runs, --resume goes on with it"
    return "" if ended else told


def _seed(settings: Any) -> int | None:
    found = settings.get("seed") if isinstance(settings, dict) else None
    return found if type(found) is int and found >= 0 else None


def _run_of(model: Layer, about: dict[str, Any], arrays: dict[str, np.ndarray], seed: int | None) -> TrainedRun:
    kind, classes = about["kind"], about["classes"]
    if kind not in ("images", "text"):
        raise ValueError(f"its kind is {str(kind)[:40]!r}, not images or text")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are not a list of names")
    if kind == "text":
        vectorizer = vectorizer_from(about["vectorizer"], arrays)
        return TrainedRun(model, kind, tuple(classes), (), vectorizer, about, seed, arrays.get("training_texts"))
    shape = about["shape"]
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(n) is int and 0 < n < 10_000 for n in shape):
        raise ValueError(f"the shape of its images is {str(shape)[:40]}")
    return TrainedRun(model, kind, tuple(classes), tuple(shape), None, about, seed)
