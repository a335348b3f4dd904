"""Numbers, dates and times of a text by what they mean, so that 24个月, 二十四个月 and "24 months" are one.

Everything here reads folded text (see `ragcli.answering.passages.fold_aligned`), in which `prepare` has first kept
apart what folding would join: 2½ would become 21/2, ① a number. An answer and its sources are read by the same
rules; the sources more freely, since a number more in them does no harm.

A *reading* is what a number may mean; a number has several where its form is open (3/4 is a fraction or two
numbers). It is a tuple:

    ("number", value, dimension, factor)   dimension "" where no unit is known; value an int, a Fraction or a str
    ("date", year, month, day)             0 for what is not said
    ("time", minute of the day)
    ("decade", 1980) or ("decade", 80)
    ("scaled", value)                      the value where a source counts in thousands or 万: 3.2亿 as 32,000
    ("all", reading, …)                    every one of them
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from ragcli.answering.facts_dates import (
    EN_DATE,
    RANGE,
    TIME,
    ZH_DATE,
    Reading,
    date,
    english_date,
    plain,
    time,
    value_of,
)
from ragcli.answering.facts_numerals import (
    CN,
    DIGITS,
    ENGLISH,
    FORMAL,
    GREAT,
    ORDINALS,
    SIMPLE,
    VULGAR,
    VULGAR_SIGNS,
    WEAK,
    WORDS,
    bare,
    chinese,
    decimal,
    english,
    whole,
    with_point,
)
from ragcli.answering.facts_units import COUNT, UNITS, currency_before

_ARABIC = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_TIMES = r"(?!千[克米瓦卡帕赫伏焦])[百千万亿]{1,3}"
# 千 goes with the unit in 千克, 千米.
_RUN = rf"(?:[{CN.replace('千', '')}]|千(?![克米瓦卡帕赫伏焦]))"
_NUMBER = re.compile(
    rf"(?=[\d{CN}{VULGAR_SIGNS}半壹贰叁肆伍陆柒捌玖])(?:"
    rf"(?P<per>[百千万])分之\s?(?P<perN>{_ARABIC}|[{CN}]+(?:点[〇零一二三四五六七八九]+)?)"
    rf"|(?P<den>\d{{1,6}}|[{CN}]{{1,6}})分之\s?(?P<num>\d{{1,9}}|[{CN}]{{1,9}})"
    rf"|(?P<whole>\d{{0,9}})\s?(?P<vulgar>[{VULGAR_SIGNS}])"
    r"|(?P<over>\d{1,9})[/⁄](?P<under>\d{1,9})(?![\d/])"
    rf"|(?P<arabic>{_ARABIC})(?:\s?(?P<times>{_TIMES}(?:\d[\d.]{{0,8}}{_TIMES}){{0,3}})"
    r"|[ -]?(?P<great>hundred|thousand|million|billion|trillion|bn|mn)(?![a-z])|(?P<nth>st|nd|rd|th)(?![a-z]))?"
    rf"|(?P<formal>[壹贰叁肆伍陆柒捌玖][壹贰叁肆伍陆柒捌玖拾佰仟万亿零]{{0,15}}(?=[元圆])|[壹贰叁肆伍陆柒捌玖][拾佰仟万][壹贰叁肆伍陆柒捌玖拾佰仟万亿零]{{0,14}})"
    rf"|(?P<cn>{_RUN}+)(?:点(?P<point>[〇零一二三四五六七八九]+)(?![十分刻]))?(?P<ten>成(?=[以左多的、,.;。；，]|$))?"
    r"|(?P<half>半)(?=年|个?小时|个?月|天)"
    r")"
)
_WORDED = re.compile(rf"(?P<words>(?:{ENGLISH})(?:(?:[ -]| and )(?:{ENGLISH}))*)(?![a-z])")
_SEGMENT = re.compile(r"(\d[\d.]*)?([百千万亿]{1,3})")
_PIECES = re.compile(r"\d+(?:\.\d+)?")
_PRODUCT = {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_EN_PRODUCT = GREAT | {"bn": 10**9, "mn": 10**6}
# What stands before 一 and makes it an article or a part of a word.
_ARTICLE = frozenset("这那同每某有唯任万统专单逐进另哪又早晚终前后头此")


class Quantity(NamedTuple):
    """A number, date or time: ``start`` and ``end`` in the folded text, what it may mean, whether to check it.

    ``sure`` is false for what is as often a word as a number (一个, "one of"). A tuple, since long sources make
    thousands of them.
    """

    kind: str
    start: int
    end: int
    readings: tuple[Reading, ...]
    sure: bool = True


def _amount(match: re.Match[str]) -> tuple[list[Any], list[list[Any]], str]:
    """Return the values that a number may have, what its pieces may be instead, and its unit where it carries one."""
    kind = match.lastgroup
    got = match.group
    if kind == "cn":
        run = got("cn")
        value = chinese(run)
        return [value] if value is not None else [], _loose_digits(run, value), ""
    if kind == "arabic" and len(got("arabic")) < 19 and got("arabic").isdecimal():
        return [int(got("arabic"))], [], ""
    if got("per"):
        value = decimal(bare(got("perN"))) if got("perN")[0].isdecimal() else with_point(got("perN"))
        unit = {"百": "%", "千": "‰", "万": ""}[got("per")]
        return ([] if value is None else [value if unit else Fraction(value, 10**4)]), [], unit
    if got("den"):
        under, over = value_of(got("den")), value_of(got("num"))
        return ([whole(Fraction(over, under))] if under else []), [], ""
    if got("vulgar"):
        return [int(got("whole") or 0) + VULGAR[got("vulgar")]], [], ""
    if got("over"):
        over, under = int(got("over")), int(got("under"))
        return ([whole(Fraction(over, under))] if under else []), [[over, under]], ""
    if got("arabic"):
        digits = got("arabic")
        clean = bare(digits)
        value = decimal(clean)
        pieces = [[decimal(one) for one in _PIECES.findall(digits)]] if len(clean) != len(digits) else []
        if isinstance(value, str):
            return [value], pieces, ""
        if got("times"):
            total: Any = 0
            for at, (more, powers) in enumerate(_SEGMENT.findall(got("times"))):
                factor = 1
                for power in powers:
                    factor *= _PRODUCT[power]
                # A point too many (1万2.3.4千) is no number.
                if more.count(".") > 1:
                    return [value], pieces, ""
                total += (value if at == 0 else Fraction(more.rstrip(".") or 0)) * factor
            return [whole(Fraction(total))], pieces, ""
        if got("great"):
            return [whole(Fraction(value) * _EN_PRODUCT[got("great")])], pieces, ""
        return [value], pieces, ""
    if kind == "half":
        return [Fraction(1, 2)], [], ""
    run = (got("cn") or got("formal")).translate(FORMAL)
    value = chinese(run) if not got("point") else with_point(f"{run}点{got('point')}")
    if got("ten"):
        return ([value * 10] if isinstance(value, int) and value < 11 else []), [], "%"
    return ([] if value is None else [value]), _loose_digits(run, value), ""


def _loose_digits(run: str, value: Any) -> list[list[Any]]:
    """Return the digits of what is no single number: 三四十, or 五四, which may be 5 and 4."""
    return [[DIGITS[one]] for one in run if one in DIGITS] if value is None or _digits_only(run) else []


def _digits_only(run: str) -> bool:
    return 1 < len(run) < 4 and all(one in DIGITS for one in run)


def _number(text: str, match: re.Match[str]) -> Quantity | None:
    values, pieces, unit = _amount(match)
    start, end = match.span()
    kind = match.lastgroup
    ordinal = kind == "nth" or (start > 0 and text[start - 1] == "第")
    dimension, factor = unit, 1
    if not unit:
        found = UNITS.at(text, end)
        if found is not None:
            dimension, factor, end, extra = found
            if extra:
                values = [value + extra for value in values if not isinstance(value, str)]
    if not dimension or dimension == COUNT:
        before = currency_before(text, start)
        if before is not None:
            dimension, factor, start = before
    if ordinal:
        start -= kind != "nth"
        if dimension != "century":
            dimension, factor = "", 1
    readings: list[Reading] = [("number", value, dimension, factor) for value in values]
    if pieces:
        readings += [("all", *[plain(one) for one in some]) for some in pieces]
    if values and isinstance(values[0], int) and values[0] < 32 and text.startswith("号", end):
        readings.append(("date", 0, 0, values[0]))
    if kind == "under" and int(match["over"]) < 13 and int(match["under"]) < 32:
        readings.append(("date", 0, int(match["over"]), int(match["under"])))
    elif (kind == "times" or kind == "great") and values and not isinstance(values[0], str):
        readings.append(("scaled", values[0]))
    if not readings:
        return None
    sure = True
    if kind == "cn":
        sure = _is_number(text, match.start(), match.end(), match["cn"], dimension, ordinal, bool(values))
    return Quantity("number", start, end, tuple(readings), sure)


def _worded_number(text: str, match: re.Match[str], *, free: bool) -> Quantity | None:
    words = re.split("[ -]", match.group())
    value = english(words)
    end = match.end()
    dimension, factor = "", 1
    found = UNITS.at(text, end)
    # "second" is mostly no unit here, and "twentieth" counts no things.
    if found is not None and (words[-1] not in ORDINALS or found[0] == "century"):
        dimension, factor, end, _ = found
    readings = [] if value is None else [("number", value, dimension, factor)]
    if free and len(words) > 1:
        readings += [plain(WORDS.get(word, ORDINALS.get(word, 0))) for word in words if word not in GREAT]
    if not readings:
        return None
    sure = value is not None and match.group() not in WEAK and words[0] not in GREAT
    return Quantity("number", match.start(), end, tuple(readings), sure)


_WORDS_ZH = ("四周", "八十九十", "七八")


def _is_number(text: str, start: int, end: int, run: str, dimension: str, ordinal: bool, valued: bool) -> bool:
    """Whether a run of Chinese numerals in an answer is a number and not a part of a word."""
    if ordinal:
        return valued
    if not valued or run[0] in "百千万亿零" or text.startswith(_WORDS_ZH, start):
        return False
    if dimension and dimension != COUNT:
        return run != "一" or (not (start and text[start - 1] in _ARTICLE) and text[end : end + 1] not in "天日周")
    if run in ("一", "十") and not (run == "十" and dimension):
        return False
    if dimension:
        return True
    return len(run) > 1 and (bool(set(run) & set("十百千万亿廿卅")) or "〇" in run) and not text.startswith("分", end)


_LATER = re.compile(r"(\d\d)\d\d\s?[-–—~至到/]\s?(\d\d)(?!\d)")


def quantities(text: str, *, free: bool = False) -> Iterator[Quantity]:
    """Yield the numbers, dates and times of a folded text: dates first, then times, then numbers.

    Args:
        text: folded text; what is not to be read in it may be replaced by NUL characters.
        free: whether to read a source, where what may be a number counts as one.
    """
    made: list[Quantity] = []
    last: tuple[int, Reading] = (-9, ("date", 0, 0, 0))

    def take(match: re.Match[str], readings: list[Reading], kind: str = "date") -> str:
        if not readings:
            return match.group()
        made.append(Quantity(kind, match.start(), match.end(), tuple(readings)))
        return "\0" * (match.end() - match.start())

    def take_date(match: re.Match[str]) -> str:
        nonlocal last
        readings = date(match)
        if readings and readings[0][0] == "date":
            first = readings[0]
            # 2020年3月至5月, 10月4至6日: the second goes on from the first.
            if (
                free
                and not first[1]
                and 0 <= match.start() - last[0] < 5
                and RANGE.fullmatch(text, last[0], match.start())
            ):
                first = ("date", last[1][1], first[2] or last[1][2], first[3])
                readings.append(first)
            last = match.end(), first
        return take(match, readings)

    if free:
        for match in _LATER.finditer(text):
            made.append(Quantity("date", *match.span(), (("date", int(match[1] + match[2]), 0, 0),)))  # noqa: PERF401
    rest = ZH_DATE.sub(take_date, text)
    rest = EN_DATE.sub(lambda match: take(match, english_date(match)), rest)
    rest = TIME.sub(lambda match: take(match, time(match)), rest)
    yield from made
    end = 0
    for match in _NUMBER.finditer(rest):
        # What was taken as a unit is no number: 5千米.
        if match.start() >= end:
            found = _number(rest, match)
            if found is not None:
                end = found.end
                yield found
    for match in _worded(rest):
        found = _worded_number(rest, match, free=free)
        if found is not None:
            yield found


def _worded(text: str) -> Iterator[re.Match[str]]:
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
        if start >= end and (match := _WORDED.match(text, start)) is not None:
            end = match.end()
            yield match


# What says one or two without a number.
_ONE = re.compile("首[次个届位任座部名款家批条]|single|once")
_TWO = re.compile("双|俩|一对|both|twice|couple|pair")
_IN_THOUSANDS = re.compile(r"单位|[(（][^()（）\n]{0,8}[千万亿]|\b(?:in|000) (?:thousand|million|billion)s?\b")


_SCALES = (1000, 10**4, 10**6, 10**8, 10**9)


class Quantities:
    """The numbers, dates and times of the sources, to be asked whether they hold one of an answer."""

    def __init__(self, folded: str) -> None:
        self._values: set[Any] = set()
        self._bare: set[Any] = set()
        self._measured: set[tuple[str, Any]] = set()
        self._dates: set[tuple[int, int, int]] = set()
        self._yearless: set[tuple[int, int]] = set()
        self._times: set[int] = set()
        self._decades: set[int] = set()
        self._folded = folded
        self._scaled: bool | None = None
        for one in quantities(folded, free=True):
            for reading in one.readings:
                self._add(reading)
        for sign, value in ((_ONE, 1), (_TWO, 2)):
            if sign.search(folded):
                self._bare.add(value)
                self._values.add(value)

    def _add(self, reading: Reading) -> None:
        name = reading[0]
        if name == "number":
            _, value, dimension, factor = reading
            self._values.add(value)
            if not dimension:
                self._bare.add(value)
            elif not isinstance(value, str):
                self._measured.add((dimension, value * factor))
            else:
                self._measured.add((dimension, value))
        elif name == "date":
            _, y, m, d = reading
            self._dates |= {(y, m, d), (y, m, 0), (y, 0, 0), (0, m, d), (0, m, 0), (0, 0, d)}
            if y:
                self._values.add(y)
            elif m:
                self._yearless |= {(m, d), (m, 0)}
        elif name == "time":
            self._times.add(reading[1])
            # 下午2点到4点: the second hour is a bare number.
            self._values |= {reading[1] // 60, reading[1] // 60 % 12}
        elif name == "decade":
            self._decades |= {reading[1], reading[1] % 100 if reading[1] > 99 else reading[1] + 10_000}
        elif name == "all":
            for part in reading[1:]:
                self._add(part)

    def hold(self, readings: tuple[Reading, ...]) -> bool:
        """Return whether one of the readings occurs."""
        return any(self._holds(reading) for reading in readings)

    def _holds(self, reading: Reading) -> bool:
        name = reading[0]
        if name == "number":
            _, value, dimension, factor = reading
            if not dimension:
                return value in self._values
            scaled = value if isinstance(value, str) else value * factor
            if (dimension, scaled) in self._measured or value in self._bare:
                return True
            # 98年 may be 1998.
            return (
                factor == 12
                and isinstance(value, int)
                and value < 100
                and ((1900 + value, 0, 0) in self._dates or (2000 + value, 0, 0) in self._dates)
            )
        if name == "date":
            _, y, m, d = reading
            if (y, m, d) in self._dates:
                return True
            known = (y, 0, 0) in self._dates or y in self._bare
            # 98年 was 1998.
            known = known or (1960 <= y < 2000 and ("month", y % 100 * 12) in self._measured)
            return bool(y) and known and ((not m and not d) or (m, d) in self._yearless)
        if name == "time":
            return reading[1] in self._times
        if name == "decade":
            value = reading[1]
            return value in self._decades or (value > 99 and value % 100 + 10_000 in self._decades)
        if name == "scaled":
            if self._scaled is None:
                self._scaled = bool(_IN_THOUSANDS.search(self._folded))
            return self._scaled and any(whole(Fraction(reading[1], scale)) in self._bare for scale in _SCALES)
        return all(self._holds(part) for part in reading[1:])
