"""Exercise 25. Predict, then measure: a convolution's shape and cost (20 minutes, easy).

First work out every prediction on paper, from the numbers in its docstring, and write it in: four decimals are enough.
Then write the functions that measure, and run the check: where the two differ, find out why. Students have different
numbers.
Check with: python -m tutorials.exercises check 25
"""

VARIANT = 0  # whose numbers these are: leave it as it is


def predicted_shape():
    """The shape (N, H', W', K) that comes out, as a tuple of four whole numbers, when 6 filters of
    3 x 3 look at a batch of shape (6, 26, 26, 5), with stride 2 and
    padding 2.
    """
    raise NotImplementedError("exercise 25: predicted_shape")


def measured_shape(x, W, stride, padding):
    """The shape of the convolution of x (N, H, W, C) with the filters W (kh, kw, C, K), as a tuple, counted rather
    than computed: pad a batch of the same shape, and count the places where a whole filter fits.
    Example: x of shape (2, 5, 5, 3), W of shape (3, 3, 3, 4), stride 2, padding 1: (2, 3, 3, 4).
    """
    raise NotImplementedError("exercise 25: measured_shape")


def predicted_parameters():
    """How many numbers such a layer learns, with one bias for each filter."""
    raise NotImplementedError("exercise 25: predicted_parameters")


def measured_parameters(W, b):
    """How many numbers the filters W (kh, kw, C, K) and the biases b (K,) hold together.
    Example: W of shape (3, 3, 2, 4) and b of shape (4,): 76.
    """
    raise NotImplementedError("exercise 25: measured_parameters")


def predicted_multiply_adds():
    """How many multiplications one image of the batch costs, those with the padding included."""
    raise NotImplementedError("exercise 25: predicted_multiply_adds")


def measured_multiply_adds(x, W, stride, padding):
    """How many multiplications the convolution of one image of x (N, H, W, C) with W (kh, kw, C, K) takes: walk over
    the places as a convolution does, and count. Example: x of shape (2, 5, 5, 1), W of shape (3, 3, 1, 2), stride 1,
    padding 0: nine places, nine products, two filters: 162.
    """
    raise NotImplementedError("exercise 25: measured_multiply_adds")
