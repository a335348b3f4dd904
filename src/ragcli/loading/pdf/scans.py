"""Pages of a PDF that are pictures: which they are, and their text by OCR."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ragcli.loading.source import Source

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

_DPI = 216
_MOST_PIXELS = 25_000_000
_SMALLEST = 32  # pixels
_STAMP = 100  # characters: a text layer that is no more may be a stamp on a scan
COVERED = 0.6  # share of a page that a picture of all of it covers


class Recognized(NamedTuple):
    """The text of a page by OCR."""

    text: str
    confidence: float


def can_read(source: Source) -> bool:
    """Whether pages may be read as pictures here: the user lets us, and the extra is installed."""
    if source.options.ocr == "never":
        return False
    from ragcli.loading.ocr import available

    return available()


def is_stamp(text: str) -> bool:
    """Whether a text layer is so short that it may be a stamp or a header on a scan."""
    return len("".join(text.split())) < _STAMP


def recognize(page: PdfPage) -> Recognized:
    """Read a page as a picture.

    Raises:
        LoadError: it cannot be drawn.
    """
    from ragcli.errors import LoadError
    from ragcli.loading import ocr

    width, height = page.get_size()
    if not (math.isfinite(width * height) and width > 0 and height > 0):
        raise LoadError("the page has no size.")
    scale = min(_DPI / 72, math.sqrt(_MOST_PIXELS / (width * height)))
    if min(width, height) * scale < _SMALLEST:
        raise LoadError(f"the page is {width:.0f} by {height:.0f} points and cannot be drawn.")
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False, may_draw_forms=True)
    try:
        image = bitmap.to_numpy()
        if image.ndim == 2:
            image = image[:, :, None].repeat(3, axis=2)
        found = ocr.recognize(image[:, :, :3].copy(), dpi=72 * scale)
    finally:
        bitmap.close()
    return Recognized(found.text.strip(), found.confidence)
