"""Every experiment's quick path runs, and says what its full run would say: tables, numbers, a JSON file."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from minnet.data import Dataset, Split, load
from tutorials.experiments.record import Record, parsed, parser, rounded, side_by_side, spread

QUICK = {
    "large_vocabulary": ["--part", "cost"],
    "crossvalidation": ["--seeds", "1"],
    "generalisation": ["--seeds", "2"],
    "domains": ["--seeds", "1"],
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


def test_only_a_run_as_usual_replaces_the_published_result(capsys):
    options = parser("", seeds=3, jobs=True)
    options.add_argument("tasks", nargs="*")
    options.add_argument("--size", type=int)
    for argv in ([], ["--jobs", "2", "--data", "there"], ["--seeds", "3"]):
        assert parsed(options, argv).whole, argv
    for argv in (["--seeds", "1"], ["--quick"], ["pictures"], ["--size", "9"]):
        assert not parsed(options, argv).whole, argv
    Record("none", parsed(options, ["--quick"]), []).save({})
    assert capsys.readouterr().out == ""
    Record("none", parsed(options, ["--seeds", "1"]), []).save({})
    assert "not written" in (said := capsys.readouterr().out) and "--out FILE" in said


def test_the_seeds_that_are_usual_for_the_data_set_may_be_named(monkeypatch):
    module = importlib.import_module("tutorials.experiments.sentiment")
    found = []
    monkeypatch.setattr(module, "Record", lambda name, args, argv: found.append((args.seeds, args.whole)) or 1 / 0)
    for argv in (["vader"], ["vader", "--seeds", "5"], ["vader", "--seeds", "3"], ["tweeteval", "--seeds", "3"],
                 ["--quick"], ["--quick", "--seeds", "2"]):  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            module.main(argv)
    assert found == [(5, True), (5, True), (3, False), (3, True), (1, False), (2, False)]


@pytest.mark.parametrize(
    ("name", "argv", "said"),
    [
        ("shares", ["comments", "--seeds", "0"], "--seeds: must be a whole number of at least 1, got 0"),
        ("shares", ["comments", "--repeats", "0"], "--repeats: must be"),
        ("shares", ["--size", "-5"], "--size: must be"),
        ("domains", ["--jobs", "0"], "--jobs: must be"),
        ("sentiment", ["--first", "-1"], "--first: must be a whole number of at least 0"),
        ("large_vocabulary", ["--samples", "0"], "--samples: must be"),
        ("large_vocabulary", ["--tweets", "0"], "--tweets: must be"),
        ("large_vocabulary", ["--part", "figure", "--out", "x"], "leave --out away"),
        ("calibration", ["vader/tweets"], "no 'vader/tweets' here: choose from digits, cifar10"),
        ("softmax_or_sigmoid", ["digits", "letters"], "no 'letters' here: choose from digits"),
        ("crossvalidation", ["--out", ""], "--out: the name is empty"),
        ("crossvalidation", ["--data", "there"], "unrecognized arguments: --data"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(name, argv, said, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"tutorials.experiments.{name}").main(argv)
    assert said in capsys.readouterr().err


def test_a_result_that_could_not_be_written_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    module, record = (importlib.import_module(f"tutorials.experiments.{name}") for name in ("sentences", "record"))
    monkeypatch.setattr(module, "TESTS", (lambda *_: pytest.fail("computed"),))
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "found.json"):
        with pytest.raises(OSError, match=f"cannot write {out}: "):
            module.main(["--quick", "1", "--out", str(out)])
    monkeypatch.setattr(record, "RESULTS", tmp_path / "file")
    with pytest.raises(OSError, match=r"cannot write .*sentences.json"):
        module.main([])
    options = parser("")
    Record("none", parsed(options, ["--out", str(tmp_path / "new" / "found.json")]), [])
    assert list((tmp_path / "new").iterdir()) == []  # nothing stays of the trial


def test_a_reader_who_leaves_ends_no_measurement(tmp_path):
    code = f"""
import time
from tutorials.experiments.record import Record, parsed, parser, say, show
record = Record("none", parsed(parser(""), argv := ["--out", {str(tmp_path / "found.json")!r}]), argv)
say("first")
time.sleep(0.5)
for n in range(3):
    show([("row", n)])
record.save({{"found": n}})
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "first\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()
    assert json.loads((tmp_path / "found.json").read_text("utf-8"))["found"] == 2


def test_a_data_set_that_is_missing_is_told_before_the_first_training(tmp_path, monkeypatch):
    apart = importlib.import_module("tutorials.experiments.apart")

    def missing(name, **_):
        if name in ("vader", "tweeteval"):
            raise OSError("it is not there")
        return load(name)

    monkeypatch.setattr(apart, "load", missing)
    for name, argv, work in (
        ("softmax_or_sigmoid", ["--quick", "pictures", "vader"], "measured"),
        ("calibration", ["--quick", "digits", "vader"], "choose"),
        ("large_vocabulary", [], "cost"),
    ):
        module = importlib.import_module(f"tutorials.experiments.{name}")
        monkeypatch.setattr(module, work, lambda *_: pytest.fail("computed"))
        with pytest.raises(OSError, match="it is not there"):
            module.main([*argv, "--out", str(tmp_path / "found.json")])


def test_pictures_are_drawn_beside_published_results_only(tmp_path, monkeypatch, capsys):
    module, record = (importlib.import_module(f"tutorials.experiments.{n}") for n in ("large_vocabulary", "record"))
    published = json.loads((record.RESULTS / "large_vocabulary.json").read_text("utf-8"))
    for place in (module, record):
        monkeypatch.setattr(place, "RESULTS", tmp_path)
    published = json.loads(
        (record.Path(module.__file__).parents[1] / "results/large_vocabulary.json").read_text("utf-8")
    )
    monkeypatch.setattr(module, "fetched", lambda *_: None)
    monkeypatch.setattr(module, "cost", lambda *_: published["cost"])
    monkeypatch.setattr(module, "bias", lambda *_: [])
    monkeypatch.setattr(module, "words", lambda *_: {})
    module.main(["--out", str(tmp_path / "mine.json")])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    module.main([])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "large_vocabulary.json", "large_vocabulary.png"}


def test_next_words_and_bias(capsys):
    found = run("large_vocabulary", "--part", "bias")["bias"]
    assert found[0]["bias"] < found[-1]["bias"] < 0.1
    found = run("large_vocabulary", "--part", "words")["words"]
    assert {"full", "sampled", "tree"} <= found.keys()


def test_the_published_picture_shows_the_published_numbers(tmp_path, monkeypatch):
    module = importlib.import_module("tutorials.experiments.large_vocabulary")
    published = json.loads((module.RESULTS / "large_vocabulary.json").read_text("utf-8"))
    caption = module.figure(published["cost"]).get_label()

    def described():
        with Image.open(module.RESULTS / "large_vocabulary.png") as picture:
            return picture.info["Description"]

    assert described() == caption
    assert f"{published['cost'][-1]['full']:.4g}" in caption
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    published["cost"][-1]["full"] = 123.4
    (tmp_path / "large_vocabulary.json").write_text(json.dumps(published), "utf-8")
    module.main(["--part", "figure"])
    assert "123.4" in described()


def test_baselines_are_runs_that_compare_reads(tmp_path, capsys):
    from minnet.compare import compare

    baselines = importlib.import_module("tutorials.experiments.baselines")
    found = baselines.run(["comments", "--quick", "--out", str(tmp_path)])
    assert found["majority"]["accuracy"] == pytest.approx(found["majority"]["majority"])
    assert found["logistic"]["accuracy"] > found["majority"]["accuracy"]
    result = compare([tmp_path / "baseline-comments-majority", tmp_path / "baseline-comments-logistic"], bootstrap=50)
    assert [row["name"] for row in result["runs"]] == ["baseline-comments-majority", "baseline-comments-logistic"]
    with pytest.raises(ValueError, match="no baseline 'svm'"):
        baselines.run(["comments", "--models", "svm"])


def test_baselines_replace_no_earlier_run(tmp_path, monkeypatch, capsys):
    baselines = importlib.import_module("tutorials.experiments.baselines")
    arguments = ["comments", "--models", "majority"]
    monkeypatch.chdir(tmp_path)
    baselines.run([*arguments, "--out", "mine"])
    kept = (tmp_path / "mine/baseline-comments-majority/config.json").read_bytes()
    with pytest.raises(ValueError, match="mine/baseline-comments-majority already holds a run: choose another --out"):
        baselines.run(["comments", "--models", "logistic", "majority", "--out", "mine", "--limit", "20"])
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["baseline-comments-majority"]
    assert (tmp_path / "mine/baseline-comments-majority/config.json").read_bytes() == kept
    for _ in range(2):
        baselines.run(arguments)
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"baseline-comments-majority", "baseline-comments-majority-2"}


def test_baselines_fit_on_few_examples_and_quickly_on_no_more_than_a_thousand(tmp_path, monkeypatch, capsys):
    baselines = importlib.import_module("tutorials.experiments.baselines")
    baselines.run(["comments", "--limit", "3", "--models", "mlp", "--out", str(tmp_path)])
    assert "mlp" in capsys.readouterr().out
    limits = []
    monkeypatch.setattr(baselines, "load", lambda name, limit, **_: limits.append(limit) or 1 / 0)
    for argv in (["--quick"], ["--quick", "--limit", "50"], []):
        with pytest.raises(ZeroDivisionError):
            baselines.run(argv)
    assert limits == [1000, 50, None]


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


def split_of(texts, labels):
    return Split(texts, np.array(labels))


def test_no_training_text_stands_in_another_split(monkeypatch, capsys):
    apart = importlib.import_module("tutorials.experiments.apart")
    long = "The lift was stuck again this morning"
    train = split_of([long + " http://t.co/x", "so true", "The lift came at once, what a wonder"], [0, 2, 2])
    held = split_of([f"@anna {long.upper()}!!", "so true"], [0, 2])
    whole = Dataset("mine", "text", ("a", "b", "c"), train, held, split_of(["another text"], [1]), "made")
    monkeypatch.setattr(apart, "load", lambda name, **_: whole)
    found = apart.load_apart("mine")
    assert found.train.x == train.x[1:] and found.train.y.tolist() == [2, 2]  # short ones may agree by chance
    assert found.validation is held and "1 of 3 training texts" in capsys.readouterr().out
    in_test = replace(whole, validation=None, test=split_of([train.x[2].replace(",", " ...")], [2]))
    monkeypatch.setattr(apart, "load", lambda name, **_: in_test)
    assert apart.load_apart("mine").train.x == train.x[:2]


def test_texts_of_another_data_set_train_as_well_but_no_copy_of_a_test_text(monkeypatch, capsys):
    apart = importlib.import_module("tutorials.experiments.apart")
    texts = [f"text number {name} that is long enough" for name in ("one", "two", "three", "four", "five", "six")]
    first = [split_of([text], [0]) for text in texts[:3]]
    other = [split_of([texts[3]], [1]), split_of([texts[4]], [2]), split_of([texts[2].upper()], [0])]
    made = {
        "a": Dataset("a", "text", ("x", "y", "z"), *first, ""),
        "b": Dataset("b", "text", ("x", "y", "z"), *other, ""),
    }
    monkeypatch.setattr(apart, "load", lambda name, **_: made[name])
    found = apart.apart(apart.with_texts_of(made["a"], "b"))
    assert found.train.x == [texts[0], texts[3], texts[4]] and found.train.y.tolist() == [0, 1, 2]
    assert found.test.x == [texts[2]]
    for other in (replace(made["b"], classes=("x", "z", "y")), load("digits")):
        monkeypatch.setattr(apart, "load", lambda name, other=other, **_: other)
        with pytest.raises(ValueError, match="b cannot train as well: it has no texts of the classes x, y, z"):
            apart.with_texts_of(made["a"], "b")


def test_side_by_side_keeps_the_order():
    for jobs in (1, 2):
        assert side_by_side(jobs, divmod, [(7, 2), (9, 4), (5, 5)]) == [(3, 1), (2, 1), (1, 0)]


def test_the_choice_is_made_on_validation_alone(capsys):
    module = importlib.import_module("tutorials.experiments.sentiment")
    y = np.arange(60) % 3
    right, half = np.eye(3)[y] * 0.8 + 0.1, np.eye(3)[np.where(np.arange(60) < 30, y, (y + 1) % 3)] * 0.6 + 0.2
    parts = {"good on validation": {"validation": right, "test": half},
             "good on test": {"validation": half, "test": right},
             **{name: {"validation": half, "test": half} for name in ("unweighted", "svm")}}  # fmt: skip
    splits = [split_of([""] * 60, y) for _ in range(3)]
    dataset = Dataset("mine", "text", ("a", "b", "c"), *splits, "made")
    runs = [{"probabilities": parts, "dataset": dataset, "prior": np.full(3, 1 / 3)}]
    for measured, tau in (("macro recall", 1.0), ("macro F1", 0.0)):  # equal classes: every tau is as good as another
        choices, found = module.chosen(runs, ["good on validation", "good on test"], measured)
        assert choices == [(("good on validation",), tau)]
        assert found["chosen"] == [{"candidate": "good on validation", "tau": tau}]
        assert found["validation"]["good on validation"]["0.0"] == [1.0]
    found = module.tested(runs, choices)
    assert found["test"]["standard error"] == [pytest.approx(np.sqrt(3 * 0.5 * 0.5 / 20) / 3, abs=1e-4)]
    assert found["test"]["macro recall"] == [0.5]
    assert found["shares"]["test"] == [pytest.approx(1 / 3, abs=1e-4)] * 3


def test_of_groups_within_a_standard_error_the_smallest_is_chosen(capsys):
    module = importlib.import_module("tutorials.experiments.sentiment")
    y = np.arange(300) % 3
    said = {name: np.where(np.arange(300) < right, y, (y + 1) % 3) for name, right in (("a", 240), ("b", 237))}
    # each sure where it is right, so that together they are right on all that one of them knows
    p = {name: np.eye(3)[labels] * np.where(labels == y, 0.8, 0.3)[:, None] + 0.05 for name, labels in said.items()}
    p["b"] = np.roll(p["b"], 9, axis=0)  # right where "a" is wrong: nine texts more in all
    runs = [{"probabilities": {name: {"validation": q} for name, q in {**p, "svm": p["a"]}.items()},
             "dataset": Dataset("mine", "text", ("a", "b", "c"), *[split_of([""] * 300, y)] * 3, "made"),
             "prior": np.full(3, 1 / 3)}]  # fmt: skip
    scores = {group: module.score(runs[0], "validation", group, 1.0) for group in (("a",), ("b",), ("a", "b"))}
    assert scores["a",]["macro recall"] == pytest.approx(0.8)
    assert scores["a",]["standard error"] == pytest.approx(np.sqrt(3 * 0.8 * 0.2 / 100) / 3)
    gain = scores["a", "b"]["macro recall"] - scores["a",]["macro recall"]
    assert 0 < gain < scores["a", "b"]["standard error"]
    assert module.chosen(runs, ["a", "b"], "macro recall")[0] == [(("a",), 1.0)]
    assert module.chosen(runs, ["a", "b"], "macro F1")[0][0][0] == ("a", "b")


def test_a_split_of_its_own_decides_for_each_run(capsys):
    module = importlib.import_module("tutorials.experiments.sentiment")
    y = np.arange(60) % 3
    right, wrong = np.eye(3)[y] * 0.8 + 0.1, np.eye(3)[(y + 1) % 3] * 0.8 + 0.1
    dataset = Dataset("mine", "text", ("a", "b", "c"), *[split_of([""] * 60, y)] * 3, "made")
    runs = []
    for good, bad in (("a", "b"), ("b", "a")):  # what is right on validation is right on test of the same run
        p = {good: {"validation": right, "test": right}, bad: {"validation": wrong, "test": wrong}}
        p["svm"] = p[bad]
        runs.append({"probabilities": p, "dataset": dataset, "prior": np.full(3, 1 / 3)})
    choices, found = module.chosen(runs, ["a", "b"], "macro F1")
    assert [group for group, _ in choices] == [("a",), ("b",)]
    assert [one["candidate"] for one in found["chosen"]] == ["a", "b"]
    runs[1]["dataset"] = replace(dataset, train=split_of([""] * 60, [0] * 58 + [1, 2]))
    found = module.tested(runs, choices)
    assert found["test"]["macro F1"] == [1.0, 1.0]
    assert found["shares"]["train"] == pytest.approx([(1 / 3 + 58 / 60) / 2, *[(1 / 3 + 1 / 60) / 2] * 2], abs=1e-4)


def test_the_last_texts_validate_and_nothing_but_the_test_split_is_left_out_of_the_final_fit():
    module = importlib.import_module("tutorials.experiments.sentiment")
    train = split_of([f"tweet {n}" for n in range(48_214)], np.arange(48_214) % 3)
    whole = Dataset("mine", "text", ("a", "b", "c"), train, split_of(["held"], [1]), split_of(["test"], [2]), "made")
    choice, final = module.by_time(whole)
    assert len(choice.train) == 28_357 and choice.train.x[-1] == "tweet 28356"
    assert choice.validation.x == train.x[28_357:] and choice.validation.y.tolist() == train.y[28_357:].tolist()
    assert final.validation is None and final.train.x == [*train.x, "held"] and final.train.y[-1] == 1
    assert choice.test is final.test is whole.test


def test_svm_takes_its_only_cost_or_the_best_on_validation():
    module = importlib.import_module("tutorials.experiments.sentiment")
    choice, final = module.by_time(load("comments"))
    found = [module.linear_svc(choice, "macro recall", costs) for costs in ((1e-4,), (1.0,), (1e-4, 1.0))]
    scores = [module.measure(one["validation"], choice.validation.y)["macro recall"] for one in found]
    assert scores[0] < scores[1] == scores[2] and found[2]["C"] == 1.0
    assert module.linear_svc(final, "macro recall", [1.0]).keys() == {"test", "C"}


def test_models_that_weigh_the_classes_are_brought_to_the_mix_of_training():
    module = importlib.import_module("tutorials.experiments.sentiment")
    prior, p = np.array([0.2, 0.3, 0.5]), np.array([[0.6, 0.3, 0.1]])
    dataset = load("comments")
    for name in ("unweighted", "unweighted with lexicon", "svm"):
        assert module.as_in_training(name, {"test": p}, dataset, prior)["test"] is p
    for name in ("ngrams", "lexicon", "with a hidden layer", "bag"):
        brought = module.as_in_training(name, {"validation": p, "test": p}, dataset, prior)
        assert list(brought) == ["validation", "test"]
        np.testing.assert_allclose(brought["test"], [[0.12 / 0.26, 0.09 / 0.26, 0.05 / 0.26]])


def test_moving_the_prior_trades_accuracy_for_recall():
    # two classes of which one is rare, and scores that overlap: the best of accuracy hardly names the rare one
    module = importlib.import_module("tutorials.experiments.sentiment")
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.1).astype(int)
    x, prior = rng.normal(y, 1.0), np.array([0.9, 0.1])
    z = np.stack([np.zeros_like(x), x - 0.5 + np.log(1 / 9)], axis=1)  # the true log odds
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    plain, moved = (module.measure(module.adjusted(p, prior, tau), y) for tau in (0.0, 1.0))
    assert plain["accuracy"] > moved["accuracy"] + 0.1
    assert moved["macro recall"] == pytest.approx(0.6915, abs=0.01)  # P(N(0, 1) < 1/2), the best there is
    assert plain["macro recall"] < 0.6


def test_halves_of_a_domain_are_drawn_by_class_and_share_nothing():
    module = importlib.import_module("tutorials.experiments.domains")
    a, b = module.halves("comments", seed=0), module.halves("comments", seed=1)
    assert len(a.train) == len(a.test) == 300 and a.validation is None
    assert np.bincount(a.train.y).tolist() == np.bincount(a.test.y).tolist() == [100, 100, 100]
    assert not set(a.train.x) & set(a.test.x) and set(a.train.x) != set(b.train.x)
    by_hand = module.f1s(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)
    assert by_hand == {"macro": pytest.approx((2 / 3 + 4 / 5) / 2), "weighted": pytest.approx((2 / 3 + 3 * 4 / 5) / 4)}


def test_conclusions_say_what_the_tables_say():
    module = importlib.import_module("tutorials.experiments.softmax_or_sigmoid")
    single = {"softmax": {"log loss": [0.2], "sum": [1.0]}, "sigmoid": {"log loss": [0.1], "sum": [0.97]}}
    several = {"softmax": {"exact": [0.6], "ece": [0.1], "threshold": [0.1]},
               "sigmoid": {"exact": [0.7], "ece": [0.01], "threshold": [0.5]}}  # fmt: skip
    one, many = module.conclusions({"digits": single, "pictures": several})
    assert "on 0 of 1 data sets;" in one and "0.970 to 0.970" in one
    assert "70.0 % of the pictures with sigmoids, on 60.0 % with softmax" in many and "off by 10.0 points" in many


def test_of_none_above_the_limit_no_share_is_right(capsys, monkeypatch):
    module = importlib.import_module("tutorials.experiments.sentences")
    monkeypatch.setattr(module, "digits", lambda seed, loss, epochs: (None, load("digits", seed=seed)))
    monkeypatch.setattr(module, "predict", lambda model, x: np.zeros((len(x), 10), np.float32))
    _, _, rows = module.near_one(parser("").parse_args(["--seeds", "1"]), 1)
    assert all(np.isnan(row["right among them"]).all() for row in rows.values())
    monkeypatch.setattr(module, "predict", lambda model, x: 9 * np.eye(10, dtype=np.float32)[np.zeros(len(x), int)])
    _, _, rows = module.near_one(parser("").parse_args(["--seeds", "1"]), 1)
    assert rows["noise, no digit at all"]["right among them"] == [0.0]


def test_cells():
    assert spread([0.5, 0.7]) == "0.600 ± 0.141" and spread([1.0], 1) == "1.0"
    assert spread([0.5, np.nan, 0.7]) == "0.600 ± 0.141" and spread([np.nan]) == "-"
    assert rounded({1: [np.float64(0.123456), float("nan")]}) == {"1": [0.1235, None]}


def test_more_examples_than_there_are_cannot_be_drawn_for_shares():
    module = importlib.import_module("tutorials.experiments.shares")
    with pytest.raises(ValueError, match="comments has too few test examples for --size 100: take less"):
        module.main(["comments", "--size", "100"])
