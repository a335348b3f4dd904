"""DOCX: headings, lists, tables and notes as Markdown, in the order of the document.

The body is walked as XML: python-docx's own paragraphs leave out inserted text, content controls and text
boxes, and a loss like that shows nowhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragcli.loading.markup import table
from ragcli.loading.source import Source
from ragcli.loading.zipped import opened
from ragcli.records import Document

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_HEADING = re.compile(r"(?:heading|标题|標題)\s*(\d)", re.I)
_SKIPPED = {f"{_W}del", f"{_W}moveFrom", f"{_MC}Fallback", f"{_W}pPr", f"{_W}rPr", f"{_W}instrText"}
_NOTES = {"footnotes": "footnoteReference", "endnotes": "endnoteReference"}


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is broken, or unpacks to more than 512 MiB.
    """
    data = source.data()
    with source.parsing("DOCX"):
        opened(data).close()
        import docx

        word = docx.Document(io.BytesIO(data))
        text = _Writer(word).text()
        facts = word.core_properties
        title, author = facts.title, facts.author
        date = facts.modified.date().isoformat() if facts.modified else None
    if text.strip():
        if not title:
            first = re.match(r"#{1,2} (.+)", text)
            title = first[1] if first else None
        if author == "python-docx":  # what its template says
            author = None
        yield source.document(text, format="docx", title=title, metadata={"author": author, "date": date})


class _Writer:
    """Writes the XML of a document as Markdown."""

    def __init__(self, word: WordDocument) -> None:
        self._word = word
        self._levels = _heading_levels(word)
        self._ordered = _ordered_lists(word)
        self._counters: dict[tuple[str, int], int] = {}

    def text(self) -> str:
        """The body, then notes, then what headers and footers say."""
        blocks = list(self._blocks(self._word.element.body))
        blocks += self._notes()
        seen = "\n".join(blocks)
        for section in self._word.sections:
            for part in (section.header, section.footer):
                if part.is_linked_to_previous:
                    continue
                for block in self._blocks(part._element):
                    if block.strip() and block not in seen and not block.strip().isdigit():
                        blocks.append(block)
                        seen += f"\n{block}"
        out = ""
        for block in blocks:
            if out:
                tight = _is_item(block) and _is_item(out.rpartition("\n")[2])
                out += "\n" if tight else "\n\n"
            out += block
        return out

    def _blocks(self, parent: Any) -> Iterator[str]:
        for element in parent.iterchildren():
            tag = element.tag
            if tag == f"{_W}p":
                yield from self._paragraph(element)
            elif tag == f"{_W}tbl":
                written = self._table(element)
                if written:
                    yield written
            elif isinstance(tag, str) and tag not in _SKIPPED and tag != f"{_W}sectPr":
                yield from self._blocks(element)  # content controls, insertions, custom XML

    def _paragraph(self, element: Any) -> Iterator[str]:
        boxes: list[Any] = []
        text = "".join(_pieces(element, boxes)).strip()
        if text:
            level = self._level(element)
            if level:
                yield f"{'#' * level} {' '.join(text.split())}"
            else:
                yield self._item(element) + text
        for box in boxes:
            yield from self._blocks(box)

    def _level(self, element: Any) -> int:
        own = element.find(f"{_W}pPr/{_W}outlineLvl")
        if own is not None and (own.get(f"{_W}val") or "9") < "9":
            return min(int(own.get(f"{_W}val")) + 1, 6)
        style = element.find(f"{_W}pPr/{_W}pStyle")
        return 0 if style is None else self._levels.get(style.get(f"{_W}val"), 0)

    def _item(self, element: Any) -> str:
        """The mark of a list item: '- ' or '1. ', indented by its level; nothing for other paragraphs."""
        number = element.find(f"{_W}pPr/{_W}numPr")
        style = element.find(f"{_W}pPr/{_W}pStyle")
        name = style.get(f"{_W}val") if style is not None else ""
        if number is None:
            if not re.match(r"List(Bullet|Number|Paragraph)", name) or name == "ListParagraph":
                return ""
            ordered, key, depth = name.startswith("ListNumber"), name, int(name[-1]) - 1 if name[-1].isdigit() else 0
        else:
            level, which = number.find(f"{_W}ilvl"), number.find(f"{_W}numId")
            depth = int(level.get(f"{_W}val")) if level is not None else 0
            key = which.get(f"{_W}val") if which is not None else "0"
            if key == "0":
                return ""
            ordered = (key, depth) in self._ordered or (which is None and name.startswith("ListNumber"))
        indent = "  " * depth
        if not ordered:
            return f"{indent}- "
        for other in [other for other in self._counters if other[0] == key and other[1] > depth]:
            del self._counters[other]
        self._counters[key, depth] = self._counters.get((key, depth), 0) + 1
        return f"{indent}{self._counters[key, depth]}. "

    def _table(self, element: Any) -> str:
        rows = []
        for row in _below(element, f"{_W}tr"):
            cells = []
            for cell in _below(row, f"{_W}tc"):
                merged = cell.find(f"{_W}tcPr/{_W}vMerge")
                goes_on = merged is not None and merged.get(f"{_W}val", "continue") == "continue"
                cells.append("" if goes_on else " ".join(" ".join(self._blocks(cell)).split()))
                span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                cells += [""] * (min(int(span.get(f"{_W}val")), 64) - 1 if span is not None else 0)
            rows.append(cells)
        return table(rows)

    def _notes(self) -> Iterator[str]:
        from docx.oxml import parse_xml

        for relation in self._word.part.rels.values():
            kind = relation.reltype.rpartition("/")[2]
            if kind in _NOTES and not relation.is_external:
                for note in parse_xml(relation.target_part.blob).iterchildren():
                    if note.get(f"{_W}type") in (None, "normal"):
                        text = " ".join(" ".join(self._blocks(note)).split())
                        if text:
                            yield f"[^{'' if kind == 'footnotes' else 'e'}{note.get(f'{_W}id')}]: {text}"


def _below(element: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also inside content controls and insertions."""
    for child in element.iterchildren():
        if child.tag == tag:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            yield from _below(child, tag)


def _pieces(element: Any, boxes: list[Any]) -> Iterator[str]:
    """The text of a paragraph; text boxes in it are put aside."""
    for child in element.iterchildren():
        tag = child.tag
        if tag in (f"{_W}t", f"{_M}t"):
            yield child.text or ""
        elif tag in (f"{_W}tab", f"{_W}ptab"):
            yield "\t"
        elif tag in (f"{_W}br", f"{_W}cr"):
            yield "\n"
        elif tag == f"{_W}noBreakHyphen":
            yield "-"
        elif tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
            yield f"[^{'' if tag.endswith('footnoteReference') else 'e'}{child.get(f'{_W}id')}]"
        elif tag == f"{_W}txbxContent":
            boxes.append(child)
        elif isinstance(tag, str) and tag not in _SKIPPED:
            yield from _pieces(child, boxes)


def _heading_levels(word: WordDocument) -> dict[str, int]:
    """Style id to heading level, by the style's name, its outline level, or the style it is based on."""
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in word.styles.element.iterchildren(f"{_W}style"):
        key = style.get(f"{_W}styleId")
        name = style.find(f"{_W}name")
        label = name.get(f"{_W}val", "") if name is not None else ""
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        found = _HEADING.match(label)
        if found:
            levels[key] = min(int(found[1]) or 1, 6)
        elif label.lower() == "title":
            levels[key] = 1
        elif outline is not None and outline.get(f"{_W}val", "9").isdigit() and int(outline.get(f"{_W}val")) < 9:
            levels[key] = min(int(outline.get(f"{_W}val")) + 1, 6)
        base = style.find(f"{_W}basedOn")
        if base is not None:
            based[key] = base.get(f"{_W}val")
    for key in based:
        at, seen = key, {key}
        while at not in levels and at in based and based[at] not in seen:
            at = based[at]
            seen.add(at)
        if at in levels:
            levels.setdefault(key, levels[at])
    return levels


def _ordered_lists(word: WordDocument) -> set[tuple[str, int]]:
    """The (list, level) pairs that are numbered, not bulleted."""
    for relation in word.part.rels.values():
        if relation.reltype.endswith("/numbering") and not relation.is_external:
            root = relation.target_part.element
            break
    else:
        return set()
    kinds: dict[str, set[int]] = {}
    for abstract in root.iterchildren(f"{_W}abstractNum"):
        ordered = set()
        for level in abstract.iterchildren(f"{_W}lvl"):
            kind = level.find(f"{_W}numFmt")
            if kind is not None and kind.get(f"{_W}val") not in ("bullet", "none"):
                ordered.add(int(level.get(f"{_W}ilvl")))
        kinds[abstract.get(f"{_W}abstractNumId")] = ordered
    found = set()
    for number in root.iterchildren(f"{_W}num"):
        abstract = number.find(f"{_W}abstractNumId")
        if abstract is not None:
            found |= {(number.get(f"{_W}numId"), level) for level in kinds.get(abstract.get(f"{_W}val"), ())}
    return found


def _is_item(line: str) -> bool:
    return re.match(r"\s*(?:- |\d+\. )", line) is not None
