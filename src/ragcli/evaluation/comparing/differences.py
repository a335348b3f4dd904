"""Rows beside each other, question by question: what is more than chance, and what could be seen at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ragcli.evaluation.gates import ALPHA
from ragcli.evaluation.measures import DIGITS
from ragcli.evaluation.statistics import Paired, holm, paired
from ragcli.records import Json

_POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a row differs from another: ``paired.difference`` is the row's mean less the other's.

    Args:
        than: the number of the other row.
        paired: the difference, its interval, and the questions on which each is better.
        p: corrected for how many rows are looked at.
        distinguishable: whether it is more than chance (5 %).
    """

    than: int
    paired: Paired
    p: float
    distinguishable: bool

    def to_json(self) -> Json:
        """Return it as a JSON object."""
        made = self.paired
        return {
            "than": self.than,
            "difference": round(made.difference, DIGITS),
            "low": round(made.low, DIGITS),
            "high": round(made.high, DIGITS),
            "p": round(made.p, DIGITS),
            "p_corrected": round(self.p, DIGITS),
            "better": made.better,
            "worse": made.worse,
            "n": made.n,
            "distinguishable": self.distinguishable,
        }


def against(values: dict[int, Sequence[float]], others: dict[int, int]) -> dict[int, Difference]:
    """Return how rows differ from others, with Holm's correction over all of them.

    Args:
        values: of each row (by its number), the value of every question, all in the same order.
        others: row -> the row that it is compared with.
    """
    made = {row: paired(_kept(values[than]), _kept(values[row])) for row, than in others.items()}
    corrected = dict(zip(made, holm([one.p for one in made.values()]), strict=True))
    return {
        row: Difference(
            than=others[row], paired=one, p=corrected[row],
            distinguishable=bool(one.difference) and corrected[row] < ALPHA,
        )
        for row, one in made.items()
    }  # fmt: skip


def _kept(values: Sequence[float]) -> list[float]:
    """Return values as they are written, so that what is kept gives the same figures."""
    return [round(one, DIGITS) for one in values]


def smallest_seen(values: Sequence[float], others: Sequence[float], comparisons: int) -> float | None:
    """Return the smallest difference in the mean that so many questions would show in four of five cases.

    From how much the difference varies from question to question, with Bonferroni's bound for how many rows are
    compared. None where no question differs, or where so few do that no difference could be told from chance.

    Args:
        values: of a row (n,).
        others: of the row that it is compared with (n,).
        comparisons: how many rows are compared.
    """
    differences = np.asarray(values, np.float64) - np.asarray(others, np.float64)
    if len(differences) < 2 or not differences.any() or not can_show(len(differences), comparisons):
        return None
    normal = NormalDist()
    reach = normal.inv_cdf(1 - ALPHA / (2 * max(1, comparisons))) + normal.inv_cdf(_POWER)
    return float(reach * differences.std(ddof=1) / len(differences) ** 0.5)


def can_show(questions: int, comparisons: int) -> bool:
    """Whether any difference could be told from chance: the signs of n questions fall one way twice in 2^n."""
    return questions >= 1 and max(1, comparisons) * 2.0 ** (1 - questions) < ALPHA
