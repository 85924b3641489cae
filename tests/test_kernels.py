"""The fast routines against hand arithmetic and the plain loops: the same tests hold both, on every path."""

import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import kernels, memory, reference, winograd
from minnet.layers import AvgPool2d, Conv2d, MaxPool2d
from minnet.memory import Geometry, Workspace
from tests.conftest import FEW_TILES
from tests.drawing import SEEDS, both, convolutions, normal, poolings, steady


@contextlib.contextmanager
def blocks_of_one_row():
    """The routines cut their work as if the cache held a single row: many blocks in a small image."""
    with mock.patch.object(kernels, "BLOCK_BYTES", 1), mock.patch.object(winograd, "_BLOCK_BYTES", 1):
        yield


@contextlib.contextmanager
def winograd_for_few_channels():
    def suits(x_shape, W_shape, geometry):
        return geometry.kernel == (3, 3) and geometry.stride == geometry.dilation == (1, 1)

    with mock.patch.object(winograd, "suits", suits):
        yield


class Loops:
    """Convolution and its gradients as minnet.reference has them."""

    def __call__(self, x, W, dy=None, **settings):
        y = reference.conv2d(x, W, **settings)
        return (y, *reference.conv2d_backward(normal(*y.shape) if dy is None else dy, x, W, **settings))


class Fast:
    """The same through a Conv2d layer, with the contexts entered while it runs."""

    def __init__(self, exact, *contexts):
        self.exact, self.contexts = exact, contexts

    def __call__(self, x, W, dy=None, groups=1, **settings):
        layer = Conv2d(W.shape[2] * groups, W.shape[3], W.shape[:2], groups=groups, bias=False, **settings)
        layer.astype(x.dtype).W[...] = W
        layer.exact = self.exact
        with contextlib.ExitStack() as stack:
            for context in self.contexts:
                stack.enter_context(context())
            y = layer.forward(x)
            dx = layer.backward(normal(*y.shape).astype(y.dtype) if dy is None else dy)
        return y, dx, layer.dW


PATHS = {
    "loops": Loops(),
    "columns": Fast(True),
    "columns in blocks": Fast(True, blocks_of_one_row),
    "winograd": Fast(False, winograd_for_few_channels),
    "winograd in blocks": Fast(False, winograd_for_few_channels, blocks_of_one_row),
}
every_path = pytest.mark.parametrize("convolve", PATHS.values(), ids=list(PATHS))

# -- convolution, by hand ------------------------------------------------------------------------------------------

IMAGE = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def filters(*rows):
    return np.array(rows, dtype=float)[:, :, None, None]


def image(*rows):
    return np.array(rows, dtype=float)[None, :, :, None]


def near(actual, expected, size=1e-13):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=size * max(1, np.abs(expected).max(initial=0)))


@every_path
def test_sum_of_neighbours(convolve):
    y, dx, dW = convolve(IMAGE, filters([1, 1, 1], [1, 1, 1], [1, 1, 1]), np.ones((1, 3, 3, 1)), padding=1)
    near(y[0, :, :, 0], [[12, 21, 16], [27, 45, 33], [24, 39, 28]])
    near(dx[0, :, :, 0], [[4, 6, 4], [6, 9, 6], [4, 6, 4]])  # how many windows look at each place
    near(dW[:, :, 0, 0], [[12, 21, 16], [27, 45, 33], [24, 39, 28]])  # what each weight has seen


@every_path
def test_filters_are_not_flipped(convolve):
    W, dy = filters([0, 0, 0], [0, 0, 1], [0, 0, 0]), image([0, 0, 0], [2, 0, 0], [0, 0, 0])
    y, dx, dW = convolve(IMAGE, W, dy, padding=1)
    near(y[0, :, :, 0], [[2, 3, 0], [5, 6, 0], [8, 9, 0]])
    near(dx[0, :, :, 0], [[0, 0, 0], [0, 2, 0], [0, 0, 0]])
    near(dW[:, :, 0, 0], [[0, 2, 4], [0, 8, 10], [0, 14, 16]])


@every_path
def test_strides_dilation_and_padding(convolve):
    W = filters([1, 0], [0, 10])  # the top left once, the bottom right ten times
    near(convolve(IMAGE, W)[0][0, :, :, 0], [[51, 62], [84, 95]])
    near(convolve(IMAGE, W, stride=2, padding=1)[0][0, :, :, 0], [[10, 30], [70, 95]])
    near(convolve(IMAGE, W, stride=(1, 2), padding=(0, 1))[0][0, :, :, 0], [[40, 62], [70, 95]])
    near(convolve(IMAGE, W, dilation=2)[0][0, :, :, 0], [[91]])
    _, dx, dW = convolve(IMAGE, W, image([1, 2], [3, 4]))
    near(dx[0, :, :, 0], [[1, 2, 0], [3, 4 + 10, 20], [0, 30, 40]])
    near(dW[:, :, 0, 0], [[1 + 4 + 12 + 20, 2 + 6 + 15 + 24], [4 + 10 + 21 + 32, 5 + 12 + 24 + 36]])


@every_path
def test_channels_and_groups(convolve):
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    W = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 1, 2, 2)
    dy = np.array([1.0, 2.0]).reshape(1, 1, 1, 2)
    y, dx, dW = convolve(x, W, dy, groups=2)  # output 0 sees inputs 0, 1; output 1 sees inputs 2, 3
    near(y.ravel(), [1 + 200, 30 + 4000])
    near(dx.ravel(), [1, 100, 20, 2000])
    near(dW[0, 0], [[1, 6], [2, 8]])
    y, dx, dW = convolve(x[..., :2], W, dy)
    near(y.ravel(), [1 + 200, 10 + 2000])
    near(dx.ravel(), [21, 2100])
    near(dW[0, 0], [[1, 2], [2, 4]])


# -- convolution, against the loops --------------------------------------------------------------------------------


@every_path
def test_convolution_like_the_loops(convolve):
    @steady(25)
    @given(convolutions(), st.integers(1, 2), SEEDS)
    def check(case, n, seed):
        settings, sides = case
        settings.pop("bias")
        channels, count, kernel = (settings.pop(name) for name in ("in_channels", "out_channels", "kernel_size"))
        x = normal(n, *sides, channels, seed=seed)
        W = normal(*both(kernel), channels // settings["groups"], count, seed=seed + 1)
        for actual, expected in zip(convolve(x, W, **settings), PATHS["loops"](x, W, **settings), strict=True):
            near(actual, expected, 1e-12)

    check()


@every_path
@pytest.mark.parametrize("sides", [(3, 3), (4, 6), (5, 9), (7, 10), (1, 8), (13, 2)], ids=str)
def test_3x3_filters_like_the_loops(convolve, sides):
    """Image sizes around Winograd's tiles of four outputs: exact fits, rests of one to three, less than a tile."""
    x, W = normal(2, *sides, 2, seed=3), normal(3, 3, 2, 3, seed=4)
    for padding in (1, 2, (2, 1), (4, 9), (11, 3)):  # up to tiles that see nothing but padding
        expected = PATHS["loops"](x, W, padding=padding)
        for actual, right in zip(convolve(x, W, padding=padding), expected, strict=True):
            near(actual, right, 1e-12)


@pytest.mark.parametrize("channels", [(3, 9), (7, 4), (8, 5), (16, 16), (20, 17)], ids=str)
def test_more_channels_like_the_loops(channels):
    """The memory layouts change at 8 channels, the algorithm at 16."""
    x, W = normal(1, 5, 4, channels[0], seed=5), normal(3, 3, *channels, seed=6)
    expected = PATHS["loops"](x, W, padding=1)
    for exact in (False, True):
        for actual, right in zip(Fast(exact)(x, W, padding=1), expected, strict=True):
            near(actual, right, 1e-12)


def test_which_algorithm_runs():
    """A fixed rule on shapes; `exact` overrules it, on a layer or on the class."""

    def suits(sides=(8, 8), channels=(16, 16), **geometry):
        return winograd.suits((2, *sides, channels[0]), (3, 3, *channels), Geometry((3, 3), **geometry))

    assert suits() and suits(channels=(64, 16)) and suits((6, 6)) and suits((2, 14), padding=(1, 0))
    assert not suits(channels=(15, 64)) and not suits(channels=(64, 15))
    assert not suits(stride=(1, 2)) and not suits(stride=(2, 1)) and not suits(dilation=(2, 1))
    assert not suits(dilation=(1, 2)) and not suits(dilation=(0, 1))  # 0 looks at one place three times
    assert not suits(stride=(0, 1))
    for kernel in ((3, 1), (1, 3), (3, 5), (5, 3), (5, 5)):
        assert not winograd.suits((2, 8, 8, 16), (*kernel, 16, 16), Geometry(kernel))
    # tiles are 4x4 outputs, to be filled to two fifths: 3x3 of 4x4 is enough, 2x3 is not, nor 1 row of 3
    assert suits((5, 5)) and not suits((4, 5)) and not suits((3, 14)) and suits((4, 14))
    assert suits((7, 8)) and not suits((7, 7))  # 30 and 25 of 64
    with mock.patch.object(winograd, "FEW_TILES", FEW_TILES):  # transforming the filters pays from 16 tiles on
        assert suits((16, 8)) and suits((6, 34)) and not suits((6, 30))
        assert not winograd.suits((1, 6, 62, 16), (3, 3, 16, 16), Geometry((3, 3)))  # 15
    x, dy = normal(1, 8, 8, 16).astype(np.float32), normal(1, 6, 6, 16).astype(np.float32)
    layer = Conv2d(16, 16, 3, rng=0)
    fast = layer.forward(x), layer.backward(dy), layer.dW
    with mock.patch.object(Conv2d, "exact", True):
        exact = layer.forward(x), layer.backward(dy), layer.dW
    assert not any(np.array_equal(a, b) for a, b in zip(fast, exact, strict=True))  # other sums, other rounding
    with mock.patch.object(winograd, "forward", side_effect=AssertionError):
        Conv2d(15, 16, 3).forward(x[..., :15])


@pytest.mark.parametrize("exact", [True, False])
def test_backward_goes_the_way_that_forward_went(exact):
    x, dy = normal(1, 8, 8, 16), normal(1, 6, 6, 16)
    layer = Conv2d(16, 16, 3, rng=0).astype(np.float64)
    layer.exact = exact
    layer.forward(x)
    dx, dW = layer.backward(dy), layer.dW
    layer.kept = [Workspace()]  # holds nothing but what a forward pass keeps
    layer.forward(x)
    layer.exact = not exact
    assert np.array_equal(layer.backward(dy), dx) and np.array_equal(layer.dW, dW)


@pytest.mark.parametrize("exact", [True, False])
def test_only_what_is_needed_is_computed(exact):
    x, W, dy = normal(2, 6, 5, 16), normal(3, 3, 16, 16, seed=1), normal(2, 4, 3, 16, seed=2)
    kept, geometry = Workspace(), Geometry((3, 3))
    kernels.convolve(x, W, geometry, Workspace(), kept, exact)
    dx, dW = kernels.convolve_backward(dy, x, W, geometry, Workspace(), kept, exact)
    only_dx = kernels.convolve_backward(dy, x, W, geometry, Workspace(), kept, exact, needs_dW=False)
    only_dW = kernels.convolve_backward(dy, x, W, geometry, Workspace(), kept, exact, needs_dx=False)
    assert only_dx[1] is None and only_dW[0] is None
    np.testing.assert_array_equal(only_dx[0], dx)
    np.testing.assert_array_equal(only_dW[1], dW)


@pytest.mark.parametrize(
    ("channels", "bound"), [(16, 8e-7), (32, 9e-7), (64, 1.1e-6), (128, 1.5e-6), (256, 2e-6)], ids=str
)
def test_rounding_of_winograd_in_float32(channels, bound):
    """Its root mean square beside that of the outputs, held against sums in float64: a few times that of plain sums."""
    x, W, dy = normal(2, 9, 11, channels), normal(3, 3, channels, channels, seed=1), normal(2, 9, 11, channels, seed=2)
    x32, W32, dy32 = (array.astype(np.float32) for array in (x, W, dy))
    truth = Fast(True)(*(array.astype(np.float64) for array in (x32, W32, dy32)), padding=1)
    fast, plain = Fast(False)(x32, W32, dy32, padding=1), Fast(True)(x32, W32, dy32, padding=1)

    def error(actual, expected):
        assert actual.dtype == np.float32
        return np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2))

    errors = [error(actual, expected) for actual, expected in zip(fast, truth, strict=True)]
    sums = [error(actual, expected) for actual, expected in zip(plain, truth, strict=True)]
    assert max(errors) < bound, errors
    assert max(sums) < 5e-7 and max(errors) > 3e-7, (errors, sums)  # what the comment in winograd.py compares


# -- pooling -------------------------------------------------------------------------------------------------------


def pool_by_layer(cls):
    def pool(x, dy=None, **settings):
        layer = cls(**settings)
        y = layer.forward(x)
        return y, layer.backward(normal(*y.shape) if dy is None else dy)

    return pool


def pool_by_loops(forward, backward):
    def pool(x, dy=None, **settings):
        y = forward(x, **settings)
        dy = normal(*y.shape) if dy is None else dy
        return y, backward(dy, x, **{name: value for name, value in settings.items() if name != "ceil_mode"})

    return pool


MAX = {"layer": pool_by_layer(MaxPool2d), "loops": pool_by_loops(reference.max_pool2d, reference.max_pool2d_backward)}
AVERAGE = {
    "layer": pool_by_layer(AvgPool2d),
    "loops": pool_by_loops(reference.average_pool2d, reference.average_pool2d_backward),
}


@pytest.mark.parametrize("pool", MAX.values(), ids=list(MAX))
def test_max_pooling_by_hand(pool):
    y, dx = pool(IMAGE, np.full((1, 2, 2, 1), 1.0), kernel_size=2, stride=1)
    near(y[0, :, :, 0], [[5, 6], [8, 9]])
    near(dx[0, :, :, 0], [[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    y, dx = pool(-IMAGE, image([1, 2], [3, 4]), kernel_size=2, padding=1)  # padding never wins, not even over -1
    near(y[0, :, :, 0], [[-1, -2], [-4, -5]])
    near(dx[0, :, :, 0], [[1, 2, 0], [3, 4, 0], [0, 0, 0]])
    y, dx = pool(IMAGE, image([1, 2], [3, 4]), kernel_size=2, ceil_mode=True)
    near(y[0, :, :, 0], [[5, 6], [8, 9]])
    near(dx[0, :, :, 0], [[0, 0, 0], [0, 1, 2], [0, 3, 4]])
    y, dx = pool(IMAGE, image([5]), kernel_size=2)
    near(y[0, :, :, 0], [[5]])
    near(dx[0, :, :, 0], [[0, 0, 0], [0, 5, 0], [0, 0, 0]])


@pytest.mark.parametrize("pool", MAX.values(), ids=list(MAX))
def test_of_equal_numbers_the_first_wins(pool):
    near(pool(np.zeros((1, 2, 2, 1)), image([7]), kernel_size=2)[1][0, :, :, 0], [[7, 0], [0, 0]])
    near(pool(np.zeros((1, 3, 3, 1)), np.ones((1, 2, 2, 1)), kernel_size=2, stride=1)[1][0, :, :, 0],
         [[1, 1, 0], [1, 1, 0], [0, 0, 0]])  # fmt: skip
    near(pool(image([0, 3], [3, 3]), image([7]), kernel_size=2)[1][0, :, :, 0], [[0, 7], [0, 0]])


@pytest.mark.parametrize("pool", AVERAGE.values(), ids=list(AVERAGE))
def test_average_pooling_by_hand(pool):
    y, dx = pool(IMAGE, image([4, 8], [12, 16]), kernel_size=2, stride=1)
    near(y[0, :, :, 0], [[3, 4], [6, 7]])
    near(dx[0, :, :, 0], [[1, 3, 2], [4, 10, 6], [3, 7, 4]])
    y, dx = pool(IMAGE, image([4, 8], [12, 16]), kernel_size=2, padding=1)  # padding counts, as zeros
    near(y[0, :, :, 0], [[0.25, 1.25], [2.75, 7]])
    near(dx[0, :, :, 0], [[1, 2, 2], [3, 4, 4], [3, 4, 4]])
    y, dx = pool(IMAGE, image([4, 8], [12, 16]), kernel_size=2, ceil_mode=True)  # what juts out does not count
    near(y[0, :, :, 0], [[3, 4.5], [7.5, 9]])
    near(dx[0, :, :, 0], [[1, 1, 4], [1, 1, 4], [6, 6, 16]])


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_like_the_loops(kind):
    @steady(60)
    @given(poolings(), st.integers(1, 3), SEEDS, st.booleans())
    def check(case, n, seed, ties):
        settings, sides = case
        x = normal(n, *sides, 2, seed=seed)
        if ties:
            x = np.round(x)
        pools = {"max": MAX, "average": AVERAGE}[kind]
        for actual, expected in zip(pools["layer"](x, **settings), pools["loops"](x, **settings), strict=True):
            near(actual, expected)

    check()


# -- memory --------------------------------------------------------------------------------------------------------


def test_workspace_gives_the_same_memory_again():
    space = Workspace()
    first = space.array("a", (4, 5), np.float32)
    assert np.shares_memory(first, space.array("a", (20,), np.float32))
    assert np.shares_memory(first, space.array("a", (3, 2), np.float32))
    assert not np.shares_memory(first, space.array("b", (4, 5), np.float32))
    assert not np.shares_memory(first, space.array("a", (4, 5), np.float64))
    assert not np.shares_memory(first, space.array("a", (4, 6), np.float32))  # grown


@pytest.mark.parametrize("convolve", [Fast(True), Fast(False)], ids=["exact", "fast"])
def test_a_layer_that_saw_a_larger_image_is_right_on_a_smaller_one(convolve):
    """Stale numbers in a reused workspace must not leak in."""
    layer = Conv2d(16, 16, 3, padding=1, rng=0).astype(np.float64)
    layer.exact = convolve.exact
    small, dy = normal(1, 4, 5, 16), normal(1, 4, 5, 16, seed=1)
    expected = [layer.forward(small), layer.backward(dy), layer.dW]
    large = 100 + normal(3, 9, 10, 16)
    layer.backward(100 + layer.forward(large))
    for actual, right in zip([layer.forward(small), layer.backward(dy), layer.dW], expected, strict=True):
        np.testing.assert_array_equal(actual, right)


def test_an_image_too_small_is_named():
    with pytest.raises(ValueError, match=r"an image of 2x4 is too small for kernel \(3, 3\), .*pad more"):
        Conv2d(1, 1, 3).forward(np.zeros((1, 2, 4, 1), np.float32))
    assert Geometry((3, 2), (2, 1), (1, 0), (1, 3)).output(4, 4) == (2, 1)


def test_positions_and_images_are_views_of_each_other():
    x = normal(2, 3, 4, 5)
    assert memory.positions(x).shape == (3, 4, 2, 5)
    assert np.shares_memory(memory.images(memory.positions(x)), x)
    np.testing.assert_array_equal(memory.images(memory.positions(x)), x)
    np.testing.assert_array_equal(memory.positions(x)[1, 2, 0], x[0, 1, 2])
