"""Every optimizer and schedule against PyTorch's, over 50 steps on the same gradients, in float64."""

import numpy as np
import pytest

from minnet.gradients import clip_factor, gradient_norm
from minnet.layers.base import Layer, RowGradient
from minnet.optimizers import SGD, Adam, AdamW, Lookahead, RMSProp
from minnet.schedules import Constant, Cosine, OneCycle, Step, Triangular, Warmup

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e .[proof]")

STEPS = 50


class Table(Layer):
    parameters = ("W", "b")

    def __init__(self, shape):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.standard_normal(shape), rng.standard_normal(shape[-1:])


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.dtype == theirs.dtype
    return np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()


def by_groups(tensors, decay):
    """As PyTorch is told what minnet does unasked: biases do not decay."""
    return [{"params": tensors[:1], "weight_decay": decay}, {"params": tensors[1:], "weight_decay": 0.0}]


DENSE = [
    (SGD, {"learning_rate": 0.1}, torch.optim.SGD, {"lr": 0.1}),
    (SGD, {"learning_rate": 0.1, "momentum": 0.9}, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}, torch.optim.SGD,
     {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    (SGD, {"learning_rate": 0.1, "weight_decay": 0.05}, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    (SGD, {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 0.3}, torch.optim.SGD,
     {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.3}),
    (SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, torch.optim.SGD,
     {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (RMSProp, {}, torch.optim.RMSprop, {}),
    (RMSProp, {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}, torch.optim.RMSprop,
     {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, {}, torch.optim.Adam, {}),
    (Adam, {"learning_rate": 0.05, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}, torch.optim.Adam,
     {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    (AdamW, {}, torch.optim.AdamW, {}),
    (AdamW, {"learning_rate": 0.05, "betas": (0.7, 0.95), "weight_decay": 0.2}, torch.optim.AdamW,
     {"lr": 0.05, "betas": (0.7, 0.95), "weight_decay": 0.2}),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "settings", "theirs", "arguments"), DENSE)
@pytest.mark.parametrize("clip", [None, 3.0])
def test_dense(ours, settings, theirs, arguments, clip):
    layer = Table((6, 5))
    tensors = [torch.nn.Parameter(torch.tensor(array)) for array in (layer.W, layer.b)]
    optimizer = ours(layer, **settings)
    decay = arguments.get("weight_decay", 0.01 if theirs is torch.optim.AdamW else 0.0)
    reference = theirs(by_groups(tensors, decay), **arguments)
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        layer.dW, layer.db = rng.standard_normal((6, 5)), rng.standard_normal(5)
        layer.dW[2] *= 1e-9  # small beside eps, so that it matters where eps stands
        layer.dW[:, 3] = 0
        for tensor, gradient in zip(tensors, (layer.dW, layer.db), strict=True):
            tensor.grad = torch.tensor(gradient)
        if clip is None:
            optimizer.step()
        else:
            norm = gradient_norm(layer)
            expected = torch.nn.utils.clip_grad_norm_(tensors, clip).item()
            assert norm == pytest.approx(expected, rel=1e-12)
            for tensor, gradient in zip(tensors, (layer.dW, layer.db), strict=True):
                # PyTorch divides by norm + 1e-6, so its clipped gradients are not quite of length `clip`.
                tensor.grad = torch.tensor(gradient * min(1.0, clip / norm))
            optimizer.step(scale=clip_factor(norm, clip))
        reference.step()
        assert close(layer.W, tensors[0])
        assert close(layer.b, tensors[1])


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_decoupled_decay(momentum, nesterov):
    """PyTorch has it in AdamW only; here its SGD moves weights that were shrunk before, as AdamW shrinks them."""
    layer = Table((6, 5))
    tensors = [torch.nn.Parameter(torch.tensor(array)) for array in (layer.W, layer.b)]
    optimizer = SGD(layer, 0.1, momentum=momentum, nesterov=nesterov, weight_decay=0.2, decoupled=True)
    reference = torch.optim.SGD(tensors, 0.1, momentum=momentum, nesterov=nesterov)
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        layer.dW, layer.db = rng.standard_normal((6, 5)), rng.standard_normal(5)
        for tensor, gradient in zip(tensors, (layer.dW, layer.db), strict=True):
            tensor.grad = torch.tensor(gradient)
        with torch.no_grad():
            tensors[0].mul_(1 - 0.1 * 0.2)
        optimizer.step()
        reference.step()
        assert close(layer.W, tensors[0]) and close(layer.b, tensors[1])


@pytest.mark.parametrize(("every", "alpha"), [(1, 0.5), (5, 0.5), (3, 0.2), (7, 1.0)])
def test_lookahead(every, alpha):
    """Slow weights by torch.lerp around PyTorch's Adam."""
    layer = Table((6, 5))
    tensors = [torch.nn.Parameter(torch.tensor(array)) for array in (layer.W, layer.b)]
    slow = [tensor.detach().clone() for tensor in tensors]
    optimizer, reference = Lookahead(Adam(layer, 0.05), every, alpha), torch.optim.Adam(tensors, 0.05)
    rng = np.random.default_rng(1)
    for step in range(STEPS):
        layer.dW, layer.db = rng.standard_normal((6, 5)), rng.standard_normal(5)
        for tensor, gradient in zip(tensors, (layer.dW, layer.db), strict=True):
            tensor.grad = torch.tensor(gradient)
        optimizer.step()
        reference.step()
        if (step + 1) % every == 0:
            with torch.no_grad():
                for kept, tensor in zip(slow, tensors, strict=True):
                    kept.lerp_(tensor, alpha)
                    tensor.copy_(kept)
        assert close(layer.W, tensors[0]) and close(layer.b, tensors[1])


@pytest.mark.parametrize("eps", [1e-8, 1e-2])
def test_rows_against_sparse_adam(eps):
    layer = Table((40, 6))
    layer.freeze("b")
    tensor = torch.nn.Parameter(torch.tensor(layer.W))
    optimizer = Adam(layer, 0.05, betas=(0.8, 0.95), eps=eps)
    reference = torch.optim.SparseAdam([tensor], lr=0.05, betas=(0.8, 0.95), eps=eps)
    against_rows(layer, tensor, optimizer, reference)


def test_rows_against_sgd_on_sparse_tensors():
    layer = Table((40, 6))
    layer.freeze("b")
    tensor = torch.nn.Parameter(torch.tensor(layer.W))
    against_rows(layer, tensor, SGD(layer, 0.1), torch.optim.SGD([tensor], lr=0.1))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def against_rows(layer, tensor, optimizer, reference):
    rng = np.random.default_rng(2)
    for _ in range(STEPS):
        rows = np.flatnonzero(rng.random(40) < 0.2)
        layer.dW = RowGradient(rows, rng.standard_normal((rows.size, 6)) * 10.0 ** rng.integers(-6, 1, (rows.size, 1)))
        indices, values = torch.tensor(rows[None]), torch.tensor(layer.dW.values)
        tensor.grad = torch.sparse_coo_tensor(indices, values, (40, 6), check_invariants=True).coalesce()
        optimizer.step()
        reference.step()
        assert close(layer.W, tensor)


def test_nesterov_with_a_schedule_and_groups():
    """All at once: rates that change, a factor for the biases, decay on everything (as airbench94 sets it up)."""
    layer = Table((6, 5))
    tensors = [torch.nn.Parameter(torch.tensor(array)) for array in (layer.W, layer.b)]
    groups = [{"match": "b", "learning_rate": 8.0, "weight_decay": 0.01}]
    optimizer = SGD(layer, 0.1, momentum=0.85, nesterov=True, weight_decay=0.08, groups=groups)
    reference = torch.optim.SGD(
        [{"params": tensors[:1], "lr": 0.1, "weight_decay": 0.08},
         {"params": tensors[1:], "lr": 0.8, "weight_decay": 0.01}],
        momentum=0.85, nesterov=True,
    )  # fmt: skip
    schedule = Triangular()
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        reference, lambda step: np.interp(step / STEPS, [0, 0.23, 1], [0.2, 1, 0.07])
    )
    rng = np.random.default_rng(1)
    for step in range(STEPS):
        layer.dW, layer.db = rng.standard_normal((6, 5)), rng.standard_normal(5)
        for tensor, gradient in zip(tensors, (layer.dW, layer.db), strict=True):
            tensor.grad = torch.tensor(gradient)
        optimizer.step(learning_rate=0.1 * schedule(step / STEPS))
        reference.step()
        scheduler.step()
        assert close(layer.W, tensors[0])
        assert close(layer.b, tensors[1])


S = torch.optim.lr_scheduler


def peak(part):
    """PyTorch's OneCycleLR has its peak at step part * total - 1 of total - 1; ours counts STEPS = total - 1."""
    return (part * (STEPS + 1) - 1) / STEPS


SCHEDULES = [
    (Constant(), lambda o: S.LambdaLR(o, lambda step: 1.0)),
    (Step((0.3, 0.5, 0.9), 0.2), lambda o: S.MultiStepLR(o, [15, 25, 45], gamma=0.2)),
    (Step((0.2, 0.4, 0.6, 0.8, 1.0), 0.5), lambda o: S.StepLR(o, 10, gamma=0.5)),
    (Cosine(), lambda o: S.CosineAnnealingLR(o, STEPS)),
    (Cosine(0.1), lambda o: S.CosineAnnealingLR(o, STEPS, eta_min=0.03)),
    (OneCycle(peak(0.3)), lambda o: S.OneCycleLR(o, 0.3, total_steps=STEPS + 1)),
    (OneCycle(peak(0.4), 0.1, 0.02),
     lambda o: S.OneCycleLR(o, 0.3, total_steps=STEPS + 1, pct_start=0.4, div_factor=10, final_div_factor=5)),
    (Triangular(1 / 25, peak(0.3), 1 / 25e4),
     lambda o: S.OneCycleLR(o, 0.3, total_steps=STEPS + 1, anneal_strategy="linear")),
    (Warmup(Constant(), 0.2, 0.25), lambda o: S.LinearLR(o, 0.25, total_iters=10)),
    (Warmup(Cosine(), 0.2, 0.1),
     lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=10), S.CosineAnnealingLR(o, 40)], [10])),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.*")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(("ours", "theirs"), SCHEDULES)
def test_schedules(ours, theirs):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    reference = torch.optim.SGD([parameter], lr=0.3, momentum=0.9)
    scheduler = theirs(reference)
    for step in range(STEPS + 1):
        rate = scheduler.get_last_lr()[0]
        assert 0.3 * ours(step / STEPS) == pytest.approx(rate, rel=1e-10, abs=1e-16), step
        reference.step()
        if step < STEPS:
            scheduler.step()
