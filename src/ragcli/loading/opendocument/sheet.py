"""The sheets of OpenDocument files: cells as they are shown, merged cells, comments, and what is drawn on the sheet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ragcli.loading.opendocument.styles import DRAW, OFFICE, TABLE, TEXT, attribute_number
from ragcli.loading.opendocument.text import ANNOTATIONS, Writer
from ragcli.loading.sheets.markdown import Range, cell_name, written
from ragcli.loading.source import Source

SHEET, ROW = f"{TABLE}table", f"{TABLE}table-row"
_CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
_P = f"{TEXT}p"
_REPEATED = f"{TABLE}number-columns-repeated"
_WIDE, _DEEP = f"{TABLE}number-columns-spanned", f"{TABLE}number-rows-spanned"
_TYPE, _VALUE = f"{OFFICE}value-type", f"{OFFICE}value"
_MOST_REPEATED = 1_000_000  # cells with text in a file that repeat the one before
_DURATION = re.compile(r"PT(\d+)H(\d+)M(\d+(?:[.,]\d+)?)S")


class Sheets:
    """Reads the sheets of a file from the events of a parser, so that a large one never stands in memory whole.

    Args:
        source: told of losses.
        writer: writes what is no plain text in a cell.
    """

    def __init__(self, source: Source, writer: Writer) -> None:
        self._source = source
        self._writer = writer
        self._room = _MOST_REPEATED
        self._rows: list[tuple[int, dict[int, str]]] = []
        self._merged: list[Range] = []
        self._asides: list[str] = []
        self._at = 0

    def read(self, events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
        """Yield name and Markdown of each sheet.

        Args:
            events: start and end of the elements that are tables, and end of those that are rows.
        """
        deep = 0
        name = ""
        for event, element in events:
            if element.tag == ROW:
                if deep == 1 and event == "end":
                    self._row(element)
                    element.clear()
            elif event == "start":
                deep += 1
                if deep == 1:
                    name = element.get(f"{TABLE}name") or ""
            else:
                deep -= 1
                if deep == 0:
                    shapes = element.find(f"{TABLE}shapes")
                    if shapes is not None:
                        self._asides += self._writer.blocks(shapes)
                    element.clear()
                    yield name, self._finished()
        if deep:  # the file is cut off
            yield name, self._finished()

    def _finished(self) -> str:
        blocks = [written(self._rows, self._merged), *self._asides]
        self._rows, self._merged, self._asides, self._at = [], [], [], 0
        self._source.beat()
        return "\n\n".join(filter(None, blocks))

    def _row(self, row: Any) -> None:
        cells: dict[int, str] = {}
        column = 0
        for cell in row.iterchildren(*_CELLS):
            again = 1 if cell.get(_REPEATED) is None else attribute_number(cell, "number-columns-repeated", TABLE)
            text = self._cell(cell, column)
            if text:
                if cell.get(_WIDE) is not None or cell.get(_DEEP) is not None:
                    self._merge(cell, column)
                if again > 1:
                    again_here = self._taken(again, 1)
                    cells.update(dict.fromkeys(range(column, column + again_here), text))
                else:
                    cells[column] = text
            column += again
        again = attribute_number(row, "number-rows-repeated", TABLE)
        if cells:
            self._rows += [(self._at + more, cells) for more in range(self._taken(again, len(cells)))]
        self._at += again

    def _taken(self, again: int, size: int) -> int:
        """How often something is written that is repeated so often; what is too much is a loss."""
        if again == 1:
            return 1
        allowed = min(again, max(self._room // size, 1))
        if allowed < again and self._room:
            self._source.lose(f"cells that repeat the one before are written {_MOST_REPEATED:,} times, not more")
            self._room = 0
        self._room = max(self._room - allowed * size, 0)
        return allowed

    def _merge(self, cell: Any, column: int) -> None:
        deep = attribute_number(cell, "number-rows-spanned", TABLE)
        wide = attribute_number(cell, "number-columns-spanned", TABLE)
        if deep > 1 or wide > 1:
            self._merged.append((self._at, column, self._at + deep - 1, column + wide - 1))

    def _cell(self, cell: Any, column: int) -> str:
        if len(cell) == 1 and cell[0].tag == _P and not len(cell[0]):
            return cell[0].text or _value(cell)
        if not len(cell):
            return _value(cell) if cell.attrib else ""
        lines: list[str] = []
        for child in cell.iterchildren():
            if child.tag in ANNOTATIONS:
                who, said = self._writer.comment(child)
                if said:
                    name = cell_name(self._at, column)
                    self._asides.append(f"Comment ({name}): {f'{who}: ' if who else ''}{said}")
            elif isinstance(child.tag, str) and child.tag.startswith(DRAW):
                self._asides += self._writer.shape(child)
            elif child.tag == SHEET:
                lines.append(" ".join(" ".join(map(str, child.itertext())).split()))
            else:
                lines.append(self._writer.line(child, self._asides))
        return "\n".join(filter(None, lines)) or _value(cell)


def _value(cell: Any) -> str:
    """What a cell says that has a value and no text, as a sheet shows it by default."""
    kind = cell.get(_TYPE)
    if kind is None:
        return ""
    value = cell.get(_VALUE) or ""
    if kind == "boolean":
        return (cell.get(f"{OFFICE}boolean-value") or "").upper()
    if kind == "date":
        return (cell.get(f"{OFFICE}date-value") or "").replace("T", " ")
    if kind == "time":
        value = cell.get(f"{OFFICE}time-value") or ""
        found = _DURATION.fullmatch(value)
        return ":".join(f"{part:0>2}" for part in found.groups()) if found else value
    if kind == "string":
        return cell.get(f"{OFFICE}string-value") or ""
    if kind == "percentage":
        try:
            return f"{float(value) * 100:.10g}%"
        except ValueError:
            return value
    if kind == "currency":
        return f"{value} {cell.get(f'{OFFICE}currency') or ''}".strip()
    return value
