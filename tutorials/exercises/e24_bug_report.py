"""Exercise 24. Find the bug: a classification report (15 minutes, easy).

One thing in the code below is not as its docstring says (mostly one line, at most two that belong together). Find it
with small inputs of your own, by printing shapes and numbers, and mend it; there are no points before the bug is gone.
Students have different bugs.
Check with: python -m tutorials.exercises check 24
"""

import numpy as np

VARIANT = 0  # which bug is planted: leave it as it is


def report(labels, predictions, classes):
    """What a classifier gets right, class by class.

    Shapes: labels (N,) the truth and predictions (N,), integers from 0 to classes - 1; the result is the tuple
    confusion (classes, classes), precision (classes,), recall (classes,), macro F1 (one number).
    confusion[t, p] counts the examples of true class t that were predicted as p. precision: the share of those
    predicted as a class that are of it; recall: the share of those of a class that were predicted as it; a share of
    nothing is 0. F1 of a class is 2 precision recall / (precision + recall), 0 where both are 0; macro F1 is the plain
    mean of F1 over all classes.
    Example: labels [0, 0, 1], predictions [0, 1, 1], classes 2: confusion [[1, 1], [0, 1]], precision [1, 0.5],
    recall [0.5, 1], macro F1 0.6667.
    """
    confusion = np.zeros((classes, classes), dtype=int)
    confusion[labels, predictions] += 1
    right = np.diag(confusion)
    predicted = confusion.sum(axis=0)
    present = confusion.sum(axis=1)
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(present, 1)
    both = precision + recall
    f1 = 2 * precision * recall / np.where(both > 0, both, 1)
    macro = f1.mean()
    return confusion, precision, recall, macro
