"""From results to what is measured: the order of chunks, or of documents, that each question found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ragcli.errors import UsageError
from ragcli.records import Hit, Result
from ragcli.trec import document_name, run_line

Ranking = dict[str, list[str]]  # query -> names, best first, each once


def rankings(results: Iterable[Result]) -> tuple[Ranking, Ranking]:
    """Return the chunks and the documents that each question found; a document stands where its best chunk does."""
    chunks: Ranking = {}
    documents: Ranking = {}
    for result in results:
        chunks[result.id], documents[result.id] = of_hits(result.hits)
    return chunks, documents


def of_hits(hits: Sequence[Hit]) -> tuple[list[str], list[str]]:
    """Return the chunks and the documents of hits, best first, each once."""
    chunks = dict.fromkeys(hit.id for hit in hits)
    documents = dict.fromkeys(document_name(hit.source, hit.metadata) for hit in hits)
    return list(chunks), list(documents)


def write_run(path: Path, ranking: Ranking) -> None:
    """Write a run in TREC's form: query, Q0, name, rank, score, tag. Scores only keep the order.

    Raises:
        UsageError: the file cannot be written.
    """
    lines = [
        run_line(query, name, rank, len(names) - rank + 1) + "\n"
        for query, names in ranking.items()
        for rank, name in enumerate(names, 1)
    ]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--run {path} cannot be written: {error.strerror}.") from error
