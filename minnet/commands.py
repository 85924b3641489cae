"""What train.py and python -m minnet share: errors in one line, and what a run shows of its network."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from minnet.calibration import fit_temperature
from minnet.data import Dataset, Ngrams
from minnet.layers import Conv2d, Layer, Linear


class Parser(argparse.ArgumentParser):
    """Arguments whose mistakes are told in one line, like all others, instead of below the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {' '.join(message.split())} (--help lists what there is)\n")


def seed(text: str) -> int:
    """What --seed takes: a number that NumPy's generators can be seeded with."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"a seed is 0 or more, got {text}")
    return int(text)


def place(text: str) -> str:
    """What --out takes: any name but none, which would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty: give one, or leave --out away")
    return text


def one_line_errors(command: Callable[[], Any]) -> Callable[[], None]:
    """Runs a command so that what its user did wrong is said in one line on standard error, with exit status 1.

    Warnings are one line each as well. MINNET_DEBUG=1 shows the whole traceback instead. Output never fails for a
    character that the terminal lacks.
    """

    @functools.wraps(command)
    def run() -> None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _one_line_warning
                # of numbers that overflow: the Trainer checks every step itself, and names the layer
                warnings.filterwarnings("ignore", category=RuntimeWarning, module="minnet")
                try:
                    command()
                finally:
                    if sys.stdout is not None:
                        sys.stdout.flush()  # here, where a reader that left is no error
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            raise SystemExit(130) from None
        except (ValueError, OSError, ArithmeticError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to tell
                raise SystemExit(1) from None
            if os.environ.get("MINNET_DEBUG"):
                raise
            said = str(error)
            if isinstance(error, MemoryError):
                said = f"out of memory: {said}; take less data at a time (train.py: --limit)"
            print("error: " + " ".join(said.split()), file=sys.stderr)
            raise SystemExit(1) from None

    return run


def _one_line_warning(
    message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None
) -> None:
    print("warning: " + " ".join(str(message).split()), file=sys.stderr)


def seen_on_validation(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What the validation examples tell about later predictions, from their scores (N, K): which classes are taken for
    which (`validation_confusion`, truth in the rows), and the `temperature` at which the probabilities fit best, or
    why there is `no_temperature`."""
    k = scores.shape[1]
    confusion = np.bincount(labels.astype(np.int64) * k + scores.argmax(axis=1), minlength=k * k).reshape(k, k)
    why = too_little(confusion)
    fitted = {"no_temperature": why} if why else {"temperature": round(fit_temperature(scores, labels), 4)}
    return {"validation_confusion": confusion.tolist(), **fitted}


def too_little(confusion: np.ndarray) -> str:
    """Why these validation examples cannot tell how far percentages are to be trusted; nothing where they can."""
    n = int(confusion.sum())
    if n < 50:
        return f"that needs 50 validation examples, and there are {n}"
    return f"all {n:,} validation examples are right" if np.trace(confusion) == n else ""


def pictures_of_learning(dataset: Dataset, model: Layer, vectorizer: Any) -> dict[str, Any]:
    """What a report shows beside the numbers: the test examples, and the first layer's weights that speak."""
    first = next((layer for _, layer in model.walk() if isinstance(layer, (Conv2d, Linear))), None)
    if dataset.kind == "text":
        shown: dict[str, Any] = {"texts": dataset.test.x}
        if isinstance(vectorizer, Ngrams) and isinstance(first, Linear):
            shown.update(words=vectorizer.features, weights=first.W)
        return shown
    shown = {"images": dataset.test.x}
    if isinstance(first, Conv2d) and first.W.shape[0] > 1:
        shown["filters"] = first.W
    elif isinstance(first, Linear):
        shown.update(filters=first.W, filter_shape=dataset.train.x.shape[1:])
    return shown
