"""Readers of files: right values from small files made by hand, one clear line for damaged ones."""

import numpy as np
import pytest

from minnet.data import readers


def test_cifar_layout_label_then_red_green_blue_planes(tmp_path):
    record = np.zeros(3073, np.uint8)
    record[0] = 7
    record[1 + 5 * 32 + 9] = 11  # red at row 5, column 9
    record[1 + 1024 + 0] = 22  # green at row 0, column 0
    record[1 + 2048 + 1023] = 33  # blue in the last place
    (tmp_path / "batch.bin").write_bytes(record.tobytes() * 2)
    split = readers.read_cifar10_batch(tmp_path / "batch.bin")
    assert split.x.shape == (2, 32, 32, 3) and split.x.dtype == np.uint8 and split.x.flags.c_contiguous
    assert split.y.tolist() == [7, 7] and split.y.dtype == np.int64
    assert (split.x[1, 5, 9, 0], split.x[1, 0, 0, 1], split.x[1, 31, 31, 2]) == (11, 22, 33)
    assert split.x.sum() == 2 * (11 + 22 + 33)


@pytest.mark.parametrize("size", [0, 1, 3072, 3073 * 2 - 1, 3074])
def test_cifar_batch_of_a_wrong_size(tmp_path, size):
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=r"data_batch_1.bin has .* bytes, which is no multiple of 3,073"):
        readers.read_cifar10_batch(tmp_path / "data_batch_1.bin")


def test_cifar_batch_with_a_label_above_nine(tmp_path):
    records = np.zeros((3, 3073), np.uint8)
    records[1, 0] = 10
    (tmp_path / "data_batch_1.bin").write_bytes(records.tobytes())
    with pytest.raises(ValueError, match="image 1 has label 10, but CIFAR-10 has labels 0 to 9"):
        readers.read_cifar10_batch(tmp_path / "data_batch_1.bin")


def test_digits_fill_the_range_of_bytes():
    split = readers.read_digits()
    assert split.x.shape == (1797, 8, 8, 1) and split.x.dtype == np.uint8
    assert (split.x.min(), split.x.max()) == (0, 255)
    assert np.bincount(split.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def write_tweets(folder, texts, labels):
    (folder / "val_text.txt").write_bytes(texts)
    (folder / "val_labels.txt").write_bytes(labels)


def test_only_a_line_feed_ends_a_tweet(tmp_path):
    text = "one\u2028still one\x0bstill\x85one\r\ntwo\n\nfour"
    write_tweets(tmp_path, text.encode(), b"0\n1\r\n2\n2\n")
    split = readers.read_tweeteval(tmp_path, "val")
    assert split.x == ["one\u2028still one\x0bstill\x85one", "two", "", "four"]
    assert split.y.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (b"a\nb\nc\n", b"0\n1\n", r"val_text.txt has 3 lines and val_labels.txt has 2"),
        (b"a\nb\n", b"0\n3\n", r"val_labels.txt, line 2: label '3' is none of 0, 1, 2"),
        (b"a\nb\n", b"0\npositive\n", r"line 2: label 'positive' is none of"),
        (b"", b"", r"val_text.txt is empty"),
        (b"a\n\xff\xfe\n", b"0\n1\n", r"val_text.txt is not UTF-8 text: byte 2 is 0xff"),
    ],
)
def test_damaged_tweets(tmp_path, texts, labels, message):
    write_tweets(tmp_path, texts, labels)
    with pytest.raises(ValueError, match=message) as caught:
        readers.read_tweeteval(tmp_path, "val")
    assert "\n" not in str(caught.value)


def write_vader(folder, line=b"1\t0.5\tfine"):
    for name in readers.VADER_DOMAINS.values():
        (folder / name).write_bytes(b"9\t-4\tawful\r\n")
    (folder / "movieReviewSnippets_GroundTruth.txt").write_bytes(line)


def test_vader_lines_and_domains(tmp_path):
    write_vader(tmp_path, "1\t2.25\tbien s\u00fbr\r\n2_1\t-0.5\t'not' \"good\"".encode())
    texts, ratings, domains = readers.read_vader(tmp_path)
    assert texts == ["awful", "bien sûr", "'not' \"good\"", "awful", "awful"]
    assert ratings.tolist() == [-4, 2.25, -0.5, -4, -4]
    assert domains.tolist() == [0, 1, 1, 2, 3]


def test_both_borders_belong_to_the_outer_classes():
    ratings = np.array([-4, -0.5, np.nextafter(-0.5, 0), 0, np.nextafter(0.5, 0), 0.5, 4])
    assert readers.sentiment_of(ratings).tolist() == [0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1\t0.5", "line 1: expected id, rating and text"),
        (b"1\t0.5\tok\r\n2\tgood\ttext", r"line 2: expected a rating in \[-4, 4\], got 'good'"),
        (b"1\t0.5\ta\tb", "line 1: expected id, rating and text"),
        (b"1\t4.5\ttext", r"line 1: expected a rating in \[-4, 4\], got '4.5'"),
        (b"1\tnan\ttext", "line 1: expected a rating in .*, got 'nan'"),
        (b"1\t0.5\t\xe9", "is not UTF-8 text: byte 6 is 0xe9"),
    ],
)
def test_damaged_vader(tmp_path, line, message):
    write_vader(tmp_path, line)
    with pytest.raises(ValueError, match=message):
        readers.read_vader(tmp_path)


HEADER = "id,split,label,topic,text\n"
ROWS = '1,train,negative,food,"cold, soggy"\n2,validation,neutral,rain,it rained\n3,test,positive,cat,"she ""purrs"""\n'


def test_a_lexicons_terms_are_those_that_are_one_token(tmp_path):
    lines = [":P\t1.4\t0.8\t[1]", ":p\t1.0", "Good\t2\t0", "two words\t3", ":\xde\t1.1", "d\xe9j\xe0\t-0.5\r"]
    (tmp_path / readers.VADER_LEXICON).write_bytes("\n".join(lines).encode("latin-1"))
    assert readers.read_lexicon(tmp_path) == {":p": pytest.approx(1.2), "good": 2.0, "déjà": -0.5}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("good", "line 2: expected term and rating separated by tabs, got 'good'"),
        ("good\tvery", "line 2: expected a rating in .*, got 'very'"),
        ("", "line 2: expected term and rating"),
        ("good\t4.5", "line 2: expected a rating in .*, got '4.5'"),
        ("good\tnan", "line 2: expected a rating in .*, got 'nan'"),
    ],
)
def test_damaged_lexicon(tmp_path, line, message):
    (tmp_path / readers.VADER_LEXICON).write_text(f"bad\t-2.5\n{line}\nfine\t0.8\n")
    with pytest.raises(ValueError, match=message):
        readers.read_lexicon(tmp_path)


def test_comments_by_split(tmp_path):
    content = (HEADER + ROWS).replace("it rained", "it\u2028rained")
    (tmp_path / "comments.csv").write_text(content, encoding="utf-8-sig")
    parts = readers.read_comments(tmp_path / "comments.csv")
    assert [part.x for part in parts.values()] == [["cold, soggy"], ["it\u2028rained"], ['she "purrs"']]
    assert [part.y.tolist() for part in parts.values()] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "needs the columns split, label and text"),
        (HEADER, "needs the columns split, label and text"),
        ("id,text\n1,hello\n", "needs the columns split, label and text"),
        (HEADER + ROWS.replace("neutral", "meh"), "line 3: label 'meh' is none of negative, neutral, positive"),
        (HEADER + "1,train\n" + ROWS, "line 2: label '' is none of"),
        (HEADER + ROWS.replace("3,test", "3,train"), "has no row of the split 'test'"),
    ],
)
def test_damaged_comments(tmp_path, content, message):
    (tmp_path / "comments.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        readers.read_comments(tmp_path / "comments.csv")
