"""HTML: the main content as Markdown, or all visible text where little was found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.item import Item
from ragcli.loading.text import decode, normal
from ragcli.records import Document

_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_LEAST = 0.2  # the share of the visible text that the main content must reach
_BLOCKS = "p|div|li|tr|br|section|article|header|footer|pre|blockquote|table|ul|ol|dt|dd|h[1-6]"


def load_html(item: Item) -> Iterator[Document]:
    """Yield the page as one document."""
    import trafilatura
    from lxml import etree, html

    data = item.read()
    meta = _META.search(data[:4096])
    text = _DECLARATION.sub("", normal(decode(item, data, meta[1].decode("ascii", "replace") if meta else None)))
    if not text.strip():
        raise LoadError(f"{item.source}: the page is empty.")
    main = trafilatura.extract(text, output_format="markdown", include_tables=True, include_comments=False) or ""
    tree = html.document_fromstring(text)
    found = tree.find(".//title")
    title = " ".join(("".join(map(str, found.itertext())) if found is not None else "").split()) or None
    etree.strip_elements(tree, "script", "style", "noscript", "template", "head", etree.Comment, with_tail=False)
    for node in tree.iter():
        if isinstance(node.tag, str) and re.fullmatch(_BLOCKS, node.tag):
            if re.fullmatch("h[1-6]", node.tag):
                node.text = "#" * int(node.tag[1]) + " " + (node.text or "")
            node.text = "\n" + (node.text or "")
            node.tail = "\n" + (node.tail or "")
    lines = (" ".join(line.split()) for line in "".join(map(str, tree.itertext())).split("\n"))
    visible = "\n\n".join(line for line in lines if line)
    if len(main) < len(visible) * _LEAST:
        main = visible
    yield item.document(main, "html", title=title)
