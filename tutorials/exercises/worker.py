"""Runs one student's code apart from everything else: takes calls over a pipe, sends back arrays, numbers or an error.

Started as `python -s worker.py SCRATCH NUMPY` with an environment of its own, it imports numpy (from the folder NUMPY
where Python finds none itself), the standard library, messages.py and confinement.py.
What is expected of an answer never enters this process.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # the root in place of this folder, where files may be named like modules; `main` removes it
    sys.path[0] = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    sys.path.append(sys.argv[2])
import ast
import copy
import random
import re
import types
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Any

import numpy as np

from tutorials.exercises.confinement import Gate, Printed, allow, limit, refuse
from tutorials.exercises.messages import Call, Seed, pack, read_message

NOTEBOOK = re.compile(r"^# (In\[|%%)|get_ipython\(\)", re.MULTILINE)  # a notebook saved as a script
MAGIC = ("run_line_magic", "run_cell_magic", "system", "getoutput")  # what nbconvert makes of lines with % and !

# -- playing calls -------------------------------------------------------------------------------------------------


def play(calls: list[Call], names: dict[str, Any], file: str | None = None) -> dict[str, Any]:
    """Does the calls; returns results (one a call that gives something), error, changed arguments, executed lines.

    With `file`, the lines are counted that Python executes of that file, and of texts that it runs (exec, eval).
    """
    results: list[Any] = []
    changed: list[str] = []
    made: Any = None
    error = None
    counter = [0]

    @cache
    def is_counted(name: str) -> bool:
        """Whether code of this file name is the answer's: a library's is that of a file, or frozen into Python."""
        return name == file or not (name.startswith(("<given>", "<frozen ")) or os.path.exists(name))

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not is_counted(frame.f_code.co_filename):
            return None
        counter[0] += event in ("line", "call")
        return trace

    try:
        for how, name, given in calls:
            args = [np.random.default_rng(a.value) if isinstance(a, Seed) else copy.deepcopy(a) for a in given]
            before = [_bytes(a) for a in args]
            if file is not None:
                sys.settrace(trace)
            try:
                if how == "make":
                    made = names[name](*args)
                elif how == "set":
                    setattr(made, name, args[0])
                elif how == "get":
                    results.append(_copied(getattr(made, name)))
                elif how == "do":
                    getattr(made, name)(*args)
                else:
                    results.append(_copied((names[name] if how == "call" else getattr(made, name))(*args)))
                if file is not None and sys.gettrace() is not trace:
                    raise RuntimeError("sys.settrace was called, and the lines could not be counted")
            finally:
                if file is not None:
                    sys.settrace(None)
            if how in ("call", "method", "do") and before != [_bytes(a) for a in args]:
                changed.append(name)
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt) and __name__ != "__main__":
            raise  # not in a student's process: somebody wants to stop the grader
        error = _described(problem, file)
    return {"results": results, "error": error, "changed": changed, "lines": counter[0]}


def _bytes(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, _bytes(part)) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [_bytes(part) for part in value]
    return None


def _copied(value: Any) -> Any:
    """A result as it is now: later calls may write into the same array."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.array(value)
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(part) for part in value) if type(value) in (list, tuple) else [*map(_copied, value)]
    return value


def _described(problem: BaseException, file: str | None) -> str:
    """One line: the kind of error, its message, and the last line of the student's file that it passed."""
    if isinstance(problem, SystemExit):
        return "sys.exit was called"
    where, step = "", problem.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith("<answer"):
            where = f" (line {step.tb_lineno})"
        step = step.tb_next
    if isinstance(problem, SyntaxError):
        where = f" (line {problem.lineno})"
    try:
        said = " ".join(str(getattr(problem, "msg", None) or problem).split())[:200]
        said = "input() gets nothing here" if isinstance(problem, EOFError) else said
    except BaseException:
        said = ""
    return f"{type(problem).__name__}{where}: {said}".rstrip(": ")


# -- the process ---------------------------------------------------------------------------------------------------


def numpy_now() -> dict[str, Any]:
    """What numpy's names stand for."""
    places = {"np": np, "np.random": np.random, "np.linalg": np.linalg}
    ours = {f"{place}.{name}": value for place, module in places.items() for name, value in vars(module).items()}
    import builtins

    return ours | {name: value for name, value in vars(builtins).items() if name != "_"}


def main() -> None:
    """Answers until the pipe closes: first {"given": source}, then {"load": source, ...} and {"play": calls, ...}."""
    answers = os.fdopen(os.dup(1), "wb")
    questions = os.fdopen(os.dup(0), "rb")
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    given_code = read_message(questions)["given"]
    everything = np.random.default_rng, np.linalg.norm(np.ones(2)), np.einsum("i,i->", np.ones(2), np.ones(2))
    del everything  # made numpy load what it loads late
    limit()
    refuse(sys.argv[1])
    sys.meta_path.insert(0, Gate())  # type: ignore[arg-type]
    sys.path.pop(0)
    for name in [name for name in sys.modules if name == "__main__" or name.startswith("tutorials")]:
        del sys.modules[name]  # no answer imports us
    normal = numpy_now()
    errors, filters, depth = np.geterr(), [*warnings.filters], sys.getrecursionlimit()
    names: dict[str, Any] = {}
    file = loaded = ""
    while (question := read_message(questions)) is not None:
        printed = sys.stdout = sys.stderr = Printed()  # type: ignore[assignment]
        if "load" in question:
            file = f"<answer {question['id']}>"
            allow(question["seconds"])
            np.seterr(**errors)  # these three an earlier answer may have set
            warnings.resetwarnings()
            warnings.filters.extend(filters)  # type: ignore[attr-defined]
            sys.setrecursionlimit(depth)
            random.seed(0)  # an answer that draws from these two gets the same marks when it is graded again
            np.random.seed(0)  # noqa: NPY002
            sys.modules["given"] = _given(given_code, question["given"])
            sys.modules["tutorials"] = sys.modules["tutorials.exercises"] = _checker()
            sys.modules["tutorials.exercises.given"] = sys.modules["given"]  # its name in a notebook
            sys.modules.pop(loaded, None)
            loaded = question["id"]
            module = sys.modules[loaded] = types.ModuleType(loaded)  # dataclasses look for it there
            names = vars(module)
            names["get_ipython"] = lambda: types.SimpleNamespace(**dict.fromkeys(MAGIC, _nothing))
            error, is_whole = _execute(question["load"], file, names)
            missing = {
                n: _missing(n, question["names"], names) for n in question["names"] if not callable(names.get(n))
            }
            if is_whole and len(missing) < len(question["names"]):
                error = None  # of another cell than that with the answer
            reply: dict[str, Any] = {"error": error, "missing": [*missing.values()]}
            names |= {name: _absent(said) for name, said in missing.items()}
        else:
            reply = play(question["play"], names, file if question["count"] else None)
        now = numpy_now()
        patched = [name for name in normal if now.get(name) is not normal[name]]
        reply |= {"patched": patched[:1], "printed": printed.start}
        try:
            message = pack(reply)
        except TypeError as problem:
            message = pack(reply | {"results": [], "error": f"{problem} was returned, which is no array or number"})
        answers.write(message)
        answers.flush()


def _execute(text: str, file: str, names: dict[str, Any]) -> tuple[str | None, bool]:
    """(the first error or None, whether all of the text was tried).

    A notebook saved as a script goes on after an error, one statement at a time: its plots, its trials and what it
    imports for them are no part of the answer.
    """
    error = None
    try:
        if not NOTEBOOK.search(text):
            exec(compile(text, file, "exec"), names)
            return None, True
        for statement in ast.parse(text, file).body:
            try:
                exec(compile(ast.Module([statement], []), file, "exec"), names)
            except Exception as problem:  # what ends the process, or prints without end, ends the notebook too
                error = error or _described(problem, file)
        return error, True
    except BaseException as problem:
        return _described(problem, file), False


def _missing(wanted: str, asked: list[str], names: dict[str, Any]) -> str:
    """That a name is not there, with what may stand for it: a method, or a name of the answer's own that is like it."""
    own = {
        name.lower(): name
        for name, value in names.items()
        if isinstance(value, (types.FunctionType, type))
        and value.__module__ == names.get("__name__")  # not imported
        and name not in asked
    }
    for name in own.values():
        if isinstance(names[name], type) and wanted in vars(names[name]):
            return f"it defines no {wanted} but as a method of {name}: write it as a plain function"
    near = get_close_matches(wanted.lower(), own, 1, 0.8)
    return f"it defines no {wanted}" + (f": is it called {own[near[0]]}?" if near else "")


def _absent(said: str) -> Callable[..., None]:
    """Takes the place of a function that is missing, and says so when it is called: the others are played."""

    def absent(*_: Any) -> None:
        raise NameError(said)

    return absent


def _given(code: str, wanted: list[str]) -> types.ModuleType:
    """The module `given` with what earlier exercises built, and no more."""
    whole: dict[str, Any] = {"__name__": "given"}
    exec(compile(code, "<given>", "exec"), whole)
    module = types.ModuleType("given", "What the earlier exercises built.")
    for name in wanted:
        setattr(module, name, whole[name])
    return module


def _checker() -> types.ModuleType:
    """The module `tutorials.exercises`, with `given` and a `check` that does nothing, and nothing else."""
    module = types.ModuleType("tutorials.exercises")
    vars(module).update(check=_nothing, exercises=module, given=sys.modules["given"])
    module.__path__ = []  # what else is asked of it comes to the Gate
    return module


def _nothing(*_: Any, **__: Any) -> None:
    """Takes the place of what a notebook saved as a script still calls: `check`, and IPython's magic."""


if __name__ == "__main__":
    main()
