"""Softmax and cross-entropy against 50-digit arithmetic, over scores of sizes from 1e-30 to 1e4.

The bounds, with eps the distance from 1 to the next number of the dtype: probabilities differ from the truth by at most
(|z - max| / 2 + 8) eps of their size (z - max is rounded once, and its exponential carries that on), the loss by at
most 4 eps (1 + loss), and p - y by at most 8 eps. The textbook formulas break them on the same scores.
"""

import numpy as np
import pytest

from minnet.functional import entropy, log_softmax, logsumexp, softmax, softmax_jacobian
from minnet.losses import SoftmaxCrossEntropy

EXPONENTS = range(-30, 5)
DTYPES = [np.float32, np.float64]


@pytest.fixture(scope="module")
def mp():
    mpmath = pytest.importorskip("mpmath", reason="mpmath comes with the extra [proof]")
    with mpmath.workdps(50):
        yield mpmath


def rows_of_scores():
    """Rows that are hard: every size, ties, near-ties, one far above or below, one class, a thousand classes."""
    rng = np.random.default_rng(20)
    for exponent in EXPONENTS:
        size = 10.0**exponent
        for classes in (1, 2, 3, 10):
            yield size * rng.standard_normal(classes)
        yield size * rng.uniform(-1, 1, 100)
        yield np.array([size, size, size])
        yield np.array([0, size])
        yield np.array([0, -size, size])
        yield size * np.array([1, 1 - 1e-7, 1 - 1e-15])
        yield size + np.array([0.0, 0.1, -0.2])
        yield np.array([-size, -size, 1e-30, 3.0])
    for size in (1e-3, 1.0, 30.0, 1e4):
        yield size * rng.standard_normal(1000)
    yield np.array([1e4, -1e4, 0, 1e-30, -1e-30, 87.3, -87.3, 88.7, -88.7, 103.9, 708.4, -708.4, 709.7, -745.1])
    yield np.array([-1e4, -1e4 - 0.5, -1e4 + 0.25])


@pytest.fixture(scope="module", params=DTYPES, ids=["float32", "float64"])
def scores(request):
    return [row.astype(request.param) for row in rows_of_scores()]


def exact(mp, row):
    """p, log sum exp and log p of a row in 50 digits."""
    z = [mp.mpf(float(score)) for score in row]
    top = max(z)
    total = sum(mp.exp(score - top) for score in z)
    log_p = [score - top - mp.log(total) for score in z]
    return [mp.exp(value) for value in log_p], top + mp.log(total), log_p


def test_softmax(mp, scores):
    for row in scores:
        eps, tiny = float(np.finfo(row.dtype).eps), float(np.finfo(row.dtype).smallest_subnormal)
        p, _, _ = exact(mp, row)
        actual = softmax(row)
        assert actual.dtype == row.dtype
        for k in range(len(row)):
            distance = float(row.max()) - float(row[k])
            allowed = (distance / 2 + 8) * eps * p[k] + tiny  # below the smallest normal number only tiny steps exist
            assert abs(float(actual[k]) - p[k]) <= allowed, (row, k, actual[k], mp.nstr(p[k], 20))


def test_log_softmax_and_logsumexp(mp, scores):
    for row in scores:
        eps = float(np.finfo(row.dtype).eps)
        _, lse, log_p = exact(mp, row)
        assert abs(float(logsumexp(row)) - lse) <= 4 * eps * (1 + abs(lse)), row
        for actual, truth in zip(log_softmax(row), log_p, strict=True):
            assert abs(float(actual) - truth) <= 4 * eps * (1 + abs(truth)), row


def test_loss_and_its_gradient(mp, scores):
    for row in scores:
        eps = float(np.finfo(row.dtype).eps)
        p, _, log_p = exact(mp, row)
        for label in {0, len(row) - 1, int(row.argmin()), int(row.argmax())}:
            criterion = SoftmaxCrossEntropy()
            loss = criterion.forward(row[None], np.array([label]))
            assert abs(loss - -log_p[label]) <= 4 * eps * (1 - log_p[label]), (row, label, loss)
            for k, actual in enumerate(criterion.backward()[0]):
                assert abs(float(actual) - (p[k] - (k == label))) <= 8 * eps, (row, label, k)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_with_smoothing(mp, dtype, smoothing):
    """The mean over a batch of mixed sizes: as exact as its largest member."""
    rng = np.random.default_rng(5)
    z = (10.0 ** rng.uniform(-30, 4, (64, 1)) * rng.standard_normal((64, 10))).astype(dtype)
    labels = rng.integers(0, 10, 64)
    eps = float(np.finfo(dtype).eps)
    e = mp.mpf(float(dtype(smoothing)))
    total, gradient = mp.mpf(0), []
    for row, label in zip(z, labels, strict=True):
        p, _, log_p = exact(mp, row)
        t = [(1 - e) * (k == label) + e / 10 for k in range(10)]
        total -= sum(share * value for share, value in zip(t, log_p, strict=True))
        gradient.append([(p[k] - t[k]) / 64 for k in range(10)])
    criterion = SoftmaxCrossEntropy(label_smoothing=smoothing)
    loss = criterion.forward(z, labels)
    assert abs(loss - total / 64) <= 4 * eps * (1 + total / 64)
    dz = criterion.backward()
    for n, k in np.ndindex(z.shape):
        assert abs(float(dz[n, k]) - gradient[n][k]) <= 8 * eps / 64


def test_entropy(mp, scores):
    for row in scores:
        eps = float(np.finfo(row.dtype).eps)
        p = softmax(row)
        truth = -sum((mp.mpf(float(q)) * mp.log(mp.mpf(float(q))) for q in p if q > 0), mp.mpf(0))
        assert abs(float(entropy(p)) - truth) <= 16 * eps * (1 + truth), row


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature(mp, dtype):
    z = np.array([3.0, -1.0, 0.5, 1e4], dtype)
    for temperature in (1e-3, 0.5, 2.0, 1e5):
        p, _, _ = exact(mp, z / dtype(temperature))
        np.testing.assert_allclose(
            softmax(z, temperature=temperature), [float(q) for q in p], rtol=1e4 * np.finfo(dtype).eps, atol=1e-300
        )


# -- impossible classes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_impossible_classes(dtype):
    z = np.array([[0.0, -np.inf, np.log(3.0)]], dtype)
    np.testing.assert_allclose(softmax(z), [[0.25, 0, 0.75]], rtol=4 * np.finfo(dtype).eps)
    criterion = SoftmaxCrossEntropy()
    assert criterion.forward(z, np.array([1])) == np.inf
    assert criterion.forward(z, np.array([0])) == pytest.approx(np.log(4), rel=1e-6)
    soft = np.array([[0.5, 0.0, 0.5]], dtype)
    assert criterion.forward(z, soft) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2, rel=1e-6)  # 0 times -inf is 0
    np.testing.assert_allclose(criterion.backward(), [[-0.25, 0, 0.25]], rtol=4 * np.finfo(dtype).eps)
    assert np.isfinite(entropy(softmax(z))).all() and np.isfinite(softmax_jacobian(softmax(z))).all()
    with pytest.raises(ValueError, match="every class is impossible"):
        softmax(np.full((2, 3), -np.inf, dtype))


# -- what the textbook formulas do on the same scores ---------------------------------------------------------------


def naive_softmax(z):
    e = np.exp(z)
    return e / e.sum()


def naive_loss(z, label):
    return -np.log(naive_softmax(z)[label])


def naive_gradient(z, label):
    """The long way: -1 / p at the label, times the Jacobian."""
    p = naive_softmax(z)
    dp = np.zeros_like(p)
    dp[label] = -1 / p[label]
    return (np.diag(p) - np.outer(p, p)) @ dp


def clipped_loss(z, label):
    """What keeps the logarithm finite, and lies."""
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return -np.log(np.clip(p[label], 1e-7, 1))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_naive_formulas_fail_on_these_scores(scores):
    broken = {"softmax": 0, "loss": 0, "gradient": 0, "clipped loss": 0}
    for row in scores:
        label = int(row.argmin())
        criterion = SoftmaxCrossEntropy()
        loss, gradient = criterion.forward(row[None], np.array([label])), criterion.backward()[0]
        assert np.isfinite(softmax(row)).all() and np.isfinite(loss) and np.isfinite(gradient).all()
        broken["softmax"] += not np.isfinite(naive_softmax(row)).all()
        broken["loss"] += not np.isfinite(naive_loss(row, label))
        broken["gradient"] += not np.isfinite(naive_gradient(row, label)).all()
        broken["clipped loss"] += abs(clipped_loss(row, label) - loss) > 1e-3 * (1 + loss)
    assert min(broken.values()) >= 10, broken


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_maximum_for_the_whole_batch_is_not_enough():
    z = np.array([[0.0, 1.0], [2000.0, 2001.0]])
    e = np.exp(z - z.max())
    assert not np.isfinite(e / e.sum(axis=1, keepdims=True)).all()
    np.testing.assert_allclose(softmax(z)[0], softmax(z)[1], rtol=1e-15)
