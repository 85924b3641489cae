"""Pure functions on arrays: scores become probabilities, and probabilities are measured."""

from __future__ import annotations

import numpy as np


def _row_maximum(z: np.ndarray, axis: int) -> np.ndarray:
    """The maximum along `axis`, kept as an axis of length 1; raises where no score is possible."""
    if not isinstance(z, np.ndarray) or z.dtype.kind != "f":
        raise ValueError(f"scores must be a floating-point array, got {getattr(z, 'dtype', type(z).__name__)}")
    if z.ndim == 0 or z.shape[axis] == 0:
        raise ValueError(f"scores need at least one entry along axis {axis}, got shape {z.shape}")
    top = z.max(axis=axis, keepdims=True, initial=-np.inf)
    if (top == -np.inf).any():
        raise ValueError("a row of scores is -inf throughout: every class is impossible, so there is no distribution")
    return top


def _scale(z: np.ndarray, temperature: float) -> np.ndarray:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}: near 0 gives the arg max, large the uniform")
    return z if temperature == 1 else z / z.dtype.type(temperature)


# softmax(z)_i = e^(z_i) / sum_j e^(z_j). Multiplying above and below by e^(-m) changes nothing:
#     softmax(z)_i = e^(z_i - m) / sum_j e^(z_j - m)     for every m
# With m = max z the largest exponent is e^0 = 1: nothing overflows, and the sum is at least 1.
# A class with z = -inf gets probability 0.
def softmax(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """Probabilities from scores `z` of any shape: positive, summing to 1 along `axis`; same shape and dtype.

    `temperature` T gives softmax(z / T). Raises ValueError for a row of only -inf.
    """
    z = _scale(z, temperature)
    with np.errstate(invalid="ignore", over="ignore"):  # +inf - inf is NaN, which the Trainer finds and names
        s = np.exp(z - _row_maximum(z, axis))
    s /= s.sum(axis=axis, keepdims=True)
    return s


# log sum_j e^(z_j) = m + log sum_j e^(z_j - m): the same shift, taken out of the logarithm.
def logsumexp(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """log of the sum of exp(z / T) along `axis`, which disappears from the shape: a smooth maximum."""
    z = _scale(z, temperature)
    top = _row_maximum(z, axis)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.exp(z - top).sum(axis=axis, keepdims=True)
        return np.squeeze(top + np.log(total), axis=axis)


# log softmax(z)_i = z_i - log sum_j e^(z_j) = (z_i - m) - log sum_j e^(z_j - m).
# Taking log(softmax(z)) instead would give log 0 = -inf as soon as a probability underflows.
def log_softmax(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """Logarithms of the probabilities, exact where the probabilities themselves underflow; same shape as `z`."""
    z = _scale(z, temperature)
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = z - _row_maximum(z, axis)
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def entropy(p: np.ndarray, axis: int = -1) -> np.ndarray:
    """H(p) = -sum_i p_i log p_i in nats along `axis`: 0 when sure, log K when uniform. 0 log 0 counts as 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p), np.where(p == 0, 0, np.nan))
    return -terms.sum(axis=axis)


# With s_i = e^(z_i) / S and S = sum_j e^(z_j), the quotient rule gives
#     ds_i/dz_j = (delta_ij e^(z_i) S - e^(z_i) e^(z_j)) / S^2 = s_i (delta_ij - s_j)
# delta_ij is 1 where i = j, else 0: diag(s) - s s'. Its rows sum to zero, because the s_i always sum to 1.
def softmax_jacobian(s: np.ndarray) -> np.ndarray:
    """The matrices ds_i/dz_j, shape (..., K, K), from probabilities `s` = softmax(z) of shape (..., K)."""
    delta = np.eye(s.shape[-1], dtype=s.dtype)
    return s[..., :, None] * (delta - s[..., None, :])


def one_hot(labels: np.ndarray, classes: int, dtype: type = np.float32) -> np.ndarray:
    """Rows of (..., classes) with a single 1 at each label. Raises ValueError for labels outside 0..classes-1."""
    labels = check_labels(labels, classes)
    return np.eye(classes, dtype=dtype)[labels]


def check_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """`labels` as an array, after making sure that they are integers in 0..classes-1 (ValueError otherwise)."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got {labels.dtype}: use labels.astype(np.int64)")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"label {wrong} is outside 0..{classes - 1}: there are {classes} classes, counted from 0")
    return labels
