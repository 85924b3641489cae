"""The same mathematics as plain loops: slow, and obviously right. Lessons show it, and tests trust it.

Nothing here calls the fast routines: every formula is the loop below it, over numbers or over rows. Arrays have the
shapes of the layers: the batch first, images channels-last (N, H, W, C), filters (kh, kw, C / groups, K). `backward`
functions take dy = dL/dy first (a loss has none) and return the gradients in the order of the inputs. Convolution and
pooling stand in reference_images.py, and can be had from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.reference_images import (
    average_pool2d,
    average_pool2d_backward,
    conv2d,
    conv2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

__all__ = [
    "average_pool2d", "average_pool2d_backward", "batch_norm", "batch_norm_backward", "conv2d", "conv2d_backward",
    "cross_entropy", "cross_entropy_backward", "embedding", "embedding_backward", "embedding_bag",
    "embedding_bag_backward", "entropy", "layer_norm", "layer_norm_backward", "linear", "linear_backward",
    "log_softmax", "max_pool2d", "max_pool2d_backward", "softmax", "softmax_backward", "softmax_jacobian",
]  # fmt: skip

# -- softmax and cross-entropy -------------------------------------------------------------------------------------


# s_k = e^(z_k - m) / sum_j e^(z_j - m), m = max z: the shift cancels, and no exponential overflows.
def softmax(z: np.ndarray) -> np.ndarray:
    """Probabilities of each row. Shapes: z and the result (N, K)."""
    s = np.zeros(z.shape)
    for n, row in enumerate(z):
        m = max(row)
        exponentials = [math.exp(score - m) for score in row]
        for k, e in enumerate(exponentials):
            s[n, k] = e / sum(exponentials)
    return s


# log s_k = z_k - m - log sum_j e^(z_j - m)
def log_softmax(z: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities of each row. Shapes: z and the result (N, K)."""
    log_s = np.zeros(z.shape)
    for n, row in enumerate(z):
        m = max(row)
        log_sum = math.log(sum(math.exp(score - m) for score in row))
        for k, score in enumerate(row):
            log_s[n, k] = score - m - log_sum
    return log_s


# H(p) = -sum_k p_k log p_k, where 0 log 0 = 0
def entropy(p: np.ndarray) -> np.ndarray:
    """Entropy of each row in nats. Shapes: p (N, K), the result (N,)."""
    return np.array([-sum(q * math.log(q) for q in row if q > 0) for row in p])


# ds_i/dz_j = s_i (1 - s_i) where i = j, and -s_i s_j elsewhere
def softmax_jacobian(s: np.ndarray) -> np.ndarray:
    """All derivatives ds_i/dz_j of each row. Shapes: s (N, K), the result (N, K, K)."""
    jacobian = np.zeros((*s.shape, s.shape[1]))
    for n, i, j in np.ndindex(jacobian.shape):
        jacobian[n, i, j] = s[n, i] * (1 - s[n, i]) if i == j else -s[n, i] * s[n, j]
    return jacobian


# dL/dz_j = sum_i dL/ds_i ds_i/dz_j
def softmax_backward(dy: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The chain rule with the whole Jacobian. Shapes: dy, s = softmax(z) and the result (N, K)."""
    jacobian = softmax_jacobian(s)
    dz = np.zeros(s.shape)
    for n, i, j in np.ndindex(jacobian.shape):
        dz[n, j] += dy[n, i] * jacobian[n, i, j]
    return dz


# l_n = -sum_k t_nk log s_nk, and L = sum_n w_n l_n / sum_n w_n: the mean over the batch, N where every w_n is 1.
# Label smoothing e: t_k = (1 - e) [k is the label] + e / K. Class weights: w_n is the weight of n's label.
def cross_entropy(
    z: np.ndarray, labels: Sequence[int], label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> float:
    """The mean surprise at the labels (N,) when softmax(z), z (N, K), was announced."""
    log_s = log_softmax(z)
    total, counted = 0.0, 0.0
    for n, label in enumerate(labels):
        w = 1.0 if class_weights is None else class_weights[label]
        for k, t in enumerate(_smoothed(label, z.shape[1], label_smoothing)):
            if t:  # 0 log 0 counts as 0
                total -= w * t * log_s[n, k]
        counted += w
    return total / counted


# dl/dz_k = s_k - t_k: probability minus truth
def cross_entropy_backward(
    z: np.ndarray, labels: Sequence[int], label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> np.ndarray:
    """dL/dz of the mean above, (N, K)."""
    s = softmax(z)
    w = [1.0 if class_weights is None else class_weights[label] for label in labels]
    dz = np.zeros(z.shape)
    for n, label in enumerate(labels):
        for k, t in enumerate(_smoothed(label, z.shape[1], label_smoothing)):
            dz[n, k] = (s[n, k] - t) * w[n] / sum(w)
    return dz


def _smoothed(label: int, classes: int, smoothing: float) -> list[float]:
    return [(1 - smoothing) * (k == label) + smoothing / classes for k in range(classes)]


# -- linear --------------------------------------------------------------------------------------------------------


# y_nk = b_k + sum_i x_ni W_ik
def linear(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Weighted sums. Shapes: x (N, I), W (I, K), b (K,), the result (N, K)."""
    y = np.zeros((len(x), len(b)))
    for n, k in np.ndindex(y.shape):
        y[n, k] = b[k]
        for i in range(len(W)):
            y[n, k] += x[n, i] * W[i, k]
    return y


# Each product x_ni W_ik of y_nk passes dy_nk on: to x_ni times W_ik, to W_ik times x_ni.
def linear_backward(dy: np.ndarray, x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx (N, I), dW (I, K), db (K,)."""
    dx, dW, db = np.zeros(x.shape), np.zeros(W.shape), np.zeros(W.shape[1])
    for n, k in np.ndindex(dy.shape):
        db[k] += dy[n, k]
        for i in range(len(W)):
            dx[n, i] += dy[n, k] * W[i, k]
            dW[i, k] += dy[n, k] * x[n, i]
    return dx, dW, db


# -- normalisation -------------------------------------------------------------------------------------------------


# u_i = (x_i - mean) / s with s = sqrt(variance + eps), over m numbers
def standardize(x: Any, eps: float = 1e-5) -> tuple[list[float], float]:
    """Numbers of mean 0 and variance (next to) 1, and the s by which they were divided."""
    m = len(x)
    mean = sum(x) / m
    s = math.sqrt(sum((value - mean) ** 2 for value in x) / m + eps)
    return [(value - mean) / s for value in x], s


# x_i moves every u_j: itself, through the mean, and through s:  du_j/dx_i = ([i = j] - 1/m - u_j u_i / m) / s
def standardize_backward(du: Any, u: Any, s: float) -> list[float]:
    """dx_i = sum_j du_j du_j/dx_i."""
    m = len(u)
    return [sum(du[j] * ((i == j) - 1 / m - u[j] * u[i] / m) / s for j in range(m)) for i in range(m)]


# y = gamma u + beta, where u standardises each channel over the batch
def batch_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """Batch norm in training. Shapes: x and the result (N, C) or (N, H, W, C), gamma and beta (C,)."""
    y = np.zeros(x.shape)
    for c in range(x.shape[-1]):
        u, _ = standardize(x[..., c].ravel(), eps)
        y[..., c] = np.reshape([gamma[c] * value + beta[c] for value in u], x.shape[:-1])
    return y


def batch_norm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx, dgamma (C,), dbeta (C,)."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(len(gamma)), np.zeros(len(gamma))
    for c in range(len(gamma)):
        u, s = standardize(x[..., c].ravel(), eps)
        received = dy[..., c].ravel()
        dx[..., c] = np.reshape(standardize_backward(received * gamma[c], u, s), x.shape[:-1])
        dgamma[c], dbeta[c] = sum(d * value for d, value in zip(received, u, strict=True)), sum(received)
    return dx, dgamma, dbeta


# y = gamma u + beta, where u standardises each row: the features of one example
def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """Layer norm. Shapes: x and the result (N, C), gamma and beta (C,)."""
    return np.array([gamma * standardize(row, eps)[0] + beta for row in x])


def layer_norm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx (N, C), dgamma (C,), dbeta (C,)."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(len(gamma)), np.zeros(len(gamma))
    for n, row in enumerate(x):
        u, s = standardize(row, eps)
        dx[n] = standardize_backward(dy[n] * gamma, u, s)
        dgamma += dy[n] * u
        dbeta += dy[n]
    return dx, dgamma, dbeta


# -- embedding -----------------------------------------------------------------------------------------------------


# y_nl = W[ids_nl]: a row for each token
def embedding(ids: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Row lookup. Shapes: ids (N, L), W (V, D), the result (N, L, D)."""
    return np.array([[W[token] for token in text] for text in ids])


# A row gets back from every place where its token stands.
def embedding_backward(dy: np.ndarray, ids: np.ndarray, W: np.ndarray) -> np.ndarray:
    """dW (V, D)."""
    dW = np.zeros(W.shape)
    for n, place in np.ndindex(ids.shape):
        dW[ids[n, place]] += dy[n, place]
    return dW


# y_n = (1 / m) sum of the rows of the m tokens of text n (not divided where mode is "sum"); 0 for an empty text
def embedding_bag(ids: np.ndarray, W: np.ndarray, mode: str = "mean", padding_idx: int = 0) -> np.ndarray:
    """The mean of a text's rows. Shapes: ids (N, L), padded with padding_idx, W (V, D), the result (N, D)."""
    y = np.zeros((len(ids), W.shape[1]))
    for n, text in enumerate(ids):
        tokens = [token for token in text if token != padding_idx]
        for token in tokens:
            y[n] += W[token] / (len(tokens) if mode == "mean" else 1)
    return y


def embedding_bag_backward(
    dy: np.ndarray, ids: np.ndarray, W: np.ndarray, mode: str = "mean", padding_idx: int = 0
) -> np.ndarray:
    """dW (V, D): each token of a text has a share of 1 / m in y."""
    dW = np.zeros(W.shape)
    for n, text in enumerate(ids):
        tokens = [token for token in text if token != padding_idx]
        for token in tokens:
            dW[token] += dy[n] / (len(tokens) if mode == "mean" else 1)
    return dW
