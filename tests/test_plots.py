"""Figures: drawn without a display or a trace, legible, and with captions whose numbers are those of the data."""

import base64
import copy
import io
import os
import pickle
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from minnet import canvas, plots
from minnet.plots_examples import GROUPS, choose, mistakes

CLASSES = ["cat", "dog", "owl"]
HOSTILE = ["$x^2", "\\frac{1}{2}$ <b>", "猫" * 60, "😀\n\x00‮", ""]


def predicted(n=60, k=3, seed=0, sharp=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    z = sharp * rng.normal(size=(n, k)) + 2 * np.eye(k)[labels]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32), labels


def history(epochs):
    return [
        {"epoch": e, "train_loss": 2 / e, "validation_loss": 1 + (e - 3) ** 2 / 10, "train_accuracy": 1 - 0.5 / e,
         "validation_accuracy": 0.8 - (e - 4) ** 2 / 100}
        for e in range(1, epochs + 1)
    ]  # fmt: skip


def every_figure(k=3, n=60, classes=None):
    classes = classes or [f"class {i}" for i in range(k)]
    rng = np.random.default_rng(1)
    p, labels = predicted(n, k)
    confusion = np.zeros((k, k), int)
    np.add.at(confusion, (labels, p.argmax(axis=1)), 1)
    metrics = {"accuracy": 0.7, "macro": {"f1": 0.6}, "log_loss": 0.9, "examples": n,
               "intervals": {"accuracy": [0.6, 0.8], "macro_f1": [0.5, 0.7], "log_loss": [0.8, 1.0]}}  # fmt: skip
    images = rng.integers(0, 256, size=(n, 8, 8, 1), dtype=np.uint8)
    texts = [f"a comment, number {i}, on $5 and {classes[i % k]}" for i in range(n)]
    return {
        "curves": lambda: plots.curves(history(5)),
        "confusion_matrix": lambda: plots.confusion_matrix(confusion, classes),
        "examples": lambda: plots.examples(images, labels, p, classes),
        "colour": lambda: plots.examples(np.repeat(images, 3, axis=3), labels, p, classes),
        "text_examples": lambda: plots.text_examples(texts, labels, p, classes),
        "reliability": lambda: plots.reliability(p, labels),
        "before and after": lambda: plots.reliability({classes[0]: p, classes[-1]: p}, labels),
        "coverage": lambda: plots.coverage(p, labels),
        "entropy_histogram": lambda: plots.entropy_histogram(p, labels),
        "filters": lambda: plots.filters(rng.normal(size=(3, 3, 3, 16))),
        "templates": lambda: plots.filters(rng.normal(size=(64, k)), (8, 8, 1), classes),
        "telling_words": lambda: plots.telling_words(classes * 3, rng.normal(size=(3 * k, k)), classes),
        "schedule": lambda: plots.schedule(np.linspace(0.1, 0, 50)),
        "compare": lambda: plots.compare({name or "run": metrics for name in classes[:2]}),
    }


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_is_drawn_and_says_what_it_shows(name):
    figure = every_figure()[name]()
    caption = figure.get_label()
    assert any(c.isdigit() for c in caption) and caption.endswith(".") and "nan" not in caption.split()
    data = canvas.png(figure)
    picture = Image.open(io.BytesIO(data))
    assert picture.width == pytest.approx(figure.get_size_inches()[0] * canvas.DPI, abs=2)
    assert picture.info["Description"] == caption
    edge = np.asarray(picture.convert("L"))
    assert edge[:, :2].min() > 250 and edge[:, -2:].min() > 250 and edge[-2:].min() > 250 and edge[:2].min() > 250


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_survives_hostile_names_and_few_examples(name):
    figure = every_figure(k=len(HOSTILE), n=7, classes=HOSTILE)[name]()
    canvas.png(figure)
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    canvas.png(every_figure(k=2, n=1)[name]())
    canvas.png(every_figure(k=60, n=80)[name]())


@pytest.mark.parametrize("name", every_figure())
def test_every_word_in_a_figure_is_legible(name):
    figure = every_figure()[name]()
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            color = to_rgb(text.get_color())
            if color == to_rgb("white"):  # inside a dark cell of the confusion matrix; tested below
                assert name == "confusion_matrix"
                continue
            assert contrast(color, (1, 1, 1)) >= 4.5, text
            assert text.get_fontsize() >= 7.5


@pytest.mark.parametrize(
    "name", ["curves", "confusion_matrix", "reliability", "coverage", "entropy_histogram", "schedule"]
)
def test_axes_are_labelled(name):
    for axes in every_figure()[name]().axes:
        assert axes.get_xlabel() or name == "reliability"
        assert axes.get_ylabel() or axes.get_title(loc="left")


def test_names_of_what_is_drawn_twice_stay_inside_the_figure():
    p = np.repeat([[0.9, 0.1], [0.6, 0.4]], 20, axis=0)
    names = {"as trained": p, "temperature 12.34, class weights undone": p}
    figure = plots.reliability(names, np.arange(40) % 2)
    canvas.png(figure)
    for text in figure.axes[0].texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1, text.get_text()
    drawn = [text for text in figure.axes[0].texts if text.get_text().replace("\n", " ") in names]
    first, second = sorted((text.get_window_extent() for text in drawn), key=lambda box: box.y0)
    assert len(drawn) == 2 and first.y1 < second.y0


def test_figures_leave_no_trace_and_need_no_display():
    """In a fresh process: neither pyplot nor a changed setting is left behind."""
    code = (
        "import sys, matplotlib, numpy as np\n"
        "settings = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = settings()\n"
        "from minnet import canvas, plots\n"
        "canvas.png(plots.schedule(np.arange(3.0)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before\n"
    )
    windows = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # it starts no Python without
    environment = {"PATH": "", "PYTHONPATH": os.pathsep.join(sys.path), **windows}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_notebook_shows_the_figure_that_ends_a_cell_with_its_caption():
    figure = plots.schedule(np.arange(3.0))
    for kept in (figure, pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        kept.set_label("mine")
        data, about = kept._repr_mimebundle_(include=None, exclude=None)  # as IPython calls it
        assert base64.b64decode(data["image/png"]) == canvas.png(kept)
        assert about == {"image/png": {"width": round(96 * kept.get_size_inches()[0]), "alt": "mine"}}
    assert repr(figure).startswith("<Figure size")


def test_the_users_style_does_not_change_a_figure():
    plain = canvas.png(plots.confusion_matrix([[5, 1], [2, 3]], ["a", "b"]))
    with matplotlib.rc_context({"figure.facecolor": "black", "text.color": "white", "axes.grid": True, "font.size": 20,
                                "savefig.facecolor": "black", "savefig.dpi": 20, "image.origin": "lower",
                                "text.usetex": True, "savefig.bbox": "tight"}):  # fmt: skip
        assert canvas.png(plots.confusion_matrix([[5, 1], [2, 3]], ["a", "b"])) == plain


def test_the_two_series_differ_in_lightness_and_the_two_inks_are_dark():
    assert contrast(to_rgb(canvas.BLUE), to_rgb(canvas.ORANGE)) > 3  # told apart in grey
    for ink in (canvas.INK, canvas.QUIET):
        assert contrast(to_rgb(ink), (1, 1, 1)) >= 7


def contrast(first, second):
    """The contrast of two colours as WCAG 2 defines it, from 1 (none) to 21 (black on white)."""
    low, high = sorted((canvas.luminance(first), canvas.luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours():
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 1, 1), to_rgb("#767676")) == pytest.approx(4.54, abs=0.01)
    for grey in np.linspace(0, 1, 101):
        assert contrast(to_rgb(canvas.legible((grey,) * 3)), (grey,) * 3) >= 4.5


def test_text_that_the_fonts_lack_becomes_boxes_and_dollars_stay_dollars():
    assert canvas.shown("a\tb\n$5$") == "a b $5$"
    missing = next(c for c in "\U000e0041\U0001fae8\ue123" if ord(c) not in canvas._characters())
    assert canvas.shown(f"x{missing}y") in ("x□y", "xy")
    figure = plots.confusion_matrix([[1, 0], [0, 1]], ["$\\alpha$", "b"])
    figure.draw_without_rendering()
    assert "$\\alpha$" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert not any(label.get_parse_math() for label in figure.axes[0].get_yticklabels())


def test_long_runs_and_equal_accuracies_in_words():
    rows = [
        {**row, "epoch": 1000 + row["epoch"], "train_accuracy": 0.1, "validation_accuracy": 0.1} for row in history(6)
    ]
    figure = plots.curves(rows)
    assert "Validation loss is lowest in epoch 1,003 of 1,006" in words_of(figure)
    caption = figure.get_label()
    assert "lowest in epoch 1,003 (1.000); validation accuracy is highest in epoch 1,001 (10.0 %)" in caption
    assert (
        "training accuracy (10.0 %) equals that on validation. Solid" in caption and "Vertical: epoch 1,003," in caption
    )
    rows[-1]["train_accuracy"] = 0.1003
    assert "(10.0 %) is <0.1 points above that on validation" in plots.curves(rows).get_label()


def test_letters_that_the_fonts_lack_are_spoken_of_once(monkeypatch):
    monkeypatch.setattr(canvas, "_characters", lambda: frozenset(range(128)))
    canvas._warn_of_boxes.cache_clear()
    assert canvas.shown("no letter: 👍🏽") == "no letter: :thumbs up:"  # and not the same box as 👎
    with pytest.warns(UserWarning, match="install e.g. Noto Sans CJK") as warned:
        assert [canvas.shown("猫"), canvas.shown("狗 и пёс")] == ["□", "□ □ □□□"]
    assert len(warned) == 1 and "\n" not in str(warned[0].message)


@pytest.mark.parametrize(
    ("classes", "room", "expected"),
    [
        (["cat", "dog"], 1.0, ["cat", "dog"]),
        (["negative remarks", "positive remarks"], 0.8, ["negative re…", "positive re…"]),
        (["class number 1 of many", "class number 12 of many"], 0.6, ["…1 of m…", "…12 of…"]),
        (["team_10", "team_12", "team_123"], 0.38, ["…10", "…12", "…123"]),
        (["red apple, ripe", "red apple, raw", "pear, ripe"], 0.7, ["red…ripe", "red…raw", "pear, ripe"]),
        (["long and the same"] * 2, 0.6, ["long and…"] * 2),
        ([""], 1.0, ["(empty)"]),
    ],
)
def test_names_are_shortened_where_they_do_not_differ(classes, room, expected):
    assert canvas.names(classes, room, 8) == expected
    assert all(canvas.inches(name, 8) <= room for name in expected)


def test_text_is_wrapped_to_the_room_it_has():
    cut, bold = (canvas.names(["W" * 80], 1.0, 8, weight)[0] for weight in ("normal", "bold"))
    assert cut.endswith("…") and canvas.inches(cut, 8) <= 1.0 < canvas.inches("W" + cut, 8)
    assert bold.count("W") < cut.count("W")
    assert canvas.wrapped("", 1.0, 8) == ["(empty)"]
    text = "one two three " + "W" * 50 + " four"
    lines = canvas.wrapped(text, 1.5, 8)
    assert all(canvas.inches(line, 8) <= 1.5 for line in lines) and len(lines) > 3
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def words_of(figure):
    return [text.get_text() for text in figure.findobj(Text)]


MANY = [f"class number {i} with a long label and then some" for i in range(50)]
RUSSIAN = [f"{a} {b}" for a in ("понедельник", "доставка", "они") for b in ("понедельник", "сегодня", "мы")]


@pytest.mark.parametrize("name", ["telling_words", "templates", "examples", "text_examples", "confusion_matrix"])
def test_long_words_and_names_stay_inside_the_figure_and_apart(name):
    if name == "telling_words":
        figure = plots.telling_words(RUSSIAN, np.random.default_rng(0).normal(size=(9, 50)), MANY)
    else:
        figure = every_figure(50, 200, MANY)[name]()
    figure.draw_without_rendering()
    written = [text for text in figure.findobj(Text) if text.get_text().strip()]
    for text in written:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
    assert not any(text.get_text().endswith(("numbe…", "number…")) for text in written)


def test_headings_of_columns_do_not_run_into_each_other():
    figure = plots.telling_words(RUSSIAN, np.random.default_rng(0).normal(size=(9, 9)), ["W" * 30] * 9)
    figure.draw_without_rendering()
    ends = [axes._left_title.get_window_extent().x1 for axes in figure.axes]
    starts = [min(label.get_window_extent().x0 for label in axes.get_yticklabels()) for axes in figure.axes]
    assert all(end <= start for end, start in zip(ends[:2], starts[1:3], strict=True))


def test_the_caption_explains_how_features_are_written():
    weights = np.array([[3.0, 0], [2, 0], [0, 1]])
    figure = plots.telling_words(["|nic|", "| up|", "|it |"], weights, ["bad", "good"])
    caption = figure.get_label()
    assert "“…nic…”" in caption
    assert caption.endswith("With … or ␣ at its ends: a piece of a word, which goes on there or has a space.")
    assert {"…nic…", "The pieces of words that speak most for each class"} <= set(words_of(figure))
    caption = plots.telling_words(["nice", "not_up it", "up"], weights, ["bad", "good"]).get_label()
    assert "not_up: “up” after a not" in caption and "ieces of" not in caption
    figure = plots.telling_words(["nice", "|", "up"], weights, ["bad", "good"])
    assert "ieces of" not in figure.get_label() and "after a not" not in figure.get_label()
    assert {"|", "The words that speak most for each class"} <= set(words_of(figure))


def test_the_ends_of_a_piece_tell_where_its_word_goes_on():
    pieces = ["| or |", "| cle|", "|og |", "|s a|", "|! |"]
    figure = plots.telling_words(pieces, np.eye(5), list("abcde"))
    assert {"␣or␣", "␣cle…", "…og␣", "…s␣a…", "…!␣"} <= set(words_of(figure)), "the font has the sign"


def test_above_forty_classes_no_frame_is_spoken_of_and_the_commonest_mistake_is_labelled():
    counts = np.diag(np.full(50, 9))
    counts[11, 3] = 2
    classes = [f"c{i}" for i in range(50)]
    figure = plots.confusion_matrix(counts, classes)
    axes = figure.axes[0]
    rows, columns = (
        [label.get_text() for label in labels] for labels in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    assert "c11" in rows and not {"c10", "c12"} & set(rows) and "c3" in columns and "c8" in rows
    assert "framed" not in figure.get_label() and not axes.patches
    assert len(plots.confusion_matrix(counts[:40, :40], classes[:40]).axes[0].patches) == 40
    caption = plots.confusion_matrix(counts[:40, :40], classes[:40]).get_label()
    assert "framed" in caption and "One class in" not in caption


def test_no_name_beside_a_large_confusion_matrix_is_printed_over_another():
    for k, step in ((100, 3), (300, 8)):
        counts = np.diag(np.full(k, 20))
        counts[40, 41] = counts[41, 42] = counts[42, 43] = 5  # neighbours, all named in the caption
        figure = plots.confusion_matrix(counts, [f"class {i:03d}" for i in range(k)])
        axes = figure.axes[0]
        for ticks, first in ((axes.get_yticks(), 40), (axes.get_xticks(), 41)):
            assert np.diff(ticks).min() >= step and first in ticks
        assert f"One class in {step} is named." in figure.get_label()


@pytest.mark.parametrize(
    ("often", "title", "caption"),
    [
        ((1, 1, 1), "3 mistakes, no two of them alike", "once each: cat taken for dog, dog taken for owl, owl taken"),
        (
            (2, 2, 1),
            "5 mistakes, none more often than twice",
            "mistakes, twice each: cat taken for dog, dog taken for owl.",
        ),
        ((7, 7, 0), "14 mistakes, none more often than 7 times", "The commonest mistakes, 7 times each: cat taken"),
        ((2, 1, 1), "Most often, cat is taken for dog", "The commonest mistake: cat taken for dog, 2 of 12 (17 %)."),
        ((0, 0, 0), "No confusion at all", "Every one of 30 examples is right."),
    ],
)
def test_no_mistake_is_called_the_commonest_where_others_are_as_common(often, title, caption):
    counts = np.diag([10, 10, 10])
    counts[0, 1], counts[1, 2], counts[2, 0] = often
    figure = plots.confusion_matrix(counts, CLASSES)
    assert title in words_of(figure) and caption in figure.get_label()


def test_neither_best_nor_worst_is_one_of_many():
    counts = np.diag([10, 10, 10, 10, 8, 0])
    counts[4, 0] = 2
    caption = plots.confusion_matrix(counts, list("abcdef")).get_label()
    assert "(20 %). Best recognised are 4 classes (100 %), worst e (80 % of 10)." in caption
    caption = plots.confusion_matrix([[8, 2], [2, 8]], ["neg", "pos"]).get_label()
    assert caption.endswith("All classes are recognised alike (80 %).") and "Best" not in caption
    assert plots.confusion_matrix([[8, 2], [0, 0]], ["neg", "pos"]).get_label().endswith("2 of 10 (20 %).")
    assert "The one example is right." in plots.confusion_matrix([[1, 0], [0, 0]], ["neg", "pos"]).get_label()


def test_names_from_right_to_left_are_set_apart_in_captions():
    hebrew = ["גדול", "קטן"]
    caption = plots.confusion_matrix([[8, 2], [1, 9]], hebrew).get_label()
    assert "mistake: \u2068גדול\u2069 taken for \u2068קטן\u2069, 2 of" in caption
    caption = plots.text_examples(["one"], np.array([0]), np.array([[0.4, 0.6]]), hebrew).get_label()
    assert "\u2068קטן\u2069 instead of \u2068גדול\u2069 (60 %)" in caption
    assert caption.startswith("Texts, each with its most probable classes, at most three."), "here there are two"


def test_probabilities_stand_as_digits_and_right_and_wrong_as_words_and_signs():
    p = np.array([[0.7, 0.2, 0.1], [0.25, 0.6, 0.15]])
    images = np.zeros((2, 8, 8, 1), np.uint8)
    for figure, verdict in (
        (plots.examples(images, np.array([0, 2]), p, CLASSES), "truth is owl"),
        (plots.text_examples(["one", "two"], np.array([0, 2]), p, CLASSES), "says dog, truth is owl"),
    ):
        words = words_of(figure)
        assert {"70 %", "20 %", "10 %", "60 %", "25 %", "15 %"} <= set(words)
        assert "✓ right: cat" in words and f"✗ wrong: {verdict}" in words
        assert "dog instead of owl (60 %)" in figure.get_label() and "cat (70 %)" in figure.get_label()


def test_only_the_bar_of_the_truth_is_dark():
    p = np.array([[0.7, 0.2, 0.1, 0.0], [0.3, 0.6, 0.1, 0.0]])
    figure = plots.text_examples(["one", "two"], np.array([0, 3]), p, [*CLASSES, "fox"])
    bars = [patch.get_facecolor()[:3] for patch in figure.axes[0].patches]
    assert len(bars) == 6  # of the second text, the truth is not among the three
    assert bars.count(to_rgb(canvas.BLUE)) == 1 and bars.count(to_rgb(canvas.PALE)) == 5
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths[1] / widths[0] == pytest.approx(2 / 7)


def test_a_line_with_the_values_stands_at_the_epoch_whose_weights_are_measured():
    figure = plots.curves(history(6))  # the accuracy is highest in another epoch, and the last is a third
    for axes, values, written in zip(
        figure.axes, ((2 / 3, 1.0), (100 - 50 / 3, 79.0)), ({"0.667", "1.000"}, {"83.3 %", "79.0 %"}), strict=True
    ):
        (upright,) = (line for line in axes.lines if line.get_linestyle() == ":")
        assert list(upright.get_xdata()) == [3, 3] and axes.get_xlabel() == "epoch (┆ measured: epoch 3)"
        points = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
        assert np.array(points) == pytest.approx(np.array([[3, value] for value in values]))
        assert {text.get_text() for text in axes.texts} == written | {"training", "validation"}
    assert figure.get_label().endswith("Vertical: epoch 3, whose weights are measured.")


def test_where_the_last_epoch_is_measured_its_values_stand_at_the_ends():
    figure = plots.curves(history(3))
    assert {"validation\n1.000", "validation\n79.0 %"} <= set(words_of(figure))
    assert "Vertical" not in figure.get_label() and figure.axes[0].get_xlabel() == "epoch"
    assert len(figure.axes[0].lines) == 2, "the curves alone"


def test_no_error_bar_crosses_the_words_beside_the_diagonal():
    axes = plots.reliability(*predicted()).axes[0]
    for text in axes.texts:
        assert not text.get_window_extent().overlaps(axes.bbox), text
    assert {text.get_text() for text in axes.texts} == {
        "above the diagonal: less sure than right", "below the diagonal: surer than right",
    }  # fmt: skip


def test_reliability_joins_no_bins_of_a_few_examples():
    top = np.r_[np.full(30, 0.95), np.full(10, 0.8), np.full(9, 0.6)]
    axes = plots.reliability(np.stack([top, 1 - top], axis=1), np.zeros(49, int)).axes[0]
    dots, line = (found.get_xdata() for found in axes.lines if found.get_color() == canvas.BLUE)
    assert list(dots) == pytest.approx([0.6, 0.8, 0.95]) and list(line) == pytest.approx([0.8, 0.95])


def test_examples_refuse_what_are_no_images():
    with pytest.raises(ValueError, match="images"):
        plots.examples(np.zeros((2, 3, 32, 32), np.uint8), np.zeros(2, int), np.full((2, 2), 0.5), ["a", "b"])
    with pytest.raises(ValueError, match="images"):
        plots.examples(np.zeros((2, 8, 8, 1)), np.zeros(2, int), np.full((2, 2), 0.5), ["a", "b"])
    with pytest.raises(ValueError, match="no example"):
        plots.text_examples([], np.zeros(0, int), np.zeros((0, 2)), ["a", "b"])


def test_choose_takes_each_group_from_its_own_tenth():
    p, labels = predicted(1000)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    groups = choose(p, labels, each=5)
    right_ones, wrong_ones = ("among the surest", "among the least sure"), ("among the least sure", "among the surest")
    assert list(groups) == list(GROUPS) == [f"Right, {r}" for r in right_ones] + [f"Wrong, {r}" for r in wrong_ones]
    for group, indices in groups.items():
        pool = confidence[right == group.startswith("Right")]
        assert len(set(indices)) == 5 and (right[indices] == group.startswith("Right")).all()
        if "surest" in group:
            assert confidence[indices].min() >= np.quantile(pool, 0.89)
        else:
            assert confidence[indices].max() <= np.quantile(pool, 0.11)


@pytest.mark.parametrize(("doubted", "shown"), [(12, 12), (5, 5), (2, 2), (0, 3)])
def test_nobody_is_called_unsure_at_99_percent_while_others_doubt(doubted, shown):
    top = np.linspace(0.991, 0.999, 400)
    top[:doubted] = np.linspace(0.5, 0.89, doubted)
    p, labels = np.stack([top, 1 - top], axis=1), np.zeros(400, int)
    drawn = {int(i) for seed in range(60) for i in choose(p, labels, seed=seed)["Right, among the least sure"]}
    assert drawn == set(range(shown)), "the least sure, as many as doubt, or three if none does"


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_choose_shows_no_example_twice(n):
    p, labels = predicted(n, seed=n)
    shown = np.concatenate(list(choose(p, labels).values()))
    assert len(set(shown.tolist())) == len(shown) > 0


def test_mistakes_are_the_surest_wrong_ones():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert mistakes(p, np.array([0, 1, 0, 0])).tolist() == [2, 3, 1]
    assert mistakes(p, np.array([0, 1, 0, 0]), most=1).tolist() == [2]


def test_pictures_keep_their_proportions():
    p, labels = np.tile([0.8, 0.2], (6, 1)), np.array([0, 0, 0, 1, 1, 0])
    wide = np.zeros((6, 16, 64, 3), np.uint8)
    tall = np.zeros((5, 2, 1, 4))
    for figure, ratio in ((plots.examples(wide, labels, p, ["a", "b"]), 1 / 4), (plots.filters(tall), 5 / 2)):
        for image in figure.axes[0].images:
            left, right, bottom, top = image.get_extent()
            assert (top - bottom) / (right - left) == pytest.approx(ratio)


FOUR = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])  # whose mean confidence is 75 %
ONE_WRONG = np.array([0, 0, 0, 1])


def test_the_caption_of_curves_states_their_numbers():
    caption = plots.curves(history(6)).get_label()
    assert "validation loss is lowest in epoch 3 (1.000)" in caption
    assert "validation accuracy is highest in epoch 4 (80.0 %)" in caption


def test_the_caption_of_a_confusion_matrix_states_its_numbers():
    caption = plots.confusion_matrix([[8, 2, 0], [3, 6, 1], [0, 0, 0]], CLASSES).get_label()
    assert "dog taken for cat, 3 of 10 (30 %)" in caption
    assert "cat (80 % of 10), worst dog (60 % of 10)" in caption
    assert "Every one of 4 examples" in plots.confusion_matrix([[3, 0], [0, 1]], ["a", "b"]).get_label()


def test_probabilities_are_judged_by_what_so_many_examples_can_tell():
    figure = plots.reliability(FOUR, ONE_WRONG)
    caption = figure.get_label()
    assert "Mean confidence 75.0 %, accuracy 75.0 %" in caption and ": too few examples to tell." in caption
    assert "4 examples are too few to tell how far the percentages hold" in words_of(figure)
    figure = plots.reliability(np.repeat([[0.75, 0.25]], 2000, axis=0), np.arange(2000) % 4 // 3)
    assert ": no fault is seen." in figure.get_label()
    assert "Well calibrated, as far as 2,000 examples can tell" in words_of(figure)
    rng = np.random.default_rng(0)
    for _ in range(20):  # the error and its bound are then one number, summed in two orders
        surest = np.stack([above := 1 - 1e-4 * rng.random(84), 1 - above], axis=1)
        assert "no fault is seen" in plots.reliability(surest, np.zeros(84, int)).get_label()


def test_faults_of_probabilities_are_named():
    steps = np.array([0.55, 0.65, 0.75, 0.85, 0.95])  # of 200 each six too few are right: less than one bin can tell
    labels = np.concatenate([np.arange(200) >= round(200 * step) - 6 for step in steps]).astype(int)
    figure = plots.reliability(np.repeat(np.stack([steps, 1 - steps], axis=1), 200, axis=0), labels)
    assert "calibration error 3.0 % (by chance alone 0.7 to 3.8 %): surer than right." in figure.get_label()
    assert not any("Well calibrated" in words for words in words_of(figure))
    sure = np.repeat([[0.99, 0.01]], 100, axis=0)
    figure = plots.reliability(sure, np.arange(100) % 2)
    assert "calibration error 49.0 %" in figure.get_label() and ": surer than right." in figure.get_label()
    assert any(words.startswith("Calibration error 49.0 %, by chance alone ") for words in words_of(figure))
    halves = np.repeat([[0.9, 0.1], [0.55, 0.45]], 200, axis=0)
    for right, said in (((145, 145), "surer than right here, less sure there"), ((145, 105), "surer than right")):
        labels = np.concatenate([np.arange(200) >= n for n in right]).astype(int)
        assert plots.reliability(halves, labels).get_label().split(": ")[1].startswith(f"{said}. On the dotted")


def test_half_the_error_is_what_abstaining_is_asked_for():
    figure = plots.coverage(np.repeat(FOUR, 5, axis=0), np.repeat(ONE_WRONG, 5))
    caption = figure.get_label()
    assert "Of these examples, the surest 75 % have half the error" in words_of(figure)
    assert "in 100.0 % (95 % interval 79.6 to 100.0 %)" in caption  # Wilson's of 15 of 15: 15 / (15 + 1.96^2)
    assert "all examples it is right in 75.0 %" in caption and "surest 75 %" in caption and "in 100.0 %" in caption
    falling = np.linspace(0.99, 0.6, 100)  # 36 of 100 are wrong, 9 of the surest 50: 1 - 0.36 / 2 > 0.82 in binary
    wrong = np.isin(np.arange(100), [*range(41, 50), *range(50, 78, 4), *range(80, 100)])
    figure = plots.coverage(np.stack([falling, 1 - falling], axis=1), wrong.astype(int))
    assert "Of these examples, the surest 50 % have half the error" in words_of(figure)


def test_where_abstaining_does_not_help_it_is_said_why():
    caption = plots.coverage(FOUR, ONE_WRONG).get_label()  # in one order of four this comes by chance
    assert "do not show that it is surer of its right answers than of its mistakes. 4 examples." in caption
    assert "abstaining does not halve" in plots.coverage(FOUR, np.ones(4, int)).get_label()
    caption = plots.coverage(FOUR, np.zeros(4, int)).get_label()
    assert caption == "Answering all examples it is right in 100.0 %. 4 examples."
    figure = plots.coverage(np.repeat([[0.7, 0.3]], 30, axis=0), np.arange(30) % 3 // 2)
    assert "right in 66.7 %; it is equally sure of each. 30 examples." in figure.get_label()
    assert "It is equally sure of all its answers" in words_of(figure)


def test_entropies_say_whether_it_is_less_decided_where_it_is_wrong():
    many, labels = np.repeat(FOUR, 5, axis=0), np.repeat(ONE_WRONG, 5)
    assert "It is less decided where it is wrong" in words_of(plots.entropy_histogram(many, labels))
    for unsure, truth in ((FOUR, ONE_WRONG), (many, 1 - labels)):
        assert "It is not clearly less decided where it is wrong" in words_of(plots.entropy_histogram(unsure, truth))
    caption = plots.entropy_histogram(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([1, 0])).get_label()
    assert "0.00 nats where it is right (1) and 0.69 nats where it is wrong (1)" in caption


def test_the_caption_of_a_schedule_states_its_numbers():
    caption = plots.schedule(np.array([0.1, 0.4, 0.2])).get_label()
    assert "starts at 0.1, is highest at step 2 of 3 (0.4), and ends at 0.2" in caption


@pytest.mark.parametrize("rates", [[0.1], [0.1, 0.05], [1e-7] * 50, np.linspace(9e-5, 0, 80), np.linspace(0.1, 0, 50)])
def test_a_schedule_has_whole_steps_and_rates_that_stand_for_themselves(rates):
    figure = plots.schedule(rates)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    steps = [label.get_text().replace("−", "-") for label in axes.get_xticklabels()]
    assert all(float(step).is_integer() for step in steps) and "1.0" not in steps
    assert axes.yaxis.get_offset_text().get_text() == ""
    ticks = [float(label.get_text().replace("−", "-")) for label in axes.get_yticklabels()]
    assert ticks == pytest.approx(axes.get_yticks())
    assert axes.yaxis.label.get_window_extent().x0 > 2


def test_telling_words_stay_apart_where_they_begin_alike_and_their_numbers_whatever_their_size():
    words = [f"https://example.org/a/long/way/down/{i}" for i in range(6)]
    figure = plots.telling_words(words, 1e-4 * np.arange(18.0).reshape(6, 3)[:, ::-1], ["a", "b", "c"])
    drawn = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(drawn) == len(set(drawn)) > 0
    for scale, said in ((1e-4, "+0.0002"), (1.0, "+2.00"), (1e5, "+2e+05")):
        figure = plots.telling_words(["nice", "bad"], scale * np.array([[2.0, -2], [-2, 2]]), ["good", "poor"])
        assert said in figure.get_label() and said in [text.get_text() for text in figure.axes[0].texts]


def test_telling_words_say_a_thing_once():
    weights = np.array([[2.0, -2], [3, -3], [1, -1], [2.5, -2.5], [-1, 1], [4, -4]])
    words = ["not", "not bad", "bad", "love", "dull", "gloves"]
    caption = plots.telling_words(words, weights, ["negative", "positive"]).get_label()
    assert "negative: “gloves” (+4.00), “not bad” (+3.00), “love” (+2.50); for positive: “dull” (+1.00)." in caption
    pieces = ["|awf|", "|awfu|", "|fil|", "| awf|", "|dul|", "|film|"]
    caption = plots.telling_words(pieces, weights, ["negative", "positive"]).get_label()
    assert "negative: “…film…” (+4.00), “…awfu…” (+3.00); for positive: “…dul…” (+1.00)." in caption


def test_whole_words_are_drawn_and_no_pieces_however_strong():
    weights = np.array([[9.0, -9], [3, -3], [8, -8], [2, -2], [-1, 1], [-7, 7]])
    words = ["|ude |", "rude", "难", "难 吃", "fine", "|fin|"]
    figure = plots.telling_words(words, weights, ["negative", "positive"])
    assert "negative: “rude” (+3.00), “难吃” (+2.00); for positive: “fine” (+1.00)." in figure.get_label()
    assert figure.get_label().endswith("Pieces of words count, too, but are not drawn.")
    assert figure.axes[0].get_xlim()[1] == 3, "the bars fill their room"
    assert "“难” (+1.00)" in plots.telling_words(["难", "吃"], np.eye(2) * 2, ["negative", "positive"]).get_label()


def test_a_lexicons_sums_stand_beside_the_words_of_their_names():
    weights = np.array([[4.0, 0], [3, 0], [2, 0], [0, 1]])
    words = ["<not positive>", "not", "<positive>", "fine"]
    caption = plots.telling_words(words, weights, ["negative", "positive"]).get_label()
    assert "negative: “<not positive>” (+2.00), “not” (+1.50), “<positive>” (+1.00)" in caption
    assert caption.endswith("In angles: a lexicon's ratings of the words.")
    assert "In angles" not in plots.telling_words(["<3", "not"], weights[:2], ["negative", "positive"]).get_label()


def test_a_class_for_which_no_word_speaks_has_nothing():
    caption = plots.telling_words(["good", "fine"], np.array([[1.0, 0], [2, 0]]), ["positive", "negative"]).get_label()
    assert "positive: “fine” (+1.00), “good” (+0.50); for negative: nothing." in caption


def test_telling_words_ignore_what_softmax_ignores():
    weights = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.2]])
    caption = plots.telling_words(["good", "bad", "film"], weights, ["positive", "negative"]).get_label()
    assert "positive: “good” (+1.00); for negative: “bad” (+0.50), “film” (+0.10)" in caption
    shifted = plots.telling_words(
        ["good", "bad", "film"], weights + np.array([[5], [-3], [9]]), ["positive", "negative"]
    )
    assert shifted.get_label() == caption


def test_no_number_beside_a_point_is_rounded_to_a_certainty():
    rows = [{**row, "validation_accuracy": 0.9997} for row in history(3)]
    assert "validation\n>99.9 %" in words_of(plots.curves(rows))
    run = {"accuracy": 0.9997, "macro": {"f1": 0.9996}, "log_loss": 0.0002, "examples": 9000,
           "intervals": {"accuracy": [0.999, 1], "macro_f1": [0.999, 1], "log_loss": [0.0, 0.001]}}  # fmt: skip
    assert {">99.9 %", "0.9996", "0.0002"} <= set(words_of(plots.compare({"run": run})))


def test_curves_of_what_knows_no_accuracy():
    rows = [{**row, "train_accuracy": None, "validation_accuracy": None} for row in history(12)]
    figure = plots.curves(rows)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "loss", "no one knows the unit"
    assert figure.get_label().startswith("Loss over 12 epochs: validation loss is lowest in epoch 3 (1.000). Solid")
    right = max(text.get_window_extent().x1 for text in figure.findobj(Text) if text.get_text().strip())
    assert right < figure.bbox.x1, "the title and the names of the lines stay inside"
    canvas.png(figure)
    loss, accuracy = plots.curves(history(12)).axes
    assert loss.get_title(loc="left") == "loss (nats)" and accuracy.get_title(loc="left") == "accuracy (%)"
    canvas.png(plots.curves([{"epoch": 1, "train_loss": float("nan")}]))


@pytest.mark.parametrize(("size", "shown"), [(3e34, "3e+34"), (94548.122, "9.45e+04"), (2e-7, "2e-07"), (2.0, "2.000")])
def test_losses_of_any_size_stand_as_numbers_that_can_be_read(size, shown):
    rows = [{"epoch": e, "train_loss": size * (1 + 1 / e), "validation_loss": size} for e in (1, 2, 3)]
    figure = plots.curves(rows)
    figure.draw_without_rendering()
    assert shown in words_of(figure) and f"epoch 1 ({shown})" in figure.get_label()
    axes = figure.axes[0]
    assert axes.yaxis.get_offset_text().get_text() == "", "it would stand in the title"
    ticks = [float(label.get_text().replace("−", "-")) for label in axes.get_yticklabels()]
    assert ticks == pytest.approx(axes.get_yticks()) and max(ticks) >= size
    figure = plots.learning_rate_finder([0.1, 1.0], [2 * size, size], 0.1)
    figure.draw_without_rendering()
    assert figure.axes[0].yaxis.get_offset_text().get_text() == "" and f"({shown})" in figure.get_label()


@pytest.mark.parametrize(("start", "step"), [(0.69311, 1e-7), (2e-6, 1e-6), (1.2e8, 2e6), (0.5, 0.0), (5.0, -0.6)])
def test_the_numbers_beside_the_loss_are_short_and_inside_the_figure(start, step):
    rows = [{"epoch": e, "train_loss": start * (1 + 4e-7 * e), "validation_loss": start + step * e} for e in range(8)]
    figure = plots.curves(rows)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    for label in axes.get_yticklabels():
        assert label.get_window_extent().x0 > 2 and len(label.get_text()) <= 9, label
    low, high = axes.get_ylim()
    assert high - low > 0.01 * abs(high), "what hardly moved is a flat line"


def test_numbers_of_ordinary_size_at_an_axis_are_of_one_length():
    rows = [{"epoch": e, "train_loss": 0.11 / e, "validation_loss": 0.1} for e in (1, 2, 3)]
    for figure in (plots.curves(rows), plots.learning_rate_finder([0.1, 1.0], [0.11, 0.1], 0.1)):
        figure.draw_without_rendering()
        assert len({len(label.get_text()) for label in figure.axes[0].get_yticklabels()}) == 1


def test_the_name_of_a_line_is_as_high_as_its_end():
    for axes in plots.curves(history(6)).axes:
        for text, line in zip(axes.texts[:2], axes.lines[:2], strict=True):
            _, end = axes.transAxes.inverted().transform(axes.transData.transform(line.get_xydata()[-1]))
            assert text.get_position()[1] == pytest.approx(end, abs=1e-3)


def test_no_accuracy_above_100_percent_stands_at_the_axis():
    for share, bounds in ((1.0, (95, 100.5)), (0.0, (-0.5, 5)), (0.5, (45, 55))):
        rows = [{"epoch": e, "train_loss": 1 / e, "train_accuracy": share} for e in (1, 2, 3)]
        assert plots.curves(rows).axes[1].get_ylim() == pytest.approx(bounds)


def test_one_spike_of_the_loss_does_not_hide_the_rest():
    spiked = history(6)
    spiked[0]["validation_loss"] = 3e4
    figure = plots.curves(spiked)
    loss, accuracy = figure.axes
    assert loss.get_yscale() == "log" and loss.get_title(loc="left") == "loss (nats), log scale"
    assert accuracy.get_yscale() == "linear" and figure.get_label().startswith("Loss (on a log scale) and accuracy")
    at = loss.transAxes.inverted()
    for text, line in zip(loss.texts[:2], loss.lines[:2], strict=True):  # each name is beside its line's end
        end = at.transform(loss.transData.transform(line.get_xydata()[-1]))[1]
        assert text.get_position()[1] == pytest.approx(end, abs=0.12)
    canvas.png(figure)
    for ordinary in (history(6), [{**row, "validation_loss": 40 if row["epoch"] == 2 else 2} for row in history(6)]):
        figure = plots.curves(ordinary)
        assert figure.axes[0].get_yscale() == "linear" and "log scale" not in figure.get_label()
    below = [{"epoch": e, "train_loss": value} for e, value in enumerate((1e5, -1.0, -2.0, -3.0))]
    assert plots.curves(below).axes[0].get_yscale() == "linear", "no logarithm of what is below 0"


def test_the_highest_accuracy_of_two_is_of_both():
    base = {"macro": {"f1": 0.6}, "log_loss": 0.9, "examples": 60,
            "intervals": {"accuracy": [0.6, 0.8], "macro_f1": [0.5, 0.7], "log_loss": [0.8, 1.0]}}  # fmt: skip
    for scores, title in (
        ((0.9, 0.8, 0.9), "2 runs share the highest accuracy, 90.0 %"),
        ((0.9, 0.9), "All runs share the highest accuracy, 90.0 %"),
        ((0.8, 0.9), "Highest accuracy: run 1, 90.0 %"),
    ):
        runs = {f"run {i}": base | {"accuracy": score} for i, score in enumerate(scores)}
        assert title in words_of(plots.compare(runs))


def test_counts_of_the_confusion_matrix_are_as_large_as_their_cells_let_them_be():
    for k, largest, least in ((3, 140_321, 8.5), (14, 9_000, 8), (24, 15_000, 5)):
        figure = plots.confusion_matrix(np.diag(np.full(k, largest)) + 1, [f"c{i}" for i in range(k)])
        figure.draw_without_rendering()
        (axes,) = figure.axes
        cell = axes.get_window_extent().width / k
        assert f"{largest + 1:,}" in words_of(figure)
        for text in axes.texts:
            assert text.get_fontsize() >= least and text.get_window_extent().width <= cell


def test_entropies_that_hardly_differ_are_told_apart_and_said_to_be_close():
    top = 1 / 3 + 1e-2 * np.r_[np.linspace(1, 2, 30), np.linspace(0.1, 0.2, 30)]
    p = np.stack([top, (1 - top) / 2, (1 - top) / 2], axis=1)
    figure = plots.entropy_histogram(p, np.repeat([0, 1], 30))
    assert "It is hardly less decided where it is wrong" in words_of(figure)
    right, wrong, uniform = re.findall(r"\d\.\d+", figure.get_label())
    assert right < wrong < uniform and len(right) == len(wrong) == len(uniform)
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_xlim()
    assert high - low < 1e-3, "over what occurs, not one bar at the end of what could"
    canvas.png(plots.entropy_histogram(np.full((6, 3), 1 / 3), np.arange(6) % 3))
    canvas.png(plots.entropy_histogram(np.eye(3), np.arange(3)))


@pytest.mark.parametrize(
    "top",
    [0.5 + 1e-5 * np.arange(1, 5), 1 - 1e-16 * np.arange(4), [0.6, 0.6 + 1e-9], [0.58], 0.5 + 5e-3 * np.arange(2, 4)],
)
def test_the_axis_of_entropies_has_numbers_that_can_be_read_and_none_above_what_is_possible(top):
    top = np.array(top)
    figure = plots.entropy_histogram(np.stack([top, 1 - top], axis=1), np.arange(len(top)) % 2)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.xaxis.get_offset_text().get_text() == ""
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert [float(tick) for tick in ticks] == pytest.approx(axes.get_xticks(), rel=1e-9)
    assert max(map(len, ticks)) <= 7 and 0 <= axes.get_xlim()[0] < axes.get_xlim()[1] <= np.log(2)


def test_curves_with_holes():
    rows = history(3)
    rows[1]["validation_loss"] = float("nan")
    del rows[2]["validation_loss"]
    canvas.png(plots.curves(rows))
    no_validation = [{"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.2, "validation_loss": None}]
    caption = plots.curves(no_validation).get_label()
    assert "no finite value" not in caption and caption.endswith(". Dashed: training.")
    assert "Solid: validation; dashed: training." in plots.curves(rows).get_label()
    canvas.png(plots.curves([{"epoch": 1, "train_loss": float("inf")}]))
    with pytest.raises(ValueError, match="at least one row"):
        plots.curves([])


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: plots.confusion_matrix(np.eye(2), CLASSES), "3 classes"),
        (lambda: plots.filters(np.zeros((3, 3, 16, 8))), "1 or 3"),
        (lambda: plots.filters(np.zeros((10, 2)), (2, 2, 1)), "filters expects"),
        (lambda: plots.telling_words(["a"], np.zeros((2, 2)), ["x", "y"]), "weights \\(1, 2\\)"),
        (lambda: plots.schedule(np.zeros((2, 2))), "each step"),
        (lambda: plots.reliability({}, np.zeros(1, int)), "one or two"),
    ],
)
def test_wrong_shapes_are_refused_in_one_line(draw, says):
    with pytest.raises(ValueError, match=says) as error:
        draw()
    assert "\n" not in str(error.value)


def test_filters_count_those_that_learned_nothing():
    W = np.random.default_rng(0).normal(size=(3, 3, 1, 20))
    W[..., 3] = 0
    assert "1 learned next to nothing" in plots.filters(W).get_label()
    assert "; 4 learned next to nothing" in plots.filters(np.zeros((3, 3, 1, 4))).get_label()
    canvas.png(plots.filters(np.random.default_rng(0).normal(size=(5, 5, 3, 96))))


def test_labels_are_spread_apart():
    assert canvas.spread([1.0, 1.0], 0.5) == pytest.approx([0.75, 1.25])
    assert canvas.spread([3.0, 1.0], 0.5) == [3.0, 1.0]
