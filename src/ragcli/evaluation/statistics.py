"""What a mean over some questions says of all such questions: intervals, and whether a difference is one.

Everything is drawn with a fixed seed: the same values give the same figures, today and on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLES = 10_000
LEVEL = 0.95
_BLOCK = 2_000_000  # values that are drawn at once
_SEED = 20_240_501

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean, and between which values that of all such questions lies (95 %, percentile bootstrap)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How two runs differ on the same questions.

    Args:
        difference: mean of the second less that of the first.
        low: of its interval.
        high: of its interval.
        p: how often chance alone gives a difference as large, in either direction (sign-flip randomisation).
        better: questions on which the second is better.
        worse: questions on which it is worse.
        n: questions.
    """

    difference: float
    low: float
    high: float
    p: float
    better: int
    worse: int
    n: int


def interval(values: Sequence[float] | Array, samples: int = SAMPLES) -> Interval:
    """Return the mean of values (n,) with its interval.

    Raises:
        ValueError: there are no values.
    """
    given = np.asarray(values, np.float64)
    if not len(given):
        raise ValueError("no values")
    low, high = np.quantile(_means(given, samples), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=float(given.mean()), low=float(low), high=float(high))


def paired(before: Sequence[float] | Array, after: Sequence[float] | Array, samples: int = SAMPLES) -> Paired:
    """Return how values (n,) differ from others (n,) of the same questions.

    Raises:
        ValueError: there are none, or not as many of each.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if first.shape != second.shape or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} values")
    differences = second - first
    found = interval(differences, samples)
    return Paired(
        difference=found.value,
        low=found.low,
        high=found.high,
        p=_by_chance(differences, samples),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        n=len(differences),
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for how many there are (Holm, 1979), in the order given."""
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    out = [1.0] * len(ps)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, ps[at] * (len(ps) - place)))
        out[at] = highest
    return out


def _means(values: Array, samples: int) -> Array:
    """Return the means (samples,) of samples of the values, drawn with replacement."""
    rng = np.random.default_rng(_SEED)
    out = np.empty(samples)
    step = max(1, _BLOCK // len(values))
    for start in range(0, samples, step):
        rows = min(step, samples - start)
        out[start : start + rows] = values[rng.integers(0, len(values), (rows, len(values)))].mean(axis=1)
    return out


def _by_chance(differences: Array, samples: int) -> float:
    """Return how often differences whose signs are chance are as large in the mean as these."""
    kept = differences[differences != 0]
    if not len(kept):
        return 1.0
    rng = np.random.default_rng(_SEED)
    seen = abs(kept.sum()) - 1e-12
    hits, step = 0, max(1, _BLOCK // len(kept))
    for start in range(0, samples, step):
        rows = min(step, samples - start)
        signs = rng.integers(0, 2, (rows, len(kept)), dtype=np.int8) * 2 - 1
        hits += int((np.abs(signs @ kept) >= seen).sum())
    return (hits + 1) / (samples + 1)
