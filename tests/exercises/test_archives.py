"""What leaves the teacher's hands holds no solution, and Gradescope's archive works where it will run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.exercises.hostile import GOOD
from tutorials.exercises import archives, sheet
from tutorials.exercises.grading import grade_source
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.sheet import VERSION
from tutorials.exercises.specs import exercises
from tutorials.exercises.variants import variant_in, variant_of

KEEP = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT")} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(archives.bundle(folder / "exercises.zip")) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_bundle_holds_no_solution(bundle):
    """Nothing of the teacher's side is in it, and no file in it, handed in as an answer, has full marks."""
    files = [p for p in bundle.rglob("*") if p.is_file()]
    assert not any(part in ("solutions", "specs", "minnet") for p in files for part in p.parts[len(bundle.parts) :])
    sources = [p.read_text(encoding="utf-8") for p in files if p.suffix == ".py"]
    for exercise in exercises():
        solution = (HERE / "solutions" / f"{exercise.id}.py").read_text(encoding="utf-8")
        code = [
            line.strip()
            for line in solution.splitlines()
            if line.strip().startswith("return ") and len(line.strip()) > 20
        ]
        if exercise.planted:  # the code is handed out, but for the line with the bug
            code = [m.old for m in exercise.mistakes if m.id == exercise.planted]
        assert not any(line in source for line in code for source in sources), exercise.id
    with Process(30) as process:
        for exercise in exercises():
            if exercise.budget is not None:
                continue  # only a trained network has points
            candidates = [s for s in sources if all(f"def {n}(" in s or f"class {n}" in s for n in exercise.names)]
            assert candidates
            for source in candidates:
                result = grade_source(exercise.sheet(1), source, process)
                assert result.earned < result.points, exercise.id


def run(bundle, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tutorials.exercises", *arguments],
        cwd=bundle,
        env=KEEP,
        text=True,
        capture_output=True,
        timeout=120,
    )


def test_bundle_checks_without_the_teachers_side(bundle):
    answer = bundle / "tutorials" / "exercises" / "e01_softmax.py"
    answer.write_text(GOOD.replace("z.max(axis=1, keepdims=True)", "0"), encoding="utf-8")
    first = run(bundle, "check", "1", "--example")
    assert first.returncode == 1 and "not yet     scores of 10,000" in first.stdout and "expected" in first.stdout
    assert "overflow" not in first.stdout.replace("RuntimeWarning: overflow", "")
    assert "after one more attempt" in run(bundle, "check", "1", "--why").stdout
    answer.write_text(GOOD.replace("z.max(axis=1, keepdims=True)", "0 "), encoding="utf-8")
    assert "The exponentials overflow" in run(bundle, "check", "1", "--why").stdout
    answer.write_text(GOOD, encoding="utf-8")
    assert run(bundle, "check", "1").stdout == " 1 Softmax: 10 of 10 points\n"
    unknown = run(bundle, "check", "77")
    assert unknown.returncode == 2 and "there is no exercise 77" in unknown.stderr and unknown.stderr.count("\n") == 1
    assert run(bundle, "grade", ".").returncode == 2
    assert "train 29" in (bundle / "README.md").read_text(encoding="utf-8")


def test_everybody_on_the_roster_has_an_archive_of_their_own(tmp_path):
    (tmp_path / "roster.csv").write_text('name\nJane Doe\n"Roe, Max"\njane doe\n', encoding="utf-8")
    assert archives.bundles(tmp_path / "roster.csv", tmp_path / "out") == 3
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["Jane-Doe-1.zip", "Roe-Max.zip", "jane-doe-3.zip"]
    for name in names[1:]:
        with zipfile.ZipFile(tmp_path / "out" / name) as archive:
            archive.extractall(tmp_path / name[:-4])
    max, jane = (tmp_path / name[:-4] for name in names[1:])
    where = "tutorials/exercises/e25_predict_network.py"
    stub = (jane / where).read_text(encoding="utf-8")
    assert variant_in(stub) == variant_of("Doe, Jane") != variant_of("Max Roe") and stub != (max / where).read_text()
    for sheet_ in sheet.from_bytes((jane / "tutorials" / "exercises" / "public.sheets").read_bytes()):
        assert sheet_.variant == (variant_of("Jane Doe") if sheet_.personal else 0)
        for case in sheet_.cases:
            assert (case.expected is None) == (sheet_.properties[case.property].kind == "prediction")
    solution = next(e for e in exercises() if e.number == 25).of(variant_of("Jane Doe")).solution()
    (jane / where).write_text(f"VARIANT = {variant_of('Jane Doe')}\n{solution}", encoding="utf-8")
    assert run(jane, "check", "25").stdout.endswith("9 of 9 points\n")
    refused = run(max, "check", "25", "--folder", str(jane / "tutorials" / "exercises"))
    assert refused.returncode == 2 and "work in the archive that you were given" in refused.stderr


def test_another_version_is_refused(monkeypatch):
    data = sheet.to_bytes([exercises()[0].sheet()])
    assert sheet.from_bytes(data)[0].id == "e01_softmax"
    monkeypatch.setattr(sheet, "VERSION", "0")
    with pytest.raises(ValueError, match=rf"of version {VERSION}, this grader of 0"):
        sheet.from_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        sheet.from_bytes(b"nothing of the kind")


def test_gradescope_on_an_imitated_autograder(tmp_path):
    root = tmp_path / "autograder"
    with zipfile.ZipFile(archives.gradescope(tmp_path / "autograder.zip", 5, [1, 4, 22, 23, 24, 29])) as archive:
        archive.extractall(root / "source")
        assert {"setup.sh", "run_autograder"} <= set(archive.namelist())
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o755
    assert not any(p.parent.name in ("solutions", "specs") for p in root.rglob("*.py"))
    for hidden in sheet.from_bytes((root / "source" / "tutorials" / "exercises" / "hidden.sheets").read_bytes()):
        planted = exercises()[hidden.number - 1].of(hidden.variant).planted
        assert not planted or not hidden.cases or "still there" in hidden.sentences[planted]  # and not which it is
    (root / "submission").mkdir()
    (root / "submission" / "softmax (1).py").write_text(
        GOOD.replace("z.max(axis=1, keepdims=True)", "0"), encoding="utf-8"
    )
    network = next(e for e in exercises() if e.number == 22)
    mended = network.solution().replace("import numpy as np\n", "import numpy as np\n\nVARIANT = 7\n")
    (root / "submission" / "e22.py").write_text(mended, encoding="utf-8")
    bug = next(e for e in exercises() if e.number == 23).of(5).stub
    (root / "submission" / "e23.py").write_bytes((bug + "\n# looked at").replace("\n", "\r\n").encode())
    (root / "submission" / "e24_bug_report.py").write_text("\n", encoding="utf-8")
    for other in ("e02_softmax_backward.py", "e29_improve_digits.py", "e29_improve_digits.ckpt", "e99.py"):
        (root / "submission" / other).write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "tutorials.exercises.gradescope", str(root)]
    subprocess.run(command, cwd=root / "source", env=KEEP, check=True, timeout=120)
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert set(results) == {"score", "execution_time", "output", "visibility", "stdout_visibility", "tests"}
    assert results["output"] == "e99.py belongs to no exercise"  # the others are not graded here, and no strangers
    assert results["score"] == 8 + 10 == sum(test["score"] for test in results["tests"])
    assert sum(test["max_score"] for test in results["tests"]) == 22 + 10 + 10 + 10
    assert not any(test["number"].startswith("29") for test in results["tests"])  # graded where minnet is
    for test in results["tests"]:
        assert set(test) == {"score", "max_score", "status", "name", "number", "output", "tags", "visibility"}
        assert test["status"] in ("passed", "failed") and test["visibility"] == "visible"
    broken = next(test for test in results["tests"] if test["number"] == "1.3")
    assert broken["status"] == "failed" and "The exponentials overflow" in broken["output"]
    assert (
        next(test for test in results["tests"] if test["number"] == "4.1")["output"]
        == "no .py file for it was handed in"
    )
    nothing = {t["number"][:2]: t["output"] for t in results["tests"] if t["number"][:2] in ("23", "24")}
    assert nothing == {"23": "still as it was handed out", "24": "the file is empty: was it saved?"}
