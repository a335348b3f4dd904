"""PDF: one document a file, a span a page.

The text layer is read where it says something; pages without one, and pages of garbage, are read as pictures where
OCR is there, and are named where it is not. Headers and footers that repeat are left out, bookmarks become
headings, tables become Markdown. Attached files are documents of their own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragcli.errors import LoadError, MissingExtraError, RagcliError
from ragcli.loading.pdf import extras, scans
from ragcli.loading.pdf.margins import Candidate, Margins
from ragcli.loading.pdf.page import Content, read_page
from ragcli.loading.pdf.words import Hyphens, is_garbage, mended, title
from ragcli.loading.source import Source
from ragcli.records import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_UNHEARD = logging.NullHandler()
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)")
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_SECURITY = 5  # FPDF_ERR_SECURITY
_GIVE_UP = 100  # broken pages in a row
_CURVES = 30  # paths of a page on which text may be drawn as curves


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document, then the files attached to it.

    Raises:
        LoadError: it needs a password, is broken, or has no text at all though it has pictures.
        MissingExtraError: OCR is asked for on every page, and is not installed.
    """
    if source.options.ocr == "always":
        from ragcli.loading import ocr

        if not ocr.available():
            raise MissingExtraError("OCR", "ocr")
    pdf = _opened(source)
    try:
        reader = _Reader(source, pdf)
        with source.parsing("PDF"):
            reader.read()
        try:
            document = reader.document()
        except LoadError:
            yield from extras.attachments(source, pdf, reader.files)
            raise
        if document is not None:
            yield document
        yield from extras.attachments(source, pdf, reader.files)
    finally:
        pdf.close()


def _opened(source: Source) -> PdfDocument:
    import pypdfium2

    from ragcli.loading.pdf.repair import repaired

    logging.getLogger("pypdfium2").addHandler(_UNHEARD)  # else it warns on stderr of what is dealt with here
    password = source.options.password
    data: bytes | None = source.data()
    attempts: list[str | None] = [None, password] if password else [None]
    code: int | None = None
    while data is not None and attempts:
        try:
            pdf = pypdfium2.PdfDocument(data, password=attempts[0])
            if len(pdf) == 0:
                pdf.close()
                raise LoadError("this PDF has no pages that can be read.")
            if pdf.get_formtype():
                pdf.init_forms()
        except pypdfium2.PdfiumError as error:
            code = getattr(error, "err_code", None)
            if code == _PASSWORD:
                attempts.pop(0)
            else:
                data = repaired(data) if data is source.data() else None
        else:
            if data is not source.data():
                source.lose(f"it is damaged or cut off: {len(pdf)} pages of it were found, more may be missing")
            return pdf
    if code == _PASSWORD and password:
        raise LoadError("this PDF needs another password than the one given.")
    if code == _PASSWORD:
        raise LoadError("this PDF needs a password.", hint="Pass --password.")
    if code == _SECURITY:
        raise LoadError("this PDF is encrypted in a way that cannot be read here.", hint="Save it without.")
    raise LoadError("not readable as PDF: it is broken or cut off, and no page of it was found.")


@dataclass(slots=True)
class _Page:
    number: int
    parts: list[tuple[str, Candidate | None]] = field(default_factory=list)  # text, and what may be a header
    confidence: float | None = None  # of OCR

    def text(self, repeated: set[Candidate]) -> tuple[str, int]:
        """The text, and how many headers and footers are left out of it."""
        kept = [text for text, candidate in self.parts if candidate not in repeated]
        if not "".join(kept).strip():  # nothing but headers: then they are its text
            kept = [text for text, _ in self.parts]
        return mended("".join(kept).strip("\n")), len(self.parts) - len(kept)


class _Reader:
    """Reads the pages of a PDF, and keeps account of them."""

    def __init__(self, source: Source, pdf: PdfDocument) -> None:
        self._source = source
        self._pdf = pdf
        self._count = len(pdf)
        self._pages: list[_Page] = []
        self._margins = Margins()
        self._hyphens = Hyphens()
        self._can_ocr = scans.can_read(source)
        self._scanned: list[int] = []  # pictures of text that were not read
        self._drawn: list[int] = []  # something is drawn, and no text
        self._blank: list[int] = []
        self._garbled: list[int] = []
        self._failed = 0
        self._outside = 0
        self._pictures: dict[int, int] = {}  # on pages whose text was read from their text layer
        self._bookmarks: dict[int, list[extras.Bookmark]] = {}
        self.files: list[tuple[str, bytes]] = []  # attached to pages

    def read(self) -> None:
        """Read all pages."""
        self._bookmarks = extras.bookmarks(self._source, self._pdf)
        broken = 0
        for number in range(1, self._count + 1):
            try:
                self._page(number)
                broken = 0
            except LoadError as error:
                broken += 1
                self._source.lose(f"page {number}: {error.message}", page=number)
            except Exception as error:  # noqa: BLE001  one broken page does not lose the others
                broken += 1
                self._source.lose(f"page {number} cannot be read ({' '.join(str(error).split())[:200]})", page=number)
            self._failed += broken > 0
            self._source.beat()
            if broken >= _GIVE_UP and number < self._count:
                rest = self._count - number
                self._source.lose(
                    f"the last {rest} pages were given up: {broken} before them could not be read", page=number + 1
                )
                self._failed += 1
                self._count = number + 1
                break

    def _page(self, number: int) -> None:
        import pypdfium2

        page = self._pdf[number - 1]
        try:
            content = read_page(self._pdf, page, self._bookmarks.get(number, []))
            self.files += content.files
            self._outside += content.left_out
            made = self._recognized(number, page, content)
            if made is None and content.text.strip():
                made = self._layer(number, content)
                if content.pictures:
                    self._pictures[number] = content.pictures
            if made is not None:
                self._pages.append(made)
                self._hyphens.learn("".join(text for text, _ in made.parts))
        finally:
            if isinstance(page, pypdfium2.PdfPage):
                page.close()

    def _layer(self, number: int, content: Content) -> _Page:
        """A page by its text layer."""
        made = _Page(number)
        candidates = {} if self._source.options.keep_headers else self._margins.candidates(
            number, content.lines, content.top, content.height
        )  # fmt: skip
        plain = ""
        for at, line in enumerate(content.lines):
            text = f"{line.before}{line.text}"
            if at in candidates:
                if plain:
                    made.parts.append((plain, None))
                    plain = ""
                made.parts.append((text, candidates[at]))
            else:
                plain += text
        if content.asides:
            plain += "\n\n" + "\n\n".join(content.asides)
        if plain:
            made.parts.append((plain, None))
        return made

    def _recognized(self, number: int, page: Any, content: Content) -> _Page | None:
        """A page by OCR, where its text layer says nothing; else None, with the page on the list it belongs to."""
        mode = self._source.options.ocr
        text = content.text
        blank = not text.strip()
        garbage = not blank and is_garbage(text, content.unmapped)
        if blank and not content.pictures and not content.paths:
            self._blank.append(number)
            return None
        worth = content.pictures or content.paths >= _CURVES
        scan = content.pictures > 0 and (blank or scans.is_stamp(text)) and content.covered >= scans.COVERED
        if self._can_ocr and (mode == "always" or (blank and worth) or garbage or scan):
            found = self._ocr(number, page)
            better = mode == "always" or blank or garbage or len(found.text) > 1.5 * len(text)
            if found.text and better:
                return _Page(number, [(found.text, None)], found.confidence)
            if blank:
                self._drawn.append(number)
        elif blank:
            (self._scanned if scan else self._drawn).append(number)
        elif scan and not garbage and mode != "never":
            reason = f"page {number} of {self._count} is a picture with little text on it; its text needs OCR"
            self._source.lose(reason, kind="warning", page=number)
        if garbage:
            self._garbled.append(number)
        return None

    def _ocr(self, number: int, page: Any) -> scans.Recognized:
        try:
            return scans.recognize(page)
        except Exception as error:  # noqa: BLE001  the page may have a text layer all the same
            said = error.message if isinstance(error, RagcliError) else " ".join(str(error).split())[:200]
            self._source.lose(f"page {number} cannot be read by OCR ({said})", page=number)
            return scans.Recognized("", 0.0)

    def document(self) -> Document | None:
        """Report what was lost, and return the document.

        Raises:
            LoadError: there is no text at all.
        """
        repeated = self._margins.repeated()
        done = {page.number for page in self._pages}
        self._account(done)
        if not self._pages:
            if extras.is_xfa(self._pdf):
                return self._xfa("")
            if self._scanned or self._drawn:
                hint = "OCR found none." if self._can_ocr else self._hint()
                raise LoadError(f"no text on any of its {self._count} pages: they are pictures (scanned?).", hint=hint)
            return None
        spans: list[dict[str, Any]] = []
        pieces: list[str] = []
        at = left_out = 0
        for page in self._pages:
            said, without = page.text(repeated)
            left_out += without
            said = self._hyphens.undo(said)
            if not said:
                continue
            if pieces:
                pieces.append("\n\n")
                at += 2
            span: dict[str, Any] = {"start": at, "end": at + len(said), "page": page.number}
            if page.confidence is not None:
                span["ocr"] = round(page.confidence, 4)
            spans.append(span)
            pieces.append(said)
            at += len(said)
        text = "".join(pieces)
        if left_out:
            self._source.report.count("headers_left_out", left_out)
        if self._count <= 2 and extras.is_placeholder(self._pdf, text):
            return self._xfa(text)
        return self._made(text, spans)

    def _made(self, text: str, spans: list[dict[str, Any]]) -> Document:
        facts = extras.facts(self._pdf)
        made = _DATE.match(facts["CreationDate"])
        metadata = {"author": facts["Author"], "date": "-".join(made.groups()) if made else None}
        return self._source.document(text, format="pdf", title=title(facts["Title"]), spans=spans, metadata=metadata)

    def _xfa(self, shown: str) -> Document | None:
        """An XFA form: its pages only ask for another reader."""
        text = extras.xfa_text(self._pdf)
        kind = "warning" if text else "partial"
        self._source.lose("an XFA form: its words and values are read, not its pages", kind=kind)
        text = text or shown
        return self._made(text, [{"start": 0, "end": len(text), "page": 1}]) if text else None

    def _hint(self) -> str:
        if self._source.options.ocr == "never":
            return "Leave --ocr never out to read them."
        return "OCR reads them: pip install 'ragcli[ocr]'."

    def _account(self, done: set[int]) -> None:
        source, count = self._source, self._count
        source.count_pages(loaded=len(done), failed=self._failed + len(self._scanned))
        skipped = count - len(done) - self._failed - len(self._scanned)
        source.count_pages(skipped=max(skipped, 0))
        for name, number in (
            ("empty_pages", len(self._blank) + len(self._drawn) + len(self._scanned)),
            ("garbled_pages", len(self._garbled)),
            ("pages_ocr", sum(page.confidence is not None for page in self._pages)),
        ):
            if number:
                source.report.count(name, number)
        if not done:
            return
        if self._scanned:
            reason = f"no text on {_listed(self._scanned)} of {count}: scanned. {self._hint()}"
            source.lose(reason, pages=self._scanned)
        if self._drawn:
            reason = f"no text on {_listed(self._drawn)} of {count}, where something is drawn (scanned?)"
            source.lose(reason, kind="warning", pages=self._drawn)
        if self._blank:
            source.lose(f"{_listed(self._blank)} of {count} blank", kind="skipped", pages=self._blank)
        if self._garbled:
            reason = f"the text of {_listed(self._garbled)} is garbled: its fonts do not say what they show"
            source.lose(reason, pages=self._garbled)
        if self._pictures:
            pictures, pages = sum(self._pictures.values()), list(self._pictures)
            source.count_images(skipped=pictures)
            reason = f"{pictures} {'picture' if pictures == 1 else 'pictures'} on {_listed(pages)} not read"
            source.lose(reason, kind="skipped", images=pictures, pages=pages)
        if self._outside:
            source.lose(f"{self._outside} characters outside the pages left out", kind="skipped")


def _listed(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:10])) + (", …" if len(pages) > 10 else "")
    return f"{'page' if len(pages) == 1 else 'pages'} {shown}"
