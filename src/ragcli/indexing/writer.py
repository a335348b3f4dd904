"""Writing a table: only what is new, in whole batches, so that a killed run loses at most the last one.

A chunk whose id and digest the table has is not embedded again. When everything is in, what the same sources had
before and have no more is removed: last, and only where a source came in to its end (`Chunk.last`), so that a run
that is killed or cut short takes nothing away. Batches go in through ``merge_insert`` on a primary key, so that two
writers at once lose nothing and double nothing (tests/test_table_cli.py).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from ragcli.errors import InputError
from ragcli.indexing.arrivals import Arrived, Known, Seen
from ragcli.indexing.content import digest, search_text
from ragcli.indexing.states import States
from ragcli.records import Chunk, Vector
from ragcli.report import Report
from ragcli.store import CHUNK_COLUMNS, Table, lance_errors
from ragcli.store.changing import RETRIES, delete_all
from ragcli.store.upkeep import DEFAULT_KEEP, Keep, index_keys, maintain

BATCH_ROWS = 8192
BATCH_CHARACTERS = 8_000_000
BATCH_SECONDS = 20.0
INDEX_COMMITS = 4
CUT = "its document came in without its end, so that nothing the table has of it was removed"


class Writer:
    """Writes chunks and their vectors to a table, a committed batch at a time.

    Use `fresh` on the stream of chunks before embedding, `add` for each vector, `finish` at the end.

    Args:
        table: an open table.
        report: counts chunks_in, which is chunks_unchanged + chunks_repeated + chunks_written (+ what failed
            to be embedded), and chunks_replaced (removed: older text of the same sources).
        again: embed what the table has, too.
        keep: the old versions that stay.
    """

    def __init__(
        self, table: Table, report: Report | None = None, *, again: bool = False, keep: Keep = DEFAULT_KEEP
    ) -> None:
        self.table = table
        self._keep = keep
        self._again = again
        self.report = report or Report("embed")
        table.ensure_text_index()
        self.arrived = Arrived()
        self._known = Known(table)
        self._seen = Seen()  # chunks
        self._given = Seen()  # the ids of those that were given on
        self._schema = table.dataset.schema
        self._dimension = table.dimension
        self._states = States()
        self._digests: dict[str, str] = {}  # of what was given on and has not come back
        self._batch: dict[str, Vector] = {}
        self._characters = 0  # of the batch
        self._commits = 0
        self._pool = ThreadPoolExecutor(1, "commit")
        self._commit: tuple[int, Future[None]] | None = None  # under way, and its rows
        self._since = time.monotonic()

    def fresh(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that the table does not have, as they must be embedded."""
        for chunk in chunks:
            self.report.count("chunks_in")
            self.arrived.add(chunk)
            self._states.note(chunk)
            made, key = digest(chunk), hash(chunk.id)
            known = self._known.meets(chunk.id, made)
            if not self._seen.add(hash((chunk.id, made))):
                self.report.count("chunks_repeated")
            elif known and key not in self._given and not self._again:
                self.report.count("chunks_unchanged")
            else:  # also where the same id came before with other content: the later one stays
                self._digests[chunk.id] = made if self._given.add(key) else ""
                yield chunk
        self.arrived.close()

    def add(self, vector: Vector) -> None:
        """Take one vector; commits when a batch is full or old.

        Raises:
            InputError: the vector has another dimension than the table.
            TableError: the batch cannot be written.
        """
        if len(vector.vector) != self._dimension:
            raise InputError(
                f"the vector of chunk {vector.id} has {len(vector.vector)} components,"
                f" and the table {self.table.name!r} holds vectors of {self._dimension}."
            )
        if vector.id in self._batch:  # the same place with other metadata: the later one stays, as in a table
            self.report.count("chunks_repeated")
        self._batch[vector.id] = vector
        self._characters += len(vector.text)
        if (
            len(self._batch) >= BATCH_ROWS
            or self._characters >= BATCH_CHARACTERS
            or time.monotonic() - self._since > BATCH_SECONDS
        ):
            self._begin()

    def flush(self) -> None:
        """Commit what has been added, and wait until it is done."""
        self._begin()
        self._wait()

    def _begin(self) -> None:
        """Commit what has been added, while further chunks are made; one commit is under way at a time."""
        if self._batch:
            rows, count = rows_of(list(self._batch.values()), self._schema, self._digests), len(self._batch)
            self._batch.clear()
            self._characters = 0
            self._wait()
            self._commit = count, self._pool.submit(self._merge, rows)
        self._since = time.monotonic()

    def _wait(self) -> None:
        if self._commit is not None:
            (count, commit), self._commit = self._commit, None
            with lance_errors(f"cannot write to the table {self.table.name!r} in {self.table.db}"):
                commit.result()
            self.report.count("chunks_written", count)

    def _merge(self, rows: pa.Table) -> None:
        self.table.refresh()
        builder = self.table.dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        builder.conflict_retries(RETRIES).execute(rows)
        self.table.refresh()
        self._commits += 1
        if self._commits % INDEX_COMMITS == 0:
            index_keys(self.table)

    def _remove_stale(self) -> None:
        for source in self.arrived.cut:
            self.report.lose("warning", source, CUT)
        if removed := remove_stale(self.table, self._known, self.arrived):
            self.report.count("chunks_replaced", removed)

    def write(self, vectors: Iterable[Vector]) -> None:
        """Add all of a stream, and finish; what came is kept, whatever ends the stream.

        Raises:
            RagcliError: as `add`, or what the stream raises.
        """
        try:
            for vector in vectors:
                self.add(vector)
        except BaseException:
            self.flush()
            raise
        self.finish()

    def finish(self) -> None:
        """Commit the rest, remove what was replaced, and bring the indexes up to date."""
        self.flush()
        self._remove_stale()
        if len(self._known):
            self._states.renew(self.table)
        maintain(self.table, keep=self._keep)


def rows_of(vectors: Sequence[Vector], schema: pa.Schema, digests: dict[str, str] | None = None) -> pa.Table:
    """Return vectors as rows of a table that has this schema.

    Args:
        vectors: the rows.
        schema: the table's.
        digests: those that are known already, by id; what is used is taken out.
    """
    known = {} if digests is None else digests
    flat = np.asarray([vector.vector for vector in vectors], dtype=np.float32)
    columns: dict[str, Any] = {name: [getattr(vector, name) for vector in vectors] for name in CHUNK_COLUMNS}
    columns["metadata"] = [_json(vector.metadata) for vector in vectors]
    columns["extra"] = [_json(vector.extra) if vector.extra else None for vector in vectors]
    columns["search_text"] = [search_text(vector) for vector in vectors]
    columns["digest"] = [known.pop(vector.id, None) or digest(vector) for vector in vectors]
    size = schema.field("vector").type.list_size
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), size)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def remove_stale(table: Table, known: Known, arrived: Arrived, spare: Collection[str] = ()) -> int:
    """Remove what the sources that came in to their end had before and have no more; return how many rows.

    Args:
        table: the table.
        known: what it held when the run began.
        arrived: what came in.
        spare: files of which nothing is removed.

    Raises:
        TableError: the table cannot be read or written.
    """
    stale = known.stale(arrived.whole())
    if not stale:
        return 0
    gone: list[str] = []
    with lance_errors(f"cannot read the table {table.name!r}"):
        for batch in table.dataset.to_batches(columns=["id", "digest", "source"], batch_size=65_536):
            for name, made, source in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if (hash(name), hash(made or "")) in stale and not any(
                    source == file or source.startswith(f"{file}#") for file in spare
                ):
                    gone.append(name)
    return delete_all(table, "id", gone)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
