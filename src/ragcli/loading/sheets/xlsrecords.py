"""The records that XLS files are made of: what xlrd leaves out (text boxes, charts), and repair of what is cut off."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ragcli.loading.sheets.markdown import margin

_BOF = (0x0009, 0x0209, 0x0409, 0x0809)
_EOF, _CONTINUE, _FILEPASS, _BOUNDSHEET, _OBJ, _TXO = 0x000A, 0x003C, 0x002F, 0x0085, 0x005D, 0x01B6
_GROUP, _DRAWING = 0x00EB, 0x00EC
_SERIES_TEXT = 0x100D
_MARGINS = (0x0014, 0x0015)  # header and footer of the printed page
_CHART = 0x0020
_NOTE, _PICTURE, _LIST = 0x19, 0x08, 0x14
_BIFF8 = 0x0600


@dataclass(slots=True)
class Found:
    """What stands in a workbook beside its cells.

    Args:
        boxes: by the place of a sheet in the stream, the texts of its boxes and charts.
        sheets: (place, name, kind, whether it is hidden); the kind is 0 for cells, 1 for macros, 2 for a chart.
        pictures: how many there are.
        group: the data of the drawing group, which holds the pictures.
        drawings: by the place of a sheet in the stream, the data of its drawing.
        encrypted: it needs a password.
        end: where the last whole record ends.
        version: of the format: 0x0600 for BIFF8.
    """

    boxes: dict[int, list[str]] = field(default_factory=dict)
    sheets: list[tuple[int, str, int, bool]] = field(default_factory=list)
    pictures: int = 0
    group: list[bytes] = field(default_factory=list)
    drawings: dict[int, list[bytes]] = field(default_factory=dict)
    encrypted: bool = False
    end: int = 0
    version: int = 0


def records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (place, kind, data) of each whole record."""
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        if at + 4 + length > len(stream):
            return
        yield at, kind, stream[at + 4 : at + 4 + length]
        at += 4 + length


def looked_through(stream: bytes) -> Found:
    """Return what stands beside the cells."""
    found = Found()
    depth = sheet = chart = shape = 0
    titles: list[str] = []
    box: list[bytes] | None = None
    drawn: list[bytes] | None = None  # where the data of a drawing goes
    for at, kind, data in records(stream):
        found.end = at + 4 + len(data)
        if box is not None:
            if kind == _CONTINUE:
                box.append(data)
                continue
            _add(found, sheet, _box(box))
            box = None
        if kind in (_GROUP, _DRAWING):
            drawn = found.group if kind == _GROUP else found.drawings.setdefault(sheet, [])
            drawn.append(data)
            continue
        if kind == _CONTINUE and drawn is not None:
            drawn.append(data)
            continue
        drawn = None
        if kind in _BOF:
            depth += 1
            version, substream = struct.unpack_from("<HH", data) if len(data) >= 4 else (0, 0)
            if depth == 1:
                sheet = at
                found.version = found.version or version
            if substream == _CHART:
                chart, titles = depth, []
        elif kind == _EOF:
            if depth == chart:
                _add(found, sheet, "Chart: " + ", ".join(dict.fromkeys(titles)) if titles else "")
                chart = 0
            depth = max(depth - 1, 0)
        elif kind == _FILEPASS and depth == 1 and sheet == 0:
            found.encrypted = True
        elif kind == _BOUNDSHEET and len(data) > 7:
            place, hidden, what = struct.unpack_from("<IBB", data)
            found.sheets.append((place, _short(data[6:], found.version), what, hidden & 3 != 0))
        elif kind == _OBJ and len(data) >= 8:
            shape = struct.unpack_from("<H", data, 4)[0] if data[:2] == b"\x15\0" else 0
            found.pictures += shape == _PICTURE
        elif kind == _TXO and len(data) >= 12 and shape not in (_NOTE, _LIST):
            box = [data]
        elif kind in _MARGINS and depth == 1 and len(data) > 2:
            _add(found, sheet, margin(_long(data, found.version)))
        elif kind == _SERIES_TEXT and len(data) > 3 and chart and (text := _short(data[2:], found.version).strip()):
            titles.append(text)
    if box is not None:
        _add(found, sheet, _box(box))
    return found


def whole(stream: bytes, end: int) -> bytes:
    """Return a stream without the record that its end cuts off, and closed."""
    return stream[:end] + struct.pack("<HH", _EOF, 0) if end < len(stream.rstrip(b"\0")) else stream


def _add(found: Found, sheet: int, text: str) -> None:
    if text and text not in found.boxes.setdefault(sheet, []):
        found.boxes[sheet].append(text)


def _box(parts: list[bytes]) -> str:
    """The text of a box: characters in the records after its own, each with a byte that says how wide they are."""
    left = struct.unpack_from("<H", parts[0], 10)[0]
    text = ""
    for part in parts[1:]:
        if left <= 0 or not part:
            break
        wide = part[0] & 1
        piece = part[1 : 1 + left * (2 if wide else 1)].decode("utf-16-le" if wide else "latin-1", "replace")
        left -= len(piece)
        text += piece
    lines = (" ".join(line.split()) for line in text.replace("\r", "\n").split("\n"))
    return "\n\n".join(filter(None, lines))


def _short(data: bytes, version: int) -> str:
    """A string after a byte with its length."""
    length = data[0]
    if version < _BIFF8:
        return data[1 : 1 + length].decode("latin-1")
    wide = data[1] & 1
    return data[2 : 2 + length * (2 if wide else 1)].decode("utf-16-le" if wide else "latin-1", "replace")


def _long(data: bytes, version: int) -> str:
    """A string after its length, which is two bytes from Excel 97 on."""
    if version < _BIFF8:
        return _short(data, version)
    wide = data[2] & 1
    length = struct.unpack_from("<H", data)[0] * (2 if wide else 1)
    return data[3 : 3 + length].decode("utf-16-le" if wide else "latin-1", "replace")
