"""DOCX: headings, lists and tables as Markdown, in document order."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.item import Item
from ragcli.records import Document

LARGEST = 512 << 20  # bytes of all parts unpacked


def _table(table: Any) -> str:
    rows = [[" ".join(cell.text.split()).replace("|", "\\|") for cell in row.cells] for row in table.rows]
    if not rows:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _paragraph(paragraph: Any) -> str:
    text = paragraph.text.strip()
    style = (paragraph.style.name if paragraph.style is not None else "") or ""
    if not text:
        return ""
    if style == "Title":
        return f"# {text}"
    if style.startswith("Heading ") and style[8:].isdigit():
        return "#" * min(6, int(style[8:])) + f" {text}"
    properties = paragraph._p.pPr
    listed = style.startswith("List") or (properties is not None and properties.numPr is not None)
    return f"- {text}" if listed else text


def load_docx(item: Item) -> Iterator[Document]:
    """Yield the file as one document."""
    import docx
    from docx.table import Table

    with item.open() as stream:
        with zipfile.ZipFile(stream) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > LARGEST:
            raise LoadError(f"{item.source}: unpacks to {size >> 20} MiB, more than {LARGEST >> 20}.")
        stream.seek(0)
        document = docx.Document(stream)
    blocks = (
        _table(block) if isinstance(block, Table) else _paragraph(block) for block in document.iter_inner_content()
    )
    text = ""
    title = document.core_properties.title or None
    for block in blocks:
        if not block:
            continue
        if title is None and block.startswith("#"):
            title = block.lstrip("# ")
        tight = block.startswith("- ") and text.rpartition("\n")[2].startswith("- ")
        text += ("\n" if tight else "\n\n" if text else "") + block
    yield item.document(text, "docx", title=title)
