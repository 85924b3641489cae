import numpy as np
import pytest

from minnet import initializers as init

LINEAR = (300, 500)
CONV = (3, 5, 20, 400)  # fan_in 300, fan_out 6000


@pytest.mark.parametrize(
    ("shape", "expected"), [((7, 3), (7, 3)), ((3, 5, 4, 6), (60, 90)), ((2, 0), (2, 0)), ((1, 1, 8, 2), (8, 2))]
)
def test_fans_by_counting(shape, expected):
    assert init.fans(shape) == expected


def test_a_bias_has_no_fans():
    with pytest.raises(ValueError, match="biases start at zeros"):
        init.uniform_fan_in((10,), 0)
    drawn = init.uniform_fan_in((25, 400), 0)
    assert 0.199 < np.abs(drawn).max() <= 0.2


@pytest.mark.parametrize(
    ("draw", "shape", "variance", "bounded"),
    [
        (init.he, LINEAR, 2 / 300, False),
        (init.he, CONV, 2 / 300, False),
        (init.he, (1, 150_000), 2.0, False),
        (lambda shape, rng: init.he(shape, rng, negative_slope=0.5), LINEAR, 2 / 300 / 1.25, False),
        (init.xavier, LINEAR, 2 / 800, True),
        (init.xavier, CONV, 2 / 6300, True),
        (init.uniform_fan_in, LINEAR, 1 / 900, True),
        (init.uniform_fan_in, CONV, 1 / 900, True),
        (lambda shape, rng: init.normal(shape, rng, 0.02), (500, 300), 0.0004, False),
        (lambda shape, rng: init.normal(shape, rng), (500, 300), 1.0, False),
        (lambda shape, rng: init.uniform(shape, rng, 3.0), (500, 300), 3.0, True),
    ],
)
def test_moments_of_many_draws(draw, shape, variance, bounded):
    drawn = draw(shape, 0)
    assert drawn.dtype == np.float32
    assert drawn.shape == shape
    flat = drawn.astype(np.float64).ravel() / variance**0.5  # mean 0, variance 1 is expected
    spread = 5 / flat.size**0.5
    assert abs(flat.mean()) < spread
    assert abs(flat.var() - 1) < 2 * spread
    kurtosis = (flat**4).mean()  # tells the distributions apart: 3 for a Gaussian, 9/5 for a uniform one
    assert abs(kurtosis - (1.8 if bounded else 3)) < 0.1
    if bounded:
        assert 1.72 < np.abs(flat).max() <= 3**0.5 * (1 + 1e-6)


def test_the_same_seed_draws_the_same_and_a_generator_moves_on():
    for draw in (init.he, init.xavier, init.uniform_fan_in, init.orthogonal, init.normal):
        assert np.array_equal(draw((4, 5), 3), draw((4, 5), np.random.default_rng(3)))
        rng = np.random.default_rng(3)
        assert not np.array_equal(draw((4, 5), rng), draw((4, 5), rng))


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (3, 3, 2, 5), (1, 1, 3, 8)])
def test_orthogonal_has_orthonormal_columns_or_rows(shape):
    drawn = init.orthogonal(shape, 1, gain=2.0)
    assert drawn.dtype == np.float32
    assert drawn.shape == shape
    assert drawn.flags.c_contiguous
    matrix = drawn.reshape(-1, shape[-1]).astype(np.float64) / 2
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    assert np.abs(product - np.eye(min(matrix.shape))).max() < 1e-6


def test_orthogonal_favours_no_direction():
    # Without the sign of R's diagonal, LAPACK makes that diagonal negative and Q's first entry leans to one side.
    entries = [init.orthogonal((2, 2), seed)[0, 0] for seed in range(400)]
    assert abs(np.mean(entries)) < 0.15  # standard deviation 0.707 / 20 = 0.035


def test_signal_keeps_its_size_through_twenty_layers():
    rng = np.random.default_rng(0)
    through_relu = through_linear = rng.standard_normal((64, 256)).astype(np.float32)
    for _ in range(20):
        through_relu = np.maximum(through_relu @ init.he((256, 256), rng), 0)
        through_linear = through_linear @ init.orthogonal((256, 256), rng)
    assert 0.4 < np.mean(through_relu**2) < 2.5
    assert abs(np.mean(through_linear**2) - 1) < 0.05


def test_dirac():
    weights = init.dirac((3, 3, 2, 5), 0)
    x = np.random.default_rng(1).standard_normal((3, 3, 2))
    y = np.einsum("hwi,hwio->o", x, weights)
    assert np.allclose(y[:2], x[1, 1], rtol=1e-6)  # the window's centre, copied
    assert weights[..., 2:].all()
    assert np.abs(weights[..., 2:]).max() <= 1 / 18**0.5
    assert np.array_equal(weights[..., 2:], init.uniform_fan_in((3, 3, 2, 5), 0)[..., 2:])
    assert init.dirac((5, 5, 1, 1), 0)[2, 2, 0, 0] == 1 and init.dirac((5, 5, 1, 1), 0).sum() == 1
    narrow = init.dirac((1, 1, 4, 2), 0)
    assert np.array_equal(narrow[0, 0], np.eye(4, 2))
    with pytest.raises(ValueError, match="convolutions"):
        init.dirac((3, 4), 0)


def test_empty_shapes_do_not_divide_by_zero():
    for draw in (init.he, init.xavier, init.uniform_fan_in):
        assert draw((0, 3), 0).shape == (0, 3)


def test_whitened_patches_by_loops():
    """Every patch in turn: the filters' answers are uncorrelated and of size 1, smeared as the images are."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((6, 7, 5, 2)).cumsum(axis=1).astype(np.float32)  # smooth from row to row only
    filters = init.whitening(images, eps=0.0)
    assert filters.shape == (2, 2, 2, 16) and filters.dtype == np.float32
    patches = [images[n, h : h + 2, w : w + 2].ravel() for n in range(6) for h in range(6) for w in range(4)]
    answers = np.array(patches, np.float64) @ filters.reshape(8, 16)
    np.testing.assert_allclose(answers[:, :8].T @ answers[:, :8] / len(patches), np.eye(8), atol=2e-4)
    np.testing.assert_array_equal(answers[:, 8:], -answers[:, :8])
    assert init.whitening(images, 3).shape == (3, 3, 2, 36)
    for stored in (np.uint8, np.float16):
        with pytest.raises(ValueError, match=f"float32 or float64, got {np.dtype(stored)}: cast with x.astype"):
            init.whitening(images.astype(stored))
