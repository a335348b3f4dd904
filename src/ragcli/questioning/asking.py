"""Questions from a language model: it is shown one chunk, as data, and asked for a question with its answer.

The model is not believed. Its answer must stand in the chunk, its question must be one, in the chunk's language, make
sense without the chunk, and not give the answer away. What becomes of each reply is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ragcli.answering.defusing import defuse, name
from ragcli.answering.prompt import contexts, render_blocks
from ragcli.answering.protocols import Asked, OnText, Reply
from ragcli.answering.run import answer as run
from ragcli.answering.terms import Language
from ragcli.errors import ModelError, RagcliError
from ragcli.llms.protocols import LLM, Batching, Message, Sampling
from ragcli.llms.run import complete, concluded
from ragcli.questioning.drafts import MOST_ANSWER, Draft, Made, hit_of, holds_itself, standing, text_language
from ragcli.questioning.replies import read, wrong_question
from ragcli.records import Chunk, Json, Result
from ragcli.report import Report

_KNOWS = "source, language, title, headings, answerable, question"


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a model is asked for a question; the built-in templates by the chunk's language where ``path`` is None.

    Args:
        path: a Jinja file with the blocks ``system`` and ``user``.
        special: control tokens of the model, beyond those that are always broken up.
    """

    path: Path | None = None
    special: tuple[str, ...] = ()

    def messages(self, chunk: Chunk, *, answerable: bool = True, question: str = "") -> list[Message]:
        """Return what the model is told about a chunk.

        Args:
            chunk: what it asks about.
            answerable: whether the chunk is to answer the question.
            question: one that there is already.

        Raises:
            UsageError: the template is missing or broken.
        """
        language = text_language(chunk.text)
        values: Json = {
            "source": contexts([hit_of(chunk)], language, self.special),
            "language": language,
            "title": name(chunk.title or "", self.special),
            "headings": [name(heading, self.special) for heading in chunk.headings],
            "answerable": answerable,
            "question": defuse(question, self.special),
        }
        source = self.path if self.path is not None else files(__package__) / "templates" / f"{language}.jinja"
        blocks = render_blocks(str(source), values, _KNOWS)
        out: list[Message] = []
        if blocks.get("system"):
            out.append({"role": "system", "content": blocks["system"]})
        out.append({"role": "user", "content": blocks["user"]})
        return out


@dataclass(slots=True)
class _Answerer:
    """A model as the `ask` stage runs one: so many at once, in batches, with the same rules for what fails."""

    llm: LLM
    prompts: dict[str, list[Message]]  # by the id of the result
    sampling: Sampling

    @property
    def name(self) -> str:
        return self.llm.name

    @property
    def batches(self) -> bool:
        return isinstance(self.llm, Batching)

    def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
        return Reply(text=complete(self.llm, self.prompts[asked.question], self.sampling).text)

    def replies(self, many: Sequence[Asked]) -> list[Reply | RagcliError]:
        assert isinstance(self.llm, Batching)
        out: list[Reply | RagcliError] = []
        for done in self.llm.complete_batch([self.prompts[one.question] for one in many], self.sampling):
            try:
                out.append(
                    done if isinstance(done, RagcliError) else Reply(text=concluded(self.llm, done, self.sampling).text)
                )
            except ModelError as error:
                out.append(error)
        return out

    def prompt(self, asked: Asked) -> list[Message]:
        return self.prompts[asked.question]


@dataclass(slots=True)
class ModelMaker:
    """Makes questions with a language model.

    Args:
        llm: the model.
        prompt: how it is asked.
        sampling: how it writes.
        concurrency: requests at once; the model's own number by default.
    """

    llm: LLM
    prompt: Prompt = field(default_factory=Prompt)
    sampling: Sampling = field(default_factory=Sampling)
    concurrency: int | None = None
    _answered: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """What ``made_by`` says."""
        return f"model:{self.llm.name}"

    @property
    def is_free(self) -> bool:
        """A model is asked once."""
        return False

    def make(self, chunks: Sequence[Chunk]) -> Iterator[Made]:
        """Yield what the model makes of each chunk, in order."""
        for chunk, said in zip(chunks, self.say((chunk, True, "") for chunk in chunks), strict=True):
            yield Made(chunk=chunk, error=said) if isinstance(said, RagcliError) else self._read(chunk, said)

    def say(self, wanted: Iterable[tuple[Chunk, bool, str]]) -> Iterator[str | RagcliError]:
        """Yield what the model writes for each (chunk, answerable, a question that there is), or what went wrong.

        Raises:
            RagcliError: the endpoint refuses everything, or is gone.
        """
        special = (*self.prompt.special, *self.llm.special)
        prompt = Prompt(path=self.prompt.path, special=special)
        asked: list[Result] = []
        prompts: dict[str, list[Message]] = {}
        for number, (chunk, answerable, question) in enumerate(wanted):
            key = str(number)
            prompts[key] = prompt.messages(chunk, answerable=answerable, question=question)
            asked.append(Result(id=key, query=key))
        failed: list[Json] = []
        report = Report("questions", failed.append, keep=False)
        at_once = self.concurrency or int(getattr(self.llm, "parallel", 1))
        waiting = iter(asked)
        answerer: Any = _Answerer(self.llm, prompts, self.sampling)
        for one in run(asked, answerer, report=report, concurrency=at_once, answered=self._answered):
            self._answered += 1
            for before in waiting:
                if before.id == one.id:
                    break
                yield _failure(failed)
            yield one.answer
        for _ in waiting:
            yield _failure(failed)

    def _read(self, chunk: Chunk, text: str) -> Made:
        said = read(text)
        if said is None:
            return Made(chunk=chunk, reason="unreadable_reply", detail=_short(text))
        if not said.question:
            return Made(chunk=chunk, detail="the model found nothing to ask")
        language: Language = text_language(chunk.text)
        wrong = wrong_question(said.question, language)
        if wrong is not None:
            return Made(chunk=chunk, reason=wrong[0], detail=f"{wrong[1]}: {_short(said.question)}")
        found = standing(said.answer, chunk.text) if len(said.answer) <= MOST_ANSWER else None
        if found is None:
            return Made(chunk=chunk, reason="answer_not_in_text", detail=_short(said.answer))
        if holds_itself(said.question, found):
            return Made(chunk=chunk, reason="gives_answer_away", detail=_short(said.question))
        draft = Draft(
            question=said.question,
            answer=found,
            chunk=chunk,
            made_by=self.name,
            language=language,
            evidence=_sentence(chunk.text, found),
        )
        return Made(chunk=chunk, drafts=[draft])


def _failure(failed: list[Json]) -> RagcliError:
    loss = failed.pop(0)
    return ModelError(loss["reason"], hint=loss.get("hint"))


def _sentence(text: str, answer: str) -> str:
    """Return the sentence of a text in which an answer stands first, or the answer where it goes over several."""
    from ragcli.splitting.sentences import sentence_spans

    at = text.find(answer)
    return next(
        (text[start:end] for start, end in sentence_spans(text) if start <= at and at + len(answer) <= end), answer
    )


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= 80 else joined[:79] + "…"
