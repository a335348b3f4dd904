"""One page of a PDF: its text layer as lines in reading order, with tables, fields and headings in their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ragcli.loading.pdf.chars import Chars, Piece, turn
from ragcli.loading.pdf.extras import Bookmark, fields_as_pieces, notes
from ragcli.loading.pdf.lines import Line, in_order, is_right_to_left, joined, jumps, lines
from ragcli.loading.pdf.rules import drawn, grids
from ragcli.loading.pdf.tables import aligned, ruled
from ragcli.loading.pdf.words import clean, folded, is_clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

    from ragcli.loading.pdf.rules import Floats

_TITLE_LINES = 3
_FEW_JUMPS = 2


class Content(NamedTuple):
    """What a page holds."""

    lines: list[Line]
    asides: list[str]  # text turned against the rest, and comments
    text: str  # the text layer as it is, to judge it
    unmapped: float  # share of characters whose font does not say what they show
    left_out: int  # characters outside the page
    pictures: int
    paths: int
    covered: float  # share of the page that its largest picture covers
    files: list[tuple[str, bytes]]
    top: float
    height: float


def read_page(pdf: PdfDocument, page: PdfPage, outline: list[Bookmark]) -> Content:
    """Read a page."""
    import numpy as np

    layer = page.get_textpage()
    try:
        chars = Chars(page, layer)
        shown = drawn(page)
        extra = notes(pdf, page)
        pieces = chars.pieces
        if extra.fields:
            size = sorted(piece.size for piece in pieces)[len(pieces) // 2] if pieces else 10.0
            places = turn(np.array([one[:4] for one in extra.fields], np.float32), chars.turned)
            pieces = [*pieces, *fields_as_pieces(extra.fields, places, size)]
        if extra.fields or not is_clean(chars.text):
            pieces = [piece._replace(text=clean(piece.text)) for piece in pieces]
        chars.pieces = pieces
        tables, items = _with_tables(chars, shown.boxes)
    finally:
        layer.close()
    found = lines(in_order(items), tables)
    box = turn(np.array([page.get_bbox()], np.float32), chars.turned)[0].tolist()
    if outline:
        found = _headed(found, outline, chars.turned)
    said = chars.said(chars.text)
    if extra.fields:
        said += " ".join(piece.text for piece in pieces)
    if extra.comments and not said.strip():
        said = " ".join(extra.comments)
    asides = [clean(chars.said(text)) for text in (*chars.aside, *extra.comments)]
    return Content(
        lines=found,
        asides=asides,
        text=said,
        unmapped=chars.unmapped,
        left_out=chars.left_out,
        pictures=shown.pictures,
        paths=shown.paths,
        covered=shown.covered,
        files=extra.files,
        top=box[1],
        height=box[3] - box[1],
    )


def _with_tables(chars: Chars, boxes: Floats) -> tuple[list[Piece], list[Piece]]:
    """Tables, and all that is to be put in order, tables among it."""
    tables: list[Piece] = []
    items = chars.pieces
    if len(boxes) >= 4 and len(items) > 3:
        found = ruled(chars, grids(turn(boxes, chars.turned)))
        tables, items = found.tables, found.rest
    drawn = jumps(items)
    if (drawn.cells + drawn.columns >= 3 or drawn.back >= _FEW_JUMPS) and not is_right_to_left(items):
        whole = {id(table) for table in tables}
        free = aligned([item for item in items if id(item) not in whole])
        if free.tables:
            rest = sorted([*free.rest, *tables], key=lambda piece: piece.first)
            tables, items = [*tables, *free.tables], rest
    return tables, items


def _headed(found: list[Line], outline: list[Bookmark], turned: int) -> list[Line]:
    """Make headings of the lines that the outline names; what no line says is set where the outline points."""
    longest = max(len(mark.title) for mark in outline) + 20
    said = [folded(line.text) if len(line.text) < longest and not line.table else "" for line in found]
    out = list(found)
    taken: set[int] = set()
    inserted: list[tuple[int, str]] = []
    for mark in outline:
        y = -mark.y if mark.y is not None and turned == 0 else None
        at, count = _named(folded(mark.title), found, said, taken, y)
        hashes = "#" * mark.level
        if count:
            taken.update(range(at, at + count))
            text = joined([out[n].text for n in range(at, at + count)])
            out[at] = out[at]._replace(text=f"{hashes} {text}", before="\n\n")
            for n in range(at + 1, at + count):
                out[n] = out[n]._replace(text="", before="")
            if at + count < len(out):
                out[at + count] = out[at + count]._replace(before="\n\n")
        else:
            below = (n for n, line in enumerate(found) if y is not None and line.top >= y - 2)
            inserted.append((next(below, 0), f"{hashes} {mark.title}"))
    for at, text in reversed(inserted):
        place = out[at] if at < len(out) else None
        left, top = (place.left, place.top) if place else (0.0, 0.0)
        if place:
            out[at] = place._replace(before="\n\n")
        out.insert(at, Line(left, top, left, top, text, 0.0, "\n\n"))
    return [line for line in out if line.text]


def _named(title: str, found: list[Line], said: list[str], taken: set[int], y: float | None) -> tuple[int, int]:
    """The lines that a title is: the first, and how many; (0, 0) where none are."""
    best, fit = (0, 0), float("-inf")
    if not title:
        return best
    for at, text in enumerate(said):
        if not text or at in taken or not (title.startswith(text) or text == title):
            continue
        whole, count = text, 1
        while len(whole) < len(title) and count < _TITLE_LINES and at + count < len(said) and said[at + count]:
            whole += said[at + count]
            count += 1
        if whole != title:
            continue
        score = found[at].size - (abs(found[at].top - y) / 10 if y is not None else 0)
        if score > fit:
            best, fit = (at, count), score
    return best
