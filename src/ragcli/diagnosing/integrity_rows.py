"""One pass over a table: what is wrong with its rows, and what the other checks need to know of them.

Fragments are read one by one, so that one that is damaged takes nothing else with it. Of each row only some hashes and
numbers are kept (about 100 bytes); texts are forgotten.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from ragcli.diagnosing.integrity_garbled import garbled
from ragcli.embedding.stage import passage_text
from ragcli.indexing import digest
from ragcli.records import FILE_STATE, Chunk, Json
from ragcli.store import CHUNK_COLUMNS, Table, chunk_of, is_remote, table_uri

COLUMNS = [*CHUNK_COLUMNS, "digest", "vector"]
SHOWN = 3
_BATCH = 1024
_BUFFER = 1 << 24  # bytes that Lance reads ahead
_READER = "reader"
_STREAMS = ("/dev/", "/proc/")
_NORM = 0.01  # how far from 1 the length of a vector may be
_KINDS = {
    "rowid": np.uint64, "key": np.uint32, "id": np.int64, "text": np.int64, "given": np.int64, "vector": np.int64,
    "document": np.int64, "source": np.int64, "file": np.int32, "start": np.int64, "end": np.int64, "after": np.int64,
    "part": np.bool_, "cut": np.bool_,
}  # fmt: skip


class Tally:
    """Counts faults of one kind and keeps the first few names."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []
        self.sources: dict[str, None] = {}
        self.reasons: dict[str, int] = {}

    def add(self, example: str, source: str = "", reason: str = "") -> None:
        """Count one; ``source`` is where it can be had again."""
        self.count += 1
        if len(self.examples) < SHOWN and example not in self.examples:
            self.examples.append(example)
        if source and len(self.sources) < 10_000:
            self.sources[source] = None
        if reason:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def words(self) -> str:
        """Return the reasons with their counts."""
        return ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items(), key=lambda one: -one[1]))


@dataclass(slots=True)
class Rows:
    """What the pass saw; the columns are arrays (rows,)."""

    columns: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    unreadable: Tally = field(default_factory=Tally)
    wrong: Tally = field(default_factory=Tally)  # rows that are not what was written
    vectors: Tally = field(default_factory=Tally)
    garbled: Tally = field(default_factory=Tally)
    bad_vectors: list[int] = field(default_factory=list)  # row ids
    files: list[str] = field(default_factory=list)
    elsewhere: int = 0  # rows of addresses, streams and other programs
    marks: dict[str, list[Json]] = field(default_factory=dict)  # path -> states that the table says it is in
    foreign: set[int] = field(default_factory=set)  # numbers of files that another reader read
    broken: int = 0  # rows that are no chunk: they are in no column
    altered_rows: list[int] = field(default_factory=list)  # row ids

    def __len__(self) -> int:
        return len(self.columns["rowid"]) + self.broken


def read(table: Table, on_chunk: Callable[[Chunk, int], None] | None = None) -> Rows:
    """Read a table once.

    Args:
        table: the table.
        on_chunk: is told each chunk and its key, a hash of its id by which samples are drawn.
    """
    rows = Rows()
    parts: dict[str, list[Any]] = {name: [] for name in _KINDS}
    disk = _Files(rows.files)
    model = table.contract.get("model")
    normal = bool(model.get("normalize")) if isinstance(model, dict) else False
    headings = bool(table.contract.get("headings"))
    for batch in _batches(table, rows):
        values: dict[str, list[Any]] = {name: [] for name in _KINDS}
        ids = batch.column("_rowid").to_pylist()
        vectors = batch.column("vector")
        kinds = faults(vectors, normal)
        plain = batch.drop_columns(["vector"]).to_pylist()
        hashes = _hashes(vectors)
        for at, row in enumerate(plain):
            if not _one(rows, row, ids[at], headings, values, disk, on_chunk):
                continue
            values["vector"].append(hashes[at] if kinds[at] is None else 0)
            if kinds[at] is not None:
                rows.bad_vectors.append(ids[at])
                rows.vectors.add(_name(row), row["source"] or "", kinds[at] or "")
        for name in _KINDS:
            parts[name].append(np.array(values[name], _KINDS[name]))
    rows.columns = {
        name: np.concatenate(parts[name]) if parts[name] else np.zeros(0, kind) for name, kind in _KINDS.items()
    }
    return rows


def _batches(table: Table, rows: Rows) -> Iterator[Any]:
    for fragment in table.dataset.get_fragments():
        try:
            scanner = fragment.scanner(
                columns=COLUMNS, with_row_id=True, batch_size=_BATCH, batch_readahead=1, io_buffer_size=_BUFFER
            )
            yield from scanner.to_reader()
        except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
            for name in _damaged(table, fragment) or [f"fragment {fragment.fragment_id}"]:
                rows.unreadable.add(name, reason=short(str(error)))


def _damaged(table: Table, fragment: Any) -> list[str]:
    """Return the data files of a fragment that are not there or not of their size; all where that does not tell."""
    names = [f"data/{one.path}" for one in fragment.data_files()]
    if is_remote(table.db):
        return names
    folder = Path(table_uri(table.db, table.name), "data")
    wrong = []
    for one in fragment.data_files():
        try:
            size = (folder / one.path).stat().st_size
        except OSError:
            wrong.append(f"data/{one.path} (missing)")
            continue
        if one.file_size_bytes and size != one.file_size_bytes:
            wrong.append(f"data/{one.path} ({size} bytes of {one.file_size_bytes})")
    return wrong or names


def short(message: str) -> str:
    """Return the first line of what Lance says, without the place in its own source."""
    first = (message.strip().splitlines() or ["no reason given"])[0]
    return re.split(r", /\S+\.rs:\d+", first, maxsplit=1)[0].rstrip(".")


def _one(
    rows: Rows,
    row: Json,
    rowid: int,
    headings: bool,
    values: dict[str, list[Any]],
    disk: _Files,
    on_chunk: Callable[[Chunk, int], None] | None,
) -> bool:
    """Take in one row; return whether it is a chunk."""
    source, text = row["source"] or "", row["text"] or ""
    state, chunk, reason = _read_chunk(row)
    name = _name(row)
    if state is not None:
        rows.marks.setdefault(str(state.get("path")), []).append(state)
    if reason is not None:
        rows.wrong.add(name, source, reason)
        rows.altered_rows.append(rowid)
    if chunk is None:
        rows.broken += 1
        return False
    kind = garbled(text)
    if kind is not None:
        rows.garbled.add(name, source, kind)
    key = zlib.crc32((row["id"] or "").encode("utf-8", "surrogatepass"))
    given = passage_text(chunk, headings=headings)
    if on_chunk is not None:
        on_chunk(chunk, key)
    number = disk.number(source) if row["format"] else -1
    if row["format"] == _READER:
        rows.foreign.add(number)
    rows.elsewhere += number < 0
    values["rowid"].append(rowid)
    values["key"].append(key)
    values["id"].append(hash(row["id"] or ""))
    values["text"].append(hash(text))
    values["given"].append(hash(given))
    values["document"].append(hash(row["document_id"] or ""))
    values["source"].append(hash(source))
    values["file"].append(number)
    values["start"].append(row["start"] if row["start"] is not None else 0)
    values["end"].append(row["end"] if row["end"] is not None else 0)
    values["after"].append(len(row["after"] or ""))
    values["part"].append("#" in source)
    values["cut"].append((row["splitter"] or "").startswith("structure/"))
    return True


_ALTERED = "not as they were written (their digest differs)"


def _read_chunk(row: Json) -> tuple[Json | None, Chunk | None, str | None]:
    """Return the file's state that a row carries, its chunk, and what is wrong with the row."""
    for name in ("id", "document_id", "source", "text", "start", "end"):
        if row[name] is None or (row[name] == "" and name in ("id", "document_id", "source")):
            return None, None, f"without {name}"
    try:
        metadata = orjson.loads(row["metadata"]) if row["metadata"] else {}
        extra = orjson.loads(row["extra"]) if row["extra"] else {}
        state = extra.pop(FILE_STATE, None)
        if not isinstance(metadata, dict) or not isinstance(extra, dict):
            return None, None, "whose metadata is no JSON object"
    except (ValueError, AttributeError):
        return None, None, "whose metadata is no JSON"
    filled = {name: [] if row[name] is None and name in ("pages", "headings") else row[name] for name in CHUNK_COLUMNS}
    filled |= {name: filled[name] or "" for name in ("header", "splitter", "format", "after")}
    chunk = chunk_of({**filled, "metadata": metadata, "extra": extra})
    state = state if isinstance(state, dict) and isinstance(state.get("path"), str) else None
    if row["end"] - row["start"] != len(row["text"]) or row["start"] < 0:
        return state, chunk, "whose start and end do not fit their text"
    if row["digest"] != digest(chunk):
        return state, chunk, _ALTERED
    return state, chunk, None


def _name(row: Json) -> str:
    return f"{row['source'] or '(no source)'} (chunk {row['id']})"


def faults(column: Any, normal: bool) -> list[str | None]:
    """Return what is wrong with each vector of a column, or None.

    Args:
        column: of a batch, fixed-size lists of floats.
        normal: whether vectors must have length 1.
    """
    out: list[str | None] = ["null" if not valid else None for valid in column.is_valid().to_pylist()]
    there = [at for at, kind in enumerate(out) if kind is None]
    if not there:
        return out
    matrix = _matrix(column)
    finite = np.isfinite(matrix).all(axis=1)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    for at, place in enumerate(there):
        if not finite[at]:
            out[place] = "with NaN or infinity"
        elif norms[at] == 0.0:
            out[place] = "all zero"
        elif normal and not math.isclose(norms[at], 1.0, abs_tol=_NORM):
            out[place] = "not of length 1"
    return out


def _matrix(column: Any) -> np.ndarray[Any, Any]:
    """Return the vectors that are not null (n, dimension)."""
    valid = column.drop_null()
    flat = valid.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(valid), column.type.list_size)  # type: ignore[no-any-return]


def _hashes(column: Any) -> list[int]:
    matrix = np.ascontiguousarray(_matrix(column))
    found = iter([hash(row.tobytes()) for row in matrix])
    return [next(found) if valid else 0 for valid in column.is_valid().to_pylist()]


class _Files:
    """The files that sources are, or are rows of; each gets a number."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._numbers: dict[str, int] = {}
        self._there: dict[str, bool] = {}

    def number(self, source: str) -> int:
        """Return the number of a source's file; -1 for an address or a stream."""
        if "://" in source or not source or source.startswith(_STREAMS):
            return -1
        name = self._file(source)
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def _file(self, source: str) -> str:
        """Return the longest beginning of a source, cut at #, that is there; the shortest where none is."""
        first = source.partition("#")[0]
        if first == source or self._is_file(first):  # rows of a file, or members of an archive
            return first
        parts = source.split("#")
        for count in range(len(parts), 1, -1):
            name = "#".join(parts[:count])
            if self._is_file(name):
                return name
        return first or source

    def _is_file(self, name: str) -> bool:
        if name not in self._there:
            try:
                self._there[name] = bool(name) and Path(name).exists()
            except (OSError, ValueError):
                self._there[name] = False
        return self._there[name]
