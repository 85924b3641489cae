"""Your own CSV and your own folder of pictures: what people really have."""

import csv
import io
import os
import shutil
import sys
import warnings
import zipfile
from pathlib import Path, PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minnet.data import load_csv, load_images, own
from minnet.data.dataset import Split, divided_by_class
from minnet.data.encodings import candidates, decoded
from minnet.data.tables import header_of, labelled_texts, table_of
from tests.drawing import steady


def table(rows=30, header=("id", "review", "mood"), labels=("bad", "fine", "great"), **settings):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, **settings)
    writer.writerow(header)
    writer.writerows(
        [index, f'text {index}, "quoted"; a\ttab\nand lines', labels[index % len(labels)]] for index in range(rows)
    )
    return stream.getvalue()


def written(folder, content, encoding="utf-8"):
    path = folder / "reviews.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def everything(dataset):
    """All examples of a dataset as a set of (text, class)."""
    return {
        (text, dataset.classes[label])
        for split in dataset.splits().values()
        for text, label in zip(split.x, split.y, strict=True)
    }


@pytest.mark.parametrize("settings", [{}, {"delimiter": ";"}, {"delimiter": "\t"}, {"delimiter": "|"}, {"quoting": 1}])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_delimiters_quotes_and_unicode_encodings(tmp_path, settings, encoding):
    dataset = load_csv(written(tmp_path, table(**settings), encoding), "review", "mood")
    assert dataset.classes == ("bad", "fine", "great") and dataset.kind == "text" and dataset.name == "reviews"
    assert [len(split) for split in dataset.splits().values()] == [21, 3, 6]
    assert {text for text, _ in everything(dataset)} == {f'text {i}, "quoted"; a\ttab\nand lines' for i in range(30)}
    assert ('text 4, "quoted"; a\ttab\nand lines', "fine") in everything(dataset)


FRENCH = "Très déçu, l'été a été raté"
CHINESE = "这部电影真好看，我很喜欢。"


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", FRENCH), ("gb18030", CHINESE), ("cp1252", "50 € – “naïve”")])
def test_encodings_of_windows_are_found_out(tmp_path, encoding, text):
    content = "text,label\n" + "".join(f'"{text} {index}",{"ab"[index % 2]}\n' for index in range(12))
    with pytest.warns(UserWarning, match=f"is not UTF-8 and is read as {encoding}, which gives .*{text[:5]}") as caught:
        dataset = load_csv(written(tmp_path, content, encoding), "text", "label")
    assert len(caught) == 1 and "--encoding" in str(caught[0].message)
    assert everything(dataset) == {(f"{text} {index}", "ab"[index % 2]) for index in range(12)}
    assert dataset.source == f"{tmp_path / 'reviews.csv'} ({encoding})"


def test_one_wrong_byte_in_utf8_is_named_and_not_read_as_another_encoding(tmp_path):
    lines = [f"très bon café numéro {index},{index % 2}" for index in range(40)]
    content = "\n".join(["text,label", *lines]).encode()
    (tmp_path / "cut.csv").write_bytes(content.replace("numéro 30".encode(), b"num\xe9ro 30"))
    with pytest.raises(ValueError, match=r"cut.csv, line 32: byte [\d,]+ is not UTF-8, as the rest of the file is"):
        load_csv(tmp_path / "cut.csv", "text", "label")


def test_a_control_character_is_no_reason_to_refuse_the_encoding_that_was_named(tmp_path):
    rows = [f"a\x1fb {index},{index % 2}" for index in range(20)]
    path = written(tmp_path, "\n".join(["text,label", *rows]))
    for encoding in (None, "utf-8", "latin-1"):
        assert len(everything(load_csv(path, "text", "label", encoding=encoding))) == 20
    damaged = written(tmp_path, "\n".join(["text,label", *rows, "a\0b,0"]))
    for encoding in (None, "utf-8"):
        with pytest.raises(ValueError, match=r"reviews\.csv, line 22: a zero byte stands in the text, as in a damaged"):
            load_csv(damaged, "text", "label", encoding=encoding)


def test_a_control_character_in_a_table_of_windows_is_named(tmp_path):
    rows = "\r\n".join(["text,label", *(f"l'été raté {index},{index % 2}" for index in range(20))])
    with pytest.warns(UserWarning, match="is read as cp1252"):  # the end mark of DOS belongs to no label
        assert load_csv(written(tmp_path, rows + "\x1a", "cp1252"), "text", "label").classes == ("0", "1")
    for end, encoding in (("\x1a", "utf-8"), ("\x1a", "utf-16")):
        assert load_csv(written(tmp_path, rows + end, encoding), "text", "label").classes == ("0", "1")
    damaged = written(tmp_path, rows.replace("raté", "rat\x1bé", 3), "cp1252")
    with pytest.raises(ValueError, match=r"cannot be read as text for the control character '\\x1b' in line 2: take"):
        load_csv(damaged, "text", "label")
    assert len(everything(load_csv(damaged, "text", "label", encoding="cp1252"))) == 20


def test_utf_16_of_other_alphabets_is_no_damaged_utf_8(tmp_path):
    """Cyrillic letters in UTF-16 are pairs of bytes below 128, which UTF-8 would take; few of them are zero."""
    content = "text,label\n" + "".join(
        f"{'привет' * 5} {index},{'да' if index % 2 else 'нет'}\n" for index in range(24)
    )
    for encoding in ("utf-16-le", "utf-16-be"):
        path = written(tmp_path, content, encoding)
        assert path.read_bytes().count(0) < path.stat().st_size / 8
        for named in (None, encoding):
            assert load_csv(path, "text", "label", encoding=named).classes == ("да", "нет")


def test_a_named_encoding_is_used(tmp_path):
    content = "text,label\n" + "".join(f"привет {index},{index % 2}\n" for index in range(12))
    path = written(tmp_path, content, "cp1251")
    assert ("привет 3", "1") in everything(load_csv(path, "text", "label", encoding="cp1251"))
    with pytest.raises(ValueError, match="cannot be read as utf-8"):
        load_csv(path, "text", "label", encoding="utf-8")
    with pytest.raises(ValueError, match="unknown encoding 'klingon'"):
        load_csv(path, "text", "label", encoding="klingon")


@steady(100)
@given(st.text(st.characters(codec="gb18030", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_utf8_is_always_taken_for_utf8(text):
    content = text.encode("utf-8")
    assert content.decode(candidates(content)[0]) == text.removeprefix("\ufeff")


def test_missing_values_are_left_out_and_counted(tmp_path):
    content = table(rows=12) + "98,,bad\n99,no label,\n100,not a number,NaN\n101,short\n\n , ,\n"
    with pytest.warns(UserWarning, match=r"reviews.csv: rows with the label 'NaN' \(1\) are left out, .* call it some"):
        dataset = load_csv(written(tmp_path, content), "review", "mood")
    assert len(everything(dataset)) == 12
    assert "4 of 16 rows left out for want of text or label" in dataset.source


def test_a_class_that_is_called_like_a_missing_value_does_not_vanish_in_silence(tmp_path):
    content = table(rows=40, labels=("none", "some", "null", "N/A")) + "98,,null\n"
    with pytest.warns(UserWarning, match=r"label 'null' \(10\), 'N/A' \(10\) are left out") as caught:
        dataset = load_csv(written(tmp_path, content), "review", "mood")
    assert dataset.classes == ("none", "some") and len(caught) == 1


def test_a_dash_among_labels_is_perhaps_none(tmp_path, recwarn):
    for labels in (("+", "-", "0"), ("yes", "-"), ("\U0001f44d", "\U0001f44e", "so so")):
        load_csv(written(tmp_path, table(labels=labels)), "review", "mood")
    assert not len(recwarn)
    with pytest.warns(UserWarning, match=r"label '-' \(10\), '\?' \(10\) are taken for a class: .*, leave it empty"):
        dataset = load_csv(written(tmp_path, table(rows=50, labels=("a", "-", "b", "?", "c"))), "review", "mood")
    assert len(dataset.classes) == 5


def test_a_second_row_of_names_is_asked_about(tmp_path):
    rows = "".join(f"text {index},{'ab'[index % 2]}\n" for index in range(20))
    with pytest.raises(ValueError, match=r"of 'Stimmung' \(1\) \(it stands in the first row: is that a second row of"):
        load_csv(written(tmp_path, f"text,label\nKommentar,Stimmung\n{rows}"), "text", "label")
    with pytest.raises(ValueError, match=r"of 'Stimmung' \(1\): each class needs at least 3"):
        load_csv(written(tmp_path, f"text,label\n{rows}Kommentar,Stimmung\n"), "text", "label")
    folder = gallery(tmp_path / "pets", kinds=("b", "c"))
    (folder / "a").mkdir()
    shutil.move(folder / "b" / "0.png", folder / "a")
    with pytest.raises(ValueError, match=r"of 'a' \(1\): each class needs at least 3"):
        load_images(folder)


def test_a_column_without_a_name_is_seen_in_the_list(tmp_path):
    with pytest.raises(ValueError, match=r"with one of: '', review, mood$"):
        labelled_texts(written(tmp_path, table(header=("", "review", "mood"))), None, None, None)
    content = "text,,label\n" + "".join(f"t{index},,{index}\n" for index in range(60))
    with pytest.raises(ValueError, match=r"the columns are text, '', label$"):
        load_csv(written(tmp_path, content), "text", "label")


def test_two_columns_of_one_name_are_refused(tmp_path):
    for header in (("mood", "review", "mood"), ("Mood", "review", "MOOD")):
        with pytest.raises(ValueError, match=r"reviews.csv has 2 columns 'mood', so which one is meant"):
            load_csv(written(tmp_path, table(header=header)), "review", "mood")
    assert (
        len(everything(load_csv(written(tmp_path, table(header=("Mood", "review", "mood"))), "review", "mood"))) == 30
    )


def test_columns_by_name_whatever_their_case_and_spaces(tmp_path):
    content = table(header=("ID", " Review ", "Mood"))
    assert len(load_csv(written(tmp_path, content), "review", "MOOD").test) == 6
    with pytest.raises(
        ValueError, match=r"has no column 'text': its first line, which names the columns, is 'ID', 'Review', 'Mood'$"
    ):
        load_csv(written(tmp_path, content), "text", "Mood")


def test_a_column_is_found_however_its_name_is_composed_and_spaced(tmp_path):
    for name in ("R\u00e9sum\u00e9 du cours", " re\u0301sume\u0301\u00a0du cours ", '"R\u00e9sum\u00e9\ndu  cours"'):
        path = written(tmp_path, table(delimiter=";", header=("a,b", "review", "mood")).replace("review", name, 1))
        for wanted in ("r\u00e9sum\u00e9 du cours", "Re\u0301sume\u0301 du cours"):
            assert len(everything(load_csv(path, wanted, "MOOD "))) == 30


def test_a_spreadsheets_hint_and_a_table_with_tabs_and_stray_quotes(tmp_path):
    for hint, mark, ends in (
        ("sep=|\n", "|", "\n"),
        ("SEP=;  \r\n", ";", "\r\n"),
        ("\nsep=\t\n", "\t", "\n"),
        ("sep=;\r", ";", "\r"),
    ):
        path = written(tmp_path, hint + table(delimiter=mark).replace("\r\n", "\n").replace("\n", ends))
        assert len(everything(load_csv(path, "review", "mood"))) == 30
    with pytest.raises(ValueError, match="line 4: 3 fields, but the header has 2"):
        load_csv(written(tmp_path, "sep=;\ntext;label\na;b\na;b;c\n"), "text", "label")
    path = written(tmp_path, "\r\n\n" + table(delimiter=";"))
    assert len(everything(load_csv(path, "review", "mood"))) == 30
    rows = [f'"Great" he said {index}\t{index % 2}' for index in range(20)]
    dataset = load_csv(written(tmp_path, "\n".join(["review\tmood", *rows])), "review", "mood")
    assert ('"Great" he said 7', "1") in everything(dataset)
    rows.append("two\u2028lines\t1")
    dataset = load_csv(written(tmp_path, "\r\n".join(["review\tmood", *rows])), "review", "mood")
    assert ("two\u2028lines", "1") in everything(dataset) and len(everything(dataset)) == 21


def test_a_text_longer_than_the_csv_modules_limit(tmp_path):
    before = csv.field_size_limit()
    content = table() + f"77,{'long ' * 60_000},bad\n"
    assert len(everything(load_csv(written(tmp_path, content), "review", "mood"))) == 31
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    "labels",
    [("no", "yes"), tuple(f"class {index:02}" for index in range(15)), ("-1", "9", "10"), ("-1,5", "2,5", "3", "10,0")],
)
def test_any_number_of_classes_in_a_sensible_order(tmp_path, labels):
    dataset = load_csv(written(tmp_path, table(rows=150, labels=labels[::-1])), "review", "mood")
    assert dataset.classes == labels
    for split in dataset.splits().values():
        assert len(np.unique(split.y)) == len(labels)


def test_imbalance_keeps_every_class_in_every_split(tmp_path):
    content = "text,label\n" + "".join(f"t{index},{'rare' if index < 3 else 'common'}\n" for index in range(300))
    dataset = load_csv(written(tmp_path, content), "text", "label")
    assert [np.bincount(split.y).tolist() for split in dataset.splits().values()] == [[208, 1], [30, 1], [59, 1]]


@pytest.mark.parametrize("settings", [{"validation": 0.9}, {"validation": 200, "limit": 10}, {"limit": 10}])
def test_a_class_of_which_nothing_is_left_to_train_on_is_named(tmp_path, settings):
    content = "text,label\n" + "".join(f"t{index},{'rare' if index < 3 else 'common'}\n" for index in range(300))
    with pytest.raises(ValueError, match="no example of 'rare' is left to train on: hold out fewer"):
        load_csv(written(tmp_path, content), "text", "label", **settings)


@steady(100)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=5), st.floats(0.01, 0.99))
def test_division_by_class_leaves_one_on_each_side(counts, fraction):
    y = np.repeat(np.arange(len(counts)), counts)
    rest, part = divided_by_class(Split(list(map(str, range(len(y)))), y), fraction, np.random.default_rng(0))
    assert sorted(map(int, rest.x + part.x)) == list(range(len(y)))
    for label, count in enumerate(counts):
        taken = np.sum(part.y == label)
        assert 1 <= taken <= count - 1 and (abs(taken - fraction * count) <= 0.5 or taken in (1, count - 1))


def test_validation_test_limit_and_seed(tmp_path):
    path = written(tmp_path, table(rows=300))
    assert load_csv(path, "review", "mood", validation=0).validation is None
    assert len(load_csv(path, "review", "mood", validation=50).validation) == 50
    assert len(load_csv(path, "review", "mood", test=0.5).test) == 150
    assert len(load_csv(path, "review", "mood", limit=60).train) == 60
    prints = [load_csv(path, "review", "mood", seed=seed).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    with pytest.raises(ValueError, match="test must be a fraction between 0 and 1, got 2"):
        load_csv(path, "review", "mood", test=2)


@pytest.mark.parametrize("validation", [24, 1.5, -1])
def test_a_validation_part_that_is_too_large_is_refused_before_the_long_work(tmp_path, monkeypatch, validation):
    monkeypatch.setattr(own, "content", lambda example: pytest.fail("looked for copies"))
    monkeypatch.setattr(own, "read_image", lambda *_: pytest.fail("read a picture"))
    said = f"validation must be a count from 0 to 23, .* got {validation}"
    with pytest.raises(ValueError, match=said):
        load_csv(written(tmp_path, table(rows=30)), "review", "mood", validation=validation)
    with pytest.raises(ValueError, match=said):
        load_images(gallery(tmp_path / "pets", count=15), validation=validation)


def test_a_lone_quote_that_swallows_rows_is_named(tmp_path):
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(30)]
    rows[4], rows[9] = '"' + rows[4], rows[9].replace(",", '",')
    with pytest.warns(UserWarning, match=r"reviews\.csv, line 6: one text runs over 6 lines .*'text 4.*by accident\?"):
        load_csv(written(tmp_path, "\n".join(["text,label", *rows])), "text", "label")
    verses = '"one, two\nthree\n\nfour, five\nsix\nseven"'  # a comma in some of its lines
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_csv(written(tmp_path, "\n".join(["text,label", *rows[10:], f"{verses},a"])), "text", "label")


@pytest.mark.parametrize("mark", [",", "\t", ";"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 1, 0)])
def test_a_pair_of_stray_quotes_that_makes_one_text_of_two_rows_is_named(tmp_path, recwarn, mark, order):
    rows = [("text", "label", "id"), *((f"text {n}", "ab"[n % 2], str(n)) for n in range(30))]

    def read(*stray):
        columns = [[row[at] for at in order] for row in rows]
        for number, quoted in stray:
            columns[number][order.index(0)] = quoted
        load_csv(written(tmp_path, "\n".join(mark.join(row) for row in columns)), "text", "label")
        return [str(warning.message) for warning in recwarn]

    assert read((9, '"text, she said\n\nand, b\nmore"')) == []  # a text of several lines
    (said,) = read((9, '"text 9'), (10, 'text 10"'))
    assert "1 text holds what looks like another row, label and all, such as 'text 9" in said


def test_the_columns_of_a_table(tmp_path):
    for content in ("\n id ;Text;\u00e9\n1;2;3\n", "sep=;\r\nid;Text;\u00e9\r\n1;2;3\r\n", "id;Text;\u00e9\r1;2;3\r"):
        assert header_of(written(tmp_path, content, "cp1252"), "cp1252") == ["id", "Text", "\u00e9"]


def test_a_space_before_a_quote_belongs_to_no_field(tmp_path):
    rows = ['"text", "label"', *(f'"good, {n}", "{"pn"[n % 2]}"' for n in range(20)), " good 20,p"]
    dataset = load_csv(written(tmp_path, "\n".join(rows)), "text", "label")
    assert dataset.classes == ("n", "p")
    assert {text for text, _ in everything(dataset)} == {"good 20", *(f"good, {n}" for n in range(20))}
    lines = ["text\tlabel", *(f' "good" {n}\t{"pn"[n % 2]}' for n in range(20))]  # tabs without quotes
    dataset = load_csv(written(tmp_path, "\n".join(lines)), "text", "label")
    assert {text for text, _ in everything(dataset)} == {f'"good" {n}' for n in range(20)}


def test_marks_that_nothing_shows_make_no_class_of_their_own(tmp_path):
    labels = ["pos", "neg", "\u200bpos", "neg\ufeff", "p\u00ados", "\u200eneg", "pos\u200d", "👨\u200d👩"]
    rows = ["text,label", *(f"text {n},{label}" for n, label in enumerate(labels * 3))]
    dataset = load_csv(written(tmp_path, "\n".join(rows)), "text", "label")
    assert dataset.classes == ("neg", "pos", "👨\u200d👩")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty|has no row"),
        (b" \n\n", "is empty"),
        (b"sep=;\n", "is empty"),
        (b"text,label\n", "has no row with both a 'text' and a 'label'"),
        (b"text,label\n,a\nb,\n", "has no row with both"),
        (b"hello\nworld\n", "has no column 'text': its first line, which names the columns, is 'hello'"),
        (b"text,label\nfine, really,a\n", "line 2: 3 fields, but the header has 2: a text that holds the delimiter"),
        (b'text,label\n"never closed,a\nb,c\n', "line 2: unexpected end of data: the quote opened there is never"),
        (b'text,label\n"two\nlines",a\n"one" two,a\n', "line 4: .*a quote inside a quoted text must be doubled"),
        (b'text,label\n"one" two,a\n', "line 2: .*a quote inside a quoted text must be doubled"),
        (b'text,label\n"one" ,a\n', "line 2: .*no space stands behind a closing one"),
        (b"text,label\na,x\nb,x\nc,x\n", "has only the class 'x'"),
        (
            b"text,label\n" + b"a,x\nb,y\n" * 3 + b"c,z\nc,z\n",
            r"too few examples of 'z' \(2\): each class needs at least 3",
        ),
        (
            b"text,label\n" + b"".join(b"t,%d\n" % i for i in range(60)),
            "60 different values in 60 rows, so it names no",
        ),
        (b"PK\x03\x04rest of a spreadsheet", "a spreadsheet or archive: save the table as CSV"),
        (b"\x00\x01\x02\xff" * 50, "cannot be read as text"),
    ],
)
def test_what_is_no_table_is_one_clear_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_csv(written(tmp_path, content), "text", "label")
    assert "\n" not in str(caught.value) and "reviews" in str(caught.value)


def test_no_file_a_folder_and_a_delimiter_of_two_characters(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_csv(tmp_path / "none.csv", "text", "label")
    with pytest.raises(ValueError, match="is a folder"):
        load_csv(tmp_path, "text", "label")
    with pytest.raises(ValueError, match="a delimiter is one character"):
        load_csv(written(tmp_path, table()), "review", "mood", delimiter="::")


@steady(60)
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text("ab", min_size=1))
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_table_that_csv_writes_is_read_back(tmp_path_factory, rows, delimiter):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("the text", "the label"), *rows])
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes(stream.getvalue().encode("utf-8"))
    header, found = table_of(path, decoded(path, None)[0], ("the text", "the label"))
    assert header == ["the text", "the label"] and found == [list(row) for row in rows]


# -- pictures ----------------------------------------------------------------------------------------------------


def gallery(folder, sizes=((40, 30), (20, 50)), kinds=("cat", "dog"), count=10, mode="RGB"):
    """Pictures by class: cats are dark, dogs are light."""
    for label, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for index in range(count):
            shade = 40 + 160 * label + index
            Image.new("L", sizes[index % len(sizes)], shade).convert(mode).save(folder / kind / f"{index}.png")
    return folder


def test_a_folder_of_pictures_by_class(tmp_path):
    dataset = load_images(gallery(tmp_path / "pets"), size=(16, 24))
    assert dataset.name == "pets" and dataset.kind == "images" and dataset.classes == ("cat", "dog")
    assert [split.x.shape for split in dataset.splits().values()] == [(14, 16, 24, 3), (2, 16, 24, 3), (4, 16, 24, 3)]
    for split in dataset.splits().values():
        assert np.all((split.x.mean(axis=(1, 2, 3)) > 128) == (split.y == 1))
        assert np.all(np.bincount(split.y) == len(split) // 2)
        for picture, label, file in zip(split.x, split.y, split.files, strict=True):
            kind, number = file.split("/")
            assert (
                kind == dataset.classes[label] and np.abs(picture - (40.0 + 160 * label + int(number[:-4]))).max() < 2
            )
    whole = load_images(tmp_path / "pets", validation=0)
    names = sorted([*whole.train.files, *whole.test.files])
    assert names == sorted(f"{kind}/{index}.png" for kind in ("cat", "dog") for index in range(10))


@pytest.mark.filterwarnings("ignore:.*far smaller than")
def test_the_common_size_is_kept_and_otherwise_it_is_32(tmp_path):
    assert load_images(gallery(tmp_path / "a", sizes=[(20, 10)])).train.x.shape[1:] == (10, 20, 3)
    assert load_images(gallery(tmp_path / "b")).train.x.shape[1:] == (32, 32, 3)
    assert load_images(gallery(tmp_path / "c", sizes=[(100, 100)])).train.x.shape[1:] == (32, 32, 3)
    assert load_images(gallery(tmp_path / "d"), size=8).train.x.shape[1:] == (8, 8, 3)
    assert load_images(gallery(tmp_path / "e", sizes=[(8, 64)])).train.x.shape[1:] == (64, 8, 3)
    for name, size in (("f", (7, 64)), ("g", (8, 65))):  # pooling would leave nothing, or much work
        assert load_images(gallery(tmp_path / name, sizes=[size])).train.x.shape[1:] == (32, 32, 3)
    kept = load_images(gallery(tmp_path / "h", sizes=[(20, 10)]))
    assert kept.source == str(tmp_path / "h"), "nothing was done to them that must be said"


def test_grey_files_stay_grey_until_one_has_colour(tmp_path):
    folder = gallery(tmp_path / "grey", mode="L")
    assert load_images(folder).train.x.shape[3] == 1
    Image.new("P", (9, 9)).save(folder / "cat" / "palette.png")
    assert load_images(folder).train.x.shape[3] == 3


def test_hidden_files_are_passed_over_and_broken_ones_listed_in_one_warning(tmp_path):
    folder = gallery(tmp_path / "pets")
    for name in (".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
        (folder / "cat" / name).write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / "__MACOSX").mkdir()
    for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"):
        shutil.copytree(folder / "dog", folder / name)
    for inner in (".thumbnails", "__MACOSX", "@eaDir"):
        (folder / "cat" / inner).mkdir()
        (folder / "cat" / inner / "0.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    (folder / "readme.txt").write_text("not in a class")
    dataset = load_images(folder, size=32)
    said = "each picture's middle, resized to 32 x 32 pixels; more than half of 10 pictures cut away by that"
    assert dataset.source == f"{folder} ({said})"
    assert sum(len(split) for split in dataset.splits().values()) == 20
    (folder / "dog" / "notes.txt").write_text("hello")
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:60])
    (folder / "dog" / "empty.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match="3 of 23 files are left out") as caught:
        again = load_images(folder)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert all(name in message for name in ("notes.txt", "cut.png", "empty.jpg")) and "\n" not in message
    assert again.fingerprint == dataset.fingerprint
    assert again.source == dataset.source.removesuffix(")") + "; 3 of 23 files left out)"


def test_pictures_beside_the_classes_are_named(tmp_path):
    folder = gallery(tmp_path / "pets")
    Image.new("RGB", (5, 5)).save(folder / "loose.PNG")
    (folder / "notes.txt").write_text("mine")
    with pytest.warns(UserWarning, match=r"beside the classes' folders have no class and are left out: loose\.PNG$"):
        assert len(load_images(folder).classes) == 2


def test_pictures_in_folders_inside_a_class_count(tmp_path):
    folder = gallery(tmp_path / "pets", count=3)
    (folder / "cat" / "more").mkdir()
    Image.new("RGB", (9, 9)).save(folder / "cat" / "more" / "late.jpg")
    assert sum(len(split) for split in load_images(folder).splits().values()) == 7


def test_a_folder_one_too_high_is_spoken_of(tmp_path):
    for kind in ("pets", "birds"):
        gallery(tmp_path / kind, kinds=("one", "two"), count=3)
        for index, path in enumerate(sorted((tmp_path / kind).rglob("*.png"))):  # no two alike
            Image.new("L", (9, 9), index + (50 if kind == "pets" else 100)).save(path)
    with pytest.warns(UserWarning, match=r"2 of the 2 classes in .* but in folders below them, such as .*birds.one:"):
        load_images(tmp_path)
    for kind in ("birds", "cars"):
        (tmp_path / kind).mkdir(exist_ok=True)
        for index in range(3):
            Image.new("L", (9, 9), index + (150 if kind == "birds" else 200)).save(tmp_path / kind / f"{index}.png")
    assert load_images(tmp_path).classes == ("birds", "cars", "pets"), "some have folders below them, and no warning"


def test_pictures_that_are_nearly_black_are_spoken_of(tmp_path):
    """Twelve bits in files of sixteen, as many scientific cameras write them."""
    for kind, low in (("a", 0), ("b", 3000)):
        (tmp_path / kind).mkdir()
        for index in range(5):
            values = np.linspace(low + index, 4095, 100).astype(np.uint16).reshape(10, 10)
            Image.fromarray(np.roll(values, index)).save(tmp_path / kind / f"{index}.png")
    with pytest.warns(UserWarning, match="nothing in any picture is brighter than 16 of 255: where its files have 16"):
        load_images(tmp_path)


def test_the_splits_are_the_same_where_paths_are_sorted_whatever_their_case(tmp_path, monkeypatch):
    folder = gallery(tmp_path / "pets", kinds=("a", "B"))
    names = ("a", "C", "a b", "a-b", "a/d", "a.b/c", "B", "d")
    for index, name in enumerate(names):
        (folder / "a" / f"{name}.png").parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), (index, 0, 0)).save(folder / "a" / f"{name}.png")
    first = load_images(folder)
    monkeypatch.setattr(PurePath, "__lt__", lambda one, other: str(one).lower() < str(other).lower())  # as on Windows
    assert sorted([Path("B"), Path("a")]) == [Path("a"), Path("B")]
    again = load_images(folder)
    assert again.classes == first.classes == ("B", "a") and again.fingerprint == first.fingerprint
    assert again.train.files.tolist() == first.train.files.tolist()


def test_folders_that_are_no_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_images(tmp_path / "none")
    with pytest.raises(ValueError, match="has no sub-folders: it needs one for each class"):
        load_images(tmp_path)
    with pytest.raises(ValueError, match="too few examples of 'dog' \\(2\\)"):
        load_images(gallery(tmp_path / "a", count=2, kinds=("dog",)) and gallery(tmp_path / "a", kinds=("cat",)))
    with pytest.raises(ValueError, match="has only the class 'cat'"):
        load_images(gallery(tmp_path / "b", kinds=("cat",)))
    with pytest.raises(ValueError, match=r"test, train, which look like splits.* evaluate RUN images FOLDER`$"):
        load_images(gallery(tmp_path / "c", kinds=("train", "test")))
    (tmp_path / "d" / "cat").mkdir(parents=True)
    zipfile.ZipFile(tmp_path / "c.zip", "w").close()
    with pytest.raises(ValueError, match=r"c\.zip is an archive: unpack it"):
        load_images(tmp_path / "c.zip")
    with pytest.raises(ValueError, match=r"has no picture that can be read in its sub-folders$"):
        load_images(tmp_path / "d")
    (tmp_path / "d" / "cat" / "IMG_1.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        ValueError,
        match=r"sub-folders: .*IMG_1.heic cannot be read as a picture: HEIC, as phones write it, .*: export it as JPEG",
    ):
        load_images(tmp_path / "d")


def test_what_is_left_out_is_counted_by_kind_and_class(tmp_path):
    """A class that lost most of its photographs is seen, wherever in the list its files stand."""
    folder = gallery(tmp_path / "pets")
    for kind, count in (("cat", 2), ("dog", 30)):
        for index in range(count):
            (folder / kind / f"IMG_{index}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    for name in ("1.cr2", "deep/2.cr2", "notes"):
        (folder / "cat" / name).parent.mkdir(exist_ok=True)
        (folder / "cat" / name).write_text("no picture")
    kinds = r"\(30 \.heic in dog, 2 \.cr2 in cat, 2 \.heic in cat, and 1 more\)"
    with pytest.warns(UserWarning, match=rf"35 of 55 files are left out {kinds}: .*1\.cr2 cannot be read"):
        load_images(folder)


def test_what_a_run_has_written_is_no_class_and_no_picture(tmp_path):
    """`cd pets; python train.py images .` twice: the page of the first run has pictures too."""
    folder = gallery(tmp_path / "pets")
    first = load_images(folder)
    for kind in ("runs", "cat"):
        figures = folder / kind / "pets-cnn6" / "figures"
        figures.mkdir(parents=True)
        (figures.parent / "last.ckpt").touch()
        Image.new("RGB", (9, 9)).save(figures / "curves.png")
    for made, by in (("predictions.npz", "evaluate"), ("comparison.json", "compare")):
        (folder / "cat" / by).mkdir()
        (folder / "cat" / by / made).touch()
        Image.new("RGB", (9, 9)).save(folder / "cat" / by / "comparison.png")
    (folder / "dog" / "last.ckpt").touch()  # a stray file takes no pictures away
    (folder / "figures").mkdir()  # and a run in the very folder is no class
    (folder / "predictions.npz").touch()
    Image.new("RGB", (9, 9)).save(folder / "figures" / "curves.png")
    with pytest.warns(UserWarning, match="(runs|figures) holds runs of train.py and is not taken for a cl") as caught:
        again = load_images(folder)
    assert len(caught) == 2 and again.fingerprint == first.fingerprint
    shutil.rmtree(folder / "figures")
    Image.new("RGB", (9, 9)).save(folder / "runs" / "1.png")  # people who run
    with pytest.raises(ValueError, match=r"too few examples of 'runs' \(1\)"):
        load_images(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not text")
def test_a_folder_whose_name_is_no_text_is_named(tmp_path):
    gallery(tmp_path / "pets")
    os.rename(tmp_path / "pets" / "cat", os.fsencode(tmp_path / "pets") + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"the folder 'caf\\udce9' in .*pets cannot name a class.*: rename it"):
        load_images(tmp_path / "pets")
    (tmp_path / "pets" / "dog").rename(tmp_path / "pets" / "\U0001f468\u200d\U0001f466 café")
    os.rename(os.fsencode(tmp_path / "pets") + b"/caf\xe9", tmp_path / "pets" / "cat")
    assert load_images(tmp_path / "pets").classes[1].endswith("café")


# -- what a result would not tell ----------------------------------------------------------------------------------


def test_copies_of_training_examples_in_the_test_split_are_counted(tmp_path, recwarn):
    rows = [f"text {index},{index % 2}" for index in range(40)]
    load_csv(written(tmp_path, "\n".join(["text,label", *rows])), "text", "label")
    assert not len(recwarn)
    content = "\n".join(["text,label", *rows, *["the same,1"] * 20])
    with pytest.warns(
        UserWarning, match=r"reviews: (\d+) of 12 test examples are copies of training examples"
    ) as caught:
        dataset = load_csv(written(tmp_path, content), "text", "label")
    assert f" {dataset.test.x.count('the same')} of 12 " in str(caught[0].message) and len(caught) == 1
    shouted = [f"Text {index:,}.,{index % 2}".upper() for index in range(40)]  # which a network takes for the same
    with pytest.warns(UserWarning, match=r"reviews: (\d+) of 16 test examples are copies .*letter case and marks"):
        dataset = load_csv(written(tmp_path, "\n".join(["text,label", *rows, *shouted])), "text", "label")
    known = {text.lower().strip(".") for text in dataset.train.x}
    assert dataset.copies == sum(text.lower().strip(".") in known for text in dataset.test.x) > 0
    assert all(split.groups is None for split in dataset.splits().values())
    folder = gallery(tmp_path / "pets")
    for index in range(10):
        (folder / "dog" / f"copy {index}.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    with pytest.warns(UserWarning, match=r"pets: \d of 6 test examples are copies of training examples"):
        load_images(folder)


@pytest.mark.parametrize(
    "labels, alike",
    [
        (("Yes", "no", "yes"), "'Yes', 'yes'"),
        (("caf\u00e9", "tea", "cafe\u0301"), "'cafe\u0301', 'caf\u00e9'"),
        (("1", "2", "1.0", "2.0"), "'1', '1.0', '2', '2.0'"),
        (("a", "b"), None),
    ],
)
def test_labels_that_hardly_differ_are_named_and_not_merged(tmp_path, recwarn, labels, alike):
    dataset = load_csv(written(tmp_path, table(rows=40, labels=labels)), "review", "mood")
    assert set(dataset.classes) == set(labels)
    said = [str(warning.message) for warning in recwarn]
    assert len(said) == (alike is not None) and all(f": {alike} count as different classes" in line for line in said)


def test_a_rare_spelling_of_a_label_is_named_beside_the_usual_one(tmp_path):
    rows = [*table(rows=60, labels=("negative", "positive")).splitlines(), "60,bad,Negative", "61,bad,Negative"]
    spelled = r"Where 'Negative' \(2\) and 'negative' \(30\) mean the same, spell them alike; else add examples"
    with pytest.raises(ValueError, match=rf"too few examples of 'Negative' \(2\): .*{spelled}"):
        load_csv(written(tmp_path, "\n".join(rows)), "review", "mood")
    with pytest.raises(ValueError, match=r"too few examples of 'so' \(1\): .* one for each split\. Add examples"):
        load_csv(written(tmp_path, "\n".join([*rows, "62,b,Negative", "63,b,so"])), "review", "mood")


def test_what_stands_in_several_classes_is_told_of(tmp_path, recwarn):
    rows = "text,mood\n" + "".join(f"word {n},{'good' if n % 2 else 'bad'}\n" for n in range(30))
    load_csv(written(tmp_path, rows + "word 7,good\n"), "text", "mood")  # twice in one class: a copy at most
    assert not [w for w in recwarn if "more than one class" in str(w.message)]
    dataset = load_csv(written(tmp_path, rows + "word 7,bad\nword 8,good\n"), "text", "mood")
    (said,) = [str(w.message) for w in recwarn if "more than one class" in str(w.message)]
    assert (
        "2 texts (4 examples) occur with more than one class (letter case and marks set aside), such as 'word 7', "
        "'word 8': which" in said
    )
    assert dataset.copies == sum(text in dataset.train.x for text in dataset.test.x)
    for kind in ("one", "One", "two"):
        (tmp_path / "p" / kind).mkdir(parents=True)
        for shade in range(4):
            Image.new("L", (9, 9), 60 * shade + len(kind) + (kind == "two")).save(
                tmp_path / "p" / kind / f"{shade}.png"
            )
    load_images(tmp_path / "p")
    said = [str(w.message) for w in recwarn]
    assert any(": 'One', 'one' count as different classes" in line for line in said)
    expected = (
        "4 pictures (8 examples) occur with more than one class, such as 'One/0.png' and 'one/0.png', 'One/1.png'"
    )
    assert any(expected in line for line in said)


def test_links_to_folders_are_told_of(tmp_path, recwarn):
    folder = gallery(tmp_path / "pets")
    (folder / "cat" / "more").symlink_to(gallery(tmp_path / "others") / "cat")
    (folder / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "dog" / "good.png").symlink_to(tmp_path / "others" / "dog" / "3.png")
    dataset = load_images(folder)
    assert sum(map(len, dataset.splits().values())) == 21
    (said,) = [str(w.message) for w in recwarn if "link" in str(w.message)]
    assert said.startswith("2 links to folders or to nothing are passed over, such as")


def test_files_that_the_system_lists_but_does_not_open_are_told_of(tmp_path, monkeypatch):
    """As Windows does with a path of more than 260 characters."""
    folder = gallery(tmp_path / "pets")
    monkeypatch.setattr(Path, "is_file", lambda path: path.name not in ("5.png", "7.png") and os.path.isfile(path))
    with pytest.warns(UserWarning, match=r"4 files cannot be opened, such as .*cat.5\.png: where its path is longer"):
        assert sum(map(len, load_images(folder).splits().values())) == 16


def test_a_text_is_not_its_own_label(tmp_path):
    with pytest.raises(ValueError, match="'mood' cannot be both the text and its label"):
        load_csv(written(tmp_path, table()), "mood", "Mood")


def test_pictures_of_hardly_a_pixel_are_told_of(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for number in range(4):
            side = 7 if number == 0 else 8 + number
            Image.new("L", (side, 20), 40 * number + ord(kind)).save(tmp_path / kind / f"{number}.png")
    with pytest.warns(UserWarning, match=r"2 of 8 pictures are far smaller than the 32 x 32 pixels"):
        load_images(tmp_path)
