"""Whether a chunk says enough to be asked about. Pure functions of its text."""

from __future__ import annotations

import re

_LEAST_HAN, _LEAST_LATIN = 12, 36  # letters
_MOST_DIGITS = 0.3  # of letters and digits
_CONTENTS = re.compile(r"^.{1,100}?(?:[.·…‥．]{3,}|(?:[.·…]\s){3,}|\t+|\s{3,})\s*[\divxlc]{1,5}\s*$", re.M | re.I)
_PAGED_ROW = re.compile(r"^\|.*\|\s*[\divxlc]{1,5}\s*\|\s*$", re.M | re.I)
_LINE = re.compile(r"^.*\S.*$", re.M)
_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile(r"[^\W\d_\u3400-\u9fff]")
_DIGIT = re.compile(r"\d")


def unworthy(text: str) -> str | None:
    """Return why nothing should be asked about a text: ``short``, ``numbers``, ``contents``; None where it may be."""
    han, latin, digits = len(_HAN.findall(text)), len(_LATIN.findall(text)), len(_DIGIT.findall(text))
    if han * _LEAST_LATIN + latin * _LEAST_HAN < _LEAST_HAN * _LEAST_LATIN:
        return "short"
    if digits > _MOST_DIGITS * (han + latin + digits):
        return "numbers"
    lines = len(_LINE.findall(text))
    listed = len(_CONTENTS.findall(text)) + len(_PAGED_ROW.findall(text))
    return "contents" if listed >= 3 and listed * 2 >= lines else None
