"""What a PDF holds beside the text of its pages: filled-in forms, comments, bookmarks, attached files, XFA forms."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.loading.parts import part
from ragcli.loading.pdf.chars import APPENDED, Piece, address, raw
from ragcli.loading.source import Source
from ragcli.records import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_MOST_NOTES = 5_000  # annotations of a page
_MOST_BOOKMARKS = 20_000
_MOST_FILES = 1_000
_MOST_BYTES = 1 << 29
_LONGEST = 1 << 16  # characters of a field or a comment


class Notes(NamedTuple):
    """The annotations of a page."""

    fields: list[tuple[float, float, float, float, str]]  # left, bottom, right, top; y grows upwards
    comments: list[str]
    files: list[tuple[str, bytes]]


class Bookmark(NamedTuple):
    """An entry of the outline."""

    title: str
    level: int  # from 1
    y: float | None  # where on its page; grows upwards


def notes(pdf: PdfDocument, page: PdfPage) -> Notes:
    """Read filled-in fields, comments and attached files of a page."""
    import pypdfium2.raw as pdfium

    found = Notes([], [], [])
    form = pdf.formenv.raw if pdf.formenv else None
    count = min(pdfium.FPDFPage_GetAnnotCount(page), _MOST_NOTES)
    take, kind_of = raw("FPDFPage_GetAnnot", ctypes.c_void_p, ctypes.c_int), raw("FPDFAnnot_GetSubtype")
    close, of = raw("FPDFPage_CloseAnnot", None), address(page)
    for at in range(count):
        place = take(of, at)
        if not place:
            continue
        try:
            kind = kind_of(place)
            if kind in (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP):
                continue
            note = ctypes.cast(place, pdfium.FPDF_ANNOTATION)
            if kind == pdfium.FPDF_ANNOT_WIDGET:
                text = _field(form, note) if form else ""
                box = pdfium.FS_RECTF()
                if text and pdfium.FPDFAnnot_GetRect(note, box):
                    sides = (min(box.left, box.right), min(box.bottom, box.top))
                    found.fields.append((*sides, max(box.left, box.right), max(box.bottom, box.top), text))
            elif kind == pdfium.FPDF_ANNOT_FILEATTACHMENT:
                file = pdfium.FPDFAnnot_GetFileAttachment(note)
                if file:
                    found.files.extend(_file(file))
            elif text := _string(note, b"Contents"):
                author = _string(note, b"T")
                free = kind == pdfium.FPDF_ANNOT_FREETEXT
                found.comments.append(text if free else f"Comment{f' ({author})' if author else ''}: {text}")
        finally:
            close(place)
    return found


def _field(form: Any, note: Any) -> str:
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(form, note)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        return "[x]" if pdfium.FPDFAnnot_IsChecked(form, note) else ""
    if kind not in (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX):
        return ""
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, note) & pdfium.FPDF_FORMFLAG_TEXT_PASSWORD and (
        kind == pdfium.FPDF_FORMFIELD_TEXTFIELD
    ):
        return ""
    return _wide(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, note, buffer, size))


def _string(note: Any, key: bytes) -> str:
    import pypdfium2.raw as pdfium

    return _wide(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(note, key, buffer, size))


def _wide(call: Any) -> str:
    """A UTF-16 string that PDFium writes into a buffer."""
    size = call(None, 0)
    if size <= 2 or size > 2 * _LONGEST:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    call(buffer, size)
    text = bytes(buffer)[: size - 2].decode("utf-16-le", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\x00 \n")


def fields_as_pieces(fields: list[tuple[float, float, float, float, str]], boxes: Any, size: float) -> list[Piece]:
    """Set the values of fields where they stand on the page.

    Args:
        fields: of `notes`.
        boxes: their boxes, turned as the page is.
        size: the height of a line of the page.
    """
    found = []
    for (*_, text), (left, top, right, bottom) in zip(fields, boxes.tolist(), strict=True):
        height = min(size, bottom - top) or size
        if "\n" not in text:
            top = (top + bottom - height) / 2
            bottom = top + height
        wide = min(right, left + max(0.5 * height * len(text), height))
        found.append(Piece(left, top, wide, bottom, text, height, APPENDED, APPENDED))
    return found


def bookmarks(source: Source, pdf: PdfDocument) -> dict[int, list[Bookmark]]:
    """The outline by page number, from 1; an outline that runs in a circle is read once."""
    import pypdfium2.raw as pdfium

    found: dict[int, list[Bookmark]] = {}
    seen: set[int] = set()
    todo = [(pdfium.FPDFBookmark_GetFirstChild(pdf, None), 1)]
    while todo:
        mark, level = todo.pop()
        if not mark or (place := ctypes.addressof(mark.contents)) in seen:
            continue
        seen.add(place)
        if len(seen) > _MOST_BOOKMARKS:
            source.lose(f"bookmarks after the {_MOST_BOOKMARKS}th are left out", kind="warning")
            break
        todo.append((pdfium.FPDFBookmark_GetNextSibling(pdf, mark), level))
        todo.append((pdfium.FPDFBookmark_GetFirstChild(pdf, mark), level + 1))
        title = " ".join(_wide(lambda buffer, size: pdfium.FPDFBookmark_GetTitle(mark, buffer, size)).split())  # noqa: B023
        target = pdfium.FPDFBookmark_GetDest(pdf, mark)
        page = pdfium.FPDFDest_GetDestPageIndex(pdf, target) if target else -1
        if title and page >= 0:
            found.setdefault(page + 1, []).append(Bookmark(title[:500], min(level, 6), _height(target)))
    return found


def _height(target: Any) -> float | None:
    import pypdfium2.raw as pdfium

    has_x, has_y, has_zoom = (ctypes.c_int() for _ in range(3))
    x, y, zoom = (ctypes.c_float() for _ in range(3))
    if pdfium.FPDFDest_GetLocationInPage(target, has_x, has_y, has_zoom, x, y, zoom) and has_y.value:
        return y.value
    return None


def facts(pdf: PdfDocument) -> dict[str, str]:
    """What the file says about itself."""
    import pypdfium2.raw as pdfium

    keys = ("Title", "Author", "CreationDate")
    return {key: _wide(lambda buffer, size: pdfium.FPDF_GetMetaText(pdf, key.encode(), buffer, size)) for key in keys}  # noqa: B023


def attachments(source: Source, pdf: PdfDocument, more: list[tuple[str, bytes]]) -> Iterator[Document]:
    """The documents of attached files.

    Args:
        source: the PDF.
        pdf: the PDF, open.
        more: files that hang on pages.
    """
    import pypdfium2.raw as pdfium

    files: dict[tuple[str, int], bytes] = {}
    left = _MOST_BYTES
    count = pdfium.FPDFDoc_GetAttachmentCount(pdf)
    if count > _MOST_FILES:
        source.lose(f"{count - _MOST_FILES} of its {count} attached files were not read")
    for at in range(min(count, _MOST_FILES)):
        file = pdfium.FPDFDoc_GetAttachment(pdf, at)
        read = _file(file, left) if file else []
        if not read:
            source.lose(f"attached file {at + 1} of {count} cannot be read")
        more = [*more, *read]
    for name, data in more:
        if files.setdefault((name, hash(data)), data) is data:
            left -= len(data)
            yield from part(source, name, data)


def _file(file: Any, most: int = _MOST_BYTES) -> list[tuple[str, bytes]]:
    import pypdfium2.raw as pdfium

    name = _wide(lambda buffer, size: pdfium.FPDFAttachment_GetName(file, buffer, size)) or "attachment"
    size = ctypes.c_ulong()
    if not pdfium.FPDFAttachment_GetFile(file, None, 0, size) or size.value > most:
        return []
    buffer = ctypes.create_string_buffer(max(size.value, 1))
    if not pdfium.FPDFAttachment_GetFile(file, buffer, size.value, size):
        return []
    return [(name.replace("\\", "/").rpartition("/")[2], buffer.raw[: size.value])]


_WAIT = re.compile(r"(?i)please wait|adobe reader|acrobat|xfa")


def is_placeholder(pdf: PdfDocument, text: str) -> bool:
    """Whether the pages only say that another reader is needed: an XFA form."""
    return is_xfa(pdf) and len(text) < 3000 and bool(_WAIT.search(text))


def is_xfa(pdf: PdfDocument) -> bool:
    """Whether it holds an XFA form."""
    import pypdfium2.raw as pdfium

    return pdf.get_formtype() in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND)


def xfa_text(pdf: PdfDocument) -> str:
    """What an XFA form says: the words of its template, and the values that were filled in."""
    import pypdfium2.raw as pdfium
    from lxml import etree

    lines: list[str] = []
    for at in range(min(pdfium.FPDF_GetXFAPacketCount(pdf), 64)):
        size = pdfium.FPDF_GetXFAPacketName(pdf, at, None, 0)
        name = ctypes.create_string_buffer(max(size, 1))
        pdfium.FPDF_GetXFAPacketName(pdf, at, name, size)
        if name.value not in (b"template", b"datasets"):
            continue
        length = ctypes.c_ulong()
        pdfium.FPDF_GetXFAPacketContent(pdf, at, None, 0, length)
        if not 0 < length.value < _MOST_BYTES:
            continue
        buffer = ctypes.create_string_buffer(length.value)
        pdfium.FPDF_GetXFAPacketContent(pdf, at, buffer, length.value, length)
        root = etree.fromstring(buffer.raw, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        if root is None:
            continue
        lines += _template(root) if name.value == b"template" else _values(root)
    return "\n".join(lines)


def _template(root: Any) -> Iterator[str]:
    """The words that an XFA form shows."""
    for element in root.iter("{*}text", "{*}exData"):
        above = {parent.tag.rpartition("}")[2] for parent in element.iterancestors()}
        said = " ".join("".join(map(str, element.itertext())).split())
        if said and above.isdisjoint(("script", "items", "event")):
            yield said


def _values(root: Any) -> Iterator[str]:
    """What was filled into an XFA form."""
    for element in root.iter("*"):
        if element.text and element.text.strip() and not len(element):
            yield f"{element.tag.rpartition('}')[2]}: {' '.join(element.text.split())}"
