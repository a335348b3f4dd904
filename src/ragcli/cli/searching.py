"""What ``query`` and ``ask -t`` share: opening table and model, and searching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ragcli.cli.light import import_lance
from ragcli.cli.options import Device, SearchMode
from ragcli.cli.streams import note, show_log, stdin
from ragcli.errors import UsageError
from ragcli.jsonl import OnBad
from ragcli.questions import Question, question, read_questions
from ragcli.records import THRESHOLD_KEY, Result

if TYPE_CHECKING:
    from ragcli.embedding import Embedder
    from ragcli.reranking import CrossEncoder
    from ragcli.store import Table


MOST_HITS = 100_000


class Search(Protocol):
    """Searches questions, as often as it is called; ``k`` is the settings' where it is not given."""

    def __call__(self, questions: Iterable[Question], k: int | None = None) -> Iterator[Result]:
        """Return the results, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """The flags of a search."""

    db: str
    table: str
    model: str | None
    device: Device
    mode: SearchMode
    k: int
    where: str | None
    expand: int
    rerank: str | None
    explain: bool = False


def asked(questions: list[str] | None, bad: OnBad | None) -> Iterator[Question]:
    """Return the questions given as arguments, else those of stdin.

    Raises:
        UsageError: one is empty, or nothing comes in.
    """
    if not questions:
        return read_questions(stdin("questions"), on_bad=bad)
    if not all(text.strip() for text in questions):
        raise UsageError("the question is empty.")
    return map(question, questions)


def _truncated(asked: Question, lost: int) -> None:
    note(
        f"ragcli query: the question {asked.text[:40]!r}… is longer than the embedding model reads: its last {lost}"
        " tokens are not in the vector. The full-text search reads its beginning and end."
    )


def results(questions: Iterable[Question], settings: SearchSettings) -> Iterator[Result]:
    """Open what the search needs and return the results, in order."""
    return open_search(settings)(questions)


def open_embedder_of(table: Table, settings: SearchSettings) -> Embedder:
    """Open the embedding model of a table, or the one that is named in its place.

    Raises:
        ModelError: it is not here or cannot be loaded.
    """
    from ragcli.embedding import open_embedder

    show_log()
    model = settings.model if settings.model is not None else str(table.contract["model"]["id"])
    return open_embedder(model, device=settings.device.value, contract=table.contract["model"])


def open_search(settings: SearchSettings, embedder: Embedder | None = None, table: Table | None = None) -> Search:
    """Open what the search needs; return what searches, as often as it is called.

    Args:
        settings: the flags.
        embedder: the table's model, where it is open already.
        table: another table than that of the settings, made like it.
    """
    if not 1 <= settings.k <= MOST_HITS:
        raise UsageError(f"-k is {settings.k}; it must be from 1 to {MOST_HITS}.")
    import_lance()
    from ragcli.retrieval import search
    from ragcli.store import Table

    if table is None:
        table = Table.open(settings.db, settings.table)
    if settings.mode is SearchMode.text:
        embedder = None
    elif embedder is None:
        embedder = open_embedder_of(table, settings)
    reranker: CrossEncoder | None = None
    if settings.rerank is not None:
        from ragcli.models import resolve
        from ragcli.reranking import CrossEncoder

        reranker = CrossEncoder(str(resolve(settings.rerank).path), settings.rerank, device=settings.device.value)
    threshold = table.refusal.get("threshold")

    def found(questions: Iterable[Question], k: int | None = None) -> Iterator[Result]:
        out = search(
            questions,
            table,
            embedder=embedder,
            mode=settings.mode.value,
            k=k or settings.k,
            where=settings.where,
            expand=settings.expand,
            reranker=reranker,
            explain=settings.explain,
            on_truncated=_truncated,
        )
        if isinstance(threshold, (int, float)):
            out = (replace(one, extra={**one.extra, THRESHOLD_KEY: threshold}) for one in out)
        return out if reranker is None else _counted(out, reranker)

    for key in table.unknown_keys(settings.where or ""):
        note(f"ragcli query: no row of the table has {key}, which --where names.")
    return found


def _counted(found: Iterator[Result], reranker: CrossEncoder) -> Iterator[Result]:
    """Pass results on; say at the end what the reranker did not read."""
    yield from found
    if reranker.truncated:
        note(
            f"ragcli query: {reranker.truncated} of {reranker.read} hits were longer than the {reranker.limit} tokens"
            " that the reranker reads, and were judged by their beginning."
        )
