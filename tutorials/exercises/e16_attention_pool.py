"""Exercise 16. Attention pooling (25 minutes, hard).

`from given import softmax` works here. Check with: python -m tutorials.exercises check 16
"""

import numpy as np


def attention_pool(x, w, mask):
    """A weighted mean over positions, whose weights are a softmax of scores.

    Shapes: x (N, L, D), w (D,), mask (N, L) of True and False (True: the position is open, False: closed); the result
    y (N, D).
    Formula: e_nl = sum_d x_nld w_d; a_n = softmax of e_n over the open positions, 0 elsewhere; y_n = sum_l a_nl x_nl. A
    text without open positions gives zeros (mind 0/0). Scores of 1,000 are ordinary; x is finite everywhere.
    Example: x = [[[0, 1], [ln 3, 5], [9, 9]]], w = [1, 0], mask = [[True, True, False]]: a = [0.25, 0.75, 0] and
    y = [[0.75 ln 3, 4]].
    """
    raise NotImplementedError("exercise 16: attention_pool")
