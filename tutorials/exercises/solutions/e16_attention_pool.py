import numpy as np


def attention_pool(x, w, mask):
    # -inf where the mask is False makes the exponential 0. An empty text would be a row of -inf: its maximum is set to
    # 0, its sum to 1, and the zeros stay.
    e = np.where(mask, x @ w, -np.inf)
    top = e.max(axis=1, keepdims=True)
    a = np.exp(e - np.where(np.isfinite(top), top, 0))
    total = a.sum(axis=1, keepdims=True)
    a = a / np.where(total > 0, total, 1)
    return np.einsum("nl,nld->nd", a, x)
