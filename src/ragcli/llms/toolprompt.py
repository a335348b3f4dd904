"""Tools for models whose template knows none: told in the system message, and found in what the model writes.

The form is that of Hermes and Qwen: functions as JSON between ``<tools>``, calls between ``<tool_call>``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ragcli.jsonl import dumps
from ragcli.llms.protocols import Call, Message
from ragcli.llms.toolcalls import is_in_code, parse
from ragcli.records import Json

_SIGNS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<|action_start|>", "```")
_LONGEST = max(map(len, _SIGNS))
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
# A block of code is held back where it begins as JSON does, and an answer that begins so; [1] is a marker.
_BLOCK = re.compile(r"```(?:json|tool_call)?[ ]*\n\s*[{\[]")
_MAY_BE_BLOCK = re.compile(r"```(?:j(?:s(?:on?)?)?|t(?:o(?:o(?:l(?:_c?a?l?l?)?)?)?)?)?[ ]*(?:\n\s*)?\Z")
_BARE = re.compile(r"\[?\s*\{\s*[\"}]")
_MAY_BE_BARE = re.compile(r"\[?\s*(?:\{\s*)?\Z")
_THOUGHT = re.compile(r"(?:</think(?:ing)?>|\[/THINK\])\s*", re.IGNORECASE)
_TAIL = 1000  # characters let through that are looked at: inline code, a tag of thinking

_TOLD = """You may call these functions:
<tools>
{functions}
</tools>
To call one, reply with nothing but a JSON object in these tags:
<tool_call>
{{"name": "the function's name", "arguments": {{"parameter": "value"}}}}
</tool_call>
Its result comes in the next message."""


def described(messages: Sequence[Message], tools: Sequence[Json]) -> list[Message]:
    """Return the conversation with the tools in its system message, and calls and results as plain text."""
    told = _TOLD.format(functions="\n".join(dumps(tool.get("function", tool)).decode() for tool in tools))
    out: list[Message] = []
    for message in messages:
        content = message.get("content") or ""
        if message["role"] == "tool":
            out.append({"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"})
        elif message.get("tool_calls"):
            calls = (
                f'<tool_call>\n{{"name": {dumps(call["function"]["name"]).decode()},'
                f' "arguments": {call["function"]["arguments"] or "{}"}}}\n</tool_call>'
                for call in message["tool_calls"]
            )
            out.append({"role": "assistant", "content": "\n".join(filter(None, (content, *calls)))})
        else:
            out.append({"role": message["role"], "content": content})
    if out and out[0]["role"] == "system":
        out[0] = {"role": "system", "content": f"{out[0]['content']}\n\n{told}"}
    else:
        out.insert(0, {"role": "system", "content": told})
    return out


def names_of(tools: Sequence[Json]) -> frozenset[str]:
    """Return the names of the functions that a model was told of."""
    return frozenset(tool.get("function", tool)["name"] for tool in tools)


class Sieve:
    """Lets text through until it may be a call; what may be one is held back to the end, and read there.

    Args:
        names: the functions that there are; None where that is not known.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = names
        self._held = ""
        self._holding = False
        self._begun = False  # the answer has; a call without a sign is the whole of it
        self._tail = ""  # of what was let through

    def add(self, piece: str) -> str:
        """Return what is surely no call."""
        self._held += piece
        if self._holding:
            return ""
        free = self._free()
        out, self._held = self._held[:free], self._held[free:]
        self._tail = (self._tail + out)[-_TAIL:]
        if out.strip():
            thought = _THOUGHT.search(self._tail)
            self._begun = thought is None or thought.end() < len(self._tail)
        return out

    def _free(self) -> int:
        """Return how much of what is held is surely no call."""
        thought = _THOUGHT.search(self._held)
        start = thought.end() if thought else len(self._held) - len(self._held.lstrip())
        if (thought or not self._begun) and self._held.startswith(("{", "["), start):
            if _BARE.match(self._held, start):
                self._holding = True
                return start
            if _MAY_BE_BARE.match(self._held, start):
                return start
        at = 0
        while match := _SIGN.search(self._held, at):
            if match.group() == "```":
                is_call = _BLOCK.match(self._held, match.start()) is not None
            else:
                seen = self._tail + self._held
                is_call = not is_in_code(seen, len(self._tail) + match.start())
            if is_call:
                self._holding = True
                return match.start()
            if match.group() == "```" and _MAY_BE_BLOCK.match(self._held, match.start()):
                return match.start()
            at = match.end()
        for size in range(min(_LONGEST, len(self._held) - at), 0, -1):  # a sign may go on in the next piece
            if any(sign.startswith(self._held[-size:]) for sign in _SIGNS):
                return len(self._held) - size
        return len(self._held)

    def end(self) -> tuple[str, list[Call]]:
        """Return what was held back and is no call, and the calls."""
        if not self._held:
            return "", []
        text, calls = parse(self._held, self._names)
        return text, list(calls)
