"""Predict a convolutional network: shape, parameters, multiply-adds."""

from __future__ import annotations

import numpy as np

from tutorials.exercises.frame import Mistake, call
from tutorials.exercises.specs.numbers import normal, size
from tutorials.exercises.specs.predicting import Question, predict

TEXT = '''
def predicted_shape():
    """The shape (N, H', W', K) that comes out, as a tuple of four whole numbers, when {filters} filters of
    {kernel} x {kernel} look at a batch of shape ({batch}, {side}, {side}, {channels}), with stride {stride} and
    padding {padding}.
    """
    raise NotImplementedError("exercise {number}: predicted_shape")


def measured_shape(x, W, stride, padding):
    """The shape of the convolution of x (N, H, W, C) with the filters W (kh, kw, C, K), as a tuple, counted rather
    than computed: pad a batch of the same shape, and count the places where a whole filter fits.
    Example: x of shape (2, 5, 5, 3), W of shape (3, 3, 3, 4), stride 2, padding 1: (2, 3, 3, 4).
    """
    raise NotImplementedError("exercise {number}: measured_shape")


def predicted_parameters():
    """How many numbers such a layer learns, with one bias for each filter."""
    raise NotImplementedError("exercise {number}: predicted_parameters")


def measured_parameters(W, b):
    """How many numbers the filters W (kh, kw, C, K) and the biases b (K,) hold together.
    Example: W of shape (3, 3, 2, 4) and b of shape (4,): 76.
    """
    raise NotImplementedError("exercise {number}: measured_parameters")


def predicted_multiply_adds():
    """How many multiplications one image of the batch costs, those with the padding included."""
    raise NotImplementedError("exercise {number}: predicted_multiply_adds")


def measured_multiply_adds(x, W, stride, padding):
    """How many multiplications the convolution of one image of x (N, H, W, C) with W (kh, kw, C, K) takes: walk over
    the places as a convolution does, and count. Example: x of shape (2, 5, 5, 1), W of shape (3, 3, 1, 2), stride 1,
    padding 0: nine places, nine products, two filters: 162.
    """
    raise NotImplementedError("exercise {number}: measured_multiply_adds")
'''


def numbers(rng):
    return {
        "batch": size(rng, 2, 9),
        "side": size(rng, 20, 60),
        "channels": size(rng, 2, 5),
        "filters": size(rng, 6, 20),
        "kernel": int(rng.choice([3, 5, 7])),
        "stride": size(rng, 2, 3),
        "padding": size(rng, 1, 2),
    }


def arrays(v):
    x = np.zeros((v["batch"], v["side"], v["side"], v["channels"]), dtype=np.int8)
    return x, np.zeros((v["kernel"], v["kernel"], v["channels"], v["filters"]), dtype=np.int8)


def places(length, kernel, stride, padding):
    """How many times a filter fits, by trying."""
    return sum(1 for start in range(-padding, length + padding, stride) if start + kernel <= length + padding)


def shape(x, W, stride, padding):
    n, h, w, _ = x.shape
    return n, places(h, W.shape[0], stride, padding), places(w, W.shape[1], stride, padding), W.shape[3]


def parameters(W, b):
    return sum(1 for _ in np.ndindex(W.shape)) + len(b)


def multiply_adds(x, W, stride, padding):
    _, h, w, k = shape(x, W, stride, padding)
    return h * w * k * W[..., 0].size


def drawn(name):
    def cases(rng):
        found = []
        for stride, padding, kernel in ((1, 0, 2), (2, 1, 3), (3, 2, 4)):
            c, k = size(rng, 2, 3), size(rng, 4, 5)
            x = normal(rng, size(rng, 2, 3), 8 + size(rng, 0, 2), 6 + size(rng, 0, 1), c)
            found.append(call(name, x, normal(rng, kernel, kernel + 1, c, k), stride, padding))
        return found

    return cases


def filters(rng):
    found = []
    for _ in range(2):
        k = size(rng, 2, 5)
        found.append(call("measured_parameters", normal(rng, 3, 2, size(rng, 2, 3), k), normal(rng, k)))
    return found


def wrong(m):
    def out(length, kernel, stride, padding):
        p = padding if "padding-once" in m else 0 if "padding-forgotten" in m else 2 * padding
        if "rounded-up" in m:
            return -(-(length + p - kernel) // stride) + 1
        return (length + p - kernel) // stride + (0 if "one-missing" in m else 1)

    def measured_shape(x, W, stride, padding):
        n, h, w, c = x.shape
        size = n, out(h, W.shape[0], stride, padding), out(w, W.shape[1], stride, padding), W.shape[3]
        return (*size[:3], c) if "channels-kept" in m else (n, size[3], *size[1:3]) if "channels-first" in m else size

    def measured_parameters(W, b):
        kh, kw, c, k = W.shape
        if "input-channels-forgotten" in m:
            return kh * kw * k + k
        return kh * kw * c * k + (0 if "bias-forgotten" in m else c if "bias-by-channel" in m else k)

    def measured_multiply_adds(x, W, stride, padding):
        n, h, w, k = (
            measured_shape(x, W, stride, padding)
            if not {"channels-kept", "channels-first"} & m
            else shape(x, W, stride, padding)
        )
        count = h * w * W[..., 0].size * (1 if "filters-forgotten" in m else k)
        if "at-every-pixel" in m:
            count = x.shape[1] * x.shape[2] * W.size
        return n * count if "whole-batch" in m else 2 * count if "adds-counted" in m else count

    return {
        "measured_shape": measured_shape,
        "measured_parameters": measured_parameters,
        "measured_multiply_adds": measured_multiply_adds,
    }


EXERCISE = predict(
    "e25_predict_network",
    "A convolution's shape and cost",
    20,
    "easy",
    numbers,
    [
        Question(
            "shape",
            "the shape that comes out",
            shape,
            lambda v: (*arrays(v), v["stride"], v["padding"]),
            drawn("measured_shape"),
        ),
        Question(
            "parameters",
            "how many numbers the layer learns",
            parameters,
            lambda v: (arrays(v)[1], np.zeros(v["filters"])),
            filters,
        ),
        Question(
            "multiply_adds",
            "how many multiplications an image costs",
            multiply_adds,
            lambda v: (*arrays(v), v["stride"], v["padding"]),
            drawn("measured_multiply_adds"),
        ),
    ],
    TEXT,
    [
        Mistake(
            "padding-once",
            "The padding is counted on one side: it lies on both.",
            "H + padding - kernel",
            "measured shape",
        ),
        Mistake("padding-forgotten", "The padding is not counted.", "the formula without padding", "measured shape"),
        Mistake(
            "one-missing",
            "The + 1 is missing: a filter as large as the image fits once.",
            "fence posts counted as gaps",
            "measured shape",
        ),
        Mistake(
            "rounded-up",
            "The division is rounded up: a filter that does not fit whole is left out.",
            "ceil for floor",
            "measured shape",
        ),
        Mistake(
            "channels-kept",
            "The channels of the input come out: there are as many as filters.",
            "C and K mixed up",
            "measured shape",
        ),
        Mistake(
            "channels-first", "The channels come second: here they come last.", "PyTorch's order", "measured shape"
        ),
        Mistake("bias-forgotten", "The biases are not counted.", "W alone counted", "measured parameters"),
        Mistake(
            "bias-by-channel",
            "One bias for each channel of the input is counted: there is one for each filter.",
            "C and K mixed up",
            "measured parameters",
        ),
        Mistake(
            "input-channels-forgotten",
            "A filter looks at all channels of the input: multiply by C.",
            "one picture as in the drawings",
            "measured parameters",
        ),
        Mistake(
            "filters-forgotten",
            "This is the cost of one filter: multiply by their number.",
            "a factor lost",
            "measured multiply_adds",
        ),
        Mistake(
            "at-every-pixel",
            "The filter is counted at every pixel of the input: count the places of the output.",
            "stride forgotten",
            "measured multiply_adds",
        ),
        Mistake(
            "whole-batch",
            "This is the cost of the whole batch: one image is asked.",
            "N multiplied in",
            "measured multiply_adds",
        ),
        Mistake(
            "adds-counted",
            "Multiplications and additions are counted: only the multiplications are asked.",
            "FLOPs and multiply-adds",
            "measured multiply_adds",
        ),
    ],
    wrong,
)
