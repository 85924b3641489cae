"""The zoo: each model is a short function that returns layers, made reproducibly from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.initializers import dirac, he, normal, whitening
from minnet.layers import (
    GELU,
    AttentionPool,
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    GlobalMaxPool,
    Layer,
    Linear,
    MaskedSequential,
    MaxPool2d,
    Normalize,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Scale,
    Sequential,
)

# -- images: uint8 (N, H, W, C) in, scores (N, classes) out; mean and std are those of the training images -----


def softmax_regression(shape: Any, classes: int, mean: Any, std: Any, seed: int = 0) -> Sequential:
    """One template a class: scores are the scalar products with it."""
    features = int(np.prod(shape))
    linear = Linear(features, classes, rng=seed)
    linear.W[...] = 0  # a convex problem: zero is a fair start, and all classes begin equal
    return Sequential(Normalize(mean, std), Flatten(), linear)


def mlp(
    shape: Any, classes: int, mean: Any, std: Any, seed: int = 0, widths: tuple[int, ...] = (512, 256)
) -> Sequential:
    """Fully connected layers with ReLU between them."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [Normalize(mean, std), Flatten()]
    features = int(np.prod(shape))
    for width in widths:
        layers += [_he(Linear(features, width, rng=rng), rng), ReLU()]
        features = width
    return Sequential(*layers, Linear(features, classes, rng=rng))


def cnn6(
    shape: Any, classes: int, mean: Any, std: Any, seed: int = 0, widths: tuple[int, ...] = (32, 64, 128)
) -> Sequential:
    """Stages of two 3x3 convolutions with batch norm and ReLU, each ending in a 2x2 max pool; then one linear layer."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    layers: list[Layer] = [Normalize(mean, std)]
    for stage in widths:
        for _ in range(2):
            layers += [_he(Conv2d(channels, stage, 3, padding=1, bias=False, rng=rng), rng), BatchNorm(stage), ReLU()]
            channels = stage
        layers.append(MaxPool2d(2))
        height, width = height // 2, width // 2
    return Sequential(*layers, Flatten(), Linear(channels * height * width, classes, rng=rng))


def resnet(
    shape: Any, classes: int, mean: Any, std: Any, seed: int = 0, widths: tuple[int, ...] = (32, 64, 128)
) -> Sequential:
    """A small residual network: one residual block of two convolutions a stage (arXiv 1512.03385)."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape

    def conv(inner: int, outer: int) -> list[Layer]:
        return [_he(Conv2d(inner, outer, 3, padding=1, bias=False, rng=rng), rng), BatchNorm(outer)]

    layers: list[Layer] = [Normalize(mean, std)]
    for stage in widths:
        layers += [*conv(channels, stage), ReLU(), MaxPool2d(2)]
        layers += [Residual(Sequential(*conv(stage, stage), ReLU(), *conv(stage, stage))), ReLU()]
        channels, height, width = stage, height // 2, width // 2
    return Sequential(*layers, Flatten(), Linear(channels * height * width, classes, rng=rng))


def speedrun(
    shape: Any, classes: int, mean: Any, std: Any, seed: int = 0, widths: tuple[int, ...] = (64, 256, 256)
) -> Sequential:
    """airbench94's network (arXiv 2404.00498): a whitening layer, three blocks of two convolutions, a small last layer.

    `whiten` fills in and freezes its first convolution. Convolutions start as the identity on their first channels,
    batch norm learns only its shift, and scores are scaled by 1/9. For images of 25 to 48 pixels a side.
    """
    rng = np.random.default_rng(seed)
    channels = shape[2]
    whitened = 2 * 2 * 2 * channels
    layers: list[Layer] = [Normalize(mean, std), Conv2d(channels, whitened, 2, rng=rng), GELU()]
    channels = whitened
    for width in widths:
        for pooled in (True, False):
            conv = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng)
            conv.W[...] = dirac(conv.W.shape, rng)
            norm = BatchNorm(width, eps=1e-12, momentum=0.4)
            norm.freeze("gamma")
            layers += [conv, *([MaxPool2d(2)] if pooled else []), norm, GELU()]
            channels = width
    return Sequential(*layers, MaxPool2d(3), Flatten(), Linear(channels, classes, bias=False, rng=rng), Scale(1 / 9))


def whiten(model: Sequential, images: np.ndarray) -> None:
    """Sets the first convolution's filters to those that whiten `images` (uint8, some thousands), and freezes them."""
    normalize, conv = model[0], next(layer for layer in model.layers if isinstance(layer, Conv2d))
    conv.W[...] = whitening(normalize.forward(images), conv.W.shape[0])
    conv.freeze("W")


# -- texts: CSR rows or padded token ids in, scores (N, classes) out -------------------------------------------


def ngram_softmax(features: int, classes: int, seed: int = 0) -> Sequential:
    """Softmax regression on weighted n-gram counts, CSR (N, features)."""
    linear = Linear(features, classes, rng=seed)
    linear.W[...] = 0
    return Sequential(linear)


def ngram_mlp(features: int, classes: int, seed: int = 0, width: int = 32, dropout: float = 0.5) -> Sequential:
    """The same with one hidden layer of ReLU: each n-gram has a vector, and a text is their weighted sum."""
    rng = np.random.default_rng(seed)
    vectors = Linear(features, width, rng=rng)
    # rows have length 1, so a sum of many small weights has the spread of one of them
    vectors.W[...] = normal(vectors.W.shape, rng, 0.1)
    return Sequential(vectors, ReLU(), Dropout(dropout), Linear(width, classes, rng=rng))


def embedding_bag(
    vocabulary: int, classes: int, seed: int = 0, dimensions: int = 64, dropout: float = 0.5
) -> Sequential:
    """The mean of the word vectors, then one linear layer (as in fastText, arXiv 1607.01759). Token ids (N, L)."""
    rng = np.random.default_rng(seed)
    bag = EmbeddingBag(vocabulary, dimensions, rng=rng)
    bag.W *= np.float32(0.1)
    return Sequential(bag, Dropout(dropout), Linear(dimensions, classes, rng=rng))


def text_cnn(
    vocabulary: int, classes: int, seed: int = 0, dimensions: int = 64, filters: int = 64, dropout: float = 0.5
) -> Sequential:
    """Filters over 1, 3 and 5 neighbouring words, each reporting its strongest answer (Kim, arXiv 1408.5882).

    Odd sizes, so that every place of the text stays a place, and padding can be masked.
    """
    rng = np.random.default_rng(seed)
    table = Embedding(vocabulary, dimensions, padding_idx=0, rng=rng)
    table.W *= np.float32(0.3)
    branches = []
    for size in (1, 3, 5):
        conv = _he(Conv2d(dimensions, filters, (size, 1), padding=(size // 2, 0), rng=rng), rng)
        branches.append(Sequential(conv, ReLU(), GlobalMaxPool()))
    layers = [table, Reshape(-1, 1, dimensions), Parallel(*branches), Dropout(dropout)]
    return MaskedSequential(*layers, Linear(3 * filters, classes, rng=rng))


def attention(vocabulary: int, classes: int, seed: int = 0, dimensions: int = 64, dropout: float = 0.3) -> Sequential:
    """A weighted mean of the word vectors, whose weights are a softmax that the network learns."""
    rng = np.random.default_rng(seed)
    table = Embedding(vocabulary, dimensions, padding_idx=0, rng=rng)
    table.W *= np.float32(0.1)
    return MaskedSequential(
        table, Dropout(dropout), AttentionPool(dimensions, rng=rng), Linear(dimensions, classes, rng=rng)
    )


def _he(layer: Any, rng: np.random.Generator) -> Any:
    """A layer that is followed by ReLU starts with He's variance, 2 / fan_in (see initializers.py)."""
    layer.W[...] = he(layer.W.shape, rng)
    return layer
