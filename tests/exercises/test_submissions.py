"""Which file counts, whose it is, and what one student's files cannot do to the others'."""

from __future__ import annotations

import pytest

from tests.exercises.hostile import GOOD
from tests.exercises.test_classroom import SHEETS, WRONG, zipped
from tutorials.exercises.specs import exercises
from tutorials.exercises.submissions import exercise_of, read_submissions

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


def test_of_equals_the_first_counts(tmp_path):
    files = {"jane/softmax.py": GOOD, "jane/zzz/softmax.py": WRONG}
    assert read_submissions(handed_in(tmp_path, files), SHEETS)["jane"].files["e01_softmax"][0] == GOOD


def test_a_file_named_as_another_exercise_is_not_matched_by_what_it_defines(tmp_path):
    files = {"jane/e29_improve_digits.py": CONFIG + "# 29\n", "jane/e30_improve_few.py": CONFIG + "# 30\n"}
    found = read_submissions(handed_in(tmp_path, files), NETWORKS[:1])["jane"]
    assert found.files == {"e29_improve_digits": (CONFIG + "# 29\n", "")}
    assert exercise_of("E30.py", CONFIG, NETWORKS[:1])[0] is None
    assert exercise_of("e29_mine.py", CONFIG, NETWORKS[1:])[0] is None
    assert exercise_of("e30_mine.py", CONFIG, NETWORKS)[0] == "e30_improve_few"


def test_of_copies_the_highest_number_counts_and_the_note_says_how(tmp_path):
    files = {"jane/softmax (2).py": WRONG, "jane/softmax (10).py": GOOD, "jane/softmax.py": WRONG}
    found = read_submissions(handed_in(tmp_path, files), SHEETS)["jane"]
    assert found.files["e01_softmax"][0] == GOOD
    assert found.notes[0] == (
        "several files for e01_softmax: the one named most like it counts, then the highest number, then the first"
    )


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
