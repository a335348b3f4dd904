"""The values of numbers as they are written: digits with 万 or million, Chinese numerals, fractions, powers, words.

Reads folded and prepared text; units and neighbours are for `ragcli.answering.facts_numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from ragcli.answering.facts_dates import value_of
from ragcli.answering.facts_numerals import (
    CN,
    DIGITS,
    ENGLISH,
    FORMAL,
    GREAT,
    ORDINALS,
    RAISED,
    SIMPLE,
    VULGAR,
    VULGAR_SIGNS,
    WORDS,
    bare,
    chinese,
    decimal,
    english,
    whole,
    with_point,
)

_ARABIC = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_TIMES = r"(?!千[克米瓦卡帕赫伏焦])[百千万亿]{1,3}"
# 千 goes with the unit in 千克, 千米.
_RUN = rf"(?:[{CN.replace('千', '')}]|千(?![克米瓦卡帕赫伏焦]))"
NUMBER = re.compile(
    rf"(?=[\d{CN}{VULGAR_SIGNS}半壹贰叁肆伍陆柒捌玖.])(?:"
    rf"(?P<per>[百千万])分之\s?(?P<perN>{_ARABIC}|[{CN}]+(?:点[〇零一二三四五六七八九]+)?|(?<=百分之)百)"
    rf"|(?P<den>\d{{1,6}}|[{CN}]{{1,6}})分之\s?(?P<num>\d{{1,9}}|[{CN}]{{1,9}})"
    rf"|(?P<whole>\d{{0,9}})\s?(?P<vulgar>[{VULGAR_SIGNS}])"
    r"|(?P<over>\d{1,9})[/⁄](?P<under>\d{1,9})(?![\d/])"
    rf"|(?:(?P<factor>\d{{1,9}}(?:\.\d{{1,9}})?)\s{{0,8}}[×x*·]\s{{0,8}})?10(?:\^\{{?(?P<power>\d{{1,2}})\}}?|(?P<raised>[{RAISED}]{{1,2}}))"
    r"|(?P<mantissa>\d{1,9}(?:\.\d{1,9})?)e\+?(?P<exponent>\d{1,2})(?![a-z\d])"
    rf"|(?P<arabic>{_ARABIC}|(?:(?<=[\s<>=≤≥~≈(])|(?<![\s\S]))\.\d{{1,4}}(?![\d年月]))(?:\s?[多余来]?(?P<times>{_TIMES}(?:\d[\d.]{{0,8}}{_TIMES}){{0,3}})"
    r"(?P<more>[1-9](?![\d%:/-]|[.,]\d))?"
    r"|[ -]?(?P<great>hundred|thousand|million|billion|trillion|bn|mn)(?![a-z])|(?P<nth>st|nd|rd|th)(?![a-z])"
    r"|(?P<suffix>[kmbw])(?![a-z0-9/^-]))?"
    rf"|(?P<formal>[壹贰叁肆伍陆柒捌玖][壹贰叁肆伍陆柒捌玖拾佰仟万亿零]{{0,15}}(?=[元圆])|[壹贰叁肆伍陆柒捌玖][拾佰仟万][壹贰叁肆伍陆柒捌玖拾佰仟万亿零]{{0,14}})"
    rf"|(?P<cn>{_RUN}+)(?:[多余来](?P<wan>[万亿]+))?(?:点(?P<point>[〇零一二三四五六七八九]+)(?![十分刻]))?(?P<ten>成(?=[以左多的、,.;。；，]|$))?"
    r"|(?P<half>半)(?=年|个?小时|个?月|天)"
    r")"
)
_SEGMENT = re.compile(r"(\d[\d.]*)?([百千万亿]{1,3})")
_PRODUCT = {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_EN_PRODUCT = GREAT | {"bn": 10**9, "mn": 10**6}
_SUFFIX = {"k": 1000, "m": 10**6, "b": 10**9, "w": 10**4}
_APPROXIMATE = re.compile("([一二三四五六七八九]?十)?([一二两三四五六七八九])([一二两三四五六七八九])([十百千万亿]*)")


class Amount(NamedTuple):
    """What a written number may be.

    Attributes:
        values: each value that it may have.
        unit: the dimension and factor that it carries in itself (百分之), or none.
        loose: lists of numbers that it may be instead: 3/4 may be 3 and 4.
        greater: the value where a letter behind it is a power and no unit: 15k, 2m, 3.5w.
        both: two values that hold together: 两三天 is two and three days.
    """

    values: tuple[Any, ...] = ()
    unit: tuple[str, Any] | None = None
    loose: tuple[tuple[Any, ...], ...] = ()
    greater: Any = None
    both: tuple[Any, ...] = ()


def amount(match: re.Match[str]) -> Amount:
    """Return what a match of ``NUMBER`` may be; no values where it is no number."""
    got = match.group
    kind = match.lastgroup
    if kind == "cn":
        return _chinese(got("cn"))
    if kind == "arabic" and len(got("arabic")) < 19 and got("arabic").isdecimal():
        return Amount((int(got("arabic")),))
    if got("per"):
        per = got("perN")
        value = decimal(bare(per)) if per[0].isdecimal() else with_point(per)
        factor = {"百": 1, "千": Fraction(1, 10), "万": Fraction(1, 100)}[got("per")]
        return Amount() if value is None else Amount((value,), ("%", factor))
    if got("den"):
        under, over = value_of(got("den")), value_of(got("num"))
        return Amount((whole(Fraction(over, under)),)) if under else Amount()
    if got("vulgar"):
        return Amount((int(got("whole") or 0) + VULGAR[got("vulgar")],))
    if got("over"):
        return _slashed(int(got("over")), int(got("under")))
    if got("power") or got("raised"):
        power = int(got("power") or "".join(str(RAISED.index(one)) for one in got("raised")))
        return Amount((whole(Fraction(got("factor") or 1) * 10**power),))
    if got("exponent"):
        return Amount((whole(Fraction(got("mantissa")) * 10 ** int(got("exponent"))),))
    if got("arabic"):
        return _arabic(match)
    if kind == "half":
        return Amount((Fraction(1, 2),))
    if got("wan"):
        return _chinese(got("cn") + got("wan"))
    run = (got("cn") or got("formal")).translate(FORMAL)
    if not got("point") and not got("ten"):
        return _chinese(run)
    value = chinese(run) if not got("point") else with_point(f"{run}点{got('point')}")
    if got("ten"):
        return Amount((value * 10,), ("%", 1)) if isinstance(value, int) and value < 11 else Amount()
    return Amount() if value is None else Amount((value,))


def _chinese(run: str) -> Amount:
    value = chinese(run)
    values = () if value is None else (value,)
    approximate = _APPROXIMATE.fullmatch(run) if len(run) > 1 else None
    if approximate is not None:
        tens, one, other, powers = approximate.groups()
        low, high = chinese((tens or "") + one + powers), chinese((tens or "") + other + powers)
        if low is not None and high is not None and low < high:
            return Amount(values, both=(low, high))
    # 五四 may be 5 and 4.
    loose = (tuple(DIGITS[one] for one in run),) if 1 < len(run) < 4 and all(one in DIGITS for one in run) else ()
    return Amount(values, loose=loose)


def _slashed(over: int, under: int) -> Amount:
    if not under:
        return Amount()
    # 3/4 is a fraction, 120/80 two numbers as often.
    loose = () if over < under <= 10 else ((over, under),)
    return Amount((whole(Fraction(over, under)),), loose=loose)


def _arabic(match: re.Match[str]) -> Amount:
    got = match.group
    digits = got("arabic")
    clean = bare(digits)
    value = decimal(clean if clean[0] != "." else f"0{clean}")
    if isinstance(value, str):
        return Amount((value,))
    if got("times"):
        total: Any = 0
        for at, (more, powers) in enumerate(_SEGMENT.findall(got("times"))):
            factor = 1
            for power in powers:
                factor *= _PRODUCT[power]
            # A point too many (1万2.3.4千) is no number.
            if more.count(".") > 1:
                return Amount((value,))
            total += (value if at == 0 else Fraction(more.rstrip(".") or 0)) * factor
        if got("more"):
            total += int(got("more")) * Fraction(factor, 10)
        return Amount((whole(Fraction(total)),))
    if got("great"):
        return Amount((whole(Fraction(value) * _EN_PRODUCT[got("great")]),))
    if got("suffix"):
        return Amount((value,), greater=whole(Fraction(value) * _SUFFIX[got("suffix")]))
    # "100,200" may be two numbers; "5,999" is one.
    if digits[0] == ".":
        return Amount((value,), loose=((int(digits[1:]),),))  # .45 ACP
    groups = re.split("[, \u00a0\u2009\u202f]", digits)
    loose = () if len(groups) < 2 or len(groups[0]) < 3 else (tuple(map(decimal, groups)),)
    return Amount((value,), loose=loose)


# --------------------------------------------------------------------------------------------------- English words

_PARTS = {
    "half": 2,
    "halve": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
_PARTED = re.compile(
    r"(?P<top>an?|one|two|three|four|five)[ -](?P<part>third|quarter|fourth|fifth|sixth|eighth|tenth)(?P<more>s?)"
    r"(?= of (?!an? )|[,.;)]|$| \w+s?\b)"
)
WORDED = re.compile(rf"(?P<words>(?:{ENGLISH})(?:(?:[ -]| and )(?:{ENGLISH}))*)(?![a-z])")


def worded(text: str) -> Iterator[re.Match[str]]:
    """Yield the numbers in English words; each word is looked for by itself, which is quicker than one expression."""
    starts: set[int] = set()
    for word in SIMPLE:
        at = text.find(word)
        while at >= 0:
            if at == 0 or not "a" <= text[at - 1] <= "z":
                starts.add(at)
            at = text.find(word, at + 1)
    end = 0
    for start in sorted(starts):
        if start >= end and (match := WORDED.match(text, start)) is not None:
            end = match.end()
            yield match


def parted(text: str, start: int) -> tuple[Any, int] | None:
    """Return the value of "two thirds" and its like at a position, and where it ends, or None."""
    match = _PARTED.match(
        text, start - 2 if text.endswith(" a ", 0, start) or (start == 2 and text[0] == "a") else start
    )
    if match is None:
        return None
    top = 1 if match["top"] in ("a", "an") else WORDS[match["top"]]
    if (top > 1) != bool(match["more"]):
        return None
    return Fraction(top, _PARTS[match["part"]]), match.end("more")


def words_of(match: re.Match[str]) -> tuple[Any, list[Any]]:
    """Return the value of number words, and what they are one by one where they are no single number."""
    words = re.split("[ -]", match.group())
    value = english(words)
    loose = [WORDS.get(word, ORDINALS.get(word, 0)) for word in words if word not in GREAT and word != "and"]
    return value, loose if value is None else []
