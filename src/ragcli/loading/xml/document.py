"""XML: prose vocabularies, feeds and data, each written as the Markdown that serves it.

Parsed with lxml after ragcli's own decoding, as files that say gb2312 and hold GBK are common. Entities of the file
itself are resolved within the limits of libxml2; those that name another file are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.encodings import Decoded, choose, clean_up
from ragcli.loading.source import Source
from ragcli.loading.xml.data import local
from ragcli.loading.xml.stream import LARGE, read_large
from ragcli.records import Document

_DECLARATION = re.compile(r"<\?xml\s[^<>]*\?>", re.I)
_ENCODING = re.compile(rb"""\s*<\?xml\s[^<>]*?encoding\s*=\s*["']([-\w.:]+)""", re.I)
_WIDE = (
    (re.compile(rb"\0\0\0<"), "utf-32-be"),
    (re.compile(rb"<\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0<\0[?!a-zA-Z_]"), "utf-16-be"),
    (re.compile(rb"<\0[?!a-zA-Z_]\0"), "utf-16-le"),
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CONTROL_REFERENCE = re.compile(r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcef]|1[0-9a-f]));", re.I)
_DOCTYPE = re.compile(r"<!DOCTYPE\b[^\[<>]*(?:\[.*?\]\s*)?>", re.S | re.I)
_OUTER = re.compile(r"""<!ENTITY\s+(?:%\s+)?([\w.:-]+)\s+(?:SYSTEM|PUBLIC\s+["'][^"']*["'])\s+["']([^"']*)["']""")
_INNER = re.compile(r"""<!ENTITY\s+([\w.:-]+)\s+["']""")
_PARAMETER = re.compile(r"%([\w.:-]+);")
_REFERENCE = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(?!#\d+;|#[xX][0-9a-fA-F]+;)(?:([A-Za-z_][\w.-]{0,99});)?", re.S)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)|<[a-zA-Z/?!_\u0080-\uffff][^<>]*>?", re.S)
_OWN = {"amp", "lt", "gt", "quot", "apos"}
_TOO_MUCH = "amplification|entity reference loop|EntityLoop"
_HARMLESS = re.compile("Namespace prefix|Double hyphen|not a valid URI|is not absolute")
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([a-zA-Z][\w.-]*)[\s>/]")
_WHOLE = {"document", "html", "package", "Workbook", "wordDocument", "rss", "feed", "RDF", "opml", "plist", "svg"}
_INCLUDE = "{http://www.w3.org/2001/XInclude}include"


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document; of a MediaWiki dump, a document a page.

    Raises:
        LoadError: it is not text, holds no element, or its entities expand without end.
    """
    if source.size > LARGE and _is_plain(source.head):
        with source.parsing("XML"):
            yield from read_large(source)
        return
    found = _decoded(source)
    text = found.text.lstrip()
    declaration = _DECLARATION.match(text)
    text = text[declaration.end() :] if declaration else text
    if not text.strip():
        return
    with source.parsing("XML"):
        encoding = None if found.encoding == "utf-8" else found.encoding
        if not _TAG.search(text):  # it is only called XML
            yield source.document(found.text, format="text", metadata={"encoding": encoding})
            return
        root = parse(source, text)
        if root is None:
            plain = _without_tags(text)
            if plain.strip():
                yield source.document(plain, format="xml", metadata={"encoding": encoding})
            return
        for outer in root.iter(_INCLUDE):
            source.lose(f"it includes {outer.get('href')}, which is another file and was not read", kind="warning")
        yield from _write(source, root, text, encoding)


def _is_plain(head: bytes) -> bool:
    """Whether a large file is of no dialect that is read whole, in an encoding that libxml2 knows as we do."""
    root = _ROOT.search(head)
    encoding = _ENCODING.match(head)
    if root is None or (encoding and encoding[1].lower() not in (b"utf-8", b"utf-16", b"us-ascii", b"iso-8859-1")):
        return False
    return root[1].decode() not in _WHOLE and choose(head, complete=False)[0].startswith(("utf-8", "utf-16"))


def _decoded(source: Source) -> Decoded:
    """Decode the file; without a byte order mark, its first character says how wide characters are."""
    wide = next((codec for start, codec in _WIDE if start.match(source.head)), None)
    if wide is not None:
        text, nuls = clean_up(source.data().decode(wide, "replace"))
        decoded = Decoded(text, wide, text.count("\ufffd"), nuls)
        source.lose_text(decoded)
        return decoded
    found = _ENCODING.match(source.head)
    return source.text(declared=found[1].decode("ascii", "replace") if found else None)


def _write(source: Source, root: Any, text: str, encoding: str | None) -> Iterator[Document]:
    """Choose the writer by the root element."""
    from ragcli.loading.xml import data as xml_data
    from ragcli.loading.xml import feeds, prose
    from ragcli.loading.xml import office as xml_office

    name = local(root)
    space = root.nsmap.get(root.prefix) or ""
    if name == "document" and "opendocument" in space:
        from ragcli.loading.opendocument import document as opendocument

        yield from opendocument.read_flat(source, root)
        return
    if name == "html":
        from ragcli.loading.html import markdown

        body, title, facts = markdown(text)
        if body.strip():
            yield source.document(body, format="html", title=title, metadata={**facts, "encoding": encoding})
        return
    if name == "mediawiki":
        wiki = feeds.Wiki(source)
        for page in root:
            yield from wiki.page(page)
        wiki.end()
        return
    if name == "Workbook" and space == "urn:schemas-microsoft-com:office:spreadsheet":
        from ragcli.loading.sheets.spreadsheetml import spreadsheet_2003

        yield from spreadsheet_2003(source, root)
        return
    if name == "package" and "xmlPackage" in space:
        yield from xml_office.flat_package(source, root)
        return
    writer = feeds.WRITERS.get(name) or xml_office.WRITERS.get((space, name))
    if writer is None:
        writer = prose.written if prose.is_prose(root) else xml_data.written
    title, body, facts = writer(source, root)
    if body.strip():
        facts = {"root": name, "language": root.get("{http://www.w3.org/XML/1998/namespace}lang"), **facts}
        yield source.document(body, format="xml", title=title, metadata={**facts, "encoding": encoding})


def parse(source: Source, text: str) -> Any:
    """Return the root element, or None where there is none; what had to be left out goes to the report.

    Raises:
        LoadError: its entities expand without end.
    """
    root, error = _parsed(text)
    if root is not None:
        return root
    # 1. What is written badly and means something plain.
    text = _repaired(source, text)
    root, error = _parsed(text)
    if root is None and re.search("Extra content|declaration allowed only at the start", str(error)):
        text = f"<documents>{_DECLARATION.sub('', text[_subset(text) :])}</documents>"
        root, error = _parsed(text)
    # 2. What goes beyond the limits: these are lifted where no entity can make use of that.
    if root is None and "<!ENTITY" not in text and re.search("Excessive depth|too long|XML_PARSE_HUGE", str(error)):
        root, error = _parsed(text, huge_tree=True)
        if root is None and "Excessive depth" in str(error):
            source.lose(f"its elements lie too deep in each other ({_said(error)}); tags left out", kind="warning")
            return None
    if root is not None:
        return root
    # 3. What can be read of a broken file.
    start = text.find("<")
    root, _ = _parsed(text[max(start, 0) :], recover=True, huge_tree="<!ENTITY" not in text)
    if root is None or _holds_less(root, text):
        source.lose(f"not well-formed XML ({_said(error)}); its text without the tags", line=_line(error))
        return None
    kind = "warning" if _HARMLESS.search(str(error)) else "partial"
    source.lose(f"not well-formed XML ({_said(error)}); read as far as possible", kind=kind, line=_line(error))
    return root


def _parsed(text: str, *, recover: bool = False, huge_tree: bool = False) -> tuple[Any, Any]:
    from lxml import etree

    entities: Any = "internal"  # those of the file itself; others are never read
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=entities,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
        huge_tree=huge_tree,
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
        if not recover and next(root.iter(etree.Entity), None) is not None:
            return None, "an entity is not defined"  # a DTD elsewhere may define it
        return root, None
    except etree.XMLSyntaxError as error:
        if re.search(_TOO_MUCH, str(error), re.I):
            raise LoadError("not read: the entities of this XML expand without end.") from error
        return None, error


def _repaired(source: Source, text: str) -> str:
    """Return the text with entities of HTML resolved, a bare ``&`` written as it should be, and no control characters.

    References to other files are left out and named in the report.
    """
    text, controls = _CONTROLS.subn("", text)
    controls += len(_CONTROL_REFERENCE.findall(text))
    if controls:
        text = _CONTROL_REFERENCE.sub("", text)
        source.lose(f"{controls} control characters removed", kind="skipped")
    if text.rfind("<![CDATA[") > text.rfind("]]>"):
        text += "]]>"
    end = _subset(text)
    outer = dict(_OUTER.findall(text[:end]))
    inner = set(_INNER.findall(text[:end]))
    named: set[str] = set()

    def repair(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0] if match[0].startswith("<") else "&amp;"
        if name in _OWN or name in inner:
            return match[0]
        if name in outer:
            return leave_out(name)
        return html5.get(f"{name};", f"&amp;{name};")

    def leave_out(name: str) -> str:
        if name not in named:
            named.add(name)
            source.lose(f"it includes {outer[name]}, which is another file and was not read", kind="warning")
        return ""

    subset = _PARAMETER.sub(lambda match: leave_out(match[1]) if match[1] in outer else match[0], text[:end])
    return subset + _REFERENCE.sub(repair, text[end:])


def _holds_less(root: Any, text: str) -> bool:
    """Whether much of a broken text did not come into the tree."""
    held = sum(len("".join(str(piece).split())) for piece in root.itertext())
    return held < 0.9 * len("".join(_without_tags(text).split()))


def _subset(text: str) -> int:
    """Where the declarations of the document type end, or 0."""
    start = text.find("<!DOCTYPE", 0, 1 << 16)
    found = _DOCTYPE.match(text, start) if start >= 0 else None
    return found.end() if found else 0


def _line(error: Any) -> int:
    return int(error.lineno or 0) if error is not None else 0


def _said(error: Any) -> str:
    return " ".join(str(getattr(error, "msg", error)).split())[:200]


def _without_tags(text: str) -> str:
    from html import unescape

    return "\n".join(
        line for part in unescape(_TAG.sub(lambda m: m[1] or "\n", text)).split("\n") if (line := part.strip())
    )
