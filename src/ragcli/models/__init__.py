"""Models on disk: a name or a path to a folder, and the built-in embedding model.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.models.folder import ModelFolder, resolve

_HOMES = {"ModelFolder": "ragcli.models.folder", "resolve": "ragcli.models.folder"}

__all__ = ["ModelFolder", "resolve"]


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ragcli.models' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
