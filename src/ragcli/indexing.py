"""Writing a table: only what is new, in whole batches, so that a killed run loses at most the last one.

A chunk whose id and digest the table has is not embedded again. When everything is in, what the same sources had
before and have no more is removed: last, and only where a source came in to its end (`Chunk.last`), so that a run
that is killed or cut short takes nothing away. Batches go in through ``merge_insert`` on a primary key, so that two
writers at once lose nothing and double nothing (tests/test_table_cli.py).
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
import pyarrow as pa

from ragcli.errors import InputError, UsageError
from ragcli.lexical import fold
from ragcli.records import FILE_STATE, Chunk, Vector, content_id
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
    extra = {key: value for key, value in chunk.extra.items() if key != FILE_STATE}  # a touched file is the same
    return content_id(
        chunk.id,
        chunk.document_id,
        chunk.source,
        chunk.title or "",
        chunk.header,
        chunk.format,
        chunk.after,
        chunk.text,
        orjson.dumps([chunk.pages, chunk.headings, chunk.metadata, extra], option=orjson.OPT_SORT_KEYS).decode(),
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

    def __contains__(self, value: int) -> bool:
        place = int(np.searchsorted(self._sorted, value))
        return value in self._recent or (place < len(self._sorted) and int(self._sorted[place]) == value)

    def array(self) -> np.ndarray[Any, Any]:
        """Return all of them (n,)."""
        return np.concatenate([self._sorted, np.fromiter(self._recent, np.int64, len(self._recent))])

    def add(self, value: int) -> bool:
        """Add a hash; say whether it is new."""
        if value in self:
            return False
        self._recent.add(value)
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True


class _Known:
    """The ids, digests and sources that a table held when the run began, 25 bytes a row, and what came again."""

    def __init__(self, table: Table) -> None:
        columns = ["id", "digest", "source"]
        parts: dict[str, list[np.ndarray[Any, Any]]] = {column: [np.zeros(0, np.int64)] for column in columns}
        with lance_errors(f"cannot read the table {table.name!r}"):
            for batch in table.dataset.to_batches(columns=columns, batch_size=65_536):
                for column in columns:
                    values = batch.column(column).to_pylist()
                    parts[column].append(_hashes((value or "" for value in values), len(values)))
        ids, digests, sources = (np.concatenate(parts[column]) for column in columns)
        order = np.argsort(ids, kind="stable")
        self._ids, self._digests, self._sources = ids[order], digests[order], sources[order]
        self._arrived = np.zeros(len(ids), bool)

    def meets(self, chunk_id: str, chunk_digest: str) -> bool:
        """Note that a chunk has come; say whether the table held this very one."""
        key = hash(chunk_id)
        place = int(np.searchsorted(self._ids, key))
        if place >= len(self._ids) or int(self._ids[place]) != key:
            return False
        self._arrived[place] = True
        return int(self._digests[place]) == hash(chunk_digest)

    def stale(self, sources: np.ndarray[Any, Any]) -> set[tuple[int, int]]:
        """Return the hashes of id and digest of the rows of these sources (n,) that have not come again."""
        rows = np.flatnonzero(np.isin(self._sources, sources) & ~self._arrived)
        return set(zip(self._ids[rows].tolist(), self._digests[rows].tolist(), strict=True))


class Arrived:
    """The sources that came in during a run."""

    def __init__(self) -> None:
        self._whole = _Seen()
        self._files = _Seen()
        self._cut: dict[int, str] = {}
        self._now = ("", "")  # source and document of the chunk before
        self._ended = True

    def add(self, chunk: Chunk) -> None:
        """Note a chunk."""
        if (chunk.source, chunk.document_id) != self._now:
            self.close()
            self._now = (chunk.source, chunk.document_id)
        self._ended = chunk.last is not False

    def close(self) -> None:
        """Note the end of the document that is coming in."""
        source = self._now[0]
        if self._now == ("", ""):
            return
        if self._ended:
            self._whole.add(hash(source))
            self._files.add(hash(source.rpartition("#")[0]))
        else:
            self._cut[hash(source)] = source
        self._now, self._ended = ("", ""), True

    @property
    def cut(self) -> list[str]:
        """The sources of documents that did not come in to their end."""
        return list(self._cut.values())

    def whole(self) -> np.ndarray[Any, Any]:
        """Return the hashes (n,) of the sources that came in to their end."""
        found = self._whole.array()
        return found[~np.isin(found, np.fromiter(self._cut, np.int64, len(self._cut)))]

    def __contains__(self, source: str) -> bool:
        return hash(source) in self._whole or hash(source) in self._cut

    def has_rows_of(self, file: str) -> bool:
        """Whether a row of this file, ``FILE#…``, came in."""
        return hash(file) in self._files


class Writer:
    """Writes chunks and their vectors to a table, a committed batch at a time.

    Use `fresh` on the stream of chunks before embedding, `add` for each vector, `finish` at the end.

    Args:
        table: an open table.
        report: counts chunks_in, which is chunks_unchanged + chunks_repeated + chunks_written (+ what failed
            to be embedded), and chunks_replaced (removed: older text of the same sources).
        again: embed what the table has, too.
    """

    def __init__(self, table: Table, report: Report | None = None, *, again: bool = False) -> None:
        self.table = table
        self._again = again
        self.report = report or Report("embed")
        table.ensure_text_index()
        self.arrived = Arrived()
        self._known = _Known(table)
        self._seen = _Seen()  # chunks
        self._given = _Seen()  # the ids of those that were given on
        self._batch: dict[str, Vector] = {}
        self._characters = 0  # of the batch
        self._since = time.monotonic()

    def fresh(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that the table does not have, as they must be embedded."""
        for chunk in chunks:
            self.report.count("chunks_in")
            self.arrived.add(chunk)
            made, key = digest(chunk), hash(chunk.id)
            known = self._known.meets(chunk.id, made)
            if not self._seen.add(hash((chunk.id, made))):
                self.report.count("chunks_repeated")
            elif known and key not in self._given and not self._again:
                self.report.count("chunks_unchanged")
            else:  # also where the same id came before with other content: the later one stays
                self._given.add(key)
                yield chunk
        self.arrived.close()

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
        for source in self.arrived.cut:
            reason = "its document came in without its end, so that nothing the table has of it was removed"
            self.report.lose("warning", source, reason)
        stale = self._known.stale(self.arrived.whole())
        if not stale:
            return
        gone: list[str] = []
        with lance_errors(f"cannot read the table {self.table.name!r}"):
            for batch in self.table.dataset.to_batches(columns=["id", "digest"], batch_size=65_536):
                for name, made in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    if (hash(name), hash(made or "")) in stale:
                        gone.append(name)
        self.report.count("chunks_replaced", _delete_all(self.table, "id", gone))

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


def _delete_all(table: Table, column: str, values: Sequence[str]) -> int:
    removed = 0
    for start in range(0, len(values), _IN_LIST):
        removed += delete(table, one_of(column, list(values[start : start + _IN_LIST])))
    return removed


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
    names = {index.name for index in dataset.describe_indices()}
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


def prune(table: Table, roots: Sequence[str], arrived: Arrived | None = None) -> list[str]:
    """Remove the chunks of files under the roots that are no longer on disk; return their sources.

    Only what `load` read from a file is looked for (`Chunk.format`), never a URL. A source is under a root when its
    path begins with the root's, as both were given. A row of a file (``rows.jsonl#17``) goes when the file does, or
    when the file is there and other rows of it came in. A file of no bytes counts as gone.

    Args:
        table: the table.
        roots: folders or files.
        arrived: what came in during this run; without it rows are only looked for as files.

    Raises:
        UsageError: a root is not there, or nothing that the table has of it is: more likely an unmounted disk or
            the wrong folder than a wish.
    """
    paths = []
    for root in roots:
        if not root.strip() or not Path(root).exists():
            raise UsageError(
                f"--prune {root!r}: there is no such folder, so nothing was removed.",
                hint="Run it where the paths in the table are relative to, with the disk mounted.",
            )
        paths.append(Path(root).resolve())
    with lance_errors(f"cannot read the table {table.name!r}"):
        found = table.dataset.to_table(columns=["source"], filter="format <> ''")["source"]
    gone: list[str] = []
    held = 0
    disk = _Disk()
    for source in sorted(set(found.to_pylist())):
        if disk.is_under(source, paths):
            there = disk.holds(source, arrived)
            held += there
            if not there:
                gone.append(source)
    if gone and not held:
        raise UsageError(
            f"--prune {' '.join(roots)}: not one of the {len(gone)} sources that the table has there is on disk,"
            " so nothing was removed.",
            hint="Run it where the paths in the table are relative to. To begin anew, embed into another table.",
        )
    _delete_all(table, "source", gone)
    return gone


class _Disk:
    """Looks at files for `prune`, at each once: many sources are rows of one file."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}
        self._held: dict[str, bool | None] = {}

    def is_under(self, source: str, roots: Sequence[Path]) -> bool:
        """Whether a source is one of the roots, a row of one, or below one."""
        if "://" in source:
            return False
        path = Path(source)
        if path.parent not in self._folders:
            self._folders[path.parent] = (Path.cwd() / path.parent).resolve()
        absolute = self._folders[path.parent] / path.name
        file = Path(str(absolute).rpartition("#")[0] or absolute)
        return any(root in (absolute, file) or root in absolute.parents for root in roots)

    def holds(self, source: str, arrived: Arrived | None) -> bool:
        """Whether the file of a source is there, and the row, where it is one, still in it as far as this run knows."""
        candidate = source
        while (held := self._content(candidate)) is None:
            if "#" not in candidate:
                return False
            candidate = candidate.rpartition("#")[0]
        if not held or candidate == source or arrived is None or source in arrived:
            return held
        return not arrived.has_rows_of(candidate)

    def _content(self, path: str) -> bool | None:
        """Whether a path holds anything; None where there is none."""
        if path not in self._held:
            try:
                found = Path(path).stat()
            except (OSError, ValueError):
                self._held[path] = None
            else:
                self._held[path] = not stat.S_ISREG(found.st_mode) or found.st_size > 0
        return self._held[path]
