"""Changes that other writers may come between: tried again, and the upkeep behind them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from ragcli.store.places import lance_errors
from ragcli.store.table import Table
from ragcli.where import one_of

T = TypeVar("T")

RETRIES = 30
_KEY_INDEX_ROWS = 20_000  # from here on a BTREE on the keys saves more than it costs
_MAX_FRAGMENTS = 24
_KEEP_VERSIONS = timedelta(days=7)
_IN_LIST = 200  # values in one SQL condition


def delete(table: Table, condition: str) -> int:
    """Remove the rows that meet an SQL condition; return how many there were."""
    with lance_errors(f"cannot write to the table {table.name!r} in {table.db}"):
        table.refresh()
        count = int(table.dataset.count_rows(filter=condition))
        if count:
            retry(table, lambda: table.dataset.delete(condition))
        table.refresh()
    return count


def delete_all(table: Table, column: str, values: Sequence[str]) -> int:
    """Remove the rows whose column has one of these values; return how many there were."""
    removed = 0
    for start in range(0, len(values), _IN_LIST):
        removed += delete(table, one_of(column, list(values[start : start + _IN_LIST])))
    return removed


def retry(table: Table, act: Callable[[], T]) -> T:
    """Do a write again when another writer's commit came first."""
    for attempt in range(RETRIES):
        try:
            table.refresh()
            return act()
        except (OSError, RuntimeError) as error:
            if "conflict" not in str(error).lower() or attempt == RETRIES - 1:
                raise
            time.sleep(min(0.02 * 2**attempt, 1.0))
    raise AssertionError("unreachable")


def maintain(table: Table) -> None:
    """Bring the full-text index up to date, merge small fragments, drop versions older than a week."""
    with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
        retry(table, lambda: _maintain(table))
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
