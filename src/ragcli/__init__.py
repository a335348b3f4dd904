"""Retrieval-augmented generation and fine-tuning as Unix tools.

The public names below are imported on first use, so that ``import ragcli`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.lazy import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ragcli.answering import answer
    from ragcli.embedding import embed, open_embedder
    from ragcli.errors import RagcliError
    from ragcli.loading import load
    from ragcli.models import download
    from ragcli.records import Answer, Chunk, Document, Hit, Model, Result, Vector
    from ragcli.report import Report
    from ragcli.retrieval import search
    from ragcli.splitting import split
    from ragcli.store import Table

_HOMES = {
    "Answer": "ragcli.records",
    "Chunk": "ragcli.records",
    "Document": "ragcli.records",
    "Hit": "ragcli.records",
    "Model": "ragcli.records",
    "RagcliError": "ragcli.errors",
    "Report": "ragcli.report",
    "Result": "ragcli.records",
    "Table": "ragcli.store",
    "Vector": "ragcli.records",
    "answer": "ragcli.answering",
    "download": "ragcli.models",
    "embed": "ragcli.embedding",
    "load": "ragcli.loading",
    "open_embedder": "ragcli.embedding",
    "search": "ragcli.retrieval",
    "split": "ragcli.splitting",
}

__all__ = [
    "Answer",
    "Chunk",
    "Document",
    "Hit",
    "Model",
    "RagcliError",
    "Report",
    "Result",
    "Table",
    "Vector",
    "__version__",
    "answer",
    "download",
    "embed",
    "load",
    "open_embedder",
    "search",
    "split",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
