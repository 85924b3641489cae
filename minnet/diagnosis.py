"""Looks at a wrong gradient beside the right one and says what kind of mistake it sees, or nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np

MATCH = 1e-6  # relative to the largest entry: the right gradient was measured, to about 1e-9


def matches(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same gradient, up to what measuring leaves open."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.size == 0 or not np.all(np.isfinite(a)):
        return False
    size = np.abs(b).max()
    return bool(size > 0 and np.abs(a - b).max() <= MATCH * size)


def diagnose(
    claimed: np.ndarray,
    right: np.ndarray,
    *,
    batch: int | None = None,
    context: Mapping[str, np.ndarray] | None = None,
    tokens: np.ndarray | None = None,
) -> str:
    """What is wrong with `claimed`, as a phrase; "" where nothing is certain.

    claimed, right: arrays of one shape (see `diagnose_shape` for others). batch: the number of examples.
    context: arrays by the name that the reader knows (x, y, dy, W, gamma ...), in which a missing factor or term
    is looked for. tokens: the integer input of a table look-up.
    """
    if matches(claimed, right):
        return ""  # too small a difference to have a shape
    context = {name: np.asarray(array, np.float64) for name, array in (context or {}).items()}
    if not np.all(np.isfinite(claimed)):
        bad = ~np.isfinite(claimed)
        return f"{int(bad.sum())} of its {bad.size} entries are NaN or infinite"
    if not np.any(claimed):
        return "all its entries are zero"
    return (
        _constant_factor(claimed, right, batch, context)
        or _misplaced(claimed, right)
        or _summed(claimed, right, context)
        or _some_entries(claimed, right, batch, context, tokens)
        or _missing_factor(claimed, right, context)
        or _missing_term(claimed, right, context)
    )


def diagnose_shape(claimed: np.ndarray, right: np.ndarray) -> str:
    """The same for a gradient whose shape is wrong: which sum or transposition would mend it."""
    if claimed.ndim == right.ndim and claimed.ndim > 1:
        for order in itertools.permutations(range(claimed.ndim)):
            if matches(claimed.transpose(order), right):
                return _transposed(order)
    for axes in _subsets(claimed.ndim):
        if matches(claimed.sum(axis=axes), right):
            return f"the sum over {_axes(axes)} is missing"
        if matches(claimed.sum(axis=axes, keepdims=True), right):
            return f"the sum over {_axes(axes)} (with keepdims) is missing"
    for axes in _subsets(right.ndim):
        if matches(claimed, right.sum(axis=axes)) or matches(claimed, right.sum(axis=axes, keepdims=True)):
            return f"it was summed over {_axes(axes)}, which has to stay"
    if claimed.size == right.size and matches(claimed.ravel(), right.ravel()):
        return f"its numbers are right: reshape it to {right.shape}"
    return ""


# -- one kind of mistake each ------------------------------------------------------------------------------------


def _constant_factor(claimed: np.ndarray, right: np.ndarray, batch: int | None, context: Mapping) -> str:
    factor = _multiple(claimed, right)
    if factor is None:
        return ""
    meanings = _meanings(abs(factor), batch, context)
    telling = np.count_nonzero(np.abs(right) > 1e-3 * np.abs(right).max())
    if telling < 3 and not meanings and not math.isclose(abs(factor), 1, rel_tol=1e-5):
        return ""  # any wrong number is some multiple of the right one
    if math.isclose(factor, -1, rel_tol=1e-5):
        return "its sign is wrong (a constant factor of -1)"
    said = f"it is wrong by a constant factor: {factor:.6g} times the right one"
    return said + (": " + ", or ".join(meanings) if meanings else "")


def _multiple(a: np.ndarray, b: np.ndarray) -> float | None:
    """c where a = c * b; None where a is no multiple of b."""
    square = float(np.sum(b * b))
    factor = float(np.sum(a * b)) / square if square else 0.0
    return factor if factor and matches(a / factor, b) else None


def _meanings(factor: float, batch: int | None, context: Mapping[str, np.ndarray]) -> list[str]:
    numbers: list[tuple[float, str]] = [(2, "")]
    if batch and batch > 1:
        numbers.append((batch, f"N = {batch}, the batch size"))
        y = context.get("y")
        if y is not None and y.ndim > 1 and y.shape[-1] > 1:
            numbers.append((y.shape[-1], f"{y.shape[-1]}, the size of the output's last axis"))
            if y.ndim == 2:
                numbers.append((y.size, f"{y.size}, the number of outputs of the whole batch"))
            elif y.ndim == 4:
                positions = y.shape[1] * y.shape[2]
                numbers.append((positions, f"{positions}, the number of output positions"))
                numbers.append((batch * positions, f"{batch * positions}, the batch size times the output positions"))
    found = []
    for number, name in numbers:
        if number > 1 and math.isclose(factor, number, rel_tol=1e-5):
            found.append(f"{name} (a division by it is missing)" if name else "a 2 too many, or a 1/2 forgotten")
        if number > 1 and math.isclose(factor, 1 / number, rel_tol=1e-5):
            found.append(f"divided once too often by {name}" if name else "a 1/2 too many, or a 2 forgotten")
    return found


def _misplaced(claimed: np.ndarray, right: np.ndarray) -> str:
    for order in itertools.permutations(range(right.ndim)):
        if order != tuple(range(right.ndim)) and matches(claimed.transpose(order), right):
            return _transposed(order)
    for axes in _subsets(right.ndim):
        if matches(np.flip(claimed, axes), right):
            return f"it is flipped along {_axes(axes)}"
    values = np.sort(np.abs(right).ravel())
    distinct = right.size >= 6 and np.all(np.diff(values) > 10 * MATCH * values[-1])
    if distinct and matches(np.sort(claimed.ravel()), np.sort(right.ravel())):
        return "its numbers are right but stand at the wrong places (a transposition or reshape in the wrong order)"
    return ""


def _transposed(order: tuple[int, ...]) -> str:
    return "it is transposed" if len(order) == 2 else f"its axes are exchanged: transpose({order}) is right"


def _summed(claimed: np.ndarray, right: np.ndarray, context: Mapping[str, np.ndarray]) -> str:
    if right.size < 3:
        return ""
    for axes in _subsets(right.ndim):
        for how, reduced in (("summed", right.sum), ("averaged", right.mean)):
            if matches(claimed, np.broadcast_to(reduced(axis=axes, keepdims=True), right.shape)):
                return f"it is {how} over {_axes(axes)}, which has to stay apart"
    dy = context.get("dy")
    if dy is None:
        return ""
    sums = [(axes, dy.sum(axis=axes)) for axes in _subsets(dy.ndim)]
    claimed_over = [axes for axes, total in sums if matches(claimed, total)]
    right_over = [axes for axes, total in sums if matches(right, total)]
    if len(claimed_over) == 1 and len(right_over) == 1:
        return f"it sums dy over the wrong axis: over {_axes(claimed_over[0])} instead of {_axes(right_over[0])}"
    return ""


def _some_entries(
    claimed: np.ndarray, right: np.ndarray, batch: int | None, context: Mapping, tokens: np.ndarray | None
) -> str:
    wrong = np.abs(claimed - right) > 10 * MATCH * np.abs(right).max()
    count = int(wrong.sum())
    if count == 0 or 2 * count > wrong.size:
        return ""
    said = f"only {count} of its {wrong.size} entries are wrong"
    for axis in range(wrong.ndim):
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        at = np.flatnonzero(wrong.any(axis=others))
        if axis == 0 and tokens is not None:
            ids, counts = np.unique(tokens, return_counts=True)
            if set(at) == set(ids[counts > 1]):
                return said + ", all in rows whose token occurs more than once: its shares have to be added (np.add.at)"
        if len(at) == 1 and wrong.shape[axis] > 2:
            said += f", all at index {at[0]} of axis {axis}"
    for name in ("x", "dy"):
        known = context.get(name)
        if known is not None and known.shape == wrong.shape:
            for phrase, mask in (("positive", known > 0), ("negative", known < 0), ("zero", known == 0)):
                if np.array_equal(wrong, mask):
                    said += f", exactly those where {name} is {phrase}"
    factor = _constant_factor(claimed[wrong], right[wrong], batch, context) if count >= 3 else ""
    if count >= 3 and not np.any(claimed[wrong]):
        factor = "they are zero"
    return said + (f"; there {factor}" if factor else "")


def _missing_factor(claimed: np.ndarray, right: np.ndarray, context: Mapping[str, np.ndarray]) -> str:
    if right.size < 4:
        return ""
    for name, known in context.items():
        if known.ndim and known.size > 1 and known.shape == right.shape[right.ndim - known.ndim :]:
            with np.errstate(all="ignore"):
                if matches(claimed * known, right):
                    return f"the factor {name} is missing"
                if matches(claimed, right * known):
                    return f"it has the factor {name} once too often"
                if matches(claimed * known**2, right):
                    return f"it is divided by {name} where it should be multiplied"
    return ""


def _missing_term(claimed: np.ndarray, right: np.ndarray, context: Mapping[str, np.ndarray]) -> str:
    missing = right - claimed
    x, y, dy = (context.get(name) for name in ("x", "y", "dy"))
    if right.size >= 4:
        for name, known in context.items():
            factor = _multiple(missing, known) if known.shape == right.shape else None
            if factor is not None:
                if name in ("x", "y", "dy"):
                    return f"the term {factor:.4g} * {name} is missing"
                return f"it holds {-factor:.4g} * {name} itself: weight decay belongs to the optimizer"
    if x is not None and dy is not None and x.ndim == dy.ndim == 2:
        lost = _lost_examples(missing, x, dy)
        if lost:
            return lost
    if x is None or right.shape != x.shape or right.ndim < 2:
        return ""
    ones = np.ones_like(right)
    if y is not None and y.shape == right.shape and _explained(missing, [y]):
        return "in each example the error is a multiple of the output y: a sum over the example is missing or wrong"
    for where in ("channel", "example"):
        error, one, known = (_grouped(array, where) for array in (missing, ones, x))
        if _explained(error, [one]):
            return f"within each {where} the error is the same everywhere, as when a term through a mean is missing"
        if _explained(error, [one, known]):
            return (
                f"within each {where} the error is a constant plus a multiple of x, "
                "as when a term through the variance (and the mean) is missing"
            )
    return ""


def _grouped(array: np.ndarray, where: str) -> np.ndarray:
    """One row for each channel, or for each example."""
    return array.reshape(-1, array.shape[-1]).T if where == "channel" else array.reshape(len(array), -1)


def _explained(missing: np.ndarray, basis: list[np.ndarray]) -> bool:
    """Whether each row of `missing` is a combination of the same rows of `basis`, with entries to spare."""
    rows = missing.reshape(len(missing), -1)
    columns = [known.reshape(len(missing), -1) for known in basis]
    if rows.shape[1] < len(basis) + 2 or not np.any(rows):
        return False
    for row, *known in zip(rows, *columns, strict=True):
        design = np.stack(known, axis=1)
        weights = np.linalg.lstsq(design, row, rcond=None)[0]
        if np.abs(design @ weights - row).max() > MATCH * np.abs(missing).max():
            return False
    return True


def _lost_examples(missing: np.ndarray, x: np.ndarray, dy: np.ndarray) -> str:
    """dW = x^T dy is a sum over examples; which of them are missing?"""
    if len(x) != len(dy) or missing.shape != (x.shape[1], dy.shape[1]):
        return ""
    shares = np.stack([np.outer(a, b).ravel() for a, b in zip(x, dy, strict=True)], axis=1)
    if shares.shape[0] < shares.shape[1] + 2:
        return ""
    weights = np.linalg.lstsq(shares, missing.ravel(), rcond=None)[0]
    whole = np.round(weights)
    if not matches(shares @ whole, missing.ravel()) or not np.all((whole == 0) | (whole == 1)):
        return ""
    return "the share of example " + ", ".join(str(index) for index in np.flatnonzero(whole)) + " is missing"


def _subsets(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else "axes " + ", ".join(map(str, axes))
