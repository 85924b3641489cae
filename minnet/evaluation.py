"""A trained run measured on other labelled examples than its test split: your own, or another data set's.

`python -m minnet evaluate RUN csv FILE --text A --label B` prints the table that ends a training; with --out it also
writes a page and what stands beside it, a folder that `compare` takes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minnet import commands, metrics
from minnet.calibration import calibrated
from minnet.data import Dataset, Split, load
from minnet.data.folders import classes_in
from minnet.data.sources import OWN, SOURCES, name_of, unknown_task
from minnet.data.spelling import meant
from minnet.data.tables import labelled_texts
from minnet.formatting import command_line, count, number, one_line, percent, some
from minnet.prediction import doubts, readable, warn_of_loss
from minnet.run_folder import LOCK, prepare, read_json
from minnet.trained_run import CHECKPOINTS, TrainedRun, load_run


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet evaluate`."""
    parser = subparsers.add_parser("evaluate", help="measure a trained run on other labelled examples")
    parser.add_argument("folder", metavar="RUN", help="the folder of a run")
    parser.add_argument("task", metavar="TASK", help="csv, images, or a data set's name for its test split")
    parser.add_argument("path", metavar="PATH", nargs="*", default=[], help="the file of csv, the folder of images")
    parser.add_argument("--text", metavar="COLUMN", help="csv: the column with the text")
    parser.add_argument("--label", metavar="COLUMN", help="csv: the column with the class")
    parser.add_argument("--encoding", help="csv: of the file, such as cp1251 (default: found out)")
    parser.add_argument("--data", help="the data folder, as for train.py")
    parser.add_argument("--out", type=commands.place, metavar="FOLDER", help="write a page and more into a new folder")
    parser.add_argument("--hide-text", action="store_true", help="keep texts out of that folder")
    parser.set_defaults(run=run_command, listed="path")


def run_command(args: argparse.Namespace) -> int:
    """The measures as a table; with --out a page as well."""
    if args.out is not None:
        killed = ", or remove it if the command that wrote there was killed" if _perhaps_torn(Path(args.out)) else ""
        commands.check_new(args.out, killed)
        commands.check_figures()
    run = load_run(args.folder)
    dataset = _asked_for(args, run)
    doubt = _learned_perhaps(args, run, dataset.test.x)
    if doubt:
        warnings.warn(doubt, stacklevel=2)
    with _whole(args.out):
        probabilities, cuts = run.answers(dataset.test.x)
        measured = metrics.evaluate(probabilities, dataset.test.y, run.classes)
        page = None if args.out is None else _write(args, run, dataset, probabilities, measured, doubt)
    print(f"{args.folder} on {count(len(dataset.test), 'example')} of {dataset.source}:\n{metrics.table(measured)}")
    for line in doubts(run, dataset.test.x, cuts) if run.kind == "text" else []:
        print(f"({line})")
    if before := _on_its_own(read_json(args.folder, "metrics.json")):
        print(before)
    if page is not None:
        print(f"\nThe page: {page}")
    return 0


def _perhaps_torn(folder: Path) -> bool:
    """Whether an evaluation is under way in the folder or was killed there. Of a training more might be lost."""
    return os.path.exists(folder / LOCK) and not any(os.path.exists(folder / name) for name in CHECKPOINTS)


@contextmanager
def _whole(folder: str | None) -> Iterator[None]:
    """Makes and claims a folder, which is gone again if what writes into it does not come to its end."""
    if folder is None:
        yield
        return
    claim = prepare(folder, new=True)  # one that appeared since the command began is not ours to remove
    try:
        with claim:
            yield
    except BaseException:  # the claim has ended: its file, while open, could not be removed on Windows
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _asked_for(args: argparse.Namespace, run: TrainedRun) -> Dataset:
    """The labelled examples as a dataset of the run's classes, which has none to train on."""
    kind = OWN.get(args.task)
    if kind is None and args.task.partition("/")[0] not in SOURCES:
        raise unknown_task(args.task, "python", "-m", "minnet", "evaluate", args.folder)
    if args.task != "csv" and (args.text or args.label or args.encoding):
        raise ValueError("--text, --label and --encoding are for a table: evaluate RUN csv FILE --text A --label B")
    if len(args.path) != (kind is not None):
        what = {"csv": "one file: csv FILE", "images": "one folder: images FOLDER"}.get(args.task, "no path")
        raise ValueError(f"{args.task} takes {what}, got {' '.join(args.path) or 'none'}")
    if kind not in (None, run.kind):
        raise ValueError(f"{args.folder} was trained on {run.kind}, and {args.task} gives {kind}")
    if kind is None:
        name, source, test = _test_split(args, run)
    elif kind == "images":
        name, source, test = _pictures(args, run)
    else:
        name, source, test = _table(args, run)
    return Dataset(name, run.kind, run.classes, test.take(np.zeros(0, int)), None, test, source, own=True)


def _table(args: argparse.Namespace, run: TrainedRun) -> tuple[str, str, Split]:
    path = Path(args.path[0])
    texts, labels, _, source = labelled_texts(path, args.text, args.label, args.encoding)
    return path.name, source, Split(texts, _positions(labels, run.classes, args.folder, in_column=True))


def _pictures(args: argparse.Namespace, run: TrainedRun) -> tuple[str, str, Split]:
    """Those in the sub-folders that are called as the run's classes."""
    path = Path(args.path[0])
    inside = classes_in(path)
    places = _positions([kind.name for kind in inside], run.classes, args.folder)  # before thousands are read
    place_of = {file: place for place, files in zip(places, inside.values(), strict=True) for file in files}
    pictures = readable(run, list(place_of), str(path))
    warn_of_loss(run, list(map(str, pictures)))
    files = np.array([file.relative_to(path).as_posix() for file in pictures])
    y = np.array([place_of[file] for file in pictures])
    return name_of("images", path), str(path), Split(np.stack(list(pictures.values())), y, files=files)


def _test_split(args: argparse.Namespace, run: TrainedRun) -> tuple[str, str, Split]:
    """That of a data set by name; the run's own is divided as it was for training."""
    if run.seed is None and str(run.about.get("dataset")).partition("/")[0] == args.task.partition("/")[0]:
        raise ValueError(
            f"{args.folder} does not say with which seed {args.task} was divided for it, so its test examples cannot "
            "be told from those that it learned from"
        )
    dataset = load(args.task, folder=args.data, seed=run.seed or 0)
    if dataset.kind != run.kind:
        raise ValueError(f"{args.folder} was trained on {run.kind}, and {dataset.name} holds {dataset.kind}")
    x, y = dataset.test.x, dataset.test.y
    if run.kind == "images" and x.shape[1:] != run.shape:
        shapes = ["x".join(map(str, shape)) for shape in (run.shape, x.shape[1:])]
        raise ValueError(
            f"{args.folder} takes pictures of {shapes[0]} numbers, those of {dataset.name} have {shapes[1]}"
        )
    places = _positions(dataset.classes, run.classes, args.folder)
    return dataset.name, f"{dataset.name}'s test split ({dataset.source})", Split(x, places[y])


def _learned_perhaps(args: argparse.Namespace, run: TrainedRun, inputs: Any) -> str:
    """What is to be said where the run learned from some of the texts, or, where nothing tells, where its own data bore
    the same name; else nothing."""
    if not args.path:  # a data set's test split, which is divided as for training
        return ""
    if (learned := run.learned(inputs)) is not None:
        told = (
            f"{args.folder} was trained on {np.count_nonzero(learned):,} of the {len(learned):,} texts and has seen "
            "their classes: of new ones the figures promise too much"
        )
        return told if learned.any() else ""
    called = name_of(run.kind, args.path[0])
    if run.about.get("dataset") != called:
        return ""
    return (
        f"{args.folder} was trained on something called {called!r}, too: if it is this, it learned from most of these "
        "examples, and the figures say nothing of new ones"
    )


def _positions(labels: Sequence[str], classes: tuple[str, ...], folder: str, in_column: bool = False) -> np.ndarray:
    """Each label's place among the run's classes, int64 (N,); spelling matters only where it tells two apart."""
    exact = {name: place for place, name in enumerate(classes)}
    spelled = Counter(map(meant, classes))
    alike = {meant(name): place for name, place in exact.items() if spelled[meant(name)] == 1}
    known = {label: exact.get(label, alike.get(meant(label), -1)) for label in dict.fromkeys(labels)}
    if strange := [repr(one_line(label, 40)) for label, place in known.items() if place < 0]:
        column = ", or name the column that holds them (--label)" if in_column else ""
        raise ValueError(
            f"{folder} knows no class {some(strange)}: it tells apart {', '.join(classes)[:200]}. Rename these labels, "
            f"or leave their examples out{column}"
        )
    return np.array([known[label] for label in labels], np.int64)


def _on_its_own(measured: dict[str, Any]) -> str:
    """What the run measured when it was made, in one line; nothing where it does not say."""
    try:
        n, accuracy = count(measured["examples"], "test example"), percent(measured["accuracy"], 1)
        recall, f1 = (number(measured["macro"][name]) for name in ("recall", "f1"))
    except (ArithmeticError, ValueError, KeyError, TypeError):
        return ""
    return f"(on the {n} of its own data: accuracy {accuracy}, macro recall {recall}, macro F1 {f1})"


def _write(
    args: argparse.Namespace,
    run: TrainedRun,
    dataset: Dataset,
    probabilities: np.ndarray,
    measured: dict[str, Any],
    doubt: str,
) -> Path:
    """The page and what stands beside it."""
    from minnet import report

    config = {
        "command": command_line(["python", "-m", "minnet", *sys.argv[1:]]),
        "dataset": dataset.name,
        "source": dataset.source,
        "test_fingerprint": dataset.test_fingerprint,
        "model": str(run.about.get("model", "a network")),
        "run": str(args.folder),
        "trained_on": str(run.about.get("dataset", "other data")),
        **({"warning": doubt} if doubt else {}),
    }
    with np.errstate(divide="ignore"):
        log_p = np.log(probabilities)  # scores as good as those that the probabilities came from
    return report.write(
        args.out, config, [], measured, probabilities, dataset.test.y,
        calibrated=calibrated(log_p, read_json(args.folder, "config.json")),
        names=dataset.test.files, hide_text=args.hide_text,
        **{"texts" if run.kind == "text" else "images": dataset.test.x},
    )  # fmt: skip
