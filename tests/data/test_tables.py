"""Tables that people really have: encodings, delimiters, quotes, columns, labels."""

import csv
import io
import tracemalloc
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data import load_csv
from minnet.data.encodings import candidates
from minnet.data.tables import labelled_texts, read_table
from tests.data.made import everything, table, written
from tests.drawing import steady


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_the_mark_of_unicode_belongs_to_no_name_where_the_encoding_is_named(tmp_path, encoding):
    """Spreadsheets write it, with quotes behind it."""
    path = written(tmp_path, "\ufeff" + table(quoting=1, header=("review", "mood", "id"), labels=(0, 1)), encoding)
    assert read_table(path, encoding).header == ["review", "mood", "id"]


def test_a_large_table_takes_little_more_memory_than_its_text(tmp_path):
    path = written(tmp_path, "text,label\n" + "".join(f"{number:02}{'long ' * 20_000},a\n" for number in range(40)))
    read_table(path, wanted=("text", "label"))  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        assert len(read_table(path, wanted=("text", "label")).rows) == 40
        assert tracemalloc.get_traced_memory()[1] < 3.5 * path.stat().st_size  # bytes and text, or text and fields
    finally:
        tracemalloc.stop()


@steady(100)
@given(st.text(st.characters(codec="gb18030", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_utf8_is_always_taken_for_utf8(text):
    assert next(candidates(text.encode("utf-8"))) == "utf-8"


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
        assert read_table(written(tmp_path, content, "cp1252"), "cp1252").header == ["id", "Text", "\u00e9"]


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
    found = read_table(path, wanted=("the text", "the label"))
    assert found.header == ["the text", "the label"] and found.rows == [list(row) for row in rows]


def test_a_text_is_not_its_own_label(tmp_path):
    with pytest.raises(ValueError, match="'mood' cannot be both the text and its label"):
        load_csv(written(tmp_path, table()), "mood", "Mood")
