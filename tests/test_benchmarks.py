"""What the benchmarks' scripts answer before and after they measure; nothing is timed here."""

import argparse
import importlib

import pytest

from tests.benchmarks import common, ladder, whole_run, workers
from tests.running import call


def test_a_file_is_tried_and_nothing_is_left_of_it(tmp_path):
    assert common.writable(str(tmp_path / "new" / "x.json")) == tmp_path / "new" / "x.json"
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "old.json").write_text("kept")
    common.writable(str(tmp_path / "old.json"))
    assert (tmp_path / "old.json").read_text() == "kept"
    with pytest.raises(argparse.ArgumentTypeError, match="cannot write"):
        common.writable(str(tmp_path))


@pytest.mark.parametrize("script, flag", [("floors", "--rounds"), ("floors", "--cpu-time"), ("startup", "--seconds")])
def test_a_flag_that_would_do_nothing_is_refused(script, flag):
    said = call(importlib.import_module(f"tests.benchmarks.{script}").main, flag)
    assert said.status == 2 and "unrecognized arguments" in said.err


@pytest.mark.parametrize("status", [1, 130])
def test_a_rung_that_is_not_finished_ends_the_ladder_as_it_ended(tmp_path, monkeypatch, capsys, status):
    (tmp_path / "train.py").write_text(f"raise SystemExit({status})")
    monkeypatch.setattr(ladder, "TRAIN", tmp_path / "train.py")
    with pytest.raises(SystemExit, match=str(status)):
        ladder.run(tmp_path / "mlp-0", "mlp", 0)
    assert capsys.readouterr().err == "mlp with seed 0 is not finished: the same ladder command goes on\n"


def test_the_whole_run_refuses_what_would_not_end_well(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "unbound", lambda: None)  # it would start the tests again
    monkeypatch.setattr(common, "machine", lambda _: pytest.fail("it has begun"))
    (tmp_path / "run").mkdir()
    said = call(whole_run.main, "--folder", tmp_path)
    assert said.status == 2 and f"{tmp_path} holds a run already: choose another --folder" in said.err
    said = call(whole_run.main, "--folder", tmp_path / "new", "--seconds", 0)
    assert said.status == 2 and "at least 1 is expected, got 0" in said.err and not (tmp_path / "new").exists()


def test_every_case_of_workers_has_free_pieces():
    assert "cnn6-exact" not in workers.more_cases() and "cnn6" in workers.more_cases()
