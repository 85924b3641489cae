"""Named arrays and a JSON header in one file: written whole or not at all, read without trusting a byte of it.

The file is an .npz archive (numpy.load opens it too) with one uncompressed member per array and the header as
`header.json`. Nothing in it is ever executed: no pickle, and a model is rebuilt from classes that the caller has.
"""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np

from minnet import layers
from minnet.files import os_error, written_whole
from minnet.formatting import some
from minnet.layers.base import Layer
from minnet.layers.description import is_own, rebuild

FORMAT, VERSION = "minnet checkpoint", 1
HEADER = "header.json"
PIECE = 1 << 22  # bytes read at a time
KINDS = "biufU"  # of dtypes: bool, integers, floats, text of a fixed width


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Writes `arrays` and `header` to `path`; whatever happens, `path` holds the old content or the new.

    Raises OSError in one line when it cannot be written (full disk, no permission), and ValueError for a name that is
    no path inside an archive, an array that does not hold numbers, booleans or text, or a header that JSON cannot hold.
    """
    if not isinstance(arrays, Mapping):
        raise ValueError(f"save takes arrays by name, save(path, *model_to(model)); got {type(arrays).__name__}")
    check_names(arrays)
    for name, array in arrays.items():
        if not isinstance(array, (np.ndarray, np.generic)) or isinstance(array, np.ma.MaskedArray):
            raise ValueError(f"'{name}' is of the type {type(array).__name__}, no array: np.asarray makes one")
        if array.dtype.kind not in KINDS:
            raise ValueError(f"array '{name}' is {array.dtype}: a checkpoint holds numbers, booleans and text")
    try:
        described = json.dumps({"format": FORMAT, "version": VERSION, "arrays": list(arrays), "header": header})
    except TypeError as error:
        cure = "keep layers, text, numbers, or lists of them (array.tolist())"
        raise ValueError(f"no checkpoint can hold this header, {error}: {cure}") from None
    with written_whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), described)  # ZipInfo: a fixed date, so equal bytes
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, header) as `save` was given them, but for what JSON has not: tuples come back as lists, keys as text.

    Raises OSError when the file cannot be read, ValueError in one line when it is not a sound checkpoint. Memory
    is only taken for what the file really holds.
    """
    try:
        with open(path, "rb") as file:
            return _parse(file)
    except MemoryError:  # that of this machine, now: the file may be sound
        raise
    except Exception as error:  # a broken file makes parsers raise nearly anything, an offset of -1 this OSError:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise os_error(error, f"cannot read {path}: {error.strerror or error}") from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is not a sound checkpoint: {reason}") from None


def _parse(file: BinaryIO) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    size = os.fstat(file.fileno()).st_size
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError(f"member {member.filename[:80]!r} is compressed")
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"its members claim more bytes than the file's {size}")
        if len({member.filename for member in members}) < len(members):
            raise ValueError("two members have one name")
        if HEADER not in archive.namelist():
            raise ValueError(f"it has no {HEADER}")
        described = json.loads(archive.read(HEADER))
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise ValueError(f"its header is not that of a {FORMAT}")
        if described.get("version") != VERSION:
            raise ValueError(f"its version is {str(described.get('version'))[:20]}, this minnet reads {VERSION}")
        if not isinstance(described.get("header"), dict):
            raise ValueError("its header is not a JSON object")
        for member in members:
            if member.filename != HEADER:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or not _safe(name):
                    raise ValueError(f"{member.filename[:80]!r} cannot name an array")
                arrays[name] = _read_array(archive, member)
    if list(arrays) != described.get("arrays"):
        raise ValueError("it does not hold the arrays that its header lists")
    return arrays, described["header"]


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        try:
            shape, fortran, dtype = read[np.lib.format.read_magic(stream)](stream)
        except MemoryError:  # Python's parser says so, too, of what is nested too deeply
            raise ValueError(f"array {member.filename[:80]!r} has a header that cannot be parsed") from None
        if dtype.kind not in KINDS or dtype.itemsize == 0 or any(length < 0 for length in shape):
            raise ValueError(f"array {member.filename[:80]!r} is {dtype} {shape}: not numbers, booleans or text")
        held = member.file_size - stream.tell()
        if prod(shape) * dtype.itemsize != held:
            raise ValueError(f"array {member.filename[:80]!r} claims {dtype} {str(shape)[:80]} but has {held} bytes")
        flat = np.empty(prod(shape), dtype)
        into = flat.view(np.uint8).data
        for start in range(0, held, PIECE):  # never all of it twice; at its end the checksum is compared
            into[start : start + PIECE] = stream.read(PIECE)
    array = flat.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F" if fortran else "C")
    if not sound(array):
        raise ValueError(f"array {member.filename[:80]!r} holds what is no {dtype}")
    return array


def sound(array: np.ndarray) -> bool:
    """Whether every bit pattern means something: not all do in booleans and text."""
    if array.size and array.dtype.kind == "b":
        return bool(array.reshape(-1).view(np.uint8).max() <= 1)
    if array.size and array.dtype.kind == "U":
        return bool(array.reshape(-1).view(np.uint32).max() <= 0x10FFFF)
    return True


def check_names(names: Iterable[Any]) -> None:
    """Raises ValueError for what cannot name an array in a checkpoint."""
    for name in names:
        if not (isinstance(name, str) and _safe(name)):
            raise ValueError(
                f"{str(name)[:80]!r} cannot name an array in a checkpoint: use names such as 'model/0.W', and keys of "
                "letters, digits and _ for layers in a dictionary"
            )


def _safe(name: str) -> bool:
    """Whether a name stays inside a folder on every system, should anybody unpack the archive."""
    parts = name.split("/")
    return name.isprintable() and not set('\\:*?"<>|') & set(name) and not any(p in ("", ".", "..") for p in parts)


# -- models ----------------------------------------------------------------------------------------------------


def below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def model_to(model: Layer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, header) of a model: its parameters and buffers as "model/0.W", ...; its description and dtype.

    The arrays are the model's own, which training goes on changing: to remember them, copy each.
    """
    arrays = {f"model/{place}": array for place, array in _arrays_of(model).items()}
    return arrays, {"model": model.config(), "dtype": str(model_dtype(model))}


def model_from(
    arrays: dict[str, np.ndarray], header: dict[str, Any], classes: dict[str, type[Layer]] | None = None
) -> Layer:
    """The model that `model_to` described, from the layers of minnet.layers and the `classes` given."""
    exported = {name: getattr(layers, name) for name in layers.__all__}
    known = {name: kind for name, kind in exported.items() if isinstance(kind, type) and issubclass(kind, Layer)}
    try:
        _plausible(header["model"], sum(array.size for array in arrays.values()))
        model = rebuild(header["model"], known | (classes or {}))
        if header["dtype"] != str(model_dtype(model)):
            model.astype(np.dtype(header["dtype"]))
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # the description is data: whatever it makes a constructor raise is its own fault
        raise ValueError(f"no model can be built from the description: {type(error).__name__} {error}") from None
    load_model(model, arrays)
    return model


def check_model(model: Layer) -> None:
    """Raises ValueError for a model that could not be read from its checkpoint: better before it is trained.

    The library's layers always can. One's own are made once from what they keep, as `model_from` will do it.
    """
    check_names([f"model/{place}" for place in _arrays_of(model)])
    own = {type(layer).__name__: type(layer) for _, layer in model.walk() if is_own(type(layer))}
    if own:
        arrays, header = model_to(model)
        try:
            model_from(arrays, json.loads(json.dumps(header)), own)
        except ValueError as error:
            cure = "a constructor gets what its layer keeps under the arguments' names, self.n for n"
            raise ValueError(f"no checkpoint of this model could be read: {error} ({cure})") from None


def load_model(model: Layer, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays of `model_to` into the parameters and buffers of a model of the same architecture.

    Raises ValueError naming what is missing, unexpected or of another shape or dtype, before anything is written; and
    for the model's own arrays, which say nothing new.
    """
    if not isinstance(arrays, Mapping):
        raise ValueError(f"load_model takes the arrays by name, load(path)[0]; got {type(arrays).__name__}")
    found = below("model/", arrays)
    expected = _arrays_of(model)
    if not found and expected.keys() & arrays.keys():
        raise ValueError("the weights are named as '0.W', where load_model expects 'model/0.W', as of model_to(model)")
    if expected and all(found.get(place) is array for place, array in expected.items()):
        cure = "keep copies, {name: array.copy() for name, array in arrays.items()}"
        raise ValueError(f"these arrays are the model's own, which hold what it holds now: {cure}")
    problems = [f"'{place}' is missing" for place in expected.keys() - found.keys()]
    problems += [f"'{place[:80]}' is unexpected" for place in found.keys() - expected.keys()]
    for place in expected.keys() & found.keys():
        mine, theirs = expected[place], found[place]
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            problems.append(f"'{place}' is {theirs.dtype} {theirs.shape}, the model's {mine.dtype} {mine.shape}")
    if problems:
        raise ValueError(f"the weights do not fit the model: {some(sorted(problems))}")
    for place, array in expected.items():
        array[...] = found[place]


def model_dtype(model: Layer) -> np.dtype:
    """The dtype of a model's first floating-point parameter; float32 for a model without any."""
    floats = (array.dtype for array in _arrays_of(model).values() if array.dtype.kind == "f")
    return next(floats, np.dtype(np.float32))


def _arrays_of(model: Layer) -> dict[str, np.ndarray]:
    return model.named_parameters() | model.named_buffers()


# Building comes before loading, so a description of ten lines could ask for all memory there is. No sound checkpoint
# describes far more weights than it holds.
def _plausible(described: Any, held: int) -> None:
    if _asked(described) > 1000 * held + 10**6:
        cure = "if you trust the file, build the model yourself and give it the weights with load_model"
        raise ValueError(f"the description asks for {str(described)[:120]}, but only {held} numbers are stored: {cure}")


def _asked(described: Any) -> int:
    """More numbers than the library's layers described here would have, those inside them included.

    A convolution has a kernel for each pair of channels of one group; no other layer has many more weights than the
    product of its two largest whole numbers (Linear: exactly that). What a number means to a layer of one's own (a
    seed?) only its constructor knows, which is the caller's and no file's.
    """
    if isinstance(described, list):
        return sum(map(_asked, described))
    if not isinstance(described, dict):
        return 0
    if described.get("own"):
        asked = 0
    elif "in_channels" in described:
        kernel = _whole_numbers([described.get("kernel_size")])
        channels = _whole_numbers([described["in_channels"], described.get("out_channels")])
        groups = _whole_numbers([described.get("groups")])
        asked = prod([*kernel, *channels, *(kernel if len(kernel) == 1 else [])]) // max([1, *groups])
    else:
        asked = prod(sorted(_whole_numbers(described.values()))[-2:])
    return max(asked, 0) + sum(map(_asked, described.values()))


def _whole_numbers(values: Any) -> list[int]:
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [item for item in flat if isinstance(item, int)]
