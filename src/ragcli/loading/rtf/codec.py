"""The encodings of RTF: code pages, character sets of fonts, and what the symbol fonts show."""

from __future__ import annotations

import codecs
import re
import unicodedata

_CHARSETS = {
    77: "mac_roman", 78: "cp932", 79: "cp949", 80: "gb18030", 81: "cp950", 84: "mac_arabic", 85: "mac_greek",
    86: "mac_turkish", 88: "mac_latin2", 89: "mac_cyrillic", 128: "cp932", 129: "cp949", 130: "johab",
    134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256",
    179: "cp1256", 180: "cp1256", 181: "cp1255", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp437",
}  # fmt: skip
_PAGES = {
    708: "iso8859_6", 936: "gb18030", 1361: "johab", 10000: "mac_roman", 10001: "cp932", 10002: "cp950",
    10003: "cp949", 10004: "mac_arabic", 10006: "mac_greek", 10007: "mac_cyrillic", 10008: "gb18030",
    10029: "mac_latin2", 10081: "mac_turkish", 20932: "euc_jp", 54936: "gb18030", 65001: "utf-8",
}  # fmt: skip
MULTIBYTE = {"gb18030", "cp950", "cp932", "cp949", "johab", "euc_jp"}
WESTERN = "cp1252"
SYMBOL, WINGDINGS = "symbol", "wingdings"  # no codecs: what these fonts show instead of Latin letters
_SYMBOL_CHARSET = 2
_VIETNAMESE = "cp1258"  # letters and their accents apart
_LARGER = {"gb18030": "gbk", "cp950": "big5hkscs", "cp932": "shift_jis_2004", "cp949": "johab"}
_HIGH = re.compile(rb"[\x80-\xff]{2,}")
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

_GREEK = dict(
    zip(
        range(0x41, 0x7B),
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ",
        strict=True,
    )
)
_SIGNS = dict(
    zip(
        range(0xA1, 0xF0),
        "ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪",
        strict=True,
    )
)
_SYMBOLS = {
    **{byte: chr(byte) for byte in range(0x20, 0x7F)},
    0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0xF1: "〉", 0xF2: "∫",
    **_GREEK,
    **_SIGNS,
}  # fmt: skip
_DINGBATS = {
    0x20: " ", 0x28: "☎", 0x2A: "✉", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "☐",
    0x76: "❖", 0xA1: "○", 0xA7: "▪", 0xA8: "☐", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔",
    0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip


def of_page(number: int) -> str | None:
    """Return the codec of a code page, or None."""
    if number in _PAGES:
        return _PAGES[number]
    try:
        return codecs.lookup(f"cp{number}").name
    except LookupError:
        return None


def of_charset(number: int, name: str, default: str) -> str:
    """Return the codec of a font.

    Args:
        number: its character set.
        name: its name, which tells the symbol fonts apart.
        default: the codec of the document.
    """
    if number == _SYMBOL_CHARSET:
        lower = name.lower()
        if "dings" in lower or "marlett" in lower:
            return WINGDINGS
        return SYMBOL if "symbol" in lower else WESTERN
    if number == 0:
        return WESTERN
    return _CHARSETS.get(number, default)


def symbol(byte: int, codec: str) -> str:
    """Return what a symbol font shows for a byte."""
    if codec == WINGDINGS:
        return _DINGBATS.get(byte, "•")
    return _SYMBOLS.get(byte, "•" if byte > 0x7F else "")


def decode(data: bytes, codec: str, default: str) -> tuple[str, int]:
    """Decode a run of text; return it and the number of places that could not be decoded.

    Args:
        data: its bytes.
        codec: of its font.
        default: of the document: programs in China write Chinese in fonts that they call Western, and others write
            UTF-8 whatever they say.
    """
    if codec in (SYMBOL, WINGDINGS):
        return "".join(symbol(byte, codec) for byte in data), 0
    if data.isascii():
        return data.decode("ascii"), 0
    if codec not in MULTIBYTE and codec != "utf-8" and _is_utf8(data):
        return data.decode("utf-8"), 0
    if codec == WESTERN and default in MULTIBYTE and _HIGH.search(data):
        return _mixed(data, default)
    for attempt in (codec, _LARGER.get(codec)):
        try:
            if attempt:
                text = data.decode(attempt)
                return (unicodedata.normalize("NFC", text) if attempt == _VIETNAMESE else text), 0
        except UnicodeDecodeError:
            pass
    text = data.decode(codec, "replace")
    return text, text.count("\ufffd")


def _is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 beyond ASCII: what reads so is hardly ever meant otherwise."""
    if not _UTF8.search(data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _mixed(data: bytes, default: str) -> tuple[str, int]:
    """Decode Western text with runs of bytes that are letters of the document's own encoding."""
    pieces: list[str] = []
    at = 0
    for found in _HIGH.finditer(data):
        try:
            own = found[0].decode(default)
        except UnicodeDecodeError:
            continue
        pieces += [data[at : found.start()].decode(WESTERN, "replace"), own]
        at = found.end()
    pieces.append(data[at:].decode(WESTERN, "replace"))
    text = "".join(pieces)
    return text, text.count("\ufffd")
