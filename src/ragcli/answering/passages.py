"""Cut the text of a hit into sentences and clauses, and find a question's terms in it, all with true offsets.

Text is compared folded (see `ragcli.answering.terms.fold`) but quoted as it stands, so folding here is done a
character at a time and keeps a map back wherever a character folds into several (ligatures, ½) or into none
(combining accents). Everything is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answering.terms import RUNS, fold, stem
from ragcli.splitting.sentences import sentence_spans

# Bounded repeats: a megabyte of commas is not to be tried from each of them to the end.
_CLAUSE = re.compile(r"[，；、;]+[”’」』）》)]*|[,]{1,3}[\"”’)]{0,3}\s+|\s[—–-]{1,3}\s")
_HEADING = re.compile(r"#{1,6}[ \t]")
# What Markdown puts before a heading, an item or a quotation; it is not quoted.
_MARKS = re.compile(r"(?:#{1,6}|[-*+•]|>)[ \t]+(?=\S)")
_COMBINING = re.compile("[\u0300-\u036f]")
_JOINED = re.compile("[\u0300-\u036f\u200d\u20d0-\u20f0\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")

_LEAST_CLAUSE = 6  # characters: a shorter piece joins the next one, so that lists do not fall to crumbs
_MOST_CLAUSE = 120  # characters: a longer piece is cut, at white space where it has some


@dataclass(frozen=True, slots=True)
class Unit:
    """A clause: ``text[start:end]`` of its hit, white space at both ends left out; ``sentence`` numbers from 0.

    ``row`` says that it is a row of a table, which has nothing to do with the rows beside it.
    """

    start: int
    end: int
    sentence: int
    row: bool = False


class _Table(dict[int, str]):
    """Folds one character, and remembers it."""

    def __missing__(self, code: int) -> str:
        folded = fold(chr(code)) if not 0xD800 <= code <= 0xDFFF else chr(code)
        if not folded or _COMBINING.fullmatch(folded):
            folded = ""
        if len(self) < 70_000:
            self[code] = folded
        return folded


_TABLE = _Table()


def fold_aligned(text: str) -> tuple[str, Sequence[int] | None]:
    """Return the folded text and, for each of its characters, the offset in ``text``.

    The offsets are None where the two texts have the same offsets, as nearly all do.
    """
    if text.isascii():
        return text.lower(), None
    folded = text.translate(_TABLE)
    if len(folded) == len(text) and not _COMBINING.search(text):
        return folded, None
    pieces = [_TABLE[ord(c)] for c in text]
    return folded, [at for at, piece in enumerate(pieces) for _ in piece]


def units(text: str) -> list[Unit]:
    """Return the clauses of a text, in order.

    What follows a semicolon belongs to the sentence. Headings are no clauses, where there is anything else.
    """
    found: list[Unit] = []
    headings: list[tuple[int, int]] = []
    number, before = -1, 0
    for start, end in sentence_spans(text):
        goes_on = number >= 0 and text[before - 1] in "；;" and "\n" not in text[before:start]
        number, before = number + (not goes_on), end
        if _HEADING.match(text, start, end) and (start == 0 or text[start - 1] == "\n"):
            headings.append((start, end))
            continue
        if text[start] == "|":
            found.append(Unit(start, end, number, row=True))
            continue
        first = start
        for match in _CLAUSE.finditer(text, start, end):
            if match.end() - first >= _LEAST_CLAUSE and end - match.end() > 1:
                _add(found, text, first, match.end(), number)
                first = match.end()
        _add(found, text, first, end, number)
    if not found:
        for number, (start, end) in enumerate(headings):
            _add(found, text, start, end, number)
    return found


def _add(found: list[Unit], text: str, start: int, end: int, sentence: int) -> None:
    while end - start > _MOST_CLAUSE:
        cut = _cut(text, start, start + _MOST_CLAUSE)
        _add_piece(found, text, start, cut, sentence)
        start = cut
    _add_piece(found, text, start, end, sentence)


def _cut(text: str, start: int, end: int) -> int:
    """Return where to cut a text that has no clause of at most ``end - start`` characters."""
    half = (start + end) // 2
    for at in range(end, half, -1):
        if text[at].isspace():
            return at
    while end > half and (_JOINED.match(text, end) or text[end - 1] == "\u200d"):
        end -= 1
    return end


def _add_piece(found: list[Unit], text: str, start: int, end: int, sentence: int) -> None:
    piece = text[start:end]
    bare = piece.strip()
    if bare:
        start += len(piece) - len(piece.lstrip())
        end = start + len(bare)
        if (start == 0 or text[start - 1] == "\n") and (marks := _MARKS.match(text, start, end)):
            start = marks.end()
        found.append(Unit(start, end, sentence))


def occurrences(text: str, starts: Sequence[int], pairs: dict[str, int], words: dict[str, int]) -> dict[int, set[int]]:
    """Return, for each unit that holds any, the numbers of the terms that it holds.

    Args:
        text: the text as it stands.
        starts: where each unit starts, ascending.
        pairs: terms that are found as they are (pairs of Chinese characters, or single ones) and their numbers.
        words: stems of words and their numbers.
    """
    folded, offsets = fold_aligned(text)
    found: dict[int, set[int]] = {}

    def note(at: int, term: int) -> None:
        unit = bisect_right(starts, at if offsets is None else offsets[at]) - 1
        if unit >= 0:
            found.setdefault(unit, set()).add(term)

    for pair, number in pairs.items():
        at = folded.find(pair)
        while at >= 0:
            note(at, number)
            at = folded.find(pair, at + 1)
    if words:
        for match in RUNS.finditer(folded):
            if match.lastgroup == "word":
                term = words.get(stem(match.group().split("'")[0].split("’")[0]))
                if term is not None:
                    note(match.start(), term)
    return found
