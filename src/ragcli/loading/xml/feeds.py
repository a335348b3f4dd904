"""XML dialects that are lists of something: RSS, Atom, OPML, MediaWiki dumps, property lists, and drawings (SVG)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

from ragcli.loading.markup import flowed
from ragcli.loading.source import Source
from ragcli.loading.xml.data import local
from ragcli.records import Document

_Written = tuple[str | None, str, dict[str, Any]]
_DEEPEST = 100
_MARKUP = re.compile(r"<[a-zA-Z/!][^>]*>")
_FACTS = {"pubDate": "Date", "published": "Date", "date": "Date", "updated": "Updated", "author": "Author",
          "creator": "Author", "category": "Category", "subject": "Category", "link": "Link"}  # fmt: skip
_BODY = ("description", "summary", "content", "encoded", "subtitle")


def _feed(source: Source, root: Any) -> _Written:
    """An item a section: its title, what is said about it, its text."""
    channel = next(root.iterchildren("{*}channel"), root)
    title = _child(channel, "title")
    blocks = [f"# {flowed(_plain(title))}"] if title else []
    blocks += _bodies(source, channel)
    for item in root.iter("{*}item", "{*}entry"):
        name = flowed(_plain(_child(item, "title")))
        if name:
            blocks.append(f"## {name}")
        said: dict[str, list[str]] = {}
        for child in item:
            label = _FACTS.get(local(child))
            if label:
                value = child.get("href") or child.get("term") or flowed(" ".join(map(str, child.itertext())))
                if value and value not in said.setdefault(label, []):
                    said[label].append(value)
        if "Date" in said:
            said.pop("Updated", None)
        if said:
            blocks.append("\n".join(f"{label}: {', '.join(values)}" for label, values in said.items()))
        blocks += _bodies(source, item)
        blocks += _others(item)
        source.beat()
    facts = {"dialect": "atom" if local(root) == "feed" else "rss", "language": _child(channel, "language")}
    return title and _plain(title), "\n\n".join(blocks), facts


def _child(element: Any, name: str) -> str:
    for child in element:
        if local(child) == name:
            return "".join(map(str, child.itertext())).strip()
    return ""


def _others(item: Any) -> list[str]:
    """What other elements of an item say: of extensions, as podcasts and shops use them."""
    known = {*_FACTS, *_BODY, "title", "guid", "id", "comments", "source"}
    said = []
    for child in item:
        text = flowed(" ".join(map(str, child.itertext())))
        if local(child) not in known and text and not len(child):
            said.append(f"{local(child)}: {flowed(_plain(text))}")
    return ["\n".join(said)] if said else []


def _bodies(source: Source, item: Any) -> list[str]:
    """The text of an item, the longest form of it where there are several that say the same."""
    found: list[str] = []
    for child in item:
        if local(child) not in _BODY:
            continue
        if len(child):  # Atom: XHTML in place
            from lxml import etree

            text = _html(etree.tostring(child, encoding="unicode", with_tail=False))
        else:
            text = _html(child.text or "")
        if text and text not in found:
            found.append(text)
    longest = max(found, key=len, default="")
    return [text for text in found if text is longest or "".join(text.split())[:200] not in "".join(longest.split())]


def _html(text: str) -> str:
    if not _MARKUP.search(text):
        return flowed(unescape(text))
    from ragcli.loading.html import markdown

    try:
        body, _, _ = markdown(f"<html><body>{text}</body></html>", whole=True)
    except Exception:  # noqa: BLE001  HTML that cannot be parsed is text with tags
        return _plain(text)
    return body or _plain(text)


def _plain(text: str) -> str:
    return flowed(unescape(_MARKUP.sub(" ", text)))


def _opml(source: Source, root: Any) -> _Written:
    title = next((flowed(one.text or "") for one in root.iter("{*}title")), "")
    lines: list[str] = []

    def walk(element: Any, depth: int) -> None:
        for child in element.iterchildren("{*}outline"):
            text = flowed(child.get("text") or child.get("title") or "")
            link = child.get("xmlUrl") or child.get("htmlUrl") or child.get("url") or ""
            note = flowed(child.get("_note") or child.get("description") or "")
            said = f"[{text}]({link})" if link else text
            if said or note:
                lines.append(f"{'  ' * min(depth, 8)}- {': '.join(part for part in (said, note) if part)}")
            if depth < _DEEPEST:
                walk(child, depth + 1)

    body = next(root.iterchildren("{*}body"), root)
    walk(body, 0)
    return title, "\n\n".join(part for part in (f"# {title}" if title else "", "\n".join(lines)) if part), {}


def _plist(source: Source, root: Any) -> _Written:
    lines: list[str] = []

    def walk(element: Any, label: str, depth: int) -> None:
        indent = "  " * min(depth, 8)
        kind = local(element)
        if kind in ("dict", "array") and depth < _DEEPEST:
            if label:
                lines.append(f"{indent}{label}:")
                depth += 1
            key = ""
            for child in element:
                if local(child) == "key":
                    key = flowed(child.text or "")
                elif local(child):
                    walk(child, key if kind == "dict" else "", depth)
        else:
            value = flowed(" ".join(map(str, element.itertext()))) or kind
            lines.append(f"{indent}{f'{label}: ' if label else '- '}{value}")

    for child in root:
        walk(child, "", 0)
    return None, "\n".join(lines), {}


def _svg(source: Source, root: Any) -> _Written:
    blocks = []
    title = None
    for element in root.iter("{*}title", "{*}desc", "{*}text", "{*}flowRoot", "{*}foreignObject"):
        if any(local(up) in ("text", "foreignObject", "defs") for up in element.iterancestors()):
            continue
        pieces = [str(piece) for piece in element.itertext()]
        text = flowed(" ".join(pieces) if any("\n" in piece for piece in pieces) or len(element) else "".join(pieces))
        if text:
            if local(element) == "title" and title is None:
                title = text
            blocks.append(text)
    return title, "\n\n".join(blocks), {}


_REDIRECT = re.compile(r"\s*#(?:redirect|重定向)", re.I)
_WIKI = (
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"<ref[^>/]*/>|</?(?:nowiki|small|big|br|center|div|span|ref)\b[^>]*>", re.I), " "),
    (re.compile(r"^(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*$", re.M), lambda m: f"{'#' * len(m[1])} {m[2]}"),
    (re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]"), r"\1"),
    (re.compile(r"\[(https?://\S+) ([^\[\]\n]*)\]"), r"[\2](\1)"),
    (re.compile(r"^(\*+)[ \t]*", re.M), lambda m: f"{'  ' * (min(len(m[1]), 9) - 1)}- "),
    (re.compile(r"'''''|'''"), "**"),
    (re.compile(r"''"), "*"),
)  # fmt: skip


class Wiki:
    """Writes the pages of a MediaWiki dump; those that only lead to another are left out and counted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._redirects = 0

    def page(self, page: Any) -> Iterator[Document]:
        """Yield a page as a document: the newest of its texts."""
        if local(page) != "page":
            return
        title = _child(page, "title")
        text = next((one.text or "" for one in reversed(list(page.iter("{*}text")))), "")
        if page.find("{*}redirect") is not None or _REDIRECT.match(text):
            self._redirects += 1
            return
        for pattern, written in _WIKI:
            text = pattern.sub(written, text)
        if text.strip():
            stamp = next((one.text for one in page.iter("{*}timestamp")), None)
            facts = {"root": "mediawiki", "date": stamp}
            text = f"# {title}\n\n{unescape(text).strip()}"
            yield self._source.document(text, format="xml", title=title, part=title, metadata=facts)

    def end(self) -> None:
        """Report the pages that were left out."""
        if self._redirects:
            reason = f"{self._redirects} pages that lead to another"
            self._source.lose(reason, kind="skipped", pages=self._redirects)


WRITERS: dict[str, Callable[[Source, Any], _Written]] = {
    "rss": _feed,
    "feed": _feed,
    "RDF": _feed,
    "opml": _opml,
    "plist": _plist,
    "svg": _svg,
}
