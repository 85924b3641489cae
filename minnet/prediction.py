"""`python -m minnet predict`: a trained run is asked what a picture shows, or how a sentence is meant."""

from __future__ import annotations

import argparse
import itertools
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minnet import commands, quantification
from minnet.calibration import calibrated, weights_in
from minnet.data.folders import files_in, seen_in, warn_passed_over
from minnet.data.images import mostly_cut, read_images, shapes_of, tiny, warn_left_out
from minnet.data.tables import texts_of
from minnet.files import os_error
from minnet.formatting import bars, count, one_line, percent, shortened, some
from minnet.run_folder import predictions_csv, read_json
from minnet.trained_run import TrainedRun, load_run

LONGEST = 500  # characters of a sentence that are shown, as on a page
MAX_CORRECTED = 200  # classes, for which the corrected shares take some seconds; for 700 they take minutes
MAX_LEARNED = 0.05  # of the texts trained on: as many recur by chance where they are short
NOTABLE = 0.05  # a difference of probabilities that is spoken of
LOOK = "The run's page tells how far percentages come true: 'Can the probabilities be believed?'"
FILES = frozenset([".csv", ".tsv", ".txt", ".png", ".jpg", ".jpeg"])  # what a mistyped name may end with


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet predict`."""
    parser = subparsers.add_parser("predict", help="ask a trained run what a picture shows or how a sentence is meant")
    parser.add_argument("folder", metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="*", default=[], help="picture files, a folder of them, or sentences"
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="a CSV of texts, or a .txt, one a line: shares of the classes, and the CSV with probabilities",
    )
    parser.add_argument("--text", metavar="COLUMN", help="the column of the CSV that holds the texts")
    parser.add_argument("--encoding", help="of the CSV, such as cp1251 (default: found out)")
    parser.add_argument(
        "--out",
        type=commands.place,
        metavar="FILE",
        help="a new CSV of probabilities (without it, 20 inputs and fewer are only shown)",
    )
    parser.add_argument("--top", type=commands.positive, default=3, help="classes to show for each input (default 3)")
    parser.set_defaults(run=run_command, listed="inputs")


def run_command(args: argparse.Namespace) -> int:
    """Bars for a few inputs; a CSV of probabilities for a folder or a file of them."""
    if args.csv is not None and args.inputs:
        raise ValueError(f"{args.inputs[0][:200]!r} and --csv {args.csv}? Give one or the other")
    if args.csv is None and (args.text or args.encoding):
        raise ValueError("--text and --encoding are for a table of texts: give it by --csv FILE")
    commands.check_new(args.out)
    if args.out is not None or args.csv is not None:
        _check_place(args.out)
    run = load_run(args.folder)
    if args.csv is not None:
        _predict_csv(run, args)
    else:
        _predict_inputs(run, args)
    return 0


def _predict_inputs(run: TrainedRun, args: argparse.Namespace) -> None:
    if not args.inputs:
        raise ValueError('nothing to predict: give a picture file, or a sentence in "quotes"')
    if run.kind == "images":
        names, inputs = _pictures(run, args.inputs)
    else:
        _check_sentences(args.inputs, args.folder)
        names = inputs = args.inputs
    written = args.out is not None or len(inputs) > 20
    if written:
        _check_place(args.out)
    probabilities, cuts = run.answers(inputs)
    for line in doubts(run, args.inputs, cuts, named=True) if run.kind == "text" else []:
        warnings.warn(line, stacklevel=2)
    if written:
        header = ["file" if run.kind == "images" else "text"]
        content = predictions_csv(header, [[name] for name in names], probabilities, run.classes)
        out = _write(content, args.out, "predictions")
        print(f"{count(len(inputs), 'prediction')}: {out}")
    else:
        _show(run, args, names, probabilities)


def _show(run: TrainedRun, args: argparse.Namespace, names: Sequence[str], probabilities: np.ndarray) -> None:
    """Bars for each input, and what to believe where that is something else."""
    for name, row in zip(names, probabilities, strict=True):
        asked = one_line(name, LONGEST if run.kind == "text" else None)  # of a path, the end tells
        print(f"\n{asked}\n{bars(row, run.classes, top=args.top)}")
    how, believed = _believed(probabilities, read_json(args.folder, "config.json"))
    if _differ(believed, probabilities):
        named = zip(believed.argmax(axis=1), believed.max(axis=1), shortened(names, 24), strict=True)
        classes = shortened(run.classes, 24)
        says = [f"{n}: " * (len(names) > 1) + f"{classes[k]} {percent(p)}" for k, p, n in named]
        print(f"\n(as trained; with {how}: {some(says, '; ')}. {LOOK})")


def doubts(run: TrainedRun, texts: Sequence[str], cuts: np.ndarray, named: bool = False) -> list[str]:
    """A line each where in some texts no word was met in training, in some most were not, and of some only the
    beginning is read, bool `cuts` (N,). The texts are `named`, or counted where they are many."""
    unmet, most_read = run.unmet(texts), getattr(run.vectorizer, "max_length", 0)
    kinds = {
        "no word in {} was met in training: the percentages say little": unmet == 1,
        "most words in {} are new to this run: the percentages say little": (unmet > 0.5) & (unmet < 1),
        f"only the first {most_read} words are read of {{}}": cuts,
    }

    def which(places: np.ndarray) -> str:
        if named:
            return some([repr(one_line(texts[i], 40)) for i in places])
        return f"{len(places):,} of the {len(texts):,} texts"

    return [line.format(which(np.flatnonzero(found))) for line, found in kinds.items() if found.any()]


def _check_place(wanted: str | None) -> None:
    """Raises ValueError where no CSV could be written: before the work, not behind it."""
    folder = Path(wanted or "a CSV").parent
    if not os.access(folder, os.W_OK):
        why = "cannot be written into" if folder.is_dir() else "is no folder"
        shown = "the current folder" if wanted is None else folder
        raise ValueError(f"cannot write {wanted or 'a CSV'}: {shown} {why}: name another place by --out")


def _write(content: bytes, wanted: str | None, name: str) -> Path:
    """Writes the file that was asked for, else NAME.csv, NAME-2.csv, ... , the first that is not there."""
    numbered = (Path(f"{name}.csv" if number == 1 else f"{name}-{number}.csv") for number in itertools.count(1))
    for path in numbered if wanted is None else [Path(wanted)]:
        try:
            with open(path, "xb") as file:
                file.write(content)
            return path
        except FileExistsError:  # perhaps another prediction's, begun meanwhile
            continue
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            raise os_error(error, f"cannot write {path}: {error.strerror}: name another place by --out") from None
    raise ValueError(f"{wanted} is there already and is not overwritten: choose another --out")


def _pictures(run: TrainedRun, inputs: Sequence[str]) -> tuple[list[str], list[np.ndarray]]:
    """Names and images of pictures. Files of a folder that cannot be read are left out with one warning."""
    names: list[str] = []
    images: list[np.ndarray] = []
    for item in inputs:
        if os.path.isdir(item):
            warn_passed_over(seen_in(Path(item)))
            inside = readable(run, files_in(Path(item)), item)
            names += map(str, inside)
            images += inside.values()
        elif os.path.exists(item):
            names.append(item)
            images.append(run.read(item))
        else:
            raise FileNotFoundError(f"there is no picture {item[:200]!r}: this run was trained on images")
    warn_of_loss(run, names)
    return names, images


def warn_of_loss(run: TrainedRun, files: Sequence[str]) -> None:
    """Warns of pictures of which the network sees less than half, or whose few pixels are blown up for it."""
    size = run.shape[:2]
    shapes, _ = shapes_of(files)
    if cut := [file for file, shape in shapes.items() if mostly_cut(shape, size)]:
        warnings.warn(f"of {some(cut)} only the middle is looked at, less than half of it", stacklevel=2)
    if small := [file for file, shape in shapes.items() if tiny(shape, size)]:
        wanted = f"{size[0]} x {size[1]} pixels that the network looks at"
        warnings.warn(f"{some(small)}: far less than the {wanted}, so its answer says little", stacklevel=2)


def readable(run: TrainedRun, paths: Sequence[Path], folder: str) -> dict[Path, np.ndarray]:
    """The pictures among the files. Warns of the others; raises ValueError where there is no picture."""
    height, width, channels = run.shape
    good, broken = read_images(paths, (height, width), channels)
    if not good:
        reason = f" that can be read: {next(iter(broken.values()))}" if broken else ""
        raise ValueError(f"{folder} holds no pictures{reason}")
    warn_left_out(broken, len(paths), Path(folder))
    return good


def _check_sentences(inputs: Sequence[str], folder: str) -> None:
    """Raises ValueError where one is a file, whose name was hardly what is meant; warns of what looks like such a
    name."""
    for item in inputs:
        if os.path.isfile(item):
            raise ValueError(
                f"{item} is a file, but {folder} was trained on texts: give it a sentence, or a file by --csv {item}"
            )
        if not item.strip().count(" ") and Path(item).suffix.lower() in FILES:
            warnings.warn(f"there is no file {item}: it is taken for a sentence", stacklevel=2)


def _predict_csv(run: TrainedRun, args: argparse.Namespace) -> None:
    if run.kind != "text":
        raise ValueError(f"{args.folder} was trained on images: --csv is for texts. Give it picture files or a folder.")
    header, rows, at = texts_of(Path(args.csv), args.text, args.encoding)
    texts = [row[at] for row in rows]
    said = np.array([bool(text.strip()) for text in texts])
    if not said.any():
        raise ValueError(f"nothing to predict: every text in {args.csv} is empty. Is it the right column?")
    probabilities, cuts = run.answers(texts)
    content = predictions_csv(header, rows, np.where(said[:, None], probabilities, np.nan), run.classes)
    out = _write(content, args.out, Path(args.csv).stem + "-predictions")
    print(f"{count(len(texts), 'comment')}: {out}\n")
    if not said.all():
        print(f"({np.count_nonzero(~said):,} of them are empty and not counted here)")
    spoken = [text for text, there in zip(texts, said, strict=True) if there]
    for line in doubts(run, spoken, cuts[said]):
        print(f"({line})")
    known = run.learned(spoken)
    learned = 0 if known is None else np.count_nonzero(known)
    if learned:
        print(f"({learned:,} of the {len(spoken):,} texts were trained on)")
    config = read_json(args.folder, "config.json")
    how, believed = _believed(probabilities[said], config)
    _print_shares(run, config, probabilities[said], believed, how, learned / len(spoken))
    if _differ(believed, probabilities[said]):
        print(f"\n(the p_ columns of {out} are as trained. {LOOK})")


def _print_shares(
    run: TrainedRun, config: dict[str, Any], p: np.ndarray, believed: np.ndarray, how: str, learned: float
) -> None:
    """How large a share each class has among texts of these probabilities (N, classes), `believed` and how these were
    found as `_believed` gives them; `learned` is the share of the texts that were trained on."""
    k = len(run.classes)
    confusion = _validation_confusion(config, k) if k <= MAX_CORRECTED else None
    shares = quantification.class_shares(p, confusion, believed=believed)
    print(quantification.table(shares, run.classes, _weighed(config, k), how))
    if k > MAX_CORRECTED:
        print(f"(not corrected: with more than {MAX_CORRECTED} classes that takes minutes)")
    elif confusion is None:
        print("(not corrected: the run's folder has no validation confusion matrix with every class in it)")
    elif learned > MAX_LEARNED:
        print(
            "(the corrected shares do not hold where the run learned from rows of this file, as it errs less on them "
            "than on validation: leave those rows out)"
        )
    else:
        print(quantification.trust(shares["corrected"], confusion, run.classes))


def _weighed(config: dict[str, Any], classes: int) -> bool | None:
    """Whether the run's loss weighed its classes; None where its folder does not tell."""
    if weights_in(config, classes) is not None:
        return True
    return False if config.get("balanced") is False or config.get("class_weights", "") is None else None


def _believed(probabilities: np.ndarray, config: dict[str, Any]) -> tuple[str, np.ndarray]:
    """(what was done, the probabilities (N, classes) then), as `calibrated` has them; "" and as they are where the
    run's config.json tells neither of a temperature nor of class weights."""
    with np.errstate(divide="ignore"):
        found = calibrated(np.log(probabilities), config) or {"": probabilities}
    return next(iter(found.items()))


def _differ(believed: np.ndarray, probabilities: np.ndarray) -> bool:
    return bool(np.abs(believed - probabilities).max() >= NOTABLE)


def _validation_confusion(config: dict[str, Any], classes: int) -> np.ndarray | None:
    """What the run took for what on validation, (K, K) with the truth in the rows; None if it does not say."""
    try:
        confusion = np.array(config["validation_confusion"], np.int64)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    fits = confusion.shape == (classes, classes) and (confusion >= 0).all() and confusion.sum(axis=1).all()
    return confusion if fits else None
