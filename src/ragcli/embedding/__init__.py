"""Texts to vectors: one small protocol, one file a backend, and the `embed` stage.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.embedding.opening import open_embedder, prepare, token_counter
    from ragcli.embedding.protocols import Embedder
    from ragcli.embedding.stage import embed, passage_text

_HOMES = {
    "Embedder": "ragcli.embedding.protocols",
    "embed": "ragcli.embedding.stage",
    "open_embedder": "ragcli.embedding.opening",
    "passage_text": "ragcli.embedding.stage",
    "prepare": "ragcli.embedding.opening",
    "token_counter": "ragcli.embedding.opening",
}

__all__ = ["Embedder", "embed", "open_embedder", "passage_text", "prepare", "token_counter"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
