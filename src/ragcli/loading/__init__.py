"""Files, folders and addresses to document records.

`load` is the stage. Which loader reads a file is a row in `formats.FORMATS`, chosen by content first and by
suffix second; a loader is one function in a file of its own that gets a `source.Source` and yields documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.loading.discovery import paths_from
    from ragcli.loading.stage import load

_HOMES = {"load": "ragcli.loading.stage", "paths_from": "ragcli.loading.discovery"}

__all__ = ["load", "paths_from"]


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ragcli.loading' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
