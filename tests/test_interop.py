import errno
import json
import os
import random
import struct
import tracemalloc
from unittest import mock

import numpy as np
import pytest

from minnet.checkpoint import model_from, model_to
from minnet.interop import from_torch, load_safetensors, save_safetensors, to_torch
from minnet.layers import (
    AttentionPool,
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    Normalize,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Sequential,
)
from minnet.models import cnn6, mlp, resnet, text_cnn

# -- the same networks in PyTorch's layout, (N, C, H, W), computed by definition -------------------------------


def conv(x, state, name, stride=1, padding=0, groups=1):
    weight = state[f"{name}.weight"]  # (out, in/groups, kh, kw)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out, inner, kh, kw = weight.shape
    height, width = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    y = np.zeros((len(x), out, height, width))
    for k, i, j in np.ndindex(out, height, width):
        first = k // (out // groups) * inner
        window = x[:, first : first + inner, i * stride : i * stride + kh, j * stride : j * stride + kw]
        y[:, k, i, j] = (window * weight[k]).sum(axis=(1, 2, 3))
    return y + state[f"{name}.bias"][:, None, None] if f"{name}.bias" in state else y


def norm(x, state, name):
    shape = (-1, 1, 1) if x.ndim == 4 else (-1,)
    mean, var = state[f"{name}.running_mean"].reshape(shape), state[f"{name}.running_var"].reshape(shape)
    u = (x - mean) / np.sqrt(var + 1e-5)
    return u * state[f"{name}.weight"].reshape(shape) + state[f"{name}.bias"].reshape(shape)


def linear(x, state, name):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def pool(x):
    n, c, h, w = x.shape
    return x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def shaken(model, seed=0):
    """Every parameter and statistic gets its own value, so that no mix-up goes unnoticed."""
    rng = np.random.default_rng(seed)
    for place, array in (model.named_parameters() | model.named_buffers()).items():
        array[...] = rng.uniform(0.5, 1.5, array.shape) if "var" in place else rng.uniform(-1, 1, array.shape)
    return model.astype(np.float64).eval()


def images(shape=(4, 7, 6, 3)):
    return np.random.default_rng(1).standard_normal(shape)


def test_a_network_gives_the_same_in_the_other_layout():
    model = shaken(
        Sequential(
            Conv2d(3, 4, 3, padding=1, bias=False),
            BatchNorm(4),
            ReLU(),
            MaxPool2d(2),
            Residual(Sequential(Conv2d(4, 4, (1, 3), padding=(0, 1)), ReLU()), Conv2d(4, 4, 1, groups=2)),
            Sequential(ReLU(), Sequential(Flatten(), Dropout(0.5))),
            BatchNorm(36),
            ReLU(),
            LayerNorm(36),
            Linear(36, 8),
            ReLU(),
            BatchNorm(8),
            Linear(8, 5),
        )
    )
    x = images()
    state = to_torch(model, input_shape=(7, 6, 3))
    y = np.maximum(norm(conv(x.transpose(0, 3, 1, 2), state, "0", padding=1), state, "1"), 0)
    y = pool(y)
    inner = np.pad(y, ((0, 0), (0, 0), (0, 0), (1, 1)))
    inner = np.maximum(conv(inner, state, "4.body.0"), 0)
    y = np.maximum(inner + conv(y, state, "4.shortcut", groups=2), 0)
    y = y.reshape(len(y), -1)  # the order C, H, W
    y = np.maximum(norm(y, state, "6"), 0)
    y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
    y = y * state["8.weight"] + state["8.bias"]
    y = linear(norm(np.maximum(linear(y, state, "9"), 0), state, "11"), state, "12")
    assert np.abs(y - model.forward(x)).max() < 1e-12
    assert state["4.body.0.weight"].shape == (4, 4, 1, 3)
    assert state["4.shortcut.weight"].shape == (4, 2, 1, 1)
    assert state["9.weight"].shape == (8, 36)
    assert state["1.num_batches_tracked"].shape == ()
    assert all(array.flags.c_contiguous and array.base is None for array in state.values())

    again = model_from(*model_to(model))
    for array in (again.named_parameters() | again.named_buffers()).values():
        array[...] = 0.5
    from_torch(again, state, input_shape=(7, 6, 3))
    assert np.array_equal(again.eval().forward(x), model.forward(x))
    for place, array in again.named_parameters().items():
        assert np.array_equal(array, model.named_parameters()[place]), place
        assert array.flags.c_contiguous


def test_rows_that_become_images():
    """The decoder of an autoencoder: PyTorch's Unflatten(1, (C, H, W)) after the same Linear gives the same images."""
    for behind in ((), (BatchNorm(36), ReLU(), LayerNorm(36))):
        model = shaken(
            Sequential(
                Conv2d(3, 2, 3), Flatten(), Linear(40, 36), *behind, Dropout(0.5), Reshape(3, -1, 3), Conv2d(3, 2, 2)
            )
        )
        x = images()
        state = to_torch(model, input_shape=(7, 6, 3))
        y = linear(conv(x.transpose(0, 3, 1, 2), state, "0").reshape(len(x), -1), state, "2")
        if behind:
            y = np.maximum(norm(y, state, "3"), 0)
            y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
            y = y * state["5.weight"] + state["5.bias"]
        y = conv(y.reshape(len(x), 3, 3, 4), state, str(len(model) - 1))
        assert np.abs(y.transpose(0, 2, 3, 1) - model.forward(x)).max() < 1e-12
        again = model_from(*model_to(model))
        for array in (again.named_parameters() | again.named_buffers()).values():
            array[...] = 0.5
        from_torch(again, state, input_shape=(7, 6, 3))
        assert np.array_equal(again.eval().forward(x), model.forward(x))
    lone = Sequential(Linear(2, 12, bias=False), Reshape(2, 2, 3), Conv2d(3, 1, 1))
    assert np.array_equal(to_torch(lone)["0.weight"][:4].T, lone[0].W[:, ::3]), "the first channel of all four places"


def test_images_that_keep_their_channels_keep_their_order():
    for layers in (
        (Embedding(9, 3), Reshape(-1, 1, 3)),
        (Conv2d(3, 4, 3), ReLU(), Reshape(9, 1, 4)),
        (Linear(6, 5), Reshape(1, 1, 5)),
        (Linear(6, 8), Reshape(4, 2, 1)),
        (Reshape(2, 3, 4), Conv2d(4, 2, 1)),
    ):
        model = Sequential(*layers)
        state = to_torch(model)
        for place, array in model.named_parameters().items():
            theirs = state[place.replace("W", "weight").replace("b", "bias")]
            axes = {4: (2, 3, 1, 0), 2: (1, 0) if isinstance(layers[0], Linear) else (0, 1)}.get(array.ndim)
            assert np.array_equal(theirs.transpose(axes), array)


def test_the_zoo_goes_there_and_back():
    mean, std = [120.0, 110.0, 100.0], [60.0, 61.0, 62.0]
    cases = [
        (cnn6((8, 8, 3), 10, mean, std, widths=(4, 6, 8)), (8, 8, 3), {"0": None}),
        (mlp((8, 8, 3), 10, mean, std, widths=(16,)), (8, 8, 3), {"0": None, "2": "hidden", "4": "output"}),
        (resnet((8, 8, 3), 10, mean, std, widths=(4, 6)), (8, 8, 3), None),
        (text_cnn(50, 3, dimensions=8, filters=4), None, {"0": "embedding"}),
    ]
    for model, shape, names in cases:
        before = {place: array.copy() for place, array in model.named_parameters().items()}
        state = to_torch(model, shape, names)
        assert not any(key.startswith("0.") for key in state if names)
        if names and "2" in names:
            assert {"hidden.weight", "hidden.bias", "output.weight", "output.bias"} == set(state)
            assert state["hidden.weight"][3, 1] == before["2.W"][3, 3], "(c, h, w) = (0, 0, 1)"
        for array in model.named_parameters().values():
            array[...] = 0
        from_torch(model, state, shape, names)
        for place, array in model.named_parameters().items():
            assert np.array_equal(array, before[place]), place


def test_one_layer_alone_and_layers_without_a_counterpart():
    layer = Linear(3, 2)
    assert set(to_torch(layer)) == {"weight", "bias"}
    assert set(to_torch(BatchNorm(2))) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    assert np.array_equal(to_torch(Embedding(4, 3, rng=0))["weight"], Embedding(4, 3, rng=0).W)
    assert to_torch(AttentionPool(3))["weight"].shape == (3,)
    assert set(to_torch(Sequential(Normalize([1.0], [2.0])))) == {"0.scale", "0.shift"}
    assert set(to_torch(layer, names={"": "fc"})) == {"fc.weight", "fc.bias"}
    assert set(to_torch(Linear(3, 2, bias=False))) == {"weight"}


def test_the_name_of_a_container_stands_before_those_in_it():
    model = Sequential(
        Sequential(Conv2d(3, 4, 3), ReLU()), Sequential(GlobalAvgPool(), Residual(Linear(4, 4)), Linear(4, 2))
    )
    names = {"0": "features", "1": "classifier", "1.2": "fc"}
    linear = ("classifier.1.body", "fc")
    keys = {f"{layer}.{name}" for layer in ("features.0", *linear) for name in ("weight", "bias")}
    state = to_torch(model, names=names)
    assert set(state) == keys
    assert set(to_torch(model, names={"": "net", "0": None})) == {
        f"net.{layer}.{name}" for layer in ("1.1.body", "1.2") for name in ("weight", "bias")
    }
    assert set(to_torch(model, names={"0": None, "1": None, "1.2": "fc"})) == {"fc.weight", "fc.bias"}
    model[1][2].W[...] = 0
    from_torch(model, state, names=names)
    assert np.array_equal(model[1][2].W.T, state["fc.weight"]) and model[1][2].W.any()


def test_where_no_order_needs_to_change():
    for model, shape in (
        (Sequential(GlobalAvgPool(), Linear(3, 2)), None),
        (Sequential(Conv2d(3, 4, 5), Flatten(), Linear(4, 2)), (5, 5, 3)),
    ):
        state = to_torch(model, shape)
        assert np.array_equal(state[list(state)[-2]].T, model[-1].W)
    model = Sequential(Conv2d(3, 4, 3), Flatten(), Linear(36, 2))
    state = to_torch(model, (5, 5, 3))
    model.layers = (model[0], Reshape(-1), model[2])  # flattens, too
    assert all(np.array_equal(array, state[place]) for place, array in to_torch(model, (5, 5, 3)).items())
    text = Sequential(Embedding(9, 2), Flatten(), Linear(6, 2))
    with pytest.raises(ValueError, match="give input_shape"):
        to_torch(text)
    assert np.array_equal(to_torch(text, (3,))["2.weight"].T, text[2].W)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Sequential(Flatten(), Residual(Linear(12, 12)), Linear(12, 2)), "follows a Flatten: the order"),
        (Sequential(Flatten(), Reshape(2, 6), AttentionPool(6)), "follows a Flatten: the order"),
        (Sequential(Parallel(Sequential(Flatten(), ReLU()), Flatten()), Linear(24, 2)), "no Linear in its branch"),
        (Sequential(Flatten(), Reshape(2, 2, 3), GlobalAvgPool(), Linear(3, 2)), "follows a Flatten: the order"),
        (Sequential(Flatten(), Linear(12, 12), Residual(Linear(12, 12)), Reshape(2, 2, 3)), "whose order is not known"),
        (
            Sequential(Flatten(), Linear(12, 8), Parallel(Reshape(2, 2, 2))),
            "whose order is not known here: put a Linear",
        ),
        (Sequential(Conv2d(3, 8, 1), GlobalAvgPool(), Reshape(2, 2, 2)), "makes images of features"),
    ],
)
def test_orders_that_cannot_be_known(model, said):
    with pytest.raises(ValueError, match=said):
        to_torch(model, (2, 2, 3))


def test_a_state_that_does_not_fit_changes_nothing():
    model = Sequential(Conv2d(3, 4, 3), BatchNorm(4), Flatten(), Linear(16, 2))
    state = to_torch(model, (4, 4, 3))
    before = {place: array.copy() for place, array in model.named_parameters().items()}
    ones = {key: np.ones_like(array) for key, array in state.items()}
    for change, said in (
        ({"3.weight": np.ones((16, 2))}, r"'3.weight' is \(16, 2\), expected \(2, 16\)"),
        ({"0.weight": np.ones((3, 3, 3, 4))}, r"'0.weight' is \(3, 3, 3, 4\), expected \(4, 3, 3, 3\)"),
        ({"9.weight": np.ones(1)}, "'9.weight' is unexpected"),
        ({"3.bias": np.ones(2, int)}, "'3.bias' is int64, expected floating-point numbers"),
    ):
        with pytest.raises(ValueError, match=said):
            from_torch(model, ones | change, (4, 4, 3))
    with pytest.raises(
        ValueError, match=r"'0.bias' is missing, '0.weight' is missing, '1.bias' is missing, and 5 more"
    ):
        from_torch(model, {}, (4, 4, 3))
    with pytest.raises(ValueError, match="no layer 'conv1'"):
        to_torch(model, (4, 4, 3), {"conv1": "0"})
    for names, key in (({"0": "1"}, "1.weight"), ({"0": "a", "1": "a"}, "a.weight")):
        with pytest.raises(ValueError, match=f"names: two layers would be '{key}': give each a name of its own"):
            to_torch(model, (4, 4, 3), names)
        with pytest.raises(ValueError, match=f"two layers would be '{key}'"):
            from_torch(model, state, (4, 4, 3), names)
    masked = {"3.bias": np.ma.masked_array(np.ones(2), [True, False])}
    with pytest.raises(ValueError, match="a masked array would lose its mask"):
        from_torch(model, ones | masked, (4, 4, 3))
    with pytest.raises(ValueError, match=r"takes a state_dict, got Sequential: pass module\.state_dict\(\)"):
        from_torch(model, model, (4, 4, 3))
    with pytest.raises(ValueError, match="give input_shape"):
        to_torch(model)
    for place, array in model.named_parameters().items():
        assert np.array_equal(array, before[place])
    del state["1.num_batches_tracked"]
    from_torch(model, {key: array.astype(np.float64) for key, array in state.items()}, (4, 4, 3))
    assert model[3].W.dtype == np.float32
    assert np.array_equal(model[3].W, before["3.W"])


def test_the_model_is_left_as_it_was():
    model = Sequential(Conv2d(3, 4, 3), BatchNorm(4), Flatten(), Linear(16, 2), Dropout(0.5)).train()
    statistics = model[1].running_mean.copy()
    to_torch(model, (4, 4, 3))
    assert all(layer.training for _, layer in model.walk())
    assert np.array_equal(model[1].running_mean, statistics)
    assert model[2]._cache is None


# -- safetensors -------------------------------------------------------------------------------------------------


def built(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "x.safetensors"
    header = {
        "__metadata__": {"format": "pt"},
        "b": {"dtype": "I16", "shape": [3], "data_offsets": [8, 14]},
        "a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
        "half": {"dtype": "BF16", "shape": [2], "data_offsets": [14, 18]},
        "none": {"dtype": "F64", "shape": [0, 4], "data_offsets": [18, 18]},
        "one": {"dtype": "BOOL", "shape": [], "data_offsets": [18, 19]},
    }
    data = struct.pack("<2f3h", 1.5, -2, 1, -2, 300) + b"\x80\x3f\x40\xc0" + b"\x01"
    path.write_bytes(built(header, data))
    arrays, metadata = load_safetensors(path)
    assert metadata == {"format": "pt"}
    assert arrays["a"].tolist() == [[1.5, -2.0]]
    assert arrays["b"].tolist() == [1, -2, 300]
    assert arrays["b"].dtype == np.int16
    assert arrays["half"].tolist() == [1.0, -3.0]
    assert arrays["half"].dtype == np.float32
    assert arrays["none"].shape == (0, 4)
    assert arrays["one"].shape == ()
    assert arrays["one"]
    assert all(array.flags.writeable for array in arrays.values())


def test_there_and_back_and_the_bytes_in_between(tmp_path):
    path = tmp_path / "x.safetensors"
    types = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
    arrays = {f"{kind}.weight": np.arange(6).reshape(2, 3).astype(kind) for kind in types}
    arrays |= {"strided": np.arange(10.0)[::3], "fortran": np.asfortranarray(np.ones((2, 3))), "big": np.ones(2, ">f4")}
    arrays |= {"scalar": np.array(2.5), "empty": np.zeros((0, 3), np.float32), "\u8f6f": np.ones(1)}
    save_safetensors(path, arrays, {"made by": "minnet"})
    loaded, metadata = load_safetensors(path)
    assert metadata == {"made by": "minnet"}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("="), name
        assert loaded[name].shape == array.shape, name
        assert np.array_equal(loaded[name], array), name
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"] == {"made by": "minnet"}
    assert header["f4.weight"]["dtype"] == "F32"
    assert header["f4.weight"]["shape"] == [2, 3]
    start, end = header["f4.weight"]["data_offsets"]
    assert struct.unpack("<6f", content[8 + length + start : 8 + length + end]) == (0, 1, 2, 3, 4, 5)
    for name, about in header.items():
        assert name == "__metadata__" or about["data_offsets"][0] % arrays[name].dtype.itemsize == 0, name
    save_safetensors(path, {})
    assert load_safetensors(path) == ({}, {})
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_reading_takes_the_memory_of_the_arrays_and_little_more(tmp_path, monkeypatch):
    arrays = {"a": np.arange(100_000.0), "b": np.arange(50_000, dtype=np.int32)}
    save_safetensors(tmp_path / "x", arrays)
    load_safetensors(tmp_path / "x")  # what is imported at first counts elsewhere
    tracemalloc.start()
    loaded = load_safetensors(tmp_path / "x")[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(np.array_equal(loaded[name], arrays[name]) for name in arrays)
    assert peak < 1.2 * sum(array.nbytes for array in arrays.values())
    monkeypatch.setattr(np, "empty", mock.Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):  # which does not say that the file is broken
        load_safetensors(tmp_path / "x")


def test_what_safetensors_cannot_hold(tmp_path):
    path = tmp_path / "x"
    for arrays in ({"a": np.array(["x"])}, {"a": np.array([1j])}, {"a": np.array([None])}):
        with pytest.raises(ValueError, match="safetensors holds float64, float32"):
            save_safetensors(path, arrays)
    with pytest.raises(ValueError, match="__metadata__"):
        save_safetensors(path, {"__metadata__": np.ones(1)})
    with pytest.raises(ValueError, match="texts by name"):
        save_safetensors(path, {}, {"epoch": 3})
    assert os.listdir(tmp_path) == []


def test_what_safetensors_is_given_by_name(tmp_path):
    path = tmp_path / "x"
    save_safetensors(path, {"a": [1, 2], "b": np.float32(3)})
    arrays = load_safetensors(path)[0]
    assert arrays["a"].tolist() == [1, 2] and arrays["b"].dtype == np.float32 and arrays["b"] == 3
    for guess in (Sequential(Linear(3, 2)), [np.ones(2)]):
        with pytest.raises(ValueError, match=r"takes arrays by name, as to_torch\(model\) does; got \w+"):
            save_safetensors(path, guess)


def about(**changes):
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a sound safetensors"),
        (b"1234567", "not a sound safetensors"),
        (built({}, length=3), "not a sound safetensors"),
        (built({}, length=10), "claims a header of 10 bytes in a file of 10"),
        (built({}, length=2**63), "claims a header"),
        (b"\xff" * 8 + b"{}", "claims a header"),
        (built(b"[]"), "not a JSON object"),
        (built(b" {}"), "not a JSON object"),
        (built(b""), "not a JSON object"),
        (built(b"{" * 100_000), "not a sound"),
        (built(b'{"a":' + b"[" * 100_000), "not a sound"),
        (built(b'{"\xff": 1}'), "not a sound"),
        (built(b'{"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "a": 1}', b"x"), "two arrays have one name"),
        (built({"a": 1}), "not a sound"),
        (built({"a": {"dtype": "F32", "shape": [2]}}), "not a sound"),
        (built(about(extra=1), b"8" * 8), "has the keys"),
        (built(about(dtype="F8_E4M3"), b"8" * 8), "is F8_E4M3; known are F64"),
        (built(about(dtype="object"), b"8" * 8), "known are"),
        (built(about(dtype=["F32"]), b"8" * 8), "not a sound"),
        (built(about(shape=[3]), b"8" * 8), "cannot stand at bytes 0 to 8"),
        (built(about(shape=[-1, -2]), b"8" * 8), "has the shape"),
        (built(about(shape=[2.0]), b"8" * 8), "has the shape"),
        (built(about(shape=[True, 2]), b"8" * 8), "has the shape"),
        (built(about(shape=2), b"8" * 8), "not a sound"),
        (built(about(shape=[1] * 100 + [2]), b"8" * 8), "not a sound"),
        (built(about(shape=[10**9, 10**9])), "cannot stand at bytes"),
        (built(about(shape=[10**12], data_offsets=[0, 4 * 10**12])), "ends at byte"),
        (built(about(data_offsets=[8, 16]), b"8" * 16), "cannot stand at bytes 8 to 16"),
        (built(about(data_offsets=[8, 0]), b"8" * 16), "cannot stand at bytes"),
        (built(about(data_offsets=[-8, 0]), b"8" * 16), "has the shape"),
        (built(about(data_offsets=[0, 8, 16]), b"8" * 16), "not a sound"),
        (built(about() | {"b": about()["a"]}, b"8" * 8), "cannot stand at bytes 0 to 8"),
        (built(about() | {"b": about(data_offsets=[12, 20])["a"]}, b"8" * 20), "cannot stand at bytes 12 to 20"),
        (built(about(), b"8" * 9), "1 bytes belong to no array"),
        (built(about(), b"8" * 7), "ends at byte"),
        (built(about(dtype="BOOL", data_offsets=[0, 2]), b"\1\2"), "what is no bool"),
        (built({"__metadata__": {"epoch": 3}}), "metadata are not texts"),
        (built({"__metadata__": [1]}), "metadata are not texts"),
        (built({"a" * 1000: {}}), "not a sound"),
    ],
)
def test_hostile_files(tmp_path, content, said):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        load_safetensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_cut_off_or_changed(tmp_path):
    path = tmp_path / "x"
    save_safetensors(path, {"a": np.arange(5.0), "b": np.ones((2, 3), np.int8)}, {"k": "v"})
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match="not a sound"):
            load_safetensors(path)
    rng = random.Random(0)
    for _ in range(1000):
        changed = bytearray(good)
        changed[rng.randrange(len(good))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            load_safetensors(path)  # the format has no checksum: numbers and names may change
        except ValueError as error:
            assert "\n" not in str(error)


def test_a_file_that_is_cut_off_while_it_is_read(tmp_path, monkeypatch):
    save_safetensors(tmp_path / "x", {"a": np.ones(3000)})
    size = os.path.getsize(tmp_path / "x")
    os.truncate(tmp_path / "x", size - 1)
    monkeypatch.setattr(os, "fstat", lambda file: mock.Mock(st_size=size))
    with pytest.raises(ValueError, match="x is not a sound safetensors file: it ends within array 'a'"):
        load_safetensors(tmp_path / "x")


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"^cannot read .*x: No such file or directory$"):
        load_safetensors(tmp_path / "x")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save_safetensors(tmp_path / "x", {"a": np.ones(1)})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device; what it held before is untouched"):
        save_safetensors(tmp_path / "x", {"a": np.zeros(1)})
    assert load_safetensors(tmp_path / "x")[0]["a"] == 1


class Flattens(Layer):
    def forward(self, x):
        return x.reshape(len(x), -1)


class Doubles(Layer):
    def forward(self, x):
        return 2 * x


def test_a_layer_of_ones_own_that_flattens_is_refused():
    conv = Conv2d(3, 4, 3)
    for model, shape in (
        (Sequential(conv, Flattens(), Linear(36, 2)), None),
        (Sequential(Flattens(), Linear(75, 2)), (5, 5, 3)),
        (Sequential(conv, Flattens(), ReLU(), BatchNorm(36), Linear(36, 2)), (5, 5, 3)),
    ):
        with pytest.raises(ValueError, match=r"Flattens\(\) before '\d\.' .* not known here: use Flatten\(\)"):
            to_torch(model, shape)
    for model in (
        Sequential(conv, Doubles(), Flatten(), Doubles(), Linear(36, 2)),
        Sequential(conv, Doubles(), GlobalAvgPool(), Doubles(), Linear(4, 2), Doubles(), Linear(2, 2)),
        Sequential(conv, Doubles(), Conv2d(4, 8, 3), Doubles(), GlobalAvgPool(), Linear(8, 2)),
    ):
        to_torch(model, (5, 5, 3))


def test_a_layer_of_ones_own_keeps_the_names_of_its_arrays():
    class Both(Layer):
        parameters = ("W", "b", "gamma", "beta")

        def __init__(self):
            for name in self.parameters:
                setattr(self, name, np.zeros(2))

    class Child(Linear):
        parameters = (*Linear.parameters, "gamma")

        def __init__(self):
            super().__init__(2, 3)
            self.gamma = np.zeros(2)

    assert list(to_torch(Sequential(Both()))) == ["0.W", "0.b", "0.gamma", "0.beta"]
    state = to_torch(Sequential(Child()))
    assert list(state) == ["0.weight", "0.bias", "0.gamma"] and state["0.weight"].shape == (3, 2)


def test_a_flatten_inside_a_layer_of_ones_own_is_refused():
    class Block(Layer):
        def __init__(self):
            self.body = Sequential(Flatten(), Linear(16, 2))

        def forward(self, x):
            return self.body.forward(x)

    with pytest.raises(ValueError, match=r"Flatten\(\) at '0.body.0.' lies in a layer of your own"):
        to_torch(Sequential(Block()), (4, 4, 1))


class Odd(Layer):
    """An activation of one's own."""

    def forward(self, x):
        return x**3


class Head(Layer):
    """A Linear on images, made rows by `rows`."""

    def __init__(self, in_features, rows):
        self.fc, self.rows = Linear(in_features, 2, rng=0), rows

    def forward(self, x):
        return self.fc.forward(self.rows(x))


def test_a_layer_of_ones_own_that_flattens_before_the_linear_in_it_is_refused():
    def model(*layers):
        return Sequential(Conv2d(3, 8, 3, padding=1, rng=1), *layers)

    flat = model(ReLU(), Head(128, lambda x: x.reshape(len(x), -1)))
    with pytest.raises(ValueError, match=r"Head\(.* at '2\.' flattens in an order that is not known here: use Flatten"):
        to_torch(flat, (4, 4, 3))
    with pytest.raises(ValueError, match=r"at '2\.' may flatten in an order .*: use Flatten\(\), or give input_shape"):
        to_torch(flat)
    with pytest.raises(ValueError, match=r"Odd\(\) before '2\.' flattens in an order that is not known here"):
        to_torch(model(Odd(), Head(128, lambda x: x.reshape(len(x), -1))), (4, 4, 3))
    pools = model(Head(8, lambda x: x.mean(axis=(1, 2))))
    assert list(to_torch(pools)) == ["0.weight", "0.bias", "1.fc.weight", "1.fc.bias"]
    both = model(Head(16, lambda x: np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)))
    assert to_torch(both, (4, 4, 3)).keys() == to_torch(pools).keys()


def test_features_beside_one_another_are_no_flattened_image():
    class BothPools(Layer):
        def forward(self, x):
            self._cache = x
            return np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)

        def backward(self, dy):
            return None

    model = Sequential(Conv2d(3, 8, 3, padding=1), BothPools(), Linear(16, 2))
    assert list(to_torch(model, (8, 8, 3))) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    with pytest.raises(ValueError, match=r"may flatten in an order that is not known here: use Flatten\(\), or give"):
        to_torch(model)


def test_masks_and_counters_come_back():
    class Kept(Layer):
        buffers = ("keep", "count")

        def __init__(self):
            self.keep, self.count = np.array([True, False]), np.array([3, 4])

        def forward(self, x):
            return x * self.keep

    model = Sequential(Linear(3, 2, rng=0), Kept())
    state = {key: np.array(array) for key, array in to_torch(model).items()}
    model[1].keep[...], model[1].count[...] = False, 0
    from_torch(model, state)
    assert model[1].keep.tolist() == [True, False] and model[1].count.tolist() == [3, 4]
    state["1.keep"] = state["1.keep"].astype(np.float32)
    with pytest.raises(ValueError, match=r"'1\.keep' is float32, expected truth values"):
        from_torch(model, state)
