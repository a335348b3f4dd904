"""The state of a file (`ragcli.loading.known`) stands with its last chunk; here it is put right where chunks stayed.

A file that changed before its last chunk, or that is read in another way than before (another version of ragcli, other
options), gives a last chunk that the table has already; one that grew has another last chunk than before. Its state
must be renewed, and the old one go, or each run would read the file again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import orjson
import pyarrow as pa

from ragcli.records import FILE_STATE, Chunk
from ragcli.store import Table, lance_errors
from ragcli.store.changing import retry
from ragcli.where import one_of

_IN_LIST = 2000  # ids in one SQL condition, and rows in memory


@dataclass(slots=True)
class States:
    """What came in at the ends of files, some 400 bytes each.

    Args:
        ends: of each file, by path, the id of its last chunk and the chunk's ``extra`` as JSON.
    """

    ends: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, chunk: Chunk) -> None:
        """Note a chunk, where it ends a file."""
        path = _path(chunk.extra.get(FILE_STATE))
        if path is not None:
            self.ends[path] = (chunk.id, orjson.dumps(chunk.extra).decode())

    def forget(self, path: str) -> None:
        """Note that a file did not come in whole: the table is to have no state of it."""
        self.ends[path] = ("", "")

    def renew(self, table: Table) -> int:
        """Make the table say of the files what was noted; vectors stay. Return how many rows said something else.

        Call it when all chunks of the files are in the table: a state says that its file is there, whole.

        Raises:
            TableError: the table cannot be read or written.
        """
        if not self.ends:
            return 0
        renewed = 0
        with lance_errors(f"cannot write to the table {table.name!r} in {table.db}"):
            table.refresh()
            wanted = self._wanted(table)
            ids = list(wanted)
            for start in range(0, len(ids), _IN_LIST):
                condition = one_of("id", ids[start : start + _IN_LIST])
                renewed += retry(table, partial(_renew, table, condition, wanted))
            table.refresh()
        return renewed

    def _wanted(self, table: Table) -> dict[str, str | None]:
        """Return by id what rows should have as ``extra`` and do not."""
        wanted: dict[str, str | None] = dict(self.ends.values())
        wanted.pop("", None)
        mark = f'"{FILE_STATE}":'
        found = table.dataset.to_batches(columns=["id", "extra"], filter="extra IS NOT NULL", batch_size=65_536)
        for batch in found:
            for name, extra in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if mark not in extra:
                    continue
                values = orjson.loads(extra)
                end = self.ends.get(_path(values.pop(FILE_STATE, None)) or "")
                if end is None:
                    continue
                if name != end[0]:
                    wanted[name] = orjson.dumps(values).decode() if values else None
                elif extra == end[1]:
                    wanted.pop(name, None)
        return wanted


def _path(state: object) -> str | None:
    """Return the path in a file's state; None where it is none, as a field of the user's may have this name."""
    if not isinstance(state, dict) or not {"path", "size", "mtime", "how"} <= state.keys():
        return None
    return state["path"] if isinstance(state["path"], str) else None


def _renew(table: Table, condition: str, wanted: dict[str, str | None]) -> int:
    rows = table.dataset.to_table(filter=condition)
    if len(rows):
        place = rows.schema.get_field_index("extra")
        column = rows.schema.field(place)
        made = pa.array([wanted[name] for name in rows["id"].to_pylist()], column.type)
        # Not a row that another writer has put in its place since.
        builder = table.dataset.merge_insert("id").when_matched_update_all("target.digest = source.digest")
        builder.conflict_retries(0).execute(rows.set_column(place, column, made))
    return len(rows)
