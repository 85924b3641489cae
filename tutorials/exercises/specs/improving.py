"""Improve: a network as good as a budget of epochs and multiply-adds allows, handed in with its settings."""

from __future__ import annotations

from collections.abc import Sequence

from tutorials.exercises.frame import Check, Exercise, call

NAMES = ("first", "second", "third")


def improve(
    id: str, title: str, minutes: int, epochs: int, multiply_adds: int, levels: Sequence[float], examples: int | None
) -> Exercise:
    """What is measured of a network is judged in the order of `checks`, see judge_network in improve.py."""
    one = [call("config")]
    reached = [
        Check(f"{name} level", f"the network names {level:.1%} of the images", 2, lambda rng: one)
        for name, level in zip(NAMES, levels, strict=True)
    ]
    return Exercise(
        id,
        f"Improve: {title}",
        minutes,
        "hard",
        ["config"],
        {"config": lambda: True},
        [
            Check("budget", "the budget is kept, and the checkpoint is of this network", 2, lambda rng: one, gate=True),
            *reached,
            Check(
                "again",
                "training again gives the same, within 2 points (done for a sample)",
                2,
                lambda rng: one,
                gate=True,
            ),
        ],
        [],
        lambda m: {"config": lambda: True},
        budget={
            "data": "digits",
            "examples": examples,
            "epochs": epochs,
            "multiply_adds": multiply_adds,
            "levels": list(levels),
        },
    )
