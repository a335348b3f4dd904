"""The index of the vectors: which kind for how many rows, building it, and how to search with it.

Without an index a search reads every vector: 13 ms at 10,000 rows, 180 ms at 100,000 (384 dimensions, 2 cores). Of the
kinds that Lance has, IVF_RQ (partitions, one bit a component) is the default: at a million rows it is built in 57 s,
takes 250 to 500 MB, and with the best rows measured again on their vectors finds .998 of the ten nearest in 8 ms, where
IVF_PQ takes ten times as long to build for the same (benchmarks/scale.py).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ragcli.errors import UsageError
from ragcli.records import Json

if TYPE_CHECKING:
    from ragcli.store.table import Table

VECTOR_INDEX = "vector_idx"
AUTO, NONE = "auto", "none"
KINDS = {
    "ivf-rq": "IVF_RQ",
    "ivf-flat": "IVF_FLAT",
    "ivf-sq": "IVF_SQ",
    "ivf-pq": "IVF_PQ",
    "ivf-hnsw-flat": "IVF_HNSW_FLAT",
    "ivf-hnsw-sq": "IVF_HNSW_SQ",
    "ivf-hnsw-pq": "IVF_HNSW_PQ",
}
CHOICES = (AUTO, NONE, *KINDS)
AUTO_ROWS = 50_000  # from here on the search of every vector takes longer than people call quick
LEAST_ROWS = 256  # that an index can be trained on
_DEFAULT = "ivf-rq"
_PARTITION = 4096  # rows of a partition, as Lance makes them
_PROBES = 32  # partitions that are searched at least; all of them up to 131,072 rows
_PROBED = 16  # one of so many partitions is searched, where that is more
_REFINED = 400  # rows whose vectors are read again
_GROWN = 10  # times as many rows as the index was trained on: it is trained again


def check(kind: str) -> str:
    """Return a kind that can be asked for.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in CHOICES:
        raise UsageError(f"--index {kind!r}: there is no such kind of index.", hint=f"Choose: {', '.join(CHOICES)}.")
    return kind


def wanted(kind: str, rows: int) -> str | None:
    """Return the kind of index that so many rows should have, as Lance calls it; None for none.

    Args:
        kind: one of `CHOICES`.
        rows: of the table.
    """
    if kind == NONE or rows < LEAST_ROWS or (kind == AUTO and rows < AUTO_ROWS):
        return None
    return KINDS[_DEFAULT if kind == AUTO else kind]


def existing(table: Table) -> str | None:
    """Return the kind of index that the vectors have, as Lance calls it; None for none."""
    kinds = [one.index_type for one in table.dataset.describe_indices() if "vector" in one.field_names]
    return str(kinds[0]) if kinds else None


def build(table: Table, kind: str) -> None:
    """Train an index on the vectors that are there, in place of the one that was.

    Args:
        table: the table.
        kind: as Lance calls it.
    """
    table.dataset.create_index("vector", kind, name=VECTOR_INDEX, metric="cosine", replace=True)


def retrain(table: Table) -> None:
    """Train the index that the vectors have again, on all rows; nothing where they have none.

    Raises:
        TableError: the table cannot be written.
    """
    from ragcli.store.places import lance_errors

    kind = existing(table)
    if kind is not None:
        with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
            build(table, kind)
        table.refresh()


def has_outgrown(table: Table, kind: str, rows: int) -> bool:
    """Whether the table has grown so far beyond what its index was trained on that it should be trained again."""
    if kind == "IVF_HNSW_FLAT" or rows < _GROWN * AUTO_ROWS:
        return False
    os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")  # they are large, and nobody looks at them
    told = table.dataset.stats.index_stats(VECTOR_INDEX).get("indices") or [{}]
    partitions = max(int(one.get("num_partitions") or 1) for one in told)
    return rows > _GROWN * partitions * _PARTITION


def nearest(kind: str, rows: int, limit: int) -> Json:
    """Return how Lance is to search with an index.

    Where a condition leaves few rows in the partitions that are searched, Lance goes on to further ones.

    Args:
        kind: as Lance calls it.
        rows: of the table.
        limit: rows that are wanted.
    """
    out: Json = {"minimum_nprobes": max(_PROBES, rows // _PARTITION // _PROBED)}
    if kind != "IVF_FLAT":
        out["refine_factor"] = min(10, max(2, -(-_REFINED // limit)))
    if "HNSW" in kind:
        out["ef"] = max(4 * limit, 200)
    return out
