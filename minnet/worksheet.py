"""A page for pencil and paper: every number of one forward pass, one backward pass and one update of a tiny network."""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minnet import commands
from minnet.files import written_whole
from minnet.functional import one_hot, softmax
from minnet.layers import Layer, Linear, ReLU, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.page import escape, note, page

WIDEST, DEEPEST = 6, 5  # what fits on a sheet of paper
CSS = """
.items { display: flex; flex-wrap: wrap; gap: 1.1rem 2.2rem; align-items: flex-start; margin: 0 0 1rem; }
.item { break-inside: avoid; }
.item p { margin: 0 0 .25rem; }
.item .shape { color: var(--quiet); font-size: .85rem; }
@media print { section { break-inside: avoid; } }
.item table { width: auto; margin: 0; border-left: 2px solid var(--ink); border-right: 2px solid var(--ink); }
.item td { border: 1px solid var(--rule); min-width: 4.4rem; height: 2rem; padding: .2rem .5rem; text-align: right; }
"""


class Item(NamedTuple):
    """One array of the calculation."""

    section: str
    name: str
    formula: str  # how it follows from what stands before it; "" for what is given
    values: np.ndarray  # (rows, columns)


def calculate(layers: list[int], seed: int = 0, examples: int = 1, learning_rate: float = 0.1) -> list[Item]:
    """Every array, in the order of calculation, of a network with ReLU between its layers, in float64.

    `layers` are the widths, from the inputs to the classes. What is given are halves and small whole numbers, drawn
    until the case is worth calculating: see `_interesting`.
    """
    _check(layers, examples, learning_rate)
    model, x, labels = _drawn(layers, seed, examples)
    linears: dict[int, Any] = dict(enumerate((each for _, each in model.walk() if isinstance(each, Linear)), 1))
    last = len(linears)
    inputs = ["x", *(f"h{i}" for i in range(1, last))]  # of z1, z2, ...
    items: list[Item] = []

    def add(section: str, name: str, formula: str, values: Any) -> None:
        items.append(Item(section, name, formula, np.array(values, ndmin=2)))  # a copy: the update changes W and b

    z, steps = model.trace(x)
    criterion = SoftmaxCrossEntropy()
    loss = criterion.forward(z, labels)
    add("Given", "x", "", x)
    add("Given", "truth t", "", one_hot(labels, layers[-1], np.float64))
    add("Given", "learning rate η", "", learning_rate)
    for i, layer in linears.items():
        add("Given", f"W{i}", "", layer.W)
        add("Given", f"b{i}", "", layer.b)
    for i in linears:
        add("Forward", f"z{i}", f"{inputs[i - 1]} W{i} + b{i}", steps[2 * i - 2].y)
        if i < last:
            add("Forward", f"h{i}", f"max(0, z{i})", steps[2 * i - 1].y)
    add("Forward", "p", f"softmax(z{last})", softmax(z))
    add("Forward", "loss L", "−log p at the truth" + (", mean of the examples" if examples > 1 else ""), loss)

    dy = criterion.backward()
    formula = "p − t" if examples == 1 else f"(p − t) / {examples}"
    for i, layer in reversed(linears.items()):
        add("Backward", f"dz{i}", formula, dy)
        dx = layer.backward(dy)
        add("Backward", f"dW{i}", f"{inputs[i - 1]}ᵀ dz{i}", layer.dW)
        add("Backward", f"db{i}", f"sum of the rows of dz{i}", layer.db)
        if i > 1:
            add("Backward", f"dh{i - 1}", f"dz{i} W{i}ᵀ", dx)
            dy, formula = model[2 * i - 3].backward(dx), f"dh{i - 1}, where z{i - 1} > 0; else 0"
    for i, layer in linears.items():
        for name in ("W", "b"):
            array = getattr(layer, name)
            array -= learning_rate * getattr(layer, "d" + name)
            add("Update", f"new {name}{i}", f"{name}{i} − η d{name}{i}", array)
    after = criterion.forward(model.forward(x), labels)
    add("Update", "new loss", "the forward pass once more, with the new W and b", after)
    return items


def _drawn(layers: list[int], seed: int, examples: int) -> tuple[Sequential, np.ndarray, np.ndarray]:
    """(network, x, labels) of a case that is worth calculating."""
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        stack: list[Layer] = [layer for i, o in pairwise(layers) for layer in (Linear(i, o), ReLU())]
        model = Sequential(*stack[:-1])  # no ReLU behind the scores
        model.astype(np.float64)
        for array in model.named_parameters().values():
            array[...] = rng.integers(-3, 4, array.shape) / 2
        x = rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], (examples, layers[0]))
        labels = rng.integers(layers[-1], size=examples)
        _, steps = model.trace(x)
        if _interesting([step.y for step in steps if isinstance(step.layer, Linear)], labels):
            return model, x, labels
    raise ValueError(
        f"no sheet of the widths {','.join(map(str, layers))} with {examples} examples came out worth calculating: "
        "take narrower layers or fewer examples"
    )


def _interesting(sums: list[np.ndarray], labels: np.ndarray) -> bool:
    """Whether each ReLU stops something and lets half of it through, and the first example has much to learn."""
    *hidden, scores = sums
    mixed = all((z > 0).mean() >= 0.5 and ((z < 0).any() or z.size == 1) and (z != 0).all() for z in hidden)
    spread = np.ptp(scores, axis=1)
    return mixed and spread.max() <= 3.5 and spread.min() >= 0.5 and scores[0].argmax() != labels[0]


def _check(layers: list[int], examples: int, learning_rate: float) -> None:
    if not 2 <= len(layers) <= DEEPEST or not all(1 <= width <= WIDEST for width in layers) or layers[-1] < 2:
        raise ValueError(
            f"layers must be 2 to {DEEPEST} widths from 1 to {WIDEST}, the last one (the classes) at least 2, such as "
            f"2,3,2; got {','.join(map(str, layers))}"
        )
    if not 1 <= examples <= 4:
        raise ValueError(f"examples must be from 1 to 4, got {examples}: more do not fit on paper")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"the learning rate must be positive, got {learning_rate}")


def render(items: list[Item], title: str, solved: bool) -> str:
    """The whole page: with the results when `solved`, otherwise with boxes to fill in."""
    sections: dict[str, str] = {}
    for name in dict.fromkeys(item.section for item in items):
        inside = "".join(_item(item, solved or name == "Given") for item in items if item.section == name)
        sections[name] = f'<div class="items">{inside}</div>\n'
    sections["Check yourself"] = note(
        "Each row of p sums to 1, each row of the last dz to 0. Each d has the shape of what it belongs to. "
        "The new loss should be lower; where it is not, the learning rate is too high for one step."
    )
    between = (
        "ReLU, max(0, z), stands between the layers; "
        if any(item.name == "h1" for item in items)
        else "No layer is hidden; "
    )
    lead = [
        "One forward pass, one backward pass and one update, number by number.",
        f"{between}softmax and cross-entropy stand at the end. Keep five decimals on the way, write three; before "
        "softmax, subtract each row's largest score from the row: p stays the same. W has a row for each input and a "
        "column for each output; one example is one row. In Wᵀ the rows have become columns.",
    ]
    if not solved:
        lead.append("Name " + 32 * "_" + " Date " + 14 * "_")
    return page(title, lead, sections, CSS)


def _item(item: Item, shown: bool) -> str:
    rows, columns = item.values.shape
    printed = given if item.section == "Given" else number
    cells = "".join(
        "<tr>" + "".join(f"<td>{printed(value) if shown else '&nbsp;'}</td>" for value in row) + "</tr>"
        for row in item.values
    )
    says = f"<strong>{escape(item.name)}</strong>" + (f" = {escape(item.formula)}" if item.formula else "")
    shape = f' <span class="shape">({rows}, {columns})</span>' if item.values.size > 1 else ""
    return f'<div class="item"><p>{says}{shape}</p><table><tbody>{cells}</tbody></table></div>\n'


def given(value: float) -> str:
    """All that has to be calculated with: every digit counts."""
    return f"{value + 0.0:.12g}".replace("-", "−")  # no negative zero


def number(value: float) -> str:
    """Three decimals; numbers that have one or none as they are."""
    value += 0.0  # no negative zero
    text = f"{value:g}" if value == round(value, 1) else f"{value:.3f}"
    return ("0.000" if text == "-0.000" else text).replace("-", "−")


def add_arguments(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "worksheet", help="a page for pencil and paper: one forward pass, backward pass and update, number by number"
    )
    parser.add_argument("--layers", default="2,3,2", help="widths from the inputs to the classes (default 2,3,2)")
    parser.add_argument("--seed", type=commands.seed, default=0, help="another seed, another sheet (default 0)")
    parser.add_argument("--examples", type=int, default=1, help="rows of the batch (default 1)")
    parser.add_argument("--learning-rate", type=float, default=0.1, help="of the update (default 0.1)")
    parser.add_argument("--solved", action="store_true", help="with the results filled in")
    parser.add_argument(
        "--out", type=commands.place, help="a new file (default: worksheet-2-3-2-seed0.html, named for what is asked)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        layers = [int(width) for width in args.layers.split(",")]
    except ValueError:
        raise ValueError(f"--layers wants widths such as 2,3,2, got {args.layers!r}") from None
    commands.check_new(args.out)
    items = calculate(layers, args.seed, args.examples, args.learning_rate)
    told = {f"seed{args.seed}": f"sheet {args.seed}"}  # in the file's name: in the title
    if args.examples != 1:
        told[f"examples{args.examples}"] = f"{args.examples} examples"
    if args.learning_rate != 0.1:
        told[f"rate{args.learning_rate:.12g}"] = f"learning rate {args.learning_rate:.12g}"
    if args.solved:
        told["solved"] = "solved"
    path = Path(args.out or "-".join(["worksheet", *map(str, layers), *told]) + ".html")
    title = f"A network by hand: {' → '.join(map(str, layers))}, {', '.join(told.values())}"
    with written_whole(path) as file:
        file.write(render(items, title, args.solved).encode())
    print(f"{path}: open it in a browser and print it")
    return 0
