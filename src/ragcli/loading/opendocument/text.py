"""What OpenDocument files say, as Markdown: paragraphs, lists, tables, notes, comments, drawings and formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ragcli.loading.markup import fenced, table
from ragcli.loading.ocr.pictures import Pictures
from ragcli.loading.office.drawing import linked, settled
from ragcli.loading.office.page_headers import says_something
from ragcli.loading.opendocument.forms import CONTROL, Controls
from ragcli.loading.opendocument.styles import (
    DRAW,
    OFFICE,
    PRESENTATION,
    STYLE,
    SVG,
    TABLE,
    TEXT,
    XLINK,
    Styles,
    attribute_number,
)
from ragcli.loading.source import Source

_CHART = "{urn:oasis:names:tc:opendocument:xmlns:chart:1.0}"
_MATH = "{http://www.w3.org/1998/Math/MathML}"

ANNOTATIONS = (f"{OFFICE}annotation", "{http://openoffice.org/2009/office}annotation")
_PARAGRAPHS = (f"{TEXT}p", f"{TEXT}h")
_CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
_LEFT_OUT = {
    f"{TEXT}tracked-changes",  # what was deleted
    f"{OFFICE}forms",
    f"{OFFICE}event-listeners",
    f"{OFFICE}scripts",
    f"{OFFICE}annotation-end",
    f"{OFFICE}binary-data",
    f"{TABLE}tracked-changes",
    f"{TEXT}script",
    f"{DRAW}page-thumbnail",
    f"{DRAW}glue-point",
    f"{STYLE}header-style",
    f"{STYLE}footer-style",
    f"{SVG}title",
    f"{SVG}desc",
    f"{PRESENTATION}notes",
}
_SHAPES = {
    f"{DRAW}{name}"
    for name in (
        "frame", "g", "a", "rect", "line", "polyline", "polygon", "regular-polygon", "path", "circle", "ellipse",
        "connector", "caption", "measure", "custom-shape",
    )
}  # fmt: skip
_OBJECTS = (f"{DRAW}object", f"{DRAW}object-ole")
_PAGE_FIELDS = {f"{TEXT}page-number", f"{TEXT}page-count", f"{TEXT}sheet-name", f"{TEXT}page-continuation"}
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|emf|wmf|svg|bmp|tiff?|webp)", re.I)
_SPACES = re.compile(r"[ \t\r\n]+")
_DEEPEST = 60  # elements in each other: deeper ones give their words only
_DEEPEST_OBJECT = 3
_MOST_REPEATED = 1000  # rows and cells of a table in a text
_MOST_SPACES = 100


class Writer:
    """Writes elements as blocks of Markdown.

    Args:
        source: told of losses.
        styles: of the file.
        objects: returns the root of an embedded object by the reference to it, or None.
        data: whether the values of charts are written: those of a sheet are in its cells.
        page_fields: whether the number of the page is written where a text names it.
        pictures: reads the pictures, or counts them.
        picture: returns the name and the bytes of a picture by its element; no bytes where it is missing.
    """

    def __init__(
        self,
        source: Source,
        styles: Styles,
        objects: Callable[[str], Any],
        *,
        pictures: Pictures,
        picture: Callable[[Any], tuple[str, bytes | None]],
        data: bool = True,
        page_fields: bool = True,
    ) -> None:
        self.shown: list[Any] = []  # the elements of the pictures so far
        self._pictures = pictures
        self._picture = picture
        self.unread = 0
        self.contents = 0
        self._source = source
        self._styles = styles
        self._objects = objects
        self._data = data
        self._controls = Controls()
        self._notes: list[str] = []
        self._numbers = {"": 0, "e": 0}
        self._counters: dict[tuple[str, int], int] = {}
        self._deep = 0
        self._objects_deep = 0
        self._in_cell = 0
        self._page_fields = page_fields

    def read_picture(self, image: Any, pictures: Pictures) -> str:
        """Return what stands in a picture; nothing where pictures are only counted."""
        name, data = self._picture(image) if pictures.reading else ("", None)
        return pictures.text(name, data)

    def notes(self) -> list[str]:
        """Footnotes and endnotes met so far."""
        return self._notes

    def blocks(self, parent: Any) -> Iterator[str]:
        """Yield what stands in an element, in its order."""
        if self._deep >= _DEEPEST:
            if words := " ".join(" ".join(map(str, parent.itertext())).split()):
                yield words
            return
        self._deep += 1
        try:
            code: list[str] = []
            for element in parent.iterchildren():
                if element.tag == f"{TEXT}p" and not self._in_cell and self._styles.is_code(element):
                    asides: list[Any] = []
                    code.append(self._text(element, asides, code=True))
                    for aside in asides:
                        yield from self._block(aside)
                    continue
                if code:
                    yield from _fence(code)
                    code = []
                yield from self._block(element)
            yield from _fence(code)
        finally:
            self._deep -= 1

    def one(self, element: Any) -> list[str]:
        """Return what one element says."""
        return list(self._block(element))

    def line(self, element: Any, asides: list[str]) -> str:
        """Return the text of a paragraph; blocks in it, as comments and drawings, are put aside."""
        if element.tag not in _PARAGRAPHS:
            return " ".join(" ".join(self._block(element)).split())
        inner: list[Any] = []
        text = self._text(element, inner)
        asides.extend(block for one in inner for block in self._block(one))
        return text

    def _block(self, element: Any) -> Iterator[str]:
        tag = element.tag
        if tag in _PARAGRAPHS:
            yield from self._paragraph(element)
        elif tag == f"{TEXT}list":
            yield from self._list(element, "", 0)
        elif tag == f"{TABLE}table":
            yield from self._table(element)
        elif tag in _SHAPES:
            yield from self.shape(element)
        elif tag in ANNOTATIONS:
            yield from self._comment(element)
        elif tag == CONTROL:
            if said := self._controls.text(element):
                yield said
        elif tag == f"{TEXT}table-of-content":
            self.contents += 1
        elif tag == f"{TEXT}numbered-paragraph":
            yield from self._item(element, element.get(f"{TEXT}style-name", ""), attribute_number(element, "level") - 1)
        elif isinstance(tag, str) and tag not in _LEFT_OUT and not tag.endswith("-source"):
            yield from self.blocks(element)  # sections, indexes, and what is new

    def headers(self, masters: list[Any]) -> list[str]:
        """Return what headers and footers of pages say, each once; page numbers and the like are left out."""
        before, self._page_fields = self._page_fields, False
        found: dict[str, None] = {}
        for master in masters:
            for part in master.iterchildren():
                if part.tag.startswith((f"{STYLE}header", f"{STYLE}footer")) if isinstance(part.tag, str) else False:
                    numbered = any(next(part.iter(field), None) is not None for field in _PAGE_FIELDS)
                    for block in self.blocks(part):
                        block = block.lstrip("# ")
                        if says_something(block, numbered=numbered):
                            found[block.strip()] = None
        self._page_fields = before
        return list(found)

    def _paragraph(self, element: Any, mark: str = "") -> Iterator[str]:
        asides: list[Any] = []
        text = self._text(element, asides)
        if text:
            level = self._styles.level(element) if not mark or element.tag == f"{TEXT}h" else 0
            if level:
                yield f"{'#' * level} {' '.join(text.split())}"
            else:
                yield mark + text
        for aside in asides:
            yield from self._block(aside)

    def _text(self, element: Any, asides: list[Any], *, code: bool = False) -> str:
        if not len(element):
            return _plain(element.text).strip()
        pieces: list[str] = []
        self._inline(element, pieces, asides, 0)
        text = "".join(pieces)
        return settled(text.rstrip() if code else text.strip())

    def _inline(self, element: Any, pieces: list[str], asides: list[Any], deep: int) -> None:
        if element.text:
            pieces.append(_plain(element.text))
        for child in element.iterchildren():
            tag = child.tag
            if tag == f"{TEXT}s":
                pieces.append(" " * min(attribute_number(child, "c"), _MOST_SPACES))
            elif tag == f"{TEXT}tab":
                pieces.append("\t")
            elif tag == f"{TEXT}line-break":
                pieces.append("\n")
            elif tag == f"{TEXT}note":
                pieces.append(self._note(child))
            elif tag in ANNOTATIONS:
                asides.append(child)
            elif tag == CONTROL:
                if said := self._controls.text(child):
                    pieces.append(_apart(pieces, said, child.tail))
            elif tag in _SHAPES:
                formula = self._formula(child)
                if formula is None:
                    asides.append(child)
                else:
                    pieces.append(formula)
            elif tag == f"{TEXT}a" and deep < _DEEPEST:
                inner: list[str] = []
                self._inline(child, inner, asides, deep + 1)
                pieces.append(linked("".join(inner), child.get(f"{XLINK}href") or ""))
            elif tag == f"{TEXT}ruby":
                pieces.append(_ruby(child))
            elif tag in (f"{TEXT}hidden-text", f"{TEXT}conditional-text") and not child.text:
                pieces.append(child.get(f"{TEXT}string-value") or "")
            elif not isinstance(tag, str) or tag in _LEFT_OUT or (tag in _PAGE_FIELDS and not self._page_fields):
                pass
            elif deep >= _DEEPEST:
                pieces.append(_plain("".join(map(str, child.itertext()))))
            else:
                self._inline(child, pieces, asides, deep + 1)
            if child.tail:
                pieces.append(_plain(child.tail))

    def _note(self, element: Any) -> str:
        kind = "e" if element.get(f"{TEXT}note-class") == "endnote" else ""
        self._numbers[kind] += 1
        mark = f"[^{kind}{self._numbers[kind]}]"
        body = element.find(f"{TEXT}note-body")
        place = len(self._notes)
        self._notes.append("")
        text = " ".join(" ".join(self.blocks(body)).split()) if body is not None else ""
        self._notes[place] = f"{mark}: {text}"
        return mark

    def _comment(self, element: Any) -> Iterator[str]:
        author, text = self.comment(element)
        if text:
            yield f"Comment ({author}): {text}" if author else f"Comment: {text}"

    def comment(self, element: Any) -> tuple[str, str]:
        """Return the author of a comment, and what it says."""
        author = " ".join((element.findtext("{*}creator") or "").split())
        paragraphs = element.iterchildren(*_PARAGRAPHS, f"{TEXT}list")
        return author, " ".join(" ".join(block for child in paragraphs for block in self._block(child)).split())

    def _list(self, element: Any, style: str, depth: int) -> Iterator[str]:
        style = element.get(f"{TEXT}style-name") or style
        goes_on = element.get(f"{TEXT}continue-numbering") == "true" or element.get(f"{TEXT}continue-list")
        if not goes_on:
            self._counters[style, depth] = 0
        for item in element.iterchildren():
            if item.tag == f"{TEXT}list-item":
                yield from self._item(item, style, depth)
            elif item.tag == f"{TEXT}list-header":
                yield from self.blocks(item)

    def _item(self, item: Any, style: str, depth: int) -> Iterator[str]:
        if self._deep >= _DEEPEST:
            yield from self.blocks(item)
            return
        indent = "  " * max(depth, 0)
        mark = ""
        self._deep += 1
        try:
            for child in item.iterchildren():
                if child.tag in _PARAGRAPHS and not mark:
                    mark = self._mark(item, style, depth)
                    first = list(self._paragraph(child, indent + mark))
                    if not first:
                        mark = ""
                    yield from first
                elif child.tag in _PARAGRAPHS:
                    yield from self._paragraph(child, indent + " " * len(mark))
                elif child.tag == f"{TEXT}list":
                    yield from self._list(child, style, depth + 1)
                else:
                    yield from self._block(child)
        finally:
            self._deep -= 1

    def _mark(self, item: Any, style: str, depth: int) -> str:
        if not self._styles.is_ordered(style, depth + 1):
            return "- "
        key = (style, depth)
        start = item.get(f"{TEXT}start-value")
        first = self._styles.start(style, depth + 1)
        number = int(start) if start and start.isdecimal() else (self._counters.get(key) or first - 1) + 1
        self._counters[key] = number
        return f"{number}. "

    def _table(self, element: Any) -> Iterator[str]:
        found = list(_rows(element))
        if len(found) == 1 and not self._in_cell:
            cells = list(found[0].iterchildren(*_CELLS))
            if len(cells) == 1:
                yield from self.blocks(cells[0])  # a frame around text, not a table
                return
        rows: list[list[str]] = []
        for row in found:
            line: list[str] = []
            for cell in row.iterchildren(*_CELLS):
                text = self._cell(cell)
                again = attribute_number(cell, "number-columns-repeated", TABLE)
                if text and again > _MOST_REPEATED:
                    self._source.lose(f"a cell that is repeated {again} times was written {_MOST_REPEATED} times")
                line += [text] * min(again, _MOST_REPEATED if len(line) < _MOST_REPEATED else 1)
            while line and not line[-1]:
                line.pop()
            if line:
                again = attribute_number(row, "number-rows-repeated", TABLE)
                if again > _MOST_REPEATED:
                    self._source.lose(f"a row that is repeated {again} times was written {_MOST_REPEATED} times")
                rows += [line] * min(again, _MOST_REPEATED)
        if self._in_cell:
            yield "; ".join(", ".join(filter(None, line)) for line in rows)
        elif written := table(rows):
            yield written

    def _cell(self, cell: Any) -> str:
        self._in_cell += 1
        try:
            return " ".join(" ".join(self.blocks(cell)).split())
        finally:
            self._in_cell -= 1

    def shape(self, element: Any) -> Iterator[str]:
        """Yield what a frame or a drawing says: its text, its table, its object, and the description of a picture."""
        if element.tag != f"{DRAW}frame":
            yield from self.blocks(element)
        else:
            yield from self._frame(element)
        words = [" ".join((element.findtext(name) or "").split()) for name in (f"{SVG}title", f"{SVG}desc")]
        told = ". ".join(dict.fromkeys(word for word in words if word and not _FILE_NAME.fullmatch(word)))
        if told:
            yield f"Picture: {told}"

    def _frame(self, frame: Any) -> Iterator[str]:
        image = None
        for child in frame.iterchildren():
            if child.tag in _OBJECTS:
                yield from self._object(child)
                return  # the rest is a picture of it
            if child.tag == f"{DRAW}image":
                image = child if image is None else image
            elif isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                yield from self._block(child)
                return
        if image is not None:
            self.shown.append(image)
            if text := self.read_picture(image, self._pictures):
                yield text
            yield from self.blocks(image)

    def _root(self, element: Any) -> Any:
        """The root of an embedded object: inside the element (flat XML), or a part of the package."""
        for child in element.iterchildren():
            if child.tag in (f"{_MATH}math", f"{OFFICE}document"):
                return child
        reference = element.get(f"{XLINK}href") or ""
        return self._objects(reference) if reference else None

    def _formula(self, frame: Any) -> str | None:
        """What a formula says as LibreOffice writes formulas; None for all else."""
        element = next(frame.iterchildren(*_OBJECTS), None) if frame.tag == f"{DRAW}frame" else None
        root = self._root(element) if element is not None else None
        if root is None or root.tag != f"{_MATH}math":
            return None
        written = root.findtext(f".//{_MATH}annotation")
        return " ".join((written or " ".join(map(str, root.itertext()))).split())

    def _object(self, element: Any) -> Iterator[str]:
        root = self._root(element)
        if root is None or self._objects_deep >= _DEEPEST_OBJECT:
            self.unread += 1
            return
        self._objects_deep += 1
        try:
            if root.tag == f"{_MATH}math":
                formula = self._formula(element.getparent())
                if formula:
                    yield formula
                return
            chart = root.find(f"{OFFICE}body/{OFFICE}chart/{_CHART}chart")
            body = root.find(f"{OFFICE}body")
            if chart is not None:
                yield from self._drawn(chart)
            elif body is not None:
                yield from self.blocks(body)
        finally:
            self._objects_deep -= 1

    def _drawn(self, chart: Any) -> Iterator[str]:
        """The titles of a chart, and its values as a table."""
        titles = [chart.find(f"{_CHART}{name}") for name in ("title", "subtitle")]
        for title in titles:
            if title is not None and (words := self._cell(title)):
                yield words
        axes = [words for title in chart.iter(f"{_CHART}title") if title.getparent().tag == f"{_CHART}axis"
                and (words := self._cell(title))]  # fmt: skip
        if axes:
            yield "Axes: " + ", ".join(axes)
        values = chart.find(f"{TABLE}table")
        if values is not None and self._data:
            yield from self._table(values)


def _fence(lines: list[str]) -> Iterator[str]:
    """Lines of code as one block; blank ones around it are left out."""
    code = "\n".join(lines).strip("\n")
    if code.strip():
        yield fenced(code)


def _rows(element: Any) -> Iterator[Any]:
    for child in element.iterchildren():
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag in (f"{TABLE}table-header-rows", f"{TABLE}table-rows", f"{TABLE}table-row-group"):
            yield from _rows(child)


def _apart(before: list[str], said: str, after: str | None) -> str:
    """What a control holds, with blanks where it would touch what stands beside it."""
    first = " " if before and before[-1][-1:].strip() else ""
    return f"{first}{said}{' ' if after and after[0].strip() else ''}"


def _ruby(element: Any) -> str:
    """Text and its reading: ``漢字(かんじ)``."""
    base, above = ("".join(map(str, part.itertext())) if part is not None else ""
                   for part in (element.find(f"{TEXT}ruby-base"), element.find(f"{TEXT}ruby-text")))  # fmt: skip
    return f"{base}({above})" if above.strip() else base


def _plain(text: str | None) -> str:
    """Text as it is shown: white space in the XML is one space."""
    if not text:
        return ""
    return _SPACES.sub(" ", text) if "  " in text or "\n" in text or "\t" in text else text
