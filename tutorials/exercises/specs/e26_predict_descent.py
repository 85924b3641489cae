"""Predict gradient descent on a parabola: where it stands, how fast it comes near, and where it runs away."""

from __future__ import annotations

import math

from tutorials.exercises.frame import Mistake, call
from tutorials.exercises.specs.numbers import size
from tutorials.exercises.specs.predicting import Question, predict

TEXT = '''
def predicted_place():
    """Gradient descent on f(w) = {a}/2 (w - {c})^2 starts at w = {w} with learning rate {rate}. Where is w after
    {steps} steps? (Each step multiplies the distance to {c} by the same factor.)
    """
    raise NotImplementedError("exercise {number}: predicted_place")


def measured_place(a, c, w, rate, steps):
    """w after so many steps of gradient descent on f(w) = a/2 (w - c)^2, step by step.
    Example: a = 4, c = 1, w = 3, rate = 0.1, 2 steps: 2.2, then 1.72.
    """
    raise NotImplementedError("exercise {number}: measured_place")


def predicted_limit():
    """For f(w) = {steep}/2 (w - {c})^2: from which learning rate on does the distance no longer shrink?"""
    raise NotImplementedError("exercise {number}: predicted_limit")


def measured_limit(a, c, w, rates):
    """The first of `rates`, which rise, with which one step from w on f(w) = a/2 (w - c)^2 does not end nearer to c:
    at a distance of at least 0.999999 times the one before, to allow for rounding.
    Example: a = 4, c = 1, w = 3, rates [0.1, 0.4, 0.5, 0.6]: 0.5.
    """
    raise NotImplementedError("exercise {number}: measured_limit")


def predicted_steps():
    """With f(w) = {slow}/2 (w - {c})^2, learning rate 0.1 and the start w = {w}: after how many steps is the
    distance to {c} for the first time at most a thousandth of what it was?
    """
    raise NotImplementedError("exercise {number}: predicted_steps")


def measured_steps(a, c, w, rate):
    """After how many steps of gradient descent on f(w) = a/2 (w - c)^2 the distance to c is at most 1/1000 of that at
    the start, for the first time. Example: a = 5, c = 1, w = 3, rate = 0.1: 10, since 0.5^10 is below 1/1000.
    """
    raise NotImplementedError("exercise {number}: measured_steps")
'''


def numbers(rng):
    return {
        "a": size(rng, 2, 6),
        "c": size(rng, 1, 4),
        "w": size(rng, 6, 12),
        "rate": round(0.05 * size(rng, 1, 3), 2),
        "steps": size(rng, 3, 5),
        "steep": int(rng.choice([4, 5, 8, 10, 16, 20])),
        "slow": size(rng, 2, 4),
    }


RATES = [i / 200 for i in range(1, 201)]


def place(a, c, w, rate, steps):
    return c + (1 - rate * a) ** steps * (w - c)


def limit(a, c, w, rates):
    for rate in rates:
        if abs(1 - rate * a) >= 0.999999:
            return rate


def steps(a, c, w, rate):
    return math.ceil(math.log(1e-3) / math.log(abs(1 - rate * a)) - 1e-9)


def wrong(m):
    def stepped(a, c, w, rate):
        slope = 2 * a * (w - c) if "slope-doubled" in m else a * w if "centre-forgotten" in m else a * (w - c)
        slope = a / 2 * (w - c) if "slope-halved" in m else slope
        return w + rate * slope if "uphill" in m else w - slope if "rate-forgotten" in m else w - rate * slope

    def measured_place(a, c, w, rate, steps):
        start = w
        for _ in range(steps - 1 if "one-step-short" in m else steps + 1 if "one-step-long" in m else steps):
            w = stepped(a, c, w, rate)
        if "distance-returned" in m:
            return w - c
        return start - steps * rate * a * (start - c) if "same-slope" in m else w

    def measured_limit(a, c, w, rates):
        for rate in rates:
            after = stepped(a, c, w, rate)
            if "overshoot" in m and (after - c) * (w - c) <= 1e-9:
                return rate
            if abs(after - c) >= 0.999999 * abs(w - c):
                return max([r for r in rates if r < rate], default=None) if "rate-before" in m else rate
        return None

    def measured_steps(a, c, w, rate):
        start, count = abs(w - c), 0
        target = 1e-2 if "hundredth" in m else 1e-3
        size_of = float if "no-abs" in m else abs
        while count < 300 and size_of(w - c) > (target if "absolute" in m else target * start) * (1 + 1e-9):
            w, count = stepped(a, c, w, rate), count + 1
        return count - 1 if "one-too-few" in m else count + 1 if "one-too-many" in m else count

    return {"measured_place": measured_place, "measured_limit": measured_limit, "measured_steps": measured_steps}


def places(rng):
    return [
        call("measured_place", size(rng, 2, 5), -1.5, float(size(rng, 2, 4)), 0.25, n) for n in (1, 2, size(rng, 3, 6))
    ]


def limits(rng):
    found = [call("measured_limit", 4, 1.0, 3.0, [0.1, 0.4, 0.5, 0.6])]  # one step at 0.5 ends as far away, no farther
    for _ in range(2):
        a = size(rng, 3, 7)
        rates = [round(f / a, 4) for f in (0.3, 0.8, 1.1, 1.7, 2.2, 2.6, 4.1)]
        found.append(call("measured_limit", a, 0.5, float(size(rng, 2, 4)), rates))
    return found


def counts(rng):
    found = [call("measured_steps", size(rng, 1, 4), 2.0, float(size(rng, 4, 9)), rate) for rate in (0.05, 0.1)]
    return [*found, call("measured_steps", 5, 3.0, float(size(rng, -4, 1)), 0.1)]  # from the left


EXERCISE = predict(
    "e26_predict_descent",
    "Gradient descent on a parabola",
    25,
    "medium",
    numbers,
    [
        Question(
            "place",
            "where w stands after a few steps",
            place,
            lambda v: (v["a"], v["c"], v["w"], v["rate"], v["steps"]),
            places,
        ),
        Question(
            "limit",
            "the learning rate from which on nothing shrinks",
            limit,
            lambda v: (v["steep"], v["c"], v["w"], RATES),
            limits,
        ),
        Question(
            "steps", "how many steps a thousandth takes", steps, lambda v: (v["slow"], v["c"], v["w"], 0.1), counts
        ),
    ],
    TEXT,
    [
        Mistake(
            "slope-doubled",
            "The slope is 2a (w - c): the 1/2 in f cancels the 2.",
            "d/dw without the 1/2",
            "measured place",
        ),
        Mistake(
            "slope-halved",
            "The slope is a/2 (w - c): the power's 2 is missing.",
            "the chain rule stopped early",
            "measured place",
        ),
        Mistake(
            "centre-forgotten",
            "The slope is taken of a/2 w^2: the centre c is left out.",
            "the textbook's parabola",
            "measured place",
        ),
        Mistake("uphill", "The step is added: subtract it.", "sign slip", "measured place"),
        Mistake("rate-forgotten", "The learning rate is not used.", "a factor lost", "measured place"),
        Mistake("one-step-short", "One step too few is made.", "range(1, steps)", "measured place"),
        Mistake("one-step-long", "One step too many is made.", "range(steps + 1)", "measured place"),
        Mistake("distance-returned", "This is the distance to c, not w.", "w - c reported", "measured place"),
        Mistake(
            "same-slope",
            "Every step uses the slope of the start: it shrinks with the distance.",
            "a loop multiplied out",
            "measured place",
        ),
        Mistake(
            "overshoot",
            "This is where w first jumps past c: it comes nearer all the same, up to twice that rate.",
            "1/a taken for 2/a",
            "measured limit",
        ),
        Mistake(
            "rate-before",
            "This is the last rate that still shrinks: the first that does not is asked.",
            "an index one too small",
            "measured limit",
        ),
        Mistake("hundredth", "A hundredth was waited for, not a thousandth.", "a zero lost", "measured steps"),
        Mistake(
            "absolute",
            "The distance itself is compared with 1/1000, not its share of the start's.",
            "tolerance without a unit",
            "measured steps",
        ),
        Mistake(
            "no-abs",
            "The distance to c is taken as w - c: that is negative from a start left of c.",
            "no abs",
            "measured steps",
        ),
        Mistake("one-too-few", "The count is one too small.", "counting from zero", "measured steps"),
        Mistake("one-too-many", "The count is one too large.", "counted before the test", "measured steps"),
    ],
    wrong,
)
