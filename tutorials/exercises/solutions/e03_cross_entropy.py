import numpy as np


def log_softmax(z):
    # log of the quotient, taken apart: the logarithm never sees a probability that has underflowed to 0.
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].mean()


def cross_entropy_backward(z, labels):
    # -log s_y = -z_y + log sum_j e^(z_j): the derivative of the first is -[k = y], of the second softmax(z)_k.
    d = np.exp(log_softmax(z))
    d[np.arange(len(z)), labels] -= 1
    return d / len(z)  # the mean's 1/N, here and nowhere else
