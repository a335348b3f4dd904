"""The pictures of XLS files, in the records of OfficeArt ([MS-ODRAW]): their bytes, and which a sheet shows."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_STORE_ENTRY, _OPTIONS = 0xF007, 0xF00B
_BITMAPS = (0xF01D, 0xF01E, 0xF01F, 0xF029, 0xF02A)  # JPEG, PNG, DIB, TIFF, JPEG
_DIB = 0xF01F
_PICTURE = 0x0104  # the property that names a shape's picture
_CONTAINER = 0xF


def stored(group: bytes) -> list[bytes | None]:
    """Return the pictures of a workbook in their order; no bytes for a drawing (EMF, WMF), None where one is missing.

    Args:
        group: the data of its drawing group.
    """
    found: list[bytes | None] = []
    for kind, _, data in _records(group):
        if kind != _STORE_ENTRY:
            continue
        inner = next(_records(data[36 + data[33] :]), None) if len(data) > 36 else None
        found.append(_bitmap(*inner) if inner is not None else None)
    return found


def shown(drawing: bytes) -> list[int]:
    """Return the numbers, from 1, of the pictures that the shapes of a sheet show.

    Args:
        drawing: the data of its drawing.
    """
    found = []
    for kind, count, data in _records(drawing):
        if kind == _OPTIONS:
            for at in range(0, min(6 * count, len(data) - 5), 6):
                name, value = struct.unpack_from("<HI", data, at)
                if name & 0x3FFF == _PICTURE and value:
                    found.append(value)
    return found


def _records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (kind, instance, data) of the records, those in containers too; what is cut off is left out."""
    at = 0
    while at + 8 <= len(data):
        head, kind, length = struct.unpack_from("<HHI", data, at)
        at += 8
        if head & 0xF == _CONTAINER and kind != _STORE_ENTRY:
            continue
        if at + length <= len(data):
            yield kind, head >> 4, data[at : at + length]
        at += length


def _bitmap(kind: int, instance: int, data: bytes) -> bytes:
    if kind not in _BITMAPS:
        return b""
    content = data[(32 if instance & 1 else 16) + 1 :]  # after one or two hashes, and a mark
    if kind != _DIB or len(content) < 40:
        return content
    header, bits, colours = *struct.unpack_from("<I10xH", content), struct.unpack_from("<I", content, 32)[0]
    palette = 4 * (colours or (1 << bits if bits <= 8 else 0))
    return b"BM" + struct.pack("<IHHI", 14 + len(content), 0, 0, 14 + header + palette) + content
