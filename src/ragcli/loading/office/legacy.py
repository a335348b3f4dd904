"""DOC and PPT, of Word, PowerPoint and WPS: read by ragcli itself; what it cannot read, by LibreOffice as DOCX or PPTX.

ragcli's own reading takes a millisecond and needs nothing; LibreOffice takes a second a file. It is asked where a file
is older than Office 97 or broken, and for pictures that are to be read and files embedded in a way of their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.ocr.pictures import wanted
from ragcli.loading.office.compound import OlderError, compound, intact, summary
from ragcli.loading.office.encrypted import wrong_password
from ragcli.loading.office.objects import embedded, held
from ragcli.loading.parts import instead, part
from ragcli.loading.source import Source
from ragcli.records import Document

_NAMES = {"doc": "Word", "ppt": "PowerPoint"}
_TO = {"doc": "docx", "ppt": "pptx"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLDER = (b"\xdb\xa5", b"\x9b\xa5", b"\xdc\xa5", b"\x31\xbe", b"\x32\xbe", b"\xfe\x37")  # Word 1 to 6, Write
_PICTURES = range(0xF01A, 0xF02B)  # records of a presentation's pictures


class _Own(NamedTuple):
    """What ragcli's own reading found: the document, what it lost, and what only LibreOffice reads."""

    text: str
    spans: list[dict[str, Any]]
    lost: list[str]
    pictures: int
    parts: list[tuple[str, bytes]]
    unread: int  # embedded objects that hold no file by themselves
    pages: tuple[int, int, int] = (0, 0, 0)  # slides read, failed, blank


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document, then the documents of the files embedded in it.

    Raises:
        LoadError: it is broken, needs a password, or needs LibreOffice, which is not installed.
    """
    from ragcli.loading.office.soffice import convert, find

    data = source.data()
    if not data.startswith((_OLE, *_OLDER)):  # LibreOffice would take it for text
        raise LoadError("not readable as an old Office file: it is none by its content.")
    kind, facts = _looked_at(data, source.suffix)
    with source.parsing(kind.upper()), intact(kind.upper()):
        data = _decrypted(source, data, kind)
    own: _Own | None = None
    failed: LoadError | None = None
    try:
        with source.parsing(kind.upper()):
            own = _word(data) if kind == "doc" else _presentation(source, data)
    except LoadError as error:
        failed = error
    if own is None or own.lost or own.unread or _pictures_wanted(source, own):
        program = find()
        converted: bytes | None = None
        if program is not None:
            source.beat()
            try:
                converted = convert(program, data, suffix=source.suffix or f".{kind}", to=_TO[kind])
            except LoadError as error:
                if own is None:
                    raise error if isinstance(failed, OlderError) or failed is None else failed from error
                own.lost.append(f"what LibreOffice reads ({error.message})")
        elif own is None:
            if failed is not None and not isinstance(failed, OlderError) and data.startswith(_OLE):
                raise failed
            reason = f": {failed.message}" if isinstance(failed, OlderError) else ""
            raise LoadError(
                f"this is an old {_NAMES[kind]} file (.{kind}); reading it needs LibreOffice{reason}.",
                hint=f"Install LibreOffice (soffice), or save it as .{_TO[kind]}.",
            )
        if converted is not None:
            for document in instead(source, converted, suffix=f".{_TO[kind]}"):
                whole = document.source == source.name
                yield replace(document, format=kind) if whole else document
            return
    assert own is not None
    yield from _documents(source, kind, own, facts)


def _documents(source: Source, kind: str, own: _Own, facts: dict[str, str]) -> Iterator[Document]:
    hint = "Install LibreOffice (soffice) to read it."
    if own.lost:
        source.lose(f"not read: {', '.join(own.lost)}. {hint}")
    source.count_pages(loaded=own.pages[0], failed=own.pages[1], skipped=own.pages[2])
    if own.unread:
        source.lose(f"{own.unread} embedded objects not read. {hint}", kind="skipped")
    if own.pictures:
        pictures = "picture" if own.pictures == 1 else "pictures"
        source.count_images(skipped=own.pictures)
        source.lose(f"{own.pictures} {pictures} or drawings not read", kind="skipped", images=own.pictures)
    if own.text.strip():
        title = facts.pop("title", None)
        if not title and own.text.startswith("# "):
            title = own.text.partition("\n")[0].removeprefix("# ")
        yield source.document(own.text, format=kind, title=title, spans=own.spans, metadata=facts)
    elif own.pictures:
        source.lose("no text in it, where there are pictures", kind="warning")
    for name, content in own.parts:
        yield from part(source, f"embeddings/{name}", content, kind="skipped")


def _pictures_wanted(source: Source, own: _Own) -> bool:
    return bool(own.pictures) and wanted(source, blank=not own.text.strip())


def _word(data: bytes) -> _Own:
    from ragcli.loading.office.doc import word_text

    found = word_text(data)
    parts = []
    with compound(data, "DOC") as container:
        for number, name in enumerate(found.objects, 1):
            one = held(container, ["ObjectPool", name], f"object{number}")
            if one is not None:
                parts.append(one)
    drawn = max(0, found.drawn - len(found.objects))  # an object is drawn, too
    return _Own(found.text, [], found.lost, drawn, parts, len(found.objects) - len(parts))


def _presentation(source: Source, data: bytes) -> _Own:
    from ragcli.loading.office.ppt import slides

    shown, pictures = slides(data), _count_pictures(data)
    text, spans, lost, failed = "", [], [], 0
    for number in range(len(shown)):
        try:
            words = shown.markdown(number)
        except Exception as error:  # noqa: BLE001  one broken slide does not lose the others
            lost.append(f"slide {number + 1} ({error})")
            failed += 1
            continue
        if words:
            text += "\n\n" if text else ""
            spans.append({"start": len(text), "end": len(text) + len(words), "slide": number + 1})
            text += words
        source.beat()
    parts = []
    for number, content in enumerate(shown.objects(), 1):
        one = embedded(source, f"object{number}.bin", content)
        if one is not None:
            parts.append(one)
    return _Own(text, spans, lost, pictures, parts, 0, (len(spans), failed, len(shown) - len(spans) - failed))


def _count_pictures(data: bytes) -> int:
    """The pictures of a presentation, by the heads of their records."""
    with compound(data, "PPT") as container:
        if not container.exists("Pictures"):
            return 0
        stream = container.openstream("Pictures").read()
    count = at = 0
    while at + 8 <= len(stream):
        count += int.from_bytes(stream[at + 2 : at + 4], "little") in _PICTURES
        at += 8 + int.from_bytes(stream[at + 4 : at + 8], "little")
    return count


def _looked_at(data: bytes, suffix: str) -> tuple[str, dict[str, str]]:
    """Whether it is a Word file or a presentation, and what its summary says."""
    kind = "ppt" if suffix in (".ppt", ".pps", ".pot", ".dps") else "doc"
    facts: dict[str, str] = {}
    try:
        with compound(data, kind.upper()) as container:
            kind = (
                "ppt"
                if container.exists("PowerPoint Document")
                else ("doc" if container.exists("WordDocument") else kind)
            )
            facts = summary(container)
    except Exception:  # noqa: BLE001  a broken container is reported by whoever reads its text
        pass
    return kind, facts


def _decrypted(source: Source, data: bytes, kind: str) -> bytes:
    """The file without its password."""
    import msoffcrypto
    from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError

    try:
        office = msoffcrypto.OfficeFile(io.BytesIO(data))
        if not office.is_encrypted():
            return data
    except Exception:  # noqa: BLE001  whatever it raises on a broken file: its text may be readable
        return data
    given = source.options.password
    if given is None:
        raise wrong_password(_NAMES[kind], None)
    out = io.BytesIO()
    try:
        office.load_key(password=given)
        office.decrypt(out)
    except InvalidKeyError:
        raise wrong_password(_NAMES[kind], given) from None
    except (DecryptionError, FileFormatError) as error:
        raise LoadError(f"this {_NAMES[kind]} file is encrypted in a way that cannot be read ({error}).") from error
    return out.getvalue()
