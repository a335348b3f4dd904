"""Headers and footers: lines at the top and bottom of pages that repeat, page numbers among them.

Nothing is known before enough pages are: each page keeps its outermost lines apart until the end.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import NamedTuple

from ragcli.loading.pdf.lines import Line

_BAND = 0.13  # share of a page's height at its top and bottom
_OUTERMOST = 4  # lines of each band
_LEAST = 3  # pages
_ROOM = 0.6  # of the height of a line, between a header and the text
_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"(?i)(?<!\S)[ivxlc]{1,7}$|^[ivxlc]{1,7}(?!\S)")
_PAGE = r"(?:page|seite|página|p\.|第|頁|页)?"
_NUMBER_ONLY = re.compile(rf"[\W_]*{_PAGE}[\W_]*#[\W_]*(?:(?:of|von|de|/|共|页|頁)*[\W_]*#)?\W*(?:页|頁)?\W*$", re.I)


class Candidate(NamedTuple):
    """A line that may be a header or a footer."""

    page: int
    key: str  # its text, any number as #
    slot: int  # how far down the page it stands, in hundredths; a footer's count from below, and are negative
    numbers: tuple[int, ...]


def _outermost(lines: list[tuple[float, float, int]]) -> list[int]:
    """The first few lines, as far as there is more room after them than between lines of text.

    Args:
        lines: (top, bottom, place) from the outermost inwards.
    """
    low, held = float("-inf"), 0
    for number, (top, bottom, _) in enumerate(lines[: _OUTERMOST + 1]):
        if number and top - low > _ROOM * (bottom - top):
            held = number
        low = max(low, bottom)
    else:
        held = len(lines) if len(lines) <= _OUTERMOST else held
    return [at for _, _, at in lines[:held]]


class Margins:
    """Learns the headers and footers of a document."""

    def __init__(self) -> None:
        self._pages = 0
        self._slots: dict[int, list[Candidate]] = defaultdict(list)

    def candidates(self, page: int, lines: list[Line], top: float, height: float) -> dict[int, Candidate]:
        """Take in a page; return the candidates among its lines by their place in the list."""
        self._pages += 1
        if height <= 0 or len(lines) < 1:
            return {}
        order = sorted(range(len(lines)), key=lambda at: lines[at].top)
        found: dict[int, Candidate] = {}
        for at in _outermost([(lines[at].top, lines[at].bottom, at) for at in order]):
            if lines[at].bottom - top < _BAND * height:
                found[at] = self._candidate(page, lines[at], round(100 * (lines[at].top - top) / height))
        order.sort(key=lambda at: -lines[at].bottom)
        for at in _outermost([(-lines[at].bottom, -lines[at].top, at) for at in order]):
            if at not in found and lines[at].top - top > (1 - _BAND) * height:
                slot = min(round(100 * ((lines[at].bottom - top) / height - 1)), -1) - 100
                found[at] = self._candidate(page, lines[at], slot)
        for one in found.values():
            self._slots[one.slot].append(one)
        return found

    def _candidate(self, page: int, line: Line, slot: int) -> Candidate:
        text = " ".join(line.text.split())
        numbers = tuple(int(one) for one in _DIGITS.findall(text)[:4] if len(one) < 6)
        return Candidate(page, _ROMAN.sub("#", _DIGITS.sub("#", text))[:200].casefold(), slot, numbers)

    def repeated(self) -> set[Candidate]:
        """Return the candidates that are headers or footers."""
        found: set[Candidate] = set()
        if self._pages < _LEAST:
            return found
        everywhere = Counter(key for some in self._slots.values() for key in {(one.page, one.key) for one in some})
        pages_of = Counter(key for _, key in everywhere)
        for slot in self._slots:
            near = [one for at in (slot - 1, slot, slot + 1) for one in self._slots.get(at, ())]
            numbered = self._running(near)
            likely = {
                one
                for one in near
                if pages_of[one.key] >= _LEAST
                or _NUMBER_ONLY.match(one.key)
                or (one in numbered and pages_of[one.key] >= 2)
            }
            pages = {one.page for one in likely}
            if self._is_most(pages):
                found |= {one for one in likely if one.slot == slot}
        return found

    def _is_most(self, pages: set[int]) -> bool:
        """Whether these are most pages, or most of the odd or the even ones."""
        if len(pages) < _LEAST:
            return False
        if 2 * len(pages) > self._pages:
            return True
        parity = Counter(page % 2 for page in pages).most_common(1)[0][1]
        return parity >= max(_LEAST, 0.6 * (self._pages / 2))

    def _running(self, some: list[Candidate]) -> set[Candidate]:
        """Lines with a number that grows with the page."""
        offsets = Counter(offset for one in some for offset in {number - one.page for number in one.numbers})
        if not offsets:
            return set()
        offset, often = offsets.most_common(1)[0]
        if often < _LEAST:
            return set()
        return {one for one in some if any(number - one.page == offset for number in one.numbers)}
