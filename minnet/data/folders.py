"""Folders of pictures: which sub-folders are classes, and which files are the user's, not the system's or minnet's."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Collection, Container, Sequence
from itertools import chain
from pathlib import Path

from minnet.formatting import count, some

SPLIT_NAMES = frozenset(["train", "training", "test", "testing", "val", "valid", "validation", "dev"])
OF_RUNS = (".ckpt", "predictions.npz", "comparison.json")  # how the files end by which a run's folder is known
WRITTEN = frozenset([
    "best.ckpt", "last.ckpt", "config.json", "metrics.json", "history.csv", "predictions.csv", "predictions.npz",
    "report.html", "comparison.json", "comparison.png",
])  # fmt: skip
# folders that network drives, Windows and Linux make of their own accord: thumbnails, rubbish, rescued pieces
SYSTEMS = frozenset(["@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information"])
PICTURES = frozenset([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"])


def classes_in(folder: Path) -> dict[Path, list[Path]]:
    """The sub-folders that stand for classes, each with its files. Raises ValueError for another layout; warns of
    runs, links and files that cannot be opened, and where most classes have no pictures right in them."""
    if not folder.is_dir():
        if zipfile.is_zipfile(folder):
            raise ValueError(f"{folder} is an archive: unpack it, and give the folder that has one sub-folder a class")
        if folder.is_file():
            raise ValueError(
                f"{folder} is a file: pictures stand in a folder, in one sub-folder a class; a table of texts is read "
                "with `csv`"
            )
        raise FileNotFoundError(f"there is no folder {folder}")
    beside = sorted((path for path in folder.iterdir() if visible(path.name)), key=lambda path: path.name)
    below = {path: seen_in(path) for path in beside if path.is_dir()}
    seen = [*beside, *chain.from_iterable(below.values())]
    theirs = frozenset(of_the_user(seen))
    inside = {kind: [path for path in paths if path in theirs] for kind, paths in below.items()}
    runs = runs_in(seen)
    for kind in [kind for kind, files in inside.items() if not files]:
        if runs.intersection((kind, *below[kind])) or (kind.name == "figures" and folder in runs):
            warnings.warn(f"{kind} holds runs of train.py and is not taken for a class of pictures", stacklevel=3)
            del inside[kind]
    check_kinds(folder, inside)
    warn_passed_over(seen, inside)
    warn_of_layout(folder, seen, inside)
    return inside


def check_kinds(folder: Path, kinds: Collection[Path]) -> None:
    """Raises ValueError unless these sub-folders of a folder can be classes."""
    if not kinds:
        raise ValueError(f"{folder} has no sub-folders: it needs one for each class, with that class's pictures in it")
    if all(kind.name.lower() in SPLIT_NAMES for kind in kinds):
        raise ValueError(
            f"{folder} has the sub-folders {', '.join(kind.name for kind in kinds)}, which look like splits, but "
            "splits are made here: give the one to train on, whose sub-folders are the classes, and measure on another "
            "afterwards by `python -m minnet evaluate RUN images FOLDER`"
        )
    for kind in kinds:
        if kind.name.encode("utf-8", "ignore").decode() != kind.name:  # Python's stand-ins for bytes that are no text
            raise ValueError(
                f"the folder {kind.name!a} in {folder} cannot name a class, for its own name is no valid text "
                "(was it unpacked from another system's archive?): rename it"
            )


def warn_of_layout(folder: Path, seen: Sequence[Path], inside: dict[Path, list[Path]]) -> None:
    """Warns where most classes have no pictures right in them, and of pictures that have no class."""
    deep = [kind for kind, files in inside.items() if files and all(path.parent != kind for path in files)]
    if 2 * len(deep) > len(inside):
        warnings.warn(
            f"{len(deep)} of the {len(inside)} classes in {folder} have no pictures but in folders below them, such as "
            f"{inside[deep[0]][0].parent}: where those are the classes, give the folder right above them",
            stacklevel=4,
        )
    if loose := [path.name for path in seen if path.parent == folder and path.suffix.lower() in PICTURES]:
        warnings.warn(
            f"pictures beside the classes' folders have no class and are left out: {some(loose)}", stacklevel=4
        )


def warn_passed_over(seen: Sequence[Path], taken: Container[Path] = ()) -> None:
    """Warns of what is left out of all that was `seen` though it may be the user's: links to what is no file, but for
    the folders `taken`, and files that cannot be opened."""
    if links := [path for path in seen if path.is_symlink() and not path.is_file() and path not in taken]:
        warnings.warn(
            f"{count(len(links), 'link')} to folders or to nothing passed over, such as {links[0]}", stacklevel=4
        )
    if beyond := [path for path in seen if not (path.is_symlink() or path.is_file() or path.is_dir())]:
        cure = "where its path is longer than Windows allows, move the folder nearer to the drive's root"
        warnings.warn(f"{count(len(beyond), 'file')} cannot be opened, such as {beyond[0]}: {cure}", stacklevel=4)


def visible(name: str) -> bool:
    """Whether a file or folder of that name is the user's, not the system's."""
    name = name.lower()
    return not name.startswith((".", "__macosx")) and name not in ("thumbs.db", "desktop.ini", *SYSTEMS)


def seen_in(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, but for what is hidden; sorted by the letters of the names, as Windows
    would not sort paths, so that a seed draws the same splits on every system."""
    seen = []
    for place, folders, files in os.walk(folder):
        folders[:] = filter(visible, folders)  # into the others it does not go
        seen += [Path(place, name) for name in (*folders, *filter(visible, files))]
    return sorted(seen, key=lambda path: path.parts)


def runs_in(seen: Sequence[Path]) -> frozenset[Path]:
    """The folders of those paths into which train.py, evaluate or compare wrote."""
    return frozenset(path.parent for path in seen if path.name.endswith(OF_RUNS))


def of_the_user(seen: Sequence[Path]) -> list[Path]:
    """The files among those paths, but for what a command of minnet wrote, whose page has pictures too."""
    runs = runs_in(seen)
    return [
        path
        for path in seen
        if path.is_file()
        and not (path.name in WRITTEN and path.parent in runs)
        and not (path.parent.name == "figures" and path.parent.parent in runs)
    ]


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and below it that are the user's: nothing hidden, and nothing that minnet wrote."""
    return of_the_user(seen_in(folder))
