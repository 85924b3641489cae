"""Adam: two moments, their correction, and state for every parameter."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake
from tutorials.exercises.messages import Call
from tutorials.exercises.specs.numbers import normal, size


class Truth:
    """Number by number."""

    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters, self.settings, self.t, self.kept = parameters, (learning_rate, beta1, beta2, eps), 0, {}

    def step(self, gradients):
        rate, beta1, beta2, eps = self.settings
        self.t += 1
        for name, w in self.parameters.items():
            for place in np.ndindex(w.shape):
                g = gradients[name][place]
                m, v = self.kept.get((name, place), (0.0, 0.0))
                m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
                self.kept[name, place] = m, v
                w[place] -= rate * (m / (1 - beta1**self.t)) / ((v / (1 - beta2**self.t)) ** 0.5 + eps)


def wrong(m):
    class Adam:
        def __init__(self, parameters, learning_rate, beta1, beta2, eps):
            self.parameters, self.rate, self.eps, self.t = parameters, learning_rate, eps, 0
            self.b1, self.b2 = (beta2, beta1) if "betas-swapped" in m else (beta1, beta2)
            self.m, self.v = {}, {}

        def step(self, gradients):
            if "t-per-parameter" not in m and "t-late" not in m:
                self.t += 1
            for name, w in self.parameters.items():
                if "t-per-parameter" in m:
                    self.t += 1
                g = gradients[name]
                key = "all" if "shared-buffer" in m else name
                if "state-reset" in m:
                    self.m, self.v = {}, {}
                first, square = self.m.get(key, 0.0), self.v.get(key, 0.0)
                first = self.b1 * first + (g if "weight-missing" in m else (1 - self.b1) * g)
                squared = np.abs(g) if "square-missing" in m else (g - first) ** 2 if "about-the-mean" in m else g**2
                square = self.b2 * square + (1 - self.b2) * squared
                self.m[key], self.v[key] = first, square
                c1, c2 = 1 - self.b1**self.t, 1 - self.b2**self.t
                if "no-correction" in m or "first-uncorrected" in m:
                    c1 = 1
                if "no-correction" in m or "second-uncorrected" in m:
                    c2 = 1
                if "correction-without-power" in m:
                    c1, c2 = 1 - self.b1, 1 - self.b2
                if "correction-kept" in m:
                    self.m[key], self.v[key] = first / c1, square / c2
                mean, var = first / c1, square / c2
                below = np.sqrt(var) + self.eps
                if "eps-inside" in m:
                    below = np.sqrt(var + self.eps)
                if "eps-missing" in m:
                    below = np.sqrt(var)
                if "no-root" in m:
                    below = var + self.eps
                if "momentum-only" in m:
                    below = 1
                if "no-momentum" in m:
                    mean = g
                if "not-updated" not in m:
                    move = self.rate * mean / below
                    self.parameters[name] = w + move if "ascent" in m else w - move
            if "t-late" in m:
                self.t += 1

    return {"Adam": Adam}


def case(rng, shapes, steps, eps, beta1=0.8, beta2=0.9):
    parameters = {name: normal(rng, *shape) for name, shape in shapes.items()}
    calls = [Call("make", "Adam", (parameters, 0.1, beta1, beta2, eps))]
    for _ in range(steps):
        gradients = {name: normal(rng, *shape, scale=2) for name, shape in shapes.items()}
        calls += [Call("do", "step", (gradients,)), Call("get", "parameters")]
    return calls


def one(rng):
    return [case(rng, {"W": (2,)}, 1, 0.1), case(rng, {"W": (2, 3)}, 1, 0.1)]


def several_steps(rng):
    return [
        case(rng, {"W": (2, 2)}, n, eps, b1, b2)
        for n, eps, b1, b2 in [(2, 0.1, 0.8, 0.9), (3, 0.3, 0.9, 0.7), (size(rng, 4, 5), 0.1, 0.6, 0.9)]
    ]


def several_parameters(rng):
    return [case(rng, {"W": (2, 3), "V": (2, 3)}, 3, 0.1), case(rng, {"W": (2, 3), "b": (3,), "c": (1,)}, 2, 0.2)]


EXERCISE = Exercise(
    "e10_adam",
    "Adam",
    25,
    "medium",
    ["Adam"],
    {"Adam": Truth},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked example comes out",
            1,
            lambda rng: [
                [
                    Call("make", "Adam", ({"w": np.array([1.0])}, 0.1, 0.9, 0.999, 0.0)),
                    Call("do", "step", ({"w": np.array([4.0])},)),
                    Call("get", "parameters"),
                ]
            ],
        ),
        Check("first", "the first step is right", 2, one),
        Check("later", "later steps are right: they use moments and powers of the betas", 3, several_steps),
        Check(
            "several", "the steps of several parameters are right: each has moments of its own", 2, several_parameters
        ),
        Check("untouched", "the gradients stay as they were", 1, one),
    ],
    mistakes=[
        Mistake(
            "no-correction",
            "The moments are not freed of their start at zero: divide by 1 - beta^t.",
            "bias correction forgotten",
            "first",
        ),
        Mistake("first-uncorrected", "Only s is corrected: m / (1 - beta1^t) too.", "half of the correction", "first"),
        Mistake("second-uncorrected", "Only m is corrected: s / (1 - beta2^t) too.", "half of the correction", "first"),
        Mistake(
            "correction-without-power",
            "The correction ignores t: 1 - beta^t, not 1 - beta.",
            "right in the first step only",
            "later",
        ),
        Mistake(
            "correction-kept",
            "The corrected moments are kept for the next step: keep the uncorrected ones.",
            "self.m = m_hat",
            "later",
        ),
        Mistake(
            "t-late",
            "t is still 0 in the first step, so the correction divides by 0: count before using it.",
            "t += 1 at the end",
            "first",
        ),
        Mistake(
            "t-per-parameter",
            "t grows with every parameter instead of every step.",
            "t += 1 inside the loop",
            "several",
        ),
        Mistake(
            "shared-buffer",
            "All parameters share one pair of moments: each needs its own.",
            "shared momentum buffer; one attribute for a dict",
            "several",
        ),
        Mistake(
            "state-reset", "The moments start from zero in every step.", "made in step instead of __init__", "later"
        ),
        Mistake("betas-swapped", "beta1 and beta2 are exchanged: beta1 belongs to m.", "names swapped", "later"),
        Mistake("weight-missing", "m adds g with weight 1: the weight is 1 - beta1.", "momentum as in SGD", "first"),
        Mistake("square-missing", "s averages |g|: it averages g squared.", "square forgotten", "later"),
        Mistake(
            "about-the-mean",
            "s averages (g - m)^2: that is AdaBelief. Adam averages g^2.",
            "'variance' taken literally",
            "first",
        ),
        Mistake("no-root", "The step is divided by s: divide by its root.", "sqrt forgotten", "first"),
        Mistake("eps-inside", "eps stands under the root: sqrt(s) + eps.", "as in batch norm", "first"),
        Mistake("eps-missing", "eps is not used.", "tests with a tiny eps", "first"),
        Mistake("momentum-only", "The step is not divided by the root of s.", "an unfinished answer", "first"),
        Mistake("no-momentum", "The step uses g itself: it uses m / (1 - beta1^t).", "RMSProp", "later"),
        Mistake("ascent", "The step is added: subtract it.", "sign slip", "first"),
        Mistake(
            "not-updated",
            "The parameters stay as they were: write w -= ..., for w = w - ... changes the local name only.",
            "a local variable rebound",
            "first",
        ),
    ],
)
