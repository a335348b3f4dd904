"""Dates, times and decades of a folded text, as readings (see `ragcli.answering.facts_numbers`)."""

from __future__ import annotations

import re
from typing import Any

from ragcli.answering.facts_numerals import chinese

Reading = tuple[Any, ...]

_MD = r"(?:\d{1,2}|[一二三四五六七八九十廿卅]{1,3})"
_DAY_SIGN = "(?:日|号(?![线楼院馆船机码店门厅室]))"
_DAY = rf"{_MD}\s?{_DAY_SIGN}"
ZH_DATE = re.compile(
    rf"""(?<![\d.])(?=[\d〇零一二三四五六七八九十廿卅])(?:
    (?P<y>\d{{4}}|[〇零一二三四五六七八九]{{4}}|\d\d(?=\s?年\s?{_MD}\s?月))\s?年(?![级限代])
      (?:\s?(?P<ym>{_MD})\s?月份?(?:\s?(?P<yd>{_MD})(?:\s?{_DAY_SIGN}|(?=\s?[至到~—–、-]{{1,2}}\s?{_DAY})))?)?
    |(?P<m>{_MD})\s?月(?!球|饼|亮|台)份?(?:\s?(?P<d>{_MD})(?:\s?{_DAY_SIGN}|(?=\s?[至到~—–、-]{{1,2}}\s?{_DAY})))?
    |(?P<day>{_MD})\s?日(?![元本军圆式语文耳])
    |(?P<iy>\d{{4}})(?P<sep>[-/.])(?P<im>\d{{1,2}})(?:(?P=sep)(?P<id>\d{{1,2}}))?(?![\d%])
    |(?P<am>\d{{1,2}})/(?P<ad>\d{{1,2}})/(?P<ay>\d{{4}})(?!\d)
    |(?:(?P<c>\d{{1,2}}|[一二三四五六七八九十]{{1,3}})\s?世纪)?(?P<x>\d{{4}}|\d0|[二三四五六七八九]?十|[一二][〇零一二三四五六七八九]{{3}})\s?年代
    )""",
    re.VERBOSE,
)
_MONTHS = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
_MONTHS += "|nov(?:ember)?|dec(?:ember)?"
_NUMBERED = {
    name: at
    for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
EN_DATE = re.compile(
    rf"(?=[\djfmasond])(?<![a-z0-9])(?:(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?:\s(?:of\s)?|-))?(?P<mon>{_MONTHS})(?![a-z])\.?"
    r"(?:\s(?P<d2>\d{1,2})(?:st|nd|rd|th)?(?![\d:%]))?(?:(?:,\s?|\s(?:of\s)?|-)(?P<y>\d{4})(?!\d))?"
    r"|(?P<x>(?:1\d|20)?[1-9]0|1\d00|2000)['’]?s(?![a-z]))"
)
_LONE_MONTH = re.compile(r"\b(?:in|of|since|until|till|by|early|late|from|to|between|mid|last|next)[ -]$")
RANGE = re.compile(r"\s?[至到~—–、和与及-]{1,2}\s?")

_PART = "凌晨|清晨|早晨|早上|上午|中午|正午|下午|傍晚|晚上|晚间|夜间|夜里|深夜|午夜|晚|早"
_H = r"(?:\d{1,2}|[零〇](?=\s?点(?![〇零一二三四五六七八九]))|[一二两三四五六七八九]|二?十[一二三四五六七八九]?)"
_M = r"(?:\d{1,2}|[一二三四五]?十?[一二三四五六七八九]?)"
_WORD_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_EN_H = rf"(?:\d{{1,2}}|{'|'.join(_WORD_HOURS)})(?![a-z\d:.])"
# What shows that 8点 is a time and not eight points.
_BEFORE_HOUR = "(?<=[在于从到至自早晚前后每:])"
_AFTER_HOUR = r"(?=[开关到至前后起上下半之打—–~-]|以[前后]|左右)"
TIME = re.compile(
    rf"(?=[\d零〇一二两三四五六七八九十凌清早上中正下傍晚夜深午hqnm])(?:(?P<part>{_PART})\s?)?(?<![\d.])(?<!\d:)(?:"
    r"(?P<h1>\d{1,2}):(?P<m1>[0-5]\d)(?::[0-5]\d)?(?![\d:])(?:\s?(?P<ap1>[ap])\.?m(?![a-z])\.?)?"
    r"|(?P<h2>\d{1,2})\s?(?P<ap2>[ap])\.?m(?![a-z])\.?"
    rf"|(?P<h3>{_H})\s?[点时](?![间候期代速差])(?:\s?(?P<half>半)|\s?(?P<full>整|钟)|\s?(?P<quarter>[一三])刻"
    rf"|\s?(?P<m3>{_M})\s?分(?!之))?"
    rf"|(?<![a-z])(?P<past>half|quarter) (?P<way>past|to) (?P<h4>{_EN_H})|(?<![a-z])(?P<word>noon|midnight)(?![a-z]))"
    rf"|(?<![a-z\d.])(?P<h5>{_EN_H}) ?o'clock"
)
_LOOSE_HOUR = re.compile(rf"(?<![\d.第]){_BEFORE_HOUR}{_H}\s?[点时]|(?<![\d.第]){_H}\s?点{_AFTER_HOUR}")

# Quarters of a year; 一个季度 is a time of three months instead.
QUARTER = re.compile(
    r"第?(?P<a>[一二三四1-4])季度|(?<![a-z0-9])q(?P<b>[1-4])(?![a-z0-9])"
    r"|(?<![a-z])(?P<c>first|second|third|fourth|1st|2nd|3rd|4th) quarter(?!s)"
)
_NTH_QUARTER = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
# 20240305
COMPACT = re.compile(r"(?:1[6-9]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


def value_of(text: str | None) -> int:
    """Return the value of digits or Chinese numerals, 0 for none."""
    if not text:
        return 0
    return int(text) if text.isdecimal() else chinese(text) or 0


def plain(value: Any) -> Reading:
    """Return a number without a unit."""
    return ("number", value, "", 1)


_BEFORE_CHRIST = re.compile("公元前$|(?:^|[^\u3400-\u9fff]|[于至到在自从])前$")


def before_christ(text: str, start: int) -> bool:
    """Whether 公元前 or 前 stands before a year and makes it one before Christ; 此前2019年 does not."""
    return start > 0 and text[start - 1] == "前" and bool(_BEFORE_CHRIST.search(text, max(0, start - 3), start))


def date(match: re.Match[str]) -> list[Reading]:
    """Return what a match of ``ZH_DATE`` may mean; nothing where it is no date."""
    got = match.groupdict()
    if got["x"]:
        decade = value_of(got["x"])
        return [("decade", (value_of(got["c"]) - 1) * 100 + decade if got["c"] and decade < 100 else decade)]
    if got["day"]:
        days = value_of(got["day"])
        return [("date", 0, 0, days), ("number", days, "second", 86400)] if 0 < days < 32 else []
    if got["ay"]:
        pairs = ((value_of(got["am"]), value_of(got["ad"])), (value_of(got["ad"]), value_of(got["am"])))
        return [("date", value_of(got["ay"]), m, d) for m, d in pairs if 0 < m < 13 and 0 < d < 32]
    year, month, day = (
        value_of(got["y"] or got["iy"]),
        got["ym"] or got["m"] or got["im"],
        got["yd"] or got["d"] or got["id"],
    )
    m, d = value_of(month), value_of(day)
    if (month and not 0 < m < 13) or (day and not 0 < d < 32):
        return []
    if got["iy"]:
        if (got["sep"] == "." and not d) or not 1000 <= year < 3000:
            return []
        made: list[Reading] = [("date", year, m, d)]
        return made if d else [*made, ("all", plain(year), plain(m))]
    if got["y"] and len(got["y"]) == 2:
        return [("date", 1900 + year, m, d), ("date", 2000 + year, m, d)]
    if year and got["y"] and before_christ(match.string, match.start()):
        year = -year
    if year and not m:
        return [("date", year, 0, 0), ("number", year, "month", 12)]
    return [("date", year, m, d)]


def english_date(match: re.Match[str]) -> list[Reading]:
    """Return what a match of ``EN_DATE`` may mean; nothing where it is no date."""
    got = match.groupdict()
    if got["x"]:
        decade = int(got["x"])
        return [("decade", decade), ("number", decade, "second", 1)] if decade < 100 else [("decade", decade)]
    day = value_of(got["d1"] or got["d2"])
    month, year = _NUMBERED[got["mon"][:3]], value_of(got["y"])
    # "25 May 20": the second number is no day.
    if day > 31 or (got["d1"] and got["d2"]):
        return []
    if not day and not year:
        head = match.string[max(0, match.start() - 9) : match.start()]
        if got["mon"] in ("may", "march") or len(got["mon"]) < 4:
            return [("date", 0, month, 0)] if _LONE_MONTH.search(head) else []
    return [("date", year, month, day)]


def time(match: re.Match[str]) -> list[Reading]:
    """Return what a match of ``TIME`` may mean; both halves of the day where it does not say which."""
    got = match.groupdict()
    if got["word"]:
        return [("time", 720 if got["word"] == "noon" else 0)]
    if got["h4"] or got["h5"]:
        named = got["h4"] or got["h5"]
        hour = int(named) if named.isdecimal() else _WORD_HOURS.index(named) + 1
        minutes = {None: 0, "half": 30, "quarter": 15}[got["past"]]
        total = hour * 60 + (-minutes if got["way"] == "to" else minutes)
        return [("time", total % 1440), ("time", (total + 720) % 1440)] if hour < 25 else []
    hour = value_of(got["h1"] or got["h2"] or got["h3"])
    minute = 30 if got["half"] else {"一": 15, "三": 45}.get(got["quarter"] or "", value_of(got["m1"] or got["m3"]))
    if hour > 24 or minute > 59:
        return []
    part, half_day = got["part"] or "", got["ap1"] or got["ap2"]
    if hour == 12 and part in ("晚上", "晚间", "晚", "夜间", "夜里", "深夜", "午夜", "凌晨"):
        hour = 0
    elif (
        half_day == "p"
        or part in ("下午", "傍晚", "晚上", "晚间", "晚", "夜间", "深夜")
        or (part in ("中午", "正午") and hour < 3)
    ):
        hour += 12 * (0 < hour < 12)
    elif half_day == "a":
        hour %= 12
    elif not part and hour <= 12:
        return [("time", hour % 24 * 60 + minute), ("time", (hour + 12) % 24 * 60 + minute)]
    return [("time", hour % 24 * 60 + minute)]


def is_time(match: re.Match[str]) -> bool:
    """Whether a match of ``TIME`` is a time for certain: 8点 alone may be eight points."""
    got = match.groupdict()
    if not got["h3"] or got["part"] or got["half"] or got["full"] or got["quarter"] or got["m3"]:
        return True
    return value_of(got["h3"]) > 12 or bool(_LOOSE_HOUR.match(match.string, match.start()))


def quarter(match: re.Match[str]) -> list[Reading]:
    """Return what a match of ``QUARTER`` means."""
    if match["c"]:
        return [("quarter", _NTH_QUARTER[match["c"]])]
    return [("quarter", value_of(match["a"] or match["b"]))]


def compact(digits: str) -> list[Reading]:
    """Return the date that eight digits may be."""
    if len(digits) == 8 and COMPACT.fullmatch(digits):
        return [("date", int(digits[:4]), int(digits[4:6]), int(digits[6:]))]
    return []
