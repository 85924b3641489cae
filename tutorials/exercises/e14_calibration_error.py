"""Exercise 14. Calibration error (25 minutes, medium).

Check with: python -m tutorials.exercises check 14
"""

import numpy as np


def calibration_error(p, labels, bins):
    """How far confidence and accuracy are apart: the expected calibration error, one number.

    Shapes: p (N, K) rows of probabilities, labels (N,); bins is a whole number.
    An example's confidence is its largest probability, and its answer the first class that has it. Bin b of B holds the
    examples with confidence in (b/B, (b+1)/B], which is b = ceil(confidence B) - 1: 0.5 belongs to the first of two
    bins. Formula: the sum over the bins of (examples in it / N) |accuracy in it - mean confidence in it|. Empty
    bins count nothing.
    Example: p = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], labels = [0, 0, 0], bins = 2: all confidences (0.9, 0.8, 0.6) lie
    in the second bin, where the accuracy is 2/3 and the mean confidence 0.7667: the error is 0.1.
    """
    raise NotImplementedError("exercise 14: calibration_error")
