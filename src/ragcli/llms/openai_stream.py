"""The chunks of an endpoint's stream put together, whatever a server makes of the protocol.

Only the first choice counts. Text may come as a string or as a list of parts; what is neither is a broken stream.
"""

from __future__ import annotations

from typing import Any

from ragcli.errors import RequestError
from ragcli.llms.protocols import Call, Completion, CutError, Finish
from ragcli.records import Json

# A server that goes on beyond the tokens it was asked for. A piece is mostly a token or more, but some servers send a
# character a piece, and no tokenizer puts more than a few characters into a token in the mean.
_OVER = 64
_CHARACTERS = 6

_CUT = frozenset({"length", "max_tokens", "max_length", "model_length"})
_FILTERED = frozenset({"content_filter", "sensitive", "safety", "blocked"})
_BROKE_OFF = frozenset({"insufficient_system_resource", "error", "abort"})


class Reader:
    """Puts the chunks of a stream together.

    Args:
        where: the endpoint, for errors.
        model: likewise.
        most: tokens that were asked for.
    """

    def __init__(self, where: str, model: str, most: int) -> None:
        self._where, self._model = where, model
        self._most_pieces, self._most_characters = most + most // 2 + _OVER, _CHARACTERS * most + _OVER
        self._pieces: list[str] = []
        self._characters = 0
        self._calls: dict[int, Call] = {}
        self._places: dict[int, int] = {}  # of a server's index, the call that it stands for now
        self._ids: dict[int, str] = {}  # that the server gave
        self._finish: str | None = None
        self._usage: Json = {}

    @property
    def too_many(self) -> bool:
        """Whether the server goes on beyond what it was asked for."""
        return len(self._pieces) > self._most_pieces and self._characters > self._most_characters

    def take(self, chunk: Any) -> str:
        """Return the text of a chunk.

        Raises:
            CutError: it is not as the protocol has it.
        """
        try:
            return self._take(chunk)
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise CutError(f"{self._where}: the stream of {self._model} holds what is no chunk: {error}.") from error

    def _take(self, chunk: Any) -> str:
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            counts = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
            self._usage = {name: count for name, count in counts.items() if isinstance(count, int)} or self._usage
        text = ""
        for choice in chunk.choices or ():
            if choice.index not in (0, None):
                continue
            if choice.finish_reason:
                self._finish = str(choice.finish_reason).lower()
            delta = choice.delta
            for call in (delta.tool_calls if delta else None) or ():
                self._take_call(call)
            text += _text(delta.content if delta else None)
        if text:
            self._pieces.append(text)
            self._characters += len(text)
        return text

    def whole(self, message: Any) -> str:
        """Take an answer that came in one piece, from a server that does not stream; return its text."""
        try:
            choice = message["choices"][0]
            text = _text(choice["message"].get("content"))
            for at, call in enumerate(choice["message"].get("tool_calls") or ()):
                function = call["function"]
                self._calls[at] = {
                    "id": str(call.get("id") or f"call_{at}"),
                    "type": "function",
                    "function": {"name": str(function["name"]), "arguments": str(function.get("arguments") or "")},
                }
            self._finish = str(choice.get("finish_reason") or "stop").lower()
            usage = message.get("usage") or {}
            self._usage = {name: usage[name] for name in ("prompt_tokens", "completion_tokens") if name in usage}
        except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise CutError(f"{self._where}: the answer of {self._model} is not as the protocol has it.") from error
        self._pieces.append(text)
        return text

    def _take_call(self, part: Any) -> None:
        """Add a part of a call; some servers give every call the index 0, and each an id of its own."""
        index = part.index if part.index is not None else len(self._calls)
        at = self._places.get(index, index)
        known = self._calls.get(at)
        if known is not None and part.id and self._ids.get(at) not in (None, part.id):
            known, at = None, max(self._calls) + 1
        self._places[index] = at
        if known is None:
            known = {"id": f"call_{at}", "type": "function", "function": {"name": "", "arguments": ""}}
            self._calls[at] = known
        if part.id:
            known["id"] = self._ids[at] = part.id
        if part.function is not None:
            name = part.function.name or ""
            if name != known["function"]["name"]:  # some repeat it with every part
                known["function"]["name"] += name
            known["function"]["arguments"] += part.function.arguments or ""

    def end(self) -> Completion:
        """Return the whole answer.

        Raises:
            CutError: the server did not say that it was at its end.
            RequestError: a filter ended it.
        """
        if (self._finish is None and not self.too_many) or self._finish in _BROKE_OFF:
            raise CutError(
                f"{self._where}: the stream of {self._model} was cut after {len(self._pieces)} pieces.",
                hint="Ask again; --resume goes on where this ended.",
            )
        if self._finish in _FILTERED:
            raise RequestError(f"{self._where}: the endpoint's content filter ended the answer of {self._model}.")
        calls = tuple(call for _, call in sorted(self._calls.items()) if call["function"]["name"])
        finish: Finish = "tool_calls" if calls else "length" if self._finish in {None, *_CUT} else "stop"
        return Completion(text="".join(self._pieces), finish=finish, usage=self._usage, tool_calls=calls)


def _text(content: Any) -> str:
    """Return the text of a delta's content: a string, or parts of which some hold text."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        parts = [part if isinstance(part, str) else part.get("text") for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    raise TypeError(f"content is {type(content).__name__}")
