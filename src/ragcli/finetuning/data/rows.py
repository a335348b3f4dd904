"""The rows that training knows, whatever form they had in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ragcli.errors import InputError
from ragcli.llms.protocols import Message
from ragcli.records import Json


class RowError(InputError):
    """A row of training data that cannot be used as it is.

    Args:
        message: what is wrong, and where.
        kind: a word that is counted: json, form, task, role, turns, no_assistant, empty, content, tools, score, same.
        hint: what to do about it.
    """

    def __init__(self, message: str, kind: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands.

    Args:
        source: the file; ``-`` is stdin.
        line: from 1.
        part: the row's number among those of one line.
        form: what the row looked like there (`ragcli.finetuning.data.forms`).
        repeat: how often the row came before, because its source has a weight above 1.
    """

    source: str
    line: int
    part: int = 0
    form: str = ""
    repeat: int = 0

    def __str__(self) -> str:
        """As in messages: ``train.jsonl:12``."""
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRow:
    """A conversation; the loss is on what the assistant says in it.

    Args:
        messages: as OpenAI's protocol has them; at least one is of the assistant.
        tools: the functions that the model may call, as OpenAI's protocol has them.
        masked: places, from 0, of messages of the assistant that nothing is to be learned from (``"weight": 0``).
        place: where the row stands.
    """

    messages: tuple[Message, ...]
    tools: tuple[Json, ...] = ()
    masked: tuple[int, ...] = ()
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
        answers: texts of which a passage that answers it holds one, where they are known.
        place: where the row stands.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
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
