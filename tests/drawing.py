"""What Hypothesis draws in these tests: shapes, batches and settings of layers; the same ones in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from scipy.special import softmax

SMALL = st.integers(1, 5)
SEEDS = st.integers(0, 2**32 - 1)


def steady(examples: int) -> settings:
    """A fixed number of examples, fixed once and for all: no run of the tests finds what another one missed."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers: no two alike, none at a kink."""
    return np.random.default_rng(seed).standard_normal(shape)


def simulated(n: int, k: int = 4, seed: int = 0, sharp: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K) and labels, calibrated by construction: each label is drawn from its own row."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(size=(n, k)) * sharp, axis=1)
    labels = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    return p, labels


@st.composite
def rows(draw: Any, features: int | None = None, examples: Any = None) -> np.ndarray:
    """A batch (N, features) of at least two."""
    n = draw(examples if examples is not None else st.integers(2, 5))
    return normal(n, draw(SMALL) if features is None else features, seed=draw(SEEDS))


@st.composite
def images(draw: Any, channels: Any = None, least: int = 1, most: int = 7, examples: Any = None) -> np.ndarray:
    """A batch (N, H, W, C) of rectangular images, every side at least `least`."""
    n = draw(examples if examples is not None else st.integers(2, 3))
    sides = draw(st.tuples(st.integers(least, most), st.integers(least, most)))
    return normal(n, *sides, draw(SMALL if channels is None else channels), seed=draw(SEEDS))


@st.composite
def texts(draw: Any, vocabulary: int) -> np.ndarray:
    """Token ids (N, L), padded with 0 behind each text; some texts are empty, tokens come back."""
    n, length, rng = draw(st.integers(2, 4)), draw(st.integers(1, 6)), np.random.default_rng(draw(SEEDS))
    ids = rng.integers(1, vocabulary, (n, length))
    ids[np.arange(length) >= rng.integers(0, length + 1, (n, 1))] = 0
    return ids


@st.composite
def sparse_rows(draw: Any, features: int) -> Any:
    """CSR (N, features), with empty rows and unused columns among them."""
    rng = np.random.default_rng(draw(SEEDS))
    density = draw(st.sampled_from([0.0, 0.3, 0.8]))
    return scipy.sparse.random(draw(st.integers(2, 5)), features, density, format="csr", rng=rng)


def pairs(least: int, most: int) -> Any:
    """One number for both axes, or (height, width)."""
    number = st.integers(least, most)
    return st.one_of(number, st.tuples(number, number))


def both(pair: Any) -> tuple[int, int]:
    return pair if isinstance(pair, tuple) else (pair, pair)


@st.composite
def convolutions(draw: Any, channels: Any = None) -> tuple[dict[str, Any], tuple[int, int]]:
    """Settings of a Conv2d, and an image size (height, width) in which at least one window fits."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    per_group = st.integers(1, 3) if channels is None else channels
    settings = {
        "in_channels": groups * draw(per_group),
        "out_channels": groups * draw(per_group),
        "kernel_size": draw(pairs(1, 3)),
        "stride": draw(pairs(1, 3)),
        "padding": draw(pairs(0, 2)),
        "dilation": draw(pairs(1, 2)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    sides = []
    for axis in (0, 1):
        k, p, d = (both(settings[name])[axis] for name in ("kernel_size", "padding", "dilation"))
        sides.append(max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 4)))
    return settings, (sides[0], sides[1])


@st.composite
def poolings(draw: Any) -> tuple[dict[str, Any], tuple[int, int]]:
    """Settings of a pooling layer, and an image size in which at least one window fits."""
    kernel = draw(pairs(1, 3))
    padding = draw(st.sampled_from([0, 0, tuple(k // 2 for k in both(kernel))]))
    settings = {
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.none(), pairs(1, 3))),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    sides = [max(1, k - 2 * p) + draw(st.integers(0, 5)) for k, p in zip(both(kernel), both(padding), strict=True)]
    return settings, (sides[0], sides[1])
