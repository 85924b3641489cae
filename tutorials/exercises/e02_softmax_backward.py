"""Exercise 2. The way back through softmax (20 minutes, medium).

`from given import softmax` works here, to make an s for your own trials.
Check with: python -m tutorials.exercises check 2
"""

import numpy as np


def softmax_backward(dy, s):
    """The gradient that arrives at the scores: the product of dy with softmax's Jacobian.

    Shapes: dy = dL/ds (N, K), s = softmax(z) (N, K); the result dz = dL/dz (N, K).
    Formula: ds_i/dz_j = s_i (delta_ij - s_j), and dz_nj = sum_i dy_ni ds_ni/dz_nj
    Example: s = [[0.25, 0.75]] and dy = [[1, 0]] give dz = [[0.1875, -0.1875]].

    Full marks need whole-array operations; the K x K matrix need not be built.
    """
    raise NotImplementedError("exercise 2: softmax_backward")
