"""Fields of Word that hold what they show in their instruction, as EQ does: characters with how they are spoken."""

from __future__ import annotations

import re

_RUBY = re.compile(r"\\s\s*\\up\s*\d*\s*\((.*?)\)\s*[,;](.*?)\)?$", re.S)
_ARGUMENT = re.compile(r"\\[a-z*]+\s*\d*|[(){}]", re.I)


def equation(instruction: str) -> str:
    r"""Return what an EQ field shows: ``EQ \o(\s\up 9(kana),kanji)`` as ``kanji(kana)``; nothing for other fields."""
    said = instruction.strip()
    kind, _, rest = said.partition(" ")
    if kind.upper() != "EQ":
        return ""
    ruby = _RUBY.search(said)
    if ruby:
        return f"{_ARGUMENT.sub('', ruby[2]).strip()}({_ARGUMENT.sub('', ruby[1]).strip()})"
    return " ".join(_ARGUMENT.sub(" ", rest).replace(",", " ").split())
