"""Where sentences end, in Chinese and English text alike.

A regular expression finds the candidates (a run of marks with the quotes and brackets that close after it, or
line ends); rules on the characters around each decide. The rules, in short:

- 。！？；… and their like end a sentence, closing quotes and brackets included, unless a comma follows
  (“怎么了？”，他说) or the mark stands alone in brackets （？）.
- ``.``, ``!`` and ``?`` end one before white space, Chinese or the end of the text; not before a small letter.
- ``.`` does not end one after an abbreviation, an initial or a list number, nor within decimals, versions,
  file names and URLs. After U.S., a.m. or Inc. it does where a word follows that usually begins a sentence.
- Three dots end none in English; six dots (……) or … next to Chinese do.
- A blank line ends one. So does a line end, unless the line is long enough to have been wrapped there, ends
  in a comma, or the next begins with a small letter.

Everything is linear in the length of the text and looks only at the neighbourhood of each candidate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WIDE = "。！？；｡؟۔।॥⁇⁈⁉‼"  # end a sentence whatever follows
_ASCII = ".!?…"  # depend on what follows
_LINE = "\n\r\x0b\x0c\x85\u2028\u2029"
_CLOSE = "」』”’）】》〉〕〗»›\"')\\]}＂＇］｝"
_OPEN_BRACKETS = "（(【[〔［"
_EXTEND = "\u0300-\u036f\u200d\u20d0-\u20f0\ufe00-\ufe0f"  # never parted from the mark they modify

_CANDIDATE = re.compile(
    f"[{_WIDE}{_ASCII}]"
    f"[{_WIDE}{_ASCII}{_EXTEND}{_CLOSE}]*"
    r"(?:\[\d{1,3}\])*"  # footnote marks
    f"|[{_LINE}]\\s*"
)
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff“”‘’]")
_LATER = re.compile(r"\s*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# An abbreviation of the first kind never ends a sentence; of the second only where no number follows (No. 5,
# but: The answer is no.); one of the third, or dotted like U.S., only before a word of _STARTERS.
_TITLES = _words(
    """mr mrs ms mx dr prof st gen rep sen gov capt lt col sgt maj cmdr adm rev hon pres supt messrs mme mlle
    vs viz cf al approx ca eg ie e.g i.e incl esp resp dept univ assn mt ft hr fr"""
)
_NUMBERED = _words("no nos nr fig figs eq eqs vol vols p pp ch chap sec sect art arts op tab ex app v ver par para")
_USUALLY = _words(
    """inc corp ltd co jr sr etc bros llc plc jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu
    thur thurs fri sat sun ave blvd rd ph.d ed eds trans min max est"""
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # U.S, a.m, J: an initial is the shortest of them
_STARTERS = _words(
    """the a an this that these those it its he she they we you i his her their our your my there here in on at as
    if when while after before since because but and so or yet however then thus therefore for from by with
    what who why how where which some many most all both each no not one two during although though to
    meanwhile moreover furthermore also now today"""
)
_TAIL_DIGITS = re.compile(r"\d{1,8}$")
_WORD_BEFORE = 24  # characters looked at for the word before a full stop
_WORD = re.compile(r"[^\W_]+")
_ITEM = re.compile(
    r"[-*+•·●○■□◆▪–—]\s|\d{1,3}[.)、．]|[(（]?[一二三四五六七八九十百\d]{1,4}[)）、.]|[①-⑳]|[A-Za-z][.)]\s"
    r"|[#>|]|```|~~~|第[一二三四五六七八九十百千零〇\d]{1,7}[编章节篇部分卷条款回]"
)
_WRAP_LATIN = 40  # a shorter line was not wrapped, it ends
_WRAP_CJK = 25
_LOOK_BACK = 512  # characters looked at for the beginning of a line


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence: in order, apart, white space at both ends left out.

    Every character that is not white space lies in exactly one of them.
    """
    spans = []
    start = _skip(text, 0, len(text))
    for end, following in boundaries(text):
        if end > start:
            spans.append((start, end))
        start = following
    end = len(text.rstrip())
    if end > start:
        spans.append((start, end))
    return spans


def boundaries(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield (end of a sentence, start of the next) for each place between two, in order.

    Only places after ``start`` and before ``end`` are looked at, yet with what stands around them in the whole
    text, so that a window gives the same places as the whole.
    """
    size = len(text)
    if end is None:
        end = size
    for match in _CANDIDATE.finditer(text, start, end):
        begin, stop = match.span()
        first = text[begin]
        following = stop
        if first in _LINE:
            if begin == 0 or not _line_ends(text, begin, stop, match.group()):
                continue
            stop = begin
            while stop > start and text[stop - 1].isspace():
                stop -= 1
            yield stop, following
            continue
        if stop >= end:
            return
        after = text[stop]
        if after.isspace():
            following = _skip(text, stop, end)
            if following >= end:
                return
        if _mark_ends(text, begin, stop, following, first):
            yield stop, following


def _skip(text: str, start: int, end: int) -> int:
    match = _LATER.match(text, start, end)
    return match.end() if match is not None else start


def _mark_ends(text: str, begin: int, stop: int, following: int, first: str) -> bool:
    """Whether the run of marks ``text[begin:stop]`` ends a sentence; ``following`` is what comes next."""
    after = text[following]
    if after in "，、：,:。；;！？!?．":
        return False
    last = text[stop - 1]
    before = text[begin - 1] if begin else ""
    if before and before in _OPEN_BRACKETS and last in _CLOSE:
        return False  # （？）
    spaced = following > stop
    if last == "》" and not spaced:
        return False  # a title that ends in a mark: 《你好！》是
    if first in _WIDE:
        return True
    if not spaced and not _CJK.match(after):
        # Within a number, a name, a URL; or "真的吗?iPhone", where no space is usual.
        return first in "!?" and _CJK.match(before) is not None
    run = text[begin:stop].rstrip(_CLOSE)
    if first == "…" or run.startswith(".."):
        if "…" not in run and len(run) < 6:
            return False
        return _CJK.match(before) is not None or (not spaced and _CJK.match(after) is not None)
    if after.islower():
        return False
    return first != "." or not _abbreviates(text, begin, following)


def _abbreviates(text: str, dot: int, following: int) -> bool:
    """Whether the word before the full stop at ``dot`` is an abbreviation, an initial or a list number."""
    low = max(0, dot - _WORD_BEFORE)
    words = text[low:dot].split()
    if not words or text[dot - 1].isspace():
        return False
    word = words[-1].lstrip("([{\"'“‘（【「『*_")
    after = text[following]
    digits = _TAIL_DIGITS.search(word)
    if digits is not None:
        at = dot - len(digits.group())
        if _begins_line(text, at):
            return len(digits.group()) <= 3
        return following == dot + 1 and not text[at - 1].isalpha()  # 。2.战国 is a list; 系列1.由于 is none
    key = word.lower()
    if key in _TITLES:
        return True
    if key in _NUMBERED:
        return after.isdigit() or after in "#§"
    if key in _USUALLY or (word[:1].isascii() and _DOTTED.fullmatch(word)):
        found = _WORD.match(text, following)
        return found is not None and found.group().lower() not in _STARTERS
    return False


def _begins_line(text: str, at: int) -> bool:
    while at > 0 and text[at - 1] in " \t":
        at -= 1
    return at == 0 or text[at - 1] in _LINE


def _line_ends(text: str, begin: int, following: int, run: str) -> bool:
    """Whether the line end at ``begin``, white space up to ``following`` included, ends a sentence too."""
    if following >= len(text):
        return False
    if run.count("\n") > 1 or run.count("\r") > 1 or "\x0c" in run or "\u2029" in run:
        return True
    if _ITEM.match(text, following):
        return True
    low = max(0, begin - _LOOK_BACK)  # a bound, or a text with other line ends than \n would cost its square
    line = text.rfind("\n", low, begin) + 1 or low
    head = text[line : line + 1]
    if head and head in "#|":
        return True
    last = text[begin - 1]
    if last in "，、,":
        return False
    if last in "：:":
        return True
    if text[following].islower():
        return False
    width = begin - line
    return width < (_WRAP_CJK if _CJK.match(last) else _WRAP_LATIN)
