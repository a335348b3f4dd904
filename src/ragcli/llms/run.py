"""What every use of a model shares: the whole answer, asked for again where the stream was cut, without the thinking.

Reasoning models write their thinking before the answer (`ragcli.llms.thinking`). It is no part of the answer, and what
it says is in no document.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ragcli.errors import ModelError
from ragcli.llms.protocols import LLM, Completion, CutError, Message, Sampling
from ragcli.llms.thinking import Answer, OnPiece, OnRestart
from ragcli.records import Json

__all__ = ["Answer", "OnPiece", "OnRestart", "complete", "concluded"]

TRIES = 3
_FIRST_WAIT = 0.5  # seconds; doubled at each try


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
            return _once(llm, messages, sampling, tools, Answer(on_piece, on_restart))
        except CutError as error:
            if attempt == TRIES - 1:
                raise
            if on_restart is not None:
                on_restart(error.message)
            time.sleep(_FIRST_WAIT * 2**attempt)
    raise RuntimeError("unreachable")


def _once(llm: LLM, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json], view: Answer) -> Completion:
    stream = llm.stream(messages, sampling, tools)
    try:
        while True:
            view.add(next(stream))
    except StopIteration as stop:
        done: Completion = stop.value
    finally:
        stream.close()
    return _answered(llm, done, view.end(), sampling)


def concluded(llm: LLM, done: Completion, sampling: Sampling) -> Completion:
    """Return what a model wrote, all at once, without its thinking.

    Raises:
        ModelError: it wrote nothing else.
    """
    view = Answer()
    view.add(done.text)
    return _answered(llm, done, view.end(), sampling)


def _answered(llm: LLM, done: Completion, text: str, sampling: Sampling) -> Completion:
    if text or done.tool_calls:
        return replace(done, text=text)
    if done.finish == "length":
        raise ModelError(
            f"{llm.name} was still thinking after {sampling.max_tokens} tokens.",
            hint="Allow more with --max-tokens, or switch its thinking off, as with"
            ' --model-options \'{"chat_template_kwargs": {"enable_thinking": false}}\'.',
        )
    raise ModelError(f"{llm.name} wrote nothing.", hint="Try another model, or look at the prompt with --show-prompt.")
