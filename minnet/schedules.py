"""How the learning rate changes in the course of a run: each schedule is a pure function of progress.

A schedule takes the part of the run that is done, from 0 to 1, and gives a factor on the base learning rate:

    rate = learning_rate * schedule(step / steps)

Nothing is remembered between calls, so a run can stop, resume, or be drawn at any point. PyTorch's schedulers count
steps instead; with `steps` in all, a step number of theirs divided by `steps` is a progress here (OneCycleLR alone ends
on its last step, `steps` - 1, and peaks one step earlier).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import cos, isfinite, pi
from typing import Any

import numpy as np

from minnet.layers.arguments import in_range


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules: a subclass declares its settings as fields and writes `factor`."""

    def __call__(self, progress: float) -> float:
        """The factor on the base learning rate once this part of the run, 0 to 1, is done."""
        if not 0 <= progress <= 1:
            raise ValueError(f"{self!r}: progress goes from 0 to 1, got {progress}")
        return self.factor(progress)

    def factor(self, progress: float) -> float:
        """The formula itself, for a progress that is known to lie in 0 to 1."""
        raise NotImplementedError(f"{type(self).__name__} has no factor")

    def config(self) -> dict[str, Any]:
        """The class and its settings, as JSON can hold them."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"schedule": type(self).__name__} | {
            name: value.config() if isinstance(value, Schedule) else list(value) if isinstance(value, tuple) else value
            for name, value in settings.items()
        }

    def _expect(self, low: float, high: float, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and isfinite(value) and low <= value <= high):
                raise ValueError(f"{type(self).__name__}: {name} goes from {low:g} to {high:g}, got {value!r}")


@dataclass(frozen=True)
class Constant(Schedule):
    """The base learning rate throughout."""

    def factor(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplies by `gamma` at each milestone: large steps while the loss falls, small ones to settle (MultiStepLR)."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self._expect(0, 1, "gamma")
        if not all(a <= b for a, b in zip((0, *self.milestones), (*self.milestones, 1), strict=True)):
            raise ValueError(f"Step: milestones are parts of the run, rising from 0 to 1; got {self.milestones}")

    def factor(self, progress: float) -> float:
        return self.gamma ** sum(progress >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave from 1 down to `end` (Loshchilov and Hutter, arXiv 1608.03983, equation 5)."""

    end: float = 0.0

    def __post_init__(self) -> None:
        self._expect(0, 1, "end")

    def factor(self, progress: float) -> float:
        return _half_wave(1, self.end, progress)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine wave up from `start` to 1 at `peak_at`, then one down to `end` (Smith and Topin, arXiv 1708.07120).

    The rise lets a network start where gradients are wild, the top explores, the long fall settles. The paper's
    lines are straight and end in a third phase; the form and the defaults here are those of PyTorch's OneCycleLR, which
    changes the momentum as well, as this one does not.
    """

    peak_at: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 25e4

    def __post_init__(self) -> None:
        self._expect(0, 1, "peak_at", "start", "end")

    def factor(self, progress: float) -> float:
        if progress < self.peak_at:
            return _half_wave(self.start, 1, progress / self.peak_at)
        return _half_wave(1, self.end, (progress - self.peak_at) / (1 - self.peak_at) if self.peak_at < 1 else 0)


@dataclass(frozen=True)
class Triangular(Schedule):
    """A straight line up from `start` to 1 at `peak_at`, and one down to `end`; defaults of airbench94 (2404.00498)."""

    start: float = 0.2
    peak_at: float = 0.23
    end: float = 0.07

    def __post_init__(self) -> None:
        self._expect(0, 1, "start", "peak_at", "end")

    def factor(self, progress: float) -> float:
        if progress < self.peak_at:
            return _line(self.start, 1, progress / self.peak_at)
        return _line(1, self.end, (progress - self.peak_at) / (1 - self.peak_at) if self.peak_at < 1 else 0)


@dataclass(frozen=True)
class Warmup(Schedule):
    """A straight line from `start` up to where `of` begins, over a part `length` of the run; then all of `of`.

    At first the weights change fast, and large steps do harm (Goyal et al., arXiv 1706.02677, section 2.2); Adam's
    second moments are poor estimates then, too (Liu et al., arXiv 1908.03265). PyTorch's SequentialLR makes
    it of LinearLR and another schedule.
    """

    of: Schedule = Constant()
    length: float = 0.05
    start: float = 0.0

    def __post_init__(self) -> None:
        self._expect(0, 1, "length", "start")
        if not isinstance(self.of, Schedule):
            raise ValueError(f"Warmup: of is a schedule such as Cosine(), got {self.of!r}")

    def factor(self, progress: float) -> float:
        if progress < self.length:
            return _line(self.start, self.of(0.0), progress / self.length)
        return self.of((progress - self.length) / (1 - self.length) if self.length < 1 else 0.0)


def factor_at(schedule: Callable[[float], Any] | None, progress: float) -> float:
    """What a schedule gives, 1 without one. Raises ValueError unless that is a finite number of at least 0."""
    value: Any = 1.0 if schedule is None else schedule(progress)
    value = value[()] if isinstance(value, np.ndarray) else value  # np.where makes an array () of a number
    return in_range(f"what the schedule gives at progress {progress:.3g}", value)


def _line(first: float, last: float, part: float) -> float:
    return first + (last - first) * part


def _half_wave(first: float, last: float, part: float) -> float:
    return last + (first - last) * (1 + cos(pi * part)) / 2
