"""A function or class of a notebook as the file that would be handed in: its text, and what it uses of other cells."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import symtable
import sys
import textwrap
from typing import Any

import numpy as np

from tutorials.exercises.sheet import Sheet


class Cell:
    """`source` is the file's text; `lost` names what `answer` uses of the notebook and a text cannot give again."""

    def __init__(self, answer: Any, sheet: Sheet) -> None:
        self.name, self.lost = answer.__name__, list[str]()
        outside = next((function.__globals__ for function in _functions(answer)), {})
        head = ["import numpy as np"] + ([f"from given import {', '.join(sheet.given)}"] if sheet.given else [])
        parts: list[Any] = []
        texts: list[tuple[str, list[str], int]] = []  # name, lines, number of the first in its cell

        def take(part: Any) -> None:
            """Adds a part's text behind those of what it uses: a base class stands before the classes made of it."""
            parts.append(part)
            try:
                lines, first = _source(part)
            except (OSError, SyntaxError):
                if part is answer:
                    raise ValueError(
                        f"the source of {self.name} cannot be found: define it in a file, or in a cell that does "
                        "not begin with %%"
                    ) from None
                self.lost.append(part.__name__)
                return
            for used in sorted(_used("\n".join(lines)) & outside.keys()):
                value = outside[used]
                if _is_of(outside, value) and outside.get(value.__name__, value) is value:
                    if value not in parts:
                        take(value)
                    if value.__name__ not in (used, "<lambda>"):
                        texts.append((used, [f"{used} = {value.__name__}"], 1))
                elif line := _import(used, value, outside) or _constant(used, value):
                    head.extend([] if used in sheet.given or line in head else [line])
                elif used not in self.lost and used not in sheet.given:
                    self.lost.append(used)
            texts.append((part.__name__, lines, first))

        take(answer)
        for name in sheet.names:
            if _is_of(outside, outside.get(name)) and outside[name] not in parts:
                take(outside[name])
        if sheet.personal and (line := _constant("VARIANT", outside.get("VARIANT"))):
            head.append(line)
        source, self._origins = head, dict[int, tuple[str, int]]()
        for name, lines, first in texts:
            self._origins |= {len(source) + 1 + i: (name, first + i) for i in range(len(lines))}
            source += [*lines, ""]
        for name in sheet.names:
            if name not in (part.__name__ for part in parts):
                source += [f"def {name}(*a):", f"    raise NotImplementedError('{name} is not defined yet')"]
        self.source = "\n".join(source) + "\n"

    def placed(self, text: str) -> str:
        """`text` with the numbers that lines have in their cells."""

        def there(found: re.Match[str]) -> str:
            name, number = self._origins.get(int(found[1]), ("", 0))
            cell = "" if name == self.name else f" of the cell with {name}"
            return f" (line {number}{cell})" if name else ""

        return re.sub(r" \(line (\d+)\)", there, text)


def _functions(part: Any) -> list[Any]:
    """A function itself, or the methods of a class."""
    return [part] if inspect.isfunction(part) else [f for f in vars(part).values() if inspect.isfunction(f)]


def _source(part: Any) -> tuple[list[str], int]:
    """(lines of a function or class, number of the first in its cell or file); OSError where it has none."""
    if inspect.isfunction(part):
        lines, first = inspect.getsourcelines(part)
        return _dedented(lines), first
    # A notebook's class does not know its cell: its methods do. One without lies in the latest cell that defines it.
    codes = [method.__code__ for method in _functions(part)]
    places = [(linecache.getlines(code.co_filename), code.co_firstlineno) for code in codes]
    for lines, inside in places + [(lines, 0) for lines in _cells()]:
        for node in ast.walk(_parsed("".join(lines))):
            if isinstance(node, ast.ClassDef) and node.name == part.__name__:
                first, last = min(n.lineno for n in (node, *node.decorator_list)), node.end_lineno or 0
                if not inside or first <= inside <= last:
                    return _dedented(lines[first - 1 : last]), first
    raise OSError(f"no cell or file defines {part.__name__}")


def _cells() -> list[list[str]]:
    """The lines of what was typed in, the latest first: unlike a file it has no time of its last change."""
    return [entry[2] for entry in reversed([*linecache.cache.values()]) if len(entry) == 4 and entry[1] is None]


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # a cell that never ran
        return ast.Module([], [])


def _dedented(lines: list[str]) -> list[str]:
    return textwrap.dedent("".join(lines)).rstrip("\n").split("\n")


def _used(text: str) -> set[str]:
    """The names that a text takes from outside: no local variables, no attributes."""
    tables = [symtable.symtable(text, "cell", "exec")]
    for table in tables:  # and the functions in it: the list grows
        tables += table.get_children()
    return {s.get_name() for table in tables for s in table.get_symbols() if s.is_global() and s.is_referenced()}


def _is_of(outside: dict[str, Any], value: Any) -> bool:
    """Whether a function or class is the notebook's own."""
    if inspect.isfunction(value):
        return value.__globals__ is outside
    return inspect.isclass(value) and value.__module__ == outside.get("__name__")


def _import(name: str, value: Any, outside: dict[str, Any]) -> str:
    """The line that imports `value` as `name`; "" when it was not imported."""
    if inspect.ismodule(value):
        return f"import {value.__name__} as {name}"
    known = getattr(value, "__name__", "")
    for module in (getattr(value, "__module__", None), "numpy"):  # numpy's exp does not know where it is from
        there = sys.modules.get(module) if isinstance(module, str) and module != outside.get("__name__") else None
        if known and getattr(there, known, None) is value:
            return f"from {module} import {known} as {name}"
    return ""


def _constant(name: str, value: Any) -> str:
    """The line that gives `name` a number, a text, a list of them or a pattern; "" when it is of another kind."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, re.Pattern):
        return f"import re; {name} = re.compile({value.pattern!r}, {value.flags})"
    if isinstance(value, float):
        return f"{name} = float('{value}')"  # infinite or NaN, perhaps
    try:
        return f"{name} = {value!r}" if ast.literal_eval(repr(value)) == value else ""
    except Exception:  # of many kinds: whatever repr and == do
        return ""
