"""The seam to language models: what is sent, how it is sampled, what comes back.

A backend is one file with one class that has what `LLM` lists. `stream` is the only way in: whoever wants the whole
text, retries after a cut stream, or answers without the model's thinking finds that once, in `ragcli.llms.run`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from ragcli.errors import ModelError, ServiceError
from ragcli.records import Json

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls"]

DEFAULT_MAX_TOKENS = 512


class Function(TypedDict):
    """The function that a model wants called; ``arguments`` is the JSON text that the model wrote."""

    name: str
    arguments: str


class Call(TypedDict):
    """A tool call, as OpenAI's protocol has it."""

    id: str
    type: Literal["function"]
    function: Function


class _Message(TypedDict):
    role: Role
    content: str


class Message(_Message, total=False):
    """One message of a conversation with a language model, as OpenAI's protocol has it.

    ``tool_calls`` stands only in messages of the assistant, ``tool_call_id`` and ``name`` only in those of a tool.
    """

    tool_calls: list[Call]
    tool_call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a model writes.

    Args:
        temperature: 0 takes the likeliest token each time.
        seed: of the sampling; None leaves it to the backend.
        max_tokens: the most tokens of an answer.
        stop: texts that end the answer; they are not part of it.
    """

    temperature: float = 0.0
    seed: int | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model wrote.

    Args:
        text: all that was yielded, joined.
        finish: ``stop``: it came to its end; ``length``: it was cut at ``max_tokens`` or at the window's end;
            ``tool_calls``: it waits for the results of calls.
        usage: ``prompt_tokens`` and ``completion_tokens`` where the backend tells them.
        tool_calls: what it wants called, in order.
    """

    text: str
    finish: Finish = "stop"
    usage: Json = field(default_factory=dict)
    tool_calls: tuple[Call, ...] = ()


class ContextError(ModelError):
    """A prompt that is longer than the model's window.

    Args:
        message: what happened.
        window: tokens of prompt and answer together that the model takes, if it said so.
        tokens: of the prompt, if it said so.
    """

    def __init__(self, message: str, *, window: int | None = None, tokens: int | None = None) -> None:
        super().__init__(message, hint="Ask with fewer or smaller passages (-k), or name the window with --window.")
        self.window = window
        self.tokens = tokens


class CutError(ServiceError):
    """A stream that ended before the answer did; it may be asked for again."""


class LLM(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The model's name, as the answer record shows it."""
        ...

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together; None where nobody said."""
        ...

    @property
    def parallel(self) -> int:
        """How many streams at once it is worth reading, each from a thread of its own."""
        ...

    @property
    def special(self) -> Sequence[str]:
        """Texts that the model reads as control tokens, such as ``<|im_end|>``; empty where they are not known."""
        ...

    def count(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
        """Return the tokens of a prompt, template included; estimated where the tokenizer is not known."""
        ...

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json] = ()
    ) -> Generator[str, None, Completion]:
        """Yield the model's answer in pieces; return it whole, with what is known about it.

        Closing the generator ends the model's work.

        Args:
            messages: the conversation.
            sampling: how to write.
            tools: functions that the model may call, as OpenAI's protocol has them:
                ``{"type": "function", "function": {"name", "description", "parameters"}}``.

        Raises:
            ContextError: the prompt is longer than the window.
            ModelError: the model cannot be run.
            CutError: the stream ended before the answer did.
            ServiceError: the endpoint does not answer.
        """
        ...

    def close(self) -> None:
        """Give back memory, ports and connections."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A model that answers several prompts in one pass (on a GPU many times faster than one after another)."""

    @property
    def batch(self) -> int:
        """How many prompts at once."""
        ...

    def complete_batch(self, prompts: Sequence[Sequence[Message]], sampling: Sampling) -> list[Completion | ModelError]:
        """Answer every prompt, in order; one that cannot be answered is its error."""
        ...


@runtime_checkable
class Ahead(Protocol):
    """A model that can read what prompts begin with before the first of them is known."""

    def read_ahead(self, system: str) -> None:
        """Read a system message, so that prompts that begin with it are answered sooner; nothing is answered."""
        ...


Options = dict[str, Any]
