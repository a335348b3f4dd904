"""What the full-text index sees: one folding and one set of tokenizer settings, for text and question alike.

Words come from ICU's dictionary segmentation, which knows Chinese as well as English (on CMRC2018 recall@1
is .964 against next to nothing for the default tokenizer). What ICU cuts by context is set apart beforehand,
so that a part is found as well as the whole: runs of Chinese numerals (第三十六条 and 三十六) and codes written
with and without their hyphen (PPR-9087 and PPR9087).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ragcli.language import STOP_WORDS, simplified

TOKENIZER: dict[str, Any] = {
    "base_tokenizer": "icu",
    "language": "English",
    "stem": True,  # English only; makes no difference to Chinese (measured: CMRC2018 equal to the fourth digit)
    "remove_stop_words": False,
    "ascii_folding": True,
    "lower_case": True,
    "max_token_length": 200,  # the default of 40 drops SHA-256 sums and long part numbers without a word
}

_NUMERALS = re.compile("[〇零一二三四五六七八九十百千万亿]{2,}")
_ORDINAL = re.compile("第([〇零一二三四五六七八九十百千])")
_CODES = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]+(?:[-_/.][A-Za-z0-9]+)+", re.ASCII)
_ENGLISH = re.compile(r"(?<![\w.'’-])([A-Za-z]+)(?:['’](?:s|d|m|t|re|ll|ve))?(?![\w.'’-]*\w)")
_JOINTS = re.compile("[-_/.]")
_JOINED = re.compile("[A-Za-z0-9][-_/.][A-Za-z0-9]")
_MAX_CODE = 40
_ENDLESS = re.compile(r"\w{1000}")  # ICU takes quadratic time over a run without a break


def fold(text: str) -> str:
    """Return the text in the form that is indexed.

    NFKC, traditional characters as simplified ones, numerals set apart, joined forms of codes added.
    """
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    text = simplified(text)
    text = _ENDLESS.sub(r"\g<0> ", text)
    text = _NUMERALS.sub(r" \g<0> ", text)
    text = _ORDINAL.sub(r"第 \1 ", text)
    joined = [
        _JOINTS.sub("", code)
        for code in (_CODES.findall(text) if _JOINED.search(text) else ())
        if len(code) <= _MAX_CODE and any(c.isdigit() for c in code) and any(c.isalpha() for c in code)
    ]
    if joined:
        text += "\n" + " ".join(dict.fromkeys(joined))
    return text


def fold_question(text: str) -> str:
    """Return a question as it is searched for: folded, without English stop words where anything else is asked.

    Among few documents a stop word can be rarer, and count more, than what the question is about.
    """
    folded = fold(text)
    rest = _ENGLISH.sub(lambda word: "" if word[1].lower() in STOP_WORDS else word[0], folded)
    return rest if any(c.isalnum() for c in rest) else folded


def tokens(text: str) -> list[str]:
    """Return the tokens of a question as they are searched for."""
    import lance

    return [token.text for token in lance.tokenize(fold_question(text), **TOKENIZER)]
