"""EPUB: the chapters in the order they are read, a span each, as the Markdown that `ragcli.loading.html` writes.

Read with zipfile and lxml: the library for it, ebooklib, is under the AGPL.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ragcli.errors import LoadError
from ragcli.loading.encodings import decode
from ragcli.loading.html import declared_encoding, markdown
from ragcli.loading.source import Source
from ragcli.loading.zipped import opened
from ragcli.records import Document

_PICTURE = re.compile(rb"<(?:img|image)\b", re.I)
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read(source: Source) -> Iterator[Document]:
    """Yield the book as one document.

    Raises:
        LoadError: it is broken, encrypted, or unpacks to more than 512 MiB.
    """
    with source.parsing("EPUB"):
        archive = opened(source.data(), source.lose)
        if "META-INF/rights.xml" in archive.namelist():
            raise LoadError("this book is locked by its publisher (DRM).", hint="Ask for a copy without it.")
        place = _place(archive)
        package = _parse(archive.read(place))
        if package is None:
            raise LoadError(f"not readable as EPUB: {place}, which names the chapters, is broken.")
        chapters = list(_chapters(source, archive, posixpath.dirname(place), package))
    text, spans = "", []
    for name, chapter in chapters:
        text += "\n\n" if text else ""
        span: dict[str, Any] = {"start": len(text), "end": len(text) + len(chapter)}
        spans.append({**span, "chapter": name} if name else span)
        text += chapter
    if text.strip():
        facts = {key: _said(package, key) for key in ("creator", "language", "date", "publisher")}
        metadata = {"author": facts.pop("creator"), **facts}
        yield source.document(text, format="epub", title=_said(package, "title"), spans=spans, metadata=metadata)


def _place(archive: zipfile.ZipFile) -> str:
    """The name of the part that says what the book is made of."""
    names = archive.namelist()
    if _CONTAINER in names and (root := _parse(archive.read(_CONTAINER))) is not None:
        place = next((one.get("full-path") for one in root.iter("{*}rootfile")), None)
        if place in names:
            return str(place)
    place = next((name for name in names if name.endswith(".opf")), None)
    if place is None:
        raise LoadError(f"not readable as EPUB: {_CONTAINER} names no book.")
    return place


def _locked(archive: zipfile.ZipFile) -> set[str]:
    """The names of the parts that are encrypted."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    root = _parse(archive.read(_ENCRYPTION))
    references = root.iter("{*}CipherReference") if root is not None else ()
    return {posixpath.normpath(unquote(one.get("URI") or "")).lstrip("/") for one in references}


def _parse(data: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))


def _said(package: Any, name: str) -> str | None:
    return next((text for one in package.iter("{*}" + name) if (text := " ".join((one.text or "").split()))), None)


def _chapters(source: Source, archive: zipfile.ZipFile, folder: str, package: Any) -> Iterator[tuple[str, str]]:
    """Yield name and text of each page that the spine names, in its order; tables of contents are left out."""
    items = {one.get("id"): one for one in package.iter("{*}item")}
    names = {name.lower(): name for name in archive.namelist()}
    locked = _locked(archive)
    read = failed = pictures = 0
    order = [items.get(reference.get("idref")) for reference in package.iter("{*}itemref")]
    if not any(item is not None for item in order):
        source.lose("the book names no order of its chapters: they stand as it lists them", kind="warning")
        order = list(items.values())
    for item in order:
        if item is None or item.get("media-type") not in _PAGES or "nav" in (item.get("properties") or "").split():
            continue
        path = posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))
        if path.lower() not in names:
            source.lose(f"the book names {path} and does not hold it", part=path)
            continue
        path = names[path.lower()]
        if path in locked:
            failed += 1
            source.lose(f"{path} is locked by its publisher (DRM)", part=path)
            continue
        try:
            data = archive.read(path)
            found = decode(data, declared=declared_encoding(data))
            source.lose_text(found)
            text, title, _ = markdown(found.text, whole=True) if found.text.strip() else ("", None, None)
            source.beat()
        except Exception as error:  # noqa: BLE001  one broken chapter does not lose the others
            source.lose(f"{path} cannot be read ({type(error).__name__}: {error})", part=path)
            continue
        pictures += len(_PICTURE.findall(data))
        if text.strip():
            read += 1
            heading = next((line.lstrip("# ") for line in text.split("\n") if line.startswith("#")), None)
            yield heading or title or "", text
        elif _PICTURE.search(data):
            source.lose(f"no text in {path}, where there are pictures", kind="warning", part=path)
    if failed and not read:
        raise LoadError("this book is locked by its publisher (DRM).", hint="Ask for a copy without it.")
    if pictures:
        source.count_images(skipped=pictures)
        source.lose(
            f"{pictures} {'picture' if pictures == 1 else 'pictures'} not read", kind="skipped", images=pictures
        )
