"""RTF as Markdown: headings, lists, tables, notes, text boxes, comments; each run of text in the encoding of its font.

An own reader: striprtf, the library for it, writes deleted text, leaves out notes, text boxes, comments and headers,
breaks emoji that are written in two halves, keeps what HTML in RTF hides, and has no headings, lists or tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ragcli.errors import LoadError
from ragcli.loading.encodings import canonical, choose
from ragcli.loading.ocr.pictures import Pictures, with_pictures
from ragcli.loading.office.drawing import settled
from ragcli.loading.office.wordstyles import joined
from ragcli.loading.rtf.codec import WESTERN
from ragcli.loading.rtf.flow import string
from ragcli.loading.rtf.reader import Reader
from ragcli.loading.source import Source
from ragcli.records import Document

_HEADING = re.compile(r"#{1,2} (.+)")
_RUN = re.compile(rb"[\x80-\xff]{4,}")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What an RTF file says.

    Args:
        text: Markdown.
        html: the page, where the file is HTML that Outlook wrote as RTF; ``text`` is then made from it.
        info: title, author, date, subject and keywords, as far as it names them.
        pictures: the number of pictures left out.
        losses: (kind, reason) of what is missing.
    """

    text: str
    html: str | None = None
    info: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    losses: tuple[tuple[str, str], ...] = ()


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is no RTF.
    """
    with source.parsing("RTF"):

        def write(pictures: Pictures) -> Text:
            return to_markdown(source.data(), encoding=source.options.encoding, pictures=pictures)

        found = with_pictures(source, write, lambda made: not made.text.strip())
    for kind, reason in found.losses:
        source.lose(reason, kind=kind)
    if found.text.strip():
        title = found.info.get("title")
        if not title and (heading := _HEADING.match(found.text)):
            title = heading[1]
        metadata = {key: value for key, value in found.info.items() if key != "title"}
        yield source.document(found.text, format="rtf", title=title, metadata=metadata)


def to_markdown(data: bytes, *, encoding: str | None = None, pictures: Pictures | None = None) -> Text:
    """Return what an RTF file, or the RTF body of a message, says.

    Args:
        data: the RTF, unpacked.
        encoding: of text that does not name one.
        pictures: reads the pictures, or counts them.

    Raises:
        LoadError: it is no RTF.
    """
    start = data.find(b"{\\rtf", 0, 1 << 10)
    if start < 0:
        raise LoadError("not readable as RTF: it does not begin like one.")
    losses: list[tuple[str, str]] = []
    western = canonical(encoding) if encoding else None
    read = pictures.text if pictures is not None and pictures.reading else None
    reader = Reader(data[start:], western, read)
    reader.run()
    if western is None and reader.default == WESTERN and (codec := _other_encoding(reader)):
        reader = Reader(data[start:], codec[0], read)
        reader.run()
        if not codec[1]:
            losses.append(("warning", f"its encoding is a guess ({codec[0]}): it names another. Pass --encoding."))
    if pictures is not None and not pictures.reading:
        pictures.left_out = reader.pictures
    if reader.unbalanced:
        losses.append(("partial", "the file is cut off: it ends in the middle of a group"))
    if reader.after:
        losses.append(("warning", f"{reader.after} bytes after its end were not read"))
    if reader.undecodable:
        places = "place" if reader.undecodable == 1 else "places"
        losses.append(("partial", f"{reader.undecodable} {places} could not be decoded; U+FFFD stands there"))
    if reader.objects:
        number = "1 embedded object was" if reader.objects == 1 else f"{reader.objects} embedded objects were"
        losses.append(("skipped", f"{number} not read; what the text shows of it was"))
    if reader.contents:
        losses.append(("skipped", "the table of contents was left out: it repeats the headings"))
    info = dict(reader.info)
    created = info.pop("created", "")
    if created and not info.get("date"):
        info["date"] = created
    if reader.html is not None:
        from ragcli.loading.html import markdown

        html = string(reader.html)
        text, title, _ = markdown(html, whole=True)
        if title:
            info["title"] = title
        return Text(text=text, html=html, info=info, pictures=reader.pictures, losses=tuple(losses))
    blocks = reader.blocks
    after = [*reader.notes, *(block for block in reader.headers if block not in set(blocks))]
    if reader.lines and "" in blocks:
        text = "\n\n".join(filter(None, [_BLANK_LINES.sub("\n\n", "\n".join(blocks)).strip("\n"), *after]))
    else:
        text = joined([*filter(None, blocks), *after])
    return Text(text=settled(text), info=info, pictures=reader.pictures, losses=tuple(losses))


def _other_encoding(reader: Reader) -> tuple[str, bool] | None:
    """The codec that text is really in that is called Western, and whether that is sure; None where it is Western.

    Programs write Chinese or Russian bytes and name no encoding: letters beyond ASCII then stand in long rows.
    """
    text = b"\n".join(reader.high)
    beyond = sum(byte > 0x7F for byte in text)
    if beyond < 8 or 2 * sum(map(len, _RUN.findall(text))) < beyond:
        return None
    try:
        codec, sure = choose(text, complete=True)
    except LoadError:
        return None
    return None if codec in (WESTERN, "utf-8") or codec.startswith("utf") else (codec, sure)
