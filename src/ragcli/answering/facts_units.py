"""Units of measure in Chinese and English, and which of them are certain multiples of each other.

A unit is a dimension and a factor: 两年 and 24个月 are both 24 of the dimension "month". Years are not turned into
days, nor inches into metres: only what is exact and plain counts. Counters (人, 台, 粒) are the dimension COUNT; for
factor they have groups, since 两粒 is not 两次, while 个 and an English noun may count anything.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, NamedTuple

COUNT = "count"  # things that are counted: 个, 名, 台
PLAIN = "plain"  # a number that measures nothing: 第3条, page 3, 骁龙8
LEVEL = "level"  # 三级

# Dimension, factor, the Chinese and then the English names as regular expressions. Where a name begins another
# one, what may not follow stands with it.
_TABLE: tuple[tuple[str, Any, str, str], ...] = (
    ("month", 1200, "个世纪", ""),
    ("month", 12, "周?岁|周年|年(?![级代轮糕])", "years?(?:-old)?|yrs?|yr"),
    ("month", 3, "个季度", ""),
    ("month", 1, "个月|(?<=半)月", "months?|mos?"),
    ("second", 604800, "个?星期(?![一二三四五六日天])|个?礼拜|周(?![年期围边末岁一二三四五六日])", "weeks?|wks?"),
    ("second", 86400, "天(?![空然上下气津地堂鹅])|日(?=[内前后之起、,。，;]|$)", "days?"),
    ("second", 3600, "个?小时|个?钟头", "hours?|hrs?|h"),
    ("second", 900, "刻钟", ""),
    ("second", 60, "分钟", "minutes?|mins?|min"),
    ("second", 1, "秒钟?", "seconds?|secs?|s"),
    ("second", Fraction(1, 1000), "毫秒", "milliseconds?|ms"),
    ("%", 1, "%|个?百分点", "percent|per cent|percentage points?|pct"),
    ("%", Fraction(1, 10), "‰", "per mille"),
    ("%", Fraction(1, 100), "个?基点", "basis points?|bps?"),
    ("fold", 1, "倍", "fold|times as"),
    ("discount", 1, "折(?![腾磨叠扣断射合返])", ""),
    (LEVEL, 1, "级(?!别)", ""),
    (
        "cny",
        1,
        "元(?![素件旦帅首老宵音组年月])(?:人民币)?|人民币|块钱|块(?=[,，。.;；、)）\\s\\d一二两三四五六七八九]|$)",
        "yuan|rmb|cny|renminbi",
    ),
    ("usd", 1, "美元|美金", "(?:u\\.?s\\.? )?dollars?|usd|bucks"),
    ("eur", 1, "欧元", "euros?|eur"),
    ("gbp", 1, "英镑", "pounds? sterling|gbp"),
    ("jpy", 1, "日元|日圆|円", "yen|jpy"),
    ("hkd", 1, "港元|港币|港圆", "hk dollars?|hkd"),
    ("twd", 1, "新?台币|新台币元", "nt dollars?|twd"),
    ("mm", 10**6, "公里|千米", "kilomet(?:er|re)s?|km(?![2^\uf122])|kms"),
    ("mm", 1000, "公尺|米(?![饭粉色兰线老])", "met(?:er|re)s?|m(?![23^\uf122\uf123])"),
    ("mm", 10, "厘米|公分|釐米", "centimet(?:er|re)s?|cm(?![23^\uf122\uf123])"),
    ("mm", 1, "毫米|公厘", "millimet(?:er|re)s?|mm(?![23^\uf122\uf123])"),
    ("mile", 1, "英里|英哩", "miles?|mi"),
    ("foot", 1, "英尺|呎", "feet|foot|ft"),
    ("inch", 1, "英寸|吋|寸(?=屏|大)", "inch(?:es)?"),
    ("nautical mile", 1, "海里|浬", "nautical miles?"),
    ("m2", 10**6, "平方公里|平方千米", "square kilomet(?:er|re)s?|km[2^\uf122]|sq km"),
    ("m2", 10**4, "公顷", "hectares?|ha"),
    ("m2", 1, "平方米|平方公尺|平米", "square met(?:er|re)s?|m[2^\uf122]|sq m"),
    ("mu", 1, "亩", "mu"),
    ("g", 10**6, "公?吨(?!位)", "tonnes?|metric tons?|t"),
    ("g", 1000, "公斤|千克", "kilograms?|kgs?|kilos?"),
    ("g", 1, "克(?![拉服隆里林罗])|公克", "grams?|g"),
    ("g", Fraction(1, 1000), "毫克", "milligrams?|mg"),
    ("g", Fraction(1, 10**6), "微克", "micrograms?|[μµ]g|mcg"),
    ("g", 500, "斤", "jin|catt(?:y|ies)"),
    ("pound", 1, "磅", "pounds?|lbs?"),
    ("l", 1, "公升|升(?![级高至到值上任起入为])", "lit(?:er|re)s?|l"),
    ("l", Fraction(1, 1000), "毫升", "millilit(?:er|re)s?|ml"),
    ("m3", 1, "立方米|立方公尺", "cubic met(?:er|re)s?|m3|m\uf123"),
    ("celsius", 1, "摄氏度|°c|度c", "degrees? (?:celsius|centigrade)"),
    ("fahrenheit", 1, "华氏度|°f", "degrees? fahrenheit"),
    ("degree", 1, "度(?![假过c])|°", "degrees?"),
    ("watt", 1000, "千瓦(?!时)", "kilowatts?|kw"),
    ("watt", 1, "瓦(?![解])特?", "watts?|w"),
    ("volt", 1, "伏特?", "volts?|v"),
    ("byte", 1, "字节", "bytes?"),
    ("byte", 1024, "千字节", "kilobytes?|kb|kib"),
    ("byte", 1024**2, "兆字节", "megabytes?|mb|mib"),
    ("byte", 1024**3, "", "gigabytes?|gb|gib"),
    ("byte", 1024**4, "", "terabytes?|tb|tib"),
    ("hertz", 1, "赫兹?", "hertz|hz"),
    ("hertz", 1000, "千赫", "kilohertz|khz"),
    ("hertz", 10**6, "兆赫", "megahertz|mhz"),
    ("hertz", 10**9, "吉赫", "gigahertz|ghz"),
    ("pixel", 1, "像素", "pixels?|px"),
    ("pixel", 10**6, "", "megapixels?|mp"),
    ("mah", 1, "毫安时?", "mah"),
    ("century", 1, "个?世纪", "centur(?:y|ies)"),
    (
        COUNT,
        1,
        "[个名位人种条座次届家张间层所支只枚项件款台辆艘架颗粒篇章节集期卷册首场轮局组对套份批类样门棵株匹头"
        "口户幢栋片根把双扇面顶封杯瓶盒箱袋站关局盘胜负平步笔页丸滴剂遍趟句段例宗]|部(?!分)|道(?![路理德教])|本(?![身人科地质国土文书])",
        "",
    ),
)
# What else a unit may be: 16G is memory as well as grams; 度 is degrees Celsius as well as others.
_ALSO: dict[str, tuple[tuple[str, Any], ...]] = {
    "g": (("byte", 1024**3),),
    "m": (("byte", 1024**2),),
    "t": (("byte", 1024**4),),
    "度": (("celsius", 1), ("fahrenheit", 1)),
    "°": (("celsius", 1), ("fahrenheit", 1)),
    "degree": (("celsius", 1), ("fahrenheit", 1)),
    "degrees": (("celsius", 1), ("fahrenheit", 1)),
}
# Counters of one group say the same of a thing, so that a number may go from one to the other; one that is in no
# group counts anything.
_GROUPS = (
    "人名位口户",
    "次遍趟届轮场局关步盘胜负平",
    "粒片颗丸枚支滴瓶盒袋杯剂",
    "台部辆架艘款套只把双对",
    "条款项章节篇页卷册部集期首句段份张本层",
    "家所间座栋幢户层站",
    "只头匹条口株棵根枝",
    "种类样款项门",
)
GROUPS = {one: frozenset(at for at, group in enumerate(_GROUPS) if one in group) for one in "".join(_GROUPS)}
TIMES = GROUPS["次"]  # what once and twice count


class Unit(NamedTuple):
    """A unit: what it may be as dimension and factor, where it ends, what 半 adds (0 or a half), as it is written."""

    kinds: tuple[tuple[str, Any], ...]
    end: int
    more: Any
    text: str


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
            r"(?: {0,12}\n?|[\u00a0\u2009\u202f-])(?:多|余|几|来)?(?P<half>个?半(?=小时|钟头|月|年|世纪))?(?:"
            + "|".join(latin + chinese)
            + ")(?P<after>半(?![数岛径决场年月个]))?"
        )

        # Every character of the table, and so every one that a unit can begin with; most texts go on with another one.
        self._first = frozenset(self._pattern.pattern) | frozenset("\n\u00a0\u2009\u202f")

    def at(self, text: str, position: int) -> Unit | None:
        """Return the unit that stands at a position, or None."""
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
        written = match.group(name)
        if dimension == COUNT:
            return Unit(((COUNT, GROUPS.get(written, frozenset())),), match.end(name), 0, written)
        after = after and dimension in ("month", "second")
        more = Fraction(1, 2) if after or match.group("half") else 0
        kinds = ((dimension, factor), *_ALSO.get(written, ()))
        return Unit(kinds, match.end() if after else match.end(name), more, written)


UNITS = Units()

_SIGNS = {"¥": "cny", "rmb": "cny", "cny": "cny", "人民币": "cny", "hk$": "hkd", "nt$": "twd", "us$": "usd"}
_SIGNS |= {"usd": "usd", "€": "eur", "eur": "eur", "£": "gbp", "$": "usd"}
_BEFORE = re.compile(rf"(?:{'|'.join(sorted(map(re.escape, _SIGNS), key=len, reverse=True))})\s?$")


def currency_before(text: str, position: int) -> tuple[str, int] | None:
    """Return a currency that stands before a number and where it starts, or None."""
    if position == 0 or text[position - 1] not in " ¥币€£$bydr":
        return None
    match = _BEFORE.search(text, max(0, position - 5), position)
    return (_SIGNS[match.group().strip()], match.start()) if match else None
