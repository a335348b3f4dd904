"""Steps 5 and 6: was the answer in the prompt, and did the model give it?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragcli.answering.evidence import gather, read_question
from ragcli.diagnosing.steps import OK, Finding
from ragcli.diagnosing.texts import Text
from ragcli.embedding.stage import passage_text
from ragcli.evaluation.normalising import find, fold, holds
from ragcli.records import Answer, Case, Hit, Json

_LONG = 12  # characters of an answer that may be given in other words
_PART = 0.9  # of a long answer's characters, in their order, that an answer must have
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_SUPPORTED = 0.3  # of the best support: a passage below says nothing of what is asked
_DENIED = re.compile(r"(?:[不没未非无勿]|\b(?:not|no|never|without|isn t|aren t|doesn t|don t) )\Z")
_MARKER = re.compile(r"\s*\[\d+\]")


def is_right(case: Case, text: str) -> bool:
    """Whether an answer holds one of those that are right.

    It must stand there as a person would read it (`ragcli.evaluation.normalising`). A long one may be broken by a few
    other words; a short one, as most Chinese ones are, must be all there.
    """
    said = fold(_MARKER.sub("", text))
    wanted = [one for one in map(fold, case.answers) if one]
    return any(_is_said(one, said) or _is_nearly(one, said) for one in wanted)


def is_answered(case: Case, answer: Answer) -> bool:
    """Whether an answer is right, and not a refusal whose words happen to hold it."""
    return not answer.refused and is_right(case, answer.answer)


def _is_said(wanted: str, said: str) -> bool:
    """Whether an answer stands in what was said, and not only as what is denied."""
    at = find(wanted, said)
    while at >= 0:
        if _DENIED.search(said, 0, at) is None:
            return True
        at = find(wanted, said, at + 1)
    return False


def _is_nearly(wanted: str, said: str) -> bool:
    if len(wanted) < _LONG or any(number not in _NUMBERS.findall(said) for number in _NUMBERS.findall(wanted)):
        return False
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(wanted, said) >= _PART * len(wanted)


def is_cited(case: Case, answer: Answer, gold: Sequence[str]) -> bool:
    """Whether one of an answer's citations is of a passage that holds the right answer."""
    wanted = [one for one in map(fold, case.answers) if one]
    return any(cited.chunk_id in gold or holds(fold(cited.quote), wanted) for cited in answer.citations)


def prompted(case: Case, answer: Answer, hits: Sequence[Hit]) -> Finding:
    """Return whether the passage with the answer reached the model.

    Args:
        case: the case.
        answer: what was made of the hits.
        hits: what was found, the answer among them.
    """
    if answer.extra.get("refused_by") == "retrieval":
        held, least = answer.extra.get("support"), answer.extra.get("threshold")
        says = f"the hits were taken to say too little of the question (support {held}, refused below {least})"
        return Finding("lost", "refused", says, {"support": held, "threshold": least})
    prompt: Json = answer.extra.get("prompt") or {}
    lost = {one["chunk_id"]: int(one["characters"]) for one in prompt.get("left_out", ())}
    if not lost:
        return OK
    for hit in hits:
        text = Text(passage_text(hit))
        places = text.places(case.answers)
        if places and places[0].end <= len(text.text) - lost.get(hit.id, 0):
            return OK
    says = (
        f"the passage with the answer was cut off: of {len(hits)} hit{'s' if len(hits) != 1 else ''},"
        f" {prompt.get('contexts')} went into the window of {prompt.get('window')} tokens"
    )
    return Finding("lost", "window", says, {"window": prompt.get("window"), "left_out": list(lost)})


def is_off_topic(case: Case, gold: Sequence[Hit], others: Sequence[Hit]) -> bool:
    """Whether the passages that hold the expected answer say little of what is asked, where others say much.

    Args:
        case: the case.
        gold: the chunks that hold its answer.
        others: what the search found.
    """
    known = {hit.id for hit in gold}
    rest = [hit for hit in others if hit.id not in known]
    evidence = gather(read_question(case.question), [*gold, *rest])
    held = best = 0.0
    for scored in evidence.hits:
        if scored.hit >= len(gold):
            best = max(best, *scored.values, 0.0)
            continue
        places = Text(gold[scored.hit].text).places(case.answers)
        for clause, value in zip(scored.clauses, scored.values, strict=True):
            if any(place.start < clause.end and clause.start < place.end for place in places):
                held = max(held, value)
            else:
                best = max(best, value)
    return held < _SUPPORTED * best


def answered(case: Case, answer: Answer, alone: Answer | None, gold: Sequence[str], *, off_topic: bool) -> Finding:
    """Return what the model made of the passage with the answer.

    Args:
        case: the case.
        answer: from what was found.
        alone: from the passages with the answer alone; None where it was not asked so.
        gold: ids of the chunks that hold the answer.
        off_topic: whether those say little of what is asked.
    """
    if not case.answers:
        if answer.refused:
            return OK
        says = f"the documents do not answer it, and it was answered: {_short(answer.answer)}"
        return Finding("lost", "not_refused", says, {"support": answer.extra.get("support")})
    if is_answered(case, answer):
        if is_cited(case, answer, gold):
            return OK
        return Finding("warn", "wrong_citation", "the answer is right, and none of its citations holds it")
    said = _short(answer.answer)
    evidence: Json = {"said": answer.answer, "expected": case.answers}
    if alone is not None and is_answered(case, alone):
        says = f"from the right passage alone the answer is right; among the other hits it was: {said}"
        return Finding("lost", "distracted", says, {**evidence, "alone": alone.answer})
    if alone is not None:
        evidence["alone"] = alone.answer
    what = "it was refused" if answer.refused else f"the answer was: {said}"
    says = f"the passage with the answer was there, and {what}"
    if off_topic:
        evidence["doubtful"] = True
        says += "; that passage says little of what is asked: is the case right?"
    return Finding("lost", "wrong_answer", says, evidence)


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 80 else plain[:79] + "…"
