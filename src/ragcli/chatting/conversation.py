"""A conversation about documents: each question is made to stand alone, searched for, answered, and kept.

It is kept as JSON Lines, an answer record a line, with the question as it was asked and as it was searched for; a
line is written as soon as an answer is whole, so that a killed chat loses nothing that was said.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragcli.answering.protocols import Answerer, OnText, Reply
from ragcli.answering.run import Made, asked_of, record
from ragcli.answering.terms import language
from ragcli.chatting.followup import Before, How, standalone
from ragcli.chatting.persona import Personas
from ragcli.errors import InputError, RagcliError, UsageError
from ragcli.jsonl import dumps, records, whole
from ragcli.llms.protocols import Message
from ragcli.records import Answer, Hit, Json, Result, content_id

_TURNS = 4  # that the model is told of
_TOLD = 1000  # characters of an answer that it is told
_HITS = ("id", "source", "rank", "score", "scores", "pages")  # of a hit that is kept

Find = Callable[[str], Result]

_HELLO = re.compile(
    r"\s*(?:你好|您好|嗨|哈喽|早上好|下午好|晚上好|在吗|hi|hello|hey|good (?:morning|afternoon|evening))"
    r"[\s!！。.,，~～呀啊]*",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"\s*(?:(?:非常|多|太)?(?:谢谢|感谢|多谢)(?:你|您|了|啦)*|好的|明白了|知道了|再见|拜拜"
    r"|thanks?(?: you)?(?: very much| a lot)?|ok(?:ay)?"
    r"|great|good ?bye|bye)[\s!！。.,，~～呀啊]*",
    re.IGNORECASE,
)
_GREETING = {"zh": "您好，请问您想从文档里了解什么？", "en": "Hello. What would you like to know from the documents?"}
_WELCOME = {"zh": "不客气，有问题请随时提出。", "en": "You are welcome. Ask whenever there is something else."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer.

    Args:
        question: as it was asked.
        standalone: as it was searched for.
        how: how that came to be.
        answer: the record; its ``question`` is the one that was searched for.
        hits: what was found; of a conversation that was read from a file only their places and scores.
    """

    question: str
    standalone: str
    how: How
    answer: Answer
    hits: Sequence[Json] = ()

    def to_dict(self) -> Json:
        """Return the turn as it is kept: the answer record with what belongs to the conversation."""
        out = self.answer.to_dict()
        return {**out, "question": self.question, "standalone": self.standalone, "how": self.how, "hits": self.hits}


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
        self._file: Path | None = None

    def ask(self, question: str, on_text: OnText | None = None, *, id_: str | None = None, **extra: Any) -> Made:
        """Answer a question as the next of the conversation, and keep both.

        Args:
            question: as a person asks it.
            on_text: is given the answer in pieces.
            id_: of the answer; by default made of the question and its place.
            extra: goes into the record.

        Raises:
            RagcliError: it cannot be answered; the conversation is as it was before.
        """
        question = question.strip()
        if not question:
            raise UsageError("the question is empty.")
        began = time.perf_counter()
        persona = self.personas[language(question)]
        said = self._small_talk(question, persona.greeting)
        more: Json = dict(extra)
        if said is not None:
            if on_text is not None:
                on_text(said)
            result = Result(id=id_ or "", query=question)
            answer = Answer(
                id=id_ or self._id(question), question=question, answer=said, model="ragcli", extra={"small_talk": True}
            )
            turn = Turn(question=question, standalone=question, how="alone", answer=answer)
            made = Made(asked_of(result), Reply(text=said), answer)
        else:
            llm = getattr(self.answerer, "llm", None)
            alone = standalone(question, [_before(one) for one in self.turns if not _is_small(one)], llm)
            result = replace(self.find(alone.text), id=id_ or self._id(question))
            asked = asked_of(result, self._history())
            reply = self.answerer.reply(asked, on_text)
            answer = record(result, reply, self.answerer.name, time.perf_counter() - began)
            if persona.caution:
                more["caution"] = persona.caution
            answer = replace(answer, extra={**answer.extra, **more})
            hits = [_kept(hit) for hit in (result.hits if reply.hits is None else reply.hits)]
            turn = Turn(question=question, standalone=alone.text, how=alone.how, answer=answer, hits=hits)
            made = Made(asked, reply, answer)
        self.turns.append(turn)
        self._keep(turn)
        return made

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
        self._file = path

    def keep_in_new(self, path: Path) -> None:
        """Write every turn to a file that is made with the first one: a chat in which nothing is said leaves none."""
        self._file = path

    def save(self, path: Path) -> None:
        """Write the conversation to a file.

        Raises:
            UsageError: the file cannot be written.
        """
        try:
            path.write_bytes(b"".join(dumps(turn.to_dict()) + b"\n" for turn in self.turns))
        except OSError as error:
            raise UsageError(f"the conversation cannot be saved to {path}: {error.strerror}.") from error

    def load(self, path: Path) -> int:
        """Go on from a conversation in a file, instead of this one; return how many turns it has.

        A last line that a killed chat left unfinished is left out.

        Raises:
            UsageError: the file cannot be read.
            InputError: a line is no turn of a conversation.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the conversation {path} cannot be read: {error.strerror}.") from error
        lines = io.BytesIO(data[: whole(data, Answer)])
        self.turns = [_turn(answer, str(path)) for answer in records(lines, Answer, name=str(path))]
        return len(self.turns)

    def clear(self) -> None:
        """Forget what was said; what is kept on disk stays there."""
        self.turns = []

    def _keep(self, turn: Turn) -> None:
        if self._file is None:
            return
        try:
            if not self._file.exists():
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            with self._file.open("ab") as stream:
                stream.write(dumps(turn.to_dict()) + b"\n")
        except OSError as error:
            raise RagcliError(f"the conversation cannot be kept in {self._file}: {error.strerror}.") from error

    def _id(self, question: str) -> str:
        return content_id("turn", str(len(self.turns)), question)

    def _history(self) -> list[Message]:
        out: list[Message] = []
        for turn in self.turns[-_TURNS:]:
            out.append({"role": "user", "content": turn.question})
            out.append({"role": "assistant", "content": turn.answer.answer[:_TOLD]})
        return out

    def _small_talk(self, question: str, greeting: str) -> str | None:
        """Return what answers a greeting or thanks, which no document answers."""
        if _HELLO.fullmatch(question):
            return greeting or _GREETING[language(question)]
        if _THANKS.fullmatch(question):
            return _WELCOME[language(question)]
        return None


def _is_small(turn: Turn) -> bool:
    return bool(turn.answer.extra.get("small_talk"))


def _before(turn: Turn) -> Before:
    return Before(question=turn.question, standalone=turn.standalone, how=turn.how, answer=turn.answer.answer)


def _kept(hit: Hit) -> Json:
    full = hit.to_dict()
    return {name: full[name] for name in _HITS}


def _turn(answer: Answer, name: str) -> Turn:
    extra = dict(answer.extra)
    alone, how = extra.pop("standalone", answer.question), extra.pop("how", "alone")
    hits = extra.pop("hits", [])
    if not isinstance(alone, str) or how not in ("alone", "model", "terms") or not isinstance(hits, list):
        raise InputError(f"{name}: the turn {answer.id} is not as ragcli chat keeps it.")
    return Turn(question=answer.question, standalone=alone, how=how, answer=replace(answer, extra=extra), hits=hits)
