"""A misbehaving answer costs its own exercise the points, is told in one line, and leaves the next exercise alone.

MINNET_FULL=1 runs the slow hostile answers, too.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.exercises.hostile import CALL, GOOD, HOSTILE, SLOW
from tutorials.exercises import runner
from tutorials.exercises.grading import grade_source
from tutorials.exercises.messages import Call, pack, read_message, unpack
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.specs import exercises
from tutorials.exercises.worker import play

SHEETS = {e.number: e.sheet(11) for e in exercises() if e.number in (1, 4)}
LINEAR = (HERE / "solutions" / "e04_linear.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def process():
    with Process(seconds=1, patience=60) as process:
        yield process


@pytest.mark.parametrize("title", [t for t in HOSTILE if t not in SLOW or os.environ.get("MINNET_FULL")])
def test_costs_only_its_own_exercise(process, title):
    source, said = HOSTILE[title]
    result = grade_source(SHEETS[1], source, process)
    line = result.ended or result.broken.problem
    assert said in line and "\n" not in line and len(line) < 400
    assert result.earned == 0
    after = grade_source(SHEETS[4], LINEAR, process)
    assert after.earned == after.points, [v.problem for v in after.verdicts]


FORWARD = LINEAR[: LINEAR.index("def linear_backward")]
HEAD = "def linear_backward(dy, x, W):\n    "


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("", "NameError: it defines no linear_backward"),
        ("def linearBackward(dy, x, W):\n    pass\n", "it defines no linear_backward: is it called linearBackward?"),
        (
            f"class Linear:\n    {HEAD.strip()} pass\n",
            "it defines no linear_backward but as a method of Linear: write it as a plain function",
        ),
        (HEAD + "raise NotImplementedError", "NotImplementedError (line "),
        (HEAD + "while True: pass", "linear_backward: no answer after 1 seconds: is it in an endless loop, very slow"),
        (HEAD + "import faulthandler; faulthandler._sigsegv()", "linear_backward: its process crashed"),
        (HEAD + "raise SystemExit", "linear_backward: sys.exit was called"),
    ],
)
def test_what_is_wrong_with_one_function_leaves_the_others_their_points(process, second, said):
    result = grade_source(SHEETS[4], FORWARD + second, process)
    assert result.earned == 5.5
    assert {said in (o["error"] or said) for o in result.outcomes} == {True}
    assert sum(bool(o["error"]) for o in result.outcomes) == sum(c.calls[0].name != "linear" for c in SHEETS[4].cases)


def test_what_had_answered_before_is_not_blamed_for_what_ends_the_process(process):
    source = "def f(x):\n    return 1 / x\ndef g():\n    raise SystemExit\n"

    def ends(first):
        plays = [[Call("call", "f", (first,))], [Call("call", "f", (1,)), Call("call", "g")], [Call("call", "f", (1,))]]
        outcomes = process.run("e01", source, ["f", "g"], [], [(calls, False) for calls in plays])
        return [outcome["error"] if outcome.get("ended") else "" for outcome in outcomes]

    assert ends(1) == ["", "g: sys.exit was called", ""]
    assert ends(0) == ["", *["f or g: sys.exit was called"] * 2]  # an error is no answer: f may be what ended it


def test_a_result_stays_as_it_was_when_a_later_call_writes_into_its_array():
    class Sum:
        total = np.zeros(1)

        def add(self):
            self.total += 1
            return self.total

    calls = [Call("method", "add"), Call("method", "add")]
    assert play([Call("make", "Sum"), *calls], {"Sum": Sum})["results"] == [1, 2]
    assert play([Call("call", "add")] * 2, {"add": Sum().add})["results"] == [3, 4]


def test_a_replaced_part_of_numpy_leaves_no_points_whichever_function_does_it(process):
    result = grade_source(SHEETS[4], FORWARD + HEAD + "import numpy; numpy.allclose = print", process)
    assert result.earned == 0 and {o["error"] for o in result.outcomes} == {result.ended}
    assert "it replaces np.allclose" in result.ended


def test_an_answer_that_only_waits_is_stopped_too():
    with Process(seconds=1, patience=4) as process:
        result = grade_source(SHEETS[1], CALL.format("import time; time.sleep(10**6)"), process)
    assert "no answer after 1 seconds" in result.ended and result.earned == 0


FORGED = (
    GOOD
    + """
import json, struct, sys, time
frame = sys._getframe()
while "answers" not in frame.f_locals:
    frame = frame.f_back
header = json.dumps({"tree": {"d": TREE}, "arrays": []}).encode()
frame.f_locals["answers"].write(struct.pack(">QQ", len(header), 0) + header)
frame.f_locals["answers"].flush()
time.sleep(10**6)
"""
)
LOADED = '[["error", None], ["patched", []], ["printed", ""], ["missing", []]]'


@pytest.mark.parametrize("tree", ["[]", LOADED.replace("None", "1"), LOADED.replace('"patched", []', '"patched", "x"')])
def test_a_forged_answer_is_read_with_care(process, tree):
    result = grade_source(SHEETS[1], FORGED.replace("TREE", tree), process)
    assert "its answer cannot be read" in result.ended and result.earned == 0


def test_a_process_that_reads_no_question_is_stopped():
    calls = [Call("call", "softmax", (np.ones((1, 1 << 17)),))]
    with Process(seconds=1, patience=2) as process:
        (outcome,) = process.run("e01", FORGED.replace("TREE", LOADED), ["softmax"], [], [(calls, False)])
    assert "no answer after 1 seconds" in outcome["error"]


def test_numpy_that_lies_outside_of_python_is_found_all_the_same(monkeypatch, tmp_path):
    """In the user's own folder, or on PYTHONPATH: the process gets neither, as this bare environment has no NumPy."""
    venv.create(tmp_path, symlinks=os.name != "nt", with_pip=False)
    python = tmp_path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    monkeypatch.setattr(runner.sys, "executable", str(python))
    with Process() as process:
        result = grade_source(SHEETS[4], LINEAR, process)
    assert result.earned == result.points, result.ended
    monkeypatch.setattr(runner, "NUMPY", tmp_path)
    why = r"no answer can be run here, .*\(exit code 1\): ModuleNotFoundError: No module named 'numpy'$"
    with Process() as process, pytest.raises(OSError, match=why):  # which costs nobody points
        grade_source(SHEETS[4], LINEAR, process)


def test_computing_time_counts_from_what_was_used_and_a_limit_that_is_already_there_is_kept():
    pytest.importorskip("resource")
    code = "import resource as r; from tutorials.exercises.confinement import allow; kind = r.RLIMIT_CPU\n"
    code += "r.setrlimit(kind, (90, 90)); r.getrusage = lambda _: (20.0, 3.5)\n"  # as earlier exercises leave it
    code += "allow(5); print(r.getrlimit(kind)); allow(1000); print(r.getrlimit(kind))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parents[1], check=True)
    assert said.stdout == "(29, 90)\n(90, 90)\n"


def test_other_packages_beside_numpy_are_not_read(tmp_path):
    """Where site-packages lies in Python's own folder: anywhere but in a virtual environment."""
    code = "import os, sys, numpy, pytest; from tutorials.exercises.confinement import refuse\n"
    code += f"os.__file__ = os.path.dirname(os.path.dirname(numpy.__file__)) + '.py'; refuse({str(tmp_path)!r})\n"
    code += "open(numpy.__file__).close(); print('numpy is read', flush=True); open(pytest.__file__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parents[1])
    assert said.stdout == "numpy is read\n" and "PermissionError: refused here: reading" in said.stderr


def test_a_folder_that_the_system_still_holds_does_not_end_the_grading(monkeypatch):
    """On Windows a virus scanner may keep the folder that a process worked in."""

    def held(path, *_, **__):
        raise PermissionError(13, "The process cannot access the file", str(path))

    with Process() as process:
        process.run("e01", GOOD, ["softmax"], [], [])
        with monkeypatch.context() as patched:
            patched.setattr(os, "rmdir", held)
            process.__exit__()
    assert not os.path.exists(process._scratch)


def test_nothing_was_written():
    assert not Path("/tmp/written-by-an-answer").exists()


def test_a_few_prints_and_the_own_folder_are_fine(process):
    source = CALL.format(
        "print('shape', z.shape); open('notes.txt', 'w').close(); import math, collections\n"
        "    import os; os.rename('notes.txt', 'more.txt')"
    )
    result = grade_source(SHEETS[1], source, process)
    assert result.earned == result.points, [v.problem for v in result.verdicts]


@pytest.mark.parametrize(
    "line",
    [
        "from numpy import *",
        "import numpy as np; np.testing.assert_array_less(0, 1)",
        "import sysconfig; sysconfig.get_config_vars()",
        "import inspect, numpy; inspect.getmembers(numpy)",
        "import pydoc",
    ],
)
def test_what_the_standard_library_imports_is_fine_from_the_first(line):
    """In a new process: one that has tried before knows half of the module already."""
    with Process() as new:
        result = grade_source(SHEETS[1], f"{line}\n{GOOD}", new)
    assert result.earned == result.points, [v.problem for v in result.verdicts]


def test_what_a_notebook_saved_as_a_script_calls_does_nothing(process):
    head = "get_ipython().run_line_magic('matplotlib', 'inline')\nget_ipython().system('pip install numpy')\n"
    tail = "from tutorials.exercises import check\nassert check(softmax, why=True) is None\n"
    for _ in range(2):
        result = grade_source(SHEETS[1], head + GOOD + tail, process)
        assert result.earned == result.points, [v.problem for v in result.verdicts]


@pytest.mark.parametrize(
    "line",
    [
        "import matplotlib.pyplot as plt",
        "from lesson import check, panels\ncheck('it is 1', True)",
        "import tutorials.exercises as exercises\nexercises.check(softmax)",
        "from minnet.functional import softmax as theirs",
        "softmax(np.ones(3))",
        "name = input('name? ')",
        "get_ipython().magic('matplotlib inline')",
        "await something",
    ],
)
@pytest.mark.parametrize("mark", ["# In[1]:", "# %%"])
def test_a_cell_that_fails_leaves_the_answer_of_another_cell_its_points(process, mark, line):
    for source in (f"{mark}\n{line}\n{GOOD}", f"{mark}\n{GOOD}{line}\n"):
        result = grade_source(SHEETS[1], source, process)
        assert result.earned == result.points, [v.problem for v in result.verdicts]


def test_of_a_notebook_without_the_answer_the_first_error_is_told(process):
    result = grade_source(SHEETS[1], "# In[1]:\nimport torch\nsoftmax = torch.softmax\n", process)
    assert result.broken.problem.startswith("ImportError (line 2): an answer may import numpy") and result.earned == 0
    result = grade_source(SHEETS[1], f"# In[1]:\nraise SystemExit\n{GOOD}", process)
    assert result.broken.problem == "sys.exit was called"


@pytest.mark.parametrize(
    "line",
    [
        "from given import softmax",
        "from tutorials.exercises.given import softmax",
        "import tutorials.exercises.given as given; softmax = given.softmax",
        "from tutorials.exercises import given; softmax = given.softmax",
    ],
)
def test_given_works_for_the_exercises_after(process, line):
    sheet = next(e for e in exercises() if e.number == 2).sheet(3)
    source = f"{line}\nimport numpy as np\ndef softmax_backward(dy, s):\n"
    source += "    assert softmax(dy).shape == s.shape\n    return s * (dy - np.sum(dy * s, 1, keepdims=True))\n"
    result = grade_source(sheet, source, process)
    assert result.earned == result.points, [v.problem for v in result.verdicts]


DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass
import sys
import numpy as np
assert "e00" not in sys.modules
@dataclass
class Scores:
    z: np.ndarray
    shift: float = 0.0
__name__ = []
def softmax(z):
    e = np.exp(Scores(z).z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""


def test_an_answer_may_define_a_dataclass(process):
    process.run("e00", GOOD, ["softmax"], [], [])
    for _ in range(2):
        result = grade_source(SHEETS[1], DATACLASS, process)
    assert result.earned == result.points, [v.problem for v in result.verdicts]


def test_an_array_that_is_there_many_times_counts_as_often():
    once = np.zeros((1000, 1000))
    assert len(unpack(pack([once] * 8), 1 << 26)) == 8
    message = pack([once] * 9)
    assert len(message) < 9e6 and len(unpack(message)) == 9  # sheets are ours
    for many in (message, pack([np.zeros(0)] * (1 << 20))):
        with pytest.raises(ValueError, match="an answer of more than 64 MiB"):
            read_message(io.BytesIO(many))


def test_an_answer_of_many_equal_arrays_is_refused(process):
    many = "def softmax(z):\n    import numpy as np\n    return [np.zeros((1000, 1000))] * 20\n"
    result = grade_source(SHEETS[1], many, process)
    assert result.ended == "softmax: its answer cannot be read: an answer of more than 64 MiB"


def test_who_stops_the_grader_is_heard(process):
    def stops():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play([Call("call", "stops")], {"stops": stops})
    result = grade_source(SHEETS[1], CALL.format("raise KeyboardInterrupt"), process)
    assert "KeyboardInterrupt" in result.broken.problem and not result.ended


def test_settings_of_the_interpreter_end_with_their_exercise(process):
    seen = "import sys, warnings\nimport numpy as np\ndef softmax(z):\n"
    seen += "    return str((np.geterr(), warnings.filters, sys.getrecursionlimit()))\n"
    sets = 'np.seterr(all="raise")\nwarnings.filterwarnings("error")\nsys.setrecursionlimit(500)\n'

    def run(source):
        return process.run("e01", source, ["softmax"], [], [([Call("call", "softmax", (0,))], False)])[0]["results"]

    before = run(seen)
    assert run(seen + sets) != before and run(seen) == before


def test_graded_again_an_answer_gives_the_same(monkeypatch, tmp_path):
    """In another process, or later in the same one; and nothing of the user's environment is in it."""
    source = "import numpy as np, random, sys\ndef softmax(z):\n"
    source += "    return hash('softmax') % 997, random.random(), np.random.rand(), sys.path, str(sys.flags)\n"
    (tmp_path / "copy.py").write_text("raise ValueError", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = []
    for _ in range(2):
        with Process() as process:
            for _ in range(2):
                plays = [([Call("call", "softmax", (0,))], False)]
                found += [outcome["results"] for outcome in process.run("e01", source, ["softmax"], [], plays)]
    ((*_, path, flags),) = found[0]
    assert found[0] and found == found[:1] * 4
    assert not {str(tmp_path), str(HERE), str(HERE.parents[1]), ""} & {*path} and "no_user_site=1" in flags


@pytest.mark.parametrize(
    "loop",
    [
        "out = [np.exp(r - max(r)) / np.exp(r - max(r)).sum() for r in z]",
        "out = list(map(lambda r: np.exp(r - max(r)) / np.exp(r - max(r)).sum(), z))",
        "out = np.apply_along_axis(lambda r: np.exp(r - max(r)) / np.exp(r - max(r)).sum(), 1, z)",
        "rows = 'def f(z):\\n return [np.exp(r - max(r)) / np.exp(r - max(r)).sum() for r in z]'\n"
        "    exec(rows, globals()); out = f(z)",
        "exec(compile('def f(r): return np.exp(r - max(r)) / np.exp(r - max(r)).sum()', 'x.py', 'exec'), globals())\n"
        "    out = list(map(f, z))",
        "out = np.vectorize(eval('lambda r: np.exp(r - max(r)) / np.exp(r - max(r)).sum()'), signature='(k)->(k)')(z)",
    ],
)
def test_hidden_loops_are_counted(process, loop):
    result = grade_source(
        SHEETS[1], f"import numpy as np\ndef softmax(z):\n    {loop}\n    return np.array(out)\n", process
    )
    assert [v.property.name for v in result.verdicts if v.problem] == ["lines"]
    assert result.mistakes == ["loop"]


def test_lines_that_could_not_be_counted_have_no_points(process):
    result = grade_source(SHEETS[1], CALL.format("import sys; sys.settrace(None)"), process)
    (problem,) = [v.problem for v in result.verdicts if v.property.name == "lines"]
    assert problem == "RuntimeError: sys.settrace was called, and the lines could not be counted"


def test_expected_values_never_reach_the_process(monkeypatch, process):
    """Every message that goes to the child, searched for the expected numbers."""
    from tutorials.exercises import runner

    sent = []
    pack = runner.pack
    monkeypatch.setattr(runner, "pack", lambda message: sent.append(pack(message)) or sent[-1])
    grade_source(SHEETS[1], GOOD, process)
    assert sent
    for case in SHEETS[1].cases:
        data = case.expected[0].tobytes()
        assert not any(data in message for message in sent)
