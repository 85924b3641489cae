"""Exercise 5. ReLU (10 minutes, easy).

Check with: python -m tutorials.exercises check 5
"""

import numpy as np


def relu(x):
    """Negative numbers become 0, the others stay.

    Shapes: x of any shape; the result of the same shape. x itself stays as it was.
    Formula: y = max(x, 0)
    Example: [[-1, 0, 2]] gives [[0, 0, 2]].
    """
    raise NotImplementedError("exercise 5: relu")


def relu_backward(dy, x):
    """The gradient passes where x was above 0, and nowhere else.

    Shapes: dy, x and the result dx of one shape.
    Formula: dx = dy where x > 0, else 0: at x = 0 nothing passes. dy itself stays as it was.
    Example: x = [[-1, 0, 2]] and dy = [[5, 6, -7]] give [[0, 0, -7]].
    """
    raise NotImplementedError("exercise 5: relu_backward")
