"""The passes over channels against NumPy's sums, in every memory order and in blocks."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import channels
from minnet.layers import BatchNorm, Normalize
from tests.drawing import SEEDS, images, normal, steady


def near(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13 * max(1, np.abs(expected).max(initial=0)))


LAYOUTS = {
    "rows": lambda x: x,
    "positions first": lambda x: np.ascontiguousarray(x.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3),
    "channels first": lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    "strided": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_channel_sums_in_any_memory_order(layout):
    @steady(12)
    @given(images(most=5, examples=st.integers(1, 6)), SEEDS)
    def check(x, seed):
        c, axes = x.shape[-1], (0, 1, 2)
        dy, a, b, shift = normal(*x.shape, seed=seed), *normal(3, c, seed=seed)
        laid = layout(x)
        mean, variance = channels.moments(laid)
        near(mean, x.mean(axis=axes))
        near(variance, x.var(axis=axes))
        near(channels.total(laid), x.sum(axis=axes))
        total, products = channels.sums(layout(dy), laid, mean)
        near(total, dy.sum(axis=axes))
        near(products, (dy * (x - mean)).sum(axis=axes))
        near(channels.sums(dy, laid, mean)[1], (dy * (x - mean)).sum(axis=axes))
        near(channels.affine(laid, a, shift), a * x + shift)
        near(channels.combine(layout(dy), a, laid, b, shift), a * (dy + b * x + shift))
        near(channels.combine(dy, a, laid, b, shift), a * (dy + b * x + shift))
        y = channels.fresh(laid, np.float32)
        assert y.shape == x.shape and y.dtype == np.float32 and not np.shares_memory(y, laid)

    check()


def test_channels_of_many_blocks():
    x, dy = 3 + normal(140, 9, 7, 33), normal(140, 9, 7, 33, seed=1)
    assert x.size > channels._BLOCK and channels.wide(x, x)[1] > 1
    mean, variance = channels.moments(x)
    near(mean, x.mean(axis=(0, 1, 2)))
    near(variance, x.var(axis=(0, 1, 2)))
    near(channels.sums(dy, x, mean)[1], (dy * (x - mean)).sum(axis=(0, 1, 2)))
    near(channels.affine(x, mean, variance), mean * x + variance)
    near(channels.combine(dy, mean, x, variance, -mean), mean * (dy + variance * x - mean))


def test_variance_survives_a_large_mean():
    """E[x^2] - E[x]^2 would lose everything here; two passes lose nothing."""
    x = (1e4 + normal(64, 8)).astype(np.float32)
    _, variance = channels.moments(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-4)


def test_sums_of_a_batch_norm_hold_for_a_dy_of_another_layout():
    x = LAYOUTS["positions first"](normal(3, 4, 5, 2))
    dy = normal(3, 4, 5, 2, seed=1)
    results = []
    for layout in LAYOUTS.values():
        layer = BatchNorm(2).astype(np.float64)
        layer.forward(x)
        results.append((layer.backward(layout(dy)), layer.dgamma, layer.dbeta))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            near(a, b)


@pytest.mark.parametrize(
    ("shape", "rows", "repeats"),
    [
        ((64, 8, 8, 3), 2, 2048),  # 2048 * 3 numbers fit into a row of 8192, twice as many do not
        ((64, 8, 8, 8), 4, 1024),  # exactly
        ((63, 31, 31, 32), 279, 217),  # 60,543 = 279 * 217, and no divisor lies between 217 and 256
        ((6, 4, 4, 2), 1, 96),
        ((5, 5000), 5, 1),
        ((7, 2), 1, 7),
        ((4099, 32), 4099, 1),  # a prime
        ((8198, 32), 4099, 2),
        ((0, 2), 0, 1),
    ],
)
def test_rows_as_wide_as_they_may_be(shape, rows, repeats):
    assert channels._WIDTH == 8192
    x = normal(*shape)
    X, found = channels.wide(x, x)
    assert (X.shape, found) == ((rows, repeats * shape[-1]), repeats)
    assert np.shares_memory(X, x) or not x.size
    np.testing.assert_array_equal(X.reshape(-1, shape[-1]), x.reshape(-1, shape[-1]))


def test_channels_come_in_blocks():
    X = normal(10, 6)
    assert [block.shape for (block,) in channels._blocks(X[:, :0])] == [(10, 0)]
    for numbers, sizes in ((24, [4, 4, 2]), (23, [3, 3, 3, 1]), (60, [10]), (1, [1] * 10)):
        with mock.patch.object(channels, "_BLOCK", numbers):
            blocks = list(channels._blocks(X, -X))
        assert [len(block) for block, _ in blocks] == sizes
        np.testing.assert_array_equal(np.concatenate([block for block, _ in blocks]), X)
        np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), -X)


@pytest.mark.parametrize("small", [0, 1 << 15])
@pytest.mark.parametrize("shape", [(3, 5, 7, 2), (1, 1, 1, 4), (6, 4), (0, 2, 2, 3)], ids=str)
def test_a_shift_of_channels_in_place(shape, small):
    shift = normal(shape[-1], seed=1)
    for y in (normal(*shape), LAYOUTS["positions first"](normal(*shape)) if len(shape) == 4 else normal(*shape)):
        expected = y + shift
        with mock.patch.object(channels, "_SMALL", small):
            channels.add(y, shift)
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("small", [0, 1 << 15])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_scale_and_shift_in_place(layout, small):
    x, scale, shift = layout(normal(3, 5, 7, 2)), normal(2, seed=1), normal(2, seed=2)
    before, expected = x.copy(), x * scale + shift
    with mock.patch.object(channels, "_SMALL", small):
        y = channels.affine(x, scale, shift)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(x, before)
        own = channels.fresh(x)
        own[...] = x
        assert channels.affine(own, scale, shift, own) is own
    np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_normalize_leaves_the_images_as_they_are(layout, dtype):
    x = layout(np.random.default_rng(0).integers(0, 256, (70, 13, 13, 3)).astype(dtype))
    before = x.copy()
    y = Normalize([100, 120, 140], [50, 60, 70]).forward(x)
    assert y.dtype == np.float32 and x.size > channels._SMALL
    np.testing.assert_allclose(y, (before - np.array([100, 120, 140])) / [50, 60, 70], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(x, before)
