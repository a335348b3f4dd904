"""Where tables lie, which there are, and Lance's errors as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ragcli.errors import TableError, UsageError

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
        # Lance appends the place in its own source to every message.
        short = re.split(r", /\S+\.rs:\d+", text, maxsplit=1)[0].strip().splitlines()[0]
        raise TableError(f"{what}: {short}.") from error


def table_uri(db: str, name: str) -> str:
    """Return where the table lies.

    Raises:
        UsageError: the name cannot be a LanceDB table's.
    """
    if not _NAME.fullmatch(name) or name.strip(".") == "":
        raise UsageError(
            f"{name!r} cannot be a table's name.", hint="Use letters, digits, '_', '-' and '.', as in -t handbook."
        )
    return f"{db.rstrip('/')}/{name}.lance"


def is_remote(db: str) -> bool:
    """Whether the database is on object storage rather than on disk."""
    return "://" in db


def table_names(db: str) -> list[str]:
    """Return the names of the tables in a database on disk, in order."""
    folder = Path(db)
    if is_remote(db) or not folder.is_dir():
        return []
    return sorted(path.name[: -len(".lance")] for path in folder.iterdir() if path.name.endswith(".lance"))


def missing(db: str, name: str) -> TableError:
    """Return the error that there is no such table; it names those there are."""
    if not is_remote(db) and Path(db).exists() and not Path(db).is_dir():
        return TableError(f"{db} is a file, and a database is a folder of tables.", hint="Name the folder with -d.")
    names = table_names(db)
    there = f"there are: {', '.join(names)}" if names else "it holds no tables"
    return TableError(
        f"there is no table {name!r} in {db} ({there}).",
        hint=f"Make it with: ragcli load docs/ | ragcli split | ragcli embed -t {name}",
    )
