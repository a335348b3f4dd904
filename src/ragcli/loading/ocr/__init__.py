"""Text from pictures of text, with RapidOCR: an optional extra that carries its models and never needs the network.

Lines are found on a small copy of the page and read from the page itself, one by one: that is faster than batches,
which pad every line to the longest one, and threads share the lines. What the lines say together is put together
in `ocr_text`; ruled tables are found in `tables`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import MissingExtraError
from ragcli.loading.ocr.engine import Engine, available, engine, threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragcli.loading.ocr import tables
    from ragcli.loading.ocr.engine import Image, Quads

__all__ = ["Recognized", "available", "recognize", "threads"]

_SURE = 0.5  # lines below are noise; they still lower the confidence of the page
_AREA = 650_000  # pixels on which lines are looked for: A4 at 82 dots an inch
_MOST_AREA = 4_500_000  # pixels of the largest copy
_MARGIN = 24  # pixels around it: lines at the edge are found less well
_DPI = 82
_SMALL = 15.0  # lines lower than this, in pixels, are looked for again on a larger copy
_HIGH = 60.0  # lines of a page that is made smaller, in pixels; the model looks at 48
_TALL = 1.5  # a line this many times higher than wide may be turned, or written downwards
_LONG = 2.5  # a line this many times longer says which way a page runs
_CLEAR = 0.85  # lines are read as they should be
_LEAST = 8  # a picture as low or narrow as this holds no text
_DOTS = 4  # pixels unlike their neighbours: fewer are a blank page
_PARTS = 8  # places beside the lines that are looked at once more
_WIDEST = 80  # a line this many times longer than high is read in parts
_STRIP = 3.0  # a page this many times longer than wide is looked at in strips
_SAMPLE = 12  # lines that say which side is up
_FEW = 4  # of them are read
_ENOUGH = 20  # times as much of a line as it is high says which side is up


class Recognized(NamedTuple):
    """What stands in a picture.

    Args:
        text: in reading order, paragraphs apart by a blank line.
        confidence: from 0 to 1, the mean over its characters; 0 where nothing was found.
        lines: how many lines it has.
        angle: the clockwise turn that was undone, in degrees: 0, 90, 180 or 270.
    """

    text: str
    confidence: float
    lines: int
    angle: int


def recognize(image: Image, *, dpi: float | None = None) -> Recognized:
    """Read the text of a picture.

    Args:
        image: height x width x 3, uint8, RGB.
        dpi: its pixels an inch, where that is known.

    Raises:
        MissingExtraError: the extra is not installed.
        ModelError: the extra carries no models.
    """
    if not available():
        raise MissingExtraError("OCR", "ocr")
    from ragcli.loading.ocr import tables
    from ragcli.loading.ocr import text as ocr_text

    if min(image.shape[:2]) < _LEAST:
        return Recognized("", 0.0, 0, 0)
    models = engine()
    page = _turned(models, image, dpi)
    if not len(page.quads):
        return Recognized("", 0.0, 0, 0)
    image, quads = _shrunk(page.image, page.quads)
    skew = 0.0
    grids: list[tables.Grid] = []
    if not page.downwards:
        skew = _skew(quads)
        grids = tables.find(image, skew)
        quads = tables.split(quads, grids, skew)
    read = models.each(lambda quad: _read(models, image, quad), list(quads))
    boxes = ocr_text.boxes(quads.tolist(), skew, downwards=page.downwards)
    lines = [ocr_text.Line(text, box) for box, (text, sure) in zip(boxes, read, strict=True) if text and sure >= _SURE]
    weight = sum(len(text) for text, _ in read)
    confidence = sum(len(text) * sure for text, sure in read) / weight if lines else 0.0
    return Recognized(ocr_text.assemble(lines, grids), confidence, len(lines), page.turn * 90)


class _Page(NamedTuple):
    """A page the right way up.

    Args:
        image: its pixels.
        quads: where its lines are.
        turn: how many quarters it had been turned, clockwise.
        downwards: its lines are written from top to bottom.
    """

    image: Image
    quads: Quads
    turn: int = 0
    downwards: bool = False


def _find(models: Engine, image: Image, dpi: float | None) -> Quads:
    """Return where the lines of a page are; of a very long one, strip by strip."""
    import numpy as np

    high, wide = image.shape[:2]
    if high <= _STRIP * wide or high < 2000:
        return _find_in(models, image, dpi)
    found = []
    top = 0
    while top < high:
        bottom = high if top + 1.5 * _STRIP * wide >= high else _blank_row(image, top + int((_STRIP - 1) * wide), wide)
        quads = _find_in(models, image[top:bottom], dpi)
        found.append(quads + np.array([0, top], np.float32))
        top = bottom
    return np.concatenate(found)


def _blank_row(image: Image, start: int, room: int) -> int:
    """Return the row with the least on it, of those from a start on."""
    import numpy as np

    changes = np.abs(np.diff(image[start : start + room, :, 1].astype(np.int16), axis=1)).mean(axis=1)
    return start + int(np.convolve(changes, np.ones(9), "same").argmin())


def _find_in(models: Engine, image: Image, dpi: float | None) -> Quads:
    import numpy as np

    high, wide = image.shape[:2]
    least = math.sqrt(_AREA / (high * wide))
    scale = min(least if dpi is None else min(max(_DPI / dpi, least), 2 * least), 1.5)
    edges = _edges(image, scale)
    if (edges > 8).sum() < _DOTS:
        return np.empty((0, 4, 2), np.float32)
    quads = _find_at(models, image, scale)
    usual = _usual(quads) * scale if len(quads) else _SMALL
    if usual < _SMALL and scale < 1.5:
        larger = min(scale * min(1.6 * _SMALL / usual, 2.5), 2.0)
        if (high * larger + 2 * _MARGIN) * (wide * larger + 2 * _MARGIN) <= _MOST_AREA:
            again = _find_at(models, image, larger)
            if len(again) >= len(quads):
                quads = again
    found = [quads]
    for left, top, right, bottom in _missed(edges, quads * scale):
        part = image[int(top / scale) : math.ceil(bottom / scale), int(left / scale) : math.ceil(right / scale)]
        if min(part.shape[:2]) > _LEAST:
            found.append(_find_at(models, part, scale) + np.array([int(left / scale), int(top / scale)], np.float32))
    return np.concatenate(found)


def _missed(edges: NDArray[np.int16], quads: Quads) -> list[tuple[int, int, int, int]]:
    """Return boxes (left, top, right, bottom) around what stands out far from lines: one alone is often missed."""
    import cv2
    import numpy as np

    rest = (edges > (30 if (edges > 30).sum() >= 10 * _DOTS else 8)).astype(np.uint8)
    lines = np.zeros_like(rest)
    cv2.fillPoly(lines, [quad.astype(np.int32) for quad in quads], 1)
    rest[lines > 0] = 0
    joined = cv2.dilate(rest, np.ones((9, 25), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(joined)
    amounts = np.bincount(labels.ravel(), weights=rest.ravel(), minlength=count)
    found = []
    for label in sorted(range(1, count), key=lambda label: -amounts[label])[:_PARTS]:
        left, top, across, down = (int(value) for value in facts[label, :4])
        right, bottom = min(edges.shape[1], left + across + 8), min(edges.shape[0], top + down + 8)
        left, top = max(0, left - 8), max(0, top - 8)
        ink = rest[top:bottom, left:right] > 0
        thin, long = sorted((int(ink.any(axis=1).sum()), int(ink.any(axis=0).sum())))
        is_rule = thin <= 5 and long > 8 * thin
        is_one = amounts[label] >= 5 * _DOTS and across * down < 0.3 * edges.size
        if is_one and not is_rule and not lines[top:bottom, left:right].any():
            found.append((left, top, right, bottom))
    return found


def _find_at(models: Engine, image: Image, scale: float) -> Quads:
    """Return where lines are, looking at a copy of another size with a margin around it."""
    import cv2
    import numpy as np

    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    copy = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    edges = np.concatenate([copy[0], copy[-1], copy[:, 0], copy[:, -1]])
    colour = [int(value) for value in np.median(edges, axis=0)]
    copy = cv2.copyMakeBorder(copy, _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_CONSTANT, value=colour)
    factor = np.array([size[0] / image.shape[1], size[1] / image.shape[0]], np.float32)
    quads: Quads = (models.find(copy) - _MARGIN) / factor
    limits = np.array([image.shape[1] - 1, image.shape[0] - 1], np.float32)
    quads = np.clip(quads, 0, limits).astype(np.float32)
    sides = _sides(quads)
    return quads[(sides[0] > 3) & (sides[1] > 3)]


def _edges(image: Image, scale: float) -> NDArray[np.int16]:
    """How unlike their neighbours the pixels of a smaller copy are."""
    import cv2
    import numpy as np

    size = (max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale)))
    copy = cv2.resize(np.ascontiguousarray(image[:, :, 1]), size, interpolation=cv2.INTER_AREA).astype(np.int16)
    edges: NDArray[np.int16] = np.abs(np.diff(copy, axis=1))
    return edges


def _usual(quads: Quads) -> float:
    """How high lines are, mostly."""
    import numpy as np

    wide, high = _sides(quads)
    return float(np.median(np.where(wide < high, wide, high)))


def _sides(quads: Quads) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The widths and the heights."""
    import numpy as np

    return np.linalg.norm(quads[:, 0] - quads[:, 1], axis=1), np.linalg.norm(quads[:, 0] - quads[:, 3], axis=1)


def _turned(models: Engine, image: Image, dpi: float | None) -> _Page:
    """Find the lines of a page, and which side of it is up."""
    import numpy as np

    quads = _find(models, image, dpi)
    wide, high = _sides(quads)
    if high[high > _LONG * wide].sum() <= wide[wide > _LONG * high].sum():
        crops = _longest(image, quads)
        over = sum(models.is_over(crop) for crop in crops)
        if over * 4 > len(crops) and _sure(models, crops[:_FEW], 2) > _sure(models, crops[:_FEW], 0):
            return _Page(np.rot90(image, 2), _over(quads, image), 2)
        return _Page(image, quads)
    side = np.rot90(image)
    found = _find(models, side, dpi)
    crops = _longest(side, found)[:_FEW]
    columns = [_upended(crop) for crop in crops]
    left, right = _sure(models, crops, 0), _sure(models, crops, 2)
    if right > left:
        return _Page(np.rot90(side, 2), _over(found, side), 3)
    # Lines written downwards can be read lying on their left side, too; turned ones make no sense upended.
    if _sure(models, columns, 0) > min(_CLEAR, left):
        return _Page(image, quads, downwards=True)
    return _Page(side, found, 1)


def _over(quads: Quads, image: Image) -> Quads:
    """The places of lines after a page is turned by half."""
    import numpy as np

    corner = np.array([image.shape[1] - 1, image.shape[0] - 1], np.float32)
    return (corner - quads)[:, [2, 3, 0, 1]]


def _longest(image: Image, quads: Quads) -> list[Image]:
    """Cut out the beginnings of the longest lines, those with a few letters at least."""
    import numpy as np

    wide, high = _sides(quads)
    crops = [_cut(image, quads[at]) for at in np.argsort(-wide)[:_SAMPLE] if wide[at] > 2 * high[at]]
    return [crop[:, : _ENOUGH * crop.shape[0]] for crop in crops]


def _sure(models: Engine, crops: Sequence[Image], turn: int) -> float:
    """How surely lines are read after a number of quarter turns."""
    import numpy as np

    read = models.each(models.read, [np.rot90(crop, turn) for crop in crops])
    return sum(sure for _, sure in read) / len(read) if read else 0.0


def _shrunk(image: Image, quads: Quads) -> tuple[Image, Quads]:
    """A page with lines far higher than the model looks at (48 pixels) is made smaller once, and smoothly."""
    import cv2
    import numpy as np

    usual = _usual(quads)
    if usual <= 1.5 * _HIGH:
        return image, quads
    size = (max(1, round(image.shape[1] * _HIGH / usual)), max(1, round(image.shape[0] * _HIGH / usual)))
    factor = np.array([size[0] / image.shape[1], size[1] / image.shape[0]], np.float32)
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), quads * factor


def _skew(quads: Quads) -> float:
    """By how many radians lines fall to the right: the middle of all, weighted by length."""
    import numpy as np

    wide, high = _sides(quads)
    long = wide > 4 * high
    if not long.any():
        return 0.0
    run = (quads[long, 1] - quads[long, 0]) + (quads[long, 2] - quads[long, 3])
    angles = np.arctan2(run[:, 1], run[:, 0])
    order = np.argsort(angles)
    weights = np.cumsum(wide[long][order])
    return float(angles[order][np.searchsorted(weights, weights[-1] / 2)])


def _read(models: Engine, image: Image, quad: NDArray[np.float32]) -> tuple[str, float]:
    """Read one line. A tall one may stand upright (a single letter), be turned, or be written downwards."""
    import numpy as np

    crop = _cut(image, quad)
    high, wide = crop.shape[:2]
    if high <= _TALL * wide:
        return _read_across(models, crop)
    best = ("", 0.0)
    for turn in (0, 1, 3) if high <= _LONG * wide else (1, 3):
        best = max(best, _read_across(models, np.rot90(crop, turn)), key=lambda found: found[1])
        if best[1] > _CLEAR:
            return best
    return max(best, _read_across(models, _upended(np.rot90(crop))), key=lambda found: found[1])


def _parts(line: Image) -> list[Image]:
    """Cut a very long line in gaps between its words: what the model takes grows with the square of the length."""
    import numpy as np

    high, wide = line.shape[:2]
    grey = line.mean(axis=2)
    ink = np.convolve(np.abs(grey - np.median(grey)).sum(axis=0), np.ones(max(1, high // 3)), "same")
    found = []
    start = 0
    while wide - start > _WIDEST * high:
        near, far = start + _WIDEST * high // 2, start + _WIDEST * high
        end = near + int(ink[near:far].argmin())
        found.append(line[:, start:end])
        start = end
    return [*found, line[:, start:]]


def _read_across(models: Engine, line: Image) -> tuple[str, float]:
    """Read a line from left to right, however long it is."""
    if line.shape[1] <= _WIDEST * line.shape[0]:
        return models.read(line)
    read = [models.read(part) for part in _parts(line)]
    weight = sum(len(text) for text, _ in read)
    return (
        " ".join(text for text, _ in read if text),
        sum(len(text) * sure for text, sure in read) / weight if weight else 0.0,
    )


def _cut(image: Image, quad: NDArray[np.float32]) -> Image:
    """Cut a line out, straightened."""
    import cv2
    import numpy as np

    left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int) + 3
    part = np.ascontiguousarray(image[top:bottom, left:right])  # the whole page would be copied for each line
    corners = (quad - np.array([left, top], np.float32)).astype(np.float32)
    wide = max(1, int(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]))))
    high = max(1, int(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]))))
    flat = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    cut: Image = cv2.warpPerspective(
        part, cv2.getPerspectiveTransform(corners, flat), (wide, high), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return cut


def _upended(column: Image) -> Image:
    """A line written downwards, lying on its left side, as a line of upright letters.

    It is cut where there is least ink, about every letter; each piece is put upright.
    """
    import numpy as np

    high, wide = column.shape[:2]
    grey = column.mean(axis=2)
    ink = np.abs(grey - np.median(grey)).sum(axis=0)
    pieces = []
    start = 0
    while wide - start > 1.5 * high:
        near = start + int(0.7 * high)
        end = near + int(ink[near : start + int(1.3 * high)].argmin())
        pieces.append(column[:, start:end])
        start = end
    pieces.append(column[:, start:])
    upright = []
    for piece in pieces:
        square = np.full((high, high, 3), np.median(grey), np.uint8)
        letter = np.rot90(piece[:, :high], 3)
        at = (high - letter.shape[0]) // 2
        square[at : at + letter.shape[0], : letter.shape[1]] = letter
        upright.append(square)
    return np.concatenate(upright, axis=1)
