"""A class in the formats that learning platforms export, graded into tables and pages; and regraded."""

from __future__ import annotations

import csv
import io
import json
import linecache
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.exercises.hostile import CALL, GOOD
from tutorials.exercises import classroom, learner, runner, tables
from tutorials.exercises.__main__ import main
from tutorials.exercises.classroom import grade_class
from tutorials.exercises.grading import grade_source
from tutorials.exercises.harvest import harvest
from tutorials.exercises.improve import in_sample
from tutorials.exercises.naming import exercise_of
from tutorials.exercises.paper import tasks, write_papers
from tutorials.exercises.roster import match_roster, read_roster
from tutorials.exercises.runner import HERE, SECONDS
from tutorials.exercises.sheet import VERSION
from tutorials.exercises.source import read_source
from tutorials.exercises.specs import exercises, sheet_of
from tutorials.exercises.submissions import read_submissions
from tutorials.exercises.variants import variant_of
from tutorials.exercises.viva import _written, write_viva

WRONG = GOOD.replace("z.max(axis=1, keepdims=True)", "0")
RELU = (HERE / "solutions" / "e05_relu.py").read_text(encoding="utf-8")
SHEETS = tuple(e.sheet() for e in exercises() if e.number in (1, 5))


def zipped(files: dict[str, str | bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


def rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture()
def canvas(tmp_path):
    path = tmp_path / "submissions.zip"
    path.write_bytes(
        zipped(
            {
                "doejane_101_9001_softmax.py": GOOD,
                "doejane_101_9002_e05_relu-2.py": RELU,
                "roemax_LATE_102_9003_softmax (1).py": b"\xef\xbb\xbf" + WRONG.replace("\n", "\r\n").encode(),
                "lixiaoming_103_9004_E01_Softmax.py": ("# 中文注释：指数\n" + GOOD).encode("gbk"),
                "poesam_104_9005_homework.zip": zipped(
                    {"hw/__MACOSX/._softmax.py": b"\0\1", "hw/my answer.py": GOOD, "hw/relu.py": RELU}
                ),
                "__MACOSX/._doejane_101_9001_softmax.py": b"\0\5",
                "foxkim_105_9006_softmax.py": b"\x89PNG\0\0\0",
            }
        )
    )
    return path


def test_canvas(canvas, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(
        'Student,ID,SIS User ID,SIS Login ID,Section\n"Doe, Jane",101,s1,jdoe,A\n"Roe, Max",102,s2,mroe,A\n'
        '"Li, Xiaoming",103,s3,lxm,A\n"Poe, Sam",104,s4,spoe,A\n"Fox, Kim",105,s5,kfox,A\n'
        '"Gone, Amy",106,s6,agone,A\n',
        encoding="utf-8",
    )
    found = grade_class(canvas, tmp_path / "out", roster, seed=4, exercises=[1, 5], jobs=2, assignment="Homework 1")
    earned = {r["id"]: r["earned"] for r in found["records"].values()}
    assert earned == {"101": 21, "102": 8, "103": 10, "104": 21, "105": 0}
    assert found["missing"] == ["Gone, Amy"] and found["seed"] == 4
    table = rows(tmp_path / "out" / "canvas.csv")
    assert list(table[0]) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework 1"]
    assert table[0]["Student"].strip() == "Points Possible" and table[0]["Homework 1"] == "21"
    assert [(t["Student"], t["ID"], t["SIS User ID"], t["Homework 1"]) for t in table[1:3]] == [
        ("Doe, Jane", "101", "s1", "21.0"),
        ("Fox, Kim", "105", "s5", "0.0"),
    ]
    page = (tmp_path / "out" / "class.html").read_text(encoding="utf-8")
    assert "overflow" in page and not any(name in page for name in ("Doe", "Roe", "Xiaoming", "jdoe"))
    assert "no text" in (tmp_path / "out" / "students" / "foxkim-105.html").read_text(encoding="utf-8")


def test_a_machine_that_can_run_no_answer_grades_nobody(canvas, monkeypatch, tmp_path, capsys):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    grade = ["grade", str(canvas), "--out", str(tmp_path / "out"), "--exercises", "1"]
    folder = ["check", "1", "--folder", str(HERE / "solutions")]
    (tmp_path / "given.py").touch()  # and no worker.py
    for part, value, said in (
        (runner, {"HERE": tmp_path}, "no answer can be run here, not even an"),
        (threading.Thread, {"start": refuse}, "this process may start no more threads: raise the limit (ulimit -u)"),
    ):
        with monkeypatch.context() as patch:
            for name, wrong in value.items():
                patch.setattr(part, name, wrong)
            for command in (grade, folder):
                assert main(command) == 2
                told = capsys.readouterr()
                assert told.err.startswith(said) and told.err.count("\n") == 1 and not told.out
    assert not [*(tmp_path / "out" / "students").glob("*.json")] and not (tmp_path / "out" / "grades.csv").exists()


def test_closed_streams_are_no_error(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    assert main(["list"]) == 0 and main(["check", "99"]) == 2
    sys.stdout.close()
    sys.stderr.close()


def test_regrading_one_keeps_the_others_and_the_comments(canvas, tmp_path):
    out = tmp_path / "out"
    first = grade_class(canvas, out, exercises=[1, 5], jobs=2)
    comments = (out / "comments.csv").read_text(encoding="utf-8-sig")
    (out / "comments.csv").write_text(
        comments.replace("roemax-102,", 'roemax-102,"Come and see me, Max"'), encoding="utf-8"
    )
    kept = out / "students" / "doejane-101.json"
    marked = kept.read_text(encoding="utf-8").replace("21.0", "20.5")
    kept.write_text(marked, encoding="utf-8")
    older = out / "students" / "poesam-104.json"  # by an earlier version of the exercises: graded again, too
    record = older.read_text(encoding="utf-8").replace(f'"version": "{VERSION}"', '"version": "0"')
    older.write_text(record, encoding="utf-8")
    again = grade_class(canvas, out, only="roemax-102", jobs=1)
    assert again["seed"] == first["seed"] and again["graded"] == 2
    assert again["records"]["poesam-104"]["version"] == VERSION
    assert kept.read_text(encoding="utf-8") == marked
    assert "Come and see me, Max" in (out / "students" / "roemax-102.html").read_text(encoding="utf-8")
    assert "Come and see me, Max" in (out / "grades.csv").read_text(encoding="utf-8")
    assert [r["earned"] for r in first["records"].values()][-1] == [r["earned"] for r in again["records"].values()][-1]
    with pytest.raises(ValueError, match="nobody is called"):
        grade_class(canvas, out, only="nobody")
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    for other in ({"seed": first["seed"] + 1}, {"exercises": [1]}):
        with pytest.raises(ValueError, match=f"graded with --seed {first['seed']} --exercises 1 5:"):
            grade_class(canvas, out, only="roemax-102", **other)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_who_is_regraded_alone_may_come_alone(canvas, tmp_path, capsys):
    roster = tmp_path / "class.csv"
    roster.write_text(
        'Student,ID,SIS User ID,SIS Login ID,Section\n"Doe, Jane",101,s1,jdoe,A\n"Roe, Max",102,s2,mroe,A\n'
        '"Gone, Amy",106,s6,agone,A\n',
        encoding="utf-8",
    )
    out = tmp_path / "out"
    grade_class(canvas, out, roster, exercises=[1, 5], jobs=2, assignment="Homework 1")
    first = {name: rows(out / name) for name in ("grades.csv", "canvas.csv")}
    assert [row["name"] for row in first["grades.csv"]].count("Gone, Amy") == 1
    (tmp_path / "late.zip").write_bytes(zipped({"roemax_LATE_102_9009_softmax.py": GOOD}))
    (out / "students" / "left-over.json").write_text("{}", encoding="utf-8")  # of an earlier class
    assert main(["grade", str(tmp_path / "late.zip"), "--out", str(out), "--only", "roemax-102"]) == 0
    assert "names are from" in capsys.readouterr().out
    for name, before in first.items():
        after = rows(out / name)
        assert [row for row in after if "Roe, Max" not in row.values()] == [
            row for row in before if "Roe, Max" not in row.values()
        ]
        assert len(after) == len(before)
    assert "10.0" in next(row for row in rows(out / "grades.csv") if row["key"] == "roemax-102").values()
    (tmp_path / "late.zip").write_bytes(zipped({"doejane_LATE_101_9009_softmax.py": GOOD}))  # there was a second one
    jane = grade_class(tmp_path / "late.zip", out, only="doejane-101")["records"]["doejane-101"]
    assert jane["notes"] == ["handed in before, and not in late.zip: e05_relu"] and jane["earned"] == 10
    assert "5 submissions" in (out / "class.html").read_text(encoding="utf-8")
    amy = zipped({"goneamy_106_9010_softmax.py": GOOD})  # nothing of hers had been graded
    (tmp_path / "late.zip").write_bytes(amy)
    found = grade_class(tmp_path / "late.zip", out, only="goneamy-106")
    assert found["missing"] == [] and len(found["records"]) == 6 and found["graded"] == 1
    assert main(["grade", str(canvas), "--out", str(out)]) == 0  # without --only, who is there is the class
    assert "not in" in (said := capsys.readouterr().out) and said.splitlines()[-2].endswith("keeps them): goneamy-106")
    assert main(["grade", str(tmp_path / "late.zip"), "--out", str(out), "--only", "goneamy-106"]) == 0
    assert "keeps them" not in capsys.readouterr().out
    (out / "students" / "doejane-101.json").unlink()
    with pytest.raises(ValueError, match="no whole grading of doejane-101: grade everybody once more"):
        grade_class(tmp_path / "late.zip", out, only="goneamy-106")


def test_what_an_earlier_run_had_is_said_and_can_be_changed(canvas, tmp_path, capsys, monkeypatch):
    graded = []
    monkeypatch.setattr(
        classroom, "grade_source", lambda s, *a: graded.append(s.number) or grade_source(s, None, *a[1:])
    )
    grade = ["grade", str(canvas), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main([*grade, "--exercises", "5", "1"]) == 0 and {*graded} == {1, 5}
    assert "as in the run before" not in capsys.readouterr().out
    graded.clear()
    assert main(grade) == 0 and {*graded} == {1, 5}
    assert "only 1, 5 graded, as in the run before: --exercises all" in capsys.readouterr().out
    graded.clear()
    assert main([*grade, "--exercises", "all"]) == main(grade) == 0 and len({*graded}) == 30
    assert "as in the run before" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--exercises", "1", "99"], "there is no exercise 99: they are 1, 2, "),
        (["--seconds", "0"], "0 seconds for an exercise: a number above 0 is expected"),
        (["--seconds", "nan"], "nan seconds"),
        (["--jobs", "-1"], "-1 students at a time (--jobs): 1 or more is expected"),
        (["--jobs", "0"], "0 students at a time"),
        (["--seed", "-1"], "a seed is 0 or more, got -1"),
        (["--roster", "/gone.csv"], "there is no roster /gone.csv: name another with --roster"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong, said, canvas, tmp_path, capsys):
    assert main(["grade", str(canvas), "--out", str(tmp_path / "out"), *wrong]) == 2
    assert capsys.readouterr().err.startswith(said) and not (tmp_path / "out").exists()
    if "99" in wrong:
        assert main(["gradescope", "--out", str(tmp_path / "a.zip"), "--seed", "1", *wrong]) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["check", "softmax"], "a number is expected, as `list` shows them, got 'softmax'"),
        (["train", "29,30"], "a number is expected, as `list` shows them, got '29,30'"),
        (["grade", ".", "--exercises", "1,3"], "numbers are expected, separated by spaces, got '1,3'"),
        (
            ["gradescope", "--seed", "1", "--exercises", "1,", "3"],
            "numbers are expected, separated by spaces, got '1,'",
        ),
    ],
)
def test_how_exercises_are_named_is_told(asked, said, capsys):
    with pytest.raises(SystemExit):
        main(asked)
    assert capsys.readouterr().err.endswith(f": {said}\n")


def test_a_damaged_record_is_named_with_what_to_do(canvas, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    grade = ["grade", str(canvas), "--out", str(out), "--exercises", "1"]
    assert main(grade) == 0 and not [*out.rglob("*.partial")]
    whole, record = (out / "grading.json").read_bytes(), out / "students" / "doejane-101.json"
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)  # the run ends while it writes
    assert main([*grade, "--seed", "5"]) == 2 and (out / "grading.json").read_bytes() == whole
    monkeypatch.undo()
    capsys.readouterr()
    record.write_bytes(record.read_bytes()[:-9])
    assert main([*grade, "--only", "roemax-102"]) == 2
    assert capsys.readouterr().err == f"{record} is damaged: grade everybody once more\n"
    (out / "grading.json").write_bytes(whole[:-9])
    assert main(grade) == 2
    assert capsys.readouterr().err.startswith(f"{out / 'grading.json'} is damaged: delete it, and name --seed")


def test_a_table_that_cannot_be_written_is_told_before_anything_is_graded(canvas, tmp_path):
    (tmp_path / "out" / "grades.csv").mkdir(parents=True)  # as good as open in a spreadsheet on Windows
    with pytest.raises(OSError, match=r"grades.csv cannot be written: close it"):
        grade_class(canvas, tmp_path / "out", exercises=[1])
    assert not list((tmp_path / "out" / "students").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="a signal to the own process")
@pytest.mark.usefixtures("usual_handler")
def test_who_stops_the_grading_does_not_wait_for_the_class(canvas, tmp_path, monkeypatch, capsys):
    graded = []

    def stops(sheet, text, process, *others):
        graded.append(sheet.id)
        time.sleep(0.05)
        if len(graded) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return grade_source(sheet, None, process)

    monkeypatch.setattr(classroom, "grade_source", stops)
    assert main(["grade", str(canvas), "--out", str(tmp_path / "out"), "--jobs", "2"]) == 130
    assert capsys.readouterr().err == "stopped\n" and len(graded) < 20


def test_moodle_and_github_classroom(tmp_path):
    moodle = tmp_path / "moodle.zip"
    moodle.write_bytes(
        zipped(
            {
                "Jane Doe_5012_assignsubmission_file_/softmax.py": GOOD,
                "Zoë Ünal_5013_assignsubmission_file_/e01_softmax(2).py": WRONG,
            }
        )
    )
    found = read_submissions(moodle, SHEETS)
    assert {(s.name, s.id, s.system): list(s.files) for s in found.values()} == {
        ("Jane Doe", "5012", "moodle"): ["e01_softmax"],
        ("Zoë Ünal", "5013", "moodle"): ["e01_softmax"],
    }
    grade_class(moodle, tmp_path / "out", seed=1, exercises=[1], jobs=1)
    table = rows(tmp_path / "out" / "moodle.csv")
    assert [(t["Identifier"], t["Full name"], t["Grade"], t["Maximum Grade"]) for t in table] == [
        ("Participant 5012", "Jane Doe", "10.0", "10"),
        ("Participant 5013", "Zoë Ünal", "8.0", "10"),
    ]
    classroom = tmp_path / "classroom"
    for login, source in {"hw1-jdoe": GOOD, "hw1-mroe": WRONG}.items():
        folder = classroom / login / "tutorials" / "exercises"
        folder.mkdir(parents=True)
        (folder / "e01_softmax.py").write_text(source, encoding="utf-8")
        (folder / "given.py").write_text("", encoding="utf-8")
        (classroom / login / ".git").mkdir()
        (classroom / login / ".git" / "relu.py").write_text(RELU, encoding="utf-8")
    found = read_submissions(classroom, SHEETS)
    assert {key: list(s.files) for key, s in found.items()} == {
        "hw1-jdoe": ["e01_softmax"],
        "hw1-mroe": ["e01_softmax"],
    }
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "identifier,github_username,github_id,name\ns1,jdoe,1,Jane Doe\ns3,amy,3,Amy Gone\n", encoding="utf-8"
    )
    matched, missing = match_roster(read_roster(roster), found)
    assert list(matched) == ["hw1-jdoe"] and found["hw1-jdoe"].name == "Jane Doe" and missing == ["Amy Gone"]


def test_folders_belong_to_whom_they_say(tmp_path):
    for folder in ("hw1-jdoe", "hw1-max-roe", "hw1-roe"):
        (tmp_path / "class" / folder).mkdir(parents=True)
        (tmp_path / "class" / folder / "week_1_2_softmax.py").write_text(GOOD, encoding="utf-8")
    found = read_submissions(tmp_path / "class", SHEETS)
    assert list(found) == ["hw1-jdoe", "hw1-max-roe", "hw1-roe"]
    (tmp_path / "roster.csv").write_text("name,login\nAnn Roe,roe\nMax Roe,max-roe\n", encoding="utf-8")
    matched, _ = match_roster(read_roster(tmp_path / "roster.csv"), found)
    assert {key: row["name"] for key, row in matched.items()} == {"hw1-max-roe": "Max Roe", "hw1-roe": "Ann Roe"}


@pytest.mark.parametrize(
    "name",
    [
        "softmax.py",
        "softmax (1).py",
        "softmax-3.py",
        "Softmax - Copy.py",
        "e01.py",
        "E01_softmax_v2.py",
        "softmax_final.py",
        "hw1_e01_softmax.py",
        "something.py",
    ],
)
def test_renamed_files_find_their_exercise(name):
    assert exercise_of(name, GOOD, SHEETS)[0] == "e01_softmax"


def test_long_names_take_no_longer():
    assert exercise_of("copy-1" * 1000 + "x.py", GOOD, SHEETS)[0] == "e01_softmax"
    assert exercise_of("softmax" + " - Copy-1_v2 (3)" * 1000 + ".py", None, SHEETS)[0] == "e01_softmax"


def test_encodings():
    text = "# é 中 \nx = 1\n"
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        assert read_source(text.replace("\n", "\r\n").encode(encoding)) == (text, "")
    assert read_source(b"x = '\xe9\xff'\n")[0]
    assert read_source(b"\0\1\2")[0] is None
    for start in ('{"cells": [], "nbformat": 4}', '{\n "metadata": {}, "cells": []}', '{"nbformat_minor": 5}'):
        assert "a notebook with another ending" in read_source(start.encode())[1]
    assert read_source(b"x" * (2 << 20)) == (None, "the file has more than 1 MB: an answer has a few thousand bytes")


def test_of_several_checkpoints_the_one_with_the_highest_number_counts(tmp_path):
    sheets = tuple(e.sheet() for e in exercises() if e.number == 29)
    names = [
        f"doejane_101_900{i}_e29_improve_digits{end}" for i, end in enumerate(("-2", "-10", "-" + "0" * 5000 + "3"))
    ]
    (tmp_path / "class.zip").write_bytes(zipped({f"{name}.ckpt": name for name in names}))
    found = read_submissions(tmp_path / "class.zip", sheets)["doejane-101"]
    assert found.networks == {"e29_improve_digits": names[1].encode()}
    assert found.notes == ["several files for e29_improve_digits.ckpt: e29_improve_digits-10.ckpt counts"]


def test_what_is_no_submission_is_told_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_submissions(tmp_path / "nothing", SHEETS)
    with pytest.raises(ValueError, match="no submission"):
        read_submissions(tmp_path, SHEETS)
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and then nothing")
    with pytest.raises(ValueError, match="no zip archive"):
        read_submissions(tmp_path / "broken.zip", SHEETS)


def test_a_damaged_file_is_its_students_problem(tmp_path):
    name = "doejane_101_9001_softmax.py"
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, GOOD)
        archive.writestr("roemax_102_9002_softmax.py", GOOD)
    data = bytearray(memory.getvalue())
    data[30 + len(name)] = 0xFF  # no kind of block that deflate knows
    (tmp_path / "damaged.zip").write_bytes(data)
    found = read_submissions(tmp_path / "damaged.zip", SHEETS)
    assert [s.files["e01_softmax"][0] for s in found.values()] == [None, GOOD]
    newer = bytearray(zipped({"softmax.py": GOOD}))
    newer[newer.index(b"PK\1\2") + 6] = 99  # the version that is needed to unpack it
    (tmp_path / "newer.zip").write_bytes(
        zipped({"doejane_101_9001_hw.zip": bytes(newer), "roemax_102_9002_e01.py": GOOD})
    )
    found = read_submissions(tmp_path / "newer.zip", SHEETS)
    assert "damaged" in found["doejane-101"].notes[0] and found["roemax-102"].files["e01_softmax"][0] == GOOD


def test_a_students_archive_may_be_large(tmp_path):
    large = zipped({"softmax.py": GOOD, "e29_improve_digits.ckpt": b"1" * (5 << 20), "more.ckpt": b"2" * (5 << 20)})
    (tmp_path / "class.zip").write_bytes(zipped({"doejane_101_9001_hw.zip": large}))
    found = read_submissions(tmp_path / "class.zip", SHEETS)["doejane-101"]
    assert found.files["e01_softmax"][0] == GOOD and found.notes == []


@pytest.mark.skipif(sys.platform != "linux", reason="the folder's name is no UTF-8")
def test_texts_that_no_file_takes(tmp_path):
    folder = os.fsencode(tmp_path / "class") + b"/J\xf6rg"  # Latin-1
    os.makedirs(folder)
    source = CALL.format(r"raise ValueError('\ud800')")
    Path(os.fsdecode(folder), "softmax.py").write_text(source, encoding="utf-8")
    found = grade_class(tmp_path / "class", tmp_path / "out", seed=1, exercises=[1], jobs=1)
    (record,) = found["records"].values()
    assert record["name"] == "J?rg" and "ValueError (line 4): ?" in str(record["exercises"][0]["properties"])


def test_an_answer_that_cannot_be_graded_costs_only_itself(canvas, tmp_path, monkeypatch):
    running = []

    def fails(sheet, text, process, *others):
        running.append(process._child is not None)
        result = grade_source(sheet, text, process, *others)
        if text and "- 0" in text:
            raise KeyError("lines")
        return result

    monkeypatch.setattr(classroom, "grade_source", fails)
    found = grade_class(canvas, tmp_path / "out", seed=4, exercises=[1], jobs=1)
    records = {r["id"]: r for r in found["records"].values()}
    assert [records[id]["earned"] for id in ("101", "102", "103")] == [10, 0, 10]
    assert not any(running)  # what may still come from its process is taken for no other exercise's answer
    assert records["102"]["exercises"][0]["ended"] == "it could not be graded: KeyError('lines')"


def test_what_a_teacher_reads_first(tmp_path, capsys):
    answers = {"jane": "def Softmax(z):\n    return z\n", "max": CALL.format("return z + 41")}
    for name, source in answers.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "e01_softmax.py").write_text(source, encoding="utf-8")
    (tmp_path / "class" / "max" / "e05_relu.py").write_bytes((HERE / "e05_relu.py").read_bytes())  # as handed out
    out = tmp_path / "out"
    assert main(["grade", str(tmp_path / "class"), "--out", str(out), "--exercises", "1", "5", "7"]) == 0
    assert "nobody has written anything for 5, 7: to count" in capsys.readouterr().out
    page = (out / "class.html").read_text(encoding="utf-8")
    assert page.partition("5 ReLU")[2].partition("</tr>")[0].endswith(">2</td>") and "1 wrong answer could" in page
    assert "1 answer did not run to the end" in page  # it defines no softmax
    jane, max_ = ((out / "students" / f"{name}.html").read_text(encoding="utf-8") for name in answers)
    assert "<td>it defines no softmax: is it called Softmax?</td>" in jane.partition("</table>")[0]
    assert "<td>not yet: the worked example comes out</td>" in max_.partition("</table>")[0]
    assert "<td>nothing is written yet</td>" in max_ and "NotImplementedError" not in max_


def test_what_did_not_run_is_told_by_its_error_and_what_is_not_written_by_that(tmp_path, capsys):
    """In the list of all exercises and on the student's page; the lines of two errors may differ."""
    folder = tmp_path / "class" / "jane"
    folder.mkdir(parents=True)
    (folder / "e01_softmax.py").write_text("def softmax(z)\n    return z\n", encoding="utf-8")
    (folder / "e02_softmax_backward.py").write_bytes((HERE / "e02_softmax_backward.py").read_bytes())
    relu = "def relu(x):\n    return a\n\n\ndef relu_backward(dy, x):\n    return b\n"
    (folder / "e05_relu.py").write_text(relu, encoding="utf-8")
    learner.check_folder(folder, None)
    assert [line.partition("points; ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "SyntaxError (line 1): expected ':'",
        "nothing is written yet",
        "NameError (line 2): name 'a' is not defined",
    ]
    other = tmp_path / "class" / "max" / "e01_softmax.py"
    other.parent.mkdir()
    other.write_text("import matplotlib.pyplot as plt\n" + GOOD, encoding="utf-8")
    (folder / "e01_softmax.py").write_text(CALL.format("while True: pass"), encoding="utf-8")
    asked = ["--seed", "1", "--exercises", "1", "2", "5", "--seconds", "1"]
    assert main(["grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), *asked]) == 0
    told = capsys.readouterr().out
    jane, max_ = (row["notes"] for row in rows(tmp_path / "out" / "grades.csv"))
    assert jane.split("; ") == [
        "e01_softmax: softmax: no answer after 1 seconds: is it in an endless loop, very slow, or filling memory?",
        "e05_relu: NameError (line 2): name 'a' is not defined",
    ]
    forbidden = "an answer may import numpy, given and the standard library, not matplotlib"
    assert max_ == f"e01_softmax: ImportError (line 1): {forbidden}"
    assert [line.strip() for line in told.splitlines() if line.startswith("      ")] == [*jane.split("; "), max_]
    overview, *sections = (tmp_path / "out" / "students" / "jane.html").read_text(encoding="utf-8").split("<h2")[1:]
    assert "<td>NameError (line 2): name &#x27;a&#x27; is not defined</td>" in overview
    assert (
        "<td>softmax: no answer after 1 seconds: is it in an endless loop, very slow, or filling memory?</td>"
        in overview
    )
    assert "tutorials.exercises check 1 --example" in sections[0]  # what was checked, and what to do next


def test_an_empty_file_is_nothing_written(tmp_path):
    for name, text in {"jane": "", "max": "\n\t\n", "amy": GOOD}.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "e01_softmax.py").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    grade_class(tmp_path / "class", out, seed=1, exercises=[1])
    page = (out / "class.html").read_text(encoding="utf-8")
    assert page.partition("1 Softmax")[2].partition("</tr>")[0].endswith(">2</td>") and "0 answers did not run" in page
    for name in ("jane", "max"):
        told = (out / "students" / f"{name}.html").read_text(encoding="utf-8")
        assert "<td>the file is empty: was it saved?</td>" in told and "What exercise 1 checks" not in told


def test_a_bug_that_nobody_looked_for_is_nothing_written(tmp_path, capsys):
    """As an unwritten stub is: in no count of wrong answers, in no list of mistakes, and its bug is not told."""
    bugs = [e for e in exercises() if e.planted]
    for name, variant in {"jane": 0, "max": 0, "amy": 5}.items():
        folder = tmp_path / "class" / name
        folder.mkdir(parents=True)
        for bug in bugs:
            as_editors_do = bug.of(variant).stub.replace("\n", "\r\n") + "\r\n\r\n"
            (folder / f"{bug.id}.py").write_bytes(as_editors_do.encode("utf-8-sig"))
    looked_at = bugs[0].stub.replace("    z = x @ W + b\n", "    z = x @ W + b\n    assert z.ndim == 2\n")
    (tmp_path / "class" / "max" / f"{bugs[0].id}.py").write_text(looked_at, encoding="utf-8")
    out, numbers = tmp_path / "out", [str(bug.number) for bug in bugs]
    assert main(["grade", str(tmp_path / "class"), "--out", str(out), "--exercises", *numbers]) == 0
    said = capsys.readouterr().out
    assert "nobody has written anything for 22, 23, 24: to count" in said and "handed out" not in said
    page = (out / "class.html").read_text(encoding="utf-8")
    unwritten = [page.partition(f"{b.number} Find the bug")[2].partition("</tr>")[0][-7:] for b in bugs]
    assert unwritten == [">2</td>", ">3</td>", ">3</td>", ">3</td>"]
    assert "0 wrong answers could" in page and "0 answers did not run" in page
    (told,) = (m.sentence for m in bugs[0].mistakes if m.id == bugs[0].planted)
    mistakes = page.partition("Mistakes that the numbers show")[2]
    assert mistakes.count("<tr>") == 2 and told in mistakes  # max's
    jane, max_ = ((out / "students" / f"{name}.html").read_text(encoding="utf-8") for name in ("jane", "max"))
    assert jane.count("<td>still as it was handed out</td>") == 4 and told not in jane and told in max_
    assert "0 of 4 exercises complete" in jane


def test_a_file_of_an_exercise_that_is_not_graded_is_no_stranger(tmp_path):
    folder = tmp_path / "class" / "jane"
    folder.mkdir(parents=True)
    for name in ("e05_relu.py", "relu.py", "e05_relu-2.py", "e77_other.py"):
        (folder / name).write_text("x = 1", encoding="utf-8")
    (folder / "mine.py").write_text(GOOD + "\n\ndef relu(x):\n    return x\n", encoding="utf-8")  # two of them in one
    found = grade_class(tmp_path / "class", tmp_path / "out", seed=1, exercises=[1], jobs=1)
    (record,) = found["records"].values()
    assert record["notes"] == ["e77_other.py belongs to no exercise"] and record["earned"] == 10
    assert [each["id"] for each in record["exercises"]] == ["e01_softmax"]
    sheets = tuple(sheet_of(number, 1) for number in (29, 30))
    (tmp_path / "few" / "jane").mkdir(parents=True)
    (tmp_path / "few" / "jane" / "few.py").write_text("def config():\n    return {}\n", encoding="utf-8")
    for sheet in sheets:  # both ask for a config: it is the one that is graded
        (found,) = read_submissions(tmp_path / "few", (sheet,), sheets).values()
        assert list(found.files) == [sheet.id] and found.notes == []


def test_names_that_spreadsheets_would_run(tmp_path):
    folder = tmp_path / "class" / "=cmd()"
    folder.mkdir(parents=True)
    (folder / "softmax.py").write_text(GOOD, encoding="utf-8")
    grade_class(tmp_path / "class", tmp_path / "out", seed=1, exercises=[1], jobs=1)
    assert rows(tmp_path / "out" / "grades.csv")[0]["name"] == "'=cmd()"


def test_same_seed_same_grade_whatever_the_order(tmp_path):
    sources = {f"s{i}": random.Random(i).choice([GOOD, WRONG]) for i in range(3)}
    for name, source in sources.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "softmax.py").write_text(source, encoding="utf-8")
    one = grade_class(tmp_path / "class", tmp_path / "a", seed=9, exercises=[1], jobs=1)
    two = grade_class(tmp_path / "class", tmp_path / "b", seed=9, exercises=[1], jobs=2)
    assert json.dumps(one["records"]) == json.dumps(two["records"])


@pytest.fixture()
def small_class(tmp_path):
    for name, source in {
        "jane": GOOD,
        "max": WRONG,
        "li": "def softmax(z):\n    return z + 41\n",
        "sam": "def softmax(q):\n    return 41 + q\n",
    }.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "softmax.py").write_text(source, encoding="utf-8")
    return tmp_path / "class"


def test_viva_asks_about_the_students_own_code_and_keeps_the_key_apart(small_class, tmp_path):
    assert "4 pages" in write_viva(small_class, tmp_path / "viva", 1)
    asked = (tmp_path / "viva" / "jane.html").read_text(encoding="utf-8")
    assert "e / e.sum(axis=1, keepdims=True)" in asked or "z - z.max" in asked
    assert "Question 1" in asked and "as it is" not in asked
    key = (tmp_path / "viva" / "key.html").read_text(encoding="utf-8")
    assert "changed" in key and "jane" in key


def test_what_a_change_breaks_is_told_without_a_line():
    """The changed text is written anew: its lines are not those of the student's file, which the key names."""
    sheet, before = sheet_of(1, 1), {"results": [np.ones((1, 2))], "error": None, "printed": ""}
    after = {"results": [], "error": "ValueError (line 4): shapes", "printed": ""}
    _, answer = _written(sheet, 0, before, after, "e / t", "e * t", 6)
    assert "changed  ValueError: shapes" in answer and "line 6" in answer


def test_viva_of_two_students_of_one_name_has_two_keys(tmp_path):
    names = [f"Jane Doe_{i}_assignsubmission_file_/softmax.py" for i in (5012, 5013)]
    (tmp_path / "moodle.zip").write_bytes(zipped(dict.fromkeys(names, "def softmax(z):\n    return z\n")))
    write_viva(tmp_path / "moodle.zip", tmp_path / "viva", 1)
    key = (tmp_path / "viva" / "key.html").read_text(encoding="utf-8")
    assert all(f"<h2>Jane Doe, Jane-Doe-{i}.html</h2>" in key for i in (5012, 5013))


def test_paper_has_personal_numbers_and_keys_apart(tmp_path):
    (tmp_path / "roster.csv").write_text("name\nJane Doe\nMax Roe\n", encoding="utf-8")
    write_papers(tmp_path / "roster.csv", tmp_path / "paper", 3)
    one, two = ((tmp_path / "paper" / f"00{i}.html").read_text(encoding="utf-8") for i in (1, 2))
    assert "Jane Doe" in one and one.replace("Jane Doe", "Max Roe").replace("Sheet 1", "Sheet 2") != two
    sections, answers = tasks(np.random.default_rng(0))
    assert len(sections) == len(answers) == 5
    p = np.array([float(v) for v in answers[0].split(", ")])
    d = np.array([float(v) for v in answers[1].split(", ")])
    assert abs(p.sum() - 1) < 2e-3 and abs(d.sum()) < 2e-3
    assert not any(answer in "".join(sections.values()) for answer in answers[:2])


def test_harvest_groups_answers_without_a_diagnosis_and_names_nobody(small_class):
    found = harvest(small_class, 3, [1])
    assert found.startswith("2 answers to e01_softmax") and "\n" not in found
    assert not any(name in found for name in ("jane", "'sam'", "sam:"))


def test_harvest_looks_at_what_was_graded(small_class, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr("tutorials.exercises.harvest.harvest", lambda *asked: looked.append(asked) or "")
    grade = ["grade", str(small_class), "--out", str(tmp_path / "out"), "--jobs", "2"]
    assert main([*grade, "--seed", "3", "--exercises", "1"]) == main([*grade, "--harvest"]) == 0
    assert looked == [(small_class, 3, [1], SECONDS)]


def test_bugs_and_predictions_are_graded_in_the_variant_that_was_handed_out(tmp_path):
    jane, max_ = variant_of("Jane Doe"), variant_of("Max Roe")
    assert jane != max_
    described = {e.number: e for e in exercises()}
    for name, variant in {"Jane Doe": jane, "Max Roe": jane, "Amy Gone": variant_of("Amy Gone")}.items():
        folder = tmp_path / "class" / name
        folder.mkdir(parents=True)
        for number in (22, 26):
            mended = described[number].of(variant).solution().replace("import numpy as np\n", "import numpy as np\n\n")
            (folder / f"e{number}.py").write_text(f"VARIANT = {variant}\n{mended}", encoding="utf-8")
    amys = described[22].of(variant_of("Amy Gone"))
    looked_at = amys.stub.replace("    h = np", "    assert a.ndim == 2\n    h = np")
    (tmp_path / "class" / "Amy Gone" / "e22.py").write_text(looked_at, encoding="utf-8")
    lees = tmp_path / "class" / "Lee Wu"
    lees.mkdir()
    lee = variant_of("Lee Wu")  # whose notebook has lost the line
    assert lee not in (jane, max_)
    (lees / "e26.py").write_text(described[26].of(lee).solution(), encoding="utf-8")
    (tmp_path / "roster.csv").write_text("name\nJane Doe\nMax Roe\nAmy Gone\nLee Wu\n", encoding="utf-8")
    found = grade_class(tmp_path / "class", tmp_path / "out", tmp_path / "roster.csv", seed=3, exercises=[22, 26])
    records = {r["name"]: r for r in found["records"].values()}
    assert records["Jane Doe"]["earned"] == records["Max Roe"]["earned"] == 19 and records["Jane Doe"]["notes"] == []
    assert f"exercise 22 is variant {jane}, and variant {max_} was handed out to Max Roe" in records["Max Roe"]["notes"]
    assert records["Lee Wu"]["earned"] == records["Jane Doe"]["exercises"][1]["earned"]
    said = f"exercise 26 has no line VARIANT = {lee}, which was handed out to Lee Wu: graded as that"
    assert said in records["Lee Wu"]["notes"]
    assert records["Amy Gone"]["exercises"][0]["mistakes"] == [amys.planted]
    assert records["Amy Gone"]["exercises"][0]["earned"] == 0


CELL = """
import numpy as np
def largest(z):
    return z.max(axis=1, keepdims=True)
def shifted(z):
    return z - largest(z)
def total(e):
    return e.sum(axis=1, keepdims=True)
def softmax(z):
    (e,) = [np.exp(shifted(x)) for x in [z]]
    return (lambda: e / total(e))()
"""


def test_a_cell_is_checked_with_its_helpers_and_theirs(tmp_path, capsys):
    names: dict = {}
    (tmp_path / "cell.py").write_text(CELL, encoding="utf-8")
    exec(compile(CELL, tmp_path / "cell.py", "exec"), names)
    learner.check(names["softmax"])
    assert capsys.readouterr().out == " 1 Softmax: 10 of 10 points\n"


NOTEBOOK = """
START, MOST, TITLE = 0, float("inf"), "Adam's step"
class Adam: pass
def keep(value, most=MOST):
    return min(value, most)
def as_it_is(kept):
    return kept
@as_it_is
class Adam:"""


def test_a_class_in_a_cell_is_found_with_what_it_uses(capsys):
    solution = (HERE / "solutions" / "e10_adam.py").read_text(encoding="utf-8")
    cell = solution.replace("class Adam:", NOTEBOOK).replace("self.t = 0", "self.t = keep(START, len(TITLE))")
    linecache.cache["<cell 3>"] = (len(cell), None, cell.splitlines(keepends=True), "<cell 3>")  # as Jupyter does
    names = {"__name__": "__main__"}
    exec(compile(cell, "<cell 3>", "exec"), names)
    learner.check(names["Adam"])
    assert capsys.readouterr().out == "10 Adam: 9 of 9 points\n"


def test_a_config_in_a_cell_is_told_what_to_run():
    def config():
        return {}

    with pytest.raises(ValueError, match=r"file of exercise 29 or 30, and run `python -m tutorials.exercises train"):
        learner.check(config)


def test_a_name_that_no_exercise_asks_for_is_told_each_name_once():
    with pytest.raises(ValueError, match="no exercise asks for exercises: they ask for softmax, ") as told:
        learner.check(exercises)
    names = str(told.value).rpartition("for ")[2].split(", ")
    assert len(names) == len({*names}) and names[-1] == "config"


def test_a_notebook_is_told_its_own_words_and_every_check_counts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def said(shift, **more):
        names: dict = {}
        text, place = CELL.replace("z - largest(z)", shift), tmp_path / f"{shift}.py"
        place.write_text(text, encoding="utf-8")
        exec(compile(text, place, "exec"), names)
        learner.check(names["softmax"], **more)
        return capsys.readouterr().out

    first = said("z - 0")
    assert "check(softmax, example=True) shows the smallest case" in first and "--" not in first
    early = said("z - 0", why=True)
    assert "check(softmax, why=True) answers after one more attempt" in early and "overflow" not in early
    said("z - 0.0")
    assert "The exponentials overflow" in said("z - 0.0", why=True)
    assert "see check(softmax, example=True), and compare by hand" in said("z * 0.3", why=True)


def test_a_stub_is_no_attempt(tmp_path, capsys):
    """Why an answer is wrong is told to those who tried twice, and what was handed out is no try."""

    def said(text):
        (tmp_path / "e01_softmax.py").write_text(text, encoding="utf-8")
        assert main(["check", "1", "--why", "--folder", str(tmp_path)]) == 1
        return capsys.readouterr().out

    stub = (HERE / "e01_softmax.py").read_text(encoding="utf-8")
    assert "--why answers after two attempts: write something" in said(stub)
    assert "--why answers after two attempts: write something" in said(stub + "\n")
    assert "--why answers after one more attempt: change something" in said(WRONG)
    assert "The exponentials overflow" in said(WRONG + "\n")


def test_without_minnet_nothing_is_trained_and_that_is_said(tmp_path, monkeypatch):
    (tmp_path / "e29_improve_digits.py").write_text("", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "minnet", None)
    monkeypatch.delitem(sys.modules, "tutorials.exercises.improve", raising=False)
    monkeypatch.delattr("tutorials.exercises.improve", raising=False)
    with pytest.raises(ValueError, match="minnet is needed to train the network: run this in a checkout"):
        learner.train(tmp_path, 29)


def test_a_training_that_diverges_is_told_in_one_line(tmp_path, capsys, recwarn):
    config = {"learning_rate": 10, "momentum": 0.99, "weight_decay": 1, "label_smoothing": 0, "shift": 0, "seed": 0}
    config |= {"layers": [["linear", 64], "relu"] * 2, "optimizer": "sgd", "schedule": "constant"}
    config |= {"epochs": 2, "batch_size": 8}
    (tmp_path / "e29_improve_digits.py").write_text(f"def config():\n    return {config}\n", encoding="utf-8")
    assert main(["train", "29", "--folder", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "Lower the learning rate" in said and said.count("\n") == 1 and not recwarn.list
    assert not (tmp_path / "e29_improve_digits.ckpt").exists()


def test_a_folder_without_exercises_is_told(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "typo"):
        assert main(["check", "--folder", str(folder)]) == 2
        assert capsys.readouterr().err.startswith(f"{folder} holds no exercise: a file there is called e01_softmax.py")


def test_a_reader_that_left_is_no_error():
    """As in `list | head -0`: nobody reads the pipe."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tutorials.exercises", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_that_the_terminal_lacks_are_no_error(tmp_path):
    folder = tmp_path / "class" / "\u674e\u5c0f\u660e"
    folder.mkdir(parents=True)
    (folder / "softmax.py").write_text(GOOD, encoding="utf-8")
    grade = [sys.executable, "-m", "tutorials.exercises", "grade", str(tmp_path / "class"), "--exercises", "1"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*grade, "--out", str(tmp_path / "out")], env=environment, capture_output=True, check=True)
    assert done.stdout.startswith(b"??? ") and not done.stderr


def test_a_network_is_handed_in_as_a_file_beside_its_settings(tmp_path):
    exercise = next(e for e in exercises() if e.number == 29)
    place = tmp_path / "e29_improve_digits.py"
    for old, new in (('["conv", 8]', '["conv", 80]'), ('"epochs": 5', '"epochs": 6')):
        place.write_text(exercise.solution().replace(old, new), encoding="utf-8")
        said = learner.train(tmp_path, 29)
        assert said.endswith("over the budget of 5 epochs and 10,000 multiply-adds, and has no points")
    place.write_text(exercise.solution(), encoding="utf-8")
    said = learner.train(tmp_path, 29)
    assert "9,024 multiply-adds" in said and said.endswith("Hand in e29_improve_digits.py and e29_improve_digits.ckpt")
    assert learner.check_folder(tmp_path, 29) == 0
    checkpoint = place.with_suffix(".ckpt").read_bytes()
    files = {
        "doejane_101_9001_e29_improve_digits.py": exercise.solution(),
        "doejane_101_9002_e29_improve_digits-1.ckpt": checkpoint,
        "roemax_102_9003_improve_digits (2).py": exercise.solution(),
    }
    files["poesam_104_9004_e29.py"] = exercise.solution()
    files["poesam_104_9005_my network (1).ckpt"] = checkpoint
    (tmp_path / "submissions.zip").write_bytes(zipped(files))
    found = grade_class(tmp_path / "submissions.zip", tmp_path / "out", seed=4, exercises=[29], jobs=1)
    assert {key: r["earned"] for key, r in found["records"].items()} == {
        "doejane-101": 10,
        "poesam-104": 10,
        "roemax-102": 0,
    }
    keys = [f"student{i}" for i in range(500)]
    assert 60 < sum(in_sample(key, 4) for key in keys) < 140
    assert [in_sample(key, 4) for key in keys] != [in_sample(key, 5) for key in keys]


def test_a_cell_with_a_magic_word_is_read_out_of_an_exported_notebook():
    """As nbconvert 7 writes it."""
    cell = "def f(z):\n    '''It's \"so\" \\\\ '''\n    return z\n"
    for magic in ("time", "capture"):
        text, _ = read_source(f"x = 1\nget_ipython().run_cell_magic('{magic}', 'out', {cell!r})\ny = 2\n".encode())
        assert text == f"x = 1\n{cell}\ny = 2\n"
    for line in ("run_cell_magic('timeit', '', 'z = 3\\n')", "run_cell_magic('time', '', 'f' + 'g')"):
        assert read_source(f"get_ipython().{line}\n".encode())[0] == f"get_ipython().{line}\n"


def test_a_disk_that_is_full_leaves_the_tables_as_they_were(tmp_path, monkeypatch):
    comments = tmp_path / "comments.csv"
    comments.write_text("key,comment\njane,Well explained\n", encoding="utf-8")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*comments\.csv: No space left on device"):
        tables.read_comments(comments, ["jane", "john"])
    assert comments.read_text(encoding="utf-8") == "key,comment\njane,Well explained\n"
    assert list(tmp_path.iterdir()) == [comments]
