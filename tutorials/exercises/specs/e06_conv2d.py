"""Convolution: flips, padding, strides, and gradients where windows overlap."""

from __future__ import annotations

import numpy as np

from minnet import reference
from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import array, normal, size


def wrong(m):
    def padded(x, p):
        width = (
            ((0, 0), (0, 2 * p), (0, 2 * p), (0, 0)) if "padding-one-side" in m else ((0, 0), (p, p), (p, p), (0, 0))
        )
        return np.pad(x, width, mode="edge") if "edge-padding" in m and p else np.pad(x, width)

    def conv2d(x, W, stride, padding):
        if "padding-ignored" in m:
            padding = 0
        if "stride-ignored" in m:
            stride = 1
        if "kernel-flipped" in m:
            W = W[::-1, ::-1]
        if "kernel-axes-swapped" in m:
            W = W.transpose(1, 0, 2, 3)
        kh, kw, _, filters = W.shape
        z = padded(x, padding)
        short = 0 if "output-one-short" in m else 1
        h, w = (z.shape[1] - kh) // stride + short, (z.shape[2] - kw) // stride + short
        y = np.zeros((len(x), h, w, filters))
        for i in range(kh):
            for j in range(kw):
                part = z[:, i : i + stride * h : stride, j : j + stride * w : stride]
                if "first-channel-only" in m:
                    y += part[..., :1] @ W[i, j, :1]
                else:
                    y += part @ W[i, j]
        return y

    def conv2d_backward(dy, x, W, stride, padding):
        kh, kw, _, _ = W.shape
        z = padded(x, padding)
        h, w = dy.shape[1:3]
        dz, dW = np.zeros(z.shape), np.zeros(W.shape)
        back = W[::-1, ::-1] if "dx-flipped" in m else W
        for i in range(kh):
            for j in range(kw):
                here = np.s_[:, i : i + stride * h : stride, j : j + stride * w : stride]
                dW[i, j] = np.einsum("nhwc,nhwk->ck", z[here], dy)
                if "dW-first-example" in m:
                    dW[i, j] = np.einsum("hwc,hwk->ck", z[here][0], dy[0])
                if "overlap-overwritten" in m:
                    dz[here] = dy @ back[i, j].T
                else:
                    dz[here] += dy @ back[i, j].T
        if "overlap-overwritten-by-window" in m:
            for a in range(h):
                for b in range(w):
                    window = np.s_[:, a * stride : a * stride + kh, b * stride : b * stride + kw]
                    dz[window] = np.einsum("nk,ijck->nijc", dy[:, a, b], back)
        if "dW-flipped" in m:
            dW = dW[::-1, ::-1]
        if "dW-mean" in m:
            dW = dW / len(x)
        if "dx-not-cropped" in m:
            return dz, dW
        p = 0 if "padding-one-side" in m else padding
        if "dx-cut-from-behind" in m:
            return dz[:, p:-p, p:-p], dW
        return dz[:, p : p + x.shape[1], p : p + x.shape[2]], dW

    def ordered(*given):
        dx, dW = conv2d_backward(*given)
        return (dW, dx) if "order" in m else (dx, dW)

    return {"conv2d": conv2d, "conv2d_backward": ordered}


def settings(rng):
    """x shape, W shape, stride, padding."""
    c, k = size(rng, 2, 3), size(rng, 1, 3)
    return [
        ((2, 4, 5, c), (2, 3, c, k), 1, 0),
        ((2, 5, 4, c), (3, 3, c, k), 1, 1),
        ((3, 5, 6, 2), (2, 2, 2, k), 2, 0),
        ((2, 6, 5, 2), (3, 2, 2, 2), 2, size(rng, 1, 2)),
    ]


def forward(rng):
    return [call("conv2d", normal(rng, *x), normal(rng, *w), s, p) for x, w, s, p in settings(rng)]


def backward(rng):
    cases = []
    for xs, ws, s, p in settings(rng):
        h, w = ((xs[a] + 2 * p - ws[a - 1]) // s + 1 for a in (1, 2))
        dy = normal(rng, xs[0], h, w, ws[3])
        cases.append(call("conv2d_backward", dy, normal(rng, *xs), normal(rng, *ws), s, p))
    return cases


def lines(rng):
    return [call("conv2d", normal(rng, n, 3, 3, 1), normal(rng, 2, 2, 1, 1), 1, 0) for n in (2, 30)]


X = np.arange(1.0, 10).reshape(1, 3, 3, 1)
W = array([1, 0], [0, -1]).reshape(2, 2, 1, 1)

EXERCISE = Exercise(
    "e06_conv2d",
    "Convolution",
    60,
    "hard",
    ["conv2d", "conv2d_backward"],
    {"conv2d": reference.conv2d, "conv2d_backward": reference.conv2d_backward},
    core=True,
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [call("conv2d", X, W, 1, 0), call("conv2d_backward", np.ones((1, 2, 2, 1)), X, W, 1, 0)],
        ),
        Check("forward", "the forward pass is right for every size, stride and padding", 4, forward),
        Check("backward", "dx and dW are the sums over all products", 4, backward),
        Check("untouched", "the arguments stay as they were", 1, lambda rng: [forward(rng)[1], backward(rng)[1]]),
        Check("lines", "no Python loop over the examples", 1, lines),
    ],
    mistakes=[
        Mistake(
            "kernel-flipped",
            "The filter is flipped (a convolution in the strict sense): here it is not.",
            "signal-processing textbooks; scipy's convolve",
            "forward",
        ),
        Mistake(
            "kernel-axes-swapped", "Height and width of the filter are exchanged.", "W[j, i] for W[i, j]", "forward"
        ),
        Mistake(
            "padding-one-side",
            "All padding stands below and to the right: half of it belongs before the image.",
            "an off-by-one in the padded copy",
            "forward",
        ),
        Mistake("padding-ignored", "padding has no effect.", "tests with padding 0 only", "forward"),
        Mistake(
            "edge-padding", "The padding repeats the edge: outside the image x counts as 0.", "np.pad mode", "forward"
        ),
        Mistake("stride-ignored", "stride has no effect.", "tests with stride 1 only", "forward"),
        Mistake(
            "output-one-short",
            "The last row and column are missing: (H + 2 padding - kh) // stride + 1.",
            "the + 1 forgotten",
            "forward",
        ),
        Mistake(
            "first-channel-only",
            "Only the first channel is looked at: sum over all of them.",
            "grey images in tests",
            "forward",
        ),
        Mistake(
            "dx-not-cropped", "dx still has the padding around it: cut it off.", "the padded copy returned", "backward"
        ),
        Mistake(
            "dx-cut-from-behind",
            "Without padding nothing of dx is left: p:-p is 0:0 there. Cut p : p + H.",
            "p:-p for p = 0",
            "backward",
        ),
        Mistake(
            "dx-flipped",
            "dx uses the filter flipped once too often.",
            "full correlation with a flip copied",
            "backward",
        ),
        Mistake(
            "overlap-overwritten",
            "Where windows overlap, dx is overwritten instead of added up: use +=.",
            "= for +=",
            "backward",
            also=["overlap-overwritten-by-window"],
        ),
        Mistake(
            "dW-mean",
            "dW is divided by the batch size: the loss has divided already.",
            "1/N in every layer",
            "backward",
        ),
        Mistake(
            "dW-first-example",
            "dW comes from the first example only: sum over the batch.",
            "batches of one in tests",
            "backward",
        ),
        Mistake("order", "The results come as dW, dx: dx first.", "order of the tuple", "backward"),
        Mistake("dW-flipped", "dW is flipped.", "the forward pass flips, the docstring does not", "backward"),
    ],
)
