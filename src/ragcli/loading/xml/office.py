"""Word documents in one XML file: that of Word 2003, and the "flat" package of today's format."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.markup import flowed, spread, table
from ragcli.loading.source import Source
from ragcli.loading.xml.data import local
from ragcli.records import Document

_Written = tuple[str | None, str, dict[str, Any]]
_WORD = "http://schemas.microsoft.com/office/word/2003/wordml"
_PACKAGE = "{http://schemas.microsoft.com/office/2006/xmlPackage}"
_W = f"{{{_WORD}}}"
_HEADING = re.compile(r"(?:heading|标题|標題)\s*([1-9])", re.I)
_DEEPEST = 100


def flat_package(source: Source, root: Any) -> Iterator[Document]:
    """Yield the documents of a package written as one XML file, through the loader of its own format.

    Raises:
        LoadError: no part in it.
    """
    from lxml import etree

    from ragcli.loading.formats import identify, loader

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        kinds = []
        for part in root.iterchildren(f"{_PACKAGE}part"):
            name = part.get(f"{_PACKAGE}name") or ""
            kinds.append(
                f'<Override PartName="{_quoted(name)}" ContentType="{_quoted(part.get(f"{_PACKAGE}contentType"))}"/>'
            )
            for held in part:
                if local(held) == "xmlData" and len(held):
                    archive.writestr(name.lstrip("/"), etree.tostring(held[0], encoding="utf-8", xml_declaration=True))
                elif local(held) == "binaryData":
                    archive.writestr(name.lstrip("/"), base64.b64decode("".join((held.text or "").split()) + "=="))
        if not kinds:
            raise LoadError("not readable as a flat Office package: it holds no part.")
        types = "http://schemas.openxmlformats.org/package/2006/content-types"
        archive.writestr(
            "[Content_Types].xml",
            f'<?xml version="1.0"?><Types xmlns="{types}"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{"".join(kinds)}</Types>',
        )
    inner = Source(
        source.name,
        options=source.options,
        report=source.report,
        data=packed.getvalue(),
        explicit=source.explicit,
        depth=source.depth + 1,
    )
    yield from loader(identify(inner))(inner)
    source.failures += inner.failures


def _quoted(value: str | None) -> str:
    from html import escape

    return escape(value or "")


def _word(source: Source, root: Any) -> _Written:
    """Word 2003: paragraphs by their styles, lists, tables and notes."""
    levels = {}
    for style in root.iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        found = _HEADING.match(name.get(f"{_W}val", "") if name is not None else "")
        if found:
            levels[style.get(f"{_W}styleId")] = min(int(found[1]), 6)
    blocks: list[str] = []
    notes: list[str] = []

    def paragraph(element: Any) -> str:
        pieces: list[str] = []
        for piece in element.iter(f"{_W}t", f"{_W}br", f"{_W}tab", f"{_W}footnote", f"{_W}endnote", f"{_W}pict"):
            kind = local(piece)
            if kind in ("footnote", "endnote"):
                notes.append(flowed("".join(map(str, piece.itertext()))))
                pieces.append(f"[^{len(notes)}]")
            elif kind == "t":
                if not any(local(up) in ("footnote", "endnote") for up in _between(piece, element)):
                    pieces.append(piece.text or "")
            elif kind != "pict":
                pieces.append("\n" if kind == "br" else "\t")
        return "".join(pieces).strip()

    def walk(element: Any, depth: int) -> None:
        for child in element:
            kind = local(child)
            if kind == "p":
                text = paragraph(child)
                style = child.find(f"{_W}pPr/{_W}pStyle")
                level = levels.get(style.get(f"{_W}val"), 0) if style is not None else 0
                listed = child.find(f"{_W}pPr/{_W}listPr") is not None
                if text:
                    blocks.append(f"{'#' * level} {flowed(text)}" if level else f"- {text}" if listed else text)
            elif kind == "tbl":
                rows = []
                for row in child.iter(f"{_W}tr"):
                    cells = []
                    for cell in row.iterchildren(f"{_W}tc"):
                        wide = cell.find(f"{_W}tcPr/{_W}gridSpan")
                        text = " ".join(paragraph(one) for one in cell.iter(f"{_W}p"))
                        cells.append((text, _number(wide.get(f"{_W}val")) if wide is not None else 1, 1))
                    rows.append(cells)
                blocks.append(table(spread(rows)))
            elif kind and kind not in ("styles", "lists", "fonts", "docPr", "binData") and depth < _DEEPEST:
                walk(child, depth + 1)

    for body in root.iterchildren(f"{_W}body"):
        walk(body, 0)
    blocks += [f"[^{number}]: {note}" for number, note in enumerate(notes, 1)]
    facts = {local(one): one.text for one in root.iter("{*}DocumentProperties") for one in one}
    metadata = {"author": facts.get("Author"), "date": (facts.get("LastSaved") or "")[:10]}
    return facts.get("Title"), "\n\n".join(block for block in blocks if block), metadata


def _between(element: Any, above: Any) -> Iterator[Any]:
    for up in element.iterancestors():
        if up is above:
            return
        yield up


def _number(value: str | None, default: int = 1) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 8 else default


WRITERS: dict[tuple[str, str], Callable[[Source, Any], _Written]] = {
    (_WORD, "wordDocument"): _word,
}
