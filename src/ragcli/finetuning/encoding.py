"""From a conversation to token ids and labels: what ``ask`` would send stands before what the model should write.

The prompt of each turn is made by the same code and the same template as in ``ask``, so that the model sees in training
what it will see. The loss is on the assistant's turns alone. Templates mark them seldom, so that their place is found:
a turn begins where the prompt before it ends, and ends with the token that ends an answer.

Where a template writes a turn in another way when others follow it (Qwen3 leaves out the thinking), the turns of a
conversation become rows of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragcli.errors import InputError, ModelError
from ragcli.finetuning.data.rows import ChatRow, PreferenceRow
from ragcli.jsonl import loads
from ragcli.llms.chat_template import ChatTemplate
from ragcli.llms.protocols import Message
from ragcli.records import Json

IGNORED = -100  # the label of a token that is not trained [torch.nn.CrossEntropyLoss, ignore_index]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of a row, and of each the token that is learnt there: itself, or ``IGNORED``."""

    ids: list[int]
    labels: list[int]

    @property
    def trained(self) -> int:
        """How many tokens are learnt."""
        return sum(label != IGNORED for label in self.labels)


class Encoder:
    """Encodes conversations with a tokenizer's template.

    Args:
        tokenizer: of transformers.
        folder: of the model; its generation_config.json names the tokens that end an answer.
        name: of the model, for messages.
    """

    def __init__(self, tokenizer: Any, folder: Path, name: str) -> None:
        self._name = name
        self._template = ChatTemplate(tokenizer, name, {})
        self._ends = ends_of(tokenizer, folder)
        if not self._ends:
            raise ModelError(f"{name}: no token of it ends an answer, so that it could not learn to stop.")

    def prompt(self, messages: Sequence[Message], tools: Sequence[Json] = ()) -> list[int]:
        """Return the tokens that ``ask`` would send."""
        return self._template.ids(messages, tools)

    def conversation(self, row: ChatRow) -> list[Encoded]:
        """Return a conversation as one row, or as one for each of the assistant's turns.

        Raises:
            InputError: the template does not take it.
        """
        said = [at for at, message in enumerate(row.messages) if message["role"] == "assistant"]
        turns = [at for at in said if at not in row.masked]
        if not turns:
            raise InputError(f"{row.place}: the assistant says nothing in it, so that there is nothing to learn.")
        messages = row.messages[: turns[-1] + 1]
        self._check(row.place, messages, row.tools)
        try:
            one = self._as_one(messages, row.tools, turns)
            return [one] if one is not None else [self._turn(messages[: at + 1], row.tools) for at in turns]
        except ModelError as error:
            raise InputError(f"{row.place}: {error.message}") from error

    def preference(self, row: PreferenceRow) -> tuple[list[int], list[int], list[int]]:
        """Return the tokens of a prompt and of the two answers to it.

        Raises:
            InputError: the template does not take it.
        """
        self._check(row.place, row.messages, row.tools)
        try:
            prompt = self.prompt(row.messages, row.tools)
            answers = []
            for text in (row.chosen, row.rejected):
                made = self._turn((*row.messages, {"role": "assistant", "content": text}), row.tools)
                answers.append(made.ids[len(prompt) :])
        except ModelError as error:
            raise InputError(f"{row.place}: {error.message}") from error
        return prompt, answers[0], answers[1]

    def _check(self, place: object, messages: Sequence[Message], tools: Sequence[Json]) -> None:
        calls = any(message.get("tool_calls") or message["role"] == "tool" for message in messages)
        if calls and not tools and not self._template.takes_tools:
            raise InputError(
                f"{place}: functions are called in it, and {self._name}'s template knows none.",
                hint='Give the row its "tools", which are then told in the system message.',
            )

    def _as_one(self, messages: Sequence[Message], tools: Sequence[Json], turns: Sequence[int]) -> Encoded | None:
        """Return the conversation as one row; None where its turns are written in another way alone."""
        if self._template.is_plain:
            return None
        whole = self._template.ids(messages, tools, prompting=False)
        labels = [IGNORED] * len(whole)
        end = 0
        for at in turns:
            prompt = self.prompt(messages[:at], tools)
            upto = whole if at == len(messages) - 1 else self._template.ids(messages[: at + 1], tools, prompting=False)
            start = len(prompt)
            if whole[:start] != prompt or whole[: len(upto)] != upto:
                return None
            last = self._last_end(whole, start, len(upto))
            if last is None:
                return None
            labels[start : last + 1] = whole[start : last + 1]
            end = last + 1
        return Encoded(whole[:end], labels[:end])

    def _turn(self, messages: Sequence[Message], tools: Sequence[Json]) -> Encoded:
        """Return the prompt before the last message, and the message as what is learnt."""
        prompt = self.prompt(messages[:-1], tools)
        whole = [] if self._template.is_plain else self._template.ids(messages, tools, prompting=False)
        last = self._last_end(whole, len(prompt), len(whole))
        if whole[: len(prompt)] == prompt and last is not None:
            answer = whole[len(prompt) : last + 1]
        elif messages[-1].get("tool_calls") and not tools:
            raise ModelError(f"the template of {self._name} does not show the call of a function.")
        else:
            answer = [*self._template.answer_ids(self._template.shown(messages, tools)), self._ends[0]]
        return Encoded(prompt + answer, [IGNORED] * len(prompt) + answer)

    def _last_end(self, ids: Sequence[int], start: int, end: int) -> int | None:
        """Return the place of the last token in a span that ends an answer."""
        return next((at for at in range(end - 1, start - 1, -1) if ids[at] in self._ends), None)


def ends_of(tokenizer: Any, folder: Path) -> tuple[int, ...]:
    """Return the tokens that end an answer, the tokenizer's own first."""
    told: list[int] = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for name in ("generation_config.json", "config.json"):
        try:
            value = loads((folder / name).read_bytes()).get("eos_token_id")
        except (OSError, ValueError, AttributeError):
            continue
        told += [value] if isinstance(value, int) else list(value or ())
    return tuple(dict.fromkeys(told))
