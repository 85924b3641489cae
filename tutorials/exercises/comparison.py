"""Compares results: with what is expected, up to rounding in float32, and with what a known mistake gives."""

from __future__ import annotations

from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # of an entry, and of the largest entry: float32 passes, float16 does not
TINY = 1e-12  # what float64 leaves where numbers cancel
ON_PAPER = 0.5e-4  # by which a number with four decimals is off


def difference(got: Any, expected: Any, slack: float = 0.0) -> str:
    """Why `got` is not `expected`, in a few words; "" when it is, up to `slack` and rounding in float32."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return f"a dictionary with {', '.join(map(str, expected))} is expected"
        return next((f"{key}: {d}" for key in expected if (d := difference(got[key], expected[key], slack))), "")
    if isinstance(expected, tuple) or (isinstance(expected, list) and _uneven(expected)):
        got = _row(got, expected)
        if not isinstance(got, (list, tuple)):
            texts = all(isinstance(part, str) for part in expected)
            wanted = f"a list of {len(expected)} texts is" if texts else f"{len(expected)} results are"
            return f"{wanted} expected, got {_kind(got)}"
        if len(got) != len(expected):
            kind = "texts" if all(isinstance(part, str) for part in expected) else "results"
            return f"{len(expected)} {kind} are expected, got {len(got)}"
        parts = (difference(g, e, slack) for g, e in zip(got, expected, strict=True))
        return next((f"result {i}: {d}" for i, d in enumerate(parts, 1) if d), "")
    if expected is None or isinstance(expected, str):
        return (
            ""
            if (got is None and expected is None) or (isinstance(got, str) and got == expected)
            else (f"{_short(got)} instead of {_short(expected)}")
        )
    wanted = np.asarray(expected)
    one = "one array is expected" if wanted.ndim else "one number is expected"
    try:
        array = np.asarray(got)
    except (ValueError, TypeError):
        return f"{_kind(got)}, {one}" if isinstance(got, tuple) else "rows of different lengths"
    if array.dtype.kind not in "biuf" or got is None:
        return f"{array.dtype if isinstance(got, np.ndarray) else _kind(got)} instead of numbers"
    if array.shape != wanted.shape and not (array.size == wanted.size == 1 and wanted.ndim == 0):
        if isinstance(got, tuple) or not wanted.ndim:
            return f"{_kind(got)}, {one}"
        return f"the shape is {array.shape}, expected {wanted.shape}"
    if wanted.size == 0:
        return ""
    array, wanted = array.astype(np.float64).reshape(wanted.shape), wanted.astype(np.float64)
    if not np.isfinite(array).all():
        return f"{int((~np.isfinite(array)).sum())} of {array.size} entries are NaN or infinite"
    wrong = np.abs(array - wanted) > RELATIVE * np.abs(wanted) + ABSOLUTE * np.abs(wanted).max() + TINY + slack
    if not wrong.any():
        return ""
    place = np.unravel_index(int(np.argmax(np.where(wrong, np.abs(array - wanted), -1))), wanted.shape)
    where = f"at [{', '.join(map(str, place))}] " if wanted.ndim else ""
    return f"{where}{array[place] + 0.0:.5g} instead of {wanted[place] + 0.0:.5g}"  # + 0.0: without the sign of -0


def same(a: Any, b: Any) -> bool:
    """Whether two results agree in shape and in every number, NaN and infinity included."""
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    a, b = _row(a, b), _row(b, a)
    if any(isinstance(v, tuple) or (isinstance(v, list) and _uneven(v)) for v in (a, b)):
        listed = isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b)
        return listed and all(same(x, y) for x, y in zip(a, b, strict=True))
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    try:
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape or x.dtype.kind not in "biuf" or y.dtype.kind not in "biuf":
            return False
        x, y = x.astype(np.float64), y.astype(np.float64)
    except (ValueError, TypeError):
        return False
    finite = np.isfinite(y)
    if not (np.isfinite(x) == finite).all() or not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    x, y = x[finite], y[finite]
    return y.size == 0 or bool((np.abs(x - y) <= RELATIVE * np.abs(y) + ABSOLUTE * np.abs(y).max() + TINY).all())


def number_in(value: Any) -> Any:
    """The one number that stands in brackets, as in (276,); any other value as it is."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return value.ravel()[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def _row(value: Any, other: Any) -> Any:
    """An array of numbers as a list where the other is a tuple of numbers, such as a shape."""
    numbers = isinstance(other, tuple) and all(isinstance(v, (int, float, np.number)) for v in other)
    return [*value] if numbers and isinstance(value, np.ndarray) and value.ndim == 1 else value


def _uneven(value: list[Any]) -> bool:
    """Whether a list holds more than numbers and lists of numbers of one shape."""
    if any(isinstance(v, (str, dict, tuple)) or v is None for v in value):
        return True
    try:
        return np.asarray(value).dtype.kind not in "biuf"
    except ValueError:
        return True


def _kind(value: Any) -> str:
    """What kind of result a value is, in words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} {'result' if len(value) == 1 else 'results'}"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    kinds = {dict: "a dictionary", list: "a list", str: "a text", type(None): "None (is a return missing?)"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "one number")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
