"""The characters of a PDF page and where they stand, as pieces: runs of one line without a wide gap.

PDFium gives the text of a page in one call, and the box of a character in a third of a microsecond: only the ends
of words are asked for, and the boxes of a page are worked on at once. Its own lines are not used: it takes some pages
for vertical writing, parts superscripts from their line, and joins what stands in two columns. Text that is turned is
turned back first.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter, deque
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.loading.pdf import bidi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pypdfium2 import PdfPage, PdfTextPage

    Floats = NDArray[np.float32]
    Spans = NDArray[np.intp]  # a row each: first character, one after the last

APPENDED = 1 << 30  # the first character of a piece that the page does not draw itself
_GAP = 1.0  # heights of a line between two pieces of it
_FLAT = 0.4  # of the usual height of a word
_SAMPLE = 48  # characters of a page that are asked whether their font says what they show
_MOST = 500_000  # characters of one page
_HALF = re.compile("[\ud800-\udfff]")


Span = tuple[int, int]


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


class Chars:
    """The characters of a page, until the text page is closed."""

    def __init__(self, page: PdfPage, layer: PdfTextPage) -> None:
        self.text = ""
        self.pieces: list[Piece] = []  # in the order in which the page draws them
        self.aside: list[str] = []  # text that is turned against the rest, such as a stamp in the margin
        self.unmapped = 0.0  # share of characters whose font does not say what they show
        self.turned = 0  # degrees: drawings have to be turned by as much, see `turn`
        self.left_out = 0  # characters outside the page
        self.handle = address(layer)
        self._halves = False
        count = min(layer.count_chars(), _MOST)
        if count > 0:
            self.text = self._said(layer, count)
            self._read(page)

    def _said(self, layer: PdfTextPage, count: int) -> str:
        text: str = layer.get_text_range(0, count)
        if len(text) != count:  # some are halves of one, or none at all: ask one by one
            code = raw("FPDFText_GetUnicode", ctypes.c_uint, ctypes.c_int)
            text = "".join(
                chr(c) if 0 < c <= 0xFFFF else "\ufffd" for c in map(code, repeat(self.handle, count), range(count))
            )
            self._halves = _HALF.search(text) is not None
        return text.replace("\ufffe", "\x02")  # PDFium's mark of a hyphen at a line end

    def said(self, text: str) -> str:
        """Put halves of characters beyond the first plane together."""
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if self._halves else text

    def boxes(self, numbers: Sequence[int] | range) -> Floats:
        """The boxes of some characters, by the height of their font: a row each; turned as the page is."""
        return turn(self._boxes(numbers), self.turned)

    def _boxes(self, numbers: Sequence[int] | range) -> Floats:
        import numpy as np

        count = len(numbers)
        found = np.zeros((count, 4), np.float32)  # FS_RECTF: left, top, right, bottom
        base = found.ctypes.data
        box = raw("FPDFText_GetLooseCharBox", ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
        deque(map(box, repeat(self.handle, count), numbers, range(base, base + 16 * count, 16)), 0)
        if not np.isfinite(found).all():
            found = np.nan_to_num(found, nan=0.0, posinf=1e6, neginf=-1e6)
        out = np.empty_like(found)
        np.minimum(found[:, :2], found[:, 2:], out=out[:, :2])
        np.maximum(found[:, :2], found[:, 2:], out=out[:, 2:])
        return out

    def _ends(self, spans: Spans) -> Floats:
        """The boxes of the first and the last character of each word."""
        inner: Floats = self._boxes((spans - (0, 1)).ravel().tolist()).reshape(-1, 2, 4)
        return inner

    def _read(self, page: PdfPage) -> None:
        """Cut the text into words, and join these into pieces: only the ends of words are asked where they stand."""
        import numpy as np

        spans = _words(self.text)
        if not len(spans):
            return
        spans, boxes = self._split(spans, self._ends(spans))
        inside = self._inside(page, boxes)
        if inside is not None:
            self.left_out = int((spans[~inside, 1] - spans[~inside, 0]).sum())
            spans, boxes = spans[inside], boxes[inside]
        self._judge(spans, boxes)
        boxes = turn(boxes.reshape(-1, 4), self.turned).reshape(-1, 2, 4)
        boxes[:, :, 3] = np.maximum(boxes[:, :, 3], boxes[:, :, 1] + 0.01)
        self.pieces, self.aside = _pieces(self, spans, boxes)

    def _split(self, spans: Spans, boxes: Floats) -> tuple[Spans, Floats]:
        """Words whose ends stand too far apart are asked character by character, and split at gaps."""
        import numpy as np

        size = np.maximum(boxes[:, 0, 3] - boxes[:, 0, 1], 1.0)
        steps = abs(boxes[:, 1, :2] - boxes[:, 0, :2])
        wide = np.maximum(steps[:, 0], steps[:, 1]) > 1.3 * size * (spans[:, 1] - spans[:, 0])
        if not wide.any():
            return spans, boxes
        out: list[Span] = []
        for at in np.flatnonzero(wide).tolist():
            start, end = spans[at].tolist()
            each = self._boxes(range(start, end))
            gaps = np.maximum(each[1:, 0] - each[:-1, 2], each[:-1, 0] - each[1:, 2])
            falls = abs(np.diff(each[:, 1]))
            cuts = np.flatnonzero((gaps > size[at]) | (falls > 0.6 * size[at])) + start + 1
            edges = [start, *cuts.tolist(), end]
            out += list(pairwise(edges))
        spans = np.array(sorted([*map(tuple, spans[~wide].tolist()), *out]))
        return spans, self._ends(spans)

    def _inside(self, page: PdfPage, boxes: Floats) -> NDArray[np.bool_] | None:
        """Which words lie on the page; None where all do, or most do not: then the page's box is wrong."""
        import numpy as np

        left, bottom, right, top = page.get_bbox()
        low, high = np.minimum(boxes[:, 0], boxes[:, 1]), np.maximum(boxes[:, 0], boxes[:, 1])
        inside: NDArray[np.bool_] = (
            (high[:, 2] > left) & (low[:, 0] < right) & (high[:, 3] > bottom) & (low[:, 1] < top)
        )
        return None if inside.all() or 2 * int(inside.sum()) < len(boxes) else inside

    def _judge(self, spans: Spans, boxes: Floats) -> None:
        """Find which way most of the text runs, and how much of it has no known characters."""
        sample = spans[:: max(1, len(spans) // _SAMPLE)].tolist()
        asked = [(start + end - 1) // 2 for start, end in sample]
        error = raw("FPDFText_HasUnicodeMapError", ctypes.c_int, ctypes.c_int)
        unmapped = sum(
            end - start for (start, end), at in zip(sample, asked, strict=True) if error(self.handle, at) == 1
        )
        self.unmapped = unmapped / sum(end - start for start, end in sample)
        angle = raw("FPDFText_GetCharAngle", ctypes.c_float, ctypes.c_int)
        angles = [angle(self.handle, at) for at in asked[:: max(1, len(asked) // 16)]]
        turns = Counter(-round(math.degrees(value) / 90) % 4 * 90 for value in angles if value >= 0)
        self.turned = turns.most_common(1)[0][0] if turns else 0
        if self.turned == 0:
            steps = boxes[:, 1, :2] - boxes[:, 0, :2]
            size = boxes[:, 0, 3] - boxes[:, 0, 1]
            down = (steps[:, 1] < -0.8 * size) & (abs(steps[:, 0]) < 0.5 * size)
            lengths = spans[:, 1] - spans[:, 0]
            if 2 * int(lengths[down].sum()) > int(lengths[lengths > 1].sum()) > 2:
                self.turned = -1


def _words(text: str) -> Spans:
    """Where words begin and end: runs without blanks; PDFium's mark of a hyphen ends one."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    ink = (codes > 32) & (codes != 0xA0) & (codes != 0x3000) & ((codes < 0x2000) | (codes > 0x200B)) | (codes == 2)
    padded = np.concatenate(([False], ink, [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    hyphens = np.flatnonzero(codes == 2) + 1
    hyphens = hyphens[padded[hyphens + 1]]
    if len(hyphens):
        edges = np.sort(np.concatenate((edges.ravel(), hyphens, hyphens))).reshape(-1, 2)
    return edges


def turn(boxes: Floats, degrees: int) -> Floats:
    """Turn boxes whose y grows upwards so that text of this direction runs to the right and y grows downwards.

    Args:
        boxes: a row each: left, bottom, right, top.
        degrees: which way the text runs: 0, 90 (upwards), 180, 270 (downwards), or -1: downwards in columns
            from the right, as vertical Chinese.
    """
    import numpy as np

    out = np.empty_like(boxes)
    columns, signs = _TURNS[degrees]
    for to, (column, sign) in enumerate(zip(columns, signs, strict=True)):
        np.multiply(boxes[:, column], sign, out=out[:, to])
    return out


_TURNS = {  # which side becomes left, top, right and bottom, and its sign
    0: ((0, 3, 2, 1), (1, -1, 1, -1)),
    90: ((1, 0, 3, 2), (1, 1, 1, 1)),
    180: ((2, 1, 0, 3), (-1, 1, -1, 1)),
    270: ((3, 2, 1, 0), (-1, -1, -1, -1)),
    -1: ((3, 2, 1, 0), (-1, -1, -1, -1)),
}


@lru_cache
def raw(name: str, result: Any = ctypes.c_int, *arguments: Any) -> Any:
    """A function of PDFium without the checks of ctypes' generated bindings, which cost more than the call.

    Args:
        name: its name.
        result: its type.
        arguments: types of what it takes after its handle.
    """
    import pypdfium2.raw

    prototype = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *arguments)
    return prototype(ctypes.cast(getattr(pypdfium2.raw, name), ctypes.c_void_p).value or 0)


def address(handle: Any) -> int:
    """What `raw` functions take as the handle of a page or a text page."""
    return ctypes.cast(handle.raw, ctypes.c_void_p).value or 0


def _pieces(chars: Chars, spans: Spans, boxes: Floats) -> tuple[list[Piece], list[str]]:
    """Join words into pieces, and put aside what runs up or down."""
    import numpy as np

    text = chars.text
    if (order := bidi.rows(text, spans, boxes) if bidi.RTL.search(text) else None) is not None:
        spans, boxes = spans[order], boxes[order]
        for at, (start, end) in enumerate(spans.tolist()):
            if end - start > 2 and not text[start:end].isalpha():  # its ends may not be the ends of its letters
                each = chars.boxes(range(start, end))
                boxes[at, 0, 0], boxes[at, 1, 2] = each[:, 0].min(), each[:, 2].max()
    turned = _running_aslant(spans, boxes)
    aside: list[str] = []
    if turned.any():
        aside = _aside(text, spans, turned)
        spans, boxes = spans[~turned], boxes[~turned]
        if not len(spans):
            return [], aside
    left, right = np.minimum(boxes[:, 0, 0], boxes[:, 1, 0]), np.maximum(boxes[:, 0, 2], boxes[:, 1, 2])
    top, bottom = boxes[:, 0, 1], boxes[:, 0, 3]
    height = bottom - top
    long = spans[:, 1] - spans[:, 0] > 1
    usual_height = float(np.median(height[long] if long.any() else height))
    if float(height.min()) < _FLAT * usual_height:  # a font without a height: dots and dashes come as flat as they are
        flat = height < _FLAT * usual_height
        top, height = np.where(flat, bottom - usual_height, top), np.where(flat, usual_height, height)
    tall = np.maximum(height[1:], height[:-1])
    gap = np.maximum(left[1:] - right[:-1], left[:-1] - right[1:])
    fall = abs(np.diff(top + bottom)) / 2
    starts = np.concatenate(([0], np.flatnonzero((gap > _GAP * tall) | (fall > 0.6 * tall)) + 1))
    lefts, rights = np.minimum.reduceat(left, starts).tolist(), np.maximum.reduceat(right, starts).tolist()
    tops, bottoms, heights = top.tolist(), bottom.tolist(), height.tolist()
    words = spans.tolist()
    edges = [*starts.tolist(), len(words)]
    raised = _raised(chars, spans, boxes)
    found = []
    for number, start in enumerate(edges[:-1]):
        end = edges[number + 1]
        first, last = words[start][0], words[end - 1][1]
        said = text[first:last]
        size, usual = heights[start], start
        if end - start > 2 and size != heights[start + 1]:
            # A superscript or an accent may stand first: the line is where its usual word is.
            size = sorted(heights[start:end])[(end - start) // 2]
            usual = heights.index(size, start, end)
        if order is not None and _is_turned(text, words[start:end]):
            said = _logical(chars, words[start:end])
            first, last = min(words[start:end])[0], max(words[start:end])[1]
        elif "\n" in said or "\r" in said or (raised and not raised.keys().isdisjoint(range(start, end))):
            whole = [raised.get(at) or text[slice(*words[at])] for at in range(start, end)]
            sides = zip(left[start:end].tolist(), right[start:end].tolist(), heights[start:end], strict=True)
            said = _joined(text, words[start:end], whole, list(sides), size)
        said = chars.said(said)
        found.append(Piece(lefts[number], tops[usual], rights[number], bottoms[usual], said, size, first, last))
    return found, aside


def _running_aslant(spans: Spans, boxes: Floats) -> NDArray[np.bool_]:
    """Which words run up or down the page."""
    import numpy as np

    across, along = abs(boxes[:, 1, 0] - boxes[:, 0, 0]), abs(boxes[:, 1, 1] - boxes[:, 0, 1])
    thick = np.minimum(boxes[:, 0, 3] - boxes[:, 0, 1], boxes[:, 0, 2] - boxes[:, 0, 0])
    aslant: NDArray[np.bool_] = (along > 1.2 * thick) & (across < 0.5 * along) & (spans[:, 1] - spans[:, 0] > 2)
    if not aslant.any():
        return aslant
    lefts, rights = boxes[:, :, 0].min(axis=1), boxes[:, :, 2].max(axis=1)
    for order in (range(1, len(spans)), range(len(spans) - 2, -1, -1)):  # short words go with their neighbour
        step = -1 if order.step > 0 else 1
        for at in order:
            if aslant[at + step] and not aslant[at] and spans[at, 1] - spans[at, 0] <= 2:
                other = at + step
                aslant[at] = abs(lefts[at] - lefts[other]) < 3 and abs(rights[at] - rights[other]) < 3
    return aslant


def _aside(text: str, spans: Spans, turned: NDArray[np.bool_]) -> list[str]:
    """The text of turned words; those that follow each other are one."""
    import numpy as np

    found: list[str] = []
    last = -2
    for at in np.flatnonzero(turned).tolist():
        word = text[slice(*spans[at].tolist())]
        if at == last + 1:
            found[-1] += f" {word}"
        else:
            found.append(word)
        last = at
    return found


def _raised(chars: Chars, spans: Spans, boxes: Floats) -> dict[int, str]:
    """Words that end in a raised figure after another figure, such as the mark of a footnote: 750 and 1 is no 7501."""
    import numpy as np

    height = boxes[:, 0, 3] - boxes[:, 0, 1]
    small = boxes[:, 1, 3] - boxes[:, 1, 1] < 0.85 * height
    found: dict[int, str] = {}
    for at in np.flatnonzero(small & (boxes[:, 1, 3] < boxes[:, 0, 3] - 0.15 * height)).tolist():
        first, last = spans[at].tolist()
        word = chars.text[first:last]
        if not word[-1].isdigit():
            continue
        bottoms = chars.boxes(range(first, last))[:, 3]
        cut = int(np.argmax(bottoms < bottoms[0] - 0.15 * height[at]))
        if cut and word[cut - 1].isdigit() and word[cut:].isdigit():
            found[at] = f"{word[:cut]}^{word[cut:]}"
    return found


def glue(one: str, other: str, size: float, other_size: float) -> str:
    """What stands between two texts without room between them: figures of two sizes are two numbers."""
    if one[-1:].isdigit() and other[:1].isdigit() and other_size < 0.85 * size:
        return "^"
    return ""


def _joined(
    text: str, spans: list[list[int]], words: list[str], sides: list[tuple[float, float, float]], size: float
) -> str:
    """The text of a piece in which PDFium saw an end of line: a blank there only where there is room for one."""
    out = words[0]
    for at in range(1, len(spans)):
        between = text[spans[at - 1][1] : spans[at][0]]
        ended = "\r" in between or "\n" in between
        if between and (not ended or sides[at][0] - sides[at - 1][1] > 0.15 * size):
            out += " "
        else:
            out += glue(out, words[at], sides[at - 1][2], sides[at][2])
        out += words[at]
    return out


def _is_turned(text: str, spans: list[list[int]]) -> bool:
    """Whether the words of a piece are not in the order of the text, or some of them run to the left."""
    back = any(one[0] > other[0] for one, other in pairwise(spans))
    return back or any(bidi.RTL.search(text, start, end) for start, end in spans)


def _logical(chars: Chars, spans: list[list[int]]) -> str:
    """The text of a piece that runs to the left, or partly does, as it is read."""
    text = chars.text
    made = raw("FPDFText_IsGenerated", ctypes.c_int, ctypes.c_int)

    def spaced(one: int, other: int) -> bool:
        first, last = sorted((spans[one], spans[other]))
        between = range(first[1], last[0])
        return len(between) < 3 and any(text[at] in " \xa0" and made(chars.handle, at) == 0 for at in between)

    edges = [0]
    for start, end in spans:
        edges.append(edges[-1] + end - start)
    boxes = chars.boxes([at for start, end in spans for at in range(start, end)])
    return bidi.read([text[start:end] for start, end in spans], [boxes[a:b] for a, b in pairwise(edges)], spaced)
