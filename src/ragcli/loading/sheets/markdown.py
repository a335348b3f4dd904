"""Sheets as Markdown, whatever file they come from: blank rows part tables, captions, headers of several rows.

How merged cells are written, and why:

- Down a column (a label of a group) the text is repeated in each row that it covers, because a chunk holds only some
  of the rows. Long texts stand once.
- Across a row it is repeated in the header only, where it names each column that it covers ("2024" over four
  quarters becomes "2024 / Q1", "2024 / Q2", ...). Elsewhere it is mostly layout, as in forms, and stands once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Row = tuple[int, Mapping[int, str]]
Range = tuple[int, int, int, int]
Rows = list[tuple[int, dict[int, str]]]

MOST_CELLS = 5_000_000  # of a workbook
MOST_TEXT = 200_000_000  # characters of a workbook

_MOST_FILLED = 1_000_000  # repeated labels in a sheet
_LONGEST_LABEL = 200  # characters of a text that is repeated
_DEEPEST_HEADER = 4  # rows
_MOST_GROUPS = 500  # merged cells in a row of a header
_LONGEST_ITEM = 80  # characters of a cell in a table of one column
_SPARSE_AREA = 1_000_000  # cells of a grid that are mostly blank; beyond, cells are listed by their names
_SPARSE_SHARE = 20
_NUMBER = re.compile(r"[-+(]?[^\w\s]{0,2}\d[\d,. ]*[%)]?(?:e[-+]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", re.I)
_PAGE = re.compile(r"(?:[第共]|\bpage\b)?\s*&[PN]\s*(?:[页頁]|\bof\b)?", re.I)
_LINK = re.compile(r"(?:https?|ftp|mailto):", re.I)
_LABELLED = re.compile(r"[^\W\d]\s*[:：]\s*[^\s/]")
_YEAR = re.compile(r"(?:19|20)\d\d")


def written(rows: Iterable[Row], merged: Iterable[Range] = ()) -> str:
    """Write the cells of one sheet as Markdown: tables, and what stands alone as paragraphs.

    Args:
        rows: (row number, {column number: text}) with numbers from 0, in ascending order. Blank cells and rows may
            be left out or not: a gap in the numbers is what parts two tables.
        merged: (first row, first column, last row, last column), all inclusive, from 0; the text is in the first.
    """
    down, across = _by_start(merged)
    blocks: list[list[str]] = []
    header: dict[int, str] = {}
    for block in _blocks(rows, down):
        header = _write(block, across, header, blocks)
    return "\n\n".join("\n".join(lines) for lines in blocks)


def drained(rows: Rows) -> Iterator[Row]:
    """Yield the rows of a list and forget each, so that a large sheet does not stand in memory twice."""
    rows.reverse()
    while rows:
        yield rows.pop()


def assembled(sheets: Iterable[tuple[str, str]]) -> tuple[str, list[dict[str, Any]]]:
    """Join (name, Markdown) of sheets to the text of a workbook and its spans; blank sheets are left out."""
    parts, spans, at = [], [], 0
    for name, content in sheets:
        if not content.strip():
            continue
        name = " ".join(name.split())
        part = f"## {name}\n\n{content}" if name else content
        spans.append({"start": at, "end": at + len(part), "sheet": name})
        parts.append(part)
        at += len(part) + 2
    return "\n\n".join(parts), spans


def linked(text: str, address: str) -> str:
    """Return the text of a cell with the address that it leads to, where that says more."""
    address = address.strip()
    plain = address.removeprefix("mailto:").rstrip("/")
    if not _LINK.match(address) or plain in text:
        return text
    if not text.strip():
        return address
    return f"[{_clean(text)}]({address.replace(' ', '%20')})"


def margin(text: str) -> str:
    """Return what a header or footer of Excel says, without its codes: ``&L``, ``&"Arial,Bold"``, ``&P`` and so on."""
    said = _PAGE.sub(" ", text)
    said = re.sub(r'&(?:"[^"]*"|K[0-9A-F]{6}|K\d\d[+-]\d{3}|\d{1,3})', "", said)
    said = re.sub(r"&[LCR]", " ", said)
    said = re.sub(r"&[A-Z]", "", said, flags=re.I).replace("&&", "&")
    said = " ".join(said.split())
    return said if re.search(r"[^\W\d_]{2}", said) else ""


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell, ``A1`` for (0, 0)."""
    letters = ""
    column += 1
    while column > 0:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row + 1}"


def _by_start(merged: Iterable[Range]) -> tuple[dict[int, list[tuple[int, int]]], dict[int, dict[int, int]]]:
    """Return by first row: (column, last row) of what reaches down, {column: last column} of what reaches across."""
    down: dict[int, list[tuple[int, int]]] = {}
    across: dict[int, dict[int, int]] = {}
    for first_row, first_column, last_row, last_column in merged:
        if last_row > first_row:
            down.setdefault(first_row, []).append((first_column, last_row))
        if last_column > first_column:
            across.setdefault(first_row, {})[first_column] = last_column
    return down, across


def _blocks(rows: Iterable[Row], down: Mapping[int, list[tuple[int, int]]]) -> Iterable[Rows]:
    """Yield the rows between blank rows, with labels repeated down the rows that they cover."""
    block: Rows = []
    labels: dict[int, tuple[int, str]] = {}
    filled = 0
    previous = -1
    for number, cells in rows:
        own = {column: clean for column, text in cells.items() if (clean := _clean(text))}
        if not own:
            continue
        if labels:
            labels = {column: label for column, label in labels.items() if label[0] >= number}
        if block and number > previous + 1 and not labels:
            yield block
            block = []
        previous = number
        for column, (_, text) in labels.items():
            own.setdefault(column, text)
        filled += len(labels)
        if filled > _MOST_FILLED:
            labels, down = {}, {}
        for column, last in down.get(number, ()):
            if column in own and len(own[column]) <= _LONGEST_LABEL:
                labels[column] = (last, own[column])
        block.append((number, own))
    if block:
        yield block


def _clean(text: str) -> str:
    return " ".join((text if "\0" not in text else text.replace("\0", "")).split())


def _write(
    block: Rows, across: Mapping[int, Mapping[int, int]], above: dict[int, str], out: list[list[str]]
) -> dict[int, str]:
    """Write one block; return the header of its table, or that of the table above where it has none."""
    width = len({column for _, cells in block for column in cells})
    if width > 1 and all(len(cells) == 1 for _, cells in block):
        out.extend([text] for _, cells in block for text in cells.values())
        return above
    if width == 1:
        out.extend(_one_column([text for _, cells in block for text in cells.values()]))
        return above
    first = 0
    while len(block[first][1]) == 1 or (first < len(block) - 1 and _is_preface(block, first, width, across)):
        out.append([" ".join(text for _, text in sorted(block[first][1].items()))])
        first += 1
        if first == len(block):
            return above
    last = len(block)
    while last > first + 1 and len(block[last - 1][1]) == 1 and block[last - 1][0] in across:
        last -= 1  # a note below, merged across
    rows = block[first:last]
    notes = [[text] for _, cells in block[last:] for text in cells.values()]
    depth = _depth(rows, across)
    top = rows[0][1]
    columns = sorted({column for _, cells in rows for column in cells})
    if depth == 1 and above.keys() >= set(columns) and _is_data(top) and not _is_data(above):
        header, body, columns = above, rows, sorted(above)  # a table that a blank row or a caption interrupts
        if not first and out[-1][0].startswith("|"):
            out[-1] += _lines(body, columns)
            out.extend(notes)
            return above
    else:
        header, body = _header(rows[:depth], columns, across), rows[depth:]
    area = len(columns) * len(rows)
    if area > _SPARSE_AREA and area > _SPARSE_SHARE * sum(len(cells) for _, cells in rows):
        out.append([f"- {cell_name(row, at)}: {cells[at]}" for row, cells in rows for at in sorted(cells)])
        out.extend(notes)
        return {}
    out.append([*_lines([(0, header)], columns), f"|{' --- |' * len(columns)}", *_lines(body, columns)])
    out.extend(notes)
    return header


def _is_preface(block: Rows, at: int, width: int, across: Mapping[int, Mapping[int, int]]) -> bool:
    """Whether a row above a table only says something about it: "编制单位：某公司    单位：元"."""
    (number, cells), (_, below) = block[at], block[at + 1]
    if len(below) < max(len(cells), 2):
        return False
    if 2 * sum(_LABELLED.search(text) is not None for text in cells.values()) > len(cells):
        return True
    groups = across.get(number, {})
    return len(below) >= 2 * len(cells) <= width and not any(column in groups for column in cells)


def _one_column(texts: list[str]) -> list[list[str]]:
    """Return a list as a table, and lines of prose as paragraphs."""
    if len(texts) >= 3 and all(len(text) <= _LONGEST_ITEM for text in texts):
        lines = [f"| {text.replace('|', chr(92) + '|')} |" for text in texts]
        return [[lines[0], "| --- |", *lines[1:]]]
    return [[text] for text in texts]


def _lines(rows: Rows, columns: list[int]) -> list[str]:
    lines = []
    for _, cells in rows:
        texts = [cells.get(column, "") for column in columns]
        line = "\0".join(texts)
        if "|" in line:
            line = line.replace("|", "\\|")
        lines.append(f"| {line.replace(chr(0), ' | ')} |")
    return lines


def _is_data(cells: Mapping[int, str]) -> bool:
    """Whether a row holds numbers, years apart: then it is no header."""
    return any(_NUMBER.fullmatch(text) and not _YEAR.fullmatch(text) for text in cells.values())


def _depth(rows: Rows, across: Mapping[int, Mapping[int, int]]) -> int:
    """Return how many rows the header has: more than one where each merged cell in it stands over several others."""
    depth = 1
    while depth < min(_DEEPEST_HEADER, len(rows) - 1):
        (number, cells), (_, below) = rows[depth - 1], rows[depth]
        groups = [(start, end) for start, end in across.get(number, {}).items() if start in cells]
        if not 0 < len(groups) <= _MOST_GROUPS or _is_data(cells) or _is_data(below):
            break
        if any(sum(start <= column <= end for column in below) < 2 for start, end in groups):
            break
        depth += 1
    return depth


def _header(rows: Rows, columns: list[int], across: Mapping[int, Mapping[int, int]]) -> dict[int, str]:
    """Return the rows of a header as one, texts over several columns repeated for each."""
    header: dict[int, list[str]] = {column: [] for column in columns}
    for number, cells in rows:
        groups, text, end = across.get(number, {}), "", -1
        for column in columns:
            if column in cells:
                text, end = cells[column], groups.get(column, column)
            parts = header[column]
            if column <= end and parts[-1:] != [text]:
                parts.append(text)
    return {column: " / ".join(parts) for column, parts in header.items() if parts}
