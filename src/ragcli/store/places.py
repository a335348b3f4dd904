"""Where tables lie, which there are, and Lance's errors as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ragcli.errors import TableError, UsageError
from ragcli.store import remote
from ragcli.store.remote import is_remote

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@contextmanager
def lance_errors(what: str) -> Iterator[None]:
    """Turn what Lance raises into a `TableError` of one sentence that starts with ``what``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        text = str(error)
        if "No space left" in text or "os error 28" in text:
            raise TableError(f"{what}: the disk is full.", hint="Free some space and run it again.") from error
        if "Permission denied" in text or "os error 13" in text or "os error 30" in text:
            raise TableError(
                f"{what}: no permission to write there.", hint="Check who owns the folder, or choose another with -d."
            ) from error
        if "os error 20" in text:
            raise TableError(
                f"{what}: a file stands where a folder should be.", hint="Choose another with -d."
            ) from error
        said = remote.explain(text, what)
        if said is not None:
            raise TableError(f"{remote.clean(what)}: {said.sentence}.", hint=said.hint) from error
        raise TableError(f"{remote.clean(what)}: {remote.short(text)}.") from error


def table_uri(db: str, name: str) -> str:
    """Return where the table lies.

    Raises:
        UsageError: the name cannot be a LanceDB table's, or the database is an address of no store that Lance knows.
    """
    if not _NAME.fullmatch(name) or name.strip(".") == "":
        raise UsageError(
            f"{name!r} cannot be a table's name.", hint="Use letters, digits, '_', '-' and '.', as in -t handbook."
        )
    folder, mark, more = remote.place(db).partition("?")  # s3+ddb://bucket/path?ddbTableName=…
    return f"{folder.rstrip('/')}/{name}.lance{mark}{more}"


def open_dataset(db: str, name: str) -> Any:
    """Open a table's Lance dataset, wherever it lies; Lance's own exceptions come through.

    Raises:
        UsageError: the name cannot be a table's, or the address is of no store.
        TableError: the store is silent.
    """
    import lance

    uri = table_uri(db, name)
    return remote.answered(db, lambda: lance.dataset(uri, storage_options=remote.options(db)))


def table_names(db: str) -> list[str]:
    """Return the names of the tables in a database, in order.

    Raises:
        TableError: the store cannot be asked.
    """
    if is_remote(db):
        return remote.names(db)
    folder = Path(remote.place(db))
    if not folder.is_dir():
        return []
    return sorted(path.name[: -len(".lance")] for path in folder.iterdir() if path.name.endswith(".lance"))


def missing(db: str, name: str) -> TableError:
    """Return the error that there is no such table; it names those there are."""
    folder = None if is_remote(db) else Path(remote.place(db))
    if folder is not None and folder.exists() and not folder.is_dir():
        return TableError(f"{db} is a file, and a database is a folder of tables.", hint="Name the folder with -d.")
    names = table_names(db)
    there = f"there are: {', '.join(names)}" if names else "it holds no tables"
    where = f" -d {remote.clean(db)}" if is_remote(db) else ""
    return TableError(
        f"there is no table {name!r} in {remote.clean(db)} ({there}).",
        hint=f"Make it with: ragcli load docs/ | ragcli split | ragcli embed{where} -t {name}",
    )
