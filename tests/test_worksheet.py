"""The worksheet: its numbers against plain formulas and measured slopes, and what each of its two pages shows."""

from __future__ import annotations

import argparse
import re

import numpy as np
import pytest

from minnet import worksheet

SHAPES = [[2, 3, 2], [2, 2], [3, 4, 2, 3], [1, 1, 2]]


def by_name(items):
    return {item.name: item.values for item in items}


def loss_of(found, depth, W, b):
    """The mean surprise, written out anew."""
    h = found["x"]
    for i in range(1, depth + 1):
        z = h @ W[i] + b[i]
        h = np.maximum(0, z)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.log(p[found["truth t"] == 1]).mean()


@pytest.mark.parametrize("layers", SHAPES, ids=str)
@pytest.mark.parametrize("examples", [1, 3])
def test_every_number_is_right(layers, examples):
    for seed in range(5):
        found = by_name(worksheet.calculate(layers, seed, examples, learning_rate=0.25))
        depth = len(layers) - 1
        W = {i: found[f"W{i}"] for i in range(1, depth + 1)}
        b = {i: found[f"b{i}"] for i in range(1, depth + 1)}
        assert found["loss L"].item() == pytest.approx(loss_of(found, depth, W, b), rel=1e-12)
        for i in W:
            for name, arrays in (("W", W), ("b", b)):
                claimed, array = found[f"d{name}{i}"], arrays[i]
                assert claimed.shape == array.shape
                for place in np.ndindex(array.shape):
                    start = array[place]
                    around = []
                    for step in (1e-6, -1e-6):
                        array[place] = start + step
                        around.append(loss_of(found, depth, W, b))
                    array[place] = start
                    assert claimed[place] == pytest.approx((around[0] - around[1]) / 2e-6, abs=1e-8)
                assert np.allclose(found[f"new {name}{i}"], array - 0.25 * claimed, rtol=0, atol=1e-15)
        new = [{i: found[f"new {name}{i}"] for i in W} for name in "Wb"]
        assert found["new loss"].item() == pytest.approx(loss_of(found, depth, *new), rel=1e-12)
        assert np.allclose(found["p"].sum(axis=1), 1) and np.allclose(found[f"dz{depth}"].sum(axis=1), 0)
        for i in range(1, depth):
            assert np.array_equal(found[f"h{i}"], np.maximum(0, found[f"z{i}"]))
            assert np.array_equal(found[f"dz{i}"], np.where(found[f"z{i}"] > 0, found[f"dh{i}"], 0))
            assert np.allclose(found[f"dh{i}"], found[f"dz{i + 1}"] @ W[i + 1].T)


def by_hand(found, depth):
    """Every number, calculated as the page says: five decimals on the way, softmax of scores less their largest."""
    W, b = ({i: found[f"{name}{i}"] for i in range(1, depth + 1)} for name in "Wb")
    t, rate = found["truth t"], found["learning rate η"].item()

    def forward():
        h = found["x"]
        for i in W:
            z[i] = np.round(h @ W[i] + b[i], 5)
            inner[i], h = h, np.maximum(0, z[i])
        e = np.round(np.exp(z[depth] - z[depth].max(axis=1, keepdims=True)), 5)
        p = np.round(e / e.sum(axis=1, keepdims=True), 5)
        return p, np.round(-np.log(p[t == 1]), 5).mean()

    z, inner, done = {}, {}, {}
    done["p"], done["loss L"] = forward()
    d = np.round((done["p"] - t) / len(t), 5)
    for i in range(depth, 0, -1):
        done |= {f"z{i}": z[i], f"dz{i}": d, f"dW{i}": np.round(inner[i].T @ d, 5), f"db{i}": d.sum(axis=0)}
        if i > 1:
            done[f"h{i - 1}"], done[f"dh{i - 1}"] = inner[i], np.round(d @ W[i].T, 5)
            d = done[f"dh{i - 1}"] * (z[i - 1] > 0)
    for i in W:
        W[i], b[i] = (np.round(v[i] - rate * done[f"d{name}{i}"], 5) for name, v in (("W", W), ("b", b)))
        done |= {f"new W{i}": W[i], f"new b{i}": b[i]}
    return {**done, "new loss": forward()[1]}


@pytest.mark.parametrize("layers", SHAPES[:3], ids=str)
@pytest.mark.parametrize("examples", [1, 3])
def test_who_calculates_as_the_page_says_comes_to_its_numbers(layers, examples):
    for seed in range(31):
        items = worksheet.calculate(layers, seed, examples)
        done = by_hand(by_name(items), len(layers) - 1)
        assert set(done) == {item.name for item in items if item.section != "Given"}
        for item in items:
            if item.section != "Given":
                away = np.abs(np.round(done[item.name], 3) - np.round(item.values, 3)).max()
                assert away < 0.0015, (seed, item.name)  # one unit of the last digit
    assert "Keep five decimals on the way, write three" in worksheet.render(items, "t", solved=False)


def test_a_seed_is_a_sheet():
    one, again, other = (worksheet.calculate([2, 3, 2], seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a.values, b.values) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a.values, b.values) for a, b in zip(one, other, strict=True))


def test_sheets_are_worth_calculating():
    for seed in range(30):
        found = by_name(worksheet.calculate([2, 3, 2], seed))
        assert (found["z1"] > 0).sum() >= 2 and (found["z1"] < 0).any()
        assert found["loss L"] > np.log(2)
        assert found["p"].min() > 0.02


def cells(html):
    return re.findall(r"<td>(.*?)</td>", html)


def test_the_blank_page_shows_what_is_given_and_nothing_else():
    items = worksheet.calculate([2, 3, 2], 7)
    solved, blank = (worksheet.render(items, "t", solved) for solved in (True, False))
    given = sum(item.values.size for item in items if item.section == "Given")
    values = [
        (worksheet.given if item.section == "Given" else worksheet.number)(value)
        for item in items
        for value in item.values.ravel()
    ]
    assert cells(solved) == values
    assert cells(blank) == values[:given] + ["&nbsp;"] * (len(values) - given)
    assert [item.section for item in items] == sorted(
        (item.section for item in items), key=["Given", "Forward", "Backward", "Update"].index
    )


def test_the_style_stands_in_the_head_of_the_page_where_html_allows_it():
    head, body = worksheet.render(worksheet.calculate([2, 2]), "t", solved=False).split("</head>")
    assert ".items {" in head and head.count("<style>") == 1 and "<style" not in body


def test_a_line_for_the_name_stands_on_the_blank_page_only():
    solved, blank = (worksheet.render(worksheet.calculate([2, 2]), "t", solved) for solved in (True, False))
    assert "Name ___" in blank and "Name" not in solved


def test_numbers_as_they_are_printed():
    said = [worksheet.number(value) for value in (1.0, -0.5, 0.1, 0.25, 0.12345, -0.0001, -0.0)]
    assert said == ["1", "−0.5", "0.1", "0.250", "0.123", "0.000", "0"]
    said = [worksheet.given(value) for value in (1.0, -0.5, 0.0125, 0.0001, 0.12345678, -0.0)]
    assert said == ["1", "−0.5", "0.0125", "0.0001", "0.12345678", "0"]


def command(*words):
    parser = argparse.ArgumentParser()
    worksheet.add_arguments(parser.add_subparsers())
    args = parser.parse_args(["worksheet", *words])
    return args.run(args)


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command("--layers", "2,3,2", "--seed", "7") == 0
    assert command("--layers", "2,3,2", "--seed", "7", "--solved") == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["worksheet-2-3-2-seed7-solved.html", "worksheet-2-3-2-seed7.html"]
    assert "worksheet-2-3-2-seed7.html" in capsys.readouterr().out
    page = (tmp_path / names[0]).read_text(encoding="utf-8")
    assert "2 → 3 → 2, sheet 7, solved" in page
    assert command("--seed", "7", "--learning-rate", "0.0125", "--examples", "2") == 0
    asked = (tmp_path / "worksheet-2-3-2-seed7-examples2-rate0.0125.html").read_text(encoding="utf-8")
    assert "sheet 7, 2 examples, learning rate 0.0125" in asked and "<td>0.0125</td>" in asked
    assert page.startswith("<!DOCTYPE html>") and "softmax(z2)" in page and "&nbsp;" not in page


def test_a_file_that_was_named_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.html").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.html is there already and is not overwritten"):
        command("--out", "notes.html")
    assert (tmp_path / "notes.html").read_text() == "mine"
    with pytest.raises(SystemExit):
        command("--out", "")
    assert command("--out", "other.html") == 0 and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "2,x"], "wants widths such as 2,3,2"),
        (["--layers", "2"], "2 to 5 widths"),
        (["--layers", "2,1"], "at least 2"),
        (["--layers", "2,9,2"], "from 1 to 6"),
        (["--examples", "9"], "from 1 to 4"),
        (["--learning-rate", "0"], "positive"),
        (["--layers", "6,6,6,6,6", "--examples", "4"], "take narrower layers or fewer examples"),
    ],
)
def test_mistakes_are_named(words, said):
    with pytest.raises(ValueError, match=said):
        command(*words)
