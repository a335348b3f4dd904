"""HTML: the main content as Markdown, with its headings, lists, tables and code.

The page is written here, block by block, as trafilatura flattens headings and drops short tables on many pages.
trafilatura is asked which blocks are main content. A block that it leaves out is left out only where it looks like
boilerplate too: mostly links, or in an element that is named like a menu or a banner. Where trafilatura keeps less
than 60 % of the page, it has not understood it, and all blocks stay.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ragcli.loading.markup import table
from ragcli.loading.source import Source
from ragcli.records import Document

_META = re.compile(rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_XML = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", re.I)
_COMMENT = re.compile(rb"<!--.*?-->", re.S)
_ENDS = re.compile(r"</(?:body|html)\s*>", re.I)  # text behind them is shown too
_INLINE = re.compile(r"</?(?:font|span|big|small|b|i|u|em|strong|a|center|div)\b[^<>]*>", re.I)
_UNSEEN = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)", re.I | re.S)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
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
_FURNITURE = frozenset(["nav", "aside", "footer"])
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LINKS = 0.5  # of a block's characters: from here on it is mostly links
_LINKS_OF_PROSE = 0.8  # of one that ends like a sentence
_NAMED = re.compile(
    r"(?:^|[-_\s])(?:nav|navbar|navigation|menu|sidebar|footer|breadcrumbs?|cookies?|consent|share|social|related|"
    r"recommend\w*|comments?|advert\w*|ads?|promo|banner|copyright|toolbar|pagination|pager|login|subscribe|newsletter)"
    r"(?:$|[-_\s])",
    re.I,
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def read(source: Source) -> Iterator[Document]:
    """Yield the page as one document.

    Raises:
        LoadError: it is not text, or not HTML at all.
    """
    found = source.text(declared=declared_encoding(source.head))
    page = found.text
    if not _DECLARATION.sub("", page).strip():
        return
    with source.parsing("HTML"):
        text, title, facts = markdown(page, lose=lambda reason: source.lose(reason, kind="skipped"))
    if text.strip():
        if found.encoding != "utf-8":
            facts["encoding"] = found.encoding
        yield source.document(text, format="html", title=title, metadata=facts)


def declared_encoding(data: bytes) -> str | None:
    """Return the encoding that a page names in its first bytes."""
    head = _COMMENT.sub(b"", data[:4096])
    declared = _META.search(head) or _XML.match(head)
    return declared[1].decode("ascii", "replace") if declared else None


def markdown(
    page: str, *, whole: bool = False, lose: Callable[[str], None] | None = None
) -> tuple[str, str | None, dict[str, Any]]:
    """Return a page's main content as Markdown, its title, and what its head says (author, date, language).

    Args:
        page: the HTML.
        whole: all of it is content: nothing that looks like boilerplate is looked for.
        lose: told what is left out.
    """
    page = _ENDS.sub("<div></div>", _DECLARATION.sub("", page))
    tree = _parsed(page)
    return _content(page, tree, whole, lose), _title(tree), _facts(tree)


def _parsed(page: str) -> Any:
    """The tree of a page; of one that is nested too deep for it, what is left without the tags that do no harm."""
    import lxml.html

    for version in _versions(page):
        parser = lxml.html.HTMLParser(huge_tree=True)
        tree = lxml.html.document_fromstring(version, parser=parser)
        if not any("Excessive depth" in error.message for error in parser.error_log):
            break
    return tree


def _versions(page: str) -> Iterator[str]:
    import html

    yield page
    yield _INLINE.sub(" ", page)
    words = html.unescape(_TAG.sub("\n", _UNSEEN.sub("", page)))
    yield "<br>".join(html.escape(line) for line in words.split("\n") if line.strip())


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, heading, item, table or piece of code; ``doubtful`` where it looks like boilerplate."""

    text: str
    doubtful: bool
    heading: int = 0


def _content(page: str, tree: Any, whole: bool, lose: Callable[[str], None] | None) -> str:
    blocks, furniture = _blocks(tree)
    all_blocks = len(blocks)
    if not whole and any(block.doubtful for block in blocks):
        kept = Counter(_WORD.findall(_main(page)))
        wanted = Counter(word for block in blocks if not block.doubtful for word in _WORD.findall(block.text))
        if sum((wanted & kept).values()) >= _KEPT * sum(wanted.values()):
            blocks = [block for block in blocks if not block.doubtful or _holds(kept, block.text)]
    if lose is not None and furniture:
        lose(f"{furniture} {'element' if furniture == 1 else 'elements'} left out: nav, aside or footer")
    if lose is not None and len(blocks) < all_blocks:
        lose(f"{all_blocks - len(blocks)} of its {all_blocks} blocks left out: they look like navigation")
    text = before = ""
    for at, block in enumerate(blocks):
        if whole or not _stands_alone(blocks, at):
            items = before.startswith("- ") and block.text.startswith("- ")
            text += ("\n" if items else "\n\n" if text else "") + block.text
            before = block.text
    return text


def _holds(kept: Counter[str], text: str) -> bool:
    words = Counter(_WORD.findall(text))
    return sum((words & kept).values()) >= 0.9 * sum(words.values())


def _stands_alone(blocks: list[_Block], at: int) -> bool:
    """Whether a doubtful heading has lost what stood under it."""
    block = blocks[at]
    following = blocks[at + 1] if at + 1 < len(blocks) else None
    return bool(block.heading and block.doubtful and (following is None or 0 < following.heading <= block.heading))


def _main(page: str) -> str:
    import logging

    logging.getLogger("trafilatura").addHandler(logging.NullHandler())
    import trafilatura

    try:
        found = trafilatura.bare_extraction(page, include_comments=False, include_tables=True, favor_recall=True)
        return "" if found is None else "\n".join(found.body.itertext())
    except Exception:  # noqa: BLE001  its bugs are no loss: the page itself is written then
        return ""


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


def _is_hidden(element: Any) -> bool:
    tag = element.tag
    return (
        not isinstance(tag, str)
        or tag in _DROPPED
        or _HIDDEN.search(element.get("style") or "") is not None
        or element.get("hidden") is not None
        or element.get("role") == "navigation"
    )


def _blocks(tree: Any) -> tuple[list[_Block], int]:
    """The visible text of a page as blocks of Markdown, and how many elements of navigation are left out."""
    writer = _Writer()
    body = tree.find("body")
    writer.write(tree if body is None else body)
    for rest in body.itersiblings() if body is not None else ():
        writer.write(rest)
    return writer.blocks, writer.furniture


class _Writer:
    """Writes elements as blocks, one after the other, however deep they are nested."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.furniture = 0
        self._line: list[tuple[str, bool]] = []  # text, and whether it is a link's
        self._todo: list[Callable[[], None]] = []  # the next at the end

    def write(self, element: Any) -> None:
        """Write an element."""
        self._todo.append(lambda: self._element(element, "", False, False))
        while self._todo:
            self._todo.pop()()
        self._flush()

    def _flush(self, mark: str = "", doubtful: bool = False) -> None:
        text = " ".join("".join(piece for piece, _ in self._line).split())
        linked = sum(len(piece.strip()) for piece, is_link in self._line if is_link)
        self._line.clear()
        if text:
            heading = mark.count("#")
            sentence = text[-1] in ".。!！?？"
            doubtful = doubtful or (not heading and linked >= (_LINKS_OF_PROSE if sentence else _LINKS) * len(text))
            self.blocks.append(_Block(mark + text, doubtful, heading))

    def _element(self, element: Any, mark: str, link: bool, doubtful: bool) -> None:
        if _is_hidden(element):
            if element.tag in _FURNITURE and element.text_content().strip():
                self.furniture += 1
            return
        tag, line = element.tag, self._line
        if tag not in ("body", "html", "main", "article"):
            names = f"{element.get('class') or ''} {element.get('id') or ''}"
            doubtful = doubtful or bool(names.strip() and _NAMED.search(names))
        if tag == "table" and element.find(".//table") is None:
            self._flush(mark, doubtful)
            self._table(element, doubtful)
            return
        if tag == "pre":
            self._flush(mark, doubtful)
            code = _said(element, "\n").strip("\n")
            if code.strip():
                self.blocks.append(_Block(f"```\n{code}\n```", doubtful))
            return
        if tag == "br":
            self._flush(mark, doubtful)
        block = _is_block(tag)
        if block:
            self._flush(mark, doubtful)
        own = "- " if tag == "li" else f"{'#' * _HEADINGS[tag]} " if tag in _HEADINGS else "" if block else mark
        link = link or tag == "a"
        if tag == "img" and element.get("alt"):
            line.append((f" {element.get('alt')} ", link))
        line.append((element.text or "", link))
        if block:
            self._todo.append(lambda: self._flush(own, doubtful))
        for child in element.iterchildren(reversed=True):
            if child.tail:
                self._todo.append(lambda tail=child.tail: line.append((tail, link)))  # type: ignore[misc]
            self._todo.append(lambda child=child: self._element(child, own, link, doubtful))  # type: ignore[misc]

    def _table(self, element: Any, doubtful: bool) -> None:
        rows = [row for row in element.iter("tr") if not _is_hidden(row)]
        written = table([[_cell(cell) for cell in row.iterchildren("td", "th")] for row in rows])
        caption = element.find("caption")
        if caption is not None:
            self.blocks.append(_Block(_cell(caption), doubtful))
        if written:
            self.blocks.append(_Block(written, doubtful))


def _is_block(tag: str) -> bool:
    return tag in _BLOCKS or tag in _HEADINGS or tag in ("td", "th", "tr")


def _cell(cell: Any) -> str:
    return " ".join(_said(cell, " ").split())


def _said(element: Any, line_end: str) -> str:
    """The visible text of an element; `line_end` stands where a line of it ends."""
    pieces: list[str] = []
    todo: list[Any] = [element]  # elements and texts, the next at the end
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            pieces.append(one)
            continue
        if _is_hidden(one):
            continue
        if one.tag == "br":
            pieces.append(line_end)
        if one.tag == "img" and one.get("alt"):
            pieces.append(f" {one.get('alt')} ")
        edge = line_end if one is not element and _is_block(one.tag) else ""
        todo.append(edge)
        for child in one.iterchildren(reversed=True):
            todo += [child.tail or "", child]
        todo += [one.text or "", edge]
    return "".join(pieces)
