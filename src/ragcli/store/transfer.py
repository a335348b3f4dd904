"""Rows out of a table as vector records or Parquet, and tables to other places, whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from ragcli.errors import RagcliError, TableError
from ragcli.jsonl import dumps
from ragcli.records import Vector
from ragcli.store import remote
from ragcli.store.places import lance_errors, table_uri
from ragcli.store.schema import CHUNK_COLUMNS, plain
from ragcli.store.table import Table

_ROWS = 4096


def vectors(table: Table, where: str | None = None) -> Iterator[Vector]:
    """Yield the rows of a table as vector records, which ``embed`` takes without a model's work.

    Args:
        table: the table.
        where: an SQL condition, from `Table.check_where`.
    """
    from ragcli.contract import model_hash

    model = table.contract["model"]
    made_by, headings = model_hash(model), bool(table.contract.get("headings"))
    with lance_errors(f"cannot read the table {table.name!r} in {table.db}"):
        batches = table.dataset.to_batches(columns=[*CHUNK_COLUMNS, "vector"], filter=where, batch_size=_ROWS)
        for batch in batches:
            for row in plain(batch):
                yield Vector(**row, model=model["id"], model_hash=made_by, with_headings=headings)


def to_jsonl(table: Table, path: Path, where: str | None = None) -> int:
    """Write the rows to a file of vector records; return how many there are.

    Args:
        table: the table.
        path: the file, which is written under another name and renamed.
        where: an SQL condition, from `Table.check_where`.

    Raises:
        RagcliError: the file cannot be written.
    """
    rows = 0
    with _replacing(path) as part, part.open("wb") as out:
        for vector in vectors(table, where):
            out.write(dumps(vector.to_dict()) + b"\n")
            rows += 1
    return rows


def to_parquet(table: Table, path: Path, where: str | None = None) -> int:
    """Write the rows to a Parquet file, with the table's contract in its metadata; return how many there are.

    Args:
        table: the table.
        path: the file, which is written under another name and renamed.
        where: an SQL condition, from `Table.check_where`.

    Raises:
        RagcliError: the file cannot be written.
    """
    import pyarrow.parquet as pq

    columns = [*CHUNK_COLUMNS, "vector"]
    whole = table.dataset.schema
    made = pa.schema([_storable(whole.field(name)) for name in columns], metadata=whole.metadata)
    rows = 0
    with _replacing(path) as part, pq.ParquetWriter(part, made) as out:
        for batch in table.dataset.to_batches(columns=columns, filter=where, batch_size=_ROWS):
            arrays = [_storage(batch.column(name)) for name in columns]
            out.write_batch(pa.record_batch(arrays, schema=made))
            rows += batch.num_rows
    return rows


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give the name under which a file is written, and rename it when it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise RagcliError(f"{path} cannot be written: {reason}.") from error
    finally:
        part.unlink(missing_ok=True)


def copy(table: Table, db: str, name: str) -> Table:
    """Write a table to another place, with all that it remembers, and without its old versions.

    Args:
        table: the table.
        db: the other database's folder or address.
        name: the other table's name.

    Raises:
        TableError: there is one of that name already, or the place cannot be written.
    """
    uri = table_uri(db, name)
    if Table.exists(db, name):
        raise TableError(f"there is a table {name!r} in {db} already.", hint="Copy to another name (--as) or place.")
    with lance_errors(f"cannot write the table {name!r} in {db}"):
        scanner = table.dataset.scanner(batch_size=_ROWS)
        lance.write_dataset(
            scanner.to_reader(), uri, schema=table.dataset.schema, mode="create", storage_options=remote.options(db)
        )
    copied = Table.open(db, name)
    copied.ensure_text_index()
    return copied


def _storable(field: Any) -> Any:
    """Return a field as Parquet keeps it: JSON as text."""
    plain_type = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    return pa.field(field.name, plain_type)


def _storage(column: Any) -> Any:
    return column.storage if isinstance(column, pa.ExtensionArray) else column
