"""Losses over many classes: against finite differences, the full softmax, and trees checked by exhaustive search."""

import heapq
import itertools

import numpy as np
import pytest

from minnet.large_vocabulary import HierarchicalSoftmax, LogUniform, SampledSoftmaxCrossEntropy, Unigram, huffman, paths
from minnet.layers import Linear, Sequential
from minnet.layers.base import RowGradient
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD, Adam
from minnet.training import Trainer

N, D, K = 6, 4, 13


def losses():
    counts = np.arange(K, 0, -1.0) ** 2
    return [
        SampledSoftmaxCrossEntropy(D, K, samples=7, rng=3),
        SampledSoftmaxCrossEntropy(D, K, samples=20, proposal=Unigram(counts), rng=3),
        HierarchicalSoftmax(D, counts, rng=3),
    ]


def batch(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, D)), np.array([0, 5, 5, 12, 1, 0]), rng.random(N) + 0.5


def value(loss, x, y, w):
    if hasattr(loss, "rng"):
        loss.rng = np.random.default_rng(9)  # the same draw every time
    return loss.forward(x, y, w)


@pytest.mark.parametrize("loss", losses(), ids=repr)
def test_gradients_against_finite_differences(loss):
    loss.astype(np.float64)
    loss.b[...] = np.random.default_rng(1).standard_normal(loss.b.shape)
    x, y, w = batch()
    value(loss, x, y, w)
    dx = loss.backward()
    gradients = {"x": dx, "W": loss.dW.dense(loss.W.shape), "b": loss.db.dense(loss.b.shape)}
    for rows in (loss.dW.rows, loss.db.rows):
        assert (np.diff(rows) > 0).all()
    for name, array in {"x": x, "W": loss.W, "b": loss.b}.items():
        expected = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept, ends = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = kept + step
                ends.append(value(loss, x, y, w))
            array[place] = kept
            expected[place] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradients[name], expected, atol=1e-9, err_msg=name)


def test_with_every_class_drawn_once_the_sampled_loss_is_the_full_one():
    class Everything:
        classes = K

        def draw(self, size, rng):
            return np.arange(K)

        def log_q(self, k):
            return np.full(len(k), -np.log(K))

    loss = SampledSoftmaxCrossEntropy(D, K, samples=K, proposal=Everything(), rng=0).astype(np.float64)
    x, y, w = batch()
    full = SoftmaxCrossEntropy()
    assert loss.forward(x, y, w) == pytest.approx(full.forward(x @ loss.W.T + loss.b, y, w), abs=1e-12)
    dx, dlogits = loss.backward(), full.backward()
    np.testing.assert_allclose(dx, dlogits @ loss.W, atol=1e-12)
    np.testing.assert_allclose(loss.dW.dense(loss.W.shape), dlogits.T @ x, atol=1e-12)


def test_a_proposal_of_ones_own_is_described_by_its_repr():
    class Even(LogUniform):
        def __repr__(self):
            return "Even()"

    loss = SampledSoftmaxCrossEntropy(D, K, samples=5, proposal=Even(K), rng=0)
    assert loss.config()["proposal"] == "Even()" and repr(loss.proposal) == "Even()"


@pytest.mark.parametrize("proposal", [LogUniform(K), Unigram(np.arange(K, 0, -1))], ids=repr)
def test_proposals_draw_what_they_say(proposal):
    q = np.exp(proposal.log_q(np.arange(K)))
    assert q.sum() == pytest.approx(1, abs=1e-12)
    drawn = np.bincount(proposal.draw(200_000, np.random.default_rng(0)), minlength=K) / 200_000
    assert np.abs(drawn - q).max() < 5 * np.sqrt(q.max() / 200_000)


def test_the_estimate_of_the_sum_is_unbiased_and_that_of_its_logarithm_is_low():
    loss = SampledSoftmaxCrossEntropy(D, K, samples=5, rng=0).astype(np.float64)
    x, y, _ = batch()
    x, y = 3 * x[:1], y[:1]
    scores = x @ loss.W.T + loss.b
    exact = SoftmaxCrossEntropy().forward(scores, y)
    estimates = []
    loss.rng = np.random.default_rng(0)
    for _ in range(4000):
        estimates.append(loss.forward(x, y))
    estimates = np.array(estimates)
    sums = np.exp(estimates + scores[0, y[0]])  # log Z^ = loss + score of the truth
    error = sums.std() / np.sqrt(len(sums))
    assert abs(sums.mean() - np.exp(scores).sum()) < 4 * error
    bias = estimates.mean() - exact
    assert bias < -4 * estimates.std() / np.sqrt(len(estimates))
    assert bias == pytest.approx(-sums.var() / (2 * sums.mean() ** 2), rel=0.5)


def test_the_sampled_loss_is_exact_in_evaluation_mode():
    loss = SampledSoftmaxCrossEntropy(D, K, samples=2, rng=0).astype(np.float64).eval()
    x, y, w = batch()
    assert loss.forward(x, y, w) == pytest.approx(SoftmaxCrossEntropy().forward(x @ loss.W.T + loss.b, y, w))
    with pytest.raises(
        RuntimeError, match=r"in evaluation the loss is exact and has no backward: call train\(\) first"
    ):
        loss.backward()


def test_hierarchical_probabilities_sum_to_one_and_cost_what_the_loss_says():
    loss = HierarchicalSoftmax(D, np.random.default_rng(0).integers(0, 50, 200), rng=1).astype(np.float64)
    x = 5 * np.random.default_rng(1).standard_normal((8, D))
    log_p = loss.log_probabilities(x)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-12)
    y = np.random.default_rng(2).integers(200, size=8)
    assert loss.forward(x, y) == pytest.approx(-log_p[np.arange(8), y].mean(), rel=1e-12)


def test_huffman_by_hand():
    # 1 and 1 join to 2, with 2 to 4, with 5 to 9: depths 1, 2, 3, 3
    starts, _, _ = paths(huffman(np.array([5, 2, 1, 1])))
    assert np.diff(starts).tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_huffman_costs_what_a_heap_says_and_less_than_the_entropy_plus_one(seed):
    counts = np.random.default_rng(seed).integers(1, 1000, 60).astype(float) ** 2
    lengths = np.diff(paths(huffman(counts))[0])
    heap, cost = counts.tolist(), 0.0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    assert counts @ lengths == pytest.approx(cost)
    p = counts / counts.sum()
    entropy = -(p * np.log2(p)).sum()
    assert entropy <= p @ lengths < entropy + 1


def test_every_class_has_a_path_of_its_own():
    tree = huffman(np.arange(1.0, 12))
    starts, nodes, answers = paths(tree)
    seen = set()
    for k in range(11):
        steps = list(zip(nodes[starts[k] : starts[k + 1]][::-1], answers[starts[k] : starts[k + 1]][::-1], strict=True))
        at = 0
        for node, answer in steps:
            assert node == at
            at = tree[node, 0 if answer > 0 else 1]
        assert at == ~k
        seen.add(tuple(steps))
    assert len(seen) == 11


def test_gradients_touch_few_rows_and_optimizers_move_only_these():
    classes = 1000
    for loss in (
        SampledSoftmaxCrossEntropy(D, classes, samples=10, rng=0),
        HierarchicalSoftmax(D, 1 / np.arange(1.0, classes + 1), rng=0),
    ):
        body = Sequential(Linear(D, D, rng=0))
        for optimizer in (SGD(body, 0.1, loss=loss), Adam(body, 0.1, loss=loss)):
            x = np.random.default_rng(0).standard_normal((3, D)).astype(np.float32)
            before = loss.W.copy()
            loss.forward(body.forward(x), np.array([1, 2, 3]))
            body.backward(loss.backward())
            optimizer.step()
            assert isinstance(loss.dW, RowGradient) and len(loss.dW.rows) < 60
            assert set(np.flatnonzero((before != loss.W).any(axis=1))) == set(loss.dW.rows)


@pytest.mark.parametrize("kind", ["sampled", "tree"])
def test_the_trainer_fits_them_reproducibly_whatever_the_threads(kind):
    rng = np.random.default_rng(0)
    y = rng.integers(K, size=300)
    x = (np.eye(K)[y] + 0.1 * rng.standard_normal((300, K))).astype(np.float32)
    found = []
    for workers, _ in itertools.product((1, 2), range(2)):
        body = Sequential(Linear(K, 8, rng=0))
        loss = SampledSoftmaxCrossEntropy(8, K, samples=6, rng=1) if kind == "sampled" else HierarchicalSoftmax(
            8, np.bincount(y, minlength=K), rng=1)  # fmt: skip
        trainer = Trainer(body, loss, Adam(body, 0.06, loss=loss), workers=workers, piece=16)
        history = trainer.fit((x, y), (x, y), epochs=6, batch_size=32, progress=False)
        found.append(loss.W.copy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert history[-1]["validation_loss"] < 0.2
    assert (loss.log_probabilities(body.forward(x)).argmax(axis=1) == y).mean() > 0.98


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SampledSoftmaxCrossEntropy(4, 1), "2 classes"),
        (lambda: SampledSoftmaxCrossEntropy(4, 9, proposal=LogUniform(8)), "over 8 classes"),
        (lambda: Unigram([1, 0, 2]), "above 0"),
        (lambda: Unigram([1, np.inf]), "finite numbers above 0"),
        (lambda: HierarchicalSoftmax(2, [1, np.inf]), "finite numbers >= 0"),
        (lambda: HierarchicalSoftmax(4, [3]), "two classes"),
        (lambda: HierarchicalSoftmax(4, [3, 1]).forward(np.ones((2, 3), np.float32), [0, 1]), "expects"),
        (lambda: HierarchicalSoftmax(4, [3, 1]).forward(np.ones((2, 4), np.float32), [0, 2]), "label 2 is outside"),
        (lambda: HierarchicalSoftmax(4, [3, 1]).forward(np.ones((2, 4), np.float32), [0]), "2 rows of features"),
    ],
)
def test_errors_name_the_cause(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SampledSoftmaxCrossEntropy(D, 300, samples=5, rng=0),
        lambda: HierarchicalSoftmax(D, np.arange(300) + 1, rng=0),
    ],
)
def test_narrow_labels_empty_batches_and_examples_that_do_not_count(make):
    x = np.random.default_rng(0).standard_normal((3, D)).astype(np.float32)
    found = []
    for dtype in (np.int64, np.uint8, np.uint64):
        loss = make()
        found.append((loss.forward(x, np.array([255, 0, 7], dtype)), loss.backward()))
        assert loss.dW.rows.dtype.kind == "i" and loss.dW.dense(loss.W.shape).shape == loss.W.shape
        assert found[-1][0] == found[0][0] and np.array_equal(found[-1][1], found[0][1])
    for mode in (True, False):
        loss = make()
        loss.train(mode)
        assert loss.forward(x[:0], np.zeros(0, int), None, 3.0) == 0.0
        loss = make()
        loss.train(mode)
        broken = np.where(np.arange(3)[:, None] == 1, np.inf, x).astype(np.float32)
        with np.errstate(all="ignore"):
            assert np.isfinite(loss.forward(broken, np.array([1, 2, 3]), [1, 0, 1]))
