"""Writing a table: only what is new, in whole batches, so that a killed run loses at most the last one.

A chunk whose id and digest the table has is not embedded again. When all chunks of a document are in, the
chunks that the same source had before are removed. Batches go in through ``merge_insert`` on a primary key,
so that two writers at once lose nothing and double nothing (shared probes; tests/test_store.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
import pyarrow as pa

from ragcli.errors import InputError, UsageError
from ragcli.lexical import TOKENIZER, fold
from ragcli.records import Chunk, Vector, content_id
from ragcli.report import Report
from ragcli.store import TEXT_INDEX, Table, lance_errors
from ragcli.where import one_of

T = TypeVar("T")

BATCH_ROWS = 1024
BATCH_SECONDS = 20.0
_RETRIES = 30
_KEY_INDEX_ROWS = 20_000  # from here on a BTREE on the keys saves more than it costs
_MAX_FRAGMENTS = 24
_KEEP_VERSIONS = timedelta(days=7)


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


class _Known:
    """The ids, digests, sources and documents that a table held when the run began, 32 bytes a row."""

    def __init__(self, table: Table) -> None:
        with lance_errors(f"cannot read the table {table.name!r}"):
            parts: list[list[np.ndarray[Any, Any]]] = [[], [], [], []]
            columns = ["id", "digest", "source", "document_id"]
            for batch in table.dataset.to_batches(columns=columns, batch_size=65_536):
                for place, column in enumerate(columns):
                    values = batch.column(column).to_pylist()
                    parts[place].append(_hashes((value or "" for value in values), len(values)))
        joined = [np.concatenate(part) if part else np.zeros(0, np.int64) for part in parts]
        ids, digests, sources, documents = joined
        order = np.argsort(ids, kind="stable")
        self._ids, self._digests = ids[order], digests[order]
        order = np.argsort(sources, kind="stable")
        self._sources, self._documents = sources[order], documents[order]

    def has(self, chunk_id: str, chunk_digest: str) -> bool:
        place = int(np.searchsorted(self._ids, hash(chunk_id)))
        return (
            place < len(self._ids)
            and int(self._ids[place]) == hash(chunk_id)
            and int(self._digests[place]) == hash(chunk_digest)
        )

    def other_documents(self, source: str, current: set[int]) -> bool:
        """Whether the table holds a document of this source that is not among the current ones (hashes)."""
        key = hash(source)
        start = int(np.searchsorted(self._sources, key, "left"))
        end = int(np.searchsorted(self._sources, key, "right"))
        return any(int(document) not in current for document in self._documents[start:end])


class Writer:
    """Writes chunks and their vectors to a table, a committed batch at a time.

    Use `fresh` on the stream of chunks before embedding, `add` for each vector, `finish` at the end.

    Args:
        table: an open table.
        report: counts chunks_in, chunks_unchanged, chunks_written, chunks_replaced.
    """

    def __init__(self, table: Table, report: Report | None = None) -> None:
        self.table = table
        self.report = report or Report("embed")
        self._known = _Known(table)
        self._batch: dict[str, Vector] = {}
        self._since = time.monotonic()
        # Documents of this run by source: hash -> {hash of document id: id}. A source that comes twice with
        # other text in one run keeps both.
        self._current: dict[int, dict[int, str]] = {}
        self._stale: dict[str, None] = {}  # sources with an older document in the table, in order
        self._writing = ""  # the source whose chunks are being added

    def fresh(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that the table does not have, as they must be embedded."""
        for chunk in chunks:
            self.report.count("chunks_in")
            documents = self._current.setdefault(hash(chunk.source), {})
            if hash(chunk.document_id) not in documents:
                documents[hash(chunk.document_id)] = chunk.document_id
                if self._known.other_documents(chunk.source, set(documents)):
                    self._stale[chunk.source] = None
            if self._known.has(chunk.id, digest(chunk)):
                self.report.count("chunks_unchanged")
                continue
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
        if vector.source != self._writing:
            # A document is whole when the next one begins; only then may its predecessor go.
            if len(self._batch) >= BATCH_ROWS or time.monotonic() - self._since > BATCH_SECONDS:
                self.flush()
            self._writing = vector.source
        elif len(self._batch) >= 4 * BATCH_ROWS:
            self.flush(whole=False)
        self._batch[vector.id] = vector

    def flush(self, *, whole: bool = True) -> None:
        """Commit what has been added; ``whole`` says that no document is cut in the middle."""
        if self._batch:
            rows = self._rows(list(self._batch.values()))
            with lance_errors(f"cannot write to the table {self.table.name!r} in {self.table.db}"):
                self._merge(rows)
            self.report.count("chunks_written", len(self._batch))
            written = {vector.source for vector in self._batch.values()}
            self._batch.clear()
            if whole:
                self._remove_stale([source for source in self._stale if source in written])
        self._since = time.monotonic()

    def _merge(self, rows: pa.Table) -> None:
        self.table.refresh()
        builder = self.table.dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        builder.conflict_retries(_RETRIES).execute(rows)
        self.table.refresh()

    def _rows(self, vectors: Sequence[Vector]) -> pa.Table:
        made = self.table.dataset.schema
        flat = np.asarray([vector.vector for vector in vectors], dtype=np.float32)
        columns: dict[str, Any] = {
            name: [getattr(vector, name) for vector in vectors]
            for name in ("id", "document_id", "source", "title", "text", "start", "end", "pages", "headings")
        }
        columns["header"] = [vector.header for vector in vectors]
        columns["splitter"] = [vector.splitter for vector in vectors]
        columns["metadata"] = [_json(vector.metadata) for vector in vectors]
        columns["extra"] = [_json(vector.extra) if vector.extra else None for vector in vectors]
        columns["search_text"] = [search_text(vector) for vector in vectors]
        columns["digest"] = [digest(vector) for vector in vectors]
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), self.table.dimension)
        return pa.table({name: pa.array(columns[name], made.field(name).type) for name in made.names}, schema=made)

    def _remove_stale(self, sources: Sequence[str]) -> None:
        for start in range(0, len(sources), 200):
            some = sources[start : start + 200]
            current = [key for source in some for key in self._current[hash(source)].values()]
            self._delete(f"{one_of('source', list(some))} AND NOT ({one_of('document_id', current)})")
        for source in sources:
            self._stale.pop(source, None)

    def _delete(self, condition: str) -> int:
        with lance_errors(f"cannot write to the table {self.table.name!r} in {self.table.db}"):
            count = int(self.table.dataset.count_rows(filter=condition))
            if count:
                _retry(self.table, lambda: self.table.dataset.delete(condition))
        if count:
            self.report.count("chunks_replaced", count)
        return count

    def finish(self) -> None:
        """Commit the rest, remove what was replaced, and bring the indexes up to date."""
        self.flush()
        self._remove_stale(list(self._stale))
        maintain(self.table)


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
    if rows and TEXT_INDEX not in names:
        dataset.create_scalar_index("search_text", "INVERTED", name=TEXT_INDEX, with_position=True, **TOKENIZER)
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
    for start in range(0, len(gone), 200):
        condition = one_of("source", gone[start : start + 200])
        with lance_errors(f"cannot write to the table {table.name!r} in {table.db}"):
            _retry(table, lambda condition=condition: table.dataset.delete(condition))  # type: ignore[misc]
    return gone
