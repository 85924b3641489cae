"""Answers to the core exercises, written from the stubs alone before any recogniser of mistakes was written.

Each module has RIGHT: {title: source} and WRONG: {title: (what is wrong with it, source)}, where what is wrong is one
slug, or two for an answer with two mistakes. They measure the grader: right ones must not lose a point, and wrong ones
should be called by their name, or by none.
"""

from __future__ import annotations

from importlib import import_module

EXERCISES = (
    "e01_softmax", "e02_softmax_backward", "e03_cross_entropy", "e04_linear", "e05_relu", "e06_conv2d",
    "e07_max_pool2d", "e08_batch_norm", "e09_dropout", "e10_adam", "e11_f1", "e12_embedding",
)  # fmt: skip
HEAD = "import numpy as np\n"


def right() -> list[tuple[str, str, str]]:
    """(exercise, title, source) of every right answer."""
    return [(id, title, HEAD + text) for id in EXERCISES for title, text in _module(id).RIGHT.items()]


def wrong() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(exercise, title, what is wrong, source) of every wrong answer."""
    return [
        (id, title, tuple(slugs.split()), HEAD + text)
        for id in EXERCISES
        for title, (slugs, text) in _module(id).WRONG.items()
    ]


def _module(id: str):
    return import_module(f"tests.exercises.answers.{id}")
