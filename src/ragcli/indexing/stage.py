"""The stage that fills a table: chunks are compared with it, embedded, and written; what is gone may be removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ragcli.contract import check_contract, check_splitter
from ragcli.embedding import embed, open_embedder
from ragcli.indexing.pruning import prune as prune_table
from ragcli.indexing.writer import Writer
from ragcli.records import Chunk
from ragcli.report import Report
from ragcli.store import Table
from ragcli.store.upkeep import DEFAULT_KEEP, Keep, maintain


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """How chunks are embedded.

    Args:
        model: see `ragcli.embedding.open_embedder`; None for the table's, and for a new one the built-in.
        device: where it runs.
        headings: title and headings before the text; None as the table was made, and for a new one without.
        again: also what the table has.
        index: which vector index is wanted from now on; as before where it is None.
        keep: the old versions of the table that stay.
    """

    model: str | None = None
    device: str = "auto"
    headings: bool | None = None
    again: bool = False
    index: str | None = None
    keep: Keep = DEFAULT_KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of a table: whether any chunk came in, and the sources that were pruned."""

    any: bool
    pruned: list[str] = field(default_factory=list)


def fill(
    chunks: Iterable[Chunk],
    db: str,
    name: str,
    *,
    embedding: Embedding | None = None,
    prune: Sequence[str] = (),
    model_first: bool = True,
    report: Report | None = None,
    progress: Callable[[int], None] | None = None,
    more: Callable[[], bool] | None = None,
) -> Filled:
    """Embed chunks into a table, which is made where it is not there; whatever ends the run, what is embedded stays.

    Args:
        chunks: read one at a time.
        db: the database.
        name: the table.
        embedding: how they are embedded.
        prune: folders; what the table has of files under them that are gone is removed at the end.
        model_first: open the model before the first chunk is taken, while whoever makes the chunks starts. Without,
            a table that is there needs no model where no chunk comes in.
        report: see `Writer`; and chunks_pruned.
        progress: called with the number of chunks embedded.
        more: see `ragcli.embedding.embed`.

    Raises:
        RagcliError: the model, the table, or what the chunks come from.
    """
    embedding, report = embedding or Embedding(), report or Report("embed")
    arrived = _write(iter(chunks), db, name, embedding, model_first, report, progress, more)
    if arrived is None:
        settle(db, name, embedding)
    gone: list[str] = []
    if prune:
        opened = Table.open(db, name)
        before = len(opened)
        gone = prune_table(opened, prune, None if arrived is None else arrived.arrived)
        report.count("chunks_pruned", before - len(opened))
        maintain(opened, keep=embedding.keep)
    return Filled(any=arrived is not None, pruned=gone)


def settle(db: str, name: str, embedding: Embedding) -> None:
    """Do what was asked of a table's index and versions, where it is there and no writer was told."""
    if (embedding.index is not None or embedding.keep != DEFAULT_KEEP) and Table.exists(db, name):
        opened = Table.open(db, name)
        if embedding.index is not None:
            opened.keep_index_wish(embedding.index)
        maintain(opened, keep=embedding.keep)


def _write(
    chunks: Iterator[Chunk],
    db: str,
    name: str,
    embedding: Embedding,
    model_first: bool,
    report: Report,
    progress: Callable[[int], None] | None,
    more: Callable[[], bool] | None,
) -> Writer | None:
    opened = Table.open(db, name) if Table.exists(db, name) else None
    known = opened.contract["model"] if opened is not None else None
    model = str(known["id"]) if embedding.model is None and known is not None else embedding.model
    first: Chunk | None = None
    if not model_first and opened is not None and embedding.model is None:
        first = next(chunks, None)
        if first is None:
            return None
    embedder = open_embedder(
        model, device=embedding.device, contract=known
    )  # the stages before this one start meanwhile
    if opened is not None and not model_first:
        check_contract(opened, {"model": embedder.contract})  # said also where nothing comes in
    if first is None:
        first = next(chunks, None)
    if first is None:
        return None
    if opened is None:
        contract = {"model": embedder.contract, "metric": "cosine", "splitter": first.splitter or None}
        opened = Table.create(db, name, {**contract, "headings": bool(embedding.headings)})
    headings = embedding.headings
    if headings is None:
        headings = bool(opened.contract.get("headings"))
    check_contract(opened, {"model": embedder.contract, "headings": headings})
    if embedding.index is not None:
        opened.keep_index_wish(embedding.index)
    writer = Writer(opened, report, again=embedding.again, keep=embedding.keep)
    fresh = writer.fresh(check_splitter(opened, _after(first, chunks)))
    writer.write(embed(fresh, embedder, headings=headings, report=report, progress=progress, more=more))
    return writer


def _after(first: Chunk, rest: Iterable[Chunk]) -> Iterator[Chunk]:
    yield first
    yield from rest
