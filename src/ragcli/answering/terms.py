"""What a question asks and what a text says, as weighted terms: Chinese characters and pairs, English stems.

No dictionary and no model: pairs of characters stand for Chinese words, stems for English ones. Words that
only carry the grammar (的, 什么, what, of) count for nothing, so that a text is never held to speak of a
question because both hold "is the". Everything here is a pure function of its strings.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from ragcli.language import STOP_WORDS, simplified

Language = Literal["zh", "en"]

MAX_QUESTION = 2_000  # characters of a question that are read: its head and its tail
MAX_TERMS = 256  # different terms of a question that are counted

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CJK = _HAN + "\u3040-\u30ff\u31f0-\u31ff\u1100-\u11ff\uac00-\ud7af"
RUNS = re.compile(f"(?P<cjk>[{_CJK}]+)|(?P<word>[^\\W_{_CJK}]+(?:['’][^\\W\\d_{_CJK}]+)?)")
_IS_HAN = re.compile(f"[{_HAN}]")
_IS_LATIN = re.compile(r"[^\W\d_]+")

# The words that make a Chinese sentence a question. A run is cut where they stand, so that 是哪一年成 makes
# no pair. Longest first.
_ASKING = re.compile(
    "什么时候|什么样|为什么|什么|甚么|啥|谁|何时|何地|何处|何人|为何|如何|哪[一二两三几]?[个些位种年月天次届座]|哪里"
    "|哪儿|哪"
    "|多少|几[个年月日天次位种名岁届条章]|怎么样?|怎样|是否|是不是|有没有|能不能|可不可以|请问|请说明|请介绍|吗|呢"
    "|麼|么|几"
    "|多[长高大远久重深宽快厚](?![的了])"
)
# The words that make a sentence Chinese or English, whatever it names: those that ask, and, less sure, those that join.
_ASKS_ZH = re.compile(
    "什么|什麼|甚么|甚麼|怎么|怎麼|怎样|怎樣|如何|为何|為何|多少|多久|多长|多大|多高|哪|谁|誰|吗|嗎|呢|请问|請問|请"
    "|請|是否|是不是|有没有"
    "|有沒有|能不能|几[个年月日天次种岁]|幾[個年月日天次種歲]"
)
_ASKS_EN = re.compile(
    r"^\W*(?:(?:who|whom|whose|what|where|when|why|how|which|is|are|was|were|do|does|did|can|could|should|would|will"
    r"|has|have"
    r"|had|must)(?:'s|’s)?\b|(?:please|explain|tell|give|list|describe|name|show|summari[sz]e|compare|in) [a-z])",
    re.IGNORECASE,
)
_JOINS_ZH = re.compile(rf"[的了是在于於把被从對对][^{_HAN}]|[^{_HAN}][的是在与和跟或及與]|[的了吧]$")
_JOINS_EN = re.compile(
    r"\b(?:the|of|and|an?|to|in|is|are|was|for|with|by|from|that|this|does|did|what|who)\b",
    re.IGNORECASE,
)
# Characters that carry the grammar: a pair with one of them counts half, alone they count nothing.
_FUNCTION = frozenset(
    "的了是在有和与及或以于于为被把从到对将其之而也都又就但并等所由这那此该它他她们我你您個个一不上中下"
    "着过会可能要让使给向则因且若如吧啊嘛地得么麼這為於與們"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a text.

    ``strong`` are English stems, numbers, codes and pairs of Chinese characters; ``weak`` are single
    Chinese characters, which many words share.
    """

    strong: frozenset[str]
    weak: frozenset[str]


def fold(text: str) -> str:
    """Return the text as it is compared: NFKC, simplified Chinese, case and accents of Latin letters gone."""
    text = unicodedata.normalize("NFKC", text)
    if text.isascii():
        return text.lower()
    text = simplified(text)
    text = text.casefold()
    if any("\u00c0" <= c <= "\u024f" or "\u1e00" <= c <= "\u1eff" for c in text):
        parts = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", re.sub("(?<=[a-z])[\u0300-\u036f]+", "", parts))
    return text


def language(question: str) -> Language:
    """Return the language in which a text asks: ``"zh"`` or ``"en"``.

    Chinese questions name English things (“transformers device_map 怎么用”) and English ones Chinese people (“Who is
    张伟?”), so the words that make the sentence decide. The share of Chinese letters does where both or neither have
    such words: a fifth is enough.
    """
    if not _IS_HAN.search(question):
        return "en"
    for zh, en in ((_ASKS_ZH, _ASKS_EN), (_JOINS_ZH, _JOINS_EN)):
        is_zh, is_en = zh.search(question) is not None, en.search(question) is not None
        if is_zh != is_en:
            return "zh" if is_zh else "en"
        if is_zh:
            break
    han = len(_IS_HAN.findall(question))
    latin = sum(len(word) for word in _IS_LATIN.findall(_IS_HAN.sub(" ", question)))
    return "zh" if han * 4 >= latin else "en"


def bounded(question: str) -> str:
    """Return at most ``MAX_QUESTION`` characters: a long question asks in its first or its last lines."""
    question = question.strip()
    if len(question) <= MAX_QUESTION:
        return question
    half = MAX_QUESTION // 2
    return question[:half] + "\n" + question[-half:]


def stem(word: str) -> str:
    """Return an English word without its commonest endings, so that *ducks*, *hunted* and *hunting* meet."""
    if not word.isascii() or not word.isalpha() or len(word) <= 3:
        return word
    for ending, least in (("ingly", 4), ("edly", 4), ("ing", 4), ("ies", 3), ("ied", 3), ("ers", 4), ("er", 4)):
        if word.endswith(ending) and len(word) - len(ending) >= least:
            word = word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
            break
    else:
        if len(word) > 4 and (word.endswith("ed") or (word.endswith("es") and word[-3] in "sxzh")):
            word = word[:-2]
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
        elif word.endswith("ly") and len(word) > 5:
            word = word[:-2]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def terms(text: str, *, question: bool = False) -> Terms:
    """Return the terms of a text.

    Args:
        text: any text, not yet folded.
        question: whether it is a question, whose asking words are left out.
    """
    folded = fold(text)
    if question:
        folded = _ASKING.sub(" ", folded)
    strong: dict[str, None] = {}
    weak: dict[str, None] = {}
    for match in RUNS.finditer(folded):
        run = match.group()
        if match.lastgroup == "word":
            run = run.split("'")[0].split("’")[0]
            if run not in STOP_WORDS:
                strong[stem(run)] = None
            continue
        for one in run:
            if one not in _FUNCTION:
                weak[one] = None
        for at in range(len(run) - 1):
            strong[run[at : at + 2]] = None
    return Terms(frozenset(strong), frozenset(weak))


def grammar(term: str) -> float:
    """Return how much of a term is meaning: 1, a half for a pair with one function character, 0 for two."""
    if len(term) == 2 and not term.isascii():
        return 1.0 - 0.5 * sum(c in _FUNCTION for c in term)
    return 1.0
