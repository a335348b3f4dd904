"""The evaluation of a table: questions searched, rankings measured, means with their intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ragcli.evaluation.judging import Judged, Level
from ragcli.evaluation.measures import DEFAULT, DIGITS, Values, per_query
from ragcli.evaluation.ranking import Ranking, rankings
from ragcli.evaluation.statistics import Interval, interval
from ragcli.questions import Question
from ragcli.records import Evaluation, Json, Result

DEPTH = 100  # chunks that are found for each question

Find = Callable[[Iterable[Question]], Iterable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """An evaluation with all that it was made from.

    Args:
        record: as it is written.
        values: level -> measure -> query -> value.
        intervals: level -> measure -> mean with its interval.
        rankings: level -> query -> names.
    """

    record: Evaluation
    values: dict[Level, Values]
    intervals: dict[Level, dict[str, Interval]]
    rankings: dict[Level, Ranking]


def evaluate(
    judged: Judged, find: Find, measures: Sequence[str] = DEFAULT, *, settings: Json | None = None, **extra: Any
) -> Evaluated:
    """Search the questions and measure what is found.

    Args:
        judged: the questions with what is right.
        find: searches; see `ragcli.retrieval.search`.
        measures: names, as `ragcli.evaluation.measures` knows them.
        settings: goes into the record.
        extra: likewise.

    Raises:
        UsageError: a measure is not known.
    """
    began = time.perf_counter()
    chunks, documents = rankings(find(judged.questions))
    seconds = time.perf_counter() - began
    return measured(judged, {"chunk": chunks, "document": documents}, measures, seconds, settings=settings, **extra)


def measured(
    judged: Judged,
    found: dict[Level, Ranking],
    measures: Sequence[str],
    seconds: float,
    *,
    settings: Json | None = None,
    **extra: Any,
) -> Evaluated:
    """Measure rankings that are there; see `evaluate`."""
    values = {level: per_query(found[level], qrels, measures) for level, qrels in judged.levels.items()}
    intervals = {
        level: {name: interval(list(one.values())) for name, one in by_name.items()}
        for level, by_name in values.items()
    }
    levels: Json = {}
    for level, by_name in values.items():
        queries = [one.id for one in judged.questions]
        levels[level] = {
            "measures": {name: _rounded(intervals[level][name]) for name in by_name},
            "queries": queries,
            "values": {name: [round(one[query], DIGITS) for query in queries] for name, one in by_name.items()},
        }
    record = Evaluation(
        questions=len(judged.questions),
        levels=levels,
        settings=settings or {},
        seconds=round(seconds, 3),
        extra=extra,
    )
    kept = {level: found[level] for level in judged.levels}
    return Evaluated(record=record, values=values, intervals=intervals, rankings=kept)


def _rounded(made: Interval) -> Json:
    return {name: round(value, DIGITS) for name, value in asdict(made).items()}
