"""Measures slopes by moving a number a little and watching the result: the truth that gradients are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
QUICK_STEP = 2.0**-17  # a central difference is off by step**2 f''' / 6, and by EPS / step of rounding: some 1e-11 each
CAREFUL_STEPS = tuple(2.0**-k for k in (8, 11, 14, 17, 20, 23, 26))


class Slope(NamedTuple):
    """A measured derivative and how far it can be trusted."""

    value: float
    error: float  # what rounding and the step's width can have done to `value`
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

    def quick(self, where: Any, step: float = QUICK_STEP) -> float:
        """One central difference: two evaluations."""
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

    def careful(self, where: Any) -> Slope:
        """Central differences with many steps, extrapolated; the step where they agree best wins. Detects kinks."""
        self._measure_grain()
        size = float(np.sqrt(np.mean(self.array[where if isinstance(where, tuple) else ...] ** 2)))
        steps = [step * max(size, 1.0) for step in CAREFUL_STEPS]
        if 0 < size < 2.0**-4:
            steps += [step * size for step in CAREFUL_STEPS]
        quotients = [(step, self.quick(where, step), self.quick(where, step / 2)) for step in steps]
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
