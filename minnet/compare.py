"""Which of several runs is better, and is that more than chance? All are measured on the same test examples.

`python -m minnet compare RUN RUN ...` prints the table; with --out it also writes comparison.json and comparison.png.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minnet import commands
from minnet.formatting import aligned, count, encodable, interval, number, one_line, p_value, percent, plain, shortened
from minnet.intervals import MIN_DISCORDANT, mcnemar, paired_differences, resampled
from minnet.metrics import doubts, value_of
from minnet.run_folder import prepare, save, to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = ("accuracy", "per_class", "macro", "weighted", "log_loss", "brier", "intervals", "calibration", "undefined")
MEASURES = (
    ("accuracy", "accuracy"),
    ("macro_recall", "macro recall"),
    ("macro_f1", "macro F1"),
    ("log_loss", "log loss"),
)


class Measured(NamedTuple):
    """What a run's folder says about its test examples; examples are in the order of their indices."""

    name: str
    folder: Path
    metrics: dict[str, Any]
    probabilities: np.ndarray  # (N, K)
    labels: np.ndarray  # (N,)
    indices: np.ndarray  # (N,) places in the test split
    fingerprint: str  # of the test data
    called: dict[int, str]  # the texts or files of the examples by their numbers, where predictions.csv says them

    @property
    def right(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1) == self.labels


def load(folder: str | Path) -> Measured:
    """Reads config.json, metrics.json and predictions.npz of a run; raises in one line when they are not there."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: give the folders of finished runs")
    config, metrics = _json(folder / "config.json"), _json(folder / "metrics.json")
    path = folder / "predictions.npz"
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            probabilities, labels, indices = (arrays[name] for name in ("probabilities", "labels", "indices"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} has no predictions.npz: it is no finished run") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read ({one_line(str(error), 100)}): repeat that run") from None
    n = len(labels)
    if probabilities.ndim != 2 or len(probabilities) != n or labels.shape != (n,) or indices.shape != (n,) or n == 0:
        shapes = f"probabilities {probabilities.shape}, labels {labels.shape}, indices {indices.shape}"
        raise ValueError(f"{path} does not fit together ({shapes}): repeat that run")
    if any(key not in metrics for key in KEPT):
        raise ValueError(f"{folder / 'metrics.json'} is not that of a finished run: repeat that run")
    if metrics.get("examples") != n or len(metrics.get("classes") or ()) != probabilities.shape[1]:
        raise ValueError(f"{folder}: metrics.json and predictions.npz are of different runs: repeat that run")
    if not config.get("test_fingerprint"):
        raise ValueError(f"{folder / 'config.json'} does not say on which test data the run was measured: repeat it")
    order = np.argsort(indices, kind="stable")
    return Measured(
        folder.resolve().name, folder, metrics, probabilities[order], labels[order].astype(np.int64), indices[order],
        str(config["test_fingerprint"]), _called(folder / "predictions.csv"),
    )  # fmt: skip


def _called(path: Path) -> dict[int, str]:
    longest = csv.field_size_limit()
    try:
        content = path.read_text("utf-8-sig")  # a spreadsheet adds the mark
        csv.field_size_limit(max(longest, len(content) + 1))
        rows = csv.DictReader(io.StringIO(content, newline=""))
        return {int(row["number"]): row["example"] for row in rows if row["example"]}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    finally:
        csv.field_size_limit(longest)


def compare(folders: Sequence[str | Path], bootstrap: int = 1000, seed: int = 0) -> dict[str, Any]:
    """The runs with their intervals, and every pair of them tested.

    The dictionary has "runs" [{name, folder, accuracy, ...}], "pairs" [{a, b, mcnemar, differences, won, lost}] and
    "called" {index: text or file, of those examples where it is known}: differences are b minus a with paired
    bootstrap intervals; `won` are the indices of the test examples that b has right and a has wrong, `lost` the other
    way round; mcnemar's "p_holm" is p corrected for the number of pairs.
    Raises ValueError when the runs were not evaluated on the same examples.
    """
    runs = _same_examples([load(folder) for folder in folders])
    names = _distinct_names(runs)
    called = next((run.called for run in runs if run.called), {})
    shown = tqdm(runs, "runs", delay=1, leave=False)
    drawn = [resampled(run.probabilities, run.labels, bootstrap, seed) for run in shown]
    pairs = []
    for (name_a, a, drawn_a), (name_b, b, drawn_b) in itertools.combinations(zip(names, runs, drawn, strict=True), 2):
        pairs.append({
            "a": name_a,
            "b": name_b,
            "mcnemar": mcnemar(a.right, b.right),
            "differences": paired_differences(drawn_a, drawn_b),
            "won": a.indices[~a.right & b.right].tolist(),
            "lost": a.indices[a.right & ~b.right].tolist(),
        })  # fmt: skip
    corrected = _holm([pair["mcnemar"]["p"] for pair in pairs])
    for pair, p in zip(pairs, corrected, strict=True):
        pair["mcnemar"]["p_holm"] = p
    return {
        "examples": len(runs[0].labels),
        "fingerprint": runs[0].fingerprint,
        "runs": [
            {"name": name, "folder": str(run.folder), **{key: run.metrics[key] for key in KEPT}}
            for name, run in zip(names, runs, strict=True)
        ],
        "pairs": pairs,
        "called": {place: called[place] for pair in pairs for place in pair["won"] + pair["lost"] if place in called},
    }


def _figure(result: dict[str, Any]) -> Figure:
    from minnet import plots

    return plots.compare({run["name"]: {**run, "examples": result["examples"]} for run in result["runs"]})


def table(result: dict[str, Any], show: int = 10) -> str:
    """The comparison as text: the runs, then each pair with its differences and the first examples that changed."""
    rows = [("run", *(title for _, title in MEASURES))]
    called = shortened([run["name"] for run in result["runs"]], 32)
    for name, run in zip(called, result["runs"], strict=True):
        cells = []
        for key, _ in MEASURES:
            value, bounds = value_of(run, key), run["intervals"][key]
            whole = percent(value, 1) if key == "accuracy" else number(value)
            cells.append(f"{whole} ({interval(bounds, 1, True) if key == 'accuracy' else interval(bounds)})")
        rows.append((name, *cells))
    lines = [f"{count(result['examples'], 'test example')}, the same for all; in brackets: 95 % intervals", ""]
    lines += aligned(rows)
    doubtful = [doubts(run, "interval of log loss") for run in result["runs"]]
    lines += [f"({name}: {said})" for name, told in zip(called, doubtful, strict=True) for said in told]
    for pair in result["pairs"]:
        lines += ["", *_pair(pair, show, result["called"])]
    how = "accuracy's by Wilson, its difference's by Bonett and Price, the others by resampling the examples"
    lines += ["", f"(intervals: {how})"]
    if show and any(pair["won"] + pair["lost"] for pair in result["pairs"]):
        lines.append("(examples are numbered from 0 in the order of the test split, as in predictions.csv)")
    return encodable("\n".join(lines))


def add_arguments(subparsers: Any) -> None:
    """Adds the command `compare` to the parsers of `python -m minnet`."""
    parser = subparsers.add_parser("compare", help="which of several runs is better, and is that more than chance?")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs on the same test examples")
    parser.add_argument(
        "--out", type=commands.place, metavar="FOLDER", help="a new folder for comparison.json and comparison.png"
    )
    parser.add_argument(
        "--show", type=commands.whole(0), default=10, help="how many changed examples to name (default: %(default)s)"
    )
    parser.add_argument("--bootstrap", type=commands.positive, default=1000, help="resamples (default: %(default)s)")
    parser.add_argument("--seed", type=commands.seed, default=0, help="of the resampling (default: %(default)s)")
    parser.set_defaults(run=run, listed="runs")


def run(args: argparse.Namespace) -> int:
    """The command: prints the table, writes the files that were asked for, returns the exit status."""
    if args.out:
        commands.check_new(args.out)
        commands.check_figures()
    result = compare(args.runs, args.bootstrap, args.seed)
    if args.out:  # before the table, which `head` may not read to its end
        from minnet import canvas

        figure = canvas.png(_figure(result))  # before anything is written
        with prepare(args.out, new=True):
            save(Path(args.out) / "comparison.json", to_json(result))
            save(Path(args.out) / "comparison.png", figure)
    print(table(result, args.show))
    if args.out:
        print(encodable(f"\nwritten: {Path(args.out) / 'comparison.json'} and comparison.png"))
    return 0


def _same_examples(runs: Sequence[Measured]) -> Sequence[Measured]:
    if len(runs) < 2:
        raise ValueError("compare needs at least two runs, got one: name two or more folders")
    first = runs[0]
    for other in runs[1:]:
        if other.metrics["classes"] != first.metrics["classes"]:
            reason = "their classes differ"
        elif other.fingerprint != first.fingerprint:
            reason = f"their test data differ (fingerprints {first.fingerprint} and {other.fingerprint})"
        elif not np.array_equal(other.indices, first.indices):
            reason = f"{len(first.labels):,} against {len(other.labels):,} examples, or other places in the test split"
        elif not np.array_equal(other.labels, first.labels):
            reason = f"{count(int((other.labels != first.labels).sum()), 'label')} of the examples differ"
        else:
            continue
        raise ValueError(
            f"{first.folder} and {other.folder} were not evaluated on the same examples: {one_line(reason, 200)}; "
            "compare runs with the same data set, --size, --limit and --seed (which draws most test splits), or "
            "evaluate both on one file or folder"
        )
    return runs


def _distinct_names(runs: Sequence[Measured]) -> list[str]:
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = ["/".join(run.folder.resolve().parts[-2:]) for run in runs]
    names = [name.encode("utf-8", "replace").decode() for name in names]  # what no figure could show
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[i] = f"{name} ({seen[name]})"
    return names


def _holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for being many (Holm, A simple sequentially rejective multiple test procedure, 1979).

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may fall below the one before it.
    """
    order, m = np.argsort(values, kind="stable"), len(values)
    corrected = np.empty(m)
    corrected[order] = np.maximum.accumulate(np.minimum(1, (m - np.arange(m)) * np.asarray(values)[order]))
    return corrected.tolist()


def _pair(pair: dict[str, Any], show: int, called: dict[int, str]) -> list[str]:
    a, b = one_line(pair["a"]), one_line(pair["b"])
    won, lost = (_only_right(name, pair[kind], show, called) for kind, name in (("won", b), ("lost", a)))
    return [f"{b} against {a}", *_differences(pair), *won, *lost, *_verdict(pair["mcnemar"], a, b)]


def _differences(pair: dict[str, Any]) -> list[str]:
    """What b's measures are more than a's, one a line, and why there are no intervals where there are none."""
    rows = []
    for key, title in MEASURES:
        found = pair["differences"][key]
        factor, digits, unit = (100, 1, " points") if key == "accuracy" else (1, 3, "")
        if found["difference"] is None:
            rows.append((f"  {title}", "–", "not finite"))
            continue
        bounds = interval([factor * bound for bound in found["interval"]], digits) if found["interval"] else "–"
        shown = plain(factor * found["difference"], digits)
        rows.append((f"  {title}", f"{'' if shown.startswith('-') else '+'}{shown}{unit}", f"({bounds})"))
    lines, told = aligned(rows), pair["mcnemar"]["only_a"] + pair["mcnemar"]["only_b"]
    if told < MIN_DISCORDANT:
        few = f"{count(told, 'example')} right in one run alone, too few to tell them apart"
        lines.append(f"  (–: {few if told else 'both are right on the same examples'})")
    return lines


def _only_right(name: str, places: list[int], show: int, called: dict[int, str]) -> list[str]:
    """How many examples only the run of this name has right, and the first of them, each as it is `called`."""
    line, shown = f"  only {name} is right: {count(len(places), 'example')}", places[:show]
    more = f"and {len(places) - show:,} more" if shown and len(places) > show else ""
    if called:
        named = [f"    {place}: {one_line(called.get(place, '(not told)'), 100)}" for place in shown]
        return [line, *named, *([f"    {more}"] if more else [])]
    return [f"{line}{': ' if shown else ''}{', '.join(map(str, shown))}{' ' + more if more else ''}"]


def _verdict(test: dict[str, Any], a: str, b: str) -> list[str]:
    """Which of the two is right more often, and whether that is more than chance."""
    fewer, more = sorted((test["only_a"], test["only_b"]))
    better = b if test["only_b"] == more else a
    lines = []
    if more > fewer:
        of = f"{count(fewer + more, 'example')} that only one of the two has right"
        lines = [f"  {better} is right more often: on {more:,} against {fewer:,} of the {of}"]
    elif more:
        lines = [f"  both are right equally often: each on {count(more, 'example')} that the other has wrong"]
    p, corrected = test["p"], test["p_holm"]
    said = p_value(p)
    if 0.05 <= p < 1:
        said += f" (chance alone gives as uneven a share in {100 * p:.0f} of 100 such comparisons)"
    if corrected != p:
        said += f", corrected for all pairs {p_value(corrected)}"
    verdict = "more than chance" if corrected < 0.05 else "not told apart from chance"
    return [*lines, f"  McNemar's exact test of accuracy: {said}: {verdict}"]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path.parent} has no {path.name}: it is no finished run") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({one_line(str(error), 100)}): repeat that run") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} does not hold a run's {path.stem}: repeat that run")
    return found
