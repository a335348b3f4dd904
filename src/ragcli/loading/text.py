"""Plain text: the text as it is, with ``\\n`` at line ends."""

from __future__ import annotations

from collections.abc import Iterator

from ragcli.loading.source import Source
from ragcli.records import Document


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document; nothing where it is blank.

    Raises:
        LoadError: it is not text.
    """
    found = source.text()
    if found.text.strip():
        encoding = None if found.encoding == "utf-8" else found.encoding
        yield source.document(found.text, format="text", metadata={"encoding": encoding})
