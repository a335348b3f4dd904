"""Importing packages without others that they do not need here, and that take long to import where they are installed.

Only the command line does this: a program that uses ragcli as a library may want pyarrow with pandas.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragcli.cli.leaving import leaving_at_once


class _Without:
    """A finder that says that a package is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse the package, and leave all else to the other finders."""
        if name == self._name:
            raise ModuleNotFoundError(name=name)


@contextmanager
def _without(name: str) -> Iterator[None]:
    finder: Any = _Without(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def import_lance() -> None:
    """Import Lance and pyarrow without pandas (.2 s)."""
    if "pandas" in sys.modules or "pyarrow" in sys.modules:
        return
    with leaving_at_once(), _without("pandas"):
        import lance  # noqa: F401


def import_lance_and_model(db: str, table: str, model: str | None, device: str) -> None:
    """Import Lance while the embedding model is opened, where a run is sure to need it.

    Args:
        db: the database.
        table: the table; the model of one that is there is known only when it is read.
        model: see `ragcli.embedding.open_embedder`.
        device: likewise.
    """
    is_new = "://" not in db and not Path(db, f"{table}.lance").exists()
    if "lance" not in sys.modules and (model is not None or is_new):
        from ragcli.embedding import prepare

        prepare(model, device=device)
    import_lance()


def import_openai() -> None:
    """Import the official client without aiohttp (.1 s), which is for programs that wait for many answers at once."""
    if "aiohttp" in sys.modules or "openai" in sys.modules:
        return
    with leaving_at_once(), _without("aiohttp"):
        import openai  # noqa: F401
