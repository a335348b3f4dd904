"""The compressed RTF of Outlook (LZFu, [MS-OXRTFCP])."""

from __future__ import annotations

import struct

_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans "
    rb"SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)  # fmt: skip
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_RING = 4096
_LARGEST = 1 << 28


def decompressed(data: bytes) -> bytes:
    """Return the RTF.

    Raises:
        ValueError: it is none.
    """
    try:
        _, size, kind, _ = struct.unpack_from("<4I", data)
    except struct.error:
        raise ValueError("compressed RTF without its head") from None
    if kind == _PLAIN:
        return data[16 : 16 + size]
    if kind != _COMPRESSED:
        raise ValueError("compressed RTF of an unknown kind")
    ring = bytearray(_RING)
    ring[: len(_START)] = _START
    at, write = 16, len(_START)
    out = bytearray()
    size = min(size, _LARGEST)
    while at < len(data) and len(out) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if control >> bit & 1:
                if at + 1 >= len(data):
                    return bytes(out)
                place, length = data[at] << 4 | data[at + 1] >> 4, (data[at + 1] & 15) + 2
                at += 2
                if place == write:
                    return bytes(out[:size])
                for _ in range(length):
                    byte = ring[place]
                    place = (place + 1) % _RING
                    ring[write] = byte
                    write = (write + 1) % _RING
                    out.append(byte)
            else:
                ring[write] = data[at]
                write = (write + 1) % _RING
                out.append(data[at])
                at += 1
    return bytes(out[:size])
