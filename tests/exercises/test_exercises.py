"""Every exercise proves itself: solutions full marks, stubs zero, known mistakes lose what they should and differ."""

from __future__ import annotations

import ast
import re
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tutorials.exercises import improve
from tutorials.exercises.comparison import same
from tutorials.exercises.grading import grade_source
from tutorials.exercises.messages import pack
from tutorials.exercises.runner import HERE, Process
from tutorials.exercises.sheet import judge, problem_of
from tutorials.exercises.specs import exercises, sheet_of
from tutorials.exercises.variants import VARIANTS, variant_of
from tutorials.exercises.worker import play

ALL = exercises()
IDS = [e.id for e in ALL]


def variants(exercise):
    return (0, 1, 5) if exercise.variants else (0,)


@cache
def network(number):
    """The checkpoint that belongs to the solution of an exercise that asks for one."""
    exercise = ALL[number - 1]
    if exercise.budget is None:
        return None
    names: dict = {}
    exec(exercise.solution(), names)
    dataset = improve.data(exercise.budget["data"], exercise.budget["examples"])
    with tempfile.TemporaryDirectory() as folder:
        improve.save(improve.train(improve.checked(names["config"]()), dataset), Path(folder) / "network.ckpt")
        return (Path(folder) / "network.ckpt").read_bytes()


@pytest.fixture(scope="module")
def process():
    with Process(60) as process:
        yield process


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
@pytest.mark.parametrize("seed", ["public", 1])
def test_solution_has_full_marks(exercise, seed, process):
    for variant in variants(exercise):
        source = exercise.of(variant).solution()
        result = grade_source(
            sheet_of(exercise.number, seed, variant), source, process, network=network(exercise.number)
        )
        assert result.earned == result.points, [v.problem for v in result.verdicts]
        assert not result.mistakes


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_stub_has_no_marks_and_says_so(exercise, process):
    source = (HERE / f"{exercise.id}.py").read_text(encoding="utf-8")
    assert source == (exercise.stub or source)
    for variant in variants(exercise):
        handed_out = exercise.of(variant)
        result = grade_source(sheet_of(exercise.number, 1, variant), handed_out.stub or source, process)
        assert result.earned == 0
        said = f"exercise {exercise.number}"
        assert exercise.planted or all(said in v.problem or "NotImpl" in v.problem for v in result.verdicts)
        assert result.mistakes == ([handed_out.planted] if exercise.planted else [])
    assert ("Full marks" in source) == any(check.kind == "lines" for check in exercise.checks)
    stated = f"({exercise.minutes} minutes, {exercise.difficulty})"
    assert ast.get_docstring(ast.parse(source)).startswith(f"Exercise {exercise.number}.") and stated in source
    assert "Example" in source or not exercise.core


@pytest.mark.parametrize(
    ("gradient", "state", "said", "points"),
    [
        ("-p / len(z)", "not judged", "judged when the values are right: cross_entropy_backward: at [", 6),
        ("p", "not judged", "judged when the values are right: cross_entropy_backward: at [", 7.25),
        ("np.subtract(0, p, out=z)", "not yet", "cross_entropy_backward writes into its arguments", 6),
        ("p / n", "no result", "NameError (line 9): name 'n' is not defined", 6),
        ("p / len(z)", "holds", "", 11),
    ],
)
def test_a_wrong_answer_is_not_said_to_change_its_arguments(gradient, state, said, points, process):
    solution = ALL[2].solution()
    source = solution[: solution.index("def cross_entropy_backward")] + (
        "def cross_entropy_backward(z, labels):\n    from given import softmax\n    p = softmax(z)\n"
        f"    p[np.arange(len(z)), labels] -= 1\n    return {gradient}\n"
    )
    result = grade_source(sheet_of(3, 1), source, process)
    last = result.verdicts[-1]
    assert (last.property.kind, last.state, result.earned) == ("untouched", state, points)
    assert re.sub(r"line \d+", "line 9", last.problem).startswith(said) and bool(said) == bool(last.problem)


@pytest.mark.parametrize(
    ("more", "state"), [("", "not judged"), ("\n    for _ in y: pass", "not yet"), ("\n    y / x.T", "no result")]
)
def test_a_wrong_answer_without_a_loop_is_not_said_to_have_one(more, state, process):
    source = f"def {ALL[16].names[0]}(x, *more):\n    y = x + 1{more}\n    return y\n"
    (last,) = (v for v in grade_source(sheet_of(17, 1), source, process).verdicts if v.property.kind == "lines")
    assert (last.state, last.earned) == (state, 0)


def test_of_several_functions_the_wrong_one_is_named(process):
    more = "\n_right = cross_entropy_backward\ndef cross_entropy_backward(*given):\n    return 2 * _right(*given)\n"
    wrong = grade_source(sheet_of(3, "public"), ALL[2].solution() + more, process)
    assert wrong.broken.problem.startswith("cross_entropy_backward: at [")
    alone = grade_source(sheet_of(1, "public"), "def softmax(z):\n    return z\n", process)
    assert alone.broken.problem.startswith("at [")  # there is no other


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_every_known_mistake_loses_the_points_that_it_should(exercise):
    for seed, variant in [("public", 0), *((1, variant) for variant in variants(exercise))]:
        found = sheet_of(exercise.number, seed, variant)
        breaks = {mistake.id: mistake.breaks for mistake in exercise.mistakes}
        assert breaks.keys() == {record.ids[0] for record in found.records}
        for record in found.records:
            result = judge(found, record.outcomes)
            broken = {v.property.name for v in result.verdicts if v.problem}
            assert broken and (breaks[record.ids[0]] in broken or record.words != record.ids), (record.words, seed)


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_without_a_mistake_the_mistaken_implementation_is_right(exercise):
    found = sheet_of(exercise.number, 1)
    with np.errstate(all="ignore"):
        outcomes = [play(case.calls, exercise.wrong(frozenset())) for case in found.cases]
    assert [p for p in map(problem_of, found.cases, outcomes) if p] == []


def test_known_mistakes_differ_pairwise(capsys):
    """The pairs that the inputs cannot tell apart are printed; there are none."""
    pairs = []
    for exercise in ALL:
        records = sheet_of(exercise.number, 1).records
        for i, a in enumerate(records):
            others = [b for b in records[:i] if b.ids != a.ids]
            pairs += [(exercise.id, *a.words, *b.words) for b in others if _alike(a.outcomes, b.outcomes)]
    with capsys.disabled():
        for pair in pairs:
            print("cannot be told apart:", *pair)
    assert pairs == []


def _alike(one, other):
    return all(
        bool(a["error"]) == bool(b["error"])
        and len(a["results"]) == len(b["results"])
        and all(map(same, a["results"], b["results"]))
        for a, b in zip(one, other, strict=True)
    )


def test_counts_that_the_course_promises():
    core = [e for e in ALL if e.core]
    assert len(ALL) == 30 and [e.number for e in ALL] == [*range(1, 31)]
    assert len(core) == 12 and sum(e.minutes for e in core) <= 300
    assert all(len(e.mistakes) >= 4 for e in core) and sum(len(e.mistakes) for e in ALL) >= 80
    for exercise in ALL:
        ids = [m.id for m in exercise.mistakes]
        assert len(set(ids)) == len(ids) and all(m.sentence and m.seen for m in exercise.mistakes)


def test_hidden_cases_have_other_numbers_and_shapes():
    different = 0
    for exercise in ALL:
        shapes = [
            [np.shape(a) for case in sheet_of(exercise.number, seed).cases for call in case.calls for a in call.args]
            for seed in ("public", 1)
        ]
        different += len({tuple(map(str, s)) for s in shapes}) > 1
    assert different >= 10


@pytest.mark.parametrize("exercise", ALL[:28], ids=IDS[:28])
def test_a_table_of_the_public_results_has_few_points(exercise):
    public = [pack(list(case.calls)) for case in exercise.sheet().cases]
    hidden, points = exercise.sheet(1), 0.0
    for index, wanted in enumerate(hidden.properties):
        mine = [case for case in hidden.cases if case.property == index]
        points += wanted.points * sum(pack(list(case.calls)) in public for case in mine) / len(mine)
    assert points <= 0.31 * hidden.points


def test_same_seed_same_sheet():
    from tutorials.exercises.sheet import to_bytes

    assert all(to_bytes([e.sheet(4)]) == to_bytes([e.sheet(4)]) for e in ALL[:3])


def test_variants_differ_in_what_is_asked_and_follow_from_the_name():
    assert variant_of("Jane Doe") == variant_of("Doe, Jane") != variant_of("Max Roe")
    assert {variant_of(f"student {i}") for i in range(200)} == {*range(1, VARIANTS + 1)}
    for exercise in ALL:
        if exercise.variants:
            texts = {exercise.of(v).stub.replace(f"VARIANT = {v} ", "") for v in range(1, VARIANTS + 1)}
            assert len(texts) >= (4 if exercise.planted else VARIANTS - 2), exercise.id
            bugs = {exercise.of(v).planted for v in range(1, VARIANTS + 1)}
            assert not exercise.planted or len(bugs) >= 4


def test_numbers_of_classes_are_said_as_a_sentence_has_them():
    start, baseline = (e for e in exercises() if e.number in (27, 28))
    counts = baseline.numbers["counts"]
    assert f"{counts[0]}, {counts[1]} and {counts[2]} are of class 0, 1 and 2." in baseline.stub
    assert "which 7, 2 and 10 are of class 0, 1 and 2." in start.stub
    for variant in range(13):
        classes = start.of(variant).numbers["classes"]
        assert f"{classes - 2} and {classes - 1}.\n" in start.of(variant).stub


@pytest.mark.parametrize("exercise", [e for e in ALL if e.planted], ids=lambda e: e.id)
def test_every_bug_is_one_place_of_the_solution(exercise):
    for mistake in exercise.mistakes:
        assert exercise.solution().count(mistake.old) == 1, mistake.id


@pytest.mark.parametrize("exercise", [e for e in ALL if e.variants and not e.planted], ids=lambda e: e.id)
def test_public_predictions_are_checked_against_the_own_measurement_and_not_given_away(exercise, process):
    public, other = sheet_of(exercise.number, "public", 3), exercise.of(4).solution()
    hidden = [i for i, p in enumerate(public.properties) if p.kind == "prediction"]
    for case in public.cases:
        assert (case.expected is None) == (case.property in hidden)
    result = grade_source(public, other, process)  # the numbers of somebody else
    assert {v.property.name for v in result.verdicts if v.problem} <= {public.properties[i].name for i in hidden}
    assert "differ" in result.broken.problem
    result = grade_source(sheet_of(exercise.number, 1, 3), other, process)
    assert 0 < result.earned < result.points


@pytest.mark.parametrize("number", [27, 28])
def test_predictions_with_four_decimals_are_right_and_named_when_they_are_not(number, process):
    exercise = ALL[number - 1]

    def rounded(source, by=0.0):
        """The source with its predictions as a person writes them, and `by` more."""
        for name in (name for name in exercise.names if name.startswith("predicted_")):
            source += f"\nexact_{name} = {name}\ndef {name}():\n"
            source += f"    return (np.asarray(exact_{name}()) + {by}).round(4).tolist()\n"
        return source

    for variant in range(VARIANTS + 1):
        solution = exercise.of(variant).solution()
        for seed in ("public", 1):
            sheet = sheet_of(number, seed, variant)
            result = grade_source(sheet, rounded(solution), process)
            assert result.earned == result.points, [v.problem for v in result.verdicts]
        result = grade_source(sheet, rounded(solution, 1e-3), process)
        assert all(v.problem for v in result.verdicts if v.property.kind == "prediction")
    if number == 27:
        wrong = exercise.solution().replace("return 1 / NUMBERS", "return -1 / NUMBERS").replace('"]) / N', '"]) / -N')
        wrong = wrong.replace("(p - np.eye(classes)[labels])", "(np.eye(classes)[labels] - p)")
        assert grade_source(sheet_of(number, 1), rounded(wrong), process).mistakes == ["gradient-sign"]


def untrained(source):
    """A checkpoint that was never trained, for the config of this source."""
    names: dict = {}
    exec(source, names)
    with tempfile.TemporaryDirectory() as folder:
        improve.save(improve.build(names["config"](), improve.data("digits", None)), Path(folder) / "network.ckpt")
        return (Path(folder) / "network.ckpt").read_bytes()


def test_a_network_is_held_to_its_budget_and_to_its_config(process, monkeypatch):
    exercise = next(e for e in ALL if e.number == 29)
    sheet, source = sheet_of(29, 1), exercise.solution()

    def problem(text, checkpoint=None, again=False):
        result = grade_source(sheet, text, process, network=checkpoint, again=again)
        return result.earned, result.broken.problem if result.broken else "", result.mistakes

    assert problem(source, network(exercise.number), again=True)[:2] == (10, "")
    assert problem(source)[0::2] == (0, ["no-checkpoint"])
    assert problem(source.replace('"epochs": 5', '"epochs": 6'), network(exercise.number))[2] == ["over-epochs"]
    wide = problem(source.replace('["conv", 8]', '["conv", 80]'), network(exercise.number))
    assert wide[2] == ["over-multiply-adds"] and "10,000 are allowed" in wide[1]
    assert problem(source.replace('["linear", 32]', '["linear", 16]'), network(exercise.number))[2] == [
        "another-network"
    ]
    assert problem(source, b"PK no checkpoint")[2] == ["another-network"]
    weak = grade_source(sheet, source, process, network=untrained(source)).verdicts
    assert [v.problem.rpartition(", ")[2] for v in weak[1:4]] == [f"{p}% is wanted" for p in ("94.0", "95.5", "97.0")]
    with monkeypatch.context() as patched:
        patched.setattr(improve, "accuracy", lambda *_: 0.955)
        just = grade_source(sheet, source, process, network=untrained(source)).verdicts
    assert [bool(v.problem) for v in just[1:4]] == [False, False, True]
    deep = source.replace('["linear", 32]', ", ".join(['"relu"'] * 12))  # beside five others
    assert "at most 16 layers" in problem(deep, network(exercise.number))[1]
    other = problem(
        source.replace('"learning_rate": 0.02', '"learning_rate": 0.0001'), network(exercise.number), again=True
    )
    assert other[0] == 0 and other[2] == ["not-reproduced"] and "trained again it reaches" in other[1]
    wild = source.replace('"learning_rate": 0.02', '"learning_rate": 10').replace("adamw", "sgd")
    wild = wild.replace('"momentum": 0.0', '"momentum": 0.9')
    convolution = '["conv", 8], "batch_norm", "relu", "max_pool", ["linear", 32]'
    wild = wild.replace(convolution, '["linear", 64], "relu", ["linear", 64]')
    assert problem(wild, untrained(wild), again=True)[2] == ["not-reproduced"]
    monkeypatch.setattr(improve, "WITHIN", 1)
    assert problem(wild, untrained(wild), again=True)[2] == ["not-reproduced"]  # it diverges
    monkeypatch.undo()
    for broken in ('"seed": 0', '"optimizer": "adamw"', '["linear", 32]', '"batch_size": 16'):
        assert (
            problem(source.replace(broken, f'{broken.partition(" ")[0].rstrip(",")} "x"'), network(exercise.number))[0]
            == 0
        )
    start = time.process_time()
    problem(source, network(exercise.number))
    assert time.process_time() - start < 1  # of the grader; the answer's own process comes on top
