"""Numbers, dates and times of a text by what they mean, so that 24个月, 二十四个月 and "24 months" are one.

Everything here reads folded text (see `ragcli.answering.passages.fold_aligned`), in which `prepare` has first kept
apart what folding would join: 2½ would become 21/2, ① a number. An answer and its sources are read by the same
rules; the sources more freely, since a number more in them does no harm, and with an eye on what stands beside a
number without a unit: 第3条 or "page 3" is no three years, while 3 in a cell of a table may be.

A *reading* is what a number may mean; a number has several where its form is open (3/4 is a fraction or two
numbers). It is a tuple:

    ("number", value, dimension, factor)   dimension "" where no unit is known; value an int, a Fraction or a str
    ("date", year, month, day)             0 for what is not said; a year before Christ is negative
    ("time", minute of the day)
    ("decade", 1980) or ("decade", 80)
    ("quarter", 1)                         of a year
    ("short", 98)                          98年, which may be 1998
    ("digits", "4001234567")               a telephone number and the like
    ("scaled", value)                      the value where a source counts in thousands or 万: 3.2亿 as 32,000
    ("all", reading, …)                    every one of them
    ("any", reading, …)                    one of them
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from ragcli.answering import facts_dates as dates
from ragcli.answering.facts_amounts import NUMBER, amount, parted, worded, words_of
from ragcli.answering.facts_dates import EN_DATE, QUARTER, RANGE, TIME, ZH_DATE, Reading, plain
from ragcli.answering.facts_neighbours import (
    IDIOMS,
    beside,
    indexes,
    is_number,
    is_word_number,
    phone_numbers,
    sign,
    tail,
)
from ragcli.answering.facts_numerals import GREAT, ORDINALS, whole
from ragcli.answering.facts_units import COUNT, LEVEL, PLAIN, TIMES, UNITS, currency_before


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


_WITHIN = re.compile(r"(?<![a-z])within an? (minute|hour|day|week|month|year)(?![a-z])")
_QUARTERS = re.compile("季度|quarter|q[1-4]")
_LATER = re.compile(r"(\d\d)\d\d\s?[-–—~至到/]\s?(\d\d)(?!\d)")
_SHORT = re.compile(r"(?<!\d)(\d\d)年")
_YEAR_BEFORE = re.compile(r"(?:^|[\s,，。.、;；:：(（“\"'\0于在自从至到~–—-])$")
_CHRIST = re.compile(r"\s?(?:(?P<before>b\.c\.(?:e\.)?|bce?)|a\.d\.|ad|c\.e\.|ce)(?![a-z])")
_NO_YEAR = "内期以之间多余来后前的+"


def quantities(text: str, *, free: bool = False) -> Iterator[Quantity]:
    """Yield the numbers, dates and times of a folded text: dates first, then times, then numbers.

    Args:
        text: folded text; what is not to be read in it may be replaced by NUL characters.
        free: whether to read a source, where what may be a number counts as one.
    """
    made: list[Quantity] = []
    if free:
        for match in _LATER.finditer(text):
            made.append(Quantity("date", *match.span(), (("date", int(match[1] + match[2]), 0, 0),)))  # noqa: PERF401
    rest = _dates(text if free else IDIOMS.sub(lambda match: "\0" * len(match.group()), text), made, free=free)
    for start, end, digits in phone_numbers(rest):
        made.append(Quantity("number", start, end, (("digits", digits),)))
        if not free:
            rest = f"{rest[:start]}{chr(0) * (end - start)}{rest[end:]}"
    yield from made
    yield from _joined(rest, _numbers(rest, free=free), free=free)
    if free:
        yield from _once(rest)
    else:
        for match in _WITHIN.finditer(rest):
            of = UNITS.at(rest, match.end() - len(match[1]))
            if of is not None:
                yield Quantity("number", match.start(1), match.end(), (("number", 1, *of.kinds[0]),))


def _dates(text: str, made: list[Quantity], *, free: bool) -> str:
    """Add the dates and times of a text, and return it without them."""
    last: tuple[int, Reading] = (-9, ("date", 0, 0, 0))

    def take(match: re.Match[str], readings: list[Reading], *, keep: bool = False) -> str:
        if not readings:
            return match.group()
        made.append(Quantity("date", match.start(), match.end(), tuple(readings)))
        return match.group() if keep else "\0" * (match.end() - match.start())

    def take_date(match: re.Match[str]) -> str:
        nonlocal last
        readings = dates.date(match)
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

    def take_time(match: re.Match[str]) -> str:
        certain = dates.is_time(match)
        return take(match, dates.time(match), keep=not certain) if certain or free else match.group()

    rest = ZH_DATE.sub(take_date, text)
    rest = EN_DATE.sub(lambda match: take(match, dates.english_date(match)), rest)
    if _QUARTERS.search(rest):
        rest = QUARTER.sub(lambda match: take(match, dates.quarter(match)), rest)
    return TIME.sub(take_time, rest)


class _Number(NamedTuple):
    """A number with its values and what it may measure, before its neighbours are looked at."""

    start: int
    end: int
    values: tuple[Any, ...]
    kinds: tuple[tuple[str, Any], ...]  # dimension and factor; none where no unit is known
    more: tuple[Reading, ...]
    sure: bool


def _numbers(text: str, *, free: bool) -> list[_Number]:
    found: list[_Number] = []
    end = 0
    index = indexes(text) if free else frozenset()
    for match in NUMBER.finditer(text):
        # What was taken as a unit is no number: 5千米.
        if match.start() >= end:
            one = _number(text, match, found[-1].end if found else -9, index, free=free)
            if one is not None:
                end = one.end
                found.append(one)
    ends = [one.end for one in found]
    words: list[_Number] = []
    for match in worded(text):
        at = bisect_right(ends, match.start())
        # The million of "2 million" is no number of its own.
        if at == len(found) or found[at].start > match.start():
            named = _worded_number(text, match, free=free)
            if named is not None:
                words.append(named)
    return sorted((*found, *words), key=lambda one: one.start) if words else found


def _number(text: str, match: re.Match[str], before: int, index: frozenset[int], *, free: bool) -> _Number | None:
    read = amount(match)
    values = list(read.values)
    start, end = match.span()
    kind = match.lastgroup
    if read.greater is not None:
        end = match.start("suffix")  # which is a unit as well
    ordinal = kind == "nth" or (start > 0 and text[start - 1] == "第")
    kinds: tuple[tuple[str, Any], ...] = (read.unit,) if read.unit else ()
    more: list[Reading] = []
    unit = None if kinds else UNITS.at(text, end)
    if unit is not None:
        kinds, end = unit.kinds, unit.end
        if unit.more:
            values = [value + unit.more for value in values if not isinstance(value, str)]
        elif values and not isinstance(values[0], str) and (rest := tail(text, end, unit)) is not None:
            value, factor = values[0], kinds[0][1]
            if free:
                more += [("number", value, *kinds[0]), ("number", rest[0], kinds[0][0], rest[1])]
            values, end = [whole(value + Fraction(rest[0] * rest[1], factor))], rest[2]
    currency = currency_before(text, start) if not kinds or kinds[0][0] == COUNT or read.greater else None
    if currency is not None:
        kinds, start = ((currency[0], 1),), currency[1]
        values = [read.greater] if read.greater is not None else values
    elif read.greater is not None:
        after = UNITS.at(text, match.end())
        end = max(end, match.end()) if after is None else after.end
        more.append(("number", read.greater, *(("", 1) if after is None else after.kinds[0])))
    discount = bool(kinds) and kinds[0][0] == "discount"
    if discount:
        # 八五折 is 8.5.
        values = [whole(Fraction(value, 10)) if isinstance(value, int) and value > 10 else value for value in values]
        if free and values and not isinstance(values[0], str):
            more += [("number", value, "%", 1) for value in (whole(100 - values[0] * 10), whole(values[0] * 10))]
    if free and kinds and kinds[0][0] == "fold":
        more += [("number", value * 100, "%", 1) for value in values if not isinstance(value, str)]
    christ = _CHRIST.match(text, match.end()) if not kinds and "a" <= text[end : end + 2].strip()[:1] <= "c" else None
    if christ is not None:
        kinds, end = (("month", 12),), christ.end()
    negative = (
        [True]
        if (christ is not None and christ["before"])
        or (kinds and kinds[0] == ("month", 12) and dates.before_christ(text, match.start()))
        else sign(text, match.start(), start, before, free=free)
    )
    values = [-value if minus and not isinstance(value, str) else value for value in values for minus in negative]
    if kinds and kinds[0] == ("month", 12):
        short = _SHORT.fullmatch(text, match.start(), end)
        if short is not None and _is_short_year(text, match.start(), end):
            more.append(("short", int(short[1])))
    if ordinal:
        start -= kind != "nth"
        if not kinds or kinds[0][0] != "century":
            counted = free and kinds and kinds[0][0] in (COUNT, LEVEL)
            kinds = ((PLAIN, 1), *(kinds if counted else ())) if free else ()
    elif free and not kinds and values:
        kinds = ((beside(text, match.start(), end, kind or "", values[0], index)),)
    if read.both:
        of = kinds[0] if kinds else ("", 1)
        more.append(("all", *[("number", value, *of) for value in read.both]))
    if not kinds or kinds[0][0] in ("", PLAIN, COUNT):
        more += [("all", *[("number", one, PLAIN, 1) for one in some]) for some in read.loose]
    if values and isinstance(values[0], int):
        if 0 < values[0] < 32 and text.startswith("号", end):
            more.append(("date", 0, 0, values[0]))
        if kind == "arabic" and len(digits := match["arabic"]) > 6 and digits.isdecimal():
            more += [("digits", digits), *dates.compact(digits)]
    if kind == "under" and int(match["over"]) < 13 and int(match["under"]) < 32:
        more.append(("date", 0, int(match["over"]), int(match["under"])))
    elif kind in ("times", "more", "great") and values and not isinstance(values[0], str):
        more.append(("scaled", values[0]))
    if not values and not more:
        return None
    sure = True
    if kind == "cn":
        dimension = kinds[0][0] if kinds else ""
        sure = is_number(text, match.start(), match.end(), match["cn"], dimension, ordinal, bool(values or read.both))
    elif kind == "half":
        sure = text[start - 1 : start] not in ("上", "下", "前", "后")
    return _Number(start, end, tuple(values), kinds, tuple(more), sure)


def _is_short_year(text: str, start: int, end: int) -> bool:
    """Whether two digits and 年 may be a year of the 20th century, or of ours with 0: 98年, 05年, and not 产权70年."""
    if not (text[start] == "0" or int(text[start : start + 2]) >= 30):
        return False
    after = text[end : end + 1]
    if after and after in _NO_YEAR:
        return False
    return bool(_YEAR_BEFORE.search(text, max(0, start - 1), start)) or "\u3400" <= after <= "\u9fff"


def _worded_number(text: str, match: re.Match[str], *, free: bool) -> _Number | None:
    start, end = match.span()
    part = parted(text, start)
    if part is not None:
        return _Number(start, part[1], (part[0],), ((PLAIN, 1),) if free else (), (), sure=True)
    value, loose = words_of(match)
    words = re.split("[ -]", match.group())
    unit = UNITS.at(text, end)
    kinds: tuple[tuple[str, Any], ...] = ()
    # "second" is mostly no unit here, and "twentieth" counts no things.
    if unit is not None and (words[-1] not in ORDINALS or unit.kinds[0][0] == "century"):
        kinds, end = unit.kinds, unit.end
    elif free:
        kinds = (((PLAIN, 1)) if words[-1] in ORDINALS else beside(text, start, end, "words", value, frozenset()),)
    more = tuple(plain(one) for one in loose) if free else ()
    if value is None and not more:
        return None
    sure = value is not None and is_word_number(text, start, end, match.group(), bool(kinds) and not free)
    if sure and words[0] in GREAT and text.endswith(("a ", "an "), max(0, start - 3), start):
        start -= 2
    return _Number(start, end, () if value is None else (value,), kinds, more, sure)


# 3-5天, 10至15%, 3、4个: the first has the unit of the second.
_LINK = re.compile(r"\s?(?:[-–—~至到、,和与或/×*]{1,2}|x|to|and|or|through)\s?")
# 1年3个月, "1 hour and 30 minutes".
_AND = re.compile(r"\s?[零又]?\s?|,? and |, ")
_CAN_JOIN = ("month", "second", "mm", "g", "cny")


def _joined(text: str, numbers: list[_Number], *, free: bool) -> Iterator[Quantity]:
    """Yield the numbers as quantities: 1年3个月 as one, the first of a range with the unit of the second."""
    at = 0
    while at < len(numbers):
        one = numbers[at]
        other = numbers[at + 1] if at + 1 < len(numbers) else None
        at += 1
        if other is None or not 0 <= other.start - one.end < 10:
            yield _quantity(one)
            continue
        if (joined := _joint(text, one, other)) is not None:
            if free:
                yield _quantity(one)
                yield Quantity("number", one.start, other.end, (joined,))
                continue
            at += 1
            both = tuple(("all", mine, its) for mine in _readings(one)[:1] for its in _readings(other)[:1])
            yield Quantity("number", one.start, other.end, (joined, *both), one.sure or other.sure)
            continue
        if free and _goes_with(text, one, other):
            one = one._replace(kinds=(*other.kinds, (PLAIN, 1)))
        yield _quantity(one)


def _goes_with(text: str, one: _Number, other: _Number) -> bool:
    """Whether the first of two numbers has the unit of the second: 3-5天. "In 2015 to $3" has two numbers."""
    if not other.kinds or other.kinds[0][0] in ("", PLAIN) or (one.kinds and one.kinds[0][0] not in ("", PLAIN)):
        return False
    return text[other.start].isalnum() and bool(_LINK.fullmatch(text, one.end, other.start))


def _joint(text: str, one: _Number, other: _Number) -> Reading | None:
    """Return the sum of two numbers that say one measure, as 1年3个月, or None."""
    if not (one.kinds and other.kinds and one.values and other.values and _AND.fullmatch(text, one.end, other.start)):
        return None
    (dimension, factor), (its, less) = one.kinds[0], other.kinds[0]
    first, second = one.values[0], other.values[0]
    if dimension != its or dimension not in _CAN_JOIN or isinstance(first, str) or isinstance(second, str):
        return None
    if not factor > less or not 0 < second * less < factor or first != int(first):
        return None
    return ("number", whole(Fraction(first * factor + second * less)), dimension, 1)


def _readings(number: _Number) -> list[Reading]:
    kinds = number.kinds or (("", 1),)
    return [("number", value, *kind) for kind in kinds for value in number.values]


def _quantity(number: _Number) -> Quantity:
    return Quantity("number", number.start, number.end, (*_readings(number), *number.more), number.sure)


_A = re.compile("(?<![a-z])an? (?:full |whole |single )?(minute|hour|day|week|month|year)(?![a-z])")
_BEFORE_A = re.compile(r"(?<![a-z])(?:within|for|after|in|of|than|over|about|is|lasts?|takes?|least|most|to) $")
# What says one, two or a half without a number, and what: it measures nothing but counts.
_UNSAID: tuple[tuple[re.Pattern[str], tuple[Reading, ...]], ...] = tuple(
    (re.compile(pattern), readings)
    for pattern, readings in (
        ("首[次个届位任座部名款家批条]|single|only one", (("number", 1, COUNT, frozenset()),)),
        ("once(?![a-z])", (("number", 1, COUNT, TIMES),)),
        ("双|俩|一对|both|couple|pair", (("number", 2, COUNT, frozenset()),)),
        (
            "twice|doubl|翻[倍番]|翻了?一[倍番]|加倍|双倍",
            (("number", 2, COUNT, TIMES), ("number", 2, "fold", 1)),
        ),
        ("翻[倍番]|翻了?一[倍番]|加倍|doubl|一倍", (("number", 1, "fold", 1), ("number", 100, "%", 1))),
        ("tripl", (("number", 3, COUNT, TIMES), ("number", 3, "fold", 1))),
        ("一半|半数|half(?![a-z])", (("number", Fraction(1, 2), PLAIN, 1),)),
        ("百分百", (("number", 100, "%", 1),)),
        ("每个?季度?|quarterly", (("number", 3, "month", 1),)),
        ("half an hour|half-hour", (("number", 30, "second", 60),)),
        ("half a year", (("number", 6, "month", 1),)),
    )
)
# 2'15" is minutes and seconds, or feet and inches.
_PRIMES = re.compile(r"(?<!\d)(\d{1,3})['′]\s?(\d{1,2})(?:\"|″|''|′′)")
# 每周三开会 is once a week; 每天三次 is not once.
_EACH = re.compile("每(?:[天日月年]|周[一二三四五六日天]?)(?![^,，。;；\\n]{0,6}[0-9二两三四五六七八九十几多])")


def _once(text: str) -> Iterator[Quantity]:
    for pattern, readings in _UNSAID:
        match = pattern.search(text)
        if match is not None:
            yield Quantity("number", *match.span(), readings)
    # "within a week" is one week, "twice a week" is not.
    for match in _A.finditer(text):
        if _BEFORE_A.search(text, max(0, match.start() - 8), match.start()):
            unit = UNITS.at(text, match.start(1))
            if unit is not None:
                yield Quantity("number", *match.span(), (("number", 1, *unit.kinds[0]),))
    for match in _PRIMES.finditer(text):
        first, second = int(match[1]), int(match[2])
        measures = (("second", first * 60), ("second", second), ("second", first * 60 + second))
        lengths = (("foot", first), ("inch", second))
        readings = tuple(("number", value, dimension, 1) for dimension, value in (*measures, *lengths))
        yield Quantity("number", *match.span(), readings)
    match = _EACH.search(text)
    if match is not None:
        yield Quantity("number", *match.span(), (("number", 1, COUNT, TIMES),))
