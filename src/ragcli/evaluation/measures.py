"""Retrieval measures by their names in ir_measures, counted by trec_eval's own code (pytrec_eval), a value a question.

What is ranked is an order, not scores: equal scores would be ordered by trec_eval in its own way. A question that
found nothing counts 0, and a backend that fails is an error, never a 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ragcli.errors import InputError, UsageError
from ragcli.evaluation.qrels import Qrels

DEFAULT = ("nDCG@10", "RR@10", "R@1", "R@5", "R@10", "P@5", "AP", "Success@5")
KNOWN = ("nDCG", "RR", "R", "P", "AP", "Success", "Rprec", "Bpref")  # all lie between 0 and 1, and more is better
DIGITS = 6  # with which values are kept
_CUTOFF = re.compile(r"@(\d+)\Z")

Run = Mapping[str, Sequence[str]]  # query -> documents, best first, each once
Values = dict[str, dict[str, float]]  # measure -> query -> value


def parse_measure(name: str) -> Any:
    """Return ir_measures' object for a name.

    Raises:
        UsageError: there is no such measure, or it is none of a ranking's quality.
    """
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError, KeyError, TypeError, AssertionError) as error:
        raise _unknown(name) from error
    if measure.NAME not in KNOWN or (measure.NAME in ("R", "P", "Success") and not _CUTOFF.search(str(measure))):
        raise _unknown(name)
    return measure


def _unknown(name: str) -> UsageError:
    return UsageError(
        f"there is no measure {name!r}.",
        hint="Names are those of ir_measures: nDCG@10 RR@10 R@5 P@5 AP Success@1 Rprec Bpref.",
    )


def canonical(name: str) -> str:
    """Return a measure's name as it is written everywhere: ``MRR@10`` is ``RR@10``."""
    return str(parse_measure(name))


def depth(names: Sequence[str]) -> int:
    """Return the rank down to which measures look; 0 where none says."""
    return max((int(match[1]) for name in names if (match := _CUTOFF.search(canonical(name)))), default=0)


def per_query(run: Run, qrels: Qrels, names: Sequence[str]) -> Values:
    """Return the value of every measure for every query of the judgements.

    Args:
        run: what was found; a query that is not in it found nothing.
        qrels: the judgements.
        names: of the measures.

    Raises:
        UsageError: there is no such measure, or it cannot be counted here.
        InputError: a measure gave what is no number.
    """
    import ir_measures

    measures = {str(measure): measure for measure in map(parse_measure, names)}
    scored = {
        query: {document: float(len(found) - at) for at, document in enumerate(found)}
        for query in qrels
        if (found := list(run.get(query, ())))
    }
    values: Values = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    try:
        evaluator = ir_measures.evaluator(list(measures.values()), qrels)
        for one in evaluator.iter_calc(scored):
            values[str(one.measure)][one.query_id] = float(one.value)
    except (ValueError, RuntimeError, KeyError) as error:
        raise UsageError(f"these measures cannot be counted: {' '.join(names)}: {error}.") from error
    for name, by_query in values.items():
        wrong = next((query for query, value in by_query.items() if not math.isfinite(value)), None)
        if wrong is not None:
            raise InputError(f"{name} of query {wrong} is {by_query[wrong]}, which is no value.")
    return values
