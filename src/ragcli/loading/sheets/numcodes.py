"""The codes of number formats, taken apart: sections for positive, negative, zero and text, and their tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r'"[^"]*"?|[\\!_*].|\[[^\]]*\]|G/通用格式|General|Standard|AM/PM|A/P|上午/下午|午前/午後'
    r"|e[+-]|y+|m+|d+|h+|s+|a{3,4}|g+|b+|e+|[0#?]|.",
    re.I | re.S,
)
ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.I)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)\]")
_LOCALE = re.compile(r"\[\$([^\]-]*)(?:-([^\]]*))?\]")
_GENERAL = ("general", "g/通用格式", "standard")
NOON = ("am/pm", "a/p", "上午/下午", "午前/午後")
_LONGEST = 255  # characters of a format, Excel's own limit; a longer one is no format


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a format, for positive numbers, negative ones, zero, or text."""

    kind: str  # date, number, general, text
    tokens: tuple[str, ...]
    condition: tuple[str, float] | None
    language: str  # of the names of days and months: zh, tw, ja or ""
    numerals: int  # 1 to 3: digits in Chinese numerals


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the sections for numbers, and the one for text."""

    sections: tuple[Section, ...]
    text: Section | None
    conditional: bool  # which section a number takes is said by comparisons, not by its sign

    @property
    def shows(self) -> bool:
        """Whether it shows something at all: ``;;;`` would hide data."""
        return any(section.tokens for section in self.sections)

    def choose(self, value: float) -> tuple[int, float]:
        """Return which section a number takes, and the number without the sign that the section itself shows."""
        sections = self.sections
        if self.conditional:
            for at, section in enumerate(sections):
                if section.condition is None or _meets(value, section.condition):
                    sign, limit = section.condition or ("", 0.0)
                    unsigned = (sign in ("<", "<=") and limit <= 0) or (at > 0 and not sign and len(sections) > 2)
                    return at, abs(value) if unsigned else value
            return len(sections) - 1, value
        if value < 0 and len(sections) > 1:
            return 1, -value
        return (2 if value == 0 and len(sections) > 2 else 0), value


def _meets(value: float, condition: tuple[str, float]) -> bool:
    sign, limit = condition
    return {
        "<": value < limit, ">": value > limit, "<=": value <= limit, ">=": value >= limit, "=": value == limit,
        "<>": value != limit,
    }[sign]  # fmt: skip


@lru_cache(maxsize=4096)
def compiled(code: str) -> Format | None:
    """Return a format, or None where it is General or none."""
    if code.lower() in _GENERAL or not code.strip() or len(code) > _LONGEST:
        return None
    parts: list[list[str]] = [[]]
    for token in _TOKEN.findall(code):
        if token == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    sections = [_section(part) for part in parts]
    text = sections[3] if len(sections) > 3 else next((one for one in sections if "@" in one.tokens), None)
    numbers = [one for one in sections[:3] if one is not text or len(sections) == 1] or sections[:1]
    conditional = any(one.condition for one in numbers)
    return Format(tuple(numbers), text if text is not None and "@" in text.tokens else None, conditional)


def _section(parts: list[str]) -> Section:
    tokens: list[str] = []
    condition, language, numerals = None, "", 0
    dated = digits = general_ = False
    for token in parts:
        small = token.lower()
        if token[0] == "[" and len(token) > 2:
            if ELAPSED.fullmatch(token):
                dated = True
                tokens.append(small)
            elif match := _CONDITION.fullmatch(token):
                condition = (match[1], float(match[2]))
            elif match := _LOCALE.fullmatch(token):
                tokens += ['"' + match[1]] if match[1] else []
                language = _language(match[2] or "") or language
            elif small.startswith("[dbnum") and small[6:7] in ("1", "2", "3"):
                numerals = int(small[6])
            continue
        if small in _GENERAL:
            general_, small = True, "general"
        elif small in NOON or (small[0] in "ymdhsagb" and small.isascii() and small.isalpha()):
            dated = True
        elif small in ("e", "ee"):
            dated = dated or not digits
        elif small in "0#?":
            digits = True
        elif token[0] in "_*" and len(token) > 1:
            continue  # blank space and filling
        tokens.append(small if token[0] not in '"\\!' else token)
    if dated and not digits:
        kind = "date"
    elif dated and digits:  # mm:ss.0 is a time, 0"d" is no date
        kind = "date" if any(token in ("h", "hh", "s", "ss", "[h]", "[s]", "[ss]", "[m]") for token in tokens) else ""
    else:
        kind = ""
    kind = kind or ("general" if general_ else "number" if digits else "text")
    return Section(kind, tuple(tokens), condition, language, numerals)


def _language(code: str) -> str:
    if code.lower().startswith(("zh", "ja")):
        return "ja" if code.lower().startswith("ja") else "tw" if code[3:5].lower() in ("tw", "hk") else "zh"
    try:
        number = int(code.partition(",")[0], 16) & 0xFFFF
    except ValueError:
        return ""
    if number in (0x404, 0xC04, 0x1404):
        return "tw"
    return {0x04: "zh", 0x11: "ja"}.get(number & 0x3FF, "")


def literal(token: str) -> str:
    """Return what a token that is text of its own shows: ``"kg"``, ``\\-``, ``元``."""
    if token[0] == '"':
        return token[1:].removesuffix('"')
    if token[0] in "\\!" and len(token) > 1:
        return token[1:]
    return token
