"""The same network in PyTorch: weights travel both ways, and the outputs agree."""

import numpy as np
import pytest

from minnet.interop import from_torch, load_safetensors, save_safetensors, to_torch
from minnet.layers import Linear
from minnet.models import cnn6

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e .[proof]")
nn = torch.nn


def torch_cnn6(widths=(32, 64, 128)):
    layers, channels = [nn.Identity()], 3  # in the place of Normalize
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 10))


def pictures():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)


MEAN, STD = [125.0, 123.0, 114.0], [63.0, 62.0, 67.0]


def for_torch(images):
    return torch.tensor(((images - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2).astype(np.float32))


def test_ours_in_pytorch(tmp_path):
    model = cnn6((32, 32, 3), 10, MEAN, STD)
    for _ in range(3):
        model.forward(pictures())  # so that the running statistics are something
    path = tmp_path / "cnn6.safetensors"
    save_safetensors(path, to_torch(model, (32, 32, 3), names={"0": None}))
    state = {name: torch.tensor(array) for name, array in load_safetensors(path)[0].items()}
    theirs = torch_cnn6()
    theirs.load_state_dict(state, strict=True)
    with torch.no_grad():
        expected = theirs.eval()(for_torch(pictures())).numpy()
    ours = model.eval().forward(pictures())
    assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()


def test_theirs_in_minnet():
    torch.manual_seed(0)
    theirs = torch_cnn6()
    with torch.no_grad():
        for _ in range(3):
            theirs(for_torch(pictures()))
        expected = theirs.eval()(for_torch(pictures())).numpy()
    model = cnn6((32, 32, 3), 10, MEAN, STD, seed=5)
    from_torch(model, theirs.state_dict(), (32, 32, 3), names={"0": None})
    ours = model.eval().forward(pictures())
    assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()
    assert to_torch(model, (32, 32, 3), {"0": None}).keys() == theirs.state_dict().keys()


def test_parameters_that_learn_or_are_in_half_precision_can_be_read():
    """What named_parameters() gives, and what most published weights are kept in."""
    theirs, model = nn.Linear(3, 2), Linear(3, 2)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        from_torch(model, dict(theirs.to(dtype).named_parameters()))
        assert np.array_equal(model.W.T, theirs.weight.detach().float().numpy())
    with pytest.raises(ValueError, match="'bias' is int64, expected floating-point numbers"):
        from_torch(model, {"weight": theirs.weight, "bias": torch.zeros(2, dtype=torch.int64)})


def test_tensors_are_written_in_their_own_precision(tmp_path):
    path = tmp_path / "theirs.safetensors"
    kinds = (torch.float64, torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool)
    tensors = {str(kind): torch.arange(3).to(kind) for kind in kinds}
    tensors["learned"] = nn.Linear(3, 2).weight
    tensors["turned"] = torch.arange(6.0).reshape(2, 3).T
    save_safetensors(path, tensors)
    arrays = load_safetensors(path)[0]
    assert {name: torch.tensor(array).dtype for name, array in arrays.items()} == {
        name: tensor.dtype for name, tensor in tensors.items()
    }
    assert all(np.array_equal(array, tensors[name].detach()) for name, array in arrays.items())
    save_safetensors(path, {"half": torch.full((2,), 1 / 3).bfloat16()})  # a precision that NumPy lacks
    half = load_safetensors(path)[0]["half"]
    assert half.dtype == np.float32 and (half == 0.333984375).all()
