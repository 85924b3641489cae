"""The bundled comments: balanced, split for good, and no comment twice in other words."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

CSV = Path(__file__).parents[2] / "datasets" / "comments" / "comments.csv"


@pytest.fixture(scope="module")
def rows():
    with open(CSV, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_six_hundred_balanced_comments_in_a_fixed_split(rows):
    assert [int(row["id"]) for row in rows] == list(range(1, 601))
    counts = Counter((row["split"], row["label"]) for row in rows)
    for label in ("negative", "neutral", "positive"):
        assert [counts[split, label] for split in ("train", "validation", "test")] == [140, 20, 40]
    assert len(counts) == 9
    assert len({row["topic"] for row in rows}) >= 10


def jaccard(sets):
    """|a and b| / |a or b| for every pair, with zeros on the diagonal."""
    names = {name: i for i, name in enumerate(sorted(set().union(*sets)))}
    held = np.zeros((len(sets), len(names)), np.float32)
    for row, inside in enumerate(sets):
        held[row, [names[name] for name in inside]] = 1
    both, sizes = held @ held.T, held.sum(axis=1)
    similarity = both / (sizes[:, None] + sizes - both)
    np.fill_diagonal(similarity, 0)
    return similarity


def test_no_two_comments_are_nearly_the_same(rows):
    texts = [row["text"].lower() for row in rows]
    assert jaccard([set(re.findall(r"\w+", text)) for text in texts]).max() < 0.5
    assert jaccard([{text[i : i + 5] for i in range(len(text) - 4)} for text in texts]).max() < 0.4


def test_a_copy_with_one_word_changed_would_be_found(rows):
    text = next(row["text"].lower() for row in rows if len(row["text"].split()) >= 10)
    copy = " ".join(["other", *text.split()[1:]])
    assert jaccard([set(re.findall(r"\w+", t)) for t in (text, copy)]).max() >= 0.5
