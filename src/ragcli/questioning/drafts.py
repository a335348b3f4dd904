"""A question before it is one: what a maker hands on, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

from ragcli.answering.terms import Language
from ragcli.errors import RagcliError
from ragcli.evaluation.normalising import find, fold, fold_with_places
from ragcli.records import Chunk, Hit

MOST_ANSWER = 300  # characters
MOST_QUESTION = 300
_NAME = 4

NO_QUESTION = "no_question"  # the chunk gave none


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question made from a chunk.

    Args:
        question: its words.
        answer: ``chunk.text[start:end]``; empty where the chunk does not answer.
        chunk: what it was made from.
        made_by: ``model:NAME``, ``heading`` or ``cloze``.
        language: in which it asks.
        evidence: the sentence that answers, as it stands in the chunk.
        frame: what stands before and after the answer there; a sentence with the same frame and another answer
            makes the question ambiguous. Empty where the question has other words than the sentence.
        subject: the title or heading in the question, word for word, where it has one.
        elsewhere: how the same would be asked of another title, which stands for ``{}``; empty where it makes no sense.
    """

    question: str
    answer: str
    chunk: Chunk
    made_by: str
    language: Language
    evidence: str = ""
    frame: tuple[str, str] | None = None
    subject: str = ""
    elsewhere: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A question that was made and is not used, or a chunk that gave none (``draft`` is None), and why.

    ``reason`` is a word that is counted; ``detail`` says more to a person.
    """

    chunk: Chunk
    reason: str
    detail: str = ""
    draft: Draft | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a maker made of one chunk: drafts, best first; without any, why; or the error of a request."""

    chunk: Chunk
    drafts: Sequence[Draft] = ()
    reason: str = NO_QUESTION
    detail: str = ""
    error: RagcliError | None = None
    said: list[str] = field(default_factory=list)


class Maker(Protocol):
    """Makes questions from chunks."""

    @property
    def is_free(self) -> bool:
        """Whether it makes the same again at no cost."""
        ...

    def make(self, chunks: Sequence[Chunk]) -> Iterator[Made]:
        """Yield what each chunk gives, in order.

        Raises:
            RagcliError: nothing can be made of any, as when an endpoint is not there.
        """
        ...


def text_language(text: str) -> Language:
    """Return the language of a text: Chinese where a fifth of its letters are."""
    han = sum("\u3400" <= char <= "\u9fff" for char in text)
    latin = sum(char.isalpha() and char < "\u2e80" for char in text)
    return "zh" if han and han * 4 >= latin else "en"


def hit_of(chunk: Chunk) -> Hit:
    """Return a chunk as if it had been found."""
    return Hit(**{one.name: getattr(chunk, one.name) for one in fields(Chunk)}, rank=1, score=1.0)


def chunk_of(hit: Hit) -> Chunk:
    """Return the chunk that was found."""
    return Chunk(**{one.name: getattr(hit, one.name) for one in fields(Chunk)})


def standing(answer: str, text: str) -> str | None:
    """Return an answer as it stands in a text, word for word, or None where it does not stand there."""
    folded = fold_with_places(text)
    wanted = fold(answer)
    at = find(wanted, folded.text)
    if at < 0:
        return None
    start, end = folded.span(at, at + len(wanted))
    return text[start:end]


def holds_itself(question: str, answer: str) -> bool:
    """Whether a question gives its own answer away."""
    wanted, asked = fold(answer), fold(question)
    if find(wanted, asked) >= 0:
        return True
    # A part of the answer that is as long as a name: 西南政法大学法律系 and 西南政法大学.
    return any(
        wanted[at : at + _NAME] in asked
        for at in range(len(wanted) - _NAME + 1)
        if all("\u3400" <= char <= "\u9fff" for char in wanted[at : at + _NAME])
    )


def first_fitting(drafts: Iterable[Draft]) -> list[Draft]:
    """Return the drafts that are of a fair length and do not answer themselves, no question twice."""
    out: dict[str, Draft] = {}
    for draft in drafts:
        if len(draft.question) > MOST_QUESTION or not 0 < len(draft.answer) <= MOST_ANSWER:
            continue
        if not holds_itself(draft.question, draft.answer):
            out.setdefault(fold(draft.question), draft)
    return list(out.values())
