"""Exercise 7. Max pooling (30 minutes, medium).

Check with: python -m tutorials.exercises check 7
"""

import numpy as np


def max_pool2d(x, size, stride):
    """The largest number of each window, channel by channel.

    Shapes: x (N, H, W, C); the result (N, H', W', C) with H' = (H - size) // stride + 1 and W' likewise.
    Windows are size x size and start every `stride` places; what is left over at the edge is not looked at.
    Example: [[1, 2, 5], [3, 4, 0], [9, 8, 7]] (one channel), size 2, stride 1, gives [[4, 5], [9, 8]].
    """
    raise NotImplementedError("exercise 7: max_pool2d")


def max_pool2d_backward(dy, x, size, stride):
    """dy goes to the number that won its window; of several equal ones to the first in reading order.

    Shapes: dy (N, H', W', C), x (N, H, W, C); the result dx (N, H, W, C).
    Where windows overlap (stride < size), a place that won twice gets the sum of both; a place that no window looked at
    gets 0.
    Example: x, size and stride as above, dy = [[1, 2], [3, 4]]: dx = [[0, 0, 2], [0, 1, 0], [3, 4, 0]].
    """
    raise NotImplementedError("exercise 7: max_pool2d_backward")
