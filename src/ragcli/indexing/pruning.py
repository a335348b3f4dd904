"""Removing what is gone from the disk, or from object storage."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from ragcli.errors import LoadError, UsageError
from ragcli.indexing.arrivals import Arrived
from ragcli.loading.buckets import entries, is_address
from ragcli.store import Table, lance_errors
from ragcli.store.changing import delete_all
from ragcli.store.remote import clean


def prune(table: Table, roots: Sequence[str], arrived: Arrived | None = None) -> list[str]:
    """Remove the chunks of files under the roots that are no longer there; return their sources.

    Only what `load` read from a file is looked for (`Chunk.format`), never a URL. A source is under a root when its
    path begins with the root's, as both were given. A row of a file (``rows.jsonl#17``) goes when the file does, or
    when the file is there and other rows of it came in. A file of no bytes counts as gone.

    Args:
        table: the table.
        roots: folders or files, on disk or on object storage (``s3://bucket/folder``).
        arrived: what came in during this run; without it rows are only looked for as files.

    Raises:
        UsageError: a root is not there, or nothing that the table has of it is: more likely an unmounted disk or
            the wrong folder than a wish.
    """
    paths = []
    places: list[_Disk | _Bucket] = []
    for root in roots:
        if is_address(root):
            places.append(_Bucket(root))
            continue
        if not root.strip() or not Path(root).exists():
            raise UsageError(
                f"--prune {root!r}: there is no such folder, so nothing was removed.",
                hint="Run it where the paths in the table are relative to, with the disk mounted.",
            )
        paths.append(Path(root).resolve())
    with lance_errors(f"cannot read the table {table.name!r}"):
        found = table.dataset.to_table(columns=["source"], filter="format <> ''")["source"]
    gone: list[str] = []
    held = 0
    places.append(_Disk(paths))
    for source in sorted(set(found.to_pylist())):
        for place in places:
            if place.is_under(source):
                there = _holds(place.content, source, arrived)
                held += there
                if not there:
                    gone.append(source)
                break
    if gone and not held:
        raise UsageError(
            f"--prune {' '.join(roots)}: not one of the {len(gone)} sources that the table has there is there,"
            " so nothing was removed.",
            hint="Run it where the paths in the table are relative to. To begin anew, embed into another table.",
        )
    delete_all(table, "source", gone)
    return gone


def _holds(content: Callable[[str], bool | None], source: str, arrived: Arrived | None) -> bool:
    """Whether the file of a source is there, and the row, where it is one, still in it as far as this run knows."""
    candidate = source
    while (held := content(candidate)) is None:
        if "#" not in candidate:
            return False
        candidate = candidate.rpartition("#")[0]
    if not held or candidate == source or arrived is None or source in arrived:
        return held
    return not arrived.has_rows_of(candidate)


class _Bucket:
    """What lies below an address on object storage now.

    Raises:
        UsageError: there is nothing, or no way to it.
    """

    def __init__(self, root: str) -> None:
        try:
            held, self._itself = entries(root)
        except LoadError as error:
            raise UsageError(
                f"--prune {clean(root)!r}: {error.message.removesuffix('.')}, so nothing was removed.", hint=error.hint
            ) from error
        self._root = root.rstrip("/")
        self._sizes = {one.address: one.size for one in held}

    def is_under(self, source: str) -> bool:
        """Whether a source is the root, a row of it, or below it."""
        if self._itself:
            return source == self._root or source.startswith(f"{self._root}#")
        return source.startswith(f"{self._root}/")

    def content(self, address: str) -> bool | None:
        """Whether an object holds anything; None where there is none."""
        size = self._sizes.get(address)
        return None if size is None else size > 0


class _Disk:
    """Looks at files for `prune`, at each once: many sources are rows of one file."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._folders: dict[Path, Path] = {}
        self._held: dict[str, bool | None] = {}

    def is_under(self, source: str) -> bool:
        """Whether a source is one of the roots, a row of one, or below one."""
        if "://" in source:
            return False
        path = Path(source)
        if path.parent not in self._folders:
            self._folders[path.parent] = (Path.cwd() / path.parent).resolve()
        absolute = self._folders[path.parent] / path.name
        file = Path(str(absolute).rpartition("#")[0] or absolute)
        return any(root in (absolute, file) or root in absolute.parents for root in self._roots)

    def content(self, path: str) -> bool | None:
        """Whether a path holds anything; None where there is none."""
        if path not in self._held:
            try:
                found = Path(path).stat()
            except (OSError, ValueError):
                self._held[path] = None
            else:
                self._held[path] = not stat.S_ISREG(found.st_mode) or found.st_size > 0
        return self._held[path]
