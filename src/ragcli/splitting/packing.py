"""Blocks to pieces: merge what is small, keep together what belongs together, cut what is too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from ragcli.splitting.blocks import HEADING, TABLE, TEXT, Block, skip_space
from ragcli.splitting.counting import Characters, Tokens
from ragcli.splitting.cutting import cut, cut_inside, pause_starts, rest, sentence_starts

HEADING_FILL = 0.15  # of the size: from there on a heading begins a new piece (measured: ragcli.splitting)


@dataclass(slots=True)
class Piece:
    """A slice of the text that becomes a chunk; ``start`` is where its overlap begins."""

    start: int
    blocks: list[Block] = field(default_factory=list)
    header: str = ""
    body: bool = False  # whether anything but headings is in it
    text_from: int = -1  # where the run of text at its end begins; -1 where it does not end in text

    @property
    def end(self) -> int:
        """Where the last block ends."""
        return self.blocks[-1].end if self.blocks else self.start

    def add(self, block: Block) -> None:
        """Put a block at the end."""
        if not self.blocks:
            self.header = block.header
            self.start = min(self.start, block.start)
        self.blocks.append(block)
        if block.kind != HEADING:
            self.body = True
        if block.kind != TEXT:
            self.text_from = -1
        elif self.text_from < 0:
            self.text_from = block.start if len(self.blocks) > 1 else self.start


def pack(
    text: str,
    found: Iterable[Block],
    measure: Characters | Tokens,
    overlap: int,
    on_long_header: Callable[[Block], None] = lambda block: None,
) -> Iterator[Piece]:
    """Yield the pieces in order, each with at least one block that no other holds.

    Args:
        text: the document's.
        found: its blocks, in order.
        measure: what a piece may hold.
        overlap: of a piece with the one before, where sentences run on.
        on_long_header: called with a table whose header leaves no room for rows, and is therefore not repeated.
    """
    source = iter(found)
    waiting: list[Block] = []
    piece: Piece | None = None
    last_path: tuple[str, ...] = ()
    while True:
        block = waiting.pop() if waiting else next(source, None)
        if block is None:
            break
        if piece is None:
            piece = Piece(block.start)
        begins = block.level > 0 or (block.path != last_path and piece.body)
        last_path = block.path
        if piece.body and begins and measure.used(piece.start, piece.end) >= measure.size * HEADING_FILL:
            yield piece
            piece = Piece(block.start)
        # 1. It fits after what is there.
        if measure.fits(min(piece.start, block.start), block.end, piece.header if piece.blocks else block.header):
            piece.add(block)
            continue
        # 2. It fits in a piece of its own, and what is there can stand without it.
        if piece.body and measure.fits(block.start, block.end, block.header):
            headings = _trailing(piece)
            yield piece
            waiting += [block, *reversed(headings)]
            piece = _next(text, piece, waiting[-1], measure, overlap)
            continue
        # 3. A first part of it fits after what is there.
        start = min(piece.start, block.start) if piece.blocks or piece.start < block.start else block.start
        used = measure.used(start, block.start) if start < block.start else 0
        room = measure.size - used - measure.cost(piece.header if piece.blocks else block.header)
        limit = measure.reach(block.start, block.end, room)
        while limit > block.start and not measure.fits(start, limit, piece.header if piece.blocks else block.header):
            limit = measure.reach(block.start, limit - 1, room)
        where = cut(text, block, limit)
        if where is None and piece.body:
            headings = _trailing(piece)
            yield piece
            waiting += [block, *reversed(headings)]
            piece = _next(text, piece, waiting[-1], measure, overlap)
            continue
        afresh = where is None and start < block.start and room < measure.size // 2
        if where is None and start < block.start and not piece.blocks and not afresh:
            afresh = cut(text, block, measure.reach(block.start, block.end, measure.size)) is not None
        if afresh:
            # An overlap or headings leave no room, or without the overlap a sentence fits: let the block begin afresh.
            if piece.blocks:
                yield piece
            piece = Piece(block.start)
            waiting.append(block)
            continue
        if where is None:
            if block.header and room < measure.size // 2:
                on_long_header(block)
                waiting.append(block._replace(header=""))
                piece = Piece(block.start)
                continue
            first = skip_space(text, block.start, block.end)
            if first > block.start:
                waiting.append(block._replace(start=first))
                if not piece.blocks and piece.start == block.start:
                    piece = Piece(first)
                continue
            limit = max(limit, block.start + 1)  # one character, however many tokens it is
            where = cut_inside(text, block.start, limit, block.end) if limit < block.end else (block.end, block.end)
        stop, following = where
        piece.add(block._replace(end=stop, kind=TEXT if block.kind == HEADING else block.kind))
        if following < block.end:
            header = block.header
            if block.kind == TABLE and block.head > 0:
                header = text[block.start : block.head]
                if stop < block.head or measure.cost(header) > measure.size // 2:
                    on_long_header(block)
                    header = ""
            waiting.append(rest(block, following, header))
            yield piece
            piece = _next(text, piece, waiting[-1], measure, overlap)
    if piece is not None and piece.blocks:
        yield piece


def _trailing(piece: Piece) -> list[Block]:
    """Take the headings at the end of a piece away: they go with what follows."""
    at = len(piece.blocks)
    while at > 1 and piece.blocks[at - 1].kind == HEADING:
        at -= 1
    headings = piece.blocks[at:]
    del piece.blocks[at:]
    return headings


def _next(text: str, piece: Piece, block: Block, measure: Characters | Tokens, overlap: int) -> Piece:
    """Begin the piece after ``piece``, with an overlap where sentences run on from one to the other."""
    fresh = Piece(block.start)
    if overlap <= 0 or block.kind != TEXT or piece.blocks[-1].kind != TEXT or piece.text_from < 0:
        return fresh
    low = measure.back(piece.text_from, piece.end, overlap)
    whole = measure.fits(block.start, block.end)
    for start in chain(sentence_starts(text, low, piece.end), pause_starts(text, low, piece.end)):
        if start <= piece.start or measure.used(start, piece.end) > overlap:
            continue
        if whole and not measure.fits(start, block.end):
            continue
        fresh.start = start
        break
    return fresh
