"""The Trainer: the same bits however a run is cut into parts, the best weights kept, mistakes named before any work."""

import csv
import errno
import itertools
import json
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import scipy.sparse

from minnet import checkpoint, locks, run_folder, training
from minnet.data import Augment
from minnet.large_vocabulary import SampledSoftmaxCrossEntropy
from minnet.layers import (
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    Linear,
    Normalize,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
)
from minnet.learning_rate import find_learning_rate
from minnet.losses import CrossEntropy, Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from minnet.nonfinite import NonFiniteError, broken_scores
from minnet.optimizers import SGD, Adam, Lookahead
from minnet.predictor import Predictor
from minnet.progress import described
from minnet.schedules import OneCycle
from minnet.training import Trainer, predict

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (45, 6, 6, 1), dtype=np.uint8)  # with batches of 8: 5 steps, a last one of 5
LABELS = RNG.integers(0, 3, 45)
HELD_OUT = (RNG.integers(0, 256, (20, 6, 6, 1), dtype=np.uint8), RNG.integers(0, 3, 20))
POINTS = RNG.standard_normal((45, 4), dtype=np.float32)


def network(dropout=0.5):
    """Everything that has a state or draws: batch norm, dropout, convolution."""
    return Sequential(
        Normalize([127.0], [60.0]), Conv2d(1, 4, 3, padding=1, rng=1), BatchNorm(4), ReLU(), Flatten(),
        Dropout(dropout, rng=2), Linear(144, 3, rng=3),
    )  # fmt: skip


def optimizer(model, kind):
    if kind == "adam":
        return Adam(model, 0.01)
    sgd = SGD(model, 0.02, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return Lookahead(sgd, every=3, slowing=0.95) if kind == "lookahead" else sgd


def trainer(kind="sgd", model=None, **settings):
    model = model or network()
    given = {"schedule": OneCycle(), "workers": 2, "piece": 4, "augment": Augment(flip=True, shift=1), **settings}
    return Trainer(model, SoftmaxCrossEntropy(label_smoothing=0.1), optimizer(model, kind), **given)


def fit(it, folder=None, **settings):
    given = {"epochs": 3, "batch_size": 8, "folder": folder, "progress": False, **settings}
    return it.fit((IMAGES, LABELS), HELD_OUT, **given)


def plain(model=None, loss=None, rate=0.1, **settings):
    model = model or Sequential(Linear(4, 3, rng=0))
    return Trainer(model, loss or SoftmaxCrossEntropy(), SGD(model, rate), workers=1, **settings)


def bits(model):
    return {place: array.tobytes() for place, array in (model.named_parameters() | model.named_buffers()).items()}


def saved_bits(path):
    arrays, header = checkpoint.load(path)
    return {name: array.tobytes() for name, array in arrays.items()}, header


class CtrlC:
    """An augmentation, random for images, that presses Ctrl-C at its n-th call (counted over all workers)."""

    def __init__(self, at=0):
        self.at, self.calls = at, itertools.count(1)

    def __call__(self, x, rng, epoch, indices):
        if next(self.calls) == self.at:
            signal.raise_signal(signal.SIGINT)
        return x ^ rng.integers(0, 256, dtype=np.uint8) if x.dtype == np.uint8 else x


# -- the same bits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sgd", "adam", "lookahead"])
def test_same_seed_same_bits(kind):
    first, second = trainer(kind), trainer(kind)
    histories = [fit(it) for it in (first, second)]
    assert bits(first.model) == bits(second.model)
    timed = {"seconds", "examples_per_second"}
    for a, b in zip(*histories, strict=True):
        assert {key: a[key] for key in a.keys() - timed} == {key: b[key] for key in b.keys() - timed}


@pytest.mark.parametrize("change", [{"seed": 1}, {"piece": 2}, {"augment": None}])
def test_other_settings_other_bits(change):
    first, second = trainer(), trainer(**change)
    fit(first, epochs=1), fit(second, epochs=1)
    assert bits(first.model) != bits(second.model)


def test_two_workers_with_an_odd_last_batch_give_the_weights_of_one():
    models = []
    for workers, piece in ((1, 100), (2, 3)):
        model, loss = network(dropout=0.0).astype(np.float64), SoftmaxCrossEntropy(class_weights=[1, 2, 3])
        it = Trainer(model, loss, SGD(model, 0.05), workers=workers, piece=piece, exact_batch_norm=True)
        it.fit((IMAGES, LABELS, np.linspace(0.5, 2, 45)), epochs=2, batch_size=8, progress=False)
        models.append(model.named_parameters())
    for place, array in models[0].items():
        assert np.abs(array - models[1][place]).max() < 1e-12, place


# The plain run stands for a run of its own; `stops` says at which call of the augmentation Ctrl-C is pressed.
@pytest.mark.parametrize("kind", ["sgd", "adam", "lookahead"])
@pytest.mark.parametrize("stops", [(3,), (5, 2), (1, 1, 7), (16,)])
@pytest.mark.parametrize("workers, piece", [(1, 100), (2, 4)])
def test_ctrl_c_and_resume_give_the_bits_of_a_run_never_stopped(tmp_path, kind, stops, workers, piece):
    settings = {"workers": workers, "piece": piece, "freeze_at": {"1.b": 0.3}, "seed": 5}
    whole = trainer(kind, augment=CtrlC(), **settings)
    history = fit(whole, tmp_path / "whole", epochs=4, patience=3)
    for number, at in enumerate(stops):
        it = trainer(kind, augment=CtrlC(at), **settings)
        fit(it, tmp_path / "parts", epochs=4, patience=3, resume=number > 0)
        assert it.interrupted
    it = trainer(kind, augment=CtrlC(), **settings)
    resumed = fit(it, tmp_path / "parts", epochs=4, patience=3, resume=True)
    assert not it.interrupted and bits(it.model) == bits(whole.model)
    for name in ("last.ckpt", "best.ckpt"):
        assert saved_bits(tmp_path / "parts" / name)[0] == saved_bits(tmp_path / "whole" / name)[0]
    untimed = [key for key in history[0] if key not in ("seconds", "examples_per_second")]
    assert [[row[key] for key in untimed] for row in history] == [[row[key] for key in untimed] for row in resumed]


def test_ctrl_c_in_the_last_step_of_an_epoch_ends_that_epoch_first(tmp_path):
    it = trainer(augment=CtrlC(6), workers=1, piece=100)
    history = fit(it, tmp_path)
    assert it.interrupted and len(history) == 1
    assert saved_bits(tmp_path / "last.ckpt")[1]["progress"]["step"] == 0


def test_ctrl_c_without_a_folder_is_not_taken_for_the_end_of_training(capsys):
    it = trainer(augment=CtrlC(6), workers=1, piece=100)
    with pytest.raises(KeyboardInterrupt):
        fit(it)
    assert it.interrupted and len(it.history) == 1
    assert "Ctrl-C: finishing this step (again" in "".join(capsys.readouterr())


def test_ctrl_c_in_the_last_step_of_all_interrupts_nothing_but_a_program_without_a_folder(tmp_path):
    it, again = (trainer(augment=CtrlC(18), workers=1, piece=100) for _ in range(2))
    assert len(fit(it, tmp_path)) == 3 and not it.interrupted
    with pytest.raises(KeyboardInterrupt):  # else a program of many fits would go on with the next one
        fit(again)
    assert not again.interrupted and len(again.history) == again.run["epochs_trained"] == 3
    assert bits(again.model) == bits(it.model)


def test_a_second_ctrl_c_stops_at_once_and_the_handler_is_given_back():
    class Twice(CtrlC):
        def __call__(self, *arguments):
            signal.raise_signal(signal.SIGINT)
            return super().__call__(*arguments)

    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
    try:
        it = trainer(augment=Twice(at=1), workers=1, piece=100)
        with pytest.raises(KeyboardInterrupt):
            fit(it)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and it.optimizer.pool is None
    finally:
        signal.signal(signal.SIGINT, found)


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    first, again = trainer(), trainer()
    fit(first, tmp_path)
    assert fit(again, tmp_path, resume=True) == first.history
    assert bits(again.model) == bits(first.model)


def test_every_step_may_be_saved(tmp_path, monkeypatch):
    first, second, steps = trainer(), trainer(), []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda path, arrays, header: (
            steps.append(header["progress"]["step"]) if path.name == "last.ckpt" else None, save(path, arrays, header)
        ),
    )  # fmt: skip
    fit(first, tmp_path, save_every=0.0), fit(second)
    assert steps == 3 * [1, 2, 3, 4, 5, 0]
    assert bits(first.model) == bits(second.model)


def test_the_time_that_files_take_is_none_of_training(tmp_path, monkeypatch):
    save, clock, hours = checkpoint.save, time.perf_counter, []
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600 * len(hours))
    monkeypatch.setattr(checkpoint, "save", lambda *given: (hours.append("a slow disk"), save(*given)))
    history = fit(trainer(workers=1), tmp_path, save_every=0.0)
    assert len(hours) > 15 and history[-1]["seconds"] < 3600
    assert min(row["examples_per_second"] for row in history) > 45 / 3600


# -- what is kept ----------------------------------------------------------------------------------------------


def overfitting(patience=None, epochs=8, augment=None, folder=None):
    """A model that is good at once and then only gets worse: the validation labels are those it begins with."""
    model = Sequential(Linear(4, 3, rng=0))
    validation = POINTS, model.forward(POINTS).argmax(axis=1)
    it = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.5), workers=1, augment=augment)
    start = it.evaluate(*validation)
    settings = {"epochs": epochs, "patience": patience, "folder": folder}
    history = it.fit((POINTS, LABELS), validation, batch_size=45, progress=False, **settings)
    return it, validation, start, history


def test_the_best_weights_are_restored_and_patience_ends_the_run():
    it, validation, start, history = overfitting(patience=2)
    losses = [row["validation_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 3 < 8, "two epochs after the best"
    assert it.evaluate(*validation) == (losses[best], history[best]["validation_accuracy"])
    assert losses[-1] > losses[best] > start[0]


def test_ctrl_c_in_the_epoch_that_ends_patience_interrupts_nothing(tmp_path):
    it, _, _, history = overfitting(patience=2)
    again, _, _, same = overfitting(patience=2, augment=CtrlC(len(history)), folder=tmp_path)  # one step an epoch
    assert not again.interrupted and len(same) == len(history) and bits(again.model) == bits(it.model)


def test_without_patience_all_epochs_run():
    it, validation, _, history = overfitting()
    assert len(history) == 8
    assert it.evaluate(*validation)[0] == min(row["validation_loss"] for row in history)


def test_without_validation_the_last_weights_stay(tmp_path):
    it, other = plain(), plain()
    it.fit((POINTS, LABELS), epochs=2, batch_size=9, folder=tmp_path, progress=False)
    other.fit((POINTS, LABELS), (POINTS, LABELS), epochs=1, batch_size=9, progress=False)
    assert not (tmp_path / "best.ckpt").exists() and it.history[0]["validation_loss"] is None
    assert saved_bits(tmp_path / "last.ckpt")[0]["model/0.W"] == it.model[0].W.tobytes()


def test_a_new_run_in_the_folder_leaves_no_best_weights_of_the_old_one(tmp_path):
    plain().fit((POINTS, LABELS), (POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
    assert (tmp_path / "best.ckpt").exists()
    plain().fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
    assert not (tmp_path / "best.ckpt").exists()


def test_a_run_that_could_go_on_is_not_replaced(tmp_path):
    it = plain(augment=CtrlC(1))
    it.fit((POINTS, LABELS), epochs=3, batch_size=9, folder=tmp_path, progress=False)
    assert it.interrupted
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        ValueError, match=r"holds a run that stopped after 0 of 3 epochs: go on with resume=True"
    ) as said:
        plain().fit((POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    assert "\n" not in str(said.value)
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for lost in (lambda h: h.pop("progress"), lambda h: h.pop("settings"), lambda h: h.update(settings=[])):
        arrays, header = checkpoint.load(tmp_path / "last.ckpt")
        lost(header)
        checkpoint.save(tmp_path / "last.ckpt", arrays, header)
        plain().fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)  # nothing could go on from that
        assert saved_bits(tmp_path / "last.ckpt")[1]["progress"]["epoch"] == 1


@pytest.mark.parametrize("what", ["cut off", "of another version"])
def test_a_run_that_cannot_be_read_is_not_replaced(tmp_path, monkeypatch, what):
    plain(augment=CtrlC(1)).fit((POINTS, LABELS), epochs=3, batch_size=9, folder=tmp_path, progress=False)
    path = tmp_path / "last.ckpt"
    if what == "cut off":
        path.write_bytes(path.read_bytes()[:-99])
    else:
        monkeypatch.setattr(checkpoint, "VERSION", 0)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"not a sound checkpoint: .*Choose another folder, or remove") as said:
        plain().fit((POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    assert "\n" not in str(said.value)
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    path.unlink()
    assert len(plain().fit((POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)) == 3


def test_two_runs_at_once_do_not_share_a_folder(tmp_path):
    def another(x, rng, epoch, indices):
        with pytest.raises(OSError, match="in use by another run of this process: choose another folder"):
            plain().fit((POINTS, LABELS), folder=tmp_path / ".." / tmp_path.name, progress=False)
        return x

    handle = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    locks.take(handle)  # as another process would
    with pytest.raises(OSError, match=r"in use by another running process.*: wait until it ends, or choose another"):
        plain().fit((POINTS, LABELS), folder=tmp_path, progress=False)
    os.close(handle)
    for _ in range(2):
        plain(augment=another).fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "last.ckpt"]
    with run_folder.prepare(tmp_path) as lock:  # whoever claimed the folder for more than the run keeps it
        plain().fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
        assert "held" in repr(lock)


def test_a_run_goes_on_with_its_own_best_weights_only(tmp_path):
    data = (POINTS, LABELS), (POINTS, LABELS)
    plain(augment=CtrlC(7)).fit(*data, epochs=3, batch_size=9, folder=tmp_path, progress=False)
    plain(seed=1).fit(*data, epochs=1, folder=tmp_path / "other", progress=False)
    (tmp_path / "other" / "best.ckpt").replace(tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match=r"cannot resume .*: its best\.ckpt is that of another run"):
        plain(augment=CtrlC()).fit(*data, epochs=3, batch_size=9, folder=tmp_path, progress=False, resume=True)


class Killed(BaseException):
    """Nothing is done after it."""


def killed_at(path, monkeypatch, run):
    """`run` ends in the moment before this file is written."""
    save = checkpoint.save

    def saved(at, *what):
        if at == path:
            raise Killed
        save(at, *what)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", saved)
        run()


def test_a_run_killed_in_its_last_save_goes_on_and_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    data = (POINTS, LABELS), (POINTS, LABELS)
    plain(augment=CtrlC(7)).fit(*data, epochs=2, batch_size=9, folder=tmp_path, progress=False)
    again = partial(plain(augment=CtrlC()).fit, *data, epochs=2, batch_size=9, progress=False, resume=True)
    killed_at(tmp_path / "last.ckpt", monkeypatch, partial(again, folder=tmp_path))
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 2
    rest, whole = plain(augment=CtrlC()), plain(augment=CtrlC())
    rest.fit(*data, epochs=2, batch_size=9, folder=tmp_path, progress=False, resume=True)
    assert (tmp_path / "history.csv").read_text() == run_folder.to_csv(rest.history)
    whole.fit(*data, epochs=2, batch_size=9, progress=False)
    assert rest.model[0].W.tobytes() == whole.model[0].W.tobytes()


def test_a_new_run_killed_before_its_first_last_ckpt_is_not_taken_for_the_one_before(tmp_path, monkeypatch):
    fit = partial(plain().fit, (POINTS, LABELS), (POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    assert len(fit()) == 3
    killed_at(tmp_path / "last.ckpt", monkeypatch, partial(plain(seed=0).fit, *fit.args, **fit.keywords))
    with pytest.raises(ValueError, match=r"its best\.ckpt is that of another run"):
        plain().fit(*fit.args, **fit.keywords, resume=True)


def test_a_new_run_leaves_no_history_of_the_one_before(tmp_path):
    plain().fit((POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    plain(augment=CtrlC(1)).fit((POINTS, LABELS), epochs=3, batch_size=9, folder=tmp_path, progress=False)
    assert not (tmp_path / "history.csv").exists()


def test_a_run_that_patience_ended_is_finished(tmp_path):
    for epochs in (6, 1):
        it = plain(rate=0.0)
        it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=epochs, patience=1, folder=tmp_path, progress=False)
    assert len(it.history) == 1


def test_history_csv_says_what_fit_returns(tmp_path):
    history = fit(trainer(), tmp_path / "new" / "folder")
    with open(tmp_path / "new" / "folder" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{key: float(value) for key, value in row.items()} for row in rows] == history
    assert [row["step"] for row in history] == [6, 12, 18]


def test_a_history_that_is_open_in_another_program_does_not_end_the_run(tmp_path, monkeypatch):
    save, held = run_folder.save, OSError(errno.ENOSPC, "the disk is full")

    def refused(path, data):
        if isinstance(held, PermissionError) and len(it.history) == 3:
            return save(path, data)  # it was closed
        raise held

    monkeypatch.setattr(run_folder, "save", refused)
    it = plain()
    with pytest.raises(OSError, match="the disk is full"):
        it.fit((POINTS, LABELS), epochs=3, folder=tmp_path / "full", progress=False)
    held, it = PermissionError(errno.EACCES, "cannot write history.csv"), plain()
    with pytest.warns(UserWarning, match=r"cannot write history\.csv\. Is it open in another program\?") as caught:
        it.fit((POINTS, LABELS), epochs=3, folder=tmp_path / "open", progress=False)
    assert len(caught) == 1
    assert (tmp_path / "open" / "history.csv").read_text() == run_folder.to_csv(it.history) and len(it.history) == 3


def test_a_closed_standard_error_costs_the_bar_and_no_more(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert len(plain().fit((POINTS, LABELS), epochs=1, progress=True)) == 1


@pytest.mark.parametrize("progress", [True, False])
def test_a_notebook_shows_the_bar_though_its_streams_are_no_terminal(progress, monkeypatch, capsys):
    plain().fit((POINTS, LABELS), epochs=1, progress=True)
    assert "ex/s" not in "".join(capsys.readouterr())
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    plain().fit((POINTS, LABELS), epochs=1, progress=progress)
    printed = capsys.readouterr()
    assert ("ex/s" in printed.out) == progress and not printed.err


def test_the_numbers_of_an_epoch_are_means_over_its_examples():
    """With a learning rate of nearly zero the weights stand still, so an epoch's mean is that of one pass."""
    it = plain(rate=1e-30)
    loss, accuracy = it.evaluate(POINTS, LABELS)
    (row,) = it.fit((POINTS, LABELS), epochs=1, batch_size=8, progress=False)
    assert row["train_loss"] == pytest.approx(loss, rel=1e-6) and row["train_accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("count, sizes", [(17, [8, 9]), (16, [8, 8]), (18, [8, 8, 2]), (1, [1]), (7, [7])])
def test_a_last_batch_of_one_joins_the_one_before(count, sizes, monkeypatch):
    seen, step = [], Trainer._step

    def counted(it, crew, batch, *more):
        seen.append(len(batch.y))
        return step(it, crew, batch, *more)

    monkeypatch.setattr(Trainer, "_step", counted)
    plain().fit((POINTS[:count], LABELS[:count]), epochs=1, batch_size=8, progress=False)
    assert seen == sizes


def test_rates_are_those_of_the_steps():
    rates = []
    it = trainer(workers=1)
    it.optimizer.step, step = (lambda rate, scale: rates.append(rate) or step(rate, scale)), it.optimizer.step
    fit(it)
    assert it.rates().tolist() == rates and len(rates) == 18


def test_frozen_parameters_stand_still_from_their_epoch_on_and_learn_again_after_the_run():
    it, before = trainer(freeze_at={"1.b": 0.0, "6.W": 1.0}), bits(network())
    fit(it)
    after = bits(it.model)
    assert after["1.b"] == before["1.b"] and after["6.W"] != before["6.W"] and after["1.W"] != before["1.W"]
    assert it.model[1].frozen == ()


def test_sparse_rows_and_example_weights():
    counts = scipy.sparse.random_array((45, 30), density=0.2, format="csr", dtype=np.float32, rng=0)
    model = Sequential(Linear(30, 3, rng=0))
    it = Trainer(model, SoftmaxCrossEntropy(), Adam(model, 0.05))
    history = it.fit((counts, LABELS, np.ones(45)), (counts, LABELS), epochs=5, batch_size=8, progress=False)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_examples_of_weight_zero_teach_nothing():
    model = Sequential(Linear(4, 3, rng=0))
    weights = np.r_[np.ones(20), np.zeros(25)]
    Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.5)).fit(
        (POINTS, LABELS, weights), epochs=1, batch_size=45, progress=False
    )
    other = Sequential(Linear(4, 3, rng=0))
    Trainer(other, SoftmaxCrossEntropy(), SGD(other, 0.5)).fit(
        (POINTS[:20], LABELS[:20]), epochs=1, batch_size=20, progress=False
    )
    assert np.allclose(model[0].W, other[0].W, atol=1e-6)


def test_clipping_bounds_the_step():
    free, clipped = plain(rate=1.0), plain(rate=1.0, clip_norm=1e-3)
    for it in (free, clipped):
        it.fit((POINTS, LABELS), epochs=1, batch_size=45, progress=False)
    start = Sequential(Linear(4, 3, rng=0)).named_parameters()
    moved = [
        np.sqrt(sum(((a - start[place]) ** 2).sum() for place, a in it.model.named_parameters().items()))
        for it in (free, clipped)
    ]
    assert moved[1] == pytest.approx(1e-3, rel=1e-3) and moved[0] > 1e-2


# -- modes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [True, False])
def test_whatever_runs_the_mode_found_is_restored(mode):
    it = trainer()
    it.model.train(mode)
    it.model[5].training = not mode
    modes = [layer.training for _, layer in it.model.walk()]
    for use in (lambda: fit(it, epochs=1), lambda: it.evaluate(*HELD_OUT), lambda: predict(it.model, IMAGES[:1])):
        use()
        assert [layer.training for _, layer in it.model.walk()] == modes
        assert all(layer.needs_dx for _, layer in it.model.walk())
    with pytest.raises(ValueError):
        it.fit((IMAGES, LABELS + 5), epochs=1)
    assert [layer.training for _, layer in it.model.walk()] == modes


def test_predict_is_the_forward_pass_in_evaluation_mode():
    model = network()
    expected = model.eval().forward(IMAGES)
    model.train()
    assert np.allclose(predict(model, IMAGES, workers=2, batch_size=7), expected, atol=1e-5)
    with pytest.raises(ValueError, match="empty"):
        predict(model, IMAGES[:0])


# -- steps that are not finite ---------------------------------------------------------------------------------


def broken(it, data):
    before = bits(it.model)
    with pytest.raises(NonFiniteError) as caught:
        it.fit(data, epochs=2, batch_size=15, progress=False)
    assert "\n" not in str(caught.value) and it.optimizer.pool is None
    return str(caught.value), before


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_layer_that_breaks_is_named_and_nothing_is_changed():
    model = Sequential(Linear(4, 8, rng=0), BatchNorm(8), ReLU(), Linear(8, 3, rng=1))
    model[3].W[...] = 3e38
    message, before = broken(Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)), (POINTS, LABELS))
    assert "epoch 1, step 1" in message and "layer 3" in message and "Linear(8, 3)" in message
    assert bits(model) == before, "weights and running statistics are those before the step"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scores_of_minus_infinity_are_no_mistake_in_the_data():
    model = Sequential(Linear(4, 8, rng=0), BatchNorm(8), ReLU(), Linear(8, 3, rng=1))
    model[3].W[...] = -3e38
    message, before = broken(Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)), (POINTS, LABELS))
    assert "epoch 1, step 1" in message and "layer 3" in message and bits(model) == before


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_data_that_is_not_finite_is_named():
    points = POINTS.copy()
    points[7, 1] = np.nan
    model = Sequential(Linear(4, 8, rng=0), BatchNorm(8), ReLU(), Linear(8, 3, rng=1))
    message, _ = broken(Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1)), (points, LABELS))
    assert "input itself" in message and np.isfinite(model[1].running_mean).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_targets_that_are_not_finite_are_named():
    targets = POINTS[:, :2].copy()
    targets[7, 1] = np.nan
    model = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 2, rng=1))
    message, _ = broken(Trainer(model, MeanSquaredError(), SGD(model, 0.1)), (POINTS, targets))
    assert "The targets hold NaN or infinity: clean the data." in message
    unknown = (POINTS, targets, np.arange(45) != 7)  # what has no weight may be unknown
    Trainer(model, MeanSquaredError(), SGD(model, 0.1)).fit(unknown, epochs=1, progress=False)
    message, _ = broken(Trainer(model, MeanSquaredError(), SGD(model, 1e30)), unknown)
    assert "targets" not in message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_rate_far_too_high_is_named():
    model = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=1))
    message, _ = broken(Trainer(model, SoftmaxCrossEntropy(), SGD(model, 1e30)), (POINTS, LABELS))
    assert "step 2" in message and "learning rate" in message.lower() and "1e+30" in message


# -- mistakes, before any work -----------------------------------------------------------------------------------


def test_softmax_before_softmax_cross_entropy_is_refused():
    model = Sequential(Linear(4, 3, rng=0), Softmax())
    with pytest.raises(ValueError, match=r"makes probabilities of scores itself.* or use CrossEntropy\.$"):
        Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1))
    Trainer(model, CrossEntropy(), SGD(model, 0.1))


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), SigmoidCrossEntropy()])
@pytest.mark.parametrize("last", [(Softmax(),), (Sigmoid(),), (Softmax(), Dropout(0.1))])
def test_probabilities_before_a_loss_that_makes_them_are_refused(last, loss):
    with pytest.raises(ValueError, match=f"ends in {type(last[0]).__name__} .* {type(loss).__name__}, which makes"):
        plain(Sequential(Linear(4, 3, rng=0), *last), loss)
    plain(Sequential(Linear(4, 3, rng=0), *last, Linear(3, 3)), loss)
    plain(Sequential(Linear(4, 3, rng=0), *last), MeanSquaredError())


def test_softmax_at_the_end_is_found_inside_containers_and_an_empty_model_is_no_crash():
    nested = Sequential(Sequential(Linear(4, 3, rng=0), Softmax()))
    with pytest.raises(ValueError, match="makes probabilities of scores itself"):
        plain(nested)
    plain(nested, CrossEntropy())
    empty = Sequential()
    Trainer(empty, SoftmaxCrossEntropy(), SGD(empty, 0.1))


def test_an_optimizer_of_another_model_is_refused():
    model, other = (Sequential(Linear(4, 3, rng=0)) for _ in range(2))
    for wrong in (SGD(other, 0.1), Lookahead(SGD(other, 0.1))):
        with pytest.raises(ValueError, match="made for another model"):
            Trainer(model, SoftmaxCrossEntropy(), wrong)
    Trainer(model, SoftmaxCrossEntropy(), SGD(model[0], 0.1))  # one that updates a part only


def test_a_loss_with_parameters_that_nobody_updates_is_refused():
    model, loss = Sequential(Linear(4, 8, rng=0)), SampledSoftmaxCrossEntropy(8, 50, 5)
    with pytest.raises(ValueError, match="has parameters that nobody would update: pass loss="):
        Trainer(model, loss, Adam(model))
    Trainer(model, loss, Adam(model, loss=loss))
    loss.freeze()
    Trainer(model, loss, Adam(model))


def test_numpys_numbers_are_numbers(tmp_path):
    model = Sequential(Linear(np.int64(4), LABELS.max() + 1, rng=0))
    it = Trainer(model, SoftmaxCrossEntropy(), SGD(model, np.float32(0.1)), seed=np.int64(3), clip_norm=np.float32(1))
    it.schedule = lambda done: np.float32(1 - done)
    it.fit(
        (POINTS, LABELS), (POINTS, LABELS), epochs=np.int64(2), batch_size=np.int64(9), patience=np.int64(5),
        progress=False, folder=tmp_path,
    )  # fmt: skip
    assert json.loads(json.dumps(it.keeper.settings))["seed"] == 3 and len(it.history) == 2
    assert checkpoint.load(tmp_path / "last.ckpt")[1]["history"] == it.history


def test_an_epoch_whose_loss_is_infinite_is_never_the_best():
    model = Sequential(Linear(4, 3, rng=0))
    it = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
    losses, seen = iter([np.inf, 0.5, 0.4, 0.6]), []
    it._score = lambda *_: (seen.append(bits(model)), (next(losses), 0.5))[1]
    with pytest.warns(UserWarning, match=r"epoch 1: the validation loss is infinite: such an epoch is never the best"):
        it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=4, progress=False)
    assert bits(model) == seen[2] and seen[2] not in (seen[0], seen[1], seen[3])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_validation_loss_is_told_once_and_its_example_named():
    far = POINTS.copy()
    far[7] = 3e38  # its scores lie further apart than float32 reaches
    it = plain(rate=1e-3)
    it.model[0].W[...] = 0.7 * np.eye(4, 3, dtype=np.float32) * [1, 0, -1]
    said = r"infinite \(first example 7: scores -2\..*e\+38 to 2\..*e\+38, target 2\): such.* and patience counts it"
    labels = LABELS.copy()
    labels[7] = 2
    with pytest.warns(UserWarning, match=said) as caught:
        history = it.fit((POINTS, LABELS), (far, labels), epochs=5, patience=2, progress=False)
    assert len(history) == 2 and len([one for one in caught if one.category is UserWarning]) == 1
    assert caught[0].filename == __file__ and "\n" not in str(caught[0].message)
    y = POINTS[:, :2].copy()
    y[9, 1] = np.inf
    it = plain(Sequential(Linear(4, 2, rng=0)), MeanSquaredError())
    with pytest.warns(UserWarning, match=r"infinite \(first example 9: scores .* to .*, target .* to inf\): such"):
        it.fit((POINTS, POINTS[:, :2]), (POINTS, y), epochs=1, progress=False)


class Firsts(Layer):
    """The first feature of each example, (N,)."""

    def forward(self, x):
        self._cache = x.shape
        return x[:, 0].copy()

    def backward(self, dy):
        dx = np.zeros(self._cache, dy.dtype)
        dx[:, 0] = dy
        return dx


def test_validation_that_is_no_number_ends_the_run_before_its_epoch_counts(tmp_path):
    """What is resumed, once the data is mended, is the epoch that ended well before."""
    broken = POINTS.copy()
    broken[7] = np.nan
    it = plain()
    with pytest.raises(
        NonFiniteError, match=r"epoch 1: the validation loss is NaN from .* 1 example, first example 7\."
    ):
        it.fit((POINTS, LABELS), (broken, LABELS), epochs=3, patience=2, folder=tmp_path, progress=False)
    assert it.history == [] and not list(tmp_path.iterdir())

    class Sums(Loss):
        """Half the sum of squares of scores of any shape."""

        def forward(self, scores, targets, weights=None, denominator=None):
            self._cache = scores / (len(scores) if denominator is None else denominator)
            return float((self._cache * scores).sum() / 2)

        def backward(self):
            return self._cache

    for shape in ((), (2, 2)):  # one number an example, or a table
        it = plain(Sequential(Linear(4, 4, rng=0), Reshape(*shape) if shape else Firsts()), Sums())
        with pytest.raises(NonFiniteError, match=r"NaN from .* 1 example, first example 7\."):
            it.fit((POINTS, LABELS), (broken, LABELS), epochs=1, progress=False)

    for x in (POINTS, broken):  # the same scores, of which one is NaN: is it the data, or the weights?
        for inputs in (x, scipy.sparse.csr_array(x)):
            said = broken_scores(np.where(np.arange(len(x)) == 7, np.nan, 1.0), inputs)
            cleaned = "first example 7. Clean the validation data"
            assert (cleaned if x is broken else "for 1 of 45 examples, whose inputs are finite: training has") in said
    pictures = np.zeros((3, 2, 2, 1), np.uint8)
    assert broken_scores(np.full((3, 2), np.nan), pictures).startswith(" for every example, whose inputs are finite: ")
    assert "Clean the validation data" in broken_scores(np.full((45, 2), np.nan), np.full((45, 4), np.inf))

    losses = iter([0.5, np.nan])
    it = plain()
    it._score = lambda *_: (next(losses), 0.5)
    with pytest.raises(NonFiniteError, match=r"epoch 2: the validation loss is NaN\. Clean the validation data"):
        it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    straight, resumed = plain(), plain()
    straight.fit((POINTS, LABELS), (POINTS, LABELS), epochs=3, progress=False)
    resumed.fit((POINTS, LABELS), (POINTS, LABELS), epochs=3, folder=tmp_path, resume=True, progress=False)
    assert len(resumed.history) == 3 and resumed.history[2]["train_loss"] == straight.history[2]["train_loss"]


def test_a_batch_in_which_no_example_counts_changes_nothing():
    weights = np.zeros(45)
    weights[[3, 17]] = 1
    it = plain()
    it.fit((POINTS, LABELS, weights), epochs=2, batch_size=2, progress=False)
    assert 2 <= it.optimizer.steps <= 4
    first, whole = it.history[0]["train_loss"], it.model.forward(POINTS[[3, 17]])
    assert first > SoftmaxCrossEntropy().forward(whole, LABELS[[3, 17]]) > 0.1, "means over what counts"


def test_data_of_which_nothing_counts_is_refused():
    ignoring = SoftmaxCrossEntropy(ignore_index=1)
    with pytest.raises(ValueError, match="no example of the validation data counts"):
        plain(loss=ignoring).fit((POINTS, LABELS), (POINTS, np.ones(45, int)), epochs=1, progress=False)


def test_a_place_that_cannot_be_frozen_is_named():
    with pytest.raises(ValueError, match=r"freeze_at names '0\.bias'; what learns is 0\.W, 0\.b"):
        plain(freeze_at={"0.bias": 0.5}).fit((POINTS, LABELS), epochs=1, progress=False)
    with pytest.raises(ValueError, match="freeze_at takes parts of the run, from 0 to 1, got 30"):
        plain(freeze_at={"0.b": 30}).fit((POINTS, LABELS), epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"from 0 to 1, got '0.5'"):
        plain(freeze_at={"0.b": "0.5"}).fit((POINTS, LABELS), epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"freeze_at is a dictionary .*, got \['0.b'\]"):
        plain(freeze_at=["0.b"]).fit((POINTS, LABELS), epochs=1, progress=False)


@pytest.mark.parametrize("norm", [0, -1, np.nan, np.inf, "1"])
def test_a_clip_norm_that_clips_all_or_nothing_is_refused(norm):
    with pytest.raises(ValueError, match="clip_norm is the longest gradient"):
        plain(clip_norm=norm)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"schedule": 0.1}, r"schedule is a function of progress .* OneCycle\(\); got 0\.1"),
        ({"schedule": OneCycle}, "schedule is a function of progress"),
        ({"augment": "flip"}, r"augment is a function of \(x, rng, epoch, indices\), got 'flip'"),
        ({"augment": Augment}, r"augment is a function of .*, got <class"),
        ({"augment": lambda x, rng: x}, r"called as augment\(x, rng, epoch, indices\): too many positional arguments"),
        ({"augment": lambda x, rng, epoch, ids, more: x}, r"called as augment\(.*\): missing .* 'more'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": 1.0}, "seed must be a whole number"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        plain(**settings)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (lambda done: 1 - 1.1 * done, r"schedule gives at progress 0\.91 must be a number, at least 0; got -0\.000999"),
        (lambda done: None, "the schedule gives at progress 0 must be a number, at least 0; got None"),
        (lambda done: np.array([0.5]), r"at progress 0 must be .*; got array\(\[0\.5\]\)"),
        (lambda done: np.nan if done > 0.9 else 1.0, r"at progress 0\.91 must be .*; got nan"),
    ],
)
def test_a_schedule_that_goes_wrong_later_is_refused_before_the_first_step(schedule, said):
    it = plain(schedule=schedule)
    start = bits(it.model)
    with pytest.raises(ValueError, match=said):
        it.fit((POINTS, LABELS), epochs=20, batch_size=9, progress=False)
    assert bits(it.model) == start and it.history == []


def test_a_schedule_that_goes_wrong_for_a_moment_is_named_and_of_a_long_run_100_steps_are_tried():
    asked = []
    it = plain(schedule=lambda done: (asked.append(done), np.where(0 < done < 0.002, -1.0, 1.0))[1])
    with pytest.raises(ValueError, match=r"the schedule gives at progress 0\.00111 must be .*; got .*-1\.0"):
        it.fit((POINTS, LABELS), epochs=20, batch_size=1, progress=False)
    assert len(asked) == 100 + 2 and it.optimizer.steps == 1


@pytest.mark.parametrize("seconds", [None, "60", -1, np.nan])
def test_what_is_no_time_between_two_checkpoints_is_refused_before_the_first_step(seconds):
    it = plain()
    with pytest.raises(ValueError, match=r"save_every is in seconds, from 0 to float.*, never within .*; got"):
        it.fit((POINTS, LABELS), epochs=1, save_every=seconds, progress=False)
    assert it.optimizer.steps == 0
    it.fit((POINTS, LABELS), epochs=1, save_every=float("inf"), progress=False)


def test_an_augment_without_a_signature_is_taken_as_it_is():
    assert plain(augment=min).augment is min


def test_parts_of_the_wrong_kind_are_refused():
    model = Sequential(Linear(4, 3, rng=0))
    loss, sgd = SoftmaxCrossEntropy(), SGD(model, 0.1)
    for parts, said in (
        ((model.layers, loss, sgd), r"the model must be a layer .*, got \(Linear"),
        ((model, SoftmaxCrossEntropy, sgd), r"the loss must be a Loss such as SoftmaxCrossEntropy\(\), got <class"),
        ((model, sgd, loss), r"the loss must be .* got SGD\(.*: the order is Trainer\(model, loss, optimizer\)"),
        ((model, loss, SGD), r"the optimizer must be an Optimizer such as Adam\(model, .*\), got <class"),
    ):
        with pytest.raises(ValueError, match=said):
            Trainer(*parts)
    with pytest.raises(RuntimeError, match="call fit first"):
        plain().rates()


class Squares(Loss):
    """A mean square of one's own, which divides and weighs as it is told to."""

    def __init__(self, by="denominator", weighs=True):
        self.by, self.weighs = by, weighs

    def forward(self, scores, targets, weights=None, denominator=None):
        if weights is None or not self.weighs:
            weights = np.ones(len(targets))
        divisor = {"denominator": denominator or weights.sum(), "N": len(targets)}[self.by]
        self._cache = scores - targets, (weights / divisor)[:, None].astype(scores.dtype)
        return float((self._cache[1] * self._cache[0] ** 2).sum())

    def backward(self):
        return 2 * self._cache[1] * self._cache[0]


def test_a_loss_that_ignores_what_it_is_told_is_refused():
    """It would be as many times too large as there are pieces, or forget the examples' weights."""
    rows, weights = POINTS[:, :3], RNG.random(45)
    with pytest.raises(ValueError, match=r"Squares.* ignores its argument denominator: it is sum\("):
        plain(loss=Squares("N")).fit((POINTS, rows), epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"Squares.* ignores its argument weights"):
        plain(loss=Squares(weighs=False)).fit((POINTS, rows, weights), epochs=1, progress=False)
    plain(loss=Squares(weighs=False)).fit((POINTS, rows), epochs=1, progress=False)  # there is nothing to forget
    losses = [
        plain(loss=loss).fit((POINTS, rows, weights), epochs=1, progress=False)[0]["train_loss"]
        for loss in (Squares(), MeanSquaredError())
    ]
    assert losses[0] == pytest.approx(3 * losses[1])


def test_scores_that_are_no_row_are_explained():
    images = np.zeros((45, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match=r"gives \(8, 8, 10\) for each example.* Flatten or a GlobalAvgPool"):
        plain(Sequential(Conv2d(1, 10, 3, padding=1))).fit((images, LABELS), epochs=1)
    with pytest.raises(ValueError, match=r"gives 1 score: labels must be 0\.\.0; .*y\[:, None\]"):
        plain(Sequential(Linear(4, 1)), SigmoidCrossEntropy()).fit((POINTS, LABELS % 2), epochs=1)
    rows = (LABELS % 2)[:, None].astype(np.float32)
    plain(Sequential(Linear(4, 1)), SigmoidCrossEntropy()).fit((POINTS, rows), epochs=1, progress=False)


def test_images_and_statistics_in_different_units_are_refused():
    bright = np.random.default_rng(0).integers(0, 256, (45, 4, 4, 3), np.uint8)
    unit = bright.astype(np.float32) / 255

    def of(mean, std):  # means as different as those of photographs
        means = (mean, mean, 0.9 * mean)
        return plain(Sequential(Normalize(means, (std,) * 3), Flatten(), Linear(48, 3, rng=0)))

    with pytest.raises(ValueError, match=r"run from 0 to 1, which Normalize.*125.* must both be of 0\.\.255, or both"):
        of(125.0, 63.0).fit((unit, LABELS), epochs=1)
    with pytest.raises(ValueError, match=r"the training images run from 0 to 255, which Normalize"):
        of(0.5, 0.25).fit((bright, LABELS), epochs=1)
    trainer = of(125.0, 63.0)
    with pytest.raises(ValueError, match=r"the validation images run from 0 to 1, which Normalize"):
        trainer.fit((bright, LABELS), validation=(unit, LABELS), epochs=1)
    for ask in (trainer.predict, partial(predict, trainer.model), Predictor(trainer.model)):
        with pytest.warns(UserWarning, match=r"the images run from 0 to 1, which Normalize"):
            ask(unit[:8])
        ask(bright)
    dark = np.zeros_like(unit)  # no unit can be told
    for images, mean, std in (
        (bright, 125.0, 63.0),
        (unit, 0.5, 0.25),
        (bright // 8, 125.0, 63.0),
        (dark, 125.0, 63.0),
        (bright // 128 + 125, 125.0, 63.0),  # a dull picture
        (bright // 128, 125.0, 63.0),
        (0.96 + unit / 50, 0.5, 0.25),
    ):
        of(mean, std).fit((images, LABELS), epochs=1, progress=False)
    bright[..., 0] = 7
    with pytest.raises(ValueError, match=r"the training images run from 0 to 255, which Normalize"):
        of(0.5, 0.25).fit((bright, LABELS), epochs=1)


def test_images_that_a_network_of_ones_own_brings_into_its_units_are_in_order():
    class Scaling(Layer):
        def __init__(self):
            self.norm = Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])
            self.body = Sequential(Flatten(), Linear(48, 3, rng=0))

        def forward(self, x):
            return self.body.forward(self.norm.forward(x.reshape(-1, 4, 4, 3).astype(np.float32) / 255))

        def backward(self, dy):
            return self.body.backward(dy)

    x = np.random.default_rng(0).integers(0, 256, (45, 48), np.uint8)
    it = plain(Scaling())
    it.fit((x, LABELS), epochs=1, progress=False)
    for ask in (it.predict, Predictor(it.model)):
        assert ask(x).shape == (45, 3) and ask(x[:2]).shape == (2, 3)


@pytest.mark.parametrize(
    ("cores", "workers", "cure"),
    [
        (1, (None, 1), None),
        (
            2,
            (None, 1),
            "blas_threads was 2, now 1. Use the data and settings of that run (train.py: no --workers, 2 cores)",
        ),
        (2, (1, None), "blas_threads was 1, now 2. Use the data and settings of that run (train.py: --workers 1)"),
    ],
)
def test_a_run_goes_on_with_the_threads_that_its_rule_took(tmp_path, monkeypatch, cores, workers, cure):
    """A product's last bits depend on them."""
    monkeypatch.setattr(training, "blas_threads", lambda: cores)

    def run(workers, **how):
        model = Sequential(Linear(4, 3, rng=0))
        it = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=workers, augment=CtrlC(**how))
        resume = not how
        return it.fit((POINTS, LABELS), epochs=2, batch_size=9, folder=tmp_path, resume=resume, progress=False)

    run(workers[0], at=2)
    with pytest.raises(ValueError, match=re.escape(cure)) if cure else nullcontext():
        assert len(run(workers[1])) == 2


def test_validation_and_inputs_of_another_form_are_named():
    with pytest.raises(ValueError, match=r"validation is \(x, y\).* got 3 parts"):
        plain().fit((POINTS, LABELS), (POINTS, LABELS, np.ones(45)), epochs=1)
    with pytest.raises(ValueError, match=r"validation is .* got float"):
        plain().fit((POINTS, LABELS), validation=0.1, epochs=1)
    with pytest.raises(ValueError, match=r"training data is one argument.* got ndarray"):
        plain().fit(POINTS, LABELS, epochs=1)
    with pytest.raises(ValueError, match=r"training data is one argument.* got 1 parts"):
        find_learning_rate(plain(), (POINTS,))
    for missing in (None, scipy.sparse.csr_array(np.eye(45))):
        with pytest.raises(ValueError, match=f"training targets must be an array.* got {type(missing).__name__}"):
            plain().fit((POINTS, missing), epochs=1)
        with pytest.raises(ValueError, match="validation targets must be an array or a list, one an example"):
            plain().fit((POINTS, LABELS), (POINTS, missing), epochs=1)
    with pytest.raises(ValueError, match=r"batch_size must be a whole number of at least 1, got 0"):
        predict(Sequential(Linear(4, 3)), POINTS, batch_size=0)
    with pytest.raises(ValueError, match="expects an array or a CSR matrix, got list"):
        predict(Sequential(Linear(4, 3)), POINTS.tolist())


class Doubling(Layer):
    """A learner's layer, that does not keep what it was made with."""

    def __init__(self, factor=None):
        self._by = factor

    def forward(self, x):
        return x * self._by

    def backward(self, dy):
        return dy * self._by


def test_a_layer_that_cannot_be_described_trains_and_is_named_when_it_is_to_be_saved(tmp_path):
    it = plain(Sequential(Doubling(np.float32(2)), Linear(4, 3)))
    it.fit((POINTS, LABELS), epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"Doubling cannot be described: keep its argument factor as self\.factor"):
        it.fit((POINTS, LABELS), epochs=1, progress=False, folder=tmp_path / "run")
    it.model[0].factor = np.zeros(3)
    assert "factor=array" in repr(it.model[0])


@pytest.mark.parametrize("thing", [ReLU, np.ones(3), np.tanh, [1, (2, {"a": len})]], ids=repr)
def test_an_argument_that_no_checkpoint_holds_is_named_before_the_first_epoch(thing, tmp_path):
    class Keeps(Linear):
        def __init__(self, thing):
            self.thing = thing
            super().__init__(4, 3, rng=0)

    it = plain(Sequential(Keeps(thing)))
    said = r"no checkpoint can hold model\.layers\.0\.thing.*, which is .*: keep layers, text"
    with pytest.raises(ValueError, match=said):
        it.fit((POINTS, LABELS), epochs=1, progress=False, folder=tmp_path)
    assert it.history == [] and not list(tmp_path.iterdir())
    it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=1, progress=False)  # and without a folder it trains


def test_targets_that_suit_no_scores_are_named_before_the_first_epoch():
    soft = np.full((len(POINTS), 3), 1 / 3)
    for change in ([0.5, 0.5, 0.5], [-0.1, 0.6, 0.5], [np.nan, 0.5, 0.5]):
        broken = soft.copy()
        broken[9] = change
        it = plain()
        with pytest.raises(ValueError, match=r"^the validation data: .* sum to 1, to 1e-4; row 9 goes down to"):
            it.fit((POINTS, soft), (POINTS, broken), epochs=1, progress=False)
        assert it.history == []
    yes = np.zeros((len(POINTS), 3), np.float32)
    yes[7, 2] = 2
    it = plain(loss=SigmoidCrossEntropy())
    with pytest.raises(ValueError, match=r"^the training data: .* row 7: targets must lie in \[0, 1\], one"):
        it.fit((POINTS, yes), epochs=1, progress=False)


class Narrow(SoftmaxCrossEntropy):
    """Whose losses are NumPy's float32, as the mean of a float32 array is."""

    def forward(self, scores, targets, weights=None, denominator=None):
        return np.float32(super().forward(scores, targets, weights, denominator))


def test_a_loss_may_be_a_number_of_numpys(tmp_path):
    it = plain(loss=Narrow())
    it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=2, progress=False, folder=tmp_path)
    assert {type(row[name]) for row in it.history for name in ("train_loss", "validation_loss")} == {float}
    assert it.run["epochs_trained"] == 2 and (tmp_path / "best.ckpt").exists()


class Counting(SoftmaxCrossEntropy):
    """Which counts in NumPy's numbers, as sums of arrays are, and asks its targets for their shape."""

    def forward(self, scores, targets, weights=None, denominator=None):
        assert targets.shape == (len(scores),)
        return super().forward(scores, targets, weights, denominator)

    def denominator(self, targets, weights=None):
        return np.float32(super().denominator(targets, weights))

    def hits(self, scores, targets):
        return (scores.argmax(axis=1) == targets).sum(), np.int64(targets.size)


def test_a_loss_may_count_in_numpys_numbers(tmp_path):
    """In the midst of an epoch, too, where the checkpoint holds what was counted so far."""
    it = plain(loss=Counting())
    it.fit(
        (POINTS, LABELS.tolist()), (POINTS, LABELS.tolist()), epochs=2, batch_size=8, progress=False, folder=tmp_path,
        save_every=0,
    )  # fmt: skip
    usual = plain().fit((POINTS, LABELS), (POINTS, LABELS), epochs=2, batch_size=8, progress=False)
    for row, expected in zip(it.history, usual, strict=True):
        assert all(row[name] == expected[name] for name in row if not name.startswith(("seconds", "examples_per")))
    assert it.evaluate(POINTS, LABELS.tolist()) == (usual[-1]["validation_loss"], usual[-1]["validation_accuracy"])


def test_several_threads_may_ask_one_model():
    model = Sequential(Linear(4, 8, rng=0), BatchNorm(8), Dropout(0.5), Linear(8, 3, rng=1)).train()
    expected = predict(model, POINTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: predict(model, POINTS), range(60)):
            assert np.array_equal(found, expected)
    assert all(layer.training for _, layer in model.walk())


WRONG = {
    "label too large": ((POINTS, LABELS + 1), {}, r"training labels run from 1 to 3, .*3 scores.*0\.\.2"),
    "label negative": ((POINTS, LABELS - 1), {}, "labels run from -1 to 1"),
    "labels as floats": ((POINTS, LABELS.astype(float)), {}, r"integers.*astype\(np.int64\)"),
    "labels as text": ((POINTS, LABELS.astype(str)), {}, r"labels must be integers.*unique\(.*return_inverse=True"),
    "labels in a column": ((POINTS, LABELS[:, None]), {}, r"integer labels \(N,\).*use y\[:, 0\]"),
    "labels one-hot": ((POINTS, np.eye(3, dtype=int)[LABELS]), {}, r"use y\.argmax\(axis=1\), or y\.astype"),
    "one label fewer": ((POINTS, LABELS[1:]), {}, "45 inputs but 44 targets"),
    "no data": ((POINTS[:0], LABELS[:0]), {}, "training data is empty"),
    "float64": ((POINTS.astype(np.float64), LABELS), {}, r"float32, got float64.*astype"),
    "integers": ((LABELS[:, None].repeat(4, 1), LABELS), {}, r"astype\(np.float32\)"),
    "a list": ((POINTS.tolist(), LABELS), {}, r"NumPy array, got list"),
    "too many features": ((POINTS.repeat(2, 1), LABELS), {}, r"\(N, 4\), got \(45, 8\)"),
    "no epochs": ((POINTS, LABELS), {"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
    "half a batch": ((POINTS, LABELS), {"batch_size": 1.5}, "batch_size must be a whole number"),
    "patience for nothing": ((POINTS, LABELS), {"patience": 2}, "patience waits for a lower validation loss"),
    "no patience": ((POINTS, LABELS), {"patience": 0}, "patience must be a whole number of at least 1, got 0"),
    "weights": ((POINTS, LABELS, np.ones(3)), {}, "45 numbers, one an example"),
    "weight below 0": ((POINTS, LABELS, np.r_[np.ones(44), -2]), {}, "finite and at least 0, got -2"),
    "weight unknown": ((POINTS, LABELS, np.r_[np.ones(44), np.nan]), {}, "finite and at least 0, got nan"),
    "weight endless": ((POINTS, LABELS, np.r_[np.ones(44), np.inf]), {}, "finite and at least 0, got inf"),
    "no weight": ((POINTS, LABELS, np.zeros(45)), {}, "no example of the training data counts"),
    "nothing to resume": ((POINTS, LABELS), {"resume": True}, "nothing to resume"),
    "validation labels": ((POINTS, LABELS), {"validation": (POINTS, LABELS + 9)}, "validation labels run from 9"),
    "validation empty": ((POINTS, LABELS), {"validation": (POINTS[:0], LABELS[:0])}, "validation data is empty"),
    "validation shape": ((POINTS, LABELS), {"validation": (POINTS[:, :2], LABELS)}, r"got \(45, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_named_before_any_work(case, tmp_path):
    data, settings, message = WRONG[case]
    it = plain()
    before = bits(it.model)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        it.fit(data, folder=tmp_path, **{"epochs": 1, "progress": False, **settings})
    assert "\n" not in str(caught.value) and bits(it.model) == before and not list(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{"workers": 0}, {"piece": 0}])
def test_workers_and_piece_are_checked(settings):
    with pytest.raises(ValueError, match="at least 1"):
        trainer(**settings).fit((IMAGES, LABELS), epochs=1)


def test_ignored_labels_are_no_mistake():
    labels = np.where(np.arange(45) % 5 == 0, -100, LABELS)
    plain(loss=SoftmaxCrossEntropy(ignore_index=-100)).fit((POINTS, labels), epochs=1, batch_size=15, progress=False)


def test_targets_that_are_numbers():
    model = Sequential(Linear(4, 2, rng=0))
    targets = POINTS[:, :2] * np.float32(3)
    history = plain(model, MeanSquaredError()).fit((POINTS, targets), epochs=20, batch_size=9, progress=False)
    assert history[-1]["train_loss"] < 0.05 * history[0]["train_loss"]
    with pytest.raises(ValueError, match=r"targets must have the scores' shape \(1, 2\), got \(1,\)"):
        plain(model, MeanSquaredError()).fit((POINTS, np.arange(45)), epochs=1)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OSError, match=r"cannot write into .*run") as caught:
        fit(trainer(), tmp_path / "run" / "inside")
    assert "Errno" not in str(caught.value) and (tmp_path / "run").read_text() == "mine"


# -- resuming what is not this run -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"seed": 9}, "seed was 0, now 9"),
        ({"piece": 3}, "piece was 4, now 3"),
        ({"schedule": None}, "schedule"),
        ({"augment": None}, "augment was Augment"),
        ({"clip_norm": 1.0}, "clip_norm was None, now 1.0"),
        ({"freeze_at": {"1.b": 0.5}}, "freeze_at"),
        ({"kind": "adam"}, "optimizer.optimizer was SGD, now Adam"),
        ({"model": network(dropout=0.25)}, r"model\.layers\.5\.p was 0.5, now 0.25"),
        ({"workers": 1}, "workers was 2, now 1"),
        ({"exact_batch_norm": True}, "exact_batch_norm was False, now True"),
    ],
)
def test_other_settings_are_not_resumed(tmp_path, settings, said):
    fit(trainer(), tmp_path, epochs=1)
    kept = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(ValueError, match=said) as caught:
        fit(trainer(**settings), tmp_path, epochs=1, resume=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert (tmp_path / "last.ckpt").read_bytes() == kept


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"epochs": 2}, "epochs was 1, now 2"),
        ({"batch_size": 9}, "batch_size was 8, now 9"),
        ({"patience": 3}, "patience was None, now 3"),
    ],
)
def test_other_ways_to_fit_are_not_resumed(tmp_path, settings, said):
    fit(trainer(), tmp_path, epochs=1)
    with pytest.raises(ValueError, match=said):
        fit(trainer(), tmp_path, **{"epochs": 1, **settings}, resume=True)


def test_data_without_a_type_of_their_own_may_be_kept_and_resumed(tmp_path):
    class Rows:
        """Such as a file's data set: it gives arrays."""

        shape = POINTS.shape

        def __len__(self):
            return len(POINTS)

        def __getitem__(self, index):
            return POINTS[index]

    def run(x, **settings):
        return plain().fit((x, LABELS), (x, LABELS), epochs=2, folder=tmp_path, progress=False, **settings)

    assert run(Rows()) == run(POINTS, resume=True)


def test_what_the_other_settings_follow_from_is_named_first(tmp_path):
    def about(**changes):
        return {}, {"fingerprint": "aaa", "model": "cnn", "classes": ("a", "b", "c"), "shape": (6, 6, 1)} | changes

    fit(trainer(), tmp_path, epochs=1, about=about())
    smaller = Sequential(Normalize([99.0], [60.0]), Flatten(), Linear(36, 3))
    for named, settings, said in (
        ({"model": "mlp", "fingerprint": "bbb"}, {"model": smaller, "piece": 3}, "model was cnn, now mlp. Use"),
        ({"shape": (6, 4, 1)}, {"piece": 3}, "shape.1 was 6, now 4. Use"),
        (
            {"fingerprint": "bbb"},
            {"model": smaller},
            "data was aaa, now bbb; model.layers.0.mean.0 was 127.0, now 99.0",
        ),
        ({"fingerprint": "bbb"}, {"seed": 3}, "seed was 0, now 3; data was aaa, now bbb. Use"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"cannot resume {tmp_path}: {said}")):
            fit(trainer(**settings), tmp_path, epochs=1, about=about(**named), resume=True)
    with pytest.raises(ValueError, match=r"classes\.0 was a, now None"):
        fit(trainer(piece=3), tmp_path, epochs=1, resume=True)
    assert fit(trainer(), tmp_path, epochs=1, about=about(model="other"), resume=True)  # the settings are those


def test_a_refused_fit_leaves_what_the_last_one_found(tmp_path):
    it = plain()
    history = it.fit((POINTS, LABELS), epochs=3, folder=tmp_path, progress=False)
    rates = it.rates()
    for resume, folder in ((True, tmp_path), (True, None), (False, tmp_path)):
        if not resume:
            (tmp_path / "last.ckpt").write_bytes(b"")
        with pytest.raises(ValueError):
            it.fit((POINTS, LABELS), epochs=9, batch_size=5, folder=folder, resume=resume, progress=False)
        assert it.history is history and len(history) == 3 and it.run["epochs"] == 3
        assert it.rates().tolist() == rates.tolist()


def test_what_validation_chose_is_not_resumed_without_it(tmp_path):
    """Else the best weights of the part that had validation would come back at the end, whatever followed."""
    fit(trainer(), tmp_path, epochs=1)
    for validation, said in ((None, "None"), ((IMAGES[:2], LABELS[:2]), "2")):
        with pytest.raises(ValueError, match=f"validation was {len(HELD_OUT[1])}, now {said}"):
            trainer().fit((IMAGES, LABELS), validation, epochs=1, batch_size=8, folder=tmp_path, resume=True)
    with pytest.raises(ValueError, match="nothing to resume: name the folder"):
        fit(trainer(), epochs=1, resume=True)


def test_another_loss_is_not_resumed(tmp_path):
    plain().fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"loss\.label_smoothing was 0.0, now 0.1"):
        plain(loss=SoftmaxCrossEntropy(0.1)).fit((POINTS, LABELS), epochs=1, folder=tmp_path, resume=True)


def test_other_data_is_not_resumed(tmp_path):
    fit(trainer(), tmp_path, epochs=1, about=({}, {"fingerprint": "aaa"}))
    with pytest.raises(ValueError, match="data was aaa, now bbb"):
        fit(trainer(), tmp_path, epochs=1, about=({}, {"fingerprint": "bbb"}), resume=True)


def test_data_that_are_not_those_of_the_run_are_not_resumed(tmp_path):
    """Two epochs on one half of the data and two on another are a run that nobody could repeat."""
    rows = scipy.sparse.csr_array(POINTS)
    for number, x in enumerate((POINTS, rows)):
        data, held, weights = (x, LABELS.tolist()), (x, LABELS), np.linspace(1, 2, 45)

        def run(train, validation, resume=True, folder=tmp_path / str(number)):
            settings = {"epochs": 2, "folder": folder, "resume": resume, "progress": False}
            return plain(rate=1e-3).fit(train, validation, **settings)

        first = run((*data, weights), held, resume=False)
        assert run((*data, weights.tolist()), (x.copy(), LABELS.tolist())) == first
        for train, validation, said in (
            ((x * np.float32(1.5), LABELS, weights), held, "training_inputs was [0-9a-f]{12}, now [0-9a-f]{12}"),
            ((x, (LABELS + (np.arange(45) == 21)) % 3, weights), held, "training_targets was"),  # all of them tell
            ((x, LABELS, weights[::-1]), held, "example_weights was"),
            (data, held, "example_weights was .*, now None"),
            ((*data, weights), (-x, LABELS), "validation_inputs was"),
            ((*data, weights), (x, LABELS[::-1]), "validation_targets was"),
        ):
            with pytest.raises(
                ValueError, match=f"cannot resume .*{said}.*Use the data and settings of that run"
            ) as caught:
                run(train, validation)
            assert "\n" not in str(caught.value)


HEADERS = {
    "no progress": lambda h: h.pop("progress"),
    "progress is a list": lambda h: h.update(progress=[1]),
    "a field is missing": lambda h: h["progress"].pop("waited"),
    "a field is text": lambda h: h["progress"].update(epoch="1"),
    "a field is negative": lambda h: h["progress"].update(step=-1),
    "a loss is text": lambda h: h["progress"].update(best_loss="low"),
    "no history": lambda h: h.pop("history"),
    "history too long": lambda h: h["history"].append({}),
    "steps is text": lambda h: h.update(steps="many"),
    "no settings": lambda h: h.pop("settings"),
    "settings is a list": lambda h: h.update(settings=[]),
    "empty": lambda h: h.clear(),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_not_believed(case, tmp_path):
    fit(trainer(), tmp_path, epochs=1)
    arrays, header = checkpoint.load(tmp_path / "last.ckpt")
    HEADERS[case](header)
    checkpoint.save(tmp_path / "last.ckpt", arrays, header)
    with pytest.raises(ValueError, match="cannot resume") as caught:
        fit(trainer(), tmp_path, epochs=1, resume=True)
    assert "\n" not in str(caught.value)


def test_foreign_and_damaged_files_are_not_resumed(tmp_path):
    fit(trainer(), tmp_path, epochs=1)
    path, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    whole, (arrays, header) = path.read_bytes(), checkpoint.load(path)
    contents = {
        "truncated": lambda: path.write_bytes(whole[: len(whole) // 2]),
        "text": lambda: path.write_text("hello"),
        "a weight is missing": lambda: checkpoint.save(
            path, {k: a for k, a in arrays.items() if "6.W" not in k}, header
        ),
        "no optimizer": lambda: checkpoint.save(path, {"optimizer/9.W/momentum": np.zeros(3), **arrays}, header),
        "best without a progress": lambda: checkpoint.save(best, arrays, {**header, "progress": [1]}),
        "best is gone": lambda: best.unlink(),
    }
    for case, damage in contents.items():
        path.write_bytes(whole)
        damage()
        with pytest.raises((ValueError, OSError)) as caught:
            fit(trainer(), tmp_path, epochs=1, resume=True)
        said = str(caught.value)
        assert "\n" not in said and (str(tmp_path) in said or "fit" in said or "optimizer state" in said), case


def test_the_loss_may_have_weights_of_its_own(tmp_path):
    """They are updated, saved and restored like the model's."""

    class Scaled(SoftmaxCrossEntropy):
        parameters = ("W",)

        def __init__(self):
            super().__init__()
            self.W = np.ones(1, np.float32)

        def forward(self, scores, targets, weights=None, denominator=None):
            self.scores = scores
            return super().forward(scores * self.W[0], targets, weights, denominator)

        def backward(self):
            dscaled = super().backward()
            self.dW = np.array([(dscaled * self.scores).sum()], np.float32)
            return dscaled * self.W[0]

    def make():
        model, loss = Sequential(Linear(4, 3, rng=0)), Scaled()
        return Trainer(model, loss, SGD(model, 0.5, momentum=0.9, loss=loss), workers=1)

    trained, resumed = make(), make()
    settings = {"epochs": 2, "batch_size": 9, "folder": tmp_path, "progress": False}
    trained.fit((POINTS, LABELS), **settings)
    assert trained.loss.W[0] != 1.0
    resumed.fit((POINTS, LABELS), resume=True, **settings)
    assert resumed.loss.W.tobytes() == trained.loss.W.tobytes()
    arrays, header = checkpoint.load(tmp_path / "last.ckpt")
    del arrays["loss/W"]
    checkpoint.save(tmp_path / "last.ckpt", arrays, header)
    with pytest.raises(ValueError, match="'loss/W' is missing"):
        make().fit((POINTS, LABELS), resume=True, **settings)


def scaled():
    """A loss that remembers: it divides by the running size of the scores, and notes it in training."""

    class Scaled(MeanSquaredError):
        buffers = ("size",)

        def __init__(self):
            self.size = np.ones(1, np.float32)

        def forward(self, scores, targets, weights=None, denominator=None):
            if self.training:
                self.size *= np.float32(0.9)
                self.size += np.float32(0.1) * np.abs(scores).mean()
            return super().forward(scores, targets, weights, denominator)

        def backward(self):
            return super().backward() / self.size

    return plain(Sequential(Linear(4, 2, rng=0)), Scaled(), 0.05)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_the_loss_remembers_is_kept_resumed_and_restored(tmp_path):
    y = POINTS[:, :2] * np.float32(3)
    settings = {"epochs": 4, "batch_size": 9, "progress": False}
    whole, parts, resumed = scaled(), scaled(), scaled()
    whole.fit((POINTS, y), (POINTS, y), **settings)
    parts.augment = CtrlC(12)
    resumed.augment = CtrlC()
    parts.fit((POINTS, y), (POINTS, y), folder=tmp_path, **settings)
    assert parts.interrupted and parts.loss.size[0] != 1
    resumed.fit((POINTS, y), (POINTS, y), folder=tmp_path, resume=True, **settings)
    assert bits(resumed.model) == bits(whole.model) and resumed.loss.size == whole.loss.size
    best = checkpoint.load(tmp_path / "best.ckpt")[0]
    assert best["loss/size"] == resumed.loss.size, "the best epoch's own"

    size = whole.loss.size.copy()
    whole.model[0].W[...] = 3e38
    with pytest.raises(NonFiniteError):
        whole.fit((POINTS, y), **settings)
    assert whole.loss.size == size


def test_tokens_train_a_table():
    ids = np.random.default_rng(1).integers(0, 9, (45, 5))
    model = Sequential(Embedding(9, 4, rng=0), Flatten(), Linear(20, 3, rng=1))
    history = Trainer(model, SoftmaxCrossEntropy(), Adam(model, 0.05)).fit((ids, LABELS), epochs=5, progress=False)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_what_a_checkpoint_holds_is_json(tmp_path):
    fit(trainer("lookahead"), tmp_path, epochs=1)
    _, header = checkpoint.load(tmp_path / "last.ckpt")
    assert json.loads(json.dumps(header)) == header
    assert header["settings"]["seed"] == 0 and header["progress"]["epoch"] == 1
    assert os.listdir(tmp_path) and not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]


def test_a_run_with_lookahead_ends_on_the_slow_weights():
    """They are pulled after every third step, with alpha=1 all the way: a run of five ends where its third led."""
    model, seen = Sequential(Linear(4, 3, rng=0)), []
    it = Trainer(
        model, SoftmaxCrossEntropy(), Lookahead(SGD(model, 0.5), every=3, alpha=1.0), workers=1,
        augment=lambda x, *_: (seen.append(bits(model)), x)[1],
    )  # fmt: skip
    it.fit((POINTS, LABELS), epochs=1, batch_size=9, progress=False)
    assert len(seen) == 5 and bits(model) == seen[3]


def test_a_run_in_which_lookahead_never_pulled_ends_on_what_it_learned():
    """Its slow weights are those of its beginning: they are neither validated nor handed back."""
    model, same = (Sequential(Linear(4, 3, rng=0)) for _ in range(2))
    ahead, usual = Lookahead(SGD(model, 0.5), every=4), SGD(same, 0.5)
    for size, updates in ((15, 3), (45, 4), (23, 6)):  # in all; after the fourth it pulls
        same[0].W[...], same[0].b[...] = model[0].W, model[0].b
        for part, each in ((model, ahead), (same, usual)):
            it = Trainer(part, SoftmaxCrossEntropy(), each, workers=1)
            row = it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=1, batch_size=size, progress=False)[0]
            assert row["validation_loss"] == it.evaluate(POINTS, LABELS)[0] and each.steps == updates
        assert (np.abs(model[0].W - same[0].W).max() < 1e-6) == (updates != 4)


def test_batches_in_which_nothing_counts_bring_lookahead_no_nearer_to_a_pull():
    labels = np.where(np.arange(45) < 2, LABELS, -100)  # two of five batches have one that counts, at most
    model = Sequential(Linear(4, 3, rng=0))
    start, loss = bits(model), SoftmaxCrossEntropy(ignore_index=-100)
    it = Trainer(model, loss, Lookahead(SGD(model, 0.5), every=4), workers=1)
    it.fit((POINTS, labels), epochs=1, batch_size=9, progress=False)
    assert bits(model) != start


def test_the_line_of_an_epoch_shows_no_thirty_digits(capsys):
    huge = np.full((45, 1), 1e17)
    plain(Sequential(Linear(4, 1, rng=0)), MeanSquaredError(), 1e-30).fit((POINTS, huge), epochs=1)
    assert "loss 1e+34" in capsys.readouterr().out


def test_where_nothing_can_be_right_no_accuracy_is_told(tmp_path, capsys):
    targets = np.random.default_rng(0).standard_normal((45, 1))
    yes = (targets > 0).astype(float)
    for loss, y in ((MeanSquaredError(), targets), (SigmoidCrossEntropy(), yes)):
        it = plain(Sequential(Linear(4, 1, rng=0)), loss, 0.01)
        it.fit((POINTS, y), (POINTS, y), epochs=1, folder=tmp_path / type(loss).__name__)
        assert it.history[0]["train_accuracy"] is it.history[0]["validation_accuracy"] is None
        assert it.evaluate(POINTS, y) == (pytest.approx(it.history[0]["validation_loss"]), None)
        assert "accuracy" not in capsys.readouterr().out
    features = Sequential(Linear(4, 8, rng=0))
    sampled = SampledSoftmaxCrossEntropy(8, 30, samples=5, rng=0)
    it = Trainer(features, sampled, SGD(features, 0.1, loss=sampled), workers=1)
    sampled.eval().forward(features.forward(POINTS), LABELS)  # fit puts the loss back into training itself
    assert it.fit((POINTS, LABELS), epochs=1, progress=False)[0]["train_accuracy"] is None


def test_ignored_labels_are_neither_right_nor_wrong():
    labels = np.where(np.arange(45) % 2, LABELS, -100)
    it = plain(loss=SoftmaxCrossEntropy(ignore_index=-100), rate=0.0)
    row = it.fit((POINTS, labels), (POINTS, labels), epochs=1, batch_size=45, progress=False)[0]
    counted = labels != -100
    right = (it.model.forward(POINTS[counted]).argmax(axis=1) == labels[counted]).mean()
    assert row["train_accuracy"] == row["validation_accuracy"] == pytest.approx(right)


def test_the_loss_of_an_epoch_weighs_examples_and_not_batches():
    weights = np.array([100.0] * 5 + [1.0] * 40)
    for loss, extra in ((SoftmaxCrossEntropy(), (weights,)), (SoftmaxCrossEntropy(class_weights=[5, 1, 0.1]), ())):
        it = plain(loss=loss, rate=0.0)
        row = it.fit((POINTS, LABELS, *extra), epochs=1, batch_size=8, progress=False)[0]
        assert row["train_loss"] == pytest.approx(loss.forward(it.model.forward(POINTS), LABELS, *extra), rel=1e-6)


def test_a_checkpoint_does_not_keep_what_freeze_at_froze(tmp_path):
    it = plain(Sequential(Linear(4, 5, rng=0).freeze("b"), ReLU(), Linear(5, 3, rng=1)), freeze_at={"2.b": 0.0})
    it.fit((POINTS, LABELS), epochs=1, folder=tmp_path, progress=False)
    model = checkpoint.model_from(*checkpoint.load(tmp_path / "last.ckpt"))
    assert model[0].frozen == ("b",) and model[2].frozen == () == it.model[2].frozen


def test_after_the_best_weights_are_back_lookahead_starts_from_them():
    model = Sequential(Linear(4, 3, rng=0))
    it = Trainer(model, SoftmaxCrossEntropy(), Lookahead(SGD(model, 50.0), every=2), workers=1)
    it.fit((POINTS, LABELS), (POINTS, LABELS), epochs=4, batch_size=9, progress=False)
    assert it.run["best_epoch"] < 4, "else nothing is put back"
    best = model[0].W.copy()
    it.optimizer.optimizer.learning_rate = 0.0
    it.fit((POINTS, LABELS), epochs=1, batch_size=9, progress=False)
    assert np.array_equal(model[0].W, best)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_softmax_layer_does_not_hide_what_broke():
    x = POINTS.copy()
    x[5, 0] = np.nan
    it = plain(Sequential(Linear(4, 3, rng=0), Softmax()), CrossEntropy())
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1.*clean the data"):
        it.fit((x, LABELS), epochs=1, batch_size=45, progress=False)
    it.model[0].W[...] = -3e38  # every score is -inf, but for the first example
    rows = np.full((45, 4), 9, np.float32)
    rows[0] = 0
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1.*In the forward pass: "):
        it.fit((rows, LABELS), epochs=1, batch_size=45, progress=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_broken_parameter_of_the_loss_is_named():
    model, loss = Sequential(Linear(4, 8, rng=0)), SampledSoftmaxCrossEntropy(8, 30, samples=5, rng=0)
    it = Trainer(model, loss, SGD(model, 0.1, loss=loss), workers=1)
    loss.b[...] = np.nan
    it.loss.eval()
    with pytest.raises(NonFiniteError, match=r"The parameter loss\.b is not finite"):
        it.fit((POINTS, LABELS), epochs=1, progress=False)


def test_examples_come_in_a_new_order_in_every_epoch():
    def orders(seed):
        seen = {}

        def augment(x, rng, epoch, indices):
            seen.setdefault(epoch, []).extend(indices.tolist())
            return x

        plain(augment=augment, seed=seed).fit((POINTS, LABELS), epochs=3, batch_size=8, progress=False)
        return list(seen.values())

    first = orders(0)
    assert all(sorted(order) == list(range(45)) for order in first)
    assert len({tuple(order) for order in [*first, range(45), *orders(1)]}) == 7
    assert orders(0) == first


class Breaking(Linear):
    """Gives a gradient, or an output, that is not finite: in the backward pass, or for few examples only."""

    fails = ""

    def forward(self, x):
        y = super().forward(x)
        return y * np.float32(np.nan) if self.fails == "few" and len(x) < 45 else y

    def backward(self, dy):
        dx = super().backward(dy)
        if self.fails == "backward":
            self.dW = self.dW * np.float32(np.inf)
            dx = None if dx is None else dx * np.float32(np.inf)
        return dx


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_a_step_broke_behind_the_scores():
    model = Sequential(Linear(4, 5, rng=0), ReLU(), Breaking(5, 4, rng=1), ReLU(), Linear(4, 3, rng=2))
    model[2].fails = "backward"
    with pytest.raises(NonFiniteError, match=r"First not finite: the gradient of 2\.b|the gradient of 2\.W, Breaking"):
        plain(model).fit((POINTS, LABELS), epochs=1, progress=False)
    sampled = SampledSoftmaxCrossEntropy(4, 9, samples=3, rng=0).eval()  # which in this mode has no backward
    model = Sequential(Linear(4, 5, rng=0), ReLU(), Breaking(5, 4, rng=1))
    model[2].fails = "backward"
    with pytest.raises(NonFiniteError, match=r"the gradient of 2\.W, Breaking"):
        Trainer(model, sampled, SGD(model, 0.1, loss=sampled)).fit((POINTS, LABELS), epochs=1, progress=False)
    assert not sampled.training
    few = Sequential(Breaking(4, 3, rng=0))
    few[0].fails = "few"
    it = Trainer(few, SoftmaxCrossEntropy(), SGD(few, 0.1), workers=2, piece=10)
    with pytest.raises(NonFiniteError, match="Replayed as one piece, the step is finite: it broke in a piece"):
        it.fit((POINTS, LABELS), epochs=1, batch_size=45, progress=False)
    impossible = Sequential(Linear(4, 3, rng=0))
    impossible[0].b[2] = -np.inf
    with pytest.raises(NonFiniteError, match=r"The parameter 0\.b is not finite"):
        plain(impossible).fit((POINTS, LABELS), epochs=1, progress=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_infinite_where_the_scores_are_not():
    it = plain(Sequential(Linear(4, 3, rng=0)))
    it.model[0].W[...], it.model[0].b[...] = 0, [3e38, -3e38, -3e38]  # further apart than float32 reaches
    with pytest.raises(NonFiniteError, match=r"First not finite: SoftmaxCrossEntropy\(\), from scores up to 3e\+38"):
        it.fit((POINTS, LABELS), epochs=1, batch_size=45, progress=False)


def test_examples_of_weight_zero_are_no_hits_either():
    x, y = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 5], np.arange(20) % 4
    model = Sequential(Linear(4, 4, rng=0)).eval()
    model[0].W[...] = np.diag([9, 9, -9, -9])  # right on classes 0 and 1 alone
    for loss, weights in ((SoftmaxCrossEntropy(), np.where(y < 3, 1.0, 0.0)),
                          (SoftmaxCrossEntropy(class_weights=[1, 1, 1, 0]), None)):  # fmt: skip
        for workers in (1, 2):
            trainer = Trainer(model, loss, SGD(model, 0.0), workers=workers, piece=4)
            (row,) = trainer.fit((x, y) if weights is None else (x, y, weights), epochs=1, progress=False)
            assert row["train_accuracy"] == pytest.approx(2 / 3)


def test_settings_of_ones_own_may_have_any_name():
    class Deep(Layer):
        def __init__(self, layers=2, notes="why"):
            self.layers, self.notes = layers, notes

        def forward(self, x):
            self._cache = x
            return x * self.layers

        def backward(self, dy):
            return dy * self.layers

    class Named(SoftmaxCrossEntropy):
        def __init__(self, classes=("a", "b", "c", "d")):
            super().__init__()
            self.classes = classes

    model = Sequential(Linear(4, 4, rng=0), Deep())
    trainer = Trainer(model, Named(), SGD(model, 0.1), workers=2, piece=4)
    trainer.fit((np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 5], np.arange(20) % 4), epochs=2, progress=False)


def test_what_cannot_be_described_is_trained_and_validated_where_nothing_is_saved(tmp_path):
    class Odd(Layer):
        def __init__(self, factor):
            self.kept_otherwise = factor

        def forward(self, x):
            self._cache = x
            return x * self.kept_otherwise

        def backward(self, dy):
            return dy * self.kept_otherwise

    model = Sequential(Linear(4, 4, rng=0), Odd(2.0))
    x, y = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 5], np.arange(20) % 4
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
    assert len(trainer.fit((x, y), (x, y), epochs=2, progress=False)) == 2
    with pytest.raises(ValueError, match=r"Odd cannot be described: keep its argument factor as self\.factor"):
        trainer.fit((x, y), (x, y), epochs=2, progress=False, folder=tmp_path)


class Head(Layer):
    """Keeps under an argument's name the layer that it makes of it; beside it others that it never calls."""

    def __init__(self, n, hidden, keys=()):
        self.n, self.keys = n, keys
        self.hidden = Linear(n, hidden, rng=0)
        self.heads = {key: Linear(n, hidden, rng=1).freeze() for key in keys}

    def forward(self, x):
        return self.hidden.forward(x)

    def backward(self, dy):
        return self.hidden.backward(dy)


class Shrinking(Linear):
    """Keeps another number than it was given."""

    def __init__(self, width):
        super().__init__(4, width, rng=0)
        self.width = width - 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Head(4, 3),
            r"could be read: cannot rebuild Head from .*: out_features must be .* got Linear\(4, 3\) \(",
        ),
        (lambda: Shrinking(3), r"could be read: the weights do not fit the model: '1\.W' is float32 \(4, 3\)"),
        (
            lambda: Head(4, 3, ["old", "age: >30"]),
            r"^'model/1\.heads\.age: >30\.W' cannot name .* letters, digits and _",
        ),
        (lambda: Head(4, 3, ["a//b"]), "cannot name an array"),
    ],
)
def test_a_model_that_no_checkpoint_could_give_back_is_refused_before_it_is_trained(tmp_path, make, said):
    model = Sequential(Linear(4, 4, rng=0), make())
    before = model[0].W.copy()
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
    with pytest.raises(ValueError, match=said):
        trainer.fit((POINTS, LABELS), epochs=1, progress=False, folder=tmp_path / "run")
    assert np.array_equal(model[0].W, before) and not (tmp_path / "run").exists()
    trainer.fit((POINTS, LABELS), epochs=1, progress=False)


def test_settings_that_are_bound_beforehand_are_told_apart():
    def slower(power, progress):
        return (1 - progress) ** power

    assert described(partial(slower, 1)) != described(partial(slower, 3)) != described(slower)
    assert described(partial(slower, power=1)) == described(partial(slower, power=1))


def test_example_weights_may_be_none_and_are_numbers():
    x, y = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 5], np.arange(20) % 4
    model = Sequential(Linear(4, 4, rng=0))
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
    assert len(trainer.fit((x, y, None), epochs=1, progress=False)) == 1
    with pytest.raises(ValueError, match="example weights are numbers, one an example"):
        trainer.fit((x, y, ["a"] * 20), epochs=1, progress=False)


def test_a_regression_that_diverges_is_not_blamed_on_labels():
    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    model = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 1, rng=1))
    trainer = Trainer(model, MeanSquaredError(), SGD(model, 1e6, momentum=0.9), workers=1)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as raised:
        trainer.fit((x, 1e3 * x[:, :1]), epochs=9, batch_size=16, progress=False)
    assert "label" not in str(raised.value) and "learning rate" in str(raised.value)
