"""Momentum: what the velocity remembers, and for which parameter."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake
from tutorials.exercises.messages import Call
from tutorials.exercises.specs.numbers import normal, size


class Truth:
    """Number by number."""

    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters, self.settings, self.kept = parameters, (learning_rate, momentum, weight_decay), {}

    def step(self, gradients):
        rate, momentum, decay = self.settings
        for name, w in self.parameters.items():
            for place in np.ndindex(w.shape):
                v = momentum * self.kept.get((name, place), 0.0) + gradients[name][place] + decay * w[place]
                self.kept[name, place] = v
                w[place] -= rate * v


def wrong(m):
    class SGD:
        def __init__(self, parameters, learning_rate, momentum, weight_decay):
            self.parameters, self.rate, self.momentum, self.decay = parameters, learning_rate, momentum, weight_decay
            self.v = {}

        def step(self, gradients):
            for name, w in self.parameters.items():
                decay = -self.decay if "decay-sign" in m else 0 if "decay-missing" in m else self.decay
                pull = 2 * decay * w if "decay-doubled" in m else decay * w
                g = gradients[name] if "decay-decoupled" in m else gradients[name] + pull
                key = "all" if "shared-buffer" in m else name
                old = 0.0 if "no-memory" in m else self.v.get(key, 0.0)
                old = -old if "momentum-sign" in m else old
                v = self.momentum * old + ((1 - self.momentum) * g if "averaged" in m else g)
                if "rate-inside" in m:
                    v = self.momentum * old + self.rate * g
                self.v[key] = v
                move = v if "rate-inside" in m else self.rate * v
                if "nesterov" in m:
                    move = self.rate * (g + self.momentum * v)
                if "rate-missing" in m:
                    move = v
                if "decay-decoupled" in m:
                    move = move + decay * w
                if "not-updated" not in m:
                    self.parameters[name] = w + move if "ascent" in m else w - move

    return {"SGD": SGD}


def case(rng, shapes, steps, momentum=0.6, decay=0.3):
    parameters = {name: normal(rng, *shape) for name, shape in shapes.items()}
    calls = [Call("make", "SGD", (parameters, 0.1, momentum, decay))]
    for _ in range(steps):
        gradients = {name: normal(rng, *shape, scale=2) for name, shape in shapes.items()}
        calls += [Call("do", "step", (gradients,)), Call("get", "parameters")]
    return calls


def example(rng):
    steps = [Call("do", "step", ({"w": np.array([2.0])},)), Call("get", "parameters")] * 2
    return [[Call("make", "SGD", ({"w": np.array([1.0])}, 0.1, 0.5, 0.0)), *steps]]


def first(rng):
    return [case(rng, {"W": (2, 2)}, 1, decay=0.0), case(rng, {"W": (3,)}, 1)]


def later(rng):
    return [case(rng, {"W": (2, 3)}, size(rng, 3, 4)), case(rng, {"W": (2,)}, 3, 0.9, 0.0)]


def several(rng):
    return [case(rng, {"W": (2, 2), "V": (2, 2), "U": (2, 2)}, 2)]


EXERCISE = Exercise(
    "e18_momentum",
    "Gradient descent with momentum",
    15,
    "easy",
    ["SGD"],
    {"SGD": Truth},
    wrong=wrong,
    checks=[
        Check("example", "the worked example comes out", 1, example),
        Check("first", "the first step is right, weight decay included", 2, first),
        Check("later", "later steps are right: they remember earlier gradients", 3, later),
        Check("several", "the steps of several parameters are right: each has a velocity of its own", 2, several),
        Check("untouched", "the gradients stay as they were", 1, first),
    ],
    mistakes=[
        Mistake("shared-buffer", "All parameters share one velocity: each needs its own.", "shared buffer", "several"),
        Mistake("no-memory", "The velocity is forgotten after every step.", "made in step", "later"),
        Mistake("momentum-sign", "The old velocity enters with a minus: v <- momentum v + g.", "sign slip", "later"),
        Mistake("averaged", "The gradient enters with weight 1 - momentum: its weight is 1.", "as in Adam", "first"),
        Mistake("nesterov", "The step looks ahead (Nesterov): plain momentum steps along v.", "nesterov=True", "first"),
        Mistake("rate-missing", "The learning rate is not used.", "a factor lost", "first"),
        Mistake("ascent", "The step is added: subtract it.", "sign slip", "first"),
        Mistake(
            "not-updated",
            "The parameters stay as they were: write w -= ..., for w = w - ... changes the local name only.",
            "a local variable rebound",
            "first",
        ),
        Mistake("decay-missing", "Weight decay is not used.", "tests with decay 0", "first"),
        Mistake("decay-sign", "Weight decay pushes away from zero.", "sign slip", "first"),
        Mistake("decay-doubled", "Weight decay is doubled: here it is decay times w.", "d/dw of decay w^2", "first"),
        Mistake("decay-decoupled", "Decay shrinks w directly, outside the velocity and the rate.", "AdamW", "first"),
    ],
)
