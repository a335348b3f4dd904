"""Where the blocks of a Markdown-like text begin and end: headings, tables, fenced code, lists, paragraphs.

One pass of regular expressions that jump from line end to line end, linear in the length of the text and lazy:
a text of any length costs the memory of one block. Anything that is not recognised is a paragraph, so that plain
text needs no format of its own. Not every rule of CommonMark is here, only what a splitter needs:

- ``# Title`` and a single line underlined with ``===`` or ``---`` are headings, where no longer than a line.
- A table is a line with ``|`` above a delimiter row, and the lines with ``|`` after it.
- Fenced code reaches to its closing fence; without one the fence is a line of text.
- A list reaches over blank lines as long as items or indented lines follow.
- A paragraph reaches to a blank line or to the line that begins a heading, a fence or a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

HEADING = 0
TEXT = 1
TABLE = 2
CODE = 3

_MAX_HEADING = 200  # characters; a longer line that begins with # is a paragraph
_MAX_RULE = 4000  # characters of a table's delimiter row
_MAX_FENCE = 64

_SPACE = re.compile(r"\s*")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S[^\n]*)")
_CLOSING_HASHES = re.compile(r"(?:^|[ \t])#+$")
_FENCE = re.compile(r"[ \t]{0,12}(`{3,}|~{3,})([^\n]*)")
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
_ROWS_END = re.compile(r"\n(?![^\n|]*\|)")
_ENDS = r"\n(?=[^\S\n]*(?:\n|\Z)| {0,3}#{1,6}[ \t]|[ \t]{0,12}(?:```|~~~)"
_TEXT_END = re.compile(_ENDS + r"| {0,3}\|)")
_PIPES_END = re.compile(_ENDS + ")")
_ITEM = re.compile(r"[ \t]{0,3}(?:[-*+•·●○■□◆▪]|\d{1,4}[.)])[ \t]+\S")
_MORE = re.compile(r"(?:[ \t]{2,}|\t)\S")


class Block(NamedTuple):
    """One block: ``text[start:end]``, white space at its end left out.

    ``level`` is that of a heading (1-6), else 0; ``path`` holds the headings above it, its own included;
    ``head`` is where a table's header rows end, else 0; ``header`` the header rows of the table that a rest of a
    table continues, else "".
    """

    kind: int
    start: int
    end: int
    level: int = 0
    path: tuple[str, ...] = ()
    head: int = 0
    header: str = ""


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text in order; every character that is not white space lies in exactly one."""
    size = len(text)
    path: list[tuple[int, str]] = []
    names: tuple[str, ...] = ()
    unclosed: set[tuple[str, int]] = set()
    at = skip_blank(text, 0, size)
    while at < size:
        first = skip_space(text, at, size)
        char = text[first]
        if char == "#":
            heading = _atx(text, at)
            if heading is not None:
                level, end, name = heading
                path = [*((above, title) for above, title in path if above < level), (level, name)]
                names = tuple(title for _, title in path)
                yield Block(HEADING, first, end, level, names)
                at = skip_blank(text, end, size)
                continue
        elif char in "`~":
            end = _fenced(text, at, unclosed)
            if end:
                yield Block(CODE, at, end, 0, names)
                at = skip_blank(text, end, size)
                continue
        line = text.find("\n", first)
        if line >= 0:
            head = _table(text, first, line)
            if head:
                match = _ROWS_END.search(text, head)
                end = trim(text, first, match.start() if match else size)
                yield Block(TABLE, first, end, 0, names, head)
                at = skip_blank(text, end, size)
                continue
            underlined = _setext(text, first, line)
            if underlined is not None:
                level, end, name = underlined
                path = [*((above, title) for above, title in path if above < level), (level, name)]
                names = tuple(title for _, title in path)
                yield Block(HEADING, first, end, level, names)
                at = skip_blank(text, end, size)
                continue
        end = _text_end(text, at, char)
        after = skip_blank(text, end, size)
        if _ITEM.match(text, at):
            while after < size and (_ITEM.match(text, after) or _MORE.match(text, after)):
                end = _text_end(text, after, text[skip_space(text, after, size)])
                after = skip_blank(text, end, size)
        yield Block(TEXT, first, trim(text, first, end), 0, names)
        at = after


def code_blocks(text: str) -> Iterator[Block]:
    """Yield source code as one block: a line that begins with # is a comment there, not a heading."""
    at, end = skip_blank(text, 0, len(text)), trim(text, 0, len(text))
    if at < end:
        yield Block(CODE, at, end)


def skip_space(text: str, start: int, end: int) -> int:
    """Return the place of the first character from ``start`` on that is not white space, or ``end``."""
    match = _SPACE.match(text, start, end)
    return match.end() if match else start


def skip_blank(text: str, start: int, end: int) -> int:
    """Return the beginning of the first line from ``start`` on that is not blank, indentation included."""
    found = skip_space(text, start, end)
    if found >= end:
        return end
    return text.rfind("\n", start, found) + 1 or start


def trim(text: str, start: int, end: int) -> int:
    """Return ``end`` without the white space before it, but not less than ``start``."""
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _text_end(text: str, at: int, char: str) -> int:
    match = (_PIPES_END if char == "|" else _TEXT_END).search(text, at)
    return match.start() if match else len(text)


def _atx(text: str, at: int) -> tuple[int, int, str] | None:
    match = _ATX.match(text, at)
    if match is None or match.end() - at > _MAX_HEADING:
        return None
    name = _CLOSING_HASHES.sub("", match.group(2).strip()).strip()
    return (len(match.group(1)), trim(text, at, match.end()), name) if name else None


def _setext(text: str, first: int, line: int) -> tuple[int, int, str] | None:
    mark = text[line + 1 : line + 2]
    if mark not in ("=", "-") or line - first > _MAX_HEADING:
        return None
    stop = text.find("\n", line + 1, line + 1 + _MAX_HEADING)
    if stop < 0:
        stop = len(text)
        if stop - line > _MAX_HEADING:
            return None
    rule = text[line + 1 : stop].rstrip()
    if len(rule) < 2 or rule.strip(mark) or text[first] in ">|=" or _ITEM.match(text, first):
        return None
    name = text[first:line].strip()
    if not name.strip("-"):
        return None
    return (1 if mark == "=" else 2), line + 1 + len(rule), name


def _fenced(text: str, at: int, unclosed: set[tuple[str, int]]) -> int:
    """Return the end of the fenced code that begins at ``at``, or 0."""
    match = _FENCE.match(text, at)
    if match is None:
        return 0
    mark, width = match.group(1)[0], len(match.group(1))
    if width > _MAX_FENCE or (mark == "`" and "`" in match.group(2)) or (mark, width) in unclosed:
        return 0
    closing = re.compile(rf"\n[ \t]{{0,12}}{mark}{{{width},}}[^\S\n]*(?=\n|\Z)").search(text, match.end())
    if closing is None:
        unclosed.add((mark, width))  # or each such line would be looked for to the end of the text
        return 0
    return trim(text, at, closing.end())


def _table(text: str, first: int, line: int) -> int:
    """Return where the delimiter row of the table that begins at ``first`` ends, or 0."""
    if text[line + 1 : line + 2] not in ("|", ":", "-", " ", "\t"):
        return 0
    if text.find("|", first, line) < 0:
        return 0
    stop = text.find("\n", line + 1, line + 1 + _MAX_RULE)
    if stop < 0:
        stop = len(text)
        if stop - line > _MAX_RULE:
            return 0
    rule = text[line + 1 : stop].strip()
    if (text[first] != "|" and "|" not in rule) or not _RULE.fullmatch(rule):
        return 0
    return trim(text, first, stop)
