"""Normalisation keeps numbers at a size that the next layer can learn from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minnet import channels
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.containers import chains
from minnet.layers.conv import Conv2d
from minnet.layers.linear import Linear


class Normalize(Layer):
    """(x - mean) / std for each channel, with fixed numbers from the training images: a network's first layer.

    It takes the images as they are stored (uint8, 0 to 255, or floating point) and gives floating point, so that a
    saved network carries its normalisation with it. Shapes: x (N, H, W, C), mean and std C numbers, y like x.
    """

    buffers = ("scale", "shift")

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = [float(m) for m in np.ravel(mean)], [float(s) for s in np.ravel(std)]
        if not self.std or len(self.mean) != len(self.std) or not all(0 < s < math.inf for s in self.std):
            raise ValueError("Normalize needs one mean and one std > 0 a channel: is a channel constant?")
        if not all(map(math.isfinite, self.mean)):
            raise ValueError(f"Normalize's mean must be finite numbers, got {self.mean}")
        self.scale = (1 / np.array(self.std)).astype(np.float32)
        self.shift = (-np.array(self.mean) / np.array(self.std)).astype(np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x, channels=len(self.mean))
        self._cache = x.shape
        y = channels.fresh(x, self.scale.dtype)
        y[...] = x
        return channels.affine(y, self.scale, self.shift, y)

    def _expect_dtype(self, x: Any) -> None:
        if x.dtype.kind not in "fu":
            raise ValueError(f"Normalize expects images of 0..255 (uint8 or floating point), got {x.dtype}")

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self._expect_dy(dy, self._recall())
        return dy * self.scale


class BatchNorm(Layer):
    """Each channel to mean 0 and variance 1 over the batch, then scaled by gamma and shifted by beta.

    y = gamma (x - mean) / sqrt(var + eps) + beta (arXiv 1502.03167). Shapes: x (N, C) or (N, H, W, C); gamma, beta,
    running_mean and running_var (C,). In training, mean and var are the batch's (var biased: divided by the count, not
    the count less 1), and the running ones move a part `momentum` of the way towards them (towards the unbiased
    variance, as in PyTorch); in evaluation the running ones are used. Where workers share a batch, each piece is
    normalised by its own moments ("ghost" batch norm, arXiv 1705.08741), unless the workers `exchange` theirs; the
    pieces' moments are kept in `notes`, and the Trainer pools them into one move of the running ones a step.
    """

    parameters = ("gamma", "beta")
    buffers = ("running_mean", "running_var")
    exchange: Callable[[Any], list[Any]] | None = None  # brings one worker's numbers, returns everybody's

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        if not isinstance(momentum, (int, float, np.number)) or not 0 <= momentum <= 1:
            raise ValueError(f"momentum is the part by which running statistics move, from 0 to 1; got {momentum!r}")
        self.num_features = num_features = whole("num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(num_features, np.float32), np.zeros(num_features, np.float32)
        self.running_mean, self.running_var = np.zeros(num_features, np.float32), np.ones(num_features, np.float32)
        self.notes: list[tuple[int, np.ndarray, np.ndarray]] | None = None  # a list in replicas

    def replica(self) -> Any:
        twin = super().replica()
        twin.notes = []
        return twin

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        if x.ndim not in (2, 4) or x.shape[-1] != self.num_features:
            raise ValueError(
                f"{self!r} expects (N, {self.num_features}) or (N, H, W, {self.num_features}), got {x.shape}"
            )
        if self.training:
            count = x.size // self.num_features
            if count < 2:
                raise ValueError(
                    f"{self!r} needs at least two values a channel while training, got shape {x.shape}: "
                    "use a larger batch, or model.eval()"
                )
            mean, var = channels.moments(x)
            if self.notes is None:
                self.update_running([(count, mean, var)])
            else:
                self.notes.append((count, mean, var))
            if self.exchange is not None:
                count, mean, var = pooled(self.exchange((count, mean, var)))
        else:
            count, mean, var = 0, self.running_mean, self.running_var
        scale, shift, inverse = self.line(mean, var)
        self._cache = x, mean, inverse, count
        return channels.affine(x, scale, shift)

    def line(self, mean: np.ndarray, var: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(scale, shift, 1/s), (C,) each: y = scale x + shift with s = sqrt(var + eps), scale = gamma / s."""
        inverse = 1 / np.sqrt(var + mean.dtype.type(self.eps))
        scale = self.gamma * inverse
        return scale, self.beta - mean * scale, inverse

    def update_running(self, moments: list[tuple[int, np.ndarray, np.ndarray]]) -> None:
        """Moves the running statistics towards those of a batch seen in pieces of (count, mean, variance)."""
        n, mean, var = pooled(moments)
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * (n / (n - 1)) - self.running_var)

    # Of one channel, with m values x_j: y_j = gamma u_j + beta with u_j = (x_j - mean) / s and s = sqrt(var + eps). So
    #   dbeta = sum_j dy_j,   dgamma = sum_j dy_j u_j,   and u gets g_j = dL/du_j = dy_j gamma.
    # x_i reaches every u_j through the mean and through s, and u_i directly as well:
    #   dmean/dx_i = 1 / m
    #   dvar/dx_i  = 2 (x_i - mean) / m     (the mean moves as well, but that adds nothing: sum_j (x_j - mean) = 0)
    #   ds/dx_i    = dvar/dx_i / (2 s) = u_i / m
    #   du_j/dx_i  = ([i = j] - 1 / m) / s - (x_j - mean) / s^2 * ds/dx_i = ([i = j] - 1 / m - u_j u_i / m) / s
    #   dx_i = sum_j g_j du_j/dx_i = (1 / s) (g_i - mean of g - u_i * mean of g u)
    #        = (gamma / s) (dy_i - dbeta / m - u_i dgamma / m)
    # In evaluation mean and s are constants: dx = dy gamma / s.
    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        x, mean, inverse, m = self._recall()
        self._expect_dy(dy, x.shape)
        dbeta, products = channels.sums(dy, x, mean)  # products: sum of dy (x - mean)
        dgamma = products * inverse  # inverse is 1 / s
        if self._learns("gamma"):
            self.dgamma = dgamma
        if self._learns("beta"):
            self.dbeta = dbeta
        if m and self.exchange is not None:  # dx needs the sums over the whole batch; the Trainer adds the gradients
            dbeta, dgamma = (sum(parts) for parts in zip(*self.exchange((dbeta, dgamma)), strict=True))
        if not self.needs_dx:
            return None
        scale = self.gamma * inverse
        if not m:  # evaluation
            return channels.affine(dy, scale, np.zeros_like(scale))
        slope = -inverse * dgamma / m  # dx = scale (dy + slope (x - mean) - dbeta / m), for u = (x - mean) / s
        return channels.combine(dy, scale, x, slope, -slope * mean - dbeta / m)


# In evaluation batch norm is y = scale x + shift with constants. Where x = u W + b comes from a convolution or a linear
# layer, y = u (W scale) + (b scale + shift) does both at once (Jacob et al., arXiv 1712.05877, section 3.2).
def folded(model: Layer) -> Layer:
    """A replica for prediction alone: convolutions and linear layers take over the batch norms right behind them.

    Batch norms behind other layers stay.
    """
    twin: Layer = model.replica().eval()
    for chain in chains(twin):
        layers: list[Any] = []
        for layer in chain.layers:
            before: Any = layers[-1] if layers else None
            if (
                type(layer) is BatchNorm  # a subclass may compute something else
                and type(before) in (Conv2d, Linear)
                and layer.num_features == before.W.shape[-1]
            ):
                scale, shift, _ = layer.line(layer.running_mean, layer.running_var)
                before.W = before.W * scale
                before.b = shift if before.b is None else before.b * scale + shift
            else:
                layers.append(layer)
        chain.layers = tuple(layers)
    return twin


def pooled(moments: list[tuple[int, np.ndarray, np.ndarray]]) -> tuple[int, np.ndarray, np.ndarray]:
    """(count, mean, variance) of all numbers from those of their parts, exactly.

    E[x^2] = var + mean^2 holds for each part and for all, and sum_i n_i mean_i = n mean, so
    var = sum_i n_i (var_i + (mean_i - mean)^2) / n.
    """
    n = sum(count for count, _, _ in moments)
    mean = np.sum([count * m for count, m, _ in moments], axis=0) / n
    var = np.sum([count * (v + (m - mean) ** 2) for count, m, v in moments], axis=0) / n
    return n, mean, var


class LayerNorm(Layer):
    """Each example's features to mean 0 and variance 1, then scaled by gamma and shifted by beta (arXiv 1607.06450).

    Shapes: x (..., C), gamma and beta (C,). The statistics are the example's own: training and evaluation agree.
    """

    parameters = ("gamma", "beta")

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        self.num_features = num_features = whole("num_features", num_features)
        self.eps = eps
        self.gamma, self.beta = np.ones(num_features, np.float32), np.zeros(num_features, np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        if x.ndim < 2 or x.shape[-1] != self.num_features:
            raise ValueError(f"{self!r} expects (..., {self.num_features}), got {x.shape}")
        centred = x - x.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + x.dtype.type(self.eps))
        u = centred * inverse
        self._cache = u, inverse
        return u * self.gamma + self.beta

    # As in BatchNorm, but mean and s are those of one example, over its features. gamma differs from one feature to the
    # next, so it stays in g = dy gamma:   dx = (1 / s) (g - mean of g - u * mean of g u)
    def backward(self, dy: np.ndarray) -> np.ndarray:
        u, inverse = self._recall()
        self._expect_dy(dy, u.shape)
        if self._learns("gamma"):
            self.dgamma = (dy * u).reshape(-1, self.num_features).sum(axis=0)
        if self._learns("beta"):
            self.dbeta = dy.reshape(-1, self.num_features).sum(axis=0)
        g = dy * self.gamma
        return inverse * (g - g.mean(axis=-1, keepdims=True) - u * (g * u).mean(axis=-1, keepdims=True))
