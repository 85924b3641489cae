"""Softmax over very many classes without touching all of them: a sampled loss and a tree of yes-or-no questions.

Both own the last layer's table, so they take the features x (N, D) in front of it, and their `backward` returns
dL/dx. A batch touches few rows of the table, and its gradient is a RowGradient of just these: forward, backward and
update cost what the batch needs, whatever the number of classes. Optimizers get them as `loss=`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.functional import check_labels, log_softmax, sigmoid
from minnet.initializers import normal
from minnet.layers.row_gradient import RowGradient, csr
from minnet.losses import Loss, total, weighted

CHUNK = 1 << 24  # scores held at a time where all classes are asked for


class LogUniform:
    """q_k = log((k + 2) / (k + 1)) / log(K + 1): near Zipf's law where classes are numbered by falling frequency."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    # The sum of q over 0..k is log(k + 2) / log(K + 1). So u in [0, 1) falls to the class k with log(k + 1) <=
    # u log(K + 1) < log(k + 2), that is k + 1 <= (K + 1)^u < k + 2: k is the whole part of (K + 1)^u, less 1.
    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """`size` classes, int64, with replacement."""
        drawn = np.exp(rng.random(size) * np.log(self.classes + 1)).astype(np.int64) - 1
        return np.clip(drawn, 0, self.classes - 1)

    def log_q(self, k: np.ndarray) -> np.ndarray:
        """log q of the classes k, float64."""
        return np.log(np.log1p(1 / (k + 1.0)) / np.log(self.classes + 1))

    def __repr__(self) -> str:
        return f"LogUniform({self.classes})"


class Unigram:
    """q_k in proportion to counts_k ** power; 0.75 is word2vec's choice (Mikolov et al., arXiv 1310.4546)."""

    def __init__(self, counts: Any, power: float = 0.75) -> None:
        counts = np.asarray(counts, np.float64)
        if counts.ndim != 1 or not ((counts > 0) & (counts < np.inf)).all():
            raise ValueError("Unigram: counts are finite numbers above 0, one a class; add 1 where one was never seen")
        q = counts**power / (counts**power).sum()
        self.classes, self.power = len(counts), power
        self._log_q, self._cumulative = np.log(q), np.cumsum(q)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """`size` classes, int64, with replacement."""
        drawn = np.searchsorted(self._cumulative, rng.random(size), side="right")
        return np.minimum(drawn, self.classes - 1)

    def log_q(self, k: np.ndarray) -> np.ndarray:
        """log q of the classes k, float64."""
        return self._log_q[k]

    def __repr__(self) -> str:
        return f"Unigram({self.classes:,} counts, power={self.power})"


class SampledSoftmaxCrossEntropy(Loss):
    """Softmax cross-entropy whose sum over all classes is estimated from a few that are drawn at random.

    Shapes: features x (N, D), targets labels (N,), W (classes, D), b (classes,), backward (N, D). While training, all
    examples of a batch share `samples` classes drawn from `proposal` (LogUniform by default: number the classes by
    falling frequency). In evaluation mode the loss is exact. The form is that of Rawat et al., arXiv 1907.10747.
    """

    parameters = ("W", "b")

    # With scores o_k = x . W_k + b_k the exact loss is log Z - o_y, Z = sum_k e^(o_k). Draw s_1..s_S from q, and put
    #   Z^ = e^(o_y) + sum over the s_i that are not y of e^(o_s) / (S q_s)
    # Each draw contributes sum over k != y of q_k e^(o_k) / (S q_k) on average, so E[Z^] = Z: dividing by S q ("the
    # logQ correction") makes the sum unbiased. Its logarithm is not: log is concave, so E[log Z^] <= log Z. With
    # Z^ = Z (1 + d) and log(1 + d) ~ d - d^2 / 2, the bias is about -Var(Z^) / (2 Z^2), which falls like 1 / S.
    # A class s that is drawn n_s times is computed once and counted n_s times:
    #   n_s e^(o_s) / (S q_s) = e^(o_s + c_s)   with   c_s = log(n_s / S) - log q_s
    def __init__(
        self, features: int, classes: int, samples: int = 256, proposal: LogUniform | Unigram | None = None,
        rng: Any = None,
    ) -> None:  # fmt: skip
        if samples < 1 or classes < 2:
            raise ValueError(f"a sampled loss needs at least 1 sample and 2 classes, got {samples} and {classes}")
        self.features, self.classes, self.samples = features, classes, samples
        self.proposal = LogUniform(classes) if proposal is None else proposal
        if self.proposal.classes != classes:
            raise ValueError(f"the proposal is over {self.proposal.classes:,} classes, the loss over {classes:,}")
        self.rng = np.random.default_rng(rng)
        self.W = normal((classes, features), self.rng, features**-0.5)
        self.b = np.zeros(classes, np.float32)

    def forward(  # type: ignore[override]
        self, x: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None
    ) -> float:
        x, y, w = _checked(self, x, targets, weights, denominator)
        if not self.training:
            self._cache = None
            losses = [-log_p[np.arange(len(log_p)), y[rows]] for rows, log_p in _in_parts(self, x)]
            return total(np.concatenate([np.zeros(0, x.dtype), *losses]), w)
        s, times = np.unique(self.proposal.draw(self.samples, self.rng), return_counts=True)
        c = np.log(times / self.samples) - self.proposal.log_q(s)
        of_y = np.einsum("nd,nd->n", x, self.W[y]) + self.b[y]
        of_s = x @ self.W[s].T + (self.b[s] + c.astype(x.dtype))
        of_s[y[:, None] == s] = -np.inf  # drawn, but the truth is counted already
        log_p = log_softmax(np.column_stack([of_y, of_s]))  # the truth, then the different classes drawn
        self._cache = x, y, s, np.exp(log_p), w
        return total(-log_p[:, 0], w)

    # l = log(e^(o_y) + sum_s e^(o_s + c_s)) - o_y is a softmax cross-entropy over the truth and the classes drawn, and
    # c does not depend on x or W. So with p the softmax of these scores: dl/do_y = p_y - 1, dl/do_s = p_s, and from
    # o_k = x . W_k + b_k:   dW_k = sum_n do_nk x_n,   db_k = sum_n do_nk,   dx_n = sum_k do_nk W_k
    def backward(self) -> np.ndarray:  # type: ignore[override]
        if not self.training and self._cache is None:
            raise RuntimeError(f"{self!r}: in evaluation the loss is exact and has no backward: call train() first")
        x, y, s, p, w = self._recall()
        do = weighted(p, w)
        do_y, do_s = do[:, 0] - w.astype(p.dtype), do[:, 1:]
        rows, place = np.unique(np.concatenate([s, y]), return_inverse=True)
        into = csr(do_y, place[len(s) :], np.arange(len(y) + 1), len(rows))  # (N, rows): column of the truth
        if self._learns("W"):
            values = into.T @ x
            values[place[: len(s)]] += do_s.T @ x
            self.dW = RowGradient(rows, values)
        if self._learns("b"):
            summed = np.bincount(place[len(s) :], do_y, len(rows)).astype(p.dtype)
            summed[place[: len(s)]] += do_s.sum(axis=0)
            self.db = RowGradient(rows, summed)
        return do_s @ self.W[s] + do_y[:, None] * self.W[y]

    def log_probabilities(self, x: np.ndarray) -> np.ndarray:
        """The exact log-probabilities of all classes, (N, classes)."""
        return log_softmax(x @ self.W.T + self.b)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "proposal": repr(self.proposal)}


class HierarchicalSoftmax(Loss):
    """A class is reached from the root of a binary tree by yes-or-no answers, one a node: l = -sum log P(answer).

    Shapes: features x (N, D), targets labels (N,), W (classes - 1, D) and b (classes - 1,) one row an inner node,
    backward (N, D). The tree is Huffman's for `counts`, (classes,): frequent classes are few questions away, and the
    mean number of questions is within one of the entropy of the counts in bits (Morin and Bengio 2005; Mikolov et al.,
    arXiv 1310.4546). The loss is exact, and the classes' probabilities sum to one.
    """

    parameters = ("W", "b")

    def __init__(self, features: int, counts: Any, rng: Any = None) -> None:
        counts = np.asarray(counts, np.float64)
        if counts.ndim != 1 or len(counts) < 2 or not ((counts >= 0) & (counts < np.inf)).all():
            raise ValueError(
                "HierarchicalSoftmax: counts are finite numbers >= 0, one a class, for at least two classes"
            )
        self.features, self.classes, self.counts = features, len(counts), f"{len(counts):,} counts"
        self.tree = huffman(counts)
        self.starts, self.nodes, self.answers = paths(self.tree)
        self.W = normal((self.classes - 1, features), rng, features**-0.5)
        self.b = np.zeros(self.classes - 1, np.float32)

    # A node with z = x . W + b answers "left" with probability s(z) = 1/(1 + e^-z), "right" with 1 - s(z) = s(-z). The
    # two add up to 1 at every node, so the leaves below a node share exactly its probability, and all leaves share 1.
    # With a = +1 for left and -1 for right, a step of the path costs -log s(a z) = log(1 + e^(-a z)).
    def forward(  # type: ignore[override]
        self, x: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None
    ) -> float:
        x, y, w = _checked(self, x, targets, weights, denominator)
        lengths = self.starts[y + 1] - self.starts[y]
        ends = np.cumsum(lengths)
        steps = np.arange(lengths.sum())  # (M,) all paths, in a row
        steps += np.repeat(self.starts[y] - (ends - lengths), lengths)
        nodes, a = self.nodes[steps], self.answers[steps].astype(x.dtype)
        example = np.repeat(np.arange(len(y)), lengths)
        z = np.einsum("md,md->m", x[example], self.W[nodes]) + self.b[nodes]
        losses = np.logaddexp(x.dtype.type(0), -a * z)
        self._cache = x, w, nodes, a, z, example, np.append(0, ends)
        return total(losses, w[example])

    # dl/dz = -a s(-a z): for left s(z) - 1, for right s(z): again probability minus truth. Then, summing over the
    # steps m that ask node j:   dW_j = sum_m dz_m x_n(m),   db_j = sum_m dz_m
    # and over the steps of example n:   dx_n = sum_m dz_m W_j(m)
    def backward(self) -> np.ndarray:  # type: ignore[override]
        x, w, nodes, a, z, example, starts = self._recall()
        dz = weighted(-a * sigmoid(-a * z), w[example]).astype(x.dtype)
        rows, place = np.unique(nodes, return_inverse=True)
        asked = csr(dz, place, starts, len(rows))  # (N, rows)
        if self._learns("W"):
            self.dW = RowGradient(rows, asked.T @ x)
        if self._learns("b"):
            self.db = RowGradient(rows, np.bincount(place, dz, len(rows)).astype(x.dtype))
        return asked @ self.W[rows]

    def log_probabilities(self, x: np.ndarray) -> np.ndarray:
        """The log-probabilities of all classes, (N, classes): for each the sum over its path."""
        z = x @ self.W.T + self.b  # (N, nodes)
        left = csr((self.answers > 0).astype(x.dtype), self.nodes, self.starts, self.classes - 1)
        right = csr((self.answers < 0).astype(x.dtype), self.nodes, self.starts, self.classes - 1)
        return -(left @ np.logaddexp(x.dtype.type(0), -z).T + right @ np.logaddexp(x.dtype.type(0), z).T).T


def huffman(counts: np.ndarray) -> np.ndarray:
    """The tree whose mean depth, weighed by `counts` (K,), is the least: (K - 1, 2), the two children of each node.

    Node 0 is the root, parents come before their children, and a child below zero, ~k, is the class k (D. A. Huffman,
    1952). The two rarest join again and again; joined nodes come out in rising order, so two queues are enough.
    """
    order = np.argsort(counts, kind="stable")
    leaves = [(float(counts[k]), ~int(k)) for k in order]
    joined: list[tuple[float, int]] = []
    tree = np.empty((len(counts) - 1, 2), np.int64)
    leaf = inner = 0
    for node in range(len(counts) - 2, -1, -1):
        weight = 0.0
        for side in (1, 0):
            if inner == len(joined) or (leaf < len(leaves) and leaves[leaf][0] <= joined[inner][0]):
                rarest, leaf = leaves[leaf], leaf + 1
            else:
                rarest, inner = joined[inner], inner + 1
            tree[node, side] = rarest[1]
            weight += rarest[0]
        joined.append((weight, node))
    return tree


def paths(tree: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(starts, nodes, answers): class k is reached over nodes[starts[k]:starts[k + 1]], by +1 (left) or -1 (right)."""
    inner = len(tree)
    parent, answer = np.full(2 * inner + 1, -1), np.zeros(2 * inner + 1, np.int8)  # a class ~k is at index -k - 1
    for side, sign in ((0, 1), (1, -1)):
        parent[tree[:, side]], answer[tree[:, side]] = np.arange(inner), sign
    classes, at = np.arange(inner + 1), ~np.arange(inner + 1)
    found = []
    while len(classes):  # all classes climb towards the root together
        found.append((classes, parent[at], answer[at]))
        at = parent[at]
        classes, at = classes[at > 0], at[at > 0]
    of, nodes, answers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(of, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(of)))
    return starts, nodes[order], answers[order]


def _checked(
    loss: Any, x: Any, targets: Any, weights: Any, denominator: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, labels, w_n / D), after making sure that they fit the loss."""
    loss._expect(x, features=loss.features)
    y = check_labels(targets, loss.classes).astype(np.int64)  # y + 1 has to fit
    if y.shape != (len(x),):
        raise ValueError(f"{loss!r}: {len(x)} rows of features but targets of shape {y.shape}: labels (N,) are needed")
    return x, y, loss._normalised(y, weights, denominator)


def _in_parts(loss: SampledSoftmaxCrossEntropy, x: np.ndarray) -> Any:
    """Yields (rows, their log-probabilities), few enough at a time to fit in memory."""
    size = max(1, CHUNK // loss.classes)
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield rows, loss.log_probabilities(x[rows])
