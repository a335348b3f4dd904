"""TREC's run form, and what a document is called in it and in judgements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def document_name(source: str, metadata: Mapping[str, Any]) -> str:
    """Return what judgements call a document: its given id (``metadata.id``) where there is one, else its source."""
    given = metadata.get("id")
    return source if given in (None, "") else str(given)


def run_line(query: str, name: str, rank: int, score: float) -> str:
    """Return a line of a run: query, Q0, name, rank, score, tag."""
    return f"{word(query)} Q0 {word(name)} {rank} {score:.6f} ragcli"


def word(text: str) -> str:
    """Return a name without white space, which ends a column."""
    return "%20".join(text.split()) or "%20"
