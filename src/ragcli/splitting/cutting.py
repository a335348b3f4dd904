"""Where to cut a block that is too long: at its lines or sentences, then inside a sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ragcli.splitting.blocks import CODE, TABLE, TEXT, Block, skip_blank, skip_space, trim
from ragcli.splitting.sentences import boundaries

_AHEAD = 64  # characters after a place that decide whether a sentence ends there
_PAUSES = ("，", "、", "；", "：", ", ", "; ", ": ")
_PAUSE = re.compile(r"[，、；：]|\s+")
_JOINED = 64  # characters looked back over for the beginning of what belongs together


def cut(text: str, block: Block, limit: int) -> tuple[int, int] | None:
    """Return (end of the first piece, start of the next), the last sentence or line end up to ``limit``.

    A line end is taken before a later sentence end where it leaves the piece more than half full. None where
    there is no such place.
    """
    start = block.start
    if limit <= start:
        return None
    if block.kind == TABLE:
        return _line(text, max(start, block.head), limit, block.end)
    middle = start + (limit - start) // 2
    if block.kind == CODE:
        at = text.rfind("\n\n", middle, limit)
        return (
            (trim(text, start, at), skip_blank(text, at, block.end))
            if at > start
            else _line(text, start, limit, block.end)
        )
    return _sentence(text, middle, limit, block, lines=True) or _sentence(text, start, middle, block, lines=False)


def _line(text: str, low: int, limit: int, end: int) -> tuple[int, int] | None:
    at = text.rfind("\n", low + 1, limit + 1)
    if at < 0:
        return None
    stop = trim(text, low, at)
    return (stop, skip_blank(text, at, end)) if stop > low else None


def _sentence(text: str, low: int, limit: int, block: Block, *, lines: bool) -> tuple[int, int] | None:
    found = line = None
    for stop, following in boundaries(text, max(block.start, low), min(block.end, limit + _AHEAD)):
        if stop > limit or following >= block.end:
            break
        if stop > block.start:
            found = (stop, following)
            if lines and "\n" in text[stop:following]:
                line = found
    return line or found


def cut_inside(text: str, start: int, limit: int, end: int) -> tuple[int, int]:
    """Return (end of the first piece, start of the next) within one sentence: at a comma, a space, anywhere.

    ``start < limit < end``, and ``start`` is not white space. Characters that belong together (combining marks,
    joined emoji, pairs of flags, CR LF) are not parted unless the piece holds nothing else.
    """
    low = start + (limit - start) // 2
    best = max(text.rfind(mark, low, limit) for mark in _PAUSES)
    if best > start:
        best += 1
    else:
        parts = text[low:limit].rsplit(None, 1)
        best = limit - len(parts[1]) if len(parts) > 1 and not text[limit - 1].isspace() else limit
        if text[limit].isspace():
            best = limit
    if best == limit:
        for at in range(limit, max(start, limit - _JOINED), -1):
            if not _together(text, start, at):
                best = at
                break
    return trim(text, start, best), skip_space(text, best, end)


def _together(text: str, start: int, at: int) -> bool:
    char, before = text[at], text[at - 1]
    if char < "\u0300" and before < "\u0300":
        return before == "\r" and char == "\n"
    if before == "\u200d" or char in "\u200c\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        flags = 0  # counted from where the piece begins: a flag is a pair
        while at - flags > start and "\U0001f1e6" <= text[at - 1 - flags] <= "\U0001f1ff":
            flags += 1
        return flags % 2 == 1
    if "\udc00" <= char <= "\udfff" and "\ud800" <= before <= "\udbff":
        return True
    return unicodedata.category(char)[0] == "M" or "\U000e0020" <= char <= "\U000e007f"


def pause_starts(text: str, low: int, end: int) -> Iterator[int]:
    """Yield the places from ``low`` on and before ``end`` where a sentence can be entered: after a comma, a space."""
    for match in _PAUSE.finditer(text, low, end):
        if match.end() < end:
            yield match.end()
    if low < end and not text[low].isspace() and (low == 0 or not _together(text, 0, low)):
        yield low


def sentence_starts(text: str, low: int, end: int) -> list[int]:
    """Return the starts of sentences from ``low`` on and before ``end``."""
    first = max(0, low - _AHEAD)
    return [following for _, following in boundaries(text, first, end) if low <= following < end]


def rest(block: Block, start: int, header: str) -> Block:
    """Return what is left of a block from ``start`` on."""
    return (
        block._replace(start=start, head=0, header=header)
        if block.kind == TABLE
        else block._replace(start=start, kind=block.kind if block.kind == CODE else TEXT, level=0)
    )
