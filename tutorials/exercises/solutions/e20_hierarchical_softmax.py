import numpy as np


def _scores(x, W, labels, nodes, turns):
    # s_nl: how much node l on example n's way speaks for the turn that leads to its label. (N, L)
    way, turn = nodes[labels], turns[labels]
    return way, turn, turn * np.einsum("nd,nld->nl", x, W[way])


def path_loss(x, W, labels, nodes, turns):
    # -log sigmoid(s) = log(1 + e^-s); logaddexp(0, -s) computes it without e^1000. Places that fill up have turn 0:
    # they would add log 2, so they are masked.
    _, turn, s = _scores(x, W, labels, nodes, turns)
    return (np.logaddexp(0, -s) * (turn != 0)).sum() / len(x)


def path_loss_backward(x, W, labels, nodes, turns):
    # ds = (sigmoid(s) - 1) / N, and -1 / (1 + e^s) is sigmoid(s) - 1. Since s = turn x W: dx gathers ds turn W over the
    # way, dW[node] gathers ds turn x over the examples; add.at counts a node as often as it occurs.
    way, turn, s = _scores(x, W, labels, nodes, turns)
    d = -turn * np.exp(-np.logaddexp(0, s)) / len(x)  # (N, L), 0 where turn is 0
    dW = np.zeros(W.shape)
    np.add.at(dW, way, d[:, :, None] * x[:, None, :])
    return np.einsum("nl,nld->nd", d, W[way]), dW
