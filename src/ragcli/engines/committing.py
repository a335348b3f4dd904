"""Many fragments, one commit: what workers wrote becomes part of the table at once, and no id is there twice.

A worker writes rows as a fragment that no version of the table knows; the committer makes all fragments of a batch part
of one new version.

Lance appends fragments without looking at keys: beside a ``merge_insert`` of the same ids, ``Append`` doubles rows in
silence, whichever comes first. So new rows are committed as ``Merge``, which names all fragments of the new
version and is refused when any other change of rows came in between; then the ids that came are looked at, what others
have written already is taken out of the fragments, and it is tried again. In the other direction a ``merge_insert`` is
refused by such a commit, and does its own again. Rows that replace others go in as ``Update`` together with the
deletion of those: it is refused when another has changed the same fragments (tests/test_engine_committing.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import lance
import pyarrow as pa

from ragcli.errors import TableError
from ragcli.indexing.arrivals import Seen
from ragcli.store import Table, lance_errors, remote
from ragcli.where import one_of

_TRIES = 60
_IN_LIST = 2000  # ids in one SQL condition
_MAX_FRAGMENT_FIELD = 11  # of Lance's manifest (protos/table.proto)


class Written(NamedTuple):
    """A fragment that a worker wrote, and the ids of its rows in their order; none twice."""

    fragment: Any
    ids: list[str]


class Committer:
    """Makes fragments part of a table.

    Args:
        table: the table.
        seen: the fragments whose ids the run knew when it began; rows of others are looked at.
    """

    def __init__(self, table: Table, seen: Sequence[int]) -> None:
        self._table = table
        self._storage = remote.options(table.db)
        self._seen = set(seen)
        self._others = Seen()  # ids of rows that others wrote during the run
        self.commits = 0

    def add(self, batch: Sequence[Written]) -> int:
        """Add rows whose ids the table did not hold when the run began; return how many others have written meanwhile.

        Those stay as the others wrote them.

        Raises:
            TableError: the table cannot be written, or others change it all the time.
        """
        ours = list(batch)
        count = sum(len(one.ids) for one in ours)

        def attempt() -> bool:
            dataset = self._table.dataset
            there = dataset.get_fragments()
            self._look([fragment for fragment in there if fragment.fragment_id not in self._seen])
            ours[:] = [one for given in ours if (one := self._without_others(given)) is not None]
            if not ours:
                return True
            first = last_fragment(dataset) + 1
            added = [replace(one.fragment, id=number) for number, one in enumerate(ours, first)]
            held = [fragment.metadata for fragment in there]
            # Whatever others changed in between, this is refused.
            made = lance.LanceOperation.Merge(held + added, dataset.lance_schema, preserves_nullability=False)
            if not self._commit(made):
                return False
            self._seen.update(one.id for one in added)
            return True

        if ours:
            self._until(attempt)
        return count - sum(len(one.ids) for one in ours)

    def put(self, batch: Sequence[Written]) -> None:
        """Add rows in place of those that have their ids; what is not there any more is added all the same.

        Raises:
            TableError: the table cannot be written, or others change it all the time.
        """
        ids = [name for one in batch for name in one.ids]
        absent: set[str] = set()

        def attempt() -> bool:
            dataset = self._table.dataset
            places, found = _places(dataset, ids)
            absent.clear()
            absent.update(set(ids) - found)
            removed, updated = [], []
            for number, rows in places.items():
                left = dataset.get_fragment(number).delete_rows(rows)
                if left is None:
                    removed.append(number)
                else:
                    updated.append(left)
            ours = [kept for one in batch if (kept := self._kept(one, found)) is not None]
            if not ours:
                return True
            fields = [field.id() for field in dataset.lance_schema.fields()]
            return self._commit(
                lance.LanceOperation.Update(
                    removed_fragment_ids=removed,
                    updated_fragments=updated,
                    new_fragments=[one.fragment for one in ours],
                    fields_for_preserving_frag_bitmap=fields,
                    update_mode="rewrite_rows",
                )
            )

        if ids:
            self._until(attempt)
        if absent:
            self.add([kept for one in batch if (kept := self._kept(one, absent)) is not None])

    def _until(self, attempt: Callable[[], bool]) -> None:
        what = f"cannot write to the table {self._table.name!r} in {self._table.db}"
        with lance_errors(what):
            for number in range(_TRIES):
                self._table.refresh()
                if attempt():
                    self._table.refresh()
                    return
                time.sleep(min(0.02 * 2**number, 2.0) * random.uniform(0.5, 1.0))
        raise TableError(f"{what}: other writers change it all the time.", hint="Run it again when they are done.")

    def _commit(self, operation: Any) -> bool:
        dataset = self._table.dataset
        try:
            lance.LanceDataset.commit(
                dataset, operation, read_version=dataset.version, storage_options=self._storage, max_retries=0
            )
        except (OSError, RuntimeError, ValueError) as error:
            if "conflict" not in str(error).lower():
                raise
            return False
        self.commits += 1
        return True

    def _look(self, fragments: list[Any]) -> None:
        """Take in the ids of fragments that others wrote."""
        if not fragments:
            return
        for batch in self._table.dataset.scanner(columns=["id"], fragments=fragments).to_batches():
            for name in batch.column("id").to_pylist():
                self._others.add(hash(name))
        self._seen.update(fragment.fragment_id for fragment in fragments)

    def _without_others(self, one: Written) -> Written | None:
        return self._kept(one, {name for name in one.ids if hash(name) not in self._others})

    def _kept(self, one: Written, wanted: set[str]) -> Written | None:
        """Return a fragment with the wanted rows only: itself, another one, or none."""
        kept = [name for name in one.ids if name in wanted]
        if len(kept) == len(one.ids):
            return one
        if not kept:
            return None
        from lance.file import LanceFileReader

        uri = self._table.dataset.uri
        path = f"{uri}/data/{one.fragment.files[0].path}"
        rows = LanceFileReader(path, storage_options=remote.options(uri)).read_all().to_table()
        rows = rows.filter(pa.array([name in wanted for name in one.ids]))
        (fragment,) = write_fragment(rows, uri)
        return Written(fragment, kept)


def _places(dataset: Any, ids: list[str]) -> tuple[dict[int, list[int]], set[str]]:
    """Return where the rows of these ids are, by fragment, and which of the ids there are."""
    places: dict[int, list[int]] = {}
    found: set[str] = set()
    for start in range(0, len(ids), _IN_LIST):
        condition = one_of("id", ids[start : start + _IN_LIST])
        rows = dataset.scanner(columns=["id"], filter=condition, with_row_address=True).to_table()
        found.update(rows["id"].to_pylist())
        for row in rows["_rowaddr"].to_pylist():
            places.setdefault(row >> 32, []).append(row & 0xFFFF_FFFF)
    return places, found


def last_fragment(dataset: Any) -> int:
    """Return the highest number that a fragment of the table ever had; -1 where there was none.

    A number must never be used again: an index that covered the old fragment would seem to cover the new one. Only the
    manifest knows it, as the fragment may be gone; it is one field of a protobuf message, and the rest is skipped.
    """
    data: bytes = dataset._ds.serialized_manifest()
    at = 0
    found: int = -1

    def number() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
            found = value if key >> 3 == _MAX_FRAGMENT_FIELD else found
        elif kind == 2:
            size = number()
            at += size
        else:
            at += {1: 8, 5: 4}[kind]
    highest = max((fragment.fragment_id for fragment in dataset.get_fragments()), default=-1)
    return int(max(found, highest))


def write_fragment(rows: Any, uri: str) -> list[Any]:
    """Write rows as fragments that no version of the table knows yet; return them.

    Raises:
        TableError: they cannot be written.
    """
    from lance.fragment import write_fragments

    with lance_errors(f"cannot write to the table {uri}"):
        return list(write_fragments(rows, uri, mode="append", storage_options=remote.options(uri)))
