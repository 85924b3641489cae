"""What all optimizers share: finding parameters and gradients, keeping state by place, walking over them in pieces."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from minnet.layers.arguments import in_range
from minnet.layers.base import Layer, RowGradient
from minnet.layers.containers import expect_layers
from minnet.layers.description import is_own
from minnet.memory import Workspace
from minnet.places import learners, overlapping, parameters

# An update is a handful of passes over weight, gradient and state. Walked in pieces of this many numbers, every pass
# but the first finds its operands in the processor's cache, and no temporary array of a parameter's size is made.
CHUNK = 131072
TASKS = 4  # with a pool, this many take the next piece as long as there is one; a number's arithmetic stays the same


class Settings(NamedTuple):
    """The settings of one parameter's update in one step."""

    rate: float
    decay: float
    steps: int  # updates of this parameter, this one included
    lazy: bool  # only some rows of the parameter take part


class Piece(NamedTuple):
    """A part of one parameter that is updated at a time."""

    w: np.ndarray
    g: np.ndarray
    state: tuple[np.ndarray, ...]
    rows: np.ndarray | None  # (R,) if lazy: w and state are then whole tables, and g (R, ...) belongs to these rows
    settings: Settings


class Optimizer:
    """Base of all optimizers: a subclass names its state arrays in `slots` and writes the formula, `update`.

    `groups` are dictionaries {"match": pattern of places such as "*.b", "learning_rate": factor on the rate,
    "weight_decay": value}; the first that matches a parameter counts. Without a group, weight decay applies to
    arrays of two or more axes: pulling biases and the scales of normalisation towards zero serves nobody.
    All settings, groups too, may be changed between two steps; the next `step` checks them.
    A loss that owns parameters is passed as `loss`; its places start with "loss.".

    Row-sparse gradients move only their rows; where the formula would have to move the others too, `step` raises.
    `pool` may hold an executor: its threads then update the pieces, with the same bits. So several threads are in
    `update` at once, and what it keeps from step to step has to stand in the arrays of `slots`, which are saved.
    """

    slots: tuple[str, ...] = ()  # names of the state arrays, each of the parameter's shape
    whole = False  # True: `update` gets every parameter in one piece and shape, for formulas with its norm or axes
    decoupled = False  # True: weight decay shrinks the weights directly. False: it is part of the gradient
    pool: Executor | None = None

    def __init__(
        self,
        model: Layer,
        learning_rate: float,
        weight_decay: float = 0.0,
        groups: Sequence[dict[str, Any]] = (),
        loss: Layer | None = None,
    ) -> None:
        if not isinstance(model, Layer):
            raise ValueError(f"an optimizer takes the model itself, not its parameters; got {type(model).__name__}")
        expect_layers([model], "")  # before walking it: it may hide what that takes
        self.model = model
        self.learning_rate = in_range("learning_rate", learning_rate)
        self.groups, self.weight_decay = list(groups), weight_decay
        self.loss = loss
        self.steps = 0
        self.state: dict[str, dict[str, np.ndarray]] = {}
        self._workspaces = [Workspace() for _ in range(TASKS)]
        self._untried = is_own(type(self))
        if shared := overlapping(self.parameters()):
            one = "'{}' and '{}' are one array, which would move twice".format(*shared)
            raise ValueError(f"{one}: give each its own, or write a layer that uses it twice and adds both gradients")
        self._settle()

    def update(
        self, w: np.ndarray, g: np.ndarray, state: tuple[np.ndarray, ...], settings: Settings, scratch: np.ndarray
    ) -> None:
        """Writes new values into `w` and `state`. `g` is a copy of the gradient, and `scratch` is uninitialised: the
        formula may overwrite both.

        All arrays have one shape. A parameter of more than CHUNK numbers comes in flat pieces, one call each, in any
        order; a formula that looks at more than one number at a time (the norm of `w`, the mean over an axis) needs
        `whole = True`. Of a row-sparse gradient only its rows come. A formula that works in `g` alone, without
        `scratch`, keeps one array less in cache.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def refuses_rows(self) -> str:
        """Why this optimizer cannot update single rows, and which can; empty if it can."""
        if self.whole:
            return "Its formula looks at whole parameters: use Adam (lazy on rows), or SGD with momentum=0"
        return ""

    def step(self, learning_rate: float | None = None, scale: float = 1.0) -> None:
        """One update of every parameter that learns, from the gradients that the last `backward` left.

        `learning_rate` replaces the optimizer's own for this step; `scale` multiplies every gradient (`clip_factor`).
        Gradients and settings are checked before the first number changes.
        """
        rate = self.learning_rate if learning_rate is None else in_range("learning_rate", learning_rate)
        scale = in_range("scale", scale)
        if self._settled != (self.weight_decay, self.groups):
            self._settle()
        pieces: list[Piece] = []
        counts = []
        for place, layer, name in learners(self.model, self.loss):
            w, g = getattr(layer, name), getattr(layer, "d" + name, None)
            if place not in self._settings:
                raise ValueError(f"'{place}' was added after the optimizer was made: make the optimizer anew")
            factor, decay = self._settings[place]
            self._check(place, w, g, decay)
            state = self._state_of(place, w)
            counts.append(state["steps"])
            settings = Settings(rate * factor, decay, int(state["steps"]) + 1, isinstance(g, RowGradient))
            states = tuple(state[slot] for slot in self.slots)
            pieces += _split(w, g, states, settings, w.size if self.whole else CHUNK)
        before = {place: w.copy() for place, w in self.parameters().items()} if self._untried else {}
        for count in counts:
            count += 1
        if self.pool is None or sum(piece.g.size for piece in pieces) <= CHUNK:
            self._apply(iter(pieces), scale, task=0)
        else:
            queue = iter(pieces)  # its next() is one step of the interpreter: no two tasks get the same piece
            contexts = [copy_context() for _ in range(TASKS)]  # the caller's np.errstate holds for all of them
            tasks = [self.pool.submit(c.run, self._apply, queue, scale, task) for task, c in enumerate(contexts)]
            for each in tasks:
                each.result()
        self.steps += 1
        if self._untried and any(piece.settings.rate * scale > 0 and piece.g.any() for piece in pieces):
            self._untried = False
            self._warn_of_what_stayed(before)

    def _apply(self, pieces: Iterator[Piece], scale: float, task: int) -> None:
        workspace = self._workspaces[task]
        for w, g, state, rows, settings in pieces:
            tables = (w, *state)
            if rows is not None:
                w, *gathered = (workspace.array(f"rows of {k}", g.shape, g.dtype) for k in range(len(tables)))
                state = tuple(gathered)
                for table, part in zip(tables, (w, *state), strict=True):
                    np.take(table, rows, axis=0, out=part, mode="clip")  # rows are checked; "raise" would copy
            scratch, copy = workspace.array("scratch", g.shape, g.dtype), workspace.array("copy", g.shape, g.dtype)
            if settings.decay and self.decoupled:
                w *= 1 - settings.rate * settings.decay
            if scale != 1:
                g = np.multiply(g, scale, out=scratch)
            if settings.decay and not self.decoupled:
                np.multiply(w, settings.decay, out=copy)  # the gradient of decay/2 |w|^2
                copy += g
            else:
                np.copyto(copy, g)
            returned: Any = self.update(w, copy, state, settings, scratch)  # type: ignore[func-returns-value]
            if returned is not None and returned is not w:
                raise ValueError(f"{type(self).__name__}.update returned something: it has to write into w (w -= ...)")
            if rows is not None:
                for table, part in zip(tables, (w, *state), strict=True):
                    table[rows] = part

    def _warn_of_what_stayed(self, before: dict[str, np.ndarray]) -> None:
        """After the first step that has to move something: warns where a formula of one's own wrote into nothing."""
        stayed = []
        if all(np.array_equal(w, before[place]) for place, w in self.parameters().items()):
            stayed.append("no weight")
        if self.slots and not any(state[slot].any() for state in self.state.values() for slot in self.slots):
            stayed.append(f"nothing in its state ({', '.join(self.slots)})")
        if stayed:
            cure = "w -= ... and v[...] = ... write into the arrays given, w = ... only names another"
            warnings.warn(f"{type(self).__name__}.update changed {' and '.join(stayed)}: {cure}", stacklevel=3)

    # -- parameters, their settings and their state --------------------------------------------------------

    def parameters(self) -> dict[str, np.ndarray]:
        """Every parameter of model and loss by place, frozen ones included."""
        return parameters(self.model, self.loss)

    def _settle(self) -> None:
        """Works out what groups and weight decay mean for each parameter, anew where they have changed."""
        self.weight_decay = in_range("weight_decay", self.weight_decay)
        keys = {"match", "learning_rate", "weight_decay"}
        for group in self.groups:
            if not isinstance(group, dict) or not {"match"} <= group.keys() <= keys:
                raise ValueError(f"a group's keys are match, learning_rate, weight_decay; got {group}")
        settings = {place: self._settings_for(place, w) for place, w in self.parameters().items()}
        for group in self.groups:
            if not any(self._group_of(place) is group for place in settings):
                found = any(fnmatchcase(place, group["match"]) for place in settings)
                why = "comes after groups that match the same" if found else "matches no parameter"
                raise ValueError(f"group {group} {why}; there are {', '.join(settings) or 'none'}")
        self._settings, self._settled = settings, (self.weight_decay, copy.deepcopy(self.groups))

    def _settings_for(self, place: str, w: np.ndarray) -> tuple[float, float]:
        """(factor on the learning rate, weight decay) of one parameter."""
        group = self._group_of(place)
        usual = self.weight_decay if w.ndim >= 2 else 0.0
        factor = in_range("a group's learning_rate", group.get("learning_rate", 1.0))
        return factor, in_range("a group's weight_decay", group.get("weight_decay", usual))

    def _group_of(self, place: str) -> dict[str, Any]:
        """The first group that matches the parameter; empty if none does."""
        return next((group for group in self.groups if fnmatchcase(place, group["match"])), {})

    def _state_of(self, place: str, w: np.ndarray) -> dict[str, np.ndarray]:
        if place not in self.state:
            self.state[place] = {slot: np.zeros(w.shape, w.dtype) for slot in self.slots}
            self.state[place]["steps"] = np.zeros((), np.int64)
        return self.state[place]

    def _check(self, place: str, w: np.ndarray, g: Any, decay: float) -> None:
        if not w.flags.writeable:
            raise ValueError(f"'{place}' is read-only: give the layer a copy of the array")
        if g is None:
            raise RuntimeError(f"'{place}' has no gradient: call backward before step, or freeze what does not learn")
        for slot in self.slots:
            kept = self.state[place][slot] if place in self.state else w
            if (kept.dtype, kept.shape) != (w.dtype, w.shape):
                raise ValueError(
                    f"'{place}' changed to {w.dtype} {w.shape}: make a new optimizer after "
                    "astype, or after another layer took its place"
                )
        values = g.values if isinstance(g, RowGradient) else g
        if values.dtype != w.dtype:
            raise ValueError(
                f"'{place}' is {w.dtype}, its gradient {values.dtype}: was the model converted since backward, or "
                "does a layer or loss of your own change the type?"
            )
        if isinstance(g, RowGradient):
            self._check_rows(place, w, g, decay)
        elif g.shape != w.shape:
            raise ValueError(f"'{place}' has the shape {w.shape}, its gradient {g.shape}")

    def _check_rows(self, place: str, w: np.ndarray, g: RowGradient, decay: float) -> None:
        few = f"the gradient of '{place}' has only the rows that the batch touched"
        if reason := self.refuses_rows():
            raise ValueError(f"{few}. {reason}")
        if decay:
            exempt = {"match": place, "weight_decay": 0.0}
            raise ValueError(f"{few}, but weight decay moves every row: exempt it with groups=[{exempt}]")
        if wrong := g.broken(w.shape):
            raise ValueError(f"'{place}': {wrong}")

    def state_arrays(self) -> dict[str, np.ndarray]:
        """All state as {"0.W/momentum": array, ..., "0.W/steps": array}: the arrays themselves, not copies."""
        return {f"{place}/{name}": array for place, state in self.state.items() for name, array in state.items()}

    def load_state_arrays(self, flat: dict[str, np.ndarray]) -> None:
        """Replaces all state by copies of `flat`, as `state_arrays` gave it; `steps` is set by whoever saved it.

        Raises ValueError, with nothing changed, when it does not fit this optimizer and model.
        """
        loaded: dict[str, dict[str, np.ndarray]] = {}
        parameters = self.parameters()
        for key, array in flat.items():
            place, _, slot = key.rpartition("/")
            if place not in parameters or slot not in (*self.slots, "steps"):
                raise ValueError(f"unexpected optimizer state {key[:80]!r}: another optimizer or model saved it")
            w = parameters[place]
            shape, dtype = ((), np.dtype(np.int64)) if slot == "steps" else (w.shape, w.dtype)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"optimizer state '{key}' is {array.dtype} {array.shape}, expected {dtype} {shape}")
            loaded.setdefault(place, {})[slot] = array.copy()
        for place, state in loaded.items():
            for slot in (*self.slots, "steps"):
                if slot not in state:
                    raise ValueError(f"optimizer state '{place}/{slot}' is missing: another optimizer saved it")
        self.state = loaded

    def config(self) -> dict[str, Any]:
        """The class and its settings, as JSON can hold them."""
        for name in inspect.signature(type(self)).parameters:
            if not hasattr(self, name):
                raise ValueError(f"{type(self).__name__} cannot be described: keep its argument {name} as self.{name}")
        return {"optimizer": type(self).__name__} | self._arguments()

    def _arguments(self) -> dict[str, Any]:
        names = [name for name in inspect.signature(type(self)).parameters if name not in ("model", "loss")]
        values = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self._arguments().items()]
        return f"{type(self).__name__}({', '.join(shown)})"


def _split(w: np.ndarray, g: Any, state: tuple[np.ndarray, ...], settings: Settings, most: int) -> list[Piece]:
    """One parameter's update in pieces of at most `most` numbers, or one entry of the first axis if larger."""
    if isinstance(g, RowGradient):
        starts, size = _starts(g.values, most)
        return [Piece(w, g.values[i : i + size], state, g.rows[i : i + size], settings) for i in starts]
    if w.size <= most:
        return [Piece(w, g, state, None, settings)]
    if w.flags.c_contiguous:  # otherwise reshape would copy, and the update be lost
        w, g, state = w.reshape(-1), g.reshape(-1), tuple(array.reshape(-1) for array in state)
    starts, size = _starts(w, most)
    return [
        Piece(w[i : i + size], g[i : i + size], tuple(array[i : i + size] for array in state), None, settings)
        for i in starts
    ]


def _starts(array: np.ndarray, most: int) -> tuple[range, int]:
    size = max(1, most * len(array) // max(1, array.size))
    return range(0, len(array), size), size
