"""Which sentences of a chunk can be asked about: those that say something by themselves. Pure functions.

A sentence that leans on the one before (他, 该, this, therefore) says nothing to who has not read that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragcli.answering.terms import Language
from ragcli.splitting.sentences import sentence_spans

_LENGTHS: dict[Language, tuple[int, int]] = {"zh": (10, 160), "en": (30, 320)}  # characters
# What a sentence begins with that goes on from another one.
_GOES_ON_ZH = re.compile(
    r"[\W_]*(?:而|但|并|且|因此|因而|所以|然而|此外|另外|其|该|此|这|那|他|她|它|牠|祂|同时|同样|随后|之后|其后|后来|不过"
    r"|于是|例如|比如|譬如|如|即|也|又|再|则|故|不然|否则|同年|同月|同日|翌|次年|次日|当时|当年|当日|当地|两者|二者|前者|后者|据此|为此"
    r"|对此|由此|总之|可见|最后|首先|其次|接着|然后|结果|反之|相反|虽然|尽管|如果|若|以及|或|及|和|与|等|等等|另一|另有|另|还|以上"
    r"|以下|上述|下列|如下|如上|注|见|参见|图|表|附|我|你|您|咱|问|答|大家|最终|最初|终于|期间|事后|此后|从此|自此|至此|甚至|尤其"
    r"|特别是|主要|共|到了|至于|只|仅|但是|可是|只是|因为|由于|就|才|便|都|均|却|所)"
)
# What leans on words outside, wherever it stands.
_LEANS_ZH = re.compile(
    r"[他她牠祂]|它们|这[个些种里时次样部位家支]|那[个些种里时次样]|这是|那是|此[人事时次举项外后前书片剧曲歌地处]|该[\u4e00-\u9fff]"
    r"|同年|同月|翌[年日]|次年|次日|当时|当年|当地|上述|前者|后者|如下|如上|下列|以下|以上|前述|下图|上图|下表|上表|见[图表第]|本[人文章节]"
    r"|文中|上文|下文|自己|对方|两人|二人|三人|[我你您咱]"
)
_GOES_ON_EN = re.compile(
    r"\W*(?:in (?:other words|fact|short|general|brief|particular|most cases|all cases)|each (?:of|[a-z]+s)|he"
    r"|she|it|its|they|their|them|his|her|him|this|that|these|those|such|there|here|but|and|or|so|yet|then|thus"
    r"|therefore"
    r"|however|moreover|furthermore|also|besides|hence|instead|otherwise|nevertheless|nonetheless|still|for example"
    r"|for instance|in addition|in contrast|on the other hand|as a result|meanwhile|afterwards?|later|again"
    r"|finally|next"
    r"|first|second|secondly|thirdly|last|lastly|both|another|others?|one|we|i|you|my|our|your|us|who|which|what|when|where"
    r"|why|how|if|because|since|although|though|while|whereas|not|no|nor|note|see|let|please|even|only|just"
    r"|indeed|of course"
    r"|perhaps|with|used|uses|makes|returns|sets|adds|allows|provides|supports|contains|takes|gives|runs|works"
    r"|much|probably|naturally|simultaneously|similarly|curiously|elsewhere|opposite|the (?:other"
    r"|foregoing|latter|former|same|place|question|result|whole)|a (?:further|third|second)|some|most|many|few"
    r"|neither|either|after|before|once|now|again|too|well|let|consider)\b",
    re.IGNORECASE,
)
_LEANS_EN = re.compile(
    r"\b(?:this|these|those|such|former|latter|above|below|following|aforementioned|here|there|then|thus|therefore|otherwise"
    r"|i|we|you|my|our|your|us|me|myself|ourselves|yourself|respectively|et al|said)\b"
    r"|^(?:\S+\s){0,3}(?:he|she|they|them|him|his|her|hers|their|theirs|it|its)\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"[|\t\n]|https?:|www\.|[{}<>`*→]|\[\d|={2,}|_{2,}|…{2,}|\.{3}|[?？]")
_ENUMERATED = re.compile(
    r"^(?:[-*+•·●○■□◆▪]\s+|[#>]+\s+|\d{1,3}[.)、．]\s*(?!\d)|[(（][\divx一二三四五六七八九十]{1,4}[)）]\s*"
    r"|第[一二三四五六七八九十百千零〇\d]{1,7}[条款]\s*|[一二三四五六七八九十]{1,3}、|[①-⑳]\s*|[A-Za-z][.)]\s+)+"
)
_EMPTY_BRACKETS = re.compile(r"[（(][\s，,、；;：:/]*[）)]")
_BRACKETED = re.compile(r"[（(][^（）()]*[）)]")
_LETTERED = re.compile(r"\([^()]{0,4}\)")  # (a), (ii): an item of a list that runs on
_END = re.compile(r"[\s。.！!；;：:，,]+$")
_PAIRS = ("（）", "()", "“”", "「」", "《》", "『』", "[]", "【】")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text: ``text[start:end]``, without the number of its item and its last mark."""

    start: int
    end: int
    text: str


def askable(text: str, language: Language) -> Iterator[Sentence]:
    """Yield the sentences of a text that stand by themselves."""
    least, most = _LENGTHS[language]
    goes_on, leans = (_GOES_ON_ZH, _LEANS_ZH) if language == "zh" else (_GOES_ON_EN, _LEANS_EN)
    for number, (start, end) in enumerate(sentence_spans(text)):
        whole = text[start:end]
        if number == 0 and not whole[:1].isupper() and language == "en":
            continue  # the chunk begins within a sentence
        if not re.search(r"[。.！!；;”」』）)]$", whole):
            continue  # a heading, or cut off
        marks = _ENUMERATED.match(whole)
        start += marks.end() if marks else 0
        bare = _END.sub("", text[start:end])
        joined = " ".join(bare.split()) if language == "en" else bare
        if not least <= len(joined) <= most or _FOREIGN.search(joined if language == "en" else bare):
            continue
        if language == "en" and ("—" in bare or _LETTERED.search(bare)):
            continue
        if goes_on.match(bare) or leans.search(bare) or not is_balanced(bare):
            continue
        if language == "en" and not bare[:1].isupper() and not bare[:1].isdigit():
            continue
        yield Sentence(start, start + len(bare), bare)


def is_balanced(text: str) -> bool:
    """Whether every bracket and quotation mark of a text has its other half."""
    return all(text.count(pair[0]) == text.count(pair[1]) for pair in _PAIRS) and text.count('"') % 2 == 0


def goes_on(text: str) -> bool:
    """Whether a Chinese sentence begins with what goes on from another one."""
    return _GOES_ON_ZH.match(text) is not None


def within_brackets(text: str, at: int) -> bool:
    """Whether a place of a text lies in brackets, or in quotation marks that are the same on both sides."""
    before = text[:at]
    if any(before.count(pair[0]) > before.count(pair[1]) for pair in ("（）", "()", "[]", "【】")):
        return True
    return before.count('"') % 2 == 1


def plain(text: str) -> str:
    """Return a piece of a sentence without its remarks in brackets, on one line."""
    bare = _BRACKETED.sub("", _EMPTY_BRACKETS.sub("", text)).replace("\n", " ")
    return re.sub(r" (?=[,.;: ])", "", bare)
