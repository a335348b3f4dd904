"""The seam: which loader reads a file, by its content and by its suffix.

A new format is a new file with one function ``read(source) -> Iterator[Document]``, and one row here. Loaders
are named, not imported: a text file never imports a PDF library.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from ragcli.errors import LoadError
from ragcli.loading.encodings import looks_like_text
from ragcli.loading.source import Source
from ragcli.records import Document


class NoLoaderError(LoadError):
    """A document whose format has no loader."""


Loader = Callable[[Source], Iterator[Document]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row: how a format is known, and who reads it.

    Args:
        name: the format that its documents name.
        loader: ``module:function``, imported on first use.
        suffixes: of file names, in small letters.
        media_types: that a server may send.
        magic: bytes that the file begins with.
        member: for ZIP files, the beginning of a member's name that only this format has.
    """

    name: str
    loader: str
    suffixes: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    member: str | None = None


_HERE = "ragcli.loading"

FORMATS = (
    Format(name="pdf", loader=f"{_HERE}.pdf:read", suffixes=(".pdf",), media_types=("application/pdf",),
           magic=(b"%PDF-",)),
    Format(name="docx", loader=f"{_HERE}.docx:read", suffixes=(".docx", ".docm", ".dotx"), member="word/",
           media_types=("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)),
    Format(name="pptx", loader=f"{_HERE}.pptx:read", suffixes=(".pptx", ".pptm", ".ppsx", ".potx"), member="ppt/",
           media_types=("application/vnd.openxmlformats-officedocument.presentationml.presentation",)),
    Format(name="epub", loader=f"{_HERE}.epub:read", suffixes=(".epub",), member="META-INF/container.xml",
           media_types=("application/epub+zip",)),
    Format(name="html", loader=f"{_HERE}.html:read", suffixes=(".html", ".htm", ".xhtml"),
           media_types=("text/html", "application/xhtml+xml")),
    Format(name="markdown", loader=f"{_HERE}.markdown:read", suffixes=(".md", ".markdown", ".mdown", ".mkd"),
           media_types=("text/markdown",)),
    Format(name="csv", loader=f"{_HERE}.tables:read", suffixes=(".csv", ".tsv", ".tab"),
           media_types=("text/csv", "text/tab-separated-values")),
    Format(name="jsonl", loader=f"{_HERE}.jsonlines:read", suffixes=(".jsonl", ".ndjson", ".jsonlines"),
           media_types=("application/jsonl", "application/x-ndjson", "application/jsonlines")),
    Format(name="json", loader=f"{_HERE}.jsonfile:read", suffixes=(".json",), media_types=("application/json",)),
    Format(name="eml", loader=f"{_HERE}.eml:read", suffixes=(".eml",), media_types=("message/rfc822",)),
    Format(name="ipynb", loader=f"{_HERE}.notebook:read", suffixes=(".ipynb",),
           media_types=("application/x-ipynb+json",)),
    Format(name="subtitles", loader=f"{_HERE}.subtitles:read", suffixes=(".srt", ".vtt"),
           media_types=("text/vtt", "application/x-subrip")),
    Format(name="text", loader=f"{_HERE}.text:read", suffixes=(".txt", ".text", ".log"), media_types=("text/plain",)),
)  # fmt: skip

_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}
_BY_MEDIA_TYPE = {media_type: row for row in FORMATS for media_type in row.media_types}
_BY_NAME = {row.name: row for row in FORMATS}

# What begins like this is no text, even where its first bytes are.
_FOREIGN = {
    b"{\\rtf": "RTF",
    b"%!PS": "PostScript",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office file, or an Office file with a password",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
    b"PAR1": "Parquet",
}
# What offices write, by suffix and by a member of the ZIP file: without a loader it is a failure, not left out.
_OFFICE = {
    ".ppt": "an old PowerPoint file", ".xlsx": "Excel", ".xlsm": "Excel",
    ".xls": "Excel", ".doc": "an old Word file", ".rtf": "RTF", ".odt": "OpenDocument", ".ods": "OpenDocument",
    ".odp": "OpenDocument", ".msg": "e-mail", ".mbox": "e-mail",
}  # fmt: skip
_MEMBERS = {
    "xl/": "Excel", "META-INF/manifest.xml": "OpenDocument",
}  # fmt: skip
_DOCUMENTS = {"RTF", "PostScript", "an old Office file, or an Office file with a password"}
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S)
_PDF_OBJECT = re.compile(rb"\d+ \d+ obj\b|%[\x80-\xff]{2}")
_PDF_WINDOW = 1024


def identify(source: Source) -> Format:
    """Choose the format: by content where that is plain, then by media type, then by suffix.

    Raises:
        LoadError: no row fits; the message says what the file looks like.
    """
    head = source.head
    by_suffix = _BY_SUFFIX.get(source.suffix)
    for row in FORMATS:
        if any(head.startswith(magic) for magic in row.magic):
            return row
    at = head.find(b"%PDF-", 0, _PDF_WINDOW)
    pdf = _BY_NAME["pdf"]
    if at > 0 and (by_suffix is pdf or _PDF_OBJECT.search(head, at, at + _PDF_WINDOW)):
        return pdf
    if head.startswith(b"PK\x03\x04"):
        return _inside_zip(source, by_suffix)
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            error = NoLoaderError if what in _DOCUMENTS else LoadError
            raise error(f"no loader for its content: it is {what}.")
    if by_suffix is None and source.suffix in _OFFICE:
        raise NoLoaderError(f"no loader for its type ({source.suffix}): it is {_OFFICE[source.suffix]}.")
    declared = _BY_MEDIA_TYPE.get(source.media_type or "") or by_suffix
    if (declared is None or declared.name == "text") and _HTML.match(head, 3 if head[:3] == b"\xef\xbb\xbf" else 0):
        return _BY_NAME["html"]
    if by_suffix and declared is _BY_NAME["text"] and by_suffix.magic == () and by_suffix.member is None:
        return by_suffix  # servers call CSV and Markdown text/plain
    if declared is not None:
        return declared
    wide = (
        (source.options.encoding or "").lower().startswith(("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32"))
    )
    if not head or wide or looks_like_text(head):
        return _BY_NAME["text"]
    raise LoadError(f"no loader for its type{f' ({source.suffix})' if source.suffix else ''}: it is binary.")


def _inside_zip(source: Source, by_suffix: Format | None) -> Format:
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(source.data()) if source.path is None else source.path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if by_suffix is not None and by_suffix.member is not None:
            raise LoadError(f"not readable as {by_suffix.name.upper()}: the ZIP file is broken ({error}).") from error
        raise LoadError(f"no loader for its content: a broken ZIP file ({error}).") from error
    for row in FORMATS:
        if row.member is not None and any(name.startswith(row.member) for name in names):
            return row
    for member, what in _MEMBERS.items():
        if any(name.startswith(member) for name in names):
            raise NoLoaderError(f"no loader for its content: it is {what}.")
    raise LoadError("no loader for its content: a ZIP file.")


def loader(row: Format) -> Loader:
    """Import the loader of a row."""
    module, _, function = row.loader.partition(":")
    found: Loader = getattr(import_module(module), function)
    return found
