"""ONNX's own test cases of the operators that minnet has, run by minnet: `python -m tests.proof.test_onnx` counts them.

The cases come with the onnx package (the version is pinned in pyproject.toml), inputs and expected outputs included;
its expanded variants, which spell an operator out in smaller ones, are not counted. A case passes when all of its
outputs have the expected shape and dtype and lie within the case's own tolerances, as in ONNX's test runner.
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

from minnet.commands import one_line_errors
from tests.proof.onnx_backend import OPERATORS, Unsupported, run_node

THREE_DIMENSIONS = "three dimensions: minnet has images only"
DILATED_POOLING = "pooling with gaps in its window: minnet's has no dilation"
INDICES = "also asks where the maximum stood: minnet does not say"
TANH_GELU = "GELU by its tanh approximation: minnet computes the exact one"
BIASED = "running variance moves to the biased variance in ONNX, to the unbiased one in minnet (as in PyTorch)"

# Every case that does not pass, and why.
REASONS = {
    "test_averagepool_2d_dilations": DILATED_POOLING,
    "test_averagepool_3d_default": THREE_DIMENSIONS,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False": THREE_DIMENSIONS,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True": THREE_DIMENSIONS,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False": THREE_DIMENSIONS,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True": THREE_DIMENSIONS,
    "test_averagepool_3d_dilations_small": THREE_DIMENSIONS,
    "test_batchnorm_epsilon_training_mode": BIASED,
    "test_batchnorm_example_training_mode": BIASED,
    "test_gelu_tanh_1": TANH_GELU,
    "test_gelu_tanh_2": TANH_GELU,
    "test_gemm_default_matrix_bias": "a bias of its own for every example is no Linear layer",
    "test_maxpool_2d_dilations": DILATED_POOLING,
    "test_maxpool_2d_uint8": "integer type: layers compute in floating point",
    "test_maxpool_3d_default": THREE_DIMENSIONS,
    "test_maxpool_3d_dilations": THREE_DIMENSIONS,
    "test_maxpool_3d_dilations_use_ref_impl": THREE_DIMENSIONS,
    "test_maxpool_3d_dilations_use_ref_impl_large": THREE_DIMENSIONS,
    "test_maxpool_with_argmax_2d_precomputed_pads": INDICES,
    "test_maxpool_with_argmax_2d_precomputed_strides": INDICES,
}


@functools.cache
def cases() -> list[Any]:
    """ONNX's cases of one node each whose operator minnet has; about ten seconds."""
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install -e .[proof]")
    from onnx.backend.test.case.node import collect_testcases

    state = np.random.get_state()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # casts of other operators overflow on purpose
        collected = collect_testcases()
    np.random.set_state(state)  # noqa: NPY002
    found = []
    for case in collected:
        nodes = case.model.graph.node
        if "_expanded" not in case.name and len(nodes) == 1 and nodes[0].op_type in OPERATORS:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
            found.append((case.name, nodes[0].op_type, attributes, case))
    return sorted(found, key=lambda item: item[0])


def failure(op: str, attributes: dict[str, Any], case: Any) -> str | None:
    """Why a case fails; None when it passes."""
    for inputs, expected in case.data_sets:
        given = [np.array(array) for array in inputs]
        try:
            outputs = run_node(op, attributes, given)
        except Unsupported as reason:
            return str(reason)
        if len(outputs) < len(expected):
            return f"{len(expected)} outputs asked for, {len(outputs)} there are"
        for ours, theirs in zip(outputs, expected, strict=False):
            if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
                return f"{ours.dtype} {ours.shape} instead of {theirs.dtype} {theirs.shape}"
            if not np.allclose(ours, theirs, rtol=case.rtol, atol=case.atol, equal_nan=True):
                return f"off by {np.abs(ours - theirs).max():.3g}"
        if not all(np.array_equal(a, b) for a, b in zip(given, inputs, strict=True)):
            return "an input was changed"
    return None


def test_every_case_passes_or_says_why_not():
    wrong = {}
    for name, op, attributes, case in cases():
        why = failure(op, attributes, case)
        if (why is None) == (name in REASONS):
            wrong[name] = why or "passes, though it is listed"
    assert not wrong


def test_at_least_four_fifths_pass():
    names = {name for name, *_ in cases()}
    assert set(REASONS) <= names
    assert {op for _, op, *_ in cases()} == set(OPERATORS)
    assert len(names) >= 170 and (len(names) - len(REASONS)) / len(names) >= 0.8


@one_line_errors
def main() -> None:
    tried, passed = Counter(), Counter()
    for _, op, attributes, case in cases():
        tried[op] += 1
        passed[op] += failure(op, attributes, case) is None
    for op in OPERATORS:
        print(f"{op:26}{passed[op]:>4} of {tried[op]:>3}")
    print(f"{'ONNX node tests passed:':26}{sum(passed.values()):>4} of {sum(tried.values()):>3}")
    for name, reason in REASONS.items():
        print(f"  not {name[len('test_') :]}: {reason}")


if __name__ == "__main__":
    main()
