"""PPTX: a span a slide; titles as headings, lists, tables, charts, diagrams, notes and comments, groups included.

The slide's XML is walked: python-pptx's own shapes leave out what stands in alternate content, diagrams, formulas
and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.markup import table
from ragcli.loading.ocr.pictures import Pictures, alternative, wanted
from ragcli.loading.office.drawing import chart, diagram, linked, settled
from ragcli.loading.office.formulas import formula
from ragcli.loading.office.objects import embedded
from ragcli.loading.office.ooxml import DGM, MC, A, C, M, P, Package, R, number
from ragcli.loading.parts import part
from ragcli.loading.source import Source
from ragcli.records import Document

_CX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "sldNum", "hdr", "sldImg")  # date, footer, number: the same on every slide
_NUMBER = re.compile(r"(\d+)\.xml$")
_MOST_DEEP_LIST = 8
_UNTITLED = ("PowerPoint Presentation", "PowerPoint 演示文稿", "PowerPoint 簡報")  # what PowerPoint calls one


def read(source: Source) -> Iterator[Document]:
    """Yield the presentation as one document, then the documents of the files embedded in it.

    Raises:
        LoadError: it is broken, or unpacks to more than 512 MiB.
    """
    with source.parsing("PPTX"):
        package = Package(source, "PPTX")
        slides: list[tuple[int, str]] = []
        blank: list[int] = []  # those of pictures only
        objects: dict[str, str] = {}
        pictures = Pictures(source, reading=wanted(source, blank=False))
        writers = _people(package)
        for at, name in enumerate(_slides(source, package), 1):
            slide = _Slide(source, package, name, pictures, writers, at)
            try:
                text = slide.text()
            except Exception as error:  # noqa: BLE001  one broken slide does not lose the others
                source.lose(f"slide {at} cannot be read ({type(error).__name__}: {error})", slide=at)
                slide.failed = True
                text = ""
            objects |= slide.objects
            if text:
                slides.append((at, text))
            elif slide.has_pictures and not slide.failed:
                blank.append(at)
            source.count_pages(
                loaded=int(bool(text) and not slide.failed),
                failed=int(slide.failed),
                skipped=int(not text and not slide.failed),
            )
            source.beat()
        pictures.close()
        facts: dict[str, Any] = package.facts()
    if blank:
        listed = ", ".join(map(str, blank))
        reason = f"no text on {'slide' if len(blank) == 1 else 'slides'} {listed}, where there are pictures"
        source.lose(reason, kind="warning", slides=blank)
    if slides:
        title, author = facts.pop("title", None), facts.pop("author", None)
        if title in _UNTITLED:
            title = None
        if not title and slides[0][1].startswith("# "):
            title = slides[0][1].partition("\n")[0].removeprefix("# ")
        text, spans = _joined(slides)
        yield source.document(text, format="pptx", title=title, spans=spans, metadata={"author": author, **facts})
    for name, kind in objects.items():
        data = package.data(name)
        found = embedded(source, name, data, kind) if data is not None else None
        if found is not None:
            yield from part(source, f"embeddings/{found[0]}", found[1], kind="skipped")


def _joined(slides: list[tuple[int, str]]) -> tuple[str, list[dict[str, Any]]]:
    length, spans = 0, []
    for at, block in slides:
        spans.append({"start": length, "end": length + len(block), "slide": at})
        length += len(block) + 2
    return "\n\n".join(block for _, block in slides), spans


def _slides(source: Source, package: Package) -> list[str]:
    """The names of the slides, in their order; where the list of them is missing, as they are numbered."""
    try:
        main = package.main("officeDocument", "ppt/presentation.xml")
    except LoadError:
        main = ""
    root = package.xml(main) if main else None
    relations = package.relations(main) if main else {}
    found = []
    for one in root.iter(f"{P}sldId") if root is not None else ():
        relation = relations.get(one.get(f"{R}id") or "")
        if relation is not None and not relation.external:
            found.append(relation.target)
        else:
            source.lose("the presentation names a slide that it does not hold")
    if found or (root is not None and root.find(f"{P}sldIdLst") is None):
        return found
    names = [name for name in package.names("ppt/slides/") if _NUMBER.search(name) and "_rels" not in name]
    if not names and root is None:
        raise LoadError("not readable as PPTX: it has no ppt/presentation.xml, and no slides.")
    if names:
        source.lose("the order of the slides is missing; they stand as they are numbered", kind="warning")
    return sorted(names, key=lambda name: int(found[1]) if (found := _NUMBER.search(name)) else 0)


def _people(package: Package) -> dict[str, str]:
    """The authors of comments by their ids, of both kinds of comments."""
    found = {}
    for name in ("ppt/commentAuthors.xml", "ppt/authors.xml"):
        root = package.xml(name) if package.has(name) else None
        for one in root.iterchildren() if root is not None else ():
            found[one.get("id") or ""] = " ".join((one.get("name") or "").split())
    return found


class _Slide:
    """Writes one slide as Markdown, its title first.

    ``objects`` names the embedded files that it met, with what they are called; ``failed`` says that something
    of it is missing, ``has_pictures`` that there are some.
    """

    def __init__(
        self, source: Source, package: Package, name: str, pictures: Pictures, people: dict[str, str], at: int
    ) -> None:
        self._source = source
        self._package = package
        self._name = name
        self._relations = package.relations(name)
        self._pictures = pictures
        self._people = people
        self._at = at
        self._title = ""
        self.objects: dict[str, str] = {}
        self.failed = False
        self.has_pictures = False

    def text(self) -> str:
        """The title, the shapes in their order, the notes, the comments."""
        root = self._package.xml(self._name)
        if root is None:
            if not self._package.has(self._name):
                self._source.lose(f"slide {self._at} is missing", slide=self._at)
            self.failed = True
            return ""
        tree = root.find(f"{P}cSld/{P}spTree")
        shapes = list(self._shapes(tree)) if tree is not None else []
        found = [f"# {self._title}"] if self._title else []
        found += [block for block in shapes if block.strip()]
        if not found:
            self.has_pictures = next(root.iter(f"{A}blip"), None) is not None
            if self.has_pictures and wanted(self._source, blank=True):
                found += self._recognized(root)
        notes = self._notes()
        return "\n\n".join(found + ([f"Notes: {notes}"] if notes else []) + list(self._comments()))

    def _recognized(self, root: Any) -> Iterator[str]:
        """The words in the pictures of a slide that has no others."""
        pictures = Pictures(self._source, reading=True)
        for name in dict.fromkeys(name for blip in root.iter(f"{A}blip") if (name := self._picture(blip))):
            if not self._pictures.reading:
                self._pictures.left_out -= 1
            if text := pictures.text(name, self._package.data(name)):
                yield text

    def _picture(self, blip: Any) -> str | None:
        relation = self._relations.get(blip.get(f"{R}embed") or "")
        return relation.target if relation is not None and not relation.external else None

    def _shapes(self, parent: Any) -> Iterator[str]:
        for element in parent.iterchildren():
            tag = element.tag
            if tag == f"{P}sp":
                yield from self._shape(element)
            elif tag in (f"{P}grpSp", f"{MC}Choice"):
                yield from self._shapes(element)
            elif tag == f"{MC}AlternateContent":
                choice = element.find(f"{MC}Choice")
                if choice is None:
                    choice = element.find(f"{MC}Fallback")
                if choice is not None:
                    yield from self._shapes(choice)
            elif tag == f"{P}graphicFrame":
                yield from self._frame(element)
            elif tag == f"{P}pic":
                about = element.find(f"{P}nvPicPr/{P}cNvPr")
                yield alternative(about.get("descr") if about is not None else None)
                blip = element.find(f"{P}blipFill/{A}blip")
                name = self._picture(blip) if blip is not None else None
                if name is not None:
                    yield self._pictures.text(name, self._package.data(name) if self._pictures.reading else None)

    def _shape(self, element: Any) -> Iterator[str]:
        place = element.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
        kind = place.get("type", "") if place is not None else ""
        body = element.find(f"{P}txBody")
        if kind in _FURNITURE or body is None:
            return
        in_list = place is not None and kind in ("", "body", "obj")
        lines = self._lines(body, in_list)
        if kind in _TITLES and not self._title:
            self._title = " ".join(" ".join(line.lstrip("- ") if in_list else line for line in lines).split())
            return
        yield "\n".join(lines)

    def _lines(self, body: Any, in_list: bool) -> list[str]:
        """The paragraphs of a shape, those of a list with their marks."""
        found: list[tuple[str, int, str | None]] = []  # text, depth, mark
        counts: dict[int, int] = {}
        for paragraph in body.iter(f"{A}p"):
            text = self._words(paragraph).strip()
            if not text:
                continue
            properties = paragraph.find(f"{A}pPr")
            depth = min(number(properties.get("lvl")), _MOST_DEEP_LIST) if properties is not None else 0
            mark: str | None = None
            if properties is not None and properties.find(f"{A}buAutoNum") is not None:
                first = number(properties.find(f"{A}buAutoNum").get("startAt"), 1)
                counts = {at: count for at, count in counts.items() if at <= depth}
                counts[depth] = counts.get(depth, first - 1) + 1
                mark = f"{counts[depth]}."
            else:
                counts = {at: count for at, count in counts.items() if at < depth}
                if properties is not None and properties.find(f"{A}buNone") is not None:
                    mark = ""
                elif depth or (properties is not None and properties.find(f"{A}buChar") is not None):
                    mark = "-"
            found.append((text, depth, mark))
        several = len(found) > 1
        lines = []
        for text, depth, mark in found:
            shown = ("-" if in_list and several else "") if mark is None else mark
            lines.append(f"{'  ' * depth if shown else ''}{shown}{' ' if shown else ''}{text}")
        return lines

    def _words(self, paragraph: Any) -> str:
        """The text of a paragraph, with the addresses of its links."""
        out: list[str] = []
        for child in paragraph.iterchildren():
            tag = child.tag
            if tag in (f"{A}r", f"{A}fld"):
                link = child.find(f"{A}rPr/{A}hlinkClick")
                relation = self._relations.get(link.get(f"{R}id") or "") if link is not None else None
                text = child.findtext(f"{A}t") or ""
                out.append(linked(text, relation.target) if relation is not None and relation.external else text)
            elif tag in (f"{A}br", f"{A}tab"):
                out.append(" ")
            elif tag == f"{MC}AlternateContent":
                choice = child.find(f"{MC}Choice")
                out += map(formula, _formulas(choice)) if choice is not None else ()
            elif isinstance(tag, str) and tag.endswith("}m"):
                out += map(formula, _formulas(child))
        return settled("".join(out).replace("\v", " "))

    def _frame(self, element: Any) -> Iterator[str]:
        for found in element.iter(f"{A}tbl"):
            rows = found.iterchildren(f"{A}tr")
            yield table([[self._cell(cell) for cell in row.iterchildren(f"{A}tc")] for row in rows])
        for one in element.iter(f"{C}chart", f"{_CX}chart"):
            root = self._related(one.get(f"{R}id"), "chart")
            if root is not None:
                yield from chart(root)
        for one in element.iter(f"{DGM}relIds"):
            root = self._related(one.get(f"{R}dm"), "diagram")
            if root is not None:
                yield diagram(root)
        for one in element.iter(f"{P}oleObj"):
            relation = self._relations.get(one.get(f"{R}id") or "")
            if relation is not None and not relation.external:
                self.objects[relation.target] = one.get("progId") or ""

    def _cell(self, cell: Any) -> str:
        return " ".join(filter(None, (self._words(paragraph).strip() for paragraph in cell.iter(f"{A}p"))))

    def _related(self, key: str | None, what: str) -> Any:
        relation = self._relations.get(key or "")
        if relation is not None and relation.external:
            return None
        root = self._package.xml(relation.target) if relation is not None else None
        if root is None:
            self._source.lose(f"slide {self._at}: a {what} is missing", slide=self._at)
            self.failed = True
        return root

    def _notes(self) -> str:
        root = self._package.related(self._name, "notesSlide")
        lines: list[str] = []
        for shape in root.iter(f"{P}sp") if root is not None else ():
            place = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
            body = shape.find(f"{P}txBody")
            if body is not None and (place is None or place.get("type", "") not in _FURNITURE):
                lines += self._lines(body, False)
        return "\n".join(lines)

    def _comments(self) -> Iterator[str]:
        for relation in self._relations.values():
            if relation.external or relation.kind != "comments":
                continue
            root = self._package.xml(relation.target)
            for element in root.iter() if root is not None else ():
                if isinstance(element.tag, str) and element.tag.rpartition("}")[2] in ("text", "txBody"):
                    text = " ".join(" ".join(map(str, element.itertext())).split())
                    author = self._people.get(element.getparent().get("authorId") or "", "")
                    if text:
                        yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _formulas(element: Any) -> Iterator[Any]:
    """The formulas below an element, those in lines of their own as such."""
    for one in element.iter(f"{M}oMathPara", f"{M}oMath"):
        if one.tag == f"{M}oMathPara" or one.getparent().tag != f"{M}oMathPara":
            yield one
