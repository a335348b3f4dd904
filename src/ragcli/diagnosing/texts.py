"""Where an answer stands in a text, or nearly stands: broken by blanks, garbled, or in other words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ragcli.evaluation.normalising import Folded, find, fold, fold_with_places, is_edge

Kind = Literal["broken", "mojibake", "similar"]

_SIMILAR = 80.0  # of 100, as rapidfuzz counts: the share of characters that need no change
_LEAST_SIMILAR = 4  # characters of an answer: of a shorter one, one changed character makes another answer
_LEAST_GARBLED = 3  # characters that must be found of a garbled answer
_LEAST_BYTES = 4  # of an answer: fewer stand anywhere by chance
_LEAST_BINARY = 8  # likewise of ASCII in a file that is no text
LOST = "\ufffd"  # stands for bytes that are none of an encoding
_AROUND = 24  # characters shown on each side
_MOST = 2_000_000  # characters of a text that are searched for what is similar

# How text becomes mojibake: written in the first encoding, read in the second.
_MISREADINGS = (
    ("utf-8", "gb18030"),
    ("utf-8", "latin-1"),
    ("utf-8", "cp1252"),
    ("utf-8", "big5"),
    ("utf-8", "shift_jis"),
    ("gb18030", "latin-1"),
    ("gb18030", "cp1252"),
    ("gb18030", "big5"),
    ("gb18030", "utf-8"),
    ("gb18030", "shift_jis"),
    ("gb18030", "euc-kr"),
    ("big5", "gb18030"),
    ("big5", "latin-1"),
    ("big5", "cp1252"),
    ("utf-16-le", "latin-1"),
    ("utf-8", "cp437"),
    ("utf-8", "mac_roman"),
    ("utf-8", "cp1251"),
    ("utf-8", "euc-kr"),
    ("gb18030", "cp437"),
    ("gb18030", "cp1251"),
    ("cp1252", "gb18030"),
    ("cp1252", "cp437"),
    ("cp1252", "mac_roman"),
    ("cp1252", "cp1251"),
)
_BYTES_ALONE = frozenset({"latin-1", "cp1252", "cp437", "cp1251", "mac_roman"})  # each byte is a character
ENCODINGS = ("utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be", "shift_jis", "euc-kr", "cp1252")


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of a text that holds an answer."""

    start: int
    end: int
    answer: str


@dataclass(frozen=True, slots=True)
class Near:
    """What stands in a text instead of an answer.

    Args:
        kind: how it differs.
        start, end: its slice of the text.
        answer: what was looked for.
        score: of 100, how alike they are.
    """

    kind: Kind
    start: int
    end: int
    answer: str
    score: float


class Text:
    """A text that is searched often; folded once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._plain: str | None = None
        self._folded: Folded | None = None

    @property
    def plain(self) -> str:
        """The text, folded."""
        if self._plain is None:
            self._plain = fold(self.text)
        return self._plain

    @property
    def folded(self) -> Folded:
        """The text, folded, with the places that it came from."""
        if self._folded is None:
            self._folded = fold_with_places(self.text)
        return self._folded

    def places(self, answers: Sequence[str]) -> list[Place]:
        """Return where the answers stand, in order; each place once."""
        found: dict[tuple[int, int], Place] = {}
        for answer in answers:
            wanted = _folded(answer)
            if find(wanted, self.plain) < 0:
                continue
            at = find(wanted, self.folded.text)
            while at >= 0:
                start, end = self.folded.span(at, at + len(wanted))
                found.setdefault((start, end), Place(start, end, answer))
                at = find(wanted, self.folded.text, at + 1)
        return [found[key] for key in sorted(found)]

    def near(self, answers: Sequence[str]) -> Near | None:
        """Return what comes nearest to one of the answers, none of which stands in the text."""
        for search in (self._broken, self._garbled, self._similar):
            made = [near for answer in answers if (near := search(answer)) is not None]
            if made:
                return max(made, key=lambda near: near.score)
        return None

    def _broken(self, answer: str) -> Near | None:
        """Find an answer whose words are cut by blanks, line ends or hyphens, or run together."""
        wanted = _folded(answer).replace(" ", "")
        if len(wanted) < _LEAST_SIMILAR or wanted not in self.plain.replace(" ", ""):
            return None
        places = [at for at, char in enumerate(self.folded.text) if char != " "]
        text = self.folded.text.replace(" ", "")
        at = text.find(wanted)
        while at >= 0:
            first, after = places[at], places[at + len(wanted) - 1] + 1
            if is_edge(self.folded.text, first) and is_edge(self.folded.text, after):
                start, end = self.folded.span(first, after)
                return Near("broken", start, end, answer, 100.0)
            at = text.find(wanted, at + 1)
        return None

    def _garbled(self, answer: str) -> Near | None:
        for form, lost in garbled(answer):
            if (at := self.text.find(form)) >= 0:
                return Near("mojibake", at, at + len(form), answer, 100.0 - lost)
        return None

    def _similar(self, answer: str) -> Near | None:
        from rapidfuzz import fuzz

        wanted = _folded(answer)
        if len(wanted) < _LEAST_SIMILAR or len(self.plain) > _MOST:
            return None
        made = fuzz.partial_ratio_alignment(wanted, self.plain, score_cutoff=_SIMILAR)
        if made is None or made.dest_end <= made.dest_start:
            return None
        start, end = self.folded.span(made.dest_start, made.dest_end)
        kind: Kind = "mojibake" if LOST in self.text[start:end] and LOST not in answer else "similar"
        return Near(kind, start, end, answer, round(made.score, 1))

    def around(self, start: int, end: int, mark: int | None = None) -> str:
        """Return a slice with what stands around it, on one line; ``mark`` is a place that is shown as ``|``."""
        low, high = max(0, start - _AROUND), min(len(self.text), end + _AROUND)
        parts = [self.text[low:high]] if mark is None else [self.text[low:mark], self.text[mark:high]]
        shown = "|".join(" ".join(part.split()) for part in parts)
        return f"{'…' if low else ''}{shown}{'…' if high < len(self.text) else ''}"


@lru_cache(maxsize=1024)
def _folded(answer: str) -> str:
    return fold(answer)  # once, not for each of thousands of texts


@lru_cache(maxsize=1024)
def garbled(answer: str) -> tuple[tuple[str, int], ...]:
    """Return what an answer looks like when its bytes were read in a wrong encoding, with the characters left off.

    The first and last characters are left off where they may have been read together with their neighbours.
    """
    return tuple(dict.fromkeys(_forms(answer)))


def _forms(answer: str) -> Iterator[tuple[str, int]]:
    for written, read in _MISREADINGS:
        try:
            raw = answer.encode(written)
        except UnicodeEncodeError:
            continue
        for skipped in (0, 1):
            form = raw[skipped:].decode(read, "replace")
            inner = form if read in _BYTES_ALONE else form[1:-1]
            inner = max(inner.split(LOST), key=len)
            if len(inner) >= _LEAST_GARBLED and not inner.isascii() and inner not in answer:
                yield inner, len(form) - len(inner)


def encodings_of(data: bytes, answers: Sequence[str]) -> list[str]:
    """Return the encodings in which a file's bytes hold one of the answers, as they stand.

    What is ASCII reads alike in nearly all: of it, only UTF-8 is told, and only where it stands as words of its own.
    """
    return [encoding for encoding in ENCODINGS if any(_stands(data, answer, encoding) for answer in answers)]


def _stands(data: bytes, answer: str, encoding: str) -> bool:
    if answer.isascii() and encoding != "utf-8":
        return False
    try:
        raw = answer.encode(encoding)
    except UnicodeEncodeError:
        return False
    if len(raw) < (_LEAST_BYTES if b"\0" not in data or not answer.isascii() else _LEAST_BINARY):
        return False
    at = data.find(raw)
    while at >= 0:
        if not answer.isascii():
            return True
        around = data[max(0, at - 1) : at + len(raw) + 1].decode("latin-1")
        if Text(around).places([answer]):
            return True
        at = data.find(raw, at + 1)
    return False
