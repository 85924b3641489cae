"""python -m minnet data: which datasets there are, fetching, checking and counting them, sharing them with a class."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minnet.data.dataset import Dataset
from minnet.data.fetch import fetch, verify
from minnet.data.loading import load
from minnet.data.sources import SOURCES, Source, data_folder, find, unknown


def add_arguments(subparsers: Any) -> None:
    """Adds the command `data` to a parser's commands; each sets `run`, a function of the parsed arguments that
    returns an exit code."""
    parser = subparsers.add_parser("data", help="list, fetch, verify, count and share datasets")
    parser.set_defaults(run=list_datasets, folder=None)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--folder",
        help="the data folder (default: $MINNET_DATA, else datasets/ of the checkout, else the user's cache)",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    known = {"choices": sorted(SOURCES), "metavar": "NAME", "help": ", ".join(SOURCES)}

    action = actions.add_parser("list", parents=[shared], help="every dataset: licence, size, where it is")
    action.set_defaults(run=list_datasets)
    action = actions.add_parser("fetch", parents=[shared], help="fetch what is missing of a dataset")
    action.add_argument("name", **known)
    action.add_argument("--from", dest="address", metavar="URL", help="an archive, or another machine's `data share`")
    action.set_defaults(run=fetch_dataset)
    action = actions.add_parser("verify", parents=[shared], help="compare a dataset's bytes with the official ones")
    action.add_argument("name", **known)
    action.set_defaults(run=verify_dataset)
    action = actions.add_parser("count", parents=[shared], help="examples by split and class, and the fingerprint")
    action.add_argument("name", help="a dataset, or a part such as vader/movies")
    action.set_defaults(run=count_dataset)
    action = actions.add_parser("share", parents=[shared], help="serve verified datasets to the local network")
    action.add_argument("names", nargs="*", **{**known, "choices": None})
    action.add_argument("--port", type=int, default=8000, help="default %(default)s")
    action.add_argument(
        "--host", default="0.0.0.0", help="the address to listen at (default: every one of this machine)"
    )
    action.set_defaults(run=share_datasets)


def place_of(source: Source, data: Path) -> Path | None:
    """The folder with the dataset's files, or None where they are not all there."""
    try:
        return find(source, data)
    except FileNotFoundError:
        return None


def _giver(source: Source) -> str:
    """What brings a dataset that is not fetched."""
    return "minnet" if source.files else "scikit-learn"


def list_datasets(args: argparse.Namespace) -> int:
    """Prints every dataset with its licence and size, and where it is."""
    data = data_folder(args.folder)
    for source in SOURCES.values():
        place = place_of(source, data) if source.files else "ships with scikit-learn"
        size = f"{source.size / 1e6:.0f} MB on the disk" if source.size else "small"
        print(f"{source.name:10} {source.title}")
        print(f"{'':10} licence: {source.licence}; size: {size}")
        print(f"{'':10} {place or f'not here: python -m minnet data fetch {source.name}'}")
    print(f"{'':10} (data folder: {data})")
    return 0


def fetch_dataset(args: argparse.Namespace) -> int:
    """Fetches a dataset and says where it is."""
    source = SOURCES[args.name]
    everything = replace(source, extra=())
    place = fetch(everything, data_folder(args.folder), args.address) if source.files else "ships with scikit-learn"
    print(f"{source.name}: {place}")
    return 0


def verify_dataset(args: argparse.Namespace) -> int:
    """Prints each file's verdict; the exit code is 1 when one is not the official file."""
    source, data = SOURCES[args.name], data_folder(args.folder)
    if not source.official:
        print(f"{source.name}: nothing to verify, it comes with {_giver(source)}")
        return 0
    place = find(source, data)
    verdicts = verify(source, place)
    for name, verdict in verdicts.items():
        print(f"{place / name}: {verdict or 'official'}")
    wrong = sum(map(bool, verdicts.values()))
    if wrong:
        print(
            f"{source.name}: {wrong} of {len(verdicts)} files are not the official ones; results on them compare only "
            "with results on the same files",
            file=sys.stderr,
        )
    return 1 if wrong else 0


def count_dataset(args: argparse.Namespace) -> int:
    """Prints how many examples of each class every split has."""
    print(table(load(args.name, folder=args.folder)))
    return 0


def table(dataset: Dataset) -> str:
    """The number of examples by class and split, as a Markdown table above the fingerprint."""
    counts = {name: np.bincount(split.y, minlength=len(dataset.classes)) for name, split in dataset.splits().items()}
    rows = [["class", *counts], ["---", *("---:" for _ in counts)]]
    rows += [[label, *(f"{count[k]:,}" for count in counts.values())] for k, label in enumerate(dataset.classes)]
    rows += [["all", *(f"{count.sum():,}" for count in counts.values())]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", f"fingerprint {dataset.fingerprint}"])


def share_datasets(args: argparse.Namespace) -> int:
    """Serves verified datasets over HTTP until it is interrupted."""
    from minnet.data.share import local_address, server

    data = data_folder(args.folder)
    for name in args.names:
        if name not in SOURCES:
            raise unknown(name)
        if not SOURCES[name].official:
            raise ValueError(f"{name} comes with {_giver(SOURCES[name])}: there is nothing to share")
    files: dict[str, Path] = {}
    for source in SOURCES.values():
        place = place_of(source, data) if source.official else None
        if place is None or (args.names and source.name not in args.names):
            continue
        if any(verify(source, place).values()):
            print(f"{source.name} at {place} is not the official one and is not shared", file=sys.stderr)
            continue
        there = [name for name in source.files if (place / name).is_file()]
        files |= {f"/{source.folder}/{name}": place / name for name in there}
    if not files:
        raise FileNotFoundError(f"there is no verified dataset to share in {data}: fetch one first")
    with server(files, args.host, args.port) as serving:
        here = local_address() if args.host == "0.0.0.0" else args.host
        print(f"sharing {', '.join(sorted({name.rpartition('/')[0][1:] for name in files}))}; on the other machines:")
        print(f"python -m minnet data fetch NAME --from http://{here}:{serving.server_address[1]}", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("stopped sharing")
    return 0
