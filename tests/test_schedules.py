import json
from itertools import pairwise
from math import nan

import numpy as np
import pytest

from minnet.schedules import Constant, Cosine, OneCycle, Schedule, Step, Triangular, Warmup, factor_at


# Each row: a schedule and points (progress, factor) found by hand; cos(60 degrees) = 1/2.
@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (Constant(), [(0, 1), (0.3, 1), (1, 1)]),
        (Step(), [(0, 1), (0.499, 1), (0.5, 0.1), (0.74, 0.1), (0.75, 0.01), (1, 0.01)]),
        (Step((0.0, 0.2), 0.5), [(0, 0.5), (0.2, 0.25)]),
        (Step((), 0.5), [(0, 1), (1, 1)]),
        (Cosine(), [(0, 1), (1 / 3, 0.75), (0.5, 0.5), (2 / 3, 0.25), (1, 0)]),
        (Cosine(end=0.2), [(0, 1), (1 / 3, 0.8), (0.5, 0.6), (1, 0.2)]),
        (OneCycle(), [(0, 0.04), (0.15, 0.52), (0.3, 1), (0.65, (1 + 4e-6) / 2), (1, 4e-6)]),
        (OneCycle(0.5, 0.2, 0.1), [(0, 0.2), (0.5 / 3, 0.4), (0.25, 0.6), (0.5, 1), (0.75, 0.55), (1, 0.1)]),
        (OneCycle(0.0, 0.2, 0.1), [(0, 1), (0.5, 0.55), (1, 0.1)]),
        (OneCycle(1.0, 0.2, 0.1), [(0, 0.2), (0.5, 0.6), (1, 1)]),
        (Triangular(), [(0, 0.2), (0.115, 0.6), (0.23, 1), (0.615, 0.535), (1, 0.07)]),
        (Triangular(0.0, 0.5, 0.2), [(0, 0), (0.1, 0.2), (0.5, 1), (0.75, 0.6), (1, 0.2)]),
        (Triangular(0.0, 0.0, 0.2), [(0, 1), (0.5, 0.6), (1, 0.2)]),
        (Triangular(0.1, 1.0, 0.2), [(0, 0.1), (0.5, 0.55), (1, 1)]),
        (Warmup(), [(0, 0), (0.025, 0.5), (0.05, 1), (1, 1)]),
        (Warmup(Cosine(), 0.2, 0.1), [(0, 0.1), (0.1, 0.55), (0.2, 1), (0.6, 0.5), (1, 0)]),
        (Warmup(Triangular(), 0.5), [(0, 0), (0.25, 0.1), (0.5, 0.2), (0.615, 1), (1, 0.07)]),
        (Warmup(Cosine(), 0.0), [(0, 1), (0.5, 0.5), (1, 0)]),
        (Warmup(Cosine(), 1.0), [(0, 0), (0.5, 0.5), (1, 1)]),
    ],
)
def test_values_by_hand(schedule, points):
    for progress, expected in points:
        assert schedule(progress) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert json.loads(json.dumps(schedule.config())) == schedule.config()


@pytest.mark.parametrize("schedule", [Cosine(0.1), OneCycle(), Triangular(), Warmup(OneCycle(), 0.1)])
def test_no_jumps(schedule):
    values = [schedule(step / 10_000) for step in range(10_001)]
    assert max(abs(b - a) for a, b in pairwise(values)) < 2e-3
    assert 0 <= min(values) <= max(values) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("progress", [-1e-9, 1 + 1e-9, nan])
def test_progress_outside_the_run(progress):
    with pytest.raises(ValueError, match=r"Cosine\(end=0.0\): progress goes from 0 to 1"):
        Cosine()(progress)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Step((0.7, 0.5)), "rising from 0 to 1"),
        (lambda: Step((0.5, 1.5)), "rising from 0 to 1"),
        (lambda: Step((-0.1, 0.5)), "rising from 0 to 1"),
        (lambda: Step(gamma=1.5), "Step: gamma goes from 0 to 1, got 1.5"),
        (lambda: Cosine(1.5), "Cosine: end"),
        (lambda: Cosine(-0.1), "Cosine: end"),
        (lambda: Cosine(nan), "Cosine: end"),
        (lambda: Cosine("0"), "Cosine: end"),
        (lambda: OneCycle(peak_at=1.5), "OneCycle: peak_at"),
        (lambda: OneCycle(start=-0.5), "OneCycle: start"),
        (lambda: Triangular(end=1.5), "Triangular: end"),
        (lambda: Warmup(length=1.5), "Warmup: length"),
        (lambda: Warmup(length=-0.5), "Warmup: length"),
        (lambda: Warmup(of=0.1), r"schedule such as Cosine\(\), got 0.1"),
    ],
)
def test_settings_that_make_no_sense(build, said):
    with pytest.raises(ValueError, match=said):
        build()


def test_a_schedule_without_a_formula():
    with pytest.raises(NotImplementedError, match="Schedule has no factor"):
        Schedule()(0.5)


def test_a_warmup_starts_at_its_start_wherever_it_leads():
    warmup = Warmup(Triangular(), 0.5, 0.1)
    assert [warmup(at) for at in (0.0, 0.25, 0.5)] == pytest.approx([0.1, 0.15, 0.2])


def test_the_description():
    assert Step((0.5, 0.75)).config() == {"schedule": "Step", "milestones": [0.5, 0.75], "gamma": 0.1}
    described = {"schedule": "Warmup", "of": {"schedule": "Cosine", "end": 0.2}, "length": 0.1, "start": 0.0}
    assert Warmup(Cosine(0.2), 0.1).config() == described


def test_the_factor_of_a_schedule_or_of_none():
    assert factor_at(None, 0.5) == 1
    assert factor_at(Cosine(), 0.5) == pytest.approx(0.5)
    assert factor_at(lambda progress: np.where(progress < 0.5, 1.0, 0.25), 0.5) == 0.25
    for wrong in (-0.1, nan, None, np.array([0.5])):
        with pytest.raises(ValueError, match=r"what the schedule gives at progress 0\.25 must be a number, at least 0"):
            factor_at(lambda progress, wrong=wrong: wrong, 0.25)
