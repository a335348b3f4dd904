"""The stage: document records to chunk records, one document in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from ragcli.errors import UsageError
from ragcli.records import Chunk, Document
from ragcli.report import Report
from ragcli.splitting.blocks import Block, skip_space, trim
from ragcli.splitting.counting import Characters, TokenCounter, Tokens
from ragcli.splitting.packing import Piece, pack
from ragcli.splitting.places import Maker, Places, path

if TYPE_CHECKING:
    from ragcli.splitting.parser import NodeParser

Unit = Literal["chars", "tokens"]

DEFAULT_SIZE = 800  # characters
DEFAULT_TOKENS = 512  # or what the model reads, where that is less
DEFAULT_OVERLAP = 0
_VERSION = "structure/2"
_NAME = re.compile(re.escape(_VERSION) + r" size=(\d+) overlap=(\d+) unit=(chars|tokens)")


def split(
    documents: Iterable[Document],
    *,
    size: int | None = None,
    overlap: int | None = None,
    unit: Unit = "chars",
    count: TokenCounter | None = None,
    parser: NodeParser | None = None,
    report: Report | None = None,
) -> Iterator[Chunk]:
    """Cut documents into chunks: by structure, then sentences, then inside a sentence; or as a node parser cuts them.

    Args:
        documents: read one at a time.
        size: the most a chunk holds, its header included; None for the default of the unit.
        overlap: the most a chunk repeats of the one before, whole sentences only; None for the default.
        unit: what size and overlap count.
        count: the tokens of the model; needed for ``unit="tokens"``.
        parser: a node parser of LlamaIndex, which has its own size and overlap.
        report: counts documents_in, documents_empty, characters_in, chunks_out; with a parser documents_failed,
            characters_lost, nodes_in, nodes_blank, nodes_repeated and nodes_lost, too.

    Raises:
        UsageError: size, overlap or unit do not make sense; at once.
        ModelError: the tokenizer fails on a text; as the chunks are drawn.
    """
    if parser is not None:
        if size is not None or overlap is not None or unit != "chars" or count is not None:
            raise UsageError("a node parser has its own size and overlap.", hint="They are among its options.")
        from ragcli.splitting.parsing import split_with

        return split_with(documents, parser, report or Report("split"))
    size, overlap = _settled(size, overlap, unit, count)
    return _split(documents, size, overlap, count if unit == "tokens" else None, report or Report("split"))


def splitter_name(
    *,
    size: int | None = None,
    overlap: int | None = None,
    unit: Unit = "chars",
    count: TokenCounter | None = None,
    parser: NodeParser | None = None,
) -> str:
    """Return what the chunks of `split` say of how they were cut (`Chunk.splitter`); arguments and errors are its."""
    if parser is not None:
        return parser.name
    return _name(*_settled(size, overlap, unit, count), unit)


def settings_of(name: str) -> tuple[int, int, Unit] | None:
    """Return size, overlap and unit of a splitter's name; None where another version, or a node parser, cut."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2]), "tokens" if found[3] == "tokens" else "chars") if found else None


def _name(size: int, overlap: int, unit: str) -> str:
    return f"{_VERSION} size={size} overlap={overlap} unit={unit}"


def _settled(size: int | None, overlap: int | None, unit: str, count: TokenCounter | None) -> tuple[int, int]:
    """Return size and overlap, the defaults where they are not given.

    Raises:
        UsageError: size, overlap or unit do not make sense.
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
    return size, overlap


def _split(
    documents: Iterable[Document], size: int, overlap: int, counter: TokenCounter | None, report: Report
) -> Iterator[Chunk]:
    name = _name(size, overlap, "tokens" if counter else "chars")
    for document in documents:
        text = document.text
        report.count("documents_in")
        report.count("characters_in", len(text))
        start = skip_space(text, 0, len(text))
        if start == len(text):
            lose_empty(document, report)
            continue

        def long_header(block: Block, document: Document = document) -> None:
            reason = f"the header of the table at character {block.start} is too long to be repeated in its pieces"
            report.count("headers_not_repeated")
            report.lose("skipped", document.source, reason, start=block.start)

        measure = Characters(text, size) if counter is None else Tokens(text, size, counter)
        places = Places(document.spans)
        end = trim(text, start, len(text))
        if measure.fits(start, end):
            plain = not places.named and "#" not in text and "\n=" not in text and "\n-" not in text
            found = [] if plain else list(places.blocks(document))
            pieces: Iterable[Piece] = (Piece(start, found or [Block(1, start, end)]),)
        else:
            pieces = pack(text, places.blocks(document), measure, overlap, long_header)
        made = Maker(document, name)
        for piece, following in _with_next(pieces):
            low, high = piece.start, piece.end
            if high - low == 1 and not measure.fits(low, high):
                report.lose("failed", document.source, f"the character at {low} alone is more tokens than {size}")
            report.count("chunks_out")
            yield made.chunk(
                low,
                high,
                pages=places.pages(low, high),
                headings=path(piece.blocks),
                header=piece.header,
                after="" if following is None else text[high : following.start],
                last=following is None,
            )


def lose_empty(document: Document, report: Report) -> None:
    """Say that a document holds no text."""
    report.count("documents_empty")
    report.lose("skipped", document.source, "the document holds no text")


def _with_next(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Piece | None]]:
    source = iter(pieces)
    piece = next(source, None)
    while piece is not None:
        following = next(source, None)
        yield piece, following
        piece = following
