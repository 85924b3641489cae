import numpy as np


def layer_norm(x, gamma, beta, eps):
    # Batch norm's formula along the other axis: the statistics are the example's own, so nothing is to be remembered.
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta
