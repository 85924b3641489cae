"""The gradient check accepts what is right, rejects each planted mistake, and names its kind."""

import copy

import numpy as np
import pytest
import scipy.sparse

from minnet.gradcheck import GradientError, check_gradient, gradcheck, gradcheck_loss
from minnet.layers.base import Layer, RowGradient
from minnet.layers.containers import Sequential
from minnet.layers.linear import Linear
from minnet.losses import SoftmaxCrossEntropy
from tests.tiny_layers import Dense, Drop, Lookup, Peaks, Rectifier, Shares, Sliding, Squash, Standardize


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Mean(Layer):
    """The mean of squared differences as a loss: (1 / N) sum_n sum_k (x - t)^2 / 2"""

    def forward(self, x, targets):
        self._cache = x - targets
        return float((self._cache**2).sum() / 2 / len(x))

    def backward(self):
        return self._cache / len(self._cache)


CORRECT = [
    (Dense(4, 3), normal(5, 4)),
    (Dense(4, 3, bias=False), normal(5, 4)),
    (Dense(30, 20), normal(5, 30)),
    (Dense(6, 3), scipy.sparse.random(5, 6, 0.4, format="csr", rng=np.random.default_rng(0))),
    (Rectifier(), normal(6, 5)),
    (Squash(), normal(6, 5)),
    (Shares(), 3 * normal(6, 5)),
    (Standardize(3), normal(4, 2, 3, 3)),
    (Standardize(3).eval(), normal(4, 2, 3, 3)),
    (Lookup(7, 3), np.array([[0, 1, 1], [6, 1, 0]])),
    (Lookup(200, 4), np.array([[0, 1, 1], [199, 1, 0]])),
    (Drop(0.4, rng=1), normal(6, 5)),
    (Peaks(), normal(3, 4, 5, 2)),
    (Sliding(2, 3), normal(2, 5, 6, 2)),
    (Sequential(Dense(4, 30), Standardize(30), Rectifier(), Drop(0.2, rng=0), Dense(30, 30), Shares()), normal(8, 4)),
]


@pytest.mark.parametrize(("layer", "x"), CORRECT, ids=lambda value: type(value).__name__)
def test_correct_layers_pass(layer, x):
    report = gradcheck(layer, x)
    differentiable = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    assert set(report) == {place for place, _, _ in layer.trainable()} | ({"x"} if differentiable else set())
    assert all(checked.error < 1e-7 and checked.kinks == 0 for checked in report.values()), report


def test_layer_and_input_stay_as_they_are():
    layer, x = Sequential(Dense(4, 3), Standardize(3), Drop(rng=2)), normal(5, 4).astype(np.float32)
    before, x_before, state = copy.deepcopy(layer), x.copy(), layer[2].rng.bit_generator.state
    gradcheck(layer, x)
    assert layer[2].rng.bit_generator.state == state
    assert np.array_equal(x, x_before) and layer[0]._cache is None and not hasattr(layer[0], "dW")
    for place, array in {**before.named_parameters(), **before.named_buffers()}.items():
        now = {**layer.named_parameters(), **layer.named_buffers()}[place]
        assert now.dtype == np.float32 and np.array_equal(now, array)


def planted(base, backward=None, forward=None):
    """The class `base` with a mistake put into backward (after the right one) or around forward."""

    class Planted(base):
        def forward(self, x):
            return super().forward(x) if forward is None else forward(self, x, super().forward)

        def backward(self, dy):
            dx = super().backward(dy)
            if backward is None:
                return dx
            changed = backward(self, dy, dx)
            return dx if changed is None else changed

    Planted.__name__ = base.__name__
    return Planted


def set_dW(formula):
    def change(self, dy, dx):
        self.dW = formula(self, self._cache, dy)

    return change


def softmax_without_sum(self, dy, dx):
    return self._cache * dy


def softmax_wrong_axis(self, dy, dx):
    s = self._cache
    return s * (dy - (dy * s).sum(axis=0, keepdims=True))


def norm(formula):
    """dx of batch norm from (dy, normal, scale, gamma, m) with m the mean over the batch."""

    def change(self, dy, dx):
        xhat, scale, _ = self._cache
        axes = tuple(range(dy.ndim - 1))
        return formula(dy, xhat, scale, self.gamma, lambda array: array.mean(axis=axes))

    return change


def in_float32(self, x, forward):
    return forward(x.astype(np.float32).astype(np.float64))


def forget(self, dy, dx):
    self._cache = self._cache * 0.5


def accumulate(self, dy, dx):
    self.total = getattr(self, "total", 0) + self.dW
    self.dW = self.total.copy()


def grow(self, dy, dx):
    self.calls = getattr(self, "calls", 0) + 1
    self.dW = np.zeros((5, 3)) if self.calls == 2 else self.dW


def write(array):
    array[0] = 7.0


def shrink(self, dy, dx):
    self.W *= 0.9


def overwrite_duplicates(self, dy, dx):
    dW = np.zeros_like(self.W)
    dW[self._cache] = dy
    self.dW = dW


X = normal(5, 4)
SQUARE = normal(4, 4)
# (kind of mistake, layer with the mistake, input, what the message must say)
PLANTED = [
    ("times N", planted(Dense, set_dW(lambda s, x, dy: 5 * x.T @ dy))(4, 3), X, "constant factor: 5 times.*N = 5"),
    ("over N", planted(Dense, set_dW(lambda s, x, dy: x.T @ dy / 5))(4, 3), X, "too often by N = 5, the batch size"),
    ("twice", planted(Dense, set_dW(lambda s, x, dy: 2 * x.T @ dy))(4, 3), X, "constant factor: 2 times.*a 2 too many"),
    ("half", planted(Dense, set_dW(lambda s, x, dy: x.T @ dy / 2))(4, 3), X, "constant factor: 0.5 times.*2 forgotten"),
    ("sign", planted(Dense, set_dW(lambda s, x, dy: -x.T @ dy))(4, 3), X, r"dW: its sign is wrong"),
    ("sign of dx", planted(Squash, lambda s, dy, dx: -dx)(), X, r"dx: its sign is wrong"),
    ("some other factor", planted(Squash, lambda s, dy, dx: 1.7 * dx)(), X, r"factor: 1\.7 times the right one$"),
    ("N or 2", planted(Squash, lambda s, dy, dx: 2 * dx)(), normal(2, 5), "a 2 too many.*or N = 2, the batch size"),
    ("positions", planted(Sliding, set_dW(lambda s, x, dy: s.dW / 12))(2, 3), normal(2, 5, 6, 2), "output positions"),
    ("transposed", planted(Dense, set_dW(lambda s, x, dy: dy.T @ x))(4, 4), X, "dW: it is transposed"),
    ("transposed shape", planted(Dense, set_dW(lambda s, x, dy: dy.T @ x))(4, 3), X, r"wrong shape.*it is transposed"),
    ("flipped", planted(Sliding, set_dW(lambda s, x, dy: s.dW[::-1, ::-1]))(2, 3), normal(2, 5, 5, 2), "axes 0, 1"),
    ("reshaped", planted(Squash, lambda s, dy, dx: dx.T.reshape(dx.shape))(), X, "stand at the wrong places"),
    ("no sum", planted(Dense, lambda s, dy, dx: setattr(s, "db", dy))(4, 3), X, "the sum over axis 0 is missing"),
    ("wrong axis", planted(Dense, lambda s, dy, dx: setattr(s, "db", dy.sum(1)))(4, 4), SQUARE,
     "sums dy over the wrong axis: over axis 1 instead of axis 0"),
    ("too much summed", planted(Dense, lambda s, dy, dx: setattr(s, "db", dy.sum()))(4, 3), X,
     r"wrong shape: \(\).*summed over axis 0, which has to stay"),
    ("summed and repeated", planted(Dense, set_dW(lambda s, x, dy: np.tile((x.T @ dy).sum(0), (4, 1))))(4, 3), X,
     "summed over axis 0, which has to stay apart"),
    ("averaged", planted(Squash, lambda s, dy, dx: dx * 0 + dx.mean(axis=1, keepdims=True))(), X,
     "averaged over axis 1"),
    ("keepdims", planted(Dense, lambda s, dy, dx: setattr(s, "db", dy.sum(0, keepdims=True)))(4, 3), X, "wrong shape"),
    ("softmax sum", planted(Shares, softmax_without_sum)(), X, "multiple of the output y: a sum over the example is"),
    ("batch mean", planted(Standardize, norm(lambda dy, n, s, g, m: g * s * (dy - n * m(dy * n))))(3), normal(6, 3),
     "within each channel the error is the same everywhere, as when a term through a mean is missing"),
    ("batch variance", planted(Standardize, norm(lambda dy, n, s, g, m: g * s * (dy - m(dy))))(3), normal(6, 3),
     "constant plus a multiple of x, as when a term through the variance"),
    ("frozen statistics", planted(Standardize, norm(lambda dy, n, s, g, m: g * s * dy))(3), normal(2, 2, 2, 3),
     "constant plus a multiple of x, as when a term through the variance"),
    ("gamma", planted(Standardize, norm(lambda dy, n, s, g, m: s * (dy - m(dy) - n * m(dy * n))))(3), normal(6, 3),
     "the factor gamma is missing"),
    ("gamma twice", planted(Standardize, lambda s, dy, dx: dx * s.gamma)(3), normal(6, 3),
     "factor gamma once too often"),
    ("upstream", planted(Squash, lambda s, dy, dx: 1 - s._cache**2)(), X, "the factor dy is missing"),
    ("over upstream", planted(Squash, lambda s, dy, dx: (1 - s._cache**2) / dy)(), X, "divided by dy where"),
    ("lost path", planted(Squash, None, lambda s, x, forward: forward(x) + x)(), X, r"the term 1 \* dy is missing"),
    ("weight decay", planted(Dense, set_dW(lambda s, x, dy: x.T @ dy + 0.1 * s.W))(4, 3), X,
     r"it holds 0\.1 \* W itself"),
    ("lost example", planted(Dense, set_dW(lambda s, x, dy: x[:-1].T @ dy[:-1]))(4, 3), X,
     "the share of example 4 is missing"),
    ("lost channel", planted(Squash, lambda s, dy, dx: np.where(np.arange(4) == 2, 0, dx))(), X,
     "only 5 of its 20 entries are wrong, all at index 2 of axis 1; there they are zero"),
    ("no mask", planted(Rectifier, lambda s, dy, dx: dy)(), np.abs(normal(5, 4)) - 0.2, "where x is negative"),
    ("only above", planted(Squash, lambda s, dy, dx: dx * (1 + (s._cache > 0)))(), 0.2 - np.abs(normal(5, 4)),
     "exactly those where x is positive; there it is wrong by a constant factor: 2 times"),
    ("only at zero", planted(Squash, lambda s, dy, dx: dx * (s._cache != 0))(), normal(5, 4) * (normal(5, 4) > -0.6),
     "exactly those where x is zero; there they are zero"),
    ("repeated tokens", planted(Lookup, overwrite_duplicates)(7, 3), np.array([0, 1, 1, 6, 2, 3]),
     "occurs more than once"),
    ("float32 forward", planted(Squash, None, in_float32)(), X, "precision is too low.*in forward"),
    ("float32 backward", planted(Dense, set_dW(lambda s, x, dy: x.T @ dy.astype(np.float32).astype(float)))(4, 3), X,
     "precision is too low.*in dW"),
    ("float32 result", planted(Squash, lambda s, dy, dx: dx.astype(np.float32))(), X, "dx gives float32"),
    ("wrote into x", planted(Squash, None, lambda s, x, forward: (forward(x), write(x))[0])(), X, "wrote into.* x$"),
    ("wrote into dy", planted(Squash, lambda s, dy, dx: write(dy))(), X, "wrote into.* dy$"),
    ("wrote into W", planted(Dense, shrink)(4, 3), X, "wrote into.* W$"),
    ("accumulates", planted(Dense, accumulate)(4, 3), X, "dW differs when.*second time: it accumulates"),
    ("grows", planted(Dense, grow)(4, 3), X, r"dW differs when backward is called a second time$"),
    ("forgets", planted(Dense, forget)(4, 3), X, r"dW differs when backward is called a second time$"),
    ("zero", planted(Dense, set_dW(lambda s, x, dy: 0 * s.W))(4, 3), X, "all its entries are zero"),
    ("NaN", planted(Squash, lambda s, dy, dx: np.where(dx > 1, np.nan, dx) * [1, 1, 1, np.nan])(), X, "are NaN"),
    ("absent", planted(Dense, lambda s, dy, dx: setattr(s, "db", None))(4, 3), X, "backward set no db"),
    ("draws", planted(Squash, None, lambda s, x, forward: forward(x) * np.random.default_rng().random())(), X,
     "another result for the same input"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "x", "said"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_planted_mistakes_are_found_and_named(layer, x, said):
    with pytest.raises(GradientError, match=said):
        gradcheck(layer, x)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (planted(Shares, softmax_wrong_axis)(), X),
        (planted(Squash, lambda s, dy, dx: dy * (1 - s._cache))(), X),
        (planted(Squash, lambda s, dy, dx: dx + 0.01 * np.sin(10 * dy))(), X),
        (planted(Dense, set_dW(lambda s, x, dy: np.abs(x).T @ dy))(4, 3), X),
    ],
)
def test_a_mistake_of_unknown_kind_is_named_by_its_numbers_only(layer, x):
    with pytest.raises(GradientError, match=r"d(x|W)\[\d, \d\] is \S+, measured \S+$"):
        gradcheck(layer, x)


def test_two_numbers_are_no_constant_factor():
    with pytest.raises(GradientError, match=r"measured \S+$"):
        check_gradient(np.array([3.4, 1.7]), lambda x: (x**2).sum() / 2, np.array([2.0, 1.0]))


def test_the_message_holds_both_numbers_and_the_entry():
    layer = planted(Dense, lambda s, dy, dx: setattr(s, "db", s.db + np.array([0, 0.5, 0])))(4, 3)
    with pytest.raises(GradientError) as error:
        gradcheck(layer, X, dy=np.ones((5, 3)))
    assert "db[1] is 5.5, measured 5" in str(error.value)
    assert "only 1 of its 3 entries are wrong, all at index 1 of axis 0" in str(error.value)


def test_one_wrong_entry_of_a_large_array_is_found():
    def change(self, dy, dx):
        self.dW[31, 17] += 1e-3

    with pytest.raises(GradientError, match=r"dW\[31, 17\] is"):
        gradcheck(planted(Dense, change)(60, 40), normal(3, 60))


@pytest.mark.parametrize("relative", [1e-5, 1e-6, 1e-7])
def test_small_mistakes_are_found(relative):
    with pytest.raises(GradientError):
        gradcheck(planted(Squash, lambda s, dy, dx: dx * (1 + relative))(), X)


def test_kinks_are_counted_and_any_slope_between_the_sides_is_right():
    x = normal(4, 5)
    x[0, :3] = 0
    assert gradcheck(Rectifier(), x)["x"].kinks == 3
    beyond = planted(Rectifier, lambda s, dy, dx: np.where(s._cache == 0, 2 * dy, dx))()
    with pytest.raises(GradientError, match=r"there is a kink: only numbers between"):
        gradcheck(beyond, x)


def test_next_to_a_kink_smaller_steps_are_taken():
    x = np.array([[1e-6, -1e-6, 3e-8, -3e-4, 1e-3, 5.0]])
    assert gradcheck(Rectifier(), x)["x"].kinks == 0


def test_only_kinks_cannot_be_measured():
    with pytest.raises(ValueError, match="every entry is at a kink"):
        gradcheck(Rectifier(), np.zeros((2, 3)))


@pytest.mark.parametrize("rows", [[2, 0], [0, 0], [0, 9], [-1, 0]])
def test_rows_of_a_row_gradient_are_unique_sorted_and_inside(rows):
    def change(self, dy, dx):
        self.dW = RowGradient(np.array(rows), np.ones((2, 3)))

    with pytest.raises(GradientError, match=r"unique, sorted and from 0 to 6"):
        gradcheck(planted(Lookup, change)(7, 3), np.array([0, 2]))


def test_losses():
    x, t = normal(6, 4), normal(6, 4, seed=1)
    assert gradcheck_loss(Mean(), x, t)["logits"].error < 1e-8

    class Sum(Mean):
        def backward(self):
            return self._cache

    with pytest.raises(GradientError, match="6 times the right one: N = 6, the batch size"):
        gradcheck_loss(Sum(), x, t)

    class Array(Mean):
        def forward(self, x, targets):
            super().forward(x, targets)
            return self._cache.sum(axis=1)

    with pytest.raises(GradientError, match="a loss is one number"):
        gradcheck_loss(Array(), x, t)


def test_a_function_and_its_claimed_gradient():
    x = np.array([0.5, 2.0, 1e-3])
    assert check_gradient(1 / x, lambda x: np.log(x).sum(), x).entries == 3
    with pytest.raises(GradientError, match="its sign is wrong"):
        check_gradient(-1 / x, lambda x: np.log(x).sum(), x, name="dx")
    with pytest.raises(ValueError, match="measured in float64"):
        check_gradient(x, np.sum, x.astype(np.float32))


def test_functions_of_narrow_domains_are_measured_inside():
    def entropy(p):
        if (p <= 0).any():
            raise ValueError("probabilities must be positive")
        return -(p * np.log(p)).sum()

    p = np.array([1e-7, 1e-4, 0.3, 0.7])
    check_gradient(-np.log(p) - 1, entropy, p)


def test_large_scores_and_impossible_ones():
    x = 1e4 * normal(4, 5)
    x[0, 1] = -np.inf
    gradcheck(Shares(), x)
    gradcheck(Squash(), 1e-8 * normal(4, 5))


class Padded(Lookup):
    """Lookup whose row 0 stands for padding and does not learn"""

    padding_idx = 0

    def backward(self, dy):
        super().backward(dy)
        self.dW.values[self.dW.rows == 0] = 0


def test_a_row_for_padding_does_not_learn():
    tokens = np.array([[0, 1, 1], [6, 1, 0]])
    gradcheck(Padded(7, 3), tokens)
    with pytest.raises(GradientError, match="row 0 does not learn"):
        gradcheck(planted(Padded, lambda s, dy, dx: Lookup.backward(s, dy))(7, 3), tokens)
    with pytest.raises(GradientError, match=r"dW\[1, 0\]"):
        gradcheck(planted(Padded, lambda s, dy, dx: s.dW.values.__imul__(2))(7, 3), tokens)


def test_a_forward_without_return_is_named():
    class Mute(Layer):
        def forward(self, x, targets=None):
            self._cache = x

    with pytest.raises(GradientError, match=r"Mute\(\): forward returned None: is its return missing\?"):
        gradcheck(Mute(), normal(3, 2))
    with pytest.raises(GradientError, match=r"Mute\(\): forward returned None: is its return missing\?"):
        gradcheck_loss(Mute(), normal(3, 2), np.zeros(3))


def test_a_buffer_that_moves_the_result_is_named():
    class Running(Standardize):
        def forward(self, x):
            return super().forward(x) - self.mean

    with pytest.raises(GradientError, match=r"another result for the same input; it moves the buffer mean: use the"):
        gradcheck(Running(3), normal(4, 3))


def test_a_loss_that_gives_nothing_back_is_told_so():
    class Silent(SoftmaxCrossEntropy):
        def backward(self):
            super().backward()

    with pytest.raises(GradientError, match=r"Silent.*: backward returned nothing"):
        gradcheck_loss(Silent(), np.zeros((2, 3)), np.array([0, 1]))

    class Forgetful(SoftmaxCrossEntropy):
        parameters = ("W",)

        def __init__(self):
            super().__init__()
            self.W = np.ones(1)

    with pytest.raises(GradientError, match="backward set no dW"):
        gradcheck_loss(Forgetful(), np.zeros((2, 3)), np.array([0, 1]))


def test_a_layer_whose_dx_nobody_needs_is_checked_all_the_same():
    layer = Linear(3, 2, rng=0)
    layer.need_dx(False)
    assert set(gradcheck(layer, np.random.default_rng(0).standard_normal((4, 3)))) == {"x", "W", "b"}
    assert not layer.needs_dx


def test_an_array_of_results_is_summed_by_default():
    x = np.array([1.0, 2.0, 3.0])
    check_gradient(2 * x, lambda a: a**2, x)
    with pytest.raises(GradientError):
        check_gradient(3 * x, lambda a: a**2, x)
