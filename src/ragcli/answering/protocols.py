"""The seam of the `ask` stage: what an answerer is handed and hands back.

An `Answerer` gets a question with its ranked hits and returns a `Reply`; `ragcli.answering.run.answer` turns
that into an `Answer` record with checked citations. Language models are behind a seam of their own, `ragcli.llms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ragcli.llms.protocols import Message
from ragcli.records import Hit, Json

OnText = Callable[[str | None], None]  # is given the answer in pieces; None: it begins anew, what came is void


@dataclass(frozen=True, slots=True)
class Quote:
    """A slice of a hit: ``hits[hit].text[start:end]``, in characters of the hit's text.

    ``n`` is the number of the marker that it stands for, where that is not its place among the quotes; ``extra`` goes
    into the citation.
    """

    hit: int
    start: int
    end: int
    n: int | None = None
    extra: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answerer says about one question.

    ``quotes[i]`` is what the marker ``[i + 1]`` in ``text`` stands for, unless it has a number of its own. ``refused``
    means that the documents do not answer; ``text`` then says so and there are no quotes. ``prompt`` is what a
    language model was or would be told, for ``--save-sft``. ``hits`` are what the quotes are of, where more was found
    than was handed over. ``extra`` goes into the answer record.
    """

    text: str
    quotes: Sequence[Quote] = ()
    refused: bool = False
    usage: Json = field(default_factory=dict)
    prompt: Sequence[Message] = ()
    hits: Sequence[Hit] | None = None
    extra: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as an answerer is handed it.

    Args:
        question: its words.
        hits: in order of rank, best first; there may be none.
        threshold: the support below which it is refused, where a table was calibrated.
        history: what was said before it, in a conversation.
    """

    question: str
    hits: Sequence[Hit]
    threshold: float | None = None
    history: Sequence[Message] = ()


class Answerer(Protocol):
    """Answers a question from its hits."""

    @property
    def name(self) -> str:
        """What the answer record's ``model`` says."""
        ...

    def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
        """Answer one question.

        Raises:
            RagcliError: it cannot be answered, as when an endpoint does not answer.
        """
        ...

    def prompt(self, asked: Asked) -> list[Message]:
        """Return what a language model would be told (``--show-prompt``)."""
        ...
