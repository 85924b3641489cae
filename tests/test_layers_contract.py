"""Every layer keeps the whole contract, gradients included, for shapes and settings that Hypothesis draws.

check_layer runs each one in both dtypes and both modes, with a single example, an empty batch, frozen and None
parameters, strange memory orders and replicas, and measures every gradient (minnet/layercheck.py).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import layers
from minnet.layercheck import check_layer
from minnet.layers import (
    GELU,
    AttentionPool,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    LayerNorm,
    LeakyReLU,
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
    Sigmoid,
    Softmax,
    Tanh,
)
from minnet.losses import SoftmaxCrossEntropy
from tests.drawing import SEEDS, SMALL, convolutions, images, normal, poolings, rows, sparse_rows, steady, texts

VOCABULARY = 9


def anything():
    """Batches of two, three and four axes."""
    places = st.builds(normal, st.integers(2, 4), SMALL, SMALL, seed=SEEDS)
    return st.one_of(rows(), places, images())


def activation(cls):
    @st.composite
    def draw_case(draw):
        return cls(), 2 * draw(anything())

    return draw_case()


@st.composite
def leaky(draw):
    return LeakyReLU(draw(st.sampled_from([0.01, 0.3, 1.5]))), draw(anything())


@st.composite
def scale(draw):
    return Scale(draw(st.sampled_from([1 / 9, -2.0, 0.0]))), draw(anything())


@st.composite
def dropout(draw):
    return Dropout(draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])), rng=draw(SEEDS)), draw(anything())


def shuffled(layer, seed):
    """The layer with random parameters and buffers, so that no gamma of 1 and no bias of 0 hides a mistake."""
    rng = np.random.default_rng(seed)
    for name in layer.parameters:
        if getattr(layer, name) is not None and name != "W":
            getattr(layer, name)[...] = rng.uniform(0.5, 2, getattr(layer, name).shape)
    for name in layer.buffers:
        getattr(layer, name)[...] = rng.uniform(0.5, 2, getattr(layer, name).shape)
    return layer


@st.composite
def linear(draw):
    x, seed = draw(rows()), draw(SEEDS)
    return shuffled(Linear(x.shape[1], draw(SMALL), bias=draw(st.booleans()), rng=seed), seed), x


@st.composite
def linear_on_csr(draw):
    features, seed = draw(st.integers(1, 12)), draw(SEEDS)
    layer = Linear(features, draw(SMALL), bias=draw(st.booleans()), rng=seed)
    return shuffled(layer, seed), draw(sparse_rows(features))


@st.composite
def convolution(draw):
    arguments, sides = draw(convolutions())
    seed = draw(SEEDS)
    layer = shuffled(Conv2d(**arguments, rng=seed), seed)
    layer.exact = draw(st.booleans())
    return layer, normal(draw(st.integers(2, 3)), *sides, arguments["in_channels"], seed=seed)


@st.composite
def winograd_convolution(draw):
    (channels, filters), seed = draw(st.sampled_from([(16, 16), (17, 16), (16, 19)])), draw(SEEDS)
    layer = shuffled(Conv2d(channels, filters, 3, padding=draw(st.integers(0, 2)), rng=seed), seed)
    return layer, normal(2, draw(st.integers(3, 6)), draw(st.integers(3, 6)), channels, seed=seed)


def pooling(cls):
    @st.composite
    def draw_case(draw):
        arguments, sides = draw(poolings())
        return cls(**arguments), normal(draw(st.integers(2, 3)), *sides, draw(SMALL), seed=draw(SEEDS))

    return draw_case()


def global_pooling(cls):
    @st.composite
    def draw_case(draw):
        places = st.builds(normal, st.integers(2, 4), SMALL, SMALL, seed=SEEDS)
        return cls(), draw(st.one_of(images(), places))

    return draw_case()


@st.composite
def batch_norm(draw):
    # with two values a channel, u is 1 and -1 whatever x is: no slope to measure
    x = draw(st.one_of(rows(examples=st.integers(4, 6)), images(least=2, most=4)))
    eps, momentum = draw(st.sampled_from([(1e-5, 0.1), (0.1, 0.5), (1e-3, 1.0)]))
    return shuffled(BatchNorm(x.shape[-1], eps=eps, momentum=momentum), draw(SEEDS)), x


@st.composite
def layer_norm(draw):
    x = draw(anything().filter(lambda x: x.shape[-1] != 2))  # of two values, again, u does not depend on x
    return shuffled(LayerNorm(x.shape[-1], eps=draw(st.sampled_from([1e-5, 0.1]))), draw(SEEDS)), x


@st.composite
def normalize(draw):
    x = draw(images())
    rng = np.random.default_rng(draw(SEEDS))
    return Normalize(rng.uniform(0, 255, x.shape[-1]), rng.uniform(1, 99, x.shape[-1])), 100 + 50 * x


@st.composite
def reshape(draw):
    x = draw(images())
    h, w, c = x.shape[1:]
    return Reshape(*draw(st.sampled_from([(-1,), (w, h, c), (h * w, -1), (1, h, w * c), (c, h, 1, w)]))), x


@st.composite
def attention(draw):
    x = normal(draw(st.integers(2, 4)), draw(SMALL), draw(SMALL), seed=draw(SEEDS))
    return AttentionPool(x.shape[2], rng=draw(SEEDS)), x


@st.composite
def embedding(draw):
    padding = draw(st.sampled_from([None, 0, 3]))
    return Embedding(VOCABULARY, draw(SMALL), padding_idx=padding, rng=draw(SEEDS)), draw(texts(VOCABULARY))


@st.composite
def embedding_bag(draw):
    mode, padding = draw(st.sampled_from(["mean", "sum"])), draw(st.sampled_from([0, 0, 3]))
    layer = EmbeddingBag(VOCABULARY, draw(SMALL), mode=mode, padding_idx=padding, rng=draw(SEEDS))
    return layer, draw(texts(VOCABULARY))


@st.composite
def sequential(draw):
    x, width, seed = draw(images(least=3, examples=st.just(3))), draw(SMALL), draw(SEEDS)
    net = Sequential(
        Conv2d(x.shape[-1], width, 3, padding=1, bias=False, rng=seed),
        Sequential(shuffled(BatchNorm(width), seed), GELU()),
        Dropout(0.2, rng=seed),
        MaxPool2d(2, ceil_mode=True),
        Flatten(),
        Linear(width * -(-x.shape[1] // 2) * -(-x.shape[2] // 2), 3, rng=seed),
    )
    return net, x


@st.composite
def residual(draw):
    x, width, seed = draw(rows()), draw(SMALL), draw(SEEDS)
    features = x.shape[1]
    if draw(st.booleans()):
        return Residual(Sequential(Linear(features, width, rng=seed), Tanh(), Linear(width, features, rng=seed))), x
    return Residual(Linear(features, width, rng=seed), Sequential(Linear(features, width, rng=seed + 1), Tanh())), x


@st.composite
def parallel(draw):
    x, seed = draw(rows()), draw(SEEDS)
    branches = [Linear(x.shape[1], width, rng=seed + i) for i, width in enumerate(draw(st.lists(SMALL, max_size=2)))]
    return Parallel(*branches, Tanh()), x


@st.composite
def masked_text(draw):
    width, seed, padding = draw(SMALL), draw(SEEDS), draw(st.sampled_from([None, 0]))
    table = Embedding(VOCABULARY, width, padding_idx=padding, rng=seed)
    pool = draw(st.sampled_from([GlobalAvgPool, GlobalMaxPool, AttentionPool]))
    layer = AttentionPool(width, rng=seed) if pool is AttentionPool else pool()
    return MaskedSequential(table, layer, Linear(width, 2, rng=seed)), draw(texts(VOCABULARY))


@st.composite
def masked_text_cnn(draw):
    width, filters, seed = draw(SMALL), draw(SMALL), draw(SEEDS)
    branches = [
        Sequential(Conv2d(width, filters, (size, 1), padding=(size // 2, 0), rng=seed + size), Tanh(), pool)
        for size, pool in ((1, GlobalMaxPool()), (3, GlobalAvgPool()))
    ]
    table = Embedding(VOCABULARY, width, padding_idx=0, rng=seed)
    return MaskedSequential(table, Reshape(-1, 1, width), Parallel(*branches)), draw(texts(VOCABULARY))


CASES = {
    "ReLU": (ReLU, activation(ReLU)),
    "LeakyReLU": (LeakyReLU, leaky()),
    "Sigmoid": (Sigmoid, activation(Sigmoid)),
    "Tanh": (Tanh, activation(Tanh)),
    "GELU": (GELU, activation(GELU)),
    "Scale": (Scale, scale()),
    "Softmax": (Softmax, activation(Softmax)),
    "Dropout": (Dropout, dropout()),
    "Linear": (Linear, linear()),
    "Linear on CSR": (Linear, linear_on_csr()),
    "Conv2d": (Conv2d, convolution()),
    "Conv2d by Winograd": (Conv2d, winograd_convolution()),
    "MaxPool2d": (MaxPool2d, pooling(MaxPool2d)),
    "AvgPool2d": (AvgPool2d, pooling(AvgPool2d)),
    "GlobalAvgPool": (GlobalAvgPool, global_pooling(GlobalAvgPool)),
    "GlobalMaxPool": (GlobalMaxPool, global_pooling(GlobalMaxPool)),
    "BatchNorm": (BatchNorm, batch_norm()),
    "LayerNorm": (LayerNorm, layer_norm()),
    "Normalize": (Normalize, normalize()),
    "Flatten": (Flatten, activation(Flatten)),
    "Reshape": (Reshape, reshape()),
    "AttentionPool": (AttentionPool, attention()),
    "Embedding": (Embedding, embedding()),
    "EmbeddingBag": (EmbeddingBag, embedding_bag()),
    "Sequential": (Sequential, sequential()),
    "Residual": (Residual, residual()),
    "Parallel": (Parallel, parallel()),
    "MaskedSequential": (MaskedSequential, masked_text()),
    "MaskedSequential with convolutions": (MaskedSequential, masked_text_cnn()),
}
EXAMPLES = {"Conv2d": 14, "Conv2d by Winograd": 3, "Sequential": 3, "MaskedSequential with convolutions": 5}


def test_no_layer_is_left_out():
    listed = {getattr(layers, name) for name in layers.__all__}
    known = {cls for cls in listed if isinstance(cls, type) and issubclass(cls, Layer)} - {Layer}
    assert known == {cls for cls, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_contract(name):
    @steady(EXAMPLES.get(name, 10))
    @given(CASES[name][1])
    def check(case):
        layer, x = case
        assert type(layer) is CASES[name][0]
        check_layer(layer, x)

    check()


@pytest.mark.parametrize("wrong", [None, 0.5, np.float32(0.5), [[1.0, 1.0]], SoftmaxCrossEntropy()], ids=repr)
def test_what_is_no_gradient_is_refused(wrong):
    """The loss's value, the loss itself, a list: what a beginner hands to backward."""
    x = np.ones((1, 2), np.float32)
    for layer in (Linear(2, 2, rng=0), ReLU(), Softmax(), Sequential(Linear(2, 2, rng=0), Tanh())):
        layer.forward(x)
        with pytest.raises(ValueError, match=rf"output's shape \(1, 2\), got {type(wrong).__name__}: model.backward"):
            layer.backward(wrong)
