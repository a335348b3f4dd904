"""How many tokens a text has where the tokenizer is not known: bounds that hold for the models in use.

A Chinese character is half a token to a token and a half (Qwen and DeepSeek .6 to .7, Llama 2 nearly 2 bytes a
token), an English word 1.3. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragcli.jsonl import dumps
from ragcli.llms.protocols import Message
from ragcli.records import Json

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]")
_WIDE_LEAST = 0.4  # tokens of a Chinese character
_NARROW_WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(r"(.)\1{2,}", re.DOTALL)
_A_MESSAGE = 8  # tokens of the template around a message
_BOUND = 128  # more than any template puts around a message, a system text of its own included


def most(messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
    """Return about how many tokens a prompt has, rather too many than too few."""
    return _count(messages, tools, 1.0, 1 / 3)


def bound(messages: Sequence[Message]) -> int:
    """Return more tokens than any tokenizer makes of a prompt: one a byte."""
    return sum(len(str(message.get("content") or "").encode("utf-8", "replace")) + _BOUND for message in messages)


def least(messages: Sequence[Message], tools: Sequence[Json] = ()) -> int:
    """Return what a prompt has at the very least: an endpoint that counts fewer did not read all of it.

    A word is a token, however long; so is a run of one character, and white space and punctuation may be none at all,
    as in the tables and rules that converters pad.
    """
    texts = [_RUN.sub(r"\1", text) for text in _texts(messages, tools)]
    wide = sum(len(_WIDE.findall(text)) for text in texts)
    words = sum(len(_NARROW_WORD.findall(_WIDE.sub(" ", text))) for text in texts)
    return int(wide * _WIDE_LEAST) + words + _A_MESSAGE * len(messages)


def _count(messages: Sequence[Message], tools: Sequence[Json], a_wide: float, a_narrow: float) -> int:
    texts = _texts(messages, tools)
    length = sum(map(len, texts))
    wide = sum(len(_WIDE.findall(text)) for text in texts)
    return int(wide * a_wide + (length - wide) * a_narrow) + _A_MESSAGE * len(messages)


def _texts(messages: Sequence[Message], tools: Sequence[Json]) -> list[str]:
    return [str(message.get("content") or "") for message in messages] + (
        [dumps(list(tools)).decode()] if tools else []
    )
