"""Many workers give what one gives: the same gradient, the same statistics, and the same bits when run again."""

import math
import random
import signal
import threading
import time
import traceback

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_info, threadpool_limits

from minnet import blas
from minnet.blas import at_most_blas_threads, blas_controller
from minnet.functional import NoDistribution
from minnet.layers import (
    GELU,
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    Linear,
    MaskedSequential,
    MaxPool2d,
    Normalize,
    ReLU,
    RowGradient,
    Sequential,
    Softmax,
    Tanh,
)
from minnet.losses import SoftmaxCrossEntropy
from minnet.models import cnn6
from minnet.optimizers import SGD
from minnet.randomness import seed_layers
from minnet.sharing import Plan
from minnet.training import Trainer
from minnet.workers import Batch, Crew
from tests.drawing import normal

KEY = (0, 0, 0)  # seed, epoch, step


def labels(count, classes=3, seed=5):
    return np.random.default_rng(seed).integers(0, classes, count)


def dense(gradient, shape):
    return gradient.dense(shape) if isinstance(gradient, RowGradient) else gradient


def close(actual, expected):
    """To 1e-12 of the largest number: only the order of the sums differs."""
    assert np.abs(actual - expected).max() <= 1e-12 * np.abs(expected).max()


# -- the same gradient ---------------------------------------------------------------------------------------------


def cnn():
    return Sequential(
        Conv2d(2, 16, 3, padding=1, rng=0), BatchNorm(16), GELU(), Conv2d(16, 16, 3, padding=1, bias=False, rng=1),
        ReLU(), MaxPool2d(2), Dropout(0.5), Flatten(), Linear(16 * 3 * 2, 3, rng=2),
    )  # fmt: skip


def text_cnn():
    return MaskedSequential(Embedding(9, 4, padding_idx=0, rng=0), GlobalMaxPool(), Linear(4, 3, rng=1))


TEXTS = np.random.default_rng(1).integers(0, 9, (13, 5))
CASES = {
    "images": (cnn, normal(13, 6, 5, 2)),
    "rows": (lambda: Sequential(Linear(6, 8, rng=0), Tanh(), Linear(8, 3, rng=1)), normal(13, 6)),
    "sparse rows": (lambda: Sequential(Linear(30, 3, rng=0)), scipy.sparse.random(
        13, 30, 0.2, format="csr", rng=np.random.default_rng(0))),
    "texts": (text_cnn, TEXTS),
    "bags": (lambda: Sequential(EmbeddingBag(9, 4, rng=0), Linear(4, 3, rng=1)), TEXTS),
}  # fmt: skip
LOSSES = {
    "plain": ({}, False),
    "class weights": ({"class_weights": [0.2, 3, 1]}, False),
    "everything": ({"class_weights": [0.2, 3, 1], "label_smoothing": 0.1, "ignore_index": 2}, True),
}


@pytest.mark.parametrize("settings", LOSSES.values(), ids=list(LOSSES))
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("chosen", [Plan(1, 4), Plan(2, 100), Plan(2, 3), Plan(3, 2)], ids=str)
def test_workers_give_the_gradient_of_the_whole_batch(case, settings, chosen):
    """13 examples: an odd rest for every plan. Batch norm and dropout are in evaluation: they see single examples."""
    make, x = case
    arguments, weighted = settings
    y = labels(13)
    weights = np.linspace(0, 2, 13) if weighted else None
    alone, criterion = make().astype(np.float64).eval(), SoftmaxCrossEntropy(**arguments)
    scores = alone.forward(x)
    loss = criterion.forward(scores, y, weights)
    alone.backward(criterion.backward())

    model = make().astype(np.float64).eval()
    order = np.random.default_rng(3).permutation(13)
    with Crew(model, SoftmaxCrossEntropy(**arguments), chosen) as crew:
        batch = Batch(x, order, y[order], None if weights is None else weights[order])
        outcome = crew.step(batch, KEY)
        predicted = crew.predict(x)
    assert outcome.loss == pytest.approx(loss, rel=1e-13)
    counted = y != arguments.get("ignore_index")
    assert outcome.correct == (scores.argmax(axis=1) == y)[counted].sum() and outcome.counted == counted.sum()
    close(predicted, scores)
    expected = alone.named_gradients()
    for place, array in model.named_parameters().items():
        close(dense(model.named_gradients()[place], array.shape), dense(expected[place], array.shape))
        assert type(model.named_gradients()[place]) is type(expected[place])


def test_a_second_step_does_not_remember_the_first():
    model = cnn().astype(np.float64).eval()
    x, y = CASES["images"][1], labels(13)
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 3)) as crew:
        first = crew.step(Batch(x, np.arange(13), y), KEY)
        gradients = {place: gradient.copy() for place, gradient in model.named_gradients().items()}
        crew.step(Batch(x, np.arange(7), y[:7]), (0, 0, 1))
        again = crew.step(Batch(x, np.arange(13), y), (0, 0, 2))
    assert first == again
    for place, gradient in model.named_gradients().items():
        np.testing.assert_array_equal(gradient, gradients[place])


def test_a_changed_weight_is_seen_by_every_worker():
    model = Sequential(Linear(2, 2, rng=0)).eval()
    x = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 2)) as crew:
        crew.predict(x)
        model[0].W[...] = [[1, 2], [3, 4]]
        assert crew.predict(x).tolist() == [[1, 2], [3, 4], [1, 2], [3, 4]]


class Counts(Layer):
    """Remembers how many examples it saw, and assigns that anew."""

    buffers = ("seen",)

    def __init__(self):
        self.seen = np.zeros(1, np.float32)

    def forward(self, x):
        self.seen = self.seen + len(x)
        return x

    def backward(self, dy):
        return dy


@pytest.mark.parametrize("chosen", [Plan(1, 4), Plan(2, 2)])
def test_a_buffer_that_the_model_never_sees_is_told_of(chosen):
    model = Sequential(Linear(2, 2, rng=0), Counts())
    batch = Batch(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], np.arange(4), np.array([0, 1, 1, 0]))
    said = r"assigns the buffer '1\.seen' anew.* self\.seen\[\.\.\.\] ="
    with Crew(model, SoftmaxCrossEntropy(), chosen) as crew, pytest.raises(ValueError, match=said):
        crew.step(batch, (0, 0, 0))
    model[1].seen = None  # nothing yet, and then something: the model would not see that either
    said = r"assigns the buffer '1\.seen' anew.*: make it in __init__"
    with Crew(model, SoftmaxCrossEntropy(), chosen) as crew, pytest.raises(ValueError, match=said):
        for replica in crew.replicas:
            replica.model[1].seen = 0
        crew.step(batch, (0, 0, 0))


class Clipped(Linear):
    """Keeps its weights in [-1, 1] by assigning them anew, or makes them only when it sees an input."""

    def forward(self, x):
        self.W = np.eye(2, dtype=np.float32) if self.W is None else np.clip(self.W, -1, 1)
        return super().forward(x)


@pytest.mark.parametrize("chosen", [Plan(1, 4), Plan(2, 2)])
def test_a_parameter_that_the_model_never_sees_is_told_of(chosen):
    batch = Batch(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], np.arange(4), np.array([0, 1, 1, 0]))
    model = Sequential(Linear(2, 2, rng=0), Clipped(2, 2, rng=0))
    said = r"assigns the parameter '1\.W' anew.* self\.W\[\.\.\.\] ="
    with Crew(model, SoftmaxCrossEntropy(), chosen) as crew, pytest.raises(ValueError, match=said):
        crew.step(batch, KEY)
    model[1].W = None
    said = r"assigns the parameter '1\.W' anew.*: make it in __init__"
    with Crew(model, SoftmaxCrossEntropy(), chosen) as crew, pytest.raises(ValueError, match=said):
        crew.step(batch, KEY)


class Late(Layer):
    """Makes its layer in the first pass that it is asked for."""

    def __init__(self, in_training_only):
        self.in_training_only, self.linear = in_training_only, None

    def forward(self, x):
        if self.linear is None and (self.training or not self.in_training_only):
            self.linear = Linear(x.shape[1], 3, rng=0)
        return x if self.linear is None else self.linear.forward(x)

    def backward(self, dy):
        return self.linear.backward(dy)


@pytest.mark.parametrize("in_training_only", [False, True])
def test_a_layer_that_the_model_never_sees_is_told_of(in_training_only):
    model = Sequential(Linear(4, 3, rng=0), Late(in_training_only))
    x = normal(8, 4).astype(np.float32)
    said = r"forward makes '1\.linear', a layer the model never sees: make it in __init__"
    with pytest.raises(ValueError, match=said):
        Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((x, np.arange(8) % 3), progress=False)
    assert "1.linear.W" not in model.named_parameters()


class Shifted(Linear):
    """Learns a shift that it does not name; h and dh are only kept."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features, rng=0)
        self.shift = np.zeros(out_features, np.float32)

    def forward(self, x):
        self.h = super().forward(x)
        return self.h + self.shift

    def backward(self, dy):
        self.dh, self.dshift = dy, dy.sum(axis=0)
        return super().backward(dy)


def test_an_array_that_has_a_gradient_and_no_name_is_told_of():
    model, x = Sequential(Linear(4, 3, rng=0), Shifted(3, 3)), normal(8, 4).astype(np.float32)
    before = model[0].W.copy()
    with pytest.raises(ValueError, match=r"'1\.shift' has a gradient and is not named in `parameters`"):
        Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((x, np.arange(8) % 3), progress=False)
    np.testing.assert_array_equal(model[0].W, before)
    model[1].parameters = ("W", "b", "shift")
    Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)).fit((x, np.arange(8) % 3), progress=False)


class Cooling(Layer):
    """Notes beside its temperature what only backward reads, and makes a layer anew in every pass."""

    def __init__(self, tau):
        self.tau, self.rows, self.width = tau, 0, None

    def forward(self, x):
        self.rows, self.width, self.relu = len(x), x.shape[1], ReLU()
        if self.training:
            self.tau = max(1.0, 0.5 * self.tau)
        return x / self.tau

    def backward(self, dy):
        return dy / self.tau


def test_a_number_that_the_model_never_sees_is_told_of():
    def fit(layer, loss):
        model, x = Sequential(Linear(4, 3, rng=0), layer), normal(8, 4).astype(np.float32)
        how = {"epochs": 2, "batch_size": 5, "progress": False}  # two batches an epoch: of 5 and of 3
        Trainer(model, loss, SGD(model, 0.1), workers=2, piece=3).fit((x, np.arange(8) % 3), **how)

    said = r"'1\.tau' goes from 2\.5 to 1\.25 in a replica only, and is lost with it: keep what has to last in an array"
    with pytest.warns(UserWarning, match=said) as told:
        fit(Cooling(5.0), SoftmaxCrossEntropy())
    assert len(told) == 1
    fit(Cooling(1.0), SoftmaxCrossEntropy())
    kept = Cooling(1.0)
    kept.unknown = math.nan  # which is not equal to itself
    fit(kept, SoftmaxCrossEntropy())

    class Patient(SoftmaxCrossEntropy):
        asked = 0

        def forward(self, scores, targets, weights=None, denominator=None):
            self.asked = self.asked + 1
            return super().forward(scores, targets, weights, denominator)

    with pytest.warns(UserWarning, match=r"'loss\.asked' goes from 1 to 2 .* what only backward reads in self\._cache"):
        fit(Cooling(1.0), Patient())


def test_a_loss_assigns_no_buffer_anew_either():
    class Counting(SoftmaxCrossEntropy):
        buffers = ("seen",)

        def __init__(self):
            super().__init__()
            self.seen = np.zeros(1, np.float32)

        def forward(self, scores, targets, weights=None, denominator=None):
            self.seen = self.seen + len(scores)
            return super().forward(scores, targets, weights, denominator)

    batch = Batch(np.eye(2, dtype=np.float32), np.arange(2), np.array([0, 1]))
    said = r"assigns the buffer 'loss\.seen' anew"
    with Crew(Sequential(Linear(2, 2, rng=0)), Counting(), Plan(1, 2)) as crew, pytest.raises(ValueError, match=said):
        crew.step(batch, (0, 0, 0))


def test_a_buffer_may_be_absent():
    class Absent(Counts):
        def __init__(self):
            self.seen = None

        def forward(self, x):
            return x

    x, y = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], np.array([0, 1, 1, 0])
    model = Sequential(Linear(2, 2, rng=0), Absent())
    Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=2).fit((x, y), epochs=1, progress=False)
    assert model[1].seen is None


class TwoBiases(Layer):
    """Both of whose biases have the same gradient, one array: as in a recurrent layer."""

    parameters = ("b1", "b2")

    def __init__(self, features):
        self.features = features
        self.b1, self.b2 = np.zeros(features, np.float32), np.zeros(features, np.float32)

    def forward(self, x):
        self._cache = x.shape
        return x + self.b1 + self.b2

    def backward(self, dy):
        self.db1 = self.db2 = dy.sum(axis=0)
        return dy


def test_two_parameters_may_have_one_gradient():
    x = np.random.default_rng(0).standard_normal((12, 2))
    found = []
    for chosen in (Plan(1, 100), Plan(1, 3), Plan(2, 3), Plan(3, 2)):
        model = Sequential(TwoBiases(2), Tanh(), Linear(2, 3, rng=0)).astype(np.float64)
        with Crew(model, SoftmaxCrossEntropy(), chosen) as crew:
            crew.step(Batch(x, np.arange(12), labels(12)), KEY)
        found.append(model.named_gradients())
    for other in found[1:]:
        for place, gradient in found[0].items():
            close(other[place], gradient)


class Skipping(Layer):
    """A body that takes part only where the piece's first number is positive, as in stochastic depth."""

    def __init__(self, body):
        self.body = body

    def forward(self, x):
        self.on, self._cache = x[0, 0] > 0, x.shape
        return self.body.forward(x) if self.on else x

    def backward(self, dy):
        return self.body.backward(dy) if self.on else dy


@pytest.mark.parametrize("first", [1, -1])
def test_a_gradient_that_a_piece_does_not_set_is_asked_for(first):
    x = np.ones((8, 2), np.float32)
    x[:4] *= first
    x[4:] *= -first
    model = Sequential(Skipping(Linear(2, 2, rng=0)), Linear(2, 3, rng=1))
    said = r"'0\.body\.W': backward left NoneType as dW, where an array is expected: zeros where a layer took no part"
    with Crew(model, SoftmaxCrossEntropy(), Plan(1, 4)) as crew, pytest.raises(ValueError, match=said):
        crew.step(Batch(x, np.arange(8), labels(8)), KEY)


@pytest.mark.parametrize("behind", [(), (BatchNorm(2),)], ids=["none", "one"])
def test_workers_that_pass_different_batch_norms_do_not_wait_for_each_other(behind):
    x = np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32)
    x[0, 0], x[4, 0] = 1, -1
    model = Sequential(Skipping(Sequential(Linear(2, 2, rng=0), BatchNorm(2))), *behind, Linear(2, 3, rng=1))
    model[0].freeze()  # else it would be asked for the gradient of the piece that it skips
    said = r"exact_batch_norm: workers stand at batch norm 0 and (the end|batch norm 1), .* the same batch norms"
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 4), True) as crew, pytest.raises(ValueError, match=said):
        crew.step(Batch(x, np.arange(8), labels(8)), KEY)


def test_workers_do_not_race_for_a_buffer():
    class Watching(Counts):
        def forward(self, x):
            self.seen += len(x)
            return x

    x, y = np.ones((8, 2), np.float32), labels(8)
    for workers in (1, 2):
        model = Sequential(Linear(2, 3, rng=0), Watching())
        before = model[1].seen.copy()
        with Crew(model, SoftmaxCrossEntropy(), Plan(workers, 2)) as crew:
            if workers == 1:
                crew.step(Batch(x, np.arange(8), y), KEY)
                assert model[1].seen == before + 8
            else:
                with pytest.raises(
                    ValueError, match=r"write into the buffer '1\.seen', .* workers=1, or let the layer"
                ):
                    crew.step(Batch(x, np.arange(8), y), KEY)
                assert model[1].seen == before


def test_frozen_parameters_get_no_gradient():
    model = Sequential(Linear(6, 8, rng=0), Tanh(), Linear(8, 3, rng=1)).astype(np.float64)
    model[0].freeze("W")
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 3)) as crew:
        crew.step(Batch(normal(13, 6), np.arange(13), labels(13)), KEY)
    assert not hasattr(model[0], "dW") and model[0].db.shape == (8,)


# -- statistics of the whole batch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [Plan(1, 4), Plan(2, 100), Plan(2, 3), Plan(3, 2)], ids=str)
def test_running_statistics_are_those_of_the_whole_batch(chosen):
    """Of the first batch norm, whose input does not depend on the cut. A third one sees what pieces normalised."""
    x, y = 3 + normal(13, 4, 4, 2), labels(13)

    def make():
        return Sequential(
            Conv2d(2, 3, 1, rng=0), BatchNorm(3), ReLU(), Conv2d(3, 4, 1, rng=1), BatchNorm(4), Flatten(),
            Linear(4 * 16, 3, rng=2),
        ).astype(np.float64)  # fmt: skip

    whole, model = make(), make()
    with Crew(model, SoftmaxCrossEntropy(), chosen) as crew:
        for _ in range(3):
            crew.step(Batch(x, np.arange(13), y), KEY)
            whole.forward(x)
        notes = [norm.notes for replica in crew.replicas for norm in replica.noting]
        assert len(notes) == 2 * chosen.workers and not any(notes)  # used up
    close(model[1].running_mean, whole[1].running_mean)
    close(model[1].running_var, whole[1].running_var)
    assert np.abs(model[4].running_mean - whole[4].running_mean).max() < 0.1
    assert (model[4].running_mean != 0).all()


# -- the same bits -------------------------------------------------------------------------------------------------


def trained(seed, chosen, steps=3, exact=False, late=()):
    model = Sequential(
        Conv2d(2, 16, 3, padding=1, rng=0), BatchNorm(16), ReLU(), Dropout(0.3), Flatten(), Dropout(0.2),
        Linear(16 * 30, 3, rng=2),
    )  # fmt: skip
    x, y = normal(13, 6, 5, 2).astype(np.float32), labels(13)

    def augment(x, rng, epoch, indices):
        if indices[0] in late:
            time.sleep(0.02)
        return x + rng.standard_normal(x.shape, np.float32)

    losses = []
    with Crew(model, SoftmaxCrossEntropy(), chosen, exact) as crew:
        for step in range(steps):
            losses.append(crew.step(Batch(x, np.arange(13), y, None, augment), (seed, 0, step)).loss)
            for place, array in model.named_parameters().items():
                array -= 0.1 * model.named_gradients()[place]
    return losses, {**model.named_parameters(), **model.named_buffers()}


@pytest.mark.parametrize("chosen", [Plan(1, 100), Plan(2, 4), Plan(3, 2)], ids=str)
def test_same_seed_same_bits(chosen):
    losses, arrays = trained(1, chosen)
    again, same = trained(1, chosen)
    assert losses == again
    for place, array in arrays.items():
        np.testing.assert_array_equal(array, same[place])
    other, different = trained(2, chosen)
    assert other != losses and (different["0.W"] != arrays["0.W"]).any()


@pytest.mark.parametrize("exact", [False, True])
def test_the_bits_do_not_depend_on_who_is_late(exact):
    """Three workers, whose sums depend on their order; the first, the last or nobody is late."""
    ways = [trained(1, Plan(3, 5), exact=exact, late=late) for late in ((), (0, 1, 2), (8, 9, 10, 11, 12))]
    for losses, arrays in ways[1:]:
        assert losses == ways[0][0]
        for place, array in arrays.items():
            np.testing.assert_array_equal(array, ways[0][1][place])


def augmented(augment, model=None, x=None):
    x = np.ones((6, 2), np.float32) if x is None else x
    model = model or Sequential(Linear(2, 2))
    with Crew(model, SoftmaxCrossEntropy(), Plan(1, 6)) as crew:
        return crew.step(Batch(x, np.arange(6), labels(6, 2), None, augment), KEY)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (lambda *_: None, r"augment returned NoneType for x of \(6, 2\): an array of as many examples"),
        (lambda x, *_: (x, 3), "augment returned tuple for x"),
        (lambda x, *_: x[:5], r"augment returned \(5, 2\) for x of \(6, 2\)"),
        (lambda x, rng, *_: x + rng.normal(size=x.shape),
         r"augment turned float32 \(2,\) into float64 \(2,\): Linear.* computes in float32, got float64"),
        (lambda x, *_: np.repeat(x, 2, 1), r"augment turned float32 \(2,\) into float32 \(4,\): Linear.* got \(6, 4\)"),
    ],
)  # fmt: skip
def test_what_augment_did_is_not_blamed_on_the_model(augment, said):
    with pytest.raises(ValueError, match=said):
        augmented(augment)


def test_a_data_set_without_a_type_of_its_own_may_be_augmented():
    class Rows:
        def __getitem__(self, index):
            return np.ones((6, 2), np.float32)[index]

    with pytest.raises(ValueError, match="augment turned float32"):
        augmented(lambda x, *_: x.astype(np.float64), x=Rows())


def test_what_the_model_refuses_itself_is_not_blamed_on_augment():
    with pytest.raises(ValueError, match=r"^Linear"):
        augmented(lambda x, *_: x, x=np.ones((6, 3), np.float32))
    with pytest.raises(NoDistribution):  # which the Trainer makes a step that was not finite
        augmented(lambda x, *_: np.full((6, 2), -np.inf, np.float32), Softmax(), np.ones((6, 2)))


def test_augment_may_change_type_and_size_where_the_model_takes_both():
    model = Sequential(Normalize([0.0], [1.0]), GlobalAvgPool(), Linear(1, 2))
    x = np.ones((6, 4, 4, 1), np.uint8)
    assert np.isfinite(augmented(lambda x, rng, *_: (x + rng.random(x.shape))[:, 1:], model, x).loss)


def test_every_piece_of_every_step_draws_its_own_numbers():
    seen = {}

    def augment(x, rng, *_):
        seen.setdefault(len(seen), rng.integers(2**60))
        return x

    model = Sequential(Linear(2, 2))
    for seed, epoch, step in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)):
        with Crew(model, SoftmaxCrossEntropy(), Plan(1, 2)) as crew:
            crew.step(Batch(np.ones((6, 2), "f4"), np.arange(6), labels(6, 2), None, augment), (seed, epoch, step))
    assert len(seen) == len(set(seen.values())) == 12
    alone, drawn = set(list(seen.values())[:3]), []  # of (0, 0, 0): the same pieces draw the same, whoever takes them
    with Crew(model, SoftmaxCrossEntropy(), Plan(3, 2)) as crew:
        crew.step(
            Batch(np.ones((6, 2), "f4"), np.arange(6), labels(6, 2), None,
                  lambda x, rng, *_: (drawn.append(rng.integers(2**60)), x)[1]), (0, 0, 0)
        )  # fmt: skip
    assert set(drawn) == alone and len(drawn) == 3
    layers = [Dropout(), Dropout()]
    drawn = set()
    for key, number in (((0, 0, 0), 0), ((0, 0, 0), 1), ((0, 0, 1), 0), ((0, 1, 0), 0), ((1, 0, 0), 0)):
        seed_layers(layers, key, number)
        drawn |= {int(layer.rng.integers(2**60)) for layer in layers}
    assert len(drawn) == 10 and not drawn & set(seen.values())


class Noisy(Layer):
    def __init__(self, rng):
        self.rng, self.workspace = rng, "room 7"

    def forward(self, x):
        return x + self.rng.standard_normal(x.shape, np.float32)

    def backward(self, dy):
        return dy


class Looks(Layer):
    """Passes everything on to the layer inside, its attributes included."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        if name.startswith("__") or "inner" not in vars(self):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def forward(self, x):
        return self.inner.forward(x)

    def backward(self, dy):
        return self.inner.backward(dy)


def test_what_is_set_from_outside_is_what_it_seems():
    x = normal(8, 4).astype(np.float32)
    batch = Batch(x, np.arange(8), np.arange(8) % 3)

    def step(*layers):
        model = Sequential(Linear(4, 3, rng=0), *layers)
        with Crew(model, SoftmaxCrossEntropy(), Plan(2, 4)) as crew:
            crew.step(batch, (0, 0, 0))
            layers = [layer for _, layer in crew.replicas[0].model.walk()]
        return model, layers

    assert isinstance(step(Noisy(None))[1][2].rng, np.random.Generator)
    assert step(Noisy(np.random.default_rng(0)))[1][2].workspace == "room 7"
    for kind in (np.random.RandomState, random.Random, int, np.int64):
        with pytest.raises(ValueError, match=rf"Noisy\(\): rng is of type {kind.__name__}: use np\.random\.default"):
            step(Noisy(kind(0)))
    (plain, _), (wrapped, _) = step(BatchNorm(3), Dropout(0.5)), step(Looks(BatchNorm(3)), Looks(Dropout(0.5)))
    for a, b in zip(plain.named_buffers().values(), wrapped.named_buffers().values(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(plain[0].dW, wrapped[0].dW)


def test_a_piece_is_the_right_rows():
    x, y, weights = np.arange(20.0).reshape(10, 2), np.arange(10), np.arange(10) / 10
    indices = np.array([7, 3, 9, 0])
    part, targets, w = Batch(x, indices, y[indices], weights[indices]).piece(slice(1, 3), KEY, 0)
    assert part.tolist() == [[6, 7], [18, 19]] and targets.tolist() == [3, 9] and w.tolist() == [0.3, 0.9]
    assert Batch(x, indices, y[indices]).piece(slice(1, 3), KEY, 0)[2] is None


# -- threads and errors --------------------------------------------------------------------------------------------


class Nervous(Linear):
    """Raises when it meets a 13; counts how many pieces it was given."""

    counted: list

    def forward(self, x):
        self.counted.append(threading.current_thread().name)
        if (x == 13).any():
            raise ZeroDivisionError("thirteen")
        time.sleep(0.01)
        return super().forward(x)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Windows sends no signal to a thread")
def test_a_second_ctrl_c_does_not_wait_for_the_other_pieces():
    model, pressed = Sequential(Nervous(2, 2)), []
    model[0].counted = []

    def augment(x, rng, epoch, indices):
        if indices[0] == 4:
            pressed.append(True)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return x

    x = np.zeros((400, 2), np.float32)
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Crew(model, SoftmaxCrossEntropy(), Plan(2, 2)) as crew:
            crew.step(Batch(x, np.arange(400), labels(400, 2), None, augment), KEY)
    finally:
        signal.signal(signal.SIGINT, found)
    assert pressed and len(model[0].counted) < 100  # of 200 pieces


@pytest.mark.parametrize("place", [0, 60, 119])
def test_an_error_in_a_worker_surfaces_at_once_with_its_own_traceback(place):
    model = Sequential(Nervous(2, 2))
    model[0].counted = []
    x = np.zeros((120, 2), np.float32)
    x[place] = 13
    batch = Batch(x, np.arange(120), labels(120, 2))
    with pytest.raises(ZeroDivisionError) as caught, Crew(model, SoftmaxCrossEntropy(), Plan(2, 2)) as crew:
        crew.step(batch, KEY)
    assert "in forward" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert "raise ZeroDivisionError" in "".join(traceback.format_tb(caught.value.__traceback__))
    pieces_until_then = {0: 1, 60: 1, 119: 30}[place]
    assert len(model[0].counted) <= 2 * pieces_until_then + 8  # the other one stopped soon after, of 30 pieces each
    assert not any(thread.name.startswith("minnet") for thread in threading.enumerate())


@pytest.mark.parametrize("place", [0, 60, 119])
def test_nobody_waits_for_a_worker_that_failed(place):
    """With statistics shared across the batch, every worker stands at a barrier in each batch norm."""
    model, x = Sequential(Nervous(2, 2), BatchNorm(2)), normal(120, 2).astype(np.float32)
    model[0].counted, x[place] = [], 13
    with pytest.raises(ZeroDivisionError), Crew(model, SoftmaxCrossEntropy(), Plan(3, 2), True) as crew:
        crew.step(Batch(x, np.arange(120), labels(120, 2)), KEY)


def test_leaving_wakes_those_who_wait():
    """As when Ctrl-C ends a step: one worker waits at the barrier, the others never come."""
    woken = []

    def wait(meeting):
        try:
            meeting.share(0, "here", "mine")
        except threading.BrokenBarrierError:
            woken.append(True)

    with Crew(Sequential(BatchNorm(2)), SoftmaxCrossEntropy(), Plan(2, 2), True) as crew:
        crew.meeting.open(2)
        crew.pool.submit(wait, crew.meeting)
    assert woken == [True]
    with Crew(Sequential(BatchNorm(2)), SoftmaxCrossEntropy(), Plan(2, 2), True):
        pass  # nothing was ever exchanged


def test_exact_batch_norm_predicts_in_pieces_all_the_same():
    model, x = Sequential(Linear(2, 3, rng=0), BatchNorm(3)), np.zeros((40, 2), np.float32)
    sizes = []
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 5), exact_batch_norm=True) as crew:
        for replica in crew.replicas:
            forward = replica.model.forward
            replica.model.forward = lambda part, forward=forward: sizes.append(len(part)) or forward(part)
        crew.step(Batch(x, np.arange(40), labels(40)), KEY)
        assert sizes == [20, 20], "a batch: one piece a worker"
        sizes.clear()
        for replica in crew.replicas:
            replica.model.eval()
        crew.predict(x)
    assert sizes == [5] * 8


@pytest.fixture()
def all_libraries():
    """The handle on the BLAS is made anew, so that it knows libraries which other tests have loaded since."""
    blas_controller.cache_clear()


def test_threads_live_as_long_as_the_crew(all_libraries):
    model, x = Sequential(Nervous(2, 2)), np.zeros((8, 2), np.float32)
    model[0].counted = []
    with Crew(model, SoftmaxCrossEntropy(), Plan(2, 2)) as crew:
        crew.predict(x)
        assert model[0].counted and set(model[0].counted) <= {"minnet_0", "minnet_1"}  # one may do both
    assert not any(thread.name.startswith("minnet") for thread in threading.enumerate())
    with Crew(model, SoftmaxCrossEntropy(), Plan(1, 2)) as crew:
        model[0].counted.clear()
        crew.predict(x)
        assert set(model[0].counted) == {"MainThread"}


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_limits_of_the_blas_may_overlap_and_the_lowest_counts(all_libraries):
    with threadpool_limits(3, user_api="blas"):
        two, one, many = at_most_blas_threads(2), at_most_blas_threads(1), at_most_blas_threads(8)
        seen = []
        for step in (two.__enter__, one.__enter__, many.__enter__):
            step()
            seen.append(blas_threads())
        for limit in (one, two, many):
            limit.__exit__(None, None, None)
            seen.append(blas_threads())
        assert seen == [{2}, {1}, {1}, {2}, {3}, {3}]


def test_ctrl_c_while_the_blas_is_being_limited_leaves_no_limit(all_libraries, monkeypatch):
    apply, pressed = blas._apply, iter([True])

    def pressing():
        apply()
        if next(pressed, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(blas, "_apply", pressing)
    with threadpool_limits(3, user_api="blas"):
        with pytest.raises(KeyboardInterrupt), at_most_blas_threads(1):
            pytest.fail("the block begins")
        assert blas_threads() == {3}


def test_each_worker_has_a_blas_of_one_thread_unless_the_plan_says_otherwise(all_libraries):
    class Watching(Linear):
        def forward(self, x):
            self.seen.append(blas_threads())
            return super().forward(x)

    model, x, y = Sequential(Watching(2, 2)), np.zeros((8, 2), np.float32), np.zeros(8, int)
    with threadpool_limits(3, user_api="blas"):
        for chosen, expected in ((Plan(2, 4), {1}), (Plan(1, 4), {1}), (Plan(1, 4, True), {3})):
            model[0].seen = []
            with Crew(model, SoftmaxCrossEntropy(), chosen) as crew:
                crew.step(Batch(x, np.arange(8), y), (0, 0, 0))
                crew.predict(x)
                assert blas_threads() == {3}
            assert model[0].seen == [expected] * 4


@pytest.mark.parametrize(
    ("workers", "expected"), [(None, {"BLAS": {3}, "pool": True}), (1, {"BLAS": {1}, "pool": False})]
)
def test_workers_asked_for_are_the_threads_in_all(workers, expected, all_libraries, monkeypatch):
    """So that runs side by side leave each other their cores: the BLAS, the optimizer and evaluation keep to it."""
    monkeypatch.setattr("minnet.workers.available_cores", lambda: 3)
    blas, pools = set(), []

    class Watching(Linear):
        def forward(self, x):
            if len(x) > 1:  # a look at one example beforehand does not count
                blas.update(blas_threads())
            return super().forward(x)

    class Noting(SGD):
        def step(self, *settings):
            pools.append(self.pool is not None)
            return super().step(*settings)

    model, x, y = Sequential(Watching(2, 2, rng=0)), np.ones((8, 2), np.float32), np.arange(8) % 2
    with threadpool_limits(3, user_api="blas"):
        trainer = Trainer(model, SoftmaxCrossEntropy(), Noting(model, 0.1), workers=workers)
        trainer.fit((x, y), validation=(x, y), epochs=1, batch_size=4, progress=False)
        assert blas == expected["BLAS"] and pools == [expected["pool"]] * 2
        assert blas_threads() == {3}


def test_what_the_caller_says_of_overflows_holds_for_all_workers():
    class Large(Linear):
        def forward(self, x):
            return super().forward(x) + np.float32(1e30) * np.full((len(x), 1), 1e30, np.float32) * 0

    model, x = Sequential(Large(2, 2, rng=0)), np.ones((8, 2), np.float32)
    for workers in (1, 2):
        with Crew(model, None, Plan(workers, 2)) as crew:
            with np.errstate(all="ignore"):
                assert np.isnan(crew.predict(x)).all()
            with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
                crew.predict(x)


# -- small parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 3])
def test_exact_batch_norm_gives_the_gradient_of_the_whole_batch(workers):
    x = np.random.default_rng(0).integers(0, 256, (22, 16, 16, 3)).astype(np.float64)
    y = np.arange(22) % 10
    found = []
    for plan_, exact in ((Plan(1, 22), False), (Plan(workers, 4), True)):
        model = cnn6((16, 16, 3), 10, [120] * 3, [60] * 3, seed=1).astype(np.float64)
        with Crew(model.train(), SoftmaxCrossEntropy(), plan_, exact) as crew:
            crew.step(Batch(x, np.arange(22), y), (0, 0, 0))
        found.append(model.named_gradients() | model.named_buffers())
    for place, expected in found[0].items():
        np.testing.assert_allclose(found[1][place], expected, rtol=1e-10, atol=1e-12, err_msg=place)
