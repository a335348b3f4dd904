"""Writing a table: what is new, what came again, what is gone.

The public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

if TYPE_CHECKING:
    from ragcli.indexing.arrivals import Arrived
    from ragcli.indexing.content import digest, search_text
    from ragcli.indexing.pruning import prune
    from ragcli.indexing.stage import Embedding, Filled, fill
    from ragcli.indexing.writer import Writer
    from ragcli.store.changing import delete, maintain

_HOMES = {
    "Arrived": "ragcli.indexing.arrivals",
    "Embedding": "ragcli.indexing.stage",
    "Filled": "ragcli.indexing.stage",
    "Writer": "ragcli.indexing.writer",
    "delete": "ragcli.store.changing",
    "digest": "ragcli.indexing.content",
    "fill": "ragcli.indexing.stage",
    "maintain": "ragcli.store.changing",
    "prune": "ragcli.indexing.pruning",
    "search_text": "ragcli.indexing.content",
}

__all__ = [
    "Arrived",
    "Embedding",
    "Filled",
    "Writer",
    "delete",
    "digest",
    "fill",
    "maintain",
    "prune",
    "search_text",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
