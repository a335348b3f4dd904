"""PPTX: a span a slide; titles as headings, lists, tables, charts, diagrams, notes and comments, groups included.

The slide's XML is walked: python-pptx's own shapes leave out what stands in alternate content, and diagrams.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragcli.loading.markup import table
from ragcli.loading.source import Source
from ragcli.loading.zipped import opened
from ragcli.records import Document

if TYPE_CHECKING:
    from pptx.slide import Slide

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "sldNum", "hdr")  # date, footer, number: the same on every slide


def read(source: Source) -> Iterator[Document]:
    """Yield the presentation as one document.

    Raises:
        LoadError: it is broken, or unpacks to more than 512 MiB.
    """
    data = source.data()
    with source.parsing("PPTX"):
        opened(data).close()
        import pptx

        shown = pptx.Presentation(io.BytesIO(data))
        slides: list[tuple[int, str]] = []
        pictures: list[int] = []
        for number, slide in enumerate(shown.slides, 1):
            try:
                text = "\n\n".join(_Slide(slide).blocks())
            except Exception as error:  # noqa: BLE001  one broken slide does not lose the others
                source.lose(f"slide {number} cannot be read ({type(error).__name__}: {error})", slide=number)
                continue
            if text:
                slides.append((number, text))
            elif next(slide.element.iter(f"{_P}pic"), None) is not None:
                pictures.append(number)
        facts = shown.core_properties
        title, author = facts.title, facts.author
        date = facts.modified.date().isoformat() if facts.modified else None
    if pictures:
        listed = ", ".join(map(str, pictures))
        reason = f"no text on {'slide' if len(pictures) == 1 else 'slides'} {listed}, where there are pictures"
        source.lose(reason, kind="warning", slides=pictures)
    if not slides:
        return
    text, spans = "", []
    for number, block in slides:
        text += "\n\n" if text else ""
        spans.append({"start": len(text), "end": len(text) + len(block), "slide": number})
        text += block
    if title in ("PowerPoint Presentation", "PowerPoint 演示文稿"):  # what PowerPoint calls one without a title
        title = None
    if not title and slides[0][1].startswith("# "):
        title = slides[0][1].partition("\n")[0].removeprefix("# ")
    yield source.document(text, format="pptx", title=title, spans=spans, metadata={"author": author, "date": date})


class _Slide:
    """Writes one slide as blocks of Markdown, its title first."""

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._title = ""

    def blocks(self) -> list[str]:
        """The title, the shapes in their order, the notes, the comments."""
        tree = self._slide.element.find(f"{_P}cSld/{_P}spTree")
        shapes = list(self._shapes(tree)) if tree is not None else []
        found = [f"# {self._title}"] if self._title else []
        found += [block for block in shapes if block.strip()]
        if self._slide.has_notes_slide:
            frame = self._slide.notes_slide.notes_text_frame
            if frame is not None and frame.text.strip():
                found.append("Notes: " + frame.text.replace("\v", "\n").strip())
        return found + [f"Comment: {text}" for text in self._comments()]

    def _shapes(self, parent: Any) -> Iterator[str]:
        for element in parent.iterchildren():
            tag = element.tag
            if tag == f"{_P}sp":
                yield from self._shape(element)
            elif tag in (f"{_P}grpSp", f"{_MC}Choice"):
                yield from self._shapes(element)
            elif tag == f"{_MC}AlternateContent":
                choice = element.find(f"{_MC}Choice")
                if choice is None:
                    choice = element.find(f"{_MC}Fallback")
                if choice is not None:
                    yield from self._shapes(choice)
            elif tag == f"{_P}graphicFrame":
                yield from self._frame(element)
            elif tag == f"{_P}pic":
                about = element.find(f"{_P}nvPicPr/{_P}cNvPr")
                words = " ".join((about.get("descr") or "").split()) if about is not None else ""
                if words and not words.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".svg")):
                    yield f"Picture: {words}"

    def _shape(self, element: Any) -> Iterator[str]:
        place = element.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
        kind = place.get("type", "") if place is not None else ""
        body = element.find(f"{_P}txBody")
        if kind in _FURNITURE or body is None:
            return
        lines = [line for paragraph in body.iter(f"{_A}p") if (line := _paragraph(paragraph)).strip()]
        if kind in _TITLES and not self._title:
            self._title = " ".join(" ".join(lines).split())
            return
        is_list = place is not None and kind in ("", "body", "obj") and len(lines) > 1
        yield "\n".join(("- " + line.strip() if is_list and not line.startswith(" ") else line) for line in lines)

    def _frame(self, element: Any) -> Iterator[str]:
        for found in element.iter(f"{_A}tbl"):
            rows = found.iterchildren(f"{_A}tr")
            yield table([[_cell(cell) for cell in row.iterchildren(f"{_A}tc")] for row in rows])
        for chart in element.iter(f"{_C}chart"):
            yield from _chart(self._slide.part.related_part(chart.get(f"{_R}id")).chart)
        for diagram in element.iter(f"{_DGM}relIds"):
            from lxml import etree

            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            root = etree.fromstring(self._slide.part.related_part(diagram.get(f"{_R}dm")).blob, parser)
            points = (" ".join("".join(map(str, point.itertext(f"{_A}t"))).split()) for point in root.iter(f"{_DGM}pt"))
            yield "\n".join(f"- {point}" for point in points if point)

    def _comments(self) -> Iterator[str]:
        from lxml import etree

        for relation in self._slide.part.rels.values():
            if relation.is_external or not relation.reltype.endswith("/comments"):
                continue
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            root = etree.fromstring(relation.target_part.blob, parser)
            for element in root.iter():
                if isinstance(element.tag, str) and etree.QName(element).localname in ("text", "txBody"):
                    text = " ".join(" ".join(map(str, element.itertext())).split())
                    if text:
                        yield text


def _paragraph(element: Any) -> str:
    text = ""
    for piece in element.iter(f"{_A}t", f"{_A}br", f"{_A}tab"):
        text += (piece.text or "") if piece.tag == f"{_A}t" else " "
    properties = element.find(f"{_A}pPr")
    level = int(properties.get("lvl", "0")) if properties is not None else 0
    return "  " * level + "- " + text.strip() if level and text.strip() else text


def _cell(cell: Any) -> str:
    return " ".join(filter(None, (_paragraph(paragraph).strip() for paragraph in cell.iter(f"{_A}p"))))


def _chart(chart: Any) -> Iterator[str]:
    if chart.has_title and chart.chart_title.has_text_frame:
        yield chart.chart_title.text_frame.text
    for plot in chart.plots:
        series = list(plot.series)
        names = [str(one) for one in plot.categories]
        rows = [["", *(one.name for one in series)]]
        values = [list(one.values) for one in series]
        for at, name in enumerate(names):
            row = [column[at] if at < len(column) else None for column in values]
            rows.append([name, *("" if value is None else f"{value:g}" for value in row)])
        yield table(rows)
