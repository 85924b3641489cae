"""The layers, one concept a file; all of them are listed here."""

from minnet.layers.activations import GELU, LeakyReLU, ReLU, Scale, Sigmoid, Tanh
from minnet.layers.attention import AttentionPool
from minnet.layers.base import Layer, RowGradient
from minnet.layers.containers import MaskedSequential, Parallel, Residual, Sequential
from minnet.layers.conv import Conv2d
from minnet.layers.description import rebuild
from minnet.layers.dropout import Dropout
from minnet.layers.embedding import Embedding, EmbeddingBag
from minnet.layers.linear import Linear
from minnet.layers.normalization import BatchNorm, LayerNorm, Normalize
from minnet.layers.pooling import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from minnet.layers.reshape import Flatten, Reshape
from minnet.layers.softmax import Softmax

__all__ = [
    "GELU", "AttentionPool", "AvgPool2d", "BatchNorm", "Conv2d", "Dropout", "Embedding", "EmbeddingBag", "Flatten",
    "GlobalAvgPool", "GlobalMaxPool", "Layer", "LayerNorm", "LeakyReLU", "Linear", "MaskedSequential", "MaxPool2d",
    "Normalize", "Parallel", "ReLU", "Reshape", "Residual", "RowGradient", "Scale", "Sequential", "Sigmoid", "Softmax",
    "Tanh", "rebuild",
]  # fmt: skip
