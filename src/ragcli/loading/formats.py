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
from ragcli.loading.languages import BY_NAME as NAMED
from ragcli.loading.languages import BY_SUFFIX as LANGUAGES
from ragcli.loading.source import Source
from ragcli.records import Document


class NoLoaderError(LoadError):
    """A document whose format has no loader."""


class NotADocumentError(LoadError):
    """A file that is no document: a program, a database. In a folder it is left out."""


Loader = Callable[[Source], Iterator[Document]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row: how a format is known, and who reads it.

    Args:
        name: the format that its documents name.
        loader: ``module:function`` in this package, imported on first use.
        suffixes: of file names, in small letters.
        media_types: that a server may send.
        magic: bytes that the file begins with.
        member: for ZIP files, the beginning of a member's name that only this format has.
        streams: for the container of old Office files, a stream in it that only this format has.
        light: text that ragcli's own code reads; it needs no process of its own.
        binary: what is named like this and is text, is something else.
    """

    name: str
    loader: str
    suffixes: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    member: str | None = None
    streams: tuple[str, ...] = ()
    light: bool = False
    binary: bool = False


_OFFICE = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"

FORMATS = (
    Format(name="pdf", loader="pdf.document:read", suffixes=(".pdf",), media_types=("application/pdf",),
           magic=(b"%PDF-",), binary=True),
    Format(name="docx", loader="office.docx:read", suffixes=(".docx", ".docm", ".dotx", ".dotm"), member="word/",
           media_types=(f"{_OFFICE}.wordprocessingml.document",), binary=True),
    Format(name="pptx", loader="office.pptx:read", suffixes=(".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"),
           member="ppt/", media_types=(f"{_OFFICE}.presentationml.presentation",), binary=True),
    Format(name="xlsx", loader="sheets.xlsx:read", suffixes=(".xlsx", ".xlsm", ".xltx", ".xltm"), member="xl/",
           media_types=(f"{_OFFICE}.spreadsheetml.sheet",), binary=True),
    Format(name="epub", loader="epub:read", suffixes=(".epub",), member="META-INF/container.xml",
           media_types=("application/epub+zip",), binary=True),
    Format(name="odf", loader="opendocument.document:read", member="META-INF/manifest.xml", binary=True,
           suffixes=(".odt", ".ods", ".odp", ".odg", ".ott", ".ots", ".otp", ".otg"),
           media_types=tuple(f"{_ODF}.{kind}" for kind in ("text", "spreadsheet", "presentation", "graphics"))),
    Format(name="doc", loader="office.legacy:read", suffixes=(".doc", ".dot", ".wps"), streams=("WordDocument",),
           media_types=("application/msword",), binary=True),
    Format(name="ppt", loader="office.legacy:read", suffixes=(".ppt", ".pps", ".pot", ".dps"),
           streams=("PowerPoint Document",), media_types=("application/vnd.ms-powerpoint",), binary=True),
    Format(name="xls", loader="sheets.xls:read", suffixes=(".xls", ".xlt", ".et"), streams=("Workbook", "Book"),
           media_types=("application/vnd.ms-excel",), binary=True,
           magic=(b"\x09\x08\x10\x00\x00\x06\x05\x00", b"\x09\x08\x08\x00\x00\x05\x05\x00", b"\x09\x04\x06\x00",
                  b"\x09\x02\x06\x00", b"\x09\x00\x04\x00")),
    Format(name="msg", loader="mail.msg:read", suffixes=(".msg",), streams=("__properties_version1.0",),
           media_types=("application/vnd.ms-outlook",), binary=True),
    Format(name="encrypted", loader="office.encrypted:read", streams=("EncryptedPackage",), binary=True),
    Format(name="rtf", loader="rtf.document:read", suffixes=(".rtf",), media_types=("application/rtf", "text/rtf"),
           magic=(b"{\\rtf",), binary=True),
    Format(name="image", loader="ocr.image:read", binary=True,
           suffixes=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2"),
           media_types=("image/png", "image/jpeg", "image/tiff", "image/bmp", "image/webp", "image/gif", "image/jp2"),
           magic=(b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"GIF87a", b"GIF89a",
                  b"\0\0\0\x0cjP  ")),
    Format(name="zip", loader="archive:read", suffixes=(".zip",), media_types=("application/zip",),
           binary=True),
    Format(name="tar", loader="archive:read", binary=True,
           suffixes=(".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz"),
           media_types=("application/x-tar", "application/gzip"), magic=(b"\x1f\x8b", b"BZh", b"\xfd7zXZ")),
    Format(name="html", loader="html:read", suffixes=(".html", ".htm", ".xhtml"),
           media_types=("text/html", "application/xhtml+xml")),
    Format(name="markdown", loader="markdown:read", media_types=("text/markdown",), light=True,
           suffixes=(".md", ".markdown", ".mdown", ".mkd", ".qmd", ".rmd")),
    Format(name="rst", loader="rst.document:read", suffixes=(".rst", ".rest"), media_types=("text/x-rst",)),
    Format(name="asciidoc", loader="asciidoc.document:read", suffixes=(".adoc", ".asciidoc", ".asc"),
           media_types=("text/asciidoc",)),
    Format(name="latex", loader="latex.document:read", suffixes=(".tex", ".latex", ".ltx"),
           media_types=("application/x-tex", "text/x-tex")),
    Format(name="xml", loader="xml.document:read",
           suffixes=(".xml", ".xsd", ".xsl", ".xslt", ".rss", ".atom", ".dita", ".docbook", ".opml", ".svg", ".fodt",
                     ".fods", ".fodp", ".plist", ".wsdl"),
           media_types=("application/xml", "text/xml", "application/rss+xml", "application/atom+xml")),
    Format(name="csv", loader="tables:read", suffixes=(".csv", ".tsv", ".tab"),
           media_types=("text/csv", "text/tab-separated-values"), light=True),
    Format(name="jsonl", loader="jsonlines:read", suffixes=(".jsonl", ".ndjson", ".jsonlines"),
           media_types=("application/jsonl", "application/x-ndjson", "application/jsonlines"), light=True),
    Format(name="json", loader="jsonfile:read", suffixes=(".json",), media_types=("application/json",),
           light=True),
    Format(name="eml", loader="mail.eml:read", suffixes=(".eml", ".mht", ".mhtml"),
           media_types=("message/rfc822", "multipart/related")),
    Format(name="mbox", loader="mail.mbox:read", suffixes=(".mbox", ".mbx"), media_types=("application/mbox",)),
    Format(name="ipynb", loader="notebook:read", suffixes=(".ipynb",),
           media_types=("application/x-ipynb+json",), light=True),
    Format(name="subtitles", loader="subtitles:read", suffixes=(".srt", ".vtt"),
           media_types=("text/vtt", "application/x-subrip"), light=True),
    Format(name="code", loader="code:read", suffixes=tuple(LANGUAGES), light=True),
    Format(name="text", loader="text:read", suffixes=(".txt", ".text", ".log"), media_types=("text/plain",),
           light=True),
)  # fmt: skip

_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}
_BY_MEDIA_TYPE = {media_type: row for row in FORMATS for media_type in row.media_types}
BY_NAME = {row.name: row for row in FORMATS}
_TEXT = BY_NAME["text"]

# What begins like this is no text, even where its first bytes are.
_FOREIGN = {
    b"%!PS": "PostScript",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
    b"PAR1": "Parquet",
}
# What holds documents: without a loader it is a failure, not left out.
_HOLDS_DOCUMENTS = {"PostScript", "a 7z archive", "a RAR archive"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NO_LOADER = {
    ".xlsb": "a binary Excel file", ".pages": "an Apple document", ".numbers": "an Apple spreadsheet",
    ".key": "an Apple presentation", ".mobi": "a Kindle book", ".azw3": "a Kindle book", ".djvu": "DjVu",
    ".one": "OneNote", ".vsdx": "Visio", ".ofd": "OFD", ".caj": "CAJ", ".wpd": "WordPerfect", ".hwp": "Hangul",
}  # fmt: skip
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:[^-]|-(?!->))*-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S
)
_PAGE = re.compile(rb"\s*<!doctype\s+html", re.I)
_PLAIN = ("markdown", "rst", "asciidoc", "latex", "csv", "json", "jsonl", "eml", "subtitles")
_XML = re.compile(rb"\s*<\?xml\s")
_MAIL = re.compile(rb"(?:[A-Za-z][\w-]*:[ \t].*\n(?:[ \t].*\n)*){3,}")
_MAIL_NAMES = re.compile(
    rb"^(?:From|To|Date|Subject|Received|Return-Path|Message-ID|MIME-Version|Delivered-To|Content-Type):", re.I | re.M
)
_PDF_OBJECT = re.compile(rb"\d+ \d+ obj\b|%[\x80-\xff]{2}")
_PDF_WINDOW = 1024
_LOCAL = rb"PK\x03\x04.{26}"  # what stands before the name of a member of a ZIP file
_SEARCHED = 64 << 20  # bytes of a broken ZIP file, of any size, that are looked through for it
_BOM = b"\xef\xbb\xbf"


def identify(source: Source) -> Format:
    """Choose the format: by content where that is plain, then by media type, then by suffix.

    Raises:
        LoadError: no row fits; the message says what the file looks like.
    """
    head = source.head
    by_suffix = _BY_SUFFIX.get(source.suffix)
    for row in FORMATS:
        if row.magic and head.startswith(row.magic):
            return row
    at = head.find(b"%PDF-", 0, _PDF_WINDOW)
    pdf = BY_NAME["pdf"]
    if at > 0 and (by_suffix is pdf or _PDF_OBJECT.search(head, at, at + _PDF_WINDOW)):
        return pdf
    if head.startswith(b"PK\x03\x04"):
        return _inside_zip(source, by_suffix)
    if head.startswith(_OLE):
        return _inside_ole(source, by_suffix)
    if (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[:2] == b"BM" and by_suffix is BY_NAME["image"]):
        return BY_NAME["image"]
    if head[257:262] == b"ustar":
        return BY_NAME["tar"]
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            error = NoLoaderError if what in _HOLDS_DOCUMENTS else NotADocumentError
            raise error(f"no loader for its content: it is {what}.")
    if by_suffix is None and source.suffix in _NO_LOADER:
        raise NoLoaderError(f"no loader for its type ({source.suffix}): it is {_NO_LOADER[source.suffix]}.")
    declared = _BY_MEDIA_TYPE.get(source.media_type or "") or by_suffix or _by_name(source)
    if declared is not None and declared.name in _PLAIN and _PAGE.match(head, len(_BOM) * head.startswith(_BOM)):
        return BY_NAME["html"]
    if declared is None or declared is _TEXT or declared.binary or declared.name == "xml":
        found = _by_text(source, head, declared)
        if found is not None:
            return found
    if by_suffix and declared is _TEXT and not by_suffix.binary:
        return by_suffix  # servers call CSV and Markdown text/plain
    if declared is not None:
        return declared
    wide = (
        (source.options.encoding or "").lower().startswith(("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32"))
    )
    if not head or wide or looks_like_text(head):
        return _TEXT
    raise NotADocumentError(f"no loader for its type{f' ({source.suffix})' if source.suffix else ''}: it is binary.")


def _by_name(source: Source) -> Format | None:
    """Return the format of code whose name says what it is, or whose first line names its interpreter."""
    name = (source.called or source.name).rpartition("/")[2].lower()
    return BY_NAME["code"] if name in NAMED or source.head.startswith(b"#!") else None


def _by_text(source: Source, head: bytes, declared: Format | None) -> Format | None:
    """Return what a text is that its name does not say, or says wrongly; None where the name may be right."""
    start = len(_BOM) if head.startswith(_BOM) else 0
    if _HTML.match(head, start):
        return BY_NAME["html"]
    if declared is not None and declared.name == "xml":
        return None
    if _XML.match(head, start):
        return BY_NAME["xml"]
    posted = head.startswith(b"From ")
    letter = _MAIL.match(head, head.find(b"\n") + 1 if posted else start)
    if letter and len(_MAIL_NAMES.findall(letter[0])) >= (2 if posted else 3):
        return BY_NAME["mbox" if posted else "eml"]
    if declared is not None and declared.binary and head.strip() and looks_like_text(head):
        sheet = declared.name in ("xls", "xlsx")  # programs that write tables of text and call them Excel
        return BY_NAME["csv"] if sheet else _TEXT
    return None


def _inside_zip(source: Source, by_suffix: Format | None) -> Format:
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(source.data()) if source.path is None else source.path) as archive:
            names = [name.replace("\\", "/").lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if by_suffix is not None and by_suffix.member is not None:
            return by_suffix
        with source.open() as stream:
            start = stream.read(_SEARCHED)
        for row in FORMATS:  # a file that is cut off: by what its members are called
            if row.member is not None and re.search(_LOCAL + re.escape(row.member.encode()), start, re.S):
                return row
        if by_suffix is not None and by_suffix.binary:
            return BY_NAME["zip"]
        raise NoLoaderError(f"no loader for its content: a broken ZIP file ({error}).") from error
    for row in FORMATS:
        if row.member is not None and any(name.startswith(row.member.lower()) for name in names):
            held = {"content.xml", "encrypted-package"}.intersection(names)
            return row if row.name != "odf" or held else BY_NAME["zip"]
    if by_suffix is BY_NAME["odf"] and "content.xml" in names:  # its manifest is missing
        return by_suffix
    if source.suffix in _NO_LOADER:
        raise NoLoaderError(f"no loader for its type ({source.suffix}): it is {_NO_LOADER[source.suffix]}.")
    return BY_NAME["zip"]


def _inside_ole(source: Source, by_suffix: Format | None) -> Format:
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(source.data()) if source.path is None else str(source.path)) as container:
            streams = {entry[0] for entry in container.listdir()}
    except Exception as error:
        if by_suffix is not None and by_suffix.streams:
            return by_suffix
        raise NoLoaderError(f"no loader for its content: a broken old Office file ({error}).") from error
    for row in FORMATS:
        if streams.intersection(row.streams):
            return row
    if by_suffix is not None and by_suffix.streams:
        return by_suffix
    raise NoLoaderError("no loader for its content: an old Office file of another kind.")


def loader(row: Format) -> Loader:
    """Import the loader of a row."""
    module, _, function = row.loader.partition(":")
    found: Loader = getattr(import_module(f"ragcli.loading.{module}"), function)
    return found
