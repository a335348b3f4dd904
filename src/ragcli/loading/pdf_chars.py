"""The characters of a PDF page and where they stand, as pieces: runs of one line without a wide gap.

PDFium gives the text of a page in one call and the box of a character in a third of a microsecond; the boxes of a
whole page are worked on at once. Its own lines are not used: it takes some pages for vertical writing, parts
superscripts from their line, and joins what stands in two columns. Text that is turned is turned back first.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pypdfium2 import PdfPage, PdfTextPage

    Floats = NDArray[np.float32]

_GAP = 1.0  # heights of a line between two pieces of it
_SAMPLE = 48  # characters of a page that are asked whether their font says what they show
_MOST = 500_000  # characters of one page
RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_BLANK = re.compile(r"[\s\x00-\x01\x03-\x1f\xa0]*")
_BREAK = re.compile(r"\s*[\r\n]\s*")


class Piece(NamedTuple):
    """A run of text on one line; y grows downwards, in points."""

    left: float
    top: float
    right: float
    bottom: float
    text: str
    size: float  # height of most of its characters
    first: int  # its first character on the page
    last: int  # one after its last

    @property
    def middle(self) -> float:
        """Half way down."""
        return (self.top + self.bottom) / 2


class Chars(NamedTuple):
    """The characters of a page."""

    text: str
    boxes: Floats  # a row each: left, top, right, bottom; y grows downwards
    pieces: list[Piece]  # in the order in which the page draws them
    aside: list[str]  # text that is turned against the rest, such as a stamp in the margin
    unmapped: float  # share of characters whose font does not say what they show
    turned: int  # degrees: lines and drawings have to be turned by as much
    left_out: int  # characters outside the page


def read_chars(page: PdfPage, layer: PdfTextPage, *, right_to_left: bool = True) -> Chars:
    """Read the characters of a page."""
    import numpy as np

    count = min(layer.count_chars(), _MOST)
    if count <= 0:
        return Chars("", np.zeros((0, 4), np.float32), [], [], 0.0, 0, 0)
    raw = ctypes.cast(layer.raw, ctypes.c_void_p).value
    text = layer.get_text_range(0, count)
    if len(text) != count:  # some have no character at all: ask one by one
        code = _raw("FPDFText_GetUnicode", ctypes.c_uint)
        codes = (code(raw, at) for at in range(count))
        text = "".join("\ufffd" if c == 0 or c > 0x10FFFF or 0xD800 <= c < 0xE000 else chr(c) for c in codes)
    boxes = _boxes(raw, count)
    ink = np.fromiter((not c.isspace() and (c >= " " or c == "\x02") for c in text), bool, count)
    ink &= np.isfinite(boxes).all(axis=1)
    left_out = _outside(page, boxes, ink)
    at = np.flatnonzero(ink)
    if not len(at):
        return Chars(text, boxes, [], [], 0.0, 0, left_out)
    unmapped = _unmapped(raw, at)
    turned = _direction(raw, at, boxes)
    boxes = turn(boxes, turned)
    boxes[boxes[:, 3] - boxes[:, 1] < 0.01, 3] += 0.01
    pieces, aside = _pieces(text, boxes, at)
    return Chars(text, boxes, pieces, aside, unmapped, turned, left_out)


def turn(boxes: Floats, degrees: int) -> Floats:
    """Turn boxes whose y grows upwards so that text of this direction runs to the right and y grows downwards.

    Args:
        boxes: a row each: left, bottom, right, top.
        degrees: which way the text runs: 0, 90 (upwards), 180, 270 (downwards), or -1: downwards in columns
            from the right, as vertical Chinese.
    """
    import numpy as np

    left, bottom, right, top = boxes.T
    sides = {
        0: (left, -top, right, -bottom),
        90: (bottom, left, top, right),
        180: (-right, bottom, -left, top),
        270: (-top, -right, -bottom, -left),
        -1: (-top, -right, -bottom, -left),
    }[degrees]
    return np.stack(sides, axis=1)


@lru_cache
def _raw(name: str, result: Any = ctypes.c_int, *arguments: Any) -> Any:
    """A function of PDFium without the checks of ctypes' generated bindings, which cost more than the call."""
    import pypdfium2.raw

    prototype = ctypes.CFUNCTYPE(result, ctypes.c_void_p, ctypes.c_int, *arguments)
    return prototype(ctypes.cast(getattr(pypdfium2.raw, name), ctypes.c_void_p).value or 0)


def _boxes(raw: int | None, count: int) -> Floats:
    """The box of each character, by the height of its font: left, bottom, right, top."""
    import numpy as np

    found = np.zeros((count, 4), np.float32)  # FS_RECTF: left, top, right, bottom
    base = found.ctypes.data
    box = _raw("FPDFText_GetLooseCharBox", ctypes.c_int, ctypes.c_void_p)
    for _ in map(box, [raw] * count, range(count), range(base, base + 16 * count, 16)):
        pass
    upright: Floats = np.stack(
        (
            np.minimum(found[:, 0], found[:, 2]),
            np.minimum(found[:, 1], found[:, 3]),
            np.maximum(found[:, 0], found[:, 2]),
            np.maximum(found[:, 1], found[:, 3]),
        ),
        axis=1,
    )
    return upright


def _outside(page: PdfPage, boxes: Floats, ink: NDArray[np.bool_]) -> int:
    """Take characters that lie outside the page, where no reader sees them, out of ``ink``; return how many.

    Where most do, the page's box is wrong, and all stay.
    """
    left, bottom, right, top = page.get_bbox()
    inside = (boxes[:, 2] > left) & (boxes[:, 0] < right) & (boxes[:, 3] > bottom) & (boxes[:, 1] < top)
    outside = int((ink & ~inside).sum())
    if not outside or outside * 2 > int(ink.sum()):
        return 0
    ink &= inside
    return outside


def _unmapped(raw: int | None, at: NDArray[np.intp]) -> float:
    error = _raw("FPDFText_HasUnicodeMapError")
    step = max(1, len(at) // _SAMPLE)
    asked = at[::step].tolist()
    return sum(error(raw, one) == 1 for one in asked) / len(asked)


def _direction(raw: int | None, at: NDArray[np.intp], boxes: Floats) -> int:
    """Which way most of the text runs, in degrees; -1 for columns of upright characters."""
    import numpy as np

    angle = _raw("FPDFText_GetCharAngle", ctypes.c_float)
    asked = at[:: max(1, len(at) // 16)].tolist()
    turns = Counter(round(math.degrees(value) / 90) % 4 * 90 for one in asked if (value := angle(raw, one)) >= 0)
    degrees = turns.most_common(1)[0][0] if turns else 0
    if degrees == 0 and len(at) > 3:
        near = np.diff(at) == 1  # neighbours in a word
        middles = (boxes[at, :2] + boxes[at, 2:]) / 2
        steps = np.diff(middles, axis=0)[near]
        heights = (boxes[at, 3] - boxes[at, 1])[1:][near]
        down = (steps[:, 1] < -0.5 * heights) & (steps[:, 1] > -2 * heights) & (abs(steps[:, 0]) < 0.2 * heights)
        if len(steps) and down.sum() > 0.6 * len(steps):
            return -1
    return degrees


def _pieces(text: str, boxes: Floats, at: NDArray[np.intp]) -> tuple[list[Piece], list[str]]:
    import numpy as np

    ink = boxes[at]
    left, top, right, bottom = ink.T
    height = bottom - top
    middle = (top + bottom) / 2
    tall = np.maximum(height[1:], height[:-1])
    gap = np.maximum(left[1:] - right[:-1], left[:-1] - right[1:])
    fall = abs(np.diff(middle))
    breaks = (gap > _GAP * tall) | (fall > 0.6 * tall)
    aside, keep = _turned_runs(text, ink, at, fall, height)
    if keep is not None:
        if not keep.any():
            return [], aside
        kept = np.flatnonzero(keep)
        broken = np.concatenate(([0], np.cumsum(breaks)))
        breaks = np.diff(broken[kept]) > 0
        at, ink, left, top, right, bottom, height = (one[kept] for one in (at, ink, left, top, right, bottom, height))
    starts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    lefts = np.minimum.reduceat(left, starts).tolist()
    tops = np.minimum.reduceat(top, starts).tolist()
    rights = np.maximum.reduceat(right, starts).tolist()
    bottoms = np.maximum.reduceat(bottom, starts).tolist()
    ends = [*starts[1:].tolist(), len(at)]
    found = []
    for number, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        first, last = int(at[start]), int(at[end - 1]) + 1
        said = text[first:last]
        size = float(height[start] if end - start < 3 else np.median(height[start:end]))
        box_top, box_bottom = tops[number], bottoms[number]
        if box_bottom - box_top > 1.25 * size:  # a superscript, or an accent: the line is where most of it is
            box_top, box_bottom = float(np.median(top[start:end])), float(np.median(bottom[start:end]))
        if RTL.search(said):
            said = _logical(text, at[start:end], ink[start:end])
        elif "\r" in said or "\n" in said:
            said = _joined(text, at[start:end].tolist(), ink[start:end])
        found.append(Piece(lefts[number], box_top, rights[number], box_bottom, said, size, first, last))
    return found, aside


def _turned_runs(
    text: str, ink: Floats, at: NDArray[np.intp], fall: Floats, height: Floats
) -> tuple[list[str], NDArray[np.bool_] | None]:
    """Runs of characters one above the other: their text, and which characters are none of them."""
    import numpy as np

    if len(at) < 6:
        return [], None
    across = abs(np.diff((ink[:, 0] + ink[:, 2]) / 2))
    climbing = (fall > 0.15 * height[1:]) & (across < 0.1 * fall) & (np.diff(at) <= 2) & (fall < 3 * height[1:])
    if climbing.sum() < 4:
        return [], None
    edges = np.flatnonzero(np.diff(np.concatenate(([False], climbing, [False])).astype(np.int8)))
    keep, aside = np.ones(len(at), bool), []
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start >= 4:
            keep[start : end + 1] = False
            aside.append(" ".join(_BREAK.sub("", text[int(at[start]) : int(at[end]) + 1]).split()))
    return (aside, keep) if aside else ([], None)


def _joined(text: str, at: list[int], ink: Floats) -> str:
    """The text of a piece in which PDFium saw an end of line: a blank there only where there is room for one."""
    gaps = (ink[1:, 0] - ink[:-1, 2]).tolist()
    room = (0.15 * (ink[1:, 3] - ink[1:, 1])).tolist()
    out = text[at[0]]
    for number in range(1, len(at)):
        between = text[at[number - 1] + 1 : at[number]]
        if between and (gaps[number - 1] > room[number - 1] or not ("\r" in between or "\n" in between)):
            out += " "
        out += text[at[number]]
    return out


def _logical(text: str, at: NDArray[np.intp], ink: Floats) -> str:
    """The text of a right-to-left piece as it is read; PDFium's own order where the places bear it out."""
    import unicodedata

    import numpy as np

    said = [text[one] for one in at.tolist()]
    middles = (ink[:, 0] + ink[:, 2]) / 2
    letters = np.array([bool(RTL.match(c)) and not unicodedata.combining(c) for c in said])
    steps = np.diff(middles[letters])
    if not len(steps) or (steps > 0.5).sum() <= 0.1 * len(steps):
        return _BREAK.sub(" ", text[int(at[0]) : int(at[-1]) + 1])
    bases = [n for n, c in enumerate(said) if not unicodedata.combining(c)]
    order = sorted(bases, key=lambda n: -middles[n])
    marks: dict[int, list[str]] = {}
    places = middles[bases]
    for n, c in enumerate(said):
        if unicodedata.combining(c):
            marks.setdefault(bases[int(np.argmin(abs(places - middles[n])))], []).append(c)
    out: list[str] = []
    run: list[str] = []  # what runs to the right inside: numbers and Latin words
    last = None
    for n in order:
        gap = last is not None and float(ink[last, 0] - ink[n, 2]) > 0.12 * float(ink[n, 3] - ink[n, 1])
        glyph = said[n] + "".join(marks.get(n, ()))
        if said[n].isascii() and (said[n].isalnum() or (run and said[n] in ".,:/-%")):
            run.insert(0, glyph + (" " if gap and run else ""))
            if gap and len(run) == 1:
                out.append(" ")
        else:
            out += run
            run = []
            out.append((" " if gap else "") + glyph)
        last = n
    return "".join(out + run)
