"""load: names, folders, splits; the real datasets where MINNET_DATA has them."""

import shutil
import warnings

import numpy as np
import pytest

from minnet.data import load, load_lexicon
from minnet.data.fetch import fetch
from minnet.data.sources import SOURCES, checkout, data_folder


def test_cifar10_from_a_folder(cifar_folder):
    dataset = load("cifar10", folder=cifar_folder, validation=50)
    assert [split.x.shape for split in dataset.splits().values()] == [
        (150, 32, 32, 3),
        (50, 32, 32, 3),
        (40, 32, 32, 3),
    ]
    assert np.bincount(dataset.validation.y).tolist() == [5] * 10
    assert dataset.classes[9] == "truck" and dataset.kind == "images"
    assert dataset.source == f"{cifar_folder / 'cifar-10-batches-bin'} (not the official files)"


def test_validation_zero_keeps_the_official_order(cifar_folder):
    dataset = load("cifar10", folder=cifar_folder, validation=0)
    assert dataset.validation is None and dataset.train.y.tolist() == list(range(10)) * 20
    second = np.fromfile(cifar_folder / "cifar-10-batches-bin" / "data_batch_2.bin", np.uint8).reshape(-1, 3073)
    np.testing.assert_array_equal(dataset.train.x[45, :, :, 1].ravel(), second[5, 1 + 1024 : 1 + 2048])


def test_the_files_own_folder_is_accepted_too(cifar_folder, tweet_folder):
    inside = load("cifar10", folder=cifar_folder / "cifar-10-batches-bin", validation=10)
    assert inside.fingerprint == load("cifar10", folder=cifar_folder, validation=10).fingerprint
    assert len(load("tweeteval", folder=tweet_folder / "tweeteval" / "sentiment").test) == 20


def test_tweeteval_keeps_its_splits(tweet_folder, monkeypatch):
    monkeypatch.setenv("MINNET_DATA", str(tweet_folder))
    dataset = load("tweeteval")
    assert [len(split) for split in dataset.splits().values()] == [30, 10, 20]
    assert dataset.validation.x[0] == "tweet 0 of val" and dataset.classes == ("negative", "neutral", "positive")
    assert len(load("tweeteval", validation=0).train) == 40


def test_digits_by_seed():
    dataset, again, other = load("digits"), load("digits"), load("digits", seed=1)
    assert [len(split) for split in dataset.splits().values()] == [1257, 180, 360]
    assert dataset.train.x.shape[1:] == (8, 8, 1) and dataset.train.x.max() == 255
    assert dataset.fingerprint == again.fingerprint != other.fingerprint
    assert np.bincount(dataset.test.y).min() >= 34  # a fifth of each class


def test_comments_wherever_the_data_folder_is(tmp_path, monkeypatch):
    monkeypatch.setenv("MINNET_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    dataset = load("comments")
    assert [len(split) for split in dataset.splits().values()] == [420, 60, 120]
    assert dataset.source == str(checkout() / "datasets" / "comments")


@pytest.mark.parametrize("validation", [None, 20, 0.25, 0])
def test_the_splits_of_a_domain_are_its_part_of_those_of_the_whole(vader_folder, validation):
    """A model trained on one domain meets nothing of its own training or validation when it is tested on another.

    How many are held out is asked of the whole, so a count of 20 is not 20 of each domain.
    """
    whole = load("vader", folder=vader_folder, validation=validation)
    assert len(whole.test) == 32 and sum(len(split) for split in whole.splits().values()) == 160
    held_out = {None: 13, 20: 20, 0.25: 32, 0: 0}[validation]
    assert len(whole.validation or ()) == held_out
    for domain in whole.groups:
        part = load(f"vader/{domain}", folder=vader_folder, validation=validation)
        assert part.name == f"vader/{domain}" and part.splits().keys() == whole.splits().keys()
        for name, split in part.splits().items():
            of_domain = [text for text in whole.splits()[name].x if text.endswith(f" of {domain}")]
            assert split.x == of_domain, (domain, name)
        assert sum(len(split) for split in part.splits().values()) == 40


@pytest.mark.parametrize("name", ["mnist", "", "vader/poems", "cifar10/cats", None])
def test_unknown_names_list_the_known_ones(name):
    with pytest.raises(ValueError, match=r"unknown dataset .*cifar10, digits, vader, tweeteval, comments"):
        load(name)


def test_where_data_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "set"))
    assert data_folder() == tmp_path / "set"
    assert data_folder("~/mine").name == "mine" and data_folder("~/mine").is_absolute()
    monkeypatch.delenv("MINNET_DATA")
    assert data_folder() == checkout() / "datasets"
    monkeypatch.setattr("minnet.data.sources.checkout", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert data_folder() == tmp_path / "minnet"


def test_a_home_folder_that_is_not_known(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"^~nosuch/x: no home folder is known .* MINNET_DATA$"):
        data_folder("~nosuch/x")
    with pytest.raises(OSError, match=r"^~nosuch/x: no home folder is known"):
        fetch(SOURCES["vader"], tmp_path, "~nosuch/x")
    for name in ("MINNET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("minnet.data.sources.checkout", lambda: None)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # of a user whom the system does not know
    with pytest.raises(ValueError, match=r"^~/.cache: no home folder is known .* MINNET_DATA$"):
        data_folder()


def test_every_dataset_has_a_card():
    for name in SOURCES:
        card = (checkout() / "datasets" / name / "README.md").read_text(encoding="utf-8").lower()
        for word in ("source", "licence", "classes", "caveats", "citation"):
            assert word in card, f"datasets/{name}/README.md says nothing of {word}"


def test_real_cifar10(real_data):
    dataset = load("cifar10", folder=real_data("cifar-10-batches-bin"))
    assert [len(split) for split in dataset.splits().values()] == [45000, 5000, 10000]
    for split, each in ((dataset.train, 4500), (dataset.validation, 500), (dataset.test, 1000)):
        assert np.bincount(split.y).tolist() == [each] * 10
    assert dataset.test.y[:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]  # cat, two ships, a plane, frogs and a car


def test_real_tweeteval(real_data):
    dataset = load("tweeteval", folder=real_data("tweeteval"))
    assert (len(dataset.validation), len(dataset.test)) == (2000, 12284)
    assert np.bincount(dataset.test.y).tolist() == [3972, 5937, 2375]


def test_a_batch_file_of_half_the_size_is_not_taken_for_a_whole_one(real_data, tmp_path):
    real = real_data("cifar-10-batches-bin") / "cifar-10-batches-bin"
    for path in real.glob("*.bin"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "data_batch_3.bin").unlink()
    (tmp_path / "data_batch_3.bin").write_bytes((real / "data_batch_3.bin").read_bytes()[:15_365_000])
    with pytest.raises(
        ValueError, match=r"data_batch_3.bin has 15,365,000 bytes instead of 30,730,000: it is cut short"
    ):
        load("cifar10", folder=tmp_path)


def test_real_vader(real_data):
    folder = real_data("vader")
    dataset = load("vader", folder=folder)
    assert dataset.source == str(folder / "vader")  # the official files
    assert [len(split) for split in dataset.splits().values()] == [17066, 1896, 4741]
    total = sum(np.bincount(split.y) for split in dataset.splits().values())
    assert total.tolist() == [9181, 4244, 10278]
    assert all(
        np.abs(np.bincount(split.y) / len(split) - total / 23703).max() < 1e-3 for split in dataset.splits().values()
    )
    domains = [load(f"vader/{name}", folder=folder) for name in dataset.groups]
    assert [sum(map(len, part.splits().values())) for part in domains] == [4200, 10605, 3708, 5190]
    assert sorted(text for part in domains for text in part.test.x) == sorted(dataset.test.x)


def test_a_lexicon_that_cannot_be_had_or_is_not_the_official_one_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no pip
    with pytest.raises(OSError, match=r"^the lexicon comes with vader's sentences; --model ngrams does without it\. "):
        load_lexicon(tmp_path)
    folder = tmp_path / "vader"
    folder.mkdir(exist_ok=True)
    for name in SOURCES["vader"].files:
        (folder / name).write_text("great\t3.1\n")
    with pytest.warns(UserWarning, match="is not the official lexicon"):
        assert load_lexicon(tmp_path) == {"great": 3.1}


def test_the_sentences_do_without_the_lexicon(vader_folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no pip: nothing can be fetched
    (vader_folder / "vader" / "vader_sentiment_lexicon.txt").unlink()
    assert len(load("vader/tweets", folder=vader_folder).train)
    with pytest.raises(OSError, match="this Python has no pip"):
        load_lexicon(vader_folder)


def test_real_lexicon(real_data):
    ratings = load_lexicon(real_data("vader"))
    assert len(ratings) == 7332 and all(-4 <= rating <= 4 for rating in ratings.values())
    assert (ratings["great"], ratings["awful"], ratings[":)"]) == (3.1, -2.0, 2.0)


def test_what_has_arrived_of_cifar10_serves_a_limit_that_it_satisfies(cifar_folder, monkeypatch):
    folder = cifar_folder / "cifar-10-batches-bin"
    for name in ("data_batch_2.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"):
        (folder / name).unlink()
    with pytest.warns(UserWarning, match=r"incomplete: 2 of 5 training files, tested on a part of them"):
        dataset = load("cifar10", folder=cifar_folder, limit=50)
    assert [len(split) for split in dataset.splits().values()] == [50, 6, 16]  # of 80: 16 to test, a tenth of the rest
    assert "incomplete: 2 of 5 training files" in dataset.source

    def unreachable(*args, **kwargs):
        raise OSError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    for limit in (None, 59):
        with pytest.raises(OSError, match=r"no network here\). 2 of 6 files are in .*, checked; a --limit"):
            load("cifar10", folder=cifar_folder, limit=limit)


def test_comments_are_found_where_pip_puts_them_or_say_where_they_come_from(tmp_path, monkeypatch):
    bundled = checkout() / "datasets" / "comments" / "comments.csv"
    monkeypatch.setattr("minnet.data.sources.checkout", lambda: None)
    monkeypatch.setattr("minnet.data.sources.sysconfig.get_path", lambda _: str(tmp_path / "environment"))
    monkeypatch.setattr("minnet.data.sources.site.getuserbase", lambda: str(tmp_path / "user"))
    for base in ("user", "environment"):  # where `pip install --user` puts it, and `pip install` in an environment
        placed = tmp_path / base / "share" / "minnet"
        placed.mkdir(parents=True)
        shutil.copy(bundled, placed)
        assert load("comments", folder=tmp_path).source == str(placed)
        shutil.rmtree(tmp_path / base)
    monkeypatch.setattr("minnet.data.sources.site.getuserbase", lambda: None)  # in a browser
    with pytest.raises(FileNotFoundError, match=r"comments.csv missing; it is bundled with a checkout of minnet"):
        load("comments", folder=tmp_path)


def test_a_limit_that_leaves_no_example_of_a_class_is_told_of():
    with pytest.warns(UserWarning, match=r"digits: a limit of 3 leaves no example of \d, \d, \d, and 4 more to train"):
        assert len(load("digits", limit=3).train) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("digits", limit=20)
