"""Exercise 15. Temperature (20 minutes, medium).

`from given import softmax, log_softmax` works here. Check with: python -m tutorials.exercises check 15
"""

import numpy as np


def temperature_loss(z, labels, temperature):
    """The mean surprise at the labels when the scores are divided by the temperature first: one number.

    Shapes: z (N, K), labels (N,). Formula: -(1/N) sum_n log softmax(z_n / T)[labels_n]
    Example: z = [[0, ln 9]], labels = [1], T = 2: the scores become 0 and ln 3, the probability 0.75, the loss 0.2877.
    """
    raise NotImplementedError("exercise 15: temperature_loss")


def best_temperature(z, labels, candidates):
    """The one of `candidates` (a list of numbers above 0) with the least temperature_loss, the first of several equal
    ones: one number.

    Example: z = [[0, 4], [0, 4], [4, 0]], labels = [1, 0, 0], candidates [1, 4, 16]: 4.
    """
    raise NotImplementedError("exercise 15: best_temperature")
