"""The order in which the lines of a page are read, from where they stand: columns, headings across them, tables.

The page is cut as a reader cuts it. A gutter is a place that many lines begin right of, and none of a run of lines
crosses: the lines that do cross it (headings, full-width paragraphs, footers) part the page into bands, and in each
band the left column is read before the right one. Cells that stand in rows are no columns: they are read by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from math import inf, isfinite
from operator import itemgetter
from statistics import median
from typing import NamedTuple

_DEEPEST = 12  # cuts inside cuts
_GUTTER = 0.5  # the least width of a gutter, in heights of a line
_CANDIDATES = 6  # places of a region that are tried as gutters
_LEAST = 5  # lines beside a gutter
_FAR = 2.5  # heights of a line between what stands apart and the rest
_FEW = 3  # lines that stand apart


class Box(NamedTuple):
    """Where a line (or a piece of one) stands; y grows downwards, in any unit."""

    left: float
    top: float
    right: float
    bottom: float


class _Line(NamedTuple):
    left: float
    right: float
    middle: float
    height: float
    members: list[int]


def reading_order(boxes: Sequence[Box], *, right_to_left: bool = False) -> list[list[int]]:
    """Return the indices of the boxes in blocks, both in reading order.

    Args:
        boxes: lines of text, or pieces of lines.
        right_to_left: read the right column first, and pieces of a line from the right.
    """
    usable = [at for at, box in enumerate(boxes) if isfinite(sum(box))]
    broken = [[at] for at, box in enumerate(boxes) if not isfinite(sum(box))]
    if not usable:
        return broken
    upright = {at: _upright(boxes[at], right_to_left) for at in usable}
    height = median(box.bottom - box.top for box in upright.values()) or 1.0
    found: list[list[int]] = []
    regions = [(_lines(upright, height), 0)]  # a stack: the top is read next
    while regions:
        lines, depth = regions.pop()
        parts = _cut(lines, height) if depth < _DEEPEST else None
        if parts is None:
            found += _blocks(lines, height)
        else:
            regions += [(part, depth + 1) for part in reversed(parts)]
    return found + broken


def rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Return the indices of the boxes in rows from top to bottom, each from left to right."""
    if not boxes:
        return []
    height = median(box.bottom - box.top for box in boxes) or 1.0
    lines = [_Line(box.left, box.right, (box.top + box.bottom) / 2, box.bottom - box.top, [at])
             for at, box in enumerate(boxes)]  # fmt: skip
    return [[line.members[0] for line in row] for row in _rows(lines, height)]


def _upright(box: Box, right_to_left: bool) -> Box:
    """The box with its sides in order; mirrored where reading goes to the left."""
    left, top, right, bottom = box
    if left > right or top > bottom:
        left, right = sorted((left, right))
        top, bottom = sorted((top, bottom))
        box = Box(left, top, right, bottom)
    return Box(-right, top, -left, bottom) if right_to_left else box


def _lines(boxes: dict[int, Box], height: float) -> list[_Line]:
    """Pieces that touch, or nearly, become one line."""
    pieces = [
        _Line(box.left, box.right, (box.top + box.bottom) / 2, box.bottom - box.top, [at]) for at, box in boxes.items()
    ]
    found = []
    for row in _rows(pieces, height):
        last = row[0]
        for piece in row[1:]:
            if piece.left - last.right < _GUTTER * min(max(last.height, piece.height, height * 0.5), height * 2):
                tall = last if last.height >= piece.height else piece
                right = max(last.right, piece.right)
                last = _Line(last.left, right, tall.middle, tall.height, last.members + piece.members)
            else:
                found.append(last)
                last = piece
        found.append(last)
    return sorted(found, key=lambda line: line.middle)


def _rows(lines: Sequence[_Line], height: float) -> list[list[_Line]]:
    """Lines side by side, from left to right; each joins the row whose last line it overlaps most (for skew)."""
    found: list[list[_Line]] = []
    grid: dict[int, list[int]] = {}
    unit = max(height, 1e-9)
    for line in sorted(lines, key=itemgetter(0)):
        left, right, middle, tall, _ = line
        spot = int(middle // unit)
        best, most = -1, 0.5
        for place in (spot - 1, spot, spot + 1):
            if place not in grid:
                continue
            for at in grid[place][-8:]:
                last_left, last_right, last_middle, last_tall, _ = found[at][-1]
                apart = last_middle - middle if last_middle > middle else middle - last_middle
                least = min(last_tall, tall) or unit
                share = ((last_tall + tall) / 2 - apart) / least
                if share <= most or last_right - left > 0.5 * min(right - left, last_right - last_left):
                    continue  # one above the other, however close
                share = min(share, 1.0) - apart / unit * 0.01
                if share > most:
                    best, most = at, share
        if best < 0:
            best = len(found)
            found.append([])
        else:
            grid[int(found[best][-1].middle // unit)].remove(best)
        found[best].append(line)
        grid.setdefault(spot, []).append(best)
    return sorted(found, key=_middle)


def _middle(row: list[_Line]) -> float:
    return row[0].middle if len(row) == 1 else sum(line.middle for line in row) / len(row)


def _cut(lines: list[_Line], height: float) -> list[list[_Line]] | None:
    """Cut a region at its best gutter into parts in reading order; None where it has no gutter."""
    if len(lines) < _LEAST:
        return None
    apart = _apart(lines, height)
    if apart is not None:
        return apart
    best: list[list[_Line]] | None = None
    most = _LEAST - 1
    rows = cache(lambda: _rows(lines, height))  # most columns are plain without them
    for x in _places(lines, height):
        parts, beside = _bands(lines, rows, x, height)
        if beside > most:
            best, most = parts, beside
            if most > 0.9 * len(lines):
                break
    return best


def _apart(lines: list[_Line], height: float) -> list[list[_Line]] | None:
    """Part a few lines far above or below all others, such as a page number under the middle column."""
    low = -inf
    for at, line in enumerate(lines):
        if line.middle - line.height / 2 - low > _FAR * height and at > 0 and min(at, len(lines) - at) <= _FEW:
            return [lines[:at], lines[at:]]
        low = max(low, line.middle + line.height / 2)
    return None


def _places(lines: list[_Line], height: float) -> list[float]:
    """Where gutters may end: left of where several lines begin, or right of where several end."""
    unit = height / 2
    starts = Counter(round(line.left / unit) for line in lines)
    ends = Counter(round(line.right / unit) for line in lines)
    first, last = min(starts), max(ends)
    least = max(3, 0.08 * len(lines))
    found = set()
    for edges, side in ((starts, -0.5), (ends, 0.5)):
        near = {edge: edges[edge] + edges[edge + 1] for edge in edges if first < edge < last}
        popular = sorted((edge for edge in near if near[edge] >= least), key=lambda edge: (-near[edge], edge))
        found |= {(edge + side) * unit for edge in popular[:_CANDIDATES]}
    return sorted(found)


def _bands(
    lines: list[_Line], rows: Callable[[], list[list[_Line]]], x: float, height: float
) -> tuple[list[list[_Line]], int]:
    """Cut at x: the parts in reading order, and how many lines stand in true columns."""
    parts: list[list[_Line]] = []
    across: list[_Line] = []  # what is no column: read on as a region of its own
    left: list[_Line] = []
    right: list[_Line] = []
    beside = 0

    def close() -> None:
        nonlocal across, left, right, beside
        if _are_columns(left, right, rows, height):
            beside += len(left) + len(right)
            if across:
                parts.append(across)
            parts.extend((left, right))
            across = []
        else:
            across = across + left + right
        left, right = [], []

    crossing = [line.middle for line in lines if line.left < x < line.right]
    at = 0
    for line in lines:
        while at < len(crossing) - 1 and crossing[at] < line.middle - 0.35 * height:
            at += 1
        if crossing and abs(crossing[at] - line.middle) <= 0.35 * height:
            if left or right:
                close()
            across.append(line)  # what stands beside a line across is no column either
        elif line.right <= x:
            left.append(line)
        else:
            right.append(line)
    close()
    if across:
        parts.append(sorted(across, key=lambda line: line.middle))
    return parts, beside


def _are_columns(left: list[_Line], right: list[_Line], rows: Callable[[], list[list[_Line]]], height: float) -> bool:
    if len(left) < 2 or len(right) < 2 or len(left) + len(right) < _LEAST:
        return False
    gap = min(line.left for line in right) - max(line.right for line in left)
    if gap < _GUTTER * height:
        return False
    shared = min(left[-1].middle, right[-1].middle) - max(left[0].middle, right[0].middle)
    if shared < height:
        return False  # one below the other
    if all(_is_prose(side, height) for side in (left, right)):
        return True
    return min(len(left), len(right)) >= 3 and _aligned(left, right, rows(), height) < 0.75


def _is_prose(lines: list[_Line], height: float) -> bool:
    """Whether most lines are long, and fill the room between the sides (of one column or several)."""
    widths = sorted(line.right - line.left for line in lines)
    if widths[len(widths) // 2] < 9 * height:
        return False
    width = max(line.right for line in lines) - min(line.left for line in lines)
    rows, last = 0, -inf
    for line in lines:
        if line.middle - last > 0.5 * height:
            rows, last = rows + 1, line.middle
    return sum(widths) >= 0.7 * rows * width


def _aligned(left: list[_Line], right: list[_Line], rows: list[list[_Line]], height: float) -> float:
    """The share of the rows of the shorter column that go on at the same height in the other one."""
    sides = {id(line): 0 for line in left} | {id(line): 1 for line in right}
    held = [0, 0]
    paired = 0
    for row in rows:
        last: _Line | None = None
        there = [False, False]
        for line in row:
            side = sides.get(id(line))
            if side is None:
                continue
            there[side] = True
            if side == 1 and last is not None and sides[id(last)] == 0:
                paired += abs(line.middle - last.middle) <= 0.35 * height
            last = line
        held[0] += there[0]
        held[1] += there[1]
    return paired / max(min(held), 1)


def _blocks(lines: list[_Line], height: float) -> list[list[int]]:
    """One column: rows from top to bottom, parted where there is more room between them than elsewhere."""
    found: list[list[int]] = []
    rows = _rows(lines, height)
    tops = [min(line.middle - line.height / 2 for line in row) for row in rows]
    bottoms = [max(line.middle + line.height / 2 for line in row) for row in rows]
    gaps = [max(top - bottom, 0.0) for top, bottom in zip(tops[1:], bottoms, strict=False)]
    usual = median(gaps) if gaps else 0.0
    for at, row in enumerate(rows):
        if at == 0 or gaps[at - 1] > max(1.8 * usual, 0.6 * height):
            found.append([])
        for line in row:
            found[-1] += line.members
    return found
