"""Convolution: the same small filter looks at every place of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet import channels, kernels
from minnet.initializers import uniform_fan_in
from minnet.layers.arguments import pair, whole
from minnet.layers.base import Layer
from minnet.memory import Geometry, Workspace


class Conv2d(Layer):
    """y_nhwk = b_k + sum over i, j, c of x_{n, s h + d i - p, s w + d j - p, c} W_ijck: a filter k slid over the image.

    s is the stride, d the dilation, p the padding; outside the image x counts as 0. Shapes: x (N, H, W, in_channels),
    W (kh, kw, in_channels / groups, out_channels), b (out_channels,) or None, y (N, H', W', out_channels) with
    H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1, and W' alike. With `groups`, the channels are cut into
    that many parts, each convolved by itself.

    3x3 filters at stride 1 run by Winograd's scheme where it pays (winograd.py), which rounds a little differently;
    `exact = True`, on a layer or on the class, multiplies as the formula is written.
    """

    parameters = ("W", "b")
    exact = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Any = None,
    ) -> None:
        in_channels, out_channels = whole("in_channels", in_channels), whole("out_channels", out_channels)
        groups = whole("groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups, self.bias = stride, padding, dilation, groups, bias
        self.geometry = Geometry(
            pair("kernel_size", kernel_size), pair("stride", stride), pair("padding", padding, 0),
            pair("dilation", dilation),
        )  # fmt: skip
        shape = (*self.geometry.kernel, in_channels // groups, out_channels)
        self.W = uniform_fan_in(shape, np.random.default_rng(rng))
        self.b = np.zeros(out_channels, np.float32) if bias else None
        self.workspace = Workspace()
        self.kept: list[Any] = [Workspace() for _ in range(groups)]  # None in place of one: nothing is kept

    def replica(self) -> Any:
        twin = super().replica()
        twin.workspace, twin.kept = Workspace(), [Workspace() for _ in range(self.groups)]
        return twin

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x, channels=self.in_channels)
        self._cache = x, self.exact
        y = _side_by_side([
            kernels.convolve(x[..., ins], self.W[..., outs], self.geometry, self.workspace, kept, self.exact)
            for ins, outs, kept in self._groups()
        ])  # fmt: skip
        if self.b is not None:
            channels.add(y, self.b)
        return y

    # Every output place (h, w) is a Linear layer on the window that it looks at. All of them share W and b, whose
    # gradients are therefore sums over all places, as they are over the batch:
    #   dW_ijck = sum over n, h, w of x_{n, s h + d i - p, s w + d j - p, c} dy_nhwk     (inputs times dy)
    #   db_k    = sum over n, h, w of dy_nhwk
    #   dx_nuvc = sum over all i, j, k, h, w with s h + d i - p = u, s w + d j - p = v of dy_nhwk W_ijck:
    # a place of x gets back dy from every output that looked at it, times the weight through which it looked.
    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        x, exact = self._recall()  # as forward went: what it kept is that way's
        self._expect_dy(dy, (len(x), *self.geometry.output(*x.shape[1:3]), self.out_channels))
        gradients: list[Any] = [
            kernels.convolve_backward(
                dy[..., outs], x[..., ins], self.W[..., outs], self.geometry, self.workspace, kept,
                exact=exact, needs_dx=self.needs_dx, needs_dW=self._learns("W"),
            )
            for ins, outs, kept in self._groups()
        ]  # fmt: skip
        if self._learns("W"):
            self.dW = _side_by_side([dW for _, dW in gradients])
        if self._learns("b"):
            self.db = channels.total(dy)
        return _side_by_side([dx for dx, _ in gradients]) if self.needs_dx else None

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return int(np.prod(y_shape) * np.prod(self.W.shape[:3]))

    def _groups(self) -> list[tuple[slice, slice, Any]]:
        """For each group: its channels of x, its channels of y, and what its kernel keeps."""
        i, k = self.in_channels // self.groups, self.out_channels // self.groups
        return [(slice(g * i, g * i + i), slice(g * k, g * k + k), kept) for g, kept in enumerate(self.kept)]


def _side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    """The groups' channels along the last axis; of one group they are not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
