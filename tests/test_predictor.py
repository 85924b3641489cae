"""Predictor: the answers of the model it was made from, on every path, and nothing of the model touched."""

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from functools import partial
from unittest import mock

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from minnet import models, predictor, reference, sharing, winograd
from minnet.blas import blas_controller
from minnet.layers import (
    BatchNorm,
    Conv2d,
    EmbeddingBag,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool2d,
    Normalize,
    ReLU,
    Residual,
    Sequential,
)
from minnet.predictor import FEW, Predictor
from minnet.sharing import prediction_plan
from minnet.training import predict
from tests.conftest import FEW_TILES
from tests.drawing import SEEDS, both, convolutions, normal, steady


def near(actual, expected, size=1e-12):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=size * max(1, np.abs(expected).max(initial=0)))


def ways(ask):
    """How each convolution of the prepared network runs."""
    forwards = [vars(layer).get("forward") for _, layer in ask._for_few.model.walk() if isinstance(layer, Conv2d)]
    return [type(getattr(forward, "_run", None)).__name__ for forward in forwards]


def convolution(*arguments, seed=0, **settings):
    """In float64, with a bias that is not zero."""
    layer = Conv2d(*arguments, rng=seed, **settings).astype(np.float64)
    if layer.b is not None:
        layer.b[...] = normal(len(layer.b), seed=seed)
    return layer


@steady(60)
@given(convolutions(), st.integers(1, FEW), SEEDS)
def test_convolutions_like_the_plain_loops(case, n, seed):
    settings, sides = case
    layer = convolution(**settings, seed=seed)
    ask = Predictor(Sequential(layer))
    geometry = {name: settings[name] for name in ("stride", "padding", "dilation", "groups")}
    for call in range(3):
        x = normal(n, *sides, settings["in_channels"], seed=seed + call)
        right = reference.conv2d(x, layer.W, **geometry) + (0 if layer.b is None else layer.b)
        near(ask(x), right)
    assert ways(ask) == ["method" if settings["groups"] > 1 else "_Columns"]


@pytest.mark.parametrize("sides", [(4, 4), (4, 6), (5, 9), (7, 10), (3, 8), (13, 3), (5, 80)], ids=str)
@pytest.mark.parametrize("n", [1, FEW])
@pytest.mark.parametrize("bias", [True, False])
def test_winograd_for_few_like_the_exact_path(sides, n, bias):
    """Image sizes around tiles of four outputs, each padding; FEW_TILES is 1 in these tests."""
    for padding in (0, 1, 2, (2, 1), (4, 0)):
        layer = convolution(16, 18, 3, padding=padding, bias=bias)
        exact = layer.replica()
        exact.exact = True
        ask = Predictor(Sequential(layer))
        for call in range(3):
            x = normal(n, *sides, 16, seed=call)
            near(ask(x), exact.forward(x))
        suits = winograd.suits(x.shape, layer.W.shape, layer.geometry)
        fits = winograd.in_one_block(x, 18, layer.geometry)
        assert ways(ask) == [("Prepared" if fits else "method") if suits else "_Columns"]


def test_an_image_of_which_no_window_sees_all():
    for settings in ({"stride": 3}, {"stride": 20, "padding": 5}, {"dilation": 3}, {"stride": (1, 4)}):
        layer = convolution(2, 3, 1 if "padding" in settings else 2, **settings)
        ask, geometry = Predictor(Sequential(layer)), {k: both(v) for k, v in settings.items()}
        for call in range(2):
            x = normal(1, 10, 9, 2, seed=call)
            near(ask(x), reference.conv2d(x, layer.W, **geometry) + layer.b)


def test_what_does_not_fit_into_a_block_runs_as_usual():
    layers = Sequential(convolution(16, 24, 3, padding=1), ReLU(), convolution(24, 8, 3, padding=1, seed=1))
    x = normal(1, 8, 8, 16)
    expected = predict(layers, x)
    exactly, columns = 36 * 4 * 24 * 8, 64 * 9 * 24 * 8  # two by two tiles of 24 channels; 64 places; float64
    for less, found in ((0, ["Prepared", "_Columns"]), (1, ["method", "method"])):
        with (
            mock.patch.object(winograd, "_BLOCK_BYTES", exactly - less),
            mock.patch.object(predictor, "BLOCK_BYTES", columns - less),
        ):
            ask = Predictor(layers)
            near(ask(x), expected)
            near(ask(x), expected)
        assert ways(ask) == found


class Doubled(Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


class First(Sequential):
    """A chain that looks between its layers."""

    def forward(self, x):
        first = self.layers[0].forward(x)
        return first + self.layers[1].forward(first)


class Pair(Residual):
    """A container that steps through the chain inside it."""

    def forward(self, x):
        first = self.body[0].forward(x)
        return first - self.body[1].forward(first)


def test_exact_layers_and_subclasses_run_as_usual():
    exact, own = convolution(16, 16, 3, padding=1), Doubled(16, 16, 3, padding=1, rng=1).astype(np.float64)
    exact.exact = True
    replaced = convolution(16, 16, 3, padding=1, seed=2)
    usual = replaced.forward
    replaced.forward = lambda x: 3 * usual(x)
    model = Sequential(exact, own, replaced, ReLU()).eval()
    ask = Predictor(model)
    for call in range(2):
        x = normal(2, 8, 8, 16, seed=call)
        near(ask(x), model.forward(x))
    assert ways(ask) == ["method", "NoneType", "NoneType"]


def test_containers_that_look_between_layers_keep_all_of_them():
    def chain(seed):
        norm = BatchNorm(4)
        norm.running_mean[...], norm.running_var[...] = normal(4, seed=seed), 1 + normal(4, seed=seed + 1) ** 2
        return convolution(4, 4, 3, padding=1, seed=seed), norm.astype(np.float64)

    for model in (
        Sequential(First(convolution(4, 4, 3, padding=1), ReLU()), First(*chain(1))),
        Sequential(Pair(Sequential(convolution(4, 4, 3, padding=1), ReLU())), Pair(Sequential(*chain(2)))),
        First(Sequential(*chain(3), ReLU()), Sequential(*chain(4), ReLU())),
    ):
        model.eval()
        ask = Predictor(model, workers=1)
        for n in (1, 2, FEW + 2):
            x = normal(n, 6, 6, 4, seed=n)
            near(ask(x), model.forward(x))
            near(predict(model, x), model.forward(x))


def test_relus_are_taken_along_where_they_stand_right_behind():
    class Own(ReLU):
        def forward(self, x):
            return super().forward(x) + 1

    body = Sequential(convolution(16, 16, 3, padding=1, seed=1), ReLU(), convolution(16, 16, 3, padding=1, seed=2))
    model = Sequential(
        convolution(2, 16, 3, padding=1, seed=3), ReLU(), ReLU(), MaxPool2d(2), ReLU(), Residual(body),
        convolution(16, 16, 1, seed=4), Own(), convolution(16, 16, 3, groups=2, seed=5), ReLU(), GlobalAvgPool(),
    ).eval()  # fmt: skip
    ask = Predictor(model)
    for call in range(3):
        x = normal(1, 8, 8, 2, seed=call)
        near(ask(x), model.forward(x))
    left = [place for place, layer in ask._for_few.model.walk() if isinstance(layer, ReLU)]
    assert left == ["1.", "3.", "6."]  # the second in a row; behind pools; one that computes something else
    assert isinstance(ask._model[1], ReLU) and isinstance(model[1], ReLU)


@pytest.mark.parametrize("name", ["softmax_regression", "mlp", "cnn6", "resnet", "speedrun"])
def test_the_zoo(name):
    model = getattr(models, name)((32, 32, 3), 10, (125, 123, 114), (63, 62, 67))
    for place, array in model.named_buffers().items():
        if "running" in place:
            array += np.abs(normal(*array.shape)).astype(array.dtype)
    kept = copy.deepcopy(model)
    ask, rng = Predictor(model, workers=1), np.random.default_rng(0)
    with mock.patch.object(winograd, "FEW_TILES", FEW_TILES):
        for n in (1, 2, 1, FEW, FEW + 1, 1):
            x = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
            scores = ask(x)
            assert scores.dtype == np.float32
            np.testing.assert_allclose(scores, predict(model, x), rtol=0, atol=2e-5 * np.abs(scores).max())
    if name == "cnn6":
        assert ways(ask) == ["_Columns", "Prepared", "Prepared", "Prepared", "_Columns", "_Columns"]
    for (_, layer), (_, before) in zip(model.walk(), kept.walk(), strict=True):
        assert layer.training == before.training and "forward" not in vars(layer)
    before = kept.named_parameters() | kept.named_buffers()
    for place, array in (model.named_parameters() | model.named_buffers()).items():
        np.testing.assert_array_equal(array, before[place])


def test_up_to_seven_are_few():
    ask = Predictor(Sequential(Linear(3, 2, rng=0)), workers=1)
    assert Predictor(ask._model, workers=2)(np.ones((8, 3), np.float32)).shape == (8, 2)
    for n, asked in ((1, 0), (7, 0), (8, 1), (20, 1)):
        with mock.patch.object(predictor, "prediction_plan", wraps=prediction_plan) as usual:
            assert ask(normal(n, 3).astype(np.float32)).shape == (n, 2)
        assert usual.call_count == asked
        assert not asked or usual.call_args.args[2] == 1  # worker


def test_memory_is_that_of_the_tiles():
    ask = Predictor(Sequential(convolution(16, 18, 3, padding=1)))
    ask(normal(2, 10, 5, 16))  # three by two tiles
    (forward,) = [vars(layer)["forward"] for _, layer in ask._for_few.model.walk() if isinstance(layer, Conv2d)]
    assert forward._run._image.base.shape == (14, 10, 2, 16)
    assert forward._run._aside.base.size == forward._run._half.base.size == 6 * 14 * 2 * 2 * 16
    wide = Predictor(Sequential(convolution(16, 40, 3, padding=1)))
    wide(normal(2, 10, 5, 16))
    run = vars(wide._for_few.model[0])["forward"]._run
    assert run._aside.base.size == 6 * 4 * 3 * 2 * 2 * 40
    assert run._half.base.size == 6 * 3 * 16 * 40  # which half-transformed filters need


def test_texts():
    model = Sequential(EmbeddingBag(20, 4, rng=0), Linear(4, 3, rng=1))
    ids = np.random.default_rng(0).integers(0, 20, (6, 5))
    ask = Predictor(model)
    for n in (1, 6):
        np.testing.assert_allclose(ask(ids[:n]), predict(model, ids[:n]), rtol=0, atol=1e-6)


def test_what_the_model_learns_later_it_does_not_know():
    model = Sequential(Conv2d(3, 4, 3, rng=0), BatchNorm(4), Flatten(), Linear(36, 2, rng=1))
    x, more = normal(1, 5, 5, 3).astype(np.float32), normal(9, 5, 5, 3).astype(np.float32)
    ask = Predictor(model)
    before = ask(x), ask(x), ask(more)
    for array in (*model.named_parameters().values(), *model.named_buffers().values()):
        array += 1
    for asked, answer in zip((x, x, more), before, strict=True):
        np.testing.assert_array_equal(ask(asked), answer)
    assert not np.allclose(Predictor(model)(x), before[0])


def test_answers_are_the_callers_own():
    """A network that ends in a convolution gives out no buffer that the next call writes into, and leaves x alone."""
    for sides in ((8, 8), (7, 7)):
        for channels in (2, 16):
            ask = Predictor(Sequential(convolution(channels, 16, 3, padding=1), ReLU()))
            xs = [normal(1, *sides, channels, seed=seed) for seed in range(4)]
            kept = [x.copy() for x in xs]
            answers = [ask(x) for x in xs]
            again = [answer.copy() for answer in answers]
            for x, before, answer, right in zip(xs, kept, answers, again, strict=True):
                np.testing.assert_array_equal(x, before)
                np.testing.assert_array_equal(ask(x), right)
                np.testing.assert_array_equal(answer, right)


def test_networks_that_only_look_give_no_view_of_the_question():
    x = normal(2, 3, 4)
    for model in (Sequential(Flatten()), Sequential(Flatten(), Sequential())):
        answer = Predictor(model)(x)
        assert not np.may_share_memory(answer, x)
        np.testing.assert_array_equal(answer, predict(model, x))


def test_nothing_of_a_question_is_kept():
    ask = Predictor(models.cnn6((8, 8, 3), 5, (125, 123, 114), (63, 62, 67)))
    for n, asked in ((2, lambda: [ask._for_few.model]), (9, lambda: [replica.model for replica in ask._crew.replicas])):
        ask(np.zeros((n, 8, 8, 3), np.uint8))
        assert all(layer._cache is None for model in asked() for _, layer in model.walk())


def test_what_predict_takes_it_takes():
    class Slices:
        """Not an array before it is sliced."""

        shape, dtype = (2, 3), np.dtype(np.float64)

        def __getitem__(self, rows):
            return np.ones((2, 3))[rows]

    model = Sequential(Linear(3, 2, rng=0)).astype(np.float64)
    near(Predictor(model)(Slices()), predict(model, np.ones((2, 3))))
    sparse = scipy.sparse.csr_matrix(np.eye(3))
    near(Predictor(model)(sparse[:2]), predict(model, sparse[:2]))
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1, got 0"):
        Predictor(model, workers=0)
    for ask in (Predictor(model), partial(predict, model)):
        with pytest.raises(ValueError, match="predict expects an array or a CSR matrix, got ndarray"):
            ask(np.array(1.0))


class Frame:
    """Has a shape and gives rows, but no arrays, as a data frame does."""

    shape = (2, 3)

    def __getitem__(self, rows):
        return self


def test_a_data_frame_is_refused_by_name():
    model = Sequential(Linear(3, 2, rng=0))
    for ask in (Predictor(model), partial(predict, model)):
        with pytest.raises(ValueError, match="predict expects an array or a CSR matrix, got Frame"):
            ask(Frame())


def test_a_picture_in_other_units_is_warned_of_once():
    model = models.softmax_regression((8, 8, 3), 2, (125, 123, 114), (63, 62, 67))
    ask, x = Predictor(model), np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask(x)
        ask(x[:1])
    scaled = (x / 255).astype(np.float32)
    with pytest.warns(UserWarning, match=r"images run from .* to .*both be of 0\.\.255, or both of 0\.\.1") as caught:
        ask(scaled)
        ask(scaled[:1])
        ask(np.repeat(scaled, FEW, axis=0))
    assert len(caught) == 1 and caught[0].filename == __file__


def test_pictures_of_another_size_are_looked_at_anew():
    layers = Normalize((125, 123, 114), (63, 62, 67)), Conv2d(3, 2, 3, rng=0), GlobalAvgPool()
    ask = Predictor(Sequential(*layers))
    ask(np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32))
    with pytest.warns(UserWarning, match="images run from"):
        ask(np.random.default_rng(0).random((2, 9, 8, 3), np.float32))


def test_several_threads_may_ask():
    ask = Predictor(models.cnn6((16, 16, 3), 5, (125, 123, 114), (63, 62, 67)))
    xs = np.random.default_rng(0).integers(0, 256, (8, 1, 16, 16, 3), np.uint8)
    alone = [ask(x) for x in xs]
    found = [[] for _ in xs]

    def many(index):
        for _ in range(25):
            found[index].append(ask(xs[index]))

    threads = [threading.Thread(target=many, args=(index,)) for index in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answers, right in zip(found, alone, strict=True):
        assert len(answers) == 25
        for answer in answers:
            np.testing.assert_array_equal(answer, right)


class Nervous(Linear):
    """Raises when it meets a 13; notes the threads that call it."""

    threads: list

    def forward(self, x):
        self.threads.append(threading.current_thread())
        if (x == 13).any():
            raise ZeroDivisionError("thirteen")
        return super().forward(x)


def test_its_threads_wait_for_the_next_question():
    """Between two questions nothing is made anew, whatever their sizes; and they end with the Predictor."""
    model = Sequential(Nervous(3, 2, rng=0)).astype(np.float64)
    ask = Predictor(model, workers=2)
    seen = ask._model[0].threads = []
    model[0].threads = []
    with mock.patch.object(sharing, "PIECE_BYTES", 8):  # so small a network is shared out
        for n in (9, 30, 8, 9):
            x = normal(n, 3, seed=n)
            near(ask(x), predict(model, x, workers=2))
    workers = set(seen) - {threading.current_thread()}  # which measures the sizes
    names = {thread.name for thread in workers}
    assert len(workers) == len(names) and names <= {"minnet_0", "minnet_1"}  # one may do both
    replicas = [replica.model[0] for replica in ask._crew.replicas]
    del ask
    gc.collect()
    for thread in workers:
        thread.join(10)
        assert not thread.is_alive()
    assert all(layer._cache is None for layer in replicas)


def test_a_question_for_more_workers_gets_them(monkeypatch):
    """And so does one in another process, into which threads do not follow."""
    monkeypatch.setattr(sharing, "available_cores", lambda: 2)
    monkeypatch.setattr(sharing, "PIECE_BYTES", 1024)  # so small a network is shared out from 17 examples on
    ask, x = Predictor(Sequential(Linear(3, 2, rng=0)).astype(np.float64)), normal(99, 3)
    alone = ask(x[:9])
    assert len(ask._crew.replicas) == 1
    near(ask(x)[:9], alone)
    assert len(ask._crew.replicas) == 2
    x = x[:9]
    for process in (os.getpid() - 1, os.getpid() + 1):
        crew = ask._crew
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        near(ask(x), alone)
        assert ask._crew is not crew


@pytest.mark.parametrize(("workers", "threads"), [(None, 3), (1, 1), (2, 2), (8, 3)])
def test_workers_asked_for_are_the_threads_in_all(workers, threads):
    class Watching(Linear):
        def forward(self, x):
            self.seen.add(max(info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"))
            return super().forward(x)

    blas_controller.cache_clear()  # it shall know the libraries that other tests have loaded since
    ask = Predictor(Sequential(Watching(3, 2, rng=0)), workers)
    seen = ask._model[0].seen = ask._for_few.model[0].seen = set()
    with threadpool_limits(3, user_api="blas"):
        ask(np.ones((FEW, 3), np.float32))
    assert seen == {threads}


def test_an_error_spoils_no_later_answer():
    model = Sequential(Nervous(3, 2, rng=0)).astype(np.float64)
    model[0].threads = []
    for workers in (1, 2):
        ask, x = Predictor(model, workers), normal(9, 3)
        with mock.patch.object(sharing, "PIECE_BYTES", 8):
            before = ask(x)
            with pytest.raises(ZeroDivisionError, match="thirteen"):
                ask(np.full((9, 3), 13.0))
            np.testing.assert_array_equal(ask(x), before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_it_answers_in_a_forked_process():
    """A fork takes the memory along and leaves the threads behind: waiting for them would be forever."""
    code = """
import os, sys, warnings
import numpy as np
from minnet import models
from minnet.predictor import Predictor
warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
ask = Predictor(models.cnn6((16, 16, 3), 5, (125, 123, 114), (63, 62, 67)), workers=2)
x = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), np.uint8)
before = ask(x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(ask(x), before) else 7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_it_may_be_sent_to_another_process():
    ask = Predictor(models.cnn6((16, 16, 3), 5, (125, 123, 114), (63, 62, 67)), workers=2)
    x = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), np.uint8)
    before = ask(x), ask(x[:2])
    for twin in (pickle.loads(pickle.dumps(ask)), copy.deepcopy(ask)):
        assert np.array_equal(twin(x), before[0]) and np.array_equal(twin(x[:2]), before[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_process_does_not_wait_for_whose_turn_it_was_in_the_other():
    code = """
import os, sys, threading, warnings
import numpy as np
from minnet.layers import ReLU, Sequential
from minnet.predictor import Predictor
warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
asked, end = threading.Event(), threading.Event()
class Slow(ReLU):
    def forward(self, x):
        if (x == 13).any():
            asked.set()
            end.wait()
        return super().forward(x)
ask = Predictor(Sequential(Slow()), workers=2)
thread = threading.Thread(target=ask, args=(np.full((1, 3), 13.0),))
thread.start()
asked.wait()
child = os.fork()
if child == 0:
    os._exit(0 if [len(ask(np.ones((n, 3)))) for n in (2, 99)] == [2, 99] else 7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
thread.join()
sys.exit(status)
"""
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the forked one, too


def test_what_is_broken_stays_visible_and_what_does_not_fit_is_refused():
    ask = Predictor(Sequential(convolution(16, 16, 3, padding=1), ReLU()))
    x = normal(1, 8, 8, 16)
    x[0, 4, 4, 0] = np.nan
    for _ in range(2):
        assert np.isnan(ask(x)).any()
    assert np.isfinite(ask(normal(1, 8, 8, 16))).all()  # nothing of it is left in the buffers
    with pytest.raises(ValueError, match="nothing to predict: the input is empty"):
        ask(x[:0])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"expects \(N, H, W, 16\)"):
            ask(x[..., :3])
        with pytest.raises(ValueError, match="one image is a batch of one"):
            ask(x[0, :FEW])
        with pytest.raises(ValueError, match="computes in float64, got float32"):
            ask(x.astype(np.float32))
        with pytest.raises(ValueError, match="is too small for kernel"):
            Predictor(Sequential(convolution(16, 16, 3)))(x[:, :2])
