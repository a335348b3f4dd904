"""Tools for models whose template knows none: told in the system message, and found in what the model writes.

The form is that of Hermes and Qwen: functions as JSON between ``<tools>``, calls between ``<tool_call>``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragcli.jsonl import dumps
from ragcli.llms.protocols import Call, Message
from ragcli.llms.toolcalls import parse
from ragcli.records import Json

_SIGNS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<|action_start|>", "```json", '{"name"')
_LONGEST = max(map(len, _SIGNS))

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


class Sieve:
    """Lets text through until it may be a call; what may be one is held back to the end, and read there."""

    def __init__(self) -> None:
        self._held = ""
        self._holding = False

    def add(self, piece: str) -> str:
        """Return what is surely no call."""
        self._held += piece
        if self._holding:
            return ""
        first = min((at for sign in _SIGNS if (at := self._held.find(sign)) >= 0), default=-1)
        if first >= 0:
            self._holding = True
            free = first
        else:
            free = len(self._held)
            for size in range(min(_LONGEST, free), 0, -1):  # a sign may go on in the next piece
                if any(sign.startswith(self._held[-size:]) for sign in _SIGNS):
                    free -= size
                    break
        out, self._held = self._held[:free], self._held[free:]
        return out

    def end(self) -> tuple[str, list[Call]]:
        """Return what was held back and is no call, and the calls."""
        if not self._held:
            return "", []
        text, calls = parse(self._held)
        return text, list(calls)
