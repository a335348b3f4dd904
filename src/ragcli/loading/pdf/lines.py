"""The pieces of a PDF page as lines in reading order, parted into paragraphs.

The order in which the page draws its text is kept where it reads well: most programs write text as it is read.
Where it jumps about, the order comes from where the pieces stand (`ragcli.loading.layout`), if that jumps less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

from ragcli.loading.layout import Box, reading_order
from ragcli.loading.pdf.bidi import RTL
from ragcli.loading.pdf.chars import APPENDED, Piece, glue

_CJK = re.compile(r"[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_GOES_ON = re.compile(r"[\u3400-\u9fff，、]\n[\u3400-\u9fff]")  # from one line of Chinese to the next
_MARKED = re.compile(r"(?:[•●▪◦‣∙*–—-]|\(?\w{1,3}[.):]|\[\w+\])\s")
_FEW_JUMPS = 1
_FEW_COLUMNS = 3  # rows of two columns that are drawn across
_LONG = 5  # heights of a line: a piece that is no cell
_MOST = 20_000  # pieces of a page that are put in order


class Line(NamedTuple):
    """A line, or a whole table, with what parts it from what stands before."""

    left: float
    top: float
    right: float
    bottom: float
    text: str
    size: float
    before: str  # "\n", "\n\n" before a paragraph, or nothing where Chinese goes on
    table: bool = False


class Jumps(NamedTuple):
    """How often the next piece does not simply go on.

    Args:
        cells: it stands beside the one before after a wide gap, and one of both is short.
        columns: the same, and both are long: columns that are drawn across.
        back: it stands neither beside nor below.
    """

    cells: int
    columns: int
    back: int


def jumps(items: Sequence[Piece], *, right_to_left: bool = False) -> Jumps:
    """Count what does not read on from piece to piece."""
    cells = columns = back = 0
    if not items:
        return Jumps(0, 0, 0)
    left, last_top, right, last_bottom, _, last_size, _, _ = items[0]  # left and right: of the row so far
    last_left, last_right = left, right
    for piece_left, top, piece_right, bottom, _, size, _, _ in islice(items, 1, None):
        small = min(last_bottom - last_top, bottom - top)
        fall = (top + bottom - last_top - last_bottom) / 2
        if fall >= 0.5 * small or -fall >= 0.5 * small:
            back += fall < 0 or piece_left > right or piece_right < left
            left, right = piece_left, piece_right
        else:
            left, right = min(left, piece_left), max(right, piece_right)
            gap = last_left - piece_right if right_to_left else piece_left - last_right
            if not -0.3 * small <= gap <= 1.5 * max(last_size, size):
                long = min(last_right - last_left, piece_right - piece_left) > _LONG * small
                columns += long
                cells += not long
        last_left, last_top, last_right, last_bottom, last_size = piece_left, top, piece_right, bottom, size
    return Jumps(cells, columns, back)


def in_order(items: Sequence[Piece]) -> list[Piece]:
    """Put pieces in reading order."""
    right_to_left = is_right_to_left(items)
    drawn = jumps(items, right_to_left=right_to_left)
    appended = 2 * sum(item.first == APPENDED for item in items)  # for these the order of drawing says nothing
    reads_well = drawn.back <= _FEW_JUMPS and drawn.columns < _FEW_COLUMNS and not appended
    if reads_well or len(items) > _MOST:
        return list(items)
    boxes = [Box(item.left, item.top, item.right, item.bottom) for item in items]
    placed = [items[at] for block in reading_order(boxes, right_to_left=right_to_left) for at in block]
    return placed if sum(jumps(placed, right_to_left=right_to_left)) < sum(drawn) + appended else list(items)


def is_right_to_left(items: Sequence[Piece]) -> bool:
    """Whether most of the text runs to the left."""
    turned = sum(len(item.text) for item in items if not item.text.isascii() and RTL.search(item.text))
    return turned * 2 > sum(len(item.text) for item in items)


def lines(items: Sequence[Piece], tables: Sequence[Piece] = ()) -> list[Line]:
    """Join ordered pieces into lines, and part the lines into paragraphs.

    Args:
        items: pieces and tables in reading order.
        tables: those of them whose text is a Markdown table.
    """
    whole = {id(table) for table in tables}
    rows: list[list[Piece]] = []
    for item in items:
        if rows and id(item) not in whole and id(rows[-1][-1]) not in whole and _beside(rows[-1][-1], item):
            rows[-1].append(item)
        else:
            rows.append([item])
    found = [_line(row, id(row[0]) in whole) for row in rows]
    found = [line for line in found if line.text]
    return _parted(found)


def _beside(one: Piece, other: Piece) -> bool:
    small = min(one.bottom - one.top, other.bottom - other.top)
    apart = max(other.left - one.right, one.left - other.right)
    return abs(one.middle - other.middle) < 0.5 * small and apart > -0.5 * max(one.size, other.size)


def _line(row: list[Piece], table: bool) -> Line:
    if len(row) == 1:
        left, top, right, bottom, text, size, _, _ = row[0]
        return Line(left, top, right, bottom, text.strip(), size, "\n", table)
    text = row[0].text
    for one, other in pairwise(row):
        gap = max(other.left - one.right, one.left - other.right)
        tight = gap < 0.12 * min(one.size, other.size)
        between = glue(text, other.text, one.size, other.size) if tight and not text.endswith(" ") else " "
        text += between + other.text
    tallest = max(row, key=lambda piece: piece.right - piece.left)
    return Line(
        min(piece.left for piece in row),
        tallest.top,
        max(piece.right for piece in row),
        tallest.bottom,
        text.strip(),
        tallest.size,
        "\n",
        table,
    )


def _parted(found: list[Line]) -> list[Line]:
    """Set what stands before each line: more room than usual, another size or an indent begins a paragraph."""
    pitches: dict[int, list[float]] = {}
    for one, other in pairwise(found):
        pitch = other.bottom - one.bottom
        if 0 < pitch < 4 * one.size and not (one.table or other.table):
            pitches.setdefault(round(one.size), []).append(pitch)
    usual = {size: median(some) for size, some in pitches.items()}
    out: list[Line] = []
    for at, line in enumerate(found):
        before = "\n"
        if at:
            last = found[at - 1]
            pitch = line.bottom - last.bottom
            if (
                last.table
                or line.table
                or not -0.5 * line.size < pitch <= 1.3 * usual.get(round(last.size), 0.0) + 0.5
                or not 0.87 < line.size / last.size < 1.15
                or _indented(found, at)
            ):
                before = "\n\n"
            elif _GOES_ON.search(f"{last.text[-1]}\n{line.text[0]}") and _is_full(found, at - 1):
                before = ""
        out.append(line if before == line.before else line._replace(before=before))
    return out


def _is_full(found: list[Line], at: int) -> bool:
    """Whether a line ends where the lines around it do, at the right side of their column."""
    line = found[at]
    near = [one for one in found[max(0, at - 4) : at + 5] if one.left < line.right and abs(one.left - line.left) < 60]
    wide = line.right - line.left > 10 * line.size
    return wide and line.right > max(one.right for one in near if not one.table) - 1.5 * line.size


def _indented(found: list[Line], at: int) -> bool:
    """Whether a line begins further in than the lines before and after it."""
    if at + 1 >= len(found):
        return False
    last, line, after = found[at - 1], found[at], found[at + 1]
    if _MARKED.match(last.text):
        return False  # an item of a list goes on
    step = line.left - last.left
    return 0.9 * line.size < step < 4 * line.size and abs(after.left - last.left) < 0.3 * line.size


def joined(texts: Sequence[str]) -> str:
    """Join the lines of a cell or of a title into one."""
    out = ""
    for text in texts:
        if not out or not text:
            out += text
        elif out[-1] in "\x02\xad":
            out = out[:-1] + text
        elif _CJK.match(out[-1]) and _CJK.match(text[0]):
            out += text
        else:
            out += f" {text}"
    return out
