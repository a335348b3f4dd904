"""Which files a table holds as they are now, so that a nightly run reads only what changed (``--new-to``).

With ``--new-to`` the last document of each file that was read without a loss says which state of the file it is; split
hands that on with the last chunk, and it stands in the table's column ``extra``. A file whose last chunk is there came
in whole, so that a run that was killed is made up for by the next.
"""

from __future__ import annotations

import hashlib
import os

import orjson

from ragcli.loading.discovery import Found
from ragcli.loading.reading import how
from ragcli.loading.source import Options
from ragcli.records import FILE_STATE, Json

_BLOCK = 1 << 20


class Known:
    """The states of files that a table holds.

    Args:
        db: the database.
        name: the table; one that is not there yet holds nothing.

    Raises:
        TableError: the table cannot be read.
    """

    def __init__(self, db: str, name: str) -> None:
        self._states: dict[str, Json | None] = {}
        from ragcli.store import Table, lance_errors

        if not Table.exists(db, name):
            return
        table = Table.open(db, name)
        with lance_errors(f"cannot read the table {name!r}"):
            batches = table.dataset.to_batches(columns=["extra"], filter="extra IS NOT NULL", batch_size=65_536)
            for batch in batches:
                for value in batch.column(0).to_pylist():
                    self._add(value)

    def __len__(self) -> int:
        return len(self._states)

    def _add(self, extra: str) -> None:
        if f'"{FILE_STATE}"' not in extra:
            return
        found = orjson.loads(extra).get(FILE_STATE)
        if not isinstance(found, dict) or not isinstance(found.get("path"), str):
            return
        path = found["path"]
        if path in self._states and self._states[path] != found:
            self._states[path] = None  # two states of one file: read it, to be sure
        else:
            self._states[path] = found

    def holds(self, found: Found, options: Options) -> bool:
        """Whether the table holds a file as it is now: by size and time; where only the time differs, by its hash.

        Args:
            found: the file.
            options: how it would be loaded.

        Raises:
            OSError: it cannot be read.
        """
        was = self._states.get(found.name)
        if was is None or was.get("how") != how(options):
            return False
        if found.status is not None:  # an object; to have its hash it would have to be brought here
            return found.status[1] > 0 and (was.get("size"), was.get("mtime")) == found.status
        return same_content(found.path, was)


def same_content(path: str, was: Json) -> bool:
    """Whether a file is as it was: by size and time; where only the time differs, by its hash.

    Args:
        path: where it lies.
        was: its state, as a table keeps it.

    Raises:
        OSError: it cannot be read.
    """
    status = os.stat(path)  # noqa: PTH116
    if was.get("size") != status.st_size:
        return False
    return was.get("mtime") == status.st_mtime_ns or (bool(was.get("sha256")) and was["sha256"] == _sha256(path))


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(os.fspath(path), "rb", buffering=0) as stream:  # noqa: PTH123
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
