"""What the grader and a student's process say to each other, as bytes: calls, arrays, numbers and text, no pickle.

A message is JSON, then the raw numbers of the arrays that it mentions.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, BinaryIO, NamedTuple

import numpy as np

LARGEST = 1 << 26  # bytes of one message, and of the arrays in it
TOO_LARGE = "an answer of more than 64 MiB"
KINDS = "biufcUS"


class Seed(NamedTuple):
    """Stands among the arguments of a call for a fresh numpy Generator of this seed."""

    value: int


class Call(NamedTuple):
    """One thing to do with the student's code.

    how: "call" (a function), "make" (an object of a class), "method", "do" (a method whose result does not matter),
    "set" or "get" (an attribute) of that object.
    """

    how: str
    name: str
    args: tuple[Any, ...] = ()


def pack(value: Any) -> bytes:
    """Any tree of dicts, lists, tuples, numbers, strings and arrays as bytes; TypeError names what cannot be sent."""
    arrays: list[Any] = []
    known: dict[Any, int] = {}

    def encode(item: Any) -> Any:
        if isinstance(item, (np.ndarray, np.generic)):
            array = np.asarray(item)
            if array.dtype.kind not in KINDS:
                raise TypeError(f"an array of {array.dtype}")
            array = np.ascontiguousarray(array).reshape(array.shape)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            key = (array.dtype.str, array.shape, array.tobytes())
            if key not in known:
                known[key] = len(arrays)
                arrays.append(key)
            return {"a": known[key]}
        if isinstance(item, Seed):
            return {"r": item.value}
        if isinstance(item, Call):
            return {"c": [item.how, item.name, encode(tuple(item.args))]}
        if item is None or isinstance(item, (bool, int, float, str)):
            return item
        if isinstance(item, tuple):
            return {"t": [encode(part) for part in item]}
        if isinstance(item, list):
            return [encode(part) for part in item]
        if isinstance(item, dict):
            return {"d": [[encode(key), encode(part)] for key, part in item.items()]}
        raise TypeError(f"a {type(item).__name__}")

    tree = encode(value)
    header = json.dumps({"tree": tree, "arrays": [[dtype, shape] for dtype, shape, _ in arrays]}).encode()
    body = b"".join(data for _, _, data in arrays)
    return struct.pack(">QQ", len(header), len(body)) + header + body


def unpack(data: bytes, most: float = float("inf")) -> Any:
    """What `pack` packed; ValueError when it is something else, or has arrays of more than so many bytes."""
    size, rest = struct.unpack(">QQ", data[:16])
    if len(data) != 16 + size + rest:
        raise ValueError("a message of another length than it says")
    header = json.loads(data[16 : 16 + size])
    arrays, start = [], 16 + size
    for name, shape in header["arrays"]:
        dtype = np.dtype(name)
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.kind not in KINDS:
            raise ValueError(f"an array of {dtype}")
        arrays.append(np.frombuffer(data, dtype, count, start).reshape(shape) if count else np.zeros(shape, dtype))
        start += count * dtype.itemsize
    total = 0

    def decode(item: Any) -> Any:
        nonlocal total
        if isinstance(item, str):
            return writable(item)
        if isinstance(item, list):
            return [decode(part) for part in item]
        if not isinstance(item, dict):
            return item
        ((kind, inner),) = item.items()
        if kind == "a":
            array = arrays[inner].copy()
            total += sys.getsizeof(array)  # an array is sent once, and may be there many times
            if total > most:
                raise ValueError(TOO_LARGE)
            return array
        if kind == "r":
            return Seed(inner)
        if kind == "c":
            return Call(inner[0], inner[1], decode(inner[2]))
        if kind == "t":
            return tuple(decode(part) for part in inner)
        return {decode(key): decode(part) for key, part in inner}

    return decode(header["tree"])


def writable(text: str) -> str:
    """Text without halves of a character, which no file takes."""
    return text.encode("utf-8", "replace").decode()


def read_message(stream: BinaryIO) -> Any:
    """The next message, or None at the end of the stream."""
    start = stream.read(16)
    if len(start) < 16:
        return None
    size, rest = struct.unpack(">QQ", start)
    if size + rest > LARGEST:
        raise ValueError(TOO_LARGE)
    return unpack(start + stream.read(size + rest), LARGEST)
