import numpy as np


def softmax(z):
    # e^(z - m) / sum e^(z - m) is the same for every m. With each row's own maximum, the largest exponent is 0:
    # nothing overflows, and the sum is at least 1. keepdims leaves (N, 1), which broadcasts along the row.
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
