"""ISO-2022-JP as Microsoft's programs write it (CP50220, CP50221): with NEC's and IBM's characters and narrow kana.

Python's codecs of that family refuse these, and Japanese mail is full of them. The pairs are those of Shift_JIS in
another form (JIS X 0208), so that Microsoft's Shift_JIS (CP932) reads them.
"""

from __future__ import annotations

import codecs
import re

NAME = "iso2022_jp_ms"
_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\(D|\([BJIH])|[\x0e\x0f]")
_LINE_END = re.compile(rb"[\r\n]")
_WIDE = (b"\x1b$@", b"\x1b$B")
_NARROW = (b"\x1b(I", b"\x0e")
_MORE = b"\x1b$(D"


def decode(data: bytes, errors: str = "strict") -> tuple[str, int]:
    """Return (text, how many bytes were read); what is no pair of letters is read by the rule ``errors``."""
    data = bytes(data)
    out: list[str] = []
    at, mode = 0, b""
    for found in _ESCAPE.finditer(data):
        out.append(_part(data[at : found.start()], mode, errors))
        at, mode = found.end(), found[0]
    out.append(_part(data[at:], mode, errors))
    return "".join(out), len(data)


def _part(data: bytes, mode: bytes, errors: str) -> str:
    if mode in _NARROW:
        return bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in data).decode("cp932", errors)
    if mode in _WIDE or mode == _MORE:
        first = _LINE_END.search(data)
        end = first.start() if first else len(data)
        words = re.split(rb"([\x00-\x20]+)", data[:end])
        said = [one.decode("ascii", errors) if at % 2 else _pairs(one, errors, more=mode == _MORE)
                for at, one in enumerate(words)]  # fmt: skip
        return "".join(said) + data[end:].decode("ascii", errors)  # a line end goes back to ASCII
    return data.decode("ascii", errors)


def _pairs(data: bytes, errors: str, *, more: bool) -> str:
    if more:  # JIS X 0212, which EUC-JP holds
        high = bytes(byte | 0x80 for byte in data)
        return b"".join(b"\x8f" + high[at : at + 2] for at in range(0, len(high), 2)).decode("euc_jp", errors)
    out = bytearray()
    for first, second in zip(data[::2], data[1::2], strict=False):
        out.append(((first - 0x21) >> 1) + (0x81 if first < 0x5F else 0xC1))
        out.append(second + (0x1F if first & 1 else 0x7E) + (first & 1 and second >= 0x60))
    return bytes(out).decode("cp932", errors) + ("\ufffd" if len(data) % 2 else "")


def encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    """Return (bytes, how many characters were written), as far as the standard goes."""
    return text.encode("iso2022_jp_ext", errors), len(text)


class _Decoder(codecs.BufferedIncrementalDecoder):
    def _buffer_decode(self, data: bytes, errors: str, final: bool) -> tuple[str, int]:  # type: ignore[override]
        end = len(data) if final else data.rfind(b"\n") + 1  # at a line end all is ASCII again
        return decode(data[:end], errors)


def find(name: str) -> codecs.CodecInfo | None:
    """Return the codec by its name; for ``codecs.register``."""
    if name not in (NAME, "cp50220", "cp50221", "cp50222"):
        return None
    return codecs.CodecInfo(encode, decode, name=NAME, incrementaldecoder=_Decoder)  # type: ignore[arg-type]
