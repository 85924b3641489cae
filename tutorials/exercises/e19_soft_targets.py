"""Exercise 19. Soft targets (15 minutes, easy).

Check with: python -m tutorials.exercises check 19
"""

import numpy as np


def one_hot(labels, classes):
    """Rows of 0 with a single 1, at each label.

    Shapes: labels (N,) integers from 0 to classes - 1; the result (N, classes).
    Example: labels [2, 0], classes 3: [[0, 0, 1], [1, 0, 0]].

    Full marks need whole-array operations: no Python loop over the examples.
    """
    raise NotImplementedError("exercise 19: one_hot")


def smoothed(labels, classes, smoothing):
    """One-hot rows mixed with the uniform distribution (arXiv 1512.00567): each row still sums to 1.

    Formula: t_nk = (1 - smoothing) [k = labels_n] + smoothing / classes
    Example: labels [1], classes 4, smoothing 0.2: [[0.05, 0.85, 0.05, 0.05]].
    """
    raise NotImplementedError("exercise 19: smoothed")
