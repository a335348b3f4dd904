"""From token ids to text, piece by piece: whole characters only, up to the first text that ends an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BROKEN = "\ufffd"  # what bytes that are no character yet are decoded to
_MOST_BROKEN = 3  # of them at the end; with more it is the model that writes no UTF-8


class TokenText:
    """Decodes tokens as they come.

    A token alone may be some bytes of a character, and its text may depend on the one before it (a space at the start
    of a word); so each is decoded together with the one before, and what that one gives is taken off.

    Args:
        decode: makes text of ids.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._before: list[int] = []  # of these all is handed on
        self._before_size = 0  # characters
        self._ids: list[int] = []  # of these, ``_shown`` characters
        self._shown = 0

    def add(self, token: int) -> str:
        """Return the text that is certain now."""
        self._ids.append(token)
        text = self._decode(self._before + self._ids)[self._before_size :]
        whole = text.rstrip(_BROKEN)
        if len(text) - len(whole) in range(1, _MOST_BROKEN + 1):
            out, self._shown = whole[self._shown :], max(self._shown, len(whole))
            return out
        out = text[self._shown :]
        if text:
            self._before, self._ids, self._shown = self._ids, [], 0
            self._before_size = len(self._decode(self._before))
        return out

    def end(self) -> str:
        """Return what was held back."""
        return self._decode(self._before + self._ids)[self._before_size + self._shown :] if self._ids else ""


class Stops:
    """Cuts a text in pieces at the first of some texts, also where one is spread over several pieces."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(filter(None, stops))
        self._held = ""
        self.found = False

    def add(self, piece: str) -> str:
        """Return what is surely before a stop."""
        if not self._stops or self.found:
            return "" if self.found else piece
        self._held += piece
        cut = cut_at(self._held, self._stops)
        if cut is not None:
            self.found = True
            out, self._held = self._held[:cut], ""
            return out
        free = len(self._held) - self._unfinished()
        out, self._held = self._held[:free], self._held[free:]
        return out

    def end(self) -> str:
        """Return what was held back because a stop could have begun there."""
        out, self._held = self._held, ""
        return out

    def _unfinished(self) -> int:
        longest = min(len(self._held), max(map(len, self._stops)) - 1)
        for size in range(longest, 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0


def cut_at(text: str, stops: Sequence[str]) -> int | None:
    """Return where the first stop begins, or None."""
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
