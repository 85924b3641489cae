"""What holds for all tests."""

import signal
from unittest import mock

import pytest

from minnet import winograd

FEW_TILES = winograd.FEW_TILES


@pytest.fixture(scope="session", autouse=True)
def winograd_for_few_tiles():
    """Small batches of small images, which tests are made of, take Winograd's path as large ones do."""
    with mock.patch.object(winograd, "FEW_TILES", 1):
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """Also where the tests run in the background, and the system ignores it there and in all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def usual_handler():
    """Ctrl-C does what it usually does, and what a test finds when it begins is there when it ends, whatever went wrong
    between."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
