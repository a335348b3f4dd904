"""A conversation about documents: each question is made to stand alone, searched for, answered, and kept.

It is kept as JSON Lines, an answer record a line, with the question as it was asked and as it was searched for; a
line is written as soon as an answer is whole, so that a killed chat loses nothing that was said.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragcli.answering.protocols import Answerer, Asked, OnText, Reply
from ragcli.answering.run import Made, asked_of, record
from ragcli.answering.terms import language
from ragcli.chatting.followup import Before, Standalone, is_about, standalone
from ragcli.chatting.persona import Personas
from ragcli.chatting.small_talk import answer_to
from ragcli.chatting.turn import Turn, kept_hit, turn_of
from ragcli.errors import InputError, RagcliError, UsageError
from ragcli.jsonl import dumps, records, whole
from ragcli.llms.protocols import Message
from ragcli.records import Answer, Json, Result, content_id

_TURNS = 4  # that the model is told of
_TOLD = 1000  # characters of an answer that it is told
_NO: Mapping[str, Any] = {}

Find = Callable[[str], Result]


class Conversation:
    """Questions and answers, in order.

    Args:
        answerer: who answers.
        find: searches a question that stands alone.
        personas: who the assistant is, in both languages.
    """

    def __init__(self, answerer: Answerer, find: Find, personas: Personas) -> None:
        self.answerer = answerer
        self.find = find
        self.personas = personas
        self.turns: list[Turn] = []
        self.new_file: Callable[[], Path] | None = None  # where what begins anew is kept
        self.on_unkept: Callable[[str], None] = lambda reason: None  # is told why an answer could not be kept
        self._file: Path | None = None
        self._held: list[Turn] = []  # what the file holds
        self._asked = 0

    def ask(
        self, question: str, on_text: OnText | None = None, *, id_: str | None = None, extra: Mapping[str, Any] = _NO
    ) -> Made:
        """Answer a question as the next of the conversation, and keep both.

        Args:
            question: as a person asks it.
            on_text: is given the answer in pieces.
            id_: of the answer; by default made of the question and its place.
            extra: goes into the record, beside what is there.

        Raises:
            RagcliError: it cannot be answered; the conversation is as it was before.
        """
        question = question.strip()
        if not question:
            raise UsageError("the question is empty.")
        began = time.perf_counter()
        persona = self.personas[language(question)]
        said = answer_to(question, persona.greeting)
        key = id_ or content_id("turn", str(self._asked), question)
        if said is not None:
            if on_text is not None:
                on_text(said)
            answer = Answer(id=key, question=question, answer=said, model="ragcli", extra={**extra, "small_talk": True})
            turn = Turn(question=question, standalone=question, how="alone", answer=answer)
            made = Made(asked_of(Result(id=key, query=question)), Reply(text=said), answer)
        else:
            alone, asked, reply = self._replied(question, on_text)
            result = Result(id=key, query=alone.text, hits=list(asked.hits))
            answer = record(result, reply, self.answerer.name, time.perf_counter() - began)
            own: Json = {"caution": persona.caution} if persona.caution else {}
            answer = replace(answer, extra={**extra, **answer.extra, **own})
            hits = [kept_hit(hit) for hit in (asked.hits if reply.hits is None else reply.hits)]
            turn = Turn(question=question, standalone=alone.text, how=alone.how, answer=answer, hits=hits)
            made = Made(asked, reply, answer)
        self._asked += 1
        self.turns.append(turn)
        try:
            self._keep()
        except RagcliError as error:  # it was answered all the same
            self.on_unkept(error.message)
        return made

    def _replied(self, question: str, on_text: OnText | None) -> tuple[Standalone, Asked, Reply]:
        """Return the answer to a question, in the form in which it stands alone."""
        llm = getattr(self.answerer, "llm", None)
        forms = standalone(question, [_before(one) for one in self.turns if not _is_small(one)], llm)
        for at, form in enumerate(forms):
            asked = asked_of(self.find(form.text), self._history())
            reply = self.answerer.reply(asked, on_text if len(forms) == 1 else None)
            held = not reply.refused and (form.how == "alone" or is_about(reply.text, question))
            if held or at == len(forms) - 1:
                break
        if len(forms) > 1 and on_text is not None:
            on_text(reply.text)
        return form, asked, reply

    def keep_in(self, path: Path) -> None:
        """Write every turn to a file from now on, those before it, too, where the file is new.

        Raises:
            UsageError: the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
                path.write_bytes(b"".join(dumps(turn.to_dict()) + b"\n" for turn in self.turns))
            data = path.read_bytes()
            end = whole(data, Answer)
            with path.open("ab") as stream:
                stream.truncate(end)
                if 0 < end == len(data) and not data.endswith(b"\n"):
                    stream.write(b"\n")
        except OSError as error:
            raise UsageError(f"the conversation cannot be kept in {path}: {error.strerror}.") from error
        self._file, self._held = path, list(self.turns)

    def keep_in_new(self, path: Path) -> None:
        """Write every turn to a file that is made with the first one: a chat in which nothing is said leaves none."""
        self._file = path

    def save(self, path: Path) -> None:
        """Write the conversation to a file; one that it was saved to before is written anew.

        Raises:
            UsageError: the file cannot be written, holds something else, or is where the conversation is kept.
        """
        try:
            if self._file is not None and path.exists() and self._file.exists() and path.samefile(self._file):
                raise UsageError(f"{path} is where the conversation is kept already.")
            if path.exists() and path.stat().st_size:
                self._read(path)
            else:
                path.touch(mode=0o600)
            path.write_bytes(b"".join(dumps(turn.to_dict()) + b"\n" for turn in self.turns))
        except InputError as error:
            raise UsageError(
                f"{path} is there, and holds no conversation; it was left as it is.", hint="Name another file."
            ) from error
        except OSError as error:
            raise UsageError(f"the conversation cannot be saved to {path}: {error.strerror}.") from error

    def load(self, path: Path) -> int:
        """Go on from a conversation in a file, instead of this one; return how many turns it has.

        A last line that a killed chat left unfinished is left out.

        Raises:
            UsageError: the file cannot be read.
            InputError: a line is no turn of a conversation.
        """
        self.turns = self._read(path)
        self._asked = max(self._asked, len(self.turns))
        return len(self.turns)

    def clear(self) -> None:
        """Forget what was said; what is kept on disk stays there, and what comes is kept in a file of its own."""
        self.turns = []

    def _read(self, path: Path) -> list[Turn]:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the conversation {path} cannot be read: {error.strerror}.") from error
        lines = io.BytesIO(data[: whole(data, Answer)])
        return [turn_of(answer, str(path)) for answer in records(lines, Answer, name=str(path))]

    def _keep(self) -> None:
        if self._file is None:
            return
        if [one.to_dict() for one in self._held] != [one.to_dict() for one in self.turns[:-1]]:
            # It was cleared or loaded: the file holds another talk, and goes on holding that one.
            self._file = self.new_file() if self.new_file is not None else self._file
            self._held = []
        turns = self.turns[len(self._held) :]
        try:
            if not self._file.exists():
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            with self._file.open("ab") as stream:
                stream.write(b"".join(dumps(one.to_dict()) + b"\n" for one in turns))
            self._held = list(self.turns)
        except OSError as error:
            raise RagcliError(f"the conversation cannot be kept in {self._file}: {error.strerror}.") from error

    def _history(self) -> list[Message]:
        out: list[Message] = []
        for turn in self.turns[-_TURNS:]:
            out.append({"role": "user", "content": turn.question})
            out.append({"role": "assistant", "content": turn.answer.answer[:_TOLD]})
        return out


def _is_small(turn: Turn) -> bool:
    return bool(turn.answer.extra.get("small_talk"))


def _before(turn: Turn) -> Before:
    return Before(question=turn.question, standalone=turn.standalone, how=turn.how, answer=turn.answer.answer)
