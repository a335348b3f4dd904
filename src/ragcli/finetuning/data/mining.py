"""Hard negatives from a table: passages that a search takes for an answer and that are none, as far as can be told.

The search is handed in. What it finds for a query is taken in its order, unless it is the positive or like it, another
passage that is known to answer, holds the answer's words, or is too near: NV-Retriever (Moreira et al. 2024,
arXiv:2407.15831, "TopK-PercPos") takes no negative with a score above 95 % of the positive's, since many of those are
answers that nobody marked. Where the positive is not among the hits, no score tells what is too near, and none is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ragcli.embedding.stage import passage_text
from ragcli.errors import UsageError
from ragcli.evaluation.normalising import find as find_in
from ragcli.evaluation.normalising import fold
from ragcli.finetuning.data.rows import PairRow
from ragcli.fusion import VECTOR
from ragcli.questions import Question, question
from ragcli.records import Hit, Result
from ragcli.report import Report

Find = Callable[[Iterable[Question], int], Iterable[Result]]

NEGATIVES = 4
DEPTH = 50
MARGIN = 0.95
ALIKE = 90.0  # of 100: rapidfuzz's ratio of the folded texts

TAKEN, SKIPPED, POSITIVE, KNOWN, ANSWERS, NEAR, COPY, NOT_NEEDED, UNSURE = (
    "taken", "skipped", "positive", "known", "answers", "near", "copy", "not_needed", "positive_not_found",
)  # fmt: skip
OUTCOMES = (TAKEN, SKIPPED, POSITIVE, KNOWN, ANSWERS, NEAR, COPY, NOT_NEEDED, UNSURE)
_AT_ONCE = 64


def mine(
    rows: Iterable[PairRow],
    find: Find,
    *,
    negatives: int = NEGATIVES,
    skip: int = 0,
    depth: int = DEPTH,
    margin: float | None = MARGIN,
    report: Report | None = None,
) -> Iterator[PairRow]:
    """Yield the rows, each with as many negatives as it has in the search's hits, and no more than wanted.

    The report counts ``rows``, ``rows_full`` and ``rows_without`` negatives, and ``hits``, each of which is one of
    `OUTCOMES`: the counts add up.

    Args:
        rows: pairs; their own negatives stay, and count.
        find: searches questions, as many hits each as it is told, best first (`ragcli.cli.searching.open_search`).
        negatives: how many a row has in the end.
        skip: ranks from the first that are passed over.
        depth: hits that are looked at.
        margin: part of the positive's score that a negative's must not be above; None takes them whatever their score.
            Scores are cosines where the search knows them.
        report: takes the counts.

    Raises:
        UsageError: a number is out of range.
    """
    if negatives < 1 or skip < 0 or depth <= skip:
        raise UsageError(
            f"{negatives} negatives after {skip} ranks from {depth} hits are asked for.",
            hint="At least one negative, and more hits than are passed over.",
        )
    if margin is not None and not 0 < margin <= 1:
        raise UsageError(f"the margin is {margin:g}; it must be above 0 and at most 1.")
    return _mine(iter(rows), find, negatives, skip, depth, margin, report or Report("mine", keep=False))


def _mine(
    rows: Iterator[PairRow], find: Find, negatives: int, skip: int, depth: int, margin: float | None, report: Report
) -> Iterator[PairRow]:
    while some := list(islice(rows, _AT_ONCE)):
        results = find((question(row.query) for row in some), depth)
        for row, result in zip(some, results, strict=True):
            taken = _chosen(row, result.hits, max(0, negatives - len(row.negatives)), skip, margin, report)
            whole = replace(row, negatives=(*row.negatives, *taken))
            report.count("rows")
            report.count("rows_full", int(len(whole.negatives) >= negatives))
            report.count("rows_without", int(not whole.negatives))
            yield whole


def _chosen(
    row: PairRow, hits: Sequence[Hit], wanted: int, skip: int, margin: float | None, report: Report
) -> list[str]:
    """Return the hits that are taken, and count what became of each."""
    texts = [passage_text(hit) for hit in hits]
    folded = [fold(text) for text in texts]
    positive, known = fold(row.positive), [fold(one) for one in row.known]
    answers = [one for one in map(fold, row.answers) if one]
    score = _scores(hits)
    right = [_is_like(one, positive) for one in folded]
    highest = max((score[at] for at, is_right in enumerate(right) if is_right), default=None)
    limit = margin * highest if margin is not None and highest is not None and highest > 0 else None
    taken: list[str] = []
    seen = [fold(one) for one in row.negatives]
    for at, one in enumerate(folded):
        if right[at]:
            outcome = POSITIVE
        elif any(_is_like(one, other) for other in known):
            outcome = KNOWN
        elif any(find_in(answer, one) >= 0 for answer in answers):
            outcome = ANSWERS
        elif margin is not None and highest is None:
            outcome = UNSURE
        elif at < skip:
            outcome = SKIPPED
        elif limit is not None and score[at] > limit:
            outcome = NEAR
        elif len(taken) >= wanted:
            outcome = NOT_NEEDED
        elif not one or any(_is_like(one, other) for other in seen):
            outcome = COPY
        else:
            outcome = TAKEN
            taken.append(texts[at])
            seen.append(one)
        report.count("hits")
        report.count(outcome)
    return taken


def _scores(hits: Sequence[Hit]) -> list[float]:
    """Return the hits' cosines; what the search ranked them by where it does not know all of them."""
    cosines = [hit.scores.get(VECTOR) for hit in hits]
    if hits and all(isinstance(one, (int, float)) for one in cosines):
        return [float(one) for one in cosines if one is not None]
    return [hit.score for hit in hits]


def _is_like(one: str, other: str) -> bool:
    """Whether two folded passages are the same to a reader: one holds the other, or they differ in a few places."""
    from rapidfuzz import fuzz

    if not one or not other:
        return False
    return one in other or other in one or fuzz.ratio(one, other, score_cutoff=ALIKE) > 0
