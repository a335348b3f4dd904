"""Characters of symbol fonts as the characters they look like."""

from __future__ import annotations

import re

_GREEK = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
_SYMBOL = {0x41 + at: char for at, char in enumerate(_GREEK)} | {
    0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0xA2: "′", 0xA3: "≤", 0xA4: "⁄", 0xA5: "∞",
    0xA7: "♣", 0xA8: "♦", 0xA9: "♥", 0xAA: "♠", 0xAB: "↔", 0xAC: "←", 0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°",
    0xB1: "±", 0xB2: "″", 0xB3: "≥", 0xB4: "×", 0xB5: "∝", 0xB6: "∂", 0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡",
    0xBB: "≈", 0xBC: "…", 0xC5: "⊕", 0xC6: "∅", 0xC7: "∩", 0xC8: "∪", 0xC9: "⊃", 0xCA: "⊇", 0xCC: "⊂", 0xCD: "⊆",
    0xCE: "∈", 0xCF: "∉", 0xD0: "∠", 0xD1: "∇", 0xD2: "®", 0xD3: "©", 0xD4: "™", 0xD5: "∏", 0xD6: "√", 0xD7: "⋅",
    0xD8: "¬", 0xD9: "∧", 0xDA: "∨", 0xDB: "⇔", 0xDC: "⇐", 0xDD: "⇑", 0xDE: "⇒", 0xDF: "⇓", 0xE5: "∑", 0xF2: "∫",
}  # fmt: skip
_WINGDINGS = {
    0x21: "✏", 0x22: "✂", 0x28: "☎", 0x2A: "✉", 0x36: "⌛", 0x3A: "💻", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●",
    0x6E: "■", 0x6F: "□", 0x70: "□", 0x71: "❑", 0x72: "❒", 0x74: "⧫", 0x75: "◆", 0x76: "❖", 0x77: "⬥", 0x78: "⌧",
    0x9F: "•", 0xA1: "○", 0xA7: "▪", 0xA8: "☐", 0xAB: "★", 0xD8: "➢", 0xDC: "➲", 0xDF: "←", 0xE0: "→", 0xE1: "↑",
    0xE2: "↓", 0xE8: "➔", 0xEF: "⇦", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_WINGDINGS |= {0x80 + at: char for at, char in enumerate("⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿")}
_WINGDINGS_2 = {
    0x2A: "☒", 0x30: "☐", 0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0xA3: "□",
}  # fmt: skip
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2}
_UNKNOWN = "□"  # what is shown where a font has no such character
_PRIVATE = re.compile("[\uf020-\uf0ff]")


def symbol(code: str | None, font: str | None) -> str:
    """Return the character that a code of a symbol font shows; a box where it is not known.

    Args:
        code: hexadecimal, often in the private area that begins at F000.
        font: the font's name.
    """
    try:
        value = int(code or "", 16)
    except ValueError:
        return _UNKNOWN
    known = _FONTS.get((font or "").lower())
    low = value - 0xF000 if 0xF000 <= value <= 0xF0FF else value
    if known is not None and low in known:
        return known[low]
    if 0xE000 <= value <= 0xF8FF:
        return chr(low) if known is not None and 0x20 <= low < 0x7F and known is _SYMBOL else _UNKNOWN
    return chr(value) if 0x20 <= value < 0xD800 or 0xF900 <= value <= 0x10FFFF else _UNKNOWN


def usual(text: str) -> str:
    """Return text with the characters of symbol fonts that stand in it as private ones; unknown ones stay."""
    return _PRIVATE.sub(_usual, text) if _PRIVATE.search(text) is not None else text


def _usual(found: re.Match[str]) -> str:
    low = ord(found[0]) - 0xF000
    return "•" if low == 0xB7 else _WINGDINGS.get(low, found[0])  # B7: the bullet of the font Symbol
