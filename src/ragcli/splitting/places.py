"""What a chunk says of its place in the document: pages, headings, and whether the document ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragcli.records import FILE_STATE, Chunk, Document, Json, content_id
from ragcli.splitting.blocks import HEADING, Block, blocks, code_blocks


class Places:
    """The spans of a document, walked once: the pages of a slice, and headings that the loader knows.

    A slide counts as a page; the name of a sheet as a heading.
    """

    def __init__(self, spans: list[dict[str, Any]]) -> None:
        ordered = sorted((span for span in spans if span["end"] > span["start"]), key=lambda span: int(span["start"]))
        self._numbered = [
            (span["start"], span["end"], number)
            for span in ordered
            if isinstance(number := span.get("page", span.get("slide")), int)
        ]
        self.named = [
            (span["start"], span["end"], tuple(item for item in names if isinstance(item, str)))
            for span in ordered
            if (names := span.get("headings") or ([span["sheet"]] if "sheet" in span else []))
        ]
        self._at = 0
        self._open: list[tuple[int, int, int]] = []

    def pages(self, start: int, end: int) -> list[int]:
        """Return the pages that the slice touches; slices must come in the order of their starts."""
        if not self._numbered:
            return []
        while self._at < len(self._numbered) and self._numbered[self._at][0] < end:
            self._open.append(self._numbered[self._at])
            self._at += 1
        self._open = [span for span in self._open if span[1] > start]
        return sorted({number for low, _, number in self._open if low < end})

    def blocks(self, document: Document) -> Iterator[Block]:
        """Yield the document's blocks, with the loader's headings in place of those read from the text."""
        found = (code_blocks if document.format == "code" else blocks)(document.text)
        return self._named(found) if self.named else found

    def _named(self, found: Iterator[Block]) -> Iterator[Block]:
        at = 0
        for block in found:
            while at + 1 < len(self.named) and self.named[at + 1][0] <= block.start:
                at += 1
            start, end, names = self.named[at]
            yield block._replace(path=names) if start <= block.start < end else block


class Headings:
    """The headings of slices, which must come in the order of their starts."""

    def __init__(self, found: Iterator[Block]) -> None:
        self._found = found
        self._next = next(found, None)
        self._open: list[Block] = []

    def of(self, start: int, end: int) -> list[str]:
        """Return the headings that all of a slice stands under."""
        while self._next is not None and self._next.start < end:
            self._open.append(self._next)
            self._next = next(self._found, None)
        self._open = [block for block in self._open if block.end > start]
        touched = [block for block in self._open if block.start < end]
        return path(touched) if touched else []


def path(found: list[Block]) -> list[str]:
    """Return the headings that all the blocks stand under; a heading alone stands under itself."""
    body = [block for block in found if block.kind != HEADING] or found[-1:]
    names = body[0].path
    for block in body:
        if block.path is not names and block.path != names:
            same = 0
            while same < min(len(names), len(block.path)) and names[same] == block.path[same]:
                same += 1
            names = names[:same]
    return list(names)


class Maker:
    """Makes the chunks of a document.

    Args:
        document: the document.
        splitter: how it is cut.
    """

    def __init__(self, document: Document, splitter: str) -> None:
        self._document = document
        self._splitter = splitter
        self._inner = {key: value for key, value in document.extra.items() if key != FILE_STATE}

    def chunk(
        self,
        start: int,
        end: int,
        *,
        pages: list[int],
        headings: list[str],
        after: str,
        last: bool,
        header: str = "",
        metadata: Json | None = None,
    ) -> Chunk:
        """Return the chunk that is a slice of the document; ``metadata`` goes over the document's own."""
        document = self._document
        return Chunk(
            id=content_id(document.id, str(start), str(end)),
            document_id=document.id,
            source=document.source,
            text=document.text[start:end],
            start=start,
            end=end,
            pages=pages,
            headings=headings,
            title=document.title,
            header=header,
            splitter=self._splitter,
            format=document.format,
            after=after,
            last=last,
            metadata={**document.metadata, **metadata} if metadata else document.metadata,
            extra=document.extra if last else self._inner,
        )
