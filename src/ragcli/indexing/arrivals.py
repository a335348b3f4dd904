"""What a table holds and what came in, as 64-bit hashes: 8 bytes each, for tables and streams of any length."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import numpy as np

from ragcli.records import Chunk
from ragcli.store import Table, lance_errors

_RECENT = 65_536  # hashes that are in a set of Python's, of 60 bytes each
_PART = 8  # or so great a part of all


def _hashes(values: Iterable[str], count: int) -> np.ndarray[Any, Any]:
    """Return 64-bit hashes, good within this process only: 8 bytes a value where a string takes 80."""
    return np.fromiter((hash(value) for value in values), dtype=np.int64, count=count)


def _place(view: memoryview, value: int) -> int | None:
    """Return where a value stands in sorted ones; None where it does not. Numpy takes longer for a single one."""
    place = bisect_left(view, value)
    return place if place < len(view) and view[place] == value else None


class Seen:
    """A set of 64-bit hashes that takes 8 bytes each, for streams of any length."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted = np.zeros(0, np.int64)
        self._view = self._sorted.data

    def __contains__(self, value: int) -> bool:
        return value in self._recent or _place(self._view, value) is not None

    def array(self) -> np.ndarray[Any, Any]:
        """Return all of them (n,)."""
        return np.concatenate([self._sorted, np.fromiter(self._recent, np.int64, len(self._recent))])

    def add(self, value: int) -> bool:
        """Add a hash; say whether it is new."""
        if value in self:
            return False
        self._recent.add(value)
        if len(self._recent) >= max(_RECENT, len(self._sorted) // _PART):
            self._sorted = np.sort(self.array())
            self._view = self._sorted.data
            self._recent.clear()
        return True


class Known:
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
        self._view = self._ids.data
        self._arrived = np.zeros(len(ids), bool)

    def __len__(self) -> int:
        return len(self._ids)

    def meets(self, chunk_id: str, chunk_digest: str) -> bool:
        """Note that a chunk has come; say whether the table held this very one."""
        place = _place(self._view, hash(chunk_id))
        if place is None:
            return False
        self._arrived[place] = True
        return int(self._digests[place]) == hash(chunk_digest)

    def has(self, chunk_id: str) -> bool:
        """Whether the table held a chunk of this id, with whatever content."""
        return _place(self._view, hash(chunk_id)) is not None

    def stale(self, sources: np.ndarray[Any, Any]) -> set[tuple[int, int]]:
        """Return the hashes of id and digest of the rows of these sources (n,) that have not come again."""
        rows = np.flatnonzero(np.isin(self._sources, sources) & ~self._arrived)
        return set(zip(self._ids[rows].tolist(), self._digests[rows].tolist(), strict=True))


class Arrived:
    """The sources that came in during a run."""

    def __init__(self) -> None:
        self._whole = Seen()
        self._files = Seen()
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
        if self._now == ("", ""):
            return
        self.note(*self._now, self._ended)
        self._now, self._ended = ("", ""), True

    def note(self, source: str, document: str, ended: bool) -> None:
        """Note a document, and whether it came in to its end."""
        if ended:
            self._whole.add(hash(source))
            self._files.add(hash(source.rpartition("#")[0]))
        else:
            self._cut[hash(source)] = source

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
