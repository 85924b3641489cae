"""Exercise 1. Scores become probabilities (15 minutes, easy).

Only numpy is needed. Check with: python -m tutorials.exercises check 1
"""

import numpy as np


def softmax(z):
    """Probabilities from scores, row by row.

    Shapes: z (N, K), one row of K scores for each of N examples; the result (N, K).
    Formula: p_nk = exp(z_nk) / sum_j exp(z_nj)
    Example: softmax([[0, ln 2, ln 5]]) is [[0.125, 0.25, 0.625]]: the exponentials are 1, 2 and 5, their sum is 8.

    z is an array of float64 (as in all exercises; the examples are written as lists to save space) or, in this
    exercise, of whole numbers. Scores of 10,000 or -10,000 are ordinary input: nothing may overflow. z stays as it was.
    Full marks need whole-array operations: no Python loop over the rows.
    """
    raise NotImplementedError("exercise 1: softmax")
