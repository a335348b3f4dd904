"""PDF: the text layer, a span a page; pages without text and garbled pages are named.

PDFium's text is mended where it is known to be wrong: glyphs of Chinese set one by one come with spaces
between them, words cut at a line end keep their hyphen, and lines of Chinese end in the middle of a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragcli.errors import LoadError
from ragcli.loading.source import Source
from ragcli.records import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_CJK = r"\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_SPACED = re.compile(rf"(?<=[{_CJK}])[ \u00a0]+(?=[{_CJK}])")
_PAIR = re.compile(rf"(?<=[{_CJK}])(?=[{_CJK}])")
_LINE_JOIN = re.compile(r"(?<=[\u3400-\u9fff，、])\n(?=[\u3400-\u9fff])")
_SOFT = re.compile(r"[\ufffe\u0002\u00ad][ \t]*\n?")
_HYPHEN = re.compile(r"([A-Za-z]*[a-z])-[ \t]*\n[ \t]*([a-z]+)")
_BULLETS = str.maketrans(dict.fromkeys((61623, 61550, 61607, 61656, 61558, 61692, 61548, 61557), "•"))
_BAD = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
_GARBLED = 0.05  # share of a page's characters
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)")
_PASSWORD = 4  # FPDF_ERR_PASSWORD


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it needs a password, is broken, or has no text at all though it has pictures.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(source.data())
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise LoadError("this PDF needs a password.", hint="Save it without one.") from error
        raise LoadError(f"not readable as PDF: {error}.") from error
    with source.parsing("PDF"):
        try:
            pages, drawn = _pages(source, pdf)
            facts = pdf.get_metadata_dict(skip_empty=True)
        finally:
            pdf.close()
    empty = [number for number, text in enumerate(pages, 1) if not text]
    if empty:
        source.report.count("empty_pages", len(empty))
    if len(empty) == len(pages):
        if drawn:
            raise LoadError(f"no text on any of its {len(pages)} pages: they are pictures (scanned?).")
        return
    if drawn:
        reason = f"no text on {_listed(drawn)} of {len(pages)}, where something is drawn (scanned?)"
        source.lose(reason, kind="warning", pages=drawn)
    if blank := [number for number in empty if number not in drawn]:
        source.lose(f"{_listed(blank)} of {len(pages)} blank", kind="skipped", pages=blank)
    garbled = [number for number, text in enumerate(pages, 1) if _is_garbled(text)]
    if garbled:
        source.report.count("garbled_pages", len(garbled))
        source.lose(f"the text of {_listed(garbled)} is garbled: its fonts do not say what they show", pages=garbled)
    yield _document(source, [_BAD.sub(_keep, text) for text in pages], facts)


def _keep(found: re.Match[str]) -> str:
    return "" if found[0] < " " else found[0]


def _pages(source: Source, pdf: PdfDocument) -> tuple[list[str], list[int]]:
    """The text of each page, mended, and the pages without text that hold a picture or a drawing."""
    texts: list[str] = []
    drawn: list[int] = []
    for number in range(len(pdf)):
        try:
            page = pdf[number]
            layer = page.get_textpage()
            text = _mended(layer.get_text_range())
            if not text and next(iter(page.get_objects(max_depth=2)), None) is not None:
                drawn.append(number + 1)
            layer.close()
            page.close()
        except Exception as error:  # noqa: BLE001  one broken page does not lose the others
            text = ""
            source.lose(f"page {number + 1} cannot be read ({error})", page=number + 1)
        texts.append(text)
    return texts, drawn


def _mended(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_BULLETS)
    text = _SOFT.sub("", text)
    spaced = len(_SPACED.findall(text))
    if spaced and spaced >= 0.5 * (spaced + len(_PAIR.findall(text))):
        text = _SPACED.sub("", text)
    lines = [line.rstrip() for line in text.split("\n")]
    long = sorted(len(line) for line in lines if line)
    full = 0.85 * long[len(long) * 9 // 10] if long else 0
    out = ""
    for at, line in enumerate(lines):
        joint = "" if at == 0 else "\n"
        if at and len(lines[at - 1]) >= max(full, 10) and _LINE_JOIN.search(f"{lines[at - 1][-1:]}\n{line[:1]}"):
            joint = ""  # a full line of Chinese that goes on in the next
        out += joint + line
    return re.sub(r"\n{3,}", "\n\n", out).strip()


def _is_garbled(text: str) -> bool:
    bad = len(_BAD.findall(text))
    return bad >= 3 and bad >= _GARBLED * len(re.sub(r"\s", "", text))


def _listed(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:10])) + (", …" if len(pages) > 10 else "")
    return f"{'page' if len(pages) == 1 else 'pages'} {shown}"


def _document(source: Source, pages: list[str], facts: dict[str, Any]) -> Document:
    words = set(re.findall(r"[a-z]+(?:-[a-z]+)*", " ".join(pages).lower()))

    def joined(found: re.Match[str]) -> str:
        whole, hyphened = found[1] + found[2], f"{found[1]}-{found[2]}"
        if whole.lower() in words:  # the document itself says which of the two is a word
            return whole
        return hyphened

    text, spans = "", []
    for number, page in enumerate(pages, 1):
        if page:
            page = _HYPHEN.sub(joined, page)
            text += "\n\n" if text else ""
            spans.append({"start": len(text), "end": len(text) + len(page), "page": number})
            text += page
    made = _DATE.match(str(facts.get("CreationDate", "")))
    metadata = {"author": facts.get("Author"), "date": "-".join(made.groups()) if made else None}
    return source.document(text, format="pdf", title=_title(facts.get("Title")), spans=spans, metadata=metadata)


_FILE_NAME = re.compile(r"\.(?:docx?|dvi|exe|indd|pdf|pptx?|qxd|tex|tmp|txt|wpd|xlsx?)$", re.I)


def _title(title: Any) -> str | None:
    """The title, unless it is the name of the file it was printed from."""
    text = str(title or "").removeprefix("Microsoft Word - ").strip()
    return None if not text or text.lower() in ("untitled", "无标题") or _FILE_NAME.search(text) else text
