"""Holds every gradient against a measured one, and says what kind of mistake it sees where they differ."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from minnet.claims import Checked, GradientError, as_float64, check_gradient
from minnet.contract import cast, equal, fresh, is_float
from minnet.differences import grain
from minnet.gradients import overwriting
from minnet.layers.base import Layer, RowGradient
from minnet.losses import Loss

__all__ = ["Checked", "GradientError", "check_gradient", "gradcheck", "gradcheck_loss"]


def gradcheck(
    layer: Layer, x: Any, *, dy: np.ndarray | None = None, seed: int = 0, tolerance: float = 1e-8
) -> dict[str, Checked]:
    """Checks the gradient of every parameter and of the input of `layer` at the batch `x`, in float64.

    x: an array (N, ...), a SciPy sparse matrix or integers; of the last two only the parameters are checked.
    The loss is L = sum(dy * y) with a random dy: an upstream gradient of ones would hide many mistakes.
    The check works on a copy in float64: `layer` stays as it is. Layers that draw random numbers draw the same
    ones in every evaluation. Returns what was checked by name ("x", "0.W", ...); raises GradientError.
    """
    layer = fresh(layer)
    name = _short(layer)
    x = cast(x if scipy.sparse.issparse(x) else np.array(x), np.float64)
    restart = restarter(layer)

    def forward() -> np.ndarray:
        restart()
        y = layer.forward(x)
        if y is None:
            raise GradientError(f"{name}: forward returned None: is its return missing?")
        return y

    x_before, arrays_before = copy.deepcopy(x), copy.deepcopy(layer.named_parameters())
    buffers_before = copy.deepcopy(layer.named_buffers())
    y = np.array(as_float64(forward(), f"{name}: forward"))
    _unchanged(name, {"x": x_before, **arrays_before}, {"x": x, **layer.named_parameters()})
    if not np.array_equal(y, forward(), equal_nan=True):
        moved = [place for place, array in layer.named_buffers().items() if not equal(array, buffers_before[place])]
        why = "does it draw without self.rng?"
        if moved:
            why = f"it moves the buffer {moved[0]}: use the batch's own statistics in training, or check layer.eval()"
        raise GradientError(f"{name}: forward gives another result for the same input; {why}")
    rng = np.random.default_rng((seed, 31))  # a stream of its own: x may have been drawn from default_rng(seed)
    dy = rng.standard_normal(y.shape) if dy is None else np.array(dy, np.float64)
    if dy.shape != y.shape:
        raise ValueError(f"dy must have the output's shape {y.shape}, got {dy.shape}")

    dy_before = dy.copy()
    with overwriting(GradientError):
        claimed = _claims(layer, layer.backward(dy))
    _unchanged(name, {"x": x_before, "dy": dy_before, **arrays_before}, {"x": x, "dy": dy, **layer.named_parameters()})
    _repeatable(name, claimed, lambda: _claims(layer, layer.backward(dy)))

    arrays = {place: getattr(owner, attribute) for place, owner, attribute in layer.trainable()}
    fixed = {place: getattr(owner, "padding_idx", None) for place, owner, _ in layer.trainable()}
    if is_float(x):
        arrays["x"] = x

    def results() -> dict[str, Any]:
        return {"y": forward(), **_claims(layer, layer.backward(dy))}

    _precise(name, results, list(arrays.values()), dy)
    context = {**layer.named_parameters(), "y": y, "dy": dy}
    if is_float(x):
        context["x"] = x
    tokens = x if isinstance(x, np.ndarray) and x.dtype.kind in "iu" else None
    report = {}
    for place, array in arrays.items():
        if claimed.get(place) is None:
            raise GradientError(f"{name}: backward {'returned no dx' if place == 'x' else f'set no {_d(place)}'}")

        report[place] = check_gradient(
            claimed[place], lambda _: forward(), array, dy=dy, name=f"{name}: {_d(place)}", batch=x.shape[0],
            context=context, tokens=tokens, fixed_row=fixed.get(place), rng=rng, tolerance=tolerance,
        )  # fmt: skip
    return report


def gradcheck_loss(
    loss: Any, logits: np.ndarray, targets: Any, *, seed: int = 0, tolerance: float = 1e-8, **arguments: Any
) -> dict[str, Checked]:
    """The same for a loss: `loss.forward(logits, targets, **arguments)` is a number, `loss.backward()` its dlogits.

    Checks the parameters of a loss that has some, too. arguments: weights, denominator. A `Loss` is also held to what
    it promises about these two: the loss and gradient of a batch are the sums of those of its parts.
    """
    loss = copy.deepcopy(loss)
    if isinstance(loss, Layer):
        loss.astype(np.float64)
    name = _short(loss)
    logits = np.array(logits, np.float64)
    restart = restarter(loss) if isinstance(loss, Layer) else lambda: None

    def forward() -> np.ndarray:
        restart()
        value = loss.forward(logits, targets, **arguments)
        if value is None:
            raise GradientError(f"{name}: forward returned None: is its return missing?")
        return np.asarray(value, np.float64)

    def claims() -> dict[str, Any]:
        dlogits = loss.backward()
        if dlogits is None:
            raise GradientError(f"{name}: backward returned nothing")
        found = _claims(loss, dlogits) if isinstance(loss, Layer) else {"x": np.array(dlogits)}
        found["logits"] = found.pop("x")
        return found

    given = {"logits": logits, "targets": targets, **arguments}
    before = copy.deepcopy(given)
    value = forward()
    if value.shape != ():
        raise GradientError(f"{name}: a loss is one number, forward returned an array of shape {value.shape}")
    claimed = claims()
    _unchanged(name, before, given)
    arrays = {"logits": logits}
    if isinstance(loss, Layer):
        arrays |= {place: getattr(owner, attribute) for place, owner, attribute in loss.trainable()}
    for place in arrays:
        if claimed.get(place) is None:
            raise GradientError(f"{name}: backward set no {_d(place)}")
    _repeatable(name, claimed, claims)
    report = {}
    for place, array in arrays.items():
        report[place] = check_gradient(
            claimed[place], lambda _: forward(), array, name=f"{name}: {_d(place)}", batch=len(logits),
            context={"x": logits}, rng=np.random.default_rng(seed), tolerance=tolerance,
        )  # fmt: skip
    if isinstance(loss, Loss):
        _adds_up(name, loss, restart, logits, np.asarray(targets))
    return report


def _adds_up(name: str, loss: Loss, restart: Callable[[], None], logits: np.ndarray, targets: np.ndarray) -> None:
    """A Trainer's workers add the losses and gradients of a batch's parts, which share its weights' denominator."""
    weights = np.linspace(1, 2, len(logits))
    denominator = loss.denominator(targets, weights)

    def run(rows: slice, w: np.ndarray, d: float) -> tuple[float, np.ndarray]:
        restart()
        return loss.forward(logits[rows], targets[rows], w[rows], d), np.array(loss.backward())

    def same(a: Any, b: Any) -> bool:
        size = np.abs(b[np.isfinite(b)]).max(initial=1e-290)  # denormal numbers have few digits
        return np.allclose(a, b, rtol=1e-8, atol=1e-8 * size, equal_nan=True)

    whole = run(slice(None), weights, denominator)
    half = len(logits) // 2
    parts = [run(rows, weights, denominator) for rows in (slice(half), slice(half, None)) if len(logits[rows])]
    doubled, divided = run(slice(None), 2 * weights, denominator), run(slice(None), weights, 2 * denominator)
    for index, part in enumerate(("forward", "backward")):
        value = np.asarray(whole[index])
        if not same(divided[index], value / 2):
            raise GradientError(f"{name}: {part} does not divide by the argument denominator")
        if not same(doubled[index], value * 2):
            raise GradientError(f"{name}: {part} does not multiply each example by its weight, the argument weights")
        of_parts = [part[index] for part in parts]
        if not same(np.concatenate(of_parts) if index else sum(of_parts), value):
            raise GradientError(f"{name}: {part} over a batch is not the sum over two parts of it")


def _precise(name: str, results: Callable[[], dict[str, Any]], arrays: list[np.ndarray], dy: np.ndarray) -> None:
    """Float32 arithmetic anywhere inside leaves results that move in steps of 1e-8 while everything is scaled."""

    def dense() -> dict[str, np.ndarray]:
        return {place: _plain(result) for place, result in results().items()}

    now = dense()
    inputs = max((float(np.abs(array[np.isfinite(array)]).max(initial=0)) for array in arrays), default=0.0)
    for place, step in grain(dense, [*arrays, dy]).items():
        size = float(np.abs(now[place][np.isfinite(now[place])]).max(initial=0))
        # where terms cancel, the rounding of the terms remains: measure it against them
        pushed = float(np.abs(dy).max(initial=0))
        size = max(size, inputs) if place == "y" else max(size, 1e-3 * pushed)
        large = 1e-13 * pushed * max(1.0, inputs) ** 3  # inputs of 30 make terms of thousands: scores times x times x
        if 1e-10 * size < step < 1e-5 * size and (place == "y" or step > large):
            raise GradientError(
                f"{name}: the precision is too low: rounding errors of {step / size:.0e} in "
                f"{'forward' if place == 'y' else _d(place)} where float64 leaves 1e-16; is float32 used inside?"
            )


def _claims(layer: Layer, dx: Any) -> dict[str, Any]:
    """Copies of dx and of all gradients of parameters, by name."""
    found: dict[str, Any] = {"x": None if dx is None else as_float64(dx, f"{_short(layer)}: dx").copy()}
    for place, owner, attribute in layer.trainable():
        gradient = getattr(owner, "d" + attribute, None)
        if gradient is not None:
            values = gradient.values if isinstance(gradient, RowGradient) else gradient
            as_float64(values, f"{_short(layer)}: {_d(place)}")
        found[place] = copy.deepcopy(gradient)
    return found


def _repeatable(name: str, first: dict[str, Any], again: Callable[[], dict[str, Any]]) -> None:
    for place, gradient in again().items():
        one, two = _plain(first[place]), _plain(gradient)
        if not np.array_equal(one, two, equal_nan=True):
            twice = one.shape == two.shape and np.allclose(two, 2 * one, rtol=1e-12)
            raise GradientError(
                f"{name}: {_d(place)} differs when backward is called a second time"
                + (": it accumulates; backward has to overwrite (=, not +=)" if twice else "")
            )


def _unchanged(name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    for place, old in before.items():
        pairs = zip(_parts(old), _parts(after[place]), strict=True)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            raise GradientError(f"{name}: forward or backward wrote into its argument or parameter {place}")


def _parts(value: Any) -> list[np.ndarray]:
    if scipy.sparse.issparse(value):
        return [value.data, value.indices, value.indptr]
    value = np.asarray(0.0 if value is None else value)
    return [value.astype(np.float64)]


def _plain(gradient: Any) -> np.ndarray:
    """A gradient of any kind as one array; an absent one as an empty array."""
    if isinstance(gradient, RowGradient):
        return np.concatenate([gradient.rows.astype(np.float64), gradient.values.ravel()])
    return np.empty(0) if gradient is None else np.asarray(gradient)


def restarter(layer: Layer) -> Callable[[], None]:
    """A function that puts every generator in `layer` back to where it stands now."""
    found = [getattr(inner, "rng", None) for _, inner in layer.walk()]
    generators = [generator for generator in found if isinstance(generator, np.random.Generator)]
    states = [generator.bit_generator.state for generator in generators]

    def restart() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state

    return restart


def _short(thing: Any) -> str:
    said = repr(thing)
    return said if len(said) <= 100 and "\n" not in said else type(thing).__name__


def _d(place: str) -> str:
    """The gradient's name: "0.W" has "0.dW"."""
    front, _, last = place.rpartition(".")
    return f"{front}.d{last}" if front else f"d{last}"
