"""LanceDB tables: the schema with the contract, opening, searching, changing, and keeping them in order.

The public names below are imported on first use, and Lance with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.store.places import lance_errors, open_dataset, table_names, table_uri
    from ragcli.store.remote import is_remote
    from ragcli.store.schema import CHUNK_COLUMNS, CONTRACT_KEY, FORMAT, chunk_of
    from ragcli.store.table import TEXT_INDEX, Found, Table, of_rows

_HOMES = {
    "CHUNK_COLUMNS": "ragcli.store.schema",
    "CONTRACT_KEY": "ragcli.store.schema",
    "FORMAT": "ragcli.store.schema",
    "Found": "ragcli.store.table",
    "TEXT_INDEX": "ragcli.store.table",
    "Table": "ragcli.store.table",
    "chunk_of": "ragcli.store.schema",
    "is_remote": "ragcli.store.remote",
    "lance_errors": "ragcli.store.places",
    "open_dataset": "ragcli.store.places",
    "of_rows": "ragcli.store.table",
    "table_names": "ragcli.store.places",
    "table_uri": "ragcli.store.places",
}

__all__ = [
    "CHUNK_COLUMNS",
    "CONTRACT_KEY",
    "FORMAT",
    "TEXT_INDEX",
    "Found",
    "Table",
    "chunk_of",
    "is_remote",
    "lance_errors",
    "of_rows",
    "open_dataset",
    "table_names",
    "table_uri",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
