"""The seams of the `ask` stage: what an answerer is handed and hands back, and what a language model is.

An `Answerer` gets a question with its ranked hits and returns a `Reply`; `ragcli.answering.run.answer` turns
that into an `Answer` record with checked citations. A language model is smaller still: messages in, text out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict

from ragcli.records import Hit, Json


class Message(TypedDict):
    """One message of a conversation with a language model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A slice of a hit: ``hits[hit].text[start:end]``, in characters of the hit's text."""

    hit: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answerer says about one question.

    ``quotes[i]`` is what the marker ``[i + 1]`` in ``text`` stands for. ``refused`` means that the documents do not
    answer; ``text`` then says so and there are no quotes. ``extra`` goes into the answer record.
    """

    text: str
    quotes: Sequence[Quote] = ()
    refused: bool = False
    usage: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)


class Answerer(Protocol):
    """Answers a question from its hits."""

    @property
    def name(self) -> str:
        """What the answer record's ``model`` says."""
        ...

    def reply(self, question: str, hits: Sequence[Hit]) -> Reply:
        """Answer one question; hits are in order of rank, best first, and may be none."""
        ...

    def prompt(self, question: str, hits: Sequence[Hit]) -> str:
        """Return what `reply` would work on, as text for a person (``--show-prompt``)."""
        ...


class LLM(Protocol):
    """A language model. One method: everything else (joining, prompts, citations) is written once, above it."""

    @property
    def name(self) -> str:
        """The model's name, as the answer record shows it."""
        ...

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield the model's answer in pieces.

        Raises:
            ModelError: the model cannot be run.
            ServiceError: the endpoint does not answer.
        """
        ...
