"""Large XML, read element by element: the memory of what stands under the root one at a time, and of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragcli.errors import LoadError
from ragcli.loading.source import Source
from ragcli.loading.xml.data import attributes, local, written
from ragcli.loading.xml.feeds import Wiki
from ragcli.records import Document

LARGE = 1 << 25  # bytes: from here on a tree of the whole takes more memory than it is worth
_BEAT = 1000  # elements


def read_large(source: Source) -> Iterator[Document]:
    """Yield the file as one document; of a MediaWiki dump, a document a page.

    Raises:
        LoadError: its entities expand without end.
    """
    from lxml import etree

    from ragcli.loading.xml import prose

    blocks: list[str] = []
    wiki = Wiki(source)
    root: Any = None
    entities: Any = "internal"
    number = 0
    with source.open() as stream:
        events = etree.iterparse(
            stream,
            events=("start", "end"),
            resolve_entities=entities,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for event, element in events:
                if root is None:
                    root = element
                    blocks += [f"{local(root)}{said}"] if (said := attributes(root)) else []
                if event == "start" or element.getparent() is not root:
                    continue
                number += 1
                if local(root) == "mediawiki":
                    yield from wiki.page(element)
                elif prose.is_prose(element):
                    blocks.append(prose.written(source, element)[1])
                else:
                    blocks.append(written(source, element)[1])
                if (element.tail or "").strip():
                    blocks.append(" ".join(element.tail.split()))
                element.clear()
                while element.getprevious() is not None:
                    del root[0]
                if number % _BEAT == 0:
                    source.beat()
        except etree.XMLSyntaxError as error:
            if "amplification" in str(error):
                raise LoadError("not read: the entities of this XML expand without end.") from error
            source.lose(f"not well-formed XML ({error.msg}); read to there", line=int(error.lineno or 0))
    wiki.end()
    text = "\n\n".join(block for block in blocks if block)
    if text.strip():
        yield source.document(text, format="xml", metadata={"root": local(root)})
