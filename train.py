"""Train a network and see what it learned.

python train.py                                the tour: digits and comments, in under a minute
python train.py cifar10 --model cnn6           a named data set (python -m minnet data lists them)
python train.py csv FILE --text A --label B    your own comments
python train.py images FOLDER                  your own pictures, one folder a class
"""

from __future__ import annotations

import argparse
import difflib
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minnet import metrics, report
from minnet.commands import Parser, one_line_errors, pictures_of_learning, place, seed, seen_on_validation
from minnet.data import Dataset, load, test_views
from minnet.data.own import load_csv, load_images
from minnet.data.sources import SOURCES
from minnet.functional import softmax
from minnet.memory import peak_memory
from minnet.recipes import KINDS, OPTIMIZERS, Recipe, choose
from minnet.run_folder import new_folder
from minnet.training import Trainer


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", help="a data set's name, csv, or images; nothing for the tour")
    parser.add_argument("path", nargs="?", help="the file or folder of csv and images")
    models = "; ".join(f"for {kind}: {', '.join(known)}" for kind, known in KINDS.items())
    names = sorted({name for known in KINDS.values() for name in known})
    parser.add_argument("--model", choices=names, metavar="MODEL", help=models)
    parser.add_argument("--epochs", type=int, help="passes over the training data")
    parser.add_argument("--batch-size", type=int, help="examples per update")
    parser.add_argument("--learning-rate", type=float, help="the highest of the schedule")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="another than the recipe's, with its default settings")
    parser.add_argument("--seed", type=seed, default=0, help="of all that is random, splits included (default 0)")
    parser.add_argument("--workers", type=int, help="threads that share a batch (default: up to 8, where it helps)")
    parser.add_argument(
        "--data", help="the data folder (default: $MINNET_DATA, else datasets/ of the checkout, else the user's cache)"
    )
    parser.add_argument("--out", type=place, help="the run's folder (default: a new one in runs/)")
    parser.add_argument(
        "--limit",
        type=int,
        help="so many training examples at most, and of other splits as many, or 1,000 if that is more",
    )
    parser.add_argument("--validation", type=float, help="examples held out, or their share; 0 for none")
    parser.add_argument("--patience", type=int, help="stop after so many epochs without a better validation loss")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a stopped run: that in --out, or the newest one"
    )
    parser.add_argument("--no-flip", action="store_true", help="pictures: train on none mirrored left to right")
    parser.add_argument("--text", help="csv: the column with the text")
    parser.add_argument("--label", help="csv: the column with the class")
    parser.add_argument("--encoding", help="csv: of the file, such as cp1251 (default: found out)")
    parser.add_argument("--hide-text", action="store_true", help="keep texts out of the report")
    parser.set_defaults(touring=False)
    return parser.parse_intermixed_args()  # the file may stand behind the flags


def read_data(args: argparse.Namespace) -> Dataset:
    whole = args.validation is not None and args.validation >= 1 and args.validation.is_integer()
    held_out = int(args.validation) if whole or args.validation == 0 else args.validation
    common = {"validation": held_out, "limit": args.limit, "seed": args.seed}
    names = (*SOURCES, "csv", "images")
    if args.task.partition("/")[0] not in names:
        own = "images" if Path(args.task).is_dir() else "csv" if Path(args.task).suffix else None
        if own:
            typed = shlex.join(["python", "train.py", own, args.task])
            raise ValueError(f"{args.task} is no data set's name; for your own data: {typed}")
        near = difflib.get_close_matches(args.task, names, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"unknown dataset {args.task!r}: there are {', '.join(names)}{meant}")
    if args.task != "csv" and (args.text or args.label or args.encoding):
        raise ValueError("--text, --label and --encoding are for a file: python train.py csv FILE --text A --label B")
    if args.task not in ("csv", "images"):
        if args.path is not None:
            raise ValueError(f"{args.path}? {args.task} is a data set's name and takes no path")
        return load(args.task, folder=args.data, **common)
    if args.path is None:
        raise ValueError(f"which {'file' if args.task == 'csv' else 'folder'}? python train.py {args.task} PATH")
    if args.task == "images":
        return load_images(args.path, **common)
    if not (args.text and args.label):
        raise ValueError("csv needs the names of two columns: --text COLUMN --label COLUMN")
    return load_csv(args.path, args.text, args.label, encoding=args.encoding, **common)


def train(args: argparse.Namespace) -> str:
    """One run, from the data to the report; returns the result as a table, and where the page lies."""
    started = time.perf_counter()
    dataset = read_data(args)
    name, recipe = choose(dataset, args.model)
    if args.optimizer:
        recipe = recipe.with_optimizer(args.optimizer)
    wanted = ("epochs", "batch_size", "learning_rate", "patience")
    recipe = replace(recipe, **{key: getattr(args, key) for key in wanted if getattr(args, key) is not None})
    if args.learning_rate is None:
        recipe = recipe.for_examples(len(dataset.train))
    if args.no_flip:
        if dataset.kind == "text" and not args.touring:
            raise ValueError(f"--no-flip is for pictures, and {dataset.name} holds texts: leave it out")
        recipe = recipe.unmirrored()
    folder = new_folder(args.out, f"{dataset.name}-{name}", args.resume)
    args.out = str(folder)
    with report.prepare(folder) as lock, resumable(args, folder):
        print(f"\n{dataset!r}\n{name} -> {folder}" + (f"\n{lock.note}" if lock.note else ""))
        if recipe.augment is not None and recipe.augment.flip:
            print("training shows pictures mirrored, too; where left and right matter: --no-flip")
        vectorizer, inputs = recipe.encode(dataset, args.data)
        model = recipe.build(dataset, vectorizer, args.seed)
        trainer = Trainer(
            model,
            recipe.loss(dataset),
            recipe.make_optimizer(model),
            schedule=recipe.schedule,
            seed=args.seed,
            workers=args.workers,
            augment=recipe.augment,
            freeze_at=recipe.freeze_at,
        )
        validation = None if dataset.validation is None else (inputs["validation"], dataset.validation.y)
        history = trainer.fit(
            (inputs["train"], dataset.train.y),
            validation,
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            patience=recipe.patience,
            folder=folder,
            resume=args.resume,
            about=recipe.about(dataset, vectorizer, name),
        )
        if trainer.interrupted:
            raise SystemExit(130)
        # The test split is looked at once, here.
        scores = seen(trainer, recipe, inputs["test"])
        probabilities = softmax(scores)
        measured = metrics.evaluate(probabilities, dataset.test.y, dataset.classes)
        config = {
            "command": shlex.join(["python", *sys.argv]),
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "test_fingerprint": dataset.test_fingerprint,
            "model": name,
            "seconds": round(time.perf_counter() - started, 1),
            "training_seconds": round(history[-1]["seconds"], 1),
            "peak_mib": round(peak_memory()),
            **recipe.config(),
            **trainer.run,
            **({} if validation is None else seen_on_validation(seen(trainer, recipe, validation[0]), validation[1])),
        }
        shown = pictures_of_learning(dataset, model, vectorizer)
        if "temperature" in config:
            temperature = config["temperature"]
            shown["calibrated"] = {f"temperature {temperature:.2f}": softmax(scores, temperature=temperature)}
        page = report.write(
            folder, config, history, measured, probabilities, dataset.test.y,
            rates=trainer.rates(), hide_text=args.hide_text, **shown,
        )  # fmt: skip
    heading = f"{name} on {dataset.name}, {len(dataset.test):,} test examples:"
    return f"\n{heading}\n{metrics.table(measured)}\n\nThe page: {page}"


def seen(trainer: Trainer, recipe: Recipe, inputs: Any) -> np.ndarray:
    """The network's scores for these inputs, averaged over six views of each picture where the recipe says so."""
    views = test_views(inputs) if recipe.views else [(1.0, inputs)]
    total: Any = sum(weight * trainer.predict(view) for weight, view in views)
    return total


@contextmanager
def resumable(args: argparse.Namespace, folder: Path) -> Iterator[None]:
    """Says how to go on when a run that saved something ends early: by Ctrl-C, or for a full disk."""
    try:
        yield
    except (ValueError, ArithmeticError):  # which would come again
        raise
    except BaseException:
        if (folder / "last.ckpt").exists():
            print(f"Stopped. Go on with: {resuming(args, folder)}")
        raise


def resuming(args: argparse.Namespace, folder: Path) -> str:
    """What to type to go on with an interrupted run."""
    typed = [args.task, *sys.argv[1:]] if args.touring else sys.argv[1:]  # the tour names no task
    if "--out" in typed:  # the folder that was asked for; the tour's runs lie inside it
        del typed[typed.index("--out") : typed.index("--out") + 2]
    flags = [] if args.resume else ["--resume"]
    return shlex.join(["python", sys.argv[0], *typed, "--out", str(folder), *flags])


def tour(args: argparse.Namespace) -> None:
    """Two networks from nothing but what is installed: pictures of digits, and short comments."""
    if args.model or args.resume:
        raise ValueError("--model and --resume need a data set: python train.py digits --model mlp")
    args.touring, out, results = True, args.out, []
    try:
        for args.task in ("digits", "comments"):
            args.out = None if out is None else str(Path(out) / args.task)
            results.append(train(args))
    finally:  # what is done is told, whatever happened to the other
        if results:
            print(*results, sep="\n")
    print(
        "\nWhat next?\n"
        "  open the pages above in a browser\n"
        f'  python -m minnet predict {args.out} "Not bad at all, I would come again"\n'
        "  python train.py cifar10 --model cnn6      colour photographs (downloads 170 MB once)\n"
        "  tutorials/README.md                       the lessons, from a score to a trained network"
    )


@one_line_errors
def main() -> None:
    args = arguments()
    tour(args) if args.task is None else print(train(args))


if __name__ == "__main__":
    main()
