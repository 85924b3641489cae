"""The plain loops against hand arithmetic and against measured slopes."""

import math

import numpy as np
import pytest

from minnet import reference
from minnet.gradcheck import check_gradient


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def near(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)


# -- by hand -------------------------------------------------------------------------------------------------------


def test_softmax_by_hand():
    z = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]])
    near(reference.softmax(z), [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]])
    near(reference.log_softmax(z), np.log([[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]]))
    near(reference.softmax(np.array([[1e4, 0, 1e4]])), [[0.5, 0, 0.5]])
    near(reference.log_softmax(np.array([[1e4, 0.0]])), [[0, -1e4]])


def test_entropy_by_hand():
    p = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.5, 0.25]])
    near(reference.entropy(p), [0, math.log(2), 1.5 * math.log(2)])


def test_jacobian_by_hand():
    near(reference.softmax_jacobian(np.array([[0.25, 0.75]])), [[[3 / 16, -3 / 16], [-3 / 16, 3 / 16]]])
    near(reference.softmax_backward(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])), [[3 / 16, -3 / 16]])


def test_cross_entropy_by_hand():
    z = np.log([[1.0, 3.0], [3.0, 1.0]])
    near(reference.cross_entropy(z, [0, 0]), (math.log(4) + math.log(4 / 3)) / 2)
    near(reference.cross_entropy_backward(z, [0, 0]), np.array([[-3 / 4, 3 / 4], [-1 / 4, 1 / 4]]) / 2)
    # label 0 of the first row smoothed by 0.2: t = (0.9, 0.1)
    near(reference.cross_entropy(z[:1], [0], 0.2), 0.9 * math.log(4) + 0.1 * math.log(4 / 3))
    near(reference.cross_entropy_backward(z[:1], [0], 0.2), [[0.25 - 0.9, 0.75 - 0.1]])
    # label 1 counts three times as much as label 0: (1 log 4 + 3 log 4) / (1 + 3)
    near(reference.cross_entropy(z, [0, 1], 0.0, [1, 3]), math.log(4))
    near(reference.cross_entropy_backward(z, [0, 1], 0.0, [1, 3])[1], np.array([3 / 4, -3 / 4]) * 3 / 4)


def test_linear_by_hand():
    x, W = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    near(reference.linear(x, W, np.array([10.0, 20.0])), [[10 + 3 + 10, 20 + 4 + 12]])
    dx, dW, db = reference.linear_backward(np.array([[1.0, -1.0]]), x, W)
    near(dx, [[3 - 4, 5 - 6]])
    near(dW, [[1, -1], [2, -2]])
    near(db, [1, -1])


def test_normalisation_by_hand():
    u, s = reference.standardize([1.0, 3.0], eps=3.0)  # mean 2, variance 1, s = sqrt(1 + 3)
    near(u, [-0.5, 0.5])
    assert s == 2
    # du_j/dx_i = ([i = j] - 1/2 - u_i u_j / 2) / 2: 3/16 where i = j, else -3/16
    near(reference.standardize_backward([1.0, 0.0], u, s), [3 / 16, -3 / 16])
    x = np.array([[1.0, 0.0], [3.0, 4.0]])
    near(reference.batch_norm(x, np.array([2.0, 1.0]), np.array([0.0, 1.0]), 0.0), [[-2, 0], [2, 2]])
    near(reference.layer_norm(x, np.array([2.0, 1.0]), np.array([0.0, 1.0]), 0.0), [[2, 0], [-2, 2]])


def test_embedding_by_hand():
    W, ids = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]), np.array([[1, 2, 1], [2, 0, 0], [0, 0, 0]])
    near(reference.embedding(ids[:1], W), [[[1, 2], [3, 4], [1, 2]]])
    near(reference.embedding_backward(np.ones((1, 3, 2)), ids[:1], W), [[0, 0], [2, 2], [1, 1]])
    near(reference.embedding_bag(ids, W), [[5 / 3, 8 / 3], [3, 4], [0, 0]])
    near(reference.embedding_bag(ids, W, mode="sum"), [[5, 8], [3, 4], [0, 0]])
    near(reference.embedding_bag_backward(np.ones((3, 2)), ids, W), [[0, 0], [2 / 3, 2 / 3], [4 / 3, 4 / 3]])
    near(reference.embedding_bag_backward(np.ones((3, 2)), ids, W, mode="sum"), [[0, 0], [2, 2], [2, 2]])


IMAGE = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def filters(*rows):
    return np.array(rows, dtype=float)[:, :, None, None]


def test_convolution_by_hand():
    W = filters([1, 0], [0, 10])  # not flipped: the top left is taken once, the bottom right ten times
    near(reference.conv2d(IMAGE, W)[0, :, :, 0], [[51, 62], [84, 95]])
    near(reference.conv2d(IMAGE, W, stride=2, padding=1)[0, :, :, 0], [[10, 30], [70, 95]])
    near(reference.conv2d(IMAGE, W, stride=(1, 2), padding=(0, 1))[0, :, :, 0], [[40, 62], [70, 95]])
    near(reference.conv2d(IMAGE, W, dilation=2)[0, :, :, 0], [[91]])
    dx, dW = reference.conv2d_backward(filters([1, 2], [3, 4]).reshape(1, 2, 2, 1), IMAGE, W)
    near(dx[0, :, :, 0], [[1, 2, 0], [3, 4 + 10, 20], [0, 30, 40]])
    near(dW[:, :, 0, 0], [[1 + 4 + 12 + 20, 2 + 6 + 15 + 24], [4 + 10 + 21 + 32, 5 + 12 + 24 + 36]])


def test_groups_by_hand():
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    W = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 1, 2, 2)  # (kh, kw, 2 of 4 channels, 2 filters)
    near(reference.conv2d(x, W, groups=2).ravel(), [1 * 1 + 2 * 100, 3 * 10 + 4 * 1000])


def test_pooling_by_hand():
    near(reference.max_pool2d(IMAGE, 2)[0, :, :, 0], [[5]])
    near(reference.max_pool2d(IMAGE, 2, ceil_mode=True)[0, :, :, 0], [[5, 6], [8, 9]])
    near(reference.max_pool2d(IMAGE, 2, stride=3, ceil_mode=True)[0, :, :, 0], [[5]])  # none starts beyond the image
    near(reference.max_pool2d(-IMAGE, 2, stride=2, padding=1)[0, :, :, 0], [[-1, -2], [-4, -5]])
    near(reference.average_pool2d(IMAGE, 2)[0, :, :, 0], [[3]])
    near(reference.average_pool2d(IMAGE, 2, stride=2, padding=1)[0, :, :, 0], [[1 / 4, 5 / 4], [11 / 4, 28 / 4]])
    near(reference.average_pool2d(IMAGE, 2, ceil_mode=True)[0, :, :, 0], [[3, 4.5], [7.5, 9]])
    dy = np.array([[10.0]]).reshape(1, 1, 1, 1)
    near(reference.average_pool2d_backward(dy, IMAGE, 2)[0, :, :, 0], [[2.5, 2.5, 0], [2.5, 2.5, 0], [0, 0, 0]])


def test_of_equal_numbers_the_first_in_reading_order_wins():
    x = np.array([[1.0, 2.0], [2.0, 2.0]]).reshape(1, 2, 2, 1)
    dx = reference.max_pool2d_backward(np.full((1, 1, 1, 1), 7.0), x, 2)
    near(dx[0, :, :, 0], [[0, 7], [0, 0]])
    dx = reference.max_pool2d_backward(np.full((1, 2, 2, 1), 1.0), np.zeros((1, 3, 3, 1)), 2, stride=1)
    near(dx[0, :, :, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


# -- by measured slopes --------------------------------------------------------------------------------------------


def measured(function, claims, arrays, y_shape):
    """Holds each claimed gradient against the slopes of `function(*arrays)`."""
    dy = normal(*y_shape, seed=9) if y_shape else 1.0
    for index, claimed in enumerate(claims(dy)):
        check_gradient(claimed, lambda _: function(*arrays), arrays[index], dy=dy, name=f"gradient {index}")


def test_slopes_of_softmax_and_cross_entropy():
    z = normal(3, 4)
    measured(reference.softmax, lambda dy: [reference.softmax_backward(dy, reference.softmax(z))], [z], (3, 4))
    settings = dict(labels=[0, 3, 1], label_smoothing=0.1, class_weights=[1.0, 2.0, 0.5, 3.0])
    measured(lambda z: reference.cross_entropy(z, **settings),
             lambda dy: [reference.cross_entropy_backward(z, **settings)], [z], ())  # fmt: skip


def test_slopes_of_linear_and_embedding():
    x, W, b = normal(3, 4), normal(4, 2, seed=1), normal(2, seed=2)
    measured(reference.linear, lambda dy: reference.linear_backward(dy, x, W), [x, W, b], (3, 2))
    ids = np.array([[1, 2, 1], [3, 0, 0], [0, 0, 0]])
    measured(lambda W: reference.embedding(ids, W),
             lambda dy: [reference.embedding_backward(dy, ids, W)], [W], (3, 3, 2))  # fmt: skip
    for mode in ("mean", "sum"):
        measured(lambda W, mode=mode: reference.embedding_bag(ids, W, mode),
                 lambda dy, mode=mode: [reference.embedding_bag_backward(dy, ids, W, mode)], [W], (3, 2))  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 3, 3)])
def test_slopes_of_normalisation(shape):
    x, gamma, beta = normal(*shape), normal(3, seed=1), normal(3, seed=2)
    measured(reference.batch_norm, lambda dy: reference.batch_norm_backward(dy, x, gamma), [x, gamma, beta], shape)
    if len(shape) == 2:
        measured(reference.layer_norm, lambda dy: reference.layer_norm_backward(dy, x, gamma), [x, gamma, beta], shape)


@pytest.mark.parametrize(
    "settings",
    [dict(), dict(stride=2, padding=1), dict(padding=(0, 2), dilation=(1, 2)), dict(stride=(2, 1), groups=2)],
    ids=str,
)
def test_slopes_of_convolution(settings):
    x, W = normal(2, 5, 4, 4), normal(3, 2, 4 // settings.get("groups", 1), 2, seed=1)
    shape = reference.conv2d(x, W, **settings).shape
    measured(lambda x, W: reference.conv2d(x, W, **settings),
             lambda dy: reference.conv2d_backward(dy, x, W, **settings), [x, W], shape)  # fmt: skip


@pytest.mark.parametrize(
    "settings", [dict(), dict(stride=1), dict(stride=(3, 2), padding=1), dict(ceil_mode=True)], ids=str
)
def test_slopes_of_pooling(settings):
    x = normal(2, 5, 6, 2)
    where = {name: value for name, value in settings.items() if name != "ceil_mode"}
    for pool, backward in (
        (reference.max_pool2d, reference.max_pool2d_backward),
        (reference.average_pool2d, reference.average_pool2d_backward),
    ):
        shape = pool(x, (2, 3), **settings).shape
        measured(lambda x, pool=pool: pool(x, (2, 3), **settings),
                 lambda dy, backward=backward: [backward(dy, x, (2, 3), **where)], [x], shape)  # fmt: skip
