"""Exercise 11. F1, class by class (15 minutes, medium).

Check with: python -m tutorials.exercises check 11
"""

import numpy as np


def f1_scores(labels, predictions, classes):
    """The F1 of every class.

    Shapes: labels (N,) and predictions (N,) integers from 0 to classes - 1; the result (classes,).
    Formula: for class k, precision = TP / (TP + FP), recall = TP / (TP + FN) and F1 = 2 TP / (2 TP + FP + FN), their
    harmonic mean. A class that is neither predicted nor present has F1 = 0, and so has one without a true positive.
    Example: labels [0, 0, 1, 1, 1], predictions [0, 1, 1, 1, 2], classes 4: F1 = [0.6667, 0.6667, 0, 0].
    """
    raise NotImplementedError("exercise 11: f1_scores")


def macro_f1(labels, predictions, classes):
    """The plain mean of f1_scores over all classes: one number. Example: as above, 0.3333."""
    raise NotImplementedError("exercise 11: macro_f1")
