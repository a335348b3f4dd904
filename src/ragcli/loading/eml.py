"""E-mail: headers and body as one document, each attachment as documents of its own.

The standard library takes the message apart; texts and header words are decoded here, as real mail calls GBK
GB2312 and writes headers in bytes that no header may hold.
"""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.encodings import decode
from ragcli.loading.html import markdown
from ragcli.loading.parts import part
from ragcli.loading.source import Source
from ragcli.records import Document

_SHOWN = ("From", "To", "Cc", "Date")
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_SUFFIXES = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv"}


class _Attachment(NamedTuple):
    name: str
    data: bytes
    media_type: str
    shown: bool  # in the body, as the pictures of a signature are


def read(source: Source) -> Iterator[Document]:
    """Yield the message, then the documents of its attachments.

    Raises:
        LoadError: it has neither headers nor a body.
    """
    with source.parsing("e-mail"):
        message = email.message_from_bytes(source.data())
        bodies: list[str] = []
        attachments: list[_Attachment] = []
        _take(source, message, bodies, attachments)
        raw: dict[str, str] = {}
        for name, value in message.raw_items():  # as they stand: str(message[name]) loses bytes that are not ASCII
            raw.setdefault(name.lower(), str(value))
        charset = next((part.get_content_charset() for part in message.walk() if part.get_content_charset()), None)
        shown = ((name, _words(raw.get(name.lower(), ""), charset)) for name in ("Subject", *_SHOWN))
        headers = {name: value for name, value in shown if value}
    if not headers and not any(body.strip() for body in bodies):
        raise LoadError("not readable as e-mail: it has neither headers nor a body.")
    title = headers.get("Subject")
    lines = [f"{name}: {headers[name]}" for name in _SHOWN if name in headers]
    blocks = [f"# {title}" if title else "", "\n".join(lines), *(body.strip("\n") for body in bodies)]
    metadata: dict[str, Any] = {name.lower(): headers[name] for name in ("From", "To", "Cc") if name in headers}
    metadata["date"] = _date(headers.get("Date"))
    metadata["attachments"] = [attachment.name for attachment in attachments]
    yield source.document(
        "\n\n".join(block for block in blocks if block.strip()),
        format="eml",
        title=title,
        metadata=metadata,
    )
    for one in attachments:
        kind = "skipped" if one.shown else "partial"
        yield from part(source, one.name, one.data, media_type=one.media_type, kind=kind)


def _take(source: Source, message: Message, bodies: list[str], attachments: list[_Attachment]) -> None:
    """Sort the parts of a message into bodies and attachments."""
    kind = message.get_content_type()
    if kind == "message/rfc822":
        inner = message.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            _attach(message, inner[0].as_bytes(), kind, attachments)
    elif message.is_multipart():
        children = [child for child in message.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            children = _best(children)
        for child in children:
            _take(source, child, bodies, attachments)
    elif kind in _SIGNATURES:
        source.lose(f"the signature ({kind})", kind="skipped")
    else:
        data = message.get_payload(decode=True)
        if not isinstance(data, bytes) or not data.strip():
            return
        named = message.get_filename() is not None or message.get_content_disposition() == "attachment"
        if kind in ("text/plain", "text/html") and not named:
            bodies.append(_text(source, message, data, kind))
        else:
            _attach(message, data, kind, attachments)


def _best(children: list[Message]) -> list[Message]:
    """Return what to read of parts that say the same: the plain text where there is any, else the page."""
    texts = [child for child in children if child.get_content_type() == "text/plain"]
    if not any(bytes(child.get_payload(decode=True) or b"").strip() for child in texts):
        return [child for child in children if child.get_content_type() != "text/plain"]
    return [child for child in children if not _is_page(child)]


def _is_page(message: Message) -> bool:
    """Whether it is a page, alone or with its pictures."""
    kind = message.get_content_type()
    if kind == "multipart/related":
        inner = message.get_payload()
        return isinstance(inner, list) and bool(inner) and isinstance(inner[0], Message) and _is_page(inner[0])
    return kind == "text/html"


def _attach(message: Message, data: bytes, kind: str, attachments: list[_Attachment]) -> None:
    given = message.get_filename()
    taken = {attachment.name for attachment in attachments}
    name = " ".join(_words(given).replace("/", "_").split()) if given else ""
    if not name:
        name = f"part{len(attachments) + 1}{_SUFFIXES.get(kind, '')}"
    stem, dot, suffix = name.rpartition(".")
    number = 1
    while name in taken:
        number += 1
        name = f"{stem} ({number}).{suffix}" if dot else f"{suffix} ({number})"
    shown = kind.startswith("image/") and (message["Content-ID"] is not None)
    attachments.append(_Attachment(name, data, kind, shown))


def _text(source: Source, message: Message, data: bytes, kind: str) -> str:
    found = decode(data, given=source.options.encoding, declared=message.get_content_charset())
    source.lose_text(found)
    return markdown(found.text)[0] if kind == "text/html" else found.text


def _words(value: str, charset: str | None = None) -> str:
    """Return a header as text: encoded words decoded, and bytes that should not be there as what they most likely are.

    Args:
        value: the header as it stands, surrogates for bytes that are not ASCII.
        charset: the message's.
    """
    if any("\udc80" <= char <= "\udcff" for char in value):
        value = decode(value.encode("utf-8", "surrogateescape"), declared=charset).text
    out = ""
    for piece, encoding in decode_header(value):
        if isinstance(piece, str):
            out += piece
        elif encoding is None:  # what stands between encoded words; the library writes it in this way
            out += piece.decode("raw-unicode-escape", "replace")
        elif piece:
            out += decode(piece, declared=encoding).text
    return " ".join(out.split())


def _date(value: str | None) -> str | None:
    try:
        return parsedate_to_datetime(value).date().isoformat() if value else None
    except (ValueError, TypeError):
        return None
