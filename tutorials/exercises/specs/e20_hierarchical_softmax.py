"""Hierarchical softmax: ways of different length, turns, and nodes that several examples pass."""

from __future__ import annotations

import math

import numpy as np

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def walk(x, W, labels, nodes, turns):
    """(example, node, turn, score towards the label) of every decision."""
    for n, k in enumerate(labels):
        for node, turn in zip(nodes[k], turns[k], strict=True):
            if turn:
                yield n, node, turn, float(turn * sum(a * b for a, b in zip(x[n], W[node], strict=True)))


def truth_loss(x, W, labels, nodes, turns):
    loss = 0.0
    for _, _, _, s in walk(x, W, labels, nodes, turns):
        loss += math.log1p(math.exp(-s)) if s > 0 else -s + math.log1p(math.exp(s))
    return loss / len(x)


def truth_backward(x, W, labels, nodes, turns):
    dx, dW = np.zeros(x.shape), np.zeros(W.shape)
    for n, node, turn, s in walk(x, W, labels, nodes, turns):
        d = (1 / (1 + math.exp(-s)) - 1) * turn / len(x)
        dx[n] += d * W[node]
        dW[node] += d * x[n]
    return dx, dW


def wrong(m):
    def turns_used(turns, labels):
        t = turns[labels].astype(float)
        return -t if "turns-swapped" in m else np.abs(t) if "turns-ignored" in m else t

    def mask(turns, labels):
        used = (turns[labels] != 0).astype(float)
        if "first-only" in m:
            used[:, 1:] = 0
        return np.ones_like(used) if "filled-counted" in m else used

    def path_loss(x, W, labels, nodes, turns):
        z = np.einsum("nd,nld->nl", x, W[nodes[labels]])
        t = turns_used(turns, labels)
        if "sigmoid-of-all-scores" in m:
            return -np.log(1 / (1 + np.exp(-(t * z).sum(axis=1)))).mean()
        if "turn-outside" in m:
            cost = t * np.logaddexp(0, -z)
        elif "no-logarithm" in m:
            cost = 1 - np.exp(-np.logaddexp(0, -t * z))
        elif "overflow" in m:
            cost = -np.log(1 / (1 + np.exp(-t * z)))
        else:
            cost = np.logaddexp(0, -t * z)
        total = (cost * mask(turns, labels)).sum()
        if "mean-over-nodes" in m:
            return total / mask(turns, labels).sum()
        return total if "not-divided" in m else -total / len(x) if "sign" in m else total / len(x)

    def path_loss_backward(x, W, labels, nodes, turns):
        way, t = nodes[labels], turns_used(turns, labels)
        s = t * np.einsum("nd,nld->nl", x, W[way])
        sigmoid = np.exp(-np.logaddexp(0, -s))
        d = (
            sigmoid
            if "one-not-subtracted" in m
            else sigmoid * (1 - sigmoid)
            if "sigmoid-derivative" in m
            else sigmoid - 1
        )
        d = d if "turn-lost-in-gradient" in m else d * t
        d = d * mask(turns, labels)
        d = d if {"not-divided", "gradient-not-divided"} & m else d / len(x)
        d = -d if "gradient-sign" in m else d
        dW = np.zeros(W.shape)
        part = d[:, :, None] * x[:, None, :]
        if "nodes-counted-once" in m:
            dW[way] += part
        else:
            np.add.at(dW, way, part)
        dx = np.einsum("nl,nld->nd", d, W[way])
        return (dW, dx) if "order" in m else (dx, dW)

    return {"path_loss": path_loss, "path_loss_backward": path_loss_backward}


def tree(rng, k):
    """A random binary tree over k classes: (nodes, turns), each (k, L); the root is node 0."""
    ways: dict[int, list[tuple[int, int]]] = {c: [] for c in range(k)}
    waiting, node = [list(rng.permutation(k))], 0
    while waiting:
        classes = waiting.pop(0)
        cut = int(rng.integers(1, len(classes)))
        for part, turn in ((classes[:cut], 1), (classes[cut:], -1)):
            for c in part:
                ways[c].append((node, turn))
            if len(part) > 1:
                waiting.append(part)
        node += 1
    longest = max(map(len, ways.values()))
    filled = np.array([ways[c] + [(0, 0)] * (longest - len(ways[c])) for c in range(k)])
    return filled[..., 0], filled[..., 1]


def drawn(name, scale=1.0):
    def cases(rng):
        found = []
        for n, k in ((1, 4), (size(rng, 4, 5), 5), (7, size(rng, 3, 6))):
            nodes, turns = tree(rng, k)
            x, W = normal(rng, n, 3, scale=scale), normal(rng, k - 1, 3)
            found.append(call(name, x, W, rng.integers(0, k, n), nodes, turns))
        return found

    return cases


def straight(name):
    """Two classes: a tree of one node, every way of length 1."""

    def cases(rng):
        nodes, turns = np.array([[0], [0]]), np.array([[1], [-1]])
        return [call(name, normal(rng, n, 2), normal(rng, 1, 2), np.arange(n) % 2, nodes, turns) for n in (2, 3)]

    return cases


def example(rng):
    nodes, turns = np.array([[0, 0], [0, 1], [0, 1]]), np.array([[1, 0], [-1, 1], [-1, -1]])
    args = (array([1], [1]), array([0], [math.log(3)]), np.array([0, 1]), nodes, turns)
    return [call("path_loss", *args), call("path_loss_backward", *args)]


def large(rng):
    nodes, turns = tree(rng, 4)
    W = np.array([[1.0], [-1.0], [1.0]])
    return [call("path_loss", array([1000], [-1000], [900], [800]), W, np.arange(4), nodes, turns)]


EXERCISE = Exercise(
    "e20_hierarchical_softmax",
    "Hierarchical softmax",
    40,
    "hard",
    ["path_loss", "path_loss_backward"],
    {"path_loss": truth_loss, "path_loss_backward": truth_backward},
    wrong=wrong,
    given=["softmax", "sigmoid"],
    checks=[
        Check("example", "the worked examples come out", 1, example),
        Check("one node", "with two classes and one node the loss is right", 2, straight("path_loss")),
        Check("ways", "ways of any length have the right loss", 3, drawn("path_loss")),
        Check("large", "the loss is right at scores of 1,000 too, and finite", 1, large),
        Check("gradient", "with one node the gradients are right", 2, straight("path_loss_backward")),
        Check(
            "shared",
            "the gradients are right for several nodes: each gathers from every example that passes it",
            3,
            drawn("path_loss_backward"),
        ),
        Check("untouched", "the arguments stay as they were", 1, drawn("path_loss_backward")),
    ],
    mistakes=[
        Mistake(
            "filled-counted",
            "The places that fill up short ways count: each adds log 2.",
            "sigmoid(0) is 0.5, not 1",
            "ways",
        ),
        Mistake(
            "turns-swapped",
            "Left and right are swapped: +1 goes with sigmoid(score).",
            "the opposite convention",
            "one node",
        ),
        Mistake(
            "turns-ignored",
            "Every turn counts as +1: at -1 the probability is sigmoid(-score).",
            "p used where 1 - p belongs",
            "one node",
        ),
        Mistake(
            "turn-outside",
            "The turn multiplies the logarithm: it belongs inside, on the score.",
            "a factor at the wrong place",
            "one node",
        ),
        Mistake(
            "no-logarithm",
            "The loss is 1 - sigmoid, without a logarithm.",
            "probability and its logarithm mixed up",
            "one node",
        ),
        Mistake(
            "overflow",
            "The sigmoid underflows to 0: use logaddexp(0, -s) for -log sigmoid(s).",
            "the formula as it stands",
            "large",
        ),
        Mistake(
            "sigmoid-of-all-scores",
            "One sigmoid is taken of the summed scores: each node has its own, and their logarithms are summed.",
            "sum and function in the wrong order",
            "ways",
        ),
        Mistake(
            "mean-over-nodes",
            "The mean is over the nodes: it is over the examples.",
            "mean() of a masked array",
            "ways",
        ),
        Mistake("first-only", "Only the root counts.", "a loop left after one step", "ways"),
        Mistake("not-divided", "Loss and gradients are sums: divide by N.", "1/N lost", "one node"),
        Mistake("sign", "The loss is negative.", "sign slip", "one node"),
        Mistake(
            "gradient-not-divided", "The gradients are sums: divide them by N too.", "1/N in the loss only", "gradient"
        ),
        Mistake("gradient-sign", "The gradients point uphill: sigmoid - 1, not 1 - sigmoid.", "sign slip", "gradient"),
        Mistake(
            "one-not-subtracted",
            "The derivative is sigmoid(s) - 1, not sigmoid(s).",
            "the label's 1 forgotten",
            "gradient",
        ),
        Mistake(
            "sigmoid-derivative",
            "sigmoid(1 - sigmoid) is the derivative of sigmoid, not of -log sigmoid.",
            "the chain rule stopped early",
            "gradient",
        ),
        Mistake(
            "turn-lost-in-gradient",
            "The turn is a factor of the score, so it is one of the gradient too.",
            "the chain rule stopped early",
            "gradient",
        ),
        Mistake(
            "nodes-counted-once",
            "A node that occurs twice keeps one share: the shares add up (np.add.at).",
            "numpy's fancy +=",
            "shared",
        ),
        Mistake("order", "The results come as dW, dx: dx first.", "order of the tuple", "gradient"),
    ],
)
