"""python -m minnet predict: a picture, a sentence, a folder, a table; and checkpoints that are not to be believed."""

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from minnet import __main__ as minnet_main
from minnet import checkpoint, models, prediction, recipes, report
from minnet.data import Ngrams, TokenIds, load, read_image
from minnet.data import test_views as views_of
from minnet.formatting import percent
from minnet.functional import softmax
from minnet.prediction import doubts, warn_of_loss
from minnet.trained_run import TrainedRun, load_run
from tests.running import call, refused

REPOSITORY = Path(train.__file__).resolve().parent
pytestmark = pytest.mark.filterwarnings("default")


def predict(*arguments, encoding="utf-8"):
    return call(minnet_main.main, "predict", *arguments, encoding=encoding)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on digits and one on comments, quickly trained, without their pages."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(report, "write", lambda folder, *_, **__: folder)
        for name, model in (("digits", "mlp"), ("comments", "ngrams")):
            said = call(train.main, name, "--model", model, "--epochs", 12, "--out", folder / name)
            assert said.status == 0, said.err
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder, count=5):
    """Test digits, enlarged and in other modes; returns their labels."""
    digits = load("digits").test
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = Image.fromarray(digits.x[index, :, :, 0]).resize((40 + index, 40 + index), Image.Resampling.NEAREST)
        image.convert(["L", "RGB", "P"][index % 3]).save(folder / f"{index}.png")
    return digits.y[:count]


# -- what is said ------------------------------------------------------------------------------------------------


def test_a_sentence_is_answered_with_bars(runs):
    said = predict(runs / "comments", "What a wonderful day, I love it", "awful, never again")
    assert said.status == 0 and said.err == ""
    first, second = said.out.strip().split("\n\n")
    assert first.split("\n")[0] == "What a wonderful day, I love it" and "positive" in first.split("\n")[1]
    assert "negative" in second.split("\n")[1] and "█" in first and " %" in first
    assert len(first.split("\n")) == 4
    assert len(predict(runs / "comments", "fine", "--top", 1).out.strip().split("\n")) == 2


def test_what_stands_behind_a_flag_belongs_to_the_inputs(runs):
    expected = predict(runs / "comments", "fine", "- awful, never", "--top", 1)
    assert expected.status == 0 and expected.out.count("\n\n") == 1
    assert predict(runs / "comments", "--top", 1, "fine", "- awful, never") == expected
    assert predict(runs / "comments", "fine", "--top", 1, "- awful, never") == expected
    refused(predict(runs / "comments", "--tpo", 1, "fine"), "unrecognized arguments: --tpo 1 fine")


def test_what_the_network_knows_nothing_of_is_answered_with_a_remark(runs):
    said = predict(runs / "comments", "fine", "", "  ", "zzqqxx", "nofile.txt", "so fine.txt", "--top", 1)
    assert said.status == 0 and said.out.count("%") == 6
    assert said.err.splitlines() == [
        "warning: there is no file nofile.txt: it is taken for a sentence",
        "warning: no word in '', '', 'zzqqxx', and 1 more was met in training: the percentages say little",
    ]


@pytest.mark.parametrize("settings, hashed", [({"size": 100}, False), ({"buckets": 64}, True)])
def test_which_texts_a_network_knows_by_its_token_ids(runs, settings, hashed):
    vectorizer = TokenIds(**settings).fit(["one two!", "two three"])
    run = load_run(runs / "comments")._replace(vectorizer=vectorizer)
    half, new = (0, 0) if hashed else (0.5, 1)
    assert run.unmet(["one", "zzz two", "zzz!", "!", ""]).tolist() == [0, half, new, 1, 1]


def test_which_texts_a_network_knows_by_its_ngrams(runs):
    vectorizer = Ngrams(min_count=1, negation=True, lexicon={"lovely": 3.0}).fit(["one two! 👍", "two three"])
    run = load_run(runs / "comments")._replace(vectorizer=vectorizer)
    texts = ["one", "zzz two", "onetwo", "lovely", "", "zzz!", "!", "👍", "one a b c", "one two a", "not #lovely"]
    assert run.unmet(texts).tolist() == [0, 0.5, 1, 0, 1, 1, 1, 0, 0.75, pytest.approx(1 / 3), 0.5]
    assert "|tw|" in vectorizer.features and run.unmet(["tw", "one !! zzz"]).tolist() == [1, 0.5]
    assert doubts(run, ["zzz", "zzz one yyy", "one"], np.zeros(3, bool)) == [
        "no word in 1 of the 3 texts was met in training: the percentages say little",
        "most words in 1 of the 3 texts are new to this run: the percentages say little",
    ]


def test_texts_of_mostly_new_words_are_told_of(runs, here):
    new, old = "the qwrtz zxcvb vbnm", "the food was great"
    said = predict(runs / "comments", new, old, "qwrtz zxcvb!!")
    assert said.err.splitlines() == [
        "warning: no word in 'qwrtz zxcvb!!' was met in training: the percentages say little",
        f"warning: most words in {new!r} are new to this run: the percentages say little",
    ]
    Path("few.txt").write_text(f"{new}\n{old}\n{new}\n")
    said = predict(runs / "comments", "--csv", "few.txt")
    assert "(most words in 2 of the 3 texts are new to this run: " in said.out and "no word" not in said.out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_bars_degrade_where_the_terminal_has_no_blocks(runs, encoding):
    said = predict(runs / "comments", "schön – 很好 ☺", encoding=encoding)
    assert said.status == 0 and "#" in said.out and "█" not in said.out
    assert ("schön" in said.out) == (encoding == "cp1252")


def test_in_a_real_terminal_of_ascii(runs):
    command = [sys.executable, "-m", "minnet", "predict", str(runs / "comments"), "not bad ☺"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0 and ran.stderr == "" and "#" in ran.stdout


def test_pictures_of_any_size_are_recognised(runs, here):
    labels = pictures(here / "seen", 12)
    said = predict(runs / "digits", *(here / "seen" / f"{index}.png" for index in range(12)), "--top", 1)
    assert said.status == 0
    answers = [block.split("\n")[1].split()[0] for block in said.out.strip().split("\n\n")]
    assert np.mean([answer == str(label) for answer, label in zip(answers, labels, strict=True)]) > 0.8


def test_the_best_weights_of_a_run_are_asked_and_the_last_ones_only_for_want_of_them(runs, here):
    arrays, header = checkpoint.load(runs / "comments" / "best.ckpt")
    (name,) = (key for key in arrays if key.endswith(".b"))
    for kept, lean in (("best.ckpt", [50, 0, 0]), ("last.ckpt", [0, 0, 50])):
        checkpoint.save(kept, {**arrays, name: np.array(lean, arrays[name].dtype)}, header)
    assert load_run(here).probabilities(["fine"]).argmax() == 0
    assert predict(here, "fine", "--top", 1).out.strip().split("\n")[1].startswith("negative")
    Path("best.ckpt").unlink()
    assert load_run(here).probabilities(["fine"]).argmax() == 2


def test_a_checkpoint_file_is_a_run_too(runs):
    assert predict(runs / "comments" / "last.ckpt", "fine").status == 0


def test_the_probabilities_are_those_of_the_network(runs):
    run, digits = load_run(runs / "digits"), load("digits").test
    folder = runs / "exact"
    folder.mkdir()
    Image.fromarray(digits.x[0, :, :, 0]).save(folder / "a.png")
    expected = softmax(run.model.eval().forward(digits.x[:1]))
    assert np.allclose(run.probabilities([folder / "a.png"]), expected, atol=1e-6)
    assert np.array_equal(read_image(folder / "a.png", (8, 8), 1), digits.x[0])


def test_pictures_that_are_wider_than_high(here):
    run = TrainedRun(None, "images", ("a", "b"), (12, 20, 3), None, {})
    for name, size in (("same.png", (20, 12)), ("tall.png", (12, 40))):
        Image.new("RGB", size).save(name)
    assert run.read("same.png").shape == (12, 20, 3)
    with pytest.warns(UserWarning, match="^of tall.png only the middle is looked at"):
        warn_of_loss(run, ["same.png", "tall.png"])


# -- many at once ------------------------------------------------------------------------------------------------


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_pictures_gives_a_csv(runs, here):
    pictures(here / "album" / "deep", 30)
    (here / "album" / "broken.png").write_bytes(b"no picture")
    (here / "album" / "notes.txt").write_text("not asked for")
    (here / "album" / "deep" / "0.png").rename("album/deep/0.jfif")  # what a picture is, its name does not decide
    for hidden in ("__MACOSX/0.png", "deep/._1.png", ".thumbnails/2.png", "runs/digits/figures/curves.png"):
        (here / "album" / hidden).parent.mkdir(parents=True, exist_ok=True)
        (here / "album" / hidden).write_bytes((here / "album" / "deep" / "1.png").read_bytes())
    (here / "album" / "runs" / "digits" / "last.ckpt").touch()
    said = predict(runs / "digits", "album")
    assert said.status == 0 and said.out.strip() == "30 predictions: predictions.csv"
    assert said.err.count("\n") == 1 and said.err.startswith("warning: 2 of 32 files are left out")
    assert "broken" in said.err and "notes.txt" in said.err
    rows = read("predictions.csv")
    assert len(rows) == 30 and list(rows[0]) == ["file", "predicted", *(f"p_{digit}" for digit in range(10))]
    for row in rows:
        p = [float(row[f"p_{digit}"]) for digit in range(10)]
        assert sum(p) == pytest.approx(1, abs=1e-5) and int(row["predicted"]) == int(np.argmax(p))
    assert {Path(row["file"]).name for row in rows} == {"0.jfif", *(f"{index}.png" for index in range(1, 30))}


def test_files_of_a_folder_that_the_system_lists_but_does_not_open_are_told_of(runs, here, monkeypatch):
    """As Windows does with a path of more than 260 characters."""
    pictures(here / "album", 4)
    monkeypatch.setattr(Path, "is_file", lambda path: path.name not in ("0.png", "3.png") and os.path.isfile(path))
    said = predict(runs / "digits", "album", "--top", 1)
    assert said.status == 0 and said.out.count("%") == 2
    assert said.err.startswith(f"warning: 2 files cannot be opened, such as {Path('album') / '0.png'}: where its path")


def test_a_csv_of_comments_gives_a_csv(runs, here):
    texts = ["great, I love it", 'he said "no", twice', "line\nbreak", "", "naïve ☺", "a lone\rreturn"]
    with open("mine.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "Comment"), *enumerate(texts)])
    said = predict(runs / "comments", "--csv", "mine.csv", "--text", "comment")
    assert said.status == 0 and said.err == "" and "6 comments: mine-predictions.csv" in said.out
    rows = read("mine-predictions.csv")
    assert [(row["id"], row["Comment"]) for row in rows] == [(str(i), text) for i, text in enumerate(texts)]
    assert list(rows[0]) == ["id", "Comment", "predicted", "p_negative", "p_neutral", "p_positive"]
    assert rows[0]["predicted"] == "positive" and list(rows[3].values()) == ["3", "", "", "", "", ""]
    assert predict(runs / "comments", "--csv", "mine.csv", "--text", "Comment", "--out", "there.csv").status == 0
    assert read("there.csv") == rows
    assert "(1 of them are empty and not counted here)" in said.out
    assert "(no word in 1 of the 5 texts was met in training: " in said.out  # naïve ☺
    with open("strange.txt", "w", encoding="utf-8") as file:
        file.write("great, I love it\nqzxv\n\n")
    said = predict(runs / "comments", "--csv", "strange.txt")
    assert said.status == 0 and "(no word in 1 of the 2 texts was met in training: " in said.out


def test_rows_that_are_shorter_or_longer_than_the_header(runs, here):
    Path("mine.csv").write_text("id,text,note\n1\n2,good\n3,bad,x,\n")
    assert predict(runs / "comments", "--csv", "mine.csv", "--text", "text").status == 0
    with open("mine-predictions.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows[1:]] == [["1", "", ""], ["2", "good", ""], ["3", "bad", "x"]]
    assert [len(row) for row in rows] == [7] * 4


def test_pictures_are_asked_as_they_were_in_the_test():
    """Over six views of each, where the run's page counts those."""
    model = models.softmax_regression((8, 8, 3), 2, (125, 123, 114), (63, 62, 67))
    for weights in model.named_parameters().values():  # it begins at zero
        weights[...] = np.random.default_rng(1).standard_normal(weights.shape) / 10
    x = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    asked = [TrainedRun(model, "images", ("a", "b"), (8, 8, 3), None, about) for about in ({}, {"views": True})]
    one, six = (run.probabilities(list(x)) for run in asked)
    np.testing.assert_allclose(one, softmax(model.eval().forward(x)), rtol=1e-6)
    averaged = sum(weight * model.forward(np.ascontiguousarray(view)) for weight, view in views_of(x))
    np.testing.assert_allclose(six, softmax(averaged), rtol=1e-5)
    assert np.abs(one - six).max() > 1e-3
    for name, views in (("speedrun", True), ("cnn6", False)):
        assert recipes.IMAGES[name].about(load("digits"), None, name)[1]["views"] is views


def test_texts_that_are_longer_than_what_is_read_are_told_of(here, monkeypatch):
    texts = [["nice day", "awful day"][n % 2] + " and more" * (n % 30) for n in range(60)]
    with open("long.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "mood"), *((text, text[:4]) for text in texts)])
    flags = ("--text", "text", "--label", "mood", "--model", "cnn", "--epochs", 1, "--out", "run")
    said = call(train.main, "csv", "long.csv", *flags)
    longer = sum(len(text.split()) > 48 for text in texts)
    told = f"{longer} of 60 texts are longer than the 48 words that are read of each"
    assert said.status == 0 and f"\n{told}\n" in said.out
    assert json.loads(Path("run/config.json").read_text("utf-8"))["cut"] == told
    said = predict("run", "day " * 48, "day " * 49)
    assert said.err.startswith("warning: only the first 48 words are read of 'day day") and said.err.count("…") == 1
    Path("two.txt").write_text("day " * 48 + "\n" + "day " * 49 + "\n")
    said = predict("run", "--csv", "two.txt")
    assert "(only the first 48 words are read of 1 of the 2 texts)\n" in said.out
    monkeypatch.setattr("minnet.trained_run.BLOCK", 1)
    assert predict("run", "--csv", "two.txt").out == said.out.replace("two-predictions", "two-predictions-2")
    run = load_run("run")
    lengths = ["", "day", "day " * 48, "day " * 49]
    assert run.answers(lengths)[1].tolist() == [False, False, False, True]


def test_many_texts_are_numbers_block_by_block(runs, here, monkeypatch):
    Path("mine.txt").write_text("\n".join(load("comments").test.x[:50]) + "\n", encoding="utf-8")
    whole = predict(runs / "comments", "--csv", "mine.txt", "--out", "whole.csv")
    asked, encode = [], TrainedRun.encode
    monkeypatch.setattr(TrainedRun, "encode", lambda run, texts: asked.append(len(texts)) or encode(run, texts))
    monkeypatch.setattr("minnet.trained_run.BLOCK", 16)
    blocks = predict(runs / "comments", "--csv", "mine.txt", "--out", "blocks.csv")
    assert asked == [16, 16, 16, 2] and Path("blocks.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert blocks.status == 0 and blocks.out == whole.out.replace("whole", "blocks")


def test_another_runs_answers_in_a_table_stay_apart(runs, here):
    Path("mine.csv").write_text("text,predicted\nI love it,awful\n")
    for out in ("first.csv", "second.csv"):
        assert predict(runs / "comments", "--csv", "mine.csv", "--text", "text", "--out", out).status == 0
        Path("mine.csv").write_bytes(Path(out).read_bytes())
    (row,) = read("second.csv")
    kinds = ("negative", "neutral", "positive")
    assert list(row) == [
        "text", "predicted", *(f"{name}-{n}" for n in (2, 3) for name in ("predicted", *(f"p_{k}" for k in kinds)))
    ]  # fmt: skip
    assert row["predicted"] == "awful" and row["predicted-2"] == row["predicted-3"] == "positive"


def test_a_list_without_a_header_is_told_of(runs, here):
    Path("list.csv").write_text("I liked it a lot\nawful\n")
    said = predict(runs / "comments", "--csv", "list.csv")
    assert said.status == 0 and "its first line, 'I liked it a lot', is taken for the column's name" in said.err
    Path("list.csv").write_text("Great food!\nawful\n")
    assert "its first line, 'Great food!', is taken for" in predict(runs / "comments", "--csv", "list.csv").err
    Path("list.csv").write_text("My comments\nawful\n")
    assert predict(runs / "comments", "--csv", "list.csv").err == ""
    Path("old.txt").write_bytes(b"I liked it\rawful\r\nfine\n")
    assert "3 comments: old-predictions.csv" in predict(runs / "comments", "--csv", "old.txt").out


def test_pictures_of_which_little_is_seen_are_told_of(runs, here):
    for name, size in (("long.png", (80, 8)), ("half.png", (16, 8)), ("tall.png", (8, 17))):
        Image.new("L", size).save(name)
    said = predict(runs / "digits", "long.png", "half.png", "tall.png")
    assert said.err == "warning: of long.png, tall.png only the middle is looked at, less than half of it\n"


def test_pictures_of_hardly_a_pixel_are_told_of(runs, here):
    for name, size in (("dot.png", (1, 1)), ("two.png", (2, 2)), ("line.png", (8, 1))):
        Image.new("L", size).save(name)
    said = predict(runs / "digits", "dot.png", "two.png", "line.png")
    far = "far less than the 8 x 8 pixels that the network looks at, so its answer says little"
    assert f"warning: dot.png, line.png: {far}\n" in said.err


def test_a_text_file_holds_a_comment_a_line(runs, here):
    Path("mine.txt").write_text('I love it, all of it\r\n\n  he said "no"\n', encoding="utf-8", newline="")
    said = predict(runs / "comments", "--csv", "mine.txt")
    assert said.status == 0 and said.err == "" and "2 comments: mine-predictions.csv" in said.out
    assert [row["text"] for row in read("mine-predictions.csv")] == ["I love it, all of it", 'he said "no"']
    Path("table.txt").write_text("id\tcomment\n1\tgreat\n")
    assert predict(runs / "comments", "--csv", "table.txt", "--text", "comment").status == 0
    assert [row["comment"] for row in read("table-predictions.csv")] == ["great"]
    Path("blank.txt").write_text("\n\n")
    refused(predict(runs / "comments", "--csv", "blank.txt"), "blank.txt is empty")


def shares_of(said):
    """The printed table of shares: {class: the percentages before the brackets}."""
    lines = said.out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("class "))
    rows = [line for line in lines[start + 1 : start + 4]]
    return {row.split()[0]: [float(share) for share in re.findall(r"([\d.]+) % +\(", row)] for row in rows}


def test_the_shares_of_a_csv_by_hand(runs, here):
    """A network that asks one word only, and a validation on which half of what is negative was taken for neutral.

    Of eight comments that say something, 2 are called negative, 4 neutral and 2 positive; so 4 are negative. The
    empty ones, which it calls positive, count nowhere.
    """
    arrays, header = checkpoint.load(runs / "comments" / "best.ckpt")
    vectorizer = load_run(runs / "comments").vectorizer
    weights, bias = (next(key for key in arrays if key.endswith(end)) for end in (".W", ".b"))
    table = np.zeros_like(arrays[weights])
    for word, label in (("awful", 0), ("okay", 1)):
        table[vectorizer.transform([word]).indices, label] = 100
    lean = np.array([0, 0, 2], arrays[bias].dtype)
    checkpoint.save("best.ckpt", {**arrays, weights: table, bias: lean}, header)
    texts = ["awful"] * 2 + ["okay"] * 4 + ["qqq"] * 2 + [" "] * 4
    with open("mine.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "Comment"), *enumerate(texts)])
    said = predict(here, "--csv", "mine.csv", "--text", "Comment")
    assert said.status == 0 and "(4 of them are empty and not counted here)" in said.out, said.err
    shares = shares_of(said)
    assert [row[0] for row in shares.values()] == [25.0, 50.0, 25.0] and "(not corrected: " in said.out
    rows = read("mine-predictions.csv")
    means = [np.mean([float(row[f"p_{name}"]) for row in rows[:8]]) for name in shares]
    assert [row[1] for row in shares.values()] == pytest.approx([100 * mean for mean in means], abs=0.051)
    confusion = [[50, 50, 0], [0, 100, 0], [0, 0, 100]]
    Path("config.json").write_text(json.dumps({"validation_confusion": confusion}))
    said = predict(here, "--csv", "mine.csv", "--text", "Comment", "--out", "second.csv")
    assert "corrected by validation" in said.out and "not corrected" not in said.out
    assert [row[2] for row in shares_of(said).values()] == [50.0, 25.0, 25.0]
    Path("config.json").write_text(json.dumps({"validation_confusion": np.diag([30, 29, 30]).tolist()}))
    few = predict(here, "--csv", "mine.csv", "--text", "Comment", "--out", "few.csv").out
    assert "(the corrected shares are guesses: they rest on 29 validation examples of 'neutral', where 30 of" in few
    assert "guesses" not in said.out and "say next to nothing: an interval is 8" in said.out and "Quote" not in few
    Path("config.json").write_text(json.dumps({"validation_confusion": confusion}))
    Path("more.txt").write_text("\n".join(10 * texts[:8]))
    more = predict(here, "--csv", "more.txt").out
    assert more.endswith("Quote the corrected shares, with their intervals.\n") and "next to nothing" not in more
    Path("clear.txt").write_text("awful\n" * 30)
    clear = predict(here, "--csv", "clear.txt")
    assert "(do not quote the corrected shares: at validation's rates of mistakes no mix of" in clear.out
    assert "Quote" not in clear.out and [row[2] for row in shares_of(clear).values()] == [100.0, 0.0, 0.0]
    Path("here.ckpt").write_bytes(Path("best.ckpt").read_bytes())
    again = predict("here.ckpt", "--csv", "mine.csv", "--text", "Comment", "--out", "third.csv")
    assert again.out == said.out.replace("second.csv", "third.csv")  # its folder's, too
    checkpoint.save("best.ckpt", {**arrays, weights: table * np.nan, bias: lean}, header)
    refused(predict(here, "--csv", "mine.csv", "--text", "Comment", "--out", "broken.csv"), "not numbers (NaN)")
    assert not Path("broken.csv").exists()


def test_a_class_that_validation_held_but_never_named_can_be_corrected():
    never_named = np.array([[30, 0], [29, 0]])
    for found, fits in ((never_named, True), (never_named.T, False)):
        config = {"validation_confusion": found.tolist()}
        assert (prediction._validation_confusion(config, 2) is not None) == fits


def test_texts_that_it_learned_from_are_told_of(runs, here):
    """Of these it errs less than of those of validation, so that the correction overdoes it."""
    Path("best.ckpt").write_bytes((runs / "comments" / "best.ckpt").read_bytes())
    Path("config.json").write_text(json.dumps({"validation_confusion": (30 * np.eye(3)).tolist()}))
    data = load("comments")

    def asked(texts):
        Path("mine.txt").write_text("\n".join(texts), "utf-8")
        return predict(here, "--csv", "mine.txt").out

    said = asked([*data.test.x[:38], *data.train.x[:2]])
    assert "(2 of the 40 texts were trained on)" in said and "Quote the corrected shares" in said
    said = asked([*data.test.x[:37], *data.train.x[:3]])
    assert "(3 of the 40 texts were trained on)" in said and "Quote the corrected shares" not in said
    assert "(the corrected shares do not hold where the run learned from rows of this file" in said
    assert "trained on)" not in asked(data.test.x)


def test_class_weights_are_undone_in_the_mean_and_spoken_of(runs, here):
    Path("best.ckpt").write_bytes((runs / "comments" / "best.ckpt").read_bytes())
    Path("mine.csv").write_text("comment\ngreat\nawful\nfine\nthe parcel came on Monday\n")

    def asked(**config):
        Path("config.json").write_text(json.dumps(config))
        Path("out.csv").unlink(missing_ok=True)
        return predict(here, "--csv", "mine.csv", "--out", "out.csv")

    weights = {"negative": 4.0, "neutral": 0.5, "positive": 1.0}
    said = asked(balanced=True, class_weights=list(weights.values()))
    rows = [{name: float(row[f"p_{name}"]) / weights[name] for name in weights} for row in read("out.csv")]
    means = [100 * np.mean([row[name] / sum(row.values()) for row in rows]) for name in weights]
    assert [row[1] for row in shares_of(said).values()] == pytest.approx(means, abs=0.051)
    assert "rare ones too often, since they weighed more" in said.out and "class weights undone" in said.out
    line = "are as trained. The run's page tells how far percentages come true: 'Can the probabilities be believed?')"
    assert said.out.endswith(f"\n(the p_ columns of out.csv {line}\n")
    rows = {row["comment"]: [float(row[f"p_{name}"]) / weights[name] for name in weights] for row in read("out.csv")}
    best = {text: (list(weights)[int(np.argmax(row))], max(row) / sum(row)) for text, row in rows.items()}
    both = [f"{text}: {best[text][0]} {percent(best[text][1])}" for text in ("fine", "awful")]
    one = f"{best['awful'][0]} {percent(best['awful'][1])}"
    for asked_of, told in ((("fine", "awful"), "; ".join(both)), (("awful",), one)):
        assert f"\n(as trained; with class weights undone: {told}. The run's page" in predict(here, *asked_of).out
    plain = asked(balanced=True, class_weights=None)
    assert "how often each class is named; right where" in plain.out and "weigh" not in plain.out
    assert [row[0] for row in shares_of(plain).values()] == [row[0] for row in shares_of(said).values()]
    assert "as trained" not in asked(class_weights=[1.0, 1.05, 1.1]).out  # nothing moves by five points
    confusion = (20 * np.eye(3, dtype=int) + 1).tolist()
    both = asked(class_weights=list(weights.values()), temperature=0.5, validation_confusion=confusion)
    assert "as trained" in both.out
    assert "mean of the percentages, with temperature 0.50, class weights undone; right where these come" in both.out
    rows = [np.array([float(row[f"p_{name}"]) for name in weights]) for row in read("out.csv")]
    rows = [row**2 / list(weights.values()) for row in rows]  # softmax(2 log p - log w)
    means = 100 * np.mean([row / row.sum() for row in rows], axis=0)
    assert [row[1] for row in shares_of(both).values()] == pytest.approx(means, abs=0.051)
    assert "with temperature 0.50, class weights undone: " in predict(here, "fine", "the parcel came on Monday").out
    for old in ({"balanced": True}, {}, {"balanced": True, "class_weights": [1, 2]}):
        assert "how often each class is named\n" in asked(**old).out


def test_shares_of_very_many_classes_are_not_corrected(runs, here, monkeypatch):
    Path("best.ckpt").write_bytes((runs / "comments" / "best.ckpt").read_bytes())
    Path("mine.csv").write_text("comment\ngreat\n")
    Path("config.json").write_text(json.dumps({"validation_confusion": [[9, 1, 0], [0, 9, 1], [0, 0, 9]]}))
    monkeypatch.setattr("minnet.prediction.MAX_CORRECTED", 2)
    said = predict(here, "--csv", "mine.csv").out
    assert said.endswith("\n(not corrected: with more than 2 classes that takes minutes)\n") and "guess" not in said


def test_nothing_that_is_there_is_overwritten(runs, here):
    Path("mine.csv").write_text("id,comment\n1,great\n")
    asked = (runs / "comments", "--csv", "mine.csv", "--text", "comment")
    for out in ("mine.csv", "./mine.csv", here / "mine.csv"):
        refused(predict(*asked, "--out", out), "mine.csv is there already and is not overwritten: choose another --out")
    assert Path("mine.csv").read_text() == "id,comment\n1,great\n"
    refused(predict("no run", "great", "--out", "mine.csv"), "mine.csv is there already")  # told before the work
    for name in ("mine-predictions.csv", "mine-predictions-2.csv", "mine-predictions-3.csv"):
        assert f"1 comment: {name}" in predict(*asked).out
        assert read(name)[0]["comment"] == "great"
    Path("predictions.csv").write_text("mine")
    said = predict(runs / "comments", *["fine"] * 21)
    assert said.out.strip() == "21 predictions: predictions-2.csv" and Path("predictions.csv").read_text() == "mine"


def test_a_place_that_is_none_is_told_of_before_the_work(here):
    asked = ("no run", "--csv", "no.csv", "--text", "comment", "--out", "nowhere/x.csv")
    refused(predict(*asked), "cannot write nowhere", "nowhere is no folder")


@pytest.mark.parametrize("asked", [("--csv", "no.csv"), ("good",) * 21, ("good", "--out", "x.csv")])
def test_a_folder_that_cannot_be_written_into_is_told_of_before_the_work(runs, here, monkeypatch, asked):
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("minnet.trained_run.TrainedRun.encode", None)  # the work, which would fail
    refused(predict(runs / "comments", *asked), "cannot write", "cannot be written into: name another place by --out")


def test_a_full_disk_leaves_no_half_of_a_table(runs, here, monkeypatch):
    class Full(io.FileIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prediction, "open", Full, raising=False)
    refused(predict(runs / "comments", "great", "--out", "x.csv"), "cannot write x.csv: No space left on device")
    assert not list(here.iterdir())


@pytest.mark.parametrize(("out", "told"), [(None, "mine-predictions-2.csv"), ("mine-predictions.csv", "there already")])
def test_a_name_that_another_prediction_takes_meanwhile_is_left_to_it(runs, here, monkeypatch, out, told):
    Path("mine.csv").write_text("comment\ngreat\n")
    encode = TrainedRun.encode

    def beside_another(run, inputs):
        Path("mine-predictions.csv").write_text("another's")
        return encode(run, inputs)

    monkeypatch.setattr("minnet.trained_run.TrainedRun.encode", beside_another)
    said = predict(runs / "comments", "--csv", "mine.csv", *(("--out", out) if out else ()))
    assert told in said.out + said.err
    assert Path("mine-predictions.csv").read_text() == "another's"


def test_a_table_of_another_alphabet(runs, here):
    Path("mine.csv").write_bytes("отзыв\nхорошо\n".encode("cp1251"))
    said = predict(runs / "comments", "--csv", "mine.csv")
    assert said.status == 0 and said.err.count("\n") == 1 and "is read as cp1252, which gives 'îòçûâ'" in said.err
    said = predict(runs / "comments", "--csv", "mine.csv", "--encoding", "cp1251", "--out", "right.csv")
    assert said.err == "" and read("right.csv")[0]["отзыв"] == "хорошо"


@pytest.mark.parametrize(
    "temperature, line",
    [
        (1.6, "(as trained; with temperature 1.60: "),
        (0.5, "(as trained; with temperature 0.50: "),
        (1.1, ""),
        (None, ""),
    ],
)
def test_percentages_that_cannot_be_believed_are_spoken_of(runs, here, temperature, line):
    Path("last.ckpt").write_bytes((runs / "comments" / "best.ckpt").read_bytes())
    Path("config.json").write_text(json.dumps({"temperature": temperature}))
    Path("mine.csv").write_text("comment\ngreat\n")
    for said in (predict(here, "fine"), predict(here, "--csv", "mine.csv")):
        assert said.status == 0 and ("come true: 'Can the" in said.out) == bool(line)
        assert line in predict(here, "fine").out


def test_classes_that_begin_alike_are_told_apart(runs, here):
    arrays, header = checkpoint.load(runs / "comments" / "best.ckpt")
    header["about"]["classes"] = [f"Department of things number {n}" for n in (1, 2, 3)]
    checkpoint.save("best.ckpt", arrays, header)
    Path("config.json").write_text(json.dumps({"temperature": 0.5}))
    (sure,) = re.findall(r"\(as trained; with temperature 0.50: (.*) \d+ %\.", predict(here, "fine").out)
    assert re.search(r"number [123]$", sure) and len(sure) <= 24


def test_a_very_long_sentence_is_shown_by_its_beginning(runs):
    shown = predict(runs / "comments", "good food " * 10_000).out.split("\n")[1]
    assert shown.startswith("good food good") and shown.endswith("…") and len(shown) == 500


# -- what does not do --------------------------------------------------------------------------------------------


def test_mistakes_are_told_in_one_line(runs, here):
    pictures(here, 1)
    Path("mine.csv").write_text("a,b\nx,y\n")
    (here / "empty").mkdir()
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    digits, comments = runs / "digits", runs / "comments"
    refused(predict("nowhere", "x"), "there is no run nowhere")
    refused(predict(comments, "great", "--out", ""), "argument --out: the name is empty")
    refused(predict("empty", "x"), "empty holds no best.ckpt")
    refused(predict("0.png", "x"), "0.png is not a sound checkpoint")
    refused(predict(digits), "nothing to predict")
    refused(predict(digits, "a sentence"), "no picture 'a sentence'", "trained on images")
    refused(predict(digits, "word " * 2000), "trained on images")
    refused(predict(digits, "mine.csv"), "mine.csv cannot be read as a picture: it is of no kind that is known here")
    refused(predict(digits, "broken.png"), "broken.png cannot be read as a picture")
    refused(predict(digits, "empty"), "empty holds no pictures")
    refused(predict(digits, "0.png", "--top", 0), "--top: must be a whole number of at least 1, got 0")
    refused(predict(digits, "--csv", "mine.csv"), "trained on images", "--csv is for texts")
    refused(predict(comments, "0.png"), "0.png is a file", "trained on texts", "sentence")
    refused(predict(comments, "mine.csv"), "--csv mine.csv")
    refused(predict(comments, "great", "--csv", "mine.csv"), "'great' and --csv mine.csv? Give one or the other")
    refused(predict(comments, "great", "--text", "a"), "--text and --encoding are for a table of texts")
    refused(predict(comments, "great", "--encoding", "cp1251"), "--text and --encoding are for a table of texts")
    refused(predict(comments, "--csv", "none.csv"), "there is no file none.csv")
    refused(predict(comments, "--csv", "mine.csv"), "which column", "--text", "a, b")
    refused(predict(comments, "--csv", "mine.csv", "--text", "c"), "no column 'c'")
    refused(predict(comments, "--csv", "0.png", "--text", "c"), "0.png")
    Path("mine.csv").write_text("a\n")
    refused(predict(comments, "--csv", "mine.csv"), "nothing to predict")
    Path("mine.csv").write_text("a,b\n1,\n2, \n")
    refused(predict(comments, "--csv", "mine.csv", "--text", "b"), "every text in mine.csv is empty")
    Path("taken").write_text("mine")
    refused(predict(digits, "0.png", "--out", "taken/x.csv"), "cannot write taken/x.csv")


HEADERS = {
    "no about": lambda h: h.pop("about"),
    "about is text": lambda h: h.update(about="digits"),
    "about is empty": lambda h: h.update(about={}),
    "no kind": lambda h: h["about"].pop("kind"),
    "another kind": lambda h: h["about"].update(kind="sound"),
    "no classes": lambda h: h["about"].pop("classes"),
    "classes are a number": lambda h: h["about"].update(classes=3),
    "classes are numbers": lambda h: h["about"].update(classes=[1, 2, 3]),
    "one class too many": lambda h: h["about"]["classes"].append("more"),
    "no model": lambda h: h.pop("model"),
    "an unknown layer": lambda h: h["model"]["layers"].append({"layer": "System"}),
    "a layer too many": lambda h: h["model"]["layers"].append({"layer": "Linear", "in_features": 9, "out_features": 9}),
    "a giant": lambda h: h["model"]["layers"].append({"layer": "Linear", "in_features": 10**6, "out_features": 10**6}),
    "no dtype": lambda h: h.pop("dtype"),
    "empty": lambda h: h.clear(),
}  # fmt: skip
IMAGES = {
    "no shape": lambda h: h["about"].pop("shape"),
    "shape is a number": lambda h: h["about"].update(shape=8),
    "shape is huge": lambda h: h["about"].update(shape=[10**9, 10**9, 1]),
    "shape is text": lambda h: h["about"].update(shape=["8", "8", "1"]),
    "other channels": lambda h: h["about"].update(shape=[8, 8, 7]),
    "another shape": lambda h: h["about"].update(shape=[9, 9, 1]),
}
TEXTS = {
    "no vectorizer": lambda h: h["about"].pop("vectorizer"),
    "vectorizer is a list": lambda h: h["about"].update(vectorizer=[1]),
    "vectorizer is another": lambda h: h["about"].update(vectorizer={"vectorizer": "Magic"}),
}


@pytest.mark.parametrize(
    "name, case", [("digits", case) for case in (HEADERS | IMAGES)] + [("comments", case) for case in (HEADERS | TEXTS)]
)
def test_headers_are_not_believed(runs, here, name, case):
    arrays, header = checkpoint.load(runs / name / "best.ckpt")
    (HEADERS | IMAGES | TEXTS)[case](header)
    checkpoint.save("wrong.ckpt", arrays, header)
    pictures(here, 1)
    refused(predict("wrong.ckpt", "0.png" if name == "digits" else "a sentence"))


def test_arrays_of_the_vectorizer_are_not_believed(runs, here):
    arrays, header = checkpoint.load(runs / "comments" / "best.ckpt")
    mine = [key for key in arrays if key.startswith("about/") and key != "about/training_texts"]
    assert mine
    for key in mine:
        checkpoint.save("wrong.ckpt", {k: a for k, a in arrays.items() if k != key}, header)
        refused(predict("wrong.ckpt", "a sentence"))
        checkpoint.save("wrong.ckpt", {k: a[: len(a) // 2] if k == key else a for k, a in arrays.items()}, header)
        refused(predict("wrong.ckpt", "a sentence"))
