"""What every use of a model shares: the whole answer, asked for again where the stream was cut, without the thinking.

Reasoning models write their thinking between ``<think>`` and ``</think>`` before the answer. It is no part of the
answer, and what it says is in no document.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ragcli.errors import ModelError
from ragcli.llms.protocols import LLM, Completion, CutError, Message, Sampling
from ragcli.records import Json

OnPiece = Callable[[str], None]
OnRestart = Callable[[str], None]

TRIES = 3
_FIRST_WAIT = 0.5  # seconds; doubled at each try
_OPEN, _CLOSE = "<think>", "</think>"


def complete(
    llm: LLM,
    messages: Sequence[Message],
    sampling: Sampling,
    *,
    tools: Sequence[Json] = (),
    on_piece: OnPiece | None = None,
    on_restart: OnRestart | None = None,
) -> Completion:
    """Return what the model writes.

    Args:
        llm: the model.
        messages: the conversation.
        sampling: how to write.
        tools: what the model may call.
        on_piece: is given the answer in pieces, as they come, without the thinking.
        on_restart: is told why the answer begins anew: what came before it is void.

    Raises:
        ContextError: the prompt is longer than the window.
        ModelError: the model cannot be run, or wrote nothing.
        ServiceError: the endpoint does not answer, or its streams were cut each time.
    """
    for attempt in range(TRIES):
        try:
            return _once(llm, messages, sampling, tools, on_piece)
        except CutError as error:
            if attempt == TRIES - 1:
                raise
            if on_restart is not None:
                on_restart(error.message)
            time.sleep(_FIRST_WAIT * 2**attempt)
    raise RuntimeError("unreachable")


def _once(
    llm: LLM, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json], on_piece: OnPiece | None
) -> Completion:
    view = Answer(on_piece)
    stream = llm.stream(messages, sampling, tools)
    try:
        while True:
            view.add(next(stream))
    except StopIteration as stop:
        done: Completion = stop.value
    finally:
        stream.close()
    text = view.end()
    if text or done.tool_calls:
        return replace(done, text=text)
    if done.finish == "length":
        raise ModelError(
            f"{llm.name} was still thinking after {sampling.max_tokens} tokens.",
            hint="Allow more with --max-tokens, or switch its thinking off, as with"
            ' --model-options \'{"chat_template_kwargs": {"enable_thinking": false}}\'.',
        )
    raise ModelError(f"{llm.name} wrote nothing.", hint="Try another model, or look at the prompt with --show-prompt.")


class Answer:
    """Takes a model's text in pieces and hands on what is the answer: no thinking, no white space around it."""

    def __init__(self, on_piece: OnPiece | None = None) -> None:
        self._on_piece = on_piece
        self._held = ""  # seen, and not yet known to be answer or thinking
        self._thinking: bool | None = None  # None: too little seen
        self._said: list[str] = []
        self._space = ""  # white space that is only part of the answer if more follows

    def add(self, piece: str) -> None:
        """Take the next piece."""
        if self._thinking is False:
            self._hand_on(piece)
            return
        self._held += piece
        if self._thinking is None:
            start = self._held.lstrip()
            if start.startswith(_OPEN):
                self._thinking = True
            elif not _OPEN.startswith(start):
                self._thinking = False
        if self._thinking and _CLOSE in self._held:
            self._held = self._held.split(_CLOSE, 1)[1]
            self._thinking = False
        if self._thinking is False:
            held, self._held = self._held, ""
            self._hand_on(held)

    def end(self) -> str:
        """Return the whole answer."""
        if self._thinking is None:
            self._hand_on(self._held)
        return "".join(self._said)

    def _hand_on(self, piece: str) -> None:
        piece = self._space + piece if self._said else piece.lstrip()
        kept = piece.rstrip()
        self._space = piece[len(kept) :]
        if kept:
            self._said.append(kept)
            if self._on_piece is not None:
                self._on_piece(kept)
