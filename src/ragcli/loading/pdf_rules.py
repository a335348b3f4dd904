"""The ruled lines of a PDF page, and the grids that they form."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragcli.loading.pdf_chars import address, raw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pypdfium2 import PdfPage

    Floats = NDArray[np.float32]

_THIN = 3.5  # points: a rectangle this thin is a line
_NEAR = 2.5  # points between lines that touch
_MOST_OBJECTS = 20_000
_MOST_LINES = 1_500
_MOST_SEGMENTS = 4_000


@dataclass(slots=True)
class Grid:
    """Cells between ruled lines; cells without a line between them are one."""

    xs: list[float]
    ys: list[float]
    owner: list[list[tuple[int, int]]] = field(default_factory=list)  # of each cell: the first of those it is one with

    @property
    def left(self) -> float:
        """The left side."""
        return self.xs[0]

    @property
    def right(self) -> float:
        """The right side."""
        return self.xs[-1]

    @property
    def top(self) -> float:
        """The upper side."""
        return self.ys[0]

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.ys[-1]

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """The row and the column of the cell that holds a point."""
        return self.owner[_between(self.ys, y)][_between(self.xs, x)]

    def edges(self, y: float) -> list[float]:
        """Where cells of the row at this height meet."""
        row = self.owner[_between(self.ys, y)]
        return [self.xs[at] for at in range(1, len(row)) if row[at] != row[at - 1]]


def _between(edges: list[float], value: float) -> int:
    from bisect import bisect_right

    return min(max(bisect_right(edges, value) - 1, 0), len(edges) - 2)


def drawn(page: PdfPage) -> tuple[int, int, list[tuple[float, float, float, float]]]:
    """How many pictures and drawings a page has, and the boxes of what may be ruled lines: y grows upwards."""
    import pypdfium2.raw as pdfium

    pictures = paths = 0
    boxes: list[tuple[float, float, float, float]] = []
    for kind, item, matrix in _objects(page):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures += 1
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            paths += 1
            if len(boxes) < 4 * _MOST_LINES:
                boxes += _strokes(item, matrix)
        elif kind == pdfium.FPDF_PAGEOBJ_SHADING:
            paths += 1
    return pictures, paths, boxes


Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1, 0, 0, 1, 0, 0)


def _objects(page: PdfPage) -> Iterator[tuple[int, Any, Matrix]]:
    """The objects of a page but for text, those inside forms too."""
    import pypdfium2.raw as pdfium

    left = _MOST_OBJECTS
    kind_of = raw("FPDFPageObj_GetType")
    holders: list[tuple[Any, Matrix, int]] = [(None, _SAME, 0)]
    while holders:
        holder, matrix, depth = holders.pop()
        if holder:
            count, get, of = raw("FPDFFormObj_CountObjects")(holder), "FPDFFormObj_GetObject", holder
        else:
            count, get, of = pdfium.FPDFPage_CountObjects(page), "FPDFPage_GetObject", address(page)
        take = raw(get, ctypes.c_void_p, ctypes.c_int)
        for at in range(min(count, left)):
            item = take(of, at)
            kind = kind_of(item)
            left -= 1
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                continue
            if kind != pdfium.FPDF_PAGEOBJ_FORM:
                yield kind, item, matrix
            elif depth < 4:
                form = ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)
                holders.append((item, _product(_matrix(form), matrix), depth + 1))
        if left <= 0:
            return


def _matrix(item: Any) -> Matrix:
    import pypdfium2.raw as pdfium

    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return _SAME
    return found.a, found.b, found.c, found.d, found.e, found.f


def _product(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _buffers(kind: Any, count: int) -> tuple[list[Any], list[int]]:
    """Variables that PDFium writes into, made once, and where they are."""
    variables = [kind() for _ in range(count)]
    return variables, [ctypes.addressof(one) for one in variables]


_INTS = _buffers(ctypes.c_int, 2)
_FLOATS = _buffers(ctypes.c_float, 4)


def _strokes(item: Any, matrix: Matrix) -> list[tuple[float, float, float, float]]:
    """The boxes of a path: of the whole, where it is a line or a rectangle, else of its straight segments."""
    import pypdfium2.raw as pdfium

    count = raw("FPDFPath_CountSegments")(item)
    if count < 2 or count > _MOST_SEGMENTS:
        return []
    (mode, stroked), at_mode = _INTS
    raw("FPDFPath_GetDrawMode", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(item, *at_mode)
    if not mode.value and not stroked.value:
        return []
    if count <= 6:
        sides, at_sides = _FLOATS
        if not raw("FPDFPageObj_GetBounds", ctypes.c_int, *[ctypes.c_void_p] * 4)(item, *at_sides):
            return []
        left, bottom, right, top = (side.value for side in sides)
        box = (left, bottom, right, top)
        if matrix is not _SAME:
            box = _box(_at(left, bottom, matrix), _at(right, top, matrix))
        if count == 2 and box[2] - box[0] > _THIN and box[3] - box[1] > _THIN:
            return []  # it runs aslant
        return [box]
    boxes = []
    item = ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)
    whole = _product(_matrix(item), matrix)
    x, y = ctypes.c_float(), ctypes.c_float()
    last = start = (0.0, 0.0)
    for at in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, at)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = _at(x.value, y.value, whole)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            boxes.append(_box(last, point))
        last = point
        if pdfium.FPDFPathSegment_GetClose(segment):
            boxes.append(_box(last, start))
            last = start
    return [box for box in boxes if box[2] - box[0] <= _THIN or box[3] - box[1] <= _THIN]


def _at(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _box(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


Rule = tuple[float, float, float]  # where it stands, from, to


def grids(boxes: Floats) -> list[Grid]:
    """Find the grids that lines and rectangles form.

    Args:
        boxes: a row each: left, top, right, bottom; y grows downwards.
    """
    flat: list[Rule] = []
    upright: list[Rule] = []
    for left, top, right, bottom in boxes.tolist():
        width, height = right - left, bottom - top
        if height <= _THIN < width:
            flat.append(((top + bottom) / 2, left, right))
        elif width <= _THIN < height:
            upright.append(((left + right) / 2, top, bottom))
        elif width > _THIN and height > _THIN:
            flat += [(top, left, right), (bottom, left, right)]
            upright += [(left, top, bottom), (right, top, bottom)]
    flat, upright = _merged(flat), _merged(upright)
    if len(flat) < 2 or len(upright) < 2 or len(flat) + len(upright) > _MOST_LINES:
        return []
    found = []
    for some_flat, some_upright in _components(flat, upright):
        grid = _grid(some_flat, some_upright)
        if grid is not None:
            found.append(grid)
    return found


def _merged(rules: list[Rule]) -> list[Rule]:
    """Join lines that go on in each other, or lie on each other."""
    out: list[Rule] = []
    group: list[Rule] = []
    for rule in [*sorted(rules), (float("inf"), 0.0, 0.0)]:
        if group and rule[0] - group[0][0] > 1.5:
            place = sum(one[0] for one in group) / len(group)
            start, end = None, 0.0
            for _, a, b in sorted(group, key=lambda one: one[1]):
                if start is None:
                    start, end = a, b
                elif a <= end + _NEAR:
                    end = max(end, b)
                else:
                    out.append((place, start, end))
                    start, end = a, b
            if start is not None:
                out.append((place, start, end))
            group = []
        group.append(rule)
    return [rule for rule in out if rule[2] - rule[1] > _THIN]


def _components(flat: list[Rule], upright: list[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Lines that cross or touch belong together."""
    import numpy as np

    h, v = np.array(flat), np.array(upright)
    crossing = (
        (h[:, None, 1] - _NEAR <= v[None, :, 0])
        & (v[None, :, 0] <= h[:, None, 2] + _NEAR)
        & (v[None, :, 1] - _NEAR <= h[:, None, 0])
        & (h[:, None, 0] <= v[None, :, 2] + _NEAR)
    )
    unseen = set(range(len(flat)))
    while unseen:
        rows, columns = {unseen.pop()}, set()
        todo = list(rows)
        while todo:
            row = todo.pop()
            for column in np.flatnonzero(crossing[row]).tolist():
                if column not in columns:
                    columns.add(column)
                    fresh = [at for at in np.flatnonzero(crossing[:, column]).tolist() if at in unseen]
                    unseen.difference_update(fresh)
                    rows.update(fresh)
                    todo += fresh
        if len(rows) >= 2 and len(columns) >= 2:
            yield [flat[at] for at in rows], [upright[at] for at in columns]


def _grid(flat: list[Rule], upright: list[Rule]) -> Grid | None:
    xs = _places([rule[0] for rule in upright], [end for rule in flat for end in rule[1:]])
    ys = _places([rule[0] for rule in flat], [end for rule in upright for end in rule[1:]])
    width, height = len(xs) - 1, len(ys) - 1
    if width < 2 or height < 2 or width * height > 20_000:
        return None
    wall = [[False] * (width + 1) for _ in range(height)]  # a line on the left of a cell
    floor = [[False] * width for _ in range(height + 1)]  # a line above a cell
    for x, top, bottom in upright:
        column = min(range(width + 1), key=lambda at: abs(xs[at] - x))
        for row in range(height):
            wall[row][column] = wall[row][column] or top - 1 <= (ys[row] + ys[row + 1]) / 2 <= bottom + 1
    for y, left, right in flat:
        row = min(range(height + 1), key=lambda at: abs(ys[at] - y))
        for column in range(width):
            floor[row][column] = floor[row][column] or left - 1 <= (xs[column] + xs[column + 1]) / 2 <= right + 1
    owner = [[(-1, -1)] * width for _ in range(height)]
    for row in range(height):
        for column in range(width):
            if owner[row][column][0] >= 0:
                continue
            todo = [(row, column)]
            owner[row][column] = (row, column)
            while todo:
                r, c = todo.pop()
                near = (
                    (r, c + 1, c + 1 < width and not wall[r][c + 1]),
                    (r, c - 1, c > 0 and not wall[r][c]),
                    (r + 1, c, r + 1 < height and not floor[r + 1][c]),
                    (r - 1, c, r > 0 and not floor[r][c]),
                )
                for other_row, other_column, open_ in near:
                    if open_ and owner[other_row][other_column][0] < 0:
                        owner[other_row][other_column] = (row, column)
                        todo.append((other_row, other_column))
    return Grid(xs, ys, owner)


def _places(of_lines: list[float], of_ends: list[float]) -> list[float]:
    """Where lines stand, and the outermost ends of those that cross them, for tables open at the sides."""
    values = sorted([*of_lines, min(of_ends), max(of_ends)])
    out = [values[0]]
    for value in values[1:]:
        if value - out[-1] > _NEAR:
            out.append(value)
    return out
