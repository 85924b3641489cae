"""Exercise 20. Hierarchical softmax (40 minutes, hard).

`from given import sigmoid` works here. Check with: python -m tutorials.exercises check 20
"""

import numpy as np


def path_loss(x, W, labels, nodes, turns):
    """The loss of a tree of decisions: a class costs as many scores as it has nodes above it, not one for each class.

    Shapes: x (N, D), W (M, D) with one row for each node of the tree, labels (N,) integers from 0 to K - 1; nodes and
    turns (K, L): row k holds the nodes on the way from the root to class k, and +1 (left) or -1 (right) for the turn
    taken at each; ways shorter than L are filled up with node 0 and turn 0, which do not count.
    Formula: log p(k | x) = sum over the nodes i on the way to k of log sigmoid(turn_ki x W_node(k, i));
    the loss is the mean over the batch of -log p(label | x), one number.
    Example: x = [[1], [1]], W = [[0], [ln 3]], nodes [[0, 0], [0, 1], [0, 1]], turns [[1, 0], [-1, 1], [-1, -1]]: the
    probabilities of the three classes are 0.5, 0.5 * 0.75 and 0.5 * 0.25; with labels [0, 1] the loss is
    (0.6931 + 0.9808) / 2 = 0.8370.

    Scores of 1,000 cost a finite loss.
    """
    raise NotImplementedError("exercise 20: path_loss")


def path_loss_backward(x, W, labels, nodes, turns):
    """The gradients of path_loss: the tuple dx (like x), dW (like W).

    Formula: with s = turn x W_node, d(-log sigmoid(s))/ds = sigmoid(s) - 1. A node that several examples pass gathers
    from all of them. Example: as above, dx = [[0], [-0.1373]], dW = [[0], [-0.125]].
    """
    raise NotImplementedError("exercise 20: path_loss_backward")
