"""Moving on: weights to and from PyTorch's names and layouts, and safetensors files, with NumPy alone.

    save_safetensors("model.safetensors", to_torch(model, input_shape=(32, 32, 3)))
    torch_model.load_state_dict(safetensors.torch.load_file("model.safetensors"))       (in PyTorch)
    from_torch(model, load_safetensors("theirs.safetensors")[0], input_shape=(32, 32, 3))

PyTorch's images are channels-first, (N, C, H, W), and its Linear computes x W' + b. So
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
from math import prod
from typing import Any

import numpy as np

from minnet.checkpoint import os_error, sound, written_whole
from minnet.formatting import some
from minnet.layers import BatchNorm, Conv2d, Flatten, Layer, LayerNorm, Linear, Reshape, Sequential
from minnet.summary import traced

NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
COUNTER = "num_batches_tracked"  # of BatchNorm in PyTorch; it only matters there with momentum=None
Names = Mapping[str, str | None]


def to_torch(model: Layer, input_shape: Any = None, names: Names | None = None) -> dict[str, np.ndarray]:
    """The model's parameters and buffers as a PyTorch `state_dict` of NumPy arrays (copies).

    `input_shape` is that of one example, (H, W, C), and is needed where a Flatten stands between images and Linear.
    `names` says what layers are called in PyTorch: {"1": "conv1", "0": None} writes "conv1.weight" for "1.W" and
    leaves layer 0 out (Normalize, say, which PyTorch keeps outside the model); others keep their place: "4.weight".
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
    expected = {key: tuple(array.shape[axis] for axis in axes) for key, array, axes, _, _ in pairs}
    problems = [f"'{key}' is missing" for key in expected.keys() - found.keys()]
    problems += [f"'{str(key)[:80]}' is unexpected" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        if found[key].shape != expected[key]:
            problems.append(f"'{key}' is {found[key].shape}, expected {expected[key]}")
        elif found[key].dtype.kind != "f":
            problems.append(f"'{key}' is {found[key].dtype}, expected floating-point numbers")
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
        value = value.double() if value.is_floating_point() else value
    return np.asarray(value)


def _pairs(model: Layer, input_shape: Any, names: Names) -> Iterator[tuple[str, np.ndarray, Any, Any, Layer]]:
    """(PyTorch's key, our array, axes that turn ours into theirs, orders of its features, layer), for every array.

    `orders[axis][i]` is the place among PyTorch's features of our feature i; nothing where they agree.
    """
    orders = _orders(model, input_shape)
    unused = set(names)
    used: set[str] = set()
    for place, layer in model.walk():
        own = place.rstrip(".")
        unused.discard(own)
        prefix = names.get(own, own)
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
            key = f"{prefix}.{NAMES.get(name, name)}".lstrip(".")
            if key in used:
                raise ValueError(f"names: two layers would be '{key}': give each a name of its own")
            used.add(key)
            yield key, array, axes, moved, layer
    if unused:
        raise ValueError(f"names: the model has no layer {min(unused)!r}; its layers are called by place, such as '1'")


# A feature of a flattened image stands at h W C + w C + c here and at c H W + h W + w in PyTorch. Layers that work
# on each feature alone keep the order, the next Linear sums it away.
def _orders(model: Layer, input_shape: Any) -> dict[str, dict[int, np.ndarray]]:
    """For every layer whose features come from a flattened image (axis 0 of its arrays) or become an image (axis -1),
    by place: where PyTorch has each of them."""
    orders: dict[str, dict[int, np.ndarray]] = {}
    shapes: dict[str, tuple[int, ...]] | None = None
    for number, chain in enumerate(_chains("", model)):
        order = None
        for place, layer in chain:
            if isinstance(layer, Flatten) or (isinstance(layer, Reshape) and len(layer.shape) == 1):
                shapes = _flattened_shapes(model, input_shape) if shapes is None else shapes
                if place not in shapes:
                    raise ValueError(
                        f"{layer!r} at '{place}' lies in a layer of your own: its input's shape is not known here"
                    )
                if len(shapes[place]) == 3:
                    order = _order(*shapes[place])
            elif order is not None and isinstance(layer, (Linear, BatchNorm, LayerNorm)):
                orders[place] = {0: order}
                order = None if isinstance(layer, Linear) else order
            elif order is not None and (
                layer.children() or layer.parameters or layer.buffers or isinstance(layer, Reshape)
            ):
                raise ValueError(
                    f"{layer!r} at '{place}' follows a Flatten: the order of its features is not known here"
                )
        if order is not None and number > 0:
            raise ValueError(
                f"the Flatten before '{chain[-1][0]}' has no Linear in its branch: put one behind it there"
            )
        for place, images in _becoming_images(chain, None if number == 0 else model):
            orders.setdefault(place, {})[-1] = images
    return orders


def _order(h: int, w: int, c: int) -> np.ndarray:
    return np.arange(h * w * c).reshape(c, h, w).transpose(1, 2, 0).reshape(-1)


def _becoming_images(chain: list[tuple[str, Layer]], source: Layer | None) -> Iterator[tuple[str, np.ndarray]]:
    """(place, order) of each Linear, and of the norms behind it, whose row of outputs a Reshape makes an image of.

    `source` is what the chain's input comes from, None for the user's own.
    """
    row: list[str] = []
    for place, layer in chain:
        if isinstance(layer, Reshape) and len(layer.shape) == 3:
            if row and isinstance(source, Linear):
                order = _order(*np.empty(source.out_features).reshape(layer.shape).shape)
                yield from ((name, order) for name in row)
            # images and sequences stay in order as long as they keep their channels, which W has along its last axis
            elif source is not None and layer.shape[2] not in (1, *getattr(source, "W", np.empty(())).shape[-1:]):
                raise ValueError(
                    f"{layer!r} at '{place}' makes images of features whose order is not known here: "
                    "put a Linear before it"
                )
            row = []
        elif isinstance(layer, Linear):
            row, source = [place], layer
        elif isinstance(layer, (BatchNorm, LayerNorm)):
            row += [place] if row else []
        elif layer.parameters or layer.children():
            row, source = [], layer


def _chains(place: str, layer: Layer) -> list[list[tuple[str, Layer]]]:
    """The sequences in which layers follow one another: nested Sequentials joined, other containers start anew."""
    if not isinstance(layer, Sequential):
        inner = [chain for name, child in layer.children().items() for chain in _chains(f"{place}{name}.", child)]
        return [[(place, layer)], *inner]
    line: list[tuple[str, Layer]] = []
    others: list[list[tuple[str, Layer]]] = []
    for name, child in layer.children().items():
        first, *rest = _chains(f"{place}{name}.", child)
        line += first
        others += rest
    return [line, *others]


def _flattened_shapes(model: Layer, input_shape: Any) -> dict[str, tuple[int, ...]]:
    """What every layer gets, without the batch axis: found by sending an example through a copy."""
    if input_shape is None:
        raise ValueError("the model flattens: give input_shape, that of one example, such as (H, W, C)")
    _, (_, steps) = traced(model.replica().eval(), input_shape)
    return {f"{step.place}." if step.place else "": step.x_shape[1:] for step in steps}


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
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays (and texts) to a safetensors file; as a checkpoint, wholly or not at all."""
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
            content = file.read()
    except OSError as error:
        raise os_error(error, f"cannot read {path}: {error.strerror or error}") from None
    try:
        return _parse(content)
    except Exception as error:  # JSON of any shape can hide in there
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is not a sound safetensors file: {reason}") from None


def _parse(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    length = struct.unpack_from("<Q", content)[0]
    if length > min(LONGEST_HEADER, len(content) - 8):
        raise ValueError(f"it claims a header of {length} bytes in a file of {len(content)}")
    if content[8:9] != b"{":
        raise ValueError("its header is not a JSON object")
    header = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=_without_doubles)
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
        if 8 + length + end > len(content):
            raise ValueError(f"array {name[:80]!r} ends at byte {8 + length + end} of {len(content)}")
        array = np.frombuffer(content, dtype.newbyteorder("<"), prod(shape), 8 + length + start).reshape(shape)
        array = array.astype(dtype)  # a copy that can be written to, in this machine's byte order
        arrays[name] = (array.astype(np.uint32) << 16).view(np.float32) if half else array
        if not sound(array):
            raise ValueError(f"array {name[:80]!r} holds what is no {dtype}")
    if 8 + length + begins != len(content):
        raise ValueError(f"{len(content) - 8 - length - begins} bytes belong to no array")
    return arrays, metadata


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("two arrays have one name")
    return dict(pairs)
