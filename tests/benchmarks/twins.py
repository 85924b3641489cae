"""The benchmarks' networks in PyTorch: same arrays, same steps; `check` makes sure of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from minnet.losses import SoftmaxCrossEntropy
from tests.benchmarks.cases import BUCKETS, CLASSES, MEAN, STD, Case
from tests.benchmarks.common import Opened


def _conv(inner: int, outer: int) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, 3, padding=1, bias=False)


def cnn6(widths: tuple[int, ...] = (32, 64, 128), side: int = 32) -> nn.Module:
    layers: list[nn.Module] = []
    inner = 3
    for width in widths:
        for _ in range(2):
            layers += [_conv(inner, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            inner = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inner * (side >> len(widths)) ** 2, CLASSES))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner, outer = ([_conv(width, width), nn.BatchNorm2d(width)] for _ in range(2))
        self.body = nn.Sequential(*inner, nn.ReLU(inplace=True), *outer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def resnet() -> nn.Module:
    layers: list[nn.Module] = []
    inner = 3
    for width in (32, 64, 128):
        layers += [_conv(inner, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        layers += [_Residual(width), nn.ReLU(inplace=True)]
        inner = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inner * 16, CLASSES))


def mlp(side: int, widths: tuple[int, ...]) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    features = side * side * 3
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU(inplace=True)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, CLASSES))


class _Scale(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 9


def speedrun() -> nn.Module:
    """airbench94's network (arXiv 2404.00498)."""
    whitening = nn.Conv2d(3, 24, 2)
    whitening.weight.requires_grad = False
    layers: list[nn.Module] = [whitening, nn.GELU()]
    inner = 24
    for width in (64, 256, 256):
        for pool in ([nn.MaxPool2d(2)], []):
            norm = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
            norm.weight.requires_grad = False
            layers += [_conv(inner, width), *pool, norm, nn.GELU()]
            inner = width
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(inner, CLASSES, bias=False), _Scale())


class Bag(nn.Module):
    """Takes (all ids in one row, where each text starts): PyTorch's form without padding."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS + 1, 64, mode="mean", sparse=sparse)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64, 3))

    def forward(self, x: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return self.head(self.table(*x))


NETWORKS: dict[str, Callable[..., nn.Module]] = {"cnn6": cnn6, "resnet": resnet, "speedrun": speedrun}


def inputs(case: Case, x: np.ndarray, channels_last: bool = False) -> Any:
    """What the twin takes: normalised floats (N, C, H, W), or ids without padding. Made before the clock starts."""
    if case.text:
        counted = x != 0
        starts = np.concatenate([[0], np.cumsum(counted.sum(axis=1))[:-1]])
        return torch.from_numpy(x[counted].astype(np.int64)), torch.from_numpy(starts)
    normal = (x.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    tensor = torch.from_numpy(np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))
    return tensor.contiguous(memory_format=torch.channels_last) if channels_last else tensor


def variants(case: Case) -> dict[str, dict[str, bool]]:
    """The ways to run the twin, by the name of the side: the best one counts."""
    if case.text:
        return {"torch sparse": {"sparse": True}, "torch dense": {}, "torch dense, fused Adam": {"fused": True}}
    if case.widths:
        return {"torch": {}, "torch, fused optimizer": {"fused": True}}
    return {"torch": {}, "torch channels-last": {"channels_last": True},
            "torch channels-last, fused": {"channels_last": True, "fused": True}}  # fmt: skip


def make(case: Case, sparse: bool = False, channels_last: bool = False, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    if case.text:
        network: nn.Module = Bag(sparse)
    else:
        network = mlp(case.side, case.widths) if case.widths else NETWORKS[case.twin](**settings)
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def fold(network: nn.Module) -> nn.Module:
    """Batch norms that follow a convolution become part of it, as in minnet's Predictor; for evaluation."""
    for block in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for place, (conv, norm) in enumerate(pairwise(block)):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[place], block[place + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return network


def optimizers(case: Case, network: nn.Module, sparse: bool, fused: bool) -> list[torch.optim.Optimizer]:
    if case.rule == "sgd":
        learned = [p for p in network.parameters() if p.requires_grad]
        groups = [{"params": [p for p in learned if p.ndim > 1], "weight_decay": 5e-4},
                  {"params": [p for p in learned if p.ndim == 1]}]  # fmt: skip
        return [torch.optim.SGD(groups, case.rate, momentum=0.9, nesterov=True, fused=fused)]
    if not sparse:
        return [torch.optim.Adam(network.parameters(), case.rate, fused=fused)]
    assert isinstance(network, Bag)
    return [torch.optim.SparseAdam(list(network.table.parameters()), case.rate),
            torch.optim.Adam(network.head.parameters(), case.rate)]  # fmt: skip


def trained_by_torch(case: Case, sparse: bool = False, channels_last: bool = False, fused: bool = False) -> Opened:
    """PyTorch's turn: eager mode, ready-made batches, the loss read once a step."""
    network = make(case, sparse, channels_last).train()
    rules = optimizers(case, network, sparse, fused)
    x, y = case.data()
    cuts = range(0, len(y) - case.batch_size + 1, case.batch_size)
    batches = [(inputs(case, x[i : i + case.batch_size], channels_last), torch.from_numpy(y[i : i + case.batch_size]))
               for i in cuts]  # fmt: skip

    @contextmanager
    def opened() -> Iterator[Callable[[], None]]:
        count = 0

        def step() -> None:
            nonlocal count
            ready, labels = batches[count % len(batches)]
            count += 1
            for rule in rules:
                rule.zero_grad()
            loss = F.cross_entropy(network(ready), labels, label_smoothing=case.label_smoothing)
            loss.backward()
            for rule in rules:
                rule.step()
            loss.item()

        yield step

    return opened


def copy_weights(case: Case, model: Any, network: nn.Module) -> None:
    """minnet's weights into the twin's arrays; raises where a shape does not fit.

    Our filters are (kh, kw, C, K), theirs (K, C, kh, kw); our matrices (in, out), theirs (out, in). The first matrix
    sees images: our features run over (H, W, C), theirs over (C, H, W). Or it is a table of words, the same in both.
    """
    ours, theirs = list(model.named_parameters().values()), list(network.parameters())
    if len(ours) != len(theirs):
        raise ValueError(f"minnet's network has {len(ours)} arrays, its twin {len(theirs)}")
    side = {"mlp": case.side, "cnn6": case.side // 8, "resnet": case.side // 8}.get(case.twin, 1)
    first = True
    for array, tensor in zip(ours, theirs, strict=True):
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            if first and not case.text:
                array = array.reshape(side, side, -1, array.shape[1]).transpose(2, 0, 1, 3).reshape(array.shape)
            array = array if first and case.text else array.T
            first = False
        if array.shape != tuple(tensor.shape):
            raise ValueError(f"the twin's array is {tuple(tensor.shape)}, minnet's gives {array.shape}")
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def check(case: Case) -> float:
    """The largest difference between the two networks' scores in evaluation, folded and not, and of their losses.

    Raises ValueError when it is more than rounding.
    """
    model = case.model().eval()
    network = make(case).eval()
    x, y = case.data(1)
    x, y = x[:16], y[:16]
    copy_weights(case, model, network)
    scores = model.forward(x)
    with torch.inference_mode():
        theirs = network(inputs(case, x))
        folded = fold(network)(inputs(case, x))
        loss = float(F.cross_entropy(theirs, torch.from_numpy(y), label_smoothing=case.label_smoothing))
    difference = max(float(np.abs(scores - found.numpy()).max()) for found in (theirs, folded))
    difference = max(difference, abs(loss - SoftmaxCrossEntropy(case.label_smoothing).forward(scores, y)))
    if not difference < 1e-3 * max(1.0, float(np.abs(scores).max())):
        raise ValueError(f"{case.name}: the twins' scores differ by {difference:g}, so they are not the same network")
    return difference
