"""Exercise 6. Convolution (60 minutes, hard).

Check with: python -m tutorials.exercises check 6
"""

import numpy as np


def conv2d(x, W, stride, padding):
    """A filter slid over the image; the filter is not flipped, as in every deep-learning library.

    Shapes: x (N, H, W, C), W (kh, kw, C, K); the result y (N, H', W', K) with H' = (H + 2 padding - kh) // stride + 1
    and W' likewise. stride and padding are whole numbers; outside the image x counts as 0.
    Formula: y[n, h, w, k] = sum over i, j, c of x[n, h stride + i - padding, w stride + j - padding, c] W[i, j, c, k]
    Example: the image [[1, 2, 3], [4, 5, 6], [7, 8, 9]] (one channel) with the filter [[1, 0], [0, -1]], stride 1 and
    padding 0 gives [[-4, -4], [-4, -4]].

    Full marks: the lines that Python executes do not grow with N. A loop over the kh x kw places of the filter is fine:
    for each, all windows at once see one slice of the padded image, in steps of `stride` (lesson 7).
    """
    raise NotImplementedError("exercise 6: conv2d")


def conv2d_backward(dy, x, W, stride, padding):
    """The gradients of convolution.

    Shapes: dy (N, H', W', K), x (N, H, W, C), W (kh, kw, C, K); the result is the tuple dx (like x), dW (like W).
    Formula: each product x W that went into a y passes that y's dy on: to x times W, and to W times x. Whatever is used
    more than once gets the sum. Go by the filter's places again, and cut the padding off dx at the end.
    Example: with the image and the filter above and dy of ones, dW = [[12, 16], [24, 28]] and
    dx = [[1, 1, 0], [1, 0, -1], [0, -1, -1]].
    """
    raise NotImplementedError("exercise 6: conv2d_backward")
