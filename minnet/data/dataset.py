"""A dataset is three splits of labelled examples, the names of its classes, and a fingerprint of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from minnet.data.spelling import plain


@dataclass(frozen=True)
class Split:
    """Examples and their labels: `x` is uint8 (N, H, W, C) or a list of N strings, `y` is int64 (N,).

    `groups`, where there are any, says for each example which of the dataset's `groups` it belongs to: int64 (N,).
    `files` says in which file of a folder each picture lies: (N,) texts.
    """

    x: Any
    y: np.ndarray
    groups: np.ndarray | None = None
    files: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"a split needs one label for each example, got {len(self.x)} and {len(self.y)} labels")

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: np.ndarray) -> Split:
        """The examples at `indices`, in that order."""
        x = self.x[indices] if isinstance(self.x, np.ndarray) else [self.x[index] for index in indices]
        groups, files = (None if a is None else a[indices] for a in (self.groups, self.files))
        return Split(x, self.y[indices], groups, files)

    def __repr__(self) -> str:
        what = f"uint8 {self.x.shape}" if isinstance(self.x, np.ndarray) else f"{len(self.x):,} texts"
        return f"Split({what}, {len(np.unique(self.y))} classes)"


@dataclass(frozen=True)
class Dataset:
    """What a model is trained and tested on.

    `kind` is "images" or "text"; `classes[k]` names label k; `validation` is None when nothing was held out;
    `source` says where the content came from, for the page that reports on it; `groups` names kinds of examples
    that cut across the classes, such as the domains of vader. `own`: made from files of the user's, so that `name` is
    that of a file or folder and says nothing. `copies`: so many test examples stand in the training split as well.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split
    source: str
    groups: tuple[str, ...] = ()
    own: bool = False
    copies: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of all that is served: classes, splits, labels, content."""
        return self._digest(self.splits())

    @cached_property
    def test_fingerprint(self) -> str:
        """The same of classes and test split alone: who shares it was tested on the same examples."""
        return self._digest({"test": self.test})

    def _digest(self, splits: dict[str, Split]) -> str:
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for name, split in splits.items():
            digest.update(f"\0{name} {len(split)}\0".encode())
            digest.update(split.y.tobytes())
            if isinstance(split.x, np.ndarray):
                digest.update(repr(split.x.shape).encode())
                digest.update(np.ascontiguousarray(split.x).data)
            else:
                encoded = [text.encode("utf-8", "surrogatepass") for text in split.x]
                digest.update(np.array([len(text) for text in encoded], np.int64).tobytes())
                digest.update(b"".join(encoded))
        return digest.hexdigest()[:12]

    def splits(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def each_split(self, change: Callable[[str, Split], Split]) -> Dataset:
        """The dataset with `change(name, split)` in place of every split."""
        changed: dict[str, Any] = {name: change(name, split) for name, split in self.splits().items()}
        return replace(self, **changed)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits().items())
        return f"Dataset({self.name}: {self.kind}, {len(self.classes)} classes, {sizes}; from {self.source})"


def text_keys(texts: Sequence[str]) -> np.ndarray:
    """A number for each text, the same in every process, int64 (N,): texts that are alike as `plain` has them share it,
    and hardly any others do."""
    encoded = (plain(text).encode("utf-8", "surrogatepass") for text in texts)
    hashes = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in encoded)
    return np.frombuffer(hashes, "<i8").astype(np.int64)


def stratified(y: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of `count` examples in which every class has its share, up to rounding.

    Shares are rounded by the method of largest remainders, so the sum is exact.
    """
    _, inverse, totals = np.unique(y, return_inverse=True, return_counts=True)
    exact = totals * (count / len(y)) if len(y) else totals
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    order = rng.permutation(len(y))
    chosen = [order[inverse[order] == label][:share] for label, share in enumerate(shares)]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, int)


def divided(split: Split, count: int, rng: np.random.Generator) -> tuple[Split, Split]:
    """The split without a stratified part of `count` examples, and that part."""
    part = stratified(split.y, count, rng)
    rest = np.ones(len(split), bool)
    rest[part] = False
    return split.take(np.flatnonzero(rest)), split.take(part)


def divided_by_class(split: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """The split without `fraction` of each class, and that part; both have at least one example of each class."""
    part = np.zeros(len(split), bool)
    for label in np.unique(split.y):
        members = np.flatnonzero(split.y == label)
        part[rng.permutation(members)[: taken_of_class(len(members), fraction)]] = True
    return split.take(np.flatnonzero(~part)), split.take(np.flatnonzero(part))


def taken_of_class(members: int, fraction: float) -> int:
    """How many of a class's examples `divided_by_class` takes out."""
    return min(max(1, round(fraction * members)), members - 1)


def with_validation(dataset: Dataset, validation: int | float | None, default: int, seed: int) -> Dataset:
    """The dataset with a validation part that was held out of everything but the test split.

    None: the part that it comes with, else `default` examples; 0: none, and all that is not test trains;
    a count, or a fraction below 1: that many, drawn by class.
    """
    if validation is None and dataset.validation is not None:
        return dataset
    train = dataset.train
    if dataset.validation is not None:
        train = joined(train, dataset.validation)
    wanted = held_out_of(len(train), default if validation is None else validation)
    if wanted == 0:
        return replace(dataset, train=train, validation=None)
    train, held_out = divided(train, wanted, np.random.default_rng((seed, 1)))
    return replace(dataset, train=train, validation=held_out)


def held_out_of(examples: int, validation: int | float) -> int:
    """How many of so many examples are held out for validation: a count, or a fraction below 1. Raises ValueError
    where none would be left to train on."""
    wanted = validation
    if isinstance(wanted, float) and 0 < wanted < 1:
        wanted = max(1, round(wanted * examples))
    if not is_whole(wanted) or not 0 <= wanted < examples:
        raise ValueError(
            f"validation must be a count from 0 to {examples - 1:,}, or a fraction below 1 that leaves an example to "
            f"train on, got {validation!r}"
        )
    return int(wanted)


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number (True and False are none)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def joined(first: Split, second: Split) -> Split:
    """Two splits as one."""
    x = np.concatenate((first.x, second.x)) if isinstance(first.x, np.ndarray) else first.x + second.x
    told = (first.groups, second.groups), (first.files, second.files)
    groups, files = (None if a is None or b is None else np.concatenate((a, b)) for a, b in told)
    return Split(x, np.concatenate((first.y, second.y)), groups, files)


def check_limit(limit: object) -> None:
    """Raises ValueError unless `limit` is None or a positive whole number."""
    if limit is not None and (not is_whole(limit) or limit < 1):  # type: ignore[operator]
        raise ValueError(f"limit must be a positive number of training examples, got {limit!r}")


def limited(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    """The dataset with at most `limit` training examples, and at most max(limit, 1000) in the other splits."""
    check_limit(limit)
    if limit is None:
        return dataset

    def cut(name: str, split: Split) -> Split:
        most = limit if name == "train" else max(limit, 1000)
        if len(split) <= most:
            return split
        return split.take(
            stratified(split.y, most, np.random.default_rng((seed, 2, list(dataset.splits()).index(name))))
        )

    return dataset.each_split(cut)
