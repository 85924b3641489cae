import numpy as np


def softmax_backward(dy, s):
    # dz_j = sum_i dy_i s_i ([i = j] - s_j) = s_j dy_j - s_j sum_i dy_i s_i: the sum is one number a row.
    return s * (dy - np.sum(dy * s, axis=1, keepdims=True))
