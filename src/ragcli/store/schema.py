"""What stands in a table: the columns, their metadata, and rows as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ragcli.jsonl import dumps, loads
from ragcli.records import FILE_STATE, Chunk, Json

FORMAT = 2  # of what stands in the columns; a table of another one is made anew
CONTRACT_KEY = b"ragcli"
REFUSAL_KEY = b"ragcli.refusal"  # what `ask --calibrate` found; no part of the contract
INDEX_KEY = b"ragcli.index"  # which vector index is wanted
PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
CHUNK_COLUMNS = [
    "id",
    "document_id",
    "source",
    "title",
    "text",
    "start",
    "end",
    "pages",
    "headings",
    "header",
    "splitter",
    "format",
    "after",
    "metadata",
    "extra",
]


def schema(dimension: int, contract: Mapping[str, Any]) -> pa.Schema:
    """Return the table's schema: the chunk, ``search_text`` (indexed), ``digest`` and ``vector`` (dimension)."""
    fields = [
        pa.field("id", pa.string(), nullable=False, metadata=PRIMARY_KEY),
        pa.field("document_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("pages", pa.list_(pa.int32())),
        pa.field("headings", pa.list_(pa.string())),
        pa.field("header", pa.string()),
        pa.field("splitter", pa.string()),
        pa.field("format", pa.string()),
        pa.field("after", pa.string()),
        pa.field("metadata", pa.json_()),
        pa.field("extra", pa.string()),
        pa.field("search_text", pa.string()),
        pa.field("digest", pa.string()),
        pa.field("vector", pa.list_(pa.float32(), dimension)),
    ]
    return pa.schema(fields, metadata={CONTRACT_KEY: dumps(dict(contract))})


def plain(found: Any) -> list[Json]:
    """Return Arrow rows as objects, with their JSON columns read."""
    rows: list[Json] = found.to_pylist()
    for row in rows:
        for name in {"metadata", "extra"} & row.keys():
            row[name] = loads(row[name].encode()) if row[name] else {}
        if "extra" in row:
            row["extra"].pop(FILE_STATE, None)
    return rows


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    """Make the chunk record of a row."""
    return Chunk(**{name: row[name] for name in CHUNK_COLUMNS})
