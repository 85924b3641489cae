"""Every experiment's quick path runs, and says what its full run would say: tables, numbers, a JSON file."""

import importlib
import json

import numpy as np
import pytest

from tutorials.experiments.record import rounded, spread

QUICK = {
    "large_vocabulary": ["--part", "cost"],
    "crossvalidation": ["--seeds", "1"],
    "sentiment": [],
    "shares": [],
    "softmax_or_sigmoid": ["--seeds", "1"],
    "sentences": ["--seeds", "1", "1", "2", "4", "5"],
    "calibration": ["--seeds", "1"],
}


def run(name, *arguments):
    return importlib.import_module(f"tutorials.experiments.{name}").main(["--quick", *arguments])


@pytest.mark.parametrize("name", QUICK)
def test_quick_path(name, tmp_path, capsys):
    found = run(name, *QUICK[name], "--out", str(tmp_path / "found.json"))
    saved = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert saved == json.loads(json.dumps(found))
    assert saved["command"].startswith(f"python -m tutorials.experiments.{name} --quick")
    assert saved["seconds"] > 0 and saved["seeds"]
    assert len(capsys.readouterr().out.splitlines()) > 3


def test_next_words_and_bias(capsys):
    found = run("large_vocabulary", "--part", "bias")["bias"]
    assert found[0]["bias"] < found[-1]["bias"] < 0.1
    found = run("large_vocabulary", "--part", "words")["words"]
    assert {"full", "sampled", "tree"} <= found.keys()


def test_baselines_are_runs_that_compare_reads(tmp_path, capsys):
    from minnet.compare import compare

    baselines = importlib.import_module("tutorials.experiments.baselines")
    found = baselines.run(["comments", "--quick", "--out", str(tmp_path)])
    assert found["majority"]["accuracy"] == pytest.approx(found["majority"]["majority"])
    assert found["logistic"]["accuracy"] > found["majority"]["accuracy"]
    result, _ = compare(
        [tmp_path / "baseline-comments-majority", tmp_path / "baseline-comments-logistic"], bootstrap=50
    )
    assert [row["name"] for row in result["runs"]] == ["baseline-comments-majority", "baseline-comments-logistic"]
    with pytest.raises(ValueError, match="no baseline 'svm'"):
        baselines.run(["comments", "--models", "svm"])


def test_composed_pictures_hold_the_digits_that_they_name():
    module = importlib.import_module("tutorials.experiments.softmax_or_sigmoid")
    images = np.full((10, 8, 8, 1), 1, np.uint8) * np.arange(1, 11, dtype=np.uint8)[:, None, None, None]
    x, t = module.pictures(50, images, np.arange(10), np.random.default_rng(0))
    for picture, labels in zip(x, t, strict=True):
        assert {int(value) - 1 for value in np.unique(picture)} - {-1} == set(np.flatnonzero(labels))


def test_adjustment_by_the_prior_undoes_it():
    module = importlib.import_module("tutorials.experiments.sentiment")
    prior = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(module.adjusted(prior[None], prior, 1.0), [[1 / 3] * 3])


def test_cells():
    assert spread([0.5, 0.7]) == "0.600 ± 0.141" and spread([1.0], 1) == "1.0"
    assert rounded({1: [np.float64(0.123456), float("nan")]}) == {"1": [0.1235, None]}
