"""The ruled lines of a PDF page, and the grids that they form."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.loading.pdf.chars import address, raw

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
_SIMPLE = 6  # segments of a line or a rectangle, at most
_DEEPEST = 4  # forms inside forms
_MARK = 12  # points: a drawing no larger is no ruled line


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


class Drawn(NamedTuple):
    """What is drawn on a page beside its text."""

    pictures: int
    paths: int
    boxes: Floats  # of what may be ruled lines, a row each: left, bottom, right, top; y grows upwards
    covered: float  # share of the page that its largest picture covers


def drawn(page: PdfPage) -> Drawn:
    """Count the pictures and drawings of a page, and find what may be ruled lines."""
    import numpy as np
    import pypdfium2.raw as pdfium

    left, bottom, right, top = page.get_bbox()
    whole = max((right - left) * (top - bottom), 1e-6)
    pictures = paths = 0
    covered = 0.0
    boxes: list[Floats] = []
    for items, kinds, matrix in _objects(page):
        paths += kinds.count(pdfium.FPDF_PAGEOBJ_PATH) + kinds.count(pdfium.FPDF_PAGEOBJ_SHADING)
        lines = [item for item, kind in zip(items, kinds, strict=True) if kind == pdfium.FPDF_PAGEOBJ_PATH]
        lines = lines[: max(0, 4 * _MOST_LINES - sum(map(len, boxes)))]
        if lines:
            boxes += _strokes(lines, matrix)
        images = [item for item, kind in zip(items, kinds, strict=True) if kind == pdfium.FPDF_PAGEOBJ_IMAGE]
        pictures += len(images)
        if images:
            at = _bounds(images, matrix)
            widths = np.minimum(at[:, 2], right) - np.maximum(at[:, 0], left)
            heights = np.minimum(at[:, 3], top) - np.maximum(at[:, 1], bottom)
            covered = max(covered, float((widths.clip(0) * heights.clip(0)).max()) / whole)
    return Drawn(pictures, paths, np.concatenate(boxes) if boxes else np.empty((0, 4), np.float32), covered)


Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1, 0, 0, 1, 0, 0)


def _objects(page: PdfPage) -> Iterator[tuple[list[int], list[int], Matrix]]:
    """The objects of a page and of each form on it: their handles, their kinds, and where they are put."""
    import pypdfium2.raw as pdfium

    left = _MOST_OBJECTS
    kind_of = raw("FPDFPageObj_GetType")
    holders: list[tuple[Any, Matrix, int]] = [(None, _SAME, 0)]
    while holders and left > 0:
        holder, matrix, depth = holders.pop()
        if holder:
            count, get, of = raw("FPDFFormObj_CountObjects")(holder), "FPDFFormObj_GetObject", holder
        else:
            count, get, of = pdfium.FPDFPage_CountObjects(page), "FPDFPage_GetObject", address(page)
        count = min(count, left)
        left -= count
        items = list(map(raw(get, ctypes.c_void_p, ctypes.c_int), repeat(of, count), range(count)))
        kinds = list(map(kind_of, items))
        yield items, kinds, matrix
        if depth < _DEEPEST and pdfium.FPDF_PAGEOBJ_FORM in kinds:
            for item, kind in zip(items, kinds, strict=True):
                if kind == pdfium.FPDF_PAGEOBJ_FORM:
                    holders.append((item, _product(_matrix(item), matrix), depth + 1))


def _matrix(item: int) -> Matrix:
    import pypdfium2.raw as pdfium

    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(ctypes.cast(item, pdfium.FPDF_PAGEOBJECT), found):
        return _SAME
    return found.a, found.b, found.c, found.d, found.e, found.f


def _product(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _strokes(items: list[int], matrix: Matrix) -> list[Floats]:
    """The boxes of paths: of the whole, where it is a line or a rectangle, else of its straight segments."""
    import numpy as np

    counts = np.fromiter(map(raw("FPDFPath_CountSegments"), items), np.int32, len(items))
    modes = np.zeros((len(items), 2), np.int32)  # how it is filled, and whether it is stroked
    first = modes.ctypes.data
    mode = raw("FPDFPath_GetDrawMode", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    ends = first + modes.nbytes
    deque(map(mode, items, range(first, ends, 8), range(first + 4, ends + 4, 8)), 0)
    shown = modes.any(axis=1)
    simple = shown & (counts >= 2) & (counts <= _SIMPLE)
    found: list[Floats] = []
    if simple.any():
        boxes = _bounds([items[at] for at in np.flatnonzero(simple).tolist()], matrix)
        wide = (boxes[:, 2] - boxes[:, 0] > _THIN) & (boxes[:, 3] - boxes[:, 1] > _THIN)
        found.append(boxes[~(wide & (counts[simple] == 2))])  # two points that are apart both ways run aslant
    drawings = np.flatnonzero(shown & (counts > _SIMPLE) & (counts <= _MOST_SEGMENTS))
    if len(drawings):  # most are letters drawn as curves, or marks
        boxes = _bounds([items[at] for at in drawings.tolist()], matrix)
        large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) > _MARK
        found += [_segments(items[at], int(counts[at]), matrix) for at in drawings[large].tolist()]
    return found


def _bounds(items: list[int], matrix: Matrix) -> Floats:
    """The boxes of objects on the page."""
    import numpy as np

    found = np.zeros((len(items), 4), np.float32)
    first = found.ctypes.data
    ends = first + found.nbytes
    bounds = raw("FPDFPageObj_GetBounds", ctypes.c_int, *[ctypes.c_void_p] * 4)
    deque(map(bounds, items, *(range(first + at, ends + at, 16) for at in (0, 4, 8, 12))), 0)
    found = _finite(found)
    if matrix is _SAME:
        return found
    return _between_points(_moved(found[:, :2], matrix), _moved(found[:, 2:], matrix))


def _segments(item: int, count: int, matrix: Matrix) -> Floats:
    """The boxes of the straight segments of a path that run level or upright."""
    import numpy as np
    import pypdfium2.raw as pdfium

    take = raw("FPDFPath_GetPathSegment", ctypes.c_void_p, ctypes.c_int)
    segments = list(map(take, repeat(item, count), range(count)))
    kinds = list(map(raw("FPDFPathSegment_GetType"), segments))
    closes = list(map(raw("FPDFPathSegment_GetClose"), segments))
    places = np.zeros((count, 2), np.float32)
    first = places.ctypes.data
    ends = first + places.nbytes
    point = raw("FPDFPathSegment_GetPoint", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    deque(map(point, segments, range(first, ends, 8), range(first + 4, ends + 4, 8)), 0)
    places = _moved(_finite(places), _product(_matrix(item), matrix))
    pairs: list[tuple[int, int]] = []
    start = 0
    for at, (kind, close) in enumerate(zip(kinds, closes, strict=True)):
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = at
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            pairs.append((at - 1 if at else at, at))
        if close:
            pairs.append((at, start))
    if not pairs:
        return np.empty((0, 4), np.float32)
    one, other = np.array(pairs).T
    boxes = _between_points(places[one], places[other])
    return boxes[(boxes[:, 2] - boxes[:, 0] <= _THIN) | (boxes[:, 3] - boxes[:, 1] <= _THIN)]


def _finite(values: Floats) -> Floats:
    import numpy as np

    return values if np.isfinite(values).all() else np.nan_to_num(values, nan=0.0, posinf=1e6, neginf=-1e6)


def _moved(points: Floats, matrix: Matrix) -> Floats:
    import numpy as np

    a, b, c, d, e, f = matrix
    return points @ np.array([[a, b], [c, d]], np.float32) + np.array([e, f], np.float32)


def _between_points(one: Floats, other: Floats) -> Floats:
    import numpy as np

    return np.concatenate((np.minimum(one, other), np.maximum(one, other)), axis=1)


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
