"""MSG, the messages of Outlook: written as mail is, with attachments and messages inside as documents of their own.

The streams are read with olefile. Names are those of the specification, [MS-OXMSG] and [MS-OXPROPS]; python-oxmsg, the
other library for it under a free licence, stops at a message in a message and at a text whose code page is missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.encodings import canonical, decode
from ragcli.loading.mail.compressedrtf import decompressed
from ragcli.loading.mail.message import Mail, documents, page, rich
from ragcli.loading.office.compound import compound
from ragcli.loading.parts import MOST_DEEP, count_part, lose_part
from ragcli.loading.source import Source
from ragcli.records import Document

_UNICODE, _STRING, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_SUBJECT, _BODY, _HTML, _RTF, _CLASS = "0037", "1000", "1013", "1009", "001A"
_SENDER = (("0C1A", "5D01", "0C1F"), ("0042", "5D02", "0065"))  # name, address, address of another kind
_RECIPIENT = ("3001", "39FE", "3003")
_SENT, _DELIVERED, _MADE = "0039", "0E06", "3007"
_HEADERS = "007D"
_KINDS = {1: "To", 2: "Cc", 3: "Bcc"}
_CODE_PAGES = ("3FFD", "3FDE")  # of strings, of the page
_CONTACT = {"3001": "Name", "3A16": "Company", "3A17": "Title", "3A18": "Department", "3A08": "Business phone",
            "3A09": "Home phone", "3A1C": "Mobile phone", "3A15": "Address"}  # fmt: skip
_NAMES, _DATA, _METHOD, _MEDIA_TYPE, _CONTENT_ID, _HIDDEN, _FLAGS = (
    ("3707", "3704", "3001"), "3701", "3705", "370E", "3712", "7FFE", "3714")  # fmt: skip
_IN_BODY = 4
_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
_CODECS = {65001: "utf-8", 1200: "utf-16-le", 20127: "cp1252", 936: "gb18030", 54936: "gb18030", 50220: "iso2022_jp",
           50221: "iso2022_jp", 51949: "euc_kr", 20932: "euc_jp", 20866: "koi8-r", 52936: "hz"}  # fmt: skip
_ISO = range(28591, 28606)


def read(source: Source) -> Iterator[Document]:
    """Yield the message, then the documents of its attachments.

    Raises:
        LoadError: it is broken, or empty.
    """
    with source.parsing("MSG"), compound(source.data(), "MSG") as container:
        found = list(_documents(source, container, []))
    yield from found


def _documents(source: Source, container: Any, storage: list[str]) -> Iterator[Document]:
    message = _Properties(container, storage)
    mail = _mail(source, message)
    inner: list[tuple[str, list[str]]] = []
    for name in message.storages("__attach_version1.0_#"):
        attachment = _Properties(container, [*storage, name], message.codec)
        called = next((words for key in _NAMES if (words := attachment.text(key).strip())), "")
        if attachment.has(_DATA, _OBJECT):
            place = [*storage, name, f"__substg1.0_{_DATA}{_OBJECT}"]
            if container.exists([*place, "__properties_version1.0"]):
                inner.append((called or f"message{len(inner) + 1}", place))
            else:
                source.lose(f"the object {called or name} in it is no file", kind="skipped", part=called or name)
            continue
        data = attachment.binary(_DATA)
        if data is None:
            source.lose(f"the attachment {called or name} is only named in it, not held", part=called or name)
            continue
        shown = bool(attachment.number(_FLAGS) & _IN_BODY or attachment.number(_HIDDEN))
        shown = shown or bool(attachment.text(_CONTENT_ID) and message.binary(_HTML))
        mail.attach(called, data, attachment.text(_MEDIA_TYPE).strip().lower(), shown=shown)
    yield from documents(source, mail, format="msg")
    for called, place in inner:
        yield from _inner(source, container, called, place)


def _inner(source: Source, container: Any, called: str, place: list[str]) -> Iterator[Document]:
    """The documents of a message in the message."""
    called = " ".join(called.replace("/", "_").split())
    if source.depth >= MOST_DEEP:
        lose_part(source, called, f"lies in more than {MOST_DEEP} messages, one in the other, and was not read.")
        return
    properties = _Properties(container, place)
    own = "\0".join(properties.text(key) for key in (_SUBJECT, _HEADERS, _BODY)).encode("utf-8", "replace")
    inside = Source(
        f"{source.name}#{called}",
        options=source.options,
        report=source.report,
        data=own + (properties.binary(_HTML) or b"") + (properties.binary(_RTF) or b""),
        depth=source.depth + 1,
    )
    try:
        yield from _documents(inside, container, place)
    except LoadError as error:
        lose_part(source, called, error.message)
        return
    source.failures += inside.failures
    count_part(source, "loaded")


class _Properties:
    """The properties of one storage: of a message, a recipient, an attachment."""

    def __init__(self, container: Any, storage: list[str], codec: str | None = None) -> None:
        self.container = container
        self.storage = storage
        deep = len(storage)
        below = [entry for entry in container.listdir(storages=True) if entry[:deep] == storage]
        self._names = {entry[deep].upper(): entry[deep] for entry in below if len(entry) == deep + 1}
        self._fixed: dict[str, bytes] = {}
        self._read_fixed()
        self.codec = codec or self._codec(*_CODE_PAGES)

    def _read_fixed(self) -> None:
        name = self._names.get("__PROPERTIES_VERSION1.0")
        data = self.container.openstream([*self.storage, name]).read() if name else b""
        last = self.storage[-1] if self.storage else ""
        at = 32 if not last else 24 if last.endswith(_OBJECT) else 8
        while at + 16 <= len(data):
            (key,) = struct.unpack_from("<H", data, at + 2)
            self._fixed[f"{key:04X}"] = data[at + 8 : at + 16]
            at += 16

    def _codec(self, *keys: str) -> str | None:
        for key in keys:
            number = self.number(key)
            if number:
                name = _CODECS.get(number) or (f"iso8859-{number - 28590}" if number in _ISO else f"cp{number}")
                if found := canonical(name):
                    return found
        return None

    def storages(self, start: str) -> list[str]:
        """The names of the storages below that begin so, in their order."""
        return sorted(name for key, name in self._names.items() if key.startswith(start.upper()))

    def has(self, key: str, kind: str) -> bool:
        """Whether there is a stream, or a storage, of a property."""
        return f"__SUBSTG1.0_{key}{kind}" in self._names

    def _stream(self, key: str, kind: str) -> bytes | None:
        name = self._names.get(f"__SUBSTG1.0_{key}{kind}")
        if name is None:
            return None
        data: bytes = self.container.openstream([*self.storage, name]).read()
        return data

    def text(self, key: str) -> str:
        """A property that is text."""
        data = self._stream(key, _UNICODE)
        if data is not None:
            return data.decode("utf-16-le", "replace").rstrip("\0")
        data = self._stream(key, _STRING)
        return decode(data.rstrip(b"\0"), declared=self.codec).text if data else ""

    def binary(self, key: str) -> bytes | None:
        """A property that is bytes."""
        return self._stream(key, _BINARY)

    def number(self, key: str) -> int:
        """A property that is a whole number; 0 where it is missing."""
        return int.from_bytes(self._fixed.get(key, b"")[:4], "little")

    def time(self, key: str) -> datetime | None:
        """A property that is a time."""
        ticks = int.from_bytes(self._fixed.get(key, b""), "little")
        try:
            return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None

    def page(self, source: Source) -> str:
        """The page of a message as Markdown."""
        data = self.binary(_HTML)
        if data:
            return page(source, data.rstrip(b"\0"), self._codec(*reversed(_CODE_PAGES)))
        words = self.text(_HTML)
        return page(source, words.encode(), "utf-8") if words else ""


def _mail(source: Source, message: _Properties) -> Mail:
    mail = Mail()
    mail.headers["Subject"] = " ".join(message.text(_SUBJECT).split())
    mail.headers["From"] = next((shown for keys in _SENDER if (shown := _person(message, keys))), "")
    people: dict[str, list[str]] = {"To": [], "Cc": [], "Bcc": []}
    for name in message.storages("__recip_version1.0_#"):
        recipient = _Properties(message.container, [*message.storage, name], message.codec)
        people[_KINDS.get(recipient.number("0C15") & 0xF, "To")].append(_person(recipient, _RECIPIENT))
    mail.headers["To"] = ", ".join(filter(None, people["To"])) or message.text("0E04").rstrip("\0")
    mail.headers["Cc"] = ", ".join(filter(None, people["Cc"])) or message.text("0E03").rstrip("\0")
    sent = message.time(_SENT) or message.time(_DELIVERED)
    made = sent or message.time(_MADE)
    if sent is not None:
        mail.headers["Date"] = format_datetime(sent)
    mail.date = made.date().isoformat() if made is not None else None
    if message.text(_CLASS).lower().startswith("ipm.contact"):
        said = (
            f"{label}: {' '.join(words.split())}" for key, label in _CONTACT.items() if (words := message.text(key))
        )
        mail.bodies.append("\n".join(said))
    mail.bodies.append(_body(source, message))
    return mail


def _person(properties: _Properties, keys: tuple[str, ...]) -> str:
    name, *addresses = (properties.text(key).strip().strip("'\"") for key in keys)
    address = next((one for one in addresses if "@" in one), "")
    return f"{name} <{address}>" if name and address and name != address else name or address


def _body(source: Source, message: _Properties) -> str:
    """The plain text, else the page, else the RTF."""
    plain = message.text(_BODY).replace("\r\n", "\n").replace("\r", "\n")
    if plain.strip():
        return plain
    if written := message.page(source):
        return written
    packed = message.binary(_RTF)
    if packed:
        try:
            return rich(source, decompressed(packed), message.codec)
        except ValueError as error:
            source.lose(f"its body cannot be read ({error})")
    return ""
