"""Ctrl-C during training: a wish that is heard between two updates, and only where Python can hear it."""

import signal
import threading

import numpy as np
import pytest
from tqdm import tqdm

from minnet.interrupt import Interrupt
from minnet.layers import Linear, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer

pytestmark = pytest.mark.usefixtures("usual_handler")


def elsewhere(work):
    """What `work` returns or raises in a thread of its own."""
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_outside_the_main_thread_training_runs_as_in_it():
    """There no handler can be set: a notebook's widget or a server trains all the same, on the same bits."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)).astype(np.float32), np.arange(40) % 2

    def trained():
        model = Sequential(Linear(3, 2, rng=0))
        trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 0.1), workers=1)
        history = trainer.fit((x, y), epochs=2, batch_size=10, progress=False)
        return model[0].W, len(history), trainer.interrupted

    (w, epochs, interrupted), here = elsewhere(trained), trained()
    assert (epochs, interrupted) == (2, False) and np.array_equal(w, here[0])


def test_outside_the_main_thread_the_handler_stays_as_it_is():
    def handler_inside():
        with Interrupt("saving") as interrupt:
            return signal.getsignal(signal.SIGINT), interrupt.asked

    assert elsewhere(handler_inside) == (signal.default_int_handler, False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_first_ctrl_c_is_a_wish_and_the_second_one_an_order(capsys):
    with pytest.raises(KeyboardInterrupt), Interrupt("saving") as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked and "Ctrl-C: saving (again to stop at once)" in capsys.readouterr().out
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("error", [RuntimeError("reentrant call"), BrokenPipeError(), ValueError("closed file")])
def test_a_wish_is_heard_when_nothing_can_be_written(monkeypatch, error):
    """Ctrl-C also ends what reads the output: `python train.py | tee log`."""

    def refuse(*_):
        raise error

    monkeypatch.setattr(tqdm, "write", refuse)
    with Interrupt("saving") as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked


def test_ctrl_c_that_is_not_for_python_is_left_alone(monkeypatch):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts jobs in the background
    with Interrupt("saving") as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert not interrupt.asked and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(signal, "getsignal", lambda _: None)  # a handler of the program that Python is a part of
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("its handler was replaced"))
    with Interrupt("saving"):
        pass


def test_afterwards_the_handler_is_what_it_was():
    def mine(*_):
        pass

    signal.signal(signal.SIGINT, mine)
    with Interrupt("saving") as interrupt:
        assert not interrupt.asked and signal.getsignal(signal.SIGINT) is not mine
    assert signal.getsignal(signal.SIGINT) is mine
