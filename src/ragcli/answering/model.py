"""The answerer that asks a language model: gate, prompt, answer, and what it rests on.

1. Where the hits hold too little of the question, it is refused and no model is asked.
2. The hits are cut to the model's window; what is left out is named.
3. The model answers. Where it says that the sources do not, that is a refusal, in the question's language.
4. Its markers, and what it quotes, are checked against what it was shown.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ragcli.answering.evidence import gather, read_question
from ragcli.answering.fitting import Fitted, fit
from ragcli.answering.prompt import Template
from ragcli.answering.protocols import Asked, OnText, Reply
from ragcli.answering.refusing import THRESHOLD, is_comparable, is_refusal, refusal, support
from ragcli.answering.terms import Language, language
from ragcli.errors import ModelError, RagcliError
from ragcli.llms import estimate
from ragcli.llms.protocols import LLM, Ahead, Batching, Completion, ContextError, Message, Sampling
from ragcli.llms.run import complete, concluded
from ragcli.records import Hit, Json

_TRIES = 4  # prompts, each shorter, where an endpoint refuses one as too long
_SHORTER = 0.7
_UNREAD = 0.8  # an endpoint that counts fewer than this part of the least possible tokens has not read the prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A question that is to be asked, or was refused: one of the two is None."""

    asked: Asked
    fitted: Fitted | None
    refused: Reply | None
    extra: Json


class ModelAnswerer:
    """Answers with a language model, from the hits alone.

    Args:
        llm: the model.
        template: makes the prompt.
        sampling: how the model writes.
        verified: hits against which every sentence is checked (``--verify``); 0 checks none.
    """

    def __init__(
        self, llm: LLM, template: Template | None = None, sampling: Sampling | None = None, *, verified: int = 0
    ) -> None:
        self.llm = llm
        template = template or Template()
        self._template = replace(template, special=(*template.special, *llm.special))
        self._sampling = sampling or Sampling()
        self._verified = verified
        self._first = threading.Lock()  # held from the first question on

    @property
    def name(self) -> str:
        """The model's name."""
        return self.llm.name

    @property
    def batches(self) -> bool:
        """Whether `replies` answers several questions in one pass."""
        return isinstance(self.llm, Batching)

    def prompt(self, asked: Asked) -> list[Message]:
        """Return what the model is told, cut to its window."""
        return self._fit(asked, self._room()).messages

    def read_ahead(self, lang: Language) -> None:
        """Let the model read what the prompts in a language begin with, before the first of them; once.

        `reply` does it where nobody did, so that an answer is the same whether its question was known early or not: a
        prompt that is read in other parts may be answered in other words.
        """
        if not self._first.acquire(blocking=False):
            return
        if isinstance(self.llm, Ahead) and (system := self._template.system_of(lang)) is not None:
            with suppress(ModelError):  # it is said of the question that is asked
                self.llm.read_ahead(system)

    def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
        """Answer one question, or refuse."""
        self.read_ahead(language(asked.question))
        prepared = self.prepare(asked)
        for attempt in range(_TRIES):
            if prepared.refused is not None:
                if on_text is not None:
                    on_text(prepared.refused.text)
                return prepared.refused
            assert prepared.fitted is not None
            messages, known = prepared.fitted.messages, self.llm.window
            try:
                return self.conclude(prepared, self._written(messages, on_text))
            except ContextError as error:
                if attempt == _TRIES - 1:
                    raise
                prepared = self.prepare(asked, self._shorter(messages, error, known))
        raise RuntimeError("unreachable")

    def replies(self, many: Sequence[Asked]) -> list[Reply | RagcliError]:
        """Answer several questions in one pass of a model that can do that, in order; one may be its error."""
        assert isinstance(self.llm, Batching)
        out: list[Reply | RagcliError | None] = []
        waiting: list[tuple[int, Prepared]] = []
        for at, asked in enumerate(many):
            try:
                prepared = self.prepare(asked)
                out.append(prepared.refused)
                if prepared.fitted is not None:
                    waiting.append((at, prepared))
            except RagcliError as error:
                out.append(error)
        prompts = [prepared.fitted.messages for _, prepared in waiting if prepared.fitted is not None]
        answers = self.llm.complete_batch(prompts, self._sampling) if prompts else []
        for (at, prepared), done in zip(waiting, answers, strict=True):
            try:
                out[at] = (
                    done
                    if isinstance(done, RagcliError)
                    else self.conclude(prepared, concluded(self.llm, done, self._sampling))
                )
            except ModelError as error:
                out[at] = error
        return [one for one in out if one is not None]

    def prepare(self, asked: Asked, most: int | None = None, *, gated: bool = True) -> Prepared:
        """Return a question with its prompt, or refused.

        Args:
            asked: the question.
            most: tokens of the prompt; by default what the window leaves.
            gated: whether it is refused where the hits hold too little of it.

        Raises:
            ContextError: the question alone is longer than the window.
        """
        held = support(gather(read_question(asked.question), asked.hits))
        threshold = THRESHOLD if asked.threshold is None else asked.threshold
        extra: Json = {"support": round(held, 4)}
        silent = not asked.hits or (held < threshold and is_comparable(asked.question, asked.hits))
        if gated and silent:
            extra |= {"refused_by": "retrieval", "threshold": threshold}
            refused = Reply(text=refusal(asked.question), refused=True, extra=extra)
            return Prepared(asked=asked, fitted=None, refused=refused, extra=extra)
        fitted = self._fit(asked, most if most is not None else self._room())
        return Prepared(asked=asked, fitted=fitted, refused=None, extra=extra)

    def conclude(
        self, prepared: Prepared, done: Completion, *, more: Sequence[Hit] = (), results: Sequence[str] = ()
    ) -> Reply:
        """Return the reply that a model's answer makes.

        Args:
            prepared: the question with its prompt.
            done: what the model wrote.
            more: hits that were found while it answered; their numbers follow those of the prompt.
            results: what functions returned to it.
        """
        from ragcli.answering.citing import check, verify  # not before the first token is there

        assert prepared.fitted is not None
        fitted, asked = prepared.fitted, prepared.asked
        hits = [*fitted.hits, *more]
        extra = dict(prepared.extra)
        prompt: Json = {"contexts": len(fitted.hits)}
        tokens = done.usage.get("prompt_tokens") if fitted.tokens is None else fitted.tokens
        if isinstance(tokens, int):
            prompt["tokens"] = tokens
        if self.llm.window is not None:
            prompt["window"] = self.llm.window
        if fitted.left_out:
            prompt["left_out"] = fitted.left_out
        extra["prompt"] = prompt
        problems: list[Json] = []
        read = done.usage.get("prompt_tokens")
        least = estimate.least(fitted.messages)
        if isinstance(read, int) and 0 < read < least * _UNREAD:
            problems.append({"kind": "prompt_cut", "tokens": read, "at_least": least, "sentence": ""})
        if is_refusal(done.text):
            extra |= {"refused_by": "model", "said": done.text}
            extra["problems"] = problems
            return Reply(
                text=refusal(asked.question), refused=True, usage=done.usage, prompt=fitted.messages, extra=extra
            )
        cited = check(asked.question, done.text, hits, results)
        problems += cited.problems
        if done.finish == "length":
            problems.append({"kind": "cut_off", "tokens": self._sampling.max_tokens, "sentence": ""})
        if self._verified:
            problems += verify(cited.text, [*asked.hits, *more][: self._verified])
        extra["problems"] = problems
        return Reply(
            text=cited.text, quotes=cited.quotes, usage=done.usage, prompt=fitted.messages, hits=hits, extra=extra
        )

    def _written(self, messages: Sequence[Message], on_text: OnText | None, tools: Sequence[Json] = ()) -> Completion:
        """Return what the model writes, handing its pieces on."""
        return complete(
            self.llm,
            messages,
            self._bounded(messages),
            tools=tools,
            on_piece=on_text,
            on_restart=None if on_text is None else lambda _: on_text(None),
        )

    def _bounded(self, messages: Sequence[Message]) -> Sampling:
        """Return the sampling with no more tokens than the window leaves: some endpoints refuse what asks for more."""
        window, most = self.llm.window, self._sampling.max_tokens
        if window is None or most + estimate.bound(messages) <= window:
            return self._sampling
        return replace(self._sampling, max_tokens=max(1, min(most, max(window - self._count(messages), window // 2))))

    def _room(self, window: int | None = None) -> int | None:
        """Return the tokens that the window leaves for the prompt; the answer takes half of a small one at most."""
        window = window or self.llm.window
        return None if window is None else window - min(self._sampling.max_tokens, window // 2)

    def _fit(self, asked: Asked, most: int | None) -> Fitted:
        return fit(
            lambda hits: self._template.messages(asked.question, hits, asked.history),
            asked.hits,
            self._count,
            most,
            self.name,
            self._beside(),
        )

    def _beside(self) -> int:
        """Return the bytes of a prompt that are in no message."""
        return 0

    def _count(self, messages: Sequence[Message]) -> int:
        return self.llm.count(messages)

    def _shorter(self, messages: Sequence[Message], error: ContextError, known: int | None) -> int:
        """Return how many tokens of ours a prompt may have, after one that was too long there.

        Args:
            messages: the prompt.
            error: what the endpoint said.
            known: the window that was known before: where it is now, the answer that is asked for may have been what
                was too long, and is bounded by it from now on.
        """
        ours = self._count(messages)
        room = self._room(error.window)
        if known is None and room is not None and not error.tokens and ours <= room:
            return room
        if room is not None and error.tokens:
            return min(int(ours * room / error.tokens * 0.95), ours - 1)
        if room is not None and room < ours:
            return room
        return int(ours * _SHORTER)
