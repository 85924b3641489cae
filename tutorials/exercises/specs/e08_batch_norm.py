"""Batch normalisation: which variance, which statistics, and the gradient through both."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake
from tutorials.exercises.messages import Call
from tutorials.exercises.specs.numbers import array, normal, size


class Truth:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        self.x = x
        if self.training:
            for c in range(x.shape[1]):
                mean = sum(x[:, c]) / len(x)
                unbiased = sum((v - mean) ** 2 for v in x[:, c]) / (len(x) - 1)
                self.running_mean[c] += self.momentum * (mean - self.running_mean[c])
                self.running_var[c] += self.momentum * (unbiased - self.running_var[c])
            return reference.batch_norm(x, self.gamma, self.beta, self.eps)
        y = np.zeros(x.shape)
        for n, c in np.ndindex(x.shape):
            u = (x[n, c] - self.running_mean[c]) / (self.running_var[c] + self.eps) ** 0.5
            y[n, c] = self.gamma[c] * u + self.beta[c]
        return y

    def backward(self, dy):
        dx, self.dgamma, self.dbeta = reference.batch_norm_backward(dy, self.x, self.gamma, self.eps)
        return dx


def wrong(m):
    class BatchNorm:
        __init__ = Truth.__init__

        def forward(self, x):
            n, axis = len(x), 1 if "wrong-axis" in m else 0
            keep = {"axis": axis, "keepdims": "wrong-axis" in m}
            mean = x.mean() if "over-everything" in m else x.mean(**keep)
            biased = x.var() if "over-everything" in m else x.var(**keep)
            var = biased * n / (n - 1) if "unbiased-forward" in m else biased
            if self.training or "running-moves-in-evaluation" in m:
                seen = biased if "biased-running" in m else biased * n / (n - 1)
                momentum = 1 - self.momentum if "momentum-swapped" in m else self.momentum
                if "running-replaced" in m:
                    momentum = 1.0
                self.running_mean = (1 - momentum) * self.running_mean + momentum * mean
                self.running_var = (1 - momentum) * self.running_var + momentum * seen
            if "running-not-updated" in m:
                self.running_mean, self.running_var = np.zeros(x.shape[1]), np.ones(x.shape[1])
            if (not self.training and "running-unused" not in m) or "running-in-training" in m:
                mean, var = self.running_mean, self.running_var
            self.s = np.sqrt(var + self.eps)
            if "eps-outside" in m:
                self.s = np.sqrt(var) + self.eps
            if "eps-missing" in m:
                self.s = np.sqrt(var)
            if "variance-for-deviation" in m:
                self.s = var + self.eps
            self.x, self.u = x, (x - mean) / self.s
            y = self.u if "gamma-missing" in m else self.gamma * self.u
            return y if "beta-missing" in m else y + self.beta

        def backward(self, dy):
            n = len(dy)
            self.dbeta = dy.sum(axis=0)
            self.dgamma = (dy * (self.x if "dgamma-of-x" in m else self.u)).sum(axis=0)
            if "parameters-mean" in m:
                self.dbeta, self.dgamma = self.dbeta / n, self.dgamma / n
            scale = (1 if "dx-without-gamma" in m else self.gamma) / self.s
            if "dx-scale-missing" in m:
                scale = self.gamma
            if "constant-statistics" in m:
                return scale * dy
            through_mean = 0 if "mean-term-missing" in m else dy.mean(axis=0)
            through_var = 0 if "variance-term-missing" in m else self.u * (dy * self.u).mean(axis=0)
            if "sums-for-means" in m:
                through_mean, through_var = through_mean * n, through_var * n
            return scale * (dy - through_mean - through_var)

    return {"BatchNorm": BatchNorm}


def made(rng, c, eps=0.1, momentum=0.2):
    return [
        Call("make", "BatchNorm", (c, eps, momentum)),
        Call("set", "gamma", (normal(rng, c) + 2,)),
        Call("set", "beta", (normal(rng, c),)),
    ]


def batch(rng, n, c):
    return normal(rng, n, c, scale=1.5) + np.round(rng.uniform(-2, 2, c), 1)


def training(rng):
    shapes = [(3, 2), (size(rng, 4, 6), 3), (3, 3)]
    return [[*made(rng, c), Call("method", "forward", (batch(rng, n, c),))] for n, c in shapes]


GET = [Call("get", "running_mean"), Call("get", "running_var")]


def running(rng):
    return [
        [*made(rng, 2), *(Call("method", "forward", (batch(rng, n, 2),)) for n in (3, size(rng, 4, 6))), *GET],
        [*made(rng, 3), Call("method", "forward", (batch(rng, 3, 3),)), *GET],
    ]


def evaluation(rng):
    def calls(n, c):
        return [
            *made(rng, c),
            Call("do", "forward", (batch(rng, 4, c),)),
            Call("set", "training", (False,)),
            *(Call("method", "forward", (batch(rng, k, c),)) for k in (n, 3)),
            *GET,
        ]

    return [calls(2, 2), calls(1, size(rng, 2, 3))]


def backward(rng):
    cases = []
    for n, c in [(3, 2), (size(rng, 4, 6), 3), (3, 3)]:
        x, dy = batch(rng, n, c), normal(rng, n, c)
        cases.append(
            [
                *made(rng, c),
                Call("do", "forward", (x,)),
                Call("method", "backward", (dy,)),
                Call("get", "dgamma"),
                Call("get", "dbeta"),
            ]
        )
    return cases


def example(rng):
    first = [Call("make", "BatchNorm", (1, 0.0, 0.1)), Call("method", "forward", (array([1], [3]),)), *GET]
    second = [
        Call("make", "BatchNorm", (1, 1 / 3, 0.1)),
        Call("do", "forward", (array([0], [1], [2]),)),
        Call("method", "backward", (array([3], [0], [0]),)),
        Call("get", "dgamma"),
        Call("get", "dbeta"),
    ]
    return [first, second]


def lines(rng):
    return [
        [
            *made(rng, 2),
            Call("method", "forward", (batch(rng, n, 2),)),
            Call("method", "backward", (normal(rng, n, 2),)),
        ]
        for n in (3, 40)
    ]


EXERCISE = Exercise(
    "e08_batch_norm",
    "Batch normalisation",
    45,
    "hard",
    ["BatchNorm"],
    {"BatchNorm": Truth},
    core=True,
    wrong=wrong,
    checks=[
        Check("example", "the worked examples come out", 2, example),
        Check(
            "training",
            "in training the output is right: the batch's own mean and biased variance normalise",
            2,
            training,
        ),
        Check(
            "running",
            "the running statistics are right: they move by momentum towards the mean and the unbiased variance",
            2,
            running,
        ),
        Check("evaluation", "evaluation is right: the running statistics are used and do not move", 2, evaluation),
        Check("backward", "dx, dgamma and dbeta are right: mean and variance move with x", 3, backward),
        Check("untouched", "x and dy stay as they were", 1, lambda rng: [backward(rng)[0]]),
        Check("lines", "no Python loop over the examples", 1, lines),
    ],
    mistakes=[
        Mistake(
            "unbiased-forward",
            "The batch is normalised with the variance divided by N - 1: divide by N here.",
            "var(ddof=1), or torch.var's default",
            "training",
        ),
        Mistake(
            "biased-running",
            "The running variance takes the variance divided by N: divide by N - 1 there.",
            "one variance used for both",
            "running",
        ),
        Mistake(
            "running-unused",
            "In evaluation the batch's own statistics are used: the running ones were kept for that.",
            "tests with training only",
            "evaluation",
        ),
        Mistake(
            "running-in-training",
            "In training the running statistics normalise: use those of the batch.",
            "one code path for both modes",
            "training",
        ),
        Mistake(
            "running-moves-in-evaluation",
            "The running statistics move in evaluation too.",
            "the update before the if",
            "evaluation",
        ),
        Mistake("running-not-updated", "The running statistics never move.", "the update forgotten", "running"),
        Mistake(
            "running-replaced",
            "The running statistics are those of the last batch: they move by momentum only.",
            "= for a weighted mean",
            "running",
        ),
        Mistake(
            "momentum-swapped",
            "momentum is the weight of the old value here: it is the weight of the new one.",
            "Keras defines it the opposite way",
            "running",
        ),
        Mistake(
            "eps-outside",
            "eps is added to the standard deviation: it belongs under the root, var + eps.",
            "sqrt(var) + eps, as in Adam",
            "training",
        ),
        Mistake("eps-missing", "eps is not used.", "tests with a tiny eps", "training"),
        Mistake(
            "variance-for-deviation",
            "The batch is divided by the variance: divide by its root.",
            "sqrt forgotten",
            "training",
        ),
        Mistake(
            "wrong-axis",
            "The statistics run over the features of each example: that is layer norm. Use axis 0.",
            "axis=1 for axis=0",
            "training",
        ),
        Mistake(
            "over-everything",
            "One mean and one variance serve all features: each has its own, over axis 0.",
            "x.mean() without axis",
            "training",
        ),
        Mistake("gamma-missing", "gamma is not used in forward.", "tests with gamma = 1", "training"),
        Mistake("beta-missing", "beta is not added.", "tests with beta = 0", "training"),
        Mistake(
            "constant-statistics",
            "dx treats mean and variance as constants: they move with every x.",
            "the most common wrong derivation",
            "backward",
        ),
        Mistake("mean-term-missing", "dx lacks the way through the mean: - mean of dy.", "a term lost", "backward"),
        Mistake(
            "variance-term-missing",
            "dx lacks the way through the variance: - xhat times the mean of dy xhat.",
            "a term lost",
            "backward",
        ),
        Mistake(
            "sums-for-means",
            "dx subtracts sums where means belong: they are N times too large.",
            "1/N lost",
            "backward",
        ),
        Mistake("dx-without-gamma", "dx lacks the factor gamma.", "tests with gamma = 1", "backward"),
        Mistake(
            "dx-scale-missing", "dx lacks the division by sqrt(var + eps).", "tests with unit variance", "backward"
        ),
        Mistake("dgamma-of-x", "dgamma uses x: it needs the normalised xhat.", "x for xhat", "backward"),
        Mistake(
            "parameters-mean", "dgamma and dbeta are means over the batch: they are sums.", "mean for sum", "backward"
        ),
    ],
)
