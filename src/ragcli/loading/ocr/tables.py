"""Ruled tables in a picture: where their rules are, and which line stands in which cell."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.loading.layout import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZE = 1600  # pixels of the longer side of the copy that rules are looked for on
_RULE = 40  # the least length of a rule on it
_THICK = 9  # what is thicker on it is none
_MOST = 200  # rules of a table each way


class Grid(NamedTuple):
    """A table: where its rules stand, from left to right and from top to bottom, on the straightened page."""

    columns: list[float]
    rows: list[float]

    def cell(self, box: Box) -> tuple[int, int] | None:
        """The row and the column that a line stands in; None outside."""
        x, y = box.left + min(box.right - box.left, box.bottom - box.top) / 2, (box.top + box.bottom) / 2
        if not (self.columns[0] <= x < self.columns[-1] and self.rows[0] <= y < self.rows[-1]):
            return None
        return sum(rule <= y for rule in self.rows) - 1, sum(rule <= x for rule in self.columns) - 1


def find(image: NDArray[np.uint8], skew: float) -> list[Grid]:
    """Find the ruled tables of a page: two rows and two columns at least.

    Args:
        image: height x width x 3, uint8.
        skew: by how many radians its lines fall to the right.
    """
    import cv2
    import numpy as np

    high, wide = image.shape[:2]
    scale = min(1.0, _SIZE / max(high, wide))
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    if min(size) < 2 * _RULE:
        return []
    grey = cv2.cvtColor(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    if abs(skew) > 0.002:  # around the corner, as the boxes are
        turn = np.array([[math.cos(skew), math.sin(skew), 0], [-math.sin(skew), math.cos(skew), 0]])
        turn, size = _with_room(turn, size)
        grey = cv2.warpAffine(grey, turn, size, borderMode=cv2.BORDER_REPLICATE)
        shift = turn[:, 2]
    else:
        shift = np.zeros(2)
    if np.median(grey) < 128:
        grey = 255 - grey  # light on dark
    ink = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 12)
    ink = cv2.dilate(ink, np.ones((2, 2), np.uint8))
    ink &= 1 - cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((_THICK, _THICK), np.uint8))  # no rules: areas
    flat = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, _RULE), np.uint8))
    tall = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((_RULE, 1), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(cv2.dilate(flat | tall, np.ones((5, 5), np.uint8)))
    grids = []
    for label in range(1, count):
        left, top, across, down = (int(value) for value in facts[label, :4])
        if across < 2 * _RULE or down < _RULE // 2:
            continue
        inside = labels[top : top + down, left : left + across] == label
        columns = _rules((tall[top : top + down, left : left + across] & inside).sum(axis=0), down)
        rows = _rules((flat[top : top + down, left : left + across] & inside).sum(axis=1), across)
        if 3 <= len(columns) <= _MOST and 3 <= len(rows) <= _MOST:
            grids.append(
                Grid(
                    [(left + at - float(shift[0])) / scale for at in columns],
                    [(top + at - float(shift[1])) / scale for at in rows],
                )
            )
    return grids


def _with_room(turn: NDArray[np.float64], size: tuple[int, int]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Move a turn so that no corner of the page falls outside, and say how large the page is then."""
    import numpy as np

    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], size]) @ turn[:, :2].T
    least, most = corners.min(axis=0), corners.max(axis=0)
    moved = turn.copy()
    moved[:, 2] = -least
    return moved, (int(most[0] - least[0]) + 1, int(most[1] - least[1]) + 1)


def _rules(ink: Any, whole: int) -> list[float]:
    """The middles of runs where a rule is at least a fifth of the table long."""
    found: list[float] = []
    run: list[int] = []
    for at, amount in enumerate([*ink.tolist(), 0]):
        if amount > 0.2 * whole:
            run.append(at)
        elif run:
            middle = sum(run) / len(run)
            if len(run) < 2 * _THICK and (not found or middle - found[-1] > _THICK):
                found.append(middle)
            run = []
    return found


def split(quads: NDArray[np.float32], grids: list[Grid], skew: float) -> NDArray[np.float32]:
    """Cut lines that run across a rule between two columns of a table."""
    import numpy as np

    if not grids:
        return quads
    turn = np.array([[math.cos(skew), -math.sin(skew)], [math.sin(skew), math.cos(skew)]], np.float32)
    parts = []
    for quad in quads:
        straight = quad @ turn
        box = Box(*(float(v) for v in (*straight.min(axis=0), *straight.max(axis=0))))
        grid = next((grid for grid in grids if grid.cell(box)), None)
        room = 0.5 * (box.bottom - box.top)
        cuts = [x for x in grid.columns if box.left + room < x < box.right - room] if grid else []
        shares = [0.0, *((x - box.left) / (box.right - box.left) for x in cuts), 1.0]
        for start, end in pairwise(shares):
            top = quad[1] - quad[0]
            bottom = quad[2] - quad[3]
            parts.append([quad[0] + start * top, quad[0] + end * top, quad[3] + end * bottom, quad[3] + start * bottom])
    return np.array(parts, np.float32)
