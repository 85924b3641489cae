"""What every experiment shares: its options, its table on the screen, and the file that keeps its result."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minnet.commands import place, positive
from minnet.formatting import aligned

RESULTS = Path(__file__).parent.parent / "results"


def parser(
    description: str | None, seeds: int | None = 3, usual: str = "%(default)s", jobs: bool = False, data: bool = True
) -> argparse.ArgumentParser:
    """The options that experiments share: `--jobs` where parts can run side by side, `--data` where data is fetched.

    An experiment that has no one usual number of seeds gives None, and says in `usual` what it will be.
    """
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a few seconds on little data, to see that it runs")
    made.add_argument("--seeds", type=positive, default=seeds, help=f"runs with seeds 0, 1, ... (default: {usual})")
    if data:
        made.add_argument("--data", help="the folder where data sets lie and are put")
    made.add_argument("--out", type=place, help="the result's file (default: in tutorials/results/ after a whole run)")
    if jobs:
        made.add_argument("--jobs", type=positive, default=1, help="processes side by side (default: %(default)s)")
    return made


def one_of(known: Collection[str]) -> Callable[[str], str]:
    """What an argument of several names takes, where none is an answer, too: argparse's `choices` would refuse that."""

    def name(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"no {text!r} here: choose from {', '.join(known)}")
        return text

    return name


def parsed(
    options: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    usual: Callable[[argparse.Namespace], dict[str, Any]] | None = None,
) -> argparse.Namespace:
    """The arguments, and in `whole` whether all is as usual, but for which data, from which seed on, and where.

    `usual` gives the defaults that depend on the other arguments.
    """
    if usual:
        options.set_defaults(**usual(options.parse_args(argv)))
    args = options.parse_args(argv)
    free = {"dataset", "more", "first", "data", "out", "jobs"}
    changed = (name for name, value in vars(args).items() if (value or None) != (options.get_default(name) or None))
    args.whole = free.issuperset(changed)
    return args


def side_by_side(jobs: int, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """`function` of each of the arguments, in `jobs` processes; the results are in the arguments' order."""
    from joblib import Parallel, delayed

    results: list[Any] = Parallel(n_jobs=jobs)(delayed(function)(*given) for given in arguments)
    return results


class Record:
    """Writes what an experiment found as JSON beside the command, its seconds and its seeds.

    It goes where --out says, or to its file in tutorials/results/ after a whole run: `published`. Raises OSError where
    that cannot be written, before anything is computed.
    """

    def __init__(self, name: str, args: argparse.Namespace, argv: Sequence[str] | None) -> None:
        self.name, self.args, self.started = name, args, time.perf_counter()
        shown = sys.argv[1:] if argv is None else list(argv)
        module = "tutorials.experiments." + name.partition("-")[0]
        self.command = shlex.join(["python", "-m", module, *shown])
        self.published = args.whole and not args.out
        self.path = RESULTS / f"{name}.json" if self.published else Path(args.out) if args.out else None
        if self.path is not None:
            check_writable(self.path)

    def save(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result with its circumstances, written to its file if it has one."""
        saved = {
            "command": self.command,
            "seconds": round(time.perf_counter() - self.started, 3),
            "seeds": [getattr(self.args, "first", 0) + n for n in range(self.args.seeds)],
            "cores": os.cpu_count(),
            "versions": {"python": platform.python_version(), "numpy": np.__version__},
            **result,
        }
        if self.path is not None:
            self.path.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", "utf-8")
            say(f"\nwritten: {self.path}")
        elif not self.args.quick:
            say("\nnot written, for not all was as usual: --out FILE keeps such a result")
        return saved


def check_writable(path: Path) -> None:
    """Makes the file's folder. Raises OSError in one line where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.open("a").close()
        if new:
            path.unlink()
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None


def say(*words: Any) -> None:
    """Prints at once. A reader who left (`| head`) is no reason to lose what is being measured."""
    try:
        print(*words, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where all that follows goes


def show(rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows as columns: the first to the left, the others to the right."""
    say("\n".join(aligned([[str(cell) for cell in row] for row in rows], left=1)))


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation over the seeds that have a value (no NaN), as one cell."""
    values = [value for value in values if not np.isnan(value)]
    if not values:
        return "-"
    if len(values) < 2:
        return f"{np.mean(values):.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def rounded(value: Any, digits: int = 4) -> Any:
    """Numbers inside lists and dictionaries, rounded, for JSON that a person can read; what is no number is None."""
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), digits) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
