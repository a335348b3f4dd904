"""The threshold of refusal for a table, from questions that it answers and questions that it does not. Pure functions.

Every question has a support (`ragcli.answering.refusing.support`). A threshold refuses those below it: rightly where
the documents do not answer, wrongly where they do. The one that is chosen refuses most of the unanswerable while it
loses no more of the answerable than allowed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ragcli.errors import InputError
from ragcli.records import Json, Result

MOST_LOST = 0.05  # part of the answerable that may be refused
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SHOWN = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)  # parts lost, for which the trade-off is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """A threshold with what it does: ``lost`` of the answerable and ``refused`` of the unanswerable, as parts."""

    threshold: float
    lost: float
    refused: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The threshold that was chosen, the default beside it, and others to choose from."""

    answerable: int
    unanswerable: int
    chosen: TradeOff
    default: TradeOff
    others: Sequence[TradeOff]


def is_answerable(result: Result) -> bool:
    """Return what a question's line says: ``answerable``, ``unanswerable``, ``is_impossible``, or ``answers``.

    Answers are texts, objects with a ``text``, or SQuAD's ``{"text": [...], "answer_start": [...]}``; empty ones are
    none.

    Raises:
        InputError: it says nothing of it.
    """
    said = result.extra
    for key, meant in (("answerable", True), ("unanswerable", False), ("is_impossible", False)):
        value = said.get(key)
        if isinstance(value, str):
            value = _WORDS.get(value.strip().lower(), value)
        if isinstance(value, bool) or value in (0, 1):
            return bool(value) is meant
    for key in ("answers", "answer"):
        if key in said:
            return _holds_text(said[key])
    raise InputError(
        f"question {result.id} ({result.query[:60]}) does not say whether the documents answer it.",
        hint='Write "answerable": true or false (or "answers": [] for none) into its line.',
    )


def _holds_text(answers: Any) -> bool:
    if isinstance(answers, dict):
        return _holds_text(answers.get("text", list(answers.values())))
    if isinstance(answers, list):
        return any(map(_holds_text, answers))
    return bool(str(answers).strip()) if answers is not None and answers is not False else False


def calibrate(
    supports: Iterable[tuple[float, bool]], default: float, most_lost: float = MOST_LOST, *, raises: bool = True
) -> Calibration:
    """Return the threshold for questions with their support and whether they can be answered.

    Args:
        supports: of each question, and whether it can be answered.
        default: the threshold without a calibration.
        most_lost: part of the answerable that may be refused.
        raises: whether it may be above the default.

    Raises:
        InputError: there are none of one kind.
    """
    pairs = list(supports)
    yes = sorted(value for value, good in pairs if good)
    no = sorted(value for value, good in pairs if not good)
    if not yes or not no:
        raise InputError(
            f"{len(yes)} of the questions can be answered and {len(no)} cannot; a threshold needs some of both.",
            hint='Add questions whose answers are not in the documents, with "answerable": false.',
        )

    def at(threshold: float) -> TradeOff:
        threshold = math.floor(threshold * 1e6) / 1e6  # as it is kept; never above what was meant
        lost, refused = bisect_left(yes, threshold) / len(yes), bisect_left(no, threshold) / len(no)
        return TradeOff(threshold=threshold, lost=round(lost, 4), refused=round(refused, 4))

    def best(part: float) -> TradeOff:
        """Return the threshold in the middle of the gap: nothing changes between the last refused and the next one."""
        allowed = int(part * len(yes) + 1e-9)
        top = yes[allowed] if allowed < len(yes) else yes[-1]
        below = [value for value in (*yes[:allowed], *no) if value < top]
        return at((top + max(below)) / 2 if below else top)

    chosen = best(most_lost)
    return Calibration(
        answerable=len(yes),
        unanswerable=len(no),
        chosen=chosen if raises or chosen.threshold <= default else at(default),
        default=at(default),
        others=[best(part) for part in _SHOWN],
    )


def to_json(made: Calibration, table: str) -> Json:
    """Return a calibration as a JSON object, as it is printed and kept in the table."""

    def one(point: TradeOff) -> Json:
        return {"threshold": point.threshold, "lost": point.lost, "refused": point.refused}

    return {
        "type": "calibration",
        "table": table,
        "answerable": made.answerable,
        "unanswerable": made.unanswerable,
        **one(made.chosen),
        "default": one(made.default),
        "others": [one(point) for point in made.others],
    }
