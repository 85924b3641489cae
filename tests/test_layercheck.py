"""check_layer accepts layers that keep the contract and names each promise that a layer breaks."""

import json

import numpy as np
import pytest
import scipy.sparse

from minnet.contract import ContractError
from minnet.gradcheck import GradientError, gradcheck
from minnet.layercheck import check_layer
from minnet.layers.base import Layer
from minnet.layers.containers import Sequential
from tests.tiny_layers import Dense, Drop, Lookup, Peaks, Rectifier, Shares, Sliding, Squash, Standardize

X = np.random.default_rng(7).standard_normal((5, 4))
IMAGES = np.random.default_rng(8).standard_normal((3, 5, 6, 2))

CORRECT = [
    (Dense(4, 3), X),
    (Dense(4, 3, bias=False), X.astype(np.float32)),
    (Dense(6, 3), scipy.sparse.random(5, 6, 0.4, format="csr", rng=np.random.default_rng(0))),
    (Rectifier(), X),
    (Squash(), IMAGES),
    (Shares(), X),
    (Standardize(4), X),
    (Lookup(7, 3), np.array([[0, 1, 1], [6, 1, 0]])),
    (Drop(0.4, rng=1), X),
    (Peaks(), IMAGES),
    (Sliding(2, 3), IMAGES),
    (Sequential(Dense(4, 6), Standardize(6), Rectifier(), Drop(0.2, rng=0), Dense(6, 3)), X),
]


@pytest.mark.parametrize(("layer", "x"), CORRECT, ids=lambda value: type(value).__name__)
def test_layers_that_keep_the_contract_pass(layer, x):
    before = json.dumps(layer.config())
    check_layer(layer, x)
    assert json.dumps(layer.config()) == before and layer.training and layer._cache is None


class Upcast(Squash):
    def forward(self, x):
        return super().forward(x).astype(np.float64)


class Upcast32(Squash):
    def backward(self, dy):
        return super().backward(dy).astype(np.float32)


class WritesX(Rectifier):
    def forward(self, x):
        np.maximum(x, 0, out=x)
        return super().forward(x)


class WritesDy(Rectifier):
    def backward(self, dy):
        dx = super().backward(dy)
        dy *= self._cache > 0
        return dx


class WritesY(Squash):
    def forward(self, x):
        self.y = super().forward(x)
        return self.y

    def backward(self, dy):
        self.y *= 0
        return super().backward(dy)


class Updates(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.W -= 0.01 * self.dW
        return dx


class Workspace(Rectifier):
    def forward(self, x):
        y = super().forward(x)
        if getattr(self, "space", y[:0]).shape != y.shape or self.space.dtype != y.dtype:
            self.space = y
        self.space[...] = y
        return self.space


class WorkspaceBack(Rectifier):
    def backward(self, dy):
        dx = super().backward(dy)
        if getattr(self, "space", dx[:0]).shape != dx.shape or self.space.dtype != dx.dtype:
            self.space = dx
        self.space[...] = dx
        return self.space


class WideDx(Squash):
    def backward(self, dy):
        return np.repeat(super().backward(dy), 2, axis=1)


class GlobalDraw(Drop):
    def forward(self, x):
        np.random.random(3)  # noqa: NPY002
        return super().forward(x)


class Lenient(Rectifier):
    def backward(self, dy):
        return dy * (0 if self._cache is None else self._cache[: len(dy)] > 0)


class AnyShape(Dense):
    def backward(self, dy):
        if self._cache is None:
            raise RuntimeError("backward before forward")
        self.db = dy.sum(axis=0)
        self.dW = self._cache.T @ dy[: len(self._cache)]
        return dy @ self.W.T


class Accumulates(Dense):
    def backward(self, dy):
        dx, old = None, getattr(self, "dW", 0)
        dx = super().backward(dy)
        self.dW = self.dW + old
        return dx


class AlwaysDrops(Drop):
    def forward(self, x):
        mode, self.training = self.training, True
        y = super().forward(x)
        self.training = mode
        return y


class Wakes(Squash):
    def forward(self, x):
        self.training = True
        return super().forward(x)


class LearnsInEvaluation(Standardize):
    def forward(self, x):
        y = super().forward(x)
        self.mean[...] = 0.9 * self.mean + 0.1 * x.mean()
        return y


class Frozen(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=0)
        return dx


class FrozenDx(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        return dx if self._learns("W") else None


class OwnW(Dense):
    def replica(self):
        twin = super().replica()
        twin.W = self.W.copy()
        return twin


class SharedCache(Rectifier):
    def __init__(self):
        self.box = {}

    def forward(self, x):
        self.box["x"] = x
        return super().forward(x)

    def backward(self, dy):
        super().backward(dy)
        return dy * (self.box["x"] > 0.5) * 1.0


class Undescribed(Dense):
    def config(self):
        return {"layer": "Undescribed", "inputs": self.inputs, "outputs": 1 + self.outputs}


class Narrowed(Dense):
    def config(self):
        return {"layer": "Narrowed", "inputs": self.inputs, "outputs": self.outputs - 1}


class NotJSON(Dense):
    def config(self):
        return {**super().config(), "rng": np.float32(3)}


class Contiguous(Squash):
    def forward(self, x):
        return super().forward(np.ascontiguousarray(x).ravel(order="K").reshape(x.shape) if x.base is None else -x)


class NeedsMany(Squash):
    def forward(self, x):
        x.max()
        return super().forward(x / x[1].size)


class NoMean(Squash):
    def forward(self, x):
        return super().forward(x) * x.mean() / x.mean() if len(x) != 1 else super().forward(x) * np.nan


class Mixes(Shares):
    def forward(self, x):
        e = np.exp(x - x.max())
        self._cache = e / e.sum()
        return self._cache.copy()

    def backward(self, dy):
        s = self._recall()
        self._expect_dy(dy, s.shape)
        return s * (dy - (dy * s).sum())


class AnyType(Dense):
    def _expect(self, x, features=None, channels=None):
        pass


class NoWayBack(Squash):
    """Numbers of an empty batch can be anything to reshape, -1 included: NumPy refuses."""

    def backward(self, dy):
        return super().backward(dy.reshape(len(dy), -1).reshape(dy.shape))


class Wrong(Squash):
    def backward(self, dy):
        return -super().backward(dy)


class WrongInEvaluation(Standardize):
    def backward(self, dy):
        dx = super().backward(dy)
        return dx if self._cache[2] else 2 * dx


BROKEN = [
    (Upcast(), X, "forward turns float32 into float64"),
    (Upcast32(), X, "backward turns float64 into float32"),
    (WideDx(), X, r"dx has the shape \(5, 8\), x has \(5, 4\)"),
    (WritesX(), X, "wrote into x"),
    (WritesDy(), X, "wrote into dy"),
    (WritesY(), X, "backward wrote into the y"),
    (Updates(4, 3), X, "W was changed: only the optimizer"),
    (Workspace(), X, "the next forward overwrote the last y"),
    (WorkspaceBack(), X, "the next backward overwrote the last dx"),
    (GlobalDraw(), X, "global generator"),
    (Lenient(), X, "before forward has to raise, nothing was raised; begin backward with kept = self._recall"),
    (AnyShape(4, 3), X, r"has to raise ValueError, .*; in backward, call self._expect_dy\(dy, shape\)"),
    (Accumulates(4, 3), X, "gradient of W differs when backward is called again"),
    (AlwaysDrops(rng=0), X, "differs between two evaluations"),
    (Wakes(), X, "switched to training mode"),
    (LearnsInEvaluation(4), X, "evaluation changed the buffer mean"),
    (Frozen(4, 3), X, r"a gradient of b appears when .*: set db only if self._learns\('b'\)"),
    (FrozenDx(4, 3), X, "dx is missing when"),
    (OwnW(4, 3), X, "a replica has a W of its own"),
    (SharedCache(), X, "dx differs after a replica ran"),
    (Undescribed(4, 3), X, r"rebuilding turns Undescribed\(4, 3\) into Undescribed\(4, 4\)"),
    (Narrowed(4, 3), X, r"rebuilding turns Narrowed\(4, 3\) into Narrowed\(4, 2\)"),
    (NotJSON(4, 3), X, r"config\(\) is not JSON"),
    (Contiguous(), X, "differs for strided input"),
    (NeedsMany(), X, "a single example gives IndexError"),
    (NoWayBack(), X, "an empty batch gives ValueError in backward: cannot reshape array of size 0"),
    (NoMean(), X, "a single example gives NaN|an empty batch gives RuntimeWarning"),
    (Mixes(), X, "output depends on"),
    (AnyType(4, 3), X, "another dtype has to raise ValueError, nothing was raised; begin forward with self._expect_d"),
]


@pytest.mark.parametrize(("layer", "x", "said"), BROKEN, ids=lambda value: type(value).__name__)
def test_broken_promises_are_named(layer, x, said):
    with pytest.raises(ContractError, match=said):
        check_layer(layer, x)


@pytest.mark.parametrize("layer", [Wrong(), WrongInEvaluation(4)], ids=repr)
def test_gradients_are_checked_in_both_modes(layer):
    gradcheck(WrongInEvaluation(4), X)  # right in training
    with pytest.raises(GradientError):
        check_layer(layer, X)
    check_layer(layer, X, gradients=False)


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="at least two examples"):
        check_layer(Squash(), X[:1])


def test_a_layer_that_mixes_examples_may_say_so():
    check_layer(Mixes(), X, equivariant=False)


def test_containers_name_the_layer_inside():
    layer: Layer = Sequential(Dense(4, 4), Accumulates(4, 3))
    with pytest.raises(ContractError, match=r"gradient of 1\.W"):
        check_layer(layer, X)
