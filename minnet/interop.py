"""Moving on: weights to and from PyTorch's names and layouts, and safetensors files, with NumPy alone.

    save_safetensors("model.safetensors", to_torch(model, input_shape=(32, 32, 3)))
    torch_model.load_state_dict(safetensors.torch.load_file("model.safetensors"))       (in PyTorch)
    from_torch(model, load_safetensors("theirs.safetensors")[0], input_shape=(32, 32, 3))

PyTorch's images are channels-first, (N, C, H, W), and its Linear computes x W^T + b. So
    Linear      W (in, out)          <->  weight (out, in)
    Conv2d      W (kh, kw, in, out)  <->  weight (out, in, kh, kw)
    norms       gamma, beta          <->  weight, bias
and where images become rows (Flatten) or rows become images (Reshape(H, W, C), there Unflatten(1, (C, H, W))), the
features are counted in the order C, H, W there, in the order H, W, C here.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from io import BufferedReader
from math import prod
from typing import Any

import numpy as np

from minnet.checkpoint import sound
from minnet.feature_order import feature_orders
from minnet.files import os_error, written_whole
from minnet.formatting import some
from minnet.layers import BatchNorm, Conv2d, Layer, Linear
from minnet.layers.description import is_own

NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
COUNTER = "num_batches_tracked"  # of BatchNorm in PyTorch; it only matters there with momentum=None
Names = Mapping[str, str | None]


def to_torch(model: Layer, input_shape: Any = None, names: Names | None = None) -> dict[str, np.ndarray]:
    """The model's parameters and buffers as a PyTorch `state_dict` of NumPy arrays (copies).

    `input_shape` is that of one example, (H, W, C), and is needed where a Flatten stands between images and Linear.
    The features that a model gives which ends in a Flatten are counted C, H, W there, and H, W, C here.
    A layer of your own keeps the names of its arrays, if it has them from no layer of the library.
    `names` says what layers are called in PyTorch: {"1": "conv1", "0": None} writes "conv1.weight" for "1.W" and
    leaves layer 0 out (Normalize, say, which PyTorch keeps outside the model); others keep their place: "4.weight".
    The name of a container stands before those of what is in it: {"1": "head"} writes "head.3.weight" for "1.3.W".
    """
    state: dict[str, np.ndarray] = {}
    for key, array, axes, orders, layer in _pairs(model, input_shape, names or {}):
        for axis, order in orders.items():
            array = array.take(np.argsort(order), axis)
        state[key] = array.transpose(axes).copy(order="C")
        if isinstance(layer, BatchNorm):
            state["".join(key.rpartition(".")[:2]) + COUNTER] = np.zeros((), np.int64)
    return state


def from_torch(model: Layer, state: Mapping[str, Any], input_shape: Any = None, names: Names | None = None) -> None:
    """Writes a PyTorch `state_dict` (tensors or arrays) into the model; the inverse of `to_torch`.

    Raises ValueError naming what is missing, unexpected or of another shape, before anything is written.
    """
    pairs = list(_pairs(model, input_shape, names or {}))
    if not isinstance(state, Mapping):
        raise ValueError(f"from_torch takes a state_dict, got {type(state).__name__}: pass module.state_dict()")
    found = {key: _array(value) for key, value in state.items() if key.rpartition(".")[2] != COUNTER}
    expected = {key: array.transpose(axes) for key, array, axes, _, _ in pairs}
    problems = [f"'{key}' is missing" for key in expected.keys() - found.keys()]
    problems += [f"'{str(key)[:80]}' is unexpected" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        mine, theirs = expected[key], found[key]
        if theirs.shape != mine.shape:
            problems.append(f"'{key}' is {theirs.shape}, expected {mine.shape}")
        elif theirs.dtype.kind != mine.dtype.kind:
            wanted = {"f": "floating-point numbers", "b": "truth values"}.get(mine.dtype.kind, "integers")
            problems.append(f"'{key}' is {theirs.dtype}, expected {wanted}")
    if problems:
        raise ValueError(f"the state does not fit the model: {some(sorted(problems))}")
    for key, array, axes, orders, _ in pairs:
        theirs = found[key].transpose(np.argsort(axes))
        for axis, order in orders.items():
            theirs = theirs.take(order, axis)
        array[...] = theirs


def _array(value: Any) -> np.ndarray:
    """A tensor as an array: learned or not, on any device, and of a precision that NumPy lacks (bfloat16) too."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        known = hasattr(np, str(value.dtype).removeprefix("torch."))
        value = value.float() if value.is_floating_point() and not known else value
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError("a masked array would lose its mask: give value.filled(...)")
    return np.asarray(value)


def _pairs(model: Layer, input_shape: Any, names: Names) -> Iterator[tuple[str, np.ndarray, Any, Any, Layer]]:
    """(PyTorch's key, our array, axes that turn ours into theirs, orders of its features, layer), for every array.

    `orders[axis][i]` is the place among PyTorch's features of our feature i; nothing where they agree.
    """
    orders = feature_orders(model, input_shape)
    unused = set(names)
    used: set[str] = set()
    for place, layer in model.walk():
        unused.discard(place.rstrip("."))
        prefix = _renamed(place.rstrip("."), names)
        if prefix is None:
            continue
        for name in layer.parameters + layer.buffers:
            array = getattr(layer, name)
            if array is None:
                continue
            axes: tuple[int, ...] = tuple(range(array.ndim))
            if isinstance(layer, Conv2d) and array.ndim == 4:
                axes = (3, 2, 0, 1)
            elif isinstance(layer, Linear) and array.ndim == 2:
                axes = (1, 0)
            moved = dict(orders.get(place, {}))
            if isinstance(layer, Linear) and name == "b":
                moved.pop(0, None)  # one number an output
            ours = any(name in getattr(kind, "parameters", ()) for kind in type(layer).__mro__ if not is_own(kind))
            key = f"{prefix}.{NAMES.get(name, name) if ours else name}".lstrip(".")
            if key in used:
                raise ValueError(f"names: two layers would be '{key}': give each a name of its own")
            used.add(key)
            yield key, array, axes, moved, layer
    if unused:
        raise ValueError(f"names: the model has no layer {min(unused)!r}; its layers are called by place, such as '1'")


def _renamed(place: str, names: Names) -> str | None:
    """A place as PyTorch calls it; None for what is left out. Of what has a name, the innermost around it counts."""
    if place in names or not place:
        return names.get(place, place)
    around, _, last = place.rpartition(".")
    prefix = _renamed(around, names)
    return prefix if prefix is None else f"{prefix}.{last}".lstrip(".")


# -- safetensors: eight bytes with the header's length, a JSON header, then the numbers (github.com/huggingface/
# safetensors, "Format"). Nothing in it can be executed, and every PyTorch user can read it.

DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BOOL": np.bool_,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes; the reference implementation's limit
METADATA = "__metadata__"


def save_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays or tensors (and texts) to a safetensors file; as a checkpoint, wholly or not at all."""
    if not isinstance(arrays, Mapping):
        raise ValueError(f"save_safetensors takes arrays by name, as to_torch(model) does; got {type(arrays).__name__}")
    arrays = {name: _array(value) for name, value in arrays.items()}
    codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    if not all(isinstance(text, str) for item in (metadata or {}).items() for text in item):
        raise ValueError("safetensors keeps texts by name in its metadata: turn other values into text")
    end = 0
    ordered = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))  # so that each stays aligned
    for name in ordered:
        array = arrays[name]
        if array.dtype.newbyteorder("=") not in codes or name == METADATA:
            raise ValueError(f"array '{name}' is {array.dtype}: safetensors holds {', '.join(map(str, codes))}")
        start, end = end, end + array.nbytes
        code = codes[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with written_whole(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in ordered:
            file.write(np.ascontiguousarray(arrays[name], arrays[name].dtype.newbyteorder("<")).data)


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(arrays, metadata) of a safetensors file; BF16, which NumPy does not have, becomes float32 (exactly).

    Raises OSError when the file cannot be read, ValueError in one line when anything in it is not as it must be:
    every byte belongs to exactly one array. Memory is only taken for what the file really holds.
    """
    try:
        with open(path, "rb") as file:
            return _parse(file)
    except MemoryError:  # that of this machine, now: the file may be sound
        raise
    except OSError as error:
        raise os_error(error, f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # JSON of any shape can hide in there
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is not a sound safetensors file: {reason}") from None


def _parse(file: BufferedReader) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    size = os.fstat(file.fileno()).st_size
    length = struct.unpack("<Q", file.read(8))[0]
    if length > min(LONGEST_HEADER, size - 8):
        raise ValueError(f"it claims a header of {length} bytes in a file of {size}")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise ValueError("its header is not a JSON object")
    header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_doubles)
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are not texts by name")
    arrays = {}
    begins = 0
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if about.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"array {name[:80]!r} has the keys {str(sorted(about))[:80]}")
        shape, (start, end) = about["shape"], about["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, end)):
            raise ValueError(f"array {name[:80]!r} has the shape {str(shape)[:80]} from {start} to {end}")
        half = about["dtype"] == "BF16"
        if not half and about["dtype"] not in DTYPES:
            raise ValueError(
                f"array {name[:80]!r} is {str(about['dtype'])[:20]}; known are {', '.join(DTYPES)} and BF16"
            )
        dtype = np.dtype(np.uint16 if half else DTYPES[about["dtype"]])
        if start != begins or end - start != prod(shape) * dtype.itemsize:
            raise ValueError(f"array {name[:80]!r} {dtype} {str(shape)[:80]} cannot stand at bytes {start} to {end}")
        begins = end
        if 8 + length + end > size:
            raise ValueError(f"array {name[:80]!r} ends at byte {8 + length + end} of {size}")
        array = np.empty(shape, dtype.newbyteorder("<"))
        if file.readinto(array.data) < array.nbytes:
            raise ValueError(f"it ends within array {name[:80]!r}")
        array = array.astype(dtype, copy=False)  # this machine's byte order
        arrays[name] = (array.astype(np.uint32) << 16).view(np.float32) if half else array
        if not sound(array):
            raise ValueError(f"array {name[:80]!r} holds what is no {dtype}")
    if 8 + length + begins != size:
        raise ValueError(f"{size - 8 - length - begins} bytes belong to no array")
    return arrays, metadata


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("two arrays have one name")
    return dict(pairs)
