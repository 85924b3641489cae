"""load: one call from a dataset's name to its splits, fetching what is missing."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from minnet.data.dataset import Dataset, Split, check_limit, divided, limited, with_validation
from minnet.data.fetch import fetch, missing, verify
from minnet.data.readers import (
    CIFAR10_CLASSES,
    CIFAR10_TRAIN,
    SENTIMENTS,
    VADER_DOMAINS,
    VADER_LEXICON,
    check_cifar10_sizes,
    read_cifar10,
    read_comments,
    read_digits,
    read_lexicon,
    read_tweeteval,
    read_vader,
    sentiment_of,
)
from minnet.data.sources import CIFAR10, SOURCES, VADER, data_folder, unknown
from minnet.formatting import some


def load(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    validation: int | float | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """A dataset by name: cifar10, digits, vader (or one of its domains: vader/movies), tweeteval, comments.

    `folder` is where data lies and is put (else $MINNET_DATA, the checkout's datasets/, or the user's cache).
    `validation` is how many examples are held out of what is not test: None for the dataset's own choice, 0 for
    none, a count, or a fraction below 1, of the whole data set also where a domain is asked for. `limit` keeps a
    stratified subset: at most that many training examples, and at most max(limit, 1000) in the other splits. `seed`
    decides which examples go where; nothing else does.

    Raises ValueError for unknown names and damaged files, OSError when data is missing and cannot be fetched.
    """
    family, _, domain = str(name).partition("/")
    if family not in SOURCES or (domain and (family != "vader" or domain not in VADER_DOMAINS)):
        raise unknown(name, *(f"vader/{known}" for known in VADER_DOMAINS))
    check_limit(limit)
    source = SOURCES[family]
    data = data_folder(folder)
    if family == "cifar10" and limit is not None:
        partly = incomplete_cifar10(data, limit, validation, seed)
        if partly is not None:
            return partly
    place = fetch(source, data) if source.files else Path()
    dataset, held_out = READERS[family](place, seed)
    if any(verify(source, place).values()):
        dataset = replace(dataset, source=f"{place} (not the official files)")
    dataset = with_validation(dataset, validation, held_out, seed)
    if domain:
        dataset = one_group(dataset, domain)
    return limited_with_warning(dataset, limit, seed)


def load_lexicon(folder: str | os.PathLike[str] | None = None) -> dict[str, float]:
    """How much people think that single words please or displease, {"great": 3.1, "awful": -2.0, ...}, in English.

    The means of ten ratings each, from -4 to 4; they come with vader's sentences, see datasets/vader/README.md. Raises
    as `load` does; warns when the file is not the official one.
    """
    try:
        place = fetch(replace(VADER, extra=()), data_folder(folder))
    except OSError as error:
        raise OSError(f"the lexicon comes with vader's sentences; --model ngrams does without it. {error}") from None
    if verify(VADER, place)[VADER_LEXICON]:
        warnings.warn(
            f"{place / VADER_LEXICON} is not the official lexicon: results compare only with its own", stacklevel=2
        )
    return read_lexicon(place)


# Each reader below returns the dataset as it is distributed, and how many examples `load` holds out for validation
# unless it is told otherwise; 0 where the dataset comes with a validation part of its own.


def cifar10(place: Path, seed: int) -> tuple[Dataset, int]:
    """CIFAR-10 in its official order."""
    check_cifar10_sizes(place)
    train, test = read_cifar10(place), read_cifar10(place, ("test_batch.bin",))
    return Dataset("cifar10", "images", CIFAR10_CLASSES, train, None, test, str(place)), 5000


def digits(place: Path, seed: int) -> tuple[Dataset, int]:
    """scikit-learn's digits; a fifth of them, drawn by class, is the test split."""
    train, test = divided(read_digits(), 360, np.random.default_rng((seed, 0)))
    classes = tuple("0123456789")
    return Dataset("digits", "images", classes, train, None, test, "scikit-learn's load_digits"), 180


def vader(place: Path, seed: int) -> tuple[Dataset, int]:
    """VADER's sentences of four domains; a fifth of them, drawn by class, is the test split."""
    texts, ratings, domains = read_vader(place)
    everything = Split(texts, sentiment_of(ratings), domains)
    train, test = divided(everything, round(len(texts) / 5), np.random.default_rng((seed, 0)))
    dataset = Dataset("vader", "text", SENTIMENTS, train, None, test, str(place), tuple(VADER_DOMAINS))
    return dataset, round(len(train) / 10)


def tweeteval(place: Path, seed: int) -> tuple[Dataset, int]:
    """TweetEval's sentiment task with its official splits."""
    train, validation, test = (read_tweeteval(place, part) for part in ("train", "val", "test"))
    return Dataset("tweeteval", "text", SENTIMENTS, train, validation, test, str(place)), 0


def comments(place: Path, seed: int) -> tuple[Dataset, int]:
    """The bundled comments with their fixed splits."""
    parts = read_comments(place / "comments.csv")
    train, validation, test = (parts[part] for part in ("train", "validation", "test"))
    return Dataset("comments", "text", SENTIMENTS, train, validation, test, str(place)), 0


READERS = {"cifar10": cifar10, "digits": digits, "vader": vader, "tweeteval": tweeteval, "comments": comments}


def incomplete_cifar10(data: Path, limit: int, validation: int | float | None, seed: int) -> Dataset | None:
    """What has arrived of CIFAR-10, if it is not complete but has enough for `limit`; else None.

    A fifth of the training images that are there stands in for the test split, which may not have arrived: results
    on it are not results on CIFAR-10, and `source` and a warning say so.
    """
    place = data / CIFAR10.folder
    there = tuple(name for name in CIFAR10_TRAIN if (place / name).is_file())
    if not there or not missing(CIFAR10, place):
        return None
    everything = read_cifar10(place, there)
    train, test = divided(everything, len(everything) // 5, np.random.default_rng((seed, 0)))
    note = f"{place}, incomplete: {len(there)} of {len(CIFAR10_TRAIN)} training files, tested on a part of them"
    whole = Dataset("cifar10", "images", CIFAR10_CLASSES, train, None, test, note)
    dataset = with_validation(whole, validation, len(train) // 10, seed)
    if len(dataset.train) < limit:
        return None
    warnings.warn(f"cifar10 comes from {note}. Without a limit, the rest is fetched.", stacklevel=3)
    return limited_with_warning(dataset, limit, seed)


def limited_with_warning(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    """`limited`, with a warning where it leaves no example of some class to train on."""
    dataset = limited(dataset, limit, seed)
    lost = [] if limit is None else np.setdiff1d(np.arange(len(dataset.classes)), dataset.train.y).tolist()
    if lost:
        none = some([dataset.classes[label] for label in lost])
        warnings.warn(f"{dataset.name}: a limit of {limit} leaves no example of {none} to train on", stacklevel=3)
    return dataset


def one_group(dataset: Dataset, name: str) -> Dataset:
    """The part of every split that belongs to one group.

    The splits are those of the whole, so a model trained on one domain meets no sentence twice when it is tested
    on another.
    """
    position = dataset.groups.index(name)
    part = dataset.each_split(lambda _, split: split.take(np.flatnonzero(split.groups == position)))
    return replace(part, name=f"{dataset.name}/{name}")
