"""Names for versions of a table, and going back to one."""

from __future__ import annotations

from ragcli.errors import UsageError
from ragcli.store.changing import retry
from ragcli.store.places import lance_errors
from ragcli.store.table import Table


def tag(table: Table, name: str, version: int | None = None) -> int:
    """Give a version a name, under which it stays until the name is taken away; return the version.

    Args:
        table: the table.
        name: letters, digits, ``-``, ``_`` and ``.``; one that is there moves.
        version: the newest where it is None.

    Raises:
        UsageError: the name cannot be one, or there is no such version.
    """
    if name.isdigit():
        raise UsageError(f"{name!r} cannot be a tag: it is a number, and versions have those.")
    table.refresh()
    number = table.dataset.version if version is None else find(table, str(version))
    try:
        tags = table.dataset.tags
        if name in tags.list():
            tags.update(name, number)
        else:
            tags.create(name, number)
    except (ValueError, OSError) as error:
        raise UsageError(
            f"{name!r} cannot be a tag of the table {table.name!r}: {str(error).split(', ')[0]}.",
            hint="Use letters, digits, '-', '_' and '.'.",
        ) from error
    return int(number)


def untag(table: Table, name: str) -> None:
    """Take a name away; its version goes when its time has come.

    Raises:
        UsageError: there is no such tag.
    """
    _check_tag(table, name)
    with lance_errors(f"cannot write to the table {table.name!r} in {table.db}"):
        table.dataset.tags.delete(name)


def find(table: Table, which: str) -> int:
    """Return the number of a version, which is named by its number or a tag.

    Raises:
        UsageError: there is none; the message names those there are.
    """
    if not which.isdigit():
        _check_tag(table, which)
        return int(table.dataset.tags.list()[which]["version"])
    numbers = [int(one["version"]) for one in table.dataset.versions()]
    if int(which) not in numbers:
        shown = ", ".join(map(str, numbers[-10:]))
        raise UsageError(
            f"the table {table.name!r} has no version {which}; the last ones are {shown}.",
            hint=f"ragcli table versions {table.name} lists them.",
        )
    return int(which)


def restore(table: Table, version: int) -> int:
    """Make an old version the newest one; what came since stays as old versions. Return the new version's number."""
    with lance_errors(f"cannot restore the table {table.name!r} in {table.db}"):
        old = table.dataset.checkout_version(version)
        retry(table, old.restore)
        table.refresh()
    return int(table.dataset.version)


def _check_tag(table: Table, name: str) -> None:
    names = sorted(table.dataset.tags.list())
    if name not in names:
        there = f"it has {', '.join(names)}" if names else "it has none"
        raise UsageError(f"the table {table.name!r} has no tag {name!r} ({there}).")
