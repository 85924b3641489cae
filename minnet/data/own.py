"""Your own data: a CSV of texts and labels, or a folder of pictures by class, as a dataset with fair splits."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minnet.data.dataset import Dataset, Split, check_limit, divided_by_class, held_out_of, limited, with_validation
from minnet.data.folders import classes_in
from minnet.data.images import mostly_cut, read_image, shapes_of, tiny, warn_left_out
from minnet.data.tables import in_order, labelled_texts, listed, meant, spelled_alike
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
) -> Dataset:
    """A folder with one sub-folder of pictures for each class as a dataset; a sub-folder's name is its class's name.

    Every picture gets the shape `size` (H, W): by default the one that all share, if its sides have 8 to 64 pixels,
    else 32 x 32. They are grey if all files are. Hidden files and the folders of runs are passed over; files that are
    no pictures are left out with one warning that lists them. Warns where most classes hold only folders of pictures,
    and where all pictures are nearly black; `source` says where shapes differ so much that more than half of a picture
    is cut away. The splits and warnings are those of `load_csv`.

    Raises ValueError in one line for a folder of another layout, or too few examples.
    """
    check_limit(limit)
    folder = Path(folder)
    inside = classes_in(folder)
    kinds = list(inside)
    files = [(path, label) for label, kind in enumerate(kinds) for path in inside[kind]]
    shapes, broken = shapes_of([path for path, _ in files])
    readable = [shape for shape in shapes if shape is not None]
    if not readable:
        reason = f": {next(iter(broken.values()))}" if broken else ""
        raise ValueError(f"{folder} has no picture that can be read in its sub-folders{reason}")
    found = {(height, width) for height, width, _ in readable}
    if size is None:
        common = next(iter(found))
        size = common if len(found) == 1 and min(common) >= 8 and max(common) <= 64 else (32, 32)
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"pictures have at least 1 pixel a side, got {height} x {width}")
    if validation is not None:  # how many it may be is known before all are read
        y = np.array([label for (_, label), shape in zip(files, shapes, strict=True) if shape], np.int64)
        held_out_of(len(divided_by_class(Split(y, y), test, np.random.default_rng(0))[0]), validation)
    channels = 3 if any(colour for _, _, colour in readable) else 1
    pixels, labels, names = [], [], []
    for (path, label), shape in tqdm(list(zip(files, shapes, strict=True)), desc="pictures", delay=1):
        if shape is None:
            continue
        try:
            pixels.append(read_image(path, size, channels))
            labels.append(label)
            names.append(path.relative_to(folder).as_posix())
        except ValueError as error:
            broken[path] = str(error)
    warn_left_out(broken, len(files), folder)
    if not pixels:
        raise ValueError(f"{folder} has no picture that can be read: {next(iter(broken.values()))}")
    everything = Split(np.stack(pixels), np.array(labels, np.int64), files=np.array(names))
    if everything.x.max() <= 20:  # of 12 bits in files of 16, the brightest is 16
        warnings.warn(
            f"{folder}: nothing in any picture is brighter than {everything.x.max()} of 255: where its files have 16 "
            "bits and use fewer, scale them up first",
            stacklevel=2,
        )
    classes = tuple(kind.name for kind in kinds)
    resized = [] if found == {(height, width)} else [f"each picture's middle, resized to {height} x {width} pixels"]
    cut = sum(mostly_cut(shape, (height, width)) for shape in readable)
    resized += [f"more than half of {count(cut, 'picture')} cut away by that"] * bool(cut)
    if small := sum(tiny(shape, (height, width)) for shape in readable):
        warnings.warn(
            f"{folder}: {small:,} of {count(len(readable), 'picture')} are far smaller than the {height} x {width} "
            "pixels that a network gets, so there is little to see in them",
            stacklevel=2,
        )
    left_out = [f"{len(broken)} of {len(files)} files left out"] if broken else []
    notes = "; ".join(resized + left_out)
    source = f"{folder} ({notes})" if notes else str(folder)
    return with_splits(folder.resolve().name, "images", classes, everything, source, validation, test, limit, seed)


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
    everything = replace(everything, groups=np.arange(len(everything)))  # until the end: its place among all
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
    contents = np.array([content(example) for example in tqdm(everything.x, "looking for copies", delay=1)])
    if alike := spelled_alike(classes):
        warnings.warn(
            f"{name}: {', '.join(map(repr, alike[:6]))} count as different classes: where they mean the same, spell "
            "them alike",
            stacklevel=3,
        )
    aside = " (letter case and marks set aside)" if kind == "text" else ""
    if disputed := in_several_classes(everything, contents):
        ends = [dict.fromkeys(one_line(name, 40) for name in (same[0], same[-1])) for same in disputed]
        shown = some([" and ".join(map(repr, names)) for names in ends])  # pictures stand class by class
        what = count(len(disputed), "text" if kind == "text" else "picture")
        warnings.warn(
            f"{name}: {what} ({count(sum(map(len, disputed)), 'example')}) occur{'s' * (len(disputed) == 1)} with more "
            f"than one class{aside}, such as {shown}: which class is right?",
            stacklevel=3,
        )
    copies = int(np.isin(contents[dataset.test.groups], contents[dataset.train.groups]).sum())
    if copies:
        warnings.warn(
            f"{name}: {copies:,} of {len(dataset.test):,} test examples are copies of training examples{aside}, which "
            "a network can know by heart: leave copies out for a result that holds for what is new",
            stacklevel=3,
        )
    return replace(dataset.each_split(lambda _, split: replace(split, groups=None)), copies=copies)


def check_classes(name: str, classes: tuple[str, ...], everything: Split) -> None:
    """Raises ValueError unless there are two classes or more, each with an example for every split."""
    if len(classes) < 2:
        raise ValueError(f"{name} has only the class {classes[0]!r}: there is nothing to tell apart")
    counts = np.bincount(everything.y, minlength=len(classes))
    if counts.min() < FEWEST:
        shown = {name: f"{name!r} ({n:,})" for name, n in zip(classes, counts, strict=True)}
        rare = [classes[k] for k in np.flatnonzero(counts < FEWEST)]
        few = [shown[name] for name in rare]
        more = f" and {len(few) - 8} more classes" if len(few) > 8 else ""
        if everything.files is None and len(few) == 1 and counts[everything.y[0]] == 1:
            more = " (it stands in the first row: is that a second row of names?)"
        cure = "Add"
        if alike := [shown[other] for other in spelled_alike(classes) if meant(other) in set(map(meant, rare))]:
            cure = f"Where {listing(alike[:6])} mean the same, spell them alike; else add"
        raise ValueError(
            f"{name} has too few examples of {', '.join(few[:8])}{more}: each class needs at least {FEWEST}, one for "
            f"each split. {cure} examples, or leave these classes out"
        )


def in_several_classes(examples: Split, contents: np.ndarray) -> list[list[str]]:
    """The texts, or the files of the pictures, that stand under more than one label, the same ones together; `contents`
    (N,) as `content`."""
    names = examples.x if examples.files is None else examples.files
    found: dict[int, list[tuple[str, int]]] = {}
    for key, name, label in zip(contents.tolist(), names, examples.y.tolist(), strict=True):
        found.setdefault(key, []).append((str(name), label))
    return [[name for name, _ in same] for same in found.values() if len({label for _, label in same}) > 1]


def content(example: Any) -> int:
    """A number that two copies of a picture share, or two texts that a network sees as the same, and hardly anything
    else: `GOOD.` is a copy of `good`."""
    if isinstance(example, np.ndarray):
        return hash(example.tobytes())
    return hash(" ".join(tokenize(example)) or example)
