"""What the loaders of mail share: a message as a document, and its attachments as documents of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ragcli.errors import LoadError
from ragcli.loading.encodings import decode
from ragcli.loading.html import declared_encoding, markdown
from ragcli.loading.parts import part
from ragcli.loading.source import Source
from ragcli.records import Document

SHOWN = ("From", "To", "Cc", "Date")
_SUFFIXES = {
    "message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics",
    "text/vcard": ".vcf", "text/x-vcard": ".vcf", "text/rtf": ".rtf", "application/rtf": ".rtf",
    "application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/tiff": ".tif",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message; ``shown`` where it is a picture of the body, as those of a signature are."""

    name: str
    data: bytes
    media_type: str
    shown: bool = False


@dataclass(slots=True)
class Mail:
    """A message: headers by their names as they are shown, bodies as Markdown, and attachments."""

    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    date: str | None = None

    def attach(self, name: str, data: bytes, media_type: str, *, shown: bool = False) -> None:
        """Add an attachment, under a name that no other has."""
        name = " ".join(name.replace("/", "_").replace("\\", "_").split())
        if not name:
            name = f"part{len(self.attachments) + 1}{_SUFFIXES.get(media_type, '')}"
        stem, dot, suffix = name.rpartition(".")
        taken = {attachment.name for attachment in self.attachments}
        number = 1
        while name in taken:
            number += 1
            name = f"{stem} ({number}).{suffix}" if dot else f"{suffix} ({number})"
        self.attachments.append(Attachment(name, data, media_type, shown and media_type.startswith("image/")))


def documents(source: Source, mail: Mail, *, format: str) -> Iterator[Document]:
    """Yield the message, then the documents of its attachments.

    Raises:
        LoadError: it has neither headers nor a body, nor attachments.
    """
    headers = {name: value for name, value in mail.headers.items() if value}
    if not headers and not mail.attachments and not any(body.strip() for body in mail.bodies):
        raise LoadError("not readable as e-mail: it has neither headers nor a body.")
    title = headers.get("Subject")
    lines = [f"{name}: {headers[name]}" for name in SHOWN if name in headers]
    blocks = [f"# {title}" if title else "", "\n".join(lines), *(body.strip("\r\n") for body in mail.bodies)]
    metadata: dict[str, object] = {name.lower(): headers[name] for name in ("From", "To", "Cc") if name in headers}
    metadata["date"] = mail.date
    metadata["attachments"] = [attachment.name for attachment in mail.attachments if not attachment.shown]
    text = "\n\n".join(block for block in blocks if block.strip())
    if text:
        yield source.document(text, format=format, title=title, metadata=metadata)
    yield from _attached(source, mail.attachments)


def _attached(source: Source, attachments: list[Attachment]) -> Iterator[Document]:
    shown = 0
    for one in attachments:
        if one.shown and source.options.ocr != "always":
            shown += 1
            continue
        yield from part(
            source, one.name, one.data, media_type=one.media_type, kind="skipped" if one.shown else "partial"
        )
    if shown:
        pictures = "picture" if shown == 1 else "pictures"
        source.count_images(skipped=shown)
        source.lose(f"{shown} {pictures} in the body not read", kind="skipped", images=shown)


def rich(source: Source, data: bytes, charset: str | None) -> str:
    """Return the RTF body of a message as Markdown; what is wrong with it is reported.

    Args:
        source: the message.
        data: the RTF, unpacked.
        charset: the encoding of text that does not name one.
    """
    from ragcli.loading.rtf.document import to_markdown

    try:
        found = to_markdown(data, encoding=source.options.encoding or charset)
    except Exception as error:  # noqa: BLE001  whatever is wrong with the body, the rest of the message is read
        source.lose(f"its body (RTF) cannot be read ({error})")
        return ""
    if found.pictures:
        source.count_images(skipped=found.pictures)
    for kind, reason in found.losses:
        source.lose(reason, kind=kind)
    return found.text


def page(source: Source, data: bytes, charset: str | None) -> str:
    """Return the page of a message as Markdown.

    Args:
        source: the message.
        data: the page.
        charset: what the message calls its encoding.
    """
    found = decode(data, given=source.options.encoding, declared=charset or declared_encoding(data))
    source.lose_text(found)
    return markdown(found.text, whole=True)[0] if found.text.strip() else ""
