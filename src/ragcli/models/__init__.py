"""Models on disk: a name or a path to a folder, downloads from the hubs, and the built-in embedding model.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.models.downloading import Wish, download
    from ragcli.models.folder import ModelFolder, resolve
    from ragcli.models.installed import find, installed, remove, verify

_HOMES = {
    "ModelFolder": "ragcli.models.folder",
    "Wish": "ragcli.models.downloading",
    "download": "ragcli.models.downloading",
    "find": "ragcli.models.installed",
    "installed": "ragcli.models.installed",
    "remove": "ragcli.models.installed",
    "resolve": "ragcli.models.folder",
    "verify": "ragcli.models.installed",
}

__all__ = ["ModelFolder", "Wish", "download", "find", "installed", "remove", "resolve", "verify"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
