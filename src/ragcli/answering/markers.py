"""The markers of an answer: all forms in which models name sources, read and written as ``[1][2]``.

One grammar: an opening bracket, a word that means a source, numbers, each with or without the word again, a closing
bracket. In round brackets and in running text ("According to Source 1") the word must be there, and every number must
be that of a passage. What stands in code or in a formula is no marker, nor is an index (``x[2]``), nor an interval.
Pure functions; the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from ragcli.answering.citations import marker
from ragcli.records import Hit

# ----------------------------------------------------------------------------------------------- the grammar

# Words that mean a passage wherever they stand before a number; and those that mean one only in square brackets.
NOUN = (
    r"(?:(?:参考|參考)?(?:资料|資料|来源|來源)|(?:参考|參考)?(?:文献|文獻)|文档|文檔|引文|出处|出處|上下文|片段|段落"
    r"|sources?|documents?|docs?|passages?|contexts?|references?|refs?|citations?|excerpts?|snippets?)"
)
_LOOSE = (
    r"(?:参考|參考|引用|参见|參見|来自|來自|依据|依據|编号|編號|见|見|注|cited?|cites?|see(?: also)?|texts?|chunks?"
    r"|papers?"
    r"|articles?|nos?|numbers?|src)"
)
_SIGN = r"\s?[:：.#]?\s?#?\s?"
_WORDS = rf"(?:(?:{_LOOSE}{_SIGN})?{NOUN}{_SIGN}|{_LOOSE}{_SIGN})"
_NUMBER = r"\^?(?:\d{1,3})(?!\d)\^?(?::\d{1,3}(?=†))?(?:†[^\]］】\n]{0,40})?"
_JOIN = r"\s?(?:[,，、;；&/]\s?(?:and\s|和)?|\band\b\s?|[和与與及]|以及)\s?"
_TO = r"\s?(?:[-–—~～〜至到]|\bto\b|\bthrough\b)\s?"
_ITEMS = rf"(?:{_WORDS})?#?{_NUMBER}(?:(?:{_JOIN}|{_TO})(?:{_WORDS})?#?{_NUMBER}){{0,19}}"
_PLACE = (
    r"(?:\s?[,，:：]\s?(?:(?:pp?\.?|pages?)\s?\d{1,4}(?:\s?[-–]\s?\d{1,4})?|第\s?\d{1,4}\s?[页頁]"
    r"|[\w./-]{1,60}\.\w{2,4}))?"
)
_LINK = r"(?:\]?\((?:#|https?://)[^()\s]{0,200}\))?"
_SQUARE = re.compile(
    rf"\^?(?:\[\\\[|\\\[|[\[［【〔〖])\s?(?P<items>{_ITEMS}){_PLACE}\s?(?:\\\]\]?|[\]］】〕〗])\^?{_LINK}",
    re.IGNORECASE,
)
_RAISED = re.compile(rf"<sup>\s?[\[［【]?(?P<items>{_ITEMS})[\]］】]?\s?</sup>", re.IGNORECASE)
_ROUND = re.compile(
    rf"[(（]\s?(?P<items>(?:{_LOOSE}{_SIGN})?{NOUN}{_SIGN}{_NUMBER}"
    rf"(?:(?:{_JOIN}|{_TO})(?:{_WORDS})?#?{_NUMBER}){{0,19}})\s?[)）]",
    re.IGNORECASE,
)
# Not 资料3份, "source 1.5", "Document 2.pdf", "passage 3 times".
_NOT_COUNTED = (
    r"(?![\d%％]|[.,:]\w|\s?[年月日个個份页頁章条條次种種类類本项項件张張段篇部期号號卷册]|\s?(?:times?|percent"
    r"|pages?)\b)"
)
_RUNNING = re.compile(
    rf"(?P<lead>\b(?i:according to|as per|per|as|in|from|by|see|both|and|of|on|to|with)\s+(?:the\s)?)?"
    rf"(?P<noun>(?<![A-Za-z])(?i:{NOUN}))(?P<space>\s?#?)"
    rf"(?P<items>{_NUMBER}(?:(?:{_JOIN}|{_TO})(?:(?i:{NOUN})\s?#?)?{_NUMBER}){{0,19}}){_NOT_COUNTED}"
)
_LINE = re.compile(
    rf"(?m:^)(?P<noun>[*_ \t]{{0,4}}{NOUN}(?:\(s\))?[*_]{{0,2}}\s?[:：][*_]{{0,2}}[ \t]?)"
    rf"(?P<items>{_ITEMS})(?=[*_。. \t]{{0,4}}(?m:$))",
    re.IGNORECASE,
)
_PART = re.compile(
    rf"(\d{{1,3}})(?!\d)(?::\d{{1,3}}(?=†))?(?:†[^\]］】\n]{{0,40}})?(?:\^?{_TO}(?:{_WORDS})?\^?(\d{{1,3}}))?",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"\[(\d{1,3})\]")
_FROM_TO = re.compile(r"\[(\d{1,3})\]\s?(?:[-–—~～〜至到]|to\b|through\b)\s?\[(\d{1,3})\]")

# ------------------------------------------------------------------------------------------ what is no marker

_MASKED = re.compile(
    r"(?P<fence>(?m:^)[ \t>]*(?P<f>`{3,8}|~{3,8})[^\n]*\n(?s:.*?)(?:(?m:^)[ \t>]*(?P=f)|\Z))"
    r"|(?P<code>(?<!`)(?:`[^`\n]{1,400}`|``[^`\n](?:[^\n]{0,400}?[^`\n])?``|```[^`\n]{1,400}```)(?!`))"
    r"|(?P<math>\$\$[^$]{1,1000}\$\$|(?<![\\$\w])\$(?![\s$]"
    r"|\d[\d.,]*\s[^\\^_=+*/<>$]{0,300}\$)[^$\n]{1,300}(?<![\s\\])\$(?![\w$])"
    rf"|\\\((?s:.){{1,500}}?\\\)|\\\[(?!\s?{_ITEMS}\s?\\\])(?s:.){{1,1000}}?\\\])",
    re.IGNORECASE,
)
_CODED_MARKER = re.compile(r"`\[\d{1,3}\]`")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*$", re.ASCII)
# Names of variables; the second are words, too, behind which a marker may end a clause: "according to survey data[1]."
_ARRAYS = re.compile(r"arr|lst|vec|dict|args|argv|nums|mat|tensor|tuple|buf|str|idx|params|self")
_WORDS_TOO = re.compile(
    r"array|list|vector|data|rows?|cols?|columns?|items?|matrix|buffer|map|stack|queue|index|values|keys|results?"
)
_CLAUSE_END = re.compile(r"[ \t*_”\"')）]{0,8}(?:\Z|[。.，,；;、：:！!？?\n|）)])")
_CITED_END = re.compile(rf"(?:\[\d{{1,3}}\]){{1,9}}{_CLAUSE_END.pattern}")
_INTERVAL = re.compile(
    r"(?:intervals?|range|arrays?|lists?|vectors?|tuples?|sets?|区间|區間|范围|範圍|数组|數組|列表|向量|集合|序列|∈|=)"
    r"(?: is| of| are|为|為|是)?\s?$",
    re.IGNORECASE,
)


class Masks:
    """The parts of a text that are code or formulas."""

    def __init__(self, text: str) -> None:
        spans = [
            match.span()
            for match in _MASKED.finditer(text)
            if not (_CODED_MARKER.fullmatch(match.group()) and _CLAUSE_END.match(text, match.end()))
        ]
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def hide(self, start: int) -> bool:
        """Whether a place lies in one of them."""
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and start < self._ends[at]


def _is_index(text: str, start: int, n: int, literal: Callable[[str], bool]) -> bool:
    """Whether the bracket at ``start`` stands directly after a variable: ``x[2]``, but not "24 months[1]"."""
    found = _IDENTIFIER.search(text, max(0, start - 40), start)
    if found is None:
        return False
    name = found.group()
    if n == 0 or "_" in name or _ARRAYS.fullmatch(name):
        return True
    before = text[found.start() - 1 : found.start()]
    if len(name) == 1 and name.islower() and (not before or before.isascii() or before.isspace()):
        return True
    if _CITED_END.match(text, start):
        return False
    return _WORDS_TOO.fullmatch(name) is not None or literal(f"{name}[{n}]")


# ------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker ``[n]`` of a text in which all have this form."""

    start: int
    end: int
    n: int


def marks(text: str, hits: Sequence[Hit] = ()) -> list[Mark]:
    """Return the markers of a text that `normalise` made."""
    masks = Masks(text)
    return [
        Mark(match.start(), match.end(), int(match[1]))
        for match in _PLAIN.finditer(text)
        if not masks.hide(match.start()) and not _is_index(text, match.start(), int(match[1]), _literal(hits))
    ]


def normalise(text: str, hits: Sequence[Hit]) -> str:
    """Return an answer with all markers in the form ``[1][2]``; code, formulas, indices and intervals as they are."""
    known = range(1, len(hits) + 1)
    literal = _literal(hits)
    squeezed = cache(lambda: ["".join(hit.text.split()) for hit in hits])

    def numbers(items: str) -> list[int]:
        out: list[int] = []
        for first, last in _PART.findall(items):
            low, high = int(first), int(last or first)
            out += range(low, high + 1) if low <= high <= low + len(hits) else [low, high]
        return list(dict.fromkeys(out))

    def square(match: re.Match[str]) -> str | None:
        text, items = match.string, match["items"]
        found = numbers(items)
        worded = not items.lstrip("^")[:1].isdigit()
        if _PLAIN.fullmatch(match.group()) or (0 in found and not worded):
            return None
        if len(found) == 1 and _is_index(text, match.start(), found[0], literal):
            return None
        if len(found) > 1 and not worded:
            is_end = _CLAUSE_END.match(text, match.end()) is not None
            foreign = any(n not in known for n in found) or any(
                re.sub(r"\s", "", match.group()) in one for one in squeezed()
            )
            if _INTERVAL.search(text, max(0, match.start() - 24), match.start()) or (foreign and not is_end):
                return None
        return _written(found)

    def raised(match: re.Match[str]) -> str | None:
        found = numbers(match["items"])
        before = re.search(r"[A-Za-z]*$", match.string[max(0, match.start() - 3) : match.start()])
        power = match.string[match.start() - 1 : match.start()].isdigit() or (before and 0 < len(before.group()) < 3)
        return None if power or any(n not in known for n in found) else _written(found)

    def rounded(match: re.Match[str]) -> str | None:
        found = numbers(match["items"])
        return None if any(n not in known for n in found) else _written(found)

    def running(match: re.Match[str]) -> str | None:
        found, noun = numbers(match["items"]), match["noun"]
        if any(n not in known for n in found) or literal(f"{noun}{match['space']}{match['items']}"):
            return None
        if noun.isascii() and noun[0].islower() and not match["lead"]:
            return None
        return f"{match['lead'] or ''}{noun}{' ' if noun.isascii() else ''}{_written(found)}"

    def listed(match: re.Match[str]) -> str | None:
        found = numbers(match["items"])
        return None if any(n not in known for n in found) else match["noun"] + _written(found)

    def ranged(match: re.Match[str]) -> str | None:
        low, high = int(match[1]), int(match[2])
        return _written(range(low, high + 1)) if low < high <= low + len(hits) else None

    def coded(match: re.Match[str]) -> str | None:
        return match.group().strip("`") if int(match.group().strip("`[]")) in known else None

    for pattern, made in (
        (_CODED_MARKER, coded),
        (_RAISED, raised),
        (_SQUARE, square),
        (_ROUND, rounded),
        (_LINE, listed),
        (_RUNNING, running),
        (_FROM_TO, ranged),
    ):
        text = _replaced(pattern, made, text)
    return text


def unmarked(text: str) -> str:
    """Return a source's text with its own ``[12]`` as ``(12)``, of the same length: no marker of the answer."""
    masks = Masks(text)
    return _SQUARE.sub(lambda match: match.group() if masks.hide(match.start()) else _rounded(match.group()), text)


def _rounded(text: str) -> str:
    return text.translate({**dict.fromkeys(map(ord, "[［【〔〖"), "("), **dict.fromkeys(map(ord, "]］】〕〗"), ")")})


def _literal(hits: Sequence[Hit]) -> Callable[[str], bool]:
    """Return whether a passage holds a piece of the answer: it is then the passage's own."""
    return lambda piece: any(piece in hit.text for hit in hits)


def _written(numbers: Iterable[int]) -> str:
    return "".join(map(marker, numbers))


def _replaced(pattern: re.Pattern[str], made: Callable[[re.Match[str]], str | None], text: str) -> str:
    masks = Masks(text)

    def one(match: re.Match[str]) -> str:
        new = None if masks.hide(match.start()) else made(match)
        return match.group() if new is None else new

    return pattern.sub(one, text)
