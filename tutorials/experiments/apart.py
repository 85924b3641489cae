"""Data whose splits share no text, so that nothing is chosen or measured on what a network has learned by heart."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from minnet.data import Dataset, Split, load
from minnet.data.dataset import joined
from minnet.data.tokens import normalise
from tutorials.experiments.record import say

# What differs between two copies of one comment: marks, spaces, links and names.
OUTSIDE = re.compile(r"@user|http|[\W_]+")
SHORT = 10  # letters; shorter comments ("so true!") are the same by chance
LIMITS = {"cifar10": 10_000}  # training examples; the other data sets are used whole


def letters(text: str) -> str:
    """The text without everything in which two copies of it may differ."""
    return OUTSIDE.sub("", normalise(text))


def load_apart(name: str, folder: str | os.PathLike[str] | None = None, seed: int = 0) -> Dataset:
    """`load`, of CIFAR-10 a part, then `apart`."""
    return apart(load(name, folder=folder, limit=LIMITS.get(name), seed=seed))


def apart(dataset: Dataset) -> Dataset:
    """The dataset without the training texts that stand in the validation or test split as well.

    A validation split that repeats training texts prefers whatever learns these by heart. Prints how many went. Of
    images nothing goes.
    """
    if dataset.kind != "text":
        return dataset
    held_out = {letters(text) for split in (dataset.validation, dataset.test) if split for text in split.x}
    copies = np.array([len(key) > SHORT and key in held_out for key in map(letters, dataset.train.x)])
    if not copies.any():
        return dataset
    say(f"{copies.sum():,} of {len(copies):,} training texts are left out: validation or test holds them as well")
    return replace(dataset, train=dataset.train.take(np.flatnonzero(~copies)))


def fetched(names: Iterable[str], folder: str | os.PathLike[str] | None = None) -> None:
    """Loads each data set once, so that one which is missing is told before the first is trained on."""
    for name in names:
        load(name, folder=folder, limit=LIMITS.get(name))


def with_texts_of(dataset: Dataset, more: str, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """The dataset, trained on all texts of another one as well. Raises ValueError unless both have the same classes."""
    other = load(more, folder=folder)
    if (other.kind, other.classes) != ("text", dataset.classes):
        raise ValueError(f"{more} cannot train as well: it has no texts of the classes {', '.join(dataset.classes)}")
    train = Split(dataset.train.x, dataset.train.y)
    for split in other.splits().values():
        train = joined(train, Split(split.x, split.y))
    return replace(dataset, train=train)
