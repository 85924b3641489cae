"""Measured slopes against derivatives known by hand, and how far the measuring trusts itself."""

import numpy as np
import pytest

from minnet.claims import Checked, GradientError, check_gradient
from minnet.differences import Probe, grain
from minnet.gradcheck import gradcheck
from minnet.layers.base import RowGradient
from tests.drawing import normal
from tests.tiny_layers import Lookup


def probe(function, array, dy=1.0):
    return Probe(lambda: function(array), array, dy)


# (function, its derivative, places): smooth ones, with curvature of every size
SMOOTH = [
    (np.sin, np.cos, [0.3, -2.0, 40.0]),
    (np.exp, np.exp, [-20.0, 0.0, 3.0, 11.0]),
    (np.log, lambda x: 1 / x, [1e-9, 1e-5, 0.02, 1.0, 1e6]),
    (np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-8, 0.3, 1e4]),
    (lambda x: x**3, lambda x: 3 * x**2, [1e-3, -0.5, 100.0]),
    (lambda x: np.tanh(100 * x), lambda x: 100 / np.cosh(100 * x) ** 2, [0.0, 0.01, -0.02]),
]


@pytest.mark.parametrize(("function", "derivative", "places"), SMOOTH)
def test_slopes_known_by_hand(function, derivative, places):
    for place in places:
        x = np.array([place])
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = probe(function, x, dy=[1.0]).careful((0,))
        truth = float(derivative(place))
        assert abs(slope.value - truth) <= 1e-7 * abs(truth) and not slope.kink, (place, slope, truth)
        assert abs(slope.value - truth) <= 3 * slope.error + 1e-15 * abs(truth), "it is no surer than it may be"
        assert slope.error <= 1e-5 * abs(truth), "nor less sure than it could be"
        assert x[0] == place  # put back


def test_slopes_along_a_direction():
    x, direction = normal(3, 4), normal(3, 4, seed=1)
    before = x.copy()
    p = probe(lambda x: np.sin(x), x, dy=normal(3, 4, seed=2))
    truth = (p.dy * np.cos(x) * direction).sum()
    assert p.careful(direction).value == pytest.approx(truth, rel=1e-9)
    assert p.quick(direction) == pytest.approx(truth, rel=1e-8)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("left", "right"), [(-3, 2), (2, 5), (-5, -2), (-1, 1), (0, 1)])
def test_a_kink_has_two_slopes(left, right):
    p = probe(lambda x: np.maximum(left * x, right * x), np.array([0.0, 0.5, -0.5]), dy=[1.0, 10.0, 10.0])
    slope = p.careful((0,))
    assert slope.kink and (slope.left, slope.right) == pytest.approx((left, right))
    assert not p.careful((1,)).kink and p.careful((1,)).value == pytest.approx(10 * right)
    assert not p.careful((2,)).kink and p.careful((2,)).value == pytest.approx(10 * left)


def test_at_a_kink_what_lies_between_the_sides_is_right():
    x, function = np.array([0.0, 1.0]), lambda x: np.maximum(2 * x, -3 * x).sum()
    for said in (-3.0, -1.0, 2.0):
        assert check_gradient(np.array([said, 2.0]), function, x).kinks == 1
    for said in (-3.01, 2.01, 20.0, -20.0):
        with pytest.raises(GradientError, match=r"only numbers between the slopes of its two sides, -3 and 2, are"):
            check_gradient(np.array([said, 2.0]), function, x)


def test_outputs_that_do_not_move_add_no_rounding():
    x = np.array([1e-3, 2e-3])
    p = probe(lambda x: np.array([x[0], 1e12, np.inf]), x, dy=[1.0, 1.0, 1.0])
    assert p.quick((0,)) == pytest.approx(1, rel=1e-9)
    assert p.quick((1,)) == 0


def test_noise():
    """In proportion to dy and to how coarse the output is, and the more the smaller the step."""

    def noise(step=2.0**-17, size=1.0, coarse=None, dy=(3.0, 4.0)):
        p = probe(lambda x: size * np.array([1.0, 1.0]), np.ones(1), np.array(dy))
        p._grain = coarse
        return p.noise(step)

    assert noise(2.0**-18) == 2 * noise() and noise(size=7.0) == pytest.approx(7 * noise())
    assert noise(dy=(6.0, 8.0)) == pytest.approx(2 * noise())
    assert noise() == pytest.approx(5 * noise(dy=(1.0, 0.0)))
    assert 5 * 2.2e-16 * 2**17 <= noise() <= 100 * 2.2e-16 * 2**17  # an ulp or a few, over the step
    more = [noise(coarse=1e-8) - noise(), noise(coarse=2e-8) - noise(), noise(coarse=1e-8, dy=(6.0, 8.0))]
    assert more[1] == pytest.approx(2 * more[0]) and more[2] == pytest.approx(2 * noise(coarse=1e-8))
    assert 5e-8 <= more[0] * 2.0**-17 <= 1e-6
    p = probe(lambda x: np.array([1.0, np.inf]), np.ones(1), np.array([3.0, 4.0]))
    assert np.isfinite(p.noise(1.0))


@pytest.mark.parametrize(("rounded", "low", "high"), [(None, 0, 1e-13), (np.float32, 1e-9, 1e-6)])
def test_grain(rounded, low, high):
    x = normal(20)
    before = x.copy()

    def function():
        y = np.sin(x)
        return {"y": y if rounded is None else y.astype(rounded), "z": 5 * x**2}

    found = grain(function, [x])
    assert low <= found["y"] <= high and found["z"] <= 1e-12  # curvature itself stays below rounding
    np.testing.assert_array_equal(x, before)


def test_grain_is_that_of_the_very_place():
    x, here = normal(20), normal(20)
    function = lambda: {"y": np.where(abs(x / here - 1) < 0.01, np.sin(x).astype(np.float32), 0.0)}  # noqa: E731
    assert grain(function, [x])["y"] >= 1e-9


def test_a_coarse_output_leaves_slopes_unsure():
    """Below the grain two differences may agree by chance: their error is not what they differ by."""
    x = normal(20)
    p = probe(lambda x: np.sin(x).astype(np.float32), x, dy=np.ones(20))
    for place in range(20):
        slope = p.careful((place,))
        assert abs(slope.value - np.cos(x[place])) <= 3 * slope.error <= 1e-2


def test_grain_at_a_kink_that_is_crossed_once():
    x = np.ones(3) * (1 + 2.0**-20 / 3)  # one of the two places of measuring is next to a kink of slope 1
    function = lambda: {"y": np.maximum(x - (1 + 2.0**-20 / 3) ** 2, 0)}  # noqa: E731
    assert grain(function, [x])["y"] <= 1e-15


# -- how many entries are measured, and what of them is told -------------------------------------------------------


@pytest.mark.parametrize(("size", "measured"), [(0, 0), (1, 1), (200, 200), (201, 100), (5000, 100)])
def test_small_arrays_are_measured_entry_by_entry(size, measured):
    x = normal(size)
    report = check_gradient(x.copy(), lambda x: (x * x / 2).sum(), x)
    assert report == Checked(report.error, measured, 0)
    assert report.error < 1e-8


def test_the_largest_error_is_told():
    x = normal(5)
    claimed = x * (1 + 1e-9 * np.array([0, 0, 1, 0, 0]))
    report = check_gradient(claimed, lambda x: (x * x / 2).sum(), x, tolerance=1e-7)
    assert report.error == pytest.approx(1e-9 * abs(x[2]) / np.abs(x).max(), rel=0.2)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_tolerance(tolerance):
    x = normal(5)
    size = np.abs(x).max()
    off = np.zeros(5)
    off[np.abs(x).argmin()] = tolerance * size
    check_gradient(x + 0.9 * off, lambda x: (x * x / 2).sum(), x, tolerance=tolerance)
    with pytest.raises(GradientError):
        check_gradient(x + 1.1 * off, lambda x: (x * x / 2).sum(), x, tolerance=tolerance)


def test_rows_may_begin_anywhere():
    gradcheck(Lookup(7, 3), np.array([[2, 5], [5, 4]]))


def test_entries_without_a_slope_are_left_out():
    x = np.array([1.0, -np.inf, 2.0])
    report = check_gradient(np.exp(x), lambda x: np.exp(x).sum(), x)
    assert report.entries == 2


def test_the_error_that_is_told_is_that_of_the_careful_measurement():
    x = np.array([1e-6, 5.0])  # a quick difference reaches beyond the kink
    report = check_gradient(np.array([2.0, 2.0]), lambda x: np.maximum(2 * x, -3 * x).sum(), x)
    assert report.error < 1e-8 and report.kinks == 0


def test_with_no_tolerance_rounding_is_left():
    x = normal(5)
    report = check_gradient(x * (1 + 1e-10), lambda x: (x * x / 2).sum(), x, tolerance=0)
    assert report.error == pytest.approx(1e-10, rel=0.5)


def test_a_function_that_stands_still():
    x = normal(3)
    assert check_gradient(np.zeros(3), lambda x: 1.0, x) == Checked(0.0, 3, 0)
    with pytest.raises(GradientError, match=r"the gradient\[1\] is 0.001, measured 0"):
        check_gradient(np.array([0.0, 1e-3, 0.0]), lambda x: 1.0, x)


def test_a_jump_has_no_slope():
    x = np.array([1.0, 0.3])
    report = check_gradient(np.array([1.0, 1.0]), lambda x: (x + (x >= 1)).sum(), x)
    assert (report.entries, report.kinks) == (2, 1)


def test_rows_need_values_for_each():
    said = r"^dW: a table \(7, 3\) expects rows \(R,\) and values \(R, \.\.\.\), got \(2,\) and \(2, 4\)$"
    with pytest.raises(GradientError, match=said):
        check_gradient(RowGradient(np.array([2, 5]), np.ones((2, 4))), np.sum, np.zeros((7, 3)), name="dW")


# -- the diagnosis needs the whole gradient, the alarm of a large array does not ------------------------------------


def half_square(x):
    return x.ravel() @ x.ravel() / 2


@pytest.mark.parametrize(("size", "said"), [(5000, r"; about \S+ \S+: its sign is wrong"), (5001, r"measured \S+$")])
def test_a_gradient_is_measured_wholly_up_to_five_thousand_entries(size, said):
    x = normal(size)
    with pytest.raises(GradientError, match=said):
        check_gradient(-x, half_square, x)


@pytest.mark.parametrize(("size", "hint"), [(5000, "; the sum over axis 0 is missing"), (5001, "")])
def test_a_wrong_shape_is_told_at_any_size(size, hint):
    x = normal(size)
    with pytest.raises(GradientError, match=rf"wrong shape: \(1, {size}\) for an array of shape \({size},\){hint}$"):
        check_gradient(x[None], half_square, x)


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_the_diagnosis_sees_gradients_measured_with_care(scale):
    x = np.array([1e-6, 1.0, 2.0, 3.0])
    with pytest.raises(GradientError, match="its sign is wrong"):
        check_gradient(np.full(4, -2 * scale), lambda x: scale * np.maximum(2 * x, -3 * x).sum(), x)


def drawn(size):
    """Which entries of a larger array are measured one by one, and the direction along which the whole is."""
    rng = np.random.default_rng(7)
    return rng.choice(size, 100, replace=False), rng.standard_normal(size)


@pytest.mark.parametrize("which", [0, 17, -1])  # the first and the last entry are not drawn
def test_a_small_error_between_the_measured_entries_is_found(which):
    x = normal(1000)
    claimed, place = 1e-6 * x, int(np.setdiff1d(np.arange(1000), drawn(1000)[0])[which])
    claimed[place] += 1e-9
    with pytest.raises(GradientError, match=rf"^dW\[{place}\] is"):
        check_gradient(claimed, lambda x: 1e-6 * half_square(x), x, name="dW", rng=np.random.default_rng(7))


def test_complex_numbers_are_refused():
    with pytest.raises(GradientError, match="gives complex128 where everything else is float64"):
        check_gradient(np.array([1 + 0j]), half_square, np.array([1.0]))
    with pytest.raises(ValueError, match="measured in float64, the array is complex128"):
        check_gradient(np.array([1.0]), half_square, np.array([1 + 0j]))


def test_a_doubled_entry_between_the_measured_ones_is_named():
    x = normal(1000)
    claimed, place = x.copy(), int(np.setdiff1d(np.arange(1000), drawn(1000)[0])[17])
    claimed[place] *= 2
    with pytest.raises(GradientError, match=rf"^dW\[{place}\] is"):
        check_gradient(claimed, half_square, x, name="dW", rng=np.random.default_rng(7))


def test_what_long_steps_agree_on_does_not_count_when_short_ones_contradict_it():
    """Within 2e-8 of x the slope is 0.501, beyond it 0.5, which long steps see with less rounding."""

    def function(x):
        away = x - 1
        return 1 + 0.5 * away + 0.001 * np.clip(away, -2e-8, 2e-8)

    check_gradient(np.array([0.501]), function, np.array([1.0]))
    with pytest.raises(GradientError):
        check_gradient(np.array([0.502]), function, np.array([1.0]))


def test_errors_too_small_to_see_singly_are_seen_together():
    x = normal(1000)
    direction = drawn(1000)[1]
    claimed = x * (1 + 0.9e-8 * np.sign(x * direction))
    with pytest.raises(GradientError) as caught:
        check_gradient(claimed, half_square, x, name="dW", rng=np.random.default_rng(7))
    front, measured = str(caught.value).split(", measured ")
    assert front == f"dW is wrong: along a random direction it says {claimed @ direction:.10g}"
    assert float(measured) == pytest.approx(x @ direction, rel=1e-9)


@pytest.mark.parametrize("whole", [False, True])
def test_an_array_is_put_back_when_the_function_fails_or_is_interrupted(whole):
    array = np.linspace(1.0, 2.0, 6).reshape(2, 3)
    before, calls = array.copy(), []

    def stops(x):
        calls.append(not np.array_equal(x, before))
        if len(calls) > (3 if whole else 1) and calls[-1]:
            raise KeyboardInterrupt
        return (x**2).sum()

    with pytest.raises(KeyboardInterrupt):
        check_gradient(2 * array if whole else 3 * array, stops, array)
    assert calls[-1] and np.array_equal(array, before)


def test_the_largest_slope_counts_even_where_a_quick_step_leaves_the_domain():
    x = np.array([1e-6, 1.0])  # the quick step from 1e-6 ends below 0; a claim is judged by the largest slope, 5e8
    report = check_gradient(np.array([5e8, 1.01]), lambda x: 1e6 * np.sqrt(x[0]) + x[1], x)
    assert report.error < 1e-8


@pytest.mark.parametrize(("dy", "passes"), [(1.0, True), (1e-6, False)])
def test_rounding_is_that_of_the_upstream_gradient(dy, passes):
    def check():
        return check_gradient(np.array([1e-17]), lambda x: np.zeros(1), np.array([1.0]), dy=np.array([dy]))

    if passes:
        assert check().entries == 1
    else:
        with pytest.raises(GradientError):
            check()
