"""Numerals in Chinese and English words to their values, and what must not become digits when a text is folded.

`prepare` goes before folding, which would make 21/2 of 2½ and a number of ①; raised digits become characters of their
own.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ragcli.answering.terms import fold
from ragcli.language import simplified

_HALVES = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)}
_HALVES |= {"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)}
_PRIVATE = {one: chr(0xF100 + at) for at, one in enumerate(_HALVES)}
VULGAR = {_PRIVATE[one]: Fraction(*pair) for one, pair in _HALVES.items()}
VULGAR_SIGNS = "".join(VULGAR)
_ENCLOSED = "①-⓿❶-➓㈠-㈩㉈-㉏㉑-㉟㊀-㊉㊱-㊿🄀-🄊⑴-⒛"
RAISED = "".join(chr(0xF120 + at) for at in range(10))  # stand for ⁰ to ⁹
_APART = re.compile(f"[{''.join(_HALVES)}{_ENCLOSED}⁰¹²³⁴-⁹○◯]")
_LIKE = _PRIVATE | dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", RAISED, strict=True))
_ZERO = re.compile("(?<=[〇零一二三四五六七八九○◯])[○◯]|[○◯](?=[一二三四五六七八九])")
_BROKEN = re.compile(r"(?<=[A-Za-z])-\n(?=[a-z])")  # a word that goes on in the next line
# What has no width: a source may have it within a word.
_FORMAT = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


_COMBINING = re.compile("[\u0300-\u036f]")


class _Folds(dict[str, str]):
    def __missing__(self, one: str) -> str:
        self[one] = folded = fold(one)
        return folded


_FOLDS = _Folds()


@lru_cache(maxsize=1)
def _changing() -> re.Pattern[str]:
    """Return what matches a character that folding may change; most Chinese ones it does not."""
    han = "".join(map(chr, range(0x3400, 0xA000)))
    traditional = "".join(one for one, new in zip(han, simplified(han), strict=True) if one != new)
    return re.compile(f"[^\\x00-\\x7f\u3400-\u9fff]|[{traditional}]")


def fold_source(text: str) -> str:
    """Return a text prepared and folded as `fold_aligned` does it, without offsets and quicker where it is Chinese."""
    text = prepare(visible(_BROKEN.sub("-", text)))
    if text.isascii():
        return text.lower()
    return _COMBINING.sub("", _changing().sub(lambda match: _FOLDS[match.group()], text)).lower()


def prepare(text: str) -> str:
    """Return the text, of the same length, with ½ and its like, ① and raised digits kept from becoming digits."""
    if text.isascii() or not _APART.search(text):
        return text
    text = _ZERO.sub("〇", text)
    return _APART.sub(lambda match: _LIKE.get(match.group(), "\uf1ff"), text)


def visible(text: str) -> str:
    """Return the text without what has no width: zero-width spaces, soft hyphens, marks of direction."""
    return text if text.isascii() else _FORMAT.sub("", text)


DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_POWERS = {"十": 10, "百": 100, "千": 1000}
FORMAL = str.maketrans("壹贰叁参肆伍陆柒捌玖拾佰仟圆", "一二三三四五六七八九十百千元")
CN = "〇零一二两三四五六七八九十百千万亿廿卅"


def chinese(run: str) -> int | None:
    """Return the value of a run of Chinese numerals, or None where it is not one number (三四十, 万千).

    A run of digits alone is read digit by digit, as years are; at most 18 characters are a number.
    """
    if len(run) > 18:
        return None
    if len(run) == 1 and run in DIGITS:
        return DIGITS[run]
    run = run.replace("廿", "二十").replace("卅", "三十")
    if all(one in DIGITS for one in run):
        return int("".join(str(DIGITS[one]) for one in run))
    total = section = digit = 0
    held = False  # whether a digit waits for its power
    last, before = 10**12, 10**12
    for at, one in enumerate(run):
        if one in DIGITS:
            if held:
                return None
            if one in "零〇":
                last = 10
                continue
            digit, held = DIGITS[one], True
            # 两万五 is 25,000, 一百二 is 120.
            if at == len(run) - 1 and at and run[at - 1] in "百千万亿":
                return total + section + digit * {"百": 10, "千": 100, "万": 1000, "亿": 10**7}[run[at - 1]]
        elif one in _POWERS:
            power = _POWERS[one]
            if (power >= last and last != 10) or (not held and at and power != 10):
                return None
            section += (digit if held else 1) * power
            digit, held, last = 0, False, power
        else:
            power = 10**4 if one == "万" else 10**8
            section += digit
            if at and run[at - 1] == "万" and power == 10**8:
                total *= power  # 万亿
            elif section == 0 and at:
                return None
            elif power > before:
                total, section = (total + section) * power, 0
            else:
                total += (section or 1) * power
            section = digit = 0
            held, last, before = False, 10**12, power
    return total + section + digit


_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
_ONES += ["seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NTH = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
]
_NTH += ["fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"]
WORDS = {word: at for at, word in enumerate(_ONES)} | {word: 20 + 10 * at for at, word in enumerate(_TENS)}
ORDINALS = {word: at for at, word in enumerate(_NTH)}
ORDINALS |= {word[:-1] + "ieth": 20 + 10 * at for at, word in enumerate(_TENS)} | {"hundredth": 100}
GREAT = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
ENGLISH = "|".join(sorted([*WORDS, *ORDINALS, *GREAT], key=len, reverse=True))
# What a number in words may begin with, each that begins with another one left out: four in fourteen.
SIMPLE = [
    one for one in (*WORDS, *ORDINALS, *GREAT) if not any(one != w and one.startswith(w) for w in ENGLISH.split("|"))
]
# Words that say something else as often as a number.
WEAK = frozenset(["zero", "one", "first", "second", "hundred", "thousand", "million", "billion", "trillion", "dozen"])


def english(words: list[str]) -> int | None:
    """Return the value of English number words (``["two", "hundred", "and", "five"]``), or None."""
    total = section = 0
    last = 10**15
    for word in words:
        if word in GREAT:
            great = GREAT[word]
            if great == 100 or great == 12:
                section = (section or 1) * great
            else:
                total, section = total + (section or 1) * great, 0
            last = 10**15
        elif word != "and":
            value = WORDS[word] if word in WORDS else ORDINALS[word]
            if (value >= 20 and last < 100) or (value < 20 and last < 20) or (value == 0 and len(words) > 1):
                return None
            section, last = section + value, value
    return total + section


def decimal(text: str) -> Any:
    """Return digits with or without a point as an int or Fraction; more than 18 as they stand."""
    if len(text) > 18:
        head, _, tail = text.partition(".")
        return (head.lstrip("0") or "0") + (f".{tail.rstrip('0')}" if tail.rstrip("0") else "")
    if "." not in text:
        return int(text)
    return whole(Fraction(text))


def whole(value: Fraction) -> Any:
    """Return a whole number as an int."""
    return value.numerator if value.denominator == 1 else value


def bare(digits: str) -> str:
    """Return digits without what parts thousands."""
    return re.sub(r"[^\d.]", "", digits)


def with_point(text: str) -> Any:
    """Return the value of Chinese numerals with 点, or None."""
    head, _, tail = text.partition("点")
    value = chinese(head)
    if value is None or not tail or len(tail) > 18:
        return value
    return whole(value + Fraction(int("".join(str(DIGITS[one]) for one in tail)), 10 ** len(tail)))
