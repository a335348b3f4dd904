"""Lines that were read in a picture, put together as text: columns, paragraphs and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ragcli.loading.layout import Box, reading_order, rows
from ragcli.loading.markup import table

if TYPE_CHECKING:
    from ragcli.loading.ocr.tables import Grid

# Scripts that are written without spaces between words, with their punctuation.
_CJK = r"[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff65\U00020000-\U0003ffff“”‘’…—]"
# Marks that are read as narrow though they stand between Chinese letters.
_FULL = dict(zip(",;:?!", "，；：？！", strict=True))
_HALF = re.compile(rf"(?<={_CJK})[,;:?!](?={_CJK}|$)")
_NO_SPACE = re.compile(rf"{_CJK}$"), re.compile(rf"^{_CJK}")
_WORD = re.compile(rf"^\W*(?:{_CJK}|[^\s]*)")  # what cannot be divided at the start of a line
_HYPHEN = re.compile(r"[a-z]{2}[-\u2010\u00ad]$")
_ITEM = re.compile(r"(?:[•●○■□◆◇▪·–-]\s*\S|(?:\d{1,2}|[a-zA-Z])[.)、）]\s*\D|[（(][\d一二三四五六七八九十]{1,3}[）)]"
                   r"|[一二三四五六七八九十]{1,3}、|第[\d一二三四五六七八九十百]{1,4}[条章节])")  # fmt: skip
_END = re.compile(r"[。！？.!?:：；;][”’」』）)\"']*$")


class Line(NamedTuple):
    """A line, or a piece of one, on the straightened page."""

    text: str
    box: Box


def boxes(quads: Sequence[Sequence[Sequence[float]]], skew: float, *, downwards: bool) -> list[Box]:
    """Return the places of lines on the straightened page.

    Args:
        quads: four corners a line, from the top left, clockwise.
        skew: by how many radians lines fall to the right.
        downwards: lines are written from top to bottom, the first on the right: the page is turned as if they were not.
    """
    cos, sin = math.cos(skew), math.sin(skew)
    found = []
    for quad in quads:
        points = [(x * cos + y * sin, y * cos - x * sin) for x, y in quad]
        if downwards:
            points = [(y, -x) for x, y in points]
        across, down = sorted(x for x, _ in points), sorted(y for _, y in points)
        # The middle of the two outer ones: a line that falls a little is no higher for it.
        found.append(Box((across[0] + across[1]) / 2, (down[0] + down[1]) / 2, (across[2] + across[3]) / 2,
                         (down[2] + down[3]) / 2))  # fmt: skip
    return found


def assemble(lines: Sequence[Line], grids: Sequence[Grid] = ()) -> str:
    """Return lines as text in reading order: paragraphs and tables, apart by a blank line."""
    if not lines:
        return ""
    height = median(line.box.bottom - line.box.top for line in lines)
    members: list[list[Line]] = [[] for _ in grids]
    items: list[Line | int] = []  # a line, or the number of the table that stands there
    places: list[Box] = []
    for line in lines:
        at = next((n for n, grid in enumerate(grids) if grid.cell(line.box)), None)
        if at is None:
            items.append(line)
            places.append(line.box)
        else:
            members[at].append(line)
    for n, grid in enumerate(grids):
        if members[n]:  # for the order, a table is lines as wide as it is
            for top, bottom in pairwise(grid.rows):
                middle = (top + bottom) / 2
                items.append(n)
                places.append(Box(grid.columns[0], middle - height / 2, grid.columns[-1], middle + height / 2))
    found: list[_Paragraph | str] = []
    written: set[int] = set()
    for block in reading_order(places):
        run: list[Line] = []
        for at in block:
            item = items[at]
            if isinstance(item, Line):
                run.append(item)
                continue
            found += _paragraphs(run, height)
            run = []
            if item not in written:
                written.add(item)
                found.append(_ruled(members[item], grids[item]))
        found += _paragraphs(run, height)
    texts: list[str] = []
    last: _Paragraph | None = None
    for one in found:
        if isinstance(one, str):
            texts.append(one)
            last = None
            continue
        if last is not None and _goes_on(last, one, height):
            texts[-1] = _join(texts[-1], one.text)
        else:
            texts.append(one.text)
        last = one
    return "\n\n".join(text for text in texts if text)


class _Paragraph(NamedTuple):
    text: str
    full: bool  # its last line fills the column
    indented: bool
    height: float


def _goes_on(one: _Paragraph, other: _Paragraph, height: float) -> bool:
    """Whether a paragraph goes on in the next column."""
    if not one.full or other.indented or _END.search(one.text) or _ITEM.match(other.text):
        return False
    return abs(one.height - other.height) < 0.25 * height and len(one.text) > 20


def _ruled(lines: Sequence[Line], grid: Grid) -> str:
    """A table with rules, as Markdown; a line of text after the other in each cell."""
    cells: dict[tuple[int, int], list[Line]] = {}
    for line in lines:
        at = grid.cell(line.box)
        if at is not None:
            cells.setdefault(at, []).append(line)
    written = [["" for _ in grid.columns[1:]] for _ in grid.rows[1:]]
    for (down, across), inside in cells.items():
        text = ""
        for row in rows([line.box for line in inside]):
            for n in row:
                text = _join(text, inside[n].text)
        written[down][across] = text
    used = [n for n in range(len(grid.columns) - 1) if any(row[n] for row in written)]
    return table([[row[n] for n in used] for row in written])


def _paragraphs(lines: Sequence[Line], height: float) -> list[_Paragraph | str]:
    """Part the lines of one column into paragraphs and tables without rules."""
    found: list[_Paragraph | str] = []
    run: list[list[Line]] = []
    cells: list[list[Line]] = []
    for indices in rows([line.box for line in lines]):
        row = [lines[at] for at in indices]
        apart = any(other.box.left - one.box.right > 1.2 * height for one, other in pairwise(row))
        if apart:
            found += _prose(run, height)
            run = []
            cells.append(row)
        else:
            found += _unruled(cells, height)
            cells = []
            run.append(row)
    return [*found, *_prose(run, height), *_unruled(cells, height)]


def _unruled(table_rows: list[list[Line]], height: float) -> list[_Paragraph | str]:
    """Rows whose pieces stand apart: a Markdown table where columns are plain, else pieces with a bar between."""
    if not table_rows:
        return []
    merged = [_cells(row, height) for row in table_rows]
    columns: list[tuple[float, float]] = []
    for left, right in sorted((cell.box.left, cell.box.right) for row in merged for cell in row):
        if columns and left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(right, columns[-1][1]))
        else:
            columns.append((left, right))
    if len(merged) >= 3 and len(columns) >= 2 and len(columns) == max(len(row) for row in merged):
        written = [[""] * len(columns) for _ in merged]
        for into, row in zip(written, merged, strict=True):
            for cell in row:
                into[sum(left <= cell.box.left for left, _ in columns) - 1] = cell.text
        return [table(written)]
    bar = " | " if len(merged) > 1 else " "
    return ["\n".join(bar.join(cell.text for cell in row) for row in merged)]


def _cells(row: Sequence[Line], height: float) -> list[Line]:
    """Join the pieces of a row that stand close."""
    found = [row[0]]
    for piece in row[1:]:
        last = found[-1]
        if piece.box.left - last.box.right > 1.2 * height:
            found.append(piece)
        else:
            found[-1] = Line(_join(last.text, piece.text), last.box._replace(right=piece.box.right))
    return found


def _prose(table_rows: list[list[Line]], height: float) -> list[_Paragraph | str]:
    """Part rows of text into paragraphs: by indents, short last lines, room between them, size and list marks."""
    if not table_rows:
        return []
    merged = [_cells(row, math.inf)[0] for row in table_rows]
    left, right = min(row.box.left for row in merged), max(row.box.right for row in merged)
    steps = [(lower.box.top + lower.box.bottom - upper.box.top - upper.box.bottom) / 2
             for upper, lower in pairwise(merged)]  # fmt: skip
    usual = min(median(steps), 2 * height) if steps else 0.0
    found: list[_Paragraph | str] = []
    start = 0
    for at in range(1, len(merged) + 1):
        if at < len(merged) and not _breaks(merged[at - 1], merged[at], steps[at - 1] > 1.25 * usual, left, right):
            continue
        text = ""
        for row in merged[start:at]:
            text = _join(text, row.text)
        high = median(row.box.bottom - row.box.top for row in merged[start:at])
        full = right - merged[at - 1].box.right < 1.5 * height and right - left > 8 * height
        indented = at - start > 1 and merged[start].box.left - left > 0.8 * height
        found.append(_Paragraph(_HALF.sub(lambda mark: _FULL[mark[0]], text), full, indented, high))
        start = at
    return found


def _breaks(upper: Line, lower: Line, apart: bool, left: float, right: float) -> bool:
    """Whether a new paragraph begins with the lower line."""
    height = min(upper.box.bottom - upper.box.top, lower.box.bottom - lower.box.top)
    if max(upper.box.bottom - upper.box.top, lower.box.bottom - lower.box.top) > 1.4 * height:
        return True
    if apart or _ITEM.match(lower.text):
        return True
    if lower.box.left - left > 0.8 * height and lower.box.left - upper.box.left > 0.8 * height:
        return True
    # Ragged lines end where the next word found no room; a last line ends before.
    letter = (lower.box.right - lower.box.left) / max(1, len(lower.text))
    word = len(_WORD.findall(lower.text)[0])
    return right - upper.box.right > word * letter + 1.5 * height


def _join(one: str, other: str) -> str:
    """Join what two lines say: without a space in Chinese, and without the hyphen of a divided word."""
    if not one:
        return other
    if _HYPHEN.search(one) and other[:1].islower():
        return one[:-1] + other
    if _NO_SPACE[0].search(one) and _NO_SPACE[1].match(other):
        return one + other
    return f"{one} {other}"
