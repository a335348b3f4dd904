"""Files, folders and addresses to Document records; one file for each family of formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.loading.stage import load, paths_from

__all__ = ["load", "paths_from"]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'ragcli.loading' has no attribute {name!r}")
    from ragcli.loading import stage

    return getattr(stage, name)
