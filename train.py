"""Train a network and see what it learned.

python train.py                                the tour: digits and comments, in under a minute
python train.py cifar10 --model cnn6           a named data set (python -m minnet data lists them)
python train.py csv FILE --text A --label B    your own comments
python train.py images FOLDER                  your own pictures, one folder a class
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from minnet import metrics, report
from minnet.calibration import calibrated, seen_on_validation
from minnet.commands import Parser, held_out, one_line_errors, place, positive, rate, seed
from minnet.formatting import command_line
from minnet.functional import softmax
from minnet.process_memory import peak_memory
from minnet.recipes import KINDS, OPTIMIZERS
from minnet.run_folder import new_folder, prepare
from minnet.training import Trainer
from minnet.training_command import cut_short, data_asked_for, pictures_of_learning, recipe_asked_for, resumable


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", help="a data set's name, csv, or images; nothing for the tour")
    parser.add_argument("path", nargs="?", help="the file or folder of csv and images")
    models = "; ".join(f"for {kind}: {', '.join(known)}" for kind, known in KINDS.items())
    names = sorted({name for known in KINDS.values() for name in known})
    parser.add_argument("--model", choices=names, metavar="MODEL", help=models)
    parser.add_argument("--epochs", type=positive, help="passes over the training data")
    parser.add_argument("--batch-size", type=positive, help="examples per update")
    parser.add_argument("--learning-rate", type=rate, help="the highest of the schedule")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="another than the recipe's, with its default settings")
    parser.add_argument("--seed", type=seed, default=0, help="of all that is random, splits included (default 0)")
    parser.add_argument("--workers", type=positive, help="threads in all (default: as many as help, up to 8)")
    parser.add_argument(
        "--data", help="the data folder (default: $MINNET_DATA, else datasets/ of the checkout, else the user's cache)"
    )
    parser.add_argument("--out", type=place, help="the run's folder (default: a new one in runs/)")
    parser.add_argument(
        "--limit",
        type=positive,
        help="so many training examples at most, and of other splits as many, or 1,000 if that is more",
    )
    parser.add_argument("--validation", type=held_out, help="examples held out, or their share; 0 for none")
    parser.add_argument("--patience", type=positive, help="stop after so many epochs without a better validation loss")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="with the command of a stopped run: go on with it, that in --out or the newest one",
    )
    parser.add_argument("--size", type=positive, help="images: height and width in pixels (default: theirs, or 32)")
    parser.add_argument("--no-flip", action="store_true", help="pictures: train on none mirrored left to right")
    parser.add_argument("--text", help="csv: the column with the text")
    parser.add_argument("--label", help="csv: the column with the class")
    parser.add_argument("--encoding", help="csv: of the file, such as cp1251 (default: found out)")
    parser.add_argument(
        "--hide-text",
        action="store_true",
        help="keep texts out of the report; their words can be read in the run's checkpoints, and warnings quote some",
    )
    parser.set_defaults(touring=False)
    return parser.parse_intermixed_args()  # the file may stand behind the flags


def train(args: argparse.Namespace) -> tuple[Path, str]:
    """One run, from the data to the report: its folder, and the result as a table with the place of the page."""
    started = time.perf_counter()
    dataset = data_asked_for(args)
    name, recipe = recipe_asked_for(args, dataset)
    folder = new_folder(args.out, f"{dataset.name}-{name}", args.resume)
    with prepare(folder) as lock, resumable(args, folder):
        print(f"\n{dataset!r}\n{name} -> {folder}" + (f"\n{lock.note}" if lock.note else ""))
        if recipe.augment is not None and recipe.augment.flip:
            print("training shows pictures mirrored, too; where left and right matter: --no-flip")
        vectorizer, inputs = recipe.encode(dataset, args.data)
        if cut := cut_short(dataset, vectorizer, inputs):
            print(cut)
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
            raise SystemExit(130)  # what shells expect of a program that Ctrl-C ended
        if (folder / "config.json").exists():
            print("this run had come to its end before: only its report is written again")
        if how := report.ending(trainer.run, history):
            print(how)
        validated, weights = {}, recipe.class_weights(dataset)
        if validation is not None:
            x, y = validation
            validated = seen_on_validation(recipe.scores(trainer, x), y, weights)
        # The test split is looked at once, here.
        scores = recipe.scores(trainer, inputs["test"])
        probabilities = softmax(scores)
        measured = metrics.evaluate(probabilities, dataset.test.y, dataset.classes)
        config = {
            "command": command_line(["python", *sys.argv]),
            "dataset": dataset.name,
            "source": dataset.source,
            **({"copies": dataset.copies} if dataset.copies else {}),
            "fingerprint": dataset.fingerprint,
            "test_fingerprint": dataset.test_fingerprint,
            "model": name,
            "seconds": round(time.perf_counter() - started, 1),
            "training_seconds": round(history[-1]["seconds"], 1),
            "peak_mib": round(peak_memory()),
            **({"cut": cut} if cut else {}),
            **recipe.config(),
            "class_weights": weights,
            **trainer.run,
            **validated,
        }
        shown = pictures_of_learning(dataset, model, vectorizer)
        page = report.write(
            folder, config, history, measured, probabilities, dataset.test.y,
            calibrated=calibrated(scores, config), rates=trainer.rates(), hide_text=args.hide_text, **shown,
        )  # fmt: skip
    heading = f"{name} on {dataset.name}, {len(dataset.test):,} test examples:"
    return folder, f"\n{heading}\n{metrics.table(measured)}\n\nThe page: {page}"


def tour(args: argparse.Namespace) -> None:
    """Two networks from nothing but what is installed: pictures of digits, and short comments."""
    if args.model:
        raise ValueError("--model needs a data set: python train.py digits --model mlp")
    if args.resume:
        raise ValueError("--resume goes on with one run: repeat the command that was printed when it stopped")
    results = []
    try:
        for task in ("digits", "comments"):
            out = None if args.out is None else str(Path(args.out) / task)
            folder, result = train(argparse.Namespace(**{**vars(args), "task": task, "out": out, "touring": True}))
            results.append(result)
    finally:  # what is done is told, whatever happened to the other
        if results:
            print(*results, sep="\n")
    asked = command_line(["python", "-m", "minnet", "predict", str(folder), "Great food, I would come again"])
    print(
        "\nWhat next?\n"
        "  open the pages above in a browser\n"
        f"  {asked}\n"
        "  python train.py cifar10 --model cnn6      colour photographs (downloads 170 MB once)\n"
        "  tutorials/README.md                       the lessons, from a score to a trained network"
    )


@one_line_errors
def main() -> None:
    args = arguments()
    if args.task is None:
        tour(args)
    else:
        print(train(args)[1])


if __name__ == "__main__":
    main()
