"""Bytes to text in any usual encoding; plain text and Markdown files."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.item import Item
from ragcli.records import Document

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Each is read as its superset, which real files use under the smaller one's name.
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "big5": "big5hkscs",
    "ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
}
_SAMPLE = 1 << 16  # bytes that detection reads
_REPLACED = 0.01  # the share of characters that may be replaced before the file fails
# Of 150 Chinese passages in GB18030, cut to 20 characters 8 were taken for another encoding, cut to 60 none.
_SURE = 100  # bytes beyond ASCII from which detection is trusted without a word
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_HINT = "Pass --encoding NAME (such as gb18030, big5 or cp1252) if you know it."


def _utf16(data: bytes) -> str | None:
    """Return the UTF-16 that bytes without a BOM are in, if they are text in it."""
    even, odd = data[0:_SAMPLE:2].count(0), data[1:_SAMPLE:2].count(0)
    if not even and not odd:
        return None
    # ASCII has its NULs in one half; Chinese (U+4E00) may have one in the other.
    for name in ("utf-16-le", "utf-16-be") if odd >= even else ("utf-16-be", "utf-16-le"):
        try:
            text = codecs.getincrementaldecoder(name)().decode(data[:_SAMPLE])
        except UnicodeDecodeError:
            continue
        if all(char.isprintable() or char.isspace() for char in text):
            return name
    return None


def looks_binary(head: bytes) -> bool:
    """Tell whether bytes are no text in any encoding."""
    if head.startswith(tuple(bom for bom, _ in _BOMS)):
        return False
    if b"\0" in head:
        return _utf16(head) is None
    return len(_CONTROL.findall(head)) > len(head) * 0.02


def _replaced(data: bytes, encoding: str, item: Item) -> str:
    text = data.decode(encoding, "replace")
    bad = text.count("\ufffd")
    if bad > max(1, len(text) * _REPLACED):
        raise LoadError(f"{item.source}: {bad} of {len(text)} characters are not {encoding}.", hint=_HINT)
    item.report.count("characters_replaced", bad)
    item.report.lose("replaced", item.source, f"{bad} characters are not {encoding} and became U+FFFD")
    return text


def decode(item: Item, data: bytes, declared: str | None = None) -> str:
    """Return the text of bytes: the encoding given, a BOM, UTF-8, the declared one, then detection.

    Raises:
        LoadError: no encoding fits.
    """
    given = item.options.encoding
    if given is None:
        for bom, name in _BOMS:
            if data.startswith(bom):
                data, given = data[len(bom) :], name
                break
    if given is None:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start > _SAMPLE or (error.end == len(data) and error.reason == "unexpected end of data"):
                return _replaced(data, "utf-8", item)
        given = declared or item.charset or _utf16(data)
    if given is None:
        import chardet

        given = chardet.detect(data[:_SAMPLE])["encoding"]
        if given is None:
            raise LoadError(f"{item.source}: the encoding cannot be told.", hint=_HINT)
        item.metadata["encoding"] = given.lower()
        if sum(byte > 127 for byte in data[:_SAMPLE]) < _SURE:
            item.report.count("encodings_guessed")
            item.report.lose("guessed", item.source, f"read as {given}, from little text; --encoding says it surely")
    name = _WIDER.get(given.lower(), given)
    try:
        text = data.decode(name)
    except LookupError as error:
        raise LoadError(f"{item.source}: there is no encoding named {name!r}.", hint=_HINT) from error
    except UnicodeDecodeError:
        text = _replaced(data, name, item)
    return text[1:] if text.startswith("\ufeff") else text


def normal(text: str) -> str:
    r"""Return the text with line ends as ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def load_text(item: Item) -> Iterator[Document]:
    """Yield the file as one document."""
    yield item.document(normal(decode(item, item.read())), "text")


_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_PAIR = re.compile(r"^([\w-]+):[ \t]*(.+?)[ \t]*$", re.M)
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.S | re.M)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.M)


def load_markdown(item: Item) -> Iterator[Document]:
    """Yield the file as one document; front matter goes to the metadata, the first heading is the title."""
    text = normal(decode(item, item.read()))
    metadata: dict[str, str] = {}
    if front := _FRONT.match(text):
        metadata = {key: value.strip("\"'") for key, value in _PAIR.findall(front[1])}
        if metadata:
            text = text[front.end() :].lstrip("\n")
    title = metadata.pop("title", None)
    if title is None and (heading := _HEADING.search(_FENCED.sub("", text))):
        title = heading[1]
    yield item.document(text, "markdown", title=title, metadata=metadata)
