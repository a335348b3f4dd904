"""When an answer is refused: what the retrieved text must hold, and how a model says that the documents are silent.

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

_SOURCES_ZH = r"(?:资料|文档|文件|材料|文章|文本|原文|上文|内容|来源|上下文|信息|文中|其中)"
_SOURCES_EN = r"(?:sources?|documents?|contexts?|texts?|passages?|materials?|information|excerpts?)"
_SAYS_EN = r"(?:answer|mention|contain|provide|say|specify|state|include|address|give|indicate|discuss|cover|have)"
# What says that the sources are silent, and what says only that something cannot be told.
_SILENT = re.compile(
    rf"{_SOURCES_ZH}[^。！？\n]{{0,12}}(?:没有|未|并无|不含|不包含|无法|找不到)[^。！？\n]{{0,14}}"
    r"(?:提及|提到|提供|说明|涉及|包含|包括|给出|记载|回答|找到|相关|答案|信息|得知|确定|描述|介绍)"
    rf"|(?:无法|不能|没法)[^。！？\n]{{0,8}}(?:根据|从|在|由)[^。！？\n]{{0,8}}{_SOURCES_ZH}[^。！？\n]{{0,10}}"
    r"(?:回答|作答|确定|得知|找到|得出|判断)"
    rf"|\b{_SOURCES_EN}\b[^.!?\n]{{0,60}}\b(?:do(?:es)? not|don't|doesn't|did not|didn't|cannot|can't|fail to|never)\b"
    rf"[^.!?\n]{{0,20}}\b{_SAYS_EN}"
    r"|\b(?:not|n't|no|nothing|nowhere)\b[^.!?\n]{0,60}\b(?:in|from|by|within|based on)\b"
    rf"[^.!?\n]{{0,24}}\b{_SOURCES_EN}\b",
    re.IGNORECASE,
)
_UNABLE = re.compile(
    r"(?:无法|不能|没法)[^。！？\n]{0,6}(?:回答|作答|确定|得知|找到答案|得出|判断)"
    r"|(?:没有|未)(?:找到|提及|提到|提供)[^。！？\n]{0,12}(?:答案|信息|内容|资料)|^没有相关(?:信息|内容|资料)"
    r"|\bno (?:information|answer|mention|details?)\b"
    r"|\bI (?:do not|don't|cannot|can't|am unable to|could not|couldn't)\b[^.!?\n]{0,30}"
    r"\b(?:know|answer|find|determine|provide|tell)\b"
    r"|\b(?:cannot|can't|unable to) (?:be )?(?:answer|answered|determine|determined)\b",
    re.IGNORECASE,
)
_BUT = re.compile(r"[，,；;]\s*(?:但|不过|然而|可是|只|仅|but\b|however\b|though\b|only\b)", re.IGNORECASE)
_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?]+|\.(?=\s|$)|\n|$)")
_NOTHING = re.compile(r"[\W_]+")
_SORRY = re.compile(r"^(?:很?抱歉|对不起|不好意思|sorry|i'?m sorry|unfortunately|i apologi[sz]e)\W*", re.IGNORECASE)
_MARKER = re.compile(r"\[\^?\d{1,3}(?:[,，、-]\s*\d{1,3})*\]")


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
    """Whether a model's answer says nothing but that the sources do not answer.

    An answer that says something with a marker, and then what the sources leave open, is an answer.
    """
    bare, marked = _MARKER.sub("", text), _MARKER.search(text) is not None
    known = {_NOTHING.sub("", sentence).casefold() for sentence in REFUSALS.values()}
    silent = said = 0
    for part in _SENTENCE.finditer(bare):
        sentence = _SORRY.sub("", part.group().strip())
        plain = _NOTHING.sub("", sentence).casefold()
        if not plain or plain.isdecimal():  # an empty one, or the number of an item
            continue
        match = _SILENT.search(sentence) or (None if marked else _UNABLE.search(sentence))
        if plain in known or (match and not (marked and _BUT.search(sentence, match.start()))):
            silent += 1
        elif not silent:
            return False  # it begins with something else: an answer
        else:
            said += 1
    # What follows a refusal (an excuse, an offer, where else to look) is no answer unless it names a source.
    return silent > 0 and not (said and marked)
