"""The sentences of an answer, as they are checked: what each says, and the numbers of the sources that it names.

Pure functions; the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragcli.answering.markers import NOUN, Mark, marks
from ragcli.records import Hit
from ragcli.splitting.sentences import sentence_spans

_BULLET = 6  # characters before the marker of an entry in a list of sources
# What only leads to a marker says nothing itself, and "Source" is no name: 根据资料[1]，…; "According to Source [1], …"
_LEADING = re.compile(
    r"(?:\b(?:according to|based on|as (?:stated|described|noted|mentioned|shown|specified) (?:in|by)|as per|see)\s+"
    r"|根据|依据"
    rf"|依照|按照|参见|根據|依據)?(?:the\s)?(?:(?<![A-Za-z]){NOUN}\s?)?$",
    re.IGNORECASE,
)
_LISTING = re.compile(
    r"(?:(?:以上|上述|本)?(?:信息|内容|回答|答案|数据|資訊|內容)?(?:均|都|主要)?(?:来自于?|來自|出自|源自|引自"
    r"|来源于|参考|引用|参见|依据)?"
    rf"(?:{NOUN}(?:\(s\))?)?[\W_]*){{1,2}}(?:\(s\))?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")
_ENUMERATOR = re.compile(
    r"^(?:[#>*+•·●_\s-]*(?:[(（]?(?:\d{1,2}|[一二三四五六七八九十]{1,3}|[a-hA-H])[)）、.．](?!\d)|[①-⑳⑴-⒇]"
    r"|第[一二三四五六七八九十\d]{1,3}[步点条项]?[，,：:、]"
    r"|(?:步骤|step)\s?[\d一二三四五六七八九十]{1,2}[：:.、]?))?[#>*+•·●_\s-]*",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6}\s.*|\*\*[^*\n]{1,80}\*\*|__[^_\n]{1,80}__")
_LABEL = re.compile(r".*[:：][*_\s]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer: its place, its words without markers, and the numbers of its markers."""

    start: int
    end: int
    statement: str
    marks: tuple[int, ...]

    @property
    def is_frame(self) -> bool:
        """Whether it only announces what follows: a heading, or a line that ends in a colon."""
        return bool(_HEADING.fullmatch(self.statement) or _LABEL.fullmatch(self.statement))

    @property
    def plain(self) -> str:
        """Its words without the number or sign of an item."""
        return _ENUMERATOR.sub("", self.statement)


def sentences(text: str, hits: Sequence[Hit] = ()) -> list[Sentence]:
    """Return the sentences of an answer, each with the markers that stand for it.

    Markers that stand alone belong to the sentence before; on a line of their own, to all sentences directly before
    that have none; in a list of sources, to every sentence before that has none.

    Args:
        text: an answer that `ragcli.answering.markers.normalise` made.
        hits: what it is from.
    """
    found = marks(text, hits)
    starts = [mark.start for mark in found]
    out: list[Sentence] = []
    unmarked: list[int] = []  # places in ``out``
    listing = False
    ahead: tuple[int, ...] = ()  # of a line that leads to what follows: 根据资料[1]：
    for start, end in sentence_spans(text):
        own = found[bisect_left(starts, start) : bisect_left(starts, end)]
        numbers = tuple(dict.fromkeys(mark.n for mark in own))
        statement = _statement(text, start, end, own)
        is_alone = _WORD.search(statement) is None
        is_entry = listing and bool(own) and own[0].start - start <= _BULLET
        listing = bool(out) and (is_entry or (not is_alone and _LISTING.fullmatch(statement) is not None))
        if ahead and (numbers or is_alone or (out[-1].statement and "\n\n" in text[out[-1].end : start])):
            ahead = ()
        if listing:
            _bind(out, unmarked, numbers)
        elif is_alone and numbers and text[end - 1] in ":：":
            ahead = numbers
            out.append(Sentence(start, end, "", numbers))
        elif is_alone and not out and numbers:
            out.append(Sentence(start, end, "", numbers))
        elif is_alone and out:
            run: list[int] = []
            if _begins_line(text, start):
                while unmarked and unmarked[-1] == len(out) - 1 - len(run):
                    run.append(unmarked.pop())
            if len(run) > 1:
                _bind(out, run, numbers)
            else:
                last = out[-1]
                out[-1] = replace(last, end=end, marks=tuple(dict.fromkeys(last.marks + numbers)))
        elif not is_alone:
            if ahead and not out[-1].statement:
                out.pop()  # what follows says it
            out.append(Sentence(start, end, statement, numbers or ahead))
            if ahead:
                continue
            if not numbers and not out[-1].is_frame:
                unmarked.append(len(out) - 1)
    return out


def _statement(text: str, start: int, end: int, own: Sequence[Mark]) -> str:
    pieces: list[str] = []
    at = start
    for mark in own:
        # Only the end is looked at, for a long piece would be searched from each of its characters.
        lead = max(at, mark.start - 60)
        pieces += (text[at:lead], _LEADING.sub("", text[lead : mark.start]))
        at = mark.end
    pieces.append(text[at:end])
    joined = " ".join("".join(pieces).split())
    return joined.lstrip("，,、 ") if own else joined


def _bind(out: list[Sentence], unmarked: list[int], numbers: tuple[int, ...]) -> None:
    """Give the sentences without markers these; where there are none, a sentence that says nothing."""
    if not numbers:
        return
    if not unmarked:
        cited = {n for one in out for n in one.marks}
        if new := tuple(n for n in numbers if n not in cited):
            out.append(Sentence(out[-1].end, out[-1].end, "", new))
        return
    for at in unmarked:
        out[at] = replace(out[at], marks=numbers)
    unmarked.clear()


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - 8) : start].rstrip(" \t-*>•")
    return before.endswith("\n")
