"""Small folders in the layouts that the datasets come in, and the real data where there is some."""

import os
from pathlib import Path

import numpy as np
import pytest

from minnet.data import readers


@pytest.fixture
def cifar_folder(tmp_path):
    """A data folder with CIFAR-10 in its binary layout, 40 images a batch; each class four times a batch."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name in [f"data_batch_{index}.bin" for index in range(1, 6)] + ["test_batch.bin"]:
        records = rng.integers(0, 256, (40, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(40) % 10
        (folder / name).write_bytes(records.tobytes())
    return tmp_path


@pytest.fixture
def tweet_folder(tmp_path):
    """A data folder with tweets in TweetEval's layout: 30, 10 and 20 of them."""
    folder = tmp_path / "tweeteval" / "sentiment"
    folder.mkdir(parents=True)
    for part, count in (("train", 30), ("val", 10), ("test", 20)):
        lines = [f"tweet {index} of {part}" for index in range(count)]
        (folder / f"{part}_text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"{part}_labels.txt").write_text("".join(f"{index % 3}\n" for index in range(count)))
    return tmp_path


@pytest.fixture
def vader_folder(tmp_path):
    """A data folder in vader's layout: 40 sentences of each domain, by turns pleased, neither, and displeased."""
    folder = tmp_path / "vader"
    folder.mkdir()
    for domain, name in readers.VADER_DOMAINS.items():
        lines = [f"{number}\t{(3, 0, -3)[number % 3]}\tsentence {number} of {domain}" for number in range(40)]
        (folder / name).write_bytes("\r\n".join(lines).encode())
    (folder / readers.VADER_LEXICON).write_text("great\t3.1\n")
    return tmp_path


@pytest.fixture
def this_machine_without_proxy(monkeypatch):
    """Addresses of this machine are asked directly, whatever proxy the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def real_data():
    """`real_data("vader")`: the folder that MINNET_DATA names, if it has that dataset; else the test is skipped."""

    def folder_with(relative):
        folder = os.environ.get("MINNET_DATA")
        if not folder or not (Path(folder) / relative).is_dir():
            pytest.skip(f"needs real data: MINNET_DATA must name a folder with {relative}")
        return Path(folder)

    return folder_with
