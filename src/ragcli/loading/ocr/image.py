"""Pictures: their text, by OCR. A TIFF is read frame by frame; of an animation, the first picture."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragcli.errors import LoadError
from ragcli.loading.source import Source
from ragcli.records import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The only decoders that run. Others start programs (EPS) or are of no use here.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000")
_MOST = 40_000_000  # pixels that are read; more are shrunk first
_MOST_BYTES = 512 << 20  # of a picture, unpacked
_BYTES = {"1": 1, "L": 1, "P": 1, "LA": 4, "I;16": 2, "I;16B": 2, "I;16L": 2}  # a pixel; else 4
_ICON = 48  # a picture no larger than this is no text
_THIN = 8  # nor is one as low or as narrow
_LOW = 0.6
_TITLE, _DESCRIPTION, _ORIENTATION, _SUBFILE = 269, 270, 274, 254  # tags of TIFF and EXIF
# What decoders raise on broken data.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, AttributeError,
           struct.error, MemoryError)  # fmt: skip


def read(source: Source) -> Iterator[Document]:
    """Yield the text of a picture as one document; one without text yields nothing and is counted as skipped.

    Raises:
        LoadError: it is broken or too large, or it was named and the extra for OCR is not installed.
    """
    from ragcli.loading import ocr

    never = source.options.ocr == "never"
    if not never and not ocr.available():
        if source.explicit or source.depth:
            raise LoadError("a picture; reading it needs OCR.", hint="pip install 'ragcli[ocr]'")
        source.lose("a picture; reading it needs OCR: pip install 'ragcli[ocr]'", kind="skipped")
        source.count_pages(skipped=1)
        return
    picture = _opened(source.data())
    frames = _frames(picture)
    if never:
        source.lose("a picture; --ocr never", kind="skipped")
        source.count_pages(skipped=len(frames))
        return
    if picture.format in ("GIF", "WEBP", "PNG") and getattr(picture, "n_frames", 1) > 1:
        source.lose("an animation: only its first picture was read", kind="skipped")
    facts = _facts(picture)
    text, spans = "", []
    for page, frame in enumerate(frames, 1):
        where: dict[str, Any] = {"page": page} if len(frames) > 1 else {}
        try:
            pixels, dpi, whole = _pixels(source, picture, frame)
        except LoadError as error:
            if len(frames) == 1:
                raise
            source.lose(error.message, **where)
            source.count_pages(failed=1)
            continue
        if pixels is None:
            source.lose("a picture too small to hold text", kind="skipped", **where)
            source.count_pages(skipped=1)
            continue
        with source.parsing("a picture"):
            found = ocr.recognize(pixels, dpi=dpi)
        del pixels
        source.beat()
        if not whole:
            source.lose("cut off: read as far as it goes", **where)
        if found.text:
            if found.confidence < _LOW:
                source.lose(f"read with low confidence ({found.confidence:.2f})", kind="warning", **where)
            text += "\n\n" if text else ""
            spans.append({"start": len(text), "end": len(text) + len(found.text), "page": page,
                          "ocr": round(found.confidence, 2)})  # fmt: skip
            text += found.text
        elif whole:
            source.lose("no text in the picture", kind="skipped", **where)
        source.count_pages(loaded=int(whole and bool(found.text)), failed=int(not whole),
                           skipped=int(whole and not found.text))  # fmt: skip
    if text:
        yield source.document(text, format="image", title=facts.pop("title", None), spans=spans, metadata=facts)


def _opened(data: bytes) -> Any:
    """Open a picture without reading its pixels."""
    from PIL import Image

    if not data:
        raise LoadError("not readable as a picture: it is empty.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd metadata
            return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise LoadError("a picture with too many pixels: more than 178 million are not read.") from error
    except Image.UnidentifiedImageError as error:
        raise LoadError("not readable as a picture: it is broken, or of a kind that is not known.") from error
    except _BROKEN as error:
        raise LoadError(f"not readable as a picture: {_said(error)}") from error


def _frames(picture: Any) -> list[int]:
    """The frames that are pages: all of a TIFF but its thumbnails, else the first."""
    if picture.format != "TIFF":
        return [0]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for frame in range(1_000_000):
            try:
                picture.seek(frame)
                if frame == 0 or not int(picture.tag_v2.get(_SUBFILE, 0)) & 1:
                    found.append(frame)
            except EOFError:
                break
            except _BROKEN:
                found.append(frame)  # reading it will say what is wrong
                break
        try:
            picture.seek(0)
        except _BROKEN:
            pass
    return found or [0]


def _facts(picture: Any) -> dict[str, str]:
    """Its title and description. What else cameras write (places, names, times) is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tags: Any = picture.getexif()
            title = tags.get(_TITLE) or picture.info.get("Title")
            description = tags.get(_DESCRIPTION) or picture.info.get("Description")
        except _BROKEN:
            return {}
    found = {"title": title, "description": description}
    clean = {key: " ".join(_decoded(value).replace("\0", " ").split())[:500] for key, value in found.items()
             if isinstance(value, str)}  # fmt: skip
    return {key: value for key, value in clean.items() if value and "DIGITAL CAMERA" not in value.upper()}


def _decoded(value: str) -> str:
    """Pillow takes all text of EXIF for Latin-1; most that is not ASCII is UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _pixels(source: Source, picture: Any, frame: int) -> tuple[NDArray[np.uint8] | None, float | None, bool]:
    """Decode a frame.

    Returns:
        Its pixels (None where it is too small), its dots an inch where it says so, and whether it is whole.
    """
    from PIL import Image

    whole = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = _loaded(picture, frame)
        except Image.DecompressionBombError as error:
            raise LoadError("a picture with too many pixels: more than 178 million are not read.") from error
        except _BROKEN as error:
            try:
                picture = _loaded_partly(source.data(), frame)
            except (*_BROKEN, Image.DecompressionBombError):
                raise LoadError(f"not readable as a picture: {_said(error)}") from error
            whole = False
        wide, high = picture.size
        if min(wide, high) < 1 or (
            source.options.ocr == "auto" and (max(wide, high) <= _ICON or min(wide, high) <= _THIN)
        ):
            return None, None, whole
        return *_shown(picture), whole


def pixels(data: bytes) -> tuple[NDArray[np.uint8], float | None]:
    """Return a picture inside a document as it is seen (height x width x 3), and its dots an inch if it says so.

    Raises:
        LoadError: it is broken, or has too many pixels.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _shown(_loaded(_opened(data), 0))
        except (*_BROKEN, Image.DecompressionBombError) as error:
            raise LoadError(f"not readable as a picture: {_said(error)}") from error


def _shown(picture: Any) -> tuple[NDArray[np.uint8], float | None]:
    """A decoded picture in plain RGB, upright, and no larger than is read; and its dots an inch."""
    import numpy as np

    wide, high = picture.size
    dpi = _dpi(picture)
    shrink = 1
    while wide * high > _MOST * shrink * shrink:
        shrink += 1
    try:
        flat = _upright(_flat(picture, shrink), picture)
    except _BROKEN as error:
        raise LoadError(f"not readable as a picture: {_said(error)}") from error
    return np.asarray(flat), dpi and dpi / shrink


def _loaded(picture: Any, frame: int) -> Any:
    picture.seek(frame)
    wide, high = picture.size
    if wide * high * _BYTES.get(picture.mode, 4) > _MOST_BYTES:
        raise LoadError(f"a picture with too many pixels: {wide} x {high}.")
    picture.load()
    return picture


def _loaded_partly(data: bytes, frame: int) -> Any:
    """Decode what there is of a picture that is cut off. Pillow has only a global switch for this."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return _loaded(_opened(data), frame)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _dpi(picture: Any) -> float | None:
    """Dots an inch, where they are a scanner's; 72 and 96 are what programs write that do not know."""
    try:
        dpi = float(max(picture.info["dpi"]))
    except (KeyError, *_BROKEN):
        return None
    return dpi if 100 <= dpi <= 2400 else None


def _flat(picture: Any, shrink: int) -> Any:
    """The picture in plain RGB, made smaller by a whole number."""
    from PIL import Image

    mode = picture.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        picture, shrink = _eight_bits(picture, shrink), 1
    elif mode == "1":
        picture = picture.convert("L")
    elif mode == "LAB":
        picture = picture.getchannel(0)
    elif mode in ("P", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
    elif mode in ("LA", "La", "RGBa"):
        picture = picture.convert({"LA": "RGBA", "La": "LA", "RGBa": "RGBA"}[mode]).convert("RGBA")
    if shrink > 1:
        picture = picture.reduce(shrink)
    if picture.mode == "RGBA":
        alpha = picture.getchannel("A")
        # Letters on nothing: light ones are meant for a dark ground.
        light = _mean(picture.convert("L"), alpha) > 180 and _mean(alpha, None) < 128
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255) if light else (255, 255, 255, 255))
        ground.alpha_composite(picture)
        picture = ground
    return picture.convert("RGB")


def _upright(flat: Any, picture: Any) -> Any:
    """Turn a picture as its camera says."""
    from PIL.Image import Transpose

    ways = {2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90}  # fmt: skip
    try:
        way = ways.get(picture.getexif().get(_ORIENTATION))
    except _BROKEN:
        return flat
    return flat if way is None else flat.transpose(way)


def _mean(picture: Any, mask: Any) -> float:
    from PIL import ImageStat

    found = ImageStat.Stat(picture, mask.point(lambda value: 255 if value > 127 else 0) if mask is not None else None)
    return float(found.mean[0]) if found.count[0] else 0.0


def _eight_bits(picture: Any, shrink: int) -> Any:
    """Scale 16 and 32 bits a pixel to 8: by the full range of integers, by what there is of other numbers."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)[::shrink, ::shrink].astype(np.float32)
    np.nan_to_num(values, copy=False, posinf=0, neginf=0)
    least, most = float(values.min()), float(values.max())
    if least >= 0 and 1 < most <= 65535:
        least, most = 0.0, 255.0 if most <= 255 else 4095.0 if most <= 4095 else 65535.0
    values -= least
    values *= 255.0 / (most - least if most > least else 1.0)
    return Image.fromarray(values.clip(0, 255, out=values).astype(np.uint8))


def _said(error: BaseException) -> str:
    what = " ".join(str(error).split())[:200] or "broken data"
    return what if isinstance(error, OSError) else f"{type(error).__name__}: {what}"
