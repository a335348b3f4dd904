"""The online stage of a comparison: what each row finds for every question, and how long one question takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragcli.embedding.protocols import Embedder
from ragcli.evaluation.comparing.indexing import Indexed
from ragcli.evaluation.comparing.models import Array, Guarded, Model, Remembered
from ragcli.evaluation.comparing.watching import Watch
from ragcli.evaluation.comparing.work import Work, key_of
from ragcli.evaluation.judging import Level
from ragcli.evaluation.ranking import Ranking, of_hits
from ragcli.evaluation.stage import DEPTH
from ragcli.questions import Question
from ragcli.records import content_id
from ragcli.retrieval import RERANKED, Mode, search
from ragcli.store import Table

TIMED = 50  # questions that are asked one by one
_TIMED_SECONDS = 60.0
_LEAST = 5  # of them, however long they take
_WARM = 2  # that are asked before, and not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one question alone takes, in seconds, its embedding included and model and table open."""

    p50: float
    p95: float
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a row found: level -> question -> names; how quickly; and how many hits the reranker read in part."""

    rankings: dict[Level, Ranking]
    latency: Latency
    truncated: int


def search_once(
    questions: Sequence[Question],
    key: str,
    indexed: Indexed,
    mode: Mode,
    work: Work,
    what: str,
    watch: Watch,
    *,
    model: Model | None = None,
    vectors: Array | None = None,
    reranker: tuple[str, Guarded] | None = None,
) -> Found:
    """Return what a row finds, searched or kept.

    Args:
        questions: all questions that are measured.
        key: a digest of them.
        indexed: the table.
        mode: how it is searched.
        work: the work folder.
        what: the step's name.
        watch: is told the progress.
        model: that of the table; None for full text.
        vectors: of the questions.
        reranker: a digest of it, and the reranker.

    Raises:
        RagcliError: the search fails.
    """
    row = key_of("row", indexed.name, key, mode, reranker[0] if reranker else None, RERANKED if reranker else DEPTH)
    kept = work.kept("rows", row, "chunk", "document", "latency", "truncated")
    if kept is None:
        table = Table.open(work.db, indexed.name)
        with watch(what, len(questions)) as advance:
            depth = RERANKED if reranker else DEPTH
            scorer = reranker[1] if reranker else None
            known: Embedder | None = None
            if model is not None and vectors is not None:
                known = Remembered(model, [one.text for one in questions], vectors)
            chunks: Ranking = {}
            documents: Ranking = {}
            found = search(questions, table, embedder=known, mode=mode, k=depth, reranker=scorer)
            for result in found:
                chunks[result.id], documents[result.id] = of_hits(result.hits)
                advance(1)
            truncated = scorer.truncated if scorer is not None else 0
            latency = _latency(questions, table, mode, model.open() if model is not None else None, scorer)
        kept = work.keep(
            "rows",
            row,
            {
                "chunk": chunks,
                "document": documents,
                "truncated": truncated,
                "latency": {"p50": latency.p50, "p95": latency.p95, "questions": latency.questions},
            },
        )
    return Found(
        rankings={"document": kept["document"], "chunk": kept["chunk"]},
        latency=Latency(**kept["latency"]),
        truncated=kept["truncated"],
    )


def _latency(
    questions: Sequence[Question], table: Table, mode: Mode, embedder: Embedder | None, reranker: Guarded | None
) -> Latency:
    """Ask some questions one by one, as `ragcli query` does; the same ones for each row, in the same order."""
    chosen = sorted(questions, key=lambda one: content_id("latency", one.id))[:TIMED]
    seconds: list[float] = []
    k = 5
    for one in chosen[:_WARM]:
        list(search([one], table, embedder=embedder, mode=mode, k=k, reranker=reranker))
    began = time.perf_counter()
    for one in chosen:
        start = time.perf_counter()
        list(search([one], table, embedder=embedder, mode=mode, k=k, reranker=reranker))
        seconds.append(time.perf_counter() - start)
        if len(seconds) >= _LEAST and time.perf_counter() - began > _TIMED_SECONDS:
            break
    p50, p95 = (float(one) for one in np.quantile(seconds, [0.5, 0.95]))
    return Latency(p50=p50, p95=p95, questions=len(seconds))
