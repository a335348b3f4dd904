"""DOCX: headings, lists, tables, notes, comments, charts and diagrams as Markdown, in the order of the document.

The XML is walked: libraries for it leave out inserted text, content controls, text boxes, embedded documents or
symbols, and a loss like that shows nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ragcli.loading.markup import table
from ragcli.loading.ocr.pictures import Pictures, alternative, with_pictures
from ragcli.loading.office.drawing import chart, diagram, linked, settled
from ragcli.loading.office.fields import equation
from ragcli.loading.office.formulas import formula
from ragcli.loading.office.objects import embedded
from ragcli.loading.office.ooxml import DGM, MC, A, C, M, Package, R, W, is_on, number
from ragcli.loading.office.wordstyles import Numbering, Styles, joined, marked
from ragcli.loading.parts import part, texts
from ragcli.loading.rtf.symbols import symbol, usual
from ragcli.loading.source import Source
from ragcli.records import Document

_V = "{urn:schemas-microsoft-com:vml}"
_O = "{urn:schemas-microsoft-com:office:office}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_SKIPPED = frozenset(
    [*(f"{W}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "delText", "delInstrText", "sectPr",
                                 "tblPr", "tblGrid", "sdtPr", "sdtEndPr", "rubyPr", "rt", "smartTagPr", "customXmlPr")),
     f"{MC}Fallback"]
)  # fmt: skip
_ENDNOTE = f"{W}endnoteReference"
# What the elements of a paragraph are; in all others there may be some of these.
_KINDS = {
    **dict.fromkeys(_SKIPPED, "skipped"),
    f"{W}t": "text", f"{A}t": "text", f"{M}oMath": "formula", f"{M}oMathPara": "formula",
    f"{W}tab": "tab", f"{W}ptab": "tab", f"{W}br": "break", f"{W}cr": "break", f"{W}noBreakHyphen": "hyphen",
    f"{W}sym": "symbol", f"{W}footnoteReference": "note", _ENDNOTE: "note", f"{W}hyperlink": "link",
    f"{W}ruby": "ruby", f"{W}ffData": "form", f"{_V}textpath": "letters", f"{W}object": "object",
    f"{W}txbxContent": "box", f"{A}blip": "picture", f"{_V}imagedata": "picture", f"{_WP}docPr": "alternative",
    f"{C}chart": "chart", f"{DGM}relIds": "diagram", f"{W}fldChar": "field", f"{W}instrText": "instruction",
}  # fmt: skip
_CHARACTERS = {"tab": "\t", "break": "\n", "hyphen": "-"}
_REFERENCES = {"picture": (f"{R}embed", f"{R}id"), "diagram": (f"{R}dm",)}
_MOST_CELLS = 64  # that one merged cell stands for


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document, then the documents of the files embedded in it.

    Raises:
        LoadError: it is broken, or unpacks to more than 512 MiB.
    """
    with source.parsing("DOCX"):
        package = Package(source, "DOCX")
        body = package.main("officeDocument", "word/document.xml")

        def write(pictures: Pictures) -> tuple[str, _Writer]:
            writer = _Writer(source, package, body, pictures)
            return usual(writer.text()), writer

        text, writer = with_pictures(source, write, lambda made: not made[0].strip())
        facts: dict[str, Any] = package.facts()
    title, author = facts.pop("title", None), facts.pop("author", None)
    if text.strip():
        if not title:
            first = re.match(r"#{1,2} (.+)", text)
            title = first[1] if first else None
        if author == "python-docx":  # what its template says
            author = None
        yield source.document(text, format="docx", title=title, metadata={"author": author, **facts})
    for name, kind in writer.objects.items():
        data = package.data(name)
        found = embedded(source, name, data, kind) if data is not None else None
        if found is not None:
            yield from part(source, f"embeddings/{found[0]}", found[1], kind="skipped")


class _Place(NamedTuple):
    """What stands in a paragraph and has blocks of its own, or is written after it."""

    kind: str
    element: Any


class _Writer:
    """Writes the XML of a document as Markdown.

    ``objects`` names the embedded files that it met, with what they are called.
    """

    def __init__(self, source: Source, package: Package, main: str, pictures: Pictures) -> None:
        self._source = source
        self._package = package
        self._main = main
        self._part = main  # whose relations hold just now
        self._pictures = pictures
        self._instruction = ""  # of the field that has begun
        self._styles = Styles(package.related(main, "styles"))
        self._numbering = Numbering.of(package.related(main, "numbering"))
        self.objects: dict[str, str] = {}

    def text(self) -> str:
        """The body, then notes and comments, then what headers and footers say."""
        root = self._package.xml(self._main)
        body = root.find(f"{W}body") if root is not None else None
        blocks: list[str] = []
        for element in body.iterchildren() if body is not None else ():
            try:
                blocks += self._block(element)
            except Exception as error:  # noqa: BLE001  one odd paragraph does not lose the others
                self._source.lose(f"a paragraph or table cannot be read ({type(error).__name__}: {error})")
        for relation in self._package.relations(self._main).values():
            if relation.kind in ("footnotes", "endnotes") and not relation.external:
                blocks += self._notes(relation.target, "" if relation.kind == "footnotes" else "e")
            elif relation.kind == "comments" and not relation.external:
                blocks += self._comments(relation.target)
        seen = set(blocks)
        for relation in self._package.relations(self._main).values():
            if relation.kind in ("header", "footer") and not relation.external:
                for block in self._within(relation.target):
                    if block.strip() and block not in seen and not block.strip().isdigit():
                        blocks.append(block)
                        seen.add(block)
        return joined(blocks)

    def _within(self, name: str) -> list[str]:
        """The blocks of another part: a header, notes."""
        root = self._package.xml(name)
        if root is None:
            return []
        before, self._part = self._part, name
        try:
            return list(self._blocks(root))
        finally:
            self._part = before

    def _blocks(self, parent: Any) -> Iterator[str]:
        for element in parent.iterchildren():
            yield from self._block(element)

    def _block(self, element: Any) -> Iterator[str]:
        tag = element.tag
        if tag == f"{W}p":
            yield from self._paragraph(element)
        elif tag == f"{W}tbl":
            if written := self._table(element):
                yield written
        elif tag == f"{W}altChunk":
            relation = self._package.relations(self._part).get(element.get(f"{R}id") or "")
            if relation is not None and not relation.external:
                data = self._package.data(relation.target)
                if data is None:
                    self._source.lose(f"{relation.target}, a part of the text, is missing", part=relation.target)
                else:
                    yield from texts(self._source, relation.target.rpartition("/")[2], data)
        elif isinstance(tag, str) and tag not in _SKIPPED:
            yield from self._blocks(element)  # content controls, insertions, custom XML

    def _paragraph(self, element: Any) -> Iterator[str]:
        places: list[_Place] = []
        text = settled("".join(self._pieces(element, places)).strip())
        if text:
            yield self._mark(element, text)
        yield from self._placed(places)

    def _mark(self, element: Any, text: str) -> str:
        """A paragraph with what it is: a heading, an item, or neither."""
        style = element.find(f"{W}pPr/{W}pStyle")
        key = style.get(f"{W}val") if style is not None else None
        outline = element.find(f"{W}pPr/{W}outlineLvl")
        level = self._styles.heading(key)
        if outline is not None and 0 <= number(outline.get(f"{W}val"), 9) < 9:
            level = min(number(outline.get(f"{W}val")) + 1, 6)
        listed = self._list(element, key)
        if listed is None and not level:
            return self._named_item(key, text)
        return marked(
            text, heading=level, listed=None if listed is None else (listed[1], self._numbering.item(*listed))
        )

    def _list(self, element: Any, key: str | None) -> tuple[str, int] | None:
        """The list and the depth of an item; None for other paragraphs."""
        properties = element.find(f"{W}pPr/{W}numPr")
        inherited = self._styles.lists.get(key or "")
        if properties is None:
            found = inherited
        else:
            which, depth = properties.find(f"{W}numId"), properties.find(f"{W}ilvl")
            name = which.get(f"{W}val") if which is not None else inherited[0] if inherited else "0"
            found = (name or "0", number(depth.get(f"{W}val")) if depth is not None else 0)
        return found if found is not None and found[0] != "0" else None

    def _named_item(self, key: str | None, text: str) -> str:
        found = re.match(r"list (bullet|number)(?: (\d))?$", self._styles.names.get(key or "", ""), re.I)
        if not found:
            return text
        return f"{'  ' * (int(found[2] or 1) - 1)}{'1.' if found[1].lower() == 'number' else '-'} {text}"

    def _placed(self, places: list[_Place]) -> Iterator[str]:
        for kind, element in places:
            if kind == "box":
                yield from self._blocks(element)
                continue
            if kind == "alternative":
                if words := alternative(element.get("descr")):
                    yield words
                continue
            keys = (key for name in _REFERENCES.get(kind, (f"{R}id",)) if (key := element.get(name)))
            relation = self._package.relations(self._part).get(next(keys, ""))
            if relation is None or relation.external:
                continue
            if kind == "picture":
                data = self._package.data(relation.target) if self._pictures.reading else None
                if words := self._pictures.text(relation.target, data):
                    yield words
            elif kind == "object":
                self.objects[relation.target] = element.get("ProgID") or ""
            else:
                root = self._package.xml(relation.target)
                if root is None:
                    self._source.lose(f"a {kind} is missing ({relation.target})", part=relation.target)
                elif kind == "chart":
                    yield from chart(root)
                elif written := diagram(root):
                    yield written

    def _table(self, element: Any) -> str:
        rows = []
        for row in _below(element, f"{W}tr"):
            skipped = row.find(f"{W}trPr/{W}gridBefore")
            cells = [""] * min(number(skipped.get(f"{W}val")) if skipped is not None else 0, _MOST_CELLS)
            if row.find(f"{W}trPr/{W}del") is not None:
                continue
            for cell in _below(row, f"{W}tc"):
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                goes_on = merged is not None and merged.get(f"{W}val", "continue") == "continue"
                words = " ".join(" ".join(self._in_cell(cell)).split())
                cells.append("" if goes_on and not words else words)
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                cells += [""] * (min(number(span.get(f"{W}val"), 1), _MOST_CELLS) - 1 if span is not None else 0)
            rows.append(cells)
        return table(rows)

    def _in_cell(self, parent: Any) -> Iterator[str]:
        """The blocks of a cell; a table in it as its words, as a table in a table cannot be written."""
        for element in parent.iterchildren():
            if element.tag == f"{W}tbl":
                for row in _below(element, f"{W}tr"):
                    for cell in _below(row, f"{W}tc"):
                        yield from self._in_cell(cell)
            elif element.tag in (f"{W}sdt", f"{W}sdtContent"):
                yield from self._in_cell(element)
            else:
                yield from self._block(element)

    def _notes(self, name: str, mark: str) -> Iterator[str]:
        root = self._package.xml(name)
        before, self._part = self._part, name
        for note in root.iterchildren() if root is not None else ():
            if isinstance(note.tag, str) and note.get(f"{W}type") in (None, "normal"):
                text = " ".join(" ".join(self._blocks(note)).split())
                if text:
                    yield f"[^{mark}{note.get(f'{W}id')}]: {text}"
        self._part = before

    def _comments(self, name: str) -> Iterator[str]:
        root = self._package.xml(name)
        before, self._part = self._part, name
        for comment in root.iterchildren(f"{W}comment") if root is not None else ():
            text = " ".join(" ".join(self._blocks(comment)).split())
            author = " ".join((comment.get(f"{W}author") or "").split())
            if text:
                yield f"Comment ({author}): {text}" if author else f"Comment: {text}"
        self._part = before

    def _pieces(self, element: Any, places: list[_Place]) -> Iterator[str]:
        """The text of a paragraph; what has a place of its own is put aside."""
        for child in element.iterchildren():
            kind = _KINDS.get(child.tag)
            if kind is None:
                if isinstance(child.tag, str):
                    yield from self._pieces(child, places)
            elif kind == "skipped":
                if _is_only_choice(child):
                    yield from self._pieces(child, places)
            elif kind == "text":
                yield child.text or ""
            elif kind in _CHARACTERS:
                yield _CHARACTERS[kind]
            elif kind == "formula":
                yield formula(child)
            elif kind == "instruction":
                self._instruction += child.text or ""
            elif kind == "field":
                yield self._field(child)
                yield from self._pieces(child, places)
            elif kind == "symbol":
                yield symbol(child.get(f"{W}char"), child.get(f"{W}font"))
            elif kind == "note":
                yield f"[^{'e' if child.tag == _ENDNOTE else ''}{child.get(f'{W}id')}]"
            elif kind == "link":
                yield self._link(child, places)
            elif kind == "ruby":
                yield self._ruby(child, places)
            elif kind == "form":
                yield _form(child)
            elif kind == "letters":  # drawn as a picture, as those of a watermark
                yield child.get("string") or ""
            elif kind == "object":  # the picture in it only shows what the file in it holds
                places += (_Place("object", one) for one in child.iter(f"{_O}OLEObject"))
                places += (_Place("box", one) for one in child.iter(f"{W}txbxContent"))
            else:
                places.append(_Place(kind, child))

    def _field(self, element: Any) -> str:
        """What a field shows that ends without a result."""
        if element.get(f"{W}fldCharType") != "end":
            self._instruction = ""
            return ""
        said, self._instruction = equation(self._instruction), ""
        return said

    def _ruby(self, element: Any, places: list[_Place]) -> str:
        """Characters with how they are spoken in brackets."""
        spoken = element.find(f"{W}rt")
        words = "".join(self._pieces(spoken, places)).strip() if spoken is not None else ""
        base = "".join(self._pieces(element, places))
        return f"{base}({words})" if words else base

    def _link(self, element: Any, places: list[_Place]) -> str:
        text = "".join(self._pieces(element, places))
        relation = self._package.relations(self._part).get(element.get(f"{R}id") or "")
        return linked(text, relation.target) if relation is not None and relation.external else text


def _is_only_choice(element: Any) -> bool:
    """Whether it is what older programs show, and there is nothing for newer ones."""
    return element.tag == f"{MC}Fallback" and element.getparent().find(f"{MC}Choice") is None


def _form(element: Any) -> str:
    """What a field of a form shows that is no text: whether its box is ticked, and what was chosen."""
    box = element.find(f"{W}checkBox")
    if box is not None:
        said = box.find(f"{W}checked")
        return "☒ " if is_on(said if said is not None else box.find(f"{W}default")) else "☐ "
    choices = element.find(f"{W}ddList")
    if choices is not None:
        entries = [one.get(f"{W}val") or "" for one in choices.iterchildren(f"{W}listEntry")]
        chosen = choices.find(f"{W}result")
        at = number(chosen.get(f"{W}val")) if chosen is not None else 0
        return entries[at] if 0 <= at < len(entries) else ""
    return ""


def _below(element: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also inside content controls and insertions."""
    for child in element.iterchildren():
        if child.tag == tag:
            yield child
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml", f"{W}moveTo", f"{MC}Choice",
                           f"{MC}AlternateContent"):  # fmt: skip
            yield from _below(child, tag)
