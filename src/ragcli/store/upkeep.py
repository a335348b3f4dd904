"""What keeps a table quick and small: few fragments, indexes that know all rows, old versions that go.

Each step is a commit of its own, and each can come too late where another process does the same; what matters is that
the rows are there, so that a step that loses is left to the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ragcli.errors import UsageError
from ragcli.store import vector_indexes
from ragcli.store.changing import is_conflict, retry
from ragcli.store.places import lance_errors
from ragcli.store.table import Table
from ragcli.store.vector_indexes import VECTOR_INDEX

_KEY_INDEX_ROWS = 20_000  # from here on a BTREE on the keys saves more than it costs
_KEYS = ("id", "document_id", "source")
_MAX_FRAGMENTS = 24  # small ones
_FRAGMENT_ROWS = 131_072  # a fragment of so many rows is not written again because of small ones beside it
_DELETED = 0.1  # part of a fragment's rows that are deleted, from which on it is written again
_RECENT = timedelta(hours=1)
_LONG = timedelta(days=36_500)
_AGE = re.compile(r"(\d+)([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True)
class Keep:
    """Which old versions are kept, beside those with a tag.

    Args:
        last: so many, whatever their age; 0 for by age.
        age: all of the last hour, and of each day before it the last one, up to this age.
    """

    last: int = 0
    age: timedelta = timedelta(days=7)

    @classmethod
    def parse(cls, text: str) -> Keep:
        """Return what ``--keep-versions`` says: ``3``, ``7d``, ``12h`` or ``30m``.

        Raises:
            UsageError: it says something else.
        """
        if text.isascii() and text.isdigit() and int(text):
            return cls(last=int(text))
        match = _AGE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"--keep-versions {text!r} is neither a number from 1 nor an age.",
                hint="As in --keep-versions 3 for the last three, or 7d, 12h, 30m.",
            )
        return cls(age=timedelta(**{_UNITS[match[2]]: int(match[1])}))

    def gone(self, versions: Sequence[tuple[int, datetime]], now: datetime) -> list[int]:
        """Return the versions that are not kept; the newest always is.

        Args:
            versions: number and time of each, oldest first.
            now: the time.
        """
        if self.last:
            return [number for number, _ in versions[: -self.last]]
        days = {time.date(): number for number, time in versions}  # the last of each day
        return [
            number
            for number, time in versions[:-1]
            if now - time > self.age or (now - time > _RECENT and days[time.date()] != number)
        ]


DEFAULT_KEEP = Keep()


def maintain(table: Table, *, keep: Keep = DEFAULT_KEEP, thorough: bool = False) -> None:
    """Merge small fragments, bring the indexes up to date, and drop old versions.

    Args:
        table: the table.
        keep: the versions that stay.
        thorough: merge all fragments and all parts of indexes, however few there are.

    Raises:
        TableError: the table cannot be written.
    """
    with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
        if not thorough:
            _step(table, lambda: _compact(table, thorough))
        _step(table, lambda: _index_keys(table))
        _step(table, lambda: _index_vectors(table))
        table.refresh()
        for name in _names(table):
            _step(table, lambda name=name: _fold(table, name, thorough))
        if thorough:  # last: Lance merges only fragments that stand in the same parts of indexes
            _step(table, lambda: _compact(table, thorough))
        _step(table, lambda: _drop(table, keep))
        if thorough:  # what runs that were killed have left, once no other run can be at it
            table.dataset.cleanup_old_versions(older_than=_LONG, error_if_tagged_old_versions=False)
        table.refresh()


def index_keys(table: Table) -> None:
    """Bring the index of the ids up to date, which a long run looks each batch up in.

    Without, each batch is compared with all rows that have come since the index was made: 2,300 rows a second at a
    million, where 15,000 are written at a hundred thousand.

    Raises:
        TableError: the table cannot be written.
    """
    with lance_errors(f"cannot index the table {table.name!r} in {table.db}"):
        if len(table) >= _KEY_INDEX_ROWS:
            _step(table, lambda: _index_keys(table, _KEYS[:1]))
            _step(table, lambda: _fold(table, f"{_KEYS[0]}_idx", thorough=False))
        table.refresh()


def _step(table: Table, act: Any) -> None:
    try:
        retry(table, act)
    except (OSError, RuntimeError, ValueError) as error:
        if not is_conflict(error):
            raise


def _names(table: Table) -> list[str]:
    return [index.name for index in table.dataset.describe_indices()]


def _compact(table: Table, thorough: bool) -> None:
    fragments = [fragment.metadata for fragment in table.dataset.get_fragments()]
    small = sum(one.num_rows < _FRAGMENT_ROWS for one in fragments)
    holed = sum(one.num_deletions > _DELETED * max(1, one.physical_rows) for one in fragments)
    if small > _MAX_FRAGMENTS or holed > _MAX_FRAGMENTS // 4 or (thorough and (small > 1 or holed)):
        table.dataset.optimize.compact_files(
            target_rows_per_fragment=_FRAGMENT_ROWS, materialize_deletions_threshold=_DELETED
        )


def _index_keys(table: Table, columns: Sequence[str] = _KEYS) -> None:
    if len(table) < _KEY_INDEX_ROWS:
        return
    there = _names(table)
    for column in columns:
        if f"{column}_idx" not in there:
            table.dataset.create_scalar_index(column, "BTREE", name=f"{column}_idx")
            table.refresh()


def _index_vectors(table: Table) -> None:
    rows = len(table)
    asked = table.index_wish
    kind, there = vector_indexes.wanted(asked, rows), vector_indexes.existing(table)
    if kind is None and there is not None and asked == vector_indexes.NONE:
        table.dataset.drop_index(VECTOR_INDEX)
    elif kind is not None and (
        there is None
        or (asked != vector_indexes.AUTO and there != kind)
        or vector_indexes.has_outgrown(table, there, rows)
    ):
        vector_indexes.build(table, kind)


def _fold(table: Table, name: str, thorough: bool) -> None:
    """Put the rows that an index does not know into a new part of it, together with the parts that are no larger.

    A part is written again only when as much has come behind it, so that a row is written log(n) times and there are
    log(n) parts; Lance's own way writes the whole index again for each run (5 s at 100,000 rows, .3 s this way).
    """
    dataset = table.dataset
    parts = table.index_parts()[name]
    fresh = len(table) - sum(parts)
    merged, total = 0, fresh
    while merged < len(parts) and (thorough or parts[-1 - merged] <= total):
        total += parts[-1 - merged]
        merged += 1
    if fresh or (thorough and len(parts) > 1):
        dataset.optimize.optimize_indices(index_names=[name], num_indices_to_merge=merged)


def _drop(table: Table, keep: Keep) -> None:
    versions = [(one["version"], one["timestamp"]) for one in table.dataset.versions()]
    tagged = {one["version"] for one in table.dataset.tags.list().values()}
    now = datetime.now(versions[-1][1].tzinfo)
    gone = [one for one in keep.gone(versions, now) if one not in tagged]
    if gone:
        table.dataset.cleanup_old_versions(versions=gone, error_if_tagged_old_versions=False)
