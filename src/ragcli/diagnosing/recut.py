"""A table like the one that is diagnosed, with some documents cut in another way, for trials of sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ragcli.diagnosing.documents import Stored
from ragcli.diagnosing.trials import Settings, counter_of, cut, original
from ragcli.embedding.stage import embed
from ragcli.indexing import Writer
from ragcli.records import Chunk, Vector
from ragcli.store import CHUNK_COLUMNS, Table
from ragcli.where import one_of

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain

MOST_ROWS = 20_000  # of a table that is copied
MOST_CHUNKS = 400  # that are embedded


@contextmanager
def recut(chain: Chain, documents: Sequence[Stored], settings: Settings) -> Iterator[Table | None]:
    """Give a temporary table in which these documents are cut anew; None where that would take too long.

    Args:
        chain: what is diagnosed.
        documents: those that are cut anew.
        settings: of the splitter.
    """
    table = chain.table
    counter = counter_of(table, settings)
    chunks = list(cut([original(one, chain.sources) for one in documents], settings, counter))
    if len(table) > MOST_ROWS or len(chunks) > MOST_CHUNKS or (chain.embedder is None and chain.mode != "text"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ragcli-") as folder:
        made = Table.create(folder, table.name, {**table.contract, "splitter": None})
        writer = Writer(made)
        condition = f"NOT ({one_of('document_id', [one.id for one in documents])})"
        for row in table.scan([*CHUNK_COLUMNS, "vector"], condition):
            writer.add(Vector(**row))
        for vector in _vectors(chunks, chain):
            writer.add(vector)
        writer.finish()
        yield made


def _vectors(chunks: Sequence[Chunk], chain: Chain) -> Iterator[Vector]:
    if chain.embedder is not None:
        yield from embed(chunks, chain.embedder, headings=bool(chain.table.contract.get("headings")))
        return
    zero = [0.0] * chain.table.dimension
    for chunk in chunks:  # a search by full text alone does not look at them
        yield Vector(**{name: getattr(chunk, name) for name in CHUNK_COLUMNS}, vector=zero)
