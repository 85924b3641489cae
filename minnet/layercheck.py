"""Holds a layer to the whole contract that its users rely on: shapes, types, modes, copies, and every gradient."""

from __future__ import annotations

import copy
import functools
import json
import warnings
from typing import Any

import numpy as np
import scipy.sparse

from minnet.contract import ContractError, Run, cast, doubled, equal, global_generator, is_float, layouts, near
from minnet.gradcheck import gradcheck, restarter
from minnet.gradients import overwriting
from minnet.layers.base import Layer, RowGradient
from minnet.layers.description import rebuild
from minnet.places import unnamed


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
    if not np.isfinite(x.data if scipy.sparse.issparse(x) else x).all():
        raise ValueError("check_layer needs finite numbers: x holds NaN or infinity")
    known = {cls.__name__: cls for cls in (*classes, *(type(inner) for _, inner in layer.walk()))}
    run = Run(layer, seed)
    for dtype in (np.float32, np.float64):
        for training in (True, False):
            _check_types_and_copies(run, cast(x, dtype), dtype, training)
    x = cast(x, np.float64)
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


def _check_types_and_copies(run: Run, x: Any, dtype: Any, training: bool) -> None:
    layer = run.fresh(training, dtype)
    restart = restarter(layer)
    x_before = copy.deepcopy(x)
    parameters = {place: array.copy() for place, array in layer.named_parameters().items()}
    held = {place: dict(vars(inner)) for place, inner in layer.walk()}
    global_state = global_generator()
    y = layer.forward(x)
    run.expect(y is not None, "forward returned None: is its return missing?")
    run.expect(isinstance(y, np.ndarray) and y.shape[:1] == x.shape[:1], f"forward turns {x.shape} into "
               f"{np.shape(y)}: the first axis is the batch")  # fmt: skip
    run.expect(y.dtype == dtype, f"forward turns {np.dtype(dtype)} into {y.dtype}")
    kept, dy = y.copy(), run.dy(y)
    dy_before = dy.copy()
    with overwriting(ContractError):
        dx = layer.backward(dy)
    run.expect(equal(x, x_before), "forward or backward wrote into x")
    run.expect(np.array_equal(dy, dy_before), "backward wrote into dy")
    run.expect(np.array_equal(y, kept), "backward wrote into the y that forward had returned")
    for place, array in layer.named_parameters().items():
        run.expect(np.array_equal(array, parameters[place]), f"{place} was changed: only the optimizer updates")
    if is_float(x):
        run.expect(dx is not None and dx.shape == x.shape, f"dx has the shape {np.shape(dx)}, x has {x.shape}")
        run.expect(dx.dtype == dtype, f"backward turns {np.dtype(dtype)} into {dx.dtype}")
    for place, inner in layer.walk():
        lost = unnamed(inner, held.get(place, {}))
        run.expect(lost is None, f"{place}{lost} has a gradient and is not named in `parameters`: nobody trains it")
    for place, owner, name in layer.trainable():
        gradient = getattr(owner, "d" + name, None)
        run.expect(gradient is not None, f"backward set no gradient for {place}")
        values = gradient.values if isinstance(gradient, RowGradient) else np.asarray(gradient)
        run.expect(values.dtype == dtype, f"the gradient of {place} is {values.dtype} in a layer of {np.dtype(dtype)}")
        if not isinstance(gradient, RowGradient):
            run.expect(values.shape == getattr(owner, name).shape, f"the gradient of {place} has shape {values.shape}")
    dx_kept = copy.deepcopy(dx)
    restart()
    again = layer.forward(doubled(x))
    layer.backward(-dy)
    run.expect(not np.shares_memory(y, again) and np.array_equal(y, kept), "the next forward overwrote the last y")
    run.expect(np.array_equal(dx, dx_kept), "the next backward overwrote the last dx")
    run.expect(global_generator() == global_state, "it draws from NumPy's global generator")
    if layer.named_parameters() and is_float(x):
        other = x.astype(np.float16)
        promise, cure = "an input of another dtype has to raise ValueError", "begin forward with self._expect_dtype(x)"
        run.raises(lambda: layer.forward(other), (ValueError,), promise, cure)


def _check_order_of_calls(run: Run, x: Any) -> None:
    layer = run.fresh()
    y = run.fresh().forward(x)
    promise, cure = "backward before forward has to raise", "begin backward with kept = self._recall()"
    run.raises(lambda: layer.backward(run.dy(y)), (RuntimeError, ValueError), promise, cure)
    layer = run.fresh()
    y = layer.forward(x)
    for wrong in (np.zeros((*y.shape, 1)), np.zeros((y.shape[0] + 1, *y.shape[1:]))):
        promise = f"dy of shape {wrong.shape} for y {y.shape} has to raise ValueError"
        cure = "in backward, call self._expect_dy(dy, shape) with the shape of y"
        run.raises(functools.partial(layer.backward, wrong), (ValueError,), promise, cure)
    dy = run.dy(y)
    first = run.results(run.fresh(), x, dy)
    layer = run.fresh()
    layer.forward(x)
    layer.backward(-3 * dy)
    layer.backward(dy)
    run.same(run.gradients(layer, dy), first, "when backward is called again", exact=True)


def _check_modes(run: Run, x: Any) -> None:
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


def _check_frozen(run: Run, x: Any) -> None:
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
                promise = f"a gradient of {place + name} appears {when}: set d{name} only if self._learns({name!r})"
                run.expect(getattr(inner, "d" + name, None) is None, promise)


def _check_replica(run: Run, x: Any) -> None:
    layer = run.fresh()
    before = run.results(run.fresh(), x)
    twin = layer.replica()
    shared = layer.named_parameters()
    for place, array in twin.named_parameters().items():
        run.expect(array is shared[place], f"a replica has a {place} of its own: it must share parameters")
    first = run.results(layer, x)
    twin.forward(doubled(x))
    twin.backward(run.dy(first["y"]))
    for kind in ("parameters", "buffers"):
        shared = layer._named(kind)
        for place, array in twin._named(kind).items():
            promise = f"forward assigns the {kind[:-1]} {place} anew, and other replicas keep the old one"
            run.expect(array is shared[place], f"{promise}: write into it, [...] =")
    gradients = layer.named_gradients()
    for place, gradient in twin.named_gradients().items():
        run.expect(gradient is not gradients[place], f"a replica shares the gradient of {place}")
    after = {"dx": layer.backward(run.dy(first["y"]))}
    run.same({"dx": first["dx"]} if "dx" in first else {}, after, "after a replica ran in between", exact=True)
    run.same(before, first, "in a copy of the same layer", exact=True)


def _check_description(run: Run, x: Any, known: dict[str, type[Layer]]) -> None:
    try:
        config = run.layer.config()
        read = json.loads(json.dumps(config))
    except (TypeError, ValueError) as error:
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


def _check_memory_layouts(run: Run, x: Any) -> None:
    if scipy.sparse.issparse(x):
        return
    for dtype in (np.float64, np.float32):  # some layers have a path of their own for float32
        x = cast(x, dtype)
        expected = run.results(run.fresh(dtype=dtype), x)
        dy = run.dy(expected["y"])
        for kind, strange in layouts(x):
            run.same(expected, run.results(run.fresh(dtype=dtype), strange, dy), f"for {kind} input")
        for kind, strange in layouts(dy):
            run.same(expected, run.results(run.fresh(dtype=dtype), x, strange), f"for a {kind} dy")


def _check_small_batches(run: Run, x: Any) -> None:
    for count, what in ((1, "a single example"), (0, "an empty batch")):
        for training in (True, False):
            layer = run.fresh(training)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    y = layer.forward(x[:count])
                except ValueError as error:
                    run.expect(len(str(error)) > 20, f"{what} raises without saying why")
                    continue
                except Exception as error:
                    raise run.broken(f"{what} gives {type(error).__name__}: {error}") from error
                run.expect(len(y) == count, f"{what} gives {len(y)} outputs")
                try:  # a forward that took it has no reason to refuse it on the way back
                    found = {"y": y, **run.gradients(layer, run.dy(y))}
                except Exception as error:
                    raise run.broken(f"{what} gives {type(error).__name__} in backward: {error}") from error
            run.expect(all(np.isfinite(array).all() for array in found.values()), f"{what} gives NaN or infinity")
            if is_float(x):
                run.expect(found["dx"].shape == x[:count].shape, f"{what}: dx has the shape {found['dx'].shape}")


def _check_permutation(run: Run, x: Any) -> None:
    order = np.random.default_rng(run.seed).permutation(x.shape[0])
    y = run.fresh(training=False).forward(x)
    run.expect(
        near(y[order], run.fresh(training=False).forward(x[order])),
        "in evaluation an example's output depends on its place in the batch (or on the others)",
    )
    alone = run.fresh(training=False).forward(x[:1])
    run.expect(near(y[:1], alone), "in evaluation an example's output depends on the rest of the batch")
