"""The cells of an XLSX file as they are shown: shared texts, styles, and the rows of a sheet, read as a stream.

The XML is read here, not by a library. Measured on a sheet of 100,000 rows and 10 columns (48 MB of XML), seconds of
one core: 4.7 for Markdown with numbers and dates as shown; openpyxl 7.1 (read-only) and python-calamine 0.8 for the
bare values, without what their number formats make of them. openpyxl refused two of seven workbooks of oletools' tests
that Excel wrote (a relation to nothing), python-calamine one (a macro sheet); both refuse what is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ragcli.loading.office.ooxml import number, transitional
from ragcli.loading.sheets.markdown import MOST_CELLS, MOST_TEXT, Range, Rows, cell_name, linked, margin
from ragcli.loading.sheets.numformat import BUILTIN, general, shown, shown_text
from ragcli.loading.source import Source

_BLOCK = 1 << 16
_PATIENCE = 1 << 23  # bytes without a row: a row of that size is none
_BEAT = 20_000  # rows
_COLUMNS = 16_384
_DIGITS = "0123456789"
_CODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})")
_ADDRESS = re.compile(r'\s*HYPERLINK\(\s*"([^"]+)"', re.I)
_TAGS = ("row", "mergeCell", "hyperlink", "col", "oddHeader", "oddFooter", "firstHeader", "firstFooter", "evenHeader",
         "evenFooter")  # fmt: skip


@dataclass(slots=True)
class Book:
    """What the sheets of a workbook share, and what was counted over them all."""

    texts: list[str] = field(default_factory=list)
    codes: list[str | None] = field(default_factory=list)
    date1904: bool = False
    stale: bool = False  # values are to be computed when it is opened: a 0 may stand for none
    cells: int = 0
    characters: int = 0
    full: bool = False  # a limit was reached
    uncomputed: int = 0
    unresolved: int = 0


@dataclass(slots=True)
class Sheet:
    """One sheet: its rows and what is said about their cells."""

    rows: Rows = field(default_factory=list)
    merged: list[Range] = field(default_factory=list)
    links: list[tuple[str, str, str]] = field(default_factory=list)  # cell, relation's id, text
    margins: list[str] = field(default_factory=list)  # headers and footers of the printed page
    hidden_rows: int = 0
    hidden_columns: int = 0


def shared_texts(data: bytes) -> tuple[list[str], str]:
    """Return the texts that cells refer to by number, and what is wrong with the XML."""
    errors: list[str] = []
    found = [_rich(element) for element in _elements(data, ("si",), errors)]
    return found, errors[0] if errors else ""


def _rich(element: Any) -> str:
    """The text of a cell, in pieces or not, without the readings that stand above Japanese."""
    pieces = []
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            continue
        if tag.endswith("}t"):
            pieces.append(child.text or "")
        elif tag.endswith("}r"):
            pieces += [one.text or "" for one in child if isinstance(one.tag, str) and one.tag.endswith("}t")]
    return _decoded("".join(pieces))


def _decoded(text: str) -> str:
    """Return a text whose characters that XML does not allow are written as ``_x0007_``."""
    if "_x" not in text:
        return text
    text = _CODED.sub(lambda found: chr(int(found[1], 16)), text)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def style_codes(root: Any) -> list[str | None]:
    """Return the number format of each cell style; None stands for General."""
    own = {number(one.get("numFmtId"), -1): one.get("formatCode") or "" for one in root.iter("{*}numFmt")}
    found: list[str | None] = []
    styles = next(root.iter("{*}cellXfs"), None)
    for one in styles.iterchildren("{*}xf") if styles is not None else ():
        key = number(one.get("numFmtId"))
        code = own.get(key, BUILTIN.get(key, "General"))
        found.append(None if code.lower() == "general" else code)
    return found


def _elements(data: bytes, tags: tuple[str, ...], errors: list[str]) -> Iterator[Any]:
    """Yield the elements with some names at their ends, and forget them; errors are noted and read over."""
    from lxml import etree

    parser = etree.XMLPullParser(
        events=("end",), tag=[f"{{*}}{tag}" for tag in tags], recover=True, resolve_entities=False, no_network=True
    )
    quiet = 0
    for at in range(0, len(data), _BLOCK):
        parser.feed(data[at : at + _BLOCK])
        quiet += _BLOCK
        element: Any
        for _, element in parser.read_events():
            quiet = 0
            yield element
            element.clear(keep_tail=False)
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
        if quiet > _PATIENCE:
            errors.append(f"more than {_PATIENCE >> 20} MiB in one row")
            return
    try:
        parser.close()
    except etree.XMLSyntaxError as error:
        errors.append(str(error))
        return
    for _, element in parser.read_events():
        yield element
    if len(parser.feed_error_log):
        errors.append(str(parser.feed_error_log[0].message))


def read_sheet(source: Source, data: bytes, book: Book) -> tuple[Sheet, str]:
    """Return a sheet, and what is wrong with its XML.

    Args:
        source: for its time limit.
        data: the XML.
        book: what the sheets share; its counts go on.
    """
    sheet = Sheet()
    errors: list[str] = []
    reader = _Rows(book)
    ordered = True
    last = -1
    for element in _elements(transitional(data), _TAGS, errors):
        tag = element.tag.rpartition("}")[2]
        if tag == "row":
            if book.full:
                break
            at, cells = reader.row(element, last)
            ordered = ordered and at > last
            last = at
            sheet.hidden_rows += element.get("hidden") in ("1", "true")
            if cells:
                sheet.rows.append((at, cells))
                if len(sheet.rows) % _BEAT == 0:
                    source.beat()
        elif tag == "mergeCell":
            area = _area(element.get("ref") or "")
            if area is not None:
                sheet.merged.append(area)
        elif tag == "hyperlink":
            key = next((value for name, value in element.attrib.items() if name.endswith("}id")), "")
            sheet.links.append((element.get("ref") or "", key, element.get("display") or ""))
        elif tag == "col":
            if element.get("hidden") in ("1", "true"):
                first, end = number(element.get("min"), 1), number(element.get("max"), 1)
                sheet.hidden_columns += max(min(end, _COLUMNS) - max(first, 1) + 1, 0)
        elif element.text and (said := margin(element.text)) and said not in sheet.margins:
            sheet.margins.append(said)
    if not ordered:
        sheet.rows = _in_order(sheet.rows)
    return sheet, errors[0] if errors else ""


def _in_order(rows: Rows) -> Rows:
    merged: dict[int, dict[int, str]] = {}
    for at, cells in rows:
        merged.setdefault(at, {}).update(cells)
    return sorted(merged.items(), key=lambda one: one[0])


def place(reference: str) -> tuple[int, int] | None:
    """Return (row, column) from 0 of a cell's name such as ``B3``, or None."""
    match = _REFERENCE.match(reference)
    if match is None or match[2] == "0":
        return None
    column = 0
    for letter in match[1].upper():
        column = column * 26 + ord(letter) - 64
    return int(match[2]) - 1, column - 1


def _area(reference: str) -> Range | None:
    first, _, last = reference.partition(":")
    start, end = place(first), place(last)
    if start is None or end is None or end[0] < start[0] or end[1] < start[1]:
        return None
    return (*start, *end)


class _Rows:
    """Reads the rows of one sheet."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._columns: dict[str, int] = {}
        self._styles: dict[str | None, str | None] = {str(at): code for at, code in enumerate(book.codes)}
        self._styles[None] = book.codes[0] if book.codes else None
        self._masters: dict[str, str] = {}  # shared formulas, by number: where they stand
        self._namespace = ""
        self._names = ("", "", "", "")

    def row(self, element: Any, last: int) -> tuple[int, dict[int, str]]:
        """Return the number of a row, from 0, and the texts of its cells that are not blank."""
        tag = element.tag
        if tag != self._namespace:
            space = tag[: len(tag) - 3]
            self._namespace, self._names = tag, (f"{space}c", f"{space}v", f"{space}f", f"{space}is")
        name_c, name_v, name_f, name_is = self._names
        at = number(element.get("r"), 0) - 1
        given = at >= 0
        at = at if given else last + 1
        book, columns = self._book, self._columns
        styles, texts = self._styles, book.texts
        cells: dict[int, str] = {}
        column = -1
        for cell in element:
            if cell.tag != name_c:
                continue
            reference = cell.get("r")
            if reference:
                letters = reference.rstrip(_DIGITS)
                known = columns.get(letters)
                if known is None:
                    found = place(reference)
                    known = found[1] if found is not None else column + 1
                    if found is not None:
                        columns[letters] = known
                column = known
                if not given and (found := place(reference)) is not None:
                    at, given = found[0], True
            else:
                column += 1
            value = formula = inline = None
            for child in cell:
                name = child.tag
                if name == name_v:
                    value = child.text
                elif name == name_f:
                    formula = child
                elif name == name_is:
                    inline = child
            if value is None and formula is None and inline is None:
                continue
            kind = cell.get("t")
            if kind == "s":
                try:
                    index = int(value or "")
                    text = texts[index] if index >= 0 else ""
                except (ValueError, IndexError):
                    book.unresolved += 1
                    continue
                code = styles.get(cell.get("s"))
                if code is not None and "@" in code:
                    text = shown_text(text, code)
            else:
                code = styles.get(cell.get("s"))
                if formula is not None and (not value or (book.stale and value == "0")) and kind != "str":
                    text = self._formula(formula, at, column)
                elif inline is not None:
                    text = _rich(inline)
                else:
                    text = _text(value or "", kind, code, book.date1904)
                if formula is not None and formula.text and (found_ := _ADDRESS.match(formula.text)):
                    text = linked(text, found_[1])
            if text:
                cells[column] = text
                book.characters += len(text)
                if book.characters > MOST_TEXT:
                    break
        book.cells += len(cells)
        if book.cells > MOST_CELLS or book.characters > MOST_TEXT:
            book.full = True
        return at, cells

    def _formula(self, formula: Any, row: int, column: int) -> str:
        """A formula that has no stored value."""
        self._book.uncomputed += 1
        key = formula.get("si") if formula.get("t") == "shared" else None
        if formula.text:
            if key is not None:
                self._masters.setdefault(key, cell_name(row, column))
            return f"={formula.text}"
        return f"=(as in {self._masters[key]})" if key in self._masters else ""


def _text(value: str, kind: str | None, code: str | None, date1904: bool) -> str:
    """The text of a cell that holds its own value."""
    if kind is None or kind == "n":
        if code is None and len(value) < 16 and value.isdigit() and value.isascii():
            return value
        try:
            amount = float(value)
        except ValueError:
            return value
        return shown(amount, code, date1904) if code is not None else general(amount)
    if kind == "b":
        return {"1": "TRUE", "true": "TRUE", "0": "FALSE", "false": "FALSE"}.get(value, value)
    if kind == "d":  # strict files write dates as they are read
        return value.removesuffix("T00:00:00").replace("T", " ").removesuffix("Z")
    text = _decoded(value)
    return shown_text(text, code) if code is not None and kind == "str" else text
