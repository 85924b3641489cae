"""Data whose splits share no text, so that nothing is chosen or measured on what a network has learned by heart."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import numpy as np

from minnet.data import Dataset, Split, load
from minnet.data.dataset import joined
from minnet.data.tokens import normalise

# What differs between two copies of one comment: marks, spaces, links and names.
OUTSIDE = re.compile(r"@user|http|[\W_]+")
SHORT = 10  # letters; shorter comments ("so true!") are the same by chance


def letters(text: str) -> str:
    """The text without everything in which two copies of it may differ."""
    return OUTSIDE.sub("", normalise(text))


def load_apart(
    name: str, folder: str | os.PathLike[str] | None = None, seed: int = 0, limit: int | None = None
) -> Dataset:
    """`load`, then `apart`."""
    return apart(load(name, folder=folder, limit=limit, seed=seed))


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
    print(f"{copies.sum():,} of {len(copies):,} training texts are left out: validation or test holds them as well")
    return replace(dataset, train=dataset.train.take(np.flatnonzero(~copies)))


def with_texts_of(dataset: Dataset, more: str, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """The dataset, trained on all texts of another one of the same classes as well."""
    train = Split(dataset.train.x, dataset.train.y)
    for split in load(more, folder=folder).splits().values():
        train = joined(train, Split(split.x, split.y))
    return replace(dataset, train=train)
