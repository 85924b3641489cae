"""Splits, stratified draws, fingerprints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data import Dataset, Split
from minnet.data.dataset import divided, joined, limited, stratified, text_keys, with_validation
from tests.drawing import steady


def make(train=100, test=40, validation=None, classes=3):
    def part(count, name):
        return Split([f"{name} {index}" for index in range(count)], np.arange(count) % classes)

    held_out = None if validation is None else part(validation, "validation")
    return Dataset("toy", "text", ("a", "b", "c"), part(train, "train"), held_out, part(test, "test"), "a test")


@steady(100)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.floats(0, 1), st.integers(0, 2**32))
def test_stratified_draws_exactly_that_many_and_every_class_by_its_share(labels, fraction, seed):
    y = np.array(labels)
    count = round(fraction * len(y))
    chosen = stratified(y, count, np.random.default_rng(seed))
    assert len(chosen) == count
    assert np.all(np.diff(chosen) > 0)
    for label in np.unique(y):
        share = np.sum(y == label) * count / len(y)
        assert abs(np.sum(y[chosen] == label) - share) < 1


def test_every_example_of_a_class_can_be_drawn():
    y = np.repeat([0, 1], 10)
    drawn = np.concatenate([stratified(y, 4, np.random.default_rng(seed)) for seed in range(200)])
    assert set(drawn) == set(range(20))


def test_divided_parts_are_disjoint_and_keep_their_order():
    split = Split(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50) % 5, np.arange(50))
    rest, part = divided(split, 10, np.random.default_rng(0))
    assert sorted([*rest.groups, *part.groups]) == list(range(50))
    np.testing.assert_array_equal(rest.x.ravel(), rest.groups)
    np.testing.assert_array_equal(part.y, part.groups % 5)
    assert np.bincount(part.y).tolist() == [2] * 5
    together = joined(rest, part)
    np.testing.assert_array_equal(together.x.ravel(), together.groups)
    assert together.files is None and joined(rest, Split(part.x, part.y)).groups is None


def test_a_split_needs_a_label_for_each_example():
    with pytest.raises(ValueError, match="3 and 2 labels"):
        Split(["a", "b", "c"], np.array([0, 1]))


def test_validation_none_keeps_the_own_part_and_a_count_redraws_it():
    dataset = make(validation=20)
    assert with_validation(dataset, None, 0, 0) is dataset
    redrawn = with_validation(dataset, 30, 0, 0)
    assert (len(redrawn.train), len(redrawn.validation)) == (90, 30)
    everything = with_validation(dataset, 0, 0, 0)
    assert everything.validation is None and len(everything.train) == 120
    assert set(redrawn.train.x) | set(redrawn.validation.x) == set(everything.train.x)


def test_validation_as_default_count_and_as_fraction():
    assert len(with_validation(make(), None, 10, 0).validation) == 10
    assert with_validation(make(), None, 0, 0).validation is None
    assert len(with_validation(make(), 0.25, 10, 0).validation) == 25


@pytest.mark.parametrize("wrong", [-1, 100, 1000, 1.5, True, "ten", float("nan")])
def test_a_validation_that_cannot_be_is_refused(wrong):
    with pytest.raises(
        ValueError, match="validation must be a count from 0 to 99, or a fraction below 1 that leaves an"
    ):
        with_validation(make(), wrong, 10, 0)


def test_seed_decides_the_split_and_the_same_seed_repeats_it():
    first, again, other = (with_validation(make(), 20, 0, seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_limit_caps_train_and_leaves_enough_to_test_on():
    dataset = limited(make(train=3000, test=1500, validation=1200), 300, 0)
    assert [len(split) for split in dataset.splits().values()] == [300, 1000, 1000]
    assert np.bincount(dataset.train.y).tolist() == [100, 100, 100]
    assert limited(make(), None, 0).fingerprint == make().fingerprint == limited(make(), 10**6, 0).fingerprint


@pytest.mark.parametrize("wrong", [0, -5, 2.5, True, "10"])
def test_a_limit_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="limit must be a positive number"):
        limited(make(), wrong, 0)


def test_fingerprint_sees_every_change():
    seen = {make().fingerprint}
    changes = [
        make(train=99),
        make(validation=10),
        Dataset("toy", "text", ("a", "b", "d"), make().train, None, make().test, "a test"),
        Dataset("toy", "text", ("a", "b", "c"), make().test, None, make().train, "a test"),
        make().each_split(lambda _, split: Split(split.x, split.y[::-1])),
        make().each_split(lambda _, split: Split([split.x[0] + split.x[1], "", *split.x[2:]], split.y)),
        make().each_split(lambda _, split: Split([split.x[0].upper(), *split.x[1:]], split.y)),
    ]
    for changed in changes:
        assert changed.fingerprint not in seen
        seen.add(changed.fingerprint)
    assert len(make().fingerprint) == 12


def test_the_key_of_a_text():
    """It stands in checkpoints, so it is the same for ever."""
    good, bad = 3509812042012788487, 5988929842673410215
    assert text_keys(["good", "bad", " GOOD\n"]).tolist() == [good, bad, good]
    assert len(set(text_keys(["so so", "so\u00a0 SO"]).tolist())) == 1
    assert len(set(text_keys(["caf\u00e9", "cafe\u0301"]).tolist())) == 1
    assert len(set(text_keys(["good", "bad", "so so", "soso", "\ud83d", ""]).tolist())) == 6
    assert text_keys([]).shape == (0,) and text_keys([]).dtype == np.int64


def test_the_test_splits_fingerprint_is_its_own():
    assert make(validation=10).test_fingerprint == make(train=99).test_fingerprint == make().test_fingerprint
    for changed in (
        Dataset("toy", "text", ("a", "b", "d"), make().train, None, make().test, "a test"),
        make().each_split(lambda name, split: Split(split.x, split.y[::-1]) if name == "test" else split),
        make().each_split(lambda name, split: Split([*split.x[:-1], "?"], split.y) if name == "test" else split),
    ):
        assert changed.test_fingerprint != make().test_fingerprint
    assert make().test_fingerprint != make().fingerprint


def test_fingerprint_is_of_the_content_not_of_its_place_or_strides():
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    y = np.arange(6)
    straight = Dataset("a", "images", ("x",), Split(x, y), None, Split(x, y), "here")
    strided = Split(np.asfortranarray(x), y)
    assert Dataset("b", "images", ("x",), strided, None, strided, "there").fingerprint == straight.fingerprint


def test_repr_names_sizes_and_source():
    assert repr(make(train=1200)) == "Dataset(toy: text, 3 classes, train 1,200, test 40; from a test)"
    assert repr(Split(np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1]))) == "Split(uint8 (2, 8, 8, 1), 2 classes)"
