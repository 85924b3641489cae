"""Holds a student's process: starts it, asks it, and ends it when it crashes or takes too long."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tutorials.exercises.messages import Call, pack, read_message, writable

HERE = Path(__file__).parent
NUMPY = Path(np.__file__).parents[1]
SECONDS = 5.0  # of computing, for all cases of one exercise together
PATIENCE = 8.0  # times that, by the clock: a busy machine must not make a right answer late
# What every answer of the process holds, that to a source and that to calls.
REPLY: dict[str, Any] = {"error": (str, type(None)), "patched": list, "printed": str}
LOADED = {**REPLY, "missing": list}
PLAYED = {**REPLY, "results": list, "changed": list, "lines": int}


class Ended(Exception):
    """The student's process is gone; the message says why, in one line."""


class Unable(OSError):
    """This machine can run no answer at all."""


class Patched(Exception):
    """The student's process has replaced a part of numpy or Python."""


class Process:
    """One student's process. `with Process() as process: process.run(...)`; it is restarted whenever it ended.

    Where not even an empty answer can be run, that is the machine's fault and no student's: it raises Unable.
    """

    def __init__(self, seconds: float = SECONDS, patience: float = PATIENCE if os.name == "posix" else 2.0) -> None:
        self.seconds, self.patience = seconds, patience
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Any] = queue.Queue()

    def __enter__(self) -> Process:
        self._scratch = tempfile.mkdtemp(prefix="answer-")
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)  # Windows may still hold it: that must not end the grading

    def run(
        self, id: str, source: str, names: Sequence[str], given: Sequence[str], plays: Sequence[tuple[list[Call], bool]]
    ) -> list[dict[str, Any]]:
        """The outcome of each play (calls, whether to count lines) on `source`, in order.

        Every outcome has results, error, changed, lines. What ends the process (an endless loop, a crash) ends the
        plays that call the same functions with it: these are errors, and the others are played in a new process.
        """
        question = {"load": source, "id": id, "names": list(names), "given": list(given), "seconds": self.seconds}
        outcomes: list[dict[str, Any]] = []
        answered: set[str] = set()  # functions that came to an end
        stopped: dict[str, str] = {}  # those that did not, and why
        try:
            problem, deadline = self._load(question)
            for calls, count in plays:
                called = [*dict.fromkeys(call.name for call in calls if call.how not in ("get", "set"))]
                if why := next((stopped[name] for name in called if name in stopped), ""):
                    outcomes.append(failed(why) | {"ended": True})
                    continue
                if self._child is None:
                    problem, deadline = self._load(question)
                if problem:
                    outcomes.append(failed(problem))
                    continue
                try:
                    outcomes.append(self._play(calls, count, deadline))
                    answered |= set() if outcomes[-1]["error"] else {*called}
                except Ended as end:
                    self.stop()
                    suspects = [name for name in called if name not in answered] or called
                    why = f"{' or '.join(suspects)}: {end}"
                    stopped |= dict.fromkeys(suspects, why)
                    outcomes.append(failed(why) | {"ended": True})
        except Patched as end:  # then nothing that was answered before can be trusted
            self.stop()
            return [failed(str(end)) | {"ended": True}] * len(plays)
        except Ended as end:
            self.stop()
            outcomes += [failed(str(end)) | {"ended": True}] * (len(plays) - len(outcomes))
        return outcomes

    def _load(self, question: dict[str, Any]) -> tuple[str, float]:
        """Gives a process the source, starting one if there is none: (why nothing can be played, or ""; deadline)."""
        self._start()
        deadline = time.monotonic() + self.seconds * self.patience
        loaded = self._ask(question, LOADED, deadline)
        _refuse_patches(loaded)
        missing = loaded["missing"]
        return loaded["error"] or (missing[0] if len(missing) == len(question["names"]) else ""), deadline

    def _play(self, calls: Sequence[Call], count: bool, deadline: float) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask({"play": list(calls), "count": count}, PLAYED, deadline)
        _refuse_patches(answer)
        if (answer["error"] or "").startswith("Flood"):
            raise Ended(f"it prints without end: {answer['error'].partition(': ')[2]}")
        if answer["error"] == "sys.exit was called":
            raise Ended("sys.exit was called")
        return answer

    def stop(self) -> None:
        """Ends the process, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:
                    pass
            self._child = None

    def _start(self) -> None:
        if self._child is not None:
            return
        keep = {
            k: v
            for k, v in os.environ.items()
            if k in ("PATH", "SYSTEMROOT", "TEMP", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
        }
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        given = {"given": (HERE / "given.py").read_text(encoding="utf-8")}
        empty = {"load": "", "id": "empty", "names": [], "given": [], "seconds": self.seconds}
        deadline = time.monotonic() + max(self.seconds, SECONDS) * self.patience  # however little an answer may take
        try:
            # Not -I, which ignores PYTHONHASHSEED: a regrading walks through sets of words in the same order again.
            self._child = subprocess.Popen(
                # NumPy may lie where -s and the bare environment do not look: in the user's own folder, or on
                # PYTHONPATH.
                [sys.executable, "-s", "-B", str(HERE / "worker.py"), self._scratch, str(NUMPY)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,  # the process closes it as soon as it is ready to run an answer
                cwd=self._scratch,
                env={**keep, **threads, "PYTHONHASHSEED": "0"},
            )
            self._answers = queue.Queue()
            threading.Thread(target=_listen, args=(self._child, self._answers), daemon=True).start()
            self._send(given, deadline)
            self._ask(empty, LOADED, deadline)
        except (OSError, Ended) as problem:
            raise Unable(f"no answer can be run here, not even an empty one: {problem}") from None

    def _send(self, message: Any, deadline: float) -> None:
        assert self._child is not None and self._child.stdin is not None
        data = pack(message)
        timer = threading.Timer(max(deadline - time.monotonic(), 0.01), self._child.kill)  # it may never read
        timer.start()
        try:
            self._child.stdin.write(data)
            self._child.stdin.flush()
        except OSError:
            raise Ended(self._late() if time.monotonic() >= deadline else self._why()) from None
        finally:
            timer.cancel()

    def _ask(self, message: Any, wanted: dict[str, Any], deadline: float) -> Any:
        """The answer to a message, with everything in it that is `wanted`: the process may have forged it."""
        self._send(message, deadline)
        try:
            answer = self._answers.get(timeout=max(deadline - time.monotonic(), 0.01))
        except queue.Empty:
            raise Ended(self._late()) from None
        if answer is None:
            raise Ended(self._why())
        if isinstance(answer, Exception):
            raise Ended(writable(f"its answer cannot be read: {answer}"))
        if not isinstance(answer, dict) or not all(isinstance(answer.get(k), kind) for k, kind in wanted.items()):
            raise Ended("its answer cannot be read: something is missing")
        return answer

    def _late(self) -> str:
        return f"no answer after {self.seconds:g} seconds: is it in an endless loop, very slow, or filling memory?"

    def _why(self) -> str:
        assert self._child is not None and self._child.stderr is not None
        try:
            code = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its process closed the pipe"
        if code == -getattr(signal, "SIGXCPU", 0):
            return self._late()
        if code < 0:
            return f"its process crashed (signal {-code})"
        said = self._child.stderr.read().decode(errors="replace").split("\n")  # empty, unless it failed to start
        last = next((f": {line.strip()[:200]}" for line in reversed(said) if line.strip()), "")
        return writable(f"its process ended by itself (exit code {code}){last}")


def _refuse_patches(answer: dict[str, Any]) -> None:
    if answer["patched"]:
        raise Patched(f"it replaces {answer['patched'][0]}: leave numpy and Python as they are")


def failed(problem: str) -> dict[str, Any]:
    """The outcome of a play that came to nothing."""
    return {"results": [], "error": problem, "changed": [], "lines": 0, "printed": ""}


def _listen(child: subprocess.Popen[bytes], answers: queue.Queue[Any]) -> None:
    assert child.stdout is not None
    while True:
        try:
            answer = read_message(child.stdout)  # type: ignore[arg-type]
        except Exception as problem:
            answers.put(problem if not isinstance(problem, OSError) else None)
            return
        answers.put(answer)
        if answer is None:
            return
