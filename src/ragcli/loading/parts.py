"""Files inside files: attachments, and whatever else a loader finds whole inside another file."""

from __future__ import annotations

from collections.abc import Iterator

from ragcli.errors import LoadError
from ragcli.loading.source import Source
from ragcli.records import Document

MOST_DEEP = 5


def part(
    source: Source, name: str, data: bytes, *, media_type: str | None = None, kind: str = "partial"
) -> Iterator[Document]:
    """Yield the documents of a file inside another; one that cannot be read is a loss of the outer file.

    Args:
        source: the file it lies in.
        name: its own file name, which says its type; its documents name ``outer#name``.
        data: its bytes.
        media_type: what the outer file calls it.
        kind: the kind of loss where it cannot be read.
    """
    from ragcli.loading.formats import identify, loader

    if source.depth >= MOST_DEEP:
        source.lose(f"{name} lies in more than {MOST_DEEP} files, one in the other, and was not read", part=name)
        return
    inner = Source(
        f"{source.name}#{name}",
        options=source.options,
        report=source.report,
        data=data,
        media_type=media_type,
        called=name,
        depth=source.depth + 1,
    )
    try:
        yield from loader(identify(inner))(inner)
    except LoadError as error:
        source.lose(f"{name}: {error.message}", kind=kind, part=name)
