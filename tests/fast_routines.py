"""minnet's layers, losses and functions under the names and signatures of minnet.reference, in float64.

So that one test holds both: the plain loops and what training runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet import functional
from minnet.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Embedding,
    EmbeddingBag,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    RowGradient,
    Softmax,
)
from minnet.losses import SoftmaxCrossEntropy

softmax = functional.softmax
log_softmax = functional.log_softmax
entropy = functional.entropy
softmax_jacobian = functional.softmax_jacobian


def set_up(layer: Layer, **arrays: np.ndarray) -> Layer:
    layer.astype(np.float64)
    for name, array in arrays.items():
        getattr(layer, name)[...] = array
    return layer


def gradients(layer: Layer, x: np.ndarray, dy: np.ndarray, *names: str) -> Any:
    """What backward gives after forward: dx (unless it is None), then the gradients of the parameters named."""
    layer.forward(x)
    dx = layer.backward(dy)
    found = [] if dx is None else [dx]
    for name in names:
        gradient = getattr(layer, "d" + name)
        found.append(gradient.dense(getattr(layer, name).shape) if isinstance(gradient, RowGradient) else gradient)
    return found[0] if len(found) == 1 else tuple(found)


def softmax_backward(dy, s):
    return gradients(Softmax(), np.log(s), dy)  # the softmax of log s is s


def cross_entropy(z, labels, label_smoothing=0.0, class_weights=None):
    return SoftmaxCrossEntropy(label_smoothing, class_weights).forward(z, labels)


def cross_entropy_backward(z, labels, label_smoothing=0.0, class_weights=None):
    criterion = SoftmaxCrossEntropy(label_smoothing, class_weights)
    criterion.forward(z, labels)
    return criterion.backward()


def linear(x, W, b):
    return set_up(Linear(*W.shape), W=W, b=b).forward(x)


def linear_backward(dy, x, W):
    return gradients(set_up(Linear(*W.shape), W=W), x, dy, "W", "b")


def batch_norm(x, gamma, beta, eps=1e-5):
    return set_up(BatchNorm(len(gamma), eps=eps), gamma=gamma, beta=beta).forward(x)


def batch_norm_backward(dy, x, gamma, eps=1e-5):
    return gradients(set_up(BatchNorm(len(gamma), eps=eps), gamma=gamma), x, dy, "gamma", "beta")


def layer_norm(x, gamma, beta, eps=1e-5):
    return set_up(LayerNorm(len(gamma), eps=eps), gamma=gamma, beta=beta).forward(x)


def layer_norm_backward(dy, x, gamma, eps=1e-5):
    return gradients(set_up(LayerNorm(len(gamma), eps=eps), gamma=gamma), x, dy, "gamma", "beta")


def embedding(ids, W):
    return set_up(Embedding(*W.shape), W=W).forward(ids)


def embedding_backward(dy, ids, W):
    return gradients(set_up(Embedding(*W.shape), W=W), ids, dy, "W")


def embedding_bag(ids, W, mode="mean", padding_idx=0):
    return set_up(EmbeddingBag(*W.shape, mode=mode, padding_idx=padding_idx), W=W).forward(ids)


def embedding_bag_backward(dy, ids, W, mode="mean", padding_idx=0):
    return gradients(set_up(EmbeddingBag(*W.shape, mode=mode, padding_idx=padding_idx), W=W), ids, dy, "W")


def convolution(W, groups, settings):
    layer = Conv2d(W.shape[2] * groups, W.shape[3], W.shape[:2], groups=groups, bias=False, **settings)
    return set_up(layer, W=W)


def conv2d(x, W, groups=1, **settings):
    return convolution(W, groups, settings).forward(x)


def conv2d_backward(dy, x, W, groups=1, **settings):
    return gradients(convolution(W, groups, settings), x, dy, "W")


def max_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    return MaxPool2d(kernel_size, stride, padding, ceil_mode=ceil_mode).forward(x)


def average_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    return AvgPool2d(kernel_size, stride, padding, ceil_mode=ceil_mode).forward(x)


# The loops read off dy whether the last, incomplete windows were counted (ceil_mode); a layer is told.
def pooling_backward(cls, dy, x, kernel_size, stride, padding):
    layer = cls(kernel_size, stride, padding)
    if layer.forward(x).shape != dy.shape:
        layer = cls(kernel_size, stride, padding, ceil_mode=True)
    return gradients(layer, x, dy)


def max_pool2d_backward(dy, x, kernel_size, stride=None, padding=0):
    return pooling_backward(MaxPool2d, dy, x, kernel_size, stride, padding)


def average_pool2d_backward(dy, x, kernel_size, stride=None, padding=0):
    return pooling_backward(AvgPool2d, dy, x, kernel_size, stride, padding)
