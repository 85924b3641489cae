"""What each layer computes, by hand, and what the machinery under them (places, modes, freezing, errors) promises."""

import inspect
import itertools
import json
import re
import textwrap

import numpy as np
import pytest
import scipy.sparse

from minnet import checkpoint
from minnet import layers as all_layers
from minnet.gradcheck import gradcheck
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
    RowGradient,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    rebuild,
)
from minnet.layers.normalization import folded
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer, predict
from tests.drawing import normal

LOG3 = np.log(3.0)


def near(actual, expected, size=1e-14):
    np.testing.assert_allclose(actual, expected, rtol=size, atol=size)


def row(*values):
    return np.array([values], dtype=np.float64)


# -- activations ---------------------------------------------------------------------------------------------------


def run(layer, x, dy):
    y = layer.forward(x)
    return y, layer.backward(dy)


def test_activations_by_hand():
    x, dy = row(-2, 0, 3), row(10, 20, 30)
    y, dx = run(ReLU(), x, dy)
    assert y.tolist() == [[0, 0, 3]] and dx.tolist() == [[0, 0, 30]]  # at the kink itself, 0
    y, dx = run(LeakyReLU(0.5), x, dy)
    assert y.tolist() == [[-1, 0, 3]] and dx.tolist() == [[5, 10, 30]]
    near(run(LeakyReLU(), x, dy), [[[-0.02, 0, 3]], [[0.1, 0.2, 30]]])
    y, dx = run(Sigmoid(), row(LOG3, -LOG3, 0), dy)
    near(y, [[3 / 4, 1 / 4, 1 / 2]])
    near(dx, [[10 * 3 / 16, 20 * 3 / 16, 30 / 4]])
    y, dx = run(Tanh(), row(LOG3 / 2, 0, -LOG3 / 2), dy)  # (3 - 1) / (3 + 1)
    near(y, [[1 / 2, 0, -1 / 2]])
    near(dx, [[10 * 3 / 4, 20, 30 * 3 / 4]])
    y, dx = run(GELU(), row(0, 50, -50), dy)
    near(y, [[0, 50, 0]])
    near(dx, [[5, 20, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_far_out(dtype):
    x = np.array([[1e4, -1e4, 0]], dtype)
    for layer in (Sigmoid(), Tanh(), GELU(), ReLU(), LeakyReLU(), Softmax()):
        y, dx = run(layer, x, np.ones_like(x))
        assert np.isfinite(y).all() and np.isfinite(dx).all(), layer
    near(Sigmoid().forward(np.array([[-50.0]], dtype)), np.exp(-50), 1e-25)  # small, not 0
    assert np.isnan(ReLU().forward(np.array([[np.nan]], dtype))).all()  # and what is broken stays visible


def test_softmax_by_hand():
    y, dx = run(Softmax(), row(0, LOG3), row(1, 0))
    near(y, [[1 / 4, 3 / 4]])
    near(dx, [[3 / 16, -3 / 16]])


# -- linear, embedding ---------------------------------------------------------------------------------------------


def test_linear_by_hand():
    layer = Linear(2, 2).astype(np.float64)
    layer.W[...], layer.b[...] = [[1, 2], [3, 4]], [10, 20]
    y, dx = run(layer, row(5, 6), row(1, -1))
    assert y.tolist() == [[10 + 5 + 18, 20 + 10 + 24]]
    assert dx.tolist() == [[1 - 2, 3 - 4]] and layer.dW.tolist() == [[5, -5], [6, -6]] and layer.db.tolist() == [1, -1]
    assert layer.multiply_adds((7, 2), (7, 2)) == 28
    assert Linear(3, 2, bias=False).b is None
    assert not Linear(3, 2).b.any() and Linear(3, 2).W.dtype == np.float32
    layer.need_dx(False)
    assert run(layer, row(5, 6), row(1, -1))[1] is None
    np.testing.assert_array_equal(Linear(3, 2, rng=5).W, Linear(3, 2, rng=np.random.default_rng(5)).W)


def test_linear_on_sparse_rows_gives_the_rows_in_use():
    dense = np.array([[0, 2.0, 0, 0, 1.0], [0, 3.0, 0, 0, 0]])
    layer, twin = Linear(5, 2, rng=0).astype(np.float64), Linear(5, 2, rng=0).astype(np.float64)
    x, dy = scipy.sparse.csr_array(dense), np.array([[1.0, 10.0], [100.0, 1000.0]])
    y, dx = run(layer, x, dy)
    near(y, twin.forward(dense))
    assert dx is None and isinstance(layer.dW, RowGradient)
    assert layer.dW.rows.tolist() == [1, 4] and layer.dW.values.tolist() == [[302, 3020], [1, 10]]
    twin.backward(dy)
    near(layer.dW.dense((5, 2)), twin.dW)
    assert layer.db.tolist() == twin.db.tolist()
    old_style = scipy.sparse.csr_matrix(dense)
    near(layer.forward(old_style), y)
    layer.backward(dy)
    assert layer.dW.values.tolist() == [[302, 3020], [1, 10]]


def test_embedding_by_hand():
    layer = Embedding(4, 2, padding_idx=0).astype(np.float64)
    assert not layer.W[0].any() and layer.W[1:].all()
    ids = np.array([[3, 1], [3, 0]])
    np.testing.assert_array_equal(layer.forward(ids), layer.W[ids])
    assert layer.backward(np.array([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]])) is None
    assert layer.dW.rows.tolist() == [1, 3] and layer.dW.values.tolist() == [[3, 4], [6, 8]]  # padding does not learn
    free = Embedding(4, 2).astype(np.float64)
    free.forward(ids)
    free.backward(np.ones((2, 2, 2)))
    assert free.dW.rows.tolist() == [0, 1, 3] and free.dW.values.tolist() == [[1, 1], [1, 1], [2, 2]]
    assert free.forward(np.array(2)).shape == (2,) and free.forward(np.zeros((2, 3, 4), np.uint8)).shape == (2, 3, 4, 2)


@pytest.mark.parametrize("mode", ["mean", "sum"])
def test_embedding_bag_by_hand(mode):
    layer = EmbeddingBag(4, 2, mode=mode).astype(np.float64)
    layer.W[...] = [[0, 0], [1, 2], [3, 4], [9, 9]]
    ids = np.array([[1, 2, 1], [2, 0, 0], [0, 0, 0]])
    part = 1 / 3 if mode == "mean" else 1
    near(layer.forward(ids), [[5 * part, 8 * part], [3, 4], [0, 0]])
    layer.backward(np.array([[1.0, 10], [100, 1000], [5, 5]]))
    assert layer.dW.rows.tolist() == [1, 2]
    near(layer.dW.values, [[2 * part, 20 * part], [100 + part, 1000 + 10 * part]])


@pytest.mark.parametrize("layer", [Embedding(4, 2), EmbeddingBag(4, 2)], ids=repr)
def test_token_ids_are_checked(layer):
    for ids, said in (
        (np.array([[0, 4]]), r"token id 4 is outside 0\.\.3"),
        (np.array([[-1, 4]]), "token id -1 is outside"),
        (np.array([[0.0]]), "integer token ids, got float64"),
        ([[1]], "integer token ids, got <class 'list'>"),
    ):
        with pytest.raises(ValueError, match=said):
            layer.forward(ids)
    with pytest.raises(ValueError, match="backward expects dy of the output's shape"):
        layer.forward(np.array([[1, 2]]))
        layer.backward(np.zeros((1, 3)))


def test_embedding_settings():
    with pytest.raises(ValueError, match="'mean' or 'sum', got 'max'"):
        EmbeddingBag(3, 2, mode="max")
    with pytest.raises(ValueError, match=r"expects padded token ids \(N, L\), got \(3,\)"):
        EmbeddingBag(3, 2).forward(np.zeros(3, int))
    for wrong in (-1, 3, 1.0, "1"):
        with pytest.raises(ValueError, match=rf"padding_idx {wrong!r} is outside 0\.\.2"):
            Embedding(3, 2, padding_idx=wrong)


# -- normalisation -------------------------------------------------------------------------------------------------


def test_batch_norm_by_hand():
    layer = BatchNorm(1, eps=3.0, momentum=0.5).astype(np.float64)
    layer.gamma[...], layer.beta[...] = 2, 10
    x = np.array([[1.0], [3.0]])  # mean 2, variance 1, s = sqrt(1 + 3) = 2
    y, dx = run(layer, x, np.array([[1.0], [0.0]]))
    near(y, [[9], [11]])
    near(dx, [[2 * 3 / 16], [-2 * 3 / 16]])
    near([layer.dgamma, layer.dbeta], [[-0.5], [1]])
    near([layer.running_mean, layer.running_var], [[1], [1 + 0.5 * (2 - 1)]])  # half way to 2, and to 1 * 2 / 1
    layer.running_var[...] = 6
    y, dx = run(layer.eval(), x, np.array([[1.0], [0.0]]))  # (x - 1) / 3 * 2 + 10
    near(y, [[10], [10 + 4 / 3]])
    near(dx, [[2 / 3], [0]])
    near([layer.running_mean, layer.running_var], [[1], [6]])
    layer.need_dx(False)
    assert run(layer, x, np.array([[1.0], [0.0]]))[1] is None
    near([layer.dgamma, layer.dbeta], [[0], [1]])


def test_running_statistics_follow_like_pytorchs():
    x = 3 + 2 * normal(50, 4, 5, 2)
    layer = BatchNorm(2).astype(np.float64)
    layer.forward(x)
    near(layer.running_mean, 0.1 * x.mean(axis=(0, 1, 2)))
    near(layer.running_var, 0.9 + 0.1 * x.var(axis=(0, 1, 2), ddof=1))


def test_moments_of_pieces_pool_to_those_of_the_whole():
    x = 5 + normal(23, 3)
    whole, pooled = BatchNorm(3).astype(np.float64), BatchNorm(3).astype(np.float64)
    whole.forward(x)
    pieces = [x[:2], x[2:3], x[3:16], x[16:]]
    pooled.update_running([(len(piece), piece.mean(axis=0), piece.var(axis=0)) for piece in pieces])
    near(pooled.running_mean, whole.running_mean)
    near(pooled.running_var, whole.running_var)


def test_replicas_of_batch_norm_take_notes():
    layer = BatchNorm(3).astype(np.float64)
    twins = layer.replica(), layer.replica()
    x = normal(9, 3)
    twins[0].forward(x[:4])
    twins[1].forward(x[4:])
    assert not layer.running_mean.any() and layer.notes is None
    assert [len(twin.notes) for twin in twins] == [1, 1] and twins[1].notes[0][0] == 5
    twins[0].eval().forward(x)
    assert len(twins[0].notes) == 1
    layer.update_running(twins[0].notes + twins[1].notes)
    near(layer.running_mean, 0.1 * x.mean(axis=0))
    assert twins[0].running_mean is layer.running_mean


def test_batch_norm_refuses():
    layer = BatchNorm(3)
    for shape in ((1, 3), (0, 3), (1, 1, 1, 3)):
        with pytest.raises(ValueError, match="at least two values a channel while training"):
            layer.forward(np.zeros(shape, np.float32))
    assert layer.eval().forward(np.ones((1, 3), np.float32)).shape == (1, 3)
    for shape in ((2, 4), (2, 5, 3), (3,)):
        with pytest.raises(ValueError, match=r"expects \(N, 3\) or \(N, H, W, 3\), got"):
            layer.forward(np.zeros(shape, np.float32))


def trained_norm(channels, seed):
    """A batch norm whose every number differs from what a fresh one holds."""
    norm = BatchNorm(channels)
    norm.gamma, norm.beta = normal(channels, seed=seed), normal(channels, seed=seed + 1)
    norm.running_mean, norm.running_var = normal(channels, seed=seed + 2), normal(channels, seed=seed + 3) ** 2
    return norm


def test_folding_batch_norm_changes_no_prediction():
    inner = Sequential(Conv2d(4, 4, 3, padding=1, groups=2, rng=1), trained_norm(4, 10), ReLU())
    model = Sequential(
        trained_norm(2, 20), Conv2d(2, 4, 3, bias=False, rng=2), trained_norm(4, 30), trained_norm(4, 40), ReLU(),
        trained_norm(4, 50), Residual(inner), Flatten(), Linear(4 * 9, 5, rng=3), trained_norm(5, 60),
    ).astype(np.float64).eval()  # fmt: skip
    x, before = normal(3, 5, 5, 2), {place: array.copy() for place, array in model.named_parameters().items()}
    merged = folded(model)
    np.testing.assert_allclose(merged.forward(x), model.forward(x), rtol=1e-12, atol=1e-12)
    # left are the first, which stands behind nothing, and the one behind the ReLU; two in a row merge one after another
    assert [place for place, layer in merged.walk() if isinstance(layer, BatchNorm)] == ["0.", "3."]
    assert len(model) == 10 and len(inner) == 3
    for place, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[place])


def test_folding_leaves_what_it_must():
    training, x = Sequential(Linear(3, 3, rng=1), BatchNorm(3)), normal(4, 3).astype(np.float32)
    training[1].running_mean[...] = 2
    asked = folded(training)
    assert len(asked) == 1 and not asked.training and training.training and training[1].training
    np.testing.assert_allclose(asked.forward(x), training.eval().forward(x), atol=1e-6)
    with pytest.raises(ValueError, match=r"expects \(N, 1\)"):  # an error is not folded away
        folded(Sequential(Linear(3, 3, rng=1), BatchNorm(1)).eval()).forward(normal(2, 3).astype(np.float32))


def test_layer_norm_by_hand():
    layer = LayerNorm(2, eps=3.0).astype(np.float64)
    layer.gamma[...], layer.beta[...] = [2, 1], [0, 10]
    y, dx = run(layer, row(1, 3), row(1, 0))
    near(y, [[-1, 10.5]])
    near(dx, [[2 * 3 / 16, -2 * 3 / 16]])
    near([layer.dgamma, layer.dbeta], [[-0.5, 0], [1, 0]])
    with pytest.raises(ValueError, match=r"expects \(\.\.\., 2\), got \(1, 3\)"):
        layer.forward(row(1, 2, 3))
    with pytest.raises(ValueError, match=r"expects \(\.\.\., 2\), got \(2,\)"):
        layer.forward(np.zeros(2))


def test_normalize_by_hand():
    layer = Normalize([100, 50], [2, 10])
    x = np.array([[[[102, 40], [255, 0]]]], np.uint8)
    y = layer.forward(x)
    assert y.dtype == np.float32 and y.shape == (1, 1, 2, 2)
    near(y, [[[[1, -1], [77.5, -5]]]], 1e-6)
    near(Normalize([0.5], [0.25]).forward(np.array([[[[1.0]]]], np.float32)), [[[[2]]]], 1e-6)
    near(layer.forward(x.astype(np.float32)), y, 1e-6)
    near(layer.backward(np.ones((1, 1, 2, 2), np.float32)), [[[[0.5, 0.1]] * 2]], 1e-7)
    assert layer.astype(np.float64).forward(x).dtype == np.float64
    for wrong, said in (
        (x[0], r"expects \(N, H, W, 2\), got \(1, 2, 2\): one image is a batch of one: x\[None\]"),
        (np.zeros((1, 2, 5, 5), np.uint8), "channels-last"),
        ([[1]], "got list"),
        (x.astype(int), "uint8 or floating point.*got int64"),
    ):
        with pytest.raises(ValueError, match=said):
            layer.forward(wrong)
    assert Normalize(127, 64).forward(np.full((1, 1, 1, 1), 191, np.uint8)) == 1  # one channel, without brackets
    for mean, std in (([1], [1, 2]), ([1, 2], [1]), ([1, 2], [1, 0]), ([1], [-1]), ([], []), ([0], [np.nan]),
                      ([0], [np.inf])):  # fmt: skip
        with pytest.raises(ValueError, match="one mean and one std > 0"):
            Normalize(mean, std)
    with pytest.raises(ValueError, match="mean must be finite numbers"):
        Normalize([np.nan], [1])


# -- dropout -------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_expectation():
    layer, x = Dropout(0.25, rng=1), np.full((1000, 100), 3.0)
    y, dx = run(layer, x, x)
    assert set(np.unique(y)) == {0.0, 4.0}
    assert abs((y == 0).mean() - 0.25) < 0.005 and abs(y.mean() - 3) < 0.02
    np.testing.assert_array_equal(dx, y)  # what was off gets nothing, what was on the same factor
    assert (layer.forward(x) != y).any()  # drawn anew
    np.testing.assert_array_equal(Dropout(0.25, rng=1).forward(x), y)  # from the generator only
    for off in (layer.eval(), Dropout(0.0)):
        y, dx = run(off, x, 2 * x)
        assert (y == x).all() and (dx == 2 * x).all() and y is not x
    for p in (-0.1, 1.0, np.nan, "0.5", None):
        with pytest.raises(ValueError, match=r"in \[0, 1\), got"):
            Dropout(p)


# -- convolution and pooling: settings (what they compute stands in test_kernels.py) -------------------------------


def test_convolution_with_bias():
    layer = Conv2d(2, 4, (1, 2), groups=2).astype(np.float64)
    layer.W[...], layer.b[...] = 1, [10, 20, 30, 40]
    y = layer.forward(np.arange(12.0).reshape(1, 2, 3, 2))
    near(y[0, 0, 0], [0 + 2 + 10, 0 + 2 + 20, 1 + 3 + 30, 1 + 3 + 40])
    layer.backward(np.ones((1, 2, 2, 4)) * [1, 2, 3, 4])
    near(layer.db, [4, 8, 12, 16])
    assert layer.W.shape == (1, 2, 1, 4)
    assert layer.multiply_adds((1, 2, 3, 2), y.shape) == 16 * 2
    layer.need_dx(False)
    assert run(layer, np.ones((1, 2, 3, 2)), np.ones((1, 2, 2, 4)))[1] is None
    with pytest.raises(ValueError, match=r"groups=2 must divide in_channels=3 and out_channels=4"):
        Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match=r"groups=2 must divide in_channels=4 and out_channels=3"):
        Conv2d(4, 3, 3, groups=2)


@pytest.mark.parametrize("wrong", [-1, 1.5, (1, -1), (1, 2, 3), "3"], ids=str)
def test_windows_name_the_setting_that_is_wrong(wrong):
    for cls, names in ((Conv2d, ("kernel_size", "stride", "dilation")), (MaxPool2d, ("kernel_size", "stride"))):
        channels = {"in_channels": 2, "out_channels": 2} if cls is Conv2d else {}
        for name in names:
            for value in (wrong, 0):
                with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
                    cls(**channels | {"kernel_size": 3, name: value})
        with pytest.raises(ValueError, match="padding must be a whole number of at least 0"):
            cls(**channels, kernel_size=3, padding=wrong)


@pytest.mark.parametrize("wrong", [3.0, -2, 0, "3", None, (3,)], ids=str)
def test_sizes_are_whole_numbers(wrong):
    for name, make in (
        ("in_features", lambda: Linear(wrong, 2)), ("out_features", lambda: Linear(2, wrong)),
        ("in_channels", lambda: Conv2d(wrong, 8, 3)), ("out_channels", lambda: Conv2d(3, wrong, 3)),
        ("groups", lambda: Conv2d(3, 3, 3, groups=wrong)), ("features", lambda: AttentionPool(wrong)),
        ("num_features", lambda: BatchNorm(wrong)), ("num_features", lambda: LayerNorm(wrong)),
        ("num_embeddings", lambda: Embedding(wrong, 4)), ("embedding_dim", lambda: EmbeddingBag(4, wrong)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, got"):
            make()


def test_convolution_names_what_is_wrong_with_x():
    layer = Conv2d(3, 4, 3)
    for shape, said in (
        ((2, 3, 8, 8), r"channels-last: x\.transpose\(0, 2, 3, 1\)"),
        ((8, 8, 3), r"one image is a batch of one: x\[None\]"),
        ((2, 8, 8), r"channels-last, \(N, H, W, 3\)$"),
        ((2, 8, 8, 4), r"channels-last, \(N, H, W, 3\)$"),
        ((2, 3), r"channels-last, \(N, H, W, 3\)$"),
        ((1, 3, 2, 2, 3), r"channels-last, \(N, H, W, 3\)$"),
        ((1, 2, 3, 2, 2), r"channels-last, \(N, H, W, 3\)$"),
    ):
        with pytest.raises(ValueError, match=said):
            layer.forward(np.zeros(shape, np.float32))


@pytest.mark.parametrize("cls", [MaxPool2d, AvgPool2d])
def test_pooling_names_what_is_wrong(cls):
    with pytest.raises(ValueError, match="padding may be at most half of kernel_size"):
        cls(2, padding=2)
    with pytest.raises(ValueError, match="padding may be at most half of kernel_size"):
        cls((3, 2), padding=(1, 2))
    with pytest.raises(ValueError, match=r"expects images \(N, H, W, C\), got \(3, 3\)"):
        cls(2).forward(np.zeros((3, 3)))
    for ceil_mode in (False, True):
        with pytest.raises(ValueError, match="an image of 1x4 is too small for kernel"):
            cls(4, stride=1, ceil_mode=ceil_mode).forward(np.zeros((1, 1, 4, 1)))
        with pytest.raises(ValueError, match="an image of 3x4 is too small for kernel"):
            cls(4, stride=1, ceil_mode=ceil_mode).forward(np.zeros((1, 3, 4, 1)))
    assert cls(3, ceil_mode=True).forward(np.zeros((1, 2, 4, 1))).shape == (1, 1, 2, 1)
    padded = cls(2, stride=3, padding=1, ceil_mode=True)  # the last window begins at 2, on the image's last place
    assert padded.forward(np.zeros((1, 3, 3, 1))).shape == (1, 2, 2, 1)


def test_an_infinite_maximum_is_not_taken_for_padding():
    x = np.array([[np.inf, 1], [2, 3]]).reshape(1, 2, 2, 1)
    layer = MaxPool2d(2, padding=1).astype(np.float64)
    assert layer.forward(x)[0, :, :, 0].tolist() == [[np.inf, 1], [2, 3]]
    assert layer.backward(np.array([[4.0, 5], [6, 7]]).reshape(1, 2, 2, 1))[0, :, :, 0].tolist() == [[4, 5], [6, 7]]


def test_a_window_of_one_place_gives_no_view_of_the_image():
    x = normal(2, 3, 4, 2)
    for stride, right in ((1, x), (2, x[:, ::2, ::2])):
        for layer in (MaxPool2d(1, stride), AvgPool2d(1, stride)):
            y = layer.forward(x)
            np.testing.assert_array_equal(y, right)
            assert not np.may_share_memory(y, x)


def test_global_pooling_by_hand():
    x = np.array([[[1.0, 8], [5, 2]], [[3, 3], [4, 3]]])  # two texts of two places
    y, dx = run(GlobalAvgPool(), x, np.array([[1.0, 2], [3, 4]]))
    assert y.tolist() == [[3, 5], [3.5, 3]] and dx.tolist() == [[[0.5, 1]] * 2, [[1.5, 2]] * 2]
    y, dx = run(GlobalMaxPool(), x, np.array([[1.0, 2], [3, 4]]))
    assert y.tolist() == [[5, 8], [4, 3]]
    assert dx.tolist() == [[[0, 2], [1, 0]], [[0, 4], [3, 0]]]  # of equal numbers the first wins
    images = x.reshape(2, 1, 2, 2)
    assert run(GlobalMaxPool(), images, np.array([[1.0, 2], [3, 4]]))[1].tolist() == dx.reshape(2, 1, 2, 2).tolist()
    assert GlobalAvgPool().forward(images).tolist() == [[3, 5], [3.5, 3]]
    large = (100 + np.random.default_rng(0).random((2, 256, 256, 3))).astype(np.float32)
    for x in (large, np.ascontiguousarray(large.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3)):
        np.testing.assert_allclose(GlobalAvgPool().forward(x), large.mean(axis=(1, 2), dtype=np.float64), rtol=1e-6)


def test_a_global_maximum_hides_nothing():
    x = np.array([[[np.nan, -np.inf, 1]], [[2, 3, np.inf]]])
    y = GlobalMaxPool().forward(x)
    assert np.isnan(y[0, 0]) and y[0, 1:].tolist() == [-np.inf, 1] and y[1].tolist() == [2, 3, np.inf]


def test_reshaping():
    x = np.arange(12.0).reshape(2, 3, 2)
    y, dx = run(Flatten(), x, np.ones((2, 6)))
    assert y.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]] and dx.shape == x.shape
    assert run(Reshape(2, -1), x, np.ones((2, 2, 3)))[0].tolist()[1] == [[6, 7, 8], [9, 10, 11]]
    assert Flatten().forward(np.zeros((0, 3, 2))).shape == (0, 6)
    with pytest.raises(ValueError, match=r"Reshape\(4\) cannot give \(3, 2\) another shape of as many numbers"):
        Reshape(4).forward(x)
    for wrong in (((2, 3),), ([2, 3],), (2.0, 3)):
        with pytest.raises(ValueError, match=r"one by one, as in Reshape\(2, 2\); got [(\[2]"):
            Reshape(*wrong)
    assert run(Reshape(np.int64(2), 3), x, np.ones((2, 2, 3)))[0].shape == (2, 2, 3)


# -- attention and texts with padding ------------------------------------------------------------------------------


def test_attention_by_hand():
    layer = AttentionPool(2).astype(np.float64)
    assert layer.weights is None
    layer.W[...] = [1, 0]
    x = np.array([[[0, 4.0], [LOG3, 8.0]]])  # scores 0 and log 3: weights 1/4 and 3/4
    near(layer.forward(x), [[0.75 * LOG3, 7]])
    near(layer.weights, [[1 / 4, 3 / 4]])
    dx = layer.backward(row(0, 1))  # r = (4, 8), de = (1/4 (4 - 7), 3/4 (8 - 7))
    near(dx, [[[-0.75, 0.25], [0.75, 0.75]]])
    near(layer.dW, [0.75 * LOG3, -0.75 * 4 + 0.75 * 8])
    for wrong in ((2, 2), (1, 3, 1)):
        with pytest.raises(ValueError, match=r"expects \(N, L, 2\), got"):
            layer.forward(np.zeros(wrong))
    with pytest.raises(ValueError, match="expects at least one place"):
        layer.forward(np.zeros((1, 0, 2)))


def text_layers():
    conv = Conv2d(3, 4, (3, 1), padding=(1, 0), rng=1)
    yield "maximum", [GlobalMaxPool()]
    yield "mean", [GlobalAvgPool()]
    yield "attention", [AttentionPool(3, rng=2)]
    yield "images", [Reshape(-1, 1, 3), GlobalMaxPool()]
    yield "branches", [Reshape(-1, 1, 3), Parallel(Sequential(conv, ReLU(), GlobalMaxPool()), GlobalAvgPool())]


@pytest.mark.parametrize("inner", dict(text_layers()).values(), ids=list(dict(text_layers())))
def test_padding_makes_no_difference(inner):
    net = MaskedSequential(Embedding(9, 3, padding_idx=0, rng=0), *inner).astype(np.float64)
    short = np.array([[3, 1, 4], [5, 0, 0], [2, 6, 0]])
    long = np.pad(short, [(0, 0), (0, 4)])
    y = net.forward(short)
    near(net.forward(long), y)
    dy = normal(*y.shape)
    net.forward(short)
    net.backward(dy)
    expected = net[0].dW.dense((9, 3))
    net.forward(long)
    net.backward(dy)
    near(net[0].dW.dense((9, 3)), expected)
    near(net.trace(long)[0], y)


@pytest.mark.parametrize(
    ("inner", "places"),
    [
        ([Reshape(-1, 1, 4), Conv2d(4, 8, (2, 1)), GlobalMaxPool()], 4),
        ([Reshape(-1, 1, 4), AvgPool2d((5, 1)), GlobalAvgPool()], 1),
        ([Reshape(-1, 2), AttentionPool(2)], 10),
    ],
)
def test_a_mask_without_a_place_for_each_token_is_refused(inner, places):
    net = MaskedSequential(Embedding(9, 4, padding_idx=0), *inner)
    with pytest.raises(ValueError, match=rf"5 tokens became {places} places.* odd kernel"):
        net.forward(np.arange(15).reshape(3, 5) % 9)


def test_a_slice_of_a_sequential_is_one():
    model = Sequential(Linear(4, 3), ReLU(), Linear(3, 2))
    x = normal(2, 4).astype(np.float32)
    assert isinstance(model[:2], Sequential) and model[0] is model.layers[0]
    assert np.array_equal(model[2].forward(model[:2].forward(x)), model.forward(x))


def test_a_slice_of_a_masked_sequential_knows_the_tokens():
    net = MaskedSequential(Embedding(9, 3, padding_idx=0, rng=0), GlobalAvgPool(), Linear(3, 2, rng=0))
    ids = np.array([[4, 0, 0], [1, 2, 3]])
    net.forward(np.full((5, 7), 8))  # leaves nothing behind
    assert np.array_equal(net[2].forward(net[:-1].forward(ids)), net.forward(ids))
    assert net[1].mask is None and net[:1][0] is net[0]
    with pytest.raises(ValueError, match=r"begins at its start"):
        net[1:]


class Twice(Sequential):
    """A container of one's own: the scores stand there twice."""

    def forward(self, x):
        y = super().forward(x)
        return np.concatenate([y, y], axis=1)

    def backward(self, dy):
        return super().backward(dy[:, :3] + dy[:, 3:])


def test_a_container_with_a_forward_of_its_own_is_traced_as_one_layer():
    model = Sequential(Twice(Linear(4, 3, rng=0)), ReLU())
    x = normal(2, 4).astype(np.float32)
    y, steps = model.trace(x)
    assert np.array_equal(y, model.forward(x)) and [step.place for step in steps] == ["0", "1"]
    assert np.array_equal(predict(model, x), y)
    assert [step.place for step in Residual(Sequential(Linear(4, 4))).trace(x)[1]] == ["body.0"]


@pytest.mark.parametrize("kind", ["parameters", "buffers"])
@pytest.mark.parametrize("names", ["gain", ["gain"], (1,)])
def test_names_that_are_no_tuple_of_names_are_told_when_the_class_is_made(kind, names):
    with pytest.raises(ValueError, match=rf'Loud\.{kind} is a tuple of names such as .*\("W",\)'):
        type("Loud", (Layer,), {kind: names})


def test_a_change_of_another_shape_than_what_it_is_added_to():
    x = np.ones((2, 3), np.float32)
    for width in (1, 5):  # of which one is smaller and the other larger
        with pytest.raises(ValueError, match="Residual"):
            Residual(Linear(3, width)).forward(x)


def test_layers_are_found_under_any_name():
    class Named(Layer):
        def __init__(self):
            self.Head, self.tail = Linear(2, 2), Linear(2, 2)

    assert list(Named().children()) == ["Head", "tail"]


def test_what_has_no_gradient_passes_a_residual():
    net = Residual(Embedding(5, 2, rng=0), Embedding(5, 2, rng=1))
    ids = np.array([[1, 2], [2, 4]])
    assert net.backward(net.forward(ids)) is None and net.body.dW.rows.tolist() == [1, 2, 4]
    net = Residual(Linear(2, 2, rng=0), Linear(2, 2, rng=1))
    net.shortcut.need_dx(False)
    assert net.backward(net.forward(np.ones((1, 2), np.float32))) is None and net.shortcut.dW.shape == (2, 2)


def test_sparse_input_is_told_what_to_do():
    sparse = scipy.sparse.csr_array(np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match=r"expects a NumPy array, got csr_array: x\.toarray\(\) makes one"):
        ReLU().forward(sparse)
    with pytest.raises(ValueError, match=r"Flatten expects a NumPy array, got csr_array: .* leave it out"):
        Flatten().forward(sparse)


@pytest.mark.parametrize("momentum", [None, -0.1, 1.1, "0.1"])
def test_a_momentum_that_is_no_part_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum is the part"):
        BatchNorm(3, momentum=momentum)


@pytest.mark.parametrize("pool", [GlobalMaxPool, GlobalAvgPool, lambda: AttentionPool(3)])
def test_an_empty_text_gives_zeros(pool):
    net = MaskedSequential(Embedding(9, 3, padding_idx=0, rng=0), pool())
    y = net.forward(np.array([[0, 0], [4, 0]]))
    assert not y[0].any() and y[1].all()
    net.backward(np.ones_like(y))
    assert net[0].dW.rows.tolist() == [4]
    near(y[1], net[0].W[4])


def test_a_mean_counts_the_tokens_of_its_own_text():
    net = MaskedSequential(Embedding(5, 1, padding_idx=0), GlobalAvgPool()).astype(np.float64)
    net[0].W[...] = np.arange(5.0)[:, None]
    near(net.forward(np.array([[1, 2, 3], [4, 0, 0], [1, 3, 0], [0, 0, 0]])), [[2], [4], [2], [0]])
    net.backward(np.array([[3.0], [1], [10], [7]]))
    near(net[0].dW.dense((5, 1)), [[0], [1 + 5], [1], [1 + 5], [1]])


def test_tokens_of_several_places():
    """(N, L, 2, C): both places of a token count, or neither."""
    for pool, expected in ((GlobalAvgPool(), [[4], [2], [0]]), (GlobalMaxPool(), [[7], [3], [0]])):
        net = MaskedSequential(Embedding(3, 2), Reshape(-1, 2, 1), pool).astype(np.float64)
        net[0].W[...] = [[9, 9], [1, 3], [5, 7]]
        near(net.forward(np.array([[1, 2], [1, 0], [0, 0]])), expected)
        gradcheck(net, np.array([[1, 2], [1, 0]]))


def test_negative_features_of_tokens_win_over_padding():
    net = MaskedSequential(Embedding(3, 1, padding_idx=0), GlobalMaxPool())
    net[0].W[1:] = -5
    assert net.forward(np.array([[1, 0]])).tolist() == [[-5]]


# -- containers ----------------------------------------------------------------------------------------------------


def test_residual_by_hand():
    body, shortcut = Linear(2, 2, bias=False).astype(np.float64), Linear(2, 2, bias=False).astype(np.float64)
    body.W[...], shortcut.W[...] = [[1, 2], [3, 4]], 10
    y, dx = run(Residual(body), row(1, 1), row(1, 1))
    assert y.tolist() == [[1 + 4, 1 + 6]] and dx.tolist() == [[1 + 3, 1 + 7]]
    y, dx = run(Residual(body, shortcut), row(1, 1), row(1, 1))
    assert y.tolist() == [[20 + 4, 20 + 6]] and dx.tolist() == [[20 + 3, 20 + 7]]
    with pytest.raises(ValueError, match=r"the body gives \(1, 3\), the shortcut \(1, 2\): make the body keep"):
        Residual(Linear(2, 3)).forward(row(1, 1).astype(np.float32))


def test_parallel_by_hand():
    double, sum_up = Linear(2, 2, bias=False).astype(np.float64), Linear(2, 1, bias=False).astype(np.float64)
    double.W[...], sum_up.W[...] = [[2, 0], [0, 2]], 1
    y, dx = run(Parallel(double, sum_up), row(3, 4), row(1, 10, 100))
    assert y.tolist() == [[6, 8, 7]] and dx.tolist() == [[2 + 100, 20 + 100]]
    assert double.dW.tolist() == [[3, 30], [4, 40]] and sum_up.dW.tolist() == [[300], [400]]
    bags = Parallel(EmbeddingBag(4, 2), EmbeddingBag(4, 3))
    assert bags.forward(np.array([[1, 2]])).shape == (1, 5) and bags.backward(np.ones((1, 5), np.float32)) is None
    images = Parallel(Conv2d(1, 2, 1, rng=0), Conv2d(1, 3, 1, rng=1))  # channels side by side, places stay
    assert images.forward(np.ones((2, 4, 5, 1), np.float32)).shape == (2, 4, 5, 5)
    assert images.backward(np.ones((2, 4, 5, 5), np.float32)).shape == (2, 4, 5, 1)
    for wrong, got in ((np.ones((2, 4, 5, 4), np.float32), "(2, 4, 5, 4)"), (None, "NoneType"), (1.0, "float")):
        with pytest.raises(ValueError, match=re.escape(f"expects dy of the output's shape (2, 4, 5, 5), got {got}")):
            images.backward(wrong)
    with pytest.raises(ValueError, match="at least one branch"):
        Parallel()


def net():
    return Sequential(
        Flatten(),
        Linear(4, 3, rng=0),
        Residual(Sequential(BatchNorm(3), ReLU(), Linear(3, 3, rng=1))),
        Parallel(Linear(3, 2, rng=2), Dropout(0.5, rng=3)),
    )


def test_places():
    places = ["1.W", "1.b", "2.body.0.gamma", "2.body.0.beta", "2.body.2.W", "2.body.2.b", "3.0.W", "3.0.b"]
    model = net()
    assert list(model.named_parameters()) == [place for place, _, _ in model.trainable()] == places
    assert list(model.named_buffers()) == ["2.body.0.running_mean", "2.body.0.running_var"]
    assert [place for place, _ in model.walk()][:5] == ["", "0.", "1.", "2.", "2.body."]
    assert model[2].body[2] is dict(model.walk())["2.body.2."] and len(model) == 4
    assert Linear(2, 1, bias=False).named_parameters().keys() == {"W"}
    with pytest.raises(RuntimeError, match=r"^'1\.W' has no gradient: call backward first"):
        model.named_gradients()
    x = normal(5, 2, 2).astype(np.float32)
    y = model.forward(x)
    model.backward(np.ones_like(y))
    assert list(model.named_gradients()) == places
    shapes = {place: array.shape for place, array in model.named_parameters().items()}
    assert {place: gradient.shape for place, gradient in model.named_gradients().items()} == shapes


def test_a_layer_stands_in_a_model_once():
    layer = Linear(3, 3)
    for build in (
        lambda: Sequential(layer, ReLU(), layer),
        lambda: Sequential(layer, Residual(layer)),
        lambda: Residual(layer, layer),
        lambda: Parallel(layer, Sequential(layer)),
    ):
        with pytest.raises(ValueError, match=r"Linear\(3, 3\) stands in the model twice \(at '.*' and '.*'\)"):
            build()
    for build, said in (
        (lambda: Sequential([layer]), r"got \[Linear\(3, 3\)\]: Sequential\(a, b\), not Sequential\(\[a, b\]\)"),
        (lambda: Parallel([layer]), r"Parallel\(a, b\), not Parallel\(\[a, b\]\)"),
        (lambda: Residual([layer]), r"got \[Linear\(3, 3\)\]: Residual\(Sequential\(a, b\)\) for several"),
        (lambda: Residual(layer, ReLU), r"got the class ReLU: write ReLU\(\)"),
    ):
        with pytest.raises(ValueError, match=said):
            build()


def test_trace_lists_every_plain_layer():
    model, x = net().eval(), normal(5, 2, 2).astype(np.float32)
    y, steps = model.trace(x)
    np.testing.assert_array_equal(y, model.forward(x))
    assert [step.place for step in steps] == ["0", "1", "2.body.0", "2.body.1", "2.body.2", "3.0", "3.1"]
    assert [step.x_shape for step in steps] == [(5, 2, 2), (5, 4), *[(5, 3)] * 5]
    assert steps[1].layer is model[1] and steps[1].y.shape == (5, 3)
    assert sum(step.layer.multiply_adds(step.x_shape, step.y.shape) for step in steps) == 5 * (12 + 9 + 6)


def test_modes_and_types_reach_every_layer():
    model = net()
    assert all(layer.training for _, layer in model.walk())
    assert model.eval() is model and not any(layer.training for _, layer in model.walk())
    assert model.train() is model and all(layer.training for _, layer in model.walk())
    assert {array.dtype for array in model.named_parameters().values()} == {np.dtype(np.float32)}
    model.forward(normal(5, 2, 2).astype(np.float32))
    assert model.astype(np.float64) is model
    arrays = {**model.named_parameters(), **model.named_buffers()}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
    assert model.forward(normal(5, 2, 2)).dtype == np.float64


def test_freezing():
    model = net()
    assert model[1].freeze("b") is model[1]
    assert "1.b" not in [place for place, _, _ in model.trainable()] and "1.b" in model.named_parameters()
    y = model.forward(normal(5, 2, 2).astype(np.float32))
    model.backward(np.ones_like(y))
    assert not hasattr(model[1], "db") and "1.b" not in model.named_gradients() and "1.W" in model.named_gradients()
    model[1].freeze("W")
    assert model[1].frozen == ("b", "W")  # what was frozen stays frozen
    model[1].freeze("W")
    assert model[1].frozen == ("b", "W")
    model.freeze()
    assert not list(model.trainable())
    assert model.unfreeze() is model and len(list(model.trainable())) == 8
    with pytest.raises(ValueError, match=r"Linear\(4, 3\) has no parameter 'w'; it has W, b"):
        model[1].freeze("w")
    said = r"^Sequential has no parameter '1\.W'; it has none of its own: freeze those of a layer in it, model\[0\]\.fr"
    with pytest.raises(ValueError, match=said):
        model.freeze("1.W")


def test_the_walk_back_ends_at_the_first_layer_that_learns():
    class Spy(Tanh):
        seen = 0

        def backward(self, dy):
            self.seen += 1
            return super().backward(dy)

    model = Sequential(Spy(), Linear(3, 3, rng=0), Spy(), Linear(3, 2, rng=1), Spy())
    x, dy = normal(4, 3).astype(np.float32), np.ones((4, 2), np.float32)
    full = run(model, x, dy)[1]
    assert full.shape == (4, 3) and [model[i].seen for i in (0, 2, 4)] == [1, 1, 1]
    gradient = model[1].dW.copy()
    model.need_dx(False)
    assert run(model, x, dy)[1] is None and [model[i].seen for i in (0, 2, 4)] == [1, 2, 2]
    np.testing.assert_array_equal(model[1].dW, gradient)
    model[1].freeze()
    model.need_dx(False)
    assert run(model, x, dy)[1] is None and [model[i].seen for i in (0, 2, 4)] == [1, 2, 3]
    model.freeze()
    assert run(model, x, dy)[1] is None and model[4].seen == 3
    model.unfreeze().need_dx(True)
    np.testing.assert_array_equal(run(model, x, dy)[1], full)


def test_replicas_share_parameters_only():
    model = net()
    x = normal(6, 2, 2).astype(np.float32)
    y = model.forward(x)
    model.backward(np.ones_like(y))
    twin = model.replica()
    for place, array in model.named_parameters().items():
        assert twin.named_parameters()[place] is array
    assert not any(hasattr(layer, "dW") for _, layer in twin.walk())
    assert not {id(layer) for _, layer in twin.walk()} & {id(layer) for _, layer in model.walk()}
    with pytest.raises(RuntimeError, match="backward before forward"):
        twin.backward(np.ones_like(y))
    conv = Conv2d(2, 2, 3)
    assert conv.replica().workspace is not conv.workspace
    pool = MaxPool2d(2)
    assert pool.replica().workspace is not pool.workspace
    assert Residual(Linear(2, 2)).replica().shortcut is None


# -- errors of every layer -----------------------------------------------------------------------------------------


def test_an_activation_names_a_dy_of_another_shape():
    layer = ReLU()
    layer.forward(np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"dy of the output's shape \(3, 2\), got \(1, 2\)"):  # would broadcast
        layer.backward(np.ones((1, 2), np.float32))


def test_linear_names_what_is_wrong():
    layer = Linear(4, 2)
    for x, said in (
        (np.zeros((2, 2, 2), np.float32), r"Linear\(4, 2\) expects \(N, 4\), got \(2, 2, 2\): put Flatten\(\) in"),
        (np.zeros(4, np.float32), r"one example is a batch of one: x\[None\]"),
        (np.zeros(1, np.float32), r"expects \(N, 4\), got \(1,\): 4 features a row are needed; one example is"),
        (np.zeros((2, 5, 4), np.float32), r"pool over the places first, as GlobalAvgPool\(\) does"),
        (np.zeros((2, 5, 3), np.float32), r"4 features a row are needed, Flatten\(\) would give 15$"),
        (np.zeros((2, 3, 5), np.float32), r"4 features a row are needed, Flatten\(\) would give 15$"),
        (np.float32(1)[...], r"expects \(N, 4\), got \(\): 4 features a row are needed"),
        (np.zeros((3, 5), np.float32), "4 features a row are needed$"),
        ([[1.0, 2, 3, 4]], r"expects a NumPy array, got list: wrap it in np\.asarray"),
        (np.zeros((3, 4)), r"computes in float32, got float64: cast the input with x\.astype\(np\.float32\), or the "
                           r"model with model\.astype\(np\.float64\)"),
        (np.zeros((3, 4), int), r"computes in float32, got int64: cast the input with x\.astype\(np\.float32\)$"),
        (scipy.sparse.csc_array(np.zeros((3, 4))), r"takes sparse rows as CSR, got CSC: use x\.tocsr\(\)"),
        (scipy.sparse.lil_array(np.zeros((3, 4))), "takes sparse rows as CSR, got LIL"),
        (scipy.sparse.csr_array(np.zeros((3, 5))), r"expects \(N, 4\), got \(3, 5\): was another vectorizer used\?"),
        (scipy.sparse.csr_array(np.zeros((3, 4))), "computes in float32, got float64"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            layer.forward(x)
    with pytest.raises(RuntimeError, match=r"Linear\(4, 2\): backward before forward"):
        layer.backward(np.zeros((3, 2), np.float32))
    layer.forward(np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match=r"dy of the output's shape \(3, 2\), got \(2, 3\)"):
        layer.backward(np.zeros((2, 3), np.float32))
    for column in (np.zeros(1, np.float32), np.zeros(7, np.float32)):
        with pytest.raises(ValueError, match=r"one feature a row is x\[:, None\]$"):
            Linear(1, 2).forward(column)
    with pytest.raises(ValueError, match=r"expects \(N, 1\), got \(\): 1 features a row are needed$"):
        Linear(1, 2).forward(np.float32(1)[...])
    with pytest.raises(ValueError, match=r"grey images have one channel: x\[\.\.\., None\]"):
        Conv2d(1, 2, 3).forward(np.zeros((1, 8, 8), np.float32))
    with pytest.raises(ValueError, match=r"channels-last, \(N, H, W, 1\)$"):
        Conv2d(1, 2, 3).forward(np.zeros((1, 8, 8, 2), np.float32))
    with pytest.raises(ValueError, match=r"ReLU\(\) expects float32 or float64, got int64: cast with x\.astype"):
        ReLU().forward(np.zeros((2, 2), int))


def test_a_layer_without_passes_says_so():
    for call in (lambda: Layer().forward(row(1)), lambda: Layer().backward(row(1))):
        with pytest.raises(NotImplementedError, match="Layer has no"):
            call()


# -- description ---------------------------------------------------------------------------------------------------

KNOWN = {name: getattr(all_layers, name) for name in all_layers.__all__}


def test_repr():
    assert repr(Linear(3, 2)) == "Linear(3, 2)" and repr(Linear(3, 2, bias=False)) == "Linear(3, 2, bias=False)"
    assert repr(Conv2d(3, 2, (1, 3), padding=(0, 1))) == "Conv2d(3, 2, (1, 3), padding=(0, 1))"
    assert repr(Reshape(-1, 2)) == "Reshape(-1, 2)" and repr(GELU()) == "GELU()" and repr(Dropout(0.5)) == "Dropout()"
    assert repr(Residual(Linear(2, 2))) == "Residual(Linear(2, 2))"
    assert repr(MaskedSequential(ReLU())) == "MaskedSequential(\n  (0) ReLU()\n)"
    assert repr(Sequential(ReLU(), Sequential(Tanh()))) == (
        "Sequential(\n  (0) ReLU()\n  (1) Sequential(\n    (0) Tanh()\n  )\n)"
    )


def test_rebuild():
    model = net()
    model[1].freeze("b")
    twin = rebuild(model.config(), KNOWN)
    assert repr(twin) == repr(model) and twin[1].frozen == ("b",)
    assert model.config()["layers"][1] == {
        "layer": "Linear", "in_features": 4, "out_features": 3, "bias": True, "frozen": ["b"]
    }  # fmt: skip
    for wrong, said in (
        ({"layer": "Evil"}, "unknown layer 'Evil': known are .*Linear"),
        ({"layer": "Linear", "in_features": 3}, "cannot rebuild Linear from .*out_features"),
        ({"layer": "Linear", "in_features": 3, "out_features": 2, "colour": 1}, "cannot rebuild Linear"),
        ({"in_features": 3}, "a dictionary with the key 'layer'"),
        ([1, 2], "a dictionary with the key 'layer', got"),
    ):
        with pytest.raises(ValueError, match=said):
            rebuild(wrong, KNOWN)


def test_row_gradient_made_dense():
    gradient = RowGradient(np.array([0, 2]), np.array([[1.0, 2], [3, 4]], np.float32))
    assert gradient.dense((4, 2)).tolist() == [[1, 2], [0, 0], [3, 4], [0, 0]]
    assert gradient.dense((4, 2)).dtype == np.float32


def test_small_numbers_through_a_leaky_relu():
    layer, x = LeakyReLU(0.1), np.array([[0.5, -0.5, 0.25, -3.0]])
    np.testing.assert_allclose(layer.forward(x), [[0.5, -0.05, 0.25, -0.3]], rtol=1e-15)
    np.testing.assert_allclose(layer.backward(np.full((1, 4), 2.0)), [[2, 0.2, 2, 0.2]], rtol=1e-15)


def test_defaults_and_costs_by_hand():
    assert LayerNorm(3).eps == BatchNorm(3).eps == 1e-5
    assert Conv2d(3, 8, 3).multiply_adds((2, 9, 9, 3), (2, 7, 7, 8)) == 2 * 7 * 7 * 8 * 27
    assert Conv2d(4, 8, (3, 1), groups=2).multiply_adds((1, 9, 9, 4), (1, 7, 9, 8)) == 7 * 9 * 8 * 3 * 2


@pytest.mark.parametrize("side", [1, 2])
def test_a_window_that_does_not_fit(side):
    for layer in (MaxPool2d(3), AvgPool2d(3)):
        with pytest.raises(ValueError, match="too small"):
            layer.forward(np.zeros((1, 5, side, 1), np.float32))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_another_number_of_channels_is_named(channels):
    with pytest.raises(ValueError, match=r"images are channels-last, \(N, H, W, 3\)"):
        Conv2d(3, 4, 3).forward(np.zeros((2, 9, 9, channels), np.float32))


def test_a_layer_may_have_arguments_by_keyword_only():
    class Named(ReLU):
        def __init__(self, *, size):
            self.size = size

    assert Named(size=3).config() == {"layer": "Named", "own": True, "size": 3}
    assert rebuild(Named(size=3).config(), {"Named": Named}).size == 3


class Chain(Layer):
    """Its constructor does with a list what no tuple can, and with a tuple what no list can."""

    def __init__(self, hidden, shape=(1, 2), *more, **settings):
        self.hidden, self.shape, self.more, self.settings = hidden, shape, more, settings
        sizes = hidden.copy()
        sizes.extend(settings.get("last", []).copy())
        self.lines = [Linear(n, m, rng=n) for n, m in itertools.pairwise([2, *sizes])]
        self.known = {shape: more}

    def forward(self, x):
        for line in self.lines:
            x = line.forward(x)
        self._cache = x.shape
        return x

    def backward(self, dy):
        self._expect_dy(dy, self._recall())
        for line in reversed(self.lines):
            dy = line.backward(dy)
        return dy


def test_an_argument_of_ones_own_layer_comes_back_as_the_list_or_tuple_that_it_was():
    for layer in (Chain([8, 8]), Chain([3], (2, 4), 5, 6), Chain([4], last=[2], first=(7,))):
        twin = rebuild(json.loads(json.dumps(layer.config())), {"Chain": Chain})
        assert repr(twin) == repr(layer) and twin.config() == layer.config()
    check_layer(Chain([3, 4]), normal(4, 2), gradients=False)
    before = {"layer": "Chain", "own": ["hidden", "last"], "hidden": [4], "shape": [1, 2], "more": [], "last": [2]}
    assert repr(rebuild(before, {"Chain": Chain})) == repr(Chain([4], last=[2])), "as older checkpoints have it"
    assert type(rebuild(Conv2d(1, 2, [3, 3]).config(), KNOWN).kernel_size) is tuple


@pytest.mark.parametrize("name", ["layer", "own", "as_lists", "frozen"])
def test_an_argument_that_is_called_as_what_a_description_says_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"^Chain cannot be described: call its argument {name} something else"):
        Chain([4], **{name: 1}).config()


def test_who_refuses_to_be_rebuilt_is_named():
    inner = {"layer": "Linear", "in_features": 0, "out_features": 3}
    for config in (inner, {"layer": "Sequential", "layers": [inner]}):
        with pytest.raises(
            ValueError, match=r"^cannot rebuild Linear from \{'in_features': 0, .*: in_features must be"
        ):
            rebuild(config, KNOWN)


def test_messages_about_descriptions_are_short():
    for config, said in (
        ({"layer": "x" * 300}, r"unknown layer 'x{80}'"),
        ("y" * 300, r"got y{80}$"),
        ({"layer": "ReLU", "z" * 300: 1}, r"from \{'z{198}:"),
    ):
        with pytest.raises(ValueError, match=said):
            rebuild(config, {"ReLU": ReLU})
    with pytest.raises(ValueError, match="no parameter 'Q'"):
        Linear(2, 3).freeze("W", "Q", "R")
    for kind in (bool, complex):
        with pytest.raises(ValueError, match=r"cast the input with x\.astype\(np\.float32\)$"):
            Linear(2, 3).forward(np.ones((4, 2), kind))


class Block(Layer):
    """Layers as attributes of every kind, and nothing said of them."""

    def __init__(self, features):
        self.features = features
        self.body = Sequential(Linear(features, features, rng=1), Dropout(0.1, rng=2))
        self.more = [Linear(features, features, rng=3), None]
        self.heads = {"out": Linear(features, features, rng=4)}

    def forward(self, x):
        self._cache = x, self.body
        return x + self.heads["out"].forward(self.more[0].forward(self.body.forward(x)))

    def backward(self, dy):
        self._recall()
        return dy + self.body.backward(self.more[0].backward(self.heads["out"].backward(dy)))


def test_layers_among_the_attributes_belong_to_the_layer():
    model = Sequential(Block(3), Linear(3, 2, rng=5))
    inner = ["0.body.0.W", "0.body.0.b", "0.more.0.W", "0.more.0.b", "0.heads.out.W", "0.heads.out.b"]
    assert list(model.named_parameters()) == [*inner, "1.W", "1.b"]
    check_layer(Block(3), normal(4, 3), classes=(Sequential,))
    x, model = normal(4, 3), model.astype(np.float64)
    model.need_dx(False)  # the block is first, yet what it adds to dy is read
    y = model.forward(x)
    model.backward(np.ones_like(y))
    twin = model.replica()
    assert twin[0].more[0] is not model[0].more[0] and twin[0].more[0].W is model[0].more[0].W
    assert twin[0].more[1] is None and twin[0].heads is not model[0].heads and twin[0].body[0]._cache is None
    before = model[0].more[0].dW.copy()
    twin.forward(x)
    twin.backward(-np.ones_like(y))
    assert np.array_equal(model[0].more[0].dW, before) and np.abs(twin[0].more[0].dW + before).max() > 0


def test_layers_among_the_attributes_are_trained_and_saved(tmp_path):
    x, labels = normal(64, 3).astype(np.float32), np.arange(64) % 2
    model = Sequential(Block(3), Linear(3, 2, rng=5))
    before = {place: array.copy() for place, array in model.named_parameters().items()}
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=2, piece=8)
    trainer.fit((x, labels), epochs=1, batch_size=32, progress=False)
    assert all((array != before[place]).any() for place, array in model.named_parameters().items())
    checkpoint.save(tmp_path / "model.ckpt", *checkpoint.model_to(model))
    read = checkpoint.model_from(*checkpoint.load(tmp_path / "model.ckpt"), {"Block": Block})
    np.testing.assert_array_equal(predict(read, x), predict(model, x))


class Stages(Layer):
    """Layers in lists of lists, in a dictionary of tuples, and as a nested argument."""

    def __init__(self, ends):
        self.ends = ends
        self.stages = [[Linear(3, 3, rng=1), BatchNorm(3)], [Linear(3, 3, rng=2)]]
        self.heads = {"out": (Linear(3, 3, rng=3), {"scale": 2.0})}

    def line(self):
        return [layer for stage in self.stages for layer in stage] + [self.heads["out"][0], *self.ends["last"][0]]

    def forward(self, x):
        for layer in self.line():
            x = layer.forward(x)
        self._cache = x.shape
        return x

    def backward(self, dy):
        self._expect_dy(dy, self._recall())
        for layer in reversed(self.line()):
            dy = layer.backward(dy)
        return dy


def test_layers_in_nested_lists_and_dictionaries_belong_to_the_layer(tmp_path):
    model = Sequential(Stages({"last": ((Linear(3, 2, rng=4), Dropout(0.1, rng=5)),)}))
    places = ["ends.last.0.0", "stages.0.0", "stages.0.1", "stages.1.0", "heads.out.0"]
    assert sorted({place.rpartition(".")[0] for place in model.named_parameters()}) == sorted(f"0.{p}" for p in places)
    assert not model.eval()[0].stages[0][1].training
    twin = model.replica()
    assert twin[0].stages[1][0] is not model[0].stages[1][0] and twin[0].stages[1][0].W is model[0].stages[1][0].W
    classes = (Linear, BatchNorm, Dropout, Stages)
    check_layer(Stages({"last": ((Linear(3, 2, rng=4),),)}), normal(4, 3), classes=classes)
    x, before = normal(64, 3).astype(np.float32), {place: w.copy() for place, w in model.named_parameters().items()}
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=2, piece=8)
    trainer.fit((x, np.arange(64) % 2), epochs=1, batch_size=32, progress=False)
    moved = {place for place, w in model.named_parameters().items() if (w != before[place]).any()}
    assert moved >= {f"0.{place}.W" for place in places if place != "stages.0.1"}
    model[0].ends["last"][0][0].freeze("b")
    model[0].stages[1][0].freeze()
    checkpoint.save(tmp_path / "model.ckpt", *checkpoint.model_to(model))
    read = checkpoint.model_from(*checkpoint.load(tmp_path / "model.ckpt"), {"Stages": Stages})
    np.testing.assert_array_equal(predict(read, x), predict(model, x))
    assert read.config() == model.config() and read.config()["layers"][0]["frozen"] == ["stages.1.0.W", "stages.1.0.b"]


class Scaled(Linear):
    """What Linear does, times a number; Linear's arguments pass through."""

    def __init__(self, scale, **settings):
        self.scale, self.settings = scale, settings
        super().__init__(**settings)

    def forward(self, x):
        return self.scale * super().forward(x)

    def backward(self, dy):
        return super().backward(self.scale * dy)


def test_arguments_that_pass_through_are_described_and_rebuilt():
    layer = Scaled(2.0, in_features=3, out_features=2, bias=False, rng=np.random.default_rng(0))
    check_layer(layer, normal(4, 3))
    assert repr(layer) == "Scaled(2.0, in_features=3, out_features=2, bias=False)"
    twin = rebuild(json.loads(json.dumps(layer.config())), {"Scaled": Scaled})
    assert twin.settings == {"in_features": 3, "out_features": 2, "bias": False} and repr(twin) == repr(layer)


def test_a_subclass_that_forgets_the_arrays_of_its_base_is_refused():
    for base, kind in ((Linear, "parameters"), (BatchNorm, "buffers")):
        first = getattr(base, kind)[0]
        cure = rf"write {kind} = \(\*{base.__name__}\.{kind}, \.\.\.\)"
        said = rf"Own\.{kind} leaves out '{first}' of {base.__name__}.*{cure}"
        with pytest.raises(ValueError, match=said):
            type("Own", (base,), {kind: ("more",)})
        type("Own", (base,), {kind: ("more", *getattr(base, kind))})


@pytest.mark.parametrize("held", [ReLU(), [ReLU()], {"a": (ReLU(),)}])
def test_a_layer_of_a_class_is_refused(held):
    with pytest.raises(ValueError, match=r"Block\.act is one layer for all of its class: make it in __init__"):
        type("Block", (Layer,), {"act": held})


class Has(Layer):
    """Passes x on, and has an attribute of the name asked for."""

    def __init__(self, name, value):
        setattr(self, name, value)

    def forward(self, x):
        return x


@pytest.mark.parametrize("name, value", [("config", {}), ("children", [1]), ("frozen", False), ("frozen", "W")])
def test_attributes_that_hide_what_a_layer_has_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^Has: self.{name} hides what every layer has of that name"):
        Sequential(Has(name, value))
    with pytest.raises(ValueError, match=f"^Has: self.{name} hides what every layer has of that name"):
        SGD(Has(name, value), 0.1)
    if name != "children":  # which nobody finds it by
        model = Has("inner", Has(name, value))
        with pytest.raises(ValueError, match=f"^Has: self.{name} hides what every layer has of that name"):
            Trainer(model, SoftmaxCrossEntropy(), SGD(Linear(2, 2), 0.1))
    Sequential(Has("forward", lambda x: 2 * x), Has("frozen", ("W",)))


@pytest.mark.parametrize("value", [1.0, [1.0], np.float32(1)])
def test_a_parameter_that_is_no_array_is_told_of(value):
    class Scale(Has):
        parameters = ("a",)

    model = Sequential(Linear(2, 2), Scale("a", value))
    said = rf"'1\.a' is of the type {type(value).__name__}: parameters and buffers are arrays"
    for act in (model.named_parameters, lambda: SGD(model, 0.1)):
        with pytest.raises(ValueError, match=said):
            act()


class Picks(Layer):
    """Chooses columns by an index, and scales them."""

    parameters = ("scale",)
    buffers = ("index", "mask")

    def __init__(self):
        self.index, self.mask = np.array([2, 0]), np.array([True, False])
        self.scale = np.ones(2, np.float32)

    def forward(self, x):
        self._expect(x)
        self._cache = x
        return x[:, self.index] * self.scale * self.mask

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, (len(x), 2))
        dy = dy * self.mask
        if self._learns("scale"):
            self.dscale = (dy * x[:, self.index]).sum(axis=0)
        dx = np.zeros(x.shape, x.dtype)
        dx[:, self.index] = dy * self.scale
        return dx


def test_integers_and_truth_values_are_converted_to_no_other_type_and_decide_none():
    layer = Picks().astype(np.float64)
    assert (layer.index.dtype, layer.mask.dtype, layer.scale.dtype) == (np.int64, bool, np.float64)
    check_layer(Picks(), normal(4, 3))
    without = Picks()
    without.scale = None
    assert without.dtype is None


def test_what_is_frozen_inside_a_layer_of_ones_own_is_described():
    model = Sequential(Block(3), Block(3))
    model[1].body[0].freeze("b")
    model[1].heads["out"].freeze()
    assert model.config()["layers"][1]["frozen"] == ["body.0.b", "heads.out.W", "heads.out.b"]
    twin = rebuild(model.config(), {**KNOWN, "Block": Block})
    assert twin.config() == model.config() and not twin[0].body[0].frozen
    assert twin[1].body[0].frozen == ("b",) and twin[1].heads["out"].frozen == ("W", "b")


def test_layers_that_a_replica_would_share_are_refused():
    class Gate(Layer):
        def __init__(self, inner):
            self.inner = inner

        def children(self):
            return {"0": next(iter(self.inner))}

    with pytest.raises(NotImplementedError, match=r"Gate holds layers where replica\(\) does not find them"):
        Sequential(Gate({Linear(2, 2)})).replica()

    class Guided(Gate):
        def children(self):
            return {"inner": self.inner}

    guided = Guided(Linear(2, 2))
    guided.guide = Linear(2, 2)  # left out on purpose
    assert guided.replica().guide is guided.guide and guided.replica().inner is not guided.inner

    class Beside(Sequential):
        def __init__(self):
            self.first = Linear(2, 2)
            super().__init__(self.first)

    class Compared(Layer):
        def __eq__(self, other):
            return True

    beside = Beside()
    twin = beside.replica()
    assert twin.first is twin[0] is not beside.first
    beside.gate, beside.late = Linear(2, 2), Linear(2, 2)
    with pytest.raises(ValueError, match="Beside holds gate beside its chain: derive from Layer instead"):
        beside.named_parameters()
    for held in ([Linear(2, 2)], (Linear(2, 2),), {"0": Linear(2, 2)}):
        beside = Beside()
        beside.heads = held
        with pytest.raises(ValueError, match=r"Beside holds heads\.0 beside its chain"):
            beside.named_parameters()
    beside.heads = [Compared()]
    with pytest.raises(ValueError, match=r"Beside holds heads\.0 beside its chain"):
        beside.named_parameters()
    beside.heads, beside.width = [beside[0]], 2
    assert beside.named_parameters().keys() == {"0.W", "0.b"}


def test_a_pass_that_forgets_something_is_named():
    class Forgetful(Linear):
        forgets = ""

        def forward(self, x):
            y = super().forward(x)
            return None if self.forgets == "y" else y

        def backward(self, dy):
            dx = super().backward(dy)
            if self.forgets in ("db", "both"):
                del self.db
            if self.forgets == "both":
                del self.dW
            return None if self.forgets == "dx" else dx

    for forgets, said in (
        ("y", r"^Forgetful\(3, 3\): forward returned None: is its return missing"),
        ("dx", r"^Forgetful\(3, 3\): backward returned None, but layers before it learn: return dx"),
        ("db", r"^Forgetful\(3, 3\): backward set no gradient of b: set self\.db"),
        ("both", r"^Forgetful\(3, 3\): backward set no gradient of W: set self\.dW"),
    ):
        model = Sequential(Linear(3, 3), Forgetful(3, 3), ReLU())
        model[1].forgets = forgets
        with pytest.raises(ValueError, match=said):
            run(model, normal(2, 3).astype(np.float32), np.ones((2, 3), np.float32))
    first = Sequential(Forgetful(3, 3))
    first[0].forgets = "dx"
    assert run(first, normal(2, 3).astype(np.float32), np.ones((2, 3), np.float32))[1] is None  # nobody learns before


def test_the_example_of_a_layer_keeps_the_contract():
    names = {"Layer": Layer, "np": np}
    lines = inspect.getdoc(Layer).splitlines()
    exec(textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line)), names)
    check_layer(names["Stretch"](), normal(4, 3))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int32])
def test_models_compute_in_two_dtypes(dtype):
    with pytest.raises(ValueError, match="float32 or float64, not in"):
        Linear(2, 2).astype(dtype)


def test_only_what_is_known_is_folded():
    class Doubled(Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    class Other(BatchNorm):
        def forward(self, x):
            return super().forward(x) + 1

    for layers in ((Doubled(3, 4, rng=0), BatchNorm(4)), (Linear(3, 4, rng=0), Other(4))):
        model = Sequential(*layers).eval()
        x = np.random.default_rng(0).standard_normal((6, 3), dtype=np.float32)
        layers[1].running_mean[...] = 0.5
        assert np.allclose(folded(model).forward(x), model.forward(x), atol=1e-6)


@pytest.mark.parametrize("features", [3, 5])
def test_rows_of_another_length_are_refused(features):
    x = np.zeros((2, features), np.float32)
    for layer in (Linear(4, 2), LayerNorm(4)):
        with pytest.raises(ValueError, match=r"4.*got \(2, [35]\)"):
            layer.forward(x)


@pytest.mark.parametrize("dtype", [bool, int, complex, object, np.float16, np.longdouble])
def test_what_no_model_computes_in_is_refused_by_layers_without_weights(dtype):
    """In float16 the sum of 4,096 ones stands still at 2,048: their average would be 0.5."""
    for layer, shape in ((ReLU(), (2, 3)), (GlobalAvgPool(), (1, 64, 64, 2)), (AvgPool2d(60), (1, 60, 60, 1))):
        with pytest.raises(ValueError, match=r"expects float32 or float64, got .*: cast with x\.astype\(np\.float32\)"):
            layer.forward(np.ones(shape, dtype))


def test_the_hint_for_channels_first_is_given_for_these_alone():
    for shape, said in (((2, 3, 8, 8), "transpose"), ((2, 2, 8, 8), "images are channels-last, \\(N, H, W, 3\\)$")):
        with pytest.raises(ValueError, match=said):
            Conv2d(3, 4, 3).forward(np.zeros(shape, np.float32))


def test_nobody_reads_what_the_first_learner_would_give_back():
    model = Sequential(ReLU(), Linear(2, 2), ReLU(), Linear(2, 2))
    model.need_dx(False)
    assert [layer.needs_dx for layer in model.layers] == [False, False, True, True]
    model.need_dx(True)
    assert all(layer.needs_dx for layer in model.layers)


def test_chains_in_chains_are_told_once_whose_dx_is_read():
    told = []

    class Told(Linear):
        def need_dx(self, needed):
            told.append(needed)
            super().need_dx(needed)

    model = Told(2, 2, rng=0)
    for seed in range(1, 10):
        model = Sequential(model, Told(2, 2, rng=seed))
    model.need_dx(False)
    assert told == [False] + 9 * [True]
    x, dy = normal(3, 2).astype(np.float32), np.ones((3, 2), np.float32)
    model.forward(x)
    assert model.backward(dy) is None and len(told) == 10
    gradients = model.named_gradients()
    inner = model[0][0][0]
    inner.freeze()
    model.forward(x)
    assert model.backward(dy) is None and model[0][0][1].needs_dx is False  # the first that learns now
    inner.unfreeze()
    model.forward(x)
    assert model.backward(dy) is None and model[0][0][1].needs_dx and len(told) == 12
    assert all(np.array_equal(gradients[place], found) for place, found in model.named_gradients().items())


@pytest.mark.parametrize("fork", [Parallel, Residual])
def test_what_forks_passes_on_that_nobody_reads_its_dx(fork):
    model = Sequential(fork(Sequential(Linear(2, 2, rng=0), ReLU(), Linear(2, 2, rng=1)), Linear(2, 2, rng=2)), ReLU())
    x, dy = normal(3, 2).astype(np.float32), np.ones_like(model.forward(np.ones((3, 2), np.float32)))
    model.forward(x)
    assert model.backward(dy).shape == (3, 2)
    gradients = model.named_gradients()
    model.need_dx(False)
    first, second = model[0].children().values()
    assert first[1].needs_dx and first[2].needs_dx
    assert not any(layer.needs_dx for layer in (model[0], first, first[0], second))
    assert model.backward(dy) is None
    assert all(np.array_equal(gradients[place], found) for place, found in model.named_gradients().items())
    model.need_dx(True)
    assert first[0].needs_dx and second.needs_dx and model.backward(dy) is not None


def test_a_summary_is_of_one_example_unless_told_otherwise():
    model = Sequential(Linear(4, 3))
    assert model.summary((4,)) == model.summary((4,), batch_size=1) != model.summary((4,), batch_size=2)
    wide = Linear(100, 100)  # 10,100 parameters, as many gradients, 100 numbers in and 100 out, of 4 bytes each
    assert "at least 81.6 kB, of it 800 bytes for activations" in wide.summary((100,))


def test_a_layer_that_learns_again_gets_its_gradient():
    model = Sequential(Linear(3, 4, rng=0).freeze(), ReLU(), Linear(4, 2, rng=1))
    model.need_dx(False)
    model[0].unfreeze()
    model.forward(normal(5, 3).astype(np.float32))
    assert model.backward(np.ones((5, 2), np.float32)) is None and np.abs(model[0].dW).max() > 0


def test_pooling_over_all_places_wants_places():
    for layer in (GlobalAvgPool(), GlobalMaxPool()):
        assert layer.forward(np.zeros((0, 5, 3), np.float32)).shape == (0, 3)
        for masked in (layer, MaskedSequential(Embedding(9, 3), layer)):
            x = np.zeros((2, 0, 3), np.float32) if masked is layer else np.zeros((2, 0), int)
            with pytest.raises(ValueError, match=r"Pool\(\) expects at least one place, got \(2, 0, 3\)"):
                masked.forward(x)
        with pytest.raises(ValueError, match=r"expects \(N, H, W, C\) or \(N, L, C\), got \(2, 3\): was it flattened"):
            layer.forward(np.ones((2, 3), np.float32))


def test_an_empty_batch_is_reshaped_like_any_other():
    assert Reshape(-1, 1, 64).forward(np.zeros((0, 48, 64))).shape == (0, 48, 1, 64)
    with pytest.raises(ValueError, match=r"cannot give \(5, 3\) another shape"):
        Reshape(-1, 4).forward(np.zeros((0, 5, 3)))


@pytest.mark.parametrize("pool", [GlobalAvgPool(), GlobalMaxPool()], ids=repr)
@pytest.mark.parametrize("shape", [(0, 5, 3), (0, 4, 5, 3)])
def test_an_empty_batch_is_pooled_and_walked_back(pool, shape):
    y = pool.forward(np.zeros(shape))
    assert y.shape == (0, 3) and pool.backward(y).shape == shape


def test_a_window_wider_apart_than_the_image():
    layer = Conv2d(1, 1, 1, stride=8, padding=2, rng=0)
    layer.b[...] = 7
    assert layer.forward(np.ones((1, 4, 4, 1), np.float32)).tolist() == [[[[7]]]]
    assert layer.backward(np.ones((1, 1, 1, 1), np.float32)).tolist() == np.zeros((1, 4, 4, 1)).tolist()


def test_padding_never_gets_a_gradient():
    layer, x = MaxPool2d(2, padding=1), np.ones((1, 2, 2, 1))
    x[0, 0, 0] = -np.inf  # with padding around it, the largest of its window
    layer.forward(x)
    assert layer.backward(np.array([5.0, 1, 1, 1]).reshape(1, 2, 2, 1))[0, :, :, 0].tolist() == [[5, 1], [1, 1]]


def test_a_description_is_made_of_plain_numbers_and_a_half_made_layer_has_a_name():
    layer = Conv2d(1, 2, (np.int64(3), np.int32(2)), rng=0)
    assert json.loads(json.dumps(layer.config()))["kernel_size"] == [3, 2]

    class Half(Layer):
        def __init__(self, first, second, third=3):
            self.second = second

    assert repr(Half(1, 2)) == "Half(2)"


def test_a_name_freezes_the_layers_own_parameter_alone():
    class Outer(Linear):
        def __init__(self):
            super().__init__(2, 2, rng=0)
            self.inner = Linear(2, 2, rng=1)

    outer = Outer().freeze("W")
    assert outer.frozen == ("W",) and outer.inner.frozen == ()
    assert outer.freeze().inner.frozen == ("W", "b")


def test_a_layer_may_keep_those_inside_it_in_evaluation():
    class Still(Layer):
        def __init__(self):
            self.norm, self.drop = BatchNorm(2), Dropout(0.5)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    model = Sequential(Linear(2, 2), Residual(Still()))
    assert model.train() is model
    assert [layer.training for _, layer in model.walk()] == [True, True, True, True, False, True]
    assert model.eval() is model and not any(layer.training for _, layer in model.walk())


def test_running_statistics_may_stand_still():
    layer = BatchNorm(2, momentum=0)
    layer.forward(normal(5, 2).astype(np.float32))
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]


def test_one_row_of_pixels_is_no_grey_image():
    with pytest.raises(ValueError, match=r"got \(28, 28\): images are channels-last, \(N, H, W, 1\)"):
        Conv2d(1, 2, 3).forward(np.zeros((28, 28), np.float32))


def test_plain_data_in_a_layer_may_go_round_in_circles():
    class Tree(Layer):
        def __init__(self):
            self.root = {"parent": None, "children": []}
            self.root["children"].append({"parent": self.root, "children": []})
            self.blocks = [[Linear(2, 2, rng=0)], {"a": [ReLU()]}]

    assert sorted(Tree().children()) == ["blocks.0.0", "blocks.1.a.0"]


def test_a_layer_of_a_sequential_is_not_replaced_but_by_another_sequential():
    with pytest.raises(TypeError, match=r"make another, Sequential\(\*model\[:-1\]\.layers, \.\.\.\)"):
        Sequential(ReLU())[0] = ReLU()


def test_layers_are_looked_for_three_lists_deep():
    class Deep(Layer):
        def __init__(self):
            self.three, self.four = [[[ReLU()]]], [[[[ReLU()]]]]

    assert list(Deep().children()) == ["three.0.0.0"]


@pytest.mark.parametrize("negative_slope", [0.0, 0.01, 1.0, 1.5, -0.5])
def test_a_leaky_relu_takes_any_slope_and_keeps_the_type(negative_slope):
    for dtype in (np.float32, np.float64):
        x = np.array([[np.nan, np.inf, 0.0, -0.0, 1e-40, -1e-40, 2.0, -2.0]], dtype)
        layer, slope = LeakyReLU(negative_slope), np.where(x > 0, dtype(1), dtype(negative_slope))
        y, dx = layer.forward(x), layer.backward(np.ones_like(x))
        np.testing.assert_array_equal(y, x * slope)
        np.testing.assert_array_equal(dx, slope)
        assert y.dtype == dx.dtype == dtype


def test_what_only_looks_like_an_array_is_refused_by_name(tmp_path):
    x = np.ones((2, 4), np.float32)
    layer = Linear(4, 3, rng=0)
    with pytest.raises(ValueError, match=r"expects a NumPy array, got matrix: wrap it in np\.asarray"):
        layer.forward(scipy.sparse.csr_matrix(x).todense())
    with pytest.raises(ValueError, match=r"got MaskedArray: x\.filled\(value\) fills the masked places"):
        layer.forward(np.ma.masked_less(x, 0))
    on_disk = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2, 4))
    on_disk[...] = x
    np.testing.assert_array_equal(layer.forward(on_disk), layer.forward(x))
