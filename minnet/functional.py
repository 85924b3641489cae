"""Pure functions on arrays: scores become probabilities, and probabilities are measured."""

from __future__ import annotations

from typing import Any

import numpy as np


class NoDistribution(ValueError):
    """Scores that stand for no probabilities: -inf for every class."""


def _expect_floats(x: Any, what: str) -> None:
    """Raises ValueError for anything but an array in float32 or float64: in float16, 2048 + 1 is 2048."""
    if not isinstance(x, (np.ndarray, np.generic)) or x.dtype.type not in (np.float32, np.float64):
        kind = getattr(x, "dtype", type(x).__name__)
        raise ValueError(f"{what} must be a float32 or float64 array, got {kind}: np.asarray(x, np.float32) makes one")


def _shifted(z: np.ndarray, axis: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """((z - m) / T, m), where m is the maximum along `axis`, kept as an axis of length 1. Raises as `softmax` does.

    The maximum goes first: dividing large scores would round away what tells them apart, or overflow.
    """
    _expect_floats(z, "scores")
    with np.errstate(over="ignore"):
        if not 0 < z.dtype.type(temperature) < np.inf:
            near = "near 0 it gives the arg max, large ones the uniform distribution"
            raise ValueError(f"temperature must be positive and finite in {z.dtype}, got {temperature}: {near}")
    if z.ndim == 0 or z.shape[axis] == 0:
        raise ValueError(f"scores need at least one entry along axis {axis}, got shape {z.shape}")
    top = z.max(axis=axis, keepdims=True, initial=-np.inf)
    if (top == -np.inf).any():
        raise NoDistribution(
            "a row of scores is -inf throughout: every class is impossible, so there is no distribution"
        )
    with np.errstate(invalid="ignore", over="ignore"):  # +inf - inf is NaN, which the Trainer finds and names
        shifted = z - top
        return (shifted if temperature == 1 else shifted / z.dtype.type(temperature)), top


# softmax(z)_i = e^(z_i) / sum_j e^(z_j). Multiplying above and below by e^(-m) changes nothing:
#     softmax(z)_i = e^(z_i - m) / sum_j e^(z_j - m)     for every m
# With m = max z the largest exponential is e^0 = 1: nothing overflows, and the sum is at least 1.
# A temperature T divides z, and so m as well: the exponents are (z_i - m) / T. A class with z = -inf gets
# probability 0.
def softmax(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """Probabilities from scores `z` of any shape: at least 0, summing to 1 along `axis`; same shape and dtype.

    `temperature` T gives softmax(z / T). Raises ValueError for a row of only -inf, and unless z is float32 or float64.
    """
    s = np.exp(_shifted(z, axis, temperature)[0])
    s /= s.sum(axis=axis, keepdims=True)
    return s


# log sum_j e^(z_j) = m + log sum_j e^(z_j - m): the same shift, taken out of the logarithm. With a temperature,
#     log sum_j e^(z_j / T) = m / T + log sum_j e^((z_j - m) / T)
def logsumexp(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """log of the sum of exp(z / T) along `axis`, which disappears from the shape: a smooth maximum.

    Of a row with +inf it is +inf. Raises ValueError for a row of only -inf.
    """
    shifted, top = _shifted(z, axis, temperature)
    with np.errstate(over="ignore"):
        total = top / z.dtype.type(temperature) + np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return np.squeeze(np.where(top == np.inf, top, total), axis=axis)


# log softmax(z)_i = z_i - log sum_j e^(z_j) = (z_i - m) - log sum_j e^(z_j - m).
# Taking log(softmax(z)) instead would give log 0 = -inf as soon as a probability underflows.
def log_softmax(z: np.ndarray, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """Logarithms of the probabilities, exact where the probabilities themselves underflow; same shape as `z`."""
    shifted, _ = _shifted(z, axis, temperature)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


# sigmoid(z) = 1 / (1 + e^-z) = e^z / (e^z + e^0) is the probability that softmax gives the first of two scores z and 0.
# The first form is taken for z >= 0, the second for z < 0, so that, as above, no exponent is positive.
def sigmoid(z: np.ndarray) -> np.ndarray:
    """The probability of a yes from each score of `z` on its own, between 0 and 1; any shape, same shape and dtype."""
    _expect_floats(z, "scores")
    e = np.exp(-np.abs(z))
    return np.maximum(e, z >= 0) / (1 + e)  # e <= 1: True wins, and np.where would take five times as long


def entropy(p: np.ndarray, axis: int = -1) -> np.ndarray:
    """H(p) = -sum_i p_i log p_i in nats along `axis`: 0 when sure, log K when uniform. 0 log 0 counts as 0."""
    _expect_floats(p, "probabilities")
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0, p * np.log(p))  # NaN below 0
    return 0.0 - terms.sum(axis=axis)  # not -0.0 when sure


# With s_i = e^(z_i) / S and S = sum_j e^(z_j), the quotient rule gives
#     ds_i/dz_j = (delta_ij e^(z_i) S - e^(z_i) e^(z_j)) / S^2 = s_i (delta_ij - s_j)
# where delta_ij is 1 for i = j, else 0. As a matrix: diag(s) - s s^T. Its columns sum to zero, because the s_i always
# sum to 1; its rows sum to zero, because adding one number to all scores changes nothing.
def softmax_jacobian(s: np.ndarray) -> np.ndarray:
    """The matrices ds_i/dz_j, shape (..., K, K), from probabilities `s` = softmax(z) of shape (..., K)."""
    delta = np.eye(s.shape[-1], dtype=s.dtype)
    return s[..., :, None] * (delta - s[..., None, :])


def one_hot(labels: np.ndarray, classes: int, dtype: Any = np.float32) -> np.ndarray:
    """Rows of (..., classes) with a single 1 at each label. Raises ValueError for labels outside 0..classes-1."""
    labels = check_labels(labels, classes)
    hot = np.zeros((labels.size, classes), dtype)
    hot[np.arange(labels.size), labels.ravel()] = 1
    return hot.reshape(*labels.shape, classes)


def check_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """`labels` as an array, after making sure that they are integers in 0..classes-1 (ValueError otherwise)."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        numbers = labels.dtype.kind in "bf"
        cure = "labels.astype(np.int64), if none is NaN" if numbers else "np.unique(labels, return_inverse=True)[1]"
        raise ValueError(f"labels must be integers, got {labels.dtype}: use {cure}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"label {wrong} is outside 0..{classes - 1}: there are {classes} classes, counted from 0")
    return labels


# For u >= 0 and t = 1 / (1 + 0.4 u), 1 - erf(u) is nearly a polynomial in t times e^(-u^2) (the form of Abramowitz
# and Stegun 7.1.26). The six coefficients were fitted by iteratively reweighted least squares to the smallest
# largest error (minimax): 2.8e-8 for every u, below float32's own rounding. The dozen float32 operations that evaluate
# it round to an error of 4.5e-7 in all. SciPy's exact erf takes two to three times as long.
_ERF_RATE = 0.4
_ERF_COEFFICIENTS = (-0.200259732, 0.709149321, -0.370911175, 0.46827678, 0.161822517, 0.231922261)
_CHUNK = 1 << 14  # numbers at a time: the dozen passes below then run in a core's own cache


def _erfc_and_gauss(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - erf(|u|) and e^(-u^2), float32."""
    t = 1 / (1 + np.float32(_ERF_RATE) * np.abs(u))
    tail = np.full_like(t, _ERF_COEFFICIENTS[0])
    for coefficient in _ERF_COEFFICIENTS[1:]:
        tail *= t
        tail += np.float32(coefficient)
    tail *= t
    gauss = np.exp(-u * u)
    tail *= gauss
    return tail, gauss


def erf(x: np.ndarray) -> np.ndarray:
    """The error function 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x; same shape and dtype as `x`.

    float32: absolute error below 5e-7. float64: SciPy's, exact to rounding. Raises ValueError for another dtype.
    """
    _expect_floats(x, "erf's argument")
    if x.dtype != np.float32:
        from scipy.special import erf as exact

        return exact(x)
    return np.copysign(1 - _erfc_and_gauss(x)[0], x)


def gelu_and_slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GELU(x) = x Phi(x) and its slope Phi(x) + x phi(x); Phi is the standard normal distribution, phi its density.

    Two arrays of the shape and dtype of `x`. float32: absolute errors below 5e-7; below zero, where GELU fades away, it
    is right to a thousandth of itself down to x = -12.5. float64: with SciPy's Phi, exact to rounding.
    """
    y = np.empty_like(x)
    slope = np.empty_like(y)
    if x.dtype != np.float32:
        from scipy.special import ndtr

        below = ndtr(x)  # (1 + erf(x / sqrt(2))) / 2 keeps one digit of it at x = -8
        np.multiply(x, below, out=y)
        np.add(below, x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi), out=slope)
        return y, slope
    order = sorted(range(x.ndim), key=lambda axis: -y.strides[axis])  # y and slope are dense: these are views
    flat, y_flat, slope_flat = (a.transpose(order).reshape(-1) for a in (x, y, slope))
    for start in range(0, x.size, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        part = flat[chunk]
        tail, gauss = _erfc_and_gauss(part * np.float32(np.sqrt(0.5)))
        tail *= 0.5  # Phi(-|x|), which is Phi(x) below 0, and 1 - Phi(x) above
        tail -= part > 0
        below = np.abs(tail, out=tail)  # Phi(x): where it is small, nothing larger was added that takes its digits
        np.multiply(part, below, out=y_flat[chunk])
        gauss *= np.float32(1 / np.sqrt(2 * np.pi))
        gauss *= part
        np.add(below, gauss, out=slope_flat[chunk])
    return y, slope
