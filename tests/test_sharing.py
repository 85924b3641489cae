"""How a batch is cut: among workers, into pieces; every example once, in order, none alone."""

import gc
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import sharing
from minnet.layers import Conv2d, Dropout, Embedding, Flatten, Linear, ReLU, Sequential
from minnet.layers.base import Layer
from minnet.sharing import Plan, plan, shares
from tests.drawing import steady


@steady(400)
@given(st.integers(0, 300), st.integers(1, 9), st.integers(1, 70))
def test_shares(size, count, piece):
    cut = shares(size, Plan(count, piece))
    pieces = [part for share in cut for part in share]
    assert [part.start for part in pieces] == [0, *(part.stop for part in pieces[:-1])] and pieces[-1].stop == size
    sizes = [part.stop - part.start for part in pieces]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= max(piece, 3)
    assert min(sizes) >= min(size, 2)
    each = [share[-1].stop - share[0].start for share in cut]
    assert 1 <= len(cut) <= count and max(each) - min(each) <= 1 and len({len(share) for share in cut}) == 1
    if size >= 2 * count:
        assert len(cut) == count  # nobody idle


def test_shares_by_hand():
    def cut(size, *plan):
        return [[(part.start, part.stop) for part in share] for share in shares(size, Plan(*plan))]

    assert cut(8, 2, 2) == [[(0, 2), (2, 4)], [(4, 6), (6, 8)]]
    assert cut(8, 1, 100) == [[(0, 8)]]
    assert cut(7, 2, 4) == [[(0, 4)], [(4, 7)]]
    assert cut(5, 8, 1) == [[(0, 2)], [(2, 5)]]  # a piece of one has no batch statistics
    assert cut(1, 4, 4) == [[(0, 1)]]


def image_model():
    return Sequential(Conv2d(1, 8, 3, padding=1), ReLU(), Flatten(), Linear(8 * 16 * 16, 3))


def test_plan(monkeypatch):
    image, rows = np.zeros((1, 16, 16, 1), np.float32), np.zeros((1, 100), np.float32)
    monkeypatch.setattr(sharing, "available_cores", lambda: 6)
    monkeypatch.setattr(sharing, "PIECE_BYTES", 1 << 21)
    # largest activation 8 * 16 * 16 * 4 bytes = 8 KiB: 256 of them are 2 MiB
    assert plan(image_model(), image, 512) == Plan(6, 256)
    assert plan(image_model(), image, 5) == Plan(1, 5, True)  # 5 * 24 KiB: not worth handing out
    assert plan(image_model(), image, 512, workers=2) == Plan(2, 256)
    assert plan(image_model(), image, 512, piece=9) == Plan(6, 9)
    # 100 * 1000 parameters outweigh 32 * 1010 activations: one piece, one worker with a threaded BLAS
    heavy = Sequential(Linear(100, 1000), Linear(1000, 10))
    assert plan(heavy, rows, 32) == Plan(1, 32, True)
    assert plan(heavy, rows, 32, workers=1) == Plan(1, 32, False)  # one thread was asked for
    assert plan(heavy, rows, 32, workers=3, piece=4) == Plan(3, 4)
    nothing = plan(Sequential(), rows, 32)
    assert nothing == Plan(1, 32, True) and plan(Sequential(), np.zeros((1, 0)), 32) == nothing
    assert plan(heavy, rows, 1) == Plan(1, 1, True) and plan(heavy, rows, 1, workers=2) == Plan(1, 1)
    assert plan(heavy, rows, 4000).workers == 6
    # what stands before the first layer that learns, and tables of which few rows are touched, do not count
    wide = Sequential(Dropout(), Dropout(), Linear(100, 1000), Linear(1000, 10))
    assert plan(wide, rows, 100) == Plan(1, 100, True)
    bag = Sequential(Embedding(10_000, 64), Flatten(), Linear(64 * 4, 3))
    assert plan(bag, np.ones((1, 4), int), 4000).workers == 6
    assert plan(bag, np.ones((1, 4), int), 64) == Plan(1, 64, True)

    class Own(Linear):  # whose gradient comes in rows too
        in_rows = True

    assert plan(Sequential(Own(10_000, 64)), np.ones((1, 10_000), np.float32), 4000).workers == 6
    monkeypatch.setattr(sharing, "available_cores", lambda: 16)
    assert plan(image_model(), image, 512) == Plan(8, 256)
    assert plan(image_model(), image, 512, workers=16) == Plan(16, 256)
    monkeypatch.setattr(sharing, "PIECE_BYTES", 1)
    assert plan(image_model(), image, 512).piece == 16  # the least that is worth a pass
    model = Sequential(Dropout(), Linear(100, 3))
    model[1].eval()
    plan(model, rows, 8)
    assert model.training and model[0].training and not model[1].training
    with mock.patch.object(model, "trace", side_effect=AssertionError("measured already")):
        plan(model, rows, 8)
        with pytest.raises(AssertionError, match="measured already"):
            plan(model, rows[:, :99], 8)
    image_net = Sequential(Conv2d(1, 8, 3, padding=1), Conv2d(8, 2, 3, padding=1), Flatten(), Linear(2 * 16 * 16, 3))
    sizes = [sharing._sizes(image_net, image)]
    sizes.append(sharing._sizes(image_net.astype(np.float64), image.astype(np.uint8).astype(np.float64)))
    image_net[0].freeze()
    sizes.append(sharing._sizes(image_net, image.astype(np.float64)))
    assert [s[2] for s in sizes] == [sizes[0][2], 2 * sizes[0][2], 2 * sizes[0][2]]
    assert sizes[1][0] == 2 * sizes[0][0] and sizes[2][0] < sizes[1][0]  # the frozen front no longer counts
    for wrong in ({"workers": 0}, {"piece": 0}, {"workers": -1}, {"workers": "2"}, {"workers": 1.5}, {"piece": 2.5}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number of at least 1"):
            plan(model, rows, 8, **wrong)


@dataclass
class Twofold(Layer):
    """Like every dataclass, it compares by its fields and has no hash."""

    width: int

    def __post_init__(self):
        self.first, self.second = Linear(4, self.width), Linear(self.width, 3)

    def forward(self, x):
        return self.second.forward(self.first.forward(x))


def test_what_is_known_of_a_model_is_known_of_no_other_and_goes_with_it(monkeypatch):
    known = {}
    monkeypatch.setattr(sharing, "_measured", known)
    models = [Twofold(5), Twofold(5), Sequential(Linear(4, 3))]
    for model in models:
        plan(model, np.zeros((1, 4), np.float32), 8)
    assert known.keys() == {id(model) for model in models}
    del models[1:], model
    gc.collect()
    assert known.keys() == {id(models[0])}


def test_available_cores():
    assert 1 <= sharing.available_cores() <= 4096
