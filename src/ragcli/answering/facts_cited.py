"""The facts of a sentence against the passages that it cites, as problems of an answer.

A sentence is checked against all that it cites together; where its clauses have markers of their own, what stands
right before a marker is checked against that one, so that 保修24个月[2]，退货7天[1] with its markers swapped is seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragcli.answering.facts import Fact, facts, missing
from ragcli.records import Json

Source = tuple[str, str]  # what a passage says, and its path, which may be named but is no source of numbers

_RUN = re.compile(r"(?:\s*\[\d{1,3}\])+")
_MARK = re.compile(r"\[(\d{1,3})\]")
_BREAK = re.compile(r"\s*(?:[,，;；。.！？!?、]|$|(?:and|but|while|而|且|并|但)(?![a-z]))")
_CLAUSES = re.compile(r"[，；;。！？]|[,.]\s")
# What a marker behind it belongs to what follows: 根据[1]，…
_LEAD_IN = re.compile(
    r"\W*(?:根据|按照?|依照?|依据|据|参[见考]|见|如|资料|来源|文档|according|based|as |per |in |from |source|see )",
    re.IGNORECASE,
)
_LEAST = 4  # characters of a clause of its own

_NEGATED = re.compile(
    r"不是|不为|并非|并不|没有|而非|不足|不到|有误|错误|不正确|不对|不准确|(?:^|[,，;；])非"
    r"|(?<![a-z])(?:not|never|no|nor|rather than|instead of|wrong|incorrect)(?![a-z])|n['’]t(?![a-z])",
    re.IGNORECASE,
)
_YES_OR_NO = re.compile(
    r"吗|是否|是不是|对不对|对吧|有没有|能否|能不能|可否|可不可以|会不会"
    r"|^\W*(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should|must|may)\b"
    r"|, right\?",
    re.IGNORECASE,
)
# A clause that puts the asker's own case: 您工作了12年, "if you have 12 years".
_CASE = re.compile(
    r"[您你](?!的)|如果|若|假如|假设|属于|符合|落在|介于|(?<![a-z])(?:if|you|falls?|given that|since you)(?![a-z])",
    re.IGNORECASE,
)


def problems(
    question: str,
    results: Sequence[str],
    statement: str,
    written: str,
    cited: Sequence[int],
    sources: Sequence[Source],
    following: str = "",
) -> list[Json]:
    """Return the facts of a sentence that what it cites does not have; without a marker, that nothing has.

    A number or date that only the question has is a problem with ``in_question``, unless the sentence denies it, or
    puts the asker's own case to a question that asks for something else.

    Args:
        question: its names and quotations may be repeated without a source.
        results: what functions returned; facts may come from there without a marker.
        statement: the sentence without its markers.
        written: the sentence as it stands.
        cited: the numbers of its markers, from 1.
        sources: all passages, in the order of their numbers.
        following: what comes after the sentence in the answer.
    """
    read = list(cited) if cited else list(range(1, len(sources) + 1))
    made = _against(question, results, statement, read, sources, following)
    out = [_problem(fact, cited, statement, found, cited, more) for fact, found, more in made]
    told = {(fact.kind, fact.text) for fact, _, _ in made}
    known = {(fact.kind, fact.text) for fact in facts(statement)} if len(cited) > 1 else set()
    for clause, marks in _clauses(written, cited) if known else ():
        for fact, found, more in _against(question, results, clause, marks, sources, following):
            if (fact.kind, fact.text) in known - told:
                told.add((fact.kind, fact.text))
                out.append(_problem(fact, marks, statement, found, cited, more))
    return out


def _problem(
    fact: Fact, marks: Sequence[int], sentence: str, found: list[int], cited: Sequence[int], more: Json
) -> Json:
    problem: Json = {"kind": fact.kind, "text": fact.text, "cited": list(marks), "sentence": sentence, **more}
    return {**problem, "found_in": found} if found and cited else problem


def _against(
    question: str,
    results: Sequence[str],
    statement: str,
    read: Sequence[int],
    sources: Sequence[Source],
    following: str,
) -> list[tuple[Fact, list[int], Json]]:
    """Return the facts that are missing in the passages read, which other passages have each, and what else to say."""

    def gone(numbers: Sequence[int], *texts: str) -> list[Fact]:
        held = [*results, *texts, *(sources[n - 1][0] for n in numbers)]
        return missing(statement, held, [question, *(sources[n - 1][1] for n in numbers)], following)

    lost = gone(read)
    if not lost:
        return []
    asked = {(fact.start, fact.end) for fact in lost} - {(fact.start, fact.end) for fact in gone(read, question)}
    elsewhere = {
        n: {(fact.start, fact.end, fact.kind) for fact in gone([n])}
        for n in range(1, len(sources) + 1)
        if n not in read
    }
    out: list[tuple[Fact, list[int], Json]] = []
    for fact in lost:
        in_question = (fact.start, fact.end) in asked
        if in_question and _may_repeat(question, statement, fact):
            continue
        found = [n for n, without in elsewhere.items() if (fact.start, fact.end, fact.kind) not in without]
        out.append((fact, found, {"in_question": True} if in_question else {}))
    return out


def _may_repeat(question: str, statement: str, fact: Fact) -> bool:
    """Whether a sentence may repeat a number of the question: it denies it, or puts the case that was asked about."""
    start = max((match.end() for match in _CLAUSES.finditer(statement, 0, fact.start)), default=0)
    after = _CLAUSES.search(statement, fact.end)
    clause = statement[start : after.start() if after is not None else len(statement)]
    return bool(_NEGATED.search(clause)) or (not _YES_OR_NO.search(question) and bool(_CASE.search(clause)))


def _clauses(written: str, cited: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return the clauses that stand right before a marker of their own, with their numbers; none for one run."""
    runs = list(_RUN.finditer(written))
    out: list[tuple[str, list[int]]] = []
    begin = 0
    for run in runs:
        piece = written[begin : run.start()]
        begin = run.end()
        if len(re.findall(r"\w", piece)) < _LEAST or _LEAD_IN.match(piece) or not _BREAK.match(written, run.end()):
            return []
        marks = [n for n in dict.fromkeys(int(n) for n in _MARK.findall(run.group())) if n in cited]
        clause = _CLAUSES.split(piece.rstrip("。.！!？?；;，, "))[-1]
        if marks and len(re.findall(r"\w", clause)) >= _LEAST:
            out.append((" ".join(clause.split()), marks))
    return out if len(runs) > 1 else []
