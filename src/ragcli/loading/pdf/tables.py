"""Tables of a PDF page: those with ruled lines, and those whose cells plainly stand in columns.

Precision comes before recall: what is not surely a table stays lines of text. Prose in two columns, code, lists
and tables of contents are none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ragcli.loading.layout import Box, rows
from ragcli.loading.markup import table
from ragcli.loading.pdf.chars import Chars, Piece
from ragcli.loading.pdf.lines import joined
from ragcli.loading.pdf.rules import Grid

_LONGEST_CELL = 1500  # characters: beyond it the rules frame text
_TRIES = 6  # rows to leave out at the start of what is no table as a whole
_MOST_CELLS = 20_000


class Found(NamedTuple):
    """Tables of a page, and the pieces that lie in none."""

    tables: list[Piece]
    rest: list[Piece]


def ruled(chars: Chars, grids: Sequence[Grid]) -> Found:
    """Fill the grids of a page with its text."""
    rest = chars.pieces
    tables = []
    for grid in grids:
        inside: list[Piece] = []
        outside: list[Piece] = []
        for piece in rest:
            middle = (piece.left + piece.right) / 2
            held = grid.left - 1 < middle < grid.right + 1 and grid.top - 1 < piece.middle < grid.bottom + 1
            (inside if held else outside).append(piece)
        filled = _filled(chars, grid, inside) if len(inside) > 2 else None
        if filled:
            first, last = min(one.first for one in inside), max(one.last for one in inside)
            size = sorted(one.size for one in inside)[len(inside) // 2]
            tables.append(Piece(grid.left, grid.top, grid.right, grid.bottom, filled, size, first, last))
            at = next((n for n, one in enumerate(outside) if one.first > first), len(outside))
            rest = [*outside[:at], tables[-1], *outside[at:]]  # where its first cell was drawn
    return Found(tables, rest)


def _filled(chars: Chars, grid: Grid, inside: list[Piece]) -> str:
    cells: dict[tuple[int, int], list[Piece]] = {}
    for piece in inside:
        for part in _cut(chars, grid, piece):
            cells.setdefault(grid.cell((part.left + part.right) / 2, part.middle), []).append(part)
    height, width = len(grid.ys) - 1, len(grid.xs) - 1
    if height * width > _MOST_CELLS:
        return ""
    texts = {place: cell_text(parts) for place, parts in cells.items()}
    if max(map(len, texts.values()), default=0) > _LONGEST_CELL:
        return ""
    lines = [[texts.get((row, column), "") for column in range(width)] for row in range(height)]
    lines = [line for line in lines if any(line)]
    full = [column for column in range(width) if any(line[column] for line in lines)]
    lines = [[line[column] for column in full] for line in lines]
    several = sum(sum(map(bool, line)) > 1 for line in lines)
    if len(lines) < 2 or len(full) < 2 or several < max(1, len(lines) * 0.3):
        return ""
    if len(full) > 4 and sum(map(bool, texts.values())) < 0.25 * len({one for row in grid.owner for one in row}):
        return ""  # boxes of a drawing
    return table(lines)


def cell_text(parts: list[Piece]) -> str:
    """The text of a cell: its rows from the top, joined."""
    if len(parts) == 1:
        return parts[0].text.strip()
    boxes = [Box(part.left, part.top, part.right, part.bottom) for part in parts]
    return joined([" ".join(parts[at].text.strip() for at in row) for row in rows(boxes)])


def _cut(chars: Chars, grid: Grid, piece: Piece) -> list[Piece]:
    """Cut a piece at the rules that run through it."""
    edges = [x for x in grid.edges(piece.middle) if piece.left + 0.3 * piece.size < x < piece.right - 0.3 * piece.size]
    if not edges or piece.last > len(chars.text):
        return [piece]
    parts: list[Piece] = []
    boxes = chars.boxes(range(piece.first, piece.last))
    middles = ((boxes[:, 0] + boxes[:, 2]) / 2).tolist()
    sides = [sum(edge < x for edge in edges) for x in middles]
    start = 0
    text = chars.text[piece.first : piece.last]
    for at in range(1, len(sides) + 1):
        if at < len(sides) and (sides[at] == sides[start] or text[at].isspace()):
            continue
        said = chars.said(" ".join(text[start:at].split()))
        if said:
            held = boxes[start:at]
            left, right = float(held[:, 0].min()), float(held[:, 2].max())
            first = piece.first + start
            parts.append(Piece(left, piece.top, right, piece.bottom, said, piece.size, first, piece.first + at))
        start = at
    return parts


_FIGURES = re.compile(r"[\d ]+$")
_SAYS = re.compile(r"\w")
_LETTERS = re.compile(r"[^\W\d_]")
_MARK = re.compile(r"(?:[•●▪◦‣○■□–—*·-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)、:]?|\[\d+\])$")
_LEADER = re.compile(r"(?:\. ?){4,}|…{2,}|·{4,}")
_SECTION = re.compile(r"(?:[A-Z]|\d{1,2})(?:\.\d{1,2})*\.?$|$")
_NUMBER = re.compile(r"[-+(]?[$€¥£]?[\d.,/%:() –-]*\d[\d.,/%:() –-]*$|[–—-]$")


def aligned(pieces: list[Piece]) -> Found:
    """Find tables without rules: three rows or more whose cells stand in the same columns."""
    usable = [piece for piece in pieces if piece.text.strip() and "\n" not in piece.text]
    boxes = [Box(piece.left, piece.top, piece.right, piece.bottom) for piece in usable]
    lines = [_merged([usable[at] for at in row]) for row in rows(boxes)]
    tables: list[Piece] = []
    used: set[int] = set()
    start = tried = 0
    while start < len(lines):
        end, columns = _run(lines, start)
        written = _written(lines[start:end], columns) if end - start >= 3 else ""
        if written:
            held = [piece for line in lines[start:end] for cell in line for piece in cell]
            used |= {id(piece) for piece in held}
            tables.append(_as_piece(held, written))
        elif end - start >= 3 and tried < _TRIES:  # its first rows may be of something else
            tried += 1
            start += 1
            continue
        start, tried = max(end, start + 1), 0
    if not tables:
        return Found([], pieces)
    rest = [piece for piece in pieces if id(piece) not in used]
    for one in tables:
        at = next((n for n, piece in enumerate(rest) if piece.first > one.first), len(rest))
        rest.insert(at, one)
    return Found(tables, rest)


def _as_piece(held: list[Piece], written: str) -> Piece:
    return Piece(
        min(one.left for one in held),
        min(one.top for one in held),
        max(one.right for one in held),
        max(one.bottom for one in held),
        written,
        sorted(one.size for one in held)[len(held) // 2],
        min(one.first for one in held),
        max(one.last for one in held),
    )


Cell = list[Piece]


def _merged(row: list[Piece]) -> list[Cell]:
    """The cells of a row: pieces with next to no room between them are one."""
    cells: list[Cell] = []
    for piece in row:
        if cells and piece.left - cells[-1][-1].right < 0.8 * min(piece.size, cells[-1][-1].size):
            cells[-1].append(piece)
        else:
            cells.append([piece])
    return cells


def _run(lines: list[list[Cell]], start: int) -> tuple[int, list[tuple[float, float]]]:
    """How far rows go on in the same columns, and these columns."""
    columns = [(cell[0].left, cell[-1].right) for cell in lines[start]]
    if len(columns) < 2:
        return start, columns
    end = start + 1
    while end < len(lines):
        line = lines[end]
        last, size = lines[end - 1][0][0], line[0][0].size
        if line[0][0].middle - last.middle > 2.6 * max(size, last.size):
            break
        grown = _grown(columns, line)
        if len(grown) < 2 or len(grown) < len(columns) or (len(line) < 2 and not _within(line, columns)):
            break
        if len(grown) > len(columns) and end - start > 3:
            break
        columns = grown
        end += 1
    while end > start and len(lines[end - 1]) < 2:
        end -= 1
    return end, columns


def _grown(columns: list[tuple[float, float]], line: list[Cell]) -> list[tuple[float, float]]:
    """The columns, widened by the cells of a line; columns that a cell joins become one."""
    spans = sorted([*columns, *((cell[0].left, cell[-1].right) for cell in line)])
    room = 0.4 * line[0][0].size
    out = [spans[0]]
    for left, right in spans[1:]:
        if left < out[-1][1] + room:
            out[-1] = (out[-1][0], max(out[-1][1], right))
        else:
            out.append((left, right))
    return out


def _within(line: list[Cell], columns: list[tuple[float, float]]) -> bool:
    left, right = line[0][0].left, line[-1][-1].right
    return any(a - 2 <= left and right <= b + 2 for a, b in columns)


def _written(lines: list[list[Cell]], columns: list[tuple[float, float]]) -> str:
    """The run as Markdown, unless it is more likely something else."""
    between = [(one[1] + other[0]) / 2 for one, other in pairwise(columns)]  # nearer to the one, or to the other
    grid: list[list[str]] = []
    for line in lines:
        cells = [""] * len(columns)
        for cell in line:
            middle = (cell[0].left + cell[-1].right) / 2
            at = bisect_right(between, middle)
            text = joined([piece.text.strip() for piece in cell])
            cells[at] = f"{cells[at]} {text}".strip()
        grid.append(cells)
    if not _is_table(grid) or _is_prose(lines, columns) or _is_monospaced(lines):
        return ""
    return table(_numbers_apart(grid))


def _is_table(grid: list[list[str]]) -> bool:
    """Whether rows of cells are more likely a table than prose, a list, or a table of contents."""
    width, height = len(grid[0]), len(grid)
    full = [sum(map(bool, cells)) for cells in grid]
    if sum(n >= 2 for n in full) < max(3, 0.7 * height) or sum(full) < 0.6 * width * height:
        return False
    if width > 2 and sum(n >= width - 1 for n in full) < 0.5 * height:
        return False
    said = [cell for cells in grid for cell in cells if cell]
    letters = sum(map(len, said))
    if letters > 40 * len(said) or max(map(len, said)) > 200:
        return False  # prose
    if any(not _SAYS.search("".join(cells[at] for cells in grid)) for at in range(width)):
        return False  # a column of marks only
    if _is_contents(grid):
        return False
    if width > 2:
        return True
    first = [cells[0] for cells in grid if cells[0]]
    if sum(bool(_MARK.match(cell)) for cell in first) > 0.5 * len(first):
        return False  # a list, or numbered lines
    if not _LETTERS.search("".join(said)):
        return False
    numbers = sum(bool(_NUMBER.match(cell)) for cell in said)
    return numbers >= 0.3 * len(said) or (height >= 4 and letters <= 25 * len(said))


def _is_prose(lines: list[list[Cell]], columns: list[tuple[float, float]]) -> bool:
    """Whether two columns or more are text that fills them from side to side."""
    found = 0
    for left, right in columns:
        cells = [cell for line in lines for cell in line if left <= (cell[0].left + cell[-1].right) / 2 <= right]
        if len(cells) >= 3 and right - left > 9 * cells[0][0].size:
            full = sum(cell[-1].right - cell[0].left > 0.8 * (right - left) for cell in cells)
            found += full >= 0.7 * len(cells)
    return found >= 2


def _is_contents(grid: list[list[str]]) -> bool:
    """Whether rows lead to a page number, by dots or between a section's number and one that only grows."""
    led = [cells for cells in grid if any(map(_LEADER.search, cells))]
    few = [cells for cells in led if sum(_NUMBER.match(cell) is not None for cell in cells) < 4]
    if len(led) > 0.3 * len(grid) and len(few) > 0.5 * len(led):
        return True
    pages = [int(cells[-1]) if cells[-1].isdecimal() and len(cells[-1]) < 6 else -1 for cells in grid]
    sections = [_SECTION.match(cells[0]) is not None for cells in grid]
    return len(grid[0]) == 3 and min(pages) >= 0 and pages == sorted(pages) and sum(sections) > 0.8 * len(grid)


def _numbers_apart(grid: list[list[str]]) -> list[list[str]]:
    """Split columns of several numbers a cell, which stand too close to be told apart by room."""
    out: list[list[str]] = [[] for _ in grid]
    for at in range(len(grid[0])):
        cells = [row[at].split() for row in grid]
        counts = Counter(len(cell) for cell in cells if cell and all(map(_NUMBER.match, cell)))
        often, number = counts.most_common(1)[0] if counts else (1, 0)
        apart = often > 1 and number >= 3 and number >= 0.7 * sum(map(bool, cells))
        for row, cell in zip(out, cells, strict=True):
            if not apart:
                row.append(" ".join(cell))
            elif len(cell) == often:
                row += cell
            else:
                row += [" ".join(cell), *[""] * (often - 1)]
    return out


def _is_monospaced(lines: list[list[Cell]]) -> bool:
    """Whether all characters are of one width: code, or what a terminal shows."""
    widths = [
        (piece.right - piece.left) / len(piece.text)
        for line in lines
        for cell in line
        for piece in cell
        if len(piece.text) >= 4 and piece.text.isascii()
        if len(set(piece.text)) >= 3 and not _FIGURES.match(piece.text)
    ]
    pieces = sum(_LETTERS.search(piece.text) is not None for line in lines for cell in line for piece in cell)
    return len(widths) >= max(3, 0.4 * pieces) and max(widths) - min(widths) < 0.04 * max(widths)
