"""Vector records and Parquet files into a table, as `ragcli.store.transfer` gave them or another program wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ragcli.contract import check_splitter, model_hash
from ragcli.errors import ContractError, InputError
from ragcli.indexing.writer import Writer
from ragcli.records import Json, Vector
from ragcli.report import Report
from ragcli.store import CHUNK_COLUMNS, CONTRACT_KEY, Table
from ragcli.store.upkeep import DEFAULT_KEEP, Keep

_ROWS = 4096


def from_parquet(path: Path) -> tuple[Json, Iterator[Vector]]:
    """Return the contract that a Parquet file brings (empty if it has none), and its rows as vector records.

    Raises:
        InputError: it is no Parquet file, or lacks columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ragcli.jsonl import loads

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {reason}.") from error
    schema = file.schema_arrow
    lacking = [name for name in ("id", "document_id", "source", "text", "vector") if name not in schema.names]
    if lacking:
        raise InputError(f"{path} has no column {', '.join(lacking)}.", hint="ragcli table export writes what is read.")
    contract = loads((schema.metadata or {}).get(CONTRACT_KEY, b"{}"))
    return contract, _vectors(file, path, contract)


def _vectors(file: Any, path: Path, contract: Json) -> Iterator[Vector]:
    from ragcli.store.schema import plain

    model = contract.get("model") or {}
    made_by = model_hash(model) if model else ""
    names = [name for name in (*CHUNK_COLUMNS, "vector") if name in file.schema_arrow.names]
    number = 0
    for batch in file.iter_batches(batch_size=_ROWS, columns=names):
        for row in plain(batch):
            number += 1
            given = {name: value for name, value in row.items() if value is not None}
            try:
                given = {"start": 0, "end": len(given["text"]), **given}
                yield Vector(
                    **given, model=str(model.get("id", "")), model_hash=made_by,
                    with_headings=bool(contract.get("headings")),
                )  # fmt: skip
            except (KeyError, TypeError) as error:
                raise InputError(f"{path}: row {number} lacks {error}.") from error


def write_vectors(
    vectors: Iterable[Vector],
    db: str,
    name: str,
    report: Report,
    *,
    contract: Json | None = None,
    keep: Keep = DEFAULT_KEEP,
    index: str | None = None,
) -> Table | None:
    """Write vector records to a table, which is made where it is not there; return it, or None where none came in.

    Chunks that the table has already are left alone, and what their sources had before and have no more is removed, as
    ``embed`` does it.

    Args:
        vectors: the records.
        db: the database.
        name: the table.
        report: counts.
        contract: how they were made; without one it is that of the model that the records name, which is opened.
        keep: the old versions that stay.
        index: which vector index is wanted from now on; as before where it is None.

    Raises:
        ContractError: the vectors or chunks were made in another way than the table's.
        InputError: a record names no model, and there is no table that says it.
    """
    stream = iter(vectors)
    first = next(stream, None)
    if first is None:
        return None
    table = Table.open(db, name) if Table.exists(db, name) else None
    if table is None:
        table = Table.create(db, name, _made(contract or _contract_of(first)))
    if index is not None:
        table.keep_index_wish(index)
    writer = Writer(table, report, keep=keep)
    fresh = writer.fresh(check_splitter(table, _checked(table, chain([first], stream))))
    writer.write(chunk for chunk in fresh if isinstance(chunk, Vector))  # all are
    return table


def _checked(table: Table, vectors: Iterable[Vector]) -> Iterator[Vector]:
    """Pass vectors on, as long as they were made as the table's, where they say how."""
    made_by, headings = model_hash(table.contract["model"]), bool(table.contract.get("headings"))
    for vector in vectors:
        if vector.model_hash and vector.model_hash != made_by:
            raise _other_model(table, vector)
        if vector.model_hash and vector.with_headings != headings:
            have, come = ("with", "without") if headings else ("without", "with")
            raise ContractError(
                f"the table {table.name!r} was made {have} title and headings before the text, and the vector of chunk"
                f" {vector.id} {come} them.",
                hint="Import into another table.",
            )
        yield vector


def _made(contract: Json) -> Json:
    """Return a contract without what the table says by itself."""
    return {key: value for key, value in contract.items() if key not in ("format", "ragcli")}


def _contract_of(vector: Vector) -> Json:
    from ragcli.embedding import open_embedder

    if not vector.model:
        raise InputError(
            f"the vector of chunk {vector.id} names no model, and the table is not there yet.",
            hint="Import into a table that is there, or what ragcli table export wrote.",
        )
    model = open_embedder(vector.model).contract
    if vector.model_hash and vector.model_hash != model_hash(model):
        raise ContractError(
            f"the vectors were made by another state of the model {vector.model} than the one that is here.",
            hint="Export as Parquet, which brings its contract with it.",
        )
    return {
        "model": model,
        "metric": "cosine",
        "splitter": vector.splitter or None,
        "headings": vector.with_headings,
    }


def _other_model(table: Table, vector: Vector) -> ContractError:
    model = table.contract["model"].get("id")
    return ContractError(
        f"the table {table.name!r} was made with the embedding model {model}, and the vector of chunk"
        f" {vector.id} is of {vector.model}{'' if vector.model != model else ', used in another way'}.",
        hint="Import into another table.",
    )
