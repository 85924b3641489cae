"""A run's folder: what is written, whole and by one process at a time, and that everybody can read the page."""

import csv
import errno
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minnet import locks, metrics, page, report, run_folder
from tests.test_plots import contrast

HOSTILE = ["<b>cat</b>", "dog\" onload='x'", "$猫&amp;"]
ATTACK = "<script>alert('x')</script> & \"quotes\" \x00 ‮txet"


def predictions(n=40, k=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    z = 1.5 * rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
    p = np.exp(z)
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32), labels


HISTORY = [
    {"epoch": 1, "train_loss": 1.0, "validation_loss": float("nan"), "train_accuracy": 0.5, "seconds": 1.5},
    {
        "epoch": 2,
        "train_loss": np.float32(0.5),
        "validation_loss": 0.75,
        "train_accuracy": 0.8,
        "validation_accuracy": 0.7,
    },
]
CONFIG = {
    "model": "cnn6", "dataset": "cifar10", "command": "python train.py cifar10 --model cnn6", "fingerprint": "12ab34",
    "seconds": 61.5, "optimizer": {"name": "SGD", "learning_rate": 0.1, "bad": float("inf")},
    "widths": (32, np.int64(64)),
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run on pictures and a run on hostile texts."""
    p, labels = predictions()
    rng = np.random.default_rng(0)
    found = {}
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=50)
    folder = tmp_path_factory.mktemp("pictures")
    report.write(
        folder, CONFIG, HISTORY, m, p, labels, images=rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8),
        filters=rng.normal(size=(3, 3, 3, 8)), rates=np.linspace(0, 1, 9), calibrated={"T = 1.5": p},
    )  # fmt: skip
    found["pictures"] = folder
    m = metrics.evaluate(p, labels, HOSTILE, bootstrap=50)
    folder = tmp_path_factory.mktemp("texts")
    report.write(
        folder, {**CONFIG, "command": ATTACK, "model": ATTACK}, HISTORY, m, p, labels, texts=[ATTACK] * 40,
        words=[ATTACK, "b"], weights=rng.normal(size=(2, 3)),
    )  # fmt: skip
    found["texts"] = folder
    return found


class Reader(HTMLParser):
    """Collects what the tests ask about, and checks that every element is closed."""

    VOID = ("meta", "img", "br", "link", "input", "hr", "wbr")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.figures = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "figure":
            self.figures.append({"caption": ""})
        if tag == "img":
            self.figures[-1]["alt"] = dict(attributes)["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)
        if "figcaption" in self.open:
            self.figures[-1]["caption"] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(params=["pictures", "texts"])
def read(request, written):
    return Reader((written[request.param] / "report.html").read_text("utf-8"))


def test_all_files_are_there_and_json_is_strict(written):
    for kind, folder in written.items():
        names = {path.name for path in folder.iterdir()}
        tables = {"history.csv", "predictions.csv", "predictions.npz"}
        assert names == {"config.json", "metrics.json", "figures", "report.html"} | tables

        def refuse(name):
            raise AssertionError(f"{name} is no JSON")

        for name in ("config.json", "metrics.json"):
            assert json.loads((folder / name).read_text("utf-8"), parse_constant=refuse)
        figures = {path.stem for path in (folder / "figures").iterdir()}
        expected = {"curves", "confusion_matrix", "examples", "reliability", "coverage", "entropy"}
        assert figures == expected | ({"mistakes", "filters", "schedule"} if kind == "pictures" else {"telling_words"})
    config = json.loads((written["pictures"] / "config.json").read_text("utf-8"))
    assert config["optimizer"]["bad"] is None and config["widths"] == [32, 64]
    assert set(config["versions"]) >= {"python", "numpy", "minnet"}


def test_a_history_comes_back(written):
    with open(written["pictures"] / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["train_loss"] == "1.0" and rows[0]["validation_loss"] == "" and rows[0]["validation_accuracy"] == ""
    assert rows[1]["train_loss"] == "0.5" and rows[1]["validation_accuracy"] == "0.7"


def test_predictions_come_back(written):
    p, labels = predictions()
    with np.load(written["pictures"] / "predictions.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["probabilities"], p)
        np.testing.assert_array_equal(arrays["labels"], labels)
        np.testing.assert_array_equal(arrays["indices"], np.arange(len(labels)))


def test_every_figure_has_a_caption_with_numbers_that_is_its_alternative_text(read):
    assert len(read.figures) == len(read.all("img")) >= 6
    for figure in read.figures:
        assert figure["alt"] == figure["caption"]
        assert len(figure["alt"]) > 40 and re.search(r"\d", figure["alt"]) and figure["alt"].endswith(".")


def test_table_headers_have_scopes_and_tables_captions(read):
    assert len(read.all("table")) == len(read.all("caption")) == 3
    assert {attributes["scope"] for attributes in read.all("th")} == {"col", "row"}
    assert len(read.all("th")) > 20


def test_the_page_is_one_file_without_scripts_or_anything_from_outside(read, written):
    assert read.all("script") == [] and read.all("link") == [] and read.all("iframe") == []
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href"):
                assert value.startswith("data:image/png;base64,") or re.fullmatch(r"#s\d+", value)
    policy = next(a["content"] for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for folder in written.values():
        text = (folder / "report.html").read_text("utf-8")
        assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text


def test_the_page_has_a_language_a_title_and_headings_in_order(read):
    assert read.all("html")[0]["lang"] == "en" and len(read.all("title")) == len(read.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert any(a.get("name") == "viewport" for a in read.all("meta"))
    targets = {a["id"] for a in read.all("section")}
    assert {a["href"][1:] for a in read.all("a")} == targets


def test_hostile_names_and_texts_are_shown_and_never_obeyed(written):
    raw = (written["texts"] / "report.html").read_text("utf-8")
    assert "<script" not in raw and "<b>" not in raw and "\x00" not in raw and "‮" not in raw
    text = "".join(Reader(raw).text)
    for name in HOSTILE:
        assert name in text
    assert "<script>alert('x')</script> & \"quotes\"" in text


def test_results_stand_in_the_page_as_they_were_measured(written):
    m = json.loads((written["pictures"] / "metrics.json").read_text("utf-8"))
    text = "".join(Reader((written["pictures"] / "report.html").read_text("utf-8")).text)
    low, high = m["intervals"]["accuracy"]
    assert f"right on {100 * m['accuracy']:.1f} % of 40 test examples" in text
    assert f"95 % interval {100 * low:.1f} to {100 * high:.1f} %" in text
    for said in (
        "cnn6 on cifar10",
        CONFIG["command"],
        "12ab34",
        "61.5",
        f"{m['macro']['f1']:.3f}",
        f"{m['brier']:.3f}",
    ):
        assert said in text


def test_text_examples_are_text_with_digits_words_and_signs(written):
    read = Reader((written["texts"] / "report.html").read_text("utf-8"))
    text = "".join(read.text)
    assert "✓ right:" in text and "(true)" in text
    assert any(f"✗ wrong: says {a}, truth is {b}" in text for a in HOSTILE for b in HOSTILE if a != b)
    widths = [a["style"] for a in read.all("span") if a.get("class") == "fill"]
    digits = [a for a in read.all("span") if a.get("class") == "digits"]
    assert len(widths) == len(digits) >= 3 * 10


def test_a_history_that_nobody_may_replace_costs_no_page(tmp_path, monkeypatch):
    """On Windows one that a spreadsheet has open; the Trainer, whose file it is, has warned of it."""

    def save(path, data):
        if path.name == "history.csv":
            raise PermissionError(13, "Permission denied", str(path))
        run_folder.save(path, data)

    monkeypatch.setattr(report, "save", save)
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=5)
    assert report.write(tmp_path, CONFIG, HISTORY, m, p, labels).exists()


def test_an_evaluation_has_no_history(tmp_path):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=5)
    report.write(tmp_path, CONFIG, [], m, p, labels)
    assert not (tmp_path / "history.csv").exists()


def test_one_mistake_has_one_probability(tmp_path):
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    for labels, said in (
        ([0, 1, 0, 1], "1 mistake with the highest probability, 60 %<"),
        ([0, 1, 1, 1], "70 % to 60 %<"),
    ):
        labels = np.array(labels)
        m = metrics.evaluate(p, labels, ["a", "b"], bootstrap=5)
        assert said in report.write(tmp_path, {}, [], m, p, labels, texts=list("wxyz")).read_text("utf-8")


def test_a_rows_head_is_broken_between_words_rather_than_inside_one():
    html = page.table("As in config.json.", ("Setting", "Value"), [("settings.learning_rate", "a_b")])
    assert '<th scope="row">settings.<wbr>learning_<wbr>rate</th><td>a_b</td>' in html


def test_long_names_beside_bars_are_shown_whole():
    classes = [f"class number {i} with a long label" for i in range(3)]
    html = page.card("text", 1, np.array([0.5, 0.3, 0.2]), classes)
    assert all(f'<span class="name">{name}' in html for name in classes) and "label (true)</span>" in html
    rule = re.search(r"\.bars \.name \{(.*?)\}", page.CSS)[1]
    assert "ellipsis" not in rule and "nowrap" not in rule
    # not break-word: with that the narrowest that a cell can be is still its longest word
    assert "overflow-wrap: anywhere" in re.search(r"\nbody \{(.*?)\}", page.CSS, re.DOTALL)[1]
    assert "break-word" not in page.CSS


def lead_of(per_class):
    """The page's second sentence, of classes with these F1."""
    m = metrics.evaluate(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), ["a", "b"], bootstrap=5)
    m["per_class"] = [{"class": name, "f1": f1, "support": 1} for name, f1 in per_class.items()]
    return report._lead(m, {})[1]


def test_several_classes_share_the_best_and_the_worst_place():
    assert lead_of({"a": 1.0, "b": 0.5, "c": 0.5}).endswith("does best on a (1.000) and worst on b and c (0.500).")
    assert "best on 4 classes (1.000) and worst on \u2068קטן\u2069 (0.5" in lead_of(
        dict.fromkeys("abcd", 1) | {"קטן": 0.5}
    )
    assert lead_of({"a": 0.8, "b": 0.8001}).endswith("F1 1.000."), "as shown they are alike"


def test_names_from_right_to_left_are_set_apart_and_nothing_else_turns_a_sentence():
    html = page.card("x", 0, np.array([0.4, 0.6]), ["גדול", "קטן"])
    assert "says \u2068קטן\u2069, truth is \u2068גדול\u2069<" in html and "\u2068גדול\u2069 (true)<" in html
    assert page.escape("\u202ea\u2066b\u2067c\u2068d\u2069") == "\ufffda\ufffdb\ufffdc\u2068d\u2069"


def test_what_is_undefined_for_one_reason_is_said_once():
    p = np.eye(50)[np.zeros(60, int)] * 0.9 + 0.1 / 50
    html = report._per_class(metrics.evaluate(p, np.arange(60) % 50, [f"c{i}" for i in range(50)], bootstrap=5))
    assert "Undefined here: precision of c1, c2, c3, and 46 more: never predicted, so it counts as 0" in html
    assert html.count("never predicted, so") == 1


@pytest.mark.parametrize(
    ("said", "rare"),
    [({}, False), ({"class_weights": None}, False), ({"class_weights": [1.0, 1.0, 1.0]}, False),
     ({"class_weights": [0.5, 2.0, 1.0]}, True)],
)  # fmt: skip
def test_rare_classes_weigh_more_where_there_are_rare_classes(tmp_path, said, rare):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["a", "b", "c"], bootstrap=5)
    html = report.write(tmp_path, {**CONFIG, **said}, HISTORY, m, p, labels).read_text("utf-8")
    assert ("In training&#x27;s losses rare classes weigh more" in html) == rare


def test_a_large_table_of_numbers_is_named_by_its_size():
    rows = dict(report._flat({"small": [[1, 2], [3, 4]], "large": np.zeros((100, 90), int).tolist()}))
    assert rows == {"small": "[[1, 2], [3, 4]]", "large": "100 x 90 numbers, see config.json"}


def test_one_copy_stands_and_two_stand():
    m = metrics.evaluate(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), ["a", "b"], bootstrap=5)
    assert "of which 1 stands in its training data" in report._lead(m, {"copies": 1})[0]
    assert "of which 2 stand in its training data" in report._lead(m, {"copies": 2})[0]


def test_on_paper_nothing_is_cut_off():
    paper = page.CSS[page.CSS.index("@media print") :]
    for rule in ("pre { white-space: pre-wrap", ".scroll { overflow: visible", "h2, h3 { break-after: avoid"):
        assert rule in paper
    assert "html { font-size: 10pt" in paper, "all sizes of the page are multiples of that one"


def test_weights_of_a_hidden_layer_tell_nothing_about_classes_and_are_left_out(tmp_path):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["bad", "fine", "good"], bootstrap=20)
    report.write(tmp_path, CONFIG, [], m, p, labels, words=["a", "b"], weights=np.ones((2, 64)))
    assert not (tmp_path / "figures" / "telling_words.png").exists()


def test_hidden_texts_are_hidden_everywhere(tmp_path, monkeypatch):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["bad", "fine", "good"], bootstrap=20)
    drawn = []
    real = report.plots.text_examples
    monkeypatch.setattr(
        report.plots, "text_examples", lambda texts, *rest: (drawn.extend(texts), real(texts, *rest))[1]
    )
    report.write(
        tmp_path, CONFIG, HISTORY, m, p, labels, texts=["a coarse comment"] * 40, hide_text=True,
        words=["coarse", "b"], weights=np.eye(2, 3),
    )  # fmt: skip
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"coarse" not in path.read_bytes().replace(b"too coarse", b""), path
    assert "coarse" not in "".join(drawn)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "[hidden: 16 characters, " in text and "checkpoints hold the words that it was trained on" in text
    assert not (tmp_path / "figures" / "telling_words.png").exists()


def test_every_colour_of_text_reads_well_on_its_background():
    colors = page.COLORS
    used = set(re.findall(r"(?<![-\w])color: ([^;]+);", page.CSS))
    assert used == {"var(--ink)", "var(--quiet)", "var(--blue)"}
    backgrounds = set(re.findall(r"background: (var[^;]+);", page.CSS))
    assert backgrounds == {"var(--paper)", "var(--shade)", "var(--pale)", "var(--blue)"}  # the bars have no text
    for ink in ("ink", "quiet", "blue"):
        for ground in ("paper", "shade"):
            assert contrast(to_rgb(colors[ink]), to_rgb(colors[ground])) >= 4.5


def test_a_run_without_mistakes_or_history_or_examples(tmp_path):
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    m = metrics.evaluate(p, np.array([0, 1]), ["a", "b"])
    path = report.write(tmp_path, {}, [], m, p, np.array([0, 1]))
    assert "A run of minnet" in path.read_text("utf-8") and "no prediction is wrong" in path.read_text("utf-8")
    images = np.zeros((2, 8, 8, 1), np.uint8)
    report.write(tmp_path, {}, [], m, p, np.array([0, 1]), images=images)
    assert not (tmp_path / "figures" / "mistakes.png").exists()


def test_predictions_that_are_not_those_of_the_metrics_are_refused_before_anything_is_written(tmp_path):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["a", "b", "c"], bootstrap=5)
    for arguments, says in (
        ((p[:5], labels[:5], {}), "40 examples"),
        ((p, labels, {"texts": ["x"] * 39}), "39 of them for 40"),
        ((p, labels, {"texts": ["x"] * 40, "images": np.zeros((40, 8, 8, 1), np.uint8)}), "not both"),
    ):
        with pytest.raises(ValueError, match=says):
            report.write(tmp_path, {}, [], m, arguments[0], arguments[1], **arguments[2])
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    run_folder.save(path, "before")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*before is untouched") as error:
        run_folder.save(path, "after")
    assert "\n" not in str(error.value) and "metrics.json" in str(error.value)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_prepare_says_at_once_that_a_folder_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write into .*file/run .*choose another folder") as error:
        run_folder.prepare(tmp_path / "file" / "run")
    assert "\n" not in str(error.value)

    def refuse(self, data):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="Permission denied"):
        run_folder.prepare(tmp_path / "run")


HOLD = """
import sys, time
from minnet import run_folder
run_folder.prepare(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield folder, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_in_use_is_refused_and_its_user_named(other):
    folder, process = other
    with pytest.raises(OSError, match=f"in use by another running process \\(process {process.pid} on .*wait") as error:
        run_folder.prepare(folder)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_folder_of_a_killed_process_is_taken_over(other):
    folder, process = other
    process.send_signal(signal.SIGKILL)
    process.wait()
    with open(folder / run_folder.LOCK, "a") as file:
        file.write("a second line\n")
    with run_folder.prepare(folder) as lock:
        assert f"process {process.pid} on" in lock.note and "taken over" in lock.note
        (line,) = (folder / run_folder.LOCK).read_text().splitlines()
        assert line.startswith(f"process {os.getpid()} on")
    assert not (folder / run_folder.LOCK).exists()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
@pytest.mark.parametrize("another", [False, True])
def test_a_lock_file_that_its_holder_removes_meanwhile_is_no_claim(tmp_path, monkeypatch, another):
    take, calls = locks.take, []

    def late(handle):
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / ".lock").unlink()
            if another:  # process makes a new one at once
                (tmp_path / ".lock").touch()
        take(handle)

    monkeypatch.setattr(locks, "take", late)
    with run_folder.prepare(tmp_path) as lock:
        assert os.stat(tmp_path / ".lock").st_ino == os.fstat(lock._handle).st_ino and len(calls) == 2


def test_what_a_killed_process_had_half_written_is_removed_from_its_folder(tmp_path):
    (tmp_path / "figures").mkdir()
    halves = [tmp_path / place for place in (".a.ckpt.0123abcd.partial", "figures/.a.png.0123abcd.partial")]
    mine = tmp_path / ".mine.partial"
    for path in (*halves, mine):
        path.touch()
    with run_folder.prepare(tmp_path):
        assert all(path.exists() for path in halves)  # nobody was killed: they may be of one at work
    (tmp_path / ".lock").write_text("process 1 on a machine since yesterday\n")
    with run_folder.prepare(tmp_path):
        assert not any(path.exists() for path in halves) and mine.exists()


def test_a_folder_is_free_after_release_and_held_once_by_one_process(tmp_path):
    with run_folder.prepare(tmp_path / "run") as lock:
        with run_folder.prepare(tmp_path / "run") as inner:
            assert inner is lock
        assert run_folder.prepare(tmp_path / "other" / ".." / "run") is lock
        assert "held" in repr(lock) and (tmp_path / "run" / ".lock").exists()  # until the outer block ends
        assert f"process {os.getpid()}" in (tmp_path / "run" / ".lock").read_text() and lock.note == ""
        assert "held" in repr(lock)
    lock.release()
    assert "released" in repr(lock)
    assert not list((tmp_path / "run").iterdir())
    with run_folder.prepare(tmp_path / "run") as again:
        assert again is not lock and again.note == ""


def test_a_name_that_is_no_text_is_written_as_far_as_it_is_one():
    said = run_folder.predictions_csv(["file"], [["caf\udce9.png"]], np.array([[1.0, 0.0]]), ["a", "b"])
    assert said == b"file,predicted,p_a,p_b\r\ncaf?.png,a,1.000000,0.000000\r\n"


def test_json_of_numpy_and_of_what_is_not_finite():
    data = {"a": np.float32(0.5), "b": [np.nan, np.inf, -np.inf], "c": np.arange(2), 3: (True, None), "d": Path("x"),
            "e": "\ud800", "f": np.bool_(True)}  # fmt: skip
    assert json.loads(run_folder.to_json(data)) == {
        "a": 0.5, "b": [None, None, None], "c": [0, 1], "3": [True, None], "d": "x", "e": "?", "f": True,
    }  # fmt: skip


def test_npz_refuses_objects():
    with pytest.raises(ValueError, match="Python objects"):
        run_folder.to_npz(labels=np.array(["a", None], dtype=object))
    with np.load(io.BytesIO(run_folder.to_npz(a=np.arange(3))), allow_pickle=False) as arrays:
        assert arrays["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("why", ["all 60 validation examples are right", None])
def test_a_temperature_that_was_not_fitted_is_spoken_of(tmp_path, why):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=20)
    path = report.write(tmp_path, {**CONFIG, **({"no_temperature": why} if why else {})}, HISTORY, m, p, labels)
    assert (f"come true) is fitted: {why}." in path.read_text("utf-8")) == bool(why)


def test_a_card_shows_the_truth_however_low_its_probability():
    html = page.card("text", 4, np.array([0.5, 0.2, 0.15, 0.1, 0.05]), list("abcde"))
    assert html.count("<li") == 1 + 4 and '<span class="name">e (true)</span>' in html and ">d<" not in html


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "test examples it had never seen (95 %"),
        ({"copies": 12}, "test examples, of which 12 stand in its training data as well (95 %"),
        ({"trained_on": "tweets"}, "test examples (95 %"),
    ],
)
def test_the_lead_does_not_call_new_what_is_not(told, said):
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=20)
    assert said in report._lead(m, {**CONFIG, **told})[0]


def test_whose_weights_are_measured_is_said():
    assert report.ending({"epochs": 9, "epochs_trained": 9, "best_epoch": 9}) == ""
    assert report.ending({"epochs": 9, "epochs_trained": 9, "best_epoch": None}) == ""  # no validation
    assert report.ending({}) == ""
    whole = report.ending({"epochs": 9, "epochs_trained": 9, "best_epoch": 6})
    assert whole == "Measured are the weights of epoch 6, after which the validation loss was lowest."
    early = report.ending({"epochs": 40, "epochs_trained": 9, "best_epoch": 6})
    assert early == f"Training ended after epoch 9 of 40: the validation loss fell no more. {whole}"


@pytest.mark.parametrize("losses, falling", [([2.1, 1.76, 1.7], True), ([0.9, 0.8, 0.799], False), ([0.9], False)])
def test_a_run_that_ended_while_it_still_learned_is_told_to_go_on_longer(tmp_path, losses, falling):
    history = [{"epoch": epoch, "validation_loss": loss} for epoch, loss in enumerate(losses, 1)]
    run = {"epochs": len(losses), "epochs_trained": len(losses), "best_epoch": len(losses)}
    said = "The validation loss still fell in the last epoch: more --epochs may help."
    assert report.ending(run, history) == (said if falling else "")
    assert said not in report.ending(run | {"best_epoch": 1}, history), "another epoch's weights are measured"
    p, labels = predictions()
    m = metrics.evaluate(p, labels, ["cat", "dog", "owl"], bootstrap=20)
    path = report.write(tmp_path, CONFIG | run, [HISTORY[0] | row for row in history], m, p, labels)
    assert (said in path.read_text("utf-8")) == falling
