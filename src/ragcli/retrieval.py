"""From questions to hits: vector search, full text, fusion, reranking, neighbours.

Questions come in batches: they are embedded together and searched side by side. Imported only by what searches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from ragcli.errors import UsageError
from ragcli.fusion import TEXT, VECTOR, fuse
from ragcli.lexical import fold_question, tokens
from ragcli.neighbours import expand as expand_hits
from ragcli.questions import Question, question
from ragcli.records import Hit, Json, Result
from ragcli.store import Found, Table, of_rows
from ragcli.until import UntilError

if TYPE_CHECKING:
    import numpy as np

    from ragcli.embedding import Embedder
    from ragcli.reranking import Reranker

Mode = Literal["hybrid", "vector", "text"]

CANDIDATES = 100  # rows that each search hands on to the fusion
RERANKED = 20  # hits that a reranker reads
BATCH = 64  # questions that are embedded together
MAX_CHARACTERS = 4_000  # of a question that the full-text search reads: its head and its tail


@dataclass(slots=True)
class _Candidate:
    row: int
    score: float
    stages: dict[str, Json] = field(default_factory=dict)


def search(
    questions: Iterable[Question | str],
    table: Table,
    *,
    embedder: Embedder | None = None,
    mode: Mode = "hybrid",
    k: int = 5,
    where: str | None = None,
    expand: int = 0,
    reranker: Reranker | None = None,
    explain: bool = False,
    on_truncated: Callable[[Question, int], None] | None = None,
) -> Iterator[Result]:
    """Yield a result for each question, in order; no hit is an empty list.

    Args:
        questions: the questions.
        table: where to search.
        embedder: the model of the table's contract; not needed for ``text``.
        mode: ``hybrid`` fuses ``vector`` (cosine similarity) and ``text`` (BM25).
        k: hits a question.
        where: an SQL condition on the table's columns, ``metadata.KEY`` included.
        expand: neighbouring chunks on each side that are joined to a hit's text.
        reranker: gives the first hits a new order.
        explain: adds to each hit the rank, score and contribution of every stage, and to the result the
            question's tokens. Contributions add up to the score.
        on_truncated: called with a question and the number of its tokens that the embedding model does not read.

    Raises:
        UsageError: an argument is out of range, or the condition is no SQL on this table.
        ContractError: the embedder is not the table's model.
    """
    if mode not in get_args(Mode):
        raise UsageError(f"the mode is {mode!r}.", hint="Choose hybrid, vector or text.")
    if k < 1:
        raise UsageError(f"k is {k}; it must be at least 1.")
    if expand < 0:
        raise UsageError(f"expand is {expand}; it must not be negative.")
    if mode != "text" and embedder is None:
        raise UsageError(f"the mode {mode!r} needs an embedding model.", hint="Search with mode 'text' without one.")
    if embedder is not None:
        from ragcli.contract import check_contract

        check_contract(table, {"model": embedder.contract})
    condition = table.check_where(where) if where is not None else None
    run = _Search(table, embedder, mode, k, condition, expand, reranker, explain, on_truncated)
    return run.results(iter(questions))


class _Search:
    def __init__(
        self,
        table: Table,
        embedder: Embedder | None,
        mode: Mode,
        k: int,
        where: str | None,
        expand: int,
        reranker: Reranker | None,
        explain: bool,
        on_truncated: Callable[[Question, int], None] | None,
    ) -> None:
        self.on_truncated = on_truncated
        self.table, self.embedder, self.mode, self.k, self.where = table, embedder, mode, k, where
        self.expand, self.reranker, self.explain = expand, reranker, explain
        self.depth = max(CANDIDATES if mode == "hybrid" else 0, RERANKED if reranker else 0, k)

    def results(self, questions: Iterator[Question | str]) -> Iterator[Result]:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for batch in _batches(questions):
                vectors = self._encode(batch)
                lists = self._by_vector(vectors)
                if len(batch) == 1:
                    yield self._result(batch[0], None if vectors is None else vectors[0], lists[0])
                else:
                    places = range(len(batch))
                    yield from pool.map(
                        lambda at, batch=batch, vectors=vectors, lists=lists: self._result(
                            batch[at], None if vectors is None else vectors[at], lists[at]
                        ),
                        places,
                    )

    def _encode(self, batch: Sequence[Question]) -> np.ndarray[Any, Any] | None:
        if self.mode == "text" or self.embedder is None:
            return None

        def truncated(place: int, lost: int) -> None:
            if self.on_truncated is not None:
                self.on_truncated(batch[place], lost)

        return self.embedder.encode([one.text for one in batch], "query", on_truncated=truncated)

    def _by_vector(self, vectors: np.ndarray[Any, Any] | None) -> list[list[Found]]:
        if vectors is None:
            return [[] for _ in range(BATCH)]
        if len(vectors) > 4 and not self.table.has_vector_index():  # one pass over the table for all
            return self.table.vector_search_batch(vectors, self.depth, self.where)
        return [self.table.vector_search(vector, self.depth, self.where) for vector in vectors]

    def _result(self, asked: Question, vector: np.ndarray[Any, Any] | None, by_vector: list[Found]) -> Result:
        folded = fold_question(_bounded(asked.text)) if self.mode != "vector" else ""
        by_text = self.table.text_search(folded, self.depth, self.where)
        if self.mode == "hybrid":
            ranked = self._fused(folded, vector, by_vector, by_text)
        else:
            ranked = _alone(self.mode, by_vector or by_text)
        if self.reranker is not None:
            ranked = self._reranked(asked.text, ranked)
        hits = self._hits(ranked[: self.k])
        extra = dict(asked.extra)
        if self.explain:
            extra["tokens"] = tokens(_bounded(asked.text))
        return Result(id=asked.id, query=asked.text, hits=hits, extra=extra)

    def _fused(
        self, folded: str, vector: np.ndarray[Any, Any] | None, by_vector: list[Found], by_text: list[Found]
    ) -> list[_Candidate]:
        """Give every candidate both scores, and fuse."""
        cosine = {found.row: found.score for found in by_vector}
        bm25 = {found.row: found.score for found in by_text}
        missing = [row for row in bm25 if row not in cosine]
        if missing and vector is not None:
            for row, other in self.table.vectors(missing).items():
                cosine[row] = float(vector @ other) / (float(other @ other) ** 0.5 or 1.0)
        missing = [row for row in cosine if row not in bm25]
        if missing and by_text:
            for found in self.table.text_search(folded, len(missing), of_rows(missing)):
                bm25[found.row] = found.score
        for row in cosine:
            bm25.setdefault(row, 0.0)
        ranks = {VECTOR: _ranks(cosine), TEXT: _ranks(bm25)}
        scores = {VECTOR: cosine, TEXT: bm25}
        out = []
        for one in fuse(scores):
            stages = {
                name: {
                    "rank": ranks[name][one.row],
                    "score": scores[name][one.row],
                    "contribution": one.contributions.get(name, 0.0),
                }
                for name in (VECTOR, TEXT)
            }
            out.append(_Candidate(one.row, one.score, stages))
        return out

    def _reranked(self, text: str, ranked: list[_Candidate]) -> list[_Candidate]:
        assert self.reranker is not None
        head = ranked[: max(RERANKED, self.k)]
        rows = self.table.rows([one.row for one in head])
        texts = ["\n".join(filter(None, (rows[one.row]["header"], rows[one.row]["text"]))) for one in head]
        for one, score in zip(head, self.reranker.score(text, texts), strict=True):
            for stage in one.stages.values():  # what was found before decides who is read, not the order
                stage["contribution"] = 0.0
            one.stages["rerank"] = {"rank": 0, "score": score, "contribution": score}
            one.score = score
        head.sort(key=lambda one: -one.score)
        for rank, one in enumerate(head, 1):
            one.stages["rerank"]["rank"] = rank
        return head

    def _hits(self, ranked: Sequence[_Candidate]) -> list[Hit]:
        rows = self.table.rows([one.row for one in ranked])
        hits = []
        for rank, one in enumerate(ranked, 1):
            row = rows[one.row]
            scores = {name: stage["score"] for name, stage in one.stages.items()}
            hit = Hit(rank=rank, score=one.score, scores=scores, **row)
            if self.explain:
                hit = replace(hit, extra={**hit.extra, "explain": one.stages})
            hits.append(hit)
        if self.expand and hits:
            wanted = list(dict.fromkeys(hit.document_id for hit in hits))
            hits = expand_hits(hits, self.table.chunks_of(wanted), self.expand)
        return hits


def _batches(questions: Iterator[Question | str]) -> Iterator[list[Question]]:
    """Yield the questions together: the first alone, so that its result comes at once, then more and more.

    An error of the stream comes after what was read before it.
    """
    source = UntilError(questions)
    size = 1
    while batch := [question(one) if isinstance(one, str) else one for one in islice(source, size)]:
        yield batch
        size = min(BATCH, size * 8)
    source.end()


def _alone(mode: str, found: Sequence[Found]) -> list[_Candidate]:
    return [
        _Candidate(one.row, one.score, {mode: {"rank": rank, "score": one.score, "contribution": one.score}})
        for rank, one in enumerate(found, 1)
    ]


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    ordered = sorted(scores, key=lambda row: (-scores[row], row))
    return {row: rank for rank, row in enumerate(ordered, 1)}


def _bounded(text: str) -> str:
    """Return at most `MAX_CHARACTERS`: a long question asks in its first or its last lines."""
    half = MAX_CHARACTERS // 2
    return text if len(text) <= MAX_CHARACTERS else f"{text[:half]}\n{text[-half:]}"
