"""Any language model of LlamaIndex: ``llamaindex:package.Class``, made with options from JSON."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from typing import Any

from ragcli.errors import ModelError, RagcliError, ServiceError, UsageError
from ragcli.foreign import package_of
from ragcli.jsonl import dumps
from ragcli.llms import estimate, toolprompt
from ragcli.llms.protocols import Call, Completion, Message, Options, Sampling
from ragcli.records import Json

_EXAMPLE = "llamaindex:llama_index.llms.ollama.Ollama"


class LlamaIndexLLM:
    """A model of one of LlamaIndex's packages.

    Args:
        path: package and class, as in ``llama_index.llms.ollama.Ollama``.
        window: tokens of prompt and answer together; by default what the class says.
        options: the class's own arguments.

    Raises:
        UsageError: there is no such class, or it is no language model.
        ModelError: it cannot be made with these options.
    """

    def __init__(self, path: str, *, window: int | None = None, options: Options | None = None) -> None:
        self._path = path
        self._llm = _make(path, dict(options or {}))
        metadata = self._llm.metadata
        self._window = window or metadata.context_window or None
        self._calls_tools = bool(metadata.is_function_calling_model) and hasattr(self._llm, "stream_chat_with_tools")

    @property
    def name(self) -> str:
        """The class, and the model's name as the class tells it."""
        model = str(self._llm.metadata.model_name or "")
        known = "" if model in ("", "unknown") else f":{model}"
        return f"llamaindex:{self._path}{known}"

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together."""
        return self._window

    @property
    def parallel(self) -> int:
        """One: not every class can be called from several threads; ``--concurrency`` says otherwise."""
        return 1

    @property
    def special(self) -> Sequence[str]:
        """Not known."""
        return ()

    def count(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
        """Return about how many tokens a prompt has, rather too many."""
        return estimate.most(messages, tools)

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json] = ()
    ) -> Generator[str, None, Completion]:
        """Yield the answer in pieces; see `ragcli.llms.LLM`."""
        self._set(sampling)
        sieve = toolprompt.Sieve(toolprompt.names_of(tools)) if tools and not self._calls_tools else None
        said: list[str] = []
        last: Any = None
        seen = 0
        cut = False
        try:
            for last in self._open(messages, sampling, tools):
                # Classes differ: some give only what is new in delta, some only the whole so far.
                whole = last.message.content or ""
                piece = last.delta if last.delta is not None else whole[seen:]
                seen = len(whole)
                piece, cut = _stopped(piece, sampling.stop, said)
                piece = sieve.add(piece) if sieve is not None else piece
                if piece:
                    said.append(piece)
                    yield piece
                if cut:
                    break
        except RagcliError:
            raise
        except Exception as error:  # every class raises what its own client raises
            raise ServiceError(f"{self.name}: {type(error).__name__}: {' '.join(str(error).split())}") from error
        calls: list[Call] = []
        if sieve is not None:
            rest, calls = sieve.end()
            if rest:
                said.append(rest)
                yield rest
        elif tools and last is not None:
            calls = self._called(last)
        finish: Any = "tool_calls" if calls else "stop"
        return Completion(text="".join(said), finish=finish, usage=_usage(last), tool_calls=tuple(calls))

    def close(self) -> None:
        """Nothing to give back: LlamaIndex's classes have no end."""

    def _set(self, sampling: Sampling) -> None:
        fields = type(self._llm).model_fields
        for name, value in (("temperature", sampling.temperature), ("max_tokens", sampling.max_tokens)):
            if name in fields and name not in self._llm.model_fields_set:
                object.__setattr__(self._llm, name, value)

    def _open(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Json]) -> Any:
        if tools and self._calls_tools:
            return self._llm.stream_chat_with_tools(
                [_tool(tool["function"]) for tool in tools], chat_history=_chat(messages)
            )
        chat = _chat(toolprompt.described(messages, tools) if tools else messages)
        try:
            return self._llm.stream_chat(chat)
        except NotImplementedError:
            return [self._llm.chat(chat)]

    def _called(self, response: Any) -> list[Call]:
        found = self._llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        return [
            {
                "id": call.tool_id or f"call_{at}",
                "type": "function",
                "function": {"name": call.tool_name, "arguments": dumps(call.tool_kwargs).decode()},
            }
            for at, call in enumerate(found)
        ]


def _make(path: str, options: Options) -> Any:
    module, _, name = path.replace(":", ".").rpartition(".")
    if not module:
        raise UsageError(f"llamaindex:{path} names no class.", hint=f"Write package.Class, as in {_EXAMPLE}.")
    try:
        from llama_index.core.llms import LLM

        cls = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise UsageError(
            f"llamaindex:{path} cannot be imported: {error}.", hint=f"pip install {package_of(module)}"
        ) from error
    except AttributeError as error:
        raise UsageError(f"{module} has no class {name}.", hint=f"Write package.Class, as in {_EXAMPLE}.") from error
    if not (isinstance(cls, type) and issubclass(cls, LLM)):
        raise UsageError(f"{path} is no language model of LlamaIndex.", hint=f"One is {_EXAMPLE}.")
    try:
        return cls(**options)
    except Exception as error:  # pydantic's, and what each class checks for itself
        raise ModelError(
            f"{path} cannot be made with {dumps(options).decode()}: {' '.join(str(error).split())[:300]}",
            hint="--model-options gives the class its arguments, as JSON.",
        ) from error


def _chat(messages: Sequence[Message]) -> list[Any]:
    from llama_index.core.base.llms.types import ChatMessage

    out = []
    for message in messages:
        more: Json = {}
        if message.get("tool_calls"):
            more["tool_calls"] = message["tool_calls"]
        if "tool_call_id" in message:
            more |= {"tool_call_id": message["tool_call_id"], "name": message.get("name")}
        out.append(ChatMessage(role=message["role"], content=message.get("content") or "", additional_kwargs=more))
    return out


def _tool(function: Json) -> Any:
    from llama_index.core.tools import FunctionTool, ToolMetadata

    class Metadata(ToolMetadata):  # type: ignore[misc]
        def get_parameters_dict(self) -> Json:
            return dict(function["parameters"])

    def never() -> None:
        raise RuntimeError("tools are called by ragcli, not by LlamaIndex")

    return FunctionTool(
        fn=never, metadata=Metadata(description=function.get("description") or "", name=function["name"])
    )


def _stopped(piece: str, stops: Sequence[str], said: Sequence[str]) -> tuple[str, bool]:
    """Return a piece up to the first stop text, and whether there was one; the classes have no common way to stop."""
    before = "".join(said)[-64:]
    for stop in stops:
        at = (before + piece).find(stop)
        if at >= 0:
            return (before + piece)[len(before) : at] if at > len(before) else "", True
    return piece, False


def _usage(response: Any) -> Json:
    """Return the tokens that a response tells of, under the names that are common."""
    raw = getattr(response, "raw", None)
    usage = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
    more = getattr(response, "additional_kwargs", None) or {}
    out: Json = {}
    for name in ("prompt_tokens", "completion_tokens"):
        value = usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None)
        value = value if value is not None else more.get(name)
        if isinstance(value, int):
            out[name] = value
    return out
