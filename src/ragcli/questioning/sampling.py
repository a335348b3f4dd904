"""Which chunks are asked about: drawn evenly from all documents, the same ones for the same seed and content.

Every document gives its first chunk before any gives its second. What "first" means is decided by a hash of seed and
text, so that the order of the rows does not matter, and that more questions begin with those of fewer. A table is read
once, or twice, with only the candidates in memory.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragcli.questioning.worth import unworthy
from ragcli.records import Chunk

if TYPE_CHECKING:
    from ragcli.store import Table

REPEATED = 3  # documents that may hold a text word for word; in more it is boilerplate
_LEAST = 2000  # candidates that are kept at once
_MORE = 4  # times as many where those were not enough
_FETCHED = 64


@dataclass(slots=True)
class Seen:
    """What the chunks of a table are, as far as questions are concerned: the counts add up to ``chunks``."""

    chunks: int = 0
    documents: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def fingerprint(text: str, seed: int = 0) -> int:
    """Return a number of 63 bits that a seed and a text without its white space make."""
    squeezed = f"{seed}\0" + "".join(text.split())
    return int.from_bytes(hashlib.sha256(squeezed.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


class Sampler:
    """Draws chunks from a table, one after another.

    Args:
        table: the table.
        seed: another one draws others.
        where: an SQL condition that Lance understands (`ragcli.store.Table.check_where`).
        size: about how many are wanted; memory grows with it.
    """

    def __init__(self, table: Table, *, seed: int = 0, where: str | None = None, size: int = 100) -> None:
        self._table, self._seed, self._where = table, seed, where
        self._size = max(_LEAST, 8 * size)
        self.seen = Seen()

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk that is worth asking about, in the order in which they are drawn."""
        from ragcli.store import CHUNK_COLUMNS, chunk_of
        from ragcli.where import one_of

        done: set[int] = set()
        size, complete = self._size, False
        while not complete:
            drawn, complete = self._draw(size)
            fresh = {}
            for key, name in drawn:
                if key not in done and key not in fresh:  # a text that stands in several places is asked about once
                    fresh[key] = name
            repeated = self._repeated(set(fresh))
            done |= set(fresh)
            names = [name for key, name in fresh.items() if key not in repeated]
            for at in range(0, len(names), _FETCHED):
                some = names[at : at + _FETCHED]
                rows = {row["id"]: row for row in self._table.scan(CHUNK_COLUMNS, one_of("id", some))}
                yield from (chunk_of(rows[name]) for name in some if name in rows)
            size *= _MORE

    def _draw(self, size: int) -> tuple[list[tuple[int, str]], bool]:
        """Return the first candidates (key, id), and whether they are all there are.

        A candidate's place is (how many of its document come before it, key). Once a place is among the last, no row
        that comes later moves it forward, so that all but ``size`` may be forgotten on the way.
        """
        kept: dict[str, list[tuple[int, str]]] = defaultdict(list)
        held, complete = 0, True
        seen = Seen()
        documents: set[int] = set()
        for row in self._table.scan(["id", "document_id", "text"], self._where):
            seen.chunks += 1
            documents.add(hash(row["document_id"]))
            reason = unworthy(row["text"])
            if reason is not None:
                seen.left_out[reason] += 1
                continue
            insort(kept[row["document_id"]], (fingerprint(row["text"], self._seed), row["id"]))
            held += 1
            if held > 2 * size:
                kept, held, complete = _first(kept, size), size, False
        seen.documents = len(documents)
        self.seen = seen
        places = _places(kept)
        complete = complete and len(places) <= size
        return [(key, name) for _, key, name, _ in places[:size]], complete

    def _repeated(self, keys: set[int]) -> set[int]:
        """Return those keys whose texts stand in too many documents."""
        owners: dict[int, set[str]] = defaultdict(set)
        for row in self._table.scan(["document_id", "text"], self._where):
            key = fingerprint(row["text"], self._seed)
            if key in keys and len(owners[key]) <= REPEATED:
                owners[key].add(row["document_id"])
        found = {key for key, several in owners.items() if len(several) > REPEATED}
        self.seen.left_out["repeated"] += len(found)
        return found


def _places(kept: dict[str, list[tuple[int, str]]]) -> list[tuple[int, int, str, str]]:
    """Return (rank in its document, key, id, document) of every candidate, in order."""
    return sorted(
        (rank, key, name, document) for document, ranked in kept.items() for rank, (key, name) in enumerate(ranked)
    )


def _first(kept: dict[str, list[tuple[int, str]]], size: int) -> dict[str, list[tuple[int, str]]]:
    out: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for _, key, name, document in _places(kept)[:size]:
        out[document].append((key, name))
    return out
