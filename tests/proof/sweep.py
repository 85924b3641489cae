"""Gradient checks of correct layers and losses, new ones in every run: an alarm would be a false one.

    python -m tests.proof.sweep --examples 100

prints how many layers, losses and gradients were checked. Each case is what the contract tests draw: any shape and
setting, inputs of sizes from a thousandth to a thousand, in both modes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnet.commands import one_line_errors, positive
from minnet.gradcheck import gradcheck, gradcheck_loss
from tests import test_layers_contract, test_losses_contract
from tests.drawing import SEEDS


def sweep(name: str, strategy: Any, examples: int, is_loss: bool) -> tuple[int, int]:
    """(cases, gradients) that passed; raises at the first alarm."""
    counted = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy, st.sampled_from([1e-3, 0.1, 1.0, 30.0, 1e3]), SEEDS, st.booleans())
    def check(case: Any, size: float, seed: int, training: bool) -> None:
        thing, x, *targets = case
        if is_loss:
            report = gradcheck_loss(thing, x, *targets, seed=seed)
        else:
            if name != "Normalize" and isinstance(x, np.ndarray) and x.dtype.kind == "f":
                x = size * x
            report = gradcheck(thing.train(training), x, seed=seed)
        counted.update(cases=1, gradients=len(report))

    try:
        check()
    except ValueError as alarm:  # to be seen whole: no mistake of whoever started this
        raise AssertionError(f"{name}: an alarm") from alarm
    return counted["cases"], counted["gradients"]


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description="Look for false alarms of the gradient check.")
    parser.add_argument("--examples", type=positive, default=100, help="of each kind of layer (default: %(default)s)")
    options = parser.parse_args()
    total = Counter()
    kinds = [(name, case[1], False) for name, case in test_layers_contract.CASES.items()]
    kinds += [(cls.__name__, strategy, True) for cls, strategy in test_losses_contract.CASES.items()]
    for name, strategy, is_loss in kinds:
        cases, gradients = sweep(name, strategy, options.examples, is_loss)
        total.update(cases=cases, gradients=gradients)
        print(f"{name:36}{cases:>6} cases{gradients:>7} gradients", flush=True)
    print(f"{'no alarm in':36}{total['cases']:>6} cases{total['gradients']:>7} gradients")


if __name__ == "__main__":
    main()
