"""Measures slopes by moving a number a little and watching the result: the truth that gradients are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from minnet.diagnosis import diagnose, diagnose_shape
from minnet.layers.base import RowGradient

EPS = np.finfo(np.float64).eps
QUICK_STEP = 2.0**-17  # central differences lose step**2 to curvature and EPS / step to rounding: about 1e-10 each
EVERY_ENTRY = 200  # arrays up to this size are checked entry by entry, larger ones by a sample and as a whole
SAMPLE = 100
MEASURE_ALL = 5000  # up to this size a gradient that failed is measured wholly, for the diagnosis
CAREFUL_STEPS = tuple(2.0**-k for k in (8, 11, 14, 17, 20, 23, 26))


class GradientError(ValueError):
    """A gradient is wrong; the message says which, where, and what kind of mistake it looks like."""


class Checked(NamedTuple):
    """One gradient that passed."""

    error: float  # largest difference from the measured gradient, relative to the gradient's largest entry
    entries: int  # how many entries were measured one by one
    kinks: int  # how many of them stand at a kink, where any slope between the two sides is right


class Slope(NamedTuple):
    """A measured derivative and how far it can be trusted."""

    value: float
    error: float  # what rounding and curvature can have done to `value`
    left: float  # the slope on the side of smaller numbers ...
    right: float  # ... and of larger ones: where they stay apart, the function has a kink
    kink: bool


class Probe:
    """Measures dL/darray for L = sum(dy * function()), where `function` reads `array`.

    `array` (float64) is moved in place and put back. Differences are taken output by output, before they are
    summed: an output that does not move adds no rounding error. A step at which `function` raises ValueError or
    gives NaN (a logarithm beyond zero) is left out.
    """

    def __init__(self, function: Callable[[], Any], array: np.ndarray, dy: Any) -> None:
        self.function = function
        self.array = array
        self.dy = np.asarray(dy, np.float64)
        self.y = self._evaluate()
        self.dy = np.broadcast_to(self.dy, self.y.shape)
        self._grain: float | None = None

    def _evaluate(self) -> np.ndarray:
        with np.errstate(all="ignore"):
            try:
                return np.array(self.function(), np.float64)
            except ValueError:
                return np.full(self.dy.shape, np.nan)

    def _moved(self, where: Any, step: float) -> tuple[np.ndarray, float]:
        """The output with `array` moved by `step`, at one entry or along a direction; and the step really made."""
        if isinstance(where, tuple):
            before = self.array[where]
            self.array[where] = before + step
            step = float(self.array[where] - before)  # x + step is rounded
        else:
            before = self.array.copy()
            self.array += step * where
        try:
            return self._evaluate(), step
        finally:
            self.array[where if isinstance(where, tuple) else ...] = before

    def _change(self, y_high: np.ndarray, y_low: np.ndarray) -> float:
        moved = y_high != y_low  # also keeps inf - inf out
        return float(np.sum(self.dy[moved] * (y_high[moved] - y_low[moved])))

    def _central(self, where: Any, step: float) -> float:
        high, up = self._moved(where, step)
        low, down = self._moved(where, -step)
        return self._change(high, low) / (up - down) if up != down else np.nan

    def noise(self, step: float, still: bool = False) -> float:
        """What rounding can do to a difference quotient with this step.

        An output that stands `still` while x moves may be what is left of a one, as log(1 + e) is: no finer than EPS.
        """
        finite = np.isfinite(self.y)
        rounding = 8 * EPS * np.linalg.norm((self.dy * self.y)[finite])
        if self._grain is not None:
            rounding += 4 * max(self._grain, still * EPS) * np.linalg.norm(self.dy[finite])
        return float(rounding) / step

    def quick(self, where: Any, step: float = QUICK_STEP) -> float:
        """One central difference: two evaluations."""
        return self._central(where, step)

    def careful(self, where: Any) -> Slope:
        """Central differences with many steps, extrapolated; the step where they agree best wins. Detects kinks."""
        self._measure_grain()
        size = float(np.sqrt(np.mean(self.array[where if isinstance(where, tuple) else ...] ** 2)))
        steps = [step * max(size, 1.0) for step in CAREFUL_STEPS]
        if 0 < size < 2.0**-4:
            steps += [step * size for step in CAREFUL_STEPS]
        quotients = [(step, self._central(where, step), self._central(where, step / 2)) for step in steps]
        still = any(whole == 0 or half == 0 for _, whole, half in quotients)
        found = []  # (error, step, slope)
        for step, whole, half in quotients:
            error = abs(whole - half) + self.noise(step, still)
            if error < np.inf:  # a difference's error goes with step**2: a third of (half - whole) removes it
                found.append((error, step, (4 * half - whole) / 3))

        def contradicted(error: float, step: float, slope: float) -> bool:
            """By a shorter step: beyond a kink nearby, long ones may agree on what is true of neither of its sides."""
            return any(abs(slope - other) > 3 * (error + noise) for noise, length, other in found if length < step)

        error, best_step, slope = min(
            (each for each in found if not contradicted(*each)), default=(np.inf, steps[0], np.nan)
        )
        (left, right), (nearer_left, nearer_right) = self._sides(where, best_step), self._sides(where, best_step / 8)
        apart, nearer_apart = abs(right - left), abs(nearer_right - nearer_left)
        # on a smooth curve the two sides meet as the step shrinks; at a kink they stay apart
        kink = apart > 100 * error and nearer_apart > 0.7 * apart
        return Slope(slope, error, nearer_left, nearer_right, kink)

    def _sides(self, where: Any, step: float) -> tuple[float, float]:
        high, up = self._moved(where, step)
        low, down = self._moved(where, -step)
        if not (up > 0 > down):
            return np.nan, np.nan
        return self._change(self.y, low) / -down, self._change(high, self.y) / up

    def _measure_grain(self) -> None:
        """How coarse the output is: about EPS times its size in float64, 1e-8 where float32 is at work inside."""
        if self._grain is None:
            self._grain = grain(lambda: {"y": self._evaluate()}, [self.array])["y"]


def grain(function: Callable[[], Mapping[str, np.ndarray]], arrays: list[np.ndarray]) -> dict[str, float]:
    """The largest second difference of each of the results but one, while `arrays` are scaled by next to nothing.

    A smooth function's is zero but for rounding, so what remains is the size of the rounding. Scaling keeps zeros
    and ties as they are; a kink that is crossed nevertheless is crossed at one of the six places.
    """
    originals = [array.copy() for array in arrays]
    found: dict[str, list[float]] = {}
    try:
        for base in (0.34, -0.77, 0.91, -1.7, 2.3, -2.9):
            outputs: list[dict[str, np.ndarray]] = []
            for offset in (-0.71, 0.0, 0.71):
                for array, original in zip(arrays, originals, strict=True):
                    array[...] = original * (1 + base * 2.0**-20 + offset * 2.0**-23)
                outputs.append({name: np.array(result, np.float64) for name, result in function().items()})
            low, middle, high = outputs
            for name in middle:
                with np.errstate(invalid="ignore"):
                    second = np.abs(low[name] - 2 * middle[name] + high[name])
                found.setdefault(name, []).append(float(second[np.isfinite(second)].max(initial=0.0)))
    finally:
        for array, original in zip(arrays, originals, strict=True):
            array[...] = original
    return {name: sorted(sizes)[-2] for name, sizes in found.items()}


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
    probe = Probe(lambda: function(array), array, dy)
    if isinstance(claimed, RowGradient):
        claimed = dense_rows(claimed, array.shape, name)
    claimed = as_float64(claimed, name)
    if claimed.shape != array.shape:
        hint = diagnose_shape(claimed, _measure(probe)) if array.size <= MEASURE_ALL else ""
        raise GradientError(
            f"{name} has the wrong shape: {claimed.shape} for an array of shape {array.shape}"
            + (f"; {hint}" if hint else "")
        )
    if array.size == 0:
        return Checked(0.0, 0, 0)
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
            _raise(probe, claimed, places[index], (low, high), name, batch, context, tokens)
        if not off <= room:
            _raise(probe, claimed, places[index], slope.value, name, batch, context, tokens)
        worst = max(worst, off)
    if kinks and kinks == len(places):
        raise ValueError(
            f"{name} cannot be measured, every entry is at a kink or jump, or too small beside the output's rounding: "
            "use continuous random input of size 1"
        )
    if array.size > len(places) and np.all(np.isfinite(array)):
        _check_whole(probe, claimed, rng, tolerance, name, batch, context, tokens)
    return Checked(worst / size if size else 0.0, len(places), kinks)


def _check_whole(probe: Probe, claimed: np.ndarray, rng: np.random.Generator, tolerance: float, *names: Any) -> None:
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
        _raise(probe, claimed, place, slope.value, *names)
    raise GradientError(
        f"{names[0]} is wrong: along a random direction it says {np.sum(claimed * direction):.10g}, "
        f"measured {probe.careful(direction).value:.10g}"
    )


def _raise(
    probe: Probe,
    claimed: np.ndarray,
    place: tuple[int, ...],
    measured: float | tuple[float, float],
    name: str,
    batch: int | None,
    context: Mapping[str, np.ndarray] | None,
    tokens: np.ndarray | None,
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
            hint = diagnose(claimed, right, batch=batch, context=context, tokens=tokens)
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


def dense_rows(gradient: RowGradient, shape: tuple[int, ...], name: str) -> np.ndarray:
    """A RowGradient as an array of the table's shape; raises where its rows break their promise."""
    rows, values = gradient
    if values.shape != (len(rows), *shape[1:]):
        expected = (len(rows), *shape[1:])
        raise GradientError(f"{name}: a table {shape} needs values {expected} for {len(rows)} rows, got {values.shape}")
    if len(rows) and (np.any(np.diff(rows) <= 0) or rows[0] < 0 or rows[-1] >= shape[0]):
        raise GradientError(f"{name}: the rows of a RowGradient must be unique, sorted and in 0..{shape[0] - 1}")
    return gradient.dense(shape)


def as_float64(array: Any, name: str) -> np.ndarray:
    """`array`, after making sure that it is float64."""
    array = np.asarray(array)
    if array.dtype != np.float64:
        raise GradientError(f"{name} gives {array.dtype} where everything else is float64: the precision is too low")
    return array
