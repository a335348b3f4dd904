"""Conversations in any usual spelling to messages as OpenAI's protocol has them, checked.

Read are ``role``/``content`` and ShareGPT's ``from``/``value``, contents in parts, calls in ``tool_calls``, in the
older ``function_call`` and as ShareGPT's turns, and ``{"human", "assistant"}`` pairs. What is checked is what a chat
template may stumble over in silence: after the system's message the user speaks first, roles take turns, and results
follow calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragcli.finetuning.data.rows import RowError
from ragcli.jsonl import clean, dumps, loads
from ragcli.llms.protocols import Call, Function, Message
from ragcli.llms.toolcalls import numbered
from ragcli.records import Json

_CALLS = "calls"  # ShareGPT's turn that is nothing but calls
ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "tool": "tool", "observation": "tool", "function": "tool", "function_response": "tool", "ipython": "tool",
    "function_call": _CALLS, "tool_call": _CALLS,
}  # fmt: skip
_SAID = {"system": "the system's", "user": "the user's", "assistant": "the assistant's", "tool": "a tool's result"}
_PARTS = ("text", "input_text", "output_text")
_LEARNED = ("weight", "train", "training", "loss")  # OpenAI, axolotl, axolotl's new form, ms-swift
_THOUGHT = ("reasoning_content", "reasoning", "thinking")
_MEDIA = ("image", "images", "video", "videos", "audio", "audios")
_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}


@dataclass(slots=True)
class Turn:
    """A message, whether it is learned from, whether its calls have ids in the data, and its number there, from 1."""

    message: Message
    learned: bool = True
    has_ids: bool = False
    number: int = 0

    @property
    def role(self) -> str:
        """Of the message."""
        return self.message["role"]


def conversation(items: Any, *, system: str = "", name: str = "messages", offset: int = 0) -> list[Turn]:
    """Return the turns of a conversation: messages as they are, a call's turn joined to the assistant's before it.

    Args:
        items: what JSON has.
        system: a message of the system that stands elsewhere.
        name: the key, for messages.
        offset: how many messages stand before these, for messages.

    Raises:
        RowError: it is no list of messages, or one of them cannot be used.
    """
    if not isinstance(items, list):
        raise RowError(f"'{name}' must be a list of messages, not {kind(items)}", "form")
    told = clean(system).strip()
    turns: list[Turn] = []
    for number, item in enumerate(_single(items), 1 + offset):
        turn = _turn(item, f"message {number}")
        if turn is None:
            continue
        turn.number = number
        if turn.role == "system" and not turns:
            told = "\n\n".join(filter(None, (told, turn.message["content"])))
        elif _continues(turns, turn):
            turns[-1].message["tool_calls"] = turn.message["tool_calls"]
        else:
            turns.append(turn)
    return [Turn({"role": "system", "content": told}), *turns] if told else turns


def finished(turns: Sequence[Turn]) -> tuple[tuple[Message, ...], tuple[int, ...]]:
    """Return the messages of a conversation up to the assistant's last, and the places of those not learned from.

    Raises:
        RowError: the assistant says nothing that could be learned, or the roles do not take turns.
    """
    last = max((at for at, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
    if last < 0:
        raise RowError("no turn is the assistant's: there is nothing to learn", "no_assistant")
    kept = turns[: last + 1]
    check(kept)
    masked = tuple(at for at, turn in enumerate(kept) if turn.role == "assistant" and not turn.learned)
    if len(masked) == sum(turn.role == "assistant" for turn in kept):
        raise RowError("every turn of the assistant has weight 0: there is nothing to learn", "no_assistant")
    return tuple(turn.message for turn in kept), masked


def check(turns: Sequence[Turn]) -> None:
    """See that roles take turns and that results belong to calls; give results the ids of their calls.

    Raises:
        RowError: they do not.
    """
    before = ""
    waiting: list[Call] = []
    has_ids = False
    for turn in turns:
        role, what = turn.role, f"message {turn.number} is {_SAID[turn.role]}"
        if role == "system" and before:
            raise RowError(f"{what}: only the first may be", "turns")
        if waiting and role != "tool" and before != "tool":
            raise RowError(f"{what}, and the call of {waiting[0]['function']['name']} before it has no result", "tools")
        if role == "user" and before not in ("", "system", "assistant"):
            raise RowError(f"{what}, and so is the one before it" if before == "user" else
                           f"{what}, and the assistant has not yet spoken after a tool's result", "turns")  # fmt: skip
        if role == "assistant" and before == "assistant":
            raise RowError(f"{what}, and so is the one before it", "turns")
        if role == "assistant" and before in ("", "system"):
            raise RowError(f"{what}: the user must speak first", "turns")
        if role == "tool":
            if not waiting:
                raise RowError(f"{what}, and no call waits for it", "tools")
            _answer(turn.message, waiting, has_ids, what)
        else:
            waiting, has_ids = list(turn.message.get("tool_calls") or ()), turn.has_ids
        before = role


def tools(value: Any) -> tuple[Json, ...]:
    """Return the functions that a row's ``tools`` or ``functions`` describe, as OpenAI's protocol has them.

    Raises:
        RowError: they are no such list.
    """
    value = _from_text(value, "tools")
    if not value:
        return ()
    out: list[Json] = []
    for number, item in enumerate(value if isinstance(value, list) else [value], 1):
        item = _from_text(item, f"tool {number}")
        inner = item.get("function", item) if isinstance(item, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
            raise RowError(
                f"tool {number} has no name: a tool is"
                ' {"type": "function", "function": {"name", "description", "parameters"}}', "tools",
            )  # fmt: skip
        function = {key: one for key, one in inner.items() if one is not None and key != "type"}
        out.append({"type": "function", "function": function})
    return tuple(out)


def no_media(row: Json) -> None:
    """See that a row has no pictures or sounds.

    Raises:
        RowError: it has some.
    """
    found = next((key for key in _MEDIA if row.get(key)), None)
    if found is not None:
        raise RowError(f"it holds '{found}', and ragcli trains on text alone", "content")


def kind(value: object) -> str:
    """Return what a JSON value is, in words."""
    if value is None:
        return "null"
    return "a string" if isinstance(value, str) else _KINDS.get(type(value), type(value).__name__)


def text(value: Any, what: str) -> str:
    """Return a content as text; parts of text are joined.

    Raises:
        RowError: it is something else.
    """
    if isinstance(value, str):
        return clean(value)
    if value is None:
        return ""
    if not isinstance(value, list):
        raise RowError(f"{what} must be text, not {kind(value)}", "content")
    out = []
    for part in value:
        if isinstance(part, dict):
            said = str(part.get("type") or "text")
            if said not in _PARTS:
                raise RowError(f"{what} holds a part of type {said!r}, and ragcli trains on text alone", "content")
            part = part.get("text")
        if not isinstance(part, str):
            raise RowError(f"{what} is a list with {kind(part)} in it, not of text", "content")
        out.append(clean(part))
    return "".join(out)


def _single(items: list[Any]) -> Iterator[Any]:
    """Yield the messages; ``{"human": …, "assistant": …}`` is two."""
    for item in items:
        if isinstance(item, dict) and "human" in item and "assistant" in item:
            yield {"role": "user", "content": item["human"]}
            yield {"role": "assistant", "content": item["assistant"]}
        else:
            yield item


def _turn(item: Any, what: str) -> Turn | None:
    """Return a turn; None for a message of the system that is empty."""
    if not isinstance(item, dict):
        raise RowError(f"{what} must be an object with role and content, not {kind(item)}", "form")
    key = "role" if item.get("role") is not None else "from"
    given = item.get(key)
    role = ROLES.get(given.strip().lower()) if isinstance(given, str) else None
    if role is None:
        wanted = "system, user, assistant or tool"
        said = f"the role {given!r}" if given is not None else "no role"
        raise RowError(f"{what} has {said}: it must be {wanted}", "role")
    value = next((item[name] for name in ("content", "value", "text") if item.get(name) is not None), None)
    if role == _CALLS:
        return Turn({"role": "assistant", "content": "", "tool_calls": _calls(value, what)[0]}, _is_learned(item, what))
    no_media(item)
    if role == "tool":
        return Turn(_result(item, value, what))
    content = text(value, f"the content of {what}")
    if role == "system":
        return Turn({"role": "system", "content": content.strip()}) if content.strip() else None
    if role == "user":
        if not content.strip():
            raise RowError(f"{what} ({given}) is empty", "empty")
        return Turn({"role": "user", "content": content})
    return _assistant(item, content, what)


def _assistant(item: Mapping[str, Any], content: str, what: str) -> Turn:
    made: list[Call] = []
    has_ids = False
    called = item.get("tool_calls") or item.get("function_call")
    if called:
        made, has_ids = _calls(called, what)
    if not content.strip() and not made:
        raise RowError(f"{what} ({item.get('role') or item.get('from')}) is empty, and calls nothing", "empty")
    thought = next((item[name] for name in _THOUGHT if isinstance(item.get(name), str) and item[name].strip()), "")
    if thought and "</think>" not in content:  # as Qwen 3 and DeepSeek R1 write it
        content = f"<think>\n{clean(thought).strip()}\n</think>\n\n{content}"
    message: Message = {"role": "assistant", "content": content}
    if made:
        message["tool_calls"] = made
    return Turn(message, _is_learned(item, what), has_ids)


def _result(item: Mapping[str, Any], value: Any, what: str) -> Message:
    """Return the message of a tool; a result that is no text is written as JSON."""
    is_parts = isinstance(value, list) and all(isinstance(one, dict) and "type" in one for one in value)
    content = (
        text(value, f"the content of {what}") if value is None or isinstance(value, str) or is_parts else _json(value)
    )
    message: Message = {"role": "tool", "content": content}
    if isinstance(item.get("tool_call_id"), str) and item["tool_call_id"]:
        message["tool_call_id"] = clean(item["tool_call_id"])
    if isinstance(item.get("name"), str) and item["name"]:
        message["name"] = clean(item["name"])
    return message


def _is_learned(item: Mapping[str, Any], what: str) -> bool:
    for name in _LEARNED:
        value = item.get(name)
        if value is None:
            continue
        if value not in (0, 1):
            raise RowError(f"'{name}' of {what} must be 0 or 1, not {value!r}", "content")
        if not value:
            return False
    return True


def _continues(turns: Sequence[Turn], turn: Turn) -> bool:
    """Whether a turn is the calls of the assistant who spoke just before."""
    if not turns or turns[-1].role != "assistant" or turn.role != "assistant" or turn.learned != turns[-1].learned:
        return False
    return not turns[-1].message.get("tool_calls") and not turn.message["content"]


def _answer(message: Message, waiting: list[Call], has_ids: bool, what: str) -> None:
    """Give a result the id of its call, which then waits no more."""
    wanted = message.get("tool_call_id")
    at = next((place for place, call in enumerate(waiting) if call["id"] == wanted), None)
    if at is None:
        if has_ids and wanted is not None:
            raise RowError(f"{what} of the call {wanted!r}, which nobody made", "tools")
        at = 0
    message["tool_call_id"] = waiting.pop(at)["id"]


def _calls(value: Any, what: str) -> tuple[list[Call], bool]:
    """Return the calls of a message, and whether they have ids of their own."""
    value = _from_text(value, f"the call of {what}")
    made: list[Function] = []
    ids: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        function = item.get("function", item) if isinstance(item, dict) else None
        if isinstance(function, str) and isinstance(item, dict):
            function = {**item, "name": function}
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise RowError(f"a call of {what} names no function", "tools")
        given: Any = next(
            (function[key] for key in ("arguments", "parameters", "args") if function.get(key) is not None), {}
        )
        given = _from_text(given, f"the arguments of {name} in {what}") or {}
        if not isinstance(given, dict):
            raise RowError(f"the arguments of {name} in {what} must be a JSON object, not {kind(given)}", "tools")
        made.append({"name": clean(name), "arguments": _json(given)})
        if isinstance(item.get("id"), str) and item["id"]:
            ids.append(clean(item["id"]))
    if not made:
        raise RowError(f"{what} has an empty list of calls", "tools")
    calls = numbered(made)
    if len(ids) < len(calls):
        return calls, False
    return [{**call, "id": given} for call, given in zip(calls, ids, strict=True)], True


def _from_text(value: Any, what: str) -> Any:
    """Return what a JSON text says; other values as they are."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return loads(value.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise RowError(f"{what}: {value[:60]!r} is no JSON", "tools") from error


def _json(value: Any) -> str:
    try:
        return dumps(value).decode()
    except TypeError:  # a number of more than 64 bits
        return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
