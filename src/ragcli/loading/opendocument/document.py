"""OpenDocument (ODT, ODS, ODP, ODG, their templates, flat XML): text, sheets and slides as Markdown.

Read with lxml: odfpy, the library for it, takes about five times as long, puts deleted text, comments, notes and
templates of the table of contents into the text, and has no headings, lists or tables.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.ocr.pictures import Pictures, wanted, with_pictures
from ragcli.loading.office.wordstyles import joined
from ragcli.loading.opendocument.changes import without_deleted
from ragcli.loading.opendocument.package import Package, parsed
from ragcli.loading.opendocument.sheet import ROW, SHEET, Sheets
from ragcli.loading.opendocument.styles import DRAW, META, OFFICE, PRESENTATION, STYLE, XLINK, Styles
from ragcli.loading.opendocument.text import Writer
from ragcli.loading.parts import instead
from ragcli.loading.sheets.markdown import assembled
from ragcli.loading.source import Source
from ragcli.records import Document

_FORMATS = {"text": "odt", "spreadsheet": "ods", "presentation": "odp", "drawing": "odg"}
_FURNITURE = {"header", "footer", "date-time", "page-number"}  # the same on every slide
_UNTITLED = ("PowerPoint Presentation", "PowerPoint 演示文稿")
_HEADING = re.compile(r"#{1,2} (.+)")
_MASTERS = f"{OFFICE}master-styles/{STYLE}master-page"
_Events = Iterator[tuple[str, Any]]


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is broken, needs a password, or unpacks to more than 512 MiB.
    """
    with source.parsing("OpenDocument"):
        package = Package(source)
        if package.whole:
            inner = package.data(package.whole)
        else:
            inner = None
            documents = with_pictures(
                source, lambda pictures: list(_from_package(source, package, pictures)), lambda made: not made
            )
    if inner is not None:
        yield from instead(source, inner, suffix=source.suffix)
    else:
        yield from documents


def read_flat(source: Source, root: Any) -> Iterator[Document]:
    """Yield a flat OpenDocument file (one XML file, not a package) as one document.

    Args:
        source: the file.
        root: its root, ``office:document``.

    Raises:
        LoadError: it is no text, spreadsheet, presentation or drawing.
    """
    with source.parsing("OpenDocument"):
        kind = _kind(root)
        facts = root.find(f"{OFFICE}meta")

        def write(pictures: Pictures) -> list[Document]:
            return list(_File(source, kind, root, root, facts, _Inside(), pictures).documents(_walked(root)))

        documents = with_pictures(source, write, lambda made: not made)
    yield from documents


class _Inside:
    """The embedded objects and the pictures of a file: inside its elements, and in its package where it has one."""

    def __init__(self, package: Package | None = None) -> None:
        self._package = package

    def object(self, reference: str) -> Any:
        """The root of an embedded object, or None."""
        package = self._package
        name = "" if package is None else package.folder(reference) + "content.xml"
        return package.xml(name) if package is not None and package.has(name) else None

    def picture(self, element: Any) -> tuple[str, bytes | None]:
        """The name and the bytes of a picture."""
        inner = element.findtext(f"{OFFICE}binary-data")
        name = element.get(f"{XLINK}href") or ""
        if inner:
            with contextlib.suppress(ValueError):
                data = base64.b64decode(inner)
                return name or f"picture {hashlib.sha256(data).hexdigest()[:8]}", data
        package = self._package
        part = name.removeprefix("./")
        return name, package.data(part) if package is not None and part and package.has(part) else None


def _from_package(source: Source, package: Package, pictures: Pictures) -> Iterator[Document]:
    content = package.data("content.xml")
    if content is None:
        raise LoadError("not readable as OpenDocument: it has no content.xml, which holds the text.")
    styles, meta = (package.xml(name) if package.has(name) else None for name in ("styles.xml", "meta.xml"))
    if package.missing("styles.xml"):
        source.lose("it has no styles.xml: headings, lists and page headers may be missing", kind="warning")
    facts = meta.find(f"{OFFICE}meta") if meta is not None else None
    inside = _Inside(package)
    mimetype = (package.data("mimetype") or b"") if package.has("mimetype") else b""
    if b"opendocument.spreadsheet" in mimetype:
        # A large sheet is read row by row; a broken one as a whole, as far as it goes.
        try:
            yield from _File(source, "spreadsheet", None, styles, facts, inside, pictures).documents(_parsed(content))
            return
        except _BrokenError:
            pass
    root = parsed(source, "content.xml", content)
    if root is None:
        raise LoadError("not readable as OpenDocument: its content.xml is no XML.")
    yield from _File(source, _kind(root), root, styles, facts, inside, pictures).documents(_walked(root))


class _BrokenError(Exception):
    """The XML is broken."""


def _parsed(content: bytes) -> _Events:
    import io

    from lxml import etree

    huge = len(content) > 10_000_000
    try:
        yield from etree.iterparse(
            io.BytesIO(content),
            events=("start", "end"),
            tag=(SHEET, ROW),
            resolve_entities=False,
            no_network=True,
            huge_tree=huge,
        )
    except etree.XMLSyntaxError as error:
        raise _BrokenError from error


def _walked(root: Any) -> _Events:
    from lxml import etree

    body = root.find(f"{OFFICE}body/{OFFICE}spreadsheet")
    yield from etree.iterwalk(body, events=("start", "end"), tag=(SHEET, ROW)) if body is not None else ()


def _kind(root: Any) -> str:
    """What the file is: the name of the element in its body."""
    body = root.find(f"{OFFICE}body")
    for child in body.iterchildren() if body is not None else ():
        if isinstance(child.tag, str):
            kind = child.tag.rpartition("}")[2]
            if kind in _FORMATS:
                return str(kind)
            raise LoadError(f"it is an OpenDocument {kind}, not a text, spreadsheet, presentation or drawing.")
    raise LoadError("not readable as OpenDocument: it has no body.")


class _File:
    """One file, parsed as far as it is parsed at once."""

    def __init__(
        self, source: Source, kind: str, root: Any, styles: Any, facts: Any, inside: _Inside, pictures: Pictures
    ) -> None:
        self._pictures = pictures
        self._source = source
        self._kind = kind
        self._root = root
        self._masters = styles.findall(_MASTERS) if styles is not None else []
        self._facts = facts
        known = Styles(styles, root if root is not styles else None)
        self._writer = Writer(
            source,
            known,
            inside.object,
            pictures=pictures,
            picture=inside.picture,
            data=kind != "spreadsheet",
            page_fields=kind in ("text", "spreadsheet"),
        )

    def documents(self, events: _Events) -> Iterator[Document]:
        """Yield the document, or nothing where there is no text."""
        if self._kind == "text":
            text, spans = self._text()
        elif self._kind == "spreadsheet":
            text, spans = self._sheets(events)
        else:
            text, spans = self._pages()
        self._lose()
        if not text.strip():
            return
        found = {name: " ".join((self._facts.findtext(path) or "").split()) if self._facts is not None else ""
                 for name, path in (("title", "{*}title"), ("author", "{*}creator"), ("date", "{*}date"),
                                    ("subject", "{*}subject"))}  # fmt: skip
        keywords: list[str] = []
        if self._facts is not None:
            found["author"] = self._facts.findtext(f"{META}initial-creator") or found["author"]
            found["date"] = found["date"] or self._facts.findtext(f"{META}creation-date") or ""
            keywords = [" ".join(one.text.split()) for one in self._facts.iterchildren(f"{META}keyword") if one.text]
        title = found.pop("title")
        if title in _UNTITLED:
            title = ""
        if not title and self._kind != "spreadsheet" and (heading := _HEADING.match(text)):
            title = heading[1]
        found["date"] = found["date"][:10]
        yield self._source.document(
            text,
            format=_FORMATS[self._kind],
            title=title,
            spans=spans,
            metadata={**found, "keywords": ", ".join(keywords)},
        )

    def _text(self) -> tuple[str, list[dict[str, Any]]]:
        body = self._root.find(f"{OFFICE}body/{OFFICE}text")
        without_deleted(body)
        blocks = list(self._writer.blocks(body))
        blocks += self._writer.notes()
        said = joined(blocks)
        blocks += [block for block in self._writer.headers(self._masters) if block not in said]
        return joined(blocks), []

    def _sheets(self, events: _Events) -> tuple[str, list[dict[str, Any]]]:
        text, spans = assembled(Sheets(self._source, self._writer).read(events))
        extra = [block for block in self._writer.headers(self._masters) if block not in text]
        return "\n\n".join(filter(None, [text, *extra])), spans

    def _pages(self) -> tuple[str, list[dict[str, Any]]]:
        """The slides of a presentation, or the pages of a drawing."""
        unit = "slide" if self._kind == "presentation" else "page"
        body = self._root.find(f"{OFFICE}body/{OFFICE}{self._kind}")
        pieces: list[str] = []
        spans: list[dict[str, Any]] = []
        at = 0
        only_pictures: list[int] = []
        for number, page in enumerate(body.iterchildren(f"{DRAW}page"), 1):
            before = len(self._writer.shown)
            try:
                block = joined(self._page(page)) or self._recognized(before)
            except Exception as error:  # noqa: BLE001  one broken slide does not lose the others
                said = f"{unit} {number} cannot be read ({type(error).__name__}: {error})"
                self._source.lose(said, page=number)
                self._source.count_pages(failed=1)
                continue
            self._source.beat()
            if not block:
                self._source.count_pages(skipped=1)
                if len(self._writer.shown) > before:
                    only_pictures.append(number)
                continue
            self._source.count_pages(loaded=1)
            at += 2 if pieces else 0
            spans.append({"start": at, "end": at + len(block), unit: number})
            pieces.append(block)
            at += len(block)
        if only_pictures:
            listed = ", ".join(map(str, only_pictures))
            said = f"no text on {unit}{'' if len(only_pictures) == 1 else 's'} {listed}, where there are pictures"
            self._source.lose(said, kind="warning", slides=only_pictures)
        notes = self._writer.notes()
        return "\n\n".join([*pieces, *notes]), spans

    def _recognized(self, before: int) -> str:
        """The words in the pictures of a slide that has no others."""
        if self._pictures.reading or not wanted(self._source, blank=True):
            return ""
        pictures = Pictures(self._source, reading=True)
        shown = self._writer.shown[before:]
        self._pictures.left_out -= len(shown)
        return joined([self._writer.read_picture(image, pictures) for image in shown])

    def _page(self, page: Any) -> list[str]:
        titles: list[str] = []
        blocks: list[str] = []
        for shape in page.iterchildren():
            kind = shape.get(f"{PRESENTATION}class") if isinstance(shape.tag, str) else None
            if kind in _FURNITURE:
                continue
            if kind == "title" and not titles:
                titles.append(" ".join(" ".join(block.lstrip("# ") for block in self._writer.blocks(shape)).split()))
            elif isinstance(shape.tag, str):
                blocks += self._writer.one(shape)
        notes = page.find(f"{PRESENTATION}notes")
        said = [] if notes is None else [
            block for shape in notes.iterchildren()
            if isinstance(shape.tag, str) and shape.get(f"{PRESENTATION}class") not in _FURNITURE
            for block in self._writer.one(shape)
        ]  # fmt: skip
        heading = [f"# {title}" for title in titles if title]
        return heading + blocks + (["Notes: " + "\n".join(said)] if said else [])

    def _lose(self) -> None:
        """Report what was left out."""
        writer = self._writer
        if writer.unread:
            number = "1 embedded object was" if writer.unread == 1 else f"{writer.unread} embedded objects were"
            self._source.lose(f"{number} not read: it is of another program, or missing", kind="skipped")
        if writer.contents:
            self._source.lose("the table of contents was left out: it repeats the headings", kind="skipped")
