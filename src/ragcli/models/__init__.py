"""Models on disk: a name or a path to a folder, and the built-in embedding model.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.models.folder import ModelFolder, resolve

_HOMES = {"ModelFolder": "ragcli.models.folder", "resolve": "ragcli.models.folder"}

__all__ = ["ModelFolder", "resolve"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
