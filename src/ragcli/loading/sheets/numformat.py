"""Numbers, dates and times as a spreadsheet shows them: the number formats of Excel (ECMA-376, part 1, 18.8.30)."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from ragcli.loading.sheets import numdates
from ragcli.loading.sheets.numcodes import Format, Section, compiled, literal
from ragcli.loading.sheets.numerals import chinese

# What the numbers below 164 mean. 14 and 22 are the system's own short date: written so that it cannot be misread.
BUILTIN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "$#,##0;-$#,##0", 6: "$#,##0;-$#,##0",
    7: "$#,##0.00;-$#,##0.00", 8: "$#,##0.00;-$#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 27: 'yyyy"年"m"月"', 28: 'm"月"d"日"',
    29: 'm"月"d"日"', 30: "m-d-yy", 31: 'yyyy"年"m"月"d"日"', 32: 'h"时"mm"分"', 33: 'h"时"mm"分"ss"秒"',
    34: '上午/下午h"时"mm"分"', 35: '上午/下午h"时"mm"分"ss"秒"', 36: 'yyyy"年"m"月"', 37: "#,##0;-#,##0",
    38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00", 41: "#,##0;-#,##0;-;@",
    42: "$#,##0;-$#,##0;$-;@", 43: "#,##0.00;-#,##0.00;-;@", 44: "$#,##0.00;-$#,##0.00;$-;@", 45: "mm:ss",
    46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@", 50: 'yyyy"年"m"月"', 51: 'm"月"d"日"',
    52: 'yyyy"年"m"月"', 53: 'm"月"d"日"', 54: 'm"月"d"日"', 55: '上午/下午h"时"mm"分"',
    56: '上午/下午h"时"mm"分"ss"秒"', 57: 'yyyy"年"m"月"', 58: 'm"月"d"日"',
}  # fmt: skip

_PLAIN = re.compile(r"([^0#?.,%/@*e]*)(#,##0|0)(\.0+)?(%?[^0#?.,%/@*e]*)")
_EXACT = Context(prec=400)


def general(value: float) -> str:
    """Return a number as the format General shows it, but large ones whole: they are mostly identifiers."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    size = abs(value)
    if 1e-4 <= size < 1e11:
        whole = len(str(int(size)))
        return f"{value:.{max(10 - whole, 0)}f}".rstrip("0").rstrip(".")
    if size < 1e-4:
        fixed = f"{value:.12f}".rstrip("0")
        if len(fixed.lstrip("-")) <= 11 and float(fixed) == value:
            return fixed
        mantissa, _, exponent = f"{value:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    return f"{value:.15G}"


@lru_cache(maxsize=1 << 16)
def shown(value: float, code: str, date1904: bool = False) -> str:
    """Return a number as a format shows it.

    Args:
        value: the number that the cell holds; days for dates and times.
        code: the format, for example ``#,##0.00;[Red]-#,##0.00``.
        date1904: day 0 is 1904-01-01, not 1899-12-31.
    """
    found, quick = _prepared(code)
    if found is None or value != value or value in (float("inf"), float("-inf")):
        return general(value) if abs(value) < float("inf") else str(value)
    at, number = found.choose(value)
    write = quick[at]
    if write is not None and (text := write(number, date1904)) is not None:
        return text
    section = found.sections[at]
    if section.kind == "date":
        return numdates.written(section, value, date1904) or general(value)
    written = _number(section, number)
    if not written.strip() and value and not found.shows:
        return general(value)
    return written


def shown_text(text: str, code: str) -> str:
    """Return a text as a format shows it: what stands around ``@`` goes around it."""
    if "@" not in code:
        return text
    found = compiled(code)
    section = found.text if found is not None else None
    if section is None:
        return text
    return "".join(text if token == "@" else literal(token) for token in section.tokens)


@lru_cache(maxsize=4096)
def _prepared(code: str) -> tuple[Format | None, list[numdates.Quick | None]]:
    """Return a format, and for each of its sections a fast writer where there is one."""
    found = compiled(code)
    sections = found.sections if found is not None else ()
    return found, [numdates.quick(one) if one.kind == "date" else _quick(one) for one in sections]


def _quick(section: Section) -> numdates.Quick | None:
    """Return a writer for a format such as ``#,##0.00`` or ``0%`` with text around it; None for any other."""
    tokens = section.tokens
    match = _PLAIN.fullmatch("".join(token if len(token) == 1 else "\0" for token in tokens))
    if match is None or section.kind != "number" or section.numerals:
        return None
    before, after = "".join(map(literal, tokens[: match.end(1)])), "".join(map(literal, tokens[match.start(4) :]))
    places = len(match[3] or ".") - 1
    percent = match[4][:1] == "%"
    pattern = f"{{:{',' if match[2] == '#,##0' else ''}.{places}f}}"
    middle = places + (3 if percent else 1)

    def write(value: float, date1904: bool) -> str | None:
        """Return the number; None where it is large, or just between two others, and needs care."""
        digits = repr(value)
        _, _, decimals = digits.partition(".")
        if "e" in digits or (decimals[-1:] == "5" and len(decimals) == middle):
            return None
        written = pattern.format(value * 100 if percent else value)
        if written[0] != "-":
            return f"{before}{written}{after}"
        return f"-{before}{written[1:]}{after}" if written.strip("-0.,") else None

    return write


def _number(section: Section, value: float) -> str:
    tokens = section.tokens
    if section.kind == "text":
        if "@" in tokens:
            return "".join(general(value) if token == "@" else literal(token) for token in tokens)
        return ("-" if value < 0 and tokens else "") + "".join(literal(token) for token in tokens)
    if section.kind == "general":
        inner = chinese(value, section.numerals) if section.numerals else general(abs(value))
        sign = "-" if value < 0 and not section.numerals else ""
        return sign + "".join(inner if token == "general" else literal(token) for token in tokens)
    exact = abs(Decimal(repr(value)))
    if "%" in tokens:
        exact = exact.scaleb(2 * tokens.count("%"), _EXACT)
    if any(token in ("e+", "e-") for token in tokens):
        written = _scientific(section, exact)
    elif "/" in tokens and (fraction := _fraction(section, exact)) is not None:
        written = fraction
    else:
        written = _fixed(section, tokens, exact)
    negative = value < 0 and any(char in "123456789" for char in written)
    if section.numerals:
        written = chinese(float(value), section.numerals) if "," not in tokens else written
        negative = negative and "," in tokens
    return f"-{written}" if negative else written


def _fixed(section: Section, tokens: tuple[str, ...], value: Decimal) -> str:
    """Write a number into digits before and after a point, with literals between them."""
    places = [at for at, token in enumerate(tokens) if token in ("0", "#", "?")]
    if not places:
        return "".join(literal(token) for token in tokens)
    point = next((at for at, token in enumerate(tokens) if token == "."), None)
    before = [at for at in places if point is None or at < point]
    after = [at for at in places if point is not None and at > point]
    last = max(before, default=-1 if point is None else point)
    grouped = any(token == "," and before and before[0] < at < before[-1] for at, token in enumerate(tokens))
    scale = 0
    for start in (last, max(places)):
        at = start + 1
        while at < len(tokens) and tokens[at] == ",":
            scale, at = scale + 3, at + 1
        if start == max(places):
            break
    value = value.scaleb(-scale, _EXACT).quantize(Decimal(1).scaleb(-len(after)), ROUND_HALF_UP, _EXACT)
    whole, _, decimals = f"{value:f}".partition(".")
    whole = whole.lstrip("0")
    least = len(before) - next((i for i, at in enumerate(before) if tokens[at] == "0"), len(before))
    whole = whole.rjust(least, "0")
    keep = max((i + 1 for i, at in enumerate(after) if tokens[at] == "0" or decimals[i : i + 1].strip("0")), default=0)
    out: list[str] = []
    left = len(whole)  # digits not yet written
    slots = len(before)
    for at, token in enumerate(tokens):
        if at in before:
            take = left - (slots - 1) if at == before[0] else int(left >= slots)
            for _ in range(max(take, 0)):
                out.append(whole[-left])
                left -= 1
                if grouped and left and left % 3 == 0:
                    out.append(",")
            slots -= 1
        elif at == point:
            if not before:
                out.append(whole)
            out.append("." if keep or not after else "")
        elif at in after:
            index = after.index(at)
            out.append(decimals[index : index + 1] if index < keep else "")
        elif token != "," or (at > max(places) and tokens[at - 1] not in ("0", "#", "?", ",")):
            out.append(literal(token))
    return "".join(out)


def _scientific(section: Section, value: Decimal) -> str:
    tokens = section.tokens
    at = next(i for i, token in enumerate(tokens) if token in ("e+", "e-"))
    head, tail = tokens[:at], tokens[at + 1 :]
    step = max(sum(token in ("0", "#", "?") for token in head[: head.index(".") if "." in head else None]), 1)
    decimals = sum(token in ("0", "#", "?") for token in head) - step
    exponent = value.adjusted() if value else 0
    exponent = exponent // step * step if step > 1 else exponent
    mantissa = value.scaleb(-exponent, _EXACT).quantize(Decimal(1).scaleb(-max(decimals, 0)), ROUND_HALF_UP, _EXACT)
    if mantissa >= 10**step:
        exponent += step
        mantissa = value.scaleb(-exponent, _EXACT)
    sign = "-" if exponent < 0 else "+" if tokens[at] == "e+" else ""
    return f"{_fixed(section, head, mantissa)}E{sign}{_fixed(section, tail, Decimal(abs(exponent)))}"


def _fraction(section: Section, value: Decimal) -> str | None:
    """Write a number as ``1 3/4``, or return None where the format has no digits around its bar."""
    code = "".join(token if token in ("0", "#", "?", "/", " ") or token.isdigit() else "" for token in section.tokens)
    match = re.fullmatch(r"\s*(?:([0#?]+) +)?([0#?]+) ?/ ?([0#?]+|[1-9]\d*)\s*", code)
    if match is None or value >= 10**15:
        return None
    exact = Fraction(value)
    if match[3].strip("0#?"):
        bottom = int(match[3][:6])
        top = int(exact * bottom + Fraction(1, 2))
    else:
        near = exact.limit_denominator(10 ** min(len(match[3]), 6) - 1)
        top, bottom = near.numerator, near.denominator
    whole, top = divmod(top, bottom) if match[1] else (0, top)
    if not top and match[1]:
        return str(whole)
    return f"{whole} {top}/{bottom}" if whole else f"{top}/{bottom}"
