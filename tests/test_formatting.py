"""What a terminal shows of names and numbers: none taken for another, none more certain than it is."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from minnet import metrics, quantification
from minnet.formatting import (
    aligned,
    bars,
    command_line,
    extremes,
    interval,
    isolated,
    number,
    one_line,
    p_value,
    percent,
    shortened,
    together,
    width_of,
)

COMPLAINTS = [f"Customer complaint about the delivery: {why}" for why in ("too late", "broken", "not there at all")]


@pytest.mark.parametrize(
    ("given", "width", "expected"),
    [
        (COMPLAINTS, 24, ["…too late", "…broken", "…not there at all"]),
        (COMPLAINTS, 40, [f"…about the delivery: {why}" for why in ("too late", "broken", "not there at all")]),
        (["run_of_model_a_rate_0.1", "run_of_model_b_rate_0.1"], 12, ["…a_rate_0.1", "…b_rate_0.1"]),
        (
            [f"a common beginning {a} and what follows them all to the end, {b}" for a in "mn" for b in "xy"],
            16,
            ["…m and…end, x", "…m and…end, y", "…n and…end, x", "…n and…end, y"],
        ),
        (["猫" * 20, "dog"], 10, ["猫猫猫猫…", "dog"]),
        (["x" * 30] * 2, 10, ["x" * 9 + "…"] * 2),
        ([], 10, []),
    ],
)  # fmt: skip
def test_names_are_cut_where_they_do_not_differ(given, width, expected):
    assert shortened(given, width) == expected
    assert all(width_of(name) <= width for name in expected)


def test_classes_that_begin_alike_are_told_apart_in_every_table():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]])
    evaluated = metrics.evaluate(p, np.array([0, 1, 1]), COMPLAINTS, bootstrap=5)
    for text in (
        bars(p[0], COMPLAINTS),
        metrics.table(evaluated),
        quantification.table(quantification.class_shares(p, None, bootstrap=5), COMPLAINTS),
    ):
        for why in ("too late", "broken", "not there at all"):
            assert sum(why in line for line in text.splitlines() if "%" in line or "." in line) >= 1, text
    assert "there are no examples of …not there at all, which" in metrics.table(evaluated)


def test_columns_stand_below_each_other_in_an_encoding_that_lacks_the_names(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    rows = [["class", "recall"], ["中文类别", "0.5"], ["a long n…", "1"], ["–", "0.25"]]
    assert aligned(rows, left=1) == [
        "class        recall",
        "????            0.5",
        "a long n...       1",
        "-              0.25",
    ]


def test_no_end_of_an_interval_is_rounded_to_certainty():
    assert interval([0.9999, 1.0], 1, True) == ">99.9 to 100.0 %"
    assert interval([0.0, 1e-4], 1, True) == "0.0 to <0.1 %"
    assert interval([1e-17, 1 - 2e-16], 1, True) == "0.0 to 100.0 %"  # so much is lost in Wilson's sums
    assert interval([-1e-17, 0.1], 1, True) == "0.0 to 10.0 %"
    assert interval([-0.04, 3.1], 1) == "0.0 to 3.1" and interval([-0.0004, -1e-17]) == "-0.0004 to 0.000"
    assert interval([0.9999, 1.0]) == "0.9999 to 1.000" and interval(None) == "–"
    assert percent(1.0, 1) == "100.0 %"


def test_what_turns_the_direction_of_a_line_is_left_out_of_names():
    assert one_line("\u202eevil\u202c \u2066x\u2069\u2068y") == "evil xy"
    assert shortened(["\u202eevil", "dog"], 9) == ["evil", "dog"]


def test_names_written_from_right_to_left_are_set_apart_in_a_sentence():
    assert isolated("dog\n\u2069") == "dog"
    assert isolated("קטן \u2069x") == "\u2068קטן x\u2069" and isolated("جيد") == "\u2068جيد\u2069"


def test_the_ends_of_a_row_of_numbers_are_shared_by_all_that_look_alike():
    assert extremes([0.5, 0.9, 0.9001, 0.1], lambda value: f"{value:.2f}") == [("0.90", [1, 2]), ("0.10", [3])]
    assert together(["a"]) == "a" and together(["a", "b", "c"]) == "a, b and c" and together("abcd") == "4 classes"


def test_numbers_far_from_one_are_shown_by_their_first_digits():
    assert [number(x) for x in (0.704, 0.0, -1.5, 9999, 1e4, 3.03e34, 0.00042, -2e-7, None)] == [
        "0.704", "0.000", "-1.500", "9999.000", "1e+04", "3.03e+34", "0.00042", "-2e-07", "–"
    ]  # fmt: skip
    assert [number(x, 4) for x in (0.5, float("inf"), float("nan"))] == ["0.5000", "inf", "nan"]


def test_what_is_below_one_is_not_rounded_to_one():
    assert [number(x) for x in (0.9994, 0.9997, 0.9999, 0.999951, 1 - 3e-8, 1 - 1e-15, 1.0, 1.0004)] == [
        "0.999", "0.9997", "0.9999", "0.99995", "0.99999997", "1.000", "1.000", "1.000"
    ]  # fmt: skip
    assert [number(x, 4) for x in (0.9997, 0.99994, 0.99997, 1.0)] == ["0.9997", "0.9999", "0.99997", "1.0000"]
    assert interval((0.998, 0.99996)) == "0.998 to 0.99996"
    assert [p_value(p) for p in (0.0494, 0.0498, 0.05, 0.0501, 0.0506)] == [
        "p = 0.049", "p = 0.0498", "p = 0.0500", "p = 0.0501", "p = 0.051"
    ]  # fmt: skip
    assert [p_value(p) for p in (0.0009, 0.001, 0.9994, 0.9995, 1.0)] == [
        "p < 0.001", "p = 0.001", "p = 0.999", "p > 0.999", "p = 1.000"
    ]  # fmt: skip


@pytest.mark.parametrize(("system", "quote"), [("nt", '"'), ("posix", "'")])
def test_a_command_is_quoted_as_this_systems_terminal_reads_it(system, quote, monkeypatch):
    monkeypatch.setattr("minnet.formatting.os", SimpleNamespace(name=system))
    folder = r"C:\my pictures"
    assert command_line(["python", "train.py", "images", folder]) == f"python train.py images {quote}{folder}{quote}"
