"""Rows of queries and passages: with positive and negative passages, and with scores."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ragcli.finetuning.data import talks
from ragcli.finetuning.data.cases import Contexts
from ragcli.finetuning.data.messages import kind, no_media, text
from ragcli.finetuning.data.rows import PairRow, Place, Row, RowError, ScoredRow
from ragcli.jsonl import clean
from ragcli.records import Json

QUERIES = ("query", "question", "anchor", "sentence1", "text1")
POSITIVES = ("positive", "pos", "positives", "positive_passages", "positive_ctxs")
NEGATIVES = (
    "negatives",
    "neg",
    "negative",
    "hard_negatives",
    "negative_passages",
    "hard_negative_ctxs",
    "negative_ctxs",
)
PASSAGES = ("passage", "document", "text", "doc", "sentence2", "text2", "passages", "documents", "answer")
SCORES = ("label", "score", "relevance", "labels", "scores")
_NUMBERED = re.compile(r"(?:neg|negative)_?\d+")
_HINT = 'A row is {"query": "…", "positive": "…", "negatives": ["…"]}.'


def is_pair(row: Json) -> bool:
    """Whether an object has a query and a passage that answers it."""
    if _first(row, QUERIES) is None:
        return False
    if _first(row, (*POSITIVES, *NEGATIVES)) is not None:
        return True
    passage = _first(row, PASSAGES)
    if passage is None or "instruction" in row or (passage == "answer" and row.get("query") is None):
        return False
    return _first(row, SCORES) is None


def is_scored(row: Json) -> bool:
    """Whether an object has a query, a passage and how well it answers."""
    passage, said = _first(row, PASSAGES), _first(row, SCORES)
    if _first(row, QUERIES) is None or passage is None or said is None:
        return False
    value = row[said]  # a question and its answer may have a label or a score that says something else
    return passage != "answer" or (isinstance(value, (int, float)) and 0 <= value <= 1)


def pair_rows(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return a row for each positive passage; for a reranker one for each passage, with score 1 or 0."""
    del contexts
    no_media(row)
    query = _query(row)
    key = _first(row, POSITIVES) or _first(row, PASSAGES)
    if key is None:
        raise RowError("it has no passage that answers its query", "form", hint=_HINT)
    positives = _passages(row[key], key)
    if not positives:
        raise RowError(f"'{key}' is empty", "empty", hint=_HINT)
    negatives: list[str] = []
    for name, value in row.items():
        if (name in NEGATIVES or _NUMBERED.fullmatch(name)) and value is not None:
            negatives += _passages(value, name)
    negatives = list(dict.fromkeys(negatives))
    if any(one in positives for one in negatives):
        raise RowError("a passage is both positive and negative", "same")
    answers = row.get("answers")
    known = [clean(one) for one in answers if isinstance(one, str)] if isinstance(answers, list) else []
    return paired(query, positives, negatives, task, place, tuple(known))


def paired(
    query: str, positives: list[str], negatives: list[str], task: str, place: Place, answers: tuple[str, ...] = ()
) -> list[Row]:
    """Return the rows of a query with its passages, for the task embedding or reranker."""
    positives = list(dict.fromkeys(positives))
    if task == "reranker":
        scored = [(one, 1.0) for one in positives] + [(one, 0.0) for one in negatives]
        return [ScoredRow(query=query, passage=passage, score=score, place=place) for passage, score in scored]
    return [
        PairRow(
            query=query,
            positive=positive,
            negatives=tuple(negatives),
            known=tuple(one for one in positives if one != positive),
            answers=answers,
            place=place,
        )
        for positive in positives
    ]


def scored_rows(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return a row for each passage and its score."""
    del task, contexts
    query = _query(row)
    key, said = _first(row, PASSAGES), _first(row, SCORES)
    assert key is not None and said is not None
    passages = _passages(row[key], key)
    scores = row[said] if isinstance(row[said], list) else [row[said]]
    if len(scores) != len(passages):
        raise RowError(f"it has {len(passages)} passages and {len(scores)} scores", "score")
    return [
        ScoredRow(query=query, passage=passage, score=_score(score, said), place=place)
        for passage, score in zip(passages, scores, strict=True)
    ]


def question_rows(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return a question with its answer: a conversation, or a query with its passage."""
    if task == "chat":
        return talks.prompt_completion(row, task, place, contexts)
    return pair_rows(row, task, place, contexts)


def _first(row: Json, keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if row.get(key) is not None), None)


def _query(row: Json) -> str:
    key = _first(row, QUERIES) or "query"
    query = text(row.get(key), f"'{key}'").strip()
    if not query:
        raise RowError(f"'{key}' is empty", "empty")
    return query


def _passages(value: Any, key: str) -> list[str]:
    """Return the texts of passages: one, or a list; each a string or an object with a text."""

    def texts() -> Iterator[str]:
        for one in value if isinstance(value, list) else [value]:
            said = one.get("text") if isinstance(one, dict) else one
            if not isinstance(said, str):
                raise RowError(f"'{key}' must hold texts, not {kind(said)}", "content")
            if not said.strip():
                raise RowError(f"a passage in '{key}' is empty", "empty")
            yield clean(said)

    return list(texts())


def _score(value: Any, key: str) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= 1:
        raise RowError(
            f"'{key}' must be a number from 0 (does not answer) to 1 (answers), not {value!r}", "score",
            hint="Divide the scores by the highest that there is.",
        )  # fmt: skip
    return float(value)
