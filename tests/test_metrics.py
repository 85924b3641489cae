"""The measures against hand arithmetic and scikit-learn; the intervals against simulations whose truth is known."""

import io
import json
import math
import sys
import tracemalloc

import numpy as np
import pytest
import sklearn.metrics
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import binom
from tqdm import tqdm

from minnet import calibration, intervals, metrics, quantification
from minnet.formatting import bars, encodable, interval, one_line, percent, some, width_of
from minnet.losses import SoftmaxCrossEntropy
from tests.drawing import simulated

# Six examples, three classes; the predictions are 0 0 1 1 0 1, so class 2 is never predicted.
HAND = np.array([
    [0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05], [0.0, 0.5, 0.5],
])  # fmt: skip
TRUTH = np.array([0, 1, 1, 1, 0, 2])
NAMES = ["cat", "dog", "owl"]


def test_evaluate_by_hand():
    m = metrics.evaluate(HAND, TRUTH, NAMES, bootstrap=50)
    assert m["confusion"] == [[2, 0, 0], [1, 2, 0], [0, 1, 0]]
    assert m["accuracy"] == pytest.approx(4 / 6)
    assert m["majority"] == pytest.approx(3 / 6)
    assert m["calibration"]["confidence"] == pytest.approx(sum(max(row) for row in HAND.tolist()) / 6)
    cat, dog, owl = m["per_class"]
    assert (cat["precision"], cat["recall"], cat["f1"]) == pytest.approx((2 / 3, 1, 0.8))
    assert (dog["precision"], dog["recall"], dog["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (owl["precision"], owl["recall"], owl["f1"], owl["support"], owl["predicted"]) == (0, 0, 0, 1, 0)
    assert m["macro"]["recall"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert m["macro"]["f1"] == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert m["weighted"]["f1"] == pytest.approx((2 * 0.8 + 3 * 2 / 3 + 0) / 6)
    assert m["log_loss"] == pytest.approx(-sum(map(math.log, (0.8, 0.3, 0.7, 0.6, 0.9, 0.5))) / 6)
    first, last = 0.2**2 + 0.1**2 + 0.1**2, 0.5**2 + 0.5**2
    rest = (0.5**2 + 0.7**2 + 0.2**2) + (0.2**2 + 0.3**2 + 0.1**2) + (0.1**2 + 0.4**2 + 0.3**2) + (0.1**2 + 2 * 0.05**2)
    assert m["brier"] == pytest.approx((first + rest + last) / 6)
    assert m["entropy"]["uniform"] == pytest.approx(math.log(3))
    wrong = [-(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2)), math.log(2)]
    assert m["entropy"]["wrong"] == pytest.approx(sum(wrong) / 2)
    right = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]
    assert m["entropy"]["right"] == pytest.approx(-sum(p * math.log(p) for row in right for p in row) / 4)
    assert m["bootstrap"] == {"resamples": 50, "seed": 0, "level": 0.95}
    assert m["undefined"] == [
        {"measure": "precision", "class": "owl", "why": "never predicted, so it counts as 0"},
        {
            "measure": "intervals of macro averages", "class": None,
            "why": "too narrow: few examples are, or are called, cat, dog, owl",
        },
        {"measure": "interval of log loss", "class": None, "why": "too narrow: most of it rests on 2 mistakes"},
    ]  # fmt: skip


def test_evaluate_is_strict_json_and_the_same_for_the_same_seed():
    p, labels = simulated(500)
    first = metrics.evaluate(p, labels, list("abcd"))
    text = json.dumps(first, allow_nan=False)
    assert json.loads(text) == first
    assert metrics.evaluate(p, labels, list("abcd")) == first
    assert metrics.evaluate(p, labels, list("abcd"), seed=1)["intervals"] != first["intervals"]


@pytest.mark.parametrize("k", [2, 5, 12])
def test_evaluate_agrees_with_scikit_learn(k):
    p, labels = simulated(700, k, seed=k)
    m = metrics.evaluate(p.astype(np.float32), labels, [f"class {i}" for i in range(k)], bootstrap=20)
    said = p.argmax(axis=1)
    assert m["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, said))
    assert m["majority"] == pytest.approx(np.bincount(labels).max() / 700)
    assert m["macro"]["recall"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, said))
    for kind in ("macro", "weighted"):
        assert m[kind]["f1"] == pytest.approx(sklearn.metrics.f1_score(labels, said, average=kind))
        assert m[kind]["precision"] == pytest.approx(sklearn.metrics.precision_score(labels, said, average=kind))
    assert m["log_loss"] == pytest.approx(sklearn.metrics.log_loss(labels, p), rel=1e-5)
    assert m["brier"] == pytest.approx(((p - np.eye(k)[labels]) ** 2).sum(axis=1).mean(), rel=1e-5)


def test_rates_of_a_stack_of_confusion_matrices_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 4, size=(5, 2, 60))
    pairs[0, 1] = 2  # three classes never predicted
    pairs[1] %= 3  # one class neither present nor predicted
    stack = np.stack([sklearn.metrics.confusion_matrix(t, s, labels=range(4)) for t, s in pairs])
    for i, (true, said) in enumerate(pairs):
        known = sklearn.metrics.precision_recall_fscore_support(true, said, labels=range(4), zero_division=0)
        np.testing.assert_allclose([values[i] for values in intervals.rates(stack)], known[:3], atol=1e-15)


def test_what_is_undefined_is_said():
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    m = metrics.evaluate(p, np.array([0, 1]), NAMES)
    assert m["per_class"][2] == {"class": "owl", "precision": 0, "recall": 0, "f1": 0, "support": 0, "predicted": 0}
    assert {(u["measure"], u["class"]) for u in m["undefined"]} == {
        ("precision", "owl"), ("recall", "owl"), ("f1", "owl"),
        ("entropy of wrong predictions", None), ("intervals of all but accuracy", None),
    }  # fmt: skip
    assert m["entropy"]["wrong"] is None
    # 2 of 2 right: Wilson's lower bound is n / (n + z^2)
    assert m["intervals"]["accuracy"] == pytest.approx([2 / (2 + 1.959963984540054**2), 1.0])
    assert [bounds for name, bounds in m["intervals"].items() if name != "accuracy"] == [None] * 5
    *last, only_some = metrics.table(m).splitlines()[-3:]
    others = "over the other 2 classes: recall 1.000, F1 1.000"
    assert only_some == f"(there are no examples of owl, which count as 0 in the macro means; {others})"
    assert "macro F1 0.667 (–), log loss" in last[0]
    assert last[1].startswith("(intervals of all but accuracy: no prediction is wrong, so")


@pytest.mark.parametrize("examples", [29, 30, 31])
def test_few_examples_of_a_class_that_are_all_right_make_macro_intervals_doubtful(examples):
    labels = np.repeat([0, 1], [examples, 60])
    said = np.where(np.arange(len(labels)) < examples + 10, 0, labels)  # ten of class 1 are taken for 0
    m = metrics.evaluate(0.1 + 0.8 * np.eye(2)[said], labels, ["rare", "common"], bootstrap=20)
    told = [each["why"] for each in m["undefined"] if each["measure"] == "intervals of macro averages"]
    assert told == ["too narrow: few examples are, or are called, rare"] * (examples == 29)
    p = np.hstack([0.1 + 0.8 * np.eye(2)[said], np.zeros((len(said), 1))])
    m = metrics.evaluate(p, labels, ["rare", "common", "absent"], bootstrap=20)  # which has no examples, not few
    assert [each["why"] for each in m["undefined"] if each["measure"] == "intervals of macro averages"] == told


@pytest.mark.parametrize(
    ("named", "right", "told"), [(9, 5, 1), (10, 5, 0), (29, 29, 1), (30, 30, 0), (29, 0, 1), (30, 0, 0)]
)
def test_few_predictions_of_a_class_make_macro_intervals_doubtful(named, right, told):
    """Named in 4 of 400, macro precision had intervals that held the truth 81 times in 100, and nothing told so."""
    predicted = np.repeat([0, 1, 1], [200 - named, right, named - right])
    labels = np.concatenate([predicted[: 200 - named], np.ones(right, int), np.zeros(named - right, int)])
    labels = np.append(labels, np.ones(100, int))  # others of the class, which are not found
    p = np.where(np.append(predicted, np.zeros(100, int))[:, None], [0.2, 0.8], [0.8, 0.2])
    why = [u["why"] for u in metrics.evaluate(p, labels, ["a", "b"], bootstrap=5)["undefined"]]
    assert why == ["too narrow: few examples are, or are called, b"] * told


@pytest.mark.parametrize(("wrong", "told"), [(9, 1), (10, 0)])
def test_few_mistakes_make_the_interval_of_the_log_loss_doubtful(wrong, told):
    labels = np.repeat([0, 1], 60)
    p = np.where((labels == 1)[:, None] ^ (np.arange(120) < wrong)[:, None], [0.2, 0.8], [0.8, 0.2])
    why = [u["why"] for u in metrics.evaluate(p, labels, ["a", "b"], bootstrap=5)["undefined"]]
    assert why == ["too narrow: most of it rests on 9 mistakes"] * told


def test_names_of_classes_are_cut_at_24_characters_wherever_tables_show_them():
    long = ["a" * 30, "b" * 30, "c" * 30]
    m = metrics.evaluate(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), np.array([0, 1]), long)
    assert m["bootstrap"]["resamples"] == 1000  # unless asked otherwise
    assert metrics.evaluate(HAND, TRUTH, NAMES, bootstrap=1)["bootstrap"]["resamples"] == 1
    shares = quantification.table(quantification.class_shares(np.full((9, 3), 1 / 3), None), long)
    for text in (metrics.table(m), metrics.without_examples(m), shares):
        assert "c" * 23 + "…" in text and "c" * 24 not in text


def test_one_mistake_more_never_raises_a_bound_of_accuracy():
    p, labels = np.tile([0.9, 0.1], (60, 1)), np.zeros(60, int)
    bounds = []
    for wrong in (0, 1, 2, 30, 59, 60):
        labels[:wrong] = 1
        bounds.append(metrics.evaluate(p, labels, ["a", "b"], bootstrap=20)["intervals"]["accuracy"])
    np.testing.assert_allclose(bounds[:2], [[0.9398, 1], [0.9114, 0.9971]], atol=1e-4)
    assert (np.diff(bounds, axis=0) < 0).all()


def test_an_impossible_truth_has_infinite_log_loss_and_json_gets_none():
    m = metrics.evaluate(np.array([[1.0, 0.0], [0.4, 0.6]]), np.array([1, 1]), ["a", "b"])
    assert m["log_loss"] is None and m["intervals"]["log_loss"] is None
    assert "infinite" in next(u["why"] for u in m["undefined"] if u["measure"] == "log_loss")
    json.dumps(m, allow_nan=False)
    said = metrics.table(m)
    assert "log loss –\n(log loss: infinite: the probability of the true class is 0 in 1 of the examples)" in said


@pytest.mark.parametrize(
    ("probabilities", "labels", "says"),
    [
        (HAND[:, :2], TRUTH, "3 classes"),
        (HAND, TRUTH[:5], "one label an example"),
        (HAND[:0], TRUTH[:0], "at least one example"),
        (HAND, TRUTH.astype(float), "integer labels 0 to 2"),
        (HAND, TRUTH + 1, "labels 0 to 2, got 1 to 3"),
        (HAND, TRUTH + 5, "labels 0 to 2, got 5 to 7"),
        (
            np.hstack([HAND[:, :2], HAND[:, 2:] / 2, HAND[:, 2:] / 2]),
            TRUTH,
            r"3 classes .at least 2., got shape .6, 4.",
        ),
        (HAND * np.array([[1], [1], [1], [1.5], [0.9], [1]]), TRUTH, "row 3 sums to 1.5"),
        (HAND * np.array([[1], [1], [1], [1.2], [0.5], [1]]), TRUTH, "row 4 sums to 0.5"),
        (HAND, TRUTH - 1, "got -1 to 1"),
        (np.where(HAND > 0.85, np.nan, HAND), TRUTH, "NaN"),
        (HAND * 7, TRUTH, "softmax"),
        (HAND - np.array([0.2, -0.2, 0.0]), TRUTH, "sum to 1"),
        (np.eye(3, dtype=int)[TRUTH], TRUTH, "floating-point"),
    ],
)
def test_what_is_not_probabilities_and_labels_is_refused_in_one_line(probabilities, labels, says):
    with pytest.raises(ValueError, match=says) as error:
        metrics.evaluate(probabilities, labels, NAMES)
    assert "\n" not in str(error.value)


def test_resamples_measure_what_drawing_the_examples_one_by_one_measures():
    p, labels = simulated(40, 3)
    drawn = intervals.resample(p, labels, bootstrap=7, seed=5)
    for b, indices in enumerate(np.random.default_rng(5).integers(40, size=(7, 40))):
        m = metrics.evaluate(p[indices], labels[indices], NAMES, bootstrap=2)
        assert drawn["accuracy"][b] == pytest.approx(m["accuracy"])
        assert drawn["macro_precision"][b] == pytest.approx(m["macro"]["precision"])
        assert drawn["macro_f1"][b] == pytest.approx(m["macro"]["f1"])
        assert drawn["log_loss"][b] == pytest.approx(m["log_loss"])
        assert drawn["brier"][b] == pytest.approx(m["brier"])


def test_the_loss_of_a_certain_truth_is_0_without_a_sign():
    log_loss, brier = intervals.losses(np.eye(3), np.arange(3))
    assert str(log_loss.tolist()) == str(brier.tolist()) == "[0.0, 0.0, 0.0]"


def test_an_infinite_loss_is_that_of_the_resamples_that_draw_it():
    p, labels = simulated(30, 3)
    p[[4, 9]] = np.eye(3)[(labels[[4, 9]] + 1) % 3]
    drawn = intervals.resample(p, labels, bootstrap=60, seed=5)["log_loss"]
    loss = intervals.losses(p, labels)[0]
    indices = np.random.default_rng(5).integers(30, size=(60, 30))
    np.testing.assert_allclose(drawn, loss[indices].mean(axis=1), rtol=1e-13)
    assert 2 < np.isfinite(drawn).sum() < 30


def test_a_long_resampling_shows_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(intervals, "tqdm", lambda *a, delay, **how: tqdm(*a, **how, mininterval=0))  # not after 1 s
    monkeypatch.setattr(intervals, "WORK", 400)
    p, labels = simulated(200, 3)
    metrics.evaluate(p, labels, NAMES, bootstrap=8)
    assert "resampling:  50%" in capsys.readouterr().err


def test_a_class_that_a_resample_misses_has_no_say_in_it():
    """Else the interval of a network that is always right would lie below its macro averages of 1."""
    labels = np.array([0] * 7 + [1])
    for right, absent in ((1.0, 2), (2 / 3, 3)):  # a class of which there is no example at all counts as 0 throughout
        p = np.full((8, absent), 0.1)
        p[np.arange(8), labels] = 1.1 - 0.1 * absent
        drawn = intervals.resample(p, labels, bootstrap=40, seed=0)
        for name in ("macro_precision", "macro_recall", "macro_f1"):
            np.testing.assert_allclose(drawn[name], right)
    p = np.full((8, 2), [0.9, 0.1])  # the first is always said: without the second its recall is 1, with it 1/2
    drawn = intervals.resample(p, labels, bootstrap=40, seed=0)
    np.testing.assert_array_equal(drawn["macro_recall"], np.where(drawn["accuracy"] == 1, 1, 0.5))
    assert 5 < np.sum(drawn["accuracy"] == 1) < 35


def test_resamples_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    p, labels = simulated(50, 3)
    at_once = intervals.resample(p, labels, bootstrap=30, seed=2)
    for work in (1, 9 * 50):  # one at a time, and nine: the last three are a rest
        monkeypatch.setattr(intervals, "WORK", work)
        in_parts = intervals.resample(p, labels, bootstrap=30, seed=2)
        for name, values in at_once.items():
            np.testing.assert_array_equal(values, in_parts[name])
            assert len(values) == 30


def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say():
    """Test sets drawn from a known population: 95 % of the intervals should hold the population's value."""
    n, trials = 400, 300
    p, labels = simulated(100_000, 3, seed=9)
    truth = metrics.evaluate(p, labels, NAMES, bootstrap=2)
    known = {"accuracy": truth["accuracy"], "log_loss": truth["log_loss"], "brier": truth["brier"]}
    known |= {f"macro_{name}": value for name, value in truth["macro"].items()}
    inside = dict.fromkeys(known, 0)
    rng = np.random.default_rng(1)
    for trial in range(trials):
        indices = rng.integers(len(p), size=n)
        drawn = intervals.resample(p[indices], labels[indices], bootstrap=300, seed=trial)
        for name, value in known.items():
            low, high = intervals.percentile_interval(drawn[name])
            inside[name] += low <= value <= high
    for name, hits in inside.items():
        # four standard errors of a proportion of 0.95 in 300 trials are 5 %
        assert 0.90 <= hits / trials <= 0.99, (name, hits / trials)


def test_the_middle_95_percent():
    assert intervals.percentile_interval(np.arange(1001.0)) == pytest.approx([25, 975])
    both = intervals.percentile_interval(np.stack([np.arange(1001.0), np.zeros(1001)], axis=1))
    np.testing.assert_allclose(both, [[25, 975], [0, 0]])
    assert intervals.percentile_interval(np.array([1.0, np.inf])) is None


def test_wilson_by_the_formula_of_a_textbook():
    low, high = intervals.wilson(np.array([10, 0]), np.array([20, 10]))
    assert (low[0], high[0]) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert (low[1], high[1]) == pytest.approx((0.0, 0.2775), abs=1e-4)  # z^2 / (n + z^2)


def test_ece_by_hand():
    """Two bins. (0, 0.5]: confidences 0.5, 0.4, one right: |0.5 - 0.45|; (0.5, 1]: 0.9, 0.6, both right: |1 - 0.75|."""
    p = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.9, 0.05, 0.05], [0.6, 0.3, 0.1]])
    bins = calibration.reliability(p, np.array([0, 1, 0, 0]), bins=2)
    # 1 of 2 and 2 of 2 by Wilson: (1 + z^2 / 2 +- z sqrt(1 / 2 + z^2 / 4)) / (2 + z^2), and from 2 / (2 + z^2) on
    np.testing.assert_allclose(bins["interval"], [[0.0945, 0.9055], [0.3424, 1]], atol=1e-4)
    assert bins["ece"] == pytest.approx(0.5 * 0.05 + 0.5 * 0.25)
    assert bins["count"] == [2, 2]
    assert (bins["low"], bins["high"]) == ([0, 0.5], [0.5, 1])
    assert bins["confidence"] == pytest.approx([0.45, 0.75])
    assert bins["accuracy"] == [0.5, 1.0]


def test_the_expected_error_is_that_of_calibrated_probabilities():
    p, _ = simulated(600, 4, seed=2)
    expected, (low, high) = calibration.calibrated_ece(p)
    rng = np.random.default_rng(8)
    errors = []
    for _ in range(200):
        labels = (rng.random((600, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=3)
        errors.append(calibration.reliability(p, labels)["ece"])
    assert expected == pytest.approx(np.mean(errors), rel=0.06)
    assert 0.88 < np.mean((low <= np.array(errors)) & (np.array(errors) <= high)) <= 1
    # and probabilities that are too sure stand out of it
    sure = softmax(3 * np.log(p), axis=1)
    labels = (rng.random((600, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=3)
    assert calibration.reliability(sure, labels)["ece"] > 3 * calibration.calibrated_ece(sure)[1][1]


def test_coverage_by_hand_and_with_ties():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    points = calibration.coverage(p, np.array([0, 1, 0, 1]), points=4)
    assert [point["answered"] for point in points] == [1, 3, 4]  # the two 0.8 are answered together
    assert [point["accuracy"] for point in points] == pytest.approx([1, 2 / 3, 2 / 4])
    assert [point["threshold"] for point in points] == pytest.approx([0.9, 0.8, 0.6])
    assert [point["coverage"] for point in points] == [0.25, 0.75, 1]
    assert calibration.coverage(p[:, ::-1], np.zeros(4, int), points=1)[0]["accuracy"] == 0


def test_temperature_is_recovered_and_its_gradient_vanishes_there():
    p, labels = simulated(20_000, 4, seed=3)
    logits = np.log(p) * 2.5 + 7  # 2.5 times too sure; a constant changes nothing
    t = calibration.fit_temperature(logits, labels)
    assert t == pytest.approx(2.5, rel=0.04)

    def loss(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    assert loss(t) <= min(loss(t * 1.01), loss(t / 1.01))
    # dNLL/dT = (z_y - sum p z) / T^2, against finite differences away from the minimum
    q = softmax(logits / 2, axis=1)
    derivative = (logits[np.arange(len(labels)), labels] - (q * logits).sum(axis=1)).mean() / 2**2
    assert derivative == pytest.approx((loss(2 + 1e-5) - loss(2 - 1e-5)) / 2e-5, rel=1e-6)


def test_a_temperature_takes_no_memory_for_all_scores_at_once(monkeypatch):
    p, labels = simulated(7000, 100, seed=4)
    logits = (2 * np.log(p)).astype(np.float32)
    for find in (calibration.fit_temperature, calibration.seen_on_validation):
        find(logits, labels)  # what is imported at first counts elsewhere
        tracemalloc.start()
        found = find(logits, labels)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.5 * logits.nbytes, f"{find.__name__}: {peak / logits.nbytes:.1f} times the scores"
    t = calibration.fit_temperature(logits, labels)
    assert t == pytest.approx(2, rel=0.02) and found["temperature"] == round(t, 4)
    few = calibration.fit_temperature(logits[:300], labels[:300])
    for work in (50, 20_000):  # a row at a time; 200 and a rest of 100
        monkeypatch.setattr(calibration, "WORK", work)
        assert calibration.fit_temperature(logits[:300], labels[:300]) == pytest.approx(few, rel=1e-7)


def test_temperature_stops_at_its_bounds():
    logits = np.array([[0.3, 0.0], [0.0, 0.3]])
    assert calibration.fit_temperature(logits, np.array([0, 1])) == pytest.approx(0.01)  # always right: the surer
    assert calibration.fit_temperature(logits, np.array([1, 0])) == pytest.approx(100)  # always wrong: the less sure
    impossible = np.array([[1.0, -np.inf, 0.0], [0.0, 1.0, -np.inf], [2.0, 1.0, 0.0]])
    assert 0.01 <= calibration.fit_temperature(impossible, np.array([0, 1, 1])) <= 100


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (np.zeros(3), np.array([0]), "logits \\(N, K\\)"),
        (np.zeros(3), np.zeros(3, int), "logits \\(N, K\\)"),
        (np.zeros((0, 3)), np.zeros(0, int), "logits \\(N, K\\)"),
        (np.zeros((2, 3)), np.zeros(1, int), "labels \\(N,\\)"),
        (np.zeros((2, 3)), np.zeros(3, int), "labels \\(N,\\)"),
        (np.array([[np.inf, 0.0]]), np.array([1]), "NaN or \\+inf"),
        (np.full((1, 2), -np.inf), np.array([1]), "a possible class in every row"),
        (np.full((1, 2), np.nan), np.array([0]), "NaN"),
        (np.array([[0.0, -np.inf]]), np.array([1]), "-inf"),
    ],
)
def test_temperature_refuses(logits, labels, says):
    with pytest.raises(ValueError, match=says):
        calibration.fit_temperature(logits, labels)


def test_a_network_whose_loss_weighs_the_classes_tells_the_true_probabilities_once_the_weights_are_undone():
    """Five inputs with known p(k|x) and a score for each class of each, which minimise the weighted loss."""
    rng = np.random.default_rng(5)
    p, w = rng.dirichlet(np.ones(4), 5), np.array([5.0, 0.4, 1.3, 2.0])
    labels, often = np.tile(np.arange(4), 5), p.ravel()  # input x has label k p(k|x) of the time
    loss = SoftmaxCrossEntropy(class_weights=w)

    def both(flat):
        value = loss.forward(np.repeat(flat.reshape(5, 4), 4, axis=0), labels, often)
        return value, loss.backward().reshape(5, 4, 4).sum(axis=1).ravel()

    scores = minimize(both, np.zeros(20), jac=True, tol=1e-12).x.reshape(5, 4)
    assert np.abs(softmax(scores, axis=1) - p).max() > 0.1
    np.testing.assert_allclose(softmax(calibration.unweighted(scores, w), axis=1), p, atol=1e-5)


def test_one_example_more_on_one_side_is_no_sign_at_all():
    for n in range(1, 60, 2):
        right = np.arange(n) < n // 2
        assert intervals.mcnemar(right, ~right)["p"] == 1, n


@pytest.mark.parametrize("batch_size", [1, 16, 32, 64])
@pytest.mark.parametrize("scale", [1, 7])  # a common factor of all weights falls out
def test_weights_are_undone_as_they_act_in_batches_which_divide_by_their_own_sum(batch_size, scale):
    """One input, a rare class of a tenth: the expected loss of a batch is least at the mean share of its weight."""
    w, shares, rare = scale * np.array([1 / 1.8, 5.0]), np.array([0.9, 0.1]), np.arange(batch_size + 1)
    weighs = (binom.pmf(rare, batch_size, 0.1) * rare * w[1] / (rare * w[1] + (batch_size - rare) * w[0])).sum()
    learned = np.log([[1 - weighs, weighs]])
    acting = calibration.acting_weights(w, shares, batch_size)
    assert softmax(calibration.unweighted(learned, acting))[0, 1] == pytest.approx(0.1, abs=1e-8)
    assert softmax(calibration.unweighted(learned, w))[0, 1] < 0.095, "the weights themselves undo too much"


def test_weights_of_rare_classes_in_small_batches_act_as_in_drawn_ones():
    """Ten classes of one in a hundred, weights 1/11 and 5: the mean weight of the others told of 32 to 1 instead."""
    w, shares = np.repeat([1 / 9.9, 5], [1, 10]), np.repeat([0.9, 0.01], [1, 10])
    n = np.random.default_rng(0).multinomial(16, shares, 100_000)
    drawn = (n * w / (n @ w)[:, None]).mean(axis=0) / shares
    acting = calibration.acting_weights(w, shares, 16)
    assert acting[1] / acting[0] == pytest.approx(drawn[1:].mean() / drawn[0], rel=0.01)
    assert calibration.acting_weights(w, shares, 10**6) == pytest.approx(w, rel=1e-4), "in large batches as they are"
    assert calibration.acting_weights(w, shares, 1) == pytest.approx(shares @ w), "alone all alike"


def test_undoing_weights_keeps_the_kind_of_numbers_and_refuses_weights_of_others():
    scores = np.zeros((2, 3), np.float32)
    assert calibration.unweighted(scores, None) is scores
    assert calibration.unweighted(scores, [1, 2, 4]).dtype == np.float32
    for weights in ([1, 2], [1, 2, 0], [1, 2, -1], [1, 2, np.inf], [1, 2, np.nan], 1.0):
        with pytest.raises(ValueError, match="unweighted expects a positive weight for each of 3 classes"):
            calibration.unweighted(scores, weights)


def test_temperature_and_weights_are_told_apart():
    """A network twice too sure of what its weighted loss taught it: its temperature is 2, not what the weights do."""
    p, labels = simulated(20_000, 3, seed=3)
    w = np.array([5.0, 0.4, 3.0])
    scores = (2 * (np.log(p) + np.log(w)) + 7).astype(np.float32)
    said = calibration.seen_on_validation(scores, labels, w)
    assert said["temperature"] == pytest.approx(2, rel=0.04)
    assert calibration.seen_on_validation(scores, labels)["temperature"] > 2.3
    named = sklearn.metrics.confusion_matrix(labels, scores.argmax(axis=1))
    assert said["validation_confusion"] == named.tolist(), "which class is named stays as it was"
    config = json.loads(json.dumps({"class_weights": w.tolist(), **said}))
    ((name, found),) = calibration.calibrated(scores, config).items()
    assert name == f"temperature {said['temperature']:.2f}, class weights undone" and found.dtype == np.float32
    assert np.abs(found - p).max() < 0.01
    ((name, found),) = calibration.calibrated(scores, {"class_weights": w.tolist()}).items()
    assert name == "class weights undone"
    np.testing.assert_allclose(found, softmax(scores - np.log(w), axis=1), atol=1e-5)
    assert calibration.calibrated(scores, {"class_weights": None, "no_temperature": "few"}) is None
    for doubtful in (
        [1, 2],
        [1, 2, 0],
        [1, 2, "x"],
        "no",
        {},
        [10**400, 1, 1],
        [[1], [2], [3]],
        [1, 2, math.nan],
        [1, 2, -1],
    ):
        assert calibration.calibrated(scores, {"class_weights": doubtful, "temperature": math.nan}) is None
    small = calibration.seen_on_validation(0.5 * scores[:200], labels[:200], w)
    told = "200 validation examples give no sign that one would mend its percentages, class weights undone"
    assert small["no_temperature"] == told and "temperature" not in small


def test_a_temperature_at_the_end_of_what_is_tried_is_none():
    scores = np.eye(2)[np.arange(60) % 2] * 3
    said = calibration.seen_on_validation(scores, 1 - np.arange(60) % 2)  # always wrong: the less sure, the better
    assert said["no_temperature"] == "the best is none of those that are tried, 0.01 to 100" and len(said) == 2


def test_mcnemar_by_hand():
    a = np.array([1] * 8 + [0] * 2 + [1] * 5, dtype=bool)
    b = np.array([0] * 8 + [1] * 2 + [1] * 5, dtype=bool)
    found = intervals.mcnemar(a, b)
    assert (found["only_a"], found["only_b"], found["both"], found["neither"]) == (8, 2, 5, 0)
    # 2 P(X <= 2), X ~ Binomial(10, 1/2) = 2 (1 + 10 + 45) / 1024
    assert found["p"] == pytest.approx(112 / 1024)
    assert intervals.mcnemar(b, a)["p"] == found["p"]
    assert intervals.mcnemar(a, a)["p"] == 1
    assert intervals.mcnemar(a[:10], ~a[:10])["p"] <= 1
    assert intervals.mcnemar(a[7:9], ~a[7:9])["p"] == 1  # one against one: twice the half of all is not 3 / 2
    assert intervals.mcnemar(a[6:10], ~a[6:10])["p"] == 1 and intervals.mcnemar(a[5:9], ~a[5:9])["p"] == 5 / 8
    for x, y in ((a, b[:3]), (a[:3], b), (a[0], b[0]), (a[:, None], b[:, None])):
        with pytest.raises(ValueError, match="mcnemar expects"):
            intervals.mcnemar(x, y)


def test_paired_bootstrap_sees_what_unpaired_intervals_do_not():
    p, labels = simulated(500, 3, seed=4)
    better = p.copy()
    wrong = np.flatnonzero(p.argmax(axis=1) != labels)[:15]  # 3 % of the examples are put right
    better[wrong] = np.eye(3)[labels[wrong]]
    found = intervals.paired_bootstrap(p, better, labels)
    assert found["accuracy"]["difference"] == pytest.approx(15 / 500)
    low, high = found["accuracy"]["interval"]
    assert 0 < low < 0.03 < high
    assert found["accuracy"]["share_above"] == 1
    assert found["log_loss"]["interval"][1] < 0
    single = metrics.evaluate(p, labels, NAMES)["intervals"]["accuracy"]
    assert single[1] - single[0] > 2 * (high - low)
    same = intervals.paired_bootstrap(p, p, labels)
    assert same["macro_f1"]["interval"] is None and same["log_loss"]["interval"] == [0, 0]


@pytest.mark.parametrize(("n", "of_a", "of_b"), [(100, 0, 0.01), (360, 0, 0.01), (100, 0.02, 0.05), (60, 0.1, 0.3)])
def test_the_interval_of_two_accuracies_difference_covers_it_and_agrees_with_mcnemar(n, of_a, of_b):
    """Resamples held the truth in 64 % of the first case, and contradicted the test in 30 % of the second."""
    rng = np.random.default_rng(n)
    inside, contradictions, trials = 0, 0, 1000
    for only_a, only_b, _ in rng.multinomial(n, [of_a, of_b, 1 - of_a - of_b], trials):
        low, high = intervals.paired_shares(only_a, only_b, n)
        inside += low <= of_b - of_a <= high
        right_a, right_b = np.arange(n) < only_a, np.arange(n) >= n - only_b
        contradictions += (low > 0 or high < 0) != (intervals.mcnemar(right_a, right_b)["p"] < 0.05)
    assert inside / trials > 0.93 and contradictions == 0
    assert intervals.paired_shares(0, 0, 8) == pytest.approx([-0.2772, 0.2772], abs=1e-4)
    assert intervals.paired_shares(2, 7, n) == [-bound for bound in intervals.paired_shares(7, 2, n)[::-1]]
    assert intervals.paired_shares(5, 0, 20) == [pytest.approx(-0.4430, abs=1e-4), 0]  # p = 2 / 2^5
    assert intervals.paired_shares(3, 0, 10)[0] == pytest.approx(-0.5867, abs=1e-4)  # -1/4 less 1.96 sqrt(17/48 / 12)
    assert intervals.paired_shares(0, 1, 1)[1] == 1 and intervals.paired_shares(1, 0, 1)[0] == -1


def test_few_examples_that_tell_two_models_apart_give_macro_averages_no_interval():
    p, labels = simulated(500, 3, seed=4)
    wrong = np.flatnonzero(p.argmax(axis=1) != labels)
    for told in (5, 6):
        better = p.copy()
        better[wrong[:told]] = np.eye(3)[labels[wrong[:told]]]
        found = intervals.paired_bootstrap(p, better, labels)
        assert (found["macro_f1"]["interval"] is None) == (told == 5) and found["log_loss"]["interval"]
        assert found["accuracy"]["interval"] == intervals.paired_shares(0, told, 500)
        worse = intervals.paired_bootstrap(better, p, labels)
        assert (worse["macro_f1"]["interval"] is None) == (told == 5)
    mixed, right = p.copy(), np.flatnonzero(p.argmax(axis=1) == labels)
    mixed[wrong[:3]], mixed[right[:3]] = np.eye(3)[labels[wrong[:3]]], np.eye(3)[(labels[right[:3]] + 1) % 3]
    assert intervals.paired_bootstrap(p, mixed, labels)["macro_f1"]["interval"]  # three in either alone are six
    sure = np.eye(3)[labels] * 0.97 + 0.01
    surer = np.eye(3)[labels] * 0.985 + 0.005
    assert intervals.paired_bootstrap(sure, surer, labels)["log_loss"]["interval"] is None


def test_paired_bootstrap_survives_infinite_losses():
    hard = np.eye(2)[[0, 1, 1]]
    found = intervals.paired_bootstrap(hard, hard[::-1], np.array([0, 0, 1]), bootstrap=20)
    assert found["log_loss"]["difference"] is None and found["log_loss"]["interval"] is None


def test_paired_bootstrap_covers_the_true_difference():
    rng = np.random.default_rng(6)
    p, labels = simulated(100_000, 3, seed=5)
    other = softmax(np.log(p) + rng.normal(size=p.shape), axis=1)
    truth = (other.argmax(axis=1) == labels).mean() - (p.argmax(axis=1) == labels).mean()
    inside = 0
    for trial in range(200):
        indices = rng.integers(len(p), size=300)
        found = intervals.paired_bootstrap(p[indices], other[indices], labels[indices], bootstrap=200, seed=trial)
        low, high = found["accuracy"]["interval"]
        inside += low <= truth <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_table_names_every_class_and_is_aligned(monkeypatch):
    p, labels = simulated(300, 3)
    text = metrics.table(metrics.evaluate(p, labels, ["负面", "neutral", "very positive indeed"]))
    lines = text.splitlines()
    assert len({width_of(line) for line in lines[:7]}) == 1
    assert "负面" in lines[2] and lines[0].split() == ["class", "precision", "recall", "F1", "examples"]
    assert "accuracy" in lines[-1] and "95 % interval" in lines[-1]
    monkeypatch.setattr(sys, "stdout", stream("ascii"))
    metrics.table(metrics.evaluate(p, labels, ["负面", "b", "c"])).encode("ascii")


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def test_bars_in_a_terminal():
    text = bars(np.array([0.1, 0.7, 0.2]), ["dog", "automobile", "cat"], width=10)
    assert text.splitlines() == [
        "automobile  ███████      70 %",
        "cat         ██           20 %",
        "dog         █            10 %",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_bars_degrade_where_the_encoding_has_no_blocks(encoding, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream(encoding))
    assert bars(np.array([0.25, 0.75]), ["dog", "猫"], width=8, top=1) == "?  ######     75 %"
    print(bars(np.array([0.5, 0.5]), ["x" * 90, "\x1b[31mred\n"]), flush=True)


def test_bars_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="2 probabilities"):
        bars(np.ones(3), ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        bars(np.array([np.nan, 1]), ["a", "b"])


def test_numbers_as_a_reader_sees_them(monkeypatch):
    assert [percent(x) for x in (0, 0.001, 0.014, 0.704, 0.999, 1)] == ["0 %", "<1 %", "1 %", "70 %", ">99 %", "100 %"]
    assert percent(0.99996, 1) == ">99.9 %" and percent(0.8461, 1) == "84.6 %"
    assert interval([0.8391, 0.8534], 1, True) == "83.9 to 85.3 %"
    assert one_line("a\nb\x00\u2028c", 4) == "a b…"
    assert some(["a", "b", "c"]) == "a, b, c" and some("abcdefg", "; ") == "a; b; c; and 4 more" and some([]) == ""
    monkeypatch.setattr(sys, "stdout", stream("ascii"))
    assert encodable("1 – 2 …") == "1 - 2 ..."


def test_all_wrong_has_an_interval_of_accuracy_alone():
    m = metrics.evaluate(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 0]), ["a", "b"], bootstrap=20)
    assert m["intervals"]["accuracy"] == pytest.approx([0, 1 - 2 / (2 + 1.959963984540054**2)])
    assert m["intervals"]["macro_f1"] is None
    assert m["entropy"]["right"] is None and m["entropy"]["wrong"] is not None


def test_wilson_stays_between_0_and_1():
    n = np.arange(1, 2000)
    (low, _), (_, high) = intervals.wilson(0 * n, n), intervals.wilson(n, n)
    assert low.min() >= 0 and high.max() <= 1


def test_the_share_of_resamples_in_which_b_is_above():
    p, labels = simulated(60, 3)
    other = softmax(np.log(p) + np.random.default_rng(3).normal(size=p.shape), axis=1)
    found = intervals.paired_bootstrap(p, other, labels)
    a, b = (intervals.resample(q, labels, bootstrap=1000, seed=0) for q in (p, other))
    for name, result in found.items():
        assert result["share_above"] == sum(x < y for x, y in zip(a[name], b[name], strict=True)) / 1000
    assert 0 < found["accuracy"]["share_above"] < 1
    assert (
        found["accuracy"]["share_above"] + intervals.paired_bootstrap(other, p, labels)["accuracy"]["share_above"] < 1
    )
    for wrong in ((p, other[:-1], labels), (p, other, labels[:-1]), (p[:-1], other[:-1], labels)):
        with pytest.raises(ValueError, match="expects"):
            intervals.paired_bootstrap(*wrong)


def test_tables_letter_by_letter():
    names = ["cat", "dog with a name of more than twenty-four letters", "owl"]
    m = metrics.evaluate(HAND, TRUTH, names, bootstrap=10)
    m["intervals"] |= {"accuracy": [0.25, 0.9375], "macro_f1": [0.125, 0.75]}
    assert metrics.table(m).splitlines() == [
        "class                     precision  recall     F1  examples",
        "------------------------------------------------------------",
        "cat                           0.667   1.000  0.800         2",
        "dog with a name of more…      0.667   0.667  0.667         3",
        "owl                           0.000   0.000  0.000         1",
        "------------------------------------------------------------",
        "macro mean                    0.444   0.556  0.489         6",
        "weighted mean                 0.556   0.667  0.600         6",
        "",
        "accuracy 66.7 % (95 % interval 25.0 to 93.8 %), macro F1 0.489 (0.125 to 0.750), log loss 0.516",
        "(intervals of macro averages: too narrow: few examples are, or are called, cat, "
        "dog with a name of more than twenty-four letters, owl)",
    ]


def test_small_integers_are_labels_as_well():
    p, labels = simulated(300, 100, seed=1)
    for found, kept in zip(
        intervals.paired_bootstrap(p, p[::-1], labels.astype(np.uint8), 20).values(),
        intervals.paired_bootstrap(p, p[::-1], labels, 20).values(), strict=True,
    ):  # fmt: skip
        assert found == kept
    with pytest.raises(ValueError, match="bootstrap must be at least 1 resample, got 0"):
        metrics.evaluate(p, labels, [str(k) for k in range(100)], bootstrap=0)


def test_a_temperature_is_fitted_to_labels_that_there_are():
    z = np.random.default_rng(0).standard_normal((3, 3))
    for labels in ([0, -1, 2], [0, 3, 2]):
        with pytest.raises(ValueError, match=r"outside 0\.\.2"):
            calibration.fit_temperature(z, np.array(labels))


def test_every_confidence_has_its_bin():
    """Rounding takes probabilities a little above 1; 15 bins unless others are asked for."""
    p = np.array([[1 + 1e-7, 0], [0.5, 0.5], [0.71, 0.29]])
    found = calibration.reliability(p, np.array([0, 0, 0]), bins=10)
    assert found["low"] == [0.4, 0.7, 0.9] and found["high"] == [0.5, 0.8, 1.0]
    assert calibration.reliability(p, np.array([0, 0, 0]))["bins"] == 15


def test_a_class_with_one_example_has_its_rates():
    precision, recall, f1 = intervals.rates(np.array([[1, 0], [0, 3]]))
    assert precision.tolist() == recall.tolist() == f1.tolist() == [1, 1]


def test_a_measure_is_found_by_the_name_of_its_interval():
    p, labels = simulated(50, 3)
    found = metrics.evaluate(p, labels, list("abc"), bootstrap=9)
    for name in found["intervals"]:
        assert metrics.value_of(found, name) == (
            found["macro"][name[len("macro_") :]] if "macro" in name else found[name]
        )
    assert {"accuracy", "macro_f1"} <= found["intervals"].keys()


def test_labels_that_are_no_integers_are_told_what_is_expected():
    with pytest.raises(ValueError, match="integer labels 0 to 3, got float64"):
        metrics.evaluate(np.full((2, 4), 0.25), np.array([0.0, 1.0]), list("abcd"))


@pytest.mark.parametrize("measure", [calibration.reliability, calibration.coverage])
def test_measures_of_calibration_check_what_they_are_given(measure):
    p, labels = simulated(50, 3)
    assert measure(p.tolist(), labels.tolist()) == measure(p, labels) == measure(p, labels.astype(np.uint8))
    for wrong, y, says in (
        (np.log(p), labels, rf"{measure.__name__} expects rows of probabilities .* apply softmax to logits first"),
        (p, labels[:, None], r"one label an example, \(N,\), got \(50, 1\) for \(50, 3\)"),
        (p, labels + 1, r"expects labels 0 to 2, got 1 to 3"),
        (p, labels.astype(float), "integer labels 0 to 2, got float64"),
        (p[0], labels, r"probabilities \(N, K\) for K classes \(at least 2\), got shape \(3,\)"),
        (p[:, :1], labels, r"got shape \(50, 1\)"),
        (p[:0], labels[:0], "at least one example"),
        (np.eye(3, dtype=bool)[labels], labels, "finite floating-point probabilities"),
    ):
        with pytest.raises(ValueError, match=says):
            measure(wrong, y)
    with pytest.raises(ValueError, match="calibrated_ece expects rows of probabilities"):
        calibration.calibrated_ece(np.log(p))
    assert calibration.calibrated_ece(p) == calibration.calibrated_ece(p, seed=0)
    assert len(calibration.coverage(p, labels)) == 20
    assert calibration.fit_temperature(np.log(p), labels.tolist()) == calibration.fit_temperature(np.log(p), labels)


def test_differences_of_every_measure_are_b_minus_a():
    p, labels = simulated(300, 3, seed=4)
    sure = np.eye(3)[labels] * 0.97 + 0.01  # all right, where p is not
    for a, b in ((p, sure), (sure, p)):
        found, whole = intervals.paired_bootstrap(a, b, labels), [metrics.evaluate(q, labels, NAMES) for q in (a, b)]
        for name in ("accuracy", "macro_f1", "log_loss", "brier"):
            difference = metrics.value_of(whole[1], name) - metrics.value_of(whole[0], name)
            low, high = found[name]["interval"]
            assert found[name]["difference"] == pytest.approx(difference) and low <= difference <= high


def test_the_test_of_two_models_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="mcnemar expects two"):
        intervals.mcnemar(np.ones((2, 2), bool), np.ones((2, 2), bool))
