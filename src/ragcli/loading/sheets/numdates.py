"""Dates and times as number formats show them, those of Chinese and Japanese included."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from ragcli.loading.sheets.numcodes import ELAPSED, NOON, Section, literal
from ragcli.loading.sheets.numerals import chinese

Quick = Callable[[float, bool], "str | None"]

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ERAS = (
    (date(2019, 5, 1), "令和", "R"),
    (date(1989, 1, 8), "平成", "H"),
    (date(1926, 12, 25), "昭和", "S"),
    (date(1912, 7, 30), "大正", "T"),
    (date(1868, 1, 25), "明治", "M"),
)
_LAST_DAY = 2_958_466  # 10000-01-01


_FIELDS = {"yyyy": "{0}", "yyy": "{0}", "yy": "{1:02}", "y": "{1:02}", "m": "{2}", "mm": "{2:02}", "d": "{3}",
           "dd": "{3:02}", "h": "{4}", "hh": "{4:02}", "s": "{6}", "ss": "{6:02}"}  # fmt: skip


def quick(section: Section) -> Quick | None:
    """Return a fast writer for a format of plain fields only; None for any other."""
    pattern = ""
    if section.numerals:
        return None
    for at, token in enumerate(section.tokens):
        if token in ("m", "mm") and _is_minutes(section.tokens, at):
            pattern += "{5}" if token == "m" else "{5:02}"
        elif token in _FIELDS:
            pattern += _FIELDS[token]
        elif token[0] in '"\\!' or not (token in NOON or token[0] in "[.@0" or (token.isascii() and token.isalpha())):
            pattern += literal(token).replace("{", "{{").replace("}", "}}")
        else:
            return None

    def write(value: float, date1904: bool) -> str | None:
        if not 0 <= value < _LAST_DAY:
            return None
        days, clock = divmod(int(value * 86_400 + 0.5), 86_400)
        found = day(days, date1904)
        if found is None:
            return None
        year = found.year
        return pattern.format(year, year % 100, found.month, found.day, clock // 3600, clock // 60 % 60, clock % 60)

    return write


def written(section: Section, value: float, date1904: bool) -> str | None:
    """Write a date or a time; None where it is none, as before the first day."""
    tokens = section.tokens
    if not -_LAST_DAY < value < _LAST_DAY or (value < 0 and not any(ELAPSED.match(token) for token in tokens)):
        return None
    point = next((at for at, token in enumerate(tokens) if token == "." and tokens[at + 1 : at + 2] == ("0",)), None)
    decimals = 0
    while point is not None and tokens[point + 1 + decimals : point + 2 + decimals] == ("0",) and decimals < 6:
        decimals += 1
    unit = 10**decimals
    ticks = int(Decimal(repr(abs(value))) * 86_400 * unit + Decimal("0.5"))
    seconds, fraction = divmod(ticks, unit)
    days, clock = divmod(seconds, 86_400)
    today = day(days, date1904)
    if today is None:
        return None
    twelve = any(token in NOON for token in tokens)
    out: list[str] = ["-"] if value < 0 else []
    for at, token in enumerate(tokens):
        if point is not None and point < at <= point + decimals:
            continue
        if at == point and decimals:
            out.append(f".{fraction:0{decimals}}")
        elif match := ELAPSED.match(token):
            unit_ = {"h": 3600, "m": 60, "s": 1}[match[1][0]]
            out.append(str(seconds // unit_).rjust(len(match[1]), "0"))
        else:
            minutes = token in ("m", "mm") and _is_minutes(tokens, at)
            out.append(_field(section, token, today, clock, twelve, minutes))
    return "".join(out)


@lru_cache(maxsize=1 << 13)
def day(days: int, date1904: bool) -> date | None:
    """Return the day of a serial number; the first 60 of 1900 are one off, as in Excel, and day 0 is 1899-12-31."""
    start = date(1904, 1, 1) if date1904 else date(1899, 12, 30) if days >= 60 else date(1899, 12, 31)
    try:
        return start + timedelta(days=days)
    except OverflowError:
        return None


def _is_minutes(tokens: tuple[str, ...], at: int) -> bool:
    """Whether ``m`` stands for minutes: after hours, or before seconds."""
    before = next((token for token in reversed(tokens[:at]) if token[0] in "ymdhs["), "")
    after = next((token for token in tokens[at + 1 :] if token[0] in "ymdhs["), "")
    return before.strip("[]")[:1] in ("h", "s") or after.strip("[]")[:1] == "s"


def _field(section: Section, token: str, day: date, clock: int, twelve: bool, minutes: bool) -> str:
    """Write one field of a date."""
    language = section.language
    asian = language in ("zh", "tw", "ja")
    kind, width = token[0], len(token)
    hour = clock // 3600
    if token in NOON:
        if (asian and language != "ja") or token.startswith("上午"):
            return "上午" if hour < 12 else "下午"
        if language == "ja" or token.startswith("午前"):
            return "午前" if hour < 12 else "午後"
        return ("A" if hour < 12 else "P") + ("M" if len(token) > 3 else "")
    if kind in '"\\!' or not token.isascii() or not token.isalpha():
        return literal(token)
    if kind == "y":
        return _numeral(section, day.year, digits=True) if width > 2 else f"{day.year % 100:02}"
    if minutes:
        return _numeral(section, clock // 60 % 60, width)
    if kind == "m":
        if width < 3:
            return _numeral(section, day.month, width)
        if asian:
            return f"{day.month}月" if width == 3 or language == "ja" else f"{chinese(day.month, 1)}月"
        name = _MONTHS[day.month - 1]
        return name[:3] if width == 3 else name[0] if width == 5 else name
    if kind == "d" and width < 3:
        return _numeral(section, day.day, width)
    if kind in "da":
        weekday = day.weekday()
        if kind == "a" or asian:
            name = "月火水木金土日"[weekday] if language == "ja" else "一二三四五六日"[weekday]
            if language == "ja":
                return f"{name}曜日" if width > 3 else name
            return f"星期{name}" if width > 3 else name if kind == "a" else f"周{name}"
        return _DAYS[weekday][:3] if width == 3 else _DAYS[weekday]
    if kind == "h":
        return _numeral(section, (hour % 12 or 12) if twelve else hour, width)
    if kind == "s":
        return _numeral(section, clock % 60, width)
    if kind == "b":
        return str(day.year + 543)[-4 if width > 2 else -2 :]
    era = next((era for era in _ERAS if day >= era[0]), _ERAS[-1])
    if kind == "g":
        return "" if language != "ja" else era[2] if width == 1 else era[1][:1] if width == 2 else era[1]
    if kind == "e":
        if language == "tw" and day.year > 1911:
            return str(day.year - 1911)
        return str(day.year - era[0].year + 1).rjust(width, "0") if language == "ja" else str(day.year)
    return token


def _numeral(section: Section, number: int, width: int = 1, *, digits: bool = False) -> str:
    if section.numerals:
        return chinese(number, section.numerals, digits=digits)
    return str(number).rjust(width, "0")
