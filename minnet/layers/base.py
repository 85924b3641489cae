"""A layer is one differentiable step: forward computes, backward sends the error back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minnet.layers import description, hints
from minnet.layers.description import expect_array, expect_output, named
from minnet.layers.row_gradient import RowGradient as RowGradient

_PLAIN = {type(None), bool, int, float, str, np.ndarray}  # what most attributes are, and no layer is in: a shortcut


class Step(NamedTuple):
    """One plain layer passed by a forward pass."""

    place: str
    layer: Layer
    x_shape: tuple[int, ...]
    y: np.ndarray


class Layer:
    """Base of all layers.

    A subclass names its arrays once in `parameters` (learned) and `buffers` (remembered, not learned), sets them as
    plain attributes, and writes `forward` and `backward`. The gradient of `W` is `dW`. It keeps its constructor's
    arguments as attributes of the same names, where `repr` and checkpoints read them. A class that derives from a layer
    with arrays adds to their names: `parameters = (*Linear.parameters, "scale")`.

        class Stretch(Layer):
            parameters = ("a",)

            def __init__(self):
                self.a = np.ones(1, np.float32)

            def forward(self, x):
                self._expect(x)  # raises for another dtype
                self._cache = x
                return self.a * x

            def backward(self, dy):
                x = self._recall()  # raises before forward
                self._expect_dy(dy, x.shape)
                if self._learns("a"):  # not when frozen
                    self.da = np.array([(dy * x).sum()])
                return self.a * dy

    What `forward` was given and what it returned must stay as it is until `backward` has run: layers keep the arrays,
    not copies. Training runs replicas of a layer, which share its parameters and buffers: to change one, write into it
    (`self.a[...] = value`). What a pass sets in any other attribute is lost with its replica. Layers that it keeps as
    attributes from `__init__` on, alone or in lists, tuples and dictionaries (three deep at most), are trained, saved
    and copied with it; its own passes call theirs. `minnet.layercheck.check_layer` checks all of this.

    Some attributes are set from outside where a layer has them:
    `rng` (Dropout), a Generator or None, set in `__init__`: a new one for every piece of every step;
    `workspace`, the scratch memory that all layers of a thread share, and `kept`, empty in one that only predicts
    (Conv2d); `mask` (GlobalAvgPool), by which a MaskedSequential says where tokens are; and beside a method
    `update_running`, `notes`, the pieces' statistics to be pooled, and `exchange`, to share them in a step (BatchNorm).
    """

    parameters: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    training = True
    frozen: tuple[str, ...] = ()  # names of parameters that neither get gradients nor updates
    in_rows = False  # True where the gradient of a table is a RowGradient whatever the input
    needs_dx = True  # False for the first layer of a model in training: nobody reads its dx
    _cache: Any = None

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        for kind in ("parameters", "buffers"):
            names = getattr(cls, kind)
            if not (isinstance(names, tuple) and all(isinstance(name, str) for name in names)):
                raise ValueError(
                    f'{cls.__name__}.{kind} is a tuple of names such as ("W", "b") or ("W",), got {names!r}'
                )
            for base in cls.__bases__:
                if lost := [name for name in getattr(base, kind, ()) if name not in names]:
                    raise ValueError(
                        f"{cls.__name__}.{kind} leaves out {lost[0]!r} of {base.__name__}, which nobody would save: "
                        f"write {kind} = (*{base.__name__}.{kind}, ...)"
                    )
        if shared := [name for name, value in vars(cls).items() if _inside(name, value)]:
            raise ValueError(f"{cls.__name__}.{shared[0]} is one layer for all of its class: make it in __init__")
        if "forward" in vars(cls) and "trace" not in vars(cls):  # an inherited trace would pass by the new forward
            cls.trace = Layer.trace  # type: ignore[method-assign]

    def __init__(self) -> None:
        """A layer without settings."""

    def forward(self, x: Any) -> np.ndarray:
        """The layer's output for a batch `x`; keeps what `backward` needs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: np.ndarray) -> Any:
        """From dL/dy: sets the gradients of the parameters, returns dL/dx (None if nobody needs it)."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    # -- what a layer is made of ---------------------------------------------------------------------------

    def children(self) -> dict[str, Layer]:
        """The layers directly inside this one, by name: attributes, and items of attributes as "blocks.0"."""
        found: dict[str, Layer] = {}
        for name, value in list(vars(self).items()):  # another thread may be giving it a gradient
            if type(value) not in _PLAIN and name != "_cache":
                found |= _inside(name, value)
        return found

    def walk(self, place: str = "") -> Iterator[tuple[str, Layer]]:
        """This layer and all inside it, each with the prefix of its parameters' names ("0.", "3.body.1.").

        Raises ValueError when one layer stands at two places: its two gradients would overwrite each other.
        """
        yield from self._walk(place, {})

    def _walk(self, place: str, seen: dict[int, str]) -> Iterator[tuple[str, Layer]]:
        if id(self) in seen:
            raise ValueError(
                f"{self!r} stands in the model twice (at '{seen[id(self)]}' and '{place}'): its second backward would "
                "overwrite the gradients of the first. Make two layers, or one that uses W twice and adds up both dW."
            )
        seen[id(self)] = place
        yield place, self
        for name, child in self.children().items():
            yield from child._walk(f"{place}{name}.", seen)

    def named_parameters(self) -> dict[str, np.ndarray]:
        """Every parameter by place, {"0.W": ..., "0.b": ...}, no copies; None parameters are left out."""
        return self._named("parameters")

    def named_buffers(self) -> dict[str, np.ndarray]:
        """Every array that is remembered but not learned (running statistics), by place; no copies."""
        return self._named("buffers")

    def _named(self, kind: str) -> dict[str, np.ndarray]:
        arrays = ((place + name, getattr(layer, name)) for place, layer in self.walk() for name in getattr(layer, kind))
        return {place: expect_array(place, array) for place, array in arrays if array is not None}

    def trainable(self) -> Iterator[tuple[str, Layer, str]]:
        """(place, layer, name) of every parameter that is neither None nor frozen, in a fixed order."""
        for place, layer in self.walk():
            for name in layer.parameters:
                if layer._learns(name):
                    yield place + name, layer, name

    def named_gradients(self) -> dict[str, np.ndarray | RowGradient]:
        """The gradients that the last `backward` left, by the place of their parameter; RuntimeError where none is.

        For a batch in pieces, give the loss the whole batch's `denominator` each time, add up what this gives, and set
        the sums before the optimizer's step: `setattr(layer, "d" + name, ...)` over `trainable()`.
        """
        found: dict[str, Any] = {place: getattr(layer, "d" + name, None) for place, layer, name in self.trainable()}
        if missing := [place for place, gradient in found.items() if gradient is None]:
            raise RuntimeError(f"'{missing[0]}' has no gradient: call backward first, or freeze what does not learn")
        return found

    def learns(self) -> bool:
        """Whether any parameter of this layer, or of those in it, learns."""
        return any(map(self._learns, self.parameters)) or any(layer.learns() for layer in self.children().values())

    def _learns(self, name: str) -> bool:
        return getattr(self, name) is not None and name not in self.frozen

    @property
    def dtype(self) -> np.dtype | None:
        """The dtype this layer computes in: that of its floating-point arrays; None for one that keeps its input's."""
        for name in self.parameters + self.buffers:
            array = getattr(self, name)
            if array is not None and array.dtype.kind == "f":
                return array.dtype
        return None

    # -- modes ---------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Layer:
        """Switches dropout, batch statistics and the like on (off with `mode=False`), inside too; returns itself."""
        self.training = mode
        for child in self.children().values():
            child.train(mode)
        return self

    def eval(self) -> Layer:
        """Switches to the deterministic behaviour of a trained network; returns itself."""
        return self.train(False)

    def freeze(self, *names: str) -> Layer:
        """Keeps parameters as they are (all of this layer and its children, or those of its own named); returns itself.

        In training batch norms go on normalising by their batches, and measuring them. A new head on a network that
        stands still is trained alone, on what `training.predict` says that the network gives.
        """
        for _, layer in [("", self)] if names else self.walk():
            if unknown := [name for name in names if name not in layer.parameters]:
                own = ", ".join(self.parameters) or "none of its own: freeze those of a layer in it, model[0].freeze()"
                raise ValueError(f"{named(self)} has no parameter {unknown[0]!r}; it has {own}")
            layer.frozen = tuple(dict.fromkeys((*layer.frozen, *(names or layer.parameters))))
        return self

    def unfreeze(self) -> Layer:
        """Lets every parameter learn again; returns itself."""
        for _, layer in self.walk():
            layer.frozen = ()
        return self

    def need_dx(self, needed: bool) -> None:
        """Says whether anybody will read what `backward` returns (in training nobody reads a model's dx)."""
        self.needs_dx = needed

    def astype(self, dtype: Any) -> Layer:
        """Converts every parameter and buffer in place to float32 or float64 (for gradient checks); returns itself.

        Integers and truth values (indices, masks) stay. Raises ValueError for another dtype: the fast routines know
        these two.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"minnet computes in float32 or float64, not in {np.dtype(dtype)}")
        for _, layer in self.walk():
            for name in layer.parameters + layer.buffers:
                array = getattr(layer, name)
                if array is not None and array.dtype.kind == "f":
                    setattr(layer, name, array.astype(dtype))
            layer._cache = None
        return self

    def replica(self) -> Any:
        """A second view of the same network for another thread: it shares every parameter and buffer, and has
        gradients, cache and workspace of its own, and replicas of the layers in it."""
        twin: Any = copy.copy(self)
        twin._cache = None
        for name in self.parameters:
            vars(twin).pop("d" + name, None)
        inside = self.children().values()
        if inside:
            held = Layer.children(self)
            twins: dict[int, Any] = {id(layer): layer for layer in held.values()}  # shared, if children() leaves it out
            if type(self).replica is Layer.replica and any(id(layer) not in twins for layer in inside):
                raise NotImplementedError(
                    f"{type(self).__name__} holds layers where replica() does not find them, and workers would write "
                    "into the same ones: keep them as attributes, or in lists, tuples and dictionaries"
                )
            twins |= {id(layer): layer.replica() for layer in inside}
            for name in {place.partition(".")[0] for place in held}:
                vars(twin)[name] = copy.deepcopy(vars(self)[name], twins)  # a list anew, the replicas in it
        return twin

    # -- checks --------------------------------------------------------------------------------------------

    def _expect(self, x: Any, features: int | None = None, channels: int | None = None) -> None:
        """Raises ValueError unless `x` is a batch (N, features) or of images (N, H, W, channels) in our dtype."""
        if not isinstance(x, np.ndarray) or isinstance(x, (np.matrix, np.ma.MaskedArray)):
            raise ValueError(f"{self!r} expects a NumPy array, got {type(x).__name__}: {hints.array(x)}")
        if features is not None and (x.ndim != 2 or x.shape[1] != features):
            raise ValueError(f"{self!r} expects (N, {features}), got {x.shape}: {hints.features(x.shape, features)}")
        if channels is not None and (x.ndim != 4 or x.shape[3] != channels):
            hint = hints.channels(x.shape, channels)
            raise ValueError(f"{self!r} expects (N, H, W, {channels}), got {x.shape}: {hint}")
        self._expect_dtype(x)

    def _expect_dtype(self, x: Any) -> None:
        if self.dtype is not None and x.dtype != self.dtype:
            model = f", or the model with model.astype(np.{x.dtype})" if x.dtype in (np.float32, np.float64) else ""
            cure = f"cast the input with x.astype(np.{self.dtype}){model}"
            raise ValueError(f"{self!r} computes in {self.dtype}, got {x.dtype}: {cure}")
        if self.dtype is None and x.dtype.type not in (np.float32, np.float64):
            raise ValueError(f"{self!r} expects float32 or float64, got {x.dtype}: cast with x.astype(np.float32)")

    def _recall(self) -> Any:
        """What `forward` kept for `backward`; raises RuntimeError when `forward` has not run."""
        if self._cache is None:
            raise RuntimeError(f"{self!r}: backward before forward, so there is nothing to differentiate")
        return self._cache

    def _expect_dy(self, dy: Any, shape: tuple[int, ...]) -> None:
        """Raises ValueError unless `dy` is an array of `shape`, that of the output."""
        got = dy.shape if isinstance(dy, np.ndarray) else f"{type(dy).__name__}: model.backward(loss.backward())"
        if got != shape:
            raise ValueError(f"{self!r}: backward expects dy of the output's shape {shape}, got {got}")

    # -- description ---------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The class and its constructor arguments, as JSON can hold them; `rebuild` turns it into a layer."""
        return description.config(self)

    # -- what a pass costs ---------------------------------------------------------------------------------

    def trace(self, x: Any, place: str = "") -> tuple[np.ndarray, list[Step]]:
        """A forward pass that also lists, for each plain layer passed, where it stands and what came out."""
        y = self.forward(x)
        expect_output(self, y)
        return y, [Step(place.rstrip("."), self, x.shape, y)]

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """How many multiplications (each with an addition) a forward pass takes in matrix products."""
        return 0

    def summary(self, input_shape: Any, batch_size: int = 1) -> str:
        """Layers, output shapes, parameters, multiply-adds and memory as a table, see minnet.summary."""
        from minnet.summary import summary  # it stands above the layers, and imports them

        return summary(self, input_shape, batch_size)

    def __repr__(self) -> str:
        return description.shown(self)


def _inside(place: str, value: Any, depth: int = 3) -> dict[str, Layer]:
    """The layers in an attribute's value by place, as {"blocks.0.1": ...} in a list of lists; deeper ones no more."""
    if isinstance(value, Layer):
        return {place: value}
    if depth == 0 or not isinstance(value, (list, tuple, dict)):
        return {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    deeper = (_inside(f"{place}.{key}", item, depth - 1) for key, item in items if type(item) not in _PLAIN)
    return {name: layer for part in deeper for name, layer in part.items()}
