"""What a table is: its rows, its bytes, how it was made, and what state its indexes and versions are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ragcli.records import Json
from ragcli.store import vector_indexes
from ragcli.store.places import lance_errors, table_names
from ragcli.store.remote import is_remote
from ragcli.store.table import Table


def tables(db: str) -> list[Json]:
    """Return what a database holds: for each table its name and rows, or what is wrong with it.

    Args:
        db: its folder or address.
    """
    from ragcli.errors import RagcliError

    out: list[Json] = []
    for name in table_names(db):
        record: Json = {"type": "table", "name": name, "db": db}
        try:
            table = Table.open(db, name)
            model = table.contract.get("model") or {}
            record |= {"rows": len(table), "model": model.get("id"), "versions": len(table.dataset.versions())}
            record |= {"bytes": _data_bytes(table), "changed": _time(table.dataset.versions()[-1])}
        except RagcliError as error:
            record["fault"] = error.message
        out.append(record)
    return out


def describe(table: Table) -> Json:
    """Return what a table is.

    ``bytes`` are those of the newest version (rows and indexes), ``bytes_on_disk`` all that lies in its folder, old
    versions included; it is None on object storage. ``unindexed`` rows are found, and cost time.
    """
    with lance_errors(f"cannot read the table {table.name!r} in {table.db}"):
        dataset = table.dataset
        versions = dataset.versions()
        indexes = _indexes(table)
        kinds = {one["name"]: one for one in indexes}
        vector = kinds.get(vector_indexes.VECTOR_INDEX)
        folder = None if is_remote(table.db) else Path(dataset.uri.removeprefix("file://"))
        files = [path for path in folder.rglob("*") if path.is_file()] if folder is not None else None
        tags = {name: int(one["version"]) for name, one in dataset.tags.list().items()}
        return {
            "type": "table",
            "name": table.name,
            "db": table.db,
            "rows": len(table),
            "documents": _different(table, "document_id"),
            "sources": _different(table, "source"),
            "bytes": _data_bytes(table) + sum(one["bytes"] for one in indexes),
            "bytes_on_disk": None if files is None else sum(path.stat().st_size for path in files),
            "files": None if files is None else len(files),
            "fragments": len(dataset.get_fragments()),
            "contract": table.contract,
            "index": {
                "wanted": table.index_wish,
                "kind": None if vector is None else vector["kind"],
                "unindexed": len(table) if vector is None else vector["unindexed"],
            },
            "indexes": indexes,
            "version": dataset.version,
            "versions": len(versions),
            "oldest": _time(versions[0]),
            "changed": _time(versions[-1]),
            "tags": tags,
            "calibrated": bool(table.refusal),
        }


def versions(table: Table) -> list[Json]:
    """Return the versions that are kept, oldest first: number, time, rows and tags."""
    with lance_errors(f"cannot read the table {table.name!r} in {table.db}"):
        names: dict[int, list[str]] = {}
        for name, one in table.dataset.tags.list().items():
            names.setdefault(int(one["version"]), []).append(name)
        out: list[Json] = []
        for one in table.dataset.versions():
            told = one.get("metadata") or {}
            rows = int(told.get("total_rows", 0))
            number = int(one["version"])
            record: Json = {"type": "version", "table": table.name, "version": number, "time": _time(one)}
            out.append(record | {"rows": rows, "tags": sorted(names.get(number, []))})
        return out


def _indexes(table: Table) -> list[Json]:
    parts, total = table.index_parts(), len(table)
    out = []
    for one in table.dataset.describe_indices():
        kind = next((name for name, lance in vector_indexes.KINDS.items() if lance == one.index_type), one.index_type)
        size = sum(part.size_bytes or 0 for part in one.segments)
        out.append(
            {
                "name": one.name,
                "column": one.field_names[0],
                "kind": kind,
                "parts": len(parts[one.name]),
                "unindexed": total - sum(parts[one.name]),
                "bytes": size,
            }
        )
    return out


def _data_bytes(table: Table) -> int:
    fragments = (fragment.metadata for fragment in table.dataset.get_fragments())
    return sum(file.file_size_bytes or 0 for one in fragments for file in one.files)


def _different(table: Table, column: str) -> int:
    """Return how many different values a column has."""
    import pyarrow.compute as pc

    found: set[str] = set()
    for batch in table.dataset.to_batches(columns=[column], batch_size=65_536):
        found.update(pc.unique(batch.column(0)).to_pylist())
    return len(found)


def _time(version: Any) -> str:
    return str(version["timestamp"].astimezone().isoformat(timespec="seconds"))
