"""Numbers of an answer that its own text explains: how many items it lists, and what it works out before the reader.

三种情况 before three items counts them, whatever the sources say; and 3000 + 500 = 3500元 is right where it is right
and the sources have 3000 and 500.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from ragcli.answering.facts_numbers import Quantity
from ragcli.answering.facts_units import COUNT

_MOST = 30  # items of a list that are counted
_LONGEST = 4_000  # characters in which a list is looked for
_POINTS_BACK = re.compile("(?:以上|上述|这|那|此|该|前|后|these|those|above)[的 ]{0,1}$")
_PART = re.compile("[者项种类点条]|个?(?:方面|原因|阶段|部分|问题|条件|步骤|因素|城市|国家|地区|产品|版本|选项)")
_BOTH = re.compile("[^,，。;；]{0,8}(?:均|都|皆|任[选一])")
_ITEM = re.compile(
    r"^(?P<indent>[ \t]*)(?P<head>[#>*_ \t]*)(?:(?P<bullet>[-*+•·●○■◆–]|#{1,6})\s|(?P<number>\d{1,2})[.、)）．](?!\d)"
    r"|[(（](?P<bracket>\d{1,2}|[一二三四五六七八九十]{1,2})[)）]|(?P<circle>[①-⑳❶-❿])|(?P<zh>[一二三四五六七八九十]{1,2})[、.．]"
    r"|(?P<letter>[A-Za-z])[.)]\s|(?P<row>\|)|(?P<keycap>[0-9]\ufe0f?\u20e3)|(?P<step>第[一二三四五六七八九十\d]{1,2}[步个]|步骤[\d一二三四五六七八九十]))",
    re.MULTILINE,
)
_LEAD = re.compile(
    r"[^\n。.!?！？:：]{0,40}?(?:[:：]|(?:是|为|有|包括|包含|即|分别|(?<![a-z])(?:are|is|include|includes|namely))\s?)"
)
_SPLIT = re.compile(r"[、,，;；]\s?(?:以及|和|与|及|and |or )?|以及|和|与|及|或| and | or ")
_CLAUSE = re.compile(r"[,，。;；:：!?！？\n]")
_END = re.compile(r"[。.!?！？\n]")


def explained(quantities: list[Quantity], text: str, written: str, following: str) -> list[Quantity]:
    """Return the quantities of an answer, with those that the text explains no longer to be checked as they are.

    Args:
        quantities: what `quantities` yields for the text.
        text: the folded text, layout blank.
        written: the text with its layout, of the same offsets.
        following: the text that comes after it, as it stands.
    """
    numbers = [one for one in quantities if one.kind == "number" and one.readings]
    numbers.sort(key=lambda one: one.start)
    changed = _worked_out(numbers, text)
    for one in numbers:
        if id(one) not in changed and _is_structure(one, text, written, following):
            changed[id(one)] = one._replace(sure=False)
    return [changed.get(id(one), one) for one in quantities]


# --------------------------------------------------------------------------------------------------- what is listed


def _is_structure(one: Quantity, text: str, written: str, following: str) -> bool:
    """Whether a number says only how many things the text itself lists, or points back at them."""
    name, value, *of = one.readings[0]
    if name != "number" or not isinstance(value, int) or not 1 < value <= _MOST or of[0] not in ("", COUNT):
        return False
    if _POINTS_BACK.search(text, max(0, one.start - 8), one.start) and _PART.match(
        text, one.end - 1 if of[0] else one.end
    ):
        return True
    if value == 2 and _BOTH.match(text, one.end):
        return True
    # 金卡、银卡和普卡三种: they stand before it.
    before = _CLAUSE.split(text[max(0, one.start - 80) : one.start])[-1]
    if (
        text[one.end - 1] in "种类项款者人名家位个"
        and len(_SPLIT.findall(before)) == value - 1
        and before[-1] not in "、和与及"
    ):
        return True
    head, newline, rest = written[one.end : one.end + _LONGEST].partition("\n")
    lead = _LEAD.match(head)
    if lead is not None and _in_line(head[lead.end() :]) == value:
        return True
    head = head.rstrip(" *_")
    # The list comes next: nothing but a colon or a full stop stands between.
    if (
        len(head) > 60
        or _END.search(head[:-1]) is not None
        or (newline and head[-1:] not in ("", ":", "：", "。", "."))
    ):
        return False
    return _listed(f"{rest}\n{following[:_LONGEST]}" if newline else following[:_LONGEST]) == value


def _in_line(rest: str) -> int:
    """Return how many things are named one after the other up to the end of the sentence."""
    end = _END.search(rest)
    said = rest[: end.start() if end is not None else len(rest)].strip(" *_\0")
    return len([part for part in _SPLIT.split(said) if part.strip()]) if said else 0


def _listed(text: str) -> int:
    """Return how many items the first list of a text has; rows of a table are items."""
    kind: tuple[str, str] | None = None
    count = rows = 0
    for match in _ITEM.finditer(text):
        name = match.lastgroup or ""
        if kind is None:
            kind = (name, match["indent"])
        if (name, match["indent"]) == kind:
            count += 1
            rows += name == "row"
    # A table's head and the line under it are no rows.
    return count - 2 if rows else count


# ----------------------------------------------------------------------------------------------- what is worked out

_OPERATOR = re.compile(r"[ \0]{0,4}([-+−–×x*·÷/])[ \0]{0,12}")
_EQUALS = re.compile(r"[ \0)]{0,6}(?:=|≈|等于|equals?)[ \0]{0,6}")
_OPENS = re.compile(r"\s?[(（]\s?(?:即|=)?\s?")
# What everybody knows: months of a year, days of a week, hours, minutes, hundredths.
_KNOWN = frozenset((4, 7, 12, 24, 30, 52, 60, 100, 365, 1000))


def _worked_out(numbers: list[Quantity], text: str) -> dict[int, Quantity]:
    """Return the results of true sums, with their terms to be held instead, and terms that everybody knows."""
    changed: dict[int, Quantity] = {}
    at = 0
    while at < len(numbers):
        terms, signs = [numbers[at]], []
        while at + 1 < len(numbers):
            operator = _OPERATOR.fullmatch(text, numbers[at].end, numbers[at + 1].start)
            if operator is None:
                break
            at += 1
            terms.append(numbers[at])
            signs.append(operator[1])
        at += 1
        if not signs:
            continue
        first = at - len(terms)
        result = None
        if at < len(numbers) and _EQUALS.fullmatch(text, numbers[at - 1].end, numbers[at].start):
            result = numbers[at]
        elif first and _OPENS.fullmatch(text, numbers[first - 1].end, terms[0].start):
            result = numbers[first - 1]
        value = _value([_plain(term) for term in terms], signs)
        if result is None or value is None or _plain(result) != value:
            continue
        for term in terms:
            if _plain(term) in _KNOWN:
                changed[id(term)] = term._replace(sure=False)
        needed = [("any", *term.readings) for term in terms if _plain(term) not in _KNOWN]
        changed[id(result)] = result._replace(readings=(*result.readings, ("all", *needed)))
    return changed


def _plain(one: Quantity) -> Any:
    name, value, *_ = one.readings[0]
    return value if name == "number" and not isinstance(value, str) else None


def _value(values: list[Any], signs: list[str]) -> Any:
    """Return the value of a sum, or None."""
    if None in values:
        return None
    terms = [Fraction(values[0])]
    for sign, value in zip(signs, values[1:], strict=True):
        if sign in "×x*·":
            terms[-1] *= value
        elif sign in "÷/":
            if not value:
                return None
            terms[-1] /= value
        else:
            terms.append(Fraction(value) if sign == "+" else -Fraction(value))
    return sum(terms)
