"""What checking a layer's contract stands on: fresh copies of it, ways to run them, and what counts as the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse

from minnet.layers.base import Layer, RowGradient
from minnet.layers.description import named


class ContractError(ValueError):
    """A layer does not do what every layer promises; the message says which promise."""


class Run:
    """Fresh copies of one layer, and one way to run them."""

    def __init__(self, layer: Layer, seed: int) -> None:
        self.layer, self.seed = layer, seed
        self.name = named(layer)

    def fresh(self, training: bool = True, dtype: Any = np.float64) -> Layer:
        return fresh(self.layer, dtype).train(training)

    def dy(self, y: np.ndarray) -> np.ndarray:
        return np.random.default_rng(self.seed).standard_normal(y.shape).astype(y.dtype)

    def results(self, layer: Layer, x: Any, dy: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """y, dx and the gradients of one forward and backward, copied."""
        y = layer.forward(x)
        return {"y": np.array(y), **self.gradients(layer, self.dy(y) if dy is None else dy)}

    def gradients(self, layer: Layer, dy: np.ndarray) -> dict[str, np.ndarray]:
        """dx and the gradients of one backward, copied; those in rows as whole tables."""
        found = {"dx": layer.backward(dy)}
        for place, owner, name in layer.trainable():
            gradient = getattr(owner, "d" + name, None)
            if isinstance(gradient, RowGradient):
                gradient = gradient.dense(getattr(owner, name).shape)
            found["gradient of " + place] = gradient
        return {name: np.array(array) for name, array in found.items() if array is not None}

    def broken(self, promise: str) -> ContractError:
        return ContractError(f"{self.name}: {promise}")

    def expect(self, kept: bool, promise: str) -> None:
        if not kept:
            raise self.broken(promise)

    def same(self, a: dict[str, np.ndarray], b: dict[str, np.ndarray], when: str, exact: bool = False) -> None:
        for name in a:
            self.expect(name in b and a[name].shape == b[name].shape, f"{name} is missing or of another shape {when}")
            same = np.array_equal(a[name], b[name], equal_nan=True) if exact else near(a[name], b[name])
            self.expect(same, f"{name} differs {when}")

    def raises(self, call: Callable[[], Any], kinds: tuple[type[Exception], ...], promise: str, cure: str) -> None:
        try:
            call()
        except kinds:
            return
        except Exception as error:
            raise self.broken(f"{promise}, got {type(error).__name__}: {error}; {cure}") from error
        raise self.broken(f"{promise}, nothing was raised; {cure}")


def fresh(layer: Layer, dtype: Any = np.float64) -> Layer:
    """A copy whose whole walk back is made, without gradients from before: those would say nothing."""
    twin = copy.deepcopy(layer).astype(dtype)
    twin.need_dx(True)
    for _, inner in twin.walk():
        for name in inner.parameters:
            vars(inner).pop("d" + name, None)
    return twin


def layouts(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "transposed (Fortran order)", np.asfortranarray(array)
    wide = np.repeat(array, 2, axis=-1)
    yield "strided", wide[..., ::2]
    yield "reversed", np.ascontiguousarray(array[::-1])[::-1]
    read_only = array.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only


def near(a: np.ndarray, b: np.ndarray) -> bool:
    room = 1e-11 if a.dtype == np.float64 else 1e-4
    return a.shape == b.shape and np.allclose(a, b, rtol=room, atol=room * np.abs(a).max(initial=1.0))


def equal(a: Any, b: Any) -> bool:
    if scipy.sparse.issparse(a):
        return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("data", "indices", "indptr"))
    return np.array_equal(a, b)


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if scipy.sparse.issparse(x) or is_float(x) else x


def doubled(x: Any) -> Any:
    """Another batch of the same shape."""
    return x * 2 if scipy.sparse.issparse(x) or is_float(x) else x[::-1].copy()


def global_generator() -> str:
    """All of the state of NumPy's global generator: most draws change only its position."""
    return str([np.asarray(part).tolist() for part in np.random.get_state()])  # noqa: NPY002
