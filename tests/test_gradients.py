from math import inf, isnan, nan

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from minnet import gradients
from minnet.gradients import clip_factor, gradient_norm, overwriting
from minnet.layers.base import Layer, RowGradient


class Given(Layer):
    """A layer whose gradients are what the test says."""

    parameters = ("W", "b")

    def __init__(self, dW, db):
        self.W, self.b = np.zeros(1), np.zeros(1)
        self.dW, self.db = dW, db


def longer(*arrays):
    """The norm in more digits than float64 has."""
    return float(np.sqrt(sum((np.asarray(a).astype(np.longdouble) ** 2).sum() for a in arrays)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("run", [1, 100, 600, 1200, 8192])
def test_gradient_norm_at_any_size(dtype, size, run, monkeypatch):
    monkeypatch.setattr(gradients, "RUN", run)
    dense = (np.random.default_rng(0).standard_normal((40, 30)) * size).astype(dtype)
    rows = RowGradient(np.array([1]), np.array([3 * size], dtype))
    assert gradient_norm(Given(dense, rows)) == pytest.approx(longer(dense, rows.values), rel=1e-6, abs=0)
    assert gradient_norm(Given(dense.T, rows)) == pytest.approx(longer(dense, rows.values), rel=1e-6, abs=0)


def test_gradient_norm_counts_the_parameters_of_the_loss():
    model, loss = Given(np.array([3.0]), np.array([])), Given(np.array([[4.0]]), np.array([12.0]))
    assert gradient_norm(model) == 3
    assert gradient_norm(model, loss) == 13


@pytest.mark.parametrize(("size", "single"), [(3e-11, False), (3e-10, True), (1, True), (1e14, True), (1e15, False)])
def test_squares_are_summed_in_float32_where_it_is_safe(size, single):
    """A run is right to 1e-7; one whose sum comes near the ends of float32's range is summed again in float64."""
    run = np.full(3, size, np.float32) * np.array([1.1, 0.7, 0.3], np.float32)
    total = gradients._squares(run)
    assert total == pytest.approx(longer(run) ** 2, rel=2e-7 if single else 1e-15, abs=0)
    assert (float(np.float32(total)) == total) == single


@np.errstate(over="ignore")
def test_each_run_is_summed_again_by_itself(monkeypatch):
    monkeypatch.setattr(gradients, "RUN", 4)
    values = np.array([1e-25] * 4 + [1.1] * 4 + [1e25, 0, 0, 0] + [1e-30, 1e-30], np.float32)
    assert gradients._squares(values) == pytest.approx(longer(values) ** 2, rel=1e-14, abs=0)
    assert gradients._squares(values[:4]) == pytest.approx(longer(values[:4]) ** 2, rel=1e-14, abs=0)
    assert gradients._squares(values[-2:]) == pytest.approx(longer(values[-2:]) ** 2, rel=1e-14, abs=0)


def test_gradient_norm_does_not_depend_on_the_threads_of_the_blas():
    dW = np.random.default_rng(0).standard_normal((700, 300), np.float32)
    found = set()
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.add(gradient_norm(Given(dW, dW[0])))
    assert len(found) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_norm_shows_what_is_not_finite(dtype, monkeypatch):
    monkeypatch.setattr(gradients, "RUN", 5)
    dW = np.ones((4, 3), dtype)
    for place in ((0, 0), (3, 2)):  # in a whole run, and in the rest
        dW[place] = inf
        assert gradient_norm(Given(dW, dW[1])) == inf
        dW[place] = nan
        assert isnan(gradient_norm(Given(dW, dW[1])))
        dW[place] = 1
    assert gradient_norm(Given(dW * 0, dW[1] * 0)) == 0.0
    assert gradient_norm(Given(np.zeros((0, 3), dtype), np.zeros(0, dtype))) == 0.0


def test_clip_factor():
    assert clip_factor(10.0, 2.5) == 0.25
    assert clip_factor(2.0, 2.5) == 1.0
    assert clip_factor(0.0, 1.0) == 1.0
    for norm in (inf, nan):
        with pytest.raises(ValueError, match="no direction"):
            clip_factor(norm, 1.0)
    for limit in (-1.0, 0.0, nan, inf):
        with pytest.raises(ValueError, match=f"limit is the longest gradient, a finite number above 0; got {limit}"):
            clip_factor(5.0, limit)


def test_gradients_in_rows_are_added_and_multiplied_as_arrays_are():
    first = RowGradient(np.array([1, 4]), np.array([[1.0, 2], [3, 4]]))
    second = RowGradient(np.array([0, 4, 7]), np.array([[10.0, 10], [20, 20], [30, 30]]))
    total = first + second
    assert total.rows.tolist() == [0, 1, 4, 7]
    assert total.values.tolist() == [[10, 10], [1, 2], [23, 24], [30, 30]]
    assert first.values.tolist() == [[1, 2], [3, 4]] and second.values.tolist()[1] == [20, 20]
    nothing = RowGradient(np.zeros(0, int), np.zeros((0, 2)))
    assert (nothing + second).values.tolist() == second.values.tolist()
    assert (second + nothing).rows.tolist() == [0, 4, 7]
    numbers = (0.5, np.float64(0.5), np.float32(0.5), np.array(0.5))  # NumPy's would see a tuple: two arrays in a row
    for half in (product for number in numbers for product in (first * number, number * first)):
        assert half.rows is first.rows and half.values.tolist() == [[0.5, 1], [1.5, 2]]
    assert first != RowGradient(first.rows, first.values) and {first}  # compared as objects: arrays are neither nor
    with pytest.raises(AttributeError):
        first.values = second.values
    for other in (np.zeros(2).tolist(), np.float64(1), np.zeros((2, 2))):
        with pytest.raises(TypeError):
            _ = first + other
        with pytest.raises(TypeError):
            _ = other + first


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_a_gradient_that_is_added_to_before_it_is_there_is_told_from_other_errors(kind):
    layer = Given(np.zeros(1), np.zeros(1))
    vars(layer).clear()
    for name in ("dW", "db"):
        said = rf": backward reads {name} before it sets it: it has to overwrite \(self\.{name} = \.\.\."
        with pytest.raises(kind, match=said), overwriting(kind):
            getattr(layer, name)
    for other, name in ((layer, "W"), (layer, "dV"), (layer, "scale"), (object(), "dW"), (np.zeros(2), "dW")):
        with pytest.raises(AttributeError), overwriting(kind):
            getattr(other, name)
    with pytest.raises(AttributeError, match="by hand"), overwriting(kind):
        raise AttributeError("by hand")
    with overwriting(kind):
        layer.dW = np.ones(1)
