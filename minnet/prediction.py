"""A trained run, loaded again and asked: what is this?"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minnet import checkpoint, metrics, report
from minnet.data import read_image, vectorizer_from
from minnet.data.tables import column_of, decoded, table_of
from minnet.functional import softmax
from minnet.layers import Layer
from minnet.training import predict

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


class Run(NamedTuple):
    """What a checkpoint holds that a prediction needs."""

    model: Layer
    kind: str  # "images" or "text"
    classes: tuple[str, ...]
    shape: tuple[int, ...] | None  # of an image
    vectorizer: Any  # of texts
    about: dict[str, Any]

    def encode(self, inputs: Sequence[Any]) -> Any:
        """Pictures (paths) as uint8 images, or sentences as the numbers that the model was trained on."""
        if self.kind == "text":
            return self.vectorizer.transform(list(inputs))
        assert self.shape is not None
        height, width, channels = self.shape
        return np.stack([read_image(path, (height, width), channels) for path in inputs])

    def probabilities(self, inputs: Sequence[Any]) -> np.ndarray:
        """One row of probabilities an input, (N, classes)."""
        return softmax(predict(self.model, self.encode(inputs)))


def load_run(folder: str | os.PathLike[str]) -> Run:
    """The trained network in a run's folder, or in a checkpoint file itself.

    Raises ValueError or OSError, in one line, when there is none or it does not hold what a prediction needs.
    """
    path = Path(folder)
    if path.is_dir():
        found = [path / name for name in ("best.ckpt", "last.ckpt") if (path / name).exists()]
        if not found:
            raise FileNotFoundError(f"{path} holds no best.ckpt or last.ckpt: is it the folder of a run?")
        path = found[0]
    elif not path.exists():
        raise FileNotFoundError(
            f"there is no run {path}: give the folder that train.py named, such as runs/digits-cnn6"
        )
    arrays, header = checkpoint.load(path)
    model = checkpoint.model_from(arrays, header)
    about = header.get("about") or {}
    if not isinstance(about, dict) or not {"kind", "classes"} <= about.keys():
        raise ValueError(f"{path} holds weights but not what they are for: it was not saved by train.py")
    prefix = "about/"
    mine = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
    vectorizer = vectorizer_from(about["vectorizer"], mine) if about["kind"] == "text" else None
    shape = tuple(about["shape"]) if about["kind"] == "images" else None
    return Run(model, about["kind"], tuple(about["classes"]), shape, vectorizer, about)


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet predict`."""
    parser = subparsers.add_parser("predict", help="ask a trained run what a picture shows or how a sentence is meant")
    parser.add_argument("folder", metavar="RUN", help="the folder of a run")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="picture files, a folder of them, or sentences")
    parser.add_argument(
        "--csv", metavar="FILE", help="a CSV of texts: shares of the classes, and a CSV of probabilities"
    )
    parser.add_argument("--text", metavar="COLUMN", help="the column of the CSV that holds the texts")
    parser.add_argument("--out", metavar="FILE", help="where the CSV of probabilities goes")
    parser.add_argument("--top", type=int, default=3, help="classes to show for each input (default 3)")
    parser.set_defaults(run=run_command)


def run_command(args: argparse.Namespace) -> int:
    """Bars for a few inputs; a CSV of probabilities for a folder or a file of them."""
    run = load_run(args.folder)
    if args.csv is not None:
        return _predict_csv(run, args)
    if not args.inputs:
        raise ValueError('nothing to predict: give a picture file, or a sentence in "quotes"')
    if run.kind == "images":
        inputs = _pictures(args.inputs)
    else:
        files = [text for text in args.inputs if Path(text).suffix.lower() in PICTURES and Path(text).exists()]
        if files:
            raise ValueError(f"{files[0]} is a picture, but {args.folder} was trained on texts: give it a sentence")
        inputs = list(args.inputs)
    probabilities = run.probabilities(inputs)
    if args.out is not None or len(inputs) > 20:
        out = Path(args.out or "predictions.csv")
        _write_csv(out, "file" if run.kind == "images" else "text", inputs, probabilities, run.classes)
        print(f"{len(inputs):,} predictions: {out}")
        return 0
    for item, row in zip(inputs, probabilities, strict=True):
        print(f"\n{report.one_line(str(item))}\n{report.bars(row, run.classes, top=args.top)}")
    return 0


def _pictures(inputs: Sequence[str]) -> list[str]:
    found: list[str] = []
    for item in inputs:
        path = Path(item)
        if path.is_dir():
            inside = sorted(str(p) for p in path.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
            if not inside:
                raise ValueError(f"{path} holds no pictures ({', '.join(sorted(PICTURES))})")
            found += inside
        elif path.exists():
            found.append(str(path))
        else:
            raise FileNotFoundError(
                f"there is no picture {item!r}: this run was trained on images and needs picture files"
            )
    return found


def _predict_csv(run: Run, args: argparse.Namespace) -> int:
    if run.kind != "text":
        raise ValueError(f"{args.folder} was trained on images: --csv is for texts. Give it picture files or a folder.")
    texts = _texts(Path(args.csv), args.text)
    probabilities = run.probabilities(texts)
    out = Path(args.out or Path(args.csv).with_suffix("").name + "-predictions.csv")
    _write_csv(out, "text", texts, probabilities, run.classes)
    print(f"{len(texts):,} comments: {out}\n")
    validation = run.about.get("validation_confusion")
    shares = metrics.class_shares(probabilities, None if validation is None else np.array(validation))
    print(metrics.shares_table(shares, run.classes, sys.stdout))
    return 0


def _texts(path: Path, column: str | None) -> list[str]:
    """One column of a CSV; in a table of one column, that one."""
    content, _ = decoded(path, None)
    header, rows = table_of(path, content, (column or "", column or ""), None)
    if column is None and len(header) > 1:
        raise ValueError(f"which column of {path} holds the texts? Add --text with one of: {', '.join(header)}")
    at = column_of(path, header, column or header[0])
    return [row[at] if at < len(row) else "" for row in rows]


def _write_csv(path: Path, what: str, inputs: Sequence[Any], probabilities: np.ndarray, classes: Sequence[str]) -> None:
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([what, "predicted", *(f"p_{name}" for name in classes)])
            for item, row in zip(inputs, probabilities, strict=True):
                writer.writerow([item, classes[int(row.argmax())], *(f"{p:.6f}" for p in row)])
    except OSError as error:
        raise OSError(f"cannot write {path} ({error.strerror}): choose another place with --out") from None
