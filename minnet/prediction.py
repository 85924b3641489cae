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
from tqdm import tqdm

from minnet import commands, quantification
from minnet.calibration import calibrated, too_little, weights_in
from minnet.data.folders import files_in
from minnet.data.images import mostly_cut, read_images, shapes_of, tiny, warn_left_out
from minnet.data.tables import texts_of
from minnet.files import os_error
from minnet.formatting import bars, count, one_line, percent, shortened, some
from minnet.run_folder import predictions_csv, read_json
from minnet.trained_run import TrainedRun, load_run

LONGEST = 500  # characters of a sentence that are shown, as on a page
BLOCK = 10_240  # texts that are numbers at once, in whole batches of `training.predict`
MAX_CORRECTED = 200  # classes, for which the corrected shares take some seconds; for 700 they take minutes
MAX_LEARNED = 0.05  # of the texts trained on: as many recur by chance where they are short
LOOK = "The run's page tells how far percentages come true: 'Can the probabilities be believed?'"
FILES = frozenset([".csv", ".tsv", ".txt", ".png", ".jpg", ".jpeg"])  # what a mistyped name may end with


def add_arguments(subparsers: Any) -> None:
    """`python -m minnet predict`."""
    parser = subparsers.add_parser("predict", help="ask a trained run what a picture shows or how a sentence is meant")
    parser.add_argument("folder", metavar="RUN", help="the folder of a run")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="picture files, a folder of them, or sentences")
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
    parser.add_argument("--top", type=int, default=3, help="classes to show for each input (default 3)")
    parser.set_defaults(run=run_command, listed="inputs")


def run_command(args: argparse.Namespace) -> int:
    """Bars for a few inputs; a CSV of probabilities for a folder or a file of them."""
    if args.top < 1:
        raise ValueError(f"--top must be at least 1, got {args.top}")
    if args.csv is not None and args.inputs:
        raise ValueError(f"{args.inputs[0][:200]!r} and --csv {args.csv}? Give one or the other")
    if args.csv is None and (args.text or args.encoding):
        raise ValueError("--text and --encoding are for a table of texts: give it by --csv FILE")
    if args.out is not None and os.path.lexists(args.out):
        raise ValueError(f"{args.out} is there already and is not overwritten: choose another --out")
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
    inputs: list[Any]
    if run.kind == "images":
        names, inputs = _pictures(run, args.inputs)
    else:
        names, inputs = args.inputs, _sentences(args.inputs, args.folder)
    written = args.out is not None or len(inputs) > 20
    if written:
        _check_place(args.out)
    numbers = run.encode(inputs)
    probabilities = run.probabilities(inputs, numbers)
    if run.kind == "text":
        shown = np.array([repr(one_line(text, 40)) for text in names])
        unmet = run.unmet(args.inputs)
        if unknown := shown[unmet == 1].tolist():
            warnings.warn(f"no word in {some(unknown)} was met in training: the percentages say little", stacklevel=2)
        if strange := shown[(unmet > 0.5) & (unmet < 1)].tolist():
            warnings.warn(
                f"most words in {some(strange)} are new to this run: the percentages say little", stacklevel=2
            )
        if long := shown[run.cuts(args.inputs, numbers)].tolist():
            warnings.warn(f"only the first {run.vectorizer.max_length} words are read of {some(long)}", stacklevel=2)
    if written:
        header = ["file" if run.kind == "images" else "text"]
        content = predictions_csv(header, [[name] for name in names], probabilities, run.classes)
        out = _write(content, args.out, "predictions")
        print(f"{count(len(inputs), 'prediction')}: {out}")
    else:
        for name, row in zip(names, probabilities, strict=True):
            asked = one_line(name, LONGEST if run.kind == "text" else None)  # of a path, the end tells
            print(f"\n{asked}\n{bars(row, run.classes, top=args.top)}")
        if better := _better_founded(probabilities, read_json(args.folder, "config.json")):
            ((how, found),) = better.items()
            named = zip(found.argmax(axis=1), found.max(axis=1), shortened(names, 24), strict=True)
            classes = shortened(run.classes, 24)
            says = [f"{n}: " * (len(names) > 1) + f"{classes[k]} {percent(p)}" for k, p, n in named]
            print(f"\n(as trained; with {how}: {some(says, '; ')}. {LOOK})")


def in_blocks(run: TrainedRun, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The texts' probabilities (N, classes), and which have more words than are read, bool (N,): block by block, as
    their numbers take far more memory than the texts."""
    probabilities, cuts = [], []
    for start in tqdm(range(0, len(texts), BLOCK), f"blocks of {BLOCK:,} texts", delay=1, leave=False):
        block = texts[start : start + BLOCK]
        numbers = run.encode(block)
        probabilities.append(run.probabilities(block, numbers))
        cuts.append(run.cuts(block, numbers))
    return np.concatenate(probabilities), np.concatenate(cuts)


def doubts(run: TrainedRun, texts: Sequence[str], cuts: np.ndarray) -> list[str]:
    """A line each where some texts hold no word that was met, mostly others, or more than is read: bool `cuts` (N,)."""
    unmet, long = run.unmet(texts), np.count_nonzero(cuts)
    none, most = np.count_nonzero(unmet == 1), np.count_nonzero((unmet > 0.5) & (unmet < 1))
    of, most_read = f"of the {len(texts):,} texts", getattr(run.vectorizer, "max_length", 0)
    lines = [
        (none, f"(in {none:,} {of} no word was met in training)"),
        (most, f"(in {most:,} {of} most words were not met in training)"),
        (long, f"({long:,} {of} are longer than the {most_read} words that are read of each)"),
    ]
    return [line for number, line in lines if number]


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
            inside = readable(run, files_in(Path(item)), item)
            names += inside.keys()
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


def readable(run: TrainedRun, paths: Sequence[Path], folder: str) -> dict[str, np.ndarray]:
    """The pictures among the files by name. Warns of the others; raises ValueError where there is no picture."""
    height, width, channels = run.shape
    good, broken = read_images(paths, (height, width), channels)
    if not good:
        reason = f" that can be read: {next(iter(broken.values()))}" if broken else ""
        raise ValueError(f"{folder} holds no pictures{reason}")
    warn_left_out(broken, len(paths), Path(folder))
    return {str(path): picture for path, picture in good.items()}


def _sentences(inputs: Sequence[str], folder: str) -> list[str]:
    """The inputs themselves, unless one is a file: then its name was hardly what is meant. Warns of what looks like the
    name of one."""
    for item in inputs:
        if os.path.isfile(item):
            raise ValueError(
                f"{item} is a file, but {folder} was trained on texts: give it a sentence, or a file by --csv {item}"
            )
        if not item.strip().count(" ") and Path(item).suffix.lower() in FILES:
            warnings.warn(f"there is no file {item}: it is taken for a sentence", stacklevel=2)
    return list(inputs)


def _predict_csv(run: TrainedRun, args: argparse.Namespace) -> None:
    if run.kind != "text":
        raise ValueError(f"{args.folder} was trained on images: --csv is for texts. Give it picture files or a folder.")
    header, rows, at = texts_of(Path(args.csv), args.text, args.encoding)
    texts = [row[at] for row in rows]
    said = np.array([bool(text.strip()) for text in texts])
    if not said.any():
        raise ValueError(f"nothing to predict: every text in {args.csv} is empty. Is it the right column?")
    probabilities, cuts = in_blocks(run, texts)
    content = predictions_csv(header, rows, np.where(said[:, None], probabilities, np.nan), run.classes)
    out = _write(content, args.out, Path(args.csv).stem + "-predictions")
    print(f"{count(len(texts), 'comment')}: {out}\n")
    if not said.all():
        print(f"({np.count_nonzero(~said):,} of them are empty and not counted here)")
    spoken = [text for text, there in zip(texts, said, strict=True) if there]
    for line in doubts(run, spoken, cuts[said]):
        print(line)
    known = run.learned(spoken)
    learned = 0 if known is None else np.count_nonzero(known)
    if learned:
        print(f"({learned:,} of the {len(spoken):,} texts were trained on)")
    config, k = read_json(args.folder, "config.json"), len(run.classes)
    ((how, believed),) = (_calibrated(probabilities[said], config) or {"": probabilities[said]}).items()
    confusion = _validation_confusion(config, k) if k <= MAX_CORRECTED else None
    shares = quantification.class_shares(probabilities[said], confusion, believed=believed)
    print(quantification.table(shares, run.classes, _weighed(config, k), how))
    if k > MAX_CORRECTED:
        print(f"(not corrected: with more than {MAX_CORRECTED} classes that takes minutes)")
    elif confusion is None:
        print("(not corrected: the run's folder has no validation confusion matrix with every class in it)")
    elif learned > MAX_LEARNED * len(spoken):
        print(
            "(the corrected shares do not hold where the run learned from rows of this file, as it errs less on them "
            "than on validation: leave those rows out)"
        )
    else:
        print(quantification.trust(shares["corrected"], confusion, run.classes))
    if _better_founded(probabilities[said], config):
        print(f"\n(the p_ columns of {out} are as trained. {LOOK})")


def _weighed(config: dict[str, Any], classes: int) -> bool | None:
    """Whether the run's loss weighed its classes; None where its folder does not tell."""
    if weights_in(config, classes) is not None:
        return True
    return False if config.get("balanced") is False or config.get("class_weights", "") is None else None


def _calibrated(probabilities: np.ndarray, config: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """The probabilities at the temperature of enough validation examples, without class weights: see `calibrated`."""
    confusion = _validation_confusion(config, probabilities.shape[1])
    if confusion is None or too_little(confusion):
        config = {**config, "temperature": None}
    with np.errstate(divide="ignore"):
        return calibrated(np.log(probabilities), config)


def _better_founded(probabilities: np.ndarray, config: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """What `_calibrated` gives; nothing where no probability moves by five points."""
    better = _calibrated(probabilities, config)
    moved = better is not None and any(np.abs(found - probabilities).max() >= 0.05 for found in better.values())
    return better if moved else None


def _validation_confusion(config: dict[str, Any], classes: int) -> np.ndarray | None:
    """What the run took for what on validation, (K, K) with the truth in the rows; None if it does not say."""
    try:
        confusion = np.array(config["validation_confusion"], np.int64)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    fits = confusion.shape == (classes, classes) and (confusion >= 0).all() and confusion.sum(axis=1).all()
    return confusion if fits else None
