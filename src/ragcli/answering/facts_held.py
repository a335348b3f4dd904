"""The numbers, dates and times of sources, to be asked whether they hold one of an answer.

What measures something is held by the same measure, or by a number that stands alone and may measure anything; a
number that names something (page 3) holds only numbers without a unit.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from ragcli.answering.facts_dates import Reading
from ragcli.answering.facts_numbers import quantities
from ragcli.answering.facts_numerals import whole
from ragcli.answering.facts_units import COUNT, PLAIN

_IN_THOUSANDS = re.compile(r"单位|[(（][^()（）\n]{0,8}[千万亿]|\b(?:in|000) (?:thousand|million|billion)s?\b")
_SCALES = (1000, 10**4, 10**6, 10**8, 10**9)
_COUNTRY = re.compile(r"(?:00)?86(?=\d{10})|1(?=\d{10}$)|0(?=\d{9,})")


class Quantities:
    """The numbers, dates and times of the sources."""

    def __init__(self, folded: str) -> None:
        self._values: set[Any] = set()  # of all numbers
        self._loose: set[Any] = set()  # of those that have no unit
        self._bare: set[Any] = set()  # of those that may measure anything
        self._measured: set[tuple[str, Any]] = set()
        self._counted: dict[Any, set[int | None]] = {}  # groups; None where anything is counted
        self._dates: set[tuple[int, int, int]] = set()
        self._yearless: set[tuple[int, int]] = set()
        self._short: set[int] = set()
        self._times: set[int] = set()
        self._decades: set[int] = set()
        self._quarters: set[int] = set()
        self._digits: set[str] = set()
        self._folded = folded
        self._scaled: bool | None = None
        for one in quantities(folded, free=True):
            for reading in one.readings:
                self._add(reading)

    def _add(self, reading: Reading) -> None:
        name = reading[0]
        if name == "number":
            self._number(*reading[1:])
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
        elif name == "quarter":
            self._quarters.add(reading[1])
            self._values.add(reading[1])
        elif name == "short":
            self._short.add(reading[1])
        elif name == "digits":
            self._digits |= {reading[1], _COUNTRY.sub("", reading[1], count=1)}
        elif name == "all":
            for part in reading[1:]:
                self._add(part)

    def _number(self, value: Any, dimension: str, factor: Any) -> None:
        self._values.add(value)
        if dimension == COUNT:
            groups = self._counted.setdefault(value, set())
            groups |= set(factor) or {None}
            if not factor:
                self._loose.add(value)
        elif dimension in ("", PLAIN):
            self._loose.add(value)
            if not dimension:
                self._bare.add(value)
        else:
            self._measured.add((dimension, value if isinstance(value, str) else value * factor))

    def hold(self, readings: tuple[Reading, ...]) -> bool:
        """Return whether one of the readings occurs."""
        return any(self._holds(reading) for reading in readings)

    def _holds(self, reading: Reading) -> bool:
        name = reading[0]
        if name == "number":
            return self._holds_number(*reading[1:])
        if name == "date":
            return self._holds_date(*reading[1:])
        if name == "time":
            return reading[1] in self._times
        if name == "decade":
            value = reading[1]
            return value in self._decades or (value > 99 and value % 100 + 10_000 in self._decades)
        if name == "quarter":
            return reading[1] in self._quarters
        if name == "short":
            value = reading[1]
            return value in self._short or any((year + value, 0, 0) in self._dates for year in (1900, 2000))
        if name == "digits":
            return reading[1] in self._digits or _COUNTRY.sub("", reading[1], count=1) in self._digits
        if name == "scaled":
            if self._scaled is None:
                self._scaled = bool(_IN_THOUSANDS.search(self._folded))
            return self._scaled and any(whole(Fraction(reading[1], scale)) in self._bare for scale in _SCALES)
        return (any if name == "any" else all)(self._holds(part) for part in reading[1:])

    def _holds_number(self, value: Any, dimension: str, factor: Any) -> bool:
        if value in self._bare:
            return True
        if dimension == COUNT:
            groups = self._counted.get(value, set())
            return bool(groups) and (not factor or None in groups or not groups.isdisjoint(factor))
        if dimension == PLAIN:
            return value in self._loose
        exact = not isinstance(value, str)
        if not dimension:
            if value in self._values:
                return True
            # 0.95 is 95 %.
            return exact and 0 < value < 1 and ("%", value * 100) in self._measured
        if (dimension, value * factor if exact else value) in self._measured:
            return True
        if dimension == "fold":
            return exact and ("%", value * 100) in self._measured
        return dimension == "%" and exact and 0 < value < 100 and whole(Fraction(value * factor, 100)) in self._loose

    def _holds_date(self, y: int, m: int, d: int) -> bool:
        if (y, m, d) in self._dates:
            return True
        known = (y, 0, 0) in self._dates or y in self._loose
        # 98年 was 1998.
        known = known or (1930 <= y < 2010 and y % 100 in self._short)
        return bool(y) and known and ((not m and not d) or (m, d) in self._yearless)
