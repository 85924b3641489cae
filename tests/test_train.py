"""train.py as its users meet it: the tour, own data, Ctrl-C and resume, and one line for whatever is wrong."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import train
from minnet import __main__ as minnet_main
from minnet import checkpoint, report, trained_run, training_command
from minnet.data import test_views as views_of
from minnet.formatting import command_line
from minnet.recipes import IMAGES
from minnet.run_folder import new_folder
from minnet.training import Trainer
from tests.running import call, refused
from tests.test_training import CtrlC, saved_bits

REPOSITORY = Path(train.__file__).resolve().parent
QUICK = ("--limit", 60, "--epochs", 1)
pytestmark = pytest.mark.filterwarnings("default")  # warnings are shown by the commands, as one line each


@pytest.fixture
def unwritten(monkeypatch):
    """Everything of a run but the drawing of its figures; gives what the report would have been made from."""
    reports = []

    def write(folder, config, history, measured, probabilities, labels, **shown):
        reports.append({"config": config, "measured": measured, "probabilities": probabilities, **shown})
        return Path(folder) / "report.html"

    monkeypatch.setattr(report, "write", write)
    return reports


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- the tour --------------------------------------------------------------------------------------------------


def test_the_tour_in_a_real_terminal_of_ascii(tmp_path):
    """As a newcomer types it, on fewer examples; ends with two tables, the pages, and what to try next."""
    command = [sys.executable, str(REPOSITORY / "train.py"), "--limit", "60", "--epochs", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert ran.stdout.count("macro mean") == 2 and "What next?" in ran.stdout
    for run in ("digits-cnn6", "comments-ngrams"):
        assert f"The page: {Path('runs') / run / 'report.html'}" in ran.stdout
        names = {path.name for path in (tmp_path / "runs" / run).iterdir()}
        assert names == {
            "best.ckpt", "config.json", "figures", "history.csv", "last.ckpt", "metrics.json",
                "predictions.csv", "predictions.npz",
            "report.html",
        }  # fmt: skip
        assert (tmp_path / "runs" / run / "figures" / "schedule.png").exists()
        assert trained_run.load_run(tmp_path / "runs" / run).classes


def test_the_tour_puts_both_runs_into_the_folder_asked_for(elsewhere, unwritten):
    said = call(train.main, *QUICK, "--out", "my runs")
    assert said.status == 0 and len(unwritten) == 2
    typed = ["python", "-m", "minnet", "predict", str(Path("my runs") / "comments"), "Great food, I would come again"]
    assert f"\n  {command_line(typed)}\n" in said.out
    assert sorted(path.name for path in Path("my runs").iterdir()) == ["comments", "digits"]
    assert not Path("runs").exists()
    refused(call(train.main, *QUICK, "--out", "my runs"), "already holds a run")


def test_the_tour_takes_no_model(elsewhere):
    refused(call(train.main, "--model", "mlp"), "--model needs a data set")
    refused(call(train.main, "--resume"), "--resume goes on with one run", "printed when it stopped")


def test_runs_get_folders_of_their_own(elsewhere, unwritten):
    for _ in range(2):
        assert call(train.main, "digits", "--model", "softmax", *QUICK).status == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["digits-softmax", "digits-softmax-2"]


def test_scores_are_averaged_over_six_views_where_the_recipe_says_so():
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)

    class Corner:
        def predict(self, images):
            return images[:, 0, 0].astype(float)

    assert np.array_equal(IMAGES["cnn6"].scores(Corner(), x), x[:, 0, 0])
    averaged = sum(weight * view[:, 0, 0].astype(float) for weight, view in views_of(x))
    found = IMAGES["speedrun"].scores(Corner(), x)
    assert np.allclose(found, averaged) and not np.allclose(found, x[:, 0, 0])


def test_a_folder_that_holds_no_run_is_free_and_not_resumed(elsewhere):
    for number, names in ((1, ["last.ckpt"]), (2, ["best.ckpt"]), (3, ["config.json"]), (4, []), (5, [".lock"])):
        folder = Path("runs") / ("net" if number == 1 else f"net-{number}")
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    assert new_folder(None, "net", resume=False) == Path("runs/net-4")
    for taken in ("runs/net", "runs/net-2", "runs/net-3"):
        with pytest.raises(ValueError, match="already holds a run"):
            new_folder(taken, "net", resume=False)
    with pytest.raises(ValueError, match=r"choose another --out, or remove runs.net-2.best.ckpt$"):
        new_folder("runs/net-2", "net", resume=False)  # it has nothing to resume
    for folder, cure in (("net-2", ", and choose another --out, or remove runs.net-2.best.ckpt"), ("net-4", "")):
        with pytest.raises(FileNotFoundError, match=rf"net-\d has no last.ckpt. Start without --resume{cure}\.$"):
            new_folder(f"runs/{folder}", "net", resume=True)
    os.utime("runs/net-5/.lock", (1, 1))  # it was killed long before the other was saved
    assert new_folder(None, "net", resume=True) == Path("runs/net")
    os.utime("runs/net/last.ckpt", (0.5, 0.5))
    with pytest.raises(FileNotFoundError, match=r"nothing to resume: runs.net-5, the newest run, has saved nothing"):
        new_folder(None, "net", resume=True)
    with pytest.raises(FileNotFoundError, match=r"nothing to resume: there is no run runs.other"):
        new_folder(None, "other", resume=True)


def test_a_folder_into_which_nobody_may_look_is_asked_for_no_run(elsewhere, monkeypatch):
    """What is wrong with it is told where it is to be written into."""
    refused = mock.Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", refused)
        assert new_folder(None, "net", resume=False) == Path("runs/net")
        with pytest.raises(FileNotFoundError, match="there is no run"):
            new_folder(None, "net", resume=True)


def test_a_run_says_how_it_was_made(elsewhere, unwritten):
    flags = ("--optimizer", "adam", "--learning-rate", 0.01, "--batch-size", 16, "--seed", 3, "--workers", 1)
    assert call(train.main, "digits", "--model", "mlp", *QUICK, *flags).status == 0
    (made,) = unwritten
    config = made["config"]
    assert (config["optimizer"], config["learning_rate"], config["batch_size"]) == ("adam", 0.01, 16)
    assert config["optimizer_settings"] == {}
    assert (config["seed"], config["workers"], config["examples"], config["epochs"]) == (3, 1, 60, 1)
    assert config["fingerprint"] and config["command"].startswith("python ")
    assert config["class_weights"] is None and set(made["calibrated"]) == {f"temperature {config['temperature']:.2f}"}
    assert len(made["rates"]) == 4 and made["rates"].argmax() == 1, "one cycle"
    assert made["probabilities"].shape == (360, 10) and len(made["images"]) == 360


def test_the_folder_of_a_killed_run_is_taken_over_and_that_is_said(elsewhere, unwritten):
    Path("run").mkdir()
    Path("run/.lock").write_text("process 1 on a machine since yesterday\n")
    said = call(train.main, "digits", "--model", "softmax", *QUICK, "--out", "run")
    assert said.status == 0 and "process 1 on a machine since yesterday ended without" in said.out
    assert not Path("run/.lock").exists()


def test_the_same_command_gives_the_same_bits(elsewhere, unwritten):
    for name in ("a", "b"):
        assert call(train.main, "comments", *QUICK, "--out", name).status == 0
    assert saved_bits("a/best.ckpt")[0] == saved_bits("b/best.ckpt")[0]
    assert np.array_equal(*(made["probabilities"] for made in unwritten))


def test_validation_is_held_out_as_asked(elsewhere, unwritten):
    for flags, epochs in ((("--validation", 0), None), (("--validation", 0.5), 1), (("--validation", 100), 1)):
        said = call(train.main, "digits", "--model", "softmax", "--epochs", 1, *flags)
        assert said.status == 0 and ("validation: loss" in said.out) == (epochs is not None)
        assert ("validation 100" in said.out) == (flags[1] == 100)


# -- Ctrl-C and resume -----------------------------------------------------------------------------------------


def stopping(at, monkeypatch):
    """Presses Ctrl-C at that step of the next run."""
    step, press = Trainer._step, CtrlC(at)

    def pressed(self, *arguments):
        press(np.zeros(1, np.uint8), np.random.default_rng(0), 0, None)
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "_step", pressed)


def test_a_stopped_run_says_how_to_go_on_and_ends_on_the_same_bits(elsewhere, unwritten, monkeypatch):
    arguments = ("comments", "--limit", 100, "--epochs", 3)
    assert call(train.main, *arguments, "--out", "whole").status == 0
    with monkeypatch.context() as patched:
        stopping(6, patched)
        said = call(train.main, *arguments)
    assert said.status == 130 and len(unwritten) == 1
    last = next(line for line in said.err.splitlines() if line.startswith("Stopped"))
    folder = str(Path("runs") / "comments-ngrams")
    assert last == f"Stopped. Go on with: python train.py comments --limit 100 --epochs 3 --out={folder} --resume"
    assert call(train.main, *last.split("train.py ")[1].split()).status == 0
    for name in ("last.ckpt", "best.ckpt"):
        assert saved_bits(Path(folder) / name)[0] == saved_bits(Path("whole") / name)[0]
    assert np.array_equal(*(made["probabilities"] for made in unwritten))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_what_fails_after_the_training_says_how_to_go_on(elsewhere, monkeypatch, unwritten, error):
    def fail(*_, **__):
        raise error

    flags = ("comments", *QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(report, "write", fail)
        said = call(train.main, *flags, "--out", "run")
    assert said.status == (130 if isinstance(error, KeyboardInterrupt) else 1)
    last = next(line for line in said.err.splitlines() if line.startswith("Stopped"))
    assert last == "Stopped. Go on with: python train.py comments --limit 60 --epochs 1 --out=run --resume"
    kept = saved_bits("run/best.ckpt")[0]
    said = call(train.main, *last.split("train.py ")[1].split())
    assert said.status == 0 and len(unwritten) == 1 and saved_bits("run/best.ckpt")[0] == kept
    assert "Go on with" not in call(train.main, *last.split("train.py ")[1].split(), "--seed", 1).err  # never will


def test_a_run_that_cannot_go_on_is_not_told_to(elsewhere, unwritten, monkeypatch):
    flags = ("comments", "--limit", 60, "--epochs", 3, "--out", "run")
    stopping(5, monkeypatch)
    assert call(train.main, *flags).status == 130
    os.truncate("run/best.ckpt", 500)
    refused(call(train.main, *flags, "--resume"), "best.ckpt is not a sound checkpoint", "Train in a new folder.")
    Path("run/best.ckpt").unlink()
    refused(call(train.main, *flags, "--resume"), "its best.ckpt is gone. Start anew elsewhere.")


@pytest.mark.parametrize("validation", [60, 0])
def test_what_is_asked_of_a_run_that_stopped_is_answered_with_a_remark(elsewhere, unwritten, monkeypatch, validation):
    flags = ("comments", "--limit", 60, "--epochs", 4, "--out", "run", "--validation", validation, "--batch-size", 20)
    with monkeypatch.context() as patched:
        stopping(8, patched)
        assert call(train.main, *flags).status == 130
    remark = "warning: run has done 2 of 4 epochs: unless it still runs, --resume goes on with it\n"
    assert call(minnet_main.main, "predict", "run", "the food").err == remark
    assert call(train.main, *flags, "--resume").status == 0
    assert call(minnet_main.main, "predict", "run", "the food").err == ""


def test_a_run_whose_disk_was_full_after_its_first_best_epoch(elsewhere, unwritten):
    assert call(train.main, "comments", "--limit", 60, "--epochs", 2, "--out", "run").status == 0
    Path("run/last.ckpt").unlink()
    history = Path("run/history.csv").read_text()
    Path("run/history.csv").unlink()
    arrays, header = checkpoint.load("run/best.ckpt")
    header["progress"]["epoch"] = 1
    checkpoint.save("run/best.ckpt", arrays, header)
    said = call(minnet_main.main, "predict", "run", "the food").err
    assert re.fullmatch(r"warning: run.best.ckpt is of epoch 1 of 2, and no history.csv .*\n", said)
    Path("run/history.csv").write_text("".join(history.splitlines(keepends=True)[:2]))  # it found room, last.ckpt not
    assert call(minnet_main.main, "predict", "run", "the food").err == "warning: run has done 1 of 2 epochs\n"
    Path("run/history.csv").write_text(history)
    assert call(minnet_main.main, "predict", "run", "the food").err == ""


def test_a_run_that_ended_early_for_want_of_progress_has_come_to_its_end(elsewhere, unwritten):
    flags = ("--limit", 60, "--epochs", 30, "--patience", 1, "--learning-rate", 3, "--out", "run")
    assert call(train.main, "comments", *flags).status == 0
    assert len(Path("run/history.csv").read_text().splitlines()) < 20
    assert call(minnet_main.main, "predict", "run", "the food").err == ""


def test_a_run_on_fewer_cores_is_told_how_many_it_had(elsewhere, unwritten):
    flags = ("comments", *QUICK, "--out", "run")
    assert call(train.main, *flags, "--workers", 2).status == 0
    said = call(train.main, *flags, "--workers", 1, "--resume")
    refused(said, "workers was 2, now 1. Use the data and settings of that run (train.py: --workers 2).")
    said = call(train.main, *flags, "--workers", 1, "--patience", 3, "--resume")
    assert "workers was 2, now 1" in said.err and "--workers 2" not in said.err  # which alone would not do


def test_a_stopped_tour_names_the_task(elsewhere, unwritten, monkeypatch):
    stopping(1, monkeypatch)
    said = call(train.main, "--limit", 60, "--epochs", 2)
    assert said.status == 130 and f"train.py digits --limit 60 --epochs 2 --out={Path('runs')}" in said.err


@pytest.mark.parametrize("encoding, lacks", [("ascii", True), ("utf-8", False)])
def test_letters_that_standard_error_lacks_are_owned_up_to(elsewhere, unwritten, monkeypatch, encoding, lacks):
    stopping(1, monkeypatch)
    said = call(train.main, "comments", "--limit", 60, "--epochs", 2, "--out", "größe", encoding=encoding)
    assert said.status == 130 and ("gr??e" in said.err) == ("? stands for each letter" in said.err) == lacks


def test_a_folder_named_like_a_task_is_not_taken_for_it(elsewhere, unwritten, monkeypatch):
    stopping(1, monkeypatch)
    said = call(train.main, "--limit", 60, "--epochs", 2, "--out", "digits")
    *_, again, then = said.err.splitlines()
    assert again.endswith(f"train.py digits --limit 60 --epochs 2 --out={Path('digits/digits')} --resume")
    assert then.endswith(f"train.py comments --limit 60 --epochs 2 --out={Path('digits/comments')}")


@pytest.mark.parametrize("out", [(), ("--out", "here")])
def test_the_rest_of_a_stopped_tour_is_trained_and_shown_as_its_whole_would_be(elsewhere, unwritten, monkeypatch, out):
    flags = ("--seed", 3, "--limit", 60, "--epochs", 2, "--hide-text", "--no-flip", "--workers", 1)
    with monkeypatch.context() as patched:
        stopping(1, patched)
        then = call(train.main, *flags, *out).err.splitlines()[-1]
    assert call(train.main, *then.split("train.py ")[1].split()).status == 0
    assert call(train.main, *flags, "--out", "whole").status == 0
    rest, _, whole = unwritten
    assert rest["hide_text"] and np.array_equal(rest["probabilities"], whole["probabilities"])
    assert Path("here/comments" if out else "runs/comments-ngrams", "best.ckpt").exists()


def test_what_the_tour_has_done_is_told_when_the_rest_fails(elsewhere, unwritten):
    said = call(train.main, *QUICK, "--optimizer", "rmsprop", "--out", "here")
    assert said.status == 1 and "cnn6 on digits" in said.out and "error: rmsprop cannot update" in said.err


def test_resume_takes_the_run_that_was_trained_last(elsewhere, unwritten, monkeypatch):
    for _ in range(2):
        assert call(train.main, "comments", *QUICK).status == 0
    shutil.rmtree(Path("runs") / "comments-ngrams")
    with monkeypatch.context() as patched:
        stopping(2, patched)
        assert call(train.main, "comments", "--limit", 60, "--epochs", 2).status == 130
    said = call(train.main, "comments", "--limit", 60, "--epochs", 2, "--resume")
    assert f"-> {Path('runs') / 'comments-ngrams'}\n" in said.out and "had come to its end" not in said.out


def test_a_run_that_had_come_to_its_end_is_resumed_with_a_remark(elsewhere):
    flags = ("digits", "--model", "softmax", *QUICK)
    assert "had come to its end" not in call(train.main, *flags).out
    said = call(train.main, *flags, "--resume")
    assert said.status == 0 and "this run had come to its end before: only its report is written again\n" in said.out


def test_resuming_what_is_not_there_or_another_run(elsewhere, unwritten):
    refused(call(train.main, "comments", "--resume"), "nothing to resume")
    refused(call(train.main, "comments", "--resume", "--out", "nowhere", *QUICK), "nothing to resume")
    assert call(train.main, "comments", *QUICK, "--out", "run").status == 0
    kept = Path("run/last.ckpt").read_bytes()
    refused(call(train.main, "comments", *QUICK, "--out", "run"), "already holds a run", "--resume")
    resume = ("--out", "run", "--resume", *QUICK)
    refused(call(train.main, "comments", *resume, "--seed", 1), "cannot resume", "seed was 0, now 1")
    refused(call(train.main, "digits", *resume), "cannot resume")
    Path("run/last.ckpt").write_bytes(kept[:1000])
    refused(call(train.main, "comments", *resume), "last.ckpt", "not a sound checkpoint")
    arrays, header = checkpoint.load("run/best.ckpt")
    checkpoint.save("run/last.ckpt", arrays, {"model": header["model"]})
    refused(call(train.main, "comments", *resume), "cannot resume")


# -- your own texts --------------------------------------------------------------------------------------------

WORDS = {"good": "lovely great fine", "bad": "awful poor broken", "so-so": "average okay usual", "4": "four fore for",
         "5": "five hive dive", "très bien": "élégant génial naïve"}  # fmt: skip


def comments(classes, counts):
    """(text, label) rows that can be told apart, with the characters that make CSV difficult."""
    rng = np.random.default_rng(0)
    rows = []
    for label, count in zip(list(WORDS)[:classes], counts, strict=True):
        for number in range(count):
            words = rng.choice(WORDS[label].split(), 3)
            rows.append((f'{words[0]}, "{words[1]}"\n{words[2]}; no. {number}', label))
    rng.shuffle(rows)
    return [tuple(map(str, row)) for row in rows]


def write_csv(path, rows, encoding="utf-8", delimiter=","):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "What they said", "Mood"])
        writer.writerows([number, *row] for number, row in enumerate(rows))


@pytest.mark.parametrize(
    "classes, encoding, delimiter", [(2, "utf-8", ","), (3, "utf-8-sig", ";"), (6, "cp1252", "\t"), (6, "utf-16", ",")]
)
def test_a_csv_of_ones_own(elsewhere, unwritten, classes, encoding, delimiter):
    rows = comments(classes, [120, 40, 30, 20, 15, 12][:classes])  # far from balanced
    write_csv("mine.csv", rows, encoding, delimiter)
    said = call(train.main, "csv", "mine.csv", "--text", "what they said", "--label", "Mood", "--epochs", 5)
    assert said.status == 0 and ("is read as cp1252" in said.err) == (encoding == "cp1252"), said.err
    assert said.err.count("\n") == (encoding == "cp1252")
    (made,) = unwritten
    assert set(made["measured"]["classes"]) == set(list(WORDS)[:classes])
    assert made["measured"]["macro"]["recall"] > 0.9, "the rare classes are learned too"
    weights = dict(zip(made["measured"]["classes"], made["config"]["class_weights"], strict=True))
    assert weights["good"] == min(weights.values()) < 1 < max(weights.values())
    undone = made["probabilities"] / made["config"]["class_weights"]
    (name,) = made["calibrated"]  # no temperature is fitted: all validation examples are right, or there are too few
    assert name == "class weights undone"
    np.testing.assert_allclose(made["calibrated"][name], undone / undone.sum(axis=1, keepdims=True), atol=1e-5)
    counts = [row["support"] for row in made["measured"]["per_class"]]
    assert min(counts) >= 2 and sum(counts) == pytest.approx(len(rows) / 5, abs=classes)
    assert trained_run.load_run(Path("runs") / "mine-ngrams").classes == tuple(made["measured"]["classes"])


def test_a_csv_of_another_alphabet(elsewhere, unwritten):
    rows = [(f"{text} {number}", text) for text in ("хорошо", "плохо") for number in range(20)]
    write_csv("mine.csv", rows, "cp1251")
    flags = ("csv", "mine.csv", "--text", "What they said", "--label", "Mood", "--epochs", 1)
    said = call(train.main, *flags)
    assert said.status == 0 and "is read as cp1252, which gives" in said.err and "(--encoding cp1251," in said.err
    said = call(train.main, *flags, "--encoding", "cp1251")
    assert said.status == 0 and said.err == ""
    assert unwritten[-1]["measured"]["classes"] == ["плохо", "хорошо"]


def test_one_csv_with_its_page_and_hidden_texts(elsewhere):
    write_csv("mine.csv", comments(2, [40, 20]))
    said = call(
        train.main, "csv", "mine.csv", "--text", "What they said", "--label", "Mood", "--epochs", 1, "--hide-text"
    )
    assert said.status == 0 and said.err == ""
    page = Path("runs/mine-ngrams/report.html").read_text("utf-8")
    assert "lovely" not in page and "hidden" in page
    told = " ".join(call(train.main, "--help").out.split())
    assert b"lovely" in Path("runs/mine-ngrams/best.ckpt").read_bytes() and "words can be read in the run's" in told
    assert json.loads(Path("runs/mine-ngrams/metrics.json").read_text("utf-8"))["examples"] == 12


CSVS = {
    "no such file": (None, {}, "there is no file mine.csv"),
    "a folder": ("folder", {}, "is a folder"),
    "empty": (b"", {}, "is empty"),
    "only a header": (b"id,text,label\n", {}, "no row"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {}, "mine.csv"),
    "a spreadsheet": (b"PK\x03\x04rest", {}, "save the table as CSV"),
    "no such column": (b"text,label\na,b\n", {"--text": "comment"}, "no column 'comment'"),
    "open quote": (b'text,label\n"a,b\nc,d\n', {}, "quote"),
    "one class": (b"text,label\n" + b"a nice one,x\n" * 9, {}, "only the class 'x'"),
    "too few": (b"text,label\n" + b"a nice one,x\n" * 9 + b"no,y\n", {}, "too few examples of 'y' (1)"),
    "text as label": (b"text,label\n" + b"".join(b"a,%d\n" % n for n in range(50)), {}, "names no classes"),
}


@pytest.mark.parametrize("case", CSVS)
def test_csv_files_that_do_not_do(elsewhere, case):
    content, flags, said = CSVS[case]
    if content == "folder":
        Path("mine.csv").mkdir()
    elif content is not None:
        Path("mine.csv").write_bytes(content)
    flags = {"--text": "text", "--label": "label", **flags}
    refused(call(train.main, "csv", "mine.csv", *(item for pair in flags.items() for item in pair)), said)
    assert not Path("runs").exists()


def test_the_file_may_stand_behind_the_flags(elsewhere):
    refused(call(train.main, "csv", "--text", "a", "--label", "b", "none.csv"), "there is no file none.csv")


# -- your own pictures -----------------------------------------------------------------------------------------


def pictures(folder, classes=3, count=8):
    """Squares of one colour a class, in every size and mode that cameras and scanners write."""
    rng = np.random.default_rng(0)
    modes = ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16", "LA"]
    for label in range(classes):
        (folder / f"kind {label}").mkdir(parents=True)
        for number in range(count):
            mode = modes[number % len(modes)]
            height, width = rng.integers(20, 90, 2)
            shade = np.full((height, width, 3), 30 + 90 * label, np.uint8)
            shade += rng.integers(0, 20, shade.shape, dtype=np.uint8)
            image = Image.fromarray(shade)
            if mode == "I;16":
                image = Image.fromarray(shade[:, :, 0].astype(np.uint16) * 257)
            elif mode != "RGB":
                image = image.convert("RGBA").convert("LA") if mode == "LA" else image.convert(mode)
            suffix = "tif" if mode in ("CMYK", "I;16") else "png"
            image.save(folder / f"kind {label}" / f"{number} of {mode.replace(';', '')}.{suffix}")


def test_pictures_of_ones_own(elsewhere, unwritten):
    pictures(elsewhere / "holiday")
    (elsewhere / "holiday" / "kind 1" / "broken.jpg").write_bytes(b"no picture at all")
    said = call(train.main, "images", "holiday", "--model", "softmax", "--epochs", 2)
    assert said.status == 0
    assert (
        said.err.count("\n") == 1
        and said.err.startswith("warning: 1 of 25 files are left out")
        and "broken.jpg" in said.err
    )
    (made,) = unwritten
    assert made["measured"]["classes"] == ["kind 0", "kind 1", "kind 2"] and made["images"].shape[1:] == (32, 32, 3)
    assert "from holiday (each picture's middle, resized to 32 x 32 pixels; more than half of 5 pictures" in said.out
    assert "cut away by that; 1 of 25 files left out))" in said.out
    assert made["config"]["source"].endswith("cut away by that; 1 of 25 files left out)")
    assert "copies" not in made["config"]
    assert len(made["names"]) == len(made["images"]) and set(made["names"]) < {
        path.relative_to("holiday").as_posix() for path in Path("holiday").rglob("*.*")
    }
    assert "mirrored" not in said.out  # softmax learns from the pictures as they are


def test_pictures_are_mirrored_unless_that_is_forbidden_and_it_is_said(elsewhere, unwritten):
    pictures(elsewhere / "digits", classes=2, count=4)  # whose name is that of a data set with a recipe of its own
    flags = ("images", "digits", "--model", "mlp", "--epochs", 1)
    assert (
        "training shows pictures mirrored, too; where left and right matter: --no-flip\n"
        in call(train.main, *flags).out
    )
    assert "mirrored" not in call(train.main, *flags, "--no-flip").out
    assert [made["config"]["augment"]["flip"] for made in unwritten] == [True, False]
    assert unwritten[0]["config"]["batch_size"] == 128


@pytest.mark.parametrize("model", ["cnn6", "resnet"])
def test_networks_learn_from_a_handful_of_pictures(elsewhere, unwritten, model):
    pictures(elsewhere / "holiday", classes=2, count=4)
    assert call(train.main, "images", "holiday", "--model", model, "--epochs", 1).status == 0


@pytest.mark.parametrize("side", [1, 7, 64])
def test_pictures_of_any_one_size_are_learned_from_or_told_in_one_line(elsewhere, unwritten, side):
    for label in range(2):
        (elsewhere / "tiny" / str(label)).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((side, side, 3), 200 * label + number, np.uint8)
            Image.fromarray(pixels).save(elsewhere / "tiny" / str(label) / f"{number}.png")
    assert call(train.main, "images", "tiny", "--model", "cnn6", "--epochs", 1).status == 0
    assert unwritten[0]["images"].shape[1:] == ((64, 64, 3) if side == 64 else (32, 32, 3)), "too small to pool"
    if side == 64:
        said = call(train.main, "images", "tiny", "--model", "speedrun")
        refused(
            said, "speedrun cannot take images of 64 x 64 pixels, which are too large: choose from softmax, mlp, cnn6"
        )


def test_a_table_without_names_of_columns_lists_them(elsewhere):
    Path("t.csv").write_text("id;Text;Mood\n1;fine;a\n")
    for flags in ([], ["--text", "Text"]):
        refused(call(train.main, "csv", "t.csv", *flags), "Add --text and --label, each with one of: id, Text, Mood")


def test_folders_that_do_not_do(elsewhere):
    refused(call(train.main, "images", "nowhere"), "there is no folder nowhere")
    Path("flat").mkdir()
    Image.new("RGB", (9, 9)).save("flat/a.png")
    refused(call(train.main, "images", "flat"), "no sub-folders")
    (Path("hollow") / "a").mkdir(parents=True)
    refused(call(train.main, "images", "hollow"), "no picture")
    for part in ("train", "test"):
        (Path("split") / part).mkdir(parents=True)
    refused(call(train.main, "images", "split"), "look like splits")
    Path("file").write_text("x")
    refused(call(train.main, "images", "file"), "file is a file: pictures stand in a folder", "with `csv`")
    refused(call(train.main, "comments", "--no-flip"), "--no-flip is for pictures, and comments holds texts")


# -- whatever else is wrong ------------------------------------------------------------------------------------

FLAGS = {
    "no such data": (["cifar11"], "unknown dataset 'cifar11': there are cifar10"),
    "a name mistyped": (["cvs", "comma.csv"], "comments, csv, images; did you mean csv?"),
    "an unknown name and a path": (["foo", "comma.csv"], "unknown dataset 'foo'"),
    "no name for the folder": (["digits", "--out", ""], "argument --out: the name is empty"),
    "a tour into no folder": (["--out", " "], "argument --out: the name is empty"),
    "a part that is none": (["vader/tweeets"], "unknown dataset"),
    "no such model": (["cifar10", "--model", "gpt"], "--model: invalid choice: 'gpt'"),  # before data is sought
    "a model of texts": (["digits", "--model", "ngrams"], "no model 'ngrams' for images"),
    "a path too many": (["digits", "here"], "takes no path"),
    "no path": (["csv"], "which file?"),
    "no folder": (["images"], "which folder?"),
    "no table": (["csv", "x.csv"], "there is no file x.csv"),
    "limit": (["digits", "--limit", "-3"], "--limit: must be a whole number of at least 1"),
    "limit of nothing": (["digits", "--limit", "0"], "--limit: must be a whole number of at least 1"),
    "validation": (["digits", "--validation", "1.5"], "--validation: must be a count"),
    "validation of all": (["digits", "--validation", "99999"], "validation must be a count"),
    "validation in words": (["digits", "--validation", "x"], "--validation: must be a count, or a fraction"),
    "validation unknown": (["digits", "--validation", "nan"], "--validation: must be a count"),
    "epochs": (["digits", "--epochs", "0"], "--epochs: must be a whole number of at least 1, got 0"),
    "batch": (["digits", "--batch-size", "0"], "--batch-size: must be a whole number"),
    "a table without csv": (["x.csv", "--text", "a", "--label", "b"], "your own data: python train.py csv x.csv"),
    "a folder without images": (["."], "your own data: python train.py images ."),
    "a folder that is called images": (["images/"], "unknown dataset 'images/': "),
    "columns of no table": (["digits", "--text", "a"], "--text, --label and --encoding are for a file"),
    "an encoding of no table": (["images", ".", "--encoding", "cp1251"], "--encoding are for a file"),
    "seed": (["digits", "--seed", "-1"], "argument --seed: must be a whole number of at least 0, got -1"),
    "seed of nothing": (["digits", "--seed", "x"], "argument --seed: must be a whole number of at least 0, got x"),
    "rate": (["digits", "--learning-rate", "-1"], "--learning-rate: must be a number, at least 0; got -1"),
    "rate in words": (["digits", "--learning-rate", "abc"], "--learning-rate: must be a number, at least 0; got abc"),
    "rate unknown": (["digits", "--learning-rate", "nan"], "--learning-rate: must be a number, at least 0; got nan"),
    "workers": (["digits", "--workers", "0"], "--workers: must be a whole number of at least 1"),
    "optimizer": (["digits", "--optimizer", "magic"], "invalid choice: 'magic'"),
    "a flag that is none": (["digits", "--speed", "9"], "unrecognized arguments: --speed"),
    "a word for a number": (["digits", "--epochs", "many"], "--epochs: must be a whole number of at least 1, got many"),
    "a rate that explodes": (["digits", "--model", "mlp", "--learning-rate", "1e30"], "no update was made"),
}  # fmt: skip


@pytest.mark.parametrize("case", FLAGS)
def test_flags_that_do_not_do(elsewhere, case):
    arguments, said = FLAGS[case]
    refused(call(train.main, *arguments), said)
    assert not list(elsewhere.rglob("*.ckpt"))


EARLY = {
    "a model of another kind": (["cifar10", "--model", "bag"], "no model 'bag' for images"),
    "a model for the words of a table": (["csv", "x.csv", "--model", "cnn6"], "no model 'cnn6' for text"),
    "an optimizer that a table cannot have": (["tweeteval", "--optimizer", "rmsprop"], "rmsprop cannot update"),
    "no mirror": (["tweeteval", "--no-flip"], "--no-flip is for pictures"),
    "nothing to wait for": (["cifar10", "--patience", 3, "--validation", 0], "--patience waits for"),
    "a run's folder": (["cifar10", "--out", "taken"], "taken already holds a run: choose another --out"),
    "no run": (["cifar10", "--resume"], "nothing to resume: there is no run runs"),
    "no run of a table": (["csv", "a/x.csv", "--resume"], f"there is no run {Path('runs') / 'x-ngrams'}."),
    "no run's folder": (["cifar10", "--out", "typo", "--resume"], "nothing to resume: typo has no last.ckpt"),
}  # fmt: skip


@pytest.mark.parametrize("case", EARLY)
def test_what_is_wrong_whatever_the_data_hold_is_told_before_they_are_fetched(elsewhere, monkeypatch, case):
    arguments, said = EARLY[case]
    for name in ("load", "load_csv", "load_images"):
        monkeypatch.setattr(training_command, name, lambda *_, **__: pytest.fail("the data were read"))
    Path("taken").mkdir()
    Path("taken/config.json").touch()
    line = refused(call(train.main, *arguments), said)
    assert "by --resume" not in line, "there is nothing to go on from"
    assert not Path("typo").exists()


def test_figures_that_cannot_be_drawn_are_told_of_before_the_training(elsewhere):
    command = [sys.executable, str(REPOSITORY / "train.py"), "digits", "--limit", "60", "--epochs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "MPLBACKEND": "foo"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 1 and ran.stderr.startswith("error: matplotlib") and ran.stderr.count("\n") == 1
    assert not Path("runs").exists()


def test_a_file_where_the_folder_should_be(elsewhere):
    Path("taken").write_text("mine")
    refused(call(train.main, "digits", *QUICK, "--out", "taken"), "cannot write into", "taken")
    refused(call(train.main, "digits", *QUICK, "--out", "taken/run"), "cannot write into")
    assert Path("taken").read_text() == "mine"


def test_damaged_data_is_named(elsewhere):
    """CIFAR-10's files, one of them cut short; and a tweeteval of another number of labels than texts."""
    folder = elsewhere / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        (folder / name).write_bytes(b"\0" * 3073)
    (folder / "batches.meta.txt").write_text("airplane\n")
    (folder / "data_batch_3.bin").write_bytes(b"\0" * 2000)
    refused(call(train.main, "cifar10", "--data", elsewhere / "data"), "cifar-10-batches-bin")
    folder = elsewhere / "data" / "tweeteval" / "sentiment"
    folder.mkdir(parents=True)
    for part in ("train", "val", "test"):
        (folder / f"{part}_text.txt").write_text("good\nbad\n")
        (folder / f"{part}_labels.txt").write_text("2\n")
    (folder / "mapping.txt").write_text("0\tnegative\n1\tneutral\n2\tpositive\n")
    refused(call(train.main, "tweeteval", "--data", elsewhere / "data"), "tweeteval")
