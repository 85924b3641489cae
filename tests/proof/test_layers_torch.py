"""Every layer against PyTorch's, in float64: outputs, gradients of inputs and of parameters, to 1e-10 of their size."""

import itertools

import numpy as np
import pytest

from minnet.layers import (
    GELU,
    AttentionPool,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaskedSequential,
    MaxPool2d,
    Normalize,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    RowGradient,
    Scale,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minnet.losses import SoftmaxCrossEntropy
from minnet.models import cnn6
from minnet.optimizers import SGD
from tests.drawing import normal

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e .[proof]")
F = torch.nn.functional


def close(ours, theirs, what=""):
    theirs = theirs.detach().numpy()
    assert ours.dtype == np.float64 and ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    assert np.abs(ours - theirs).max(initial=0) <= 1e-10 * np.abs(theirs).max(initial=0), what


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), requires_grad=array.dtype.kind == "f")


def channels_first(t):
    return t.permute(0, 3, 1, 2)


def channels_last(t):
    return t.permute(0, 2, 3, 1)


def as_torch(W):
    """Filters (kh, kw, in, out) as PyTorch has them, (out, in, kh, kw)."""
    return W.permute(3, 2, 0, 1)


def compare(layer, x, function, seed=1):
    """`function(x, **parameters)` is the same in PyTorch, on tensors that stand for our arrays, in our shapes."""
    layer.astype(np.float64)
    rng = np.random.default_rng(seed)
    for place, array in layer.named_parameters().items():
        array[...] = rng.standard_normal(array.shape)
        owner = dict(layer.walk())[place.rpartition(".")[0] + "." if "." in place else ""]
        if getattr(owner, "padding_idx", None) is not None:
            array[owner.padding_idx] = 0
    tensors = {place.replace(".", "_"): tensor(array) for place, array in layer.named_parameters().items()}
    given = tensor(x)
    y, theirs = layer.forward(x), function(given, **tensors)
    close(y, theirs, "y")
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    theirs.backward(torch.tensor(dy))
    if given.requires_grad:
        close(dx, given.grad, "dx")
    for place, gradient in layer.named_gradients().items():
        expected = tensors[place.replace(".", "_")].grad
        if isinstance(gradient, RowGradient):
            gradient = gradient.dense(tuple(expected.shape))
        close(gradient, expected, place)
    return layer


# -- activations and what has no window ----------------------------------------------------------------------------

ACTIVATIONS = [
    (ReLU(), F.relu),
    (LeakyReLU(), F.leaky_relu),
    (LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)),
    (Sigmoid(), torch.sigmoid),
    (Tanh(), torch.tanh),
    (GELU(), F.gelu),
    (Softmax(), lambda x: F.softmax(x, dim=-1)),
    (Scale(0.25), lambda x: 0.25 * x),
    (Flatten(), lambda x: x.flatten(1)),
    (Dropout(0.5).eval(), lambda x: F.dropout(x, 0.5, training=False)),
]


@pytest.mark.parametrize(("layer", "function"), ACTIVATIONS, ids=lambda value: getattr(value, "__name__", repr(value)))
@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 4, 5), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("size", [1e-3, 1, 30])
def test_activations(layer, function, shape, size):
    compare(layer, size * normal(*shape), function)


def test_relu_at_its_kink():
    compare(ReLU(), np.array([[0.0, -0.0, 1, -1]]), F.relu)
    compare(LeakyReLU(), np.array([[0.0, -0.0, 1, -1]]), F.leaky_relu)


def test_reshape():
    compare(Reshape(-1, 2, 3), normal(4, 6, 2), lambda x: x.reshape(4, -1, 2, 3))


def test_dropout_with_the_same_mask():
    layer, x = Dropout(0.3, rng=0), 1 + np.abs(normal(50, 20))
    mask = torch.tensor((Dropout(0.3, rng=0).forward(x) != 0).astype(np.float64))
    compare(layer, x, lambda x: x * mask / 0.7)
    assert abs(float(mask.mean()) - 0.7) < 0.05


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 4), (2, 40, 7)], ids=str)
def test_linear(bias, shape):
    n, inputs, outputs = shape
    compare(Linear(inputs, outputs, bias=bias), normal(n, inputs), lambda x, W, b=None: F.linear(x, W.T, b))


# -- convolution ---------------------------------------------------------------------------------------------------


def like_conv2d(**settings):
    def function(x, W, b=None):
        return channels_last(F.conv2d(channels_first(x), as_torch(W), b, **settings))

    return function


CONVOLUTIONS = [
    dict(kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    for kernel, stride, padding, dilation in itertools.product(
        [1, 3, (2, 3), (5, 1)], [1, 2, (1, 3)], [0, 1, (2, 1)], [1, 2]
    )
    if not (dilation == 2 and kernel == (5, 1) and padding != (2, 1))  # longer than the image
]


@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_convolution(settings):
    arguments = {name: value for name, value in settings.items() if name != "kernel_size"}
    for groups, bias in ((1, True), (2, False)):
        layer = Conv2d(4, 6, **settings, groups=groups, bias=bias)
        compare(layer, normal(2, 7, 8, 4), like_conv2d(groups=groups, **arguments))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("sides", [(3, 3), (8, 8), (9, 14), (4, 31)], ids=str)
@pytest.mark.parametrize("channels", [(16, 16), (24, 17), (3, 40)], ids=str)
def test_3x3_convolution_on_both_paths(exact, sides, channels):
    for padding in (0, 1, (2, 1)):
        layer = Conv2d(*channels, 3, padding=padding)
        layer.exact = exact
        compare(layer, normal(3, *sides, channels[0]), like_conv2d(padding=padding))


def test_a_channel_each():
    compare(Conv2d(4, 8, 3, padding=1, groups=4), normal(2, 5, 6, 4), like_conv2d(padding=1, groups=4))


# -- pooling -------------------------------------------------------------------------------------------------------

POOLINGS = [
    dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    for kernel, stride, padding, ceil_mode in itertools.product(
        [1, 2, 3, (3, 2)], [None, 1, 2, (2, 3)], [0, 1], [False, True]
    )
    if not (kernel == 1 and padding)
]


@pytest.mark.parametrize("settings", POOLINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_pooling(settings):
    for sides in ((5, 6), (8, 7), (3, 4)):
        x = normal(2, *sides, 3)
        compare(MaxPool2d(**settings), x, lambda x: channels_last(F.max_pool2d(channels_first(x), **settings)))
        compare(AvgPool2d(**settings), x, lambda x: channels_last(F.avg_pool2d(channels_first(x), **settings)))


def test_ties_go_to_the_same_place():
    x = np.random.default_rng(0).integers(0, 3, (4, 9, 8, 5)).astype(np.float64)
    for settings in (dict(kernel_size=2), dict(kernel_size=3, stride=1), dict(kernel_size=3, stride=2, padding=1)):
        compare(MaxPool2d(**settings), x,
                lambda x, s=settings: channels_last(F.max_pool2d(channels_first(x).contiguous(), **s)))  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (1, 1, 1, 1), (3, 7, 2)], ids=str)
def test_global_pooling(shape):
    places = tuple(range(1, len(shape) - 1))
    compare(GlobalAvgPool(), normal(*shape), lambda x: x.mean(dim=places))
    compare(GlobalMaxPool(), normal(*shape), lambda x: x.amax(dim=places))


# -- normalisation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 3), (3, 4, 5, 2), (2, 1, 1, 4), (40, 8, 8, 3)], ids=str)
@pytest.mark.parametrize(("eps", "momentum"), [(1e-5, 0.1), (0.1, 0.7)])
def test_batch_norm(shape, eps, momentum):
    x, c = 3 + 2 * normal(*shape), shape[-1]
    mean, var = torch.zeros(c, dtype=torch.float64), torch.ones(c, dtype=torch.float64)

    def function(training):
        def norm(x, gamma, beta):
            first = x.movedim(-1, 1)
            return F.batch_norm(first, mean, var, gamma, beta, training, momentum, eps).movedim(1, -1)

        return norm

    layer = BatchNorm(c, eps=eps, momentum=momentum)
    for _ in range(3):
        compare(layer, x, function(True))
        close(layer.running_mean, mean, "running mean")
        close(layer.running_var, var, "running variance")
    compare(layer.eval(), x, function(False))


@pytest.mark.parametrize("shape", [(5, 3), (3, 4, 7), (2, 3, 4, 5)], ids=str)
def test_layer_norm(shape):
    for eps in (1e-5, 0.1):
        compare(LayerNorm(shape[-1], eps=eps), 3 + 2 * normal(*shape),
                lambda x, gamma, beta, eps=eps: F.layer_norm(x, shape[-1:], gamma, beta, eps))  # fmt: skip


def test_normalize():
    layer = Normalize([100, 50, 20], [2, 10, 60]).astype(np.float64)
    layer.scale[...], layer.shift[...] = 1 / np.array(layer.std), -np.array(layer.mean) / np.array(layer.std)
    mean, std = torch.tensor(layer.mean), torch.tensor(layer.std)
    compare(layer, 100 + 50 * normal(2, 4, 5, 3), lambda x: (x - mean) / std)


# -- texts ---------------------------------------------------------------------------------------------------------

IDS = np.array([[3, 1, 3, 7], [1, 1, 0, 0], [5, 0, 0, 0]])


@pytest.mark.parametrize("padding", [None, 0, 3])
def test_embedding(padding):
    compare(Embedding(9, 4, padding_idx=padding), IDS, lambda ids, W: F.embedding(ids, W, padding_idx=padding))


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize("padding", [0, 3])
def test_embedding_bag(mode, padding):
    ids = np.concatenate([IDS, np.zeros((1, 4), int), np.full((1, 4), 3)])  # and two of a single token
    compare(EmbeddingBag(9, 4, mode=mode, padding_idx=padding), ids,
            lambda ids, W: F.embedding_bag(ids, W, mode=mode, padding_idx=padding))  # fmt: skip


def test_linear_on_sparse_rows():
    import scipy.sparse

    rows = scipy.sparse.random(6, 30, 0.2, format="csr", rng=np.random.default_rng(0))
    layer = Linear(30, 4, rng=0).astype(np.float64)
    W, b = tensor(layer.W), tensor(layer.b)
    theirs = torch.tensor(rows.toarray()) @ W + b
    dy = normal(6, 4)
    close(layer.forward(rows), theirs)
    layer.backward(dy)
    theirs.backward(torch.tensor(dy))
    close(layer.dW.dense((30, 4)), W.grad)
    close(layer.db, b.grad)


def test_attention():
    def function(x, W):
        return (F.softmax(x @ W, dim=1)[..., None] * x).sum(dim=1)

    compare(AttentionPool(4), normal(3, 5, 4), function)


@pytest.mark.parametrize("kind", ["attention", "mean", "maximum"])
def test_masked_texts(kind):
    pool = {"attention": AttentionPool(4), "mean": GlobalAvgPool(), "maximum": GlobalMaxPool()}[kind]

    def function(ids, **parameters):
        x = F.embedding(ids, parameters["0_W"], padding_idx=0)
        there = (ids != 0)[..., None]
        if kind == "attention":
            scores = (x @ parameters["1_W"]).masked_fill(~there[..., 0], -torch.inf)
            pooled = (F.softmax(scores, dim=1)[..., None] * x).sum(dim=1)
        elif kind == "mean":
            pooled = (x * there).sum(dim=1) / there.sum(dim=1)
        else:
            pooled = x.masked_fill(~there, -torch.inf).amax(dim=1)
        return F.linear(pooled, parameters["2_W"].T, parameters["2_b"])

    compare(MaskedSequential(Embedding(9, 4, padding_idx=0), pool, Linear(4, 3)), IDS, function)


# -- containers and a whole network --------------------------------------------------------------------------------


def test_residual():
    def function(x, body_0_W, body_0_b, body_2_W, body_2_b, shortcut_W, shortcut_b):
        inner = F.linear(torch.tanh(F.linear(x, body_0_W.T, body_0_b)), body_2_W.T, body_2_b)
        return inner + F.linear(x, shortcut_W.T, shortcut_b)

    compare(Residual(Sequential(Linear(4, 6), Tanh(), Linear(6, 5)), Linear(4, 5)), normal(3, 4), function)
    compare(Residual(Tanh()), normal(3, 4), lambda x: x + torch.tanh(x))


def test_parallel():
    def function(x, **parameters):
        return torch.cat([F.linear(x, parameters["0_W"].T, parameters["0_b"]), torch.sigmoid(x)], dim=-1)

    compare(Parallel(Linear(4, 6), Sigmoid()), normal(3, 4), function)


def torch_cnn6(model, shape):
    """cnn6 in PyTorch, with the weights of `model`."""
    nn, layers = torch.nn, []
    for layer in model.layers:
        if isinstance(layer, Conv2d):
            twin = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False)
            twin.weight.data = torch.tensor(layer.W.transpose(3, 2, 0, 1).copy())
        elif isinstance(layer, BatchNorm):
            twin = nn.BatchNorm2d(layer.num_features)
        elif isinstance(layer, Linear):
            twin = nn.Linear(layer.in_features, layer.out_features)
            side = (shape[0] // 8, shape[1] // 8, -1, layer.out_features)  # rows of W run over height, width, channels
            twin.weight.data = torch.tensor(layer.W.reshape(side).transpose(3, 2, 0, 1).reshape(layer.out_features, -1))
            twin.bias.data = torch.tensor(layer.b.copy())
        elif isinstance(layer, Normalize):
            continue
        else:
            twin = {ReLU: nn.ReLU, MaxPool2d: lambda: nn.MaxPool2d(2), Flatten: nn.Flatten}[type(layer)]()
        layers.append(twin)
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize(
    ("shape", "widths", "nesterov"), [((32, 32, 3), (32, 64, 128), False), ((17, 26, 3), (16, 32, 32), True)]
)
def test_a_whole_network_trained_for_twenty_steps(shape, widths, nesterov):
    """cnn6 from the same weights on the same batches by SGD with momentum: the losses agree to 1e-9."""
    rng = np.random.default_rng(0)
    model = cnn6(shape, 10, [120, 110, 100], [60, 50, 40], widths=widths).astype(np.float64)
    twin = torch_cnn6(model, shape)
    criterion = SoftmaxCrossEntropy()
    ours = SGD(model, 0.02, momentum=0.9, nesterov=nesterov)
    theirs = torch.optim.SGD(twin.parameters(), 0.02, momentum=0.9, nesterov=nesterov)
    centres = rng.integers(0, 256, (10, *shape))
    losses, expected = [], []
    for _ in range(20):
        labels = rng.integers(0, 10, 8)
        x = np.clip(centres[labels] + rng.normal(0, 40, (8, *shape)), 0, 255).astype(np.uint8)
        losses.append(criterion.forward(model.forward(x), labels))
        model.backward(criterion.backward())
        ours.step()
        theirs.zero_grad()
        pixels = x * model[0].scale + model[0].shift
        loss = F.cross_entropy(twin(torch.tensor(pixels.transpose(0, 3, 1, 2))), torch.tensor(labels))
        loss.backward()
        theirs.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert losses[-1] < losses[0] / 2  # and something was learned meanwhile
    np.testing.assert_allclose(model[1].W, twin[0].weight.detach().numpy().transpose(2, 3, 1, 0), rtol=1e-8, atol=1e-9)
