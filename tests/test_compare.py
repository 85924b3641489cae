"""Comparing runs: by hand on few examples, and refusing runs that were not evaluated on the same ones."""

import argparse
import io
import json
import os
import sys
from unittest import mock

import numpy as np
import pytest

from minnet import __main__ as minnet_main
from minnet import compare as module
from minnet import intervals, metrics
from minnet.run_folder import predictions_csv, save, to_json, to_npz
from tests.running import call, refused

CLASSES = ["negative", "neutral", "positive"]


def run(folder, probabilities, labels, indices=None, classes=CLASSES, **config):
    folder.mkdir(parents=True, exist_ok=True)
    indices = np.arange(len(labels)) if indices is None else indices
    save(folder / "config.json", to_json({"test_fingerprint": "12ab", **config}))
    save(folder / "metrics.json", to_json(metrics.evaluate(probabilities, labels, classes, bootstrap=100)))
    save(folder / "predictions.npz", to_npz(probabilities=probabilities, labels=labels, indices=indices))
    return folder


def saying(predictions, k=3):
    return 0.1 + 0.7 * np.eye(k)[predictions]


LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
FIRST = np.array([0, 1, 2, 0, 0, 0, 1, 0])  # right at 0 1 2 3
SECOND = np.array([1, 1, 2, 0, 1, 2, 0, 0])  # right at 1 2 3 4 5 6


def test_a_pair_by_hand(tmp_path):
    a, b = run(tmp_path / "a", saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    result = module.compare([a, b])
    (pair,) = result["pairs"]
    assert (pair["a"], pair["b"]) == ("a", "b")
    assert pair["won"] == [4, 5, 6] and pair["lost"] == [0]
    assert pair["mcnemar"] == {
        "only_a": 1, "only_b": 3, "both": 3, "neither": 1,
        "p": pytest.approx(2 * 5 / 16), "p_holm": pytest.approx(0.625),
    }  # fmt: skip
    assert pair["differences"]["accuracy"]["difference"] == pytest.approx(2 / 8)
    assert [r["accuracy"] for r in result["runs"]] == [0.5, 0.75]
    assert "a 50.0 % and b 75.0 %" in module._figure(result).get_label()
    text = module.table(result)
    assert "b against a" in text and "+25.0 points" in text
    assert "only b is right: 3 examples: 4, 5, 6" in text and "only a is right: 1 example: 0" in text
    assert text.endswith("(examples are numbered from 0 in the order of the test split, as in predictions.csv)")
    assert "b is right more often: on 3 against 1 of the 4 examples that only one of the two has right\n" in text
    chance = "chance alone gives as uneven a share in 62 of 100 such comparisons"
    assert f"p = 0.625 ({chance}): not told apart from chance\n" in text
    assert "accuracy's by Wilson, its difference's by Bonett and Price, the others by resampling" in text
    assert "numbered" not in module.table(result, show=0)
    json.dumps(json.loads(to_json(result)), allow_nan=False)


def test_each_run_is_resampled_once_however_many_pairs_it_stands_in(tmp_path, monkeypatch):
    p = [saying(FIRST), saying(SECOND), saying(LABELS), saying(np.zeros(8, int))]
    runs = [run(tmp_path / f"{i}", these, LABELS) for i, these in enumerate(p)]
    counted = mock.Mock(side_effect=intervals.resample)
    monkeypatch.setattr(intervals, "resample", counted)
    result = module.compare(runs, bootstrap=50, seed=3)
    assert counted.call_count == 4 and len(result["pairs"]) == 6
    for pair in result["pairs"]:
        a, b = p[int(pair["a"])], p[int(pair["b"])]
        assert pair["differences"] == intervals.paired_bootstrap(a, b, LABELS, bootstrap=50, seed=3)


def test_only_a_picture_that_was_asked_for_is_drawn(tmp_path, monkeypatch):
    a, b = run(tmp_path / "a", saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = call(minnet_main.main, "compare", a, b)
    assert said.status == 0 and "b against a" in said.out
    refused(call(minnet_main.main, "compare", a, b, "--out", tmp_path / "c"), "matplotlib, which draws the figures")


def test_examples_are_called_by_their_texts_where_a_run_tells_them(tmp_path):
    a, b = run(tmp_path / "a", saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    rows = [[number, f"text {number} " + "long, " * 50, "positive"] for number in range(7, -1, -1)]
    save(b / "predictions.csv", predictions_csv(["number", "example", "label"], rows, saying(SECOND), CLASSES))
    result = module.compare([a, b])
    assert sorted(result["called"]) == [0, 4, 5, 6] and result["called"][5].startswith("text 5 long")
    lines = module.table(result, show=2).splitlines()
    at = lines.index("  only b is right: 3 examples")
    assert lines[at + 1].startswith("    4: text 4 long, ") and lines[at + 1].endswith("…")
    assert len(lines[at + 1]) == 107
    assert lines[at + 2].startswith("    5: text 5 ") and lines[at + 3] == "    and 1 more"
    assert lines[at + 4] == "  only a is right: 1 example" and lines[at + 5].startswith("    0: text 0 ")
    assert "text 5" not in module.table(result, show=0)
    rows[0][1] = "very " * 40_000
    said = predictions_csv(["number", "example", "label"], rows, saying(SECOND), CLASSES)
    save(b / "predictions.csv", b"\xef\xbb\xbf" + said)  # as a spreadsheet saves it
    assert sorted(module.compare([a, b])["called"]) == [0, 4, 5, 6]
    save(b / "predictions.csv", said[: said.index(b"text 3")])
    assert "    0: (not told)" in module.table(module.compare([a, b])).splitlines()
    for broken in (b"", b"number,label\n0,a\n", b"number,example\nx,y\n", b"number,example\n1\n", b"\xff\xfe"):
        save(b / "predictions.csv", broken)
        assert module.compare([a, b])["called"] == {}


def test_equal_names_of_files_are_no_equal_pictures(tmp_path):
    """Cameras number theirs from 1 in every folder."""
    rows = [[number, f"{number}.png", "positive"] for number in range(8)]
    a, b = (run(tmp_path / c, saying(FIRST), LABELS, test_fingerprint=c) for c in "ab")
    for folder in (a, b):
        save(folder / "predictions.csv", predictions_csv(["number", "example", "label"], rows, saying(FIRST), CLASSES))
    with pytest.raises(ValueError, match="test data differ"):
        module.compare([a, b])


def test_macro_averages_of_what_is_all_right_have_no_interval_and_it_is_said(tmp_path):
    runs = [run(tmp_path / name, saying(said), LABELS) for name, said in (("a", FIRST), ("b", LABELS), ("c", SECOND))]
    text = module.table(module.compare(runs))
    why = "no prediction is wrong, so resampling cannot show how uncertain they are"
    assert "1.000 (–)" in text and f"\n(b: intervals of all but accuracy: {why})\n" in text
    assert "\n(a: interval of log loss: too narrow: most of it rests on" in text
    assert "100.0 % (67.6 to 100.0 %)" in text
    few = module.table(module.compare([runs[0], runs[2]]))
    assert few.count("(–)") == 2 and "  (–: 4 examples right in one run alone, too few to tell them apart)" in few


def test_the_interval_of_accuracies_difference_does_not_contradict_the_test(tmp_path):
    labels = np.arange(20) % 3
    wrong = [np.where(np.arange(20) < n, (labels + 1) % 3, labels) for n in (8, 3)]  # five examples tell them apart
    text = module.table(module.compare([run(tmp_path / f"{n}", saying(wrong[n]), labels) for n in range(2)]))
    assert "accuracy      +25.0 points  (0.0 to 44.3)" in text
    assert "p = 0.062 (chance alone gives as uneven a share in 6 of 100 such comparisons): not told" in text


def test_a_difference_that_is_rounded_to_none_has_no_sign_and_as_many_digits_as_its_interval():
    tested = {"only_a": 42, "only_b": 25, "p": 0.0498, "p_holm": 0.0498}
    found = {"difference": -0.0004, "interval": [-0.0004, 0.031]}
    pair = {"a": "a", "b": "b", "mcnemar": tested, "won": [], "lost": []}
    pair["differences"] = {key: found for key, _ in module.MEASURES}
    lines = module._pair(pair, 0, {})
    assert lines[1].split("accuracy")[1].split() == ["+0.0", "points", "(0.0", "to", "3.1)"]
    assert lines[2].split()[-4:] == ["-0.0004", "(-0.0004", "to", "0.031)"]
    assert lines[-1] == "  McNemar's exact test of accuracy: p = 0.0498: more than chance"


def test_the_verdict_is_that_of_the_corrected_p():
    *_, last = module._verdict({"only_a": 20, "only_b": 8, "p": 0.036, "p_holm": 0.108}, "a", "b")
    assert last.endswith(": p = 0.036, corrected for all pairs p = 0.108: not told apart from chance")


def test_a_class_without_examples_is_told_of_each_run(tmp_path):
    a, b = (run(tmp_path / name, saying(said), LABELS % 2) for name, said in (("a", FIRST), ("b", LABELS % 2)))
    lines = module.table(module.compare([a, b])).splitlines()
    told = "there are no examples of positive, which count as 0 in the macro means; over the other 2 classes: recall"
    assert [line for line in lines if told in line][1] == f"(b: {told} 1.000, F1 1.000)"


def test_the_order_of_the_examples_in_a_file_does_not_matter(tmp_path):
    turned = np.arange(8)[::-1]
    a = run(tmp_path / "a", saying(FIRST), LABELS)
    b = run(tmp_path / "b", saying(SECOND)[turned], LABELS[turned], turned)
    assert module.compare([a, b])["pairs"][0]["won"] == [4, 5, 6]


def test_a_real_difference_is_more_than_chance_and_corrected_for_all_pairs(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    folders = []
    for name, wrong in (("good", 0.1), ("same", 0.1), ("bad", 0.3)):
        said = np.where(rng.random(400) < wrong, (labels + 1) % 3, labels)
        folders.append(run(tmp_path / name, saying(said), labels))
    result = module.compare(folders)
    verdicts = [pair["mcnemar"]["p_holm"] < 0.05 for pair in result["pairs"]]
    assert verdicts == [False, True, True]
    text = module.table(result)
    assert text.count(": more than chance") == 2
    assert "good is right more often" in text and "bad is right more often" not in text


def test_neither_of_two_that_are_right_as_often_is_better(tmp_path):
    mirrored = np.r_[FIRST[:2], 1, 1, 1, 2, FIRST[6:]]  # right at 0 1 4 5
    a, b, c = (run(tmp_path / n, saying(said), LABELS) for n, said in (("a", FIRST), ("b", mirrored), ("c", FIRST)))
    text = module.table(module.compare([a, b]))
    assert "both are right equally often: each on 2 examples that the other has wrong" in text
    assert text.count("right more often") == 0 and "p = 1.000: not told apart from chance" in text
    assert "often" not in module.table(module.compare([a, c]))


def test_holm_by_hand():
    assert module._holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert module._holm([0.6, 0.9]) == [1.0, 1.0]
    assert module._holm([0.02]) == [0.02]


def test_only_the_test_data_have_to_be_the_same(tmp_path):
    """Another share held out for validation changes the fingerprint of all data, and no test example."""
    a = run(tmp_path / "a", saying(FIRST), LABELS, fingerprint="34cd")
    b = run(tmp_path / "b", saying(SECOND), LABELS, fingerprint="56ef")
    assert module.compare([a, b])["fingerprint"] == "12ab"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"test_fingerprint": "77cd"}, "test data differ .fingerprints 12ab and 77cd"),
        ({"indices": np.arange(8) + 1}, "other places in the test split"),
        ({"labels": (LABELS + 1) % 3}, "8 labels of the examples differ"),
        ({"classes": ["a", "b", "c"]}, "classes differ"),
        ({"labels": LABELS[:5], "probabilities": saying(SECOND[:5])}, "8 against 5 examples"),
    ],
)
def test_runs_on_other_examples_are_refused(tmp_path, other, says):
    a = run(tmp_path / "a", saying(FIRST), LABELS)
    b = run(tmp_path / "b", **{"probabilities": saying(SECOND), "labels": LABELS, **other})
    with pytest.raises(ValueError, match=says) as error:
        module.compare([a, b])
    assert "not evaluated on the same examples" in str(error.value) and "\n" not in str(error.value)
    assert "--seed" in str(error.value)  # seeds 0 and 1 of a data set are what people try to compare


def npy_of(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path):
    a = run(tmp_path / "a", saying(FIRST), LABELS)
    with pytest.raises(ValueError, match="at least two"):
        module.compare([a])
    with pytest.raises(ValueError, match="at least 1 resample, got 0"):
        module.compare([a, a], bootstrap=0)
    with pytest.raises(FileNotFoundError, match="no folder"):
        module.compare([a, tmp_path / "none"])
    for name, damage, says in (
        ("config.json", None, "no finished run"),
        ("config.json", b'{"fingerprint": "34cd"}', "does not say on which test data"),
        ("metrics.json", b"{", "cannot be read"),
        ("metrics.json", b"[]", "does not hold"),
        ("metrics.json", b'{"examples": 8, "classes": ["a", "b"]}', "not that of a finished run"),
        ("predictions.npz", None, "no finished run"),
        ("predictions.npz", b"PK\x03\x04 broken", "cannot be read"),
        ("predictions.npz", b"", "cannot be read"),
        ("predictions.npz", npy_of(LABELS), "cannot be read"),
        ("predictions.npz", to_npz(labels=LABELS), "cannot be read"),
        ("predictions.npz", to_npz(labels=LABELS, indices=LABELS, probabilities=LABELS), "does not fit"),
        (
            "predictions.npz",
            to_npz(labels=LABELS[:2], indices=LABELS[:2], probabilities=saying(FIRST[:2])),
            "different",
        ),
    ):
        b = run(tmp_path / "b", saying(SECOND), LABELS)
        if damage is None:
            (b / name).unlink()
        else:
            (b / name).write_bytes(damage)
        with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
            module.compare([a, b])
        assert "\n" not in str(error.value)


def test_pickled_predictions_are_never_loaded(tmp_path):
    a, b = (run(tmp_path / name, saying(FIRST), LABELS) for name in "ab")
    np.savez(b / "predictions.npz", labels=np.array([print], dtype=object), indices=LABELS, probabilities=saying(FIRST))
    with pytest.raises(ValueError, match="cannot be read"):
        module.compare([a, b])


def test_runs_of_the_same_name_are_told_apart(tmp_path):
    a, b = (run(tmp_path / place / "run", saying(FIRST), LABELS) for place in ("one", "two"))
    result = module.compare([a, b])
    assert [r["name"] for r in result["runs"]] == ["one/run", "two/run"]
    result = module.compare([a, a])
    assert [r["name"] for r in result["runs"]] == ["one/run", "one/run (2)"]
    assert result["pairs"][0]["mcnemar"]["p"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not text")
def test_a_run_whose_name_is_no_text_is_drawn(tmp_path, monkeypatch):
    cafe = tmp_path / os.fsdecode(b"caf\xe9")
    runs = run(cafe, saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    assert call(minnet_main.main, "compare", *runs, "--out", tmp_path / "out").status == 0
    said = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert [each["name"] for each in said["runs"]] == ["caf?", "b"] and (tmp_path / "out" / "comparison.png").exists()
    monkeypatch.setattr(module, "_figure", mock.Mock(side_effect=ValueError("no figure")))
    refused(call(minnet_main.main, "compare", *runs, "--out", tmp_path / "none"), "no figure")
    assert not (tmp_path / "none").exists()


def test_a_comparison_is_not_overwritten_by_another(tmp_path):
    a, b, c = (run(tmp_path / name, saying(FIRST), LABELS) for name in "abc")
    assert call(minnet_main.main, "compare", a, b, "--out", tmp_path / "out").status == 0
    refused(call(minnet_main.main, "compare", a, c, "--out", tmp_path / "out"), "out is there already", "--out")
    assert '"b"' in (tmp_path / "out" / "comparison.json").read_text("utf-8")


def test_infinite_losses_are_compared_where_they_can_be(tmp_path):
    a = run(tmp_path / "a", np.eye(3)[FIRST], LABELS)
    b = run(tmp_path / "b", saying(SECOND), LABELS)
    result = module.compare([a, b])
    assert "not finite" in module.table(result)
    module._figure(result).draw_without_rendering()


def test_the_command(tmp_path, capsys):
    a, b = run(tmp_path / "a", saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    parser = argparse.ArgumentParser()
    module.add_arguments(parser.add_subparsers())
    args = parser.parse_args(["compare", str(a), str(b), "--out", str(tmp_path / "out"), "--show", "1"])
    assert args.run(args) == 0
    printed = capsys.readouterr().out
    assert "only b is right: 3 examples: 4 and 2 more" in printed and "written" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"comparison.json", "comparison.png"}
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["pairs"][0]["won"] == [4, 5, 6]


def test_the_files_are_there_even_if_nobody_reads_the_table_to_its_end(tmp_path, monkeypatch):
    a, b = run(tmp_path / "a", saying(FIRST), LABELS), run(tmp_path / "b", saying(SECOND), LABELS)
    parser = argparse.ArgumentParser()
    module.add_arguments(parser.add_subparsers())
    args = parser.parse_args(["compare", str(a), str(b), "--out", str(tmp_path / "out")])
    monkeypatch.setattr("builtins.print", mock.Mock(side_effect=BrokenPipeError))
    with pytest.raises(BrokenPipeError):
        args.run(args)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"comparison.json", "comparison.png"}


def test_the_table_can_be_printed_in_ascii(tmp_path, monkeypatch):
    a, b = run(tmp_path / "猫", saying(FIRST), LABELS), run(tmp_path / "b", np.eye(3)[FIRST], LABELS)
    result = module.compare([a, b])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    module.table(result).encode("ascii")
