"""A trained run measured on other labelled examples than its test split: your own, or another data set's.

`python -m minnet evaluate RUN csv FILE --text A --label B` prints the table that ends a training; with --out it also
writes a page, and a folder that `compare` takes.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minnet import commands, metrics
from minnet.data import Dataset, Split, load
from minnet.data.own import classes_in, labelled_texts
from minnet.data.sources import SOURCES, unknown
from minnet.formatting import count, number, percent, some
from minnet.functional import softmax
from minnet.prediction import Run, load_run, readable, told
from minnet.run_folder import new_folder, prepare


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet evaluate`."""
    parser = subparsers.add_parser("evaluate", help="measure a trained run on other labelled examples")
    parser.add_argument("folder", metavar="RUN", help="the folder of a run")
    parser.add_argument("task", metavar="TASK", help="csv, images, or a data set's name for its test split")
    parser.add_argument("path", metavar="PATH", nargs="*", help="the file of csv, the folder of images")
    parser.add_argument("--text", metavar="COLUMN", help="csv: the column with the text")
    parser.add_argument("--label", metavar="COLUMN", help="csv: the column with the class")
    parser.add_argument("--encoding", help="csv: of the file, such as cp1251 (default: found out)")
    parser.add_argument("--data", help="the data folder, as for train.py")
    parser.add_argument("--out", type=commands.place, metavar="FOLDER", help="also write a page into this new folder")
    parser.add_argument("--hide-text", action="store_true", help="keep texts out of the page")
    parser.set_defaults(run=run_command, listed="path")


def run_command(args: argparse.Namespace) -> int:
    """The measures as a table; with --out a page as well."""
    run, config = load_run(args.folder), told(args.folder, "config.json")
    if args.out is not None:
        new_folder(args.out, "", resume=False)
    dataset = _asked_for(args, run, int(config.get("seed") or 0))
    probabilities = run.probabilities(dataset.test.x)
    measured = metrics.evaluate(probabilities, dataset.test.y, run.classes)
    print(f"{args.folder} on {dataset.name}, {count(len(dataset.test), 'example')}:\n{metrics.table(measured)}")
    if before := _on_its_own(told(args.folder, "metrics.json")):
        print(before)
    if args.out is not None:
        from minnet import report

        with prepare(args.out):
            page = report.write(
                args.out, _about(args, run, config, dataset), [], measured, probabilities, dataset.test.y,
                hide_text=args.hide_text, calibrated=_calibrated(probabilities, config.get("temperature")),
                **{"texts" if run.kind == "text" else "images": dataset.test.x},
            )  # fmt: skip
        print(f"\nThe page: {page}")
    return 0


def _asked_for(args: argparse.Namespace, run: Run, seed: int) -> Dataset:
    """The examples to measure on as the test split of a dataset whose classes are the run's."""
    kind = {"csv": "text", "images": "images"}.get(args.task)
    if kind is None and args.task.partition("/")[0] not in SOURCES:
        raise unknown(args.task, "csv", "images")
    if args.task != "csv" and (args.text or args.label or args.encoding):
        raise ValueError("--text, --label and --encoding are for a table: evaluate RUN csv FILE --text A --label B")
    if len(args.path) != (kind is not None):
        what = {"csv": "one file: csv FILE", "images": "one folder: images FOLDER"}.get(args.task, "no path")
        raise ValueError(f"{args.task} takes {what}, got {' '.join(args.path) or 'none'}")
    if kind not in (None, run.kind):
        raise ValueError(f"{args.folder} was trained on {run.kind}, and {args.task} gives {kind}")
    if kind is None:
        name, inputs, labels, source = _test_split(args, run, seed)
    elif kind == "text":
        inputs, labels, source = labelled_texts(Path(args.path[0]), args.text, args.label, args.encoding)
        name = Path(args.path[0]).name
    else:
        name = source = args.path[0]
        label_of = {path: folder.name for folder, paths in classes_in(Path(name)).items() for path in paths}
        found = readable(run, list(label_of), name)
        inputs = np.stack(list(found.values()))
        labels = [label for path, label in label_of.items() if str(path) in found]
    test = Split(inputs, _positions(labels, run.classes, args.folder))
    return Dataset(name, run.kind, run.classes, test.take(np.zeros(0, int)), None, test, source, own=True)


def _test_split(args: argparse.Namespace, run: Run, seed: int) -> tuple[str, Any, list[str], str]:
    """That of a data set by name. `seed` is the run's: its own data set is then divided as it was for training."""
    dataset = load(args.task, folder=args.data, seed=seed)
    if dataset.kind != run.kind:
        raise ValueError(f"{args.folder} was trained on {run.kind}, and {dataset.name} holds {dataset.kind}")
    if run.kind == "images" and dataset.test.x.shape[1:] != run.shape:
        shapes = ["x".join(map(str, shape)) for shape in (run.shape, dataset.test.x.shape[1:])]
        raise ValueError(
            f"{args.folder} takes pictures of {shapes[0]} numbers, those of {dataset.name} have {shapes[1]}"
        )
    return dataset.name, dataset.test.x, [dataset.classes[label] for label in dataset.test.y], dataset.source


def _positions(labels: Sequence[str], classes: tuple[str, ...], folder: str) -> np.ndarray:
    """Each label's place among the run's classes, int64 (N,); letter case matters only where it tells two apart."""
    exact = {name: place for place, name in enumerate(classes)}
    alike = {name.casefold(): place for name, place in exact.items()}
    alike = alike if len(alike) == len(exact) else {}
    known = {label: exact.get(label, alike.get(label.casefold(), -1)) for label in dict.fromkeys(labels)}
    if strange := [repr(label) for label, place in known.items() if place < 0]:
        raise ValueError(
            f"{folder} knows no class {some(strange)}: it tells apart {', '.join(classes)[:200]}. Rename these labels, "
            "or leave their examples out"
        )
    return np.array([known[label] for label in labels], np.int64)


def _on_its_own(measured: dict[str, Any]) -> str:
    """What the run measured when it was made, in one line; nothing where it does not say."""
    try:
        n, accuracy = count(measured["examples"], "test example"), percent(measured["accuracy"], 1)
        recall, f1 = (number(measured["macro"][name]) for name in ("recall", "f1"))
    except (ValueError, KeyError, TypeError):
        return ""
    return f"(on the {n} of its own data: accuracy {accuracy}, macro recall {recall}, macro F1 {f1})"


def _calibrated(p: np.ndarray, temperature: Any) -> dict[str, np.ndarray] | None:
    """The probabilities at the temperature that fitted the run's validation examples."""
    if not isinstance(temperature, float):
        return None
    with np.errstate(divide="ignore"):
        return {f"temperature {temperature:.2f}": softmax(np.log(p), temperature=temperature)}


def _about(args: argparse.Namespace, run: Run, config: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """config.json of an evaluation."""
    return {
        "command": shlex.join(["python", "-m", "minnet", *sys.argv[1:]]),
        "dataset": dataset.name,
        "source": dataset.source,
        "test_fingerprint": dataset.test_fingerprint,
        "model": str(config.get("model", "a network")),
        "run": str(args.folder),
        "trained_on": str(config.get("dataset", "other data")),
    }
