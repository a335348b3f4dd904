"""ZIP files that formats are made of, opened with a limit on what they unpack to, and mended where they are cut off."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from ragcli.errors import LoadError

_LIMIT = 1 << 29  # bytes, unpacked
_MOST_MEMBERS = 100_000
_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_DESCRIPTOR = b"PK\x07\x08"
_BLOCK = 1 << 16


def opened(data: bytes, lose: Callable[[str], None] | None = None) -> zipfile.ZipFile:
    """Open a ZIP file.

    Args:
        data: its bytes.
        lose: told what is missing where the file is damaged; without it a damaged file is an error.

    Raises:
        LoadError: it unpacks to more than 512 MiB.
        zipfile.BadZipFile: it is broken, and nothing in it can be read.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:  # ValueError: offsets out of range
        if lose is None:
            if isinstance(error, zipfile.BadZipFile):
                raise
            raise zipfile.BadZipFile(str(error)) from error
        return _mended(data, lose)
    if sum(item.file_size for item in archive.infolist()) > _LIMIT:
        raise LoadError(f"not read: it unpacks to more than {_LIMIT >> 20} MiB.")
    return archive


def _mended(data: bytes, lose: Callable[[str], None]) -> zipfile.ZipFile:
    """Make a new ZIP file of the members that can be found without the list at the end."""
    out = io.BytesIO()
    whole: set[str] = set()
    cut: list[str] = []
    room = _LIMIT
    work = 4 * len(data) + (1 << 20)  # bytes to look at, so that false beginnings cost no more than this
    with zipfile.ZipFile(out, "w") as made:
        at = data.find(_LOCAL_MAGIC)
        while at >= 0 and len(whole) + len(cut) < _MOST_MEMBERS and work > 0:
            name, content, end, good = _member(data, at, room)
            work -= max(end - at, _LOCAL.size)
            if name and name not in whole and (content or good) and not name.endswith("/"):
                room -= len(content)
                made.writestr(zipfile.ZipInfo(name), content)
                if good:
                    whole.add(name)
                else:
                    cut.append(name)
            at = data.find(_LOCAL_MAGIC, max(end if good else at + 4, at + 4))
    if not whole and not cut:
        raise zipfile.BadZipFile("no member of it can be read")
    said = f", and the first part of {', '.join(cut[:3])}" if cut else ""
    lose(f"the file is damaged or cut off: {len(whole)} of its parts were read{said}; others may be missing")
    out.seek(0)
    return zipfile.ZipFile(out)


def _member(data: bytes, at: int, room: int) -> tuple[str, bytes, int, bool]:
    """Return a member's name, its bytes as far as they go, where it ends, and whether it is whole."""
    if at + _LOCAL.size > len(data):
        return "", b"", at, False
    _, _, flags, method, _, _, checksum, packed, _, name_length, extra = _LOCAL.unpack_from(data, at)
    start = at + _LOCAL.size + name_length + extra
    raw = data[at + _LOCAL.size : at + _LOCAL.size + name_length]
    if flags & 1 or not raw or start >= len(data):
        return "", b"", at, False
    try:
        name = raw.decode("utf-8" if flags & 0x800 else "cp437").partition("\0")[0]  # as zipfile reads it
    except UnicodeDecodeError:
        return "", b"", at, False
    later = bool(flags & 8)  # sizes and checksum stand behind the bytes
    if method == zipfile.ZIP_STORED:
        end = start + packed if packed else data.find(_DESCRIPTOR, start) if later else start
        content = data[start:end][:room] if end >= 0 else b""
        good = 0 <= end <= len(data) and len(content) == end - start
    elif method == zipfile.ZIP_DEFLATED:
        content, end, good = _inflated(data, start, room)
    else:
        return name, b"", at, False
    if good and later and data[end : end + 4] == _DESCRIPTOR and end + 8 <= len(data):
        checksum = struct.unpack_from("<I", data, end + 4)[0]
        later = False
    return name, content, end, good and (later or zlib.crc32(content) == checksum)


def _inflated(data: bytes, start: int, room: int) -> tuple[bytes, int, bool]:
    """Return what deflated bytes unpack to, as far as they go, where they end, and whether that is their end."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    at = start
    try:
        while at < len(data) and not engine.eof and room > 0:
            block = data[at : at + _BLOCK]
            at += len(block)
            pieces.append(engine.decompress(block, room))
            room -= len(pieces[-1])
    except zlib.error:
        pass
    return b"".join(pieces), at - len(engine.unused_data), engine.eof
