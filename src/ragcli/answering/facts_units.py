"""Units of measure in Chinese and English, and which of them are certain multiples of each other.

A unit is a dimension and a factor: 两年 and 24个月 are both 24 of the dimension "month". Years are not turned into
days, nor inches into metres: only what is exact and plain counts.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

COUNT = "count"  # things that are counted: 个, 名, 台

# Dimension, factor, the Chinese and then the English names as regular expressions. Where a name begins another
# one, what may not follow stands with it.
_TABLE: tuple[tuple[str, Any, str, str], ...] = (
    ("month", 12, "周?岁|年(?![级代轮糕])", "years?|yrs?|yr"),
    ("month", 1, "个月|(?<=半)月", "months?|mos?"),
    ("day", 7, "个?星期(?![一二三四五六日天])|个?礼拜|周(?![年期围边末岁一二三四五六日])", "weeks?|wks?"),
    ("day", 1, "天(?![空然上下气津地堂鹅])|日(?=[内前后之起、,。，;]|$)", "days?"),
    ("second", 3600, "个?小时|个?钟头", "hours?|hrs?|h"),
    ("second", 60, "分钟", "minutes?|mins?|min"),
    ("second", 1, "秒钟?", "seconds?|secs?|s"),
    ("second", Fraction(1, 1000), "毫秒", "milliseconds?|ms"),
    ("%", 1, "%|个?百分点", "percent|per cent|percentage points?|pct"),
    ("‰", 1, "‰", "per mille"),
    ("cny", 1, "元(?![素件旦帅首老宵音组年月])(?:人民币)?|人民币|块钱", "yuan|rmb|cny|renminbi"),
    ("usd", 1, "美元|美金", "(?:u\\.?s\\.? )?dollars?|usd|bucks"),
    ("eur", 1, "欧元", "euros?|eur"),
    ("gbp", 1, "英镑", "pounds? sterling|gbp"),
    ("jpy", 1, "日元|日圆|円", "yen|jpy"),
    ("hkd", 1, "港元|港币|港圆", "hk dollars?|hkd"),
    ("twd", 1, "新?台币|新台币元", "nt dollars?|twd"),
    ("mm", 10**6, "公里(?!/)|千米", "kilomet(?:er|re)s?|km(?![2^/])|kms"),
    ("mm", 1000, "公尺|米(?![饭粉色兰线老])", "met(?:er|re)s?|m(?![2^/])"),
    ("mm", 10, "厘米|公分|釐米", "centimet(?:er|re)s?|cm(?![2^])"),
    ("mm", 1, "毫米|公厘", "millimet(?:er|re)s?|mm(?![2^])"),
    ("mile", 1, "英里|英哩", "miles?|mi"),
    ("foot", 1, "英尺|呎", "feet|foot|ft"),
    ("inch", 1, "英寸|吋", "inch(?:es)?"),
    ("nautical mile", 1, "海里|浬", "nautical miles?"),
    ("m2", 10**6, "平方公里|平方千米", "square kilomet(?:er|re)s?|km[2^]|sq km"),
    ("m2", 10**4, "公顷", "hectares?|ha"),
    ("m2", 1, "平方米|平方公尺|平米", "square met(?:er|re)s?|m[2^]|sq m"),
    ("mu", 1, "亩", "mu"),
    ("g", 10**6, "公?吨(?!位)", "tonnes?|metric tons?|t"),
    ("g", 1000, "公斤|千克", "kilograms?|kgs?|kilos?"),
    ("g", 1, "克(?![拉服隆里林罗])|公克", "grams?|g"),
    ("g", Fraction(1, 1000), "毫克", "milligrams?|mg"),
    ("jin", 1, "斤", "jin|catt(?:y|ies)"),
    ("pound", 1, "磅", "pounds?|lbs?"),
    ("l", 1, "公升|升(?![级高至到值上任起入为])", "lit(?:er|re)s?|l"),
    ("l", Fraction(1, 1000), "毫升", "millilit(?:er|re)s?|ml"),
    ("m3", 1, "立方米|立方公尺", "cubic met(?:er|re)s?"),
    ("celsius", 1, "摄氏度|°c|度c", "degrees? (?:celsius|centigrade)"),
    ("fahrenheit", 1, "华氏度|°f", "degrees? fahrenheit"),
    ("watt", 1000, "千瓦(?!时)", "kilowatts?|kw"),
    ("watt", 1, "瓦(?![解])特?", "watts?|w"),
    ("volt", 1, "伏特?", "volts?|v"),
    ("byte", 1, "字节", "bytes?"),
    ("gigabyte", 1, "", "gigabytes?|gb|gib"),
    ("megabyte", 1, "兆字节", "megabytes?|mb|mib"),
    ("kilobyte", 1, "千字节", "kilobytes?|kb|kib"),
    ("terabyte", 1, "", "terabytes?|tb|tib"),
    ("hertz", 1, "赫兹?", "hertz|hz"),
    ("megahertz", 1, "兆赫", "megahertz|mhz"),
    ("gigahertz", 1, "吉赫", "gigahertz|ghz"),
    ("mah", 1, "毫安时?", "mah"),
    ("century", 1, "个?世纪", "centur(?:y|ies)"),
    (
        COUNT,
        1,
        "[个名位人种条座部次届家张间层所支只枚项件款台辆艘架颗粒篇章节集期卷册首场轮局组对套份批类样门棵株匹头"
        "口户幢栋片根把双扇面顶封杯瓶盒箱袋站关局盘胜负平步笔页]|道(?![路理德教])",
        "",
    ),
)


class Units:
    """Finds a unit after a number."""

    def __init__(self) -> None:
        chinese: list[str] = []
        latin: list[str] = []
        self._of: dict[str, tuple[str, Any]] = {}
        for number, (dimension, factor, zh, en) in enumerate(_TABLE):
            name = f"u{number}"
            self._of[name] = dimension, factor
            branches = [part for part in (zh and f"(?:{zh})", en and f"(?:{en})(?![a-z])") if part]
            (chinese if dimension == COUNT else latin).append(f"(?P<{name}>{'|'.join(branches)})")
        # Things that are counted come last, since 个 begins 个月.
        self._pattern = re.compile(
            r"[ \u00a0\u2009\u202f-]?(?:多|余|几|来)?(?P<half>个?半(?=小时|钟头|月|年|世纪))?(?:"
            + "|".join(latin + chinese)
            + ")(?P<after>半(?![数岛径决场年月个]))?"
        )

        # Every character of the table, and so every one that a unit can begin with; most texts go on with another one.
        self._first = frozenset(self._pattern.pattern) | frozenset("\u00a0\u2009\u202f")

    def at(self, text: str, position: int) -> tuple[str, Any, int, Any] | None:
        """Return dimension, factor, where the unit ends, and what 半 adds (0 or a half), or None."""
        if text[position : position + 1] not in self._first:
            return None
        match = self._pattern.match(text, position)
        if match is None:
            return None
        name = match.lastgroup or ""
        after = name == "after"
        if after:
            name = next(key for key in self._of if match.group(key) is not None)
        dimension, factor = self._of[name]
        after = after and dimension in ("month", "second", "day")
        half = Fraction(1, 2) if after or match.group("half") else 0
        return dimension, factor, match.end() if after else match.end(name), half


UNITS = Units()

_SIGNS = {"¥": "cny", "rmb": "cny", "cny": "cny", "人民币": "cny", "hk$": "hkd", "nt$": "twd", "us$": "usd"}
_SIGNS |= {"usd": "usd", "€": "eur", "eur": "eur", "£": "gbp", "$": "usd"}
_BEFORE = re.compile(rf"(?:{'|'.join(sorted(map(re.escape, _SIGNS), key=len, reverse=True))})\s?$")


def currency_before(text: str, position: int) -> tuple[str, int, int] | None:
    """Return dimension, factor and start of a currency that stands before a number, or None."""
    if position == 0 or text[position - 1] not in " ¥币€£$bydr":
        return None
    match = _BEFORE.search(text, max(0, position - 5), position)
    return (_SIGNS[match.group().strip()], 1, match.start()) if match else None
