"""What holds for all tests."""

from unittest import mock

import pytest

from minnet import winograd

FEW_TILES = winograd.FEW_TILES


@pytest.fixture(scope="session", autouse=True)
def winograd_for_few_tiles():
    """Small batches of small images, which tests are made of, take Winograd's path as large ones do."""
    with mock.patch.object(winograd, "FEW_TILES", 1):
        yield
