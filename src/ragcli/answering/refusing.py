"""When an answer is refused: what the retrieved text must hold.

Before a model is asked, the hits must hold enough of the question: `support` is the part of the question's terms
(weighed by rarity) that the best hit holds, times the score of the best clause. Below a threshold nobody is asked. The
default is calibrated on CMRC 2018 (``benchmarks/answer.py``); ``ask --calibrate`` sets it for a table.

After the model answered, `is_refusal` reads whether it said that the sources do not answer. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragcli.answering.evidence import Evidence
from ragcli.answering.terms import Language, language
from ragcli.records import Hit

REFUSALS: dict[Language, str] = {
    "zh": "文档中没有找到这个问题的答案。",
    "en": "The documents do not answer this question.",
}
THRESHOLD = 0.145

_HAN = re.compile("[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_FEW_HAN, _MUCH_HAN = 0.03, 0.5  # of the letters of the hits


def refusal(question: str) -> str:
    """Return the sentence that says, in the question's language, that the documents do not answer it."""
    return REFUSALS[language(question)]


def support(evidence: Evidence) -> float:
    """Return how much of a question its hits hold: 0 nothing; .145 decides; above .5 a hit speaks of all of it."""
    best = max((max(scored.values, default=0.0) for scored in evidence.hits), default=0.0)
    return evidence.found * best


def is_comparable(question: str, hits: Sequence[Hit]) -> bool:
    """Whether the words of a question can be found in its hits at all: both are in the same language.

    A question in Chinese about documents in English shares no words with them; only a model can tell.
    """
    text = "\n".join(hit.text[:2000] for hit in hits)
    letters = len(_LETTER.findall(text))
    if not letters:
        return True
    share = len(_HAN.findall(text)) / letters
    return share >= _FEW_HAN if language(question) == "zh" else share <= _MUCH_HAN


def is_refusal(text: str) -> bool:
    """Whether a model's answer says nothing but that the sources do not answer, in whatever words."""
    from ragcli.answering.silence import says_nothing  # its patterns take a tenth of a second; most runs ask no model

    return says_nothing(text)
