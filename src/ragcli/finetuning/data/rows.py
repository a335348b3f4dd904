"""The rows that training knows, whatever form they had in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ragcli.llms.protocols import Message
from ragcli.records import Json


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the file (``-`` is stdin), the line from 1, and a row's number among those of one line."""

    source: str
    line: int
    part: int = 0

    def __str__(self) -> str:
        """As in messages: ``train.jsonl:12``."""
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRow:
    """A conversation; the loss is on what the assistant says in it.

    Args:
        messages: as OpenAI's protocol has them; at least one is of the assistant.
        tools: the functions that the model may call, as OpenAI's protocol has them.
        place: where the row stands.
    """

    messages: tuple[Message, ...]
    tools: tuple[Json, ...] = ()
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A text to go on with: continued pretraining."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceRow:
    """A conversation that ends before the assistant speaks, and two answers to it."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    tools: tuple[Json, ...] = ()
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A query, a passage that answers it, and passages that do not.

    Args:
        query: without any prefix of a model.
        positive: the passage that it should find.
        negatives: passages that it should not find.
        known: further passages that answer it, which must not be taken as negatives.
        place: where the row stands.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """A query, a passage and how well it answers, from 0 to 1: what a reranker learns from."""

    query: str
    passage: str
    score: float
    place: Place


Row: TypeAlias = ChatRow | TextRow | PreferenceRow | PairRow | ScoredRow
TASKS = ("chat", "text", "preference", "embedding", "reranker")
