"""JSON: an array of objects with a text is a file of documents, anything else one document of its text."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from ragcli.errors import LoadError
from ragcli.jsonl import dumps
from ragcli.loading.fields import Missing, text_key, to_document
from ragcli.loading.jsonlines import documents
from ragcli.loading.numbers import indented, loads_whole
from ragcli.loading.source import Source
from ragcli.records import Document


def read(source: Source) -> Iterator[Document]:
    """Yield a document for each object of an array, else the whole as one, indented.

    A file that holds JSON Lines under this suffix is read as such. In an array, an item without a text is
    reported with its place.

    Raises:
        LoadError: it is no JSON.
    """
    found = source.text()
    if not found.text.strip():
        return
    data = found.text.encode("utf-8", "replace")
    try:
        value = loads_whole(data)
    except ValueError as error:
        first = data.lstrip().partition(b"\n")[0]
        try:
            lines = isinstance(loads_whole(first), dict)
        except ValueError:
            lines = False
        if not lines:
            raise LoadError(f"not readable as JSON: {error}.") from error
        yield from documents(source, data.splitlines(keepends=True) if b"\n" not in data else data.split(b"\n"),
                             format="jsonl")  # fmt: skip
        return
    if isinstance(value, list) and any(isinstance(item, dict) and text_key(item, source.options) for item in value):
        yield from _array(source, value)
        return
    if source.options.text_field is not None and isinstance(value, dict):
        document = to_document(source, value, line=1, format="json", sha256=source.sha256)
        if document is not None:
            yield document
        return
    yield source.document(indented(value), format="json", title=None)


def _array(source: Source, items: list[object]) -> Iterator[Document]:
    blank = 0
    for place, item in enumerate(items, 1):
        try:
            if not isinstance(item, dict):
                raise Missing("it is no object")
            document = to_document(source, item, line=place, format="json", sha256=sha256(dumps(item)).hexdigest())
        except Missing as error:
            source.lose(f"item {place}: {error.message}", item=place)
            continue
        if document is None:
            blank += 1
        else:
            yield document
    if blank:
        source.lose(f"{blank} items whose text is blank", kind="skipped", items=blank)
