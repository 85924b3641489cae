"""Promises that are broken only a little, only in one mode, or for one kind of input: check_layer sees them too."""

import numpy as np
import pytest
import scipy.sparse

from minnet.contract import ContractError
from minnet.gradcheck import GradientError, gradcheck
from minnet.layercheck import check_layer
from minnet.layers.base import Layer
from minnet.layers.containers import Sequential
from minnet.layers.linear import Linear
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer
from tests.test_layercheck import X
from tests.tiny_layers import Dense, Lookup, Plain, Squash, Standardize


class SlightlyOff(Squash):
    def forward(self, x):
        return super().forward(x) * (1 if x.flags.c_contiguous else 1 + 1e-7)


class OffForStrangeDy(Squash):
    def backward(self, dy):
        return super().backward(dy) * (1 if dy.flags.c_contiguous else 1 + 1e-7)


class Drifts(Squash):
    """Every evaluation moves it a little."""

    def forward(self, x):
        if not self.training:
            self.moved = getattr(self, "moved", 0) + 1
        return super().forward(x) * (1 + 1e-13 * getattr(self, "moved", 0))


class DriftsLater(Drifts):
    """The same, seen in training only."""

    def forward(self, x):
        y = super().forward(x)
        return y if self.training else Squash.forward(self, x)


class BiasAnyway(Dense):
    def __init__(self, inputs, outputs, bias=True, rng=None):
        super().__init__(inputs, outputs, True, rng)
        self.bias = bias


class Grown(Squash):
    buffers = ("kept",)

    def __init__(self):
        self.kept = np.zeros(2)


def grown():
    layer = Grown()
    layer.kept = np.zeros(5)
    return layer


class NeedsManyInTraining(Squash):
    def forward(self, x):
        if self.training and len(x) < 2:
            raise ValueError("in training it takes two examples or more")
        return super().forward(x) * (np.nan if len(x) < 2 else 1)


class Mumbles(Squash):
    def forward(self, x):
        if len(x) == 0:
            raise ValueError("x" * self.letters)
        return super().forward(x)


def mumbles(letters):
    layer = Mumbles()
    layer.letters = letters
    return layer


class ForgetsGradient(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        if not self._cache.flags.c_contiguous:
            del self.dW
        return dx


class Shortens(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        if not self._cache.flags.c_contiguous:
            self.db = self.db[:2]
        return dx


class Lengthens(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        if not self._cache.flags.c_contiguous:
            self.db = np.append(self.db, 0)
        return dx


class Forgetful(Standardize):
    """Assigns its running mean anew, where replicas do not see it."""

    def forward(self, x):
        y = super().forward(x)
        self.mean = self.mean.copy()
        return y


def test_a_buffer_assigned_anew_is_seen():
    with pytest.raises(ContractError, match=r"assigns the buffer mean anew.* write into it"):
        check_layer(Forgetful(4), X, equivariant=False, gradients=False)


class Mute(Plain):
    def forward(self, x):
        pass


def test_a_forward_without_return_is_named():
    with pytest.raises(ContractError, match=r"forward returned None: is its return missing\?"):
        check_layer(Mute(), X)


class Adds(Dense):
    """Adds to gradients that it made beforehand."""

    def __init__(self, inputs, outputs, rng=None):
        super().__init__(inputs, outputs, rng=rng)
        self.dW = np.zeros_like(self.W)

    def backward(self, dy):
        self.dW += self._cache.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


def test_gradients_that_are_added_to_are_named_everywhere():
    said = r"Adds\(4, 3\): backward reads dW before it sets it: it has to overwrite \(self\.dW = \.\.\., not \+=\)"
    with pytest.raises(ContractError, match=said):
        check_layer(Adds(4, 3, rng=0), X)
    with pytest.raises(GradientError, match=said):
        gradcheck(Adds(4, 3, rng=0), X)
    model = Sequential(Adds(4, 3, rng=0))
    with pytest.raises(ValueError, match=said):
        trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1))
        trainer.fit((X.astype(np.float32), np.arange(len(X)) % 3), epochs=1, progress=False)

    class Other(Dense):
        def backward(self, dy):
            return dy @ self.V

    for check in (check_layer, gradcheck):
        with pytest.raises(AttributeError, match="'V'"):
            check(Other(4, 3, rng=0), X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_input_that_is_not_finite_is_refused(value):
    x = X.copy()
    x[1, 2] = value
    for strange in (x, scipy.sparse.csr_matrix(x)):
        with pytest.raises(ValueError, match="check_layer needs finite numbers: x holds NaN or infinity"):
            check_layer(Dense(4, 3), strange)


def test_a_parameter_that_is_assigned_anew_is_named():
    class Clips(Dense):
        def forward(self, x):
            self.W = np.clip(self.W, -10, 10)  # the same numbers: only a replica tells
            return super().forward(x)

    with pytest.raises(ContractError, match=r"assigns the parameter W anew.* write into it"):
        check_layer(Clips(X.shape[1], 2, rng=0), X)


class TooLong(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = np.append(self.db, self.db[:1])
        return dx


class Upcasts(Squash):
    def forward(self, x):
        y = super().forward(x)
        return y.astype(np.float64) if self.training else y


class WrongInTraining(Standardize):
    def backward(self, dy):
        dx = super().backward(dy)
        return 2 * dx if self._cache[2] else dx


class LosesExample(Squash):
    def forward(self, x):
        return super().forward(x)[1:]


class ReturnsList(Squash):
    def forward(self, x):
        return super().forward(x).tolist()


class Stumbles(Squash):
    def backward(self, dy):
        return {"dx": super().backward(dy)}["dx"] if self._cache is not None else {}["dx"]


class ReplicaMoves(Squash):
    """Making a replica changes the original, in the thirteenth digit."""

    def replica(self):
        twin = super().replica()
        self.moved = 1e-13
        return twin

    def forward(self, x):
        return super().forward(x) * (1 + getattr(self, "moved", 0))


class SharedCount(Squash):
    """A replica's forward changes the original's dx, in the thirteenth digit."""

    def __init__(self):
        self.box = [0]

    def forward(self, x):
        self.box[0] += 1
        self.mine = self.box[0]
        return super().forward(x)

    def backward(self, dy):
        return super().backward(dy) * (1 if self.box[0] == self.mine else 1 + 1e-13)


class StopsEarly(Dense):
    """When nobody needs dx it forgets the parameters too."""

    def backward(self, dy):
        return super().backward(dy) if self.needs_dx else None


class UpcastsInEvaluation(Squash):
    def forward(self, x):
        y = super().forward(x)
        return y if self.training else y.astype(np.float64)


class UpcastsBack(Squash):
    def backward(self, dy):
        return super().backward(dy).astype(np.float64)


class Stubborn(Dense):
    """Learns on when all of it is frozen."""

    def backward(self, dy):
        dx = super().backward(dy)
        if set(self.frozen) == {"W", "b"}:
            self.dW = np.zeros_like(self.W)
        return dx


class LosesTheOnlyDx(Squash):
    def backward(self, dy):
        dx = super().backward(dy)
        return dx[:0] if len(dx) == 1 else dx


class OneBuffer(Dense):
    """Its replicas write their gradients into the same array."""

    def __init__(self, inputs, outputs, bias=True, rng=None):
        super().__init__(inputs, outputs, bias, rng)
        self.buffers_of = {}

    def backward(self, dy):
        dx = super().backward(dy)
        if self._learns("W"):
            self.dW = self.buffers_of.setdefault("W", np.empty_like(self.dW))
            self.dW[...] = self._cache.T @ dy
        return dx


class Downcasts(Squash):
    def forward(self, x):
        return super().forward(x).astype(np.float32)


class Touches(Squash):
    """Writes into x what stood there already."""

    def forward(self, x):
        x += 0
        return super().forward(x)


class LooseInFloat32(Squash):
    """A path of its own for float32 in another memory order, wrong by a fiftieth."""

    def forward(self, x):
        wrong = x.dtype == np.float32 and not x.flags.c_contiguous
        return super().forward(x) * x.dtype.type(1.02 if wrong else 1)


class SecondBackward(Squash):
    """The third call of backward differs in the thirteenth digit."""

    calls = 0

    def backward(self, dy):
        self.calls += 1
        return super().backward(dy) * (1 + (1e-13 if self.calls == 3 else 0))


class NeedsManyToTrain(Squash):
    def forward(self, x):
        return super().forward(x) * (np.nan if self.training and len(x) == 1 else 1)


class WrongInEvaluation(Dense):
    def backward(self, dy):
        return super().backward(dy) * (1 if self.training else 2)


class Unnamed(Dense):
    """Learns a scale that it does not name; h and dh are only kept."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, rng=0)
        self.scale = np.ones(1)

    def forward(self, x):
        self.h = super().forward(x)
        return self.h * self.h.dtype.type(self.scale[0])

    def backward(self, dy):
        self.dh, self.dscale = dy, np.array([(dy * self.h).sum()])
        return super().backward(dy * dy.dtype.type(self.scale[0]))


class Kept(Squash):
    """Keeps beside its values h what they get, dh, and two arrays whose names differ by a letter that is no d."""

    def __init__(self):
        super().__init__()
        self.low, self.slow = np.zeros(1), np.ones(1)

    def forward(self, x):
        self.h = super().forward(x)
        return self.h.copy()

    def backward(self, dy):
        self.dh = dy
        return super().backward(dy)


def test_what_a_pass_keeps_beside_its_gradient_need_not_be_named():
    layer = Kept()
    layer.forward(X)
    check_layer(layer, X)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Unnamed(4, 3), "scale has a gradient and is not named in `parameters`: nobody trains it"),
        (Downcasts(), "forward turns float64 into float32"),
        (UpcastsInEvaluation(), "forward turns float32 into float64"),
        (UpcastsBack(), "backward turns float32 into float64"),
        (Stubborn(4, 3), "a gradient of W appears when parameters are frozen"),
        (LosesTheOnlyDx(), r"a single example: dx has the shape \(0, 4\)"),
        (OneBuffer(4, 3), "a replica shares the gradient of W"),
        (mumbles(5), "an empty batch raises without saying why"),
        (LooseInFloat32(), "y differs for transposed"),
        (SecondBackward(), "dx differs when backward is called again"),
        (NeedsManyToTrain(), "a single example gives NaN or infinity"),
        (ReplicaMoves(), "y differs in a copy of the same layer"),
        (SharedCount(), "dx differs after a replica ran in between"),
        (StopsEarly(4, 3), "gradient of W is missing or of another shape when nobody needs dx"),
        (SlightlyOff(), "differs for transposed"),
        (OffForStrangeDy(), "dx differs for a transposed"),
        (Drifts(), "differs between two evaluations"),
        (DriftsLater(), "differs after an evaluation in between"),
        (BiasAnyway(4, 3), "with bias=False no parameter is None"),
        (grown(), r"rebuilding changes the arrays from .*\(5,\).* to .*\(2,\)"),
        (NeedsManyInTraining(), "a single example gives NaN or infinity"),
        (mumbles(20), "an empty batch raises without saying why"),
        (ForgetsGradient(4, 3), "gradient of W is missing or of another shape for transposed"),
        (Shortens(4, 3), "gradient of b is missing or of another shape for transposed"),
        (Lengthens(4, 3), "gradient of b is missing or of another shape for transposed"),
        (TooLong(4, 3), r"the gradient of b has shape \(4,\)"),
        (Upcasts(), "forward turns float32 into float64"),
        (LosesExample(), "the first axis is the batch"),
        (ReturnsList(), "the first axis is the batch"),
        (Stumbles(), "backward before forward has to raise, got KeyError: 'dx'; begin backward"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_small_and_rare_breaks_are_named(layer, said):
    with pytest.raises(ContractError, match=f"^{type(layer).__name__}.*{said}"):
        check_layer(layer, X)


def test_a_reason_of_a_few_words_will_do():
    check_layer(mumbles(21), X)


def test_a_gradient_that_is_wrong_in_training_only():
    with pytest.raises(GradientError):
        check_layer(WrongInTraining(4), X)


def test_a_layer_that_writes_into_its_input_is_caught_even_if_nothing_changes():
    with pytest.raises(ValueError, match="read-only"):
        check_layer(Touches(), X)


def test_a_gradient_that_is_wrong_in_evaluation_only():
    with pytest.raises(GradientError):
        check_layer(WrongInEvaluation(4, 3), X)


def test_a_layer_that_was_used_before_keeps_the_contract():
    layer = Sequential(Dense(4, 3), Squash())
    layer.forward(X.astype(np.float32))
    layer.backward(np.ones((5, 3), np.float32))
    check_layer(layer, X)


def test_a_layer_of_several_lines_is_named_by_its_class():
    with pytest.raises(ContractError, match=r"^Sequential: "):
        check_layer(Sequential(Squash(), Drifts()), X)
    with pytest.raises(ContractError, match=r"^BiasAnyway\(4, 3\): "):
        check_layer(BiasAnyway(4, 3), X)


class WritesLastRows(Lookup):
    """The rows that it returned last become those of the next batch, which has an array of its own nevertheless."""

    last = None

    def forward(self, x):
        y = super().forward(x)
        if self.last is not None and self.last.shape == y.shape:
            self.last[...] = y
        self.last = y
        return y


def test_another_batch_of_tokens_is_another_one():
    with pytest.raises(ContractError, match="the next forward overwrote the last y"):
        check_layer(WritesLastRows(7, 3), np.array([[0, 1, 1], [6, 1, 0]]))


class Thousandfold(Plain):
    """Input that does not lie row after row comes out different by a number of its own."""

    def __init__(self, off):
        self.off = off

    def forward(self, x):
        self._cache = x.shape
        return 1000 * x + (0 if x.flags.c_contiguous else self.off)

    def backward(self, dy):
        self._expect_dy(dy, self._recall())
        return 1000 * dy


def test_differences_are_small_or_large_beside_the_largest_number():
    x = X * (1 / np.abs(X).max())
    x[0, 0] = 1e-3  # comes out as 1, beside a largest number of 1000
    check_layer(Thousandfold(5e-9), x)
    with pytest.raises(ContractError, match="y differs for transposed"):
        check_layer(Thousandfold(2e-8), x)


class UndefinedInEvaluation(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        if not self.training and len(dy) > 1 and self._learns("b"):
            self.db = np.full_like(self.db, np.nan)
        return dx


def test_what_is_undefined_twice_does_not_differ():
    check_layer(UndefinedInEvaluation(4, 3), X, gradients=False)


def test_a_draw_from_the_global_generator_is_seen_whatever_was_drawn_before():
    class Noisy(Layer):
        def forward(self, x):
            np.random.rand()  # noqa: NPY002
            self._cache = x
            return x.copy()

        def backward(self, dy):
            self._recall()
            return dy.copy()

    np.random.seed(0), np.random.rand()  # noqa: NPY002
    with pytest.raises(ContractError, match="draws from NumPy's global generator"):
        check_layer(Noisy(), np.random.default_rng(0).standard_normal((4, 3)))


def test_what_still_learns_beside_a_frozen_parameter_has_a_gradient():
    class Hasty(Linear):
        def backward(self, dy):
            dx = super().backward(dy)
            if not self._learns("W") and self._learns("b"):
                del self.db
            return dx

    with pytest.raises(ContractError, match="the gradient of b is missing when W is frozen"):
        check_layer(Hasty(3, 2, rng=0), np.random.default_rng(0).standard_normal((4, 3)))
