"""The zoo: every model has the layers it claims, is made alike from the same seed, and can learn."""

import numpy as np
import pytest
import scipy.sparse

from minnet import checkpoint, models
from minnet.data import channel_statistics
from minnet.layers import BatchNorm, Conv2d, Dropout, Linear, MaskedSequential, Normalize, Residual, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.training import Trainer

MEAN, STD = [120.0, 110.0, 100.0], [60.0, 61.0, 62.0]
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
IDS = np.random.default_rng(1).integers(0, 40, (12, 9))
IDS[:, 0], IDS[3, 4:] = 5, 0
COUNTS = scipy.sparse.random_array((12, 40), density=0.3, format="csr", dtype=np.float32, rng=2)
PICTURES = {name: getattr(models, name) for name in ("softmax_regression", "mlp", "cnn6", "resnet", "speedrun")}
TEXTS = {name: getattr(models, name) for name in ("ngram_softmax", "embedding_bag", "text_cnn", "attention")}
EVERY = [*PICTURES, *TEXTS]


def build(name, classes=4, seed=0, **settings):
    """(the model, inputs for it)."""
    if name in PICTURES:
        small = {"widths": (6, 8, 8)} if name in ("cnn6", "resnet", "speedrun") else {}
        return PICTURES[name]((32, 32, 3), classes, MEAN, STD, seed=seed, **small, **settings), IMAGES
    return TEXTS[name](40, classes, seed=seed, **settings), COUNTS if name == "ngram_softmax" else IDS


@pytest.mark.parametrize("name", EVERY)
def test_one_score_a_class(name):
    for classes in (2, 5):
        model, x = build(name, classes)
        assert model.eval().forward(x).shape == (12, classes)
        assert model.forward(x).dtype == np.float32


@pytest.mark.parametrize("name", EVERY)
def test_the_seed_decides(name):
    arrays = [build(name, seed=seed)[0].named_parameters() for seed in (3, 3, 4)]
    assert all(np.array_equal(arrays[0][place], arrays[1][place]) for place in arrays[0])
    convex = name in ("softmax_regression", "ngram_softmax")  # begins at zero, whatever the seed
    assert all(np.array_equal(arrays[0][place], arrays[2][place]) for place in arrays[0]) == convex


@pytest.mark.parametrize("name", EVERY)
def test_a_checkpoint_brings_it_back(name, tmp_path):
    model, x = build(name)
    checkpoint.save(tmp_path / "model", *checkpoint.model_to(model))
    again = checkpoint.model_from(*checkpoint.load(tmp_path / "model"))
    assert np.array_equal(model.eval().forward(x), again.eval().forward(x)) and repr(model) == repr(again)


@pytest.mark.parametrize("name", EVERY)
def test_it_learns_twelve_examples(name):
    model, x = build(
        name, classes=3, **({"dropout": 0.0} if name in ("embedding_bag", "text_cnn", "attention") else {})
    )
    labels = np.arange(12) % 3
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam(model, 0.02), workers=1)
    start = trainer.evaluate(x, labels)[0]
    trainer.fit((x, labels), epochs=25, batch_size=12, progress=False)
    loss, accuracy = trainer.evaluate(x, labels)
    assert accuracy == 1.0 and loss < 0.3 * start


@pytest.mark.parametrize("name", ["softmax_regression", "ngram_softmax"])
def test_convex_models_begin_undecided(name):
    model, x = build(name)
    assert not model.eval().forward(x).any()


def test_the_first_layer_normalises():
    for name in PICTURES:
        model, x = build(name)
        assert isinstance(model[0], Normalize)
        assert np.allclose(model[0].forward(x), (x - np.float32(MEAN)) / np.float32(STD), atol=1e-5)


def test_sizes_that_were_published():
    """cnn6 and the speed run's network on CIFAR-10, counted as their papers and pages do."""
    counts = {
        name: sum(array.size for array in build(name, 10)[0].named_parameters().values())
        for name in ("mlp", "ngram_softmax")
    }
    assert counts["mlp"] == 3072 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10
    assert counts["ngram_softmax"] == 40 * 10 + 10
    cnn6 = models.cnn6((32, 32, 3), 10, MEAN, STD)
    assert sum(array.size for array in cnn6.named_parameters().values()) == 307_946
    assert [layer.out_channels for layer in cnn6.layers if isinstance(layer, Conv2d)] == [32, 32, 64, 64, 128, 128]


def conv(inner, outer):
    return f"Conv2d({inner}, {outer}, 3, padding=1, bias=False)"


def outline(layers):
    """Each layer as it describes itself; one that holds others as its name and a list of theirs."""
    return [
        repr(layer)
        if not layer.children()
        else outline(layer.layers)
        if type(layer) is Sequential
        else (type(layer).__name__, outline(layer.children().values()))
        for layer in layers
    ]


def size(model):
    return sum(array.size for array in model.named_parameters().values())


def test_the_layers_of_resnet():
    """A stage is a convolution, a pool, and a block whose two convolutions are added to what came in."""
    model = models.resnet((32, 32, 3), 10, MEAN, STD)
    expected, channels = [f"Normalize({MEAN}, {STD})"], 3
    for width in (32, 64, 128):
        norm = f"BatchNorm({width})"
        expected += [conv(channels, width), norm, "ReLU()", "MaxPool2d(2)"]
        expected += [("Residual", [[conv(width, width), norm, "ReLU()", conv(width, width), norm]]), "ReLU()"]
        channels = width
    assert outline(model.layers) == [*expected, "Flatten()", "Linear(2048, 10)"]
    assert all(layer.shortcut is None for layer in model.layers if isinstance(layer, Residual))
    weights = 9 * (3 * 32 + 2 * 32 * 32 + 32 * 64 + 2 * 64 * 64 + 64 * 128 + 2 * 128 * 128)
    assert size(model) == weights + 2 * 3 * (32 + 64 + 128) + 2048 * 10 + 10


def test_the_layers_of_speedrun():
    """airbench94's: batch norm of momentum 0.6 (which stands here as 0.4), no bias, scores divided by 9."""
    model = models.speedrun((32, 32, 3), 10, MEAN, STD)
    expected, channels = [f"Normalize({MEAN}, {STD})", "Conv2d(3, 24, 2)", "GELU()"], 24
    for width in (64, 256, 256):
        norm = f"BatchNorm({width}, eps=1e-12, momentum=0.4)"
        expected += [conv(channels, width), "MaxPool2d(2)", norm, "GELU()", conv(width, width), norm, "GELU()"]
        channels = width
    expected += ["MaxPool2d(3)", "Flatten()", "Linear(256, 10, bias=False)", f"Scale({1 / 9})"]
    assert outline(model.layers) == expected
    weights = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    assert size(model) == 3 * 24 * 4 + 24 + weights + 2 * 2 * (64 + 256 + 256) + 256 * 10


def test_the_layers_of_the_networks_on_words():
    """Tables of 64 numbers a word; the rows of padding are counted with them."""
    bag = models.embedding_bag(40, 3)
    assert outline(bag.layers) == ["EmbeddingBag(40, 64)", "Dropout()", "Linear(64, 3)"]
    assert size(bag) == 40 * 64 + 64 * 3 + 3
    table = "Embedding(40, 64, padding_idx=0)"
    looking = models.attention(40, 3)
    assert outline(looking.layers) == [table, "Dropout(p=0.3)", "AttentionPool(64)", "Linear(64, 3)"]
    assert size(looking) == 40 * 64 + 64 + 64 * 3 + 3
    cnn = models.text_cnn(40, 3)
    branches = [
        [f"Conv2d(64, 64, ({words}, 1), padding=({beyond}, 0))", "ReLU()", "GlobalMaxPool()"]
        for words, beyond in ((1, 0), (3, 1), (5, 2))
    ]
    assert outline(cnn.layers) == [
        table, "Reshape(-1, 1, 64)", ("Parallel", branches), "Dropout()", "Linear(192, 3)"
    ]  # fmt: skip
    assert size(cnn) == 40 * 64 + (1 + 3 + 5) * 64 * 64 + 3 * 64 + 192 * 3 + 3
    assert Dropout().p == 0.5 and isinstance(looking, MaskedSequential) and isinstance(cnn, MaskedSequential)


def test_padding_changes_nothing():
    """More padding behind a text, or another text beside it, leaves its scores alone."""
    for name in ("embedding_bag", "text_cnn", "attention"):
        model = build(name)[0].eval()
        scores = model.forward(IDS)
        wider = np.pad(IDS, ((0, 0), (0, 7)))
        assert np.allclose(model.forward(wider), scores, atol=1e-5), name
        assert np.allclose(model.forward(IDS[3:4]), scores[3:4], atol=1e-5), name


def test_whitening_makes_patches_uncorrelated():
    """The covariance of what the first convolution says of patches is the identity, for each half of its filters."""
    images = np.random.default_rng(3).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    images[:, :, 1:] = images[:, :, :-1] // 2 + images[:, :, 1:] // 2  # neighbours are alike
    mean, std = channel_statistics(images)
    model = models.speedrun((32, 32, 3), 10, mean, std, widths=(6, 8, 8))
    before = model[1].W.copy()
    models.whiten(model, images)
    assert model[1].frozen == ("W",) and not np.array_equal(before, model[1].W)
    filters = model[1].W.reshape(-1, model[1].W.shape[3]).astype(np.float64)  # (2 * 2 * 3, 24)
    assert np.allclose(filters[:, :12], -filters[:, 12:])
    y = (model[1].forward(model[0].forward(images)) - model[1].b).reshape(-1, 24)[:, :12]
    second = y.T.astype(np.float64) @ y / len(y)
    assert np.allclose(np.diag(second), 1, atol=0.1) and np.abs(second - np.diag(np.diag(second))).max() < 0.1


def test_speedrun_learns_only_what_it_says():
    model, _ = build("speedrun")
    frozen = {f"{place}{name}" for place, layer in model.walk() for name in layer.frozen}
    assert frozen == {f"{index}.gamma" for index, layer in enumerate(model.layers) if isinstance(layer, BatchNorm)}


def test_layers_are_fresh_each_time():
    a, b = build("mlp")[0], build("mlp")[0]
    assert isinstance(a, Sequential) and not {id(layer) for _, layer in a.walk()} & {id(layer) for _, layer in b.walk()}
    first = next(layer for layer in a.layers if isinstance(layer, Linear))
    first.W[...] = 0
    assert next(layer for layer in b.layers if isinstance(layer, Linear)).W.any()
