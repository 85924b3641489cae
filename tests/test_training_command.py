"""What stands between train.py's arguments and the library."""

import argparse
import os
from pathlib import Path

import pytest
from PIL import Image

from minnet.data import Ngrams, load
from minnet.layers import Flatten, Linear, Sequential
from minnet.models import cnn6
from minnet.training_command import check_asked, data_asked_for, pictures_of_learning, resuming
from train import arguments


def test_what_a_page_shows_of_a_network():
    digits = load("digits", limit=20)
    cnn = cnn6(digits.train.x.shape[1:], 10, [0.0], [1.0])
    assert pictures_of_learning(digits, cnn, None)["filters"] is cnn[1].W
    linear = Linear(64, 10, rng=0)
    shown = pictures_of_learning(digits, Sequential(Flatten(), linear), None)
    assert shown["filters"] is linear.W and shown["filter_shape"] == (8, 8, 1) and len(shown["images"]) == 360
    comments = load("comments", limit=50)
    ngrams = Ngrams(min_count=1)
    ngrams.fit(comments.train.x)
    words = Linear(len(ngrams), 3, rng=0)
    shown = pictures_of_learning(comments, Sequential(words), ngrams)
    assert shown["texts"] == comments.test.x and len(shown["words"]) == len(shown["weights"])


@pytest.mark.skipif(os.name == "nt", reason="no current folder can be removed there")
def test_a_run_whose_place_is_absolute_needs_no_current_folder(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr("sys.argv", ["train.py", "digits", "--out", str(tmp_path / "run")])
    check_asked(arguments())


def test_a_size_that_the_model_cannot_take_is_refused_before_a_picture_is_read(tmp_path, monkeypatch):
    typed = ["train.py", "images", "nowhere", "--out", str(tmp_path / "run"), "--model", "speedrun", "--size"]
    monkeypatch.setattr("sys.argv", [*typed, "32"])
    check_asked(arguments())
    monkeypatch.setattr("sys.argv", [*typed, "16"])
    with pytest.raises(ValueError, match=r"^speedrun cannot take images of 16 x 16 pixels, which are too small"):
        check_asked(arguments())


def test_a_size_of_the_pictures_own_that_the_model_cannot_take_is_refused_before_all_are_read(tmp_path, monkeypatch):
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("L", (64, 64)).save(tmp_path / label / "1.png")
    typed = ["train.py", "images", str(tmp_path), "--out", str(tmp_path / "run"), "--model", "speedrun"]
    monkeypatch.setattr("sys.argv", typed)
    monkeypatch.setattr("minnet.data.own.read_images", lambda *_: pytest.fail("a picture was read"))
    with pytest.raises(ValueError, match=r"^speedrun cannot take images of 64 x 64 pixels, which are too large"):
        data_asked_for(arguments())


@pytest.mark.parametrize("typed", [["--out", "runs/a"], ["--out=runs/a"], ["--out=-a"]])
def test_what_to_type_names_the_folder_once(monkeypatch, typed):
    """In one word, for a name that begins like a flag would be taken for one."""
    monkeypatch.setattr("sys.argv", ["train.py", "digits", *typed, "--epochs", "9"])
    folder = typed[-1].removeprefix("--out=")
    said = resuming(argparse.Namespace(task="digits", resume=False, touring=False), Path(folder))
    assert said == f"python train.py digits --epochs 9 --out={folder} --resume"
    monkeypatch.setattr("sys.argv", said.split()[1:])
    assert arguments().out == folder


def test_what_to_type_has_its_flags_before_the_names_of_files(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "csv", "--text", "a", "--label", "b", "--", "-x.csv"])
    said = resuming(argparse.Namespace(task="csv", resume=False, touring=False), Path("runs/x"))
    assert said == "python train.py csv --text a --label b --out=runs/x --resume -- -x.csv"
