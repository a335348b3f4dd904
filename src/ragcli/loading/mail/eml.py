"""E-mail: headers and body as one document, each attachment as documents of its own; saved pages (MHTML) too.

The standard library takes the message apart; texts and header words are decoded here, as real mail calls GBK
GB2312 and writes headers in bytes that no header may hold.
"""

from __future__ import annotations

import binascii
import email
import re
from collections.abc import Iterator
from email.errors import CloseBoundaryNotFoundDefect, MessageDefect
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from ragcli.errors import LoadError
from ragcli.loading.encodings import decode
from ragcli.loading.mail.message import SHOWN, Mail, documents, page, rich
from ragcli.loading.parts import MOST_DEEP
from ragcli.loading.source import Source
from ragcli.records import Document

_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_SEALED = {"application/pkcs7-mime": "S/MIME", "application/x-pkcs7-mime": "S/MIME", "application/pgp-encrypted": "PGP"}
_RTF = ("text/rtf", "application/rtf", "text/richtext")
_TNEF = ("application/ms-tnef", "application/vnd.ms-tnef")
_UU = re.compile(rb"^begin [0-7]{3,4} (\S.*?)\r?\n((?:[ -`]{1,90}\r?\n)+?)(?:`?\r?\n)?end[ \t]*\r?$", re.M)
_SIGNED = "-- "
_TREE = 100  # parts in parts; the standard library goes as deep as they go


def read(source: Source) -> Iterator[Document]:
    """Yield the message, then the documents of its attachments; or the page that it holds.

    Raises:
        LoadError: it has neither headers nor a body.
    """
    with source.parsing("e-mail"):
        message = email.message_from_bytes(source.data())
        raw: dict[str, str] = {}
        for name, value in message.raw_items():  # as they stand: str(message[name]) loses bytes that are not ASCII
            raw.setdefault(name.lower(), str(value))
        if _is_saved_page(source, message, raw):
            saved = _saved_page(source, message, raw)
        else:
            saved = None
            mail = Mail()
            _take(source, message, mail)
            charset = next((part.get_content_charset() for part in message.walk() if part.get_content_charset()), None)
            for name in ("Subject", *SHOWN):
                mail.headers[name] = _words(raw.get(name.lower(), ""), charset)
            mail.date = _date(mail.headers["Date"])
            _lose_defects(source, message)
    if saved is not None:
        yield saved
    else:
        yield from documents(source, mail, format="eml")


def _lose_defects(source: Source, message: Message) -> None:
    """Report what was wrong with how the parts are put together."""
    found: set[type[MessageDefect]] = {type(defect) for part in message.walk() for defect in part.defects}
    if CloseBoundaryNotFoundDefect in found:
        source.lose("its last part has no end; the message may be cut off", kind="warning")


def _is_saved_page(source: Source, message: Message, raw: dict[str, str]) -> bool:
    """Whether a browser saved a page in this way."""
    if message.get_content_type() not in ("multipart/related", "text/html"):
        return False
    if "snapshot-content-location" in raw or raw.get("from", "").startswith("<Saved by"):
        return True
    sent = any(raw.get(name) for name in ("to", "received", "message-id"))
    return not sent and (source.suffix in (".mht", ".mhtml") or not raw.get("from"))


def _saved_page(source: Source, message: Message, raw: dict[str, str]) -> Document | None:
    """The page, without what it is made of; None where there is none."""
    texts = []
    left_out = 0
    for part in message.walk():
        kind = part.get_content_type()
        if kind in ("text/html", "application/xhtml+xml") or (kind == "text/plain" and not part.is_multipart()):
            data = part.get_payload(decode=True)
            if isinstance(data, bytes) and data.strip():
                charset = part.get_content_charset()
                texts.append(page(source, data, charset) if kind != "text/plain" else _plain(source, part, data))
        elif kind.startswith("image/"):
            left_out += 1
    if left_out:
        source.count_images(skipped=left_out)
        source.lose(f"{left_out} {'picture' if left_out == 1 else 'pictures'} not read", kind="skipped")
    text = "\n\n".join(text for text in texts if text.strip())
    if not text:
        if not texts:
            raise LoadError("not readable as a saved page: it holds none.")
        return None
    metadata = {"url": raw.get("snapshot-content-location", "").strip(), "date": _date(raw.get("date"))}
    return source.document(text, format="mhtml", title=_words(raw.get("subject", "")), metadata=metadata)


def _take(source: Source, message: Message, mail: Mail, depth: int = 0) -> None:
    """Sort the parts of a message into bodies and attachments."""
    kind = message.get_content_type()
    if depth > _TREE:
        source.lose(f"parts lie in more than {_TREE} others, one in the other, and were not read")
    elif kind in ("message/rfc822", "message/global") and message.is_multipart():
        inner = message.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            try:
                _attach(message, inner[0].as_bytes(), "message/rfc822", mail)
            except (UnicodeError, LookupError, ValueError) as error:  # of headers that no message may have
                source.lose(f"a message in it cannot be taken out ({error})")
    elif message.is_multipart():
        children = [child for child in message.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            children = _best(children)
        elif kind == "multipart/encrypted":
            source.lose("the message is encrypted; its body was not read")
        for child in children:
            _take(source, child, mail, depth + 1)
    elif kind in _SIGNATURES:
        source.lose(f"the signature ({kind})", kind="skipped")
    elif kind in _SEALED:
        if kind != "application/pgp-encrypted":
            source.lose(f"the message is sealed ({_SEALED[kind]}); its body was not read")
    else:
        _take_leaf(source, message, mail, kind)


def _take_leaf(source: Source, message: Message, mail: Mail, kind: str) -> None:
    known = len(message.defects)
    data = message.get_payload(decode=True)
    if not isinstance(data, bytes) or not data.strip():
        return
    if len(message.defects) > known:
        what = _words(message.get_filename() or "") or f"a part ({kind})"
        source.lose(f"{what} is damaged ({type(message.defects[-1]).__name__}); what could be decoded was read")
    named = message.get_filename() is not None or message.get_content_disposition() == "attachment"
    if kind.startswith("multipart/"):
        source.lose("its parts cannot be told apart (their boundary is missing); it was read as one text")
        mail.bodies.append(_plain(source, message, data))
    elif kind in _TNEF or (message.get_filename() or "").lower() == "winmail.dat":
        _unpack(source, data, mail)
    elif kind == "text/html" and not named:
        mail.bodies.append(page(source, data, message.get_content_charset()))
    elif kind in _RTF and not named and data.lstrip().startswith(b"{\\rtf"):
        mail.bodies.append(rich(source, data, message.get_content_charset()))
    elif kind in ("text/plain", "text/enriched", "text/richtext") and not named:
        data = _without_uu(data, mail)
        mail.bodies.append(_plain(source, message, data))
    else:
        _attach(message, data, kind, mail)


def _unpack(source: Source, data: bytes, mail: Mail, depth: int = 0) -> None:
    """Take Outlook's winmail.dat apart: its body where the message has none, and the attachments."""
    from ragcli.loading.mail.compressedrtf import decompressed
    from ragcli.loading.mail.tnef import SIGNATURE, unpacked

    try:
        found = unpacked(data)
    except ValueError as error:
        source.lose(f"winmail.dat cannot be read: {error}")
        return
    if not any(body.strip() for body in mail.bodies):
        if found.text.strip():
            decoded = decode(found.text, given=source.options.encoding, declared=found.codec)
            source.lose_text(decoded)
            mail.bodies.append(decoded.text)
        elif found.page.strip():
            mail.bodies.append(page(source, found.page, found.codec))
        elif found.rtf:
            try:
                mail.bodies.append(rich(source, decompressed(found.rtf), found.codec))
            except ValueError as error:
                source.lose(f"its body cannot be read ({error})")
    for name, content in found.files:
        if content.startswith(SIGNATURE) and depth < MOST_DEEP:
            _unpack(source, content, mail, depth + 1)  # a message in the message
        else:
            mail.attach(name, content, "application/octet-stream")


def _without_uu(data: bytes, mail: Mail) -> bytes:
    """Return a text without the files in it that were written in the old way (uuencode); these are attached."""

    def take(found: re.Match[bytes]) -> bytes:
        try:
            content = b"".join(binascii.a2b_uu(line) for line in found[2].splitlines() if line.strip())
        except binascii.Error:
            return found[0]
        mail.attach(decode(found[1]).text, content, "application/octet-stream")
        return b""

    return _UU.sub(take, data) if b"begin " in data else data


def _best(children: list[Message]) -> list[Message]:
    """Return what to read of parts that say the same: the plain text where there is any, else the page."""
    texts = [child for child in children if child.get_content_type() == "text/plain"]
    if not any(bytes(child.get_payload(decode=True) or b"").strip() for child in texts):
        pages = any(_is_page(child) for child in children)
        return [child for child in children if child.get_content_type() not in ("text/plain", *(_RTF if pages else ()))]
    return [child for child in children if not _is_page(child) and child.get_content_type() not in _RTF]


def _is_page(message: Message) -> bool:
    """Whether it is a page, alone or with its pictures."""
    kind = message.get_content_type()
    if kind == "multipart/related":
        inner = message.get_payload()
        return isinstance(inner, list) and bool(inner) and isinstance(inner[0], Message) and _is_page(inner[0])
    return kind == "text/html"


def _attach(message: Message, data: bytes, kind: str, mail: Mail) -> None:
    given = message.get_filename()
    mail.attach(_words(given) if given else "", data, kind, shown=message["Content-ID"] is not None)


def _plain(source: Source, message: Message, data: bytes) -> str:
    found = decode(data, given=source.options.encoding, declared=message.get_content_charset())
    source.lose_text(found)
    if str(message.get_param("format", "")).lower() == "flowed":
        return _unflowed(found.text, joins=str(message.get_param("delsp", "")).lower() == "yes")
    return found.text


def _unflowed(text: str, *, joins: bool) -> str:
    """Return a text whose lines end in a space where a paragraph goes on (RFC 3676) with a line a paragraph.

    Args:
        text: the text.
        joins: the space belongs to the end of the line only, as in Chinese.
    """
    out: list[str] = []
    flowing: str | None = None  # the depth of quotes of the paragraph that goes on
    for line in text.split("\n"):
        content = line.lstrip(">")
        quotes = line[: len(line) - len(content)]
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != _SIGNED
        words = content[:-1] if flows and joins else content
        if flowing is not None and flowing == quotes and content != _SIGNED:
            out[-1] += words
        else:
            out.append(f"{quotes} {words}" if quotes else words)
        flowing = quotes if flows else None
    return "\n".join(out)


def _words(value: str, charset: str | None = None) -> str:
    """Return a header as text: encoded words decoded, and bytes that should not be there as what they most likely are.

    Args:
        value: the header as it stands, surrogates for bytes that are not ASCII.
        charset: the message's.
    """
    if any("\udc80" <= char <= "\udcff" for char in value):
        value = decode(value.encode("utf-8", "surrogateescape"), declared=charset).text
    out = ""
    try:
        pieces = decode_header(value)
    except (ValueError, binascii.Error):  # HeaderParseError is a ValueError: broken base64
        return " ".join(value.split())
    for piece, encoding in pieces:
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
