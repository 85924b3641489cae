"""The plain loops and the fast routines: the same tests by hand and by measured slopes hold both, then each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import reference
from minnet.gradcheck import check_gradient
from tests import fast_routines
from tests.drawing import SEEDS, images, normal, rows, steady, texts

both = pytest.mark.parametrize("routines", [reference, fast_routines], ids=["loops", "fast"])


def near(actual, expected, size=1e-14):
    np.testing.assert_allclose(actual, expected, rtol=size, atol=size)


# -- by hand -------------------------------------------------------------------------------------------------------


@both
def test_softmax_by_hand(routines):
    z = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]])
    near(routines.softmax(z), [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]])
    near(routines.log_softmax(z), np.log([[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]]))
    near(routines.softmax(np.array([[1e4, 0, 1e4]])), [[0.5, 0, 0.5]])
    near(routines.log_softmax(np.array([[1e4, 0.0]])), [[0, -1e4]])


@both
def test_entropy_by_hand(routines):
    p = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.5, 0.25]])
    near(routines.entropy(p), [0, math.log(2), 1.5 * math.log(2)])


@both
def test_jacobian_by_hand(routines):
    near(routines.softmax_jacobian(np.array([[0.25, 0.75]])), [[[3 / 16, -3 / 16], [-3 / 16, 3 / 16]]])
    near(routines.softmax_backward(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])), [[3 / 16, -3 / 16]])


@both
def test_cross_entropy_by_hand(routines):
    z = np.log([[1.0, 3.0], [3.0, 1.0]])
    near(routines.cross_entropy(z, [0, 0]), (math.log(4) + math.log(4 / 3)) / 2)
    near(routines.cross_entropy_backward(z, [0, 0]), np.array([[-3 / 4, 3 / 4], [-1 / 4, 1 / 4]]) / 2)
    # label 0 of the first row smoothed by 0.2: t = (0.9, 0.1)
    near(routines.cross_entropy(z[:1], [0], 0.2), 0.9 * math.log(4) + 0.1 * math.log(4 / 3))
    near(routines.cross_entropy_backward(z[:1], [0], 0.2), [[0.25 - 0.9, 0.75 - 0.1]])
    # label 1 counts three times as much as label 0: (1 log 4 + 3 log 4) / (1 + 3)
    near(routines.cross_entropy(z, [0, 1], 0.0, [1, 3]), math.log(4))
    near(routines.cross_entropy_backward(z, [0, 1], 0.0, [1, 3])[1], np.array([3 / 4, -3 / 4]) * 3 / 4)


@both
def test_linear_by_hand(routines):
    x, W = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    near(routines.linear(x, W, np.array([10.0, 20.0])), [[10 + 3 + 10, 20 + 4 + 12]])
    dx, dW, db = routines.linear_backward(np.array([[1.0, -1.0]]), x, W)
    near(dx, [[3 - 4, 5 - 6]])
    near(dW, [[1, -1], [2, -2]])
    near(db, [1, -1])


@both
def test_normalisation_by_hand(routines):
    # mean 2, variance 1, s = sqrt(1 + 3)
    one, x, dy = np.ones(1), np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]])
    near(routines.batch_norm(x, one, 0 * one, 3.0), [[-0.5], [0.5]])
    near(routines.layer_norm(x.T, np.ones(2), np.zeros(2), 3.0), [[-0.5, 0.5]])
    # du_j/dx_i = ([i = j] - 1/2 - u_i u_j / 2) / 2: 3/16 where i = j, else -3/16
    for dx, dgamma, dbeta in (
        routines.batch_norm_backward(dy, x, one, 3.0),
        routines.layer_norm_backward(dy.T, x.T, np.ones(2), 3.0),
    ):
        near(dx.ravel(), [3 / 16, -3 / 16])
        near((dgamma.sum(), dbeta.sum()), (-0.5, 1))
    x = np.array([[1.0, 0.0], [3.0, 4.0]])
    near(routines.batch_norm(x, np.array([2.0, 1.0]), np.array([0.0, 1.0]), 0.0), [[-2, 0], [2, 2]])
    near(routines.layer_norm(x, np.array([2.0, 1.0]), np.array([0.0, 1.0]), 0.0), [[2, 0], [-2, 2]])


@both
def test_embedding_by_hand(routines):
    W, ids = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]), np.array([[1, 2, 1], [2, 0, 0], [0, 0, 0]])
    near(routines.embedding(ids[:1], W), [[[1, 2], [3, 4], [1, 2]]])
    near(routines.embedding_backward(np.ones((1, 3, 2)), ids[:1], W), [[0, 0], [2, 2], [1, 1]])
    near(routines.embedding_bag(ids, W), [[5 / 3, 8 / 3], [3, 4], [0, 0]])
    near(routines.embedding_bag(ids, W, mode="sum"), [[5, 8], [3, 4], [0, 0]])
    near(routines.embedding_bag_backward(np.ones((3, 2)), ids, W), [[0, 0], [2 / 3, 2 / 3], [4 / 3, 4 / 3]])
    near(routines.embedding_bag_backward(np.ones((3, 2)), ids, W, mode="sum"), [[0, 0], [2, 2], [2, 2]])


IMAGE = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def filters(*rows):
    return np.array(rows, dtype=float)[:, :, None, None]


@both
def test_convolution_by_hand(routines):
    W = filters([1, 0], [0, 10])  # not flipped: the top left is taken once, the bottom right ten times
    near(routines.conv2d(IMAGE, W)[0, :, :, 0], [[51, 62], [84, 95]])
    near(routines.conv2d(IMAGE, W, stride=2, padding=1)[0, :, :, 0], [[10, 30], [70, 95]])
    near(routines.conv2d(IMAGE, W, stride=(1, 2), padding=(0, 1))[0, :, :, 0], [[40, 62], [70, 95]])
    near(routines.conv2d(IMAGE, W, dilation=2)[0, :, :, 0], [[91]])
    dx, dW = routines.conv2d_backward(filters([1, 2], [3, 4]).reshape(1, 2, 2, 1), IMAGE, W)
    near(dx[0, :, :, 0], [[1, 2, 0], [3, 4 + 10, 20], [0, 30, 40]])
    near(dW[:, :, 0, 0], [[1 + 4 + 12 + 20, 2 + 6 + 15 + 24], [4 + 10 + 21 + 32, 5 + 12 + 24 + 36]])


@both
def test_groups_by_hand(routines):
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    W = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 1, 2, 2)  # (kh, kw, 2 of 4 channels, 2 filters)
    near(routines.conv2d(x, W, groups=2).ravel(), [1 * 1 + 2 * 100, 3 * 10 + 4 * 1000])


@both
def test_pooling_by_hand(routines):
    near(routines.max_pool2d(IMAGE, 2)[0, :, :, 0], [[5]])
    near(routines.max_pool2d(IMAGE, 2, ceil_mode=True)[0, :, :, 0], [[5, 6], [8, 9]])
    near(routines.max_pool2d(IMAGE, 2, stride=3, ceil_mode=True)[0, :, :, 0], [[5]])  # none starts beyond the image
    near(routines.max_pool2d(-IMAGE, 2, stride=2, padding=1)[0, :, :, 0], [[-1, -2], [-4, -5]])
    near(routines.average_pool2d(IMAGE, 2)[0, :, :, 0], [[3]])
    near(routines.average_pool2d(IMAGE, 2, stride=2, padding=1)[0, :, :, 0], [[1 / 4, 5 / 4], [11 / 4, 28 / 4]])
    near(routines.average_pool2d(IMAGE, 2, ceil_mode=True)[0, :, :, 0], [[3, 4.5], [7.5, 9]])
    dy = np.array([[10.0]]).reshape(1, 1, 1, 1)
    near(routines.average_pool2d_backward(dy, IMAGE, 2)[0, :, :, 0], [[2.5, 2.5, 0], [2.5, 2.5, 0], [0, 0, 0]])


@both
def test_of_equal_numbers_the_first_in_reading_order_wins(routines):
    x = np.array([[1.0, 2.0], [2.0, 2.0]]).reshape(1, 2, 2, 1)
    dx = routines.max_pool2d_backward(np.full((1, 1, 1, 1), 7.0), x, 2)
    near(dx[0, :, :, 0], [[0, 7], [0, 0]])
    dx = routines.max_pool2d_backward(np.full((1, 2, 2, 1), 1.0), np.zeros((1, 3, 3, 1)), 2, stride=1)
    near(dx[0, :, :, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


# -- by measured slopes --------------------------------------------------------------------------------------------


def measured(function, claims, arrays, y_shape):
    """Holds each claimed gradient against the slopes of `function(*arrays)`."""
    dy = normal(*y_shape, seed=9) if y_shape else 1.0
    for index, claimed in enumerate(claims(dy)):
        check_gradient(claimed, lambda _: function(*arrays), arrays[index], dy=dy, name=f"gradient {index}")


@both
def test_slopes_of_softmax_and_cross_entropy(routines):
    z = normal(3, 4)
    measured(routines.softmax, lambda dy: [routines.softmax_backward(dy, routines.softmax(z))], [z], (3, 4))
    settings = dict(labels=[0, 3, 1], label_smoothing=0.1, class_weights=[1.0, 2.0, 0.5, 3.0])
    measured(lambda z: routines.cross_entropy(z, **settings),
             lambda dy: [routines.cross_entropy_backward(z, **settings)], [z], ())  # fmt: skip


@both
def test_slopes_of_linear_and_embedding(routines):
    x, W, b = normal(3, 4), normal(4, 2, seed=1), normal(2, seed=2)
    measured(routines.linear, lambda dy: routines.linear_backward(dy, x, W), [x, W, b], (3, 2))
    ids = np.array([[1, 2, 1], [3, 0, 0], [0, 0, 0]])
    measured(lambda W: routines.embedding(ids, W),
             lambda dy: [routines.embedding_backward(dy, ids, W)], [W], (3, 3, 2))  # fmt: skip
    for mode in ("mean", "sum"):
        measured(lambda W, mode=mode: routines.embedding_bag(ids, W, mode),
                 lambda dy, mode=mode: [routines.embedding_bag_backward(dy, ids, W, mode)], [W], (3, 2))  # fmt: skip


@both
@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 3, 3)])
def test_slopes_of_normalisation(routines, shape):
    x, gamma, beta = normal(*shape), normal(3, seed=1), normal(3, seed=2)
    measured(routines.batch_norm, lambda dy: routines.batch_norm_backward(dy, x, gamma), [x, gamma, beta], shape)
    if len(shape) == 2:
        measured(routines.layer_norm, lambda dy: routines.layer_norm_backward(dy, x, gamma), [x, gamma, beta], shape)


@both
@pytest.mark.parametrize(
    "settings",
    [dict(), dict(stride=2, padding=1), dict(padding=(0, 2), dilation=(1, 2)), dict(stride=(2, 1), groups=2)],
    ids=str,
)
def test_slopes_of_convolution(routines, settings):
    x, W = normal(2, 5, 4, 4), normal(3, 2, 4 // settings.get("groups", 1), 2, seed=1)
    shape = routines.conv2d(x, W, **settings).shape
    measured(lambda x, W: routines.conv2d(x, W, **settings),
             lambda dy: routines.conv2d_backward(dy, x, W, **settings), [x, W], shape)  # fmt: skip


@both
@pytest.mark.parametrize(
    "settings", [dict(), dict(stride=1), dict(stride=(3, 2), padding=1), dict(ceil_mode=True)], ids=str
)
def test_slopes_of_pooling(routines, settings):
    x = normal(2, 5, 6, 2)
    where = {name: value for name, value in settings.items() if name != "ceil_mode"}
    for pool, backward in (
        (routines.max_pool2d, routines.max_pool2d_backward),
        (routines.average_pool2d, routines.average_pool2d_backward),
    ):
        shape = pool(x, (2, 3), **settings).shape
        measured(lambda x, pool=pool: pool(x, (2, 3), **settings),
                 lambda dy, backward=backward: [backward(dy, x, (2, 3), **where)], [x], shape)  # fmt: skip


# -- the fast routines against the loops, on whatever Hypothesis draws (convolution and pooling: test_kernels) -------


def like_the_loops(name, *arguments, **settings):
    loops, fast = (getattr(routines, name)(*arguments, **settings) for routines in (reference, fast_routines))
    if not isinstance(loops, tuple):
        loops, fast = (loops,), (fast,)
    for expected, actual in zip(loops, fast, strict=True):
        near(actual, expected, 1e-11)


@steady(60)
@given(rows(), st.sampled_from([1e-6, 1.0, 30.0]), SEEDS, st.sampled_from([0.0, 0.2]), st.booleans())
def test_softmax_and_cross_entropy_like_the_loops(z, size, seed, smoothing, weighed):
    rng, z = np.random.default_rng(seed), size * z
    s, dy = reference.softmax(z), rng.standard_normal(z.shape)
    for name in ("softmax", "log_softmax"):
        like_the_loops(name, z)
    for name in ("entropy", "softmax_jacobian"):
        like_the_loops(name, s)
    like_the_loops("softmax_backward", dy, s)
    labels, table = rng.integers(0, z.shape[1], len(z)), rng.uniform(0.1, 2, z.shape[1]) if weighed else None
    like_the_loops("cross_entropy", z, labels, smoothing, table)
    like_the_loops("cross_entropy_backward", z, labels, smoothing, table)


@steady(40)
@given(st.one_of(rows(examples=st.integers(4, 6)), images(least=2, most=4)), SEEDS, st.sampled_from([1e-5, 0.1]))
def test_normalisation_like_the_loops(x, seed, eps):
    (gamma, beta), dy = normal(2, x.shape[-1], seed=seed), normal(*x.shape, seed=seed + 1)
    like_the_loops("batch_norm", x, gamma, beta, eps)
    like_the_loops("batch_norm_backward", dy, x, gamma, eps)
    if x.ndim == 2:
        like_the_loops("layer_norm", x, gamma, beta, eps)
        like_the_loops("layer_norm_backward", dy, x, gamma, eps)


@steady(40)
@given(rows(), st.integers(1, 4), SEEDS)
def test_linear_like_the_loops(x, outputs, seed):
    W, b, dy = (normal(*shape, seed=seed) for shape in ((x.shape[1], outputs), (outputs,), (len(x), outputs)))
    like_the_loops("linear", x, W, b)
    like_the_loops("linear_backward", dy, x, W)


@steady(60)
@given(texts(9), st.integers(1, 4), SEEDS, st.sampled_from(["mean", "sum"]), st.sampled_from([0, 3]))
def test_embeddings_like_the_loops(ids, width, seed, mode, padding):
    W, dy = normal(9, width, seed=seed), normal(*ids.shape, width, seed=seed + 1)
    W[padding] = 0
    like_the_loops("embedding", ids, W)
    like_the_loops("embedding_backward", dy, ids, W)
    like_the_loops("embedding_bag", ids, W, mode, padding)
    like_the_loops("embedding_bag_backward", dy[:, 0], ids, W, mode, padding)


def test_an_impossible_class_that_is_not_the_label_costs_nothing():
    assert reference.cross_entropy(np.array([[0.0, -np.inf]]), [0]) == 0.0
