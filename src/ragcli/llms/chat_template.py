"""From messages to token ids, by the chat template of a tokenizer of transformers.

The texts that the template itself writes become control tokens; the same texts in a document or a question do not:
they are cut in two before the template sees them, and the parts are encoded one by one. So a passage cannot end the
user's turn and speak as the system.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from ragcli.errors import ModelError
from ragcli.jsonl import clean, loads
from ragcli.llms.protocols import Message
from ragcli.llms.toolprompt import described
from ragcli.records import Json

# A noncharacter of Unicode, which no text holds (others are tried if one does): where a control text is cut.
_CUTS = "\ufdd0\ufdd1\ufdd2\ufdd3"
_PLAIN = {"system": "{}\n\n", "user": "Question: {}\n", "assistant": "Answer: {}\n\n", "tool": "{}\n\n"}
_PLAIN_STOP = "\nQuestion:"
_THINK = "<think>"

_log = logging.getLogger("ragcli")


class ChatTemplate:
    """A tokenizer's chat template, or a plain form where it has none.

    Args:
        tokenizer: of transformers.
        name: of the model, for messages.
        kwargs: further values for the template, such as ``enable_thinking``.

    Raises:
        ModelError: the template cannot be read.
    """

    def __init__(self, tokenizer: Any, name: str, kwargs: Json) -> None:
        self._tokenizer, self._name, self._kwargs = tokenizer, name, kwargs
        self._is_plain = not tokenizer.chat_template
        if self._is_plain:
            _log.warning("%s has no chat template; it is asked with Question: and Answer:", name)
        text = "" if self._is_plain else str(tokenizer.chat_template)
        self._takes_tools = "tools" in text
        special = set(tokenizer.all_special_tokens)
        added = [str(token) for token in tokenizer.added_tokens_decoder.values()]
        # Beside the special ones a template has others, <think> and <tool_call>; not all that is added is control.
        beside = [one for one in added if one not in special and one.strip() and len(one) > 1 and one in text]
        special |= {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        self.control = tuple(sorted(one for one in special if len(one) > 1)) + tuple(sorted(beside))
        self._special_pattern = _any_of(special)
        self._control_pattern = _any_of(self.control)
        self._anchor = self._find_anchor()
        self._takes_system = self._is_plain or self._shows_system()

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer beside the end token: a model without a template goes on with a question."""
        return (_PLAIN_STOP,) if self._is_plain else ()

    @property
    def is_plain(self) -> bool:
        """Whether the tokenizer has no template, and the plain form is used."""
        return self._is_plain

    @property
    def takes_tools(self) -> bool:
        """Whether the template itself shows tools; else they are told in the system message."""
        return self._takes_tools

    def shown(self, messages: Sequence[Message], tools: Sequence[Json]) -> str:
        """Return the text of the last message as the model should write it, calls of functions included."""
        told = described(messages[-1:], tools)[-1] if messages[-1].get("tool_calls") else messages[-1]
        return told["content"]

    def ids(self, messages: Sequence[Message], tools: Sequence[Json] = (), *, prompting: bool = True) -> list[int]:
        """Return the tokens of a prompt.

        Args:
            messages: the conversation.
            tools: the functions that the model may call.
            prompting: the assistant's turn is opened at the end; without it the conversation stands for itself.

        Raises:
            ModelError: the template does not take these messages.
        """
        return self._joined(*self._render(messages, tools, prompting))

    def answer_ids(self, content: str) -> list[int]:
        """Return the tokens of what the assistant says, without what a template puts around it."""
        text = clean(content)
        cut = next((one for one in _CUTS if one not in text), _CUTS[0])
        safe = _cut(text.replace(cut, "\ufffd"), self._special_pattern, cut)
        return self._joined(f" {safe}" if self._is_plain else safe, cut, leading=False)

    def _joined(self, text: str, cut: str, *, leading: bool = True) -> list[int]:
        first, *others = text.split(cut)
        ids = self._encode(first)
        for part in others:
            ids += self._encode(self._anchor + part)[1:] if self._anchor else self._encode(part)
        if self._is_plain and leading:
            lead = self._tokenizer.bos_token_id
            empty = self._tokenizer("", verbose=False)["input_ids"]
            ids = [lead, *ids] if lead is not None and empty[:1] == [lead] else ids
        return ids

    def opens_thinking(self, ids: Sequence[int]) -> bool:
        """Whether a prompt ends with the start of the model's thinking, as some templates have it."""
        return bool(self._tokenizer.decode(list(ids[-4:]), skip_special_tokens=False).rstrip().endswith(_THINK))

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _find_anchor(self) -> str:
        """Return a control token to encode later parts behind, since some tokenizers put a space before a text."""
        for token, added in self._tokenizer.added_tokens_decoder.items():
            if added.special and not added.rstrip and self._encode(str(added) + "a")[:1] == [token]:
                return str(added)
        return ""

    def _render(self, messages: Sequence[Message], tools: Sequence[Json], prompting: bool) -> tuple[str, str]:
        """Return the prompt, and the character at which control texts of its contents are cut."""
        contents = [clean(message.get("content") or "") for message in messages]
        cut = next((one for one in _CUTS if not any(one in content for content in contents)), _CUTS[0])
        safe: list[Message] = []
        for message, content in zip(messages, contents, strict=True):
            # What the model said itself may hold its thinking, which its template looks for.
            pattern = self._special_pattern if message["role"] == "assistant" else self._control_pattern
            safe.append({**message, "content": _cut(content.replace(cut, "\ufffd"), pattern, cut)})
        if tools and not self._takes_tools:
            safe, tools = described(safe, tools), ()
        elif not self._takes_tools:
            safe = [{"role": one["role"], "content": one["content"]} for one in safe]
        if self._is_plain:
            told = [_PLAIN[message["role"]].format(message["content"]) for message in safe]
            return "".join(told) + ("Answer:" if prompting else ""), cut
        if not self._takes_system:
            safe = _merged(safe)
        return self._apply([_plain_json(one) for one in safe], tools, prompting), cut

    def _apply(self, messages: Sequence[Json], tools: Sequence[Json], prompting: bool = True) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages, tools=list(tools) or None, tokenize=False, add_generation_prompt=prompting, **self._kwargs
                )
            )
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{self._name}: its chat template does not take these messages: {reason}.") from error

    def _shows_system(self) -> bool:
        """Whether the template takes system messages: some raise an error, others leave them out in silence."""
        probe = "ragcli-probe"
        messages = [{"role": "system", "content": probe}, {"role": "user", "content": "?"}]
        try:
            return probe in self._apply(messages, ())
        except ModelError:
            return False


def _any_of(texts: Sequence[str] | set[str]) -> re.Pattern[str] | None:
    wanted = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, wanted))) if wanted else None


def _cut(text: str, pattern: re.Pattern[str] | None, cut: str) -> str:
    """Return a text whose control texts are cut behind their first character, until no part is one."""
    if pattern is None:
        return text
    parts, at = [], 0
    while match := pattern.search(text, at):
        parts.append(text[at : match.start() + 1])
        at = match.start() + 1
    return cut.join([*parts, text[at:]])


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the system's put before the first of the user."""
    system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
    others = [one for one in messages if one["role"] != "system"]
    if not system:
        return others
    for at, one in enumerate(others):
        if one["role"] == "user":
            return [*others[:at], {**one, "content": f"{system}\n\n{one['content']}"}, *others[at + 1 :]]
    return [{"role": "user", "content": system}, *others]


def _plain_json(message: Message) -> Json:
    """Return a message as templates want it: the arguments of calls as an object, not as text."""
    out: Json = dict(message)
    if message.get("tool_calls"):
        calls = []
        for call in message["tool_calls"]:
            arguments: Any = call["function"]["arguments"]
            try:
                arguments = loads(arguments.encode()) if arguments else {}
            except ValueError:  # the model wrote no JSON; the template shows the text
                pass
            calls.append({**call, "function": {**call["function"], "arguments": arguments}})
        out["tool_calls"] = calls
    return out
