"""Every loss against PyTorch's, in float64: values and gradients to 1e-10 of their size.

One setting is left out because the two mean different things by it: label smoothing together with class weights.
PyTorch weighs every class's share of a smoothed target by that class's own weight; minnet weighs the example by its
label, as without smoothing, so that a class weight says how much an example counts and nothing else.
"""

import copy

import numpy as np
import pytest

from minnet.functional import entropy, log_softmax, logsumexp, softmax
from minnet.gradcheck import restarter
from minnet.large_vocabulary import HierarchicalSoftmax, LogUniform, SampledSoftmaxCrossEntropy, Unigram
from minnet.layers import Sequential, Softmax
from minnet.losses import CrossEntropy, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from tests.drawing import normal

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e .[proof]")
F = torch.nn.functional

WEIGHTS = [0.5, 3.0, 1.0, 0.0, 2.0]


def compare(criterion, z, targets, function, weights=None):
    """`function(z)` gives the loss of each example (where they are weighed here) or their mean, in PyTorch."""
    given = torch.tensor(z, requires_grad=True)
    theirs = function(given)
    if weights is not None:
        w = torch.tensor(weights)
        theirs = (theirs * w).sum() / w.sum()
    theirs.backward()
    loss, dz = criterion.forward(z, targets, weights), criterion.backward()
    assert abs(loss - theirs.item()) <= 1e-10 * abs(theirs.item())
    expected = given.grad.numpy()
    assert dz.dtype == np.float64 and np.abs(dz - expected).max() <= 1e-10 * np.abs(expected).max()


def drawn(n, classes, size, seed=0):
    rng = np.random.default_rng(seed)
    z = size * rng.standard_normal((n, classes))
    return z, rng.integers(0, classes, n), rng.dirichlet(np.ones(classes), n), rng.uniform(0.1, 2, n)


grid = pytest.mark.parametrize(
    ("n", "classes", "size"), [(1, 2, 1), (7, 5, 1e-3), (7, 5, 1), (7, 5, 100), (64, 10, 3), (5, 1000, 10), (3, 1, 1)]
)


@grid
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_softmax_cross_entropy(n, classes, size, smoothing):
    z, labels, soft, weights = drawn(n, classes, size)
    if classes == 1:  # a sure thing: loss and gradient are 0, to rounding
        criterion = SoftmaxCrossEntropy(smoothing)
        assert criterion.forward(z, labels) == 0 and np.abs(criterion.backward()).max() < 1e-15
        return
    criterion = SoftmaxCrossEntropy(label_smoothing=smoothing)
    y, t = torch.tensor(labels), torch.tensor(soft)
    compare(criterion, z, labels, lambda z: F.cross_entropy(z, y, label_smoothing=smoothing))
    compare(criterion, z, soft, lambda z: F.cross_entropy(z, t, label_smoothing=smoothing))
    each = {"label_smoothing": smoothing, "reduction": "none"}
    for targets, theirs in ((labels, y), (soft, t)):
        compare(criterion, z, targets, lambda z, t=theirs: F.cross_entropy(z, t, **each), weights)


@pytest.mark.parametrize("ignored", [None, -100, 2])
@pytest.mark.parametrize("table", [None, WEIGHTS])
def test_class_weights_and_ignored_examples(ignored, table):
    z, labels, _, weights = drawn(40, 5, 2)
    if ignored is not None:
        labels[::7] = ignored
    y = torch.tensor(labels)
    arguments = {"weight": None if table is None else torch.tensor(table).double()}
    if ignored is not None:
        arguments["ignore_index"] = ignored
    criterion = SoftmaxCrossEntropy(class_weights=table, ignore_index=ignored)
    compare(criterion, z, labels, lambda z: F.cross_entropy(z, y, **arguments))
    # PyTorch has no example weights; put on from outside, they multiply those of the class
    w = np.where(labels == ignored, 0.0, weights) * np.take(table or np.ones(5), np.where(labels == ignored, 0, labels))
    given = torch.tensor(z, requires_grad=True)
    each = F.cross_entropy(given, y.clamp(min=0), reduction="none")
    theirs = (each * torch.tensor(w)).sum() / w.sum()
    theirs.backward()
    assert abs(criterion.forward(z, labels, weights) - theirs.item()) <= 1e-10 * theirs.item()
    assert np.abs(criterion.backward() - given.grad.numpy()).max() <= 1e-10 * given.grad.abs().max()


def test_smoothing_and_ignored_examples():
    z, labels, _, _ = drawn(40, 5, 2)
    y = torch.tensor(labels)
    compare(SoftmaxCrossEntropy(0.2, ignore_index=3), z, labels,
            lambda z: F.cross_entropy(z, y, label_smoothing=0.2, ignore_index=3))  # fmt: skip


@grid
def test_softmax_and_cross_entropy_one_after_the_other(n, classes, size):
    if classes == 1 or size == 100:  # p rounds to 0 or 1: why the pair is fused
        return
    z, labels, _, _ = drawn(n, classes, size)
    layer, criterion = Softmax(), CrossEntropy()

    class Both:
        def forward(self, z, targets, weights):
            return criterion.forward(layer.forward(z), targets, weights)

        def backward(self):
            return layer.backward(criterion.backward())

    y = torch.tensor(labels)
    compare(Both(), z, labels, lambda z: F.nll_loss(torch.log(F.softmax(z, dim=1)), y))


@pytest.mark.parametrize("table", [None, WEIGHTS])
def test_cross_entropy_of_probabilities(table):
    z, labels, soft, weights = drawn(20, 5, 1)
    p, y, t = softmax(z), torch.tensor(labels), torch.tensor(soft)
    weight = None if table is None else torch.tensor(table).double()
    compare(CrossEntropy(table), p, labels, lambda p: F.nll_loss(torch.log(p), y, weight))
    if table is None:
        compare(CrossEntropy(), p, soft, lambda p: -(t * torch.log(p)).sum(dim=1), weights)


@grid
def test_sigmoid_cross_entropy(n, classes, size):
    z, labels, _, weights = drawn(n, classes, size)
    yes, theirs = np.random.default_rng(1).uniform(0, 1, z.shape), F.binary_cross_entropy_with_logits
    for targets in (yes, (yes > 0.5).astype(np.float64)):
        t = torch.tensor(targets)
        compare(SigmoidCrossEntropy(), z, targets, lambda z, t=t: theirs(z, t))
        compare(SigmoidCrossEntropy(), z, targets, lambda z, t=t: theirs(z, t, reduction="none").mean(dim=1), weights)
    if classes > 1:  # labels of one score would all mean yes, and are refused
        rest = torch.tensor(np.eye(classes)[labels])
        compare(SigmoidCrossEntropy(), z, labels, lambda z: theirs(z, rest))


@grid
def test_mean_squared_error(n, classes, size):
    z, _, _, weights = drawn(n, classes, size)
    targets = normal(n, classes, seed=9)
    t = torch.tensor(targets)
    compare(MeanSquaredError(), z, targets, lambda z: F.mse_loss(z, t))
    compare(MeanSquaredError(), z, targets, lambda z: F.mse_loss(z, t, reduction="none").mean(dim=1), weights)


@grid
def test_functions(n, classes, size):
    z = drawn(n, classes, size)[0]
    given = torch.tensor(z)
    for ours, theirs in (
        (softmax(z), F.softmax(given, dim=1)),
        (softmax(z, axis=0, temperature=2.5), F.softmax(given / 2.5, dim=0)),
        (log_softmax(z), F.log_softmax(given, dim=1)),
        (logsumexp(z), torch.logsumexp(given, dim=1)),
        (entropy(softmax(z)), torch.special.entr(F.softmax(given, dim=1)).sum(dim=1)),
    ):
        assert np.abs(ours - theirs.numpy()).max() <= 1e-10 * np.abs(theirs.numpy()).max()


def test_scores_far_apart():
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 0]])
    for labels in ([0, 0, 0], [1, 1, 1], [2, 2, 2]):
        y = torch.tensor(labels)
        compare(SoftmaxCrossEntropy(), z, np.array(labels), lambda z, y=y: F.cross_entropy(z, y))


def test_a_softmax_inside_a_network():
    layer, x, dy = Sequential(Softmax()), 3 * normal(4, 6), normal(4, 6, seed=1)
    given = torch.tensor(x, requires_grad=True)
    F.softmax(given, dim=1).backward(torch.tensor(dy))
    layer.forward(x)
    assert np.abs(layer.backward(dy) - given.grad.numpy()).max() < 1e-14


# -- losses over many classes --------------------------------------------------------------------------------------


def with_parameters(loss, x, labels, weights, function):
    """Value, dx, dW and db of a loss that owns its table against `function(x, W, b)`, the loss of each example."""
    loss.astype(np.float64)
    loss.b[...] = normal(*loss.b.shape, seed=3)
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, loss.W, loss.b)]
    w = torch.tensor(np.ones(len(x)) if weights is None else weights)
    theirs = (function(*tensors) * w).sum() / w.sum()
    theirs.backward()
    restart = restarter(loss)
    value = loss.forward(x, labels, weights)
    restart()
    assert abs(value - theirs.item()) <= 1e-10 * abs(theirs.item())
    ours = [loss.backward(), loss.dW.dense(loss.W.shape), loss.db.dense(loss.b.shape)]
    for name, gradient, tensor in zip(("dx", "dW", "db"), ours, tensors, strict=True):
        expected = tensor.grad.numpy()
        assert np.abs(gradient - expected).max() <= 1e-10 * np.abs(expected).max(), name


many = pytest.mark.parametrize(("n", "features", "classes"), [(1, 3, 2), (6, 4, 13), (20, 8, 200)])


@many
@pytest.mark.parametrize("samples", [1, 7, 50])
@pytest.mark.parametrize("weighed", [False, True])
def test_sampled_softmax(n, features, classes, samples, weighed):
    """With the classes that it draws, its form is a softmax cross-entropy over corrected scores."""
    rng = np.random.default_rng(classes)
    x, labels = normal(n, features), rng.integers(0, classes, n)
    for proposal in (LogUniform(classes), Unigram(rng.uniform(0.1, 2, classes))):
        loss = SampledSoftmaxCrossEntropy(features, classes, samples, proposal, rng=5)
        drawn = proposal.draw(samples, copy.deepcopy(loss.rng))

        def function(x, W, b, proposal=proposal, drawn=drawn):
            y, s = torch.tensor(labels), torch.tensor(drawn)
            scores = x @ W.T + b
            corrected = scores[:, s] - torch.tensor(np.log(samples) + proposal.log_q(drawn))
            corrected = corrected.masked_fill(s[None] == y[:, None], -torch.inf)
            whole = torch.cat([scores.gather(1, y[:, None]), corrected], dim=1)
            return F.cross_entropy(whole, torch.zeros(n, dtype=torch.long), reduction="none")

        with_parameters(loss, x, labels, rng.uniform(0.1, 2, n) if weighed else None, function)
        z = torch.tensor(x @ loss.W.T + loss.b)
        exact = F.cross_entropy(z, torch.tensor(labels)).item()
        assert loss.eval().forward(x, labels) == pytest.approx(exact, rel=1e-10)


@many
@pytest.mark.parametrize("weighed", [False, True])
def test_hierarchical_softmax(n, features, classes, weighed):
    """Walking down its tree question by question."""
    rng = np.random.default_rng(classes)
    x, labels = normal(n, features), rng.integers(0, classes, n)
    loss = HierarchicalSoftmax(features, rng.integers(0, 50, classes), rng=5)

    def path(label):
        steps, at = [], ~label
        while at != 0:
            node, side = np.argwhere(loss.tree == at)[0]
            steps.append((int(node), side == 0))
            at = node
        return steps

    def function(x, W, b):
        losses = []
        for row, label in zip(x, labels, strict=True):
            answers = [(1 if left else -1) * (row @ W[node] + b[node]) for node, left in path(label)]
            losses.append(-F.logsigmoid(torch.stack(answers)).sum())
        return torch.stack(losses)

    with_parameters(loss, x, labels, rng.uniform(0.1, 2, n) if weighed else None, function)
