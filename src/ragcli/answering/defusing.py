"""A document's words as data in a prompt: no control tokens, nothing invisible, no line breaks in a name, bounded.

Only what a model is told is changed; quotes are cut from the documents as they are. Pure functions, in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ragcli.records import Hit

MOST_NAMED = 300  # characters of a source's name, and of its title and headings
MOST_HEADER = 1000  # characters of a table's header, which is repeated in every part of the table
_BACKTICKS = 60  # in a row; the fence around a text is longer than any run in it

_LINES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What shows nothing and yet is read: controls, marks of direction, zero width, Unicode's tags (an alphabet of their
# own that nobody sees). The joiners stay in texts, where emoji and Persian need them.
_HIDDEN = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_INVISIBLE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_HIDDEN}]")
_INVISIBLE_IN_NAMES = re.compile(f"[\u200c\u200d{_HIDDEN}]")
_LONG_RUN = re.compile(f"`{{{_BACKTICKS}}}(?=`)")

# Control tokens of the models in use. <|…|>: ChatML, Llama 3, GLM, gpt-oss; <｜…｜>: DeepSeek; [|…|]: EXAONE; [INST]:
# Llama 2, Mistral; <start_of_turn>: Gemma; [gMASK], <sop>: ChatGLM; <eoh>, [UNUSED_TOKEN_1]: InternLM; <reserved_1>:
# Baichuan; <seed:bos>: Seed; ]~!b[: MiniMax; <s>, <pad>, [CLS] and their like; the tags of thinking and of tools.
_CONTROL = re.compile(
    r"<(?=[|｜][^<>\n]{1,60}[|｜]>|<\s?/?SYS|/?(?:s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eoh|eoa|eot|eod|eom)>"
    r"|/?(?:start|end|begin)_of_\w{1,20}>|/?(?:reserved|unused|tokens_unused|extra_id|special"
    r"|reserved_special_token)_?\d{1,5}>"
    r"|/?seed:\w{1,30}>|/?(?:fim|image|audio|video|vision)(?:_\w{1,20})?>"
    r"|/?(?:think|thinking|thought|reasoning|tool_\w{1,20}|tools|functions?|function_calls?|role|human|bot|assistant"
    r"|system|user)>"
    r"|function=)"
    r"|\[(?=/?(?:INST|TOOL_\w{1,20}|AVAILABLE_TOOLS|SYSTEM_PROMPT|THINK|ARGS|CALL_ID|IMG\w{0,10}|AUDIO|PREFIX|MIDDLE"
    r"|SUFFIX)\]"
    r"|[gs]?MASK\]|(?:BOS|EOS|PAD|UNK|CLS|SEP)\]|[A-Z]{2,20}(?:_[A-Z]{1,20}){1,3}_\d{1,5}\]|\|[^\[\]\n]{1,30}\|\]|e~\[)"
    r"|\](?=~!?\w{0,3}\[|<\]\w{1,20}\[>\[)|◁(?=/?think▷)",
    re.IGNORECASE,
)


def defuse(text: str, special: Sequence[str] = ()) -> str:
    """Break up what a model would read as control tokens: a space after the first character.

    Text without such tokens is returned as it is.
    """
    text = _CONTROL.sub(lambda match: match.group() + " ", text)
    for token in special:
        if len(token) > 1 and token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def name(text: str, special: Sequence[str] = ()) -> str:
    """Return a name as data: on one line, without what is invisible, bounded."""
    return defuse(_short(_INVISIBLE_IN_NAMES.sub("", _LINES.sub(" ", text)), MOST_NAMED), special)


def passage(text: str, special: Sequence[str] = ()) -> str:
    """Return a text as data: without what is invisible, and without runs of backticks that would need a long fence."""
    return defuse(_LONG_RUN.sub(lambda match: match.group() + " ", _INVISIBLE.sub("", text)), special)


def bounded(hit: Hit) -> tuple[Hit, int]:
    """Return a hit with its names and its header bounded, and how many characters that leaves out."""
    headings: list[str] = []
    room = MOST_NAMED - len(hit.title or "")
    for heading in dict.fromkeys(hit.headings):
        if room <= 0:
            break
        headings.append(_short(heading, room))
        room -= len(heading)
    title = None if hit.title is None else _short(hit.title, MOST_NAMED)
    header = _short(hit.header, MOST_HEADER)
    long = len(hit.source) > MOST_NAMED
    source = "…" + hit.source[-MOST_NAMED + 1 :] if long else hit.source  # a path is known by its end
    kept = sum(map(len, (title or "", header, source, *headings)))
    whole = sum(map(len, (hit.title or "", hit.header, hit.source, *dict.fromkeys(hit.headings))))
    if kept == whole:
        return hit, 0
    return replace(hit, title=title, headings=headings, header=header, source=source), whole - kept


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
