"""A loss turns scores and the truth into one number, and starts the walk back with that number's gradient."""

# mypy: disable-error-code="override"
from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from minnet.functional import check_labels, log_softmax, one_hot, sigmoid
from minnet.layers.base import Layer


class Loss(Layer):
    """Base of all losses: `forward(scores, targets) -> float`, `backward() -> dL/dscores`.

    A loss is a weighted mean over the batch, L = sum_n w_n l_n / D: l_n is the loss of example n alone, w_n its weight,
    and D = sum_n w_n (without weights w_n = 1 and D = N). Only ratios of weights count: in a batch of one they cancel.
    The division by D happens here and nowhere else. Whoever computes a batch in pieces passes the whole batch's D as
    `denominator`, so that the pieces' losses and gradients simply add up.
    """

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        try:
            inspect.signature(cls.forward).bind(*[None] * 5)
        except TypeError:
            raise TypeError(f"{cls.__name__}.forward takes (scores, targets, weights=None, denominator=None)") from None

    # A loss is a layer at which the walk back begins, so its backward takes no dy. Like any layer it can own parameters
    # ("loss.W") and be frozen, converted, described and replicated; only these signatures differ (mypy is told above).
    def forward(self, scores: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None) -> float:
        raise NotImplementedError

    def backward(self) -> np.ndarray:
        raise NotImplementedError

    def denominator(self, targets: Any, weights: Any = None) -> float:
        """D: the sum of the weights that count (class weights included, ignored examples left out)."""
        return float(self._weights(np.asarray(targets), weights).sum(dtype=np.float64))

    def hits(self, scores: np.ndarray, targets: Any) -> tuple[int, int]:
        """(correct, counted): for how many examples the label's score is the largest, out of how many that count.

        (0, 0) where right or wrong makes no sense, as for targets that are numbers, or several labels at once. To
        override this is to say that the loss is over classes: integer targets (N,) are then taken as labels.
        """
        return 0, 0

    def check_targets(self, targets: np.ndarray) -> None:
        """Raises ValueError for targets that are wrong whatever the scores. The Trainer asks this of all data first."""

    def _weights(self, targets: np.ndarray, weights: Any) -> np.ndarray:
        """One weight an example, (N,)."""
        if weights is None:
            return np.ones(len(targets))
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (len(targets),):
            raise ValueError(f"{self!r}: weights must be {len(targets)} numbers, one an example, got {weights.shape}")
        fine = (weights >= 0) & (weights < np.inf)
        if not fine.all():
            raise ValueError(f"{self!r}: weights must be finite and at least 0, got {weights[~fine][0]:g}")
        return weights

    def _normalised(self, targets: np.ndarray, weights: Any, denominator: float | None) -> np.ndarray:
        """w_n / D for each example, (N,)."""
        counted = self._weights(targets, weights)
        total = counted.sum() if denominator is None else denominator
        if not total > 0:
            raise ValueError(f"{self!r}: no example counts (an empty batch, or all weights are zero)")
        return counted / total

    def _expect_scores(self, scores: Any, targets: np.ndarray) -> None:
        if not isinstance(scores, np.ndarray) or scores.ndim != 2:
            got = str(scores.shape) if isinstance(scores, np.ndarray) else type(scores).__name__
            if min(np.ndim(scores), targets.ndim) > 2:
                got += ": end the model in Flatten(), and give targets y.reshape(len(y), -1)"
            raise ValueError(f"{self!r} expects an array of scores (N, K), got {got}")
        if scores.dtype.type not in (np.float32, np.float64):
            cure = "cast with scores.astype(np.float32)"
            raise ValueError(f"{self!r} expects scores in float32 or float64, got {scores.dtype}: {cure}")
        if targets.ndim == 0:
            raise ValueError(f"{self!r} expects one target a row of scores, got the number {targets}")
        if len(targets) != len(scores):
            raise ValueError(f"{self!r}: {len(scores)} rows of scores but {len(targets)} targets")


class _OverClasses(Loss):
    """What the two cross-entropies share: targets are labels (N,) or rows of probabilities (N, K)."""

    class_weights: Any = None
    ignore_index: int | None = None

    def _weights(self, targets: np.ndarray, weights: Any) -> np.ndarray:
        counted = super()._weights(targets, weights)
        if targets.ndim != 1:
            if self.class_weights is not None:
                raise ValueError(f"{self!r}: class weights need integer labels; for soft targets pass weights (N,)")
            return counted
        if self.ignore_index is not None:
            counted = counted * (targets != self.ignore_index)
            targets = np.where(targets == self.ignore_index, 0, targets)
        if self.class_weights is not None:
            table = np.asarray(self.class_weights, dtype=np.float64)
            counted = counted * table[check_labels(targets, len(table))]
        return counted

    def hits(self, scores: np.ndarray, targets: Any) -> tuple[int, int]:
        targets = np.asarray(targets)
        if targets.ndim == 2:
            return _hits(scores, targets.argmax(axis=1))
        plain = self.ignore_index is None and self.class_weights is None
        counted: Any = slice(None) if plain else self._weights(targets, None) > 0
        return _hits(scores[counted], targets[counted])

    def _distribution(self, targets: np.ndarray, classes: int, dtype: Any) -> np.ndarray:
        """The targets as rows of probabilities t, (N, K), which sum to 1 to rounding."""
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(f"{self!r}: {len(self.class_weights)} class weights for {classes} classes")
        if targets.ndim == 1:
            if self.ignore_index is not None:
                targets = np.where(targets == self.ignore_index, 0, targets)
            return one_hot(targets, classes, dtype)
        if targets.ndim != 2 or targets.shape[1] != classes or targets.dtype.kind != "f":
            cures = {(1,): ": use y[:, 0]", (classes,): ": use y.argmax(axis=1), or y.astype(np.float32)"}
            raise ValueError(
                f"{self!r}: targets must be integer labels (N,) or probabilities (N, {classes}), "
                f"got {targets.dtype} {targets.shape}{cures.get(targets.shape[1:], '')}"
            )
        self.check_targets(targets)
        return (targets / targets.sum(axis=1, keepdims=True, dtype=np.float64)).astype(dtype, copy=False)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 2 or targets.dtype.kind != "f":  # labels, or of a kind that forward refuses
            return
        sums = targets.sum(axis=1, dtype=np.float64)
        fine = (targets >= 0).all(axis=1) & (np.abs(sums - 1) <= 1e-4)
        if not fine.all():
            row = fine.argmin()
            raise ValueError(
                f"{self!r}: soft targets t must be >= 0 and each row sum to 1, to 1e-4; row {row} goes down to "
                f"{targets[row].min():.3g} and sums to {sums[row]:.6g}: t / t.sum(axis=1, keepdims=True, dtype=float)"
            )


def _hits(scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    return int((scores.argmax(axis=1) == labels).sum()), len(labels)


def _expected(t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """sum_k t_nk values_nk for each row, where 0 times an infinity counts as 0."""
    with np.errstate(invalid="ignore"):
        terms = t * values
    terms[t == 0] = 0
    return terms.sum(axis=1)


def _table(class_weights: Any) -> list[float] | None:
    """Class weights as plain numbers, as a description can hold them."""
    if class_weights is None:
        return None
    table = np.asarray(class_weights)  # of a dictionary, a set or words it makes no numbers
    fine = table.ndim == 1 and table.dtype.kind in "biuf" and bool(((table >= 0) & (table < np.inf)).all())
    if not fine or not table.any():
        raise ValueError(
            f"class_weights must be finite numbers >= 0, one a class in order and not all 0, got {table.tolist()!r}"
        )
    return [float(weight) for weight in table]


def total(losses: np.ndarray, w: np.ndarray) -> float:
    """sum_n w_n l_n, where an example of weight 0 does not count whatever it costs."""
    counted = w > 0
    return float(losses[counted] @ w[counted])


def weighted(rows: np.ndarray, w: np.ndarray) -> np.ndarray:
    """w_n times row n, (N, ...); an example of weight 0 gets zeros, whatever its row is (0 times infinity is NaN)."""
    w = w.astype(rows.dtype).reshape(-1, *(1,) * (rows.ndim - 1))
    return np.multiply(rows, w, out=np.zeros_like(rows), where=w > 0)


class SoftmaxCrossEntropy(_OverClasses):
    """Scores -> softmax -> cross-entropy in one step: l_n = -sum_k t_nk log softmax(z_n)_k.

    Shapes: scores z (N, K), targets labels (N,) or probabilities (N, K), backward (N, K).
    `label_smoothing` e mixes the truth with the uniform distribution: t' = (1 - e) t + e / K (arXiv 1512.00567).
    `class_weights` (K,) weigh each example by its label, smoothed or not (PyTorch weighs a smoothed label class by
    class); examples labelled `ignore_index` do not count. A label whose score is -inf costs +inf.
    """

    def __init__(
        self, label_smoothing: float = 0.0, class_weights: Any = None, ignore_index: int | None = None
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        self.label_smoothing = float(label_smoothing)  # a NumPy number would make float32 scores float64
        self.class_weights = _table(class_weights)
        self.ignore_index = ignore_index

    def forward(self, scores: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None) -> float:
        targets = np.asarray(targets)
        self._expect_scores(scores, targets)
        t = self._distribution(targets, scores.shape[1], scores.dtype)
        if self.label_smoothing:
            t = (1 - self.label_smoothing) * t + self.label_smoothing / scores.shape[1]
        log_p = log_softmax(scores)
        losses = -_expected(t, log_p)
        w = self._normalised(targets, weights, denominator)
        self._cache = np.exp(log_p), t, w
        return total(losses, w)

    # l = -sum_k t_k log p_k with p = softmax(z), log p_k = z_k - log sum_j e^(z_j). With delta_ki = 1 if k = i, else 0,
    #   d log p_k / dz_i = delta_ki - e^(z_i) / sum_j e^(z_j) = delta_ki - p_i
    #   dl/dz_i = -sum_k t_k (delta_ki - p_i) = p_i sum_k t_k - t_i = p_i - t_i      because sum_k t_k = 1
    # Example n has the weight w_n / D in the mean, so   dL/dz_n = (p_n - t_n) w_n / D
    # The long way, CrossEntropy's -t / p times Softmax's Jacobian, arrives at the same, less exactly.
    def backward(self) -> np.ndarray:
        p, t, w = self._recall()
        return weighted(p - t, w)


class CrossEntropy(_OverClasses):
    """The surprise at the truth when probabilities p were announced: l_n = -sum_k t_nk log p_nk.

    For the lesson: behind a Softmax layer it gives what SoftmaxCrossEntropy computes directly from the scores, as
    long as no probability underflows to 0. Shapes: p (N, K), targets (N,) or (N, K) as there, backward (N, K).
    """

    def __init__(self, class_weights: Any = None) -> None:
        self.class_weights = _table(class_weights)

    def forward(self, scores: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None) -> float:
        targets, p = np.asarray(targets), scores
        self._expect_scores(p, targets)
        # NaN passes: the Trainer finds out where it came from
        if (p < 0).any() or (np.abs(p.sum(axis=1) - 1) > 1e-3).any():
            raise ValueError(f"{self!r} expects probabilities (rows >= 0 that sum to 1): put Softmax() in front")
        t = self._distribution(targets, p.shape[1], p.dtype)
        with np.errstate(divide="ignore"):
            losses = -_expected(t, np.log(p))
        w = self._normalised(targets, weights, denominator)
        self._cache = p, t, w
        return total(losses, w)

    # l = -sum_k t_k log p_k:   dl/dp_k = -t_k / p_k
    def backward(self) -> np.ndarray:
        p, t, w = self._recall()
        with np.errstate(divide="ignore"):
            ratio = np.divide(t, p, out=np.zeros_like(p), where=t > 0)
        return -weighted(ratio, w)


class _OverOutputs(Loss):
    """What losses with independent outputs share: targets (N, K), and a mean over the K outputs of an example."""

    def _expect_targets(self, scores: np.ndarray, targets: np.ndarray) -> None:
        self._expect_scores(scores, targets)
        if targets.dtype.kind not in "biuf":
            raise ValueError(f"{self!r}: targets must be numbers, got {targets.dtype}: use y.astype(np.float32)")
        if targets.shape != scores.shape:
            cure = ": use y[:, None].astype(np.float32)" if targets.ndim == scores.shape[1] == 1 else ""
            raise ValueError(f"{self!r}: targets must have the scores' shape {scores.shape}, got {targets.shape}{cure}")


class SigmoidCrossEntropy(_OverOutputs):
    """One yes-or-no question per class: l_n = mean_k of -t log s(z) - (1 - t) log(1 - s(z)), s(z) = 1/(1 + e^-z).

    For several labels at once (targets (N, K) of numbers in [0, 1]), or one versus the rest (labels (N,)).
    Shapes: scores z (N, K), backward (N, K). The mean over k is PyTorch's BCEWithLogitsLoss convention.
    """

    def hits(self, scores: np.ndarray, targets: Any) -> tuple[int, int]:
        targets = np.asarray(targets)
        return _hits(scores, targets) if targets.ndim == 1 else (0, 0)

    def check_targets(self, targets: np.ndarray) -> None:
        fine = ((targets >= 0) & (targets <= 1)).all(axis=-1)
        if targets.ndim == 2 and not fine.all():
            raise ValueError(f"{self!r}: row {fine.argmin()}: targets must lie in [0, 1], one yes or no per class")

    # -log s(z) = log(1 + e^-z) and -log(1 - s(z)) = z + log(1 + e^-z), so   l = (1 - t) z + log(1 + e^-z)
    # Below 0, where e^-z may overflow, log(1 + e^-z) = -z + log(1 + e^z), so   l = -t z + log(1 + e^z)
    # Both at once are   l = d |z| + log(1 + e^-|z|)   with d = 1 - t where z > 0, else t, so d = |(z > 0) - t|: no
    # exponent is positive, and a sure answer that is right (d = 0) costs nothing, even at infinity.
    def forward(self, scores: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None) -> float:
        z, targets = scores, np.asarray(targets)
        if targets.ndim == 1 and z.ndim == 2 and z.shape[1] > 1:  # of one score, label 0 would mean yes
            targets = one_hot(targets, z.shape[1], z.dtype)
        self._expect_targets(z, targets)
        self.check_targets(targets)
        t = targets.astype(z.dtype, copy=False)
        size = np.abs(z)
        losses = (_expected(np.abs((z > 0) - t), size) + np.log1p(np.exp(-size)).sum(axis=1)) / z.shape[1]
        w = self._normalised(targets, weights, denominator)
        self._cache = z, t, w
        return total(losses, w)

    # dl/dz = 1 - t - e^-z / (1 + e^-z) = 1 - t - (1 - s(z)) = s(z) - t: again probability minus truth; / K for the mean
    def backward(self) -> np.ndarray:
        z, t, w = self._recall()
        return weighted(sigmoid(z) - t, w / z.shape[1])


class MeanSquaredError(_OverOutputs):
    """l_n = mean_k (y_nk - t_nk)^2, for outputs that are numbers. Shapes: y, targets and backward (N, K)."""

    def forward(self, scores: np.ndarray, targets: Any, weights: Any = None, denominator: float | None = None) -> float:
        targets = np.asarray(targets)
        self._expect_targets(scores, targets)
        difference = scores - targets.astype(scores.dtype, copy=False)
        w = self._normalised(targets, weights, denominator)
        self._cache = difference, w
        return total(np.square(difference).mean(axis=1), w)

    # dl/dy_k = 2 (y_k - t_k) / K
    def backward(self) -> np.ndarray:
        difference, w = self._recall()
        return weighted(difference, 2 * w / difference.shape[1])
