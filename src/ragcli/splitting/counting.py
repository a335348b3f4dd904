"""How long a piece of text is, and how far a given length reaches: in characters, or in tokens of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ragcli.errors import ModelError
from ragcli.jsonl import clean

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PIECE = 32_768  # characters handed to the tokenizer at once
_CHARACTERS_A_TOKEN = 24  # a chunk holds at most so many, whatever the tokenizer takes for one token
_SURE = 0.6  # of the size: below it a sum of counts is near enough, the whole is not counted again


class TokenCounter(Protocol):
    """Counts the tokens of a model as `split` needs it.

    ``limit`` is the most tokens of chunk text the model reads (special tokens and prefixes taken off).
    """

    @property
    def limit(self) -> int:
        """The most tokens of chunk text the model reads."""
        ...

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Return (start, end) in characters of each token of the text, in order, without special tokens."""
        ...


class HuggingFaceCounter:
    """Counts with a tokenizer of the package `tokenizers`.

    Args:
        tokenizer: left as it is; its truncation and padding are not applied.
        limit: the most tokens of chunk text the model reads.
    """

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self.limit = limit
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            tokenizer = type(tokenizer).from_str(tokenizer.to_str())
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self._tokenizer = tokenizer

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return (start, end) in characters of each token; long texts are fed piece by piece, cut at spaces.

        Raises:
            ModelError: the tokenizer fails on the text.
        """
        text = clean(text)  # one for one, so that offsets hold
        if len(text) <= _PIECE:
            return self._encode(text)
        found: list[tuple[int, int]] = []
        at = 0
        while at < len(text):
            stop = min(len(text), at + _PIECE)
            if stop < len(text):
                tail = text[stop - 256 : stop].split()[-1:]
                stop -= len(tail[0]) if tail and len(tail[0]) < 256 and not text[stop - 1].isspace() else 0
            found += [(at + start, at + end) for start, end in self._encode(text[at:stop])]
            at = stop
        return found

    def _encode(self, text: str) -> list[tuple[int, int]]:
        try:
            offsets: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        except Exception as error:
            raise ModelError(f"the tokenizer of the model failed on a text: {error}") from error
        return offsets


class Characters:
    """Measures slices of one text in characters."""

    def __init__(self, text: str, size: int) -> None:
        self.text = text
        self.size = size

    def cost(self, header: str) -> int:
        """Return what a header before the piece takes, its line end included."""
        return len(header) + 1 if header else 0

    def fits(self, start: int, end: int, header: str = "") -> bool:
        """Whether the slice with the header before it is no longer than the size."""
        return end - start + self.cost(header) <= self.size

    def used(self, start: int, end: int) -> int:
        """Return the length of the slice."""
        return end - start

    def reach(self, start: int, end: int, room: int) -> int:
        """Return the farthest place up to ``end`` such that the slice from ``start`` is no longer than room."""
        return min(end, start + max(0, room))

    def back(self, start: int, end: int, room: int) -> int:
        """Return the first place from ``start`` on such that the slice to ``end`` is no longer than room."""
        return max(start, end - max(0, room))


class Tokens:
    """Measures slices of one text in tokens, each slice counted by itself, as the model will see it."""

    def __init__(self, text: str, size: int, counter: TokenCounter) -> None:
        self.text = text
        self.size = size
        self._counter = counter
        self._known = (-1, -1, 0)  # start, end and count of the slice that was counted last
        self._header = ("", 0)
        self._width = 3.0  # characters a token, as met so far

    def _count(self, text: str) -> int:
        return len(self._counter.spans(text))

    def cost(self, header: str) -> int:
        """Return what a header before the piece takes."""
        if not header:
            return 0
        if self._header[0] != header:
            self._header = (header, self._count(header + "\n"))
        return self._header[1]

    def fits(self, start: int, end: int, header: str = "") -> bool:
        """Whether the slice with the header before it is no longer than the size."""
        if end - start > self.size * _CHARACTERS_A_TOKEN:
            return False
        if header:
            return self._count(header + "\n" + self.text[start:end]) <= self.size
        return self.used(start, end) <= self.size

    def used(self, start: int, end: int) -> int:
        """Return the number of tokens of the slice; exact where it comes near the size."""
        known_start, known_end, count = self._known
        if known_start == start and known_end <= end:
            if known_end == end:
                return count
            count += self._count(self.text[known_end:end])
            if count <= self.size * _SURE:
                self._known = (start, end, count)
                return count
        count = self._count(self.text[start:end])
        self._known = (start, end, count)
        return count

    def reach(self, start: int, end: int, room: int) -> int:
        """Return a place up to ``end`` such that the slice from ``start`` has no more than room tokens.

        It is ``start`` where not even one character fits.
        """
        if room <= 0:
            return start
        stop = min(end, start + room * _CHARACTERS_A_TOKEN)
        take = room
        near = min(stop, start + int(room * self._width) + 16)  # as wide as the tokens were so far
        spans = self._counter.spans(self.text[start:near])
        while len(spans) <= room:
            if near >= stop:
                return stop
            near = min(stop, start + 2 * (near - start))
            spans = self._counter.spans(self.text[start:near])
        self._width = 1.2 * (near - start) / len(spans)
        while take > 0:
            # A token may reach back over the one before (byte pieces of a character): cut before what overflows.
            place = start + min(spans[take - 1][1], spans[take][0] if spans[take][0] > 0 else spans[take - 1][1])
            if place > start and self._count(self.text[start:place]) <= room:
                return place
            take -= max(1, take // 16)
        return start

    def back(self, start: int, end: int, room: int) -> int:
        """Return a place such that the slice to ``end`` has about room tokens and never more characters than fit."""
        if room <= 0:
            return end
        low = max(start, end - room * _CHARACTERS_A_TOKEN)
        spans = self._counter.spans(self.text[low:end])
        return low if len(spans) <= room else low + spans[len(spans) - room][0]


Measure = Characters | Tokens
