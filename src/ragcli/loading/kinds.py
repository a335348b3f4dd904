"""The table from suffix and first bytes to loader."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import PurePosixPath

from ragcli.loading.item import Item
from ragcli.loading.text import looks_binary
from ragcli.records import Document

LOADERS = {
    "text": "ragcli.loading.text:load_text",
    "markdown": "ragcli.loading.text:load_markdown",
    "html": "ragcli.loading.html:load_html",
    "pdf": "ragcli.loading.pdf:load_pdf",
    "docx": "ragcli.loading.docx:load_docx",
    "csv": "ragcli.loading.rows:load_csv",
    "json": "ragcli.loading.objects:load_json",
    "jsonl": "ragcli.loading.objects:load_jsonl",
}
SUFFIXES = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
HEAD = 8192  # bytes that decide the kind
_BINARY = ("pdf", "docx")


def loader(kind: str) -> Callable[[Item], Iterator[Document]]:
    """Import the loader of a kind."""
    module, _, name = LOADERS[kind].partition(":")
    function: Callable[[Item], Iterator[Document]] = getattr(import_module(module), name)
    return function


def kind_of(item: Item) -> str | None:
    """Return the kind of a file by its content, then by its suffix; None is a binary file not known."""
    with item.open() as stream:
        head = stream.read(HEAD)
        if head.startswith(b"PK\x03\x04"):
            try:
                with zipfile.ZipFile(stream) as archive:
                    return "docx" if "word/document.xml" in archive.namelist() else None
            except zipfile.BadZipFile:
                pass
    if b"%PDF-" in head[:1024]:
        return "pdf"
    named = SUFFIXES.get(PurePosixPath(item.source.split("?")[0]).suffix.lower())
    wide = (item.options.encoding or "").lower().replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32"))
    if head and not wide and looks_binary(head):
        return named if named in _BINARY else None
    if named in _BINARY or named is None:
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "html"
        return named if named in _BINARY and not head else "text"
    return named
