"""Your own table and your own folder of pictures as datasets: splits, sizes, and what a result would not tell."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minnet.data import load_csv, load_images, own
from minnet.data.dataset import Split, divided_by_class
from tests.data.made import gallery, table, written
from tests.drawing import steady


@pytest.mark.parametrize(
    "labels",
    [("no", "yes"), tuple(f"class {index:02}" for index in range(15)), ("-1", "9", "10"), ("-1,5", "2,5", "3", "10,0")],
)
def test_any_number_of_classes_in_a_sensible_order(tmp_path, labels):
    dataset = load_csv(written(tmp_path, table(rows=150, labels=labels[::-1])), "review", "mood")
    assert dataset.classes == labels
    for split in dataset.splits().values():
        assert len(np.unique(split.y)) == len(labels)


def test_imbalance_keeps_every_class_in_every_split(tmp_path):
    content = "text,label\n" + "".join(f"t{index},{'rare' if index < 3 else 'common'}\n" for index in range(300))
    dataset = load_csv(written(tmp_path, content), "text", "label")
    assert [np.bincount(split.y).tolist() for split in dataset.splits().values()] == [[208, 1], [30, 1], [59, 1]]


@pytest.mark.parametrize("settings", [{"validation": 0.9}, {"validation": 200, "limit": 10}, {"limit": 10}])
def test_a_class_of_which_nothing_is_left_to_train_on_is_named(tmp_path, settings):
    content = "text,label\n" + "".join(f"t{index},{'rare' if index < 3 else 'common'}\n" for index in range(300))
    with pytest.raises(ValueError, match="no example of 'rare' is left to train on: hold out fewer"):
        load_csv(written(tmp_path, content), "text", "label", **settings)


@steady(100)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=5), st.floats(0.01, 0.99))
def test_division_by_class_leaves_one_on_each_side(counts, fraction):
    y = np.repeat(np.arange(len(counts)), counts)
    rest, part = divided_by_class(Split(list(map(str, range(len(y)))), y), fraction, np.random.default_rng(0))
    assert sorted(map(int, rest.x + part.x)) == list(range(len(y)))
    for label, count in enumerate(counts):
        taken = np.sum(part.y == label)
        assert 1 <= taken <= count - 1 and (abs(taken - fraction * count) <= 0.5 or taken in (1, count - 1))


def test_validation_test_limit_and_seed(tmp_path):
    path = written(tmp_path, table(rows=300))
    assert load_csv(path, "review", "mood", validation=0).validation is None
    assert len(load_csv(path, "review", "mood", validation=50).validation) == 50
    assert len(load_csv(path, "review", "mood", test=0.5).test) == 150
    assert len(load_csv(path, "review", "mood", limit=60).train) == 60
    prints = [load_csv(path, "review", "mood", seed=seed).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    with pytest.raises(ValueError, match="test must be a fraction between 0 and 1, got 2"):
        load_csv(path, "review", "mood", test=2)


@pytest.mark.parametrize("validation", [24, 1.5, -1])
def test_a_validation_part_that_is_too_large_is_refused_before_the_long_work(tmp_path, monkeypatch, validation):
    monkeypatch.setattr(own, "content", lambda example: pytest.fail("looked for copies"))
    monkeypatch.setattr(own, "read_images", lambda *_: pytest.fail("read a picture"))
    said = f"validation must be a count from 0 to 23, .* got {validation}"
    with pytest.raises(ValueError, match=said):
        load_csv(written(tmp_path, table(rows=30)), "review", "mood", validation=validation)
    with pytest.raises(ValueError, match=said):
        load_images(gallery(tmp_path / "pets", count=15), validation=validation)


def test_with_a_limit_only_what_is_used_is_compared(tmp_path, monkeypatch):
    seen, whole = [], own.content
    monkeypatch.setattr(own, "content", lambda example: seen.append(example) or whole(example))
    dataset = load_csv(written(tmp_path, table(rows=3000)), "review", "mood", limit=30)
    assert sorted(seen) == sorted(text for split in dataset.splits().values() for text in split.x)
    assert len(seen) < 1000


def test_a_second_row_of_names_is_asked_about(tmp_path):
    rows = "".join(f"text {index},{'ab'[index % 2]}\n" for index in range(20))
    with pytest.raises(ValueError, match=r"of 'Stimmung' \(1\) \(it stands in the first row: is that a second row of"):
        load_csv(written(tmp_path, f"text,label\nKommentar,Stimmung\n{rows}"), "text", "label")
    with pytest.raises(ValueError, match=r"of 'Stimmung' \(1\): each class needs at least 3"):
        load_csv(written(tmp_path, f"text,label\n{rows}Kommentar,Stimmung\n"), "text", "label")
    folder = gallery(tmp_path / "pets", kinds=("b", "c"))
    (folder / "a").mkdir()
    shutil.move(folder / "b" / "0.png", folder / "a")
    with pytest.raises(ValueError, match=r"of 'a' \(1\): each class needs at least 3"):
        load_images(folder)


def test_a_folder_of_pictures_by_class(tmp_path):
    dataset = load_images(gallery(tmp_path / "pets"), size=(16, 24))
    assert dataset.name == "pets" and dataset.kind == "images" and dataset.classes == ("cat", "dog")
    assert [split.x.shape for split in dataset.splits().values()] == [(14, 16, 24, 3), (2, 16, 24, 3), (4, 16, 24, 3)]
    for split in dataset.splits().values():
        assert np.all((split.x.mean(axis=(1, 2, 3)) > 128) == (split.y == 1))
        assert np.all(np.bincount(split.y) == len(split) // 2)
        for picture, label, file in zip(split.x, split.y, split.files, strict=True):
            kind, number = file.split("/")
            assert (
                kind == dataset.classes[label] and np.abs(picture - (40.0 + 160 * label + int(number[:-4]))).max() < 2
            )
    whole = load_images(tmp_path / "pets", validation=0)
    names = sorted([*whole.train.files, *whole.test.files])
    assert names == sorted(f"{kind}/{index}.png" for kind in ("cat", "dog") for index in range(10))


@pytest.mark.filterwarnings("ignore:.*far smaller than")
def test_the_common_size_is_kept_and_otherwise_it_is_32(tmp_path):
    assert load_images(gallery(tmp_path / "a", sizes=[(20, 10)])).train.x.shape[1:] == (10, 20, 3)
    assert load_images(gallery(tmp_path / "b")).train.x.shape[1:] == (32, 32, 3)
    assert load_images(gallery(tmp_path / "c", sizes=[(100, 100)])).train.x.shape[1:] == (32, 32, 3)
    assert load_images(gallery(tmp_path / "d"), size=8).train.x.shape[1:] == (8, 8, 3)
    assert load_images(gallery(tmp_path / "e", sizes=[(8, 64)])).train.x.shape[1:] == (64, 8, 3)
    for name, size in (("f", (7, 64)), ("g", (8, 65))):  # pooling would leave nothing, or much work
        assert load_images(gallery(tmp_path / name, sizes=[size])).train.x.shape[1:] == (32, 32, 3)
    kept = load_images(gallery(tmp_path / "h", sizes=[(20, 10)]))
    assert kept.source == str(tmp_path / "h"), "nothing was done to them that must be said"


def test_grey_files_stay_grey_until_one_has_colour(tmp_path):
    folder = gallery(tmp_path / "grey", mode="L")
    assert load_images(folder).train.x.shape[3] == 1
    Image.new("P", (9, 9)).save(folder / "cat" / "palette.png")
    assert load_images(folder).train.x.shape[3] == 3


def test_pictures_that_are_nearly_black_are_spoken_of(tmp_path):
    """Twelve bits in files of sixteen, as many scientific cameras write them."""
    for kind, low in (("a", 0), ("b", 3000)):
        (tmp_path / kind).mkdir()
        for index in range(5):
            values = np.linspace(low + index, 4095, 100).astype(np.uint16).reshape(10, 10)
            Image.fromarray(np.roll(values, index)).save(tmp_path / kind / f"{index}.png")
    with pytest.warns(UserWarning, match="nothing in any picture is brighter than 16 of 255: where its files have 16"):
        load_images(tmp_path)


def test_pictures_of_hardly_a_pixel_are_told_of(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for number in range(4):
            side = 7 if number == 0 else 8 + number
            Image.new("L", (side, 20), 40 * number + ord(kind)).save(tmp_path / kind / f"{number}.png")
    with pytest.warns(UserWarning, match=r"2 of 8 pictures are far smaller than the 32 x 32 pixels"):
        load_images(tmp_path)


def test_what_is_left_out_is_counted_by_kind_and_class(tmp_path):
    """A class that lost most of its photographs is seen, wherever in the list its files stand."""
    folder = gallery(tmp_path / "pets")
    for kind, count in (("cat", 2), ("dog", 30)):
        for index in range(count):
            (folder / kind / f"IMG_{index}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    for name in ("1.cr2", "deep/2.cr2", "notes"):
        (folder / "cat" / name).parent.mkdir(exist_ok=True)
        (folder / "cat" / name).write_text("no picture")
    kinds = r"\(30 \.heic in dog, 2 \.cr2 in cat, 2 \.heic in cat, and 1 more\)"
    with pytest.warns(UserWarning, match=rf"35 of 55 files are left out {kinds}: .*1\.cr2 cannot be read"):
        load_images(folder)


def test_copies_of_training_examples_in_the_test_split_are_counted(tmp_path, recwarn):
    rows = [f"text {index},{index % 2}" for index in range(40)]
    load_csv(written(tmp_path, "\n".join(["text,label", *rows])), "text", "label")
    assert not len(recwarn)
    content = "\n".join(["text,label", *rows, *["the same,1"] * 20])
    with pytest.warns(
        UserWarning, match=r"reviews: (\d+) of 12 test examples are copies of training examples"
    ) as caught:
        dataset = load_csv(written(tmp_path, content), "text", "label")
    assert f" {dataset.test.x.count('the same')} of 12 " in str(caught[0].message) and len(caught) == 1
    shouted = [f"Text {index:,}.,{index % 2}".upper() for index in range(40)]  # which a network takes for the same
    with pytest.warns(UserWarning, match=r"reviews: (\d+) of 16 test examples are copies .*letter case and marks"):
        dataset = load_csv(written(tmp_path, "\n".join(["text,label", *rows, *shouted])), "text", "label")
    known = {text.lower().strip(".") for text in dataset.train.x}
    assert dataset.copies == sum(text.lower().strip(".") in known for text in dataset.test.x) > 0
    assert all(split.groups is None for split in dataset.splits().values())
    folder = gallery(tmp_path / "pets")
    for index in range(10):
        (folder / "dog" / f"copy {index}.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    with pytest.warns(UserWarning, match=r"pets: \d of 6 test examples are copies of training examples"):
        load_images(folder)


@pytest.mark.parametrize(
    "labels, alike",
    [
        (("Yes", "no", "yes"), "'Yes', 'yes'"),
        (("caf\u00e9", "tea", "cafe\u0301"), "'cafe\u0301', 'caf\u00e9'"),
        (("1", "2", "1.0", "2.0"), "'1', '1.0', '2', '2.0'"),
        (("a", "b"), None),
    ],
)
def test_labels_that_hardly_differ_are_named_and_not_merged(tmp_path, recwarn, labels, alike):
    dataset = load_csv(written(tmp_path, table(rows=40, labels=labels)), "review", "mood")
    assert set(dataset.classes) == set(labels)
    said = [str(warning.message) for warning in recwarn]
    assert len(said) == (alike is not None) and all(f": {alike} count as different classes" in line for line in said)


def test_a_rare_spelling_of_a_label_is_named_beside_the_usual_one(tmp_path):
    rows = [*table(rows=60, labels=("negative", "positive")).splitlines(), "60,bad,Negative", "61,bad,Negative"]
    spelled = r"Where 'Negative' \(2\) and 'negative' \(30\) mean the same, spell them alike; else add examples"
    with pytest.raises(ValueError, match=rf"too few examples of 'Negative' \(2\): .*{spelled}"):
        load_csv(written(tmp_path, "\n".join(rows)), "review", "mood")
    with pytest.raises(ValueError, match=r"too few examples of 'so' \(1\): .* one for each split\. Add examples"):
        load_csv(written(tmp_path, "\n".join([*rows, "62,b,Negative", "63,b,so"])), "review", "mood")


def test_what_stands_in_several_classes_is_told_of(tmp_path, recwarn):
    rows = "text,mood\n" + "".join(f"word {n},{'good' if n % 2 else 'bad'}\n" for n in range(30))
    load_csv(written(tmp_path, rows + "word 7,good\n"), "text", "mood")  # twice in one class: a copy at most
    assert not [w for w in recwarn if "more than one class" in str(w.message)]
    dataset = load_csv(written(tmp_path, rows + "word 7,bad\nword 8,good\n"), "text", "mood")
    (said,) = [str(w.message) for w in recwarn if "more than one class" in str(w.message)]
    assert (
        "2 texts (4 examples) occur with more than one class (letter case and marks set aside), such as 'word 7', "
        "'word 8': which" in said
    )
    assert dataset.copies == sum(text in dataset.train.x for text in dataset.test.x)
    for kind in ("one", "One", "two"):
        (tmp_path / "p" / kind).mkdir(parents=True)
        for shade in range(4):
            Image.new("L", (9, 9), 60 * shade + len(kind) + (kind == "two")).save(
                tmp_path / "p" / kind / f"{shade}.png"
            )
    load_images(tmp_path / "p")
    said = [str(w.message) for w in recwarn]
    assert any(": 'One', 'one' count as different classes" in line for line in said)
    expected = (
        "4 pictures (8 examples) occur with more than one class, such as 'One/0.png' and 'one/0.png', 'One/1.png'"
    )
    assert any(expected in line for line in said)
