"""XLSX: a span a sheet, with its name as heading; cells as they are shown, tables as Markdown.

Hidden sheets, rows and columns are data and are written like the others; the metadata says that there are some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.ocr.pictures import Pictures, with_pictures
from ragcli.loading.office.objects import embedded
from ragcli.loading.office.ooxml import Package
from ragcli.loading.parts import part
from ragcli.loading.sheets.markdown import MOST_CELLS, MOST_TEXT, assembled, drained, linked, written
from ragcli.loading.sheets.xlsxcells import Book, Sheet, place, read_sheet, shared_texts, style_codes
from ragcli.loading.sheets.xlsxnotes import Drawings, comments
from ragcli.loading.source import Source
from ragcli.records import Document

_SHEET_PART = re.compile(r"(?:work|chart)sheets[\\/][^\\/]+\.xml$", re.I)


class _Named(NamedTuple):
    """A sheet as the workbook lists it."""

    name: str
    part: str
    chart: bool
    hidden: bool


def read(source: Source) -> Iterator[Document]:
    """Yield the workbook as one document, then the documents of the files embedded in it.

    Raises:
        LoadError: it is broken, a binary workbook, or unpacks to more than 512 MiB.
    """
    with source.parsing("XLSX"):
        workbook = _Workbook(source)
        text, spans = with_pictures(
            source, lambda pictures: assembled(workbook.sheets(pictures)), lambda made: not made[0]
        )
        facts: dict[str, Any] = workbook.package.facts()
    workbook.report()
    title, author = facts.pop("title", None), facts.pop("author", None)
    if author == "openpyxl":  # what it says where nobody said otherwise
        author = None
    if text:
        metadata = {"author": author, **facts, **workbook.hidden}
        yield source.document(text, format="xlsx", title=title, spans=spans, metadata=metadata)
    for name in workbook.embedded():
        data = workbook.package.data(name)
        found = embedded(source, name, data) if data is not None else None
        if found is not None:
            yield from part(source, f"embeddings/{found[0]}", found[1], kind="skipped")


class _Workbook:
    """Reads the sheets of a file; ``hidden`` says how much of them is hidden."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.package = Package(source, "XLSX")
        self.hidden: dict[str, Any] = {}
        self._main = self._part()
        root = self.package.xml(self._main) if self._main else None
        self._book = Book()
        for one in root.iter("{*}workbookPr", "{*}calcPr") if root is not None else ():
            if one.get("date1904") in ("1", "true"):
                self._book.date1904 = True
            if one.get("fullCalcOnLoad") in ("1", "true"):
                self._book.stale = True
        self._listed = list(self._list(root))
        if not self._listed and not source.failures:
            raise LoadError("not readable as XLSX: it holds no sheet.")
        self._read_shared()

    def _part(self) -> str:
        if any(self.package.has(name) for name in ("xl/workbook.bin", "xl\\workbook.bin")):
            raise LoadError("a binary Excel file (XLSB) is not read.", hint="Save it as .xlsx.")
        try:
            return self.package.main("officeDocument", "xl/workbook.xml")
        except LoadError:
            found = [name for name in self.package.names("") if name.lower().endswith("workbook.xml")]
            if found:
                return found[0]
            if not self._parts():
                raise
            self._source.lose("it has no list of its sheets: they are named by their numbers", kind="warning")
            return ""

    def _parts(self) -> list[str]:
        """The parts that look like sheets, by number."""
        found = [name for name in self.package.names("") if _SHEET_PART.search(name)]
        return sorted(found, key=lambda name: [int(digits) for digits in re.findall(r"\d{1,9}", name)])

    def _list(self, root: Any) -> Iterator[_Named]:
        relations = self.package.relations(self._main) if self._main else {}
        listed = list(root.iter("{*}sheet")) if root is not None else []
        spare = self._parts()
        if not listed:
            for at, name in enumerate(spare, 1):
                yield _Named(f"Sheet{at}", name, "chartsheets" in name.lower(), False)
        for at, one in enumerate(listed):
            name = one.get("name") or f"Sheet{at + 1}"
            hidden = one.get("state") in ("hidden", "veryHidden")
            key = next((value for label, value in one.attrib.items() if label.endswith("}id")), "")
            relation = relations.get(key)
            if relation is not None and self.package.has(relation.target):
                yield _Named(name, relation.target, relation.kind == "chartsheet", hidden)
            elif relation is None and len(spare) == len(listed):
                yield _Named(name, spare[at], "chartsheets" in spare[at].lower(), hidden)
            else:
                self._source.lose(f"the sheet {name} is missing from the file", sheet=name)

    def _read_shared(self) -> None:
        targets = {one.kind: one.target for one in self.package.relations(self._main).values() if not one.external}
        name = targets.get("sharedStrings", "xl/sharedStrings.xml")
        data = self.package.data(name)
        if data is not None:
            self._book.texts, wrong = shared_texts(data)
            if wrong:
                self._source.lose(f"{name} is broken XML ({wrong}); what can be read of it was read", part=name)
        root = self.package.xml(targets.get("styles", "xl/styles.xml"))
        if root is not None:
            self._book.codes = style_codes(root)

    def sheets(self, pictures: Pictures) -> Iterator[tuple[str, str]]:
        """Yield (name, Markdown) of each sheet; one that cannot be read is a loss."""
        self.hidden = {}
        self._book.cells = self._book.characters = self._book.uncomputed = self._book.unresolved = 0
        drawings = Drawings(self.package, pictures)
        for named in self._listed:
            blocks: list[str] = []
            for reading in (self._cells, self._around):
                try:
                    blocks += reading(named, drawings)
                except LoadError:
                    raise
                except Exception as error:  # noqa: BLE001  one broken sheet does not lose the others
                    reason = f"the sheet {named.name} cannot be read ({type(error).__name__}: {error})"
                    self._source.lose(reason, sheet=named.name)
            self._source.beat()
            text = "\n\n".join(blocks)
            if named.hidden and text:
                self.hidden.setdefault("hidden_sheets", []).append(named.name)
            yield named.name, text

    def _cells(self, named: _Named, drawings: Drawings) -> list[str]:
        data = self.package.data(named.part)
        if data is None or self._book.full:
            return []
        sheet, wrong = read_sheet(self._source, data, self._book)
        del data  # it is large
        if wrong:
            reason = f"the sheet {named.name} is broken XML ({wrong}); what can be read of it was read"
            self._source.lose(reason, sheet=named.name)
        for key, count in (("hidden_rows", sheet.hidden_rows), ("hidden_columns", sheet.hidden_columns)):
            if count:
                self.hidden[key] = self.hidden.get(key, 0) + count
        self._link(named.part, sheet)
        text = written(drained(sheet.rows), sheet.merged)
        return [*([text] if text else []), *sheet.margins]

    def _link(self, name: str, sheet: Sheet) -> None:
        """Add the addresses that cells lead to."""
        if not sheet.links:
            return
        relations = self.package.relations(name)
        rows = dict(sheet.rows)
        for reference, key, said in sheet.links:
            relation, at = relations.get(key), place(reference)
            if relation is not None and relation.external and at is not None and at[0] in rows:
                cells = rows[at[0]]
                cells[at[1]] = linked(cells.get(at[1], said), relation.target)

    def _around(self, named: _Named, drawings: Drawings) -> list[str]:
        return [*drawings.blocks(named.part, data=named.chart), *comments(self.package, named.part)]

    def embedded(self) -> Iterator[str]:
        """Yield the names of the files that lie in this one."""
        seen: set[str] = set()
        for named in self._listed:
            for one in self.package.relations(named.part).values():
                if one.kind in ("oleObject", "package") and not one.external and one.target not in seen:
                    seen.add(one.target)
                    if self.package.has(one.target):
                        yield one.target

    def report(self) -> None:
        """Report what is missing from the cells of all sheets."""
        book = self._book
        if book.uncomputed:
            formulas = "formula" if book.uncomputed == 1 else "formulas"
            reason = f"{book.uncomputed} {formulas} without a stored value; open and save it once"
            self._source.lose(reason, kind="warning", cells=book.uncomputed)
        if book.unresolved:
            self._source.lose(f"{book.unresolved} cells refer to texts that the file does not hold")
        if book.full:
            limit = f"{MOST_CELLS:,} cells or {MOST_TEXT:,} characters"
            self._source.lose(f"it holds more than {limit}; the rest was not read")
