"""Every loss keeps the whole contract, gradients included, for shapes and settings that Hypothesis draws.

What check_layer asks of layers, asked of losses: in both dtypes, with and without weights, with a single example, an
empty batch, ignored examples, frozen parameters, strange memory orders and replicas.
"""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import large_vocabulary, losses
from minnet.contract import global_generator
from minnet.functional import softmax
from minnet.gradcheck import gradcheck_loss, restarter
from minnet.large_vocabulary import HierarchicalSoftmax, LogUniform, SampledSoftmaxCrossEntropy, Unigram
from minnet.layers import RowGradient, rebuild
from minnet.losses import CrossEntropy, Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from tests.drawing import SEEDS, normal, rows, steady

SIZES = st.sampled_from([1e-3, 1.0, 30.0])


def class_targets(rng, n, classes, soft):
    return rng.dirichlet(np.ones(classes), n) if soft else rng.integers(0, classes, n)


@st.composite
def softmax_cross_entropy(draw):
    z, rng, soft = draw(SIZES) * draw(rows()), np.random.default_rng(draw(SEEDS)), draw(st.booleans())
    n, classes = z.shape
    targets = class_targets(rng, n, classes, soft)
    table = rng.uniform(0.1, 2, classes) if draw(st.booleans()) and not soft else None
    ignored = None if soft else draw(st.sampled_from([None, -100, 0] if classes > 1 else [None, -100]))
    if ignored is not None:
        targets[rng.random(n) < 0.4] = ignored
        targets[0] = classes - 1  # one at least counts
    return SoftmaxCrossEntropy(draw(st.sampled_from([0.0, 0.1, 0.9])), table, ignored), z, targets


@st.composite
def cross_entropy(draw):
    z, rng, soft = draw(rows()), np.random.default_rng(draw(SEEDS)), draw(st.booleans())
    n, classes = z.shape
    table = rng.uniform(0.1, 2, classes) if draw(st.booleans()) and not soft else None
    return CrossEntropy(table), softmax(z), class_targets(rng, n, classes, soft)


@st.composite
def sigmoid_cross_entropy(draw):
    z, rng = draw(SIZES) * draw(rows()), np.random.default_rng(draw(SEEDS))
    many = draw(st.sampled_from(["labels", "yes or no", "in between"]))
    if many == "labels":
        labels = rng.integers(0, z.shape[1], len(z))
        return SigmoidCrossEntropy(), z, labels if z.shape[1] > 1 else np.ones((len(z), 1))
    t = rng.uniform(0, 1, z.shape)
    return SigmoidCrossEntropy(), z, np.round(t) if many == "yes or no" else t


@st.composite
def mean_squared_error(draw):
    y = draw(SIZES) * draw(rows())
    return MeanSquaredError(), y, normal(*y.shape, seed=draw(SEEDS))


@st.composite
def sampled(draw):
    x, classes, seed = draw(rows()), draw(st.integers(2, 12)), draw(SEEDS)
    rng = np.random.default_rng(seed)
    proposal = draw(st.sampled_from([LogUniform(classes), Unigram(rng.uniform(0.1, 2, classes))]))
    loss = SampledSoftmaxCrossEntropy(x.shape[1], classes, draw(st.integers(1, 9)), proposal, rng=seed)
    loss.b[...] = normal(classes, seed=seed)
    return loss, x, rng.integers(0, classes, len(x))


@st.composite
def hierarchical(draw):
    x, classes, seed = draw(rows()), draw(st.integers(2, 12)), draw(SEEDS)
    rng = np.random.default_rng(seed)
    loss = HierarchicalSoftmax(x.shape[1], rng.integers(0, 9, classes), rng=seed)
    loss.b[...] = normal(classes - 1, seed=seed)
    return loss, x, rng.integers(0, classes, len(x))


CASES = {
    SoftmaxCrossEntropy: softmax_cross_entropy(),
    CrossEntropy: cross_entropy(),
    SigmoidCrossEntropy: sigmoid_cross_entropy(),
    MeanSquaredError: mean_squared_error(),
    SampledSoftmaxCrossEntropy: sampled(),
    HierarchicalSoftmax: hierarchical(),
}
every_loss = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)


def test_no_loss_is_left_out():
    known = {
        value
        for module in (losses, large_vocabulary)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Loss) and not name.startswith("_")
    }
    assert known - {Loss} == set(CASES)


def fresh(loss, dtype=np.float64):
    return copy.deepcopy(loss).astype(dtype)


def dense(loss, gradient, name):
    return gradient.dense(getattr(loss, name).shape) if isinstance(gradient, RowGradient) else gradient


def results(loss, z, targets, weights=None, denominator=None):
    """The loss, dz and the gradients of its parameters; draws are the same in every call."""
    restart = restarter(loss)
    value = loss.forward(z, targets, weights, denominator)
    restart()
    found = {"loss": value, "dz": loss.backward()}
    for name in loss.parameters:
        if getattr(loss, "d" + name, None) is not None:
            found[name] = dense(loss, getattr(loss, "d" + name), name)
    return {name: np.array(array) for name, array in found.items()}


def same(a, b, room=0.0):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=room, atol=room * np.abs(a[name]).max(initial=0))


def check_dtypes_and_arguments(loss, z, targets, weights):
    for dtype in (np.float32, np.float64):
        scores = z.astype(dtype)
        if isinstance(loss, CrossEntropy):
            scores /= scores.sum(axis=1, keepdims=True)
        criterion = fresh(loss, dtype)
        given_to_it = [scores, targets, weights, *criterion.named_parameters().values()]
        before = copy.deepcopy(given_to_it)
        global_state = global_generator()
        value = criterion.forward(scores, targets, weights)
        dz = criterion.backward()
        assert isinstance(value, float) and np.isfinite(value) and dz.dtype == dtype and dz.shape == z.shape
        for name in criterion.parameters:
            assert getattr(criterion, "d" + name).values.dtype == dtype
        assert all(np.array_equal(a, b) for a, b in zip(given_to_it, before, strict=True))
        assert global_generator() == global_state
        kept = dz.copy()
        dz[...] = 7
        np.testing.assert_array_equal(criterion.backward(), kept)  # once more, whatever the caller did with the first


def check_order_of_calls(loss):
    with pytest.raises((RuntimeError, ValueError), match="forward"):
        fresh(loss).backward()


def check_batches(loss, z, targets, weights):
    """Pieces of a batch add up, its order does not matter, a single example works, an empty batch says so."""
    whole = results(fresh(loss), z, targets, weights)
    denominator = loss.denominator(targets, weights)
    parts = [
        results(fresh(loss), z[piece], targets[piece], None if weights is None else weights[piece], denominator)
        for piece in (slice(0, 1), slice(1, None))
    ]
    added = {name: sum(part[name] for part in parts) for name in whole if name != "dz"}
    added["dz"] = np.concatenate([part["dz"] for part in parts])
    same(whole, added, 1e-12)
    order = np.random.default_rng(0).permutation(len(z))
    moved = results(fresh(loss), z[order], targets[order], None if weights is None else weights[order])
    same({**whole, "dz": whole["dz"][order]}, moved, 1e-12)
    assert all(np.isfinite(array).all() for array in results(fresh(loss), z[:1], targets[:1]).values())
    with pytest.raises(ValueError, match="no example counts"):
        fresh(loss).forward(z[:0], targets[:0])
    with pytest.raises(ValueError, match="targets"):
        fresh(loss).forward(z, targets[:-1])


def check_layouts(loss, z, targets):
    expected = results(fresh(loss), z, targets)
    read_only = z.copy()
    read_only.flags.writeable = False
    for strange in (np.asfortranarray(z), np.repeat(z, 2, axis=1)[:, ::2], z[::-1].copy()[::-1], read_only):
        same(expected, results(fresh(loss), strange, targets), 1e-12)


def check_replicas_and_frozen_parameters(loss, z, targets):
    first = fresh(loss)
    expected = results(first, z, targets)
    twin = first.replica()
    for name, array in first.named_parameters().items():
        assert twin.named_parameters()[name] is array
    twin.forward(z[:1], targets[:1])
    twin.backward()
    np.testing.assert_array_equal(first.backward(), expected["dz"])  # the replica has a cache of its own
    for name in loss.parameters:
        frozen = fresh(loss)
        frozen.frozen = (name,)
        found = results(frozen, z, targets)
        assert name not in found
        same({key: array for key, array in expected.items() if key != name}, found)


def check_description(loss, z, targets):
    if loss.parameters:
        json.dumps(loss.config())  # the counts of a vocabulary are no description: these are made anew
        return
    twin = rebuild(json.loads(json.dumps(loss.config())), {type(loss).__name__: type(loss)})
    assert repr(twin) == repr(loss)
    same(results(loss, z, targets), results(twin, z, targets))


@every_loss
def test_contract(cls):
    @steady(25)
    @given(CASES[cls], st.booleans(), SEEDS)
    def check(case, weighed, seed):
        loss, z, targets = case
        assert type(loss) is cls
        weights = np.random.default_rng(seed).uniform(0.1, 3, len(z)) if weighed else None
        check_dtypes_and_arguments(loss, z, targets, weights)
        check_order_of_calls(loss)
        check_batches(loss, z, targets, weights)
        check_layouts(loss, z, targets)
        check_replicas_and_frozen_parameters(loss, z, targets)
        check_description(loss, z, targets)
        arguments = {} if weights is None else {"weights": weights, "denominator": 1.7}
        report = gradcheck_loss(loss, z, targets, seed=seed, **arguments)
        assert report.keys() == {"logits", *loss.parameters}

    check()
