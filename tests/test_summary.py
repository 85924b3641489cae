"""model.summary: shapes, parameters and costs counted by hand, for every kind of input, without touching the model."""

import re

import numpy as np
import pytest
import scipy.sparse

from minnet import models
from minnet.layers import Conv2d, Dropout, Embedding, Flatten, Layer, Linear, ReLU, Residual, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.summary import multiply_adds
from tests.test_training import LABELS, POINTS


def test_by_hand():
    model = Sequential(Conv2d(3, 8, 3, padding=1, rng=0), ReLU(), Flatten(), Linear(8 * 16, 5, rng=0))
    table = model.summary((4, 4, 3), batch_size=10).split("\n")
    rows = {line.split("  ")[0].strip(): re.split(r"  +", line) for line in table}
    assert rows["0 Conv2d"][1:] == ["(N, 4, 4, 8)", "224", "3,456"]  # 3*3*3*8 + 8; 16 places * 216
    assert rows["3 Linear"][1:] == ["(N, 5)", "645", "640"]
    assert rows["all"][1:] == ["(N, 5)", "869", "4,096"]
    assert multiply_adds(model, (4, 4, 3)) == 4096
    activations = 10 * 4 * (48 + 128 + 128 + 128 + 5)
    assert table[-1] == (
        f"memory of a step with 10 examples: at least {(2 * 4 * 869 + activations) / 1e3:.1f} kB, "
        f"of it {activations / 1e3:.1f} kB for activations"
    )
    assert len({line.index("(N") for line in table if "(N" in line}) == 1, "shapes begin below each other"
    assert len({len(line) for line in table[:-1] if not line.endswith(")")}) == 1, "numbers end below each other"


def test_the_memory_of_a_small_layer_is_told_in_bytes():
    said = Sequential(Linear(2, 3, rng=0)).summary((2,)).split("\n")[-1]
    assert said.endswith(f"at least {2 * 4 * 9 + 4 * 5} bytes, of it {4 * 5} bytes for activations")


def test_cnn6_costs_what_its_design_says():
    said = models.cnn6((32, 32, 3), 10, [0.0] * 3, [1.0] * 3).summary((32, 32, 3), batch_size=128)
    assert "38,653,952" in said and "307,946" in said and "(N, 4, 4, 128)" in said


@pytest.mark.parametrize(
    "model, example",
    [
        (models.text_cnn(50, 3), (12,)),
        (models.attention(50, 3), 12),
        (models.embedding_bag(50, 3), (12,)),
        (models.ngram_softmax(40, 3), (40,)),
        (models.ngram_softmax(40, 3), scipy.sparse.csr_array(np.eye(1, 40, dtype=np.float32))),
        (models.mlp((8, 8, 1), 10, [0.0], [1.0]), np.zeros((1, 8, 8, 1), np.uint8)),
        (Sequential(Linear(4, 3, rng=0)).astype(np.float64), (4,)),
    ],
)
def test_every_kind_of_input(model, example):
    said = model.summary(example)
    parameters = sum(array.size for array in model.named_parameters().values())
    assert said.split("\n")[-2].split()[0] == "all" and f" {parameters:,} " in said


def test_only_dense_gradients_of_what_learns_are_counted():
    """Of a table, and behind a CSR row, a step has the gradients of a few rows only."""

    def least(model, example):
        size, unit = re.search(r"at least ([\d,.]+) (MB|kB)", model.summary(example)).groups()
        return float(size.replace(",", "")) * {"MB": 1e6, "kB": 1e3}[unit]

    assert least(models.embedding_bag(131073, 3), (5,)) == pytest.approx(131073 * 64 * 4, rel=0.01)
    row = scipy.sparse.csr_array(np.eye(1, 4000, dtype=np.float32))
    assert least(models.ngram_softmax(4000, 3), row) == pytest.approx(4000 * 3 * 4, rel=0.01)
    model = Sequential(Linear(4000, 300), Linear(300, 2))
    assert least(model, (4000,)) == pytest.approx(2 * 4000 * 300 * 4, rel=0.02)
    model[0].freeze()
    assert least(model, (4000,)) == pytest.approx(4000 * 300 * 4, rel=0.02)


def test_inner_layers_stand_at_their_places():
    model = Sequential(Residual(Sequential(Linear(4, 4, rng=0), ReLU())), Linear(4, 3, rng=0))
    said = model.summary(4)
    assert model.summary(np.int64(4)) == said
    assert "0.body.0 Linear" in said and "0.body.1 ReLU" in said


def test_a_layer_of_ones_own_counts_what_it_holds():
    class Block(Layer):
        def __init__(self):
            self.body = Linear(4, 4)

        def forward(self, x):
            return self.body.forward(x)

    shown = Sequential(Block(), Linear(4, 3)).summary((4,))
    assert re.search(r"0 Block +\(N, 4\) +20 *\n", shown) and re.search(r"all +\(N, 3\) +35 ", shown)


def test_frozen_parameters_are_told():
    model = Sequential(Linear(4, 3, rng=0), Linear(3, 2, rng=0))
    model[0].freeze()
    assert "(15 of the parameters are frozen)" in model.summary(4)


def test_the_model_is_not_touched():
    """Between a forward and a backward pass, the gradient is the one without a summary."""

    def gradient(look):
        model, loss = Sequential(Linear(4, 8, rng=0), Dropout(0.5, rng=1), Linear(8, 3, rng=2)), SoftmaxCrossEntropy()
        optimizer = SGD(model, 0.1)
        loss.forward(model.forward(POINTS), LABELS)
        if look:
            model.summary((4,))
        assert all(layer.training for _, layer in model.walk())
        model.backward(loss.backward())
        optimizer.step()
        return model[0].W.tobytes()

    assert gradient(look=True) == gradient(look=False)


def test_shapes_that_do_not_suit():
    model = Sequential(Linear(4, 3, rng=0))
    with pytest.raises(ValueError, match=r"no input of shape \(1, 5\) suits the model.*\(N, 4\)"):
        model.summary((5,))
    words = Sequential(Embedding(10, 4), Flatten(), Linear(100, 2))
    with pytest.raises(ValueError, match=r"Linear\(.*expects \(N, 100\), got \(1, 20\)"):
        words.summary((5,))
    with pytest.raises(ValueError, match=r"Linear\(.*expects \(N, 3\), got \(1, 2\)"):
        Sequential(Linear(4, 2), Linear(3, 2)).astype(np.float64).summary(4)
    with pytest.raises(ValueError, match="batch of one"):
        model.summary(POINTS)
