"""TNEF, the file ``winmail.dat`` in which Outlook packs body and attachments ([MS-OXTNEF])."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x78\x9f\x3e\x22"
_BODY, _PROPERTIES, _CODE_PAGE = 0x800C, 0x9003, 0x9007
_NEXT, _TITLE, _DATA, _MORE = 0x9002, 0x8010, 0x800F, 0x9005
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}  # padded to 4 bytes
_STRING, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_NAMES, _CONTENT, _TEXT, _PAGE, _RTF = (0x3707, 0x3704), 0x3701, 0x1000, 0x1013, 0x1009
_NAMED = 0x8000


class Packed(NamedTuple):
    """What a TNEF file holds: code page, plain body, page, compressed RTF, and (name, bytes) of attachments."""

    codec: str
    text: bytes
    page: bytes
    rtf: bytes
    files: list[tuple[str, bytes]]


def unpacked(data: bytes) -> Packed:
    """Take a TNEF file apart, as far as it goes.

    Raises:
        ValueError: it is none.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("it does not begin like one")
    codec, text, page, rtf = "cp1252", b"", b"", b""
    files: list[tuple[str, bytes]] = []
    name, content = "", b""
    for kind, value in _attributes(data):
        if kind == _CODE_PAGE and len(value) >= 4:
            codec = f"cp{int.from_bytes(value[:4], 'little')}"
        elif kind == _BODY:
            text = value.rstrip(b"\0")
        elif kind == _PROPERTIES:
            found = dict(_properties(value))
            text = found.get(_TEXT, text)
            page, rtf = found.get(_PAGE, page), found.get(_RTF, rtf)
        elif kind == _NEXT:
            if content:
                files.append((name, content))
            name, content = "", b""
        elif kind == _TITLE:
            name = name or _decoded(value.rstrip(b"\0"), codec)
        elif kind == _DATA:
            content = value
        elif kind == _MORE:
            found = dict(_properties(value))
            name = next((_decoded(found[key], codec) for key in _NAMES if found.get(key)), name)
            content = found.get(_CONTENT) or content
    if content:
        files.append((name, content))
    return Packed(codec, text, page, rtf, files)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    while at + 9 <= len(data):
        kind, size = struct.unpack_from("<HxxI", data, at + 1)
        yield kind, data[at + 9 : at + 9 + size]
        at += 11 + size


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The properties that are strings or bytes; strings as UTF-8 where they are Unicode."""
    try:
        (count,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(count):
            kind, key = struct.unpack_from("<HH", data, at)
            at += 4
            if key >= _NAMED:
                (named,) = struct.unpack_from("<I", data, at + 16)
                at += 20
                (length,) = struct.unpack_from("<I", data, at)
                at += 4 + (-(-length // 4) * 4 if named else 0)
            many = bool(kind & 0x1000)
            kind &= 0xFFF
            values = 1
            if many or kind in (_STRING, _UNICODE, _OBJECT, _BINARY):
                (values,) = struct.unpack_from("<I", data, at)
                at += 4
            for _ in range(values):
                if kind in _SIZES:
                    at += _SIZES[kind]
                    continue
                if kind not in (_STRING, _UNICODE, _OBJECT, _BINARY):
                    return
                (length,) = struct.unpack_from("<I", data, at)
                value = data[at + 4 : at + 4 + length]
                at += 4 + -(-length // 4) * 4
                if kind == _OBJECT:
                    value = value[16:]  # after the id of its interface
                if kind == _UNICODE:
                    value = value.decode("utf-16-le", "replace").rstrip("\0").encode()
                yield key, value.rstrip(b"\0") if kind == _STRING else value
            if at > len(data):
                return
    except struct.error:
        return


def _decoded(data: bytes, codec: str) -> str:
    for name in ("utf-8", codec):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("cp1252", "replace")
