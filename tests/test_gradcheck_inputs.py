"""What the gradient check accepts and what it says about it: losses of any kind, names, precision at every size."""

import numpy as np
import pytest

from minnet.gradcheck import GradientError, gradcheck, gradcheck_loss
from minnet.layers import Linear
from minnet.layers.base import Layer, RowGradient
from minnet.losses import Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from tests.drawing import normal
from tests.test_gradcheck import planted
from tests.tiny_layers import Dense, Lookup, Plain, Squash

# -- losses --------------------------------------------------------------------------------------------------------


class Bare:
    """A loss that is no layer: two methods, and nothing else."""

    def forward(self, x, targets, weights=1.0):
        self.d = weights * (x - targets)
        return float((self.d * (x - targets)).sum() / 2)

    def backward(self):
        return self.d


class Weighed(Layer):
    """A loss with a parameter: sum_k W_k sum_n (x - t)^2 / 2, and random numbers that are added to x."""

    parameters = ("W",)

    def __init__(self, features, noise=0.0):
        self.W, self.rng, self.noise = normal(features, seed=2).astype(np.float32), np.random.default_rng(0), noise

    def forward(self, x, targets):
        self._cache = x - targets + self.noise * self.rng.standard_normal(x.shape)
        return float((self.W * self._cache**2).sum() / 2)

    def backward(self):
        self.dW = (self._cache**2).sum(axis=0) / 2
        return self.W * self._cache


def test_a_loss_need_not_be_a_layer():
    x, t = normal(5, 3), normal(5, 3, seed=1)
    assert gradcheck_loss(Bare(), x, t).keys() == {"logits"}
    gradcheck_loss(Bare(), x, t, weights=normal(3, seed=3))

    class Wrong(Bare):
        def backward(self):
            return -self.d

    with pytest.raises(GradientError, match="dlogits: its sign is wrong"):
        gradcheck_loss(Wrong(), x, t)


class Told(Loss):
    """A mean square, right or wrong about the two arguments that a Trainer passes."""

    def __init__(self, divisor=lambda n, w, d: d, back=lambda n, w, d: d, weight=lambda w: w, slope=lambda w: w):
        self.divisor, self.back, self.weight, self.slope = divisor, back, weight, slope

    def forward(self, scores, targets, weights=None, denominator=None):
        w = np.ones(len(targets)) if weights is None else weights
        d, n = w.sum() if denominator is None else denominator, len(targets)
        assert n > 0, "a Trainer gives no empty piece"
        self._cache = scores - targets, self.slope(w)[:, None] / self.back(n, w, d)
        return float((self.weight(w) * (self._cache[0] ** 2).sum(axis=1)).sum() / self.divisor(n, w, d))

    def backward(self):
        return 2 * self._cache[1] * self._cache[0]


def alike(w):
    return np.ones(len(w))


def test_a_loss_says_which_argument_it_ignores():
    x, t = normal(5, 3), normal(5, 3, seed=1)
    size, own = (lambda n, w, d: n), (lambda n, w, d: w.sum())
    gradcheck_loss(Told(), x, t)
    gradcheck_loss(Told(), x[:1], t[:1])
    gradcheck_loss(SigmoidCrossEntropy(), np.array([[-2868.9], [-731.8]]), np.zeros((2, 1)))  # e^-731: denormal
    for wrong, said in (
        (Told(size, size), "forward does not divide by the argument denominator"),
        (Told(own, own), "forward does not divide by the argument denominator"),
        (Told(back=size), "backward does not divide by the argument denominator"),
        (Told(weight=alike, slope=alike), "forward does not multiply each example by its weight, the argument weights"),
        (Told(slope=alike), "backward does not multiply each example by its weight"),
        (Told(*[lambda n, w, d: n * d / 5] * 2), "forward over a batch is not the sum over two parts of it"),
        (Told(back=lambda n, w, d: n * d / 5), "backward over a batch is not the sum over two parts of it"),
        (Told(weight=np.flip, slope=np.flip), "forward over a batch is not the sum over two parts of it"),
    ):
        with pytest.raises(GradientError, match=said):
            gradcheck_loss(wrong, x, t)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_parameters_of_a_loss_are_checked_in_float64(noise):
    x, t = normal(5, 3), normal(5, 3, seed=1)
    loss = Weighed(3, noise)
    state = loss.rng.bit_generator.state
    assert gradcheck_loss(loss, x, t).keys() == {"logits", "W"}
    assert loss.W.dtype == np.float32 and loss.rng.bit_generator.state == state

    class Wrong(Weighed):
        def backward(self):
            dx = super().backward()
            self.dW *= 2
            return dx

    with pytest.raises(GradientError, match="dW: it is wrong by a constant factor: 2 times"):
        gradcheck_loss(Wrong(3, noise), x, t)


def test_a_loss_writes_nowhere_and_repeats():
    x, t = normal(5, 3), normal(5, 3, seed=1)

    class WritesTargets(Bare):
        def forward(self, x, targets, weights=1.0):
            value = super().forward(x, targets, weights)
            targets += 1
            return value

    with pytest.raises(GradientError, match="wrote into its argument or parameter targets"):
        gradcheck_loss(WritesTargets(), x, t.copy())

    class Halves(Bare):
        def backward(self):
            self.d = self.d / 2
            return 2 * self.d

    with pytest.raises(GradientError, match=r"differs when backward is called a second time$"):
        gradcheck_loss(Halves(), x, t)


def test_scores_of_nan_are_not_blamed_on_the_loss():
    with pytest.raises(ValueError, match="dlogits cannot be measured"):
        gradcheck_loss(SoftmaxCrossEntropy(), np.array([[np.nan, 1, 2], [1, 2, 3]]), np.array([0, 1]))


def test_the_gradient_of_a_sure_thing_is_zero_but_for_rounding():
    """One class: its probability is 1 whatever the score, and p - 1 may come out as 1e-16."""

    class One(Bare):
        def forward(self, x, targets, weights=1.0):
            return 0.0

        def backward(self):
            return np.full((5, 1), self.left)

    loss = One()
    loss.left = 2e-16
    gradcheck_loss(loss, normal(5, 1), None)
    loss.left = 1e-12
    with pytest.raises(GradientError, match="measured 0"):
        gradcheck_loss(loss, normal(5, 1), None)


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [("S" * 100, "S" * 100), ("S" * 101, "Named"), ("two\nlines", "Named"), ("Squash()", r"Squash\(\)")],
    ids=["a hundred letters", "one more", "two lines", "short"],
)
def test_a_layer_is_named_by_its_repr_if_that_is_short(said, name):
    class Named(Squash):
        def __repr__(self):
            return said

        def backward(self, dy):
            return -super().backward(dy)

    with pytest.raises(GradientError, match=f"^{name}: dx"):
        gradcheck(Named(), normal(5, 4))


def test_numbers_that_occur_twice_are_no_tokens():
    def change(self, dy, dx):
        return np.where(np.arange(len(dx))[:, None] == 1, 3 * dx, dx)

    x = normal(5, 4)
    x[0, :2] = 1.0  # as a token, row 1 would occur more than once
    with pytest.raises(GradientError, match="all at index 1 of axis 0") as error:
        gradcheck(planted(Squash, change)(), x)
    assert "token" not in str(error.value)


def test_a_row_that_is_never_read_may_hold_anything():
    layer, tokens = Lookup(7, 3), np.array([[0, 1, 1], [6, 1, 0]])
    layer.W[5] = np.nan
    gradcheck(layer, tokens)


def test_rows_that_change_in_number_are_not_repeatable():
    class Fewer(Lookup):
        def backward(self, dy):
            super().backward(dy)
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls > 1:
                self.dW = RowGradient(self.dW.rows[:-1], self.dW.values[:-1])

    with pytest.raises(GradientError, match=r"dW differs when backward is called a second time$"):
        gradcheck(Fewer(7, 3), np.array([[0, 1, 1], [6, 1, 0]]))


# -- float32 at work inside is seen at every size -------------------------------------------------------------------


def rounded(array):
    return array.astype(np.float32).astype(np.float64)


class Rounds(Plain):
    """y = x + x^2 / 2, computed in float32 where told."""

    def __init__(self, in_forward=False, in_backward=False):
        self.in_forward, self.in_backward = in_forward, in_backward

    def forward(self, x):
        self._cache = x
        y = x + x * x / 2
        return rounded(y) if self.in_forward else y

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, x.shape)
        dx = dy * (1 + x)
        return rounded(dx) if self.in_backward else dx


@pytest.mark.parametrize("size", [1e-4, 1.0, 30.0, 2000.0])
def test_float32_in_forward(size):
    gradcheck(Rounds(), size * normal(5, 4))
    with pytest.raises(GradientError, match=r"precision is too low: rounding errors of \de-0[78] in forward"):
        gradcheck(Rounds(in_forward=True), size * normal(5, 4))


@pytest.mark.parametrize("size", [1e-2, 1.0, 10.0])
def test_float32_in_backward(size):
    with pytest.raises(GradientError, match=r"precision is too low: rounding errors of .* in dx"):
        gradcheck(Rounds(in_backward=True), size * normal(5, 4))


class Centre(Plain):
    """x less its mean over the batch: what is left of large numbers next to each other is their rounding."""

    def forward(self, x):
        self._cache = x.shape
        return x - x.mean(axis=0)

    def backward(self, dy):
        self._expect_dy(dy, self._recall())
        return dy - dy.mean(axis=0)


def test_rounding_of_terms_that_cancel_is_no_alarm():
    gradcheck(Centre(), 1e4 * (1 + 1e-8 * normal(5, 4)))


def test_rounding_of_a_gradient_whose_terms_cancel_is_no_alarm():
    """dW = x' dy where dy sums to nothing: what remains is small beside its terms."""
    x = np.ones((6, 2))
    dy = normal(6, 3)
    dy -= dy.mean(axis=0)
    gradcheck(Dense(2, 3), x, dy=dy)


class Through(Plain):
    """y = slope x (or curve(x)), and dx = terms(x, dy): rounding does what they make it do."""

    def __init__(self, slope, terms, curve=None):
        self.slope, self.terms, self.curve = slope, terms, curve

    def forward(self, x):
        self._cache = x
        return self.slope * x if self.curve is None else self.curve(x)

    def backward(self, dy):
        x = self._recall()
        self._expect_dy(dy, x.shape)
        return self.terms(x, dy)


def said_of(layer, x):
    """What the check complains of, or nothing."""
    try:
        gradcheck(layer, x)
    except (GradientError, ValueError) as error:
        return str(error)
    return ""


def test_float32_is_seen_where_little_is_left_of_dy():
    """A slope of 1e-5 as the difference of two terms of dy / 10: its rounding is judged by dy, not by itself."""
    layer = Through(1e-5, lambda x, dy: rounded(0.1 * dy) - rounded((0.1 - 1e-5) * dy))
    said = said_of(layer, normal(5, 4))
    assert "precision is too low" in said and "in dx" in said


def test_jumps_are_not_taken_for_float32():
    """They are far larger than its rounding."""
    layer = Through(1.0, lambda x, dy: dy, curve=lambda x: x + 1e-3 * np.sin(1e12 * x))
    assert "precision is too low" not in said_of(layer, normal(5, 4))


def test_large_terms_may_leave_their_rounding():
    layer = Through(1000.1, lambda x, dy: dy * (x**4 / x - (x**3 - 1000.1)))
    assert "precision is too low" not in said_of(layer, 10_000 * (1 + 0.1 * normal(5, 4)))


class Broken(Layer):
    """Its first output is NaN, every time."""

    def forward(self, x):
        y = x.copy()
        y[0, 0] = np.nan
        return y

    def backward(self, dy):
        return dy


def test_the_same_nan_twice_is_no_other_result():
    with pytest.raises(ValueError, match="dx cannot be measured"):
        gradcheck(Broken(), normal(3, 2))


def test_a_gradient_that_was_there_before_is_none_of_this_check():
    class Adding(Linear):
        def backward(self, dy):
            x = self._recall()
            self.dW += x.T @ dy
            self.db = dy.sum(axis=0)
            return dy @ self.W.T

    layer = Adding(3, 2, rng=0)
    layer.dW = np.zeros((3, 2))
    with pytest.raises(GradientError, match=r"backward reads dW before it sets it: it has to overwrite"):
        gradcheck(layer, np.random.default_rng(0).standard_normal((4, 3)))


def test_a_tiny_loss_has_to_add_up_as_well():
    class Tiny(MeanSquaredError):
        def forward(self, scores, targets, weights=None, denominator=None):
            return 1e-12 * super().forward(scores, targets, weights, None)  # as if each part were the whole

        def backward(self):
            return 1e-12 * super().backward()

    with pytest.raises(GradientError, match="divide by the argument denominator"):
        gradcheck_loss(Tiny(), np.random.default_rng(0).standard_normal((4, 3)), np.zeros((4, 3)))
