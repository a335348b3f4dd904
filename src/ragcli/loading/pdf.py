"""PDF: the text layer, a span for each page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.item import Item
from ragcli.loading.text import normal
from ragcli.records import Document

_CJK = "[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]"
_GAP = re.compile(f"(?<={_CJK})[ \t]+(?={_CJK})")
_SPACED = 0.4  # the share of characters with a gap after them from which gaps are an artefact of the font


def mend(text: str) -> str:
    """Return a page's text without hyphen marks at line ends and without gaps between Chinese glyphs."""
    text = re.sub("[\ufffe\x02]\n?", "", normal(text)).replace("\0", "")
    if len(_GAP.findall(text)) > _SPACED * max(1, len(re.findall(_CJK, text))):
        text = _GAP.sub("", text)
    return text.strip()


def load_pdf(item: Item) -> Iterator[Document]:
    """Yield the file as one document."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(item.read())
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise LoadError(f"{item.source}: the PDF needs a password.", hint="Decrypt it first.") from error
        raise LoadError(f"{item.source}: not a readable PDF ({error}).") from error
    spans: list[dict[str, Any]] = []
    parts: list[str] = []
    at = 0
    try:
        title = pdf.get_metadata_dict().get("Title") or None
        for index in range(len(pdf)):
            page = pdf[index]
            layer = page.get_textpage()
            text = mend(layer.get_text_bounded())
            layer.close()
            page.close()
            item.report.count("pages")
            if not text:
                item.report.count("empty_pages")
                item.report.lose("empty_page", item.source, "the page has no text layer", page=index + 1)
            spans.append({"start": at, "end": at + len(text), "page": index + 1})
            parts.append(text)
            at += len(text) + 2
    finally:
        pdf.close()
    yield item.document("\n\n".join(parts), "pdf", title=title, spans=spans)
