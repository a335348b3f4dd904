"""Changes that another writer's commit may come between: tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ragcli.store.places import lance_errors
from ragcli.store.table import Table
from ragcli.where import one_of

T = TypeVar("T")

RETRIES = 30
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


def is_conflict(error: BaseException) -> bool:
    """Whether another writer's commit came first."""
    return "conflict" in str(error).lower()


def retry(table: Table, act: Callable[[], T]) -> T:
    """Do a write again when another writer's commit came first."""
    for attempt in range(RETRIES):
        try:
            table.refresh()
            return act()
        except (OSError, RuntimeError) as error:
            if not is_conflict(error) or attempt == RETRIES - 1:
                raise
            time.sleep(min(0.02 * 2**attempt, 1.0) * (0.5 + random.random()))
    raise AssertionError("unreachable")
