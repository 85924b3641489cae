"""An answer in a notebook is checked with what it uses of other cells, and its lines are those of its cell."""

from __future__ import annotations

import linecache

import pytest

from tutorials.exercises import learner
from tutorials.exercises.specs import exercises

SOFTMAX = """def softmax(z):
    e = exp(z - z.max(axis=AX, keepdims=True))
    return e / e.sum(axis=AX, keepdims=True)
"""


def notebook(*cells):
    """The names that cells define, run as Jupyter does."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        place = f"<cell {number}, {hash(cell)}>"
        linecache.cache[place] = (len(cell), None, cell.splitlines(keepends=True), place)
        exec(compile(cell, place, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where attempts are counted


@pytest.mark.parametrize("number", [3, 13, 20])
def test_a_solution_has_full_marks_in_a_cell_too(number, capsys):
    exercise = next(e for e in exercises() if e.number == number)
    names = notebook(exercise.solution().replace("from given import", "from tutorials.exercises.given import"))
    learner.check(names[exercise.names[0]])
    points = sum(check.points for check in exercise.checks)
    assert capsys.readouterr().out == f"{number:2} {exercise.title}: {points} of {points} points\n"


@pytest.mark.parametrize(
    "other",
    [
        "from numpy import exp\nAX = (1,)",
        "import numpy\nfrom numpy import exp\nAX = 1",
        "import math, numpy as n\nAX, TRUE = 1, True\ndef exp(z):\n    return n.exp(z) if TRUE else math.pi",
        "from math import exp as e\nAX, ROWS = 1, [True, None]\n"
        "class Exp:\n    def __call__(self, z):\n        return np.vectorize(e)(z) if ROWS == [True, None] else 0\n"
        "def exp(z):\n    return Exp()(z)",
        "from functools import partial\nAX, NONE = 1, None\ndef exp(z, base=NONE):\n    return partial(np.exp)(z)",
        "AX, sq = 1, lambda z: np.exp(z)\ndef e_to(z):\n    return sq(z)\nexp = e_to",
        "AX, ONE = 1, np.float64(1)\nclass Base:\n    def __call__(self, z):\n        return np.exp(z) * ONE\n"
        "class Exp(Base):\n    def e(self, z):\n        return self(z)\ndef exp(z):\n    return Exp().e(z) * Base()(0)",
        "AX, ON, ONE = np.int64(1), np.bool_(True), np.float32(1)\nclass Base:\n    power = 1\n"
        "class Exp(Base):\n    def __call__(self, z):\n        return np.exp(z) * ONE**self.power if ON else 0\n"
        "def exp(z):\n    return Exp()(z)",
    ],
)
def test_imports_and_constants_of_other_cells_are_taken_along(other, capsys):
    names = notebook("import numpy as np", other, SOFTMAX)
    learner.check(names["softmax"])
    assert capsys.readouterr().out == " 1 Softmax: 10 of 10 points\n"


def test_a_class_without_methods_is_the_latest_of_its_name(capsys):
    answer = SOFTMAX.replace("exp", "np.exp").replace("AX", "Axes().columns")
    for columns, earned in ((0, 0), (1, 10)):
        fields = f"@dataclass\nclass Axes:\n    rows: int = 0\n    columns: int = {columns}\n"
        names = notebook("import numpy as np\nfrom dataclasses import dataclass", fields, answer)
        with pytest.raises(SyntaxError):
            notebook("class Axes: (")
        learner.check(names["softmax"])
        said = capsys.readouterr().out
        assert f"Softmax: {earned} of 10 points" in said and "taken along" not in said


def test_a_personal_exercise_is_checked_as_the_variant_that_the_notebook_states(capsys, monkeypatch):
    exercise = next(e for e in exercises() if e.number == 25)
    solution = exercise.of(3).solution()
    learner.check(notebook("VARIANT = 3", solution)["predicted_shape"])
    said = capsys.readouterr().out
    assert "9 of 9 points" in said and "keep the line" not in said
    monkeypatch.setattr(learner, "public_sheets", lambda: (exercise.of(3).sheet("public"),))  # of the student's archive
    learner.check(notebook(solution)["predicted_shape"])
    said = capsys.readouterr().out
    assert "9 of 9 points" in said and "keep the line VARIANT = 3 of e25_predict_network.py in a cell" in said


@pytest.mark.parametrize(
    "line",
    [
        "from tutorials.exercises.given import softmax as theirs",
        "from tutorials.exercises import given\ntheirs = given.softmax",
        "from tutorials.exercises import given\ndef theirs(z):\n    return given.softmax(z)",
    ],
)
def test_what_is_given_may_have_another_name_in_the_notebook(line, capsys):
    answer = "def softmax_backward(dy, s):\n    assert theirs(dy).shape == s.shape\n"
    answer += "    return s * (dy - (dy * s).sum(axis=1, keepdims=True))\n"
    learner.check(notebook(line, answer)["softmax_backward"])
    assert "10 of 10 points\n" in capsys.readouterr().out


def test_local_names_and_given_ones_are_not_taken_from_the_notebook(capsys):
    """Matplotlib and minnet are not to be had in a hand-in: what an answer does not use of them does no harm."""
    solution = next(e for e in exercises() if e.number == 3).solution()
    used = solution.replace(
        "def cross_entropy_backward(z, labels):\n", "def cross_entropy_backward(z, labels):\n    plt = 1\n"
    )
    before = "import matplotlib.pyplot as plt\nfrom minnet.functional import softmax, log_softmax\n"
    names = notebook(before, used.replace("from given import", "from tutorials.exercises.given import"))
    learner.check(names["cross_entropy"])
    assert "plt = 1" in used and "11 of 11 points" in capsys.readouterr().out
    mine = solution[: solution.index("def cross_entropy_backward")].replace(
        "from given", "from tutorials.exercises.given"
    )
    learner.check(notebook("from minnet.reference import cross_entropy_backward", mine)["cross_entropy"])
    assert "cross_entropy_backward is not defined yet" in capsys.readouterr().out


def test_lines_are_those_of_the_cell(capsys):
    below = SOFTMAX.replace("AX", "1").replace("exp", "shifted")
    names = notebook("import numpy as np\n\ndef shifted(z):\n    return np.exp(z) / unknown\n", f"# mine\n\n{below}")
    learner.check(names["softmax"])
    assert "NameError (line 4 of the cell with shifted): name 'unknown' is not defined" in capsys.readouterr().out
    learner.check(notebook(f"# mine\n\n{below}")["softmax"], example=True)
    assert capsys.readouterr().out.count("NameError (line 4): name 'shifted' is not defined") == 2
    learner.check(notebook("import scipy", "def softmax(z):\n    return scipy.special.softmax(z)")["softmax"])
    assert "may import numpy, given and the standard library, not scipy" in capsys.readouterr().out


def test_what_crashes_is_told_so_and_not_that_its_numbers_are_unknown(capsys):
    for text in ("return unknown", "return  unknown"):
        learner.check(notebook(f"def softmax(z):\n    {text}\n")["softmax"], why=True)
    said = capsys.readouterr().out
    assert "None of the known mistakes" not in said and "no result   z stays as it was" in said
    assert "There are no numbers to compare: NameError (line 2): name 'unknown' is not defined" in said


@pytest.mark.parametrize("answer", ["softmax", [[0.5, 0.5]], 1])
def test_check_takes_the_function_itself(answer):
    with pytest.raises(TypeError, match=r"the function or class itself, as in check\(softmax\), got a \w+$"):
        learner.check(answer)


def test_a_lambda_is_told_to_be_written_with_def():
    with pytest.raises(ValueError, match="write the function with def"):
        learner.check(lambda z: z)


def test_what_is_not_taken_along_is_named(capsys):
    before = "import numpy as np\nfrom functools import cache\nW = np.ones(3)\n@cache\ndef exp(z):\n    return z\n"
    learner.check(notebook(before, SOFTMAX.replace("AX", "W"))["softmax"])
    assert "softmax uses W, exp of the notebook, which is not taken along" in capsys.readouterr().out
    other = "import numpy as np\ndef softmax(z):\n    return np.exp(z)\nexp = softmax\n"
    learner.check(notebook(other, SOFTMAX.replace("AX", "1"))["softmax"])
    assert "softmax uses exp of the notebook" in capsys.readouterr().out  # an earlier function of that name
    learner.check(notebook(before, SOFTMAX.replace("AX", "1").replace("exp", "np.cos"))["softmax"])
    assert "not taken along" not in capsys.readouterr().out
