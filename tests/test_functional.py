"""The pure functions against hand arithmetic, the extremes of their arguments, and SciPy's exact error function."""

import numpy as np
import pytest
from scipy import special

from minnet.functional import (
    check_labels,
    entropy,
    erf,
    gelu_and_slope,
    log_softmax,
    logsumexp,
    one_hot,
    sigmoid,
    softmax,
    softmax_jacobian,
)

DTYPES = [np.float32, np.float64]
LOG3 = np.log(3.0)


def near(actual, expected, size=1e-15):
    np.testing.assert_allclose(actual, expected, rtol=size, atol=size)


# -- softmax and its logarithm -------------------------------------------------------------------------------------


def test_by_hand():
    z = np.array([[0.0, LOG3], [5.0, 5.0 + LOG3]])  # odds of 1 to 3
    near(softmax(z), [[0.25, 0.75]] * 2)
    near(log_softmax(z), np.log([[0.25, 0.75]] * 2))
    near(logsumexp(z), [np.log(4), 5 + np.log(4)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_axis_shape_and_dtype(dtype):
    z = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(dtype)
    for axis in (0, 1, 2, -1, -2):
        s = softmax(z, axis=axis)
        assert s.shape == z.shape and s.dtype == dtype and log_softmax(z, axis=axis).dtype == dtype
        near(s.sum(axis=axis), 1, 1e-6)
        near(np.log(s), log_softmax(z, axis=axis), 1e-5)
        lse = logsumexp(z, axis=axis)
        assert lse.shape == s.sum(axis=axis).shape and lse.dtype == dtype
        near(lse, np.log(np.exp(z).sum(axis=axis)), 1e-5)
    near(softmax(z[0, 0]), softmax(z)[0, 0])
    assert softmax(np.zeros((0, 3), dtype)).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_scores(dtype):
    z = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4], [0, -np.inf, 0], [7e4, 7e4 - 1, -7e4]], dtype)
    s = softmax(z)
    near(s[:3], np.array([[0.5, 0, 0.5], [1 / 3] * 3, [0.5, 0, 0.5]], dtype), 1e-7)
    near(s[3], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 0], 1e-6)
    log_s = log_softmax(z)
    near(log_s[0], np.log(0.5) + np.array([0, -2e4, 0]), 1e-6)
    assert log_s[2, 1] == -np.inf and np.isfinite(np.delete(log_s.ravel(), 7)).all()
    near(logsumexp(z), [1e4 + np.log(2), -1e4 + LOG3, np.log(2), 7e4 + np.log1p(np.exp(-1))], 1e-6)
    assert softmax(np.array([[np.finfo(dtype).max, -np.finfo(dtype).max]])).tolist() == [[1, 0]]


def test_the_maximum_is_taken_row_by_row():
    z = np.array([[0.0, LOG3], [2000.0, 2000 + LOG3]])
    near(softmax(z), [[0.25, 0.75]] * 2, 1e-12)


@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp])
def test_what_is_refused(function):
    with pytest.raises(ValueError, match="-inf throughout: every class is impossible"):
        function(np.array([[0.0, 1.0], [-np.inf, -np.inf]]))
    for scores, got in ((np.arange(3), "int64"), ([0.0, 1.0], "list"), (np.zeros((5000, 2), np.float16), "float16")):
        with pytest.raises(ValueError, match=f"scores must be a float32 or float64 array, got {got}: np.asarray"):
            function(scores, axis=0)
    with pytest.raises(ValueError, match=r"at least one entry along axis -1, got shape \(2, 0\)"):
        function(np.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        function(np.array(1.0))
    for temperature in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="temperature must be positive"):
            function(np.zeros((1, 2)), temperature=temperature)
    z = np.zeros((2, 0))
    assert function(z.T, axis=1).shape[0] == 0  # no rows is not a row without scores
    endless = function(np.array([[np.inf, 0.0]]))  # and no warning: the Trainer names it
    assert endless.tolist() == [np.inf] if function is logsumexp else np.isnan(endless).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature(dtype):
    z = np.array([[0.0, 2 * LOG3]], dtype)
    near(softmax(z, temperature=2), [[0.25, 0.75]], 1e-6)
    near(log_softmax(z, temperature=2), np.log([[0.25, 0.75]]), 1e-6)
    near(logsumexp(z, temperature=2), [np.log(4)], 1e-6)
    assert softmax(z, temperature=np.float64(2)).dtype == dtype
    near(softmax(z, temperature=1e9), [[0.5, 0.5]], 1e-6)
    assert softmax(z, temperature=1e-9).tolist() == [[0, 1]]


def test_large_scores_keep_what_tells_them_apart_at_any_temperature():
    z = np.array([10000, 9999, 9998], np.float32)  # whose differences are exact; 10000 / 0.3 is not
    exact = np.array([0, -1, -2]) / 0.3
    near(log_softmax(z, temperature=0.3), exact - np.log(np.exp(exact).sum()), 1e-6)
    near(softmax(z, temperature=0.3), np.exp(exact) / np.exp(exact).sum(), 1e-6)
    for tiny in (1e-39, 1e-45):  # 200 / 1e-39 overflows
        assert softmax(np.array([100, 200], np.float32), temperature=tiny).tolist() == [0, 1]


def test_arguments_stay_as_they_are():
    z = np.array([[0.0, 1.0]])
    softmax(z), log_softmax(z), logsumexp(z), entropy(softmax(z)), softmax_jacobian(softmax(z)), erf(z)
    gelu_and_slope(z)
    assert z.tolist() == [[0, 1]]


# -- what is derived from probabilities ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid(dtype):
    z = np.array([[0, np.log(3), -np.log(3)], [-1000, 1000, -30], [-np.inf, np.inf, np.nan]], dtype)
    before = z.copy()
    with np.errstate(all="raise", under="ignore", invalid="ignore"):
        s = sigmoid(z)
    assert s.dtype == dtype and np.array_equal(z, before, equal_nan=True)
    expected = [[0.5, 0.75, 0.25], [0, 1, np.exp(-30.0)], [0, 1, np.nan]]  # e^-30 / (1 + e^-30)
    np.testing.assert_allclose(s, expected, rtol=1e-6 if dtype == np.float32 else 1e-12)
    pairs = np.stack([z[0], np.zeros_like(z[0])], axis=-1)
    np.testing.assert_allclose(s[0], softmax(pairs)[:, 0], rtol=1e-6)


def test_entropy_by_hand():
    p = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.5, 0.25]])
    near(entropy(p), [0, np.log(2), 1.5 * np.log(2)])
    near(entropy(p.T, axis=0), entropy(p))
    near(entropy(np.full(8, 1 / 8)), np.log(8))
    assert np.isnan(entropy(np.array([0.5, np.nan]))) and np.isnan(entropy(np.array([1.5, -0.5])))  # no probabilities


@pytest.mark.parametrize(("function", "name"), [(entropy, "probabilities"), (erf, "erf's argument")])
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, int])
def test_what_is_neither_float32_nor_float64_is_refused(function, name, dtype):
    """The entropy of 5,000 equal probabilities would be 4.0 in float16, and not 8.5."""
    with pytest.raises(ValueError, match=f"{name} must be a float32 or float64 array, got {np.dtype(dtype)}"):
        function(np.zeros((5000, 2), dtype))
    assert function(np.array([1.0, 0.0], ">f4")).dtype == np.float32  # of either byte order


def test_jacobian_by_hand():
    near(softmax_jacobian(np.array([0.25, 0.75])), [[3 / 16, -3 / 16], [-3 / 16, 3 / 16]])
    J = softmax_jacobian(np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32))
    assert J.shape == (2, 3, 3) and J.dtype == np.float32
    near(J[0] * 16, [[4, -2, -2], [-2, 3, -1], [-2, -1, 3]])
    assert not J[1].any()


def test_one_hot():
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array([2, 0]), 3).dtype == np.float32
    assert one_hot(np.array([[1]], np.uint8), 2, np.float64).tolist() == [[[0, 1]]]
    assert one_hot(np.zeros(0, int), 3).shape == (0, 3)
    with pytest.raises(ValueError, match=r"label 3 is outside 0\.\.2: there are 3 classes"):
        one_hot(np.array([0, 3]), 3)
    with pytest.raises(ValueError, match="label -1 is outside"):
        one_hot(np.array([-1, 5]), 3)
    with pytest.raises(ValueError, match=r"got <U1: use np\.unique\(labels, return_inverse=True\)\[1\]$"):
        one_hot(np.array(["a", "b"]), 3)
    with pytest.raises(ValueError, match=r"got bool: use labels\.astype\(np\.int64\), if none is NaN$"):
        one_hot(np.array([True]), 3)
    with pytest.raises(ValueError, match="integers, got float64"):
        one_hot(np.array([0.0]), 3)
    assert check_labels([0, 2], 3).tolist() == [0, 2]
    with pytest.raises(ValueError, match="label 3 is outside"):
        check_labels(np.array([3]), 3)
    with pytest.raises(ValueError, match="label 7 is outside"):
        check_labels(np.array([1, 7]), 3)


# -- the error function and GELU -----------------------------------------------------------------------------------


def test_erf_in_float64_is_exact():
    x = np.linspace(-7, 7, 1001)
    np.testing.assert_array_equal(erf(x), special.erf(x))


def test_erf_in_float32():
    """Below 5e-7 everywhere; the fit alone below 3e-8, so what remains is rounding."""
    x = np.concatenate([np.linspace(-7, 7, 400_001), [0, -0.0, 1e-30, -1e-30, 1e5, -1e5, np.inf, -np.inf]]).astype("f4")
    error = np.abs(erf(x) - special.erf(x.astype(np.float64)))
    assert erf(x).dtype == np.float32 and error.max() < 5e-7
    np.testing.assert_array_equal(erf(-x), -erf(x))
    assert np.isnan(erf(np.array([np.nan], np.float32)))


def test_gelu_by_hand():
    y, slope = gelu_and_slope(np.array([0.0, 1.0, -1.0, 40.0, -40.0]))
    phi1 = (1 + special.erf(np.sqrt(0.5))) / 2
    density = np.exp(-0.5) / np.sqrt(2 * np.pi)
    near(y, [0, phi1, -(1 - phi1), 40, 0], 1e-15)
    near(slope, [0.5, phi1 + density, 1 - phi1 - density, 1, 0], 1e-15)


def test_gelu_in_float64_is_exact_far_below_zero():
    """Phi(-8) and phi(-8), where 1 + erf has lost all digits but one."""
    below, density = 6.220960574271785e-16, 5.052271083536893e-15
    y, slope = gelu_and_slope(np.array([-8.0]))
    np.testing.assert_allclose(y, [-8 * below], rtol=1e-14)
    np.testing.assert_allclose(slope, [below - 8 * density], rtol=1e-14)


def test_gelu_in_float32():
    """Value and slope below 1e-6 of what counts: of 1 or of |x|, over all x, in several chunks and any layout."""
    x = np.linspace(-20, 20, 200_004).astype(np.float32)
    exact, exact_slope = gelu_and_slope(x.astype(np.float64))
    near(exact, x * special.erfc(-x.astype(np.float64) / np.sqrt(2)) / 2, 1e-14)
    y, slope = gelu_and_slope(x)
    assert y.dtype == slope.dtype == np.float32
    assert (np.abs(y - exact) / np.maximum(1, np.abs(x))).max() < 3e-7
    assert np.abs(slope - exact_slope).max() < 1e-6
    grid = x.reshape(-1, 2, 3)
    for laid in (np.asfortranarray(grid), np.repeat(grid, 2, axis=1)[:, ::2], grid.transpose(2, 0, 1), grid[::-1]):
        y, slope = gelu_and_slope(laid)
        assert y.shape == laid.shape
        again, again_slope = gelu_and_slope(np.ascontiguousarray(laid))
        np.testing.assert_array_equal(y, again)
        np.testing.assert_array_equal(slope, again_slope)
    assert gelu_and_slope(np.zeros((0, 3), np.float32))[0].shape == (0, 3)


def test_gelu_in_float32_fades_away_below_zero():
    """A thousandth of GELU itself, which gets as small as -5e-35; (1 + erf) / 2 keeps no digit below x = -5.5."""
    x = np.linspace(-12.5, -1e-3, 100_001).astype(np.float32)
    z = x.astype(np.float64)
    below = special.ndtr(z)
    y, slope = gelu_and_slope(x)
    assert np.abs(y / (z * below) - 1).max() < 1e-3
    assert np.abs(y / (z * below) - 1)[x > -5].max() < 1e-4
    far = x < -2  # the slope is 0 at -0.75
    exact = below + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    assert np.abs(slope / exact - 1)[far].max() < 1e-4


def test_a_temperature_is_one_in_the_scores_own_numbers():
    for function in (softmax, logsumexp, log_softmax):
        with pytest.raises(ValueError, match="scores must be a float32 or float64 array, got int64"):
            function(np.array([1, 2, 3]), temperature=1.5)
        with pytest.raises(ValueError, match="temperature must be positive and finite in float32, got 1e-50"):
            function(np.array([1, 2, 3], np.float32), temperature=1e-50)
        with pytest.raises(ValueError, match=r"got 1e\+39"):
            function(np.array([1, 2, 3], np.float32), temperature=1e39)


def test_the_entropy_of_certainty_is_zero_without_a_sign():
    assert not np.signbit(entropy(np.array([1.0, 0.0])))


def test_sigmoid_keeps_the_type_and_every_bit_whatever_the_sign():
    numbers = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3.0, -3.0, 90.0, -90.0])
    for dtype in (np.float32, np.float64):
        z = numbers.astype(dtype)
        e = np.exp(-np.abs(z))
        expected = np.where(z >= 0, dtype(1), e) / (1 + e)
        np.testing.assert_array_equal(sigmoid(z), expected)
        assert sigmoid(z).dtype == sigmoid(z[7]).dtype == dtype
    with pytest.raises(ValueError, match="scores must be a float32 or float64 array, got float:"):
        sigmoid(1.0)
