"""The doctor: every ailment it knows is staged, and a healthy machine gets no warning."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from minnet import doctor, run_folder

OPENBLAS = {"user_api": "blas", "internal_api": "openblas", "version": "0.3.31", "num_threads": 4}


@pytest.fixture(autouse=True)
def healthy(monkeypatch):
    """An environment and a container that hold nothing back."""
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "container_quota", lambda: None)


def warn(libraries=(OPENBLAS,), cores=4, installed=None, one=1e11, all_cores=3.8e11):
    return doctor.warnings(list(libraries), cores, installed or cores, one, all_cores)


def test_nothing_to_warn_of():
    assert warn() == []
    assert warn(cores=1, all_cores=1e11) == []  # one core cannot be twice as fast as itself


@pytest.mark.parametrize("kind", ["openblas", "mkl"])
@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_a_limit_on_threads(monkeypatch, name, kind):
    libraries = [OPENBLAS | {"internal_api": kind}]
    monkeypatch.setenv(name, "2")
    assert warn(libraries) == []  # it uses all cores, whatever the variable says: another one comes before it
    libraries[0]["num_threads"] = 2
    (line,) = warn(libraries)
    assert line.startswith("the BLAS uses 2 threads of 4 cores: ")
    if name[:3] in ("OMP", kind[:3].upper()):
        assert line.endswith(f"unset {name}=2")
    else:  # the other library's own variable limits nothing
        assert line.endswith("look for a *_NUM_THREADS variable and unset it")


def test_a_pinned_processor(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    (line,) = warn()
    assert "OPENBLAS_CORETYPE=Haswell" in line and "env -u OPENBLAS_CORETYPE" in line


@pytest.mark.parametrize("rate", [1e11, 3.8e11])  # its threads cannot be set, so nothing follows from equal rates
def test_no_blas(monkeypatch, rate):
    (line,) = warn(libraries=(), all_cores=rate)
    assert "no optimised BLAS" in line and "wheels" in line
    monkeypatch.setattr(doctor, "built_with", lambda: "accelerate")  # macOS's own, which is not among the libraries
    assert warn(libraries=(), all_cores=rate) == []


def test_the_blas_that_numpy_was_built_with():
    assert "blas" in doctor.built_with().lower() or "accelerate" in doctor.built_with().lower()


def test_cores_that_the_process_may_not_use():
    (line,) = warn(cores=2, installed=8)
    assert "2 of 8 cores" in line and "taskset" in line


def test_a_blas_on_one_thread():
    (line,) = warn(libraries=[OPENBLAS | {"num_threads": 1}])
    assert "1 thread of 4 cores" in line and "_NUM_THREADS" in line
    assert warn(libraries=[OPENBLAS | {"num_threads": 1}], cores=1) == []


def test_a_throttled_container(monkeypatch):
    monkeypatch.setattr(doctor, "container_quota", lambda: 1.5)
    (line,) = warn()
    assert "1.5 of 4 cores" in line and "--workers 1" in line
    monkeypatch.setattr(doctor, "container_quota", lambda: 0.5)
    assert "--workers 1" in warn()[0]
    monkeypatch.setattr(doctor, "container_quota", lambda: 4.0)
    assert warn() == []


def test_cores_that_somebody_else_uses():
    (line,) = warn(one=1e11, all_cores=1.2e11)
    assert "1.2 times as fast" in line and "something else is running" in line


def test_everything_at_once_is_told_at_once(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(doctor, "container_quota", lambda: 1.0)
    assert len(warn(libraries=[OPENBLAS | {"num_threads": 1}], installed=8, all_cores=1e11)) == 5


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "gibberish\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, None),
        ({"cpu.max": "max 100000\n", "slice/cpu.max": "300000 100000\n", "slice/own/cpu.max": "max 100000\n"}, 3),
        ({"cpu.max": "400000 100000\n", "slice/own/cpu.max": "200000 100000\n"}, 2),
        ({"slice/other/cpu.max": "200000 100000\n"}, None),
    ],
)
def test_the_containers_grant(monkeypatch, tmp_path, files, quota):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.undo()  # the real function, on staged files
    own = tmp_path / "groups"
    own.write_text("0::/slice/own\n" if "slice" in str(files) else "0::/\n")
    assert doctor.container_quota(tmp_path, own) == quota


def test_the_rate_is_that_of_the_fastest_product(monkeypatch):
    # until 0 + 12: the loop looks at 0, 2 and 13; the products take from 1 to 5, and from 10 to 10.25
    ticks = iter([0.0, 0.0, 1.0, 5.0, 2.0, 10.0, 10.25, 13.0])
    monkeypatch.setattr(doctor, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    assert doctor.measure_matmul(1, size=8, seconds=12) == 2 * 8**3 / 0.25


def test_the_measurement_leaves_the_threads_as_they_were():
    def threads():
        return [info["num_threads"] for info in doctor.blas_controller().info() if info["user_api"] == "blas"]

    before = threads()
    assert doctor.measure_matmul(1, size=64, seconds=0.01) > 1e6
    assert threads() == before


def test_what_to_expect_of_cnn6():
    """The best epoch counts: the first ones find memory and caches cold."""
    fit = mock.Mock(return_value=[{"examples_per_second": rate} for rate in (80.0, 120.0, 110.0)])
    with mock.patch("minnet.training.Trainer.fit", fit):
        assert doctor.measure_training(images=64, epochs=3) == 120
    (x, y), settings = fit.call_args.args[0], fit.call_args.kwargs
    assert x.shape == (64, 32, 32, 3) and y.shape == (64,) and settings["epochs"] == 3
    assert 1 < doctor.measure_training(images=4, epochs=1) < 1e6


def test_the_machine_has_a_name_and_versions():
    assert doctor.processor()
    found = run_folder.versions()
    assert {"python", "minnet", "numpy", "scipy", "scikit-learn", "matplotlib"} <= found.keys() and all(found.values())


def test_the_report(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "available_cores", lambda: 4)
    monkeypatch.setattr(doctor, "measure_matmul", lambda threads: threads * 1e11)
    monkeypatch.setattr(doctor, "measure_training", lambda: 1466.0)
    monkeypatch.setattr(doctor, "warnings", lambda *_: [])
    one = OPENBLAS | {"num_threads": 1, "architecture": "Haswell"}
    monkeypatch.setattr(doctor, "blas_controller", lambda: mock.Mock(info=lambda: [one]))
    assert doctor.run(argparse.Namespace()) == 0
    text = capsys.readouterr().out
    assert "100 GFLOP/s on one thread, 400 on 4" in text and "expect about 1,466 cnn6 images/s" in text
    assert "openblas 0.3.31, Haswell, 1 thread\n" in text and "4 cores for this process" in text
    assert text.rstrip().endswith("nothing holds this machine back") and "warning" not in text
    monkeypatch.setattr(doctor, "warnings", lambda *_: ["it is asleep: wake it"])
    assert doctor.run(argparse.Namespace()) == 0
    assert "warning: it is asleep: wake it" in capsys.readouterr().out


def test_the_command():
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell"}
    command = [sys.executable, "-m", "minnet", "doctor"]
    root = Path(__file__).parent.parent
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and result.stderr == ""
    assert "warning: OPENBLAS_CORETYPE=Haswell pins the BLAS" in result.stdout and "numpy" in result.stdout
