"""Exercise 4. The linear layer, there and back (25 minutes, easy).

Check with: python -m tutorials.exercises check 4
"""

import numpy as np


def linear(x, W, b):
    """Every output is a weighted sum of all inputs, plus a bias.

    Shapes: x (N, D), W (D, K), b (K,); the result y (N, K).
    Formula: y_nk = sum_i x_ni W_ik + b_k
    Example: x = [[1, 2]], W = [[1, 0, 2], [3, 1, 0]], b = [10, 20, 30] give [[17, 22, 32]].
    """
    raise NotImplementedError("exercise 4: linear")


def linear_backward(dy, x, W):
    """The three gradients, from dy = dL/dy.

    Shapes: dy (N, K), x (N, D), W (D, K); the result is the tuple dx (N, D), dW (D, K), db (K,).
    Formula: dx_ni = sum_k dy_nk W_ik,  dW_ik = sum_n x_ni dy_nk,  db_k = sum_n dy_nk
    Example: x and W as above and dy = [[1, 0, -1]]: dx = [[-1, 3]], dW = [[1, 0, -1], [2, 0, -2]], db = [1, 0, -1].

    The loss has divided by N already: nothing is divided here.
    """
    raise NotImplementedError("exercise 4: linear_backward")
