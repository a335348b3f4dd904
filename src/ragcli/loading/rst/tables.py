"""Tables of reStructuredText that are drawn with characters: grids, and columns under ``===``."""

from __future__ import annotations

import bisect
import heapq
import re
import unicodedata
from collections.abc import Sequence

SIMPLE = re.compile(r"=+(?: +=+)+ *$")
GRID = re.compile(r"\+[-=]+(?:\+[-=]+)*\+ *$")
_SPAN = re.compile(r"-+(?: +-+)* *$")
_STEPS = 60  # characters that may be looked at for each one of a grid
_PAD = "\0"  # stands after a character that takes two columns

Cell = tuple[list[str], int, int]  # lines, columns, rows


def wide(char: str) -> bool:
    """Whether a character takes two columns."""
    return char >= "\u1100" and unicodedata.east_asian_width(char) in "WF"


def width(text: str) -> int:
    """The columns that a text takes."""
    return len(text) + sum(map(wide, text))


def _padded(line: str) -> str:
    return line if line.isascii() else "".join(char + _PAD if wide(char) else char for char in line)


def simple(lines: Sequence[str], at: int) -> tuple[list[list[Cell]], int] | None:
    """Read a table whose columns are marked by ``===``; return its rows and the line after it.

    None where no such line ends it.
    """
    starts = [match.start() for match in re.finditer("=+", lines[at])]
    end = _end_of_simple(lines, at)
    if end is None:
        return None
    rows: list[list[Cell]] = []
    for line in lines[at + 1 : end]:
        line = _padded(line.rstrip())
        if not line.strip() or SIMPLE.match(line):
            continue
        if _SPAN.match(line) and rows and len(line) > 1 and "--" in line:
            rows[-1] = _merged(rows[-1], starts, [match.start() for match in re.finditer("-+", line)])
            continue
        cells = [line[start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=True)]
        crossing = [column for column in range(1, len(starts)) if line[starts[column] - 1 : starts[column]].strip(" ")]
        for column in crossing:  # text over the border of two columns: they are one here
            cells[column - 1], cells[column] = cells[column - 1] + cells[column], ""
        texts = [cell.replace(_PAD, "").strip() for cell in cells]
        if not texts[0] and rows:
            for column, text in enumerate(texts):
                if text:
                    rows[-1][min(column, len(rows[-1]) - 1)][0].append(text)
        else:
            rows.append([([text], 1, 1) for text in texts])
    return rows, end + 1


def _end_of_simple(lines: Sequence[str], first: int) -> int | None:
    """The line that ends a simple table: the second border after the first, or one before a blank line."""
    found = None
    for at in range(first + 1, len(lines)):
        if SIMPLE.match(lines[at]):
            if found is not None or at + 1 >= len(lines) or not lines[at + 1].strip():
                return at
            found = at
    return found


def _merged(row: list[Cell], starts: list[int], spans: list[int]) -> list[Cell]:
    """Join the cells of a row that one line of ``---`` underlines."""
    out: list[Cell] = []
    for at, cell in enumerate(row):
        if starts[at] in spans or not out:
            out.append(cell)
        else:
            lines, columns, deep = out[-1]
            joined = [f"{one} {two}".strip() for one, two in zip(lines, cell[0], strict=False)]
            out[-1] = (joined, columns + 1, deep)
    return out


def grid(lines: Sequence[str], at: int) -> tuple[list[list[Cell]], int] | None:
    """Read a grid table; return its rows and the line after it; None where it is no whole grid."""
    end = at
    while end < len(lines) and lines[end][:1] in ("+", "|"):
        end += 1
    while end > at and not GRID.match(lines[end - 1]):
        end -= 1
    block = [_padded(line.rstrip()) for line in lines[at:end]]
    if end < at + 3:
        return None
    columns = max(map(len, block))
    block = [line.ljust(columns) for line in block]
    found = _Grid([line.replace("=", "-") if GRID.match(line) else line for line in block]).cells()
    if found is None:
        return None
    tops = sorted({top for top, _, _, _ in found})
    lefts = sorted({left for _, left, _, _ in found})
    row_of = {top: at for at, top in enumerate(tops)}
    rows: list[list[Cell]] = [[] for _ in tops]
    for top, left, bottom, right in sorted(found):
        text = [block[at][left + 1 : right].replace(_PAD, "").rstrip() for at in range(top + 1, bottom)]
        wide_by = bisect.bisect_left(lefts, right) - bisect.bisect_left(lefts, left)
        deep_by = bisect.bisect_left(tops, bottom) - row_of[top]
        rows[row_of[top]].append((text, wide_by, deep_by))
    return rows, end


class _Grid:
    """Finds the cells of a grid by walking their borders, as docutils does."""

    def __init__(self, block: list[str]) -> None:
        self._block = block
        self._bottom = len(block) - 1
        self._right = len(block[0]) - 1
        self._budget = _STEPS * len(block) * len(block[0])

    def cells(self) -> list[tuple[int, int, int, int]] | None:
        """Return (top, left, bottom, right) of each cell; None where the borders do not close."""
        done = [-1] * len(self._block[0])  # for each column, the last line that a cell covers
        corners = [(0, 0)]
        found: list[tuple[int, int, int, int]] = []
        seen: set[tuple[int, int]] = set()
        while corners:
            top, left = heapq.heappop(corners)
            if (top, left) in seen or top == self._bottom or left == self._right or top <= done[left]:
                continue
            seen.add((top, left))
            cell = self._cell(top, left)
            if self._budget < 0 or len(found) > 100_000:
                return None
            if cell is None:
                continue
            bottom, right = cell
            for at in range(left, right):
                done[at] = bottom - 1
            found.append((top, left, bottom, right))
            heapq.heappush(corners, (top, right))
            heapq.heappush(corners, (bottom, left))
        covered = all(line >= self._bottom - 1 for line in done[: self._right])
        return found if found and covered else None

    def _cell(self, top: int, left: int) -> tuple[int, int] | None:
        line = self._block[top]
        if line[left] != "+":
            return None
        for right in range(left + 1, self._right + 1):
            self._budget -= 1
            if line[right] == "+":
                bottom = self._down(top, left, right)
                if bottom is not None:
                    return bottom, right
            elif line[right] != "-":
                return None
        return None

    def _down(self, top: int, left: int, right: int) -> int | None:
        for bottom in range(top + 1, self._bottom + 1):
            self._budget -= 1
            if self._budget < 0:
                return None
            char = self._block[bottom][right]
            if char == "+":
                edge = self._block[bottom][left : right + 1]
                self._budget -= len(edge)
                if edge[0] == "+" and not edge.strip("+-") and self._is_left(top, bottom, left):
                    return bottom
            elif char != "|":
                return None
        return None

    def _is_left(self, top: int, bottom: int, left: int) -> bool:
        self._budget -= bottom - top
        return all(self._block[at][left] in "+|" for at in range(top, bottom))
