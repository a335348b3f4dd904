"""What an RTF file says in one place (the body, a note, a header, a text box): paragraphs and tables as blocks."""

from __future__ import annotations

import re

from ragcli.loading.markup import fenced, table
from ragcli.loading.office.wordstyles import marked

_NUMBER = re.compile(r"(\d{1,9})[.．]?")
_BULLETS = "-–—*o§Ø·•▪◦‣●○■□➢✓❖"
_TYPED_MARK = re.compile(r"([•·▪◦‣●■–]|\d{1,3}\.)\t\s*")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MOST_DEEP = 32  # tables in each other; indents of a list
BULLET = 23  # the number format of a list


class Place:
    """Where a paragraph stands and what it is: 0 for "nowhere" and "none"."""

    __slots__ = ("code", "level", "list_level", "list_number", "style", "table")

    def __init__(self) -> None:
        self.level = 0  # of a heading
        self.code = False  # a line of code
        self.style = -1
        self.list_number = 0
        self.list_level = 0
        self.table = 0  # how many tables it lies in

    def copy(self) -> Place:
        """Return another that is the same."""
        made = Place.__new__(Place)
        made.level = self.level
        made.code = self.code
        made.style = self.style
        made.list_number = self.list_number
        made.list_level = self.list_level
        made.table = self.table
        return made


class _Table:
    """A table that is being read: rows of cells of blocks."""

    __slots__ = ("blocks", "cells", "rows")

    def __init__(self) -> None:
        self.rows: list[list[list[str]]] = []
        self.cells: list[list[str]] = []
        self.blocks: list[str] = []

    def end_cell(self) -> None:
        self.cells.append(self.blocks)
        self.blocks = []

    def end_row(self) -> None:
        if self.blocks:
            self.end_cell()
        if self.cells:
            self.rows.append(self.cells)
            self.cells = []

    def texts(self) -> list[list[str]]:
        return [[" ".join(cell) for cell in row] for row in self.rows]


class Flow:
    """Gathers the text of one place.

    ``pieces`` is what the paragraph being read holds so far, ``asides`` are blocks that follow it, ``mark`` is its
    mark as an item of a list, ``has_page_number`` says that the number of the page was left out of it, ``lines``
    that paragraphs are lines, so that blank ones are kept.

    Args:
        formats: the number formats of lists: of (number of the list, level).
    """

    def __init__(self, formats: dict[tuple[int, int], int]) -> None:
        self.pieces: list[str] = []
        self.asides: list[str] = []
        self.mark: str | None = None
        self.has_page_number = False
        self.lines = False
        self._formats = formats
        self._code: list[str] = []
        self._blocks: list[str] = []
        self._tables: list[_Table] = []
        self._counters: dict[tuple[int, int], int] = {}

    def end_paragraph(self, place: Place) -> None:
        """End a paragraph."""
        depth = min(place.table, _MOST_DEEP)
        if not depth and self._tables and self._tables[0].cells:
            depth = 1  # in a row that has begun
        self._add(place, depth)

    def end_cell(self, place: Place, *, nested: bool) -> None:
        """End a cell, and its last paragraph."""
        depth = min(max(place.table, 2), _MOST_DEEP) if nested else 1
        self._add(place, depth)
        self._enter(depth)
        self._tables[-1].end_cell()

    def end_row(self, place: Place, *, nested: bool) -> None:
        """End a row."""
        if nested and self._tables:
            self._enter(min(max(place.table, 2), _MOST_DEEP, 2 if len(self._tables) < 2 else _MOST_DEEP))
            self._tables[-1].end_row()
        elif self._tables or self.pieces:
            self._add(place, 1)
            self._enter(1)
            self._tables[0].end_row()

    def end_tables(self) -> None:
        """End the tables that are open, whole or not: no table goes over the end of a section."""
        self._enter(0)

    def blocks(self, place: Place) -> list[str]:
        """End the place and return its blocks."""
        self.end_paragraph(place)
        self._end_code()
        self._enter(0)
        return self._blocks

    def text(self, place: Place) -> str:
        """End the place and return its text on one line."""
        return " ".join(" ".join(self.blocks(place)).split())

    def _enter(self, depth: int) -> None:
        """Close or open tables until so many are open."""
        while len(self._tables) > depth:
            done = self._tables.pop()
            done.end_row()
            if self._tables:
                written = "; ".join(", ".join(filter(None, row)) for row in done.texts() if any(row))
                self._tables[-1].blocks += [written] if written else []
            elif len(done.rows) == 1 and len(done.rows[0]) == 1:
                self._blocks += done.rows[0][0]  # a frame around text, not a table
            elif written := table(done.texts()):
                self._blocks.append(written)
        while len(self._tables) < depth:
            self._tables.append(_Table())

    def _add(self, place: Place, depth: int) -> None:
        said = string(self.pieces)
        self.pieces.clear()
        if place.code and not depth and not self.asides:
            self._code.append(said.rstrip())
            return
        self._end_code()
        text = said.strip()
        mark, self.mark = self.mark, None
        blocks = [self._written(text, mark, place)] if text else []
        if self.asides:
            blocks += self.asides
            self.asides = []
        if not blocks:
            if self.lines and not depth:
                self._enter(0)
                self._blocks.append("")
            return
        self._enter(depth)
        (self._tables[-1].blocks if depth else self._blocks).extend(blocks)

    def _end_code(self) -> None:
        """Write the lines of code that were read, as one block."""
        code = "\n".join(self._code).strip("\n")
        self._code.clear()
        if code.strip():
            self._enter(0)
            self._blocks.append(fenced(code))

    def _written(self, text: str, mark: str | None, place: Place) -> str:
        if mark is None and not place.list_number:
            typed = _TYPED_MARK.match(text) if not place.level else None
            if typed is None:
                return marked(text, heading=place.level, listed=None)
            label = typed[1] if typed[1][0].isdecimal() else None
            return marked(text[typed.end() :], heading=0, listed=(place.list_level, label))
        return marked(text, heading=place.level, listed=(place.list_level, self._label(mark, place)))

    def _label(self, mark: str | None, place: Place) -> str | None:
        """The number of an item as it is shown; None for a bullet."""
        said = " ".join((mark or "").split())
        key = (place.list_number, place.list_level)
        number = _NUMBER.fullmatch(said)
        if number:
            self._counters[key] = int(number[1])
            return f"{int(number[1])}."
        if said:
            return None if said in _BULLETS or self._formats.get(key) == BULLET else said
        if key not in self._counters and self._formats.get(key, BULLET) == BULLET:
            return None
        self._counters[key] = self._counters.get(key, 0) + 1
        return f"{self._counters[key]}."


def string(pieces: list[str]) -> str:
    """Join pieces of text; characters that were written in two halves become whole."""
    text = "".join(pieces)
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
