"""Files, folders and addresses to document records.

`load` is the stage. Which loader reads a file is a row in `formats.FORMATS`, chosen by content first and by
suffix second; a loader is one function in a file of its own that gets a `source.Source` and yields documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.loading.discovery import paths_from
    from ragcli.loading.stage import Limits, load

_HOMES = {"Limits": "ragcli.loading.stage", "load": "ragcli.loading.stage", "paths_from": "ragcli.loading.discovery"}

__all__ = ["Limits", "load", "paths_from"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
