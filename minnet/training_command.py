"""Between train.py's arguments and the library: what was asked for, what a report shows, how to go on after a stop."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from minnet.commands import check_figures
from minnet.data import Dataset, Ngrams, TokenIds, load
from minnet.data.own import load_csv, load_images
from minnet.data.sources import OWN, SOURCES, name_of, unknown_task
from minnet.formatting import command_line
from minnet.layers import Conv2d, Layer, Linear
from minnet.recipes import KINDS, Recipe, check_sides, choose, model_for
from minnet.run_folder import new_folder


def check_asked(args: argparse.Namespace) -> None:
    """Raises ValueError or OSError in one line for what is wrong whatever the data hold: before they are fetched."""
    family, own = args.task.partition("/")[0], args.task in OWN
    if not own and family not in SOURCES:
        raise unknown_task(args.task, "python", "train.py")
    if args.task != "csv" and (args.text or args.label or args.encoding):
        raise ValueError("--text, --label and --encoding are for a file: python train.py csv FILE --text A --label B")
    if args.task != "images" and args.size is not None:
        raise ValueError("--size is for pictures of your own: python train.py images FOLDER --size 48")
    if not own and args.path is not None:
        raise ValueError(f"{args.path}? {args.task} is a data set's name and takes no path")
    if own and args.path is None:
        raise ValueError(f"which {'file' if args.task == 'csv' else 'folder'}? python train.py {args.task} PATH")
    kind = OWN[args.task] if own else SOURCES[family].kind
    name = model_for(kind, args.model)
    if args.size is not None:
        check_sides(name, (args.size, args.size))
    if args.optimizer:
        KINDS[kind][name].with_optimizer(args.optimizer)
    if args.no_flip and kind == "text" and not args.touring:
        raise ValueError(f"--no-flip is for pictures, and {args.path or args.task} holds texts: leave it out")
    if args.patience is not None and args.validation == 0:
        raise ValueError("--patience waits for a lower validation loss: leave it out, or --validation 0")
    called = name_of(kind, args.path) if own else args.task
    new_folder(args.out, f"{called}-{name}", args.resume)
    check_figures()


def data_asked_for(args: argparse.Namespace) -> Dataset:
    """The data set that train.py's arguments name: one of SOURCES, or a file or folder of the user's own."""
    check_asked(args)
    common = {"validation": args.validation, "limit": args.limit, "seed": args.seed}
    if args.task == "images":
        suits = partial(check_sides, model_for("images", args.model))
        return load_images(args.path, args.size, suits=suits, **common)
    if args.task == "csv":
        return load_csv(args.path, args.text, args.label, encoding=args.encoding, **common)
    return load(args.task, folder=args.data, **common)


def recipe_asked_for(args: argparse.Namespace, dataset: Dataset) -> tuple[str, Recipe]:
    """(the model's name, its recipe for this data set with what train.py's arguments change)."""
    name, recipe = choose(dataset, args.model)
    if args.optimizer:
        recipe = recipe.with_optimizer(args.optimizer)
    wanted = ("epochs", "batch_size", "learning_rate", "patience")
    recipe = replace(recipe, **{key: getattr(args, key) for key in wanted if getattr(args, key) is not None})
    if args.learning_rate is None:
        recipe = recipe.for_examples(len(dataset.train))
    return name, recipe.unmirrored() if args.no_flip else recipe


def pictures_of_learning(dataset: Dataset, model: Layer, vectorizer: Any) -> dict[str, Any]:
    """What a report shows beside the numbers: the test examples, and the first layer's weights that speak."""
    first = next((layer for _, layer in model.walk() if isinstance(layer, (Conv2d, Linear))), None)
    if dataset.kind == "text":
        shown: dict[str, Any] = {"texts": dataset.test.x}
        if isinstance(vectorizer, Ngrams) and isinstance(first, Linear):
            shown.update(words=vectorizer.features, weights=first.W)
        return shown
    shown = {"images": dataset.test.x, "names": dataset.test.files}
    if isinstance(first, Conv2d) and first.W.shape[0] > 1:
        shown["filters"] = first.W
    elif isinstance(first, Linear):
        shown.update(filters=first.W, filter_shape=dataset.train.x.shape[1:])
    return shown


def cut_short(dataset: Dataset, vectorizer: Any, inputs: dict[str, Any]) -> str:
    """One line where texts are longer than what the vectorizer reads of them; else nothing."""
    if not isinstance(vectorizer, TokenIds):
        return ""
    splits = dataset.splits()
    long = sum(int(vectorizer.cut(split.x, inputs[name]).sum()) for name, split in splits.items())
    texts = sum(map(len, splits.values()))
    told = f"{long:,} of {texts:,} texts are longer than the {vectorizer.max_length} words that are read of each"
    return told if long else ""


@contextmanager
def resumable(args: argparse.Namespace, folder: Path) -> Iterator[None]:
    """Says how to go on when a run that saved something ends early: by Ctrl-C, or for a full disk."""
    try:
        yield
    except (ValueError, ArithmeticError, FileNotFoundError):  # which would come again
        raise
    except BaseException:
        if (folder / "last.ckpt").exists():
            # not on standard output, whose reader may be what is gone
            told = f"Stopped. Go on with: {resuming(args, folder)}"
            if args.touring and args.task == "digits":
                told += f"\nThen, for the rest of the tour: {rest_of_tour(args)}"
            encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
            if told.encode(encoding, "replace") != told.encode(encoding, "ignore"):
                told += "\n(? stands for each letter that this output lacks: type it as you did before)"
            print(told, file=sys.stderr)
        raise


def resuming(args: argparse.Namespace, folder: Path) -> str:
    """What to type to go on with an interrupted run."""
    typed = [args.task, *sys.argv[1:]] if args.touring else sys.argv[1:]  # the tour names no task
    return _again(typed, f"--out={folder}", *([] if args.resume else ["--resume"]))


def rest_of_tour(args: argparse.Namespace) -> str:
    """What to type for the tour's run on comments, where that on digits was stopped."""
    typed = ["comments", *(word for word in sys.argv[1:] if word != "--no-flip")]  # which is for pictures
    return _again(typed, *([] if args.out is None else [f"--out={Path(args.out).with_name('comments')}"]))


def _again(typed: list[str], *flags: str) -> str:
    """The command of these words with `flags`, and with no --out but that of the flags."""
    if "--out" in typed:  # the folder that was asked for; the tour's runs lie inside it
        at = typed.index("--out")
        typed = typed[:at] + typed[at + 2 :]
    typed = [word for word in typed if not word.startswith("--out=")]
    at = typed.index("--") if "--" in typed else len(typed)  # behind it there are no flags
    return command_line(["python", sys.argv[0], *typed[:at], *flags, *typed[at:]])
