"""Whether a question leads back to its chunk: it is searched for as a user would, and looked at what is found.

Dropped is a question that does not find its chunk among the first hits (``not_found``), one that other documents
answer as well (``ambiguous``), and one whose sentence stands elsewhere with another answer (``contradicted``). The
chunk counts as found where a chunk of the same document that holds the answer is, too: chunks overlap.

The filter has a price. Questions that the search cannot answer are gone, so that what is left makes the search look
better than it is. What was dropped can be kept, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answering.evidence import gather, read_question
from ragcli.embedding.stage import passage_text
from ragcli.evaluation.normalising import find, fold
from ragcli.questioning.drafts import Draft
from ragcli.records import Hit

NOT_FOUND, AMBIGUOUS, CONTRADICTED = "not_found", "ambiguous", "contradicted"
_AS_WELL = 0.8  # of what the chunk itself holds of the question: a clause of another document that holds as much
_EDGE = 12  # folded characters of a frame on each side of its answer that are looked for
_LEAST_EDGE = 6
_MOST_GAP = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Where a question led: the rank of its chunk, or why it is dropped; other sources that say the same."""

    rank: int = 0
    reason: str = ""
    detail: str = ""
    copies: tuple[str, ...] = ()


def lead(draft: Draft, hits: Sequence[Hit]) -> Led:
    """Return where a question led.

    Args:
        draft: the question.
        hits: what it found, best first.
    """
    answer, evidence = fold(draft.answer), fold(draft.evidence)
    folded = [fold(passage_text(hit)) for hit in hits]
    own: list[int] = []
    copies: list[int] = []
    others: list[int] = []
    for at, hit in enumerate(hits):
        if hit.id == draft.chunk.id:
            own.append(at)
        elif find(answer, folded[at]) < 0:
            continue
        elif hit.document_id == draft.chunk.document_id:
            own.append(at)
        elif evidence and evidence in folded[at]:
            copies.append(at)
        else:
            others.append(at)
    found = sorted([*own, *copies])
    if not found:
        return Led(reason=NOT_FOUND, detail=f"not among the first {len(hits)} chunks that it finds")
    first = found[0]
    for at in others:
        if at < first or not draft.frame:
            rival = _rival(draft, hits, first, at)
            if rival:
                return Led(reason=AMBIGUOUS, detail=f"{hits[at].source} answers it, too")
    if draft.frame is not None:
        other = _other_answer(draft, answer, folded)
        if other is not None:
            return Led(reason=CONTRADICTED, detail=f"{hits[other].source} says the same with another answer")
    sources = tuple(dict.fromkeys(hits[at].source for at in copies if hits[at].source != draft.chunk.source))
    if sources and others:
        return Led(reason=AMBIGUOUS, detail=f"{sources[0]} says the same, and other documents hold the answer, too")
    return Led(rank=first + 1, copies=sources)


def _rival(draft: Draft, hits: Sequence[Hit], own: int, other: int) -> bool:
    """Whether a clause with the answer, of another document, speaks as much of the question as the chunk's own."""
    both = gather(read_question(draft.question), [hits[own], hits[other]])
    best = [0.0, 0.0]
    for scored in both.hits:
        text = (hits[own], hits[other])[scored.hit].text
        for unit, value in zip(scored.clauses, scored.values, strict=True):
            if find(fold(draft.answer), fold(text[unit.start : unit.end])) >= 0:
                best[scored.hit] = max(best[scored.hit], value)
    return best[1] > 0 and best[1] >= _AS_WELL * best[0]


def _other_answer(draft: Draft, answer: str, folded: Sequence[str]) -> int | None:
    """Return the place of a text that holds the sentence with something else where the answer stands."""
    assert draft.frame is not None
    before, after = fold(draft.frame[0])[-_EDGE:], fold(draft.frame[1])[:_EDGE]
    if len(before) < _LEAST_EDGE or len(after) < _LEAST_EDGE:
        if len(before) + len(after) < _EDGE:
            return None
        whole = fold(draft.frame[0])[-2 * _EDGE :], fold(draft.frame[1])[: 2 * _EDGE]
        before, after = whole
    gap = rf" ?(\S.{{0,{_MOST_GAP}}}?) ?"
    form = re.compile(re.escape(before) + gap + (re.escape(after) if after else r"(?=\W|$)"))
    for at, text in enumerate(folded):
        for match in form.finditer(text):
            if after and find(answer, match.group(1)) < 0:
                return at
            if not after and not text.startswith(answer, match.start(1)):
                return at
    return None
