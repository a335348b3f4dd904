"""Text that was read wrongly: replacement characters, private-use characters, and the usual kinds of mojibake.

Each kind is told by what right text of any language does not hold: bytes of UTF-8 that were read as Latin-1 or
Windows-1252, or as GBK, and Chinese in GBK that was read as Latin-1. A wrong alarm costs more than a missed chunk, as
a person reads what is named.
"""

from __future__ import annotations

import re

_REPLACED = 0.005  # of the characters: below it a text may speak of U+FFFD
_PRIVATE = 0.05  # bullets of PDF files are private-use characters, and harmless
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_CP1252 = "\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022"
_CP1252 += "\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
# A lead byte of UTF-8 and what follows it, as Latin-1 or Windows-1252 shows them.
_AS_LATIN = re.compile(f"[\u00c2-\u00df][\u0080-\u00bf{_CP1252}]|[\u00e0-\u00ef][\u0080-\u00bf{_CP1252}]{{2}}")
# What 的，。是中在 and the like become when their UTF-8 is read as GBK; rare in anything that a person writes.
_AS_GBK = re.compile("[锛銆鐨鏄鍦涓浜鍙鏂鐢]")
_AS_GBK_TWICE = "锟斤拷"  # what U+FFFD becomes; a text may speak of it
_GBK_AS_LATIN = re.compile("[\u00a1-\u00fe]{8,}")
_FEW = 3


def garbled(text: str) -> str | None:
    """Return what is wrong with a text, or None."""
    if not text or text.isspace():
        return "blank"
    if text.isascii():
        return None
    if any(_is_gbk(run) for run in _GBK_AS_LATIN.findall(text)):
        return "GBK that was read as Latin-1"
    if len(_AS_LATIN.findall(text)) >= _FEW:
        return "UTF-8 that was read as Latin-1"
    seen = _AS_GBK.findall(text)
    if text.count(_AS_GBK_TWICE) >= _FEW or (len(seen) >= max(_FEW, len(text) / 50) and len(set(seen)) >= _FEW):
        return "UTF-8 that was read as GBK"
    if text.count("\ufffd") >= max(2, _REPLACED * len(text)):
        return "replacement characters (U+FFFD)"
    if len(_PRIVATE_USE.findall(text)) > max(_FEW, _PRIVATE * len(text)):
        return "private-use characters"
    return None


def _is_gbk(run: str) -> bool:
    """Whether characters of Latin-1 are pairs of bytes that are common Chinese characters (GB 2312, first level)."""
    data = run.encode("latin-1")
    data = data[: len(data) // 2 * 2]
    if sum(byte < 0xC0 for byte in data) < 2:  # letters alone, as in a list of them
        return False
    return all(0xB0 <= lead <= 0xD7 and trail >= 0xA1 for lead, trail in zip(data[::2], data[1::2], strict=True))
