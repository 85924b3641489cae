"""Holds a claimed gradient against the measured slopes, entry by entry and as a whole, and says where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from minnet.diagnosis import diagnose, diagnose_shape
from minnet.differences import EPS, QUICK_STEP, Probe
from minnet.layers.base import RowGradient

EVERY_ENTRY = 200  # arrays up to this size are checked entry by entry, larger ones by a sample and as a whole
SAMPLE = 100
MEASURE_ALL = 5000  # up to this size a gradient that failed is measured wholly, for the diagnosis

Explain = Callable[[np.ndarray, np.ndarray], str]  # of (claimed, right), see diagnosis.diagnose


class GradientError(ValueError):
    """A gradient is wrong; the message says which, where, and what kind of mistake it looks like."""


class Checked(NamedTuple):
    """One gradient that passed."""

    error: float  # largest difference from the measured gradient, relative to the gradient's largest entry
    entries: int  # how many entries were measured one by one
    kinks: int  # how many of them stand at a kink, where any slope between the two sides is right


def check_gradient(
    claimed: Any,
    function: Callable[[np.ndarray], Any],
    array: np.ndarray,
    *,
    dy: Any = 1.0,
    name: str = "the gradient",
    batch: int | None = None,
    context: Mapping[str, np.ndarray] | None = None,
    tokens: np.ndarray | None = None,
    fixed_row: int | None = None,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-8,
) -> Checked:
    """Raises GradientError unless `claimed` is the gradient of sum(dy * function(array)) with respect to `array`.

    array: float64; moved in place while measuring, and put back. batch, context and tokens help the diagnosis
    (see `minnet.diagnosis.diagnose`). fixed_row: a row of a table that does not learn (padding), whose gradient has
    to be zero whatever its slope.
    A claim passes within `tolerance` of the gradient's largest entry, plus what rounding can do.
    """
    if array.dtype != np.float64:
        raise ValueError(f"{name}: gradients are measured in float64, the array is {array.dtype}")
    rng = rng or np.random.default_rng(0)
    explain = partial(diagnose, batch=batch, context=context, tokens=tokens)
    probe = Probe(lambda: function(array), array, dy)
    if isinstance(claimed, RowGradient):
        if wrong := claimed.broken(array.shape):
            raise GradientError(f"{name}: {wrong}")
        claimed = claimed.dense(array.shape)
    claimed = as_float64(claimed, name)
    if claimed.shape != array.shape:
        hint = diagnose_shape(claimed, _measure(probe)) if array.size <= MEASURE_ALL else ""
        raise GradientError(
            f"{name} has the wrong shape: {claimed.shape} for an array of shape {array.shape}"
            + (f"; {hint}" if hint else "")
        )
    if fixed_row is not None:
        if np.any(claimed[fixed_row]):
            raise GradientError(f"{name}: row {fixed_row} does not learn, its gradient has to be zero")
        claimed = claimed.copy()
        for place in np.ndindex(array.shape[1:]):
            claimed[(fixed_row, *place)] = probe.quick((fixed_row, *place))

    places = list(np.ndindex(array.shape))
    if len(places) > EVERY_ENTRY:
        places = [places[index] for index in np.sort(rng.choice(len(places), SAMPLE, replace=False))]
    places = [place for place in places if np.isfinite(array[place])]  # a logit of -inf has no slope
    quick = np.array([probe.quick(place) for place in places])
    said = np.array([claimed[place] for place in places])
    size = float(np.abs(quick[np.isfinite(quick)]).max(initial=0.0))
    rounding = EPS * float(np.abs(probe.dy).max(initial=0.0))  # p - 1 may leave that of a zero
    noise = probe.noise(QUICK_STEP) + rounding
    difference = np.abs(said - quick)
    worst, kinks = float(difference[difference <= tolerance * size + noise].max(initial=0.0)), 0
    for index in np.flatnonzero(~(difference <= tolerance * size + noise)):
        slope = probe.careful(places[index])
        size = max(size, abs(slope.value)) if slope.error < abs(slope.value) else size
        room = tolerance * size + 3 * slope.error
        off = abs(said[index] - slope.value)
        if slope.kink or not slope.error <= 1e-3 * size + probe.noise(1e-3, still=True):
            low, high = sorted((slope.left, slope.right))
            kinks += 1
            if not slope.kink or low - room <= said[index] <= high + room:
                continue
            _raise(probe, claimed, places[index], (low, high), name, explain)
        if not off <= room:
            _raise(probe, claimed, places[index], slope.value, name, explain)
        worst = max(worst, off)
    if kinks and kinks == len(places):
        raise ValueError(
            f"{name} cannot be measured, every entry is at a kink or jump, or too small beside the output's rounding: "
            "use continuous random input of size 1"
        )
    if array.size > len(places) and np.all(np.isfinite(array)):
        _check_whole(probe, claimed, rng, tolerance, name, explain)
    return Checked(worst / size if size else 0.0, len(places), kinks)


def _check_whole(
    probe: Probe, claimed: np.ndarray, rng: np.random.Generator, tolerance: float, name: str, explain: Explain
) -> None:
    """One derivative along a random direction sees a mistake in any entry; halving the direction finds it."""

    def wrong(direction: np.ndarray) -> float | None:
        slope = probe.careful(direction)
        said = float(np.sum(claimed * direction))
        room = tolerance * float(np.linalg.norm(claimed * direction)) + 3 * slope.error
        return None if slope.kink or abs(said - slope.value) <= room or not np.isfinite(room) else slope.value

    direction = rng.standard_normal(probe.array.shape)
    if wrong(direction) is None:
        return
    entries = np.arange(direction.size)
    while len(entries) > 1:
        half = np.zeros(direction.size)
        half[entries[: len(entries) // 2]] = direction.ravel()[entries[: len(entries) // 2]]
        found = wrong(half.reshape(direction.shape)) is not None
        entries = entries[: len(entries) // 2] if found else entries[len(entries) // 2 :]
    place = tuple(int(index) for index in np.unravel_index(entries[0], direction.shape))
    slope = probe.careful(place)
    if abs(claimed[place] - slope.value) > tolerance * abs(slope.value) + 3 * slope.error:
        _raise(probe, claimed, place, slope.value, name, explain)
    raise GradientError(
        f"{name} is wrong: along a random direction it says {np.sum(claimed * direction):.10g}, "
        f"measured {probe.careful(direction).value:.10g}"
    )


def _raise(
    probe: Probe,
    claimed: np.ndarray,
    place: tuple[int, ...],
    measured: float | tuple[float, float],
    name: str,
    explain: Explain,
) -> NoReturn:
    at = f"{name}{list(place)}" if place else name
    if isinstance(measured, tuple):
        raise GradientError(
            f"{at} is {claimed[place]:.10g}, but there is a kink: only numbers between the slopes of its two sides, "
            f"{measured[0]:.10g} and {measured[1]:.10g}, are right"
        )
    hint = ""
    if claimed.size <= MEASURE_ALL:
        right = _measure(probe)
        if np.all(np.isfinite(right)):
            hint = explain(claimed, right)
    hint = f"; about {name.split(': ')[-1]}: {hint}" if hint else ""
    raise GradientError(f"{at} is {claimed[place]:.10g}, measured {measured:.10g}{hint}")


def _measure(probe: Probe) -> np.ndarray:
    """The whole gradient, entry by entry, with care where two steps disagree."""
    right = np.zeros(probe.array.shape)
    for place in np.ndindex(right.shape):
        right[place], other = probe.quick(place), probe.quick(place, QUICK_STEP / 8)
        if not abs(right[place] - other) <= 1e-8 * abs(other) + probe.noise(QUICK_STEP / 8):
            right[place] = probe.careful(place).value
    return right


def as_float64(array: Any, name: str) -> np.ndarray:
    """`array`, after making sure that it is float64."""
    array = np.asarray(array)
    if array.dtype != np.float64:
        raise GradientError(f"{name} gives {array.dtype} where everything else is float64: the precision is too low")
    return array
