"""The losses against hand arithmetic, extreme scores and each other; weights, pieces and every refusal."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import reference
from minnet.functional import softmax
from minnet.gradcheck import gradcheck_loss
from minnet.layers import Sequential, Softmax, rebuild
from minnet.losses import CrossEntropy, Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from tests.drawing import SEEDS, normal, steady

LOG3, LOG4 = np.log(3.0), np.log(4.0)
Z = np.array([[0.0, LOG3], [LOG3, 0.0]])  # odds of 1 to 3 and of 3 to 1


def near(actual, expected, size=1e-15):
    np.testing.assert_allclose(actual, expected, rtol=size, atol=size)


def both_ways(scores, targets, weights=None, **settings):
    """(loss, gradient) of SoftmaxCrossEntropy."""
    criterion = SoftmaxCrossEntropy(**settings)
    return criterion.forward(scores, targets, weights), criterion.backward()


# -- softmax cross-entropy, by hand --------------------------------------------------------------------------------


def test_labels():
    loss, dz = both_ways(Z, np.array([0, 0]))
    assert isinstance(loss, float)
    near(loss, (LOG4 + np.log(4 / 3)) / 2)
    near(dz, np.array([[-3, 3], [-1, 1]]) / 8)  # p - y, by the batch of 2


def test_soft_targets():
    t = np.array([[0.5, 0.5], [0.0, 1.0]])
    loss, dz = both_ways(Z, t)
    near(loss, ((LOG4 + np.log(4 / 3)) / 2 + LOG4) / 2)
    near(dz, np.array([[-1, 1], [3, -3]]) / [[8], [8]])
    for labels in ([0, 1], [1, 1]):
        hard, soft = both_ways(Z, np.array(labels)), both_ways(Z, np.eye(2)[labels])
        near(hard[0], soft[0])
        near(hard[1], soft[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_soft_targets_that_were_rounded(dtype):
    """Far off they are refused with a cure that helps. What is let through is normalised: p - t is then the slope."""
    t = np.random.default_rng(0).dirichlet(np.full(12, 2.0), 3).round(2).astype(dtype)
    z = np.random.default_rng(1).standard_normal((3, 12))
    with pytest.raises(ValueError, match=r": t / t\.sum\(axis=1, keepdims=True, dtype=float\)"):
        SoftmaxCrossEntropy().forward(z, t)
    t = t / t.sum(axis=1, keepdims=True, dtype=float)
    loss, dz = both_ways(z, t)
    off = t * (1 + np.array([[9e-5], [-9e-5], [5e-5]]))
    close, dz_close = both_ways(z, off)
    near(close, loss, 1e-14)
    near(dz_close, dz, 1e-14)
    near(dz_close.sum(axis=1), 0, 1e-14)


def test_label_smoothing():
    loss, dz = both_ways(Z[:1], np.array([0]), label_smoothing=0.2)  # t = (0.9, 0.1)
    near(loss, 0.9 * LOG4 + 0.1 * np.log(4 / 3))
    near(dz, [[0.25 - 0.9, 0.75 - 0.1]])
    near(both_ways(Z[:1], np.array([[0.5, 0.5]]), label_smoothing=0.5)[1], [[-0.25, 0.25]])  # stays uniform


def test_class_weights():
    loss, dz = both_ways(Z, np.array([0, 0]), class_weights=[5, 7])
    near(loss, (LOG4 + np.log(4 / 3)) / 2)  # all of one class: its weight cancels
    loss, dz = both_ways(Z, np.array([0, 1]), class_weights=[1, 3])
    near(loss, (LOG4 + 3 * LOG4) / 4)
    near(dz, np.array([[-3, 3], [3 * 3, -3 * 3]]) / 16)
    # with smoothing, an example is still weighed by its label as a whole
    loss, dz = both_ways(Z, np.array([0, 1]), class_weights=[1, 3], label_smoothing=0.2)
    near(loss, 0.9 * LOG4 + 0.1 * np.log(4 / 3))
    near(dz, np.array([[-0.65, 0.65], [3 * 0.65, -3 * 0.65]]) / 4)


def test_example_weights():
    loss, dz = both_ways(Z, np.array([0, 0]), [1, 3])
    near(loss, (LOG4 + 3 * np.log(4 / 3)) / 4)
    near(dz, np.array([[-3, 3], [-3, 3]]) / 16)
    near(both_ways(Z, np.array([0, 0]), [1, 0])[0], LOG4)
    loss, dz = both_ways(Z, np.array([0, 1]), [2, 0.5], class_weights=[1, 3])  # 2 x 1 and 0.5 x 3
    near(loss, LOG4)
    near(dz, np.array([[-3 * 2, 3 * 2], [3 * 1.5, -3 * 1.5]]) / 4 / 3.5)


@pytest.mark.parametrize("index", [-100, 1, 7])
def test_ignored_examples_do_not_count(index):
    labels = np.array([0, index, 0])
    z = np.array([[0, LOG3, 0], [9, 9, 9], [LOG3, 0, 0]])
    loss, dz = both_ways(z, labels, ignore_index=index)
    alone, dz_alone = both_ways(z[[0, 2]], labels[[0, 2]])
    near(loss, alone)
    near(dz[[0, 2]], dz_alone)
    assert not dz[1].any()
    near(both_ways(z, labels, ignore_index=index, class_weights=[2, 3, 4])[0], alone)
    assert SoftmaxCrossEntropy(ignore_index=index).denominator(labels) == 2
    with pytest.raises(ValueError, match="no example counts"):
        both_ways(z, np.full(3, index), ignore_index=index)


def test_ignored_examples_may_be_impossible():
    z = np.array([[0, LOG3], [-np.inf, 0]])
    loss, dz = both_ways(z, np.array([0, -1]), ignore_index=-1)
    near(loss, LOG4)
    assert dz[1].tolist() == [0, 0]
    near(both_ways(z, np.array([0, 0]), [1, 0])[0], LOG4)  # nor do impossible labels of weight zero
    assert both_ways(z, np.array([0, 0]))[0] == np.inf


# -- extreme scores ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_scores(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    losses = [[both_ways(z[n : n + 1], np.array([k]))[0] for k in range(3)] for n in range(3)]
    near(losses, [[0, 2e4, 1e4], [LOG3] * 3, [LOG3] * 3], 1e-6)
    loss, dz = both_ways(z, np.array([1, 0, 2]))
    assert dz.dtype == dtype
    near(loss, (2e4 + 2 * LOG3) / 3, 1e-6)
    near(dz * 3, [[1, -1, 0], [-2 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, -2 / 3]], 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_impossible_classes(dtype):
    z = np.array([[0, LOG3, -np.inf]], dtype)
    loss, dz = both_ways(z, np.array([0]))
    near(loss, LOG4, 1e-6)
    near(dz, [[-0.75, 0.75, 0]], 1e-6)
    loss, dz = both_ways(z, np.array([2]))
    assert loss == np.inf
    near(dz, [[0.25, 0.75, -1]], 1e-6)  # the way down is clear nevertheless
    loss, dz = both_ways(z, np.array([[0.5, 0.5, 0]], dtype))  # zero times -inf is zero
    near(loss, (LOG4 + np.log(4 / 3)) / 2, 1e-6)
    near(dz, [[-0.25, 0.25, 0]], 1e-6)
    assert both_ways(z, np.array([0]), label_smoothing=0.1)[0] == np.inf  # smoothing calls nothing impossible
    with pytest.raises(ValueError, match="every class is impossible"):
        both_ways(np.full((1, 3), -np.inf, dtype), np.array([0]))


def test_nan_and_infinity_come_through():
    """The Trainer finds and names them; here nothing is raised, warned about or replaced by a finite number."""
    for bad in (np.nan, np.inf):
        loss, dz = both_ways(np.array([[bad, 0.0], [0.0, 0.0]]), np.array([0, 1]))
        assert np.isnan(loss) and np.isnan(dz[0]).all() and np.isfinite(dz[1]).all()


# -- the lesson's way: Softmax, then CrossEntropy ------------------------------------------------------------------


@steady(30)
@given(st.integers(1, 5), st.integers(2, 6), SEEDS, st.booleans(), st.booleans())
def test_softmax_then_cross_entropy_gives_p_minus_y(n, classes, seed, weighted, soft):
    rng = np.random.default_rng(seed)
    z = 3 * normal(n, classes, seed=seed)
    targets = rng.dirichlet(np.ones(classes), n) if soft else rng.integers(0, classes, n)
    table = rng.uniform(0.5, 2, classes) if weighted and not soft else None
    weights = rng.uniform(0.1, 2, n) if weighted else None
    layer, long_way = Softmax(), CrossEntropy(class_weights=table)
    fused = SoftmaxCrossEntropy(class_weights=table)
    loss = long_way.forward(layer.forward(z), targets, weights)
    near(loss, fused.forward(z, targets, weights), 1e-13)
    dz = layer.backward(long_way.backward())
    near(dz, fused.backward(), 1e-13)
    y = targets if soft else np.eye(classes)[targets]
    w = np.ones(n) if weights is None else weights
    if table is not None:
        w = w * table[targets]
    near(dz, (softmax(z) - y) * w[:, None] / w.sum(), 1e-13)


def test_cross_entropy_of_probabilities():
    criterion = CrossEntropy()
    p = np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]])
    near(criterion.forward(p, np.array([1, 0])), np.log(4 / 3) / 2)
    near(criterion.backward(), np.array([[0, -4 / 3, 0], [-1, 0, 0]]) / 2)
    near(criterion.forward(p, np.array([[0.5, 0.5, 0], [1, 0, 0]])), (LOG4 + np.log(4 / 3)) / 4)
    near(criterion.backward(), np.array([[-2, -2 / 3, 0], [-1, 0, 0]]) / 2)
    assert criterion.forward(p, np.array([2, 0])) == np.inf
    assert criterion.backward()[0, 2] == -np.inf  # 1 / 0: why the two are fused
    near(criterion.forward(p, np.array([2, 0]), [0, 1]), 0)
    for wrong in (2 * p, p - 0.1, np.array([[1.5, -0.5, 0]] * 2)):
        with pytest.raises(ValueError, match=r"expects probabilities .*: put Softmax\(\) in front"):
            criterion.forward(wrong, np.array([1, 0]))


# -- one question a class, and numbers -----------------------------------------------------------------------------


def test_sigmoid_cross_entropy_by_hand():
    criterion = SigmoidCrossEntropy()
    z = np.array([[LOG3, 0.0], [-LOG3, 0.0]])  # s = 3/4, 1/2; 1/4, 1/2
    near(criterion.forward(z, np.array([[1.0, 1.0], [0.0, 1.0]])), (np.log(4 / 3) + np.log(2)) / 2)
    near(criterion.backward(), np.array([[-1 / 4, -1 / 2], [1 / 4, -1 / 2]]) / 4)  # s - t, by 2 outputs and 2 rows
    near(criterion.forward(z, np.array([0, 1])), (np.log(4 / 3) + np.log(2)) / 2)  # one versus the rest
    near(criterion.backward(), np.array([[-1 / 4, 1 / 2], [1 / 4, -1 / 2]]) / 4)
    near(criterion.forward(z, np.full((2, 2), 0.25), [1, 3]), (
        0.25 * np.log(4 / 3) + 0.75 * LOG4 + 3 * (0.25 * LOG4 + 0.75 * np.log(4 / 3)) + 4 * np.log(2)) / 8)  # fmt: skip
    near(criterion.backward(), np.array([[1 / 2, 1 / 4], [0, 3 / 4]]) / 8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_cross_entropy_at_its_extremes(dtype):
    criterion = SigmoidCrossEntropy()
    z = np.array([[1e4, -1e4]], dtype)
    near(criterion.forward(z, np.array([[1.0, 0.0]])), 0)
    assert not criterion.backward().any()
    near(criterion.forward(z, np.array([[0.0, 1.0]])), 1e4)
    near(criterion.backward(), [[0.5, -0.5]])
    assert criterion.backward().dtype == dtype
    z = np.array([[np.inf, -np.inf]], dtype)
    assert criterion.forward(z, np.array([[1.0, 0.0]])) == 0 and not criterion.backward().any()
    assert criterion.forward(z, np.array([[1.0, 1.0]])) == np.inf and criterion.backward().tolist() == [[0, -0.5]]
    wrong = np.array([[-np.inf, np.inf], [0, 0]], dtype)
    near(criterion.forward(wrong, np.array([0, 1]), [0, 1]), np.log(2), 1e-7)  # of weight 0: does not count
    tiny = criterion.forward(np.array([[30.0, -80.0]], dtype), np.array([[1.0, 0.0]]))
    near(tiny * 2, np.exp(-30) + np.exp(-80), 1e-15)


def test_mean_squared_error_by_hand():
    criterion = MeanSquaredError()
    y, t = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 0.0]])
    near(criterion.forward(y, t), ((1 + 4) / 2 + 9 / 2) / 2)
    near(criterion.backward(), np.array([[1, -2], [-3, 0]]) / 2)  # 2 d / (2 outputs x 2 rows)
    near(criterion.forward(y, t, [3, 1]), (3 * 5 / 2 + 9 / 2) / 4)
    near(criterion.backward(), np.array([[3, -6], [-3, 0]]) / 4)
    near(criterion.forward(y, np.array([[0, 4], [3, 0]])), 3.5)  # whole numbers will do
    near(criterion.forward(y, np.array([[0, np.inf], [3, 0]]), [0, 1]), 4.5)  # of weight 0: does not count


# -- every loss: pieces, gradients, the plain loops ----------------------------------------------------------------


def cases():
    rng = np.random.default_rng(4)
    z, labels = 2 * normal(7, 4), rng.integers(0, 4, 7)
    soft = rng.dirichlet(np.ones(4), 7)
    weighted = [0.5, 2, 1, 3]
    yield "plain", SoftmaxCrossEntropy(), z, labels
    yield "soft", SoftmaxCrossEntropy(), z, soft
    yield "smoothed", SoftmaxCrossEntropy(label_smoothing=0.1), z, labels
    yield "soft and smoothed", SoftmaxCrossEntropy(label_smoothing=0.3), z, soft
    yield "weighed", SoftmaxCrossEntropy(0.1, weighted, ignore_index=2), z, labels
    yield "probabilities", CrossEntropy(weighted), softmax(z), labels
    yield "sigmoid", SigmoidCrossEntropy(), z, (soft > 0.3).astype(float)
    yield "squares", MeanSquaredError(), z, normal(7, 4, seed=9)


CASES = {name: case for name, *case in cases()}
every_loss = pytest.mark.parametrize(("criterion", "z", "targets"), CASES.values(), ids=list(CASES))


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_pieces_add_up(criterion, z, targets, weighted):
    weights = np.array([1, 2, 0, 3, 0.5, 1, 1]) if weighted else None
    whole, gradient = criterion.forward(z, targets, weights), criterion.backward()
    denominator = criterion.denominator(targets, weights)
    parts, gradients = 0.0, []
    for rows in (slice(0, 3), slice(3, 4), slice(4, 4), slice(4, 7)):
        parts += criterion.forward(z[rows], targets[rows], None if weights is None else weights[rows], denominator)
        gradients.append(criterion.backward())
    near(parts, whole, 1e-14)
    near(np.concatenate(gradients), gradient, 1e-15)


@every_loss
def test_measured_slopes(criterion, z, targets):
    if isinstance(criterion, CrossEntropy):  # defined on rows that sum to 1 only: its slope by hand is above
        return
    assert gradcheck_loss(criterion, z, targets)["logits"].error < 1e-8
    gradcheck_loss(criterion, z, targets, weights=np.array([1, 2, 0, 3, 0.5, 1, 1]), denominator=3.0)


@every_loss
def test_arguments_stay_and_backward_repeats(criterion, z, targets):
    before = z.copy(), targets.copy()
    first = criterion.forward(z, targets)
    dz = criterion.backward()
    kept = dz.copy()
    dz[...] = 7
    np.testing.assert_array_equal(criterion.backward(), kept)
    assert criterion.forward(z, targets) == first
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(targets, before[1])


@every_loss
def test_dtype_is_kept(criterion, z, targets):
    z32 = z.astype(np.float32)
    if isinstance(criterion, CrossEntropy):
        z32 /= z32.sum(axis=1, keepdims=True)
    loss = criterion.forward(z32, targets)
    assert isinstance(loss, float) and criterion.backward().dtype == np.float32
    near(loss, criterion.forward(z, targets), 1e-6)


@every_loss
def test_description(criterion, z, targets):
    twin = rebuild(criterion.config(), {type(criterion).__name__: type(criterion)})
    assert repr(twin) == repr(criterion) and twin.forward(z, targets) == criterion.forward(z, targets)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("table", [None, [0.5, 2.0, 1.0, 3.0]])
def test_like_the_loops(smoothing, table):
    z, labels = 3 * normal(6, 4), np.array([0, 3, 1, 1, 2, 0])
    loss, dz = both_ways(z, labels, label_smoothing=smoothing, class_weights=table)
    near(loss, reference.cross_entropy(z, labels, smoothing, table), 1e-14)
    near(dz, reference.cross_entropy_backward(z, labels, smoothing, table), 1e-15)


def test_denominators():
    labels = np.array([0, 1, 1, 2])
    assert SoftmaxCrossEntropy().denominator(labels) == 4
    assert SoftmaxCrossEntropy(class_weights=[1, 10, 100]).denominator(labels) == 121
    assert SoftmaxCrossEntropy(class_weights=[1, 10, 100]).denominator(labels, [1, 0, 2, 3]) == 1 + 20 + 300
    assert SoftmaxCrossEntropy(class_weights=[1, 10, 100], ignore_index=1).denominator(labels) == 101
    assert MeanSquaredError().denominator(np.zeros((3, 2)), [1, 2, 3]) == 6
    assert SoftmaxCrossEntropy(ignore_index=0).denominator(np.zeros(3, int)) == 0


# -- what is refused -----------------------------------------------------------------------------------------------

ZEROS = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("criterion", "arguments", "said"),
    [
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 3])), r"label 3 is outside 0\.\.2"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, -1])), r"label -1 is outside 0\.\.2"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0.0, 1.0])), "labels must be integers"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0])), "2 rows of scores but 1 targets"),
        (SoftmaxCrossEntropy(), (ZEROS[0], np.array([0])), r"an array of scores \(N, K\), got \(3,\)"),
        *[
            (loss, (ZEROS.astype(kind), np.array([0, 0])), rf"float32 or float64, got {np.dtype(kind)}: cast with")
            for loss in (SoftmaxCrossEntropy(), CrossEntropy(), SigmoidCrossEntropy())
            for kind in (int, bool, complex, np.float16, np.longdouble)
        ],
        (SoftmaxCrossEntropy(), (ZEROS.tolist(), np.array([0, 0])), r"an array of scores \(N, K\), got list"),
        (SoftmaxCrossEntropy(), (Sequential(), np.array([0, 0])), r"an array of scores \(N, K\), got Sequential"),
        (SoftmaxCrossEntropy(), (ZEROS, 1), r"one target a row of scores, got the number 1"),
        (MeanSquaredError(), (ZEROS, 0.5), r"one target a row of scores, got the number 0\.5"),
        (SoftmaxCrossEntropy(), (ZEROS, np.ones((2, 3))), "must be >= 0 and each row sum to 1"),
        (SoftmaxCrossEntropy(), (ZEROS, np.full((2, 3), 0.5)), "must be >= 0 and each row sum to 1"),
        (SoftmaxCrossEntropy(), (ZEROS, np.full((2, 3), 0.3332)), "must be >= 0 and each row sum to 1"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([[2.0, -1, 0]] * 2)), "must be >= 0 and each row sum to 1"),
        (SoftmaxCrossEntropy(), (ZEROS, np.ones((2, 1))), r"probabilities \(N, 3\), got float64 \(2, 1\)"),
        (SoftmaxCrossEntropy(), (ZEROS, np.eye(3, dtype=bool)[:2]), r"probabilities \(N, 3\), got bool \(2, 3\)"),
        (SoftmaxCrossEntropy(), (ZEROS, np.eye(3, dtype=int)[:2]), r"probabilities \(N, 3\), got int64 \(2, 3\)"),
        (SoftmaxCrossEntropy(), (ZEROS, np.zeros((2, 3, 1))), r"got float64 \(2, 3, 1\)"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), [1, -1]), "weights must be finite and at least 0, got -1"),
        (
            SoftmaxCrossEntropy(),
            (ZEROS, np.array([0, 1]), [1, np.nan]),
            "weights must be finite and at least 0, got nan",
        ),
        (
            SoftmaxCrossEntropy(),
            (ZEROS, np.array([0, 1]), [np.inf, 1]),
            "weights must be finite and at least 0, got inf",
        ),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), [1]), r"must be 2 numbers, one an example, got \(1,\)"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), [0, 0]), "no example counts"),
        (SoftmaxCrossEntropy(), (ZEROS[:0], np.zeros(0, int)), "no example counts"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), None, 0.0), "no example counts"),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), None, -1.0), "no example counts"),
        (
            SoftmaxCrossEntropy(),
            (ZEROS[..., None], np.array([0, 1])),
            r"an array of scores \(N, K\), got \(2, 3, 1\)",
        ),
        (SoftmaxCrossEntropy(), (ZEROS, np.array([0, 1]), [0.5, -1]), "weights must be finite and at least 0, got -1"),
        (SoftmaxCrossEntropy(class_weights=[1, 2, 3]), (ZEROS, ZEROS + 1 / 3), "class weights need integer labels"),
        (SoftmaxCrossEntropy(class_weights=[1, 2]), (ZEROS, np.array([0, 2])), r"2 class weights for 3 classes"),
        (SoftmaxCrossEntropy(class_weights=[1] * 4), (ZEROS, np.array([0, 2])), r"4 class weights for 3 classes"),
        (SigmoidCrossEntropy(), (ZEROS, np.full((2, 3), 1.5)), r"must lie in \[0, 1\]"),
        (SigmoidCrossEntropy(), (ZEROS, np.full((2, 3), -0.5)), r"must lie in \[0, 1\]"),
        (SigmoidCrossEntropy(), (ZEROS, np.zeros((2, 2))), r"the scores' shape \(2, 3\), got \(2, 2\)"),
        (SigmoidCrossEntropy(), (ZEROS, np.array([0, 3])), r"label 3 is outside 0\.\.2"),
        (MeanSquaredError(), (ZEROS[:, :1], ZEROS), r"the scores' shape \(2, 1\), got \(2, 3\)"),
        (MeanSquaredError(), (ZEROS, np.zeros(2)), r"the scores' shape \(2, 3\), got \(2,\)"),
        (MeanSquaredError(), (ZEROS, np.zeros((3, 3))), "2 rows of scores but 3 targets"),
        *[
            (loss, (ZEROS[:, :1], truth), r"shape \(2, 1\), got \(2,\): use y\[:, None\]\.astype\(np\.float32\)$")
            for loss, truth in (
                (MeanSquaredError(), np.zeros(2)),
                (SigmoidCrossEntropy(), np.zeros(2)),
                (SigmoidCrossEntropy(), np.zeros(2, int)),  # as labels all would mean yes
                (SigmoidCrossEntropy(), np.zeros(2, bool)),
            )
        ],
        (MeanSquaredError(), (ZEROS, np.zeros(2)), r"got \(2,\)$"),
        (MeanSquaredError(), (ZEROS[:, :1], ZEROS[:, :2]), r"got \(2, 2\)$"),
        (SigmoidCrossEntropy(), (ZEROS, np.zeros(2)), r"labels must be integers, got float64: use labels\.astype"),
        (SigmoidCrossEntropy(), (ZEROS[:, :2], np.zeros(2)), r"labels must be integers, got float64: use labels"),
        (SoftmaxCrossEntropy(), (ZEROS, np.zeros((2, 1), int)), r"int64 \(2, 1\): use y\[:, 0\]$"),
        (
            SoftmaxCrossEntropy(),
            (ZEROS, ZEROS.astype(int)),
            r"\(2, 3\): use y.argmax\(axis=1\), or y.astype\(np.float32\)$",
        ),
        (SoftmaxCrossEntropy(), (ZEROS, np.zeros((2, 4))), r"got float64 \(2, 4\)$"),
    ],
)
def test_what_is_refused(criterion, arguments, said):
    with pytest.raises(ValueError, match=said):
        criterion.forward(*arguments)


def test_settings_that_make_no_sense():
    for smoothing in (-0.1, 1.0, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
            SoftmaxCrossEntropy(label_smoothing=smoothing)
    for cls in (SoftmaxCrossEntropy, CrossEntropy):
        for table in ([1, -2], [1, -0.5], [1, np.nan], [1, np.inf], [0, 0], []):
            with pytest.raises(ValueError, match="class_weights must be finite numbers >= 0, one a class"):
                cls(class_weights=table)
        for table in ({0: 1, 1: 2}, {1, 2}, "balanced", [[1, 2], [3, 4]], [None, 1], 3):
            with pytest.raises(ValueError, match=f"not all 0, got {re.escape(repr(table))}"):
                cls(class_weights=table)
        assert cls(class_weights=(1, 2)).class_weights == cls(class_weights=np.array([1, 2])).class_weights == [1, 2]
        assert cls(class_weights=[True, False]).class_weights == [1, 0]
    with pytest.raises(TypeError, match=r"^Mine\.forward takes \(scores, targets, weights=None, denominator=None\)$"):

        class Mine(Loss):
            def forward(self, scores, targets, weights=None):
                return 0.0


def test_images_are_compared_as_rows():
    images, loss = np.zeros((2, 6, 6, 1)), MeanSquaredError()
    with pytest.raises(
        ValueError, match=r"got \(2, 6, 6, 1\): end the model in Flatten\(\), and give .* y\.reshape\(len\(y\), -1\)"
    ):
        loss.forward(images, images)
    assert loss.forward(images.reshape(2, -1), images.reshape(2, -1)) == 0
    with pytest.raises(ValueError, match=r"got \(2, 6, 6, 1\)$"):
        SoftmaxCrossEntropy().forward(images, np.zeros(2, int))


def test_order_of_calls():
    for criterion in (SoftmaxCrossEntropy(), CrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError()):
        with pytest.raises(RuntimeError, match="backward before forward"):
            criterion.backward()
    for call in (lambda: Loss().forward(ZEROS, ZEROS), lambda: Loss().backward()):
        with pytest.raises(NotImplementedError):
            call()


def test_repr_and_numpy_tables():
    assert repr(SoftmaxCrossEntropy()) == "SoftmaxCrossEntropy()"
    criterion = SoftmaxCrossEntropy(0.1, np.array([1, 2], np.float32), ignore_index=-1)
    assert repr(criterion) == "SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=[1.0, 2.0], ignore_index=-1)"


def test_hits():
    scores, labels = np.array([[1.0, 5], [4, 2], [0, 3]]), np.array([1, 1, 1])
    assert SoftmaxCrossEntropy().hits(scores, labels) == (2, 3)
    assert SoftmaxCrossEntropy().hits(scores, [[0.2, 0.8], [0.9, 0.1], [0.9, 0.1]]) == (2, 3)
    assert SoftmaxCrossEntropy(ignore_index=-100).hits(scores, [1, -100, 0]) == (1, 2)
    assert SoftmaxCrossEntropy(ignore_index=-100).hits(scores, [-100] * 3) == (0, 0)
    assert CrossEntropy().hits(softmax(scores), labels) == SigmoidCrossEntropy().hits(scores, labels) == (2, 3)
    assert SigmoidCrossEntropy().hits(scores, np.ones((3, 2))) == MeanSquaredError().hits(scores, scores) == (0, 0)
    assert SoftmaxCrossEntropy().hits(np.zeros((0, 2)), np.zeros(0, int)) == (0, 0)


@pytest.mark.filterwarnings("error")
def test_what_does_not_count_leaves_no_trace_in_the_gradient():
    """0 times infinity is NaN, and one NaN stops a run."""
    for criterion, scores, targets, kept in (
        (MeanSquaredError(), [[1.0], [2.0]], [[np.nan], [3.0]], [[0], [-2]]),
        (MeanSquaredError(), [[1.0], [2.0]], [[np.inf], [3.0]], [[0], [-2]]),
        (CrossEntropy(), [[1.0, 0.0], [0.5, 0.5]], [1, 0], [[0, 0], [-2, 0]]),
        (SoftmaxCrossEntropy(), [[np.nan, 0.0], [0.0, 0.0]], [1, 0], [[0, 0], [-0.5, 0.5]]),
        (SigmoidCrossEntropy(), [[np.nan, 0.0], [0.0, 0.0]], [1, 0], [[0, 0], [-0.25, 0.25]]),
    ):
        assert np.isfinite(criterion.forward(np.array(scores), np.array(targets), [0, 1]))
        near(criterion.backward(), kept)
    criterion = CrossEntropy(class_weights=[1, 0])
    criterion.forward(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0]))
    near(criterion.backward(), [[0, 0], [-2, 0]])


def test_numpys_label_smoothing_keeps_float32():
    criterion = SoftmaxCrossEntropy(np.float64(0.1))
    criterion.forward(Z.astype(np.float32), np.array([0, 1]))
    assert criterion.backward().dtype == np.float32 and criterion.config()["label_smoothing"] == 0.1


@pytest.mark.parametrize("index", [-100, 0, 1, 2, 7])
def test_only_the_ignored_label_is_ignored(index):
    z, labels, counted = normal(4, 3), np.array([2, 0, 1, 2]), np.array([True, True, False, True])
    given = np.where(counted, labels, index)
    counted = given != index  # an index that is a class takes all of its examples
    alone = SoftmaxCrossEntropy(class_weights=[2, 3, 4]).forward(z[counted], labels[counted])
    ignoring = SoftmaxCrossEntropy(class_weights=[2, 3, 4], ignore_index=index)
    near(ignoring.forward(z, given), alone)
    assert ignoring.denominator(given) == np.array([2, 3, 4])[labels[counted]].sum()


def test_the_first_wrong_weight_is_told():
    with pytest.raises(ValueError, match=r"finite and at least 0, got -1$"):
        SoftmaxCrossEntropy().forward(Z, np.array([0, 1]), [-1, np.inf])


def test_one_number_is_no_target_of_a_sigmoid():
    with pytest.raises(ValueError, match="expects one target a row of scores, got the number 1"):
        SigmoidCrossEntropy().forward(Z, 1)


def test_targets_of_another_kind_are_left_to_forward():
    for targets in (np.eye(3, dtype=np.int64) * 5, np.array([0.5, 2.0]), np.array([7, -1])):
        assert SoftmaxCrossEntropy().check_targets(targets) is None
    with pytest.raises(ValueError, match=r"row 1 goes down to 0\.5 and sums to 1\.1: t / t\.sum\(axis=1"):
        SoftmaxCrossEntropy().check_targets(np.array([[0.5, 0.5], [0.5, 0.6]]))
    with pytest.raises(ValueError, match=r"row 0 goes down to -1 and sums to 1"):
        SoftmaxCrossEntropy().check_targets(np.array([[2.0, -1]]))
    with pytest.raises(ValueError, match=r"row 1: targets must lie in \[0, 1\], one yes or no per class"):
        SigmoidCrossEntropy().check_targets(np.array([[0, 0, 0], [0, 0, 2]]))


@pytest.mark.parametrize("length", [2, 4])
def test_example_weights_are_as_many_as_examples(length):
    with pytest.raises(ValueError, match=rf"weights must be 3 numbers, one an example, got \({length},\)"):
        SoftmaxCrossEntropy().forward(np.zeros((3, 2)), np.array([0, 1, 0]), np.ones(length))
