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
_H = r"(?:\d{1,2}|[一二两三四五六七八九]|二?十[一二三四五六七八九]?)"
_M = r"(?:\d{1,2}|[一二三四五]?十?[一二三四五六七八九]?)"
TIME = re.compile(
    rf"(?=[\d一二两三四五六七八九十凌清早上中正下傍晚夜深午])(?:(?P<part>{_PART})\s?)?(?<![\d.])(?<!\d:)(?:"
    r"(?P<h1>\d{1,2}):(?P<m1>[0-5]\d)(?::[0-5]\d)?(?![\d:])(?:\s?(?P<ap1>[ap])\.?m(?![a-z])\.?)?"
    r"|(?P<h2>\d{1,2})\s?(?P<ap2>[ap])\.?m(?![a-z])\.?"
    rf"|(?P<h3>{_H})\s?[点时](?![间候期代速差])(?:\s?(?P<half>半)|\s?(?P<full>整|钟)|\s?(?P<quarter>[一三])刻"
    rf"|\s?(?P<m3>{_M})\s?分(?!之))?)"
)


def value_of(text: str | None) -> int:
    """Return the value of digits or Chinese numerals, 0 for none."""
    if not text:
        return 0
    return int(text) if text.isdecimal() else chinese(text) or 0


def plain(value: Any) -> Reading:
    """Return a number without a unit."""
    return ("number", value, "", 1)


def date(match: re.Match[str]) -> list[Reading]:
    """Return what a match of ``ZH_DATE`` may mean; nothing where it is no date."""
    got = match.groupdict()
    if got["x"]:
        decade = value_of(got["x"])
        return [("decade", (value_of(got["c"]) - 1) * 100 + decade if got["c"] and decade < 100 else decade)]
    if got["day"]:
        days = value_of(got["day"])
        return [("date", 0, 0, days), ("number", days, "day", 1)] if 0 < days < 32 else []
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
    hour = value_of(got["h1"] or got["h2"] or got["h3"])
    minute = 30 if got["half"] else {"一": 15, "三": 45}.get(got["quarter"] or "", value_of(got["m1"] or got["m3"]))
    stated = got["half"] or got["full"] or got["quarter"] or got["m3"]
    if hour > 24 or minute > 59 or (got["h3"] and not got["part"] and not stated and hour < 13):
        return []
    part, half_day = got["part"] or "", got["ap1"] or got["ap2"]
    if (
        half_day == "p"
        or part in ("下午", "傍晚", "晚上", "晚间", "晚", "夜间", "深夜")
        or (part in ("中午", "正午") and hour < 3)
    ):
        hour += 12 * (hour < 12)
    elif half_day == "a":
        hour %= 12
    elif not part and hour <= 12:
        return [("time", hour % 24 * 60 + minute), ("time", (hour + 12) % 24 * 60 + minute)]
    return [("time", hour % 24 * 60 + minute)]
