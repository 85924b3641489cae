"""Shares of classes against hand arithmetic, brute force, and simulations whose truth is known."""

import io
import re
import sys
import tracemalloc
from unittest import mock

import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics

from minnet import quantification
from minnet.formatting import width_of
from tests.drawing import simulated


def test_class_shares_by_hand():
    """Half of class 1 is taken for 0. Seen: 80 % zeros. Then s1 / 2 = 20 %: the true mix is 60 to 40."""
    p = np.repeat([[0.9, 0.1], [0.3, 0.7]], [80, 20], axis=0)
    found = quantification.class_shares(p, np.array([[100, 0], [50, 50]]))
    assert found["counted"]["shares"] == pytest.approx([0.8, 0.2])
    assert found["mean_probability"]["shares"] == pytest.approx([0.78, 0.22])
    assert found["corrected"]["shares"] == pytest.approx([0.6, 0.4], abs=1e-6)
    for kind in found.values():
        for share, (low, high) in zip(kind["shares"], kind["intervals"], strict=True):
            assert low <= share <= high and sum(kind["shares"]) == pytest.approx(1)


def test_the_mean_is_of_the_probabilities_that_are_believed():
    p = np.repeat([[0.9, 0.1], [0.3, 0.7]], [80, 20], axis=0)
    plain = quantification.class_shares(p, np.array([[100, 0], [50, 50]]))
    found = quantification.class_shares(p, np.array([[100, 0], [50, 50]]), believed=p[:, ::-1])
    assert found["mean_probability"]["shares"] == pytest.approx([0.22, 0.78])
    assert all(found[name] == plain[name] for name in ("counted", "corrected"))


def test_the_corrected_shares_of_many_classes_take_one_table_at_a_time(monkeypatch):
    monkeypatch.setattr(quantification, "_least_squares_shares", lambda table, counted: (counted, 0.0))
    k = 150
    tracemalloc.start()
    quantification.class_shares(np.full((10, k), 1 / k), np.eye(k, dtype=int), bootstrap=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 200 * k * k / 4


def test_class_shares_stay_shares():
    """Seen: 2 % ones, fewer than the 10 % of zeros that are taken for ones: the closest possible mix has no ones."""
    p = np.repeat([[0.9, 0.1], [0.3, 0.7]], [98, 2], axis=0)
    found = quantification.class_shares(p, np.array([[90, 10], [20, 80]]), bootstrap=200)
    assert found["corrected"]["shares"] == pytest.approx([1, 0], abs=1e-6)
    assert np.min(found["corrected"]["intervals"]) >= 0 and np.max(found["corrected"]["intervals"]) <= 1


@pytest.mark.parametrize("error", [RuntimeError, np.linalg.LinAlgError])
def test_shares_are_the_same_where_an_older_scipy_gives_up(monkeypatch, error):
    rng = np.random.default_rng(0)
    cases = [(rng.dirichlet(np.full(k, 0.3), k), rng.dirichlet(np.ones(k))) for k in (2, 3, 5, 10, 40) * 9]
    usual = [quantification._least_squares_shares(*case)[0] for case in cases]
    monkeypatch.setattr(scipy.optimize, "nnls", mock.Mock(side_effect=error))
    for case, shares in zip(cases, usual, strict=True):
        np.testing.assert_allclose(quantification._least_squares_shares(*case)[0], shares, atol=1e-6)


def test_corrected_shares_are_the_closest_of_all_shares():
    """Against every mix of three classes in steps of 1 %, where no mix explains what was counted."""
    table = np.array([[20, 80, 0], [70, 30, 0], [30, 70, 0]])
    p = np.repeat(0.1 + 0.7 * np.eye(3), [0, 20, 80], axis=0)
    found = np.array(quantification.class_shares(p, table, bootstrap=10)["corrected"]["shares"])
    steps = np.arange(101) / 100
    mixes = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])

    def misfit(shares):
        return np.linalg.norm(shares @ (table / 100) - [0.0, 0.2, 0.8], axis=-1)

    assert misfit(found) <= misfit(mixes).min() + 1e-9


def test_corrected_shares_are_closer_and_their_intervals_cover():
    """The same classifier on sources with other mixes: counting keeps its bias, the correction does not."""
    p, labels = simulated(60_000, 3, seed=7)
    rng = np.random.default_rng(2)
    by_class = [np.flatnonzero(labels == k) for k in range(3)]
    counted, corrected, inside, trials = [], [], 0, 60
    for trial in range(trials):
        mix = rng.dirichlet([1, 1, 1])
        held_out = rng.choice(len(p), 1500)
        table = sklearn.metrics.confusion_matrix(labels[held_out], p[held_out].argmax(axis=1))
        drawn = np.concatenate([rng.choice(by_class[k], n) for k, n in enumerate(rng.multinomial(1000, mix))])
        found = quantification.class_shares(p[drawn], table, bootstrap=200, seed=trial)
        counted.append(np.abs(np.array(found["counted"]["shares"]) - mix).mean())
        corrected.append(np.abs(np.array(found["corrected"]["shares"]) - mix).mean())
        bounds = np.array(found["corrected"]["intervals"])
        inside += ((bounds[:, 0] <= mix) & (mix <= bounds[:, 1])).mean()
    assert np.mean(corrected) < 0.5 * np.mean(counted)
    assert 0.88 <= inside / trials <= 0.99


@pytest.mark.parametrize(("n", "share"), [(1, 0.3), (5, 0.2), (20, 0.05), (50, 0.02), (1000, 0.002)])
def test_few_comments_are_no_certainty(n, share):
    """What was not seen may be there: with resamples of what was, these intervals held the truth in 0 to 86 %."""
    rng = np.random.default_rng(n)
    table = np.array([[95, 5], [10, 90]])  # seen on validation; the errors themselves are drawn anew
    inside, trials = {"counted": 0, "corrected": 0}, 60
    for trial in range(trials):
        true = rng.random(n) < share
        said = np.where(rng.random(n) < np.where(true, 0.1, 0.05), ~true, true)
        for name, answers in (("counted", true), ("corrected", said)):  # counting is right where nothing is mistaken
            p = np.where(answers[:, None], [0.1, 0.9], [0.9, 0.1])
            low, high = quantification.class_shares(p, table, bootstrap=100, seed=trial)[name]["intervals"][1]
            inside[name] += low <= share <= high
    assert min(inside.values()) / trials > 0.88


@pytest.mark.parametrize(("counts", "fits"), [((120, 0, 0), False), ((40, 4, 8), True), ((690, 187, 126), True)])
def test_where_the_counts_lie_outside_every_mix_no_interval_is_certain_and_it_is_told(counts, fits):
    """Two thirds of class 0 are called so: where all are, texts are clearer. Intervals were 100 to 100 and 0 to 0."""
    table = np.array([[505, 137, 92], [81, 196, 63], [118, 115, 589]])
    found = quantification.class_shares(np.repeat(np.eye(3), counts, axis=0), table)["corrected"]
    assert found["shares"] == pytest.approx([1, 0, 0], abs=0.002) and (found["fit"] > 0.04) == fits
    low, high = np.array(found["intervals"]).T
    assert ((high - low) > 2 / sum(counts)).all() and high[0] == 1 and (low[1:] == 0).all()


def test_counts_of_a_mix_fit_and_others_hardly_ever_do_so_by_chance():
    table, rng, small = np.array([[505, 137, 92], [81, 196, 63], [118, 115, 589]]), np.random.default_rng(1), 0
    for trial in range(60):
        rows = np.array([rng.dirichlet(row) for row in table])
        p = np.repeat(np.eye(3), rng.multinomial(100, [0.9, 0.05, 0.05] @ rows), axis=0)
        small += quantification.class_shares(p, table, bootstrap=200, seed=trial)["corrected"]["fit"] < 0.1
    assert small <= 6
    assert quantification.class_shares(np.repeat(np.eye(3), [40, 30, 30], axis=0), table)["corrected"]["fit"] == 1


def test_shares_of_one_example_and_of_one_validation_example():
    found = quantification.class_shares(np.array([[0.1, 0.8, 0.1]]), np.eye(3, dtype=int))
    assert found["counted"]["shares"] == [0, 1, 0]
    assert found["corrected"]["shares"] == [0, 1, 0]
    for name in ("counted", "mean_probability", "corrected"):
        for share, (low, high) in zip(found[name]["shares"], found[name]["intervals"], strict=True):
            assert 0 <= low <= share + 1e-12 and share - 1e-12 <= high <= 1 and high - low > 0.3


def test_class_shares_without_validation_and_as_a_table(monkeypatch):
    p = np.repeat([[0.9, 0.1], [0.3, 0.7]], [80, 20], axis=0)
    found = quantification.class_shares(p, None)
    assert list(found) == ["counted", "mean_probability"]
    whole = quantification.class_shares(p, np.array([[100, 0], [50, 50]]))
    assert whole["counted"] == found["counted"]
    lines = quantification.table(whole, ["负面", "good"]).splitlines()
    assert lines[0].split() == ["class", "counted", "mean", "probability", "corrected", "by", "validation"]
    assert lines[1].startswith("负面") and "80.0 % (" in lines[1] and "78.0 % (" in lines[1] and "60.0 % (" in lines[1]
    assert width_of(lines[1][: lines[1].index("80.0")]) == width_of(lines[2][: lines[2].index("20.0")])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    quantification.table(found, ["负面", "good"]).encode("ascii")


def test_class_shares_refuse_a_class_without_validation_examples():
    p = np.array([[0.9, 0.1], [0.3, 0.7]])
    with pytest.raises(ValueError, match="class 1 has no validation example"):
        quantification.class_shares(p, np.array([[3, 1], [0, 0]]))
    for size in (1, 3):
        with pytest.raises(ValueError, match="confusion matrix"):
            quantification.class_shares(p, np.eye(size))
    with pytest.raises(ValueError, match="at least one example"):
        quantification.class_shares(p[:0], None)


def test_class_shares_by_default_are_resampled_a_thousand_times():
    p = simulated(30, 3)[0]
    assert quantification.class_shares(p, None) == quantification.class_shares(p, None, bootstrap=1000, seed=0)


def test_shares_are_resampled_as_often_as_asked_and_doubted_by_one_example(monkeypatch):
    seen = []
    monkeypatch.setattr(quantification, "_around", lambda shares, resampled: seen.append(resampled) or {})
    p = np.tile([0.8, 0.2], (4, 1))
    for work in (1 << 20, 40, 1):  # all at once, ten at a time, each by itself
        monkeypatch.setattr(quantification, "WORK", work)
        quantification.class_shares(p, None, bootstrap=33)
        assert [len(resampled) for resampled in seen[-2:]] == [33, 33]
    quantification.class_shares(p[:1], None, bootstrap=4000)
    assert seen[-2].mean(axis=0) == pytest.approx([0.75, 0.25], abs=0.02)  # Dirichlet of 1 + 1/2 and 1/2
    with pytest.raises(ValueError, match="bootstrap must be at least 1 resample, got 0"):
        quantification.class_shares(p, None, bootstrap=0)


@pytest.mark.parametrize(("k", "n", "least"), [(2, 3, 0.4), (28, 3, 0.4), (10, 20, 0.1), (28, 100, 0.02)])
def test_a_class_that_was_not_seen_may_be_there_however_many_classes_there_are(k, n, least):
    found = quantification.class_shares(np.tile(0.1 / k + 0.9 * np.eye(k)[0], (n, 1)), None, bootstrap=2000)
    for low, high in found["counted"]["intervals"][1:]:
        assert low == 0 and high > least


def test_the_middle_95_percent_and_one_example_of_doubt_in_each_row(monkeypatch):
    found = quantification._around(np.array([0.5]), np.linspace(0, 1, 1001)[:, None])
    assert found["shares"] == [0.5] and found["intervals"][0] == pytest.approx([0.025, 0.975])
    tables, counts = [], []

    def solved(table, counted):
        tables.append(table)
        return counted, 0.0

    monkeypatch.setattr(quantification, "_least_squares_shares", solved)
    monkeypatch.setattr(quantification, "_around", lambda shares, *resampled: counts.append(resampled[-1]) or {})
    quantification.class_shares(np.array([[0.9, 0.1]]), np.eye(2, dtype=int), bootstrap=2000)
    drawn = np.array(tables[1:])  # of one example in each row: Dirichlet of 1 + 1/2 and 1/2
    assert drawn.mean(axis=0).ravel() == pytest.approx([0.75, 0.25, 0.25, 0.75], abs=0.02)
    assert counts[-1].mean(axis=0) == pytest.approx([0.75, 0.25], abs=0.02)  # the counts of one example, too


def test_the_table_letter_by_letter():
    names = ["cat", "dog with a name of more than twenty-four letters"]
    shares = {
        "counted": {"shares": [0.25, 0.75], "intervals": [[0.125, 0.375], [0.5, 0.875]]},
        "corrected": {"shares": [0.1, 0.9], "intervals": [[0.0, 0.375], [0.5, 1]]},
    }
    assert quantification.table(shares, names).splitlines() == [
        "class                     counted                   corrected by validation",
        "cat                        25.0 % (12.5 to 37.5 %)   10.0 % (0.0 to 37.5 %)",
        "dog with a name of more…   75.0 % (50.0 to 87.5 %)   90.0 % (50.0 to 100.0 %)",
        "in brackets: 95 % intervals; those of the first two leave the model's mistakes out",
        "counted: how often each class is named; right where as many are wrongly taken for a class as are missed of it",
        "corrected: counted, without the mistakes that were made on validation; for any mixture",
    ]
    shares = {"counted": shares["counted"], "mean_probability": shares["counted"]}
    told = ((True, "class weights undone"), (None, ""))
    lines = [quantification.table(shares, names, *said).splitlines()[-2:] for said in told]
    assert lines == [
        [
            "counted: how often each class is named; rare ones too often, since they weighed more in training",
            "mean probability: the mean of the percentages, with class weights undone; right where these come true",
        ],
        [
            "counted: how often each class is named",
            "mean probability: the mean of the percentages; right where these come true",
        ],
    ]


@pytest.mark.parametrize(
    ("found", "table", "said"),
    [
        ({}, [[30, 2], [0, 32]], "Quote the corrected shares, with their intervals."),
        ({"fit": 0.09}, [[30, 2], [0, 32]], "do not quote the corrected shares: .* in less than one of ten"),
        ({"fit": 0.1}, [[30, 2], [0, 30]], "Quote"),
        ({}, [[27, 2], [0, 32]], "guesses: they rest on 29 validation examples of 'cat', where 30 of each"),
        ({"intervals": [[0, 0.5], [0.2, 0.81]]}, [[30, 2], [0, 32]], "next to nothing: an interval is 61 points wide"),
        ({"intervals": [[0, 0.5], [0.2, 0.79]]}, [[30, 2], [0, 32]], "Quote"),
    ],
)
def test_what_the_corrected_shares_are_worth(found, table, said):
    corrected = {"shares": [0.3, 0.7], "intervals": [[0.2, 0.4], [0.6, 0.8]], "fit": 0.5} | found
    assert re.search(said, quantification.trust(corrected, np.array(table), ["cat", "dog"]))
