"""Whether a text holds an answer: both folded to what is the same for a reader, with places that lead back.

White space, line breaks and punctuation are not compared, so that an answer is found across the end of a line or of a
page; a number or a word must not be part of a longer one (12 is not in 2012, art not in start). Chinese has no words
between blanks: nothing here cuts at white space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ragcli.language import simplified

# Kept: letters, marks, numbers and symbols (C++, ￥, ℃ differ by them), the signs %, # and @, and the point in 3.5.
_SIGNS = frozenset("%#@")
_KEPT = frozenset("LMNS")
_POINT = re.compile(r"(?<=\d)[.．](?=\d)")
_THOUSANDS = re.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))")
_A_POINT, _NOTHING, _GAP = "\x01", "\x02", "\0"
_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])\0+(?=[a-z0-9])")
_DIGITS, _UNITS = frozenset("〇零一二两三四五六七八九"), frozenset("十百千万亿")
_DECIMAL = re.compile(r"\d\.\d")


class _Characters(dict[int, str]):
    """What each character becomes; filled as characters come."""

    def __missing__(self, code: int) -> str:
        whole = simplified(unicodedata.normalize("NFKC", chr(code)).casefold())
        kept = "".join(one for one in whole if one in _SIGNS or unicodedata.category(one)[0] in _KEPT)
        self[code] = kept or _GAP
        return self[code]


_CHARACTERS = _Characters({ord(_A_POINT): ".", ord(_NOTHING): "", ord(_GAP): _GAP})


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as it is compared.

    Args:
        text: folded.
        places: of each of its characters, the place in the text that was folded.
    """

    text: str
    places: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the slice of the text that a slice of the folded one comes from."""
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> str:
    """Return a text as it is compared: 'New\\nYork: 3,000 件' is 'new york 3000件'."""
    mapped = _marked(text).translate(_CHARACTERS)
    return _BETWEEN_WORDS.sub(" ", mapped).replace(_GAP, "")


def fold_with_places(text: str) -> Folded:
    """Return a text as it is compared, with the place that each character comes from."""
    pieces = [_CHARACTERS[ord(char)] for char in _marked(text)]
    places = [place for place, piece in enumerate(pieces) for _ in piece]
    mapped = "".join(pieces)
    kept = {match.start() for match in _BETWEEN_WORDS.finditer(mapped)}
    left = [at for at, char in enumerate(mapped) if char != _GAP or at in kept]
    return Folded("".join(mapped[at] for at in left).replace(_GAP, " "), [places[at] for at in left])


def _marked(text: str) -> str:
    """Return a text with the points and commas within numbers told from those between sentences."""
    return _THOUSANDS.sub(_NOTHING, _POINT.sub(_A_POINT, text))


def find(answer: str, text: str, start: int = 0) -> int:
    """Return where a folded answer stands in a folded text as words and numbers of its own, or -1."""
    if not answer:
        return -1
    at = text.find(answer, start)
    while at >= 0:
        if is_edge(text, at) and is_edge(text, at + len(answer)):
            return at
        at = text.find(answer, at + 1)
    return -1


def holds(text: str, answers: Iterable[str]) -> bool:
    """Whether a folded text holds one of the folded answers."""
    return any(find(answer, text) >= 0 for answer in answers)


def is_edge(text: str, at: int) -> bool:
    """Whether a place lies at the edge of a word or a number, and not within one."""
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if before.isdigit() and after.isdigit():
        return False
    if _is_numeral(before) and _is_numeral(after) and _is_within_number(text, at):
        return False
    if "." in (before, after) and _DECIMAL.search(text, max(at - 2, 0), at + 2):
        return False
    return not (_is_letter(before) and _is_letter(after))


def _is_numeral(char: str) -> bool:
    return char in _DIGITS or char in _UNITS


def _is_within_number(text: str, at: int) -> bool:
    """Whether a Chinese number goes on at a place: 十三 and 二〇一三 do, 统一三国 does not."""
    before, after = text[at - 1], text[at]
    if before in _DIGITS and after in _DIGITS:
        beside = text[max(at - 2, 0) : at - 1] + text[at + 1 : at + 2]
        return any(char in _DIGITS for char in beside)
    return before != after or before in _DIGITS


def _is_letter(char: str) -> bool:
    """Whether a character is of a script that writes words: Chinese and its neighbours do not."""
    return char.isalpha() and char < "\u2e80"
