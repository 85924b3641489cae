"""Which file counts, whose it is, and what one student's files cannot do to the others'."""

from __future__ import annotations

import os
import shutil
import time
import unicodedata
import zipfile

import pytest

from tests.exercises.hostile import GOOD
from tests.exercises.test_classroom import SHEETS, WRONG, zipped
from tutorials.exercises import archives, submissions
from tutorials.exercises.__main__ import main
from tutorials.exercises.files import student_of
from tutorials.exercises.naming import exercise_of
from tutorials.exercises.roster import match_roster, read_roster
from tutorials.exercises.runner import HERE
from tutorials.exercises.specs import exercises
from tutorials.exercises.submissions import read_submissions
from tutorials.exercises.variants import variant_of

CONFIG = "def config():\n    return {}\n"
NETWORKS = tuple(e.sheet() for e in exercises() if e.number in (29, 30))


def handed_in(place, files):
    """A folder with these files in it."""
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


@pytest.mark.parametrize("other", ["helpers.py", "e02_softmax_backward.py", "e01_softmax_backup.py"])
def test_a_file_with_the_exercises_own_name_counts(other, tmp_path):
    files = [("jane/e01_softmax.py", GOOD), (f"jane/{other}", WRONG)]
    for ordered in (files, files[::-1]):
        (tmp_path / "class.zip").write_bytes(zipped(dict(ordered)))
        found = read_submissions(tmp_path / "class.zip", SHEETS)["jane"]
        assert found.files["e01_softmax"][0] == GOOD


STUB = (HERE / "e01_softmax.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("counts", "other", "text"),
    [
        ("softmax.py", "zzz/softmax.py", WRONG),
        ("e01_softmax.py", "backup/e01_softmax.py", WRONG),
        ("e01_softmax.py", "build/lib/e01_softmax.py", WRONG),
        ("tutorials/exercises/e01_softmax.py", "backup/e01_softmax.py", WRONG),
        ("hw/tutorials/exercises/e01_softmax.py", "hw/old/e01_softmax.py", WRONG),
        ("e01_softmax.py", "e01_softmax - Copy.py", WRONG),
        ("e01_softmax.py", "e01_softmax - Kopie (2).py", WRONG),
        ("e01_softmax.py", "e01_softmax copy 2.py", WRONG),
        ("e01_softmax.py", "e01_softmax-final.py", WRONG),
        ("e01_softmax-1.py", "e01_softmax.py", WRONG),
        ("work/e01_softmax.py", "tutorials/exercises/e01_softmax.py", STUB),
        ("work/e01_softmax.py", "e01_softmax-1.py", STUB + "# Jane Doe"),
        ("old/mine.py", "e01_softmax.py", STUB),
    ],
)
def test_of_several_files_one_counts_and_the_note_names_it(counts, other, text, tmp_path):
    files = {f"jane/{counts}": GOOD, f"jane/{other}": text}
    for ordered in (files, dict([*files.items()][::-1])):
        (tmp_path / "class.zip").write_bytes(zipped(ordered))
        found = read_submissions(tmp_path / "class.zip", SHEETS)["jane"]
        assert found.files["e01_softmax"][0] == GOOD
        assert found.notes == [f"several files for e01_softmax: {counts} counts"]


def test_what_is_handed_out_counts_last_whatever_it_is(tmp_path):
    """Half an answer is more than the file as it was handed out; so is a bug's code, in any variant, once changed."""
    relu = (HERE / "e05_relu.py").read_text(encoding="utf-8")
    half = relu.replace('    raise NotImplementedError("exercise 5: relu")', "    return x * (x > 0)")
    bug = next(e for e in exercises() if e.number == 21).of(3)
    mended = bug.stub.replace("total =", "total = 1 *").replace("dz -= 1", "dz = dz - 1") + "# mended\n"
    files = {"relu.py": relu, "work/relu.py": half, "tutorials/exercises/e21.py": bug.stub, "work/e21.py": mended}
    place = handed_in(tmp_path, {f"jane/{name}": text for name, text in files.items()})
    found = read_submissions(place, (*SHEETS, bug.sheet()))["jane"]
    assert found.files == {"e05_relu": (half, ""), "e21_bug_loss": (mended, "")}


def test_a_file_named_as_another_exercise_is_not_matched_by_what_it_defines(tmp_path):
    files = {"jane/e29_improve_digits.py": CONFIG + "# 29\n", "jane/e30_improve_few.py": CONFIG + "# 30\n"}
    found = read_submissions(handed_in(tmp_path, files), NETWORKS[:1])["jane"]
    assert found.files == {"e29_improve_digits": (CONFIG + "# 29\n", "")}
    assert exercise_of("E30.py", CONFIG, NETWORKS[:1])[0] is None
    assert exercise_of("e29_mine.py", CONFIG, NETWORKS[1:])[0] is None
    assert exercise_of("e30_mine.py", CONFIG, NETWORKS)[0] == "e30_improve_few"


def test_one_file_may_answer_several_exercises(tmp_path):
    relu = "def relu(x):\n    return x\n\n\ndef relu_backward(dy, x):\n    return dy\n"
    files = {"jane/all.py": GOOD + relu, "max/mine.py": GOOD + relu, "max/e05_relu.py": "", "li/e01.py": GOOD + relu}
    files |= {"sam/e01.py": GOOD + relu, "sam/relu.py": relu, "amy/e01.py": WRONG, "amy/e01-2.py": GOOD + relu}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)
    assert {key: {id: text for id, (text, _) in s.files.items()} for key, s in found.items()} == {
        "jane": {"e01_softmax": GOOD + relu, "e05_relu": GOOD + relu},
        "max": {"e01_softmax": GOOD + relu, "e05_relu": ""},
        "li": {"e01_softmax": GOOD + relu, "e05_relu": GOOD + relu},
        "sam": {"e01_softmax": GOOD + relu, "e05_relu": relu},
        "amy": {"e01_softmax": GOOD + relu, "e05_relu": GOOD + relu},
    }
    assert found["li"].notes == ["e01.py answers e05_relu too: no other file does"] and found["sam"].notes == []
    assert found["amy"].notes[1:] == ["e01-2.py answers e05_relu too: no other file does"]
    config = {"jane/e29_improve_digits.py": CONFIG + GOOD, "jane/e29.ckpt": "29"}  # whose network, only a name says
    jane = read_submissions(handed_in(tmp_path / "config", config), (*SHEETS, *NETWORKS))["jane"]
    assert {*jane.files} == {"e01_softmax", "e29_improve_digits"}


def test_of_copies_the_highest_number_counts(tmp_path):
    files = {"jane/softmax (2).py": WRONG, "jane/softmax (10).py": GOOD, "jane/softmax.py": WRONG}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)["jane"]
    assert found.files["e01_softmax"][0] == GOOD
    assert found.notes == ["several files for e01_softmax: softmax (10).py counts"]


def test_a_checkpoint_of_any_name_is_that_of_the_exercise_that_has_none(tmp_path):
    mine, both = "my network (1).ckpt", {"e29.py": CONFIG, "e30.py": CONFIG}
    files = {
        "one": {"e29.py": CONFIG, f"runs/{mine}": "29"},
        "other": {**both, "e29.ckpt": "29", mine: "30"},
        "whose": {**both, mine: "?"},
        "two": {"e29.py": CONFIG, mine: "1", "best.ckpt": "2"},
        "more": {"e29.py": CONFIG, "e29.ckpt": "29", mine: "?"},
    }
    place = handed_in(tmp_path, {f"{key}/{name}": text for key, mine in files.items() for name, text in mine.items()})
    found = read_submissions(place, NETWORKS)
    assert {key: (s.networks, s.notes) for key, s in found.items()} == {
        "one": ({"e29_improve_digits": b"29"}, []),
        "other": ({"e29_improve_digits": b"29", "e30_improve_few": b"30"}, []),
        "whose": ({}, [f"{mine} belongs to no exercise"]),
        "two": ({}, ["best.ckpt belongs to no exercise", f"{mine} belongs to no exercise"]),
        "more": ({"e29_improve_digits": b"29"}, [f"{mine} belongs to no exercise"]),
    }
    assert read_submissions(place, NETWORKS[:1], NETWORKS)["other"].networks == {"e29_improve_digits": b"29"}
    few = read_submissions(
        handed_in(tmp_path / "few", {"jane/e29.py": CONFIG, "jane/e30.ckpt": "30"}), NETWORKS[:1], NETWORKS
    )
    assert few["jane"].networks == {} and few["jane"].notes == []
    assert read_submissions(place, SHEETS, NETWORKS)["two"].notes == ["no file answers an exercise that is graded here"]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Jörg", "cp437"), ("Größer", "cp850"), ("李小明", "gbk"), ("李小明", "utf-8"), ("Zoë", "utf-8")],
)
def test_names_in_archives_whose_encoding_is_not_said(name, encoding, tmp_path):
    raw = name.encode(encoding)
    mark = "x" * len(raw)  # ASCII, so that zipfile does not say UTF-8
    data = zipped({f"{mark}/softmax.py": GOOD}).replace(mark.encode() + b"/", raw + b"/")
    (tmp_path / "class.zip").write_bytes(data)
    assert [s.name for s in read_submissions(tmp_path / "class.zip", SHEETS).values()] == [name]


def test_names_as_macos_writes_them_are_those_of_the_roster(tmp_path):
    names = ["José Núñez", "Андрей Зайцев"]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    files = {f"{name}_{i}_assignsubmission_file_/softmax.py": GOOD for i, name in enumerate(apart)}
    (tmp_path / "class.zip").write_bytes(zipped(files))
    for place in (tmp_path / "class.zip", handed_in(tmp_path / "class", files)):
        found = read_submissions(place, SHEETS)
        assert list(found) == ["José-Núñez-0", "Андрей-Зайцев-1"] and [s.name for s in found.values()] == names
    for written in (names, apart):
        (tmp_path / "roster.csv").write_text("\n".join(["name", *written]), encoding="utf-8")
        rows = read_roster(tmp_path / "roster.csv")
        assert [row["name"] for row in rows] == names and len(match_roster(rows, found)[0]) == 2
    assert [variant_of(name) for name in apart] == [variant_of(name) for name in names]
    alone = handed_in(tmp_path / apart[0], {"e01_softmax.py": GOOD})
    assert list(read_submissions(alone, SHEETS)) == ["José-Núñez"]


MOODLES = "Jane Doe_5012_assignsubmission_file_/softmax-9.py"


def test_a_repository_cannot_write_into_another_students_submission(tmp_path):
    files = {"hw1-eve/relu.py": "", f"hw1-eve/{MOODLES}": WRONG, "hw1-max/softmax.py": GOOD, MOODLES: GOOD}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)
    assert {key: s.files["e01_softmax"][0] for key, s in found.items()} == {
        "hw1-eve": WRONG,
        "hw1-max": GOOD,
        "Jane-Doe-5012": GOOD,
    }
    canvas = {f"hw1-eve/{name}": WRONG for name in ("doejane_101_9001_softmax.py", "roemax_102_9001_softmax.py")}
    found = read_submissions(handed_in(tmp_path / "more", canvas | {"hw1-max/softmax.py": GOOD}), SHEETS)
    assert list(found) == ["hw1-eve", "hw1-max"] and submissions.ALONE in found["hw1-eve"].notes


def test_long_folders_take_no_longer():
    for name in ("a_1" * 20_000, "_" * 60_000, "_" + "1" * 60_000):
        start = time.process_time()
        assert student_of(f"{name}/softmax.py")[0] == (name, "", "folder")
        assert time.process_time() - start < 1


CANVAS = {"doejane_101_9001_softmax.py": GOOD, "roemax_102_9002_softmax.py": WRONG}
MOODLE = {MOODLES: GOOD, "Max Roe_5013_assignsubmission_file_/softmax.py": WRONG}
FLAT = {name.replace("file_/", "file_"): text for name, text in MOODLE.items()}  # downloaded without folders


@pytest.mark.parametrize("export", [CANVAS, MOODLE, FLAT])
def test_an_export_may_lie_in_a_folder_of_its_own(export, tmp_path):
    unpacked = handed_in(tmp_path / "in" / "submissions", export)
    handed_in(tmp_path / "both", {"class.zip": zipped(export), "hw1-amy/softmax.py": GOOD})
    (tmp_path / "class.zip").write_bytes(zipped({f"submissions/{name}": text for name, text in export.items()}))
    wanted = {key: s.files for key, s in read_submissions(unpacked, SHEETS).items()}
    assert len(wanted) == 2
    for place in ("in", "class.zip", "both"):
        found = read_submissions(tmp_path / place, SHEETS)
        assert {key: s.files for key, s in found.items() if key != "hw1-amy"} == wanted


def test_an_export_with_a_stray_file_in_a_mixed_folder_is_noted(tmp_path):
    mixed = CANVAS | {"strange name.py": GOOD}
    files = {"class.zip": zipped(mixed), "amy.zip": zipped({"a_1_2_softmax.py": GOOD, "b.py": "", "c.py": ""})}
    found = read_submissions(handed_in(tmp_path / "in", files | {"hw1-amy/softmax.py": GOOD}), SHEETS)
    assert {key: submissions.ALONE in s.notes for key, s in found.items()} == {
        "class": True,
        "amy": False,
        "hw1-amy": False,
    }
    (tmp_path / "class.zip").write_bytes(zipped(mixed))
    assert list(read_submissions(tmp_path / "class.zip", SHEETS)) == ["doejane-101", "roemax-102", "strange-name"]


def test_moodle_without_folders_says_who_it_is_as_well(tmp_path):
    found = read_submissions(handed_in(tmp_path, FLAT), SHEETS)
    assert {key: (s.name, s.id, s.system, s.files["e01_softmax"][0]) for key, s in found.items()} == {
        "Jane-Doe-5012": ("Jane Doe", "5012", "moodle", GOOD),
        "Max-Roe-5013": ("Max Roe", "5013", "moodle", WRONG),
    }


def test_a_students_archive_is_that_students(tmp_path):
    stubs = {"tutorials/__init__.py": "", "tutorials/exercises/e05_relu.py": "", "tutorials/exercises/e01.py": GOOD}
    files = {
        "jane.zip": zipped({"e01_softmax.py": GOOD, "helpers.py": ""}),
        "joe.zip": zipped({"e01_softmax.py": WRONG}),
        "amy.zip": zipped(stubs),
        "sam.zip": zipped({"answers.pdf": ""}),
        "export.zip": b"PK",
        "class.zip": zipped(CANVAS),
    }
    found = read_submissions(handed_in(tmp_path, files), SHEETS)
    sources = {key: s.files.get("e01_softmax", ("",))[0] for key, s in found.items()}
    assert sources == {
        "jane": GOOD,
        "joe": WRONG,
        "amy": GOOD,
        "sam": "",
        "export": "",
        "doejane-101": GOOD,
        "roemax-102": WRONG,
    }
    assert found["export"].notes == ["export.zip is no zip archive, or a damaged one: download it again"]


@pytest.mark.parametrize("named", ["evil_103_{}_softmax-{}.py", "evil_{}/softmax-{}.py", "evil_103_{}_x-{}.ckpt"])
def test_one_student_cannot_use_up_what_the_class_may_unpack_to(named, tmp_path, monkeypatch):
    monkeypatch.setattr("tutorials.exercises.files.TOTAL", 1 << 20)
    files = {named.format(i, i): b"\0" * (1 << 19) for i in range(4)} | CANVAS
    (tmp_path / "class.zip").write_bytes(zipped(files))
    found = read_submissions(tmp_path / "class.zip", SHEETS)
    assert found["doejane-101"].files["e01_softmax"][0] == GOOD and found["roemax-102"].notes == []
    (tmp_path / "class.zip").write_bytes(zipped({"evil_103_1_hw.zip": zipped(files, zipfile.ZIP_DEFLATED)} | CANVAS))
    found = read_submissions(tmp_path / "class.zip", SHEETS)
    assert "evil_103_1_hw.zip unpacks to more than 1 MiB: that is no homework" in found["evil-103"].notes
    assert found["doejane-101"].files["e01_softmax"][0] == GOOD


def notes(found):
    return {key: s.notes for key, s in found.items()}


def test_work_that_is_not_read_is_named(tmp_path):
    unread = "is not read: .py, .zip or .ckpt is expected"
    moodle = {
        f"Max Roe_{i}_assignsubmission_file_/work{end}": b"PK" for i, end in enumerate((".ipynb", ".rar", ".tar.gz"))
    }
    moodle |= {"Jane Doe_9_assignsubmission_onlinetext/onlinetext.html": "", MOODLES: GOOD}
    moodle |= {MOODLES.replace("softmax-9.py", name): "" for name in ("figure.png", "softmax.docx", "onlinetext.html")}
    (tmp_path / "class.zip").write_bytes(zipped(moodle))
    assert notes(read_submissions(tmp_path / "class.zip", SHEETS)) == {
        "Max-Roe-0": [f"work.ipynb {unread}"],
        "Max-Roe-1": [f"work.rar {unread}"],
        "Max-Roe-2": [f"work.tar.gz {unread}"],
        "Jane-Doe-9": [f"onlinetext.html {unread}"],
        "Jane-Doe-5012": [f"softmax.docx {unread}"],  # the others may be anything, beside work that is read
    }
    files = {
        "class.csv": "name",  # the teacher's own
        "amy.zip": zipped({"work.ipynb": "{}"}),
        "bob.zip": zipped({}),
        "cleo.zip": zipped({"all.zip": zipped({"softmax.py": GOOD})}),
        "dan/e01.py": GOOD,
        "dan/.gitignore": "",
    }
    assert notes(read_submissions(handed_in(tmp_path / "in", files), SHEETS)) == {
        "amy": [f"work.ipynb {unread}"],
        "bob": ["no file answers an exercise that is graded here"],
        "cleo": ["all.zip is not read: unpack an archive in an archive"],
        "dan": [],
    }


@pytest.mark.parametrize("folder", ["", "minnet/"])
def test_what_is_ours_in_a_repository_answers_nothing(folder, tmp_path):
    archives.bundle(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "class" / "bob" / folder)
    repository = {
        "minnet/layers/dropout.py": "class Dropout: pass",
        "tests/exercises/hostile.py": GOOD,
        "tutorials/03_cross_entropy.py": "def cross_entropy(): pass\ndef cross_entropy_backward(): pass",
        "tutorials/exercises/classroom.py": "",
        "tutorials/exercises/specs/e02_softmax_backward.py": "",
        "tutorials/exercises/solutions/e02_softmax_backward.py": "",
        "tutorials/notebooks/01_scores.ipynb": "{}",
        "e04_linear.py": "mine",
    }
    handed_in(tmp_path / "class" / "bob" / folder, repository)
    exercise = tmp_path / "class" / "bob" / folder / "tutorials" / "exercises"
    for gone in ("e02_softmax_backward.py", "e04_linear.py", "e23_bug_training.py"):
        (exercise / gone).unlink()
    sheets = tuple(e.sheet() for e in exercises())
    bob = read_submissions(tmp_path / "class", sheets)["bob"]
    assert bob.notes == []
    assert {sheet.number for sheet in sheets} - {int(id[1:3]) for id in bob.files} == {2, 23}
    assert bob.files["e04_linear"][0] == "mine" and "class Dropout: pass" not in bob.files["e09_dropout"][0]


def test_a_students_own_file_may_have_one_of_our_names(tmp_path):
    ours = (HERE / "given.py").read_text(encoding="utf-8")  # it defines softmax, as everybody's does
    files = {"jane/paper.py": GOOD, "max/given.py": ours, "max/source.py": "x = 1", "eve/tutorials/paper.py": GOOD}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)
    assert {key: {*s.files} for key, s in found.items()} == {"jane": {"e01_softmax"}, "max": set(), "eve": set()}


def test_what_may_be_anybodys_is_listed(tmp_path):
    files = {"jane/softmax.py": GOOD, "vera.txt": "sorry", "tim/.gitignore": "", ".git/config": "", "bob/a.pdf": ""}
    (handed_in(tmp_path / "class", files) / "ulli").mkdir()
    (tmp_path / "class" / "jane" / "empty").mkdir()
    unread: list[str] = []
    assert list(read_submissions(tmp_path / "class", SHEETS, (), unread)) == ["bob", "jane"]
    assert unread == ["tim/", "ulli/", "vera.txt"]
    one = handed_in(tmp_path / "jane", {"softmax.py": GOOD, "notes.txt": ""})
    (one / "empty").mkdir()
    unread.clear()
    assert list(read_submissions(one, SHEETS, (), unread)) == ["jane"] and unread == []


@pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators only")
def test_a_link_hands_nothing_in(tmp_path):
    """It could lead to the solutions, which the teacher has and the student does not."""
    place = handed_in(tmp_path / "class", {"jane/softmax.py": GOOD, "max/notes.txt": ""})
    (place / "max" / "e01_softmax.py").symlink_to(HERE / "solutions" / "e01_softmax.py")
    (place / "tim").mkdir()
    (place / "tim" / "e01_softmax.py").symlink_to(HERE / "solutions" / "e01_softmax.py")
    (place / "ulli").symlink_to(place / "jane")
    unread: list[str] = []
    found = read_submissions(place, SHEETS, (), unread)
    assert {key: {*s.files} for key, s in found.items()} == {"jane": {"e01_softmax"}, "max": set()}
    assert unread == ["tim/", "ulli/"]


def test_exercises_side_by_side_are_one_students(tmp_path):
    files = {"e01_softmax.py": GOOD, "relu (1).py": "", "more/helpers.py": ""}
    alice = handed_in(tmp_path / "alice", files)
    (tmp_path / "bob.zip").write_bytes(zipped(files))
    (tmp_path / "cleo.zip").write_bytes(zipped({"README.md": "", "tutorials/exercises/e01_softmax.py": GOOD}))
    dave = handed_in(tmp_path / "dave", {"E01_SOFTMAX.PY": GOOD, "E05_RELU.PY": ""})
    for place, key in (
        (alice, "alice"),
        (tmp_path / "bob.zip", "bob"),
        (tmp_path / "cleo.zip", "cleo"),
        (dave, "dave"),
    ):
        found = read_submissions(place, SHEETS)
        assert list(found) == [key] and found[key].files["e01_softmax"][0] == GOOD
    one_each = handed_in(tmp_path / "class", {"jane_softmax.py": GOOD, "e01_softmax_max.py": WRONG})
    assert list(read_submissions(one_each, SHEETS)) == ["e01_softmax_max", "jane_softmax"]
    handed_in(one_each, {"jane/e01_softmax.py": GOOD, "e05_relu.py": ""})
    with pytest.raises(ValueError, match=r"whose is e05_relu.py\?"):
        read_submissions(one_each, SHEETS)


def test_folders_that_differ_in_a_space_are_two_students(tmp_path):
    files = {"Jane Doe/softmax.py": GOOD, "Jane Doe/relu.py": "", "Jane-Doe/softmax.py": WRONG, "Jane-Doe/relu.py": ""}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)
    assert {(s.key, s.name): s.files["e01_softmax"][0] for s in found.values()} == {
        ("Jane-Doe", "Jane Doe"): GOOD,
        ("Jane-Doe-2", "Jane-Doe"): WRONG,
    }
    assert found["Jane-Doe"].notes == []


STUB3 = (HERE / "e03_cross_entropy.py").read_text(encoding="utf-8")
UNWRITTEN = 'raise NotImplementedError("exercise 3: cross_entropy_backward")'


@pytest.fixture()
def own(tmp_path, monkeypatch):
    """The folder with the stubs of a teacher's own checkout."""
    here = tmp_path / "tutorials" / "exercises"
    shutil.copytree(HERE, here, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(submissions, "HERE", here)
    submissions.handed_out_file.cache_clear()
    yield here
    submissions.handed_out_file.cache_clear()


@pytest.mark.parametrize(
    "answer",
    [
        (HERE / "solutions" / "e03_cross_entropy.py").read_text(encoding="utf-8"),
        STUB3.replace(UNWRITTEN, "return softmax(z)"),
        STUB3.replace(UNWRITTEN, "return softmax(z)\n    " + UNWRITTEN),
        STUB3 + "\n\ndef helper(z):\n    return z\n",
    ],
)
def test_a_teachers_own_answer_is_neither_handed_out_nor_compared_with(answer, own, tmp_path, capsys):
    (own / "e03_cross_entropy.py").write_text(answer, encoding="utf-8")
    (tmp_path / "class" / "jane").mkdir(parents=True)
    (tmp_path / "class" / "jane" / "e01_softmax.py").write_text(GOOD, encoding="utf-8")
    out, where = str(tmp_path / "out"), "tutorials/exercises/e03_cross_entropy.py"
    place = str(tmp_path / "class")
    commands = (["bundle"], ["gradescope", "--seed", "1"], ["grade", place], ["viva", place])
    for command in commands:
        assert main([*command, "--out", out]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"{where} holds an answer, not the stub") and said.count("\n") == 1
        assert said.endswith(f"(check --folder FOLDER), then git checkout {where}\n")
        assert not (tmp_path / "out").exists()
    assert main(["grade", place, "--out", out, "--exercises", "1"]) == 0  # nobody is compared with it


def test_what_the_teacher_did_with_a_bug_changes_nothing(own):
    """Code with a bug in it, and predictions, are written anew for each variant."""
    for exercise in exercises():
        if exercise.variants:
            (own / f"{exercise.id}.py").write_text("", encoding="utf-8")
        assert submissions.handed_out_file(exercise.id, 0)
