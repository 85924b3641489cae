"""What a learner sees: which property is broken, the smallest case that shows it, and what went wrong."""

from __future__ import annotations

import hashlib
import json
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tutorials.exercises.cell import Cell
from tutorials.exercises.grading import grade_source
from tutorials.exercises.messages import Call, Seed
from tutorials.exercises.runner import Process
from tutorials.exercises.sheet import NO_RESULT, Result, Sheet, in_short, is_stub
from tutorials.exercises.shelf import find, of_variant, public_sheets
from tutorials.exercises.source import read_source
from tutorials.exercises.variants import variant_in

CHECKPOINT = ".ckpt"
ATTEMPTS = ".attempts.json"


def check_folder(folder: Path, number: int | None, example: bool = False, why: bool = False) -> int:
    """Checks the answers in `folder`, one exercise or all; prints, and returns how many points are still missing."""
    missing = 0.0
    sheets = [s for s in public_sheets() if number in (None, s.number)]
    if not sheets:
        known = ", ".join(str(s.number) for s in public_sheets())
        raise ValueError(f"there is no exercise {number}: they are {known}")
    if number is None and not any((folder / f"{sheet.id}.py").exists() for sheet in sheets):
        raise FileNotFoundError(f"{folder} holds no exercise: a file there is called {sheets[0].id}.py, for example")
    with Process() as process:
        for sheet in sheets:
            path = folder / f"{sheet.id}.py"
            if not path.exists() and number is None:
                continue
            if not path.exists():
                raise FileNotFoundError(f"{path} is missing: that is where exercise {sheet.number} is written")
            source, problem = read_source(path.read_bytes())
            sheet = of_variant(sheet, source)
            beside = path.with_suffix(CHECKPOINT)
            network = beside.read_bytes() if sheet.budget is not None and beside.exists() else None
            result = grade_source(sheet, source, process, problem, network)
            missing += result.points - result.earned
            print(line(result, short=number is None))
            attempts = _note(folder, result, source or "")
            if number is not None and result.broken:
                print(details(sheet, result, example, why, attempts))
    return int(np.ceil(missing))


def train(folder: Path, number: int) -> str:
    """Trains the network of exercise `number` as its config() says, and writes the checkpoint beside the file."""
    sheet = find(number, public_sheets())
    if sheet.budget is None:
        raise ValueError(f"exercise {number} asks for no network")
    try:
        from tutorials.exercises import improve
    except ImportError:
        raise ValueError("minnet is needed to train the network: run this in a checkout") from None
    path = folder / f"{sheet.id}.py"
    source, problem = read_source(path.read_bytes())
    if source is None:
        raise ValueError(problem)
    with Process() as process:
        outcome = process.run(sheet.id, source, sheet.names, sheet.given, sheet.plays())[0]
    if outcome["error"]:
        raise ValueError(outcome["error"])
    config = improve.checked(outcome["results"][0])
    dataset = improve.data(sheet.budget["data"], sheet.budget["examples"])
    with np.errstate(all="ignore"):  # what diverges ends in an error that says so
        model = improve.train(config, dataset)
    improve.save(model, path.with_suffix(CHECKPOINT))
    cost = improve.multiply_adds(model, dataset.train.x.shape[1:])
    reached = improve.accuracy(model, dataset, sheet.budget["split"])
    epochs, most = sheet.budget["epochs"], sheet.budget["multiply_adds"]
    if config["epochs"] <= epochs and cost <= most:
        advice = f"Hand in {path.name} and {path.with_suffix(CHECKPOINT).name}"
    else:
        advice = f"That is over the budget of {epochs} epochs and {most:,} multiply-adds, and has no points"
    return (
        f"{config['epochs']} epochs, {cost:,} multiply-adds an image; {reached:.1%} of the {sheet.budget['split']} "
        f"images right. {advice}"
    )


def check(answer: Any, example: bool = False, why: bool = False) -> None:
    """`check(softmax)` in a notebook cell: finds the exercise by the function's or class's name and checks it.

    Its own source is what runs, after `import numpy as np` and the functions, classes, imports and constants of the
    notebook that it uses. `example=True` and `why=True` do what --example and --why do on the command line.
    """
    name = getattr(answer, "__name__", None)
    if name is None:
        raise TypeError(
            f"check takes the function or class itself, as in check(softmax), got a {type(answer).__name__}"
        )
    if name == "<lambda>":
        raise ValueError("a lambda does not know its name: write the function with def, and its name is the exercise's")
    asking = [s for s in public_sheets() if name in s.names]
    if not asking:
        names = dict.fromkeys(n for s in public_sheets() for n in s.names)
        raise ValueError(f"no exercise asks for {name}: they ask for {', '.join(names)}")
    sheet = asking[0]
    if sheet.budget is not None:
        raise ValueError(
            f"{name} is handed in with a checkpoint: write it into the file of exercise "
            f"{' or '.join(str(s.number) for s in asking)}, and run `python -m tutorials.exercises train NUMBER`, then "
            "`check NUMBER`"
        )
    cell = Cell(answer, sheet)
    stated = variant_in(cell.source)
    if stated:
        sheet = of_variant(sheet, cell.source)
    with Process() as process:
        result = grade_source(sheet, cell.source, process)
    print(cell.placed(line(result)))
    if result.broken:
        attempts = _note(Path.cwd(), result, cell.source)
        said = details(sheet, result, example, why, attempts, f"check({name}, {{}}=True)")
        print(cell.placed(said))
        if cell.lost:
            print(
                f"   {name} uses {', '.join(cell.lost)} of the notebook, which is not taken along: functions, classes, "
                "imports, and numbers, texts and lists of them are"
            )
    if sheet.variant and not stated:
        print(f"   keep the line VARIANT = {sheet.variant} of {sheet.id}.py in a cell: it says whose numbers these are")


def line(result: Result, short: bool = False) -> str:
    """One line: number, title, points, and the first broken property."""
    head = f"{result.number:2} {result.title}: {result.earned:g} of {result.points:g} points"
    if not result.broken:
        return head
    if result.ended or not short:
        return f"{head}; {result.ended}" if result.ended else head
    if _is_unwritten(result):
        return f"{head}; nothing is written yet"
    return f"{head}; {in_short(result.broken.state, result.broken.property.sentence, result.broken.problem)}"


def _is_unwritten(result: Result) -> bool:
    return is_stub(v.problem for v in result.verdicts)


def details(
    sheet: Sheet,
    result: Result,
    example: bool,
    why: bool,
    attempts: int,
    asked: str = "--{}",
) -> str:
    """The broken properties in order; with `example` the smallest case of the first; with `why` the diagnosis.

    asked: how the learner asks for more, with {} for the word "example" or "why".
    """
    lines = []
    for verdict in result.verdicts:
        lines.append(f"   {verdict.state:10}  {verdict.property.sentence}")
    broken = result.broken
    assert broken is not None
    if broken.problem != result.ended:  # which the first line says
        lines.append(f"   {broken.problem}")
    if sheet.budget is not None:  # a network is judged: there are no numbers to show or to recognise
        return "\n".join([*lines, f"   {result.diagnosis}"] if why and result.diagnosis else lines)
    if example and broken.case is not None:
        lines += ["", shown(sheet, broken.case, result.outcomes[broken.case])]
    elif not example:
        lines.append(f"   {asked.format('example')} shows the smallest case with its numbers")
    if why:
        if attempts < 2:
            more = "one more attempt: change something" if attempts else "two attempts: write something"
            lines.append(f"   {asked.format('why')} answers after {more}, and ask again")
        else:
            unknown = (
                f"None of the known mistakes gives these numbers: see {asked.format('example')}, and compare by hand."
                if broken.state != NO_RESULT
                else f"There are no numbers to compare: {broken.problem}"
            )
            measured = set(result.mistakes) <= {"in-place", "loop"}  # true, but not what makes numbers wrong
            if measured and broken.property.kind not in ("untouched", "lines"):
                lines.append("   " + unknown)
            if result.diagnosis:
                lines.append("   " + result.diagnosis)
    return "\n".join(lines)


def shown(sheet: Sheet, case: int, outcome: dict[str, Any]) -> str:
    """A case as calls with numbers, what is expected, and what came."""
    given_away = sheet.cases[case].expected
    lines, results = [], iter(given_away or [])
    got = iter(outcome["results"])
    for call in sheet.cases[case].calls:
        lines.append("   " + _written(call))
        if call.how in ("call", "method", "get"):
            came = next(got, None)
            if given_away is not None:
                lines.append(_indented("expected", next(results)))
            lines.append(_indented("got", outcome["error"] if came is None and outcome["error"] else came))
            if came is None and outcome["error"]:
                break
    if outcome["printed"]:
        lines.append(_indented("printed", outcome["printed"]))
    return "\n".join(lines)


def _written(call: Call) -> str:
    names = {"call": call.name, "make": call.name, "method": f"it.{call.name}", "do": f"it.{call.name}"}
    if call.how == "get":
        return f"it.{call.name}"
    values = [f"default_rng({a.value})" if isinstance(a, Seed) else text(a) for a in call.args]
    if call.how == "set":
        return f"it.{call.name} = {values[0]}"
    start = ("it = " if call.how == "make" else "") + names[call.how] + "("
    joined = ", ".join(values) if all("\n" not in v for v in values) else ",\n".join(values)
    return start + textwrap.indent(joined, " " * (len(start) + 3))[len(start) + 3 :] + ")"


def _indented(title: str, value: Any) -> str:
    body = value if isinstance(value, str) else text(value)
    return f"      {title:9}" + textwrap.indent(body, " " * 15)[15:]


def _hanging(lines: str, by: int) -> str:
    return lines.replace("\n", "\n" + " " * by)


def text(value: Any) -> str:
    """Numbers with as many digits as a person compares."""
    if isinstance(value, np.ndarray) and value.ndim > 2 and value.size > 60:
        return f"an array of shape {value.shape}"
    if isinstance(value, np.ndarray) and value.ndim > 2 and value.squeeze().ndim < 3:
        return f"{text(value.squeeze())} of shape {value.shape}"  # of one image, or one channel
    if isinstance(value, (np.ndarray, np.generic)):
        return np.array2string(np.asarray(value), precision=4, suppress_small=True, separator=", ", threshold=60)
    if isinstance(value, tuple):
        parts = [text(v) for v in value]
        short = len("".join(parts)) < 60 and not any("\n" in part for part in parts)
        return "(" + (", " if short else ",\n ").join(_hanging(part, 1) for part in parts) + ")"
    if isinstance(value, list):
        parts = [text(v) for v in value]
        return "[" + ", ".join(parts if len(parts) <= 60 else [*parts[:3], "...", parts[-1]]) + "]"
    if isinstance(value, dict):
        return "{" + ",\n ".join(f"{k!r}: {_hanging(text(v), len(repr(k)) + 3)}" for k, v in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)


def _note(folder: Path, result: Result, source: str) -> int:
    """Keeps a fingerprint of every different failing attempt, and returns how many there are of this exercise.

    Where nothing is written yet, nothing was attempted.
    """
    path = folder / ATTEMPTS
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    mark = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    seen = kept.setdefault(result.id, [])
    failed = result.broken is not None and not _is_unwritten(result)
    if failed and mark not in seen:
        seen.append(mark)
        with suppress(OSError):
            path.write_text(json.dumps(kept), encoding="utf-8")
    return len(seen)
