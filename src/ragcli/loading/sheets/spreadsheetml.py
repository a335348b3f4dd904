"""Excel 2003 in XML ("XML Spreadsheet 2003"), which programs write and call .xls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ragcli.loading.sheets.markdown import MOST_CELLS, Range, assembled, cell_name, linked, written
from ragcli.loading.sheets.numformat import general, shown
from ragcli.loading.source import Source
from ragcli.records import Document

_S = "{urn:schemas-microsoft-com:office:spreadsheet}"
_O = "{urn:schemas-microsoft-com:office:office}"
_DAY_ZERO = datetime(1899, 12, 30)
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_NAMED = {
    "General Number": "General", "General Date": "yyyy-mm-dd hh:mm:ss", "Long Date": "yyyy-mm-dd",
    "Medium Date": "d-mmm-yy", "Short Date": "yyyy-mm-dd", "Long Time": "h:mm:ss", "Medium Time": "h:mm AM/PM",
    "Short Time": "h:mm", "Currency": "$#,##0.00;-$#,##0.00", "Euro Currency": "[$€-2] #,##0.00", "Fixed": "0.00",
    "Standard": "#,##0.00", "Percent": "0.00%", "Scientific": "0.00E+00", "Yes/No": '"Yes";"Yes";"No"',
    "True/False": '"True";"True";"False"', "On/Off": '"On";"On";"Off"',
}  # fmt: skip


def spreadsheet_2003(source: Source, root: Any) -> Iterator[Document]:
    """Yield the workbook as one document, a span a sheet.

    Args:
        source: the file.
        root: its element ``Workbook``.
    """
    codes = _codes(root)
    facts = {name: _said(root, name) for name in ("Title", "Author", "LastSaved", "Created")}
    hidden: list[str] = []
    room = MOST_CELLS
    sheets: list[tuple[str, str]] = []
    for sheet in root.iterchildren(f"{_S}Worksheet"):
        name = sheet.get(f"{_S}Name") or ""
        rows, merged, notes, seen = _cells(sheet, codes, room)
        room -= seen
        blocks = [written(rows, merged), *notes]
        sheets.append((name, "\n\n".join(filter(None, blocks))))
        if any((one.text or "").startswith("SheetHidden") for one in sheet.iter("{*}Visible")):
            hidden.append(name)
        source.beat()
        if room <= 0:
            source.lose(f"it holds more than {MOST_CELLS:,} cells; the rest was not read")
            break
    text, spans = assembled(sheets)
    if text:
        date = (facts["LastSaved"] or facts["Created"])[:10]
        metadata = {"author": facts["Author"], "date": date, "hidden_sheets": hidden}
        yield source.document(text, format="xml", title=facts["Title"], spans=spans, metadata=metadata)


def _said(root: Any, name: str) -> str:
    return next((" ".join((one.text or "").split()) for one in root.iter(f"{_O}{name}")), "")


def _codes(root: Any) -> dict[str | None, str | None]:
    """The number format of each style; a style without one has that of its parent."""
    own: dict[str, str] = {}
    parents: dict[str, str] = {}
    for style in root.iter(f"{_S}Style"):
        key = style.get(f"{_S}ID") or ""
        parents[key] = style.get(f"{_S}Parent") or "Default"
        code = next((one.get(f"{_S}Format") for one in style.iterchildren(f"{_S}NumberFormat")), None)
        if code:
            own[key] = _NAMED.get(code, code)
    found: dict[str | None, str | None] = {}
    for key in parents:
        at, seen = key, {key}
        while at not in own and parents.get(at, at) not in seen:
            at = parents[at]
            seen.add(at)
        code = own.get(at)
        found[key] = None if code in (None, "General") else code
    found[None] = found.get("Default")
    return found


def _cells(
    sheet: Any, codes: dict[str | None, str | None], room: int
) -> tuple[list[tuple[int, dict[int, str]]], list[Range], list[str], int]:
    """Return the rows of a sheet, its merged areas, its comments, and how many cells there are."""
    rows: list[tuple[int, dict[int, str]]] = []
    merged: list[Range] = []
    notes: list[str] = []
    seen, row = 0, -1
    for element in sheet.iter(f"{_S}Row"):
        row = _index(element, row, _LAST_ROW)
        cells: dict[int, str] = {}
        column = -1
        for cell in element.iterchildren(f"{_S}Cell"):
            column = _index(cell, column, _LAST_COLUMN)
            data = next(cell.iterchildren("{*}Data"), None)
            text = _text(data, codes.get(cell.get(f"{_S}StyleID"), codes.get(None))) if data is not None else ""
            text = linked(text, cell.get(f"{_S}HRef") or "")
            if not text and data is None and cell.get(f"{_S}Formula"):
                text = cell.get(f"{_S}Formula")
            if text:
                cells[column] = text
            for note in cell.iterchildren(f"{_S}Comment"):
                said = " ".join("".join(map(str, note.itertext())).split())
                if said:
                    notes.append(f"Comment ({cell_name(row, column)}): {said}")
            across, down = _count(cell, "MergeAcross", _LAST_COLUMN), _count(cell, "MergeDown", _LAST_ROW)
            if across or down:
                merged.append((row, column, row + down, column + across))
            column += across
        seen += len(cells)
        if cells:
            rows.append((row, cells))
        row += _count(element, "Span", _LAST_ROW)
        if seen > room:
            break
    rows.sort(key=lambda one: one[0])
    return rows, merged, notes, seen


def _count(element: Any, name: str, most: int) -> int:
    said = element.get(f"{_S}{name}") or ""
    return min(int(said), most) if re.fullmatch(r"\d{1,9}", said) else 0


def _index(element: Any, last: int, most: int) -> int:
    """The place of a row or cell, from 0: what it says, counted from 1, or the one after the last."""
    said = _count(element, "Index", most)
    return said - 1 if said else last + 1


def _text(data: Any, code: str | None) -> str:
    kind, value = data.get(f"{_S}Type"), "".join(map(str, data.itertext()))
    if kind == "Boolean":
        return {"1": "TRUE", "0": "FALSE"}.get(value.strip(), value)
    try:
        if kind == "Number":
            return shown(float(value), code) if code else general(float(value))
        if kind == "DateTime":
            moment = datetime.fromisoformat(value.strip()[:19])
            return shown((moment - _DAY_ZERO) / timedelta(days=1), code or "yyyy-mm-dd hh:mm:ss")
    except ValueError:
        return value
    return value
