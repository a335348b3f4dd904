"""HTML: the main content as Markdown, by trafilatura; the whole page where that would lose content.

trafilatura leaves menus and boilerplate out, and sometimes the content with them (forms of glossaries, short
pages, pages made of tables). What it returns is held against the visible text outside navigation; where less
than 60 % of that is in it, the page is written as it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ragcli.loading.markup import table
from ragcli.loading.source import Source
from ragcli.records import Document

_META = re.compile(rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_XML = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", re.I)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_KEPT = 0.6
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")
_DROPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "nav",
        "footer",
        "aside",
        "button",
        "select",
        "option",
        "svg",
        "canvas",
        "iframe",
        "object",
    ]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
        "caption",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def read(source: Source) -> Iterator[Document]:
    """Yield the page as one document.

    Raises:
        LoadError: it is not text, or not HTML at all.
    """
    head = source.head[:4096]
    declared = _META.search(head) or _XML.match(head)
    found = source.text(declared=declared[1].decode("ascii", "replace") if declared else None)
    page = _DECLARATION.sub("", found.text)
    if not page.strip():
        return
    with source.parsing("HTML"):
        import lxml.html

        tree = lxml.html.document_fromstring(page)
        text = _content(page, tree)
        title = _title(tree)
        facts = _facts(tree)
    if text.strip():
        if found.encoding != "utf-8":
            facts["encoding"] = found.encoding
        yield source.document(text, format="html", title=title, metadata=facts)


def _content(page: str, tree: Any) -> str:
    whole = _written(tree)
    main = _main(page)
    wanted = Counter(_WORD.findall(whole))
    kept = sum((wanted & Counter(_WORD.findall(main))).values())
    return main if kept >= _KEPT * sum(wanted.values()) and main.strip() else whole


def _main(page: str) -> str:
    import logging

    logging.getLogger("trafilatura").addHandler(logging.NullHandler())
    import trafilatura

    try:
        found = trafilatura.extract(
            page, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
        )
    except Exception:  # noqa: BLE001  its bugs are no loss: the page itself is written then
        return ""
    return found or ""


def _title(tree: Any) -> str | None:
    for path in ("//head/title", "//title", "//h1"):
        for element in tree.xpath(path):
            text = " ".join(element.text_content().split())
            if text:
                return text
    return None


def _facts(tree: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for meta in tree.iter("meta"):
        name = (meta.get("name") or meta.get("property") or "").lower()
        value = (meta.get("content") or "").strip()
        if name == "author":
            facts.setdefault("author", value)
        elif name in ("date", "article:published_time", "dc.date"):
            facts.setdefault("date", value)
    language = (tree.get("lang") or "").strip()
    return {**facts, "language": language} if language else facts


def _written(tree: Any) -> str:
    """The visible text of a page as Markdown: headings, paragraphs, lists, tables, code."""
    body = tree.find("body")
    out: list[str] = []
    line: list[str] = []

    def flush(mark: str = "") -> None:
        text = " ".join("".join(line).split())
        line.clear()
        if text:
            out.append(mark + text)

    def walk(element: Any, mark: str) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in _DROPPED or _HIDDEN.search(element.get("style") or ""):
            return
        if element.get("hidden") is not None or element.get("role") == "navigation":
            return
        if tag == "table" and not element.xpath(".//table"):
            flush(mark)
            written = table([[_cell(cell) for cell in row.xpath("./td|./th")] for row in element.iter("tr")])
            caption = element.find("caption")
            if caption is not None:
                out.append(_cell(caption))
            if written:
                out.append(written)
            return
        if tag == "pre":
            flush(mark)
            out.append(f"```\n{element.text_content().strip(chr(10))}\n```")
            return
        if tag == "br":
            flush(mark)
        block = tag in _BLOCKS or tag in _HEADINGS or tag in ("td", "th", "tr")
        if block:
            flush(mark)
        own = "- " if tag == "li" else f"{'#' * _HEADINGS[tag]} " if tag in _HEADINGS else "" if block else mark
        if tag == "img" and element.get("alt"):
            line.append(f" {element.get('alt')} ")
        line.append(element.text or "")
        for child in element.iterchildren():
            walk(child, own)
            line.append(child.tail or "")
        if block:
            flush(own)

    walk(body if body is not None else tree, "")
    flush()
    return "\n\n".join(out)


def _cell(cell: Any) -> str:
    return " ".join(piece for text in cell.itertext() if (piece := " ".join(text.split())))
