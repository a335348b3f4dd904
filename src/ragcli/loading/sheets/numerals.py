"""Numbers in Chinese numerals, as the formats [DBNum1] to [DBNum3] of spreadsheets show them."""

from __future__ import annotations

_DIGITS = {1: "〇一二三四五六七八九", 2: "零壹贰叁肆伍陆柒捌玖", 3: "０１２３４５６７８９"}
_UNITS = {1: ("", "十", "百", "千"), 2: ("", "拾", "佰", "仟")}
_GROUPS = ("", "万", "亿", "万亿")


def chinese(value: float, style: int, *, digits: bool = False) -> str:
    """Return a number in Chinese numerals.

    Args:
        value: the number.
        style: 1 for 一二三, 2 for 壹贰叁, 3 for full-width digits.
        digits: digit by digit, as years are.
    """
    from ragcli.loading.sheets.numformat import general

    table = _DIGITS[style]
    plain = general(abs(value))
    if "E" in plain:
        return general(value)
    whole, _, decimals = plain.partition(".")
    sign = "-" if value < 0 else ""
    spelt = (
        "".join(table[int(char)] for char in whole)
        if digits or style == 3 or len(whole) > 16
        else _spelt(int(whole), style)
    )
    return f"{sign}{spelt}{'.' if decimals else ''}{''.join(table[int(char)] for char in decimals)}"


def _spelt(number: int, style: int) -> str:
    if not number:
        return _DIGITS[style][0]
    parts: list[str] = []
    gap = False
    for at in range(3, -1, -1):
        group = number // 10_000**at % 10_000
        if not group:
            gap = bool(parts)
            continue
        zero = bool(parts) and (gap or group < 1000)
        parts.append((_DIGITS[style][0] if zero else "") + _group(group, style) + _GROUPS[at])
        gap = False
    text = "".join(parts)
    return text[1:] if style == 1 and text.startswith("一十") else text


def _group(number: int, style: int) -> str:
    text = ""
    zero = False
    for at in range(3, -1, -1):
        digit = number // 10**at % 10
        if digit:
            text += (_DIGITS[style][0] if zero and text else "") + _DIGITS[style][digit] + _UNITS[style][at]
            zero = False
        else:
            zero = True
    return text
