"""python -m minnet evaluate: a trained run on labelled examples that it was not made with."""

import csv
import errno
import json
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score, recall_score

import train
from minnet import __main__ as minnet_main
from minnet import checkpoint, evaluation, metrics, report, trained_run
from minnet.compare import compare
from minnet.data import load
from minnet.evaluation import _positions
from minnet.functional import softmax
from minnet.trained_run import TrainedRun, load_run
from tests.running import call, refused

pytestmark = pytest.mark.filterwarnings("default")


def evaluate(*arguments):
    return call(minnet_main.main, "evaluate", *arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on digits with its page and one on comments without, quickly trained."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        for name, model in (("digits", "mlp"), ("comments", "ngrams")):
            said = call(train.main, name, "--model", model, "--epochs", 8, "--seed", 3, "--out", folder / name)
            assert said.status == 0, said.err
            patched.setattr(report, "write", lambda folder, *_, **__: folder)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path, rows, header=("review", "stars")):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


ROWS = [
    ("What a wonderful day, I love it", "positive"), ("awful, never again", "Negative"), ("bad, bad, bad", "negative"),
    ("great, thank you", "positive"), ("the parcel came on Monday", "neutral"),
]  # fmt: skip


def test_a_table_of_labelled_texts(runs, here):
    table("new.csv", [*ROWS, ("no label", ""), ("", "positive")])
    said = evaluate(runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars")
    run = load_run(runs / "comments")
    p = run.probabilities([text for text, _ in ROWS])
    y = np.array([run.classes.index(label.lower()) for _, label in ROWS])
    assert said.status == 0 and said.err == ""
    read = "5 examples of new.csv (utf-8, 2 of 7 rows left out for want of text or label)"
    measured = metrics.table(metrics.evaluate(p, y, run.classes))
    assert said.out == f"{runs / 'comments'} on {read}:\n{measured}\n"
    assert list(here.iterdir()) == [here / "new.csv"]


def test_texts_without_a_word_that_was_met_are_counted(runs, here):
    table("new.csv", [*ROWS, ("qzxv", "negative"), ("xxqqy zzkw", "positive")])
    said = evaluate(runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars")
    assert said.status == 0 and "(no word in 2 of the 7 texts was met in training: " in said.out


def test_texts_of_which_only_the_beginning_is_read_are_counted(runs, here, monkeypatch):
    answers = TrainedRun.answers
    monkeypatch.setattr(TrainedRun, "answers", lambda run, texts: (answers(run, texts)[0], np.arange(len(texts)) < 2))
    table("new.csv", ROWS)
    said = evaluate(runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars")
    assert said.status == 0 and "words are read of 2 of the 5 texts)\n" in said.out


def test_examples_are_numbers_block_by_block(runs, here, monkeypatch):
    whole = evaluate(runs / "digits", "digits")
    asked, encode = [], TrainedRun.encode
    monkeypatch.setattr(TrainedRun, "encode", lambda run, inputs: asked.append(len(inputs)) or encode(run, inputs))
    monkeypatch.setattr("minnet.trained_run.BLOCK", 256)
    assert evaluate(runs / "digits", "digits") == whole and asked == [256, 104]


def test_what_stands_behind_a_flag_is_the_path(runs, here):
    table("new.csv", ROWS)
    said = evaluate(runs / "comments", "csv", "--text", "review", "--label", "stars", "new.csv")
    assert said.status == 0 and "on 5 examples of new.csv" in said.out


def test_a_page_and_a_folder_that_compare_takes(runs, here):
    table("new.csv", ROWS)
    columns = ("--text", "review", "--label", "stars")
    said = evaluate(runs / "comments", "csv", "new.csv", *columns, "--out", "first")
    assert said.status == 0 and said.out.endswith(f"\n\nThe page: {Path('first/report.html')}\n")
    page = (here / "first/report.html").read_text("utf-8")
    assert "Trained on comments, it is right on" in page and "5 test examples (95" in page
    assert "never seen" not in page and "What a wonderful day" in page
    config = json.loads((here / "first/config.json").read_text("utf-8"))
    assert config["run"] == str(runs / "comments") and config["dataset"] == "new.csv" and config["model"] == "ngrams"
    assert config["command"].startswith("python -m minnet evaluate ")
    assert not (here / "first/.lock").exists()

    hidden = evaluate(runs / "comments", "csv", "new.csv", *columns, "--out", "second", "--hide-text")
    assert hidden.status == 0 and "What a wonderful day" not in (here / "second/report.html").read_text("utf-8")
    result = compare(["first", "second"])
    assert result["examples"] == 5 and result["pairs"][0]["won"] == []

    with np.load("first/predictions.npz") as kept:
        p = kept["probabilities"]
    for folder, names in (("first", [text for text, _ in ROWS]), ("second", [None] * 5)):
        with open(here / folder / "predictions.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row.get("example") for row in rows] == names
        assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
        assert [row["label"] for row in rows] == [label.lower() for _, label in ROWS]
        np.testing.assert_allclose([float(row["p_positive"]) for row in rows], p[:, 2], atol=1e-6)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("a broken page")])
def test_what_is_stopped_half_way_leaves_no_folder_that_is_in_the_way(runs, here, monkeypatch, error):
    table("new.csv", ROWS)
    typed = (runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars", "--out", "deep/page")
    remove = shutil.rmtree

    def closed(folder, **settings):
        assert not Path(folder, ".lock").exists()  # Windows removes no file that is open
        remove(folder, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(report.page, "page", mock.Mock(side_effect=error))
        patched.setattr(shutil, "rmtree", closed)
        assert evaluate(*typed).status != 0
    assert not (here / "deep/page").exists()
    assert evaluate(*typed).status == 0 and (here / "deep/page/report.html").exists()


def test_a_full_disk_leaves_no_folder_that_is_in_the_way(runs, here, monkeypatch):
    table("new.csv", ROWS)
    typed = (runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars", "--out", "page")

    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        refused(evaluate(*typed), f"cannot write into {here / 'page'} (No space left on device)")
    assert not (here / "page").exists() and evaluate(*typed).status == 0


def test_what_a_kill_left_may_be_removed_but_no_training(here):
    typed, cure = ("no run", "digits", "--out", "page"), "choose another --out, or remove it if the command that wrote"
    (here / "page").mkdir()
    assert cure not in refused(evaluate(*typed), "page is there already and is not overwritten")
    (here / "page/.lock").write_text("process 1 on a machine since yesterday\n")
    refused(evaluate(*typed), "page is there already and is not overwritten", cure)
    (here / "page/last.ckpt").touch()
    assert cure not in refused(evaluate(*typed), "page is there already and is not overwritten")


def test_figures_that_cannot_be_drawn_are_told_of_first(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    refused(evaluate("no run", "digits", "--out", "page"), "matplotlib, which draws the figures")


def test_a_folder_that_appears_meanwhile_is_neither_used_nor_removed(runs, here, monkeypatch):
    table("new.csv", ROWS)
    read = evaluation.labelled_texts

    def slowly(*arguments):
        (here / "page").mkdir()
        (here / "page/mine.txt").write_text("mine")
        return read(*arguments)

    monkeypatch.setattr(evaluation, "labelled_texts", slowly)
    typed = (runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars", "--out", "page")
    refused(evaluate(*typed), f"{here / 'page'} is there already and is not overwritten: choose another folder")
    assert [path.name for path in (here / "page").iterdir()] == ["mine.txt"]


def test_its_own_data_are_divided_as_they_were_for_training(runs, here):
    """So its test split gives what the run's page says, and can be compared with it."""
    said = evaluate(runs / "digits", "digits", "--out", "again")
    first, second = (json.loads((at / "metrics.json").read_text("utf-8")) for at in (runs / "digits", here / "again"))
    assert said.status == 0 and first == second
    assert compare([runs / "digits", "again"])["examples"] == 360
    told = f"accuracy {100 * first['accuracy']:.1f} %, macro recall {first['macro']['recall']:.3f}"
    assert f"(on the 360 test examples of its own data: {told}" in said.out


def test_what_the_run_measured_itself_by_hand():
    found = {"examples": 9, "accuracy": 0.5, "macro": {"recall": 0.4, "f1": 0.3}}
    line = "(on the 9 test examples of its own data: accuracy 50.0 %, macro recall 0.400, macro F1 0.300)"
    assert evaluation._on_its_own(found) == line


@pytest.mark.parametrize("told", ["nothing", "otherwise"])
def test_how_its_own_data_were_divided_stands_in_the_checkpoint(runs, here, told):
    """config.json is there only at the end of a run, and anybody can edit it."""
    (here / "run").mkdir()
    shutil.copy(runs / "digits" / "best.ckpt", here / "run")
    if told == "otherwise":
        (here / "run/config.json").write_text('{"seed": [1], "temperature": 0.0}', "utf-8")
    said = evaluate("run", "digits", "--out", "again")
    assert said.status == 0 and "of its own data" not in said.out
    first, second = (json.loads((at / "metrics.json").read_text("utf-8")) for at in (runs / "digits", here / "again"))
    assert first == second and "Trained on digits" in (here / "again/report.html").read_text("utf-8")


def test_a_checkpoint_without_a_seed_is_measured_on_other_data_only(runs, here, monkeypatch):
    monkeypatch.setattr(trained_run, "_seed", lambda settings: None)
    refused(evaluate(runs / "comments", "comments"), "does not say with which seed comments was divided")
    with monkeypatch.context() as patched:
        patched.setattr(trained_run, "_seed", lambda settings: 0)  # the default, and a seed like any other
        assert evaluate(runs / "comments", "comments").status == 0
    table("new.csv", ROWS)
    assert evaluate(runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars").status == 0


@pytest.mark.parametrize(
    "settings", [None, {}, {"seed": "7"}, {"seed": -1}, {"seed": True}, {"seed": [1]}, {"seed": 1.0}]
)
def test_what_is_no_seed(settings):
    assert trained_run._seed(settings) is None and trained_run._seed({"seed": 3}) == 3


def test_texts_that_it_learned_from_are_warned_of_whatever_their_file_is_called(runs, here):
    learned = [(f" {text.upper()}", "positive") for text in load("comments").train.x[:3]]
    table("new.csv", [*ROWS, *learned])
    table("comments.csv", ROWS)
    columns = ("--text", "review", "--label", "stars")
    said = evaluate(runs / "comments", "csv", "new.csv", *columns, "--out", "page")
    told = "was trained on 3 of the 8 texts and has seen their classes"
    assert said.status == 0 and told in said.err and told in (here / "page/report.html").read_text("utf-8")
    assert evaluate(runs / "comments", "csv", "comments.csv", *columns).err == ""  # another table of this name
    own = evaluate(runs / "comments", "comments")
    assert own.status == 0 and own.err == ""


def test_the_file_that_a_run_without_marks_of_its_texts_learned_from_is_warned_of(runs, here):
    """So runs were saved before; pictures have none."""
    arrays, header = checkpoint.load(runs / "comments" / "best.ckpt")
    del arrays["about/training_texts"]
    checkpoint.save("best.ckpt", arrays, header)
    table("comments.csv", ROWS)
    said = evaluate(here, "csv", "comments.csv", "--text", "review", "--label", "stars", "--out", "page")
    assert said.status == 0 and "was trained on something called 'comments', too" in said.err
    assert "was trained on something called &#x27;comments&#x27;, too" in (here / "page/report.html").read_text("utf-8")


def test_a_class_without_examples_is_told_of(runs, here):
    """It counts as 0 in the macro means, which says little: 1 of 1 right would be a macro F1 of 0.333."""
    table("new.csv", [row for row in ROWS if row[1] != "neutral"])
    said = evaluate(runs / "comments", "csv", "new.csv", "--text", "review", "--label", "stars", "--out", "page")
    run = load_run(runs / "comments")
    rows = [(text, label.lower()) for text, label in ROWS if label != "neutral"]
    p = run.probabilities([text for text, _ in rows]).argmax(axis=1)
    y = [run.classes.index(label) for _, label in rows]
    recall, f1 = (f(y, p, labels=[0, 2], average="macro", zero_division=0) for f in (recall_score, f1_score))
    line = f"over the other 2 classes: recall {recall:.3f}, F1 {f1:.3f}"
    assert f"(there are no examples of neutral, which count as 0 in the macro means; {line})" in said.out
    assert f"There are no examples of neutral, which count as 0 in the macro means; {line}." in (
        here / "page/report.html"
    ).read_text("utf-8")


def test_the_page_shows_percentages_at_the_temperature_of_the_runs_validation(runs, here, monkeypatch):
    shown = {}
    monkeypatch.setattr(report, "write", lambda folder, *_, **more: shown.update(more) or folder)
    shutil.copytree(runs / "digits", here / "digits")
    config = json.loads((here / "digits/config.json").read_text("utf-8"))
    temperature = 1.4321
    (here / "digits/config.json").write_text(json.dumps({**config, "temperature": temperature}))
    assert evaluate("digits", "digits", "--out", "again").status == 0
    p = load_run(runs / "digits").probabilities(load("digits", seed=3).test.x)
    (name,) = shown["calibrated"]
    assert name == f"temperature {temperature:.2f}"
    np.testing.assert_allclose(shown["calibrated"][name], softmax(np.log(p), temperature=temperature))
    weights = np.arange(1.0, 11)
    (here / "digits/config.json").write_text(json.dumps({"class_weights": weights.tolist(), "temperature": "1"}))
    assert evaluate("digits", "digits", "--out", "third").status == 0
    undone = (p / weights) / (p / weights).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shown["calibrated"]["class weights undone"], undone, rtol=1e-5)


def test_a_folder_of_pictures_by_class(runs, here):
    digits = load("digits").test
    for index in range(12):
        label = str(digits.y[index])
        (here / "pictures" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x[index, :, :, 0]).save(here / "pictures" / label / f"{index}.png")
    (here / "pictures" / "7" / "broken.png").write_bytes(b"no picture")
    said = evaluate(runs / "digits", "images", "pictures", "--out", "page")
    assert said.status == 0 and "1 of 13 files are left out" in said.err
    right = load_run(runs / "digits").probabilities(digits.x[:12]).argmax(axis=1) == digits.y[:12]
    with open(here / "page/predictions.csv", encoding="utf-8", newline="") as file:
        named = {row["example"]: row["label"] for row in csv.DictReader(file)}
    assert named == {f"{y}/{i}.png": str(y) for i, y in enumerate(digits.y[:12])}
    assert "on 12 examples of pictures" in said.out and f"{100 * right.mean():.1f} %" in said.out


def test_pictures_in_the_folder_that_one_is_in(runs, here, monkeypatch):
    (here / "digits" / "7").mkdir(parents=True)
    Image.new("L", (100, 10)).save("digits/7/long.png")
    monkeypatch.chdir("digits")
    told = {}
    monkeypatch.setattr(report, "write", lambda folder, config, *_, **__: told.update(config) or folder)
    said = evaluate(runs / "digits", "images", ".", "--out", here / "page")
    assert said.status == 0 and "only the middle is looked at" in said.err
    assert "was trained on something called 'digits', too" in said.err
    assert told["dataset"] == "digits"


def test_what_cannot_be_evaluated_is_refused_in_one_line(runs, here):
    texts, digits, columns = runs / "comments", runs / "digits", ("--text", "review", "--label", "stars")
    table("new.csv", ROWS)
    table("strange.csv", [*ROWS, ("hm", "mixed"), ("hm", "angry")])
    (here / "pictures" / "zebra").mkdir(parents=True)
    Image.new("L", (8, 8)).save(here / "pictures" / "zebra" / "1.png")
    refused(evaluate("nothing", "digits"), "there is no run nothing")
    refused(evaluate(texts, "nothing"), "unknown dataset 'nothing'")
    refused(evaluate(texts, "new.csv"), f"for your own data: python -m minnet evaluate {texts} csv new.csv")
    refused(evaluate(digits, "pictures"), f"for your own data: python -m minnet evaluate {digits} images pictures")
    refused(evaluate(texts, "csv", "new.csv", *columns, "--out", "new.csv"), "new.csv is there already")
    refused(evaluate(texts, "csv", "new.csv", "--text", "stars", "--label", "review"), "the column that holds them")
    refused(evaluate(texts, "csv"), "csv takes one file: csv FILE, got none")
    refused(evaluate(texts, "comments", "new.csv"), "comments takes no path, got new.csv")
    refused(evaluate(texts, "csv", "new.csv", "b.csv", *columns), "csv takes one file", "new.csv b.csv")
    refused(evaluate(texts, "csv", "new.csv", "--text", "review"), "which columns of new.csv", "review, stars")
    refused(evaluate(texts, "csv", "none.csv", *columns), "there is no file none.csv")
    refused(evaluate(texts, "csv", "new.csv", "--text", "review", "--label", "class"), "no column 'class'")
    refused(evaluate(texts, "csv", "strange.csv", *columns), "knows no class 'mixed', 'angry'", "negative, neutral")
    refused(evaluate(digits, "csv", "new.csv", *columns), "was trained on images, and csv gives text")
    refused(evaluate(digits, "comments"), "was trained on images, and comments holds text")
    refused(evaluate(digits, "digits", "--text", "a"), "--text, --label and --encoding are for a table")
    refused(evaluate(digits, "digits", "--encoding", "cp1251"), "--text, --label and --encoding are for a table")
    line = refused(evaluate(digits, "images", "pictures"), "knows no class 'zebra'", "0, 1, 2")
    assert "--label" not in line, "which pictures do not have"
    refused(evaluate(texts, "digits", "--tpo"), "unrecognized arguments: --tpo")
    refused(evaluate(texts, "csv", "strange.csv", *columns, "--out", "page"), "knows no class")
    assert sorted(path.name for path in here.iterdir()) == ["new.csv", "pictures", "strange.csv"]


def test_grey_pictures_are_none_for_a_network_of_colour(runs, here):
    arrays, header = checkpoint.load(runs / "digits" / "best.ckpt")
    header["about"]["shape"] = [8, 8, 3]
    checkpoint.save("colour.ckpt", arrays, header)
    told = "colour.ckpt takes pictures of 8x8x3 numbers, those of digits have 8x8x1"
    refused(evaluate("colour.ckpt", "digits"), told)


def test_labels_that_only_spelling_tells_apart():
    assert _positions(["a", "A", "b"], ("A", "a", "b"), "run").tolist() == [1, 0, 2]
    assert _positions(["B", "a"], ("A", "b"), "run").tolist() == [1, 0]
    assert _positions(["No", "Yes"], ("Yes", "YES", "no"), "run").tolist() == [2, 0]
    for other, name in (("10000000000000001", "10000000000000000"), ("1_0", "10"), ("1e999999", "inf")):
        with pytest.raises(ValueError, match=f"knows no class '{other}'"):
            _positions([other], (name, "b"), "run")
    assert _positions(["3.0", "1", " Cafe\u0301"], ("1", "3", "caf\u00e9"), "run").tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="knows no class 'yes'"):
        _positions(["No", "yes"], ("Yes", "YES", "no"), "run")
