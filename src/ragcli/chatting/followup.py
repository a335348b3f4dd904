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
from ragcli.answering.terms import language, terms
from ragcli.errors import ModelError
from ragcli.llms.protocols import LLM, Message, Sampling
from ragcli.llms.run import complete

How = Literal["alone", "model", "terms"]

MOST = 500  # characters of a rewritten question
_TOKENS = 160
_TURNS = 3  # that are shown to the model
_SHOWN = 400  # characters of an answer that are shown to it
_FEW = 2  # terms: a question with fewer says too little alone

_LEANS = re.compile(
    r"它|他们|她们|其(?:中|他|余)|这(?:个|些|种|款|里|样|是|为)|那(?:个|些|种|款|里|么|呢|样)?|该|上述|前者|后者|刚才|上面|还有呢"
    r"|呢\s*[？?]?\s*$|^(?:那|还|又|然后|如果|为什么|怎么)[^，。]{0,8}[？?]?$"
    r"|\b(?:it|its|they|them|their|that|those|this|these|he|she|his|her|there|then|one|ones|same|other|former|latter)\b"
    r"|^(?:and|but|or|so|why|how about|what about|what if|what else|else)\b",
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


def standalone(question: str, before: Sequence[Before], llm: LLM | None) -> Standalone:
    """Return a question that stands alone.

    Args:
        question: as it was asked.
        before: what was asked before it, oldest first.
        llm: rewrites it; None takes the last question's words.

    Raises:
        ServiceError: the model's endpoint does not answer.
    """
    if not before:
        return Standalone(question, "alone")
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
        return _with_terms(question, before)
    text = _LABEL.sub("", said.strip().split("\n")[0].strip()).strip("\"“”「」'` ")
    if not text or len(text) > MOST or not _is_about(text, question, before):
        return _with_terms(question, before)
    return Standalone(text, "alone" if text == question else "model")


def _is_about(text: str, question: str, before: Sequence[Before]) -> bool:
    """Whether a rewritten question keeps what was asked, and brings in nothing from elsewhere."""
    kept = terms(question, question=True)
    made = terms(text, question=True)
    said = terms("\n".join([question, *(f"{one.standalone}\n{one.answer}" for one in before)]))
    own = kept.strong or kept.weak
    has = made.strong | made.weak
    if own and len(own & has) * 2 < len(own):
        return False
    return not made.strong or len(made.strong & (said.strong | said.weak)) * 2 >= len(made.strong)


def _with_terms(question: str, before: Sequence[Before]) -> Standalone:
    """Take along the last question's words; and where that one leaned, too, those of the last that stood alone."""
    asked = terms(question, question=True)
    words = [term for term in asked.strong if term.isascii()]
    few = len(words) + len(asked.strong - set(words)) // 2 < _FEW
    if not (few or _LEANS.search(question)):
        return Standalone(question, "alone")
    carried = [before[-1].question]
    if before[-1].how == "terms":
        carried.append(next((one.standalone for one in reversed(before) if one.how != "terms"), ""))
    return Standalone(" ".join([question, *filter(None, carried)])[:MOST], "terms")
