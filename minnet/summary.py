"""What a network is made of, and what a step of it costs, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.formatting import aligned, count
from minnet.layers.base import Layer, Step


def summary(model: Layer, input_shape: Any, batch_size: int = 1) -> str:
    """Layers, output shapes, parameters, multiply-adds and the memory of a training step.

    `input_shape` is the shape of one example, such as (32, 32, 3), or one example as a batch of one: an array or a
    CSR row, where zeros of the right type do not say enough. Multiply-adds are those of the matrix products in one
    example's forward pass. The memory is what `batch_size` examples in one piece need at least: the parameters, the
    gradients of those that learn (of a table, and behind a CSR row, only few rows get one: they are not counted), and
    every layer's output, which backward reads; an optimizer's state comes on top.
    """
    twin: Layer = model.replica().eval()  # its caches, not the model's: a backward pass may be under way
    x, (y, steps) = traced(twin, input_shape)
    rows = [("layer", "output shape", "parameters", "multiply-adds")]
    operations = 0
    for step in steps:
        parameters = sum(array.size for array in step.layer.named_parameters().values())
        cost = step.layer.multiply_adds(step.x_shape, step.y.shape)
        operations += cost
        what = f"{step.place} {type(step.layer).__name__}".strip()
        rows.append((what, _shape(step.y), f"{parameters:,}" if parameters else "", f"{cost:,}" if cost else ""))
    held = model.named_parameters().values()
    numbers, weights = sum(array.size for array in held), sum(array.nbytes for array in held)
    in_rows = [step.layer for step in steps if step.layer.in_rows]
    in_rows += [] if isinstance(x, np.ndarray) else [steps[0].layer]
    gradients = sum(getattr(layer, name).nbytes for _, layer, name in twin.trainable() if layer not in in_rows)
    activations = batch_size * (_bytes(x) + sum(step.y.nbytes for step in steps))
    rows.append(("all", _shape(y), f"{numbers:,}", f"{operations:,}"))
    lines = aligned(rows, left=2)
    rule = "-" * len(lines[0])
    learning = sum(getattr(layer, name).size for _, layer, name in model.trainable())
    still = f" ({numbers - learning:,} of the parameters are frozen)" if learning < numbers else ""
    return "\n".join([
        lines[0], rule, *lines[1:-1], rule, lines[-1],
        f"memory of a step with {count(batch_size, 'example')}: at least "
        f"{_megabytes(weights + gradients + activations)}, of it {_megabytes(activations)} for activations{still}",
    ])  # fmt: skip


def traced(model: Layer, example: Any) -> tuple[Any, tuple[np.ndarray, list[Step]]]:
    """(the example as a batch of one, what model.trace gives). A shape is filled with the first type that fits.

    `model` is a fresh replica: its caches show how far an input came.
    """
    if getattr(example, "ndim", 0):
        if example.shape[0] != 1:
            raise ValueError(
                f"input_shape is one example's shape, or one example as a batch of one; got {example.shape}: use x[:1]"
            )
        return example, model.trace(example)
    shape = (1, *example) if isinstance(example, (tuple, list)) else (1, example)
    furthest, reason = -1, ""
    for kind in (np.float32, np.float64, np.uint8, np.int64):  # features, images, token ids
        x = np.ones(shape, kind)
        try:
            return x, model.trace(x)
        except ValueError as error:
            passed = sum(layer._cache is not None for _, layer in model.walk())
            if passed > furthest:  # the type that comes furthest into the network is the one that was meant
                furthest, reason = passed, str(error)
    raise ValueError(f"no input of shape {shape} suits the model: {reason}")


def _shape(y: np.ndarray) -> str:
    return f"({', '.join(['N', *map(str, y.shape[1:])])})"


def _bytes(x: Any) -> int:
    return x.nbytes if isinstance(x, np.ndarray) else x.data.nbytes + x.indices.nbytes


def _megabytes(size: int) -> str:
    if size < 1e3:
        return count(size, "byte")
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def multiply_adds(model: Layer, input_shape: Any) -> int:
    """The number that `summary` shows for the whole network: multiply-adds of one example's forward pass."""
    _, (_, steps) = traced(model.replica().eval(), input_shape)
    return sum(step.layer.multiply_adds(step.x_shape, step.y.shape) for step in steps)
