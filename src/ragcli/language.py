"""What search and answers know of Chinese and English: traditional characters as simplified ones, stop words."""

from __future__ import annotations

import re
from functools import lru_cache

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_BLOCKS = ((0x3400, 0xA000), (0xF900, 0xFB00))


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    import opencc

    traditional = [chr(code) for low, high in _BLOCKS for code in range(low, high)]
    made = opencc.OpenCC("t2s").convert("\n".join(traditional)).split("\n")
    return {ord(old): new for old, new in zip(traditional, made, strict=True) if old != new}


@lru_cache(maxsize=1)
def _traditional() -> re.Pattern[str]:
    """Return what finds a character of the table: most texts have none, and to look costs a third of translating."""
    return re.compile(f"[{''.join(map(chr, _table()))}]")


def simplified(text: str) -> str:
    """Return the text with each traditional character as its simplified one, of the same length.

    Character by character, by OpenCC's table: a character always becomes the same one, in the question as in the
    documents, whatever stands around it.
    """
    return text.translate(_table()) if _HAN.search(text) and _traditional().search(text) else text


# English words that carry the grammar and say nothing of what is asked.
_STOP = (
    "a about above according after again all also am an and any are aren as at be been before being below between",
    "both but by call called can cannot could d did didn do does doesn doing don done during each either else",
    "ever every few for from further get give given had has hasn have haven having he her here hers him his how i",
    "if in into is isn it its itself just let ll m many may me mention mentioned might more most much must my",
    "name neither no nor not of off on once one only or other our out over own per please re s said same say",
    "shall she should so some such t tell than that the their them then there these they this those through to",
    "too under until up upon us ve very was wasn we were weren what when where whether which while who whom whose",
    "why will with within without would you your",
)
STOP_WORDS = frozenset(word for line in _STOP for word in line.split())
