"""What a run is refused for before any work is done: layers and losses of another type, inputs without rows."""

import collections
import math
import types

import numpy as np
import pytest
import scipy.sparse

from minnet.large_vocabulary import HierarchicalSoftmax
from minnet.layers import ReLU, Sequential
from minnet.layers.base import Layer
from minnet.layers.linear import Linear
from minnet.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.predictor import Predictor
from minnet.sharing import plan
from minnet.training import Trainer, predict

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(20, 4)).astype(np.float32), RNG.integers(3, size=20)


def fit(model, loss=None, x=X, y=LABELS):
    Trainer(model, loss or SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((x, y), epochs=1, progress=False)


class Times(Layer):
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dy):
        return dy * self.factor


def test_a_layer_that_changes_the_type_is_told_of():
    with pytest.raises(ValueError, match=r"computes in float32 and gives scores of float64: a layer of your own"):
        fit(Sequential(Linear(4, 3, rng=0), Times(np.sqrt(2))))
    fit(Sequential(Linear(4, 3, rng=0), Times(math.sqrt(2))))
    fit(Sequential(Linear(4, 3, rng=0), Times(np.sqrt(2))).astype(np.float64), x=X.astype(np.float64))


class Distance(Loss):
    """Half the squared distance of each score to the label, in a type, or of a shape, that may be wrong."""

    def __init__(self, spoil):
        self.spoil = spoil

    def forward(self, scores, targets, weights=None, denominator=None):
        w = np.ones(len(scores)) if weights is None else weights
        w = (w / (len(scores) if denominator is None else denominator))[:, None]
        self._cache = self.spoil(w * (scores - targets[:, None])), scores.dtype
        return float((w * (scores - targets[:, None]) ** 2).sum() / 2)

    def backward(self):
        return self._cache[0]


def test_a_loss_whose_gradient_is_of_another_type_or_shape_is_told_of():
    model = Sequential(Linear(4, 3, rng=0))
    with pytest.raises(ValueError, match=r"Distance.* backward gives float64 \(2, 3\) for scores of float32.*astype"):
        fit(model, Distance(lambda gradient: gradient))
    with pytest.raises(ValueError, match=r"Distance.* backward gives float32 \(3,\) for scores of float32 \(2, 3\)"):
        fit(model, Distance(lambda gradient: gradient.sum(axis=0).astype(np.float32)))
    fit(model, Distance(lambda gradient: gradient.astype(np.float32)))


class Slips(Loss):
    """The mean score; forward and backward make the slip that is asked for."""

    def __init__(self, slip):
        self.slip = slip

    def forward(self, scores, targets, weights=None, denominator=None):
        value = float(scores.sum()) / (len(scores) if denominator is None else denominator)
        self._cache = np.full_like(scores, 1 / len(scores))
        return {"none": None, "array": np.array([value])}.get(self.slip, value)

    def backward(self):
        return None if self.slip == "backward" else self._cache


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("none", r"Slips\('none'\): forward returned None: is its return missing\?"),
        ("array", r"Slips\('array'\): forward returned numbers \(1,\): a loss is one number"),
        ("backward", r"Slips\('backward'\): backward returned None: is its return missing\?"),
    ],
)
def test_slips_in_a_loss_of_ones_own_are_named(slip, said):
    with pytest.raises(ValueError, match=said):
        fit(Sequential(Linear(4, 3, rng=0)), Slips(slip))


class Contrast(Loss):
    """Each example's score against the mean of the batch, or against a fixed number."""

    def __init__(self, batch=True):
        self.batch, self.sizes = batch, set()

    def forward(self, scores, targets, weights=None, denominator=None):
        if len(scores) == 1 and self.batch is None:
            raise IndexError("no other example")
        self._cache = (scores - (scores.mean(axis=0) if self.batch else 1)) / (denominator or len(scores))
        if self.training:
            self.sizes.add(len(scores))
        return float((self._cache**2).sum() / 2 * (denominator or len(scores)))

    def backward(self):
        return self._cache


def test_a_loss_that_compares_examples_gets_its_batches_whole():
    def fit(loss, batch_size=6, **how):
        model = Sequential(Linear(4, 3, rng=0))
        it = Trainer(model, loss, SGD(model, 0.1), **how)
        it.fit((X[:19], LABELS[:19]), epochs=1, batch_size=batch_size, progress=False)
        return it.run["piece"], loss.sizes

    said = r"Contrast\(\) adds up to 0 over two examples alone, and is [0-9.]+ for both together.*workers=1, piece=6"
    for cut in ({"workers": 2}, {"workers": 1, "piece": 3}):
        with pytest.raises(ValueError, match=said):
            fit(Contrast(), **cut)
        fit(Contrast(batch=False), **cut)
    for whole in ({}, {"workers": 1}, {"workers": 1, "piece": 6}):
        assert fit(Contrast(), **whole) == (6, {6, 7})  # the last batch takes in the one that is left over
        fit(Contrast(batch=None), **whole)
    assert fit(Contrast(), batch_size=1)[0] == 1
    with pytest.raises(
        ValueError,
        match=r"Contrast\(batch=None\) fails on a batch of 1, with which it is tried: no other.*give Trainer workers=1",
    ):
        fit(Contrast(batch=None), workers=2)


class NoReturn(Layer):
    def __init__(self):
        self.inner = Linear(4, 3, rng=0)

    def forward(self, x):
        self.inner.forward(x)


def test_a_model_that_returns_nothing_is_named():
    said = r"NoReturn\(\): forward returned None: is its return missing\?"
    for act in (lambda: fit(NoReturn()), lambda: predict(NoReturn(), X), lambda: NoReturn().summary((4,))):
        with pytest.raises(ValueError, match=said):
            act()


class Both(Layer):
    def __init__(self):
        self.inner = Linear(4, 3, rng=0)

    def forward(self, x):
        return self.inner.forward(x), x


def test_a_model_that_returns_two_arrays_is_named():
    said = r"Both\(\): forward returned tuple, where one array is expected"
    for act in (lambda: fit(Both()), lambda: predict(Both(), X)):
        with pytest.raises(ValueError, match=said):
            act()


class Rows:
    """What has rows, and no shape."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index]


@pytest.mark.parametrize("x", [(X[:, :2], X[:, 2:]), [X[:, :2], X[:, 2:]], {"a": X}, X.tolist()])
def test_inputs_that_are_no_array_are_refused(x):
    with pytest.raises(
        ValueError, match=r"training inputs must be a NumPy array, got \w+: .* a layer of your own cuts apart"
    ):
        fit(Sequential(Linear(4, 3)), x=x)


@pytest.mark.parametrize("n", [2, 5, 600])
def test_inputs_of_a_wrong_shape_are_named_by_the_shape_given(n):
    model, wrong, said = Sequential(ReLU(), Linear(4, 3)), np.zeros((n, 7), np.float32), rf"got \({n}, 7\)"
    for ask in (lambda: predict(model, wrong), lambda: Predictor(model)(wrong)):
        with pytest.raises(ValueError, match=said):
            ask()
    with pytest.raises(ValueError, match=said):
        fit(model, x=wrong, y=np.zeros(n, int))
    with pytest.raises(ValueError, match=r"expects \(N, 3\), got \(1, 5\)"):  # where another shape came in
        predict(Sequential(Linear(7, 5), Linear(3, 2)), wrong)


def test_validation_inputs_without_a_shape_are_refused_before_the_first_epoch():
    model = Sequential(Linear(4, 3, rng=0))
    fit(model, x=Rows())
    with pytest.raises(ValueError, match="the validation inputs are an array or a CSR matrix, got Rows"):
        Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((X, LABELS), (Rows(), LABELS), progress=False)


def test_integers_that_are_no_labels_are_the_losss_affair():
    ages = np.arange(20) + 30
    fit(Sequential(Linear(4, 1, rng=0)), Distance(lambda gradient: gradient.astype(np.float32)), y=ages)

    class Judges(Distance):
        def hits(self, scores, targets):
            return 0, len(scores)

    with pytest.raises(ValueError, match=r"the training labels run from 30 to 49, .* labels must be 0\.\.2"):
        fit(Sequential(Linear(4, 3, rng=0)), Judges(lambda gradient: gradient.astype(np.float32)), y=ages)
    with pytest.raises(ValueError, match=r"the training labels run from 30 to 49, .* labels must be 0\.\.7"):
        fit(Sequential(Linear(4, 3, rng=0)), HierarchicalSoftmax(3, np.ones(8)).freeze(), y=ages)


def test_names_of_a_losss_parameters_that_are_no_tuple_are_told_when_the_class_is_made():
    with pytest.raises(ValueError, match=r"Loud\.parameters is a tuple of names"):
        type("Loud", (Distance,), {"parameters": "W"})


def test_where_nothing_can_learn_nothing_is_done():
    model = Sequential(Linear(4, 3, rng=0))
    model.freeze()
    with pytest.raises(ValueError, match=r"nothing would learn: every parameter is frozen, see model\.unfreeze"):
        fit(model)
    model.unfreeze()
    model[0].freeze("W")
    fit(model)
    with pytest.raises(ValueError, match="nothing would learn: the model has no parameters"):
        fit(Sequential(ReLU()), y=LABELS % 4)


class Passes(Layer):
    """Gives x through a Linear of its own, and holds something besides."""

    __slots__ = ("hidden",)

    def __init__(self, held=None, hidden=None):
        self.linear, self.held = Linear(4, 3, rng=0), held
        self.hidden = hidden

    def forward(self, x):
        return self.linear.forward(x)

    def backward(self, dy):
        return self.linear.backward(dy)


HELD = {
    "slots": lambda layer: Passes(hidden=layer),
    "object": lambda layer: Passes({"a": [types.SimpleNamespace(layer=layer)]}),
    "deque": lambda layer: Passes(collections.deque([layer])),
    "set": lambda layer: Passes({layer}),
    "deep": lambda layer: Passes({"a": [[[layer]]]}),
    "one name": lambda layer: Passes({0: layer, "0": ReLU()}),
    "one place": lambda layer: Passes({"a.b": layer, "a": {"b": ReLU()}}),
}


@pytest.mark.parametrize("how", HELD)
def test_a_layer_that_nobody_would_train_is_told_of(how):
    model = Sequential(HELD[how](Linear(4, 3, rng=1)))
    with pytest.raises(ValueError, match=r"Passes\(.*\) holds Linear\(4, 3\) where nobody would train or save it"):
        fit(model)


def test_layers_that_are_no_part_of_the_model_may_be_held():
    class Guided(Passes):
        def children(self):
            return {"linear": self.linear}

    teacher = Sequential(Linear(4, 3, rng=2))
    for model in (Guided(teacher), Passes(Predictor(teacher)), Passes(lambda x: teacher.forward(x)), Passes(Linear)):
        fit(model)
    model = Passes()
    model._cache = collections.deque([ReLU()])  # what one pass keeps for its backward
    fit(model)


class Centred(Layer):
    def forward(self, x):
        x -= x.mean()
        self._cache = ()
        return x

    def backward(self, dy):
        return dy


def test_a_layer_that_works_in_place_spares_the_data():
    model, x = Sequential(Centred(), Linear(4, 3, rng=0)), X.copy()
    for act in (
        lambda: fit(model, x=x),
        lambda: predict(model, x),
        lambda: predict(model, x[:1]),
        lambda: Predictor(model)(x[:2]),
        lambda: plan(model, x[:1], 8),
    ):
        with pytest.raises(ValueError, match=r"^Centred: forward changes its input: write x = x - \.\.\. instead of"):
            act()
    model = Sequential(Linear(4, 3, rng=0))
    model.forward = lambda x: np.negative(x, out=x)
    with pytest.raises(ValueError, match=r"^the model: forward changes its input"):
        Predictor(model)(x[:2])
    assert np.array_equal(x, X) and x.flags.writeable


def test_sparse_inputs_without_rows_are_refused():
    with pytest.raises(ValueError, match=r"must be a CSR matrix.*: coo_array\.tocsr\(\)"):
        fit(Sequential(Linear(4, 3, rng=0)), x=scipy.sparse.coo_array(X))
    fit(Sequential(Linear(4, 3, rng=0)), x=scipy.sparse.csr_array(X))


def test_labels_of_a_single_yes_or_no_are_not_its_number():
    for labels in (np.zeros(20, int), LABELS % 2):
        with pytest.raises(ValueError, match=r"SigmoidCrossEntropy.* y\[:, None\]\.astype"):
            fit(Sequential(Linear(4, 1, rng=0)), SigmoidCrossEntropy(), y=labels)
    fit(Sequential(Linear(4, 1, rng=0)), SigmoidCrossEntropy(), y=(LABELS % 2)[:, None].astype(np.float32))
