import json
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan, sqrt

import numpy as np
import pytest

from minnet import places, updates
from minnet.layers.base import Layer, RowGradient
from minnet.layers.containers import Sequential
from minnet.layers.linear import Linear
from minnet.optimizers import SGD, Adam, AdamW, Lookahead, RMSProp
from minnet.updates import Optimizer
from tests.drawing import normal


class Table(Layer):
    """A layer of nothing but arrays, so that a test says itself what the gradients are."""

    parameters = ("W", "b")
    buffers = ("mean", "count")

    def __init__(self, shape, dtype=np.float64, seed=0):
        rng = np.random.default_rng(seed)
        self.W = rng.standard_normal(shape).astype(dtype)
        self.b = rng.standard_normal(shape[-1:]).astype(dtype)
        self.mean = np.zeros(shape[-1:], dtype)
        self.count = np.zeros((), np.int64)


class Pair(Layer):
    def __init__(self, first, second):
        self.first, self.second = first, second

    def children(self):
        return {"0": self.first, "1": self.second}


def gradients_for(layer, step):
    rng = np.random.default_rng((7, step))
    layer.dW = rng.standard_normal(layer.W.shape).astype(layer.W.dtype)
    layer.db = rng.standard_normal(layer.b.shape).astype(layer.b.dtype)


def make(kind, model, **settings):
    return {"SGD": SGD, "RMSProp": RMSProp, "Adam": Adam, "AdamW": AdamW}[kind](model, **settings)


# The papers' formulas, one number at a time, in the form the papers give them.
def sgd(w, gradients, rate, momentum=0.0, nesterov=False, decay=0.0, decoupled=False):
    v = 0.0
    for g in gradients:
        if decoupled:
            w = w - rate * decay * w
        else:
            g = g + decay * w
        v = momentum * v + g
        w = w - rate * (g + momentum * v if nesterov else v)
    return w


def rmsprop(w, gradients, rate, alpha=0.99, eps=1e-8, decay=0.0):
    s = 0.0
    for g in gradients:
        g = g + decay * w
        s = alpha * s + (1 - alpha) * g * g
        w = w - rate * g / (sqrt(s) + eps)
    return w


def adam(w, gradients, rate, betas=(0.9, 0.999), eps=1e-8, decay=0.0, decoupled=False, sparse=False):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        if decoupled:
            w = w - rate * decay * w
        else:
            g = g + decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        w = w - rate * m_hat / (sqrt(v_hat) + (eps / sqrt(1 - betas[1] ** t) if sparse else eps))
    return w


CASES = [
    ("SGD", {}, sgd, {}),
    ("SGD", {"momentum": 0.9}, sgd, {"momentum": 0.9}),
    ("SGD", {"momentum": 0.8, "nesterov": True}, sgd, {"momentum": 0.8, "nesterov": True}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.3}, sgd, {"momentum": 0.9, "decay": 0.3}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.3, "decoupled": True}, sgd,
     {"momentum": 0.9, "decay": 0.3, "decoupled": True}),
    ("RMSProp", {}, rmsprop, {}),
    ("RMSProp", {"alpha": 0.7, "eps": 0.1, "weight_decay": 0.2}, rmsprop, {"alpha": 0.7, "eps": 0.1, "decay": 0.2}),
    ("Adam", {}, adam, {}),
    ("Adam", {"betas": (0.5, 0.8), "eps": 0.1, "weight_decay": 0.2}, adam,
     {"betas": (0.5, 0.8), "eps": 0.1, "decay": 0.2}),
    ("AdamW", {}, adam, {"decay": 0.01, "decoupled": True}),
    ("AdamW", {"weight_decay": 0.3}, adam, {"decay": 0.3, "decoupled": True}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "settings", "formula", "arguments"), CASES)
@pytest.mark.parametrize("chunk", [1, 5, 10**6])
def test_each_number_follows_its_formula(kind, settings, formula, arguments, chunk, monkeypatch):
    monkeypatch.setattr(updates, "CHUNK", chunk)
    layer = Table((3, 4))
    start_w, start_b = layer.W.copy(), layer.b.copy()
    seen = []
    optimizer = make(kind, layer, learning_rate=0.05, **settings)
    for step in range(6):
        gradients_for(layer, step)
        given = layer.dW.copy()
        seen.append((layer.dW, layer.db))
        optimizer.step()
        assert np.array_equal(layer.dW, given), "the layer's gradient was written into"
    for i, j in np.ndindex(3, 4):
        expected = formula(start_w[i, j], [dw[i, j] for dw, _ in seen], 0.05, **arguments)
        assert layer.W[i, j] == pytest.approx(expected, rel=1e-12)
    without_decay = {**arguments, "decay": 0.0}  # one axis: no decay
    for j in range(4):
        assert layer.b[j] == pytest.approx(formula(start_b[j], [db[j] for _, db in seen], 0.05, **without_decay), 1e-12)
    assert optimizer.steps == 6


def test_two_steps_by_hand():
    layer = Table((1, 1))
    layer.W[...], layer.b[...] = 1.0, 0.0
    optimizer = SGD(layer, 0.1, momentum=0.5, weight_decay=0.2)
    layer.dW, layer.db = np.array([[2.0]]), np.array([0.0])
    optimizer.step()  # g = 2 + 0.2 = 2.2; v = 2.2; w = 1 - 0.22
    assert layer.W[0, 0] == pytest.approx(0.78, rel=1e-15)
    optimizer.step()  # g = 2 + 0.156; v = 1.1 + 2.156 = 3.256; w = 0.78 - 0.3256
    assert layer.W[0, 0] == pytest.approx(0.4544, rel=1e-15)
    first = Table((1, 1))
    first.W[...] = 1.0
    first.dW, first.db = np.array([[-1e-3]]), np.array([4.0])
    start = first.b[0]
    Adam(first, 0.1, eps=0.0).step()  # Adam's first step is rate * sign(g), whatever the size of g
    assert first.W[0, 0] == pytest.approx(1.1, rel=1e-12)
    assert first.b[0] == pytest.approx(start - 0.1, rel=1e-12)
    start = first.b[0]
    Adam(first, 0.1, betas=(0.5, 0.3), eps=0.0).step()
    assert first.b[0] == pytest.approx(start - 0.1, rel=1e-12)


def test_nesterov_moves_the_point_that_sutskever_et_al_look_ahead_to():
    """Their form (2013, equations 3 and 4): the gradient is taken at theta + momentum u, and moves u, then theta."""
    layer, curvatures = Table((2, 1)), np.array([[1.0], [5.0]])
    layer.W[...], layer.db = 1.0, np.zeros(1)
    optimizer = SGD(layer, 0.1, momentum=0.9, nesterov=True)
    theta, u = layer.W.copy(), np.zeros((2, 1))
    for _ in range(5):
        layer.dW = curvatures * layer.W
        optimizer.step()
        u = 0.9 * u - 0.1 * curvatures * (theta + 0.9 * u)
        theta = theta + u
        np.testing.assert_allclose(layer.W, theta + 0.9 * u, rtol=1e-12)
        assert np.abs(layer.W - theta).max() > 0.01  # which is not theta itself


def test_filters_of_four_axes_decay_too():
    filters = Table((3, 3, 2, 4))
    before = filters.W.copy()
    filters.dW, filters.db = np.zeros((3, 3, 2, 4)), np.zeros(4)
    SGD(filters, 0.5, weight_decay=0.1).step()
    np.testing.assert_allclose(filters.W, 0.95 * before, rtol=1e-14)


@pytest.mark.parametrize(("kind", "settings"), [(kind, settings) for kind, settings, _, _ in CASES])
def test_threads_and_pieces_give_the_same_bits(kind, settings, monkeypatch):
    ends = []
    with ThreadPoolExecutor(2) as pool:
        for chunk, threads in ((10**6, None), (64, None), (64, pool), (7, pool)):
            monkeypatch.setattr(updates, "CHUNK", chunk)
            layer = Table((20, 50), np.float32)
            optimizer = make(kind, layer, learning_rate=0.01, **settings)
            optimizer.pool = threads
            for step in range(4):
                gradients_for(layer, step)
                optimizer.step(scale=0.7)
            ends.append(layer.W.tobytes() + layer.b.tobytes())
            assert layer.W.dtype == np.float32
    assert len(set(ends)) == 1


def test_pieces_are_small_workspace_is_kept_and_the_pool_is_used_when_it_pays(monkeypatch):
    monkeypatch.setattr(updates, "CHUNK", 64)
    sizes, tasks = [], []

    class Watched(SGD):
        def update(self, w, g, state, settings, scratch):
            sizes.append(g.size)
            super().update(w, g, state, settings, scratch)

    class Pool:
        def submit(self, run, apply, pieces, scale, task):
            tasks.append(task)
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(run, apply, pieces, scale, task)

    layer = Table((20, 50))
    layer.freeze("b")
    gradients_for(layer, 0)
    optimizer = Watched(layer, 0.1, weight_decay=0.1)
    optimizer.step()
    assert sizes == [64] * 15 + [40]
    buffers = optimizer._workspaces[0]._buffers
    scratch = {key: id(buffer) for key, buffer in buffers.items()}
    assert sum(buffer.size for buffer in buffers.values()) == 128
    sizes.clear()
    layer.dW = RowGradient(np.arange(10), np.ones((10, 50)))
    plain = Watched(layer, 0.1)
    plain.step()
    assert sizes == [50] * 10
    gradients_for(layer, 0)
    optimizer.step()
    assert scratch == {key: id(buffer) for key, buffer in buffers.items()}
    optimizer.pool = Pool()
    sizes.clear()
    optimizer.step()
    assert tasks == [0, 1, 2, 3] and sizes == [64] * 15 + [40], "every piece is taken by one task"
    small = Table((8, 8))
    small.freeze("b")
    gradients_for(small, 0)
    optimizer = SGD(small, 0.1)
    optimizer.pool = Pool()
    optimizer.step()
    assert len(tasks) == 4
    assert set(optimizer.state["W"]) == {"steps"}, "without momentum there is nothing to remember"


def test_the_threads_of_the_pool_heed_what_the_caller_says_of_overflows(monkeypatch):
    monkeypatch.setattr(updates, "CHUNK", 64)
    layer = Table((20, 50), np.float32)
    gradients_for(layer, 0)
    layer.dW[...] = 3e38
    optimizer = SGD(layer, 10.0)
    with ThreadPoolExecutor(2) as optimizer.pool:
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            optimizer.step()
        with np.errstate(over="ignore", invalid="ignore"):
            optimizer.step()


def test_arrays_that_cannot_be_moved_are_refused_before_any_is():
    pair = Pair(Table((2, 3)), Table((2, 3), seed=1))
    for part in (pair.first, pair.second):
        gradients_for(part, 0)
    optimizer = SGD(pair, 0.1, momentum=0.9)
    before = pair.first.W.copy()
    pair.second.W.flags.writeable = False
    with pytest.raises(ValueError, match=r"'1\.W' is read-only: give the layer a copy"):
        optimizer.step()
    np.testing.assert_array_equal(pair.first.W, before)
    assert optimizer.steps == 0
    for tied in (pair.first.W, pair.first.W[:, :1], pair.first.W.T):
        pair.second.W = tied
        with pytest.raises(ValueError, match=r"'0\.W' and '1\.W' are one array"):
            Adam(pair)


def test_a_parameter_that_runs_backwards_is_found_to_share_its_last_number():
    whole = np.zeros(10)
    assert places.overlapping({"back": whole[8::-2], "odd": whole[3:4], "first": whole[:1]}) == ("back", "first")
    assert places.overlapping({"back": whole[8::-2], "odd": whole[3:4], "other": whole[9:]}) is None
    assert places.overlapping({"back": whole[5:2:-1], "before": whole[2:3], "last": whole[5:6]}) == ("back", "last")


def test_columns_of_one_array_are_two_parameters():
    whole = normal(4, 6)
    for cut in (np.split(whole, 2, axis=1), (whole[:, ::2], whole[::-1, 1::2])):
        layers = Linear(4, 3, bias=False), Linear(4, 3, bias=False)
        before = whole.copy()
        for layer, part in zip(layers, cut, strict=True):
            layer.W, layer.dW = part, np.ones((4, 3))
        SGD(Sequential(*layers), 0.5).step()
        np.testing.assert_allclose(whole, before - 0.5, rtol=1e-12)
        layers[1].W = whole[1:][::-1]
        with pytest.raises(ValueError, match=r"'[01]\.W' and '[01]\.W' are one array"):
            SGD(Sequential(*layers), 0.5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_may_have_a_schedule(nesterov):
    layer = Table((2, 3))
    optimizer, w, v = SGD(layer, 0.1, nesterov=nesterov, momentum=0.5), layer.W.copy(), 0.0
    for step, momentum in enumerate((0.9, 0.9, 0.5, 0.99)):
        gradients_for(layer, step)
        optimizer.momentum = momentum
        optimizer.step()
        v = momentum * v + layer.dW
        w -= 0.1 * (layer.dW + momentum * v if nesterov else v)
        np.testing.assert_allclose(layer.W, w, rtol=1e-12)
    with pytest.raises(ValueError, match="with momentum SGD keeps velocities, without it none: make a new optimizer"):
        optimizer.momentum = 0
    with pytest.raises(ValueError, match="momentum must be a number, at least 0, below 1"):
        optimizer.momentum = 1
    assert optimizer.config()["momentum"] == 0.99
    plain = SGD(layer, 0.1)
    plain.momentum = 0.9  # before the first step: there is nothing yet that would have to change
    plain.step()
    assert "W/momentum" in plain.state_arrays()


class Sure(Adam):
    def __init__(self, model):
        self.betas = (0.5, 0.5)
        super().__init__(model, 0.1, betas=self.betas)


def test_betas_may_have_a_schedule():
    layer = Table((2, 3))
    optimizer, w, m, v = Sure(layer), layer.W.copy(), 0.0, 0.0
    for t, (beta1, beta2) in enumerate(((0.5, 0.5), (0.9, 0.999), (0.8, 0.9)), start=1):
        gradients_for(layer, t)
        optimizer.betas = (beta1, beta2)
        optimizer.step()
        m, v = beta1 * m + (1 - beta1) * layer.dW, beta2 * v + (1 - beta2) * layer.dW**2
        w -= 0.1 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        np.testing.assert_allclose(layer.W, w, rtol=1e-12)
    assert optimizer.betas == (0.8, 0.9)


def test_defaults_are_those_that_people_know():
    layer = Table((2, 2))
    common = "weight_decay=0.0, groups=[])"
    sgd = "SGD(learning_rate=0.1, momentum=0.0, nesterov=False, weight_decay=0.0, decoupled=False, groups=[])"
    assert repr(SGD(layer, 0.1)) == sgd
    assert repr(RMSProp(layer)) == "RMSProp(learning_rate=0.01, alpha=0.99, eps=1e-08, " + common
    assert repr(Adam(layer)) == "Adam(learning_rate=0.001, betas=[0.9, 0.999], eps=1e-08, " + common
    decayed = common.replace("0.0", "0.01")
    assert repr(AdamW(layer)) == "AdamW(learning_rate=0.001, betas=[0.9, 0.999], eps=1e-08, " + decayed
    assert repr(Lookahead(SGD(layer, 0.1))) == f"Lookahead({sgd}, every=5, alpha=0.5)"
    assert repr(Lookahead(SGD(layer, 0.1), slowing=0.9)) == f"Lookahead({sgd}, every=5, slowing=0.9)"
    gradients_for(layer, 0)
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        updates.Optimizer(layer, 0.1).step()


def test_lookahead_at_every_step_is_a_shorter_step():
    one, other = Table((2, 3)), Table((2, 3))
    for layer in (one, other):
        gradients_for(layer, 0)
    Lookahead(SGD(one, 0.4), every=1, alpha=0.25).step()
    SGD(other, 0.1).step()
    assert np.allclose(one.W, other.W, rtol=1e-14)


def test_scale_multiplies_the_gradient_and_not_the_decay():
    one, other = Table((3, 4)), Table((3, 4))
    for layer, scale, factor in ((one, 0.25, 1.0), (other, 1.0, 0.25)):
        optimizer = SGD(layer, 0.1, momentum=0.9, weight_decay=0.5)
        for step in range(3):
            gradients_for(layer, step)
            layer.dW, layer.db = layer.dW * factor, layer.db * factor
            optimizer.step(scale=scale)
    assert np.array_equal(one.W, other.W)
    assert np.array_equal(one.b, other.b)


def test_learning_rate_of_one_step_and_of_groups():
    model = Pair(Table((2, 3)), Table((3, 2)))
    start = {place: w.copy() for place, w in model.named_parameters().items()}
    gradients_for(model.first, 0)
    gradients_for(model.second, 1)
    groups = [
        {"match": "1.W", "learning_rate": 3.0, "weight_decay": 0.0},
        {"match": "*.b", "learning_rate": 2.0, "weight_decay": 0.7},
        {"match": "0.*", "learning_rate": 99.0},
    ]
    optimizer = SGD(model, 0.1, weight_decay=0.5, groups=groups)
    optimizer.step(learning_rate=0.01)
    g, end = model.named_gradients(), model.named_parameters()
    rates = {"1.W": (0.03, 0.0), "0.b": (0.02, 0.7), "1.b": (0.02, 0.7), "0.W": (0.99, 0.5)}
    for place, (rate, decay) in rates.items():
        assert np.allclose(end[place], start[place] - rate * (g[place] + decay * start[place]), rtol=1e-13, atol=0)
    assert optimizer.learning_rate == 0.1
    json.dumps(optimizer.config())


def test_a_frozen_parameter_stays_and_needs_no_gradient():
    layer = Table((2, 3))
    gradients_for(layer, 0)
    layer.freeze("W")
    del layer.dW
    w, b = layer.W.copy(), layer.b.copy()
    optimizer = Adam(layer, 0.1)
    optimizer.step()
    assert np.array_equal(layer.W, w)
    assert not np.array_equal(layer.b, b)
    # When it learns at last, Adam's bias correction counts its own steps: the first one is rate * sign(g).
    layer.unfreeze()
    for step in range(20):
        gradients_for(layer, step)
        if step == 10:
            layer.freeze("b")
        optimizer.step()
    assert int(optimizer.state["W"]["steps"]) == 20
    assert int(optimizer.state["b"]["steps"]) == 11
    assert optimizer.steps == 21


def test_the_loss_may_own_parameters():
    model, loss = Table((2, 3)), Table((3, 4), seed=5)
    gradients_for(model, 0)
    gradients_for(loss, 1)
    start = loss.W.copy()
    optimizer = SGD(model, 0.1, momentum=0.9, loss=loss, groups=[{"match": "loss.*", "learning_rate": 2.0}])
    optimizer.step()
    assert np.allclose(loss.W, start - 0.2 * loss.dW, rtol=1e-14)
    assert set(optimizer.state) == {"W", "b", "loss.W", "loss.b"}


def test_an_array_that_is_not_contiguous_is_updated_all_the_same(monkeypatch):
    monkeypatch.setattr(updates, "CHUNK", 6)
    ends = []
    for order in "CF":
        layer = Table((5, 4))
        layer.W = np.array(layer.W, order=order)
        w = layer.W
        optimizer = Adam(layer, 0.1, weight_decay=0.1)
        for step in range(3):
            gradients_for(layer, step)
            layer.dW = np.asfortranarray(layer.dW) if step == 1 else layer.dW
            optimizer.step()
        assert layer.W is w
        ends.append(w.copy())
    assert np.array_equal(*ends)


class Larger(Optimizer):
    """Steps by a part of the parameter's own length, as LARS does, along its rows' mean gradient."""

    whole = True

    def update(self, w, g, state, settings, scratch):
        w -= settings.rate * np.sqrt(np.square(w).sum()) * g.mean(axis=0)


@pytest.mark.parametrize("order", "CF")
def test_a_formula_that_looks_at_the_whole_parameter_gets_it_in_one_piece(monkeypatch, order):
    monkeypatch.setattr(updates, "CHUNK", 6)
    layer = Table((5, 4))
    layer.W = np.array(layer.W, order=order)
    before = layer.W.copy()
    gradients_for(layer, 0)
    Larger(layer, 0.1).step()
    expected = before - 0.1 * np.sqrt(np.square(before).sum()) * layer.dW.mean(axis=0)
    np.testing.assert_allclose(layer.W, expected, rtol=1e-13)


def test_rows_come_in_one_piece_too():
    layer = Table((9, 4))
    layer.dW, layer.db = RowGradient(np.array([1, 4, 8]), normal(3, 4)), np.zeros_like(layer.b)
    before, optimizer = layer.W.copy(), Larger(layer, 0.1)
    with pytest.raises(ValueError, match="Its formula looks at whole parameters: use Adam"):
        optimizer.step()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "CHUNK", 4)
        patch.setattr(Larger, "refuses_rows", lambda self: "")  # where the rows alone are meant
        optimizer.step()
    rows = before[[1, 4, 8]]
    expected = rows - 0.1 * np.sqrt(np.square(rows).sum()) * layer.dW.values.mean(axis=0)
    np.testing.assert_allclose(layer.W[[1, 4, 8]], expected, rtol=1e-13)


def test_empty_and_scalar_parameters():
    layer = Table((0, 3))
    layer.b = np.array(2.0)
    layer.dW, layer.db = np.zeros((0, 3)), np.array(1.0)
    SGD(layer, 0.5).step()
    assert layer.b == 1.5


ROWS = [np.array([0, 3, 4]), np.array([3]), np.array([], int), np.array([0, 1, 2, 3, 4, 5, 6]), np.array([3, 6])]


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("shape", [(7, 4), (7, 2, 3), (7,)])
@pytest.mark.parametrize("chunk", [1, 9, 10**6])
def test_row_gradients_move_their_rows_only(kind, shape, chunk, monkeypatch):
    monkeypatch.setattr(updates, "CHUNK", chunk)
    layer = Table(shape)
    layer.freeze("b")
    start = layer.W.copy()
    settings = {"weight_decay": 0.0} if kind == "AdamW" else {}
    optimizer = make(kind, layer, learning_rate=0.05, **settings)
    history = []
    rng = np.random.default_rng(3)
    for rows in ROWS:
        layer.dW = RowGradient(rows, rng.standard_normal((len(rows), *shape[1:])))
        history.append(layer.dW)
        before = layer.W.copy()
        optimizer.step(scale=0.5)
        others = np.setdiff1d(np.arange(7), rows)
        assert np.array_equal(layer.W[others], before[others])
        assert len(rows) == 0 or not np.array_equal(layer.W[rows], before[rows])
    if kind == "SGD":
        expected = start - 0.05 * 0.5 * sum(g.dense(shape) for g in history)
        assert np.allclose(layer.W, expected, rtol=1e-13, atol=1e-15)
        return
    # Lazy Adam: a row's moments see its own gradients only, while the count t goes on for the whole table.
    for place in np.ndindex(*shape):
        m = v = 0.0
        w = start[place]
        for t, gradient in enumerate(history, start=1):
            hit = np.flatnonzero(gradient.rows == place[0])
            if hit.size:
                g = 0.5 * gradient.values[(hit[0], *place[1:])]
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                c1, c2 = 1 - 0.9**t, 1 - 0.999**t
                w -= 0.05 * (m / c1) / (sqrt(v / c2) + 1e-8 / sqrt(c2))
        assert layer.W[place] == pytest.approx(w, rel=1e-12)


def test_row_gradients_give_the_same_bits_on_threads(monkeypatch):
    ends = []
    with ThreadPoolExecutor(2) as pool:
        for chunk, threads in ((10**6, None), (40, pool)):
            monkeypatch.setattr(updates, "CHUNK", chunk)
            layer = Table((300, 8), np.float32)
            layer.db = np.ones_like(layer.b)
            optimizer = Adam(layer, 0.1)
            optimizer.pool = threads
            for step in range(3):
                rng = np.random.default_rng(step)
                rows = np.flatnonzero(rng.random(300) < 0.4)
                layer.dW = RowGradient(rows, rng.standard_normal((rows.size, 8)).astype(np.float32))
                optimizer.step()
            ends.append(layer.W.tobytes())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("kind", "settings", "remedy"),
    [
        ("SGD", {"momentum": 0.9}, "momentum=0, or Adam"),
        ("RMSProp", {}, "or Adam"),
        ("SGD", {"weight_decay": 0.1}, r"groups=\[\{'match': 'W', 'weight_decay': 0.0\}\]"),
        ("Adam", {"weight_decay": 0.1}, r"groups=\[\{'match': 'W', 'weight_decay': 0.0\}\]"),
        ("AdamW", {}, r"groups=\[\{'match': 'W', 'weight_decay': 0.0\}\]"),
    ],
)
def test_who_cannot_update_rows_says_what_can(kind, settings, remedy):
    layer = Table((5, 2))
    layer.dW, layer.db = RowGradient(np.array([1]), np.ones((1, 2))), np.ones(2)
    before = layer.W.copy(), layer.b.copy()
    with pytest.raises(ValueError, match=remedy):
        make(kind, layer, learning_rate=0.1, **settings).step()
    assert np.array_equal(layer.W, before[0])
    assert np.array_equal(layer.b, before[1])
    if "weight_decay" in remedy:
        settings = {**settings, "groups": [{"match": "W", "weight_decay": 0.0}]}
        make(kind, layer, learning_rate=0.1, **settings).step()
        assert not np.array_equal(layer.W, before[0])


@pytest.mark.parametrize(
    ("rows", "values", "said"),
    [
        (1, (1, 2), "expects rows"),
        ([1, 1], (2, 2), "unique, sorted"),
        ([2, 1], (2, 2), "unique, sorted"),
        ([0, 2, 1], (3, 2), "unique, sorted"),
        ([-1, 1], (2, 2), "from 0 to 4"),
        ([1, 5], (2, 2), "from 0 to 4"),
        ([0, 1, 5], (3, 2), "from 0 to 4"),
        ([1, 7], (2, 2), "from 0 to 4"),
        ([1], (2, 2), "expects rows"),
        ([1, 2], (2, 3), "expects rows"),
        ([1.0, 2.0], (2, 2), "expects rows"),
    ],
)
def test_malformed_rows(rows, values, said):
    layer = Table((5, 2))
    layer.dW, layer.db = RowGradient(np.array(rows), np.ones(values)), np.ones(2)
    before = layer.W.copy()
    with pytest.raises(ValueError, match=said):
        SGD(layer, 0.1).step()
    assert np.array_equal(layer.W, before)


def test_lookahead_goes_around_an_optimizer():
    with pytest.raises(ValueError, match=r"goes around an optimizer, such as Lookahead\(SGD\(model\)\); got Table"):
        Lookahead(Table((5, 2)))


def test_a_rate_set_on_lookahead_is_its_optimizers():
    ahead = Lookahead(SGD(Table((5, 2)), 0.1))
    ahead.learning_rate = 0.01
    assert ahead.optimizer.learning_rate == ahead.learning_rate == 0.01


def test_gradients_that_do_not_fit_change_nothing():
    layer = Table((5, 2))
    optimizer = Adam(layer, 0.1)
    with pytest.raises(RuntimeError, match="call backward before step"):
        optimizer.step()
    gradients_for(layer, 0)
    before = layer.W.copy()
    good = layer.db
    for db, said in (
        (np.ones(3), r"shape \(2,\), its gradient \(3,\)"),
        (np.ones(1), r"its gradient \(1,\)"),
        (good.astype(np.float32), "was the model converted"),
    ):
        layer.db = db
        with pytest.raises(ValueError, match=said):
            optimizer.step()
    for arguments in ({"learning_rate": nan}, {"scale": inf}, {"scale": -1.0}, {"learning_rate": "0.1"}):
        layer.db = good
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be a number"):
            optimizer.step(**arguments)
    assert np.array_equal(layer.W, before)
    assert optimizer.steps == 0
    assert not optimizer.state.get("W", {"steps": 0})["steps"]
    optimizer.step()
    layer.astype(np.float32)
    gradients_for(layer, 1)
    with pytest.raises(ValueError, match="new optimizer after astype"):
        optimizer.step()


def test_an_argument_that_is_not_kept_is_named():
    class Renames(Larger):
        def __init__(self, model, learning_rate, beta=0.9, **others):
            self.b = beta
            super().__init__(model, learning_rate, **others)

    optimizer = Renames(Table((2, 2)), 0.1)
    assert repr(optimizer) == "Renames(learning_rate=0.1)"
    with pytest.raises(ValueError, match=r"Renames cannot be described: keep its argument beta as self\.beta"):
        optimizer.config()


def test_a_model_is_taken_whole_and_a_layer_added_later_is_named():
    model = Sequential(Linear(3, 2))
    with pytest.raises(ValueError, match="takes the model itself, not its parameters; got dict"):
        Adam(model.named_parameters(), 1e-3)
    optimizer = Adam(model)
    model.layers = (*model.layers, Linear(2, 2))
    model.backward(model.forward(np.ones((1, 3), np.float32)))
    before = model[0].W.copy()
    with pytest.raises(ValueError, match=r"'1\.W' was added after the optimizer was made: make the optimizer anew"):
        optimizer.step()
    assert np.array_equal(model[0].W, before)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda m: SGD(m, -0.1), "learning_rate must be a number, at least 0; got -0.1"),
        (lambda m: SGD(m, nan), "learning_rate"),
        (lambda m: SGD(m, 0.1, momentum=1.0), "momentum must be a number, at least 0, below 1"),
        (lambda m: SGD(m, 0.1, nesterov=True), "nesterov"),
        (lambda m: SGD(m, 0.1, weight_decay=-1), "weight_decay"),
        (lambda m: RMSProp(m, alpha=1.5), "alpha"),
        (lambda m: RMSProp(m, eps=-1), "eps"),
        (lambda m: Adam(m, betas=(0.9, 1.0)), r"betas\[1\]"),
        (lambda m: Adam(m, betas=(-0.1, 0.9)), r"betas\[0\]"),
        (lambda m: Adam(m, betas=(1.0, 0.9)), r"betas\[0\]"),
        (lambda m: Adam(m, groups=[{"match": "*.gamma"}]), "matches no parameter; there are W, b"),
        (lambda m: Adam(m, groups=[{"match": "W", "lr": 1}]), "keys are match, learning_rate, weight_decay"),
        (lambda m: Adam(m, groups=[{"learning_rate": 1}]), "keys are match"),
        (lambda m: Adam(m, groups=[{"match": "*"}, {"mach": "b"}]), "keys are match.*'mach'"),
        (lambda m: Adam(m, groups={"match": "*"}), "keys are match.* got match"),
        (lambda m: Adam(m, groups=[{"match": "*"}, {"match": "b"}]), "'b'} comes after groups that match the same"),
        (lambda m: Adam(m, groups=[{"match": "W", "weight_decay": -1}]), "weight_decay must"),
        (lambda m: Lookahead(SGD(m, 0.1), every=0), "every"),
        (lambda m: Lookahead(SGD(m, 0.1), every=2.0), "every"),
        (lambda m: Lookahead(SGD(m, 0.1)).pull(1.5), "alpha must be a number, at least 0, at most 1"),
        (lambda m: Lookahead(SGD(m, 0.1), alpha=1.5), "alpha must be a number, at least 0, at most 1"),
    ],
)
def test_settings_out_of_range(build, said):
    with pytest.raises(ValueError, match=said):
        build(Table((2, 2)))


BUILDERS = {
    "SGD": lambda m: SGD(m, 0.1),
    "momentum": lambda m: SGD(m, 0.1, momentum=0.9, nesterov=True),
    "RMSProp": lambda m: RMSProp(m, 0.1, alpha=0.8),
    "AdamW": lambda m: AdamW(m, 0.1, betas=(0.8, 0.9), groups=[{"match": "*.b", "learning_rate": 0.5}]),
    "Lookahead": lambda m: Lookahead(Adam(m, 0.1), every=2, alpha=0.3),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_stopped_and_resumed_is_the_same_to_the_bit(name):
    def run(optimizer, model, first, last):
        for step in range(first, last):
            gradients_for(model.first, step)
            gradients_for(model.second, step + 100)
            optimizer.step(learning_rate=0.1 / (step + 1))

    whole = Pair(Table((3, 4), np.float32), Table((4, 2), np.float32))
    run(BUILDERS[name](whole), whole, 0, 7)

    model = Pair(Table((3, 4), np.float32), Table((4, 2), np.float32))
    first = BUILDERS[name](model)
    run(first, model, 0, 3)
    saved = {key: array.copy() for key, array in first.state_arrays().items()}
    assert json.loads(json.dumps(first.config())) == first.config()
    second = BUILDERS[name](model)
    second.load_state_arrays(saved)
    second.steps = first.steps
    run(second, model, 3, 7)
    for place, w in whole.named_parameters().items():
        assert np.array_equal(w, model.named_parameters()[place]), place
    for key, array in saved.items():
        assert np.array_equal(array, first.state_arrays()[key]), "loaded state must be a copy"


def test_state_that_does_not_fit_is_refused():
    layer = Table((2, 3))
    gradients_for(layer, 0)
    optimizer = Adam(layer, 0.1)
    optimizer.step()
    state = optimizer.state_arrays()
    assert set(state) == {"W/sum", "W/squares", "W/steps", "b/sum", "b/squares", "b/steps"}
    for change, said in (
        ({"W/velocity": state["W/sum"]}, "unexpected optimizer state 'W/velocity'"),
        ({"9.W/sum": state["W/sum"]}, "unexpected optimizer state '9.W/sum'"),
        ({"steps": state["W/steps"]}, "unexpected"),
        ({"W/sum": state["W/sum"].T}, r"float64 \(3, 2\), expected float64 \(2, 3\)"),
        ({"W/sum": state["W/sum"][:1]}, r"float64 \(1, 3\), expected float64 \(2, 3\)"),
        ({"W/sum": state["W/sum"].astype(np.float32)}, "is float32"),
        ({"x" * 200: state["W/sum"]}, f"state '{'x' * 80}':"),
        ({"W/steps": np.array(1.0)}, "expected int64"),
    ):
        with pytest.raises(ValueError, match=said):
            optimizer.load_state_arrays(state | change)
    with pytest.raises(ValueError, match="'b/squares' is missing"):
        optimizer.load_state_arrays({key: array for key, array in state.items() if key != "b/squares"})
    assert optimizer.state_arrays()["W/sum"] is state["W/sum"]


def test_lookahead_by_hand():
    layer = Table((1, 1))
    layer.W[...], layer.b[...] = 1.0, 0.0
    layer.dW, layer.db = np.array([[1.0]]), np.array([0.0])
    optimizer = Lookahead(SGD(layer, 0.1), every=2, alpha=0.25)
    layer.W[...] = 2.0  # as if loaded after the optimizer was made: the slow weights start here
    optimizer.step()
    assert layer.W[0, 0] == pytest.approx(1.9, rel=1e-15)
    layer.mean[...] = 4.0
    layer.count[...] = 7
    optimizer.step()  # fast 1.8; slow 2 + 0.25 (1.8 - 2) = 1.95
    assert layer.W[0, 0] == pytest.approx(1.95, rel=1e-15)
    assert layer.mean[0] == 1.0, "running statistics follow"
    assert layer.count == 7, "counters do not"
    optimizer.step()
    optimizer.alpha = 1.0
    optimizer.step()  # fast 1.75; slow goes all the way
    assert layer.W[0, 0] == pytest.approx(1.75, rel=1e-15)
    optimizer.step()
    optimizer.pull(alpha=0.0)  # the end of a run
    assert layer.W[0, 0] == pytest.approx(1.75, rel=1e-15)
    assert "Lookahead(SGD(" in repr(optimizer)
    assert optimizer.learning_rate == 0.1
    assert optimizer.steps == 5


@pytest.mark.parametrize(("progress", "alpha"), [(None, 1), (0.0, 1), (0.5, 1 - 0.49 / 8), (1.0, 0.51)])
def test_lookahead_that_slows_down_by_hand(progress, alpha):
    """alpha = 1 - 0.7^2 progress^3: at first the slow weights simply follow, later they average."""
    layer = Table((1, 1))
    layer.W[...], layer.b[...] = 5, 0
    optimizer = Lookahead(SGD(layer, 0.1), every=2, slowing=0.7)
    if progress is not None:
        optimizer.progress = progress
    layer.dW, layer.db = np.array([[10.0]]), np.zeros(1)
    optimizer.step()
    assert layer.W.item() == pytest.approx(4)
    optimizer.step()  # to 3, which is 2 away from where it began
    assert layer.W.item() == pytest.approx(5 - 2 * alpha, rel=1e-14)
    assert optimizer.steps == optimizer.optimizer.steps == 2 and optimizer.learning_rate == 0.1
    with ThreadPoolExecutor(1) as pool:
        optimizer.pool = pool
        assert optimizer.pool is optimizer.optimizer.pool is pool


def test_lookahead_leaves_buffers_alone_that_are_no_floating_point_numbers():
    layer = Table((3, 2))
    layer.mean = np.array([True, False])
    optimizer = Lookahead(SGD(layer, 0.1), every=1)
    for step in range(2):
        layer.count[...] = step
        gradients_for(layer, step)
        optimizer.step()
    assert layer.mean.tolist() == [True, False] and layer.count == 1 and "mean" not in optimizer.slow


def test_lookahead_leaves_a_mask_of_infinities_alone():
    class Masked(Linear):
        buffers = ("mask",)

        def __init__(self):
            super().__init__(2, 2, rng=0)
            self.mask = np.array([0, -inf], np.float32)

    model = Sequential(Masked())
    ahead = Lookahead(SGD(model, 0.1), every=1)
    model[0].dW, model[0].db = np.ones((2, 2), np.float32), np.ones(2, np.float32)
    ahead.step()
    assert model[0].mask.tolist() == [0, -inf]
    ahead.pull(0.0)
    assert model[0].mask.tolist() == [0, -inf]


class Largest(Linear):
    """A layer of one's own that remembers the largest output so far, with a frozen bias of -inf."""

    buffers = ("top",)

    def __init__(self):
        super().__init__(2, 2, rng=0)
        self.top = np.full(3, -inf, np.float32)
        self.b[1] = -inf
        self.freeze("b")


def test_lookahead_jumps_from_minus_infinity():
    model = Sequential(Largest())
    ahead = Lookahead(SGD(model, 0.1), every=2, alpha=0.5)
    layer = model[0]
    layer.dW = np.ones((2, 2), np.float32)
    for step in range(4):
        if step == 1:
            layer.top[0] = 3  # met after the first step
        if step == 2:
            layer.top[:2] = 5
        ahead.step()
    assert layer.top.tolist() == [4, 5, -inf] and layer.b.tolist() == [0, -inf]
    again = Lookahead(SGD(Sequential(Largest()), 0.1), every=2, alpha=0.5)
    again.load_state_arrays(ahead.state_arrays())
    assert again.slow["0.top"].tolist() == [4, 5, -inf]


def test_lookahead_refuses_a_state_that_does_not_fit():
    layer = Table((2, 3))
    gradients_for(layer, 0)
    optimizer = Lookahead(Adam(layer, 0.1))
    optimizer.step()
    state = optimizer.state_arrays()
    for bad, said in (
        ({key: array for key, array in state.items() if key != "b/slow"}, "'b/slow' is missing"),
        (state | {"x/slow": state["b/slow"]}, "'x/slow' is missing or unexpected"),
        (state | {"b/slow": np.zeros(7)}, "'b/slow' is float64"),
        (state | {"b/slow": np.zeros(1)}, "'b/slow' is float64"),
        (state | {"b/sum": np.zeros(7)}, "'b/sum' is float64"),
    ):
        with pytest.raises(ValueError, match=said):
            optimizer.load_state_arrays(bad)
    assert optimizer.state_arrays()["b/slow"] is state["b/slow"]


@pytest.mark.parametrize("shape", [(3, 6), (6, 6), (6, 4), (7, 5)], ids=str)
def test_a_parameter_that_changed_needs_a_new_optimizer(shape):
    layer = Table((6, 5))
    optimizer = Adam(layer, 0.1)
    gradients_for(layer, 0)
    optimizer.step()
    layer.W, layer.dW = np.ones(shape), np.ones(shape)
    with pytest.raises(ValueError, match="'W' changed to float64"):
        optimizer.step()
    layer.W, layer.dW = np.ones((6, 5), np.float32), np.ones((6, 5), np.float32)
    with pytest.raises(ValueError, match="'W' changed to float32"):
        optimizer.step()


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_any_scale_multiplies_the_gradient(scale):
    layer = Table((2, 3))
    before = layer.W.copy()
    layer.dW, layer.db = np.ones((2, 3)), np.ones(3)
    SGD(layer, 0.1).step(scale=scale)
    np.testing.assert_allclose(before - layer.W, 0.1 * scale, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(1, 3), (3, 3), (2, 2), (2, 4)], ids=str)
def test_values_of_another_shape_than_the_rows(shape):
    layer = Table((5, 3))
    layer.freeze("b")
    layer.dW = RowGradient(np.array([1, 4]), np.ones(shape))
    with pytest.raises(ValueError, match=r"expects rows .R,. and values"):
        SGD(layer, 0.1).step()


def test_lookahead_pulled_before_its_first_step_changes_nothing():
    model = Linear(3, 2, rng=0)
    before = model.W.copy()
    Lookahead(SGD(model, 0.1)).pull(0.0)
    assert np.array_equal(model.W, before)


class Returned(updates.Optimizer):
    """A learner's own optimizer that gives the new weights back instead of writing them."""

    def update(self, w, g, state, settings, scratch):
        return w - settings.rate * g


def test_an_update_that_returns_the_weights_is_refused():
    layer = Table((3, 2))
    gradients_for(layer, 0)
    with pytest.raises(ValueError, match=r"Returned\.update returned something: it has to write into w"):
        Returned(layer, 0.1).step()
    before = layer.W.copy()
    Descent(layer, 0.1).step()  # which wrote into them, and returns these
    np.testing.assert_allclose(layer.W, before - 0.1 * layer.dW, rtol=1e-15)


class Descent(updates.Optimizer):
    """A learner's own optimizer: one formula, and nothing else said."""

    def update(self, w, g, state, settings, scratch):
        w -= settings.rate * g
        return w


def test_an_optimizer_of_ones_own_needs_one_formula():
    layer = Table((3, 2))
    before = layer.W.copy()
    layer.dW, layer.db = np.full((3, 2), -5.0), np.full(2, 3.0)
    Descent(layer, 0.1).step()
    np.testing.assert_allclose(layer.W, before + 0.5, rtol=1e-15)


class Rebinding(updates.Optimizer):
    """A learner's own optimizer in which `=` names new arrays, where it should write into those given."""

    slots = ("velocity",)

    def __init__(self, model, learning_rate, keeps, moves):
        self.keeps, self.moves = keeps, moves
        super().__init__(model, learning_rate)

    def update(self, w, g, state, settings, scratch):
        (v,) = state
        if self.keeps:
            v *= 0.9
            v += g
        else:
            v = 0.9 * v + g
        if self.moves:
            w -= settings.rate * v
        else:
            w = w - settings.rate * v


@pytest.mark.parametrize(
    ("keeps", "moves", "said"),
    [
        (True, False, r"Rebinding\.update changed no weight: w -= "),
        (False, True, r"Rebinding\.update changed nothing in its state \(velocity\): w -= "),
        (False, False, r"Rebinding\.update changed no weight and nothing in its state"),
    ],
)
def test_an_update_that_writes_into_nothing_is_told_of_once(keeps, moves, said):
    layer = Table((3, 2))
    optimizer = Rebinding(layer, 0.1, keeps, moves)
    layer.dW, layer.db = np.zeros((3, 2)), np.zeros(2)
    optimizer.step()  # nothing is to be moved yet, nor at a rate of 0
    layer.dW += 1
    optimizer.step(learning_rate=0.0)
    optimizer.step(scale=0.0)
    with pytest.warns(UserWarning, match=said) as caught:
        optimizer.step()
    assert len(caught) == 1 and caught[0].filename == __file__
    optimizer.step()


def test_one_array_that_moves_is_enough():
    layer = Table((3, 2))
    layer.b += 1e9  # of a size at which a step is lost
    layer.dW, layer.db = np.ones((3, 2)), np.full(2, 1e-20)
    Rebinding(layer, 0.1, True, True).step()
    Descent(layer, 0.1).step()


def test_a_decay_that_is_set_later_is_the_one_that_acts():
    model = Sequential(Linear(3, 2, rng=0))
    optimizer = AdamW(model, 0.1, groups=[{"match": "*.b", "weight_decay": 0.5}])
    optimizer.weight_decay = 0.0
    before = model[0].W.copy()
    model[0].dW, model[0].db = np.zeros((3, 2), np.float32), np.zeros(2, np.float32)
    optimizer.step()
    assert np.array_equal(model[0].W, before) and optimizer.config()["weight_decay"] == 0
    optimizer.weight_decay = -1
    with pytest.raises(ValueError, match="weight_decay must be a number"):
        optimizer.step()


def test_groups_that_are_changed_later_are_those_that_act():
    model = Sequential(Linear(3, 2, rng=0), Linear(2, 2, rng=1))
    optimizer = SGD(model, 0.1, groups=[{"match": "0.*", "learning_rate": 0.0}])

    def moves():
        before = {place: w.copy() for place, w in model.named_parameters().items()}
        for _, layer, name in model.trainable():
            setattr(layer, "d" + name, np.ones_like(getattr(layer, name)))
        optimizer.step()
        return {place: round(float((before[place] - w).max()), 4) for place, w in model.named_parameters().items()}

    assert moves() == {"0.W": 0, "0.b": 0, "1.W": 0.1, "1.b": 0.1}
    optimizer.groups[0]["learning_rate"] = 0.5
    assert moves() == {"0.W": 0.05, "0.b": 0.05, "1.W": 0.1, "1.b": 0.1}
    optimizer.groups.append({"match": "1.b", "learning_rate": 2.0})
    assert moves() == {"0.W": 0.05, "0.b": 0.05, "1.W": 0.1, "1.b": 0.2}
    optimizer.groups = [{"match": "*.W", "learning_rate": 0.0}]
    assert moves() == {"0.W": 0, "0.b": 0.1, "1.W": 0, "1.b": 0.1}
    optimizer.groups[0]["match"] = "2.W"
    with pytest.raises(ValueError, match=r"group .* matches no parameter; there are 0\.W"):
        moves()
    optimizer.groups = [{"lr": 0.0}]
    with pytest.raises(ValueError, match="a group's keys are match"):
        moves()


@pytest.mark.parametrize("types", [(np.float32, np.float64), (np.float64, np.float32)])
def test_a_gradient_of_another_type_is_refused_whichever_is_the_finer(types):
    model = Sequential(Linear(3, 2, rng=0)).astype(types[0])
    model[0].dW, model[0].db = np.zeros((3, 2), types[1]), np.zeros(2, types[1])
    with pytest.raises(ValueError, match=rf"'0\.W' is {np.dtype(types[0])}, its gradient {np.dtype(types[1])}"):
        SGD(model, 0.1).step()


@pytest.mark.parametrize("last", [9, 10])
def test_rows_beyond_the_table_are_refused(last):
    layer = Table((9, 4))
    layer.dW, layer.db = RowGradient(np.array([1, last]), normal(2, 4)), np.zeros_like(layer.b)
    with pytest.raises(ValueError, match="the rows of a gradient are unique, sorted and from 0 to 8"):
        SGD(layer, 0.1).step()
