"""Texts to vectors: one small protocol, one file a backend, and the `embed` stage.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragcli.embedding.opening import open_embedder, token_counter
    from ragcli.embedding.protocols import Embedder
    from ragcli.embedding.stage import embed, passage_text

_HOMES = {
    "Embedder": "ragcli.embedding.protocols",
    "embed": "ragcli.embedding.stage",
    "open_embedder": "ragcli.embedding.opening",
    "passage_text": "ragcli.embedding.stage",
    "token_counter": "ragcli.embedding.opening",
}

__all__ = ["Embedder", "embed", "open_embedder", "passage_text", "token_counter"]


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ragcli.embedding' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
