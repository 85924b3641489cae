"""Quantification: which share of unlabelled examples belongs to each class, and what such a figure is worth.

A model errs more on some classes than on others, so that counting its predictions is off wherever the mix of classes is
not that of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from minnet.formatting import aligned, count, encodable, interval, percent, shortened
from minnet.intervals import LEVEL, WORK

FITTING = 0.1  # where chance leaves the counts as far from every mix less often than this, they are said to fit none
TELLING = 0.6  # an interval that is wider says next to nothing: validation does not tell the classes apart
MIN_PER_CLASS = 30  # validation examples of a class that tell what share of it is mistaken to within some ten points


# With R_ij = P(predicted j | true i), estimated from the rows of the validation confusion matrix, and true shares s, a
# class is counted as often as
#     c_j = sum_i s_i R_ij          c = R^T s
# So s is what brings R^T s closest to the counted c, by least squares among the shares that can be: none negative, and
# their sum 1. It assumes that only the shares differ from validation, not how a class looks.
def class_shares(
    probabilities: np.ndarray,
    confusion_validation: np.ndarray | None,
    bootstrap: int = 1000,
    seed: int = 0,
    believed: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Which share of the examples belongs to each class, estimated without their labels in three ways.

    "counted": the share of predictions. "mean_probability": the mean of the probabilities, or of those that are
    `believed` instead (N, K), such as `calibration.calibrated` ones. "corrected": for two classes the adjusted
    count (Forman, Quantifying counts and costs via classification, 2008), for more the same with all of the validation
    matrix (Saerens, Latinne and Decaestecker 2002), left out where there is none (None); its time grows faster than
    K^3, seconds for 200 classes. Each has "shares" (K,) and "intervals" (K, 2); the examples count as a sample of a
    larger source, and the validation matrix as measured, not exact. That is all that the intervals hold: those of the
    first two leave out that the model is mistaken more often for some classes than for others.

    The intervals are those of the Bayesian bootstrap (Rubin, The Bayesian bootstrap, 1981): examples are not drawn
    anew but weighed anew, with weights from an exponential distribution. One more example, which was not seen, weighs
    in: it may be of the class that is asked about or not, so that three of three comments make no share certain. For
    the corrected shares it weighs in after the correction, and only widens their intervals.

    "corrected" has a "fit" as well: how often, were only the shares other than in validation, chance alone would leave
    the counts as far from any mix as they are. A small one says that it is not so, and that the corrected shares and
    intervals are wrong; a large one proves nothing: texts that are harder than validation's may be counted as some mix
    of easier ones would be.
    """
    n, k = probabilities.shape
    if n == 0:
        raise ValueError("class_shares needs at least one example")
    predicted = np.eye(k)[probabilities.argmax(axis=1)]  # (N, K) one-hot
    p = (probabilities if believed is None else believed).astype(np.float64)
    rng = np.random.default_rng(seed)
    sums, total = _weighed(np.hstack([predicted, p]), bootstrap, rng)  # (bootstrap, 2K), (bootstrap, 1)
    of_it, of_others = np.tile(rng.standard_gamma(0.5, (2, bootstrap, k)), 2)  # half an example each (Jeffreys' prior)
    drawn, counted = (sums + of_it) / (total + of_it + of_others), predicted.mean(axis=0)
    found = {"counted": _around(counted, drawn[:, :k]), "mean_probability": _around(p.mean(axis=0), drawn[:, k:])}
    if confusion_validation is not None:
        shares, solved, fit = _corrected(confusion_validation, counted, sums[:, :k] / total, n, seed)
        doubted = (total * solved + of_it[:, :k]) / (total + of_it[:, :k] + of_others[:, :k])
        found["corrected"] = {**_around(shares, solved, doubted), "fit": fit}
    return found


def table(
    shares: dict[str, dict[str, Any]], classes: Sequence[str], weighted: bool | None = False, how: str = ""
) -> str:
    """The result of `class_shares` as a table for the terminal: a line a class, with 95 % intervals in brackets.

    `weighted` is whether the loss weighed the classes; None: nobody knows. `how` tells what was done to the
    probabilities that are believed, such as "temperature 0.83, class weights undone".
    """
    titles = {"counted": "counted", "mean_probability": "mean probability", "corrected": "corrected by validation"}
    columns = [["class", *shortened(classes, 24)]]
    for name, found in shares.items():
        pairs = zip(found["shares"], found["intervals"], strict=True)
        columns.append([titles[name], *(f"{percent(s, 1):>7} ({interval(bounds, 1, True)})" for s, bounds in pairs)])
    often = {
        False: "; right where as many are wrongly taken for a class as are missed of it",
        True: "; rare ones too often, since they weighed more in training",
        None: "",
    }[weighted]
    done = f", with {how}" if how else ""
    meaning = {
        "counted": f"counted: how often each class is named{often}",
        "mean_probability": f"mean probability: the mean of the percentages{done}; right where these come true",
        "corrected": "corrected: counted, without the mistakes that were made on validation; for any mixture",
    }
    brackets = "in brackets: 95 % intervals; those of the first two leave the model's mistakes out"
    lines = [*aligned(list(zip(*columns, strict=True))), brackets, *(meaning[name] for name in shares)]
    return encodable("\n".join(lines))


def trust(corrected: dict[str, Any], confusion_validation: np.ndarray, classes: Sequence[str]) -> str:
    """A sentence on what the corrected shares are worth: to be quoted, or why not."""
    examples = np.asarray(confusion_validation).sum(axis=1)
    widest = float(np.ptp(corrected["intervals"], axis=1).max())
    if corrected["fit"] < FITTING:
        return (
            "(do not quote the corrected shares: at validation's rates of mistakes no mix of the classes is counted "
            "like this, by chance in less than one of ten; these texts are easier or harder than validation's)"
        )
    if examples.min() < MIN_PER_CLASS:
        fewest = count(int(examples.min()), "validation example")
        return (
            f"(the corrected shares are guesses: they rest on {fewest} of {classes[int(examples.argmin())]!r}, where "
            f"{MIN_PER_CLASS} of each class are needed, and only their intervals say what can be known)"
        )
    if widest > TELLING:
        return f"(the corrected shares say next to nothing: an interval is {100 * widest:.0f} points wide)"
    return "Quote the corrected shares, with their intervals."


def _weighed(values: np.ndarray, bootstrap: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sums of values (N, M) for each draw of the weights, (bootstrap, M), and the weights' own sums."""
    if bootstrap < 1:
        raise ValueError(f"bootstrap must be at least 1 resample, got {bootstrap}")
    sums, totals = [], []
    rows = max(1, WORK // len(values))  # draws at a time
    for start in range(0, bootstrap, rows):
        weights = rng.standard_exponential((min(rows, bootstrap - start), len(values)))
        sums.append(weights @ values)
        totals.append(weights.sum(axis=1, keepdims=True))
    return np.concatenate(sums), np.concatenate(totals)


def _around(shares: np.ndarray, *resampled: np.ndarray) -> dict[str, Any]:
    """The shares (K,) and the middle of the resampled ones, (R, K) each, with the estimate in it: 0 is possible."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)  # (len(resampled), K) each
    intervals = np.stack([np.min([*low, shares], axis=0), np.max([*high, shares], axis=0)], axis=1)
    return {"shares": shares.tolist(), "intervals": intervals.tolist()}


def _corrected(
    confusion_validation: np.ndarray, counted: np.ndarray, drawn: np.ndarray, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The corrected shares (K,), their resamples (bootstrap, K), in which the matrix is weighed anew as well, and how
    often as many examples of these shares are counted as far from any mix as `counted`."""
    k = len(counted)
    confusion = np.asarray(confusion_validation, dtype=np.int64)
    if confusion.shape != (k, k):
        raise ValueError(f"class_shares expects a confusion matrix ({k}, {k}), got {confusion.shape}")
    totals = confusion.sum(axis=1)
    if (totals == 0).any():
        raise ValueError(f"class {int(totals.argmin())} has no validation example: its error rates are unknown")
    table, rng = confusion / totals[:, None], np.random.default_rng((seed, 1))
    shares, far = _least_squares_shares(table, counted)
    resampled, as_far = [], []
    for counts in drawn:
        may_be = rng.standard_gamma(confusion + 1 / k)
        may_be /= may_be.sum(axis=1, keepdims=True)  # Dirichlet's distribution (Perks' prior: 1 / K)
        resampled.append(_least_squares_shares(may_be, counts)[0])
        if far > 1e-6:  # more than the solver leaves where they fit
            again = rng.multinomial(n, shares @ may_be) / n
            as_far.append(_least_squares_shares(table, again)[1] >= far - 1e-9)
    return shares, np.array(resampled), float(np.mean(as_far or [True]))


def _least_squares_shares(table: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, float]:
    """The s >= 0, sum s = 1, of the least |table' s - counted|, and that: the sum is held by a row of large weight."""
    from scipy.optimize import lsq_linear, nnls

    weight = 1e4
    rows = np.vstack([table.T, np.full((1, len(counted)), weight)])
    target = np.append(counted, weight)
    try:
        shares, _ = nnls(rows, target)
    except (RuntimeError, LinAlgError):  # SciPy before 1.15 gives up on some that have a solution
        shares = np.maximum(lsq_linear(rows, target, (0, np.inf), "bvls", max_iter=10 * len(counted)).x, 0)
    shares[shares < 1e-9] = 0  # what the solver leaves of a share that is none
    shares /= shares.sum()
    return shares, float(np.linalg.norm(shares @ table - counted))
