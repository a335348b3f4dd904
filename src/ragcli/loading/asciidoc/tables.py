"""The cells of AsciiDoc's tables, by their marks, or as CSV or DSV."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

_SPEC = (
    r"(?:(?P<times>\d{1,9})\*)?(?:(?P<across>\d{1,9})?(?:\.(?P<down>\d{1,9}))?\+)?"
    r"(?:\.?[<^>]){0,2}(?P<style>[aehlmdsv])?"
)
_COLUMNS = re.compile(r"^(?:(\d{1,9})\*)?.*$")
_MOST = 300  # columns, rows that one cell spans, copies of a cell


@dataclass(slots=True)
class Cell:
    """One cell; ``style`` is ``a`` where blocks are in it."""

    text: str
    columns: int = 1
    rows: int = 1
    style: str = ""


def cells_of(lines: list[str], mark: str, options: dict[str, str]) -> list[list[Cell]]:
    """Return the rows of a table.

    Args:
        lines: between its delimiters.
        mark: the first character of the delimiter: ``|``, ``,``, ``:`` or ``!``.
        options: the attributes of the table: cols, format, separator.
    """
    kind = options.get("format", {",": "csv", ":": "dsv"}.get(mark, "psv"))
    if kind in ("csv", "tsv"):
        separator = options.get("separator", "\t" if kind == "tsv" else ",")
        separator = "\t" if separator == "\\t" else separator[:1]
        try:
            rows = list(csv.reader([line for line in lines if line.strip()], delimiter=separator or ","))
        except csv.Error:
            rows = [[line] for line in lines]
        return [[Cell(text) for text in row] for row in rows]
    if kind == "dsv":
        separator = options.get("separator", ":")[:1] or ":"
        return [[Cell(text) for text in line.split(separator)] for line in lines if line.strip()]
    separator = options.get("separator", "!" if mark == "!" else "|")[:1]
    return _rows(lines, separator, _styles(options.get("cols", "")))


def _styles(columns: str) -> list[str]:
    """The style of each column; its length is their number, 0 where nothing is said."""
    styles: list[str] = []
    parts = re.split(r"[,;]", columns) if columns.strip() else []
    for part in parts:
        found = _COLUMNS.match(part.strip())
        times = int(found[1]) if found and found[1] else 1
        style = part.strip()[-1:] if part.strip()[-1:] in tuple("aehlmdsv") else ""
        styles += [style] * min(times, _MOST - len(styles))
    return styles


def _rows(lines: list[str], separator: str, styles: list[str]) -> list[list[Cell]]:
    mark = re.escape(separator)
    start = re.compile(rf"(?:^|(?<=[ \t])){_SPEC}(?<!\\){mark}|(?<!\\){mark}")
    cells: list[Cell] = []
    first_row = 0  # cells on the first line, which say how many columns there are
    seen = False
    parts: list[str] = []

    def close() -> None:
        if cells:
            cells[-1].text = "\n".join(parts).replace(f"\\{separator}", separator).strip()
        parts.clear()

    repeats: list[tuple[int, int]] = []
    for line in lines:
        if not line.strip() and cells and not seen:
            seen = True
            first_row = len(cells)
        at = 0
        for found in start.finditer(line):
            if cells:
                parts.append(line[at : found.start()])
            close()
            times = int(found["times"] or 1)
            across, down = min(int(found["across"] or 1), _MOST), min(int(found["down"] or 1), _MOST)
            cells.append(Cell("", across, down, found["style"] or ""))
            if times > 1:
                repeats.append((len(cells) - 1, min(times, _MOST) - 1))
            at = found.end()
        if cells:
            parts.append(line[at:])
        if cells and not seen:
            seen, first_row = True, sum(cell.columns for cell in cells) + sum(times for _, times in repeats)
    close()
    for at, times in reversed(repeats):
        cells[at + 1 : at + 1] = [Cell(cells[at].text, 1, 1, cells[at].style) for _ in range(times)]
    return _in_rows(cells, styles, len(styles) or max(first_row, 1))


def _in_rows(cells: list[Cell], styles: list[str], columns: int) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    covered: list[int] = []  # for each row below, the columns that cells above cover in it
    at = 0
    while at < len(cells):
        used = covered.pop(0) if covered else 0
        row: list[Cell] = []
        while at < len(cells) and (used < columns or not row):
            cell = cells[at]
            if not cell.style and used < len(styles):
                cell.style = styles[used]
            for below in range(cell.rows - 1):
                if below == len(covered):
                    covered.append(0)
                covered[below] += cell.columns
            used += cell.columns
            row.append(cell)
            at += 1
            if used >= columns:
                break
        rows.append(row)
    return rows
