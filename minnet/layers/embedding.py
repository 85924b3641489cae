"""Embeddings give every token of a vocabulary a learned vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.initializers import normal
from minnet.layers.arguments import whole
from minnet.layers.base import Layer
from minnet.layers.row_gradient import csr, row_gradient


class Embedding(Layer):
    """Row lookup: y = W[ids]. Shapes: ids integers of any shape (...), W (num_embeddings, embedding_dim), y (..., D).

    Its gradient is a RowGradient of the rows that were looked up. The row `padding_idx`, if given, is zero and
    does not learn. A lookup is a product of one-hot rows with W, so backward is that of Linear on sparse rows.
    """

    parameters, in_rows = ("W",), True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, rng: Any = None
    ) -> None:
        self.num_embeddings = whole("num_embeddings", num_embeddings)
        self.embedding_dim, self.padding_idx = whole("embedding_dim", embedding_dim), padding_idx
        self.W = normal((self.num_embeddings, self.embedding_dim), np.random.default_rng(rng))
        if padding_idx is not None:
            if not isinstance(padding_idx, (int, np.integer)) or not 0 <= padding_idx < num_embeddings:
                raise ValueError(f"padding_idx {padding_idx!r} is outside 0..{num_embeddings - 1}")
            self.W[padding_idx] = 0

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect_ids(x)
        self._cache = x
        return self.W[x]

    # y_p = W[ids_p] at every place p, so row v of dW is the sum of dy_p over the places that looked it up, ids_p = v.
    def backward(self, dy: np.ndarray) -> None:
        ids = self._recall()
        self._expect_dy(dy, (*ids.shape, self.embedding_dim))
        if self._learns("W"):
            counted = np.ones(ids.shape, bool) if self.padding_idx is None else ids != self.padding_idx
            found = ids[counted]
            lookup = csr(np.ones(len(found), dy.dtype), found, np.arange(len(found) + 1), self.num_embeddings)
            self.dW = row_gradient(lookup, dy[counted])

    def _expect_ids(self, ids: Any) -> None:
        if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu":
            raise ValueError(f"{self!r} expects an array of integer token ids, got {getattr(ids, 'dtype', type(ids))}")
        if ids.size and (ids.min() < 0 or ids.max() >= self.num_embeddings):
            wrong = ids.min() if ids.min() < 0 else ids.max()
            raise ValueError(f"{self!r}: token id {wrong} is outside 0..{self.num_embeddings - 1}")


class EmbeddingBag(Embedding):
    """The mean (or sum) of a text's word vectors: order is ignored, and in the mean length does not matter.

    Shapes: ids (N, L), padded with `padding_idx`, which does not count; y (N, embedding_dim). A text of padding
    only gives zeros.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, mode: str = "mean", padding_idx: int = 0, rng: Any = None
    ) -> None:
        if mode not in ("mean", "sum"):
            raise ValueError(f"EmbeddingBag's mode is 'mean' or 'sum', got {mode!r}")
        super().__init__(num_embeddings, embedding_dim, padding_idx, rng)
        self.mode = mode

    # y_n = sum_v w_nv W_v, where w_nv is how often token v stands in text n (for the mean, divided by its length). That
    # is Linear without bias on the sparse rows w, so y = w W and dW = w^T dy.
    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect_ids(x)
        if x.ndim != 2:
            raise ValueError(f"{self!r} expects padded token ids (N, L), got {x.shape}")
        counted = x != self.padding_idx
        lengths = counted.sum(axis=1)
        weights = 1 / np.maximum(lengths, 1) if self.mode == "mean" else np.ones(len(x))
        starts = np.concatenate([[0], np.cumsum(lengths)])
        w = csr(np.repeat(weights, lengths).astype(self.W.dtype), x[counted], starts, self.num_embeddings)
        self._cache = w
        return w @ self.W

    def backward(self, dy: np.ndarray) -> None:
        w = self._recall()
        self._expect_dy(dy, (w.shape[0], self.embedding_dim))
        if self._learns("W"):
            self.dW = row_gradient(w, dy)
