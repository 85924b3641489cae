"""The learning-rate finder: finds the cliff where it is known to be, and leaves everything as it was."""

import itertools

import numpy as np
import pytest

from minnet import plots
from minnet.layers import BatchNorm, Dropout, Linear, ReLU, Sequential
from minnet.learning_rate import _batches, find_learning_rate
from minnet.losses import MeanSquaredError, SoftmaxCrossEntropy
from minnet.optimizers import SGD, Adam, Lookahead
from minnet.training import Trainer
from tests.test_training import LABELS, POINTS, bits


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_it_ends_where_steps_are_known_to_explode(scale):
    """Least squares on orthogonal inputs bends alike in all directions, by c: steps diverge above a rate of 2 / c."""
    x = scale * np.repeat(np.eye(4), 8, axis=0)
    y = x @ [[1.0], [2.0], [-1.0], [3.0]] + scale * np.random.default_rng(0).standard_normal((32, 1))
    model, loss = Sequential(Linear(4, 1, bias=False, rng=0)).astype(np.float64), MeanSquaredError()
    at = [loss.forward(x @ (model[0].W + shift * np.eye(4, 1)), y) for shift in (-1, 0, 1)]
    c = at[0] + at[2] - 2 * at[1]
    it = Trainer(model, loss, SGD(model, 0.1), workers=1)
    found = find_learning_rate(it, (x, y), lowest=1e-4 / c, highest=1e4 / c, steps=200, smoothing=0.0)
    assert 2 / c < found.rates[-1] < 30 / c, "in between, the steps grow from almost nothing"
    assert 0.01 / c < found.suggestion < 0.5 / c


def trainer(kind):
    model = Sequential(Linear(4, 16, rng=0), BatchNorm(16), ReLU(), Dropout(0.2, rng=1), Linear(16, 3, rng=2))
    optimizer = Adam(model, 0.01) if kind == "adam" else Lookahead(SGD(model, 0.1, momentum=0.9), every=2)
    return Trainer(model, SoftmaxCrossEntropy(), optimizer, workers=2, piece=8)


@pytest.mark.parametrize("kind", ["adam", "lookahead"])
def test_nothing_is_changed(kind):
    looked, plain = trainer(kind), trainer(kind)
    for it in (looked, plain):
        it.fit((POINTS, LABELS), epochs=1, batch_size=9, progress=False)
    state = {key: array.copy() for key, array in looked.optimizer.state_arrays().items()}
    found = find_learning_rate(looked, (POINTS, LABELS, np.ones(45)), batch_size=16, steps=40)
    assert bits(looked.model) == bits(plain.model) and looked.optimizer.steps == plain.optimizer.steps
    assert all(np.array_equal(array, state[key]) for key, array in looked.optimizer.state_arrays().items())
    assert all(layer.training and layer.needs_dx for _, layer in looked.model.walk())
    again = find_learning_rate(looked, (POINTS, LABELS, np.ones(45)), batch_size=16, steps=40)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True)), "the same every time"
    for it in (looked, plain):
        it.fit((POINTS, LABELS), epochs=1, batch_size=9, progress=False)
    assert bits(looked.model) == bits(plain.model)


def test_the_trainers_own_settings_count():
    def losses(**settings):
        it = trainer("adam")
        for name, value in settings.items():
            setattr(it, name, value)
        return find_learning_rate(it, (POINTS, LABELS), batch_size=20, steps=10).losses

    assert (losses() != losses(augment=lambda x, rng, epoch, indices: -x)).any()
    assert (losses() != losses(exact_batch_norm=True)).any(), "over 20 examples, not over pieces of 8"


def test_a_model_that_was_last_asked_to_predict_is_tried_in_training():
    asked = trainer("adam")
    asked.model.eval()
    found, again = (find_learning_rate(it, (POINTS, LABELS), batch_size=16, steps=9) for it in (asked, trainer("adam")))
    assert np.array_equal(found.losses, again.losses)


def test_batches_are_full_and_every_epoch_has_its_own_order():
    six = [rows for rows, _ in zip(_batches(40, 16, 0), range(6), strict=False)]
    assert [len(rows) for rows in six] == [16] * 6
    assert len(np.unique(six[:2])) == 32 and not np.array_equal(six[0], six[2])


def test_an_infinite_gradient_ends_it_where_the_loss_is_finite(monkeypatch):
    backward, calls = MeanSquaredError.backward, itertools.count(1)

    def steep(loss):
        return backward(loss) * (np.inf if next(calls) == 4 else 1)  # in its third step, as one call checks

    monkeypatch.setattr(MeanSquaredError, "backward", steep)
    model = Sequential(Linear(4, 1, rng=0))
    it = Trainer(model, MeanSquaredError(), SGD(model, 0.1), workers=1)
    assert len(find_learning_rate(it, (POINTS, POINTS[:, :1]), batch_size=15).losses) == 2


def test_nobody_reads_the_first_layers_dx(monkeypatch):
    given, backward = [], Linear.backward

    def watched(layer, dy):
        given.append((layer.in_features, backward(layer, dy) is None))
        return backward(layer, dy)

    monkeypatch.setattr(Linear, "backward", watched)
    find_learning_rate(trainer("adam"), (POINTS, LABELS), steps=2)
    assert set(given) == {(4, True), (16, False)}


def test_what_it_suggests_is_worth_taking():
    y = np.random.default_rng(0).integers(0, 3, 300)
    x = (np.random.default_rng(1).standard_normal((300, 8)) + 2 * np.eye(8)[y]).astype(np.float32)

    def make(rate):
        model = Sequential(Linear(8, 16, rng=0), ReLU(), Linear(16, 3, rng=1))
        return Trainer(model, SoftmaxCrossEntropy(), SGD(model, rate, momentum=0.9), workers=1)

    found = find_learning_rate(make(0.1), (x, y), batch_size=32)
    assert found.rates[0] == pytest.approx(1e-6) and len(found.rates) == len(found.losses)
    losses = {
        factor: make(found.suggestion * factor).fit((x, y), epochs=5, batch_size=32, progress=False)[-1]["train_loss"]
        for factor in (0.01, 1)
    }
    assert losses[1] < 0.6 * losses[0.01]


def noisy(seed, loss=None, **settings):
    """A straight line under noise as large as itself, in small batches: one may cost twice as much as the next."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1000, 20)).astype(np.float32)
    y = (x @ rng.standard_normal((20, 1)) + 4 * rng.standard_normal((1000, 1))).astype(np.float32)
    model = Sequential(Linear(20, 1, rng=seed))
    it = Trainer(model, loss or MeanSquaredError(), Adam(model, 0.1), seed=seed, workers=1)
    return find_learning_rate(it, (x, y), batch_size=8, **settings)


def test_the_luck_of_the_first_batches_is_no_suggestion():
    found = [noisy(seed) for seed in range(10)]
    assert min(one.suggestion for one in found) > 1e-4
    lucky = [one for one in found if one.losses.argmin() < 9]
    assert lucky, "the average of the first few was the lowest of all"
    figure = plots.learning_rate_finder(*lucky[0])
    rate = 10 * lucky[0].suggestion
    assert f"lowest at {rate:.2g} (" in figure.get_label() and "the first steps aside" in figure.get_label()
    curve, *_ = figure.axes[0].lines
    assert curve.get_xdata()[curve.get_markevery()] == pytest.approx(rate)
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < lucky[0].losses[:20].min() < lucky[0].losses[:20].max() < top


def test_it_ends_three_times_its_lowest_or_its_first_above_the_lowest():
    settled = noisy(0, highest=1e3, steps=200).losses[9:]  # from here on over ten batches
    *before, last = (settled - settled.min()) / max(settled.min(), settled[0])
    assert 2 < max(before) <= 3 < last < 6


class Lowered(MeanSquaredError):
    """The same but for a constant, as a logarithm of a density may be."""

    def __init__(self, by=60.0):
        self.by = by

    def forward(self, scores, targets, weights=None, denominator=None):
        return super().forward(scores, targets, weights, denominator) - self.by * len(targets) / (
            denominator or len(targets)
        )


def test_losses_below_zero_have_their_rate_as_well():
    for seed in range(3):
        plain, lowered = noisy(seed), noisy(seed, Lowered())
        assert lowered.suggestion == plain.suggestion and len(lowered.losses) > 50
        same = min(len(plain.losses), len(lowered.losses))
        assert lowered.losses[:same] == pytest.approx(plain.losses[:same] - 60)


def test_of_few_steps_all_are_looked_at():
    found = find_learning_rate(
        trainer("adam"), (POINTS, LABELS), batch_size=45, steps=12, lowest=0.05, highest=5e4, smoothing=0.9
    )
    assert found.suggestion == found.rates[found.losses.argmin()] / 10


def test_smoothing_is_an_average_that_fades():
    one = find_learning_rate(trainer("adam"), (POINTS, LABELS), batch_size=16, steps=10, highest=1e-5, smoothing=0.0)
    two = find_learning_rate(trainer("adam"), (POINTS, LABELS), batch_size=16, steps=10, highest=1e-5, smoothing=0.5)
    for step in range(10):
        weights = 0.5 ** np.arange(step, -1, -1)
        assert two.losses[step] == pytest.approx((weights * one.losses[: step + 1]).sum() / weights.sum())


def test_mistakes():
    for settings in ({"lowest": 0}, {"lowest": 1, "highest": 0.1}, {"steps": 1}, {"smoothing": 1.0}, {"batch_size": 0}):
        with pytest.raises(ValueError):
            find_learning_rate(trainer("adam"), (POINTS, LABELS), **settings)
    with pytest.raises(ValueError, match="45 inputs but 44 targets"):
        find_learning_rate(trainer("adam"), (POINTS, LABELS[1:]))
    with pytest.raises(ValueError, match=r"must be a NumPy array, got list: np\.asarray"):
        find_learning_rate(trainer("adam"), (POINTS.tolist(), LABELS))
    with pytest.raises(ValueError, match="not finite from the start"):
        find_learning_rate(trainer("adam"), (POINTS * np.float32(np.nan), LABELS))
    with pytest.raises(ValueError, match="the training labels run from 1 to 3"):
        find_learning_rate(trainer("adam"), (POINTS, LABELS + 1))


def test_its_figure_says_what_it_shows():
    figure = plots.learning_rate_finder(np.array([0.01, 0.1, 1.0, 10.0]), np.array([2.0, 1.0, 0.5, 5.0]), 0.1)
    caption = figure.get_label()
    assert "from 0.01 to 10" in caption and "lowest at 1 (0.500)" in caption and "0.1 (dashed)" in caption
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_ylim()[1] < 5, "what has diverged is cut off"
    for last in (5.0, 1e5, np.nan):
        (axes,) = plots.learning_rate_finder(
            np.geomspace(1e-3, 1, 31), np.r_[np.linspace(2.3, 1, 30), last], 0.8 / 10
        ).axes
        low, high = axes.get_ylim()
        assert 0.75 < low < 1 and 2.3 < high < 3.1, "the curve up to its lowest point fills the panel"
    plots.learning_rate_finder(np.array([0.1]), np.array([2.0]), 0.01)
    with pytest.raises(ValueError, match="as many losses"):
        plots.learning_rate_finder(np.ones(3), np.ones(2), 0.1)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scores_of_minus_infinity_end_it():
    model = Sequential(Linear(4, 3, rng=0))
    model[0].W[...] = -3e38
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
    points, labels = np.full((20, 4), 9, np.float32), np.arange(20) % 3
    with pytest.raises(ValueError, match="a row of scores is -inf throughout"):
        find_learning_rate(trainer, (points, labels), batch_size=10)
    points[0] = 0  # the only row that is tried beforehand
    with pytest.raises(ValueError, match="not finite from the start on"):
        find_learning_rate(trainer, (points, labels), batch_size=10)


def test_it_takes_the_trainers_steps_clipped_and_without_batches_that_do_not_count():
    def tried(clip_norm=None, weights=None, steps=6):
        model = Sequential(Linear(4, 3, rng=0))
        it = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1, clip_norm=clip_norm)
        train = (POINTS, LABELS) if weights is None else (POINTS, LABELS, weights)
        return find_learning_rate(it, train, lowest=1, highest=100, steps=steps, batch_size=5)

    assert tried(clip_norm=1e-9).losses[-1] != tried().losses[-1]
    assert np.array_equal(tried(clip_norm=1e9).losses, tried().losses)
    weights = np.zeros(45)
    weights[:15] = 1  # some batches of 5 hold none of these
    found = tried(weights=weights, steps=18)
    np.testing.assert_allclose(found.rates, np.geomspace(1, 100, 18)[: len(found.losses)])
    assert len(found.losses) >= 2 and np.isfinite(found.losses).all()
    with pytest.raises(ValueError, match="no example of the training data counts"):
        tried(weights=np.zeros(45))
