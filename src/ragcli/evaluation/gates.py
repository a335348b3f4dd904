"""Gates: ``--fail-under 'R@5=0.9'``, and ``--baseline before.json``, which fails only on a loss that is no chance.

A baseline is the record of an evaluation that was kept. Both runs are compared question by question; a measure is lost
where its mean fell and the fall is no chance at 5 %, after Holm's correction for how many measures are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ragcli.errors import InputError, UsageError
from ragcli.evaluation.measures import DIGITS, Values, canonical
from ragcli.evaluation.statistics import Paired, holm, paired
from ragcli.jsonl import loads
from ragcli.records import Json

ALPHA = 0.05
_RULE = re.compile(r"\s*(?:(document|chunk):)?\s*([^=<>]+?)\s*(?:>=|=)\s*([0-9.]+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a measure must reach; ``level`` is None for the first level of the evaluation."""

    level: str | None
    measure: str
    least: float


def parse_rule(text: str) -> Rule:
    """Return the rule of ``R@5=0.9``, ``R@5>=0.9`` or ``chunk:R@5=0.9``.

    Raises:
        UsageError: it is none, or the measure is not known.
    """
    match = _RULE.fullmatch(text)
    try:
        least = float(match[3]) if match else -1.0
    except ValueError:
        least = -1.0
    if match is None or not 0 <= least <= 1:
        raise UsageError(
            f"--fail-under {text!r} is no rule.", hint="Name a measure and what it must reach: 'R@5=0.9' (0 to 1)."
        )
    return Rule(level=match[1], measure=canonical(match[2]), least=least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one measure changed against the baseline; ``lost`` where it fell, and not by chance."""

    level: str
    measure: str
    before: float
    after: float
    paired: Paired
    p: float  # corrected
    lost: bool

    def to_json(self) -> Json:
        """Return the change as a JSON object."""
        out = {"level": self.level, "measure": self.measure, "before": self.before, "after": self.after}
        return {**out, **asdict(self.paired), "p_corrected": self.p, "lost": self.lost}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An evaluation beside its baseline: the changes, and the questions that only one of them has."""

    changes: Sequence[Change]
    only_before: int
    only_after: int

    @property
    def lost(self) -> bool:
        """Whether a measure fell, and not by chance."""
        return any(change.lost for change in self.changes)


def read_baseline(path: Path) -> dict[str, Values]:
    """Return the values of a kept evaluation: level -> measure -> query -> value.

    Raises:
        UsageError: the file cannot be read.
        InputError: it holds no evaluation with its values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--baseline {path} cannot be read: {error.strerror}.") from error
    try:
        levels: Any = loads(data)["levels"]
        return {
            str(level): {
                str(name): dict(zip(one["queries"], map(float, column), strict=True))
                for name, column in one["values"].items()
            }
            for level, one in levels.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"--baseline {path} is no evaluation.", hint="Keep one with: ragcli eval -t kb cases.jsonl > before.json"
        ) from error


def compare(before: Mapping[str, Values], after: Mapping[str, Values]) -> Comparison:
    """Return how an evaluation differs from its baseline, on the questions that both have.

    Raises:
        InputError: they have no level, measure or question in common.
    """
    rows: list[tuple[str, str, float, float, Paired]] = []
    only_before: set[str] = set()
    only_after: set[str] = set()
    for level, measures in after.items():
        for name, values in measures.items():
            old = before.get(level, {}).get(name)
            if old is None:
                continue
            common = sorted(values.keys() & old.keys())
            only_before |= old.keys() - values.keys()
            only_after |= values.keys() - old.keys()
            if common:
                first = [round(old[query], DIGITS) for query in common]
                second = [round(values[query], DIGITS) for query in common]  # as the baseline was kept
                made = paired(first, second)
                rows.append((level, name, sum(first) / len(first), sum(second) / len(second), made))
    if not rows:
        raise InputError(
            "the baseline and this evaluation have no measure and no question in common.",
            hint="Evaluate the same questions, at the same level.",
        )
    corrected = holm([row[4].p for row in rows])
    changes = [
        Change(
            level=level,
            measure=name,
            before=first,
            after=second,
            paired=made,
            p=p,
            lost=made.difference < 0 and p < ALPHA,
        )
        for (level, name, first, second, made), p in zip(rows, corrected, strict=True)
    ]
    return Comparison(changes=changes, only_before=len(only_before), only_after=len(only_after))
