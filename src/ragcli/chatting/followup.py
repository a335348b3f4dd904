"""Make a question that follows on others stand alone, so that it can be searched for.

With a language model it is rewritten. Without one, a question that leans on the last (“平板呢？”, "and for tablets?")
takes that one's words along. Either way the question as it was asked stays beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ragcli.answering.defusing import defuse
from ragcli.answering.terms import grammar, language, terms
from ragcli.errors import ModelError
from ragcli.llms.protocols import LLM, Message, Sampling
from ragcli.llms.run import complete

How = Literal["alone", "model", "terms"]

MOST = 500  # characters of a rewritten question
_TOKENS = 160
_TURNS = 3  # that are shown to the model
_SHOWN = 400  # characters of an answer that are shown to it
_FEW = 2  # terms: a question with fewer says too little alone

# What stands for something that was said before; what is only half a question.
_REFERS = re.compile(
    r"它|他们|她们|其(?=[中次]|$)|这(?:个|些|种|款|里|样|是|为)|那(?:个|些|种|款|里|样)|(?<![应活])该(?=[\u4e00-\u9fff])"
    r"|上述|前者|后者|刚才|上面(?:的|说|提|讲)"
    r"|\b(?:it|its|they|them|their|those|these|he|she|his|her|former|latter|ones)\b"
    r"|\b(?:do|does|did|is|was|are|will|would|can|could|should|of|for|about|to|with|in|on|than|like|after|before)"
    r" (?:this|that)\b|\b(?:in|from|over) there\b|\b(?:the|this|that|other|another|same) one\b",
    re.IGNORECASE,
)
_ELIDES = re.compile(
    r"还有呢|呢\s*[？?]?\s*$|^(?:那么?|还有?|又|然后|如果|要是)[^，。]{0,8}[？?]?$|^(?:为什么|怎么)\s*[？?]?$"
    r"|^(?:and|but|or|so|how about|what about|what if|what else|else|then)\b|^why\s*(?:not|so)?\s*\??$",
    re.IGNORECASE,
)

_TELL = {
    "zh": (
        "下面是一段对话。请把最后一个问题改写成不看前文也能理解的一个完整问题：用对话里的具体名称替换代词，补上省略的内容，"
        "不要回答，不要增加对话里没有的信息。如果它本来就完整，原样返回。只输出改写后的问题。"
    ),
    "en": (
        "Below is a conversation. Rewrite the last question so that it can be understood without the rest: put names"
        " for the pronouns, and add what was left out. Do not answer it, and add nothing that the conversation does not"
        " say. If it stands alone already, return it as it is. Reply with the question only."
    ),
}
_LABEL = re.compile(r"^(?:改写后的问题|问题|standalone question|rewritten question|question)\s*[:：]\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question as it is searched for, and how it came to be: as it was asked, by the model, or by terms."""

    text: str
    how: How


@dataclass(frozen=True, slots=True)
class Before:
    """A question that was asked before.

    Args:
        question: as it was asked.
        standalone: as it was searched for.
        how: how that came to be.
        answer: what was answered.
    """

    question: str
    standalone: str
    how: How
    answer: str


def standalone(question: str, before: Sequence[Before], llm: LLM | None) -> list[Standalone]:
    """Return a question in the forms in which it may stand alone, the likeliest first.

    Without a model it cannot be told for certain whether a short question leans on the last: where there are two
    forms, the first that is answered with the question's own words is right (`is_about`).

    Args:
        question: as it was asked.
        before: what was asked before it, oldest first.
        llm: rewrites it; None takes the last question's words.

    Raises:
        ServiceError: the model's endpoint does not answer.
    """
    if not before:
        return [Standalone(question, "alone")]
    if llm is None:
        return _with_terms(question, before)
    lang = language(question)
    asks, says, last = ("问", "答", "最后一个问题") if lang == "zh" else ("Q", "A", "Last question")
    lines = [f"{asks}: {defuse(one.standalone)}\n{says}: {defuse(one.answer[:_SHOWN])}" for one in before[-_TURNS:]]
    messages: list[Message] = [
        {"role": "system", "content": _TELL[lang]},
        {"role": "user", "content": "\n".join([*lines, f"{last}: {defuse(question)}"])},
    ]
    try:
        said = complete(llm, messages, Sampling(max_tokens=_TOKENS)).text
    except ModelError:  # it wrote nothing, or the conversation is longer than its window
        return _with_terms(question, before)[:1]
    text = _LABEL.sub("", said.strip().split("\n")[0].strip()).strip("\"“”「」'` ")
    if not text or len(text) > MOST or not _keeps(text, question, before):
        return _with_terms(question, before)[:1]
    return [Standalone(text, "alone" if text == question else "model")]


def is_about(text: str, question: str) -> bool:
    """Whether an answer speaks of what a question asks: of one of its own words, if it has any."""
    own = _own(question)
    said = terms(text)
    return not own or bool(own & (said.strong | said.weak))


def _own(question: str) -> frozenset[str]:
    """Return the words of a question that mean something by themselves."""
    asked = terms(question, question=True)
    return frozenset(term for term in asked.strong if grammar(term)) or asked.weak


def _keeps(text: str, question: str, before: Sequence[Before]) -> bool:
    """Whether a rewritten question keeps what was asked, and brings in nothing from elsewhere."""
    kept = terms(question, question=True)
    made = terms(text, question=True)
    said = terms("\n".join([question, *(f"{one.standalone}\n{one.answer}" for one in before)]))
    own = kept.strong or kept.weak
    has = made.strong | made.weak
    if own and len(own & has) * 2 < len(own):
        return False
    return not made.strong or len(made.strong & (said.strong | said.weak)) * 2 >= len(made.strong)


def _with_terms(question: str, before: Sequence[Before]) -> list[Standalone]:
    """Take along the last question's words; and where that one leaned, too, those of the last that stood alone."""
    plain = Standalone(question, "alone")
    carried = [before[-1].question]
    if before[-1].how == "terms":
        carried.append(next((one.standalone for one in reversed(before) if one.how != "terms"), ""))
    joined = Standalone(" ".join([question, *filter(None, carried)])[:MOST], "terms")
    if _REFERS.search(question):
        return [joined]
    asked = terms(question, question=True)
    words = [term for term in asked.strong if term.isascii()]
    if _ELIDES.search(question):
        return [joined, plain] if asked.strong else [joined]
    few = len(words) + len(asked.strong - set(words)) // 2 < _FEW
    return [plain, joined, plain] if few and _own(question) else [plain]
