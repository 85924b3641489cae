"""Folders of pictures: which sub-folders are classes, and which files are the user's, not the system's or minnet's."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

from minnet.formatting import count, some

SPLIT_NAMES = frozenset(["train", "training", "test", "testing", "val", "valid", "validation", "dev"])
OF_RUNS = ("*.ckpt", "predictions.npz", "comparison.json")
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
    kinds = [path for path in folder.iterdir() if path.is_dir() and visible(path)]
    kinds.sort(key=lambda kind: kind.name)
    inside = {kind: files_in(kind) for kind in kinds}
    made = {folder / "figures"} if is_run(folder) else set()
    made |= {kind for kind in kinds if any(next(kind.rglob(name), None) for name in OF_RUNS)}
    for kind in [kind for kind in kinds if kind in made and not inside[kind]]:
        warnings.warn(f"{kind} holds runs of train.py and is not taken for a class of pictures", stacklevel=3)
        kinds.remove(kind)
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
    seen = seen_in(folder)
    if links := [path for path in seen if path.is_symlink() and not path.is_file() and path not in inside]:
        warnings.warn(
            f"{count(len(links), 'link')} to folders or to nothing are passed over, such as {links[0]}", stacklevel=3
        )
    if beyond := [path for path in seen if not (path.is_symlink() or path.is_file() or path.is_dir())]:
        cure = "where its path is longer than Windows allows, move the folder nearer to the drive's root"
        warnings.warn(f"{count(len(beyond), 'file')} cannot be opened, such as {beyond[0]}: {cure}", stacklevel=3)
    deep = [kind for kind in kinds if inside[kind] and all(path.parent != kind for path in inside[kind])]
    if 2 * len(deep) > len(kinds):
        warnings.warn(
            f"{len(deep)} of the {len(kinds)} classes in {folder} have no pictures but in folders below them, such as "
            f"{inside[deep[0]][0].parent}: where those are the classes, give the folder right above them",
            stacklevel=3,
        )
    if loose := sorted(path.name for path in folder.iterdir() if visible(path) and path.suffix.lower() in PICTURES):
        warnings.warn(
            f"pictures beside the classes' folders have no class and are left out: {some(loose)}", stacklevel=3
        )
    return {kind: inside[kind] for kind in kinds}


def visible(path: Path) -> bool:
    """Whether a file or folder is the user's, not the system's."""
    name = path.name.lower()
    return not name.startswith((".", "__macosx")) and name not in ("thumbs.db", "desktop.ini", *SYSTEMS)


def seen_in(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, but for what is hidden; sorted by the letters of the names, as Windows
    would not sort paths, so that a seed draws the same splits on every system."""
    below = sorted((path.relative_to(folder).parts, path) for path in folder.rglob("*"))
    return [path for parts, path in below if all(visible(Path(part)) for part in parts)]


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and below it that are the user's: nothing hidden, and nothing that a command of minnet
    wrote, whose page has pictures too."""
    return [
        path
        for path in seen_in(folder)
        if path.is_file()
        and not (path.name in WRITTEN and is_run(path.parent))
        and not (path.parent.name == "figures" and is_run(path.parent.parent))
    ]


def is_run(folder: Path) -> bool:
    """Whether train.py, evaluate or compare wrote into this folder."""
    return any(next(folder.glob(name), None) for name in OF_RUNS)
