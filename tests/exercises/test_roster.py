"""Class lists and comments as spreadsheets and learning platforms save them."""

from __future__ import annotations

import csv

import pytest

from tests.exercises.hostile import GOOD
from tests.exercises.test_classroom import SHEETS
from tests.exercises.test_submissions import handed_in
from tutorials.exercises.__main__ import main
from tutorials.exercises.classroom import grade_class
from tutorials.exercises.roster import match_roster, read_roster
from tutorials.exercises.submissions import read_submissions

GUESS = pytest.mark.filterwarnings("ignore:.* is not UTF-8 and is read as")


@GUESS
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16")])
def test_the_teachers_comments_stay_as_they_were_written(delimiter, encoding, tmp_path):
    place, out = handed_in(tmp_path / "class", {"jane/softmax.py": GOOD}), tmp_path / "out"
    out.mkdir()
    mine = 'Key,mark,Comment\njane,A,"-2 for style, Zoë,\nsee me"\ngone,B,'.replace(",", delimiter)
    (out / "comments.csv").write_bytes(mine.replace("\n", "\r\n").encode(encoding))
    handed_in(tmp_path / "class", {"李/softmax.py": GOOD})
    for _ in range(2):
        grade_class(place, out, seed=1, exercises=[1], jobs=1)
        assert (out / "comments.csv").read_text(encoding="utf-8-sig") == mine + "\n李,,\n".replace(",", delimiter)
        page = (out / "students" / "jane.html").read_text(encoding="utf-8")
        assert "-2 for style" in page and "'-2" not in page and "&#x27;-2" not in page


def test_who_is_not_on_the_roster_is_noted_and_notes_are_in_the_table(tmp_path, capsys):
    files = {"jane/softmax.py": GOOD, "zoe_homework/softmax.py": GOOD, "emil/e01.ipynb": "{}", "vera.txt": "sorry"}
    place, out = handed_in(tmp_path / "class", files), tmp_path / "out"
    (place / "roster.csv").write_text("name,login\nJane X,jane\nZoe X,zoe\nEmil X,emil\n", encoding="utf-8")
    grade = ["grade", str(place), "--out", str(out), "--exercises", "1"]
    assert main([*grade, "--roster", str(place / "roster.csv")]) == 0
    assert "nothing was read of vera.txt: .py files," in capsys.readouterr().out
    stranger, unread = (
        "nobody on the roster has this name, login or number",
        "e01.ipynb is not read: .py, .zip or .ckpt",
    )
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        table = {row["name"]: row["notes"] for row in csv.DictReader(file)}
    assert table.pop("Emil X").startswith(unread)
    assert table == {"Jane X": "", "zoe_homework": stranger, "Zoe X": "nothing handed in"}
    page = (out / "students" / "emil.html").read_text(encoding="utf-8")
    assert "<td>no .py file for it was handed in</td>" in page
    assert main([*grade, "--only", "jane"]) == 0 and stranger in capsys.readouterr().out


def test_without_a_roster_nobody_is_a_stranger(tmp_path):
    place = handed_in(tmp_path / "class", {"jane/softmax.py": GOOD})
    assert grade_class(place, tmp_path / "out", seed=1, exercises=[1], jobs=1)["records"]["jane"]["notes"] == []


def test_comments_without_keys_are_refused_before_anything_is_graded(tmp_path):
    place, out = handed_in(tmp_path / "class", {"jane/softmax.py": GOOD}), tmp_path / "out"
    out.mkdir()
    (out / "comments.csv").write_text("student,comment\njane,Good\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"comments.csv has no column key: its first line is 'student,comment'"):
        grade_class(place, out, seed=1, exercises=[1], jobs=1)
    assert (out / "comments.csv").read_text(encoding="utf-8") == "student,comment\njane,Good\n"
    assert not list((out / "students").iterdir())


def test_canvas_own_gradebook_has_a_line_that_is_no_student(tmp_path):
    text = 'Student,ID,SIS Login ID,Section\n    Points Possible,,,\n"Doe, Jane",101,jdoe,A\nRoe Max,,mroe,A\n'
    for delimiter in ",;":
        changed = text.replace('"Doe, Jane"', "Doe Jane").replace(",", delimiter)
        (tmp_path / "roster.csv").write_text(changed, encoding="utf-8")
        rows = read_roster(tmp_path / "roster.csv")
        assert [(row["name"], row["id"]) for row in rows] == [("Doe Jane", "101"), ("Roe Max", "")]


@pytest.mark.parametrize(
    "text",
    [
        "name,login\nJane Doe,jdoe\nAmy Gone,agone\n",
        "First name,Surname,ID number,Email address\nJane,Doe,4711,j@x\nAmy,Gone,4712,a@x\n",
        "name,id\nAmy Gone,\nJane Doe,5012\n",
    ],
)
def test_names_decide_where_the_roster_does_not_have_the_systems_numbers(text, tmp_path):
    folder = "Jane Doe_5012_assignsubmission_file_"
    found = read_submissions(handed_in(tmp_path / "class", {f"{folder}/softmax.py": GOOD}), SHEETS)
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    matched, missing = match_roster(read_roster(tmp_path / "roster.csv"), found)
    assert [(key, row["name"]) for key, row in matched.items()] == [("Jane-Doe-5012", "Jane Doe")]
    assert missing == ["Amy Gone"]


@pytest.mark.parametrize("names", [("Max Roe", "Jan van Dyke"), ('"Roe, Max"', '"van Dyke, Jan"')])
def test_names_are_found_as_canvas_writes_them(names, tmp_path):
    files = {"roemax_101_9001_softmax.py": GOOD, "vandykejan_102_9002_softmax.py": GOOD}
    found = read_submissions(handed_in(tmp_path / "class", files), SHEETS)
    (tmp_path / "roster.csv").write_text("\n".join(["name", *names]), encoding="utf-8")
    matched, missing = match_roster(read_roster(tmp_path / "roster.csv"), found)
    assert list(matched) == ["roemax-101", "vandykejan-102"] and missing == []


def test_of_two_students_of_one_name_the_number_decides(tmp_path):
    files = {f"Jane Doe_{n}_assignsubmission_file_/softmax.py": GOOD for n in (5012, 5013)}
    found = read_submissions(handed_in(tmp_path / "class", files), SHEETS)
    for mine, other in ((5013, 5012), (5012, 5013)):  # whichever stands first in the class list and in the folder
        for lines in ([f"Jane Doe,{mine},b", "Jane Doe,,c"], ["Jane Doe,,c", f"Jane Doe,{mine},b"]):
            (tmp_path / "roster.csv").write_text("\n".join(["name,id,login", *lines]), encoding="utf-8")
            matched, _ = match_roster(read_roster(tmp_path / "roster.csv"), found)
            assert {key: row["login"] for key, row in matched.items()} == {
                f"Jane-Doe-{mine}": "b",
                f"Jane-Doe-{other}": "c",
            }
    (tmp_path / "roster.csv").write_text("name\nJane Doe\nJane Doe\n", encoding="utf-8")
    matched, missing = match_roster(read_roster(tmp_path / "roster.csv"), found)
    assert {*matched} == {*found} and missing == []  # one each


def test_a_login_that_ends_in_anothers_takes_nobodys_work(tmp_path):
    place = handed_in(tmp_path / "class", {f"hw1-{login}/softmax.py": GOOD for login in ("max-roe", "monroe")})
    (tmp_path / "roster.csv").write_text("name,login\nAmy Roe,roe\nMax Roe,max-roe\n", encoding="utf-8")
    matched, missing = match_roster(read_roster(tmp_path / "roster.csv"), read_submissions(place, SHEETS))
    assert {key: row["name"] for key, row in matched.items()} == {"hw1-max-roe": "Max Roe"} and missing == ["Amy Roe"]


@GUESS
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_western_names_are_not_read_as_chinese(encoding, tmp_path):
    names = ["Jörg Müller", "Zoë Ünal", "Größer, Anaïs", "Müller"]
    for some in (names[:1], names):
        text = "name\n" + "".join(f'"{name}"\n' for name in some)
        (tmp_path / "roster.csv").write_bytes(text.encode(encoding))
        assert [row["name"] for row in read_roster(tmp_path / "roster.csv")] == some


@GUESS
@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8"])
def test_chinese_names_are(encoding, tmp_path):
    (tmp_path / "roster.csv").write_bytes("name\n李小明\n王芳\n张喆\n".encode(encoding))
    assert [row["name"] for row in read_roster(tmp_path / "roster.csv")] == ["李小明", "王芳", "张喆"]


@pytest.mark.filterwarnings("default")
def test_a_table_in_an_encoding_that_was_guessed_is_told_in_one_line(tmp_path, capsys):
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    bundle = ["bundle", "--roster", str(roster), "--out", str(tmp_path / "archives")]
    for encoding in ("utf-8", "utf-16"):
        roster.write_bytes("name\nАнна Иванова\n".encode(encoding))
        assert main(bundle) == 0 and capsys.readouterr().err == ""
    roster.write_bytes("name\nАнна Иванова\n".encode("cp1251"))
    assert main(bundle) == 0
    said = f"warning: {roster} is not UTF-8 and is read as cp1252, which gives 'Àííà Èâàíîâà': if that is gibberish, "
    assert capsys.readouterr().err == said + "save the table as CSV UTF-8\n"
    place = handed_in(tmp_path / "class", {"jane/softmax.py": GOOD})
    out.mkdir()
    (out / "comments.csv").write_bytes("key,comment\njane,Хорошо\n".encode("cp1251"))
    assert main(["grade", str(place), "--out", str(out), "--exercises", "1"]) == 0
    assert "comments.csv is not UTF-8 and is read as" in capsys.readouterr().err
