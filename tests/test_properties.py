"""What must hold whatever the numbers are: invariances, adjoints, learning, and a gradient check without alarm."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from sklearn.datasets import load_digits

from minnet.functional import entropy, log_softmax, logsumexp, softmax, softmax_jacobian
from minnet.gradcheck import gradcheck, gradcheck_loss
from minnet.layers import (
    GELU,
    AttentionPool,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    Normalize,
    ReLU,
    Sequential,
)
from minnet.losses import MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.models import cnn6
from minnet.optimizers import Adam
from tests.drawing import SEEDS, convolutions, images, normal, rows, steady
from tests.test_layers_contract import CASES

SIZES = st.sampled_from([1e-6, 1e-2, 1.0, 30.0, 1e3])


# -- softmax and cross-entropy -------------------------------------------------------------------------------------


@steady(60)
@given(rows(), SIZES, st.integers(-(10**9), 10**9))
def test_softmax_does_not_feel_a_shift(z, size, shift):
    """Bit for bit, where the shifted scores are exact: here all are multiples of 2^-20."""
    z, shift = np.round(2**20 * size * z) / 2**20, shift / 2**20
    np.testing.assert_array_equal(softmax(z + shift), softmax(z))
    np.testing.assert_array_equal(log_softmax(z + shift), log_softmax(z))
    np.testing.assert_allclose(logsumexp(z + shift), logsumexp(z) + shift, rtol=1e-15, atol=1e-11)


@steady(60)
@given(rows(), SIZES)
def test_probabilities_and_order(z, size):
    s = softmax(size * z)
    assert (s >= 0).all() and np.abs(s.sum(axis=1) - 1).max() < 1e-14
    assert (np.diff(np.take_along_axis(s, z.argsort(axis=1), axis=1), axis=1) >= 0).all()
    assert (entropy(s) <= np.log(z.shape[1]) + 1e-14).all() and (entropy(s) >= 0).all()


@steady(60)
@given(rows(), SIZES)
def test_jacobian_of_softmax(z, size):
    J = softmax_jacobian(softmax(size * z))
    assert np.abs(J.sum(axis=-1)).max() < 1e-15 and np.abs(J.sum(axis=-2)).max() < 1e-15
    np.testing.assert_array_equal(J, J.transpose(0, 2, 1))
    assert np.linalg.eigvalsh(J).min() > -1e-15


@steady(60)
@given(rows(), SIZES, SEEDS, st.sampled_from([0.0, 0.1]), st.booleans())
def test_the_gradient_sums_to_zero_over_the_classes(z, size, seed, smoothing, soft):
    rng = np.random.default_rng(seed)
    n, classes = z.shape
    criterion = SoftmaxCrossEntropy(label_smoothing=smoothing)
    criterion.forward(size * z, rng.dirichlet(np.ones(classes), n) if soft else rng.integers(0, classes, n))
    dz = criterion.backward()
    assert np.abs(dz.sum(axis=1)).max() < 1e-15 and np.abs(dz).max() <= 1


@steady(60)
@given(rows(), st.sampled_from([1e-6, 1e-2, 1.0, 30.0]), SEEDS)
def test_cross_entropy_is_entropy_and_divergence(z, size, seed):
    """-sum t log p = H(t) + KL(t | p): the loss can fall to the entropy of the targets, no further."""
    t = np.random.default_rng(seed).dirichlet(np.ones(z.shape[1]), len(z))
    loss = SoftmaxCrossEntropy().forward(size * z, t)
    divergence = rel_entr(t, softmax(size * z)).sum(axis=1)
    assert loss == pytest.approx((entropy(t) + divergence).mean(), rel=1e-12)
    assert divergence.min() > -1e-14
    criterion = SoftmaxCrossEntropy()
    assert criterion.forward(np.log(t), t) == pytest.approx(entropy(t).mean(), rel=1e-12)
    assert np.abs(criterion.backward()).max() < 1e-15  # p = t: nothing left to learn


@pytest.mark.parametrize("criterion", [SoftmaxCrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError()], ids=repr)
def test_a_loss_is_a_mean(criterion):
    """The batch twice is the same loss; order and weights of a common factor do not matter."""
    z, t = normal(6, 4), np.random.default_rng(1).dirichlet(np.ones(4), 6)
    loss = criterion.forward(z, t)
    order = [3, 1, 5, 0, 2, 4]
    assert criterion.forward(np.tile(z, (2, 1)), np.tile(t, (2, 1))) == pytest.approx(loss, rel=1e-14)
    assert criterion.forward(z[order], t[order]) == pytest.approx(loss, rel=1e-14)
    assert criterion.forward(z, t, np.full(6, 7.0)) == pytest.approx(loss, rel=1e-14)
    weighted = criterion.forward(z, t, [1, 1, 2, 1, 0, 1])
    repeated = [0, 1, 2, 2, 3, 5]
    assert criterion.forward(z[repeated], t[repeated]) == pytest.approx(weighted, rel=1e-14)


# -- convolution ---------------------------------------------------------------------------------------------------


def convolution(case, exact):
    settings, sides = case
    layer = Conv2d(**settings | {"bias": False}).astype(np.float64)
    layer.exact = exact
    return layer, (2, *sides, settings["in_channels"])


@pytest.mark.parametrize("exact", [True, False])
def test_convolution_is_linear(exact):
    """In the image and in the filters; so <y, dy> = <x, dx> = <W, dW>: backward is the transpose of forward."""

    @steady(25)
    @given(st.one_of(convolutions(), winograd_cases()), SEEDS)
    def check(case, seed):
        layer, shape = convolution(case, exact)
        a, b = normal(2, seed=seed)
        x1, x2 = normal(*shape, seed=seed), normal(*shape, seed=seed + 1)
        W1, W2 = normal(*layer.W.shape, seed=seed + 2), normal(*layer.W.shape, seed=seed + 3)

        def y(x, W):
            layer.W[...] = W
            return layer.forward(x)

        whole = y(x1, W1)
        room = 1e-12 * np.abs(whole).max()
        np.testing.assert_allclose(y(a * x1 + b * x2, W1), a * whole + b * y(x2, W1), rtol=1e-10, atol=10 * room)
        np.testing.assert_allclose(y(x1, a * W1 + b * W2), a * whole + b * y(x1, W2), rtol=1e-10, atol=10 * room)
        layer.W[...] = W1
        dy = normal(*layer.forward(x1).shape, seed=seed + 4)
        dx = layer.backward(dy)
        product = (whole * dy).sum()
        room = 1e-12 * np.sqrt((whole**2).sum() * (dy**2).sum())
        assert abs((x1 * dx).sum() - product) <= room and abs((W1 * layer.dW).sum() - product) <= room

    check()


@st.composite
def winograd_cases(draw):
    channels, filters = draw(st.sampled_from([(16, 16), (17, 18)]))
    sides = draw(st.tuples(st.integers(5, 12), st.integers(5, 12)))
    padding = draw(st.integers(0, 2))
    return {"in_channels": channels, "out_channels": filters, "kernel_size": 3, "padding": padding}, sides


@pytest.mark.parametrize("exact", [True, False])
def test_a_shifted_image_gives_a_shifted_output(exact):
    layer = Conv2d(16, 16, 3, padding=1, rng=0).astype(np.float64)
    layer.exact = exact
    x = np.zeros((1, 20, 20, 16))
    x[:, 5:12, 6:13] = normal(1, 7, 7, 16)
    moved = np.roll(x, (3, 5), axis=(1, 2))
    np.testing.assert_allclose(layer.forward(moved), np.roll(layer.forward(x), (3, 5), axis=(1, 2)), atol=1e-13)


# -- normalisation -------------------------------------------------------------------------------------------------


@steady(40)
@given(images(least=2, examples=st.integers(2, 4)), SEEDS, st.sampled_from([1e-2, 1.0, 1e3]))
def test_moments_after_batch_norm(x, seed, size):
    c = x.shape[-1]
    layer = BatchNorm(c).astype(np.float64)
    layer.gamma[...], layer.beta[...] = normal(2, c, seed=seed)
    x = size * (x + 5)
    y, var = layer.forward(x), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), layer.beta, atol=1e-11)
    np.testing.assert_allclose(y.var(axis=(0, 1, 2)), layer.gamma**2 * var / (var + 1e-5), rtol=1e-8)
    dy = normal(*x.shape, seed=seed + 1)
    dx = layer.backward(dy)
    # y does not feel a shift of a channel, so its gradient sums to zero there
    np.testing.assert_allclose(dx.sum(axis=(0, 1, 2)), 0, atol=1e-11 * np.abs(dx).max() * x.size)
    np.testing.assert_allclose(layer.forward(x + 3), y, atol=1e-9)


@steady(40)
@given(images(least=2, channels=st.integers(3, 9)), SEEDS)
def test_moments_after_layer_norm(x, seed):
    y = LayerNorm(x.shape[-1]).astype(np.float64).forward(100 * x + 7)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-3)


# -- the batch -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_order_of_a_batch_does_not_matter(training):
    """A permuted batch gives permuted outputs and dx, and the same gradients of the parameters, batch norm included."""
    model = cnn6((8, 8, 2), 5, [1, 2], [3, 4], widths=(16, 16)).astype(np.float64).train(training)
    rng = np.random.default_rng(0)
    x, y, order = normal(12, 8, 8, 2), rng.integers(0, 5, 12), rng.permutation(12)

    def results(x, y):
        twin, criterion = copy.deepcopy(model), SoftmaxCrossEntropy()
        scores = twin.forward(x)
        criterion.forward(scores, y)
        dx = twin.backward(criterion.backward())
        return scores, dx, twin.named_gradients()

    (scores, dx, gradients), (scores2, dx2, gradients2) = results(x, y), results(x[order], y[order])
    np.testing.assert_allclose(scores2, scores[order], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dx2, dx[order], rtol=1e-9, atol=1e-12)
    for place, gradient in gradients.items():
        np.testing.assert_allclose(gradients2[place], gradient, rtol=1e-8, atol=1e-12)


# -- learning ------------------------------------------------------------------------------------------------------


def digits():
    pixels, labels = load_digits(return_X_y=True)
    return (pixels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1), labels


def accuracy(model, x, y):
    return float((model.eval().forward(x).argmax(axis=1) == y).mean())


def train(model, x, y, steps, batch=50, rate=3e-3):
    """The loop of every lesson."""
    model.train().need_dx(False)
    criterion, optimizer = SoftmaxCrossEntropy(), Adam(model, rate)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        chosen = rng.choice(len(y), min(batch, len(y)), replace=False)
        criterion.forward(model.forward(x[chosen]), y[chosen])
        model.backward(criterion.backward())
        optimizer.step()
    return model


@pytest.mark.parametrize("widths", [(16, 16), (8, 8, 8)])
def test_fifty_images_are_learned_by_heart(widths):
    x, y = (array[:50] for array in digits())
    model = cnn6((8, 8, 1), 10, [76], [94], widths=widths)
    assert accuracy(model, x, y) < 0.5
    assert accuracy(train(model, x, y, 40), x, y) == 1.0


def filters_net(seed):
    """The head sees sixteen averages only: what tells digits apart has to come from the filters."""
    return Sequential(
        Normalize([76], [94]), Conv2d(1, 8, 3, padding=1, rng=seed), ReLU(), MaxPool2d(2),
        Conv2d(8, 16, 3, padding=1, rng=seed + 1), ReLU(), GlobalAvgPool(), Linear(16, 10, rng=seed + 2),
    )  # fmt: skip


class NoFilterGradient(Conv2d):
    """The mistake that accuracy alone forgives: backward never reaches the filters."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.dW = np.zeros_like(self.W)
        return dx


def test_the_accuracy_is_the_filters_doing():
    x, y = digits()
    train_x, train_y, test_x, test_y = x[:1000], y[:1000], x[1000:], y[1000:]
    learned = accuracy(train(filters_net(0), train_x, train_y, 120, rate=1e-2), test_x, test_y)
    crippled = filters_net(0)
    for layer in crippled.layers:
        if isinstance(layer, Conv2d):
            layer.__class__ = NoFilterGradient
    without = accuracy(train(crippled, train_x, train_y, 120, rate=1e-2), test_x, test_y)
    assert learned > 0.65 and without < learned - 0.25, (learned, without)


def test_dropout_and_flatten_learn_too():
    x, y = (array[:50] for array in digits())
    model = Sequential(
        Normalize([76], [94]), Flatten(), Linear(64, 64, rng=0), ReLU(), Dropout(0.2, rng=1), Linear(64, 10, rng=2)
    )
    assert accuracy(train(model, x, y, 60), x, y) == 1.0


# -- the gradient check raises no false alarm ----------------------------------------------------------------------


SWEEP = {"Sequential": 3, "Conv2d by Winograd": 5, "MaskedSequential with convolutions": 8, "Conv2d": 20}


@pytest.mark.parametrize("name", [name for name in CASES if name != "Normalize"])
def test_no_false_alarm(name):
    """Correct layers of every kind, on inputs of sizes from a thousandth to a thousand, in both modes."""

    @steady(SWEEP.get(name, 25))
    @given(CASES[name][1], st.sampled_from([1e-3, 0.1, 1.0, 30.0, 1e3]), SEEDS, st.booleans())
    def check(case, size, seed, training):
        layer, x = case
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            x = size * x
        gradcheck(layer.train(training), x, seed=seed)

    check()


def test_no_false_alarm_on_deep_networks():
    for seed in range(2):
        model: Layer = cnn6((4, 4, 1), 3, [0], [1], seed=seed, widths=(2, 2))
        report = gradcheck(model.train(seed % 2 == 0), normal(3, 4, 4, 1, seed=seed), seed=seed)
        assert len(report) == 15


def test_no_false_alarm_on_a_tail():
    """Far below zero, GELU and its slope are as small as the rounding of 1, and must be exact all the same."""
    for x in (-6.5, -8.0, -9.5):
        gradcheck(GELU(), np.array([[x], [-40.0]]))


def test_no_false_alarm_beside_many_kinks():
    """Inputs of a thousandth, pooled: along a random direction the nearest kink lies a hundred-millionth away."""
    x = 1e-3 * np.random.default_rng(229).standard_normal((2, 7, 7, 3))
    model = Sequential(
        Conv2d(3, 5, 3, padding=1, bias=False, rng=229), BatchNorm(5), GELU(), MaxPool2d(2, ceil_mode=True),
        Flatten(), Linear(80, 3, rng=229),
    )  # fmt: skip
    gradcheck(model.astype(np.float64).eval(), x, seed=229)


def test_no_false_alarm_on_sure_scores():
    """-log p of a p near 1 is log(1 + e), which knows e to 1e-16 only."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = rng.standard_normal((2, 3)) + rng.uniform(15, 45) * np.array([0, 1, 0])
        gradcheck_loss(SoftmaxCrossEntropy(), scores, np.array([1, 1]), seed=seed)


def test_no_false_alarm_on_a_steep_softmax():
    """Scores of hundreds bend the output so sharply that slopes can be measured to four digits only."""
    gradcheck(AttentionPool(3, rng=6), 1000 * normal(4, 2, 3, seed=9), seed=4)
