"""How sure a measured figure is, and whether one model is better than another: the bootstrap, and McNemar's test.

The bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) asks what the figure
would have been on other test sets from the same source. It draws N examples with replacement out of the N that we
have, measures again, and repeats; the middle 95 % of these values are the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

LEVEL = 0.95
Z = 1.959963984540054  # as many standard deviations about the middle hold 95 % of a normal distribution
MIN_DISCORDANT = 6  # examples right in one model alone: all six for the same one have p = 2 / 2^6 = 0.03, five 0.06
WORK = 1 << 20  # numbers drawn at a time: some megabytes, whatever the number of resamples


def rates(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1, each (..., K), of confusion matrices (..., K, K) with the truth in the rows.

    What is undefined (a class never predicted, or absent) counts as 0.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    predicted, actual = confusion.sum(axis=-2), confusion.sum(axis=-1)
    # F1 is the harmonic mean of hits / predicted and hits / actual, which is 2 hits / (predicted + actual)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def losses(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log loss, Brier score), each (N,): -log p[label] in nats, and the squared distance from p to the one-hot truth.

    A true class of probability 0 costs an infinite log loss: nothing is clipped. Brier lies between 0 and 2.
    """
    p = probabilities.astype(np.float64)
    of_truth = p[np.arange(len(labels)), labels]
    with np.errstate(divide="ignore"):
        log_loss = -np.log(of_truth)
    # sum_k (p_k - y_k)^2 = sum_k p_k^2 - 2 p_label + 1
    return log_loss + 0.0, (p**2).sum(axis=1) - 2 * of_truth + 1


def resample(probabilities: np.ndarray, labels: np.ndarray, bootstrap: int, seed: int) -> dict[str, np.ndarray]:
    """The measures on `bootstrap` resamples of the examples, each an array (bootstrap,).

    The resamples depend on N, `bootstrap` and `seed` alone, so two models that were evaluated on the same examples
    are resampled alike: their values pair up. A class of few examples may be missing from a resample, which then says
    nothing about it: macro averages are over the others.
    """
    n, k = probabilities.shape
    measures = _measures(probabilities, labels)
    found = [measures(times) for times in _draws(n, bootstrap, seed, wide=k * k)]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


# A million examples looked up in the order in which they were drawn is a million jumps through memory. So the draws
# of each example are counted once, and every measure walks through the examples in their own order.
def _measures(probabilities: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """What takes how many times each example counts, (R, N), and gives every measure of each row, (R,)."""
    n, k = probabilities.shape
    cells = labels * k + probabilities.argmax(axis=1)  # (N,) where each example falls in the confusion matrix
    log_loss, brier = losses(probabilities, labels)
    infinite = np.flatnonzero(np.isinf(log_loss))
    log_loss[infinite] = 0  # a loss that is drawn 0 times is none, but 0 times infinity is NaN
    share = np.count_nonzero(np.bincount(labels)) / k  # a class without any example counts as 0, as it does in `rates`

    def measures(times: np.ndarray) -> dict[str, np.ndarray]:
        r = len(times)
        flat = (cells + k * k * np.arange(r)[:, None]).ravel()
        confusion = np.bincount(flat, times.ravel(), r * k * k).reshape(r, k, k)
        there = confusion.sum(axis=2) > 0  # (R, K)
        precision, recall, f1 = (share * (rate * there).sum(axis=1) / there.sum(axis=1) for rate in rates(confusion))
        return {
            "accuracy": np.trace(confusion, axis1=1, axis2=2) / n,
            "macro_precision": precision,
            "macro_recall": recall,
            "macro_f1": f1,
            "log_loss": np.where(times[:, infinite].any(axis=1), np.inf, np.einsum("rn,n->r", times, log_loss) / n),
            "brier": np.einsum("rn,n->r", times, brier) / n,
        }

    return measures


def percentile_interval(values: np.ndarray) -> list[float] | None:
    """The [low, high] between which the middle 95 % of `values` (R, ...) lie; None when they are not finite."""
    if not np.isfinite(values).all():
        return None
    bounds: list[float] = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0).T.tolist()
    return bounds


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a proportion (E. B. Wilson, 1927): good for small n and for proportions near 0 and 1."""
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> dict[str, Any]:
    """McNemar's test (Psychometrika 12, 1947), exact: are two models equally often right on the same examples?

    Only examples on which exactly one of them is right tell them apart. Were they equally good, each of these n
    would be a fair coin, so how many a alone has right is Binomial(n, 1/2); p doubles its smaller tail, for both sides.
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"mcnemar expects two (N,) arrays of right or wrong, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    return {"only_a": only_a, "only_b": only_b, "both": both, "neither": neither, "p": _coins(only_a, only_b)}


def _coins(heads: int, tails: int) -> float:
    """How often as many fair coins fall at least as unevenly."""
    from scipy.special import bdtr

    n = heads + tails
    return 2 * float(bdtr(min(heads, tails), n, 0.5)) if abs(heads - tails) > 1 else 1.0  # not a rounding less


def paired_bootstrap(
    probabilities_a: np.ndarray, probabilities_b: np.ndarray, labels: np.ndarray, bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Each measure's difference, b minus a, on the same examples, with its 95 % interval.

    Both models are measured on the same resamples, so that what makes examples easy or hard for both cancels.
    `share_above` is the share of resamples in which b's value is the larger. A value that is not finite is None.

    Accuracy has the interval of `paired_shares`. Where fewer than MIN_DISCORDANT examples are right in one of the two
    alone, no test tells these from chance, and resamples are too much alike to say more of macro averages: None. So it
    is with the losses where all examples are right in both.
    """
    if probabilities_a.shape != probabilities_b.shape or len(labels) != len(probabilities_a):
        raise ValueError(
            "paired_bootstrap expects two (N, K) arrays and (N,) labels of the same examples, got "
            f"{probabilities_a.shape}, {probabilities_b.shape} and {labels.shape}"
        )
    a, b = (resampled(p, labels, bootstrap, seed) for p in (probabilities_a, probabilities_b))
    return paired_differences(a, b)


class Resampled(NamedTuple):
    """One model's measures on all examples and on resamples of them, and which examples it has right."""

    whole: dict[str, np.ndarray]  # each (1,)
    drawn: dict[str, np.ndarray]  # each (bootstrap,)
    right: np.ndarray  # (N,)


def resampled(probabilities: np.ndarray, labels: np.ndarray, bootstrap: int, seed: int) -> Resampled:
    """What `paired_differences` takes of each model: of many that meet in pairs, each is resampled once."""
    labels = labels.astype(np.int64)  # small integers would overflow in the confusion matrix
    whole = _measures(probabilities, labels)(np.ones((1, len(labels))))
    drawn = resample(probabilities, labels, bootstrap, seed)
    return Resampled(whole, drawn, probabilities.argmax(axis=1) == labels)


def paired_differences(a: Resampled, b: Resampled) -> dict[str, dict[str, Any]]:
    """What `paired_bootstrap` says of two models, `resampled` on the same examples with the same seed."""
    compared, both_right = {}, a.right & b.right
    only_a, only_b = int((a.right & ~b.right).sum()), int((b.right & ~a.right).sum())
    for name in a.drawn:
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            differences, (difference,) = b.drawn[name] - a.drawn[name], b.whole[name] - a.whole[name]
        too_few = only_a + only_b < MIN_DISCORDANT if name.startswith("macro_") else both_right.all()
        compared[name] = {
            "difference": float(difference) if np.isfinite(difference) else None,
            "interval": None if too_few else percentile_interval(differences),
            "share_above": float((differences > 0).mean()),
        }
    compared["accuracy"]["interval"] = paired_shares(only_a, only_b, len(a.right))
    return compared


def paired_shares(only_a: int, only_b: int, n: int) -> list[float]:
    """The 95 % interval of the difference of two accuracies, b minus a, on the same n examples, of which `only_a` and
    `only_b` are right in one alone.

    Each of these is a share of all, and the difference of two shares p of one sample has the variance
    (p_a + p_b - (p_b - p_a)^2) / n. As if one more example stood on either side, so that it is right for few as well
    (Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based on paired data,
    2012). It is an approximation and McNemar's test is exact: a difference of 0 that the test leaves possible is in it.
    """
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    difference = share_b - share_a
    half = Z * np.sqrt((share_a + share_b - difference**2) / (n + 2))
    low, high = float(max(difference - half, -1)), float(min(difference + half, 1))
    return [low, high] if _coins(only_a, only_b) < 1 - LEVEL else [min(low, 0.0), max(high, 0.0)]


def _draws(n: int, bootstrap: int, seed: int, wide: int) -> Iterator[np.ndarray]:
    """Yields how many times each example is drawn, (R, n), in `bootstrap` rows; R * max(n, wide) stays near WORK."""
    if bootstrap < 1:
        raise ValueError(f"bootstrap must be at least 1 resample, got {bootstrap}")
    rng = np.random.default_rng(seed)
    size = max(1, WORK // max(n, wide))
    for start in tqdm(range(0, bootstrap, size), "resampling", delay=1, leave=False):
        r = min(size, bootstrap - start)
        indices = rng.integers(n, size=(r, n))
        indices += n * np.arange(r)[:, None]
        yield np.bincount(indices.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)
