"""What stands beside a number and says whether it measures something: signs, names, nouns, lists.

Reads folded text (see `ragcli.answering.facts_numbers`). All looks are at a few characters before or after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ragcli.answering.facts_numerals import ORDINALS, WEAK, chinese
from ragcli.answering.facts_units import COUNT, LEVEL, PLAIN, Unit
from ragcli.language import STOP_WORDS

# ------------------------------------------------------------------------------------- numbers without a unit

_ENUMERATED = re.compile(r"[.、)）．:：](?!\d)")
_LINE_START = re.compile(r"(?:^|[\n。；;！？】])[ \t#*>•·+-]*[(（]?$")
# Nouns whose number names one of a row.
_NUMBERED = re.compile(
    r"(?:(?<![a-z])(?:pages?|pp?\.?|sections?|sec\.?|articles?|art\.?|tables?|figures?|fig\.?|chapters?|ch\.?|parts?|steps?"
    r"|versions?|ver\.?|v|models?|gen|generation|no\.?|nos\.?|numbers?|items?|phases?|levels?|grades?|class|types?|options?"
    r"|questions?|rules?|clauses?|paragraphs?|appendix|annex|volumes?|vol\.?|issues?|units?|lessons?|rooms?|floors?|lines?"
    r"|routes?|gates?|series|stages?|q|#)|[表图页附件录骤号型版室间编码邮话线代款座级§第])\s?$"
)
_LEVEL = re.compile(r"(?<![a-z])(?:levels?|grades?|class)\s$")
# What goes before a number that measures: 保修期为24, 单价15, "the price is 15".
_MEASURED_ZH = frozenset("为是约达共计有至到于了近过超逾满率额价量数期龄度积值费金长高宽重深比成需付各每限第得")
_WORDS = """about around approximately approx over under than age aged price cost costs total totals only nearly
    almost least most per up equals equal months years days hours score amount fee rate length width height weight size
    sum duration period warranty term quantity count value average minimum maximum min max worth reach reached"""
_MEASURED_EN = STOP_WORDS | frozenset(_WORDS.split())
_RANK = frozenset("级号型版代季")
_WORD_BEFORE = re.compile(r"([a-z][a-z'’]*|[\u3400-\u9fff])[\s(:-]{0,2}$")
_WORD_AFTER = re.compile(r"[ -]?([a-z]{2,})")
_INDEX_CELL = re.compile(r"(?:^|\n)[ \t]*\|[ \t]*(\d{1,3})[ \t]*(?=\|)")


def indexes(text: str) -> frozenset[int]:
    """Return where the numbers of a table's rows start: 1, 2, 3 in the first cells of rows that follow each other."""
    if "|" not in text:
        return frozenset()
    cells = [(int(match[1]), match.start(1)) for match in _INDEX_CELL.finditer(text)]
    pairs = [(a, b) for a, b in pairwise(cells) if b[0] == a[0] + 1 and b[1] - a[1] < 2_000]
    return frozenset(at for pair in pairs for _, at in pair)


def beside(text: str, start: int, end: int, kind: str, value: Any, index: frozenset[int]) -> tuple[str, Any]:
    """Return what a number of a source without a unit may measure, as dimension and factor.

    ("", 1) is anything: it stands alone, as in a cell of a table. (PLAIN, 1) is nothing: it names (page 3, 骁龙8).
    (COUNT, no group) is things: "4 stops", 五国.
    """
    before, after = text[start - 1 : start], text[end : end + 1]
    if after == '"' and before != '"' and kind == "arabic":
        return "inch", 1
    if start in index or (_ENUMERATED.match(text, end) and _LINE_START.search(text, max(0, start - 8), start)):
        return PLAIN, 1
    if kind == "cn" and (value == 1 or not isinstance(value, int)):
        return PLAIN, 1
    if (before.isalpha() and before < "\u3400") or (after.isalpha() and after < "\u3400"):
        return PLAIN, 1
    if _LEVEL.search(text, max(0, start - 8), start):
        return LEVEL, 1
    if _NUMBERED.search(text, max(0, start - 12), start):
        return PLAIN, 1
    han_after = "\u3400" <= after <= "\u9fff"
    if han_after:
        return (PLAIN, 1) if after in _RANK else (COUNT, frozenset())
    noun = _WORD_AFTER.match(text, end) if after in " -" else None
    if noun is not None and noun[1] not in STOP_WORDS:
        return COUNT, frozenset()
    if kind == "words" and noun is not None and value == 1:
        return PLAIN, 1
    word = _WORD_BEFORE.search(text, max(0, start - 16), start) if before not in ":：=|" else None
    if word is None or word[0][-1] in ":":
        return "", 1
    if word[1] >= "\u3400":
        # 保修期 24: white space makes it a cell.
        return ("", 1) if word[1] in _MEASURED_ZH or before.isspace() else (PLAIN, 1)
    return ("", 1) if word[1] in _MEASURED_EN else (PLAIN, 1)


# ------------------------------------------------------------------------------------------------------------ signs

_MINUS = "-−负"
_SURE_MINUS = re.compile(
    r"(?:[(（\[:：=,，;；|≤≥<>~]|[为是至到达约低于在温值额率润度长]|(?<![a-z])(?:is|was|are|were|of|to|from|at|below|about|and|or))\s?$"
)
_FALL = re.compile(  # each branch begins with a letter, so that the search is quick
    "下降|下滑|下跌|减少|减幅|亏|降低|降幅|跌|负增长|净流出|缩减|萎缩"
    "|loss|lost|fell|fall|declin|decreas|drop|down|shrank|negative|minus|lower"
)
_FALL_NEAR = 30  # characters before a number in which a fall is looked for


def sign(text: str, start: int, shown: int, before: int, *, free: bool) -> list[bool]:
    """Return whether a number is negative: [False], [True], or both where it is open.

    Args:
        text: the folded text.
        start: where the digits start.
        shown: where the number starts with its currency.
        before: where the number before it ends with its unit: between two numbers - is no minus.
        free: whether the text is a source.
    """
    at = min(start, shown)
    one = text[at - 1 : at]
    if one == "下" and text.endswith("零下", 0, at):
        return [True]
    fall = bool(_FALL.search(text, max(0, at - _FALL_NEAR), at)) if free or one in _MINUS else False
    if not one or one not in _MINUS:
        if not free:
            return [False, True] if _FALL.search(text, max(0, at - _FALL_NEAR), min(len(text), start + 24)) else [False]
        return [False, True] if fall else [False]
    sign_at = at - 1
    last = text[sign_at - 1 : sign_at]
    if one == "负":
        return [False] if last in "胜平" and last else [True]
    if (0 <= sign_at - before < 2 and not text[before:sign_at].strip()) or last in ("\0", "-"):
        return [False]
    if fall:
        return [True, False]
    if not last or last == "\n":
        return [True, False]
    if _SURE_MINUS.search(text, max(0, sign_at - 8), sign_at):
        return [True]
    if last.isspace():
        return [True, False]
    return [False]


# ------------------------------------------------------------------------------------------- tails and telephones

_TAIL = re.compile(
    r"[零又]?\s?(\d{1,3}|[一二三四五六七八九十]{1,3})\s?(分(?![之])|m(?:in)?(?![a-z0-9])|秒|s(?![a-z])|两|毛|角)?"
)
_TAILS: dict[tuple[str, Any], tuple[str, ...]] = {
    ("second", 3600): ("分", "m", "min"),
    ("second", 60): ("秒", "s"),
    ("g", 500): ("两",),
    ("cny", 1): ("角", "毛"),
}
_LESS = {"分": 60, "m": 60, "min": 60, "秒": 1, "s": 1, "两": 50, "角": Fraction(1, 10), "毛": Fraction(1, 10)}


def tail(text: str, end: int, unit: Unit) -> tuple[Any, Any, int] | None:
    """Return value, factor and end of what goes on a measure: 1小时30分, 1米8, 三斤二两, 9块9; None for nothing."""
    if unit.kinds[0] not in _TAILS and unit.text not in ("米", "块"):
        return None
    match = _TAIL.match(text, end)
    if match is None:
        return None
    value = int(match[1]) if match[1].isdecimal() else chinese(match[1])
    if value is None:
        return None
    if match[2]:
        less = match[2] if match[2] in _LESS else ""
        return (value, _LESS[less], match.end()) if less in _TAILS.get(unit.kinds[0], ()) else None
    after = text[match.end() : match.end() + 1]
    if unit.text in ("米", "块") and not text[end].isspace() and len(match[1]) < 3 and not _goes_on(after):
        return value, Fraction(unit.kinds[0][1], 10 ** len(str(value))), match.end()
    return None


def _goes_on(after: str) -> bool:
    """Whether what follows 1米8 makes the 8 a number of its own: 1米8个."""
    return bool(after) and (after.isalnum() and after not in "的左右高宽长深包以")


_CHAIN = re.compile(
    r"(?<![\d.,/a-z-])(?<!\d:)\+?\(?\d{1,4}\)?(?:[ -]{1,2}\(?\d{2,8}\)?|(?<=\))\d{3,8}){1,4}(?![\d.,]*\d|[a-z%])"
)
_DIGIT_GROUP = re.compile(r"\d+")


def phone_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the digits that are written in groups as telephone numbers are: start, end, digits."""
    for match in _CHAIN.finditer(text):
        groups = _DIGIT_GROUP.findall(match.group())
        total = sum(map(len, groups))
        first, written = groups[0], match.group()
        if not 7 <= total <= 15 or len(groups) < 2 or written.count("(") != written.count(")"):
            continue
        if len(first) == 4 and "1000" <= first < "3000" and len(groups[1]) < 5 and first[0] != "0":
            continue  # years, dates
        if len(groups) == 2:
            sure = (first[0] == "0" and len(groups[1]) > 6) or "(" in written or written[0] == "+"
            sure = sure or (first in ("400", "800") and len(groups[1]) == 7)
        else:
            thousands = " " in written and "-" not in written and all(len(group) == 3 for group in groups[1:])
            sure = max(map(len, groups)) >= 4 and not thousands and max(map(len, groups[1:])) > 2
        if sure:
            yield match.start(), match.end(), "".join(groups)


# ----------------------------------------------------------------------------- which numerals of an answer are numbers

IDIOMS = re.compile(
    "(?<![〇零一二三四五六七八九十百千万第])(?:三番[五两]次|五花八门|四面八方|千篇一律|三三两两|七上八下|三年[五两]载|三天两头|一五一十|三位一体|一分为二|独一无二"
    "|三部曲|三令五申|一举两得|两全其美|一日千里|三头六臂|十全十美|百分百|五五开|一五一十|万分(?!之)|十一黄金周|五[一险]"
    "|[一二三四五六七八九十]{1,2}五规划)(?![〇零一二三四五六七八九十百千万])"
)
# What stands before 一 and makes it an article or a part of a word.
_ARTICLE = frozenset("这那同每某有唯任万统专单逐进另哪又早晚终前后头此上下次隔再的高整")
_WORDS_ZH = ("四周", "八十九十", "七八", "一年一度", "一元二", "一元化", "一元论", "一度")
_CLAUSE = frozenset(",，。.;；!！?？\n ")
# 一天三次: how often, and no time of one day.
_RATE = re.compile(
    r"[天日周月年](?:内|之内)?[,，]?\s?(?:[\d一二两三四五六七八九十几多数]|最|至[多少]|共|总共|只|限|可|吃|服|喝|用|的)"
)
_REPEATED = re.compile(r"[天日周月年]+(?:[天日周月年]|到晚|又一|一[天日周月年])")
# What makes 一次, 一人 a number: 每天一次, 仅一台.
_COUNTED = re.compile(
    r"(?:每[^,，。;；\n]{1,6}|[各限仅只共]|(?<![今明昨当同次某])[天日周月年]|季度|最[多少]|至[多少]|不超过|不少于)$"
)
_EACH_ONE = re.compile("一[人份家户][,，]?一[份人个台次张票]")


def is_number(text: str, start: int, end: int, run: str, dimension: str, ordinal: bool, valued: bool) -> bool:
    """Whether a run of Chinese numerals in an answer is a number and not a part of a word."""
    if ordinal:
        return valued
    if not valued or run[0] in "百千万亿零" or text.startswith(_WORDS_ZH, start):
        return False
    before, after = text[start - 1 : start], text[end : end + 1]
    if dimension == "degree":
        return len(run) > 1
    if dimension and dimension != COUNT:
        if run != "一":
            return True
        if (before and before in _ARTICLE and not text.endswith("提前", 0, start)) or after in "流直般":
            return False
        if (not before or before in _CLAUSE) and text[end + 1 : end + 2] in (",", "，"):
            return False  # 一天，他走了
        return not (_RATE.match(text, end) or _REPEATED.match(text, end))
    if run == "一" and dimension:
        if _EACH_ONE.match(text, start):
            return True
        return bool(_COUNTED.search(text, max(0, start - 8), start)) and text[end + 1 : end + 2] not in (
            "性",
            "次",
            "又",
        )
    if run in ("一", "十") and not (run == "十" and dimension):
        return False
    if dimension:
        return True
    return len(run) > 1 and (bool(set(run) & set("十百千万亿廿卅")) or "〇" in run) and not text.startswith("分", end)


_ONE_DAY = re.compile(r"one day(?:,| (?:he|she|they|it|we|you|i|the|when|in|after|a|an|his|her|to come)\b)")


def is_word_number(text: str, start: int, end: int, words: str, measured: bool) -> bool:
    """Whether English number words in an answer are a number: "one" is one with a unit, "million" after "a"."""
    if words not in WEAK:
        return True
    if words in ORDINALS:
        return False
    if words == "one":
        return measured and not _ONE_DAY.match(text, start)
    article = text.endswith((" a ", "(a "), 0, start) or (start == 2 and text[0] == "a")
    return article and (measured or words in ("million", "billion", "trillion")) and text[end - 1].isalpha()
