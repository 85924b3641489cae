"""Where learning starts: each initializer is (shape, rng) -> float32 array, its scale derived from the shape.

Every output of a layer is a sum of fan_in products, y = sum_i x_i w_i. With weights of mean zero, independent of
each other and of x, the variances add:

    Var(y) = fan_in Var(w) E[x^2]

so Var(w) decides whether the signal grows, fades or keeps its size from layer to layer.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

Shape = tuple[int, ...]
Source = np.random.Generator | int | None  # a Generator, a seed, or None for a fresh one


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs each output sums, and how many outputs each input reaches.

    Linear W (in, out) and Conv2d W (kh, kw, in/groups, out) both hold their outputs in the last axis and what
    each output sums in all others. With groups, an input reaches only its own group's part of fan_out. Raises
    ValueError below two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"fans need a shape of at least two axes, (..., in, out), got {shape}: biases start at zeros")
    return prod(shape[:-1]), prod(shape[:-2]) * shape[-1]


def normal(shape: Shape, rng: Source, standard_deviation: float = 1.0) -> np.ndarray:
    """Gaussian, mean 0 and `standard_deviation`, whatever the shape (embeddings, where a row is looked up: no sum)."""
    drawn = np.random.default_rng(rng).standard_normal(shape, np.float32)
    drawn *= np.float32(standard_deviation)
    return drawn


def uniform(shape: Shape, rng: Source, bound: float) -> np.ndarray:
    """Numbers evenly spread over [-bound, bound); their variance is bound^2 / 3."""
    drawn = np.random.default_rng(rng).random(shape, np.float32)
    drawn -= np.float32(0.5)
    drawn *= np.float32(2 * bound)
    return drawn


# A uniform number in +-1/sqrt(fan_in) has the variance 1 / (3 fan_in): the signal's mean square falls to a third in
# each Linear layer (its size to 0.58), and ReLU halves the mean square again. Normalisation layers mend that, and it is
# the start of weights that PyTorch's results stand on (biases, drawn in the same way there, start at zero here):
# https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html (and Conv2d).
def uniform_fan_in(shape: Shape, rng: Source) -> np.ndarray:
    """PyTorch's default for the weights of Linear and Conv2d: uniform in +-1/sqrt(fan_in)."""
    return uniform(shape, rng, 1 / sqrt(max(1, fans(shape)[0])))


# Behind a ReLU, x = max(0, u) with u symmetric around 0: E[x^2] = Var(u) / 2. A leaky ReLU of slope a keeps
# a^2 of the other half: E[x^2] = (1 + a^2) Var(u) / 2. So Var(y) = Var(u) asks for Var(w) = 2 / ((1 + a^2) fan_in).
def he(shape: Shape, rng: Source, negative_slope: float = 0.0) -> np.ndarray:
    """Gaussian, variance 2 / fan_in: keeps the signal's size through ReLU layers (He et al. 2015, arXiv 1502.01852)."""
    return normal(shape, rng, sqrt(2 / ((1 + negative_slope**2) * max(1, fans(shape)[0]))))


# Where x is centred and the activation is near the identity (tanh at its start), E[x^2] = Var(x): forward asks for
# Var(w) = 1 / fan_in. Backward sums over outputs, dx_i = sum_k dy_k w_ik, and asks for 1 / fan_out. Both hold only
# in a square layer; the compromise is their harmonic mean, 2 / (fan_in + fan_out) = bound^2 / 3.
def xavier(shape: Shape, rng: Source) -> np.ndarray:
    """Uniform, variance 2 / (fan_in + fan_out), for tanh and linear layers (Glorot and Bengio 2010, equation 16)."""
    return uniform(shape, rng, sqrt(6 / max(1, sum(fans(shape)))))


# The Q of a Gaussian matrix's QR decomposition has orthonormal columns, Q^T Q = 1. A square W = Q and a wide W = Q^T
# have orthonormal rows, W W^T = 1, so |x W|^2 = x W W^T x^T = |x|^2, exactly, not only on average; a tall W = Q keeps
# what of x lies in the space of its columns. The decomposition leaves the sign of each column open, and implementations
# fix it by habit; multiplying by the sign of R's diagonal makes Q uniform over all rotations and reflections (Mezzadri
# 2007, arXiv math-ph/0609050, section 5).
def orthogonal(shape: Shape, rng: Source, gain: float = 1.0) -> np.ndarray:
    """Orthonormal columns or rows, whichever are fewer, of the (fan_in, out) matrix (Saxe et al., arXiv 1312.6120)."""
    rows, columns = fans(shape)[0], shape[-1]
    drawn = np.random.default_rng(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return np.ascontiguousarray((q if rows >= columns else q.T).reshape(shape), np.float32)


# A kernel that is 1 at its centre for input k and output k passes channel k on unchanged: a deep network starts as
# a shallow one and gradients reach its first layer at full size. The remaining outputs start as usual.
def dirac(shape: Shape, rng: Source) -> np.ndarray:
    """Conv2d W (kh, kw, in, out) whose first `in` outputs copy their input; the others as `uniform_fan_in`."""
    if len(shape) != 4:
        raise ValueError(f"dirac is for convolutions, W (kh, kw, in, out); got {shape}")
    kh, kw, inputs, outputs = shape
    weights = uniform_fan_in(shape, rng)
    copies = np.arange(min(inputs, outputs))
    weights[..., copies] = 0
    weights[kh // 2, kw // 2, copies, copies] = 1
    return weights


# Patches of photographs are mostly one brightness plus faint detail. Let C = E L E^T be the covariance of all small
# patches (the mean of their products, as normalised images have mean 0), with eigenvectors E and eigenvalues L. The
# filters E / sqrt(L) then answer each direction with variance 1 (as E^T C E = L): brightness no longer drowns detail.
# Each filter is there with both signs, since a GELU or ReLU would lose one half of its answers.
def whitening(images: np.ndarray, size: int = 2, eps: float = 5e-4) -> np.ndarray:
    """Filters (size, size, C, 2 size^2 C) that whiten the patches of `images` (N, H, W, C): PCA whitening.

    As in the first layer of airbench94 (arXiv 2404.00498, section 3.2); `eps` keeps the faintest directions small.
    Raises ValueError for images as they are stored: squares of uint8 do not fit into uint8.
    """
    if images.dtype.type not in (np.float32, np.float64):
        raise ValueError(f"whitening expects float32 or float64, got {images.dtype}: cast with x.astype(np.float32)")
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))  # (N, H', W', C, size, size)
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * images.shape[3])
    covariance = patches.T @ patches / np.float32(len(patches))
    variances, directions = np.linalg.eigh(covariance.astype(np.float64))  # in columns, smallest variance first
    filters = directions[:, ::-1] / np.sqrt(variances[::-1] + eps)
    both = np.hstack([filters, -filters]).astype(np.float32)
    return both.reshape(size, size, images.shape[3], -1)
