"""Holds a layer to the whole contract that its users rely on: shapes, types, modes, copies, and every gradient."""

from __future__ import annotations

import copy
import functools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse

from minnet.gradcheck import gradcheck, restarter
from minnet.layers.base import Layer, RowGradient
from minnet.layers.description import rebuild


class ContractError(ValueError):
    """A layer does not do what every layer promises; the message says which promise."""


def check_layer(
    layer: Layer,
    x: Any,
    *,
    seed: int = 0,
    tolerance: float = 1e-8,
    equivariant: bool = True,
    gradients: bool = True,
    classes: tuple[type[Layer], ...] = (),
) -> None:
    """Raises ContractError or GradientError unless `layer` keeps its promises on the batch `x` (N >= 2).

    equivariant: False for a layer whose evaluation mixes the examples of a batch. gradients: False leaves the
    gradient checks in both modes out, the slow part. classes: what `rebuild` may need besides type(layer).
    The check works on copies: `layer` and `x` stay as they are.
    """
    if x.shape[0] < 2:
        raise ValueError(f"check_layer needs a batch of at least two examples, got {x.shape}")
    known = {cls.__name__: cls for cls in (*classes, *(type(inner) for _, inner in layer.walk()))}
    run = _Run(layer, seed)
    for dtype in (np.float32, np.float64):
        for training in (True, False):
            _check_types_and_copies(run, _cast(x, dtype), dtype, training)
    x = _cast(x, np.float64)
    _check_order_of_calls(run, x)
    _check_modes(run, x)
    _check_frozen(run, x)
    _check_replica(run, x)
    _check_description(run, x, known)
    _check_memory_layouts(run, x)
    _check_small_batches(run, x)
    if equivariant:
        _check_permutation(run, x)
    if gradients:
        for training in (True, False):
            gradcheck(copy.deepcopy(layer).train(training), x, seed=seed, tolerance=tolerance)


class _Run:
    """Fresh copies of one layer, and one way to run them."""

    def __init__(self, layer: Layer, seed: int) -> None:
        self.layer, self.seed = layer, seed
        self.name = repr(layer) if "\n" not in repr(layer) else type(layer).__name__

    def fresh(self, training: bool = True, dtype: Any = np.float64) -> Layer:
        twin = copy.deepcopy(self.layer).astype(dtype).train(training)
        twin.need_dx(True)
        for _, inner in twin.walk():
            for name in inner.parameters:
                vars(inner).pop("d" + name, None)
        return twin

    def dy(self, y: np.ndarray) -> np.ndarray:
        return np.random.default_rng(self.seed).standard_normal(y.shape).astype(y.dtype)

    def results(self, layer: Layer, x: Any, dy: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """y, dx and the gradients of one forward and backward, copied."""
        y = layer.forward(x)
        found = {"y": y, "dx": layer.backward(self.dy(y) if dy is None else dy)}
        for place, owner, name in layer.trainable():
            gradient = getattr(owner, "d" + name, None)
            if isinstance(gradient, RowGradient):
                gradient = gradient.dense(getattr(owner, name).shape)
            found["gradient of " + place] = gradient
        return {name: np.array(array) for name, array in found.items() if array is not None}

    def broken(self, promise: str) -> ContractError:
        return ContractError(f"{self.name}: {promise}")

    def expect(self, kept: bool, promise: str) -> None:
        if not kept:
            raise self.broken(promise)

    def same(self, a: dict[str, np.ndarray], b: dict[str, np.ndarray], when: str, exact: bool = False) -> None:
        for name in a:
            self.expect(name in b and a[name].shape == b[name].shape, f"{name} is missing or of another shape {when}")
            near = np.array_equal(a[name], b[name], equal_nan=True) if exact else _near(a[name], b[name])
            self.expect(near, f"{name} differs {when}")

    def raises(self, call: Callable[[], Any], kinds: tuple[type[Exception], ...], promise: str) -> None:
        try:
            call()
        except kinds:
            return
        except Exception as error:
            raise self.broken(f"{promise}, got {type(error).__name__}: {error}") from error
        raise self.broken(f"{promise}, nothing was raised")


def _check_types_and_copies(run: _Run, x: Any, dtype: Any, training: bool) -> None:
    layer = run.fresh(training, dtype)
    restart = restarter(layer)
    x_before = copy.deepcopy(x)
    parameters = {place: array.copy() for place, array in layer.named_parameters().items()}
    global_state = _global_generator()
    y = layer.forward(x)
    run.expect(isinstance(y, np.ndarray) and y.shape[:1] == x.shape[:1], f"forward turns {x.shape} into "
               f"{np.shape(y)}: the first axis is the batch")  # fmt: skip
    run.expect(y.dtype == dtype, f"forward turns {np.dtype(dtype)} into {y.dtype}")
    kept, dy = y.copy(), run.dy(y)
    dy_before = dy.copy()
    dx = layer.backward(dy)
    run.expect(_equal(x, x_before), "forward or backward wrote into x")
    run.expect(np.array_equal(dy, dy_before), "backward wrote into dy")
    run.expect(np.array_equal(y, kept), "backward wrote into the y that forward had returned")
    for place, array in layer.named_parameters().items():
        run.expect(np.array_equal(array, parameters[place]), f"{place} was changed: only the optimizer updates")
    if _is_float(x):
        run.expect(dx is not None and dx.shape == x.shape, f"dx has the shape {np.shape(dx)}, x has {x.shape}")
        run.expect(dx.dtype == dtype, f"backward turns {np.dtype(dtype)} into {dx.dtype}")
    for place, owner, name in layer.trainable():
        gradient = getattr(owner, "d" + name, None)
        run.expect(gradient is not None, f"backward set no gradient for {place}")
        values = gradient.values if isinstance(gradient, RowGradient) else np.asarray(gradient)
        run.expect(values.dtype == dtype, f"the gradient of {place} is {values.dtype} in a layer of {np.dtype(dtype)}")
        if not isinstance(gradient, RowGradient):
            run.expect(values.shape == getattr(owner, name).shape, f"the gradient of {place} has shape {values.shape}")
    dx_kept = None if dx is None else dx.copy()
    restart()
    again = layer.forward(_doubled(x))
    layer.backward(-dy)
    run.expect(not np.shares_memory(y, again) and np.array_equal(y, kept), "the next forward overwrote the last y")
    run.expect(dx is None or dx_kept is None or np.array_equal(dx, dx_kept), "the next backward overwrote the last dx")
    run.expect(_global_generator() == global_state, "it draws from NumPy's global generator")
    if layer.named_parameters() and _is_float(x):
        other = x.astype(np.float16)
        run.raises(lambda: layer.forward(other), (ValueError,), "an input of another dtype has to raise ValueError")


def _check_order_of_calls(run: _Run, x: Any) -> None:
    layer = run.fresh()
    y = run.fresh().forward(x)
    run.raises(lambda: layer.backward(run.dy(y)), (RuntimeError, ValueError), "backward before forward has to raise")
    layer = run.fresh()
    y = layer.forward(x)
    for wrong in (np.zeros((*y.shape, 1)), np.zeros((y.shape[0] + 1, *y.shape[1:]))):
        promise = f"dy of shape {wrong.shape} for y {y.shape} has to raise ValueError"
        run.raises(functools.partial(layer.backward, wrong), (ValueError,), promise)
    dy = run.dy(y)
    first = run.results(run.fresh(), x, dy)
    layer = run.fresh()
    layer.forward(x)
    layer.backward(-3 * dy)
    layer.backward(dy)
    second = {"dx": layer.backward(dy)} | {"gradient of " + p: g for p, g in layer.named_gradients().items()}
    dense = {
        name: value.dense(layer.named_parameters()[name[len("gradient of ") :]].shape)
        if isinstance(value, RowGradient)
        else value
        for name, value in second.items()
        if value is not None
    }
    run.same(dense, first, "when backward is called again", exact=True)


def _check_modes(run: _Run, x: Any) -> None:
    layer = run.fresh(training=False)
    before = {place: array.copy() for place, array in layer.named_buffers().items()}
    first = run.results(layer, x)
    for place, array in layer.named_buffers().items():
        run.expect(np.array_equal(array, before[place]), f"evaluation changed the buffer {place}")
    run.same(first, run.results(layer, x), "between two evaluations of the same input", exact=True)
    run.expect(all(not inner.training for _, inner in layer.walk()), "forward or backward switched to training mode")
    reference = run.results(run.fresh(), x)
    layer = run.fresh()
    restart = restarter(layer)
    layer.eval()
    layer.forward(x)
    layer.train()
    restart()
    run.same(reference, run.results(layer, x), "after an evaluation in between", exact=True)


def _check_frozen(run: _Run, x: Any) -> None:
    names = sorted({name for _, _, name in run.layer.trainable()})
    free = run.results(run.fresh(), x)
    unread = run.fresh()
    unread.need_dx(False)
    found = run.results(unread, x)
    run.same({name: array for name, array in free.items() if name != "dx"}, found, "when nobody needs dx")
    for frozen in [None, *names]:
        layer = run.fresh()
        for _, inner in layer.walk():
            if frozen is None or frozen in inner.parameters:
                inner.frozen = inner.parameters if frozen is None else (frozen,)
        found = run.results(layer, x)
        when = "when parameters are frozen" if frozen is None else f"when {frozen} is frozen"
        run.same({name: array for name, array in free.items() if name in found}, found, when)
        if "dx" in free:
            run.expect("dx" in found, f"dx is missing {when}")
        for place, inner, name in layer.trainable():
            run.expect(getattr(inner, "d" + name, None) is not None, f"the gradient of {place} is missing {when}")
        for place, inner in layer.walk():
            for name in inner.frozen:
                run.expect(getattr(inner, "d" + name, None) is None, f"a gradient of {place + name} appears {when}")


def _check_replica(run: _Run, x: Any) -> None:
    layer = run.fresh()
    before = run.results(run.fresh(), x)
    twin = layer.replica()
    shared = layer.named_parameters()
    for place, array in twin.named_parameters().items():
        run.expect(array is shared[place], f"a replica has a {place} of its own: it must share parameters")
    first = run.results(layer, x)
    twin.forward(_doubled(x))
    twin.backward(run.dy(first["y"]))
    gradients = layer.named_gradients()
    for place, gradient in twin.named_gradients().items():
        run.expect(gradient is not gradients[place], f"a replica shares the gradient of {place}")
    after = {"dx": layer.backward(run.dy(first["y"]))}
    run.same({"dx": first["dx"]} if "dx" in first else {}, after, "after a replica ran in between", exact=True)
    run.same(before, first, "in a copy of the same layer", exact=True)


def _check_description(run: _Run, x: Any, known: dict[str, type[Layer]]) -> None:
    config = run.layer.config()
    try:
        read = json.loads(json.dumps(config))
    except TypeError as error:
        raise run.broken(f"config() is not JSON: {error}") from None
    twin = rebuild(read, known)
    run.expect(repr(twin) == repr(run.layer), f"rebuilding turns {run.layer!r} into {twin!r}")
    for kind in ("named_parameters", "named_buffers"):
        shapes = [{p: a.shape for p, a in getattr(layer, kind)().items()} for layer in (run.layer, twin)]
        run.expect(shapes[0] == shapes[1], f"rebuilding changes the arrays from {shapes[0]} to {shapes[1]}")
    for switch in ("bias", "affine"):
        if config.get(switch) is True:
            twin = rebuild({**read, switch: False}, known).astype(np.float64)
            names = [name for name in twin.parameters if getattr(twin, name) is None]
            run.expect(bool(names), f"with {switch}=False no parameter is None")
            found = run.results(twin, x)
            run.expect(not any("gradient of " + name in found for name in names), "a None parameter has a gradient")


def _check_memory_layouts(run: _Run, x: Any) -> None:
    if scipy.sparse.issparse(x):
        return
    for dtype in (np.float64, np.float32):  # some layers have a path of their own for float32
        x = _cast(x, dtype)
        expected = run.results(run.fresh(dtype=dtype), x)
        dy = run.dy(expected["y"])
        for kind, strange in _layouts(x):
            run.same(expected, run.results(run.fresh(dtype=dtype), strange, dy), f"for {kind} input")
        for kind, strange in _layouts(dy):
            run.same(expected, run.results(run.fresh(dtype=dtype), x, strange), f"for a {kind} dy")


def _layouts(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "transposed (Fortran order)", np.asfortranarray(array)
    wide = np.repeat(array, 2, axis=-1)
    yield "strided", wide[..., ::2]
    yield "reversed", np.ascontiguousarray(array[::-1])[::-1]
    read_only = array.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only


def _check_small_batches(run: _Run, x: Any) -> None:
    for count, what in ((1, "a single example"), (0, "an empty batch")):
        for training in (True, False):
            layer = run.fresh(training)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    found = run.results(layer, x[:count])
                except ValueError as error:
                    run.expect(len(str(error)) > 20, f"{what} raises without saying why")
                    continue
                except Exception as error:
                    raise run.broken(f"{what} gives {type(error).__name__}: {error}") from error
            run.expect(len(found["y"]) == count, f"{what} gives {len(found['y'])} outputs")
            run.expect(all(np.isfinite(array).all() for array in found.values()), f"{what} gives NaN or infinity")
            if _is_float(x):
                run.expect(found["dx"].shape == x[:count].shape, f"{what}: dx has the shape {found['dx'].shape}")


def _check_permutation(run: _Run, x: Any) -> None:
    order = np.random.default_rng(run.seed).permutation(x.shape[0])
    y = run.fresh(training=False).forward(x)
    run.expect(
        _near(y[order], run.fresh(training=False).forward(x[order])),
        "in evaluation an example's output depends on its place in the batch (or on the others)",
    )
    alone = run.fresh(training=False).forward(x[:1])
    run.expect(_near(y[:1], alone), "in evaluation an example's output depends on the rest of the batch")


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    room = 1e-11 if a.dtype == np.float64 else 1e-4
    return a.shape == b.shape and np.allclose(a, b, rtol=100 * room, atol=room * np.abs(a).max(initial=1.0))


def _equal(a: Any, b: Any) -> bool:
    if scipy.sparse.issparse(a):
        return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("data", "indices", "indptr"))
    return np.array_equal(a, b)


def _is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if scipy.sparse.issparse(x) or _is_float(x) else x


def _doubled(x: Any) -> Any:
    """Another batch of the same shape."""
    return x * 2 if scipy.sparse.issparse(x) or _is_float(x) else x[::-1].copy()


def _global_generator() -> str:
    """All of the state of NumPy's global generator: most draws change only its position."""
    return str([np.asarray(part).tolist() for part in np.random.get_state()])  # noqa: NPY002
