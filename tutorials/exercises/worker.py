"""Runs one student's code apart from everything else: takes calls over a pipe, sends back arrays, numbers or an error.

Started as `python -I worker.py SCRATCH`, it stands alone: only numpy and the standard library are imported here. What
is expected of an answer never enters this process. The refusals below keep accidents and idle cleverness in check;
they are no security boundary (see the container recipe in README.md).
"""

from __future__ import annotations

import copy
import json
import os
import struct
import sys
import types
import warnings
from difflib import get_close_matches
from typing import Any, BinaryIO, NamedTuple

import numpy as np

FLOOD = 100_000  # printed characters that one exercise may need
LARGEST = 1 << 26  # bytes of one message, and of the arrays in it
TOO_LARGE = "an answer of more than 64 MiB"
KINDS = "biufcUS"
ALLOWED = ("numpy", "given")


class Seed(NamedTuple):
    """Stands among the arguments of a call for a fresh numpy Generator of this seed."""

    value: int


class Call(NamedTuple):
    """One thing to do with the student's code.

    how: "call" (a function), "make" (an object of a class), "method", "do" (a method whose result does not matter),
    "set" or "get" (an attribute) of that object.
    """

    how: str
    name: str
    args: tuple[Any, ...] = ()


# -- messages: JSON, then the raw numbers of the arrays it mentions -------------------------------------------------


def pack(value: Any) -> bytes:
    """Any tree of dicts, lists, tuples, numbers, strings and arrays as bytes; TypeError names what cannot be sent."""
    arrays: list[Any] = []
    known: dict[Any, int] = {}

    def encode(item: Any) -> Any:
        if isinstance(item, (np.ndarray, np.generic)):
            array = np.asarray(item)
            if array.dtype.kind not in KINDS:
                raise TypeError(f"an array of {array.dtype}")
            array = np.ascontiguousarray(array).reshape(array.shape)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            key = (array.dtype.str, array.shape, array.tobytes())
            if key not in known:
                known[key] = len(arrays)
                arrays.append(key)
            return {"a": known[key]}
        if isinstance(item, Seed):
            return {"r": item.value}
        if isinstance(item, Call):
            return {"c": [item.how, item.name, encode(tuple(item.args))]}
        if item is None or isinstance(item, (bool, int, float, str)):
            return item
        if isinstance(item, tuple):
            return {"t": [encode(part) for part in item]}
        if isinstance(item, list):
            return [encode(part) for part in item]
        if isinstance(item, dict):
            return {"d": [[encode(key), encode(part)] for key, part in item.items()]}
        raise TypeError(f"a {type(item).__name__}")

    tree = encode(value)
    header = json.dumps({"tree": tree, "arrays": [[dtype, shape] for dtype, shape, _ in arrays]}).encode()
    body = b"".join(data for _, _, data in arrays)
    return struct.pack(">QQ", len(header), len(body)) + header + body


def unpack(data: bytes, most: float = float("inf")) -> Any:
    """What `pack` packed; ValueError when it is something else, or has arrays of more than so many bytes."""
    size, rest = struct.unpack(">QQ", data[:16])
    if len(data) != 16 + size + rest:
        raise ValueError("a message of another length than it says")
    header = json.loads(data[16 : 16 + size])
    arrays, start = [], 16 + size
    for name, shape in header["arrays"]:
        dtype = np.dtype(name)
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.kind not in KINDS:
            raise ValueError(f"an array of {dtype}")
        arrays.append(np.frombuffer(data, dtype, count, start).reshape(shape) if count else np.zeros(shape, dtype))
        start += count * dtype.itemsize
    total = 0

    def decode(item: Any) -> Any:
        nonlocal total
        if isinstance(item, str):
            return writable(item)
        if isinstance(item, list):
            return [decode(part) for part in item]
        if not isinstance(item, dict):
            return item
        ((kind, inner),) = item.items()
        if kind == "a":
            array = arrays[inner].copy()
            total += sys.getsizeof(array)  # an array is sent once, and may be there many times
            if total > most:
                raise ValueError(TOO_LARGE)
            return array
        if kind == "r":
            return Seed(inner)
        if kind == "c":
            return Call(inner[0], inner[1], decode(inner[2]))
        if kind == "t":
            return tuple(decode(part) for part in inner)
        return {decode(key): decode(part) for key, part in inner}

    return decode(header["tree"])


def writable(text: str) -> str:
    """Text without halves of a character, which no file takes."""
    return text.encode("utf-8", "replace").decode()


def read_message(stream: BinaryIO) -> Any:
    """The next message, or None at the end of the stream."""
    start = stream.read(16)
    if len(start) < 16:
        return None
    size, rest = struct.unpack(">QQ", start)
    if size + rest > LARGEST:
        raise ValueError(TOO_LARGE)
    return unpack(start + stream.read(size + rest), LARGEST)


# -- playing calls -------------------------------------------------------------------------------------------------


def play(calls: list[Call], names: dict[str, Any], file: str | None = None) -> dict[str, Any]:
    """Does the calls; returns results (one a call that gives something), error, changed arguments, executed lines.

    With `file`, the lines of that file are counted that Python executes.
    """
    results: list[Any] = []
    changed: list[str] = []
    made: Any = None
    error = None
    counter = [0]

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != file:
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


class Flood(BaseException):
    """More printed than any answer needs."""


class Printed:
    """Takes the place of sys.stdout and sys.stderr: keeps the beginning, counts the rest, and stops a flood."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.count, self.start = 0, ""

    def write(self, text: str) -> int:
        self.count += len(text)
        self.start = (self.start + text)[:2000] if len(self.start) < 2000 else self.start
        if self.count > FLOOD:
            raise Flood(f"more than {FLOOD:,} characters were printed")
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return False


def refuse(scratch: str) -> None:
    """From here on: no network, no subprocess, no file but those of Python and numpy (to read) and SCRATCH."""
    separator = os.sep
    readable = tuple(
        os.path.realpath(p) + separator for p in (os.path.dirname(os.__file__), os.path.dirname(np.__file__))
    )
    own = os.path.realpath(scratch) + separator
    site = os.path.realpath(os.path.dirname(np.__path__[0])) + separator  # lies inside Python's own folder
    realpath, fsdecode = os.path.realpath, os.fsdecode
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    starts = (
        "socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.kill", "ctypes.",
        "winreg.", "shutil.", "webbrowser", "pty.", "ftplib", "urllib", "smtplib", "sqlite3", "mmap.",
    )  # fmt: skip
    changes = {  # how many paths come first among the arguments, and how many dir_fd last
        "os.remove": (1, 1), "os.rename": (2, 2), "os.rmdir": (1, 1), "os.mkdir": (1, 1), "os.link": (2, 2),
        "os.symlink": (2, 1), "os.truncate": (1, 0), "os.chmod": (1, 1), "os.chown": (1, 1), "os.chdir": (1, 0),
        "os.putenv": (1, 0), "os.unsetenv": (1, 0), "os.utime": (1, 1),
    }  # fmt: skip

    def inside(path: Any, folders: tuple[str, ...]) -> bool:
        return (realpath(fsdecode(path)) + separator).startswith(folders)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(starts):
            raise PermissionError(f"refused here: {event}")
        if event in changes:
            paths, numbers = changes[event]
            own_paths = all(isinstance(path, (str, bytes)) and inside(path, (own,)) for path in args[:paths])
            if not own_paths or any(number != -1 for number in args[len(args) - numbers :]):
                raise PermissionError(f"refused here: {event}")
        if event == "open":
            path, _, flags = args
            if isinstance(path, int):
                raise PermissionError("refused here: opening a file by number")
            if inside(path, (own,)):
                return
            if (flags or 0) & writes:
                raise PermissionError(f"refused here: writing {fsdecode(path)[:80]}")
            if not inside(path, readable) or (inside(path, (site,)) and not inside(path, readable[1:])):
                raise PermissionError(f"refused here: reading {fsdecode(path)[:80]}")
        if event in ("os.listdir", "os.scandir") and not (args[0] is not None and inside(args[0], (own, *readable))):
            raise PermissionError(f"refused here: {event}")

    sys.addaudithook(hook)


class Gate:
    """The first finder of imports: the standard library, numpy and given, and nothing else."""

    standard = frozenset(sys.stdlib_module_names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        top = name.partition(".")[0]
        if top in self.standard or top in ALLOWED:
            return None
        raise ImportError(f"an answer may import numpy, given and the standard library, not {top}")


def limit(bytes_of_memory: int = 4 << 30) -> None:
    """Caps memory and file size, where the system can."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in (
        (resource.RLIMIT_AS, bytes_of_memory),
        (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            continue


def allow(seconds: float) -> None:
    """Lets this process compute for so many seconds more; then the system ends it. Waiting does not count."""
    try:
        import resource
    except ImportError:
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))


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
    del sys.modules["__main__"]  # this module
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
            sys.modules["given"] = _given(given_code, question["given"])
            sys.modules.pop(loaded, None)
            loaded = question["id"]
            module = sys.modules[loaded] = types.ModuleType(loaded)  # dataclasses look for it there
            names, error = vars(module), None
            try:
                exec(compile(question["load"], file, "exec"), names)
            except BaseException as problem:
                error = _described(problem, file)
            reply: dict[str, Any] = {
                "error": error,
                "missing": [
                    _missing(n, question["names"], names) for n in question["names"] if not callable(names.get(n))
                ],
            }
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


def _missing(wanted: str, asked: list[str], names: dict[str, Any]) -> str:
    """A name that is asked for and not there, with one of the answer's own that may stand for it."""
    own = {
        name.lower(): name
        for name, value in names.items()
        if isinstance(value, (types.FunctionType, type))
        and value.__module__ == names.get("__name__")  # not imported
        and name not in asked
    }
    near = get_close_matches(wanted.lower(), own, 1, 0.8)
    return f"{wanted}: is it called {own[near[0]]}?" if near else wanted


def _given(code: str, wanted: list[str]) -> types.ModuleType:
    """The module `given` with what earlier exercises built, and no more."""
    whole: dict[str, Any] = {"__name__": "given"}
    exec(compile(code, "<given>", "exec"), whole)
    module = types.ModuleType("given", "What the earlier exercises built.")
    for name in wanted:
        setattr(module, name, whole[name])
    return module


if __name__ == "__main__":
    main()
