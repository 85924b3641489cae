"""What the commands share: errors and warnings in one line, streams of any encoding, imports that cost nothing."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import minnet
from minnet import __main__ as minnet_main
from minnet.commands import one_line_errors
from minnet.nonfinite import NonFiniteError
from tests.running import call, refused

REPOSITORY = Path(minnet.__file__).resolve().parent.parent


def raising(error):
    @one_line_errors
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    "error",
    [ValueError("a\n  thing"), FileNotFoundError("a thing"), NonFiniteError("a thing"), OSError("a thing")],
    ids=lambda error: type(error).__name__,
)
def test_what_a_user_did_wrong_is_one_line(error):
    said = call(raising(error))
    assert refused(said) == "error: a thing" and said.status == 1 and said.out == ""


def test_too_little_memory_names_the_remedy():
    refused(call(raising(MemoryError("Unable to allocate 9 TiB"))), "out of memory", "9 TiB", "--limit")


def test_too_few_threads_name_the_remedy():
    refused(call(raising(RuntimeError("can't start new thread"))), "no more threads", "--workers 1")


@pytest.mark.parametrize("error", [KeyError("ours"), RuntimeError("ours")])
def test_a_mistake_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error), match="ours"):
        call(raising(error))


@pytest.mark.skipif(os.name == "nt", reason="no current folder can be removed there")
def test_a_current_folder_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert refused(call(one_line_errors(os.getcwd))) == "error: the current folder is gone: go to one that exists (cd)"


def test_the_traceback_is_shown_on_demand(monkeypatch):
    monkeypatch.setenv("MINNET_DEBUG", "1")
    with pytest.raises(ValueError, match="a thing"):
        call(raising(ValueError("a thing")))


def test_ctrl_c_is_no_error():
    before = signal.getsignal(signal.SIGINT)
    said = call(raising(KeyboardInterrupt()))
    assert said.status == 130 and said.err == "\nstopped\n"
    assert signal.getsignal(signal.SIGINT) is before  # a notebook goes on, and is interrupted again
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(call, raising(KeyboardInterrupt())).result() == said


def test_a_warning_is_one_line_and_nothing_is_changed_for_others():
    @one_line_errors
    def main():
        warnings.simplefilter("always")
        warnings.warn("first\nsecond", stacklevel=1)
        print("done")

    shown = warnings.showwarning
    assert call(main) == (0, "done\n", "warning: first second\n")
    assert warnings.showwarning is shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_character_makes_the_output_fail(encoding):
    @one_line_errors
    def main():
        print("naïve ☺")
        raise ValueError("naïve ☺")

    said = call(main, encoding=encoding)
    assert said.status == 1
    assert (
        said.out.strip()
        == said.err.removeprefix("error: ").strip()
        == "naïve ☺".encode(encoding, "replace").decode(encoding)
    )


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGPIPE and no head")
def test_a_reader_who_leaves_gets_no_traceback():
    code = (
        "from minnet.commands import one_line_errors\none_line_errors(lambda: [print('x' * 99) for _ in range(9999)])()"
    )
    command = f'{sys.executable} -c "{code}" | head -1'
    ran = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert ran.stdout == "x" * 99 + "\n" and ran.stderr == ""
    code = code.replace("print('x' * 99) for _ in range(9999)", "print('x'), __import__('time').sleep(1)")
    ran = subprocess.run(
        f'{sys.executable} -c "{code}" | true', shell=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert ran.stderr == ""  # what stood in the buffer when the command ended


@pytest.mark.skipif(sys.platform == "win32", reason="this system breaks pipes in another way")
@pytest.mark.parametrize("end, status", [("raise KeyboardInterrupt", 130), ("sys.exit(130)", 130), ("sys.exit(0)", 1)])
def test_a_reader_who_is_stopped_as_well_does_not_change_how_the_command_ended(end, status):
    """As Ctrl-C stops tee, too; what was for it to read stands in the buffer."""
    code = f"import sys\nfrom minnet.commands import one_line_errors\ndef main():\n print('x')\n {end}\n"
    command = [sys.executable, "-c", code + "one_line_errors(main)()"]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as gone:
        ran = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=gone, stderr=subprocess.PIPE, timeout=300)
    assert ran.returncode == status and ran.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_standard_output_is_named():
    code = "from minnet.commands import one_line_errors\none_line_errors(lambda: print('x'))()"
    command = f'PYTHONUNBUFFERED= {sys.executable} -c "{code}" > /dev/full'
    ran = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 1 and ran.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="this shell closes no streams")
@pytest.mark.parametrize("closed, told", [("2>&-", "said\n"), (">&-", "warning: mind\n")])
def test_a_closed_stream_swallows_what_belongs_there_and_no_more(closed, told):
    code = "import warnings; from minnet.commands import one_line_errors; from tqdm import tqdm\n"
    code += "one_line_errors(lambda: [warnings.warn('mind'), print('said'), list(tqdm('ab', disable=None))])()"
    command = f'{sys.executable} -c "{code}" {closed}'
    ran = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, told)


@pytest.mark.skipif(sys.platform == "win32", reason="this system sends no SIGINT to another process")
def test_ctrl_c_once_more_interrupts_no_farewell(usual_handler):
    @one_line_errors
    def main():
        raise KeyboardInterrupt

    class Pressing(io.StringIO):
        def write(self, text):
            signal.raise_signal(signal.SIGINT)
            return super().write(text)

    with contextlib.redirect_stderr(Pressing()) as err, pytest.raises(SystemExit, match="130"):
        main()
    assert err.getvalue() == "\nstopped\n"


@pytest.mark.parametrize("backend", ["foo", None])
def test_figures_that_cannot_be_drawn_are_told_of_in_one_line(backend):
    command = [sys.executable, "-c", "from minnet.commands import *; one_line_errors(check_figures)()"]
    if backend is None:
        command[-1] = "import sys; sys.modules['matplotlib'] = None; " + command[-1]
    environment = {**os.environ, "MPLBACKEND": backend or "agg", "PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 1 and ran.stdout == "" and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("error: matplotlib, which draws the figures, cannot be used: ")


def test_every_command_explains_itself_and_a_wrong_one_is_one_line():
    for words in ([], ["predict"], ["data"], ["data", "fetch"], ["compare"], ["doctor"]):
        said = call(minnet_main.main, *words, "--help")
        assert said.status == 0 and "usage:" in said.out and said.err == ""
    refused(call(minnet_main.main, "predic"), "predic")
    refused(call(minnet_main.main), "COMMAND")
    assert "INPUT" not in refused(call(minnet_main.main, "predict"), "RUN"), "--csv takes its place"
    refused(call(minnet_main.main, "data", "fetch", "nothing"), "nothing")
    refused(call(minnet_main.main, "compare", "nowhere", "neither"), "nowhere")
    refused(
        call(minnet_main.main, "compare", "a", "b", "--seed", "-1"),
        "argument --seed: must be a whole number of at least 0",
    )
    refused(call(minnet_main.main, "compare", "a", "b", "--show", "-1"), "argument --show: must be a whole number")
    refused(call(minnet_main.main, "compare", "a", "b", "--bootstrap", "0"), "argument --bootstrap: must be a whole")
    refused(call(minnet_main.main, "compare", "a", "--show", 3, "b"), "there is no folder a")
    refused(call(minnet_main.main, "doctor", "b"), "unrecognized arguments: b")
    refused(call(minnet_main.main, "worksheet", "--seed", "-1"), "argument --seed: must be a whole number")


def test_importing_is_quick_and_brings_nothing_heavy():
    """Layers, losses and optimizers need NumPy alone; minnet itself not even that."""
    heavy = ("scipy", "sklearn", "matplotlib", "PIL", "joblib", "pandas", "torch")
    code = "import sys; before = set(sys.modules); import {0}; print(*sorted(set(sys.modules) - before))"

    def brought(module):
        command = [sys.executable, "-c", code.format(module)]
        ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True)
        return {name.split(".")[0] for name in ran.stdout.split()}

    assert brought("minnet") == {"minnet"}
    everything = "minnet.layers, minnet.losses, minnet.optimizers, minnet.training, minnet.models"
    assert not set(heavy) & brought(everything)


def test_the_version_is_that_of_the_package():
    declared = re.search(r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert declared is not None and minnet.__version__ == declared[1]


def test_a_file_where_the_data_folder_should_be(tmp_path):
    (tmp_path / "taken").write_text("mine")
    said = call(
        minnet_main.main, "data", "fetch", "tweeteval", "--folder", tmp_path / "taken", "--from", "http://127.0.0.1:9"
    )
    refused(said)
    assert (tmp_path / "taken").read_text() == "mine"
