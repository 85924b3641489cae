"""Your own data: a CSV of texts and labels, or a folder of pictures by class, as a dataset with fair splits."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minnet.data.dataset import (
    Dataset,
    Split,
    check_limit,
    divided_by_class,
    held_out_of,
    limited,
    taken_of_class,
    with_validation,
)
from minnet.data.folders import classes_in
from minnet.data.images import Shape, mostly_cut, read_images, shapes_of, tiny, warn_left_out
from minnet.data.spelling import in_order, meant, spelled_alike
from minnet.data.tables import labelled_texts, listed
from minnet.data.tokens import tokenize
from minnet.formatting import count, listing, one_line, some

FEWEST = 3  # examples of a class: one for each split


def load_csv(
    path: str | os.PathLike[str],
    text_column: str,
    label_column: str,
    validation: int | float | None = None,
    test: float = 0.2,
    limit: int | None = None,
    seed: int = 0,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """A table with a header, a text and a class label in each row, as a dataset.

    Encoding and delimiter are found out unless they are given: Unicode with or without its mark, else GB 18030 or
    Windows' western one; comma, semicolon, tab or bar, whichever gives the named columns. Rows without text or label
    (n/a, NaN, null and the like are none) are left out, and `source` says how many. A fifth of each class is the test
    split and a tenth the validation split (see `load` for `validation` and `limit`). Warns of labels that are taken for
    none or hardly differ, of a guess at the encoding, and of test texts that stand in the training split as well.

    Raises ValueError in one line for a file that is no such table, an unknown column, or too few examples.
    """
    check_limit(limit)
    path = Path(path)
    texts, labels, header, source = labelled_texts(path, text_column, label_column, encoding, delimiter)
    classes = in_order(set(labels))
    if len(classes) > max(20, len(labels) // 2):
        raise ValueError(
            f"{path}: column {label_column!r} has {len(classes):,} different values in {len(labels):,} rows, so it "
            f"names no classes; the columns are {listed(header)}"
        )
    position = {name: index for index, name in enumerate(classes)}
    y = np.array([position[label] for label in labels], np.int64)
    return with_splits(path.stem, "text", classes, Split(texts, y), source, validation, test, limit, seed)


def load_images(
    folder: str | os.PathLike[str],
    size: tuple[int, int] | int | None = None,
    validation: int | float | None = None,
    test: float = 0.2,
    limit: int | None = None,
    seed: int = 0,
    suits: Callable[[tuple[int, int]], object] | None = None,
) -> Dataset:
    """A folder with one sub-folder of pictures for each class as a dataset; a sub-folder's name is its class's name.

    Every picture gets the shape `size` (H, W): by default the one that all share, if its sides have 8 to 64 pixels,
    else 32 x 32. They are grey if all files are. Hidden files and the folders of runs are passed over; files that are
    no pictures are left out with one warning that lists them. Warns where most classes hold only folders of pictures,
    and where all pictures are nearly black; `source` says where shapes differ so much that more than half of a picture
    is cut away. The splits and warnings are those of `load_csv`. `suits` may refuse the size by raising, before all
    pictures are read.

    Raises ValueError in one line for a folder of another layout, or too few examples.
    """
    check_limit(limit)
    folder = Path(folder)
    inside = classes_in(folder)
    label_of = {path: label for label, paths in enumerate(inside.values()) for path in paths}
    shapes, broken = shapes_of(label_of)
    if not shapes:
        why = f": {next(iter(broken.values()))}" if broken else ""
        raise ValueError(f"{folder} has no picture that can be read in its sub-folders{why}")
    if size is None:
        size = size_for(shapes.values())
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"pictures have at least 1 pixel a side, got {height} x {width}")
    if suits is not None:
        suits((height, width))
    if validation is not None:  # how many it may be is known before all are read
        members = Counter(label_of[path] for path in shapes).values()
        held_out_of(sum(n - taken_of_class(n, test) for n in members), validation)
    channels = 3 if any(shape.colour for shape in shapes.values()) else 1
    pictures, damaged = read_images(shapes, (height, width), channels)
    broken |= damaged
    warn_left_out(broken, len(label_of), folder)
    if not pictures:
        raise ValueError(f"{folder} has no picture that can be read: {next(iter(broken.values()))}")
    y = np.array([label_of[path] for path in pictures], np.int64)
    files = np.array([path.relative_to(folder).as_posix() for path in pictures])
    everything = Split(np.stack(list(pictures.values())), y, files=files)
    seen = [shapes[path] for path in pictures]
    warn_of_pictures(folder, everything.x, seen)
    source = source_of(folder, (height, width), seen, len(label_of))
    classes = tuple(kind.name for kind in inside)
    return with_splits(folder.resolve().name, "images", classes, everything, source, validation, test, limit, seed)


def size_for(shapes: Iterable[Shape]) -> tuple[int, int]:
    """The size (H, W) that all pictures share, if its sides have 8 to 64 pixels, else 32 x 32: pooling would leave
    nothing of less, and more is much work."""
    size, *others = {(shape.height, shape.width) for shape in shapes}
    return size if not others and min(size) >= 8 and max(size) <= 64 else (32, 32)


def source_of(folder: Path, size: tuple[int, int], shapes: Sequence[Shape], files: int) -> str:
    """The folder, and what a result should tell of how its pictures of those `shapes` were made of so many files."""
    resized = any((shape.height, shape.width) != size for shape in shapes)
    cut = sum(mostly_cut(shape, size) for shape in shapes)
    left_out = files - len(shapes)
    notes = [f"each picture's middle, resized to {size[0]} x {size[1]} pixels"] * resized
    notes += [f"more than half of {count(cut, 'picture')} cut away by that"] * bool(cut)
    notes += [f"{left_out} of {files} files left out"] * bool(left_out)
    return f"{folder} ({'; '.join(notes)})" if notes else str(folder)


def warn_of_pictures(folder: Path, x: np.ndarray, shapes: Sequence[Shape]) -> None:
    """Warns where there is little to see in the pictures x, uint8 (N, H, W, C), that were made of those `shapes`."""
    if x.max() <= 20:  # of 12 bits in files of 16, the brightest is 16
        warnings.warn(
            f"{folder}: nothing in any picture is brighter than {x.max()} of 255: where its files have 16 "
            "bits and use fewer, scale them up first",
            stacklevel=3,
        )
    height, width = x.shape[1:3]
    if small := sum(tiny(shape, (height, width)) for shape in shapes):
        warnings.warn(
            f"{folder}: {small:,} of {count(len(shapes), 'picture')} are far smaller than the {height} x {width} "
            "pixels that a network gets, so there is little to see in them",
            stacklevel=3,
        )


def with_splits(
    name: str,
    kind: str,
    classes: tuple[str, ...],
    everything: Split,
    source: str,
    validation: int | float | None,
    test: float,
    limit: int | None,
    seed: int,
) -> Dataset:
    """The examples as a dataset: every class in every split, the larger classes by their share (small ones may be
    missing from a validation part or test split of a size that was asked for).

    Raises ValueError when there are fewer than two classes, a class has fewer than three examples, or none is left of
    one to train on.
    """
    if not 0 < test < 1:
        raise ValueError(f"test must be a fraction between 0 and 1, got {test!r}")
    check_classes(name, classes, everything)
    rng = np.random.default_rng((seed, 0))
    rest, held_out = divided_by_class(everything, test, rng)
    dataset = Dataset(name, kind, classes, rest, None, held_out, source, own=True)
    if validation is None:
        train, part = divided_by_class(rest, 0.1 / (1 - test) if test < 0.8 else 0.5, rng)
        dataset = replace(dataset, train=train, validation=part)
    else:
        dataset = with_validation(dataset, validation, 0, seed)
    dataset = limited(dataset, limit, seed)
    missing = np.setdiff1d(np.arange(len(classes)), dataset.train.y)
    if len(missing):
        raise ValueError(
            f"no example of {classes[missing[0]]!r} is left to train on: hold out fewer for validation or test, "
            "or raise the limit"
        )
    return with_copies(dataset)


def check_classes(name: str, classes: tuple[str, ...], everything: Split) -> None:
    """Raises ValueError unless there are two classes or more, each with an example for every split."""
    if len(classes) < 2:
        raise ValueError(f"{name} has only the class {classes[0]!r}: there is nothing to tell apart")
    counts = np.bincount(everything.y, minlength=len(classes))
    if counts.min() < FEWEST:
        counted = {name: f"{name!r} ({n:,})" for name, n in zip(classes, counts, strict=True)}
        rare = [classes[k] for k in np.flatnonzero(counts < FEWEST)]
        few = [counted[name] for name in rare]
        more = f" and {len(few) - 8} more classes" if len(few) > 8 else ""
        if everything.files is None and len(few) == 1 and counts[everything.y[0]] == 1:
            more = " (it stands in the first row: is that a second row of names?)"
        cure = "Add"
        if alike := [counted[other] for other in spelled_alike(classes) if meant(other) in set(map(meant, rare))]:
            cure = f"Where {listing(alike[:6])} mean the same, spell them alike; else add"
        raise ValueError(
            f"{name} has too few examples of {', '.join(few[:8])}{more}: each class needs at least {FEWEST}, one for "
            f"each split. {cure} examples, or leave these classes out"
        )


def with_copies(dataset: Dataset) -> Dataset:
    """The dataset with the number of its `copies`. Warns of what a result would not tell: of copies, of examples that
    stand in several classes, and of classes whose names hardly differ."""
    name, splits = dataset.name, dataset.splits()
    what, aside = ("text", " (letter case and marks set aside)") if dataset.kind == "text" else ("picture", "")
    if alike := spelled_alike(dataset.classes):
        warnings.warn(
            f"{name}: {', '.join(map(repr, alike[:6]))} count as different classes: where they mean the same, spell "
            "them alike",
            stacklevel=4,
        )
    contents = {
        part: [content(x) for x in tqdm(split.x, f"looking for copies in {part}", delay=1, leave=False)]
        for part, split in splits.items()
    }
    if disputed := in_several_classes(splits.values(), contents.values()):
        ends = [dict.fromkeys(one_line(example, 40) for _, example in (same[0], same[-1])) for same in disputed]
        such = some([" and ".join(map(repr, names)) for names in ends])
        warnings.warn(
            f"{name}: {count(len(disputed), what)} ({count(sum(map(len, disputed)), 'example')}) "
            f"occur{'s' * (len(disputed) == 1)} with more than one class{aside}, such as {such}: which class is right?",
            stacklevel=4,
        )
    trained_on = set(contents["train"])
    copies = sum(key in trained_on for key in contents["test"])
    if copies:
        warnings.warn(
            f"{name}: {copies:,} of {len(dataset.test):,} test examples are copies of training examples{aside}, which "
            "a network can know by heart: leave copies out for a result that holds for what is new",
            stacklevel=4,
        )
    return replace(dataset, copies=copies)


def in_several_classes(splits: Iterable[Split], contents: Iterable[list[int]]) -> list[list[tuple[int, str]]]:
    """What stands under more than one label: the same examples together, each as its label and its text or file, in
    order; `contents` holds for each split the `content` of its examples."""
    found: dict[int, list[tuple[int, str]]] = {}
    for split, keys in zip(splits, contents, strict=True):
        names = split.x if split.files is None else split.files
        for key, label, name in zip(keys, split.y.tolist(), names, strict=True):
            found.setdefault(key, []).append((label, str(name)))
    together = map(sorted, found.values())
    return sorted(same for same in together if same[0][0] != same[-1][0])


def content(example: Any) -> int:
    """A number that two copies of a picture share, or two texts that a network sees as the same, and hardly anything
    else: `GOOD.` is a copy of `good`."""
    if isinstance(example, np.ndarray):
        return hash(example.tobytes())
    return hash(" ".join(tokenize(example)) or example)
