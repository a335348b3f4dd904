"""The stage: document records to chunk records, one document in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from ragcli.errors import UsageError
from ragcli.records import FILE_STATE, Chunk, Document, content_id
from ragcli.report import Report
from ragcli.splitting.blocks import HEADING, Block, blocks, code_blocks, skip_space, trim
from ragcli.splitting.counting import Characters, TokenCounter, Tokens
from ragcli.splitting.packing import Piece, pack

DEFAULT_SIZE = 800  # characters
DEFAULT_TOKENS = 512  # or what the model reads, where that is less
DEFAULT_OVERLAP = 0


def split(
    documents: Iterable[Document],
    *,
    size: int | None = None,
    overlap: int | None = None,
    unit: Literal["chars", "tokens"] = "chars",
    count: TokenCounter | None = None,
    report: Report | None = None,
) -> Iterator[Chunk]:
    """Cut documents into chunks: by structure, then sentences, then inside a sentence.

    Args:
        documents: read one at a time.
        size: the most a chunk holds, its header included; None for the default of the unit.
        overlap: the most a chunk repeats of the one before, whole sentences only; None for the default.
        unit: what size and overlap count.
        count: the tokens of the model; needed for ``unit="tokens"``.
        report: counts documents_in, documents_empty, characters_in, chunks_out.

    Raises:
        UsageError: size, overlap or unit do not make sense; at once.
        ModelError: the tokenizer fails on a text; as the chunks are drawn.
    """
    if unit not in ("chars", "tokens"):
        raise UsageError(f"the unit must be chars or tokens, not {unit!r}.")
    if unit == "tokens":
        if count is None:
            raise UsageError("counting tokens needs the model that counts them.", hint="pass count=, or unit='chars'")
        if size is None:
            size = min(DEFAULT_TOKENS, count.limit)
    elif size is None:
        size = DEFAULT_SIZE
    overlap = DEFAULT_OVERLAP if overlap is None else overlap
    for name, value, least in (("size", size, 1), ("overlap", overlap, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"the {name} must be a whole number of at least {least}, not {value!r}.")
    if unit == "tokens" and count is not None and size > count.limit:
        raise UsageError(f"a size of {size} tokens is more than the model reads ({count.limit}).")
    if overlap >= size:
        raise UsageError(f"the overlap ({overlap}) must be less than the size ({size}).")
    return _split(documents, size, overlap, count if unit == "tokens" else None, report or Report("split"))


def _split(
    documents: Iterable[Document], size: int, overlap: int, counter: TokenCounter | None, report: Report
) -> Iterator[Chunk]:
    name = f"structure/2 size={size} overlap={overlap} unit={'tokens' if counter else 'chars'}"
    for document in documents:
        text = document.text
        report.count("documents_in")
        report.count("characters_in", len(text))
        start = skip_space(text, 0, len(text))
        if start == len(text):
            report.count("documents_empty")
            report.lose("skipped", document.source, "the document holds no text")
            continue

        def long_header(block: Block, document: Document = document) -> None:
            reason = f"the header of the table at character {block.start} is too long to be repeated in its pieces"
            report.count("headers_not_repeated")
            report.lose("skipped", document.source, reason, start=block.start)

        measure = Characters(text, size) if counter is None else Tokens(text, size, counter)
        places = _Places(document.spans)
        end = trim(text, start, len(text))
        parse = code_blocks if document.format == "code" else blocks
        if measure.fits(start, end):
            plain = not places.named and "#" not in text and "\n=" not in text and "\n-" not in text
            found = [] if plain else list(places.name(parse(text)))
            pieces: Iterable[Piece] = (Piece(start, found or [Block(1, start, end)]),)
        else:
            pieces = pack(text, places.name(parse(text)), measure, overlap, long_header)
        inner = {key: value for key, value in document.extra.items() if key != FILE_STATE}
        for piece, following in _with_next(pieces):
            low, high = piece.start, piece.end
            if high - low == 1 and not measure.fits(low, high):
                report.lose("failed", document.source, f"the character at {low} alone is more tokens than {size}")
            report.count("chunks_out")
            yield Chunk(
                id=content_id(document.id, str(low), str(high)),
                document_id=document.id,
                source=document.source,
                text=text[low:high],
                start=low,
                end=high,
                pages=places.pages(low, high),
                headings=_path(piece.blocks),
                title=document.title,
                header=piece.header,
                splitter=name,
                format=document.format,
                after="" if following is None else text[high : following.start],
                last=following is None,
                metadata=document.metadata,
                extra=document.extra if following is None else inner,
            )


def _with_next(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Piece | None]]:
    source = iter(pieces)
    piece = next(source, None)
    while piece is not None:
        following = next(source, None)
        yield piece, following
        piece = following


def _path(found: list[Block]) -> list[str]:
    """Return the headings that all the blocks stand under; a heading alone stands under itself."""
    body = [block for block in found if block.kind != HEADING] or found[-1:]
    path = body[0].path
    for block in body:
        if block.path is not path and block.path != path:
            same = 0
            while same < min(len(path), len(block.path)) and path[same] == block.path[same]:
                same += 1
            path = path[:same]
    return list(path)


class _Places:
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

    def name(self, found: Iterator[Block]) -> Iterator[Block]:
        """Put the loader's headings in place of those read from the text, where it knows them."""
        if not self.named:
            return found
        return self._named(found)

    def _named(self, found: Iterator[Block]) -> Iterator[Block]:
        at = 0
        for block in found:
            while at + 1 < len(self.named) and self.named[at + 1][0] <= block.start:
                at += 1
            start, end, names = self.named[at]
            yield block._replace(path=names) if start <= block.start < end else block
