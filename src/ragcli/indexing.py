"""Writing a table: only what is new, in whole batches, so that a killed run loses at most the last one.

A chunk whose id and digest the table has is not embedded again. When everything is in, the documents that the
same sources had before are removed: last, so that a run that is killed or cut short takes nothing away. Batches
go in through ``merge_insert`` on a primary key, so that two writers at once lose nothing and double nothing
(tests/test_indexing.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
import pyarrow as pa

from ragcli.errors import InputError, UsageError
from ragcli.lexical import fold
from ragcli.records import Chunk, Vector, content_id
from ragcli.report import Report
from ragcli.store import CHUNK_COLUMNS, Table, lance_errors
from ragcli.where import one_of

T = TypeVar("T")

BATCH_ROWS = 1024
BATCH_CHARACTERS = 4_000_000
BATCH_SECONDS = 20.0
_RETRIES = 30
_KEY_INDEX_ROWS = 20_000  # from here on a BTREE on the keys saves more than it costs
_MAX_FRAGMENTS = 24
_KEEP_VERSIONS = timedelta(days=7)
_RECENT = 65_536
_IN_LIST = 200  # values in one SQL condition


def digest(chunk: Chunk) -> str:
    """Return an id of everything in the chunk but its vector: what it must equal to be left alone."""
    return content_id(
        chunk.id,
        chunk.document_id,
        chunk.source,
        chunk.title or "",
        chunk.header,
        chunk.text,
        orjson.dumps([chunk.pages, chunk.headings, chunk.metadata, chunk.extra], option=orjson.OPT_SORT_KEYS).decode(),
    )


def search_text(chunk: Chunk) -> str:
    """Return what the full-text index holds of a chunk.

    Title and headings are part of it: on CMRC2018 recall@1 of the text mode rises from .964 to .975.
    """
    parts = [chunk.title or "", *chunk.headings, chunk.header, chunk.text]
    seen = dict.fromkeys(part for part in parts if part)
    return fold("\n".join(seen))


def _hashes(values: Iterable[str], count: int) -> np.ndarray[Any, Any]:
    """Return 64-bit hashes, good within this process only: 8 bytes a value where a string takes 80."""
    return np.fromiter((hash(value) for value in values), dtype=np.int64, count=count)


class _Seen:
    """A set of 64-bit hashes that takes 8 bytes each, for streams of any length."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted = np.zeros(0, np.int64)

    def add(self, value: int) -> bool:
        """Add a hash; say whether it is new."""
        if value in self._recent:
            return False
        place = int(np.searchsorted(self._sorted, value))
        if place < len(self._sorted) and int(self._sorted[place]) == value:
            return False
        self._recent.add(value)
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True


class _Known:
    """The ids, digests, sources and documents that a table held when the run began, 40 bytes a row."""

    def __init__(self, table: Table) -> None:
        columns = ["id", "digest", "source", "document_id"]
        parts: dict[str, list[np.ndarray[Any, Any]]] = {column: [np.zeros(0, np.int64)] for column in columns}
        with lance_errors(f"cannot read the table {table.name!r}"):
            for batch in table.dataset.to_batches(columns=columns, batch_size=65_536):
                for column in columns:
                    values = batch.column(column).to_pylist()
                    parts[column].append(_hashes((value or "" for value in values), len(values)))
        ids, digests, sources, documents = (np.concatenate(parts[column]) for column in columns)
        order = np.argsort(ids, kind="stable")
        self._ids, self._digests = ids[order], digests[order]
        order = np.argsort(sources, kind="stable")
        self._sources, self._documents = sources[order], documents[order]
        self._arrived: set[int] = set()  # documents of the table that this run has brought again

    def has(self, chunk_id: str, chunk_digest: str) -> bool:
        """Whether the table held this very chunk."""
        key = hash(chunk_id)
        place = int(np.searchsorted(self._ids, key))
        return (
            place < len(self._ids) and int(self._ids[place]) == key and int(self._digests[place]) == hash(chunk_digest)
        )

    def arrives(self, source: str, document_id: str) -> bool:
        """Note that a document has come; say whether the table held another one of the same source."""
        mine, others = hash(document_id), False
        for document in self._of(source):
            if document == mine:
                self._arrived.add(mine)
            else:
                others = True
        return others

    def is_stale(self, document_id: str) -> bool:
        """Whether a document was in the table and has not come again (one that is new to the table is not)."""
        key = hash(document_id)
        return key in self._known_documents and key not in self._arrived

    @cached_property
    def _known_documents(self) -> set[int]:
        return set(self._documents.tolist())

    def _of(self, source: str) -> list[int]:
        key = hash(source)
        start = int(np.searchsorted(self._sources, key, "left"))
        end = int(np.searchsorted(self._sources, key, "right"))
        return np.unique(self._documents[start:end]).tolist() if end > start else []


class Writer:
    """Writes chunks and their vectors to a table, a committed batch at a time.

    Use `fresh` on the stream of chunks before embedding, `add` for each vector, `finish` at the end.

    Args:
        table: an open table.
        report: counts chunks_in, which is chunks_unchanged + chunks_repeated + chunks_written (+ what failed
            to be embedded), and chunks_replaced (removed: older text of the same sources).
    """

    def __init__(self, table: Table, report: Report | None = None) -> None:
        self.table = table
        self.report = report or Report("embed")
        self._known = _Known(table)
        self._seen = _Seen()
        self._batch: dict[str, Vector] = {}
        self._characters = 0  # of the batch
        self._since = time.monotonic()
        self._last = ("", "")  # source and document of the chunk before
        self._outdated: dict[str, None] = {}  # sources of which the table held another document

    def fresh(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that the table does not have, as they must be embedded."""
        for chunk in chunks:
            self.report.count("chunks_in")
            if (chunk.source, chunk.document_id) != self._last:
                self._last = (chunk.source, chunk.document_id)
                if self._known.arrives(chunk.source, chunk.document_id):
                    self._outdated[chunk.source] = None
            made = digest(chunk)
            if not self._seen.add(hash((chunk.id, made))):
                self.report.count("chunks_repeated")
            elif self._known.has(chunk.id, made):
                self.report.count("chunks_unchanged")
            else:
                yield chunk

    def add(self, vector: Vector) -> None:
        """Take one vector; commits when a batch is full or old.

        Raises:
            InputError: the vector has another dimension than the table.
            TableError: the batch cannot be written.
        """
        if len(vector.vector) != self.table.dimension:
            raise InputError(
                f"the vector of chunk {vector.id} has {len(vector.vector)} components,"
                f" and the table {self.table.name!r} holds vectors of {self.table.dimension}."
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
            self.flush()

    def flush(self) -> None:
        """Commit what has been added."""
        if self._batch:
            rows = self._rows(list(self._batch.values()))
            with lance_errors(f"cannot write to the table {self.table.name!r} in {self.table.db}"):
                self._merge(rows)
            self.report.count("chunks_written", len(self._batch))
            self._batch.clear()
            self._characters = 0
        self._since = time.monotonic()

    def _merge(self, rows: pa.Table) -> None:
        self.table.refresh()
        builder = self.table.dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        builder.conflict_retries(_RETRIES).execute(rows)
        self.table.refresh()

    def _rows(self, vectors: Sequence[Vector]) -> pa.Table:
        made = self.table.dataset.schema
        flat = np.asarray([vector.vector for vector in vectors], dtype=np.float32)
        columns: dict[str, Any] = {name: [getattr(vector, name) for vector in vectors] for name in CHUNK_COLUMNS}
        columns["metadata"] = [_json(vector.metadata) for vector in vectors]
        columns["extra"] = [_json(vector.extra) if vector.extra else None for vector in vectors]
        columns["search_text"] = [search_text(vector) for vector in vectors]
        columns["digest"] = [digest(vector) for vector in vectors]
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), self.table.dimension)
        return pa.table({name: pa.array(columns[name], made.field(name).type) for name in made.names}, schema=made)

    def _remove_stale(self) -> None:
        sources = list(self._outdated)
        for start in range(0, len(sources), _IN_LIST):
            condition = one_of("source", sources[start : start + _IN_LIST])
            with lance_errors(f"cannot read the table {self.table.name!r}"):
                found = self.table.dataset.to_table(columns=["document_id"], filter=condition)["document_id"]
            stale = [key for key in dict.fromkeys(found.to_pylist()) if self._known.is_stale(key)]
            if stale:
                removed = delete(self.table, f"{condition} AND {one_of('document_id', stale)}")
                self.report.count("chunks_replaced", removed)
        self._outdated.clear()

    def finish(self) -> None:
        """Commit the rest, remove what was replaced, and bring the indexes up to date."""
        self.flush()
        self._remove_stale()
        maintain(self.table)


def delete(table: Table, condition: str) -> int:
    """Remove the rows that meet an SQL condition; return how many there were."""
    with lance_errors(f"cannot write to the table {table.name!r} in {table.db}"):
        table.refresh()
        count = int(table.dataset.count_rows(filter=condition))
        if count:
            _retry(table, lambda: table.dataset.delete(condition))
        table.refresh()
    return count


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _retry(table: Table, act: Callable[[], T]) -> T:
    """Do a write again when another writer's commit came first."""
    for attempt in range(_RETRIES):
        try:
            table.refresh()
            return act()
        except (OSError, RuntimeError) as error:
            if "conflict" not in str(error).lower() or attempt == _RETRIES - 1:
                raise
            time.sleep(min(0.02 * 2**attempt, 1.0))
    raise AssertionError("unreachable")


def maintain(table: Table) -> None:
    """Bring the full-text index up to date, merge small fragments, drop versions older than a week."""
    with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
        _retry(table, lambda: _maintain(table))
        table.refresh()


def _maintain(table: Table) -> None:
    dataset = table.dataset
    rows = dataset.count_rows()
    names = {index["name"] for index in dataset.list_indices()}
    fragments = len(dataset.get_fragments())
    if fragments > _MAX_FRAGMENTS:
        dataset.optimize.compact_files()
        table.refresh()
        dataset = table.dataset
    if rows >= _KEY_INDEX_ROWS:
        for column in ("id", "document_id", "source"):
            if f"{column}_idx" not in names:
                dataset.create_scalar_index(column, "BTREE", name=f"{column}_idx")
    table.refresh()
    if any(_unindexed(table.dataset, name) for name in names):
        table.dataset.optimize.optimize_indices()
    if len(table.dataset.versions()) > 2 * _MAX_FRAGMENTS:
        table.dataset.cleanup_old_versions(older_than=_KEEP_VERSIONS)


def _unindexed(dataset: Any, name: str) -> int:
    return int(dataset.stats.index_stats(name).get("num_unindexed_rows", 0))


def prune(table: Table, roots: Sequence[str]) -> list[str]:
    """Remove the chunks of files under the roots that are no longer on disk; return their sources.

    A source is under a root when its path begins with the root's, as both were given; URLs never are. A row
    of a file (``rows.jsonl#17``) goes when the file does.

    Raises:
        UsageError: a root is not there: more likely an unmounted disk or the wrong folder than a wish.
    """
    paths = []
    for root in roots:
        if not Path(root).exists():
            raise UsageError(
                f"--prune {root}: there is no such folder, so nothing was removed.",
                hint="Run it where the paths in the table are relative to, with the disk mounted.",
            )
        paths.append(Path(root).resolve())
    with lance_errors(f"cannot read the table {table.name!r}"):
        column = table.dataset.to_table(columns=["source"])["source"]
    gone: list[str] = []
    present: dict[str, bool] = {}
    for source in sorted(set(column.to_pylist())):
        if "://" in source:
            continue
        candidates = [source]
        while "#" in candidates[-1]:
            candidates.append(candidates[-1].rpartition("#")[0])
        file = Path(candidates[-1])
        absolute = (Path.cwd() / file).parent.resolve() / file.name
        if not any(root == absolute or root in absolute.parents for root in paths):
            continue
        for candidate in candidates:
            if candidate not in present:
                present[candidate] = Path(candidate).exists()
        if not any(present[candidate] for candidate in candidates):
            gone.append(source)
    for start in range(0, len(gone), _IN_LIST):
        delete(table, one_of("source", gone[start : start + _IN_LIST]))
    return gone
