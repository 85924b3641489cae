"""Can the probabilities be believed? Calibration: among predictions made with probability 0.8, 80 % should be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minnet.functional import check_labels, logsumexp, softmax
from minnet.intervals import percentile_interval, wilson

BINS = 15
SIMULATIONS = 200
WORK = 1 << 16  # scores at a time: the passes over them then run in a core's own cache
TEMPERATURES = (0.01, 100.0)  # the coldest and the hottest that are tried


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Confidence against accuracy in `bins` equal-width bins of the top probability; empty bins are left out.

    Bin b of B holds the examples whose top probability lies in (b/B, (b+1)/B]. Returns lists, one entry a bin:
    low, high, count, confidence (mean top probability), accuracy, and its 95 % interval (Wilson); and "ece", the
    expected calibration error (Guo et al., arXiv 1706.04599, equation 3):
    sum over bins of count/N |accuracy - confidence|.
    """
    p, y = checked("reliability", probabilities, labels)
    confidence = p.max(axis=1).astype(np.float64)
    right = p.argmax(axis=1) == y
    bin_of = _bin(confidence, bins)
    counts = np.bincount(bin_of, minlength=bins)
    full = np.flatnonzero(counts)
    n = counts[full]
    hits = np.bincount(bin_of, weights=right, minlength=bins)[full]
    mean = np.bincount(bin_of, weights=confidence, minlength=bins)[full] / n
    low, high = wilson(hits, n)
    return {
        "bins": bins,
        "low": (full / bins).tolist(),
        "high": ((full + 1) / bins).tolist(),
        "count": n.tolist(),
        "confidence": mean.tolist(),
        "accuracy": (hits / n).tolist(),
        "interval": np.stack([low, high], axis=1).tolist(),
        "ece": float((n * np.abs(hits / n - mean)).sum() / n.sum()),
    }


def calibrated_ece(
    probabilities: np.ndarray, bins: int = BINS, simulations: int = SIMULATIONS, seed: int = 0
) -> tuple[float, list[float]]:
    """(mean, 95 % interval) of the calibration error that perfectly calibrated probabilities would show.

    The error is a sum of absolute values, so chance alone keeps it above 0 on a finite test set. Drawing every label
    from its own row of probabilities makes them calibrated by construction; the top class is then right with exactly
    its probability.
    """
    confidence = _rows("calibrated_ece", probabilities, None).max(axis=1).astype(np.float64)
    bin_of = _bin(confidence, bins)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(simulations):
        right = rng.random(len(confidence)) < confidence
        # count/N |accuracy - confidence| = |sum over the bin of (right - confidence)| / N
        errors.append(np.abs(np.bincount(bin_of, weights=right - confidence)).sum() / len(confidence))
    return float(np.mean(errors)), percentile_interval(np.array(errors)) or []


def coverage(probabilities: np.ndarray, labels: np.ndarray, points: int = 20) -> list[dict[str, float]]:
    """Accuracy when the model may abstain: it answers only where its top probability reaches a threshold.

    `points` thresholds, so that 1/points, 2/points, ... 1 of the examples are answered; equally sure examples are
    answered together, so the coverage can be larger. Each point: coverage, threshold, accuracy, answered.
    """
    p, y = checked("coverage", probabilities, labels)
    confidence = p.max(axis=1).astype(np.float64)
    right = p.argmax(axis=1) == y
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(right[order])
    descending = confidence[order]
    n = len(order)
    found: dict[int, dict[str, float]] = {}
    for share in np.arange(1, points + 1) / points:
        threshold = descending[int(np.ceil(share * n - 1e-9)) - 1]
        answered = int(np.searchsorted(-descending, -threshold, side="right"))
        found[answered] = {
            "coverage": answered / n,
            "threshold": float(threshold),
            "accuracy": float(hits[answered - 1] / answered),
            "answered": answered,
        }
    return list(found.values())


def fit_temperature(logits: np.ndarray, labels: np.ndarray, class_weights: Sequence[float] | None = None) -> float:
    """The temperature T from 0.01 to 100 for which softmax(logits / T) has the least log loss on these examples; where
    the network's loss had class weights (K,), softmax(unweighted(logits / T, class_weights)).

    Fit it on validation examples, never on those that the network was trained on: there it is sure and right.
    Dividing by T changes no prediction, only how sure it is (Guo et al., arXiv 1706.04599, section 4.2).
    """
    z, labels = np.asarray(logits), np.asarray(labels)
    if z.ndim != 2 or len(z) == 0 or labels.shape != (len(z),):
        raise ValueError(f"fit_temperature expects logits (N, K) and labels (N,), got {z.shape} and {labels.shape}")
    labels = check_labels(labels, z.shape[1])
    if np.isnan(z).any() or not np.isfinite(z.max(axis=1)).all():
        raise ValueError("fit_temperature expects logits without NaN or +inf, and a possible class in every row")
    if not np.isfinite(z[np.arange(len(z)), labels]).all():
        raise ValueError("fit_temperature: a true class has the logit -inf: its loss is infinite at any temperature")
    from scipy.optimize import minimize_scalar

    # With B = 1/T, one example's loss is L(B) = log sum_k exp(B z_k - log w_k) - B z_y + log w_y, where w_k are the
    # class weights or 1, and
    #   dL/dB = sum_k p_k z_k - z_y       the mean of the logits under the model, minus the logit of the truth
    #   d2L/dB2 = Var_p(z) >= 0           so L is convex in B: it has no second valley
    #   dL/dT = dL/dB dB/dT = (z_y - sum_k p_k z_k) / T^2
    # At the best T, if it lies inside, the logit of the truth is, on average, what the model expects it to be. (With
    # every example right there is no bottom: the colder, the better, until the loss is 0 in floating point.) No second
    # valley in B is none in u = log T, and u is searched: halving T and doubling it are equally long steps.
    def loss(u: float) -> float:
        return _log_loss(z, labels, np.exp(u), class_weights) / len(z)

    bounds = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    best = np.argmin([found.fun, *map(loss, bounds)])
    return float(np.exp([found.x, *bounds][best]))


def _log_loss(z: np.ndarray, labels: np.ndarray, temperature: float, class_weights: Sequence[float] | None) -> float:
    """The sum of -log p[label], p = softmax(unweighted(z / T, class_weights)), in float64, some rows at a time."""
    total, size = 0.0, max(1, WORK // z.shape[1])
    for start in range(0, len(z), size):
        part, of_truth = z[start : start + size].astype(np.float64), labels[start : start + size]
        part -= part.max(axis=1, keepdims=True)  # dividing large scores would round away what tells them apart
        part = unweighted(part / temperature, class_weights)
        total += float((logsumexp(part) - part[np.arange(len(part)), of_truth]).sum())
    return total


# The mean of w_y (-log q(y|x)) over examples weighs, for one x, each class k by its probability p(k|x):
#     sum_k p(k|x) w_k (-log q(k|x)) = W sum_k r(k) (-log q(k|x)),   r(k) = w_k p(k|x) / W,   W = sum_j w_j p(j|x)
# r sums to 1, so this is W times a cross-entropy, which is least for q = r. A network whose loss weighs the classes
# therefore learns q(k|x) = w_k p(k|x) / W instead of p(k|x). Backwards, p(k|x) is proportional to q(k|x) / w_k, whose
# logarithm is z_k - log w_k and a number that is the same for all classes: softmax does not see it.
# (Without label smoothing. Of weights that act in batches: `acting_weights`.)
def unweighted(scores: np.ndarray, class_weights: Sequence[float] | np.ndarray | None) -> np.ndarray:
    """The scores (N, K) without what the class weights (K,) of the loss did to them: their softmax is the probability
    of each class where the classes are as common as they were in training. Same shape and dtype; None changes nothing.

    Whoever asks which class is named asks the scores themselves: the weights are there so that rare ones are named.
    """
    if class_weights is None:
        return scores
    w = np.asarray(class_weights, dtype=np.float64)
    if w.shape != scores.shape[-1:] or not ((w > 0) & (w < np.inf)).all():
        raise ValueError(f"unweighted expects a positive weight for each of {scores.shape[-1]} classes, got {w}")
    return scores - np.log(w).astype(scores.dtype)


# The mean above divides by a fixed number. A batch of B examples divides by its own sum of weights, in which each of
# them is, too: with S the sum of the B - 1 others, an example of class k acts with w_k / (w_k + S). With s_j the share
# of class j, and since 1/x is the integral of e^(-tx) over t > 0 and the mean of a product of independent numbers is
# the product of their means,
#     v_k = B m E[w_k / (w_k + S)] = B m w_k integral of e^(-t w_k) (sum_j s_j e^(-t w_j))^(B-1),   m = sum_j s_j w_j
# For large B this is w_k; in batches of one all act alike. (S is not just its mean: where ten classes of 1 % weigh five
# times as much in batches of 16, few batches hold one, and 1 / S is larger on average than 1 / E[S].)
def acting_weights(class_weights: np.ndarray, shares: np.ndarray, batch_size: int) -> np.ndarray:
    """Class weights (K,), none 0, as they act in batches of this size, drawn from classes of these `shares` (K,), of
    sum 1."""
    first, last = np.log([1e-10 / (batch_size * class_weights.max()), 40 / class_weights.min()])
    t = np.exp(np.arange(first, last, 0.05))  # even steps of log t, whose dt is t times the step
    fades = np.exp(-np.outer(t, class_weights))  # (steps, K)
    mean = 0.05 * (t * (fades @ shares) ** (batch_size - 1)) @ fades  # (K,) of 1 / (w_k + S)
    acting: np.ndarray = batch_size * (shares @ class_weights) * class_weights * mean
    return acting


def checked(who: str, probabilities: Any, labels: Any, classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The arrays (N, K) and (N,), after making sure that they are probabilities and labels of these classes.

    Raises ValueError, which names `who` expected them, otherwise.
    """
    p, y = _rows(who, probabilities, classes), np.asarray(labels)
    k = p.shape[1]
    if y.shape != (len(p),):
        raise ValueError(f"{who} expects one label an example, (N,), got {y.shape} for {p.shape}")
    if y.dtype.kind not in "iu":
        raise ValueError(f"{who} expects integer labels 0 to {k - 1}, got {y.dtype}")
    if y.min() < 0 or y.max() >= k:
        raise ValueError(f"{who} expects labels 0 to {k - 1}, got {y.min()} to {y.max()}")
    return p, y.astype(np.int64)


def _rows(who: str, probabilities: Any, classes: int | None) -> np.ndarray:
    p = np.asarray(probabilities)
    k: Any = "K" if classes is None else classes
    if p.ndim != 2 or classes not in (None, p.shape[1]) or p.shape[1] < 2:
        raise ValueError(f"{who} expects probabilities (N, {k}) for {k} classes (at least 2), got shape {p.shape}")
    if len(p) == 0:
        raise ValueError(f"{who} expects at least one example, got {p.shape}")
    if p.dtype.kind != "f" or not np.isfinite(p).all():
        raise ValueError(f"{who} expects finite floating-point probabilities: look for NaN in the model's output")
    sums = p.sum(axis=1, dtype=np.float64)
    if p.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        worst = int(np.abs(sums - 1).argmax())
        raise ValueError(
            f"{who} expects rows of probabilities that sum to 1; row {worst} sums to {sums[worst]:.4g}: "
            "apply softmax to logits first"
        )
    return p


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def seen_on_validation(
    scores: np.ndarray, labels: np.ndarray, class_weights: Sequence[float] | None = None
) -> dict[str, Any]:
    """What the validation examples tell about later predictions, from their scores (N, K): which classes are taken for
    which (`validation_confusion`, truth in the rows), and the `temperature` at which the probabilities, `unweighted`,
    fit best, or why there is `no_temperature`: also where they fit so little better that it may be chance (5 %)."""
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(labels, scores.argmax(axis=1), labels=range(scores.shape[1]))
    fitted: dict[str, Any] = {"no_temperature": too_little(confusion)}
    if not fitted["no_temperature"]:
        temperature = fit_temperature(scores, labels, class_weights)
        as_is, best = (_log_loss(scores, labels, t, class_weights) for t in (1, temperature))
        # Wilks 1938: were T = 1 right, twice the log likelihood that the fit gains would follow chi-square, one degree
        # of freedom, and be above 3.84 in one of twenty
        if 2 * (as_is - best) < 3.84:
            undone = "" if class_weights is None else ", class weights undone"
            told = f"{len(scores):,} validation examples give no sign that one would mend its percentages{undone}"
            fitted = {"no_temperature": told}
        elif round(temperature, 4) in TEMPERATURES:
            fitted = {"no_temperature": "the best is none of those that are tried, {} to {:.0f}".format(*TEMPERATURES)}
        else:
            fitted = {"temperature": round(temperature, 4)}
    return {"validation_confusion": confusion.tolist(), **fitted}


def calibrated(scores: np.ndarray, config: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """{what was done: the probabilities (N, K) of these scores} where a run's config.json tells of a temperature, by
    which they are divided, or of class weights, which are undone then; else None. The temperature comes first: it mends
    the q that was learned, the weights lead from q to p (see above)."""
    weights, temperature, done = weights_in(config, scores.shape[1]), config.get("temperature"), []
    if isinstance(temperature, float) and TEMPERATURES[0] <= temperature <= TEMPERATURES[1]:
        scores = (scores - scores.max(axis=1, keepdims=True)) / scores.dtype.type(temperature)
        done.append(f"temperature {temperature:.2f}")
    if weights is not None:
        scores = unweighted(scores, weights)
        done.append("class weights undone")
    return {", ".join(done): softmax(scores)} if done else None


def weights_in(config: Mapping[str, Any], classes: int) -> np.ndarray | None:
    """The class weights (K,) of a run's loss, if its config.json tells of any; nothing that stands there is trusted."""
    try:
        weights = np.array(config["class_weights"], np.float64)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return weights if weights.shape == (classes,) and ((weights > 0) & (weights < np.inf)).all() else None


def too_little(confusion: np.ndarray) -> str:
    """Why these validation examples cannot tell how far percentages are to be trusted; nothing where they can."""
    n = int(confusion.sum())
    if n < 50:
        return f"that needs 50 validation examples, and there are {n}"
    return f"all {n:,} validation examples are right" if np.trace(confusion) == n else ""
