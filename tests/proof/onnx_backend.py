"""A thin backend: one ONNX node run by minnet's layers, losses and functions.

ONNX stores images channels-first (N, C, H, W) and filters (out, in, kh, kw); here they are turned around on the way in
and out. What minnet has no word for raises Unsupported with the reason. Every number that comes out was computed by
minnet; NumPy only moves axes, pads, and scales weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minnet.functional import log_softmax, logsumexp
from minnet.layers import (
    GELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from minnet.losses import SoftmaxCrossEntropy


class Unsupported(ValueError):
    """minnet has no such thing; the message says what."""


def run_node(op: str, attributes: dict[str, Any], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of one node, all of those that minnet knows."""
    integers = {array.dtype for array in inputs[:1] if array.dtype.kind != "f"}
    if integers:
        raise Unsupported(f"layers compute in floating point, not in {integers.pop()}")
    result = OPERATORS[op](attributes, *inputs)
    return list(result) if isinstance(result, tuple) else [result]


def elementwise(layer: Callable[[dict[str, Any]], Layer]) -> Callable[..., np.ndarray]:
    return lambda attributes, x: layer(attributes).forward(x)


def gelu(attributes: dict[str, Any], x: np.ndarray) -> np.ndarray:
    if attributes.get("approximate", b"none") != b"none":
        raise Unsupported("GELU by its tanh approximation: minnet computes the exact one")
    return GELU().forward(x)


def along(axis: int, function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """`function`, which works along the last axis, along another one."""
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def softmax(attributes: dict[str, Any], x: np.ndarray) -> np.ndarray:
    return along(attributes.get("axis", -1), Softmax().forward, x)


# -- matrix products -----------------------------------------------------------------------------------------------


def linear(x: np.ndarray, W: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    layer = Linear(*W.shape, bias=b is not None).astype(W.dtype)
    layer.W = W
    if b is not None:
        layer.b = b
    return layer.forward(x)


def gemm(attributes: dict[str, Any], a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
    """alpha a b + beta c"""
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    W = b * np.float32(attributes.get("alpha", 1))
    if c is None:
        return linear(a, W)
    if c.ndim == 2 and c.shape[0] != 1:
        raise Unsupported("a bias of its own for every example is no Linear layer")
    return linear(a, W, np.broadcast_to(c * np.float32(attributes.get("beta", 1)), (1, W.shape[1]))[0])


def matmul(_: dict[str, Any], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A stack of matrix products, each a Linear layer; vectors stand for a row and a column."""
    rows, columns = a.reshape(1, -1) if a.ndim == 1 else a, b.reshape(-1, 1) if b.ndim == 1 else b
    stack = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    y = np.empty((*stack, rows.shape[-2], columns.shape[-1]), a.dtype)
    rows = np.broadcast_to(rows, (*stack, *rows.shape[-2:]))
    columns = np.broadcast_to(columns, (*stack, *columns.shape[-2:]))
    for place in np.ndindex(stack):
        y[place] = linear(rows[place], columns[place])
    if b.ndim == 1:
        y = y[..., 0]
    return y if a.ndim > 1 else y[..., 0] if b.ndim == 1 else y[..., 0, :]


# -- images --------------------------------------------------------------------------------------------------------


def window(attributes: dict[str, Any], x: np.ndarray) -> tuple[np.ndarray, dict[str, Any], list[tuple[int, int]]]:
    """The image (N, H, W, C), the window's kernel_size, stride and dilation, and the padding of each axis.

    A row of numbers (N, C, L) is an image of height 1.
    """
    if x.ndim > 4:
        raise Unsupported("windows in three dimensions: minnet has images only")
    if x.ndim == 3:
        x, one = x[:, :, None], lambda values: [1, *values]
    else:
        one = list
    kernel = one(attributes["kernel_shape"])
    stride = one(attributes.get("strides", [1] * len(attributes["kernel_shape"])))
    dilation = one(attributes.get("dilations", [1] * len(attributes["kernel_shape"])))
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        pads = []
        for length, k, s in zip(x.shape[2:], kernel, stride, strict=True):
            total = max(0, (-(-length // s) - 1) * s + k - length)
            less, more = total // 2, total - total // 2
            pads.append((less, more) if auto == b"SAME_UPPER" else (more, less))
    else:
        flat = attributes.get("pads", [0] * 4)
        pads = [(0, 0)] * (2 - len(flat) // 2) + list(zip(flat[: len(flat) // 2], flat[len(flat) // 2 :], strict=True))
    where = {"kernel_size": tuple(kernel), "stride": tuple(stride), "dilation": tuple(dilation)}
    return x.transpose(0, 2, 3, 1), where, pads


def padded(x: np.ndarray, pads: list[tuple[int, int]], fill: float) -> np.ndarray:
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)


def channels_first(y: np.ndarray, axes: int) -> np.ndarray:
    y = y.transpose(0, 3, 1, 2)
    return y[:, :, 0] if axes == 3 else y


def conv(attributes: dict[str, Any], x: np.ndarray, W: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    image, where, pads = window({"kernel_shape": W.shape[2:], **attributes}, x)
    same_on_both_sides = all(before == after for before, after in pads)
    if same_on_both_sides:
        where["padding"] = tuple(before for before, _ in pads)
    else:
        image = padded(image, pads, 0)
    groups = attributes.get("group", 1)
    layer = Conv2d(image.shape[3], W.shape[0], groups=groups, bias=b is not None, **where)
    layer.W = W.transpose(2, 3, 1, 0)
    if b is not None:
        layer.b = b
    return channels_first(layer.forward(image), x.ndim)


def pooling(attributes: dict[str, Any], x: np.ndarray) -> tuple[np.ndarray, dict[str, Any], list[tuple[int, int]]]:
    image, where, pads = window(attributes, x)
    if where.pop("dilation") != (1, 1):
        raise Unsupported("pooling with gaps in its window: minnet's has no dilation")
    where["ceil_mode"] = bool(attributes.get("ceil_mode", 0))
    sides = zip(pads, where["kernel_size"], strict=True)
    if all(before == after and 2 * before <= k for (before, after), k in sides):
        where["padding"] = tuple(before for before, _ in pads)
        pads = [(0, 0), (0, 0)]
    return image, where, pads


def max_pool(attributes: dict[str, Any], x: np.ndarray) -> np.ndarray:
    image, where, pads = pooling(attributes, x)
    return channels_first(MaxPool2d(**where).forward(padded(image, pads, -np.inf)), x.ndim)


def average_pool(attributes: dict[str, Any], x: np.ndarray) -> np.ndarray:
    image, where, pads = pooling(attributes, x)
    y = AvgPool2d(**where).forward(padded(image, pads, 0))
    if not attributes.get("count_include_pad", 0):  # minnet counts padding; the average of ones says how much was none
        y = y / AvgPool2d(**where).forward(padded(np.ones_like(image), pads, 0))
    return channels_first(y, x.ndim)


def globally(layer: Layer) -> Callable[..., np.ndarray]:
    return lambda _, x: layer.forward(x.transpose(0, 2, 3, 1))[:, :, None, None]


# -- normalisation -------------------------------------------------------------------------------------------------


def batch_normalization(
    attributes: dict[str, Any], x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> tuple[np.ndarray, ...]:
    training = bool(attributes.get("training_mode", 0))
    layer = BatchNorm(len(gamma), eps=attributes.get("epsilon", 1e-5), momentum=1 - attributes.get("momentum", 0.9))
    layer.gamma, layer.beta, layer.running_mean, layer.running_var = gamma, beta, mean.copy(), var.copy()
    layer.train(training)
    y = layer.forward(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return (y, layer.running_mean, layer.running_var) if training else (y,)


def layer_normalization(
    attributes: dict[str, Any], x: np.ndarray, gamma: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, ...]:
    axis = attributes.get("axis", -1) % x.ndim
    layer = LayerNorm(gamma.size, eps=attributes.get("epsilon", 1e-5))
    layer.gamma, layer.beta = gamma.ravel(), beta.ravel()
    flat = x.reshape(-1, gamma.size)  # the axes that are normalised together, as one
    y = layer.forward(flat)
    u, inverse = layer._cache  # u = (x - mean) inverse: what the layer found
    mean = (flat - u / inverse)[:, :1]
    statistics = (*x.shape[:axis], *(1,) * (x.ndim - axis))
    return y.reshape(x.shape), mean.reshape(statistics), inverse.reshape(statistics)


def flatten(attributes: dict[str, Any], x: np.ndarray) -> np.ndarray:
    axis = attributes.get("axis", 1)
    rows = x.reshape(int(np.prod(x.shape[:axis])), *x.shape[axis:], 1)  # axes before `axis` form the batch
    return Flatten().forward(rows)


# -- losses --------------------------------------------------------------------------------------------------------


def cross_entropy(
    attributes: dict[str, Any], scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Classes stand on axis 1; every place of the other axes is an example."""
    z, y = np.moveaxis(scores, 1, -1).reshape(-1, scores.shape[1]), labels.ravel()
    criterion = SoftmaxCrossEntropy(class_weights=weights, ignore_index=attributes.get("ignore_index"))
    losses = reduced(attributes, criterion, z, y).reshape(labels.shape if _reduction(attributes) == "none" else ())
    return losses.astype(scores.dtype), along(1, log_softmax, scores)


# ONNX takes any numbers for logarithms of probabilities and gives -x of the label; SoftmaxCrossEntropy makes them a
# distribution first: -x + log sum e^x. What it added is taken off again, example by example, in float64.
def negative_log_likelihood(
    attributes: dict[str, Any], log_p: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    z, y = np.moveaxis(log_p.astype(np.float64), 1, -1).reshape(-1, log_p.shape[1]), labels.ravel()
    criterion = SoftmaxCrossEntropy(class_weights=weights, ignore_index=attributes.get("ignore_index"))
    each = np.array([criterion.denominator(y[n : n + 1]) for n in range(len(y))])  # what each example counts
    added = each * logsumexp(z)
    reduction = _reduction(attributes)
    losses = reduced(attributes, criterion, z, y)
    losses = losses - (added if reduction == "none" else added.sum() / (each.sum() if reduction == "mean" else 1))
    return losses.reshape(labels.shape if reduction == "none" else ()).astype(log_p.dtype)


def reduced(attributes: dict[str, Any], criterion: SoftmaxCrossEntropy, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    reduction = _reduction(attributes)
    if reduction == "none":
        return np.array([criterion.forward(z[n : n + 1], y[n : n + 1], denominator=1.0) for n in range(len(y))])
    return np.array(criterion.forward(z, y, denominator=None if reduction == "mean" else 1.0))


def _reduction(attributes: dict[str, Any]) -> str:
    return attributes.get("reduction", b"mean").decode()


OPERATORS: dict[str, Callable[..., Any]] = {
    "Relu": elementwise(lambda _: ReLU()),
    "LeakyRelu": elementwise(lambda attributes: LeakyReLU(attributes.get("alpha", 0.01))),
    "Sigmoid": elementwise(lambda _: Sigmoid()),
    "Tanh": elementwise(lambda _: Tanh()),
    "Gelu": gelu,
    "Softmax": softmax,
    "LogSoftmax": lambda attributes, x: log_softmax(x, axis=attributes.get("axis", -1)),
    "Gemm": gemm,
    "MatMul": matmul,
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": globally(GlobalAvgPool()),
    "GlobalMaxPool": globally(GlobalMaxPool()),
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "Flatten": flatten,
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "NegativeLogLikelihoodLoss": negative_log_likelihood,
}
